"""How elements of the coefficient ring are written as SymPy expressions."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import sympy

from .symbols import K

if TYPE_CHECKING:
    from .closed_form import ClosedForm, ClosedFormRing


def to_sympy(element: ClosedForm) -> sympy.Expr:
    """One fraction with a factored denominator, sorted by the powers λ^k.

    The factor β^s that stands beside β^(jk) is taken into the exponent: β^(jk+s), as one
    writes it by hand.
    """
    ring = element.ring
    element = element.reduced()
    total = sympy.Integer(0)
    if not element.numerator.is_zero():
        # One flat product: SymPy would distribute a number over a sum in a product of two.
        factors = _numerator(element)
        factors.append(sympy.Rational(1, element.denominator))
        factors += [
            _polynomial(ring, ring._factors[i]) ** -e for i, e in element._exponents.items()
        ]
        total = sympy.Mul(*factors)
    for i, c in sorted(element._tail.items()):
        total += sympy.KroneckerDelta(K, i) * c.to_sympy()
    return total


def _numerator(element: ClosedForm) -> list[sympy.Expr]:
    """Factors common to all powers λ^k in front, then the sum over those powers."""
    ring = element.ring
    at = ring._k_index
    groups: dict[tuple[int, ...], dict[tuple[int, ...], Any]] = {}
    for monomial, c in element.numerator.to_dict().items():
        monomial = tuple(int(e) for e in monomial)
        plain = monomial[: at + 1] + (0,) * (len(monomial) - at - 1)
        groups.setdefault(monomial[at + 1 :], {})[plain] = c
    parts = {e: ring._context.from_dict(terms) for e, terms in groups.items()}
    if len(parts) == 1:
        ((exponents, part),) = parts.items()
        return _with_power(ring, exponents, part)
    common = ring._context.constant(0)
    for part in parts.values():
        common = common.gcd(part)
    terms = [_with_power(ring, e, part / common) for e, part in sorted(parts.items())]
    front = _factored(ring, common)
    # The term free of λ^k leads, and its lowest-degree coefficient is positive: 1 - β^k.
    sign = _sign(parts[min(parts)] / common)
    body = sympy.Add(*(sympy.Mul(sign, *factors) for factors in terms))
    if sign < 0:
        front.append(sympy.Integer(-1))
    return [*front, body]


def _sign(polynomial: Any) -> int:
    terms = polynomial.to_dict()
    return -1 if terms[min(terms, key=sum)] < 0 else 1


def _with_power(ring: ClosedFormRing, exponents: tuple[int, ...], part: Any) -> list[sympy.Expr]:
    """The factors of part · Π λ_i^(k e_i), with the λ_i that divide `part` in the exponent."""
    powers = []
    for i, e in enumerate(exponents):
        if e == 0:
            continue
        base, shift = ring.rates[i], 0
        plain = base.denominator == 1 and not base._exponents
        if plain and base.numerator in ring._generators:
            while True:
                quotient, rest = divmod(part, base.numerator)
                if not rest.is_zero():
                    break
                part, shift = quotient, shift + 1
        powers.append(base.to_sympy() ** (e * K + shift))
    return _factored(ring, part) + powers


def _factored(ring: ClosedFormRing, polynomial: Any) -> list[sympy.Expr]:
    content, factors = ring._factored(polynomial)
    return [
        sympy.Integer(content),
        *(_polynomial(ring, ring._factors[i]) ** e for i, e in factors.items()),
    ]


def _polynomial(ring: ClosedFormRing, polynomial: Any) -> sympy.Expr:
    """An integer polynomial in the parameters, k and the λ^k, expanded."""
    plain = [*ring.symbols, K]

    def power(i: int, e: int) -> sympy.Expr:
        base = plain[i] if i < len(plain) else ring.rates[i - len(plain)].to_sympy() ** K
        return base**e

    return sympy.Add(
        *(
            sympy.Mul(int(c), *(power(i, int(e)) for i, e in enumerate(monomial) if e))
            for monomial, c in polynomial.to_dict().items()
        )
    )


def latex_sum(terms: Iterable[tuple[sympy.Expr, int, str]]) -> str:
    r"""TeX for Σ coefficient · h^power · symbol, signs pulled out and zeros left out."""
    shown = ""
    for coefficient, power, symbol in terms:
        if coefficient == 0:
            continue
        minus = coefficient.could_extract_minus_sign()
        c = -coefficient if minus else coefficient
        body = sympy.latex(c)
        factors = ["" if c == 1 else rf"\left({body}\right)" if c.is_Add else body]
        factors += [{0: "", 1: "h"}.get(power, f"h^{{{power}}}"), symbol]
        sign = ("-" if minus else "+") if shown or minus else ""
        separator = r"\,"
        shown += f" {sign} {separator.join(filter(None, factors))}"
    return " ".join(shown.split()) or "0"


def with_floats(expr: sympy.Expr) -> sympy.Expr:
    """Non-integer rationals as floats; integers, exponents among them, stay."""
    fractions = [r for r in expr.atoms(sympy.Rational) if not r.is_Integer]
    return expr.xreplace({r: sympy.Float(r, 15) for r in fractions})
