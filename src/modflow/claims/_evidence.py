"""What counts as evidence: identities that hold or do not, and measurements that can tell.

Every kind can fail, and says what was found. None has a tolerance of its own: identities are
exact, orders are judged by `convergence`, random samples by their own standard error.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import numpy as np
import sympy
from sympy.logic.boolalg import BooleanAtom

from ..convergence import Numbers, estimate_order, finite_or_none
from ..convergence import Verdict as Outcome
from ..errors import ModflowError, first_line
from ..modified import ModifiedEquation
from ..series import Tree
from ..study import ConvergenceStudy

About = Literal["printed", "corrected", "context"]
_Kind = Literal["exact", "numeric"]

NODE, CHAIN = Tree(), Tree([Tree()])
"""The trees of f and f'f, which is all that flows of order 2 have."""

SIGMAS = 5.0
"""A sample passes within so many standard errors: chance alone exceeds them once in 1.7 million
samples, so that an audit of a hundred, under any seed, gives the same verdicts."""
PRECISION = 1 / 20
"""And it decides nothing unless so many standard errors are below this share of the value: else
a formula that is off by as much would pass."""


@dataclass(frozen=True, eq=False)
class Evidence:
    """One finding: exact (an identity that holds or does not) or numeric (a measurement)."""

    kind: _Kind
    text: str
    verdict: str
    """`pass`, `fail` or `inconclusive`."""
    detail: str
    """What was found, in one line: the difference that vanishes or does not, the order."""
    about: About = "printed"
    """The statement as printed, the corrected one, or neither: context enters no verdict."""
    data: dict[str, Any] = field(default_factory=dict)

    def check(self) -> None:
        """Raise ModflowError for what would enter no verdict, and for what JSON has not."""
        for name, value, kind, what in (
            ("text", self.text, str, "a text"),
            ("detail", self.detail, str, "a text"),
            ("data", self.data, dict, "a dictionary"),
        ):
            if not isinstance(value, kind):
                raise ModflowError(f"evidence {self.text!r}: its {name} is {what}, not {value!r}")
        for value, known in (
            (self.kind, get_args(_Kind)),
            (self.verdict, tuple(Outcome)),
            (self.about, get_args(About)),
        ):
            if value not in known:
                raise ModflowError(
                    f"evidence {self.text!r}: {value!r} is none of {', '.join(known)}"
                )
        try:
            json.dumps(self.to_dict(), allow_nan=False)
        except (TypeError, ValueError, RecursionError) as error:
            raise ModflowError(
                f"evidence {self.text!r} has data that JSON has not: {first_line(error)}"
            ) from error

    @property
    def sizes_and_errors(self) -> tuple[list[float], list[float | None]] | None:
        """What an order was found from, if it was; data of one's own may use the same names."""
        sizes, errors = self.data.get("step_sizes"), self.data.get("errors")
        if not (isinstance(sizes, list) and isinstance(errors, list) and errors):
            return None
        numbers = all(isinstance(h, int | float) for h in sizes) and all(
            e is None or isinstance(e, int | float) for e in errors
        )
        return (sizes, errors) if numbers and len(sizes) == len(errors) else None

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "kind": self.kind,
            "text": self.text,
            "verdict": self.verdict,
            "detail": self.detail,
            "about": self.about,
            "data": self.data,
        }


def fact(
    text: str,
    holds: bool | None,
    detail: str,
    *,
    kind: _Kind = "exact",
    about: About = "printed",
    data: dict[str, Any] | None = None,
) -> Evidence:
    """A finding that holds (True), does not (False) or cannot be told (None).

    Raises ModflowError for any other `holds`: NaN, and a relation that SymPy leaves open, count as
    true in Python.
    """
    if not (holds is None or isinstance(holds, bool | np.bool_ | BooleanAtom)):
        raise ModflowError(f"evidence {text!r}: it holds True, False or None, not {holds!r}")
    verdict = "inconclusive" if holds is None else "pass" if holds else "fail"
    return Evidence(kind, text, verdict, detail, about, data or {})


def difference(a: Any, b: Any) -> sympy.Expr:
    """a - b for rational functions of symbols and of powers such as beta**(2*k), in lowest terms.

    0 exactly where both are identical: each power with a symbol in its exponent is a variable of
    its own, as it is for whole k, and zero can be told from anything else.
    """
    powers: dict[tuple[Any, Any], sympy.Symbol] = {}

    def apart(power: Any) -> Any:
        """β^(2k+1) as q² β with q for β^k."""
        product = sympy.Integer(1)
        for term in sympy.Add.make_args(sympy.expand(power.exp)):
            number, rest = term.as_coeff_Mul()
            if rest == 1:
                product *= power.base**number
            else:
                key = power.base, rest
                product *= powers.setdefault(key, sympy.Dummy(positive=True)) ** number
        return product

    left = sympy.sympify(a) - sympy.sympify(b)
    # (β^M)^k is β^(M k) for whole k; a root of a square is left alone.
    left = left.replace(
        lambda e: e.is_Pow and e.base.is_Pow and bool(e.exp.free_symbols),
        lambda e: e.base.base ** (e.base.exp * e.exp),
    )
    plain = left.replace(lambda e: e.is_Pow and bool(e.exp.free_symbols), apart)
    found = sympy.factor(sympy.cancel(sympy.together(plain)))
    return found.subs({dummy: base**rest for (base, rest), dummy in powers.items()})


