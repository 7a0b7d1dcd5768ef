"""Remarks 5.3 and 5.4: the regularizer on average over the batches, and the force's covariance."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from fractions import Fraction

import numpy as np
import sympy
from jaxtyping import Float

from ..batches.equations import batch_equations
from ..batches.expectations import SAMPLINGS, expected_regularizer, force_covariance
from ..methods import GradientDescent, HeavyBall, Nesterov, QuasiHyperbolicMomentum
from ._evidence import About, Evidence, difference, equal, fact, sampled
from ._registry import Given, claim

h, k, beta, F, G, M = sympy.symbols("h k beta F G M")
"""F and G stand for E‖∇E_n - ∇E‖² and ‖∇E‖²."""
BETAS = (Fraction(1, 2), Fraction(9, 10))
LOSSES = sympy.symbols("E1 E2")
SLOPES = sympy.symbols("g1 g2")
STEP = 3
CHAINS = 40_000

Vectors = Sequence[sympy.Matrix]


# -- by definition: (10) for given draws -------------------------------------------------------


def igrm(gradients: Vectors, order: Sequence[int]) -> sympy.Expr:
    """IGRM_s/h of (10) for batches drawn in that order, at a point where they have gradients."""
    force = sympy.zeros(gradients[0].rows, 1)
    now = past = sympy.Integer(0)
    for j in order:
        past = beta * (past + now)  # Σ_{r<k} β^(k-r) ‖∇G_r‖²
        force = beta * force + gradients[j]
        now = force.dot(force)
    return (now + 2 * past) / 4


def over_all_draws(gradients: Vectors, steps: int) -> sympy.Expr:
    """The mean of IGRM_s/h over all sequences of so many independent draws."""
    orders = list(itertools.product(range(len(gradients)), repeat=steps))
    return sympy.expand(sum(igrm(gradients, order) for order in orders) / len(orders))


def moments_of(gradients: Vectors) -> tuple[sympy.Expr, sympy.Expr]:
    """‖∇E‖² and E‖∇E_n - ∇E‖² of these batches."""
    mean = sum(gradients[1:], gradients[0]) / len(gradients)
    squares = sum(g.dot(g) for g in gradients) / len(gradients)
    return mean.dot(mean), sympy.expand(squares - mean.dot(mean))


def whole_vectors(given: Given, count: int) -> list[sympy.Matrix]:
    """Vectors of small whole numbers, the second of which tells them apart."""
    draws = given.random().integers(-9, 10, size=count)
    return [sympy.Matrix([int(n), i]) for i, n in enumerate(draws)]


def draw(
    random: np.random.Generator, gradients: Float[np.ndarray, "M p"], b: float
) -> tuple[Float[np.ndarray, "n p"], Float[np.ndarray, " n"]]:
    """∇G_k and IGRM_s/h of independent draws, at a k where β^k is below the rounding of 1."""
    force = np.zeros((CHAINS, gradients.shape[1]))
    now = past = np.zeros(CHAINS)
    for _ in range(math.ceil(-53 * math.log(2) / math.log(b))):
        past = b * (past + now)
        force = b * force + gradients[random.integers(len(gradients), size=CHAINS)]
        now = (force**2).sum(axis=1)
    return force, (now + 2 * past) / 4


def number(formula: sympy.Expr, **values: float) -> float:
    """The value of a formula; NaN, with which no sample agrees, if it has other names in it."""
    value = formula.subs({sympy.Symbol(name): value for name, value in values.items()})
    return float(value) if value.is_number else math.nan


def positive(text: str, value: sympy.Expr, *, about: About = "printed") -> Evidence:
    """Whether a rational function is positive for 0 < β < 1 and all other names positive.

    With β = t/(1+t) that is so if all coefficients of its numerator times its denominator are
    positive; it is nowhere so if none is.
    """
    t = sympy.Symbol("t")
    top, bottom = sympy.fraction(sympy.together(value.subs(beta, t / (1 + t))))
    product = sympy.expand(sympy.cancel(top * bottom))
    signs = {bool(c > 0) for c in product.as_coefficients_dict().values()} if product else {False}
    holds = signs.pop() if len(signs) == 1 else None
    return fact(text, holds, f"{sympy.factor(value)}, with beta = t/(1+t)", about=about)


# -- Remark 5.3 --------------------------------------------------------------------------------


@claim(
    "rem-5.3-coefficients",
    source="Remark 5.3",
    statement=r"\mathbb{E}(IGRM_s)(\mathbf{x}) = \frac{h(1+\beta)}{4(1-\beta)^3}"
    r" \|\nabla E\|_2^2 + \frac{h}{4(1-\beta)^2} F \quad \text{[independent draws, } k \to \infty"
    r" \text{, and } F \text{ the variance of the gradients]}",
    printed={"gradient": "h*(1+beta)/(4*(1-beta)**3)", "variance": "h/(4*(1-beta)**2)"},
    expected="confirmed",
    cost=1,
)
def regularizer_coefficients(given: Given) -> Iterator[Evidence]:
    """Independent draws, k → ∞; what F is printed as is `rem-5.3-F`."""
    gradient, variance = given.printed("gradient"), given.printed("variance")
    limit = expected_regularizer(limit=True)
    yield equal("limit of the coefficient of |grad E|^2", h * limit.gradient, gradient)
    yield equal("limit of the coefficient of F", h * limit.variance, variance)
    random = given.random()
    for b in map(float, BETAS):
        noise = random.normal(size=(5, 3))
        noise -= noise.mean(axis=0)
        scatter = float((noise**2).sum(axis=1).mean())
        # A mean gradient at which both terms are alike, so that each of them is tested.
        mean = np.sqrt(scatter * (1 - b) / (1 + b) / 3) * np.ones(3)
        values = draw(random, noise + mean, b)[1]
        formula = (gradient * G + variance * F) / h
        yield sampled(
            f"{CHAINS} sequences of independent draws from 5 batches, beta = {b:g}",
            float(values.mean()),
            float(values.std() / math.sqrt(CHAINS)),
            number(formula, beta=b, h=1, F=scatter, G=float(mean @ mean)),
        )
    yield from _finite_steps(given)
    yield from _without_replacement()


def _finite_steps(given: Given) -> Iterator[Evidence]:
    at_k = expected_regularizer()
    drift = (1 - beta ** (k + 1)) / (1 - beta)
    gamma = 1 - beta ** (2 * k + 2) - 4 * (k + 1) * beta ** (k + 1) * (1 - beta) / (1 + beta)
    yield equal(
        "at step k the coefficient of |grad E|^2 is gamma of Theorem 4.1 times its limit",
        at_k.gradient,
        gamma * (1 + beta) / (4 * (1 - beta) ** 3),
        about="context",
    )
    yield equal(
        "at step k the coefficient of F is h/4 times the square of the drift",
        at_k.variance,
        drift**2 / 4,
        about="context",
    )
    gradients = whole_vectors(given, 3)
    mean, scatter = moments_of(gradients)
    known = expected_regularizer(step=STEP - 1)
    yield equal(
        f"all {3**STEP} sequences of {STEP} draws from 3 batches with gradients of whole numbers",
        over_all_draws(gradients, STEP),
        known.gradient * mean + known.variance * scatter,
        about="context",
    )
    for method in (Nesterov(), QuasiHyperbolicMomentum()):
        known = expected_regularizer(method, step=STEP)
        yield equal(
            f"{method.label}, step {STEP}: F has h/4 times the square of the drift there, too",
            known.variance,
            known.force**2 / 4,
            about="context",
        )


def _without_replacement() -> Iterator[Evidence]:
    """The formula is for draws with replacement: F counts for less in epochs."""
    power = beta**M
    once = expected_regularizer(sampling="once", limit=True)
    share = M * (1 - beta) * (1 + power) - (1 + beta) * (1 - power)
    share /= (1 - beta) * (M - 1) * (1 - power)
    yield equal(
        "one permutation of M batches, repeated: the share of the printed coefficient of F",
        4 * (1 - beta) ** 2 * once.variance,
        share,
        about="context",
        data=_shares("once"),
    )
    shuffled = expected_regularizer(sampling="shuffled", limit=True, position="mean")
    share = M**2 * (1 - beta) ** 2 - M * (1 - beta**2) + 2 * beta * (1 - power)
    share /= M * (M - 1) * (1 - beta) ** 2
    yield equal(
        "a new permutation each epoch: that share on average over the positions in an epoch",
        4 * (1 - beta) ** 2 * shuffled.variance,
        share,
        about="context",
        data=_shares("shuffled"),
    )


def _shares(sampling: str) -> dict[str, float]:
    """What is left of the printed coefficient of F."""
    found = {}
    for count, b in itertools.product((10, 100), BETAS):
        known = expected_regularizer(
            HeavyBall(b), sampling=sampling, batches=count, limit=True, position="mean"
        )
        found[f"M = {count}, beta = {float(b)}"] = float(4 * (1 - b) ** 2 * known.variance)
    return found


@claim(
    "rem-5.3-F",
    source="Remark 5.3",
    statement=r"\mathbb{E}(IGRM_s)(\mathbf{x}) = \ldots + \frac{h}{4(1-\beta)^2} F,"
    r" \text{ where } F := \mathbb{E}\|E_n - E\|^2",
    printed={"F": "((E1 - E)**2 + (E2 - E)**2)/2"},
    true={"F": "((g1 - g)**2 + (g2 - g)**2)/2"},
    corrected=r"F := \mathbb{E}\|\nabla E_n - \nabla E\|^2 = \operatorname{tr} C",
    expected="corrected",
)
def variance_of_gradients(given: Given) -> Iterator[Evidence]:
    """Two batches in one dimension, their losses E1 and E2 and gradients g1 and g2 any at all."""
    means = {sympy.Symbol("E"): sum(LOSSES) / 2, sympy.Symbol("g"): sum(SLOPES) / 2}
    printed, true = (formula.subs(means) for formula in (given.printed("F"), given.true("F")))
    known = expected_regularizer(step=STEP - 1)
    rest = over_all_draws([sympy.Matrix([g]) for g in SLOPES], STEP)
    rest -= known.gradient * (sum(SLOPES) / 2) ** 2
    derived = sympy.factor(sympy.cancel(rest / known.variance))
    what = f"what stands beside h/4 drift^2 in the mean over all {2**STEP} sequences"
    yield equal(what, derived, printed)
    yield equal(
        "losses that differ by 2 everywhere have one gradient, and IGRM_s does not vary: F is 0",
        0,
        printed.subs(dict(zip(LOSSES, (1, -1), strict=True))).subs(dict.fromkeys(SLOPES, 1)),
    )
    yield equal(what, derived, true, about="corrected")


@claim(
    "rem-5.3-sgd",
    source="Remark 5.3",
    statement=r"\text{the IGR term in SGD after taking expectation is }"
    r" \frac{h}{4}(\|\nabla E\|_2^2 + F) \text{ (Smith et al., 2021)}",
    printed={"gradient": "h/4", "variance": "h/4"},
    expected="confirmed",
)
def regularizer_of_sgd(given: Given) -> Iterator[Evidence]:
    """The modified loss (11) of the step, and its mean over the batches."""
    gradient, variance = given.printed("gradient"), given.printed("variance")
    loss = batch_equations(GradientDescent(), 2, range(3))[-1].modified_loss()
    terms = {tree.colours: c for tree, c in loss.coefficients.items() if tree.order == 2 and c != 0}
    own = terms.pop((2, 2), sympy.Integer(0))
    yield fact(
        "the regularizer of a step has the gradient of its own batch alone",
        not terms,
        f"beside h |grad E_k|^2 there are {len(terms)} other products of gradients",
    )
    gradients = whole_vectors(given, 4)
    mean, scatter = moments_of(gradients)
    squares = sum(g.dot(g) for g in gradients) / len(gradients)
    yield equal(
        "its mean over 4 batches with gradients of whole numbers",
        h * own * squares,
        gradient * mean + variance * scatter,
    )
    known = expected_regularizer(HeavyBall(0))
    yield equal("the coefficient of |grad E|^2, at every step", h * known.gradient, gradient)
    yield equal("the coefficient of F, at every step", h * known.variance, variance)
    alike = {expected_regularizer(HeavyBall(0), sampling=name) for name in SAMPLINGS}
    yield fact(
        "without memory every sampling has this mean",
        alike == {known},
        f"coefficients for {', '.join(SAMPLINGS)} draws: {', '.join(map(str, alike))}",
        about="context",
    )


@claim(
    "rem-5.3-weaker",
    source="Remark 5.3",
    statement=r"\text{the IGR term in SGD after taking expectation, }"
    r" \frac{h}{4}(\|\nabla E\|_2^2 + F), \text{ is much weaker}",
    printed={"gradient": "h/4", "variance": "h/4"},
    expected="confirmed",
)
def weaker(given: Given) -> Iterator[Evidence]:
    """Both terms, at one step size."""
    limit = expected_regularizer(limit=True)
    for name, text in (("gradient", "|grad E|^2"), ("variance", "F")):
        momentum, plain = h * getattr(limit, name), given.printed(name)
        yield positive(f"the term of {text}: SGD+M less SGD", momentum - plain)
        ratio = momentum / plain
        values = {f"beta = {b}": number(ratio, beta=b) for b in (0.1, 0.5, 0.9, 0.99)}
        seen = ", ".join(f"{value:.4g} at {name}" for name, value in values.items())
        yield fact(
            f"the factor by which the term of {text} is larger",
            True,
            f"{sympy.factor(ratio)}: {seen}",
            about="context",
            data=values,
        )


@claim(
    "rem-5.3-adjusted",
    source="Remark 5.3",
    statement=r"\text{even with the adjusted learning rate, the IGR in (SGD+M) is still about }"
    r" 1/(1-\beta) \text{ times stronger than SGD}",
    printed={"factor": "1/(1-beta)"},
    true={"factor": "(1 + beta*(G-F)/(G+F))/(1-beta)"},
    corrected=r"\text{beside the force, as Remark 4.2 counts, it is } \frac{1}{1-\beta}\left(1 +"
    r" \beta\,\frac{\|\nabla E\|^2 - F}{\|\nabla E\|^2 + F}\right) \text{ times as strong: by }"
    r" \frac{1+\beta}{1-\beta} \text{ in the term of } \|\nabla E\|^2, \text{ by } 1 \text{ in that"
    r" of } F, \text{ and by } \frac{1}{1-\beta} \text{ exactly where } \|\nabla E\|^2 = F",
    expected="corrected",
)
def adjusted(given: Given) -> Iterator[Evidence]:
    """The effective step size of SGD+M is that of SGD."""
    printed, true = given.printed("factor"), given.true("factor")
    limit = expected_regularizer(limit=True)
    mine, plain = h * (1 - beta), h * (G + F) / 4
    total = mine * (limit.gradient * G + limit.variance * F)
    ratio = sympy.factor(total / limit.force / plain)
    yield equal("the two regularizers, each beside its force", ratio, printed)
    yield equal("the two regularizers, each beside its force", ratio, true, about="corrected")
    for text, place, factor in (
        ("where |grad E|^2 = F", {F: G}, 1 / (1 - beta)),
        ("where all gradients agree, F = 0", {F: 0}, (1 + beta) / (1 - beta)),
        ("at a minimum, |grad E| = 0", {G: 0}, 1),
    ):
        yield equal(f"{text}, that is {factor}", ratio.subs(place), factor, about="context")
    yield equal(
        "not beside their forces, the terms of |grad E|^2 and F are stronger by"
        " (1 + beta)/(1 - beta)^2 and by 1/(1 - beta): the printed factor is that of F alone",
        total / plain,
        ((1 + beta) / (1 - beta) ** 2 * G + F / (1 - beta)) / (G + F),
        about="context",
    )
    at_k = expected_regularizer()
    yield equal(
        "at every step the term of F beside the force is h/4 times the effective step over h",
        at_k.variance / at_k.force,
        at_k.force / 4,
        about="context",
    )
    shares = _shares("shuffled")
    seen = ", ".join(f"{value:.3f} at {name}" for name, value in shares.items())
    yield fact(
        "drawn without replacement, a new permutation each epoch, F counts for less than in SGD",
        all(value < 1 for value in shares.values()),
        f"the term of F beside the force, on average over an epoch, over that of SGD: {seen}",
        about="context",
        data=shares,
    )


# -- Remark 5.4 --------------------------------------------------------------------------------


@claim(
    "rem-5.4-expectation",
    source="Remark 5.4",
    statement=r"\text{suppose the effective learning rate } \frac{h}{1-\beta} \text{ is used, so"
    r" that the force terms in (SGD) and (SGD+M) have the same expectation} \quad"
    r" \text{[independent draws, } k \to \infty \text{]}",
    printed={"effective": "h/(1-beta)"},
    expected="confirmed",
)
def expectation_of_force(given: Given) -> Iterator[Evidence]:
    """Over independent draws, k → ∞, a step size times the mean force."""
    force = expected_regularizer(limit=True).force
    yield equal("mean displacement of a step of size h", h * force, given.printed("effective"))
    yield equal(
        "at step k it is less by the factor 1 - beta^(k+1)",
        expected_regularizer().force,
        force * (1 - beta ** (k + 1)),
        about="context",
    )


@claim(
    "rem-5.4-covariance",
    source="Remark 5.4",
    statement=r"\text{the covariance matrix of the force } -E_k \text{ driving (SGD) is exactly }"
    r" C, \text{ while that of the force } -G_k \text{ driving (SGD+M) is only }"
    r" \frac{(1-\beta)}{1+\beta} C \quad \text{[independent draws, } k \to \infty \text{]}",
    printed={"sgd": "1", "momentum": "(1-beta)/(1+beta)"},
    expected="confirmed",
    cost=1,
)
def covariance_of_force(given: Given) -> Iterator[Evidence]:
    """Of -∇E_k and -∇G_k, which the Remark names by the losses, as (10) does."""
    plain, momentum = given.printed("sgd"), given.printed("momentum")
    scaled = (1 - beta) ** 2  # what the step of SGD+M is smaller by, squared
    yield equal("SGD, at every step, over C", force_covariance(HeavyBall(0)), plain)
    yield equal(
        "SGD+M at its effective step size, limit, over C",
        scaled * force_covariance(limit=True),
        momentum,
    )
    random = given.random()
    for b in map(float, BETAS):
        gradients, direction = random.normal(size=(5, 3)), random.normal(size=3)
        forces = (1 - b) * (draw(random, gradients, b)[0] @ direction)
        squares = (forces - forces.mean()) ** 2
        yield sampled(
            f"{CHAINS} sequences of independent draws from 5 batches, in one direction,"
            f" beta = {b:g}",
            float(squares.mean()),
            float(squares.std() / math.sqrt(CHAINS)),
            number(momentum, beta=b) * float(np.var(gradients @ direction)),
        )
    yield equal(
        "at step k it is less by the factor 1 - beta^(2k+2)",
        scaled * force_covariance(),
        (1 - beta) / (1 + beta) * (1 - beta ** (2 * k + 2)),
        about="context",
    )
    yield from _smaller_in_epochs()


def _smaller_in_epochs() -> Iterator[Evidence]:
    for sampling in SAMPLINGS[1:]:
        known = force_covariance(sampling=sampling, limit=True, position="mean")
        share = (1 - beta**2) * known
        regularizer = expected_regularizer(sampling=sampling, limit=True, position="mean")
        shares = _shares(sampling)
        seen = ", ".join(f"{value:.3f} at {name}" for name, value in shares.items())
        # What F loses in the regularizer, the covariance loses, too.
        same = difference(share, 4 * (1 - beta) ** 2 * regularizer.variance) == 0
        yield fact(
            f"drawn without replacement ({sampling}), the covariance is smaller still",
            same and all(value < 1 for value in shares.values()),
            f"on average over an epoch, over (1 - beta)/(1 + beta) C: {seen}",
            about="context",
            data=shares,
        )
