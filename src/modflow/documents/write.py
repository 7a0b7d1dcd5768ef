"""Documents as files: Markdown, LaTeX and PDF beside each other, and the figures in a folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import ModflowError
from ..files import check_writable, write_atomically
from ..user_modules import loading
from .blocks import Finished, Picturing, Statement
from .document import Document
from .engines import ENGINES, latex_pdf, missing, typst_pdf
from .errors import StepError


@dataclass(frozen=True)
class Written:
    """What was written, from what; `missing` says why there is no PDF, if there is none."""

    files: tuple[Path, ...]
    inputs: tuple[Path, ...]
    missing: str | None
    equations: int


def write(path: Path, out: Path, engine: str) -> Written:
    """Run a document's module, and write NAME.md, NAME.tex and NAME.pdf into a folder.

    Raises StepError where an equality does not hold, ModflowError for what else is wrong with the
    document, and whatever its code raises.
    """
    document, modules = load(path)
    name = path.stem
    finished = document.finished()
    written = _sources(document, finished, out, name)
    lacking = missing(engine)
    if lacking is None:
        target = out / f"{name}.pdf"
        write_atomically(target, _pdf(document, finished, out, name, engine))
        written.append(target)
    count = sum(n for kind, n in document.counts.items() if kind not in ("definition", "quotation"))
    inputs = tuple(dict.fromkeys(p.resolve() for p in (path, *modules, *document.inputs)))
    return Written(tuple(written), inputs, lacking, count)


def save(document: Document, path: Path, engine: str) -> None:
    """One file of a document, by its ending; figures of Markdown and LaTeX in a folder beside it.

    Raises ModflowError for another ending, an unknown engine, and as `write`.
    """
    check_target(path, engine)
    finished, out, name = document.finished(), path.parent, path.stem
    if path.suffix == ".pdf":
        import tempfile

        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch)
            _figures(finished, folder, name)
            write_atomically(path, _pdf(document, finished, folder, name, engine))
    else:
        assets = _figures(finished, out, name)
        folder_name = f"{name}_files" if assets else ""
        text = (document.markdown if path.suffix == ".md" else document.latex)(folder=folder_name)
        write_atomically(path, text.encode())


def check_target(path: Path, engine: str = "typst") -> None:
    """Raise ModflowError where `save` could not write: before the work, not after it."""
    if engine not in ENGINES:
        raise ModflowError(f"the engine is typst or latex; got {engine!r}")
    if path.suffix not in (".pdf", ".tex", ".md"):
        raise ModflowError(f"cannot write {path}: its ending must be .pdf, .tex or .md")
    check_writable(path)
    if path.suffix == ".pdf" and (lacking := missing(engine)):
        raise ModflowError(lacking)


def load(path: Path) -> tuple[Document, list[Path]]:
    """The `document` of a module, and the modules beside it that it imported.

    Raises ModflowError for a module that has none.
    """
    with loading(path) as loaded:
        # Within the context: a module may make its document when it is asked for.
        document = getattr(loaded.module, "document", None)
        if not isinstance(document, Document):
            raise ModflowError(
                f"{path.name} makes no document: it needs `document = Document(...)`; a module "
                "whose name begins with _ is left alone"
            )
    return document, loaded.beside


def _sources(document: Document, finished: Finished, out: Path, name: str) -> list[Path]:
    written = _figures(finished, out, name)
    folder = f"{name}_files" if written else ""
    for ending, text in (
        (".md", document.markdown(folder=folder)),
        (".tex", document.latex(folder=folder)),
    ):
        target = out / f"{name}{ending}"
        write_atomically(target, text.encode())
        written.append(target)
    return written


def _figures(finished: Finished, out: Path, name: str) -> list[Path]:
    written = []
    for figure in _pictures(finished.blocks):
        folder = out / f"{name}_files"
        folder.mkdir(parents=True, exist_ok=True)
        for ending, content in ((".pdf", figure.pdf), (".svg", figure.svg)):
            if content:
                write_atomically(folder / f"{figure.name}{ending}", content)
                written.append(folder / f"{figure.name}{ending}")
    return written


def _pictures(blocks: Any) -> list[Picturing]:
    found = []
    for block in blocks:
        if isinstance(block, Picturing):
            found.append(block)
        elif isinstance(block, Statement):
            found += _pictures(block.blocks)
    return found


def _pdf(document: Document, finished: Finished, out: Path, name: str, engine: str) -> bytes:
    folder = f"{name}_files"
    if engine == "latex":
        return latex_pdf(document.latex(folder=folder), out)
    return typst_pdf(finished, out, folder)


__all__ = ["StepError", "Written", "load", "save", "write"]
