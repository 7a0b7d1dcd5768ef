"""`modflow sweep` with any arguments."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import strategies as st

from .arguments import (
    command_lines,
    grids,
    mostly,
    numbers,
    odd_numbers,
    paths,
    texts,
    wholes,
    words,
)
from .cases import cases
from .shell import Shell

SEQUENCES = {
    "good.txt": b"0,1\n1,0\n",
    "empty.txt": b"\n\n",
    "text.txt": b"0,one,2\n",
    "bytes.txt": bytes(range(128, 256)),
    "large.txt": b"0," * 5000 + b"99",
    "huge.txt": b"9" * 100_000,
}
ASKED = command_lines(
    "sweep",
    [],
    {
        "--method": words("gd", "heavy-ball", "nesterov", "rk4", "qhm", "aggmo", "two-step"),
        "--beta": numbers,
        "--set": st.builds("{}={}".format, st.sampled_from(["nu", "betas", "beta"]), numbers),
        "--problem": words("quadratic", "two-layer", "rosenbrock", "digits-logistic"),
        "--order": wholes(1, 2),
        "--flow": words("piecewise", "limit"),
        "--h": grids("2^-3:2^-6", "0.1,0.05,0.025,0.0125", "2^4:2^7", "2^-4:2^-4"),
        "--T": mostly(st.sampled_from(["1/2", "0.25"]), odd_numbers),
        "--digits": wholes(20, 25),
        "--batches": wholes(1, 2, 3),
        "--sampling": words("cyclic", "once", "shuffled", "independent"),
        "--sequence": mostly(
            st.sampled_from(["0,1", "0,1,1,2", "@good.txt"]),
            st.sampled_from(["@", "@folder", "@missing", *(f"@{name}" for name in SEQUENCES)])
            | texts,
        ),
        "--seed": wholes(0, 7),
        "--json": None,
        "--csv": paths("x.csv"),
        "--plot": paths("x.svg"),
    },
    sound=[
        (),
        ("--method", "gd", "--problem", "quadratic"),
        ("--problem", "digits-logistic", "--batches", "2"),
        ("--digits", "20"),
    ],
)


def bounded(arguments: list[str]) -> list[str]:
    """Where the grid or the time is left to the problem, a small one: studies take long."""
    given = " ".join(arguments)
    small = [] if "--h" in given else ["--h", "2^-3:2^-6"]
    return [*arguments, *small, *([] if "--T" in given else ["--T", "1/2"])]


@cases("sweep")
def test_sweep(count: int, explore: Callable[..., None], shell: Shell) -> None:
    def check(arguments: list[str]) -> None:
        folder = shell.among_paths()
        for name, content in SEQUENCES.items():
            (folder / name).write_bytes(content)
        shell(*bounded(arguments))

    explore(count, ASKED, check)
