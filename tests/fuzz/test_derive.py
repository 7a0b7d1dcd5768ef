"""`modflow derive` with any arguments."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import strategies as st

from modflow.methods import METHODS

from .arguments import command_lines, numbers, paths, texts, wholes, words
from .cases import cases
from .shell import Shell

settings = st.builds(
    "{}={}".format,
    st.sampled_from(["nu", "betas", "beta", "alpha", "mu", "A", "b", "", " nu ", "NU"]),
    numbers | st.lists(numbers, max_size=4).map(",".join),
)
ASKED = command_lines(
    "derive",
    [words(*METHODS, "hb", "gd", "qhm")],
    {
        # Orders that are derived in no time, and those that there are not.
        "--order": wholes(1, 2, 3),
        "--beta": numbers,
        "--set": settings | texts,
        "--step": wholes(0, 1, 7),
        "--limit": None,
        "--json": None,
        "--latex": None,
        "--python": None,
        "--table": paths("x.html", "x.tex"),
        "--pdf": paths("x.md", "x.tex"),
    },
)


@cases("derive")
def test_derive(count: int, explore: Callable[..., None], shell: Shell) -> None:
    explore(count, ASKED, shell.asked)
