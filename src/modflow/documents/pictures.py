r"""Trees drawn as trees, in typst and in TikZ, also where they stand in a formula."""

from __future__ import annotations

import re
from collections.abc import Callable

from .._tables import colours_in_layout, layout
from ..series import Tree

_TREE = re.compile(r"\\tree\s*\{([\d,]+)(?::([\d,]+))?\}")


def tree_tex(tree: Tree) -> str:
    r"""A tree in a formula, with colours after a colon where there are any.

    >>> tree_tex(Tree([Tree(), Tree()]))
    '\\tree{1,2,2}'
    """
    levels = ",".join(map(str, tree.level_sequence))
    colours = ":" + ",".join(map(str, tree.colours)) if any(tree.colours) else ""
    return rf"\tree{{{levels}{colours}}}"


def tree_of(tex: str, draw: Callable[[Tree], str]) -> str:
    r"""The TeX with each ``\tree{1,2,2}`` as `draw` has it."""

    def drawn(match: re.Match[str]) -> str:
        levels, colours = (
            [int(n) for n in part.split(",")] if part else [] for part in match.groups()
        )
        return draw(Tree.from_level_sequence(levels, colours))

    return _TREE.sub(drawn, tex)


def tree_typst(tree: Tree, unit: float = 6.5) -> str:
    """For typst, in points; colours beyond 0 are written beside their vertices."""
    points, edges = layout(tree)
    step = unit * 0.95
    colours = colours_in_layout(tree)
    left = min(x for x, _ in points)
    room = 4.5 if any(colours) else 0.0
    width = (max(x for x, _ in points) - left) * unit + 3.4 + room
    height = max(y for _, y in points) * step + 3.4

    def at(i: int) -> tuple[float, float]:
        x, y = points[i]
        return (x - left) * unit + 1.7, height - 1.7 - y * step

    parts = []
    for a, b in edges:
        (x, y), (u, v) = at(a), at(b)
        parts.append(
            f"#place(line(start: ({x:g}pt, {y:g}pt), end: ({u:g}pt, {v:g}pt), stroke: 0.6pt))"
        )
    for i, colour in enumerate(colours):
        x, y = at(i)
        parts.append(
            f"#place(dx: {x - 1.7:g}pt, dy: {y - 1.7:g}pt, circle(radius: 1.7pt, fill: black))"
        )
        if any(colours):
            parts.append(f"#place(dx: {x + 2.4:g}pt, dy: {y - 2.6:g}pt, text(size: 5pt)[{colour}])")
    return (
        f"#box(width: {width:g}pt, height: {height:g}pt, baseline: "
        f"{max(0.0, height / 2 - 3.0):g}pt)[{''.join(parts)}]"
    )
