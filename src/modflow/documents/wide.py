"""Formulas that are too wide for a line: opened into sums, with names for long polynomials."""

from __future__ import annotations

from typing import Any

import sympy

from ..series import K
from .document import Document
from .rules import Earlier, Identity, Modulo, Proved, Rule
from .typeset import WIDE, typeset, width

_ROOM = 0.8 * WIDE
"""Letters of a right side, beside a left side and the note on how it was checked."""
_FACTOR = 0.5 * WIDE
"""Letters of a polynomial that stays where it is."""
_TERM = 0.9 * WIDE
"""Letters of a term."""


class Wide:
    """Shows equations of any width in one document, where the same polynomial has one name."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._names: dict[Any, Any] = {}

    def equation(self, left: Any, value: Any, by: Rule | None = None) -> None:
        """`left` = `value`; a wide fraction as its denominator times `left`, equal to a sum."""
        rule = by or Identity()
        if width(typeset(value)) <= _ROOM:
            self._document.equation(left, value, by=rule)
            return
        top, bottom = sympy.fraction(value)
        named = [self._narrow(term) for term in _opened(top)]
        bottom = self._narrow(_factored(bottom))
        scaled = _Scaled(rule, 1 / bottom)
        self._document.equation(bottom * left, sympy.Add(*named), by=scaled)

    def _narrow(self, term: Any) -> Any:
        """The same with names for its long polynomials, each defined at its first use."""
        factors = list(sympy.Mul.make_args(term))
        for long in sorted(factors, key=lambda f: -width(typeset(f))):
            base, power = long.as_base_exp()
            short = width(typeset(base)) <= _FACTOR
            if short and width(typeset(sympy.Mul(*factors))) <= _TERM:
                break
            if base.is_Add and len(base.args) > 2:
                factors[factors.index(long)] = self._name(base) ** power
        return sympy.Mul(*factors)

    def _name(self, polynomial: Any) -> Any:
        if not self._names:
            self._document.text("Here and below, long polynomials have names.")
        if polynomial not in self._names:
            tex = f"p_{{{len(self._names) + 1}}}"
            self._names[polynomial] = self._document.define(tex, polynomial)
        return self._names[polynomial]


def _opened(value: Any) -> list[Any]:
    """A sum over powers of k, numbers to the k and [k = i], with factored coefficients."""
    bases: dict[Any, Any] = {}

    def power(base: Any, exponent: Any) -> Any:
        rate, shift = sympy.Poly(exponent, K).all_coeffs()
        return base**shift * bases.setdefault(base, sympy.Dummy()) ** rate

    flat = value.replace(lambda e: e.is_Pow and e.exp.has(K), lambda e: power(*e.as_base_exp()))
    deltas = {delta: sympy.Dummy() for delta in flat.atoms(sympy.KroneckerDelta)}
    flat = flat.xreplace(deltas)
    found = []
    for (n, *rates), factor in sympy.Poly(flat, K, *bases.values(), *deltas.values()).terms():
        grown = [base ** (rate * K) for base, rate in zip(bases, rates, strict=False)]
        starts = [d**i for d, i in zip(deltas, rates[len(bases) :], strict=True)]
        found.append(sympy.Mul(_factored(factor), K**n, *grown, *starts))
    return found


def _factored(polynomial: Any) -> Any:
    """Factors whose terms of lowest degree are positive: 1 - β, not β - 1."""
    number, factors = sympy.factor_list(polynomial)
    found = []
    for factor, power in factors:
        symbols = sorted(factor.free_symbols, key=str)
        lowest = sympy.Poly(factor, *symbols).terms()[-1][1] if symbols else factor
        sign = -1 if lowest.is_negative else 1
        number *= sympy.Integer(sign) ** power
        found.append(sympy.expand(sign * factor) ** power)
    return sympy.Mul(number, *found)


class _Scaled(Rule):
    """Another rule, for both sides times a factor."""

    def __init__(self, rule: Rule, factor: Any) -> None:
        self._rule, self._factor = rule, factor

    def prove(self, left: Any, right: Any, modulo: Modulo, earlier: Earlier) -> Proved:
        """See `Rule`."""
        return self._rule.prove(left * self._factor, right * self._factor, modulo, earlier)
