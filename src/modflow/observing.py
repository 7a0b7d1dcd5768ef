"""Who wants to know of the orders that are asserted: the pytest plugin, while a test runs.

A module of its own, and a small one: the plugin is loaded in every project that has modflow
installed, and must not bring NumPy where nobody asserts an order.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

ORDER, THEOREM, VERDICT = "modflow-order", "modflow-theorem", "modflow-verdict"
"""Names of the properties in tests' reports."""
Inconclusive = Literal["fail", "skip"]


@dataclass(frozen=True)
class Observer:
    """Told of each order that is asserted while it is the current one."""

    record: Callable[[dict[str, Any]], None]
    """Takes what was found, as JSON has it."""
    plot_path: Callable[[], Path | None]
    """Where the plot of what is not supported goes; None for no plot."""
    skip: Callable[[str], None]
    """Skips the test that runs, for this reason."""
    inconclusive: Inconclusive = "fail"
    """What becomes of a test whose data cannot tell."""


_current: list[Observer | None] = []


def current() -> Observer | None:
    """The innermost observer; None where nobody listens."""
    return _current[-1] if _current else None


def begin(observer: Observer | None) -> None:
    """Let this one, or nobody, be told until `end`."""
    _current.append(observer)


def end() -> None:
    """The observer before this one is told again."""
    _current.pop()
