"""How much of the time goes into compiling."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache

import jax

_EVENTS = (
    "/jax/core/compile/jaxpr_to_mlir_module_duration",
    "/jax/core/compile/backend_compile_duration",
)
"""Not tracing, which is told within tracing, too."""


@dataclass(eq=False)
class Compilation:
    """What JAX has spent on lowering and compiling, in the thread that asks."""

    seconds: float = 0.0
    thread: int = field(default_factory=threading.get_ident)


_OPEN: list[Compilation] = []


@contextmanager
def compilation() -> Iterator[Compilation]:
    """Count it, as JAX tells it, until the `with` ends."""
    _listen()
    found = Compilation()
    _OPEN.append(found)
    try:
        yield found
    finally:
        _OPEN.remove(found)


@lru_cache(maxsize=1)
def _listen() -> None:
    # There is no public way to stop listening.
    jax.monitoring.register_event_duration_secs_listener(_told)


def _told(event: str, duration_secs: float, **_: str | int) -> None:
    if event in _EVENTS:
        for each in [each for each in _OPEN if each.thread == threading.get_ident()]:
            each.seconds += duration_secs
