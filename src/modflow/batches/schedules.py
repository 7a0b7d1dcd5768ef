"""Which batch a step uses: j(k) as a function of the step number alone.

Nothing is carried from step to step, so that a schedule can be used inside a compiled program
and outside of it, at any k, with the same result.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int

from ..errors import ModflowError, UnknownNameError
from ..grid import is_whole

KINDS = ("cyclic", "shuffled", "independent")
_SEEDS = 1 << 32


@dataclass(frozen=True)
class BatchSchedule:
    """j(k) for `count` batches: ``cyclic``, k mod M; ``shuffled``, a new permutation for every
    M steps; ``independent``, uniform on all batches at every step.

    The random ones are pure functions of the seed and of k.

    >>> BatchSchedule("cyclic", 3).first(7)
    [0, 1, 2, 0, 1, 2, 0]

    Raises UnknownNameError for another kind, ModflowError for a count below 1 and a seed
    outside 0..2^32-1.
    """

    kind: str
    count: int
    seed: int = 0

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise UnknownNameError("order of batches", str(self.kind), KINDS)
        if not is_whole(self.count) or self.count < 1:
            raise ModflowError(f"there must be at least one batch; got {self.count!r}")
        if not is_whole(self.seed) or not 0 <= self.seed < _SEEDS:
            raise ModflowError(f"a seed is a whole number from 0 to 2^32-1; got {self.seed!r}")

    def __call__(self, k: Int[Array, ""] | int) -> Any:
        """j(k), an int for a known k and a traced integer for a traced one.

        Raises ModflowError for a known k that is no step number.
        """
        if isinstance(k, jax.core.Tracer):
            return batch_at(self.kind, self.count, self._seed, k)
        known = np.asarray(k)[()]
        if not is_whole(known) or known < 0:
            raise ModflowError(f"a step number is a whole number from 0; got {k!r}")
        with jax.ensure_compile_time_eval():
            return int(_batches(self.kind, self.count, self._seed, jnp.asarray([int(known)]))[0])

    def first(self, steps: int) -> list[int]:
        """j(0), ..., j(steps-1)."""
        if not is_whole(steps) or steps < 0:
            raise ModflowError(f"the number of steps is a whole number from 0; got {steps!r}")
        found = _batches(self.kind, self.count, self._seed, jnp.arange(int(steps)))
        return [int(j) for j in found]

    @property
    def _seed(self) -> Array:
        return jnp.asarray(self.seed, dtype=jnp.uint32)


def batch_at(kind: str, count: int, seed: Array, k: Array) -> Array:
    """j(k) of a `BatchSchedule` for a seed and a step that may both be traced."""
    if kind == "cyclic":
        return k % count
    # By name and in 32 bits: what is drawn must not depend on JAX's settings.
    key = jax.random.key(seed, impl="threefry2x32")
    if kind == "independent":
        return jax.random.randint(jax.random.fold_in(key, k), (), 0, count, dtype=jnp.int32)
    return jax.random.permutation(jax.random.fold_in(key, k // count), count)[k % count]


@partial(jax.jit, static_argnums=(0, 1))
def _batches(kind: str, count: int, seed: Array, steps: Array) -> Array:
    return jax.vmap(lambda k: batch_at(kind, count, seed, k))(steps)
