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

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import reduce
from math import inf, log, log1p
from typing import Any

import flint
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PyTree

from .errors import ModflowError, UnknownNameError
from .modified import ModifiedEquation
from .potentials import ModifiedLoss, split
from .series import ClosedForm, Tree
from .series.exact import exact_number
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

    def row(self, k: Int[Array, ""] | int) -> Float[Array, " trees"]:
        """The coefficients at step k; NaN before the first step and beyond the last one known."""
        known = (k >= 0) if self.settled else (k >= 0) & (k < len(self.values))
        row = jnp.asarray(self.values)[jnp.clip(k, 0, len(self.values) - 1)]
        return jnp.where(known, row, jnp.nan)

    def check(self, k: Any) -> None:
        """Raise ModflowError for a k that is no step of this table; a traced k gives NaN."""
        if isinstance(k, jax.core.Tracer):
            return
        if not jnp.issubdtype(jnp.result_type(k), jnp.integer) or k < 0:
            raise ModflowError(f"a step number is a whole number from 0; got {k}")
        end = len(self.values)
        if not self.settled and k >= end:
            raise ModflowError(
                f"step {k} is beyond the {end} steps of this flow: its coefficients have not "
                "settled by then; give `steps`"
            )


def coefficient_table(
    equation: ModifiedEquation, steps: int, parameters: Mapping[str, Any] | None = None
) -> CoefficientTable:
    """The coefficients of steps 0, ..., steps-1 as numbers, correctly rounded.

    The table ends where every b_k has come within half a unit in the last place of its
    limit. Trees whose coefficient vanishes identically are left out. `parameters` gives
    values to symbols that are left in the equation.

    Raises ModflowError where a symbol has no value, and where there are more than
    `MAX_TABLE_ROWS` steps before the coefficients settle.
    """
    return element_table(equation.elements(), steps, parameters)


def element_table(
    elements: Iterable[tuple[Tree, ClosedForm]],
    steps: int,
    parameters: Mapping[str, Any] | None = None,
) -> CoefficientTable:
    """The same for any b_k(τ) in a coefficient ring."""
    return _table(elements, lambda tree: tree.symmetry, steps, parameters)


def _table(
    elements: Iterable[tuple[Tree, ClosedForm]],
    divisor: Callable[[Tree], int],
    steps: int,
    parameters: Mapping[str, Any] | None,
) -> CoefficientTable:
    values = {name: _fraction(name, v) for name, v in (parameters or {}).items()}
    trees, columns = [], []
    for tree, element in elements:
        terms, tail = element.terms(values)
        if terms or tail:
            trees.append(tree)
            columns.append((terms, tail, divisor(tree)))
    last = max((_settled_after(terms, tail) for terms, tail, _ in columns), default=0)
    settled = last < steps
    rows = int(last) + 1 if settled else max(1, steps)
    if rows > MAX_TABLE_ROWS:
        raise ModflowError(
            f"{rows} steps before the coefficients settle are too many (at most {MAX_TABLE_ROWS}); "
            "a momentum further from 1, or larger steps, would do"
        )
    table = np.zeros((rows, len(trees)))
    for j, (terms, tail, by) in enumerate(columns):
        table[:, j] = _values(terms, tail, rows) / by
    return CoefficientTable(tuple(trees), table, settled)


def _fraction(name: str, value: Any) -> Fraction:
    try:
        exact = exact_number(value)
    except ValueError:  # not finite
        exact = None
    if isinstance(exact, Fraction):
        return exact
    raise ModflowError(f"{name} must be a rational number or a float; got {value!r}")


def _settled_after(
    terms: Mapping[tuple[int, Fraction], Fraction], tail: Mapping[int, Fraction]
) -> float:
    """The first k from which Σ c k^i μ^k equals its limit to half an ulp; inf if never."""
    limit = abs(terms.get((0, Fraction(1)), Fraction(0)))
    fading = [(i, abs(mu), abs(c)) for (i, mu), c in terms.items() if (i, mu) != (0, Fraction(1))]
    if any(mu >= 1 for _, mu, _ in fading):
        return inf
    after = max(tail, default=-1) + 1
    scale = _log(limit) if limit else max((_log(c) for *_, c in fading), default=0.0)
    for i, mu, c in fading:
        if mu == 0:
            after = max(after, 1)
            continue
        # Solve log c + i log k + k log μ <= log limit - 55 log 2 - log(number of terms).
        target = scale - 55 * log(2) - log(len(fading)) - _log(c)
        rate = _log(mu)
        k = max(1.0, i / -rate)
        while i * log(k) + k * rate > target:
            k = 1.05 * k + 1
        after = max(after, int(k) + 1)
    return after


def _log(value: Fraction) -> float:
    """The logarithm, also of what is too small for a float or no float away from 1."""
    if abs(value - 1) < Fraction(1, 2):
        return log1p(value - 1)
    return log(value.numerator) - log(value.denominator)


def _values(
    terms: Mapping[tuple[int, Fraction], Fraction], tail: Mapping[int, Fraction], rows: int
) -> Float[np.ndarray, " rows"]:
    """Σ c k^i μ^k for k = 0, ..., rows-1, each rounded once."""
    bits = _PRECISION_BITS
    while (found := _values_with(bits, terms, tail, rows)) is None:
        bits *= 2
    return found


