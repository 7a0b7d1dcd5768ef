"""Iterates of heavy ball and Nesterov beside modified flows, right or with one slip.

A coefficient of the highest order that is off by a share leaves the flow with one order less. The
errors are modflow's own; the truth is not, and every claim is asked of each study.
"""

import math
import random
from fractions import Fraction

import numpy as np

import modflow as mf
from modflow.series import trees

from .study import Study

BETAS = (0, 0.2, 0.35, 0.6, 0.8, 0.9, 0.95)
OFF = (0, 0, 0.05, -0.2, 0.5, 1.0)
PROBLEMS = ("two-layer", "quadratic", "rosenbrock")


def studies(count, seed):
    pick = random.Random(seed).choice
    for _ in range(count):
        found = _study(pick)
        if found is not None:
            yield found


def _study(pick):
    method = pick([mf.HeavyBall, mf.Nesterov])(pick(BETAS))
    problem, order = pick(PROBLEMS), pick([1, 2, 3, 4])
    flow, off = mf.modified_equation(method, order), pick(OFF)
    if off:
        # On a quadratic only the tall tree counts.
        of_order = [t for t in trees(order) if flow.field[t] != 0]
        tree = max(trees(order)) if problem == "quadratic" else pick(of_order)
        flow = flow.with_coefficients({tree: flow.element(tree) * Fraction(str(1 + off))})
    found = mf.convergence_study(method, problem, order, flow=flow, check_constant=False)
    runs = [run for run in found.runs if run is not None]
    if len(runs) < 3:
        return None
    steps = np.array([run.h for run in runs])
    errors = np.array([run.error for run in runs])
    eps = np.finfo(float).eps
    doubts = np.array(
        [
            found.amplification * run.embedded_error + eps * run.scale * math.sqrt(run.steps)
            for run in runs
        ]
    )
    coarse_first = np.argsort(-steps)
    steps, errors, doubts = (v[coarse_first] for v in (steps, errors, doubts))
    name = f"{method!r}, {problem}, order {order}, off by {off:+.0%}"
    return Study(
        "turn" if off else "transient",
        name,
        steps,
        errors,
        float(order - 1 if off else found.claimed),
        errors,
        np.zeros(steps.size),
        doubts,
        (steps / steps.max())[:, None],
        uncertainties=doubts,
        nominal=float(order),
    )
