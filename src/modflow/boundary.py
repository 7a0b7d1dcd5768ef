"""The largest stable step size, measured: iterates that run, and bisection."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .errors import ModflowError
from .grid import is_whole
from .methods import Method

_MAX_DOUBLINGS = 60
_MAX_HALVINGS = 40
_MAX_STEPS_DOWN = 20
"""How often the first h is halved in search of one that is stable. Below 2^-20 over the curvature,
second differences of what grows by hλ a step are rounding."""


def measured_stability_bound(
    method: Method,
    gradient: Any,
    start: Any = None,
    *,
    steps: int = 200,
    halvings: int = 20,
) -> tuple[float, float]:
    """The largest stable step size, from iterates: one that is stable, and one that is not.

    `gradient` is that of a quadratic loss, linear in the distance x from a minimum: a function,
    its matrix, a SciPy LinearOperator such as `hessian_operator` makes, or a vector of eigenvalues.
    `start`, a vector, has to have a part in every direction that matters; by default it is random.

    A step size h is stable if the second differences x^(k+1) - 2 x^k + x^(k-1) are no larger, at
    most, for the last n = `steps` of 3 n steps than for the n before, or have fallen below √ε of
    the first ones, where rounding begins. What decays has died out by then or, where it decays
    slowly and steadily, adds little to second differences. What shifts the bound is a direction
    whose curvature is nearly the largest: by (b/a)²/(16 n) of it at most or so, for parts a and b
    of the start in the sharpest direction and in that one.

    h is doubled until it is not stable, and the last gap halved `halvings` times, so that the two
    numbers returned are 2^-halvings of the upper one apart, or closer.

    Raises ModflowError where no step size is found to be unstable, or none to be stable, and for
    shapes and numbers that make no sense.
    """
    if not isinstance(method, Method):
        raise ModflowError(f"a method is needed, such as HeavyBall(0.9); got {method!r}")
    rule = method.numeric()
    for name, count, most in (("steps", steps, 10**6), ("halvings", halvings, _MAX_HALVINGS)):
        if not is_whole(count) or not 1 <= count <= most:
            raise ModflowError(f"{name} must be a whole number from 1 to {most}; got {count!r}")
    field, size = _field(gradient)
    if start is None:
        if size is None:
            raise ModflowError("a gradient that is a function needs a start")
        start = np.random.default_rng(0).normal(size=size)
    x = np.asarray(start, dtype=float)
    if x.ndim != 1 or (size is not None and len(x) != size) or not np.all(np.isfinite(x)):
        raise ModflowError(
            f"the start must be a vector of {size or 'finite'} numbers; got {start!r}"
        )
    scale = float(np.linalg.norm(field(x)) / np.linalg.norm(x)) if x.any() else 0.0
    if not (np.isfinite(scale) and scale > 0):
        raise ModflowError("the gradient vanishes at the start, which gives step sizes no scale")

    def stable(h: float) -> bool:
        return _shrinks(rule, field, x, h, int(steps))

    low, high = 0.0, 1 / scale
    for _ in range(_MAX_DOUBLINGS):
        if not stable(high):
            break
        low, high = high, 2 * high
    else:
        raise ModflowError(f"{method} is stable at all step sizes up to {high:.1g}")
    for _ in range(_MAX_STEPS_DOWN if low == 0 else 0):
        if stable(high / 2):
            low = high / 2
            break
        high /= 2
    if low == 0:
        raise ModflowError(f"{method} is not stable at any step size down to {high:.1g}")
    for _ in range(int(halvings)):
        middle = (low + high) / 2
        low, high = (middle, high) if stable(middle) else (low, middle)
    return low, high


def _field(gradient: Any) -> tuple[Callable[[Any], Any], int | None]:
    """x ↦ ∇E(x), and the length of x if it is known."""
    if callable(gradient) and not hasattr(gradient, "shape"):
        return lambda x: np.asarray(gradient(x), dtype=float), None
    if hasattr(gradient, "matvec"):
        return gradient.matvec, int(gradient.shape[1])
    try:
        array = np.asarray(gradient, dtype=float)
    except (TypeError, ValueError):
        array = np.zeros((0, 0, 0))
    square = array.ndim == 1 or (array.ndim == 2 and array.shape[0] == array.shape[1])
    if not square or array.size == 0 or not np.all(np.isfinite(array)):
        raise ModflowError(
            "the gradient is a function, a square matrix, a LinearOperator or a vector of "
            f"eigenvalues, of finite numbers; got {gradient!r}"
        )
    if array.ndim == 1:
        return lambda x: array * x, len(array)
    return lambda x: array @ x, len(array)


def _shrinks(
    rule: Method, gradient: Callable[[Any], Any], start: Any, h: float, steps: int
) -> bool:
    """Whether second differences are no larger in the last third than in the one before."""

    def f(x: Any) -> Any:
        return -gradient(x)

    largest = []
    with np.errstate(over="ignore", invalid="ignore"):
        before, x, memory = start, start, rule.begin(f, h, start)
        for _ in range(3):
            top = 0.0
            for _ in range(steps):
                new, memory = rule.step(f, h, x, memory)
                second = new - 2 * x + before
                before, x = x, new
                size = float(second @ second)
                if not np.isfinite(size):
                    return False
                top = max(top, size)
            largest.append(top)
    first, middle, last = largest
    return bool(last <= middle or last <= np.finfo(float).eps * first)
