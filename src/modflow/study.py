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
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import jax
import numpy as np
import sympy
from jaxtyping import PyTree

from .convergence import OrderEstimate, estimate_order
from .errors import ModflowError, UnknownNameError
from .flows import CoefficientTable, coefficient_table
from .grid import MIN_SIZES, check_step_sizes, is_whole
from .integrate import SOLVERS, Comparison, SideBySide
from .methods import Method
from .modified import ModifiedEquation, modified_equation
from .problems import Problem, problem_named
from .series.exact import exact_number
from .vectors import distance, norm

FLOWS = ("piecewise", "limit")
FAR_BELOW = 1e-2
"""The integrator's error is far below the error measured under this ratio: it then changes a
pairwise slope by at most 2 · 0.01 / log 2 = 0.03, a tenth of what tells orders half an
integer apart."""
MAX_SUBSTEPS = 64
MAX_STEPS = 10**12
_CROSS_CHECKED = 2

Progress = Callable[[str, float], None]
"""Called with what is being done and the share of all steps that are done."""


@dataclass(frozen=True, eq=False)
class ConvergenceStudy:
    """Errors of a flow against the iterates over a range of step sizes, and the verdict.

    Sizes that gave no error are in `excluded` with the reason and have NaN in `errors`.
    """

    method: Method
    problem: str
    flow: str
    order: int
    local: bool
    """Whether errors are those of one step from the same point; a flow of order p then has
    local order p + 1."""
    T: float
    """The time up to which iterates and flow are compared; NaN for a local study."""
    step_sizes: tuple[float, ...]
    errors: tuple[float, ...]
    runs: tuple[Comparison | None, ...]
    solver: str
    integrator_errors: tuple[float, ...]
    """Bounds for the integrator's share of each error (see the module's text)."""
    amplification: float
    """By how much true global errors exceeded sums of embedded ones; 1 where they did not."""
    excluded: dict[float, str] = field(default_factory=dict)
    interrupted: bool = False
    estimate: OrderEstimate | None = None
    predicted_constant: float | None = None
    """The constant that theory predicts; None as long as nothing predicts it."""

    @property
    def expected(self) -> int:
        """The order that the errors should show."""
        return self.order + 1 if self.local else self.order

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
        """`pass`, `fail` or `inconclusive`."""
        if self.estimate is None or self.estimate.verdict is None:
            return "inconclusive"
        return str(self.estimate.verdict)

    @property
    def reason(self) -> str:
        """Why, in one line."""
        if self.estimate is not None:
            return self.estimate.reason
        usable = len(self.step_sizes) - len(self.excluded)
        return f"only {usable} of {len(self.step_sizes)} step sizes gave an error"

    def to_dict(self) -> dict[str, Any]:
        """The JSON document of `modflow sweep --json`."""

        def plain(value: float) -> float | None:
            return float(value) if math.isfinite(value) else None

        return {
            "method": self.method.label,
            "parameters": self.method.numeric().plain(float),
            "problem": self.problem,
            "flow": self.flow,
            "order": self.order,
            "local": self.local,
            "T": plain(self.T),
            "step_sizes": list(self.step_sizes),
            "errors": [plain(e) for e in self.errors],
            "integrator_errors": [plain(e) for e in self.integrator_errors],
            "solver": self.solver,
            "substeps": [None if run is None else run.substeps for run in self.runs],
            "excluded": [{"h": h, "reason": why} for h, why in self.excluded.items()],
            "interrupted": self.interrupted,
            "observed_order": plain(self.observed_order),
            "interval": [plain(self.interval[0]), plain(self.interval[1])],
            "constant": plain(self.constant),
            "predicted_constant": self.predicted_constant,
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
    solver: str | None = None,
    progress: Progress | None = None,
) -> ConvergenceStudy:
    """Compare the iterates of `method` with a flow, for each step size, and judge the order.

    `flow` is "piecewise" (the modified equation of this order at every step), "limit" (its
    limit k → ∞ from the first step on) or any `ModifiedEquation`, such as a formula under
    test; `order` is then the order claimed for it. Default step sizes and T suit the problem
    and the method's effective step h/(1-β). With `local`, both start from the same point at
    every step size and are compared after one step: the error then has order + 1.

    Runs in float64. Ctrl-C ends the study with the sizes that are done (`interrupted`).
    Raises ModflowError for a grid or a time that makes no sense.
    """
    if not isinstance(method, Method):
        raise ModflowError(f"a method is needed, such as HeavyBall(0.9); got {method!r}")
    problem = problem_named(problem) if isinstance(problem, str) else problem
    if not isinstance(problem, Problem):
        raise ModflowError(
            f"a problem is needed: a name, or Problem(loss, start) for one of your own; "
            f"got {problem!r}"
        )
    if isinstance(flow, ModifiedEquation):
        order = flow.order if order is None else order
    order = 2 if order is None else order
    equation, label = _resolve_flow(flow, method, order)
    if not is_whole(order) or order < 1:
        raise ModflowError(f"the order must be a whole number from 1; got {order!r}")
    order = int(order)
    method.numeric()  # says which parameter still lacks a number
    solver = solver or ("tsit5" if order <= 2 else "dopri8")
    if solver not in SOLVERS:
        raise UnknownNameError("solver", solver, SOLVERS)
    with jax.enable_x64(True):
        problem.check()
        sizes, time = _grid(method, problem, step_sizes, T, local)
        steps = [1 if local else _step_count(time, h) for h in sizes]
        table = coefficient_table(equation, max(steps), _symbol_values(equation, method))
        study = _Study(method, problem, table, solver, progress, sum(steps))
        try:
            for h, n in zip(sizes, steps, strict=True):
                study.add(h, n)
        except KeyboardInterrupt:
            study.interrupted = True
    return study.result(sizes, label, order, local, math.nan if local else time)


