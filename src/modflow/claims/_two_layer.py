"""The two-layer model of section 4.1, E = (y - w₁w₂x)²/2: its symbols, its laws, and its runs.

Everything rests on D = w₁² - w₂². The gradient flow keeps it, so that D decides which minimum a
trajectory ends in: on the curve w₁w₂ = y/x the norm is (D² + 4(y/x)²)^(1/4). Iterates and
modified flows change D by what they add to the gradient flow, and by nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
import sympy
from jaxtyping import Array, Bool, Float

from ..endpoints import iterate_ends
from ..methods import HeavyBall
from ..modified import ModifiedEquation
from ._evidence import CHAIN, NODE
from ._registry import Given, symbolic

w1, w2, x, y, h, beta = sympy.symbols("w1 w2 x y h beta")
WEIGHTS = sympy.Matrix([w1, w2])
E = (y - w1 * w2 * x) ** 2 / 2
D = w1**2 - w2**2
NORM = w1**2 + w2**2
GRADIENT = sympy.Matrix([E.diff(w1), E.diff(w2)])

START = (2.8, 3.4)
BARRETT_DHERIN = (1.0, 0.6)
"""(x, y) of Barrett & Dherin (2020), whose experiment the paper repeats without giving them."""
RATE = 0.01
MOMENTA = (0.0, 0.5, 0.8, 0.9)
"""The four runs of Figure 1, by their effective rate h/(1-β) and their momenta."""
FALLING = [RATE / 2**n for n in range(9)]
"""Effective rates from the paper's down, to tell an order by."""
TIME = 20.0
"""Of the runs at (1, 0.6): the slowest there falls like exp(-2t), so that float64 is exhausted."""
SETTINGS = {
    "h1": "1/1000", "beta1": "9/10",
    "h2": "2/1000", "beta2": "8/10",
    "h3": "5/1000", "beta3": "5/10",
    "h4": "1/100", "beta4": "0",
}  # fmt: skip
"""The four runs, from the one that is to have the smallest norm to the one with the largest."""
CONTRACTION = {
    "K": "x**2/4*(w1**2 + w2**2 - N) - x*y/2*log((w1 + w2)**2/(N + 2*y/x))",
    "N": "sqrt((w1**2 - w2**2)**2 + 4*y**2/x**2)",
}
"""K = 2x² ∫ E dt along the gradient flow, in closed form; N is ‖w‖² where the flow ends."""


def along(field: sympy.Matrix, value: sympy.Expr) -> sympy.Expr:
    """d/dt of a value along w' = field."""
    return sympy.expand(sum(value.diff(v) * f for v, f in zip((w1, w2), field, strict=True)))


def field_of(equation: ModifiedEquation) -> sympy.Matrix:
    """The field of a flow of order 2 on E, from its exact coefficients of f and of f'f."""
    f = -GRADIENT
    b = equation.coefficients
    return b[NODE] * f + h * b[CHAIN] * f.jacobian([w1, w2]) * f


def moved(point: sympy.Matrix, value: sympy.Expr) -> sympy.Expr:
    """The value at another point."""
    return value.subs({w1: point[0], w2: point[1]}, simultaneous=True)


def heavy_ball_law() -> sympy.Expr:
    """By how much J = D + 2β/(1-β) (w₁Δw₁ - w₂Δw₂) changes in a step, over Δw₁² - Δw₂² of it.

    Δw is the step that led to w. At rest J is D, and at the start too, because Δw = 0 there: so
    the changes of J over all steps add up to that of D.
    """
    u1, u2 = sympy.symbols("u1 u2")  # Δw before the step

    def force(at: sympy.Matrix) -> sympy.Matrix:
        return -GRADIENT.subs({w1: at[0], w2: at[1]}, simultaneous=True)

    # The update rule itself, on symbols.
    new, step = HeavyBall().step(force, h, WEIGHTS, sympy.Matrix([u1, u2]))

    def invariant(point: Any, last: Any) -> sympy.Expr:
        moment = point[0] * last[0] - point[1] * last[1]
        return point[0] ** 2 - point[1] ** 2 + 2 * beta / (1 - beta) * moment

    change = invariant(new, step) - invariant(WEIGHTS, [u1, u2])
    return sympy.cancel(sympy.together(change / (step[0] ** 2 - step[1] ** 2)))


