"""Section 7: what the term of the Hessian does to the iterates, and what momentum does to it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import sympy

from ..batches import batch_equations
from ..gaussian import SIGMA, STEP, E, JetPolynomial, gaussian_expectation
from ..methods import HeavyBall
from ._evidence import Evidence, equal, fact, rate, sampled
from ._noise import (
    POINTS,
    SMOOTH,
    VARIABLES,
    WeakNoise,
    flow_and_iterates,
    loss_and_square,
    quadrature_defects,
)
from ._registry import Given, claim
from .noise import EVEN, HESSIAN, SIGMAS, SQUARE, WHOLE, H, both, same, truth

beta, a, k = sympy.symbols("beta a k")


_STEPS = tuple(2.0**-n for n in range(4, 9))
_RUNS, _SETTLING, _MEASURED = 20000, 60, 40
_VALLEY_STEP, _CURVATURE = 0.4, 1.5
_NOISE = 2.0**-10
"""Small: a run moves x by 3e-5, and what is of order σ⁴ is as little of the pull, whose standard
error is near 2e-3."""


@claim(
    "sec-7-hessian-regularizer",
    source="Section 7, after the displayed expectation",
    statement=r"\text{now there is a Hessian regularization term } \frac{h}{4} \sigma^2"
    r" \|\nabla^2 E(\mathbf{x})\|_F^2 \text{ coming out of IGR which does not vanish even around"
    r" local minimizers, and its strength is proportional to the learning rate}",
    printed={"hessian": "h*sigma**2/4"},
    expected="confirmed",
)
def hessian_regularizer(given: Given) -> Iterator[Evidence]:
    """All that noise leaves of the IGR term at a minimum."""
    strength = given.printed("hessian")
    term = gaussian_expectation(STEP / 4 * SQUARE, 2).at_critical_point()
    yield same("the mean IGR term where grad E = 0", term, strength * JetPolynomial({HESSIAN: 1}))
    yield equal("its power of the learning rate", STEP * strength.diff(STEP) / strength, 1)
    minimum = POINTS[:1]
    formula = strength * JetPolynomial({HESSIAN: 1})
    # The minimum of the smooth loss is at 0, where ‖∇E‖² and its gradient vanish.
    defects, doubts = quadrature_defects(
        STEP / 4 * loss_and_square(SMOOTH)[1], formula, SIGMAS, H, minimum
    )
    yield rate(
        "at the minimum of a smooth loss, by quadrature: the mean minus the term over sigma",
        SIGMAS,
        defects,
        EVEN,
        uncertainties=doubts,
    )
    share = _to_first_order(_valley_slope()).coeff(STEP) / (SIGMA**2 * a / 2)
    yield equal(
        "but in a valley E = a(x) y^2/2 the mean of the iterates drifts as if it were half as"
        " strong (sec-7-mean-of-iterates): the order h of the drift, beside that of the term",
        share,
        sympy.Rational(1, 2),
        about="context",
    )


def _valley_slope() -> Any:
    """The s of the mean drift -h s a'(x), to order σ², of PGD in the valley y = 0 of a(x) y²/2.

    There y ↦ y - h a (y + η) is a linear recursion, and x loses h ½ a' (y + η)² a step.
    """
    v = sympy.Symbol("v")
    variance = sympy.solve((1 - STEP * a) ** 2 * v + (STEP * a * SIGMA) ** 2 - v, v)[0]
    return sympy.cancel((variance + SIGMA**2) / 2)


_MEAN = (
    r"\mathbb{E}\,\mathbf{x}^k \text{ follows } \dot{\mathbf{m}} = -\nabla \left( R + \frac{h}{4}"
    r" \|\nabla R\|^2 \right) - \frac{1}{2} \nabla^3 R : V, \quad \dot V = -(\nabla^2 R\, V + V"
    r" \nabla^2 R) + h\, \text{Cov}_{\eta} \nabla E(\mathbf{m} + \eta), \text{ to } O(h^2);"
    r" \text{ in the term of } \sigma^2; \text{ along a valley of minima of curvature } a, \text{"
    r" where } V \text{ has settled, the iterates are pulled by the gradient of }"
    r" -\frac{\sigma^2}{h} \log(1 - \tfrac{h a}{2}) = \frac{\sigma^2}{2} a +"
    r" \frac{h}{8} \sigma^2 a^2 + \ldots \text{, with which this flow agrees to the order } h"
)


@claim(
    "sec-7-mean-of-iterates",
    source="Section 7, 'In expectation, the modified loss is'",
    statement=r"\text{in expectation, the modified loss is }"
    rf" {WHOLE} \quad \text{{[so that }} \mathbb{{E}}\,\mathbf{{x}}^k \text{{ follows its"
    r" flow as } \mathbf{x}^k \text{ follows (3), to } O(h^2) \text{]}",
    corrected=_MEAN,
    printed={"regularizer": "h/4"},
    true={
        "regularizer": "h/4",
        "spread": "1/2",
        "source": "h",
        "valley": "-sigma**2*log(1 - h*a/2)/h",
    },
    expected="corrected",
    cost=2,
)
def mean_of_iterates(given: Given) -> Iterator[Evidence]:
    """The mean of random flows is not the flow of the mean field: the iterates' spread counts."""
    c = given.printed("regularizer")
    text = "the sigma^2 term of E x^k, by moments, over h"
    yield rate(text, _STEPS, _mean_errors(truth(c)), 2)
    mean = _split_loss(given.true("regularizer"))
    spread, source = (sympy.lambdify(STEP, given.true(name)) for name in ("spread", "source"))
    yield rate(text, _STEPS, _mean_errors(mean, spread, source), 2, about="corrected")

    x, y = VARIABLES
    # In the valley y = 0 of a(x) y²/2; with a = x the derivative by x is that by a, for a' = 1.
    slope = truth(c).evaluate(x * y**2 / 2, VARIABLES).subs(y, 0).diff(x).subs(x, a)
    pull, settled = _valley_slope(), given.true("valley").diff(a)
    text = "the pull along a valley of minima of curvature a, for a' = 1"
    yield equal(f"{text}, to order h", _to_first_order(pull), _to_first_order(slope))
    yield equal(f"{text}, to all orders in h", pull, settled, about="corrected")
    found, error = _sampled_pull(given)
    at = {STEP: _VALLEY_STEP, a: _CURVATURE, SIGMA: _NOISE}
    text = f"{_RUNS} runs in the valley of (1 + x^2/2) y^2/2: pull along it"
    yield sampled(text, found, error, float(settled.subs(at)), about="corrected")
    yield sampled(
        f"{text}, beside the printed formula, which has no terms beyond order h",
        found,
        error,
        float(slope.subs(at)),
        about="context",
    )
    yield rate(
        "with half of the term of |D^2 E|^2: right only where V has settled",
        _STEPS,
        _mean_errors((mean + truth(c)) / 2),
        1,
        about="context",
    )


