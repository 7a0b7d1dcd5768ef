"""Writing results so that a reader never sees half a file."""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
from pathlib import Path

from .errors import ModflowError

FIGURE_FORMATS = ("pdf", "png", "svg")


def check_figure_format(path: Path) -> None:
    """Raise ModflowError unless the file's ending names a format of a figure."""
    if path.suffix.lstrip(".").lower() not in FIGURE_FORMATS:
        raise ModflowError(f"cannot plot to {path}: its ending must be .pdf, .png or .svg")


def check_writable(path: Path) -> None:
    """Raise ModflowError if a file cannot be made there: before the work, not after it."""
    if path.is_dir():
        raise ModflowError(f"cannot write {path}: it is a folder")
    if not path.parent.is_dir():
        raise ModflowError(f"cannot write {path}: there is no folder {path.parent}")
    if path.exists() and not os.access(path, os.W_OK):
        raise ModflowError(f"cannot write {path}: permission denied")
    if _is_regular(path):
        try:
            tempfile.TemporaryFile(dir=path.resolve().parent).close()
        except OSError as error:
            raise ModflowError(f"cannot write {path}: {error.strerror or error}") from error


def write_atomically(path: Path, content: bytes) -> None:
    """Replace the file in one step; where that fails, the old one stays as it was.

    Permissions are kept, links followed. A device or a pipe is written to, not replaced.
    Raises ModflowError with the system's reason, such as a full disk.
    """
    try:
        if not _is_regular(path):
            path.write_bytes(content)
            return
        target = path.resolve()
        temporary = target.with_name(f".modflow-{secrets.token_hex(6)}")
        try:
            with temporary.open("xb") as file:
                file.write(content)
            if target.exists():
                shutil.copymode(target, temporary)
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise ModflowError(f"cannot write {path}: {error.strerror or error}") from error


def _is_regular(path: Path) -> bool:
    return path.is_file() or not path.exists()
