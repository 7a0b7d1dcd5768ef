"""What is trained and tested on: by seed alone, uniformly, without overlap, and scaled."""

from __future__ import annotations

import math
from collections import Counter
from fractions import Fraction
from itertools import permutations
from typing import Any

import numpy as np
import pytest

from modflow import ModflowError
from modflow.networks.data import Dataset, load_data, split
from modflow.networks.data.permutation import permutation


def made(n: int, training: int | None = None, channels: int = 2) -> Dataset:
    images = np.random.default_rng(n).integers(0, 256, (n, 4, 5, channels), dtype=np.uint8)
    return Dataset("mine", images, np.arange(n, dtype=np.int32) % 3, 3, "here", training)


@pytest.mark.parametrize("training", [None, 30])
def test_no_sample_is_taken_twice(training: int | None) -> None:
    for seed in range(20):
        found = split(made(40, training), train=25, seed=seed)
        assert len(set(found.train) | set(found.test)) == len(found.train) + len(found.test)
        assert len(found.train) == 25
        if training is None:
            assert set(found.train) | set(found.test) == set(range(40))
        else:
            assert max(found.train) < 30
            assert set(found.test) == set(range(30, 40))


def test_what_numbers_stand_for() -> None:
    def counts(dataset: Dataset, train: int | None, test: int | None) -> tuple[int, int]:
        found = split(dataset, train, test)
        return len(found.train), len(found.test)

    pool, parts = made(40), made(40, 30)
    assert counts(pool, 25, 3) == (25, 3)
    assert counts(pool, 39, None) == (39, 1)
    assert counts(pool, None, 3) == (37, 3)
    assert counts(parts, None, None) == (30, 10)
    assert counts(parts, 30, 4) == (30, 4)
    assert set(split(parts, 30, 4).test) < set(range(30, 40))


def test_the_seed_alone_decides() -> None:
    dataset = made(200)
    for seed in (0, 1, 2**64 - 1):
        a, b = split(dataset, 50, 60, seed), split(made(200), 50, 60, seed)
        for name in ("train", "test", "mean", "deviation", "train_images", "test_labels"):
            np.testing.assert_array_equal(getattr(a, name), getattr(b, name))
    assert len({tuple(split(dataset, 50, 60, seed).train) for seed in range(50)}) == 50
    parts = made(200, 100)
    assert len({tuple(split(parts, 50, 60, seed).test) for seed in range(50)}) == 50
    # Which training samples there are is not which test samples there are.
    found = split(parts, 100, 100)
    assert not np.array_equal(found.train, found.test - 100)


def test_more_samples_of_a_seed_are_further_ones() -> None:
    few, many = split(made(200), 50, seed=4), split(made(200), 90, seed=4)
    np.testing.assert_array_equal(few.train, many.train[:50])


def test_every_sample_is_as_likely_as_any_other() -> None:
    dataset, seeds = made(20, channels=1), 2000
    counts = Counter(int(i) for seed in range(seeds) for i in split(dataset, 5, 1, seed).train)
    share = seeds * 5 / 20
    # 19 degrees of freedom, negatively correlated; beyond 44 once in a thousand.
    statistic = sum((counts[i] - share) ** 2 for i in range(20)) / (share * (1 - 5 / 20)) * 19 / 20
    assert statistic < 44


def test_every_order_is_as_likely_as_any_other() -> None:
    counts = Counter(tuple(permutation(4, seed, 2, seed % 7).tolist()) for seed in range(12_000))
    assert set(counts) == set(permutations(range(4)))
    assert sum((c - 500) ** 2 / 500 for c in counts.values()) < 50  # 23 degrees of freedom


def philox(key: tuple[int, int], counter: tuple[int, ...]) -> list[int]:
    """One block of Philox 4 × 64 with 10 rounds, from its paper."""
    mask = 2**64 - 1
    a, b, c, d = counter
    k, m = key
    for _ in range(10):
        p, q = 0xD2E7470EE14C6C93 * a, 0xCA5A826395121157 * c
        a, b, c, d = (q >> 64) ^ b ^ k, q & mask, (p >> 64) ^ d ^ m, p & mask
        k, m = (k + 0x9E3779B97F4A7C15) & mask, (m + 0xBB67AE8584CAA73B) & mask
    return [a, b, c, d]


