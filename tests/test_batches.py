"""Flows of update rules with a batch of their own for every step.

The exact coefficients against series over coloured trees, against modified equations of one
loss, formulas by hand, and iterates as polynomials in h; the floats against the exact ones; the
vector field against a sum over coloured trees; and the order that iterates show.
"""

import itertools
import math
import random
import re
from dataclasses import dataclass
from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import sympy
from sympy.polys.rings import ring as polynomial_ring

import modflow as mf
from modflow.batches import (
    BatchField,
    BatchFlow,
    BatchSchedule,
    batch_equations,
    compare_batches,
    compare_flow,
)
from modflow.flows import DifferentialPlan
from modflow.methods import (
    Adjoint,
    AggregatedMomentum,
    Composition,
    DampedHeavyBall,
    GradientDescent,
    HeavyBall,
    LinearTwoStep,
    Method,
    Nesterov,
    RungeKutta,
)
from modflow.problems import Problem
from modflow.series import (
    BSeries,
    ClosedFormRing,
    StepSize,
    Tree,
    VectorField,
    trees_up_to,
)

BETA = sympy.Symbol("beta")
HALF = Fraction(1, 2)
CHAIN = Tree.from_level_sequence([1, 2])


def coloured(levels, *colours):
    return Tree.from_level_sequence(levels, colours)


@dataclass(frozen=True)
class PreviousPoint(Method):
    """The heavy ball that remembers x^{k-1}: the memory is no multiple of h."""

    beta: object = mf.momentum()

    def start(self, x):
        return {"previous": x}

    def step(self, f, h, x, memory):
        return x + h * f(x) + self.beta * (x - memory["previous"]), {"previous": x}


@dataclass(frozen=True)
class PulledBack(Method):
    """Gradient steps towards a moving average of the points, which is the memory."""

    beta: object = mf.momentum()

    def start(self, x):
        return x

    def step(self, f, h, x, memory):
        y = x + self.beta * (memory - x)
        return y + h * f(y), (memory + x) / 2


@dataclass(frozen=True)
class Idle(Method):
    """Gradient descent with a memory of which nothing ever comes."""

    def start(self, x):
        return {"m": 0 * x}

    def step(self, f, h, x, memory):
        return x + h * f(x) + memory["m"], {"m": 2 * memory["m"]}


METHODS = [
    GradientDescent(),
    HeavyBall(),
    Nesterov(),
    DampedHeavyBall(),
    PreviousPoint(),
    PulledBack(),
    AggregatedMomentum((0, BETA)),
    LinearTwoStep(BETA, Fraction(3, 2), -HALF),
    RungeKutta(A=((0, 0), (HALF, 0)), b=(0, 1)),
    Composition((HeavyBall(), GradientDescent()), (HALF, 1)),
]


# -- exact coefficients ---------------------------------------------------------------------------


def over_coloured_trees(method, order, batches):
    """F_k by the recursion over coloured trees, one case after the other."""
    symbols = sorted(
        {s for v in method.leaves.values() for s in sympy.sympify(v).free_symbols}, key=str
    )
    rule, palette = method.map(ClosedFormRing(symbols)), max(batches) + 1
    x = BSeries.identity(order)
    memory = rule.begin(VectorField(batches[0], palette), StepSize(), x)
    for j in batches:
        point, memory = rule.step(VectorField(j, palette), StepSize(), x, memory)
        memory = around(point, memory)
        yield point.log()


def around(point, memory):
    """The memory, re-expanded around the new point."""
    if isinstance(memory, BSeries):
        return memory.over(point)
    if isinstance(memory, dict):
        return {key: around(point, part) for key, part in memory.items()}
    return None if memory is None else tuple(around(point, part) for part in memory)


def assert_equal_to(field, series):
    for tree in {*series, *field.field}:
        assert field.element(tree) == field.ring(field.ring(0) + 0) + show(field, series[tree])


def show(field, value):
    """A coefficient of another ring, in that of the field."""
    return field.ring(value.to_sympy() if hasattr(value, "to_sympy") else value)


