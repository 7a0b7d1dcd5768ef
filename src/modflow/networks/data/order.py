"""The order of mini-batches: a new permutation of the samples in each epoch, fixed by a seed."""

from __future__ import annotations

import numpy as np
from jaxtyping import Int32

from ...errors import ModflowError
from ...grid import is_whole
from .permutation import BATCHES, permutation


def epoch_order(samples: int, seed: int, epoch: int) -> Int32[np.ndarray, " {samples}"]:
    """The order in which an epoch, counted from 0, goes through the samples.

    It is a function of these arguments alone, and needs no epoch before it.

    Raises ModflowError for a number, a seed or an epoch out of range.
    """
    if not is_whole(samples) or not 1 <= samples < 2**31:
        raise ModflowError(f"there must be at least one sample to train on; got {samples!r}")
    if not is_whole(epoch) or not 0 <= epoch < 2**64:
        raise ModflowError(f"an epoch must be a whole number from 0 on; got {epoch!r}")
    return permutation(samples, seed, BATCHES, epoch)


def steps_per_epoch(samples: int, batch: int) -> int:
    """How many whole batches there are in an epoch.

    Raises ModflowError unless a batch has at least one sample, and at most all of them.
    """
    if not is_whole(batch) or not 1 <= batch <= samples:
        raise ModflowError(
            f"the batch size must be a whole number from 1 to {samples}, the number of samples; "
            f"got {batch!r}"
        )
    return samples // batch


def batch_order(
    samples: int, batch: int, seed: int, start: int, stop: int
) -> Int32[np.ndarray, "steps {batch}"]:
    """The samples that the steps start, ..., stop - 1 of a run see, across its epochs.

    All batches are of one size: the samples at the end of an epoch's order that do not fill one
    are left out, other ones in each epoch.

    >>> batch_order(samples=5, batch=2, seed=0, start=1, stop=4).shape
    (3, 2)

    Raises ModflowError as `epoch_order` and `steps_per_epoch` do, and unless 0 <= start <= stop.
    """
    if not is_whole(start) or not is_whole(stop) or not 0 <= start <= stop:
        raise ModflowError(
            f"steps must be whole numbers with 0 <= start <= stop; got {start!r} and {stop!r}"
        )
    steps = steps_per_epoch(samples, batch)
    first = start // steps
    epochs = [
        epoch_order(samples, seed, epoch)[: steps * batch].reshape(steps, batch)
        for epoch in range(first, -(-stop // steps))
    ]
    none = np.empty((0, batch), np.int32)
    return np.concatenate([none, *epochs])[start - first * steps : stop - first * steps]
