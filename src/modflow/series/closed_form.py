"""The ring of coefficients in closed form: polynomials in k and q_i = λ_i^k.

An element is

    N(k, q_1, ..., q_m, β, ...) / (D · Π factor^e)   +   finitely many corrections at k = 0, 1, ...

with N an integer polynomial, D an integer and the factors irreducible polynomials in the
method's parameters, kept aside: for the heavy ball 1-β and, at finite k from order 4 on, 1+β
and others. The λ_i are the decay rates of the method's memory, elements of the coefficient
field Q(β, ...). Corrections δ_{k,i} are needed where λ = 0, a memory that forgets at once.

The ring is closed under k → k+1, and it contains the solution of m_{k+1} = λ m_k + r_k for
every r_k in it: `ClosedFormRing.solve_recurrence`.
"""

from __future__ import annotations

import numbers
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from fractions import Fraction
from math import lcm
from typing import Any

import flint
import sympy

from ..errors import ModflowError
from .evaluate import field_value, terms
from .exact import exact_constant, exact_number
from .parse import from_sympy
from .rates import compositions, multiplicative_rank
from .recurrence import solve
from .render import to_sympy
from .symbols import K

_NO_EXPRESSION = (
    *(SyntaxError, TypeError, ValueError, AttributeError, NameError, LookupError, ArithmeticError),
    *(RecursionError, MemoryError),
)
"""What SymPy lets through of Python's errors where a text is no expression."""


