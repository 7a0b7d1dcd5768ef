"""What a flow lacks, and the leading error that follows from it.

The iterates x^k obey x' = F_k(x) + h^p D_k(x) + O(h^(p+1)), with F_k the field of a flow of
order p and D_k = Σ_τ h^(|τ|-1-p)/σ(τ) d_k(τ) F(τ) what that field lacks: the terms with
|τ| = p + 1. So x^k = x̃(t_k) + h^p e(t_k) + O(h^(p+1)), where e solves the linear equation

    e' = F_k'(x̃) e + D_k(x̃),   e(0) = 0

(Gragg's expansion of the global error; Hairer, Nørsett & Wanner, *Solving Ordinary Differential
Equations I*, II.8). `integrate` runs e along with the flow, by the explicit midpoint rule: its
error of O(h²) in e is far below the O(h) that the expansion leaves.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from .errors import ModflowError
from .flows import MAX_TABLE_ROWS, CoefficientTable, DifferentialPlan, element_table, force
from .methods import Method
from .modified import MAX_ORDER, ModifiedEquation, modified_equation
from .problems import Problem
from .series import ClosedForm, Tree
from .vectors import Vector, norm

Elements = list[tuple[Tree, ClosedForm]]


@dataclass(frozen=True, eq=False)
class Defect:
    """The terms D_k of a flow of order p, as numbers."""

    table: CoefficientTable
    """d_k(τ)/σ(τ)."""
    order: int
    """p."""


@dataclass(frozen=True, eq=False)
class Claim:
    """A flow that a study runs beside the iterates, and what is claimed of it."""

    flow: ModifiedEquation
    order: int
    """The order that its error should show: higher than that asked for where the next terms of
    the modified equation vanish."""
    missing: Elements
    """The d_k(τ); empty where no error is predicted."""

    def defect(self, steps: int, parameters: Mapping[str, Any]) -> Defect | None:
        """The missing terms as numbers for so many steps; None where there are none.

        Raises ModflowError as `flows.coefficient_table`.
        """
        if not self.missing:
            return None
        return Defect(element_table(self.missing, steps, parameters), self.order)


def piecewise(method: Method, order: int) -> Claim:
    """The modified equation cut after h^(order-1), at every step."""
    flow = equation = modified_equation(method, order)
    for p in range(order, MAX_ORDER):
        equation = modified_equation(method, p + 1)
        missing = _of_order(equation, p + 1)
        if missing:
            return Claim(flow, p, missing)
    return Claim(flow, order, [])


def limit(method: Method, order: int) -> Claim:
    """The limit k → ∞ of that equation, from the first step on."""
    frozen = modified_equation(method, order, limit=True)
    if order >= MAX_ORDER:
        return Claim(frozen, order, [])
    try:
        exact = piecewise(method, order)
    except ModflowError:  # no closed form in k, so that the transient is not known
        return Claim(frozen, order, [])
    transient = [(tree, b - b.limit()) for tree, b in exact.flow.elements()]
    if all(d == 0 for _, d in transient):
        return Claim(frozen, exact.order, exact.missing)
    following = _of_order(modified_equation(method, order + 1), order + 1)
    return Claim(frozen, order, [(t, d) for t, d in transient if d != 0] + following)


def given(flow: ModifiedEquation, method: Method, order: int) -> Claim:
    """Any field that is claimed to be the modified equation up to h^(order-1).

    What is missing is what the true modified equation lacks: a field that is wrong in a
    coefficient has another error.
    """
    if order >= MAX_ORDER:
        return Claim(flow, order, [])
    return Claim(flow, order, _of_order(modified_equation(method, order + 1), order + 1))


def _of_order(equation: ModifiedEquation, order: int) -> Elements:
    return [(tree, b) for tree, b in equation.elements() if tree.order == order and b != 0]


def leading_constant(
    problem: Problem, method: Method, claim: Claim, T: float, steps: int
) -> float | None:
    """C with max ‖x^k - x̃(t_k)‖ ≈ C h^p as h → 0, up to the time T; for T = 0 after one step.

    As h → 0 the transient of the coefficients takes no time, and x̃ becomes the gradient flow
    with the drift of the limit: C = max ‖e(t)‖, e' = b f'(x) e + D(x), x' = b f(x). Terms of D of
    the order |τ| = p, which only a transient can have, leave a jump of e at the start. By the
    classical Runge–Kutta method with so many steps. None where there is no such C: where nothing
    is predicted, coefficients have no limit, or D has transient terms of lower order.
    """
    p, start, data = claim.order, Vector(problem.start_arrays()), problem.data_arrays()
    if not claim.missing or (T > 0 and any(tree.order < p for tree, _ in claim.missing)):
        return None
    if T == 0:
        first = element_table(claim.missing, 1)
        return float(_field_size(problem, first.trees)(start, data, jnp.asarray(first.values[0])))
    transient = element_table([(t, b) for t, b in claim.missing if t.order == p], MAX_TABLE_ROWS)
    try:
        drift = element_table(modified_equation(method.exact(), 1, limit=True).elements(), 1)
        later = [(tree, b.limit()) for tree, b in claim.missing if tree.order > p]
    except ModflowError:
        return None
    steady = element_table(later, 1)
    run = _leading(problem, steady.trees, transient.trees)
    rate = float(drift.values[0, 0]) if drift.trees else 0.0
    jump = jnp.asarray(transient.values.sum(axis=0))
    return float(run(start, data, rate, jnp.asarray(steady.values[0]), jump, T, steps))


@lru_cache(maxsize=64)
def _field_size(problem: Problem, trees: tuple[Tree, ...]) -> Callable[..., Any]:
    plan = DifferentialPlan.of(trees)

    def size(x: Vector, data: Any, weights: Any) -> Any:
        f = force(lambda x: problem.value(x, data))
        return norm(plan.evaluate(f, x, list(weights)).tree)

    return jax.jit(size)


@lru_cache(maxsize=64)
def _leading(
    problem: Problem, steady_trees: tuple[Tree, ...], jump_trees: tuple[Tree, ...]
) -> Callable[..., Any]:
    plan, jump_plan = DifferentialPlan.of(steady_trees), DifferentialPlan.of(jump_trees)

    def run(
        start: Vector, data: Any, drift: Any, steady: Any, jump: Any, T: Any, steps: Any
    ) -> Any:
        f = force(lambda x: problem.value(x, data))

        def field(state: Any) -> Any:
            x, e = state
            here, along = jax.jvp(f, (x,), (e,))
            return drift * here, drift * along + plan.evaluate(f, x, list(steady))

        def moved(state: Any, slope: Any, dt: Any) -> Any:
            return tuple(s + dt * v for s, v in zip(state, slope, strict=True))

        dt = T / steps

        def step(_: Any, carry: Any) -> Any:
            state, largest = carry
            k1 = field(state)
            k2 = field(moved(state, k1, dt / 2))
            k3 = field(moved(state, k2, dt / 2))
            k4 = field(moved(state, k3, dt))
            for slope, share in ((k1, 1 / 6), (k2, 1 / 3), (k3, 1 / 3), (k4, 1 / 6)):
                state = moved(state, slope, share * dt)
            return state, jnp.maximum(largest, norm(state[1].tree))

        first = jump_plan.evaluate(f, start, list(jump))
        return lax.fori_loop(0, steps, step, ((start, first), norm(first.tree)))[1]

    return jax.jit(run)
