"""A document for any method: its rule, trees, coefficients, modified equation and modified loss."""

from __future__ import annotations

from typing import Any

import sympy

from ..derivation import step_maps
from ..errors import ModflowError, NotAGradient
from ..gaussian import JetPolynomial
from ..methods import Method
from ..modified import ModifiedEquation, modified_equation
from ..potentials import ModifiedLoss
from ..series import K, Tree
from ..structure import Property
from .document import Document
from .pictures import tree_tex
from .proofs import prove
from .quantities import Quantity
from .rules import Earlier, Modulo, Proved, Rule
from .tracing import update_rule
from .typeset import typeset, width
from .vocabulary import H, coefficient, elementary, field, gradient, potential
from .wide import Wide

_STEPS = 4
"""The first steps, for which closed forms are compared with running the method."""
_CELL = 22.0
"""Letters of a formula that a cell of the table has room for."""


class Run(Rule):
    """A closed form in k, compared besides with the method run step by step."""

    def __init__(self, tree: Tree, values: list[Any]) -> None:
        self._tree, self._values = tree, values

    def prove(self, left: Any, right: Any, modulo: Modulo, earlier: Earlier) -> Proved:
        """Raises NotProved where it differs from what the first steps give."""
        prove(left, right)
        for i, value in enumerate(self._values):
            prove(value, right.subs(K, i).doit())
        return Proved(rf"derived; run for $k \le {len(self._values) - 1}$", "derivation")


def document_of(method: Method, order: int, *, limit: bool = False) -> Document:
    """A document on the modified equation of a method, with the powers h^0, ..., h^(order-1).

    With `limit`, for k → ∞ alone, as `modified_equation` has it. Raises ModflowError as that does.
    """
    equation = modified_equation(method, order, limit=limit)
    # In a document an equals sign would say that the parameter has been found to have the value.
    name = str(method).replace(" = ", " ")
    document = Document(
        f"Modified equation of order {order}: {name}",
        abstract=(
            "Generated. The iterates of the method follow, as formal series in $h$, the flow of a "
            "vector field that is given here exactly, by its coefficients on rooted trees; and a "
            "modified loss, where there is one."
        ),
        keywords=["backward error analysis", "modified equation", method.label],
    )
    document.source = None
    _rule(document, method)
    wide = Wide(document)
    values = _coefficients(document, wide, equation, limit)
    _equation(document, equation, values, limit)
    _loss(document, wide, equation, values, limit)
    return document


def _rule(document: Document, method: Method) -> None:
    document.text(
        r"""
        # The update rule

        A step takes $x^k$, and what the method remembers, to $x^{k+1}$; the field $f := -\nabla E$
        is that of a loss $E$, and $h$ is the step size.
        """
    )
    try:
        rule = update_rule(method)
    except Exception:  # whatever a user's rule does not do on symbols
        document.text("The rule is given by a program; there are no formulas for it here.")
        return
    if rule.start:
        document.text("Before the first step,")
        for tex, value in rule.start:
            document.define(tex, value)
        document.text("and in step $k$")
    else:
        document.text("In step $k$,")
    if any(implicit for *_, implicit in rule.steps):
        document.text("where the stages $Y_i$ are the solution, near $x^k$, of their equations,")
    for tex, value, _ in rule.steps:
        document.define(tex, value)


