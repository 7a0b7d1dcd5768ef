"""Series over a `ClosedFormRing` as text, and back, exactly: for a cache.

Polynomials are lists of exponents with their coefficients, as flint has them; nothing is parsed
or brought into a normal form again, which would take as long as to derive it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import sympy

from .bseries import BSeries
from .closed_form import ClosedForm, ClosedFormRing
from .trees import Tree


def to_text(ring: ClosedFormRing, series: BSeries) -> str:
    """A series whose coefficients are elements of this ring."""
    return json.dumps(
        {
            "rates": [_element(rate) for rate in ring.rates],
            "factors": [_terms(factor) for factor in ring._factors],
            "order": series.order,
            "empty": _element(ring(series.empty)),
            "grade": series.grade,
            "coefficients": [
                [list(tree.level_sequence), _element(ring(c))] for tree, c in series.items()
            ],
        },
        separators=(",", ":"),
    )


def from_text(text: str, symbols: Sequence[sympy.Symbol]) -> tuple[ClosedFormRing, BSeries]:
    """The ring over these symbols, and the series."""
    stored = json.loads(text)
    ring = ClosedFormRing(symbols, _rates(stored, symbols))
    ring._factors[:] = [_polynomial(ring, terms) for terms in stored["factors"]]
    # Those that the ring has made itself may count its factors otherwise.
    ring.rates = tuple(_read(ring, rate) for rate in stored["rates"])
    ring._rate_powers.clear()
    coefficients = {
        Tree.from_level_sequence(levels): _read(ring, element)
        for levels, element in stored["coefficients"]
    }
    empty = _read(ring, stored["empty"])
    return ring, BSeries(coefficients, stored["order"], empty, stored["grade"])


def _rates(stored: dict[str, Any], symbols: Sequence[sympy.Symbol]) -> list[sympy.Expr]:
    """The decay rates, which a ring needs before there is one; they depend on its symbols alone.

    Not as text: a symbol may have any name, and SymPy reads `lambda` or `2` in its own way.
    """
    small, size = ClosedFormRing(symbols), len(symbols) + 1

    def cut(terms: list[Any]) -> list[Any]:
        return [[monomial[:size], c] for monomial, c in terms]

    small._factors[:] = [_polynomial(small, cut(terms)) for terms in stored["factors"]]
    return [
        small._element(
            _polynomial(small, cut(numerator)), int(denominator, 16), dict(exponents)
        ).to_sympy()
        for numerator, denominator, exponents, _ in stored["rates"]
    ]


def _element(element: ClosedForm) -> list[Any]:
    return [
        _terms(element.numerator),
        _number(element.denominator),
        [[i, e] for i, e in element._exponents.items()],
        [[i, _element(c)] for i, c in element._tail.items()],
    ]


def _read(ring: ClosedFormRing, stored: list[Any]) -> ClosedForm:
    numerator, denominator, exponents, tail = stored
    return ring._element(
        _polynomial(ring, numerator),
        int(denominator, 16),
        dict(exponents),
        {i: _read(ring, c) for i, c in tail},
    )


def _terms(polynomial: Any) -> list[Any]:
    return [
        [[int(e) for e in monomial], _number(c)] for monomial, c in polynomial.to_dict().items()
    ]


def _polynomial(ring: ClosedFormRing, terms: list[Any]) -> Any:
    return ring._context.from_dict({tuple(monomial): int(c, 16) for monomial, c in terms})


def _number(value: Any) -> str:
    """Hexadecimal: quick for long numbers, too, and without a limit to their digits."""
    return hex(int(value))
