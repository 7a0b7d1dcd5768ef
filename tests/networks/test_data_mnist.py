"""MNIST: small files in its form, and the real test images where they are beside the checkout."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest

from modflow import ModflowError
from modflow.networks.data import load_data, resized, split

REAL = Path(__file__).parents[3] / "shared/data/mnist"
TRAIN = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte")
TEST = ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")


def write(path: Path, array: np.ndarray) -> None:
    data = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)


def make(folder: Path, names: tuple[str, str], n: int, first: int = 0, ending: str = "") -> None:
    images = np.arange(first, first + n * 12, dtype=np.uint8).reshape(n, 3, 4)
    write(folder / (names[0] + ending), images)
    write(folder / (names[1] + ending), np.arange(n, dtype=np.uint8) % 10)


@pytest.mark.parametrize("ending", ["", ".gz"])
def test_both_parts(tmp_path: Path, ending: str) -> None:
    make(tmp_path, TRAIN, 5, ending=ending)
    make(tmp_path, TEST, 3, first=100, ending=ending)
    found = load_data("mnist", tmp_path)
    assert found.training == 5
    assert found.classes == 10
    assert found.images.shape == (8, 3, 4, 1)
    assert found.images[:5].ravel().tolist() == list(range(60))
    assert found.images[5:].ravel().tolist() == list(range(100, 136))
    assert found.labels.tolist() == [0, 1, 2, 3, 4, 0, 1, 2]
    assert found.labels.dtype == np.int32


@pytest.mark.parametrize(("names", "part"), [(TRAIN, "training"), (TEST, "test")])
def test_one_part_alone_is_one_pool(tmp_path: Path, names: tuple[str, str], part: str) -> None:
    make(tmp_path, names, 4)
    found = load_data("mnist", tmp_path)
    assert found.training is None
    assert len(found.images) == 4
    assert found.source.endswith(f"its {part} part alone")


def test_the_folder_may_be_the_one_above(tmp_path: Path) -> None:
    (tmp_path / "mnist").mkdir()
    make(tmp_path / "mnist", TEST, 4)
    assert len(load_data("mnist", tmp_path).images) == 4
    assert len(load_data("mnist", str(tmp_path / "mnist")).images) == 4


def refusal(folder: Path) -> str:
    with pytest.raises(ModflowError) as raised:
        load_data("mnist", folder)
    assert "\n" not in str(raised.value)
    return str(raised.value)


def test_missing_files_are_named_with_where_they_were_looked_for(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "nowhere"):
        message = refusal(folder)
        for expected in (*TRAIN, *TEST, str(folder), "--data-dir", "--download"):
            assert expected in message
    make(tmp_path, TEST, 4)
    (tmp_path / TEST[1]).unlink()
    assert f"{tmp_path} lacks {TEST[1]}, plain or .gz" in refusal(tmp_path)
    make(tmp_path, TEST, 4)
    make(tmp_path, TRAIN, 4)
    (tmp_path / TRAIN[0]).unlink()
    # A part that is half there is not passed over for the other.
    assert f"{tmp_path} lacks {TRAIN[0]}" in refusal(tmp_path)


def test_files_that_do_not_belong_together(tmp_path: Path) -> None:
    make(tmp_path, TEST, 4)
    write(tmp_path / TEST[1], np.zeros(3, np.uint8))
    assert f"4 images in {TEST[0]}, but 3 labels in {TEST[1]}" in refusal(tmp_path)
    write(tmp_path / TEST[1], np.array([0, 1, 10, 2], np.uint8))
    assert f"{tmp_path / TEST[1]} has the label 10; classes are 0 to 9" in refusal(tmp_path)
    write(tmp_path / TEST[1], np.zeros((4, 3, 4), np.uint8))
    assert "in 3 dimensions; t10k-labels-idx1-ubyte has uint8 in 1" in refusal(tmp_path)
    make(tmp_path, TEST, 4)
    make(tmp_path, TRAIN, 4)
    write(tmp_path / TRAIN[0], np.zeros((4, 5, 5), np.uint8))
    assert "of different sizes" in refusal(tmp_path)
    write(tmp_path / TRAIN[0], np.zeros((0, 3, 4), np.uint8))
    assert f"0 images in {TRAIN[0]}, but 4" in refusal(tmp_path)


def test_no_images_are_no_data_set(tmp_path: Path) -> None:
    write(tmp_path / TEST[0], np.zeros((0, 28, 28), np.uint8))
    write(tmp_path / TEST[1], np.zeros(0, np.uint8))
    assert "images of mnist must be bytes" in refusal(tmp_path)


@pytest.mark.skipif(not REAL.is_dir(), reason=f"no MNIST files in {REAL.parts[-3:]}")
def test_the_real_test_images() -> None:
    found = load_data("mnist", REAL)
    assert found.images.shape[1:] == (28, 28, 1)
    if found.training is None:
        images, labels = found.images, found.labels
    else:
        images, labels = found.images[found.training :], found.labels[found.training :]
    # As everyone counts them.
    assert np.bincount(labels).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert labels[:10].tolist() == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]
    assert images.mean() / 255 == pytest.approx(0.1325, abs=1e-4)
    chosen = split(resized(found, 14), train=1000, seed=3)
    assert chosen.train_images.shape == (1000, 14, 14, 1)
    assert chosen.train_images.mean() == pytest.approx(0, abs=1e-5)
    assert chosen.train_images.std() == pytest.approx(1, abs=1e-5)
