"""Ctrl-C on the command line."""

from __future__ import annotations

import math
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_SAME_SECONDS = 3.0


@contextmanager
def held() -> Iterator[None]:
    """Ctrl-C that comes meanwhile comes at the end: what belongs together is not torn apart."""
    if threading.current_thread() is not threading.main_thread():
        yield  # signals come to the main thread alone
        return
    came = False

    def later(number: int, frame: FrameType | None) -> None:
        nonlocal came
        came = True

    before = signal.signal(signal.SIGINT, later)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if came:
            signal.raise_signal(signal.SIGINT)


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
        signal.signal(signal.SIGINT, self._handle)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if now - self._at > _SAME_SECONDS:
            self._at = now
            raise KeyboardInterrupt
