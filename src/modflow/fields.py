"""The piecewise field of a modified equation in many digits, on power series in time.

For one step size h and one step k, `PiecewiseField` gives h F_k(y(s)) for y a power series in
s = (t - t_k)/h, term by term, with balls as coefficients. Two ways lead there:

- where f is polynomial, so is F_k, and its coefficients are linear in the b_k(τ): they are
  multiplied out exactly beforehand, and a step costs what its polynomials cost;
- else all elementary differentials are evaluated at y, by `series.jets`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from fractions import Fraction
from itertools import chain, pairwise
from operator import mul
from typing import Any, Protocol

import flint

from .balls import BallRing, rational
from .coefficients import Coefficients
from .errors import ModflowError
from .series import Tree
from .series.jets import Differentials
from .series.program import Program

_ZERO = flint.arb(0)

MAX_MONOMIALS = 4000
"""A polynomial field with more terms than this costs more than its elementary differentials."""


class Along(Protocol):
    """A field along a power series y(s) that grows term by term."""

    def extend(self, terms: Sequence[Any]) -> list[Any]:
        """The next term of every component of the field, from the next term of every y_i."""


class _PolynomialRing:
    """Polynomials in the variables of f with rational coefficients."""

    def __init__(self, variables: int) -> None:
        names = [f"y{i}" for i in range(variables)]
        self._context = flint.fmpq_mpoly_ctx.get(names, flint.Ordering.lex)
        self.generators = self._context.gens()

    def constant(self, value: Fraction | str) -> Any:
        """A rational number."""
        return self._context.constant(rational(Fraction(value)))

    def function(self, name: str, power: Fraction | None, value: Any) -> Any:
        """There is none."""
        raise ModflowError(f"{name} is not polynomial")


class _Polynomials:
    """Σ_τ w(τ) F(τ)/σ(τ), multiplied out: columns are the monomials of every component."""

    def __init__(self, trees: Sequence[Tree], parts: Sequence[dict[Tree, Any]]) -> None:
        columns: list[tuple[int, tuple[int, ...]]] = []
        entries: dict[tuple[int, int], Any] = {}
        for component, part in enumerate(parts):
            place: dict[tuple[int, ...], int] = {}
            for row, tree in enumerate(trees):
                for exponents, c in part[tree].to_dict().items() if tree in part else ():
                    monomial = tuple(int(e) for e in exponents)
                    if monomial not in place:
                        place[monomial] = len(columns)
                        columns.append((component, monomial))
                    entries[row, place[monomial]] = c
        self._matrix = flint.fmpq_mat(len(trees), len(columns))
        for (row, column), c in entries.items():
            self._matrix[row, column] = c
        self._size = len(parts)
        self._tops = [max((m[i] for _, m in columns), default=0) for i in range(self._size)]
        # Horner-like, for the last variable: Σ_a y^a (Σ_j c y_n^j), a the other exponents.
        inner: dict[tuple[int, tuple[int, ...]], list[tuple[int, int]]] = {}
        for column, (component, monomial) in enumerate(columns):
            inner.setdefault((component, monomial[:-1]), []).append((monomial[-1], column))
        self._plan = [(component, a, terms) for (component, a), terms in inner.items()]
        # y^a, a the exponents of all variables but the last, from a product with one factor less.
        self._outer: dict[tuple[int, ...], tuple[tuple[int, ...], int, int]] = {}
        for _, a, _ in self._plan:
            while any(a) and a not in self._outer:
                i = max(i for i, e in enumerate(a) if e)
                shorter = (*a[:i], *(0 for _ in a[i:]))
                self._outer[a] = (shorter, i, a[i])
                a = shorter
        self._outer = dict(sorted(self._outer.items(), key=lambda item: _factors(item[0])))

    def combine(self, weights: Any) -> Any:
        """Weights of trees (columns of a matrix) as weights of monomials."""
        return weights * self._matrix

    def along(self, weights: Sequence[Any]) -> _AlongPolynomials:
        """The combination along a series."""
        return _AlongPolynomials(self, weights)


def _factors(exponents: Sequence[int]) -> int:
    return sum(e > 0 for e in exponents)


class _AlongPolynomials:
    """A polynomial field along a series that grows term by term; each term is computed once."""

    def __init__(self, form: _Polynomials, weights: Sequence[Any]) -> None:
        self._size, self._outer = form._size, form._outer
        self._y: list[list[Any]] = [[] for _ in range(form._size)]
        self._powers: list[list[list[Any]]] = [[[] for _ in range(t + 1)] for t in form._tops]
        self._products: dict[tuple[int, ...], list[Any]] = {a: [] for a in form._outer}
        self._inner: list[list[Any]] = [[] for _ in form._plan]
        self._plan = [
            (component, a, [j for j, _ in terms], [weights[column] for _, column in terms])
            for component, a, terms in form._plan
        ]

    def extend(self, terms: Sequence[Any]) -> list[Any]:
        """The next term of every component, from the next term of every y_i."""
        for y, powers, term in zip(self._y, self._powers, terms, strict=True):
            y.append(term)
            backwards = y[::-1]
            powers[0].append(int(len(y) == 1))
            for lower, power in pairwise(powers):
                power.append(_dot(lower, backwards) if power is not powers[1] else term)
        for a, (shorter, i, e) in self._outer.items():
            power = self._powers[i][e]
            rest = self._products.get(shorter)
            self._products[a].append(power[-1] if rest is None else _dot(rest, power[::-1]))
        top = [power[-1] for power in self._powers[-1]]
        totals: list[Any] = [_ZERO] * self._size
        for inner, (component, a, exponents, weights) in zip(self._inner, self._plan, strict=True):
            inner.append(_dot(weights, [top[j] for j in exponents]))
            part = _dot(self._products[a], inner[::-1]) if any(a) else inner[-1]
            totals[component] = totals[component] + part
        return totals


def _dot(a: Sequence[Any], b: Sequence[Any]) -> Any:
    return sum(map(mul, a, b))


class _Trees:
    """Σ_τ w(τ) F(τ)/σ(τ) by evaluating every F(τ): columns are the trees themselves."""

    def __init__(self, program: Program, trees: Sequence[Tree]) -> None:
        self.plan = Differentials(program, max((tree.order for tree in trees), default=1))
        self.parts = [
            [(column, slots[tree]) for column, tree in enumerate(trees) if tree in slots]
            for slots in self.plan.slots
        ]
        self.ring = BallRing()
        self.factors = [
            [self.ring.constant(c) for c, _, _ in operation.terms]
            if any(c != 1 for c, _, _ in operation.terms)
            else None
            for operation in self.plan.operations
        ]

    def combine(self, weights: Any) -> Any:
        """Weights of trees, as they are."""
        return weights

    def along(self, weights: Sequence[Any]) -> _AlongTrees:
        """The combination along a series."""
        return _AlongTrees(self, weights)


class _AlongTrees:
    """The same along a series that grows term by term; each term is computed once."""

    def __init__(self, form: _Trees, weights: Sequence[Any]) -> None:
        # All series, and the same backwards, for products.
        self._series: list[list[Any]] = [[] for _ in form.plan.operations]
        self._backwards: list[deque[Any]] = [deque() for _ in form.plan.operations]
        self._next = [self._prepared(form, slot) for slot in range(len(self._series))]
        self._result = [
            [(weights[column], self._series[slot]) for column, slot in part] for part in form.parts
        ]

    def extend(self, terms: Sequence[Any]) -> list[Any]:
        """The next term of every component, from the next term of every y_i."""
        for series, backwards, following in zip(
            self._series, self._backwards, self._next, strict=True
        ):
            term = following(terms)
            series.append(term)
            backwards.appendleft(term)
        return [sum((w * known[-1] for w, known in part), _ZERO) for part in self._result]

    def _prepared(self, form: _Trees, slot: int) -> _Next:
        """What computes the next term of a slot, its operands bound beforehand."""
        operation, factors = form.plan.operations[slot], form.factors[slot]
        own, first = self._series[slot], [self._series[i] for _, i, _ in operation.terms]
        if operation.kind == "products":
            second = [self._backwards[j] for _, _, j in operation.terms]
            if factors is None:
                join = chain.from_iterable
                return lambda _: sum(map(mul, join(first), join(second)))
            return lambda _: sum(map(mul, factors, map(_dot, first, second)))
        if operation.kind == "sum":
            if factors is None:
                return lambda _: sum(a[-1] for a in first)
            return lambda _: sum(map(mul, factors, (a[-1] for a in first)))
        if operation.kind == "variable":
            return lambda terms: terms[operation.value]
        if operation.kind == "constant":
            return lambda _: _ZERO if own else form.ring.constant(operation.value)
        (argument,), slope = first, self._series[form.plan.slopes[slot]]

        def function(_: Sequence[Any]) -> Any:
            n = len(own)
            if n == 0:
                name, power = operation.value
                return form.ring.function(name, power, argument[0])
            # From φ(a)' = φ'(a) a'.
            return sum(m * argument[m] * slope[n - m] for m in range(1, n + 1)) / n

        return function


_Next = Callable[[Sequence[Any]], Any]


class _TooLarge(Exception):
    pass


def polynomial_parts(program: Program, order: int) -> list[dict[Tree, Any]] | None:
    """F(τ)/σ(τ) as polynomials, up to an order; None where f is not polynomial or they are too
    large."""
    if not program.is_polynomial:
        return None
    ring, components = _PolynomialRing(len(program.outputs)), len(program.outputs)

    def watch(value: Any) -> None:
        if len(value) * components > MAX_MONOMIALS:
            raise _TooLarge

    try:
        return Differentials(program, order).evaluate(ring.generators, ring, watch)
    except _TooLarge:
        return None


class PiecewiseField:
    """Σ_τ b_k(τ) h^(|τ| + shift) F(τ)/σ(τ) over some trees, for one h, at every step k."""

    def __init__(
        self,
        program: Program,
        coefficients: Coefficients,
        parts: list[dict[Tree, Any]] | None,
        h: Fraction,
        shift: int,
    ) -> None:
        self.coefficients, self._ring = coefficients, BallRing()
        trees = coefficients.trees
        self._form: _Polynomials | _Trees
        if parts is None:
            self._form = _Trees(program, trees)
        else:
            self._form = _Polynomials(trees, parts)
        scales = [rational(h) ** (tree.order + shift) for tree in trees]
        exact = flint.fmpq_mat(len(coefficients.rows), len(trees))
        for i, row in enumerate(coefficients.rows):
            for j, (c, scale) in enumerate(zip(row, scales, strict=True)):
                exact[i, j] = rational(c) * scale
        combined = self._form.combine(exact)
        self._columns = combined.ncols()
        self._rows = [
            [flint.arb(combined[i, j]) for j in range(self._columns)]
            for i in range(combined.nrows())
        ]
        self._used = -1
        self._matrix: Any = None
        self._weights: list[Any] = []

    def go_to(self, k: int) -> None:
        """Take the coefficients of step k."""
        active = self.coefficients.active(k)
        if active == 0 or self._columns == 0:
            self._weights = [flint.arb(0)] * self._columns
            return
        if active != self._used:
            entries = [c for row in self._rows[:active] for c in row]
            self._used = active
            self._matrix = flint.arb_mat(active, self._columns, entries)
        elif self.coefficients.is_settled(k):
            return  # as at the step before
        row = flint.arb_mat(1, active, self.coefficients.row(k, self._ring))
        self._weights = (row * self._matrix).entries()

    def along(self) -> Along:
        """The field along a series, with the coefficients of the step last gone to."""
        return self._form.along(self._weights)
