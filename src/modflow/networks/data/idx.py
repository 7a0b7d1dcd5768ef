"""IDX, the format of MNIST: a header of big-endian numbers, then an array.

Two zero bytes, the code of the data type, the number of dimensions, each dimension in four
bytes, and the entries, the last index fastest.
"""

from __future__ import annotations

import math
import struct
from pathlib import Path

import numpy as np

from ...errors import ModflowError
from .reading import content

_TYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}


def read_idx(path: Path) -> np.ndarray:
    """The array in an IDX file, plain or .gz, of the shape and the type that its header says.

    Raises ModflowError where the file cannot be read, is damaged, is no IDX file, or has not
    exactly as many bytes as its header promises.
    """
    data = content(path)
    if len(data) < 4 or data[:2] != b"\0\0":
        raise ModflowError(
            f"{path} is no IDX file: it begins with {data[:4].hex(' ') or 'nothing'}, not with "
            "two zero bytes, a type and a number of dimensions"
        )
    code, dimensions = data[2], data[3]
    if code not in _TYPES:
        known = ", ".join(f"0x{each:02X}" for each in _TYPES)
        raise ModflowError(f"{path} is of the unknown IDX type 0x{code:02X}; known: {known}")
    if not dimensions:
        raise ModflowError(f"{path} is an IDX file without dimensions; it must have at least one")
    start = 4 + 4 * dimensions
    if len(data) < start:
        raise ModflowError(
            f"{path} is truncated: it has {len(data)} bytes, its header alone {start}"
        )
    shape = struct.unpack(f">{dimensions}I", data[4:start])
    kind = np.dtype(_TYPES[code])
    promised, shown = start + math.prod(shape) * kind.itemsize, " x ".join(map(str, shape))
    if len(data) != promised:
        raise ModflowError(
            f"{path} has {len(data)} bytes; its header promises {promised}, for an array of shape "
            f"{shown}: fetch it anew"
        )
    try:
        array = np.frombuffer(data, kind, offset=start).reshape(shape)
    except ValueError as error:  # of too many dimensions, or without entries and too large
        raise ModflowError(f"{path} has the shape {shown}, which no array can have") from error
    # A copy, in the order of the machine's bytes: what lies on bytes cannot be written to.
    return array.astype(kind.newbyteorder("="))
