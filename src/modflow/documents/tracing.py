"""An update rule as formulas: `step` run on symbols, one formula for each value of f."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

import sympy

from ..memory import flatten, unflatten
from ..methods import Method
from .quantities import tensor

H = sympy.Symbol("h")


@dataclass
class UpdateRule:
    """What a step does, in order: (TeX of the left side, right side, whether it is implicit)."""

    start: list[tuple[str, sympy.Expr]] = field(default_factory=list)
    steps: list[tuple[str, sympy.Expr, bool]] = field(default_factory=list)


def update_rule(method: Method) -> UpdateRule:
    """The formulas of a method's start and step.

    Raises whatever the method's own code raises on symbols: a rule that is not made of linear
    combinations and values of f has no such formulas.
    """
    method = method.map(sympy.nsimplify) if not method.is_inexact else method
    found = UpdateRule()
    first = _Tracer(found, "0")
    begun = method.begin(first.f, H, first.vector("x^{0}"))
    slots = flatten(begun)
    found.start = [
        *((tex, value) for tex, value, _ in found.steps),
        *((_slot(i, len(slots), "0"), _expression(slot)) for i, slot in enumerate(slots)),
    ]
    found.steps = []
    tracer = _Tracer(found, "k")
    memory = unflatten(
        begun, iter([tracer.vector(_slot(i, len(slots), "k")) for i in range(len(slots))])
    )
    point, after = method.step(tracer.f, H, tracer.vector("x^{k}"), memory)
    for i, slot in enumerate(flatten(after)):
        found.steps.append((_slot(i, len(slots), "k+1"), _expression(slot), False))
    found.steps.append(("x^{k+1}", _expression(point), False))
    return found


def _slot(i: int, count: int, step: str) -> str:
    return rf"m^{{{step}}}" if count == 1 else rf"m_{{{i + 1}}}^{{{step}}}"


def _expression(vector: Any) -> sympy.Expr:
    return vector.expression if isinstance(vector, _Vector) else sympy.sympify(vector)


class _Tracer:
    def __init__(self, rule: UpdateRule, step: str) -> None:
        self._rule, self._unknowns = rule, 0
        # What is used before the first step is not what each step uses anew.
        self._at = "^{0}" if step == "0" else ""

    def vector(self, tex: str) -> _Vector:
        return _Vector(tensor(tex), self)

    def f(self, point: _Vector) -> _Vector:
        number = sum(tex.startswith("g") for tex, *_ in self._rule.steps) + 1
        tex = rf"g_{{{number}}}{self._at}"
        from .typeset import typeset

        value = tensor(rf"f\left({typeset(point.expression)}\right)")
        self._rule.steps.append((tex, value, False))
        return _Vector(tensor(tex), self)

    def unknowns(self, count: int) -> list[_Vector]:
        first = self._unknowns + 1
        self._unknowns += count
        return [self.vector(rf"Y_{{{i}}}{self._at}") for i in range(first, first + count)]

    def implicit(self, unknown: _Vector, value: _Vector) -> None:
        self._rule.steps.append((str(unknown.expression), value.expression, True))


class _Vector:
    """A linear combination of named vectors, as an update rule sees one."""

    __array_ufunc__: ClassVar[None] = None

    def __init__(self, expression: sympy.Expr, tracer: _Tracer) -> None:
        self.expression, self.tracer = expression, tracer

    def _new(self, expression: sympy.Expr) -> _Vector:
        return _Vector(sympy.expand(expression), self.tracer)

    def __add__(self, other: Any) -> _Vector:
        return self._new(self.expression + _expression(other))

    __radd__ = __add__

    def __neg__(self) -> _Vector:
        return self._new(-self.expression)

    def __sub__(self, other: Any) -> _Vector:
        return self + -1 * other

    def __rsub__(self, other: Any) -> _Vector:
        return -self + other

    def __mul__(self, number: Any) -> _Vector:
        return self._new(self.expression * sympy.sympify(number))

    __rmul__ = __mul__

    def __truediv__(self, number: Any) -> _Vector:
        return self._new(self.expression / sympy.sympify(number))

    @classmethod
    def fixed_point(
        cls, g: Callable[[tuple[Any, ...]], tuple[Any, ...]], guess: tuple[Any, ...]
    ) -> tuple[Any, ...]:
        """The stages of an implicit rule by name, with the equations that they obey."""
        tracer = guess[0].tracer
        unknown = tuple(tracer.unknowns(len(guess)))
        for one, value in zip(unknown, g(unknown), strict=True):
            tracer.implicit(one, value)
        return unknown
