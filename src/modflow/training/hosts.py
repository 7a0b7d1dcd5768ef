"""Several hosts: each trains its share of a grid's programs, into one folder that all can see."""

from __future__ import annotations

import itertools
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from inspect import signature
from typing import Any, TypeVar

import jax

from ..errors import ModflowError, first_line
from ..interrupt import handled

_LOOK_MILLISECONDS = 1000
_LEAVING_SECONDS = 60.0
_FAILED = "modflow/failed"

_MEETINGS = itertools.count()
"""No two have one name; all hosts have the same ones, in the same order."""

T = TypeVar("T")


class OtherFailed(ModflowError):
    """Another host has failed, and told so."""


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
        """Go on when all others are there, too. Raises ModflowError where one has failed."""
        self.hear(where, "")

    def hear(self, where: str, said: str) -> str:
        """Go on when all others are there, too, with what the first one says.

        Raises ModflowError where one has failed, with its reason.
        """
        if self.count == 1:
            return said
        # By the coordinator alone, without a computation on the devices.
        client, name = _client(), f"modflow/{next(_MEETINGS)}-{where}"
        client.key_value_set(f"{name}/{self.index}", f"={said}")
        found = [self._waited(client, f"{name}/{i}") for i in range(self.count)]
        return found[0].removeprefix("=")

    def _waited(self, client: Any, key: str) -> str:
        while True:
            self.check()
            try:
                return str(client.blocking_key_value_get(key, _LOOK_MILLISECONDS))
            except jax.errors.JaxRuntimeError as error:
                if "DEADLINE_EXCEEDED" not in str(error):
                    raise ModflowError(f"the first host is gone: {first_line(error)}") from error

    def check(self) -> None:
        """Raise ModflowError where another host has failed."""
        if self.count > 1:
            for key, reason in self._failures():
                index = int(key.rsplit("/", 1)[1])
                if index != self.index:
                    raise OtherFailed(f"host {index} has failed: {reason}")

    def _failures(self) -> list[tuple[str, str]]:
        try:
            return list(_client().key_value_dir_get(_FAILED))
        except jax.errors.JaxRuntimeError as error:
            raise ModflowError(f"the first host is gone: {first_line(error)}") from error

    @contextmanager
    def telling(self) -> Iterator[None]:
        """Tell the others what ends the work meanwhile, if they have not told it themselves."""
        try:
            yield
        except OtherFailed:
            raise
        except BaseException as error:
            interrupted = isinstance(error, KeyboardInterrupt)
            self.fail("it was interrupted" if interrupted else str(error) or type(error).__name__)
            raise

    def fail(self, reason: str) -> None:
        """Tell the others that this one ends."""
        if self.count > 1:
            with suppress(jax.errors.JaxRuntimeError):  # told before, or nobody listens
                _client().key_value_set(f"{_FAILED}/{self.index}", reason)


ALONE = Hosts()


@contextmanager
def hosts(where: str, say: Callable[[str], None] = lambda _: None) -> Iterator[Hosts]:
    """Join the others by `jax.distributed`, before anything else is done with JAX.

    `where` is "auto", where Slurm, Open MPI, Kubernetes or a TPU pod say who is there, or
    "ADDRESS:PORT,COUNT,INDEX" with the address of the first of the processes.

    A host that fails tells the others, which end then, too; `say` tells it here at once.

    Raises ModflowError for anything else, and where the others do not come.
    """
    options: dict[str, Any] = {} if where == "auto" else _parsed(where)
    # It would take SIGTERM, which ends the command as Ctrl-C does.
    jax.config.update("jax_enable_preemption_service", False)
    if "shutdown_timeout_seconds" in signature(jax.distributed.initialize).parameters:
        options["shutdown_timeout_seconds"] = int(_LEAVING_SECONDS)
    # Each host computes for itself; libraries for more than that would write to stdout.
    jax.config.update("jax_cpu_collectives_implementation", None)
    try:
        # Nothing is lost yet, and Python would not hear of a signal.
        with handled(signal.SIG_DFL):
            jax.distributed.initialize(**options)
    except (RuntimeError, ValueError) as error:
        raise ModflowError(
            f"cannot join the hosts of --hosts {where}: {first_line(error)}; outside of clusters"
            " that JAX knows, give ADDRESS:PORT,COUNT,INDEX"
        ) from error
    found = Hosts(jax.process_index(), jax.process_count())
    try:
        with found.telling():
            yield found
    except OtherFailed:
        raise
    except ModflowError as error:
        say(f"host {found.index} of {found.count} ends, and so do the others: {error}")
        raise
    finally:
        # Nobody leaves before all do; one that is stuck holds the others up for so long.
        leaving = threading.Thread(target=_shut_down, daemon=True)
        leaving.start()
        leaving.join(_LEAVING_SECONDS)


def _shut_down() -> None:
    with suppress(jax.errors.JaxRuntimeError):
        jax.distributed.shutdown()


def _client() -> Any:
    from jax._src import distributed  # as orbax does: there is no public way to it

    return distributed.global_state.client


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
