"""Formulas that are given as text: read as they are written, for SymPy to check and to show."""

from __future__ import annotations

import ast
import re
from typing import Any

import sympy

from ..errors import ModflowError, first_line

_NAME = re.compile(r"(?<![\w.])[A-Za-z_]\w*")
_CALLED = re.compile(rf"{_NAME.pattern}(?=\s*\()")
_NUMBERS = "oo", "pi"
_DOUBLE = 53
"""Bits of a Python float."""
_KNOWN = {
    name: getattr(sympy, name)
    for name in (
        *("sqrt", "log", "exp", "Sum", "Product", "Limit", "Integral", "Derivative", "Abs", "oo"),
        *("pi", "Rational", "binomial", "factorial", "legendre", "cos", "sin", "cosh", "sinh"),
        *("Max", "Min", "KroneckerDelta", "Matrix", "Integer", "Symbol", "Float", "Function"),
        *("acos", "atan", "tanh", "Piecewise", "floor", "ceiling", "Add", "Mul", "Pow"),
        *("Lt", "Le", "Gt", "Ge", "Ne"),
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
    if not text.strip():
        raise ModflowError("a side is an empty text")
    if re.search(r"(?<![<>!])=", text):
        raise ModflowError(f"{text!r} is one side: give the other one as another argument")
    if unknown := [name for name in _CALLED.findall(text) if name not in {*_KNOWN, *names}]:
        raise ModflowError(
            f"{text!r} has {unknown[0]}(...), which is no function here: known are "
            + ", ".join(sorted(name for name in _KNOWN if name.islower() and name not in _NUMBERS))
            + "; a product has a *"
        )
    try:
        text = _kept(text)
        expression = parse_expr(text, local_dict=local, global_dict=dict(_KNOWN), evaluate=False)
    except Exception as error:
        raise ModflowError(
            f"{text!r} is no formula that SymPy can read: {first_line(error)}"
        ) from error
    expression = sympy.sympify(expression)
    for part in sympy.preorder_traversal(expression):
        if isinstance(part, sympy.Add | sympy.Mul | sympy.Pow):
            for term in part.args:
                if not isinstance(term, sympy.Expr | sympy.MatrixBase):
                    raise ModflowError(f"{text!r} calculates with {term}, which is no number")
    return expression


def decimal(number: sympy.Float) -> str:
    """All the digits that tell a SymPy float from its neighbours: 0.1 + 0.2 is not 0.3."""
    text = repr(float(number)) if number._prec == _DOUBLE else str(number)
    return str(number) if text in ("inf", "0.0") else text


class _AsWritten(ast.NodeTransformer):
    """What SymPy would change where it has been told not to evaluate."""

    def __init__(self, text: str) -> None:
        self._text = text

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        """Python keeps no more than 17 digits, and none of 1e400."""
        if not isinstance(node.value, float):
            return node
        digits = ast.Constant(ast.get_source_segment(self._text, node))
        return ast.Call(ast.Name("Float"), [digits], [])

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.AST:
        """SymPy evaluates -(1 + x) to -1 - x."""
        self.generic_visit(node)
        if not (isinstance(node.op, ast.USub) and isinstance(node.operand, ast.BinOp)):
            return node
        false = ast.keyword("evaluate", ast.Constant(False))
        return ast.Call(ast.Name("Mul"), [ast.Constant(-1), node.operand], [false])


def _kept(text: str) -> str:
    text = text.strip()
    try:
        tree = ast.parse(text, mode="eval")
    except SyntaxError:  # SymPy's own notations, and what SymPy will say is wrong
        return text
    return ast.unparse(ast.fix_missing_locations(_AsWritten(text).visit(tree)))
