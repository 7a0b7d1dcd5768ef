"""B-series in several vector fields, their coefficients tensors over the fields.

With M fields f_0, ..., f_{M-1} every vertex of a tree carries a colour, the field that it
evaluates. A tree *shape* τ with n vertices then has one coefficient for each colouring: an
array of shape (M,)*n, whose axes are the vertices in the order of `Tree.level_sequence`. With
h absorbed in the grading, a series stands for

    B(a, y) = a(∅) y + Σ_τ h^|τ| / σ(τ) Σ_c a(τ)[c] F(τ, c)(y),

the sums over shapes τ and over all colourings c of their numbered vertices. An isomorphism
class of colourings has σ(shape)/σ(coloured tree) members, so that an entry a(τ)[c] is the
coefficient of the coloured tree in the normalisation of `BSeries`; entries that an
automorphism of the shape exchanges are equal.

Operations on trees become products of tensors over disjoint sets of vertices. They are the
same for entries that are exact (arrays of objects) and for floats, NumPy's or traced ones of
JAX: nothing is used but array methods and broadcasting. A tensor that vanishes is not stored.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from math import factorial
from typing import Any, ClassVar, Self, SupportsFloat

import numpy as np

from ..errors import ModflowError, NotABSeries
from .bseries import BSeries, Scalar, need_field, need_map
from .trees import Tree, trees_up_to

Tensor = Any
"""An array of shape (M,)*n: of objects, of floats, or traced."""
Factor = tuple[Tensor | None, tuple[int, ...]]
"""A tensor, and the vertices that its axes are."""


# -- tensors over vertices ----------------------------------------------------------------


@dataclass(frozen=True)
class Part:
    """A connected part of a tree: its own shape, and which vertices of the tree it has.

    `vertices` are numbers in the whole tree, listed in the canonical order of the part.
    """

    shape: Tree
    vertices: tuple[int, ...]


@cache
def numbered_cuts(shape: Tree) -> tuple[tuple[Part, tuple[Part, ...]], ...]:
    """All ways to split a shape into a trunk that keeps the root and the trees cut off.

    The ordered subtrees of HLW Theorem III.1.10, one by one where `Tree.cuts` collects them;
    the whole tree with nothing cut off is the first.
    """
    return tuple(sorted(_cuts(shape, 0), key=lambda cut: len(cut[1])))


def _cuts(shape: Tree, root: int) -> list[tuple[Part, tuple[Part, ...]]]:
    partial: list[tuple[tuple[Part, ...], tuple[Part, ...]]] = [((), ())]
    first = root + 1
    for child in shape.children:
        # Either the whole child falls, or it keeps its own root.
        whole = Part(child, tuple(range(first, first + child.order)))
        options = [((), (whole,)), *(((trunk,), off) for trunk, off in _cuts(child, first))]
        partial = [(kept + k, fallen + f) for kept, fallen in partial for k, f in options]
        first += child.order
    found = []
    for kept, fallen in partial:
        # What is left of the children may have another canonical order than they had.
        parts = sorted(kept, key=lambda part: part.shape._key, reverse=True)
        vertices = (root, *(v for part in parts for v in part.vertices))
        found.append((Part(Tree(part.shape for part in parts), vertices), fallen))
    return found


def _spread(tensor: Tensor, vertices: Sequence[int], order: int) -> Tensor:
    """The tensor with its axes at these vertices among `order`, and length 1 elsewhere."""
    axes = sorted(range(len(vertices)), key=vertices.__getitem__)
    shape = [1] * order
    for vertex, size in zip(vertices, tensor.shape, strict=True):
        shape[vertex] = size
    return tensor.transpose(axes).reshape(shape)


def _product(factors: Sequence[Factor], order: int) -> Tensor | None:
    """The tensor product of factors that share out the vertices among them; None is 0."""
    if any(tensor is None for tensor, _ in factors):
        return None
    # Small factors first: every product then is as small as it can be.
    ordered = sorted(factors, key=lambda factor: len(factor[1]))
    result = _spread(*ordered[0], order)
    for tensor, vertices in ordered[1:]:
        factor = _spread(tensor, vertices, order)
        result = _MULTIPLY(result, factor) if result.dtype == object else result * factor
    return result


def _entry_product(a: Scalar, b: Scalar) -> Scalar:
    # Most entries are the integers 0 and 1, which ring elements would first make their own.
    for one, other in ((a, b), (b, a)):
        if type(one) is int and one in (0, 1):
            return other if one else 0
    return a * b


def _entry_sum(a: Scalar, b: Scalar) -> Scalar:
    if type(a) is int and a == 0:
        return b
    return a if type(b) is int and b == 0 else a + b


_MULTIPLY = np.frompyfunc(_entry_product, 2, 1)
_ADD = np.frompyfunc(_entry_sum, 2, 1)


def _plus(a: Tensor | None, b: Tensor | None) -> Tensor | None:
    if a is None or b is None:
        return b if a is None else a
    return _ADD(a, b) if a.dtype == object else a + b


def _scale(factor: Scalar, tensor: Tensor | None) -> Tensor | None:
    if tensor is None:
        return None
    if tensor.dtype == object:
        # Boxed, because ring elements refuse to take part in NumPy's products themselves.
        return _MULTIPLY(np.array(factor, dtype=object), tensor)
    # What a compiled program is given later is no float, and multiplies arrays itself.
    return (float(factor) if isinstance(factor, SupportsFloat) else factor) * tensor


# -- series -------------------------------------------------------------------------------


class ColouredSeries(BSeries):
    """A truncated series in M vector fields: a mapping from shapes to tensors.

    In an update rule it takes the place of a `BSeries`, `ColouredField` that of `VectorField`.
    """

    __slots__ = ()
    _exact: ClassVar[bool] = True

    def __init__(
        self, coefficients: Mapping[Tree, Tensor], order: int, empty: Scalar = 0, grade: Any = 0
    ) -> None:
        self.order, self.empty = order, empty
        self.coefficients = {t: c for t, c in coefficients.items() if t.order <= order}
        self.grade = grade if self.coefficients or empty != 0 else None

    @classmethod
    def exact_flow(cls, order: int, colours: int = 1) -> Self:
        """The time-h flow of the field with colour 0: 1/γ(τ) where all vertices have it."""
        values = {}
        for shape in trees_up_to(order):
            values[shape] = np.full((colours,) * shape.order, 0, dtype=object)
            values[shape][(0,) * shape.order] = Fraction(1, shape.density)
        return cls(values, order, empty=1)

    def map(self, function: Callable[[Scalar], Scalar]) -> Self:
        """The series with `function` applied to every entry."""
        entrywise = np.frompyfunc(function, 1, 1)
        mapped = {t: entrywise(c) for t, c in self.items()}
        return type(self)(mapped, self.order, function(self.empty), self.grade)

    def coloured(self) -> BSeries:
        """The same series over coloured trees."""
        palette = max((len(c) for c in self.values()), default=1)
        values = {
            tree: self.coefficients[_shape(tree)][tree.colours]
            for tree in trees_up_to(self.order, palette)
            if _shape(tree) in self.coefficients
        }
        return BSeries(values, self.order, self.empty, self.grade)

    # -- linear combinations --------------------------------------------------------------

    def __add__(self, other: Any) -> BSeries:
        alike = isinstance(other, ColouredSeries) and self.grade == other.grade
        if not alike or self.grade is None:
            return super().__add__(other)  # one of them is zero, or it raises NotABSeries
        total = dict(self.coefficients)
        for shape, tensor in other.items():
            total[shape] = _plus(total.get(shape), tensor)
        order = min(self.order, other.order)
        return type(self)(self._kept(total), order, self.empty + other.empty, self.grade)

    __radd__ = __add__

    def _kept(self, tensors: Mapping[Tree, Tensor]) -> Mapping[Tree, Tensor]:
        """Those that do not vanish, so that a sum that does counts as zero."""
        exact = self._exact
        return {t: c for t, c in tensors.items() if not exact or any(v != 0 for v in c.flat)}

    def _scaled(self, factor: Scalar, degree: int) -> Self:
        grade = None if self.grade is None else self.grade + degree
        tensors = {} if factor == 0 else {t: _scale(factor, c) for t, c in self.items()}
        return type(self)(tensors, self.order, factor * self.empty, grade)

    # -- composition ----------------------------------------------------------------------

    def apply(self, inner: BSeries) -> Self:
        """self∘inner for inner(∅) = 1: HLW Theorem III.1.10, every ordered subtree by itself."""
        if self._exact:
            need_map(inner, "inner")
        order = min(self.order, inner.order)
        result = {}
        for shape in trees_up_to(order):
            cut = _composed(shape, self.empty, self.coefficients, inner.coefficients)
            result[shape] = _plus(self.coefficients.get(shape), cut)
        return type(self)(_stored(result), order, self.empty, self.grade)

    __matmul__ = apply

    def over(self, inner: BSeries) -> Self:
        """self∘inner⁻¹, by solving (result)∘inner = self shape by shape, shortest first."""
        if self._exact:
            need_map(inner, "inner")
        order = min(self.order, inner.order)
        result: dict[Tree, Tensor | None] = {}
        for shape in trees_up_to(order):
            cut = _composed(shape, self.empty, _stored(result), inner.coefficients)
            result[shape] = _plus(self.coefficients.get(shape), _scale(-1, cut))
        return type(self)(_stored(result), order, self.empty, self.grade)

    def inverse(self) -> Self:
        """The inverse map's series, for a(∅) = 1."""
        return type(self).identity(self.order).over(self)

    # -- vector fields --------------------------------------------------------------------

    def exp(self) -> Self:
        """The time-h flow of the vector field b = self, as `BSeries.exp`."""
        need_field(self)
        return self._exp_or_log(invert=False)

    def log(self) -> Self:
        """The vector field whose time-h flow is self, as `BSeries.log`."""
        if self._exact:
            need_map(self, "the map's")
        return self._exp_or_log(invert=True)

    def _exp_or_log(self, *, invert: bool) -> Self:
        """a(τ) = b(τ) + Σ_{j≥2} (1/j!) D_j(τ), D_j = ∂_b D_{j-1}, D_1 = b, as in `bseries`;
        the Lie derivative ∂_b sums over the edges, each cut by itself."""
        field: dict[Tree, Tensor | None] = {}
        flow: dict[Tree, Tensor | None] = {}
        derivatives: dict[Tree, dict[int, Tensor | None]] = {}
        for shape in trees_up_to(self.order):
            d: dict[int, Tensor | None] = {}
            for trunk, branches in numbered_cuts(shape):
                if len(branches) != 1:
                    continue
                branch = (field[branches[0].shape], branches[0].vertices)
                for j, c in derivatives[trunk.shape].items():
                    term = _product([(c, trunk.vertices), branch], shape.order)
                    d[j + 1] = _plus(d.get(j + 1), term)
            tail = None
            for j, c in d.items():
                tail = _plus(tail, _scale(Fraction(1, factorial(j)), c))
            value = self.coefficients.get(shape)
            d[1] = field[shape] = _plus(value, _scale(-1, tail)) if invert else value
            flow[shape] = value if invert else _plus(value, tail)
            derivatives[shape] = d
        tensors = self._kept(_stored(field if invert else flow))
        return type(self)(tensors, self.order, empty=0 if invert else 1)


