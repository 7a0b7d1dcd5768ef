"""Gradient descent, and the rules with momentum that optimizers are known for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from ..errors import ModflowError
from ._base import Memory, Method, Vector, momentum, parameter


@dataclass(frozen=True)
class GradientDescent(Method):
    """Gradient descent, x' = x + h f(x): Euler's method on the gradient flow."""

    name: ClassVar[str] = "gradient-descent"

    def start(self, x: Vector) -> Memory:
        """No memory."""
        return None

    def step(self, f: Callable[[Vector], Vector], h: Any, x: Vector, memory: Memory) -> Any:
        """x' = x + h f(x)."""
        return x + h * f(x), None


@dataclass(frozen=True)
class HeavyBall(Method):
    """Polyak's heavy ball, x' = x + h f(x) + β (x - x⁻), with x⁻ = x at the start.

    The memory is v = x - x⁻. Equal to `optax.sgd(h, momentum=beta)` and to PyTorch's SGD
    with momentum and without dampening, for a constant h.
    """

    beta: Any = momentum()
    name: ClassVar[str] = "heavy-ball"

    def start(self, x: Vector) -> Memory:
        """v = 0."""
        return 0 * x

    def step(self, f: Callable[[Vector], Vector], h: Any, x: Vector, memory: Memory) -> Any:
        """v' = β v + h f(x), x' = x + v'."""
        v = self.beta * memory + h * f(x)
        return x + v, v


@dataclass(frozen=True)
class Nesterov(Method):
    """Nesterov's momentum in the form of optax and PyTorch, `sgd(nesterov=True)`.

    m' = β m + f(x), x' = x + h (f(x) + β m'). The x of this form is the extrapolated point
    y^k = z^k + β (z^k - z^{k-1}) of z^{k+1} = y^k + h f(y^k): the point where the gradient
    is taken.
    """

    beta: Any = momentum()
    name: ClassVar[str] = "nesterov"

    def start(self, x: Vector) -> Memory:
        """m = 0."""
        return 0 * x

    def step(self, f: Callable[[Vector], Vector], h: Any, x: Vector, memory: Memory) -> Any:
        """m' = β m + f(x), x' = x + h (f(x) + β m')."""
        g = f(x)
        m = self.beta * memory + g
        return x + h * (g + self.beta * m), m


@dataclass(frozen=True)
class DampedHeavyBall(Method):
    """The heavy ball with dampening d, as PyTorch's `SGD(momentum=beta, dampening=d)` has it.

    m' = β m + (1-d) f(x), x' = x + h m', except that PyTorch's first step is not damped:
    m' = f(x^0). (At β = 0 PyTorch leaves out the dampening altogether; this is the limit β → 0.)
    With d = β, m is a moving average, the momentum of Adam and of much theory, save
    for that first step: the drift is f from step 0 on, with no transient, where the average that
    starts from m = 0 begins with (1-β) f. For the latter, and for optax, which has no dampening,
    use `QuasiHyperbolicMomentum` with nu = 1.

    The memory is β m, which lets the first step be like all others.
    """

    beta: Any = momentum()
    dampening: Any = parameter("d", low=0, high=1)
    name: ClassVar[str] = "damped-heavy-ball"

    def start(self, x: Vector) -> Memory:
        """Not enough to begin with: see `begin`."""
        return 0 * x

    def begin(self, f: Callable[[Vector], Vector], h: Any, x: Vector) -> Memory:
        """β m = d f(x^0), so that step 0 has m' = f(x^0)."""
        return self.dampening * f(x)

    def step(self, f: Callable[[Vector], Vector], h: Any, x: Vector, memory: Memory) -> Any:
        """m' = β m + (1-d) f(x), x' = x + h m'."""
        m = memory + (1 - self.dampening) * f(x)
        return x + h * m, self.beta * m


@dataclass(frozen=True)
class QuasiHyperbolicMomentum(Method):
    """Quasi-hyperbolic momentum: a mean of gradient descent and of momentum, with weight ν.

    m' = β m + (1-β) f(x), x' = x + h ((1-ν) f(x) + ν m'); Ma & Yarats, *Quasi-hyperbolic
    momentum and Adam for deep learning* (ICLR 2019), (3) and (4). ν = 1 is the heavy ball with
    step size (1-β) h, ν = β is Nesterov's momentum with step size (1-β) h.
    """

    beta: Any = momentum()
    nu: Any = parameter("nu", low=0, high=1, closed=True)
    name: ClassVar[str] = "quasi-hyperbolic"

    def start(self, x: Vector) -> Memory:
        """m = 0."""
        return 0 * x

    def step(self, f: Callable[[Vector], Vector], h: Any, x: Vector, memory: Memory) -> Any:
        """m' = β m + (1-β) f(x), x' = x + h ((1-ν) f(x) + ν m')."""
        g = f(x)
        m = self.beta * memory + (1 - self.beta) * g
        return x + h * ((1 - self.nu) * g + self.nu * m), m


@dataclass(frozen=True)
class AggregatedMomentum(Method):
    """Aggregated momentum: the mean of several velocities, each with a decay rate of its own.

    v_i' = β_i v_i + f(x), x' = x + (h/K) Σ v_i'; Lucas, Sun, Zemel & Grosse, *Aggregated
    momentum: stability through passive damping* (ICLR 2019), (3). They advise
    β_i = 1 - 10^(-i), i = 0, ..., K-1: ``AggregatedMomentum((0, 0.9, 0.99))``.
    """

    betas: Any = momentum("beta1", "beta2")
    name: ClassVar[str] = "aggregated-momentum"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.betas, tuple) or not self.betas:
            raise ModflowError(
                f"betas must be a tuple of decay rates, such as (0, 0.9); got {self.betas}"
            )

    def start(self, x: Vector) -> Memory:
        """v_i = 0."""
        return tuple(0 * x for _ in self.betas)

    def step(self, f: Callable[[Vector], Vector], h: Any, x: Vector, memory: Memory) -> Any:
        """v_i' = β_i v_i + f(x), x' = x + (h/K) Σ v_i'."""
        g = f(x)
        velocities = tuple(b * v + g for b, v in zip(self.betas, memory, strict=True))
        total = velocities[0]
        for v in velocities[1:]:
            total = total + v
        return x + (h / len(velocities)) * total, velocities
