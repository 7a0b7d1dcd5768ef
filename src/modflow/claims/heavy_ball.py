"""Section 4: heavy-ball momentum, Theorem 4.1 with (4), (5) and (6), and its remarks."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from typing import Any

import jax
import numpy as np
import numpy.typing as npt
import sympy

from ..methods import HeavyBall
from ..modified import ModifiedEquation, modified_equation
from ..problems import problem_named
from ..study import convergence_study
from ._evidence import (
    CHAIN,
    NODE,
    About,
    Evidence,
    difference,
    equal,
    fact,
    identity,
    order,
    rate,
)
from ._follow import Field, Follower, Gradient, Point
from ._problems import real_losses
from ._registry import Given, claim

BETAS = (Fraction(0), Fraction(1, 2), Fraction(9, 10))
_FINE = 10
h, k, beta = sympy.symbols("h k beta")

# As printed, in k, h and beta.
DRIFT = "(1 - beta**(k+1)) / (1 - beta)"
GAMMA = "(1 - beta**(2*k+2)) - 4*(k+1)*beta**(k+1)*(1-beta)/(1+beta)"
STRENGTH = "h*gamma*(1+beta) / (2*(1-beta)**3)"
LIMIT_DRIFT = "1/(1-beta)"
LIMIT_REGULARIZER = "(1+beta)*h / (4*(1-beta)**2)"
FLOW_4 = {"drift": DRIFT, "gamma": GAMMA, "strength": STRENGTH}
FLOW_5 = {"drift": LIMIT_DRIFT, "regularizer": LIMIT_REGULARIZER}


Formula = Callable[[str], sympy.Expr]
Numeric = Callable[..., Any]


def terms_4(formula: Formula) -> tuple[sympy.Expr, sympy.Expr]:
    """Drift and strength of (4) in k, β and h, with γ put into the latter."""
    return formula("drift"), _strength(formula)


def _strength(formula: Formula) -> sympy.Expr:
    return formula("strength").subs("gamma", formula("gamma"))


def _numeric_4(formula: Formula, module: str) -> list[Numeric]:
    """Both as functions of (k, β, h), for this array module."""
    return [sympy.lambdify((k, beta, h), term, module) for term in terms_4(formula)]


def flow_4(given: Given) -> ModifiedEquation:
    """The piecewise flow (4), from the formulas as they are printed.

    Its h-term is -strength ∇²E ∇E, and ∇²E ∇E = f'f for f = -∇E.
    """
    derived, (drift, strength) = modified_equation(HeavyBall(), 2), terms_4(given.printed)
    return derived.with_coefficients({NODE: drift, CHAIN: -strength / h})


def flow_5(given: Given) -> ModifiedEquation:
    """The reduced flow (5): x' = -drift ∇(E + regularizer ‖∇E‖²), and ∇‖∇E‖² = 2 f'f."""
    derived = modified_equation(HeavyBall(), 2).frozen()
    drift, regularizer = given.printed("drift"), given.printed("regularizer")
    return derived.with_coefficients({NODE: drift, CHAIN: -2 * drift * regularizer / h})


# -- Theorem 4.1 ------------------------------------------------------------------------------


@claim(
    "thm-4.1-drift",
    source="Theorem 4.1, (4)",
    statement=r"\tilde{\mathbf{x}}'(t) = -\frac{1-\beta^{k+1}}{1-\beta}"
    r"\nabla E(\tilde{\mathbf{x}}(t)) - \ldots",
    printed={"drift": DRIFT},
    expected="confirmed",
)
def drift(given: Given) -> Iterator[Evidence]:
    """The coefficient of the gradient in (4)."""
    derived = modified_equation(HeavyBall(), 2)
    yield identity("coefficient of f", derived, NODE, given.printed("drift"))


@claim(
    "thm-4.1-gamma",
    source="Theorem 4.1, (4) and gamma",
    statement=r"\ldots - \frac{h\gamma(1+\beta)}{2(1-\beta)^3}"
    r"\nabla^2 E(\tilde{\mathbf{x}}(t))\nabla E(\tilde{\mathbf{x}}(t)), \quad"
    r" \gamma = (1 - \beta^{2k+2}) - 4(k+1)\beta^{k+1}\frac{(1-\beta)}{(1+\beta)}",
    printed={"gamma": GAMMA, "strength": STRENGTH},
    expected="confirmed",
)
def gamma(given: Given) -> Iterator[Evidence]:
    """The coefficient of the Hessian-gradient product in (4)."""
    derived = modified_equation(HeavyBall(), 2)
    yield identity("coefficient of h f'f", derived, CHAIN, -_strength(given.printed) / h)


@claim(
    "thm-4.1-order",
    source="Theorem 4.1",
    statement=r"\text{the (GD+M) updates are } O(h^2) \text{ close to the flow of the continuous"
    r" trajectory of the piecewise first-order ODE (4)}",
    printed={**FLOW_4, "order": "2"},
    expected="confirmed",
    cost=9,
)
def theorem_order(given: Given) -> Iterator[Evidence]:
    """The flow (4), as printed, against the iterates that start as (8) says; up to a T to which
    the limit of the flow exists (`eq-6-range`)."""
    flow, expected = flow_4(given), int(given.printed("order"))
    for problem in real_losses(given.full):
        for b in BETAS:
            # With a longer memory the asymptotic range begins at finer sizes.
            count = max(problem.sizes, _FINE) if b > Fraction(1, 2) else problem.sizes
            coarsest = float(1 - b) * (problem.coarsest or 1.0)
            sizes = [coarsest / 2**n for n in range(count)]
            study = convergence_study(HeavyBall(b), problem, expected, sizes, flow=flow)
            yield order(f"{problem.name}, beta = {float(b):g}", study)


def field_4(formula: Formula, later: int = 0) -> Field:
    """(4) in JAX from its formulas, for k steps `later` than they are taken."""
    drift, product = _numeric_4(formula, "jax")

    def field(gradient: Gradient, at: Point, x: jax.Array) -> jax.Array:
        step = at.k + later, at.beta, at.h
        return gradient_field(drift(*step), product(*step), gradient, at, x)

    return field


@claim(
    "thm-4.1-start",
    source="Theorem 4.1, the range of k",
    statement=r"\mathbf{x}^{k+1} = \mathbf{x}^k - h\nabla E(\mathbf{x}^k) + \beta(\mathbf{x}^k"
    r" - \mathbf{x}^{k-1}) \quad \forall k = 1, 2, \dots, n"
    r" \quad \text{(of } \mathbf{x}^1 \text{ nothing is said)}",
    printed=FLOW_4,
    expected="corrected",
    corrected=r"\ldots \text{ with } \mathbf{x}^1 = \mathbf{x}^0 - h\nabla E(\mathbf{x}^0)"
    r" \text{ as in (8), that is, } \forall k = 0, 1, \dots, n"
    r" \text{ with } \mathbf{x}^{-1} = \mathbf{x}^0",
    cost=3,
)
def theorem_start(given: Given) -> Iterator[Evidence]:
    """(4) begins with drift 1 at k = 0: it fits one start, and the theorem names none."""
    first = given.printed("drift").subs(k, 0)
    yield equal(
        "the drift of (4) at k = 0 is that of a step of plain GD", 1, first, about="corrected"
    )
    # With x^1 = x^0 the iterates are those of (8), one step late. So beside the latter the flow
    # is a step ahead: at row k + 1, from x̃(h) = x^0 - h ∇E(x^0) + O(h²).
    cases: tuple[tuple[str, int, float, About], ...] = (
        ("x^1 = x^0, as the statement allows", 1, -1.0, "printed"),
        ("x^1 = x^0 - h grad E(x^0)", 0, 0.0, "corrected"),
    )
    sizes = [2.0**-n for n in range(6, 14)]
    with jax.enable_x64(True):
        for name, later, shift, about in cases:
            follower = Follower(problem_named("two-layer"), field_4(given.printed, later))
            found = follower.run(sizes, 1.0, [0.5], shift=shift)
            yield found.rate(f"{name}: distance of (4) on two-layer, beta = 0.5", 2, about=about)


# -- the reduced equation (5) and the bound (6) -----------------------------------------------


@claim(
    "eq-5-coefficients",
    source="Theorem 4.1, (5)",
    statement=r"\tilde{\mathbf{x}}'(t) = -\frac{1}{1-\beta}\nabla \hat{E}(\tilde{\mathbf{x}}(t)),"
    r" \quad \hat{E} = E + \frac{(1+\beta)h}{4(1-\beta)^2}\|\nabla E\|_2^2"
    r" \text{ is the limit of (4) for large } k",
    printed=FLOW_5,
    expected="confirmed",
)
def reduced_equation(given: Given) -> Iterator[Evidence]:
    """The limit of the coefficients, not yet the bound (6) for the reduced flow."""
    limit, flow = modified_equation(HeavyBall(), 2).frozen(), flow_5(given)
    for tree, name in ((NODE, "f"), (CHAIN, "h f'f")):
        text = f"limit of the coefficient of {name}"
        yield identity(text, limit, tree, flow.element(tree).to_sympy())


@claim(
    "eq-6",
    source="Theorem 4.1, (5) and (6)",
    statement=r"\|\tilde{\mathbf{x}}(t_k) - \mathbf{x}^k\|_2 \leq Ch^2, \quad t_k = kh, \quad"
    r" k = 1, 2, \dots, \lfloor \tfrac{T}{h} \rfloor \quad"
    r" \text{[for } \tilde{\mathbf{x}} \text{ of (5), which it follows]}",
    printed={**FLOW_5, "order": "2"},
    expected="corrected",
    corrected=r"(6) \text{ holds for (4). For (5) from } \mathbf{x}^0 \text{ it is }"
    r" \|\tilde{\mathbf{x}}(t_k) - \mathbf{x}^k\|_2 \leq Ch; \text{ for (5) from }"
    r" \tilde{\mathbf{x}}(0) = \mathbf{x}^0 + \tfrac{h\beta}{(1-\beta)^2}\nabla E(\mathbf{x}^0)"
    r" \text{ it is } \leq C(h^2 + h\beta^k)",
    true={**FLOW_4, "shift": "beta/(1-beta)**2", "reduced order": "1"},
    cost=4,
)
def bound(given: Given) -> Iterator[Evidence]:
    """The bound for the flow that it is printed for, from x^0 on."""
    flow = flow_5(given)
    expected = int(given.printed("order"))
    for problem in real_losses(given.full):
        study = convergence_study(
            HeavyBall(0.5), problem, expected, flow=flow, check_constant=False
        )
        yield order(f"{problem.name}, beta = 0.5, (5) from x^0", study)
    # What the first steps lack of the limit's drift adds up to h β/(1-β)² ∇E, for ever.
    derived = modified_equation(HeavyBall(), 1).coefficients[NODE]
    lacking = sympy.expand(sympy.Integer(1) / (1 - beta) - derived)
    total = difference(lacking.subs(k, 0), 0) / (1 - beta)  # a geometric series, of ratio β
    yield equal(
        "the terms of that sum fall like beta^k", lacking.subs(k, k + 1), beta * lacking,
        about="corrected",
    )  # fmt: skip
    yield equal("sum over k of 1/(1-beta) - drift", total, given.true("shift"), about="corrected")
    reduced = sympy.lambdify((beta,), given.printed("drift"), "jax")
    regularizer = sympy.lambdify((beta, h), given.printed("regularizer"), "jax")
    shift = sympy.lambdify((beta,), given.true("shift"))

    def field(gradient: Gradient, at: Point, x: jax.Array) -> jax.Array:
        drift = reduced(at.beta)
        strength = 2 * drift * regularizer(at.beta, at.h)
        return gradient_field(drift, strength, gradient, at, x)

    momenta, slower = [0.5, 0.9], int(given.true("reduced order"))
    sizes = [2.0**-n for n in range(7, 18)]
    with jax.enable_x64(True):
        whole = Follower(problem_named("two-layer"), field_4(given.true)).run(sizes, 1.0, momenta)
        follower = Follower(problem_named("two-layer"), field)
        begun = follower.run(sizes, 1.0, momenta)
        moved = follower.run(sizes, 1.0, momenta, shift=[shift(b) for b in momenta], after=0.5)
    for i, b in enumerate(momenta):
        name = f"two-layer, beta = {b:g}"
        yield whole.rate(f"{name}, (4) from x^0", 2, run=i, about="corrected")
        yield begun.rate(f"{name}, (5) from x^0", slower, run=i, about="corrected")
        yield moved.rate(
            f"{name}, (5) from the shifted start, from T/2 on", 2, run=i, about="corrected"
        )


@claim(
    "eq-6-range",
    source="Theorem 4.1, (6)",
    statement=r"\text{for a fixed time } T \text{ there exists a constant } C"
    r" \text{ such that for any learning rate } 0 < h < T \text{ we have (6)} \quad"
    r" \text{[for the flow (4), and any smooth } E \text{]}",
    printed={**FLOW_4, "order": "2"},
    expected="corrected",
    corrected=r"\text{this holds for (4) if } \mathbf{x}' = -\tfrac{1}{1-\beta}\nabla E(\mathbf{x})"
    r" \text{ has a solution on } [0, T] \text{, as where } E \text{ is bounded below, and (4) for"
    r" each } h < T",
    true={**FLOW_4, "order": "2"},
)
def all_step_sizes(given: Given) -> Iterator[Evidence]:
    """One constant for all h below T: for h → 0 it needs a limit that exists up to T.

    For h ≥ h_0 there are finitely many steps, and iterates and flow depend continuously on h.
    """
    power = int(given.printed("order"))
    logarithms = [
        _blown_up(given.printed, 2.0**-n) + power * n * np.log10(2) for n in (7, 8, 9, 10)
    ]
    yield fact(
        "E = -x^4/4 from 1, beta = 1/2, T = 1/2, past the end of the limit flow at 1/4: error/h^2"
        " does not grow as h falls",
        not all(b > a for a, b in itertools.pairwise(logarithms)),
        "log10 of a lower bound of error/h^2 at h = 2^-7, 2^-8, 2^-9, 2^-10: "
        + ", ".join(f"{value:.3g}" for value in logarithms),
        kind="numeric",
    )
    flow, power = _numeric_4(given.true, "numpy"), int(given.true("order"))
    time, curvatures = 1.0, (1.0, 2.0, 5.0)
    # On a quadratic each eigenvector is solved exactly: x̃' = -(drift λ + strength λ²) x̃.
    sizes = np.geomspace(time * (1 - 1e-9), time / 4096, 200)
    for b in (0.5, 0.9):
        fine = [(1 - b) * 2.0**-n for n in range(4, 14)]
        errors = [_quadratic_error(flow, curvatures, b, size, time) for size in fine]
        name = f"quadratic, beta = {b:g}"
        yield rate(f"{name}: errors as h falls", fine, errors, power, about="corrected")
        scaled = [_quadratic_error(flow, curvatures, b, s, time) / s**power for s in sizes]
        worst = int(np.argmax(scaled))
        yield fact(
            f"{name}: error / h^2 is finite at 200 sizes from T down to T/4096",
            bool(np.all(np.isfinite(scaled))),
            f"largest {scaled[worst]:.4g} at h = {sizes[worst]:.3g} T; {scaled[-1]:.4g} at the"
            " least h",
            kind="numeric",
            about="corrected",
            data={"sizes": list(map(float, sizes)), "error / h^2": list(map(float, scaled))},
        )


def _blown_up(formula: Formula, size: float) -> float:
    """log10 of a lower bound of max |x^k - x̃(t_k)| on E = -x^4/4 up to T = 1/2, β = 1/2.

    The h-term of (4), -strength 3x^5, bounds its solution: beyond (drift/(3 strength))^(1/2) it
    falls. The iterates grow like h x³, and further than any float: from 10^8 on their logarithm
    is followed, by x^{k+1} ≥ h (x^k)³, which leaves out what is positive.
    """
    drift, strength = _numeric_4(formula, "numpy")
    x = before = 1.0
    large, bound = 0.0, 1.0
    for step in range(int(0.5 / size)):
        if large:
            large = 3 * large + np.log10(size)
        else:
            x, before = x + size * x**3 + (x - before) / 2, x
            large = np.log10(x) if x > 1e8 else 0.0
        weight = strength(step, 0.5, size)
        if weight > 0:
            bound = max(bound, np.sqrt(drift(step, 0.5, size) / (3 * weight)))
    return large if large and 10 ** min(large, 300.0) > 2 * bound else 0.0


def _quadratic_error(
    flow: Sequence[Numeric], curvatures: Sequence[float], b: float, size: float, time: float
) -> float:
    """max ‖x^k - x̃(t_k)‖ of the heavy ball and of (4), both without any rounding to speak of."""
    steps, values = np.arange(int(time / size)), np.asarray(curvatures)
    drift, strength = (np.broadcast_to(part(steps, b, size), steps.shape) for part in flow)
    rates = np.outer(drift, values) + np.outer(strength, values**2)
    y = np.exp(-size * np.cumsum(rates, axis=0))
    worst = np.linalg.norm(_heavy_ball_on_quadratics(values, b, size, len(steps)) - y, axis=1)
    return float(np.max(worst))


def _heavy_ball_on_quadratics(
    curvatures: npt.NDArray[np.float64], b: float, size: float, steps: int
) -> npt.NDArray[np.float64]:
    """x^1, x^2, ... from 1, a column for each curvature; in plain floats, which are the fastest."""
    found = np.empty((steps, len(curvatures)))
    for column, curvature in enumerate(curvatures.tolist()):
        x = before = 1.0
        path = []
        for _ in range(steps):
            x, before = x - size * curvature * x + b * (x - before), x
            path.append(x)
        found[:, column] = path
    return found


def gradient_field(
    drift: Any, strength: Any, gradient: Gradient, at: Point, x: jax.Array
) -> jax.Array:
    """-drift ∇E - strength ∇²E ∇E."""
    g = gradient(at.j, x)
    _, product = jax.jvp(lambda p: gradient(at.j, p), (x,), (g,))
    return -drift * g - strength * product
