"""Exact rational functions of independent generators: where equality can be decided.

A generator is a symbol or something that behaves as one, such as β^k or exp(-λt). A root obeys a
relation g^q = value, by earlier generators; all others are taken as independent. An element whose
numerator vanishes with the relations applied is 0 for all values of the symbols where it is
defined. (The converse fails where generators obey a relation that is not known here, so that an
element that is not 0 here has not been shown to differ from 0.)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import flint
import sympy


class DividesByZero(ZeroDivisionError):
    """A denominator that is 0, or may be, for all values of the symbols."""


@dataclass(frozen=True, eq=False)
class Generator:
    """What one variable of a field stands for."""

    kind: str
    """`symbol`, `power` (base, exponent), `root` (value), `exp`, `log` or `opaque`."""
    expression: sympy.Expr
    inner: tuple[Element, ...]
    free: frozenset[sympy.Symbol]
    """The symbols it depends on."""
    degree: int = 0
    """The q of a relation g^q = value, 0 without one."""
    value: Element | None = None


class Field:
    """Q(generators), which grows as generators are met."""

    def __init__(self) -> None:
        self.generators: list[Generator] = []
        self._index: dict[Any, int] = {}
        self.context = flint.fmpz_mpoly_ctx.get([], flint.Ordering.lex)

    def number(self, value: int | Fraction) -> Element:
        """A rational number."""
        value = Fraction(value)
        constant = self.context.constant
        return Element(self, constant(value.numerator), constant(value.denominator))

    def generator(
        self,
        key: Any,
        make: Callable[[], tuple[str, sympy.Expr, tuple[Element, ...]]],
        relation: tuple[int, Element] | None = None,
    ) -> Element:
        """The generator of this key, made at the first call; with its relation g^q = value."""
        index = self._index.get(key)
        if index is None:
            kind, expression, inner = make()
            free = {expression} if kind == "symbol" else set()
            for part in inner:
                free |= part.free
            degree, value = relation or (0, None)
            index = self._index[key] = len(self.generators)
            self.generators.append(
                Generator(kind, expression, inner, frozenset(free), degree, value)
            )
            names = [f"g{i}" for i in range(len(self.generators))]
            self.context = flint.fmpz_mpoly_ctx.get(names, flint.Ordering.lex)
        return Element(self, self.context.gen(index), self.context.constant(1))

    def find(self, key: Any) -> Element | None:
        """The generator of this key, if there is one."""
        index = self._index.get(key)
        if index is None:
            return None
        return Element(self, self.context.gen(index), self.context.constant(1))

    def up(self, polynomial: Any) -> Any:
        """A polynomial that was made when there were fewer generators."""
        if polynomial.context() is self.context:
            return polynomial
        missing = self.context.nvars() - polynomial.context().nvars()
        zeros = (0,) * missing
        return self.context.from_dict({(*m, *zeros): c for m, c in polynomial.to_dict().items()})

    def element(self, numerator: Any, denominator: Any = None) -> Element:
        """numerator / denominator in lowest terms, the denominator with a positive first term."""
        one = self.context.constant(1)
        top, bottom = self.up(numerator), one if denominator is None else self.up(denominator)
        if bottom.is_zero():
            raise DividesByZero
        if top.is_zero():
            return Element(self, top, one)
        if not bottom.is_one():
            common = top.gcd(bottom)
            if not common.is_one():
                top, bottom = top / common, bottom / common
            if bottom.leading_coefficient() < 0:
                top, bottom = -top, -bottom
        return Element(self, top, bottom)


class Element:
    """A rational function of the generators of a field, in lowest terms."""

    __slots__ = ("_canonical", "bottom", "field", "top")
    __array_ufunc__ = None

    def __init__(self, field: Field, top: Any, bottom: Any) -> None:
        self.field, self.top, self.bottom = field, top, bottom
        self._canonical: Element | None = None

    # -- arithmetic ---------------------------------------------------------------------

    def _pair(self, other: Any) -> tuple[Any, Any, Any, Any]:
        if not isinstance(other, Element):
            other = self.field.number(other)
        up = self.field.up
        return up(self.top), up(self.bottom), up(other.top), up(other.bottom)

    def __add__(self, other: Any) -> Element:
        a, b, c, d = self._pair(other)
        if b == d:
            return self.field.element(a + c, b)
        return self.field.element(a * d + c * b, b * d)

    def __mul__(self, other: Any) -> Element:
        a, b, c, d = self._pair(other)
        return self.field.element(a * c, b * d)

    def __neg__(self) -> Element:
        return Element(self.field, -self.top, self.bottom)

    def __sub__(self, other: Any) -> Element:
        return self + (-other)

    def __truediv__(self, other: Any) -> Element:
        if not isinstance(other, Element):
            return self * (1 / Fraction(other))
        return self * other.inverse()

    def __rtruediv__(self, other: Any) -> Element:
        return self.inverse() * other

    __radd__, __rmul__ = __add__, __mul__

    def __rsub__(self, other: Any) -> Element:
        return -self + other

    def __pow__(self, power: int) -> Element:
        base = self if power >= 0 else self.inverse()
        return Element(self.field, base.top ** abs(power), base.bottom ** abs(power))

    def inverse(self) -> Element:
        """1/self; DividesByZero where that is 0, or a root's other branch makes it so."""
        me = self.canonical()
        if me.top.is_zero():
            raise DividesByZero
        return self.field.element(me.bottom, me.top).canonical()

    # -- relations ----------------------------------------------------------------------

    def canonical(self) -> Element:
        """With the relations of all roots applied, and square roots out of denominators."""
        if self._canonical is None:
            me = self
            for i in reversed([i for i in self.indices() if self.field.generators[i].degree]):
                me = _reduced(me, i)
            me._canonical = me
            self._canonical = me
        return self._canonical

    def is_zero(self) -> bool:
        """Whether this is 0 for all values of the symbols, as far as the relations tell."""
        return bool(self.canonical().top.is_zero())

    def indices(self) -> list[int]:
        """The generators that occur, and those that their relations lead to, ascending."""
        found: set[int] = set()
        new = set(_occurring(self.top)) | set(_occurring(self.bottom))
        while new:
            found |= new
            values = [self.field.generators[i].value for i in new]
            inner = [
                j for v in values if v is not None for p in (v.top, v.bottom) for j in _occurring(p)
            ]
            new = set(inner) - found
        return sorted(found)

    # -- parts --------------------------------------------------------------------------

    @property
    def free(self) -> frozenset[sympy.Symbol]:
        """The symbols that this depends on."""
        used = {*_occurring(self.top), *_occurring(self.bottom)}
        return frozenset[sympy.Symbol]().union(*(self.field.generators[i].free for i in used))

    def rational(self) -> Fraction | None:
        """The value of a rational number, None for anything else."""
        me = self.canonical()
        if not (me.top.is_constant() and me.bottom.is_constant()):
            return None
        return Fraction(
            int(me.top.leading_coefficient()) if me.top else 0, int(me.bottom.leading_coefficient())
        )

    def sole(self) -> Generator | None:
        """The generator that this is, None where it is not one."""
        if not self.bottom.is_one() or len(self.top) != 1:
            return None
        ((monomial, c),) = self.top.to_dict().items()
        if c != 1 or sum(monomial) != 1:
            return None
        return self.field.generators[[int(e) for e in monomial].index(1)]

    def terms(self) -> Iterator[tuple[Element, Fraction]]:
        """(m, c) with self = Σ c m: rational numbers c, and m monomials over one polynomial."""
        field, me = self.field, self.canonical()
        content = int(me.bottom.content())
        bottom = me.bottom / me.bottom.context().constant(content)
        for monomial, c in me.top.to_dict().items():
            top = me.top.context().from_dict({monomial: 1})
            yield field.element(top, bottom), Fraction(int(c), content)

    def factors(self) -> tuple[Fraction, list[tuple[Element, int]]]:
        """c, [(f, n)] with self = c Π f^n, the f irreducible, signed as 1 - β, not β - 1."""
        content, found = Fraction(1), []
        for polynomial, sign in ((self.top, 1), (self.bottom, -1)):
            try:
                number, pairs = polynomial.factor()
            except OverflowError:  # python-flint sorts factors by coefficients that fit an int
                number = polynomial.content()
                pairs = [(polynomial / polynomial.context().constant(number), 1)]
            content *= Fraction(int(number)) ** sign
            for factor, n in pairs:
                terms = factor.to_dict()
                if terms[min(terms, key=sum)] < 0:
                    factor, content = -factor, content * (-1) ** int(n)
                found.append((self.field.element(factor), sign * int(n)))
        return content, found

    def split(self, symbol: sympy.Symbol) -> Iterator[tuple[int, Element, Element]]:
        """(n, g, c) with self = Σ c g s^n: g a product of generators that depend on the symbol s.

        Raises ValueError where the denominator depends on s in another way than by such g.
        """
        field, me = self.field, self.canonical()
        generators = field.generators
        depends = [symbol in g.free for g in generators]
        own = [g.kind == "symbol" and g.expression == symbol for g in generators]
        below: dict[int, int] = {}
        rest = field.number(1)
        for factor, n in field.element(me.bottom).factors()[1]:
            if symbol in factor.free:
                if factor.sole() is None:
                    raise ValueError(f"{symbol} in a denominator")
                below[_occurring(factor.top)[0]] = n
            else:
                rest = rest * factor**n
        rest = rest * field.element(me.bottom).factors()[0]
        groups: dict[tuple[int, tuple[tuple[int, int], ...]], dict[Any, Any]] = {}
        for monomial, c in me.top.to_dict().items():
            power, product, other = 0, dict.fromkeys(below, 0), []
            for i, e in enumerate(int(e) for e in monomial):
                e_here = e - below.get(i, 0)
                if depends[i] and own[i]:
                    power += e_here
                elif depends[i] and e_here:
                    product[i] = e_here
                other.append(0 if depends[i] else e)
            product = {i: e for i, e in product.items() if e}
            if power < 0:
                raise ValueError(f"{symbol} in a denominator")
            key = power, tuple(sorted(product.items()))
            groups.setdefault(key, {})[tuple(other)] = c
        context = me.top.context()
        for (power, pairs), polynomial in groups.items():
            g = field.number(1)
            for i, e in pairs:
                one = field.context.constant(1)
                g = g * Element(field, field.context.gen(i), one) ** e
            yield power, g, field.element(context.from_dict(polynomial)) / rest

    # -- SymPy --------------------------------------------------------------------------

    def expression(self) -> sympy.Expr:
        """A SymPy expression, expanded over expanded."""
        me = self.canonical()
        return me._of(me.top) / me._of(me.bottom)

    def legible(self) -> sympy.Expr:
        """A SymPy expression in factors, or expanded where that is shorter."""
        me = self.canonical()
        if me.top.is_zero():
            return sympy.Integer(0)
        content, pairs = me.factors()
        product = sympy.Rational(content.numerator, content.denominator)
        for factor, n in pairs:
            product *= factor._of(factor.top) ** n
        return min(product, me.expression(), key=sympy.count_ops)

    def _of(self, polynomial: Any) -> sympy.Expr:
        generators = [g.expression for g in self.field.generators]
        return sympy.Add(
            *(
                sympy.Mul(int(c), *(g ** int(e) for g, e in zip(generators, m, strict=False) if e))
                for m, c in polynomial.to_dict().items()
            )
        )

    def __repr__(self) -> str:
        return str(self.legible())


