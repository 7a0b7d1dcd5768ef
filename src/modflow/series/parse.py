"""SymPy expressions in k and the parameters as elements of the coefficient ring."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sympy

from ..errors import ModflowError
from .exact import exact_number

if TYPE_CHECKING:
    from .closed_form import ClosedForm, ClosedFormRing


def from_sympy(ring: ClosedFormRing, expr: Any) -> ClosedForm:
    """The ring's element for a SymPy expression; ModflowError where there is none."""
    if expr.is_Rational or expr.is_Float:
        return ring(exact_number(expr))
    if expr.is_Symbol:
        if expr.name == "k":
            return ring.k
        if expr.name in ring.parameters:
            return ring.parameter(expr.name)
    elif expr.is_Add or expr.is_Mul:
        total = ring(0 if expr.is_Add else 1)
        for arg in expr.args:
            part = from_sympy(ring, arg)
            total = total + part if expr.is_Add else total * part
        return total
    elif expr.is_Pow:
        base, exponent = expr.args
        if exponent.is_Integer:
            element = from_sympy(ring, base)
            if exponent < 0 and element == 0:
                raise ModflowError(f"{expr} divides by zero")
            return element ** int(exponent)
        found = _exponential(ring, base, sympy.expand(exponent))
        if found is not None:
            return found
    elif isinstance(expr, sympy.KroneckerDelta):
        index = next((i for i in expr.args if i.is_Integer), None)
        if index is not None and any(_is_k(i) for i in expr.args):
            return ring.at_only(int(index), ring(1)) if index >= 0 else ring(0)
    raise ModflowError(f"{expr} is not in {ring}")


def _exponential(ring: ClosedFormRing, base: Any, exponent: Any) -> ClosedForm | None:
    """base^(a k + b) with integers a, b and base a decay rate, or a power of one."""
    k = next((s for s in exponent.free_symbols if _is_k(s)), None)
    if k is None or exponent.free_symbols != {k}:
        return None
    a, b = exponent.coeff(k, 1), exponent.coeff(k, 0)
    if not (a.is_Integer and b.is_Integer and (exponent - a * k - b).is_zero):
        return None
    scale, a, b = from_sympy(ring, base), int(a), int(b)
    if scale == 1:
        return ring(1)
    if scale == 0 or not scale.is_constant:
        return None
    if a < 0:  # SymPy writes (1/2)^k also as 2^(-k)
        scale, a, b = scale.inverse(), -a, -b
    for m, n in ((1, a), (a, 1)):
        exponents = ring.exponents_of(scale**m, 16)
        if exponents is not None:
            return ring.monomial(tuple(e * n for e in exponents)) * scale**b
    return None


def _is_k(symbol: Any) -> bool:
    return bool(symbol.is_Symbol and symbol.name == "k")
