"""The rule that makes a verdict of the orders that the data allow.

Proven orders are mostly integers or half-integers, and the posterior gives each of them a
probability.  For the expected order q, which counts as one of them, the verdict is

* pass, if its probability is at least 95%, and the slopes do not move away from q at the fine end:
  the slope over the last step is not further from q than over the step before, nor the slope over
  the last two steps than over the two before or over all before, by more than 0.01 and three
  standard deviations of the noise;
* fail, if q is excluded: its probability is at most 1%, or the 99% interval of the order misses the
  cell [q - 1/4, q + 1/4].  Where the 95% interval lies in the cell, though, only a distance between
  q and the 99% interval excludes it that is more than 1/8, and more than three times as far as the
  order is from the slope over the last step, with a standard deviation of that;
* inconclusive otherwise.

The 0.01 is for the bias of truncating f, beside which exact data have intervals of no width.

An interval in the cell that has not q in it need not exclude q: a factor log(1/h)^m shifts slopes
by m/log(1/h), and so do errors whose expansion is another one than is assumed.  Of such a shift the
extrapolation takes off a part, and what it has taken off tells what it may have left.  Slopes that
have long settled, at 4/3 say, leave nothing: then 3/2 is excluded.

Neither pass nor fail is given

* with fewer than four usable points: three slopes are the least that show a trend and test it;
* if the 95% interval is more than 3/2 wide: three half-integers fit, and the data show none that
  could support q or contradict it;
* if the slope of the finest two or of the finest three points is further from the order than
  1/2 and two standard deviations of the noise: extrapolation may choose between neighbouring
  half-integers but not overrule the data;
* if the errors stop falling at a level that rounding does not explain.

Nor is fail given if the 99% interval reaches down to 1/4, the cell of order 0, and is below q, but

* rounding explains the finest error: it may be a floor;
* or no order shows (the observed one is below 1/4, or below 1/2 with 0 in the 99% interval, and the
  95% interval is more than 1/4 wide), while the slope of the finest three points is more than 0.05
  and two standard deviations of the noise.  Where steps are so coarse that errors are as large as
  what is computed, slopes of 0.1 or 0.3 come before convergence begins; errors that converge to
  another limit than 0 have slopes that vanish.

The second and the third do not save a q that is not near anything seen: more than 1/2 beyond the
99% interval and beyond the slopes of the finest two and three points with two standard deviations,
while the slopes move away from q, and have not come by it, not even at coarse points that are not
used.  Errors that fall like exp(-c/h), whose slopes grow for ever, have no order 2; but where
slopes grow because coarse steps did not resolve the problem, a fall to order 2 may well follow.

In these comparisons of slopes the noise is the stated one and a relative one, the smaller of the
fitted noise and the robust scatter of the slopes (from the median of the differences between
neighbours): a few slopes that do not fit must not excuse themselves by raising it.
"""

from __future__ import annotations

import math
from enum import StrEnum

from .posterior import FAIL_LEVEL, LEVEL, RESOLUTION, Array, Posterior
from .slopes import fitted_slope

__all__ = ["MIN_POINTS", "Verdict", "judge"]

# The constants of the rule; the module docstring gives the reason for each.
MIN_POINTS = 4
_CELL = 0.25
_APART = 0.125
_LEFT_OVER_TAKEN = 3.0
_MAX_WIDTH = 1.5
_STILL = 0.05
_MAX_EXTRAPOLATION = 0.5
_STRAY_SD, _DRIFT_SD = 2.0, 3.0


class Verdict(StrEnum):
    """What the data say about the expected order."""

    PASS = "pass"
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"


