"""Progress on stderr for whatever takes longer than two seconds."""

from __future__ import annotations

import sys
import threading
import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

DELAY_SECONDS = 2.0
LINE_SECONDS = 10.0
_FRAME_SECONDS = 0.1


class LateProgress:
    """A bar that appears after two seconds; on a stderr that is no terminal, a line every ten.

    Call it with what is being done and the share that is done. A thread of its own shows
    both, so that something is seen while a compiler is busy, too. `steady` says that the
    share grows in step with the time, so that the time left can be told from it.
    """

    def __init__(self, what: str = "preparing", *, steady: bool = False) -> None:
        self._what, self._share, self._steady = what, 0.0, steady
        self._first: tuple[float, float] | None = None
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._show, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended.set()
        self._thread.join()

    def __call__(self, what: str, share: float) -> None:
        """Show `what`, at `share` between 0 and 1 of the whole."""
        if self._first is None:
            # What comes before, mostly compilation, says nothing about the time left.
            self._first = (time.monotonic(), share)
        self._what, self._share = what, share

    def _show(self) -> None:
        console = Console(stderr=True)
        if self._ended.wait(DELAY_SECONDS) or sys.stderr is None:
            return
        if console.is_interactive:
            self._draw(console)
            return
        while True:
            shown = f"modflow: {100 * self._share:.0f}% {self._what}{self._time_left()}"
            print(shown, file=sys.stderr, flush=True)
            if self._ended.wait(LINE_SECONDS):
                return

    def _draw(self, console: Console) -> None:
        columns = TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn()
        with Progress(*columns, console=console, transient=True, redirect_stdout=False) as bar:
            task = bar.add_task("", total=1.0)
            while True:
                shown = f"{self._what}{self._time_left()}"
                bar.update(task, description=shown, completed=self._share)
                if self._ended.wait(_FRAME_SECONDS):
                    return

    def _time_left(self) -> str:
        if not self._steady or self._first is None:
            return ""
        began, share = self._first
        if self._share <= share:
            return ""
        seconds = (time.monotonic() - began) * (1 - self._share) / (self._share - share)
        return f", about {duration(seconds)} left"


def duration(seconds: float) -> str:
    """A time for people: 40 s, 12 min, 3 hours, 2 days, 1e+06 years."""
    for unit, size, up_to in (("s", 1, 100), ("min", 60, 100), ("hours", 3600, 48)):
        if seconds < size * up_to:
            return f"{seconds / size:.0f} {unit}"
    days = seconds / 86400
    return f"{days:.0f} days" if days < 1000 else f"{days / 365:.0g} years"
