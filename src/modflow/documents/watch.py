"""Building documents again whenever something that they are made from changes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence, Set
from pathlib import Path

from ..errors import ModflowError
from .build import ENDINGS, Builder, Built
from .fingerprint import record
from .locate import documents

_PACKAGE = Path(__file__).resolve().parents[1]
_POLL_MILLISECONDS = 200

Tell = Callable[[Built | ModflowError], None]


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

    `tell` hears of each document when it is done, of one that is current only at first, and of
    names that mean nothing any more; `waiting` is called when all was built for the first time.
    Nothing that is wrong with a document ends the watch. Raises ModflowError where watching needs
    what is not installed, or at first there are no documents.
    """
    changes = _Changes()
    paths = documents(names)
    with Builder(out, engine=engine, jobs=jobs, writer=writer) as builder:
        try:
            # Watched before it is read: what is saved meanwhile is not missed.
            changes.watch(_folders(paths, out))
            for built in builder.build(paths, force=force):
                tell(built)
            waiting()
            while True:
                changes.watch(_folders(paths, out))
                changed = changes.wait()
                before = set(paths)
                try:
                    paths = documents(names)
                    todo = [
                        p for p in paths if p not in before or _concerns(changed, p, paths, out)
                    ]
                    for built in builder.build(todo):
                        if built.status != "current":
                            tell(built)
                except ModflowError as error:
                    tell(error)
        except KeyboardInterrupt:
            return


class _Changes:
    """The files in some folders that have changed."""

    def __init__(self) -> None:
        try:
            import watchfiles
        except ImportError as error:
            raise ModflowError("to watch documents, install 'modflow[pdf]'") from error
        self._watch = watchfiles.watch
        self._folders: frozenset[Path] = frozenset()
        self._found: Iterator[Set[tuple[object, str]]] = iter(())
        self._missed: set[Path] = set()

    def watch(self, folders: frozenset[Path]) -> None:
        """From here on no change in these folders is missed."""
        if folders == self._folders:
            return
        self._folders, before = folders, self._found
        self._found = self._watch(
            *sorted(folders),
            recursive=False,
            rust_timeout=_POLL_MILLISECONDS,
            yield_on_timeout=True,
            raise_interrupt=True,
        )
        # It begins with the first question; until then the one of before has seen more.
        self._missed |= _paths(next(self._found)) | _paths(next(before, set()))

    def wait(self) -> set[Path]:
        """What has changed since it was asked last."""
        while not self._missed:
            self._missed = _paths(next(self._found))
        found, self._missed = self._missed, set()
        return found


def _paths(changes: Set[tuple[object, str]]) -> set[Path]:
    return {Path(path).resolve() for _, path in changes}


def _folders(paths: Sequence[Path], out: Path) -> frozenset[Path]:
    """All that must be watched: the documents' own folders, those of inputs, modflow's sources."""
    files = [file for path in paths for file in (path, *_inputs(path, out))]
    package = [folder for folder in _PACKAGE.rglob("*") if folder.name != "__pycache__"]
    folders = {file.resolve().parent for file in files} | {_PACKAGE, *package}
    return frozenset(folder for folder in folders if folder.is_dir())


def _concerns(changed: set[Path], path: Path, paths: Sequence[Path], out: Path) -> bool:
    """Whether a document may have changed with these files; if it has not, it will be current."""
    own, folder = path.resolve(), path.resolve().parent
    others = {other.resolve() for other in paths} - {own}
    for other in paths:
        known = record(other, out)
        others |= {file.resolve() for file in known.output_paths(out)} if known else set()
        others |= {(out / (other.stem + ending)).resolve() for ending in ENDINGS}
    inputs = {file.resolve() for file in _inputs(path, out)}
    return any(
        file == own
        or file in inputs
        or _PACKAGE in file.parents
        # A document that was refused may import what is beside it: it could not say so.
        or (file.parent == folder and file not in others)
        for file in changed
    )


def _inputs(path: Path, out: Path) -> list[Path]:
    known = record(path, out)
    return known.input_paths(path) if known else []
