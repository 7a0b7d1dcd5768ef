"""Proofs of displayed equalities, for all values of their symbols.

Both sides are read as exact rational functions of independent generators, such as β^k and
exp(-λt): an equality is proved where their difference vanishes identically. Sums, products,
limits, derivatives and integrals are evaluated before, by rules that are checked. Nothing is
accepted because it holds at some numbers, and what no rule decides is not accepted.

The natural domain of the symbols: k and other indices (i, j, l, m, n, bounds of sums, and what is
declared so) are whole numbers ≥ 0, |β| < 1, and all else is real and in general position: no
denominator is 0 that is not 0 identically.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
import sympy

from ..errors import ModflowError
from ..grid import is_whole
from .elements import DividesByZero, Element
from .pictures import tree_of
from .quantities import Quantity
from .reading import Reader
from .sums import MAX_TERMS, Cases, Undecided, remainder
from .typeset import typeset

Modulo = tuple[sympy.Symbol, int] | None

_LONGEST = 400


@dataclass(frozen=True)
class Proof:
    """That two sides are equal."""

    how: str
    """What was needed, in words for a margin: `identity`, `sum, telescoped`, `mod h^3`."""


class NotProved(ModflowError):
    """Two sides that differ, or of which it cannot be told whether they do.

    `difference` is left - right, with a modulus the powers that do not cancel; None where the
    sides could not be compared.
    """

    def __init__(self, left: Any, right: Any, difference: Any, why: str | None = None) -> None:
        sides = f"left side {_shown(left)}, right side {_shown(right)}"
        super().__init__(
            f"{sides}, difference {_shown(difference)}{why or ''}"
            if difference is not None
            else f"{sides}: {why}"
        )
        self.left, self.right, self.difference = left, right, difference


def prove(left: Any, right: Any, *, modulo: Modulo = None) -> Proof:
    """Prove that two expressions, or two matrices, are equal.

    With `modulo` = (h, n) that they agree but for an O(h^n) as h → 0.

    >>> from sympy import Sum, symbols
    >>> beta, j, k = symbols("beta j k")
    >>> prove(Sum(beta**j, (j, 0, k)), (1 - beta ** (k + 1)) / (1 - beta)).how
    'sum, telescoped'

    Raises NotProved, with both sides and their difference, where they differ or where that could
    not be decided; ModflowError for what is no expression.
    """
    outcome = _compared(left, right, modulo)
    if outcome.reason is not None:
        raise NotProved(left, right, None, outcome.reason)
    if not _vanishes(outcome.difference):
        raise NotProved(left, right, outcome.difference, outcome.where)
    return Proof(", ".join(outcome.how) or "identity")


def differs(left: Any, right: Any, modulo: Modulo = None) -> Any:
    """left - right in factors, a matrix for matrices: 0 exactly where `prove` proves.

    With a modulus (h, n), its powers of h below h^n. Raises NotProved where it could not be told,
    or where the shapes of matrices differ.
    """
    outcome = _compared(left, right, modulo)
    if outcome.reason is not None:
        raise NotProved(left, right, None, outcome.reason)
    return outcome.difference


@dataclass(frozen=True)
class _Outcome:
    difference: Any
    """An expression or matrix, 0 where the sides agree."""
    how: tuple[str, ...] = ()
    where: str = ""
    """Which powers or case the difference is about."""
    reason: str | None = None
    """Why it could not be decided."""


def _compared(left: Any, right: Any, modulo: Modulo) -> _Outcome:
    return _settled(_expression(left), _expression(right), _modulus(modulo))


def _expression(side: Any) -> sympy.Basic:
    if isinstance(side, str):
        raise ModflowError(f"{side!r} is a text, not an expression")
    try:
        found = sympy.sympify(side)
    except (sympy.SympifyError, TypeError, ValueError) as error:
        raise ModflowError(f"{_shown(side)} is no expression") from error
    found = found.as_immutable() if isinstance(found, sympy.MatrixBase) else found
    if not isinstance(found, sympy.Expr | sympy.MatrixBase | sympy.MatrixExpr | sympy.Piecewise):
        raise ModflowError(f"{_shown(side)} is no expression")
    return found


def _modulus(modulo: Any) -> Modulo:
    if modulo is None:
        return None
    try:
        h, n = modulo
    except (TypeError, ValueError):
        h, n = None, None
    plain = isinstance(h, sympy.Symbol) and not isinstance(h, Quantity)
    if not (plain and is_whole(n) and 1 <= n <= MAX_TERMS):
        raise ModflowError(
            f"a modulus is a symbol and a power from 1 to {MAX_TERMS}, such as (h, 3); "
            f"got {modulo!r}"
        )
    return h, int(n)


@lru_cache(maxsize=4096)
def _settled(left: Any, right: Any, modulo: Modulo) -> _Outcome:
    whole = set[sympy.Symbol]()
    names: dict[str, sympy.Symbol] = {}
    for node in _nodes((left, right)):
        if isinstance(node, sympy.Sum | sympy.Product):
            whole |= {s for limit in node.limits for end in limit[1:] for s in _counted(end)}
        if type(node) is sympy.Symbol and names.setdefault(node.name, node) != node:
            return _Outcome(
                None,
                reason=f"two symbols are called {node.name}, with different assumptions",
            )
        if isinstance(node, sympy.Symbol) and (unfit := _unfit(node)):
            return _Outcome(None, reason=f"could not be decided: {unfit}")
        if isinstance(node, sympy.Order):
            return _Outcome(
                None, reason="a remainder O(...) belongs in modulo=(h, n), not into a side"
            )
    return _Comparison(left, right, modulo, frozenset(whole)).outcome({}, {})


def _unfit(symbol: sympy.Symbol) -> str | None:
    """Why there are no rules for a symbol, if there are none."""
    if not symbol.is_commutative:
        return f"{symbol} does not commute, and there are rules for numbers and matrices only"
    if symbol.is_integer and not symbol.is_nonnegative and not symbol.is_Dummy:
        return f"{symbol} may be negative: it needs nonnegative=True, or an index no assumptions"
    return None


def _counted(end: Any) -> set[sympy.Symbol]:
    """The symbols of a bound such as k + 2 n - 1, which are whole numbers then."""
    terms = end.as_coefficients_dict() if isinstance(end, sympy.Expr) else {}
    if not all((t == 1 or t.is_Symbol) and c.is_Integer for t, c in terms.items()):
        return set()
    plain = {"commutative": True}
    return {
        t for t in terms if t.is_Symbol and not isinstance(t, Quantity) and t.assumptions0 == plain
    }


def _nodes(parts: tuple[Any, ...]) -> Iterator[Any]:
    """All parts of expressions, also of what their quantities stand for."""
    seen, open_ = set[Any](), list(parts)
    while open_:
        node = open_.pop()
        if node in seen:
            continue
        seen.add(node)
        yield node
        if isinstance(node, Quantity):
            open_.append(_expression(node.meaning))
        open_.extend(arg for arg in node.args if isinstance(arg, sympy.Basic))
        if isinstance(node, sympy.MatrixBase):
            open_.extend(node.flat())


@dataclass
class _Comparison:
    left: Any
    right: Any
    modulo: Modulo
    whole: frozenset[sympy.Symbol]
    apart: dict[sympy.Symbol, int] = field(default_factory=dict)

    def outcome(self, values: dict[sympy.Symbol, int], floors: dict[sympy.Symbol, int]) -> _Outcome:
        """With numbers in place of some symbols, and others from a number on.

        Where k = 0, 1, … differ from larger k, each is settled on its own.
        """
        reader = Reader(self.whole, floors, values)
        where = "".join(f" at {s} = {n}" for s, n in values.items())
        side = "left"
        try:
            left = reader.read(self.left)
            side = "right"
            right = reader.read(self.right)
            side = "difference"
            return self._difference(reader, left, right, where)
        except Cases as cases:
            symbol, floor = cases.symbol, reader.floor(cases.symbol)
            if not floor < cases.first <= floor + MAX_TERMS or symbol in values:
                return _Outcome(None, reason=f"could not be decided: {cases}")
            found = self.outcome(values, {**floors, symbol: cases.first})
            how = dict.fromkeys(found.how)
            for n in range(floor, cases.first):
                if found.reason is not None or not _vanishes(found.difference):
                    return found
                found = self.outcome({**values, symbol: n}, floors)
                how |= dict.fromkeys(found.how)
            if found.reason is None and _vanishes(found.difference) and not values:
                how[f"first {symbol} apart"] = None
            return _Outcome(found.difference, tuple(how), found.where, found.reason)
        except DividesByZero as error:
            what = str(error) or "division by zero"
            where = f"{where}, in the {side} side" if side != "difference" else where
            return _Outcome(None, reason=f"{what}{where}")
        except (Undecided, NotImplementedError, OverflowError, RecursionError) as error:
            return _Outcome(None, reason=f"could not be decided{where}: {error}")

    def _difference(self, reader: Reader, left: Any, right: Any, where: str) -> _Outcome:
        shapes = [getattr(side, "shape", ()) for side in (left, right)]
        if shapes[0] != shapes[1]:
            named = ["×".join(map(str, s)) + " matrix" if s else "number" for s in shapes]
            return _Outcome(None, reason=f"a {named[0]} is not a {named[1]}")
        how = dict.fromkeys([] if not shapes[0] else ["entry by entry"])
        pairs = zip(_entries(left), _entries(right), strict=True)
        found = [self._entry(reader, a - b) for a, b in pairs]
        if self.modulo is not None:
            h, n = self.modulo
            how = {f"mod ${typeset(h**n)}$": None, **how}
            where = f" below {h}^{n}{where}"
        for difference in found:
            if difference != 0 and _numerically_zero(difference, reader):
                reason = f"could not be decided: no rule tells whether {difference} is 0{where}"
                return _Outcome(None, reason=reason)
        if not shapes[0]:
            return _Outcome(found[0], (*how, *reader.used), where)
        matrix = sympy.ImmutableMatrix(*shapes[0], found)
        return _Outcome(matrix, (*how, *reader.used), where)

    def _entry(self, reader: Reader, difference: Element) -> sympy.Expr:
        if self.modulo is not None and self.modulo[0] in difference.free:
            difference = remainder(reader, difference, *self.modulo)
        elif self.modulo is not None:
            difference = difference.canonical()
        return difference.legible()


def _entries(side: Any) -> list[Element]:
    return [side] if isinstance(side, Element) else list(np.ravel(side))


def _vanishes(difference: Any) -> bool:
    if isinstance(difference, sympy.MatrixBase):
        return all(entry == 0 for entry in difference)
    return bool(difference == 0)


def _numerically_zero(difference: sympy.Expr, reader: Reader) -> bool:
    """Whether a difference that no rule makes 0 is 0 at a point: then it may be 0.

    Nothing is accepted because of this; it only tells a wrong formula from a missing rule.
    """
    values = {}
    for i, s in enumerate(sorted(difference.free_symbols, key=str)):
        values[s] = (
            sympy.Integer(3 + i) if reader.is_index(s) else sympy.Rational(2 * i + 3, 7 + 5 * i)
        )
    try:
        number = difference.subs(values).evalf(30)
    except (TypeError, ValueError, ArithmeticError, NotImplementedError):
        return False
    return bool(number.is_number and abs(number) < sympy.Float("1e-20"))


def _shown(expression: Any) -> str:
    text = tree_of(" ".join(str(expression).split()), lambda tree: tree.bracket)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
