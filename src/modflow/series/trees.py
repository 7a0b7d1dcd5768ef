"""Rooted trees: the index set of every series in modflow.

A rooted tree with n vertices stands for one elementary differential of order n
(Hairer, Lubich & Wanner, *Geometric Numerical Integration*, chapter III.1; HLW below):
the single vertex for f, [1, 2] for f'f, [1, 2, 2] for f''(f, f). A vertex may carry a
*colour*, the index of the vector field that it evaluates; with one loss all colours are 0.

Trees are interned: equal trees are the same object, so they hash and compare in constant
time, and everything computed from one is computed once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import cache, cached_property
from itertools import groupby, pairwise
from math import factorial, lcm, prod
from typing import ClassVar

from ..errors import ModflowError

Forest = tuple["Tree", ...]


class Tree:
    """A rooted tree, its children in canonical order.

    >>> cherry = Tree([Tree(), Tree()])
    >>> cherry
    Tree([1, 2, 2])
    >>> cherry.order, cherry.symmetry, cherry.density, cherry.bracket
    (3, 2, 3, '[•,•]')
    """

    __slots__ = ("__dict__", "children", "colour")

    children: Forest
    colour: int
    _interned: ClassVar[dict[tuple[Forest, int], Tree]] = {}

    def __new__(cls, children: Iterable[Tree] = (), colour: int = 0) -> Tree:
        """The tree with these children, in any order, and a root of this colour."""
        if not isinstance(colour, int) or isinstance(colour, bool) or colour < 0:
            raise ModflowError(f"a vertex colour is a whole number from 0; got {colour!r}")
        children = tuple(children)
        if not all(isinstance(child, Tree) for child in children):
            raise ModflowError(
                f"the children of a tree are trees; for the levels {list(children)} use "
                "Tree.from_level_sequence"
            )
        ordered = tuple(sorted(children, key=lambda t: t._key, reverse=True))
        key = (ordered, colour)
        tree = cls._interned.get(key)
        if tree is None:
            tree = super().__new__(cls)
            tree.children, tree.colour = ordered, colour
            cls._interned[key] = tree
        return tree

    def __reduce__(self) -> tuple[type[Tree], tuple[Forest, int]]:
        return (Tree, (self.children, self.colour))

    @classmethod
    def from_level_sequence(cls, levels: Sequence[int], colours: Sequence[int] = ()) -> Tree:
        """The tree with these vertex levels in depth-first order; canonical or not.

        >>> Tree.from_level_sequence([1, 2, 2, 3])
        Tree([1, 2, 3, 2])

        Raises ModflowError where the sequence is not that of a rooted tree.
        """
        levels, paint = list(levels), list(colours) or [0] * len(levels)
        jumps = any(not 2 <= b <= a + 1 for a, b in pairwise(levels))
        if not levels or levels[0] != 1 or jumps or len(paint) != len(levels):
            raise ModflowError(
                f"{levels} is not a level sequence: it starts with 1, every later level is at "
                "least 2 and at most one more than the level before it, with one colour a vertex"
            )
        # Collect children from the last vertex backwards, deepest first.
        pending: dict[int, list[Tree]] = {}
        for level, colour in zip(reversed(levels), reversed(paint), strict=True):
            vertex = cls(pending.pop(level + 1, ()), colour)
            pending.setdefault(level, []).append(vertex)
        return pending[1][0]

    @cached_property
    def _key(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        return (self.level_sequence, self.colours)

    def __lt__(self, other: Tree) -> bool:
        """By order, then lexicographically by level sequence, then by colours."""
        return (self.order, self._key) < (other.order, other._key)

    # -- numbers ------------------------------------------------------------------------

    @cached_property
    def order(self) -> int:
        """|τ|, the number of vertices."""
        return 1 + sum(child.order for child in self.children)

    @cached_property
    def symmetry(self) -> int:
        """σ(τ), the number of automorphisms (HLW III.1.3)."""
        counts = Counter(self.children)
        return prod(factorial(m) * child.symmetry**m for child, m in counts.items())

    @cached_property
    def density(self) -> int:
        """γ(τ), the tree factorial; the exact solution has the coefficients 1/γ(τ)."""
        return self.order * prod(child.density for child in self.children)

    @cached_property
    def level_sequence(self) -> tuple[int, ...]:
        """The canonical (lexicographically largest) level sequence; the root has level 1."""
        return (1, *(level + 1 for child in self.children for level in child.level_sequence))

    @cached_property
    def colours(self) -> tuple[int, ...]:
        """The vertices' colours, in the order of `level_sequence`."""
        return (self.colour, *(c for child in self.children for c in child.colours))

    # -- surgery ------------------------------------------------------------------------

    def graft(self, branch: Tree) -> Tree:
        """The Butcher product τ∘branch: `branch` becomes one more child of the root."""
        return Tree((*self.children, branch), self.colour)

    @cached_property
    def cuts(self) -> tuple[tuple[int, Forest, Tree], ...]:
        """All ways to split τ into a trunk that keeps the root and the forest cut off.

        Triples (multiplicity, forest, trunk), the trunk τ itself with the empty forest
        included: the ordered subtrees of HLW Theorem III.1.10, collected.
        """
        partial: Counter[tuple[Forest, Forest]] = Counter({((), ()): 1})
        for child in self.children:
            # Either the whole child falls, or it keeps its own root.
            options: list[tuple[int, Forest, Forest]] = [(1, (child,), ())]
            options += [(m, forest, (trunk,)) for m, forest, trunk in child.cuts]
            grown: Counter[tuple[Forest, Forest]] = Counter()
            for (fallen, kept), count in partial.items():
                for m, forest, stump in options:
                    grown[canonical_forest(fallen + forest), kept + stump] += count * m
            partial = grown
        collected: Counter[tuple[Forest, Tree]] = Counter()
        for (fallen, kept), count in partial.items():
            collected[fallen, Tree(kept, self.colour)] += count
        return tuple((m, forest, trunk) for (forest, trunk), m in collected.items())

    @cached_property
    def edge_cuts(self) -> tuple[tuple[int, Tree, Tree], ...]:
        """All ways to cut one edge: triples (multiplicity, trunk, branch); HLW IX.9.1."""
        return tuple((m, trunk, cut[0]) for m, cut, trunk in self.cuts if len(cut) == 1)

    @cached_property
    def rootings(self) -> tuple[Tree, ...]:
        """All rooted trees with the same underlying free tree, ascending; τ is one of them."""
        found, todo = {self}, [self]
        while todo:
            tree = todo.pop()
            for child in set(tree.children):
                rest = list(tree.children)
                rest.remove(child)
                moved = child.graft(Tree(rest, tree.colour))
                if moved not in found:
                    found.add(moved)
                    todo.append(moved)
        return tuple(sorted(found))

    @property
    def free_symmetry(self) -> int:
        """The number of automorphisms of the underlying free (unrooted) tree.

        By orbit and stabilizer: each rooting τ' is met by |Aut|/σ(τ') of the |τ| vertices.
        """
        common = lcm(*(tree.symmetry for tree in self.rootings))
        return common * self.order // sum(common // tree.symmetry for tree in self.rootings)

    # -- notation -----------------------------------------------------------------------

    @cached_property
    def bracket(self) -> str:
        """Butcher's bracket notation: • for a leaf, [τ1,τ2] for a vertex with children."""
        mark = str(self.colour) if self.colour else ""
        if not self.children:
            return "•" + mark
        return "[" + ",".join(child.bracket for child in self.children) + "]" + mark

    def differential(self, symbol: str = "f", *, subscripts: bool | None = None) -> str:
        """The elementary differential F(τ) in TeX, such as ``f''(f,f'f)``.

        Colours become subscripts of the symbol if so asked, by default where one is not 0.
        """
        marked = any(self.colours) if subscripts is None else subscripts
        return self._differential(symbol, subscripts=marked)

    def _differential(self, symbol: str, *, subscripts: bool) -> str:
        name = f"{symbol}_{{{self.colour}}}" if subscripts else symbol
        if not self.children:
            return name
        m = len(self.children)
        primes = "'" * m if m <= 3 else f"^{{({m})}}"
        inner = [child._differential(symbol, subscripts=subscripts) for child in self.children]
        return name + primes + (inner[0] if m == 1 else "(" + ",".join(inner) + ")")

    @cached_property
    def picture(self) -> str:
        """A drawing of several lines for the terminal, the root at the bottom.

        >>> print(Tree([Tree(), Tree([Tree()])]).picture)
        ●
        │
        ● ●
        └┬┘
         ●
        """
        return "\n".join(line.rstrip() for line in _draw(self)[0])

    def __repr__(self) -> str:
        paint = f", colours={list(self.colours)}" if any(self.colours) else ""
        return f"Tree({list(self.level_sequence)}{paint})"

    def _repr_svg_(self) -> str:
        """A drawing for notebooks, the root at the bottom."""
        return _svg(self)

    def _repr_latex_(self) -> str:
        return f"${self.differential()}$"


