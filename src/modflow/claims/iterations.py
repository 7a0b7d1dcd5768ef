"""Remark 5.5: what momentum does to the variance of the iterates, and to their stability."""

from __future__ import annotations

import itertools
import math
from collections.abc import Generator, Iterator
from fractions import Fraction
from typing import Any

import numpy as np
import sympy
from jaxtyping import Float
from scipy.optimize import brentq

from ..batches.expectations import force_covariance
from ..methods import GradientDescent, HeavyBall, Method
from ..problems.digits import load
from ._evidence import About, Evidence, difference, equal, fact, sampled
from ._registry import Given, claim
from ._second_moments import (
    Companion,
    companion,
    growth,
    moment_operator,
    response,
    stationary_covariance,
    variance_in_epochs,
)
from .moments import BETAS, CHAINS, number, positive

h, beta, lam, s2, n, u = sympy.symbols("h beta lam s2 n u")
"""The step size of SGD, which is the effective one of SGD+M; the curvature, or its mean and
variance over the batches; a number of steps; and u > 0 for the stable h λ = 2u/(1+u)."""
ADVANTAGE = sympy.Symbol("momentum") - sympy.Symbol("sgd")
EFFECTIVE = (1 - beta) * h
"""The step size of SGD+M that has the effective one of SGD."""
SIZE = 0.1
"""h λ where variances are sampled."""
COUNTS = (10, 100)
COMPONENTS, EACH, BATCHES = 4, 8, 224
"""Least squares on the digits: an operator of 64 × 64 for SGD+M, and all but 5 of the images."""
NEAR = 1e-3
"""The growth factor has to cross 1 within this share of a bound: far above the rounding of a
simple eigenvalue, and far below what any other formula would be off by."""


# -- the variance of the iterates --------------------------------------------------------------


@claim(
    "rem-5.5-variance",
    source="Remark 5.5",
    statement=r"\text{a larger variance of SGD iterations increases the generalization power"
    r" [...] Therefore, the variance reduction effect of (SGD+M) [by }"
    r" \frac{1-\beta}{1+\beta} \text{, Remark 5.4] hurts generalization}",
    printed={"reduction": "(1-beta)/(1+beta)"},
    true={"reduction": "(2 - h*lam)/(2 - h*lam*(1-beta)/(1+beta))"},
    corrected=r"\text{at equal effective rates } h \text{, near a minimum of curvature } \lambda"
    r" \text{ and for batches drawn independently, the variance of the iterations of (SGD+M) is }"
    r" \frac{2 - h\lambda}{2 - h\lambda\frac{1-\beta}{1+\beta}} = 1 - \frac{\beta}{1+\beta}"
    r" h\lambda + \ldots \text{ times that of (SGD)}",
    expected="corrected",
    cost=1,
)
def variance_of_iterates(given: Given) -> Iterator[Evidence]:
    """Remark 5.5 prints no factor: this is the one of Remark 5.4, on which it leans.

    Near a minimum at which the gradients of the batches do not all vanish the loss is a quadratic,
    and their noise does not depend on x: λ is an eigenvalue of the Hessian, C the variance of the
    noise along its eigenvector. The discrete Lyapunov equation has the variance that stays.
    """
    plain = stationary_covariance(companion(GradientDescent(), h), lam)[0, 0]
    momentum = stationary_covariance(companion(HeavyBall(), EFFECTIVE), lam)[0, 0]
    ratio = sympy.factor(momentum / plain)
    random = given.random()
    samples = [(b, *sample_variance(random, b)) for b in map(float, BETAS)]
    of_plain = number(plain, h=SIZE, lam=1)
    pairs: tuple[tuple[sympy.Expr, About], ...] = (
        (given.printed("reduction"), "printed"),
        (given.true("reduction"), "corrected"),
    )
    for formula, about in pairs:
        yield equal(
            "stationary variance of the iterates of SGD+M over that of SGD",
            ratio,
            formula,
            about=about,
        )
        yield equal("its limit for small steps", ratio.subs(h, 0), formula.subs(h, 0), about=about)
        for b, mean, error in samples:
            yield sampled(
                f"variance of {CHAINS} iterates of SGD+M, h lam = {SIZE}, beta = {b:g}",
                mean,
                error,
                number(formula, h=SIZE, lam=1, beta=b) * of_plain,
                about=about,
            )
    yield from _both_variances(random, plain)
    yield from _why_none()
    yield from _where_there_is_one(ratio)
    yield _without_replacement()


