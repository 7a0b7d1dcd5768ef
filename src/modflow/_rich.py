"""A modified equation on the terminal; imported only when one is printed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sympy
from rich import box
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from ._tables import formula, plain
from .errors import ModflowError, NotAGradient
from .potentials import ModifiedLoss, potential_text
from .series import Tree

if TYPE_CHECKING:
    from .modified import ModifiedEquation

MAX_LENGTH = 1000
"""Formulas for any k that are longer are left out."""
MAX_LENGTH_FROM_ORDER_4 = 120


def equation_view(
    equation: ModifiedEquation, k: int | None = None, *, limit: bool = False
) -> RenderableType:
    """A table of trees with the coefficients for k → ∞, and those of finite k below it.

    With a step k these are the coefficients of that step, else the formulas for any k, except
    long ones: of those only the number is shown. Where there is no limit, the table has the
    coefficients of finite k. With `limit` there is nothing below the table on finite k, and
    ModflowError is raised where there is no limit.
    """
    elements = dict(equation.elements())
    try:
        limits = {tree: b.limit() for tree, b in elements.items()}
    except ModflowError:  # a coefficient grows with k, or oscillates
        if limit:
            raise
        limits = None
    steady = {tree: equation._show(b) for tree, b in (limits or {}).items()}
    step: dict[Tree, sympy.Expr | None]
    if limit:
        step, varies = {}, True
    elif k is not None:
        step = dict(equation.at(k))
        varies = limits is None or step != steady
    else:
        varies = limits is None or any(b != limits[tree] for tree, b in elements.items())
        most = (MAX_LENGTH, MAX_LENGTH_FROM_ORDER_4)
        step = {t: formula(equation, b, most[t.order > 3]) for t, b in elements.items() if varies}
    at = "k" if k is None else str(k)
    heading = f"b_{at}(τ)" if limits is None else "b(τ) for k → ∞" if varies else "b(τ)"
    parts: list[RenderableType] = [
        Text("x' = Σ h^(|τ|-1) / σ(τ) · b(τ) · F(τ)(x),  f = -∇E,  trees with the root below"),
        _table(steady or step, heading),
    ]
    if varies and limits is not None and not limit:
        parts.append(Text(f"at step {at}, on [t_{at}, t_{at}+h]:"))
        shown = ((tree, b) for tree, b in step.items() if b is not None)
        parts += [Text(f"  b_{at}({plain(tree)}) = {b}") for tree, b in shown]
    left_out = sum(b is None for b in step.values())
    if left_out:
        parts.append(
            Text(
                f"  {left_out} longer ones are left out: --step K has those of one step, --json "
                "and `equation.coefficients` all"
            )
        )
    parts.append(Text(_loss_line(equation)))
    return Group(*parts)


def _table(coefficients: dict[Tree, sympy.Expr | None], heading: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, show_lines=False, pad_edge=False)
    table.add_column("tree", no_wrap=True)
    table.add_column("F(τ)", no_wrap=True)
    table.add_column("times", justify="right", no_wrap=True)
    table.add_column("σ", justify="right", no_wrap=True)
    table.add_column(heading)
    for tree, b in coefficients.items():
        power = {1: "1", 2: "h"}.get(tree.order, f"h^{tree.order - 1}")
        value = _Formula("…" if b is None else str(b))
        cells = (Text(tree.picture), plain(tree), power, str(tree.symmetry), value)
        table.add_row(*cells, end_section=True)
    return table


class _Formula:
    """A formula on as many lines as it needs, broken at the signs of its outermost sums."""

    def __init__(self, text: str) -> None:
        depth, self._parts = 0, [""]
        for i, c in enumerate(text):
            depth += {"(": 1, ")": -1}.get(c, 0)
            if depth <= 1 and text[i : i + 3] in (" + ", " - "):
                self._parts.append("")
            self._parts[-1] += c

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        widest = max(len(part.strip()) for part in self._parts)
        return Measurement(min(widest, 24), len("".join(self._parts)))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        lines = [""]
        for part in self._parts:
            if len(lines[-1] + part) > options.max_width and lines[-1]:
                lines.append("")
                part = part.lstrip()
            lines[-1] += part
        yield Text("\n".join(lines), overflow="fold")


def _loss_line(equation: ModifiedEquation) -> str:
    try:
        return f"modified loss{_loss_text(equation.modified_loss())}"
    except NotAGradient as error:
        first, second = error.pair
        # The smallest trees that can differ have order 3: there is always a loss below.
        n = first.order - 1
        lead = _loss_text(equation.truncated(n).modified_loss())
        return (
            f"modified loss to h^{n - 1}{lead}\n"
            f"from h^{n} on none: {plain(first)} and {plain(second)} are rootings of one free "
            "tree, so a modified loss needs equal coefficients, and they differ"
        )


def _loss_text(loss: ModifiedLoss) -> str:
    values, where = (loss.limit, " for k → ∞") if loss.limit else (loss.coefficients, "")
    terms = []
    for tree, c in values.items():
        if c == 0:
            continue
        power = {1: "", 2: "h "}.get(tree.order, f"h^{tree.order - 1} ")
        body = "" if c == 1 else f"({c}) " if c.is_Add else f"{c} "
        terms.append(f"{body}{power}{potential_text(tree)}")
    autonomous = loss.limit == loss.coefficients
    return f"{'' if autonomous else where}: " + " + ".join(terms)