def canonical_forest(trees: Iterable[Tree]) -> Forest:
    """The same trees in canonical order, so that equal forests are equal tuples."""
    return tuple(sorted(trees, key=lambda t: t._key, reverse=True))


def trees(order: int, colours: int = 1) -> tuple[Tree, ...]:
    """All rooted trees with `order` vertices in that many colours, ascending.

    With one colour there are 1, 1, 2, 4, 9, 20, 48, 115, 286, 719, ... (OEIS A000081).

    >>> [len(trees(n)) for n in range(1, 9)]
    [1, 1, 2, 4, 9, 20, 48, 115]
    """
    if order < 1:
        raise ModflowError(f"the order of a rooted tree is a whole number from 1; got {order!r}")
    if colours < 1:
        raise ModflowError(f"trees need at least one colour; got {colours!r}")
    return _trees(order, colours)


def trees_up_to(order: int, colours: int = 1) -> Iterator[Tree]:
    """All trees with 1, 2, ..., `order` vertices, ascending."""
    for n in range(1, order + 1):
        yield from trees(n, colours)


@cache
def _trees(order: int, colours: int) -> tuple[Tree, ...]:
    grown = (Tree(f, c) for f in _forests(order - 1, order - 1, colours) for c in range(colours))
    return tuple(sorted(grown))


