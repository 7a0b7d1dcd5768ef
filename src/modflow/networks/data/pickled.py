"""Batches of CIFAR as Python pickled them; nothing in a pickle is run but what arrays need."""

from __future__ import annotations

import codecs
import io
import pickle
from typing import Any

import numpy as np
from jaxtyping import UInt8

from ...errors import ModflowError

PIXELS = 3 * 32 * 32


def read_batch(
    content: bytes, labels: str, where: str
) -> tuple[UInt8[np.ndarray, "n 3072"], np.ndarray]:
    """The pixels, and the labels that have this name in the pickled dictionary.

    Raises ModflowError, with `where` in it, for a pickle that is damaged, that asks for anything
    but an array, or that has something else in it.
    """
    try:
        # CIFAR's were written by Python 2, whose strings are bytes.
        batch = _Unpickler(io.BytesIO(content), encoding="bytes").load()
    except ModflowError as error:
        raise ModflowError(f"{where} is refused: {error}") from None
    except Exception as error:  # bytes that are no pickle make it raise anything
        raise ModflowError(
            f"{where} is truncated or damaged ({type(error).__name__}): fetch it anew"
        ) from error
    pixels, found = (
        batch.get(key.encode()) if type(batch) is dict else None for key in ("data", labels)
    )
    whole = type(found) is list and all(type(x) is int for x in found)
    if type(pixels) is not np.ndarray or not whole:
        raise ModflowError(
            f"{where} is no batch of CIFAR: it needs an array 'data' and whole numbers {labels!r}"
        )
    if pixels.dtype != np.uint8 or pixels.ndim != 2 or pixels.shape[1] != PIXELS:
        raise ModflowError(
            f"{where} has {pixels.dtype} of shape {pixels.shape} as its data; a batch of CIFAR "
            f"has uint8 of shape (n, {PIXELS})"
        )
    return pixels, np.array(found)


class _Unpickler(pickle.Unpickler):
    """Makes arrays of bytes, and what Python has a notation for; any other name is refused."""

    def find_class(self, module: str, name: str) -> Any:
        """What the pickle calls by this name."""
        if (module, name) not in _NAMES:
            raise ModflowError(f"its pickle asks for {module}.{name}, which arrays have no need of")
        return _NAMES[module, name]


_ARRAY = object()
"""Stands for the class of arrays, which a pickle names and need not call."""


def _empty_array(kind: Any, shape: Any, code: Any) -> np.ndarray:
    # What NumPy's function of that name does, for the one class and shape it is called with.
    if kind is not _ARRAY or shape != (0,):
        raise pickle.UnpicklingError("no array")
    return np.ndarray((0,), np.int8)


def _byte(code: Any, align: Any, copy: Any) -> np.dtype[Any]:
    if code not in ("u1", b"u1"):
        raise pickle.UnpicklingError("no array of bytes")
    # A copy, as its state is set next, and NumPy's own type is everyone's.
    return np.dtype("u1", copy=True)


def _latin_1(text: Any, encoding: Any) -> bytes:
    # How Python 3 writes bytes in the old protocols.
    if encoding not in ("latin1", b"latin1"):
        raise pickle.UnpicklingError("no bytes")
    return codecs.latin_1_encode(text)[0]


_NAMES: dict[tuple[str, str], Any] = {
    ("numpy.core.multiarray", "_reconstruct"): _empty_array,
    ("numpy._core.multiarray", "_reconstruct"): _empty_array,
    ("numpy", "ndarray"): _ARRAY,
    ("numpy", "dtype"): _byte,
    ("_codecs", "encode"): _latin_1,
}
