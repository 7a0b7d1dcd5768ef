"""Arguments as people type them, mistype them, and as scripts put them together."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

Text = SearchStrategy[str]

texts: Text = st.text(
    # All but NUL, which no argument can have; bytes that are no UTF-8 arrive as \udc80 to \udcff.
    st.characters(exclude_characters="\0", exclude_categories=["Cs"])
    | st.characters(min_codepoint=0xDC80, max_codepoint=0xDCFF, categories=["Cs"]),
    max_size=12,
)


def mostly(good: Text, bad: Text) -> Text:
    """What is wrong with a request hides what else is: seven times out of eight nothing is."""
    return st.integers(0, 7).flatmap(lambda i: good if i else bad)


_ODD_NUMBERS = (
    *(
        "0",
        "1",
        "-1",
        "1/0",
        "-1/2",
        "0.999999999999999999999",
        "1.0000001",
        "2",
        "1e-300",
        "1e300",
    ),
    *("nan", "inf", "-inf", "NaN", "1e-400", "1e400", "1e999999999", "-0", "1e", "1e-5", "1e5"),
    *("2^5000", "2^-5000", "2^-1000", "2^1000", "2^", "^", "1_0", "0x10", "+.5", " 0.5 ", "0,5"),
    *("٣", "−1", "½", "1 2", "9" * 400, "0." + "3" * 99, "1e5e5", "True", "None", "beta", "k", "*"),
)
odd_numbers: Text = st.sampled_from(_ODD_NUMBERS) | texts | st.floats().map(repr)
numbers: Text = mostly(st.sampled_from(["0.5", "9/10", "0", "2^-5", "0.123"]), odd_numbers)

_NO_COUNTS = (
    *("0", "-1", "1.5", "1e3", "0x1", "None", "nan", "²", "", str(-(2**64)), "-0", "1/1"),
    *("٣", "1_0", " 2 ", "+1"),  # which are numbers to Python, and small ones
)
_LARGE = ("13", "99", str(2**31), str(2**63), "9" * 5000)


def counts(*good: int) -> Text:
    """Numbers of what is worked on: these, and what is none; large ones would take their time."""
    return mostly(st.sampled_from(good).map(str), st.sampled_from(_NO_COUNTS) | texts)


def wholes(*good: int) -> Text:
    """Whole numbers of these, large ones, and what is none."""
    odd = st.sampled_from([*_NO_COUNTS, *_LARGE]) | texts
    return mostly(st.sampled_from(good).map(str), odd)


def words(*good: str) -> Text:
    """One of these, sometimes spelled in another way, or something else."""
    known = st.sampled_from(good)
    return mostly(known, known.map(str.upper) | known.map(lambda word: word[:-1]) | texts)


def grids(*good: str) -> Text:
    """Grids of step sizes of these, lists of other numbers, and what is none."""
    ends = st.sampled_from(["2^-3", "2^-6", "2^5000", "0.1", "", "2^-99999", "2^-1000", "2^-990"])
    return mostly(
        st.sampled_from(good),
        st.lists(numbers | odd_numbers, max_size=6).map(",".join)
        | st.lists(ends, min_size=2, max_size=3).map(":".join),
    )


def make_paths(folder: Path) -> None:
    """What the paths of `paths` lead to: folders, files, links that lead nowhere or in circles."""
    for name in ("folder", "folder.pdf", "folder.html"):
        (folder / name).mkdir()
    for name in ("file", "empty.json", "file.py"):
        (folder / name).touch()
    (folder / "garbage.json").write_bytes(bytes(range(256)))
    os.symlink("circle.svg", folder / "circle.svg")
    os.symlink("nowhere/at/all", folder / "dangling.csv")


def paths(*good: str) -> Text:
    """Names of files: these, and those that cannot be."""
    bad = (
        *("folder", "folder.pdf", "folder.html", "file", "file/below.pdf", "missing/x.pdf"),
        *("circle.svg", "dangling.csv", "a" * 300 + ".pdf", "", ".", "..", "/dev/null", "x.exe"),
        *("/proc/none/x.md", "empty.json", "garbage.json", "file.py", "ü ∂.svg", "\udcff.md"),
        *("-", "--", "@", ".pdf", "a\nb.svg", "a\tb.html", "~/x.pdf"),
    )
    return mostly(st.sampled_from(good), st.sampled_from(bad))


def outs(arguments: Sequence[str]) -> list[str]:
    """The folders below the current one that --out may make, with those that lead there."""
    after = [value for name, value in pairwise(arguments) if name == "--out"]
    after += [given.removeprefix("--out=") for given in arguments if given.startswith("--out=")]
    return [value.partition("/")[0] for value in after]


def command_lines(
    command: str,
    arguments: Sequence[Text],
    options: Mapping[str, Text | None],
    sound: Sequence[Sequence[str]] = ((),),
) -> SearchStrategy[list[str]]:
    """Calls of a command: too few arguments or too many, options twice or of others.

    An option with None takes no value. Where --json is asked for it stands first. `sound` are
    options that go together, which others are added to.
    """
    value_options = [name for name, values in options.items() if values is not None]

    @st.composite
    def each(draw: st.DrawFn) -> list[str]:
        found = [command]
        if "--json" in options and draw(st.booleans()):
            found.append("--json")
        given = [draw(values) for values in arguments]
        found += draw(st.sampled_from(sound))
        for _ in range(draw(st.integers(0, 5))):
            name = draw(st.sampled_from(sorted(options)))
            values = options[name]
            if values is None:
                # Flags exclude each other, mostly.
                found += [name] if name != "--json" and draw(st.integers(0, 2)) == 0 else []
                continue
            value = draw(values)
            found += draw(st.sampled_from([[name, value]] * 3 + [[f"{name}={value}"]]))
        odd = draw(st.integers(0, 29))
        if odd == 0:
            given = given[:-1]
        elif odd == 1:
            given.append(draw(texts))
        elif odd == 2:
            found.append(draw(st.sampled_from(sorted(options))))  # a value may be missing
        elif odd == 3:
            found += [draw(st.sampled_from(sorted(options)))[:-1] or "-", draw(texts)]
        elif odd == 4:
            found += [draw(st.sampled_from(["--nothing", "-x", "-", "--", "--=", "--help", "-h"]))]
        elif odd == 5 and value_options:
            found += [f"{draw(st.sampled_from(value_options))}="]
        where = draw(st.sampled_from(["last", "first"]))
        if where == "last":
            return [*found, *given]
        head = 2 if found[1:2] == ["--json"] else 1
        return [*found[:head], *given, *found[head:]]

    return each()
