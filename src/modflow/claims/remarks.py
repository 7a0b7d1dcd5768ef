"""Remarks 4.1 to 4.3, and the factor by which momentum makes the regularizer stronger."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import sympy
from jax import lax

from ..flows import force
from ..methods import GradientDescent, HeavyBall
from ..modified import modified_equation
from ..problems import Problem
from ..vectors import Vector, distance
from ._evidence import CHAIN, NODE, Evidence, equal, rate
from ._problems import real_losses
from ._registry import Given, claim

h, k, beta, z = sympy.symbols("h k beta z")
BETAS = (Fraction(1, 2), Fraction(9, 10))


def limits() -> tuple[sympy.Expr, sympy.Expr]:
    """As k → ∞, the drift b, and the c of -b ∇(E + c ‖∇E‖²): derived, and not as printed."""
    limit = modified_equation(HeavyBall(), 2).limit
    # -∇(c ‖∇E‖²) = -2c f'f for f = -∇E.
    return limit[NODE], -h * limit[CHAIN] / (2 * limit[NODE])


@claim(
    "rem-4.1-force",
    source="Remark 4.1",
    statement=r"\text{ignoring the } O(h) \text{ terms in (5) and (3), the momentum trajectory is"
    r" driven by a force that is } \frac{1}{1-\beta} \text{ times as large as that for GD}",
    printed={"factor": "1/(1-beta)"},
    expected="confirmed",
)
def driving_force(given: Given) -> Iterator[Evidence]:
    """The drifts of the two flows, at the same step size."""
    drift, plain = limits()[0], modified_equation(GradientDescent(), 1).limit[NODE]
    yield equal("limit of the drift beside that of GD", drift / plain, given.printed("factor"))
    at_k = modified_equation(HeavyBall(), 1).coefficients[NODE]
    yield equal(
        "at step k the factor is (1 - beta^(k+1))/(1 - beta)",
        at_k,
        (1 - beta ** (k + 1)) / (1 - beta),
        about="context",
    )


@claim(
    "rem-4.1-rate",
    source="Remark 4.1",
    statement=r"\text{using the same learning rate, (GD+M) is expected to converge }"
    r" \frac{1}{1-\beta} \text{ times as fast as GD; (GD+M) with } h \text{ has roughly the same"
    r" convergence rate as GD with } \frac{h}{1-\beta}",
    printed={"factor": "1/(1-beta)", "effective": "h/(1-beta)"},
    expected="confirmed",
    cost=5,
)
def convergence_rate(given: Given) -> Iterator[Evidence]:
    """Rates on an eigenvector of curvature λ, z = hλ; and whole trajectories."""
    slow = (1 + beta - z + sympy.sqrt((1 + beta - z) ** 2 - 4 * beta)) / 2

    # The larger root of r² - (1 + β - z) r + β; differentiated implicitly, so that no branch of
    # the root has to be chosen: 2 r r' - (1 + β - z) r' + r = 0 at r = 1, z = 0.
    r, dr = sympy.symbols("r dr")
    derivative = sympy.solve((2 * r - (1 + beta)) * dr + r, dr)[0].subs(r, 1)
    yield equal(
        "-log of the slow root, to first order in z, beside that of 1 - z for GD",
        -derivative,
        given.printed("factor"),
    )
    scale = sympy.lambdify((beta,), given.printed("effective") / h)
    sizes = [2.0**-n for n in range(7, 15)]
    for problem in real_losses():
        for b, errors in zip(BETAS, _gaps(problem, sizes, scale), strict=True):
            yield rate(
                f"{problem.name}, beta = {float(b):g}: distance from GD at the effective rate",
                sizes,
                errors,
                1,
            )
    root = slow.subs({beta: Fraction(9, 10), z: Fraction(1, 100)})
    yield equal(
        "beta = 0.9, z = 0.01 > (1 - sqrt(beta))^2: the modulus of both roots is sqrt(beta),"
        " whatever z is, so that the rate no longer grows with h",
        sympy.expand(root * sympy.conjugate(root)),
        Fraction(9, 10),
        about="context",
    )


def _gaps(problem: Problem, sizes: list[float], scale: Callable[[float], float]) -> Any:
    """max_k ‖x^k - y^k‖, heavy ball at h = size (1-β) beside GD at scale(β) h, up to T/2; a row
    for each β."""
    pattern = HeavyBall()

    def gap(size: jax.Array, b: jax.Array, longer: jax.Array, start: Any, data: Any) -> jax.Array:
        f, method = force(lambda x: problem.value(x, data)), pattern.with_leaves({"beta": b})

        def advance(s: Any) -> Any:
            k, x, memory, y, worst = s
            x, memory = method.step(f, size * (1 - b), x, memory)
            y = y + longer * size * (1 - b) * f(y)
            return k + 1, x, memory, y, jnp.maximum(worst, distance(x.tree, y.tree))

        x, steps = Vector(start), jnp.round(0.5 / size)
        begun = jnp.asarray(0), x, 0.0 * x, x, 0 * size
        return lax.while_loop(lambda s: s[0] < steps, advance, begun)[-1]

    momenta = [float(b) for b in BETAS]
    with jax.enable_x64(True):
        over_sizes = jax.vmap(gap, in_axes=(0, None, None, None, None))
        program = jax.jit(jax.vmap(over_sizes, in_axes=(None, 0, 0, None, None)))
        longer = jnp.asarray([scale(b) for b in momenta])
        given = jnp.asarray(sizes), jnp.asarray(momenta), longer
        return np.asarray(program(*given, problem.start_arrays(), problem.data_arrays()))


@claim(
    "rem-4.2-same-rate",
    source="Remark 4.2",
    statement=r"\text{the coefficient in front of the IGR term increased from the } \frac{h}{4}"
    r" \text{ in (GD) to the } \frac{h}{4}\frac{1+\beta}{(1-\beta)^2} \text{ in (GD+M)}",
    printed={"GD": "h/4", "GD+M": "h/4*(1+beta)/(1-beta)**2"},
    expected="confirmed",
)
def same_rate(given: Given) -> Iterator[Evidence]:
    """Both coefficients, derived; and that the second is the larger one."""
    plain = modified_equation(GradientDescent(), 2).coefficients
    yield equal("GD", -h * plain[CHAIN] / (2 * plain[NODE]), given.printed("GD"))
    yield equal("GD+M, as k → ∞", limits()[1], given.printed("GD+M"))
    # 1 + β - (1-β)² = β(3 - β) has the sign of β on [0, 1].
    excess = (given.printed("GD+M") / given.printed("GD") - 1) * (1 - beta) ** 2
    yield equal("(1-beta)^2 times what the ratio exceeds 1 by", excess, beta * (3 - beta))


@claim(
    "rem-4.2-effective-rate",
    source="Remark 4.2",
    statement=r"\text{even when letting the effective learning rates of the two methods equal"
    r" (i.e., } \frac{h_{GD+M}}{1-\beta} = h_{GD} \text{), the implicit regularization in (GD+M)"
    r" is still } \frac{1+\beta}{1-\beta} \text{ times stronger}",
    printed={"step": "(1-beta)*h", "factor": "(1+beta)/(1-beta)"},
    expected="confirmed",
)
def effective_rate(given: Given) -> Iterator[Evidence]:
    """The coefficients of ‖∇E‖² beside E, h of (GD+M) the one of GD times 1 - β."""
    drift, regularizer = limits()
    ours = regularizer.subs(h, given.printed("step"))
    yield equal("ratio of the coefficients", ours / (h / 4), given.printed("factor"))
    yield equal("the forces then are the same, per step", drift * given.printed("step"), h)


@claim(
    "rem-4.3",
    source="Remark 4.3",
    statement=r"\text{the IGR for (GD+M) reduces to the IGR for GD when } \beta = 0",
    printed={"regularizer": "(1+beta)*h / (4*(1-beta)**2)"},
    expected="confirmed",
)
def no_momentum(given: Given) -> Iterator[Evidence]:
    """The printed regularizer, and the flow (4) at every step."""
    yield equal(
        "the regularizer of (5) at beta = 0", h / 4, given.printed("regularizer").subs(beta, 0)
    )
    plain = modified_equation(GradientDescent(), 2)
    still = modified_equation(HeavyBall(0), 2)
    for tree, name in ((NODE, "f"), (CHAIN, "h f'f")):
        yield equal(
            f"the flow of (GD+M) at beta = 0, any k: coefficient of {name}",
            still.coefficients[tree],
            plain.coefficients[tree],
        )


_FACTOR = r"\frac{1+\beta}{1-\beta}"
_TRUE_FACTOR = (
    r"\text{by a factor of } \frac{1+\beta}{(1-\beta)^2} \text{ at the same learning rate } h,"
    r" \text{ and of } \frac{1+\beta}{1-\beta} \text{ at the same effective learning rate}"
)


@claim(
    "abstract-factor",
    source="Abstract",
    statement=r"\text{this implicit regularizer for (GD+M) is stronger than that of (GD) by factor"
    rf" of }} \left({_FACTOR}\right)",
    printed={"factor": "(1+beta)/(1-beta)"},
    expected="corrected",
    corrected=_TRUE_FACTOR,
    true={"same rate": "(1+beta)/(1-beta)**2", "effective rate": "(1+beta)/(1-beta)"},
)
def abstract_factor(given: Given) -> Iterator[Evidence]:
    """The abstract names no learning rates: then both methods have the same h."""
    yield from _factors(given)


@claim(
    "sec-4-factor",
    source="Section 4, after Remark 4.3",
    statement=r"\text{with an additional momentum parameter } \beta, \text{ the strength of the"
    rf" implicit regularizer increases by a factor of }} {_FACTOR}",
    printed={"factor": "(1+beta)/(1-beta)"},
    expected="corrected",
    corrected=_TRUE_FACTOR,
    true={"same rate": "(1+beta)/(1-beta)**2", "effective rate": "(1+beta)/(1-beta)"},
)
def section_factor(given: Given) -> Iterator[Evidence]:
    """To GD a momentum is added, and nothing else changed."""
    yield from _factors(given)
    drift, regularizer = limits()
    slope = sympy.diff(given.true("effective rate"), beta)
    yield equal(
        "it increases with beta: the derivative of the factor at the same effective rate",
        slope,
        2 / (1 - beta) ** 2,
        about="corrected",
    )
    yield equal(
        "the coefficient of h f'f in (5) itself grows by one more 1/(1-beta)",
        drift * regularizer / (h / 4),
        (1 + beta) / (1 - beta) ** 3,
        about="context",
    )


def _factors(given: Given) -> Iterator[Evidence]:
    ratio = limits()[1] / (h / 4)
    yield equal("ratio of the coefficients at the same h", ratio, given.printed("factor"))
    yield equal(
        "ratio of the coefficients at the same h", ratio, given.true("same rate"), about="corrected"
    )
    yield equal(
        "ratio of the coefficients at the same effective rate",
        ratio * (1 - beta),
        given.true("effective rate"),
        about="corrected",
    )
