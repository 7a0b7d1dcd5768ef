"""Building many documents: in processes, what takes longest first, and only what has changed."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Collection, Generator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from ..errors import ModflowError, UnknownNameError
from ..processors import default_jobs
from ..user_modules import real, shown
from . import fingerprint
from .fingerprint import Record
from .workers import Outcome, Status, Workers

ENGINES = ("typst", "latex")
WRITER = "modflow.documents.write:write"
"""What writes a document: a function of its path, the folder to write to and the engine."""

Progress = Callable[[str, float], None]

ENDINGS = (".md", ".tex", ".pdf")
_SIGNS_OF_WORK = b"modflow.claims", b"audit"


@dataclass(frozen=True)
class Built:
    """What became of a document.

    `built`, or `current`: nothing has changed since it was built. `failed`: an equality does not
    hold. `refused`: it is no document, or asks for what there is not. `partial`: something that
    makes the .pdf is not installed.
    """

    path: Path
    status: Status
    message: str | None = None
    files: tuple[Path, ...] = ()
    seconds: float = 0.0
    equations: int | None = None

    @property
    def name(self) -> str:
        """The document's name, that of its files."""
        return self.path.stem

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "name": self.name,
            "path": str(self.path),
            "status": self.status,
            "message": self.message,
            "files": [str(path) for path in self.files],
            "seconds": round(self.seconds, 3),
            "equations": self.equations,
        }


def build(
    paths: Sequence[Path],
    out: Path,
    *,
    engine: str = "typst",
    jobs: int | None = None,
    force: bool = False,
    progress: Progress | None = None,
    writer: str | None = None,
) -> Generator[Built, None, None]:
    """Write the documents to the folder `out`, and tell of each when it is done, in any order.

    What is current is not built again, unless `force` is set. `progress` is told what is done and
    the share of it. Ctrl-C ends the iteration with KeyboardInterrupt, and the processes with it;
    what was told of stays. Raises ModflowError where nothing can be written to `out`.
    """
    with Builder(out, engine=engine, jobs=jobs, writer=writer) as builder:
        yield from builder.build(paths, force=force, progress=progress)


