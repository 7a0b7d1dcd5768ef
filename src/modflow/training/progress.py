"""How much of a training is done, and how fast, told to whoever waits for it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

LOOK_SECONDS = 1.0
"""How often it is told or looked at."""

Progress = Callable[[str, float], None]
"""What is going on, and the share of the whole that is done."""


def from_first_steps(progress: Progress) -> Progress:
    """Pass on what is told once the share grows.

    What comes before is mostly compilation, and says nothing about the time that is left.
    """
    idle: float | None = None

    def told(what: str, share: float) -> None:
        nonlocal idle
        if idle is None:
            idle = share
        if share > idle:
            progress(what, share)

    return told


def with_rate(progress: Progress, steps: int) -> Progress:
    """Tell how many of all these `steps` are made in a second, too, counted from the first ones."""
    first: tuple[float, float] | None = None
    rate = ""

    def count(_what: str, share: float) -> None:
        nonlocal first, rate
        now = time.monotonic()
        if first is None:
            first = now, share
        elif share > first[1] and now > first[0]:
            found = steps * (share - first[1]) / (now - first[0])
            rate = f", {found:,.0f} steps/s" if found >= 10 else f", {found:.2g} steps/s"

    counted = from_first_steps(count)

    def told(what: str, share: float) -> None:
        counted(what, share)
        progress(what + rate, share)

    return told


class Share:
    """How much of a group's training is done, told to other processes in a file."""

    def __init__(self, folder: Path) -> None:
        self._path, self._last = folder.with_name(folder.name + ".share"), -math.inf

    def write(self, share: float) -> None:
        """Once a second at most."""
        now = time.monotonic()
        if now - self._last > LOOK_SECONDS:
            self._last = now
            # Without a place for it, the work goes on all the same.
            with suppress(OSError):
                self._path.write_text(f"{share:.4f}")

    def read(self) -> float:
        """0 where nothing is told yet."""
        try:
            return float(self._path.read_text())
        except (OSError, ValueError):
            return 0.0
