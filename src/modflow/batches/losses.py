"""The losses of M batches: one function of the parameters and a slice of data, or M functions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, PyTree

from ..errors import ModflowError
from ..flows import Loss
from ..problems import Problem


@dataclass(frozen=True, eq=False)
class SlicedLosses:
    """E_i(x) = loss(x, slice i of the data); the slices run together (`jax.vmap`)."""

    loss: Callable[..., Any]
    data: PyTree[Any]
    """Arrays whose first axis has length M."""

    def __len__(self) -> int:
        return int(jnp.shape(jax.tree.leaves(self.data)[0])[0])

    def one(self, j: Any) -> Loss:
        """E_j; j may be traced."""
        data = jax.tree.map(lambda leaf: jnp.asarray(leaf)[j], self.data)
        return lambda x: self.loss(x, data)

    def total(self, weights: Float[Array, " M"], x: PyTree[Array]) -> Float[Array, ""]:
        """Σ_i weights[i] E_i(x)."""
        return jnp.sum(weights * jax.vmap(lambda data: self.loss(x, data))(self.data))

    def each(self, function: Callable[..., Any], *stacked: PyTree[Array]) -> PyTree[Array]:
        """function(E_i, slice i of what is stacked) for all i, stacked along a new first axis."""

        def own(data: PyTree[Array], *slices: PyTree[Array]) -> PyTree[Array]:
            return function(lambda x: self.loss(x, data), *slices)

        return jax.vmap(own)(self.data, *stacked)


@dataclass(frozen=True, eq=False)
class ListedLosses:
    """E_0, ..., E_{M-1} as functions of their own."""

    losses: tuple[Loss, ...]

    def __len__(self) -> int:
        return len(self.losses)

    def one(self, j: Any) -> Loss:
        """E_j; j may be traced."""
        return lambda x: lax.switch(j, self.losses, x)

    def total(self, weights: Float[Array, " M"], x: PyTree[Array]) -> Float[Array, ""]:
        """Σ_i weights[i] E_i(x)."""
        return jnp.sum(weights * jnp.stack([loss(x) for loss in self.losses]))

    def each(self, function: Callable[..., Any], *stacked: PyTree[Array]) -> PyTree[Array]:
        """function(E_i, slice i of what is stacked) for all i, stacked along a new first axis."""

        def own(i: int, loss: Loss) -> PyTree[Array]:
            return function(loss, *jax.tree.map(lambda leaf: leaf[i], stacked))

        values = [own(i, loss) for i, loss in enumerate(self.losses)]
        return jax.tree.map(lambda *leaves: jnp.stack(leaves), *values)


# As pytrees they can be arguments of compiled programs, with the data outside of those.
jax.tree_util.register_dataclass(SlicedLosses, data_fields=["data"], meta_fields=["loss"])
jax.tree_util.register_dataclass(ListedLosses, data_fields=[], meta_fields=["losses"])

Losses = SlicedLosses | ListedLosses


def losses_of(given: Any, data: PyTree[Any] = None) -> Losses:
    """Losses from a function and data, from a Problem with both, or from M functions.

    Raises ModflowError where data are missing, or not one slice a batch.
    """
    if isinstance(given, Problem):
        given, data = given.loss, given.data
    if not callable(given):
        functions = tuple(given) if isinstance(given, list | tuple) else ()
        if not functions or not all(callable(loss) for loss in functions) or data is not None:
            raise ModflowError(
                "losses are a list of functions of x, or one function of x and of a slice of "
                f"`data`; got {given!r}" + ("" if data is None else " and data")
            )
        return ListedLosses(functions)
    shapes = [jnp.shape(leaf) for leaf in jax.tree.leaves(data)]
    lengths = sorted({shape[0] if shape else 0 for shape in shapes})
    if len(lengths) != 1 or lengths[0] == 0:
        found = f"their lengths are {lengths}" if lengths else "there are none"
        raise ModflowError(
            "one loss for several batches needs data with one slice a batch along the first axis "
            f"of every array; {found}"
        )
    return SlicedLosses(given, data)


def averaged(problem: Problem) -> Problem:
    """The problem of the mean loss over all slices of the data."""
    losses = losses_of(problem)

    def mean(x: PyTree[Array], data: PyTree[Array]) -> Float[Array, ""]:
        return jnp.mean(jax.vmap(lambda part: problem.loss(x, part))(data))

    return replace(problem, loss=mean if isinstance(losses, SlicedLosses) else problem.loss)
