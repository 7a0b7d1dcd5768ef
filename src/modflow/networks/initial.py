"""Where a training starts: random weights that a seed fixes, on every device the same.

They are drawn on the host. A compiled program would draw them differently on each kind of device,
and for a network of many layers its compilation takes longer than its first steps.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import jax
import numpy as np
from jaxtyping import Array, Float, PyTree
from scipy.special import ndtri

INITIALIZATIONS = {
    "he": "normal, of variance 2/n for n inputs (He et al., ICCV 2015); 1/n in the last layer",
    "lecun": "normal, of variance 1/n (LeCun et al. 1998)",
    "torch": "uniform on ±1/√n, PyTorch's default",
}

_LAST = "out"
"""The name of the last layer, behind which there is no activation, so no need for a factor 2."""
_WEIGHTS = 3
"""What the random numbers are for: `networks.data` has the uses before it."""
_BITS = 53


def initial(shapes: PyTree[Any], kind: str, seed: int) -> PyTree[Array]:
    """Arrays of these shapes and types: scales and variances 1, biases and means 0, and weights
    as INITIALIZATIONS says of `kind`.

    The numbers are those of Philox with the seed as its key (Salmon, Moraes, Dror & Shaw, SC
    2011), in the order of the leaves.
    """
    source = np.random.Philox(key=np.array([seed, _WEIGHTS], np.uint64))

    def uniform(size: int) -> Float[np.ndarray, " size"]:
        # In the middle of 2^53 equal parts of (0, 1), so that neither end is met.
        return ((source.random_raw(size) >> (64 - _BITS)) + 0.5) / 2**_BITS

    def leaves() -> Iterator[Any]:
        for path, leaf in jax.tree.leaves_with_path(shapes):
            names = [str(entry.key) for entry in path]
            if names[-1] in ("scale", "var"):
                yield np.ones(leaf.shape, leaf.dtype)
            elif names[-1] in ("bias", "mean"):
                yield np.zeros(leaf.shape, leaf.dtype)
            else:
                numbers = uniform(math.prod(leaf.shape)).reshape(leaf.shape)
                inputs = math.prod(leaf.shape[:-1])
                yield _weights(numbers, inputs, kind, names[0] == _LAST).astype(leaf.dtype)

    return jax.tree.unflatten(jax.tree.structure(shapes), map(jax.numpy.asarray, leaves()))


def _weights(
    uniform: Float[np.ndarray, "..."], inputs: int, kind: str, last: bool
) -> Float[np.ndarray, "..."]:
    if kind == "torch":
        return (2 * uniform - 1) / math.sqrt(inputs)
    variance = (2 if kind == "he" and not last else 1) / inputs
    return math.sqrt(variance) * ndtri(uniform)
