"""Section 4.1 and Figure 1: what the end points say about Remark 4.2."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import jax
import numpy as np
import sympy

from ..endpoints import flow_ends
from ..methods import HeavyBall
from ..modified import ModifiedEquation, modified_equation
from ._evidence import CHAIN, NODE, About, Evidence, equal, fact, rate
from ._registry import Given, claim, symbolic
from ._two_layer import (
    BARRETT_DHERIN,
    CONTRACTION,
    FALLING,
    GRADIENT,
    MOMENTA,
    NORM,
    RATE,
    SETTINGS,
    START,
    D,
    E,
    along,
    beta,
    constants,
    field_of,
    four_runs,
    grid,
    h,
    heavy_ball_law,
    loss,
    ordered_cells,
    outcome,
    w1,
    w2,
    x,
    y,
)

GAMMA = "(1 - beta**(2*k+2)) - 4*(k+1)*beta**(k+1)*(1-beta)/(1+beta)"
zeta, rho, N = sympy.symbols("zeta rho N")


@claim(
    "sec-4.1-supports-remark-4.2",
    source="Section 4.1, observation b) and Remark 4.2",
    statement=r"\text{This observation supports Remark 4.2, that the strength of implicit"
    r" regularization increases with } \beta \text{, even with the [same] effective learning rate"
    r" [by the factor } \tfrac{1+\beta}{1-\beta} \text{, the coefficient of } \|\nabla E\|^2"
    r" \text{ being } \tfrac{h}{4}\tfrac{1+\beta}{(1-\beta)^2} \text{]}",
    printed={
        **SETTINGS,
        "factor": "(1+beta)/(1-beta)",
        "regularizer": "h/4 * (1+beta)/(1-beta)**2",
    },
    expected="confirmed",
    cost=2.5,
)
def supports_remark(given: Given) -> Iterator[Evidence]:
    """The factor is in an exact law of the iterates, and the modified loss finds their ends."""
    factor, strength = given.printed("factor"), given.printed("regularizer")
    yield equal(
        "heavy ball, any h: in a step J = D + 2 beta/(1-beta) (w1 dw1 - w2 dw2) changes by the"
        " factor times dw1^2 - dw2^2; so the change of D from start to rest is the factor times"
        " the sum of these over all steps",
        heavy_ball_law(),
        factor,
    )
    yield equal("the factor increases with beta", factor.diff(beta), 2 / (1 - beta) ** 2)
    reduced = _reduced(strength)
    yield equal(
        "along the flow with this modified loss D' = -2 h factor/(1-beta)^2 x^2 E D",
        along(field_of(reduced), D),
        -2 * h * factor / (1 - beta) ** 2 * x**2 * E * D,
    )
    settings, found = four_runs(given)
    study = _Ends([b for b in MOMENTA if b > 0], FALLING, settings)
    d0, contraction, _ = constants(BARRETT_DHERIN, START)
    leading = study.rate * sympy.lambdify((beta,), factor)(study.b) * contraction
    for b, errors in study.by_momentum(np.abs(np.log(d0 / study.found.D) - leading)):
        yield rate(
            f"(1, 0.6), beta = {b:g}: log D0/D at rest, beside rate x factor x 2 x^2 int E dt",
            FALLING,
            errors,
            2,
        )
    ends, doubts = study.flow(reduced)
    yield from study.beside("the flow (5)", ends, doubts, "printed")
    flow = np.linalg.norm(study.own(ends), axis=1)
    yield fact(
        "at the paper's own four settings the flow (5) ends in the order of the iterates",
        bool(np.all(np.diff(flow) > 0) and np.all(np.diff(found.norm) > 0)),
        "; ".join(
            f"beta = {b:g}: {mine:.4f}, iterates {theirs:.4f}"
            for (_, b), mine, theirs in zip(settings, flow, found.norm, strict=True)
        ),
        kind="numeric",
    )
    yield from _how_well(study, ends)


def _reduced(strength: sympy.Expr) -> ModifiedEquation:
    """The flow of -1/(1-β) ∇(E + strength ‖∇E‖²), which is (5)."""
    derived = modified_equation(HeavyBall(), 2).frozen()
    drift = derived.coefficients[NODE]
    return derived.with_coefficients({CHAIN: -2 * drift * strength / h})


class _Ends:
    """End points at (1, 0.6): of all momenta at falling rates, and of the printed settings."""

    def __init__(
        self,
        momenta: Sequence[float],
        rates: Sequence[float],
        settings: Sequence[tuple[float, float]],
    ) -> None:
        self.shape = len(momenta), len(rates)
        self.momenta, self.rates = list(momenta), list(rates)
        sizes, own = (np.array(column) for column in zip(*settings, strict=True))
        self.b = np.append(np.repeat(momenta, len(rates)), own)
        self.rate = np.append(np.tile(rates, len(momenta)), sizes / (1 - own))
        # What is left of the motion by then is below exp(-2 * 8), in iterates and flows alike.
        self.steps = np.round(8 / self.rate)
        self.found = outcome(BARRETT_DHERIN, self.rate, self.b, START, int(np.max(self.steps)))

    def flow(self, equation: ModifiedEquation) -> tuple[Any, Any]:
        """End points of a flow, and the integrator's errors: the second run halves its steps."""
        runs = len(self.b)
        with jax.enable_x64(True):
            once, twice = (
                flow_ends(
                    equation,
                    loss,
                    np.tile(START, (runs, 1)),
                    self.rate * (1 - self.b),
                    self.steps,
                    0.02 * (1 - self.b),
                    parts=parts,
                    parameters={"beta": self.b},
                    data=tuple(np.full(runs, value) for value in BARRETT_DHERIN),
                )
                for parts in (1, 2)
            )
        return twice, np.linalg.norm(once - twice, axis=1)

    def by_momentum(self, values: Any) -> Iterator[tuple[float, Any]]:
        """Each momentum with its values at the falling rates."""
        count = self.shape[0] * self.shape[1]
        return zip(self.momenta, np.reshape(values[:count], self.shape), strict=True)

    def own(self, values: Any) -> Any:
        """The values of the printed settings."""
        return values[self.shape[0] * self.shape[1] :]

    def beside(self, name: str, ends: Any, doubts: Any, about: About) -> Iterator[Evidence]:
        """The order at which end points of a flow approach those of the iterates."""
        away = np.linalg.norm(ends - self.found.w, axis=1)
        both = zip(self.by_momentum(away), self.by_momentum(doubts), strict=True)
        for (b, errors), (_, doubt) in both:
            yield rate(
                f"(1, 0.6), beta = {b:g}: the end point of {name}, from w^0, beside the iterates'",
                self.rates,
                errors,
                2,
                uncertainties=doubt,
                about=about,
            )


