"""TeX formulas as typst, through pandoc."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence

from ..errors import ModflowError
from .typst import with_tree_marks, with_trees

_MARK = "FormulaNumber"


def typst_formulas(formulas: Sequence[str]) -> dict[str, str]:
    """The typst of each formula, without dollar signs, by one run of pandoc.

    Raises ModflowError for a formula that pandoc cannot read, and where pandoc is not installed.
    """
    if not formulas:
        return {}
    # Pandoc's own JSON, as a formula in Markdown could end early.
    blocks = []
    for i, tex in enumerate(formulas):
        math = {"t": "Math", "c": [{"t": "InlineMath"}, with_tree_marks(tex)]}
        blocks.append({"t": "Para", "c": [{"t": "Str", "c": f"{_MARK}{i}"}]})
        blocks.append({"t": "Para", "c": [math]})
    source = {"pandoc-api-version": [1, 23, 1], "meta": {}, "blocks": blocks}
    done = subprocess.run(
        [_pandoc(), "-f", "json", "-t", "typst", "--wrap=none"],
        input=json.dumps(source),
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    if done.returncode:
        raise ModflowError(f"pandoc failed: {' '.join(done.stderr.split())}")
    found, parts = {}, done.stdout.split(_MARK)[1:]
    for part, tex in zip(parts, formulas, strict=True):
        _, _, body = part.partition("\n")
        body = body.strip()
        # What texmath cannot read comes back as text instead of a formula.
        if not (body.startswith("$") and body.endswith("$") and len(body) > 1):
            raise ModflowError(f"a formula that pandoc cannot read: ${tex}$")
        found[tex] = with_trees(body[1:-1].strip())
    return found


def _pandoc() -> str:
    try:
        import pypandoc
    except ImportError as error:
        raise ModflowError("pandoc is not installed") from error
    try:
        return str(pypandoc.get_pandoc_path())
    except OSError as error:
        raise ModflowError("pandoc is not installed") from error
