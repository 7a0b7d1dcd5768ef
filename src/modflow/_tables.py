"""The trees and coefficients of a modified equation as tables in HTML and in TeX."""

from __future__ import annotations

import html
import math
import re
from dataclasses import dataclass

import sympy

from ._mathml import coefficient, differential, fenced
from .errors import ModflowError
from .modified import ModifiedEquation
from .series import ClosedForm, Tree

MAX_LENGTH = 400
"""Tables have no column for finite k, unless asked for, where a formula is longer than this."""


@dataclass(frozen=True)
class _Table:
    """Coefficients by columns: what their headings say, and b(τ) for every tree."""

    trees: tuple[Tree, ...]
    columns: dict[str, list[sympy.Expr]]
    """By "any" (one value for all k), "k" and "limit"."""
    note: str


def _table(equation: ModifiedEquation, limit: bool, steps: bool | None) -> _Table:
    if not isinstance(equation, ModifiedEquation):
        raise ModflowError(f"a modified equation is needed; got {equation!r}")
    if limit and steps:
        raise ModflowError("the limit alone and a column for finite k exclude each other")
    trees, elements = zip(*equation.elements(), strict=True)
    try:
        limits = [b.limit() for b in elements]
    except ModflowError:
        if limit or steps is False:
            raise
        limits = None
    columns: dict[str, list[sympy.Expr]] = {}
    most, note = math.inf if steps else MAX_LENGTH, ""
    if limits is None:
        columns["k"] = [equation._show(b) for b in elements]
        note = "There is no limit as k grows."
    elif limit:
        columns["limit"] = [equation._show(c) for c in limits]
    elif all(b == c for b, c in zip(elements, limits, strict=True)):
        columns["any"] = [equation._show(b) for b in elements]
    else:
        shown = [None if steps is False else formula(equation, b, most) for b in elements]
        if None in shown:
            note = "The coefficients for finite k are left out."
        else:
            columns["k"] = shown
        columns["limit"] = [equation._show(c) for c in limits]
    return _Table(trees, columns, note)


def formula(equation: ModifiedEquation, b: ClosedForm, most: float) -> sympy.Expr | None:
    """An element as an expression; None if it has more characters than this.

    What has many terms is long, and is not even made.
    """
    if 4 * len(b.numerator) > most:
        return None
    shown = equation._show(b)
    return shown if len(str(shown)) <= most else None


def plain(tree: Tree) -> str:
    """The elementary differential without TeX: f''(f,f'f), f^(4)(f,f,f,f)."""
    return re.sub(r"\{(.*?)\}", r"\1", tree.differential())


# -- HTML ----------------------------------------------------------------------------------------

_TABLE_STYLE = "border-collapse: collapse; color: #222; background: #fff"
_CAPTION_STYLE = "padding: 0.3em 0.7em; text-align: left"
_CELL_STYLE = f"{_CAPTION_STYLE}; vertical-align: middle; border-bottom: 1px solid #ddd"


def html_table(
    equation: ModifiedEquation, *, limit: bool = False, steps: bool | None = None
) -> str:
    """An HTML table of the trees: picture, order, F(τ), σ(τ) and b(τ) for finite k and k → ∞.

    Formulas are MathML, pictures SVG: nothing else is loaded and no script runs. The text is ASCII
    and well-formed XML. With `limit` there is only the limit; the column for finite k, where the
    coefficients depend on k, is left out where one of them is long, unless `steps` is true, and
    always where it is false. The caption says so.

    Raises ModflowError where the limit is asked for and there is none.
    """
    table = _table(equation, limit, steps)
    k, of_tree = "<mi>k</mi>", fenced("<mi>τ</mi>")
    headings = {
        "any": f"<mi>b</mi>{of_tree}",
        "k": f"<msub><mi>b</mi>{k}</msub>{of_tree}",
        "limit": f"<munder><mo>lim</mo><mrow>{k}<mo>→</mo><mi>∞</mi></mrow></munder>"
        f"<msub><mi>b</mi>{k}</msub>{of_tree}",
    }
    shown = [
        "<mi>τ</mi>",
        "<mo>|</mo><mi>τ</mi><mo>|</mo>",
        f"<mi>F</mi>{of_tree}",
        f"<mi>σ</mi>{of_tree}",
        *(headings[name] for name in table.columns),
    ]
    rows = [f"<tr>{''.join(_cell('th', _math(text)) for text in shown)}</tr>"]
    for i, tree in enumerate(table.trees):
        cells = [
            tree._repr_svg_().replace("<svg ", f'<svg role="img" aria-label="{tree.bracket}" ', 1),
            _math(f"<mn>{tree.order}</mn>"),
            _math(differential(tree)),
            _math(f"<mn>{tree.symmetry}</mn>"),
            *(_math(coefficient(values[i])) for values in table.columns.values()),
        ]
        rows.append(f"<tr>{''.join(_cell('td', text) for text in cells)}</tr>")
    series = "x′ = Σ h<sup>|τ|−1</sup> / σ(τ) · b(τ) · F(τ)(x)"
    caption = ". ".join(filter(None, [f"{html.escape(_title(equation))}: {series}", table.note]))
    lines = [
        f'<table class="modflow" style="{_TABLE_STYLE}">',
        f'<caption style="{_CAPTION_STYLE}">{caption}</caption>',
        "<thead>",
        rows[0],
        "</thead>",
        "<tbody>",
        *rows[1:],
        "</tbody>",
        "</table>",
        "",
    ]
    return "\n".join(lines).encode("ascii", "xmlcharrefreplace").decode()