def _fallen(w: Any) -> Any:
    """log D0/D."""
    return np.log((START[0] ** 2 - START[1] ** 2) / (w[..., 0] ** 2 - w[..., 1] ** 2))


def _how_well(study: _Ends, reduced: Any) -> Iterator[Evidence]:
    """What the flows miss at the paper's step sizes, and why."""
    piecewise = modified_equation(HeavyBall(), 2)
    unit = -2 * h * (1 + beta) / (1 - beta) ** 3 * x**2 * E * D
    yield equal(
        "along (4), with its transient: D' = -2 h gamma (1+beta)/(1-beta)^3 x^2 E D; gamma",
        sympy.simplify(along(field_of(piecewise), D) / unit),
        symbolic(GAMMA),
        about="context",
    )
    whole, doubts = study.flow(piecewise)
    yield from study.beside("the piecewise flow (4)", whole, doubts, "context")
    # Both flows have D' = -2 h γ factor/(1-β)² x²E D, with γ = 1 in (5). The transient of the drift
    # holds (4) back by β/(1-β) steps, in which E is E0, and Σ(1-γ_k) = (4β + β²)/(1-β²) steps are
    # lost: 3β/(1-β²) more.
    k = sympy.Symbol("k")
    lacking = sympy.expand(1 - symbolic(GAMMA))
    total = sympy.summation(lacking.subs(beta, sympy.Rational(1, 2)), (k, 0, sympy.oo))
    yield equal(
        "beta = 1/2: the sum of 1 - gamma_k over all k is (4 beta + beta^2)/(1 - beta^2)",
        total,
        sympy.Integer(3),
        about="context",
    )
    lost = 2 * x**2 * E * h**2 * (1 + beta) / (1 - beta) * 3 * beta / (1 - beta**2)  # h: the rate
    value = sympy.lambdify((x, y, w1, w2, h, beta), lost)
    lost = value(*BARRETT_DHERIN, *START, study.rate, study.b)
    for b, errors in study.by_momentum(np.abs(_fallen(reduced) - _fallen(whole) - lost)):
        yield rate(
            f"beta = {b:g}: so log D0/D of (5) is above that of (4) by 2 x^2 E0 rate^2 factor"
            " 3 beta/(1-beta^2), and both are of order 2",
            study.rates,
            errors,
            3,
            about="context",
        )
    _, contraction, _ = constants(BARRETT_DHERIN, START)
    b, size = study.own(study.b), study.own(study.rate)
    columns = {
        "iterates": study.own(_fallen(study.found.w)),
        "leading order": size * (1 + b) / (1 - b) * contraction,
        "(5)": study.own(_fallen(reduced)),
        "(4)": study.own(_fallen(whole)),
    }
    rows = [
        f"beta = {b[i]:g}: " + ", ".join(f"{name} {v[i]:.3f}" for name, v in columns.items())
        for i in range(len(b))
    ]
    yield fact(
        "log D0/D at the paper's step sizes: both flows have the order right, and the size too low",
        bool(np.all(columns["(5)"] < columns["iterates"]) and np.all(np.diff(columns["(4)"]) < 0)),
        "; ".join(rows),
        kind="numeric",
        about="context",
        data={name: list(map(float, v)) for name, v in columns.items()},
    )
    yield from _why()


