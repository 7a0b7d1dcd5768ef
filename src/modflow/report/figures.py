"""Figures worth putting in a paper."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

import numpy as np

from ..study import ConvergenceStudy
from .loglog import INK, OUT, legend, order_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def sweep_figure(study: ConvergenceStudy) -> Figure:
    """Errors against step sizes on log–log axes: data, fitted and expected slope.

    As `order_figure`, with the predicted errors, and the integrator's share of the errors where
    it comes into view.

    Raises ModflowError where no step size has an error.
    """
    h, e = np.array(study.step_sizes), np.array(study.errors)
    figure = order_figure(
        h,
        e,
        used=~np.isin(h, list(study.left_out)),
        observed=study.observed_order,
        expected=study.expected,
        title=_title(study),
        ylabel=_distance(study),
    )
    (axes,) = figure.axes
    if study.comparison is not None:
        known = np.array([math.nan if run is None else run.predicted for run in study.runs])
        axes.plot(h, known, ":", color=INK, lw=1.2, label="predicted", zorder=3)
    share = np.array(study.integrator_errors)
    seen = np.isfinite(e) & (e > 0) & (share > axes.get_ylim()[0])
    if seen.any():
        axes.plot(h[seen], share[seen], "x", color=OUT, ms=4, label="integrator")
    legend(axes)
    return figure


def _distance(study: ConvergenceStudy) -> str:
    bars = r"\|x^1 - \tilde x(h)\|_2" if study.local else r"\max_k\,\|x^k - \tilde x(t_k)\|_2"
    return f"${bars}$"


def _title(study: ConvergenceStudy) -> str:
    method = re.sub(r"beta = ([\d.e+-]+)", r"$\\beta = \1$", str(study.method.numeric()))
    flow = "" if study.flow == "piecewise" else f"{study.flow} flow"
    return ", ".join(filter(None, [method, study.problem, flow]))
