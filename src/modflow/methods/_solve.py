"""Equations y = g(y), which the stages of implicit methods obey."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import ModflowError

Points = tuple[Any, ...]
MAX_ITERATIONS = 200


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
        new = g(guess)
        pairs = zip(new, guess, strict=True)
        change = max(float(np.max(np.abs(np.asarray(b - a, dtype=float)))) for a, b in pairs)
        size = max(float(np.max(np.abs(np.asarray(a, dtype=float)))) for a in new)
        guess = new
        if change == 0 or (change >= last and change <= 1e-12 * max(size, 1e-300)):
            return guess
        last = change
    raise ModflowError("the fixed-point iteration of an implicit step does not converge: smaller h")
