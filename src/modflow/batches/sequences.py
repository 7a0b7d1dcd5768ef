"""Sequences of batches as people write them: 0,2,1,1, or a file of them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from ..errors import ModflowError

MAX_SEQUENCE = 1 << 20
"""The longest sequence: no training logs more batches than that between two repetitions."""
_MAX_BYTES = 16 * MAX_SEQUENCE
_NUMBER = re.compile(r"\d{1,9}", re.ASCII)
_SHOWN = 20


def parse_sequence(text: str, name: str = "--sequence") -> list[int]:
    """The batches in ``0,2,1,1``, or in the file behind an @ (``@FILE``).

    A file has one number a line, or commas between them, or both; empty lines count for nothing.

    >>> parse_sequence("0, 2,1,1")
    [0, 2, 1, 1]

    Raises ModflowError, with `name` or the file's name and line in it, for anything else, for
    nothing at all, and for a file that cannot be read.
    """
    text = text.strip()
    if text.startswith("@"):
        lines = [(f"{text[1:]}, line {i}", line) for i, line in _lines(text[1:], name)]
        name = text[1:]
    else:
        lines = [(name, text)] if text else []
    found = [_number(entry, place) for place, line in lines for entry in line.split(",")]
    if not found:
        raise ModflowError(f"{name} has no batches in it: write 0,2,1,1")
    return found


def _number(entry: str, place: str) -> int:
    entry = entry.strip()
    if not _NUMBER.fullmatch(entry):
        shown = entry if len(entry) <= _SHOWN else entry[: _SHOWN - 3] + "..."
        raise ModflowError(
            f"{place}: {shown!r} is no batch, a whole number from 0; write 0,2,1,1 or @FILE"
        )
    return int(entry)


def _lines(path: str, name: str) -> Iterator[tuple[int, str]]:
    """The lines that are not empty, with their numbers; a comma may end one."""
    if not path:
        raise ModflowError(f"{name} @ names no file: write @FILE")
    try:
        with Path(path).open("rb") as file:
            content = file.read(_MAX_BYTES + 1)
        if len(content) > _MAX_BYTES:
            raise ModflowError(f"{path} is too long for a sequence of batches")
        text = content.decode("utf-8-sig")
    except OSError as error:
        raise ModflowError(f"cannot read {path}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise ModflowError(f"{path} is no text") from error
    for i, line in enumerate(text.splitlines(), start=1):
        if line.strip():
            yield i, line.strip().removesuffix(",")