def html_page(equation: ModifiedEquation, *, limit: bool = False, steps: bool | None = None) -> str:
    """The same table as an HTML document of its own."""
    title = html.escape(_title(equation)).encode("ascii", "xmlcharrefreplace").decode()
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8"/>\n'
        f"<title>{title}</title>\n</head>\n<body>\n"
        f"{html_table(equation, limit=limit, steps=steps)}</body>\n</html>\n"
    )


def _title(equation: ModifiedEquation) -> str:
    return f"{' '.join(str(equation.method).split())}, order {equation.order}"


def _cell(tag: str, text: str) -> str:
    return f'<{tag} style="{_CELL_STYLE}">{text}</{tag}>'


def _math(body: str) -> str:
    return (
        '<math xmlns="http://www.w3.org/1998/Math/MathML" displaystyle="true">'
        f"<mrow>{body}</mrow></math>"
    )


# -- TeX -----------------------------------------------------------------------------------------


def latex_table(
    equation: ModifiedEquation, *, limit: bool = False, steps: bool | None = None
) -> str:
    r"""The same table for TeX: a ``longtable`` with rules by booktabs and trees by TikZ.

    Its first line is a comment that names the packages. Columns, and errors, as for
    `html_table`; long numerators are broken at their signs.
    """
    table = _table(equation, limit, steps)
    names = {
        "any": r"$b(\tau)$",
        "k": r"$b_k(\tau)$",
        "limit": r"$\lim_{k\to\infty} b_k(\tau)$",
    }
    head = [r"$\tau$", r"$|\tau|$", r"$F(\tau)$", r"$\sigma(\tau)$"]
    head += [names[name] for name in table.columns]
    heading = [r"\toprule", " & ".join(head) + r" \\", r"\midrule"]
    wide = {"k": 0.4, "limit": 0.25} if len(table.columns) > 1 else dict.fromkeys(names, 0.5)
    columns = "".join(
        rf">{{\raggedright\arraybackslash}}p{{{wide[name]}\linewidth}}" for name in table.columns
    )
    rows = []
    for i, tree in enumerate(table.trees):
        formulas = (rf"$\displaystyle {_tex(values[i])}$" for values in table.columns.values())
        cells = [tikz(tree), str(tree.order), f"${tree.differential()}$", str(tree.symmetry)]
        rows.append(" &\n".join([*cells, *formulas]) + r" \\\addlinespace")
    caption = (
        _escaped(_title(equation))
        + r": $\dot x = \sum_\tau h^{|\tau|-1}/\sigma(\tau)\, b(\tau)\, F(\tau)(x)$"
    )
    return "\n".join(
        [
            r"% needs \usepackage{array, booktabs, longtable, tikz}",
            rf"\begin{{longtable}}{{@{{}}lrlr{columns}@{{}}}}",
            rf"\caption{{{'. '.join(filter(None, [caption, table.note]))}}}\\",
            *heading,
            r"\endfirsthead",
            *heading,
            r"\endhead",
            r"\bottomrule",
            r"\endlastfoot",
            *rows,
            r"\end{longtable}",
            "",
        ]
    )


def tikz(tree: Tree) -> str:
    """A drawing with TikZ, the root at the bottom; colours stand beside the vertices, if any."""
    points, edges = layout(tree)
    place = [f"({x:g},{y})" for x, y in points]
    lines = "".join(rf" \draw {place[a]} -- {place[b]};" for a, b in edges)
    dots = "".join(rf" \fill {at} circle[radius=1.5pt];" for at in place)
    if any(tree.colours):
        dots += "".join(
            rf" \node[right, inner sep=2pt, font=\tiny] at {at} {{{colour}}};"
            for at, colour in zip(place, colours_in_layout(tree), strict=True)
        )
    options = "x=2.6mm, y=3mm, baseline={([yshift=-0.6ex]current bounding box.center)}"
    return rf"\begin{{tikzpicture}}[{options}]{lines}{dots} \end{{tikzpicture}}"


def colours_in_layout(tree: Tree) -> list[int]:
    """The colours in the order of the points of `layout`: a vertex after its branches."""
    return [*(c for child in tree.children for c in colours_in_layout(child)), tree.colour]


def layout(tree: Tree) -> tuple[list[tuple[float, int]], list[tuple[int, int]]]:
    """Places of the vertices, leaves one apart and the root at height 0, and the edges."""
    points: list[tuple[float, int]] = []
    edges: list[tuple[int, int]] = []

    def put(node: Tree, left: float, height: int) -> tuple[int, float]:
        """The number of the vertex, and the width of all above it."""
        found, width = [], 0.0
        for child in node.children:
            vertex, taken = put(child, left + width, height + 1)
            found.append(vertex)
            width += taken
        x = (points[found[0]][0] + points[found[-1]][0]) / 2 if found else left
        points.append((x, height))
        edges.extend((len(points) - 1, vertex) for vertex in found)
        return len(points) - 1, width or 1.0

    put(tree, 0.0, 0)
    return points, edges


def _tex(expr: sympy.Expr) -> str:
    r"""TeX with long numerators beside their fractions, where lines can be broken.

    There are no breaks between ``\left`` and ``\right``.
    """
    text = sympy.latex(expr, long_frac_ratio=3).replace(r"\left(", "(").replace(r"\right)", ")")
    return _FRACTION.sub(r"\\left(\1\\right)", text)


_FRACTION = re.compile(r"\(((?:- )?\\frac\{\d+\}\{\d+\})\)")
_SPECIAL = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    **{c: rf"\{c}" for c in "&%$#_{}"},
}


def _escaped(text: str) -> str:
    return "".join(_SPECIAL.get(c, c) for c in text)
