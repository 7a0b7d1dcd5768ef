"""Docstrings as Markdown: examples become blocks of code, public names become links."""

from __future__ import annotations

import re
from typing import Any

import griffe

import modflow

PUBLIC = re.compile(r"(?<![\[`])`(" + "|".join(modflow.__all__) + r")`(?!`)")


class Docstrings(griffe.Extension):
    """Changes docstrings when they are read."""

    def on_object(self, *, obj: Any, **_: Any) -> None:
        """Rewrite the object's docstring."""
        if obj.docstring is not None:
            obj.docstring.value = rewritten(obj.docstring.value, own=obj.name)


def rewritten(text: str, own: str = "") -> str:
    r"""The docstring as Markdown.

    >>> rewritten("See `Flow`.")
    'See [`Flow`][modflow.Flow].'
    >>> rewritten(">>> 1 + 1\n2").splitlines()
    ['```pycon', '>>> 1 + 1', '2', '```']
    """
    blocks = []
    for block in re.split(r"\n\s*\n", text):
        if block.startswith(">>>"):
            block = f"```pycon\n{block}\n```"
        elif not block.startswith("    "):
            block = PUBLIC.sub(lambda name: _linked(name, own), block)
        blocks.append(block)
    return "\n\n".join(blocks)


def _linked(name: re.Match[str], own: str) -> str:
    return name[0] if name[1] == own else f"[{name[0]}][modflow.{name[1]}]"
