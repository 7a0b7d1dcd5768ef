"""The images of an experiment: one pool for all its runs, and who sees which of them when."""

from __future__ import annotations

import hashlib
import math
from functools import lru_cache
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jaxtyping import Array, Float, Int, UInt

from ..networks.data import (
    Dataset,
    Split,
    batch_order,
    load_data,
    resized,
    split,
    steps_per_epoch,
)
from ..networks.network import Network
from .experiment import Experiment

_TEST_BATCH = 512
_COPIES = 12
"""Of the parameters: themselves, gradient, memory, old and new, and room to spare."""


class Prepared:
    """The data of an experiment, on the host.

    Which images a run trains on, their mean and deviation, and the order of the batches are
    functions of its seed.
    """

    def __init__(self, experiment: Experiment, dataset: Dataset) -> None:
        """Raises ModflowError where there are fewer images than are asked for."""
        self.experiment, self.source = experiment, dataset.source
        self._dataset = dataset if experiment.size is None else resized(dataset, experiment.size)
        self.samples = len(self.split(0).train)
        """Training images of a run."""
        self.batch = self.samples if experiment.batch is None else experiment.batch
        self.steps_per_epoch = steps_per_epoch(self.samples, self.batch)
        self.digest = _digest(*self.pool)
        """The SHA-256 of the pool."""

    @classmethod
    def load(cls, experiment: Experiment, data_dir: Path | None, download: bool) -> Prepared:
        """From the data set that the experiment names."""
        return cls(experiment, load_data(experiment.data, data_dir, download=download))

    @property
    def dtype(self) -> Any:
        """What inputs, rates and losses are kept in."""
        return np.float64 if self.experiment.precision == "float64" else np.float32

    @property
    def pool(
        self,
    ) -> tuple[UInt[np.ndarray, "pool height width channels"], Int[np.ndarray, " pool"]]:
        """All images, as they are stored, and their labels."""
        return self._dataset.images, self._dataset.labels

    def network(self, convolutions: str) -> Network:
        """The network, for these images."""
        of, images = self.experiment, self.pool[0]
        height, width, channels = images.shape[1:]
        return Network(
            of.architecture,
            (height, width, channels),
            self._dataset.classes,
            of.width,
            of.depth,
            of.activation,
            of.batch_norm,
            of.initialization,
            of.precision,
            convolutions,
        )

    @lru_cache(maxsize=64)  # noqa: B019  (an experiment has one of these, to its end)
    def split(self, seed: int) -> Split:
        """The training and test images of a seed, as indices into the pool."""
        return split(self._dataset, self.experiment.train, self.experiment.test, seed)

    def of_seed(
        self, seed: int
    ) -> tuple[
        Float[np.ndarray, " channels"],
        Float[np.ndarray, " channels"],
        Int[np.ndarray, "batches batch"],
        Int[np.ndarray, "places batch"],
    ]:
        """Mean, 1/deviation, training images in fixed batches, and test images, of a seed.

        Training images that do not fill a batch are not measured on; test images are filled up
        with -1.
        """
        found = self.split(seed)
        fixed = found.train[: self.steps_per_epoch * self.batch].reshape(-1, self.batch)
        places = -(-len(found.test) // _TEST_BATCH)
        test = np.full(places * -(-len(found.test) // places), -1, np.int32)
        test[: len(found.test)] = found.test
        return (
            found.mean.astype(self.dtype),
            (1 / found.deviation).astype(self.dtype),
            fixed.astype(np.int32),
            test.reshape(places, -1),
        )

    def batches(self, seed: int, start: int, stop: int) -> Int[np.ndarray, "steps batch"]:
        """The images that the steps start, ..., stop - 1 see: of a new permutation in each epoch,
        whose last images are left out where they fill no batch."""
        return self.split(seed).train[batch_order(self.samples, self.batch, seed, start, stop)]

    def bytes_of_a_run(self) -> int:
        """About how much memory the training of one run takes, the pool aside."""
        network = self.network("native")
        with network.arithmetic():
            alone = _bytes(network, self.batch, np.dtype(self.dtype).itemsize)
        # A flow of order 1, 2, 3 beside it takes up to 1.7, 2.7, 5.5 times as much, as XLA says of
        # an MLP and a ResNet.
        return alone << self.experiment.flow


def _bytes(network: Network, batch: int, itemsize: int) -> int:
    """All that one pass computes, twice over, and some copies of the parameters."""
    parameters, statistics = network.initial(0)
    image = jax.ShapeDtypeStruct((batch, *network.shape), np.float32)
    traced = jax.make_jaxpr(lambda *of: network.scores(*of)[0])(parameters, statistics, image)
    passed = sum(math.prod(out.aval.shape) for eqn in traced.eqns for out in eqn.outvars)
    return itemsize * (_COPIES * network.parameters + 2 * passed)


def _digest(*arrays: Array | np.ndarray) -> str:
    found = hashlib.sha256()
    for array in map(np.asarray, arrays):
        found.update(repr((array.shape, str(array.dtype))).encode())
        found.update(np.ascontiguousarray(array).tobytes())
    return found.hexdigest()
