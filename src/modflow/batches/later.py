"""Numbers that a compiled program is given later, so that one serves all values of a parameter."""

from __future__ import annotations

import numbers
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, NoReturn

import jax
import jax.numpy as jnp
import numpy as np
import sympy

from ..errors import ModflowError
from ..methods import Method
from ..series import StepSize
from ..series.tensors import ColouredField, NumericSeries
from ..vectors import Vector

_PLACE = sympy.Symbol("_")
"""Stands for a number in a pattern."""


def pattern_of(method: Method) -> Method:
    """The method without the values of its parameters, where a program can do without them.

    Zeros stay: what has no weight is not computed. A rule that decides by its parameters, or
    needs functions of them, stays as it is, and is compiled with them.
    """
    pattern = method.map(lambda v: _PLACE if v != 0 else 0)
    return pattern if _can_wait(pattern) else method


def places(pattern: Method) -> list[str]:
    """The paths of the parameters that a pattern leaves open."""
    return [path for path, value in pattern.leaves.items() if value is _PLACE]


def with_values(pattern: Method, values: Mapping[str, Any]) -> Method:
    """The method with these numbers in the places, which may be traced."""
    return pattern.with_leaves({path: Later(value) for path, value in values.items()})


@lru_cache(maxsize=256)
def _can_wait(pattern: Method) -> bool:
    names = places(pattern)

    def trial(values: list[Any], h: Any) -> Any:
        """One step of both readings of the rule."""
        rule = with_values(pattern, dict(zip(names, values, strict=True)))
        f, series = ColouredField(jnp.ones(1)), NumericSeries.identity(2)
        point, _ = rule.step(f, StepSize(), series, rule.begin(f, StepSize(), series))
        x = Vector(jnp.ones(1))
        moved, _ = rule.step(lambda y: y, h, x, rule.begin(lambda y: y, h, x))
        return dict(enumerate(point.values())), moved

    try:
        jax.eval_shape(trial, [1.0] * len(names), 1.0)
    except (ArithmeticError, AttributeError, ModflowError, TypeError, ValueError):
        return False
    return True


class Later:
    """A number in a program that is being traced, as an update rule sees it.

    The rule may calculate with it as with a float, but not decide by it: that raises TypeError.
    Beside a series it is a coefficient, as a ring element is; with an array it makes arrays. It
    counts as different from 0, for what has no weight is no part of a program.
    """

    __slots__ = ("value",)
    __array_ufunc__ = None  # NumPy's scalars leave products to this class
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, value: Any) -> None:
        self.value = value

    def __add__(self, other: Any) -> Any:
        return _combined(self, other, lambda a, b: a + b)

    __radd__ = __add__

    def __sub__(self, other: Any) -> Any:
        return _combined(self, other, lambda a, b: a - b)

    def __rsub__(self, other: Any) -> Any:
        return _combined(self, other, lambda a, b: b - a)

    def __mul__(self, other: Any) -> Any:
        if isinstance(other, numbers.Real) and other == 0:
            return 0
        return _combined(self, other, lambda a, b: a * b)

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> Any:
        return _combined(self, other, lambda a, b: a / b)

    def __rtruediv__(self, other: Any) -> Any:
        return _combined(self, other, lambda a, b: b / a)

    def __pow__(self, other: Any) -> Any:
        return _combined(self, other, lambda a, b: a**b)

    def __rpow__(self, other: Any) -> Any:
        return _combined(self, other, lambda a, b: b**a)

    def __neg__(self) -> Later:
        return Later(-self.value)

    def __pos__(self) -> Later:
        return self

    def __eq__(self, other: object) -> bool:
        if isinstance(other, numbers.Real) and other == 0:
            return False
        return self._decided()

    def _decided(self, *_: Any) -> NoReturn:
        raise TypeError("the update rule depends on a number that is not known yet")

    __bool__ = __lt__ = __le__ = __gt__ = __ge__ = __abs__ = _decided

    def __repr__(self) -> str:
        return f"Later({self.value!r})"


def _combined(later: Later, other: Any, operation: Callable[[Any, Any], Any]) -> Any:
    """The result with a number or an array; anything else has to know what it makes of it."""
    if isinstance(other, Later):
        return Later(operation(later.value, other.value))
    if isinstance(other, numbers.Real):
        known = int(other) if isinstance(other, numbers.Integral) else float(other)
        return Later(operation(later.value, known))
    if isinstance(other, np.ndarray | jax.Array):
        return operation(later.value, other)
    return NotImplemented
