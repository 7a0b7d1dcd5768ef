"""Processes that build documents, one document at a time each.

Unlike a pool of the library, which is broken as a whole when one process dies, the others go on;
and the process that asked can end all of it at once, with what the documents have started.
"""

from __future__ import annotations

import gc
import importlib
import multiprocessing
import os
import re
import signal
import sys
import time
from collections import deque
from collections.abc import Callable, Collection, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection, wait
from pathlib import Path
from types import FrameType
from typing import Any, Literal

from ..user_modules import error_line, is_in, real, shown
from .errors import StepError

Status = Literal["built", "current", "failed", "refused", "partial"]

_GRACE_SECONDS = 2.0
"""For a document to end what it has started itself, such as processes of the audit."""
_AGAIN_SECONDS = 0.01
"""After which a process is ended again, where what its document calls has prevented it."""
_PAUSE_SECONDS = 1.0
_MEANWHILE_SECONDS = 0.2


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
        self._left = deque[Path]()
        self._busy: dict[Any, _Worker] = {}

    def run(
        self,
        documents: Sequence[Path],
        out: Path,
        engine: str,
        busy_with: Callable[[list[Path]], None] = lambda documents: None,
        meanwhile: Callable[[], None] | None = None,
    ) -> Generator[tuple[Path, Outcome], None, None]:
        """Outcomes as they come; the documents are begun in the order given.

        `busy_with` is told now and then what is being built; `meanwhile` is called whenever there
        is no outcome for a while, and may `add` documents and `stop` some. Who stops the iteration,
        as by Ctrl-C, ends the processes that are busy.
        """
        self._left = deque(documents)
        pause = _PAUSE_SECONDS if meanwhile is None else _MEANWHILE_SECONDS
        try:
            while self._left or self._busy:
                while self._left and len(self._busy) < self._jobs:
                    worker = self._begin(self._left[0], out, engine)
                    self._busy[worker.connection] = worker
                    self._left.popleft()
                busy_with(self.busy)
                ready = wait(list(self._busy), timeout=pause)
                for connection in ready:
                    worker = self._busy[connection]
                    outcome = self._outcome(worker)
                    del self._busy[connection]
                    yield worker.document, outcome
                if not ready and meanwhile is not None:
                    meanwhile()
        finally:
            # Nobody waits for work whose result nobody will see.
            busy, self._busy = list(self._busy.values()), {}
            _end(busy)

    @property
    def busy(self) -> list[Path]:
        """The documents that are being built."""
        return [worker.document for worker in self._busy.values()]

    def add(self, documents: Sequence[Path]) -> None:
        """Build these, too, and before those that are not begun yet."""
        self._left.extendleft(reversed(documents))

    def stop(self, documents: Collection[Path]) -> set[Path]:
        """Do not build these, or no longer; those of which there will be no outcome now."""
        ended = [worker for worker in self._busy.values() if worker.document in documents]
        for worker in ended:
            del self._busy[worker.connection]
        waiting = [document for document in self._left if document in documents]
        self._left = deque(document for document in self._left if document not in documents)
        _end(ended)
        return {*waiting, *(worker.document for worker in ended)}

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
            # How it ends is for it to say, so long as it does.
            wait([worker.process.sentinel], _GRACE_SECONDS)
            _end([worker])
            how = _ending(worker.process.exitcode)
            message = (
                f"{shown(worker.document.name)}: the process that built it ended by itself, {how}"
            )
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
    _exit_at(signal.SIGTERM)
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


def _exit_at(number: signal.Signals) -> None:
    """Exit at this signal, with all that is still to be done, such as removing temporary files.

    Where Python calls what can raise nothing, such as at the end of a search for garbage, it drops
    the SystemExit and tells of it on stderr. Instead, the process exits a moment later.
    """
    told = sys.unraisablehook

    def leave(number: int, frame: FrameType | None) -> None:
        raise _Exit(1)

    def dropped(unraisable: Any) -> None:
        if not isinstance(unraisable.exc_value, _Exit):
            told(unraisable)
        elif hasattr(signal, "setitimer"):
            # To raise it here would be of no use, either, and at the next search for garbage.
            gc.callbacks.clear()
            signal.signal(signal.SIGALRM, leave)
            signal.setitimer(signal.ITIMER_REAL, _AGAIN_SECONDS)

    signal.signal(number, leave)
    sys.unraisablehook = dropped


class _Exit(SystemExit):
    """The process is to end; no document has asked for that."""


def _written(document: Path, out: Path, engine: str, writer: str) -> Outcome:
    began, clock = time.monotonic(), time.time()
    folder = real(document).parent
    path, here, modules = list(sys.path), Path.cwd(), set(sys.modules)
    # A document may go to another folder; what it is told of still has the names that were given.
    given = {here / document: document, here / out: out}
    try:
        module, _, function = writer.partition(":")
        write = getattr(importlib.import_module(module), function)
        written = write(here / document, here / out, engine)
        outcome = Outcome(
            "partial" if written.missing else "built",
            written.missing,
            tuple(_from(Path(file), here / out, out) for file in written.files),
            tuple(map(Path, written.inputs)),
            getattr(written, "equations", None),
        )
    except _Exit:
        raise
    except StepError as error:
        outcome = Outcome("failed", _as_given(error_line(error, document), given))
    except BaseException as error:
        # Also a KeyboardInterrupt: Ctrl-C does not come here, so that it is the document's own.
        outcome = Outcome("refused", _as_given(error_line(error, document), given))
    finally:
        sys.path[:] = path
        os.chdir(here)
        # The next document may have another module of that name beside it.
        for name in sys.modules.keys() - modules:
            if is_in(getattr(sys.modules[name], "__file__", None), folder):
                del sys.modules[name]
    return replace(outcome, began=clock, seconds=time.monotonic() - began)


def _from(file: Path, folder: Path, given: Path) -> Path:
    """The file with the name of its folder as it was given."""
    return given / file.relative_to(folder) if file.is_relative_to(folder) else file


def _as_given(message: str, given: Mapping[Path, Path]) -> str:
    """With the names of files as they were given."""
    for absolute, path in given.items():
        name = re.compile(rf"(?<![\w/.-]){re.escape(str(absolute))}(?![\w-])")
        message = str(path).join(name.split(message))
    return message