def _why() -> Iterator[Evidence]:
    """log D0/D along (5) from a small distance a off the curve, over a²/‖w‖²: beside the iterates'
    ζ/(2ρ - ρ²ζ) of `_near_curve`."""
    field = field_of(modified_equation(HeavyBall(), 2).frozen())
    normal = sympy.Matrix([w2, w1])
    on_curve = field.jacobian([w1, w2]).subs(y, x * w1 * w2) * normal
    speed = sympy.factor(-on_curve[0] / normal[0])
    curved = x**2 * NORM
    # D'/D = -2 h factor/(1-β)² x²E, and E = λ a²/2 falls like exp(-2 speed t).
    total = 2 * h * (1 + beta) / (1 - beta) ** 3 * x**2 * curved / 2 / (2 * speed)
    scaled = {rho: (1 - beta) / (1 + beta), zeta: h * curved / (1 - beta)}
    yield equal(
        "next to the curve, with rho = (1-beta)/(1+beta), zeta = rate x curvature, log D0/D of (5)"
        " is zeta/(2 rho + zeta), where the iterates' is zeta/(2 rho - rho^2 zeta): (5) is too weak"
        " by 1 + zeta/(2 rho), because it approaches the curve too fast by that",
        total * NORM,
        (zeta / (2 * rho + zeta)).subs(scaled),
        about="context",
    )


@claim(
    "fig-1-in-general",
    source="Figure 1, caption, read in general",
    statement=r"\text{implicit regularization for (GD+M) is stronger than that of (GD) for the same"
    r" effective learning rate } \tfrac{h}{1-\beta} \text{. As } \beta \text{ increases the optima"
    r" seems to find solution with a lower norm} \quad \text{[for all } 0 \leq \beta < 1"
    r" \text{ and all } (x, y) \text{, at } \tfrac{h}{1-\beta} = 10^{-2} \text{]}",
    printed={"below": "1", "rate": "1/100"},
    expected="corrected",
    corrected=r"\text{for } x \neq 0 \text{ and a start with } E \neq 0, D = w_1^2 - w_2^2 \neq 0"
    r" \text{: } \log\tfrac{D_0}{D_\infty} = \eta\tfrac{1+\beta}{1-\beta} K + O(\eta^2), \; K ="
    r" 2x^2\!\int\! E\,dt > 0 \text{ along the gradient flow, } \eta = \tfrac{h}{1-\beta} \text{,"
    r" so that any finite set of momenta is in order once } \eta \text{ is small enough; next to"
    r" the curve the norm falls with } \beta \text{ where } h x^2\|w\|^2 < 1+\beta",
    true={
        **CONTRACTION,
        "factor": "(1+beta)/(1-beta)",
        "next to the curve": "zeta/(2*rho - rho**2*zeta)",
    },
    cost=2.5,
)
def caption(given: Given) -> Iterator[Evidence]:
    """All momenta at (1, 0.6), and all (x, y) at the four momenta; then what is true."""
    below, size = float(given.printed("below")), float(given.printed("rate"))
    # Denser towards the end, where 1/(1-β) grows: up to 1 - 2^-10 of it.
    momenta = below * (1 - 2.0 ** (-np.arange(201) / 20))
    # At momentum β the motion dies out like sqrt(β)^k, or exp(-2 rate k) where that is slower.
    slowest = min(-np.log(momenta[-1]) / 2, 2 * size)
    found = outcome(BARRETT_DHERIN, size, momenta, START, round(2 * 18 / slowest))
    gaps, doubts = -np.diff(found.norm), found.norm_doubt[:-1] + found.norm_doubt[1:]
    least = int(np.argmin(found.norm))
    above = momenta[found.norm > found.norm[0]]
    detail = f"{len(momenta)} in [0, {below:g}): least norm {found.norm[least]:.4f}"
    detail += f" at {momenta[least]:.4g}"
    if len(above):
        detail += f"; first above GD's {found.norm[0]:.4f} at {above[0]:.4g}"
    falls = True if np.all(gaps > doubts) else False if np.any(gaps < -doubts) else None
    yield fact(
        f"(1, 0.6), h/(1-beta) = {size:g}: the norm falls from each beta to the next",
        falls,
        detail,
        kind="numeric",
        data={"beta": list(map(float, momenta)), "norm": list(map(float, found.norm))},
    )
    at = grid(40, 32)
    cells = ordered_cells(at, size, MOMENTA, START, 40.0)
    yield fact(
        f"1/4 <= x <= 4, -4 <= y <= 4, h/(1-beta) = {size:g}: the norm falls from beta = 0 to 0.5"
        " to 0.8 to 0.9",
        False if np.any(cells.broken) else True if np.all(cells.known) else None,
        f"in {cells.share} cells; in {(cells.broken & cells.crossed).sum()} of the"
        f" {cells.broken.sum()} others D has changed its sign",
        kind="numeric",
    )
    yield from _small_rates(given)
    yield from _near_curve(given)
    yield from _where(at)


