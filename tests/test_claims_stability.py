"""The claims of Section 6: what they find, and that they reject what is slightly wrong."""

import itertools
from dataclasses import replace
from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import sympy
from jax.flatten_util import ravel_pytree

from modflow.claims import edge_of_stability, networks, stability
from modflow.claims._registry import CLAIMS, check_claim
from modflow.curvature import SharpnessPath, lanczos
from modflow.methods import GradientDescent, HeavyBall

BETA = sympy.Symbol("beta")
QUICK = [
    "sec-6-gd-stable",
    "sec-6-gdm-stable",
    "sec-6-effective-rates",
    "sec-6-stronger-regularization",
    "sec-6-benefits-from-stability",
    "sec-6-same-conclusion-for-batches",
]
TRAINED = [
    "fig-2-accuracy",
    "fig-3-accuracy",
    "fig-2-3-comparison",
    "fig-4-accuracy",
    "table-1-deviation",
    "sec-6-not-scaled",
]
READ = [
    "table-1-reading-rates",
    "table-1-reading-accuracy",
    "table-1-reading-deviation",
    "table-1-reading-outperforms",
    "fig-4-reading-accuracy",
    "fig-4-reading-variance",
]
MEASURED = ["footnote-3-threshold", "footnote-3-hovers-gd", "footnote-3-hovers-gdm"]


@pytest.mark.parametrize("name", [*QUICK, *TRAINED, *READ])
@pytest.mark.parametrize("seed", [0, 17])
def test_verdicts_are_those_on_record_under_any_seed(name, seed):
    result = check_claim(CLAIMS[name], seed=seed)
    assert result.as_expected, [e.to_dict() for e in result.evidence]


@pytest.mark.parametrize(("name", "seed"), list(zip(MEASURED, (0, 1, 2), strict=True)))
def test_measured_verdicts_are_those_on_record(name, seed):
    result = check_claim(CLAIMS[name], seed=seed)
    assert result.as_expected, [e.to_dict() for e in result.evidence]
    assert any(e.kind == "numeric" and e.about == "printed" for e in result.evidence)


MISPRINTS = [
    ("sec-6-gd-stable", "bound", ["1/L", "4/L", "3/L", "2/L**2", "-2/L", "2*L"]),
    (
        "sec-6-gdm-stable",
        "bound",
        [
            "2/L",
            "(2+beta)/L",
            "(1+beta)/L",
            "(2-2*beta)/L",
            "(4+4*beta)/L",
            "(2+2*beta**2)/L",
            "2*(1+beta)/((1-beta)*L)",
            "(2+2*beta)/(1+2*beta)/L",
        ],
    ),
    ("sec-6-effective-rates", "gd", ["1/L", "4/L"]),
    (
        "sec-6-effective-rates",
        "gdm",
        [
            "2*(1+beta)/L",
            "2*(1-beta)/(L*(1+beta))",
            "(1+beta)/(L*(1-beta))",
            "2*(1+beta)/(L*(1-beta)**2)",
        ],
    ),
    ("sec-6-stronger-regularization", "rate", ["h", "h*(1-beta)", "h/(1+beta)", "h/(1-beta)**2"]),
    (
        "sec-6-stronger-regularization",
        "regularizer",
        [
            "h/4",
            "(1+beta)*h/(4*(1-beta))",
            "(1+beta)*h/(4*(1-beta)**3)",
            "(1-beta)*h/(4*(1+beta)**2)",
            "(1+beta)*h/(2*(1-beta)**2)",
            "-(1+beta)*h/(4*(1-beta)**2)",
        ],
    ),
    ("table-1-reading-rates", "effective", ["h/(1+beta)", "h*(1-beta)", "h/(1-beta)**2", "h"]),
    ("table-1-reading-rates", "value", ["1/100", "2/10"]),
    ("table-1-reading-accuracy", "beta", ["5/10", "3/10", "0"]),
    ("table-1-reading-deviation", "beta", ["5/10", "3/10", "0"]),
    ("table-1-reading-outperforms", "beta", ["8/10"]),
]


@pytest.mark.parametrize(
    ("name", "formula", "wrong"),
    [(name, formula, wrong) for name, formula, several in MISPRINTS for wrong in several],
)
def test_misprints_are_not_confirmed(name, formula, wrong):
    assert check_claim(CLAIMS[name].misprinted(**{formula: wrong})).verdict == "refuted"


