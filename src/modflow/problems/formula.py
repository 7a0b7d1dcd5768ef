"""A loss given as a formula: exact, for arithmetic in any number of digits."""

from __future__ import annotations

import ast
import keyword
import numbers
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any

import sympy

from ..balls import BallRing, ball, working_precision
from ..errors import ModflowError
from ..grid import parse_number
from ..series.exact import exact_number
from ..series.program import FUNCTIONS, Program

_CONSTANTS = {"pi": sympy.pi}
_MAX_LENGTH = 10_000
_CHECK_BITS = 128
_MAX_BITS = 4096
"""Numbers in a formula are no longer than this: 9**9**9 would fill the memory."""


@dataclass(frozen=True)
class Formula:
    """A loss E in symbols, and the point to start from, all exact.

    >>> Formula.of("(0.6 - u*v)^2 / 2", {"u": 2, "v": 3.5})
    Formula(expression=(-u*v + 3/5)**2/2, variables=(u, v), start=(Fraction(2, 1), Fraction(7, 2)))
    """

    expression: Any
    """The loss, a SymPy expression."""
    variables: tuple[Any, ...]
    """Its variables, SymPy symbols, in the order of the parameters' array."""
    start: tuple[Fraction, ...]
    """The values that they start from."""

    @classmethod
    def of(cls, expression: Any, start: Mapping[str, Any]) -> Formula:
        """The formula in a string or SymPy expression, its variables those that start somewhere.

        Strings are read as Python writes arithmetic (and ^ as a power), with `pi` and the
        functions in `series.program.FUNCTIONS`; nothing in them is run. Decimals are exact: 0.6 is
        6/10, also as a float.

        Raises ModflowError for anything else, and where the loss or its gradient has no finite
        real value at the start.
        """
        values = _checked_start(start)
        if isinstance(expression, str):
            symbols = {name: sympy.Symbol(name) for name in values}
            expression = _Reader(expression, symbols).read()
        else:
            expression, symbols = _adopted(expression, values)
        variables = tuple(symbols[name] for name in values)
        formula = cls(expression, variables, tuple(values.values()))
        try:
            formula._check()
        except RecursionError:
            raise ModflowError("the formula is nested too deeply") from None
        return formula

    @property
    def gradient(self) -> tuple[Any, ...]:
        """∂E for each variable, SymPy expressions."""
        return tuple(self.expression.diff(variable) for variable in self.variables)

    def loss(self) -> Callable[[Any], Any]:
        """E as a JAX function of an array of shape (n,)."""
        import jax.numpy as jnp

        # Numbers as floats: JAX has no integers beyond 64 bits.
        rounded = self.expression.evalf(20)
        function = sympy.lambdify(self.variables, rounded, modules="jax", cse=True)
        n = len(self.variables)

        def loss(x: Any) -> Any:
            return jnp.asarray(function(*(x[i] for i in range(n))), dtype=x.dtype)

        return loss

    def _check(self) -> None:
        program = Program(self.variables, (self.expression, *self.gradient))
        with working_precision(_CHECK_BITS):
            value, *gradient = program.values([ball(c) for c in self.start], BallRing())
        for what, numbers_there in [("value", [value]), ("gradient", gradient)]:
            if not all(number.is_finite() for number in numbers_there):
                raise ModflowError(f"the formula has no finite {what} at the start")


def _to_sympy(value: Fraction) -> Any:
    return sympy.Rational(value.numerator, value.denominator)


def _checked_start(start: Mapping[str, Any]) -> dict[str, Fraction]:
    if not isinstance(start, Mapping) or not start:
        raise ModflowError(
            "a formula needs a starting value for each variable, such as {'x': 2.8, 'y': 3.4}"
        )
    values = {}
    for name, given in start.items():
        if not (isinstance(name, str) and name.isidentifier()) or keyword.iskeyword(name):
            raise ModflowError(f"a variable needs a name, such as x or w1; got {name!r}")
        if name in FUNCTIONS or name in _CONSTANTS:
            raise ModflowError(f"{name} has a meaning in formulas: give the variable another name")
        values[name] = _number(name, given)
    return values


def _number(name: str, given: Any) -> Fraction:
    value = None
    if isinstance(given, numbers.Real | Decimal | sympy.Expr) and not isinstance(given, bool):
        with suppress(ValueError, OverflowError):  # not finite
            value = exact_number(given)
    if not isinstance(value, Fraction):
        raise ModflowError(
            f"{name} must start from a finite rational number or float, not {given!r}"
        )
    return value


