"""Section 5, (10) and (11): Theorem 5.1 exactly, and Remarks 5.1 and 5.2."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import jax
import numpy as np
import sympy
from jaxtyping import Array

from ..batches import BatchField, batch_equations
from ..methods import GradientDescent, HeavyBall
from ..series import BSeries, ClosedFormRing, StepSize, Tree
from ..series.tensors import ColouredField, ColouredSeries
from ._evidence import CHAIN, NODE, Evidence, difference, equal, fact
from ._follow import Follower, Gradient, Point
from ._problems import batched_losses
from ._registry import Given, claim
from ._theorem_5_1 import PERIOD, STATEMENT, THEOREM, printed_fields, random_sequences

h, k, r, beta = sympy.symbols("h k r beta")

Coefficients = dict[tuple[int, ...], Any]
"""By the colours of the vertices of f_r and of f_i'f_j."""
STEPS = 7
"""Batches of steps 0, ..., 6, all of them different."""


@lru_cache(maxsize=1)
def _derived() -> list[BatchField]:
    return batch_equations(HeavyBall(), 2, range(STEPS))


@claim(
    "thm-5.1-exact",
    source="Theorem 5.1, (10)",
    statement=STATEMENT,
    printed=THEOREM,
    expected="confirmed",
)
def exact(given: Given) -> Iterator[Evidence]:
    """All coefficients of steps 0 to 6, all batches different."""
    for step, derived in enumerate(_derived()):
        nodes, chains = printed_fields(given.printed, step)
        found = {(tree.order, tree.colours): b for tree, b in derived.coefficients.items()}
        wrong = [
            f"f_{i}: {left}"
            for i, value in nodes.items()
            if (left := difference(found.pop((1, (i,)), 0), value)) != 0
        ] + [
            f"f_{i}'f_{j}: {left}"
            for (i, j), value in chains.items()
            if (left := difference(found.pop((2, (i, j)), 0), value)) != 0
        ]
        yield fact(
            f"k = {step}: the {len(nodes) + len(chains)} coefficients of the flow",
            not wrong and not found,
            "derived minus printed: " + ("; ".join(wrong[:3]) if wrong else "0, each of them"),
        )


