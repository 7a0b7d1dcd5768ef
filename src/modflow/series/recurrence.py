"""Linear recurrences m_{k+1} = λ m_k + r_k in the coefficient ring, solved exactly."""

from __future__ import annotations

from fractions import Fraction
from math import comb
from typing import TYPE_CHECKING

from ..errors import ModflowError

if TYPE_CHECKING:
    from .closed_form import ClosedForm, ClosedFormRing


def solve(
    ring: ClosedFormRing, rate: ClosedForm, forcing: ClosedForm, start: ClosedForm
) -> ClosedForm:
    """The m with m_{k+1} = rate · m_k + forcing_k and m_0 = start, exactly.

    By undetermined coefficients, for each product of the λ_i^k apart; where it equals
    rate^k (resonance) a factor k appears. The result is substituted back: both the
    recurrence and the start hold identically, or ArithmeticError is raised.
    """
    if not (rate.is_constant and start.is_constant):
        raise ModflowError("the rate and the start of a recurrence cannot depend on k")
    homogeneous = None if rate == 0 else _rate_to_the_k(ring, rate)
    solution = ring(0)
    for exponents, coefficients in forcing.by_exponential():
        scale = ring.rate_power(exponents)
        polynomial = _undetermined(ring, rate, scale, coefficients)
        solution = solution + polynomial * ring.monomial(exponents)
    # What an isolated forcing c at k = i leaves behind: rate^(k-1-i) c for every k > i.
    for i, c in forcing._tail.items():
        if homogeneous is None:
            solution = solution + ring.at_only(i + 1, c)
            continue
        inverse = rate.inverse()
        solution = solution + homogeneous * c * inverse ** (i + 1)
        for j in range(i + 1):
            solution = solution - ring.at_only(j, c * inverse ** (i + 1 - j))
    missing = start - solution.at(0)
    if missing != 0:
        spread = ring.at_only(0, missing) if homogeneous is None else missing * homogeneous
        solution = solution + spread
    solution = solution.reduced()
    if solution.shift() != rate * solution + forcing or solution.at(0) != start:
        raise ArithmeticError("a recurrence's solution failed when substituted back")
    return solution


def _rate_to_the_k(ring: ClosedFormRing, rate: ClosedForm) -> ClosedForm:
    if rate == 1:
        return ring(1)
    for i, known in enumerate(ring.rates):
        if known == rate:
            return ring.power(i)
    raise ModflowError(f"({rate})^k is not in {ring}")


def _undetermined(
    ring: ClosedFormRing, rate: ClosedForm, scale: ClosedForm, forcing: list[ClosedForm]
) -> ClosedForm:
    """The polynomial p with scale · p(k+1) - rate · p(k) = Σ forcing[i] k^i."""
    resonant = scale == rate
    divisor = scale if resonant else scale - rate
    inverse = divisor.inverse()
    shift = 1 if resonant else 0
    p: dict[int, ClosedForm] = {}
    for i in reversed(range(len(forcing))):
        known = ring(0)
        for j, c in p.items():
            if j > i + shift:
                known = known + comb(j, i) * c
        value = (forcing[i] - scale * known) * inverse
        p[i + shift] = (value * Fraction(1, i + 1) if resonant else value).reduced()
    result = ring(0)
    for i, c in p.items():
        result = result + c * ring.k**i
    return result
