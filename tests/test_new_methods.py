"""Damped, quasi-hyperbolic and aggregated momentum, two-step and Runge–Kutta methods, adjoints and
compositions: the conventions of their papers and libraries, known results, kauri, bad input.
"""

from __future__ import annotations

import json
import random
from fractions import Fraction
from itertools import product

import jax
import jax.numpy as jnp
import kauri
import numpy as np
import optax
import pytest
import scipy.optimize
import sympy

import modflow as mf
from modflow.derivation import step_maps
from modflow.errors import ModflowError, NotAGradient, UnknownNameError
from modflow.integrate import iterates as compiled_iterates
from modflow.methods import (
    METHODS,
    Adjoint,
    AggregatedMomentum,
    Composition,
    DampedHeavyBall,
    GradientDescent,
    HeavyBall,
    LinearTwoStep,
    Nesterov,
    QuasiHyperbolicMomentum,
    RungeKutta,
    method_named,
    tableau,
)
from modflow.modified import modified_equation
from modflow.series import Tree, trees, trees_up_to

Q = Fraction
HALF, THIRD, HIGH = Q(1, 2), Q(1, 3), Q(9, 10)
BETAS = [HALF, THIRD, HIGH]
BETA, D, NU = sympy.symbols("beta d nu")
EULER = GradientDescent()

# -- 1. iterates by the pseudo-code of papers and libraries, in exact arithmetic ------------------

ORIGIN = np.array([Q(1, 2), Q(-2, 3)])
SIZE, STEPS = Q(1, 7), 6


def gradient(x):
    """Of a cubic loss without symmetries; Fractions stay Fractions."""
    a, b = x
    return np.array([a * a - a * b / 3 + b / 2, -a * a / 6 + 2 * b * b + a / 2 - 1])


def iterates(method, steps=STEPS, h=SIZE):
    x, points = ORIGIN, [ORIGIN]
    memory = method.begin(lambda y: -gradient(y), h, x)
    for _ in range(steps):
        x, memory = method.step(lambda y: -gradient(y), h, x, memory)
        points.append(x)
    return points


def same(ours, theirs):
    return all((a == b).all() for a, b in zip(ours, theirs, strict=True))


def pytorch_sgd(lr, momentum, dampening, nesterov, steps=STEPS):
    """The algorithm in the documentation of torch.optim.SGD, line by line."""
    theta, buffer, points = ORIGIN, None, [ORIGIN]
    for t in range(1, steps + 1):
        g = gradient(theta)
        if momentum != 0:
            buffer = momentum * buffer + (1 - dampening) * g if t > 1 else g
            g = g + momentum * buffer if nesterov else buffer
        theta = theta - lr * g
        points.append(theta)
    return points


@pytest.mark.parametrize("beta", BETAS)
@pytest.mark.parametrize("dampening", [0, HALF, THIRD, HIGH])
def test_the_damped_heavy_ball_is_that_of_pytorch(beta, dampening):
    theirs = pytorch_sgd(SIZE, beta, dampening, nesterov=False)
    assert same(iterates(DampedHeavyBall(beta, dampening)), theirs)
    if dampening:
        assert not same(iterates(HeavyBall(beta)), theirs)


@pytest.mark.parametrize("beta", [0, *BETAS])
def test_pytorch_without_dampening(beta):
    assert same(iterates(HeavyBall(beta)), pytorch_sgd(SIZE, beta, 0, nesterov=False))
    assert same(iterates(DampedHeavyBall(beta, 0)), pytorch_sgd(SIZE, beta, 0, nesterov=False))
    assert same(iterates(Nesterov(beta)), pytorch_sgd(SIZE, beta, 0, nesterov=True))


def test_without_momentum_pytorch_has_no_dampening_and_this_is_the_limit_instead():
    undamped = iterates(DampedHeavyBall(0, 0))
    assert same(undamped, pytorch_sgd(SIZE, 0, HALF, nesterov=False))
    ours = iterates(DampedHeavyBall(0, HALF))
    assert same(ours[:2], undamped[:2])
    assert not same(ours, undamped)
    near = iterates(DampedHeavyBall(Q(1, 10**9), HALF))
    assert (
        max(
            abs(float(a - b))
            for x, y in zip(ours, near, strict=True)
            for a, b in zip(x, y, strict=True)
        )
        < 1e-6
    )


@pytest.mark.parametrize("beta", [0, *BETAS])
@pytest.mark.parametrize("nu", [0, Q(7, 10), 1])
def test_quasi_hyperbolic_momentum_is_algorithm_1_of_its_paper(beta, nu):
    theta, g, theirs = ORIGIN, 0 * ORIGIN, [ORIGIN]
    for _ in range(STEPS):
        slope = gradient(theta)
        g = beta * g + (1 - beta) * slope
        theta = theta - SIZE * ((1 - nu) * slope + nu * g)
        theirs.append(theta)
    assert same(iterates(QuasiHyperbolicMomentum(beta, nu)), theirs)


@pytest.mark.parametrize("betas", [(0, HALF, HIGH), (HALF,), (THIRD, THIRD)])
def test_aggregated_momentum_is_that_of_its_paper(betas):
    theta, theirs = ORIGIN, [ORIGIN]
    velocities = [0 * ORIGIN for _ in betas]
    for _ in range(STEPS):
        slope = gradient(theta)
        velocities = [b * v - slope for b, v in zip(betas, velocities, strict=True)]
        theta = theta + SIZE / len(betas) * sum(velocities)
        theirs.append(theta)
    assert same(iterates(AggregatedMomentum(betas)), theirs)


