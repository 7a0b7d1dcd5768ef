"""What a problem is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PyTree

from ..errors import ModflowError


@dataclass(frozen=True, eq=False)
class Problem:
    """A loss E, where to start, and how far to go.

    One line makes one of your own::

        problem = Problem(lambda x: jnp.sum(x**4), start=jnp.ones(3))

    `loss` takes the parameters, any pytree of float arrays, and returns a scalar; where
    `data` is given, it takes the data as its second argument, which keeps large arrays out
    of the compiled program. Its gradient is JAX's, exact to rounding.

    `horizon` is the time of plain gradient flow that a study covers by default, and
    `coarsest` its largest default step, both in units of the *effective* step h/(1-β): the
    same figures serve every momentum. None has them chosen from the curvature at the start.
    `sizes` is how many step sizes a study has by default, each half of the one before.
    """

    loss: Callable[..., Any]
    start: PyTree[Any]
    name: str = "custom"
    data: PyTree[Any] = None
    horizon: float | None = None
    coarsest: float | None = None
    sizes: int = 9
    source: str = ""

    def __post_init__(self) -> None:
        if not callable(self.loss):
            raise ModflowError(f"the loss must be a function of the parameters; got {self.loss!r}")
        leaves = jax.tree.leaves(self.start)
        if not leaves:
            raise ModflowError("the starting point has no parameters in it")
        for leaf in leaves:
            array = np.asarray(leaf)
            if not np.issubdtype(array.dtype, np.number) or np.iscomplexobj(array):
                raise ModflowError(f"the starting point must hold real numbers, not {array.dtype}")
            if not np.all(np.isfinite(array)):
                raise ModflowError("the starting point has a parameter that is not finite")

    def value(self, x: PyTree[Array], data: PyTree[Array] = None) -> Float[Array, ""]:
        """E(x)."""
        given = self.data if data is None else data
        return self.loss(x) if given is None else self.loss(x, given)

    def check(self) -> None:
        """Raise ModflowError unless the loss is a real number in the working precision.

        A loss that casts to float32 within a float64 study would show the order of rounding.
        """
        value = jax.eval_shape(self.value, self.start_arrays(), self.data_arrays())
        want = jnp.zeros(()).dtype
        shape, dtype = getattr(value, "shape", None), getattr(value, "dtype", None)
        if shape != () or dtype != want:
            raise ModflowError(
                f"the loss must return one {want} number; it returns "
                + (f"{type(value).__name__}" if dtype is None else f"{dtype} of shape {shape}")
            )

    def start_arrays(self) -> PyTree[Array]:
        """The starting point as float64 arrays (float32 where x64 is not enabled)."""
        return jax.tree.map(lambda leaf: jnp.asarray(leaf, dtype=float), self.start)

    def data_arrays(self) -> PyTree[Array]:
        """The data as arrays, of their own precision (float32 where x64 is not enabled)."""
        return jax.tree.map(jnp.asarray, self.data)

    @property
    def dimension(self) -> int:
        """The number of parameters."""
        return sum(int(np.size(leaf)) for leaf in jax.tree.leaves(self.start))

    def __repr__(self) -> str:
        return f"Problem({self.name!r}, dimension={self.dimension})"
