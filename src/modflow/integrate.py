"""Iterates and flow side by side, in one compiled loop over the steps.

One program serves every step size, momentum and length of a sweep: h, the method's
parameters, the coefficient table and the number of steps are its arguments. The largest
error stays on the device; the host looks in between chunks of steps only, to show progress
and to be interruptible.

The flow is integrated by a Runge–Kutta step of diffrax over each interval [t_k, t_{k+1}],
or over equal parts of it: the field is smooth there, and jumps only in between. Where it does
not jump, because the coefficients have settled, the last stage of one step serves as the
first of the next.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
import sympy
from jax import lax
from jaxtyping import Array, Float, PyTree

from .defects import Defect
from .errors import ModflowError, UnknownNameError
from .flows import CoefficientTable, DifferentialPlan, force, scaled_weights
from .grid import is_whole
from .methods import Method
from .problems import Problem
from .series import Tree
from .vectors import Vector, distance, norm

SOLVERS: dict[str, type[diffrax.AbstractERK]] = {
    "tsit5": diffrax.Tsit5,
    "dopri5": diffrax.Dopri5,
    "dopri8": diffrax.Dopri8,
}
BLOW_UP = 1e8
"""A trajectory this many times larger than its start (or than 1) has diverged."""

_PLACE = sympy.Symbol("_")
"""Stands for a number that a compiled program is given later."""
_CHUNK_SECONDS = 0.5
_FIRST_CHUNK = 256
_WINDOW = 8
"""Rows of the coefficient table that the loop over steps holds at a time. On the CPU, XLA makes
one function of a loop that touches little memory, and runs the others operation by operation;
with the whole table inside, steps of small problems would take twice as long."""


@dataclass(frozen=True)
class Comparison:
    """Iterates x^k and flow x̃(t_k) of one step size, up to t_steps."""

    h: float
    steps: int
    substeps: int
    error: float
    """max_k ‖x^k - x̃(t_k)‖₂ over k = 1, ..., steps; NaN where one of them diverged."""
    error_step: int
    """The k at which that maximum is taken."""
    embedded_error: float
    """The sum over all steps of the norms of the integrator's embedded error estimates."""
    scale: float
    """max_k ‖x^k‖₂, the scale of rounding errors."""
    predicted: float
    """h^p max_k ‖e(t_k)‖₂ for the leading error e; NaN where none is predicted."""
    remainder: float
    """max_k ‖x^k - x̃(t_k) - h^p e(t_k)‖₂: what the prediction leaves; NaN likewise."""
    iterate: PyTree[np.ndarray]
    flow: PyTree[np.ndarray]
    diverged: tuple[str, int] | None = None
    """("iterates" or "flow", k) where one of them left all bounds, at step k."""


def iterates(
    method: Method, loss: Callable[..., Any], start: PyTree[Any], h: float, steps: int
) -> PyTree[Float[Array, "..."]]:
    """x^0, ..., x^steps of the method, stacked along a new first axis of every leaf.

    In the working precision: run it inside `jax.enable_x64(True)` for float64.
    """
    if not is_whole(steps) or steps < 0:
        raise ModflowError(f"the number of steps is a whole number from 0; got {steps!r}")
    numeric = method.numeric()
    field = force(loss)
    x = Vector(jax.tree.map(lambda leaf: jnp.asarray(leaf, dtype=float), start))

    def advance(state: Any, _: None) -> Any:
        x, memory = numeric.step(field, h, *state)
        return (x, memory), x.tree

    _, tail = lax.scan(advance, (x, numeric.begin(field, h, x)), None, length=int(steps))
    return jax.tree.map(lambda first, rest: jnp.concatenate([first[None], rest]), x.tree, tail)


