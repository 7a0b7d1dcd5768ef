"""Where and how a network is trained: the one place that knows what a device is good at.

What it decides was measured, and `benchmarks/` measures it again (`convolutions.py`,
`grids.py`). On GPUs and TPUs a chunk of steps is one program and so is a grid of runs. On CPUs
XLA's convolutions are slow in loops and under `vmap`; as sums of matrix products they keep their
speed in loops. Several networks with convolutions in one program take as long as one after
another there, and less in a process for each processor; dense networks take longer in one program
where they fill the processor, while small ones gain a factor, and more of it with a device for each
processor (`split`). Whether one network's steps are faster as products in a loop, or with XLA's
convolutions one by one from the host, depends on its sizes and on the processor: that is tried out
(`trial`).
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import jax

from ..errors import ModflowError
from ..networks.network import Network
from ..processors import default_jobs, threads
from .prepared import Prepared

PLATFORMS = ("cpu", "gpu", "tpu")
STEPPINGS = ("loop", "host")
"""Whether a chunk of steps is a loop within one program, or the host calls each of them."""
_SHARE = 0.8
"""Of the memory that is free."""
_SMALL = 2**22
"""Images a batch times parameters, which is how often a step multiplies going forward, up to which
a CPU that is one device gains from several dense networks at once: a factor of 3 at a sixtieth of
it, 1.1 to 1.7 close to it, little or nothing beyond it."""
_SMALL_SPLIT = 2**25
"""The same where each processor is a device: factors of 3 at a four-hundredth of it, 1.4 close to
it, and a loss of a twentieth at two and a half times of it."""
_MOST = 256
"""Runs in one program: beyond it nothing is gained, and compiling takes ever longer."""


_split = False


def split() -> None:
    """Make the processors of this process a device each, where JAX has not computed yet.

    Runs in one program are then shared out among them. As one device, XLA shares out a product of
    matrices instead, which small networks do not gain from. What the user has said about devices
    stays.
    """
    global _split
    if "xla_force_host_platform_device_count" in os.environ.get("XLA_FLAGS", ""):
        return
    unasked = getattr(jax.config, "jax_num_cpu_devices", 0) < 0
    if unasked and threads() > 1:
        with suppress(RuntimeError):
            jax.config.update("jax_num_cpu_devices", threads())
            _split = True


@dataclass(frozen=True)
class Place:
    """The devices of one kind that a training uses."""

    devices: tuple[Any, ...]

    @classmethod
    def of(cls, platform: str | None = None) -> Place:
        """All local devices of a platform; of JAX's default one where none is named.

        Raises ModflowError where there are none.
        """
        try:
            return cls(tuple(jax.local_devices(backend=platform)))
        except RuntimeError:
            there = ", ".join(sorted({device.platform for device in jax.local_devices()}))
            hints = {"gpu": "pip install modflow[cuda13]", "tpu": "pip install modflow[tpu]"}
            hint = f"; {hints[platform]} on a machine that has one" if platform in hints else ""
            raise ModflowError(f"there is no {platform} here, only: {there}{hint}") from None

    def of_runs(self, count: int) -> Place:
        """The part of it that is for so many runs in one program.

        One alone has no use for processors that are devices for themselves.
        """
        return Place(self.devices[:1]) if count == 1 and self._is_split else self

    @property
    def _is_split(self) -> bool:
        return _split and self.platform == "cpu"

    @property
    def platform(self) -> str:
        """cpu, gpu or tpu."""
        return str(self.devices[0].platform)

    @property
    def kind(self) -> str:
        """The device's name."""
        return f"{self.devices[0].device_kind} ({len(self.devices)})"

    @property
    def convolutions(self) -> str:
        """How a network convolves here; see `modflow.networks.convolution`."""
        return "products" if self.platform == "cpu" else "native"

    def vectorizes(self, network: Network, batch: int) -> bool:
        """Whether several runs of a network are faster in one program than one by one."""
        if self.platform != "cpu":
            return True
        small = _SMALL_SPLIT if self._is_split else _SMALL
        return network.architecture == "mlp" and batch * network.parameters <= small

    def may_step_from_host(self, architecture: str) -> bool:
        """Whether steps from the host can be faster than a loop of them: where XLA's own
        convolutions are not in use because they are slow in loops."""
        return self.convolutions != "native" and architecture != "mlp"

    def processes(self, architecture: str) -> int:
        """How many processes of this machine gain: a processor each for networks that do not fill
        several. MLPs are trained faster than processes start."""
        return default_jobs() if self.platform == "cpu" and architecture != "mlp" else 1

    def free_memory(self) -> int | None:
        """Bytes that one device has left; None where it does not say."""
        if self.platform == "cpu":
            try:
                return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
            except (AttributeError, ValueError, OSError):  # not on every system
                return None
        stats = self.devices[0].memory_stats() or {}
        if "bytes_limit" not in stats:
            return None
        return int(stats["bytes_limit"]) - int(stats.get("bytes_in_use", 0))

    def how_many(self, bytes_each: int) -> int:
        """How many runs that need so much memory fit in one program."""
        free = self.free_memory()
        if free is None:
            return 1
        memories = 1 if self._is_split else len(self.devices)
        return max(1, min(_MOST, int(_SHARE * free * memories // max(1, bytes_each))))


def place_for(architecture: str, platform: str | None) -> Place:
    """Where a network is trained, by a process that does nothing else: see `split`."""
    if architecture == "mlp":
        split()
    return Place.of(platform)


@dataclass(frozen=True)
class Survey:
    """What a place is good at for one experiment, in words that can be sent."""

    platform: str
    device: str
    at_once: int
    """Runs in one program."""
    may_step_from_host: bool
    threads: int | None = None
    """Of XLA in the process, which decide how results are rounded; None where that is not known."""

    @classmethod
    def of(cls, prepared: Prepared, place: Place) -> Survey:
        """Of an experiment's network and images."""
        network = prepared.network("native")
        several = place.vectorizes(network, prepared.batch)
        return cls(
            place.platform,
            place.kind,
            place.how_many(prepared.bytes_of_a_run()) if several else 1,
            place.may_step_from_host(network.architecture),
            threads(),
        )
