"""What makes a PDF: typst from a wheel, or a TeX that is installed."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from ..errors import ModflowError
from .blocks import Finished
from .epoch import build_time

ENGINES = ("typst", "latex")
INSTALL = "install 'modflow[pdf]' for the PDF"
_TEX_PROGRAMS = ("latexmk", "tectonic", "pdflatex")


def missing(engine: str) -> str | None:
    """What is not installed of an engine, and what to install; None where nothing is missing."""
    if engine == "latex":
        if any(shutil.which(program) for program in _TEX_PROGRAMS):
            return None
        return "no latexmk, tectonic or pdflatex is installed: install one, or use --engine typst"
    from importlib.util import find_spec

    lacking = [
        name
        for name, module in (("pandoc", "pypandoc"), ("typst", "typst"))
        if not find_spec(module)
    ]
    return f"{' and '.join(lacking)} missing: {INSTALL}" if lacking else None


def typst_pdf(document: Finished, folder: Path, assets: str) -> bytes:
    """The PDF by typst; figures lie in `folder`/`assets`.

    Raises ModflowError for mathematics that cannot be converted, a formula that does not fit, and
    characters that no font has.
    """
    import typst

    from .mathematics import typst_formulas
    from .typst import formulas, to_typst

    source = to_typst(document, typst_formulas(formulas(document)), assets)
    embedded = _embedded_fonts_suffice(source)
    with tempfile.NamedTemporaryFile(
        "w", suffix=".typ", prefix=".modflow-", dir=folder, encoding="utf-8", delete=False
    ) as file:
        file.write(source)
    path = Path(file.name)
    try:
        compiler = typst.Compiler(str(path), root=str(folder), ignore_system_fonts=embedded)
        pdf: Any = compiler.compile(format="pdf", timestamp=build_time())
        _refuse_too_wide(compiler.query("<too-wide>", field="value"))
    except typst.TypstError as error:
        reason = " ".join(str(error).split())
        if keep := os.environ.get("MODFLOW_KEEP_TYPST"):
            Path(keep).write_text(source, encoding="utf-8")
        raise ModflowError(f"typst failed: {reason}") from error
    finally:
        path.unlink(missing_ok=True)
    return bytes(pdf)


def _embedded_fonts_suffice(source: str) -> bool:
    """Whether typst's own fonts do; those of the machine are asked only then, as they differ."""
    from .glyphs import named, without_glyph

    rare = [c for c in set(source) if not c.isascii()]
    if not (rare := without_glyph(rare)):
        return True
    if rare := without_glyph(rare, system_fonts=True):
        raise ModflowError(
            f"no font on this machine has {named(rare)}: install one, or write it in other letters"
        )
    return False


def _refuse_too_wide(found: str | bytes) -> None:
    import json

    wide = json.loads(found)
    if wide:
        first = wide[0]
        raise ModflowError(
            f"{first['place']}: a formula is {first['width']:.0f} points wide, and there is room "
            f"for {first['room']:.0f}: give parts of it names"
        )


def latex_pdf(source: str, folder: Path) -> bytes:
    """The PDF by latexmk, tectonic or pdfLaTeX; figures lie below `folder`.

    Raises ModflowError with TeX's own first error.
    """
    program = next((p for p in _TEX_PROGRAMS if shutil.which(p)), None)
    if program is None:
        raise ModflowError(str(missing("latex")))
    environment = {
        **os.environ,
        "SOURCE_DATE_EPOCH": str(build_time()),
        "FORCE_SOURCE_DATE": "1",
    }
    with tempfile.TemporaryDirectory() as scratch:
        at = Path(scratch)
        (at / "document.tex").write_text(source, encoding="utf-8")
        environment["TEXINPUTS"] = (
            f"{folder.resolve()}//{os.pathsep}{os.environ.get('TEXINPUTS', '')}"
        )
        commands = {
            "latexmk": [["latexmk", "-pdf", "-interaction=nonstopmode", "-halt-on-error"]],
            "tectonic": [["tectonic", "-Z", f"search-path={folder.resolve()}"]],
            # References settle in the second run, a table's columns in the third.
            "pdflatex": [["pdflatex", "-interaction=nonstopmode", "-halt-on-error"]] * 3,
        }[program]
        for command in commands:
            done = subprocess.run(
                [*command, "document.tex"],
                cwd=at,
                env=environment,
                capture_output=True,
                text=True,
                errors="replace",
                check=False,
            )
            if done.returncode:
                raise ModflowError(f"{program} failed: {_first_error(done.stdout + done.stderr)}")
        return (at / "document.pdf").read_bytes()


def _first_error(log: str) -> str:
    lines = log.splitlines()
    for i, line in enumerate(lines):
        if line.startswith(("!", "error:")):
            where = next((later for later in lines[i:] if later.startswith("l.")), "")
            return " ".join(f"{line} {where}".split())
    return " ".join(lines[-1:])
