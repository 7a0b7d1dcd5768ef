"""Update rules. Each is one `step`, read twice: on arrays it is the optimizer, on truncated
B-series its backward error analysis.

To add a method, subclass `Method` as a frozen dataclass: fields are its parameters, `start`
gives the memory before the first step and `step` one update, in nothing but linear
combinations of x, the memory and values of f = -∇E. Nothing else is to be derived. Constants
are plain numbers, such as in h / 6 or 0.5 * x, and `step` depends on its arguments alone.
"""

from __future__ import annotations

import math
import numbers
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import Field, dataclass, field, fields, replace
from decimal import Decimal
from typing import Any, ClassVar, Self

import sympy

from .errors import ModflowError, UnknownNameError
from .series.exact import exact_number

Vector = Any
"""An array, a pytree vector, or a `BSeries`."""
Memory = Any
"""None, a Vector, or a tuple (named or not), list or dict of them."""


def parameter(symbol: str, *, low: float = -math.inf, high: float = math.inf) -> Any:
    """A dataclass field for a parameter: by default a symbol, else low <= value < high."""
    return field(default=sympy.Symbol(symbol), metadata={"low": low, "high": high})


def momentum(symbol: str = "beta") -> Any:
    """A dataclass field for a momentum parameter, 0 ≤ value < 1."""
    return parameter(symbol, low=0, high=1)


@dataclass(frozen=True)
class Method(ABC):
    """An update rule x^k → x^{k+1} for x' = f(x), with linear memory.

    A parameter is a SymPy symbol or expression, an exact number (int, Fraction, Decimal,
    SymPy Rational) or a float. A float stands for the decimal number that it prints as, and makes
    symbolic results come out as floats too.

    Raises ModflowError for a parameter outside its range.
    """

    name: ClassVar[str] = ""
    """The name on the command line; the class name where it is empty."""

    def __post_init__(self) -> None:
        if any(isinstance(value, Field) for value in vars(type(self)).values()):
            raise ModflowError(f"{type(self).__name__} needs the decorator @dataclass(frozen=True)")
        for spec in fields(self):
            value = getattr(self, spec.name)
            if value is None or isinstance(value, str | bool | complex):
                raise ModflowError(f"{spec.name} must be a number or a SymPy symbol, not {value!r}")
            if _is_number(value):
                low = spec.metadata.get("low", -math.inf)
                high = spec.metadata.get("high", math.inf)
                real = getattr(value, "is_extended_real", True) is not False
                if not (real and low <= float(value) < high and math.isfinite(value)):
                    raise ModflowError(
                        f"{spec.name} = {value} is out of range: {self.label} needs "
                        f"{low:g} <= {spec.name} < {high:g}"
                    )

    @abstractmethod
    def start(self, x: Vector) -> Memory:
        """The memory before step 0, made from x^0; None for a method without memory."""

    @abstractmethod
    def step(self, f: Callable[[Vector], Vector], h: Any, x: Vector, memory: Memory) -> Any:
        """One update: (x, memory) → (x', memory')."""

    @property
    def label(self) -> str:
        """The method's name for people and for the command line."""
        return self.name or type(self).__name__

    @property
    def parameters(self) -> dict[str, Any]:
        """Parameter names and values, in the order of the fields."""
        return {spec.name: getattr(self, spec.name) for spec in fields(self)}

    def replace(self, **values: Any) -> Self:
        """The same method with other parameters; an unknown name raises UnknownNameError."""
        for name in values:
            if name not in self.parameters:
                raise UnknownNameError(f"parameter of {self.label}", name, self.parameters)
        return replace(self, **values)

    def exact(self) -> Self:
        """The same method with every float replaced by the decimal number that it prints as."""
        return replace(self, **{name: exact_number(v) for name, v in self.parameters.items()})

    def numeric(self) -> Self:
        """The same method with every parameter a float, as iterates need it.

        Raises ModflowError where a parameter is still a symbol.
        """
        values = {}
        for name, value in self.parameters.items():
            if not _is_number(value):
                raise ModflowError(f"{self.label} needs a number for {name}; it is {value!r}")
            # By way of the exact number: float32(0.9) is the float 0.9, as it is 9/10.
            values[name] = float(exact_number(value))
        return replace(self, **values)

    @property
    def is_inexact(self) -> bool:
        """Whether a parameter was given as a float."""
        return any(
            isinstance(v, numbers.Real | sympy.Float) and not isinstance(v, numbers.Rational)
            for v in self.parameters.values()
        )


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


METHODS: dict[str, type[Method]] = {m.name: m for m in (GradientDescent, HeavyBall, Nesterov)}
"""The methods that the command line knows by name."""

_ALIASES = {"gd": "gradient-descent", "hb": "heavy-ball", "polyak": "heavy-ball"}


def method_named(name: str, values: Mapping[str, Any] | None = None) -> Method:
    """The method of that name (see `METHODS`), with these parameters.

    Raises UnknownNameError for an unknown method or parameter, ModflowError for a parameter
    out of range.
    """
    key = _ALIASES.get(name.lower(), name.lower())
    if key not in METHODS:
        raise UnknownNameError("method", name, METHODS)
    return METHODS[key]().replace(**(values or {}))


def _is_number(value: Any) -> bool:
    """Whether it is an int, a float, a Fraction or a SymPy number; no symbol, no tracer."""
    if isinstance(value, sympy.Expr):
        return bool(value.is_number)
    return isinstance(value, numbers.Real | Decimal) and not isinstance(value, bool)
