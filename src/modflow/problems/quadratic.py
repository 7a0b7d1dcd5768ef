"""Quadratic losses, where iterates and flows of every order are solved exactly.

On E(x) = xᵀHx/2 every update rule acts on each eigenvector of H apart. With z = hλ, one
step multiplies the component by a power series ρ_k(z), and the flow of order p follows
exp(log ρ_k) with the logarithm cut after z^p. This needs no trees, no gradients and no
integrator: it is the oracle that the numerical route is tested against.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from functools import cache
from typing import Any

import numpy as np
import sympy
from jaxtyping import Array, Float

from ..errors import ModflowError
from ..methods import Method
from ..series.exact import exact_number
from ._base import Problem
from .formula import Formula

EIGENVALUES = (1.0, 2.0, 5.0)


@cache
def quadratic(eigenvalues: tuple[float, ...] = EIGENVALUES) -> Problem:
    """E(x) = Σ λ_i x_i² / 2 from (1, ..., 1)."""
    curvature = np.array(eigenvalues, dtype=float)
    if curvature.ndim != 1 or not np.all(np.isfinite(curvature)):
        raise ModflowError(f"eigenvalues must be finite numbers; got {eigenvalues!r}")

    def loss(x: Float[Array, " n"]) -> Float[Array, ""]:
        return 0.5 * (x * x) @ curvature

    symbols = tuple(sympy.Symbol(f"x{i}") for i in range(1, len(curvature) + 1))
    terms = [
        sympy.Rational(exact_number(c)) * x**2 for c, x in zip(curvature, symbols, strict=True)
    ]
    return Problem(
        loss,
        np.ones(len(curvature)),
        name="quadratic",
        horizon=1.0,
        coarsest=2.0**-5,
        sizes=11,
        source="closed form",
        formula=Formula(sympy.Add(*terms) / 2, symbols, (Fraction(1),) * len(symbols)),
    )


def exact_trajectories(
    method: Method,
    h: float,
    steps: int,
    order: int,
    eigenvalues: Sequence[float] = EIGENVALUES,
    start: Sequence[float] | None = None,
) -> tuple[Float[np.ndarray, "steps+1 n"], Float[np.ndarray, "steps+1 n"]]:
    """Iterates x^k and order-p flow x̃(t_k), k = 0, ..., steps, in closed form.

    `start` is (1, ..., 1) if not given.
    """
    rule = method.numeric()
    z = h * np.asarray(eigenvalues, dtype=float)
    x = np.ones(len(z)) if start is None else np.asarray(start, dtype=float)
    memory, flow = rule.begin(lambda y: -z * y, 1.0, x), x
    iterates, flows = [x], [flow]
    one = _PowerSeries.one(order)
    growth_memory = rule.begin(_PowerSeries.times_minus_z, 1.0, one)
    for _ in range(steps):
        x, memory = rule.step(lambda y: -z * y, 1.0, x, memory)
        # The same step on x^k = 1 gives ρ_k(z); dividing by it makes x^{k+1} = 1 again.
        growth, growth_memory = rule.step(_PowerSeries.times_minus_z, 1.0, one, growth_memory)
        growth_memory = _divided(growth_memory, growth)
        flow = flow * np.exp(np.polynomial.polynomial.polyval(z, growth.log()))
        iterates.append(x)
        flows.append(flow)
    return np.array(iterates), np.array(flows)


class _PowerSeries:
    """A power series in z = hλ, truncated after z^order, in floats."""

    __array_ufunc__ = None

    def __init__(self, coefficients: Float[np.ndarray, " order+1"]) -> None:
        self.c = coefficients

    @classmethod
    def one(cls, order: int) -> _PowerSeries:
        return cls(np.eye(order + 1)[0])

    def times_minus_z(self) -> _PowerSeries:
        """h f(y) for f(y) = -λ y."""
        return _PowerSeries(np.concatenate([[0.0], -self.c[:-1]]))

    @staticmethod
    def fixed_point(g: Any, guess: tuple[_PowerSeries, ...]) -> tuple[_PowerSeries, ...]:
        """The series with y = g(y); every iteration settles one more power of z."""
        for _ in range(len(guess[0].c)):
            guess = g(guess)
        return guess

    def __add__(self, other: _PowerSeries) -> _PowerSeries:
        return _PowerSeries(self.c + other.c)

    def __sub__(self, other: _PowerSeries) -> _PowerSeries:
        return _PowerSeries(self.c - other.c)

    def __neg__(self) -> _PowerSeries:
        return _PowerSeries(-self.c)

    def __mul__(self, scalar: float) -> _PowerSeries:
        return _PowerSeries(scalar * self.c)

    __rmul__ = __mul__

    def __truediv__(self, other: _PowerSeries | float) -> _PowerSeries:
        if not isinstance(other, _PowerSeries):
            return _PowerSeries(self.c / other)
        quotient = np.zeros_like(self.c)
        for n in range(len(quotient)):
            known = quotient[:n] @ other.c[n:0:-1]
            quotient[n] = (self.c[n] - known) / other.c[0]
        return _PowerSeries(quotient)

    def log(self) -> Float[np.ndarray, " order+1"]:
        """The coefficients of log(series), for a series that starts with 1."""
        log = np.zeros_like(self.c)
        for n in range(1, len(log)):
            # From n c_n = Σ_j j log_j c_{n-j}, the derivative of c = exp(log).
            known = sum(j * log[j] * self.c[n - j] for j in range(1, n))
            log[n] = self.c[n] - known / n
        return log


def _divided(memory: Any, by: _PowerSeries) -> Any:
    if memory is None:
        return None
    if isinstance(memory, dict):
        return {key: _divided(part, by) for key, part in memory.items()}
    if isinstance(memory, tuple | list):
        return type(memory)(_divided(part, by) for part in memory)
    return memory / by
