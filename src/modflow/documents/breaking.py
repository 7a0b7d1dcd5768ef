"""Long formulas broken into lines, between the terms of their sides."""

from __future__ import annotations

from collections.abc import Sequence

from .typeset import LONG, WIDE, width

_SHORT = 6.0
"""A left side that stays where it is, before a right side that cannot be broken."""
_ROUNDING = 1e-9
Line = tuple[str, str]
"""A relation and TeX; the relation is a space on a line that goes on with more terms."""


def broken(sides: Sequence[tuple[str, Sequence[str]]]) -> tuple[Line, ...]:
    """The sides of a formula, each a relation and its terms, as lines that are not too wide."""
    whole = [(sign, " ".join(terms)) for sign, terms in sides]
    if len(whole) <= 2 and sum(width(tex) + 2 for _, tex in whole) <= WIDE:
        return tuple(whole)
    left = width(whole[0][1]) if len(whole) > 1 else 0.0
    if len(whole) == 2 and left <= _SHORT and len(sides[1][1]) == 1:
        return tuple(whole)
    widest = max(width(term) for _, terms in sides[1:] or sides for term in terms)
    room = WIDE - (left + 2 if _beside(left, widest) else 3)
    found = []
    for i, (sign, terms) in enumerate(sides):
        rows = _rows(terms, WIDE if i == 0 else room)
        found += [(sign, rows[0]), *((" ", row) for row in rows[1:])]
    return tuple(found)


def hangs(lines: Sequence[Line]) -> bool:
    """Whether the right sides stand beside the left one, and not in lines below it."""
    if len(lines) < 2 or lines[1][0] in ("", " "):
        return False
    return _beside(width(lines[0][1]), max(width(tex) for _, tex in lines[1:]))


def _beside(left: float, widest: float) -> bool:
    return left <= LONG and left + 2 + widest <= WIDE + _ROUNDING


def _rows(terms: Sequence[str], room: float) -> list[str]:
    rows = [""]
    for term in terms:
        if rows[-1] and width(rows[-1]) + width(term) > room:
            rows.append("")
        rows[-1] = f"{rows[-1]} {term}".strip()
    return rows
