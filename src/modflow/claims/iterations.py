"""Remark 5.5: the variance of the iterations, and how stable they are with batches."""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction

import numpy as np
import scipy.optimize
import sympy

from ..methods import GradientDescent, HeavyBall
from ._evidence import Evidence, equal, fact, sampled
from ._registry import Given, claim
from ._second_moments import (
    companion,
    growth,
    moment_operator,
    response,
    stationary_covariance,
    variance_in_epochs,
)
from .moments import positive

beta, h, lam, s = sympy.symbols("beta h lam s")
BETAS = (Fraction(1, 2), Fraction(9, 10))
CHAINS = 40_000
EFFECTIVE = 0.1
"""hλ of the samples, for SGD; that of (SGD+M) is smaller by 1 - β."""
_COMPONENTS, _SAMPLES, _EACH = 4, 256, 8


def variances() -> tuple[sympy.Expr, sympy.Expr]:
    """Of x in the long run, for gradients λx - ξ with independent ξ of variance 1: SGD with step
    h, and (SGD+M) with the step h(1-β) of the same effective learning rate."""
    plain = stationary_covariance(companion(GradientDescent(), h), lam)
    momentum = stationary_covariance(companion(HeavyBall(), (1 - beta) * h), lam)
    return plain[0, 0], momentum[0, 0]


@claim(
    "rem-5.5-variance",
    source="Remark 5.5",
    statement=r"\text{larger variance of SGD iterations increases the generalization power ["
    r"\ldots] the variance reduction effect of (SGD+M)}\text{, which by Remark 5.4 is }"
    r" \tfrac{1-\beta}{1+\beta} \text{ at the same effective learning rate}",
    printed={"reduction": "(1-beta)/(1+beta)"},
    expected="corrected",
    corrected=r"\text{that of the force is smaller by } \tfrac{1-\beta}{1+\beta} \text{; on a"
    r" quadratic, for batches drawn independently, that of the iterations by }"
    r" \frac{2 - h\lambda}{2 - h\lambda\frac{1-\beta}{1+\beta}} = 1 - \tfrac{\beta}{1+\beta}"
    r" h\lambda + \ldots \text{ only, with the step } h \text{ of SGD}",
    true={"reduction": "(2 - h*lam)/(2 - h*lam*(1-beta)/(1+beta))"},
    cost=1,
)
def variance_of_iterations(given: Given) -> Iterator[Evidence]:
    """Remark 5.5 prints no factor: it leans on that of Remark 5.4, which belongs to the force."""
    plain, momentum = variances()
    text = "variance of the iterations of (SGD+M) over those of SGD, on a quadratic"
    yield equal(text, momentum / plain, given.printed("reduction"))
    yield equal(text, momentum / plain, given.true("reduction"), about="corrected")
    random, b = given.random(), 0.9
    mean, error = _sample(random, b)
    values = {h: EFFECTIVE, lam: 1, beta: b}
    scale = float(plain.subs(values))
    for about, formula in (("printed", given.printed), ("corrected", given.true)):
        yield sampled(
            f"{CHAINS} runs, h lam = {EFFECTIVE:g}, beta = {b:g}: variance of the iterates",
            mean,
            error,
            scale * float(formula("reduction").subs(values)),
            about="printed" if about == "printed" else "corrected",
        )
    yield equal("SGD: h C/(lam (2 - h lam))", plain, h / (lam * (2 - h * lam)), about="context")
    # Cov(G_k, G_{k+n}) = β^|n| C/(1-β²): over all n, times (1-β)², that is all of C.
    total = (1 - beta) ** 2 / (1 - beta**2) * (1 + 2 * beta / (1 - beta))
    yield equal(
        "the covariances of a force with all forces before and after it add up to C, as in SGD:"
        " what is smaller at once lasts for longer",
        total,
        1,
        about="context",
    )
    yield from _without_replacement()


def _sample(random: np.random.Generator, b: float) -> tuple[float, float]:
    """E x² of (SGD+M) on x²/2 in the long run, by independent runs, with its standard error."""
    step = (1 - b) * EFFECTIVE
    x, v = np.zeros(CHAINS), np.zeros(CHAINS)
    # What the start has left falls like exp(-EFFECTIVE k): after so many steps, to a rounding.
    for _ in range(round(40 / EFFECTIVE)):
        v = b * v - step * (x - random.standard_normal(CHAINS))
        x = x + v
    squares = x**2
    return float(squares.mean()), float(squares.std() / math.sqrt(CHAINS))


def _without_replacement() -> Iterator[Evidence]:
    shares: dict[str, float] = {}
    for once, name in ((False, "a new permutation each epoch"), (True, "one for all epochs")):
        for count in (10, 100):
            for b in map(float, BETAS):
                found = []
                for momentum in (0.0, b):
                    rule = companion(HeavyBall(momentum), (1 - momentum) * EFFECTIVE)
                    # Weights that are left out are below exp(-40) of the first.
                    weights = response(rule, 1.0, round(40 / EFFECTIVE))
                    found.append(variance_in_epochs(weights, count, once=once))
                shares[f"{name}, M = {count}, beta = {b:g}"] = found[1] / found[0]
    yield fact(
        f"without replacement momentum does reduce it, h lam = {EFFECTIVE:g}",
        all(0 < share < 1 for share in shares.values()),
        "; ".join(f"{name}: {share:.3f}" for name, share in shares.items()),
        kind="numeric",
        about="context",
        data=shares,
    )