@pytest.mark.parametrize(
    ("name", "formula", "wrong"),
    [
        ("sec-6-benefits-from-stability", "step", "(1-beta)**2/L"),
        ("sec-6-benefits-from-stability", "step", "(1+sqrt(beta))**2/L"),
        ("sec-6-benefits-from-stability", "gain", "(1+beta)/(1-sqrt(beta))**2"),
        ("sec-6-benefits-from-stability", "gain", "(1+beta)/(2*(1+sqrt(beta))**2)"),
        ("sec-6-same-conclusion-for-batches", "gd", "2/L"),
        ("sec-6-same-conclusion-for-batches", "gdm", "2*(1+beta)/(L*(1+v))"),
        ("sec-6-same-conclusion-for-batches", "gdm", "2*(1-beta**2)/(L*(1+beta+v*(1-beta)))"),
        ("sec-6-same-conclusion-for-batches", "threshold", "(1+beta)/(1-beta)"),
        ("sec-6-same-conclusion-for-batches", "threshold", "1-beta"),
        ("fig-4-reading-accuracy", "beta", "3/10"),
        ("fig-4-reading-accuracy", "increasing", "3"),
        ("fig-4-reading-variance", "beta", "3/10"),
    ],
)
def test_wrong_corrections_are_not_accepted(name, formula, wrong):
    claim = CLAIMS[name]
    assert check_claim(replace(claim, true={**claim.true, formula: wrong})).verdict == "refuted"


def test_what_is_false_as_printed_would_be_confirmed_where_it_is_true():
    """The evidence is made from the formulas, and not from the verdict."""
    benefits = CLAIMS["sec-6-benefits-from-stability"]
    small = benefits.misprinted(step="(1-sqrt(beta))**2/(2*L)")
    assert check_claim(small).verdict == "confirmed"
    assert check_claim(benefits.misprinted(step="1/(2*L)")).verdict == "corrected"
    batches = CLAIMS["sec-6-same-conclusion-for-batches"]
    effective = batches.misprinted(conclusion="gain/(1-beta) - 1")
    assert check_claim(effective).verdict == "confirmed"
    assert check_claim(batches.misprinted(conclusion="1 - gain")).verdict == "corrected"
    caption = CLAIMS["fig-4-reading-accuracy"].misprinted(beta="5/10")
    assert check_claim(caption).verdict == "confirmed"


@pytest.mark.parametrize(
    ("formulas", "where"),
    [
        ({"gd": "1/h"}, "gradient-descent"),
        ({"gd": "4/h"}, "gradient-descent"),
        ({"gdm": "2/h"}, "heavy-ball"),
        ({"gdm": "2*(1+beta)/(h*(1-beta))"}, "heavy-ball"),
        ({"gdm": "2*(1-beta)/h"}, "heavy-ball"),
    ],
)
def test_wrong_thresholds_fail_exactly_and_as_measured(formulas, where):
    result = check_claim(CLAIMS["footnote-3-threshold"].misprinted(**formulas))
    assert result.verdict == "refuted"
    failed = [e for e in result.evidence if e.verdict == "fail" and e.about == "printed"]
    assert {e.kind for e in failed} == {"exact", "numeric"}
    assert sum(e.text.startswith(where) for e in failed) >= 3


# -- the mathematics, by other routes ------------------------------------------------------------


def test_mean_square_stability_by_enumeration():
    """E (x^n)² over all sequences of two batches, exactly: it grows just above the bound."""
    beta, v = Fraction(1, 2), Fraction(1, 4)
    curvatures = (1 + Fraction(1, 2), 1 - Fraction(1, 2))  # mean 1, variance 1/4
    bound = Fraction(2) * (1 - beta**2) / (1 - beta + v * (1 + beta))
    found = stability.mean_square_bound(HeavyBall())
    values = {BETA: sympy.Rational(beta), sympy.Symbol("v"): sympy.Rational(v)}
    assert found.subs(values) == sympy.Rational(bound)
    assert stability.mean_square_bound(GradientDescent()).subs(values) == 2 / (1 + v)
    n = 12
    for share, grows in ((Fraction(8, 10), False), (Fraction(12, 10), True)):
        z = share * bound
        means = {}
        for length in (n - 4, n):
            total = Fraction(0)
            for sequence in itertools.product(curvatures, repeat=length):
                x, before = Fraction(1), Fraction(1)
                for c in sequence:
                    x, before = (1 + beta - z * c) * x - beta * before, x
                total += x * x
            means[length] = total / 2**length
        assert (means[n] > means[n - 4]) is grows


