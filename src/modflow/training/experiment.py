"""What is trained: everything that decides the numbers of a run, and nothing else."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, asdict, dataclass, fields
from typing import Any

from ..errors import ModflowError, UnknownNameError
from ..grid import is_whole
from ..networks.data import DATA_SETS
from ..networks.initial import INITIALIZATIONS
from ..networks.layers import ACTIVATIONS
from ..networks.network import ARCHITECTURES, PRECISIONS
from .rates import DECAYS

MAX_FLOW_ORDER = 3


@dataclass(frozen=True)
class Run:
    """One training of an experiment: a step size, a momentum, a seed."""

    h: float
    beta: float
    seed: int

    def __post_init__(self) -> None:
        if not (math.isfinite(self.h) and self.h > 0):
            raise ModflowError(f"a step size is positive and finite; got h = {self.h:g}")
        if not 0 <= self.beta < 1:
            raise ModflowError(f"a momentum lies in 0 <= beta < 1; got beta = {self.beta:g}")
        if not is_whole(self.seed) or self.seed < 0:
            raise ModflowError(f"a seed is a whole number from 0; got {self.seed!r}")

    @property
    def name(self) -> str:
        """Also that of the run's folder."""
        return f"h={self.h!r},beta={self.beta!r},seed={self.seed}"

    @property
    def effective_rate(self) -> float:
        """h/(1-β): what the speed of the flow is to gradient flow's."""
        return self.h / (1 - self.beta)

    @property
    def regularizer(self) -> float:
        """The strength h(1+β)/(4(1-β)²) of ‖∇E‖² beside E/(1-β), as the paper gives it."""
        return self.h * (1 + self.beta) / (4 * (1 - self.beta) ** 2)

    @property
    def threshold(self) -> float:
        """The sharpness 2(1+β)/h above which the heavy ball is unstable on a quadratic loss."""
        return 2 * (1 + self.beta) / self.h


@dataclass(frozen=True)
class Experiment:
    """What a grid of runs has in common.

    `train` and `test` are how many images are taken of the data set, None for all of them;
    `size` is the extent that they are averaged down to. `batch` is the number of images that a
    step sees, None for all (the full batch). Where `flow` is 1, 2 or 3, the modified flow of
    that order runs beside the iterates of the full batch.

    `record_every` steps the losses, accuracies and gradients are measured, and every
    `sharpness_every` steps, where that is not 0, the `eigenvalues` largest eigenvalues of the
    Hessian. These decide no number but which ones are there.

    Raises ModflowError for what makes no experiment.
    """

    data: str = "digits"
    train: int | None = 1000
    test: int | None = None
    size: int | None = None
    architecture: str = "mlp"
    width: int | None = None
    depth: int = 2
    activation: str = "relu"
    batch_norm: bool = True
    initialization: str = "torch"
    precision: str = "float32"
    batch: int | None = None
    steps: int = 200
    decay: str = "constant"
    record_every: int = 10
    sharpness_every: int = 0
    eigenvalues: int = 1
    flow: int = 0

    def __post_init__(self) -> None:
        for what, name, known in (
            ("data set", self.data, DATA_SETS),
            ("architecture", self.architecture, ARCHITECTURES),
            ("activation", self.activation, tuple(ACTIVATIONS)),
            ("initialization", self.initialization, tuple(INITIALIZATIONS)),
            ("precision", self.precision, PRECISIONS),
            ("decay of the step size", self.decay, tuple(DECAYS)),
        ):
            if not isinstance(name, str) or name not in known:
                raise UnknownNameError(what, str(name), known)
        if not isinstance(self.batch_norm, bool):
            raise ModflowError(f"batch_norm is true or false; got {self.batch_norm!r}")
        for name in ("train", "test", "size", "width", "batch"):
            value = getattr(self, name)
            if value is not None and (not is_whole(value) or value < 1):
                raise ModflowError(f"{name} is a whole number from 1; got {value!r}")
        for name, least in (
            ("depth", 1),
            ("steps", 1),
            ("record_every", 1),
            ("sharpness_every", 0),
            ("eigenvalues", 1),
            ("flow", 0),
        ):
            value = getattr(self, name)
            if not is_whole(value) or value < least:
                raise ModflowError(f"{name} is a whole number from {least}; got {value!r}")
        if self.flow > MAX_FLOW_ORDER:
            raise ModflowError(
                f"flows of order 1 to {MAX_FLOW_ORDER} run beside a network; got {self.flow}"
            )
        if self.flow and self.decay != "constant":
            raise ModflowError("the modified flow is derived for a constant step size")
        if self.flow and self.batch is not None:
            raise ModflowError(
                "beside a training there is the flow of the full batch; for mini-batches that come"
                " back there is modflow sweep --problem digits-mlp --batches 4"
            )
        if self.flow and self.precision == "bfloat16":
            raise ModflowError("a flow in bfloat16 would be rounding alone: float32 or float64")
        if self.sharpness_every % self.record_every:
            raise ModflowError(
                f"the sharpness belongs to recorded steps: sharpness_every is a multiple of "
                f"record_every = {self.record_every}; got {self.sharpness_every}"
            )

    @property
    def smooth(self) -> bool:
        """Whether the loss has the derivatives that the theorems ask for."""
        from ..networks.layers import SMOOTH

        return self.activation in SMOOTH

    def to_dict(self) -> dict[str, Any]:
        """For a configuration file."""
        return asdict(self)

    @classmethod
    def from_dict(cls, given: Any) -> Experiment:
        """The inverse of `to_dict`; ModflowError for what is no experiment."""
        if not isinstance(given, Mapping):
            raise ModflowError("it has no experiment")
        known = {field.name for field in fields(cls)}
        strange = sorted(map(str, set(given) - known))
        if strange:
            raise UnknownNameError("setting", strange[0], known)
        return cls(**given)

    def fingerprint(self, data_sha256: str) -> str:
        """What tells results of this experiment on these images from others.

        Settings at their defaults do not count, so that later ones change nothing.
        """
        usual = defaults()
        own = {name: value for name, value in self.to_dict().items() if value != usual[name]}
        whole = json.dumps([own, data_sha256], sort_keys=True)
        return hashlib.sha256(whole.encode()).hexdigest()[:16]

    def differences(self, other: Experiment) -> list[str]:
        """The settings in which they differ, as "batch = 64, not 32"."""
        mine, others = self.to_dict(), other.to_dict()
        return [
            f"{name} = {others[name]}, not {mine[name]}"
            for name in mine
            if mine[name] != others[name]
        ]


def defaults() -> dict[str, Any]:
    """The settings of an experiment, with their defaults."""
    return {f.name: f.default for f in fields(Experiment) if f.default is not MISSING}


def grid_of(
    step_sizes: Iterable[float], betas: Iterable[float], seeds: Iterable[int]
) -> tuple[Run, ...]:
    """All runs with one of each, in this order; what is given twice counts once."""
    betas, seeds = tuple(betas), tuple(seeds)
    return tuple(
        dict.fromkeys(
            Run(float(h), float(b), int(s)) for h in step_sizes for b in betas for s in seeds
        )
    )
