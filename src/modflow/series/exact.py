"""Floats as the numbers that people mean by them."""

from __future__ import annotations

import math
import numbers
from decimal import Decimal
from fractions import Fraction
from typing import Any

import sympy

from ..errors import NotABSeries

_DENOMINATORS = [10**digits for digits in range(7)]


def exact_number(value: Any) -> Any:
    """A float as the decimal number that it prints as (0.9 is 9/10); all else as it is.

    A NumPy float prints as few digits as its precision needs: float32(0.9) is 9/10, too.
    """
    if isinstance(value, sympy.Float):
        return Fraction(str(value))
    if isinstance(value, numbers.Rational):
        return Fraction(int(value.numerator), int(value.denominator))
    if isinstance(value, float):
        return Fraction(repr(float(value)))
    if isinstance(value, Decimal):
        return Fraction(value)
    if isinstance(value, numbers.Real) and not isinstance(value, sympy.Basic):
        return Fraction(str(value))
    return value


def exact_constant(value: Any) -> Any:
    """A constant in the code of an update rule, exactly.

    A float is the simplest fraction that rounds to it, with a denominator up to 10^6: whoever
    writes 1/6 in a rule means a sixth. Without one it is the decimal number that it prints as.

    >>> exact_constant(1 / 6), exact_constant(0.9)
    (Fraction(1, 6), Fraction(9, 10))

    Raises NotABSeries for what is no finite real number.
    """
    if isinstance(value, int | Fraction):
        return value
    if isinstance(value, numbers.Rational):
        return exact_number(value)
    if isinstance(value, numbers.Real) and not isinstance(value, sympy.Basic):
        number = float(value)
        kind: Any = type(value)  # NumPy's float32 rounds sooner
        if not math.isfinite(number):
            raise NotABSeries(f"an update rule multiplies by {number}")
        for largest in _DENOMINATORS:
            simple = Fraction(number).limit_denominator(largest)
            if kind(float(simple)) == value:
                return simple
        return exact_number(value)
    if isinstance(value, numbers.Complex) and not isinstance(value, sympy.Basic):
        raise NotABSeries(f"an update rule multiplies by {value}, which is not real")
    if isinstance(value, str | bytes | list | tuple | dict) or hasattr(value, "__array__"):
        raise NotABSeries(
            f"an update rule multiplies by {value!r}; the constants in it have to be plain numbers"
        )
    return value
