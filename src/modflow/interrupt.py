"""Ctrl-C on the command line; and SIGTERM, by which a scheduler ends a job, is taken as one."""

from __future__ import annotations

import math
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)
_SAME_SECONDS = 3.0


@contextmanager
def handled(handler: Callable[[int, FrameType | None], object] | signal.Handlers) -> Iterator[None]:
    """Meanwhile Ctrl-C is for this handler."""
    if threading.current_thread() is not threading.main_thread():
        yield  # signals come to the main thread alone
        return
    # What was not installed by Python could not be put back.
    numbers = [number for number in SIGNALS if signal.getsignal(number) is not None]
    before = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, found in before.items():
            signal.signal(number, found)


@contextmanager
def held() -> Iterator[None]:
    """Ctrl-C that comes meanwhile comes at the end: what belongs together is not torn apart."""
    came: list[int] = []
    try:
        with handled(lambda number, _: came.append(number)):
            yield
    finally:
        if came:
            signal.raise_signal(signal.Signals(came[0]))


class Interrupt:
    """Ctrl-C during the work. Pressed again within three seconds, it is the same Ctrl-C.

    So an impatient second one does not lose what the first one has printed.
    """

    def __init__(self) -> None:
        self._at = -math.inf

    @property
    def came(self) -> bool:
        """Whether it came since `listen`."""
        return self._at > -math.inf

    def listen(self) -> None:
        """From here on Ctrl-C raises KeyboardInterrupt."""
        self._at = -math.inf
        for number in SIGNALS:
            signal.signal(number, self._handle)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if now - self._at > _SAME_SECONDS:
            self._at = now
            raise KeyboardInterrupt
