"""Is the error the one that theory predicts, and not only of the right order?

Many wrong flows share the right order. What tells them apart is the error itself: if the terms
up to h^(p-1) are right, then x^k - x̃(t_k) = h^p e(t_k) + O(h^(p+1)) with an e that is known from
the next order (`integrate.Defect`). Given, for each step size, the measured error E, the predicted
one P = h^p max‖e‖ and the remainder R = max‖x^k - x̃ - h^p e‖, the rule is

* fail, if over the finest three steps R/P does not fall as it does beside a right flow, in the end
  like h: if it stops falling (slower than h^(1/2) twice) although R is ten times above rounding;
  if it falls slower than h^(1/2) and R shows a lower order than p + 1; or if it grows and is above
  1/2 at the end;
* pass, if R/P is at most 1/2 at the finest step and R shows the order p + 1 or a higher one, or R/P
  the order 1 (`convergence.estimate_order`; features of both outside the asymptotic range may
  cancel in R/P); or if R does not show a lower order and there is at most 2% of P, or at most 5%
  with slopes of R/P between 3/4 and 5/4 over the finest two steps;
* inconclusive otherwise.

Sizes where rounding or the integrator could make a third of the error are set aside.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from .convergence import (
    OrderEstimate,
    Verdict,
    estimate_order,
    finite_or_none,
    pairwise_slopes,
)
from .posterior import Array

CLOSE = 0.02
"""A remainder this small beside the prediction confirms it, whatever its order."""
CLOSE_AND_FALLING = 0.05
"""So does one that falls like h."""
_CELL = 0.25
_ABOVE_UNCERTAINTY = 3.0
_APART, _SLOW, _CLEAR = 0.5, 0.5, 10.0
_MIN_POINTS = 3


@dataclass(frozen=True, eq=False)
class ConstantEstimate:
    """Measured and predicted errors compared; arrays run from coarse to fine."""

    step_sizes: Array
    errors: Array
    predicted: Array
    remainders: Array
    remainder_order: OrderEstimate
    """The order of the remainders, which should be p + 1."""
    verdict: Verdict
    reason: str

    @property
    def misfits(self) -> Array:
        """R/P at each step size."""
        with np.errstate(divide="ignore", invalid="ignore"):
            quotient: Array = self.remainders / self.predicted
        return quotient

    def to_dict(self) -> dict[str, Any]:
        """What `modflow sweep --json` says of the constant."""
        return {
            "predicted_errors": [finite_or_none(value) for value in self.predicted],
            "remainders": [finite_or_none(value) for value in self.remainders],
            "remainder_order": finite_or_none(self.remainder_order.order),
            "remainder_interval": [
                finite_or_none(bound) for bound in self.remainder_order.interval
            ],
            "verdict": self.verdict.value,
            "reason": self.reason,
        }


def estimate_constant(
    step_sizes: Sequence[float],
    errors: Sequence[float],
    predicted: Sequence[float],
    remainders: Sequence[float],
    order: float,
    *,
    uncertainties: Sequence[float],
    asymptotic: npt.NDArray[np.bool_] | None = None,
) -> ConstantEstimate:
    """Compare measured errors with predicted ones; the rule is in the module's text.

    Step sizes descend; `uncertainties` bound how far each error may be off; `asymptotic` marks
    the sizes that are not known to lie outside the asymptotic range. Raises ModflowError as
    `estimate_order` does.
    """
    h, e, p, r, u = (
        np.asarray(values, dtype=np.float64)
        for values in (step_sizes, errors, predicted, remainders, uncertainties)
    )
    good = np.isfinite(e) & np.isfinite(p) & (p > 0) & (e > _ABOVE_UNCERTAINTY * u)
    scale = np.where(good, p, 1.0)
    misfit, doubt = r / scale, u / scale
    window = np.ones(h.size, dtype=np.bool_) if asymptotic is None else asymptotic
    if window.sum() < _MIN_POINTS:
        window = np.ones(h.size, dtype=np.bool_)
    rest = estimate_order(h[window], r[window], expected=order + 1, uncertainties=u[window])
    falls, inside = [rest], good & window
    if inside.sum() >= _MIN_POINTS:
        falls.append(
            estimate_order(h[inside], misfit[inside], expected=1, uncertainties=doubt[inside])
        )
    verdict, reason = _judge(h[good], misfit[good], doubt[good], falls, order)
    return ConstantEstimate(
        step_sizes=h,
        errors=e,
        predicted=p,
        remainders=r,
        remainder_order=rest,
        verdict=verdict,
        reason=reason,
    )


def _judge(
    h: Array, misfit: Array, doubt: Array, falls: Sequence[OrderEstimate], order: float
) -> tuple[Verdict, str]:
    if misfit.size < _MIN_POINTS:
        return Verdict.INCONCLUSIVE, "too few step sizes to compare with the predicted error"
    last, rest = float(misfit[-1]), falls[0]
    seen = f"{last:.2g} of it is left over at the finest step"
    before, fine = pairwise_slopes(h[-3:], misfit[-3:])
    other = "the error is not the predicted one: "
    excluded = rest.verdict is Verdict.FAIL
    lower = excluded and rest.order < order + 1
    if lower and (before + fine) / 2 < _SLOW:
        return Verdict.FAIL, (
            f"{other}what is left over falls as h^{rest.order:.2f}, and should as h^{order + 1:g}"
        )
    if last > _CLEAR * doubt[-1] and max(before, fine) < _SLOW and last < _APART:
        return Verdict.FAIL, f"{other}{seen}, and hardly less with finer steps"
    if max(before, fine) <= 0 and last > _APART:
        return Verdict.FAIL, f"{other}{seen}, and more with finer steps"
    like_h = max(abs(before - 1), abs(fine - 1)) <= _CELL
    close = CLOSE if not like_h else CLOSE_AND_FALLING
    known = any(e.verdict is Verdict.PASS for e in falls) or (excluded and not lower)
    if (known and last <= _APART) or (last + doubt[-1] <= close and not lower):
        return Verdict.PASS, f"the error is the predicted one: {seen}"
    return Verdict.INCONCLUSIVE, f"cannot tell whether the error is the predicted one: {seen}"
