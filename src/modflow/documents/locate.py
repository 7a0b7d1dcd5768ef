"""Which documents are meant."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from ..errors import ModflowError, UnknownNameError
from ..user_modules import real, shown

_FOLDER = "derivations"
_PACKAGE = Path(__file__).resolve().parents[1]


def documents(names: Sequence[str] = (), place: Path | None = None) -> list[Path]:
    """The documents of these names, or all in the default place, each once.

    A name is a module, a folder of them, or the name of a document in the default place without
    its ending, with - or _. The default place is the folder `derivations` of the current one; where
    there is none, the documents that come with modflow. `place` is another for this time.

    Raises UnknownNameError for a name that there is not, and ModflowError for a file that there is
    not, an empty folder, or two documents that would be written to the same files.
    """
    at = default_place() if place is None else place
    found = [path for name in names for path in _named(name, at)] if names else _all_in(at)
    by_stem: dict[str, Path] = {}
    for path in found:
        other = by_stem.setdefault(path.stem.casefold(), path)
        if real(other) != real(path):
            raise ModflowError(f"{other} and {path} would be written to the same files")
    return list(by_stem.values())


def default_place() -> Path:
    """Where documents are looked for; where it is changes as folders come and go."""
    here, shipped = Path(_FOLDER), _PACKAGE / _FOLDER
    if here.is_dir():
        return here
    # Not installed, modflow is src/modflow beside its documents.
    return shipped if shipped.is_dir() else _PACKAGE.parents[1] / _FOLDER


def _named(name: str, place: Path) -> list[Path]:
    if not name:
        raise ModflowError("the name of a document is empty")
    path = Path(name)
    known = {document.stem: document for document in _modules(place)}
    alike = {_plain(stem): document for stem, document in known.items()}
    if name in known:
        return [known[name]]
    if path.is_dir():
        return _all_in(path)
    # What is wrong with a link that leads nowhere, whoever opens it will say.
    if path.is_file() or path.is_symlink():
        if path.suffix != ".py":
            raise ModflowError(f"{path} is no document: a document is a Python module, NAME.py")
        return [path]
    if _plain(name) in alike:
        return [alike[_plain(name)]]
    if path.suffix == ".py" or "/" in name or os.sep in name:
        kind = "file" if path.suffix == ".py" else "file or folder"
        raise ModflowError(f"there is no {kind} {shown(name)}")
    raise UnknownNameError("document", name, known)


def _all_in(folder: Path) -> list[Path]:
    if found := _modules(folder):
        return found
    raise ModflowError(f"there are no documents in {folder}: modules NAME.py, without _ in front")


def _modules(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*.py") if not path.name.startswith("_"))


def _plain(name: str) -> str:
    return name.removesuffix(".py").replace("-", "_")
