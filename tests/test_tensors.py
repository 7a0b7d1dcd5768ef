"""Series with tensors over colourings, against `BSeries` over coloured trees.

The two share the definition of a tree and nothing else: there every coloured tree is a case of
its own, here one shape with numbered vertices stands for all of its colourings.
"""

import random
from collections import Counter
from fractions import Fraction
from itertools import permutations, product

import numpy as np
import pytest

from modflow.errors import ModflowError, NotABSeries
from modflow.methods import HeavyBall, Nesterov, RungeKutta
from modflow.series import BSeries, ClosedFormRing, StepSize, Tree, VectorField, trees, trees_up_to
from modflow.series.tensors import ColouredField, ColouredSeries, NumericSeries, numbered_cuts
from modflow.series.trees import canonical_forest

CASES = [(6, 1), (5, 2), (3, 3)]  # order, colours


def random_series(seed, order, colours, empty):
    """A series with many different coefficients, some of them 0."""
    rng = random.Random(seed)
    values = {
        tree: Fraction(rng.randint(-3, 3), rng.randint(1, 3))
        for tree in trees_up_to(order, colours)
    }
    return BSeries(values, order, empty=empty)


def as_tensors(series, colours, of=ColouredSeries, dtype=object):
    """The same series with every entry written down, whatever the order of the vertices."""
    values = {}
    for shape in trees_up_to(series.order):
        tensor = np.empty((colours,) * shape.order, dtype=dtype)
        for index in np.ndindex(tensor.shape):
            tensor[index] = series[Tree.from_level_sequence(shape.level_sequence, index)]
        values[shape] = tensor
    return of(values, series.order, series.empty, series.grade)


def assert_same(tensors, series, colours):
    """Equal entry by entry, those that an automorphism exchanges included."""
    expected = as_tensors(series, colours)
    for shape in trees_up_to(series.order):
        zero = np.full((colours,) * shape.order, 0, dtype=object)
        found = tensors.coefficients.get(shape, zero)
        assert (found == expected[shape]).all(), shape
    assert tensors.empty == series.empty
    assert tensors.coloured() == series


# -- cuts -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", list(trees_up_to(6)), ids=str)
def test_numbered_cuts_are_those_of_the_tree_one_by_one(shape):
    collected = Counter()
    for trunk, branches in numbered_cuts(shape):
        collected[canonical_forest(part.shape for part in branches), trunk.shape] += 1
        vertices = [v for part in (trunk, *branches) for v in part.vertices]
        assert sorted(vertices) == list(range(shape.order))
    assert collected == {(forest, trunk): m for m, forest, trunk in shape.cuts}
    assert numbered_cuts(shape)[0][0].vertices == tuple(range(shape.order))


def parents(shape):
    """The number of each vertex's parent; None for the root."""
    levels = shape.level_sequence
    return [
        max((u for u in range(v) if levels[u] == levels[v] - 1), default=None)
        for v in range(shape.order)
    ]


@pytest.mark.parametrize("shape", trees(6), ids=str)
def test_a_part_lists_its_vertices_in_the_canonical_order_of_its_shape(shape):
    whole = parents(shape)
    for cut in numbered_cuts(shape):
        for part in (cut[0], *cut[1]):
            for own, vertex in zip(parents(part.shape), part.vertices, strict=True):
                if own is not None:
                    assert whole[vertex] == part.vertices[own]


# -- series ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("order", "colours"), CASES)
@pytest.mark.parametrize("seed", range(3))
def test_operations_agree_with_those_over_coloured_trees(order, colours, seed):
    a, b = (random_series(10 * seed + i, order, colours, 1) for i in range(2))
    memory = random_series(seed + 100, order, colours, Fraction(seed, 2))
    A, B, M = (as_tensors(s, colours) for s in (a, b, memory))
    assert_same(A, a, colours)
    assert_same(A @ B, a @ b, colours)
    assert_same(M @ B, memory @ b, colours)
    assert_same(M.over(B), memory.over(b), colours)
    assert_same(A.inverse(), a.inverse(), colours)
    assert_same(A.log(), a.log(), colours)
    assert_same((A - A.inverse()).exp(), (a - a.inverse()).exp(), colours)
    half = Fraction(1, 2)
    assert_same(half * A - M / 3 + 0, half * a - memory / 3, colours)
    assert M.over(B) @ B == M
    assert A.log().exp() == A
    assert (A - A).is_zero
    assert (A - A).grade is None
    for colour in range(colours):
        f, g = ColouredField.of(colour, colours), VectorField(colour, colours)
        assert_same(f(A), g(a), colours)
        assert f(A).grade == -1


def test_compositions_need_not_have_symmetric_tensors_to_begin_with():
    """Numbers that no series has, because an automorphism would have to exchange them: the
    operations still are sums over vertices, so that averaging commutes with them."""
    rng = np.random.default_rng(3)
    shape, leaf = Tree.from_level_sequence([1, 2, 2]), Tree()
    tensor, swapped = (rng.integers(-5, 5, (2, 2, 2)).astype(object) for _ in range(2))
    swapped = tensor.transpose(0, 2, 1)
    one = np.array([2, 3], dtype=object)
    inner = ColouredSeries({leaf: one}, 3, empty=1)
    a, b = (ColouredSeries({leaf: one, shape: t}, 3, empty=1) @ inner for t in (tensor, swapped))
    assert (a[shape].transpose(0, 2, 1) == b[shape]).all()


