"""Figures as vector graphics: PDF for print, SVG for the screen, the same bytes each time."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..errors import ModflowError
from .epoch import build_time


def vector_graphics(figure: Any) -> tuple[bytes, bytes]:
    """A matplotlib figure, or a file that ends in .pdf or .svg, as PDF and as SVG.

    Of a file, the other form is the one beside it with the other ending, or nothing. Raises
    ModflowError for what is no figure and for a file that cannot be read.
    """
    if isinstance(figure, Path):
        return _read(figure)
    if not hasattr(figure, "savefig"):
        raise ModflowError(f"a matplotlib figure or a file is needed; got {figure!r}")
    import matplotlib

    build_time()  # matplotlib reads it, too, and would say less of what is wrong with it

    with _quiet_fonts(), matplotlib.rc_context({"svg.hashsalt": "modflow", "pdf.fonttype": 42}):
        return (
            _saved(figure, "pdf", {"CreationDate": None, "Producer": None, "Creator": None}),
            _saved(figure, "svg", {"Date": None, "Creator": None}),
        )


@contextmanager
def _quiet_fonts() -> Iterator[None]:
    """Without what fontTools says about the dates in matplotlib's own fonts."""
    logger = logging.getLogger("fontTools")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


def _saved(figure: Any, form: str, metadata: dict[str, None]) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format=form, metadata=metadata)
    return buffer.getvalue()


def _read(path: Path) -> tuple[bytes, bytes]:
    if path.suffix not in (".pdf", ".svg"):
        raise ModflowError(f"a figure has to be vector graphics, .pdf or .svg; got {path.name}")
    try:
        given = path.read_bytes()
    except OSError as error:
        raise ModflowError(f"cannot read {path}: {error.strerror or error}") from error
    other = path.with_suffix(".svg" if path.suffix == ".pdf" else ".pdf")
    beside = other.read_bytes() if other.is_file() else b""
    return (given, beside) if path.suffix == ".pdf" else (beside, given)
