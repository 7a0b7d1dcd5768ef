"""Modules that users write: documents, claims. Loaded from a file; what they raise in one line."""

from __future__ import annotations

import importlib.util
import os
import sys
import sysconfig
import traceback
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

from .errors import ModflowError


@dataclass
class Surroundings:
    """A folder, and the modules in it that have been imported from there."""

    folder: Path
    modules: dict[str, ModuleType] = field(default_factory=dict)

    @contextmanager
    def importable(self) -> Iterator[None]:
        """Within this context what lies in the folder can be imported, before what does not.

        Afterwards it is forgotten, until the next time: other folders have modules of the same
        names. Theirs are set aside meanwhile, but for libraries': numpy.py stands in nobody's way.
        """
        place = str(self.folder)
        aside = {name: sys.modules.pop(name) for name in self._hiding()}
        before = set(sys.modules)
        sys.modules.update(self.modules)
        sys.path.insert(0, place)
        try:
            yield
        finally:
            if place in sys.path:
                sys.path.remove(place)
            for name in set(sys.modules) - before:
                if is_in(getattr(sys.modules[name], "__file__", None), self.folder):
                    self.modules[name] = sys.modules.pop(name)
            sys.modules.update(aside)

    def _hiding(self) -> list[str]:
        """Modules of other folders under the names of what lies in this one."""
        here = {path.stem for path in self.folder.iterdir() if path.suffix in ("", ".py")}
        return [
            name
            for name, module in list(sys.modules.items())
            if name.partition(".")[0] in here - {"__main__"} and self._is_elsewhere(module)
        ]

    def _is_elsewhere(self, module: ModuleType) -> bool:
        places = [getattr(module, "__file__", None), *getattr(module, "__path__", ())]
        parents = {parent for place in filter(None, places) for parent in real(Path(place)).parents}
        libraries = any(p in _LIBRARIES or p.name in _PACKAGES for p in parents)
        return bool(parents) and self.folder not in parents and not libraries


@dataclass
class UserModule:
    """A module, and what it has imported from its folder."""

    module: ModuleType
    surroundings: Surroundings

    @property
    def beside(self) -> list[Path]:
        """The files beside it that it imported, once `loading` has ended."""
        return sorted(Path(str(m.__file__)) for m in self.surroundings.modules.values())


@contextmanager
def loading(path: Path) -> Iterator[UserModule]:
    """Run a file as a module that can import what lies beside it, within this context.

    It has a name of its own, whatever the file is called. What it imported from its folder is
    forgotten afterwards, as the next one may have another module of that name.

    Raises ModflowError for a file that Python does not take for a module, and whatever its code
    raises.
    """
    name = f"{path.stem}_{zlib.crc32(os.fsencode(real(path))):08x}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ModflowError(f"{path} is no Python module")
    module = importlib.util.module_from_spec(spec)
    # Dataclasses and pickle look for the module of a class there.
    sys.modules[name] = module
    loaded = UserModule(module, Surroundings(real(path).parent))
    with loaded.surroundings.importable():
        try:
            spec.loader.exec_module(module)
        except BaseException:
            del sys.modules[name]
            raise
        yield loaded


def error_line(error: BaseException, document: Path) -> str:
    """One line that says what is wrong, and where in the document's folder."""
    folder = real(document).parent
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if is_in(frame.filename, folder)]
    place = f"{Path(own[-1].filename).name}:{own[-1].lineno}" if own else document.name
    if isinstance(error, SyntaxError):
        if is_in(error.filename, folder):
            place = f"{Path(str(error.filename)).name}:{error.lineno}"
        what = f"{type(error).__name__}: {error.msg}"
    elif isinstance(error, ModflowError):
        what = str(error)
        if what.startswith(document.name):
            return _on_one_line(what, document)
    elif isinstance(error, OSError) and error.strerror:
        what = error.strerror + f": {error.filename}" * (error.filename is not None)
    else:
        text = _text(error)
        what = type(error).__name__ + f": {text}" * bool(text)
        if not own and frames:
            inner = frames[-1]
            what += f" ({Path(inner.filename).name}:{inner.lineno})"
    return _on_one_line(f"{place}: {what}", document)


def _text(error: BaseException) -> str:
    """What an error says; one of a document's own may fail at that, too."""
    try:
        return str(error)
    except Exception as other:
        return f"its text cannot be had, {type(other).__name__}"


def _on_one_line(text: str, document: Path) -> str:
    return " ".join(text.replace(document.name, shown(document.name)).split())


def is_in(file: str | None, folder: Path) -> bool:
    """Whether a file is the user's own, in that folder or below it."""
    if not file or file.startswith("<"):  # such as <string>, which is no file
        return False
    path = real(Path(file))
    foreign = _LIBRARIES - {folder, *folder.parents}
    if folder not in path.parents or not _PACKAGES.isdisjoint(path.relative_to(folder).parts):
        return False
    return foreign.isdisjoint(path.parents)


def real(path: Path) -> Path:
    """Where a path leads to; unlike `resolve`, one that leads in a circle is no error."""
    return Path(os.path.realpath(path))


def shown(name: str) -> str:
    """A name of a file on one line, whatever is in it."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in name)


_PACKAGES = {"site-packages", "dist-packages"}
"""Where packages are installed, also those of a user, or of another environment."""
_LIBRARIES = {
    real(Path(__file__)).parent,
    *(real(Path(sysconfig.get_path(kind))) for kind in ("stdlib", "purelib", "platlib")),
}
