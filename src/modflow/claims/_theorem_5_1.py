"""Theorem 5.1 as it is printed, and the sequences of batches that it is tried on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import sympy
from jaxtyping import Int

from ..batches import BatchSchedule

h, k, r, beta = sympy.symbols("h k r beta")
Formula = Callable[[str], sympy.Expr]

THEOREM = {"force": "beta**(k-r)", "factor": "h/4", "memory": "2*beta**(k-r)"}
"""The weight of E_r in G_k, the factor of the regularizer, and in its brackets the weight of
‖∇G_r‖² for r < k. That of ‖∇G_k‖² is 1."""
STATEMENT = (
    r"\tilde{\mathbf{x}}'(t) = -\nabla \hat{E}_k(\tilde{\mathbf{x}}(t)), \quad \hat{E}_k = G_k +"
    r" \frac{h}{4}\Big(\|\nabla G_k\|_2^2 + 2 \sum_{r=0}^{k-1} \beta^{k-r} \|\nabla G_r\|_2^2\Big),"
    r" \quad G_k = \sum_{r=0}^k \beta^{k-r} E_r"
)
PERIOD = 20
"""Steps after which a random sequence of batches is repeated."""


def printed_fields(
    formula: Formula, step: int
) -> tuple[dict[int, Any], dict[tuple[int, ...], Any]]:
    """b_k of f_r, and of h f_i'f_j, in -∇Ê_k as printed, for f_j = -∇E_j."""
    force, memory = formula("force"), formula("memory")
    factor = formula("factor") / h

    steps = range(step + 1)
    sums = [
        [force.subs({k: s, r: i}, simultaneous=True) if i <= s else sympy.Integer(0) for i in steps]
        for s in steps
    ]
    weights = [memory.subs({k: step, r: s}, simultaneous=True) for s in range(step)]
    weights.append(sympy.Integer(1))
    # -∇(factor h ‖∇G‖²) = -2 factor h ∇²G ∇G.
    chains: dict[tuple[int, ...], Any] = {
        (i, j): -2 * factor * sum(w * row[i] * row[j] for w, row in zip(weights, sums, strict=True))
        for i in steps
        for j in steps
    }
    return dict(enumerate(sums[step])), chains


def random_sequences(random: np.random.Generator, count: int) -> Int[np.ndarray, "n PERIOD"]:
    """One period of each, of ten batches, by turns: independent draws, an epoch without
    replacement and once more, and two different epochs."""
    kinds = ("independent", "once", "shuffled")
    seeds = random.integers(2**32, size=count)
    return np.array(
        [
            BatchSchedule(kinds[i % len(kinds)], 10, int(seed)).first(PERIOD)
            for i, seed in enumerate(seeds)
        ]
    )
