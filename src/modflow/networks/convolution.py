"""Convolutions as sums of matrix products, for a processor.

XLA's own convolution is fast on a CPU only in a program without loops: within `lax.scan` it runs
20 times slower, and under `vmap` three to five times (`benchmarks/convolutions.py` measures both).
Matrix products keep their speed everywhere, so that on the CPU too whole chunks of training steps,
and the flows of networks, are one compiled program. On GPUs and TPUs XLA's convolution stays.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

_FEW = 64
"""Up to so many factors in all, the patches are laid out in memory, and one product is taken:
products with a handful of columns each would be slower than the copy."""
_SMALL = 2**20
"""And so they are where they have at most so many entries, as one product compiles faster than
nine; larger ones would be kept for the way back, nine times the memory of the images."""


def as_products(
    images: Float[Array, "n height width channels"],
    kernel: Float[Array, "rows columns channels features"],
    strides: Sequence[int],
    padding: Any,
    **options: Any,
) -> Float[Array, "n height_out width_out features"]:
    """The convolution of `lax.conv_general_dilated`, for channels last and nothing dilated.

    One product for each place in the kernel, of shifted images with a matrix [channels,
    features]. It has the signature that Flax's layers call. `padding` is one pair (before, after)
    for each direction.
    """
    if any(x != 1 for name in _DILATIONS for x in options.get(name) or ()):
        raise NotImplementedError("dilated convolutions")
    if options.get("feature_group_count", 1) != 1 or isinstance(padding, str):
        raise NotImplementedError("grouped convolutions, and padding by name")
    rows, columns, channels, features = kernel.shape
    images = jnp.pad(images, ((0, 0), *padding, (0, 0)))
    n, *extent, _ = images.shape
    height, width = (
        (size - length) // stride + 1
        for size, length, stride in zip(extent, (rows, columns), strides, strict=True)
    )

    def shifted(i: int, j: int) -> Float[Array, "n height_out width_out channels"]:
        last = (n, i + (height - 1) * strides[0] + 1, j + (width - 1) * strides[1] + 1, channels)
        return lax.slice(images, (0, i, j, 0), last, (1, *strides, 1))

    places = [(i, j) for i in range(rows) for j in range(columns)]
    precision = options.get("precision")

    def product(patches: Any, matrix: Any) -> Any:
        flat = jnp.matmul(patches.reshape(n * height * width, -1), matrix, precision=precision)
        return flat.reshape(n, height, width, features)

    factors = rows * columns * channels
    if factors <= _FEW or n * height * width * factors <= _SMALL:
        patches = jnp.concatenate([shifted(i, j) for i, j in places], axis=-1)
        return product(patches, kernel.reshape(-1, features))
    first, *others = (product(shifted(i, j), kernel[i, j]) for i, j in places)
    return sum(others, start=first)


_DILATIONS = ("lhs_dilation", "rhs_dilation")
