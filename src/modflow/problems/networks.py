"""Networks of `modflow.networks` as problems, with batch normalization, on the 8 × 8 digits.

In training, a layer is normalized by the mean and variance of the batch that it sees. The loss of
a batch is then a function of the parameters alone, as the theorems ask, and each batch has its
own.

The theorems also ask for a loss with derivatives. With ReLU the gradient jumps where an input of
an activation changes its sign, and `docs/network_flows.md` says what is seen then.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PyTree

from ..errors import ModflowError
from . import digits
from ._base import Problem

if TYPE_CHECKING:
    from ..networks.network import Network

SMOOTH, KINKED = "gelu", "relu"
SEED = 0
"""Of the initial parameters, and of the choice of samples."""


@cache
def mlp(activation: str = SMOOTH, samples: int = 128, width: int = 8, depth: int = 2) -> Problem:
    """A network 64 - 8 - 8 - 10 with batch normalization, mean cross-entropy, 714 parameters.

    Raises ModflowError where Flax or scikit-learn is not installed.
    """
    network = _network("mlp", activation, width, depth)
    return _problem(network, _name("digits-mlp", activation), samples, kinked=2.0**-3)


@cache
def resnet(activation: str = SMOOTH, samples: int = 32, width: int = 4) -> Problem:
    """A ResNet-6 with 4 and 8 channels, batch normalization, mean cross-entropy, 1382 parameters.

    Raises ModflowError where Flax or scikit-learn is not installed.
    """
    network = _network("resnet-6", activation, width)
    return _problem(network, _name("digits-resnet", activation), samples, kinked=2.0**-5)


def _name(name: str, activation: str) -> str:
    return name if activation == SMOOTH else f"{name}-{activation}"


def _network(architecture: str, activation: str, width: int, depth: int = 1) -> Network:
    if find_spec("flax") is None:
        raise ModflowError("networks need flax: pip install 'modflow[networks]'")
    from ..networks.network import Network

    return Network(
        architecture,
        (8, 8, 1),
        width=width,
        depth=depth,
        activation=activation,
        # Batch normalization makes the loss the more curved the smaller the weights before it
        # are. These are the largest of the initial weights that there are to choose from.
        initialization="he",
        precision="float64",
        convolutions="products",
    )


def _scales(network: Network, kinked: float) -> dict[str, Any]:
    """Of time: the two smooth networks are about equally curved.

    With a kinked activation the time is `kinked`, and the steps are smaller: gradient flow later
    meets kinks that it cannot leave, and the share of the kinks in the error stands out only at
    small steps.
    """
    horizon = 1.0 if network.smooth else kinked
    return {"horizon": horizon, "coarsest": horizon / 32, "sizes": 7}


def _problem(network: Network, name: str, samples: int, kinked: float) -> Problem:
    from ..networks.data.digits import load
    from ..networks.data.split import split

    chosen = split(load(), samples, seed=SEED)
    with network.arithmetic():
        start, statistics = jax.tree.map(np.asarray, network.initial(SEED))

    def loss(p: PyTree[Array], data: PyTree[Array]) -> Float[Array, ""]:
        images, labels = data
        # In the precision that JAX gives the parameters: float64 in every study.
        precision = str(jnp.result_type(jax.tree.leaves(p)[0]))
        # Running averages come with a network, and change nothing about a loss in training.
        scores, _ = replace(network, precision=precision).scores(p, statistics, images)
        onehot = jax.nn.one_hot(labels, network.classes, dtype=scores.dtype)
        return digits.cross_entropy(scores, onehot)

    return Problem(
        loss,
        start,
        name=name,
        data=(chosen.train_images, chosen.train_labels),
        source=digits.SOURCE,
        **_scales(network, kinked),
    )
