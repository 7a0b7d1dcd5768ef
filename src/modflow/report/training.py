"""Trainings as tables and curves."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float
from rich import box
from rich.console import Group, RenderableType
from rich.table import Table

from ..training.grids import GridResult
from ..training.history import FLOW_COLUMNS, History
from ..training.store import LAST, summary

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#8a8f98")
"""Okabe and Ito's, which colour-blind readers can tell apart."""


@dataclass(frozen=True)
class Setting:
    """The runs of one step size and momentum, a seed each."""

    h: float
    beta: float
    histories: tuple[History, ...]

    @property
    def label(self) -> str:
        """For a legend."""
        return f"$h={self.h:g}$, $\\beta={self.beta:g}$"

    @property
    def done(self) -> list[History]:
        """The runs that went to the end."""
        return [each for each in self.histories if each.diverged is None and each.rows]

    def values(self, column: str, last: int = 1) -> list[float]:
        """A column in the last rows of all runs that went to the end."""
        return [value for each in self.done for value in each.last(last, column)]

    def curves(
        self, column: str
    ) -> tuple[Float[np.ndarray, " rows"], Float[np.ndarray, "seeds rows"]]:
        """Steps, and a column at these, a row a seed; of the runs that went to the end.

        Masked where only others have it, and where it is not finite.
        """
        runs = [{row["step"]: row[column] for row in r.rows if column in row} for r in self.done]
        steps = sorted(set().union(*runs))
        values = [[run.get(step, math.nan) for step in steps] for run in runs]
        array = np.array(values, float).reshape(len(runs), len(steps))
        return np.array(steps, float), np.ma.masked_invalid(array)

    @property
    def regularizer_over_loss(self) -> str:
        """The regularizer over E/(1-β), on average over all rows."""
        ratios = [
            row["regularizer"] * (1 - self.beta) / row["train_loss"]
            for history in self.done
            for row in history.rows
            if row["train_loss"] > 0
        ]
        return f"{np.mean(ratios):.2g}" if ratios else "—"


def settings_of(result: GridResult) -> list[Setting]:
    """The runs by step size and momentum, in their order."""
    found: dict[tuple[float, float], list[History]] = {}
    for history in result.histories:
        found.setdefault((history.run.h, history.run.beta), []).append(history)
    return [Setting(*key, tuple(value)) for key, value in found.items()]


def spread(values: Sequence[float], percent: bool = False) -> str:
    """Mean ± standard deviation (of the sample); the mean alone of a single value."""
    if not values:
        return "—"
    scale, digits = (100, 1) if percent else (1, 4)
    mean = scale * float(np.mean(values))
    if len(values) == 1:
        return f"{mean:.{digits}f}"
    return f"{mean:.{digits}f} ± {scale * float(np.std(values, ddof=1)):.{digits}f}"


def grid_view(result: GridResult) -> RenderableType:
    """One line for each step size and momentum: mean ± standard deviation over seeds."""
    several = any(len(each.histories) > 1 for each in settings_of(result))
    sharp = _recorded(result, "sharpness")
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    names = ["h", "beta", "h/(1-beta)", *["seeds"] * several, "train loss", "train %", "test %"]
    names += ["best test %", "regularizer/loss", *["sharpness", "2(1+beta)/h"] * sharp]
    for name in names + ["diverged at"] * bool(result.diverged):
        table.add_column(name, justify="right")
    for each in settings_of(result):
        rate = each.h / (1 - each.beta)
        cells = [f"{each.h:g}", f"{each.beta:g}", f"{rate:.3g}"]
        cells += [str(len(each.histories))] * several
        cells += [
            spread(each.values("train_loss")),
            spread(each.values("train_accuracy"), percent=True),
            spread(each.values("test_accuracy", LAST), percent=True),
            spread([history.best() for history in each.done], percent=True),
            each.regularizer_over_loss,
        ]
        if sharp:
            found = [history.latest("sharpness") for history in each.done]
            cells += [
                f"{np.mean(found):.3g}" if found else "—",
                f"{2 * (1 + each.beta) / each.h:.3g}",
            ]
        lost = [str(history.diverged) for history in each.histories if history.diverged is not None]
        table.add_row(*cells, *[", ".join(lost) or "—"] * bool(result.diverged))
    records = max((len(history.last(LAST)) for history in result.histories), default=LAST)
    last = f"the last {records} records" if records > 1 else "the last record"
    shown: list[RenderableType] = [_title(result), table, f"test %: of {last}"]
    if _recorded(result, "flow_distance"):
        shown += ["", _flow_table(result)]
    return Group(*shown)


def _flow_table(result: GridResult) -> RenderableType:
    """How far the iterates are from the modified flow at the end, a line a setting."""
    title = f"beside the flow of order {result.experiment.flow}, at the end"
    left = any(map(_flow_left, result.histories))
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    columns = ["h", "beta", "x from the flow", "x from x^0", "ratio", "integrator's part"]
    for name in columns + ["flow infinite before"] * left:
        table.add_column(name, justify="right")
    for each in settings_of(result):
        distances, ways, errors = (each.values(column) for column in FLOW_COLUMNS)
        gone = [f"{step:g}" for history in each.done if (step := _flow_left(history)) is not None]
        table.add_row(
            f"{each.h:g}",
            f"{each.beta:g}",
            _precise(distances),
            _precise(ways),
            _precise([d / w for d, w in zip(distances, ways, strict=True) if w > 0]),
            _largest([e / d for e, d in zip(errors, distances, strict=True) if d > 0]),
            *[", ".join(gone) or "—"] * left,
        )
    return Group(title, table)


