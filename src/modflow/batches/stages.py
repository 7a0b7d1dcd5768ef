"""One step of an explicit Runge–Kutta method on a field that jumps where the step ends.

The last stage of the pairs used here is the field at the new point. It enters the error estimate
alone, and is the first stage of the next step, unless the field jumps in between: then there are
two fields to evaluate at one point, and most of the work for them is the same. A library's step
would do it twice, so that the stages are written out here; their coefficients are diffrax's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Bool, Float, PyTree

Field = Callable[[PyTree[Array]], PyTree[Array]]


@dataclass(frozen=True, eq=False)
class Stages:
    """The coefficients of an embedded pair whose last stage is the field at the new point."""

    a: Float[np.ndarray, "stages stages"]
    """Row i has the weights of the stages before i; the last row is the solution itself."""
    error: Float[np.ndarray, " stages"]
    """The weights of the stages in the estimate of the step's error."""

    @classmethod
    def of(cls, solver: diffrax.AbstractERK) -> Stages:
        """Those of a solver of diffrax that has such a pair."""
        tableau: Any = solver.tableau
        assert tableau.fsal, solver
        assert tableau.ssal, solver
        a = np.zeros((tableau.num_stages, tableau.num_stages))
        for i, row in enumerate(tableau.a_lower, start=1):
            a[i, : len(row)] = row
        return cls(a, np.asarray(tableau.b_error))

    def step(
        self,
        field: Field,
        y: PyTree[Array],
        slope: PyTree[Array],
        dt: Float[Array, ""],
        *,
        known: Bool[Array, ""],
        closed: Bool[Array, ""],
    ) -> tuple[PyTree[Array], PyTree[Array], PyTree[Array]]:
        """The new point, the field there, and the estimate of the step's error.

        `slope` is the field at y where it is `known`. Unless the step is `closed`, its last
        stage is left out: the field at the new point is 0, and the error lacks its share.
        """
        rows, last = jnp.asarray(self.a, dtype=float), len(self.error) - 1

        def stage(i: Array, stages: PyTree[Array]) -> PyTree[Array]:
            value = field(_plus(y, rows[i], stages, dt))
            return jax.tree.map(lambda all_, own: all_.at[i].set(own), stages, value)

        stages = jax.tree.map(
            lambda leaf: jnp.zeros((last + 1, *leaf.shape), leaf.dtype).at[0].set(leaf), slope
        )
        # One loop for all stages: the field is compiled once.
        stages = lax.fori_loop(
            jnp.where(known, 1, 0), jnp.where(closed, last + 1, last), stage, stages
        )
        nothing = jax.tree.map(jnp.zeros_like, y)
        error = _plus(nothing, jnp.asarray(self.error, dtype=float), stages, dt)
        end = jax.tree.map(lambda leaf: leaf[last], stages)
        return _plus(y, rows[last], stages, dt), end, error

    def rest(self, end: PyTree[Array], dt: Float[Array, ""]) -> PyTree[Array]:
        """What the error of a step lacks that is not closed, for the field at its end."""
        return jax.tree.map(lambda leaf: float(self.error[-1]) * dt * leaf, end)


def _plus(y: PyTree[Array], weights: Array, stages: PyTree[Array], dt: Any) -> PyTree[Array]:
    """y + dt Σ_i weights[i] stages[i]."""
    return jax.tree.map(
        lambda leaf, all_: leaf + dt * jnp.tensordot(weights, all_, axes=1, precision="highest"),
        y,
        stages,
    )