@pytest.mark.parametrize("method", METHODS, ids=str)
@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_both_routes_agree(method, order):
    rng = random.Random(order)
    batches = [rng.randrange(3) for _ in range(4 if order < 4 else 3)]
    fields = batch_equations(method, order, batches)
    assert [field.step for field in fields] == list(range(len(batches)))
    for field, series in zip(fields, over_coloured_trees(method, order, batches), strict=True):
        assert_equal_to(field, series)
        assert list(field.coefficients) == sorted(field.coefficients)
        assert all(b != 0 for b in field.coefficients.values())


@pytest.mark.parametrize("method", METHODS, ids=str)
def test_one_batch_is_the_modified_equation(method):
    equation = mf.modified_equation(method, 4)
    for k, field in enumerate(batch_equations(method, 4, [0] * 5)):
        for tree, b in equation.at(k).items():
            assert field.element(tree) == b


@pytest.mark.parametrize("method", METHODS, ids=str)
def test_equal_losses_are_one_loss(method):
    """All f_j = f: the sum over the colourings of a shape, each with σ(shape)/σ(tree) members."""
    equation = mf.modified_equation(method, 3)
    for k, field in enumerate(batch_equations(method, 3, [0, 1, 2, 0])):
        total = {shape: field.ring(0) for shape in trees_up_to(3)}
        for tree, b in field.elements():
            shape = Tree.from_level_sequence(tree.level_sequence)
            total[shape] = total[shape] + b * Fraction(shape.symmetry, tree.symmetry)
        assert all(total[shape] == b for shape, b in equation.at(k).items())


@pytest.mark.parametrize("method", [HeavyBall(), Nesterov()], ids=str)
def test_every_sequence_follows_from_all_batches_different(method):
    """x' has the terms b(τ)/σ(τ) F(τ); where two batches are one loss, terms coincide."""
    batches = [1, 4, 1, 1]
    general = batch_equations(method, 3, range(4))[-1]
    special = batch_equations(method, 3, batches)[-1]
    merged = {}
    for tree, b in general.elements():
        named = coloured(tree.level_sequence, *(batches[c] for c in tree.colours))
        merged[named] = merged.get(named, 0) + b.to_sympy() / tree.symmetry * named.symmetry
    for tree in {*merged, *special.field}:
        assert special.element(tree) == merged.get(tree, 0)


def test_the_heavy_ball_by_hand():
    """x^{k+1} = x^k + h Σ_i β^(k-i) f_i(x^i) and x^i = x^k - h Σ_{i≤m<k} Σ_{l≤m} β^(m-l) f_l + ...

    Hence b_k(i) = β^(k-i). On [i, j], with root i, the map has -β^(k-i) Σ_{max(i,j)≤m<k} β^(m-j),
    and the logarithm takes another β^(k-i) β^(k-j) / 2. The sum is symmetric in i and j, and a
    modified loss exists.
    """
    for k, field in enumerate(batch_equations(HeavyBall(), 2, range(6))):
        for i in range(k + 1):
            assert field.element(Tree((), i)) == BETA ** (k - i)
            for j in range(k + 1):
                back = sum(BETA ** (m - j) for m in range(max(i, j), k))
                b = -(BETA ** (k - i)) * (back + BETA ** (k - j) / 2)
                assert field.element(coloured([1, 2], i, j)) == b
                assert field.element(coloured([1, 2], j, i)) == b
        loss = field.modified_loss()
        assert loss.elements[Tree((), k)] == 1
        assert loss.elements[coloured([1, 2], k, k)] == Fraction(1, 4)


def test_gradient_descent_forgets_its_batches():
    one = mf.modified_equation(GradientDescent(), 3).limit
    for field in batch_equations(GradientDescent(), 3, [2, 0, 1]):
        j = field.batches[-1]
        expected = {coloured(t.level_sequence, *[j] * t.order): b for t, b in one.items()}
        assert field.coefficients == expected


def test_modified_losses():
    nesterov = batch_equations(Nesterov(), 2, range(3))
    nesterov[1].modified_loss()
    with pytest.raises(mf.NotAGradient) as error:
        nesterov[2].modified_loss()
    assert error.value.pair == (coloured([1, 2], 0, 1), coloured([1, 2], 1, 0))
    ring = ClosedFormRing()
    for missing in (coloured([1, 2], 0, 1), coloured([1, 2], 1, 0)):
        lonely = BatchField(HeavyBall(), 2, (0, 1), ring, BSeries({missing: 1}, 2))
        with pytest.raises(mf.NotAGradient, match="but they are"):
            lonely.modified_loss()


