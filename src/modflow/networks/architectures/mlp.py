"""Fully connected networks."""

from __future__ import annotations

import itertools

from flax import nnx
from jaxtyping import Array, Float

from ..layers import Style


class MLP(nnx.Module):
    """Dense layers on the image's numbers, `depth` of them with an activation behind."""

    def __init__(
        self, inputs: int, classes: int, width: int, depth: int, style: Style, rngs: nnx.Rngs
    ) -> None:
        self.style = style
        sizes = [inputs] + [width] * depth
        self.hidden = nnx.List(style.linear(a, b, rngs) for a, b in itertools.pairwise(sizes))
        self.norms = nnx.List(style.normalization(b, rngs) for b in sizes[1:])
        self.out = style.linear(sizes[-1], classes, rngs)

    def __call__(
        self, x: Float[Array, "n height width channels"], training: bool
    ) -> Float[Array, "n classes"]:
        """The scores of each class."""
        x = x.reshape(len(x), -1)
        for layer, norm in zip(self.hidden, self.norms, strict=True):
            x = self.style.act(norm(layer(x), training))
        return self.out(x)
