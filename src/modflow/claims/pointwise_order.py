"""Theorem 5.1: the order of its flow, on random sequences of batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import sympy
from jaxtyping import Array, Float, Int

from ..problems import Problem
from ._evidence import Evidence, fact, rate
from ._follow import Distances, Follower, Gradient, Point
from ._problems import batched_losses
from ._registry import Given, claim
from ._theorem_5_1 import PERIOD, THEOREM, random_sequences

h, k, r, beta = sympy.symbols("h k r beta")

SEQUENCES = 20
GRIDS = {0.3: (0.5, range(1, 6)), 0.5: (0.5, range(1, 6)), 0.8: (0.25, range(1, 6))}
"""For each β the time T, and the n for which T is 2^n periods long; all in effective time."""


@claim(
    "thm-5.1-order",
    source="Theorem 5.1",
    statement=r"\text{the updates (8) are } O(h^2) \text{ close to the trajectory of (10): }"
    r" \|\tilde{\mathbf{x}}(t_k) - \mathbf{x}^k\|_2 \leq Ch^2, \; k=1,2,\dots,n",
    printed={**THEOREM, "order": "2"},
    expected="confirmed",
    cost=20,
)
def theorem_order(given: Given) -> Iterator[Evidence]:
    """The flow (10), its weights summed as they are printed, on random sequences of batches.

    Each sequence is drawn at random and repeated. A period then is a one-step method of its own,
    and at the ends of periods the distance is a smooth function of h, with an order that can be
    seen; draws that never repeat would add noise of the relative size sqrt(h).
    """
    expected = int(given.printed("order"))
    for problem in batched_losses():
        for b, found in _distances(given, problem):
            name = f"{problem.name}, beta = {b:g}"
            yield rate(
                f"{name}: root mean square distance of {SEQUENCES} random sequences, at the"
                " ends of their periods",
                found.sizes,
                np.sqrt(np.mean(found.errors**2, axis=1)),
                expected,
                uncertainties=found.uncertainties.max(axis=1),
            )
            alone = [str(found.estimate(expected, run=i).verdict) for i in range(SEQUENCES)]
            counts = ", ".join(f"{alone.count(v)} {v}" for v in sorted(set(alone)))
            yield fact(
                f"{name}: the order of each sequence by itself",
                "fail" not in alone,
                f"{counts}; none may contradict the order",
                kind="numeric",
            )


def _distances(given: Given, problem: Problem) -> Iterator[tuple[float, Distances]]:
    """Those of (10) on all sequences, for each β."""
    force, memory = (
        sympy.lambdify((k, r, beta), given.printed(name)) for name in ("force", "memory")
    )
    factor = sympy.lambdify((h, beta), given.printed("factor"), "jax")

    def field(gradient: Gradient, at: Point, x: Array) -> Array:
        g, q = (table[at.k] for table in at.parameters)
        batches = jnp.arange(len(g))
        each, pullback = jax.vjp(lambda p: jax.vmap(lambda j: gradient(j, p))(batches), x)
        # Hessians are symmetric: one pass backwards is the sum over all batches.
        (regularizer,) = pullback(q @ each)
        return -(g @ each) - 2 * factor(at.h, at.beta) * regularizer

    random = given.random()
    with jax.enable_x64(True):
        follower = Follower(problem, field, batched=True)
        for b, (time, powers) in GRIDS.items():
            sizes = [time / (PERIOD * 2**n) for n in powers]
            batches = random_sequences(random, SEQUENCES)
            whole = np.tile(batches, (1, 2 ** powers[-1]))
            parameters = tuple(jnp.asarray(t) for t in _weights(force, memory, whole, b))
            found = follower.run(
                sizes,
                time,
                [b] * SEQUENCES,
                every=PERIOD,
                batches=batches.tolist(),
                parameters=parameters,
            )
            yield b, found


def _weights(
    force: Callable[..., Any],
    memory: Callable[..., Any],
    sequences: Int[np.ndarray, "n steps"],
    b: float,
) -> tuple[Float[np.ndarray, "n steps M"], Float[np.ndarray, "n steps M M"]]:
    """Of E_j in G_k; and of ∇E_i·∇E_j in the brackets of (10), by the sums that are printed."""
    steps = sequences.shape[1]
    rows, columns = np.indices((steps, steps))
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        table = np.where(columns <= rows, force(rows, columns, b), 0.0)
        sums = np.where(columns < rows, memory(rows, columns, b), 0.0) + np.eye(steps)
    g = table @ np.eye(10)[sequences]
    pairs = (g[..., :, None] * g[..., None, :]).reshape(len(g), steps, -1)
    return g, (sums @ pairs).reshape(*g.shape, 10)
