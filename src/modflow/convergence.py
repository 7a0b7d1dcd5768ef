"""Which order of convergence do the errors e(h) show, how surely, and is it the claimed one?

The orders that the data allow are a posterior distribution, which `posterior` computes from the
errors' expansion in h; `verdicts` has the rule that makes a verdict of it.

The floor.  Where errors stop falling (`plateau`), the level is an absolute uncertainty of all
points; at the first point of the plateau it is the `floor`.  The plateau is excluded, and so are
points less than three times above their uncertainty, as log(1 + t) is no longer close to t there.
Rounding explains a plateau up to ten times the stated uncertainty or, if none is stated, up to
1e-5, about 100 units of single precision (times the median error, if that is above 1).  Errors
alone cannot tell a floor from a failure to converge to zero: a pass above a floor says nothing of
what lies below it.

Pairwise slopes as the observed order of accuracy, and the demand that an asymptotic range be shown
before they are believed, are in Roache, *Verification and Validation* (1998), with his grid
convergence index.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from .errors import ModflowError
from .plateau import find_plateau
from .posterior import Array, posterior_of
from .slopes import pairwise_slopes
from .verdicts import MIN_POINTS, Verdict, judge

__all__ = ["OrderEstimate", "Verdict", "estimate_order", "pairwise_slopes"]

Numbers = Sequence[float] | npt.NDArray[Any]

# The module docstring gives the reason for each.
_ABOVE_UNCERTAINTY = 3.0
_ROUNDING_LEVEL = 1e-5
_FLOOR_OVER_STATED = 10.0
# What floating point can tell: logarithms that differ by more than their rounding, and squares of
# ratios that do not overflow.
_APART = 1e-9
_LARGEST_STATED = 1e300
_RANGE = math.log(1e100)


@dataclass(frozen=True, eq=False, repr=False)
class OrderEstimate:
    """The order that a convergence study shows; every array runs from coarse to fine.

    `slopes` are the slopes of log error against log step between neighbours (nan where an error
    is zero or not finite), `used` marks the points of the asymptotic range, `excluded` gives
    (index, reason) for each other point.  `order` is the observed order as h -> 0, `interval` its
    95% interval, `constant` the C of e ~ C h^p (p the expected order after a pass, the observed
    one otherwise), `floor` the level at which the errors stop falling, if they do.  `verdict` and
    `expected` are None when no order was expected.
    """

    step_sizes: Array
    errors: Array
    slopes: Array
    used: npt.NDArray[np.bool_]
    excluded: tuple[tuple[int, str], ...]
    floor: float | None
    order: float
    interval: tuple[float, float]
    constant: float
    expected: float | None
    verdict: Verdict | None
    reason: str

    def __str__(self) -> str:
        head = "" if self.verdict is None else f"{self.verdict}: "
        return head + self.reason

    def __repr__(self) -> str:
        return (
            f"OrderEstimate(order={self.order:.3f}, interval=({self.interval[0]:.3f}, "
            f"{self.interval[1]:.3f}), expected={self.expected}, "
            f"verdict={self.verdict and self.verdict.value!r}, "
            f"used={int(self.used.sum())}/{self.errors.size})"
        )

    def to_dict(self) -> dict[str, Any]:
        """All fields as JSON has them; what is not finite becomes None."""
        return {
            "step_sizes": [finite_or_none(h) for h in self.step_sizes],
            "errors": [finite_or_none(e) for e in self.errors],
            "slopes": [finite_or_none(s) for s in self.slopes],
            "used": [bool(u) for u in self.used],
            "excluded": [{"index": i, "reason": reason} for i, reason in self.excluded],
            "floor": None if self.floor is None else finite_or_none(self.floor),
            "order": finite_or_none(self.order),
            "interval": [finite_or_none(bound) for bound in self.interval],
            "constant": finite_or_none(self.constant),
            "expected": self.expected,
            "verdict": None if self.verdict is None else self.verdict.value,
            "reason": self.reason,
        }


def estimate_order(
    step_sizes: Numbers,
    errors: Numbers,
    expected: float | None = None,
    *,
    uncertainties: Numbers | float | None = None,
) -> OrderEstimate:
    """Estimate the order of convergence and compare it with the expected one.

    `step_sizes` are positive and strictly monotone, neither within 1e-9 of each other nor more than
    a factor of 1e100 apart; `errors` are the errors at these, 0, inf and nan being allowed and set
    aside.  `uncertainties`, if given, bound how far each error may be off (rounding, the accuracy
    of the reference solution): one for each, or one for all.  The rule is in the docstring of
    `modflow.verdicts`.

    >>> slow = estimate_order([0.1, 0.05, 0.025, 0.0125], [1.0, 0.5, 0.2, 0.06], expected=2)
    >>> print(slow.verdict)
    inconclusive
    >>> print(estimate_order([8, 4, 2, 1], [16, 8, 4, 2], expected=2).verdict)
    fail
    """
    h, e, u = _validated(step_sizes, errors, uncertainties)
    if expected is not None:
        expected = _positive(expected)
    good = _others(_unusable(e, None), h.size)
    limits = _rounding_limits(e[good], None if u is None else u[good])
    limit = float(limits[-1]) if good.size else 0.0
    plateau = find_plateau(h[good], e[good])
    why, unexplained = {}, None
    if plateau is not None and plateau.level > limits[plateau.start]:
        unexplained = plateau.level
    elif plateau is not None:
        raised = np.zeros(h.size)
        raised[good] = plateau.levels
        u = raised if u is None else np.maximum(u, raised)
        why = {int(i): "the errors do not fall any more" for i in good[plateau.start :]}
    why |= _unusable(e, u)
    good = _others(why, h.size)
    verdict = None if expected is None else Verdict.INCONCLUSIVE
    reason = f"only {good.size} usable step sizes; at least {MIN_POINTS} are needed"
    order, interval, constant = math.nan, (math.nan, math.nan), math.nan
    if good.size >= 3:
        posterior = posterior_of(h[good], e[good], None if u is None else u[good])
        order, interval = posterior.order, posterior.interval
        slopes = pairwise_slopes(h[good], e[good])
        for i in good[: -posterior.window]:
            why[int(i)] = "pre-asymptotic: no smooth expansion joins it to the finer points"
        good = good[-posterior.window :]
        reason = (
            f"observed order {order:.2f}, 95% interval [{interval[0]:.2f}, {interval[1]:.2f}], "
            f"{good.size} step sizes"
        )
        if expected is not None:
            verdict, conclusion = judge(
                posterior,
                expected,
                h[good],
                e[good],
                slopes=slopes,
                unexplained=unexplained,
                may_be_floor=bool(e[good[-1]] <= limit),
            )
            reason += conclusion
        passed = expected is not None and verdict is Verdict.PASS
        constant = posterior.constant(expected if expected is not None and passed else order)
    used = np.zeros(h.size, dtype=np.bool_)
    used[good] = True
    return OrderEstimate(
        step_sizes=h,
        errors=e,
        slopes=pairwise_slopes(h, e),
        used=used,
        excluded=tuple(sorted(why.items())),
        floor=None if plateau is None else plateau.level,
        order=order,
        interval=interval,
        constant=constant,
        expected=expected,
        verdict=verdict,
        reason=reason,
    )


def _unusable(e: Array, u: Array | None) -> dict[int, str]:
    """Why some errors tell nothing about the order."""
    why = {}
    for i, error in enumerate(e):
        if not math.isfinite(error):
            why[i] = "the error is not finite: the computation diverged"
        elif error == 0:
            why[i] = "the error is exactly 0: below rounding"
        elif u is not None and error / _ABOVE_UNCERTAINTY <= u[i]:
            why[i] = f"the error is within {_ABOVE_UNCERTAINTY:g} times its uncertainty {u[i]:.1e}"
    return why


def _validated(
    step_sizes: Numbers, errors: Numbers, uncertainties: Numbers | float | None
) -> tuple[Array, Array, Array | None]:
    """Check the input and return it in descending order of step size."""
    h = _vector("step_sizes", step_sizes)
    e = _vector("errors", errors)
    u = None
    if uncertainties is not None:
        dimensions = getattr(uncertainties, "ndim", int(hasattr(uncertainties, "__len__")))
        each = uncertainties if dimensions else [uncertainties] * h.size
        u = _vector("uncertainties", cast(Numbers, each))
    for name, values in (("errors", e), ("uncertainties", u)):
        if values is not None and values.size != h.size:
            raise ModflowError(f"{h.size} step_sizes but {values.size} {name}; give one for each.")
    if h.size < 3:
        raise ModflowError(f"an order needs at least 3 step sizes, not {h.size}.")
    if not (np.isfinite(h).all() and (h > 0).all()):
        raise ModflowError("step_sizes must be positive and finite.")
    steps = np.diff(h)
    if not ((steps > 0).all() or (steps < 0).all()):
        problem = "sort them, with their errors" if np.unique(h).size == h.size else "drop repeats"
        raise ModflowError(f"step_sizes must strictly increase or strictly decrease; {problem}.")
    if np.abs(np.diff(np.log(h))).min() < _APART:
        raise ModflowError("step_sizes are too close together to show an order; halve them.")
    if abs(math.log(h[0]) - math.log(h[-1])) > _RANGE:
        raise ModflowError("step_sizes must lie within a factor of 1e100 of each other.")
    if (e < 0).any():
        raise ModflowError("errors must not be negative; give absolute values or norms.")
    if u is not None and not (np.isfinite(u).all() and (u >= 0).all()):
        raise ModflowError("uncertainties must be finite and not negative.")
    order = slice(None) if steps[0] < 0 else slice(None, None, -1)
    return h[order].copy(), e[order].copy(), None if u is None else u[order].copy()


def _positive(expected: float) -> float:
    try:
        value = float(expected)
    except (TypeError, ValueError, OverflowError):
        value = math.nan
    if not (math.isfinite(value) and value > 0):
        raise ModflowError(f"expected must be a positive number, not {expected!r}.")
    return value


def _vector(name: str, values: Numbers) -> Array:
    try:
        if np.iscomplexobj(values):
            raise TypeError
        vector = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise ModflowError(f"{name} must be a sequence of real numbers.") from error
    if vector.ndim != 1:
        raise ModflowError(f"{name} must be one-dimensional, not of shape {vector.shape}.")
    return vector


def _others(why: dict[int, str], size: int) -> npt.NDArray[np.intp]:
    return np.array([i for i in range(size) if i not in why], dtype=np.intp)


def finite_or_none(value: float) -> float | None:
    """As JSON has it, which knows no NaN and no infinity."""
    return float(value) if math.isfinite(value) else None


def _rounding_limits(e: Array, u: Array | None) -> Array:
    """The highest levels at which rounding, or stated uncertainties, explain a plateau."""
    if e.size == 0 or u is not None:
        return e if u is None else _FLOOR_OVER_STATED * np.minimum(u, _LARGEST_STATED)
    return np.full(
        e.size, _ROUNDING_LEVEL * max(1.0, 2 * float(np.median(e / 2)))
    )  # a sum may overflow
