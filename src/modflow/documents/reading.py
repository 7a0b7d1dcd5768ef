"""Formulas as elements of a field of exact rational functions, or as matrices of them.

What a formula means is decided here: powers with whole and with other exponents, roots, logarithms,
conditions on whole numbers. Rules that hold only for some values are used only where the symbols
are known to have such values: k and the other indices are whole numbers ≥ 0, |β| < 1, and what
SymPy's assumptions say.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from typing import Any

import numpy as np
import sympy
from sympy.core.function import AppliedUndef

from . import sums
from .elements import DividesByZero, Element, Field
from .formulas import decimal
from .quantities import Quantity
from .sums import Cases, Undecided, generators_of

INDICES = frozenset("ijklmn")
"""Symbols with these names and no assumptions are whole numbers ≥ 0."""


class Reader:
    """Reads formulas into one field.

    `whole` are symbols that stand for whole numbers besides those that INDICES and SymPy's
    assumptions name; `floors` lower bounds of whole numbers other than 0, `values` numbers that
    some symbols have.
    """

    def __init__(
        self,
        whole: Iterable[sympy.Symbol] = (),
        floors: dict[sympy.Symbol, int] | None = None,
        values: dict[sympy.Symbol, int] | None = None,
    ) -> None:
        self.field = Field()
        self.used: dict[str, None] = {}
        """What was needed besides arithmetic, in order."""
        self._whole, self._floors = set(whole), dict(floors or {})
        self.ranges: dict[sympy.Symbol, tuple[Element, Element | None]] = {}
        """Bounds of the indices of sums that are being read; both are attained or exceeded."""
        self.large: list[sympy.Symbol] = []
        """Whole numbers that are on their way to ∞, each as large as needed beside those before."""
        self._scope: dict[sympy.Symbol, Element] = {}
        self._memo: dict[sympy.Basic, Any] = {}
        self._scope = {s: self.number(v) for s, v in (values or {}).items()}

    # -- formulas -----------------------------------------------------------------------

    def read(self, expression: Any) -> Any:
        """The element, or the NumPy array of elements for a matrix.

        Raises DividesByZero, Undecided where there is no rule, Cases where there are cases.
        """
        found = self._memo.get(expression)
        if found is None:
            found = self._memo[expression] = self._read(expression)
        return found

    def scalar(self, expression: Any) -> Element:
        """The same where a matrix has no place."""
        found = self.read(expression)
        if not isinstance(found, Element):
            raise Undecided(f"{_line(expression)} is a matrix where a number is needed")
        return found

    @contextmanager
    def bound(self, values: dict[sympy.Symbol, Element]) -> Iterator[None]:
        """Symbols have these values meanwhile, in quantities too."""
        before = self._scope, self._memo
        self._scope, self._memo = {**self._scope, **values}, {}
        try:
            yield
        finally:
            self._scope, self._memo = before

    def at(self, element: Element, symbol: sympy.Symbol, value: Element) -> Element:
        """An element with another value of a symbol."""
        return (
            self.again(element.expression(), {symbol: value}) if symbol in element.free else element
        )

    def again(
        self, expression: sympy.Expr, values: dict[sympy.Symbol, Element] | None = None
    ) -> Element:
        """What is written in the field's own symbols, whatever values symbols have here."""
        before = self._scope, self._memo
        self._scope, self._memo = values or {}, {}
        try:
            return self.scalar(expression)
        finally:
            self._scope, self._memo = before

    def number(self, value: int | Fraction) -> Element:
        """A rational number."""
        return self.field.number(value)

    def symbol(self, symbol: sympy.Symbol) -> Element:
        """A symbol as such, whatever value it has here."""
        return self.field.generator(("symbol", symbol), lambda: ("symbol", symbol, ()))

    def _read(self, e: Any) -> Any:
        if isinstance(e, Quantity):
            return self.read(sympy.sympify(e.meaning))
        if not isinstance(e, sympy.Basic):
            e = sympy.sympify(e)
        if e.is_Rational:
            return self.number(Fraction(int(e.p), int(e.q)))
        if e.is_Float:
            return self.number(Fraction(decimal(e)))
        if e.is_Symbol:
            return self._scope[e] if e in self._scope else self.symbol(e)
        if e.is_Add or isinstance(e, sympy.MatAdd):
            return self._total([self.read(arg) for arg in e.args], e)
        if e.is_Mul or isinstance(e, sympy.MatMul):
            return self._product([self.read(arg) for arg in e.args], e)
        if e.is_Pow or isinstance(e, sympy.MatPow | sympy.Inverse):
            return self._power(self.read(e.args[0]), self.scalar(e.args[1]), e)
        if getattr(e, "is_Matrix", False):
            return self._matrix(e)
        if e in _INFINITE:
            raise DividesByZero(f"{e} is not a number")
        # Not an unknown function that is called gamma.
        for kind in () if isinstance(e, AppliedUndef) else type(e).__mro__:
            if kind.__name__ in _HEADS and kind.__module__.startswith("sympy."):
                return _HEADS[kind.__name__](self, e)
        if e is sympy.I:
            return self.root(self.number(-1), 2)
        if e is sympy.E:
            return self.exp(self.number(1))
        if isinstance(e, sympy.NumberSymbol):
            return self._opaque(e, ())
        if isinstance(e, sympy.Function):
            return self._function(e)
        raise Undecided(f"no rule for {_line(e)}")

    # -- sums, products, matrices ---------------------------------------------------------

    def _total(self, parts: list[Any], e: Any) -> Any:
        shapes = {getattr(part, "shape", None) for part in parts}
        if len(shapes) > 1:
            raise Undecided(f"the terms of {_line(e)} have different shapes")
        total = parts[0]
        for part in parts[1:]:
            total = total + part
        return total

    def _product(self, parts: list[Any], e: Any) -> Any:
        number, matrix = self.number(1), None
        for part in parts:
            if isinstance(part, Element):
                number = number * part
            elif matrix is None:
                matrix = part
            elif matrix.shape[1] != part.shape[0]:
                raise Undecided(f"the factors of {_line(e)} do not fit")
            else:
                matrix = matrix @ part
        return number if matrix is None else _each(matrix, lambda entry: number * entry)

    def _power(self, base: Any, exponent: Element, e: Any) -> Any:
        if isinstance(base, Element):
            return self.power(base, exponent)
        n = exponent.rational()
        if n is None or n.denominator != 1 or abs(n) > sums.MAX_TERMS:
            raise Undecided(f"no rule for the power {_line(e)} of a matrix")
        if base.shape[0] != base.shape[1]:
            raise Undecided(f"{_line(e)} is a power of a matrix that is not square")
        factor = base if n >= 0 else self._inverse(base)
        result = self._unit(len(base))
        for _ in range(abs(int(n))):
            result = result @ factor
        return result

    def _matrix(self, e: Any) -> Any:
        if isinstance(e, sympy.MatrixBase):
            array = np.empty(e.shape, dtype=object)
            for i, j in itertools.product(*map(range, e.shape)):
                array[i, j] = self.scalar(sympy.sympify(e[i, j]))
            return array
        name = type(e).__name__
        if name == "Transpose":
            return self._matrix_of(e.args[0]).T
        if name in ("Identity", "ZeroMatrix") and all(n.is_Integer for n in e.shape):
            return self._matrix(e.as_explicit())
        raise Undecided(f"no rule for the matrix {_line(e)}")

    def _matrix_of(self, e: Any) -> Any:
        found = self.read(e)
        if isinstance(found, Element):
            raise Undecided(f"{_line(e)} is a number where a matrix is needed")
        return found

    def _unit(self, n: int) -> Any:
        unit = np.empty((n, n), dtype=object)
        for i, j in itertools.product(range(n), repeat=2):
            unit[i, j] = self.number(int(i == j))
        return unit

    def _eliminated(self, matrix: Any, right: Any) -> tuple[Element, Any]:
        """det A and A⁻¹ B by elimination; B as it then is where det A = 0."""
        if matrix.shape[0] != matrix.shape[1]:
            raise Undecided("a determinant or inverse of a matrix that is not square")
        a, b, determinant = matrix.copy(), right.copy(), self.number(1)
        for i in range(len(a)):
            pivot = next((r for r in range(i, len(a)) if not a[r, i].is_zero()), None)
            if pivot is None:
                return self.number(0), b
            if pivot != i:
                a[[i, pivot]], b[[i, pivot]], determinant = (
                    a[[pivot, i]],
                    b[[pivot, i]],
                    -determinant,
                )
            determinant, inverse = determinant * a[i, i], a[i, i].inverse()
            a[i], b[i] = (_each(row[i], lambda entry: inverse * entry) for row in (a, b))  # noqa: B023
            for r in range(len(a)):
                if r != i and a[r, i].top:
                    factor = a[r, i]
                    a[r] = a[r] - _each(a[i], lambda entry: factor * entry)  # noqa: B023
                    b[r] = b[r] - _each(b[i], lambda entry: factor * entry)  # noqa: B023
        return determinant, b

    def _inverse(self, matrix: Any) -> Any:
        determinant, inverse = self._eliminated(matrix, self._unit(len(matrix)))
        if determinant.is_zero():
            raise DividesByZero
        return inverse

    def _determinant(self, e: Any) -> Element:
        matrix = self._matrix_of(e.args[0])
        return self._eliminated(matrix, self._unit(len(matrix)))[0]

    def _trace(self, e: Any) -> Element:
        matrix = self._matrix_of(e.args[0])
        if matrix.shape[0] != matrix.shape[1]:
            raise Undecided(f"{_line(e)} is of a matrix that is not square")
        return sum((matrix[i, i] for i in range(len(matrix))), self.number(0))

    def _entry(self, e: Any) -> Element:
        matrix, (i, j) = self._matrix_of(e.args[0]), e.args[1:]
        if not (i.is_Integer and j.is_Integer):
            raise Undecided(f"no rule for the entry {_line(e)}")
        return matrix[int(i), int(j)]

    # -- powers, roots, exponentials, logarithms -------------------------------------------

    def power(self, base: Element, exponent: Element) -> Element:
        """base^exponent; (a b)^e = a^e b^e for whole e, else only for positive a."""
        n = exponent.rational()
        if n is not None:
            if n.denominator == 1:
                return base ** int(n)
            if base.is_zero():
                if n < 0:
                    raise DividesByZero
                return base
            return self.root(base, n.denominator) ** (n.numerator % n.denominator) * base ** (
                n.numerator // n.denominator
            )
        base = base.canonical()
        if base.is_zero():
            if self.holds(exponent, "Eq"):
                return self.number(1)
            if self.holds(exponent, "Lt"):
                raise DividesByZero
            return base
        content, factors = base.factors()
        rest: Element | None = None
        if self.whole(exponent):
            known = [*self._primes(content), *factors]
            if content < 0:
                known.append((self.number(-1), 1))
        else:
            known, rest = self._positive_part(content, factors)
        result = self.number(1)
        for factor, times in known:
            result = result * self._atom_power(factor, times * exponent)
        return result if rest is None else result * self.raised(rest, exponent)

    def _atom_power(self, base: Element, total: Element) -> Element:
        """base^total for an irreducible base that is positive, or to a whole exponent."""
        sole = base.sole()
        if sole is not None:
            if sole.kind == "exp":
                return self.exp(sole.inner[0] * total)
            if sole.kind in ("power", "root"):
                return self.raised(sole.inner[0], sole.inner[1] * total)
        return self.raised(base, total)

    def raised(self, base: Element, exponent: Element) -> Element:
        """exp(exponent log base), the exponent by its terms."""
        base = base.canonical()
        result = self.number(1)
        for monomial, c in exponent.terms():
            if monomial.rational() is not None:
                value = c * (monomial.rational() or 0)
                whole, part = divmod(value, 1)
                result = result * base ** int(whole)
                if part:
                    result = result * self._plain_root(base, part.denominator) ** part.numerator
                continue
            power = self._power_of(base, monomial)
            whole, part = divmod(c, 1)
            if part:
                whole, q = c.numerator, c.denominator
                power = self._root_of(
                    ("power", base.expression(), monomial.expression()), power, q, base, monomial
                )
            result = result * power ** int(whole)
        return result

    def _power_of(self, base: Element, monomial: Element) -> Element:
        b, m = base.expression(), monomial.expression()
        # (-1)^k is a root of 1 for whole k.
        sign = (2, self.number(1)) if b == -1 and self.whole(monomial) else None
        return self.field.generator(
            ("power", b, m), lambda: ("power", b**m, (base, monomial)), relation=sign
        )

    def _root_of(
        self, key: Any, value: Element, q: int, base: Element, exponent: Element
    ) -> Element:
        """The q-th root of a generator or value: it obeys g^q = value."""
        for p in range(2 * q, 13, q):  # a finer root is there already
            if (finer := self.field.find((key, p))) is not None:
                return finer ** (p // q)
        # g^(q/p) = the coarser root that is there, or g^q = value
        p = next((p for p in range(q - 1, 1, -1) if q % p == 0 and self.field.find((key, p))), 1)
        below = self.field.find((key, p)) if p > 1 else None
        b, e = base.expression(), exponent.expression()
        relation = (q // p, below if below is not None else value)
        return self.field.generator(
            (key, q),
            lambda: ("root", b ** (e / q), (base, exponent / q)),
            relation=relation,
        )

    def _plain_root(self, base: Element, q: int) -> Element:
        """base^(1/q), the base not taken apart."""
        if (base + 1).is_zero() and q == 2:
            return self.field.generator(
                (("root", sympy.Integer(-1)), 2),
                lambda: ("root", sympy.I, (base, self.number(Fraction(1, 2)))),
                relation=(2, base),
            )
        return self._root_of(("root", base.expression()), base, q, base, self.number(1))

    def root(self, base: Element, q: int) -> Element:
        """base^(1/q), with what is positive taken out."""
        base = base.canonical()
        if base.is_zero():
            return base
        known, rest = self._positive_part(*base.factors())
        result = self.number(1)
        for factor, n in known:
            whole, part = divmod(n, q)
            result = result * factor**whole
            if part:
                sole = factor.sole()
                root = (
                    self.exp(sole.inner[0] / q)
                    if sole is not None and sole.kind == "exp"
                    else self._plain_root(factor, q)
                )
                result = result * root**part
        return result if rest is None else result * self._plain_root(rest, q)

    def exp(self, exponent: Element) -> Element:
        """exp of an element, by its terms; exp(c log b) is b^c."""
        result = self.number(1)
        for monomial, c in exponent.canonical().terms():
            inside = generators_of(monomial)
            log = next((g for g in inside if g.kind == "log"), None)
            if log is not None and (rest := self._without(monomial, log)) is not None:
                result = result * self._raised_log(log.inner[0], c * rest)
                continue
            m = monomial.expression()
            if m.has(sympy.I) and m.has(sympy.pi):
                turns = c * self.again(m / (sympy.I * sympy.pi))
                if all(g.expression not in (sympy.I, sympy.pi) for g in generators_of(turns)):
                    result = result * self.power(self.number(-1), turns)
                    continue
            g = self.field.generator(
                ("exp", m),
                lambda m=m, e=monomial: ("exp", sympy.exp(m), (e,)),  # type: ignore[misc]
            )
            if c.denominator > 1:
                g = self._exp_root(monomial, c.denominator, g)
            result = result * g**c.numerator
        return result

    def _without(self, monomial: Element, g: Any) -> Element | None:
        """m / g where that is free of g."""
        rest = monomial / self.again(g.expression)
        return None if any(other is g for other in generators_of(rest)) else rest

    def _raised_log(self, base: Element, exponent: Element) -> Element:
        n = exponent.rational()
        return (
            self.power(base, exponent)
            if n is None or n.denominator == 1
            else (self._plain_root(base, n.denominator) ** n.numerator)
        )

    def _exp_root(self, monomial: Element, q: int, value: Element) -> Element:
        key = ("exp", monomial.expression())
        for p in range(2 * q, 13, q):
            if (finer := self.field.find((key, p))) is not None:
                return finer ** (p // q)
        p = next((p for p in range(q - 1, 1, -1) if q % p == 0 and self.field.find((key, p))), 1)
        below = self.field.find((key, p)) if p > 1 else None
        return self.field.generator(
            (key, q),
            lambda: ("exp", sympy.exp(monomial.expression() / q), (monomial / q,)),
            relation=(q // p, below if below is not None else value),
        )

    def log(self, argument: Element) -> Element:
        """The logarithm; of a product only with the positive factors taken out."""
        argument = argument.canonical()
        if argument.is_zero():
            raise DividesByZero("log(0)")
        known, rest = self._positive_part(*argument.factors())
        total = self.number(0)
        for factor, n in known:
            sole = factor.sole()
            if sole is not None and sole.kind == "exp":
                total = total + n * sole.inner[0]
            elif sole is not None and sole.kind in ("power", "root"):
                total = total + n * sole.inner[1] * self.log(sole.inner[0])
            else:
                total = total + n * self._plain_log(factor)
        return total if rest is None else total + self._plain_log(rest)

    def _plain_log(self, argument: Element) -> Element:
        e = argument.expression()
        return self.field.generator(("log", e), lambda: ("log", sympy.log(e), (argument,)))

    # -- what is known of signs --------------------------------------------------------------

    def _positive_part(
        self, content: Fraction, factors: list[tuple[Element, int]]
    ) -> tuple[list[tuple[Element, int]], Element | None]:
        """Factors that are positive (primes among them), and the product of the others."""
        known = self._primes(content)
        rest = self.number(-1 if content < 0 else 1)
        for factor, n in factors:
            if self._is_positive(factor):
                known.append((factor, n))
            elif self._is_positive(-factor):
                known.append((-factor, n))
                rest = rest * (-1) ** n
            else:
                rest = rest * factor**n
        return known, None if rest.rational() == 1 else rest

    def _primes(self, content: Fraction) -> list[tuple[Element, int]]:
        """|c| by its primes."""
        return [
            (self.number(int(p)), int(n) * sign)
            for value, sign in ((abs(content.numerator), 1), (content.denominator, -1))
            for p, n in sympy.factorint(value).items()
            if p != 1
        ]

    def _is_positive(self, factor: Element) -> bool:
        """Whether an irreducible polynomial is positive for all values of its symbols."""
        number = factor.rational()
        if number is not None:
            return number > 0
        sole = factor.sole()
        if sole is not None:
            if sole.kind == "exp":
                return self.is_real(sole.inner[0])
            if sole.kind in ("power", "root"):
                return self.positive(sole.inner[0]) and self.is_real(sole.inner[1])
        if any(g.kind != "symbol" for g in generators_of(factor)):
            return False
        if factor.expression().is_positive:
            return True
        symbol = next(iter(factor.free))
        return (
            len(factor.free) == 1
            and is_momentum(symbol)
            and self._is_positive_inside(factor, symbol)
        )

    def _is_positive_inside(self, factor: Element, beta: sympy.Symbol) -> bool:
        """Whether p + q β > 0 for all |β| < 1."""
        slope = factor - self.at(factor, beta, self.number(0))
        if not (slope - self.symbol(beta) * self.at(slope, beta, self.number(1))).is_zero():
            return False
        ends = [self.at(factor, beta, self.number(end)).rational() for end in (-1, 1)]
        values = [end for end in ends if end is not None]
        return len(values) == 2 and min(values) >= 0 < max(values)

    def positive(self, element: Element) -> bool:
        """Whether an element is known to be positive."""
        element = element.canonical()
        if element.is_zero():
            return False
        content, factors = element.factors()
        sign = content
        for factor, n in factors:
            if self._is_positive(-factor):
                sign *= (-1) ** n
            elif not self._is_positive(factor):
                return False
        return sign > 0

    def is_real(self, element: Element) -> bool:
        """Whether it is real: symbols are, unless SymPy's assumptions leave it open."""
        return all(
            (g.kind == "symbol" and (g.expression.is_real or not _assumed(g.expression)))
            or (g.kind == "opaque" and g.expression.is_real)
            or (g.kind == "exp" and self.is_real(g.inner[0]))
            or (g.kind == "log" and self.positive(g.inner[0]))
            or (
                g.kind in ("power", "root")
                and self.positive(g.inner[0])
                and self.is_real(g.inner[1])
            )
            for g in generators_of(element)
        )

    def contracts(self, base: Element) -> bool | None:
        """Whether |base| < 1 (True), > 1 (False), or that is not known."""
        content, factors = base.canonical().factors()
        inside = all(n > 0 and (g := f.sole()) is not None and self._inside(g) for f, n in factors)
        if factors:
            return True if inside and abs(content) <= 1 else None
        return abs(content) < 1 if abs(content) != 1 else None

    def _inside(self, g: Any) -> bool:
        if g.kind == "symbol":
            return is_momentum(g.expression)
        if g.kind == "exp":
            return self.is_real(g.inner[0]) and self.positive(-g.inner[0])
        return g.kind == "root" and bool(self.contracts(g.inner[0]))

    # -- whole numbers -----------------------------------------------------------------------

    def is_index(self, symbol: sympy.Symbol) -> bool:
        """Whether a symbol stands for a whole number."""
        if symbol in self.ranges or symbol in self.large or symbol in self._whole:
            return True
        # A symbol of the caller's may be negative; those of sums are made here, with bounds.
        if symbol.is_integer:
            return bool(symbol.is_nonnegative) or symbol.is_Dummy
        return symbol.name in INDICES and not _assumed(symbol)

    def whole(self, element: Element) -> bool:
        """Whether an element is a whole number for all values of its whole numbers."""
        element = element.canonical()
        if not element.bottom.is_constant() or not all(
            g.kind == "symbol" and self.is_index(g.expression) for g in generators_of(element)
        ):
            return False
        modulus = int(element.bottom.leading_coefficient())
        symbols = sorted(element.free, key=str)
        if modulus == 1:
            return True
        if modulus ** len(symbols) > sums.MAX_TERMS:
            return False
        # It is enough to look at the residues of all variables.
        for point in itertools.product(range(modulus), repeat=len(symbols)):
            value = element
            for symbol, number in zip(symbols, point, strict=True):
                value = self.at(value, symbol, self.number(number))
            if (value.rational() or Fraction(0)).denominator != 1:
                return False
        return True

    def holds(self, e: Element, relation: str) -> bool:
        """Whether `e relation 0` for a whole number e: Eq, Ne, Lt, Le, Gt or Ge.

        Raises Cases where it depends on how large one whole number is, Undecided otherwise.
        """
        if relation in ("Ne", "Ge", "Gt"):
            opposite = {"Ne": "Eq", "Ge": "Lt", "Gt": "Le"}[relation]
            return not self.holds(e, opposite)
        number = e.rational()
        if number is not None:
            return (
                number == 0 if relation == "Eq" else number < 0 if relation == "Lt" else number <= 0
            )
        if not self.whole(e):
            raise Undecided(f"whether {e} is 0, or its sign, is not known")
        if relation == "Eq":
            return not (self._at_least(e, 1) or self._at_least(-e, 1))
        bound = 0 if relation == "Lt" else 1
        return not self._at_least(e, bound)

    def _at_least(self, e: Element, least: int) -> bool:
        """Whether e ≥ least always (True) or never (False)."""
        low, high = self._extreme(e, least=True), self._extreme(e, least=False)
        if low is not None and low >= least:
            return True
        if high is not None and high < least:
            return False
        self._raise_cases(e, least)
        raise Undecided(f"the sign of {e - least} is not known")

    def _extreme(self, e: Element, *, least: bool) -> float | Fraction | None:
        """A lower or upper bound of an affine element, over all values of its whole numbers."""
        for symbol in reversed(self.ranges):  # bounds of inner indices are made of outer ones
            c = self._slope(e, symbol)
            if c is None:
                return None
            if c:
                end = self.ranges[symbol][0 if (c > 0) == least else 1]
                if end is None:
                    return None
                e = self.at(e, symbol, end)
        growing = [s for s in reversed(self.large) if s in e.free]
        for symbol in growing + sorted(e.free - set(growing), key=str):
            c = self._slope(e, symbol)
            if c is None:
                return None
            if symbol in self.large:
                return math.copysign(math.inf, c)
            if (c > 0) != least:
                return None
            e = self.at(e, symbol, self.number(self.floor(symbol)))
        return e.rational()

    def _slope(self, e: Element, symbol: sympy.Symbol) -> Fraction | None:
        """c where e = c s + rest, the rest without s."""
        if symbol not in e.free:
            return Fraction(0)
        return (self.at(e, symbol, self.symbol(symbol) + 1) - e).rational()

    def floor(self, symbol: sympy.Symbol) -> int:
        """The least value of a whole number."""
        return self._floors.get(symbol, 1 if symbol.is_positive else 0)

    def _raise_cases(self, e: Element, least: int) -> None:
        """Cases in the one whole number on which it depends whether e ≥ least."""
        for candidate in (e, *self._reduced_to_free(e)):
            if len(candidate.free) != 1 or not candidate.free.isdisjoint(self.large):
                continue
            (symbol,) = candidate.free
            c = self._slope(candidate, symbol)
            rest = self.at(candidate, symbol, self.number(0)).rational()
            if c is None or c == 0 or rest is None:
                continue
            # c s + rest ≥ least changes at s = (least - rest) / c
            edge = (least - rest) / c
            first = math.ceil(edge) if c > 0 else math.floor(edge) + 1
            raise Cases(symbol, first)

    def _reduced_to_free(self, e: Element) -> Iterator[Element]:
        """Its bounds in whole numbers that are no indices of sums."""
        for least in (True, False):
            value: Element | None = e
            for symbol in reversed(self.ranges):
                c = None if value is None else self._slope(value, symbol)
                if value is None or not c:
                    continue
                end = self.ranges[symbol][0 if (c > 0) == least else 1]
                value = None if end is None else self.at(value, symbol, end)
            if value is not None:
                yield value

    # -- conditions ---------------------------------------------------------------------------

    def condition(self, e: Any) -> bool:
        """Whether a condition on whole numbers holds."""
        if e in (sympy.true, sympy.false):
            return bool(e)
        if isinstance(e, sympy.Not):
            return not self.condition(e.args[0])
        if isinstance(e, sympy.And):
            return all(self.condition(arg) for arg in e.args)
        if isinstance(e, sympy.Or):
            return any(self.condition(arg) for arg in e.args)
        names = {
            "Equality": "Eq",
            "Unequality": "Ne",
            "StrictLessThan": "Lt",
            "LessThan": "Le",
            "StrictGreaterThan": "Gt",
            "GreaterThan": "Ge",
        }
        name = names.get(type(e).__name__)
        if name is None:
            raise Undecided(f"no rule for the condition {_line(e)}")
        return self.holds(self.scalar(e.lhs) - self.scalar(e.rhs), name)

    def _piecewise(self, e: Any) -> Any:
        for value, condition in e.args:
            if self.condition(condition):
                return self.read(value)
        raise Undecided(f"{_line(e)} has no value in some cases")

    def _delta(self, e: Any) -> Element:
        return self.number(int(self.holds(self.scalar(e.args[0]) - self.scalar(e.args[1]), "Eq")))

    # -- functions ----------------------------------------------------------------------------

    def _function(self, e: Any) -> Element:
        arguments = tuple(self.scalar(arg) for arg in e.args)
        expressions = [a.expression() for a in arguments]
        again = e.func(*expressions)
        if isinstance(again, type(e)):
            return self._opaque(again, arguments)
        return self.again(again)

    def _absolute(self, e: Any) -> Element:
        u = self.scalar(e.args[0])
        return u if self.positive(u) else -u if self.positive(-u) else self._function(e)

    def _opaque(self, e: Any, arguments: tuple[Element, ...]) -> Element:
        return self.field.generator(("opaque", e), lambda: ("opaque", e, arguments))

    def _exponential(self, e: Any) -> Element:
        return self.exp(self.scalar(e.args[0]))

    def _logarithm(self, e: Any) -> Element:
        found = self.log(self.scalar(e.args[0]))
        return found / self.log(self.scalar(e.args[1])) if len(e.args) > 1 else found

    def _by_exponentials(self, e: Any) -> Element:
        u, i = self.scalar(e.args[0]), self.root(self.number(-1), 2)
        name = type(e).__name__
        turned = name in ("sin", "cos", "tan")
        up = self.exp(u * i if turned else u)
        down = up.inverse()
        sine = (up - down) / (2 * i if turned else 2)
        cosine = (up + down) / 2
        kind = name[:3]
        return sine if kind == "sin" else cosine if kind == "cos" else sine / cosine

    def factorial(self, u: Element) -> Element:
        """u!, by that of u less its constant whole part."""
        u = u.canonical()
        n = u.rational()
        if n is not None and n.denominator == 1:
            if n < 0:
                raise DividesByZero(f"factorial of {n}")
            return self.number(math.factorial(int(n)))
        constant = sum((c for m, c in u.terms() if m.rational() is not None), Fraction(0))
        shift = constant.numerator // constant.denominator
        if abs(shift) > sums.MAX_TERMS:
            raise Undecided(f"no rule for the factorial of {u}")
        base = u - shift
        e = sympy.factorial(base.expression())
        value = self._opaque(e, (base,))
        for i in range(1, shift + 1):
            value = value * (base + i)
        for i in range(shift + 1, 1):
            value = value / (base + i)
        return value

    def _factorial(self, e: Any) -> Element:
        return self.factorial(self.scalar(e.args[0]))

    def _gamma(self, e: Any) -> Element:
        return self.factorial(self.scalar(e.args[0]) - 1)

    def _binomial(self, e: Any) -> Element:
        n, k = (self.scalar(arg) for arg in e.args)
        below = k.rational()
        if below is not None and below.denominator == 1 and below <= sums.MAX_TERMS:
            product = self.number(int(below >= 0))
            for i in range(int(below)):
                product = product * (n - i) / (i + 1)
            return product
        # n!/(k! (n-k)!) is meant, which it is for whole 0 ≤ k ≤ n.
        if not (self.whole(n) and self.whole(k)):
            raise Undecided(f"no rule for {_line(e)}")
        if self.holds(k, "Lt"):
            return self.number(0)
        if self.holds(n, "Lt"):
            raise Undecided(f"no rule for {_line(e)} with {n} < 0")
        if self.holds(n - k, "Lt"):
            return self.number(0)
        return self.factorial(n) / (self.factorial(k) * self.factorial(n - k))

    # -- calculus -----------------------------------------------------------------------------

    def _derivative(self, e: Any) -> Element:
        variables = [v for v, _ in e.variable_count]
        if any(v in self._scope or self.is_index(v) or v.is_Dummy for v in variables):
            raise Undecided(f"no rule for the derivative {_line(e)}")
        if isinstance(e.expr, AppliedUndef):
            if set(variables) <= set(e.expr.args) and not e.free_symbols & self._scope.keys():
                # A derivative of an unknown function is another unknown.
                free = sorted(e.free_symbols, key=str)
                return self._opaque(e, tuple(self.symbol(s) for s in free))
            raise Undecided(f"no rule for the derivative {_line(e)}")
        found = sympy.diff(self.scalar(e.expr).expression(), *e.variable_count)
        if any(not isinstance(d.expr, AppliedUndef) for d in found.atoms(sympy.Derivative)):
            raise Undecided(f"no rule for the derivative {_line(e)}")
        self.used.setdefault("derivative")
        return self.again(found)


def is_index(symbol: sympy.Symbol) -> bool:
    """Whether a symbol stands for a whole number ≥ 0."""
    return Reader().is_index(symbol)


def may_be(symbol: sympy.Symbol, value: Any) -> bool:
    """Whether a value is known to be of the kind that a symbol stands for."""
    reader = Reader()
    if symbol == value:
        return True
    try:
        element = reader.scalar(value)
        if reader.is_index(symbol):
            return reader.whole(element) and reader.holds(element - reader.floor(symbol), "Ge")
        if is_momentum(symbol):
            return reader.contracts(element) is True
        if symbol.is_positive:
            return reader.positive(element)
        if _assumed(symbol):
            return all(getattr(value, f"is_{k}") is v for k, v in symbol.assumptions0.items())
        return reader.is_real(element)
    except (Undecided, Cases, DividesByZero):
        return False


def is_momentum(symbol: sympy.Symbol) -> bool:
    """Whether a symbol is a momentum β or β_i, with |β| < 1; a bound variable is none."""
    return not symbol.is_Dummy and symbol.name.split("_")[0].rstrip("0123456789") in ("beta", "β")


def _assumed(symbol: sympy.Symbol) -> bool:
    """Whether anything was assumed of a symbol."""
    return symbol.assumptions0 != {"commutative": True}


def _each(array: Any, function: Callable[[Any], Any]) -> Any:
    found = np.empty(array.shape, dtype=object)
    for index in np.ndindex(array.shape):
        found[index] = function(array[index])
    return found


def _line(expression: Any) -> str:
    return " ".join(str(expression).split())


_INFINITE = {sympy.oo, -sympy.oo, sympy.zoo, sympy.nan}

_HEADS: dict[str, Callable[[Reader, Any], Any]] = {
    "exp": Reader._exponential,
    "log": Reader._logarithm,
    **dict.fromkeys(("sin", "cos", "tan", "sinh", "cosh", "tanh"), Reader._by_exponentials),
    "factorial": Reader._factorial,
    "gamma": Reader._gamma,
    "binomial": Reader._binomial,
    "Piecewise": Reader._piecewise,
    "KroneckerDelta": Reader._delta,
    "Determinant": Reader._determinant,
    "Trace": Reader._trace,
    "MatrixElement": Reader._entry,
    "Abs": Reader._absolute,
    "Derivative": Reader._derivative,
    "Sum": sums.sum_of,
    "Product": sums.product_of,
    "Limit": sums.limit_of,
    "Integral": sums.integral_of,
}