def test_tex_names_every_batch():
    text = batch_equations(HeavyBall(), 2, [0, 1])[1].latex()
    assert text == (
        r"\dot{x} = \beta\,f_{0} + f_{1} - \frac{\beta \left(\beta + 2\right)}{2}\,h\,f_{0}'f_{0} "
        r"- \frac{\beta}{2}\,h\,f_{0}'f_{1} - \frac{\beta}{2}\,h\,f_{1}'f_{0} "
        r"- \frac{1}{2}\,h\,f_{1}'f_{1}"
    )
    assert "f_{0}" in batch_equations(GradientDescent(), 1, [0])[0].latex()


def test_floats_stay_floats():
    field = batch_equations(HeavyBall(0.5), 2, [0, 1])[1]
    assert field.coefficients[CHAIN] == -0.625
    assert field.coefficients[CHAIN].is_Float


@pytest.mark.parametrize(
    ("batches", "message"),
    [
        ([], "the sequence of batches is empty"),
        ([0, -1], "a batch is a whole number from 0; got -1"),
        ([0, 0.5], "a batch is a whole number from 0; got 0.5"),
        ([True], "a batch is a whole number from 0; got True"),
        (3, "batches are a sequence"),
        ("01", "batches are a sequence"),
    ],
)
def test_sequences_that_are_refused(batches, message):
    with pytest.raises(mf.ModflowError, match=re.escape(message)):
        batch_equations(HeavyBall(), 2, batches)


def test_other_requests_that_are_refused():
    with pytest.raises(mf.ModflowError, match="order must be a whole number"):
        batch_equations(HeavyBall(), 0, [0])
    with pytest.raises(mf.ModflowError, match="a method is needed"):
        batch_equations("heavy-ball", 2, [0])


# -- no trees: iterates and flows as polynomials in h ---------------------------------------------

R, H, Y1, Y2 = polynomial_ring(["h", "y1", "y2"], sympy.QQ)


def cut(p, order):
    return R.from_dict({m: c for m, c in p.items() if m[0] <= order})


def polynomial_field(seed):
    rng = random.Random(seed)
    powers = [(0, i, j) for i in range(3) for j in range(3 - i)]
    return [R.from_dict({m: sympy.QQ(rng.choice([-2, -1, 1, 2])) for m in powers}) for _ in "xy"]


def at(field, point, order):
    return [cut(p.compose([(Y1, point[0]), (Y2, point[1])]), order) for p in field]


def directional(field, directions):
    """The derivative f^(m)(v1, ..., vm) with polynomial directions held fixed."""
    result = [R(0), R(0)]
    for index in itertools.product(range(2), repeat=len(directions)):
        weight = math.prod((v[i] for v, i in zip(directions, index, strict=True)), start=R(1))
        for row in range(2):
            d = field[row]
            for i in index:
                d = d.diff((Y1, Y2)[i])
            result[row] = result[row] + d * weight
    return result


def differential(tree, fields):
    return directional(fields[tree.colour], [differential(c, fields) for c in tree.children])


def time_h_flow(terms, order):
    """y ↦ Σ_n h^n/n! (L_F)^n y for F = Σ c h^(power) field, cut after h^order."""
    field = [R(0), R(0)]
    for c, power, own in terms:
        field = [a + c * H**power * b for a, b in zip(field, own, strict=True)]
    result, lie = [Y1, Y2], [Y1, Y2]
    for n in range(1, order + 1):
        lie = [
            cut((p.diff(Y1) * field[0] + p.diff(Y2) * field[1]) * H / sympy.QQ(n), order)
            for p in lie
        ]
        result = [a + b for a, b in zip(result, lie, strict=True)]
    return result


class Pair(list):
    """A vector of two polynomials, as an update rule needs it."""

    def __add__(self, other):
        return Pair(a + b for a, b in zip(self, other, strict=True))

    def __sub__(self, other):
        return Pair(a - b for a, b in zip(self, other, strict=True))

    def __mul__(self, scalar):
        return Pair(scalar * a for a in self)

    __rmul__ = __mul__


