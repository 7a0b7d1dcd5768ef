"""Means and covariances over the batches drawn, against enumeration of all that can be drawn."""

from __future__ import annotations

import itertools
import math
import subprocess
import sys
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import sympy
from sympy import Matrix, Rational

import modflow as mf
from modflow.methods import (
    AggregatedMomentum,
    GradientDescent,
    HeavyBall,
    Nesterov,
    QuasiHyperbolicMomentum,
)

B = Rational(2, 3)
BETA, K, M, PLACE, EPOCH = sympy.symbols("beta k M i e")
EPOCHS = ["shuffled", "once"]
# Gradients of up to four batches at a point, without any symmetry.
GRADIENTS = [Matrix([3, -1]), Matrix([-2, 5]), Matrix([1, 7]), Matrix([0, -4])]


def sequences(sampling: str, count: int, steps: int) -> list[tuple[int, ...]]:
    """All sequences of batches, each as likely as any other."""
    if sampling == "independent":
        return list(itertools.product(range(count), repeat=steps))
    orders = list(itertools.permutations(range(count)))
    epochs = -(-steps // count)
    if sampling == "once":
        return [(order * epochs)[:steps] for order in orders]
    return [sum(parts, ())[:steps] for parts in itertools.product(orders, repeat=epochs)]


def enumerated(sampling: str, count: int, step: int, b: Any = B) -> tuple[Any, Any, Any]:
    """E ∇G_k, its covariance and E IGRM_s/h, the latter by its definition in (10)."""
    gradients, found = GRADIENTS[:count], sequences(sampling, count, step + 1)
    mean, squares, igrm = sympy.zeros(2, 1), sympy.zeros(2, 2), 0
    for order in found:
        G = [
            sum((b ** (n - r) * gradients[order[r]] for r in range(n + 1)), sympy.zeros(2, 1))
            for n in range(step + 1)
        ]
        mean += G[step]
        squares += G[step] * G[step].T
        past = sum(b ** (step - r) * G[r].dot(G[r]) for r in range(step))
        igrm += Rational(1, 4) * (G[step].dot(G[step]) + 2 * past)
    mean, total = mean / len(found), len(found)
    return mean, squares / total - mean * mean.T, igrm / total


def batch_moments(count: int) -> tuple[Matrix, Matrix]:
    gradients = GRADIENTS[:count]
    mean = sum(gradients, sympy.zeros(2, 1)) / count
    return mean, sum(((g - mean) * (g - mean).T for g in gradients), sympy.zeros(2, 2)) / count


CASES = [
    *(("independent", 2, k) for k in range(5)),
    ("independent", 3, 3),
    *((s, 2, k) for s in EPOCHS for k in range(7)),
    *((s, 3, k) for s in EPOCHS for k in range(7)),
    *(("once", 4, k) for k in (2, 6, 9)),
    ("shuffled", 4, 6),
]


@pytest.mark.parametrize(("sampling", "count", "step"), CASES)
def test_against_all_sequences(sampling: str, count: int, step: int) -> None:
    mean, covariance, igrm = enumerated(sampling, count, step)
    mu, C = batch_moments(count)
    given: Any = {"sampling": sampling, "batches": count, "step": step}
    assert covariance == mf.force_covariance(HeavyBall(B), **given) * C
    regularizer = mf.expected_regularizer(HeavyBall(B), **given)
    assert mean == regularizer.force * mu
    assert igrm == regularizer.gradient * mu.dot(mu) + regularizer.variance * C.trace()


def test_both_terms_are_told_apart() -> None:
    """The two coefficients, each by itself: batches that agree, and batches of mean zero."""
    for step, sampling in ((2, "independent"), (4, "shuffled"), (3, "once")):
        found = mf.expected_regularizer(HeavyBall(B), sampling=sampling, batches=3, step=step)
        alike = {}
        for name, gradients in (("gradient", [1, 1, 1]), ("variance", [-3, 1, 2])):
            total = []
            for order in sequences(sampling, 3, step + 1):
                G, now, past = 0, 0, 0
                for j in order:
                    past = B * (past + now)
                    G = B * G + gradients[j]
                    now = G**2
                total.append((now + 2 * past) / 4)
            alike[name] = sum(total) / len(total)
        assert found.gradient == alike["gradient"]
        assert found.variance == alike["variance"] / Rational(14, 3)


def same(a: Any, b: Any) -> bool:
    return sympy.simplify(sympy.sympify(a) - sympy.sympify(b)) == 0


@pytest.mark.parametrize("sampling", ["independent", *EPOCHS])
def test_closed_forms_have_the_steps_as_their_values(sampling: str) -> None:
    closed = mf.expected_regularizer(sampling=sampling)
    covariance = mf.force_covariance(sampling=sampling)
    for count, step in ((2, 3), (3, 7), (4, 9)):
        e, i = divmod(step, count)
        place = {BETA: B, K: step, M: count, PLACE: i, EPOCH: e}
        known = mf.expected_regularizer(HeavyBall(B), sampling=sampling, batches=count, step=step)
        assert closed.force.subs(place) == known.force
        assert closed.gradient.subs(place) == known.gradient
        assert closed.variance.subs(place) == known.variance
        assert covariance.subs(place) == mf.force_covariance(
            HeavyBall(B), sampling=sampling, batches=count, step=step
        )


def quadratic_form(sampling: str, count: int, step: int, b: float) -> tuple[float, float]:
    """The coefficients of C and of F/4 as double sums over steps; ρ by its definition."""

    def rho(r: int, s: int) -> float:
        if r % count == s % count and (sampling == "once" or r == s):
            return 1.0
        together = sampling == "once" or r // count == s // count
        return -1 / (count - 1) if together else 0.0

    c = [
        sum(b ** (2 * n - r - s) * rho(r, s) for r in range(n + 1) for s in range(n + 1))
        for n in range(step + 1)
    ]
    return c[-1], c[-1] + 2 * sum(b ** (step - n) * c[n] for n in range(step))


@pytest.mark.parametrize("sampling", EPOCHS)
@pytest.mark.parametrize("count", [2, 5, 7])
def test_limits_are_what_late_epochs_come_to(sampling: str, count: int) -> None:
    method = HeavyBall(Fraction(1, 2))
    covariances, variances = [], []
    for i in range(count):
        step = -(-60 // count) * count + i  # 2^-60 is below rounding
        c, R = quadratic_form(sampling, count, step, 0.5)
        given: Any = {"sampling": sampling, "batches": count, "limit": True, "position": i}
        covariances.append(mf.force_covariance(method, **given))
        variances.append(mf.expected_regularizer(method, **given).variance)
        assert float(covariances[-1]) == pytest.approx(c, rel=1e-12)
        assert 4 * float(variances[-1]) == pytest.approx(R, rel=1e-12)
    given["position"] = "mean"
    assert mf.force_covariance(method, **given) == sum(covariances) / count
    assert mf.expected_regularizer(method, **given).variance == sum(variances) / count


def test_mean_of_an_epoch_at_finite_time() -> None:
    for sampling in EPOCHS:
        given: Any = {"sampling": sampling, "batches": 3}
        mean = mf.expected_regularizer(HeavyBall(B), position="mean", **given)
        for e in (0, 2):
            steps = [
                mf.expected_regularizer(HeavyBall(B), step=3 * e + i, **given) for i in range(3)
            ]
            for name in ("force", "gradient", "variance"):
                average = sum(getattr(step, name) for step in steps) / 3
                assert same(getattr(mean, name).subs(EPOCH, e), average)


def test_known_closed_forms() -> None:
    """By hand: geometric series, and γ of Theorem 4.1."""
    q = BETA ** (K + 1)
    assert same(mf.force_covariance(), (1 - q**2) / (1 - BETA**2))
    found = mf.expected_regularizer()
    assert same(found.force, (1 - q) / (1 - BETA))
    assert same(found.variance, ((1 - q) / (1 - BETA)) ** 2 / 4)
    gamma = (1 - q**2) - 4 * (K + 1) * q * (1 - BETA) / (1 + BETA)
    assert same(found.gradient, gamma * (1 + BETA) / (4 * (1 - BETA) ** 3))
    # Batches that alternate have the weights 1/(1-β²) and β/(1-β²), their gradients ±g.
    once = mf.force_covariance(sampling="once", batches=2, limit=True)
    assert same(once, ((1 - BETA) / (1 - BETA**2)) ** 2)


def test_the_same_field_as_the_series_of_the_method() -> None:
    """ρ(r, s) weights on the exact coefficients of the flow give the closed forms."""
    step, count = 4, 3
    field = mf.batch_equations(HeavyBall(), 2, range(step + 1))[-1]
    for sampling in ("independent", *EPOCHS):
        orders = sequences(sampling, count, step + 1)

        def rho(r: int, s: int, orders: Any = orders) -> Any:
            equal = Rational(sum(o[r] == o[s] for o in orders), len(orders))
            return (equal - Rational(1, count)) / (1 - Rational(1, count))

        gradient, variance = 0, 0
        for tree, b in field.coefficients.items():
            if tree.order == 2:
                gradient -= b / 2
                variance -= b / 2 * rho(*tree.colours)
        found = mf.expected_regularizer(sampling=sampling, batches=count, step=step)
        assert same(found.gradient, gradient)
        assert same(found.variance, variance)


def test_other_methods_at_a_step() -> None:
    # Quasi-hyperbolic momentum with ν = 1 is the heavy ball with a step size 1-β times as large.
    for sampling in ("independent", "shuffled"):
        given: Any = {"sampling": sampling, "batches": 2, "step": 3}
        scaled = mf.expected_regularizer(QuasiHyperbolicMomentum(B, 1), **given)
        plain = mf.expected_regularizer(HeavyBall(B), **given)
        assert scaled.force == (1 - B) * plain.force
        assert scaled.gradient == (1 - B) ** 2 * plain.gradient
        assert scaled.variance == (1 - B) ** 2 * plain.variance
        covariance = mf.force_covariance(QuasiHyperbolicMomentum(B, 1), **given)
        assert covariance == (1 - B) ** 2 * mf.force_covariance(HeavyBall(B), **given)
    # One velocity makes aggregated momentum the heavy ball.
    one = mf.expected_regularizer(AggregatedMomentum((B,)), step=4)
    assert one == mf.expected_regularizer(HeavyBall(B), step=4)
    # Nesterov's momentum weights the gradients with 1 + β, β², β³, ...
    weights = [1 + B, B**2, B**3]
    assert mf.force_covariance(Nesterov(B), step=2) == sum(w**2 for w in weights)
    found = mf.expected_regularizer(Nesterov(B), step=2)
    assert found.force == sum(weights)
    assert found.variance == sum(weights) ** 2 / 4


def test_without_memory_every_sampling_is_the_same() -> None:
    quarter = Rational(1, 4)
    for method in (GradientDescent(), HeavyBall(0)):
        for sampling in ("independent", *EPOCHS):
            found = mf.expected_regularizer(method, sampling=sampling)
            assert (found.force, found.gradient, found.variance) == (1, quarter, quarter)
            assert mf.force_covariance(method, sampling=sampling, limit=True) == 1


def test_many_batches_are_as_good_as_independent_ones() -> None:
    method, independent = HeavyBall(Fraction(9, 10)), 1 / (1 - 0.81)
    for sampling in EPOCHS:
        gaps = []
        for count in (10**3, 10**4):
            given: Any = {"sampling": sampling, "batches": count, "limit": True}
            gaps.append(independent - float(mf.force_covariance(method, position="mean", **given)))
        assert 0 < gaps[1] < gaps[0] < 0.02 * independent
        assert gaps[0] / gaps[1] == pytest.approx(10, rel=0.01)


def test_against_a_sample() -> None:
    """Ten batches in permutations, β = 0.9, at position 3 of the 40th epoch."""
    random, count, epochs, runs, b = np.random.default_rng(5), 10, 40, 20_000, 0.9
    gradients = random.normal(size=count)
    gradients -= gradients.mean()
    force = now = past = np.zeros(runs)
    for step in range(epochs * count + 4):
        if step % count == 0:
            orders = random.permuted(np.tile(np.arange(count), (runs, 1)), axis=1)
        past = b * (past + now)
        force = b * force + gradients[orders[:, step % count]]
        now = force**2
    given: Any = {"sampling": "shuffled", "batches": count, "limit": True, "position": 3}
    F = float((gradients**2).mean())
    for sample, formula in (
        (now, mf.force_covariance(HeavyBall(b), **given) * F),
        (now + 2 * past, 4 * mf.expected_regularizer(HeavyBall(b), **given).variance * F),
    ):
        error = sample.std() / math.sqrt(runs)
        assert abs(sample.mean() - float(formula)) < 5 * error
        assert 5 * error < 0.1 * float(formula)


def test_floats_and_other_symbols() -> None:
    found = mf.expected_regularizer(HeavyBall(0.9), limit=True)
    assert (found.force, found.gradient, found.variance) == (10, 475, 25)
    covariance = mf.force_covariance(HeavyBall(0.9), limit=True)
    assert isinstance(covariance, sympy.Float)
    assert float(covariance) == pytest.approx(1 / 0.19, rel=1e-14)
    assert mf.force_covariance(HeavyBall(sympy.Symbol("rho")), limit=True).free_symbols == {
        sympy.Symbol("rho")
    }
    assert same(
        mf.force_covariance(HeavyBall(Fraction(1, 2))),
        Rational(4, 3) * (1 - Rational(1, 4) ** (K + 1)),
    )
    big = mf.force_covariance(HeavyBall(Fraction(1, 2)), sampling="once", batches=3, step=3000)
    assert float(big) == pytest.approx(
        float(mf.force_covariance(HeavyBall(0.5), sampling="once", batches=3, limit=True))
    )


def test_shown_as_text_and_as_tex() -> None:
    found = mf.expected_regularizer(HeavyBall(Fraction(1, 2)), limit=True)
    assert str(found) == "h*(3*|grad E|^2 + 1*F)"
    assert found.latex() == (r"3\,h\,\|\nabla E\|^2 + h\,\mathbb{E}\|\nabla E_j - \nabla E\|^2")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"method": 0.9}, r"a method is needed, such as HeavyBall\(\); got 0.9"),
        ({"sampling": "shufled"}, "unknown sampling 'shufled': did you mean 'shuffled'"),
        ({"sampling": "cyclic"}, "'once' is the mean over the orders"),
        ({"sampling": "once", "batches": 1}, "two at least; got 1"),
        ({"batches": 2.5}, "two at least; got 2.5"),
        ({"step": -1}, "a step number is a whole number from 0; got -1"),
        ({"step": 1.5}, "a step number is a whole number from 0; got 1.5"),
        ({"step": 1, "limit": True}, "give one of them"),
        ({"sampling": "once", "batches": 2, "step": 1, "position": 1}, "give one of them"),
        ({"position": 1}, "independent draws have no epochs"),
        ({"sampling": "once", "step": 3}, "needs the number of batches"),
        ({"sampling": "once", "position": "last"}, "whole number 0..M-1; got 'last'"),
        ({"sampling": "once", "batches": 3, "position": 3}, "0..2; got 3"),
        ({"method": Nesterov()}, "for the heavy ball alone: give nesterov a step"),
        ({"method": HeavyBall(sympy.Symbol("M"))}, "a parameter cannot be called 'M'"),
    ],
)
def test_bad_requests(arguments: dict[str, Any], message: str) -> None:
    for function in (mf.force_covariance, mf.expected_regularizer):
        with pytest.raises(mf.ModflowError, match=message) as caught:
            function(**arguments)
        assert "\n" not in str(caught.value)


def test_needs_no_jax() -> None:
    code = (
        "import sys, modflow as mf; mf.expected_regularizer(mf.Nesterov(), step=1); "
        "print('jax' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"
