"""CIFAR-10 and CIFAR-100: 32 × 32 colour images, 50,000 to train on and 10,000 to test on.

A. Krizhevsky, *Learning multiple layers of features from tiny images*, technical report,
University of Toronto (2009). Both forms that it comes in are read, the one for C programs and
the one that Python pickled, as a .tar.gz or unpacked; they have the same images in the same order.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Int32, UInt8

from ...errors import ModflowError
from . import pickled
from .dataset import Dataset, absent, as_labels
from .reading import content, members

SOURCE = "Krizhevsky 2009"


@dataclass(frozen=True)
class Form:
    """One of the forms that the files come in."""

    archive: str
    folder: str
    train: tuple[str, ...]
    test: str
    binary: bool


@dataclass(frozen=True)
class Layout:
    """What is in the files of one of the two sets."""

    classes: int
    labels: str
    """The name of the labels in a pickled batch."""
    label_bytes: int
    """How many bytes are before the pixels in a binary record; the last one is the label."""
    forms: tuple[Form, Form]
    train: int = 50_000
    test: int = 10_000


LAYOUTS = {
    "cifar-10": Layout(
        classes=10,
        labels="labels",
        label_bytes=1,
        forms=(
            Form(
                "cifar-10-binary.tar.gz",
                "cifar-10-batches-bin",
                tuple(f"data_batch_{i}.bin" for i in range(1, 6)),
                "test_batch.bin",
                binary=True,
            ),
            Form(
                "cifar-10-python.tar.gz",
                "cifar-10-batches-py",
                tuple(f"data_batch_{i}" for i in range(1, 6)),
                "test_batch",
                binary=False,
            ),
        ),
    ),
    "cifar-100": Layout(
        classes=100,
        # The 100 classes, not the 20 groups of them.
        labels="fine_labels",
        label_bytes=2,
        forms=(
            Form(
                "cifar-100-binary.tar.gz",
                "cifar-100-binary",
                ("train.bin",),
                "test.bin",
                binary=True,
            ),
            Form("cifar-100-python.tar.gz", "cifar-100-python", ("train",), "test", binary=False),
        ),
    ),
}


def load(name: str, folder: Path) -> Dataset:
    """The set of this name in `LAYOUTS`: from files unpacked in the folder, or an archive there.

    Raises ModflowError where there is none, or where a file is missing, damaged, or not of the
    size that it has to be.
    """
    layout = LAYOUTS[name]
    place = _find(layout, folder)
    if place is None:
        archives = " or ".join(form.archive for form in layout.forms)
        raise absent(name, folder, f"{archives}, or one of them unpacked")
    path, form = place
    files = (*form.train, form.test)
    read = _reader(path, form)
    prefix = path if path.is_dir() else path / form.folder
    samples = [layout.train // len(form.train)] * len(form.train) + [layout.test]
    parts = [
        _part(read(file), layout, form, count, str(prefix / file))
        for file, count in zip(files, samples, strict=True)
    ]
    images, labels = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    return Dataset(name, images, labels, layout.classes, SOURCE, training=layout.train)


def missing(name: str, folder: Path) -> list[str]:
    """The archive to fetch, where the set is not in the folder in any form."""
    layout = LAYOUTS[name]
    # The form that has no pickles.
    return [] if _find(layout, folder) else [layout.forms[0].archive]


def _reader(path: Path, form: Form) -> Callable[[str], bytes]:
    """What is in each of the files, which are in a folder or in an archive."""
    if path.is_dir():
        return lambda file: content(path / file)
    inside = members(path, [f"{form.folder}/{file}" for file in (*form.train, form.test)])
    return lambda file: inside[f"{form.folder}/{file}"]


def _find(layout: Layout, folder: Path) -> tuple[Path, Form] | None:
    """The unpacked files, or else the archive; the folder may be the one within the archive."""
    for form in layout.forms:
        if (folder / form.folder).is_dir():
            return folder / form.folder, form
        if folder.resolve().name == form.folder:
            return folder, form
    for form in layout.forms:
        if (folder / form.archive).is_file():
            return folder / form.archive, form
    return None


def _part(
    data: bytes, layout: Layout, form: Form, samples: int, where: str
) -> tuple[UInt8[np.ndarray, "n 32 32 3"], Int32[np.ndarray, " n"]]:
    """The images and labels of one file."""
    if form.binary:
        record = layout.label_bytes + pickled.PIXELS
        if len(data) != samples * record:
            raise ModflowError(
                f"{where} has {len(data)} bytes; {samples} images of {record} bytes each have "
                f"{samples * record}: fetch it anew"
            )
        records = np.frombuffer(data, np.uint8).reshape(samples, record)
        pixels, labels = records[:, layout.label_bytes :], records[:, layout.label_bytes - 1]
    else:
        pixels, labels = pickled.read_batch(data, layout.labels, where)
        if not len(pixels) == len(labels) == samples:
            raise ModflowError(
                f"{where} has {len(pixels)} images and {len(labels)} labels; it must have "
                f"{samples} of each: fetch it anew"
            )
    # The red, green and blue planes one after the other, each row by row.
    images = pixels.reshape(samples, 3, 32, 32).transpose(0, 2, 3, 1)
    return np.ascontiguousarray(images), as_labels(labels, layout.classes, where)