def test_the_logarithm_of_an_exact_flow_is_its_field():
    flow = ColouredSeries.exact_flow(4, colours=2)
    assert flow.log() == ColouredField.of(0, 2)(ColouredSeries.identity(4)) * StepSize()
    assert flow.coloured() == BSeries.exact_flow(4, colours=2)


def test_a_field_may_be_a_combination():
    x = ColouredSeries.identity(3)
    h = StepSize()
    y = x + h * ColouredField.of(1, 2)(x)
    f = ColouredField(np.array([2, -3], dtype=object))
    assert f(y) == 2 * ColouredField.of(0, 2)(y) - 3 * ColouredField.of(1, 2)(y)


@pytest.mark.parametrize("kind", [ColouredSeries, NumericSeries])
def test_nothing_has_no_power_of_h(kind):
    x, f = kind.identity(2), ColouredField(np.array([1, 0], dtype=object))
    for nothing in (0 * f(x), f(x) * 0.0, 0 * x, f(x) - f(x) if kind is ColouredSeries else 0):
        assert (x + nothing).grade == 0
        assert (nothing + f(x)).grade == -1


def test_entries_are_symmetric_under_automorphisms():
    x, h = ColouredSeries.identity(4), StepSize()
    f, g = (ColouredField.of(i, 2) for i in range(2))
    y = x + h * f(x + h * g(x)) - h * g(x + 3 * h * f(x))
    tensor = y.log()[Tree.from_level_sequence([1, 2, 2, 2])]
    for axes in permutations((1, 2, 3)):
        assert (tensor == tensor.transpose(0, *axes)).all()


@pytest.mark.parametrize("method", [HeavyBall(), Nesterov()], ids=repr)
def test_a_step_over_a_ring(method):
    """Ring elements refuse to be multiplied by arrays; a step works with them all the same."""
    ring = ClosedFormRing(["beta"])
    rule = method.map(ring)
    for j, k in product(range(2), repeat=2):
        memories = []
        for kind, field in ((ColouredSeries, ColouredField.of), (BSeries, VectorField)):
            x = kind.identity(3)
            first, memory = rule.step(field(j, 2), StepSize(), x, rule.start(x))
            second, memory = rule.step(field(k, 2), StepSize(), x, memory.over(first))
            memories.append((second.log(), memory))
        (a, m), (b, n) = memories
        assert a.coloured() == b
        assert m.coloured() == n
        assert m.grade == n.grade


@pytest.mark.parametrize(("order", "colours"), CASES)
def test_floats_follow_the_exact_ones(order, colours):
    a = random_series(1, order, colours, 1)
    memory = random_series(2, order, colours, Fraction(1, 3))
    A, M = (as_tensors(s, colours, NumericSeries, float) for s in (a, memory))
    f = ColouredField(np.eye(colours)[0])
    for found, exact in (
        (M.over(A), memory.over(a)),
        (A.log(), a.log()),
        (f(A) * StepSize() / 3, VectorField(0, colours)(a) * StepSize() / 3),
    ):
        expected = as_tensors(exact, colours, NumericSeries, float)
        for shape, tensor in found.items():
            assert tensor.dtype == float
            scale = np.abs(expected[shape]).max()
            np.testing.assert_allclose(tensor, expected[shape], rtol=1e-13, atol=1e-14 * scale)


def test_implicit_steps():
    """The stages of an implicit method are fixed points, exact and in floats."""
    method = RungeKutta(A=((Fraction(1, 2),),), b=(1,))
    x, y, z = BSeries.identity(4), ColouredSeries.identity(4), NumericSeries.identity(4)
    midpoint = method.step(VectorField(), StepSize(), x, None)[0]
    exact = method.step(ColouredField.of(0, 1), StepSize(), y, None)[0]
    floats = method.step(ColouredField(np.ones(1)), StepSize(), z, None)[0]
    assert exact.coloured() == midpoint
    for shape, tensor in floats.items():
        np.testing.assert_allclose(tensor, float(midpoint[shape]), rtol=1e-15)


def test_what_is_no_series_is_refused():
    x, f = ColouredSeries.identity(2), ColouredField.of(0, 1)
    with pytest.raises(NotABSeries, match="powers of h"):
        x + f(x)
    with pytest.raises(NotABSeries, match="must be 1"):
        f(2 * x)
    with pytest.raises(NotABSeries, match="f was given 3"):
        f(3)
    with pytest.raises(NotABSeries, match="two vectors"):
        x * x
    with pytest.raises(NotABSeries, match="must be 1"):
        x.over(2 * x)
    with pytest.raises(ModflowError, match="colour 2 is not one of the 2"):
        ColouredField.of(2, 2)
