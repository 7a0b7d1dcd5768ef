"""The methods that the command line knows by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any

from ..errors import UnknownNameError
from ._base import Method
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


def _table(text: str) -> tuple[tuple[Fraction, ...], ...]:
    return tuple(tuple(Fraction(entry) for entry in row.split()) for row in text.split(";"))


_TABLEAUX = {
    # Hairer, Nørsett & Wanner, Solving Ordinary Differential Equations I, II.1 and II.7.
    "explicit-midpoint": ("0 0; 1/2 0", "0 1"),
    "heun": ("0 0; 1 0", "1/2 1/2"),
    "kutta3": ("0 0 0; 1/2 0 0; -1 2 0", "1/6 2/3 1/6"),
    "rk4": ("0 0 0 0; 1/2 0 0 0; 0 1/2 0 0; 0 0 1 0", "1/6 1/3 1/3 1/6"),
    "implicit-euler": ("1", "1"),
    "implicit-midpoint": ("1/2", "1"),
    "trapezoidal": ("0 0; 1/2 1/2", "1/2 1/2"),
    "radau-iia": ("5/12 -1/12; 3/4 1/4", "3/4 1/4"),
}


def tableau(name: str) -> RungeKutta:
    """The Runge–Kutta method with a well-known tableau, by its name.

    Raises UnknownNameError for another name.
    """
    key = str(name).lower()
    if key not in _TABLEAUX:
        raise UnknownNameError("tableau", str(name), _TABLEAUX)
    A, b = _TABLEAUX[key]
    return RungeKutta(_table(A), _table(b)[0], title=key)


_CLASSES: tuple[type[Method], ...] = (
    GradientDescent,
    HeavyBall,
    Nesterov,
    DampedHeavyBall,
    QuasiHyperbolicMomentum,
    AggregatedMomentum,
    LinearTwoStep,
)

METHODS: dict[str, Callable[[], Method]] = {
    **{method.name: method for method in _CLASSES},
    **{name: lambda name=name: tableau(name) for name in _TABLEAUX},  # type: ignore[misc]
}
"""What makes each method that the command line knows by name."""

_ALIASES = {
    "gd": "gradient-descent",
    "hb": "heavy-ball",
    "polyak": "heavy-ball",
    "qhm": "quasi-hyperbolic",
    "aggmo": "aggregated-momentum",
    "proximal-point": "implicit-euler",
}


def method_named(name: str, values: Mapping[str, Any] | None = None) -> Method:
    """The method of that name (see `METHODS`), with these parameters.

    Raises UnknownNameError for an unknown method or parameter, ModflowError for a parameter
    out of range.
    """
    key = _ALIASES.get(name.lower(), name.lower())
    if key not in METHODS:
        raise UnknownNameError("method", name, METHODS)
    return METHODS[key]().replace(**(values or {}))