def _resolve_flow(
    flow: str | ModifiedEquation, method: Method, order: int
) -> tuple[ModifiedEquation, str]:
    if isinstance(flow, ModifiedEquation):
        return flow, "given"
    if flow not in FLOWS:
        raise UnknownNameError("flow", str(flow), FLOWS)
    equation = modified_equation(method, order)
    return (equation.frozen() if flow == "limit" else equation), flow


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


# -- the grid --------------------------------------------------------------------------------


def _grid(
    method: Method,
    problem: Problem,
    step_sizes: Sequence[float] | None,
    T: float | None,
    local: bool,
) -> tuple[tuple[float, ...], float]:
    # A rule whose drift grows with k has no effective step, and needs none for a given grid.
    given = step_sizes is not None and T is not None
    scale = 1.0 if given else _effective_scale(method)
    if step_sizes is None:
        coarsest = problem.coarsest or _coarsest(problem)
        sizes = check_step_sizes([coarsest * scale * 2.0**-j for j in range(problem.sizes)])
    else:
        sizes = check_step_sizes(step_sizes)
    if T is None:
        horizon = problem.horizon or 32 * (problem.coarsest or sizes[0] / scale)
        T = max(horizon * scale, sizes[0])
    try:
        T = float(T)
    except (TypeError, ValueError):
        raise ModflowError(f"T must be a number; got {T!r}") from None
    if not (math.isfinite(T) and T > 0):
        raise ModflowError(f"T must be positive and finite; got {T:g}")
    if not local and T < sizes[0] * (1 - 1e-12):
        raise ModflowError(
            f"T = {T:g} is smaller than the step size {sizes[0]:g}: not one step fits into it"
        )
    return sizes, T


def _step_count(time: float, h: float) -> int:
    """How many steps of size h fit into the time; a rounding error does not lose the last."""
    count = time / h * (1 + 1e-12)
    if count > MAX_STEPS:
        raise ModflowError(
            f"h = {h:g} takes {count:.0e} steps up to T = {time:g}; at most {MAX_STEPS:.0e} are "
            "possible, and that would take weeks: choose larger step sizes or a smaller T"
        )
    return math.floor(count)


def _effective_scale(method: Method) -> float:
    """One over the drift in the limit: 1-β for the heavy ball."""
    drift = modified_equation(method, 1).limit
    value = abs(float(next(iter(drift.values()))))
    return 1 / value if value > 0 else 1.0


def _coarsest(problem: Problem) -> float:
    """A power of two below half of one over the curvature at the start, by power iteration."""
    start, data = problem.start_arrays(), problem.data_arrays()
    gradient = jax.grad(lambda x: problem.value(x, data))

    @jax.jit
    def product(v: PyTree[Any]) -> Any:
        size = norm(v)
        unit = jax.tree.map(lambda leaf: leaf / size, v)
        return jax.jvp(gradient, (start,), (unit,))[1], size

    random = np.random.default_rng(0)
    v = jax.tree.map(lambda leaf: random.normal(size=np.shape(leaf)), start)
    size = 0.0
    for _ in range(30):
        v, size = product(v)
    curvature = float(size)
    if not math.isfinite(curvature) or curvature <= 0:
        raise ModflowError("the curvature at the start gives no scale: choose the step sizes")
    return 2.0 ** math.floor(math.log2(0.5 / curvature))


