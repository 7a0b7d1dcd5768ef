"""Update rules. Each is one `step`, read twice: on arrays it is the optimizer, on truncated
B-series its backward error analysis.

To add a method, subclass `Method` as a frozen dataclass: fields are its parameters, `start`
gives the memory before the first step and `step` one update, in nothing but linear
combinations of x, the memory and values of f = -∇E. Nothing else is to be derived. Constants
are plain numbers, such as in h / 6 or 0.5 * x, and `step` depends on its arguments alone.
"""

from ._base import Method, momentum, parameter
from ._registry import METHODS, method_named, tableau
from .composition import Adjoint, Composition
from .optimizers import (
    AggregatedMomentum,
    DampedHeavyBall,
    GradientDescent,
    HeavyBall,
    Nesterov,
    QuasiHyperbolicMomentum,
)
from .runge_kutta import RungeKutta
from .two_step import LinearTwoStep

__all__ = [
    "METHODS",
    "Adjoint",
    "AggregatedMomentum",
    "Composition",
    "DampedHeavyBall",
    "GradientDescent",
    "HeavyBall",
    "LinearTwoStep",
    "Method",
    "Nesterov",
    "QuasiHyperbolicMomentum",
    "RungeKutta",
    "method_named",
    "momentum",
    "parameter",
    "tableau",
]