@pytest.mark.parametrize("beta", [0, *BETAS])
def test_iterates_of_special_cases(beta):
    ball = iterates(HeavyBall(beta))
    assert same(iterates(AggregatedMomentum((beta,))), ball)
    assert same(iterates(AggregatedMomentum((beta,) * 3)), ball)
    assert same(iterates(LinearTwoStep(beta, 1)), ball)
    smaller = iterates(HeavyBall(beta), h=(1 - beta) * SIZE)
    assert same(iterates(QuasiHyperbolicMomentum(beta, 1)), smaller)
    extrapolated = iterates(Nesterov(beta), h=(1 - beta) * SIZE)
    assert same(iterates(QuasiHyperbolicMomentum(beta, beta)), extrapolated)
    assert same(iterates(QuasiHyperbolicMomentum(beta, 0)), iterates(EULER))


def test_explicit_two_step_methods_are_those_of_textbooks():
    def follow(rule):
        points = [ORIGIN, ORIGIN]
        for _ in range(STEPS):
            points.append(rule(points[-1], points[-2]))
        return points[1:]

    def bashforth(x, before):
        return x - SIZE * (3 * gradient(x) - gradient(before)) / 2

    def nesterov(x, before):
        # y^k + h f(y^k) = z^{k+1}: all by the y's, the first gradient being that at y^0, twice.
        z, z_before = x - SIZE * gradient(x), before - SIZE * gradient(before)
        return z + HALF * (z - z_before)

    def leapfrog(x, before):
        return before - 2 * SIZE * gradient(x)

    assert same(iterates(LinearTwoStep(0, Q(3, 2), -HALF)), follow(bashforth))
    assert same(iterates(LinearTwoStep(HALF, Q(3, 2), -HALF)), follow(nesterov))
    assert same(iterates(LinearTwoStep(-1, 2)), follow(leapfrog))
    # Libraries begin from a buffer of 0 instead, and the two differ from the first step on.
    assert not same(iterates(LinearTwoStep(HALF, Q(3, 2), -HALF))[:2], iterates(Nesterov(HALF))[:2])


def test_compositions_run_one_method_after_the_other():
    def f(y):
        return -gradient(y)

    method = Composition((HeavyBall(HALF), DampedHeavyBall(THIRD, HALF)), (Q(1, 4), 2))
    x, v, m, theirs = ORIGIN, 0 * ORIGIN, None, [ORIGIN]
    # Both memories are made at x^0; PyTorch's buffer is then β·buffer + (1-d)·g with b¹ = f(x^0).
    carried = HALF * f(ORIGIN)
    for _ in range(4):
        v = HALF * v + SIZE / 4 * f(x)
        x = x + v
        m = carried + HALF * f(x)
        x = x + 2 * SIZE * m
        carried = THIRD * m
        theirs.append(x)
    assert same(iterates(method, 4), theirs)


OPTAX = [
    (AggregatedMomentum((0.9,)), lambda h: optax.sgd(h, momentum=0.9)),
    (AggregatedMomentum((0.8, 0.8)), lambda h: optax.sgd(h, momentum=0.8)),
    (LinearTwoStep(0.7, 1), lambda h: optax.chain(optax.trace(0.7), optax.scale(-h))),
    (DampedHeavyBall(0.9, 0), lambda h: optax.chain(optax.trace(0.9), optax.scale(-h))),
    (
        QuasiHyperbolicMomentum(0.9, 1),
        lambda h: optax.chain(optax.ema(0.9, debias=False), optax.scale(-h)),
    ),
    (
        QuasiHyperbolicMomentum(0.8, 0.8),
        lambda h: optax.sgd((1 - 0.8) * h, momentum=0.8, nesterov=True),
    ),
    (
        QuasiHyperbolicMomentum(0.8, 0.8),
        lambda h: optax.chain(optax.trace(0.8, nesterov=True), optax.scale(-h * (1 - 0.8))),
    ),
]


OPTAX_IDS = ["sgd", "sgd, twice", "trace", "trace, d = 0", "ema", "nesterov", "nesterov trace"]


@pytest.mark.parametrize(("method", "make"), OPTAX, ids=OPTAX_IDS)
def test_iterates_are_those_of_optax(method, make):
    h, steps = 0.1, 40

    def loss(x):
        return jnp.sum(jnp.cosh(x)) + 0.2 * x[0] * x[1] ** 2

    start = np.array([0.7, -0.9])
    with jax.enable_x64(True):
        optimizer, slope = make(h), jax.jit(jax.grad(loss))
        x = jnp.asarray(start)
        state, theirs = optimizer.init(x), [x]
        for _ in range(steps):
            updates, state = optimizer.update(slope(x), state)
            x = optax.apply_updates(x, updates)
            theirs.append(x)
        ours = compiled_iterates(method, loss, start, h, steps)
        np.testing.assert_allclose(ours, np.array(theirs), rtol=0, atol=5e-15 * steps)


# -- 2. implicit steps on numbers -----------------------------------------------------------------

HESSIAN = np.array([[2.0, 0.5, 0.0], [0.5, 1.0, -0.3], [0.0, -0.3, 0.7]])
IMPLICIT = [
    tableau("implicit-euler"),
    tableau("implicit-midpoint"),
    tableau("trapezoidal"),
    tableau("radau-iia"),
    RungeKutta(((Q(1, 4), 0, 0), (1, Q(-1, 3), 0), (HALF, 0, Q(1, 5))), (HALF, Q(1, 4), Q(1, 4))),
]


def one_step(method, f, h, x):
    rule = method.numeric()
    return rule.step(f, h, x, rule.begin(f, h, x))[0]