class Builder:
    """Builds again and again, in the same processes until modflow itself changes."""

    def __init__(
        self,
        out: Path,
        *,
        engine: str = "typst",
        jobs: int | None = None,
        writer: str | None = None,
    ) -> None:
        if engine not in ENGINES:
            raise UnknownNameError("engine", engine, ENGINES)
        if jobs is not None and jobs < 1:
            raise ModflowError(f"at least one process is needed; got {jobs} jobs")
        self.out, self.engine = out, engine
        self._workers = Workers(jobs or default_jobs(), writer or WRITER)
        self._environment = ""
        self._records: dict[Path, Record | None] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._workers.close()

    def build(
        self,
        paths: Sequence[Path],
        *,
        force: bool = False,
        progress: Progress | None = None,
        meanwhile: Callable[[], None] | None = None,
    ) -> Generator[Built, None, None]:
        """As the function `build`; `meanwhile` is called whenever nothing is done for a while.

        It may call `again` and `stop`.
        """
        _check_folder(self.out)
        self._renew()
        self._records = {path: fingerprint.record(path, self.out) for path in paths}
        to_build = []
        for path, record in self._records.items():
            if not force and record and self._is_current(path):
                files = tuple(record.output_paths(self.out))
                yield Built(path, "current", None, files, 0.0, record.equations)
            else:
                to_build.append(path)
        cost = _costs(to_build, self._records)
        to_build.sort(key=lambda path: cost[path], reverse=True)
        done: list[Path] = []

        def busy_with(documents: list[Path]) -> None:
            if progress is not None:
                share = sum(_weight(cost[p]) for p in done) / sum(map(_weight, cost.values()))
                names = ", ".join(shown(path.stem) for path in documents)
                progress(f"{len(done)} of {len(to_build)} documents done, now {names}", share)

        outcomes = self._workers.run(to_build, self.out, self.engine, busy_with, meanwhile)
        with closing(outcomes):
            for path, outcome in outcomes:
                if path in cost:
                    done.append(path)
                yield self._taken(path, outcome, self._records[path])

    @property
    def busy(self) -> list[Path]:
        """The documents that are being built."""
        return self._workers.busy

    def again(self, paths: Collection[Path]) -> None:
        """Build these, too, unless they are current; what is being built is begun anew."""
        if self._renew():
            # What is being built is built by modflow as it was.
            paths = [*paths, *self.busy]
        unfinished = self._workers.stop(paths)
        to_build = []
        for path in dict.fromkeys(paths):
            self._records[path] = fingerprint.record(path, self.out)
            if path in unfinished or not self._is_current(path):
                to_build.append(path)
        self._workers.add(to_build)

    def stop(self, paths: Collection[Path]) -> None:
        """No longer build these."""
        self._workers.stop(paths)

    def _renew(self) -> bool:
        """Whether modflow or what it needs has changed: then there have to be new processes."""
        before, self._environment = self._environment, fingerprint.environment(self.engine)
        if self._environment == before:
            return False
        # Processes have modflow's modules as they were.
        self._workers.close()
        return True

    def _is_current(self, path: Path) -> bool:
        known = self._records[path]
        return known is not None and known.is_current(self._environment, path, self.out)

    def _taken(self, path: Path, outcome: Outcome, before: Record | None) -> Built:
        if outcome.status in ("built", "partial"):
            self._remove_old(path, before, outcome.files)
            changed = _any_since(outcome.began, (path, *outcome.inputs))
            complete = outcome.status == "built" and not changed
            Record.of(
                fingerprint.fingerprint(self._environment, path, outcome.inputs)
                if complete
                else None,
                path,
                self.out,
                seconds=outcome.seconds,
                equations=outcome.equations,
                inputs=outcome.inputs,
                files=outcome.files,
            ).save(path, self.out)
        elif outcome.status == "failed":
            # A .pdf that claims to be proved must not lie beside a source that is not. A refused
            # document says nothing about its equations, and whoever mistypes a name with --watch
            # wants to keep what is on the screen; there, the files of before stay.
            self._remove_old(path, before, ())
            Record.of(None, path, self.out, seconds=outcome.seconds).save(path, self.out)
        return Built(
            path,
            outcome.status,
            outcome.message,
            outcome.files,
            outcome.seconds,
            outcome.equations,
        )

    def _remove_old(self, path: Path, before: Record | None, now: Sequence[Path]) -> None:
        """Remove what was written before and is not written now; never what others wrote."""
        if before is None:
            return
        names = list(before.files)
        if before == Record():  # damaged: it does not know any more
            names = [path.stem + ending for ending in ENDINGS]
        kept = {real(file) for file in now}
        for name in names:
            file = real(self.out / name)
            if real(self.out) in file.parents and file not in kept:
                with suppress(OSError):
                    file.unlink()


def _costs(paths: Sequence[Path], records: dict[Path, Record | None]) -> dict[Path, float]:
    """Seconds of the last time; what has no last time may take long, the audit longest."""
    known = {path: record.seconds for path in paths if (record := records[path]) and record.seconds}
    unknown = max(known.values(), default=1.0) + 1.0
    return {
        path: known[path] if path in known else unknown * (1 + _looks_long(path)) for path in paths
    }


def _looks_long(path: Path) -> bool:
    try:
        source = path.read_bytes()
    except OSError:
        return False
    return any(sign in source for sign in _SIGNS_OF_WORK)


def _weight(seconds: float) -> float:
    return seconds + 0.1


def _any_since(moment: float, paths: Sequence[Path]) -> bool:
    """Whether a file was changed while a document was built from it: perhaps before it was read."""
    for path in paths:
        with suppress(OSError):
            if path.stat().st_mtime >= moment:
                return True
    return False


def _check_folder(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=out).close()
    except FileExistsError as error:
        raise ModflowError(f"cannot write to {out}: it is no folder") from error
    except OSError as error:
        raise ModflowError(f"cannot write to {out}: {error.strerror or error}") from error