def test_mean_square_bounds_without_noise_are_those_of_one_loss():
    v = sympy.Symbol("v")
    for method, wanted in ((GradientDescent(), 2), (HeavyBall(), 2 * (1 + BETA))):
        found = stability.mean_square_bound(method).subs(v, 0)
        assert sympy.simplify(found - wanted) == 0


@pytest.mark.parametrize("beta", [0.0, 0.3, 0.9])
def test_the_logarithm_has_legendre_s_coefficients(beta):
    """log of the principal root against its series, inside the radius of convergence."""
    reach = (1 - np.sqrt(beta)) ** 2
    x = (1 + beta) / (1 - beta)
    for z in (0.1 * reach, 0.5 * reach, -0.5 * reach):
        root = (1 + beta - z + np.sqrt((1 + beta - z) ** 2 - 4 * beta)) / 2
        terms = [
            np.polynomial.legendre.legval(x, [0] * n + [1]) * (z / (1 - beta)) ** (n + 1) / (n + 1)
            for n in range(60)
        ]
        assert -sum(terms) == pytest.approx(np.log(root), rel=1e-12)


def test_gauss_newton_is_the_normal_matrix():
    problem = edge_of_stability.digits_network(np.random.default_rng(0))
    operator = edge_of_stability.gauss_newton(problem)
    with jax.enable_x64(True):
        x, unravel = ravel_pytree(problem.start_arrays())
        images, _ = problem.data_arrays()
        jacobian = jax.jit(
            jax.jacrev(lambda y: edge_of_stability.scores(unravel(y), images[:16]).ravel())
        )(x)
        jacobian = np.asarray(jacobian)
    v = np.random.default_rng(1).normal(size=x.size)
    few = edge_of_stability.Problem(
        problem.loss, problem.start, data=tuple(part[:16] for part in problem.data)
    )
    product = edge_of_stability.gauss_newton(few).matvec(v)
    np.testing.assert_allclose(product, jacobian.T @ (jacobian @ v) / 16, rtol=1e-9, atol=1e-11)
    assert operator.shape == (1482, 1482)
    assert float(lanczos(operator, 1, 0.0)) > 0


# -- hovering ------------------------------------------------------------------------------------


def path(values, beta=None, h=0.25):
    values = np.array(values, dtype=float)
    method = GradientDescent() if beta is None else HeavyBall(beta)
    zeros = np.zeros_like(values)
    return SharpnessPath(method, h, np.arange(len(values)), zeros, values, zeros, zeros)


def verdicts(path, formula, rivals):
    symbols = {name: sympy.Symbol(name) for name in ("beta", "h")}
    parse = lambda text: sympy.sympify(text, locals=symbols)  # noqa: E731
    given = {text: parse(text) for text in rivals}
    return [e.verdict for e in edge_of_stability.hovering(path, parse(formula), given)]


RISING = [3.0, 4, 5, 6, 7, 8.2, 8.1, 7.9, 8.2, 8.0, 8.3, 7.9]


def test_what_hovers():
    rivals = ("1/h", "2/h", "4/h")
    assert verdicts(path(RISING), "2/h", rivals) == ["pass", "pass"]
    assert verdicts(path(RISING), "4/h", rivals) == ["fail", "fail"]
    assert verdicts(path(RISING), "1/h", rivals) == ["pass", "fail"]
    assert verdicts(path(RISING), "3/h", rivals)[1] == "fail"
    assert verdicts(path(RISING), "2/h**2", rivals)[1] == "fail"


def test_what_does_not_hover():
    rivals = ("1/h", "2/h", "4/h")
    passes_by = [*RISING[:6], 9, 10, 12, 14, 16, 18]
    assert verdicts(path(passes_by), "2/h", rivals) == ["pass", "fail"]
    stays_below = [3, 3.1, 3.2, 3.3, 3.4, 3.5, 3.6, 3.6]
    assert verdicts(path(stays_below), "2/h", rivals) == ["fail", "fail"]
    starts_above = [9, 8.5, 8.1, 8, 8, 8]
    assert verdicts(path(starts_above), "2/h", rivals) == ["fail", "pass"]
    falls_first = [5, 4, 3, 2, 1, 9, 8, 8, 8, 8, 8, 8]
    assert verdicts(path(falls_first), "2/h", rivals) == ["fail", "pass"]
    assert verdicts(replace(path(RISING), diverged=7), "2/h", rivals) == ["inconclusive"]


