"""MNIST: 28 × 28 handwritten digits, 60,000 to train on and 10,000 to test on.

Y. LeCun, L. Bottou, Y. Bengio & P. Haffner, *Gradient-based learning applied to document
recognition*, Proc. IEEE 86 (1998).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from jaxtyping import Int32, UInt8

from ...errors import ModflowError
from .dataset import WHERE_ELSE, Dataset, absent, as_labels
from .idx import read_idx

SOURCE = "LeCun, Bottou, Bengio & Haffner 1998"
_TRAIN = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte")
_TEST = ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")


def load(folder: Path) -> Dataset:
    """MNIST from its IDX files in the folder, plain or .gz.

    Where only one of the two parts is there, it is the one pool that samples are taken from.
    Raises ModflowError where there is none, a file is missing from a pair, or one is damaged.
    """
    there = [part for part in (_TRAIN, _TEST) if any(_find(folder, name) for name in part)]
    if not there:
        files = f"{_TRAIN[0]} and {_TRAIN[1]}, or {_TEST[0]} and {_TEST[1]}, plain or .gz"
        raise absent("MNIST", folder, files)
    parts = [_part(folder, names) for names in there]
    shapes = {images.shape[1:] for images, _ in parts}
    if len(shapes) > 1:
        raise ModflowError(
            f"the images in {folder} are of different sizes in {_TRAIN[0]} and {_TEST[0]}"
        )
    images, labels = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    if len(parts) == 2:
        return Dataset("mnist", images, labels, 10, SOURCE, training=len(parts[0][1]))
    only = "training" if there == [_TRAIN] else "test"
    return Dataset("mnist", images, labels, 10, f"{SOURCE}; its {only} part alone")


def missing(folder: Path) -> list[str]:
    """The files to fetch, for both parts to be there."""
    return [f"{name}.gz" for name in (*_TRAIN, *_TEST) if _find(folder, name) is None]


def _find(folder: Path, name: str) -> Path | None:
    return next((p for p in (folder / name, folder / f"{name}.gz") if p.is_file()), None)


def _part(
    folder: Path, names: tuple[str, str]
) -> tuple[UInt8[np.ndarray, "n height width 1"], Int32[np.ndarray, " n"]]:
    arrays = []
    for name, dimensions in zip(names, (3, 1), strict=True):
        path = _find(folder, name)
        if path is None:
            raise ModflowError(f"{folder} lacks {name}, plain or .gz, of MNIST: {WHERE_ELSE}")
        array = read_idx(path)
        if array.ndim != dimensions or array.dtype != np.uint8:
            raise ModflowError(
                f"{path} has {array.dtype} in {array.ndim} dimensions; {name} has uint8 in "
                f"{dimensions}"
            )
        arrays.append(array)
        if dimensions == 1:
            arrays[1] = as_labels(array, 10, str(path))
    if len(arrays[0]) != len(arrays[1]):
        raise ModflowError(
            f"{folder} has {len(arrays[0])} images in {names[0]}, but {len(arrays[1])} labels in "
            f"{names[1]}"
        )
    return arrays[0][..., None], arrays[1]