@pytest.mark.parametrize("method", IMPLICIT, ids=str)
def test_implicit_stages_solve_their_equations(method):
    A = np.array(method.A, dtype=float)
    b = np.array(method.b, dtype=float)
    x, h, n = np.array([1.0, -2.0, 0.5]), 0.2, len(b)
    # Linear: the stages by one linear system.
    system = np.eye(3 * n) + h * np.kron(A, HESSIAN)
    stages = np.linalg.solve(system, np.tile(x, n)).reshape(n, 3)
    expected = x - h * b @ (stages @ HESSIAN)
    found = one_step(method, lambda y: -HESSIAN @ y, h, x)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-14)

    # Not linear: by SciPy's solver.
    def f(y):
        return -HESSIAN @ y - np.sin(y)

    def residual(flat):
        stages = flat.reshape(n, 3)
        return (stages - x - h * A @ np.array([f(y) for y in stages])).ravel()

    root = scipy.optimize.root(residual, np.tile(x, n), tol=1e-14)
    slopes = np.array([f(y) for y in root.x.reshape(n, 3)])
    assert np.abs(residual(root.x)).max() < 1e-14
    np.testing.assert_allclose(one_step(method, f, h, x), x + h * b @ slopes, rtol=0, atol=1e-13)


def test_bdf2_solves_its_equation_at_every_step():
    # 3/2 x⁺ - 2 x + 1/2 x⁻ = h f(x⁺), from x⁻ = x.
    method, h = LinearTwoStep(THIRD, 0, 0, Q(2, 3)).numeric(), 0.2

    def f(y):
        return -HESSIAN @ y - np.sin(y)

    before = x = np.array([1.0, -2.0, 0.5])
    memory = method.begin(f, h, x)
    for _ in range(5):
        new, memory = method.step(f, h, x, memory)
        np.testing.assert_allclose(1.5 * new - 2 * x + 0.5 * before, h * f(new), atol=3e-15)
        assert np.linalg.norm(new - x) > 1e-3
        before, x = x, new


def test_an_adjoint_goes_back_to_where_it_came_from():
    def f(y):
        return -HESSIAN @ y - np.sin(y)

    x, h = np.array([1.0, -2.0, 0.5]), 0.2
    for method in (EULER, tableau("rk4"), tableau("radau-iia")):
        new = one_step(Adjoint(method), f, h, x)
        np.testing.assert_allclose(one_step(method, f, -h, new), x, rtol=0, atol=1e-14)
        assert np.linalg.norm(new - x) > 0.1


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("method", [*IMPLICIT, Adjoint(EULER)], ids=str)
def test_implicit_steps_in_either_precision(method, dtype):
    def f(y):
        return -np.sin(y) - y / 4

    for seed in range(20):
        x = np.random.default_rng(seed).normal(size=3)
        found = one_step(method, f, 0.3, x.astype(dtype))
        assert found.dtype == dtype
        tolerance = 8 * np.finfo(dtype).eps * np.abs(x).max()
        np.testing.assert_allclose(found, one_step(method, f, 0.3, x), rtol=0, atol=tolerance)


DIVERGING = [
    tableau("implicit-euler"),
    tableau("radau-iia"),
    Adjoint(EULER),
    LinearTwoStep(THIRD, 0, 0, Q(2, 3)),
    Composition((HeavyBall(HALF), tableau("implicit-midpoint")), (HALF, 1)),
]


@pytest.mark.parametrize("method", DIVERGING, ids=str)
@pytest.mark.parametrize("curvature", [6, 100, 1e4, 1e200])
@pytest.mark.filterwarnings("ignore:overflow", "ignore:invalid value")
def test_steps_too_large_for_the_fixed_point_are_refused(method, curvature):
    x = np.array([1.0, -2.0])
    with pytest.raises(ModflowError, match="does not converge: smaller h") as error:
        one_step(method, lambda y: -curvature * y, 0.5, x)
    assert "\n" not in str(error.value)
    assert np.isfinite(one_step(method, lambda y: -curvature * y, 0.2 / curvature, x)).all()


def test_an_iteration_that_runs_in_a_circle_is_refused():
    # y = x - 50 tanh(y) jumps from one side of 0 to the other.
    x = np.array([1.0, -2.0])
    with pytest.raises(ModflowError, match="does not converge: smaller h"):
        one_step(tableau("implicit-euler"), lambda y: -100 * np.tanh(y), 0.5, x)


@pytest.mark.parametrize("method", DIVERGING, ids=str)
def test_compiled_steps_too_large_are_nan(method):
    start = np.array([1.0, -2.0])
    with jax.enable_x64(True):
        for curvature in (6, 100, 1e4):

            def loss(x, c=curvature):
                return c / 2 * jnp.sum(x * x)

            points = compiled_iterates(method, loss, start, 0.5, 3)
            assert (points[0] == start).all()
            assert np.isnan(points[1:]).all()
            assert np.isfinite(compiled_iterates(method, loss, start, 0.2 / curvature, 3)).all()


def test_a_study_says_that_too_large_steps_diverge():
    problem = mf.Problem(lambda x: 20 * jnp.sum(jnp.log(jnp.cosh(x))), np.array([1.0, -2.0]))
    sizes = [2.0**-j for j in (2, 7, 8, 9)]
    study = mf.convergence_study(tableau("implicit-euler"), problem, 1, sizes, T=0.25)
    assert "iterates diverge at step 1" in study.excluded[0.25]
    assert np.isnan(study.errors[0])
    assert study.errors[-1] > 0


# -- 3. equal methods have equal modified equations, symbolically ---------------------------------


