"""An update rule read on series: its memory becomes a list of series in the current point."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sympy

from .errors import ModflowError, NotABSeries
from .memory import flatten, skeleton, unflatten
from .methods import Method
from .series import BSeries, ClosedFormRing, StepSize, Tree, VectorField


class SeriesRule:
    """A method over a coefficient ring, its memory flattened into a list of series."""

    def __init__(self, method: Method, ring: ClosedFormRing) -> None:
        self.ring, self.label, self.method = ring, method.label, method.map(ring)
        self.shape = self._begin(1)
        # The weight of x in each part of the memory, and its power of h. A memory that
        # starts from nothing shows its power when it is first filled.
        first = self.start(1)
        self.weights = [slot.empty for slot in first]
        self.grades = [slot.grade for slot in first]
        now = first
        for _ in first:
            _, now = self.step(now, 1)
            for i, slot in enumerate(now):
                self._check_slot(i, slot)

    def _check_slot(self, i: int, slot: BSeries) -> None:
        if slot.empty != self.weights[i]:
            raise ModflowError(
                f"in the memory of {self.label}, the weight of x changes with the step, from "
                f"{self.weights[i]} to {slot.empty}: start the memory where that weight stays"
            )
        if self.grades[i] is None:
            self.grades[i] = slot.grade
        elif slot.grade not in (None, self.grades[i]):
            raise NotABSeries(
                f"the memory of {self.label} changes its power of h from step to step, from "
                f"h^{self.grades[i]} to h^{slot.grade}"
            )

    def _begin(self, order: int) -> Any:
        return self.method.begin(VectorField(), StepSize(), BSeries.identity(order))

    def start(self, order: int) -> list[BSeries]:
        """The memory before step 0."""
        slots = flatten(self._begin(order))
        for slot in slots:
            if not isinstance(slot, BSeries):
                raise NotABSeries(
                    f"{self.label} starts with the memory {slot!r}; make it from x^0, as in 0 * x"
                )
        return slots

    def step(self, memory: Sequence[BSeries], order: int) -> tuple[BSeries, list[BSeries]]:
        """A_k, and the memory after the step around the new point."""
        given = unflatten(self.shape, iter(memory))
        result = self.method.step(VectorField(), StepSize(), BSeries.identity(order), given)
        if not isinstance(result, tuple | list) or len(result) != 2:
            raise NotABSeries(f"a step of {self.label} must return two things: x' and its memory")
        point, new = result
        slots = flatten(new)
        alike = skeleton(new) == skeleton(self.shape)
        if not alike or not all(isinstance(slot, BSeries) for slot in slots):
            raise NotABSeries(f"{self.label} returns a memory of another shape than it starts with")
        if not isinstance(point, BSeries) or point.empty != 1 or point.grade != 0:
            raise NotABSeries(f"a step of {self.label} is not x + O(h), so no flow can follow it")
        return point, [slot.over(point) for slot in slots]

    def memory(self, values: Sequence[dict[Tree, Any]], order: int) -> list[BSeries]:
        """Memory series with these coefficients, in place of those at step k."""
        return [
            BSeries(value, order, empty=weight, grade=grade or 0)
            for value, weight, grade in zip(values, self.weights, self.grades, strict=True)
        ]


def symbols_of(method: Method) -> list[sympy.Symbol]:
    """The symbols of the parameters, in the order in which they first appear."""
    found: dict[sympy.Symbol, None] = {}
    for value in method.leaves.values():
        if isinstance(value, sympy.Expr):
            found |= dict.fromkeys(sorted(value.free_symbols, key=str))
    return list(found)
