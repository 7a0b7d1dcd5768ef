"""Full contractions of the derivatives of a loss, as multigraphs.

A vertex with d edge ends stands for the tensor ∇^d E of a loss E on R^n, an edge for an index that
two of them share and that is summed over, a loop for a Laplacian: ‖∇E‖² is an edge between two
vertices, ΔE one vertex with a loop. A tensor may also be applied to a vector η, as in
∇³E[η, η, ·]: such an end is a leaf. One index may be left free, and the graph is then a vector.
Names of indices and the order of factors are all that two ways to write one contraction differ
by, so that equality is that of graphs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import (
    chain,
    combinations,
    combinations_with_replacement,
    count,
    groupby,
    islice,
    permutations,
    product,
)
from typing import Any

from .errors import ModflowError
from .grid import is_whole

Rows = tuple[tuple[int, ...], ...]


@dataclass(frozen=True, order=True)
class Contraction:
    """A product of derivatives of E with indices summed, as a multigraph in canonical order.

    Two are equal exactly where the graphs are the same up to the order of their vertices. Raises
    ModflowError for a table that is not symmetric, counts that are not whole numbers from 0, and
    more than one free index.

    >>> Contraction(((0, 1), (1, 0)))
    Contraction(|grad E|^2)
    >>> Contraction(((0, 1), (1, 1))) == Contraction(((1, 1), (1, 0)))
    True
    """

    edges: Rows = ((0,),)
    """How many indices vertices i and j share; on the diagonal, the loops of i."""
    noise: tuple[int, ...] = ()
    """How many ends of each vertex are applied to η; none by default."""
    free: tuple[int, ...] = ()
    """How many ends of each vertex are left free; none by default."""

    def __post_init__(self) -> None:
        n = len(self.edges)
        noise, free = (tuple(part) or (0,) * n for part in (self.noise, self.free))
        rows = tuple(tuple(row) for row in self.edges)
        if len(noise) != n or len(free) != n or any(len(row) != n for row in rows):
            raise ModflowError("a contraction needs a square table of edges and n counts beside it")
        if not all(is_whole(c) and c >= 0 for c in (*sum(rows, ()), *noise, *free)):
            raise ModflowError("the counts of a contraction are whole numbers from 0")
        if rows != tuple(zip(*rows, strict=True)):
            raise ModflowError("the table of edges must be symmetric")
        if sum(free) > 1:
            raise ModflowError("at most one index of a contraction is free")
        found = _canonical(rows, noise, free)
        for name, part in zip(("edges", "noise", "free"), found, strict=True):
            object.__setattr__(self, name, part)

    @property
    def degrees(self) -> tuple[int, ...]:
        """How often E is differentiated at each vertex."""
        ends = zip(self.edges, self.noise, self.free, strict=True)
        return tuple(
            sum(row) + row[i] + leaves + free for i, (row, leaves, free) in enumerate(ends)
        )

    @property
    def order(self) -> int:
        """The power of η."""
        return sum(self.noise)

    @property
    def is_vector(self) -> bool:
        """Whether an index is free."""
        return any(self.free)

    def latex(self) -> str:
        r"""In TeX: a norm, an inner product, or indices that occur twice and are summed over."""
        return _text(self, _TEX) or "1"

    def __str__(self) -> str:
        return _text(self, _PLAIN) or "1"

    def __repr__(self) -> str:
        return f"Contraction({self})"

    # -- further graphs -----------------------------------------------------------------------

    # Each builds the graph at once: the order of the vertices may change with every one made.

    @property
    def vertices(self) -> range:
        """Their numbers."""
        return range(len(self.edges))

    def joined(self, i: int, j: int) -> Contraction:
        """With one more index that vertices i and j share; a loop for i = j."""
        return replace(self, edges=_with_edge(self.edges, i, j))

    def applied(self, i: int) -> Contraction:
        """With one more end at vertex i, applied to η."""
        return replace(self, noise=tuple(n + (j == i) for j, n in enumerate(self.noise)))

    def paired(self, i: int, j: int) -> Contraction:
        """With an edge instead of a leaf at vertex i and another one at vertex j."""
        left = tuple(n - (m == i) - (m == j) for m, n in enumerate(self.noise))
        return Contraction(_with_edge(self.edges, i, j), left, self.free)

    def opened(self, i: int) -> Contraction:
        """With a free index at vertex i."""
        return replace(self, free=tuple(int(j == i) for j in self.vertices))

    def beside(self, other: Contraction) -> Contraction:
        """The product: both graphs as one that falls into parts."""
        edges, noise = _beside(self, other)
        return Contraction(edges, noise, self.free + other.free)

    def inner(self, other: Contraction) -> Contraction:
        """The inner product of two vectors: the free ends become an edge."""
        edges, noise = _beside(self, other)
        i, j = self.free.index(1), len(self.edges) + other.free.index(1)
        return Contraction(_with_edge(edges, i, j), noise)


def _with_edge(edges: Rows, i: int, j: int) -> Rows:
    rows = [list(row) for row in edges]
    rows[i][j] += 1
    rows[j][i] += i != j
    return tuple(map(tuple, rows))


def _beside(a: Contraction, b: Contraction) -> tuple[Rows, tuple[int, ...]]:
    n, m = len(a.edges), len(b.edges)
    rows = [*((*row, *(0,) * m) for row in a.edges), *((*(0,) * n, *row) for row in b.edges)]
    return tuple(rows), a.noise + b.noise


# -- canonical order -----------------------------------------------------------------------------


@lru_cache(maxsize=65536)
def _canonical(edges: Rows, noise: tuple[int, ...], free: tuple[int, ...]) -> tuple[Any, ...]:
    """The same graph with its parts, and the vertices of each, in an order of their own."""
    parts = sorted(
        min(
            tuple(
                (noise[i], free[i], edges[i][i], tuple(edges[i][j] for j in order)) for i in order
            )
            for order in _orders(part, edges, noise, free)
        )
        for part in _parts(edges)
    )
    n, before, rows = len(edges), 0, []
    for part in parts:
        for *_, row in part:
            rows.append((*(0,) * before, *row, *(0,) * (n - before - len(part))))
        before += len(part)
    vertices = [vertex for part in parts for vertex in part]
    return tuple(rows), tuple(v[0] for v in vertices), tuple(v[1] for v in vertices)


def _orders(
    part: list[int], edges: Rows, noise: tuple[int, ...], free: tuple[int, ...]
) -> Iterator[list[int]]:
    """The orders of its vertices that ascend in what does not depend on an order."""

    def kind(i: int) -> Any:
        return noise[i], free[i], edges[i][i], sorted(edges[i])

    groups = [list(group) for _, group in groupby(sorted(part, key=kind), key=kind)]
    for orders in product(*(permutations(group) for group in groups)):
        yield [i for order in orders for i in order]


def _parts(edges: Rows) -> list[list[int]]:
    """The vertices of each connected part."""
    left, parts = set(range(len(edges))), []
    while left:
        part, new = set[int](), {min(left)}
        while new:
            part |= new
            new = {j for i in new for j in left if edges[i][j]} - part
        left -= part
        parts.append(sorted(part))
    return parts


# -- text ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Style:
    """How derivatives are written: 0 to 1 of them, n of them, those of a named tensor."""

    gradient: str
    power: str
    laplacian: str
    laplacians: str
    eta: str
    indices: str
    norm: str
    frobenius: str
    inner: str
    applied: str
    separator: str


_TEX = _Style(
    gradient=r"\nabla {}",
    power=r"\nabla^{{{0}}} {1}",
    laplacian=r"\Delta E",
    laplacians=r"\Delta^{{{0}}} E",
    eta=r"\eta",
    indices=r"\partial_{{{}}}E",
    norm=r"\|{}\|^2",
    frobenius=r"\|{}\|_F^2",
    inner=r"\langle {}, {} \rangle",
    applied="{}[{}]",
    separator=r"\,",
)
_PLAIN = _Style(
    gradient="grad {}",
    power="D^{0} {1}",
    laplacian="lap E",
    laplacians="lap^{0} E",
    eta="eta",
    indices="E_{}",
    norm="|{}|^2",
    frobenius="|{}|^2",
    inner="<{}, {}>",
    applied="{}[{}]",
    separator="*",
)
_LETTERS = "ijklmnpqrstuvw"


def _text(c: Contraction, style: _Style) -> str:
    """The product of the parts, equal ones as they come."""
    letters = chain(_LETTERS, (f"{_LETTERS[0]}_{{{n}}}" for n in count(1)))
    return style.separator.join(_part_text(c, part, style, letters) for part in _parts(c.edges))


def _part_text(c: Contraction, part: list[int], style: _Style, letters: Iterator[str]) -> str:
    shared = [sum(c.edges[i]) - c.edges[i][i] for i in part]
    if len(part) == 1:
        (i,) = part
        if style is _TEX and (c.edges[i][i], c.noise[i], c.free[i]) == (1, 0, 0):
            return r"\operatorname{Tr}(\nabla^{2} E)"
        return _tensor(c, i, c.free[i], style)
    if len(part) == 2 and not any(c.free[i] for i in part):
        i, j = part
        n = shared[0]
        first, second = (_tensor(c, v, n, style) for v in part)
        if first == second:
            return (style.norm if n == 1 else style.frobenius).format(first)
        if c.degrees[i] == 1 and n == 1 and c.noise[j]:
            return _tensor(c, j, 1, style, into=first)
        return style.inner.format(*sorted((first, second), key=len))
    if style is _TEX and _is_tree(c, part):
        return _nested(c, part)
    return _indexed(c, part, style, letters)


def _is_tree(c: Contraction, part: list[int]) -> bool:
    """Whether a connected part has no cycles but loops."""
    between = [c.edges[i][j] for i, j in combinations(part, 2) if c.edges[i][j]]
    return len(between) == len(part) - 1 and max(between) == 1


def _nested(c: Contraction, part: list[int]) -> str:
    """A tree in TeX without indices: derivatives applied to one another, from the free index on.

    A full contraction begins at a vertex of the highest degree.
    """

    def text(i: int, parent: int | None) -> str:
        inner = sorted(
            (text(j, i) for j in part if j not in (i, parent) and c.edges[i][j]),
            key=lambda branch: (-len(branch), branch),
        )
        rest = c.free[i] + (parent is not None)
        if len(inner) == 1 and rest == 1 and not c.noise[i]:
            return _tensor(c, i, 2, _TEX) + _TEX.separator + inner[0]
        bare = _derivative(c, i, len(inner) + rest + c.noise[i], _TEX)
        return bare + f"[{', '.join([*inner, *[_TEX.eta] * c.noise[i]])}]" * bool(
            inner or c.noise[i]
        )

    roots = [i for i in part if c.free[i]]
    if not roots:
        most = max(c.degrees[i] for i in part)
        roots = [i for i in part if c.degrees[i] == most]
    return min((text(i, None) for i in roots), key=lambda found: (len(found), found))


def _tensor(c: Contraction, i: int, rest: int, style: _Style, into: str = "") -> str:
    """∇^n Δ^l E of a vertex, applied to η where it is, with `rest` indices to spare."""
    leaves = c.noise[i]
    text = _derivative(c, i, rest + leaves, style)
    applied = ([into] if into else []) + [style.eta] * leaves
    return style.applied.format(text, ", ".join(applied)) if applied else text


def _derivative(c: Contraction, i: int, n: int, style: _Style) -> str:
    """∇^n Δ^l E for a vertex with l loops."""
    loops = c.edges[i][i]
    base = "E" if loops == 0 else style.laplacian if loops == 1 else style.laplacians.format(loops)
    if n > 1:
        return style.power.format(n, base)
    return style.gradient.format(base) if n else base


def _indexed(c: Contraction, part: list[int], style: _Style, letters: Iterator[str]) -> str:
    """With indices: those that occur twice are summed over, `a` is free."""
    names = {i: "a" * c.free[i] for i in part}
    for i, j in combinations_with_replacement(part, 2):
        for name in islice(letters, c.edges[i][j]):
            names[i] += name
            names[j] += name
    leaves = ""
    for i in part:
        for name in islice(letters, c.noise[i]):
            names[i] += name
            leaves += f"{style.separator}{style.eta}_{name}"
    return style.separator.join(style.indices.format(names[i]) for i in part) + leaves