class ClosedFormRing:
    """Q(parameters)[k, λ_1^k, ..., λ_m^k], the ring of a method's coefficients.

    `parameters` are symbols or their names; `rates` the decay rates λ_i as expressions or
    numbers in them, none of them 0 or 1 and no two equal. Where powers of them coincide, as
    for 1/2 and 1/4, each λ^k is kept in one way only, so that equality stays decidable.

    >>> ring = ClosedFormRing(["beta"], rates=["beta"])
    >>> m = ring.solve_recurrence(rate=ring("beta"), forcing=ring(1), start=ring(0))
    >>> m.to_sympy()
    (1 - beta**k)/(1 - beta)
    """

    def __init__(self, parameters: Iterable[Any] = (), rates: Iterable[Any] = ()) -> None:
        self.symbols = tuple(sympy.Symbol(p) if isinstance(p, str) else p for p in parameters)
        self.parameters = tuple(symbol.name for symbol in self.symbols)
        for name in self.parameters:
            if name == "k":
                raise ModflowError("a parameter cannot be called 'k': that is the step number")
        rates = list(rates)
        names = [*self.parameters, "k", *(f"_q{i}" for i in range(len(rates)))]
        self._context = flint.fmpz_mpoly_ctx.get(names, flint.Ordering.lex)
        self._generators = self._context.gens()
        self._k_index = len(self.parameters)
        self._factors: list[Any] = []
        self._rate_powers: dict[tuple[int, ...], ClosedForm] = {}
        self._dependent = False
        self.rates: tuple[ClosedForm, ...] = ()
        self.rates = tuple(self(rate).reduced() for rate in rates)
        self._kept: dict[tuple[int, ...], tuple[int, ...]] = {(0,) * len(rates): (0,) * len(rates)}
        for i, rate in enumerate(self.rates):
            if not rate.is_constant or rate in (0, 1) or rate in self.rates[:i]:
                raise ModflowError(f"decay rates must differ from 0, 1 and each other: {rates}")
        self._dependent = multiplicative_rank(self) < len(rates)

    # -- elements -----------------------------------------------------------------------

    def __call__(self, value: Any) -> ClosedForm:
        """The element for a number, a string or a SymPy expression in k and the parameters.

        Accepts rational functions of the parameters, polynomials in k, and powers λ^(a k + b)
        of the decay rates. Raises ModflowError for anything else.
        """
        given = value
        if isinstance(value, ClosedForm):
            return value if value.ring is self else self(value.to_sympy())
        if isinstance(value, int | Fraction) and not isinstance(value, bool):
            value = Fraction(value)
            return self._element(self._context.constant(value.numerator), value.denominator)
        if isinstance(value, str):
            names = dict(zip(self.parameters, self.symbols, strict=True))
            try:
                value = sympy.sympify(value, locals={"k": K, **names})
            except _NO_EXPRESSION as error:
                raise ModflowError(f"{value!r} is no expression in {self}") from error
        try:
            # A comparison is no coefficient, though Python takes True for 1.
            value = None if isinstance(value, bool) else exact_number(value)
            if isinstance(value, Fraction):
                return self(value)
            value = sympy.sympify(value)
        except (TypeError, ValueError, NotImplementedError):  # also a float that is not finite
            value = None
        if not isinstance(value, sympy.Basic):
            raise ModflowError(f"{given!r} is no expression in {self}")
        return from_sympy(self, value)

    @property
    def k(self) -> ClosedForm:
        """The element k."""
        return self._element(self._generators[self._k_index])

    def parameter(self, name: str) -> ClosedForm:
        """The element for a parameter."""
        return self._element(self._generators[self.parameters.index(name)])

    def power(self, index: int) -> ClosedForm:
        """The element λ_index^k."""
        return self._element(self._generators[self._k_index + 1 + index])

    def _element(
        self,
        numerator: Any,
        denominator: int = 1,
        exponents: Mapping[int, int] | None = None,
        tail: Mapping[int, ClosedForm] | None = None,
    ) -> ClosedForm:
        return ClosedForm(
            self, numerator, int(denominator), dict(exponents or {}), dict(tail or {})
        )

    def rate_power(self, exponents: tuple[int, ...]) -> ClosedForm:
        """Π λ_i^{e_i} in the coefficient field."""
        value = self._rate_powers.get(exponents)
        if value is None:
            value = self(1)
            for rate, e in zip(self.rates, exponents, strict=True):
                value = value * rate**e
            value = self._rate_powers[exponents] = value.reduced()
        return value

    # -- products of the decay rates ----------------------------------------------------

    def exponents_of(self, value: ClosedForm, degree: int) -> tuple[int, ...] | None:
        """The first e of at most that degree with Π λ_i^{e_i} = value, by degree."""
        every = (e for n in range(degree + 1) for e in compositions(n, len(self.rates)))
        return next((e for e in every if self.rate_power(e) == value), None)

    def _collected(self, numerator: Any) -> Any:
        """The numerator with each λ^k written in one way only, that of lowest degree."""
        if not self._dependent:
            return numerator
        at, merged = self._k_index + 1, Counter[tuple[int, ...]]()
        for monomial, c in numerator.to_dict().items():
            monomial = tuple(int(e) for e in monomial)
            powers = monomial[at:]
            if powers not in self._kept:
                found = self.exponents_of(self.rate_power(powers), sum(powers))
                self._kept[powers] = powers if found is None else found
            merged[(*monomial[:at], *self._kept[powers])] += c
        return self._context.from_dict({m: c for m, c in merged.items() if c})

    def __repr__(self) -> str:
        rates = ", ".join(f"({rate})^k" for rate in self.rates)
        return f"Q({', '.join(self.parameters)})[{', '.join(filter(None, ['k', rates]))}]"

    # -- factors of denominators --------------------------------------------------------

    def _factor_index(self, polynomial: Any) -> int:
        """The place of an irreducible polynomial among the factors, entered at need."""
        for i, known in enumerate(self._factors):
            if known == polynomial:
                return i
        self._factors.append(polynomial)
        return len(self._factors) - 1

    def _factored(self, polynomial: Any) -> tuple[int, dict[int, int]]:
        """content, {factor: exponent} with polynomial = content · Π factor^exponent.

        Factors are signed so that their term of lowest degree is positive: 1-β, not β-1.
        """
        try:
            content, pairs = polynomial.factor()
        except OverflowError:  # python-flint sorts factors by coefficients that fit an int
            content = polynomial.content()
            pairs = [(polynomial / self._context.constant(content), 1)]
        content, exponents = int(content), {}
        for factor, e in pairs:
            terms = factor.to_dict()
            if terms[min(terms, key=sum)] < 0:
                factor, content = -factor, content * (-1) ** int(e)
            exponents[self._factor_index(factor)] = int(e)
        return content, exponents

    def solve_recurrence(self, rate: Any, forcing: Any, start: Any) -> ClosedForm:
        """The m with m_{k+1} = rate · m_k + forcing_k and m_0 = start: see `recurrence`."""
        return solve(self, self(rate), self(forcing), self(start))

    def monomial(self, exponents: tuple[int, ...]) -> ClosedForm:
        """Π λ_i^(k e_i)."""
        value = self(1)
        for i, e in enumerate(exponents):
            value = value * self.power(i) ** e
        return value

    def at_only(self, index: int, value: ClosedForm) -> ClosedForm:
        """value · δ_{k, index}."""
        return self._element(self._context.constant(0), tail={index: value})


