r"""What the engine derives, as expressions for a document's formulas.

Elementary differentials, contractions of derivatives of the loss and coefficients on trees become
symbols that print as one writes them, and that stand for what the engine has for them. For the
field f = -∇E of a loss, F(τ) stands for (-1)^|τ| times the contraction of derivatives of E with
one free index at the root, so that formulas in f and in E can be compared.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import sympy

from ..series import BSeries, ClosedForm, Tree
from .pictures import tree_tex
from .quantities import Quantity, tensor

if TYPE_CHECKING:
    from ..gaussian import JetPolynomial
    from ..modified import ModifiedEquation
    from ..potentials import ModifiedLoss

H = sympy.Symbol("h")
X = tensor("x")
"""The identity map, in a series."""


@lru_cache(maxsize=1024)
def elementary(tree: Tree) -> sympy.Symbol:
    r"""The elementary differential F(τ), such as f'f; with one loss, of the field f = -∇E.

    >>> from sympy import latex
    >>> f_prime_f = elementary(Tree([Tree()]))
    >>> latex(f_prime_f), latex(f_prime_f.meaning)
    ("f'f", '\\nabla^{2} E\\,\\nabla E')
    """
    if any(tree.colours):
        return tensor(tree.differential(subscripts=True))
    from ..contractions import Contraction

    rows, path = [[0] * tree.order for _ in range(tree.order)], dict[int, int]()
    for i, level in enumerate(tree.level_sequence):
        if i:
            rows[i][path[level - 1]] = rows[path[level - 1]][i] = 1
        path[level] = i
    root = (1,) + (0,) * (tree.order - 1)
    vector = Contraction(tuple(map(tuple, rows)), free=root)
    meaning = (-1) ** tree.order * tensor(vector.latex())
    return Quantity(tree.differential(), meaning, tensor=True)


def coloured(tree: Tree) -> sympy.Symbol:
    r"""F(τ) with the loss of each vertex as its index, also where all are 0: f_{0}'f_{0}."""
    return tensor(tree.differential(subscripts=True))


def coefficient(name: str, tree: Tree, value: Any) -> Quantity:
    r"""A coefficient on a tree, such as b_k(τ) with the tree drawn, that stands for its value."""
    return Quantity(rf"{name}({tree_tex(tree)})", plain(value))


def plain(value: Any) -> Any:
    """An expression for a number, an element of a coefficient ring, or an expression."""
    return value.to_sympy() if isinstance(value, ClosedForm) else sympy.sympify(value)


def field(
    equation: ModifiedEquation,
    coefficients: Mapping[Tree, Any] | None = None,
    *,
    limit: bool = False,
) -> sympy.Expr:
    r"""Σ h^(|τ|-1)/σ(τ) b(τ) F(τ): the right side of a modified equation.

    With other `coefficients` in place of those for all k; `limit` for those of k → ∞.
    """
    if coefficients is None:
        coefficients = equation.limit if limit else equation.coefficients
    return sympy.Add(
        *(
            plain(b) * H ** (tree.order - 1) / tree.symmetry * elementary(tree)
            for tree, b in coefficients.items()
        )
    )


def series(b: BSeries) -> sympy.Expr:
    r"""a(∅) x + Σ h^|τ|/σ(τ) a(τ) F(τ), as an expression."""
    return plain(b.empty) * X + sympy.Add(
        *(
            plain(a) * H**tree.order / tree.symmetry * elementary(tree)
            for tree, a in b.coefficients.items()
        )
    )


# -- contractions of the derivatives of a loss ----------------------------------------------------


def jet(value: JetPolynomial | ModifiedLoss) -> sympy.Expr:
    r"""A linear combination of contractions, such as E + h/4 ‖∇E‖², as an expression."""
    from ..gaussian import JetPolynomial

    polynomial = value if isinstance(value, JetPolynomial) else JetPolynomial.of(value)
    return sympy.Add(
        *(
            c * (sympy.Integer(1) if str(graph) == "1" else tensor(graph.latex()))
            for graph, c in polynomial.terms.items()
        )
    )


def potential(tree: Tree) -> sympy.Symbol:
    r"""The elementary potential of a free tree, such as ‖∇E‖² for two vertices."""
    from ..gaussian import JetPolynomial
    from ..potentials import ModifiedLoss

    return jet(JetPolynomial.of(ModifiedLoss({tree: sympy.Integer(1)}, None, {}))) / H ** (
        tree.order - 1
    )


def gradient(value: JetPolynomial | ModifiedLoss, *, of: str = "") -> Quantity:
    r"""∇(...) of a scalar, which stands for its gradient as the engine has it.

    `of` is TeX for a scalar that has a name, such as ``\hat{E}``.
    """
    polynomial = _polynomial(value)
    return _applied(r"\nabla", polynomial, polynomial.gradient(), of)


def laplacian(value: JetPolynomial | ModifiedLoss) -> Quantity:
    r"""Δ(...), which stands for the Laplacian as the engine has it."""
    polynomial = _polynomial(value)
    return _applied(r"\Delta", polynomial, polynomial.laplacian())


def mean(value: JetPolynomial | ModifiedLoss) -> Quantity:
    r"""𝔼[...] over η ~ N(0, σ² I), which stands for the mean as the engine has it."""
    from .typeset import typeset

    polynomial = _polynomial(value)
    tex = rf"\mathbb{{E}}\left[{typeset(jet(polynomial))}\right]"
    return Quantity(tex, jet(polynomial.expectation()), tensor=True)


def _polynomial(value: JetPolynomial | ModifiedLoss) -> JetPolynomial:
    from ..gaussian import JetPolynomial

    return value if isinstance(value, JetPolynomial) else JetPolynomial.of(value)


def _applied(
    operator: str, argument: JetPolynomial, found: JetPolynomial, name: str = ""
) -> Quantity:
    from .typeset import typeset

    if name:
        return Quantity(rf"{operator} {name}", jet(found), tensor=True)
    shown = jet(argument)
    body = typeset(shown)
    simple = shown.is_Symbol and not body.startswith("\\left")
    tex = rf"{operator} {body}" if simple else rf"{operator}\left({body}\right)"
    return Quantity(tex, jet(found), tensor=True)
