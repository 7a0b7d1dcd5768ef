"""The property of every case, the folder that it runs in, and how many there were."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from .cases import explored
from .shell import Shell

_COUNTED = "fuzz_cases"


@pytest.fixture
def explore(record_property: Callable[[str, object], None]) -> Callable[..., None]:
    """`explore(count, strategy, check)` checks so many cases, and counts them."""

    def explore(*arguments: Any) -> None:
        record_property(_COUNTED, explored(*arguments))

    return explore


@pytest.fixture
def shell(
    run: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Shell]:
    """The command line in a folder of its own for each case, and what has to hold of it."""
    found = Shell(run, tmp_path, monkeypatch)
    yield found
    found.close()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how many cases there were."""
    reports = [r for kind in ("passed", "failed") for r in terminalreporter.getreports(kind)]
    counts = [v for report in reports for name, v in report.user_properties if name == _COUNTED]
    if counts:
        terminalreporter.write_line(f"fuzz: {sum(counts)} cases in {len(counts)} tests")