def sample_variance(random: np.random.Generator, b: float) -> tuple[float, float]:
    """The variance of x for λ = 1 and C = 1, and its standard error, once the start is forgotten.

    The heavy ball is written out here, with draws from 5 batches: nothing of the Lyapunov equation
    is in it.
    """
    xi = random.normal(size=5)
    xi = (xi - xi.mean()) / xi.std()
    x = v = np.zeros(CHAINS)
    for _ in range(forgotten(companion(_momentum(b), (1 - b) * SIZE))):
        v = b * v - (1 - b) * SIZE * (x - xi[random.integers(len(xi), size=CHAINS)])
        x = x + v
    squares = x**2  # of mean 0
    return float(squares.mean()), float(squares.std() / math.sqrt(CHAINS))


def forgotten(rule: Companion) -> int:
    """After so many steps at λ = 1 the square of what is left is below the rounding of 1."""
    radius = np.abs(np.linalg.eigvals(np.array(rule.fixed + rule.slope, dtype=float))).max()
    return math.ceil(-53 * math.log(2) / (2 * math.log(radius)))


def _momentum(b: Any) -> Method:
    return HeavyBall(b) if b else GradientDescent()


def _both_variances(random: np.random.Generator, plain: sympy.Expr) -> Iterator[Evidence]:
    yield equal("variance of SGD, over C", plain, h / (lam * (2 - h * lam)), about="context")
    yield equal(
        "variance of SGD+M at its own step size h, over C",
        stationary_covariance(companion(HeavyBall(), h), lam)[0, 0],
        h * (1 + beta) / ((1 - beta) * lam * (2 * (1 + beta) - h * lam)),
        about="context",
    )
    yield sampled(
        f"variance of {CHAINS} iterates of SGD, h lam = {SIZE}",
        *sample_variance(random, 0.0),
        number(plain, h=SIZE, lam=1),
        about="context",
    )


def _why_none() -> Iterator[Evidence]:
    """The forces of SGD+M are smaller, and correlated: one makes up for the other."""
    # The autocovariances of (1-β) G_k are this one times β^s: G_{k+s} is β^s G_k and new draws.
    own = (1 - beta) ** 2 * force_covariance(limit=True)
    yield equal(
        "all autocovariances of the force at its effective step size add up to C, as for SGD",
        own * (1 + 2 * beta / (1 - beta)),
        1,
        about="context",
    )
    displacement = n - 2 * beta * (1 - beta**n) / (1 - beta**2)
    # From n to n + 1 steps there is one more autocovariance at lag 0 and at each lag ±1, ..., ±n.
    more = own * (1 + 2 * beta * (1 - beta**n) / (1 - beta))
    yield fact(
        "the displacement in n steps has the variance of SGD's, n h^2 C, less what does not grow",
        difference(displacement.subs(n, n + 1) - displacement, more) == 0
        and displacement.subs(n, 0) == 0,
        f"over h^2 C it is {displacement}",
        about="context",
    )


def _where_there_is_one(ratio: sympy.Expr) -> Iterator[Evidence]:
    yield equal(
        "what the variance is reduced by to first order in h",
        sympy.diff(ratio, h).subs(h, 0),
        -beta * lam / (1 + beta),
        about="context",
    )
    yield positive(
        "there is a reduction at every step with which SGD is stable, h lam = 2 u/(1 + u)",
        (1 - ratio).subs(h, 2 * u / (1 + u) / lam),
        about="context",
    )
    yield equal(
        "the reduction is (1 - beta)/(1 + beta) at the large step h lam = 1 + beta",
        ratio.subs(h, (1 + beta) / lam),
        (1 - beta) / (1 + beta),
        about="context",
    )


