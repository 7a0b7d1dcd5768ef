"""Statements of the claims, which are TeX with text in it, as a document quotes them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from .guard import closing_brace

_READING = re.compile(r"\s*\\quad\s*\\text\{\[.*\]\}$")


def as_printed(statement: str) -> str:
    r"""Without the words in brackets at its end, which are not the paper's.

    >>> as_printed(r"x < y \quad \text{[for all } x \text{]}")
    'x < y'
    """
    return _READING.sub("", statement)


def as_text(tex: str) -> str:
    r"""Markdown with formulas in it, for TeX with text in it: lines can be broken then."""
    shown = []
    for is_text, part in _parts(tex):
        if is_text:
            part = part.replace(r"\&", "&").replace("``", "\u201c").replace("''", "\u201d")
            shown.append(re.sub(r"([*_`\[\]<>#])", r"\\\1", part))
        else:
            # Other spaces between signs are none in TeX.
            part = part.replace(r"\!", "")
            formula = re.sub(r"^(\s|\\quad)+|(\s|\\quad)+$", "", part)
            before, after = part.split(formula) if formula else (part, "")
            shown += [
                " " * (r"\quad" in before or formula.startswith("=")),
                f"${formula}$" * bool(formula),
            ]
            shown.append(" " * (r"\quad" in after))
    return re.sub(r"\s+", " ", "".join(shown)).strip()


def _parts(tex: str) -> Iterator[tuple[bool, str]]:
    r"""Whether it is the text of a \text{...} at the outermost level, and what is between these.

    A single word, as in \text{Tr}, belongs to a formula.
    """
    formula, at = "", 0
    while at < len(tex):
        end = _group(tex, at)
        if tex.startswith(r"\text{", at) and not tex[at + 6 : end - 1].isalpha():
            yield False, formula
            yield True, tex[at + 6 : end - 1]
            formula = ""
        else:
            formula += tex[at:end]
        at = end
    yield False, formula


def _group(tex: str, at: int) -> int:
    """The end of what begins there: a group with its command, an escaped sign, or one sign."""
    if tex[at] == "\\" and not tex.startswith((r"\text{", r"\{"), at):
        return at + 2
    start = at + 5 if tex.startswith(r"\text{", at) else at
    return closing_brace(tex, start) + 1 if tex[start] == "{" else at + 1
