"""Iterates and flow in many digits: against float64, closed forms and theory."""

import math
from fractions import Fraction
from functools import cache
from itertools import pairwise

import flint
import jax
import numpy as np
import pytest

import modflow as mf
from modflow import precise
from modflow.balls import BallRing, BallVector, ExactNumber, ball, working_precision
from modflow.coefficients import Coefficients
from modflow.convergence import estimate_order, pairwise_slopes
from modflow.fields import PiecewiseField, polynomial_parts
from modflow.flows import coefficient_table, elementary_differential
from modflow.integrate import SideBySide
from modflow.methods import (
    Adjoint,
    AggregatedMomentum,
    Composition,
    DampedHeavyBall,
    GradientDescent,
    HeavyBall,
    LinearTwoStep,
    Nesterov,
    tableau,
)
from modflow.precise import PreciseSideBySide
from modflow.problems import Problem, problem_named, quadratic
from modflow.problems.formula import Formula
from modflow.series import Tree, trees, trees_up_to
from modflow.series.jets import Differentials
from modflow.series.program import Program

HALF, FIFTH = Fraction(1, 2), Fraction(1, 5)
SMOOTH = Problem.from_formula("log(1 + exp(x*y)) + tanh(x - y)^2 / 3", {"x": 0.3, "y": -0.8})
TWO_LAYER, QUADRATIC = problem_named("two-layer"), problem_named("quadratic")


@cache
def equation(method, order):
    return mf.modified_equation(method, order)


def pair(method, problem, order, digits=40):
    following = equation(method, order + 1)
    return PreciseSideBySide(method, problem, following.truncated(order), digits, following)


def sweep(comparison, powers, scale, T=1):
    """Runs for h = scale / 2^j over the time T · scale."""
    sizes = [scale / 2**j for j in powers]
    return [comparison.run(h, int(T * scale / h)) for h in sizes]


def judged(runs, name, order):
    values = [getattr(run, name) for run in runs]
    bounds = [run.integrator + run.rounding for run in runs]
    return estimate_order([run.h for run in runs], values, order, uncertainties=bounds)


# -- against float64 ------------------------------------------------------------------------------

CASES = [
    (GradientDescent(), TWO_LAYER, 3),
    (HeavyBall(0.2), SMOOTH, 3),
    (HeavyBall(Fraction(9, 10)), TWO_LAYER, 1),
    (Nesterov(0.8), QUADRATIC, 3),
    (DampedHeavyBall(0.5, 0.3), TWO_LAYER, 2),
    (AggregatedMomentum((0, 0.5, 0.8)), QUADRATIC, 2),
    (LinearTwoStep(a=HALF, b1=1, b0=Fraction(1, 3)), TWO_LAYER, 2),
    (
        Composition((HeavyBall(0.3), GradientDescent()), (Fraction(1, 3), Fraction(2, 3))),
        TWO_LAYER,
        2,
    ),
    (tableau("heun"), TWO_LAYER, 3),
    (tableau("implicit-midpoint"), SMOOTH, 2),
    (Adjoint(GradientDescent()), TWO_LAYER, 2),
]


@pytest.mark.parametrize(("method", "problem", "order"), CASES, ids=str)
def test_errors_equal_those_in_float64(method, problem, order):
    h, steps = 0.002, 25
    run = pair(method, problem, order, digits=25).run(h, steps)
    with jax.enable_x64(True):
        table = coefficient_table(equation(method, order), steps)
        single = SideBySide(method, problem, table, "dopri8").run(h, steps, 4)
    # Both know the error up to float64's rounding of x, and the flow's error in float64.
    assert run.error == pytest.approx(single.error, rel=1e-9, abs=2e-14)
    if run.error > 1e-10:
        assert run.error_step == single.error_step
    assert run.scale == pytest.approx(single.scale, rel=1e-14)
    assert run.diverged is None


# -- against closed forms -------------------------------------------------------------------------


