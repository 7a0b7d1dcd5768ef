"""What the layers of a network have in common: activation, normalization, precision."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jax import lax
from jaxtyping import Array, Float

from .convolution import as_products

ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "relu": jax.nn.relu,
    # The exact one: its approximation by tanh is another function.
    "gelu": lambda x: jax.nn.gelu(x, approximate=False),
    "tanh": jnp.tanh,
    "softplus": jax.nn.softplus,
}
SMOOTH = ("gelu", "tanh", "softplus")
"""Activations with all derivatives. The theorems ask for four of the loss."""

RUNNING = 0.9
"""The share of the running averages that a step keeps: PyTorch's default momentum of 0.1."""


@dataclass(frozen=True)
class Style:
    """How the layers of one network are made."""

    activation: str
    batch_norm: bool
    dtype: Any
    """What is computed in."""
    parameter_dtype: Any
    """What parameters are kept in: float32 beside a `dtype` of bfloat16."""
    products: bool
    """Whether convolutions are sums of matrix products."""

    def act(self, x: Array) -> Array:
        """The activation, entry by entry."""
        return ACTIVATIONS[self.activation](x)

    @property
    def _types(self) -> dict[str, Any]:
        return {"dtype": self.dtype, "param_dtype": self.parameter_dtype}

    def convolution(
        self, inputs: int, outputs: int, size: int, rngs: nnx.Rngs, stride: int = 1
    ) -> nnx.Conv:
        """A square convolution that keeps the extent, or divides it by the stride."""
        return nnx.Conv(
            inputs,
            outputs,
            (size, size),
            strides=(stride, stride),
            padding=[(size // 2, size // 2)] * 2,
            # A constant is lost in the mean that batch normalization takes off.
            use_bias=not self.batch_norm,
            conv_general_dilated=as_products if self.products else lax.conv_general_dilated,
            rngs=rngs,
            **self._types,
        )

    def linear(self, inputs: int, outputs: int, rngs: nnx.Rngs) -> nnx.Linear:
        """A dense layer."""
        return nnx.Linear(inputs, outputs, rngs=rngs, **self._types)

    def normalization(self, features: int, rngs: nnx.Rngs) -> Normalization:
        """Batch normalization, or nothing."""
        return Normalization(features, self, rngs)


class RunningAverage(nnx.BatchStat[Array]):
    """A statistic that is replaced as a whole.

    Flax's own asks traced values for a sharding that they do not have. JAX then looks for the
    operations they come from, to say so, all of them each time: 95% of the time in which a
    DenseNet-121 is traced.
    """

    def __setitem__(self, key: Any, value: Array) -> None:
        self.set_raw_value(value)


class Normalization(nnx.Module):
    """Batch normalization (Ioffe & Szegedy, ICML 2015), where the style asks for it."""

    def __init__(self, features: int, style: Style, rngs: nnx.Rngs) -> None:
        if not style.batch_norm:
            self.norm = None
            return
        self.norm = nnx.BatchNorm(
            features, momentum=RUNNING, epsilon=1e-5, rngs=rngs, **style._types
        )
        # Flax has them in float32 whatever is asked for.
        self.norm.mean = RunningAverage(jnp.zeros(features, style.parameter_dtype))
        self.norm.var = RunningAverage(jnp.ones(features, style.parameter_dtype))

    def __call__(self, x: Array, training: bool) -> Array:
        """By the batch's own mean and variance in training, by the running averages otherwise."""
        return x if self.norm is None else self.norm(x, use_running_average=not training)


def halved(x: Float[Array, "n height width channels"]) -> Float[Array, "n h w channels"]:
    """The means over squares of 2 by 2; an odd row or column at the end is left out."""
    n, height, width, channels = x.shape
    x = x[:, : height // 2 * 2, : width // 2 * 2]
    return x.reshape(n, height // 2, 2, width // 2, 2, channels).mean((2, 4))
