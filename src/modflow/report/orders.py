"""An order study as plain text: what a failing test shows."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from string import ascii_lowercase
from typing import Any

import numpy as np

from ..convergence import OrderEstimate, finite_or_none, pairwise_slopes
from ..errors import first_line
from .asserted import interval_text


def order_table(
    step_sizes: Sequence[float] | np.ndarray,
    errors: Sequence[float | None] | np.ndarray,
    excluded: Mapping[int, str],
) -> str:
    """Step sizes, errors and pairwise slopes, coarsest first; why a size is left out, below.

    `excluded` has the reasons by the index of the size. An error that there is none of is None
    or NaN.
    """
    h = np.array(step_sizes, dtype=np.float64)
    e = np.array(errors, dtype=np.float64)
    reasons = list(dict.fromkeys(excluded[i] for i in sorted(excluded)))
    marks = {reason: _mark(i) for i, reason in enumerate(reasons)}
    slopes = [math.nan, *pairwise_slopes(h, e)]
    rows = [("h", "error", "slope", "")]
    for i, (size, error, slope) in enumerate(zip(h, e, slopes, strict=True)):
        mark = marks[excluded[i]] if i in excluded else ""
        rows.append((f"{size:.6g}", f"{error:.3e}", _shown(slope, ".3f"), mark))
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    lines = ["   ".join(f"{c:>{w}}" for c, w in zip(row, widths, strict=False)) for row in rows]
    table = [f"{line}   {row[3]}".rstrip() for line, row in zip(lines, rows, strict=True)]
    return "\n".join([*table, *(f"{mark}  {reason}" for reason, mark in marks.items())])


def estimate_lines(estimate: OrderEstimate) -> Iterator[str]:
    """The observed order and its constant, where there are any."""
    if math.isfinite(estimate.order):
        interval = [finite_or_none(bound) for bound in estimate.interval]
        yield f"observed order   {interval_text(estimate.order, interval)}"
    if math.isfinite(estimate.constant):
        yield f"constant         {estimate.constant:.4g}"


def save_plot(
    path: Path,
    step_sizes: Sequence[float],
    errors: Sequence[float | None],
    *,
    title: str,
    **more: Any,
) -> str:
    """Save `order_figure`, and say in a line where; or why there is none.

    No test fails for its plot, and matplotlib need not be there.
    """
    try:
        from .loglog import order_figure
        from .save import save

        path.parent.mkdir(parents=True, exist_ok=True)
        # What a test is called is no mathematics, whatever dollars are in it.
        plain = title.replace("$", r"\$")
        save(order_figure(step_sizes, errors, title=plain, **more), path)
        here = Path.cwd()
        return f"plot: {path.relative_to(here) if path.is_relative_to(here) else path}"
    except ImportError:
        return "no plot: matplotlib is not installed"
    except Exception as error:
        # Such as warnings of matplotlib's, where a project has made errors of them.
        return f"no plot: {first_line(error)}"


def _mark(number: int) -> str:
    """a to z, then aa, ab, ..."""
    more, last = divmod(number, len(ascii_lowercase))
    return (_mark(more - 1) if more else "") + ascii_lowercase[last]


def _shown(value: float, form: str) -> str:
    return format(value, form) if math.isfinite(value) else ""
