"""What a document was built from, so that it need not be built from the same again."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from ..errors import ModflowError
from ..files import write_atomically
from ..user_modules import real

_PACKAGE = Path(__file__).resolve().parents[1]
_VERSION = 1
_DISTRIBUTIONS = (
    "sympy",
    "python-flint",
    "numpy",
    "scipy",
    "jax",
    "jaxlib",
    "diffrax",
    "scikit-learn",
    "matplotlib",
    "markdown-it-py",
    "mdit-py-plugins",
    "citeproc-py",
    "pypandoc",
    "pypandoc_binary",
    "typst",
    "optax",
)
_PROGRAMS = "pandoc", "latexmk", "lualatex", "xelatex", "pdflatex", "tectonic"
_VARIABLES = ("SOURCE_DATE_EPOCH",)


def environment(engine: str) -> str:
    """A hash of all that every document depends on: modflow itself, libraries, programs."""
    found = {
        "python": platform.python_version(),
        "engine": engine,
        "versions": {name: _version(name) for name in _DISTRIBUTIONS},
        "programs": {name: shutil.which(name) for name in _PROGRAMS},
        "variables": {name: os.environ.get(name) for name in _VARIABLES},
        "modflow": {
            path.relative_to(_PACKAGE).as_posix(): digest(path) for path in sorted(_sources())
        },
    }
    return _hash(json.dumps(found, sort_keys=True).encode())


def fingerprint(environment: str, document: Path, inputs: Iterable[Path]) -> str:
    """A hash of the environment and of what a document was made from."""
    contents = {_from(document, path): digest(path) for path in (document, *inputs)}
    return _hash(json.dumps([environment, contents], sort_keys=True).encode())


def digest(path: Path) -> str | None:
    """A hash of a file's contents; None where it cannot be read."""
    try:
        return _hash(path.read_bytes())
    except OSError:
        return None


@dataclass(frozen=True)
class Record:
    """What is known about a document from the last time it was built."""

    fingerprint: str | None = None
    """None where it has to be built again in any case."""
    seconds: float | None = None
    equations: int | None = None
    inputs: Sequence[str] = ()
    """As seen from the document's folder."""
    files: Mapping[str, str | None] = field(default_factory=dict)
    """Hashes of what was written, by names as seen from the folder for it."""

    @classmethod
    def of(
        cls,
        fingerprint: str | None,
        document: Path,
        out: Path,
        *,
        seconds: float,
        equations: int | None = None,
        inputs: Iterable[Path] = (),
        files: Iterable[Path] = (),
    ) -> Record:
        """The record of a document that was built now."""
        return cls(
            fingerprint,
            seconds,
            equations,
            [_from(document, path) for path in inputs],
            {_relative(path, out): digest(path) for path in files},
        )

    def input_paths(self, document: Path) -> list[Path]:
        """Where the inputs are."""
        return [document.parent / name for name in self.inputs]

    def output_paths(self, out: Path) -> list[Path]:
        """Where the files are that were written."""
        return [out / name for name in self.files]

    def is_current(self, environment: str, document: Path, out: Path) -> bool:
        """Whether the document would be written again as it is."""
        if self.fingerprint is None or not self.files:
            return False
        if any(h is None or digest(out / name) != h for name, h in self.files.items()):
            return False
        return self.fingerprint == fingerprint(environment, document, self.input_paths(document))

    def save(self, document: Path, out: Path) -> None:
        """Keep it in the folder of what is written; where that fails, it is not known next time."""
        path = _place(document, out)
        try:
            path.parent.mkdir(exist_ok=True)
            content = {"version": _VERSION, **asdict(self)}
            write_atomically(path, (json.dumps(content, indent=1) + "\n").encode())
        except (OSError, ModflowError):
            with suppress(OSError):
                path.unlink()


def record(document: Path, out: Path) -> Record | None:
    """The record there is; one that knows nothing where it is damaged, None where there is none."""
    try:
        content = json.loads(_place(document, out).read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError):
        return Record()
    known = {
        "version": int,
        "fingerprint": str | None,
        "seconds": float | int | None,
        "equations": int | None,
        "inputs": list,
        "files": dict,
    }
    if (
        not isinstance(content, dict)
        or content.keys() != known.keys()
        or not all(isinstance(content[name], kind) for name, kind in known.items())
        or content.pop("version") != _VERSION
        or not all(isinstance(name, str) for name in (*content["inputs"], *content["files"]))
    ):
        return Record()
    return Record(**content)


def _place(document: Path, out: Path) -> Path:
    return out / ".modflow" / f"{document.stem}.json"


def _sources() -> Iterable[Path]:
    for path in _PACKAGE.rglob("*"):
        if "__pycache__" not in path.parts and path.is_file():
            yield path


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _from(document: Path, path: Path) -> str:
    return _relative(path, document.parent)


def _relative(path: Path, folder: Path) -> str:
    try:
        return Path(os.path.relpath(real(path), real(folder))).as_posix()
    except ValueError:  # on another drive
        return real(path).as_posix()


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
