"""What tests asserted, as lines at the end of a run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any


def order_lines(found: Iterable[tuple[str, Mapping[str, Any]]]) -> list[str]:
    """One line an order, from (test, what was found as `modflow.testing` records it)."""
    rows = [
        (
            interval_text(order["observed_order"], order["interval"]),
            f"expected {order['expected']:g}",
            order["verdict"],
            test + f": {order['label']}" * bool(order["label"]),
        )
        for test, order in found
    ]
    return _aligned(rows)


def theorem_lines(tests: Mapping[str, Sequence[tuple[str, str | None]]]) -> list[str]:
    """One line a theorem, from the tests that are about it: (outcome, a claim's verdict or None).

    It fails where one of them failed, and is open where one was skipped or did not run.
    Otherwise it holds, or, where it is a claim, is what its verdict says.
    """
    rows = []
    for theorem, results in sorted(tests.items()):
        outcomes = [outcome for outcome, _ in results]
        counts = {kind: outcomes.count(kind) for kind in _KINDS}
        told = ", ".join(f"{n} {kind}" for kind, n in counts.items() if n)
        verdicts = {verdict or "holds" for _, verdict in results}
        state = (
            "fails"
            if counts["failed"]
            else "open"
            if counts["skipped"] or counts["not run"]
            else ", ".join(sorted(verdicts))
        )
        rows.append((theorem, state, told))
    return _aligned(rows)


def interval_text(order: float | None, interval: Sequence[float | None]) -> str:
    """`2.001 in [1.993, 2.006]`, or that no order can be told; None is what is not finite."""
    low, high = interval
    if order is None:
        return "no order"
    if low is None or high is None:
        return f"{order:.3f}"
    return f"{order:.3f} in [{low:.3f}, {high:.3f}]"


_KINDS = ("passed", "skipped", "failed", "not run")


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    if not rows:
        return []
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]) - 1)]
    return [
        "  ".join([*(f"{c:<{w}}" for c, w in zip(row, widths, strict=False)), row[-1]])
        for row in rows
    ]