@claim(
    "thm-5.1-induction",
    source="Theorem 5.1, (10)",
    statement=STATEMENT + r" \text{ for every } k",
    printed=THEOREM,
    expected="confirmed",
    cost=1,
)
def induction(given: Given) -> Iterator[Evidence]:
    """One step of the update rule itself, from a memory that is known by hypothesis alone.

    With g_k(r) the weight of E_r in G_k and S_k = Σ_{r<k} β^(k-1-r) g_r ⊗ g_r, the hypothesis is
    that M_k, the series of x^k - x^{k-1} in x^k, has the coefficients g_{k-1}(r) on f_r and
    -S_k(i, j) on f_i'f_j. Coefficients with two vertices have two colours at most, so that two
    old batches i, j and the new one are all that is needed.
    """
    force, memory = given.printed("force"), given.printed("memory")
    later = {k: k + 1}
    yield equal("force: the weight of E_k in G_k", force.subs(r, k), 1)
    yield equal("force: from G_k to G_{k+1}", force.subs(later), beta * force)
    yield equal("memory: from the sum of step k to that of k+1", memory.subs(later), beta * memory)
    names = ["beta", "u", "v", "S00", "S01", "S11"]
    ring = ClosedFormRing(names)
    b, u, v, s00, s01, s11 = (ring.parameter(name) for name in names)
    old, zero = [u, v, ring(0)], ring(0)
    sums = [[s00, s01, zero], [s01, s11, zero], [zero, zero, zero]]
    one = ColouredSeries.identity(2)
    slot = ColouredSeries(
        {
            NODE: np.array(old, dtype=object),
            CHAIN: np.array([[-entry for entry in row] for row in sums], dtype=object),
        },
        2,
    )
    method = HeavyBall().map(ring)
    point, new = method.step(ColouredField.of(2, 3), StepSize(), one, slot)
    field, after = point.log().coloured(), new.over(point).coloured()
    g = [b * u, b * v, ring(1)]
    factor, last = ring(given.printed("factor") / h), ring(memory.subs(later).subs(r, k))

    def left(series: BSeries, wanted: Coefficients) -> list[str]:
        """What the series has for each colouring beyond what is wanted, where it has."""
        differs = {
            Tree.from_level_sequence(range(1, len(key) + 1), key): value
            for key, value in wanted.items()
        }
        rest = {tree: ring(series[tree]) - value for tree, value in differs.items()}
        return [f"{tree!r}: {d.to_sympy()}" for tree, d in rest.items() if d != 0]

    nodes: Coefficients = {(i,): g[i] for i in range(3)}
    pairs = [(i, j) for i in range(3) for j in range(3)]
    chains: Coefficients = {
        (i, j): -2 * factor * (g[i] * g[j] + last * sums[i][j]) for i, j in pairs
    }
    following: Coefficients = {(i, j): -(b * sums[i][j] + g[i] * g[j]) for i, j in pairs}
    for text, found in (
        ("the flow of step k: f_r as printed", left(field, nodes)),
        ("the flow of step k: h f_i'f_j as printed", left(field, chains)),
        ("the memory after it: g_k on f_r", left(after, nodes)),
        (
            "the memory after it: -S_{k+1} = -(beta S_k + g_k g_k) on f_i'f_j",
            left(after, following),
        ),
    ):
        yield fact(text, not found, "; ".join(found[:3]) if found else "identical, in the ring")
    begun = method.begin(ColouredField.of(0, 1), StepSize(), one)
    yield fact(
        "k = 0: x^0 - x^{-1} = 0, so that the hypothesis holds with empty sums",
        not begun.coefficients and begun.empty == 0,
        f"the memory begins as {begun.empty} x, with no other terms",
    )


@claim(
    "thm-5.1-intervals",
    source="Section 5, after Theorem 5.1",
    statement=r"\text{the stochastic IGR-M has different expressions on different intervals, caused"
    r" by the abrupt changes between adjacent batches}",
    printed=THEOREM,
    expected="confirmed",
)
def intervals(given: Given) -> Iterator[Evidence]:
    """The regularizers of steps 2 and 3: with batches of their own, and with one for all."""
    found = {step: printed_fields(given.printed, step)[1] for step in (2, 3)}
    jumps = {pair: difference(value, found[2].get(pair, 0)) for pair, value in found[3].items()}
    differs = [pair for pair, jump in jumps.items() if jump != 0]
    yield fact(
        "step 3 differs from step 2 in terms of its own batch, and of the ones before",
        {(3, 3), (2, 3), (2, 2)} <= set(differs),
        f"in {len(differs)} of {len(jumps)} coefficients of h f_i'f_j; of f_3'f_3 by {jumps[3, 3]}",
    )
    one = [sympy.factor(sum(chains.values())) for chains in found.values()]
    yield fact(
        "with one batch for all steps what is left of the jump is the transient of (4)",
        difference(*one) != 0,
        f"{sympy.factor(one[1] - one[0])}, which falls like beta^k",
        about="context",
    )


# -- Remarks 5.1 and 5.2 ----------------------------------------------------------------------


