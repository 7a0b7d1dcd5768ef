"""Convolutions by matrix products against XLA's own, and an entry by hand."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from modflow.networks.convolution import as_products

LAYOUT = ("NHWC", "HWIO", "NHWC")


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("size", [1, 3])
# Few factors in all are laid out as patches, many are not.
@pytest.mark.parametrize(("channels", "features"), [(3, 2), (16, 5)])
@pytest.mark.parametrize("extent", [(7, 8)])
def test_agrees_with_xla(stride, size, channels, features, extent):
    random = np.random.default_rng(0)
    with jax.enable_x64(True):
        x = jnp.asarray(random.normal(size=(2, *extent, channels)))
        kernel = jnp.asarray(random.normal(size=(size, size, channels, features)))
        padding = [(size // 2, size // 2)] * 2

        @partial(jax.jit, static_argnums=0)
        def results(convolve, *arguments):
            """The convolution, and what comes back through it."""
            y, back = jax.vjp(
                lambda x, k: convolve(x, k, (stride, stride), padding, dimension_numbers=LAYOUT),
                *arguments,
            )
            return y, back(jnp.sin(y))

        ours = jax.tree.leaves(results(as_products, x, kernel))
        theirs = jax.tree.leaves(results(lax.conv_general_dilated, x, kernel))
        for a, b in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(a, b, atol=1e-11)


def test_an_entry_by_hand():
    x = jnp.arange(9.0).reshape(1, 3, 3, 1)
    kernel = jnp.arange(9.0).reshape(3, 3, 1, 1)
    y = as_products(x, kernel, (1, 1), [(1, 1), (1, 1)])
    assert float(y[0, 1, 1, 0]) == sum(i * i for i in range(9))
    # At the corner the kernel's lower right square meets the image's upper left one.
    assert float(y[0, 0, 0, 0]) == 4 * 0 + 5 * 1 + 7 * 3 + 8 * 4


@pytest.mark.parametrize(
    "options",
    [{"lhs_dilation": (2, 2)}, {"rhs_dilation": (1, 2)}, {"feature_group_count": 2}],
)
def test_what_it_cannot_do_is_said(options):
    x, kernel = jnp.ones((1, 4, 4, 2)), jnp.ones((3, 3, 2, 2))
    with pytest.raises(NotImplementedError):
        as_products(x, kernel, (1, 1), [(1, 1), (1, 1)], **options)


def test_padding_by_name_is_not_known():
    with pytest.raises(NotImplementedError):
        as_products(jnp.ones((1, 4, 4, 2)), jnp.ones((3, 3, 2, 2)), (1, 1), "SAME")
