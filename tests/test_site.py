"""The documentation as a site: built without warnings, complete, and nothing comes from elsewhere.

It needs `pip install '.[docs]'`. What the gallery shows is made by the build, and kept in build/.
"""

from __future__ import annotations

import doctest
import importlib.util
import json
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

import modflow

fcntl = pytest.importorskip("fcntl", reason="a lock between processes")
pytest.importorskip("mkdocs", reason="pip install 'modflow[docs]'")
pytest.importorskip("material", reason="pip install 'modflow[docs]'")
pytest.importorskip("mkdocstrings", reason="pip install 'modflow[docs]'")

ROOT = Path(__file__).parent.parent
SOURCES = {"href": ("link",), "src": ("script", "img", "iframe", "source", "video", "audio")}
IN_STYLES = re.compile(r"""(?:url\(|@import)\s*["']?([^"')\s;]+)""")


@pytest.fixture(scope="module")
def site(tmp_path_factory, worker_id) -> Path:
    """The built site; warnings are errors. Of several workers of pytest, one builds it."""
    base = tmp_path_factory.getbasetemp()
    folder = (base if worker_id == "master" else base.parent) / "site"
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            build(folder.with_suffix(".unfinished")).rename(folder)
    return folder


def build(folder: Path) -> Path:
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return folder


class Page(HTMLParser):
    """What a page loads, what it links to, what can be linked to, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.loads, self.links, self.ids, self.text = [], [], set(), []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        self.ids |= {found[name] for name in ("id", "name") if found.get(name)}
        for name, tags in SOURCES.items():
            if tag in tags and name in found and found.get("rel") not in ("canonical", "edit"):
                self.loads.append(found[name])
        if "srcset" in found:
            self.loads += [part.split()[0] for part in found["srcset"].split(",")]
        self.loads += IN_STYLES.findall(found.get("style") or "")
        if tag == "a" and found.get("href"):
            self.links.append(found["href"])

    def handle_data(self, data):
        self.text.append(data)


@pytest.fixture(scope="module")
def pages(site) -> dict[Path, Page]:
    return {path: Page(path.read_text(encoding="utf-8")) for path in sorted(site.rglob("*.html"))}


def is_elsewhere(target: str) -> bool:
    parts = urlsplit(target)
    return bool(parts.netloc) or parts.scheme not in ("", "data")


def test_no_page_loads_anything_from_elsewhere(site, pages):
    assert len(pages) > 20
    for path, page in pages.items():
        assert [target for target in page.loads if is_elsewhere(target)] == [], path
    styles = list(site.rglob("*.css"))
    assert styles
    for path in styles:
        loaded = IN_STYLES.findall(path.read_text(encoding="utf-8"))
        assert [target for target in loaded if is_elsewhere(target)] == [], path


def test_what_a_page_loads_and_links_to_is_there(site, pages):
    for path, page in pages.items():
        for target in (*page.loads, *page.links):
            if is_elsewhere(target) or target.startswith("data:"):
                continue
            parts = urlsplit(target)
            if parts.path in (".", "./", "..") or path.name == "404.html":
                continue  # the start page; paths of the error page depend on where the site is
            at = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            assert at.exists(), (path, target)
            if parts.fragment and at in pages and "__" not in parts.fragment:
                assert unquote(parts.fragment) in pages[at].ids, (path, target)


def prose(path: Path) -> str:
    """The text of a page outside of code."""
    text = path.read_text(encoding="utf-8")
    outside = re.sub(r"<(pre|code|script|style)\b.*?</\1>", "", text, flags=re.DOTALL)
    return "".join(Page(outside).text)


def test_mathematics_is_mathml(pages):
    """No TeX is left over, for which there would be no script."""
    for path in pages:
        assert "arithmatex" not in path.read_text(encoding="utf-8"), path
        assert not re.search(r"\\[a-zA-Z]{2,}|\$\$", prose(path)), path
    text = next(p for p in pages if p.name == "bseries.html").read_text(encoding="utf-8")
    assert text.count("<math") > 100
    assert '<span class="number">(7)</span>' in text


def hook(name: str):
    """A module of docs/hooks."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "docs" / "hooks" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("path", sorted((ROOT / "docs/hooks").glob("*.py")), ids=lambda p: p.stem)
def test_doctests_of_hooks_show_what_happens(path):
    assert doctest.testmod(hook(path.stem)).failed == 0


def test_what_is_no_mathematics_is_refused():
    assert "<mfrac>" in hook("mathematics").mathml([(False, r"\frac{1}{h}")])[0]
    with pytest.raises(RuntimeError, match="frak"):
        hook("mathematics").mathml([(False, r"\frak{"), (True, "h")])


def test_every_public_name_is_in_the_reference(pages):
    from modflow import claims, documents, testing

    reference = (page.ids for path, page in pages.items() if path.parent.name == "reference")
    found = set().union(*reference)
    assert {f"modflow.{name}" for name in modflow.__all__} <= found
    for module in (claims, documents, testing):
        names = (name for name in module.__all__ if callable(getattr(module, name)))
        own = {f"{module.__name__}.{name}" for name in names} - {"modflow.claims.default_jobs"}
        also = {f"modflow.{name}" for name in modflow.__all__}
        assert {name for name in own if f"modflow.{name.rpartition('.')[2]}" not in also} <= found


def test_docstrings_are_rendered_as_they_are_meant(pages):
    """Doctests as code and not as quotations of quotations, stars as stars."""
    for path in (p for p in pages if p.parent.name == "reference"):
        assert "<blockquote>" not in path.read_text(encoding="utf-8"), path
        text = prose(path)
        assert ">>>" not in text, path
        assert not re.search(r"\w\*\*\w|`", text), path


def test_the_command_line_is_documented_option_by_option(pages):
    from typer.main import get_command

    from modflow.cli import app

    text = "".join(
        next(page for path, page in pages.items() if path.name == "command_line.html").text
    )
    for name, command in get_command(app).commands.items():
        section = text.partition(f"modflow {name}¶")[2].partition("¶")[0]
        assert section, name
        for parameter in command.params:
            if not getattr(parameter, "hidden", False) and parameter.name != "help":
                shown = (
                    parameter.opts[0] if parameter.param_type_name == "option" else parameter.name
                )
                assert shown in section, (name, shown)


def test_the_notebook_is_a_page_with_its_outputs(pages):
    stored = json.loads((ROOT / "docs/tutorials/update_rule_to_pdf.ipynb").read_text())
    text = "".join(
        next(p for path, p in pages.items() if path.name == "update_rule_to_pdf.html").text
    )
    squeezed = re.sub(r"\s", "", text)
    for cell in stored["cells"]:
        if cell["cell_type"] == "code":
            assert re.sub(r"\s", "", "".join(cell["source"])) in squeezed
            for output in cell["outputs"]:
                if output["output_type"] == "stream":
                    assert re.sub(r"\s", "", "".join(output["text"])) in squeezed


def test_the_gallery_has_its_pictures_and_documents(site, pages):
    from modflow.documents.locate import documents

    names = {path.stem for path in documents([])}
    assert len(names) == 10
    for name in names:
        assert (site / f"gallery/{name}.pdf").read_bytes().startswith(b"%PDF")
        picture = (site / f"gallery/{name}.png").read_bytes()
        assert picture.startswith(b"\x89PNG")
        assert len(picture) < 100_000
    shown = next(page for path, page in pages.items() if path.name == "gallery.html").loads
    assert {f"gallery/{name}.png" for name in names} <= set(shown)
