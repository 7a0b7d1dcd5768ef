"""What kind of vector field a modified equation is, to which order, and what forbids more.

Three properties of Σ h^(|τ|-1)/σ(τ) b(τ) F(τ), each for all smooth data at once, are conditions
on b. With u∘v the tree that has v as one more branch of u's root:

* gradient, for f = -∇E with every loss E: b(u∘v) = b(v∘u), so that b has one value on all
  rootings of a free tree. `potentials` has the proof and the loss; `witness_loss` the converse.
* Hamiltonian, for f = J⁻¹∇H with every Hamiltonian H: b(u∘v) + b(v∘u) = 0 (Hairer, Lubich &
  Wanner, *Geometric Numerical Integration*, Theorem IX.9.10); then the method is symplectic.
* symmetric, even in h: b(τ) = 0 where |τ| is even (the same, Theorem IX.2.2); then the method is
  its own adjoint.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sympy

from .series import ClosedForm, Tree

GRADIENT = "b(u∘v) = b(v∘u) for all trees u, v"
HAMILTONIAN = "b(u∘v) + b(v∘u) = 0 for all trees u, v"
SYMMETRIC = "b(τ) = 0 for all trees of even order"


@dataclass(frozen=True)
class Property:
    """To which order a field has a property, and the trees that end it."""

    name: str
    condition: str
    order: int
    """The field with the powers h^0, ..., h^(order-1) has it."""
    witness: tuple[Tree, ...] = ()
    """The first trees on which the condition fails; none where the whole field has it."""
    values: tuple[sympy.Expr, ...] = ()
    """The coefficients of the witnesses."""

    @property
    def holds(self) -> bool:
        """Whether the whole field has the property."""
        return not self.witness

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "condition": self.condition,
            "order": self.order,
            "holds": self.holds,
            "witness": [list(tree.level_sequence) for tree in self.witness],
            "values": [str(value) for value in self.values],
        }


@dataclass(frozen=True)
class Structure:
    """The properties of a modified field; see the module's text for the theorems."""

    gradient: Property
    hamiltonian: Property
    symmetric: Property

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return {p.name: p.to_dict() for p in (self.gradient, self.hamiltonian, self.symmetric)}


def structure(field: Mapping[Tree, ClosedForm], order: int, show: Any) -> Structure:
    """The structure of the field b, given on all trees up to the order, ascending."""
    pairs = list(_exchanges(field))
    gradient = next(((s, t) for s, t in pairs if field[s] != field[t]), ())
    hamiltonian = next(((s, t) for s, t in pairs if field[s] + field[t] != 0), ())
    symmetric = next(((t,) for t, b in field.items() if t.order % 2 == 0 and b != 0), ())

    def found(name: str, condition: str, witness: Sequence[Tree]) -> Property:
        reach = witness[0].order - 1 if witness else order
        values = tuple(show(field[tree]) for tree in witness)
        return Property(name, condition, reach, tuple(witness), values)

    return Structure(
        found("gradient", GRADIENT, gradient),
        found("hamiltonian", HAMILTONIAN, hamiltonian),
        found("symmetric", SYMMETRIC, symmetric),
    )


def _exchanges(field: Mapping[Tree, ClosedForm]) -> Any:
    """All pairs u∘v, v∘u of trees in the field, each once, by order."""
    for tree in field:
        for branch in dict.fromkeys(tree.children):
            rest = list(tree.children)
            rest.remove(branch)
            other = branch.graft(Tree(rest, tree.colour))
            if not other < tree:
                yield tree, other


def witness_loss(pair: tuple[Tree, Tree]) -> tuple[sympy.Expr, tuple[sympy.Symbol, ...]]:
    """A polynomial loss whose modified field is no gradient, and its variables.

    The pair are two rootings, at v and at w, of one free tree with different coefficients. With
    a variable x_e for every edge e, and z1, z2 for the two roots, the loss is

        E = Σ_u Π_{e at u} x_e,   the term of v times z1, that of w times z2.

    At 0, an elementary differential has to use up a whole term of E at each of its vertices; so
    its tree maps to the free tree, and is no smaller. ∂F_{z1}/∂z2 - ∂F_{z2}/∂z1 at 0 is
    therefore ±h^(n-1) (b(first) - b(second)) and higher powers of h, which is not 0.
    """
    parents = _parents(pair[0])
    size = len(parents)
    other = next(i for i in range(size) if i and _rooted_at(parents, i) is pair[1])
    edges = sympy.symbols(f"x1:{size}") if size > 1 else ()
    legs = sympy.symbols("z1 z2")
    loss = sympy.Integer(0)
    for vertex in range(size):
        term = sympy.Integer(1)
        for child in range(1, size):
            if vertex in (child, parents[child]):
                term *= edges[child - 1]
        term *= legs[0] if vertex == 0 else legs[1] if vertex == other else 1
        loss += term
    return loss, (*edges, *legs)


def _parents(tree: Tree) -> list[int]:
    """The parent of every vertex in depth-first order; -1 for the root."""
    path: list[int] = []
    found = []
    for vertex, level in enumerate(tree.level_sequence):
        path = path[: level - 1]
        found.append(path[-1] if path else -1)
        path.append(vertex)
    return found


def _rooted_at(parents: Sequence[int], root: int) -> Tree:
    """The (uncoloured) tree with its root at another vertex."""
    near: dict[int, list[int]] = {i: [] for i in range(len(parents))}
    for child, parent in enumerate(parents):
        if parent >= 0:
            near[child].append(parent)
            near[parent].append(child)

    def grown(vertex: int, parent: int) -> Tree:
        return Tree(grown(i, vertex) for i in near[vertex] if i != parent)

    return grown(root, -1)