def heavy_ball_on_a_quadratic(beta, h, steps, order, eigenvalues):
    """Errors, h^p e and remainders in closed form, with 60 digits.

    On E = λx²/2 one step multiplies x by ρ_k(z), z = hλ. From x^{k+1} = x^k - z x^k + β m_k x^k:
    ρ_k = 1 - z + β m_k and m_{k+1} = (ρ_k - 1)/ρ_k, m_0 = 0. The flow of order p multiplies it by
    exp of log ρ_k = Σ l_n z^n cut after z^p, and h^p e by the same, once it has got l_{p+1} z^{p+1}
    times the flow.
    """
    n = order + 2

    def over(a, b):
        q = []
        for j in range(n):
            q.append((a[j] - sum(q[i] * b[j - i] for i in range(j))) / b[0])
        return q

    def log(a):
        result = [flint.arb(0)] * n
        for j in range(1, n):
            result[j] = a[j] - sum(i * result[i] * a[j - i] for i in range(1, j)) / flint.arb(j)
        return result

    with working_precision(400):
        zs = [ball(h * c) for c in eigenvalues]
        one, beta = [flint.arb(1)] * len(zs), ball(beta)
        x, y, v, e, m = one, list(one), [0] * len(zs), [0] * len(zs), [0] * n
        found = []
        for _ in range(steps):
            v = [beta * b - z * a for a, b, z in zip(x, v, zs, strict=True)]
            x = [a + b for a, b in zip(x, v, strict=True)]
            rho = [a + beta * b for a, b in zip([1, -1] + [0] * (n - 2), m, strict=True)]
            m = over([rho[0] - 1, *rho[1:]], rho)
            logarithm = log(rho)
            for i, z in enumerate(zs):
                growth = sum(c * z**j for j, c in enumerate(logarithm[: order + 1])).exp()
                e[i] = growth * (e[i] + logarithm[order + 1] * z ** (order + 1) * y[i])
                y[i] = growth * y[i]
            rest = [[a - b for a, b in zip(x, y, strict=True)], e]
            rest.append([a - b for a, b in zip(*rest, strict=True)])
            assert max(float(part.rad()) for part in rest[2]) < 1e-90
            found.append([math.hypot(*map(float, part)) for part in rest])
    return [max(column) for column in zip(*found, strict=True)]


@pytest.mark.parametrize(
    ("beta", "order", "digits"),
    [
        (Fraction(0), 8, 60),
        (HALF, 1, 20),
        (HALF, 8, 60),
        (Fraction(9, 10), 5, 30),
    ],
)
def test_errors_on_quadratics_equal_the_closed_form(beta, order, digits):
    method = HeavyBall(beta) if beta else GradientDescent()
    h, steps = Fraction(1, 50) * (1 - beta), 40
    run = pair(method, QUADRATIC, order, digits).run(h, steps)
    error, predicted, remainder = heavy_ball_on_a_quadratic(beta, h, steps, order, (1, 2, 5))
    # FAR_BELOW is what the integrator may have added; e is known to 10^-7.
    assert run.error == pytest.approx(error, rel=2e-8)
    assert run.predicted == pytest.approx(predicted, rel=1e-6)
    assert run.remainder == pytest.approx(remainder, rel=1e-6, abs=1e-6 * predicted)
    assert run.integrator <= 1e-7 * run.error
    assert run.rounding <= 10.0 ** (3 - digits)


def test_gradient_descent_in_one_dimension_is_followed_by_its_logarithm():
    # x^k = (1 - z)^k, and the flow of order p is exp(-k (z + z²/2 + ... + z^p/p)).
    z, steps = Fraction(1, 50), 40
    run = pair(GradientDescent(), quadratic((1.0,)), 8, 60).run(z, steps)
    with working_precision(250):
        exponent = sum(ball(z) ** j / j for j in range(1, 9))
        errors = [abs(float(ball(1 - z) ** k - (-k * exponent).exp())) for k in range(1, steps + 1)]
    assert run.error == pytest.approx(max(errors), rel=2e-8)
    assert run.error_step == 1 + errors.index(max(errors))


# -- order 8 --------------------------------------------------------------------------------------


def test_order_8_is_observed_on_the_quadratic():
    runs = sweep(pair(HeavyBall(HALF), QUADRATIC, 8), range(5, 11), HALF)
    errors = [run.error for run in runs]
    assert errors[-1] < 1e-14 < errors[0]
    estimate = judged(runs, "error", 8)
    assert estimate.verdict == "pass", estimate.reason
    assert judged(runs, "remainder", 9).verdict == "pass"
    slopes = pairwise_slopes(np.array([run.h for run in runs]), np.array(errors))
    assert np.all(np.diff(slopes) > 0)
    assert 7.9 < slopes[-1] < 8
    ratios = [1 - run.predicted / run.error for run in runs]
    assert all(0.45 < b / a < 0.6 for a, b in pairwise(ratios[1:]))