def loss(w: Float[Array, "2"], at: tuple[Any, Any]) -> Float[Array, ""]:
    """E in JAX, `at` being (x, y)."""
    return 0.5 * (at[1] - w[0] * w[1] * at[0]) ** 2


@dataclass(frozen=True, eq=False)
class Outcome:
    """Where heavy-ball runs of any number end, arrays of one shape (and a last axis for w)."""

    w: Float[np.ndarray, "*shape 2"]
    D: Float[np.ndarray, "*shape"]
    """D at rest, by J at the last step: what J lacks is quadratic in what is left of the motion."""
    doubt: Float[np.ndarray, "*shape"]
    """By how much J has changed since half of the steps, and by how much rounding can."""
    norm: Float[np.ndarray, "*shape"]
    """‖w‖ at rest, from D and the curve."""
    norm_doubt: Float[np.ndarray, "*shape"]
    residual: Float[np.ndarray, "*shape"]
    """y - w₁w₂x, and what it was at half of the steps."""
    half: Float[np.ndarray, "*shape"]
    rounding: Float[np.ndarray, "*shape"]
    """The residual that rounding can leave: see `rounding_residual`."""

    @property
    def at_rest(self) -> Any:
        """Whether the residual is within rounding, or still halves in half of the steps."""
        with np.errstate(invalid="ignore"):
            falling = np.abs(self.residual) <= np.abs(self.half) / 2
            return np.isfinite(self.norm) & (falling | (np.abs(self.residual) <= self.rounding))


def rounding_residual(at: Any, rate: Any, w: Any) -> Any:
    """A bound for |y - w₁w₂x| where iterates in float64 no longer move.

    They rest once the steps that they would take, rate |x r| |w_j| for w_i, are below half a unit
    of both weights, u|w_i| with u = 2⁻⁵³: so |r| ≤ u/(rate |x|). Evaluating r adds three roundings
    of its terms.
    """
    u = np.finfo(float).eps / 2
    return u / (rate * np.abs(at[0])) + 3 * u * (
        np.abs(at[1]) + np.abs(w[..., 0] * w[..., 1] * at[0])
    )


