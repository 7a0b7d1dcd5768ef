"""Densely connected networks: Huang, Liu, van der Maaten & Weinberger (CVPR 2017).

The paper cites Iandola et al. (2014), an implementation of the same. DenseNet-BC: bottlenecks,
and half of the channels kept between the stages.
"""

from __future__ import annotations

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from ..layers import Style, halved


class DenseNet(nnx.Module):
    """Stages of layers that see all of the earlier ones' results; `width` is the growth rate."""

    def __init__(
        self,
        channels: int,
        classes: int,
        width: int,
        layers: tuple[int, ...],
        style: Style,
        rngs: nnx.Rngs,
    ) -> None:
        self.style = style
        features = 2 * width
        self.first = style.convolution(channels, features, 3, rngs)
        made: list[nnx.Module] = []
        for stage, count in enumerate(layers):
            if stage:
                made.append(Transition(features, features // 2, style, rngs))
                features //= 2
            for _ in range(count):
                made.append(Layer(features, width, style, rngs))
                features += width
        self.parts = nnx.List(made)
        self.norm = style.normalization(features, rngs)
        self.out = style.linear(features, classes, rngs)

    def __call__(
        self, x: Float[Array, "n height width channels"], training: bool
    ) -> Float[Array, "n classes"]:
        """The scores of each class."""
        x = self.first(x)
        for part in self.parts:
            x = part(x, training)
        x = self.style.act(self.norm(x, training))
        return self.out(x.mean((1, 2)))


class Layer(nnx.Module):
    """A bottleneck of 1 by 1 with four times the growth rate, then a convolution of 3 by 3."""

    def __init__(self, inputs: int, growth: int, style: Style, rngs: nnx.Rngs) -> None:
        self.style = style
        self.norm_a = style.normalization(inputs, rngs)
        self.a = style.convolution(inputs, 4 * growth, 1, rngs)
        self.norm_b = style.normalization(4 * growth, rngs)
        self.b = style.convolution(4 * growth, growth, 3, rngs)

    def __call__(self, x: Array, training: bool) -> Array:
        """The new channels beside the old ones."""
        y = self.a(self.style.act(self.norm_a(x, training)))
        y = self.b(self.style.act(self.norm_b(y, training)))
        return jnp.concatenate([y, x], axis=-1)


class Transition(nnx.Module):
    """Fewer channels, and half the extent."""

    def __init__(self, inputs: int, outputs: int, style: Style, rngs: nnx.Rngs) -> None:
        self.style = style
        self.norm = style.normalization(inputs, rngs)
        self.layer = style.convolution(inputs, outputs, 1, rngs)

    def __call__(self, x: Array, training: bool) -> Array:
        """What the next stage sees."""
        return halved(self.layer(self.style.act(self.norm(x, training))))
