"""Residual networks: He, Zhang, Ren & Sun, *Deep residual learning* (CVPR 2016).

In the form for images of 32 by 32 that reports on CIFAR-10 use: a first convolution of 3 by 3 and
no pooling behind it, then the four stages of the networks for ImageNet, or the first ones of them.
"""

from __future__ import annotations

from flax import nnx
from jaxtyping import Array, Float

from ..layers import Style


class ResNet(nnx.Module):
    """Stages of residual blocks, with `width` channels in the first and twice as many in each
    next one."""

    def __init__(
        self,
        channels: int,
        classes: int,
        width: int,
        blocks: tuple[int, ...],
        block: type[Basic] | type[Bottleneck],
        style: Style,
        rngs: nnx.Rngs,
    ) -> None:
        self.style = style
        self.first = style.convolution(channels, width, 3, rngs)
        self.norm = style.normalization(width, rngs)
        inputs, made = width, []
        for stage, count in enumerate(blocks):
            features = width * 2**stage
            for i in range(count):
                stride = 2 if stage and i == 0 else 1
                made.append(block(inputs, features, stride, style, rngs))
                inputs = features * block.expansion
        self.blocks = nnx.List(made)
        self.out = style.linear(inputs, classes, rngs)

    def __call__(
        self, x: Float[Array, "n height width channels"], training: bool
    ) -> Float[Array, "n classes"]:
        """The scores of each class."""
        x = self.style.act(self.norm(self.first(x), training))
        for block in self.blocks:
            x = block(x, training)
        return self.out(x.mean((1, 2)))


class Shortcut(nnx.Module):
    """The identity; where the shape changes, a convolution of 1 by 1 (option B of the paper)."""

    def __init__(
        self, inputs: int, outputs: int, stride: int, style: Style, rngs: nnx.Rngs
    ) -> None:
        changes = stride != 1 or inputs != outputs
        self.layer = style.convolution(inputs, outputs, 1, rngs, stride) if changes else None
        self.norm = style.normalization(outputs, rngs) if changes else None

    def __call__(self, x: Array, training: bool) -> Array:
        """What is added to the block's own result."""
        if self.layer is None or self.norm is None:
            return x
        return self.norm(self.layer(x), training)


class Basic(nnx.Module):
    """Two convolutions of 3 by 3."""

    expansion = 1

    def __init__(
        self, inputs: int, features: int, stride: int, style: Style, rngs: nnx.Rngs
    ) -> None:
        self.style = style
        self.a = style.convolution(inputs, features, 3, rngs, stride)
        self.norm_a = style.normalization(features, rngs)
        self.b = style.convolution(features, features, 3, rngs)
        self.norm_b = style.normalization(features, rngs)
        self.shortcut = Shortcut(inputs, features, stride, style, rngs)

    def __call__(self, x: Array, training: bool) -> Array:
        """The block's result."""
        y = self.style.act(self.norm_a(self.a(x), training))
        y = self.norm_b(self.b(y), training)
        return self.style.act(y + self.shortcut(x, training))


class Bottleneck(nnx.Module):
    """Convolutions of 1 by 1, 3 by 3 and 1 by 1, the last with four times the channels."""

    expansion = 4

    def __init__(
        self, inputs: int, features: int, stride: int, style: Style, rngs: nnx.Rngs
    ) -> None:
        self.style = style
        outputs = features * self.expansion
        self.a = style.convolution(inputs, features, 1, rngs)
        self.norm_a = style.normalization(features, rngs)
        self.b = style.convolution(features, features, 3, rngs, stride)
        self.norm_b = style.normalization(features, rngs)
        self.c = style.convolution(features, outputs, 1, rngs)
        self.norm_c = style.normalization(outputs, rngs)
        self.shortcut = Shortcut(inputs, outputs, stride, style, rngs)

    def __call__(self, x: Array, training: bool) -> Array:
        """The block's result."""
        y = self.style.act(self.norm_a(self.a(x), training))
        y = self.style.act(self.norm_b(self.b(y), training))
        y = self.norm_c(self.c(y), training)
        return self.style.act(y + self.shortcut(x, training))
