"""A modified equation on the terminal; imported only when one is printed."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from .errors import NotAGradient
from .potentials import ModifiedLoss, potential_text
from .series import Tree

if TYPE_CHECKING:
    from .modified import ModifiedEquation


def equation_view(equation: ModifiedEquation, k: int | None = None) -> RenderableType:
    """A table of trees with the coefficients that are short, and the long ones below it."""
    limit = equation._limit_or_none
    step = equation.coefficients if k is None else equation.at(k)
    varies = limit is None or any(step[tree] != limit[tree] for tree in step)
    steady = step if limit is None or not varies else limit
    table = Table(box=box.SIMPLE_HEAD, show_lines=False, pad_edge=False)
    table.add_column("tree", no_wrap=True)
    table.add_column("F(τ)", no_wrap=True)
    table.add_column("times", justify="right")
    table.add_column("σ", justify="right")
    table.add_column("b(τ)" + (" for k → ∞" if varies and limit is not None else ""))
    for tree, b in steady.items():
        power = {1: "1", 2: "h"}.get(tree.order, f"h^{tree.order - 1}")
        cells = (Text(tree.picture), plain(tree), power, str(tree.symmetry), Text(str(b)))
        table.add_row(*cells, end_section=True)
    parts: list[RenderableType] = [
        Text("x' = Σ h^(|τ|-1) / σ(τ) · b(τ) · F(τ)(x),  f = -∇E,  trees with the root below"),
        table,
    ]
    if varies and limit is not None:
        at = "k" if k is None else str(k)
        parts.append(Text(f"at step {at}, on [t_{at}, t_{at}+h]:"))
        parts += [Text(f"  b_{at}({plain(tree)}) = {b}") for tree, b in step.items()]
    parts.append(Text(_loss_line(equation)))
    return Group(*parts)


def plain(tree: Tree) -> str:
    """The elementary differential without TeX: f''(f,f'f), f^(4)(f,f,f,f)."""
    return re.sub(r"\{(.*?)\}", r"\1", tree.differential())


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