def _occurring(polynomial: Any) -> list[int]:
    return [i for i, e in enumerate(polynomial.degrees()) if e > 0]


def _reduced(element: Element, index: int) -> Element:
    """With g^q replaced by its value, where g is the generator of this index."""
    field, root = element.field, element.field.generators[index]
    assert root.value is not None
    top, bottom = _by_power(element, element.top, index), _by_power(element, element.bottom, index)
    if max(top) < root.degree and max(bottom) == 0:
        return element
    over = _collected(bottom, root)
    numerator = _joined(field, _collected(top, root), index)
    if set(over) <= {0}:
        return numerator / _no_zero(over.get(0))
    if root.degree == 2:
        # 1/(a + b g) = (a - b g)/(a² - b² g²)
        a, b = over.get(0, field.number(0)), over[1]
        norm = a * a - b * b * root.value
        opposite = _joined(field, {0: a, 1: -b}, index)
        product = numerator * opposite / _no_zero(norm)
        return _joined(field, _collected(_by_power(product, product.top, index), root), index) / (
            field.element(product.bottom)
        )
    denominator = _joined(field, over, index)
    relation = field.element(root.value.bottom) * _generator(field, index) ** root.degree - (
        field.element(root.value.top)
    )
    norm = field.up(denominator.top).resultant(field.up(relation.top), index)
    _no_zero(field.element(norm))
    return field.element(
        numerator.field.up(numerator.top) * field.up(denominator.bottom),
        field.up(numerator.bottom) * field.up(denominator.top),
    )


