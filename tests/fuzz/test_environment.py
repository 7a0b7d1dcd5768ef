"""Odd environments: where a cache may be, how wide a terminal is, what it can show."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import strategies as st

from modflow import cache

from .arguments import texts
from .cases import cases
from .shell import Shell, check

COMMANDS = (
    ("derive", "heavy-ball", "--json"),
    ("derive", "rk4"),
    ("derive", "none"),
    ("info", "--json"),
    ("schema", "derive"),
    ("verify", "thm-4.1-drift"),
    (),
    ("derive", "--help"),
)
VALUES = {
    cache.VARIABLE: st.sampled_from(
        [
            *("", " ", "kept", "file", "file/below", "~", "~/kept", "~nobody/x", "a" * 300, "."),
            *("$HOME", "/dev/null", "/proc/none", "circle", "ü ∂", "\udcff", "kept/../kept"),
        ]
    )
    | texts.map(lambda text: text.replace("/", "").replace(".", "")),
    "COLUMNS": st.sampled_from(["0", "1", "-1", "x", "", "20", "9" * 30]),
    "LINES": st.sampled_from(["0", "-1", "x"]),
    "NO_COLOR": st.sampled_from(["", "1"]),
    "FORCE_COLOR": st.sampled_from(["", "1"]),
    "TERM": st.sampled_from(["", "dumb", "unknown", "xterm-256color"]),
    "NPROC": st.sampled_from(["0", "-1", "x", "", "2"]),
    "SOURCE_DATE_EPOCH": st.sampled_from(["x", "-1", "9" * 30, ""]),
}
ENVIRONMENTS = st.fixed_dictionaries({}, optional=VALUES)


@cases("environments")
def test_environments(
    count: int, explore: Callable[..., None], shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    # JAX, which has begun already in this process, is told nothing of it.
    monkeypatch.setattr(cache, "keep_programs", lambda: None)

    def checked(case: tuple[dict[str, str], tuple[str, ...]]) -> None:
        environment, command = case
        folder = shell.new_folder()
        (folder / "file").touch()
        (folder / "circle").symlink_to("circle")
        with monkeypatch.context() as patched:
            for name, value in environment.items():
                patched.setenv(name, value)
            patched.setenv("HOME", str(folder / "home"))
            kept = os.path.abspath(os.path.expanduser(environment.get(cache.VARIABLE, "").strip()))
            # The folder is made before anything is asked.
            shell(*command, writes=["home", os.path.relpath(kept, folder)])

    explore(count, st.tuples(ENVIRONMENTS, st.sampled_from(COMMANDS)), checked)


class Done(NamedTuple):
    """As the commands in this process have it."""

    status: int
    out: str
    err: str


@pytest.mark.parametrize(
    "environment",
    [
        {"LANG": "C", "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        {"PYTHONIOENCODING": "ascii", "COLUMNS": "0", "NO_COLOR": "1"},
        {"PYTHONIOENCODING": "ascii:strict", "COLUMNS": "x", cache.VARIABLE: "~/kept"},
        {"PYTHONIOENCODING": "utf-16", "TERM": "", "FORCE_COLOR": "1"},
    ],
    ids=str,
)
@pytest.mark.parametrize("command", [("derive", "heavy-ball"), ("derive", "∂ü\udcff", "--json")])
def test_terminals_that_can_show_little(
    tmp_path: Path, environment: dict[str, str], command: tuple[str, ...]
) -> None:
    found = subprocess.run(
        [sys.executable, "-m", "modflow", *map(os.fsencode, command)],
        env={**os.environ, "HOME": str(tmp_path), **environment},
        cwd=tmp_path,
        capture_output=True,
        check=False,
    )
    encoding = environment.get("PYTHONIOENCODING", "ascii").partition(":")[0]
    out, err = (text.decode(encoding) for text in (found.stdout, found.stderr))
    check(Done(found.returncode, out, err), command)
    assert found.returncode == (0 if command[1] == "heavy-ball" else 2)
