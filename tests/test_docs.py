"""The README and the documentation say what is true: all code on all pages runs, block after block,
and prints what they show.

What is in a page's blocks: `python` runs, in one namespace a page; `text` is what the block before
it printed; `console` has commands after `$ `, each with what it prints, if that is shown, where a
line `…` stands for what is left out before the rest; `pycon` is a doctest; `json`, `toml` and
`yaml` are read. A block with `title="FILE"` is written to that file, in the folder where the page's
commands run. Code in any other language, and without one, has to be in `NOT_RUN`.
"""

from __future__ import annotations

import contextlib
import doctest
import io
import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from markdown_it import MarkdownIt

ROOT = Path(__file__).parent.parent
PAGES = ["README.md", *sorted(str(p.relative_to(ROOT)) for p in (ROOT / "docs").rglob("*.md"))]

NOT_RUN = {
    "python3 -m venv .venv && . .venv/bin/activate && pip install . && modflow verify": (
        "CI runs it, from this line of the README"
    ),
    "python3 -m venv .venv && . .venv/bin/activate && pip install '.[test]' && pytest -n auto": (
        "CI runs it, from this line of the README"
    ),
    "$ python3 -m venv .venv": "installs modflow, as CI does with the README's two commands",
    "modflow sweep --plot sweep.svg": "`modflow sweep` runs above; test_report.py draws figures",
    "$ modflow train --data mnist --data-dir DIR --network resnet-18 --width 16 "
    "--h 0.05,0.1,0.2 --seeds 3": "needs MNIST in the reader's own folder, and hours",
    "$ modflow train --data mnist --data-dir DIR --network resnet-18 --width 16 "
    "--h 0.05,0.1,0.2 --steps 200 --record-every 50 --test 3000": (
        "needs MNIST in the reader's own folder, and hours"
    ),
    "$ modflow reproduce fig-2 --scale small --data-dir DIR --plot fig-2.svg": (
        "needs MNIST in the reader's own folder, and half an hour"
    ),
    "$ modflow reproduce table-1 --scale small --data-dir DIR --plot table-1.svg": (
        "needs MNIST in the reader's own folder, and 20 minutes"
    ),
    "$ modflow reproduce fig-2 --scale tiny --plot fig-2.png": (
        "trainings in float32, whose numbers differ from machine to machine by more than their "
        "last digits; tests/training/test_reproduce.py runs the experiments"
    ),
    "$ dask scheduler --port 8786 &": (
        "starts servers on a fixed port; tests/training/test_dask.py has a cluster of its own"
    ),
    "$ modflow train --network resnet-6 --width 4 --batch 100 --h 0.05,0.1 --beta 0,0.9 "
    "--steps 200 --hosts 127.0.0.1:4000,2,1 &": "two hosts; so in tests/training/test_hosts.py",
    "$ modflow train --train 200 --test 200 --width 16 --activation gelu --precision float64 "
    "--effective 0.02 --beta 0,0.5,0.9 --seeds 3 --steps 200 --flow 2 "
    "--plot beside-the-flow.svg": "building the site runs it; networks.md has the same numbers",
}
"""The first line of a block, and why it is not run here."""

SLOW = {
    "$ modflow sweep --problem digits-mlp --order 2": "minutes",
    "$ modflow sweep --problem digits-resnet --order 2": (
        "minutes; all four, three quarters of an hour on a busy machine"
    ),
    "$ modflow sweep --problem digits-mlp-relu --order 2": "minutes",
    "$ modflow sweep --problem digits-mlp-relu --order 1 --T 0.05 "
    "--h 0.0015625,0.00078125,0.000390625,0.0001953125": "minutes",
}
"""The first line of a block, and how long it takes: run by `pytest -m slow` alone."""

SECONDS = re.compile(r"\d+\.\d s\b|\bin \d+\.\d+s\b")
TITLE = re.compile(r'\btitle="([^"]+)"')
COMMANDS = re.compile(r"(modflow|pip|python3?|pytest|dask|mkdocs|import|from|>>>|\$) ")


class Block(NamedTuple):
    line: int
    language: str
    title: str | None
    text: str

    @property
    def first(self) -> str:
        return self.text.partition("\n")[0]


def blocks(page: str) -> list[Block]:
    """The code on a page. What is indented, and no command, is a formula or a row of numbers."""
    found = []
    for token in MarkdownIt("commonmark").parse((ROOT / page).read_text(encoding="utf-8")):
        if token.type == "fence" or (token.type == "code_block" and COMMANDS.match(token.content)):
            title = TITLE.search(token.info)
            language = token.info.partition(" ")[0]
            found.append(Block(token.map[0] + 1, language, title and title[1], token.content))
    return found


def pages() -> Iterator[object]:
    """Each page with blocks; once more among the slow tests if some of them are slow."""
    for page in PAGES:
        found = blocks(page)
        slow = [block.first in SLOW for block in found]
        if not all(slow):
            yield pytest.param(page, False, id=page)
        if any(slow):
            yield pytest.param(page, True, id=f"{page}-all", marks=pytest.mark.slow)


