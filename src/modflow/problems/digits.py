"""Networks on real data: the 8 × 8 handwritten digits that scikit-learn brings along.

E. Alpaydin & C. Kaynak, *Optical recognition of handwritten digits*, UCI Machine Learning
Repository (1998); scikit-learn's `load_digits` has the 1,797 test images of it.
"""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PyTree

from ..errors import ModflowError
from ..networks.data import digits
from ._base import Problem

SOURCE = digits.SOURCE
SAMPLES = 256


@cache
def load(samples: int = SAMPLES) -> tuple[Float[np.ndarray, "n 64"], Float[np.ndarray, "n 10"]]:
    """The first `samples` images, scaled to [0, 1], and their labels, one-hot.

    Raises ModflowError where scikit-learn is not installed.
    """
    rows = digits.rows(samples if samples >= 1 else None, find_spec("sklearn"))
    if not 1 <= samples <= len(rows):
        raise ModflowError(f"there are {len(rows)} digits; {samples} were asked for")
    return rows[:samples, :-1] / 16.0, np.eye(10)[rows[:samples, -1].astype(int)]


def cross_entropy(scores: Float[Array, "n 10"], onehot: Float[Array, "n 10"]) -> Float[Array, ""]:
    """The mean cross-entropy of softmax scores."""
    return -jnp.mean(jnp.sum(onehot * jax.nn.log_softmax(scores), axis=1))


@cache
def logistic(samples: int = SAMPLES) -> Problem:
    """Multinomial logistic regression with weights and biases, 650 parameters, from 0.

    The loss is the mean cross-entropy plus 1/200 of the squared norm, so that a minimum
    exists.
    """

    def loss(p: PyTree[Array], data: PyTree[Array]) -> Float[Array, ""]:
        images, onehot = data
        scores = images @ p["weight"] + p["bias"]
        decay = sum(jnp.sum(leaf**2) for leaf in jax.tree.leaves(p))
        return cross_entropy(scores, onehot) + 0.005 * decay

    return Problem(
        loss,
        {"weight": np.zeros((64, 10)), "bias": np.zeros(10)},
        name="digits-logistic",
        data=load(samples),
        horizon=4.0,
        coarsest=0.25,
        source=SOURCE,
    )


@cache
def tanh_network(samples: int = SAMPLES, hidden: int = 16) -> Problem:
    """A network 64 - 16 - 10 with tanh, mean cross-entropy, 1,210 parameters.

    It starts from Glorot & Bengio's normal initialization (AISTATS 2010) with seed 0 and
    zero biases. All derivatives of its loss exist, as the theorems ask.
    """
    random = np.random.default_rng(0)

    def glorot(n: int, m: int) -> Float[np.ndarray, "n m"]:
        return random.normal(size=(n, m)) * np.sqrt(2 / (n + m))

    start = {
        "hidden": {"weight": glorot(64, hidden), "bias": np.zeros(hidden)},
        "output": {"weight": glorot(hidden, 10), "bias": np.zeros(10)},
    }

    def loss(p: PyTree[Array], data: PyTree[Array]) -> Float[Array, ""]:
        images, onehot = data
        layer = jnp.tanh(images @ p["hidden"]["weight"] + p["hidden"]["bias"])
        return cross_entropy(layer @ p["output"]["weight"] + p["output"]["bias"], onehot)

    return Problem(
        loss,
        start,
        name="digits-tanh",
        data=load(samples),
        horizon=4.0,
        coarsest=0.25,
        sizes=10,
        source=SOURCE,
    )
