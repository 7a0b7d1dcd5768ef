"""Iterates beside any piecewise field, for statements that no `convergence_study` can put.

Such are a flow that starts elsewhere, that is compared from some time on, that depends on its own
past, or whose weights are written out from a printed formula, batch by batch.

The field is integrated by the classical Runge–Kutta method, and at the coarser step sizes once
more with half its steps: the distance of the two, fifteen times the error of the better one, is the
uncertainty of what is measured. At half the step size it is a sixteenth, and the last one measured
stands for all finer sizes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float, Int

from ..convergence import OrderEstimate, estimate_order
from ..methods import HeavyBall
from ..problems import Problem
from ..vectors import looped_runge_kutta
from ._evidence import About, Evidence, rate

Gradient = Callable[[Any, Float[Array, " n"]], Float[Array, " n"]]
"""(j, x) ↦ ∇E_j(x)."""
_DOUBLED = 3


@dataclass(frozen=True)
class Point:
    """Where a field is evaluated."""

    k: Int[Array, ""]
    h: Float[Array, ""]
    beta: Float[Array, ""]
    j: Int[Array, ""]
    """The batch of step k."""
    here: Float[Array, " n"]
    """The trajectory at t_k."""
    before: Float[Array, " n"]
    """The trajectory at t_{k-1}; at t_0 for k = 0."""
    parameters: Any


Field = Callable[[Gradient, Point, Float[Array, " n"]], Float[Array, " n"]]
"""x'(t) on [t_k, t_{k+1}]."""


@dataclass(frozen=True)
class Distances:
    """max ‖x^k - x̃(t_k)‖₂ at each step size, for each trajectory that was run."""

    sizes: tuple[float, ...]
    errors: Float[np.ndarray, "sizes runs"]
    uncertainties: Float[np.ndarray, "sizes runs"]

    def rate(
        self, text: str, expected: float, *, run: int = 0, about: About = "printed"
    ) -> Evidence:
        """Whether the distances of a run fall with that order."""
        errors, doubts = self._of(run)
        return rate(text, self.sizes, errors, expected, uncertainties=doubts, about=about)

    def estimate(self, expected: float, *, run: int = 0) -> OrderEstimate:
        """The order that the distances of a run show."""
        errors, doubts = self._of(run)
        return estimate_order(self.sizes, errors, expected, uncertainties=doubts)

    def _of(self, run: int) -> tuple[Any, Any]:
        errors = self.errors[:, run]
        # What has diverged has no error, and no uncertainty either.
        return errors, np.where(np.isfinite(errors), self.uncertainties[:, run], 0.0)


class Follower:
    """Heavy-ball iterates and a field on a problem, in one program for all sizes and momenta.

    The loss of batch j is that of slice j of the problem's data where `batched`, else that of
    all of them. Use it inside `jax.enable_x64(True)`.
    """

    def __init__(self, problem: Problem, field: Field, *, batched: bool = False) -> None:
        self._start, unravel = ravel_pytree(problem.start_arrays())
        self._data, pattern = problem.data_arrays(), HeavyBall()

        def program(
            h: Array,
            shift: Array,
            beta: Array,
            batches: Array,
            parameters: Any,
            steps: Array,
            first: Array,
            every: Array,
            parts: Array,
            start: Array,
            data: Any,
        ) -> Any:
            def gradient(j: Any, x: Array) -> Array:
                mine = jax.tree.map(lambda leaf: leaf[j], data) if batched else data
                return jax.grad(lambda p: problem.value(unravel(p), mine))(x)

            method = pattern.with_leaves({"beta": beta})

            def advance(s: Any) -> Any:
                k, x, memory, y, before, error = s
                j = batches[k % len(batches)]
                x, memory = method.step(lambda p: -gradient(j, p), h, x, memory)
                point = Point(k, h, beta, j, y, before, parameters)

                def part(_: Any, z: Array) -> Array:
                    dt = h / parts
                    return looped_runge_kutta(lambda v: field(gradient, point, v), z, dt)

                new = lax.fori_loop(0, parts, part, y)
                away = jnp.linalg.norm(x - new)
                counts = (k + 1 >= first) & ((k + 1) % every == 0)
                error = jnp.where(counts, jnp.maximum(error, away), error)
                return k + 1, x, memory, new, y, error

            begun = start + h * shift * gradient(batches[0], start)
            state = (jnp.asarray(0), start, 0 * start, begun, begun, 0 * h)
            *_, y, _, error = lax.while_loop(lambda s: s[0] < steps, advance, state)
            return error, y

        self._program = jax.jit(jax.vmap(program, in_axes=(0,) * 5 + (None,) * 6))

    def run(
        self,
        sizes: Sequence[float],
        T: float,
        betas: Sequence[float],
        *,
        after: float = 0.0,
        every: int = 1,
        batches: Sequence[Sequence[int]] = ((0,),),
        parameters: Any = None,
        shift: Sequence[float] | float = 0.0,
    ) -> Distances:
        """Distances over after ≤ t_k ≤ T, for one β and one sequence of batches a run; over
        every so many of these k.

        Sizes and times are effective ones, h/(1-β) and t/(1-β), so that all runs have the same
        number of steps. The sequences repeat. `parameters` have a first axis with one entry a
        run. The flow starts from x^0 + h shift ∇E(x^0).
        """
        momenta = np.asarray([float(b) for b in betas])
        runs = len(momenta)
        order = np.broadcast_to(np.asarray(batches), (runs, np.shape(batches)[1]))
        shifts = np.broadcast_to(np.asarray(shift, dtype=float), (runs,))
        given = {} if parameters is None else parameters
        errors: list[Any] = []
        doubts: list[Any] = []
        for i, size in enumerate(sizes):
            arguments = (
                jnp.asarray(size * (1 - momenta)),
                jnp.asarray(shifts),
                jnp.asarray(momenta),
                jnp.asarray(order),
                given,
                jnp.asarray(round(T / size)),
                jnp.asarray(max(1, round(after / size))),
                jnp.asarray(every),
            )
            error, y = self._run(arguments, 1)
            doubt = doubts[-1] if doubts else None
            if i < _DOUBLED:
                coarse, (error, z) = error, self._run(arguments, 2)
                doubt = np.maximum(np.linalg.norm(y - z, axis=1), np.abs(error - coarse))
            errors.append(error)
            doubts.append(doubt)
        return Distances(tuple(sizes), np.array(errors), np.array(doubts))

    def _run(self, arguments: Any, parts: int) -> Any:
        given = *arguments, jnp.asarray(parts), self._start, self._data
        return jax.device_get(self._program(*given))
