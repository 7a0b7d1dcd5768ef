"""The claims of Remarks 5.3 to 5.5: verdicts, what they reject, and the moments behind them."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import scipy.linalg
import sympy

from modflow.claims import check_claim, claim_named, iterations, moments
from modflow.claims._second_moments import (
    companion,
    growth,
    moment_operator,
    response,
    stationary_covariance,
    variance_in_epochs,
)
from modflow.methods import GradientDescent, HeavyBall, Nesterov

VERDICTS = {
    "rem-5.3-coefficients": "confirmed",
    "rem-5.3-F": "corrected",
    "rem-5.3-sgd": "confirmed",
    "rem-5.3-weaker": "confirmed",
    "rem-5.3-adjusted": "corrected",
    "rem-5.4-expectation": "confirmed",
    "rem-5.4-covariance": "confirmed",
    "rem-5.5-variance": "corrected",
    "rem-5.5-stability": "confirmed",
    "rem-5.5-generalization": "inconclusive",
}


@pytest.mark.parametrize("name", VERDICTS)
def test_verdicts(name: str) -> None:
    result = check_claim(claim_named(name), seed=7)
    assert result.verdict == result.claim.expected == VERDICTS[name]
    assert all(e.verdict == "pass" for e in result.evidence if e.about != "printed")
    assert result.claim.statement.count("{") == result.claim.statement.count("}")


MISPRINTS: list[tuple[str, dict[str, str]]] = [
    ("rem-5.3-coefficients", {"gradient": "h*(1+beta)/(2*(1-beta)**3)"}),
    ("rem-5.3-coefficients", {"gradient": "h*(1-beta)/(4*(1-beta)**3)"}),
    ("rem-5.3-coefficients", {"gradient": "h*(1+beta)/(4*(1-beta)**2)"}),
    ("rem-5.3-coefficients", {"variance": "h/(2*(1-beta)**2)"}),
    ("rem-5.3-coefficients", {"variance": "h/(4*(1-beta**2))"}),
    ("rem-5.3-coefficients", {"variance": "h*(1-beta**(k+1))**2/(4*(1-beta)**2)"}),
    ("rem-5.3-sgd", {"gradient": "h/2"}),
    ("rem-5.3-sgd", {"variance": "h/2"}),
    ("rem-5.3-sgd", {"variance": "-h/4"}),
    ("rem-5.3-weaker", {"gradient": "h*(1+beta)/(4*(1-beta)**3)"}),
    ("rem-5.3-weaker", {"variance": "h/2"}),
    ("rem-5.3-weaker", {"variance": "h/(1-beta)**2"}),
    ("rem-5.4-expectation", {"effective": "h/(1-beta**2)"}),
    ("rem-5.4-expectation", {"effective": "h*(1-beta)"}),
    ("rem-5.4-covariance", {"sgd": "2"}),
    ("rem-5.4-covariance", {"momentum": "(1+beta)/(1-beta)"}),
    ("rem-5.4-covariance", {"momentum": "1/(1-beta**2)"}),
    ("rem-5.4-covariance", {"momentum": "(1-beta)/(1+beta)*(1-beta**(2*k+2))"}),
    ("rem-5.5-stability", {"advantage": "sgd - momentum"}),
    ("rem-5.5-stability", {"advantage": "momentum - 3*sgd"}),
    ("rem-5.5-stability", {"advantage": "(1-beta)*momentum - sgd"}),
    ("rem-5.5-stability", {"advantage": "momentum - sgd*(1+beta)/(1-beta)"}),
]


@pytest.mark.parametrize(("name", "formulas"), MISPRINTS)
def test_misprints_are_refuted(name: str, formulas: dict[str, str]) -> None:
    result = check_claim(claim_named(name).misprinted(**formulas))
    assert result.verdict in ("refuted", "inconclusive")
    assert any(e.verdict != "pass" and e.about == "printed" for e in result.evidence)


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("rem-5.3-F", {"F": "(g1 - g)**2 + (g2 - g)**2"}),
        ("rem-5.3-F", {"F": "g1**2 + g2**2"}),
        ("rem-5.3-adjusted", {"factor": "(1+beta)/(1-beta)"}),
        ("rem-5.3-adjusted", {"factor": "(1 + beta*(F-G)/(G+F))/(1-beta)"}),
        ("rem-5.5-variance", {"reduction": "1"}),
        ("rem-5.5-variance", {"reduction": "1 - h*lam*beta/(1+beta)"}),
        ("rem-5.5-variance", {"reduction": "(1 - h*lam)/(1 - h*lam*(1-beta)/(1+beta))"}),
        ("rem-5.5-variance", {"reduction": "(2 - h*lam)/(2 - h*lam*(1+beta)/(1-beta))"}),
    ],
)
def test_corrections_are_the_ones_that_hold(name: str, wrong: dict[str, str]) -> None:
    claim = claim_named(name)
    assert check_claim(claim.misprinted(**claim.true)).verdict == "confirmed"
    assert check_claim(claim.misprinted(**wrong)).verdict == "corrected"


def test_another_correction_would_not_do() -> None:
    for name, wrong in (
        ("rem-5.3-F", "(g1 - g)**2 + (g2 - g)**2"),
        ("rem-5.3-adjusted", "(1+beta)/(1-beta)"),
        ("rem-5.5-variance", "1 - h*lam*beta/(1+beta)"),
    ):
        claim = claim_named(name)
        (formula,) = claim.true
        assert check_claim(replace(claim, true={formula: wrong})).verdict == "refuted"


def test_samples_alone_tell_a_factor_of_two() -> None:
    """The numeric evidence rejects it, whatever the identities say."""
    for name, formula, wrong in (
        ("rem-5.3-coefficients", "variance", "h/(2*(1-beta)**2)"),
        ("rem-5.3-coefficients", "gradient", "h*(1+beta)/(2*(1-beta)**3)"),
        ("rem-5.4-covariance", "momentum", "2*(1-beta)/(1+beta)"),
    ):
        result = check_claim(claim_named(name).misprinted(**{formula: wrong}), seed=3)
        numeric = [e.verdict for e in result.evidence if e.kind == "numeric"]
        assert numeric == ["fail", "fail"]


def test_inequalities_are_proved_or_left_open() -> None:
    beta, h = sympy.symbols("beta h")
    for value, verdict in (
        (h * beta * (1 - beta) / (1 + beta), "pass"),
        (-beta / (1 - beta), "fail"),
        (beta - beta, "fail"),
        (1 - 2 * beta, "inconclusive"),
        ((1 + beta) / (1 - beta) ** 3 - 1, "pass"),
    ):
        assert moments.positive("x", sympy.sympify(value)).verdict == verdict


def test_igrm_is_that_of_the_theorem() -> None:
    """(10) written out for k = 2, at β = 1/3."""
    g = [sympy.Matrix([2, 1]), sympy.Matrix([-1, 3]), sympy.Matrix([0, 5])]
    b = sympy.Rational(1, 3)
    G = [g[2], b * g[2] + g[0], b**2 * g[2] + b * g[0] + g[0]]
    value = (G[2].dot(G[2]) + 2 * (b * G[1].dot(G[1]) + b**2 * G[0].dot(G[0]))) / 4
    assert moments.igrm(g, [2, 0, 0]).subs(moments.beta, b) == value


# -- second moments ------------------------------------------------------------------------------


def test_companion_is_the_heavy_ball() -> None:
    b, h, a = sympy.symbols("beta h a")
    rule = companion(HeavyBall(), h)
    x, v, xi = sympy.symbols("x v xi")
    new = (rule.fixed + a * rule.slope) * sympy.Matrix([x, v]) + rule.noise * xi
    velocity = b * v - h * (a * x - xi)
    assert sympy.expand(new - sympy.Matrix([x + velocity, velocity])) == sympy.zeros(2, 1)


@pytest.mark.parametrize("method", [GradientDescent(), HeavyBall(0.9), Nesterov(0.5)])
def test_stationary_covariance_solves_lyapunov(method: Any) -> None:
    rule = companion(method, 0.07)
    found = np.array(stationary_covariance(rule, 1.3), dtype=float)
    A, b = (np.array(m, dtype=float) for m in (rule.fixed + 1.3 * rule.slope, rule.noise))
    # Well-conditioned 2 × 2 systems: both are right to a few hundred roundings.
    np.testing.assert_allclose(found, scipy.linalg.solve_discrete_lyapunov(A, b @ b.T), rtol=1e-12)
    kernel = response(rule, 1.3, 1500)
    assert found[0, 0] == pytest.approx(float((kernel**2).sum()), rel=1e-12)


def test_second_moments_are_those_of_all_sequences() -> None:
    """Curvatures 1 and 3, drawn independently: four steps, all 16 sequences."""
    b, h = sympy.Rational(1, 2), sympy.Rational(1, 5)
    rule = companion(HeavyBall(b), h)
    operator = moment_operator(rule, 2, 1)
    moments_now = sympy.Matrix([4, -2, 1])  # x = 2, v = -1
    for _ in range(4):
        moments_now = operator * moments_now
    total = sympy.zeros(3, 1)
    for curvatures in itertools.product((1, 3), repeat=4):
        x, v = sympy.Integer(2), sympy.Integer(-1)
        for a in curvatures:
            v = b * v - h * a * x
            x = x + v
        total += sympy.Matrix([x * x, x * v, v * v]) / 16
    assert moments_now == total


def test_growth_is_that_of_the_operator() -> None:
    rule = companion(HeavyBall(Fraction(1, 2)), Fraction(3, 10))
    operator = np.array(moment_operator(rule, 2, 1), dtype=float)
    expected = abs(np.linalg.eigvals(operator)).max()
    assert growth(rule, np.array([[[1.0]], [[3.0]]])) == pytest.approx(expected, rel=1e-12)


def test_bounds_against_runs() -> None:
    """E x² over all sequences of two curvatures falls below the bound, and grows above it."""
    lam, s, b = 1.0, 0.8, 0.5
    bound = 2 * lam * (1 - b**2) / ((1 - b) * lam**2 + (1 + b) * s**2)
    for factor in (0.9, 1.1):
        h, values = factor * bound, []
        for steps in (6, 14):
            states = [(1.0, 0.0)]
            for _ in range(steps):
                states = [
                    (x + b * v - h * a * x, b * v - h * a * x)
                    for x, v in states
                    for a in (lam - s, lam + s)
                ]
            values.append(sum(x * x for x, _ in states) / len(states))
        assert (values[1] < values[0]) == (factor < 1)


@pytest.mark.parametrize("once", [False, True])
def test_variance_in_epochs_against_a_sample(once: bool) -> None:
    random, count, runs, b, step = np.random.default_rng(11), 5, 20_000, 0.8, 0.1
    xi = np.array([2.0, -1.0, 0.5, -0.5, -1.0])
    rule = companion(HeavyBall(b), (1 - b) * step)
    x, v, squares = np.zeros(runs), np.zeros(runs), []
    orders = random.permuted(np.tile(np.arange(count), (runs, 1)), axis=1)
    for k in range(40 * count):
        if k % count == 0 and not once:
            orders = random.permuted(orders, axis=1)
        v = b * v + (1 - b) * step * (xi[orders[:, k % count]] - x)
        x = x + v
        if k >= 39 * count:
            squares.append(x**2)
    mean = np.mean(squares, axis=0)
    formula = variance_in_epochs(response(rule, 1.0, 400), count, once=once) * float(xi @ xi) / 5
    error = mean.std() / math.sqrt(runs)
    assert abs(mean.mean() - formula) < 5 * error
    assert 5 * error < 0.1 * formula


def test_independent_noise_is_the_limit_of_many_batches() -> None:
    weights = response(companion(HeavyBall(0.5), 0.05), 1.0, 300)
    apart = [
        1 - variance_in_epochs(weights, count, once=False) / (weights @ weights)
        for count in (300, 600)
    ]
    assert 0 < apart[1] < apart[0] < 0.15


def test_gain_on_digits_is_below_that_of_the_full_batch() -> None:
    found = iterations._on_digits()
    assert found.verdict == "pass"
    bounds = {name: value for name, value in found.data.items() if name.startswith("beta")}
    plain = bounds["beta = 0.0"]
    # The bound of the mean iteration, 2/L, is above that of the second moments.
    assert plain < 2 / found.data["sharpness"]
    for b in (0.5, 0.9):
        assert 1 < bounds[f"beta = {b}"] / plain < (1 + b) / (1 - b)