def _small_rates(given: Given) -> Iterator[Evidence]:
    """log D0/D = η factor K + O(η²), wherever one starts."""
    full = given.true("K").subs(N, given.true("N"))
    yield equal(
        "K' = -2 x^2 E along the gradient flow (N is constant there, a function of D and y/x)",
        sympy.simplify(along(-GRADIENT, full)),
        sympy.expand(-2 * x**2 * E),
        about="corrected",
    )
    yield equal(
        "and K = 0 on the curve, where N = w1^2 + w2^2",
        given.true("K").subs(N, NORM).subs(y, x * w1 * w2).subs(NORM + 2 * w1 * w2, (w1 + w2) ** 2),
        0,
        about="corrected",
    )
    yield equal(
        "the exact law of D for heavy ball",
        heavy_ball_law(),
        given.true("factor"),
        about="corrected",
    )
    factor = sympy.lambdify((beta,), given.true("factor"))
    value = sympy.lambdify((x, y, w1, w2), full)
    at, start, contraction = _drawn(given.random(), value)
    stiff = at[0] ** 2 * np.sum(start**2, axis=0)
    stiff = stiff + np.abs(at[0] * (at[1] - start[0] * start[1] * at[0]))
    for b in (0.5, 0.9):
        # From where D changes little, and heavy ball does not swing: h λ < (1 - sqrt(β))².
        top = np.minimum(0.5 / (factor(b) * contraction), (1 - np.sqrt(b)) ** 2 / (1 - b) / stiff)
        shares = 2.0 ** -np.arange(7)
        rates = shares[:, None] * top
        # The curvature at rest is at least 1, and J settles twice as fast as w.
        found = outcome(at, rates, b, start, round(10 / np.min(rates)))
        change = np.log((start[0] ** 2 - start[1] ** 2) / found.D)
        errors = change / (factor(b) * rates * contraction) - 1
        yield rate(
            f"{_DRAWS} random (x, y) and starts, beta = {b:g}: (log D0/D) / (rate factor K) - 1,"
            " root mean square",
            list(shares),
            list(np.sqrt(np.mean(errors**2, axis=1))),
            1,
            about="corrected",
        )


_DRAWS = 12


def _drawn(draw: np.random.Generator, value: Any) -> tuple[Any, Any, Any]:
    """(x, y), starts and K of each: neither on the curve nor balanced, and not stiff."""
    kept: list[Any] = []
    while len(kept) < _DRAWS:
        px, py = draw.uniform(0.7, 1.5, 2) * draw.choice([-1, 1], 2)
        a1, a2 = draw.uniform(0.5, 2, 2) * draw.choice([-1, 1], 2)
        k0 = float(value(px, py, a1, a2))
        if abs(a1**2 - a2**2) > 1 and k0 > 0.2:
            kept.append((px, py, a1, a2, k0))
    columns = np.array(kept).T
    return columns[:2], columns[2:4], columns[4]