@claim(
    "rem-5.1",
    source="Remark 5.1",
    statement=r"\text{the trajectory is governed by the driving-force } -\nabla G_k \text{ and the"
    r" negative gradient of } IGRM_s = \frac{h}{4}\Big(\|\nabla G_k\|_2^2 + 2 \sum_{r=0}^{k-1}"
    r" \beta^{k-r} \|\nabla G_r\|_2^2\Big) \text{, which depends on both } h \text{ and } \beta",
    printed=THEOREM,
    expected="confirmed",
)
def force_and_regularizer(given: Given) -> Iterator[Evidence]:
    """The modified loss that the derived field has, beside the printed one, at k = 3."""
    step, formula = 3, given.printed
    loss = _derived()[step].modified_loss()
    forces, chains = printed_fields(formula, step)
    wrong = []
    for tree, found in loss.coefficients.items():
        if tree.order == 1:
            wanted = forces[tree.colours[0]]
        else:
            # -2c of f_i'f_i belongs to c h ‖∇E_i‖², and -c of f_i'f_j to c h <∇E_i, ∇E_j>.
            i, j = tree.colours
            wanted = -chains[i, j] / (2 if i == j else 1)
        left = difference(found, wanted)
        if left != 0:
            wrong.append(f"{tree!r}: {left}")
    detail = "; ".join(wrong[:3]) if wrong else str(loss)
    yield fact("k = 3: the derived modified loss is the printed one", not wrong, detail)
    regularizer = formula("factor") * (1 + formula("memory").subs({k: step, r: step - 1}))
    slopes = [sympy.factor(sympy.diff(regularizer, name)) for name in (h, beta)]
    yield fact(
        "the regularizer depends on h and on beta",
        all(slope != 0 for slope in slopes),
        f"the weights of the last two terms add up to {regularizer}: derivatives {slopes}",
    )


@claim(
    "rem-5.2",
    source="Remark 5.2, (11)",
    statement=r"\text{when } \beta = 0, \text{ (10) reduces to } \tilde{\mathbf{x}}'(t) = -\nabla"
    r" \big(E_k + \frac{h}{4} \|\nabla E_k\|_2^2\big), \text{ the modified loss for SGD}",
    printed={**THEOREM, "SGD force": "1", "SGD factor": "h/4"},
    expected="confirmed",
    cost=3,
)
def without_momentum(given: Given) -> Iterator[Evidence]:
    """Of (10), of SGD by itself, and beside its iterates."""
    step, formula = 3, given.printed
    force, factor = formula("SGD force"), formula("SGD factor")
    forces, chains = printed_fields(formula, step)
    wanted = {(step,): force, (step, step): -2 * factor / h * force**2}
    reduced: Coefficients = {**{(i,): b for i, b in forces.items()}, **chains}
    derived = batch_equations(GradientDescent(), 2, range(step + 1))[step].coefficients
    flows: dict[str, Coefficients] = {
        "(10) at k = 3": {key: sympy.sympify(b).subs(beta, 0) for key, b in reduced.items()},
        "the derived flow of SGD at k = 3": {tree.colours: b for tree, b in derived.items()},
    }
    for name, found in flows.items():
        keys = {*found, *wanted}
        left = {key: difference(found.get(key, 0), wanted.get(key, 0)) for key in keys}
        wrong = {key: d for key, d in left.items() if d != 0}
        yield fact(f"{name} is (11)", not wrong, f"differences: {wrong or 0}")
    weight = sympy.lambdify((h,), factor, "jax")

    def field(gradient: Gradient, at: Point, x: Array) -> Array:
        g = gradient(at.j, x)
        product = jax.jvp(lambda p: gradient(at.j, p), (x,), (g,))[1]
        return -float(force) * g - 2 * weight(at.h) * float(force) ** 2 * product

    with jax.enable_x64(True):
        problem, sizes = batched_losses()[1], [1 / (PERIOD * 2**n) for n in range(1, 6)]
        batches = random_sequences(given.random(), 3)
        follower = Follower(problem, field, batched=True)
        gaps = follower.run(sizes, 1.0, [0.0] * 3, every=PERIOD, batches=batches.tolist())
        for i, name in enumerate(("with replacement", "one epoch", "two epochs")):
            yield gaps.rate(f"{problem.name}, batches drawn {name}: distance of (11)", 2, run=i)