def test_order_8_is_observed_on_the_two_layer_model():
    runs = sweep(pair(GradientDescent(), TWO_LAYER, 8), range(7, 12), HALF, T=Fraction(1, 4))
    assert judged(runs, "error", 8).verdict == "pass", judged(runs, "error", 8).reason
    assert judged(runs, "remainder", 9).verdict == "pass", judged(runs, "remainder", 9).reason
    assert runs[-1].predicted / runs[-1].error == pytest.approx(1, abs=0.05)


def test_the_heavy_ball_of_order_8_approaches_its_prediction_on_the_two_layer_model():
    # All of it by orders is a slow test below.
    coarse, fine = sweep(pair(HeavyBall(HALF), TWO_LAYER, 8), (13, 14), HALF, T=Fraction(1, 128))
    assert 7.7 < math.log2(coarse.error / fine.error) < 8
    assert 8.7 < math.log2(coarse.remainder / fine.remainder) < 9
    assert fine.predicted / fine.error == pytest.approx(1, abs=0.05)


def off_by_5_percent(full, tree):
    return full.with_coefficients({tree: full.element(tree) * Fraction(105, 100)})


@pytest.mark.parametrize("order", [7, 8])
def test_one_wrong_coefficient_lowers_the_order(order):
    # On a quadratic only the tall trees count.
    full = equation(HeavyBall(HALF), 9)
    wrong = off_by_5_percent(full.truncated(8), Tree.from_level_sequence(range(1, order + 1)))
    side = PreciseSideBySide(HeavyBall(HALF), QUADRATIC, wrong, 50, full)
    # With 5% of a tree of order 8, order 7 takes over below the h where both are of one size.
    runs = sweep(side, range(13, 18), HALF, T=Fraction(1, 128))
    # The field is wrong at h^(order-1).
    for estimate in (judged(runs, "error", 8), judged(runs, "remainder", 9)):
        assert estimate.verdict == "fail"
        assert estimate.order == pytest.approx(order - 1, abs=0.05)
    assert runs[-1].predicted < 0.01 * runs[-1].error


@pytest.mark.slow
def test_one_wrong_coefficient_of_order_8_shows_in_the_remainder_first():
    # 5% of one of 115 trees: where both terms of the error, of opposite signs, are of one size,
    # the error alone is undecided, and the remainder is not.
    full = equation(HeavyBall(FIFTH), 9)
    bushy = Tree([Tree(), Tree([Tree(), Tree([Tree(), Tree(), Tree()])])])
    wrong = off_by_5_percent(full.truncated(8), bushy)
    assert bushy.order == 8
    side = PreciseSideBySide(HeavyBall(FIFTH), TWO_LAYER, wrong, 50, full)
    runs = sweep(side, range(17, 22), Fraction(4, 5), T=Fraction(1, 2**12))
    assert judged(runs, "error", 8).verdict != "pass"
    remainder = judged(runs, "remainder", 9)
    assert remainder.verdict == "fail"
    assert remainder.order == pytest.approx(7, abs=0.05)


def test_a_wrong_prediction_shows_in_the_remainder():
    full = equation(HeavyBall(HALF), 9)
    wrong = off_by_5_percent(full, Tree.from_level_sequence(range(1, 10)))
    side = PreciseSideBySide(HeavyBall(HALF), QUADRATIC, full.truncated(8), 50, wrong)
    runs = sweep(side, range(13, 18), HALF, T=Fraction(1, 128))
    assert judged(runs, "error", 8).verdict == "pass"
    remainder = judged(runs, "remainder", 9)
    assert remainder.verdict == "fail"
    assert remainder.order == pytest.approx(8, abs=0.05)
    assert runs[-1].remainder / runs[-1].error == pytest.approx(0.05, abs=0.01)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("beta", "powers"), [(HALF, range(9, 15)), (Fraction(9, 10), range(11, 17))], ids=str
)
def test_order_8_of_the_heavy_ball_on_the_two_layer_model(beta, powers):
    runs = sweep(pair(HeavyBall(beta), TWO_LAYER, 8), powers, 1 - beta)
    for name, order in [("error", 8), ("remainder", 9)]:
        estimate = judged(runs, name, order)
        assert estimate.verdict == "pass", estimate.reason
    assert runs[-1].predicted / runs[-1].error == pytest.approx(1, abs=0.04)


