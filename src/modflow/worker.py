"""A process that works for another one."""

from __future__ import annotations

import multiprocessing
import os
import signal
from multiprocessing.connection import wait
from threading import Thread

from .processors import default_jobs


def begin(count: int) -> None:
    """What one of so many processes does before it has work."""
    # Ctrl-C reaches all processes of a terminal; the one that was asked ends the others.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # XLA would start a thread for every processor in each process, and they would only get into
    # each other's way. It reads this once, at the first computation.
    os.environ.setdefault("NPROC", str(max(1, default_jobs() // count)))
    parent = multiprocessing.parent_process()
    if parent is not None:
        Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()


def _end_with(sentinel: int) -> None:
    """Exit when the other process is no more, however it ended.

    Nobody would see the result; and the same command, given again, would write the same files.
    """
    wait([sentinel])
    os._exit(1)