def agree(eq, other, factor=1):
    """Whether b_k(τ) = factor^|τ| · the other's, identically in k and the parameters."""
    return all(
        eq.residual(tree, factor**tree.order * other.coefficients[tree]) == 0
        for tree in trees_up_to(eq.order)
    )


def test_special_cases_have_the_same_modified_equations():
    ball, nesterov, euler = (
        modified_equation(m, 4) for m in (HeavyBall(), Nesterov(), GradientDescent())
    )
    assert agree(modified_equation(AggregatedMomentum((BETA,)), 4), ball)
    assert agree(modified_equation(AggregatedMomentum((BETA,) * 3), 4), ball)
    assert agree(modified_equation(LinearTwoStep(BETA, 1), 4), ball)
    assert agree(modified_equation(DampedHeavyBall(BETA, 0), 4), ball)
    assert agree(modified_equation(QuasiHyperbolicMomentum(BETA, 1), 4), ball, 1 - BETA)
    assert agree(modified_equation(QuasiHyperbolicMomentum(BETA, BETA), 4), nesterov, 1 - BETA)
    assert agree(modified_equation(QuasiHyperbolicMomentum(BETA, 0), 4), euler)
    assert agree(modified_equation(LinearTwoStep(0, 1), 4), euler)
    assert agree(modified_equation(Composition((HeavyBall(),)), 4), ball)
    assert agree(modified_equation(Composition((HeavyBall(),), (NU,)), 4), ball, NU)
    assert not agree(modified_equation(QuasiHyperbolicMomentum(BETA, BETA), 4), ball, 1 - BETA)
    assert not agree(modified_equation(DampedHeavyBall(BETA, BETA), 2), ball, 1 - BETA)


def limits_agree(a, b, factor=1, order=4):
    one, other = modified_equation(a, order).limit, modified_equation(b, order).limit
    return all(sympy.simplify(one[t] - factor**t.order * other[t]) == 0 for t in one)


def test_only_beginnings_differ():
    # The dampening scales f, and how the memory begins is forgotten.
    assert limits_agree(DampedHeavyBall(BETA, D), HeavyBall(), 1 - D)
    assert limits_agree(DampedHeavyBall(BETA, BETA), QuasiHyperbolicMomentum(BETA, 1))
    assert limits_agree(LinearTwoStep(BETA, 1 + BETA, -BETA), Nesterov())
    for a, b in (
        (DampedHeavyBall(BETA, BETA), QuasiHyperbolicMomentum(BETA, 1)),
        (LinearTwoStep(BETA, 1 + BETA, -BETA), Nesterov()),
    ):
        first, second = (modified_equation(m, 2).coefficients[Tree()] for m in (a, b))
        assert sympy.simplify(first - second) != 0


def test_the_drift_of_each_method():
    # By summing the weights with which step k counts each gradient so far, f being constant.
    k = 7

    def drift(method):
        return modified_equation(method, 1).at(k)[Tree()]

    def weights(beta):
        return sum(beta**i for i in range(k + 1))

    assert drift(QuasiHyperbolicMomentum(HIGH, 1)) == 1 - sympy.Rational(9, 10) ** (k + 1)
    assert drift(DampedHeavyBall(BETA, BETA)) - 1 == 0  # an average with weights that sum to 1
    assert drift(DampedHeavyBall(HIGH, THIRD)) == sympy.sympify(
        Q(2, 3) * weights(HIGH) + THIRD * HIGH**k
    )
    mean = (weights(Q(0)) + weights(HALF) + weights(HIGH)) / 3
    assert drift(AggregatedMomentum((0, HALF, HIGH))) == sympy.sympify(mean)
    assert drift(LinearTwoStep(HALF, 1, THIRD, 2)) == sympy.sympify((1 + THIRD + 2) * weights(HALF))


def test_aggregating_with_gradient_descent_is_quasi_hyperbolic():
    # h (g + v)/2 = h' ((1-ν) g + ν (1-β) v) for ν = 1/(2-β), h' = h (2-β) / (2 (1-β)).
    aggregated = modified_equation(AggregatedMomentum((0, BETA)), 4)
    other = modified_equation(QuasiHyperbolicMomentum(BETA, 1 / (2 - BETA)), 4)
    assert agree(aggregated, other, (2 - BETA) / (2 * (1 - BETA)))


# -- 4. Runge–Kutta methods, by kauri -------------------------------------------------------------


def random_tableau(seed, stages, kind):
    rng = random.Random(seed)

    def number():
        return Q(rng.choice((-1, 1)) * rng.randint(1, 6), rng.randint(1, 5))

    width = {"explicit": 0, "diagonal": 1, "full": stages}[kind]
    A = [[number() if j < i + width else Q(0) for j in range(stages)] for i in range(stages)]
    return RungeKutta(A, [number() for _ in range(stages)])


def kauri_tree(tree):
    def nested(t):
        return [nested(child) for child in t.children]

    return kauri.Tree(nested(tree))


def kauri_method(method):
    return kauri.RK([list(row) for row in method.A], list(method.b))


def kauri_logarithm(weights):
    # φ * e^-1 in the substitution bialgebra, with exact 1/γ for kauri's floats.
    exact = kauri.Map(lambda t: Fraction(1, t.factorial()))
    return weights ^ (exact & kauri.cem.antipode)


@pytest.mark.parametrize("kind", ["explicit", "diagonal", "full"])
@pytest.mark.parametrize("seed", [0, 1])
def test_runge_kutta_methods_agree_with_kauri(seed, kind):
    method = random_tableau(seed, 2 + seed, kind)
    weights = kauri_method(method).elementary_weights_map()
    logarithm = kauri_logarithm(weights)
    eq, step = modified_equation(method, 6), step_maps(method, 6, 1)[0]
    for tree in trees_up_to(6):
        other = kauri_tree(tree)
        assert eq.ring(step[tree]) == weights(other), tree
        assert eq.element(tree) == logarithm(other), tree


