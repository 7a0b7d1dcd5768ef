"""Sums over all steps up to step k = e M + i, in closed form in the epoch e and the place i.

Where M batches are drawn in epochs, moments at step k are polynomials in q = β^i and Q = β^(M e),
their coefficients polynomials in i and e over rational functions of β, M and P = β^M. Sums of
these over the steps of an epoch and over epochs are geometric, and of the same kind again.
Draws that know no epochs are the case e = 0: q = β^k, and k in the place of i.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import sympy
from sympy import ZZ
from sympy.polys.fields import FracElement, field

_NAMES = ("beta", "q", "Q", "P", "M", "i", "e")
FIELD, BETA, PLACE_POWER, EPOCH_POWER, RATE, COUNT, PLACE, EPOCH = field(_NAMES, ZZ)
"""Q(β, q, Q, P, M, i, e), and its generators in that order."""


def over_places(term: Any, count: Any, power: Any, *, shift: int = 0) -> Any:
    """Σ of term(i) β^(shift i) over 0 ≤ i < count, where β^count is `power`."""
    return _summed(term, "i", "q", BETA, count, power, shift)


def over_epochs(term: Any, *, shift: int = 0) -> Any:
    """Σ of term(e') β^(shift M e') over the epochs e' < e."""
    return _summed(term, "e", "Q", RATE, EPOCH, EPOCH_POWER, shift)


def over_past(term: Any) -> Any:
    """Σ of β^(k-r) term(r) over the steps r < k = e M + i."""
    this = over_places(term, PLACE, PLACE_POWER, shift=-1)
    whole = over_epochs(over_places(term, COUNT, RATE, shift=-1), shift=-1)
    return PLACE_POWER * (this + EPOCH_POWER * whole)


def over_past_steps(term: Any) -> Any:
    """Σ of β^(k-r) term(r) over r < k, with k in the place of i, where there are no epochs."""
    return PLACE_POWER * over_places(term, PLACE, PLACE_POWER, shift=-1)


def in_epochs(term: Any) -> Any:
    """term(k) with k = e M + i."""
    values = {"q": PLACE_POWER * EPOCH_POWER, "i": EPOCH * COUNT + PLACE}
    return _composed(term, values)


def forgotten(term: Any, power: str) -> Any:
    """The limit for q → 0 or for Q → 0; i q^n and e Q^n go to 0 with these."""
    return _composed(term, {power: FIELD.zero})


def to_sympy(term: Any) -> sympy.Expr:
    """A fraction of factors, their signs as in 1 - β and M - 1, sums ordered by all but β and P."""
    return sympy.Mul(*_factors(term.numer, 1), *_factors(term.denom, -1))


def _factors(polynomial: Any, exponent: int) -> list[sympy.Expr]:
    content, parts = polynomial.factor_list()
    sign, found = 1, []
    for part, power in parts:
        if min(part.terms(), key=_by_count)[1] < 0:
            part, sign = -part, sign * (-1) ** power
        found.append(_grouped(part) ** (exponent * power))
    return [sympy.Integer(sign * int(content)) ** exponent, *found]


def _by_count(term: tuple[tuple[int, ...], Any]) -> tuple[int, int, tuple[int, ...]]:
    """What leads a sum: the highest power of M, and then the lowest degree."""
    monomial = term[0]
    return -monomial[_NAMES.index("M")], sum(monomial), monomial


def _grouped(polynomial: Any) -> sympy.Expr:
    """Σ (product of q, Q, M, i, e) · (factors in β and P)."""
    groups: dict[tuple[int, ...], dict[tuple[int, ...], Any]] = defaultdict(dict)
    inner = [_NAMES.index("beta"), _NAMES.index("P")]
    for monomial, c in polynomial.terms():
        outer = tuple(0 if at in inner else m for at, m in enumerate(monomial))
        groups[outer][tuple(m - n for m, n in zip(monomial, outer, strict=True))] = c
    if len(groups) == 1:
        return polynomial.as_expr()
    ring = polynomial.ring
    terms = (
        sympy.Mul(ring({outer: 1}).as_expr(), *_factors(ring.from_dict(part), 1))
        for outer, part in groups.items()
    )
    return sympy.Add(*terms)


def _summed(
    term: Any, index: str, power: str, rate: Any, count: Any, rate_count: Any, shift: int
) -> Any:
    """Σ term · rate^(shift n) over n < count; n is called `index`, rate^n `power`."""
    at_index, at_power = _NAMES.index(index), _NAMES.index(power)
    groups: dict[tuple[int, int], dict[tuple[int, ...], Any]] = defaultdict(dict)
    for monomial, c in term.numer.terms():
        rest = tuple(0 if at in (at_index, at_power) else m for at, m in enumerate(monomial))
        groups[monomial[at_index], monomial[at_power] + shift][rest] = c
    total = FIELD.zero
    for (degree, exponent), part in groups.items():
        weight = _powers(degree, rate**exponent, count, rate_count**exponent)
        total += FIELD(FIELD.ring.from_dict(part)) * weight
    return total / FIELD(term.denom)


def _powers(degree: int, x: Any, count: Any, x_count: Any) -> Any:
    """Σ n^degree x^n over n < count, for degree 0 or 1, where x^count is x_count."""
    if degree == 0:
        return count if x == 1 else (1 - x_count) / (1 - x)
    if x == 1:
        return count * (count - 1) / 2
    return (x * (1 - x_count) - count * x_count * (1 - x)) / (1 - x) ** 2


def _composed(term: Any, values: Mapping[str, FracElement]) -> Any:
    """The term with other elements in place of some generators."""
    gens = [values.get(name, gen) for name, gen in zip(_NAMES, FIELD.gens, strict=True)]

    def value(polynomial: Any) -> Any:
        total = FIELD.zero
        for monomial, c in polynomial.terms():
            product = FIELD.one * c
            for gen, m in zip(gens, monomial, strict=True):
                if m:
                    product *= gen**m
            total += product
        return total

    return value(term.numer) / value(term.denom)