def _adopted(expression: Any, values: Mapping[str, Fraction]) -> tuple[Any, dict[str, Any]]:
    """A SymPy expression with its floats made exact, and the symbols that it uses."""
    if isinstance(expression, numbers.Real):
        expression = _to_sympy(_number("the formula", expression))
    if not isinstance(expression, sympy.Expr):
        raise ModflowError(f"a formula is a string or a SymPy expression; got {expression!r}")
    symbols = {symbol.name: symbol for symbol in expression.free_symbols}
    for name in symbols:
        if name not in values:
            raise ModflowError(_unknown(name, values))
    exact = {f: _to_sympy(exact_number(f)) for f in expression.atoms(sympy.Float)}
    return expression.xreplace(exact), {
        name: symbols.get(name, sympy.Symbol(name)) for name in values
    }


def _unknown(name: str, variables: Sequence[str] | Mapping[str, Any]) -> str:
    return (
        f"the formula has {name} in it, which has no starting value; those that have: "
        f"{', '.join(variables)}"
    )


class _Reader:
    """Turns the text of a formula into SymPy by its syntax tree, without running any of it."""

    def __init__(self, text: str, symbols: Mapping[str, Any]) -> None:
        self._text, self._symbols = text.strip().replace("^", "**"), symbols

    def read(self) -> Any:
        if len(self._text) > _MAX_LENGTH:
            raise ModflowError(f"the formula is longer than {_MAX_LENGTH} characters")
        try:
            tree = ast.parse(self._text, mode="eval")
            result = self._expression(tree.body)
        except SyntaxError as error:
            raise ModflowError(f"{self._shown} is no formula: {error.msg}") from None
        except (RecursionError, MemoryError):
            raise ModflowError(f"{self._shown} is nested too deeply") from None
        except (ValueError, ZeroDivisionError) as error:
            if isinstance(error, ModflowError):
                raise
            raise ModflowError(f"{self._shown} is no formula: {error}") from None
        if result.has(sympy.zoo, sympy.nan, sympy.oo, -sympy.oo):
            raise ModflowError(f"{self._shown} divides by zero")
        return result

    @property
    def _shown(self) -> str:
        return repr(self._text if len(self._text) <= 60 else self._text[:57] + "...")

    def _expression(self, node: ast.expr) -> Any:
        match node:
            case ast.Constant():
                return self._constant(node)
            case ast.Name(id=name):
                if name in self._symbols or name in _CONSTANTS:
                    return self._symbols.get(name, _CONSTANTS.get(name))
                if name in FUNCTIONS:
                    raise ModflowError(f"{name} is a function: write {name}(...)")
                raise ModflowError(_unknown(name, self._symbols))
            case ast.UnaryOp(op=ast.UAdd(), operand=operand):
                return self._expression(operand)
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return -self._expression(operand)
            case ast.BinOp(left=left, op=op, right=right):
                return self._operation(op, self._expression(left), self._expression(right))
            case ast.Call(func=ast.Name(id=name), args=[argument], keywords=[]):
                if name in FUNCTIONS:
                    return FUNCTIONS[name](self._expression(argument))
                raise ModflowError(
                    f"the formula calls {name}, which is none of {', '.join(FUNCTIONS)}"
                )
        raise ModflowError(
            f"{ast.unparse(node)!r} is no part of a formula: write numbers, variables, + - * / ** "
            f"and functions of one argument such as exp(x)"
        )

    def _constant(self, node: ast.Constant) -> Any:
        if isinstance(node.value, bool) or not isinstance(node.value, int | float):
            raise ModflowError(f"{node.value!r} is no number that a formula can have")
        # From the text, because a float would have lost digits.
        text = (ast.get_source_segment(self._text, node) or "").replace("_", "")
        return _to_sympy(parse_number(text, "in the formula,"))

    def _operation(self, op: ast.operator, a: Any, b: Any) -> Any:
        match op:
            case ast.Add():
                return a + b
            case ast.Sub():
                return a - b
            case ast.Mult():
                return a * b
            case ast.Div():
                return a / b
            case ast.Pow():
                if b.is_Rational and abs(b) > _MAX_BITS:
                    raise ModflowError(f"the exponent {b} is too large")
                if a.is_Rational and b.is_Rational:
                    bits = max(int(a.p).bit_length(), int(a.q).bit_length())
                    if bits * abs(b) > _MAX_BITS:
                        raise ModflowError(f"the number ({a})**({b}) is too long")
                return a**b
        raise ModflowError(f"{self._shown} is no formula: its operators are + - * / ** ^")