def _values_with(
    bits: int,
    terms: Mapping[tuple[int, Fraction], Fraction],
    tail: Mapping[int, Fraction],
    rows: int,
) -> Float[np.ndarray, " rows"] | None:
    """The values by arithmetic of so many bits, None where these are too few."""
    precision = flint.ctx.prec
    flint.ctx.prec = bits
    try:
        powers: dict[Fraction, Any] = {mu: flint.arb(1) for _, mu in terms}
        rates = {mu: _ball(mu) for mu in powers}
        weights = {key: _ball(c) for key, c in terms.items()}
        result = np.empty(rows)
        for k in range(rows):
            total = _ball(tail[k]) if k in tail else flint.arb(0)
            for (i, mu), c in weights.items():
                total += c * k**i * powers[mu]
            value = _to_float(total)
            if value is None:
                return None
            result[k] = value
            for mu, rate in rates.items():
                powers[mu] *= rate
        return result
    finally:
        flint.ctx.prec = precision


def _ball(value: Fraction) -> Any:
    return flint.arb(flint.fmpq(value.numerator, value.denominator))


def _to_float(ball: Any) -> float | None:
    """The midpoint if it is right to 2^-60 of itself or of one, else None."""
    if ball.contains(0):
        ball = flint.arb(0, ball.rad() + abs(ball.mid()))
    middle, radius = float(ball.mid()), float(ball.rad())
    return middle if radius <= 2.0**-60 * max(1.0, abs(middle)) else None


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
            known[tree] = derivative_along(f, x, [known[child] for child in tree.children])
        if Tree() in weight and Tree() not in known:
            known[Tree()] = f(x)
        terms = [weight[tree] * value for tree, value in known.items() if tree in weight]
        for rest, found in self.groups:
            summed = reduce(Vector.__add__, [weight[t] * known[t.children[0]] for t in found])
            terms.append(derivative_along(f, x, [*(known[child] for child in rest), summed]))
        return reduce(Vector.__add__, terms) if terms else 0 * x


def derivative_along(f: Field, x: Vector, directions: Sequence[Vector]) -> Vector:
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

    `flow(k, x, h)` is F_k(x), a pytree like x, for scalars k and h; it can be traced,
    differentiated and batched (`jax.vmap`) in all three arguments. `parameters` gives numbers
    to symbols left in the equation; `steps` bounds k where the coefficients never settle. A
    k out of bounds is refused or, where it is traced, gives NaN.

    Raises ModflowError where a symbol has no value or one out of range, and UnknownNameError
    for a parameter that the equation does not have.
    """

    def __init__(
        self,
        equation: ModifiedEquation,
        loss: Loss,
        *,
        parameters: Mapping[str, Any] | None = None,
        steps: int = MAX_TABLE_ROWS,
    ) -> None:
        if not isinstance(equation, ModifiedEquation):
            raise ModflowError(f"a modified equation is needed; got {equation!r}")
        check_parameters(equation, parameters or {})
        self.equation, self.loss = equation, loss
        self.table = coefficient_table(equation, max(1, steps), parameters)
        self.plan = DifferentialPlan.of(self.table.trees)
        self._compiled = jax.jit(self._evaluate)

    def __call__(
        self, k: Int[Array, ""] | int, x: PyTree[Array], h: Float[Array, ""] | float
    ) -> PyTree[Float[Array, "..."]]:
        """F_k(x) at step size h; raises ModflowError for a k or an h that cannot be."""
        if np.ndim(k) or np.ndim(h):
            raise ModflowError("k and h are scalars; for several of them there is jax.vmap")
        self.table.check(k)
        return self._compiled(k, x, h)

    def _evaluate(self, k: Any, x: PyTree[Array], h: Any) -> PyTree[Array]:
        weights = scaled_weights(self.table.trees, self.table.row(k), h)
        # Weights are float64 where x64 is enabled, and derivatives need one precision throughout.
        wide = jax.tree.map(lambda leaf: leaf.astype(jnp.result_type(leaf, *weights)), x)
        field = self.plan.evaluate(force(self.loss), Vector(wide), weights).tree
        return jax.tree.map(like, x, field)

    def __repr__(self) -> str:
        return f"Flow({self.equation!r}, derivatives={self.plan.derivatives})"


def like(x: Array, value: Array) -> Array:
    """The value in the precision of x, where x is of floats."""
    return value.astype(x.dtype) if jnp.issubdtype(x.dtype, jnp.floating) else value


def check_parameters(equation: ModifiedEquation, parameters: Mapping[str, Any]) -> None:
    """Raise UnknownNameError for a name that is no symbol of the equation, and ModflowError
    for a value that is out of range for its method."""
    _check_names(equation.ring.parameters, parameters)
    for name, value in parameters.items():
        for path, symbol in equation.method.leaves.items():
            if getattr(symbol, "is_Symbol", False) and symbol.name == name:
                equation.method.with_leaves({path: _fraction(name, value)})


def _check_names(symbols: Sequence[str], parameters: Mapping[str, Any]) -> None:
    for name in parameters:
        if not symbols:
            raise ModflowError(f"there is no {name} in the equation: its parameters are numbers")
        if name not in symbols:
            raise UnknownNameError("symbol", name, symbols)


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
    """The modified loss as a JAX function Ê(k, x, h), for these numbers in its symbols.

    Raises ModflowError where a symbol has no value; for k as `Flow`.
    """
    for element in modified.elements.values():
        _check_names(element.ring.parameters, parameters)
    table = _table(modified.elements.items(), lambda _: 1, MAX_TABLE_ROWS, parameters)

    def value(k: Any, x: PyTree[Array], h: Any) -> Float[Array, ""]:
        table.check(k)
        weights = scaled_weights(table.trees, table.row(k), h)
        terms = (w * potential(t, loss, x) for w, t in zip(weights, table.trees, strict=True))
        return sum(terms, start=jnp.zeros(()))

    return value
