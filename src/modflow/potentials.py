"""When a modified field is a gradient, and of which loss.

For f = -∇E, an elementary differential of order n is (-1)^n times a contraction of
derivatives of E with one free index, at the root. Leaving out the root's role gives the
*elementary potential* P(π) of the free (unrooted) tree π: the full contraction, such as
‖∇E‖² for two vertices. Its gradient puts the free index at each vertex in turn, and a
rooting τ of π is met by σ(π)/σ(τ) of them (orbit and stabilizer), so that

    ∇P(π) / σ(π) = (-1)^n Σ_{τ a rooting of π} F(τ) / σ(τ).

Hence Σ h^(|τ|-1)/σ(τ) b(τ) F(τ) is the gradient field of a modified loss for every loss E
if b takes one value on all rootings of each free tree, b(u∘v) = b(v∘u); and only if,
because elementary differentials are independent: where two rootings differ, a polynomial
loss exists whose modified field has a Jacobian that is not symmetric. (The gradient
counterpart of HLW Theorem IX.9.10 on Hamiltonian fields, where the sign is minus.)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import sympy

from .errors import ModflowError, NotAGradient
from .series import ClosedForm, Tree
from .series.render import latex_sum


@dataclass(frozen=True, eq=False)
class ModifiedLoss:
    """Ê = Σ_π c(π) h^(|π|-1) P(π) over free trees, each named by its smallest rooting.

    `coefficients` are in closed form in k, `limit` for k → ∞ (None where there is none);
    both include the sign and the symmetry factor, so that the coefficient of a single
    vertex multiplies E and that of [1, 2] multiplies h ‖∇E‖².
    """

    coefficients: dict[Tree, sympy.Expr]
    limit: dict[Tree, sympy.Expr] | None
    elements: dict[Tree, ClosedForm]
    """The coefficients as elements of the exact coefficient ring."""

    def latex(self, *, limit: bool = False) -> str:
        r"""The modified loss as a TeX formula, such as ``\hat E = E + ...``."""
        values = self.coefficients if not limit or self.limit is None else self.limit
        return r"\hat E = " + latex_sum(
            (c, tree.order - 1, potential_latex(tree, subscripts=self._is_coloured))
            for tree, c in values.items()
        )

    @property
    def _is_coloured(self) -> bool:
        return any(any(tree.colours) for tree in self.coefficients)

    def _repr_latex_(self) -> str:
        return f"$\\displaystyle {self.latex()}$"

    def __str__(self) -> str:
        powers = {1: "", 2: "*h"}
        terms = []
        for tree, c in self.coefficients.items():
            if c != 0:
                factor = "" if c == 1 else f"({c})" if c.is_Add else f"{c}"
                power = powers.get(tree.order, f"*h**{tree.order - 1}")
                name = potential_text(tree, subscripts=self._is_coloured)
                terms.append(f"{factor}{power}*{name}".lstrip("*"))
        return " + ".join(terms) or "0"


def modified_loss(
    field: Mapping[Tree, ClosedForm], show: Callable[[ClosedForm], sympy.Expr]
) -> ModifiedLoss:
    """The loss whose negative gradient is the field b, for f = -∇E and every loss E.

    Raises NotAGradient with the first pair of rootings of one free tree on which b differs.
    """
    elements: dict[Tree, ClosedForm] = {}
    for tree, b in field.items():
        first = tree.rootings[0]
        other = field[first]
        if b != other:
            raise NotAGradient(
                f"the modified field is not a gradient from h^{tree.order - 1} on: {first!r} and "
                f"{tree!r} are rootings of one free tree, so a modified loss needs equal "
                f"coefficients, but they are {show(other)} and {show(b)}",
                (first, tree),
            )
        if tree is first:
            sign = 1 if tree.order % 2 else -1
            elements[tree] = (b * sign / tree.free_symmetry).reduced()
    try:
        limit = {tree: show(c.limit()) for tree, c in elements.items()}
    except ModflowError:  # a coefficient grows with k
        limit = None
    return ModifiedLoss({tree: show(c) for tree, c in elements.items()}, limit, elements)


def potential_latex(tree: Tree, *, subscripts: bool | None = None) -> str:
    r"""P(π) in TeX: ``E``, ``\|\nabla E\|^2``, and inner products of differentials beyond.

    With several losses the colours become subscripts, also where all are 0 if so asked.
    """
    marked = any(tree.colours) if subscripts is None else subscripts
    names = [rf"E_{{{c}}}" if marked else "E" for c in tree.colours]
    if tree.order == 1:
        return names[0]
    if tree.order == 2:
        if names[0] == names[1]:
            return rf"\|\nabla {names[0]}\|^2"
        return rf"\langle \nabla {names[0]}, \nabla {names[1]} \rangle"
    first, second = (part.differential("g", subscripts=marked) for part in split(tree))
    return rf"\langle {first}, {second} \rangle_{{g=\nabla E}}"


def potential_text(tree: Tree, *, subscripts: bool | None = None) -> str:
    """P(π) in plain text; colours as for `potential_latex`."""
    marked = any(tree.colours) if subscripts is None else subscripts
    names = [f"E_{c}" if marked else "E" for c in tree.colours]
    if tree.order == 1:
        return names[0]
    if tree.order == 2:
        if names[0] == names[1]:
            return f"|grad {names[0]}|^2"
        return f"<grad {names[0]}, grad {names[1]}>"
    left, right = (part.differential("g", subscripts=marked) for part in split(tree))
    return f"<{left}, {right}>"


def split(tree: Tree) -> tuple[Tree, Tree]:
    """Two rooted trees whose roots, joined by an edge, give the free tree.

    P(π) is the inner product of their elementary differentials in g = ∇E.
    """
    branch = tree.children[0]
    rest: list[Any] = list(tree.children)
    rest.remove(branch)
    return Tree(rest, tree.colour), branch
