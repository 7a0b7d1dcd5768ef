"""Citations and references: what a .bib or .json file says, as Markdown in a style."""

from __future__ import annotations

import json
import warnings
from importlib.resources import files
from pathlib import Path

import pytest

from modflow.documents.bibliography import Bibliography, _letters
from modflow.documents.inline import BOLD, ITALIC, RAISED, Hidden, escaped, markdown
from modflow.errors import ModflowError, UnknownNameError

BOOK = r"""
@string{springer = "Springer"}
@Comment{not an entry}
@book{Hairer2006,
  author = {Hairer, Ernst and Lubich, Christian
            and Wanner, Gerhard},
  title = {Geometric Numerical Integration},
  publisher = springer # "-Verlag", address = {Berlin}, edition = 2, year = 2006,
  doi = {10.1007/3-540-30666-8},
}
"""
ARTICLE = r"""
@article{muller,
  author = {M{\"u}ller, J{\'e}r\^ome and {\O}ksendal, B. and van der Wei\ss, A.},
  title = {A $x^{2}_\beta$ flow for \emph{all} {B}-series: 50\% of Poincar\'{e} --- or *less*},
  journal = {SIAM J. {[Numer.]} Anal.}, volume = {12}, number = {3--4}, pages = {415--447},
  year = 1999, url = {https://example.org/a_b?x=1\&y=~z}, unheard = {of},
}
"""
CITED_BOOK = (
    "Hairer, E., Lubich, C. and Wanner, G. (2006) *Geometric Numerical Integration*. 2nd edn. "
    "Berlin: Springer-Verlag. Available at: <https://doi.org/10.1007/3-540-30666-8>."
)


def bibliography(folder: Path, text: str, name: str = "all.bib") -> Bibliography:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return Bibliography(path)


def entry(folder: Path, text: str, name: str = "all.bib") -> str:
    """The only reference of a file."""
    found = bibliography(folder, text, name)
    (key,) = found._keys
    found.cite([(key, None)])
    ((same, shown),) = found.entries()
    assert same == key
    return shown


def refusal(folder: Path, text: str, name: str = "all.bib") -> str:
    with pytest.raises(ModflowError) as raised:
        bibliography(folder, text, name)
    message = str(raised.value)
    assert message.startswith(f"{folder / name}: ")
    assert "\n" not in message
    return message.removeprefix(f"{folder / name}: ")


# -- citations ----------------------------------------------------------------------------------


def test_a_citation_names_authors_year_and_place(tmp_path: Path) -> None:
    found = bibliography(tmp_path, BOOK + ARTICLE)
    assert found.cite([("Hairer2006", None)]) == "(Hairer, Lubich and Wanner, 2006)"
    assert found.cite([("Hairer2006", "IX.9")]) == "(Hairer, Lubich and Wanner, 2006, IX.9)"
    both = found.cite([("Hairer2006", "Theorem IX.9.1"), ("muller", None)])
    assert both == (
        "(Müller, Øksendal and van der Weiß, 1999; Hairer, Lubich and Wanner, 2006, Theorem IX.9.1)"
    )


@pytest.mark.parametrize(
    ("place", "shown"),
    [
        ("p. 12-13", "p. 12-13"),
        ("§3, eq. (2.3)", "§3, eq. (2.3)"),
        ("for $h^2 < a_*$", "for $h^2 < a_*$"),
        ("a_b*c", r"a\_b\*c"),
        ("12..", "12.."),
        ("a  b", "a  b"),
    ],
)
def test_a_place_is_shown_as_it_is(tmp_path: Path, place: str, shown: str) -> None:
    found = bibliography(tmp_path, BOOK)
    cited = found.cite([("Hairer2006", place)])
    assert cited == f"(Hairer, Lubich and Wanner, 2006, {shown})"


def test_what_a_citation_would_not_tell_apart_gets_letters(tmp_path: Path) -> None:
    def book(key: str, title: str, year: int, more: str = "") -> str:
        return f"@book{{{key}, author={{A, B.}}, title={{{title}}}, year={year}{more}}}\n"

    text = book("z", "Alpha", 2020, ", month=may") + book("a", "Beta", 2020) + book("m", "C", 2021)
    found = bibliography(tmp_path, text)
    # The same for a document that cites one of them only, and in any order.
    assert found.cite([("a", None)]) == "(A, 2020b)"
    assert found.cite([("z", None)]) == "(A, 2020a)"
    assert found.cite([("m", None)]) == "(A, 2021)"
    assert [line for _, line in found.entries()] == [
        "A, B. (2020a) *Alpha*.",
        "A, B. (2020b) *Beta*.",
        "A, B. (2021) *C*.",
    ]
    assert [_letters(number) for number in (0, 25, 26, 27)] == ["a", "z", "aa", "ab"]


