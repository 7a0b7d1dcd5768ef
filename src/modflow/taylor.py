"""Flows by Taylor series in many digits, with bounds for what is left out.

Time is counted in steps: s = (t - t_k)/h. The series y(s) = Σ c_r s^r of y' = h F_k(y) comes
coefficient by coefficient, c_{r+1} = [h F_k(c_0 + ... + c_r s^r)]_r / (r+1). How many terms are
taken and how far they carry follows from the size of the last ones, after À. Jorba & M. Zou, *A
software package for the numerical integration of ODEs by means of high-order Taylor methods*
(Experimental Mathematics 14, 2005).

Beside y goes the leading error e of the flow, e' = h DF_k(y) e + h G_k(y), and a bound for the
error of the integration. Along a solution an error grows at most by exp ∫ μ(h DF_k(y)) ds, with μ
the logarithmic norm, the largest eigenvalue of the symmetric part (Hairer, Nørsett & Wanner,
*Solving Ordinary Differential Equations I*, theorem I.10.6): the bound starts from 0, takes the
size of the terms left out at every step, and grows at that rate.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import flint
import numpy as np
from jaxtyping import Float

from .balls import ball, length
from .fields import PiecewiseField

_E_ACCURACY = math.log2(1e-7)
"""Of e, for each series and relative: what e predicts is never as good as that."""
_MANY_TERMS, _MOST_TERMS, _TERMS_OF_E = 16, 1200, 12
_FAR = 2.0**53
"""As many steps as there are: nothing moves."""
_SMALLEST_PART = Fraction(1, 1 << 24)


class Explosion(Exception):
    """The flow has no solution over the step: it leaves all bounds."""


@dataclass(frozen=True)
class FlowState:
    """The flow at one time, its leading error, and bounds for the errors made so far."""

    y: list[Any]
    e: Float[np.ndarray, " n"]
    integrator: float = 0.0
    """Bound for what the terms left out have done to y."""
    rounding: float = 0.0
    """Bound for what rounding has done to y."""


class TaylorFlow:
    """Integrates y' = h F_k(y) over steps k, k+1, ..., and e' = h DF_k(y) e + h G_k(y) with it.

    `field` is h F, `defect` h G or None. Derivatives of F are difference quotients, whose step
    takes half of the bits and leaves the other half to the result. Of y there are at least
    `fewest` terms: with two more than the order of the flow, what is left out is of higher order
    than what is measured, even where terms vanish at the point and small ones mean nothing.
    """

    def __init__(
        self, field: PiecewiseField, defect: PiecewiseField | None, bits: int, fewest: int
    ) -> None:
        self._field, self._defect, self._fewest = field, defect, fewest
        self._difference = flint.arb(2) ** (-bits // 2)

    def advance(self, k: int, state: FlowState, most: int, tolerance: float) -> list[FlowState]:
        """The states at the ends of the steps k, k+1, ..., at least one and at most `most`.

        `tolerance` is the base-2 logarithm of the error that a step may make. Where the field
        changes no more, one series may serve many steps. Raises Explosion where the flow ends.
        """
        fields = [field for field in (self._field, self._defect) if field is not None]
        for field in fields:
            field.go_to(k)
        autonomous = all(field.coefficients.is_settled(k) for field in fields)
        position = Fraction(0)
        while True:
            series = _Expansion(self._field, state.y, tolerance, self._fewest, short=not autonomous)
            reach = series.reach(tolerance)
            many = autonomous and position == 0 and reach >= 1
            reach = min(reach, most if many else float(1 - position))
            error, reach = self._error_series(series, state.e, reach)
            if many and reach >= 1:
                ends = [Fraction(i) for i in range(1, int(reach) + 1)]
                return self._continued(series, error, state, ends)
            part = _binary_floor(reach, 1 - position)
            (state,) = self._continued(series, error, state, [part])
            position += part
            if position == 1:
                return [state]

    def _continued(
        self, series: _Expansion, error: Any, state: FlowState, ends: Sequence[Fraction]
    ) -> list[FlowState]:
        """The states at times `ends` after this one, by one series."""
        last = ends[-1]
        at = [Fraction(0), last / 2, last] if last > 1 else [Fraction(0)]
        rate = max(self._logarithmic_norm(series.at(s)) for s in at)
        found = []
        for end in ends:
            s = float(end)
            growth = math.exp(min(700.0, s * rate))
            found.append(
                FlowState(
                    series.at(end),
                    _value(error, s),
                    growth * state.integrator + max(1.0, growth) * series.left_out(s),
                    growth * state.rounding + max(1.0, growth) * series.rounding(s),
                )
            )
        return found

    def _error_series(
        self, series: _Expansion, start: Float[np.ndarray, " n"], reach: float
    ) -> tuple[Float[np.ndarray, "length n"], float]:
        """e as a series in s, and how far it carries, at most `reach`.

        Each term follows from the terms of y and e before it. Where the flow is stiff, e may have
        a fast part that y has lost, and its series then carries less far.
        """
        e, sizes = [start], [_log2_norm(start)]
        if self._defect is None or math.isnan(sizes[0]):
            return np.array(e), reach
        moved, defect = self._field.along(), self._defect.along()
        for r in range(max(series.order, _TERMS_OF_E)):
            if r == series.order:
                series.grow()
            terms = [y[r] for y in series.terms]
            source = np.array([float(c) for c in defect.extend(terms)])
            if r == 0:
                # e is of the size of the error over h^p, which may be huge.
                step = self._difference / max(1e-300, *np.abs(start), *np.abs(source))
            away = moved.extend([y + step * float(c) for y, c in zip(terms, e[r], strict=True)])
            here = [y[r + 1] * (r + 1) for y in series.terms]
            e.append((_quotient(away, here, step) + source) / (r + 1))
            sizes.append(_log2_norm(e[-1]))
            if math.isnan(sizes[-1]):
                return np.array([np.full(len(start), math.inf)]), reach
            carries = _carrying(sizes)
            if r >= 3 and carries >= reach:
                return np.array(e), reach
        return np.array(e), min(reach, carries)

    def _logarithmic_norm(self, point: Sequence[Any]) -> float:
        """μ(h DF) at a point."""
        step = self._difference
        here = self._field.along().extend(point)
        rows = []
        for j in range(len(point)):
            moved = [y + step if i == j else y for i, y in enumerate(point)]
            rows.append(_quotient(self._field.along().extend(moved), here, step))
        matrix = np.array(rows)
        if not np.all(np.isfinite(matrix)):
            return math.inf
        return float(np.linalg.eigvalsh((matrix + matrix.T) / 2)[-1])


class _Expansion:
    """The Taylor series of the flow from one point.

    It has Jorba & Zou's number of terms, minus half of the logarithm of the relative tolerance;
    a `short` one ends as soon as it carries over a whole step. Both have the `fewest`.
    """

    def __init__(
        self,
        field: PiecewiseField,
        start: Sequence[Any],
        tolerance: float,
        fewest: int,
        *,
        short: bool,
    ) -> None:
        self.terms: list[list[Any]] = [[c] for c in start]
        self._sizes, self._radii = [_log2_size(start)], [0.0]
        self._along = field.along()
        self.grow()
        needed = math.log(2) / 2 * (max(self._sizes) - tolerance)
        longest = max(fewest if short else _MANY_TERMS, min(needed, _MOST_TERMS))
        while self.order < longest:
            self.grow()
            if short and self.order >= fewest and self.reach(tolerance) >= 1:
                break

    @property
    def order(self) -> int:
        """The power of s in the last term."""
        return len(self._sizes) - 1

    def grow(self) -> None:
        """Append a term; raises Explosion where it is not finite."""
        r = len(self._sizes)
        # Only the middle is kept, and the radius is booked as rounding: as a ball, each error
        # would be taken for one independent of all others, and grow without limit.
        new = [value / r for value in self._along.extend([known[-1] for known in self.terms])]
        for known, term in zip(self.terms, new, strict=True):
            known.append(term.mid())
        self._sizes.append(_log2_size(new))
        self._radii.append(length(term.rad() for term in new))
        if math.isnan(self._sizes[-1]):
            raise Explosion

    def at(self, s: Fraction) -> list[Any]:
        """y(s)."""
        exact = ball(s)
        return [flint.arb_poly(known)(exact).mid() for known in self.terms]

    def reach(self, tolerance: float) -> float:
        """How far the terms left out are within the tolerance; at most half of the radius."""
        first, radius, n = self._sizes[1], self._radius(), self.order
        if radius == math.inf:
            return _FAR
        logs = [(tolerance - first + (r - 1) * radius) / r for r in (n - 1, n)]
        return 2.0 ** max(-1000.0, min(53.0, radius - 1, *logs))

    def left_out(self, s: float) -> float:
        """The last two terms at s: up to half of the radius they bound all others."""
        first, radius, n = self._sizes[1], self._radius(), self.order
        if radius == math.inf:
            return 0.0
        return sum(_at(first - (r - 1) * radius, s, r) for r in (n - 1, n))

    def _radius(self) -> float:
        return _log2_radius(self._sizes[1], self._sizes[1:])

    def rounding(self, s: float) -> float:
        """The radii of all terms at s."""
        return sum(_at(math.log2(c), s, r) for r, c in enumerate(self._radii) if c)


def _at(size: float, s: float, r: int) -> float:
    """2^size s^r, which may be beyond all floats."""
    return 2.0 ** min(1000.0, size + r * math.log2(s))


def _quotient(a: Sequence[Any], b: Sequence[Any], step: Any) -> Float[np.ndarray, " n"]:
    return np.array([float((u - v) / step) for u, v in zip(a, b, strict=True)])


def _value(terms: Float[np.ndarray, "length n"], s: float) -> Float[np.ndarray, " n"]:
    """Σ terms[r] s^r."""
    result = terms[-1]
    for term in terms[-2::-1]:
        result = result * s + term
    return result


def _binary_floor(reach: float, remaining: Fraction) -> Fraction:
    """The part of a step to take: a power of two, or all that remains."""
    if reach >= remaining:
        return remaining
    part = Fraction(2) ** math.floor(math.log2(reach))
    if part < _SMALLEST_PART:
        raise Explosion
    return part


def _carrying(sizes: Sequence[float]) -> float:
    """How far the terms of e left out are small beside e, or beside the first change of it."""
    reference = max(sizes[:2]) if max(sizes[:2]) > -math.inf else max(sizes)
    radius = _log2_radius(reference, sizes)
    if radius == math.inf:
        return _FAR
    return 2.0 ** max(-1000.0, min(53.0, radius + _E_ACCURACY / max(1, len(sizes) - 2)))


def _log2_radius(reference: float, sizes: Sequence[float]) -> float:
    """log2 of the ρ for which term r is at most ρ^-r times the reference, by the upper half of the
    terms: single ones may vanish by chance, and regularly at special points."""
    n = len(sizes)
    logs = [(reference - sizes[r]) / r for r in range(max(1, n // 2), n) if sizes[r] > -math.inf]
    return min(logs, default=math.inf)


def _log2_norm(values: Float[np.ndarray, " n"]) -> float:
    """log2 of the largest modulus; NaN where one is not finite."""
    size = float(np.max(np.abs(values)))
    return math.nan if not math.isfinite(size) else math.log2(size) if size else -math.inf


def _log2_size(values: Sequence[Any]) -> float:
    """log2 of the largest modulus; NaN where one is not finite."""
    found = -math.inf
    for value in values:
        if not value.is_finite():
            return math.nan
        middle = value.mid()
        size = abs(float(middle))
        if 1e-300 < size < 1e300:
            found = max(found, math.log2(size))
        elif middle != 0:
            mantissa, exponent = middle.man_exp()
            found = max(found, int(abs(mantissa)).bit_length() + int(exponent))
    return found
