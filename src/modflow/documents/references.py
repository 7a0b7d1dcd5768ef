"""References from a BibTeX or a CSL JSON file, as citeproc takes them.

citeproc reads both formats, but stops at a first surprise, waits forever at the end of a file that
breaks off, and passes addresses through TeX. What it reads differently here is below.
"""

from __future__ import annotations

import io
import json
import re
import unicodedata
from pathlib import Path
from typing import Any

from citeproc.source import BibliographySource, Date, LiteralDate, Name, Reference
from citeproc.source.bibtex import latex
from citeproc.source.bibtex.bibparse import BibTeXParser
from citeproc.source.bibtex.bibtex import BibTeX, parse_name, split_names
from citeproc.source.bibtex.latex.macro import Macro, NewCommand, Symbol
from citeproc.source.json import CiteProcJSON
from citeproc.string import MixedString, NoCase, String

from ..errors import ModflowError
from .inline import BOLD, ITALIC, KEPT, LINK_END, LOWERED, RAISED, Hidden, without_marks

_DOI = re.compile(r"\A(?:https?://(?:dx\.)?doi\.org/|doi:)\s*", re.IGNORECASE)
_CUT = "the file ends within an entry: is a brace not closed?"
_OWN = {"key", "type"}
_FIELD = re.compile(r"[^\s={},\"#%'()@]+")


class References(BibliographySource):  # type: ignore[misc]
    """References by key in lower case, as citeproc has them; `spelled` has them as written."""

    def __init__(self) -> None:
        super().__init__()
        self.spelled: dict[str, str] = {}

    def take(self, reference: Reference, spelled: str) -> None:
        """Add a reference; ModflowError where there is one of that key."""
        reference.key = spelled.lower()
        if reference.key in self:
            raise ModflowError(f"there are two references {spelled!r}")
        for field in ("DOI", "URL"):
            if field in reference:
                reference[field] = f"{reference[field]}{LINK_END}"
        self.spelled[reference.key] = spelled
        self.add(reference)

    def folded(self) -> BibliographySource:
        """The same without accents, to be sorted by: Müller is before Muzzy."""
        found = BibliographySource()
        for key, reference in self.items():
            # citeproc has key and type among the fields, and as arguments.
            fields = {name: _folded(reference[name]) for name in reference.keys() - _OWN}
            found.add(Reference(key, reference.type, **fields))
        return found


