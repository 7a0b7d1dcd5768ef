"""Section 5, (7) to (9): mini-batches, and the continuous approximation of (8)."""

from __future__ import annotations

from collections.abc import Iterator

import jax
import sympy
from jaxtyping import Array

from ..methods import HeavyBall
from ..modified import modified_equation
from ..problems import problem_named
from ._evidence import NODE, Evidence, difference, equal, fact
from ._follow import Follower, Gradient, Point
from ._problems import batched_losses
from ._registry import Given, claim
from ._theorem_5_1 import PERIOD, random_sequences

h, k, beta, M = sympy.symbols("h k beta M")


@claim(
    "eq-7-unbiased",
    source="Section 5, (7)",
    statement=r"\text{the full-batch gradient is replaced by its sampled unbiased estimator, for }"
    r" E = \frac{1}{M}\sum_{j=1}^M E_{(j)} \text{ and a random mini-batch}",
    printed={"weight": "1/M"},
    expected="confirmed",
)
def unbiased(given: Given) -> Iterator[Evidence]:
    """Each of M batches with the same probability, which is what `randomly` has to mean."""
    yield equal("weight of E_(j) in E beside its probability", 1 / M, given.printed("weight"))


@claim(
    "eq-9-order",
    source="Section 5, (9)",
    statement=r"\mathbf{x}'(t) = -\nabla E_k(\mathbf{x}(t)) + \frac{\beta}{h}(\mathbf{x}(t_k) -"
    r" \mathbf{x}(t_{k-1})), \; t_k < t < t_{k+1} \text{, is the continuous approximation of (8)}",
    printed={"force": "1", "memory": "beta/h"},
    expected="confirmed",
    cost=4,
)
def continuous_approximation(given: Given) -> Iterator[Evidence]:
    """No order is printed: it is 1, as that of the gradient flow is, and no better."""
    z, x, v = sympy.symbols("z x v")
    force, memory = given.printed("force"), given.printed("memory")
    # On E = λx²/2 with z = hλ and v = x(t_k) - x(t_{k-1}), over one step:
    # x' = -force λ x + memory v.
    decay = sympy.exp(-z * force)
    end = decay * x + memory * h * v * (1 - decay) / (z * force)
    step = x - z * x + beta * v
    local = sympy.series(end - step, z, 0, 2).removeO().expand()
    yield equal("z^0 of (9) less (8) over one step", local.coeff(z, 0), 0)
    # v = -d_{k-1} z x + O(z²), with the drift d of (4): all that is left is of order h².
    drift = modified_equation(HeavyBall(), 1).coefficients[NODE]
    second = sympy.series(end - step, z, 0, 3).removeO().expand()
    left = second.subs(v, -drift.subs(k, k - 1) * z * x).expand().coeff(z, 2) / x
    first = second.subs(v, -drift.subs(k, k - 1) * z * x).expand().coeff(z, 1) / x
    yield equal("z^1, with v = -z drift x of the step before", first, 0)
    yield equal("z^2, which is not 0: one half of the drift of step k", left, drift / 2)
    sizes = [2.0**-n for n in range(6, 13)]
    coefficients = [sympy.lambdify((beta, h), value, "jax") for value in (force, memory)]

    def field(gradient: Gradient, at: Point, y: Array) -> Array:
        own, past = (c(at.beta, at.h) for c in coefficients)
        return -own * gradient(at.j, y) + past * (at.here - at.before)

    with jax.enable_x64(True):
        found = Follower(problem_named("two-layer"), field).run(sizes, 1.0, [0.5])
        yield found.rate("two-layer, beta = 0.5: distance of (9)", 1)
        problem, batches = batched_losses()[0], random_sequences(given.random(), 3)
        sizes = [1 / (PERIOD * 2**n) for n in range(5)]
        found = Follower(problem, field, batched=True).run(
            sizes, 1.0, [0.5] * 3, every=PERIOD, batches=batches.tolist()
        )
        yield found.rate(f"{problem.name}, beta = 0.5, random batches: distance of (9)", 1, run=2)


@claim(
    "sec-5-kinks",
    source="Section 5, after (9)",
    statement=r"\text{the left and right-side derivatives are not equal at a transit point } t_k"
    r" \text{ from one batch to another, } \mathbf{x}'(t_k^+) \neq \mathbf{x}'(t_k^-) \quad"
    r" \text{[but for exceptional batches]}",
    printed={"force": "1", "memory": "beta/h"},
    expected="confirmed",
)
def kinks(given: Given) -> Iterator[Evidence]:
    """The jump of (9) at t_k, as h → 0: -(∇E_k - ∇E_{k-1}) and what the memory adds."""
    old, new = sympy.symbols("g_0 g_1")
    force, memory = given.printed("force"), given.printed("memory")
    # At t_1: x(t_1) - x(t_0) = -h g_0 + O(h²), with g_j = ∇E_j, and nothing before t_0.
    left = -force * old
    right = -force * new + memory * (-h * force * old)
    yield fact(
        "the jump at t_1 does not vanish for h → 0 when the batches differ",
        difference(right - left, 0) != 0,
        f"jump: {sympy.expand(right - left)} with g_j the gradient of batch j",
    )
    yield equal(
        "with one batch for all steps and beta = 0 there is no jump",
        (right - left).subs({new: old, beta: 0}),
        0,
        about="context",
    )