@pytest.mark.slow
def test_order_8_of_a_loss_that_is_no_polynomial():
    runs = sweep(pair(GradientDescent(), SMOOTH, 8), range(3, 8), Fraction(1), T=1)
    assert judged(runs, "error", 8).verdict == "pass"
    assert judged(runs, "remainder", 9).verdict == "pass"


# -- the parts ------------------------------------------------------------------------------------

EVERYTHING = Formula.of(
    "exp(x)*log(y) + sqrt(y)/sin(x) - cos(x*y)**3 + tan(x) + asin(x)*acos(x) - atan(y)^2"
    " + sinh(x)/cosh(y) + tanh(x - y)*asinh(y) + y**(1/3) - 2**x + x**y/pi + y**(-3/2)",
    {"x": 0.4, "y": 1.7},
)


def program_of(formula):
    return Program(formula.variables, [-g for g in formula.gradient])


@pytest.mark.parametrize("formula", [EVERYTHING, TWO_LAYER.formula, QUADRATIC.formula])
def test_elementary_differentials_equal_those_of_jax(formula):
    with working_precision(100):
        found = Differentials(program_of(formula), 5).evaluate(
            [ball(c) for c in formula.start], BallRing()
        )
    with jax.enable_x64(True):
        for tree in trees_up_to(3 if formula is EVERYTHING else 4):
            start = np.array([float(c) for c in formula.start])
            want = np.asarray(elementary_differential(tree, formula.loss(), start))
            have = [float(part.get(tree, 0)) * tree.symmetry for part in found]
            np.testing.assert_allclose(have, want, rtol=1e-10, atol=1e-10 * np.abs(want).max())


def test_trees_that_vanish_on_a_quadratic_are_left_out():
    for part in Differentials(program_of(QUADRATIC.formula), 6).slots:
        assert len(part) == 6
        assert all(len(tree.children) <= 1 for tree in part)


def test_a_field_along_a_series_is_the_field_at_its_values():
    """F_k(y(s)) as a series, summed up at one s, beside F_k at the point y(s)."""
    full = equation(HeavyBall(HALF), 5)
    for formula in (EVERYTHING, TWO_LAYER.formula):
        program = program_of(formula)
        with working_precision(160):
            ys = [[ball(c), ball(HALF), ball(-HALF / 3)] for c in formula.start]
            for parts in {None: None, "polynomial": polynomial_parts(program, 5)}.values():
                coefficients = Coefficients(full, list(full.coefficients), {}, 160)
                field = PiecewiseField(program, coefficients, parts, Fraction(1, 50), 0)
                field.go_to(3)
                along, total, s = field.along(), [0, 0], flint.arb(2) ** -12
                for r in range(14):
                    terms = along.extend([y[r] if r < 3 else flint.arb(0) for y in ys])
                    total = [t + c * s**r for t, c in zip(total, terms, strict=True)]
                point = [sum(c * s**r for r, c in enumerate(y)) for y in ys]
                direct = field.along().extend(point)
                for t, d in zip(total, direct, strict=True):
                    assert float(abs(t - d)) < 1e-38 * float(abs(d))


def test_polynomials_and_trees_lead_to_the_same_flow(monkeypatch):
    fast = pair(HeavyBall(FIFTH), TWO_LAYER, 5)
    with monkeypatch.context() as patch:
        patch.setattr("modflow.fields.MAX_MONOMIALS", 10)
        slow = pair(HeavyBall(FIFTH), TWO_LAYER, 5)
    assert fast._parts is not None
    assert slow._parts is None
    a, b = fast.run(0.001, 30), slow.run(0.001, 30)
    assert a.error == pytest.approx(b.error, rel=1e-12)
    assert a.remainder == pytest.approx(b.remainder, rel=1e-9)


@pytest.mark.parametrize(
    "method",
    [GradientDescent(), HeavyBall(HALF), HeavyBall(Fraction(9, 10)), LinearTwoStep(0, 1, HALF)],
    ids=str,
)
def test_coefficients_are_those_of_the_equation(method):
    bits, full = 150, equation(method, 5)
    trees_of = [tree for tree, _ in full.elements()]
    coefficients = Coefficients(full, trees_of, {}, bits)
    with working_precision(4 * bits):
        for k in (0, 1, 2, 5, 50, 5000):
            row = coefficients.row(k, BallRing())
            for j, tree in enumerate(coefficients.trees):
                exact = full.element(tree).at(k).value({})
                have = sum(f * ball(coefficients.rows[i][j]) for i, f in enumerate(row))
                limit = float(full.element(tree).limit().value({}))
                assert float(abs(have - ball(exact))) <= 2.0**-bits * abs(limit)
                if coefficients.is_settled(k):
                    assert len(row) == 1
            assert coefficients.is_settled(k) or k < 5000
        assert coefficients.is_settled(0) == (method == GradientDescent())


