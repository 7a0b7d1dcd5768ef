"""Random orders that a seed fixes, on every machine and in every version of NumPy."""

from __future__ import annotations

import numpy as np
from jaxtyping import Int32

from ...errors import ModflowError
from ...grid import is_whole

TRAINING, TESTING, BATCHES = range(3)
"""What an order is for; each has random numbers of its own."""


def permutation(n: int, seed: int, use: int, index: int = 0) -> Int32[np.ndarray, " {n}"]:
    """The numbers 0, ..., n - 1 in a uniformly random order.

    `use` is one of the above, and `index` counts the orders of one use: any of them is had without
    those before it. The seed and the use are the key of Philox, a generator made of a counter
    (Salmon, Moraes, Dror & Shaw, *Parallel random numbers: as easy as 1, 2, 3*, SC 2011), the
    index is the high word of its counter, and the order is that of n of its numbers. NumPy
    guarantees the numbers of its bit generators, but not what its `Generator` makes of them.

    Raises ModflowError for a seed that is no whole number from 0 to 2^64 - 1.
    """
    if not is_whole(seed) or not 0 <= seed < 2**64:
        raise ModflowError(f"a seed must be a whole number from 0 to 2^64 - 1; got {seed!r}")
    key = np.array([seed, use], np.uint64)
    counter = np.array([0, 0, 0, index], np.uint64)
    numbers = np.random.Philox(key=key, counter=counter).random_raw(n)
    # Two equal ones among 64-bit numbers are not to be expected; were there any, stable sorting
    # would make the order a function of the seed still.
    return np.argsort(numbers, kind="stable").astype(np.int32)
