"""Figures worth putting in a paper."""

from __future__ import annotations

import io
import math
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import ModflowError
from ..files import check_figure_format, write_atomically
from ..study import ConvergenceStudy
from .tables import left_out

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_INK, _FIT, _GUIDE, _OUT = "#1b3a4b", "#c8553d", "#8a8f98", "#8f96a3"


def sweep_figure(study: ConvergenceStudy) -> Figure:
    """Errors against step sizes on log–log axes: data, fitted and expected slope.

    Step sizes that do not enter the order are open circles, and triangles at the upper edge
    where there is no error, such as after a divergence. The integrator's share of the errors
    is drawn where it comes into view.

    Raises ModflowError where no step size has an error.
    """
    from matplotlib.figure import Figure

    h, e = np.array(study.step_sizes), np.array(study.errors)
    ok = np.isfinite(e) & (e > 0)
    if not ok.any():
        raise ModflowError("there is nothing to plot: no step size gave an error")
    out = np.isin(h, list(left_out(study)))
    used = ok & ~out
    figure = Figure(figsize=(4.6, 3.5), layout="constrained")
    axes = figure.add_subplot()
    axes.set(xscale="log", yscale="log", xlabel="step size $h$", ylabel=_distance(study))
    axes.set_title(_title(study), size=10)
    if used.any():
        axes.plot(h[used], e[used], "o", color=_INK, ms=5, label="measured", zorder=4)
    hollow: dict[str, Any] = {"mfc": "white", "mec": _OUT, "ms": 5, "ls": "", "zorder": 3}
    if (ok & out).any():
        axes.plot(h[ok & out], e[ok & out], marker="o", label="excluded", **hollow)
    if not ok.all():
        style = {**hollow, "transform": axes.get_xaxis_transform(), "clip_on": False}
        axes.plot(h[~ok], np.ones_like(h[~ok]), marker="^", label="excluded, no error", **style)
    # The data decide what is in view; lines and small integrator errors may leave it.
    low, high = e[ok].min() / 4, e[ok].max() * 4
    _lines(axes, study, h[used] if used.any() else h[ok], e)
    if study.comparison is not None:
        known = np.array([math.nan if run is None else run.predicted for run in study.runs])
        axes.plot(h, known, ":", color=_INK, lw=1.2, label="predicted", zorder=3)
    share = np.array(study.integrator_errors)
    seen = ok & (share > low)
    if seen.any():
        axes.plot(h[seen], share[seen], "x", color=_OUT, ms=4, label="integrator")
    axes.set_ylim(low, high)
    axes.grid(which="major", color="#e8eaed", lw=0.6)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.legend(edgecolor="none", framealpha=0.8, fontsize=8, loc="best")
    return figure


def _distance(study: ConvergenceStudy) -> str:
    bars = r"\|x^1 - \tilde x(h)\|_2" if study.local else r"\max_k\,\|x^k - \tilde x(t_k)\|_2"
    return f"${bars}$"


def _title(study: ConvergenceStudy) -> str:
    method = re.sub(r"beta = ([\d.e+-]+)", r"$\\beta = \1$", str(study.method.numeric()))
    flow = "" if study.flow == "piecewise" else f"{study.flow} flow"
    return ", ".join(filter(None, [method, study.problem, flow]))


def _lines(axes: Any, study: ConvergenceStudy, used: Any, errors: Any) -> None:
    """The fit through the finest point and the expected slope beside it."""
    span = np.array([used.min(), used.max()])
    finest = errors[list(study.step_sizes).index(used.min())]
    if math.isfinite(study.observed_order):
        fit = finest * (span / span[0]) ** study.observed_order
        label = f"order {study.observed_order:.2f} (fitted)"
        axes.plot(span, fit, "-", color=_FIT, lw=1.2, label=label)
    guide = 0.35 * finest * (span / span[0]) ** study.expected
    axes.plot(span, guide, "--", color=_GUIDE, lw=1, label=f"order {study.expected} (expected)")


def save(figure: Figure, path: Path) -> None:
    """Write the figure in the format that the file's ending names, atomically.

    The same study gives the same bytes: no date, no random identifiers. Text in a PDF is
    text, in TrueType fonts as journals ask for.
    """
    from matplotlib import rc_context

    check_figure_format(path)
    kind = path.suffix.lstrip(".").lower()
    buffer = io.BytesIO()
    dateless = {"pdf": {"CreationDate": None}, "svg": {"Date": None}}
    with rc_context({"pdf.fonttype": 42, "svg.hashsalt": "modflow"}):
        figure.savefig(buffer, format=kind, dpi=200, metadata=dateless.get(kind))
    write_atomically(path, buffer.getvalue())