@pytest.mark.parametrize("name", ["kutta3", "rk4", "trapezoidal", "radau-iia"])
def test_tableaux_agree_with_kauri(name):
    eq = modified_equation(tableau(name), 5)
    logarithm = kauri_logarithm(kauri_method(tableau(name)).elementary_weights_map())
    assert all(eq.element(t) == logarithm(kauri_tree(t)) for t in trees_up_to(5))


@pytest.mark.parametrize("kind", ["explicit", "full"])
def test_adjoints_agree_with_the_adjoint_tableaux(kind):
    # Of order 5; kauri reverses the tableau, a*_ij = b_(s+1-j) - a_(s+1-i)(s+1-j).
    method = random_tableau(9, 2, kind)
    weights = kauri_method(method).adjoint().elementary_weights_map()
    step = step_maps(Adjoint(method), 5, 1)[0]
    ring = modified_equation(EULER, 1).ring
    assert all(ring(step[t]) == weights(kauri_tree(t)) for t in trees_up_to(5))


@pytest.mark.parametrize("seed", range(3))
def test_compositions_have_the_composed_tableau(seed):
    # Stages of the second method start where the first one, run with c1 h, has ended.
    kinds = ["explicit", "diagonal", "full"]
    first, second = random_tableau(seed, 2, kinds[seed]), random_tableau(seed + 9, 2, kinds[-seed])
    c1, c2 = Q(2, 5), Q(-3, 4)
    upper = [[c1 * a for a in row] + [0, 0] for row in first.A]
    lower = [[c1 * b for b in first.b] + [c2 * a for a in row] for row in second.A]
    whole = RungeKutta(upper + lower, [*(c1 * b for b in first.b), *(c2 * b for b in second.b)])
    parts = modified_equation(Composition((first, second), (c1, c2)), 5)
    assert parts.coefficients == modified_equation(whole, 5).coefficients
    turned = modified_equation(Composition((second, first), (c2, c1)), 5)
    assert parts.coefficients != turned.coefficients


# -- 5. known results -----------------------------------------------------------------------------


def vanishing(method, order=6):
    """The orders at which b is zero on all trees."""
    limit = modified_equation(method, order).limit
    return [n for n in range(1, order + 1) if all(limit[t] == 0 for t in trees(n))]


def halves(first, second):
    return Composition((first, second), (HALF, HALF))


SYMMETRIC = [
    tableau("implicit-midpoint"),
    tableau("trapezoidal"),
    halves(EULER, Adjoint(EULER)),
    halves(Adjoint(EULER), EULER),
    halves(tableau("heun"), Adjoint(tableau("heun"))),
    halves(Adjoint(random_tableau(2, 2, "full")), random_tableau(2, 2, "full")),
    Composition([tableau("implicit-midpoint")] * 3, [THIRD, Q(-2, 7), THIRD]),
]


@pytest.mark.parametrize("method", SYMMETRIC, ids=str)
def test_symmetric_methods_have_no_even_orders(method):
    # HLW, Theorem IX.2.2.
    assert set(vanishing(method)) >= {2, 4, 6}
    assert not {3, 5} & set(vanishing(method))


def test_halves_of_euler_and_its_adjoint_are_known_methods():
    # HLW II.3 and VI.
    pairs = {
        "trapezoidal": halves(EULER, Adjoint(EULER)),
        "implicit-midpoint": halves(Adjoint(EULER), EULER),
    }
    for name, method in pairs.items():
        known = modified_equation(tableau(name), 6)
        assert modified_equation(method, 6).coefficients == known.coefficients
    implicit = modified_equation(tableau("implicit-euler"), 6)
    assert modified_equation(Adjoint(EULER), 6).coefficients == implicit.coefficients
    backward = modified_equation(Adjoint(tableau("implicit-euler")), 6)
    assert backward.coefficients == modified_equation(EULER, 6).coefficients


@pytest.mark.parametrize(
    "method",
    [EULER, tableau("kutta3"), tableau("radau-iia"), random_tableau(4, 3, "full")],
    ids=str,
)
def test_adjoints_change_the_sign_of_even_orders(method):
    # HLW, Theorem IX.2.1: f*_j = (-1)^(j+1) f_j.
    b, adjoint = (modified_equation(m, 5).limit for m in (method, Adjoint(method)))
    assert adjoint == {t: (-1) ** (t.order + 1) * value for t, value in b.items()}
    assert modified_equation(Adjoint(Adjoint(method)), 5).limit == b


@pytest.mark.parametrize(
    ("method", "order"),
    [
        (EULER, 1),
        (tableau("implicit-euler"), 1),
        (tableau("explicit-midpoint"), 2),
        (tableau("heun"), 2),
        (tableau("implicit-midpoint"), 2),
        (tableau("trapezoidal"), 2),
        (tableau("kutta3"), 3),
        (tableau("radau-iia"), 3),
        (tableau("rk4"), 4),
        (LinearTwoStep(0, Q(3, 2), -HALF), 2),
        (LinearTwoStep(THIRD, 0, 0, Q(2, 3)), 2),
        # Adams-Moulton of order three.
        (LinearTwoStep(0, Q(2, 3), -Q(1, 12), Q(5, 12)), 3),
    ],
    ids=str,
)
def test_orders(method, order):
    limit = modified_equation(method, 5).limit
    assert limit[Tree()] == 1
    assert not any(limit[t] for n in range(2, order + 1) for t in trees(n))
    assert any(limit[t] for t in trees(order + 1))