def test_a_symbol_in_the_equation_stands_for_the_parameter():
    symbolic = mf.modified_equation(HeavyBall(), 3)
    side = PreciseSideBySide(HeavyBall(0.5), TWO_LAYER, symbolic.truncated(2), 30, symbolic)
    a, b = side.run(0.001, 20), pair(HeavyBall(HALF), TWO_LAYER, 2, 30).run(0.001, 20)
    assert (a.error, a.predicted, a.remainder) == (b.error, b.predicted, b.remainder)


def test_the_limit_flow_is_followed_too():
    # The drift's transient decides the order: the limit from step 0 on has order 1 only.
    method = HeavyBall(HALF)
    side = PreciseSideBySide(method, QUADRATIC, equation(method, 8).frozen(), 30)
    runs = sweep(side, range(6, 12), HALF)
    assert judged(runs, "error", 1).verdict == "pass"
    assert all(math.isnan(run.predicted) and math.isnan(run.remainder) for run in runs)


def test_a_float_step_is_the_decimal_that_it_prints_as():
    side = pair(HeavyBall(HALF), TWO_LAYER, 3)
    a, b = side.run(0.1, 3), side.run(Fraction(1, 10), 3)
    assert (a.error, a.h) == (b.error, b.h)
    assert side.run(Fraction(0.1), 3).error != a.error


def test_the_integrator_s_bound_holds(monkeypatch):
    # With the finer run as the truth.
    for problem, method in [(TWO_LAYER, HeavyBall(HALF)), (SMOOTH, GradientDescent())]:
        side = pair(method, problem, 3)
        h, steps = Fraction(1, 64), 40
        with monkeypatch.context() as patch:
            patch.setattr(precise, "FAR_BELOW", 1e-2)
            rough = side.run(h, steps)
            patch.setattr(precise, "FAR_BELOW", 1e-9)
            fine = side.run(h, steps)
        assert fine.integrator < 1e-3 * rough.integrator
        assert abs(rough.error - fine.error) <= rough.integrator
        assert rough.integrator <= 0.1 * rough.error


def test_rounding_is_bounded_by_the_digits():
    for digits in (20, 35, 80):
        run = pair(HeavyBall(HALF), TWO_LAYER, 2, digits).run(0.001, 100)
        assert 10.0 ** (-digits - 2) < run.rounding < 10.0 ** (3 - digits)


def test_a_stiff_part_that_the_flow_has_lost_is_kept_in_the_prediction():
    # Along Rosenbrock's valley the flow is slow, while its linearization has a fast part.
    run = pair(GradientDescent(), problem_named("rosenbrock"), 2).run(Fraction(1, 2**14), 3000)
    assert run.predicted / run.error == pytest.approx(1, abs=0.1)
    assert run.integrator < 1e-6 * run.error


def test_terms_that_vanish_at_the_start_do_not_end_the_series():
    # x = t + ..., y = t^5/5 + ...: the terms of t^2, t^3 and t^4 vanish, and 3 in 4 of all others.
    problem = Problem.from_formula("-x - x^4*y", {"x": 0, "y": 0})
    plain = PreciseSideBySide(GradientDescent(), problem, equation(GradientDescent(), 1), 40)
    assert plain.run(Fraction(1, 8), 1).error == pytest.approx(0.125**5 / 5, rel=1e-6)
    for method in (GradientDescent(), HeavyBall(HALF)):
        run = pair(method, problem, 3).run(Fraction(1, 16), 6)
        with jax.enable_x64(True):
            table = coefficient_table(equation(method, 3), 6)
            single = SideBySide(method, problem, table, "dopri8").run(1 / 16, 6, 4)
        assert run.error == pytest.approx(single.error, rel=1e-9)
        assert run.integrator < 1e-6 * run.error


# -- what ends early, and what is refused ---------------------------------------------------------