def _to_first_order(f: Any) -> Any:
    return sympy.series(f, STEP, 0, 2).removeO()


def _split_loss(regularizer: Any) -> JetPolynomial:
    """R + c ‖∇R‖² to σ²."""
    averaged = gaussian_expectation(E, 2)
    return averaged + regularizer * averaged.gradient().dot(averaged.gradient()).truncated(2)


def _mean_errors(loss: JetPolynomial, spread: Any = None, source: Any = None) -> list[float]:
    """max_k of the distance between the σ² terms of E x^k and of a flow, from one point."""
    start, noise, errors = np.array([0.5, 0.2, 0, 0, 0, 0, 0, 0]), WeakNoise(SMOOTH), []
    flow = noise.flow(loss, spread, source)
    for h in _STEPS:
        x, y = flow_and_iterates(round(1 / h), h, start, noise.step(h), flow(h))
        errors.append(float(np.max(np.linalg.norm((x - y)[:, 2:4], axis=1))))
    return errors


def _sampled_pull(given: Given) -> tuple[float, float]:
    """-(x^K - x^J)/(h (K-J)) from x = 1 in the valley of (1 + x²/2) y²/2, a = 1.5 and a' = 1.

    Steps before J are left out: (1 - ha)^(2J) = 0.4^120, with which V forgets its start.
    """
    random, h = given.random(), _VALLEY_STEP
    x, y = np.ones(_RUNS), np.zeros(_RUNS)
    begun = x
    for k in range(_SETTLING + _MEASURED):
        if k == _SETTLING:
            begun = x
        shift = _NOISE * random.standard_normal((2, _RUNS))
        at, beside = x + shift[0], y + shift[1]
        x, y = x - h * at * beside**2 / 2, y - h * (1 + at**2 / 2) * beside
    pulls = (begun - x) / (h * _MEASURED)
    return float(np.mean(pulls)), float(np.std(pulls, ddof=1) / np.sqrt(_RUNS))


# -- with momentum --------------------------------------------------------------------------------


def noise_terms() -> tuple[Any, Any]:
    """At step k: the force, and the c of c F in the mean of IGRM_s, F = E‖∇E(x+η) - ∇R‖².

    With G_r = Σ_{i≤r} β^{r-i} E(x + η_i) and independent η_i, the covariance of ∇G_r is
    Σ_{i≤r} β^{2i} times that of ∇E(x + η), and Theorem 5.1 has h/4 (1, 2β, 2β², …) of these.
    """
    q = beta**k  # β^k
    force = (1 - beta * q) / (1 - beta)
    own = (1 - beta**2 * q**2) / (1 - beta**2)
    # Σ_{r<k} β^{k-r} (1 - β^{2r+2}) / (1 - β²), two geometric series.
    past = beta * (1 - q) * (1 - beta * q) / ((1 - beta) * (1 - beta**2))
    return force, STEP / 4 * (own + 2 * past)