def test_unknown_keys_are_refused_with_the_nearest(tmp_path: Path) -> None:
    found = bibliography(tmp_path, BOOK)
    with pytest.raises(UnknownNameError, match="unknown reference 'hairer2006'.*'Hairer2006'"):
        found.cite([("hairer2006", None)])
    with pytest.raises(ModflowError, match="one reference"):
        found.cite([])
    # What was refused is not cited.
    with pytest.raises(UnknownNameError):
        found.cite([("Hairer2006", None), ("nobody", None)])
    assert found.entries() == []


# -- references ---------------------------------------------------------------------------------


def test_a_book(tmp_path: Path) -> None:
    assert entry(tmp_path, BOOK) == CITED_BOOK


def test_tex_becomes_unicode_and_maths_stays(tmp_path: Path) -> None:
    assert entry(tmp_path, ARTICLE) == (
        "Müller, J., Øksendal, B. and van der Weiß, A. (1999) "
        r"‘A $x^{2}_\beta$ flow for *all* B-series: 50% of Poincaré — or \*less\*’, "
        r"*SIAM J. \[Numer.\] Anal.*, 12(3–4), pp. 415–447. "
        "Available at: <https://example.org/a_b?x=1&y=~z>."
    )


def test_only_what_is_cited_is_listed_in_the_order_of_the_style(tmp_path: Path) -> None:
    names = ["Zeta, A.", "Müzzy, B.", "Murray, C.", "{\\'E}lan, D.", "Eager, E."]
    text = "".join(
        f"@book{{k{n}, author={{{name}}}, title={{T}}, year=2000}}\n"
        for n, name in enumerate(names)
    )
    found = bibliography(tmp_path, text + BOOK)
    for key in ("k0", "k1", "k2", "k3", "k4"):
        found.cite([(key, None)])
    found.cite([("k0", "again")])
    assert [key for key, _ in found.entries()] == ["k4", "k3", "k2", "k1", "k0"]


def test_the_order_of_citations_does_not_matter(tmp_path: Path) -> None:
    same = "@book{{{}, author={{A, B.}}, title={{T}}, year=2000}}\n"
    text = BOOK + ARTICLE + same.format("x") + same.format("y")
    lists = []
    for keys in (["Hairer2006", "muller", "x", "y"], ["y", "x", "muller", "Hairer2006"]):
        found = bibliography(tmp_path, text)
        for key in keys:
            found.cite([(key, None)])
        lists.append(found.entries())
    assert lists[0] == lists[1]
    assert len(lists[0]) == 4


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("@misc{a, title={T}, eprint={2009.11162}, archiveprefix={arXiv}, year=2020}",
         "<https://arxiv.org/abs/2009.11162>"),
        ("@misc{a, title={T}, howpublished={\\url{https://e.org/x\\_y}}}", "<https://e.org/x_y>"),
        ("@book{a, title={T}, doi={https://doi.org/10.1/a\\_b}}", "<https://doi.org/10.1/a_b>"),
        ("@book{a, title={T}, doi={10.1/(SICI)1:4<379::AID>3.0;2-8}}",
         "<https://doi.org/10.1/(SICI)1:4%3C379::AID%3E3.0;2-8>"),
        ("@phdthesis{a, title={T}, school={ETH}}", "PhD thesis. ETH."),
        ("@online{a, title={T}, date={2021-03-04}, url={http://e.org}}", "(2021) *T*"),
        ("@book{a, title={T}, year={2001--03}}", "(2001–2003)"),
        ("@article{a, title={T}, journal={J}, pages={e12-1 -- e12-9}, year=1}", "e12-1-e12-9"),
        ("@incollection{a, title={T}, booktitle={O}, editor={E, F.}}", "in F. E (ed.) *O*"),
        ("@weird{a, title={{Keeps} {\\em its} {\\sc Look}}}", "Keeps its Look"),
        ("@preamble{\"\\newcommand{\\foo}[1]{<#1>}\"} @book{a, title={\\foo{x}}}", r"\<x\>"),
    ],
)  # fmt: skip
def test_what_entries_say(tmp_path: Path, text: str, part: str) -> None:
    assert part in entry(tmp_path, text)


def test_nothing_of_a_reference_is_markdown(tmp_path: Path) -> None:
    title = "*a* _b_ `c` [d](e) <f> # ^g~ @h & a|b costs $5, or $ 6"
    shown = entry(tmp_path, json.dumps([{"id": "a", "type": "book", "title": title}]), "all.json")
    from markdown_it import MarkdownIt

    # The style sets the title of a book in italics.
    (inline,) = (token for token in MarkdownIt().parse(shown) if token.type == "inline")
    kinds = {token.type for token in inline.children or ()}
    assert kinds == {"text", "em_open", "em_close"}
    assert "".join(token.content for token in inline.children or ()).startswith(title)


