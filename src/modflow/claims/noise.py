"""Section 7: noise injection, the averaged loss, and the averaged modified loss term by term."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import sympy

from ..batches import batch_equations
from ..contractions import Contraction
from ..gaussian import SIGMA, STEP, E, JetPolynomial, gaussian_expectation
from ..methods import GradientDescent
from ..series import Tree
from ._evidence import About, Evidence, equal, fact, rate
from ._noise import (
    NOISE,
    SMOOTH,
    VARIABLES,
    flow_and_iterates,
    loss_and_square,
    lowest_power,
    mean_by_moments,
    quadrature_defects,
    random_polynomial,
    shifted,
)
from ._registry import Given, claim

GRADIENT = E.gradient()
SQUARE = GRADIENT.dot(GRADIENT)
TRACE = Contraction(((1,),))
"""Tr ∇²E = ΔE."""
HESSIAN = Contraction(((0, 2), (2, 0)))
"""‖∇²E‖_F²."""
CROSS = Contraction(((0, 1), (1, 1)))
"""⟨∇E, ∇ΔE⟩."""

SIGMAS = tuple(2.0**-n for n in range(2, 9))
STEPS = tuple(2.0**-n for n in range(4, 10))
H = 0.25
"""The step size at which means are compared; they are linear in it."""
EVEN = 4
"""Means over symmetric noise have even powers of σ only: O(σ³) is O(σ⁴), which can be measured."""


def truth(regularizer: Any = STEP / 4) -> JetPolynomial:
    """E over η of E(x + η) + c ‖∇E(x + η)‖² to σ²."""
    return gaussian_expectation(E + regularizer * SQUARE, 2)


def expanded(linear: Any, quadratic: Any) -> JetPolynomial:
    """E‖∇E + linear ∇²E η + quadratic ∇³E[η, η]‖², exactly."""
    g = GRADIENT + linear * GRADIENT.along_noise() + quadratic * GRADIENT.along_noise(2)
    return g.dot(g).expectation()


def both(given: Given) -> list[tuple[About, Callable[[str], Any]]]:
    """The formulas as printed, and those of the corrected statement."""
    return [("printed", given.printed), ("corrected", given.true)]


def means(
    given: Given, what: str, f: Any, formula: JetPolynomial, about: About = "printed"
) -> Iterator[Evidence]:
    """A formula against E f(x + η), f made from E and ‖∇E‖²: both routes that are no graphs."""
    loss = random_polynomial(given.random())
    left = mean_by_moments(shifted(f(*loss_and_square(loss)))) - formula.evaluate(loss, VARIABLES)
    lowest = lowest_power(left)
    yield fact(
        f"{what}, on a random polynomial, by the moments of monomials: the rest is O(sigma^3)",
        lowest is None or lowest >= 3,
        "nothing is left" if lowest is None else f"the rest begins with sigma^{lowest}",
        about=about,
        data={"loss": str(loss)},
    )
    defects, doubts = quadrature_defects(f(*loss_and_square(SMOOTH)), formula, SIGMAS, H)
    yield rate(
        f"{what}, on a smooth loss, by Gauss-Hermite quadrature: the rest over sigma",
        SIGMAS,
        defects,
        EVEN,
        uncertainties=doubts,
        about=about,
        data={"loss": str(SMOOTH)},
    )


def same(
    text: str, derived: JetPolynomial, claimed: JetPolynomial, about: About = "printed"
) -> Evidence:
    """Whether two combinations of contractions are the same to σ², for every loss."""
    left, right = (f.truncated(2).to_sympy() for f in (derived, claimed))
    return equal(text, left, right, about=about)


# -- the regularizer without noise ---------------------------------------------------------------


@claim(
    "sec-7-igr-vanishes",
    source="Section 7, first paragraph",
    statement=r"\text{the IGR term } \|\nabla E\|^2 \text{ gets very weak and irrelevant as }"
    r" \mathbf{x}^k \text{ approaches a local minimizer, since } \nabla E \rightarrow 0",
    printed={"limit": "0"},
    expected="confirmed",
)
def igr_vanishes(given: Given) -> Iterator[Evidence]:
    """At a distance ρ from a minimum it is O(ρ²)."""
    limit = given.printed("limit")
    yield equal("|grad E|^2 where grad E = 0", SQUARE.at_critical_point().to_sympy(), limit)
    # The leaves stand for any displacement here, not for noise.
    nearby = SQUARE.shifted(3).at_critical_point()
    yield fact(
        "the expansion at a minimum begins with the square of the distance",
        (nearby - limit).lowest_order() == 2,
        f"|grad E(x* + eta)|^2 = {nearby.truncated(2)} + O(|eta|^3)",
    )
    square = sympy.lambdify(VARIABLES, loss_and_square(SMOOTH)[1])
    errors = [abs(square(0.8 * rho, 0.6 * rho) - float(limit)) for rho in SIGMAS]
    yield rate("on a smooth loss, over the distance", SIGMAS, errors, 2)
    curvature, rho, x = sympy.symbols("lambda rho x")
    igr, height = (
        f.truncated(2).evaluate(curvature * x**2 / 2, [x], [rho])
        for f in (STEP / 4 * nearby, (E.shifted(2) - E).at_critical_point())
    )
    yield equal(
        "so does E - E*: along an eigenvector of curvature lambda the IGR term stays h lambda/2 of"
        " it, and what becomes irrelevant is only its pull along a valley of minima",
        igr / height,
        STEP * curvature / 2,
        about="context",
    )


# -- the averaged loss ---------------------------------------------------------------------------


@claim(
    "sec-7-averaged-loss",
    source="Section 7, expansion of R",
    statement=r"R(\mathbf{x}) = E(\mathbf{x}) + \mathbb{E}_{\eta} \eta^T \nabla E(\mathbf{x}) +"
    r" \frac{1}{2} \mathbb{E}_{\eta} \eta^T \nabla^2 E(\mathbf{x}) \eta + O(\sigma^3) ="
    r" E(\mathbf{x}) + \frac{1}{2} \sigma^2 \text{Tr}(\nabla^2 E(\mathbf{x})) + O(\sigma^3)",
    printed={"linear": "1", "quadratic": "1/2", "trace": "sigma**2/2"},
    expected="confirmed",
)
def averaged_loss(given: Given) -> Iterator[Evidence]:
    """Both expressions for R, and what follows the second."""
    exact = gaussian_expectation(E, 4)
    taylor = E + given.printed("linear") * E.along_noise()
    taylor += given.printed("quadratic") * E.along_noise(2)
    yield same("E(x + eta) to eta^2, before the mean is taken", (E.shifted(2) - E), taylor - E)
    yield same("the mean of the first expression", exact, taylor.expectation())
    formula = E + given.printed("trace") * JetPolynomial({TRACE: 1})
    yield same("the second expression", exact, formula)
    yield from means(given, "the second expression", lambda e, _: e, formula)
    yield equal(
        "the rest is O(sigma^4): sigma^4/8 times the Laplacian of the Laplacian",
        (exact - formula).to_sympy(),
        (SIGMA**4 / 8 * E.laplacian().laplacian()).to_sympy(),
        about="context",
    )


@claim(
    "sec-7-sgd-of-R",
    source="Section 7, perturbed gradient descent",
    statement=r"\text{minimizing } R(\mathbf{x}) \text{ using an SGD type of update: }"
    r" \mathbf{x}^{k+1} = \mathbf{x}^k - h \nabla E(\mathbf{x}^k + \eta_k)",
    printed={"gradient": "1"},
    expected="confirmed",
)
def sgd_of_averaged_loss(given: Given) -> Iterator[Evidence]:
    """The gradient that a step uses has that of R as its mean, at every x^k."""
    order = 8
    factor = given.printed("gradient")
    used = gaussian_expectation(factor * GRADIENT, order)
    wanted = gaussian_expectation(E, order).gradient()
    yield equal(
        f"E grad E(x + eta) and grad R to sigma^{order}", wanted.to_sympy(), used.to_sympy()
    )
    loss = random_polynomial(given.random())
    slope = [mean_by_moments(shifted(factor * loss.diff(v))) for v in VARIABLES]
    whole = mean_by_moments(shifted(loss))
    left = [sympy.expand(s - whole.diff(v)) for s, v in zip(slope, VARIABLES, strict=True)]
    yield fact(
        "on a random polynomial, by the moments of monomials, to all orders",
        not any(left),
        f"they differ by {left}",
        data={"loss": str(loss)},
    )


# -- one realisation of the noise ----------------------------------------------------------------

_CYCLE, _PATHS = 4, 8


@claim(
    "sec-7-pointwise",
    source="Section 7, modified flow of PGD",
    statement=r"\text{the updates would follow the modified flow with an IGR term: }"
    r" E(\mathbf{x} + \eta_k) + \frac{h}{4} \|\nabla E(\mathbf{x} + \eta_k)\|^2",
    printed={"regularizer": "h/4"},
    expected="confirmed",
    cost=1,
)
def pointwise(given: Given) -> Iterator[Evidence]:
    """For given η_0, η_1, …: equation (11) with E_k = E(· + η_k)."""
    field = batch_equations(GradientDescent(), 2, range(3))[2]
    single, pair = Tree(colour=2), Tree([Tree(colour=2)], colour=2)
    found = field.modified_loss().coefficients
    claimed = {single: sympy.Integer(1), pair: given.printed("regularizer") / STEP}
    yield equal("coefficient of E_k = E(x + eta_k)", found[single], claimed[single])
    yield equal("coefficient of |grad E_k|^2", STEP * found[pair], STEP * claimed[pair])
    yield fact(
        "the noise of earlier steps does not occur",
        set(found) == {single, pair},
        f"the modified loss of step 2 is {field.modified_loss()}",
    )
    errors = _pointwise_errors(given)
    yield rate(
        f"all steps up to T, root mean square over {_PATHS} draws of {_CYCLE} shifts that take"
        " turns",
        STEPS,
        errors,
        2,
        data={"loss": str(SMOOTH)},
    )


def _pointwise_errors(given: Given) -> list[float]:
    """max_k |x^k - x(t_k)| for the printed flow; the same shifts at all step sizes.

    With shifts of its own at every step the error is C h² + O(h^2.5), which is as random as they
    are; in turns they leave an expansion in h.
    """
    # Of a size at which ∇E differs between steps by as much as it is.
    shifts = 0.3 * given.random().standard_normal((_CYCLE, len(VARIABLES), _PATHS))
    gradient = [SMOOTH.diff(v) for v in VARIABLES]
    curved = [
        sympy.Add(*(g.diff(v) * s for v, s in zip(VARIABLES, gradient, strict=True)))
        for g in gradient
    ]
    function = sympy.lambdify(VARIABLES, [gradient, curved], cse=True)
    weight = sympy.lambdify(STEP, 2 * given.printed("regularizer"))  # ∇‖∇E‖² = 2 ∇²E ∇E
    start = np.repeat(np.array([[0.5], [0.2]]), _PATHS, axis=1)
    errors = []
    for h in STEPS:

        def step(k: int, x: Any, h: float = h) -> Any:
            return x - h * np.array(function(*(x + shifts[k % _CYCLE]))[0])

        def field(k: int, x: Any, h: float = h) -> Any:
            first, second = function(*(x + shifts[k % _CYCLE]))
            return -np.array(first) - weight(h) * np.array(second)

        x, y = flow_and_iterates(round(1 / h), h, start, step, field)
        worst = np.max(np.linalg.norm(x - y, axis=1), axis=0)
        errors.append(float(np.sqrt(np.mean(worst**2))))
    return errors


# -- the displayed expectation, term by term ------------------------------------------------------

WHOLE = (
    r"\mathbb{E}_{\eta_k} \left[ E(\mathbf{x} + \eta_k) + \frac{h}{4}"
    r" \|\nabla E(\mathbf{x} + \eta_k)\|^2 \right]"
)
_LOSS = (
    r"\mathbb{E}_{\eta_k} \left[ E(\mathbf{x}) + \eta_k^T \nabla E(\mathbf{x}) +"
    r" \frac{1}{2} (\eta_k)^T \nabla^2 E(\mathbf{x}) \eta_k \right]"
)
_SLOPE = (
    r"\mathbb{E}_{\eta_k} \|\nabla E(\mathbf{x}) + \nabla^2 E(\mathbf{x}) \eta_k +"
    r" \nabla^3 E(\mathbf{x}) [\eta_k, \eta_k]\|^2"
)
_REST = (
    r"\mathbb{E}_{\eta_k} \|\nabla E(\mathbf{x}) + \nabla^3 E(\mathbf{x})"
    r" [\eta_k, \eta_k]\|^2"
)
_TRUE_SLOPE, _TRUE_REST = (
    text.replace(r"+ \nabla^3", r"+ \frac{1}{2} \nabla^3") for text in (_SLOPE, _REST)
)


@claim(
    "sec-7-expansion",
    source="Section 7, displayed expectation, first equality",
    statement=rf"{WHOLE} = {_LOSS} + \frac{{h}}{{4}} {_SLOPE} + O(\sigma^3)",
    corrected=rf"{WHOLE} = {_LOSS} + \frac{{h}}{{4}} {_TRUE_SLOPE} + O(\sigma^4)",
    printed={"loss": "1/2", "linear": "1", "quadratic": "1"},
    true={"loss": "1/2", "linear": "1", "quadratic": "1/2"},
    expected="corrected",
)
def expansion(given: Given) -> Iterator[Evidence]:
    """Taylor's formula for E and for ∇E inside of the mean."""
    for about, formula in both(given):
        loss = (E + E.along_noise() + formula("loss") * E.along_noise(2)).expectation()
        slope = expanded(formula("linear"), formula("quadratic"))
        yield same("E E(x + eta)", gaussian_expectation(E, 2), loss, about)
        yield same("E |grad E(x + eta)|^2", gaussian_expectation(SQUARE, 2), slope, about)
        yield from means(given, "both", _with_regularizer, loss + STEP / 4 * slope, about)
    taylor = GRADIENT.shifted(2) - GRADIENT.shifted(1)
    yield equal(
        "Taylor's formula: grad E(x + eta) has half of D^3 E[eta, eta] in it",
        taylor.to_sympy(),
        (GRADIENT.along_noise(2) / 2).to_sympy(),
        about="context",
    )


