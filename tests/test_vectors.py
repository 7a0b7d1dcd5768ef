"""The Runge–Kutta steps for arrays."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from modflow.vectors import looped_runge_kutta, runge_kutta


@pytest.fixture(autouse=True)
def double_precision():
    with jax.enable_x64(True):
        yield


def swinging(x):
    return jnp.asarray([x[1], -jnp.sin(x[0])])


def test_the_loop_takes_the_step_of_the_formula():
    x = jnp.asarray([1.0, 0.3])
    found, known = (step(swinging, x, 0.5) for step in (looped_runge_kutta, runge_kutta))
    np.testing.assert_allclose(found, known, rtol=1e-14)


def test_a_step_has_order_four():
    def error(h):
        return abs(float(looped_runge_kutta(lambda x: x, jnp.ones(1), h)[0]) - np.exp(h))

    assert np.log2(error(0.02) / error(0.01)) == pytest.approx(5, abs=0.1)
