"""`modflow figure`, `info`, `schema`, `reproduce`, and commands that there are not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import strategies as st

from modflow import cli_reproduce
from modflow.schemas import NAMES
from modflow.training.grids import GridResult

from .arguments import command_lines, odd_numbers, paths, texts, wholes, words
from .cases import cases
from .shell import Shell

FIGURE = command_lines(
    "figure",
    [words("fig-1")],
    {
        "--out": paths("x.svg"),
        "--x": odd_numbers,
        "--y": odd_numbers,
        "--json": None,
    },
)
REPRODUCE = command_lines(
    "reproduce",
    [words("fig-2", "fig-3", "fig-4", "table-1")],
    {
        "--scale": words("tiny", "small", "paper"),
        "--out": paths("done", "done/below"),
        "--data-dir": paths("folder", "missing"),
        "--jobs": wholes(1),
        "--at-once": wholes(1, 2),
        "--dask": texts.filter(lambda text: ":" not in text),
        "--hosts": st.sampled_from(["auto,1", "x", "", "a:b,c,d", ":,,", "127.0.0.1:1,2,3"]),
        "--device": words("cpu"),
        "--plot": paths("x.svg"),
        "--json": None,
    },
)
LIGHT = st.one_of(
    command_lines("schema", [words(*NAMES)], {"--json": None}).filter(lambda c: "--json" not in c),
    command_lines("info", [], {"--json": None}),
    st.lists(
        texts | st.sampled_from(["derive", "--version", "--help", "-h", "--", "-"]), max_size=3
    ),
)


@cases("figure")
def test_figure(count: int, explore: Callable[..., None], shell: Shell) -> None:
    explore(count, FIGURE, shell.asked)


@cases("reproduce")
def test_reproduce(
    count: int, explore: Callable[..., None], shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(experiment: Any, runs: Any, *more: Any, **options: Any) -> GridResult:
        return GridResult(experiment, runs)

    # What it trains takes minutes; what is asked for is judged before.
    monkeypatch.setattr(cli_reproduce, "train_here", interrupted)

    explore(count, REPRODUCE, shell.asked)


@cases("light")
def test_light_commands(count: int, explore: Callable[..., None], shell: Shell) -> None:
    explore(count, LIGHT, shell.asked)
