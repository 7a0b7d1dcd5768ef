"""Flows as JAX vector fields, against dense derivative tensors and hand-typed formulas."""

import itertools
from fractions import Fraction

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest

import modflow as mf
from modflow.flows import (
    DifferentialPlan,
    coefficient_table,
    elementary_differential,
    modified_loss_function,
    potential,
)
from modflow.series import Tree, trees_up_to

NODE, CHAIN = Tree(), Tree([Tree()])
POINT = np.array([0.3, -0.7, 0.5])


@pytest.fixture(autouse=True)
def double():
    with jax.enable_x64(True):
        yield


def loss(x):
    """A loss in three variables with all derivatives different from 0."""
    return jnp.exp(0.3 * x[0] * x[1]) + jnp.sin(x[1] * x[2]) + 0.25 * (x @ x) ** 2


def dense_differential(tree, x):
    """F(τ) by contracting full derivative tensors: slow, and nothing like the nested JVPs."""

    def tensor(order):
        def field(y):
            return -jax.grad(loss)(y)

        for _ in range(order):
            field = jax.jacfwd(field)
        return field(x)

    value = tensor(len(tree.children))
    for child in reversed(tree.children):
        value = value @ dense_differential(child, x)
    return value


@pytest.mark.parametrize("tree", [*list(trees_up_to(4)), Tree([Tree()] * 4)], ids=str)
def test_elementary_differentials_equal_contracted_tensors(tree):
    np.testing.assert_allclose(
        elementary_differential(tree, loss, jnp.array(POINT)),
        dense_differential(tree, jnp.array(POINT)),
        rtol=1e-12,
    )


@pytest.mark.parametrize("order", [1, 2, 3, 4, 5])
def test_a_plan_sums_all_trees_with_their_weights(order):
    trees = list(trees_up_to(order))
    weights = np.linspace(-1, 2, len(trees))
    plan = DifferentialPlan.of(trees)
    from modflow.flows import force
    from modflow.vectors import Vector

    x = jnp.array(POINT)
    got = plan.evaluate(force(loss), Vector(x), list(weights)).tree
    want = sum(w * dense_differential(t, x) for w, t in zip(weights, trees, strict=True))
    np.testing.assert_allclose(got, want, rtol=1e-11)


def test_no_differential_is_computed_twice():
    # Order p needs each F(τ) with |τ| < p that is an argument once, and one derivative for
    # each multiset of further arguments: by hand for p = 4, f'(..), f''(f,..), f'''(f,f,f)
    # on top of f, f'f, f''(f,f), f'f'f.
    counts = [DifferentialPlan.of(list(trees_up_to(p))).derivatives for p in range(1, 6)]
    assert counts == [0, 1, 3, 6, 12]
    for p in range(2, 7):
        plan = DifferentialPlan.of(list(trees_up_to(p)))
        grouped = [t for _, found in plan.groups for t in found]
        assert len(set(plan.inner)) == len(plan.inner)
        assert not set(plan.inner) & set(grouped)
        assert sorted({*plan.inner, *grouped}) == sorted(plan.trees)


def test_the_flow_of_order_two_is_the_paper_s_formula():
    beta, h, k = 0.7, 0.01, 3
    flow = mf.Flow(mf.modified_equation(mf.HeavyBall(beta), 2), loss)
    x = jnp.array(POINT)
    g, hessian = jax.grad(loss)(x), jax.hessian(loss)(x)
    gamma = (1 - beta ** (2 * k + 2)) - 4 * (k + 1) * beta ** (k + 1) * (1 - beta) / (1 + beta)
    want = -(1 - beta ** (k + 1)) / (1 - beta) * g - h * gamma * (1 + beta) / (
        2 * (1 - beta) ** 3
    ) * (hessian @ g)
    np.testing.assert_allclose(flow(k, x, h), want, rtol=1e-13)


def test_the_flow_of_order_two_forms_no_hessian():
    p = 37
    flow = mf.Flow(mf.modified_equation(mf.HeavyBall(0.5), 2), lambda x: jnp.sum(jnp.cos(x)) ** 2)
    jaxpr = jax.make_jaxpr(lambda x: flow(2, x, 0.1))(jnp.ones(p))
    sizes = [v.aval.size for eqn in jaxpr.eqns for v in eqn.outvars]
    assert max(sizes) < p * p


def test_a_symbolic_equation_takes_its_numbers_from_parameters():
    symbolic = mf.modified_equation(mf.HeavyBall(), 3)
    rational = mf.modified_equation(mf.HeavyBall(Fraction(9, 10)), 3)
    x = jnp.array(POINT)
    a = mf.Flow(symbolic, loss, parameters={"beta": 0.9})
    np.testing.assert_array_equal(a(5, x, 0.01), mf.Flow(rational, loss)(5, x, 0.01))
    with pytest.raises(mf.ModflowError, match="a number is needed for beta"):
        mf.Flow(symbolic, loss)


