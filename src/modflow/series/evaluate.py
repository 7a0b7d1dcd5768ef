"""Elements of the coefficient ring at rational values of the parameters, still exactly."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from ..errors import ModflowError

if TYPE_CHECKING:
    from .closed_form import ClosedForm

Values = Mapping[str, Fraction]
Terms = dict[tuple[int, Fraction], Fraction]


def terms(element: ClosedForm, values: Values) -> tuple[Terms, dict[int, Fraction]]:
    """({(i, μ): c}, {k: correction}), which stands for Σ c k^i μ^k plus the corrections.

    Raises ModflowError where a parameter has no value or a denominator vanishes.
    """
    numerator, denominator = _at_point(element, values)
    rates = [field_value(rate, values) for rate in element.ring.rates]
    collected: Terms = {}
    for (power, *exponents), c in numerator.items():
        base = Fraction(1)
        for rate, e in zip(rates, exponents, strict=True):
            base *= rate**e
        key = (power, base)
        collected[key] = collected.get(key, Fraction(0)) + c / denominator
    tail = {i: field_value(c, values) for i, c in element._tail.items()}
    return {key: c for key, c in collected.items() if c != 0}, tail


def field_value(element: ClosedForm, values: Values) -> Fraction:
    """An element of the coefficient field; errors as for `terms`."""
    numerator, denominator = _at_point(element, values)
    return sum(numerator.values(), Fraction(0)) / denominator


def _at_point(
    element: ClosedForm, values: Values
) -> tuple[dict[tuple[int, ...], Fraction], Fraction]:
    """Numerator, as {exponents of k and the λ^k: c}, and denominator at these parameters."""
    ring = element.ring
    missing = [name for name in ring.parameters if name not in values]
    if missing:
        raise ModflowError(f"a number is needed for {', '.join(missing)}")
    point = [Fraction(values[name]) for name in ring.parameters]

    def reduce(polynomial: Any) -> dict[tuple[int, ...], Fraction]:
        found: dict[tuple[int, ...], Fraction] = {}
        for monomial, c in polynomial.to_dict().items():
            value = Fraction(int(c))
            for base, e in zip(point, monomial, strict=False):
                value *= base ** int(e)
            rest = tuple(int(e) for e in monomial[len(point) :])
            found[rest] = found.get(rest, Fraction(0)) + value
        return found

    denominator = Fraction(element.denominator)
    for i, e in element._exponents.items():
        denominator *= sum(reduce(ring._factors[i]).values(), Fraction(0)) ** e
    if denominator == 0:
        raise ModflowError(f"{element} has a pole at {dict(values)}")
    return reduce(element.numerator), denominator
