"""Figure 1 of the paper: heavy ball on the two-layer model, and what the modified flows predict."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import jax
import numpy as np
from jaxtyping import Array, Float

from ..endpoints import flow_paths
from ..errors import ModflowError
from ..integrate import iterates
from ..methods import HeavyBall
from ..modified import modified_equation
from ..problems.classic import two_layer

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import LogNorm
    from matplotlib.figure import Figure

SETTINGS = (
    (Fraction(1, 100), Fraction(0)),
    (Fraction(1, 200), Fraction(1, 2)),
    (Fraction(1, 500), Fraction(4, 5)),
    (Fraction(1, 1000), Fraction(9, 10)),
)
"""(h, β) of the four runs; h/(1-β) is 1/100 in all of them, so that they take the same steps."""
_RATE = 0.01
_LEAST, _MOST = 2000, 40_000
"""Steps: enough for the motion to die out, as far as the curvature where it ends tells."""
_MOST_PARTS = 128
"""Of a step of the flows. Where more would be needed, (5) is too stiff to mean anything here."""
_LARGEST = 1e6
_SHOWN = 5e-5
"""Norms are shown to four decimals: a run that changes them by less is at rest."""
_COLOURS = ("#0072B2", "#009E73", "#E69F00", "#D55E00")
"""Okabe and Ito's, which colour-blind readers can tell apart."""
_INK = "#1b1f24"
_GRID = 400
_DECADES = 5