def judge(
    posterior: Posterior,
    expected: float,
    h: Array,
    e: Array,
    *,
    slopes: Array,
    unexplained: float | None,
    may_be_floor: bool,
) -> tuple[Verdict, str]:
    """Apply the rule of the module docstring to the points used, from coarse to fine.

    `slopes` are those between neighbours, also at coarse points that are not used.  `unexplained`
    is the level at which the errors stop falling, if rounding does not explain it; `may_be_floor`
    says that rounding would explain the finest error.  Returns the verdict, and the end of its
    reason, which follows the observed order.
    """
    low, high = posterior.interval
    wide = high - low > _MAX_WIDTH
    inside = low >= expected - _CELL and high <= expected + _CELL
    probability = posterior.probability(expected)
    come_by = slopes.min() <= expected <= slopes.max()
    if h.size < MIN_POINTS:
        doubt = f"; at least {MIN_POINTS} are needed"
    elif unexplained is not None:
        doubt = f"; the errors stop falling at {unexplained:.1e}, which rounding does not explain"
    elif not come_by and _is_far(expected, posterior, h, e):
        doubt = _doubt_of_no_order(expected, posterior, h, e, may_be_floor)
    elif (stray := _stray_slope(posterior, h, e)) is not None:
        doubt = f"; the slope is {stray:.2f} at the fine end: refine, or state uncertainties"
    elif probability >= LEVEL and not wide:
        if not _drifts_from(expected, posterior, h, e):
            return Verdict.PASS, f", supports order {expected:g}"
        doubt = f"; the slopes move away from {expected:g} at the fine end"
    elif inside and _is_clearly_beside(expected, posterior, h, e):
        doubt = ""
    elif inside and not low <= expected <= high:
        doubt = f": near order {expected:g} but not at it (a log factor?)"
    elif inside:
        doubt = f": near order {expected:g}, which has a probability of {probability:.0%}"
    elif not (probability <= 1 - FAIL_LEVEL or _beyond(expected, posterior) > _CELL):
        doubt = f": too wide to decide on order {expected:g}"
    elif wide:
        doubt = ": too wide to be an order"
    else:
        doubt = _doubt_of_no_order(expected, posterior, h, e, may_be_floor)
    if doubt:
        return Verdict.INCONCLUSIVE, doubt
    return Verdict.FAIL, f", excludes order {expected:g}"


def _beyond(expected: float, posterior: Posterior) -> float:
    """How far the expected order is from the 99% interval; negative within it."""
    least, most = posterior.sure
    return max(least - expected, expected - most)


def _slope(
    posterior: Posterior, h: Array, e: Array, start: int, end: int | None = None
) -> tuple[float, float]:
    """The slope of some points, counted from the finest one, and its deviation."""
    part = slice(start, end)
    return fitted_slope(h[part], e[part], posterior.noise[part])


def _doubt_of_no_order(
    expected: float, posterior: Posterior, h: Array, e: Array, may_be_floor: bool
) -> str:
    """Errors that hardly fall may have reached a floor, or not yet begun to converge."""
    least, most = posterior.sure
    if least > _CELL or expected < most:
        return ""
    if may_be_floor:
        return "; the errors may be reaching a floor: state uncertainties"
    low, high = posterior.interval
    order, vague = posterior.order, high - low > _CELL
    nothing = vague and (order <= _CELL or (order < 0.5 and least <= 0))
    slope, sd = _slope(posterior, h, e, -3)
    if nothing and slope > _STILL + _STRAY_SD * sd:
        return "; the errors hardly fall, and have not settled: take smaller steps"
    return ""


def _is_clearly_beside(expected: float, posterior: Posterior, h: Array, e: Array) -> bool:
    """Whether an order within the cell of the expected one is another one all the same."""
    slope, sd = _slope(posterior, h, e, -2)
    taken = abs(posterior.order - slope) + sd
    return _beyond(expected, posterior) > max(_APART, _LEFT_OVER_TAKEN * taken)


def _is_far(expected: float, posterior: Posterior, h: Array, e: Array) -> bool:
    """Whether the slopes leave an expected order behind that is not near anything seen."""
    bounds = list(posterior.sure)
    for m in (2, 3):
        slope, sd = _slope(posterior, h, e, -m)
        bounds += [slope - _STRAY_SD * sd, slope + _STRAY_SD * sd]
    beyond = max(min(bounds) - expected, expected - max(bounds))
    return beyond > _MAX_EXTRAPOLATION and _drifts_from(expected, posterior, h, e)


def _stray_slope(posterior: Posterior, h: Array, e: Array) -> float | None:
    """A slope of the finest two or three points that does not go with the order."""
    for m in (2, 3):
        slope, sd = _slope(posterior, h, e, -m)
        if abs(slope - posterior.order) > _MAX_EXTRAPOLATION + _STRAY_SD * sd:
            return slope
    return None


def _drifts_from(expected: float, posterior: Posterior, h: Array, e: Array) -> bool:
    """Whether the slopes at the fine end are further off than those before them."""
    for m, start in ((2, -3), (3, -5), (3, -h.size)):
        fine, fine_sd = _slope(posterior, h, e, -m)
        # Up to the first of the finest m points.
        coarse, coarse_sd = _slope(posterior, h, e, max(start, -h.size), 1 - m)
        growth = abs(fine - expected) - abs(coarse - expected)
        if growth > RESOLUTION + _DRIFT_SD * math.hypot(fine_sd, coarse_sd):
            return True
    return False
