"""The sharpness: Lanczos' method against dense Hessians, and along iterates."""

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree
from scipy.sparse.linalg import LinearOperator

import modflow as mf
from modflow.curvature import Sharpness, hessian_operator, lanczos, sharpness, sharpness_path
from modflow.integrate import iterates
from modflow.methods import DampedHeavyBall, GradientDescent, HeavyBall
from modflow.problems import Problem, quadratic
from modflow.problems.digits import tanh_network

EPS = np.finfo(float).eps
NETWORK = tanh_network(64, 4)


@cache
def formed(problem):
    """The Hessian as a compiled function."""
    _, unravel = ravel_pytree(problem.start_arrays())
    data = problem.data_arrays()
    return jax.jit(jax.hessian(lambda v: problem.value(unravel(v), data)))


def dense(problem, x=None):
    """The Hessian, formed."""
    with jax.enable_x64(True):
        flat = ravel_pytree(problem.start_arrays())[0] if x is None else jnp.asarray(x)
        return np.asarray(formed(problem)(flat))


@pytest.fixture(scope="module")
def hessian():
    return dense(NETWORK)


def test_eigenvalues_of_a_network_are_those_of_its_hessian(hessian):
    values, vectors = np.linalg.eigh(hessian)
    found = sharpness(NETWORK, count=4)
    # Backward stable on both sides: a few hundred roundings of the norm of the matrix.
    bound = 300 * EPS * np.abs(values).max()
    np.testing.assert_allclose(found.values, values[:-5:-1], rtol=0, atol=bound)
    assert np.all(found.residuals < bound)
    assert float(found) == found.values[0]
    np.testing.assert_allclose(found.vectors.T @ found.vectors, np.eye(4), atol=1e-12)
    assert abs(found.vectors[:, 0] @ vectors[:, -1]) == pytest.approx(1, rel=1e-9)


def test_a_residual_bounds_the_distance_to_an_eigenvalue(hessian):
    values = np.linalg.eigvalsh(hessian)
    for tolerance in (0.3, 0.03, 0.003):
        found = sharpness(NETWORK, count=2, tolerance=tolerance)
        for value, residual in zip(found.values, found.residuals, strict=True):
            assert np.abs(values - value).min() <= residual + 300 * EPS * values[-1]
            assert value <= values[-1] + 300 * EPS * values[-1]


def test_the_operator_is_the_hessian(hessian):
    operator = hessian_operator(NETWORK)
    assert operator.shape == hessian.shape
    v = np.random.default_rng(0).normal(size=(len(hessian), 2))
    np.testing.assert_allclose(operator @ v, hessian @ v, atol=1e-12)
    np.testing.assert_allclose(operator.rmatvec(v[:, 0]), hessian @ v[:, 0], atol=1e-12)
    assert operator.matvec(v[:, 0]).dtype == np.float64


def test_at_another_point_as_a_pytree_and_as_a_vector():
    flat = np.random.default_rng(1).normal(size=NETWORK.dimension) / 3
    with jax.enable_x64(True):
        tree = ravel_pytree(NETWORK.start_arrays())[1](jnp.asarray(flat))
    top = np.linalg.eigvalsh(dense(NETWORK, flat))[-1]
    assert float(sharpness(NETWORK, flat)) == pytest.approx(top, rel=1e-12)
    assert float(sharpness(NETWORK, tree)) == pytest.approx(top, rel=1e-12)
    assert float(sharpness(NETWORK)) != pytest.approx(top, rel=1e-3)


def test_small_problems_are_dense():
    found = sharpness(quadratic(), count=3)
    assert found.values.tolist() == [5, 2, 1]
    assert repr(sharpness(quadratic())) == "Sharpness(5 ± 0)"
    saddle = Problem(lambda x: 0.5 * (2 * x[0] ** 2 - 7 * x[1] ** 2), np.ones(2))
    # The largest value, not the largest modulus.
    assert float(sharpness(saddle)) == pytest.approx(2, rel=1e-14)


def test_many_parameters_and_few():
    # 200 parameters go to Lanczos' method, 20 do not; both have the spectrum 1, ..., n.
    for n in (20, 200):
        problem = Problem(lambda x, w: 0.5 * jnp.sum(w * x**2), np.ones(n), data=np.arange(n) + 1.0)
        found = sharpness(problem, count=2)
        np.testing.assert_allclose(found.values, [n, n - 1], rtol=1e-12)


def test_one_program_serves_other_numbers():
    def loss(x, scale):
        return 0.5 * scale * jnp.sum(x**2)

    for scale in (1.0, 3.0):
        problem = Problem(loss, np.ones(3), data=np.float64(scale))
        assert float(sharpness(problem)) == pytest.approx(scale, rel=1e-14)


def test_the_ends_of_a_spectrum_by_lanczos():
    matrix = np.diag(np.linspace(-5, 3, 60))
    operator = LinearOperator(matrix.shape, matvec=lambda v: matrix @ v, dtype=float)
    found = lanczos(operator, 2, 0.0)
    np.testing.assert_allclose(found.values, np.diag(matrix)[:-3:-1], rtol=1e-12)


