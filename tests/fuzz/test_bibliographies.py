"""Bibliographies and citation styles, damaged or never right."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from hypothesis import strategies as st

from modflow import ModflowError
from modflow.documents.bibliography import Bibliography

from .cases import cases
from .mutations import damaged, damages, json_files

BIBTEX = r"""
@preamble{"\newcommand{\who}{Who}"}
@string{jcp = "J. Comput. Phys."}
@book{hairer2006, author = {Hairer, Ernst and Lubich, Christian and Wanner, Gerhard},
  title = {Geometric {Numerical} Integration: $\beta^k$}, publisher = "Springer", year = 2006,
  edition = {2}, doi = {10.1007/3-540-30666-8}, month = feb}
@article{polyak1964, author = "B. T. Polyak and G{\"o}del, Kurt", title = {Some methods of
  \emph{speeding up}}, journal = jcp, volume = 4, number = {5}, pages = {1--17}, year = {1964}}
@misc{who, author = {{The authors}}, title = {A \textbf{page}}, howpublished =
  {\url{https://example.org/a_b}}, year = {2020--21}, note = {}}
@phdthesis{a, author={van der Houwen, P. J.}, title={T}, school={S}, year=1968}
"""
CSL = [
    {
        "id": "hairer2006",
        "type": "book",
        "title": "Geometric <i>Numerical</i> Integration",
        "author": [{"family": "Hairer", "given": "Ernst"}, {"literal": "The others"}],
        "issued": {"date-parts": [[2006, 2]]},
        "publisher": "Springer",
        "DOI": "10.1007/3-540-30666-8",
        "page": "1-17",
        "volume": 4,
    },
    {
        "id": "polyak1964",
        "type": "article-journal",
        "title": "Some methods",
        "container-title": "J. Comput. Phys.",
        "author": [{"family": "Polyak", "given": "B. T.", "non-dropping-particle": "van"}],
        "issued": {"raw": "1964"},
        "URL": "https://example.org",
        "custom": [],
    },
]
STYLE = b"""<?xml version="1.0" encoding="utf-8"?>
<style xmlns="http://purl.org/net/xbiblio/csl" class="in-text" version="1.0">
  <info><title>S</title><id>s</id><updated>2020-01-01T00:00:00+00:00</updated></info>
  <macro name="who"><names variable="author"><name and="text" initialize-with="."/></names></macro>
  <macro name="when"><date variable="issued"><date-part name="year"/></date></macro>
  <citation disambiguate-add-year-suffix="true">
    <sort><key macro="who"/></sort>
    <layout prefix="(" suffix=")" delimiter="; ">
      <group delimiter=", ">
        <text macro="who"/><text macro="when"/><text variable="locator"/>
      </group>
    </layout>
  </citation>
  <bibliography><sort><key macro="who"/><key variable="issued"/></sort>
    <layout suffix="."><group delimiter=". "><text macro="who"/><text macro="when"/>
      <text variable="title" font-style="italic"/><text variable="DOI"/></group></layout>
  </bibliography>
</style>
"""


def read(path: Path, style: Path | None = None) -> None:
    """Cite and list everything in it, or be told in one line what is wrong."""
    told = ""
    try:
        found = Bibliography(path, style)
        for key in list(found._keys):
            assert isinstance(found.cite([(key, None), (key, "p. 1")]), str)
        for _, line in found.entries():
            assert isinstance(line, str)
    except ModflowError as error:
        told = str(error)
    assert not told or str(path) in told or str(style) in told
    assert len(told) < 1000  # of which the command line makes one line


FILES = st.one_of(
    st.tuples(st.just("a.bib"), damaged(BIBTEX.encode())),
    st.tuples(st.just("a.bib"), damaged(BIBTEX.encode())),
    st.tuples(st.just("a.json"), json_files(CSL)),
    st.tuples(st.just("a.bib"), st.text('@book{a,=}"#\\ \n$1', max_size=30).map(str.encode)),
    st.tuples(st.sampled_from(["a.txt", "a.BIB", "a.Json", ".bib"]), st.just(BIBTEX.encode())),
)


@cases("bibliographies")
def test_bibliographies(count: int, explore: Callable[..., None], tmp_path: Path) -> None:
    def check(case: tuple[str, bytes]) -> None:
        name, content = case
        (tmp_path / name).write_bytes(content)
        read(tmp_path / name)

    explore(count, FILES, check)


@cases("styles")
def test_styles(count: int, explore: Callable[..., None], tmp_path: Path) -> None:
    (tmp_path / "a.bib").write_text(BIBTEX)

    def check(change: Callable[[bytes], bytes]) -> None:
        (tmp_path / "a.csl").write_bytes(change(STYLE))
        read(tmp_path / "a.bib", tmp_path / "a.csl")

    read(tmp_path / "a.bib")
    explore(count, damages(), check)
