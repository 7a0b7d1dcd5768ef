"""Ctrl-C on the command line."""

from __future__ import annotations

import math
import signal
import time
from types import FrameType

_SAME_SECONDS = 3.0


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