@pytest.mark.parametrize("size", [5, 60])
def test_a_hessian_of_zero_and_a_guess_in_the_kernel(size):
    """0 is found where all of it is 0, and not where a guess meets nothing of it."""
    guess = np.eye(size)[0]
    for top in (0.0, 7.0):
        matrix = np.diag(np.linspace(0, top, size))
        operator = LinearOperator(matrix.shape, matvec=lambda v, m=matrix: m @ v, dtype=float)
        for begun in (None, guess):
            found = lanczos(operator, 2, 0.0, begun)
            expected = np.diag(matrix)[:-3:-1]
            np.testing.assert_allclose(found.values, expected, rtol=1e-12)
            np.testing.assert_allclose(found.vectors.T @ found.vectors, np.eye(2), atol=1e-12)


# -- along iterates -----------------------------------------------------------------------------


@pytest.mark.parametrize("method", [HeavyBall(0.9), DampedHeavyBall(0.5, 0.5)])
def test_a_path_is_that_of_the_iterates(method):
    path = sharpness_path(method, NETWORK, 0.2, 30, points=4, tolerance=0.0)
    assert path.steps.tolist() == [0, 10, 20, 30]
    with jax.enable_x64(True):
        data = NETWORK.data_arrays()
        value = jax.jit(lambda p: NETWORK.value(p, data))
        all_x = jax.device_get(iterates(method, value, NETWORK.start_arrays(), 0.2, 30))
        for i, k in enumerate((0, 10, 20, 30)):
            x = jax.tree.map(lambda leaf, k=k: leaf[k], all_x)
            assert path.losses[i] == pytest.approx(float(value(x)), rel=1e-12)
            flat = np.asarray(ravel_pytree(x)[0])
            assert path.values[i] == pytest.approx(np.linalg.eigvalsh(dense(NETWORK, flat))[-1])
    np.testing.assert_allclose(path.final, flat, rtol=1e-9)
    assert path.diverged is None
    assert path.h == 0.2
    assert np.all(path.residuals <= 1e-12)


def test_a_quadratic_has_one_sharpness_and_diverges_above_its_bound():
    below = sharpness_path(HeavyBall(0.5), quadratic(), 0.59, 2000, points=5)
    assert below.values.tolist() == [5] * 5
    assert below.losses[-1] < 1e-12
    above = sharpness_path(HeavyBall(0.5), quadratic(), 0.7, 40000, points=5)
    assert above.diverged == 10000
    assert above.steps.tolist() == [0]
    assert len(above.values) == len(above.losses) == 1


# -- what is refused ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: sharpness(quadratic(), count=0), "has 3 eigenvalues, not 0"),
        (lambda: sharpness(quadratic(), count=4), "has 3 eigenvalues, not 4"),
        (lambda: sharpness(quadratic(), np.ones(2)), "must look like the start of quadratic"),
        (lambda: sharpness(quadratic().loss), "a problem is needed, such as Problem"),
        (lambda: sharpness(NETWORK, {"hidden": 1.0}), "one vector of 310 numbers"),
        (lambda: sharpness(NETWORK, np.full(310, np.nan)), "not finite at this point"),
        (lambda: sharpness(Problem(lambda x: x, np.ones(3))), "must return one float64 number"),
        (lambda: sharpness_path("gd", quadratic(), 0.1, 10), "a method is needed"),
        (lambda: sharpness_path(HeavyBall(), quadratic(), 0.1, 10), "needs a number for beta"),
        (lambda: sharpness_path(GradientDescent(), quadratic(), 0.0, 10), "positive and finite"),
        (lambda: sharpness_path(GradientDescent(), quadratic(), "a", 10), "positive and finite"),
        (lambda: sharpness_path(GradientDescent(), quadratic(), 0.1, 0), "steps must be a whole"),
        (lambda: sharpness_path(GradientDescent(), quadratic(), 0.1, 9, 1), "points must be a wh"),
        (
            lambda: sharpness_path(
                GradientDescent(), Problem(lambda x: jnp.sum(1 / x), np.zeros(2)), 0.1, 9
            ),
            "not finite at the start",
        ),
    ],
)
def test_bad_requests_say_what_is_wrong(call, message):
    with pytest.raises(mf.ModflowError, match=message) as found:
        call()
    assert "\n" not in str(found.value)


def test_public_names():
    assert isinstance(mf.sharpness(quadratic()), Sharpness)
    assert mf.hessian_operator(quadratic()).shape == (3, 3)
    assert isinstance(mf.sharpness_path(GradientDescent(), quadratic(), 0.1, 4), mf.SharpnessPath)
    assert isinstance(mf.sharpness(quadratic()), mf.Sharpness)


def test_numpy_step_sizes_are_numbers():
    path = sharpness_path(GradientDescent(), quadratic(), np.float64(0.1), np.int64(4), points=3)
    assert path.steps.tolist() == [0, 2, 4]