def _near_curve(given: Given) -> Iterator[Evidence]:
    """A start beside the curve: one eigenvector of the Hessian, on which all is a closed form."""
    local = given.true("next to the curve")
    z, a, v = sympy.symbols("z a v")
    # Sum of the squares of all steps from a at velocity v, as a quadratic form of both: what it
    # loses in a step is the square of that step.
    form = sympy.symbols("p q r")

    def energy(a: Any, v: Any) -> Any:
        return form[0] * a**2 + form[1] * a * v + form[2] * v**2

    new = beta * v - z * a
    loss_of_energy = sympy.expand(energy(a, v) - energy(a + new, new) - new**2)
    solved = sympy.solve(sympy.Poly(loss_of_energy, a, v).coeffs(), form, dict=True)[0]
    squares = solved[form[0]].subs(z, zeta * (1 - beta))
    yield equal(
        "factor x sum of squared steps of heavy ball on a quadratic, from distance 1 at rest",
        (1 + beta) / (1 - beta) * squares,
        local.subs(rho, (1 - beta) / (1 + beta)),
        about="corrected",
    )
    numerator = sympy.cancel(local.diff(rho) * (2 * rho - rho**2 * zeta) ** 2)
    yield equal(
        "it falls with rho = (1-beta)/(1+beta), so grows with beta, where rho zeta = h x^2 ||w||^2"
        "/(1+beta) < 1: its derivative in rho times (2 rho - rho^2 zeta)^2",
        numerator,
        -2 * zeta * (1 - rho * zeta),
        about="corrected",
    )
    value = sympy.lambdify((zeta, rho), local)
    start = np.array([1.5, 0.4])
    at = (1.0, float(start[0] * start[1]))
    square = float(start @ start)
    away = 2.0 ** -np.arange(4, 12)
    for b, curved in ((0.0, 0.3), (0.5, 0.3), (0.0, 1.7), (0.5, 1.7)):
        points = start[:, None] + away * np.array([start[1], start[0]])[:, None] / np.sqrt(square)
        found = outcome(at, curved / square, b, points, 400)
        change = np.log((points[0] ** 2 - points[1] ** 2) / found.D)
        predicted = away**2 / square * value(curved, (1 - b) / (1 + b))
        yield rate(
            f"beside (1.5, 0.4), rate x curvature = {curved:g}, beta = {b:g}: log D0/D against the"
            " distance from the curve",
            list(away),
            list(np.abs(change - predicted)),
            3,
            about="corrected",
        )
    yield equal(
        "so GD is the stronger one where h_GD x^2 ||w||^2 > 1 + beta: stronger by",
        sympy.factor(sympy.cancel(local.subs(rho, 1) / local)),
        sympy.factor(rho * (2 - rho * zeta) / (2 - zeta)),
        about="context",
    )


def _where(at: Any) -> Iterator[Evidence]:
    """For which (x, y) the order is the one of the caption, and when it is not."""
    _, contraction, _ = constants(at, START)
    shares, counts, lowest, highest = [], [], [], []
    for n in (0, 1, 2, 3, 4):
        size = RATE / 2**n
        cells = ordered_cells(at, size, MOMENTA, START, 40.0)
        predicted = size * (1 + MOMENTA[-1]) / (1 - MOMENTA[-1]) * contraction
        shares.append(f"{size:g}: {cells.share}")
        counts.append(int(cells.ordered.sum()))
        if np.any(cells.broken):
            lowest.append(float(predicted[cells.broken].min()))
        highest.append(float(predicted[cells.ordered].max()))
    yield fact(
        "the share of (x, y) in order grows to all as the effective rate falls",
        bool(np.all(np.diff(counts) >= 0) and counts[-1] == at[0].size),
        "; ".join(shares),
        kind="numeric",
        about="context",
    )
    yield fact(
        "it is lost only where rate x factor x K at beta = 0.9, what log D0/D would be, is above 1:"
        " D is carried past 0",
        min(lowest) > 1,
        f"least value in a cell out of order {min(lowest):.3g}; largest in one in order"
        f" {max(highest):.3g}; at (1, 0.6) {RATE * 19 * constants(BARRETT_DHERIN, START)[1]:.3g}",
        kind="numeric",
        about="context",
    )
    root = sympy.Symbol("sqrt_beta")
    yield equal(
        "D = (w1+w2)(w1-w2), and (w1+-w2)_{k+1} = (1 + beta +- h x r)(w1+-w2)_k"
        " - beta (w1+-w2)_{k-1}: while h |x r| <= (1 - sqrt(beta))^2 no ratio of neighbours falls"
        " below sqrt(beta), and D keeps its sign; the least ratio after one of sqrt(beta)",
        1 + root**2 - (1 - root) ** 2 - root**2 / root,
        root,
        about="context",
    )
