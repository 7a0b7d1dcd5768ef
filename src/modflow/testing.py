"""Asserting an order of convergence, in any test of any numerical project; needs NumPy alone.

    from modflow.testing import assert_order

    def test_heun_has_order_2():
        assert_order(lambda h: abs(heun(f, 1.0, h) - exact), [0.1, 0.05, 0.025, 0.0125, 0.00625])

The rule that decides is that of `modflow.estimate_order`. Under pytest, the plugin that comes with
modflow lists the orders at the end of the run and saves a plot of those that were not found.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from .convergence import Numbers, OrderEstimate, Verdict, estimate_order, finite_or_none
from .errors import ModflowError
from .observing import Inconclusive, current
from .report.orders import estimate_lines, order_table, save_plot

if TYPE_CHECKING:
    from .study import ConvergenceStudy

__all__ = ["OrderError", "OrderInconclusive", "OrderNotFound", "assert_order"]

ErrorOf = Callable[[float], Any]
_INCONCLUSIVE = ("fail", "skip")


class OrderError(AssertionError):
    """The expected order was not found; `estimate` has what was, None for a study without any."""

    def __init__(self, message: str, estimate: OrderEstimate | None) -> None:
        super().__init__(message)
        self.estimate = estimate


class OrderNotFound(OrderError):
    """The errors contradict the expected order."""


class OrderInconclusive(OrderError):
    """The errors cannot tell whether they have the expected order."""


def assert_order(
    errors: Numbers | ErrorOf | ConvergenceStudy,
    step_sizes: Numbers | None = None,
    expected: float | None = None,
    *,
    uncertainties: Numbers | float | None = None,
    inconclusive: Inconclusive | None = None,
    label: str = "",
    plot: str | Path | None = None,
) -> OrderEstimate | None:
    """Assert that errors fall with the expected order as the step size does.

    `errors` are the errors at `step_sizes` (positive and strictly monotone, four at least), or a
    function that takes a step size and returns the error there. `expected` is 2 where it is not
    given. `uncertainties` bound how far each error may be off, by rounding or by the reference
    solution: one for each, or one for all. `errors` may also be a study of
    `modflow.convergence_study`, which brings its step sizes and its expected order; then the
    constant counts as well, where the study predicts one.

    Nothing passes because nothing contradicts it: data that cannot tell fail as well, or skip the
    test with `inconclusive="skip"`. `label` tells several orders of one test apart in reports;
    `plot` is a .pdf, .png or .svg file for a figure where the order is not found.

    Returns the estimate.

    Raises OrderNotFound or OrderInconclusive, which are AssertionErrors, with the table of step
    sizes, errors and slopes, and the reason; ModflowError for step sizes or errors that are none.

    >>> steps = [0.1, 0.05, 0.025, 0.0125, 0.00625]
    >>> assert_order(lambda h: 3 * h**2 * (1 + h), steps, expected=2).verdict.value
    'pass'
    >>> assert_order(lambda h: 3 * h, steps, expected=2)
    Traceback (most recent call last):
    ...
    modflow.testing.OrderNotFound: order 2 expected, observed 1.00
          h       error   slope
        0.1   3.000e-01
       0.05   1.500e-01   1.000
      0.025   7.500e-02   1.000
     0.0125   3.750e-02   1.000
    0.00625   1.875e-02   1.000
    observed order   1.000 in [1.000, 1.000]
    constant         3
    fail: observed order 1.00, 95% interval [1.00, 1.00], 5 step sizes, excludes order 2
    """
    __tracebackhide__ = True  # pytest shows the line of the test instead
    if inconclusive not in (None, *_INCONCLUSIVE):
        raise ModflowError(f"inconclusive is 'fail' or 'skip', not {inconclusive!r}")
    if is_study(errors):
        if step_sizes is not None or uncertainties is not None:
            raise ModflowError("a study has its own step sizes and uncertainties: leave them out")
        found = _of_study(cast("ConvergenceStudy", errors), expected)
    else:
        if step_sizes is None:
            raise ModflowError("give the step sizes too: assert_order(errors, step_sizes)")
        if callable(step_sizes):
            raise ModflowError(
                "the function stands where the step sizes go: assert_order(errors, step_sizes)"
            )
        found = _of_errors(
            cast("Numbers | ErrorOf", errors),
            step_sizes,
            2 if expected is None else expected,
            uncertainties,
        )
    observer = current()
    if observer is not None:
        observer.record(found.to_dict(label))
    if found.verdict == "pass":
        return found.estimate
    if plot is None and observer is not None:
        plot = observer.plot_path()
    message = "\n".join([found.heading(label), found.text, *found.plotted(plot, label)])
    if found.verdict == "fail":
        raise OrderNotFound(message, found.estimate)
    if (inconclusive or (observer and observer.inconclusive)) == "skip":
        reason = f"order {found.expected:g} expected, {found.verdict}: {found.reason}"
        if observer is not None:
            observer.skip(reason)
        from unittest import SkipTest

        raise SkipTest(reason)
    raise OrderInconclusive(message, found.estimate)


@dataclass(frozen=True)
class _Found:
    """What an assertion rests on, of errors and of studies alike."""

    step_sizes: tuple[float, ...]
    errors: tuple[float, ...]
    excluded: Mapping[int, str]
    expected: float
    estimate: OrderEstimate | None
    verdict: str
    reason: str
    hints: tuple[str, ...] = ()

    @property
    def order(self) -> float:
        return math.nan if self.estimate is None else self.estimate.order

    def heading(self, label: str) -> str:
        seen = f"observed {self.order:.2f}" if self.verdict == "fail" else self.verdict
        return f"order {self.expected:g} expected, {seen}" + f": {label}" * bool(label)

    @property
    def text(self) -> str:
        lines = [order_table(self.step_sizes, self.errors, self.excluded)]
        if self.estimate is not None:
            lines += estimate_lines(self.estimate)
        return "\n".join([*lines, f"{self.verdict}: {self.reason}", *self.hints])

    def plotted(self, path: str | Path | None, label: str) -> list[str]:
        """The line that says where the plot is, or why there is none."""
        if path is None:
            return []
        used = [i not in self.excluded for i in range(len(self.step_sizes))]
        return [
            save_plot(
                Path(path),
                self.step_sizes,
                self.errors,
                used=used,
                observed=self.order,
                expected=self.expected,
                title=label,
            )
        ]

    def to_dict(self, label: str) -> dict[str, Any]:
        interval = (math.nan, math.nan) if self.estimate is None else self.estimate.interval
        return {
            "label": label,
            "expected": self.expected,
            "observed_order": finite_or_none(self.order),
            "interval": [finite_or_none(bound) for bound in interval],
            "verdict": self.verdict,
            "reason": self.reason,
        }


def _of_errors(
    errors: Numbers | ErrorOf,
    step_sizes: Numbers,
    expected: float,
    uncertainties: Numbers | float | None,
) -> _Found:
    __tracebackhide__ = True
    if callable(errors):
        # Sizes that are none are refused before the work, not after it.
        _estimate(step_sizes, step_sizes, expected, uncertainties)
        error_of, errors = errors, []
        # No comprehension: before Python 3.12 it has a frame of its own, which pytest would show.
        for h in np.asarray(step_sizes, dtype=np.float64).tolist():
            errors.append(_error_at(error_of, h))
    estimate = _estimate(step_sizes, errors, expected, uncertainties)
    assert estimate.verdict is not None
    return _Found(
        tuple(estimate.step_sizes.tolist()),
        tuple(estimate.errors.tolist()),
        dict(estimate.excluded),
        float(expected),
        estimate,
        str(estimate.verdict),
        estimate.reason,
        tuple(_hints(estimate)),
    )


def _estimate(h: Numbers, e: Numbers, p: float, u: Numbers | float | None) -> OrderEstimate:
    __tracebackhide__ = True
    try:
        return estimate_order(h, e, p, uncertainties=u)
    except ModflowError as error:
        raise ModflowError(str(error)) from None  # without the frames that found it


def is_study(errors: Any) -> bool:
    """Whether it is a study; what that is need not be imported to know."""
    return hasattr(errors, "left_out") and hasattr(errors, "verdict")


def _of_study(study: ConvergenceStudy, expected: float | None) -> _Found:
    __tracebackhide__ = True
    if study.interrupted:
        raise KeyboardInterrupt
    try:
        asked = study.expected if expected is None else float(expected)
    except (TypeError, ValueError):
        raise ModflowError(f"expected must be a positive number, not {expected!r}.") from None
    if asked != study.expected:
        raise ModflowError(
            f"the study was run for order {study.expected}, and cannot tell about {asked:g}"
        )
    left_out = study.left_out
    sizes = study.step_sizes
    return _Found(
        sizes,
        study.errors,
        {i: left_out[h] for i, h in enumerate(sizes) if h in left_out},
        study.expected,
        study.estimate,
        study.verdict,
        study.reason,
    )


def _error_at(error_of: ErrorOf, h: float) -> float:
    """Raises ModflowError where the function does not return one number."""
    __tracebackhide__ = True
    error = error_of(h)
    try:
        # NumPy takes None for NaN, and complex numbers for their real parts.
        if error is None or np.iscomplexobj(error):
            raise TypeError
        (value,) = np.asarray(error, dtype=np.float64).ravel().tolist()
    except (TypeError, ValueError):
        raise ModflowError(
            f"the function must return the error at its step size, one number; at {h:g} it "
            f"returned {error!r}"
        ) from None
    return float(value)


def _hints(estimate: OrderEstimate) -> Iterator[str]:
    """Mistakes in the call, where putting them right makes the order the expected one."""
    if estimate.verdict is Verdict.PASS:
        return
    h, e, p = estimate.step_sizes, estimate.errors, estimate.expected
    for sizes, errors, hint in (
        (e, h, "with step sizes for errors the order is there: assert_order(errors, step_sizes)"),
        (1 / h, e, "in 1/h the order is there: give step sizes, such as 1/n, not numbers of steps"),
    ):
        try:
            there = estimate_order(sizes, errors, p).verdict is Verdict.PASS
        except ModflowError:
            continue
        if there:
            yield hint
