"""Iterates with batches and their flow side by side, in one compiled loop over the steps."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import diffrax
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
from .losses import Losses
from .schedules import BatchSchedule, batch_at


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
    """The same for a given flow, from this start; compiled once for all h and numbers of steps.

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
        _program(flow, schedule.kind, solver)(
            flow.losses,
            x,
            jnp.asarray(h, dtype=float),
            jnp.asarray(steps),
            jnp.asarray(substeps),
            jnp.asarray(schedule.seed, dtype=jnp.uint32),
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


@lru_cache(maxsize=64)
def _program(flow: BatchFlow, kind: str, solver_name: str) -> Any:
    solver = SOLVERS[solver_name]()

    def program(
        losses: Losses, start: PyTree[Array], h: Array, steps: Array, parts: Array, seed: Array
    ) -> Any:
        x, size = Vector(start), norm(start)
        limit = BLOW_UP * jnp.maximum(1.0, size)
        dt = h / parts
        first = batch_at(kind, len(losses), seed, jnp.asarray(0))

        def advance(s: dict[str, Any]) -> dict[str, Any]:
            j = batch_at(kind, len(losses), seed, s["k"])
            x, memory = flow.method.step(force(losses.one(j)), h, s["x"], s["memory"])
            memory_weights, weights = flow.advance(s["state"], j)
            term = diffrax.ODETerm(
                lambda _t, y, _args: Vector(flow.field(losses, weights, y.tree, h))
            )

            def part(_i: Array, carry: Any) -> Any:
                y, embedded = carry
                stage = solver.init(term, 0.0, dt, y, None)
                y, local, *_ = solver.step(term, 0.0, dt, y, None, stage, made_jump=True)
                return y, embedded + norm(local.tree)

            y, embedded = lax.fori_loop(0, parts, part, (s["y"], s["embedded"]))
            error, reach = distance(x.tree, y.tree), norm(x.tree)
            fine = reach <= limit  # false for NaN too
            return {
                "k": s["k"] + 1,
                "x": x,
                "memory": memory,
                "y": y,
                "state": memory_weights,
                "error": jnp.maximum(s["error"], error),
                "error_step": jnp.where(error > s["error"], s["k"] + 1, s["error_step"]),
                "embedded": embedded,
                "scale": jnp.maximum(s["scale"], reach),
                "bounded": fine & (norm(y.tree) <= limit),
                "iterates_bounded": fine,
            }

        begun = {
            "k": jnp.asarray(0),
            "x": x,
            "memory": flow.method.begin(force(losses.one(first)), h, x),
            "y": x,
            "state": flow.start(first),
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

    return jax.jit(program)
