"""How many processes are of use, and how many threads they have."""

from __future__ import annotations

import os


def default_jobs() -> int:
    """One process for each processor that this one may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on every system
        return os.cpu_count() or 1


def threads() -> int:
    """How many threads XLA has on the processors in this process: $NPROC, or one for each.

    Sums are split among them, so that their number decides how results are rounded.
    """
    try:
        given = int(os.environ.get("NPROC", ""))
    except ValueError:
        given = 0
    return given if given > 0 else default_jobs()


def threads_each(count: int) -> int:
    """The share of one of so many processes."""
    return max(1, threads() // count)
