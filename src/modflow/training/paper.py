"""The paper's experiments on networks: Figures 2 to 4 and Table 1, at three scales.

Section 6 gives batches of 640, h/(1-β) = 0.1, the momenta, the networks and three seeds for
Figure 4 and Table 1; 1,000 images of MNIST, ResNet-18, the full batch and h = 0.1 for Figures 2
and 3. It does not give the numbers of steps, the decay of the step size that Figures 2 and 3 have,
nor the initialization: at scale `paper` these are choices, which are said here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from ..errors import UnknownNameError
from .experiment import Experiment, Run, grid_of

SEEDS = (0, 1, 2)
EFFECTIVE = 0.1
TABLE_BETAS = (0.0, 0.3, 0.5, 0.8)
"""The rows of Table 1, with h = 0.1 (1-β)."""

FULL_BATCH, MINI_BATCH = "full-batch", "mini-batch"


@dataclass(frozen=True)
class Part:
    """A grid of runs of one network on one data set; it has a folder of its own."""

    name: str
    """Also that of the folder."""
    experiment: Experiment
    runs: tuple[Run, ...]
    data: str
    """As the paper names it, or what stands for it."""
    network: str

    @property
    def column(self) -> str:
        """Such as CIFAR-10 RN-18."""
        return f"{self.data} {self.network}"


@dataclass(frozen=True)
class Reproduction:
    """A figure or table at a scale: what is trained for it."""

    figure: str
    scale: str
    parts: tuple[Part, ...]


@dataclass(frozen=True)
class _Scale:
    """What a scale has in place of the paper's sizes."""

    full: Experiment
    """Of Figures 2 and 3."""
    rates: tuple[float, ...]
    """Of Figure 2."""
    betas: tuple[float, ...]
    """Of Figure 3, at h = 0.1."""
    mini: Experiment
    """Of Figure 4 and Table 1, but for network and data."""
    data: dict[str, str]
    """The data sets of Table 1 by their names in the paper."""
    networks: dict[str, dict[str, Any]]
    """Its networks, with what is different for each."""


def _epochs(count: int, images: int, batch: int) -> dict[str, Any]:
    steps = images // batch
    return {"batch": batch, "steps": count * steps, "record_every": steps}


_ARCHITECTURES = {
    "DN-121": "densenet-121",
    "RN-18": "resnet-18",
    "RN-50": "resnet-50",
    "WRN-16-8": "wide-resnet-16-8",
}


def _networks(**widths: int) -> dict[str, dict[str, Any]]:
    return {
        name: {"architecture": architecture, "width": widths.get(architecture.split("-")[0])}
        for name, architecture in _ARCHITECTURES.items()
    }


_SCALES = {
    "paper": _Scale(
        # 300 steps, and a tenth and a hundredth of h after half and three quarters of them: the
        # paper has a decay, and does not say which.
        full=Experiment(data="mnist", architecture="resnet-18", steps=300, decay="steps"),
        rates=(0.01, 0.05, 0.1, 0.2, 0.3, 0.4),
        betas=(0.0, 0.3, 0.5, 0.8, 0.9),
        # 200 epochs, the usual number for CIFAR.
        mini=Experiment(train=None, **_epochs(200, 50_000, 640)),
        data={"CIFAR-10": "cifar-10", "CIFAR-100": "cifar-100"},
        networks=_networks(),
    ),
    "small": _Scale(
        full=Experiment(
            data="mnist", size=14, test=4000, architecture="resnet-18", width=4, steps=200
        ),
        rates=(0.025, 0.05, 0.1, 0.2, 0.4),
        betas=(0.0, 0.3, 0.5, 0.8, 0.9),
        mini=Experiment(train=1000, test=2000, size=14, **_epochs(10, 1000, 64)),
        data={"MNIST": "mnist"},
        networks=_networks(densenet=4, resnet=4, wide=2),
    ),
    "tiny": _Scale(
        full=Experiment(architecture="resnet-10", width=4, test=500, steps=50, record_every=5),
        rates=(0.05, 0.1, 0.2),
        betas=(0.0, 0.5, 0.8),
        mini=Experiment(train=1000, test=500, **_epochs(8, 1000, 64)),
        data={"digits": "digits"},
        networks={
            "MLP": {"architecture": "mlp", "width": 32},
            "RN-10": {"architecture": "resnet-10", "width": 4},
        },
    ),
}
SCALES = tuple(_SCALES)


def _full(scale: str, grid: Callable[[_Scale], tuple[Run, ...]]) -> tuple[Part, ...]:
    # Both figures have one folder: they share the runs at h = 0.1, β = 0.
    of = _SCALES[scale]
    data = "digits" if of.full.data == "digits" else "MNIST"
    network = "RN-10" if of.full.architecture == "resnet-10" else "RN-18"
    return (Part(f"{FULL_BATCH}-{scale}", of.full, grid(of), data, network),)


def _figure_two(scale: str) -> tuple[Part, ...]:
    return _full(scale, lambda of: grid_of(of.rates, [0.0], SEEDS))


def _figure_three(scale: str) -> tuple[Part, ...]:
    return _full(scale, lambda of: grid_of([EFFECTIVE], of.betas, SEEDS))


def _table(scale: str, columns: int | None = None) -> tuple[Part, ...]:
    of = _SCALES[scale]
    runs = tuple(Run(_rate(beta), beta, seed) for beta in TABLE_BETAS for seed in SEEDS)
    return tuple(
        Part(
            f"{MINI_BATCH}-{scale}-{data}-{network}".lower(),
            replace(of.mini, data=source, **settings),
            runs,
            data,
            network,
        )
        for data, source in list(of.data.items())[:columns]
        for network, settings in of.networks.items()
    )


def _rate(beta: float) -> float:
    """h = 0.1 (1-β) without the rounding of that product: 0.07, 0.05, 0.02."""
    return round(EFFECTIVE * (1 - beta), 6)


_FIGURES: dict[str, Callable[[str], tuple[Part, ...]]] = {
    "fig-2": _figure_two,
    "fig-3": _figure_three,
    # The columns of Table 1 that are on CIFAR-10.
    "fig-4": lambda scale: _table(scale, columns=1),
    "table-1": _table,
}
FIGURES = tuple(_FIGURES)


def reproduction(figure: str, scale: str) -> Reproduction:
    """What is trained for a figure or table of the paper.

    Raises UnknownNameError for another figure or scale.
    """
    for what, name, known in (("figure or table", figure, FIGURES), ("scale", scale, SCALES)):
        if name not in known:
            raise UnknownNameError(what, name, known)
    return Reproduction(figure, scale, _FIGURES[figure](scale))