def read_references(path: Path, hidden: Hidden) -> References:
    """The references in a .bib or .json file; all that is wrong with it is a ModflowError."""
    if path.suffix.lower() not in (".bib", ".json"):
        raise ModflowError(f"{path}: references are read from a .bib or a .json file (CSL JSON)")
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise ModflowError(f"cannot read {path}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise ModflowError(f"cannot read {path}: it is not in UTF-8") from error
    read = _from_bibtex if path.suffix.lower() == ".bib" else _from_json
    try:
        return read(text, hidden)
    except ModflowError as error:
        raise ModflowError(f"{path}: {error}") from error


def _folded(value: Any) -> Any:
    if isinstance(value, MixedString):
        return MixedString([_folded(part) for part in value])
    if isinstance(value, str):
        bare = (c for c in unicodedata.normalize("NFKD", value) if not unicodedata.combining(c))
        return type(value)("".join(bare))
    if isinstance(value, Name):
        return Name(**{part: _folded(text) for part, text in value.items()})
    if type(value) is list:
        return [_folded(part) for part in value]
    if type(value) is dict:
        return {field: _folded(part) for field, part in value.items()}
    return value


# -- BibTeX -------------------------------------------------------------------------------------


def _from_bibtex(text: str, hidden: Hidden) -> References:
    # A last line without an end is no line to the parser.
    file = _File(text + "\n")
    try:
        parsed = _Parser(file)
    except Exception as error:  # the parser raises whatever happens
        line = text.count("\n", 0, file.reached) + 1
        reason = _CUT if isinstance(error, ValueError) and file.reached < 0 else _reason(error)
        raise ModflowError(f"line {line}: {reason}") from error
    found, reader = References(), _Reader(hidden)
    try:
        reader.learn(parsed.preamble)
    except Exception as error:
        raise ModflowError(f"@preamble: {_reason(error)}") from error
    for key, entry in parsed.items():
        spelled = parsed.spelled[key]
        try:
            reference = reader.create_reference(key, entry)
        except Exception as error:
            raise ModflowError(f"{spelled}: {_reason(error)}") from error
        found.take(reference, spelled)
    return found


class _File(io.StringIO):
    """A file whose end is seen once: the parser would look for more forever."""

    reached = 0

    def read(self, size: int | None = -1, /) -> str:
        found = super().read(size)
        if not found and self.reached < 0:
            raise ModflowError(_CUT)
        self.reached = self.tell() if found else -1
        return found


class _Parser(BibTeXParser):  # type: ignore[misc]
    """Entries, with their keys as they are written."""

    def __init__(self, file: _File) -> None:
        self.spelled: dict[str, str] = {}
        super().__init__(file)

    def _parse_key(self, file: _File) -> str:
        start = file.tell()
        key: str = super()._parse_key(file)
        end = file.tell()
        file.seek(start)
        spelled = file.read(end - start - 1).strip()
        file.seek(end)
        if not _FIELD.fullmatch(spelled):
            raise ModflowError(f"an entry begins with its key and a comma, not {_short(spelled)}")
        if key in self.spelled:
            raise ModflowError(f"there are two references {spelled!r}")
        self.spelled[key] = spelled
        return key

    def _parse_name(self, file: _File) -> str:
        name: str = super()._parse_name(file)
        if not _FIELD.fullmatch(name):
            raise ModflowError(f"{_short(name)} is no field: is there a comma or = too few?")
        return name

    def _parse_string(self, file: _File, opening_character: str) -> str:
        return re.sub(r"\s+", " ", super()._parse_string(file, opening_character))


class _Types(dict[str, str]):
    def __missing__(self, name: str) -> str:
        return "article"


class _Reader(BibTeX):  # type: ignore[misc]
    """Entries made references: TeX becomes Unicode, but for what is between dollars."""

    fields = BibTeX.fields | {"journaltitle": "container_title", "location": "publisher_place"}
    types = _Types(
        BibTeX.types
        | {
            "incollection": "chapter",
            "online": "webpage",
            "electronic": "webpage",
            "collection": "book",
        }
    )
    _PUBLISHERS = "school", "institution", "organization", "howpublished"
    _GENRES = {"phdthesis": "PhD thesis", "mastersthesis": "Master’s thesis"}  # noqa: RUF012

    def __init__(self, hidden: Hidden) -> None:
        self.hidden = hidden
        self.preamble_macros = dict(_MACROS)

    def learn(self, preamble: str) -> None:
        """The commands that a @preamble defines."""
        latex.parse_latex(preamble, {**_MACROS, "newcommand": NewCommand(self.preamble_macros)})

    def create_reference(self, key: str, bibtex_entry: Any) -> Reference:
        for field, value in list(bibtex_entry.items()):
            if not str(value).strip():
                del bibtex_entry[field]
        date = _DATE.match(str(bibtex_entry.get("date", "")))
        if date and "year" not in bibtex_entry:
            bibtex_entry["year"] = date["year"]
        for field in self._PUBLISHERS:
            if field in bibtex_entry and "://" not in str(bibtex_entry[field]):
                bibtex_entry.setdefault("publisher", bibtex_entry[field])
        reference = super().create_reference(key, bibtex_entry)
        kind = bibtex_entry.document_type
        if kind in self._GENRES:
            reference.setdefault("genre", self._GENRES[kind])
        if kind in ("techreport", "report") and "issue" in reference:
            reference["number"] = reference["issue"]
        return reference

    def _bibtex_to_csl(self, bibtex_entry: Any) -> dict[str, Any]:
        verbatim = {"doi", "url", "volume", "number"}
        found: dict[str, Any] = super()._bibtex_to_csl(
            {name: value for name, value in bibtex_entry.items() if name not in verbatim}
        )
        for name, field in (("volume", "volume"), ("number", "issue")):
            if name in bibtex_entry:
                found[field] = self._parse_string(bibtex_entry[name])
        if doi := _address(bibtex_entry.get("doi")):
            found["DOI"] = _DOI.sub("", doi)
        url = _address(bibtex_entry.get("url")) or _address(bibtex_entry.get("howpublished"))
        if "://" in url:
            found["URL"] = url
        elif not doi and str(bibtex_entry.get("archiveprefix", "")).lower() == "arxiv":
            found["URL"] = f"https://arxiv.org/abs/{_address(bibtex_entry.get('eprint'))}"
        return found

    @staticmethod
    def _bibtex_to_csl_pages(value: Any) -> str:
        return re.sub(r"\s*[-–—]+\s*", "-", without_marks(str(value)).strip())

    def _parse_year(self, year: Any) -> tuple[int, int]:
        year = str(year).strip("{} ")
        if not re.fullmatch(r"\d{1,4}(?:\s*[-–]+\s*\d{1,4})?", year):
            raise ModflowError(f"{_short(year)} is no year")
        first, _, last = re.sub(r"[-–\s]+", "-", year).partition("-")
        return int(first), int(first[: len(first) - len(last)] + last)

    def _parse_string(self, title: Any) -> MixedString:
        marked = _with_groups_marked(self.hidden.hide_maths(str(title)))
        text = self._unicode(marked)
        found, end = MixedString(), 0
        for kept in _KEPT_WORDS.finditer(text):
            found += String(text[end : kept.start()])
            found += NoCase(kept.group().replace(KEPT[0], "").replace(KEPT[1], ""))
            end = kept.end()
        found += String(text[end:])
        return found

    @staticmethod
    def _parse_month(month: Any) -> tuple[dict[str, int], dict[str, int]]:
        try:
            return BibTeX._parse_month(str(month).strip("{} "))
        except (ValueError, AttributeError) as error:
            raise ModflowError(f"{_short(month)} is no month") from error

    def _parse_author(self, authors: str) -> list[Name]:
        names = []
        for author in split_names(without_marks(authors).strip()):
            if author.strip() == "others":
                raise ModflowError("“and others” is no name: give all, the style abbreviates")
            parts = zip(_BIBTEX_PARTS, parse_name(author), strict=True)
            names.append(Name(**{part: self._unicode(text) for part, text in parts if text}))
        return names

    def _unicode(self, text: str) -> str:
        # citeproc reads --- as -- and -, and a command at the very end not at all.
        return latex.parse_latex(text.replace("---", "—") + "{}", self.preamble_macros)


def _with_groups_marked(tex: str) -> str:
    """The text with marks in its outermost braces, but for those of a command's argument."""
    out, open_groups = "", list[bool]()
    for match in re.finditer(r"\\(?:[A-Za-z]+\s*|.)|.", tex, re.DOTALL):
        piece = match.group()
        if piece == "{":
            command = _COMMAND.search(tex, 0, match.start()) or tex[match.end() :].startswith("\\")
            kept = not open_groups and not command
            open_groups.append(kept)
            out += piece + KEPT[0] * kept
        elif piece == "}":
            if not open_groups:
                raise ModflowError(f"{_short(tex)}: a brace is closed that was not opened")
            out += KEPT[1] * open_groups.pop() + piece
        else:
            out += piece
    if open_groups:
        raise ModflowError(f"{_short(tex)}: a brace is not closed")
    return out


def _address(value: Any) -> str:
    """A DOI or an address as it is, whatever TeX made necessary."""
    text = re.sub(r"\\url\b|[{}\s]", "", without_marks(str(value or "")))
    return re.sub(r"\\([_%&#~$])", r"\1", text)


_BIBTEX_PARTS = "given", "non-dropping-particle", "family", "suffix"
_COMMAND = re.compile(r"\\(?:[A-Za-z]+\s*|[^A-Za-z])\Z")
_KEPT_WORDS = re.compile(rf"(?:[^\s{KEPT[0]}]*{KEPT[0]}[^{KEPT[1]}]*{KEPT[1]})+[^\s{KEPT[0]}]*")
_DATE = re.compile(r"(?P<year>\d{4})(?:-\d\d){0,2}\Z")


def _around(marks: tuple[str, str]) -> Macro:
    return Macro(1, marks[0] + "{0}" + marks[1])


_MACROS = {
    **dict.fromkeys(("emph", "textit", "textsl"), _around(ITALIC)),
    "textbf": _around(BOLD),
    "textsuperscript": _around(RAISED),
    "textsubscript": _around(LOWERED),
    **dict.fromkeys(("textrm", "textsc", "texttt", "textsf", "mbox", "text"), Macro(1, "{0}")),
    **dict.fromkeys(("em", "it", "bf", "rm", "sc", "tt", "sl", "/", "-"), Symbol("")),
    ",": Symbol("\N{NARROW NO-BREAK SPACE}"),
    "LaTeX": Symbol("LaTeX"),
}


# -- CSL JSON -----------------------------------------------------------------------------------


def _from_json(text: str, hidden: Hidden) -> References:
    try:
        items = json.loads(text)
    except (ValueError, RecursionError) as error:  # the latter where it is nested too deeply
        raise ModflowError(f"it is no JSON: {error}") from error
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise ModflowError("CSL JSON is a list of objects, one for each reference")
    found = References()
    for number, item in enumerate(items, 1):
        key = str(item.get("id") or "").strip()
        if not key:
            raise ModflowError(f"reference {number} has no id")
        try:
            (reference,) = _JsonReader(item, hidden).values()
        except Exception as error:  # citeproc raises whatever happens
            raise ModflowError(f"{key}: {_reason(error)}") from error
        found.take(reference, key)
    return found


class _JsonReader(CiteProcJSON):  # type: ignore[misc]
    """One reference."""

    def __init__(self, item: dict[str, Any], hidden: Hidden) -> None:
        self.hidden = hidden
        self.reference: Reference
        given = {name: value for name, value in item.items() if value not in (None, "", [], {})}
        given.setdefault("type", "article")
        super().__init__([given])
        (reference,) = self.values()
        for field, clean in (("DOI", lambda text: _DOI.sub("", text)), ("URL", str)):
            if field in given:
                reference[field] = clean(without_marks(str(given[field])).strip())

    def parse_string(self, string: Any) -> MixedString:
        return super().parse_string(_tags_to_marks(self.hidden.hide_maths(str(string))))

    def parse_names(self, json_data: Any) -> list[Name]:
        parts = ("literal", *_NAME_PARTS)
        return [
            Name(**{part: without_marks(str(name[part])) for part in parts if name.get(part)})
            for name in json_data
        ]

    def parse_date(self, json_data: Any) -> Date | LiteralDate | None:
        if "raw" in json_data and "date-parts" not in json_data:
            json_data = {"literal": str(json_data["raw"])}
        return super().parse_date(json_data)


def _tags_to_marks(text: str) -> str:
    for tag, marks in (("i", ITALIC), ("b", BOLD), ("sup", RAISED), ("sub", LOWERED)):
        text = text.replace(f"<{tag}>", marks[0]).replace(f"</{tag}>", marks[1])
    return text


_NAME_PARTS = "family", "given", "dropping-particle", "non-dropping-particle", "suffix"


def _reason(error: Exception) -> str:
    if isinstance(error, ModflowError):
        return str(error)
    if isinstance(error, KeyError) and error.args:
        name = str(error.args[0])
        return f"nothing is known by the name {name!r} (a TeX command or an abbreviation)"
    return "it is malformed"


def _short(value: Any) -> str:
    text = " ".join(str(value).split())
    return repr(text if len(text) <= 40 else text[:40] + "…")
