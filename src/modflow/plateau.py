"""Where errors stop falling, and at what level.

A plateau at the fine end is two points or more whose fitted slope is at most 1/4, while the three
points before them have a slope of at least 1/2 and, going on like that, would come down to a third
of the plateau.  It begins where points are less than three times above a robust line through those
that follow, which is level, or rises towards the fine end as the rounding of a difference quotient
does.  The line, times the root mean square of the points beside it, is the level.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from .posterior import Array
from .slopes import fitted_slope

__all__ = ["Plateau", "find_plateau"]

_FLAT = 0.25
_FALLING = 0.5
_ABOVE = 3.0


@dataclass(frozen=True, eq=False)
class Plateau:
    """Its first point, the level there, and the level at each of all points."""

    start: int
    level: float
    levels: Array


def find_plateau(h: Array, e: Array) -> Plateau | None:
    """The plateau at the fine end, if there is one; h and e run from coarse to fine."""
    for start in range(3, h.size - 1):
        before, tail = slice(start - 3, start), slice(start, None)
        slope, _ = fitted_slope(h[before], e[before], np.zeros(3))
        flat, _ = fitted_slope(h[tail], e[tail], np.zeros(h.size - start))
        steps = math.log(h[-1]) - np.log(h[before]).mean()
        gap = np.log(e[tail]).mean() - np.log(e[before]).mean() - slope * steps
        if flat <= _FLAT and slope >= _FALLING and gap >= math.log(_ABOVE):
            return _plateau_within(np.log(h), np.log(e), start)
    return None


def _plateau_within(x: Array, y: Array, start: int) -> Plateau:
    """The plateau among the points from `start` on, of which the first may still be falling.

    On a long plateau those hardly change the mean slope. They are told by being three times above
    the robust line through all (Theil 1950, Sen 1968), and are left out one by one.
    """
    while True:
        i, j = np.triu_indices(x.size - start, k=1)
        dx, dy = x[start:][i] - x[start:][j], y[start:][i] - y[start:][j]
        slope = min(0.0, float(np.median(dy / dx)))  # rounding may grow as h falls
        level = slope * x + float(np.median(y[start:] - slope * x[start:]))
        above = y[start:] - level[start:]
        if above.size == 2 or above[0] <= math.log(_ABOVE):
            break
        start += 1
    top = float(above.max())  # the square of a ratio may be more than a float holds
    level += top + math.log(float(np.exp(2 * (above - top)).mean())) / 2
    # Extended to the coarse end, or to the fine one, a line may leave what numbers can hold.
    levels: Array = np.exp(np.clip(level, -700.0, 700.0))
    return Plateau(start, float(levels[start]), levels)
