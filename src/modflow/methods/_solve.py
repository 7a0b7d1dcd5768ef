"""Equations y = g(y), which the stages of implicit methods obey."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import ModflowError

Points = tuple[Any, ...]
MAX_ITERATIONS = 200
_STALLED = 1e4
"""Increments that stop falling are rounding errors below this many units in the last place."""


def fixed_point(g: Callable[[Points], Points], guess: Points) -> Points:
    """The y with y = g(y), by iteration from a guess: stages of an implicit method.

    A series gains one power of h with every iteration, so that it is exact after as many as its
    order; vectors of numbers are iterated until rounding stops them (Hairer, Lubich & Wanner,
    *Geometric Numerical Integration*, VIII.6.1), which needs h times the curvature well below 1.
    Where the iteration does not contract, compiled vectors become NaN and arrays raise
    ModflowError. Classes of vectors may bring a `fixed_point` of their own.
    """
    own = getattr(type(guess[0]), "fixed_point", None)
    if own is not None:
        found: Points = own(g, guess)
        return found
    last = np.inf
    for _ in range(MAX_ITERATIONS):
        with np.errstate(over="ignore", invalid="ignore"):
            new = g(guess)
            pairs = list(zip(new, guess, strict=True))
            change = max(_largest(b - a) for a, b in pairs)
            size = max(_largest(point) for pair in pairs for point in pair)
        if not np.isfinite(change):
            break
        guess = new
        if change == 0 or (change >= last and change <= _STALLED * _unit(new) * size):
            return guess
        last = change
    raise ModflowError("the fixed-point iteration of an implicit step does not converge: smaller h")


def _largest(x: Any) -> float:
    return float(np.max(np.abs(np.asarray(x, dtype=float))))


def _unit(points: Points) -> float:
    """The unit in the last place of the least precise of these."""
    kinds = [np.asarray(point).dtype for point in points]
    return max(float(np.finfo(k if k.kind == "f" else float).eps) for k in kinds)