def test_orders_are_those_of_the_numbers_of_philox() -> None:
    # The known answer that its authors publish.
    assert philox((0, 0), (0, 0, 0, 0))[0] == 0x16554D9ECA36314C
    for seed, use, index in ((0, 0, 0), (5, 2, 3), (2**64 - 1, 1, 2**40)):
        # The counter is counted up before a block is made.
        numbers = [x for i in range(1, 4) for x in philox((seed, use), (i, 0, 0, index))]
        expected = sorted(range(12), key=numbers.__getitem__)
        assert permutation(12, seed, use, index).tolist() == expected


def test_training_images_have_mean_0_and_variance_1_in_each_channel() -> None:
    found = split(made(700, channels=3), 600, seed=1)
    images = found.train_images
    assert images.dtype == np.float32
    np.testing.assert_allclose(images.mean(axis=(0, 1, 2), dtype=float), 0, atol=1e-7)
    np.testing.assert_allclose(images.std(axis=(0, 1, 2), dtype=float), 1, atol=1e-7)
    raw = found.dataset.images[found.train].astype(float)
    np.testing.assert_allclose(found.mean, raw.mean(axis=(0, 1, 2)), rtol=1e-14)
    np.testing.assert_allclose(found.deviation, raw.std(axis=(0, 1, 2)), rtol=1e-13)
    # The test images are scaled by the same numbers, of which they know nothing.
    others = found.dataset.images[found.test].astype(float)
    expected = (others - raw.mean(axis=(0, 1, 2))) / raw.std(axis=(0, 1, 2))
    np.testing.assert_allclose(found.test_images, expected, atol=1e-6)
    np.testing.assert_array_equal(found.test_labels, found.test % 3)
    np.testing.assert_array_equal(found.train_labels, found.train % 3)


def test_mean_and_deviation_are_exact() -> None:
    found = split(load_data("digits"), 1000)
    values = Counter(found.dataset.images[found.train].ravel().tolist())
    mean = Fraction(sum(v * c for v, c in values.items()), 64_000)
    variance = Fraction(sum(v * v * c for v, c in values.items()), 64_000) - mean**2
    assert found.mean.tolist() == [float(mean)]
    assert found.deviation.tolist() == [math.sqrt(variance)]


def test_no_number_is_too_large() -> None:
    images = np.full((9, 300, 300, 1), 2**32 - 1, np.uint32)
    images[::2] = 0
    dataset = Dataset("large", images, np.zeros(9, np.int32), 1, "here")
    found = split(dataset, 8)
    share = Fraction(int((found.train % 2 == 1).sum()), 8)
    assert found.mean.tolist() == [float(share * (2**32 - 1))]
    expected = (2**32 - 1) * math.sqrt(share * (1 - share))
    assert found.deviation.tolist() == pytest.approx([expected], rel=1e-15)


@pytest.mark.parametrize(
    ("training", "arguments", "why"),
    [
        (None, {"train": 40}, "39 images of mine to train on, one being left to test on"),
        (None, {"train": 0}, "take 1 to 39; got 0"),
        (None, {"train": -1}, "take 1 to 39; got -1"),
        (None, {"train": 1.5}, "got 1.5"),
        (None, {"train": True}, "got True"),
        (None, {"train": 30, "test": 11}, "there are 10 images of mine left to test on"),
        (None, {"train": 30, "test": 0}, "got 0"),
        (None, {"train": None, "test": 40}, "39 images of mine to test on, one being left"),
        (None, {"train": None}, "mine has 40 images in one pool: say how many"),
        (30, {"train": 31}, "there are 30 images of mine to train on: take 1 to 30; got 31"),
        (30, {"train": 30, "test": 11}, "there are 10 images of mine to test on"),
        (
            None,
            {"train": 5, "seed": -1},
            "a seed must be a whole number from 0 to 2^64 - 1; got -1",
        ),
        (None, {"train": 5, "seed": 2**64}, "a seed must be"),
        (None, {"train": 5, "seed": 0.5}, "a seed must be"),
    ],
)
def test_what_cannot_be_split(training: int | None, arguments: dict[str, Any], why: str) -> None:
    with pytest.raises(ModflowError) as raised:
        split(made(40, training), **arguments)
    assert why in str(raised.value)


def test_equal_pixels_have_no_deviation() -> None:
    dataset = made(40)
    dataset.images[..., 1] = 7
    with pytest.raises(ModflowError, match="all pixels of a channel are equal in the 5 training"):
        split(dataset, 5)
