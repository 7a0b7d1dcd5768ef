"""Formulas that are given as text: read as they are written, for SymPy to check and to show."""

from __future__ import annotations

import ast
import re
from typing import Any

import sympy

from ..errors import ModflowError

_NAME = re.compile(r"(?<![\w.])[A-Za-z_]\w*")
_KNOWN = {
    name: getattr(sympy, name)
    for name in (
        *("sqrt", "log", "exp", "Sum", "Product", "Limit", "Integral", "Derivative", "Abs", "oo"),
        *("pi", "Rational", "binomial", "factorial", "legendre", "cos", "sin", "cosh", "sinh"),
        *("Max", "Min", "KroneckerDelta", "Matrix", "Integer", "Symbol", "Float", "Function"),
        *("acos", "atan", "tanh", "Piecewise", "floor", "ceiling", "Add", "Mul", "Pow"),
    )
}


def read_expression(text: str, names: dict[str, Any]) -> Any:
    """The expression, unevaluated; names that are unknown are plain symbols, lambda_ is λ.

    Raises ModflowError for what is no formula.
    """
    from sympy.parsing.sympy_parser import parse_expr

    found = set(_NAME.findall(text))
    local = {name: sympy.Symbol(name.removesuffix("_")) for name in found if name not in _KNOWN}
    local |= {name: value for name, value in names.items() if name in found}
    if "=" in text:
        raise ModflowError(f"{text!r} is one side: give the other one as another argument")
    try:
        text = _with_minus_kept(text)
        expression = parse_expr(text, local_dict=local, global_dict=dict(_KNOWN), evaluate=False)
    except Exception as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ModflowError(f"{text!r} is no formula that SymPy can read: {reason}") from error
    return sympy.sympify(expression)


class _Minus(ast.NodeTransformer):
    """SymPy evaluates -(1 + x) to -1 - x even where it has been told not to evaluate."""

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.AST:
        self.generic_visit(node)
        if not (isinstance(node.op, ast.USub) and isinstance(node.operand, ast.BinOp)):
            return node
        false = ast.keyword("evaluate", ast.Constant(False))
        return ast.Call(ast.Name("Mul"), [ast.Constant(-1), node.operand], [false])


def _with_minus_kept(text: str) -> str:
    try:
        tree = ast.parse(text.strip(), mode="eval")
    except SyntaxError:  # SymPy's own notations, and what SymPy will say is wrong
        return text
    return ast.unparse(ast.fix_missing_locations(_Minus().visit(tree)))