def _with_regularizer(loss: Any, square: Any) -> Any:
    return loss + STEP / 4 * square


@claim(
    "sec-7-split",
    source="Section 7, displayed expectation, second equality",
    statement=rf"{_SLOPE} = \sigma^2 \|\nabla^2 E(\mathbf{{x}})\|_F^2 + {_REST}",
    printed={"hessian": "sigma**2", "cubic": "1"},
    expected="confirmed",
)
def split(given: Given) -> Iterator[Evidence]:
    """What is linear in η stands apart: its products with the rest are odd in η."""
    c = given.printed("cubic")
    rest = given.printed("hessian") * JetPolynomial({HESSIAN: 1}) + expanded(0, c)
    yield equal("both sides, exactly", expanded(1, c).to_sympy(), rest.to_sympy())
    loss = random_polynomial(given.random())
    # Taylor's formula has half of the bilinear form in it, so that this is 2c times its last part.
    weights = {0: 1, 1: 1, 2: 2 * c}
    square = sympy.Integer(0)
    for slope in (shifted(loss).diff(u) for u in NOISE):
        powers = sympy.Poly(slope, *NOISE).terms()
        kept = (weights.get(m + n, 0) * z * NOISE[0] ** m * NOISE[1] ** n for (m, n), z in powers)
        square += sympy.Add(*kept) ** 2
    left = sympy.expand(mean_by_moments(square) - rest.evaluate(loss, VARIABLES))
    yield fact(
        "on a random polynomial, by the moments of monomials",
        left == 0,
        f"they differ by {left}",
        data={"loss": str(loss)},
    )


