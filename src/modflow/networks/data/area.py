"""Fewer pixels: each new one is the mean over the area that it covers, up to a common factor."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from jaxtyping import Float64

from ...errors import ModflowError
from ...grid import is_whole
from .dataset import Dataset

_PIECE = 512
"""So many images are in float64 at a time."""


def resized(dataset: Dataset, size: int) -> Dataset:
    """The data set with images of `size` by `size` pixels, by sums over areas.

    Where `size` does not divide the extent, a pixel on the border of two areas counts for each with
    its share, as many times over as make all shares whole. So the new pixels are whole numbers, a
    common factor times the means; 28 by 28 pixels become 14 by 14 by sums of four. The factor is
    none of a network's business, as what it sees is divided by the standard deviation.

    Raises ModflowError unless the size is a whole number from 1 to the extent of the images.
    """
    count, height, width, channels = dataset.images.shape
    if not is_whole(size) or not 1 <= size <= min(height, width):
        raise ModflowError(
            f"the size of {dataset.name} must be a whole number from 1 to {min(height, width)}; "
            f"got {size!r}"
        )
    rows, columns = _shares(height, size), _shares(width, size)
    # Products of whole numbers below 2^53 are exact in float64, in whatever order they are summed.
    largest = int(dataset.images.max()) * int(rows[0].sum()) * int(columns[0].sum())
    result = np.empty((count, size, size, channels), np.min_scalar_type(largest))
    for start in range(0, count, _PIECE):
        planes = dataset.images[start : start + _PIECE].transpose(0, 3, 1, 2).astype(np.float64)
        result[start : start + _PIECE] = (rows @ planes @ columns.T).transpose(0, 2, 3, 1)
    return replace(dataset, images=result)


def _shares(extent: int, size: int) -> Float64[np.ndarray, "{size} {extent}"]:
    """How much of each old pixel is in each new one, along one direction."""
    # In units in which both old and new pixels end at whole numbers.
    common = np.gcd(extent, size)
    old, new = size // common, extent // common
    begin, start = np.arange(extent) * old, np.arange(size)[:, None] * new
    overlap = np.minimum(begin + old, start + new) - np.maximum(begin, start)
    return np.maximum(overlap, 0).astype(np.float64)
