"""The command line within the process of the tests."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from modflow import cli
from modflow.report import progress


class Outcome(NamedTuple):
    status: int
    out: str
    err: str


@pytest.fixture
def run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Outcome]:
    """`modflow ARGS`, in this process."""

    def invoke(*arguments: str) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["modflow", *arguments])
        handler = signal.getsignal(signal.SIGINT)
        try:
            with pytest.raises(SystemExit) as exited:
                cli.main()
        finally:
            signal.signal(signal.SIGINT, handler)
        return Outcome(int(exited.value.code or 0), *capsys.readouterr())

    # On a busy machine anything may take over two seconds; progress has tests of its own.
    monkeypatch.setattr(progress, "DELAY_SECONDS", 1e6)
    return invoke


@pytest.fixture
def refused(run: Callable[..., Any]) -> Callable[..., str]:
    """The one line on stderr with which `modflow ARGS` is refused."""

    def invoke(*arguments: str) -> str:
        status, out, err = run(*arguments)
        assert status == 2
        assert out == ""
        assert err.startswith("modflow: error: ")
        assert err.count("\n") == 1
        assert err.endswith("\n")
        return err

    return invoke
