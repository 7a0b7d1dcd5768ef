"""The data sets that the command line knows by name."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from ...errors import ModflowError, UnknownNameError
from . import cifar, digits, mnist
from .dataset import Dataset
from .download import cache, fetch

_Load = Callable[[Path], Dataset]
_Missing = Callable[[Path], list[str]]

_IN_FOLDERS: dict[str, tuple[_Load, _Missing]] = {
    "mnist": (mnist.load, mnist.missing),
    **{name: (partial(cifar.load, name), partial(cifar.missing, name)) for name in cifar.LAYOUTS},
}
DATA_SETS = ("digits", *_IN_FOLDERS)


def load_data(
    name: str,
    data_dir: str | Path | None = None,
    download: bool = False,
    *,
    announce: Callable[[str], object] | None = None,
) -> Dataset:
    """The data set of that name: `digits`, `mnist`, `cifar-10` or `cifar-100`.

    The digits come with scikit-learn. The others are read from `data_dir`, or its folder of the
    set's name where it has one; without it, from the folder of that name in `$MODFLOW_DATA_DIR`,
    or else in the user's cache. Only with `download` is what is not there fetched from the net;
    `announce` is told of each download in one line.

    Raises UnknownNameError for another name, ModflowError where files are missing, damaged or
    cannot be fetched.
    """
    if name not in DATA_SETS:
        raise UnknownNameError("data set", name, DATA_SETS)
    if name not in _IN_FOLDERS:
        return digits.load()
    load, missing = _IN_FOLDERS[name]
    try:
        folder = _folder(name, data_dir)
    except OSError as error:  # a name that is too long, a folder that may not be looked into
        raise ModflowError(f"cannot look into {data_dir}: {error.strerror or error}") from error
    if download:
        for file in missing(folder):
            fetch(file, folder, announce=announce)
    return load(folder)


def _folder(name: str, data_dir: str | Path | None) -> Path:
    if data_dir is None:
        return cache() / name
    given = Path(data_dir).expanduser()
    if given.exists() and not given.is_dir():
        raise ModflowError(f"{given} is a file: --data-dir takes the folder that the data is in")
    return given / name if (given / name).is_dir() else given
