"""Figures as files."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

from ..files import check_figure_format, write_atomically

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def save(figure: Figure, path: Path) -> None:
    """Write the figure in the format that the file's ending names, atomically.

    The same study gives the same bytes: no date, no random identifiers. Text in a PDF is
    text, in TrueType fonts as journals ask for.
    """
    from matplotlib import rc_context

    check_figure_format(path)
    kind = path.suffix.lstrip(".").lower()
    buffer = io.BytesIO()
    dateless = {"pdf": {"CreationDate": None}, "svg": {"Date": None}}
    with rc_context({"pdf.fonttype": 42, "svg.hashsalt": "modflow"}):
        figure.savefig(buffer, format=kind, dpi=200, metadata=dateless.get(kind))
    write_atomically(path, buffer.getvalue())
