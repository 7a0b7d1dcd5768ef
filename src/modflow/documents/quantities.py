r"""Names with a meaning: what stands for something else in a displayed formula.

A formula of a document is a SymPy expression. Some of its atoms are *quantities*: they print as
their TeX and stand for another expression, as γ_k does for its closed form. An equality is proved
for what they stand for; only primitive symbols, such as β, k and h, are left then.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

import sympy

_OPENING = {"{", "(", "[", r"\{", r"\langle", r"\lVert", r"\lvert"}
_CLOSING = {"}", ")", "]", r"\}", r"\rangle", r"\rVert", r"\rvert"}
_OPERATORS = {"+", "-", "−", "/", "*", "·", "×", r"\pm", r"\mp", r"\cdot", r"\times", "<", ">"}


class Quantity(sympy.Dummy):  # type: ignore[misc]
    r"""A symbol that prints as its TeX and stands for `meaning`, an expression or a matrix.

    Two quantities are the same only if they are one object. A `tensor` is a vector or an invariant
    such as ‖∇E‖², which is written after its coefficient.

    >>> gamma = Quantity(r"\gamma", 1 - sympy.Symbol("beta") ** 2)
    >>> unfolded(1 + gamma)
    2 - beta**2
    """

    __slots__ = ("meaning", "tensor")

    def __new__(cls, tex: str, meaning: Any, *, tensor: bool = False) -> Quantity:  # noqa: D102
        found = super().__new__(cls, tex, commutative=True)
        found.meaning = meaning
        found.tensor = tensor
        return found

    def _latex(self, printer: Any) -> str:
        return self.name

    def _sympystr(self, printer: Any) -> str:
        return self.name


@lru_cache(maxsize=4096)
def tensor(tex: str) -> sympy.Symbol:
    r"""A primitive tensor such as \nabla E: a symbol that linear identities can be about."""
    return TensorSymbol(tex)


class TensorSymbol(sympy.Symbol):  # type: ignore[misc]
    """A primitive vector or invariant, independent of all others."""

    __slots__ = ()

    def _latex(self, printer: Any) -> str:
        return self.name


@lru_cache(maxsize=4096)
def is_compound(tex: str) -> bool:
    r"""Whether a name is a formula, such as -\nabla E, that needs brackets beside other things."""
    depth, before = 0, ""
    for token in re.findall(r"\\[A-Za-z]+|\\.|\S", tex):
        if token in _OPENING or token in _CLOSING:
            depth += 1 if token in _OPENING else -1
        elif depth == 0 and token in _OPERATORS and before not in ("^", "_"):
            return True
        before = token
    return False


def is_tensor(expression: Any) -> bool:
    """Whether an atom is written after its coefficient."""
    return isinstance(expression, TensorSymbol) or (
        isinstance(expression, Quantity) and expression.tensor
    )


def unfolded(expression: Any) -> Any:
    """With all quantities replaced by what they stand for, however deep."""
    expression = sympy.sympify(expression)
    while found := [q for q in expression.atoms(sympy.Dummy) if isinstance(q, Quantity)]:
        for quantity in found:
            expression = expression.subs(quantity, quantity.meaning)
    return expression
