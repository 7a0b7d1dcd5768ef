"""A network as functions of its parameters."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass
from functools import cached_property, lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float, PyTree

from ..errors import ModflowError, UnknownNameError
from ..grid import is_whole
from .architectures.densenet import DenseNet
from .architectures.mlp import MLP
from .architectures.resnet import Basic, Bottleneck, ResNet
from .architectures.wide_resnet import WideResNet
from .initial import INITIALIZATIONS, initial
from .layers import ACTIVATIONS, SMOOTH, Style

PRECISIONS = ("float32", "bfloat16", "float64")
CONVOLUTIONS = ("products", "native")


@dataclass(frozen=True)
class _Kind:
    """An architecture: its usual width, how it is made, and the least extent of its images."""

    width: int
    make: Callable[[Network, Style, nnx.Rngs], nnx.Module]
    least: int = 1


def _resnet(
    blocks: tuple[int, ...], block: Any
) -> Callable[[Network, Style, nnx.Rngs], nnx.Module]:
    def make(of: Network, style: Style, rngs: nnx.Rngs) -> nnx.Module:
        return ResNet(of.channels, of.classes, of.breadth, blocks, block, style, rngs)

    return make


def _mlp(of: Network, style: Style, rngs: nnx.Rngs) -> nnx.Module:
    return MLP(int(np.prod(of.shape)), of.classes, of.breadth, of.depth, style, rngs)


def _densenet(of: Network, style: Style, rngs: nnx.Rngs) -> nnx.Module:
    return DenseNet(of.channels, of.classes, of.breadth, (6, 12, 24, 16), style, rngs)


def _wide(of: Network, style: Style, rngs: nnx.Rngs) -> nnx.Module:
    return WideResNet(of.channels, of.classes, of.breadth, 16, 8, style, rngs)


_KINDS = {
    "mlp": _Kind(64, _mlp),
    # One block a stage: deep enough to be residual, small enough for tests.
    "resnet-6": _Kind(64, _resnet((1, 1), Basic)),
    "resnet-10": _Kind(64, _resnet((1, 1, 1, 1), Basic)),
    "resnet-18": _Kind(64, _resnet((2, 2, 2, 2), Basic)),
    "resnet-50": _Kind(64, _resnet((3, 4, 6, 3), Bottleneck)),
    # Its extent is halved three times, rounded down.
    "densenet-121": _Kind(32, _densenet, least=8),
    "wide-resnet-16-8": _Kind(16, _wide),
}
ARCHITECTURES = tuple(_KINDS)


@dataclass(frozen=True)
class Network:
    """An architecture for images of one shape, as pure functions of parameters and statistics.

    Both of these are nested dictionaries of arrays. `statistics` are the running averages of
    batch normalization, and empty without it: they decide how test images are seen, and nothing
    about the training.

    `width` counts the channels of the first layer (the growth rate of a DenseNet, the units of a
    layer of an MLP), by default as published; `depth` counts the hidden layers of an MLP.
    `activation` is relu, gelu, tanh or softplus: the theorems ask for a loss with four
    derivatives, which relu does not give. `convolutions` says whether they are XLA's own
    ("native") or sums of matrix products, for CPUs.

    Raises ModflowError for names that are not known and sizes that make no network.
    """

    architecture: str
    shape: tuple[int, int, int]
    """Height, width and channels of an image."""
    classes: int = 10
    width: int | None = None
    depth: int = 2
    activation: str = "relu"
    batch_norm: bool = True
    initialization: str = "torch"
    precision: str = "float32"
    convolutions: str = "products"

    def __post_init__(self) -> None:
        for what, name, known in (
            ("architecture", self.architecture, ARCHITECTURES),
            ("activation", self.activation, tuple(ACTIVATIONS)),
            ("initialization", self.initialization, tuple(INITIALIZATIONS)),
            ("precision", self.precision, PRECISIONS),
            ("way of convolution", self.convolutions, CONVOLUTIONS),
        ):
            if name not in known:
                raise UnknownNameError(what, name, known)
        for what, number in (
            ("width of a network", self.breadth),
            ("depth of a network", self.depth),
            ("number of classes", self.classes),
            *(("extent of an image", size) for size in self.shape),
        ):
            if not is_whole(number) or number < 1:
                raise ModflowError(f"the {what} is a whole number from 1; got {number!r}")
        least = _KINDS[self.architecture].least
        if min(self.shape[:2]) < least:
            raise ModflowError(
                f"a {self.architecture} needs images of {least} x {least} pixels or more; got "
                f"{self.shape[0]} x {self.shape[1]}"
            )

    @property
    def channels(self) -> int:
        """Of an image."""
        return self.shape[2]

    @property
    def breadth(self) -> int:
        """The width, as given or as published."""
        return _KINDS[self.architecture].width if self.width is None else self.width

    @property
    def smooth(self) -> bool:
        """Whether the loss has the derivatives that the theorems ask for."""
        return self.activation in SMOOTH

    def arithmetic(self) -> AbstractContextManager[Any]:
        """Where its numbers can be had: within `jax.enable_x64(True)` for float64."""
        return jax.enable_x64(True) if self.precision == "float64" else nullcontext()

    def initial(self, seed: int) -> tuple[PyTree[Array], PyTree[Array]]:
        """Parameters and statistics to start from, of this seed.

        Biases are 0, scales 1. In float64 for a precision of float64, inside
        `jax.enable_x64(True)`; else in float32.
        """
        if not is_whole(seed) or seed < 0:
            raise ModflowError(f"a seed is a whole number from 0; got {seed!r}")
        _, *both = _parts(self)
        parameters, statistics = (initial(tree, self.initialization, int(seed)) for tree in both)
        return parameters, statistics

    def scores(
        self,
        parameters: PyTree[Array],
        statistics: PyTree[Array],
        images: Float[Array, "n height width channels"],
        training: bool = True,
    ) -> tuple[Float[Array, "n classes"], PyTree[Array]]:
        """The scores of each class, and the statistics afterwards.

        In training each layer is normalized by the mean and variance of these images, so that a
        loss of them is a function of the parameters alone; otherwise by the running averages.
        """
        module = nnx.merge(_parts(self)[0], parameters, statistics)
        scores = module(images.astype(self._dtype), training)
        return scores, nnx.to_pure_dict(nnx.state(module, nnx.BatchStat))

    @cached_property
    def parameters(self) -> int:
        """How many numbers are trained."""
        return sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(_parts(self)[1]))

    def to_dict(self) -> dict[str, Any]:
        """For a configuration file."""
        return {**asdict(self), "width": self.breadth, "shape": list(self.shape)}

    @property
    def _dtype(self) -> Any:
        return jnp.dtype(self.precision)

    def _module(self, rngs: nnx.Rngs) -> nnx.Module:
        style = Style(
            self.activation,
            self.batch_norm,
            self._dtype,
            jnp.dtype("float64" if self.precision == "float64" else "float32"),
            self.convolutions == "products",
        )
        return _KINDS[self.architecture].make(self, style, rngs)


@lru_cache(maxsize=32)
def _parts(network: Network) -> tuple[Any, PyTree[Any], PyTree[Any]]:
    """What of a module is not arrays, and the shapes of its parameters and statistics."""
    # Kept, so it must not depend on where it was first asked for.
    with network.arithmetic():
        module = nnx.eval_shape(lambda: network._module(nnx.Rngs(0)))
    graph, *both = nnx.split(module, nnx.Param, nnx.BatchStat)
    parameters, statistics = map(nnx.to_pure_dict, both)
    return graph, parameters, statistics
