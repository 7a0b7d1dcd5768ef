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
from .rule import SeriesRule, symbols_of
from .series import BSeries, ClosedForm, ClosedFormRing, Tree, trees


def step_map(method: Method, order: int) -> tuple[ClosedFormRing, BSeries]:
    """The ring of the method's coefficients, and the series A_k over it, up to `order`.

    Raises NotABSeries where the rule is no combination of x, its memory and values of f,
    ModflowError where its memory is not of a kind that has a closed form here.
    """
    symbols = symbols_of(method)
    matrix = _memory_matrix(SeriesRule(method, ClosedFormRing(symbols)))
    rates = _distinct([matrix[i][i] for i in range(len(matrix))])
    ring = ClosedFormRing(symbols, [rate.to_sympy() for rate in rates])
    rule = SeriesRule(method, ring)
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
    ring = ClosedFormRing(symbols_of(method))
    rule = SeriesRule(method, ring)
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
    ring = ClosedFormRing(symbols_of(method))
    rule = SeriesRule(method, ring)
    memory, maps = rule.start(order), []
    for _ in range(steps):
        step, memory = rule.step(memory, order)
        maps.append(step.map(lambda c: ring(c).reduced()))
    return maps


def _memory_matrix(rule: SeriesRule) -> list[list[ClosedForm]]:
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
