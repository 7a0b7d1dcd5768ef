"""Section 3: sharpness, its first-order form, and the regularizer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import sympy
from jax import lax
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float

from ..problems import Problem, problem_named
from ._evidence import Evidence, equal, fact, rate
from ._problems import real_losses
from ._registry import Given, claim

rho, norm, h, lam, x = sympy.symbols("rho norm h lam x")
RADII = tuple(2.0**-n for n in range(3, 12))
_ITERATIONS = 60


@claim(
    "sec-3-sharpness",
    source="Section 3, sharpness",
    statement=r"\max_{\|\epsilon\| \leq \rho} (\mathcal{L}_{\mathcal{S}}(\mathbf{x} + \epsilon) -"
    r" \mathcal{L}_{\mathcal{S}}(\mathbf{x})) \approx \max_{\|\epsilon\| \leq \rho} \epsilon^T"
    r" \nabla \mathcal{L}_{\mathcal{S}}(\mathbf{x}) = \rho \|\nabla"
    r" \mathcal{L}_{\mathcal{S}}(\mathbf{x})\| \text{, the first-order Taylor approximation}",
    printed={"maximum": "rho*norm"},
    expected="confirmed",
    cost=3,
)
def first_order(given: Given) -> Iterator[Evidence]:
    """The equality, and that what the approximation leaves is of second order in ρ."""
    e, g = (sympy.symbols(f"{name}0:3") for name in ("e", "g"))
    inner = sum(a * b for a, b in zip(e, g, strict=True))
    squares = sum(a * a for a in e) * sum(b * b for b in g)
    minors = sum((e[i] * g[j] - e[j] * g[i]) ** 2 for i in range(3) for j in range(i))
    yield equal(
        "Lagrange: what |e|^2 |g|^2 exceeds (e·g)^2 by is a sum of squares",
        squares - inner**2,
        minors,
    )
    # ε = ρ g/‖g‖ is in the ball, and ε·g there is ρ ‖g‖² / ‖g‖.
    yield equal("e·g at e = rho g/|g|", rho * norm**2 / norm, given.printed("maximum"))
    claimed = sympy.lambdify((rho, norm), given.printed("maximum"))
    for problem in real_losses(given.full):
        with jax.enable_x64(True):
            sharp, slope, size = _sharpness(problem)
        left = [abs(s - claimed(r, slope)) for s, r in zip(sharp, RADII, strict=True)]
        # Differences of losses are rounded to a few units in the last place of the loss.
        doubts = [4 * np.finfo(float).eps * size] * len(RADII)
        text = f"{problem.name}, at the start: sharpness less its first-order form, as rho falls"
        yield rate(text, RADII, left, 2, uncertainties=doubts)


@claim(
    "sec-3-sharpness-regularizer",
    source="Section 3, sharpness",
    statement=r"\text{so the sharpness is approximately proportional to } \|\nabla E\| \text{,"
    r" which is the square root of the IGR term}",
    printed={"root": "norm", "sharpness": "rho*norm"},
    expected="corrected",
    corrected=r"\|\nabla E\| = 2\sqrt{IGR/h} \text{, and sharpness} = \rho\|\nabla E\| + O(\rho^2)"
    r" \text{: proportional to } \|\nabla E\| \text{ for } \rho \ll"
    r" \|\nabla E\|/\|\nabla^2 E\| \text{ only. At a minimum, where the IGR vanishes, it is }"
    r" \tfrac{\rho^2}{2}\lambda_{\max}(\nabla^2 E) + O(\rho^3)",
    true={"regularizer": "h/4*norm**2", "near": "rho*norm", "minimum": "rho**2*lam/2"},
)
def proportional(given: Given) -> Iterator[Evidence]:
    """On λx²/2 the sharpness is known for every ρ and x, and it does not vanish with ∇E."""
    exact = lam * (x + rho) ** 2 / 2 - lam * x**2 / 2  # the ball's far end, x ≥ 0
    yield equal(
        "the square of what is called the root of the IGR term",
        given.true("regularizer"),
        given.printed("root") ** 2,
    )
    claimed = given.printed("sharpness").subs(norm, lam * x)
    ratio = sympy.simplify(exact / claimed)
    yield fact(
        "on lambda x^2/2: sharpness beside its claimed form stays bounded as x → 0, the minimum",
        bool(sympy.limit(ratio, x, 0, "+").is_finite),
        f"ratio {ratio}",
    )
    yield equal(
        "on lambda x^2/2: the first power of rho",
        exact.expand().coeff(rho, 1) * rho,
        given.true("near").subs(norm, lam * x),
        about="corrected",
    )
    yield equal("at its minimum", exact.subs(x, 0), given.true("minimum"), about="corrected")
    minimum = sympy.lambdify((rho, lam), given.true("minimum"))
    with jax.enable_x64(True):
        problem = replace(problem_named("rosenbrock"), start=np.array([1.0, 1.0]))
        largest = float(np.linalg.eigvalsh(jax.hessian(problem.value)(problem.start_arrays()))[-1])
        sharp, _, _ = _sharpness(problem, nudge=1.0)
    left = [abs(found - minimum(r, largest)) for found, r in zip(sharp, RADII, strict=True)]
    yield rate(
        "rosenbrock, at its minimum: sharpness less its form there, as rho falls",
        RADII,
        left,
        3,
        about="corrected",
    )
    yield equal(
        "the square of 2 rho sqrt(IGR/h)",
        4 * rho**2 * given.true("regularizer") / h,
        given.true("near") ** 2,
        about="corrected",
    )


def _sharpness(
    problem: Problem, nudge: float = 0.0
) -> tuple[Float[np.ndarray, " radii"], float, float]:
    """max over the ball, for each radius; ‖∇E‖ and |E| at the start.

    For small balls the maximum is at the boundary, where ε is along ∇E(x + ε): a fixed point of
    ε ↦ ρ ∇E(x+ε)/‖∇E(x+ε)‖. Away from critical points that contracts for ρ ‖∇²E‖ < ‖∇E‖, from
    ε = 0 on; at a minimum it is a power iteration with two ends, from ±`nudge` of the radius.
    """
    start, unravel = ravel_pytree(problem.start_arrays())
    data = problem.data_arrays()

    def sharpest(radius: Array, sign: Array, data: object) -> Array:
        def loss(x: Array) -> Array:
            return problem.value(unravel(x), data)

        def again(_: object, e: Array) -> Array:
            g = jax.grad(loss)(start + e)
            return radius * g / jnp.linalg.norm(g)

        e = lax.fori_loop(0, _ITERATIONS, again, sign * nudge * radius * jnp.ones_like(start))
        return loss(start + e) - loss(start)

    program = jax.jit(
        jax.vmap(jax.vmap(sharpest, in_axes=(0, None, None)), in_axes=(None, 0, None))
    )
    value, gradient = jax.value_and_grad(lambda x: problem.value(unravel(x), data))(start)
    found = np.asarray(program(jnp.asarray(RADII), jnp.asarray([1.0, -1.0]), data)).max(axis=0)
    return found, float(jnp.linalg.norm(gradient)), abs(float(value))