def _without_replacement() -> Evidence:
    """Drawn so, the noise of an epoch adds up to 0: what is left is fast, and momentum damps it."""
    rules = {b: companion(_momentum(b), (1 - b) * SIZE) for b in (0.0, *map(float, BETAS))}
    weights = {b: response(rule, 1.0, forgotten(rule)) for b, rule in rules.items()}
    plain, found, smaller = weights.pop(0.0), {}, True
    for once, count, (b, w) in itertools.product((False, True), COUNTS, weights.items()):
        value = variance_in_epochs(w, count, once=once)
        value /= variance_in_epochs(plain, count, once=once)
        smaller &= value < float((w @ w) / (plain @ plain))
        found[f"{'once' if once else 'shuffled'}, M = {count}, beta = {b}"] = value
    seen = "; ".join(f"{value:.3f} at {name}" for name, value in found.items())
    return fact(
        f"drawn without replacement, h lam = {SIZE}: momentum reduces the iterates' variance more"
        " than for independent draws",
        smaller,
        f"SGD+M over SGD, on average over an epoch: {seen}",
        kind="numeric",
        about="context",
        data=found,
    )


# -- stability ---------------------------------------------------------------------------------


@claim(
    "rem-5.5-stability",
    source="Remark 5.5",
    statement=r"\text{(SGD+M) is more stable than (SGD) to the use of large effective learning"
    r" rates}",
    printed={"advantage": "momentum - sgd"},
    expected="confirmed",
    cost=1,
)
def stability_of_noisy_steps(given: Given) -> Iterator[Evidence]:
    """The largest effective rate at which second moments decay, which each batch's Hessian drives.

    Proved on a quadratic in one dimension, the batches of which have curvatures of mean λ > 0 and
    of any variance s² > 0; in more dimensions, where Hessians of batches do not commute, measured.
    """
    advantage = given.printed("advantage")
    bounds = {}
    for name, method, step in (
        ("SGD", GradientDescent(), h),
        ("SGD+M", HeavyBall(), EFFECTIVE),
    ):
        bounds[name] = yield from _bound(name, companion(method, step))
    plain, momentum = bounds.values()
    yield positive(
        "the largest stable effective rate: SGD+M compared with SGD", _compared(advantage, bounds)
    )
    yield from _crossings(given, bounds)
    yield _on_digits(advantage)
    for name, formula in (
        ("SGD", 2 * lam / (lam**2 + s2)),
        ("SGD+M", 2 * lam / (lam**2 * (1 - beta) / (1 + beta) + s2)),
    ):
        yield equal(f"bound of the effective rate, {name}", bounds[name], formula, about="context")
    gain = sympy.factor(momentum / plain)
    yield equal(
        "without noise in the curvature SGD+M is stable at larger rates by this factor",
        gain.subs(s2, 0),
        (1 + beta) / (1 - beta),
        about="context",
    )
    yield equal(
        "where the curvature is mostly noise, s >> lam, nothing is gained",
        sympy.limit(gain, s2, sympy.oo),
        1,
        about="context",
    )


def _compared(advantage: sympy.Expr, bounds: dict[str, Any]) -> sympy.Expr:
    names = {"SGD": sympy.Symbol("sgd"), "SGD+M": sympy.Symbol("momentum")}
    return advantage.subs({names[name]: bound for name, bound in bounds.items()})


def _bound(name: str, rule: Companion) -> Generator[Evidence, None, sympy.Expr]:
    """The step at which second moments stop decaying; returns it as an expression.

    The operator T of second moments maps covariances to covariances, so that its spectral radius
    is an eigenvalue of it (Krein & Rutman 1948), and passes 1 only where det(I - T) = 0. At h = 0
    its eigenvalues are 1, β and β², of which the last two stay below 1 for small h: there the sign
    of the determinant is that of 1 minus the radius. Where it is negative the radius is above 1.
    """
    operator = moment_operator(rule, lam, s2)
    determinant = sympy.factor((sympy.eye(operator.rows) - operator).det())
    (powers,), rest = sympy.Poly(determinant, h).terms_gcd()
    yield fact(
        f"{name}: det(I - second-moment operator) has one zero beside h = 0, and it is simple",
        rest.degree() == 1,
        f"{determinant}: h^{powers} times a polynomial of degree {rest.degree()}",
    )
    bound = sympy.factor(-rest.nth(0) / rest.nth(1))
    yield positive(f"{name}: this zero", bound)
    yield positive(f"{name}: the determinant at half of it", determinant.subs(h, bound / 2))
    return bound