@dataclass(frozen=True, eq=False)
class Run:
    """One of the four runs: its iterates, and the flows (4) and (5) at the same times."""

    h: float
    beta: float
    iterates: Float[np.ndarray, "steps 2"]
    piecewise: Float[np.ndarray, "steps 2"]
    """(4)."""
    limit: Float[np.ndarray, "steps 2"]
    """(5)."""

    def norm(self, path: Float[np.ndarray, "steps 2"]) -> float:
        """‖w‖ where a path of this run ends; NaN where it leaves all bounds, or is not at rest."""
        last, before = path[-1], path[len(path) // 2]
        norm = float(np.linalg.norm(last))
        return norm if abs(norm - float(np.linalg.norm(before))) < _SHOWN else math.nan

    def to_dict(self) -> dict[str, Any]:
        """For JSON; what has no value is None."""
        norms = {
            name: None if math.isnan(norm := self.norm(path)) else norm
            for name, path in self.paths.items()
        }
        return {"h": self.h, "beta": self.beta, "norms": norms}

    @property
    def paths(self) -> dict[str, Float[np.ndarray, "steps 2"]]:
        """The three, by name."""
        return {"iterates": self.iterates, "flow (4)": self.piecewise, "flow (5)": self.limit}


@dataclass(frozen=True, eq=False)
class FigureOne:
    """The runs, and the loss that they are made on."""

    x: float
    y: float
    runs: tuple[Run, ...]

    @property
    def start(self) -> Float[np.ndarray, "2"]:
        """Where all begin."""
        return self.runs[0].iterates[0]

    @property
    def far(self) -> float:
        """Beyond twice the start, and twice where the gradient flow ends, nothing is drawn."""
        w1, w2 = (float(v) for v in self.start)
        end = math.hypot(w1**2 - w2**2, 2 * self.y / self.x)  # ‖w‖²: it keeps w₁² - w₂²
        return 2 * math.sqrt(max(w1**2 + w2**2, end))

    def to_dict(self) -> dict[str, Any]:
        """The JSON document of `modflow figure fig-1 --json`."""
        return {
            "figure": "fig-1",
            "x": self.x,
            "y": self.y,
            "start": [float(v) for v in self.start],
            "runs": [run.to_dict() for run in self.runs],
        }

    def table(self) -> str:
        """The norms where runs and flows end, for people."""
        lines = [f"end points on E = ({self.y:g} - {self.x:g} w1 w2)^2 / 2, from (2.8, 3.4)", ""]
        lines.append("     h   beta   |w| of iterates   flow (4)   flow (5)")
        for run in self.runs:
            norms = [run.norm(path) for path in run.paths.values()]
            shown = ["-" if math.isnan(v) else f"{v:.4f}" for v in norms]
            columns = f"{shown[0]:>15}   {shown[1]:>8}   {shown[2]:>8}"
            lines.append(f"{run.h:6g}   {run.beta:4g}   {columns}")
        if any(line.endswith("-") or " - " in line for line in lines[3:]):
            steps = len(self.runs[0].iterates) - 1
            lines += [
                "",
                f"-  no end: it diverges, is too stiff, or still moves after {steps} steps",
            ]
        return "\n".join(lines)


def figure_one_runs(x: float = 1.0, y: float = 0.6) -> FigureOne:
    """The four runs of Figure 1 for these (x, y), and both flows beside each.

    The paper does not give (x, y); (1, 0.6) is Barrett & Dherin's choice. Raises ModflowError
    for x = 0, where the loss has no minima apart, for numbers that are out of range or not finite,
    and where all four runs diverge.
    """
    if x == 0:
        raise ModflowError("x = 0: the loss does not depend on the weights")
    if not (1 / _LARGEST <= abs(x) <= _LARGEST and abs(y) <= _LARGEST):
        raise ModflowError(
            f"x = {x:g}, y = {y:g}: out of range, at most {_LARGEST:g} in size, and x at least"
            f" {1 / _LARGEST:g}"
        )
    problem, equation = two_layer(float(x), float(y)), modified_equation(HeavyBall(), 2)

    def loss(w: Float[Array, "2"], _: Any) -> Float[Array, ""]:
        return problem.loss(w)

    h, beta = (np.array([float(v) for v in column]) for column in zip(*SETTINGS, strict=True))
    starts = np.tile(np.asarray(problem.start), (len(h), 1))
    parts = _parts(x, y, starts[0], float(beta[-1]))
    # Along the gradient flow w₁² - w₂² stays, so that it ends where the curvature is x²‖w‖² = that.
    curvature = x**2 * math.hypot(starts[0, 0] ** 2 - starts[0, 1] ** 2, 2 * y / x)
    steps = min(_MOST, max(_LEAST, math.ceil(30 / (_RATE * curvature))))
    with jax.enable_x64(True), np.errstate(over="ignore", invalid="ignore"):
        piecewise, limit = (
            flow_paths(flow, loss, starts, h, steps, parts=parts, parameters={"beta": beta})
            if parts <= _MOST_PARTS
            else np.full((steps + 1, *starts.shape), np.nan)
            for flow in (equation, equation.frozen())
        )
        paths = [
            np.asarray(iterates(HeavyBall(b), problem.loss, problem.start, float(size), steps))
            for size, b in SETTINGS
        ]
    runs = tuple(
        Run(float(h[i]), float(beta[i]), paths[i], piecewise[:, i], limit[:, i])
        for i in range(len(h))
    )
    if not any(np.all(np.isfinite(path)) for path in paths):
        raise ModflowError(f"x = {x:g}, y = {y:g}: all four runs diverge, there is nothing to plot")
    return FigureOne(float(x), float(y), runs)


def _parts(x: float, y: float, start: Any, beta: float) -> int:
    """Into how many parts a step of the flows is cut: at least two for each unit of decay in it.

    With the curvature λ at the start and ζ = 0.01 λ, a step of (5) has the decay ζ + ζ²/(2ρ), with
    ρ = (1-β)/(1+β) (from its h-term); Dormand and Prince's method of order 8 is exact to
    4e-11 for half a unit.
    """
    residual = y - start[0] * start[1] * x
    zeta = _RATE * (x**2 * float(start @ start) + abs(x * residual))
    return math.ceil(2 * (zeta + zeta**2 * (1 + beta) / (1 - beta) / 2))


def figure_one(found: FigureOne) -> Figure:
    """The four trajectories, whole and close to where they end, over ‖∇E‖².

    Solid lines are iterates and dots their ends; dashed lines are the flow (4), circles its ends
    and squares those of the flow (5). The black curve is that of the minima, w₁w₂ = y/x.
    """
    from matplotlib.colors import LogNorm
    from matplotlib.figure import Figure
    from matplotlib.gridspec import GridSpec

    figure = Figure(figsize=(7.2, 4.4), layout="constrained")
    cells = GridSpec(2, 2, figure=figure, height_ratios=[1, 0.28], width_ratios=[1, 1])
    whole, close = figure.add_subplot(cells[0, 0]), figure.add_subplot(cells[0, 1])
    view = _view(found, [run.iterates for run in found.runs], 0.08)
    ends = [path[-1:] for run in found.runs for path in run.paths.values()]
    # One scale for both panels, down from the largest value; what is below it has one colour.
    top = 10.0 ** math.ceil(math.log10(float(np.max(_background(found, *view)))))
    scale = LogNorm(top / 10**_DECADES, top)
    _draw(whole, found, scale, *view)
    image = _draw(close, found, scale, *_view(found, ends, 0.3), close=True)
    whole.plot(*found.start, "*", color=_INK, ms=9, mec="white", mew=0.6, zorder=6)
    close.set_title("where they end", size=9)
    whole.set_title(f"$E = (y - w_1 w_2 x)^2/2$,  $x = {found.x:g}$,  $y = {found.y:g}$", size=9)
    bar = figure.colorbar(image, ax=[whole, close], pad=0.01, aspect=30, extend="min")
    bar.set_label(r"$\|\nabla E\|_2^2$", size=9)
    bar.ax.tick_params(labelsize=7)
    _frame(whole, close)
    _legend(figure, figure.add_subplot(cells[1, :]), found)
    return figure


def _view(found: FigureOne, paths: list[Any], margin: float) -> tuple[Any, Any]:
    """The box around what is bounded of these paths, or around the start."""
    points = np.concatenate([np.asarray(path) for path in paths])
    with np.errstate(invalid="ignore"):
        points = points[np.max(np.abs(points), axis=1) <= found.far]
    points = points if len(points) else found.start[None]
    low, high = points.min(axis=0), points.max(axis=0)
    room = margin * np.maximum(high - low, 0.05 * found.far)
    return low - room, high + room


def _background(found: FigureOne, low: Any, high: Any) -> Float[np.ndarray, "w2 w1"]:
    """‖∇E‖²."""
    w1, w2 = np.meshgrid(*(np.linspace(low[i], high[i], _GRID) for i in range(2)))
    return found.x**2 * (found.y - w1 * w2 * found.x) ** 2 * (w1**2 + w2**2)


def _draw(
    axes: Axes, found: FigureOne, scale: LogNorm, low: Any, high: Any, *, close: bool = False
) -> Any:
    image = axes.imshow(
        np.maximum(_background(found, low, high), float(scale.vmin or 0)),
        extent=(low[0], high[0], low[1], high[1]),
        origin="lower",
        aspect="auto",
        cmap="Greys",
        norm=scale,
        alpha=0.75,
        rasterized=True,
        interpolation="bilinear",
    )
    for branch in (-1, 1):
        first = branch * np.geomspace(1e-4, 2, 4000) * found.far
        axes.plot(first, found.y / found.x / first, "-", color=_INK, lw=1.1, zorder=3)
    if found.y == 0:  # the curve is a cross, and that was one of its lines
        axes.plot([0, 0], [low[1], high[1]], "-", color=_INK, lw=1.1, zorder=3)
    wide = 1.3 if close else 1.1
    for run, colour in zip(found.runs, _COLOURS, strict=True):
        axes.plot(*_bounded(run.iterates, found.far), "-", color=colour, lw=wide, zorder=4)
        axes.plot(*_bounded(run.piecewise, found.far), "--", color=colour, lw=0.8, zorder=4)
        marks: dict[str, Any] = {"color": colour, "mew": 1.0, "zorder": 6, "ls": ""}
        if close:
            axes.plot(*run.limit[-1], "s", mfc="white", ms=4.5, **marks)
            axes.plot(*run.piecewise[-1], "o", mfc="white", ms=5, **marks)
        axes.plot(
            *run.iterates[-1], "o", mec="white", ms=6 if close else 4.5, **{**marks, "mew": 0.6}
        )
    axes.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]), xlabel="$w_1$", ylabel="$w_2$")
    axes.tick_params(labelsize=8)
    return image


