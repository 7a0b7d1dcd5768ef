"""Which order of convergence do the errors e(h) show, how surely, and is it the claimed one?

The orders that the data allow are a posterior distribution, which `posterior` computes from the
errors' expansion in h; this module has the rule that makes a verdict of it.

The rule.  Proven orders are mostly integers or half-integers, so the question is in which cell
[q - 1/4, q + 1/4] the order lies.  For the expected order q the verdict is

* pass, if the 95% interval lies inside the cell and has q in it (one less than 0.02 wide need
  only come within 0.01 of q), and the slopes do not move away from q at the fine end: the slope
  over the last step is not further from q than over the step before, nor the slope over the last
  two steps than over the two before or over all before, by more than 0.01 and three standard
  deviations of the noise;
* fail, if the 99% interval misses the cell and the 95% interval is at most 1 wide: if it is
  wider, two integers fit and the data show no order that could contradict q;
* inconclusive otherwise.

The 0.01 is for the bias of truncating f, beside which exact data have intervals of no width; a
factor log(1/h) shifts slopes by 1/log(1/h), which is more.  Neither pass nor fail is given

* with fewer than four usable points: three slopes are the least that show a trend and test it;
* if the slope of the finest two or of the finest three points is further from the order than
  1/2 and two standard deviations of the noise: extrapolation may choose between neighbouring
  half-integers but not overrule the data;
* if the errors stop falling at a level that rounding does not explain; nor is fail given if the
  99% interval has order 0 in it and rounding does explain the level.

In these comparisons of slopes the noise is the stated one and a relative one, the smaller of the
fitted noise and the robust scatter of the slopes (from their median absolute deviation): a few
slopes that do not fit must not excuse themselves by raising it.

The floor.  A plateau at the fine end is two points or more whose fitted slope is at most 1/4 (the
cell of order 0), while the three points before them have a slope of at least 1/2 and, going on
like that, would come down to a third of the plateau.  Its root mean square, the `floor`, is an
absolute uncertainty of all points.  Points less than three times above their uncertainty are
excluded, as log(1 + t) is no longer close to t there.  Rounding explains a plateau up to ten times
the stated uncertainty or, if none is stated, up to 1e-5, about 100 units of single precision (times
the median error, if that is above 1).  Errors alone cannot tell a floor from a failure to converge
to zero: a pass above a floor says nothing about what lies below it.

Pairwise slopes as the observed order of accuracy, and the demand that an asymptotic range be shown
before they are believed, are in Roache, *Verification and Validation* (1998), with his grid
convergence index.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from .errors import ModflowError
from .posterior import Array, Posterior, posterior_of

__all__ = ["OrderEstimate", "Verdict", "estimate_order", "pairwise_slopes"]

Numbers = Sequence[float] | npt.NDArray[Any]

# The constants of the rule; the module docstring gives the reason for each.
_MIN_POINTS = 4
_CELL = 0.25
_RESOLUTION = 0.01
_MAX_EXTRAPOLATION = 0.5
_STRAY_SD, _DRIFT_SD = 2.0, 3.0
_ABOVE_UNCERTAINTY = 3.0
_ROUNDING_LEVEL = 1e-5
_FLOOR_OVER_STATED = 10.0
# What floating point can tell: logarithms that differ by more than their rounding, and squares of
# ratios that do not overflow.
_APART = 1e-9
_RANGE = math.log(1e100)


class Verdict(StrEnum):
    """What the data say about the expected order."""

    PASS = "pass"
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"


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
    a factor of 1e100 apart; `errors` are the errors at these, 0, inf and
    nan being allowed and set aside.  `uncertainties`, if given, bound how far each error may be
    off (rounding, the accuracy of the reference solution): one for each, or one for all.  The rule
    is in the module docstring.

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
    floor = _find_floor(h[good], e[good])
    limit = _rounding_limit(e[good], None if u is None else u[good])
    if floor is not None and floor <= limit:
        u = np.full(h.size, floor) if u is None else np.maximum(u, floor)
    why = _unusable(e, u)
    good = _others(why, h.size)
    posterior = None
    order, interval, constant = math.nan, (math.nan, math.nan), math.nan
    if good.size >= 3:
        posterior = posterior_of(h[good], e[good], None if u is None else u[good])
        for i in good[: good.size - posterior.window]:
            why[int(i)] = "pre-asymptotic: no smooth expansion joins it to the finer points"
        good = _others(why, h.size)
        order, interval = posterior.order, posterior.interval
    verdict, reason = _judge(posterior, expected, h[good], e[good], floor, limit)
    if posterior is not None:
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
        floor=floor,
        order=order,
        interval=interval,
        constant=constant,
        expected=expected,
        verdict=verdict,
        reason=reason,
    )


def _judge(
    posterior: Posterior | None,
    expected: float | None,
    h: Array,
    e: Array,
    floor: float | None,
    limit: float,
) -> tuple[Verdict | None, str]:
    """Apply the rule of the module docstring to the points used."""
    if posterior is None:
        verdict = None if expected is None else Verdict.INCONCLUSIVE
        return verdict, f"only {h.size} usable step sizes; at least {_MIN_POINTS} are needed"
    order, (low, high), (least, most) = posterior.order, posterior.interval, posterior.sure
    seen = f"observed order {order:.2f}, 95% interval [{low:.2f}, {high:.2f}], {h.size} step sizes"
    if expected is None:
        return None, seen
    inside = low >= expected - _CELL and high <= expected + _CELL
    slack = _RESOLUTION if high - low < 2 * _RESOLUTION else 0.0
    stray = _stray_slope(order, posterior.noise, h, e)
    if h.size < _MIN_POINTS:
        doubt = f"; at least {_MIN_POINTS} are needed"
    elif floor is not None and floor > limit:
        doubt = f"; the errors stop falling at {floor:.1e}, which rounding does not explain"
    elif stray is not None:
        doubt = f"; the slope is {stray:.2f} at the fine end: refine, or state uncertainties"
    elif inside and _drifts_from(expected, posterior.noise, h, e):
        doubt = f"; the slopes move away from {expected:g} at the fine end"
    elif inside and low - slack <= expected <= high + slack:
        return Verdict.PASS, f"{seen}, supports order {expected:g}"
    elif inside:
        doubt = f": near order {expected:g} but not at it (a log factor?)"
    elif least - _CELL <= expected <= most + _CELL:
        doubt = f": too wide to decide on order {expected:g}"
    elif high - low > 2 * _MAX_EXTRAPOLATION:
        doubt = ": too wide to be an order"
    elif least <= _CELL and expected > most and e[-1] <= limit:
        doubt = "; the errors may be reaching a floor: state uncertainties"
    else:
        return Verdict.FAIL, f"{seen}, excludes order {expected:g}"
    return Verdict.INCONCLUSIVE, seen + doubt


def _stray_slope(order: float, noise: Array, h: Array, e: Array) -> float | None:
    """A slope of the finest two or three points that does not go with the order."""
    for m in (2, 3):
        slope, sd = _line(h[-m:], e[-m:], noise[-m:])
        if abs(slope - order) > _MAX_EXTRAPOLATION + _STRAY_SD * sd:
            return slope
    return None


def _drifts_from(expected: float, noise: Array, h: Array, e: Array) -> bool:
    """Whether the slopes at the fine end are further off than those before them."""
    noise = noise[-h.size :]
    for m, start in ((2, -3), (3, -5), (3, -h.size)):
        before = slice(max(start, -h.size), 1 - m)  # up to the first of the finest m points
        fine, fine_sd = _line(h[-m:], e[-m:], noise[-m:])
        coarse, coarse_sd = _line(h[before], e[before], noise[before])
        growth = abs(fine - expected) - abs(coarse - expected)
        if growth > _RESOLUTION + _DRIFT_SD * math.hypot(fine_sd, coarse_sd):
            return True
    return False


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
        each = [uncertainties] * h.size if np.ndim(uncertainties) == 0 else uncertainties
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
    except (TypeError, ValueError):
        value = math.nan
    if not (math.isfinite(value) and value > 0):
        raise ModflowError(f"expected must be a positive number, not {expected!r}.")
    return value


def _vector(name: str, values: Numbers) -> Array:
    try:
        if np.iscomplexobj(values):
            raise TypeError
        vector = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ModflowError(f"{name} must be a sequence of real numbers.") from error
    if vector.ndim != 1:
        raise ModflowError(f"{name} must be one-dimensional, not of shape {vector.shape}.")
    return vector


def _others(why: dict[int, str], size: int) -> npt.NDArray[np.intp]:
    return np.array([i for i in range(size) if i not in why], dtype=np.intp)


def finite_or_none(value: float) -> float | None:
    """As JSON has it, which knows no NaN and no infinity."""
    return float(value) if math.isfinite(value) else None


def pairwise_slopes(h: Array, e: Array) -> Array:
    """The slopes of log e against log h between neighbours; NaN beside an error that has no log."""
    log_e = np.full(e.size, math.nan)
    fine = np.isfinite(e) & (e > 0)
    log_e[fine] = np.log(e[fine])
    slopes: Array = np.diff(log_e) / np.diff(np.log(h))
    return slopes


def _line(h: Array, e: Array, noise: Array) -> tuple[float, float]:
    """The least-squares slope of log e against log h, and its deviation."""
    dx = np.log(h) - np.log(h).mean()
    total = float(dx @ dx)
    return float(dx @ np.log(e)) / total, math.sqrt(float(dx**2 @ noise**2)) / total


def _rounding_limit(e: Array, u: Array | None) -> float:
    """The highest level at which rounding, or the stated uncertainty, explains a plateau."""
    if e.size == 0:
        return 0.0
    if u is not None:
        return _FLOOR_OVER_STATED * float(u[-1])
    return _ROUNDING_LEVEL * max(1.0, 2 * float(np.median(e / 2)))  # a sum may overflow


def _find_floor(h: Array, e: Array) -> float | None:
    """The level of a plateau at the fine end, if there is one."""
    for start in range(3, h.size - 1):
        before, tail = slice(start - 3, start), slice(start, None)
        slope, _ = _line(h[before], e[before], np.zeros(3))
        flat, _ = _line(h[tail], e[tail], np.zeros(h.size - start))
        steps = math.log(h[-1]) - np.log(h[before]).mean()
        gap = np.log(e[tail]).mean() - np.log(e[before]).mean() - slope * steps
        if flat <= _CELL and slope >= 2 * _CELL and gap >= math.log(_ABOVE_UNCERTAINTY):
            top = float(e[tail].max())  # squares of tiny errors would underflow
            return top * math.sqrt(float(((e[tail] / top) ** 2).mean()))
    return None