def outcome(at: Any, rate: Any, momentum: Any, start: Any, steps: int) -> Outcome:
    """Run the heavy ball at h = rate (1-β); at = (x, y), start and all else broadcast."""
    parts = [np.asarray(v, dtype=float) for v in (*at, rate, momentum, *start)]
    px, py, eta, b, a1, a2 = np.broadcast_arrays(*parts)
    flat = [v.ravel() for v in (px, py, eta, b, a1, a2)]
    with jax.enable_x64(True):
        found = iterate_ends(
            HeavyBall(),
            loss,
            np.stack(flat[4:], axis=1),
            flat[2] * (1 - flat[3]),
            [steps // 2, steps],
            parameters={"beta": flat[3]},
            data=(flat[0], flat[1]),
        )
    with np.errstate(over="ignore", invalid="ignore"):
        points, moves = found.points, found.moves
        both = points[..., 0] ** 2 - points[..., 1] ** 2
        moment = points[..., 0] * moves[..., 0] - points[..., 1] * moves[..., 1]
        both = both + 2 * flat[3] / (1 - flat[3]) * moment
        # A step rounds each weight by half a unit at most, D by ‖w‖² times one, and the velocity
        # carries what β has left of it further: 1/(1-β) steps of it.
        units = np.finfo(float).eps * steps * np.maximum(np.sum(points**2, axis=-1), 1).max(axis=0)
        doubt = np.abs(both[1] - both[0]) + units / (1 - flat[3])
        square = np.sqrt(both[1] ** 2 + 4 * (flat[1] / flat[0]) ** 2)
        # d norm / dD = D / (2 norm³).
        norm_doubt = doubt * np.abs(both[1]) / (2 * square**1.5)
        residual = flat[1] - points[..., 0] * points[..., 1] * flat[0]
        rounding = rounding_residual((flat[0], flat[1]), flat[2], points[1])
    shape = px.shape
    return Outcome(
        points[1].reshape(*shape, 2),
        both[1].reshape(shape),
        doubt.reshape(shape),
        np.sqrt(square).reshape(shape),
        norm_doubt.reshape(shape),
        residual[1].reshape(shape),
        residual[0].reshape(shape),
        rounding.reshape(shape),
    )


@dataclass(frozen=True, eq=False)
class Cells:
    """In which settings the norms fall strictly from each momentum to the next."""

    known: Bool[np.ndarray, "*shape"]
    """All norms are told apart, beyond what is left of the motion and rounding."""
    ordered: Bool[np.ndarray, "*shape"]
    broken: Bool[np.ndarray, "*shape"]
    crossed: Bool[np.ndarray, "*shape"]
    """D has changed its sign in a run."""
    at_rest: Bool[np.ndarray, "*shape"]
    """All runs end on the curve."""

    @property
    def share(self) -> str:
        """For people."""
        decided = int(self.known.sum())
        share = 100 * self.ordered.sum() / max(1, decided)
        return f"{self.ordered.sum()} of {decided} ({share:.3g} %)"


def grid(columns: int, rows: int) -> tuple[Any, Any]:
    """(x, y) over 1/4 ≤ x ≤ 4 and -4 ≤ y ≤ 4; no row has y = 0, where the curve is a cross.

    (-x, -y) is the same loss as (x, y).
    """
    return np.meshgrid(np.linspace(0.25, 4, columns), np.linspace(-4, 4, 2 * (rows // 2)))


def ordered_cells(at: Any, rate: float, momenta: Any, start: Any, time: float) -> Cells:
    """Run all momenta, ascending, in each setting, for so long a time at rate 1."""
    b = np.reshape(np.asarray(momenta, dtype=float), (-1, 1, 1))
    found = outcome((at[0][None], at[1][None]), rate, b, start, round(time / rate))
    norm, doubt = found.norm, found.norm_doubt
    with np.errstate(invalid="ignore"):
        gap, unsure = norm[:-1] - norm[1:], doubt[:-1] + doubt[1:]
        known = np.all(np.isfinite(norm), axis=0) & np.all(np.abs(gap) > unsure, axis=0)
        ordered = known & np.all(gap > 0, axis=0)
        crossed = np.any(found.D * (start[0] ** 2 - start[1] ** 2) < 0, axis=0)
    return Cells(known, ordered, known & ~ordered, crossed, np.all(found.at_rest, axis=0))


def constants(at: Any, start: Any) -> tuple[Any, Any, Any]:
    """D at the start, K, and w₁w₂ on the curve."""
    formula = symbolic(CONTRACTION["K"]).subs("N", symbolic(CONTRACTION["N"]))
    value = sympy.lambdify((x, y, w1, w2), formula)(*at, *start)
    return start[0] ** 2 - start[1] ** 2, value, at[1] / at[0]


def four_runs(given: Given) -> tuple[list[tuple[float, float]], Outcome]:
    """The four runs at (1, 0.6), in the order of the printed norms."""
    settings = [
        (float(given.printed(f"h{i}")), float(given.printed(f"beta{i}"))) for i in range(1, 5)
    ]
    momenta = np.array([b for _, b in settings])
    rates = np.array([size for size, _ in settings]) / (1 - momenta)
    return settings, outcome(BARRETT_DHERIN, rates, momenta, START, round(TIME / RATE))