def test_the_same_from_csl_json(tmp_path: Path) -> None:
    item = {
        "id": "Hairer2006",
        "type": "book",
        "author": [
            {"family": "Hairer", "given": "Ernst"},
            {"family": "Lubich", "given": "Christian"},
            {"family": "Wanner", "given": "Gerhard", "ORCID": "0"},
        ],
        "title": "Geometric Numerical Integration",
        "publisher": "Springer-Verlag",
        "publisher-place": "Berlin",
        "edition": 2,
        "issued": {"date-parts": [["2006"]]},
        "DOI": "doi:10.1007/3-540-30666-8",
        "abstract": "",
        "note": None,
    }
    assert entry(tmp_path, json.dumps([item]), "all.json") == CITED_BOOK


@pytest.mark.parametrize(
    ("fields", "part"),
    [
        ({"title": "On <i>x</i> and $x^2$"}, "*On* x *and $x^2$*"),
        ({"title": "H<sub>2</sub>", "type": "chapter"}, r"‘H$_{\text{2}}$’"),
        ({"issued": {"raw": "spring 2020"}}, "(spring 2020)"),
        ({"author": [{"literal": "The *SymPy* Team"}]}, r"The \*SymPy\* Team (no date)"),
        ({"URL": "https://e.org/a_b"}, "<https://e.org/a_b>"),
    ],
)
def test_what_json_says(tmp_path: Path, fields: dict[str, object], part: str) -> None:
    item = {"id": "a", "type": "book", "title": "T", **fields}
    assert part in entry(tmp_path, json.dumps([item]), "all.json")


@pytest.mark.parametrize("kind", ["bib", "json"])
def test_nothing_is_printed_or_warned(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], kind: str
) -> None:
    odd = {"id": "a", "type": "odd", "odd": "x", "title": "T", "issued": {"circa": 1}}
    text = ARTICLE if kind == "bib" else json.dumps([odd])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        entry(tmp_path, text, f"all.{kind}")
    assert capfd.readouterr() == ("", "")


# -- what is wrong with a file ------------------------------------------------------------------


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ModflowError, match=r"cannot read .*none\.bib: No such file"):
        Bibliography(tmp_path / "none.bib")
    with pytest.raises(ModflowError, match=r"a \.bib or a \.json file"):
        Bibliography(tmp_path / "all.ris")
    (tmp_path / "latin.bib").write_bytes("@book{a, title={é}}".encode("latin-1"))
    with pytest.raises(ModflowError, match="not in UTF-8"):
        Bibliography(tmp_path / "latin.bib")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("@book{a, title={T}", "line 1: the file ends within an entry"),
        ("@book{a,\n title={T\n", "the file ends within an entry"),
        ("@book{a", "the file ends within an entry"),
        ("\n\n@book{a, title {T}, year=2000}", "line 3: 'title {t}, year' is no field"),
        ("@book{title={T}, year=2000}", "begins with its key and a comma, not 'title={T}'"),
        ("@book{a, title=nothing}", "line 1: nothing is known by the name 'nothing'"),
        (r"@book{a, title={\nothing x}}", "a: nothing is known by the name 'nothing'"),
        ("@book{a, title={T}, year={soon}}", "a: 'soon' is no year"),
        ("@book{a, title={T}, year=2000, month={never}}", "a: 'never' is no month"),
        ("@book{a, author={A, B. and others}}", "a: “and others” is no name"),
        ("@book{a, title={T}} @book{A, title={U}}", "there are two references 'A'"),
    ],
)
def test_malformed_bibtex_is_one_line(tmp_path: Path, text: str, message: str) -> None:
    assert message in refusal(tmp_path, text)


def test_a_file_that_breaks_off_anywhere_is_refused_or_read(tmp_path: Path) -> None:
    text = BOOK + ARTICLE
    refused = 0
    for end in range(len(text)):
        try:
            bibliography(tmp_path, text[:end])
        except ModflowError:
            refused += 1
    assert refused > len(text) // 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[", "it is no JSON"),
        ("[" * 100_000, "it is no JSON"),
        ("{}", "a list of objects"),
        ("[1]", "a list of objects"),
        ('[{"title": "T"}]', "reference 1 has no id"),
        ('[{"id": "a"}, {"id": "a"}]', "there are two references 'a'"),
        ('[{"id": "a", "author": "A, B."}]', "a: it is malformed"),
        ('[{"id": "a", "issued": 2000}]', "a: it is malformed"),
    ],
)
def test_malformed_json_is_one_line(tmp_path: Path, text: str, message: str) -> None:
    assert message in refusal(tmp_path, text, "all.json")