def _bounded(path: Float[np.ndarray, "steps 2"], far: float) -> Float[np.ndarray, "2 steps"]:
    """The path while it is anywhere near, without its last points, which no eye can tell apart."""
    with np.errstate(invalid="ignore"):
        near = np.all(np.abs(path) <= 10 * far, axis=1)
    path = path[: int(np.argmin(np.append(near, False)))]
    if not len(path):
        return path.T
    moved = np.linalg.norm(path - path[-1], axis=1) > 1e-4 * far
    last = int(np.max(np.nonzero(moved)[0], initial=0)) + 2
    return path[:last].T


def _frame(whole: Axes, close: Axes) -> None:
    """Show in the whole figure what the other panel has."""
    from matplotlib.patches import Rectangle

    (left, right), (bottom, top) = close.get_xlim(), close.get_ylim()
    box = Rectangle((left, bottom), right - left, top - bottom)
    box.set(fill=False, edgecolor=_INK, linewidth=0.7, linestyle=":", zorder=5)
    whole.add_patch(box)


def _legend(figure: Figure, axes: Axes, found: FigureOne) -> None:
    """Colours with the norms of the ends on one side, marks on the other."""
    from matplotlib.lines import Line2D

    axes.axis("off")
    head = ["", r"$\beta$", "$h$", *next(iter(found.runs)).paths]
    rows = [head]
    for run in found.runs:
        norms = [run.norm(path) for path in run.paths.values()]
        shown = ["–" if math.isnan(norm) else f"{norm:.3f}" for norm in norms]
        rows.append(["", f"{run.beta:g}", f"{run.h:g}", *shown])
    size, lines = 7.5, len(rows) + 1
    axes.text(0, 1, r"$\|w\|_2$ where they end", fontsize=size, va="center")
    for i, row in enumerate(rows):
        height = 1 - (i + 1) / (lines - 1)
        for text, place in zip(row, (0, 0.08, 0.15, 0.27, 0.38, 0.48), strict=True):
            axes.text(
                place, height, text, fontsize=size, va="center", ha="center" if place else "left"
            )
        if i:
            axes.plot([0, 0.045], [height, height], color=_COLOURS[i - 1], lw=1.8, clip_on=False)
    axes.set(xlim=(0, 1), ylim=(0, 1))
    grey: dict[str, Any] = {"color": "#555555"}
    marks = [
        Line2D([], [], marker="*", ms=8, ls="", color=_INK, label="start (2.8, 3.4)"),
        Line2D([], [], marker="o", lw=1.2, ms=5, mec="white", label="iterates", **grey),
        Line2D([], [], marker="o", ls="--", lw=0.8, ms=5, mfc="white", label="flow (4)", **grey),
        Line2D([], [], marker="s", ls="", ms=4.5, mfc="white", label="flow (5), its end", **grey),
        Line2D([], [], color=_INK, lw=1.1, label="minima, $w_1 w_2 = y/x$"),
    ]
    axes.legend(
        handles=marks, loc="center right", frameon=False, fontsize=size, borderaxespad=0, ncols=1
    )
