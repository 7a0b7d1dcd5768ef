"""The runs of a study over its step sizes, and what their errors do not owe to the flow."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

import jax
import numpy as np
from jaxtyping import PyTree

from .batches import BatchSideBySide
from .integrate import Comparison, SideBySide
from .precise import PreciseComparison, PreciseSideBySide

FAR_BELOW = 1e-2
"""The integrator's error is far below the error measured under this ratio: it then changes a
pairwise slope by at most 2 · 0.01 / log 2 = 0.03, a tenth of what tells orders half an
integer apart."""
MAX_SUBSTEPS = 64
_CROSS_CHECKED = 2

Progress = Callable[[str, float], None]
"""Called with what is being done and the share of all steps that are done."""


class Runs:
    """Collects one comparison a step size, with evidence on the integrator."""

    def __init__(
        self, pair: SideBySide | BatchSideBySide, progress: Progress | None, total: int
    ) -> None:
        self.pair = pair
        self.kept: dict[float, Comparison] = {}
        self.excluded: dict[float, str] = {}
        self.amplification, self.checked = 1.0, 0
        self._progress, self._total, self._done = progress, max(1, total), 0

    def add_all(self, grid: Iterable[tuple[float, int]]) -> bool:
        """Run every (step size, number of steps); False where Ctrl-C ended it early."""
        return _until_interrupted(self.add, grid)

    def add(self, h: float, steps: int) -> None:
        """Run one step size, with the integrator as fine as it has to be."""
        run = self._checked(self._run(h, steps, 1))
        while run.substeps < MAX_SUBSTEPS and not self._is_final(run):
            run = self._checked(self._run(h, steps, 2 * run.substeps))
        self._done += steps
        if run.diverged is not None:
            self.excluded[h] = _divergence(run.diverged, h)
        elif self.error_of(run) > FAR_BELOW * run.error + self.rounding(run):
            self.excluded[h] = (
                f"the flow cannot be integrated accurately enough: {self.error_of(run):.1e} "
                f"beside an error of {run.error:.1e}"
            )
        else:
            self.kept[h] = run

    def _run(self, h: float, steps: int, substeps: int) -> Comparison:
        def report(k: int) -> None:
            if self._progress is not None:
                self._progress(f"h = {h:.3g}", (self._done + k) / self._total)

        return self.pair.run(h, steps, substeps, report)

    def _is_final(self, run: Comparison) -> bool:
        """Whether finer steps of the integrator would not change what the run says."""
        if run.diverged is not None:
            return run.diverged[0] == "iterates"
        error = self.error_of(run)
        return error <= FAR_BELOW * run.error or error <= self.rounding(run)

    def _checked(self, run: Comparison) -> Comparison:
        """At the coarsest sizes, integrate again with half the steps and keep the finer run."""
        if run.diverged is not None or self.checked >= _CROSS_CHECKED:
            return run
        finer = self._run(run.h, run.steps, 2 * run.substeps)
        if finer.diverged is not None:
            return finer
        self.checked += 1
        true = max(_distance(run.flow, finer.flow), abs(run.error - finer.error))
        if true > self.rounding(run) and run.embedded_error > 0:
            self.amplification = max(self.amplification, true / run.embedded_error)
        return finer

    def error_of(self, run: Comparison) -> float:
        """A bound for the integrator's share of the error."""
        return self.amplification * run.embedded_error

    @staticmethod
    def rounding(run: Comparison) -> float:
        """What rounding alone may have done to iterates and flow: half an ulp a step, in a
        random walk (Henrici's model of rounding in the solution of ODEs)."""
        return float(np.finfo(float).eps) * run.scale * math.sqrt(run.steps)


class PreciseRuns:
    """The same for arithmetic in many digits, whose runs bound their own errors."""

    amplification = 1.0

    def __init__(self, pair: PreciseSideBySide, progress: Progress | None, total: int) -> None:
        self.pair = pair
        self.kept: dict[float, PreciseComparison] = {}
        self.excluded: dict[float, str] = {}
        self._progress, self._total, self._done = progress, max(1, total), 0

    def add_all(self, grid: Iterable[tuple[float, int]]) -> bool:
        """Run every (step size, number of steps); False where Ctrl-C ended it early."""
        return _until_interrupted(self._add, grid)

    def _add(self, h: float, steps: int) -> None:
        def report(k: int) -> None:
            if self._progress is not None:
                self._progress(f"h = {h:.3g}", (self._done + k) / self._total)

        run = self.pair.run(h, steps, report)
        self._done += steps
        if run.diverged is not None:
            self.excluded[h] = _divergence(run.diverged, h)
        else:
            self.kept[h] = run

    @staticmethod
    def error_of(run: PreciseComparison) -> float:
        """A bound for the integrator's share of the error."""
        return run.integrator

    @staticmethod
    def rounding(run: PreciseComparison) -> float:
        """A bound for what rounding may have done to iterates and flow."""
        return run.rounding


def _distance(a: PyTree[np.ndarray], b: PyTree[np.ndarray]) -> float:
    """Euclidean, over all leaves. They are NumPy's here, and nothing has to be compiled."""
    pairs = zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True)
    return math.hypot(*(float(np.linalg.norm(u - v)) for u, v in pairs))


def _until_interrupted(
    add: Callable[[float, int], None], grid: Iterable[tuple[float, int]]
) -> bool:
    try:
        for h, steps in grid:
            add(h, steps)
    except KeyboardInterrupt:
        return False
    return True


def _divergence(diverged: tuple[str, int], h: float) -> str:
    which, k = diverged
    what = "the iterates diverge" if which == "iterates" else "the flow diverges"
    return f"{what} at step {k} (h = {h:g})"
