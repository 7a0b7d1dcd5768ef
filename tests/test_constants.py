"""The predicted error: closed forms, wrong flows that keep the order, and the rule itself."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from fractions import Fraction

import jax
import numpy as np
import pytest
import sympy

import modflow as mf
from modflow import defects
from modflow.constants import estimate_constant
from modflow.problems.quadratic import quadratic
from modflow.series import Tree, trees

CHAIN = Tree([Tree()])
HB, NAG = mf.HeavyBall, mf.Nesterov
NAMES = {mf.HeavyBall: "heavy-ball", mf.Nesterov: "nesterov"}


# -- closed forms -----------------------------------------------------------------------------


def principal_logarithm(method, order):
    """log of the step's principal eigenvalue on x' = -z x, as a series in z, by SymPy alone."""
    z, beta = sympy.symbols("z beta")
    # x⁺ = x - h λ x + β (x - x⁻), and the same in Nesterov's extrapolated points.
    damping = {HB: 1 - z + beta, NAG: (1 + beta) * (1 - z)}[type(method)]
    product = {HB: beta, NAG: beta * (1 - z)}[type(method)]
    root = (damping + sympy.sqrt(damping**2 - 4 * product)) / 2
    value = sympy.sympify(Fraction(str(method.beta)))
    series = sympy.series(sympy.log(root.subs(beta, value)), z, 0, order + 1).removeO()
    return [float(series.coeff(z, n)) for n in range(order + 1)]


@pytest.mark.parametrize("order", [1, 2, 3])
@pytest.mark.parametrize("method", [HB(0.5), HB(0.9), NAG(0.5), NAG(0.9)], ids=str)
def test_the_constant_on_a_quadratic_in_closed_form(method, order):
    # With one step e^{c1 z + c2 z² + ...} and the flow cut after z^p, the leading error is
    # h^p c_{p+1} λ^{p+1} t e^{c1 λ t}, largest at λ t = -1/c1.
    c = principal_logarithm(method, order + 1)
    curvature = 3.0
    problem, T = quadratic((curvature,)), 1.5 * (-1 / (c[1] * curvature))
    constant = abs(c[order + 1]) * curvature**order / (-c[1] * math.e)
    with jax.enable_x64(True):
        claim = defects.piecewise(method, order)
        found = defects.leading_constant(problem, method, claim, T, 4096)
    assert found == pytest.approx(constant, rel=1e-6)


def test_the_constant_after_one_step():
    # x - x̃(h) = h²/2 (f'f) + ... for gradient descent and the gradient flow: -λ² x h²/2.
    study = mf.convergence_study(mf.GradientDescent(), quadratic((3.0,)), 1, local=True)
    assert study.verdict == "pass", study.reason
    assert study.expected == 2
    assert study.predicted_constant == pytest.approx(4.5, rel=1e-12)
    assert study.constant == pytest.approx(4.5, rel=1e-2)


def test_no_constant_where_nothing_is_predicted():
    study = mf.convergence_study(HB(0.5), "two-layer", 2, check_constant=False)
    assert study.predicted_constant is None
    assert study.comparison is None
    assert study.to_dict()["predicted_constant"] is None
    assert study.verdict == "pass"


def test_memory_without_a_closed_form_has_a_limit_flow_but_no_prediction():
    @dataclass(frozen=True)
    class Circle(mf.Method):
        """Two velocities that feed each other."""

        def start(self, x):
            return 0 * x, 0 * x

        def step(self, f, h, x, memory):
            g = h * f(x)
            first, second = memory[1] / 2 + g, memory[0] / 3 + g
            return x + (first + second) / 2, (first, second)

    with pytest.raises(mf.ModflowError, match="circle"):
        mf.convergence_study(Circle(), "two-layer", 1)
    study = mf.convergence_study(Circle(), "two-layer", 1, flow="limit")
    assert study.verdict == "pass", study.reason
    assert study.comparison is None


# -- predicted beside measured ------------------------------------------------------------------


@pytest.mark.parametrize("order", [1, 2, 3])
@pytest.mark.parametrize("beta", [0.5, 0.9])
@pytest.mark.parametrize("method", [HB, NAG], ids=lambda m: NAMES[m])
def test_predicted_and_measured_constants_agree(method, beta, order):
    study = mf.convergence_study(method(beta), "two-layer", order)
    assert study.verdict == "pass", study.reason
    assert study.predicted_constant / study.constant == pytest.approx(1, abs=0.02)


@pytest.mark.slow
@pytest.mark.parametrize("order", [1, 2, 3])
@pytest.mark.parametrize("beta", [0.5, 0.9])
@pytest.mark.parametrize("method", [HB, NAG], ids=lambda m: NAMES[m])
def test_predicted_and_measured_constants_agree_on_the_digits(method, beta, order):
    sizes = [(1 - beta) * 2.0**-j for j in range(4, 12)]
    study = mf.convergence_study(method(beta), "digits-tanh", order, sizes)
    assert study.verdict == "pass", study.reason
    assert study.predicted_constant / study.constant == pytest.approx(1, abs=0.02)


def test_the_limit_flow_has_a_predictable_error_of_its_own():
    study = mf.convergence_study(HB(0.5), "two-layer", 1, flow="limit")
    assert study.verdict == "pass", study.reason
    assert study.predicted_constant / study.constant == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize(
    ("name", "claimed"), [("explicit-midpoint", 2), ("rk4", 4), ("implicit-midpoint", 2)]
)
def test_terms_that_vanish_raise_the_order_that_is_claimed(name, claimed):
    sizes = [2.0**-j for j in range(6, 11)]
    study = mf.convergence_study(mf.tableau(name), "two-layer", 1, sizes)
    assert (study.order, study.claimed, study.expected) == (1, claimed, claimed)
    assert study.verdict == "pass", study.reason
    assert study.predicted_constant / study.constant == pytest.approx(1, abs=0.02)


# -- wrong flows that keep the order --------------------------------------------------------------


def with_wrong_prediction(monkeypatch, factor):
    true = defects.piecewise

    def wrong(method, order):
        claim = true(method, order)
        tall = max(tree for tree, _ in claim.missing)
        missing = [(t, b * factor if t is tall else b) for t, b in claim.missing]
        return replace(claim, missing=missing)

    monkeypatch.setattr(defects, "piecewise", wrong)


@pytest.mark.parametrize("order", [1, 2, 3])
def test_a_wrong_coefficient_behind_the_prediction_fails(monkeypatch, order):
    with_wrong_prediction(monkeypatch, Fraction(21, 20))
    study = mf.convergence_study(HB(0.5), "two-layer", order)
    assert study.estimate.verdict == "pass"
    assert study.comparison.verdict == "fail", study.reason
    assert study.verdict == "fail"


@pytest.mark.parametrize("order", [2, 3])
@pytest.mark.parametrize("tree", range(2))
def test_the_transient_of_the_highest_order_is_seen(order, tree):
    true = mf.modified_equation(HB(), order)
    changed = trees(order)[-1 - tree * (order - 2)]
    wrong = true.with_coefficients({changed: true.element(changed).limit()})
    study = mf.convergence_study(HB(0.5), "two-layer", flow=wrong)
    assert study.estimate.verdict == "pass", study.reason
    assert study.verdict == "fail", study.reason


@pytest.mark.parametrize("off", [Fraction(103, 100), Fraction(97, 100)], ids=str)
def test_a_regularizer_off_by_three_percent_on_a_range_too_short_for_the_slope(off):
    sizes = [2.0**-j for j in range(8, 13)]
    true = mf.modified_equation(HB(), 2)
    right = mf.convergence_study(HB(0.5), "two-layer", 2, sizes)
    assert right.verdict != "fail", right.reason
    wrong = true.with_coefficients({CHAIN: true.element(CHAIN) * off})
    study = mf.convergence_study(HB(0.5), "two-layer", 2, sizes, flow=wrong)
    assert study.estimate.verdict != "fail", study.reason
    assert study.verdict == "fail", study.reason


# -- the rule ------------------------------------------------------------------------------------

SIZES = 2.0 ** -np.arange(3.0, 11.0)


def judged(order, remainder, predicted=None, doubt=1e-14):
    predicted = SIZES**order if predicted is None else predicted
    return estimate_constant(
        SIZES,
        predicted + remainder,
        predicted,
        remainder,
        order,
        uncertainties=np.full(SIZES.size, doubt),
    )


@pytest.mark.parametrize("order", [1, 2, 3])
def test_a_remainder_of_the_next_order_passes(order):
    assert judged(order, 5 * SIZES ** (order + 1)).verdict == "pass"
    assert judged(order, 5 * SIZES ** (order + 1) / (1 + 9 * SIZES)).verdict == "pass"
    assert judged(order, 0.1 * SIZES ** (order + 2)).verdict == "pass"


@pytest.mark.parametrize("order", [1, 2, 3])
def test_a_remainder_of_the_same_order_fails(order):
    for share in (0.05, 0.5, 5.0):
        assert judged(order, share * SIZES**order).verdict == "fail", share
    assert judged(order, 0.1 * SIZES ** (order - 0.5)).verdict == "fail"
    found = judged(order, 3 * SIZES ** (order + 1) + 0.2 * SIZES**order)
    assert found.verdict != "pass", found.reason


def test_outside_the_asymptotic_range_nothing_is_said():
    # Remainders far above the prediction that fall with h: nothing contradicts, nothing supports.
    found = judged(2, 3000 * SIZES**3 / (1 + 1000 * SIZES))
    assert found.verdict == "inconclusive"
    assert "cannot tell" in found.reason
    few = estimate_constant(
        [0.1, 0.05, 0.025], [0, 0, 0], [1, 1, 1], [1, 1, 1], 1, uncertainties=[0.1] * 3
    )
    assert few.verdict == "inconclusive"


def test_rounding_hides_a_remainder_that_is_small_enough():
    found = judged(2, 0.001 * SIZES**3 + 3e-9, doubt=1e-8)
    assert found.verdict == "pass", found.reason
    assert found.to_dict()["verdict"] == "pass"
