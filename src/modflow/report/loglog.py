"""Errors against step sizes on log–log axes, from plain numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..errors import ModflowError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, FIT, GUIDE, OUT = "#1b3a4b", "#c8553d", "#8a8f98", "#8f96a3"

Array = npt.NDArray[np.float64]


def order_figure(
    step_sizes: Sequence[float] | Array,
    errors: Sequence[float | None] | Array,
    *,
    used: Sequence[bool] | npt.NDArray[np.bool_],
    observed: float,
    expected: float | None,
    title: str,
    ylabel: str = "error",
) -> Figure:
    """The points, the fitted slope through the finest of those used, the expected one beside it.

    `used` says which sizes enter the order: the others are open circles, and triangles at the
    upper edge where there is no error, such as after a divergence.

    Raises ModflowError where no step size has an error.
    """
    from matplotlib.figure import Figure

    h = np.array(step_sizes, dtype=np.float64)
    e = np.array(errors, dtype=np.float64)  # None becomes NaN
    ok = np.isfinite(e) & (e > 0)
    if not ok.any():
        raise ModflowError("there is nothing to plot: no step size gave an error")
    good = ok & np.asarray(used, dtype=np.bool_)
    figure = Figure(figsize=(4.6, 3.5), layout="constrained")
    axes = figure.add_subplot()
    axes.set(xscale="log", yscale="log", xlabel="step size $h$", ylabel=ylabel)
    axes.set_title(title, size=10)
    if good.any():
        axes.plot(h[good], e[good], "o", color=INK, ms=5, label="measured", zorder=4)
    hollow: dict[str, Any] = {"mfc": "white", "mec": OUT, "ms": 5, "ls": "", "zorder": 3}
    if (ok & ~good).any():
        axes.plot(h[ok & ~good], e[ok & ~good], marker="o", label="excluded", **hollow)
    if not ok.all():
        style = {**hollow, "transform": axes.get_xaxis_transform(), "clip_on": False}
        axes.plot(h[~ok], np.ones_like(h[~ok]), marker="^", label="excluded, no error", **style)
    _lines(axes, h[good] if good.any() else h[ok], e, h, observed, expected)
    # The data decide what is in view; lines may leave it.
    axes.set_ylim(e[ok].min() / 4, e[ok].max() * 4)
    axes.grid(which="major", color="#e8eaed", lw=0.6)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    legend(axes)
    return figure


def legend(axes: Axes) -> None:
    """The legend; again after something was added."""
    axes.legend(edgecolor="none", framealpha=0.8, fontsize=8, loc="best")


def _lines(
    axes: Axes, used: Array, e: Array, h: Array, observed: float, expected: float | None
) -> None:
    """The fit through the finest point and the expected slope beside it."""
    span = np.array([used.min(), used.max()])
    finest = e[list(h).index(used.min())]
    if math.isfinite(observed):
        fit = finest * (span / span[0]) ** observed
        axes.plot(span, fit, "-", color=FIT, lw=1.2, label=f"order {observed:.2f} (fitted)")
    if expected is not None:
        guide = 0.35 * finest * (span / span[0]) ** expected
        label = f"order {expected:g} (expected)"
        axes.plot(span, guide, "--", color=GUIDE, lw=1, label=label)
