"""The exact coefficients of the flow when every step has a batch of its own.

With f_j = -∇E_j the flow of step k is a sum over coloured trees, their vertices coloured by
batches,

    x' = F_k(x) = Σ_τ h^(|τ|-1) / σ(τ) · b_k(τ) · F(τ)(x)   on [t_k, t_{k+1}].

Its coefficients depend on the batches of all steps up to k. They follow from the recursion of
`derivation`, M_{k+1} = M' ∘ A_k⁻¹, with the memory a series in several fields.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import sympy

from ..errors import ModflowError
from ..grid import is_whole
from ..memory import flatten, unflatten
from ..methods import Method
from ..modified import MAX_ORDER
from ..potentials import ModifiedLoss, modified_loss
from ..rule import SeriesRule, symbols_of
from ..series import BSeries, ClosedForm, ClosedFormRing, StepSize, Tree
from ..series.render import latex_sum, with_floats
from ..series.tensors import ColouredField, ColouredSeries


def batch_equations(method: Method, order: int, batches: Sequence[int]) -> list[BatchField]:
    """The fields F_0, ..., F_{n-1} of a method whose step k uses the loss batches[k], exactly.

    The batches are the colours of the trees. ``range(n)``, all batches different, is the most
    general statement: the field of any sequence follows from it by giving colours the same
    name and adding up what coincides.

    >>> from modflow.methods import HeavyBall
    >>> for tree, b in batch_equations(HeavyBall(), 1, [0, 1, 2])[2].coefficients.items():
    ...     print(tree, b)
    Tree([1]) beta**2
    Tree([1], colours=[1]) beta
    Tree([1], colours=[2]) 1

    Raises ModflowError for an order outside 1..12 and for a sequence that is empty or holds
    anything but whole numbers from 0; NotABSeries as `modified_equation`.
    """
    order, batches = checked_order(method, order), checked_batches(batches)
    labels = sorted(set(batches))
    ring = ClosedFormRing(symbols_of(method))
    rule = SeriesRule(method, ring)
    fields = {j: ColouredField.of(i, len(labels)) for i, j in enumerate(labels)}
    x = ColouredSeries.identity(order)
    slots = flatten(rule.method.begin(fields[batches[0]], StepSize(), x))
    found = []
    for k, j in enumerate(batches):
        point, slots = advance(rule.method, rule.shape, fields[j], x, slots)
        field = _named(point.log().coloured(), labels)
        found.append(BatchField(method, order, batches[: k + 1], ring, field))
        slots = [
            slot.map(lambda c: c.reduced() if isinstance(c, ClosedForm) else c) for slot in slots
        ]
    return found


def checked_order(method: Any, order: Any) -> int:
    """The order as an int; raises ModflowError for what is no method and for other orders."""
    if not isinstance(method, Method):
        raise ModflowError(f"a method is needed, such as HeavyBall(); got {method!r}")
    if not is_whole(order) or not 1 <= order <= MAX_ORDER:
        raise ModflowError(f"the order must be a whole number from 1 to {MAX_ORDER}; got {order!r}")
    return int(order)


def checked_batches(batches: Any) -> tuple[int, ...]:
    """The sequence as ints; raises ModflowError where it is none, is empty or holds others."""
    if isinstance(batches, str) or not isinstance(batches, Iterable):
        raise ModflowError(f"batches are a sequence of whole numbers, one a step; got {batches!r}")
    found = tuple(batches)
    if not found:
        raise ModflowError("the sequence of batches is empty: give one batch a step")
    for j in found:
        if not is_whole(j) or j < 0:
            raise ModflowError(f"a batch is a whole number from 0; got {j!r}")
    return tuple(int(j) for j in found)


def _named(series: BSeries, labels: Sequence[int]) -> BSeries:
    """The series with labels[i] for colour i; they ascend, so that trees stay as they are."""
    if list(labels) == list(range(len(labels))):
        return series
    values = {
        Tree.from_level_sequence(tree.level_sequence, [labels[c] for c in tree.colours]): b
        for tree, b in series.items()
    }
    return BSeries(values, series.order, series.empty, series.grade)


def advance(method: Method, shape: Any, f: ColouredField, x: Any, slots: list[Any]) -> Any:
    """A_k, and the memory after the step around the new point."""
    point, new = method.step(f, StepSize(), x, unflatten(shape, iter(slots)))
    return point, [slot.over(point) for slot in flatten(new)]


@dataclass(frozen=True, eq=False)
class BatchField:
    """The field F_k of one step, by its coefficients b_k(τ) on trees coloured by batches."""

    method: Method
    order: int
    batches: tuple[int, ...]
    """The batches of steps 0, ..., k."""
    ring: ClosedFormRing
    field: BSeries
    """b_k(τ) as elements of `ring`, or as numbers."""

    @property
    def step(self) -> int:
        """k."""
        return len(self.batches) - 1

    @cached_property
    def coefficients(self) -> dict[Tree, sympy.Expr]:
        """All b_k(τ) that do not vanish, in the parameters, in HLW's normalisation."""
        return {tree: self._show(b) for tree, b in self.elements()}

    def element(self, tree: Tree) -> ClosedForm:
        """b_k(τ) as an element of the exact coefficient ring."""
        return self.ring(self.field[tree])

    def elements(self) -> list[tuple[Tree, ClosedForm]]:
        """The trees with b_k(τ) ≠ 0, ascending, with these."""
        return [(tree, self.element(tree)) for tree in self.field]

    def modified_loss(self) -> ModifiedLoss:
        """The Ê_k with F_k = -∇Ê_k for f_j = -∇E_j, whatever the losses E_j.

        Raises NotAGradient with two trees whose coefficients would have to agree.
        """
        rootings = sorted({rooting for tree in self.field for rooting in tree.rootings})
        return modified_loss({tree: self.element(tree) for tree in rootings}, self._show)

    def latex(self) -> str:
        """F_k as a TeX formula for x', with f_j = -∇E_j."""
        return r"\dot{x} = " + latex_sum(
            (
                self._show(b / tree.symmetry),
                tree.order - 1,
                tree.differential("f", subscripts=True),
            )
            for tree, b in self.elements()
        )

    def _show(self, element: ClosedForm) -> sympy.Expr:
        value = element.to_sympy()
        return with_floats(value) if self.method.is_inexact else value

    def __repr__(self) -> str:
        return f"BatchField({self.method!r}, order={self.order}, batches={list(self.batches)})"
