"""What a document consists of, whatever it is written as."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from ..series import Tree

# -- within a line -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Text:
    """Plain text."""

    text: str


@dataclass(frozen=True)
class Styled:
    """`emphasis`, `strong` or `quoted` text."""

    style: str
    inlines: tuple[Inline, ...]


@dataclass(frozen=True)
class Code:
    """Code within a line."""

    text: str


@dataclass(frozen=True)
class Math:
    """A formula within a line, in TeX."""

    tex: str


@dataclass(frozen=True)
class Picture:
    """A tree drawn within a line."""

    tree: Tree


@dataclass(frozen=True)
class Reference:
    """The number of what has this label, with a link to it."""

    label: str


@dataclass(frozen=True)
class Citation:
    """References in the bibliography, each with a place in it or None."""

    items: tuple[tuple[str, str | None], ...]


@dataclass(frozen=True)
class Link:
    """A link to an address."""

    address: str
    inlines: tuple[Inline, ...]


@dataclass(frozen=True)
class Break:
    """The end of a line."""


Inline = Text | Styled | Code | Math | Picture | Reference | Citation | Link | Break
Inlines = tuple[Inline, ...]

# -- of its own ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Paragraph:
    """Some lines of text."""

    inlines: Inlines


@dataclass(frozen=True)
class Heading:
    """The title of a section (level 1) or of a part of it (level 2)."""

    level: int
    inlines: Inlines
    number: str
    label: str | None = None


@dataclass(frozen=True)
class Listing:
    """A list; `start` is the first number of an ordered one."""

    items: tuple[tuple[Block, ...], ...]
    start: int | None = None


@dataclass(frozen=True)
class CodeBlock:
    """Some lines of code."""

    text: str
    language: str = ""


@dataclass(frozen=True)
class Quotation:
    """What another says, with its source: nothing in it is checked."""

    blocks: tuple[Block, ...]
    source: Inlines = ()


@dataclass(frozen=True)
class Display:
    """A formula on lines of its own.

    A line is a relation (empty in the first one) and TeX; `marks` say how each equality was
    checked, or that it is a definition or a quotation.
    """

    lines: tuple[tuple[str, str], ...]
    marks: tuple[Inlines, ...] = ()
    number: str | None = None
    label: str | None = None
    place: str = ""
    """File and line of the step, for messages."""


@dataclass(frozen=True)
class Statement:
    """A theorem, lemma, definition, remark, example or proof, with what stands in it."""

    kind: str
    title: Inlines
    blocks: tuple[Block, ...]
    number: str | None = None
    label: str | None = None


@dataclass(frozen=True)
class Table:
    """A table; `align` has l, c or r for each column."""

    header: tuple[Inlines, ...]
    rows: tuple[tuple[Inlines, ...], ...]
    align: str
    caption: Inlines = ()
    number: str | None = None
    label: str | None = None
    widths: tuple[float, ...] = ()
    """Shares of the width of the text, where lines have to be broken."""


@dataclass(frozen=True, eq=False)
class Picturing:
    """A figure: vector graphics by name, PDF and SVG each."""

    name: str
    pdf: bytes
    svg: bytes
    caption: Inlines
    number: str
    label: str | None
    width: float
    """As a share of the width of the text."""
    description: str
    """What it shows, for those who cannot see it."""


Block = (
    Paragraph | Heading | Listing | CodeBlock | Quotation | Display | Statement | Table | Picturing
)


@dataclass(frozen=True, eq=False)
class Finished:
    """A whole document, with all its labels known and its citations made."""

    title: str
    authors: tuple[str, ...]
    abstract: tuple[Block, ...]
    blocks: tuple[Block, ...]
    targets: dict[str, str]
    """What a reference to each label shows, such as (3) or Theorem 2."""
    citations: dict[Citation, Inlines]
    references: tuple[tuple[str, Inlines], ...]
    counts: dict[str, int] = field(default_factory=dict)
    """How many formulas were checked in which way."""
    version: str = ""
    keywords: tuple[str, ...] = ()
    source: Path | None = None
