"""modflow's rule and the plain ones, each from a study and a claim to a verdict."""

import numpy as np

import modflow as mf

from .study import slopes_of

VERDICTS = PASS, FAIL, INCONCLUSIVE = "pass", "fail", "inconclusive"
TOLERANCE = 0.2


def modflow(study, claim):
    found = mf.estimate_order(study.steps, study.errors, claim, uncertainties=study.uncertainties)
    return str(found.verdict)


def last_slope(study):
    return slopes_of(study.steps, study.errors)[-1]


def fitted_slope(study):
    """Least squares of log e on log h."""
    good = np.isfinite(study.errors) & (study.errors > 0)
    return np.polyfit(np.log(study.steps[good]), np.log(study.errors[good]), 1)[0]


def mean_slope(study):
    """The absolute mean of pairwise slopes, as `ConvergenceSimulation` of DiffEqDevTools.jl has it.

    There every step size is taken to be half of the one before; here slopes use the true ratios.
    """
    return abs(slopes_of(study.steps, study.errors).mean())


def at_least(slope):
    return lambda study, claim: PASS if slope(study) > claim - TOLERANCE else FAIL


def near(slope):
    """As `@test order ≈ claim atol=0.2`."""
    return lambda study, claim: PASS if abs(slope(study) - claim) <= TOLERANCE else FAIL


RULES = {
    "modflow": modflow,
    "last slope > q - 0.2": at_least(last_slope),
    "|last slope - q| <= 0.2": near(last_slope),
    "fitted slope > q - 0.2": at_least(fitted_slope),
    "|fitted slope - q| <= 0.2": near(fitted_slope),
    "|mean slope - q| <= 0.2": near(mean_slope),
}
