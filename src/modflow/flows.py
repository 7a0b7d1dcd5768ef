"""Modified equations as vector fields in JAX, for any loss on any pytree of parameters.

Here, and only here, exact coefficients become numbers: each b_k(τ) is evaluated in ball
arithmetic until it is known to the last bit of a float64, so that no cancellation in the
closed form, with its powers of 1/(1-β), reaches the flow.

Elementary differentials are nested Jacobian-vector products. Every F(τ) that occurs inside
a larger one is computed once; the others are collected by linearity, so that all trees
[σ, τ2, ..., τm] that differ in σ only cost one m-fold derivative together. The field of
order 2 is one gradient and one Hessian-vector product; no Hessian is ever formed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import reduce
from math import inf, log
from typing import Any

import flint
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PyTree

from .errors import ModflowError
from .methods import exact_number
from .modified import ModifiedEquation
from .potentials import ModifiedLoss, split
from .series import Tree
from .vectors import Vector, inner

Loss = Callable[[PyTree[Array]], Float[Array, ""]]
Field = Callable[[Vector], Vector]

MAX_TABLE_ROWS = 1 << 20
_PRECISION_BITS = 192


@dataclass(frozen=True, eq=False)
class CoefficientTable:
    """b_k(τ)/σ(τ) as float64: one row a step, the last row standing for all later steps."""

    trees: tuple[Tree, ...]
    values: Float[np.ndarray, "steps trees"]
    settled: bool
    """Whether the last row holds for all later steps, to the last bit."""

    def row(self, k: Int[Array, ""] | int, values: Array | None = None) -> Float[Array, " trees"]:
        """The coefficients at step k; `values` is the table as a traced array."""
        table = jnp.asarray(self.values) if values is None else values
        return table[jnp.minimum(k, len(self.values) - 1)]


def coefficient_table(
    equation: ModifiedEquation, steps: int, parameters: Mapping[str, Any] | None = None
) -> CoefficientTable:
    """The coefficients of steps 0, ..., steps-1 as numbers, correctly rounded.

    The table ends where every b_k has come within half a unit in the last place of its
    limit. Trees whose coefficient vanishes identically are left out. `parameters` gives
    values to symbols that are left in the equation.

    Raises ModflowError where a symbol has no value.
    """
    values = {name: Fraction(exact_number(v)) for name, v in (parameters or {}).items()}
    trees, columns = [], []
    for tree, element in equation.elements():
        terms, tail = element.terms(values)
        if terms or tail:
            trees.append(tree)
            columns.append((terms, tail, tree.symmetry))
    last = max((_settled_after(terms, tail) for terms, tail, _ in columns), default=0)
    settled = last < steps
    rows = int(last) + 1 if settled else max(1, steps)
    if rows > MAX_TABLE_ROWS:
        raise ModflowError(
            f"{rows} steps before the coefficients settle are too many (at most {MAX_TABLE_ROWS}); "
            "a momentum further from 1, or larger steps, would do"
        )
    table = np.zeros((rows, len(trees)))
    for j, (terms, tail, symmetry) in enumerate(columns):
        table[:, j] = _values(terms, tail, rows) / symmetry
    return CoefficientTable(tuple(trees), table, settled)


def _settled_after(
    terms: Mapping[tuple[int, Fraction], Fraction], tail: Mapping[int, Fraction]
) -> float:
    """The first k from which Σ c k^i μ^k equals its limit to half an ulp; inf if never."""
    limit = abs(terms.get((0, Fraction(1)), Fraction(0)))
    fading = [(i, abs(mu), abs(c)) for (i, mu), c in terms.items() if (i, mu) != (0, Fraction(1))]
    if any(mu >= 1 for _, mu, _ in fading):
        return inf
    after = max(tail, default=-1) + 1
    scale = log(limit) if limit else max((log(c) for *_, c in fading), default=0.0)
    for i, mu, c in fading:
        if mu == 0:
            after = max(after, 1)
            continue
        # Solve log c + i log k + k log μ <= log limit - 55 log 2 - log(number of terms).
        target = scale - 55 * log(2) - log(len(fading)) - log(c)
        k = max(1.0, i / -log(mu))
        while i * log(k) + k * log(mu) > target:
            k = 1.05 * k + 1
        after = max(after, int(k) + 1)
    return after


def _values(
    terms: Mapping[tuple[int, Fraction], Fraction], tail: Mapping[int, Fraction], rows: int
) -> Float[np.ndarray, " rows"]:
    """Σ c k^i μ^k for k = 0, ..., rows-1, each rounded once."""
    precision = flint.ctx.prec
    flint.ctx.prec = _PRECISION_BITS
    try:
        powers: dict[Fraction, Any] = {mu: flint.arb(1) for _, mu in terms}
        rates = {mu: _ball(mu) for mu in powers}
        weights = {key: _ball(c) for key, c in terms.items()}
        result = np.empty(rows)
        for k in range(rows):
            total = _ball(tail[k]) if k in tail else flint.arb(0)
            for (i, mu), c in weights.items():
                total += c * k**i * powers[mu]
            result[k] = _to_float(total)
            for mu, rate in rates.items():
                powers[mu] *= rate
        return result
    finally:
        flint.ctx.prec = precision


def _ball(value: Fraction) -> Any:
    return flint.arb(flint.fmpq(value.numerator, value.denominator))


def _to_float(ball: Any) -> float:
    """The midpoint, after a check that it is right to 2^-60 of itself or of one."""
    if ball.contains(0):
        ball = flint.arb(0, ball.rad() + abs(ball.mid()))
    middle, radius = float(ball.mid()), float(ball.rad())
    if radius > 2.0**-60 * max(1.0, abs(middle)):
        raise ArithmeticError("a coefficient of the flow is not known to double precision")
    return middle


# -- elementary differentials ------------------------------------------------------------


@dataclass(frozen=True)
class DifferentialPlan:
    """In which order to evaluate Σ_τ w(τ) F(τ), with nothing computed twice.

    `inner` are the trees whose F is needed as an argument, smallest first. `groups` collects
    the other trees by their children without the largest: one derivative for each group.
    """

    trees: tuple[Tree, ...]
    inner: tuple[Tree, ...]
    groups: tuple[tuple[tuple[Tree, ...], tuple[Tree, ...]], ...]

    @classmethod
    def of(cls, trees: Sequence[Tree]) -> DifferentialPlan:
        """The plan for a linear combination over these trees."""
        inside: set[Tree] = set()
        todo = [child for tree in trees for child in tree.children]
        while todo:
            tree = todo.pop()
            if tree not in inside:
                inside.add(tree)
                todo += tree.children
        groups: dict[tuple[Tree, ...], list[Tree]] = {}
        for tree in trees:
            if tree not in inside and tree.children:
                groups.setdefault(tree.children[1:], []).append(tree)
        collected = tuple((rest, tuple(found)) for rest, found in groups.items())
        return cls(tuple(trees), tuple(sorted(inside)), collected)

    @property
    def derivatives(self) -> int:
        """How many nested derivatives of f one evaluation takes, f itself not counted."""
        return sum(bool(tree.children) for tree in self.inner) + len(self.groups)

    def evaluate(self, f: Field, x: Vector, weights: Sequence[Any]) -> Vector:
        """Σ w(τ) F(τ)(x)."""
        weight = dict(zip(self.trees, weights, strict=True))
        known: dict[Tree, Vector] = {}
        for tree in self.inner:
            known[tree] = _derivative(f, x, [known[child] for child in tree.children])
        if Tree() in weight and Tree() not in known:
            known[Tree()] = f(x)
        terms = [weight[tree] * value for tree, value in known.items() if tree in weight]
        for rest, found in self.groups:
            summed = reduce(Vector.__add__, [weight[t] * known[t.children[0]] for t in found])
            terms.append(_derivative(f, x, [*(known[child] for child in rest), summed]))
        return reduce(Vector.__add__, terms) if terms else 0 * x


def _derivative(f: Field, x: Vector, directions: Sequence[Vector]) -> Vector:
    """f^(m)(x) in these m directions, by nested forward derivatives."""

    def nested(along: Sequence[Vector]) -> Field:
        if not along:
            return f
        inside = nested(along[:-1])
        return lambda y: jax.jvp(inside, (y,), (along[-1],))[1]

    return nested(directions)(x)


def elementary_differential(tree: Tree, loss: Loss, x: PyTree[Array]) -> PyTree[Array]:
    """F(τ)(x) for f = -∇loss, a pytree like x."""
    return DifferentialPlan.of([tree]).evaluate(force(loss), Vector(x), [1.0]).tree


def force(loss: Loss) -> Field:
    """f = -∇loss on vectors."""
    gradient = jax.grad(loss)
    return lambda x: -Vector(gradient(x.tree))


# -- flows ---------------------------------------------------------------------------------


class Flow:
    """The piecewise vector field of a modified equation on a given loss.

    >>> import jax.numpy as jnp
    >>> from modflow import GradientDescent, modified_equation
    >>> flow = Flow(modified_equation(GradientDescent(), 2), lambda x: 0.5 * x @ x)
    >>> print(flow(0, jnp.array([1.0, 2.0]), 0.1))  # -(1 + h/2) x
    [-1.05 -2.1 ]

    `flow(k, x, h)` is F_k(x), a pytree like x; it can be traced, differentiated and batched
    in all three arguments. `parameters` gives numbers to symbols left in the equation;
    `steps` bounds k where the coefficients never settle.

    Raises ModflowError where a symbol has no value.
    """

    def __init__(
        self,
        equation: ModifiedEquation,
        loss: Loss,
        *,
        parameters: Mapping[str, Any] | None = None,
        steps: int = MAX_TABLE_ROWS,
    ) -> None:
        self.equation, self.loss = equation, loss
        self.table = coefficient_table(equation, steps, parameters)
        self.plan = DifferentialPlan.of(self.table.trees)
        self._compiled = jax.jit(self._evaluate)

    def __call__(
        self, k: Int[Array, ""] | int, x: PyTree[Array], h: Float[Array, ""] | float
    ) -> PyTree[Float[Array, "..."]]:
        """F_k(x) at step size h."""
        return self._compiled(k, x, h)

    def _evaluate(self, k: Any, x: PyTree[Array], h: Any) -> PyTree[Array]:
        weights = scaled_weights(self.table.trees, self.table.row(k), h)
        return self.plan.evaluate(force(self.loss), Vector(x), weights).tree

    def __repr__(self) -> str:
        return f"Flow({self.equation!r}, derivatives={self.plan.derivatives})"


def scaled_weights(trees: Sequence[Tree], row: Float[Array, " trees"], h: Any) -> list[Any]:
    """h^(|τ|-1) b(τ)/σ(τ), from the coefficients of one step."""
    return [row[j] * h ** (tree.order - 1) for j, tree in enumerate(trees)]


def potential(tree: Tree, loss: Loss, x: PyTree[Array]) -> Float[Array, ""]:
    """The elementary potential P(π) of the free tree, such as ‖∇E‖² for [1, 2]."""
    if tree.order == 1:
        return loss(x)
    left, right = (elementary_differential(part, loss, x) for part in split(tree))
    # F(τ) has the sign (-1)^|τ| of f = -∇E; the potential is made of derivatives of E.
    return (-1) ** tree.order * inner(left, right)


def modified_loss_function(
    modified: ModifiedLoss, loss: Loss, **parameters: float
) -> Callable[[int, PyTree[Array], Any], Float[Array, ""]]:
    """The modified loss as a JAX function Ê(k, x, h), for these numbers in its symbols."""
    import sympy

    names = sorted({s for c in modified.coefficients.values() for s in c.free_symbols}, key=str)
    functions = {
        tree: sympy.lambdify(names, c, modules="jax") for tree, c in modified.coefficients.items()
    }

    def value(k: int, x: PyTree[Array], h: Any) -> Float[Array, ""]:
        given = {"k": k, **parameters}
        arguments = [given[s.name] for s in names]
        return sum(
            function(*arguments) * h ** (tree.order - 1) * potential(tree, loss, x)
            for tree, function in functions.items()
        )

    return value
