"""Trainings as evidence: what the runs of `modflow reproduce` say of the paper's sentences.

The runs of one seed share their images, initial weights and batches, so that what h and β change
is compared within seeds. Intervals are Student's, of 95%: with three seeds they are wide.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

from ._evidence import About

if TYPE_CHECKING:
    from ..training.history import History
    from ..training.paper import Part

_LEVEL = 0.95
LAST = 5
"""Epochs that Table 1 is over."""

Seeds = Mapping[int, float]
"""A number for each seed."""


@dataclass(frozen=True)
class Trained:
    """A part of a reproduction, all of whose runs are there."""

    part: Part
    scale: str
    histories: Mapping[tuple[float, float], Sequence[History]]
    """By (h, β), seed by seed."""

    @property
    def about(self) -> About:
        """Only trainings of the paper's sizes decide what the paper says of them."""
        return "printed" if self.scale == "paper" else "context"

    @property
    def diverged(self) -> bool:
        """Whether a loss became infinite in any run."""
        return any(h.diverged is not None for each in self.histories.values() for h in each)

    def best(self, h: float, beta: float) -> Seeds:
        """The best test accuracy along the way, in percent."""
        return {each.run.seed: 100 * each.best() for each in self.histories[h, beta]}

    def last(self, h: float, beta: float) -> Seeds:
        """The mean test accuracy of the last epochs, in percent."""
        return {
            each.run.seed: 100 * float(np.mean(each.last(LAST))) for each in self.histories[h, beta]
        }

    def within(self, h: float, beta: float) -> tuple[float, int]:
        """The variance of the test accuracy from epoch to epoch, pooled over seeds, in squared
        percent, and its degrees of freedom."""
        rows = [100 * np.array(each.last(LAST)) for each in self.histories[h, beta]]
        freedom = sum(len(row) - 1 for row in rows)
        return float(sum(((row - row.mean()) ** 2).sum() for row in rows)) / freedom, freedom


def trained(results: Path | None, figure: str) -> Iterator[list[Trained]]:
    """What is there for a figure, scale by scale: lists of those of its parts that are complete.

    Raises ModflowError for results that are damaged.
    """
    if results is None:
        return
    from ..training.grids import load_grid
    from ..training.paper import SCALES, reproduction

    for scale in SCALES:
        found = []
        for part in reproduction(figure, scale).parts:
            folder = results / part.name
            if not (folder / "config.json").is_file():
                continue
            loaded = load_grid(folder, part.runs)
            if loaded.experiment == part.experiment and loaded.complete:
                by: dict[tuple[float, float], list[History]] = {}
                for history in loaded.histories:
                    by.setdefault((history.run.h, history.run.beta), []).append(history)
                found.append(Trained(part, scale, by))
        if found:
            yield found


@dataclass(frozen=True)
class Difference:
    """The mean difference of two settings within seeds, with its interval."""

    mean: float
    low: float
    high: float

    @classmethod
    def of(cls, more: Seeds, less: Seeds) -> Difference:
        """`more` - `less`."""
        values = np.array([more[seed] - less[seed] for seed in more])
        mean, n = float(values.mean()), len(values)
        if n < 2:
            return cls(mean, -math.inf, math.inf)
        half = stats.t.ppf((1 + _LEVEL) / 2, n - 1) * float(values.std(ddof=1)) / math.sqrt(n)
        return cls(mean, mean - half, mean + half)

    @property
    def positive(self) -> bool | None:
        """Whether it is above 0; None where the interval has both signs."""
        return True if self.low > 0 else False if self.high < 0 else None

    def __str__(self) -> str:
        return f"{self.mean:+.2f} [{self.low:+.2f}, {self.high:+.2f}]"


def mean(values: Seeds) -> float:
    """Over seeds."""
    return float(np.mean(list(values.values())))


def all_of(found: Sequence[bool | None]) -> bool | None:
    """True where all are, False where one is not, None where it cannot be told."""
    return False if False in found else None if None in found or not found else True


def variances_differ(one: tuple[float, int], other: tuple[float, int]) -> bool | None:
    """Whether the first variance is the smaller one, by an F test; None where it cannot be told."""
    (a, n), (b, m) = one, other
    if a == b:
        return None
    ratio = math.inf if not a else b / a
    if ratio > stats.f.ppf((1 + _LEVEL) / 2, m, n):
        return True
    return False if ratio < stats.f.ppf((1 - _LEVEL) / 2, m, n) else None
