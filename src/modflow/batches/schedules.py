"""Which batch a step uses: j(k) as a function of the step number alone.

Nothing is carried from step to step, so that a schedule can be used inside a compiled program
and outside of it, at any k, with the same result, and at a cost that does not depend on k.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int, UInt32

from ..errors import ModflowError, UnknownNameError
from ..grid import is_whole
from .equations import checked_batches
from .sequences import MAX_SEQUENCE

SAMPLINGS = ("cyclic", "once", "shuffled", "independent")
"""The orders that a number of batches and a seed determine."""
LISTED = "listed"
_TABLED = ("cyclic", "once", LISTED)
_SEEDS = 1 << 32
_SHORTEST = 64


@dataclass(frozen=True)
class BatchSchedule:
    """j(k) for `count` = M batches. M steps are an epoch.

    ``cyclic``: k mod M. ``once``: one permutation, repeated in every epoch. ``shuffled``: a new
    permutation for every epoch, which is sampling without replacement. ``independent``: uniform
    on all batches at every step, which is sampling with replacement. ``listed``: a given
    `sequence`, repeated after its end, as `of` makes it.

    The random ones are pure functions of the seed and of k; the permutation of ``once`` is that
    of the first epoch of ``shuffled`` with the same seed.

    >>> BatchSchedule("cyclic", 3).first(7)
    [0, 1, 2, 0, 1, 2, 0]

    Raises UnknownNameError for another kind, ModflowError for a count below 1, for a seed
    outside 0..2^32-1, and for a sequence as `of`.
    """

    kind: str
    count: int
    seed: int = 0
    sequence: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        if self.kind not in (*SAMPLINGS, LISTED):
            raise UnknownNameError("order of batches", str(self.kind), SAMPLINGS)
        if not is_whole(self.count) or self.count < 1:
            raise ModflowError(f"there must be at least one batch; got {self.count!r}")
        if not is_whole(self.seed) or not 0 <= self.seed < _SEEDS:
            raise ModflowError(f"a seed is a whole number from 0 to 2^32-1; got {self.seed!r}")
        if self.sequence is not None:
            object.__setattr__(self, "sequence", self._checked(self.sequence))
        if self.kind == LISTED and self.sequence is None:
            raise ModflowError("a listed order of batches needs its sequence, such as 0, 2, 1, 1")
        if self.kind != LISTED and self.sequence is not None:
            raise ModflowError(
                f"a sequence is an order of its own, not a {self.kind} one: BatchSchedule.of(...)"
            )

    @classmethod
    def of(cls, sequence: Iterable[int], count: int | None = None) -> BatchSchedule:
        """This sequence of batches, one a step, repeated after its end.

        There are `count` batches; by default as many as the largest number in it needs.

        >>> BatchSchedule.of([0, 2, 1, 1]).first(6)
        [0, 2, 1, 1, 0, 2]

        Raises ModflowError for a sequence that is empty, longer than 2^20 or holds anything but
        numbers of batches, 0 to count - 1.
        """
        batches = checked_batches(sequence)
        return cls(LISTED, max(batches) + 1 if count is None else count, sequence=batches)

    def _checked(self, sequence: Any) -> tuple[int, ...]:
        batches = checked_batches(sequence)
        if len(batches) > MAX_SEQUENCE:
            raise ModflowError(
                f"a sequence of {len(batches)} batches is too long: at most {MAX_SEQUENCE}"
            )
        if max(batches) >= self.count:
            raise ModflowError(
                f"there is no batch {max(batches)}: they are numbered 0 to {self.count - 1}"
            )
        return batches

    def __call__(self, k: Int[Array, ""] | int) -> Any:
        """j(k), an int for a known k and a traced integer for a traced one.

        Raises ModflowError for a known k that is no step number.
        """
        if isinstance(k, jax.core.Tracer):
            return self.draw()(k)
        known = np.asarray(k)[()]
        if not is_whole(known) or known < 0:
            raise ModflowError(f"a step number is a whole number from 0; got {k!r}")
        if self.kind == "cyclic":
            return int(known) % int(self.count)
        if self.kind in _TABLED:
            table = self._table()
            return int(table[int(known) % len(table)])
        with jax.ensure_compile_time_eval():
            return int(_batches(self.draw(), jnp.asarray([int(known)]))[0])

    def first(self, steps: int) -> list[int]:
        """j(0), ..., j(steps-1)."""
        if not is_whole(steps) or steps < 0:
            raise ModflowError(f"the number of steps is a whole number from 0; got {steps!r}")
        if self.kind in _TABLED:
            table = self._table()
            return [int(j) for j in table[np.arange(int(steps)) % len(table)]]
        found = _batches(self.draw(), jnp.arange(_padded(int(steps))))
        return [int(j) for j in np.asarray(found[: int(steps)])]

    def draw(self) -> Draw:
        """The same as an argument of compiled programs, which serve any seed and sequence."""
        tabled = self.kind in _TABLED
        table = self._table() if tabled else np.zeros(1, dtype=np.int32)
        length = _padded(len(table)) if tabled else 1
        return Draw(
            "table" if tabled else self.kind,
            0 if tabled else int(self.count),
            jnp.asarray(self.seed, dtype=jnp.uint32),
            jnp.asarray(np.resize(table, length)),
            jnp.asarray(len(table), dtype=jnp.int32),
        )

    def to_dict(self) -> dict[str, Any]:
        """For JSON; the sequence where one is given."""
        found: dict[str, Any] = {"kind": self.kind, "count": self.count, "seed": self.seed}
        return found if self.sequence is None else {**found, "sequence": list(self.sequence)}

    def _table(self) -> Int[np.ndarray, " period"]:
        """j(0), ..., j(period-1) of an order that repeats."""
        if self.sequence is not None:
            return np.array(self.sequence, dtype=np.int32)
        if self.kind == "once":
            return _permutation(int(self.count), int(self.seed))
        return np.arange(self.count, dtype=np.int32)


@partial(
    jax.tree_util.register_dataclass,
    data_fields=["seed", "table", "period"],
    meta_fields=["kind", "count"],
)
@dataclass(frozen=True)
class Draw:
    """j(k) of a `BatchSchedule` inside a compiled program; all but its kind may be traced."""

    kind: str
    """"table", "shuffled" or "independent"."""
    count: int
    """M; 0 for a table, which needs no M."""
    seed: UInt32[Array, ""]
    table: Int[Array, " padded"]
    period: Int[Array, ""]
    """How many entries of the table count."""

    def __call__(self, k: Int[Array, ""]) -> Int[Array, ""]:
        """j(k)."""
        if self.kind == "table":
            return self.table[k % self.period]
        # By name and in 32 bits: what is drawn must not depend on JAX's settings.
        key = jax.random.key(self.seed, impl="threefry2x32")
        if self.kind == "independent":
            own = jax.random.fold_in(key, k)
            return jax.random.randint(own, (), 0, self.count, dtype=jnp.int32)
        return _permuted(key, k // self.count, self.count)[k % self.count]


def _padded(length: int) -> int:
    """A power of two that is no smaller: few lengths are ever compiled."""
    return max(_SHORTEST, 1 << (length - 1).bit_length())


def _permuted(key: Any, epoch: Any, count: int) -> Int[Array, " count"]:
    # With its own dtype: an int would be one of 64 bits where x64 is enabled.
    batches = jnp.arange(count, dtype=jnp.int32)
    return jax.random.permutation(jax.random.fold_in(key, epoch), batches)


@lru_cache(maxsize=64)
def _permutation(count: int, seed: int) -> Int[np.ndarray, " count"]:
    """The permutation of the first epoch."""
    with jax.ensure_compile_time_eval():
        key = jax.random.key(jnp.asarray(seed, dtype=jnp.uint32), impl="threefry2x32")
        found = np.array(_permuted(key, 0, count))
    found.flags.writeable = False
    return found


@jax.jit
def _batches(draw: Draw, steps: Int[Array, " n"]) -> Int[Array, " n"]:
    return jax.vmap(draw)(steps)
