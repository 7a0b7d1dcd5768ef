"""Iterates and flow side by side in many digits: orders that float64's rounding hides.

As `integrate`, with the arithmetic of Arb (F. Johansson, *Arb: efficient arbitrary-precision
midpoint-radius interval arithmetic*, IEEE Transactions on Computers 66, 2017). Update rule,
parameters, step size and coefficients enter exactly. Beside the distance of iterates and flow
stands what theory predicts for it, h^p e(t), where e solves

    e' = DF_k(y) e + G_k(y),   e(0) = 0,   G_k = Σ_{|τ|=p+1} b_k(τ)/σ(τ) F(τ),

and the remainder of that prediction, which is one order smaller.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import flint
import numpy as np
import sympy

from .balls import (
    BallRing,
    BallVector,
    ExactNumber,
    ball,
    fraction_of,
    length,
    working_precision,
)
from .coefficients import Coefficients
from .errors import ModflowError
from .fields import PiecewiseField, polynomial_parts
from .grid import is_whole
from .methods import Method
from .modified import ModifiedEquation
from .series.program import Program
from .taylor import Explosion, FlowState, TaylorFlow

if TYPE_CHECKING:
    from .problems import Problem

BLOW_UP = 1e8
"""A trajectory this many times larger than its start (or than 1) has diverged."""
MIN_DIGITS, MAX_DIGITS = 20, 1000
FAR_BELOW = 1e-8
"""The share of the distance seen so far that all steps of the flow together may add to it: far
below the remainder of the prediction, not only below the error."""

_GUARD_BITS = 64
"""Beyond the digits asked for, for sums of large terms in a field of high order."""
_MOST_AHEAD = 4096
_PROGRESS_SECONDS = 0.2


@dataclass(frozen=True)
class PreciseComparison:
    """Iterates x^k and flow y(t_k) of one step size, k = 1, ..., steps.

    Lengths are Euclidean. Where one of them diverged, `error`, `predicted` and `remainder` are
    NaN, and the other numbers are those up to there.
    """

    h: float
    steps: int
    error: float
    """max_k ‖x^k - y(t_k)‖."""
    error_step: int
    """The k at which that maximum is taken."""
    predicted: float
    """max_k h^p ‖e(t_k)‖; NaN without the equation of the next order."""
    remainder: float
    """max_k ‖x^k - y(t_k) - h^p e(t_k)‖; NaN as well."""
    integrator: float
    """A bound for the error that the integration of the flow adds to any y(t_k)."""
    rounding: float
    """A bound for what rounding does to x^k and y(t_k): the distance between iterates of so many
    digits and those compared, which have 19 more, and the radii of the balls in the flow. Below
    10^-308 no float can tell it from 0."""
    scale: float
    """max_k ‖x^k‖."""
    substeps: int = 1
    """Always 1: a Taylor series takes what steps it needs."""
    diverged: tuple[str, int] | None = None
    """("iterates" or "flow", k) where one of them left all bounds, at step k."""


class PreciseSideBySide:
    """Iterates of a method next to a flow, on a problem given as a formula, in many digits.

    `equation` is the modified equation of the flow, of order p; `following`, of order p+1,
    predicts the error. Symbols in them stand for the parameters of `method`. `digits` are those
    that the comparison can rely on: take some more than the smallest error has zeros.

    Raises ModflowError for a method with a parameter that is no rational number, a problem
    without a formula, digits outside 20..1000, and equations that do not go together.
    """

    def __init__(
        self,
        method: Method,
        problem: Problem,
        equation: ModifiedEquation,
        digits: int,
        following: ModifiedEquation | None = None,
    ) -> None:
        if not is_whole(digits) or not MIN_DIGITS <= digits <= MAX_DIGITS:
            raise ModflowError(
                f"digits must be a whole number from {MIN_DIGITS} to {MAX_DIGITS}; got {digits!r}"
            )
        formula = problem.formula
        if formula is None:
            raise ModflowError(
                f"`--digits` needs a problem given as a formula; {problem.name} has none"
            )
        if following is not None and following.order <= equation.order:
            raise ModflowError(
                f"the error of order {equation.order} is predicted by the equation of the next "
                f"order, not by one of order {following.order}"
            )
        method.numeric()  # says which parameter still lacks a number
        self._method = method.exact().map(ExactNumber.of)
        self._start, self._order = formula.start, equation.order
        self._bits = math.ceil(int(digits) * math.log2(10))
        self._program = Program(
            formula.variables, [-formula.expression.diff(x) for x in formula.variables]
        )
        self._field = self._coefficients(equation, method, equation.order)
        self._defect = (
            None if following is None else self._coefficients(following, method, equation.order + 1)
        )
        self._parts = polynomial_parts(self._program, equation.order + (following is not None))

    def _coefficients(self, equation: ModifiedEquation, method: Method, top: int) -> Coefficients:
        """Those of all trees up to the order of the flow, or of the one order after it."""
        values = _symbol_values(equation, method)
        trees = [tree for tree, _ in equation.elements()]
        if top > self._order:
            trees = [tree for tree in trees if tree.order == top]
        return Coefficients(equation, trees, values, self._bits)

    def run(
        self,
        h: Fraction | float,
        steps: int,
        progress: Callable[[int], None] | None = None,
    ) -> PreciseComparison:
        """Advance both by `steps` steps of size h; a float is the decimal number it prints as.

        `progress` is called with the number of steps done, a few times a second. Raises
        ModflowError for an h that is not positive and finite, or no whole number of steps.
        """
        exact = fraction_of(h)
        if exact is None or exact <= 0:
            raise ModflowError(f"a step size is a positive number; got {h!r}")
        if not is_whole(steps) or steps < 1:
            raise ModflowError(f"the number of steps is a whole number from 1; got {steps!r}")
        with working_precision(self._bits + _GUARD_BITS):
            return self._run(exact, int(steps), progress)

    def _run(
        self, h: Fraction, steps: int, progress: Callable[[int], None] | None
    ) -> PreciseComparison:
        flow = self._flow(h)
        iterates = _Iterates(self._method, self._program, h, self._start, flint.ctx.prec)
        shadow = _Iterates(self._method, self._program, h, self._start, self._bits)
        state = FlowState([ball(c).mid() for c in self._start], np.zeros(len(self._start)))
        ahead: list[FlowState] = []
        seen = _Maxima(length(state.y), self._defect is not None)
        limit = BLOW_UP * max(1.0, seen.scale)
        power = ball(h**self._order)
        diverged, reported = None, time.monotonic()
        for k in range(steps):
            x, coarse = iterates.advance(), shadow.advance()
            seen.scale = max(seen.scale, length(x))
            if not length(x) <= limit:  # NaN, too
                diverged = ("iterates", k + 1)
                break
            try:
                if not ahead:
                    tolerance = seen.tolerance(steps, self._bits)
                    most = min(steps - k, _MOST_AHEAD)
                    ahead = flow.advance(k, state, most, tolerance)[::-1]
                state = ahead.pop()
                if not length(state.y) <= limit:
                    raise Explosion
            except Explosion:
                diverged = ("flow", k + 1)
                break
            seen.add(k + 1, x, coarse, state, power)
            if progress is not None and time.monotonic() - reported > _PROGRESS_SECONDS:
                progress(k + 1)
                reported = time.monotonic()
        if progress is not None and diverged is None:
            progress(steps)
        return seen.result(float(h), steps, diverged)

    def _flow(self, h: Fraction) -> TaylorFlow:
        defect = None
        if self._defect is not None:
            # Of h · h^p G the power h^p is left to the result.
            defect = PiecewiseField(self._program, self._defect, self._parts, h, -self._order)
        field = PiecewiseField(self._program, self._field, self._parts, h, 0)
        return TaylorFlow(field, defect, flint.ctx.prec, self._order + 2)


class _Maxima:
    """What a comparison is made of, as it goes on."""

    def __init__(self, scale: float, predicts: bool) -> None:
        nothing = 0.0 if predicts else math.nan
        self.error, self.error_step, self.scale = 0.0, 0, scale
        self.predicted, self.remainder, self.integrator, self.rounding = nothing, nothing, 0.0, 0.0

    def tolerance(self, steps: int, bits: int) -> float:
        """log2 of what one step of the flow may leave out."""
        full = math.log2(self.scale or 1.0) - bits
        if self.error == 0:
            return full
        return max(full, math.log2(self.error) + math.log2(FAR_BELOW / steps))

    def add(
        self, k: int, x: Sequence[Any], coarse: Sequence[Any], state: FlowState, power: Any
    ) -> None:
        difference = [a - b for a, b in zip(x, state.y, strict=True)]
        error = length(difference)
        if error > self.error:
            self.error, self.error_step = error, k
        lost = length([a - b for a, b in zip(x, coarse, strict=True)])
        self.rounding = max(self.rounding, lost, state.rounding)
        self.integrator = max(self.integrator, state.integrator)
        if not math.isnan(self.predicted):
            leading = [power * flint.arb(float(e)) for e in state.e]
            self.predicted = max(self.predicted, length(leading))
            rest = [a - b for a, b in zip(difference, leading, strict=True)]
            self.remainder = max(self.remainder, length(rest))

    def result(self, h: float, steps: int, diverged: tuple[str, int] | None) -> PreciseComparison:
        failed = math.nan if diverged else 0.0
        return PreciseComparison(
            h=h,
            steps=steps,
            error=self.error + failed,
            error_step=self.error_step,
            predicted=self.predicted + failed,
            remainder=self.remainder + failed,
            integrator=self.integrator,
            rounding=self.rounding,
            scale=self.scale,
            diverged=diverged,
        )


# -- iterates -------------------------------------------------------------------------------------


class _Iterates:
    """x^0, x^1, ... with so many bits."""

    def __init__(
        self, method: Method, program: Program, h: Fraction, start: Sequence[Fraction], bits: int
    ) -> None:
        self._method, self._program, self._bits = method, program, bits
        self._h, self._ring = ExactNumber(h), BallRing()
        with working_precision(bits):
            self._x = BallVector([ball(c).mid() for c in start])
            self._memory = method.begin(self._force, self._h, self._x)

    def _force(self, x: BallVector) -> BallVector:
        return BallVector([value.mid() for value in self._program.values(x.parts, self._ring)])

    def advance(self) -> list[Any]:
        """The next iterate."""
        with working_precision(self._bits):
            self._x, self._memory = self._method.step(self._force, self._h, self._x, self._memory)
        return self._x.parts


def _symbol_values(equation: ModifiedEquation, method: Method) -> dict[str, Fraction]:
    """Numbers for the symbols that stand for the method's parameters in the equation."""
    given = method.leaves
    values = {}
    for path, symbol in equation.method.leaves.items():
        if isinstance(symbol, sympy.Symbol) and path in given:
            value = fraction_of(given[path])
            if value is None:
                raise ModflowError(
                    f"{path} must be a rational number or a float; got {given[path]!r}"
                )
            values[symbol.name] = value
    return values
