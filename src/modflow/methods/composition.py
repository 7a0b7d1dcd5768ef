"""Methods made of methods."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from ..errors import ModflowError
from ._base import Memory, Method, Vector
from ._solve import fixed_point


@dataclass(frozen=True)
class Composition(Method):
    """One step of each method in turn, the first one first; each keeps its own memory.

    Method i takes the step size fractions[i] · h, by default h itself: two halves of one step
    are ``Composition((method, method), (Fraction(1, 2), Fraction(1, 2)))``. Compositions are how
    splitting methods and methods of high order are made (Hairer, Lubich & Wanner, *Geometric
    Numerical Integration*, II.4), and optimizers that alternate.

    Raises ModflowError where there is nothing to compose, or not one fraction for each.
    """

    methods: Any
    fractions: Any = ()
    name: ClassVar[str] = "composition"

    def __post_init__(self) -> None:
        if not isinstance(self.methods, tuple | list) or not self.methods:
            raise ModflowError(f"a composition needs methods; got {self.methods!r}")
        for method in self.methods:
            if not isinstance(method, Method):
                raise ModflowError(f"a composition is made of methods; {method!r} is none")
        if not isinstance(self.fractions, tuple | list):
            raise ModflowError(f"fractions must be a tuple, one for each; got {self.fractions!r}")
        if not self.fractions:
            object.__setattr__(self, "fractions", (1,) * len(self.methods))
        if any(isinstance(fraction, Method | tuple | list) for fraction in self.fractions):
            raise ModflowError(f"the fractions of h are single numbers; got {self.fractions!r}")
        if len(self.fractions) != len(self.methods):
            raise ModflowError(
                f"{len(self.methods)} methods but {len(self.fractions)} fractions of h: "
                "give one for each"
            )
        super().__post_init__()

    def __str__(self) -> str:
        same = all(fraction == 1 for fraction in self.fractions)
        parts = [
            str(method) if same else f"{method} with {fraction} h"
            for method, fraction in self._pairs
        ]
        return ", then ".join(parts)

    def start(self, x: Vector) -> Memory:
        """The memories of all methods."""
        return tuple(method.start(x) for method in self.methods)

    def begin(self, f: Callable[[Vector], Vector], h: Any, x: Vector) -> Memory:
        """The memories of all methods, all made at x^0."""
        return tuple(m.begin(f, h * c, x) for m, c in self._pairs)

    def step(self, f: Callable[[Vector], Vector], h: Any, x: Vector, memory: Memory) -> Any:
        """One step of each method."""
        after = []
        for (method, fraction), own in zip(self._pairs, memory, strict=True):
            x, own = method.step(f, h * fraction, x, own)
            after.append(own)
        return x, tuple(after)

    @property
    def _pairs(self) -> Any:
        return tuple(zip(self.methods, self.fractions, strict=True))


@dataclass(frozen=True)
class Adjoint(Method):
    """The adjoint of a one-step method: the inverse of its step with -h, Φ*_h = Φ_{-h}⁻¹.

    That of Euler's method is implicit Euler, the proximal point method. A method composed with
    its adjoint, at h/2 each, is symmetric: its modified field has even powers of h only (Hairer,
    Lubich & Wanner, *Geometric Numerical Integration*, II.3 and IX.2).

    Raises ModflowError for a method with memory.
    """

    method: Any
    name: ClassVar[str] = "adjoint"

    def __post_init__(self) -> None:
        if not isinstance(self.method, Method):
            raise ModflowError(f"an adjoint needs a method; got {self.method!r}")
        super().__post_init__()

    def __str__(self) -> str:
        return f"adjoint of {self.method}"

    def start(self, x: Vector) -> Memory:
        """No memory; of a composition, the empty memories of its parts."""
        memory = self.method.start(x)
        if not _is_empty(memory):
            raise ModflowError(f"{self.method.label} has memory, so its step has no inverse")
        return memory

    def step(self, f: Callable[[Vector], Vector], h: Any, x: Vector, memory: Memory) -> Any:
        """The x' whose step with -h leads back to x, by fixed-point iteration."""

        def back(y: Vector) -> Vector:
            return self.method.step(f, -1 * h, y, memory)[0]

        (point,) = fixed_point(lambda y: (x + (y[0] - back(y[0])),), (x,))
        return point, memory


def _is_empty(memory: Memory) -> bool:
    parts = memory.values() if isinstance(memory, dict) else memory
    return memory is None or (
        isinstance(memory, dict | tuple | list) and all(_is_empty(part) for part in parts)
    )
