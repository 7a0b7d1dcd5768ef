"""Numbers in many digits: balls, and the exact numbers and vectors that update rules run on.

A ball is a real interval, midpoint and radius, in the arithmetic of Arb (F. Johansson, *Arb:
efficient arbitrary-precision midpoint-radius interval arithmetic*, IEEE Transactions on
Computers 66, 2017). Its precision is a setting of the whole process: see `working_precision`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from typing import Any

import flint

from .errors import ModflowError
from .series.exact import exact_constant, exact_number


@contextmanager
def working_precision(bits: int) -> Iterator[None]:
    """Within this context, balls have so many bits."""
    before = flint.ctx.prec
    flint.ctx.prec = bits
    try:
        yield
    finally:
        flint.ctx.prec = before


def rational(value: Fraction) -> Any:
    """A fraction as FLINT has it."""
    return flint.fmpq(value.numerator, value.denominator)


def ball(value: Fraction) -> Any:
    """A fraction as a ball of the working precision."""
    return flint.arb(rational(value))


def fraction_of(value: Any) -> Fraction | None:
    """A number exactly, a float as the decimal it prints as; None for what is not rational."""
    try:
        exact = exact_number(value)
    except (ValueError, OverflowError):  # not finite
        return None
    return exact if isinstance(exact, Fraction) else None


def length(parts: Iterable[Any]) -> float:
    """The Euclidean norm of balls, as a float."""
    return math.hypot(*(float(part) for part in parts))


class BallRing:
    """Balls with the working precision that is set when they are made."""

    def __init__(self) -> None:
        self._constants: dict[Fraction | str, Any] = {}

    def constant(self, value: Fraction | str) -> Any:
        """A rational number, π or e, as a ball."""
        found = self._constants.get(value)
        if found is None:
            special = {"pi": flint.arb.pi, "E": flint.arb.const_e}
            found = special[value]() if isinstance(value, str) else ball(value)
            self._constants[value] = found
        return found

    def function(self, name: str, power: Fraction | None, value: Any) -> Any:
        """An elementary function of a ball; NaN where it is not defined."""
        if name == "inverse":
            return 1 / value
        if name == "power":
            return (value.log() * self.constant(power or Fraction(1))).exp()
        return getattr(value, name)()


class ExactNumber:
    """A rational number that stays one: a parameter or the step size, as an update rule sees it.

    Constants in the code of a rule mean what they mean to its series, a float 1/6 a sixth.
    """

    __slots__ = ("value",)
    __array_ufunc__ = None
    is_constant = True

    def __init__(self, value: Fraction) -> None:
        self.value = value

    @classmethod
    def of(cls, value: Any) -> ExactNumber:
        """A parameter; raises ModflowError where it is not rational."""
        found = fraction_of(value)
        if found is None:
            raise ModflowError(f"a parameter must be a rational number or a float; got {value!r}")
        return cls(found)

    def _other(self, other: Any) -> Fraction | None:
        if isinstance(other, ExactNumber):
            return other.value
        return None if isinstance(other, BallVector) else Fraction(exact_constant(other))

    def _with(self, other: Any, result: Callable[[Fraction, Fraction], Any]) -> Any:
        value = self._other(other)
        return NotImplemented if value is None else result(self.value, value)

    def __add__(self, other: Any) -> Any:
        return self._with(other, lambda a, b: ExactNumber(a + b))

    def __sub__(self, other: Any) -> Any:
        return self._with(other, lambda a, b: ExactNumber(a - b))

    def __rsub__(self, other: Any) -> Any:
        return self._with(other, lambda a, b: ExactNumber(b - a))

    def __mul__(self, other: Any) -> Any:
        return self._with(other, lambda a, b: ExactNumber(a * b))

    def __truediv__(self, other: Any) -> Any:
        return self._with(other, lambda a, b: ExactNumber(a / b))

    def __rtruediv__(self, other: Any) -> Any:
        return self._with(other, lambda a, b: ExactNumber(b / a))

    __radd__, __rmul__ = __add__, __mul__

    def __neg__(self) -> ExactNumber:
        return ExactNumber(-self.value)

    def __pow__(self, power: int) -> ExactNumber:
        return ExactNumber(self.value**power)

    def __eq__(self, other: object) -> bool:
        return bool(self._with(other, lambda a, b: a == b))

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return str(self.value)


class BallVector:
    """A point or a direction: a list of balls without radius, rounded after every operation."""

    __slots__ = ("parts",)
    __array_ufunc__ = None

    def __init__(self, parts: list[Any]) -> None:
        self.parts = parts

    def __add__(self, other: Any) -> BallVector:
        if not isinstance(other, BallVector):
            return self if isinstance(other, int | float) and other == 0 else NotImplemented
        return BallVector([(a + b).mid() for a, b in zip(self.parts, other.parts, strict=True)])

    __radd__ = __add__

    def __sub__(self, other: Any) -> BallVector:
        if not isinstance(other, BallVector):
            return self + (-other)
        return BallVector([(a - b).mid() for a, b in zip(self.parts, other.parts, strict=True)])

    def __rsub__(self, other: Any) -> BallVector:
        return -self + other

    def __neg__(self) -> BallVector:
        return BallVector([-a for a in self.parts])

    def __mul__(self, scalar: Any) -> BallVector:
        factor = _scalar(scalar)
        return BallVector([(a * factor).mid() for a in self.parts])

    __rmul__ = __mul__

    def __truediv__(self, scalar: Any) -> BallVector:
        divisor = _scalar(scalar)
        return BallVector([(a / divisor).mid() for a in self.parts])

    @staticmethod
    def fixed_point(g: Callable[[Any], Any], guess: Any) -> Any:
        """The y with y = g(y), to rounding; NaN where the iteration does not contract."""
        last, precision = math.inf, flint.ctx.prec
        for _ in range(4 * precision):
            new = g(guess)
            pairs = [
                (a, b)
                for u, v in zip(new, guess, strict=True)
                for a, b in zip(u.parts, v.parts, strict=True)
            ]
            change = max(abs(a - b) for a, b in pairs)
            size = max(abs(a) for a, _ in pairs)
            guess = new
            if not change.is_finite():
                break
            if change == 0 or (
                change >= last and change <= size * flint.arb(2) ** (20 - precision)
            ):
                return guess
            last = change
        return tuple(BallVector([flint.arb.nan() for _ in y.parts]) for y in guess)


def _scalar(value: Any) -> Any:
    if isinstance(value, ExactNumber):
        return ball(value.value)
    return value if isinstance(value, int) else ball(Fraction(exact_constant(value)))
