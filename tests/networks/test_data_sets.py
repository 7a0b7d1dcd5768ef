"""Data sets by name, and what makes one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from modflow import ModflowError, UnknownNameError
from modflow.networks.data import DATA_SETS, Dataset, load_data, resized


def test_the_digits_are_those_of_scikit_learn() -> None:
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    found = load_data("digits")
    assert found.images.shape == (1797, 8, 8, 1)
    assert found.images.dtype == np.uint8
    assert found.labels.dtype == np.int32
    assert found.training is None
    np.testing.assert_array_equal(found.images.reshape(-1, 64), images)
    np.testing.assert_array_equal(found.labels, labels)


def test_names() -> None:
    assert DATA_SETS == ("digits", "mnist", "cifar-10", "cifar-100")
    with pytest.raises(
        UnknownNameError, match=r"unknown data set 'cifar10': did you mean 'cifar-10"
    ):
        load_data("cifar10")


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    path = tmp_path / "t10k-images-idx3-ubyte.gz"
    path.write_bytes(b"")
    with pytest.raises(ModflowError, match=r"is a file: --data-dir takes the folder"):
        load_data("mnist", path)


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    for name in ("mnist", "cifar-100"):
        with pytest.raises(ModflowError, match=r"nope, which .*; there is no such folder: give"):
            load_data(name, tmp_path / "nope")
    with pytest.raises(ModflowError, match="File name too long"):
        load_data("cifar-10", "x" * 5000)


def test_the_import_is_light() -> None:
    code = "import sys, modflow.networks.data as d; d.load_data('digits'); print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert not {"jax", "pooch", "requests", "sklearn"} & set(loaded)


IMAGES = np.arange(4 * 6 * 6 * 2, dtype=np.uint8).reshape(4, 6, 6, 2)
LABELS = np.array([0, 1, 2, 1], np.int32)


@pytest.mark.parametrize(
    ("images", "labels", "training", "why"),
    [
        (IMAGES * 1.0, LABELS, None, "must be bytes"),
        (IMAGES[0], LABELS, None, "must be bytes"),
        (IMAGES[:0], LABELS[:0], None, "must be bytes"),
        (IMAGES[:3], LABELS, None, "has 3 images, but 4 labels"),
        (IMAGES, LABELS.astype(np.int64), None, "must be int32; got int64"),
        (IMAGES, LABELS + np.int32(1), None, "has the label 3; classes are 0 to 2"),
        (IMAGES, LABELS - np.int32(1), None, "has the label -1"),
        (IMAGES, LABELS, 4, "must be 1 to 3 of its 4 images; got 4"),
        (IMAGES, LABELS, 0, "got 0"),
    ],
)
def test_what_makes_no_data_set(
    images: np.ndarray, labels: np.ndarray, training: int | None, why: str
) -> None:
    with pytest.raises(ModflowError) as raised:
        Dataset("mine", images, labels, 3, "here", training)
    assert why in str(raised.value)
    assert "mine" in str(raised.value)


def by_hand(images: np.ndarray, size: int) -> np.ndarray:
    """Each pixel repeated so that the areas are whole, and then means of blocks."""
    fine = images.repeat(size, axis=1).repeat(size, axis=2)
    n, height, width, channels = fine.shape
    blocks = fine.reshape(n, size, height // size, size, width // size, channels)
    return blocks.mean(axis=(2, 4))


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 6])
def test_fewer_pixels_are_means_over_areas_up_to_a_factor(size: int) -> None:
    dataset = Dataset("mine", IMAGES, LABELS, 3, "here", 3)
    found = resized(dataset, size)
    means = by_hand(IMAGES, size)
    assert found.images.dtype.kind == "u"
    factor = (6 // np.gcd(6, size)) ** 2
    np.testing.assert_allclose(found.images / factor, means, rtol=1e-14)
    assert (found.labels is dataset.labels, found.training) == (True, 3)


def test_halved_images_are_sums_of_four() -> None:
    found = resized(Dataset("mine", IMAGES, LABELS, 3, "here"), 3).images
    wide = IMAGES.astype(int)
    four = wide[:, ::2, ::2] + wide[:, 1::2, ::2] + wide[:, ::2, 1::2] + wide[:, 1::2, 1::2]
    np.testing.assert_array_equal(found, four)
    same = resized(Dataset("mine", IMAGES, LABELS, 3, "here"), 6).images
    np.testing.assert_array_equal(same, IMAGES)


def test_images_need_not_be_square_nor_channels_alike() -> None:
    tall = np.random.default_rng(0).integers(0, 256, (3, 9, 4, 3), dtype=np.uint8)
    found = resized(Dataset("tall", tall, LABELS[:3], 3, "here"), 2).images
    means = np.stack(
        [
            tall[:, :4].mean((1,)) * 4 / 4.5 + tall[:, 4] * 0.5 / 4.5,
            tall[:, 5:].mean((1,)) * 4 / 4.5 + tall[:, 4] * 0.5 / 4.5,
        ],
        axis=1,
    )
    means = (means[:, :, ::2] + means[:, :, 1::2]) / 2
    np.testing.assert_allclose(found / (9 * 2), means, rtol=1e-12)


@pytest.mark.parametrize("size", [0, -1, 7, 2.0, True])
def test_sizes_that_cannot_be(size: int) -> None:
    with pytest.raises(ModflowError, match=r"size of mine must be a whole number from 1 to 6; got"):
        resized(Dataset("mine", IMAGES, LABELS, 3, "here"), size)
