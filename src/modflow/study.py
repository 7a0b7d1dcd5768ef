"""Convergence studies: does a flow follow the iterates to the order that is claimed?

For every step size, iterates and flow run side by side (`integrate`); the largest distance
over the steps is the error, as in Definition 3.1 of Ghosh et al. (ICLR 2023); and
`convergence.estimate_order` says what order the errors show.

What is measured must not be the integrator of the flow. Its error enters in two ways, and
both are in the result. At every step size the embedded error estimates of all steps are
added up; where they are not far below the error measured, the steps are cut in halves until
they are. And at the coarsest sizes the flow is integrated again with half the steps: the
distance of the two flows is the integrator's true global error there. Should it exceed the
sum of embedded estimates, as it can where the flow amplifies errors, then that ratio
multiplies the sums everywhere. As h falls the ratio falls too, because the embedded estimate
belongs to the less accurate formula of the pair.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import jax
import sympy

from . import defects
from .batches import BatchSchedule, BatchSideBySide
from .batches.losses import averaged
from .constants import ConstantEstimate, estimate_constant
from .convergence import OrderEstimate, Verdict, estimate_order, finite_or_none
from .defects import Claim, leading_constant
from .errors import ModflowError, UnknownNameError
from .flows import coefficient_table
from .grid import MIN_SIZES, is_whole
from .integrate import SOLVERS, Comparison, SideBySide
from .methods import Method
from .modified import ModifiedEquation, modified_equation
from .precise import PreciseComparison, PreciseSideBySide
from .problems import Problem, problem_named
from .runs import PreciseRuns, Progress, Runs
from .series.exact import exact_number
from .sizes import grid_and_time, step_count

FLOWS = ("piecewise", "limit")
TAYLOR = "taylor"
_LEADING_STEPS = 512


@dataclass(frozen=True, eq=False)
class ConvergenceStudy:
    """Errors of a flow against the iterates over a range of step sizes, and the verdict.

    Sizes that gave no error are in `excluded` with the reason and have NaN in `errors`.
    """

    method: Method
    problem: str
    flow: str
    order: int
    """The order that was asked for: powers of h up to h^(order-1) in the flow."""
    claimed: int
    """The order of the flow: higher where the next terms of the modified equation vanish."""
    local: bool
    """Whether errors are those of one step from the same point; a flow of order p then has
    local order p + 1."""
    batches: BatchSchedule | None
    """The order of the batches; None where there is one loss."""
    digits: int | None
    """Decimal digits of the arithmetic; None for float64."""
    T: float
    """The time up to which iterates and flow are compared; NaN for a local study."""
    step_sizes: tuple[float, ...]
    errors: tuple[float, ...]
    runs: tuple[Comparison | PreciseComparison | None, ...]
    solver: str
    integrator_errors: tuple[float, ...]
    """Bounds for the integrator's share of each error (see the module's text)."""
    amplification: float
    """By how much true global errors exceeded sums of embedded ones; 1 where they did not."""
    excluded: dict[float, str] = field(default_factory=dict)
    interrupted: bool = False
    estimate: OrderEstimate | None = None
    """What the errors show about the order."""
    comparison: ConstantEstimate | None = None
    """What they show beside the predicted error; None where none is predicted."""
    predicted_constant: float | None = None
    """The constant that theory predicts, as h → 0; None where nothing predicts it."""

    @property
    def expected(self) -> int:
        """The order that the errors should show."""
        return self.claimed + 1 if self.local else self.claimed

    @property
    def observed_order(self) -> float:
        """The order that they do show, extrapolated to h → 0; NaN where none can be told."""
        return float("nan") if self.estimate is None else self.estimate.order

    @property
    def interval(self) -> tuple[float, float]:
        """An interval for the observed order."""
        return (math.nan, math.nan) if self.estimate is None else self.estimate.interval

    @property
    def constant(self) -> float:
        """C in error ≈ C h^order as h → 0."""
        return math.nan if self.estimate is None else self.estimate.constant

    @property
    def verdict(self) -> str:
        """`pass`, `fail` or `inconclusive`: of the order and of the error's constant, where one
        is predicted. Both must pass, and one that fails is enough to fail."""
        if self.estimate is None or self.estimate.verdict is None:
            return "inconclusive"
        found = {self.estimate.verdict}
        if self.comparison is not None:
            found.add(self.comparison.verdict)
        for verdict in (Verdict.FAIL, Verdict.INCONCLUSIVE):
            if verdict in found:
                return str(verdict)
        return "pass"

    @property
    def reason(self) -> str:
        """Why, in one line."""
        if self.estimate is None:
            usable = len(self.step_sizes) - len(self.excluded)
            return f"only {usable} of {len(self.step_sizes)} step sizes gave an error"
        if self.comparison is None:
            return self.estimate.reason
        return f"{self.estimate.reason}; {self.comparison.reason}"

    @property
    def left_out(self) -> dict[float, str]:
        """Step sizes that do not enter the order, with the reason."""
        reasons = dict(self.excluded)
        if self.estimate is not None:
            for i, reason in self.estimate.excluded:
                reasons[float(self.estimate.step_sizes[i])] = reason
        return reasons

    def to_dict(self) -> dict[str, Any]:
        """The JSON document of `modflow sweep --json`."""

        return {
            "method": self.method.label,
            "parameters": self.method.numeric().plain(float),
            "problem": self.problem,
            "flow": self.flow,
            "order": self.order,
            "claimed_order": self.claimed,
            "local": self.local,
            "batches": None if self.batches is None else self.batches.to_dict(),
            "digits": self.digits,
            "T": finite_or_none(self.T),
            "step_sizes": list(self.step_sizes),
            "errors": [finite_or_none(e) for e in self.errors],
            "integrator_errors": [finite_or_none(e) for e in self.integrator_errors],
            "solver": self.solver,
            "substeps": [None if run is None else run.substeps for run in self.runs],
            "excluded": [{"h": h, "reason": why} for h, why in self.excluded.items()],
            "interrupted": self.interrupted,
            "expected": self.expected,
            "observed_order": finite_or_none(self.observed_order),
            "interval": [finite_or_none(self.interval[0]), finite_or_none(self.interval[1])],
            "constant": finite_or_none(self.constant),
            "predicted_constant": finite_or_none(self.predicted_constant or math.nan),
            "order_verdict": None if self.estimate is None else str(self.estimate.verdict),
            "comparison": None if self.comparison is None else self.comparison.to_dict(),
            "verdict": self.verdict,
            "reason": self.reason,
        }

    def __repr__(self) -> str:
        low, high = self.interval
        return (
            f"ConvergenceStudy({self.method!r}, {self.problem!r}, order {self.order}: observed "
            f"{self.observed_order:.3f} in [{low:.3f}, {high:.3f}], {self.verdict})"
        )


def convergence_study(
    method: Method,
    problem: Problem | str,
    order: int | None = None,
    step_sizes: Sequence[float] | None = None,
    T: float | None = None,
    *,
    flow: str | ModifiedEquation = "piecewise",
    local: bool = False,
    batches: BatchSchedule | None = None,
    digits: int | None = None,
    check_constant: bool = True,
    solver: str | None = None,
    progress: Progress | None = None,
) -> ConvergenceStudy:
    """Compare the iterates of `method` with a flow, for each step size, and judge the order.

    `flow` is "piecewise" (the modified equation of this order at every step), "limit" (its
    limit k → ∞ from the first step on) or any `ModifiedEquation`, such as a formula under
    test; `order` is then the order claimed for it. Default step sizes and T suit the problem
    and the method's effective step h/(1-β). With `local`, both start from the same point at
    every step size and are compared after one step: the error then has order + 1.

    The error itself is predicted from the first terms that the flow lacks, and a flow whose error
    is another one fails even where the order is right (`constants`); `check_constant=False`
    judges the order alone. A given flow is compared with the error of the true flow of that
    order.

    With `batches`, step k uses the loss of batch j(k), and so does its flow (`BatchFlow`); the
    data of the problem have one slice a batch, as `Problem.split` makes them, and a problem given
    by its name is split here. No error is predicted then.

    Runs in float64, or with so many decimal `digits` where the problem has a formula: orders above
    5 need them. Ctrl-C ends the study with the sizes that are done (`interrupted`).
    Raises ModflowError for a grid or a time that makes no sense.
    """
    if not isinstance(method, Method):
        raise ModflowError(f"a method is needed, such as HeavyBall(0.9); got {method!r}")
    if isinstance(problem, str):
        problem = problem_named(problem)
        problem = problem if batches is None else problem.split(batches.count)
    if not isinstance(problem, Problem):
        raise ModflowError(
            f"a problem is needed: a name, or Problem(loss, start) for one of your own; "
            f"got {problem!r}"
        )
    if isinstance(flow, ModifiedEquation):
        order = flow.order if order is None else order
    order = 2 if order is None else order
    if isinstance(flow, ModifiedEquation) and (not is_whole(order) or order < 1):
        raise ModflowError(f"the order must be a whole number from 1; got {order!r}")
    if batches is not None and (local or flow != "piecewise"):
        raise ModflowError("with batches there are piecewise flows only, and no local studies")
    if digits is not None and batches is not None:
        raise ModflowError("there are no batches in arithmetic of many digits")
    claim, label = _claim(flow, method, order, check_constant and batches is None)
    method.numeric()  # says which parameter still lacks a number
    solver = _solver(solver, claim.order, digits)
    with jax.enable_x64(True):
        if batches is None:
            whole = problem
        else:
            # What cannot be run with batches is refused before the mean loss is looked at.
            pair = BatchSideBySide(method, problem, claim.order, batches, solver)
            whole = averaged(problem)
        whole.check()
        sizes, time = grid_and_time(method, whole, step_sizes, T, local)
        steps = [1 if local else step_count(time, h) for h in sizes]
        predicted = check_constant and batches is None and bool(claim.missing)
        runs: Runs | PreciseRuns
        if digits is not None:
            runs = PreciseRuns(_precise_pair(method, problem, claim, digits), progress, sum(steps))
        elif batches is not None:
            runs = Runs(pair, progress, sum(steps))
        else:
            single = _float_pair(method, problem, claim, max(steps), solver, predicted)
            runs = Runs(single, progress, sum(steps))
        foreseen = None
        if predicted:
            middle = max(_LEADING_STEPS, steps[len(steps) // 2])
            foreseen = leading_constant(problem, method, claim, 0.0 if local else time, middle)
        interrupted = not runs.add_all(zip(sizes, steps, strict=True))
    done = [h for h in sizes if h in runs.kept or h in runs.excluded]
    expected = claim.order + 1 if local else claim.order
    estimate, comparison = _judged(runs, expected, predicted=predicted)
    found: list[Any] = [runs.kept.get(h) for h in done]
    return ConvergenceStudy(
        method=method,
        problem=problem.name,
        flow=label,
        order=int(order),
        claimed=claim.order,
        local=local,
        batches=batches,
        digits=digits,
        T=math.nan if local else time,
        step_sizes=tuple(done),
        errors=tuple(math.nan if run is None else run.error for run in found),
        runs=tuple(found),
        solver=solver,
        integrator_errors=tuple(math.nan if r is None else runs.error_of(r) for r in found),
        amplification=runs.amplification,
        excluded=dict(runs.excluded),
        interrupted=interrupted,
        estimate=estimate,
        comparison=comparison,
        predicted_constant=foreseen,
    )


def _float_pair(
    method: Method, problem: Problem, claim: Claim, steps: int, solver: str, predicted: bool
) -> SideBySide:
    values = _symbol_values(claim.flow, method)
    table = coefficient_table(claim.flow, steps, values)
    return SideBySide(
        method, problem, table, solver, claim.defect(steps, {}) if predicted else None
    )


def _precise_pair(method: Method, problem: Problem, claim: Claim, digits: int) -> PreciseSideBySide:
    _symbol_values(claim.flow, method)  # says where a symbol means something else
    flow = claim.flow
    if flow.order < claim.order:  # the terms between vanish
        flow = modified_equation(method, claim.order)
    above = all(tree.order > claim.order for tree, _ in claim.missing)
    following = modified_equation(method, claim.order + 1) if claim.missing and above else None
    return PreciseSideBySide(method, problem, flow, digits, following)


def _solver(name: str | None, order: int, digits: int | None) -> str:
    if digits is not None:
        if name not in (None, TAYLOR):
            raise ModflowError(f"with digits the flow is integrated by its {TAYLOR} series alone")
        return TAYLOR
    name = name or ("tsit5" if order <= 2 else "dopri8")
    if name not in SOLVERS:
        raise UnknownNameError("solver", name, SOLVERS)
    return name


def _judged(
    runs: Runs | PreciseRuns, expected: int, *, predicted: bool
) -> tuple[OrderEstimate | None, ConstantEstimate | None]:
    kept: list[Any] = sorted(runs.kept.values(), key=lambda run: -run.h)
    if len(kept) < MIN_SIZES:
        return None, None
    sizes, errors = [run.h for run in kept], [run.error for run in kept]
    doubts = [runs.error_of(run) + runs.rounding(run) for run in kept]
    estimate = estimate_order(sizes, errors, expected=expected, uncertainties=doubts)
    if not predicted:
        return estimate, None
    foreseen, left = [run.predicted for run in kept], [run.remainder for run in kept]
    return estimate, estimate_constant(
        sizes,
        errors,
        foreseen,
        left,
        expected,
        uncertainties=doubts,
        asymptotic=estimate.used if estimate.used.sum() >= MIN_SIZES else None,
    )


def _claim(
    flow: str | ModifiedEquation, method: Method, order: int, predict: bool
) -> tuple[Claim, str]:
    if isinstance(flow, ModifiedEquation):
        known = defects.given(flow, method, order) if predict else Claim(flow, order, [])
        return known, "given"
    if flow not in FLOWS:
        raise UnknownNameError("flow", str(flow), FLOWS)
    if not predict:
        return Claim(modified_equation(method, order, limit=flow == "limit"), order, []), flow
    return (defects.limit if flow == "limit" else defects.piecewise)(method, order), flow


def _symbol_values(equation: ModifiedEquation, method: Method) -> dict[str, Any]:
    """The method's parameters, and numbers for the symbols that stand for them in the equation."""
    values = dict(method.leaves)
    for path, symbol in equation.method.leaves.items():
        if hasattr(symbol, "is_Symbol") and symbol.is_Symbol and path in method.leaves:
            values[symbol.name] = method.leaves[path]
    _check_meaning(equation, method, values)
    return values


def _check_meaning(equation: ModifiedEquation, method: Method, values: dict[str, Any]) -> None:
    """Refuse the values where they would give the equation another parameter than the method's,
    as for an equation in which beta stands for one minus the momentum."""
    for name, given in equation.method.leaves.items():
        symbols: set[Any] = getattr(given, "free_symbols", set())
        if not symbols or name not in method.leaves:
            continue
        known = {s: exact_number(values[s.name]) for s in symbols if s.name in values}
        meant, has = given.subs(known), sympy.sympify(exact_number(method.leaves[name]))
        if meant.is_number and meant != has:
            raise ModflowError(
                f"{name} is {given} in the flow, which would be {meant} for a method with "
                f"{name} = {has}: give the symbols of the flow other names"
            )
