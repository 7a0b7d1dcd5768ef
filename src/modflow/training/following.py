"""The modified flow beside a training: x̃ moves by one step of its own equation at each iteration.

Its field is made of gradients and of derivatives of the gradient along directions, so that nothing
larger than the parameters is ever held: a Hessian least of all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PyTree

from ..flows import DifferentialPlan, coefficient_table, force, scaled_weights
from ..integrate import SOLVERS
from ..methods import HeavyBall
from ..modified import modified_equation
from ..series import Tree
from ..vectors import Vector, norm


class Following(NamedTuple):
    """Where the flow is."""

    y: PyTree[Array]
    """x̃(t_k)."""
    start: PyTree[Array]
    error: Float[Array, ""]
    """The integrator's own, as far as its embedded estimates tell: the sum of their norms."""
    k: Int[Array, ""]

    @classmethod
    def begin(cls, parameters: PyTree[Array]) -> Following:
        """At x^0."""
        leaf = jax.tree.leaves(parameters)[0]
        return cls(parameters, parameters, jnp.zeros((), leaf.dtype), jnp.zeros((), int))


@lru_cache(maxsize=8)
def trees_of(order: int) -> tuple[Tree, ...]:
    """The trees of the heavy ball's flow, whatever its momentum."""
    return tuple(tree for tree, _ in modified_equation(HeavyBall(), order).elements())


def coefficients(
    order: int, momenta: Sequence[float], steps: int
) -> list[Float[np.ndarray, "rows trees"]]:
    """b_k(τ)/σ(τ) for each momentum, a row a step; the last row stands for all later steps."""
    equation, trees = modified_equation(HeavyBall(), order), trees_of(order)
    tables = [coefficient_table(equation, steps, {"beta": beta}) for beta in momenta]
    rows = max(len(table.values) for table in tables)
    found = []
    for table in tables:
        # Trees whose coefficient is 0 for a momentum are not in its table.
        values = np.zeros((rows, len(trees)))
        own = np.concatenate(
            [table.values, np.repeat(table.values[-1:], rows - len(table.values), axis=0)]
        )
        values[:, [trees.index(tree) for tree in table.trees]] = own
        found.append(values)
    return found


def follow(
    order: int,
    loss: Callable[[PyTree[Array]], Float[Array, ""]],
    flow: Following,
    h: Float[Array, ""],
    table: Float[Array, "rows trees"],
) -> Following:
    """The flow of this order a time of h later, by one step of a Runge–Kutta method."""
    trees = trees_of(order)
    plan, f = DifferentialPlan.of(trees), force(loss)
    weights = scaled_weights(trees, table[jnp.minimum(flow.k, len(table) - 1)], h)

    def field(_t: Any, y: Vector, _args: Any) -> Vector:
        return plan.evaluate(f, y, weights)

    solver, y = SOLVERS["tsit5" if order <= 2 else "dopri8"](), Vector(flow.y)
    stage = solver.init(diffrax.ODETerm(lambda t, y, a: y), 0.0, 0.0, y, None)
    y, local, _, _, _ = solver.step(
        diffrax.ODETerm(field), 0.0, h, y, None, stage, made_jump=jnp.asarray(True)
    )
    return Following(y.tree, flow.start, flow.error + norm(local.tree), flow.k + 1)