@claim(
    "rem-5.5-stability",
    source="Remark 5.5",
    statement=r"\text{(SGD+M) is more stable than (SGD) to the use of large effective learning"
    r" rates}",
    printed={"advantage": "momentum - sgd"},
    expected="confirmed",
    cost=2,
)
def stability_with_batches(given: Given) -> Iterator[Evidence]:
    """In mean square, in one direction, with batch curvatures of mean λ and variance s²."""
    bounds = {}
    for name, method, scale in (
        ("sgd", GradientDescent(), sympy.Integer(1)),
        ("momentum", HeavyBall(), 1 - beta),
    ):
        # With h the effective rate. The iteration of the second moments is unstable where it has
        # an eigenvalue above 1: first where det(1 - operator) vanishes.
        operator = moment_operator(companion(method, scale * h), lam, s**2)
        determinant = sympy.factor((sympy.eye(operator.rows) - operator).det())
        roots = [r for r in sympy.roots(sympy.fraction(determinant)[0], h) if r != 0]
        yield fact(
            f"{name}: det(1 - operator) has one zero h > 0, and a simple one",
            len(roots) == 1,
            f"largest effective rate {', '.join(map(str, map(sympy.factor, roots)))}",
        )
        bounds[name] = sympy.factor(roots[0])
    advantage = given.printed("advantage").subs(bounds)
    yield positive("the advantage, for all 0 < beta < 1, lam and s", advantage)
    gain = bounds["momentum"] / bounds["sgd"]
    for b in BETAS:
        limits = {beta: b, lam: 1, s: Fraction(1, 2)}
        edge = float(bounds["momentum"].subs(limits))
        around = [
            growth(
                companion(HeavyBall(b), (1 - float(b)) * edge * factor),
                np.array([[[0.5]], [[1.5]]]),
            )
            for factor in (0.999, 1.001)
        ]
        yield fact(
            f"curvatures 1/2 and 3/2, beta = {float(b):g}: second moments stay bounded below it,"
            " and grow above",
            around[0] <= 1 + 1e-12 < around[1],
            f"a step multiplies them by {around[0]:.6f} and {around[1]:.6f} at 0.999 and 1.001 of"
            f" {edge:.4g}",
            kind="numeric",
        )
    yield _on_digits()
    yield equal(
        "without noise the gain is that of Section 6",
        gain.subs(s, 0),
        (1 + beta) / (1 - beta),
        about="context",
    )
    yield fact(
        "with much noise, s >> lam, there is none",
        sympy.limit(gain.subs({lam: 1, beta: Fraction(9, 10)}), s, sympy.oo) == 1,
        f"gain {sympy.factor(gain)}",
        about="context",
    )


def _on_digits() -> Evidence:
    """Least squares on the first principal components of the digits, a few images a batch."""
    from ..problems.digits import load

    images, _ = load(_SAMPLES)
    centred = images - images.mean(axis=0)
    _, scales, axes = np.linalg.svd(centred, full_matrices=False)
    features = centred @ axes[:_COMPONENTS].T / scales[0] * math.sqrt(len(images))
    parts = features.reshape(-1, _EACH, _COMPONENTS)
    hessians = np.einsum("jni,jnk->jik", parts, parts) / _EACH
    sharpness = float(np.linalg.eigvalsh(hessians.mean(axis=0))[-1])

    def excess(rate: float, b: float) -> float:
        return growth(companion(HeavyBall(b), (1 - b) * rate), hessians) - 1

    found = {}
    for b in (0.0, *map(float, BETAS)):
        # Bounded below by what is stable for any batch at all, above by the mean iteration.
        top = 2 * (1 + b) / ((1 - b) * sharpness)
        found[f"beta = {b}"] = float(
            scipy.optimize.brentq(excess, 1e-3 * top, top, args=(b,), rtol=1e-6)
        )
    plain = found["beta = 0.0"]
    gains = [f"{found[f'beta = {float(b)}'] / plain:.3g} for beta = {float(b):g}" for b in BETAS]
    return fact(
        f"digits, least squares on {_COMPONENTS} principal components, {_EACH} images a batch:"
        " the largest effective rate is larger",
        all(value > plain for name, value in found.items() if name != "beta = 0.0"),
        f"by the factors {', '.join(gains)}; in full batches by 3 and 19",
        kind="numeric",
        data={**found, "sharpness": sharpness},
    )


@claim(
    "rem-5.5-generalization",
    source="Remark 5.5",
    statement=r"\text{a larger variance increases the generalization power; the variance reduction"
    r" effect of (SGD+M) hurts generalization; this explains why in practice (SGD+M) is only"
    r" slightly better than (SGD)}",
    expected="inconclusive",
    command="modflow reproduce table-1",
)
def generalization(given: Given) -> Iterator[Evidence]:
    """Nothing that a formula could decide."""
    yield fact(
        "generalization of trained networks",
        None,
        f"needs runs of networks, which `{given.claim.command}` of a later release will make",
        kind="numeric",
    )
