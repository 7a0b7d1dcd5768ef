"""The tutorials run, and print what is stored in them."""

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from modflow.documents.engines import missing

FOLDER = Path(__file__).parent.parent / "docs" / "tutorials"


def outputs(notebook):
    """What each cell of code printed or displayed."""
    found = []
    for cell in notebook.cells:
        if cell.cell_type == "code":
            shown = [
                o.text if o.output_type == "stream" else o.data.get("text/markdown")
                for o in cell.outputs
            ]
            found.append((cell.source, shown))
    return found


@pytest.mark.skipif(missing("typst") is not None, reason=str(missing("typst")))
@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.ipynb")), ids=lambda p: p.stem)
def test_a_tutorial_prints_what_it_shows(path, monkeypatch, tmp_path):
    stored = nbformat.read(path, as_version=4)
    nbformat.validate(stored)
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    # A kernel on a busy machine may send a line and its end one after the other.
    again = nbformat.read(path, as_version=4)
    run = NotebookClient(again, kernel_name="python3", coalesce_streams=True)
    run.execute(cwd=str(tmp_path))
    assert outputs(run.nb) == outputs(stored)
