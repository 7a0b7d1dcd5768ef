"""Problems: starting points, gradients and what they refuse."""

import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

import modflow as mf
from modflow.problems import PROBLEMS, Problem, problem_named

# Operation by operation, as here, a ResNet takes half a minute.
EAGER = [
    pytest.param(name, marks=pytest.mark.slow if "resnet" in name else ()) for name in PROBLEMS
]


@pytest.mark.parametrize("name", EAGER)
def test_gradients_agree_with_central_differences(name):
    problem = problem_named(name)
    with jax.enable_x64(True):
        start, data = problem.start_arrays(), problem.data_arrays()
        flat, unravel = ravel_pytree(start)
        random = np.random.default_rng(3)
        x = flat + 0.1 * random.normal(size=flat.shape)
        value = lambda v: problem.value(unravel(v), data)  # noqa: E731
        gradient = jax.grad(value)(x)
        for _ in range(3):
            d = random.normal(size=x.shape)
            d /= np.linalg.norm(d)
            eps = 1e-5
            difference = (value(x + eps * d) - value(x - eps * d)) / (2 * eps)
            assert gradient @ d == pytest.approx(float(difference), rel=1e-5, abs=1e-7)


def test_the_two_layer_model_is_the_paper_s():
    problem = problem_named("two-layer")
    assert problem.start.tolist() == [2.8, 3.4]
    # E = (y - w1 w2 x)²/2 with its minima on w1 w2 = y/x, here 0.6.
    assert float(problem.value(jnp.array([2.0, 0.3]))) == pytest.approx(0, abs=1e-12)
    assert float(problem.value(jnp.array([1.0, 1.0]))) == pytest.approx(0.08)


def test_rosenbrock_s_minimum_is_at_one_one():
    problem = problem_named("rosenbrock")
    assert float(problem.value(jnp.array([1.0, 1.0]))) == 0
    assert float(problem.value(jnp.array([-1.2, 1.0]))) == pytest.approx(24.2, rel=1e-6)


@pytest.mark.parametrize("name", ["digits-logistic", "digits-tanh"])
def test_digits_are_real_and_the_start_is_uninformed(name):
    problem = problem_named(name)
    images, onehot = problem.data
    assert images.shape == (256, 64)
    assert images.min() == 0
    assert images.max() == 1
    assert (onehot.sum(axis=1) == 1).all()
    # Ten classes, nothing learned: about log 10.
    assert float(problem.value(problem.start_arrays())) == pytest.approx(np.log(10), rel=0.2)


def test_problems_are_deterministic():
    from modflow.problems import digits

    a, b = digits.tanh_network.__wrapped__(), digits.tanh_network.__wrapped__()
    for u, v in zip(jax.tree.leaves(a.start), jax.tree.leaves(b.start), strict=True):
        np.testing.assert_array_equal(u, v)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: problem_named("two-layr"), "did you mean 'two-layer'"),
        (lambda: Problem(3, np.ones(2)), "must be a function"),
        (lambda: Problem(jnp.sum, {}), "no parameters"),
        (lambda: Problem(jnp.sum, np.array([1.0, np.nan])), "not finite"),
        (lambda: Problem(jnp.sum, np.array(["a"])), "real numbers"),
        (lambda: Problem(jnp.sum, np.array([1j])), "real numbers"),
    ],
)
def test_bad_problems_are_refused(make, message):
    with pytest.raises(mf.ModflowError, match=message):
        make()


def test_without_scikit_learn_the_digits_say_what_to_install(monkeypatch):
    from modflow.problems import digits

    for name in ("sklearn", "sklearn.datasets"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(mf.ModflowError, match=r"pip install scikit-learn"):
        digits.load.__wrapped__(16)


@pytest.mark.parametrize("samples", [1, 256, 1797])
def test_digits_are_those_of_scikit_learn_whether_or_not_its_file_is_where_it_was(
    monkeypatch, samples
):
    from sklearn.datasets import load_digits

    from modflow.problems import digits

    images, labels = load_digits(return_X_y=True)
    read = digits.load.__wrapped__(samples)
    monkeypatch.setattr(digits, "find_spec", lambda name: None)
    imported = digits.load.__wrapped__(samples)
    for found, onehot in (read, imported):
        np.testing.assert_array_equal(found, images[:samples] / 16)
        np.testing.assert_array_equal(np.nonzero(onehot)[1], labels[:samples])


@pytest.mark.parametrize("samples", [-1, 0, 1798])
def test_there_are_only_so_many_digits(samples):
    from modflow.problems import digits

    with pytest.raises(mf.ModflowError, match=f"there are 1797 digits; {samples} were asked for"):
        digits.load(samples)