class SideBySide:
    """Iterates of a method next to a flow, on one problem; compiled once for all step sizes.

    With a `defect` of the flow, its leading error h^p e runs along: see `defects`. Use it inside
    `jax.enable_x64(True)`.
    """

    def __init__(
        self,
        method: Method,
        problem: Problem,
        table: CoefficientTable,
        solver: str,
        defect: Defect | None = None,
    ) -> None:
        if solver not in SOLVERS:
            raise UnknownNameError("solver", solver, SOLVERS)
        numeric = method.numeric()
        # Zeros stay part of the program: what has no weight is not computed.
        self._parameters = {path: v for path, v in numeric.leaves.items() if v != 0}
        tables = [table] if defect is None else [table, defect.table]
        self._table = jnp.asarray(_padded([each.values for each in tables]))
        self._rows = jnp.asarray(max(len(each.values) for each in tables))
        self._data = problem.data_arrays()
        self._start = problem.start_arrays()
        pattern = numeric.map(lambda v: _PLACE if v != 0 else 0)
        missing = None if defect is None else (defect.table.trees, defect.order)
        self._program = _program(pattern, problem, table.trees, solver, missing)

    def run(
        self,
        h: float,
        steps: int,
        substeps: int = 1,
        progress: Callable[[int], None] | None = None,
    ) -> Comparison:
        """Advance both by `steps` steps of size h, the flow in `substeps` parts a step."""
        constants = (
            jnp.asarray(h),
            jnp.asarray(substeps),
            self._parameters,
            self._table,
            self._rows,
            self._data,
        )
        state = self._program.begin(self._start, *constants)
        done, chunk = 0, _FIRST_CHUNK
        while done < steps:
            until = min(steps, done + chunk)
            began = time.perf_counter()
            state = self._program.advance(state, jnp.asarray(until), *constants)
            reached = int(state["k"])
            elapsed = time.perf_counter() - began
            if reached < until or not bool(state["bounded"]):
                return self._result(h, steps, substeps, state)
            # Chunks follow the clock, and never the results: the arithmetic is the same.
            if elapsed < _CHUNK_SECONDS / 2:
                chunk *= 4
            elif elapsed > 2 * _CHUNK_SECONDS:
                chunk = max(1, chunk // 2)
            done = until
            if progress is not None:
                progress(done)
        return self._result(h, steps, substeps, state)

    def _result(self, h: float, steps: int, substeps: int, state: Any) -> Comparison:
        state = jax.device_get(state)
        diverged = None
        if not state["bounded"]:
            # The iterates decide first: a flow that fails beside them has lost its meaning.
            which = "flow" if state["iterates_bounded"] else "iterates"
            diverged = (which, int(state["k"]))
        return Comparison(
            h=h,
            steps=steps,
            substeps=substeps,
            error=float("nan") if diverged else float(state["error"]),
            error_step=int(state["error_step"]),
            embedded_error=float(state["embedded"]),
            scale=float(state["scale"]),
            predicted=float(state["predicted"]),
            remainder=float(state["remainder"]),
            iterate=state["x"].tree,
            flow=state["y"].tree,
            diverged=diverged,
        )


@dataclass(frozen=True)
class _Program:
    begin: Callable[..., Any]
    advance: Callable[..., Any]


@lru_cache(maxsize=64)
def _program(
    pattern: Method,
    problem: Problem,
    trees: tuple[Tree, ...],
    solver_name: str,
    missing: tuple[tuple[Tree, ...], int] | None = None,
) -> _Program:
    solver = SOLVERS[solver_name]()
    plan = DifferentialPlan.of(trees)
    rest, order = missing or ((), 0)
    rest_plan = DifferentialPlan.of(rest)

    def begin(
        start: PyTree[Array],
        h: Array,
        substeps: Array,
        parameters: dict[str, Any],
        table: Array,
        rows: Array,
        data: PyTree[Array],
    ) -> dict[str, Any]:
        x = Vector(start)
        f = force(lambda x: problem.value(x, data))
        size = norm(start)
        state = {
            "k": jnp.asarray(0),
            "x": x,
            "memory": pattern.with_leaves(parameters).begin(f, h, x),
            "y": x,
            "stage": solver.init(diffrax.ODETerm(lambda t, y, a: y), 0.0, 0.0, x, None),
            "error": jnp.asarray(0.0),
            "error_step": jnp.asarray(0),
            "embedded": jnp.asarray(0.0),
            "scale": size,
            "limit": BLOW_UP * jnp.maximum(1.0, size),
            "bounded": jnp.asarray(True),
            "iterates_bounded": jnp.asarray(True),
            "e": 0 * x,
            "predicted": jnp.asarray(0.0 if missing else jnp.nan),
            "remainder": jnp.asarray(0.0 if missing else jnp.nan),
        }
        # An explicit dtype makes the types strong, as the loop returns them: one compilation.
        return jax.tree.map(lambda leaf: jnp.asarray(leaf, dtype=leaf.dtype), state)

    def advance(
        state: dict[str, Any],
        until: Array,
        h: Array,
        substeps: Array,
        parameters: dict[str, Any],
        table: Array,
        rows: Array,
        data: PyTree[Array],
    ) -> dict[str, Any]:
        method = pattern.with_leaves(parameters)
        f = force(lambda x: problem.value(x, data))
        dt = h / substeps

        def part(i: Array, carry: Any, term: Any, jumped: Array) -> Any:
            y, stage, embedded = carry
            jump = jumped & (i == 0)
            y, local, _, stage, _ = solver.step(term, 0.0, dt, y, None, stage, made_jump=jump)
            return y, stage, embedded + norm(local.tree)

        def step(s: dict[str, Any], first: Array, window: Array) -> dict[str, Any]:
            k = s["k"]
            row = window[jnp.minimum(k - first, _WINDOW - 1)]
            weights = scaled_weights(trees, row, h)

            def field(y: Vector) -> Vector:
                return plan.evaluate(f, y, weights)

            term = diffrax.ODETerm(lambda _t, y, _args: field(y))
            x, memory = method.step(f, h, s["x"], s["memory"])
            # Step k uses row k of the table, and the last row from there on.
            jumped = k < rows
            carry = lax.fori_loop(
                0,
                substeps,
                lambda i, c: part(i, c, term, jumped),
                (s["y"], s["stage"], s["embedded"]),
            )
            y, stage, embedded = carry
            error, size = distance(x.tree, y.tree), norm(x.tree)
            fine = size <= s["limit"]  # false for NaN too
            led = {"e": s["e"], "predicted": s["predicted"], "remainder": s["remainder"]}
            if missing is not None:
                middle = (s["y"] + y) / 2
                weights_left = [w / h**order for w in scaled_weights(rest, row[len(trees) :], h)]
                e = _midpoint(field, middle, rest_plan.evaluate(f, middle, weights_left), s["e"], h)
                leading = h**order * e
                led = {
                    "e": e,
                    "predicted": jnp.maximum(s["predicted"], norm(leading.tree)),
                    "remainder": jnp.maximum(s["remainder"], distance(x.tree, (y + leading).tree)),
                }
            return {
                **led,
                "k": k + 1,
                "x": x,
                "memory": memory,
                "y": y,
                "stage": stage,
                "error": jnp.maximum(s["error"], error),
                "error_step": jnp.where(error > s["error"], k + 1, s["error_step"]),
                "embedded": embedded,
                "scale": jnp.maximum(s["scale"], size),
                "limit": s["limit"],
                "bounded": fine & (norm(y.tree) <= s["limit"]),
                "iterates_bounded": fine,
            }

        def steps(s: dict[str, Any]) -> dict[str, Any]:
            """As many steps as the next few rows of the table serve; all, once it has ended."""
            k = s["k"]
            first = jnp.minimum(k, len(table) - _WINDOW)
            window = lax.dynamic_slice_in_dim(table, first, _WINDOW)
            end = jnp.where(k >= rows, until, jnp.minimum(until, k + _WINDOW))
            return lax.while_loop(
                lambda s: (s["k"] < end) & s["bounded"], lambda s: step(s, first, window), s
            )

        return lax.while_loop(lambda s: (s["k"] < until) & s["bounded"], steps, state)

    return _Program(jax.jit(begin), jax.jit(advance))


def _midpoint(field: Callable[[Vector], Vector], y: Vector, d: Vector, e: Vector, h: Any) -> Vector:
    """One step of e' = field'(y) e + d by the explicit midpoint rule, with y and d held."""
    _, derivative = jax.linearize(field, y)

    # In a loop, so that the derivative, of an order that is high, is compiled once.
    def stage(z: Vector, part: Array) -> tuple[Vector, None]:
        return e + part * (derivative(z) + d), None

    return lax.scan(stage, e, h * jnp.asarray([0.5, 1.0]))[0]


def _padded(tables: Sequence[Float[np.ndarray, "rows trees"]]) -> Float[np.ndarray, "padded all"]:
    """Tables side by side, their last rows repeated up to a power of two, so that few shapes
    are ever compiled."""
    rows = max(len(values) for values in tables)
    length = max(512, 1 << (rows - 1).bit_length())

    def padded(values: Float[np.ndarray, "rows trees"]) -> Float[np.ndarray, "padded trees"]:
        return np.concatenate([values, np.repeat(values[-1:], length - len(values), axis=0)])

    return np.concatenate([padded(values) for values in tables], axis=1)
