"""Where the runs of a grid are carried out, beside this process."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from typing import Any

from ..errors import ModflowError
from ..worker import begin

_TUNABLES = "GLIBC_TUNABLES"
_HUGE_PAGES = "glibc.malloc.hugetlb=1"
"""A step on a full batch takes gigabytes of memory, and gives them back. In pages of 4 KB the
system spends as long on that as the step on its arithmetic; read by glibc when a process starts."""
_CONNECT_SECONDS = 30


@contextmanager
def processes(count: int) -> Iterator[Executor]:
    """So many processes of this machine, with a share of its processors each.

    They are ended, with what they do, where the `with` ends by an exception.
    """
    # Never by fork: JAX has threads.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(count, mp_context=context, initializer=begin, initargs=(count,))
    before = os.environ.get(_TUNABLES)
    os.environ[_TUNABLES] = f"{before}:{_HUGE_PAGES}" if before else _HUGE_PAGES
    try:
        yield pool
    except BaseException:
        for process in list((pool._processes or {}).values()):
            process.terminate()
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
        if before is None:
            del os.environ[_TUNABLES]
        else:
            os.environ[_TUNABLES] = before


@contextmanager
def dask_cluster(address: str) -> Iterator[Executor]:
    """The workers of a Dask scheduler, such as tcp://10.0.0.1:8786.

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
    try:
        # A client that cannot read its address waits for itself for a minute when it is dropped.
        scheme, location = parse_address(address)
        if scheme in ("tcp", "tls"):
            parse_host_port(location)
        client: Any = distributed.Client(address, timeout=_CONNECT_SECONDS, set_as_default=False)
    except (OSError, ValueError) as error:
        raise ModflowError(
            f"no Dask scheduler answers at {address!r}: {str(error).splitlines()[0]}; an address "
            "looks like tcp://127.0.0.1:8786"
        ) from error
    try:
        # A training is no pure function to Dask: equal ones are not to be merged.
        yield client.get_executor(pure=False)
    finally:
        client.close()
