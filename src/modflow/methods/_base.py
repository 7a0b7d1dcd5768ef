"""What an update rule is."""

from __future__ import annotations

import math
import numbers
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import Field, dataclass, field, fields, replace
from decimal import Decimal
from typing import Any, ClassVar, Self

import numpy as np
import sympy

from ..errors import ModflowError, UnknownNameError
from ..series.exact import exact_number

Vector = Any
"""An array, a pytree vector, or a series."""
Memory = Any
"""None, a Vector, or a tuple (named or not), list or dict of them."""


def parameter(
    *symbols: str, low: float = -math.inf, high: float = math.inf, closed: bool = False
) -> Any:
    """A dataclass field for a parameter: by default a symbol, else low <= value < high.

    With `closed` the value may be `high`, too. Several symbols make a parameter that is a tuple
    of numbers; with none the parameter has no default.
    """
    metadata = {"low": low, "high": high, "closed": closed, "several": len(symbols) > 1}
    if not symbols:
        return field(metadata=metadata)
    found = tuple(sympy.Symbol(symbol) for symbol in symbols)
    return field(default=found if len(found) > 1 else found[0], metadata=metadata)


def title() -> Any:
    """A dataclass field, by keyword only, for what a method is called; it is no parameter."""
    return field(default="", kw_only=True, metadata={"parameter": False})


def momentum(*symbols: str) -> Any:
    """A dataclass field for a momentum parameter, 0 ≤ value < 1; several symbols for several."""
    return parameter(*(symbols or ("beta",)), low=0, high=1)


@dataclass(frozen=True)
class Method(ABC):
    """An update rule x^k → x^{k+1} for x' = f(x), with linear memory.

    A parameter is a SymPy symbol or expression, an exact number (int, Fraction, Decimal,
    SymPy Rational) or a float; or a tuple of parameters, or another method. A float stands for
    the decimal number that it prints as, and makes symbolic results come out as floats too.

    Raises ModflowError for a parameter outside its range.
    """

    name: ClassVar[str] = ""
    """The name on the command line; the class name where it is empty."""

    def __post_init__(self) -> None:
        if any(isinstance(value, Field) for value in vars(type(self)).values()):
            raise ModflowError(f"{type(self).__name__} needs the decorator @dataclass(frozen=True)")
        for spec in self._specs():
            value = _frozen(getattr(self, spec.name))
            several = spec.metadata.get("several", True)
            parts = value if isinstance(value, tuple) and several else (value,)
            if "low" in spec.metadata and any(isinstance(v, Method | tuple) for v in parts):
                raise ModflowError(f"{self.label} needs a number for {spec.name}; it is {value!r}")
            object.__setattr__(self, spec.name, value)
            for path, leaf in _leaves(spec.name, value):
                if "." not in path:  # what belongs to a method inside, that one has checked
                    self._check(path, leaf, spec.metadata)

    def _check(self, name: str, value: Any, bounds: Mapping[str, Any]) -> None:
        if value is None or isinstance(value, str | bool | complex):
            raise ModflowError(f"{name} must be a number or a SymPy symbol, not {value!r}")
        if not _is_number(value):
            return
        low, high = bounds.get("low", -math.inf), bounds.get("high", math.inf)
        closed = bounds.get("closed", False)
        real = getattr(value, "is_extended_real", True) is not False
        inside = real and (low <= float(value) < high or (closed and float(value) == high))
        if not (inside and math.isfinite(value)):
            raise ModflowError(
                f"{name} = {value} is out of range: {self.label} needs "
                f"{low:g} <= {name} {'<=' if closed else '<'} {high:g}"
            )

    @abstractmethod
    def start(self, x: Vector) -> Memory:
        """The memory before step 0, made from x^0; None for a method without memory."""

    def begin(self, f: Callable[[Vector], Vector], h: Any, x: Vector) -> Memory:
        """The memory before step 0 of a rule that needs f(x^0) for it; else `start`."""
        return self.start(x)

    @abstractmethod
    def step(self, f: Callable[[Vector], Vector], h: Any, x: Vector, memory: Memory) -> Any:
        """One update: (x, memory) → (x', memory')."""

    @property
    def label(self) -> str:
        """The method's name for people and for the command line."""
        return self.name or type(self).__name__

    def __str__(self) -> str:
        """The label with the parameters that have values, such as ``heavy-ball (beta = 0.9)``."""
        values = [
            f"{name} = {_shown(value)}"
            for name, value in self.parameters.items()
            if not isinstance(value, sympy.Symbol)
        ]
        return f"{self.label} ({', '.join(values)})" if values else self.label

    # -- parameters -------------------------------------------------------------------------

    @property
    def parameters(self) -> dict[str, Any]:
        """Parameter names and values, in the order of the fields."""
        return {spec.name: getattr(self, spec.name) for spec in self._specs()}

    def _specs(self) -> list[Field[Any]]:
        return [spec for spec in fields(self) if spec.metadata.get("parameter", True)]

    @property
    def leaves(self) -> dict[str, Any]:
        """The single numbers and symbols in the parameters, by paths such as ``betas[0]``."""
        pairs = (_leaves(name, value) for name, value in self.parameters.items())
        return {path: leaf for found in pairs for path, leaf in found}

    def replace(self, **values: Any) -> Self:
        """The same method with other parameters; an unknown name raises UnknownNameError."""
        for name in values:
            if name not in self.parameters:
                raise UnknownNameError(f"parameter of {self.label}", name, self.parameters)
        return replace(self, **values)

    def map(self, function: Callable[[Any], Any]) -> Self:
        """The same method with `function` applied to every single number and symbol."""
        changed = {name: _mapped(function, value) for name, value in self.parameters.items()}
        return replace(self, **changed)

    def with_leaves(self, values: Mapping[str, Any]) -> Self:
        """The same method with other values at some of the paths of `leaves`."""
        given = iter([values.get(path, leaf) for path, leaf in self.leaves.items()])
        return self.map(lambda _: next(given))

    def exact(self) -> Self:
        """The same method with every float replaced by the decimal number that it prints as."""
        return self.map(exact_number)

    def numeric(self) -> Self:
        """The same method with every parameter a float, as iterates need it.

        Raises ModflowError where a parameter is still a symbol.
        """
        for path, value in self.leaves.items():
            if not _is_number(value):
                raise ModflowError(f"{self.label} needs a number for {path}; it is {value!r}")
        # By way of the exact number: float32(0.9) is the float 0.9, as it is 9/10.
        return self.map(lambda value: float(exact_number(value)))

    def plain(self, function: Callable[[Any], Any]) -> dict[str, Any]:
        """The parameters as JSON has them, `function` applied to single values."""
        return {name: _plain(function, value) for name, value in self.parameters.items()}

    @property
    def is_inexact(self) -> bool:
        """Whether a parameter was given as a float."""
        return any(
            isinstance(v, numbers.Real | sympy.Float) and not isinstance(v, numbers.Rational)
            for v in self.leaves.values()
        )