@pytest.mark.parametrize("method", [HeavyBall, Nesterov])
@pytest.mark.parametrize("order", [1, 2, 3])
def test_the_flow_meets_the_iterates_up_to_its_order(method, order):
    beta, batches = sympy.QQ(2, 5), [0, 1, 0, 2]
    fields = [polynomial_field(seed) for seed in range(3)]
    rule = method(beta)
    x = Pair([R(0), R(0)])
    flow, memory, changed = x, Pair([R(0), R(0)]), 0
    equations = batch_equations(method(Fraction(2, 5)), order, batches)
    for k, (j, equation) in enumerate(zip(batches, equations, strict=True)):
        # x^(k+1) exactly, up to h^order: the method's own step on polynomials in h.
        def f(y, j=j):
            return Pair(at(fields[j], y, order))

        x, memory = rule.step(f, H, x, memory)
        x, memory = (Pair(cut(p, order) for p in part) for part in (x, memory))

        def image(coefficients, flow=flow):
            terms = [
                (sympy.QQ(b.p, b.q) / t.symmetry, t.order - 1, differential(t, fields))
                for t, b in coefficients.items()
            ]
            return Pair(at(time_h_flow(terms, order), flow, order))

        following = image(equation.coefficients)
        assert following == x, f"step {k}"
        for tree in equation.coefficients:
            spoilt = {**equation.coefficients, tree: equation.coefficients[tree] + 1}
            changed += image(spoilt) != x
        flow = following
    # Every coefficient counts, but for differentials that vanish at a point passed through.
    total = sum(len(e.coefficients) for e in equations)
    assert changed >= 0.9 * total


# -- floats ---------------------------------------------------------------------------------------


@pytest.fixture
def double():
    with jax.enable_x64(True):
        yield


NUMERIC = [
    GradientDescent(),
    HeavyBall(HALF),
    HeavyBall(Fraction(9, 10)),
    Nesterov(HALF),
    DampedHeavyBall(Fraction(3, 4), HALF),
    PreviousPoint(HALF),
    PulledBack(HALF),
    AggregatedMomentum((0, HALF)),
    LinearTwoStep(HALF, Fraction(3, 2), -HALF),
    RungeKutta(A=((HALF,),), b=(1,)),
    Composition((HeavyBall(HALF), GradientDescent()), (HALF, 1)),
    Adjoint(GradientDescent()),
    Idle(),
]


def tensors_of(field, shapes, count):
    """The exact coefficients as float arrays, one for each shape."""
    for shape in shapes:
        tensor = np.empty((count,) * shape.order)
        for index in np.ndindex(tensor.shape):
            element = field.element(coloured(shape.level_sequence, *index))
            tensor[index] = float(element.value({}))
        yield tensor


@pytest.mark.usefixtures("double")
@pytest.mark.parametrize("method", NUMERIC, ids=str)
def test_weights_equal_the_exact_ones(method):
    batches = [1, 0, 1, 2, 2, 0, 1]
    flow = BatchFlow(method, [jnp.sum] * 3, order=3)
    state = flow.start(batches[0])
    advance = jax.jit(flow.advance)
    for j, field in zip(batches, batch_equations(method, 3, batches), strict=True):
        state, weights = advance(state, j)
        for found, exact in zip(weights, tensors_of(field, flow.shapes, 3), strict=True):
            np.testing.assert_allclose(found, exact, rtol=0, atol=1e-14 * np.abs(exact).max())


@pytest.mark.usefixtures("double")
def test_weights_stay_right_after_many_steps():
    """One batch for 2000 steps is the limit; rounding does not add up."""
    flow = BatchFlow(HeavyBall(0.9), [jnp.sum, jnp.sum], order=3)
    limit = mf.modified_equation(HeavyBall(Fraction(9, 10)), 3).limit

    def body(k, carry):
        return flow.advance(carry[0], k % 2)

    weights = jax.lax.fori_loop(0, 2000, body, flow.advance(flow.start(), 1))[1]
    for shape, tensor in zip(flow.shapes, weights, strict=True):
        np.testing.assert_allclose(tensor.sum(), float(limit[shape]), rtol=1e-13)