def hamiltonian(method, order):
    """Whether b(u∘v) + b(v∘u) = 0 for all u and v: HLW, Theorem IX.9.10."""
    limit = modified_equation(method, order).limit

    def product_of(u, v):
        return Tree([*u.children, v])

    return all(
        limit[product_of(u, v)] + limit[product_of(v, u)] == 0
        for u, v in product(trees_up_to(order - 1), repeat=2)
        if u.order + v.order <= order
    )


def symplectic_tableau(seed, stages):
    """b_i a_ij + b_j a_ji = b_i b_j: HLW, Theorem VI.4.3."""
    rng = random.Random(seed)
    b = [Q(rng.choice((-1, 1)) * rng.randint(1, 5), rng.randint(1, 4)) for _ in range(stages)]
    skew = [[Q(rng.randint(-3, 3), 2) for _ in range(stages)] for _ in range(stages)]
    A = [
        [b[j] / 2 + (skew[i][j] - skew[j][i]) / b[i] for j in range(stages)] for i in range(stages)
    ]
    return RungeKutta(A, b)


def test_symplectic_methods_have_modified_hamiltonians():
    midpoint = tableau("implicit-midpoint")
    for method in (
        midpoint,
        Composition((midpoint, midpoint), (Q(1, 4), 2)),
        symplectic_tableau(1, 2),
        symplectic_tableau(2, 3),
    ):
        assert hamiltonian(method, 6)
    others = ("trapezoidal", "heun", "rk4", "radau-iia", "implicit-euler")
    for method in (*map(tableau, others), random_tableau(1, 2, "full")):
        assert not hamiltonian(method, 6)


def test_the_loss_that_the_midpoint_rule_has_not():
    # Its b changes sign between rootings where that of a gradient keeps it.
    with pytest.raises(NotAGradient, match=r"from h\^2 on") as error:
        modified_equation(tableau("implicit-midpoint"), 3).modified_loss()
    assert [t.order for t in error.value.pair] == [3, 3]
    # Implicit Euler regularizes with the other sign: HLW IX.2 and Euler's -1/2 f'f.
    loss = modified_equation(tableau("implicit-euler"), 2).modified_loss()
    assert list(loss.coefficients.values()) == [1, -sympy.Rational(1, 4)]


def test_the_midpoint_rule_on_y_squared():
    # x' = x + h ((x + x')/2)² is solved by the formula for quadratics. The flow of the modified
    # field, Σ c_n h^(n-1) x^(n+1), by its Lie series at x = 1.
    eq = modified_equation(tableau("implicit-midpoint"), 5)
    derivatives = {0: 1, 1: 2, 2: 2}

    def differential(tree):
        value = derivatives.get(len(tree.children), 0)
        for child in tree.children:
            value *= differential(child)
        return value

    weights = [
        sum(eq.limit[t] * differential(t) / t.symmetry for t in trees(n)) for n in range(1, 6)
    ]
    x, h = sympy.symbols("x h")
    field = sum(c * h**n * x ** (n + 1) for n, c in enumerate(weights, start=1))
    term, flow = x, x
    for j in range(1, 6):
        term = sympy.expand(field * term.diff(x) / j)
        flow += term
    found = sympy.series(sympy.expand(flow.subs(x, 1)), h, 0, 6).removeO()
    step = (2 - h - 2 * sympy.sqrt(1 - 2 * h)) / h
    expected = sympy.series(step, h, 0, 6).removeO()
    assert sympy.expand(found - expected) == 0


# -- 6. parameters that are tuples and methods ----------------------------------------------------

NESTED = Composition((HeavyBall(0.5), tableau("heun"), AggregatedMomentum((0, HIGH))), (1, 2, 0.25))


def test_leaves_are_named_by_paths():
    leaves = NESTED.leaves
    assert leaves["methods[0].beta"] == 0.5
    assert leaves["methods[1].A[1][0]"] == 1
    assert leaves["methods[2].betas[1]"] == HIGH
    assert leaves["fractions[2]"] == 0.25
    assert len(leaves) == 1 + (4 + 2) + 2 + 3
    assert "title" not in NESTED.methods[1].leaves
    assert Adjoint(tableau("implicit-euler")).leaves == {"method.A[0][0]": 1, "method.b[0]": 1}


def test_mapping_and_replacing_leaves():
    assert NESTED.map(lambda v: v) == NESTED
    assert NESTED.with_leaves({}) == NESTED
    changed = NESTED.with_leaves({"methods[0].beta": BETA, "fractions[1]": Q(1, 5)})
    assert changed.methods[0] == HeavyBall()
    assert changed.fractions == (1, Q(1, 5), 0.25)
    assert changed.methods[1:] == NESTED.methods[1:]
    assert changed.methods[1].label == "heun"
    assert NESTED.methods[0] == HeavyBall(0.5)
    with pytest.raises(ModflowError, match="out of range"):
        NESTED.with_leaves({"methods[2].betas[0]": 1})
    seen = []
    NESTED.map(lambda v: seen.append(v) or v)
    assert seen == list(NESTED.leaves.values())


