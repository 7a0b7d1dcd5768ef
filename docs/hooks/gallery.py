"""The pictures of the gallery, made when the site is built.

The commands on the page make its figures, and `modflow pdf` its documents, whose first pages are
drawn from the PDFs themselves. All of it is kept in build/, and made again where modflow has
changed: nothing that a program makes is committed.
"""

from __future__ import annotations

import json
import logging
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files

PAGE = "gallery.md"
MARKER = "<!-- documents -->"
COMMAND = re.compile(r"^```console\n\$ (modflow .*)$", re.MULTILINE)
WRITTEN = re.compile(r"--(?:plot|out|table) (\S+\.\w+)")
SCALE = 1.25
"""Pixels of a picture per point of its page: twice as many as are shown."""

log = logging.getLogger("mkdocs.hooks.gallery")
_documents: list[tuple[str, str]] = []


def on_files(files: Files, /, *, config: Any) -> Files:
    """Make what is missing or old, and add it to the site."""
    build = Path(config.config_file_path).parent / "build"
    page = Path(config.docs_dir, PAGE).read_text(encoding="utf-8")
    for path in (*figures(page, build / "gallery"), *documents(build)):
        files.append(File.generated(config, f"gallery/{path.name}", abs_src_path=str(path)))
    return files


def on_page_markdown(markdown: str, /, *, page: Any, **_: Any) -> str:
    """Put the first pages in the place of their marker."""
    if page.file.src_uri != PAGE:
        return markdown
    shown = "\n\n".join(
        f"[![First page of {title}](gallery/{name}.png)](gallery/{name}.pdf)\n{title}"
        for name, title in _documents
    )
    return markdown.replace(MARKER, f'<div class="pages" markdown="1">\n\n{shown}\n\n</div>')


def figures(page: str, folder: Path) -> Iterator[Path]:
    """What the commands on the page write."""
    from modflow.documents.fingerprint import environment

    now = environment("typst")
    for command in COMMAND.findall(page):
        for name in WRITTEN.findall(command):
            made, stamp = folder / name, folder / f".{name}.from"
            if not made.exists() or not _says(stamp, f"{now}\n{command}"):
                with tempfile.TemporaryDirectory() as scratch:
                    _run(shlex.split(command)[1:], Path(scratch))
                    folder.mkdir(parents=True, exist_ok=True)
                    shutil.move(Path(scratch, name), made)
                stamp.write_text(f"{now}\n{command}", encoding="utf-8")
            yield made


def documents(build: Path) -> Iterator[Path]:
    """The PDFs that come with modflow, and pictures of their first pages."""
    import pypdfium2

    folder = build / "gallery"
    folder.mkdir(parents=True, exist_ok=True)
    told = _run(["pdf", "--out", str(build / "derivations"), "--json"], build.parent)
    _documents.clear()
    for document in json.loads(told):
        pdf, text = (build / "derivations" / f"{document['name']}.{end}" for end in ("pdf", "md"))
        title = text.read_text(encoding="utf-8").partition("\n")[0].removeprefix("# ")
        _documents.append((document["name"], title))
        picture = folder / f"{document['name']}.png"
        if not picture.exists() or picture.stat().st_mtime < pdf.stat().st_mtime:
            page = pypdfium2.PdfDocument(pdf)[0].render(scale=SCALE).to_pil()
            page.quantize(64).save(picture, optimize=True)
        yield from (pdf, picture)


def _run(arguments: list[str], folder: Path) -> str:
    log.info("modflow %s", shlex.join(arguments))
    done = subprocess.run(
        [sys.executable, "-m", "modflow", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise PluginError(f"modflow {shlex.join(arguments)}: {done.stderr or done.stdout}")
    return done.stdout


def _says(path: Path, text: str) -> bool:
    return path.exists() and path.read_text(encoding="utf-8") == text