def _crossings(given: Given, bounds: dict[str, Any]) -> Iterator[Evidence]:
    """Whether second moments decay below the bounds and grow above, for two random curvatures."""
    random = given.random()
    mean = float(random.uniform(1, 10))
    spread = mean * float(random.uniform(0.1, 2))
    curvatures = np.array([[[mean - spread]], [[mean + spread]]])
    for b in (Fraction(0), *BETAS):
        name = "SGD+M" if b else "SGD"
        bound = number(bounds[name], lam=mean, s2=spread**2, beta=float(b))
        low, high = (
            growth(companion(_momentum(b), float(1 - b) * bound * (1 + sign * NEAR)), curvatures)
            for sign in (-1, 1)
        )
        yield fact(
            f"{name}{f', beta = {float(b)}' if b else ''}, curvatures {mean:.3g} ± {spread:.3g}:"
            " second moments decay just below the bound and grow just above it",
            low < 1 < high,
            f"growth {low:.6f} and {high:.6f} a step at {1 - NEAR:g} and {1 + NEAR:g} times the"
            f" bound {bound:.6g}",
            kind="numeric",
            data={"bound": bound, "below": low, "above": high},
        )


def _on_digits(advantage: sympy.Expr = ADVANTAGE) -> Evidence:
    """The bounds for least squares on the digits, drawn independently in batches of 8."""
    images = load(EACH * BATCHES)[0]
    axes = np.linalg.svd(images, full_matrices=False)[2][:COMPONENTS]
    features = (images @ axes.T).reshape(BATCHES, EACH, COMPONENTS)
    hessians = np.einsum("jna,jnb->jab", features, features) / EACH
    sharpness = float(np.linalg.eigvalsh(hessians.mean(axis=0)).max())
    found = {b: _largest_rate(b, hessians, sharpness) for b in (Fraction(0), *BETAS)}
    plain = found[Fraction(0)]
    holds = all(
        number(_compared(advantage, {"SGD": plain, "SGD+M": found[b]}), beta=float(b)) > 0
        for b in BETAS
    )
    gains = ", ".join(
        f"{found[b] / plain:.3g} at beta = {float(b)} (full batch {float((1 + b) / (1 - b)):g})"
        for b in BETAS
    )
    return fact(
        f"least squares on {COMPONENTS} principal components of the digits, {BATCHES} batches of"
        f" {EACH}: the largest stable effective rates",
        holds,
        f"SGD {plain * sharpness:.4g}/L, full batch 2/L; SGD+M larger by {gains}",
        kind="numeric",
        data={"sharpness": sharpness, **{f"beta = {float(b)}": r for b, r in found.items()}},
    )


def _largest_rate(
    b: Fraction, hessians: Float[np.ndarray, "batches p p"], sharpness: float
) -> float:
    """The effective rate at which the growth factor of second moments is 1, to 6 digits."""
    rule = companion(_momentum(b), (1 - b) * h)

    def excess(rate: float) -> float:
        return growth(Companion(*(part.subs(h, rate) for part in rule)), hessians) - 1

    # Second moments grow where the mean does, so that the bound of the full batch is an upper one.
    above = 2 * float((1 + b) / (1 - b)) / sharpness
    return float(brentq(excess, above / 100, 1.01 * above, xtol=1e-6 * above))


# -- what no calculation decides ---------------------------------------------------------------


@claim(
    "rem-5.5-generalization",
    source="Remark 5.5",
    statement=r"\text{the variance reduction effect of (SGD+M) hurts generalization. On the other"
    r" hand, [a stronger IGR and stability] tend to help with its generalization. This explains why"
    r" in practice we usually observe that (SGD+M) is only slightly better than (SGD)}",
    expected="inconclusive",
    command="modflow reproduce table-1",
)
def generalization(given: Given) -> Iterator[Evidence]:
    """Test accuracies can be compared; what causes them does not follow from a flow."""
    yield fact(
        "the three effects on test accuracy, apart from each other",
        None,
        "needs networks that are trained with SGD and with SGD+M, as for Table 1",
        kind="numeric",
    )