@pytest.mark.usefixtures("double")
@pytest.mark.parametrize("order", [1, 2, 3])
def test_a_step_costs_the_same_at_every_k(order):
    flow = BatchFlow(HeavyBall(0.5), [jnp.sum] * 4, order)
    state, programs = flow.start(), set()
    for k in range(5):
        programs.add(str(jax.make_jaxpr(flow.advance)(state, jnp.asarray(k % 4))))
        state, weights = flow.advance(state, k % 4)
        shapes = [w.shape for w in weights]
        assert shapes == [(4,) * shape.order for shape in trees_up_to(order)]
        assert [w.shape for w in state[0]] == shapes
    assert len(programs) == 1


def test_advance_fits_into_a_scan():
    flow = BatchFlow(HeavyBall(0.5), [jnp.sum] * 2, order=2)
    batches = [0, 1, 1, 0]
    _, stacked = jax.lax.scan(flow.advance, flow.start(), jnp.array(batches))
    state = flow.start()
    for k, j in enumerate(batches):
        state, weights = flow.advance(state, j)
        for own, all_of_them in zip(weights, stacked, strict=True):
            np.testing.assert_allclose(all_of_them[k], own, rtol=1e-6)


# -- the vector field -----------------------------------------------------------------------------


def pytree_loss(x, data):
    """Smooth, far from quadratic, with parameters of two shapes."""
    inputs, target = data
    return jnp.sum(jnp.sin(inputs @ x["w"]) * target) * jnp.prod(x["v"])


def pytree_case(count):
    rng = np.random.default_rng(5)
    data = (rng.normal(size=(count, 4, 3)), rng.normal(size=(count, 4)))
    x = {"w": jnp.asarray(rng.normal(size=3)), "v": jnp.asarray(rng.normal(size=2))}
    return data, x


def listed(loss, data):
    count = len(jax.tree.leaves(data)[0])
    slices = [jax.tree.map(lambda leaf, i=i: leaf[i], data) for i in range(count)]
    return [lambda x, own=own: loss(x, own) for own in slices]


def derivative(f, directions):
    """x ↦ f^(m)(x)(v1, ..., vm)."""
    if not directions:
        return f
    inside = derivative(f, directions[1:])
    return lambda x: jax.jvp(inside, (x,), (directions[0],))[1]


def naive_field(coefficients, losses, x, h):
    """Σ over coloured trees, each differential by itself, by nested forward derivatives."""
    known = {}

    def elementary(tree):
        if tree not in known:
            gradient = jax.grad(losses[tree.colour])
            directions = [elementary(child) for child in tree.children]
            value = derivative(gradient, directions)(x)
            known[tree] = jax.tree.map(jnp.negative, value)
        return known[tree]

    total = jax.tree.map(jnp.zeros_like, x)
    for tree, b in coefficients.items():
        scale = float(b) / tree.symmetry * h ** (tree.order - 1)
        total = jax.tree.map(lambda a, e, c=scale: a + c * e, total, elementary(tree))
    return total


@pytest.mark.usefixtures("double")
@pytest.mark.parametrize(
    ("order", "count"),
    # From order 5 on there are branches of different sizes beside each other.
    [(1, 3), (2, 3), (3, 2), pytest.param(5, 2, marks=pytest.mark.slow)],
)
def test_the_field_is_the_sum_over_coloured_trees(order, count):
    method = Nesterov(HALF)  # its weights have no symmetry that would hide a transposition
    data, x = pytree_case(count)
    batches, h = [1, 0, count - 1], 0.3
    expected = naive_field(
        batch_equations(method, order, batches)[-1].coefficients, listed(pytree_loss, data), x, h
    )
    sliced = BatchFlow(method, pytree_loss, order, data=data)
    apart = BatchFlow(method, listed(pytree_loss, data), order)
    problem = BatchFlow(method, Problem(pytree_loss, start=x, data=data), order)
    for flow in (sliced, apart, problem) if order == 2 else (sliced, apart):
        state = flow.start()
        for j in batches:
            state, weights = flow.advance(state, j)
        found = flow(weights, x, h)
        for key, leaf in expected.items():
            scale = np.abs(leaf).max()
            np.testing.assert_allclose(found[key], leaf, rtol=0, atol=1e-13 * scale)


