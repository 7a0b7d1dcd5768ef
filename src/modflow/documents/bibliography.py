"""Citations, and the references that were cited, in a style of the Citation Style Language."""

from __future__ import annotations

import string
import warnings
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import ModflowError, UnknownNameError
from .inline import BOLD, ITALIC, LOWERED, RAISED, Hidden, escaped, markdown

if TYPE_CHECKING:
    from citeproc import CitationStylesBibliography, CitationStylesStyle

_STYLE, _LOCALE = "harvard-cite-them-right", "en-GB"
_VERBATIM = "modflow-verbatim"
"""A kind of place for which no language has a word, so that none is put before it."""


class Bibliography:
    """The references of a .bib (BibTeX) or .json (CSL JSON) file, and which of them are cited.

    `style` is a .csl file; without one, citations are by author and year (Cite Them Right).
    References that a citation would not tell apart get letters, 2006a and 2006b, for all of the
    file: so a reference is cited alike in all documents. Where a style numbers references, it is
    in the order in which they are cited.

    Raises ModflowError where a file cannot be read, or is not what its name says.
    """

    def __init__(self, path: Path, style: Path | None = None) -> None:
        self.path, self.style = path, style
        self._hidden = Hidden()
        from .references import read_references

        with warnings.catch_warnings(action="ignore"):  # about what citeproc does not know
            self._references = read_references(path, self._hidden)
            self._rules = _read_style(style)
            self._cited = self._empty(self._references)
            self._tell_apart()
        self._keys = {spelled: key for key, spelled in self._references.spelled.items()}

    def cite(self, items: Sequence[tuple[str, str | None]]) -> str:
        """A citation as inline Markdown: (Hairer, Lubich and Wanner, 2006, IX.9).

        An item is a key and a place in that reference, shown as it is, or None. Raises
        UnknownNameError for a key that the file does not have.
        """
        if not items:
            raise ModflowError("a citation is of one reference at least")
        for key, _ in items:
            if key not in self._keys:
                raise UnknownNameError("reference", key, self._keys)
        places = [None if place is None else self._place(place) for _, place in items]
        cited = self._render(
            self._cited, list(zip([self._keys[key] for key, _ in items], places, strict=True))
        )
        for (_, place), shown in zip(items, places, strict=True):
            if shown is not None and shown not in cited:
                raise ModflowError(f"the style {self.style} shows no place such as {place}")
        return markdown(cited, self._hidden)

    def entries(self) -> list[tuple[str, str]]:
        """The references cited so far, by key, each as Markdown, in the style's order."""
        items = {item.key: item for item in self._cited.items}
        found = []
        for key in self._sorted(items):
            spelled = self._references.spelled[key]
            try:
                with warnings.catch_warnings(action="ignore"):
                    (line,) = self._rules.root.bibliography.render([items[key]])
            except Exception as error:  # citeproc raises whatever happens
                raise ModflowError(f"{self.path}: cannot show {spelled} in this style") from error
            found.append((spelled, markdown(str(line), self._hidden)))
        return found

    def _empty(self, references: Any) -> CitationStylesBibliography:
        from citeproc import CitationStylesBibliography

        return CitationStylesBibliography(self._rules, references, _Marks)

    def _render(
        self, bibliography: CitationStylesBibliography, items: list[tuple[str, str | None]]
    ) -> str:
        from citeproc import Citation, CitationItem, Locator

        citation = Citation(
            [
                CitationItem(key, **({"locator": Locator(_VERBATIM, place)} if place else {}))
                for key, place in items
            ]
        )
        try:
            with warnings.catch_warnings(action="ignore"):
                bibliography.register(citation)
                return str(bibliography.cite(citation, None))
        except Exception as error:  # citeproc raises whatever happens
            spelled = ", ".join(self._references.spelled[key] for key, _ in items)
            raise ModflowError(f"{self.path}: cannot cite {spelled} in this style") from error

    def _place(self, place: str) -> str:
        """One character for it: styles have their own ideas about hyphens."""
        text = self._hidden.hide_maths(place)
        return self._hidden.hide(self._hidden.shown(escaped(text)))

    def _sorted(self, keys: Sequence[str] | dict[str, Any]) -> list[str]:
        from citeproc import Citation, CitationItem

        # What a style does not order is in the order of the keys, not of the citations.
        numbered = _is_numbered(self._rules)
        try:
            with warnings.catch_warnings(action="ignore"):
                by = self._empty(self._references.folded())
                ordered = keys if numbered else sorted(keys)
                by.register(Citation([CitationItem(key) for key in ordered]))
                by.sort()
        except Exception as error:  # citeproc raises whatever happens
            raise ModflowError(f"{self.path}: cannot sort references in this style") from error
        return list(by.keys)

    def _tell_apart(self) -> None:
        if self._rules.root.citation.get("disambiguate-add-year-suffix") != "true":
            return
        dated = defaultdict(list)
        for key, reference in self._references.items():
            dated[_year(reference.get("issued"))].append(key)
        for keys in dated.values():
            if len(keys) > 1:
                self._add_letters(keys)

    def _add_letters(self, keys: list[str]) -> None:
        alike = defaultdict(list)
        for key in keys:
            alike[self._render(self._empty(self._references), [(key, None)])].append(key)
        for same in alike.values():
            if len(same) > 1:
                for number, key in enumerate(self._sorted(same)):
                    self._references[key]["year_suffix"] = _letters(number)


class _Marks:
    """What citeproc calls a formatter: it marks, and leaves escaping for later."""

    preformat = str
    Light = Underline = SmallCaps = str

    @staticmethod
    def Italic(text: Any) -> str:
        return ITALIC[0] + str(text) + ITALIC[1]

    Oblique = Italic

    @staticmethod
    def Bold(text: Any) -> str:
        return BOLD[0] + str(text) + BOLD[1]

    @staticmethod
    def Superscript(text: Any) -> str:
        return RAISED[0] + str(text) + RAISED[1]

    @staticmethod
    def Subscript(text: Any) -> str:
        return LOWERED[0] + str(text) + LOWERED[1]


def _read_style(path: Path | None) -> CitationStylesStyle:
    from citeproc import CitationStylesStyle

    if path is None:
        return CitationStylesStyle(_STYLE, _LOCALE, validate=False)
    try:
        path.read_bytes()
    except OSError as error:
        raise ModflowError(f"cannot read {path}: {error.strerror or error}") from error
    try:
        style = CitationStylesStyle(str(path), validate=False)
        complete = None not in (style.root.citation, style.root.bibliography)
    except Exception as error:  # XML's errors, and citeproc's for what is no style
        raise ModflowError(f"{path} is no citation style (a .csl file)") from error
    if not complete:
        raise ModflowError(f"{path} says not both how to cite and how to list references")
    if _is_numbered(style) and _sort_variables(style) - {"citation-number"}:
        raise ModflowError(
            f"{path} numbers references that it sorts: take a style that numbers them as cited"
        )
    return style


def _is_numbered(style: CitationStylesStyle) -> bool:
    return any(element.get("variable") == "citation-number" for element in style.root.iter())


def _sort_variables(style: CitationStylesStyle) -> set[str]:
    keys = style.root.bibliography.xpath_search("./cs:sort/cs:key")
    return {str(key.get("variable") or key.get("macro")) for key in keys}


def _year(date: Any) -> str:
    return str(date and (date.get("begin") or date).get("year"))


def _letters(number: int) -> str:
    """A, b, …, z, aa, ab, …"""
    more, last = divmod(number, len(string.ascii_lowercase))
    return (_letters(more - 1) if more else "") + string.ascii_lowercase[last]