@pytest.mark.parametrize(("page", "slow"), list(pages()))
def test_all_code_on_a_page_runs_and_prints_what_is_shown(page, slow, run, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    namespace, printed, exactly = {}, None, True
    for block in blocks(page):
        if block.first in NOT_RUN or (block.first in SLOW and not slow):
            printed = None
            continue
        place = f"{page}, line {block.line}"
        if block.title:
            path = Path(block.title)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text, encoding="utf-8")
        if block.language == "python" and not block.title:
            out = io.StringIO()
            with contextlib.redirect_stdout(out):
                exec(compile(block.text, page, "exec"), namespace)
            printed, exactly = out.getvalue(), True
        elif block.language == "text" and not block.title:
            assert printed is None or agree(printed, block.text, exactly=exactly), place
        elif block.language == "console":
            exactly = False
            for command, shown in commands(block.text):
                status, printed = call(command, run)
                assert status == expected_status(shown), place
                assert not shown or agree(printed, shown), f"{place}: {printed}"
        else:
            read(block, place)


def commands(text: str) -> Iterator[tuple[str, str]]:
    """(command, what it prints)."""
    for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        command, _, output = part.partition("\n")
        yield command, output


def call(command: str, run) -> tuple[int, str]:
    """The exit status of a command and what it printed: modflow in this process, others outside."""
    name, *arguments = shlex.split(command)
    if name == "modflow" and not {"|", ">", "&&", "&"} & set(arguments):
        status, out, _ = run(*arguments)
        return status, out
    here = Path(sys.executable).parent
    path = f"{here}{os.pathsep}{os.environ['PATH']}"
    # What a reader sees at a terminal: where CI runs, pytest cuts no line short, and options that
    # were meant for the tests around this one are not for the page's.
    without = {"CI", "BUILD_NUMBER", "PYTEST_ADDOPTS", "COLUMNS", "FORCE_COLOR", "PY_COLORS"}
    kept = {name: value for name, value in os.environ.items() if name not in without}
    done = subprocess.run(
        command,
        shell=True,
        env={**kept, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout


def expected_status(shown: str) -> int:
    """0, or what a verdict or pytest's last line is told by."""
    if re.search(r"^\d+ failed\b.* in ", shown, re.MULTILINE):
        return 1
    verdict = re.search(r"^verdict +(\w+)", shown, re.MULTILINE)
    return {"fail": 1, "inconclusive": 3}.get(verdict[1], 0) if verdict else 0


def agree(printed: str, shown: str, *, exactly: bool = False) -> bool:
    """Whether they are the same, but for times and the last digits of measured figures."""
    if exactly:
        return printed == shown
    # A rule below the head of a table is as long as its times have it.
    got, told = (re.sub("─+", "─", SECONDS.sub("", text)).split() for text in (printed, shown))
    if told[:1] == ["…"]:
        told = told[1:]
        got = got[len(got) - len(told) :]
    return len(got) == len(told) and all(map(close, got, told))


def close(a: str, b: str) -> bool:
    """Whether two words are the same, or numbers that differ in their last digits."""
    if a == b:
        return True
    try:
        a, b = (float(re.sub(r"[^0-9.e+-]", "", token)) for token in (a, b))
    except ValueError:
        return False
    return a == pytest.approx(b, rel=0.02, abs=0.02)


def read(block: Block, place: str) -> None:
    """What is not run but read."""
    if block.language == "json":
        json.loads(block.text)
    elif block.language == "toml":
        tomllib.loads(block.text)
    elif block.language in ("yaml", "yml"):
        pytest.importorskip("yaml").safe_load(block.text)
    elif block.language == "pycon":
        example = doctest.DocTestParser().get_doctest(block.text, {}, place, place, block.line)
        assert doctest.DocTestRunner().run(example).failed == 0
    else:
        assert block.title, f"{place}: {block.language or 'no language'} is not run; see NOT_RUN"


def test_what_is_not_run_and_what_is_slow_is_on_a_page():
    first = {block.first for page in PAGES for block in blocks(page)}
    assert first >= NOT_RUN.keys() | SLOW.keys()
    assert not NOT_RUN.keys() & SLOW.keys()


def test_the_readme_has_the_two_commands_that_ci_runs():
    lines = [line.strip() for line in (ROOT / "README.md").read_text().splitlines()]
    starts = [line for line in lines if line.startswith("python3 -m venv .venv && ")]
    assert len(starts) == 2
    assert starts[0].endswith("modflow verify")
    assert starts[1].endswith("pytest -n auto")


def test_the_audit_lists_all_claims_with_their_verdicts():
    from modflow.claims import CLAIMS

    table = (ROOT / "docs/audit.md").read_text().split("## All claims")[1]
    rows = re.findall(r"^\| (\S+) \| (.*) \| (\w+) \|$", table, re.M)
    recorded = [(c.id, c.source, c.expected) for c in CLAIMS.values()]
    assert rows[1:] == recorded  # below the heading
