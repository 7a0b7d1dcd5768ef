"""Characters that no font has: typst would print a box, and say nothing."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from typing import Any

_NOWHERE = "\U0010fffe"
"""No character, and so in no font."""
_GLYPH = re.compile(rb'<use[^>]*href="#(\w+)"')
_UNSEEN = "CZM"
"""Controls, spaces and marks above letters have no glyph of their own."""


def without_glyph(characters: Iterable[str], *, system_fonts: bool = False) -> list[str]:
    """Those that no font of typst has, or, with `system_fonts`, none on this machine."""
    import typst

    asked = sorted({c for c in characters if unicodedata.category(c)[0] not in _UNSEEN})
    if not asked:
        return []
    pages = "#pagebreak()\n".join(
        f'#text(font: "New Computer Modern")[\\u{{{ord(c):x}}}]\n' for c in [*asked, _NOWHERE]
    )
    embedded = not system_fonts
    compiled: Any = typst.compile(pages.encode(), format="svg", ignore_system_fonts=embedded)
    glyphs = [_GLYPH.findall(page) for page in compiled]
    return [c for c, found in zip(asked, glyphs, strict=False) if found and found == glyphs[-1]]


def named(characters: Iterable[str]) -> str:
    """The characters with their numbers, for a message; the first few of many."""
    listed = [f"{c} (U+{ord(c):04X})" for c in characters]
    return ", ".join(listed[:3]) + (f" and {len(listed) - 3} more" if len(listed) > 3 else "")
