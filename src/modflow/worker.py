"""A process that works for another one."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import wait
from types import FrameType

_begun = False


def begin(threads: int) -> None:
    """What a process does before it has work. XLA is to have so many threads in it."""
    global _begun
    _begun = True
    # Ctrl-C reaches all processes of a terminal; the one that was asked ends the others.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # XLA reads this once, at the first computation. With a thread for every processor in each
    # process, they would only get into each other's way.
    os.environ["NPROC"] = str(threads)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()


@contextmanager
def ending_gently() -> Iterator[None]:
    """Meanwhile `terminate` raises KeyboardInterrupt in such a process, and it exits afterwards.

    So what is under way can be kept; and it does not begin with what else there is to do.
    """
    main = threading.current_thread() is threading.main_thread()
    if not (main and _begun):
        yield
        return
    ended = False

    def end(number: int, frame: FrameType | None) -> None:
        nonlocal ended
        if not ended:
            ended = True
            raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        if ended:
            os._exit(1)
        signal.signal(signal.SIGTERM, before)


def _end_with(sentinel: int) -> None:
    """Exit when the other process is no more, however it ended.

    Nobody would see the result; and the same command, given again, would write the same files.
    """
    wait([sentinel])
    os._exit(1)