def test_momentum_has_its_own_threshold():
    rivals = ("2/h", "2*(1+beta)/h", "2*(1+beta)/(h*(1-beta))")
    with_momentum = path(np.array(RISING) * 1.5, beta=0.5)
    assert verdicts(with_momentum, "2*(1+beta)/h", rivals) == ["pass", "pass"]
    assert verdicts(with_momentum, "2/h", rivals)[1] == "fail"
    assert verdicts(with_momentum, "2*(1+beta)/(h*(1-beta))", rivals) == ["fail", "fail"]


@pytest.mark.parametrize(
    ("name", "wrong"),
    [("footnote-3-hovers-gd", "4/h"), ("footnote-3-hovers-gdm", "2/h")],
)
def test_trainings_reject_another_threshold(name, wrong):
    result = check_claim(CLAIMS[name].misprinted(threshold=wrong))
    assert result.verdict == "refuted"


def test_the_network_that_is_trained():
    problem = edge_of_stability.shuffled_digits(np.random.default_rng(3))
    assert problem.dimension == 64 * 16 + 16 + 16 * 16 + 16 + 16 * 10 + 10 == 1482
    images, labels = problem.data
    true = edge_of_stability.digits_network(np.random.default_rng(3)).data[1]
    assert images.shape == (128, 64)
    np.testing.assert_allclose(images.mean(axis=0), 0, atol=1e-15)
    np.testing.assert_array_equal(labels.sum(axis=0), true.sum(axis=0))
    assert (labels != true).any()
    # Squared error by hand, in NumPy.
    layer = images
    for weight, bias in problem.start[:-1]:
        layer = np.tanh(layer @ weight + bias)
    weight, bias = problem.start[-1]
    by_hand = ((layer @ weight + bias - labels) ** 2).sum() / 256
    with jax.enable_x64(True):
        value = float(
            problem.value(problem.start_arrays(), jax.tree.map(jnp.asarray, problem.data))
        )
    assert value == pytest.approx(by_hand, rel=1e-12)


# -- the table -----------------------------------------------------------------------------------


def test_the_table_is_the_printed_one():
    assert len(networks.TABLE) == 8
    assert [column.name for column in networks.TABLE[:2]] == ["CIFAR-10 DN-121", "CIFAR-10 RN-18"]
    # Sums of the printed rows, added up from the paper's text.
    rows = [sum(column.accuracy[i] for column in networks.TABLE) for i in range(4)]
    assert [float(row) for row in rows] == [507.8, 514.9, 527.8, 538.0]
    spread = [sum(column.deviation[i] for column in networks.TABLE) for i in range(4)]
    assert [float(row) for row in spread] == [42.6, 41.5, 21.0, 7.9]


def test_readings_say_where_they_fail():
    def detail(name, about="printed"):
        found = check_claim(CLAIMS[name]).evidence
        return [e.detail for e in found if e.about == about]

    assert "7 of 8 columns; exceptions: CIFAR-100 RN-50" in detail("table-1-reading-accuracy")[0]
    assert "8 of 8 columns; exceptions: none" in detail("table-1-reading-deviation")[0]
    ties = detail("table-1-reading-deviation", "context")[0]
    assert "CIFAR-10 RN-50: also at beta = 0.5; CIFAR-100 RN-18: also at beta = 0.0" in ties
    assert "exceptions: RN-18 at beta = 0.3" in detail("fig-4-reading-accuracy")[0]
    both = "exceptions: DN-121 at beta = 0.3, RN-18 at beta = 0.3"
    assert both in detail("fig-4-reading-variance")[0]
    assert (
        "2 of 4: CIFAR-10 DN-121, CIFAR-10 RN-50"
        in detail("fig-4-reading-accuracy", "corrected")[1]
    )


@pytest.mark.parametrize("name", TRAINED)
def test_trainings_name_the_command_that_decides(name):
    claim = CLAIMS[name]
    assert claim.command.startswith("modflow reproduce ")
    (evidence,) = check_claim(claim).evidence
    assert evidence.verdict == "inconclusive"
    assert f"`{claim.command}` decides it" in evidence.detail
    assert "`modflow verify --results`" in evidence.detail