@cache
def _forests(total: int, largest: int, colours: int) -> tuple[Forest, ...]:
    """All multisets of trees with `total` vertices, none with more than `largest`."""
    if total == 0:
        return ((),)
    if largest == 0:
        return ()
    found = list(_forests(total, largest - 1, colours))
    pool = _trees(largest, colours)
    for count in range(1, total // largest + 1):
        rest = _forests(total - count * largest, largest - 1, colours)
        found += [pick + forest for pick in _multisets(pool, count) for forest in rest]
    return tuple(found)


def _multisets(pool: Sequence[Tree], count: int) -> Iterator[Forest]:
    if count == 0:
        yield ()
        return
    for i, tree in enumerate(pool):
        for rest in _multisets(pool[i:], count - 1):
            yield (tree, *rest)


# -- drawings ---------------------------------------------------------------------------


def _draw(tree: Tree) -> tuple[list[str], int]:
    """Lines of equal width, and the column of the root in the last line."""
    dot = "●" if tree.colour == 0 else str(tree.colour)
    if not tree.children:
        return [dot], 0
    blocks = [_draw(child) for child in tree.children]
    height = max(len(lines) for lines, _ in blocks)
    rows, roots, offset = [""] * height, [], 0
    for i, (lines, column) in enumerate(blocks):
        width, gap = len(lines[0]), " " if i else ""
        padded = [" " * width] * (height - len(lines)) + lines
        rows = [row + gap + line for row, line in zip(rows, padded, strict=True)]
        offset += len(gap)
        roots.append(offset + column)
        offset += width
    centre = (roots[0] + roots[-1]) // 2
    joint = [" "] * offset
    for column in range(roots[0], roots[-1] + 1):
        joint[column] = "┴" if column in roots else "─"
    if len(roots) == 1:
        joint[centre] = "│"
    else:
        joint[roots[0]], joint[roots[-1]] = "└", "┘"
        joint[centre] = "┼" if centre in roots else "┬"
    root = [" "] * offset
    root[centre] = dot
    return [*rows, "".join(joint), "".join(root)], centre


_PALETTE = ("#222222", "#d1495b", "#1f77b4", "#2a9d8f", "#e9a03b", "#7b4fa3")


def _svg(tree: Tree, unit: int = 14) -> str:
    marks: list[str] = []

    def place(node: Tree, left: float, depth: int) -> tuple[float, float]:
        """Draw the node; return its own column and the width taken."""
        columns, width = [], 0.0
        for child in node.children:
            column, taken = place(child, left + width, depth + 1)
            columns.append(column)
            width += taken
        width = width or 1.0
        x = (columns[0] + columns[-1]) / 2 if columns else left + 0.5
        y = height - depth - 0.5
        for column in columns:
            marks.insert(
                0,
                f'<line x1="{x * unit:g}" y1="{y * unit:g}" x2="{column * unit:g}" '
                f'y2="{(y - 1) * unit:g}" stroke="#222222" stroke-width="1.2"/>',
            )
        fill = _PALETTE[node.colour % len(_PALETTE)]
        marks.append(f'<circle cx="{x * unit:g}" cy="{y * unit:g}" r="3.2" fill="{fill}"/>')
        return x, width

    height = max(tree.level_sequence)
    _, width = place(tree, 0.0, 0)
    size = f'width="{width * unit:g}" height="{height * unit:g}"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size}>{"".join(marks)}</svg>'


def free_trees(order: int, colours: int = 1) -> tuple[Forest, ...]:
    """All free trees with `order` vertices, each as the tuple of its rootings.

    >>> [len(free_trees(n)) for n in range(1, 9)]
    [1, 1, 1, 2, 3, 6, 11, 23]
    """
    pairs = sorted((tree.rootings, tree) for tree in trees(order, colours))
    return tuple(key for key, _ in groupby(pairs, key=lambda pair: pair[0]))
