"""IDX files, against bytes written out by hand."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest

from modflow import ModflowError
from modflow.networks.data.idx import read_idx

HEADER = b"\0\0\x08\x02" + struct.pack(">2I", 2, 3)
BYTES = HEADER + bytes([1, 2, 3, 4, 5, 255])


def refusal(path: Path) -> str:
    with pytest.raises(ModflowError) as raised:
        read_idx(path)
    message = str(raised.value)
    assert str(path) in message
    assert "\n" not in message
    return message


def test_plain_and_compressed(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(BYTES)
    (tmp_path / "a.gz").write_bytes(gzip.compress(BYTES))
    for name in ("a", "a.gz"):
        array = read_idx(tmp_path / name)
        assert array.dtype == np.uint8
        assert array.tolist() == [[1, 2, 3], [4, 5, 255]]
        array[0, 0] = 9  # its memory is its own


@pytest.mark.parametrize(
    ("code", "form", "values", "dtype"),
    [
        (0x09, "b", [-128, 127], np.int8),
        (0x0B, "h", [-300, 300], np.int16),
        (0x0C, "i", [-70000, 70000], np.int32),
        (0x0D, "f", [0.5, -1.25], np.float32),
        (0x0E, "d", [0.1, -1e300], np.float64),
    ],
)
def test_numbers_are_big_endian(
    tmp_path: Path, code: int, form: str, values: list[float], dtype: type
) -> None:
    path = tmp_path / "numbers"
    path.write_bytes(bytes([0, 0, code, 1]) + struct.pack(f">I2{form}", 2, *values))
    array = read_idx(path)
    assert array.dtype == dtype
    assert array.dtype.isnative
    assert array.tolist() == values


def test_no_entries_are_an_array_too(tmp_path: Path) -> None:
    path = tmp_path / "empty"
    path.write_bytes(b"\0\0\x08\x02" + struct.pack(">2I", 0, 3))
    assert read_idx(path).shape == (0, 3)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "is no IDX file: it begins with nothing"),
        (b"\0\0\x08", "is no IDX file: it begins with 00 00 08"),
        (b"<html>404", "is no IDX file: it begins with 3c 68 74 6d"),
        (b"\0\0\x07\x01\0\0\0\0", "unknown IDX type 0x07; known: 0x08"),
        (b"\0\0\x08\0", "without dimensions"),
        (HEADER[:-1], "is truncated: it has 11 bytes, its header alone 12"),
        (BYTES[:-1], "has 17 bytes; its header promises 18, for an array of shape 2 x 3"),
        (BYTES + b"\0", "has 19 bytes; its header promises 18"),
        # More than any memory holds: not to be asked for.
        (b"\0\0\x0e\x03" + b"\xff" * 12 + b"\0", f"promises {16 + 8 * (2**32 - 1) ** 3}"),
        (b"\0\0\x08\x03" + bytes(4) + b"\xff" * 8, "which no array can have"),
        (b"\0\0\x08\xff" + b"\0\0\0\x01" * 255 + b"\0", "1 x 1, which no array can have"),
    ],
)
@pytest.mark.parametrize("name", ["file", "file.gz"])
def test_what_is_no_idx_file(tmp_path: Path, name: str, data: bytes, why: str) -> None:
    path = tmp_path / name
    path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    assert why in refusal(path)


def test_damaged_compression(tmp_path: Path) -> None:
    path = tmp_path / "file.gz"
    whole = gzip.compress(HEADER + bytes(range(6)) * 1)
    flipped = bytearray(gzip.compress(bytes(1000)))
    flipped[15] ^= 0xFF
    for data in (
        whole[:-1],  # EOFError
        whole[:12],
        b"no gzip at all",  # BadGzipFile
        whole[:-8] + bytes(8),  # the checksum
        bytes(flipped),  # zlib.error
    ):
        path.write_bytes(data)
        assert "is truncated or damaged" in refusal(path)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    assert "No such file" in refusal(tmp_path / "nothing")
    assert "cannot read" in refusal(tmp_path)