def equal(
    text: str,
    derived: Any,
    claimed: Any,
    *,
    about: About = "printed",
    data: dict[str, Any] | None = None,
) -> Evidence:
    """Whether a claimed formula is identical to the derived one."""
    left = difference(derived, claimed)
    derived = _legible(sympy.sympify(derived))
    return Evidence(
        "exact",
        text,
        "pass" if left == 0 else "fail",
        _compared(derived, claimed, left),
        about,
        {
            "derived": str(derived),
            "printed": str(claimed),
            "difference": str(left),
            **(data or {}),
        },
    )


def identity(
    text: str, equation: ModifiedEquation, tree: Tree, formula: Any, *, about: About = "printed"
) -> Evidence:
    """Whether a coefficient of a flow equals the derived one, for all k and all parameters."""
    residual = equation.residual(tree, formula)
    derived = equation.element(tree).to_sympy()
    return Evidence(
        "exact",
        text,
        "pass" if residual == 0 else "fail",
        _compared(derived, formula, residual),
        about,
        {
            "tree": list(tree.level_sequence),
            "derived": str(derived),
            "printed": str(formula),
            "difference": str(residual),
        },
    )


def _legible(expression: sympy.Expr) -> sympy.Expr:
    """The shortest of some forms, in lowest terms with 1 - beta in denominators, not beta - 1."""
    top, bottom = sympy.fraction(sympy.factor(expression))
    number, factors = sympy.factor_list(bottom)
    for factor, power in factors:
        negative = (
            len(factor.free_symbols) == 1 and factor.subs(dict.fromkeys(factor.free_symbols, 0)) < 0
        )
        top, factor = (top * (-1) ** power, -factor) if negative else (top, factor)
        number *= factor**power
    return min(expression, top / number, key=sympy.count_ops)


def _compared(derived: Any, claimed: Any, left: sympy.Expr) -> str:
    if left == 0:
        return f"identical to the derived {derived}"
    return f"derived {derived}; claimed {claimed}; difference {_legible(left)}"


def order(text: str, study: ConvergenceStudy, *, about: About = "printed") -> Evidence:
    """Whether a study shows the order that it was run for.

    Raises KeyboardInterrupt for a study that was ended early: no claim rests on part of one.
    """
    if study.interrupted:
        raise KeyboardInterrupt
    seen = _seen(study.observed_order, study.interval, study.expected)
    constant = study.predicted_constant
    if constant is not None:
        seen += f"; constant {study.constant:.4g}, predicted {constant:.4g}"
    if study.verdict == Outcome.INCONCLUSIVE:
        seen += f"; {study.reason}"
    return Evidence("numeric", text, study.verdict, seen, about, study.to_dict())


def _seen(order: float, interval: tuple[float, float], expected: float) -> str:
    low, high = interval
    seen = f"observed order {order:.3f} in [{low:.3f}, {high:.3f}]"
    return f"{seen if math.isfinite(order) else 'no order'}, expected {expected:g}"


def rate(
    text: str,
    sizes: Numbers,
    errors: Numbers,
    expected: float,
    *,
    uncertainties: Numbers | None = None,
    about: About = "printed",
    data: dict[str, Any] | None = None,
) -> Evidence:
    """Whether errors at these sizes (of h, of σ, of ρ) fall with the expected order."""
    found = estimate_order(sizes, errors, expected, uncertainties=uncertainties)
    low, high = found.interval
    seen = _seen(found.order, found.interval, float(expected))
    if found.verdict is Outcome.INCONCLUSIVE:
        seen += f"; {found.reason}"
    return Evidence(
        "numeric",
        text,
        str(found.verdict or Outcome.INCONCLUSIVE),
        seen,
        about,
        {
            "step_sizes": [float(h) for h in sizes],
            "errors": [finite_or_none(float(e)) for e in errors],
            "expected": float(expected),
            "observed_order": finite_or_none(found.order),
            "interval": [finite_or_none(low), finite_or_none(high)],
            "constant": finite_or_none(found.constant),
            "reason": found.reason,
            **(data or {}),
        },
    )


def sampled(
    text: str,
    mean: float,
    standard_error: float,
    value: float,
    *,
    about: About = "printed",
    data: dict[str, Any] | None = None,
) -> Evidence:
    """Whether the mean of a random sample agrees with a value, and could have contradicted it.

    Of numbers that are not finite, nothing can be told.
    """
    away = abs(mean - value) / standard_error if standard_error > 0 else math.inf
    if standard_error == 0 and mean == value:
        away = 0.0
    precise = SIGMAS * standard_error <= PRECISION * abs(value)
    finite = all(math.isfinite(number) for number in (mean, standard_error, value))
    verdict = "inconclusive"
    if finite:
        verdict = "fail" if away > SIGMAS else "pass" if precise else "inconclusive"
    return Evidence(
        "numeric",
        text,
        verdict,
        f"sampled {mean:.6g} ± {standard_error:.2g}, formula {value:.6g}: "
        f"{away:.1f} standard errors away",
        about,
        {
            "mean": finite_or_none(mean),
            "standard_error": finite_or_none(standard_error),
            "value": finite_or_none(value),
            **(data or {}),
        },
    )
