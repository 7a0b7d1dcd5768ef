"""Iterates with batches and their flow side by side, in one compiled loop over the steps.

One program serves every step size, momentum, seed and sequence: all are its arguments.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, PyTree

from ..errors import ModflowError, UnknownNameError
from ..flows import force
from ..grid import is_whole
from ..integrate import BLOW_UP, SOLVERS, Comparison
from ..methods import Method
from ..problems import Problem
from ..vectors import Vector, distance, norm
from .flow import BatchFlow
from .schedules import BatchSchedule, Draw
from .stages import Stages


def compare_batches(
    method: Method,
    problem: Problem,
    order: int,
    schedule: BatchSchedule,
    h: float,
    steps: int,
    *,
    solver: str | None = None,
    substeps: int = 1,
) -> Comparison:
    """Iterates of the method, step k on batch schedule(k), beside its flow of this order.

    The problem's loss takes the parameters and a slice of its data, whose arrays have one slice
    a batch along their first axis. In the working precision: run it inside
    `jax.enable_x64(True)` for float64. For `solver` and `substeps` see `compare_flow`.
    """
    return compare_flow(
        _flow(method, problem, order),
        problem.start_arrays(),
        schedule,
        h,
        steps,
        solver=solver,
        substeps=substeps,
    )


@lru_cache(maxsize=64)
def _flow(method: Method, problem: Problem, order: int) -> BatchFlow:
    return BatchFlow(method, problem, order)


def compare_flow(
    flow: BatchFlow,
    start: PyTree[Any],
    schedule: BatchSchedule,
    h: float,
    steps: int,
    *,
    solver: str | None = None,
    substeps: int = 1,
) -> Comparison:
    """The same for a given flow, from this start; compiled once for all h, numbers of steps, values
    of the method's parameters, and sequences of a kind.

    `solver` names the Runge–Kutta method that integrates the flow over each interval, in
    `substeps` equal parts; by default Tsit5 up to order 2 and Dopri8 beyond.

    Raises ModflowError where the schedule has another number of batches than the flow, or the
    number of steps is not a whole number from 0; UnknownNameError for an unknown solver.
    """
    solver = solver or ("tsit5" if flow.order <= 2 else "dopri8")
    if solver not in SOLVERS:
        raise UnknownNameError("solver", solver, SOLVERS)
    if schedule.count != len(flow.losses):
        raise ModflowError(
            f"the schedule is for {schedule.count} batches and there are {len(flow.losses)} losses"
        )
    for name, value, least in (("steps", steps, 0), ("substeps", substeps, 1)):
        if not is_whole(value) or value < least:
            raise ModflowError(
                f"the number of {name} is a whole number from {least}; got {value!r}"
            )
    x = jax.tree.map(lambda leaf: jnp.asarray(leaf, dtype=float), start)
    state = jax.device_get(
        _run(
            flow,
            schedule.draw(),
            x,
            jnp.asarray(h, dtype=float),
            jnp.asarray(steps),
            jnp.asarray(substeps),
            solver=solver,
        )
    )
    diverged = None
    if not state["bounded"]:
        diverged = ("flow" if state["iterates_bounded"] else "iterates", int(state["k"]))
    return Comparison(
        h=float(h),
        steps=int(steps),
        substeps=int(substeps),
        error=float("nan") if diverged else float(state["error"]),
        error_step=int(state["error_step"]),
        embedded_error=float(state["embedded"]),
        scale=float(state["scale"]),
        predicted=float("nan"),
        remainder=float("nan"),
        iterate=state["x"].tree,
        flow=state["y"].tree,
        diverged=diverged,
    )


class BatchSideBySide:
    """The same as an object that knows all but the step size, as a study needs it.

    Use it inside `jax.enable_x64(True)`. Raises ModflowError and UnknownNameError as
    `compare_flow`.
    """

    def __init__(
        self, method: Method, problem: Problem, order: int, schedule: BatchSchedule, solver: str
    ) -> None:
        self._flow, self._start = _flow(method, problem, order), problem.start_arrays()
        self._schedule, self._solver = schedule, solver
        self.run(1e-9, 0)  # refuses at once what cannot be run

    def run(
        self,
        h: float,
        steps: int,
        substeps: int = 1,
        progress: Callable[[int], None] | None = None,
    ) -> Comparison:
        """Advance both by `steps` steps of size h, the flow in `substeps` parts a step."""
        result = compare_flow(
            self._flow,
            self._start,
            self._schedule,
            h,
            steps,
            solver=self._solver,
            substeps=substeps,
        )
        if progress is not None:
            progress(steps)
        return result


@partial(jax.jit, static_argnames="solver")
def _run(
    flow: BatchFlow,
    batch: Draw,
    start: PyTree[Array],
    h: Array,
    steps: Array,
    parts: Array,
    *,
    solver: str,
) -> Any:
    stages = Stages.of(SOLVERS[solver]())
    losses, x, size = flow.losses, Vector(start), norm(start)
    limit = BLOW_UP * jnp.maximum(1.0, size)
    dt = h / parts
    first = batch(jnp.asarray(0))

    def advance(s: dict[str, Any]) -> dict[str, Any]:
        k = s["k"]
        x, memory = flow.method.step(force(losses.one(s["j"])), h, s["x"], s["memory"])

        def field(y: PyTree[Array]) -> PyTree[Array]:
            return flow.field(losses, s["weights"], y, h)

        def part(i: Array, carry: Any) -> Any:
            y, slope, embedded, left = carry
            y, slope, error = stages.step(
                field, y, slope, dt, known=(k > 0) | (i > 0), closed=i < parts - 1
            )
            return y, slope, embedded + norm(left), error

        y, nothing = s["y"].tree, jax.tree.map(jnp.zeros_like, start)
        y, _, embedded, error = lax.fori_loop(
            0, parts, part, (y, s["slope"], s["embedded"], nothing)
        )
        # Where the steps k and k + 1 meet, both fields at once: they share their differentials.
        j = batch(k + 1)
        recursion, weights = flow.advance(s["recursion"], j)
        pair = jax.tree.map(lambda *both: jnp.stack(both), s["weights"], weights)
        ends = jax.vmap(lambda w: flow.field(losses, w, y, h))(pair)
        end = jax.tree.map(lambda leaf: leaf[0], ends)
        slope = jax.tree.map(lambda leaf: leaf[1], ends)
        error = jax.tree.map(jnp.add, error, stages.rest(end, dt))

        away, reach = distance(x.tree, y), norm(x.tree)
        fine = reach <= limit  # false for NaN too
        return {
            "k": k + 1,
            "j": j,
            "x": x,
            "memory": memory,
            "y": Vector(y),
            "slope": slope,
            "recursion": recursion,
            "weights": weights,
            "error": jnp.maximum(s["error"], away),
            "error_step": jnp.where(away > s["error"], k + 1, s["error_step"]),
            "embedded": embedded + norm(error),
            "scale": jnp.maximum(s["scale"], reach),
            "bounded": fine & (norm(y) <= limit),
            "iterates_bounded": fine,
        }

    recursion, weights = flow.advance(flow.start(first), first)
    begun = {
        "k": jnp.asarray(0),
        "j": first,
        "x": x,
        "memory": flow.method.begin(force(losses.one(first)), h, x),
        "y": x,
        "slope": jax.tree.map(jnp.zeros_like, start),  # not known before step 0
        "recursion": recursion,
        "weights": weights,
        "error": jnp.asarray(0.0),
        "error_step": jnp.asarray(0),
        "embedded": jnp.asarray(0.0),
        "scale": size,
        "bounded": jnp.asarray(True),
        "iterates_bounded": jnp.asarray(True),
    }
    # An explicit dtype makes the types strong, as the loop returns them.
    begun = jax.tree.map(lambda leaf: jnp.asarray(leaf, dtype=leaf.dtype), begun)
    return lax.while_loop(lambda s: (s["k"] < steps) & s["bounded"], advance, begun)
