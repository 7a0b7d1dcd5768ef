"""Linear stability: which step sizes keep the iterates of a method on a quadratic bounded.

On E(x) = λx²/2 one step is linear in x and the memory, and its matrix depends on z = hλ alone.
The iterates stay bounded just if no eigenvalue of it lies outside the unit circle and those on
the circle are semisimple. Everything symbolic here is exact:

* An eigenvalue on the circle is one of q and of q*, the polynomial with the coefficients of q in
  reverse, for an irreducible factor q of the characteristic polynomial. So stability changes
  only where their resultant vanishes or, if q = ±q*, where two eigenvalues meet: at roots of the
  discriminant of q.
* Between two neighbours of these z, one rational z decides, by the test of Schur and Cohn
  (E. I. Jury, *Theory and Application of the z-Transform Method*, 1964, chapter 3).
* With symbols for parameters, the bound found for some numbers holds for all if no other factor of
  the resultants vanishes below it. That is proved by writing the factor as a polynomial in
  variables that run through [0, ∞) and finding that all of its coefficients have one sign.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import fields
from fractions import Fraction
from typing import Any

import numpy as np
import sympy

from .companion import ROOT, Z, characteristic, companion_matrix
from .errors import ModflowError
from .methods import Method
from .rule import symbols_of
from .series.exact import exact_number
from .series.render import with_floats


def is_stable(method: Method, z: Any) -> bool:
    """Whether the iterates stay bounded at z = hλ, from every start; exactly.

    `z` and the parameters are numbers; floats stand for the decimal numbers that they print as.

    >>> from modflow.methods import HeavyBall
    >>> [is_stable(HeavyBall(0.9), z) for z in (0, 3.8, 3.81, -0.01)]
    [True, True, False, False]

    Raises ModflowError as `companion_matrix`, for symbols, for numbers that are not rational,
    and at a pole of an implicit method.
    """
    matrix = companion_matrix(method)
    try:
        value = sympy.sympify(exact_number(z), strict=True)
    except (sympy.SympifyError, TypeError, ValueError):
        value = sympy.nan
    found = matrix.subs(Z, value)
    if not all(entry.is_Rational for entry in found):
        raise ModflowError(
            f"whether {method.label} is bounded needs rational numbers for z and its parameters, "
            f"away from its poles; got z = {z!r}"
        )
    return _power_bounded(found)


def stability_bound(method: Method) -> sympy.Expr:
    """The largest b such that the iterates stay bounded for all 0 < hλ < b.

    An expression in the parameters, ∞ where no step is too large. At single points inside, where
    two eigenvalues meet on the unit circle, iterates may grow like k; what happens at b itself,
    `is_stable` tells. With symbols, the bound holds in the whole range of each.

    >>> from modflow.methods import GradientDescent, HeavyBall, Nesterov
    >>> [stability_bound(rule) for rule in (GradientDescent(), HeavyBall(), Nesterov())]
    [2, 2*(beta + 1), 2*(beta + 1)/(2*beta + 1)]

    Raises ModflowError as `companion_matrix`, and where no one formula could be proved for the
    whole range of the parameters: give numbers then.
    """
    polynomial = characteristic(companion_matrix(method))
    exact = method.exact()
    symbols = symbols_of(exact)
    bound = _bound_with_symbols(exact, polynomial, symbols) if symbols else _bound(exact)
    return with_floats(bound) if method.is_inexact else bound


def _bound(method: Method) -> sympy.Expr:
    """The bound of a method whose parameters are rational numbers."""
    matrix = companion_matrix(method)
    if not all(_is_rational(entry) for entry in matrix):
        raise ModflowError(f"the stability bound of {method.label} needs rational parameters")
    crossings = _crossings(characteristic(matrix))
    places = sorted({r for f in crossings if f.has(Z) for r in _positive_roots(f)}, key=float)
    edges = [sympy.Integer(0), *places]
    for left, right in zip(edges, [*places, None], strict=True):
        there = matrix.subs(Z, _between(left, right))
        # At a pole of an implicit method, and so beside it, the iterates are not bounded.
        if not (all(entry.is_Rational for entry in there) and _power_bounded(there)):
            return left
    return sympy.oo


def _is_rational(entry: sympy.Expr) -> bool:
    """Whether it is in Q(z)."""
    parts = sympy.fraction(entry)
    return all(
        p.is_polynomial(Z) and sympy.Poly(p, Z).domain in (sympy.ZZ, sympy.QQ) for p in parts
    )


def _positive_roots(factor: sympy.Expr) -> list[sympy.Expr]:
    return [root for root in sympy.Poly(factor, Z).real_roots(multiple=True) if root > 0]


def _between(left: sympy.Expr, right: sympy.Expr | None) -> sympy.Rational:
    """A rational number strictly between two real algebraic ones."""
    if right is None:
        return sympy.floor(left) + 1
    digits = 15
    while True:
        middle = sympy.Rational(str(((left + right) / 2).evalf(digits)))
        if left < middle < right:
            return middle
        digits *= 2


def _crossings(polynomial: sympy.Expr) -> list[sympy.Expr]:
    """Irreducible polynomials in z and the parameters, without z itself and without numbers.

    One of them vanishes wherever stability can change.
    """
    found: dict[sympy.Expr, None] = {}
    for factor in _factors(polynomial):
        q = sympy.Poly(factor, ROOT)
        if not factor.has(ROOT):
            continue
        mirrored = sympy.Poly(q.all_coeffs()[::-1], ROOT)
        alike = any((q - sign * mirrored).is_zero for sign in (1, -1))
        where = q.discriminant() if alike else q.resultant(mirrored)
        found |= dict.fromkeys(f for f in _factors(sympy.expand(where)) if f != Z)
    return list(found)


def _factors(polynomial: sympy.Expr) -> list[sympy.Expr]:
    """The irreducible factors of the numerator, each once."""
    numerator = sympy.fraction(sympy.cancel(polynomial))[0]
    return [factor for factor, _ in sympy.factor_list(numerator)[1]]


def _power_bounded(matrix: sympy.Matrix) -> bool:
    """Whether all powers of a matrix of rational numbers are bounded; exactly.

    An irreducible q has roots on the unit circle only if q = ±q*: for t on it, 1/t is the complex
    conjugate of t, and so a root of q as well.
    """
    size = matrix.rows
    for factor, times in sympy.factor_list(characteristic(matrix), ROOT)[1]:
        q = sympy.Poly(factor, ROOT)
        coefficients = q.all_coeffs()
        if coefficients in (coefficients[::-1], [-c for c in coefficients[::-1]]):
            # Roots come in pairs t, 1/t: all are on the circle, or one is outside.
            if not _on_the_circle(q):
                return False
            if times > 1:
                powers: sympy.Matrix = sympy.zeros(size)
                for c in coefficients:
                    powers = powers * matrix + c * sympy.eye(size)
                if powers.rank() != size - times * q.degree():
                    return False
        elif not _inside_the_circle([Fraction(int(c.p), int(c.q)) for c in coefficients]):
            return False
    return True


def _inside_the_circle(c: list[Fraction]) -> bool:
    """Whether all roots of c[0] t^n + ... + c[n] have |t| < 1, by Schur's and Cohn's reduction."""
    while len(c) > 1:
        if abs(c[-1]) >= abs(c[0]):
            return False
        c = [c[0] * a - c[-1] * b for a, b in zip(c[:-1], c[:0:-1], strict=True)]
    return True


def _on_the_circle(q: sympy.Poly) -> bool:
    """Whether all roots of an irreducible q = ±q* have |t| = 1."""
    if q.degree() == 1:
        return True
    # An irreducible q = -q* would have the root 1, so q = q* and its degree is even: it is
    # t^m s(t + 1/t), with roots on the circle for roots of s in [-2, 2].
    half, rest, s = q.degree() // 2, q, sympy.Poly(0, ROOT)
    for power in range(half, -1, -1):
        lead = rest.coeff_monomial(ROOT ** (half + power))
        s += sympy.Poly(lead * ROOT**power, ROOT)
        rest -= sympy.Poly(lead * ROOT ** (half - power) * (ROOT**2 + 1) ** power, ROOT)
    return bool(s.count_roots(-2, 2) == half)


# -- parameters that are symbols ---------------------------------------------------------------


def _bound_with_symbols(
    method: Method, polynomial: sympy.Expr, symbols: Sequence[sympy.Symbol]
) -> sympy.Expr:
    """One formula for the whole range of the parameters, proved; ModflowError without one."""
    ranges = {symbol: _range(method, symbol) for symbol in symbols}
    # Variables from 0 to ∞ in place of the parameters, and of z below the bound.
    ratios = {symbol: sympy.Dummy(str(symbol)) for symbol in symbols}
    place = {symbol: from_ratio(ratios[symbol], *ranges[symbol]) for symbol in symbols}
    inside = {symbol: value.subs(ratios[symbol], 1) for symbol, value in place.items()}
    crossings = _crossings(polynomial)
    at_sample = _bound(method.map(lambda leaf: sympy.sympify(leaf).subs(inside)))
    bound, others = at_sample, crossings
    if at_sample is not sympy.oo:
        hits = [f for f in crossings if f.subs(inside).subs(Z, at_sample).expand() == 0]
        if at_sample == 0 or len(hits) != 1 or sympy.degree(hits[0], Z) != 1:
            raise _undecided(method)
        slope, constant = sympy.Poly(hits[0], Z).all_coeffs()
        bound = with_positive_parts(-constant / slope, inside)
        others = [f for f in crossings if f is not hits[0]]
        if not has_one_sign(bound.subs(place), list(ratios.values())):
            raise _undecided(method)
    u = sympy.Dummy("u")
    finite = bound is not sympy.oo
    for factor in others:
        value = factor.subs(Z, bound * u / (1 + u) if finite else u).subs(place)
        # Up to the bound and, if there is one, at it: the other factors must not vanish.
        if not has_one_sign(value, list(ratios.values()), u, closed=finite):
            raise _undecided(method)
    return bound


def with_positive_parts(ratio: sympy.Expr, sample: dict[sympy.Symbol, sympy.Expr]) -> sympy.Expr:
    """The same fraction in factors that are positive at the sample, as far as it is."""
    number, product = sympy.Integer(1), sympy.Integer(1)
    for part, side in zip(sympy.fraction(sympy.cancel(ratio)), (1, -1), strict=True):
        content, factors = sympy.factor_list(part)
        number *= content**side
        for factor, power in factors:
            sign = -1 if factor.subs(sample) < 0 else 1
            number *= sign**power
            product *= sympy.expand(sign * factor) ** (side * power)
    if number == 1 or not product.is_Add:
        return number * product
    return sympy.Mul(number, product, evaluate=False)  # SymPy would expand 2 (beta + 1)


def _undecided(method: Method) -> ModflowError:
    return ModflowError(
        f"no one formula for the stability bound of {method.label} was found that holds in the "
        "whole range of its parameters: give numbers for them"
    )


def has_one_sign(
    value: sympy.Expr,
    parameters: Sequence[sympy.Symbol],
    along: sympy.Symbol | None = None,
    *,
    closed: bool = False,
) -> bool:
    """Whether a rational function is proved to have no zero and no pole in a region.

    There all parameters are in [0, ∞), and `along` is in (0, ∞), or in (0, ∞] if it is `closed`.
    A polynomial whose coefficients have one sign is no smaller than any of its terms, and those
    without parameters vanish nowhere; that of the highest power of `along` rules at ∞.
    """
    variables = [*parameters] if along is None else [along, *parameters]
    for part in sympy.fraction(sympy.cancel(sympy.together(value))):
        terms = sympy.Poly(part, *variables).terms()
        coefficients = [c for _, c in terms]  # one 0 for the polynomial 0, else none
        if not all(c.is_Rational and c != 0 for c in coefficients):
            return False
        if len({c > 0 for c in coefficients}) > 1:
            return False
        split = [(0, powers) if along is None else (powers[0], powers[1:]) for powers, _ in terms]
        plain = [power for power, others in split if not any(others)]
        if not plain or (closed and max(plain) < max(power for power, _ in split)):
            return False
    return True


def from_ratio(ratio: sympy.Symbol, low: Any, high: Any) -> sympy.Expr:
    """Runs from low to high as the ratio runs from 0 to ∞."""
    low = sympy.nsimplify(low)
    return (
        low + ratio if high == np.inf else low + (sympy.nsimplify(high) - low) * ratio / (1 + ratio)
    )


def _range(method: Method, symbol: sympy.Symbol) -> tuple[float, float]:
    """The range of a parameter that is this symbol; ModflowError where none is known."""
    for low, high, value in _ranges(method):
        if value == symbol and low > -np.inf:
            return low, high
    raise ModflowError(
        f"the stability bound of {method.label} needs numbers for parameters that have no lower "
        f"bound or are no plain symbols, such as those with {symbol}"
    )


def _ranges(method: Method) -> Iterator[tuple[float, float, Any]]:
    for spec in fields(method):
        value = getattr(method, spec.name)
        for part in value if isinstance(value, tuple) else (value,):
            if isinstance(part, Method):
                yield from _ranges(part)
            elif "low" in spec.metadata:
                yield spec.metadata["low"], spec.metadata["high"], part


def spectral_radius(method: Method, z: Any) -> Any:
    """The largest modulus of an eigenvalue of a step at z = hλ, one number or an array of them.

    The iterates fall by this factor a step in the end; over several eigenvalues λ, the largest
    of these factors counts. In float64: near a double eigenvalue half of the digits are right.

    >>> from modflow.methods import HeavyBall
    >>> spectral_radius(HeavyBall(0.81), [0.001, 1.0]).round(4)
    array([0.9946, 0.9   ])

    Raises ModflowError as `companion_matrix`, for symbols, for what are no finite numbers, and at
    a pole of an implicit method.
    """
    matrix = companion_matrix(method)
    if matrix.free_symbols - {Z}:
        raise ModflowError(f"{method.label} needs numbers for {sorted(map(str, method.leaves))}")
    try:
        points = np.asarray(z, dtype=float)
    except (TypeError, ValueError):
        points = np.array(np.nan)
    if not np.all(np.isfinite(points)):
        raise ModflowError(f"z = h λ must be finite real numbers; got {z!r}")
    entries = sympy.lambdify(Z, matrix.tolist(), "math")
    try:
        flat = np.array([np.array(entries(float(p)), dtype=float) for p in points.ravel()])
    except ZeroDivisionError:
        raise ModflowError(f"{method} has a pole among z = {z!r}") from None
    radii = np.abs(np.linalg.eigvals(flat.reshape(-1, *matrix.shape))).max(axis=-1)
    return float(radii[0]) if points.ndim == 0 else radii.reshape(points.shape)
