"""Text that a citation style has put together, and Markdown made of it.

A style changes case, drops doubled full stops and joins pieces. What is not plain text is therefore
marked by characters that no text contains, and escaping comes last, when the text is whole.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import groupby
from typing import NamedTuple

ITALIC = "\ue000", "\ue001"
BOLD = "\ue002", "\ue003"
RAISED = "\ue004", "\ue005"
LOWERED = "\ue006", "\ue007"
LINK_END = "\ue008"
"""Ends an address that starts with http:// or https://; where it does not, nothing."""
KEPT = "\ue009", "\ue00a"
"""Around what keeps its case."""

_FIRST_HIDDEN = 0xF0000
_RESERVED = re.compile("[\ue000-\uf8ff\U000f0000-\U000ffffd]")
# As pandoc tells maths from sums of money.
_MATHS = re.compile(r"(?<!\\)\$(?=\S)(?:\\.|[^$\\])+?(?<=\S)\$(?!\d)")
_SPECIAL = re.compile(r"[\\`*_{}\[\]<>#$|~^@&]")
# At the start of a line these would begin a list or a heading.
_BLOCK = re.compile(r"\A(\d+(?=[.)](?: |$))|(?=[-+=]))")
_ADDRESS = re.compile(r"https?://\S*\Z")
_SPACES = re.compile(r"[ \t\r\n]+")


class Hidden:
    """Markdown that passes through a style as one character, such as the maths of a title."""

    def __init__(self) -> None:
        self._characters: dict[str, str] = {}
        self._markdown: dict[str, str] = {}

    def hide(self, markdown: str) -> str:
        """The character that stands for it."""
        if markdown not in self._characters:
            character = chr(_FIRST_HIDDEN + len(self._characters))
            self._characters[markdown] = character
            self._markdown[character] = markdown
        return self._characters[markdown]

    def hide_maths(self, text: str) -> str:
        """The text with a character for each $…$ in it."""
        return _MATHS.sub(lambda found: self.hide(found.group()), without_marks(text))

    def shown(self, text: str) -> str:
        """The text with all that is hidden in it."""
        return "".join(self._markdown.get(character, character) for character in text)


def without_marks(text: str) -> str:
    """The text without characters that could be taken for marks."""
    return _RESERVED.sub("", text)


def escaped(text: str) -> str:
    r"""Markdown that shows the text as it is.

    >>> print(escaped("2*pi [sic]"))
    2\*pi \[sic\]
    """
    return _SPECIAL.sub(lambda found: "\\" + found.group(), text)


def markdown(text: str, hidden: Hidden) -> str:
    r"""The marked text as one line of Markdown.

    >>> print(markdown(f"In {ITALIC[0]}J. of *-algebras{ITALIC[1]}.", Hidden()))
    In *J. of \*-algebras*.
    """
    out = ""
    for (bold, position), same in groupby(_runs(_SPACES.sub(" ", text)), key=_outer):
        inner = ""
        for italic, runs in groupby(same, key=lambda run: run.italic):
            inner += _fenced("".join(run.markdown for run in runs), "*" * italic)
        if position:
            inner = rf"${position}{{\text{{{inner}}}}}$"
        out += _fenced(inner, "**" * bold)
    return hidden.shown(_BLOCK.sub(r"\1\\", out.strip(" ")))


class _Run(NamedTuple):
    markdown: str
    italic: bool
    bold: bool
    position: str


def _outer(run: _Run) -> tuple[bool, str]:
    return run.bold, run.position


def _fenced(markdown: str, fence: str) -> str:
    # Emphasis must not begin or end with a space.
    inner = markdown.strip(" ")
    before, _, after = markdown.partition(inner) if inner else (markdown, "", "")
    return before + (fence + inner + fence if inner else "") + after


def _runs(text: str) -> Iterator[_Run]:
    """Pieces of one look each; emphasis within emphasis is upright."""
    depth = dict.fromkeys((ITALIC, BOLD, RAISED, LOWERED), 0)
    kinds = {mark: (kind, 1 - 2 * end) for kind in depth for end, mark in enumerate(kind)}
    plain, done = "", ""

    def run() -> _Run:
        position = "^" if depth[RAISED] else "_" if depth[LOWERED] else ""
        return _Run(done + escaped(plain), depth[ITALIC] % 2 == 1, depth[BOLD] > 0, position)

    for character in text:
        if character in kinds:
            if plain or done:
                yield run()
            plain, done = "", ""
            kind, change = kinds[character]
            depth[kind] += change
        elif character == LINK_END:
            if found := _ADDRESS.search(plain):
                address = found.group().replace("<", "%3C").replace(">", "%3E")
                done += f"{escaped(plain[: found.start()])}<{address}>"
                plain = ""
        elif character not in KEPT:
            plain += character
    if plain or done:
        yield run()