def test_divergence_is_reported():
    run = pair(GradientDescent(), quadratic((10.0,)), 1).run(Fraction(1, 2), 60)
    assert run.diverged is not None
    assert run.diverged[0] == "iterates"
    assert math.isnan(run.error)
    assert math.isnan(run.predicted)
    # 4^k passes 10^8 at k = 14.
    assert run.diverged[1] == 14
    run = pair(GradientDescent(), TWO_LAYER, 8).run(Fraction(1, 4), 20)
    assert run.diverged == ("flow", 1)
    outside = Problem.from_formula("log(x)", {"x": 1})
    run = pair(GradientDescent(), outside, 1).run(Fraction(3, 2), 5)
    assert run.diverged is not None


def test_nothing_happens_where_nothing_moves():
    still = Problem.from_formula("x^2", {"x": 0})
    run = pair(HeavyBall(HALF), still, 3).run(0.1, 300)
    assert (run.error, run.predicted, run.remainder, run.diverged) == (0, 0, 0, None)
    # The heavy ball falls exactly along its flow where the force is constant.
    slope = Problem.from_formula("x", {"x": 0})
    assert pair(HeavyBall(HALF), slope, 3).run(0.1, 300).error < 1e-35


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: pair(HeavyBall(HALF), problem_named("digits-logistic"), 1), "digits-logistic has"),
        (lambda: pair(HeavyBall(HALF), QUADRATIC, 1, 19), "from 20 to 1000; got 19"),
        (lambda: pair(HeavyBall(HALF), QUADRATIC, 1, 1001), "from 20 to 1000"),
        (lambda: pair(HeavyBall(HALF), QUADRATIC, 1, 30.0), "whole number"),
        (lambda: pair(HeavyBall(HALF), QUADRATIC, 1, True), "whole number"),
        (lambda: pair(HeavyBall(), QUADRATIC, 1), "needs a number for beta"),
        (
            lambda: PreciseSideBySide(
                HeavyBall(HALF), QUADRATIC, equation(HeavyBall(HALF), 2), 30,
                equation(HeavyBall(HALF), 2),
            ),
            "the next order",
        ),
        (lambda: pair(GradientDescent(), QUADRATIC, 1).run(0, 3), "step size is a positive"),
        (lambda: pair(GradientDescent(), QUADRATIC, 1).run(math.inf, 3), "step size is a positive"),
        (lambda: pair(GradientDescent(), QUADRATIC, 1).run(0.1, 0), "number of steps"),
        (lambda: pair(GradientDescent(), QUADRATIC, 1).run(0.1, 2.0), "number of steps"),
    ],
)  # fmt: skip
def test_bad_requests_are_refused(make, message):
    with pytest.raises(mf.ModflowError, match=message):
        make()


def test_progress_is_told_and_an_interrupt_leaves_the_precision_as_it_was(monkeypatch):
    monkeypatch.setattr(precise, "_PROGRESS_SECONDS", 0)
    side, seen, before = pair(HeavyBall(HALF), QUADRATIC, 2), [], flint.ctx.prec
    side.run(0.01, 5, seen.append)
    assert seen == [1, 2, 3, 4, 5, 5]

    def interrupt(_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        side.run(0.01, 5, interrupt)
    assert flint.ctx.prec == before


def test_numbers_in_rules_are_exact():
    with working_precision(100):
        h, x = ExactNumber(Fraction(1, 10)), BallVector([flint.arb(3), flint.arb(1)])
        third = ball(Fraction(1, 3)).mid()
        for product in (h * x / 0.3, x * (h / 0.3), (1 / 3) * x / 1, x / 3):
            close = product.parts[1] - third
            assert float(abs(close)) < 1e-29
        assert (1 - h) * 2 == Fraction(9, 5)
        assert (h - 1) ** 2 == 0.81
        assert 1 / h == 10
        assert -h + 0.1 == 0
        assert repr(2 * h) == "1/5"
        assert [float(c) for c in (0 + x - 2 * x).parts] == [-3, -1]
        assert [float(c) for c in sum([x, x]).parts] == [6, 2]
    with pytest.raises(mf.ModflowError, match="rational number"):
        ExactNumber.of(mf.momentum)


def test_all_trees_of_order_9_have_a_place():
    found = Differentials(program_of(TWO_LAYER.formula), 9)
    # Only vertices with at most three children count: E has degree 4.
    expected = [t for t in trees(9) if max_children(t) <= 3]
    for part in found.slots:
        assert {t for t in part if t.order == 9} == set(expected)
    assert len(expected) == 211


def max_children(tree):
    return max([len(tree.children), *(max_children(child) for child in tree.children)])
