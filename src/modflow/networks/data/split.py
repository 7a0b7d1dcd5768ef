"""Which samples to train on and which to test on: a random choice, fixed by a seed."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Float64, Int32, UInt

from ...errors import ModflowError
from ...grid import is_whole
from .dataset import Dataset
from .permutation import TESTING, TRAINING, permutation

_PIECE = 512
"""So many images are in 64-bit numbers at a time."""


@dataclass(frozen=True, eq=False)
class Split:
    """Samples of a data set to train on, and others to test on."""

    dataset: Dataset
    train: Int32[np.ndarray, " n"]
    """The training samples, as indices into the pool."""
    test: Int32[np.ndarray, " m"]
    mean: Float64[np.ndarray, " channels"]
    """The mean of each channel over all pixels of the training samples ..."""
    deviation: Float64[np.ndarray, " channels"]
    """... and the standard deviation."""

    @property
    def train_images(self) -> Float32[np.ndarray, "n height width channels"]:
        """The training images, scaled to mean 0 and variance 1."""
        return self._scaled(self.train)

    @property
    def train_labels(self) -> Int32[np.ndarray, " n"]:
        """Their classes."""
        return self.dataset.labels[self.train]

    @property
    def test_images(self) -> Float32[np.ndarray, "m height width channels"]:
        """The test images, scaled as the training images are."""
        return self._scaled(self.test)

    @property
    def test_labels(self) -> Int32[np.ndarray, " m"]:
        """Their classes."""
        return self.dataset.labels[self.test]

    def _scaled(self, samples: Int32[np.ndarray, " k"]) -> Float32[np.ndarray, "k ..."]:
        images = self.dataset.images
        result = np.empty((len(samples), *images.shape[1:]), np.float32)
        for start in range(0, len(samples), _PIECE):
            piece = images[samples[start : start + _PIECE]].astype(np.float64)
            result[start : start + _PIECE] = (piece - self.mean) / self.deviation
        return result


def split(
    dataset: Dataset, train: int | None = 1000, test: int | None = None, seed: int = 0
) -> Split:
    """So many samples to train and to test on: uniformly at random, none of them twice.

    From a data set with standard parts, each of the two is taken from its own part; None is all of
    the part. From one pool the training samples are taken first and the test samples from what
    they leave; None for one of the two is all that the other leaves. More training samples with
    the same seed are the same ones, and further ones.

    Mean and standard deviation are those of the training samples, so they are a function of the
    seed, and nothing is known of the test samples. They come from sums of whole numbers: the same
    seed has the same ones to the last bit, on every machine.

    Raises ModflowError for numbers of samples that the set does not have, for a seed out of range,
    and where all training pixels of a channel are equal.
    """
    for_training, for_testing = _choice(dataset, train, test, seed)
    mean, deviation = _moments(dataset.images, for_training, dataset.name)
    return Split(dataset, for_training, for_testing, mean, deviation)


def _choice(
    dataset: Dataset, train: int | None, test: int | None, seed: int
) -> tuple[Int32[np.ndarray, " n"], Int32[np.ndarray, " m"]]:
    name, total = dataset.name, len(dataset.images)
    if dataset.training is not None:
        left = total - dataset.training
        train = _checked(train, dataset.training, dataset.training, f"{name} to train on")
        test = _checked(test, left, left, f"{name} to test on")
        of_training = permutation(dataset.training, seed, TRAINING)
        of_testing = permutation(left, seed, TESTING) + np.int32(dataset.training)
        return of_training[:train], of_testing[:test]
    if train is None and test is None:
        raise ModflowError(
            f"{name} has {total} images in one pool: say how many of them to train on, or to test "
            "on; the others are left for the other"
        )
    if train is None:
        test = _checked(test, total - 1, 0, f"{name} to test on, one being left to train on")
        train = total - test
    else:
        train = _checked(train, total - 1, 0, f"{name} to train on, one being left to test on")
        test = _checked(test, total - train, total - train, f"{name} left to test on")
    order = permutation(total, seed, TRAINING)
    return order[:train], order[train : train + test]


def _checked(number: int | None, available: int, default: int, what: str) -> int:
    if number is None:
        return default
    if not is_whole(number) or not 1 <= number <= available:
        raise ModflowError(
            f"there are {available} images of {what}: take 1 to {available}; got {number!r}"
        )
    return int(number)


def _moments(
    images: UInt[np.ndarray, "n h w c"], samples: Int32[np.ndarray, " k"], name: str
) -> tuple[Float64[np.ndarray, " c"], Float64[np.ndarray, " c"]]:
    """Mean and standard deviation of each channel, over all pixels of these samples."""
    _, height, width, channels = images.shape
    count = len(samples) * height * width
    # Python's integers: the sums are exact, however many and large the pixels are.
    sums, squares = [0] * channels, [0] * channels
    for start in range(0, len(samples), _PIECE):
        values = images[samples[start : start + _PIECE]].astype(np.int64)
        for channel in range(channels):
            values_of = values[..., channel]
            # The squares of 32-bit numbers by halves, as their sum needs more than 64 bits.
            high, low = values_of >> 16, values_of & 0xFFFF
            sums[channel] += int(values_of.sum())
            squares[channel] += (int((high * high).sum()) << 32) + int((low * low).sum())
            squares[channel] += int((high * low).sum()) << 17
    variances = [count * b - a * a for a, b in zip(sums, squares, strict=True)]
    if not all(variances):
        raise ModflowError(
            f"all pixels of a channel are equal in the {len(samples)} training images of {name}: "
            "take more of them, or a larger size"
        )
    mean = [a / count for a in sums]
    return np.array(mean), np.array([math.sqrt(v / count**2) for v in variances])
