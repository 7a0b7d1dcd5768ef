"""Processes that build documents, one document at a time each.

Unlike a pool of the library, which is broken as a whole when one process dies, the others go on;
and the process that asked can end all of it at once, with what the documents have started.
"""

from __future__ import annotations

import importlib
import multiprocessing
import os
import signal
import sys
import sysconfig
import time
import traceback
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any, Literal

from ..errors import ModflowError
from .errors import StepError

Status = Literal["built", "current", "failed", "refused", "partial"]

_LIBRARIES = {
    Path(__file__).resolve().parents[1],
    *(Path(sysconfig.get_path(kind)).resolve() for kind in ("stdlib", "purelib", "platlib")),
}
_GRACE_SECONDS = 2.0
"""For a document to end what it has started itself, such as processes of the audit."""


@dataclass(frozen=True)
class Outcome:
    """What became of one document."""

    status: Status
    message: str | None = None
    files: tuple[Path, ...] = ()
    inputs: tuple[Path, ...] = ()
    equations: int | None = None
    began: float = 0.0
    """The time on the clock, to be compared with that of files."""
    seconds: float = 0.0


@dataclass
class _Worker:
    process: Any
    connection: Connection
    document: Path = field(default_factory=Path)
    began: float = 0.0


class Workers:
    """Processes that stay for more documents, until the `with` ends or `close`.

    `writer` names the function that writes a document, as module:function.
    """

    def __init__(self, jobs: int, writer: str) -> None:
        self._jobs, self._writer = jobs, writer
        self._idle: list[_Worker] = []

    def run(
        self,
        documents: Sequence[Path],
        out: Path,
        engine: str,
        busy_with: Callable[[list[Path]], None] = lambda documents: None,
    ) -> Generator[tuple[Path, Outcome], None, None]:
        """Outcomes as they come; the documents are begun in the order given.

        `busy_with` is told now and then what is being built. Who stops the iteration, as by
        Ctrl-C, ends the processes that are busy.
        """
        left, busy = deque(documents), dict[Any, _Worker]()
        try:
            while left or busy:
                while left and len(busy) < self._jobs:
                    worker = self._begin(left[0], out, engine)
                    busy[worker.connection] = worker
                    left.popleft()
                busy_with([worker.document for worker in busy.values()])
                for connection in wait(list(busy), timeout=1.0):
                    worker = busy[connection]
                    outcome = self._outcome(worker)
                    del busy[connection]
                    yield worker.document, outcome
        finally:
            # Nobody waits for work whose result nobody will see.
            _end(list(busy.values()))

    def close(self) -> None:
        """End the processes; later documents get new ones."""
        idle, self._idle = self._idle, []
        _end(idle)

    def _begin(self, document: Path, out: Path, engine: str) -> _Worker:
        while True:
            worker = self._idle.pop() if self._idle else _start(self._writer)
            worker.document, worker.began = document, time.monotonic()
            with suppress(BrokenPipeError):  # it died while it was idle
                worker.connection.send((document, out, engine))
                return worker
            _end([worker])

    def _outcome(self, worker: _Worker) -> Outcome:
        try:
            outcome: Outcome = worker.connection.recv()
        except (EOFError, OSError):
            _end([worker])
            how = _ending(worker.process.exitcode)
            message = f"{worker.document.name}: the process that built it ended by itself, {how}"
            return Outcome("refused", message, seconds=time.monotonic() - worker.began)
        self._idle.append(worker)
        return outcome


def _ending(exit_code: int | None) -> str:
    if exit_code is None or exit_code >= 0:
        return f"with exit status {exit_code}"
    with suppress(ValueError):
        name = signal.Signals(-exit_code).name
        return f"by {name}" + ", perhaps for want of memory" * (name == "SIGKILL")
    return f"by signal {-exit_code}"


def _start(writer: str) -> _Worker:
    # Never by fork: JAX has threads.
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_work, args=(there, writer))
    with _interrupts_blocked():
        process.start()
    there.close()
    return _Worker(process, here)


def _end(workers: Sequence[_Worker]) -> None:
    for worker in workers:
        worker.connection.close()
        worker.process.terminate()
    until = time.monotonic() + _GRACE_SECONDS
    for worker in workers:
        # Not joined yet, it keeps its number, which is that of its group.
        wait([worker.process.sentinel], max(0.0, until - time.monotonic()))
        if hasattr(os, "killpg"):
            # Also what the document has started, and left.
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(worker.process.pid, signal.SIGKILL)
        worker.process.kill()
        worker.process.join()


@contextmanager
def _interrupts_blocked() -> Iterator[None]:
    """Ctrl-C reaches all processes of a terminal; the one that was asked ends the others.

    A process has the signals blocked that were when it was started.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


# -- in the process -----------------------------------------------------------------------------


def _work(connection: Connection, writer: str) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(1))
    if hasattr(os, "setpgid"):
        os.setpgid(0, 0)
    # What a document prints is no result.
    with suppress(OSError, AttributeError, ValueError):
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    while True:
        with suppress(BrokenPipeError, ConnectionResetError):
            try:
                task = connection.recv()
            except (EOFError, OSError):
                return
            document, out, engine = task
            connection.send(_written(document, out, engine, writer))


def _written(document: Path, out: Path, engine: str, writer: str) -> Outcome:
    began, clock = time.monotonic(), time.time()
    folder = document.resolve().parent
    path, here, modules = list(sys.path), Path.cwd(), set(sys.modules)
    try:
        module, _, function = writer.partition(":")
        written = getattr(importlib.import_module(module), function)(document, out, engine)
        outcome = Outcome(
            "partial" if written.missing else "built",
            written.missing,
            tuple(map(Path, written.files)),
            tuple(map(Path, written.inputs)),
            getattr(written, "equations", None),
        )
    except StepError as error:
        outcome = Outcome("failed", _line(error, document))
    except (Exception, SystemExit) as error:
        outcome = Outcome("refused", _line(error, document))
    finally:
        sys.path[:] = path
        os.chdir(here)
        # The next document may have another module of that name beside it.
        for name in sys.modules.keys() - modules:
            if _is_in(getattr(sys.modules[name], "__file__", None), folder):
                del sys.modules[name]
    return replace(outcome, began=clock, seconds=time.monotonic() - began)


def _line(error: BaseException, document: Path) -> str:
    """One line that says what is wrong, and where in the document's folder."""
    folder = document.resolve().parent
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if _is_in(frame.filename, folder)]
    place = f"{Path(own[-1].filename).name}:{own[-1].lineno}" if own else document.name
    if isinstance(error, SyntaxError):
        if _is_in(error.filename, folder):
            place = f"{Path(str(error.filename)).name}:{error.lineno}"
        what = f"{type(error).__name__}: {error.msg}"
    elif isinstance(error, ModflowError):
        what = str(error)
        if what.startswith(document.name):
            return " ".join(what.split())
    elif isinstance(error, OSError) and error.strerror:
        what = error.strerror + f": {error.filename}" * (error.filename is not None)
    else:
        text = str(error)
        what = type(error).__name__ + f": {text}" * bool(text)
        if not own and frames:
            inner = frames[-1]
            what += f" ({Path(inner.filename).name}:{inner.lineno})"
    return " ".join(f"{place}: {what}".split())


def _is_in(file: str | None, folder: Path) -> bool:
    """Whether a file is the user's own, in that folder or below it."""
    if not file:
        return False
    path = Path(file).resolve()
    foreign = _LIBRARIES - {folder, *folder.parents}
    return folder in path.parents and foreign.isdisjoint(path.parents)
