"""Where the runs of a grid are carried out, beside this process."""

from __future__ import annotations

import logging
import multiprocessing
import os
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from typing import Any

from ..errors import ModflowError, first_line
from ..processors import threads_each
from ..worker import begin

_TUNABLES = "GLIBC_TUNABLES"
_HUGE_PAGES = "glibc.malloc.hugetlb=1"
"""A step on a full batch takes gigabytes of memory, and gives them back. In pages of 4 KB the
system spends as long on that as the step on its arithmetic; read by glibc when a process starts."""
_CONNECT_SECONDS = 30
_GRACE_SECONDS = 10.0
"""For checkpoints, when all is to end."""


@contextmanager
def processes(count: int, threads: int | None = None) -> Iterator[tuple[Executor, int]]:
    """So many processes of this machine, with so many threads each; by default they share.

    Where the `with` ends by an exception, they are ended. Those that train write a checkpoint
    first, if they get to it soon.
    """
    # Never by fork: JAX has threads.
    context = multiprocessing.get_context("spawn")
    each = threads_each(count) if threads is None else threads
    pool = ProcessPoolExecutor(count, mp_context=context, initializer=begin, initargs=(each,))
    before = os.environ.get(_TUNABLES)
    os.environ[_TUNABLES] = f"{before}:{_HUGE_PAGES}" if before else _HUGE_PAGES
    try:
        yield pool, count
    except BaseException:
        _end(list((pool._processes or {}).values()))
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
        if before is None:
            del os.environ[_TUNABLES]
        else:
            os.environ[_TUNABLES] = before


def _end(working: Sequence[BaseProcess]) -> None:
    for process in working:
        process.terminate()
    # One that compiles hears nothing meanwhile.
    until = time.monotonic() + _GRACE_SECONDS
    try:
        left = list(working)
        while left and time.monotonic() < until:
            wait([process.sentinel for process in left], until - time.monotonic())
            left = [process for process in left if process.is_alive()]
    finally:
        for process in working:
            process.kill()


@contextmanager
def dask_cluster(address: str) -> Iterator[tuple[Executor, int]]:
    """The workers of a Dask scheduler, such as tcp://10.0.0.1:8786, and how many there are.

    They need modflow and a file system shared with this process: checkpoints are written there,
    so that another worker goes on where one was lost. Raises ModflowError where `distributed` is
    not installed and where the scheduler does not answer.
    """
    try:
        import distributed
        from distributed.comm.addressing import parse_address, parse_host_port
    except ImportError:
        raise ModflowError(
            "runs on a Dask cluster need distributed: pip install 'modflow[cluster]'"
        ) from None
    # Its log says with tracebacks what is said here in a line.
    logging.getLogger("distributed.client").setLevel(logging.CRITICAL)
    try:
        # A client that cannot read its address waits for itself for a minute when it is dropped.
        scheme, location = parse_address(address)
        if scheme in ("tcp", "tls"):
            parse_host_port(location)
        client: Any = distributed.Client(address, timeout=_CONNECT_SECONDS, set_as_default=False)
    except (OSError, ValueError) as error:
        raise ModflowError(
            f"no Dask scheduler answers at {address!r}: {first_line(error)}; an address "
            "looks like tcp://127.0.0.1:8786"
        ) from error
    try:
        # A training is no pure function to Dask: equal ones are not to be merged.
        workers = len(client.nthreads())
        yield client.get_executor(pure=False), max(1, workers)
    finally:
        client.close()
