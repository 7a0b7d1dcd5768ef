"""Wide residual networks: Zagoruyko & Komodakis (BMVC 2016), without dropout."""

from __future__ import annotations

from flax import nnx
from jaxtyping import Array, Float

from ..layers import Style


class WideResNet(nnx.Module):
    """Three groups of blocks with normalization and activation before each convolution.

    The first convolution has `width` channels, the groups `factor` times 1, 2 and 4 of it; a
    depth of 6 b + 4 has b blocks a group.
    """

    def __init__(
        self,
        channels: int,
        classes: int,
        width: int,
        depth: int,
        factor: int,
        style: Style,
        rngs: nnx.Rngs,
    ) -> None:
        self.style = style
        self.first = style.convolution(channels, width, 3, rngs)
        inputs, made = width, []
        for group in range(3):
            features = width * factor * 2**group
            for i in range((depth - 4) // 6):
                stride = 2 if group and i == 0 else 1
                made.append(Block(inputs, features, stride, style, rngs))
                inputs = features
        self.blocks = nnx.List(made)
        self.norm = style.normalization(inputs, rngs)
        self.out = style.linear(inputs, classes, rngs)

    def __call__(
        self, x: Float[Array, "n height width channels"], training: bool
    ) -> Float[Array, "n classes"]:
        """The scores of each class."""
        x = self.first(x)
        for block in self.blocks:
            x = block(x, training)
        x = self.style.act(self.norm(x, training))
        return self.out(x.mean((1, 2)))


class Block(nnx.Module):
    """Two convolutions of 3 by 3, each behind normalization and activation."""

    def __init__(
        self, inputs: int, features: int, stride: int, style: Style, rngs: nnx.Rngs
    ) -> None:
        self.style = style
        self.norm_a = style.normalization(inputs, rngs)
        self.a = style.convolution(inputs, features, 3, rngs, stride)
        self.norm_b = style.normalization(features, rngs)
        self.b = style.convolution(features, features, 3, rngs)
        changes = stride != 1 or inputs != features
        self.shortcut = style.convolution(inputs, features, 1, rngs, stride) if changes else None

    def __call__(self, x: Array, training: bool) -> Array:
        """The block's result."""
        y = self.style.act(self.norm_a(x, training))
        kept = x if self.shortcut is None else self.shortcut(y)
        y = self.style.act(self.norm_b(self.a(y), training))
        return kept + self.b(y)
