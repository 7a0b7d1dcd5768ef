"""Several hosts: each trains its share of a grid's programs, into one folder that all can see."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import jax

from ..errors import ModflowError

_LONGEST_SECONDS = 30 * 24 * 3600
"""How long hosts wait for those that still train. One that dies ends the others much earlier."""

_MEETINGS = itertools.count()
"""No two have one name; all hosts have the same ones, in the same order."""

T = TypeVar("T")


@dataclass(frozen=True)
class Hosts:
    """This process among those of a training; alone by default."""

    index: int = 0
    count: int = 1

    @property
    def first(self) -> bool:
        """Whether this is the one that plans, prints and sums up."""
        return self.index == 0

    def share(self, work: Sequence[T]) -> Sequence[T]:
        """What of it is this process's."""
        return work[self.index :: self.count]

    def meet(self, where: str) -> None:
        """Go on when all others are there, too."""
        if self.count > 1:
            from orbax.checkpoint import multihost

            # By the coordinator alone, without a computation on the devices.
            wait = multihost.get_barrier_sync_fn()
            key = f"modflow-{where}-{next(_MEETINGS)}"
            wait(key=key, timeout_ms=1000 * _LONGEST_SECONDS)


ALONE = Hosts()


@contextmanager
def hosts(where: str) -> Iterator[Hosts]:
    """Join the others by `jax.distributed`, before anything else is done with JAX.

    `where` is "auto", where Slurm, Open MPI, Kubernetes or a TPU pod say who is there, or
    "ADDRESS:PORT,COUNT,INDEX" with the address of the first of the processes.

    Raises ModflowError for anything else, and where the others do not come.
    """
    options: dict[str, Any] = {} if where == "auto" else _parsed(where)
    # Each host computes for itself; libraries for more than that would write to stdout.
    jax.config.update("jax_cpu_collectives_implementation", None)
    try:
        jax.distributed.initialize(**options)
    except (RuntimeError, ValueError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ModflowError(
            f"cannot join the hosts of --hosts {where}: {reason}; outside of clusters that JAX"
            " knows, give ADDRESS:PORT,COUNT,INDEX"
        ) from error
    try:
        yield Hosts(jax.process_index(), jax.process_count())
    finally:
        jax.distributed.shutdown()


def _parsed(where: str) -> dict[str, Any]:
    address, *numbers = where.split(",")
    try:
        count, index = map(int, numbers)
        host, port = address.rsplit(":", 1)
        right = bool(host) and 0 <= index < count and 0 < int(port) < 2**16
    except ValueError:
        right = False
    if not right:
        raise ModflowError(
            f"--hosts is auto, or ADDRESS:PORT,COUNT,INDEX such as 10.0.0.1:4000,2,0; got {where!r}"
        )
    return {"coordinator_address": address, "num_processes": count, "process_id": index}
