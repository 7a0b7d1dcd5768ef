"""The 8 × 8 handwritten digits that scikit-learn brings along.

E. Alpaydin & C. Kaynak, *Optical recognition of handwritten digits*, UCI Machine Learning
Repository (1998); scikit-learn's `load_digits` has the 1,797 test images of it.
"""

from __future__ import annotations

from contextlib import suppress
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from jaxtyping import Float

from ...errors import ModflowError
from .dataset import Dataset

SOURCE = "Alpaydin & Kaynak 1998, as bundled with scikit-learn"


def load() -> Dataset:
    """All of the digits, one pool of images of 8 by 8 with values from 0 to 16.

    Raises ModflowError where scikit-learn is not installed.
    """
    table = rows(None, find_spec("sklearn"))
    images = table[:, :-1].astype(np.uint8).reshape(-1, 8, 8, 1)
    return Dataset("digits", images, table[:, -1].astype(np.int32), classes=10, source=SOURCE)


def rows(count: int | None, package: ModuleSpec | None) -> Float[np.ndarray, "n 65"]:
    """So many rows of 64 pixels and a label, at least; None stands for all.

    `package` says where scikit-learn lies. Raises ModflowError where it is not installed.
    """
    # The file is read at once where it is found: to import scikit-learn for it takes ten times as
    # long.
    for folder in (package and package.submodule_search_locations) or ():
        file = Path(folder, "datasets", "data", "digits.csv.gz")
        with suppress(OSError, ValueError):
            return np.loadtxt(file, delimiter=",", max_rows=count, ndmin=2)
    try:
        from sklearn.datasets import load_digits
    except ImportError:
        raise ModflowError(
            "the digits come with scikit-learn, which is not installed: pip install scikit-learn"
        ) from None
    return np.column_stack(load_digits(return_X_y=True))
