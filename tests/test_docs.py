"""The README and the documentation say what is true: their code runs and prints what they show."""

import contextlib
import io
import re
import shlex
from pathlib import Path

import pytest

from modflow import cli

ROOT = Path(__file__).parent.parent
SECONDS = re.compile(r"\d+\.\d s\b")
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize(
    "name",
    [
        "README.md",
        "docs/tour.md",
        "docs/methods.md",
        "docs/audit.md",
        "docs/moments.md",
        "docs/documents.md",
    ],
)
def test_python_blocks_run_and_print_what_stands_below(name):
    namespace, printed = {}, None
    for language, text in BLOCK.findall((ROOT / name).read_text()):
        if language == "python":
            out = io.StringIO()
            with contextlib.redirect_stdout(out):
                exec(compile(text, name, "exec"), namespace)
            printed = out.getvalue()
        elif language == "text":
            assert printed == text


def commands():
    """(command, output) of the console blocks in the README."""
    for language, text in BLOCK.findall((ROOT / "README.md").read_text()):
        if language == "console":
            first, _, output = text.partition("\n")
            yield first.removeprefix("$ "), output


# `verify` is run as a whole by CI, and its times differ from run to run.
@pytest.mark.parametrize("command", [c for c, _ in commands() if c != "modflow verify"])
def test_console_blocks_show_what_the_command_prints(command, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", shlex.split(command))
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert end.value.code == 0
    printed = capsys.readouterr().out, dict(commands())[command]
    got, shown = (SECONDS.sub("", text).split() for text in printed)
    assert len(got) == len(shown)
    for a, b in zip(got, shown, strict=True):
        if a != b:  # the last digits of measured figures depend on the machine
            a, b = (float(re.sub(r"[^0-9.e+-]", "", token)) for token in (a, b))
            assert a == pytest.approx(b, rel=0.02, abs=0.02)


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