@claim(
    "sec-7-trace-term",
    source="Section 7, displayed expectation, trace term",
    statement=rf"{_LOSS} = E(\mathbf{{x}}) + \sigma^2 \text{{Tr}}(\nabla^2 E(\mathbf{{x}}))",
    corrected=rf"{_LOSS} = E(\mathbf{{x}}) + \frac{{1}}{{2}} \sigma^2"
    r" \text{Tr}(\nabla^2 E(\mathbf{x}))",
    printed={"trace": "sigma**2"},
    true={"trace": "sigma**2/2"},
    expected="corrected",
)
def trace_term(given: Given) -> Iterator[Evidence]:
    """As in the expansion of R, half a page earlier, where it is right."""
    inside = E + E.along_noise() + E.along_noise(2) / 2
    for about, formula in both(given):
        claimed = E + formula("trace") * JetPolynomial({TRACE: 1})
        yield same("the mean, exactly", inside.expectation(), claimed, about)
        yield from means(given, "E E(x + eta)", lambda e, _: e, claimed, about)


@claim(
    "sec-7-hessian-term",
    source="Section 7, displayed expectation, Hessian term",
    statement=rf"{WHOLE} = \ldots + \frac{{h}}{{4}} [\sigma^2 \|\nabla^2 E(\mathbf{{x}})\|_F^2"
    r" + \ldots] + O(\sigma^3)",
    printed={"hessian": "h*sigma**2/4"},
    expected="confirmed",
)
def hessian_term(given: Given) -> Iterator[Evidence]:
    """Its coefficient in the averaged modified loss."""
    yield equal("coefficient of |D^2 E|^2", truth().coefficient(HESSIAN), given.printed("hessian"))