def test_pytrees_give_the_same_flow_as_flat_arrays():
    def on_tree(p):
        return loss(jnp.concatenate([p["a"], p["b"][0]]))

    eq = mf.modified_equation(mf.Nesterov(0.5), 4)
    x = jnp.array(POINT)
    tree = {"a": x[:1], "b": (x[1:],)}
    got = mf.Flow(eq, on_tree)(1, tree, 0.05)
    want = mf.Flow(eq, loss)(1, x, 0.05)
    np.testing.assert_allclose(jnp.concatenate([got["a"], got["b"][0]]), want, rtol=1e-12)


def test_a_flow_can_be_batched_in_step_point_and_size():
    flow = mf.Flow(mf.modified_equation(mf.HeavyBall(0.9), 3), loss)
    ks, hs = jnp.array([0, 7]), jnp.array([0.1, 0.01])
    xs = jnp.stack([jnp.array(POINT), 2 * jnp.array(POINT)])
    batched = jax.jit(jax.vmap(flow))(ks, xs, hs)
    for got, k, x, h in zip(batched, ks, xs, hs, strict=True):
        np.testing.assert_allclose(got, flow(int(k), x, float(h)), rtol=1e-12)


# -- coefficients as numbers --------------------------------------------------------------


@pytest.mark.parametrize("beta", [Fraction(1, 2), Fraction(9, 10), Fraction(99, 100)])
def test_coefficients_are_right_to_the_last_bit(beta):
    eq = mf.modified_equation(mf.HeavyBall(beta), 4)
    table = coefficient_table(eq, 1 << 20)
    with mpmath.workdps(60):
        for j, tree in enumerate(table.trees):
            expr = eq.coefficients[tree] / tree.symmetry
            for k in (0, 1, 2, 17, len(table.values) - 1):
                want = expr.subs("k", k).evalf(40)
                got = table.values[k, j]
                assert abs(got - want) <= 2.0**-52 * max(1e-300, abs(want)), (tree, k)
    limit = [float(eq.limit[t] / t.symmetry) for t in table.trees]
    np.testing.assert_allclose(table.values[-1], limit, rtol=2.0**-52)
    assert table.settled


def test_a_table_is_as_long_as_the_transient():
    rows = {b: len(_table(mf.HeavyBall(b), 3).values) for b in (0, 0.5, 0.9)}
    assert rows[0] == 1
    # β^k has to fall below 2^-53 of 1: after 53 steps at 1/2, 348 at 9/10, and some more for
    # the powers of k beside it.
    assert 53 <= rows[0.5] <= 80
    assert 348 <= rows[0.9] <= 550
    assert len(_table(mf.GradientDescent(), 5).values) == 1


def test_trees_that_vanish_are_left_out():
    assert [t.order for t in _table(mf.GradientDescent(), 4).trees] == [1, 2, 3, 3, 4, 4, 4]


def _table(method, order):
    return coefficient_table(mf.modified_equation(method, order), 1 << 20)


# -- modified loss ------------------------------------------------------------------------


def test_the_modified_loss_s_gradient_is_the_flow():
    eq = mf.modified_equation(mf.HeavyBall(), 2)
    value = modified_loss_function(eq.modified_loss(), loss, beta=0.8)
    flow = mf.Flow(eq, loss, parameters={"beta": 0.8})
    x = jnp.array(POINT)
    for k in (0, 1, 10):
        np.testing.assert_allclose(-jax.grad(value, 1)(k, x, 0.03), flow(k, x, 0.03), rtol=1e-10)


def test_potentials_are_full_contractions():
    x = jnp.array(POINT)
    g, hess = jax.grad(loss)(x), jax.hessian(loss)(x)
    third = jax.jacfwd(jax.hessian(loss))(x)
    path = Tree([Tree([Tree()])])
    star = Tree([Tree([Tree(), Tree()])])
    np.testing.assert_allclose(potential(CHAIN, loss, x), g @ g, rtol=1e-13)
    np.testing.assert_allclose(potential(path, loss, x), g @ hess @ g, rtol=1e-13)
    want = np.einsum("ijk,i,j,k", third, g, g, g)
    np.testing.assert_allclose(potential(star, loss, x), want, rtol=1e-12)
    for tree in itertools.chain(trees_up_to(5)):
        same = [float(potential(r, loss, x)) for r in tree.rootings]
        np.testing.assert_allclose(same, same[0], rtol=1e-10)


# -- requests that make no sense, and precisions ---------------------------------------------