# -- one study -------------------------------------------------------------------------------


class _Study:
    """Collects one comparison a step size, with evidence on the integrator."""

    def __init__(
        self,
        method: Method,
        problem: Problem,
        table: CoefficientTable,
        solver: str,
        progress: Progress | None,
        total: int,
    ) -> None:
        self.method, self.problem, self.solver = method, problem, solver
        self.pair = SideBySide(method, problem, table, solver)
        self.runs: dict[float, Comparison] = {}
        self.excluded: dict[float, str] = {}
        self.amplification, self.checked = 1.0, 0
        self.interrupted = False
        self._progress, self._total, self._done = progress, max(1, total), 0

    def add(self, h: float, steps: int) -> None:
        run = self._checked(self._run(h, steps, 1))
        while run.substeps < MAX_SUBSTEPS and not self._is_final(run):
            run = self._checked(self._run(h, steps, 2 * run.substeps))
        self._done += steps
        if run.diverged is not None:
            which, k = run.diverged
            what = "the iterates diverge" if which == "iterates" else "the flow diverges"
            self.excluded[h] = f"{what} at step {k} (h = {h:g})"
        elif self._error_of(run) > FAR_BELOW * run.error + self.rounding(run):
            self.excluded[h] = (
                f"the flow cannot be integrated accurately enough: {self._error_of(run):.1e} "
                f"beside an error of {run.error:.1e}"
            )
        else:
            self.runs[h] = run

    def _run(self, h: float, steps: int, substeps: int) -> Comparison:
        def report(k: int) -> None:
            if self._progress is not None:
                self._progress(f"h = {h:.3g}", (self._done + k) / self._total)

        return self.pair.run(h, steps, substeps, report)

    def _is_final(self, run: Comparison) -> bool:
        """Whether finer steps of the integrator would not change what the run says."""
        if run.diverged is not None:
            return run.diverged[0] == "iterates"
        error = self._error_of(run)
        return error <= FAR_BELOW * run.error or error <= self.rounding(run)

    def _checked(self, run: Comparison) -> Comparison:
        """At the coarsest sizes, integrate again with half the steps and keep the finer run."""
        if run.diverged is not None or self.checked >= _CROSS_CHECKED:
            return run
        finer = self._run(run.h, run.steps, 2 * run.substeps)
        if finer.diverged is not None:
            return finer
        self.checked += 1
        true = max(float(distance(run.flow, finer.flow)), abs(run.error - finer.error))
        if true > self.rounding(run) and run.embedded_error > 0:
            self.amplification = max(self.amplification, true / run.embedded_error)
        return finer

    def _error_of(self, run: Comparison) -> float:
        return self.amplification * run.embedded_error

    @staticmethod
    def rounding(run: Comparison) -> float:
        """What rounding alone may have done to iterates and flow: half an ulp a step, in a
        random walk (Henrici's model of rounding in the solution of ODEs)."""
        return float(np.finfo(float).eps) * run.scale * math.sqrt(run.steps)

    def result(
        self, sizes: Sequence[float], flow: str, order: int, local: bool, T: float
    ) -> ConvergenceStudy:
        done = [h for h in sizes if h in self.runs or h in self.excluded]
        runs = [self.runs.get(h) for h in done]
        errors = [math.nan if run is None else run.error for run in runs]
        bounds = [math.nan if run is None else self._error_of(run) for run in runs]
        estimate = None
        if sum(run is not None for run in runs) >= MIN_SIZES:
            kept = [run for run in runs if run is not None]
            estimate = estimate_order(
                [run.h for run in kept],
                [run.error for run in kept],
                expected=order + 1 if local else order,
                uncertainties=[self._error_of(run) + self.rounding(run) for run in kept],
            )
        return ConvergenceStudy(
            method=self.method,
            problem=self.problem.name,
            flow=flow,
            order=order,
            local=local,
            T=T,
            step_sizes=tuple(done),
            errors=tuple(errors),
            runs=tuple(runs),
            solver=self.solver,
            integrator_errors=tuple(bounds),
            amplification=self.amplification,
            excluded=dict(self.excluded),
            interrupted=self.interrupted,
            estimate=estimate,
        )