class NumericSeries(ColouredSeries):
    """The same with entries that are floats or traced: nothing depends on their values.

    What needs exact numbers is not checked, such as that weights add up to 1.
    """

    __slots__ = ()

    _exact = False

    @staticmethod
    def fixed_point(
        g: Callable[[tuple[BSeries, ...]], tuple[BSeries, ...]], guess: tuple[BSeries, ...]
    ) -> tuple[BSeries, ...]:
        """The series with y = g(y): every iteration settles one more power of h."""
        for _ in range(guess[0].order):
            guess = g(guess)
        return guess


class ColouredField:
    """Σ_i w_i f_i as an update rule sees it on a `ColouredSeries`: by default one f_i.

    On the shape [τ1, ..., τm] the series of f∘y has w ⊗ y(τ1) ⊗ ... ⊗ y(τm), the root's axis
    first (HLW Lemma III.1.9). `weights` is an array of shape (M,), such as a one-hot vector.
    """

    __slots__ = ("weights",)

    def __init__(self, weights: Tensor) -> None:
        self.weights = weights

    @classmethod
    def of(cls, colour: int, palette: int) -> Self:
        """f_colour among `palette` fields, with exact weights."""
        if not 0 <= colour < palette:
            raise ModflowError(f"colour {colour} is not one of the {palette} colours")
        return cls(np.array([int(i == colour) for i in range(palette)], dtype=object))

    def __call__(self, y: ColouredSeries) -> ColouredSeries:
        """The series of f∘y, with grade -1."""
        if not isinstance(y, ColouredSeries):
            raise NotABSeries(f"f was given {y!r}, not a combination of x and the memory")
        if y._exact:
            need_map(y, "at a point where f is evaluated, the")
        values = {}
        for shape in trees_up_to(y.order):
            factors: list[Factor] = [(self.weights, (0,))]
            for child in shape.children:
                first = factors[-1][1][-1] + 1
                vertices = tuple(range(first, first + child.order))
                factors.append((y.coefficients.get(child), vertices))
            values[shape] = _product(factors, shape.order)
        return type(y)(_stored(values), y.order, grade=-1)


def _composed(
    shape: Tree, empty: Scalar, outer: Mapping[Tree, Tensor], inner: Mapping[Tree, Tensor]
) -> Tensor | None:
    """(outer∘inner)(τ) without outer(τ): a(∅) inner(τ) + Σ outer(trunk) ⊗ inner(what is cut)."""
    total = None if empty == 0 else _scale(empty, inner.get(shape))
    for trunk, branches in numbered_cuts(shape)[1:]:
        factors = [(outer.get(trunk.shape), trunk.vertices)]
        factors += [(inner.get(branch.shape), branch.vertices) for branch in branches]
        total = _plus(total, _product(factors, shape.order))
    return total


def _stored(tensors: Mapping[Tree, Tensor | None]) -> dict[Tree, Tensor]:
    return {shape: tensor for shape, tensor in tensors.items() if tensor is not None}


@cache
def _shape(tree: Tree) -> Tree:
    """The tree without its colours."""
    return Tree.from_level_sequence(tree.level_sequence)
