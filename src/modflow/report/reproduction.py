"""The paper's experiments on networks, ours beside its: tables, curves, and what they say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rich import box
from rich.console import Group, RenderableType
from rich.table import Table

from ..claims import CLAIMS, ClaimResult, check_claim
from ..claims.networks import ROWS, TABLE
from ..training.grids import GridResult
from ..training.paper import Part, Reproduction
from ..training.store import LAST
from .training import COLOURS, Setting, draw_curve, grid_json, legend_below, settings_of, spread

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_PRINTED = {"fig-2": {(0.2, 0.0): "95.72"}}
"""Best test accuracies of the paper, at (h, β)."""
_CAPTIONS = {
    "fig-2": "the paper: ResNet-18 of width 64, 28 by 28 pixels; best 95.72 at h = 0.2",
    "fig-3": "the paper: the same at h = 0.1; best 96.22, at a beta that it does not say",
}
_CLAIMS = {
    "fig-2": ("fig-2-accuracy",),
    "fig-3": ("fig-3-accuracy", "fig-2-3-comparison"),
    "fig-4": ("fig-4-accuracy",),
    "table-1": ("fig-4-accuracy", "table-1-deviation", "sec-6-not-scaled"),
}


@dataclass(frozen=True)
class Reproduced:
    """What was asked for, and what there is of it."""

    asked: Reproduction
    results: tuple[GridResult, ...]
    """One a part, in its order; fewer where it was ended early."""
    folder: Path

    @property
    def complete(self) -> bool:
        """Whether all runs of all parts are there."""
        return len(self.results) == len(self.asked.parts) and all(r.complete for r in self.results)

    @property
    def diverged(self) -> bool:
        """Whether a run of any part was lost."""
        return any(result.diverged for result in self.results)

    @property
    def parts(self) -> list[tuple[Part, GridResult]]:
        """What is there, with where it belongs."""
        return list(zip(self.asked.parts, self.results, strict=False))

    def claims(self) -> list[ClaimResult]:
        """What the results say of the paper's statements about this figure."""
        if not self.complete:
            return []
        return [
            check_claim(CLAIMS[name], results=self.folder) for name in _CLAIMS[self.asked.figure]
        ]


def reproduction_view(found: Reproduced, claims: Sequence[ClaimResult]) -> RenderableType:
    """One table with the paper's numbers beside ours, and the evidence that follows from it."""
    figure = found.asked.figure
    shown = _mini_batch(found) if figure in ("fig-4", "table-1") else _full_batch(found)
    lines = [f"{figure} at scale {found.asked.scale}", shown]
    if figure in _CAPTIONS:
        lines.append(_CAPTIONS[figure])
    for result in claims:
        lines.append(f"\n{result.claim.id}: {result.verdict}")
        for evidence in result.evidence:
            role = " (context)" if evidence.about == "context" else ""
            lines.append(f"  {evidence.verdict}{role}: {evidence.text}\n      {evidence.detail}")
    return Group(*lines)


def _table(*names: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in names:
        table.add_column(name, justify="right")
    return table


def _full_batch(found: Reproduced) -> RenderableType:
    table = _table(
        "h", "beta", "h/(1-beta)", "train loss", "regularizer/loss", "test %, end", "best test %",
        "the paper's",
    )  # fmt: skip
    printed = _PRINTED.get(found.asked.figure, {})
    for result in found.results:
        for each in settings_of(result):
            table.add_row(
                f"{each.h:g}",
                f"{each.beta:g}",
                f"{each.h / (1 - each.beta):.3g}",
                spread(each.values("train_loss")),
                each.regularizer_over_loss,
                spread(each.values("test_accuracy"), percent=True),
                spread([history.best() for history in each.done], percent=True),
                printed.get((each.h, each.beta), "—"),
            )
    return table


def _mini_batch(found: Reproduced) -> RenderableType:
    table = _table(
        "network", "beta", "h", f"test %, last {LAST} epochs", "best test %", "the paper's"
    )
    for part, result in found.parts:
        entries = _entries(part.network)
        for each in settings_of(result):
            table.add_row(
                part.column,
                f"{each.beta:g}",
                f"{each.h:g}",
                spread(each.values("test_accuracy", LAST), percent=True),
                spread([history.best() for history in each.done], percent=True),
                entries.get(each.beta, "—"),
            )
    return table


def _entries(network: str) -> dict[float, str]:
    """The column of CIFAR-10 of this network in Table 1, by β."""
    for column in TABLE:
        if column.name == f"CIFAR-10 {network}":
            return {
                float(beta): f"{float(mean):.1f} ± {float(deviation):.1f} (CIFAR-10)"
                for (beta, _), mean, deviation in zip(
                    ROWS, column.accuracy, column.deviation, strict=True
                )
            }
    return {}


def reproduction_json(found: Reproduced, claims: Sequence[ClaimResult]) -> dict[str, Any]:
    """For `--json`."""
    return {
        "figure": found.asked.figure,
        "scale": found.asked.scale,
        "complete": found.complete,
        "parts": [
            {"column": part.column, "folder": part.name, **grid_json(result)}
            for part, result in found.parts
        ],
        "claims": [result.to_dict() for result in claims],
    }


def reproduction_figure(found: Reproduced) -> Figure:
    """Test accuracy along the way, and where it ends, for each network."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter

    parts = [(part, result) for part, result in found.parts if result.histories]
    lines = max(1, len(parts))
    figure = Figure(figsize=(8.4, 2.9 * lines + 0.5), layout="constrained")
    for i, (part, result) in enumerate(parts):
        curves, ends = (figure.add_subplot(lines, 2, 2 * i + j) for j in (1, 2))
        settings = [each for each in settings_of(result) if each.done]
        for j, each in enumerate(settings):
            draw_curve(curves, each, "test_accuracy", COLOURS[j % len(COLOURS)])
        best = [100 * np.array([h.best() for h in each.done]) for each in settings]
        _ends(ends, found.asked.figure, settings, best)
        curves.set(xlabel="step $k$", ylabel="test accuracy, %", title=part.column)
        curves.yaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:.4g}"))
        top = max((h.best() for each in settings for h in each.done), default=1.0)
        curves.set_ylim(max(0.0, top - 0.3), top + 0.01)
        for axes in (curves, ends):
            axes.grid(which="major", color="#e8eaed", lw=0.6)
            axes.set_axisbelow(True)
            for side in ("top", "right"):
                axes.spines[side].set_visible(False)
    legend_below(figure)
    return figure


def _ends(axes: Any, figure: str, settings: Sequence[Setting], best: Sequence[Any]) -> None:
    rates = figure == "fig-2"
    places = [each.h if rates else each.beta for each in settings]
    for place, values, colour in zip(places, best, COLOURS, strict=False):
        axes.plot([place] * len(values), values, "o", color=colour, ms=4, alpha=0.7)
    axes.plot(places, [values.mean() for values in best], "-", color="#8a8f98", lw=1, zorder=1)
    axes.set(
        xlabel="step size $h$" if rates else r"momentum $\beta$",
        ylabel="best test accuracy, %",
        xscale="log" if rates else "linear",
        title="each seed, and their mean",
    )
    axes.set_xticks(places, [f"{place:g}" for place in places])
    axes.minorticks_off()
