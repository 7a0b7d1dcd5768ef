"""Modified equations: the flow that the iterates of an update rule follow.

The step map A_k of `derivation` is the time-h flow of a vector field F_k, its logarithm
(Hairer, Lubich & Wanner, *Geometric Numerical Integration*, IX.9). The iterates are, as
formal series in h, the solution of the piecewise equation

    x' = F_k(x) = Σ_τ h^(|τ|-1) / σ(τ) · b_k(τ) · F(τ)(x)   on [t_k, t_{k+1}].

Kept up to h^(p-1) its solution stays within C h^p of the iterates over a fixed time.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from fractions import Fraction
from functools import cached_property
from typing import TYPE_CHECKING, Any

import sympy

from . import cache
from .derivation import limit_map, step_map
from .errors import ModflowError
from .grid import is_whole
from .methods import Method
from .potentials import ModifiedLoss, modified_loss
from .rule import symbols_of
from .series import BSeries, ClosedForm, ClosedFormRing, K, Tree, trees_up_to
from .series.render import latex_sum, with_floats
from .series.stored import from_text, to_text
from .structure import Structure, structure

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult

MAX_ORDER = 12


def modified_equation(method: Method, order: int, *, limit: bool = False) -> ModifiedEquation:
    """The modified equation of `method` with the powers h^0, ..., h^(order-1), exactly.

    With `limit` only the limit k → ∞ is derived, from equations without k: much faster at high
    order, and possible also where the memory has no closed form in k.

    >>> from modflow.methods import HeavyBall
    >>> eq = modified_equation(HeavyBall(), order=2)
    >>> for tree, b in eq.limit.items():
    ...     print(tree, b)
    Tree([1]) 1/(1 - beta)
    Tree([1, 2]) -(beta + 1)/(2*(1 - beta)**3)

    Raises ModflowError for an order outside 1..12 and where the memory has no closed form (with
    `limit`: no limit), NotABSeries where the update rule is no combination of x, its memory and
    values of f.
    """
    if not isinstance(method, Method):
        raise ModflowError(f"a method is needed, such as HeavyBall(); got {method!r}")
    if not is_whole(order) or not 1 <= order <= MAX_ORDER:
        raise ModflowError(f"the order must be a whole number from 1 to {MAX_ORDER}; got {order!r}")
    order = int(order)
    ring, field = _derived(method, order, limit)
    return ModifiedEquation(method, order, ring, field)


def _derived(method: Method, order: int, limit: bool) -> tuple[ClosedFormRing, BSeries]:
    """The field, from the cache where it has one."""
    found: list[tuple[ClosedFormRing, BSeries]] = []

    def make() -> str:
        ring, step = limit_map(method, order) if limit else step_map(method, order)
        found.append((ring, step.log().map(lambda c: ring(c).reduced())))
        return to_text(*found[0]) if key is not None else ""

    key = cache_key(method)
    if key is None:
        make()
    else:
        text = cache.kept("coefficients", [key, str(order), str(limit)], make)
    return found[0] if found else from_text(text, symbols_of(method))


def cache_key(method: Method) -> str | None:
    """All that a derivation depends on; None where nothing is to be kept.

    That is so without a cache, and for a method that is not modflow's own: its `step` may call
    what has changed since.
    """
    return None if cache.folder() is None else _signature(method)


def _signature(value: Any) -> str | None:
    if isinstance(value, Method):
        kind = type(value)
        parts = [_signature(getattr(value, field.name)) for field in fields(value)]
        if not kind.__module__.startswith("modflow.methods.") or None in parts:
            return None
        return f"{kind.__module__}.{kind.__qualname__}({', '.join(map(str, parts))})"
    if isinstance(value, tuple):
        parts = [_signature(part) for part in value]
        return None if None in parts else f"({', '.join(map(str, parts))})"
    return f"{type(value).__name__} {sympy.srepr(value)}"


@dataclass(frozen=True, eq=False)
class ModifiedEquation:
    """The vector field F_k of a piecewise flow, by its coefficients b_k(τ).

    Made by `modified_equation`; `with_coefficients` makes variants of it, such as a formula
    from a paper that is to be compared with what is true.
    """

    method: Method
    order: int
    ring: ClosedFormRing
    field: BSeries
    """b_k(τ) as elements of `ring`."""

    # -- coefficients -------------------------------------------------------------------

    @cached_property
    def coefficients(self) -> dict[Tree, sympy.Expr]:
        """b_k(τ) in closed form in k and the parameters, HLW's normalisation; all trees."""
        return {tree: self._show(b) for tree, b in self.elements()}

    def at(self, k: int) -> dict[Tree, sympy.Expr]:
        """b_k(τ) at this step k = 0, 1, 2, ..., in the parameters."""
        k = _step_number(k)
        return {tree: self._show(b.at(k)) for tree, b in self.elements()}

    @cached_property
    def limit(self) -> dict[Tree, sympy.Expr]:
        """lim b_k(τ) for k → ∞: the modified equation of the underlying one-step method.

        Raises ModflowError where a coefficient grows with k.
        """
        return {tree: self._show(b.limit()) for tree, b in self.elements()}

    def element(self, tree: Tree) -> ClosedForm:
        """b_k(τ) as an element of the exact coefficient ring."""
        return self.ring(self.field[tree])

    def elements(self) -> list[tuple[Tree, ClosedForm]]:
        """All trees up to the order with b_k(τ) in the ring, ascending."""
        return [(tree, self.element(tree)) for tree in trees_up_to(self.order)]

    def _show(self, element: ClosedForm) -> sympy.Expr:
        value = element.to_sympy()
        return with_floats(value) if self.method.is_inexact else value

    def __repr__(self) -> str:
        return f"ModifiedEquation({self.method!r}, order={self.order})"

    # -- variants -----------------------------------------------------------------------

    def with_coefficients(self, changes: Mapping[Tree, Any]) -> ModifiedEquation:
        """The same field with other coefficients on these trees; the others are kept.

        Values are expressions (or strings) in k and the parameters, in the ring of this
        equation: rational in the parameters, polynomial in k and in powers such as
        beta**(k+1). Raises ModflowError for anything else.
        """
        for tree in changes:
            if not isinstance(tree, Tree) or any(tree.colours):
                raise ModflowError(f"coefficients belong to trees of one colour; got {tree!r}")
        values = {**self.field, **{tree: self.ring(c) for tree, c in changes.items()}}
        order = max([self.order, *(tree.order for tree in changes)])
        return ModifiedEquation(self.method, order, self.ring, BSeries(values, order))

    def truncated(self, order: int) -> ModifiedEquation:
        """The same field with the powers h^0, ..., h^(order-1) only."""
        order = min(order, self.order)
        return ModifiedEquation(self.method, order, self.ring, BSeries(dict(self.field), order))

    def frozen(self) -> ModifiedEquation:
        """The autonomous field of the limit k → ∞, used from the first step on."""
        return ModifiedEquation(
            self.method, self.order, self.ring, self.field.map(lambda b: self.ring(b).limit())
        )

    def residual(self, tree: Tree, formula: Any) -> sympy.Expr:
        """b_k(τ) minus a formula, as an expression that is 0 exactly where both are identical.

        Equality in the coefficient ring is decidable: 0 means equal for all k and all
        values of the parameters.
        """
        return (self.element(tree) - self.ring(formula)).reduced().to_sympy()

    # -- structure ----------------------------------------------------------------------

    def modified_loss(self) -> ModifiedLoss:
        """The Ê_k with F_k = -∇Ê_k for f = -∇E, whatever the loss E.

        Raises NotAGradient with two trees whose coefficients would have to agree.
        """
        return modified_loss(dict(self.elements()), self._show)

    def structure(self) -> Structure:
        """Whether the field is a gradient, Hamiltonian, or even in h, and to which order."""
        return structure(dict(self.elements()), self.order, self._show)

    # -- output -------------------------------------------------------------------------

    def latex(self, k: int | None = None, *, limit: bool = False) -> str:
        """The modified equation as a TeX formula for x' with f = -∇E."""
        k = None if k is None else _step_number(k)

        def value(b: ClosedForm, symmetry: int) -> sympy.Expr:
            b = b.limit() if limit else b if k is None else b.at(k)
            return self._show(b * Fraction(1, symmetry))

        return r"\dot{x} = " + latex_sum(
            (value(b, tree.symmetry), tree.order - 1, tree.differential())
            for tree, b in self.elements()
        )

    def to_dict(self, k: int | None = None) -> dict[str, Any]:
        """The JSON document of `modflow derive --json`; expressions as strings.

        SymPy has a function called beta, so tell it that the symbol is meant:
        ``sympy.sympify(text, locals={"beta": sympy.Symbol("beta")})``.

        With a step number k the key "step" holds the coefficients at that step.
        """
        step, limit = self.coefficients if k is None else self.at(k), self._limit_or_none
        return {
            "method": self.method.label,
            "parameters": self.method.plain(str),
            "order": self.order,
            "normalisation": "HLW",
            **({} if k is None else {"k": int(k)}),
            "structure": self.structure().to_dict(),
            "coefficients": [
                {
                    "tree": list(tree.level_sequence),
                    "order": tree.order,
                    "symmetry": tree.symmetry,
                    "step": str(step[tree]),
                    "limit": None if limit is None else str(limit[tree]),
                }
                for tree in step
            ],
        }

    def to_json(self, k: int | None = None) -> str:
        """`to_dict` as JSON text."""
        return json.dumps(self.to_dict(k), indent=2, ensure_ascii=False)

    def to_python(self, k: int | None = None, *, limit: bool = False) -> str:
        """The field as a Python module of its own that needs JAX alone: see `export`."""
        from .export import python_source

        return python_source(self, limit=limit, k=k)

    def to_html(self, *, limit: bool = False) -> str:
        """A page with the table of trees, their pictures and coefficients; no scripts."""
        from .export import html_page

        return html_page(self, limit=limit)

    def to_latex_table(self, *, limit: bool = False) -> str:
        """The same table for LaTeX, as a longtable with trees drawn by TikZ."""
        from .export import latex_table

        return latex_table(self, limit=limit)

    @property
    def _limit_or_none(self) -> dict[Tree, sympy.Expr] | None:
        try:
            return self.limit
        except ModflowError:
            return None

    def _repr_latex_(self) -> str:
        return f"$\\displaystyle {self.latex()}$"

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        from ._rich import equation_view

        yield equation_view(self)


def _step_number(k: Any) -> int:
    if not is_whole(k) or k < 0:
        raise ModflowError(f"a step number is a whole number from 0; got {k!r}")
    return int(k)


__all__ = ["K", "ModifiedEquation", "modified_equation"]
