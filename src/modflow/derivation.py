"""The step map of a method with memory, in closed form in the step number k.

One step in x^k's own coordinates: with the memory a series M_k in x^k, `step` gives the
series A_k of x^k → x^{k+1} and the new memory M', again in x^k. Around the new point it is

    M_{k+1} = M' ∘ A_k⁻¹,

and the next step follows. Tree by tree, this is a linear recurrence m_{k+1} = Λ m_k + r_k
whose r_k is known from smaller trees; Λ is read off `step` itself, by running it on unit
memories. See Hairer, Lubich & Wanner, *Geometric Numerical Integration*, chapter XV.2, for
the underlying one-step method of a multistep method, which is the limit k → ∞.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sympy

from .errors import ModflowError, NotABSeries
from .methods import Method
from .series import BSeries, ClosedForm, ClosedFormRing, StepSize, Tree, VectorField, trees


def step_map(method: Method, order: int) -> tuple[ClosedFormRing, BSeries]:
    """The ring of the method's coefficients, and the series A_k over it, up to `order`.

    Raises NotABSeries where the rule is no combination of x, its memory and values of f,
    ModflowError where its memory is not of a kind that has a closed form here.
    """
    symbols = _symbols(method)
    matrix = _memory_matrix(_Rule(method, ClosedFormRing(symbols)))
    rates = _distinct([matrix[i][i] for i in range(len(matrix))])
    ring = ClosedFormRing(symbols, [rate.to_sympy() for rate in rates])
    rule = _Rule(method, ring)
    linear = [[ring(entry) for entry in row] for row in matrix]
    schedule = _elimination_order(linear)
    start = rule.start(order)
    known: list[dict[Tree, ClosedForm]] = [{} for _ in start]
    for n in range(1, order + 1 if start else 1):
        _, following = rule.step(rule.memory(known, n), n)
        for tree in trees(n):
            for i in schedule:
                forcing = ring(following[i][tree])
                for j in schedule:
                    # Within this tree, the slots solved so far are part of what is known.
                    if j != i and tree in known[j] and linear[i][j] != 0:
                        forcing = forcing + linear[i][j] * known[j][tree]
                known[i][tree] = ring.solve_recurrence(linear[i][i], forcing, start[i][tree])
    memory = rule.memory(known, order)
    step, following = rule.step(memory, order)
    for now, then in zip(memory, following, strict=True):
        if any(ring(now[t]).shift() != then[t] for t in now.keys() | then.keys()):
            raise NotABSeries(
                f"{method.label} does not repeat itself: its `step` may depend on its arguments "
                "and parameters only (or else its closed form is wrong, which is a bug)"
            )
    return ring, step


def limit_map(method: Method, order: int) -> tuple[ClosedFormRing, BSeries]:
    """The ring, and the limit k → ∞ of A_k: the underlying one-step method, without any k.

    The memory then repeats itself, m = Λ m + r, which is linear tree by tree. It is the limit
    where all eigenvalues of Λ have modulus < 1, as is assumed of symbols.

    Raises ModflowError where the memory has no limit, and as `step_map`.
    """
    ring = ClosedFormRing(_symbols(method))
    rule = _Rule(method, ring)
    matrix = _memory_matrix(rule)
    _check_decay(method, matrix)
    slots = range(len(matrix))
    system = [[(1 if i == j else 0) - matrix[i][j] for j in slots] for i in slots]
    known: list[dict[Tree, ClosedForm]] = [{} for _ in slots]
    for n in range(1, order + 1 if matrix else 1):
        _, following = rule.step(rule.memory(known, n), n)
        for tree in trees(n):
            forcing = [ring(following[i][tree]) for i in slots]
            for i, value in enumerate(_solved(system, forcing)):
                known[i][tree] = value
    return ring, rule.step(rule.memory(known, order), order)[0]


def step_maps(method: Method, order: int, steps: int) -> list[BSeries]:
    """A_0, ..., A_{steps-1} by running the method step by step; no closed form is used.

    The second route, for particular k: slower, but it needs nothing of the memory's kind.
    """
    ring = ClosedFormRing(_symbols(method))
    rule = _Rule(method, ring)
    memory, maps = rule.start(order), []
    for _ in range(steps):
        step, memory = rule.step(memory, order)
        maps.append(step.map(lambda c: ring(c).reduced()))
    return maps


class _Rule:
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
        slots = _flatten(self._begin(order))
        for slot in slots:
            if not isinstance(slot, BSeries):
                raise NotABSeries(
                    f"{self.label} starts with the memory {slot!r}; make it from x^0, as in 0 * x"
                )
        return slots

    def step(self, memory: Sequence[BSeries], order: int) -> tuple[BSeries, list[BSeries]]:
        """A_k, and the memory after the step around the new point."""
        given = _unflatten(self.shape, iter(memory))
        result = self.method.step(VectorField(), StepSize(), BSeries.identity(order), given)
        if not isinstance(result, tuple | list) or len(result) != 2:
            raise NotABSeries(f"a step of {self.label} must return two things: x' and its memory")
        point, new = result
        slots = _flatten(new)
        alike = _skeleton(new) == _skeleton(self.shape)
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


def _memory_matrix(rule: _Rule) -> list[list[ClosedForm]]:
    """Λ with m_{k+1} = Λ m_k + ..., the same for every tree, read off the single vertex."""
    node, slots = Tree(), range(len(rule.weights))

    def respond(unit: int | None) -> list[Any]:
        memory = rule.memory([{node: 1} if i == unit else {} for i in slots], 1)
        return [series[node] for series in rule.step(memory, 1)[1]]

    base = respond(None)
    columns = [respond(unit) for unit in slots]
    return [[rule.ring(columns[j][i] - base[i]).reduced() for j in slots] for i in slots]


def _elimination_order(matrix: Sequence[Sequence[ClosedForm]]) -> list[int]:
    """An order of the slots in which each depends, besides on itself, on earlier ones only."""
    left, done = set(range(len(matrix))), []
    while left:
        ready = [i for i in left if all(matrix[i][j] == 0 for j in left if j != i)]
        if not ready:
            raise ModflowError(
                "the parts of the memory feed each other in a circle, so that its decay rates "
                "are no rational functions of the parameters; rewrite it so that no two do"
            )
        done += ready
        left -= set(ready)
    return done


def _solved(
    system: Sequence[Sequence[ClosedForm]], right: Sequence[ClosedForm]
) -> list[ClosedForm]:
    """The solution of a regular linear system over the coefficient field, by elimination."""
    rows = [[*row, value] for row, value in zip(system, right, strict=True)]
    size = len(rows)
    for i in range(size):
        pivot = next(j for j in range(i, size) if rows[j][i] != 0)
        rows[i], rows[pivot] = rows[pivot], rows[i]
        inverse = rows[i][i].inverse()
        rows[i] = [(entry * inverse).reduced() for entry in rows[i]]
        for j in range(size):
            factor = rows[j][i]
            if j != i and factor != 0:
                rows[j] = [a - factor * b for a, b in zip(rows[j], rows[i], strict=True)]
    return [row[size].reduced() for row in rows]


def _check_decay(method: Method, matrix: Sequence[Sequence[ClosedForm]]) -> None:
    """Raise ModflowError where an eigenvalue of Λ is a number of modulus 1 or more."""
    # The eigenvalues are those of the blocks that feed each other.
    entries = sympy.Matrix([[entry.to_sympy() for entry in row] for row in matrix])
    for block in entries.strongly_connected_components():
        part = entries.extract(block, block)
        if not part.free_symbols and any(abs(value) >= 1 for value in part.eigenvals()):
            raise ModflowError(f"the memory of {method.label} does not decay, so it has no limit")


def _distinct(rates: Sequence[ClosedForm]) -> list[ClosedForm]:
    found: list[ClosedForm] = []
    for rate in rates:
        if rate not in (0, 1) and rate not in found:
            found.append(rate)
    return found


def _symbols(method: Method) -> list[sympy.Symbol]:
    """The symbols of the parameters, in the order in which they first appear."""
    found: dict[sympy.Symbol, None] = {}
    for value in method.leaves.values():
        if isinstance(value, sympy.Expr):
            found |= dict.fromkeys(sorted(value.free_symbols, key=str))
    return list(found)


def _flatten(memory: Any) -> list[Any]:
    if memory is None:
        return []
    if isinstance(memory, dict):
        memory = [memory[key] for key in sorted(memory)]
    if isinstance(memory, tuple | list):
        return [slot for part in memory for slot in _flatten(part)]
    return [memory]


def _unflatten(shape: Any, slots: Any) -> Any:
    if shape is None:
        return None
    if isinstance(shape, dict):
        return {key: _unflatten(shape[key], slots) for key in sorted(shape)}
    if isinstance(shape, tuple | list):
        parts = [_unflatten(part, slots) for part in shape]
        return type(shape)(*parts) if hasattr(shape, "_fields") else type(shape)(parts)
    return next(slots)


def _skeleton(memory: Any) -> Any:
    """The memory's shape as a pytree, which may not change from step to step."""
    if memory is None:
        return None
    if isinstance(memory, dict):
        return dict, {key: _skeleton(part) for key, part in memory.items()}
    if isinstance(memory, tuple | list):
        return type(memory), [_skeleton(part) for part in memory]
    return "vector"