@claim(
    "sec-7-momentum",
    source="Section 7, after the displayed expectation",
    statement=r"\text{we expect this new regularization term to get stronger when momentum is"
    r" added, as momentum amplifies the power of IGR (Remark 4.2, 5.3)}",
    printed={"strength": "h/(4*(1-beta)**2)", "covariance": "sigma**2"},
    expected="confirmed",
)
def momentum(given: Given) -> Iterator[Evidence]:
    """The term h/(4 (1-β)²) F of Remark 5.3, at the same learning rate as without momentum."""
    strength = given.printed("strength")
    averaged = gaussian_expectation(E, 2).gradient()
    spread = (gaussian_expectation(SQUARE, 2) - averaged.dot(averaged)).truncated(2)
    yield equal(
        "F = E |grad E(x + eta) - grad R|^2 to sigma^2",
        spread.to_sympy(),
        (given.printed("covariance") * JetPolynomial({HESSIAN: 1})).to_sympy(),
    )
    force, term = noise_terms()
    limit = {beta**k: 0, beta ** (2 * k): 0}
    final = term.subs(limit)
    yield equal("coefficient of F in the mean of IGRM_s, for large k", final, strength)
    # 0 < β < 1 is β = t/(1+t) with t > 0.
    t = sympy.Symbol("t", positive=True)
    for what, gain in (
        ("the term", strength / (STEP / 4)),
        ("the term for a unit of the force", strength * (1 - beta) / (STEP / 4)),
    ):
        more = sympy.factor(sympy.cancel((gain - 1).subs(beta, t / (1 + t))))
        yield fact(
            f"same learning rate: {what} is larger by a factor above 1 for 0 < beta < 1",
            bool(more.is_positive),
            f"the factor is {sympy.factor(gain)}",
        )
    yield equal(
        "at step k it is h/4 times the square of the force's factor",
        term,
        STEP / 4 * force**2,
        about="context",
    )
    for step, field in enumerate(batch_equations(HeavyBall(), 2, range(4))):
        pairs = ((t, b) for t, b in field.coefficients.items() if t.order == 2)
        own = sum(b for t, b in pairs if len(set(t.colours)) == 1)
        yield equal(
            f"so it is in the exact field of step {step}, whatever its other terms",
            -STEP * own / 2,
            (STEP / 4 * force**2).subs(k, step),
            about="context",
        )


@claim(
    "sec-7-momentum-adjusted",
    source="Section 7, after the displayed expectation, in the sense of Remarks 4.2 and 5.3",
    statement=r"\text{we expect this new regularization term to get stronger when momentum is"
    r" added, as momentum amplifies the power of IGR (Remark 4.2, 5.3) [``even with the adjusted"
    r" learning rate'', by } \frac{1}{1-\beta} \text{]}",
    corrected=r"\text{at the same effective learning rate } \frac{h}{1-\beta} \text{ the new term,"
    r" beside its force, is exactly as strong as without momentum}",
    printed={"factor": "1/(1-beta)"},
    true={"factor": "1"},
    expected="corrected",
)
def momentum_adjusted(given: Given) -> Iterator[Evidence]:
    """The noise term beside the force that it accompanies, at h_GD = h/(1-β)."""
    force, term = noise_terms()
    ratio = (term / force) / (STEP * force / 4)
    text = "coefficient of F for a unit of the force, beside that of GD whose step is h times the"
    for about, formula in both(given):
        yield equal(f"{text} force's factor, at every k", ratio, formula("factor"), about=about)
    settled = _settled_variance()
    plain = settled.subs(beta, 0).subs(STEP, STEP / (1 - beta))
    yield equal(
        "with momentum too the mean of the iterates feels half of the term: settled variance in"
        " the valley a y^2/2, to order h, beside that of GD at the effective learning rate",
        sympy.cancel(settled / plain).subs(STEP, 0),
        1,
        about="context",
    )


def _settled_variance() -> Any:
    """Var y of y ↦ y - h a (y + η) + β (y - y_before), once it has settled."""
    v, c, z = sympy.symbols("v c z")
    ahead = 1 - z + beta
    found = sympy.solve(
        [
            ahead**2 * v + beta**2 * v - 2 * beta * ahead * c + z**2 * SIGMA**2 - v,
            ahead * v - beta * c - c,
        ],
        [v, c],
    )
    return sympy.factor(found[v].subs(z, STEP * a))