class ClosedForm:
    """An element of a `ClosedFormRing`; immutable, exact, works with int and Fraction."""

    __slots__ = ("_exponents", "_tail", "denominator", "numerator", "ring")
    __array_ufunc__ = None  # NumPy's scalars leave products to this class

    def __init__(
        self,
        ring: ClosedFormRing,
        numerator: Any,
        denominator: int,
        exponents: dict[int, int],
        tail: dict[int, ClosedForm],
    ) -> None:
        self.ring, self.numerator, self.denominator = ring, numerator, denominator
        self._exponents = exponents
        self._tail = {i: c for i, c in tail.items() if not c.numerator.is_zero()}

    # -- arithmetic ---------------------------------------------------------------------

    def _coerce(self, other: Any) -> ClosedForm | None:
        if isinstance(other, ClosedForm):
            return other if other.ring is self.ring else None
        if isinstance(other, int | Fraction | sympy.Expr):
            return self.ring(other)
        if isinstance(other, numbers.Real):
            return self.ring(exact_constant(other))
        return None

    def __add__(self, other: Any) -> ClosedForm:
        b = self._coerce(other)
        if b is None:
            return NotImplemented
        common = lcm(self.denominator, b.denominator)
        exponents = {
            i: max(self._exponents.get(i, 0), b._exponents.get(i, 0))
            for i in self._exponents.keys() | b._exponents.keys()
        }
        total = self._raised(common, exponents) + b._raised(common, exponents)
        tail = dict(self._tail)
        for i, c in b._tail.items():
            tail[i] = tail[i] + c if i in tail else c
        return ClosedForm(self.ring, total, common, exponents if total else {}, tail)

    def _raised(self, denominator: int, exponents: Mapping[int, int]) -> Any:
        """The numerator over a common denominator."""
        value = self.numerator
        if denominator != self.denominator:
            value = value * (denominator // self.denominator)
        for i, e in exponents.items():
            missing = e - self._exponents.get(i, 0)
            if missing:
                value = value * self.ring._factors[i] ** missing
        return value

    def __mul__(self, other: Any) -> ClosedForm:
        b = self._coerce(other)
        if b is None:
            return NotImplemented
        exponents = dict(self._exponents)
        for i, e in b._exponents.items():
            exponents[i] = exponents.get(i, 0) + e
        tail = {
            i: self.at(i) * b.at(i) - self._regular_at(i) * b._regular_at(i)
            for i in self._tail.keys() | b._tail.keys()
        }
        product = self.numerator * b.numerator
        return ClosedForm(
            self.ring, product, self.denominator * b.denominator, exponents if product else {}, tail
        )

    __radd__, __rmul__ = __add__, __mul__

    def __neg__(self) -> ClosedForm:
        tail = {i: -c for i, c in self._tail.items()}
        return ClosedForm(self.ring, -self.numerator, self.denominator, self._exponents, tail)

    def __sub__(self, other: Any) -> ClosedForm:
        b = self._coerce(other)
        return NotImplemented if b is None else self + (-b)

    def __rsub__(self, other: Any) -> ClosedForm:
        return (-self) + other

    def __truediv__(self, other: Any) -> ClosedForm:
        b = self._coerce(other)
        return NotImplemented if b is None else self * b.inverse()

    def __rtruediv__(self, other: Any) -> ClosedForm:
        return self.inverse() * other

    def __pow__(self, power: int) -> ClosedForm:
        if not isinstance(power, int):
            raise ModflowError(f"({self})^{power} is not in {self.ring}")
        if power < 0:
            return self.inverse() ** (-power)
        result, base = self.ring(1), self
        while power:
            result = result * base if power & 1 else result
            base = base * base if power > 1 else base
            power >>= 1
        return result

    def inverse(self) -> ClosedForm:
        """1/self, for a non-zero element of the coefficient field (no k, no λ^k)."""
        if self == 0:
            raise ZeroDivisionError("division by zero in the coefficient ring")
        if not self.is_constant:
            raise ModflowError(f"cannot divide by {self}, which depends on k, in {self.ring}")
        me = self.reduced()
        content, factors = self.ring._factored(me.numerator)
        numerator = self.ring._context.constant(me.denominator)
        for i, e in me._exponents.items():
            numerator = numerator * self.ring._factors[i] ** e
        if content < 0:
            numerator, content = -numerator, -content
        return self.ring._element(numerator, content, factors).reduced()

    def __eq__(self, other: object) -> bool:
        b = self._coerce(other)
        if b is None:
            return NotImplemented
        difference = self if b.numerator.is_zero() and not b._tail else self - b
        if difference._tail:
            return False
        return bool(self.ring._collected(difference.numerator).is_zero())

    __hash__ = None  # type: ignore[assignment]

    def __bool__(self) -> bool:
        return self != 0

    # -- structure ----------------------------------------------------------------------

    @property
    def is_constant(self) -> bool:
        """Whether neither k nor any λ^k occurs."""
        unused = set(self.ring._context.names()[self.ring._k_index :])
        return not self._tail and unused.issubset(self.numerator.unused_gens())

    def reduced(self) -> ClosedForm:
        """The same element with common factors of numerator and denominator cancelled."""
        numerator, exponents = self.ring._collected(self.numerator), dict(self._exponents)
        if numerator.is_zero():
            return self.ring._element(numerator, tail=self._tail)
        for i, factor in enumerate(self.ring._factors):
            while exponents.get(i, 0) > 0:
                quotient, rest = divmod(numerator, factor)
                if not rest.is_zero():
                    break
                numerator, exponents[i] = quotient, exponents[i] - 1
        content = flint.fmpz(self.denominator).gcd(numerator.content())
        if content != 1:
            numerator = numerator / self.ring._context.constant(content)
        tail = {i: c.reduced() for i, c in self._tail.items()}
        kept = {i: e for i, e in exponents.items() if e}
        return self.ring._element(numerator, self.denominator // int(content), kept, tail)

    def shift(self) -> ClosedForm:
        """The element with k+1 for k."""
        result = self.ring(0)
        step = self.ring.k + 1
        for exponents, coefficients in self.by_exponential():
            value = self.ring(0)
            for i, c in enumerate(coefficients):
                if c != 0:
                    value = value + c * step**i
            scale = self.ring.rate_power(exponents)
            result = result + value * scale * self.ring.monomial(exponents)
        for i, c in self._tail.items():
            if i > 0:
                result = result + self.ring.at_only(i - 1, c)
        return result

    def at(self, k: int) -> ClosedForm:
        """The value at step k, in the coefficient field."""
        value = self._regular_at(k)
        return value + self._tail[k] if k in self._tail else value

    def _regular_at(self, k: int) -> ClosedForm:
        value = self.ring(0)
        for exponents, coefficients in self.by_exponential():
            part = self.ring(0)
            for i, c in enumerate(coefficients):
                part = part + c * k**i
            value = value + part * self.ring.rate_power(tuple(e * k for e in exponents))
        return value.reduced()

    def limit(self) -> ClosedForm:
        """The limit k → ∞: λ_i^k → 0, where symbols stand for decay rates of modulus < 1.

        Raises ModflowError where the element grows with k, or oscillates.
        """
        value = self.ring(0)
        for exponents, coefficients in self.reduced().by_exponential():
            if not any(exponents):
                value = coefficients[0]
                stays = all(c == 0 for c in coefficients[1:])
            else:
                base = self.ring.rate_power(exponents).to_sympy()
                stays = not base.is_Rational or abs(base) < 1
            if not stays:
                raise ModflowError(f"{self} has no limit as k grows")
        return value.reduced()

    def by_exponential(self) -> Iterator[tuple[tuple[int, ...], list[ClosedForm]]]:
        """For each product Π λ_i^(k e_i): the exponents e and the coefficients of 1, k, k², ..."""
        at = self.ring._k_index
        split: dict[tuple[int, ...], dict[int, dict[tuple[int, ...], Any]]] = {}
        for monomial, c in self.numerator.to_dict().items():
            monomial = tuple(int(e) for e in monomial)
            field = monomial[:at] + (0,) * (len(monomial) - at)
            split.setdefault(monomial[at + 1 :], {}).setdefault(monomial[at], {})[field] = c
        for exponents, by_power in sorted(split.items()):
            coefficients = []
            for i in range(max(by_power) + 1):
                numerator = self.ring._context.from_dict(by_power.get(i, {}))
                kept = self._exponents if i in by_power else {}
                coefficients.append(self.ring._element(numerator, self.denominator, kept))
            yield exponents, coefficients

    # -- SymPy and numbers --------------------------------------------------------------

    def terms(
        self, values: Mapping[str, Fraction]
    ) -> tuple[dict[tuple[int, Fraction], Fraction], dict[int, Fraction]]:
        """({(i, μ): c}, {k: correction}) at rational parameters: see `evaluate.terms`."""
        return terms(self, values)

    def value(self, values: Mapping[str, Fraction]) -> Fraction:
        """An element of the coefficient field at rational parameters; errors as for `terms`."""
        return field_value(self, values)

    def to_sympy(self) -> sympy.Expr:
        """A SymPy expression in k and the parameters, as one fraction, powers λ^k collected."""
        return to_sympy(self)

    def __str__(self) -> str:
        return str(self.to_sympy())

    __repr__ = __str__
