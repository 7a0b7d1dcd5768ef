"""Building documents again whenever something that they are made from changes."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Sequence, Set
from pathlib import Path
from typing import Any

from ..errors import ModflowError
from ..processors import default_jobs
from ..user_modules import real, shown
from .build import ENDINGS, Builder, Built
from .fingerprint import digest, record
from .locate import default_place, documents

_PACKAGE = Path(__file__).resolve().parents[1]
_POLL_MILLISECONDS = 200
_LONG_SECONDS = 10.0
"""After which it is said what is still being built."""
_TEMPORARY = ".modflow"
"""What files of modflow's own begin with."""

Tell = Callable[[Built | ModflowError | str], None]


def watch(
    names: Sequence[str],
    out: Path,
    tell: Tell,
    *,
    waiting: Callable[[], None] = lambda: None,
    engine: str = "typst",
    jobs: int | None = None,
    force: bool = False,
    writer: str | None = None,
) -> None:
    """Build the documents of these names, and again what changes, until Ctrl-C.

    A document that changes while it is built is begun anew. `tell` hears of each document when it
    is done, of one that is current only at first, of names that mean nothing any more, and, in
    words, of what is no longer there and what takes long; `waiting` is called when all was built
    for the first time. Nothing that is wrong with a document ends the watch. Raises ModflowError
    where watching needs what is not installed, or at first there are no documents.
    """
    changes = _Changes()
    # A document that never comes to an end is not to keep all others waiting.
    jobs = max(2, default_jobs()) if jobs is None else jobs
    with Builder(out, engine=engine, jobs=jobs, writer=writer) as builder:
        try:
            _Watch(names, out, tell, builder, changes).run(waiting, force=force)
        except KeyboardInterrupt:
            return


class _Watch:
    def __init__(
        self, names: Sequence[str], out: Path, tell: Tell, builder: Builder, changes: _Changes
    ) -> None:
        self._names, self._out, self._tell = names, out, tell
        self._builder, self._changes = builder, changes
        # Where it goes, the documents of modflow do not take its place.
        self._place = default_place()
        self._paths = documents(names, self._place)
        self._folders = {real(path).parent for path in self._paths}
        """All in which there have been documents: they may be made again."""
        self._later = set[Path]()
        """What is being built, and may have to be built again afterwards."""
        self._error = ""
        self._told: dict[Path, Any] = {}
        self._heard = time.monotonic()
        self._slow = set[Path]()

    def run(self, waiting: Callable[[], None], *, force: bool) -> None:
        # Watched before it is read: what is saved meanwhile is not missed.
        self._changes.watch(self._watched())
        for built in self._builder.build(self._paths, force=force, meanwhile=self._meanwhile):
            self._hear(built)
        waiting()
        while True:
            self._look_further()
            todo = set[Path]() if self._later else self._concerned(self._changes.wait())
            todo, self._later = todo | self._later, set()
            try:
                chosen = [path for path in self._paths if path in todo]
                for built in self._builder.build(chosen, meanwhile=self._meanwhile):
                    if built.status != "current":
                        self._hear(built)
            except ModflowError as error:
                self._tell(error)

    def _hear(self, built: Built) -> None:
        self._heard = time.monotonic()
        self._slow.discard(built.path)
        # Any new file may help a document that failed; that it did not is no news, and would be a
        # change itself where it is written to a log beside the document.
        news = built.status, built.message, digest(built.path)
        if built.status in ("built", "partial") or self._told.get(built.path) != news:
            self._tell(built)
        self._told[built.path] = news

    def _meanwhile(self) -> None:
        """While documents are built: what has changed is begun, or begun anew."""
        changed = self._changes.now()
        busy = set(self._builder.busy)
        again, self._later = self._later - busy, self._later & busy
        if changed:
            concerned = self._concerned(changed)
            # Not for all that concerns it: it may write files itself, also to where it lies.
            anew = busy & self._made_from(changed, beside=".py")
            again |= (concerned - busy) | anew
            self._later |= (concerned & busy) - anew
            self._builder.stop(busy - set(self._paths))
            self._look_further()
        again &= set(self._paths)
        if again:
            self._slow -= again
            self._heard = time.monotonic()
            self._builder.again([path for path in self._paths if path in again])
        self._tell_of_slow()

    def _tell_of_slow(self) -> None:
        if time.monotonic() - self._heard < _LONG_SECONDS:
            return
        if slow := [path for path in self._builder.busy if path not in self._slow]:
            self._slow |= set(slow)
            self._tell(f"still building {_names(slow)}; a change of a source begins it anew")

    def _concerned(self, changed: set[Path]) -> set[Path]:
        """The documents, as they are by now, that may be others with these changes."""
        before, self._paths = self._paths, self._located()
        self._folders |= {real(path).parent for path in self._paths}
        self._tell_of_gone([path for path in before if path not in self._paths])
        return self._made_from(changed) | (set(self._paths) - set(before))

    def _located(self) -> list[Path]:
        """The documents there are now; where not all of the names mean one, those of before."""
        try:
            if not self._names and not self._place.is_dir():
                raise ModflowError(f"the folder {self._place} is gone; waiting for it")
            found = documents(self._names, self._place)
        except ModflowError as error:
            if str(error) != self._error:
                self._tell(error)
            self._error = str(error)
            return [path for path in self._paths if path.is_file() or path.is_symlink()]
        self._error = ""
        return found

    def _tell_of_gone(self, paths: Sequence[Path]) -> None:
        """Nobody removes the files of a document whose source may come back."""
        if left := [path for path in paths if _written(path, self._out)]:
            self._tell(f"no longer there: {_names(left)}; what was written stays in {self._out}")

    def _made_from(self, changed: set[Path], beside: str = "") -> set[Path]:
        """The documents that may be made from these files; one that is not will be current.

        What a document imports from its folder is known only when it was built, so that any file
        there may be that, if it has the ending `beside` and is no document nor written by one.
        """
        if any(_PACKAGE in file.parents for file in changed):
            return set(self._paths)
        ours = {real(path) for path in self._paths}
        ours |= {real(file) for path in self._paths for file in _outputs(path, self._out)}
        folders = {file.parent for file in changed - ours if file.name.endswith(beside)}
        return {
            path
            for path in self._paths
            if real(path).parent in folders
            or not changed.isdisjoint({real(path), *map(real, _inputs(path, self._out))})
        }

    def _look_further(self) -> None:
        """Watch what has been added; documents in a folder that is new may have been missed."""
        for folder in self._changes.watch(self._watched()) & self._folders:
            self._changes.note({folder, *map(real, folder.glob("*.py"))})

    def _watched(self) -> set[Path]:
        """Folders of documents, or what there is of the way to them, of inputs, of modflow."""
        inputs = {real(file).parent for path in self._paths for file in _inputs(path, self._out)}
        package = [folder for folder in _PACKAGE.rglob("*") if folder.name != "__pycache__"]
        folders = {*map(_nearest, self._folders), *inputs, _PACKAGE, *package}
        return {folder for folder in folders if folder.is_dir()}