@pytest.mark.usefixtures("double")
def test_one_batch_is_a_flow_of_one_loss():
    data, x = pytree_case(1)
    (loss,) = listed(pytree_loss, data)
    one = mf.Flow(mf.modified_equation(HeavyBall(HALF), 3), loss)
    flow = BatchFlow(HeavyBall(HALF), pytree_loss, 3, data=data)
    state = flow.start()
    for k in range(4):
        state, weights = flow.advance(state, 0)
        found, expected = flow(weights, x, 0.1), one(k, x, 0.1)
        for key, leaf in expected.items():
            np.testing.assert_allclose(found[key], leaf, rtol=1e-12)


def test_the_field_keeps_the_precision_of_x():
    data, x = pytree_case(2)
    flow = BatchFlow(HeavyBall(0.5), pytree_loss, 2, data=data)
    with jax.enable_x64(True):
        _, weights = flow.advance(flow.start(), 1)
        narrow = jax.tree.map(lambda leaf: leaf.astype(jnp.float32), x)
        assert {leaf.dtype for leaf in jax.tree.leaves(flow(weights, narrow, 0.1))} == {
            jnp.dtype("float32")
        }


def test_order_one_takes_one_gradient_of_a_sum():
    count = []

    def loss(x, data):
        count.append(0)
        return jnp.sum(x * data)

    flow = BatchFlow(HeavyBall(0.5), loss, 1, data=jnp.ones((5, 3)))
    _, weights = flow.advance(flow.start(), 4)
    flow(weights, jnp.ones(3), 0.1)
    assert len(count) == 1
    assert DifferentialPlan.of(flow.shapes).derivatives == 0


def test_requests_that_are_refused():
    data, _ = pytree_case(3)
    flow = BatchFlow(HeavyBall(0.5), pytree_loss, 2, data=data)
    for j in (3, -1, 0.5, "a", np.arange(2)):
        with pytest.raises(mf.ModflowError, match=r"there is no batch .*numbered 0 to 2"):
            flow.advance(flow.start(), j)
    _, weights = jax.jit(flow.advance)(flow.start(), 3)
    assert np.isnan(weights[0]).all()
    cases = [
        ({"losses": pytree_loss}, "there are none"),
        ({"losses": pytree_loss, "data": (np.ones((3, 2)), np.ones(4))}, r"lengths are \[3, 4\]"),
        ({"losses": pytree_loss, "data": np.float64(1)}, r"lengths are \[0\]"),
        ({"losses": []}, "losses are a list of functions"),
        ({"losses": [jnp.sum], "data": np.ones(1)}, "losses are a list of functions"),
        ({"losses": 3}, "losses are a list of functions"),
    ]
    for arguments, message in cases:
        with pytest.raises(mf.ModflowError, match=message):
            BatchFlow(HeavyBall(0.5), order=2, **arguments)
    with pytest.raises(mf.ModflowError, match="needs a number for beta"):
        BatchFlow(HeavyBall(), [jnp.sum], 2)
    with pytest.raises(mf.ModflowError, match="order must be"):
        BatchFlow(HeavyBall(0.5), [jnp.sum], 0)


# -- schedules ------------------------------------------------------------------------------------


def test_schedules():
    def many(kind, seeds):
        return [BatchSchedule(kind, 7, seed).first(50) for seed in range(seeds)]

    assert many("cyclic", 1) == [[k % 7 for k in range(50)]]
    epochs = [tuple(drawn[i : i + 7]) for drawn in many("shuffled", 8) for i in range(0, 49, 7)]
    assert all(sorted(epoch) == list(range(7)) for epoch in epochs)
    assert len(set(epochs)) > 50  # of 56, among 5040 permutations
    counts = np.bincount(np.ravel(many("independent", 140)), minlength=7)
    assert np.abs(counts - 1000).max() < 4 * np.sqrt(7000 * 6 / 49)