def _generator(field: Field, index: int) -> Element:
    return Element(field, field.context.gen(index), field.context.constant(1))


def _no_zero(element: Element | None) -> Element:
    if element is None or element.is_zero():
        raise DividesByZero
    return element


def _by_power(element: Element, polynomial: Any, index: int) -> dict[int, Element]:
    """A polynomial's coefficients by powers of one generator."""
    parts: dict[int, dict[Any, Any]] = {0: {}}
    for monomial, c in polynomial.to_dict().items():
        at = tuple(0 if i == index else int(e) for i, e in enumerate(monomial))
        parts.setdefault(int(monomial[index]), {})[at] = c
    context = polynomial.context()
    return {e: element.field.element(context.from_dict(part)) for e, part in parts.items()}


def _collected(parts: dict[int, Element], root: Generator) -> dict[int, Element]:
    """The same with powers below the degree of the relation only."""
    assert root.value is not None
    found: dict[int, Element] = {}
    for e, c in parts.items():
        whole, rest = divmod(e, root.degree)
        term = c * root.value**whole
        found[rest] = found[rest] + term if rest in found else term
    return {e: c for e, c in found.items() if not c.is_zero()}


def _joined(field: Field, parts: dict[int, Element], index: int) -> Element:
    total = field.number(0)
    for e, c in parts.items():
        total = total + c * _generator(field, index) ** e
    return total