class _Changes:
    """The files in some folders that have changed."""

    def __init__(self) -> None:
        try:
            import watchfiles
        except ImportError as error:
            raise ModflowError("to watch documents, install 'modflow[pdf]'") from error
        self._watch = watchfiles.watch
        self._folders: dict[Path, int] = {}
        """With what tells a folder from another that was made in its place."""
        self._found: Iterator[Set[tuple[object, str]]] = iter(())
        self._missed: set[Path] = set()

    def watch(self, folders: Collection[Path]) -> set[Path]:
        """From here on no change in these folders is missed; those not watched until now."""
        now = {folder: number for folder in folders if (number := _number(folder)) is not None}
        if now == self._folders:
            return set()
        found = self._watch(
            *sorted(now),
            recursive=False,
            rust_timeout=_POLL_MILLISECONDS,
            yield_on_timeout=True,
            raise_interrupt=True,
        )
        try:
            # It begins with the first question; until then the one of before has seen more.
            self._missed |= _paths(next(found))
        except FileNotFoundError:  # gone since it was looked for
            return self.watch(folders)
        self._missed |= _paths(next(self._found, set()))
        before, self._folders, self._found = self._folders, now, found
        return {folder for folder, number in now.items() if before.get(folder) != number}

    def note(self, paths: Set[Path]) -> None:
        """Take these for changed."""
        self._missed |= paths

    def now(self) -> set[Path]:
        """What has changed since it was asked last, perhaps nothing."""
        self._missed |= _paths(next(self._found))
        found, self._missed = self._missed, set()
        return found

    def wait(self) -> set[Path]:
        """What has changed since it was asked last, if need be in a while."""
        while not (found := self._missed or self.now()):
            pass
        self._missed = set()
        return found


def _paths(changes: Set[tuple[object, str]]) -> set[Path]:
    found = {real(Path(path)) for _, path in changes}
    return {path for path in found if not path.name.startswith(_TEMPORARY)}


def _number(folder: Path) -> int | None:
    try:
        return folder.stat().st_ino
    except OSError:
        return None


def _nearest(folder: Path) -> Path:
    """The folder, or what there is of the way to it."""
    return next(path for path in (folder, *folder.parents) if path.is_dir())


def _names(paths: Sequence[Path]) -> str:
    return ", ".join(shown(path.stem) for path in paths)


def _written(path: Path, out: Path) -> bool:
    """Whether there are files of this document."""
    known = record(path, out)
    files = known.output_paths(out) if known else []
    return any(file.is_file() for file in files)


def _outputs(path: Path, out: Path) -> list[Path]:
    """The files that are written for this document, or may be."""
    known = record(path, out)
    return [
        *(known.output_paths(out) if known else ()),
        *(out / (path.stem + ending) for ending in ENDINGS),
    ]


def _inputs(path: Path, out: Path) -> list[Path]:
    known = record(path, out)
    return known.input_paths(path) if known else []