# -- styles -------------------------------------------------------------------------------------

STYLE = """<?xml version="1.0" encoding="utf-8"?>
<style xmlns="http://purl.org/net/xbiblio/csl" class="in-text" version="1.0">
  <info><title>T</title><id>t</id><updated>2026-01-01T00:00:00+00:00</updated></info>
  <citation><layout prefix="[" suffix="]" delimiter=", ">
    <text variable="citation-number"/>{place}
  </layout></citation>
  <bibliography>{sort}<layout suffix=".">
    <text variable="citation-number" suffix=". "/>
    <text variable="title" text-case="title" font-weight="bold"/>
  </layout></bibliography>
</style>
"""
PLACE = '<text variable="locator" prefix=" at "/>'
SORT = '<sort><key variable="title"/></sort>'


def numbered(folder: Path, place: str = "", sort: str = "") -> Bibliography:
    (folder / "all.bib").write_text(BOOK + ARTICLE, encoding="utf-8")
    style = folder / "own.csl"
    style.write_text(STYLE.format(place=place, sort=sort), encoding="utf-8")
    return Bibliography(folder / "all.bib", style)


def test_a_style_of_its_own_that_numbers(tmp_path: Path) -> None:
    found = numbered(tmp_path, PLACE)
    assert found.cite([("muller", None)]) == r"\[1\]"
    assert found.cite([("Hairer2006", "IX-9")]) == r"\[2 at IX-9\]"
    assert found.cite([("Hairer2006", None), ("muller", None)]) == r"\[1, 2\]"
    first, second = (line for _, line in found.entries())
    # At the start of a line, a number and a point would begin a list.
    assert first.startswith(r"1\. **A $x^{2}_\beta$ Flow for *all* B-series: 50% of")
    assert second == r"2\. **Geometric Numerical Integration**."


def test_a_style_that_cannot_say_it_is_refused(tmp_path: Path) -> None:
    found = numbered(tmp_path)
    with pytest.raises(ModflowError, match=r"own\.csl shows no place such as IX\.9"):
        found.cite([("Hairer2006", "IX.9")])
    with pytest.raises(ModflowError, match="numbers references that it sorts"):
        numbered(tmp_path, sort=SORT)


def test_a_style_that_cannot_sort_is_refused(tmp_path: Path) -> None:
    usual = files("citeproc").joinpath("data/styles/harvard-cite-them-right.csl").read_text("utf-8")
    # In the macro that the sort is by, while citations have another one.
    before, _, after = usual.partition('font-style="italic"')
    (tmp_path / "own.csl").write_text(before + 'font-style="slanted"' + after, "utf-8")
    (tmp_path / "all.bib").write_text(BOOK, encoding="utf-8")
    found = Bibliography(tmp_path / "all.bib", tmp_path / "own.csl")
    found.cite([("Hairer2006", None)])
    with pytest.raises(ModflowError, match=r"all\.bib: cannot sort references in this style"):
        found.entries()


@pytest.mark.parametrize("text", ["", "no XML", "<style/>", "<a><b></a>"])
def test_what_is_no_style_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "all.bib").write_text(BOOK, encoding="utf-8")
    (tmp_path / "own.csl").write_text(text, encoding="utf-8")
    with pytest.raises(ModflowError, match=r"own\.csl is no citation style"):
        Bibliography(tmp_path / "all.bib", tmp_path / "own.csl")
    with pytest.raises(ModflowError, match=r"cannot read .*other\.csl: No such file"):
        Bibliography(tmp_path / "all.bib", tmp_path / "other.csl")


def test_marks_become_markdown() -> None:
    i, b, r = ITALIC, BOLD, RAISED
    hidden = Hidden()
    maths = hidden.hide_maths("$a*b$")
    assert markdown(f"x{i[0]} y {i[1]}z", hidden) == "x *y* z"
    assert markdown(f"{i[0]}a{i[0]}b{i[1]}c{i[1]}", hidden) == "*a*b*c*"
    assert markdown(f"{i[0]}a{i[1]}{i[0]}b{i[1]}", hidden) == "*ab*"
    assert markdown(f"{b[0]}a{i[0]}b{i[1]}{b[1]}", hidden) == "**a*b***"
    assert markdown(f"2{r[0]}nd{r[1]} {maths}*", hidden) == r"2$^{\text{nd}}$ $a*b$\*"
    assert markdown("- a", hidden) == r"\- a"
    assert escaped("a_b") == r"a\_b"
