"""Elementary differentials of a vector field given by formulas, over any ring.

Let F(τ) be the elementary differentials of f, and put

    Y = y + Σ_τ ε_τ F(τ)(y)/σ(τ)

with a commuting symbol ε_τ for each rooted tree. By Taylor's theorem, the coefficient of
ε_τ1 ⋯ ε_τm in f(Y) is F([τ1, ..., τm])(y)/σ([τ1, ..., τm]): the multiplicities in σ are those of
the multinomial theorem (Hairer, Lubich & Wanner, *Geometric Numerical Integration*, III.1.1 and
III.1.3). So one evaluation of f on polynomials in the ε, graded by the number of vertices, gives
all of them: what has grade n in f(Y) is F(τ)/σ(τ) for the trees of order n+1, which is what
grade n+1 of Y needs. No derivative tensors are formed, and the work is proportional to the
length of the formula, whatever the dimension.

The numbers may come from any ring: balls, power series of balls, polynomials.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from typing import Any

from .program import Program, Ring, scaled, total_of
from .trees import Tree, trees_up_to


class _Numbering:
    """Trees up to an order, numbered; the number of [φ] stands for the forest φ, too."""

    def __init__(self, order: int) -> None:
        self.trees = tuple(trees_up_to(order))
        self.number = {tree: i for i, tree in enumerate(self.trees)}
        self.planted = [self.number.get(Tree([tree]), -1) for tree in self.trees]
        self._unions: dict[tuple[int, int], int] = {}

    def union(self, a: int, b: int) -> int:
        """The union of two forests."""
        found = self._unions.get((a, b))
        if found is None:
            both = Tree((*self.trees[a].children, *self.trees[b].children))
            found = self._unions[a, b] = self.number[both]
        return found


_numbering = cache(_Numbering)

Parts = dict[int, int]
"""The slots for one grade of a node's value: forest number → slot."""


@dataclass(frozen=True)
class Operation:
    """What fills a slot, the coefficient of one forest in one node of a program."""

    kind: str
    """`variable`, `constant`, `sum`, `products` or `function`."""
    value: Any = None
    """The variable's number, the constant, or (function, exponent)."""
    terms: tuple[tuple[Fraction, int, int], ...] = ()
    """A factor and a slot for each term of a sum, a factor and two slots for each product; for a
    function, its argument."""


class Differentials:
    """How to compute F(τ)/σ(τ) for all trees up to an order: one list of operations.

    `program` is f. `slots` tells, for each component of f, which operation gives which tree; a
    tree that is missing has F(τ) = 0 everywhere. `slopes` tells for each function φ(a) among the
    operations which one gives φ'(a), perhaps a later one.
    """

    def __init__(self, program: Program, order: int) -> None:
        self._program, self._index = program, _numbering(order)
        self.operations: list[Operation] = []
        self.slots: list[dict[Tree, int]] = [{} for _ in program.outputs]
        self.slopes: dict[int, int] = {}
        jets: list[list[Parts]] = [[] for _ in program.nodes]
        inputs: list[Parts] = []
        for grade in range(order):
            for i in range(len(program.nodes)):
                jets[i].append(self._part(i, jets, inputs, grade))
            inputs = [{} for _ in program.outputs]
            for component, output in enumerate(program.outputs):
                for number, slot in jets[output][grade].items():
                    self.slots[component][self._index.trees[number]] = slot
                    inputs[component][self._index.planted[number]] = slot
        for i, j in program.slopes.items():
            self.slopes[jets[i][0][0]] = jets[j][0][0]

    def evaluate(
        self, point: Sequence[Any], ring: Ring, watch: Callable[[Any], None] | None = None
    ) -> list[dict[Tree, Any]]:
        """F(τ)/σ(τ) at a point, one dictionary for each component.

        `watch` is called with every number as it is found, and may stop it all by raising.
        """
        found: list[Any] = []
        for operation in self.operations:
            if operation.kind == "products":
                terms = [scaled(ring, c, found[i] * found[j]) for c, i, j in operation.terms]
            elif operation.kind == "sum":
                terms = [scaled(ring, c, found[i]) for c, i, _ in operation.terms]
            else:
                terms = [_first(operation, point, found, ring)]
            found.append(total_of(terms))
            if watch is not None:
                watch(found[-1])
        return [{tree: found[i] for tree, i in slots.items()} for slots in self.slots]

    # -- the list of operations ---------------------------------------------------------------

    def _part(
        self, i: int, jets: Sequence[list[Parts]], inputs: Sequence[Parts], grade: int
    ) -> Parts:
        """The slots for what has this grade in the value of a node."""
        node = self._program.nodes[i]
        terms: dict[int, list[tuple[Fraction, int, int]]] = {}
        if node.kind == "sum":
            for factor, j in zip(node.value, node.arguments, strict=True):
                for forest, slot in jets[j][grade].items():
                    terms.setdefault(forest, []).append((factor, slot, -1))
            return {f: self._add(Operation("sum", None, tuple(t))) for f, t in terms.items()}
        if node.kind == "product":
            a, b = (jets[j] for j in node.arguments)
            for n in range(grade + 1):
                self._multiply(terms, Fraction(1), a[n], b[grade - n])
        elif grade == 0:
            argument = tuple((Fraction(1), jets[j][0][0], -1) for j in node.arguments)
            return {0: self._add(Operation(node.kind, node.value, argument))}
        elif node.kind == "variable":
            return inputs[node.value]
        elif node.kind == "function":
            # The grade counts vertices, so that multiplying by it is a derivation D, and
            # Dφ(a) = φ'(a) Da gives grade n of φ(a) from smaller grades of φ'(a).
            a, slope = jets[node.arguments[0]], jets[self._program.slopes[i]]
            for n in range(1, grade + 1):
                self._multiply(terms, Fraction(n, grade), a[n], slope[grade - n])
        return {f: self._add(Operation("products", None, tuple(t))) for f, t in terms.items()}

    def _multiply(
        self,
        terms: dict[int, list[tuple[Fraction, int, int]]],
        factor: Fraction,
        a: Parts,
        b: Parts,
    ) -> None:
        for i, left in a.items():
            for j, right in b.items():
                terms.setdefault(self._index.union(i, j), []).append((factor, left, right))

    def _add(self, operation: Operation) -> int:
        self.operations.append(operation)
        return len(self.operations) - 1


def _first(operation: Operation, point: Sequence[Any], found: Sequence[Any], ring: Ring) -> Any:
    if operation.kind == "variable":
        return point[operation.value]
    if operation.kind == "constant":
        return ring.constant(operation.value)
    name, power = operation.value
    return ring.function(name, power, found[operation.terms[0][1]])