@pytest.mark.parametrize("kind", ["cyclic", "once", "shuffled", "independent"])
def test_a_schedule_is_a_function_of_seed_and_step(kind):
    schedule = BatchSchedule(kind, 7, seed=2**32 - 1)
    expected = schedule.first(50)
    for k in (0, 11, np.int32(49), jnp.asarray(30)):
        assert schedule(k) == expected[k]
        assert type(schedule(k)) is int
    inside = jax.jit(lambda n: (jax.lax.map(schedule, n), n + schedule(30)))
    traced, shifted = inside(jnp.arange(50))
    assert traced.tolist() == expected
    assert shifted[0] == expected[30]
    with jax.enable_x64(True):
        assert schedule.first(50) == expected
    if kind != "cyclic":
        assert BatchSchedule(kind, 7, seed=1).first(50) != expected


def test_schedules_that_are_refused():
    with pytest.raises(mf.UnknownNameError, match="did you mean 'shuffled'"):
        BatchSchedule("shufled", 3)
    for count in (0, 2.5, True):
        with pytest.raises(mf.ModflowError, match="at least one batch"):
            BatchSchedule("cyclic", count)
    for seed in (-1, 2**32, 0.5):
        with pytest.raises(mf.ModflowError, match="a seed is"):
            BatchSchedule("shuffled", 3, seed=seed)
    for k in (-1, 0.5, "a"):
        with pytest.raises(mf.ModflowError, match="a step number is"):
            BatchSchedule("cyclic", 3)(k)
    with pytest.raises(mf.ModflowError, match="number of steps"):
        BatchSchedule("cyclic", 3).first(-1)


# -- iterates and flows ---------------------------------------------------------------------------


def least_squares_loss(x, data):
    rows, target = data
    return 0.5 * jnp.mean((rows @ x - target) ** 2)


def least_squares(count=4):
    rng = np.random.default_rng(7)
    data = (rng.normal(size=(count, 6, 3)), rng.normal(size=(count, 6)))
    return Problem(least_squares_loss, start=np.array([1.0, -0.5, 0.7]), data=data)


@pytest.mark.usefixtures("double")
@pytest.mark.parametrize("kind", ["cyclic", "once", "shuffled", "independent"])
def test_a_comparison_is_what_it_says(kind):
    """On least squares f_j is linear: iterates in NumPy, F_k from exact coefficients as a matrix,
    its flow by the matrix exponential."""
    method = DampedHeavyBall(HALF, Fraction(1, 4))  # its memory begins with f_j(0)(x^0)
    problem, h, steps = least_squares(), 0.1, 12
    schedule = BatchSchedule(kind, 4, seed=4)
    run = compare_batches(method, problem, 2, schedule, h, steps, substeps=4)
    rows, target = problem.data
    # f_j(x) = L_j (x, 1), in homogeneous coordinates.
    L = np.zeros((4, 4, 4))
    L[:, :3, :3] = -np.einsum("jni,jnk->jik", rows, rows) / 6
    L[:, :3, 3] = np.einsum("jni,jn->ji", rows, target) / 6
    x = y = np.append(problem.start, 1.0)
    batches, errors = schedule.first(steps), []
    assert kind == "cyclic" or batches[0] != 0
    rule = method.numeric()
    memory = rule.begin(lambda z: L[batches[0]] @ z, h, x)
    for j, field in zip(batches, batch_equations(method, 2, batches), strict=True):
        x, memory = rule.step(lambda z, j=j: L[j] @ z, h, x, memory)
        F = np.zeros((4, 4))
        for tree, b in field.coefficients.items():
            colours = tree.colours
            F += float(b) * (
                L[colours[0]] if tree.order == 1 else h * L[colours[0]] @ L[colours[1]]
            )
        values, vectors = np.linalg.eig(h * F)
        y = np.real(vectors @ (np.exp(values) * np.linalg.solve(vectors, y + 0j)))
        errors.append(np.linalg.norm(x - y))
    # Parameters are of the size of 1, and can come near 0.
    np.testing.assert_allclose(run.iterate, x[:3], rtol=0, atol=1e-14)
    np.testing.assert_allclose(run.flow, y[:3], rtol=0, atol=1e-9)
    np.testing.assert_allclose(run.error, max(errors), rtol=1e-6)
    assert run.error_step == 1 + int(np.argmax(errors))
    assert run.embedded_error < 1e-5 * run.error
    assert run.diverged is None


@pytest.mark.usefixtures("double")
def test_a_run_that_diverges_says_so():
    run = compare_batches(
        HeavyBall(0.5), least_squares(), 1, BatchSchedule("cyclic", 4), 50.0, 2000
    )
    assert np.isnan(run.error)
    assert run.diverged is not None
    assert run.diverged[1] < 2000


