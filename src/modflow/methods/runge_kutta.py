"""Runge–Kutta methods from a tableau, explicit and implicit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

from ..errors import ModflowError
from ._base import Memory, Method, Vector, is_zero, title
from ._solve import fixed_point


@dataclass(frozen=True)
class RungeKutta(Method):
    """A Runge–Kutta method: Y_i = x + h Σ_j a_ij f(Y_j), x' = x + h Σ_i b_i f(Y_i).

    `A` is a square matrix as a tuple of rows, `b` as many weights; numbers or symbols. Explicit
    where A is strictly lower triangular; else the stages are solved for by fixed-point iteration,
    one after the other where A is lower triangular, all together where it is not. See Hairer,
    Nørsett & Wanner, *Solving Ordinary Differential Equations I*, II.1 and II.7.

    Raises ModflowError where the shapes do not fit.
    """

    A: Any
    b: Any
    title: str = title()
    name: ClassVar[str] = "runge-kutta"

    def __post_init__(self) -> None:
        super().__post_init__()
        A, b = self.A, self.b
        square = isinstance(A, tuple) and all(isinstance(r, tuple) and len(r) == len(A) for r in A)
        shaped = square and isinstance(b, tuple) and len(b) == len(A) > 0
        if not shaped or any(isinstance(v, Method | tuple) for row in (*A, b) for v in row):
            raise ModflowError(
                "a tableau is a square matrix A and as many weights b, such as "
                "RungeKutta(A=((0, 0), (Fraction(1, 2), 0)), b=(0, 1))"
            )

    @property
    def label(self) -> str:
        """The tableau's name, if it has one."""
        return self.title or self.name

    def __str__(self) -> str:
        return self.title or super().__str__()

    def replace(self, **values: Any) -> Self:
        """The same method with another A or b; the name of its tableau goes with them."""
        return replace(super().replace(**values), title="") if values else self

    def start(self, x: Vector) -> Memory:
        """No memory."""
        return None

    def step(self, f: Callable[[Vector], Vector], h: Any, x: Vector, memory: Memory) -> Any:
        """One step; stages of weight 0 that nothing else needs cost nothing."""
        slopes = self._slopes_one_by_one(f, h, x) if self._is_triangular else None
        if slopes is None:
            points = fixed_point(
                lambda Y: tuple(_along(x, h, row, [f(y) for y in Y]) for row in self.A),
                (x,) * len(self.b),
            )
            slopes = [f(y) for y in points]
        return _along(x, h, self.b, slopes), None

    @property
    def _is_triangular(self) -> bool:
        return all(is_zero(a) for i, row in enumerate(self.A) for a in row[i + 1 :])

    def _slopes_one_by_one(
        self, f: Callable[[Vector], Vector], h: Any, x: Vector
    ) -> list[Vector | None]:
        slopes: list[Vector | None] = []
        for i, row in enumerate(self.A):
            later = [self.A[j][i] for j in range(i + 1, len(self.A))]
            if all(is_zero(w) for w in (self.b[i], *later)):
                slopes.append(None)
                continue
            known = _along(x, h, row[:i], slopes)
            slopes.append(f(_stage(f, h, row[i], known)))
        return slopes


def _stage(f: Callable[[Vector], Vector], h: Any, weight: Any, known: Vector) -> Vector:
    """The Y with Y = known + h weight f(Y)."""
    if is_zero(weight):
        return known
    (point,) = fixed_point(lambda y: (known + (h * weight) * f(y[0]),), (known,))
    return point


def _along(x: Vector, h: Any, weights: Any, slopes: Any) -> Vector:
    """x + h Σ w_i k_i, without the terms of weight 0."""
    for w, k in zip(weights, slopes, strict=True):
        if not is_zero(w):
            x = x + (h * w) * k
    return x
