"""What a problem is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PyTree

from ..errors import ModflowError
from ..grid import is_whole
from .formula import Formula


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
    `formula` is the same loss in symbols, where it has one: arithmetic in more digits than
    float64's needs it. `from_formula` makes both from one text.
    """

    loss: Callable[..., Any]
    start: PyTree[Any]
    name: str = "custom"
    data: PyTree[Any] = None
    horizon: float | None = None
    coarsest: float | None = None
    sizes: int = 9
    source: str = ""
    formula: Formula | None = None

    @classmethod
    def from_formula(
        cls,
        expression: Any,
        start: Mapping[str, Any],
        *,
        name: str = "custom",
        horizon: float | None = None,
        coarsest: float | None = None,
        sizes: int = 9,
        source: str = "",
    ) -> Problem:
        """The loss in a formula, such as ``"(0.6 - x*y)^2 / 2"`` from ``{"x": 2.8, "y": 3.4}``.

        The parameters are an array of shape (n,) of the variables, in the order of `start`. See
        `Formula.of` for what a formula may contain, and for what raises ModflowError.
        """
        formula = Formula.of(expression, start)
        return cls(
            formula.loss(),
            np.array([float(value) for value in formula.start]),
            name=name,
            horizon=horizon,
            coarsest=coarsest,
            sizes=sizes,
            source=source,
            formula=formula,
        )

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

    def split(self, count: int) -> Problem:
        """The same loss on so many equal parts of the data, along the first axis of its arrays.

        For a loss that is a mean over samples, as that of the digits. Samples that are left over
        at the end are left out. Raises ModflowError where there are no data, or too few.
        """
        leaves = jax.tree.leaves(self.data)
        sizes = {int(np.shape(leaf)[0]) if np.ndim(leaf) else 0 for leaf in leaves}
        if len(sizes) != 1:
            raise ModflowError(f"{self.name} has no samples that could make up batches")
        (size,) = sizes
        if not is_whole(count) or not 1 <= count <= size:
            raise ModflowError(f"{self.name} has {size} samples: no {count!r} batches of them")
        each = size // int(count)

        def parts(leaf: Any) -> Any:
            return np.reshape(leaf[: each * count], (count, each, *np.shape(leaf)[1:]))

        data = jax.tree.map(lambda leaf: parts(np.asarray(leaf)), self.data)
        return replace(self, data=data, name=f"{self.name} in {count} batches")

    @property
    def dimension(self) -> int:
        """The number of parameters."""
        return sum(int(np.size(leaf)) for leaf in jax.tree.leaves(self.start))

    def __repr__(self) -> str:
        return f"Problem({self.name!r}, dimension={self.dimension})"