def _coefficients(
    document: Document, wide: Wide, equation: ModifiedEquation, limit: bool
) -> dict[Tree, Any]:
    """Show the table of trees; wide coefficients below it. Returns b by tree, named if wide."""
    ends = equation.limit if limit else equation._limit_or_none
    steps = None if limit else equation.coefficients
    maps = None
    if not limit:
        logs = [a.log() for a in step_maps(equation.method, equation.order, _STEPS)]
        maps = {t: [_plain(log[t]) for log in logs] for t in equation.coefficients}
    constant = limit or all(b.is_constant for _, b in equation.elements())
    document.text(
        r"""
        # Trees and coefficients {#sec:trees}

        On $[t_k, t_{k+1}]$ with $t_k := k h$ the iterates follow $\dot x := F_k(x)$, where
        $$
        F_k(x) := \sum_\tau \frac{h^{\lvert \tau \rvert - 1}}{\sigma(\tau)} \, b_k(\tau) \,
        F(\tau)(x)
        $$
        is a sum over rooted trees $\tau$ with $\lvert \tau \rvert$ vertices and $\sigma(\tau)$
        symmetries, and $F(\tau)$ is the elementary differential of $\tau$ (in the normalisation of
        Hairer, Lubich and Wanner, *Geometric Numerical Integration*, chapters III.1 and IX.9).
        """
    )
    if steps is not None and any(
        sympy.sympify(b).has(sympy.KroneckerDelta) for b in steps.values()
    ):
        document.text("A condition in square brackets is one where it holds, and zero elsewhere.")
    header = [r"$\tau$", r"$\sigma$", r"$F(\tau)$"]
    shown, rows, below = [], [], []
    if steps is not None and not constant:
        shown.append((r"$b_k(\tau)$", steps))
    if ends is not None:
        shown.append((r"$b(\tau)$" if constant else r"$k \to \infty$", ends))
    for tree in steps if steps is not None else equation.limit:
        row: list[Any] = [tree, tree.symmetry, elementary(tree)]
        for title, values in shown:
            if width(typeset(values[tree])) <= _CELL:
                row.append(values[tree])
            else:
                row.append("below")
                below.append((title, tree, values[tree]))
        rows.append(row)
    document.table(
        header + [title for title, _ in shown],
        rows,
        caption="Trees with their coefficients.",
        label="tab:trees",
        align="crl" + "l" * len(shown),
    )
    named: dict[Tree, Any] = {}
    if maps is not None:
        document.text(
            r"The closed forms hold for all $k$: substituted back, they satisfy the recurrences of "
            r"the method identically. They agree with the method run step by step, besides:"
        )
    for tree in equation.coefficients if not limit else equation.limit:
        value = (equation.limit if limit else equation.coefficients)[tree]
        b = coefficient("b" if constant else "b_k", tree, value)
        rule = None if maps is None else Run(tree, maps[tree])
        wide.equation(b, value, rule)
        named[tree] = value if width(typeset(value)) <= _CELL else b
    if not constant and ends is not None:
        for title, tree, value in below:
            if title.startswith(r"$k"):
                left = Quantity(rf"\lim_{{k \to \infty}} b_k({tree_tex(tree)})", value)
                wide.equation(left, value)
    return named


def _plain(value: Any) -> Any:
    return value.to_sympy() if hasattr(value, "to_sympy") else sympy.sympify(value)


def _equation(
    document: Document, equation: ModifiedEquation, named: dict[Tree, Any], limit: bool
) -> None:
    document.text("# The modified equation {#sec:equation}")
    whole = field(equation, limit=limit)
    symbol = Quantity("F(x)" if limit else "F_k(x)", whole, tensor=True)
    in_f = field(equation, named)
    document.text(r"In the elementary differentials of $f$, and in the derivatives of $E$,")
    document.equation(symbol, in_f, label="eq:field")
    in_loss = in_f.xreplace({elementary(t): elementary(t).meaning for t in named})
    if in_loss != in_f:
        document.equation(symbol, in_loss, label="eq:loss-form")
    document.text(
        "Iterates and flow stay within a constant times "
        rf"$h^{{{equation.order}}}$ of each other over a fixed time."
    )


def _loss(
    document: Document,
    wide: Wide,
    equation: ModifiedEquation,
    named: dict[Tree, Any],
    limit: bool,
) -> None:
    document.text("# The modified loss {#sec:loss}")
    structure = equation.structure().gradient
    order = equation.order
    if not structure.holds:
        order = structure.order
        _why_none(document, wide, equation, structure, limit)
        if order == 0:
            return
    try:
        loss = equation.truncated(order).modified_loss()
    except NotAGradient as error:
        raise ModflowError(str(error)) from error
    polynomial = JetPolynomial.of(loss)
    if limit:
        polynomial = JetPolynomial.of(ModifiedLoss(loss.limit or {}, loss.limit, loss.elements))
    name = r"\hat{E}" if limit else r"\hat{E}_k"
    terms = []
    for tree in loss.coefficients:
        sign = 1 if tree.order % 2 else -1
        factor = sympy.Rational(sign, tree.free_symmetry) * H ** (tree.order - 1)
        terms.append(named[tree] * factor * potential(tree))
    document.define(name, sympy.Add(*terms), label="eq:modified-loss", tensor=True)
    document.text(
        f"The field is minus the gradient of ${name}$, "
        + ("whatever the loss:" if structure.holds else f"up to $h^{{{order - 1}}}$:")
    )
    document.equation(
        -gradient(polynomial, of=name),
        field(equation, {tree: named[tree] for tree in named if tree.order <= order}),
        label="eq:gradient",
    )


def _why_none(
    document: Document,
    wide: Wide,
    equation: ModifiedEquation,
    structure: Property,
    limit: bool,
) -> None:
    first, second = structure.witness
    name = "b" if limit else "b_k"
    values = equation.limit if limit else equation.coefficients
    document.text(
        rf"""
        With the power $h^{{{first.order - 1}}}$ the field is not a gradient, for a general loss.
        The trees [[first]] and [[second]] are rootings of one free tree, and a gradient field has
        one coefficient on both; but here
        """,
        first=first,
        second=second,
    )
    a, b = (coefficient(name, tree, values[tree]) for tree in (first, second))
    gap = (equation.element(first) - equation.element(second)).reduced()
    wide.equation(a - b, (gap.limit() if limit else gap).to_sympy())
    document.text("which does not vanish identically.")
