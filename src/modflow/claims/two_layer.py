"""Section 4.1: the two-layer model, and what Figure 1 shows of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import sympy

from ..methods import GradientDescent
from ..modified import modified_equation
from ._evidence import CHAIN, NODE, Evidence, difference, equal, fact, rate
from ._registry import Given, claim
from ._two_layer import (
    BARRETT_DHERIN,
    FALLING,
    GRADIENT,
    MOMENTA,
    NORM,
    RATE,
    SETTINGS,
    START,
    TIME,
    WEIGHTS,
    D,
    E,
    along,
    beta,
    constants,
    field_of,
    four_runs,
    grid,
    h,
    moved,
    ordered_cells,
    outcome,
    w1,
    w2,
    x,
    y,
)
from .remarks import limits

s = sympy.Symbol("s")
PRODUCT = "y/x"


# -- the model ---------------------------------------------------------------------------------


@claim(
    "sec-4.1-minima",
    source="Section 4.1",
    statement=r"\text{for a given scalar } (x, y) \text{, the global minima of } E(w_1, w_2)"
    r" = \tfrac12 (y - w_1 w_2 x)^2 \text{ are all the points on the curve } w_1 w_2 ="
    r" \tfrac{y}{x}",
    printed={"product": PRODUCT},
    expected="confirmed",
)
def minima(given: Given) -> Iterator[Evidence]:
    """E = x²s²/2 at a distance s of w₁w₂ from its value on the curve."""
    product = given.printed("product")
    yield equal("E on the curve is 0, and E >= 0", E.subs(w2, product / w1), 0)
    beside = E.subs(w2, (product + s) / w1)
    yield equal("E where w1 w2 = y/x + s: positive for s != 0", beside, x**2 * s**2 / 2)
    yield equal(
        "x = 0, which the division excludes: E is constant and every point is a minimum",
        E.subs(x, 0),
        y**2 / 2,
        about="context",
    )
    hessian = sympy.hessian(E, [w1, w2]).subs({w1: 0, w2: 0})
    yield equal(
        "the one other critical point, 0, is a saddle where xy != 0: the Hessian's determinant",
        hessian.det(),
        -((x * y) ** 2),
        about="context",
    )


@claim(
    "sec-4.1-igr",
    source="Section 4.1",
    statement=r"\text{the IGR for this problem is } \tfrac{h_{GD}}{4}\|\nabla E\|_2^2 ="
    r" \tfrac{h_{GD}}{4}(w_1^2 + w_2^2)E",
    printed={"regularizer": "h/4 * (w1**2 + w2**2)*E"},
    expected="corrected",
    corrected=r"\tfrac{h_{GD}}{4}\|\nabla E\|_2^2 = \tfrac{h_{GD}}{4} \cdot 2x^2 (w_1^2 + w_2^2) E",
    true={"regularizer": "h/4 * 2*x**2*(w1**2 + w2**2)*E"},
)
def regularizer(given: Given) -> Iterator[Evidence]:
    """The h-term of the modified loss of GD, on this E."""
    b = modified_equation(GradientDescent(), 2).coefficients
    # b f + b' h f'f = -b ∇(E - b'/(2b) h ‖∇E‖²) for f = -∇E.
    derived = sympy.factor(-h * b[CHAIN] / (2 * b[NODE]) * GRADIENT.dot(GRADIENT))
    for name, formula in (("printed", given.printed), ("corrected", given.true)):
        claimed = formula("regularizer").subs("E", E)
        about: Any = name
        yield equal("the h-term of the modified loss of GD", derived, claimed, about=about)
    printed = given.printed("regularizer").subs("E", E)
    yield fact(
        "the printed one is right where x^2 = 1/2",
        difference(derived, printed).subs(x, sympy.sqrt(2) / 2) == 0,
        f"derived over printed: {sympy.factor(derived / printed)}",
        about="context",
    )


@claim(
    "sec-4.1-smaller-norm",
    source="Section 4.1",
    statement=r"\text{[the IGR] will regularize the trajectory to find minima with a smaller"
    r" value } (w_1^2 + w_2^2) \text{ (towards the cross) among all the global minima lying on }"
    r" w_1 w_2 = \tfrac{y}{x}",
    printed={"norm": "w1**2 + w2**2"},
    expected="confirmed",
    cost=1,
)
def smaller_norm(given: Given) -> Iterator[Evidence]:
    """D = w₁² - w₂² decides the norm; the gradient flow keeps it, and the IGR makes it fall."""
    norm = given.printed("norm")
    gd = modified_equation(GradientDescent(), 2)
    yield equal("along the gradient flow D' = 0", along(-GRADIENT, D), 0)
    yield equal(
        "norm^2 = D^2 + 4 (w1 w2)^2: on the curve the norm grows with |D|",
        D**2 + 4 * (w1 * w2) ** 2,
        sympy.expand(norm**2),
    )
    yield equal(
        "norm - 2 w1 w2 >= 0, and 0 at the cross w1 = w2", norm - 2 * w1 * w2, (w1 - w2) ** 2
    )
    yield equal(
        "along the modified flow (3) D' = -2 h x^2 E D",
        along(field_of(gd), D),
        -2 * h * x**2 * E * D,
    )
    residual = y - w1 * w2 * x
    yield equal(
        "a step of GD multiplies D by 1 - h^2 x^2 r^2, r = y - w1 w2 x",
        moved(WEIGHTS - h * GRADIENT, D),
        sympy.expand((1 - h**2 * x**2 * residual**2) * D),
    )
    # How much smaller: D = D0 exp(-h K), to leading order, with K = 2x² ∫ E dt.
    value = sympy.lambdify((w1, w2), norm)
    found = outcome(BARRETT_DHERIN, np.array(FALLING), 0.0, START, round(TIME / FALLING[-1]))
    ends = np.array([value(*w) for w in found.w])
    d0, contraction, curve = constants(BARRETT_DHERIN, START)
    flow = np.hypot(d0, 2 * curve)
    predicted = np.hypot(d0 * np.exp(-np.array(FALLING) * contraction), 2 * curve)
    yield fact(
        "GD ends with a smaller norm than the gradient flow, (x, y) = (1, 0.6), h from 0.01 down",
        bool(np.all(flow - ends > 2 * found.norm * found.norm_doubt)),
        f"gradient flow {flow:.6g}; GD " + ", ".join(f"{v:.6g}" for v in ends),
        kind="numeric",
    )
    yield rate(
        "what it lacks of the gradient flow's, beside -2 x^2 h int E dt in log D",
        FALLING,
        np.abs(ends - predicted),
        2,
    )
    at = (4.0, 0.6)
    large = outcome(at, RATE, 0.0, START, 4000)
    d0, _, curve = constants(at, START)
    without = np.sqrt(np.hypot(d0, 2 * curve))
    first = RATE * abs(at[0] * (at[1] - at[0] * START[0] * START[1]))
    yield fact(
        "while h |x r| > sqrt(2) a step of GD makes |D| larger: GD may end at a larger norm",
        bool(large.norm > without and large.at_rest),
        f"(x, y) = (4, 0.6), h = {RATE:g}: h |x r| = {first:.3g} at the start; ||w|| at the end"
        f" {float(large.norm):.4g}, of the gradient flow {without:.4g}",
        kind="numeric",
        about="context",
    )


# -- the four runs -----------------------------------------------------------------------------


@claim(
    "sec-4.1-same-rate",
    source="Section 4.1",
    statement=r"\text{in all the four cases, the effective learning rates are the same, i.e., }"
    r" \tfrac{h_{GD+M}}{1-\beta} = h_{GD} = 10^{-2}",
    printed={**SETTINGS, "effective": "h/(1-beta)", "rate": "1/100"},
    expected="confirmed",
)
def same_rate(given: Given) -> Iterator[Evidence]:
    """The four pairs, as printed."""
    for i in range(1, 5):
        pair = {h: given.printed(f"h{i}"), beta: given.printed(f"beta{i}")}
        yield equal(
            f"h = {float(pair[h]):g}, beta = {float(pair[beta]):g}",
            given.printed("effective").subs(pair),
            given.printed("rate"),
        )


@claim(
    "sec-4.1-converged",
    source="Section 4.1, observation a)",
    statement=r"\text{for all the four trajectories, the converged weight parameters } w^* ="
    r" (w_1^*, w_2^*) \text{ lie on the global minima curve } \quad \text{(from } (2.8, 3.4)"
    r" \text{; } (x, y) \text{ is not given, and is } (1, 0.6) \text{ here)}",
    printed={**SETTINGS, "product": PRODUCT},
    expected="confirmed",
    cost=1,
)
def converged(given: Given) -> Iterator[Evidence]:
    """Where they are when they no longer move; and for which other (x, y) they get there."""
    settings, found = four_runs(given)
    product = float(given.printed("product").subs({x: BARRETT_DHERIN[0], y: BARRETT_DHERIN[1]}))
    for i, (size, momentum) in enumerate(settings):
        w = found.w[i]
        off = abs(BARRETT_DHERIN[0] * (product - w[0] * w[1]))
        bound = found.rounding[i]
        yield fact(
            f"h = {size:g}, beta = {momentum:g}: the residual is within what rounding leaves",
            bool(off <= bound),
            f"w = ({w[0]:.9g}, {w[1]:.9g}), residual {off:.2g}, bound {bound:.2g}",
            kind="numeric",
        )
    hessian = sympy.hessian(E, [w1, w2]).subs(y, x * w1 * w2)
    yield equal(
        "on the curve the curvatures are 0 and x^2 ||w||^2: the trace of the Hessian",
        hessian.trace(),
        sympy.expand(x**2 * NORM),
        about="context",
    )
    yield equal("and its determinant", sympy.expand(hessian.det()), 0, about="context")
    z, lam = sympy.symbols("z lambda")
    yield equal(
        "so a minimum attracts where x^2 ||w||^2 < 2(1+beta)/h: the characteristic polynomial"
        " z^2 - (1+beta-h lambda) z + beta, at -1, is positive there",
        (z**2 - (1 + beta - h * lam) * z + beta).subs(z, -1),
        2 * (1 + beta) - h * lam,
        about="context",
    )
    cells = ordered_cells(grid(40, 32), RATE, MOMENTA, START, 40.0)
    yield fact(
        "other (x, y): all four end on the curve in all of 1/4 <= x <= 4, -4 <= y <= 4",
        bool(np.all(cells.at_rest)),
        f"{cells.at_rest.sum()} of {cells.at_rest.size} cells",
        kind="numeric",
        about="context",
    )


@claim(
    "sec-4.1-norms",
    source="Section 4.1, observation b)",
    statement=r"\|w_{(10^{-3}, 0.9)}^*\|_2 < \|w_{(2 \times 10^{-3}, 0.8)}^*\|_2 <"
    r" \|w_{(5 \times 10^{-3}, 0.5)}^*\|_2 < \|w_{(10^{-2}, 0.0)}^*\|_2 \quad \text{(from }"
    r" (2.8, 3.4) \text{; } (x, y) \text{ is not given, and is } (1, 0.6) \text{ here)}",
    printed=SETTINGS,
    expected="confirmed",
    cost=1,
)
def norms(given: Given) -> Iterator[Evidence]:
    """The end points of the four runs."""
    settings, found = four_runs(given)
    for i in range(3):
        (a, b), gap = found.norm[i : i + 2], found.norm[i + 1] - found.norm[i]
        doubt = found.norm_doubt[i] + found.norm_doubt[i + 1]
        pairs = " and ".join(f"({size:g}, {b:g})" for size, b in settings[i : i + 2])
        yield fact(
            f"(h, beta) = {pairs}",
            None if abs(gap) <= doubt and gap != 0 else bool(gap > doubt),
            f"norms {a:.9g} and {b:.9g}; rounding and what is left of the motion: {doubt:.1g}",
            kind="numeric",
        )
    # The same D by another way: where the run is, and what the exact law of J adds up to.
    straight = np.sqrt(np.sum(found.w**2, axis=-1))
    apart = np.abs(straight - found.norm)
    yield fact(
        "norms from w itself agree with those from the law for D",
        bool(np.all(apart <= found.norm_doubt)),
        f"largest distance {np.max(apart):.1g}",
        kind="numeric",
        about="context",
    )
    at = grid(40, 32)
    cells = ordered_cells(at, RATE, MOMENTA, START, 40.0)
    always = at[0][0][np.all(cells.ordered, axis=0)]
    yield fact(
        "other (x, y): not so in all of 1/4 <= x <= 4, -4 <= y <= 4",
        bool(np.any(cells.broken)),
        f"{cells.share} in this order; all y of the grid for x from {always.min():.3g} to"
        f" {always.max():.3g}; in {(cells.broken & cells.crossed).sum()} of the"
        f" {cells.broken.sum()} others D has changed its sign: momentum carries it past 0",
        kind="numeric",
        about="context",
    )
    starts = np.meshgrid(np.linspace(-4, 4, 40), np.linspace(-4, 4, 41))
    same = tuple(np.full(starts[0].shape, value) for value in BARRETT_DHERIN)
    cells = ordered_cells(same, RATE, MOMENTA, starts, 40.0)
    yield fact(
        "other starts, (x, y) = (1, 0.6): so from all of -4 <= w1, w2 <= 4",
        not np.any(cells.broken),
        f"{cells.share} in this order; {(~cells.known).sum()} starts with D = 0 undecided",
        kind="numeric",
        about="context",
    )


@claim(
    "fig-1-caption",
    source="Figure 1, caption",
    statement=r"\text{implicit regularization for (GD+M) is stronger than that of (GD) for the same"
    r" effective learning rate } \tfrac{h}{1-\beta} \text{. As } \beta \text{ increases the optima"
    r" seems to find solution with a lower norm} \quad \text{[in the four runs of the figure;}"
    r" (x, y) \text{ is not given, and is } (1, 0.6) \text{ here]}",
    printed=SETTINGS,
    expected="confirmed",
    cost=1,
)
def caption(given: Given) -> Iterator[Evidence]:
    """As a statement about these four runs; `fig-1-in-general` reads it as one about momentum."""
    settings, found = four_runs(given)
    rates = [size / (1 - b) for size, b in settings]
    rounding = 4 * np.finfo(float).eps * rates[-1]
    yield fact(
        "the effective learning rates are the same",
        bool(max(rates) - min(rates) <= rounding),
        ", ".join(f"{rate:g}" for rate in rates),
        kind="numeric",
    )
    order = np.argsort([b for _, b in settings])
    falls = -np.diff(found.norm[order])
    doubts = found.norm_doubt[order]
    yield fact(
        "the norm at the end falls from each momentum to the next",
        bool(np.all(falls > doubts[1:] + doubts[:-1])),
        ", ".join(f"beta = {settings[i][1]:g}: {found.norm[i]:.4f}" for i in order),
        kind="numeric",
    )
    ratio = limits()[1].subs(h, (1 - beta) * h) / (h / 4)
    yield equal(
        "the coefficient of |grad E|^2, over that of GD, exceeds 1 by",
        ratio - 1,
        2 * beta / (1 - beta),
    )
