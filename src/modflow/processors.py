"""How many processes are of use."""

from __future__ import annotations

import os


def default_jobs() -> int:
    """One process for each processor that this one may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on every system
        return os.cpu_count() or 1
