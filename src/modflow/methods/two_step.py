"""Linear two-step methods."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from ._base import Memory, Method, Vector, is_zero, parameter
from ._solve import fixed_point


@dataclass(frozen=True)
class LinearTwoStep(Method):
    """x⁺ = x + a (x - x⁻) + h (b1 f(x) + b0 f(x⁻) + b2 f(x⁺)), with x⁻ = x at the start.

    The general consistent linear two-step method x⁺ - (1+a) x + a x⁻ = h (b2 f⁺ + b1 f + b0 f⁻),
    zero-stable for -1 <= a < 1 (Hairer, Nørsett & Wanner, *Solving Ordinary Differential
    Equations I*, III.2 and III.3). Heavy ball: (β, 1); Nesterov's momentum in its extrapolated
    points: (β, 1+β, -β), but there optax and PyTorch start from x⁻ with f(x⁻) = 0; Adams-Bashforth:
    (0, 3/2, -1/2); BDF2: (1/3, 0, 0, 2/3), which is implicit, as is all with b2 ≠ 0.

    The memory is x - x⁻ and, where b0 ≠ 0, f(x⁻).
    """

    a: Any = parameter("a", low=-1, high=1)
    b1: Any = parameter("b1")
    b0: Any = 0
    b2: Any = 0
    name: ClassVar[str] = "two-step"

    def start(self, x: Vector) -> Memory:
        """Not enough to begin with: see `begin`."""
        return 0 * x

    def begin(self, f: Callable[[Vector], Vector], h: Any, x: Vector) -> Memory:
        """x - x⁻ = 0, f(x⁻) = f(x^0)."""
        return (0 * x,) if is_zero(self.b0) else (0 * x, f(x))

    def step(self, f: Callable[[Vector], Vector], h: Any, x: Vector, memory: Memory) -> Any:
        """One step, the implicit ones by fixed-point iteration."""
        v = self.a * memory[0]
        here = None
        if not (is_zero(self.b1) and is_zero(self.b0)):
            here = f(x)
            v = v + (h * self.b1) * here
        if not is_zero(self.b0):
            v = v + (h * self.b0) * memory[1]
        if not is_zero(self.b2):
            known = x + v
            (point,) = fixed_point(lambda y: (known + (h * self.b2) * f(y[0]),), (known,))
            v = v + (h * self.b2) * f(point)
        return x + v, (v,) if is_zero(self.b0) else (v, here)