def test_comparisons_that_are_refused():
    problem, schedule = least_squares(), BatchSchedule("cyclic", 4)
    with pytest.raises(mf.ModflowError, match="for 3 batches and there are 4 losses"):
        compare_batches(HeavyBall(0.5), problem, 1, BatchSchedule("cyclic", 3), 0.1, 5)
    with pytest.raises(mf.UnknownNameError, match="solver"):
        compare_batches(HeavyBall(0.5), problem, 1, schedule, 0.1, 5, solver="rk")
    for arguments in ({"steps": -1}, {"steps": 2.5}, {"steps": 2, "substeps": 0}):
        with pytest.raises(mf.ModflowError, match="whole number"):
            compare_batches(HeavyBall(0.5), problem, 1, schedule, 0.1, **arguments)


SIZES = [2.0**-i for i in range(5, 12)]
SEEDS = {"cyclic": 1, "once": 8, "shuffled": 8, "independent": 64}


def order_of(flow, kind, sizes, seeds):
    """Mean errors over the seeds up to T = 1, each known to two standard errors of the mean."""
    start = least_squares().start
    runs = [
        [
            compare_flow(flow, start, BatchSchedule(kind, 4, seed), h, round(1 / h))
            for seed in range(seeds)
        ]
        for h in sizes
    ]
    for row in runs:
        assert max(run.embedded_error / run.error for run in row) < 1e-3
    errors = np.array([[run.error for run in row] for row in runs])
    spread = None if seeds == 1 else 2 * errors.std(axis=1, ddof=1) / np.sqrt(seeds)
    return mf.estimate_order(sizes, errors.mean(axis=1), flow.order, uncertainties=spread)


@pytest.mark.usefixtures("double")
@pytest.mark.parametrize("order", [1, 2, 3])
def test_order_with_cyclic_batches(order):
    estimate = order_of(BatchFlow(HeavyBall(0.5), least_squares(), order), "cyclic", SIZES, 1)
    assert estimate.verdict == "pass", estimate


@pytest.mark.usefixtures("double")
@pytest.mark.parametrize(("kind", "seeds"), [("shuffled", 4), ("independent", 16)])
def test_order_with_random_batches(kind, seeds):
    estimate = order_of(BatchFlow(HeavyBall(0.5), least_squares(), 2), kind, SIZES[:6], seeds)
    assert estimate.verdict == "pass", estimate


@pytest.mark.slow
@pytest.mark.usefixtures("double")
@pytest.mark.parametrize("order", [1, 2, 3])
@pytest.mark.parametrize("kind", SEEDS)
@pytest.mark.parametrize("method", [HeavyBall(0.5), Nesterov(0.5)], ids=str)
def test_orders_of_all_schedules(method, kind, order):
    estimate = order_of(BatchFlow(method, least_squares(), order), kind, SIZES, SEEDS[kind])
    assert estimate.verdict == "pass", estimate


class Transposed(BatchFlow):
    """The root's batch and its child's exchanged."""

    def advance(self, state, j):
        state, weights = super().advance(state, j)
        return state, tuple(w.T for w in weights)


class Forgetful(BatchFlow):
    """Every step as if it were the first."""

    def advance(self, state, j):
        return super().advance(self.start(j), j)


class Late(BatchFlow):
    """The weights of the step before."""

    def start(self, j=0):
        state = super().start(j)
        return state, super().advance(state, j)[1]

    def advance(self, state, j):
        following, weights = super().advance(state[0], j)
        return (following, weights), state[1]


@pytest.mark.usefixtures("double")
@pytest.mark.parametrize(
    ("mutant", "method", "order"),
    [
        (Transposed, Nesterov(0.5), 3),  # the heavy ball's weights are symmetric
        (Forgetful, HeavyBall(0.5), 1),
        (Late, HeavyBall(0.5), 2),  # over many steps a shift averages out at order 1
    ],
)
def test_wrong_weights_have_another_order(mutant, method, order):
    estimate = order_of(mutant(method, least_squares(), order), "cyclic", SIZES, 1)
    assert estimate.verdict == "fail", estimate
