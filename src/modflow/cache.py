"""What has been computed once, kept in a folder: derived coefficients and compiled programs.

There is a cache only where the environment variable MODFLOW_CACHE names a folder. What is kept
there is found again by all that it depends on, modflow's own source files among it, and is read
back only as it was written: a damaged file is made anew.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
from collections.abc import Callable, Sequence
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from .errors import ModflowError
from .files import write_atomically

VARIABLE = "MODFLOW_CACHE"
_MATTER = ("sympy", "python-flint", "numpy")
"""Packages whose versions decide what a text looks like."""


def folder() -> Path | None:
    """The folder of the cache; None where there is none. Raises ModflowError for ~ of nobody.

    A relative name, or one with ~, is resolved when it is first used, and the variable with it:
    it stays that folder wherever this process, or one that it starts, goes later.
    """
    named = os.environ.get(VARIABLE, "").strip()
    if not named:
        return None
    place = Path(os.path.abspath(os.path.expanduser(named)))
    if named.startswith("~") and os.path.expanduser(named) == named:
        raise ModflowError(f"{VARIABLE}={named}: there is no such user, or no home is known")
    if str(place) != os.environ[VARIABLE]:
        os.environ[VARIABLE] = str(place)
    return place


def check() -> None:
    """Raise ModflowError where MODFLOW_CACHE names what cannot be a folder: before the work."""
    place = folder()
    if place is None:
        return
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ModflowError(f"{VARIABLE}={place}: {error.strerror or error}") from error
    if not os.access(place, os.W_OK):
        raise ModflowError(f"{VARIABLE}={place}: permission denied")


def keep_programs() -> None:
    """Have JAX keep what it compiles; before JAX is imported, here and in processes begun later.

    Programs are for one kind of processor: on another one, which has other instructions, a copy of
    the folder is of no use, and does no harm. What JAX's own variables say comes first.
    """
    place = folder()
    if place is None:
        return
    os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(place / "programs" / _processor()))
    # Most programs of an audit are small, and take long only together.
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "-1")


def kept(kind: str, key: Sequence[str], make: Callable[[], str]) -> str:
    """The text that `make` makes, or has made before for this key; without a cache, made now.

    `key` is all that the text depends on, but for modflow itself. A folder that cannot be written
    to costs time and nothing else.
    """
    place = folder()
    if place is None:
        return make()
    name = _digest(json.dumps([kind, _code(), *key]).encode())
    path = place / kind / f"{name}.txt"
    found = _read(path)
    if found is None:
        found = make()
        body = found.encode()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(path, f"{_checksum(path, body)}\n".encode() + body)
        except (OSError, ModflowError):
            pass
    return found


def _read(path: Path) -> str | None:
    try:
        digest, _, body = path.read_bytes().partition(b"\n")
        return body.decode() if digest.decode() == _checksum(path, body) else None
    except (OSError, UnicodeDecodeError):
        return None


def _checksum(path: Path, body: bytes) -> str:
    """Also of the name, which is that of the key: another entry's file in its place is damage."""
    return _digest(f"{path.parent.name}/{path.name}\n".encode() + body)


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@cache
def _code() -> str:
    """All of modflow's source, and the versions of what it computes with."""
    found = hashlib.sha256()
    root = Path(__file__).parent
    for path in sorted(root.rglob("*.py")):
        found.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes())
    for name in _MATTER:
        try:
            found.update(f"{name} {version(name)}\n".encode())
        except PackageNotFoundError:
            found.update(f"{name} ?\n".encode())
    return found.hexdigest()


def _processor() -> str:
    """What kind of processor this is: programs hold its instructions."""
    features = ""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        features = next((line for line in lines if line.startswith(("flags", "Features"))), "")
    except OSError:  # there is no such file elsewhere
        features = platform.processor()
    words = " ".join(sorted(features.split()))
    return f"{platform.machine()}-{_digest(words.encode())[:12]}"