def test_exact_and_numeric_reach_inside():
    exact = NESTED.exact()
    assert exact.methods[0].beta == HALF
    assert exact.fractions == (1, 2, Q(1, 4))
    assert NESTED.is_inexact
    assert not exact.is_inexact
    numeric = exact.numeric()
    assert all(type(v) is float for v in numeric.leaves.values())
    assert numeric.leaves == {path: float(v) for path, v in NESTED.leaves.items()}
    assert Adjoint(RungeKutta(((0.5,),), (1,))).is_inexact
    assert not Adjoint(tableau("radau-iia")).is_inexact
    for symbolic, path in (
        (Composition((EULER, HeavyBall())), r"methods\[1\].beta"),
        (AggregatedMomentum((0, BETA)), r"betas\[1\]"),
        (Composition((EULER,), (NU,)), r"fractions\[0\]"),
        (RungeKutta(((NU,),), (1,)), r"A\[0\]\[0\]"),
    ):
        with pytest.raises(ModflowError, match=f"needs a number for {path}"):
            symbolic.numeric()


def test_floats_inside_stand_for_their_decimals():
    given, exact = (modified_equation(m, 3) for m in (NESTED, NESTED.exact()))
    for tree in trees_up_to(3):
        assert given.element(tree) == given.ring(exact.element(tree).to_sympy())
        assert float(given.at(3)[tree]) == pytest.approx(float(exact.at(3)[tree]), rel=1e-14)
    assert given.limit[Tree([Tree()])].has(sympy.Float)
    assert not exact.limit[Tree([Tree()])].has(sympy.Float)


@pytest.mark.parametrize(
    ("method", "text"),
    [
        (DampedHeavyBall(0.9, BETA), "damped-heavy-ball (beta = 0.9)"),
        (AggregatedMomentum((0, 0.9)), "aggregated-momentum (betas = (0, 0.9))"),
        (tableau("rk4"), "rk4"),
        (Adjoint(tableau("heun")), "adjoint of heun"),
        (
            Composition((HeavyBall(HALF), EULER)),
            "heavy-ball (beta = 1/2), then gradient-descent",
        ),
        (
            Composition((HeavyBall(), EULER), (THIRD, 2)),
            "heavy-ball with 1/3 h, then gradient-descent with 2 h",
        ),
        (RungeKutta(((0,),), (1,)), "runge-kutta (A = ((0)), b = (1))"),
    ],
)
def test_as_text(method, text):
    assert str(method) == text


def test_as_json():
    document = json.loads(modified_equation(NESTED, 1).to_json())["parameters"]
    first, second, third = document["methods"]
    assert first == {"method": "heavy-ball", "parameters": {"beta": "0.5"}}
    assert second["method"] == "heun"
    assert second["parameters"] == {"A": [["0", "0"], ["1", "0"]], "b": ["1/2", "1/2"]}
    assert third["parameters"] == {"betas": ["0", "9/10"]}
    assert document["fractions"] == ["1", "2", "0.25"]
    assert Adjoint(EULER).plain(str) == {"method": {"method": "gradient-descent", "parameters": {}}}


def test_lists_are_tuples_so_that_methods_can_be_keys():
    pairs = [
        (AggregatedMomentum([0, 0.9]), AggregatedMomentum((0, 0.9))),
        (RungeKutta([[0, 0], [1, 0]], [0, 1]), RungeKutta(((0, 0), (1, 0)), (0, 1))),
        (Composition([EULER, HeavyBall()], [1, 2]), Composition((EULER, HeavyBall()), (1, 2))),
        (Composition([EULER, EULER]), Composition((EULER, EULER), (1, 1))),
        (Adjoint(RungeKutta([[1]], [1])), Adjoint(RungeKutta(((1,),), (1,)))),
    ]
    for a, b in pairs:
        assert a == b
        assert {a: 1}[b] == 1


def test_all_by_name():
    assert method_named("aggmo", {"betas": [0, 0.9]}) == AggregatedMomentum((0, 0.9))
    assert method_named("qhm", {"nu": 1}) == QuasiHyperbolicMomentum(nu=1)
    assert method_named("two-step", {"a": THIRD}).a == THIRD
    assert method_named("proximal-point") == tableau("implicit-euler")
    assert method_named("radau-iia").A == ((Q(5, 12), Q(-1, 12)), (Q(3, 4), Q(1, 4)))
    for name in METHODS:
        method = method_named(name)
        assert method.label == name
        assert modified_equation(method, 2).order == 2


HB = HeavyBall(HALF)

