"""Section 4, before Theorem 4.1: the second-order equation that momentum is said to follow."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import sympy
from jax import lax
from jaxtyping import Array, Float

from ..methods import HeavyBall
from ..modified import modified_equation
from ..problems import problem_named
from ..vectors import runge_kutta
from ._evidence import CHAIN, NODE, About, Evidence, equal, rate
from ._registry import Given, claim

h, k, beta, m, gamma = sympy.symbols("h k beta m gamma")
SIZES = tuple(2.0**-n for n in range(6, 14))
BETAS = (Fraction(1, 2), Fraction(9, 10))
_PARTS = 8
"""Substeps of the classical Runge–Kutta method to a step h, in which the fast part of the solution
falls by the factor exp(-2(1-β)/(1+β)), never less than exp(-2)."""


def inertia_and_friction() -> tuple[sympy.Expr, sympy.Expr]:
    """The coefficients of x'' and x' in the Taylor expansion of one step of the heavy ball,

    (x(t+h) - x(t) - β (x(t) - x(t-h))) / h = friction x' + inertia x'' + O(h²).
    """
    derivatives = sympy.symbols("x0:3")

    def at(shift: sympy.Expr) -> sympy.Expr:
        return sum(d * shift**n / sympy.factorial(n) for n, d in enumerate(derivatives))

    left = sympy.expand((at(h) - (1 + beta) * at(sympy.Integer(0)) + beta * at(-h)) / h)
    return left.coeff(derivatives[2]), left.coeff(derivatives[1])


@claim(
    "sec-4-ode-form",
    source="Section 4, before Theorem 4.1",
    statement=r"m\mathbf{x}'(t) + \gamma\mathbf{x}''(t) + \nabla E(\mathbf{x}(t)) = 0"
    r" \text{, the damped second order Hamiltonian dynamic (Kovachki \& Stuart, 2021)}",
    printed={"velocity": "m", "acceleration": "gamma"},
    expected="corrected",
    corrected=r"m\mathbf{x}''(t) + \gamma\mathbf{x}'(t) + \nabla E(\mathbf{x}(t)) = 0 \text{ with"
    r" the mass } m = \tfrac{h(1+\beta)}{2} \text{ and the friction } \gamma = 1-\beta",
    true={"velocity": "gamma", "acceleration": "m"},
    cost=3,
)
def form(given: Given) -> Iterator[Evidence]:
    """Mass belongs to the acceleration: the printed letters have changed places.

    The paper says nothing of m and γ but that this is the equation of Kovachki & Stuart, with
    damping. So what is false is their names, and any use of them that follows the names.
    """
    inertia, friction = inertia_and_friction()
    meaning = {m: inertia, gamma: friction}
    abouts: tuple[tuple[About, Any], ...] = (
        ("printed", given.printed),
        ("corrected", given.true),
    )
    for about, formula in abouts:
        velocity, acceleration = (
            formula(name).subs(meaning) for name in ("velocity", "acceleration")
        )
        yield equal("coefficient of x'' in a step of (GD+M)", inertia, acceleration, about=about)
        yield equal("coefficient of x' in a step of (GD+M)", friction, velocity, about=about)
        errors, doubts = _distances((acceleration, velocity), SIZES, BETAS[0], start=0.0, after=0.0)
        yield rate(
            "two-layer, beta = 0.5, from rest: distance of (GD+M)",
            SIZES,
            errors,
            1,
            uncertainties=doubts,
            about=about,
        )


@claim(
    "sec-4-ode-closeness",
    source="Section 4, before Theorem 4.1",
    statement=r"\text{only } O(h) \text{ closeness is proven between the momentum updates and this"
    r" ODE trajectory under general step size assumptions [and no more is true]}",
    printed={"order": "1"},
    expected="confirmed",
    cost=4,
)
def closeness(given: Given) -> Iterator[Evidence]:
    """In its usual form, from rest: the order is 1, and no better."""
    expected = int(given.printed("order"))
    inertia, friction = inertia_and_friction()
    usual = inertia, friction
    for b in BETAS:
        sizes = [size / 16 for size in SIZES] if b > Fraction(1, 2) else SIZES
        errors, doubts = _distances(usual, sizes, b, start=0.0, after=0.0)
        yield rate(
            f"two-layer, beta = {float(b):g}, from rest: distance of (GD+M)",
            sizes,
            errors,
            expected,
            uncertainties=doubts,
        )
    # Once the fast part has died out both follow x' = f/(1-β) + O(h), the one this much behind
    # the other: the sum of what the drift lacks, and inertia times what the velocity lacks.
    drift = modified_equation(HeavyBall(), 1).coefficients[NODE]
    lacking = (1 / (1 - beta) - drift).subs(k, 0) / (1 - beta)
    speed = sympy.Symbol("v")
    lag = inertia / friction / h * (1 / (1 - beta) - speed)
    yield equal(
        "the lag of the ODE from rest, less that of (GD+M), in units of h f(x^0)",
        lag.subs(speed, 0) - lacking,
        1 / (2 * (1 - beta)),
    )
    # What there is to O(h²), and what is not.
    yield equal(
        "the two lags agree for x'(0) = f(x^0)/(1 + beta)",
        lag.subs(speed, 1 / (1 + beta)),
        lacking,
        about="context",
    )
    yield equal(
        "and so do the slow solutions, to O(h^2): x'' = f'f/(1-beta)^2 + O(h), as (5) has it",
        -inertia / friction / (1 - beta) ** 2 / h,
        modified_equation(HeavyBall(), 2).limit[CHAIN],
        about="context",
    )
    for after, text, p in ((0.5, "from T/2 on", 2), (0.0, "from the start on", 1)):
        errors, doubts = _distances(usual, SIZES, BETAS[0], start=1.0, after=after)
        yield rate(
            f"two-layer, beta = 0.5, x'(0) = f(x^0)/(1 + beta), {text}",
            SIZES,
            errors,
            p,
            uncertainties=doubts,
            about="context",
        )


def _distances(
    coefficients: Sequence[sympy.Expr],
    sizes: Sequence[float],
    b: Fraction,
    *,
    start: float,
    after: float,
) -> tuple[Float[np.ndarray, " sizes"], Float[np.ndarray, " sizes"]]:
    """max ‖x^k - x(t_k)‖ over after ≤ t_k ≤ 1 in effective time, and the integrator's share.

    `coefficients` are those of x'' and x' in h and β; x'(0) is `start` f(x^0)/(1 + β).
    """
    values = [[float(c.subs({h: size * (1 - b), beta: b})) for size in sizes] for c in coefficients]
    with jax.enable_x64(True):
        run = _program()
        given = (
            jnp.asarray([size * (1 - float(b)) for size in sizes]),
            *(jnp.asarray(v) for v in values),
            jnp.asarray([round(1 / size) for size in sizes]),
            jnp.asarray([max(1, round(after / size)) for size in sizes]),
            jnp.asarray(float(b)),
            jnp.asarray(start / (1 + float(b))),
        )
        once, twice = (np.asarray(run(*given, parts)) for parts in (_PARTS, 2 * _PARTS))
    return twice, np.abs(once - twice)


@lru_cache(maxsize=1)
def _program() -> Any:
    problem, method = problem_named("two-layer"), HeavyBall()

    def run(
        h: Array,
        inertia: Array,
        friction: Array,
        steps: Array,
        first: Array,
        b: Array,
        start: Array,
        parts: Any,
    ) -> Array:
        rule, dt = method.with_leaves({"beta": b}), h / parts

        def f(x: Array) -> Array:
            return -jax.grad(problem.value)(x)

        def slope(z: Array) -> Array:
            return jnp.stack([z[1], (f(z[0]) - friction * z[1]) / inertia])

        def advance(s: Any) -> Any:
            k, x, memory, z, worst = s
            x, memory = rule.step(f, h, x, memory)
            z = lax.fori_loop(0, parts, lambda _, z: runge_kutta(slope, z, dt), z)
            away = jnp.linalg.norm(x - z[0])
            return k + 1, x, memory, z, jnp.where(k + 1 >= first, jnp.maximum(worst, away), worst)

        x = problem.start_arrays()
        begun = jnp.asarray(0), x, 0 * x, jnp.stack([x, start * f(x)]), 0 * h
        return lax.while_loop(lambda s: s[0] < steps, advance, begun)[-1]

    return jax.jit(jax.vmap(run, in_axes=(0, 0, 0, 0, 0, None, None, None)))
