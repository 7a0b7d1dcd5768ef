"""The command line in this process, in an empty folder; and what holds of every answer."""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from modflow.schemas import NAMES, schema_text

from .arguments import make_paths

_TELLS_BESIDES = ("verify", "pdf")
"""Commands that show what they have found although a part of the request is wrong."""


class Shell:
    """Runs commands, each case in a new folder that is the current one."""

    def __init__(
        self, run: Callable[..., Any], place: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self._run, self._place, self._patch, self._count = run, place, monkeypatch, 0
        self.folder = place
        self._temporary = place / "temporary"
        self._temporary.mkdir()
        # Where something is looked for that is not in the folder, there is nothing.
        for name in ("HOME", "XDG_CACHE_HOME", "MODFLOW_DATA_DIR"):
            monkeypatch.setenv(name, str(place / "home"))
        monkeypatch.setattr(tempfile, "tempdir", str(self._temporary))
        # What is raised where nobody can catch it has a traceback on stderr.
        self._unraisable: list[object] = []
        monkeypatch.setattr(sys, "unraisablehook", lambda u: self._unraisable.append(u.exc_value))

    def new_folder(self) -> Path:
        """An empty folder, which becomes the current one; that of the case before is removed."""
        self.close()
        self._count += 1
        self.folder = self._place / f"case-{self._count}"
        self.folder.mkdir()
        self._patch.chdir(self.folder)
        return self.folder

    def among_paths(self) -> Path:
        """A new folder with all that paths of arguments are about."""
        make_paths(folder := self.new_folder())
        return folder

    def asked(self, arguments: list[str]) -> None:
        """A command among these paths; what is checked is what holds of every answer."""
        self.among_paths()
        self(*arguments)

    def close(self) -> None:
        """Leave the folder and remove it."""
        if self.folder != self._place:
            self._patch.chdir(self._place)
            shutil.rmtree(self.folder)
            self.folder = self._place

    def __call__(self, *arguments: str, chatty: bool = False, writes: Iterable[str] = ()) -> Any:
        """`modflow ARGUMENTS`; with `chatty` what users' modules print is on stderr, too.

        A request that is refused leaves no files but `writes`, in the folder or below.
        """
        before = self._files()
        with warnings.catch_warnings(record=True) as warned:
            _as_python_does()
            outcome = self._run(*arguments)
        assert not self._unraisable, self._unraisable
        assert not warned, f"{warned[0].category.__name__}: {warned[0].message}"
        check(outcome, arguments, chatty=chatty)
        new = self._files() - before
        strays = {path for path in new if Path(path).name.startswith((".modflow-", "tmp"))}
        if outcome.status == 2:
            strays |= {p for p in new if not any(p == w or p.startswith(f"{w}/") for w in writes)}
        assert not strays, f"left behind: {sorted(strays)}"
        assert not list(self._temporary.iterdir()), "left behind in the folder of temporary files"
        return outcome

    def _files(self) -> set[str]:
        return {path.relative_to(self.folder).as_posix() for path in self.folder.rglob("*")}


def check(outcome: Any, arguments: tuple[str, ...], *, chatty: bool = False) -> None:
    """What holds of every answer of the command line.

    The status is a documented one; nobody sees a traceback; a request that is wrong is refused in
    one line that says why, with nothing else unless there are results, too; with --json there is
    one document on stdout, of the command's schema, and nothing else.
    """
    status, out, err = outcome
    assert status in (0, 1, 2, 3)
    assert "Traceback" not in err + out
    if status == 2 and err.startswith("Usage: "):
        assert not arguments
        assert out == ""
        return
    lines = err.splitlines()
    if not chatty:
        assert all(line.startswith("modflow: ") for line in lines), err
    command = next(iter(arguments), "")
    as_json = "--json" in arguments[:2] and "--help" not in arguments
    if status == 2 and command == "pdf" and out:
        assert chatty or not lines  # what is wrong with each document is on stdout
    elif status == 2:
        (error,) = (line for line in lines if line.startswith("modflow: error: "))
        assert lines[-1] == error
        assert len(error) > len("modflow: error: ")
        assert chatty or len(lines) == 1
        # A file that cannot be written does not take the results along.
        assert out == "" or command in _TELLS_BESIDES or "cannot write" in error
    else:
        assert "modflow: error: " not in err
    if as_json and (out or status != 2):
        assert_document(out, command)


def assert_document(out: str, command: str) -> Any:
    """The one JSON document of a command on its stdout, which follows the command's schema."""

    def reject(token: str) -> None:
        raise AssertionError(f"{token} is not JSON")

    assert command in NAMES
    found = json.loads(out, parse_constant=reject)
    _validator(command).validate(found)
    return found


@cache
def _validator(command: str) -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(json.loads(schema_text(command)))


def _as_python_does() -> None:
    """The warnings that a user sees, and each of them, however often."""
    warnings.resetwarnings()
    warnings.simplefilter("always")
    for kind in (DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning):
        warnings.simplefilter("ignore", kind)
