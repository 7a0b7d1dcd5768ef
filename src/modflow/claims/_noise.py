"""Means over Gaussian noise by routes of their own: quadrature, moments of monomials, weak noise.

None of them uses `gaussian`, which they are evidence for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import numpy as np
import sympy
from jaxtyping import Float

from ..gaussian import SIGMA, STEP, JetPolynomial
from ..vectors import runge_kutta

VARIABLES = sympy.symbols("x y")
_x, _y = VARIABLES
SMOOTH = sympy.tanh(_x + _y / 2) ** 2 / 2 + sympy.exp(_x - _y) - (_x - _y)
"""A smooth loss, no polynomial, whose minimum is at 0."""
POINTS = ((0.0, 0.0), (0.7, -0.2), (-0.5, 0.4), (0.3, 0.9))
"""Where means are compared; a formula that is wrong is so at one of them at least."""
_NODES = (40, 48)
NOISE = sympy.symbols("u v")
"""The components of η."""

Array = Float[np.ndarray, "..."]


def loss_and_square(loss: Any) -> tuple[Any, Any]:
    """E and ‖∇E‖²."""
    return loss, sympy.Add(*(loss.diff(v) ** 2 for v in VARIABLES))


def quadrature_defects(
    f: Any, formula: JetPolynomial, sigmas: Sequence[float], h: float, points: Any = POINTS
) -> tuple[list[float], list[float]]:
    """Root mean square over the points of E f(x + η) minus a formula, and its uncertainty.

    f may depend on h; the formula is evaluated on SMOOTH. Gauss–Hermite quadrature with 48
    nodes in each direction; what 40 nodes give differs by more than its error, and rounding is
    below 10 units in the last place of the mean of |f|, for sums of 2304 terms made in pairs.
    """
    claimed = sympy.lambdify((*VARIABLES, SIGMA, STEP), formula.evaluate(SMOOTH, VARIABLES))
    true = sympy.lambdify((*VARIABLES, STEP), f, cse=True)
    defects, doubts = [], []
    for sigma in sigmas:
        means, sizes = [], []
        for nodes in _NODES:
            at, weights = _rule(nodes)
            values = [true(x + sigma * at[0], y + sigma * at[1], h) for x, y in points]
            means.append(np.array([np.sum(weights * v) for v in values]))
            sizes = [np.sum(weights * np.abs(v)) for v in values]
        found = means[1] - [claimed(x, y, sigma, h) for x, y in points]
        doubt = np.abs(means[1] - means[0]) + 10 * np.finfo(float).eps * np.array(sizes)
        defects.append(float(np.sqrt(np.mean(found**2))))
        doubts.append(float(np.max(doubt)))
    return defects, doubts


@cache
def _rule(nodes: int) -> tuple[Array, Array]:
    """Points of shape (2, n, n) and weights (n, n) for a pair of standard normal numbers."""
    at, weights = np.polynomial.hermite_e.hermegauss(nodes)
    return np.array(np.meshgrid(at, at)), np.outer(weights, weights) / (2 * np.pi)


def random_polynomial(random: np.random.Generator) -> Any:
    """Of degree 4 in x and y, with whole coefficients from 1 to 9: none vanishes."""
    return sympy.Add(
        *(int(random.integers(1, 10)) * _x**i * _y**j for i in range(5) for j in range(5 - i))
    )


def shifted(f: Any) -> Any:
    """f(x + η), η in the symbols NOISE."""
    moved = {v: v + u for v, u in zip(VARIABLES, NOISE, strict=True)}
    return f.subs(moved, simultaneous=True)


@cache
def mean_by_moments(f: Any) -> Any:
    """The mean of a polynomial in η, exactly: E u^m = σ^m (m-1)!! for even m, and 0 for odd."""

    def moment(m: int) -> Any:
        return 0 if m % 2 else SIGMA**m * sympy.factorial2(m - 1)

    powers = sympy.Poly(f, *NOISE).terms()
    return sympy.expand(sympy.Add(*(c * moment(m) * moment(n) for (m, n), c in powers)))


def lowest_power(f: Any) -> int | None:
    """The lowest power of σ in a polynomial; None for 0."""
    terms = sympy.Poly(sympy.expand(f), SIGMA).terms()
    return min((n for (n,), c in terms if c != 0), default=None)


# -- trajectories --------------------------------------------------------------------------------


def flow_and_iterates(
    steps: int,
    h: float,
    start: Array,
    step: Callable[[int, Array], Array],
    field: Callable[[int, Array], Array],
) -> tuple[Array, Array]:
    """Both after each step, (steps, ...); the field by one classical Runge–Kutta step for each h.

    Its error is O(h^4) over a fixed time, far below what is measured, which is O(h²) at best.
    """
    x, y = start, start
    iterates, flow = [], []
    for k in range(steps):
        x = step(k, x)
        y = runge_kutta(partial(field, k), y, h)
        iterates.append(x)
        flow.append(y)
    return np.array(iterates), np.array(flow)


@dataclass(frozen=True)
class WeakNoise:
    """Mean and covariance of perturbed gradient descent to order σ², x = X + σ ξ + σ² ζ.

    In x ↦ x - h ∇E(x + σ z), z standard normal, the powers of σ separate: X descends without
    noise, E ξ = 0, and with H = ∇²E(X), V = E ξξᵀ and m = E ζ

        V ↦ (I - hH) V (I - hH) + h² H²,     m ↦ m - h (H m + ½ ∇³E : (V + I)).

    These are moments of the process itself, no statistics and no modified equation in them.
    """

    loss: Any

    def step(self, h: float) -> Callable[[int, Array], Array]:
        """One step for the state (X, m, V), of length 8."""
        derivatives = _derivatives(self.loss)

        def step(_: int, s: Array) -> Array:
            x, m, cov = s[:2], s[2:4], s[4:].reshape(2, 2)
            gradient, hessian, third = derivatives(x)
            keep = np.eye(2) - h * hessian
            drift = hessian @ m + third @ (cov + np.eye(2)).ravel() / 2
            spread = keep @ cov @ keep + h**2 * hessian @ hessian
            return np.concatenate([x - h * gradient, m - h * drift, spread.ravel()])

        return step

    def flow(
        self,
        averaged: JetPolynomial,
        spread: Callable[[float], float] | None = None,
        source: Callable[[float], float] | None = None,
    ) -> Callable[[float], Callable[[int, Array], Array]]:
        """h ↦ the flow of an averaged modified loss L_0 + σ² L_1, for the same state.

        X' = -∇L_0 and m' = -∇²L_0 m - ∇L_1 - spread · ∇³E : V, V' = -(HV + VH) + source · H².
        """
        derivatives, values = _derivatives(self.loss), _expansion(self.loss, averaged)

        def at(h: float) -> Callable[[int, Array], Array]:
            weight, growth = spread(h) if spread else 0.0, source(h) if source else 0.0

            def field(_: int, s: Array) -> Array:
                x, m, cov = s[:2], s[2:4], s[4:].reshape(2, 2)
                first, second, force = values(float(x[0]), float(x[1]), h)
                _gradient, hessian, third = derivatives(x)
                drift = np.array(second) @ m + force + weight * third @ cov.ravel()
                settling = growth * hessian @ hessian - hessian @ cov - cov @ hessian
                return np.concatenate([-np.array(first), -drift, settling.ravel()])

            return field

        return at


@cache
def _derivatives(loss: Any) -> Callable[[Array], tuple[Array, Array, Array]]:
    """∇E, ∇²E and ∇³E, the last of shape (2, 4)."""
    gradient = [loss.diff(a) for a in VARIABLES]
    hessian = [[loss.diff(a, b) for b in VARIABLES] for a in VARIABLES]
    third = [[loss.diff(a, b, c) for b in VARIABLES for c in VARIABLES] for a in VARIABLES]
    function = sympy.lambdify(VARIABLES, [gradient, hessian, third], "math", cse=True)

    def derivatives(x: Array) -> tuple[Array, Array, Array]:
        found = function(float(x[0]), float(x[1]))
        return np.array(found[0]), np.array(found[1]), np.array(found[2])

    return derivatives


def _expansion(loss: Any, averaged: JetPolynomial) -> Callable[..., Any]:
    """∇L_0, ∇²L_0 and ∇L_1 of L_0 + σ² L_1, as functions of x, y and h."""
    plain = averaged.truncated(0)
    zeroth = plain.evaluate(loss, VARIABLES)
    noisy = (averaged - plain).evaluate(loss, VARIABLES).subs(SIGMA, 1)
    first = [zeroth.diff(a) for a in VARIABLES]
    second = [[zeroth.diff(a, b) for b in VARIABLES] for a in VARIABLES]
    force = [noisy.diff(a) for a in VARIABLES]
    return sympy.lambdify((*VARIABLES, STEP), [first, second, force], "math", cse=True)