@claim(
    "sec-7-cubic-term",
    source="Section 7, displayed expectation, last term",
    statement=rf"{WHOLE} = \ldots + \frac{{h}}{{4}} [\ldots + {_REST}] + O(\sigma^3)",
    corrected=rf"{WHOLE} = \ldots + \frac{{h}}{{4}} [\ldots + {_TRUE_REST}] + O(\sigma^4)"
    r" = \ldots + \frac{h}{4} [\ldots + \|\nabla E\|^2 + \sigma^2 \langle \nabla E,"
    r" \nabla \text{Tr}(\nabla^2 E) \rangle] + O(\sigma^4)",
    printed={"cubic": "1"},
    true={"cubic": "1/2", "cross": "h*sigma**2/4"},
    expected="corrected",
)
def cubic_term(given: Given) -> Iterator[Evidence]:
    """What is left beside the trace and the Hessian term."""
    exact = truth()
    left = exact - E - exact.coefficient(TRACE) * JetPolynomial({TRACE: 1})
    left -= exact.coefficient(HESSIAN) * JetPolynomial({HESSIAN: 1})
    for about, formula in both(given):
        claimed = STEP / 4 * expanded(0, formula("cubic"))
        yield same("what is left of the averaged modified loss", left, claimed, about)
    yield equal(
        "coefficient of <grad E, grad lap E>",
        exact.coefficient(CROSS),
        given.true("cross"),
        about="corrected",
    )
    twice = STEP / 4 * expanded(0, given.printed("cubic"))
    yield equal(
        "as printed this coefficient comes out twice as large",
        2 * exact.coefficient(CROSS),
        twice.coefficient(CROSS),
        about="context",
    )


