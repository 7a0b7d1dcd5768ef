"""Files as bytes, plain, compressed or in an archive; what is wrong with one is one line."""

from __future__ import annotations

import gzip
import hashlib
import tarfile
import zlib
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from ...errors import ModflowError

_PIECE = 2**20


def content(path: Path) -> bytes:
    """What is in the file, decompressed where its name ends in .gz.

    Raises ModflowError where it cannot be read, or is truncated or damaged.
    """
    with _named(path):
        if path.suffix == ".gz":
            with gzip.open(path) as file:
                return file.read()
        return path.read_bytes()


def members(path: Path, names: Collection[str]) -> dict[str, bytes]:
    """What is in these files of a .tar.gz archive; nothing is written to the disk.

    Raises ModflowError where the archive cannot be read, is truncated or damaged, or lacks one
    of the files.
    """
    found = {}
    # One pass: to go back in a compressed file is to decompress it from its beginning.
    with _named(path), gzip.open(path) as whole:
        with tarfile.open(fileobj=whole, mode="r|") as archive:
            for member in archive:
                name = str(PurePosixPath(member.name))
                file = archive.extractfile(member) if name in names and member.isreg() else None
                if file is not None:
                    found[name] = file.read()
        # The checksum stands at the end of the compressed file, and is compared there only.
        while whole.read(_PIECE):
            pass
    for name in names:
        if name not in found:
            raise ModflowError(f"{path} has no file {name} in it: fetch it anew")
    return found


@contextmanager
def _named(path: Path) -> Iterator[None]:
    try:
        yield
    except (EOFError, gzip.BadGzipFile, zlib.error, tarfile.TarError) as error:
        raise ModflowError(
            f"{path} is truncated or damaged ({error}): {_found(path)}; delete it, and fetch it "
            "anew"
        ) from error
    except OSError as error:
        raise ModflowError(f"cannot read {path}: {error.strerror or error}") from error


def _found(path: Path) -> str:
    """The size and the SHA-256 of a file, and what the published one has, where that is known."""
    from .download import REMOTES

    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    known = REMOTES.get(path.name)
    published = "" if known is None else f", the published file {known.sha256}"
    return f"it has {path.stat().st_size} bytes and SHA-256 {found}{published}"
