"""Sums, products, limits, integrals and Taylor series of elements, exactly.

A sum is closed by an antidifference F, F(j+1) - F(j) = t(j), and that is checked: Σ_{j=a}^{b} t(j)
is F(b+1) - F(a) for all whole b ≥ a-1. An integral likewise by an antiderivative. Limits rest on
k^n q^k → 0 for |q| < 1 and on the Taylor coefficients of numerator and denominator.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from math import comb
from typing import TYPE_CHECKING, Any

import sympy
from sympy.concrete.gosper import gosper_term
from sympy.functions.combinatorial.numbers import stirling

from .elements import DividesByZero, Element, Generator

if TYPE_CHECKING:
    from .reading import Reader

MAX_TERMS = 64
"""Terms of a sum or product that are written out, cases k = 0, 1, … that are looked at apart."""
MAX_ORDER = 24
"""Taylor coefficients that are looked at before a limit is given up."""


class Undecided(Exception):
    """What is left when no rule decides; one line."""


class Cases(Exception):
    """Whether the whole number `symbol` is below `first` makes a difference."""

    def __init__(self, symbol: sympy.Symbol, first: int) -> None:
        self.symbol, self.first = symbol, first
        super().__init__(f"{symbol} < {first} and above differ")


# -- sums and products -------------------------------------------------------------------------


def sum_of(reader: Reader, e: Any) -> Element:
    """Σ, also over several indices, of which the last is the outermost."""
    body, index, low, high = _outermost(reader, e)

    def total(a: Element, b: Element | None) -> Element:
        if b is not None:
            if (terms := _written_out(reader, body, index, a, b)) is not None:
                return sum(terms, reader.number(0))
            if reader.holds(b - a + 1, "Lt"):
                return reader.number(0)
        j = sympy.Dummy(index.name, integer=True)
        first: int | None = None
        with _ranging(reader, j, a, b):
            try:
                t = _body(reader, body, index, reader.symbol(j))
                _no_poles(reader, t, j)
                _no_division_by_zero(reader, body, index, j)
            except Cases as cases:
                if cases.symbol != j:
                    raise
                first = cases.first
        if first is not None:
            start, middle = a.rational(), reader.number(first)
            if (
                start is None
                or not start < first
                or (b is not None and reader.holds(b - middle + 1, "Lt"))
            ):
                raise Undecided(f"no rule for cases in {_line(e)}")
            head = _written_out(reader, body, index, a, middle - 1)
            if head is None:
                raise Undecided(f"too many cases in {_line(e)}")
            return sum(head, reader.number(0)) + total(middle, b)
        found = _known_sum(reader, t, j, a, b)
        if found is not None:
            return found
        reader.used.setdefault("sum, telescoped")
        f = antidifference(reader, t, j)
        _no_whole_poles(reader, f, j, a, b)
        if b is not None:
            return reader.at(f, j, b + 1) - reader.at(f, j, a)
        reader.used.setdefault("limit")
        with _growing(reader, j):
            return at_infinity(reader, f, j) - reader.at(f, j, a)

    return total(low, high)


def product_of(reader: Reader, e: Any) -> Element:
    """Π_{j=a}^{b} of powers of what is free of j, and of linear factors."""
    body, index, a, b = _outermost(reader, e)
    if b is None:
        raise Undecided(f"no rule for {_line(e)}")
    if (factors := _written_out(reader, body, index, a, b)) is not None:
        result = reader.number(1)
        for factor in factors:
            result = result * factor
        return result
    if reader.holds(b - a + 1, "Lt"):
        return reader.number(1)
    j = sympy.Dummy(index.name, integer=True)
    with _ranging(reader, j, a, b):
        t = _body(reader, body, index, reader.symbol(j)).canonical()
        _no_division_by_zero(reader, body, index, j)
        if t.is_zero():
            return reader.power(t, b - a + 1)
        _no_poles(reader, t, j)
        _no_poles(reader, t.inverse(), j)
        reader.used.setdefault("product")
        # The product up to any end c, so that P(c) / P(c-1) = t(c) can be checked.
        end = sympy.Dummy("c", integer=True)
        with _ranging(reader, end, a, b):
            c = reader.symbol(end)
            content, factors_of = t.factors()
            p = reader.power(reader.number(content), c - a + 1)
            for factor, n in factors_of:
                p = p * _factor_product(reader, factor, j, a, c) ** n
            steps = reader.at(p, end, c + 1) / p - reader.at(t, j, c + 1)
        if not (steps.is_zero() and (reader.at(p, end, a - 1) - 1).is_zero()):
            raise Undecided(f"no rule for {_line(e)}")
    return reader.at(p, end, b)


def _factor_product(
    reader: Reader, factor: Element, j: sympy.Symbol, a: Element, b: Element
) -> Element:
    if j not in factor.free:
        return reader.power(factor, b - a + 1)
    sole = factor.sole()
    if sole is not None and sole.kind in ("power", "root", "exp"):
        exponent = sole.inner[-1]
        f = antidifference(reader, exponent, j)
        total = reader.at(f, j, b + 1) - reader.at(f, j, a)
        if sole.kind == "exp":
            return reader.exp(total)
        if j not in sole.inner[0].free:
            return reader.raised(sole.inner[0], total)
    slope = reader.at(factor, j, reader.symbol(j) + 1) - factor
    if j in slope.free:
        raise Undecided(f"no rule for a product of {factor}")
    shift = reader.at(factor, j, reader.number(0)) / slope
    if reader.whole(shift) and reader.holds(a + shift, "Le"):
        raise Undecided(f"no rule for a product of {factor}")
    ratio = reader.factorial(b + shift) / reader.factorial(a + shift - 1)
    return reader.power(slope, b - a + 1) * ratio


def antidifference(reader: Reader, t: Element, j: sympy.Symbol) -> Element:
    """An F with F(j+1) - F(j) = t(j), which is checked.

    For Σ c j^n r^j by undetermined coefficients, for other hypergeometric terms by Gosper.
    """
    number, x = reader.number, reader.symbol(j)
    found: Element | None = number(0)
    groups: list[tuple[Element | None, dict[int, Element]]] = [*(_grouped(t, j) or ())]
    for g, p in groups or [(None, {})]:
        r = None if g is None else (reader.at(g, j, x + 1) / g).canonical()
        if g is None or r is None or j in r.free:
            found = None
            break
        # q with r q(j+1) - q(j) = p(j), from the highest power down
        resonant, q = (r - 1).is_zero(), dict[int, Element]()
        for n in range(max(p), -1, -1):
            top = max(p) + 1 if resonant else max(p)
            rest = p.get(n, number(0))
            for m in range(n + 2 if resonant else n + 1, top + 1):
                rest = rest - r * comb(m, n) * q[m]
            if resonant:
                q[n + 1] = rest / (n + 1)
            else:
                q[n] = rest / (r - 1)
        assert found is not None
        for n, c in q.items():
            found = found + c * x**n * g
    if found is None:
        found = _by_gosper(reader, t, j)
    if not (reader.at(found, j, x + 1) - found - t).is_zero():
        raise Undecided(f"no closed form of the sum of {t}")
    return found


def _by_gosper(reader: Reader, t: Element, j: sympy.Symbol) -> Element:
    expression = t.expression()
    try:
        ratio = gosper_term(expression, j)
    except Exception as error:  # SymPy raises whatever it runs into
        raise Undecided(f"no closed form of the sum of {t}") from error
    if ratio is None:
        raise Undecided(f"no closed form of the sum of {t}")
    return reader.again(ratio) * t


def _grouped(t: Element, j: sympy.Symbol) -> list[tuple[Element, dict[int, Element]]] | None:
    """t = Σ g P(j) with g products of powers of generators; None for anything else."""
    groups: dict[Any, tuple[Element, dict[int, Element]]] = {}
    try:
        for n, g, c in t.split(j):
            _, parts = groups.setdefault(g.expression(), (g, {}))
            parts[n] = parts[n] + c if n in parts else c
    except ValueError:
        return None
    return list(groups.values())


def _known_sum(
    reader: Reader, t: Element, j: sympy.Symbol, a: Element, b: Element | None
) -> Element | None:
    """Σ_{j=0}^{b} C(b, j) P(j) r^j, or Σ_{j≥0} P(j) r^j / j!; None for anything else."""
    if not a.is_zero() or not any(
        g.kind == "opaque" and isinstance(g.expression, sympy.factorial) for g in generators_of(t)
    ):
        return None
    x, number = reader.symbol(j), reader.number
    if b is not None and not reader.holds(b, "Ge"):
        return number(0)
    plain = t * reader.factorial(x)
    plain = (plain if b is None else plain * reader.factorial(b - x)).canonical()
    total = number(0)
    groups: list[tuple[Element | None, dict[int, Element]]] = [*(_grouped(plain, j) or ())]
    for g, p in groups or [(None, {})]:
        r = None if g is None else (reader.at(g, j, x + 1) / g).canonical()
        if g is None or r is None or j in r.free:
            return None
        start = reader.at(g, j, number(0))
        for n, c in p.items():
            for m in range(n + 1):
                part = c * start * int(stirling(n, m)) * r**m
                if b is None:
                    total = total + part * reader.exp(r)
                    continue
                for i in range(m):
                    part = part * (b - i)
                total = total + part * reader.power(1 + r, b - m) / reader.factorial(b)
    reader.used.setdefault("exponential series" if b is None else "binomial theorem")
    return total


def _outermost(reader: Reader, e: Any) -> tuple[Any, sympy.Symbol, Element, Element | None]:
    *inner, last = e.limits
    if len(last) != 3:
        raise Undecided(f"{_line(e)} has no bounds")
    body = type(e)(e.function, *inner) if inner else e.function
    index, low, high = last
    return body, index, reader.scalar(low), None if high is sympy.oo else reader.scalar(high)


def _body(reader: Reader, body: Any, index: sympy.Symbol, value: Element) -> Element:
    with reader.bound({index: value}):
        return reader.scalar(body)


def _written_out(
    reader: Reader, body: Any, index: sympy.Symbol, a: Element, b: Element
) -> list[Element] | None:
    """The terms, where there is a known and small number of them."""
    span = (b - a).rational()
    if span is None or (span > MAX_TERMS and reader.whole(a)):
        return None
    if span.denominator != 1 or span > MAX_TERMS:
        raise Undecided(f"bounds {a} and {b} that are not whole numbers")
    return [_body(reader, body, index, a + i) for i in range(int(span) + 1)]


@contextmanager
def _ranging(reader: Reader, j: sympy.Symbol, a: Element, b: Element | None) -> Iterator[None]:
    """An index that runs from a to b."""
    if not reader.whole(a):
        raise Undecided(f"a bound {a} that is not a whole number")
    reader.ranges[j] = a, b
    try:
        yield
    finally:
        del reader.ranges[j]


def _no_poles(reader: Reader, t: Element, j: sympy.Symbol) -> None:
    """A closed form can be finite where a term is not: 1/(j(j+1)) from j = -1 on."""
    for factor in _divisors(t):
        sole = factor.sole()
        if j not in factor.free or (sole is not None and sole.kind in ("power", "exp")):
            continue
        if sole is not None and isinstance(sole.expression, sympy.factorial):
            continue
        _not_zero(reader, factor)


def _no_division_by_zero(reader: Reader, body: Any, index: sympy.Symbol, j: sympy.Symbol) -> None:
    """In a term as it is written, before anything cancels: j/j is none for j = 0."""
    for power in body.atoms(sympy.Pow):
        if power.exp.is_negative and index in power.base.free_symbols:
            _not_zero(reader, _body(reader, power.base, index, reader.symbol(j)))


def _no_whole_poles(
    reader: Reader, f: Element, j: sympy.Symbol, a: Element, b: Element | None
) -> None:
    """An antidifference with a factor 1/k says nothing about k = 0; then that is a case apart."""
    with _ranging(reader, j, a, None if b is None else b + 1):
        for factor in _divisors(f):
            _not_zero(reader, factor)


def _divisors(e: Element) -> list[Element]:
    """The factors of the denominator."""
    return [factor for factor, _ in e.field.element(e.canonical().bottom).factors()[1]]


def _not_zero(reader: Reader, e: Element) -> None:
    """Raises DividesByZero for a whole number that is 0, Cases for one that is sometimes."""
    if reader.whole(e) and reader.holds(e, "Eq"):
        raise DividesByZero


# -- limits --------------------------------------------------------------------------------------


def limit_of(reader: Reader, e: Any) -> Element:
    """lim x → ∞, or x → x0 where numerator and denominator are smooth."""
    body, variable, point, _ = e.args
    reader.used.setdefault("limit")
    assumptions = {k: v for k, v in variable.assumptions0.items() if k != "commutative"}
    if point is sympy.oo:
        whole = reader.is_index(variable)
        x = sympy.Dummy(variable.name, integer=True) if whole else sympy.Dummy(variable.name)
        with _growing(reader, x, whole=whole):
            found = _body(reader, body, variable, reader.symbol(x))
            return at_infinity(reader, found, x)
    x = sympy.Dummy(variable.name, **assumptions)
    value = reader.scalar(point)
    if reader.is_index(variable):
        raise Undecided(f"a limit of the whole number {variable} to {value}")
    found = _body(reader, body, variable, reader.symbol(x)).canonical()
    field = reader.field
    top, bottom = field.element(found.top), field.element(found.bottom)
    for order in (2, 6, 12, MAX_ORDER):
        over = taylor(reader, bottom, x, value, order)
        first = next((i for i, c in enumerate(over) if not c.is_zero()), None)
        if first is None:
            continue
        above = taylor(reader, top, x, value, first + 1)
        if any(not c.is_zero() for c in above[:first]):
            raise DividesByZero(f"{_line(e)} is not finite")
        return above[first] / over[first]
    raise Undecided(f"no rule for {_line(e)}")


@contextmanager
def _growing(reader: Reader, x: sympy.Symbol, *, whole: bool = True) -> Iterator[None]:
    if whole:
        reader.large.append(x)
    try:
        yield
    finally:
        if whole:
            reader.large.remove(x)


def at_infinity(reader: Reader, f: Element, x: sympy.Symbol) -> Element:
    """lim f for x → ∞, by the terms that do not vanish against others.

    A term x^n Π g with a g that decays exponentially is smaller than any polynomial in x.
    """
    f = f.canonical()
    field, one = f.field, f.field.context.constant(1)
    decay: dict[int, int] = {}
    own, turning = None, set[int]()
    tops, bottoms = field.up(f.top), field.up(f.bottom)
    for i, g in enumerate(field.generators):
        if x not in g.free or (tops.degrees()[i] <= 0 and bottoms.degrees()[i] <= 0):
            continue
        if g.kind == "symbol":
            own = i
        elif (rate := _decay(reader, g, x)) is None:
            turning.add(i)
        else:
            decay[i] = rate
    highest = {i: max(tops.degrees()[i], bottoms.degrees()[i]) for i in decay}

    def speeds(monomial: tuple[int, ...]) -> tuple[int, ...]:
        """How fast a term vanishes, once both parts are divided by what grows fastest."""
        return tuple(
            e if rate > 0 else highest[i] - e for i, rate in decay.items() for e in [monomial[i]]
        )

    def parts(polynomial: Any) -> list[tuple[tuple[int, ...], tuple[int, ...], Any]]:
        found = [(tuple(int(e) for e in m), c) for m, c in polynomial.to_dict().items()]
        return [(speeds(m), m, c) for m, c in found]

    below = parts(bottoms)
    least = tuple(min(s) for s in zip(*(s for s, _, _ in below), strict=True))
    above = [(tuple(a - b for a, b in zip(s, least, strict=True)), m, c) for s, m, c in parts(tops)]
    if any(e < 0 for s, _, _ in above for e in s):
        raise Undecided(f"no limit of {f} is known")
    numerator = _leading(field, [(m, c) for s, m, c in above if not any(s)], own, turning)
    denominator = _leading(field, [(m, c) for s, m, c in below if s == least], own, turning)
    # What decays is divided out, so that only x and what is free of it is left.
    strip = dict.fromkeys(decay, 0)
    numerator, denominator = (
        {key: _without(field, m, strip) for key, m in part.items()}
        for part in (numerator, denominator)
    )
    if any(turns for _, turns in denominator):
        raise Undecided(f"no limit of {f} is known")
    degrees = [n for (n, _), c in denominator.items() if not c.is_zero()]
    if not degrees:
        raise Undecided(f"no limit of {f} is known")
    degree = max(degrees)
    for (n, turns), c in numerator.items():
        if (n > degree or (n == degree and turns)) and not c.is_zero():
            raise Undecided(f"{f} has no finite limit, or none that is known")
    top = numerator.get((degree, ()), Element(field, field.context.constant(0), one))
    return top / denominator[degree, ()]


def _leading(
    field: Any, terms: list[tuple[tuple[int, ...], Any]], own: int | None, turning: set[int]
) -> dict[tuple[int, tuple[int, ...]], Any]:
    """Terms by their power of x and by what turns, such as (-1)^k, as dictionaries."""
    found: dict[tuple[int, tuple[int, ...]], dict[tuple[int, ...], Any]] = {}
    for monomial, c in terms:
        n = 0 if own is None else monomial[own]
        turns = tuple(i for i in sorted(turning) for _ in range(monomial[i]))
        rest = tuple(0 if i == own or i in turning else e for i, e in enumerate(monomial))
        found.setdefault((n, turns), {})[rest] = c
    return found


def _without(field: Any, part: dict[tuple[int, ...], Any], strip: dict[int, int]) -> Element:
    rests = {tuple(strip.get(i, e) for i, e in enumerate(m)): c for m, c in part.items()}
    return field.element(field.context.from_dict(rests))


def _decay(reader: Reader, g: Generator, x: sympy.Symbol) -> int | None:
    """1 for what vanishes exponentially as x → ∞, -1 for what grows so, None for ±1 in turn."""
    if g.kind in ("exp", "power", "root") and x in g.inner[-1].free:
        rest = g.inner[-1]
        for _ in range(4):
            rest = rest / reader.symbol(x)
            if x in rest.free:
                continue
            sign = 1 if reader.positive(rest) else -1 if reader.positive(-rest) else 0
            if g.kind == "exp" and sign and reader.is_real(rest):
                return -sign
            if g.kind != "exp" and sign and x not in g.inner[0].free:
                if (g.inner[0] + 1).is_zero() and reader.whole(g.inner[1]):
                    return None
                contracts = reader.contracts(g.inner[0])
                if contracts is not None:
                    return sign if contracts else -sign
                raise Undecided(f"whether |{g.inner[0]}| < 1 is not known")
            break
    raise Undecided(f"no limit of {g.expression} for {x} → ∞ is known")


# -- Taylor series -------------------------------------------------------------------------------


def taylor(reader: Reader, f: Element, x: sympy.Symbol, at: Element, order: int) -> list[Element]:
    """The first coefficients of f in powers of x - at; Undecided where it is not smooth there."""
    return _Taylor(reader, x, at, order).of(f)


def remainder(reader: Reader, f: Element, x: sympy.Symbol, order: int) -> Element:
    """The terms of f below x^order, by its expansion at x = 0: 0 where f = O(x^order)."""
    f = f.canonical()
    zero = reader.number(0)
    top, bottom = reader.field.element(f.top), reader.field.element(f.bottom)
    for extra in (1, 6, MAX_ORDER):
        over = taylor(reader, bottom, x, zero, extra)
        first = next((i for i, c in enumerate(over) if not c.is_zero()), None)
        if first is not None:
            break
    else:
        raise Undecided(f"no expansion of {f} at {x} = 0")
    above = taylor(reader, top, x, zero, order + first)
    if all(c.is_zero() for c in above):
        return zero
    over = taylor(reader, bottom, x, zero, order + 2 * first)[first:]
    total = zero
    for i, c in enumerate(_divided(above, over)):
        total = total + c * reader.symbol(x) ** (i - first)
    return total


def _times(a: list[Element], b: list[Element]) -> list[Element]:
    return [_sum(a[i] * b[n - i] for i in range(n + 1)) for n in range(len(a))]


def _divided(a: list[Element], b: list[Element]) -> list[Element]:
    if b[0].is_zero():
        raise Undecided("a quotient that is not smooth")
    inverse, found = b[0].inverse(), list[Element]()
    for n in range(len(a)):
        rest = a[n]
        for i in range(n):
            rest = rest - found[i] * b[n - i]
        found.append(rest * inverse)
    return found


def _sum(parts: Any) -> Element:
    total: Element | None = None
    for part in parts:
        total = part if total is None else total + part
    assert total is not None
    return total


class _Taylor:
    """Coefficients by the differential equations that exponentials, logarithms and powers obey."""

    def __init__(self, reader: Reader, x: sympy.Symbol, at: Element, order: int) -> None:
        self.reader, self.x, self.start, self.order = reader, x, at, order
        self.known: dict[int, list[Element]] = {}

    def constant(self, value: Element) -> list[Element]:
        return [value] + [self.reader.number(0)] * (self.order - 1)

    def of(self, f: Element) -> list[Element]:
        if self.x not in f.free:
            return self.constant(f)
        f = f.canonical()
        top = self.polynomial(f.top)
        return top if f.bottom.is_one() else _divided(top, self.polynomial(f.bottom))

    def polynomial(self, polynomial: Any) -> list[Element]:
        total = self.constant(self.reader.number(0))
        powers: dict[tuple[int, int], list[Element]] = {}

        def power(i: int, e: int) -> list[Element]:
            if (i, e) not in powers:
                base = self.generator(i)
                powers[i, e] = base if e == 1 else _times(power(i, e - 1), base)
            return powers[i, e]

        for monomial, c in polynomial.to_dict().items():
            term = self.constant(self.reader.number(int(c)))
            for i, e in enumerate(int(e) for e in monomial):
                if e:
                    term = _times(term, power(i, e))
            total = [a + b for a, b in zip(total, term, strict=True)]
        return total

    def generator(self, index: int) -> list[Element]:
        if index not in self.known:
            self.known[index] = self._generator(self.reader.field.generators[index], index)
        return self.known[index]

    def _generator(self, g: Generator, index: int) -> list[Element]:
        reader, field = self.reader, self.reader.field
        one = field.context.constant(1)
        element = Element(field, field.context.gen(index), one)
        if self.x not in g.free:
            return self.constant(element)
        if g.kind == "symbol":
            return ([self.start, reader.number(1)] + [reader.number(0)] * self.order)[: self.order]
        if g.kind == "opaque":
            raise Undecided(f"no expansion of {g.expression} in {self.x}")
        inner = [self.of(part) for part in g.inner]
        if g.kind == "exp":
            return self.exp(inner[0], reader.exp(inner[0][0]))
        base = inner[0]
        if base[0].is_zero():
            raise Undecided(f"no expansion of {g.expression} in {self.x}")
        if g.kind == "log":
            return self.log(base)
        first = reader.at(element, self.x, self.start)
        if self.x in g.inner[1].free:
            return self.exp(_times(inner[1], self.log(base)), first)
        # b g' = e b' g for g = b^e
        e, inverse, found = inner[1][0], base[0].inverse(), [first]
        for n in range(1, self.order):
            total = _sum((e * i - (n - i)) * base[i] * found[n - i] for i in range(1, n + 1))
            found.append(total * inverse / n)
        return found

    def exp(self, u: list[Element], first: Element) -> list[Element]:
        found = [first]
        for n in range(1, self.order):
            found.append(_sum(i * u[i] * found[n - i] for i in range(1, n + 1)) / n)
        return found

    def log(self, base: list[Element]) -> list[Element]:
        found, inverse = [self.reader.log(base[0])], base[0].inverse()
        for n in range(1, self.order):
            rest = n * base[n]
            for i in range(1, n):
                rest = rest - i * found[i] * base[n - i]
            found.append(rest * inverse / n)
        return found


# -- integrals -----------------------------------------------------------------------------------


def integral_of(reader: Reader, e: Any) -> Element:
    """∫_a^b by an antiderivative, which is checked, and which must be smooth on [a, b]."""
    *inner, last = e.limits
    if len(last) != 3:
        raise Undecided(f"{_line(e)} has no bounds, so that it is known up to a constant only")
    body = sympy.Integral(e.function, *inner) if inner else e.function
    variable, low, high = last
    a, b = reader.scalar(low), None if high is sympy.oo else reader.scalar(high)
    reader.used.setdefault("integral")
    x = sympy.Dummy(variable.name, real=True)
    t = _body(reader, body, variable, reader.symbol(x)).canonical()
    f = _own_antiderivative(reader, t, x)
    if f is None:
        if b is None:
            raise Undecided(f"no rule for {_line(e)}")
        f = _antiderivative(reader, t, x, a, b)
    slope = reader.again(sympy.diff(f.expression(), x))
    if not (slope - t).is_zero():
        raise Undecided(f"no antiderivative of {t}")
    if b is not None:
        _smooth(reader, t, x, a, b)
        _smooth(reader, f, x, a, b)
        return reader.at(f, x, b) - reader.at(f, x, a)
    return at_infinity(reader, f, x) - reader.at(f, x, a)


def _own_antiderivative(reader: Reader, t: Element, x: sympy.Symbol) -> Element | None:
    """That of Σ c x^n exp(a x), by undetermined coefficients; None for anything else."""
    groups, total, number = _grouped(t, x), reader.number(0), reader.number
    if groups is None:
        return None
    for g, p in groups:
        c = reader.again(sympy.diff(g.expression(), x)) / g
        if x in c.free or any(
            inner.kind not in ("symbol", "exp", "power") or x in inner.inner[0].free
            for inner in generators_of(g)
            if x in inner.free and inner.kind != "exp"
        ):
            return None
        q: dict[int, Element] = {}
        for n in range(max(p), -1, -1):
            rest = p.get(n, number(0))
            if c.is_zero():
                q[n + 1] = rest / (n + 1)
            else:
                q[n] = (rest - (n + 1) * q.get(n + 1, number(0))) / c
        for n, factor in q.items():
            total = total + factor * reader.symbol(x) ** n * g
    return total


def _antiderivative(reader: Reader, t: Element, x: sympy.Symbol, a: Element, b: Element) -> Element:
    try:
        found = sympy.integrate(t.expression(), x)
    except Exception as error:  # SymPy raises whatever it runs into
        raise Undecided(f"no antiderivative of {t}") from error
    # The first branch is the one for parameters in general; it is checked by its derivative.
    found = found.replace(lambda p: isinstance(p, sympy.Piecewise), lambda p: p.args[0][0])
    if found.has(sympy.Integral):
        raise Undecided(f"no antiderivative of {t}")

    def absolute(argument: sympy.Expr) -> sympy.Expr:
        """log(-u) has the same derivative, and is real where u < 0."""
        u = reader.again(argument)
        return sympy.log(-argument if _sign(reader, u, x, a, b) < 0 else argument)

    return reader.again(found.replace(sympy.log, absolute))


def _smooth(reader: Reader, f: Element, x: sympy.Symbol, a: Element, b: Element) -> None:
    """Undecided where f may have a singularity between a and b."""
    f = f.canonical()
    if x in f.field.element(f.bottom).free:
        _sign(reader, f.field.element(f.bottom), x, a, b)
    for g in generators_of(f):
        if x not in g.free or g.kind == "symbol":
            continue
        if g.kind == "opaque":
            raise Undecided(f"whether {g.expression} is smooth is not known")
        for part in g.inner:
            _smooth(reader, part, x, a, b)
        if g.kind != "exp" and x in g.inner[0].free and _sign(reader, g.inner[0], x, a, b) < 0:
            raise Undecided(f"whether {g.expression} is smooth is not known")


def _sign(reader: Reader, f: Element, x: sympy.Symbol, a: Element, b: Element) -> int:
    """The sign of f, which is the same and not 0 everywhere between a and b."""
    content, factors = f.canonical().factors()
    sign = 1 if content > 0 else -1
    for factor, n in factors:
        sole = factor.sole()
        if sole is not None and sole.kind == "exp" and reader.is_real(sole.inner[0]):
            continue
        ends = [reader.at(factor, x, end) for end in (a, b)]
        linear = reader.at(factor, x, reader.symbol(x) + 1) - factor
        polynomial = all(g.kind == "symbol" for g in generators_of(factor) if x in g.free)
        if x in linear.free or not polynomial:
            raise Undecided(f"the sign of {factor} is not known")
        if all(reader.positive(-end) for end in ends):
            sign *= (-1) ** n
        elif not all(reader.positive(end) for end in ends):
            raise Undecided(f"the sign of {factor} between {a} and {b} is not known")
    return sign


def generators_of(element: Element) -> list[Generator]:
    """The generators that occur in an element."""
    me = element.canonical()
    used = {i for p in (me.top, me.bottom) for i, e in enumerate(p.degrees()) if e > 0}
    return [me.field.generators[i] for i in sorted(used)]


def _line(expression: Any) -> str:
    return " ".join(str(expression).split())