def heavy_ball_flow(**options):
    return mf.Flow(mf.modified_equation(mf.HeavyBall(), 2), loss, **options)


@pytest.mark.parametrize(
    ("k", "h", "message"),
    [
        (-1, 0.1, "whole number"),
        (2.0, 0.1, "whole number"),
        (jnp.arange(3), 0.1, "vmap"),
        (0, jnp.ones(3), "vmap"),
    ],
)
def test_steps_and_step_sizes_are_scalars_in_range(k, h, message):
    with pytest.raises(mf.ModflowError, match=message):
        heavy_ball_flow(parameters={"beta": 0.5})(k, POINT, h)


def test_steps_beyond_those_known_are_refused_or_nan():
    flow = heavy_ball_flow(parameters={"beta": 0.999}, steps=10)
    with pytest.raises(mf.ModflowError, match="beyond the 10 steps"):
        flow(10, POINT, 0.1)
    steps = jax.vmap(lambda k: flow(k, POINT, 0.1))(jnp.array([-1, 0, 9, 10]))
    np.testing.assert_array_equal(np.isnan(steps).any(axis=1), [True, False, False, True])
    np.testing.assert_allclose(steps[2], flow(9, POINT, 0.1))


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"beta": 1.5}, "out of range"),
        ({"beta": float("nan")}, "rational number"),
        ({"beta": None}, "rational number"),
        ({"bta": 0.5}, "did you mean 'beta'"),
        ({"beta": 0.5, "gamma": 1}, "unknown symbol 'gamma'"),
    ],
)
def test_values_for_symbols_are_checked(parameters, message):
    with pytest.raises(mf.ModflowError, match=message):
        heavy_ball_flow(parameters=parameters)


def test_a_value_for_a_parameter_that_is_a_number_is_refused():
    eq = mf.modified_equation(mf.HeavyBall(0.5), 2)
    with pytest.raises(mf.ModflowError, match="there is no beta"):
        mf.Flow(eq, loss, parameters={"beta": 0.9})
    with pytest.raises(mf.ModflowError, match="a modified equation is needed"):
        mf.Flow(mf.HeavyBall(0.5), loss)


@pytest.mark.parametrize("dtype", [jnp.float16, jnp.bfloat16, jnp.float32, jnp.int32])
def test_the_field_is_like_its_point(dtype):
    flow = mf.Flow(mf.modified_equation(mf.HeavyBall(0.5), 4), loss)
    point = jnp.array([1, -2, 1], dtype)
    field = flow(3, point, 0.01)
    assert field.dtype == (jnp.float64 if dtype == jnp.int32 else dtype)
    want = flow(3, point.astype(float), 0.01)
    np.testing.assert_allclose(field.astype(float), want, rtol=1e-2)


@pytest.mark.parametrize("beta", [0.9, 0.999])
def test_modified_losses_are_accurate_with_a_traced_step(beta):
    # In float32, β^k of a traced k would cancel to nothing beside 1/(1-β)^3.
    eq = mf.modified_equation(mf.HeavyBall(), 2)
    x = np.array([0.5, -0.5, 0.25], np.float32)
    with jax.enable_x64(False):
        value = modified_loss_function(eq.modified_loss(), loss, beta=beta)
        gradient = jax.jit(jax.grad(value, argnums=1))(3, x, 1e-3)
        want = mf.Flow(eq, loss, parameters={"beta": beta})(3, x, 1e-3)
    np.testing.assert_allclose(-gradient, want, rtol=1e-5)


def test_modified_losses_check_their_symbols():
    modified = mf.modified_equation(mf.HeavyBall(), 2).modified_loss()
    with pytest.raises(mf.ModflowError, match="needed for beta"):
        modified_loss_function(modified, loss)
    for wrong in ({"k": 7}, {"gamma": 1}):
        with pytest.raises(mf.ModflowError, match="unknown symbol"):
            modified_loss_function(modified, loss, beta=0.5, **wrong)
    with pytest.raises(mf.ModflowError, match="whole number"):
        modified_loss_function(modified, loss, beta=0.5)(-1, POINT, 0.1)


@pytest.mark.parametrize("beta", [1e-200, 5e-324, 1 - 2.0**-53])
def test_extreme_momenta_have_exact_tables(beta):
    eq = mf.modified_equation(mf.HeavyBall(beta), 4)
    table = coefficient_table(eq, 5)
    for j, tree in enumerate(table.trees):
        exact = [eq.element(tree).at(k).value({}) / tree.symmetry for k in range(len(table.values))]
        np.testing.assert_allclose(
            table.values[:, j], [float(b) for b in exact], rtol=1e-15, atol=1e-300
        )
