r"""SymPy expressions as TeX, as one writes them by hand.

Beyond SymPy's printer: sums go up in powers (of h, then of β^k, then of the rest), β^k stands
behind polynomials, vectors and invariants behind their coefficients, and what was written down
unevaluated keeps its order.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

import sympy
from sympy.printing.latex import LatexPrinter

from .formulas import decimal
from .quantities import is_compound, is_tensor, unfolded

H = sympy.Symbol("h")
_REACHING = sympy.Sum | sympy.Product | sympy.Integral | sympy.Limit | sympy.Derivative
"""Signs that reach as far to the right as they can."""
_WHOLE = set("ijklmn")
"""Names of whole numbers, of which one writes k + 1, and not 1 + k."""


def typeset(expression: Any, *, as_written: bool = False) -> str:
    r"""The TeX of an expression or a matrix; `as_written` keeps the order of terms and factors.

    >>> k, beta = sympy.symbols("k beta")
    >>> typeset((beta + 1) * (k + 1) * beta**k / (1 - beta) ** 2)
    '\\frac{(k + 1) (1 + \\beta) \\beta^{k}}{(1 - \\beta)^{2}}'
    """
    return str(_Printer(as_written).doprint(sympy.sympify(expression)))


def twice(expressions: Iterable[Any]) -> str | None:
    """The TeX, if there is one, that two symbols have which do not stand for the same."""
    known: dict[str, Any] = {}
    for expression in expressions:
        for atom in expression.atoms(sympy.Symbol):
            tex, meaning = _name(atom), unfolded(atom)
            if known.setdefault(tex, meaning) != meaning:
                return tex
    return None


@lru_cache(maxsize=4096)
def _name(symbol: sympy.Symbol) -> str:
    return typeset(symbol)


def summands(expression: Any, *, as_written: bool = False) -> list[str]:
    """The TeX of the terms of a sum, each with its sign: a line may be broken between them."""
    return _Printer(as_written).terms(sympy.sympify(expression))


class _Printer(LatexPrinter):  # type: ignore[misc]
    def __init__(self, as_written: bool) -> None:
        super().__init__({"order": "none"} if as_written else {})
        self._as_written = as_written

    # -- sums --------------------------------------------------------------------------------

    def terms(self, expression: Any) -> list[str]:
        """Each with its sign, but for a plus in front of the first."""
        if not expression.is_Add:
            return [self._print(expression)]
        terms = _flat(expression, sympy.Add)
        if not self._as_written:
            whole = all(s.name in _WHOLE for s in expression.free_symbols)
            terms = sorted(terms, key=_place_in_sum, reverse=whole)
        shown = []
        for i, term in enumerate(terms):
            negative, body = self._unsigned(term)
            shown.append(f"- {body}" if negative else f"+ {body}" if i else body)
        return shown

    def _unsigned(self, term: Any) -> tuple[bool, str]:
        """Whether a minus stands in front, and what follows the sign."""
        number, factors = _split(term)
        if term.is_Symbol:
            return False, self._factor(term, alone=False)
        body = self._product(abs(number), factors, closed=bool(number < 0))
        return bool(number < 0), body

    def _print_Add(self, expr: Any, order: Any = None) -> str:
        return " ".join(self.terms(expr))

    # -- products ----------------------------------------------------------------------------

    def _print_Mul(self, expr: Any) -> str:
        number, factors = _split(expr)
        sign = "- " if number < 0 else ""
        return sign + self._product(abs(number), factors, closed=bool(number < 0))

    def _product(self, number: Any, factors: list[Any], *, closed: bool) -> str:
        """The factors in order; a single sum has brackets if a sign goes before (`closed`)."""
        if not self._as_written:
            factors = sorted(factors, key=_place_in_product)
        tensors = [f for f in factors if _has_tensor(f) and not _is_below(f)]
        above = [f for f in factors if not _is_below(f) and f not in tensors]
        below = [1 / f if f.is_Rational else _inverse(f) for f in factors if _is_below(f)]
        top, bottom = sympy.fraction(number)
        fraction = below or bottom != 1
        followed = bool(tensors) and not fraction
        shown = self._factors(top, above, closed=closed and not fraction, followed=followed)
        if fraction:
            shown = rf"\frac{{{shown or '1'}}}{{{self._factors(bottom, below)}}}"
        tail = " ".join(self._factor(t, alone=False) for t in tensors)
        return rf"{shown} \, {tail}" if shown and tail else shown or tail or "1"

    def _factors(
        self, number: Any, factors: Iterable[Any], *, closed: bool = False, followed: bool = False
    ) -> str:
        """Without the number 1; a single sum needs no brackets, unless it is `closed`.

        A sign of summation needs them only where more is to follow that it would reach.
        """
        shown = [] if number == 1 else [self._print(sympy.sympify(number))]
        factors = list(factors)
        alone = len(factors) == 1 and not shown and not closed and not followed
        for i, f in enumerate(factors):
            last = i == len(factors) - 1 and isinstance(f, _REACHING) and not followed
            body = self._factor(f, alone=alone or last)
            # Side by side, 3 and 2^k would be read as 32^k.
            shown += [r"\cdot", body] if shown and body[0].isdigit() else [body]
        return " ".join(shown)

    def _factor(self, factor: Any, *, alone: bool) -> str:
        body = str(self._print(factor))
        sum_like = factor.is_Add or isinstance(factor, (*_REACHING.__args__, sympy.Piecewise))
        negative = factor.is_Mul and body.startswith("-")
        if factor.is_Symbol:
            sum_like = is_compound(body)
        return self._add_parens(body) if (sum_like or negative) and not alone else body

    def parenthesize(self, item: Any, *args: Any, **options: Any) -> str:
        """Also a name that is a formula needs brackets in a power."""
        if item.is_Symbol:
            return self._factor(item, alone=False)
        return str(super().parenthesize(item, *args, **options))

    def _print_Sum(self, expr: Any) -> str:
        return self._closed(str(super()._print_Sum(expr)), expr.function)

    def _print_Product(self, expr: Any) -> str:
        return self._closed(str(super()._print_Product(expr)), expr.function)

    def _closed(self, shown: str, term: Any) -> str:
        """With brackets around a term that begins with a minus."""
        body = str(self._print(term))
        return shown.removesuffix(body) + self._add_parens(body) if body[0] == "-" else shown

    def _print_Float(self, expr: Any) -> str:
        mantissa, _, power = decimal(expr).partition("e")
        if "." in mantissa:
            mantissa = mantissa.rstrip("0").rstrip(".")
        return rf"{mantissa} \cdot 10^{{{int(power)}}}" if power else mantissa

    def _print_Rational(self, expr: Any) -> str:
        if expr.q == 1:
            return str(expr.p)
        sign = "- " if expr.p < 0 else ""
        return rf"{sign}\frac{{{abs(expr.p)}}}{{{expr.q}}}"

    def _add_parens(self, s: str) -> str:
        tall = any(
            name in s for name in (r"\frac", r"\sum", r"\int", r"\begin", r"\prod", r"\tree")
        )
        return rf"\left({s}\right)" if tall else f"({s})"

    def _print_Piecewise(self, expr: Any, exp: str | None = None) -> str:
        body = str(super()._print_Piecewise(expr))
        return body if exp is None else rf"{self._add_parens(body)}^{{{exp}}}"

    def _print_KroneckerDelta(self, expr: Any, exp: str | None = None) -> str:
        # SymPy has the number in front.
        number, variable = sorted(expr.args, key=lambda a: len(a.free_symbols))
        bracket = rf"[{self._print(variable)} = {self._print(number)}]"
        return bracket if exp is None else rf"{bracket}^{{{exp}}}"


def _flat(expression: Any, head: Any) -> list[Any]:
    """The arguments of nested sums or products, in order."""
    if not isinstance(expression, head):
        return [expression]
    return [part for argument in expression.args for part in _flat(argument, head)]


def _split(term: Any) -> tuple[Any, list[Any]]:
    """The numbers of a product, multiplied, and its other factors in order."""
    number, rest = sympy.Integer(1), []
    for factor in _flat(term, sympy.Mul):
        if factor.is_Number:
            number *= factor
        elif factor.is_Pow and factor.base.is_Rational and factor.exp.is_Integer:
            number *= factor.base**factor.exp
        else:
            rest.append(factor)
    return number, rest


def _is_below(factor: Any) -> bool:
    """Whether it belongs into a denominator."""
    return bool(factor.is_Pow and factor.exp.is_Rational and factor.exp.is_negative)


def _inverse(power: Any) -> Any:
    return power.base if power.exp == -1 else sympy.Pow(power.base, -power.exp, evaluate=False)


def _has_tensor(expression: Any) -> bool:
    return any(is_tensor(atom) for atom in expression.atoms(sympy.Symbol))


def _symbolic_powers(term: Any) -> list[Any]:
    return [p for p in term.atoms(sympy.Pow) if p.exp.free_symbols]


def _place_in_sum(term: Any) -> Any:
    power = term.as_coeff_exponent(H)[1] if _has_tensor(term) else 0
    _, factors = _split(term)
    powers = [p for p in factors if p.is_Pow and p.exp.free_symbols]
    towers = sum(1 if not p.exp.is_Add and not p.exp.is_Mul else _rate(p.exp) for p in powers)
    towers += 50 * any(isinstance(f, _REACHING) for f in factors)
    # What holds for single k alone comes last.
    towers += 100 * any(isinstance(f, sympy.KroneckerDelta) for f in factors)
    degree = 0
    for f in factors:
        base, exponent = f.as_base_exp()
        if base.is_Symbol and exponent.is_Integer:
            degree += int(exponent)
    return (
        int(power) if getattr(power, "is_Integer", isinstance(power, int)) else 0,
        towers,
        degree,
        sympy.Mul(*factors).sort_key(),
    )


def _rate(exponent: Any) -> float:
    """2 for β^(2k+1)."""
    symbols = sorted(exponent.free_symbols, key=str)
    coefficient = exponent.coeff(symbols[0])
    return float(coefficient) if coefficient.is_Rational else 1.0


def _place_in_product(factor: Any) -> Any:
    base, exponent = factor.as_base_exp()
    if exponent.free_symbols or isinstance(base, sympy.KroneckerDelta):
        rank = 4
    elif base.is_Symbol:
        rank = 1
    elif base.is_Add:
        rank = 3
    else:
        rank = 2
    return rank, len(str(base)), factor.sort_key()


# -- how wide it is ------------------------------------------------------------------------------

WIDE = 52.0
"""Letters that fit on a line of a displayed formula."""
LONG = WIDE / 2
"""A left side that is wider has a line of its own."""
_TOKEN = re.compile(r"\\[A-Za-z]+|\\.|[{}^_&]|\s+|.", re.DOTALL)
_SILENT = {r"\left", r"\right", r"\,", r"\!", r"\;", r"\displaystyle", r"\limits", r"\quad"}
_WRAPPERS = {
    r"\mathbb", r"\mathrm", r"\operatorname", r"\text", r"\hat", r"\dot", r"\tilde", r"\bar",
    r"\mathcal", r"\mathbf", r"\widehat", r"\widetilde", r"\overline", r"\ddot", r"\boldsymbol",
}  # fmt: skip


def width(tex: str) -> float:
    r"""Roughly how many letters wide a formula is; the wider part of a fraction counts."""
    return _Width(tex).total()


class _Width:
    def __init__(self, tex: str) -> None:
        self._tokens = [t for t in _TOKEN.findall(tex) if not t.isspace()]
        self._at = 0

    def total(self, stop: str | None = None) -> float:
        found = 0.0
        while self._at < len(self._tokens):
            token = self._tokens[self._at]
            self._at += 1
            if token == stop:
                break
            found += self._one(token)
        return found

    def _one(self, token: str) -> float:
        if token == "{":
            return self.total("}")
        if token in ("^", "_"):
            return 0.7 * self._argument()
        if token in (r"\frac", r"\tfrac", r"\dfrac", r"\binom"):
            scale = 0.7 if token == r"\tfrac" else 1.0
            return 0.3 + scale * max(self._argument(), self._argument())
        if token == r"\tree":
            return 0.0 * self._argument() + 1.5
        if token in _WRAPPERS:
            return self._argument()
        if token in _SILENT or token in ("}", "&"):
            return 0.5 if token == r"\quad" else 0.0
        if token in ("+", "-", "=", "<", ">"):
            return 2.0
        return 2.0 if token in (r"\sum", r"\prod", r"\int", r"\lim") else 1.0

    def _argument(self) -> float:
        if self._at >= len(self._tokens):
            return 0.0
        token = self._tokens[self._at]
        self._at += 1
        return self._one(token)
