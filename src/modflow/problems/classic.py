"""Small losses given by a formula."""

from __future__ import annotations

from functools import cache

import numpy as np
from jaxtyping import Array, Float

from ..series.exact import exact_number
from ._base import Problem
from .formula import Formula


@cache
def two_layer(x: float = 1.0, y: float = 0.6) -> Problem:
    """E(w) = (y - w₁ w₂ x)²/2 from (2.8, 3.4): a linear network with two scalar layers.

    Section 4.1 of Ghosh, Lyu, Zhang & Wang (ICLR 2023), after Barrett & Dherin (2020). The
    paper gives the start but not (x, y); (1, 0.6) is Barrett & Dherin's choice.
    """

    def loss(w: Float[Array, "2"]) -> Float[Array, ""]:
        return 0.5 * (y - w[0] * w[1] * x) ** 2

    return Problem(
        loss,
        np.array([2.8, 3.4]),
        name="two-layer",
        horizon=1.0,
        coarsest=2.0**-5,
        sizes=11,
        source="Ghosh et al. 2023, section 4.1",
        formula=Formula.of(
            f"({exact_number(y)} - w1*w2*({exact_number(x)}))^2 / 2", {"w1": 2.8, "w2": 3.4}
        ),
    )


@cache
def rosenbrock() -> Problem:
    """Rosenbrock's function (1 - x)² + 100 (y - x²)² from (-1.2, 1).

    Rosenbrock, *An automatic method for finding the greatest or least value of a function*,
    The Computer Journal 3 (1960).
    """

    def loss(w: Float[Array, "2"]) -> Float[Array, ""]:
        return (1 - w[0]) ** 2 + 100 * (w[1] - w[0] ** 2) ** 2

    return Problem(
        loss,
        np.array([-1.2, 1.0]),
        name="rosenbrock",
        horizon=2.0**-4,
        coarsest=2.0**-12,
        source="Rosenbrock 1960",
        formula=Formula.of("(1 - x)^2 + 100*(y - x^2)^2", {"x": -1.2, "y": 1}),
    )
