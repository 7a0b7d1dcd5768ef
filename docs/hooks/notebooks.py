"""Notebooks as pages: their text, their code, and the outputs stored in them.

The cells become Markdown that goes the way of all other pages, so that a notebook looks like them,
is searched like them, and its mathematics needs no script. Nothing is run here: that the code
prints these outputs is shown by tests/test_tutorials.py.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files

HEADING = re.compile(r"^(#+) ", re.MULTILINE)


def on_files(files: Files, /, *, config: Any) -> Files:
    """Add a page for each notebook in docs/."""
    folder = Path(config.docs_dir)
    for path in sorted(folder.rglob("*.ipynb")):
        if ".ipynb_checkpoints" not in path.parts:
            name = path.relative_to(folder).with_suffix(".md").as_posix()
            files.append(File.generated(config, name, content=markdown(path)))
    return files


def markdown(path: Path) -> str:
    """The notebook as Markdown."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return "\n\n".join(part for cell in cells for part in _cell(cell, path)) + "\n"


def _cell(cell: dict[str, Any], path: Path) -> list[str]:
    source = "".join(cell["source"])
    if cell["cell_type"] == "markdown":
        return [source]
    parts = [_fenced("python", source)]
    for output in cell["outputs"]:
        shown = output.get("text") or output.get("data", {}).get("text/markdown")
        if shown is None:
            raise PluginError(f"{path}: no page is made of an output {output['output_type']}")
        shown = "".join(shown)
        if output["output_type"] == "stream":
            parts.append(_fenced("text", shown.rstrip("\n")))
        else:
            # Its own title is no section of the page.
            text = HEADING.sub(lambda m: "#" * min(6, len(m[1]) + 3) + " ", shown)
            parts.append(f'<div class="output" markdown="1">\n\n{text}\n\n</div>')
    return parts


def _fenced(language: str, text: str) -> str:
    return f"```{language}\n{text}\n```"
