"""`modflow train` with any arguments."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import strategies as st

from .arguments import (
    command_lines,
    counts,
    grids,
    mostly,
    numbers,
    outs,
    paths,
    texts,
    wholes,
    words,
)
from .cases import cases
from .shell import Shell

SMALL = ("--train", "20", "--test", "10", "--width", "4", "--depth", "1", "--steps", "2")
ASKED = command_lines(
    "train",
    [],
    {
        "--config": paths("missing.json"),
        "--data": words("digits", "mnist", "cifar-10", "cifar-100"),
        "--data-dir": paths("folder", "missing"),
        "--train": wholes(20, 30),
        "--test": wholes(10),
        "--size": wholes(4, 8),
        "--network": words("mlp"),
        "--width": counts(4),
        "--depth": counts(1),
        "--activation": words("relu", "tanh"),
        "--initialization": words("torch", "he", "lecun"),
        "--precision": words("float32", "float64"),
        "--h": grids("0.1", "0.1,0.05"),
        "--beta": mostly(st.sampled_from(["0", "0,0.5"]), numbers),
        "--effective": numbers,
        "--seeds": mostly(st.sampled_from(["1", "0,1"]), counts(1)),
        "--batch": mostly(st.sampled_from(["full", "10"]), wholes(5)),
        "--steps": counts(1, 2),
        "--epochs": counts(1),
        "--decay": words("constant", "linear", "cosine", "steps"),
        "--record-every": wholes(1, 2),
        "--sharpness-every": wholes(0, 1),
        "--eigenvalues": counts(1),
        "--flow": wholes(0, 1),
        "--out": paths("done", "done/below"),
        "--at-once": wholes(1, 2),
        "--stepping": words("loop", "host"),
        "--dask": texts.filter(lambda text: ":" not in text),
        "--hosts": st.sampled_from(["auto,1", "x", "", "a:b,c,d", ":,,", "127.0.0.1:1,2,3"]),
        "--device": words("cpu"),
        "--plot": paths("x.svg"),
        "--no-batch-norm": None,
        "--json": None,
    },
    sound=[SMALL],
)


@cases("train")
def test_train(count: int, explore: Callable[..., None], shell: Shell) -> None:
    def check(arguments: list[str]) -> None:
        shell.among_paths()
        alone = () if {"--dask", "--hosts"} & set(arguments) else ("--jobs", "1")
        # Where results go is made before the data are looked for.
        shell(*arguments, *alone, writes=["runs", *outs(arguments)])

    explore(count, ASKED, check)
