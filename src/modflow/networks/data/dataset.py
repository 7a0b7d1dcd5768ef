"""What a data set is: images of whole numbers, and the class of each."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Int32, UInt

from ...errors import ModflowError

WHERE_ELSE = "give its folder with --data-dir, or fetch it with --download"
"""What helps where files are not found."""


def absent(name: str, folder: Path, files: str) -> ModflowError:
    """What is said where a folder has nothing of a data set, which would be these files."""
    there = "" if folder.is_dir() else "; there is no such folder"
    return ModflowError(f"no {name} in {folder}, which would be {files}{there}: {WHERE_ELSE}")


_TYPES = (np.uint8, np.uint16, np.uint32)


@dataclass(frozen=True, eq=False)
class Dataset:
    """Images and labels as their source has them; `split` says what is trained on.

    Raises ModflowError for shapes that do not fit, and labels that are no class.
    """

    name: str
    images: UInt[np.ndarray, "n height width channels"]
    """Bytes, or larger numbers where `resized` made them."""
    labels: Int32[np.ndarray, " n"]
    classes: int
    source: str
    training: int | None = None
    """How many images are the standard training part, which is first, and the rest the standard
    test part. None where there is one pool to take both from."""

    def __post_init__(self) -> None:
        images, labels = self.images, self.labels
        if images.dtype not in _TYPES or images.ndim != 4 or 0 in images.shape:
            raise ModflowError(
                f"the images of {self.name} must be bytes [n, height, width, channels]; got "
                f"{images.dtype} of shape {images.shape}"
            )
        if len(images) != len(labels):
            raise ModflowError(f"{self.name} has {len(images)} images, but {len(labels)} labels")
        if labels.dtype != np.int32:
            raise ModflowError(f"the labels of {self.name} must be int32; got {labels.dtype}")
        as_labels(labels, self.classes, self.name)
        if self.training is not None and not 1 <= self.training < len(images):
            raise ModflowError(
                f"the standard training part of {self.name} must be 1 to {len(images) - 1} of its "
                f"{len(images)} images; got {self.training}"
            )

    @property
    def pool(self) -> tuple[UInt[np.ndarray, "n height width channels"], Int32[np.ndarray, " n"]]:
        """All images, and their labels."""
        return self.images, self.labels


def as_labels(values: np.ndarray, classes: int, where: str) -> Int32[np.ndarray, " n"]:
    """The labels as int32.

    Raises ModflowError, with `where` in it, for one that is not among 0, ..., `classes` - 1.
    """
    if values.ndim != 1 or not np.issubdtype(values.dtype, np.integer):
        raise ModflowError(f"the labels of {where} must be whole numbers in one row")
    wrong = values[(values < 0) | (values >= classes)]
    if wrong.size:
        raise ModflowError(f"{where} has the label {wrong[0]}; classes are 0 to {classes - 1}")
    return values.astype(np.int32)