def is_zero(value: Any) -> bool:
    """Whether it is the number 0, for a rule that leaves out what has no weight.

    Ring elements count as numbers; a value that a compiled program is given later does not.
    """
    if isinstance(value, numbers.Number | sympy.Basic):
        return bool(value == 0)
    exact = getattr(value, "is_constant", None)
    return bool(exact is True and value == 0)


def _is_number(value: Any) -> bool:
    """Whether it is an int, a float, a Fraction or a SymPy number; no symbol, no tracer."""
    if isinstance(value, sympy.Expr):
        return bool(value.is_number)
    return isinstance(value, numbers.Real | Decimal) and not isinstance(value, bool)


# -- parameters that are tuples or methods ------------------------------------------------------


def _frozen(value: Any) -> Any:
    """Lists and arrays as tuples, so that a method can be hashed."""
    if isinstance(value, np.ndarray) and value.ndim:
        value = value.tolist()
    return tuple(_frozen(part) for part in value) if isinstance(value, list | tuple) else value


def _leaves(path: str, value: Any) -> list[tuple[str, Any]]:
    if isinstance(value, Method):
        return [(f"{path}.{inner}", leaf) for inner, leaf in value.leaves.items()]
    if isinstance(value, tuple):
        return [pair for i, part in enumerate(value) for pair in _leaves(f"{path}[{i}]", part)]
    return [(path, value)]


def _mapped(function: Callable[[Any], Any], value: Any) -> Any:
    if isinstance(value, Method):
        return value.map(function)
    if isinstance(value, tuple):
        return tuple(_mapped(function, part) for part in value)
    return function(value)


def _shown(value: Any) -> str:
    if isinstance(value, tuple):
        return f"({', '.join(_shown(part) for part in value)})"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _plain(function: Callable[[Any], Any], value: Any) -> Any:
    if isinstance(value, Method):
        return {"method": value.label, "parameters": value.plain(function)}
    if isinstance(value, tuple):
        return [_plain(function, part) for part in value]
    return function(value)