@claim(
    "sec-7-averaged-modified-loss",
    source="Section 7, displayed expectation, last line",
    statement=rf"{WHOLE} = E(\mathbf{{x}}) + \sigma^2 \text{{Tr}}(\nabla^2 E(\mathbf{{x}})) +"
    r" \frac{h}{4} [\sigma^2 \|\nabla^2 E(\mathbf{x})\|_F^2 +"
    rf" {_REST}] + O(\sigma^3)",
    corrected=rf"{WHOLE} = E + \frac{{1}}{{2}} \sigma^2 \text{{Tr}}(\nabla^2 E) + \frac{{h}}{{4}}"
    r" \left[ \|\nabla E\|^2 + \sigma^2 \|\nabla^2 E\|_F^2 + \sigma^2 \langle \nabla E,"
    r" \nabla \text{Tr}(\nabla^2 E) \rangle \right] + O(\sigma^4)",
    printed={"trace": "sigma**2", "hessian": "h*sigma**2/4", "square": "h/4", "cubic": "1"},
    true={"trace": "sigma**2/2", "hessian": "h*sigma**2/4", "square": "h/4", "cubic": "1/2"},
    expected="corrected",
)
def averaged_modified_loss(given: Given) -> Iterator[Evidence]:
    """The whole, as printed and with both coefficients mended."""
    for about, formula in both(given):
        claimed = E + formula("trace") * JetPolynomial({TRACE: 1})
        claimed += formula("hessian") * JetPolynomial({HESSIAN: 1})
        claimed += formula("square") * expanded(0, formula("cubic"))
        yield same("the whole to sigma^2", truth(), claimed, about)
        yield from means(given, "the whole", _with_regularizer, claimed.truncated(2), about)
    modified = E + STEP / 4 * SQUARE
    yield equal(
        "the rest is O(sigma^4): sigma^4/8 times the Laplacian of that of E + h/4 |grad E|^2",
        (gaussian_expectation(modified, 4) - truth()).to_sympy(),
        (SIGMA**4 / 8 * modified.laplacian().laplacian()).to_sympy(),
        about="context",
    )
