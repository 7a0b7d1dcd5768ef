"""Formulas as sequences of operations, to be evaluated over any ring."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Protocol

import sympy

from ..errors import ModflowError

FUNCTIONS: dict[str, Any] = {
    name: getattr(sympy, name)
    for name in (
        *("exp", "log", "sqrt", "sin", "cos", "tan", "asin", "acos", "atan"),
        *("sinh", "cosh", "tanh", "asinh"),
    )
}
"""The functions that a formula may use, by name; SymPy's."""


class Ring(Protocol):
    """What the numbers of an evaluation come from."""

    def constant(self, value: Fraction | str) -> Any:
        """A rational number, or the one that is called "pi" or "E"."""

    def function(self, name: str, power: Fraction | None, value: Any) -> Any:
        """exp, log, ..., "inverse", or "power" with a rational exponent, of an element."""


@dataclass(frozen=True)
class Node:
    """One operation; its arguments are the numbers of other nodes."""

    kind: str
    """`variable`, `constant`, `sum` (of multiples), `product` (of two) or `function`."""
    arguments: tuple[int, ...] = ()
    value: Any = None
    """The variable's number, the constant, the factors of a sum, or (function, exponent)."""


class Program:
    """Expressions as one sequence of sums, products and functions, with nothing done twice.

    Raises ModflowError for an expression that is not made of `variables`, numbers, the four
    operations, powers and `FUNCTIONS`.
    """

    def __init__(self, variables: Sequence[Any], expressions: Sequence[Any]) -> None:
        self.nodes: list[Node] = []
        self.slopes: dict[int, int] = {}
        """For every function φ(a): the node of φ'(a), which may come later than φ(a) itself."""
        self._numbers: dict[Node, int] = {}
        self._known: dict[Any, int] = {}
        for i, symbol in enumerate(variables):
            self._known[symbol] = self._add(Node("variable", (), i))
        names = sympy.numbered_symbols(cls=sympy.Dummy)
        shared, reduced = sympy.cse(list(expressions), symbols=names)
        for symbol, expression in shared:
            self._known[symbol] = self._lowered(expression)
        self.outputs = tuple(self._lowered(expression) for expression in reduced)
        self._for_values = self._reached()

    @property
    def is_polynomial(self) -> bool:
        """Whether it takes sums and products of rational numbers only."""
        return not any(
            node.kind == "function" or (node.kind == "constant" and isinstance(node.value, str))
            for node in self.nodes
        )

    def values(self, point: Sequence[Any], ring: Ring) -> list[Any]:
        """The values of the expressions at a point, in a ring."""
        found: dict[int, Any] = {}
        for i in self._for_values:
            node = self.nodes[i]
            arguments = [found[j] for j in node.arguments]
            if node.kind == "variable":
                found[i] = point[node.value]
            elif node.kind == "constant":
                found[i] = ring.constant(node.value)
            elif node.kind == "product":
                found[i] = arguments[0] * arguments[1]
            elif node.kind == "function":
                name, power = node.value
                found[i] = ring.function(name, power, arguments[0])
            else:
                pairs = zip(node.value, arguments, strict=True)
                found[i] = total_of([scaled(ring, c, value) for c, value in pairs])
        return [found[i] for i in self.outputs]

    # -- from SymPy -------------------------------------------------------------------------

    def _add(self, node: Node) -> int:
        number = self._numbers.get(node)
        if number is None:
            number = self._numbers[node] = len(self.nodes)
            self.nodes.append(node)
        return number

    def _lowered(self, expression: Any) -> int:
        if expression not in self._known:
            self._known[expression] = self._lower(expression)
        return self._known[expression]

    def _lower(self, e: Any) -> int:
        if e.is_Rational:
            return self._add(Node("constant", (), Fraction(int(e.p), int(e.q))))
        if e in (sympy.pi, sympy.E):
            return self._add(Node("constant", (), str(e)))
        if e.is_Add:
            terms = [term.as_coeff_Mul() for term in e.args]
            return self._sum([(Fraction(int(c.p), int(c.q)), self._lowered(t)) for c, t in terms])
        if e.is_Mul:
            factor, rest = e.as_coeff_Mul()
            if factor != 1:
                return self._sum([(Fraction(int(factor.p), int(factor.q)), self._lowered(rest))])
            # Reciprocals are taken once: x/(y z) divides by one product.
            upper, lower = rest.as_numer_denom()
            if lower != 1 and lower != rest:
                return self._product(self._lowered(upper), self._function("inverse", None, lower))
            first, *others = (self._lowered(part) for part in rest.args)
            for other in others:
                first = self._product(first, other)
            return first
        if e.is_Pow:
            return self._lower_power(e.base, e.exp)
        if e.func in FUNCTIONS.values() and len(e.args) == 1:
            return self._function(e.func.__name__, None, e.args[0])
        raise ModflowError(
            f"a formula cannot contain {e}: it is made of its variables, numbers, + - * / **, and "
            f"{', '.join(FUNCTIONS)}"
        )

    def _lower_power(self, base: Any, exponent: Any) -> int:
        if not exponent.is_Rational:
            return self._lowered(sympy.exp(exponent * sympy.log(base)))
        power = Fraction(int(exponent.p), int(exponent.q))
        if power < 0:
            return self._function("inverse", None, base**-exponent)
        if power.denominator == 2 and power.numerator > 1:
            return self._power(self._lowered(sympy.sqrt(base)), power.numerator)
        if power.denominator > 1:
            half = power == Fraction(1, 2)
            return self._function("sqrt" if half else "power", None if half else power, base)
        return self._power(self._lowered(base), power.numerator)

    def _power(self, base: int, n: int) -> int:
        if n == 1:
            return base
        half = self._power(base, n // 2)
        square = self._product(half, half)
        return self._product(square, base) if n % 2 else square

    def _product(self, a: int, b: int) -> int:
        return self._add(Node("product", (min(a, b), max(a, b))))

    def _sum(self, terms: Sequence[tuple[Fraction, int]]) -> int:
        return self._add(Node("sum", tuple(i for _, i in terms), tuple(c for c, _ in terms)))

    def _function(self, name: str, power: Fraction | None, argument: Any) -> int:
        a = self._lowered(argument)
        node = Node("function", (a,), (name, power))
        if node in self._numbers:
            return self._numbers[node]
        g = self._add(node)
        if name == "inverse":
            self.slopes[g] = self._sum([(Fraction(-1), self._product(g, g))])
        elif name in ("sqrt", "power"):
            # φ' = r a^(r-1), by what is there already: r g/a, and for roots 1/(2 g).
            over = self._add(Node("function", (a if power else g,), ("inverse", None)))
            if over not in self.slopes:
                self.slopes[over] = self._sum([(Fraction(-1), self._product(over, over))])
            exact = self._product(g, over) if power else over
            self.slopes[g] = self._sum([(power or Fraction(1, 2), exact)])
        else:
            # The derivative of tanh is 1 - tanh², that of exp itself: it may refer to this node.
            whole, z = FUNCTIONS[name](argument), sympy.Dummy("z")
            self._known[whole] = g
            slope = FUNCTIONS[name](z).diff(z).subs(z, argument)
            self.slopes[g] = self._lowered(slope)
        return g

    def _reached(self) -> tuple[int, ...]:
        """The nodes that values need, slopes left out, in order."""
        found: set[int] = set()
        todo = list(self.outputs)
        while todo:
            i = todo.pop()
            if i not in found:
                found.add(i)
                todo += self.nodes[i].arguments
        return tuple(sorted(found))


def scaled(ring: Ring, factor: Fraction, value: Any) -> Any:
    """A rational multiple of an element."""
    if factor == 1:
        return value
    return -value if factor == -1 else value * ring.constant(factor)


def total_of(terms: Sequence[Any]) -> Any:
    """The sum of at least one element."""
    total = terms[0]
    for term in terms[1:]:
        total = total + term
    return total