def _flow_left(history: History) -> float | None:
    """The first recorded step at which the flow is infinite and the run is not; None for none."""
    if history.diverged is not None:
        return None
    return next((row["step"] for row in history.rows if FLOW_COLUMNS[0] not in row), None)


def _precise(values: Sequence[float]) -> str:
    """Mean ± standard deviation, of what may be of any size."""
    if not values:
        return "—"
    mean = f"{np.mean(values):.3g}"
    return mean if len(values) == 1 else f"{mean} ± {np.std(values, ddof=1):.1g}"


def _largest(values: Sequence[float]) -> str:
    return f"{max(values):.1g}" if values else "—"


def _recorded(result: GridResult, column: str) -> bool:
    return any(column in row for each in result.histories for row in each.rows)


def _title(result: GridResult) -> str:
    of = result.experiment
    batch = "full batch" if of.batch is None else f"batches of {of.batch}"
    train = "all" if of.train is None else str(of.train)
    return f"{of.architecture} on {train} images of {of.data}, {batch}, {of.steps} steps"


def grid_json(result: GridResult) -> dict[str, Any]:
    """For `--json`: the experiment, and one summary a run; what has no value is None."""

    def number(value: Any) -> Any:
        return (
            None
            if value == "" or (isinstance(value, float) and not math.isfinite(value))
            else value
        )

    return {
        "experiment": result.experiment.to_dict(),
        "complete": result.complete,
        "runs": [
            {name: number(value) for name, value in summary(history).items()}
            for history in result.histories
        ],
    }


_PANELS = (
    ("train_loss", "training loss $E$", "log"),
    ("test_accuracy", "test accuracy", "linear"),
    ("regularizer", r"$\dfrac{h(1+\beta)}{4(1-\beta)^2}\,\|\nabla E\|^2$", "log"),
    ("sharpness", r"sharpness $\lambda_{\max}(\nabla^2 E)$", "log"),
    ("flow_distance", r"from the flow, and from $x^0$ (dashed)", "log"),
)
_DASHED = {"sharpness": "threshold", "flow_distance": "flow_length"}
"""What a column is to be compared with."""


def curves_figure(result: GridResult) -> Figure:
    """What was recorded along the steps: means over seeds, with the range that they cover."""
    from matplotlib.figure import Figure

    settings = [each for each in settings_of(result) if each.done]
    panels = [each for each in _PANELS if any(len(s.curves(each[0])[0]) for s in settings)]
    columns = 2 if len(panels) > 1 else 1
    lines = -(-max(1, len(panels)) // columns)
    figure = Figure(figsize=(4.2 * columns, 2.9 * lines + 0.6), layout="constrained")
    for i, (column, label, scale) in enumerate(panels):
        axes = figure.add_subplot(lines, columns, i + 1, yscale=scale)
        for j, each in enumerate(settings):
            draw_curve(axes, each, column, COLOURS[j % len(COLOURS)])
        axes.set(xlabel="step $k$", ylabel=label)
        if scale == "log":
            _few_digits(axes)
        axes.grid(which="major", color="#e8eaed", lw=0.6)
        axes.set_axisbelow(True)
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
    if panels:
        legend_below(figure)
    return figure


def _few_digits(axes: Axes) -> None:
    """On a short logarithmic axis, 20 and 60 instead of 2 × 10¹ and 6 × 10¹."""
    from matplotlib.ticker import LogFormatter

    class Plain(LogFormatter):
        def __call__(self, x: float, pos: int | None = None) -> str:
            return f"{x:g}" if super().__call__(x, pos) else ""

    low, high = axes.get_ylim()
    if low > 1e-3 and high < 1e4 and high < 100 * low:
        for which in (axes.yaxis.set_major_formatter, axes.yaxis.set_minor_formatter):
            which(Plain(minor_thresholds=(2, 0.5)))


def legend_below(figure: Figure) -> None:
    """What the curves of the first panel are, below all panels."""
    handles, labels = figure.axes[0].get_legend_handles_labels()
    if not labels:
        return
    lines = math.ceil(len(labels) / 5)
    figure.legend(
        handles,
        labels,
        loc="outside lower center",
        ncols=math.ceil(len(labels) / lines),
        frameon=False,
        fontsize=8,
    )


def draw_curve(axes: Axes, each: Setting, column: str, colour: str) -> None:
    """A column's mean over seeds along the steps, with the range that they cover.

    On a logarithmic axis without what is 0, as the distances from the start are at step 0.
    """

    def drawn(values: Any) -> Float[np.ndarray, " rows"]:
        found = np.ma.filled(values, np.nan)
        return np.where(found > 0, found, np.nan) if axes.get_yscale() == "log" else found

    steps, values = each.curves(column)
    if not len(steps):
        return
    axes.plot(steps, drawn(values.mean(axis=0)), color=colour, lw=1.4, label=each.label)
    if len(values) > 1:
        low, high = drawn(values.min(axis=0)), drawn(values.max(axis=0))
        axes.fill_between(steps, low, high, color=colour, alpha=0.15, lw=0)
    if column in _DASHED:
        there, beside = each.curves(_DASHED[column])
        axes.plot(there, drawn(beside.mean(axis=0)), "--", color=colour, lw=0.9)