REFUSED = {
    "betas a number": (lambda: AggregatedMomentum(0.9), "tuple of decay rates"),
    "no betas": (lambda: AggregatedMomentum(()), "tuple of decay rates"),
    "betas a string": (lambda: AggregatedMomentum("0.9"), "betas must be"),
    "a beta of 1": (lambda: AggregatedMomentum((0, 1)), r"betas\[1\] = 1 is out of range"),
    "a beta below 0": (lambda: AggregatedMomentum((-0.1, 0)), r"betas\[0\] = -0.1 is out of"),
    "a beta None": (lambda: AggregatedMomentum((None, 0)), r"betas\[0\] must be a number"),
    "A not square": (lambda: RungeKutta(((0, 0),), (1,)), "a tableau is a square matrix"),
    "A ragged": (lambda: RungeKutta(((0, 0), (1,)), (1, 0)), "a tableau is a square matrix"),
    "A a number": (lambda: RungeKutta(HALF, 1), "a tableau is a square matrix"),
    "b too short": (lambda: RungeKutta(((0, 0), (1, 0)), (1,)), "as many weights b"),
    "b nested": (lambda: RungeKutta(((0,),), ((1,),)), "a tableau is"),
    "no stages": (lambda: RungeKutta((), ()), "a tableau is a square matrix"),
    "A of strings": (lambda: RungeKutta((("1/2",),), (1,)), r"A\[0\]\[0\] must be a number"),
    "A infinite": (lambda: RungeKutta(((float("inf"),),), (1,)), r"A\[0\]\[0\] = inf"),
    "few fractions": (lambda: Composition((HB, HB), (1,)), "2 methods but 1 fractions"),
    "many fractions": (lambda: Composition((HB,), (1, 2)), "1 methods but 2 fractions"),
    "fractions a number": (lambda: Composition((HB,), 1), "fractions must be a tuple"),
    "fractions strings": (lambda: Composition((HB,), ("1",)), r"fractions\[0\] must be a number"),
    "fractions methods": (lambda: Composition((HB,), (HB,)), "fraction"),
    "nothing composed": (lambda: Composition(()), "a composition needs methods"),
    "one method": (lambda: Composition(HB), "a composition needs methods"),
    "a class": (lambda: Composition((HeavyBall,)), "is made of methods"),
    "adjoint of a name": (lambda: Adjoint("rk4"), "an adjoint needs a method"),
    "nu above 1": (lambda: QuasiHyperbolicMomentum(HALF, 1.1), "needs 0 <= nu <= 1"),
    "nu below 0": (lambda: QuasiHyperbolicMomentum(HALF, -0.1), "needs 0 <= nu <= 1"),
    "beta 1": (lambda: QuasiHyperbolicMomentum(1, 1), "needs 0 <= beta < 1"),
    "beta a string": (lambda: DampedHeavyBall("0.9", 0), "beta must be a number"),
    "beta a tuple": (lambda: DampedHeavyBall((0.9,), 0), "needs a number for beta"),
    "beta a method": (lambda: HeavyBall(HB), "beta"),
    "dampening 1": (lambda: DampedHeavyBall(HALF, 1), "needs 0 <= dampening < 1"),
    "a = 1": (lambda: LinearTwoStep(1, 1), "needs -1 <= a < 1"),
    "b2 infinite": (lambda: LinearTwoStep(0, 1, 0, float("inf")), "b2 = inf"),
    "b0 None": (lambda: LinearTwoStep(0, 1, None), "b0 must be a number"),
    "no such tableau": (lambda: tableau("rk5"), "unknown tableau 'rk5': did you mean 'rk4'"),
    "no such parameter": (lambda: tableau("rk4").replace(c=1), "parameter of rk4 'c'"),
    "irrational": (
        lambda: modified_equation(RungeKutta(((sympy.sqrt(3),),), (1,)), 1),
        r"sqrt\(3\) is not in",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_bad_input_is_refused_in_one_line(name):
    make, message = REFUSED[name]
    with pytest.raises(ModflowError, match=message) as error:
        make()
    assert "\n" not in str(error.value)


def test_what_is_at_the_edge_is_allowed():
    for one in (1, 1.0, Q(1), sympy.Integer(1)):
        assert QuasiHyperbolicMomentum(HALF, one).nu == 1
    assert LinearTwoStep(-1, 2).a == -1
    assert AggregatedMomentum((0,)).betas == (0,)
    assert Composition((HB,), (-1,)).fractions == (-1,)
    assert DampedHeavyBall(0, 0).dampening == 0


def test_adjoints_are_of_one_step_methods():
    for method in (HB, Composition((EULER, HB)), LinearTwoStep(0, Q(3, 2), -HALF)):
        with pytest.raises(ModflowError, match="memory"):
            modified_equation(Adjoint(method), 2)
        with pytest.raises(ModflowError, match="memory"):
            Adjoint(method).begin(lambda y: -y, 0.1, np.ones(2))
    with pytest.raises(UnknownNameError):
        method_named("adjoint")


def test_an_adjoint_of_a_composition_is_the_adjoints_in_reverse():
    # (Φ_2 ∘ Φ_1)* = Φ_1* ∘ Φ_2*: HLW II.3.
    first, second = tableau("heun"), random_tableau(3, 2, "full")
    c1, c2 = Q(2, 3), Q(1, 3)
    reverse = Composition((Adjoint(second), Adjoint(first)), (c2, c1))
    whole = Adjoint(Composition((first, second), (c1, c2)))
    assert modified_equation(whole, 4).limit == modified_equation(reverse, 4).limit


# -- 7. studies -----------------------------------------------------------------------------------

STUDIES = [
    (DampedHeavyBall(0.5, 0.5), 2),
    (QuasiHyperbolicMomentum(0.9, 0.7), 2),
    (AggregatedMomentum((0, 0.5, 0.9)), 2),
    (LinearTwoStep(0, 1.5, -0.5), 2),
    (LinearTwoStep(THIRD, 0, 0, Q(2, 3)), 2),
    (tableau("heun"), 2),
    (tableau("implicit-midpoint"), 2),
    (Composition((HeavyBall(0.5), Nesterov(0.8)), (0.4, 0.6)), 2),
    (Adjoint(EULER), 2),
    *(pytest.param(m, 3, marks=pytest.mark.slow) for m in map(tableau, ("heun", "radau-iia"))),
    pytest.param(LinearTwoStep(0, 1.5, -0.5), 3, marks=pytest.mark.slow),
    pytest.param(DampedHeavyBall(0.9, 0.9), 3, marks=pytest.mark.slow),
]


@pytest.mark.parametrize(("method", "order"), STUDIES, ids=str)
def test_flows_follow_the_compiled_iterates(method, order):
    study = mf.convergence_study(method, "two-layer", order)
    assert study.verdict == "pass", study.reason


def test_a_study_notices_another_beginning():
    # The flow of the average that begins at 0, for the one that begins with f(x^0).
    flow = modified_equation(QuasiHyperbolicMomentum(0.5, 1), 2)
    study = mf.convergence_study(DampedHeavyBall(0.5, 0.5), "two-layer", flow=flow)
    assert study.verdict != "pass"
    assert study.observed_order == pytest.approx(1, abs=0.1)
