"""A document as typst, with its mathematics converted by pandoc."""

from __future__ import annotations

import re
from collections.abc import Iterable
from importlib.resources import files

from ..errors import ModflowError
from ..series import Tree
from .blocks import (
    Block,
    Break,
    Citation,
    Code,
    CodeBlock,
    Display,
    Finished,
    Heading,
    Inline,
    Inlines,
    Link,
    Listing,
    Math,
    Paragraph,
    Picture,
    Picturing,
    Quotation,
    Reference,
    Statement,
    Styled,
    Table,
    Text,
)
from .markdown import colophon, display_tex
from .pictures import tree_of, tree_typst

_SPECIAL = re.compile(r"([\\#$*_`<>@\[\]~\"'/=+-])")
_TREE_MARK = "TreeOfLevels"
_BARS = re.compile(r"(?<!\\left)(?<!\\right)\\\|(.+?)(?<!\\left)(?<!\\right)\\\|", re.DOTALL)
"""The two bars of a norm, which typst has to know as an opening and a closing one."""
_BAR = r"(?<!\\left)(?<!\\right)(?<!\\)\|"
_ABSOLUTE = re.compile(rf"{_BAR}([^|]+){_BAR}")
"""The same of an absolute value."""


def to_typst(document: Finished, mathematics: dict[str, str], folder: str = "") -> str:
    """The typst source; `mathematics` has the typst of each formula's TeX."""
    return _Writer(document, mathematics, folder).whole()


def formulas(document: Finished) -> list[str]:
    """The TeX of all formulas that `to_typst` needs, each once."""
    asked: dict[str, None] = {}

    class Asking(dict[str, str]):
        def __missing__(self, tex: str) -> str:
            asked[tex] = None
            return ""

    _Writer(document, Asking(), "").whole()
    return list(asked)


def with_tree_marks(tex: str) -> str:
    r"""The TeX with words in the place of trees, which `with_trees` finds again."""
    paired = _BARS.sub(r"\\left\\Vert \1\\right\\Vert ", tex)
    paired = _ABSOLUTE.sub(r"\\left\\vert \1\\right\\vert ", paired)
    paired = paired.replace(r"\left\|", r"\left\Vert ").replace(r"\right\|", r"\right\Vert ")
    paired = paired.replace(r"\!", "")  # which is a space of full width to typst
    for name, bar in (("vert", "|"), ("Vert", r"\Vert ")):
        paired = paired.replace(rf"\l{name}", rf"\left{bar}").replace(rf"\r{name}", rf"\right{bar}")
    return tree_of(paired, lambda tree: rf"\text{{{_TREE_MARK}{_word(tree)}}}")


def with_trees(typst: str) -> str:
    """The typst with trees drawn where their words stand."""

    def drawn(match: re.Match[str]) -> str:
        levels, _, colours = match[1].partition("c")
        numbers = [[int(n) for n in part.split("x")] if part else [] for part in (levels, colours)]
        return tree_typst(Tree.from_level_sequence(*numbers))

    return re.sub(rf'"{_TREE_MARK}([\dxc]+)"', drawn, typst)


def _word(tree: Tree) -> str:
    colours = "c" + "x".join(map(str, tree.colours)) if any(tree.colours) else ""
    return "x".join(map(str, tree.level_sequence)) + colours


class _Writer:
    def __init__(self, document: Finished, mathematics: dict[str, str], folder: str) -> None:
        self._document, self._mathematics, self._folder = document, mathematics, folder

    def whole(self) -> str:
        document = self._document
        source = files("modflow.documents").joinpath("template.typ").read_text(encoding="utf-8")
        fields = {
            "title": _string(document.title),
            "authors": "(" + "".join(f"{_string(a)}, " for a in document.authors) + ")",
            "keywords": "(" + "".join(f"{_string(k)}, " for k in document.keywords) + ")",
            "version": _string(document.version),
            "abstract": f"[{self._blocks(document.abstract)}]" if document.abstract else "none",
            "colophon": f"[{_escaped(colophon(document))}]",
        }
        call = ",\n".join(f"  {name}: {value}" for name, value in fields.items())
        parts = [source, f"#show: document.with(\n{call},\n)\n", self._blocks(document.blocks)]
        if document.references:
            parts.append("#references[\n")
            for key, entry in document.references:
                parts.append(f"#reference[{self.inlines(entry)}] <{_target('ref:' + key)}>\n")
            parts.append("]\n")
        return "\n".join(parts)

    # -- blocks ------------------------------------------------------------------------------

    def _blocks(self, blocks: Iterable[Block]) -> str:
        return "\n".join(self._block(block) for block in blocks)

    def _block(self, block: Block) -> str:
        match block:
            case Paragraph():
                return self.inlines(block.inlines) + "\n"
            case Heading():
                number = _string(block.number)
                label = _labelled(block.label)
                return f"#part({block.level}, {number})[{self.inlines(block.inlines)}]{label}\n"
            case Listing():
                items = "".join(f"[{self._blocks(item)}], " for item in block.items)
                if block.start is None:
                    return f"#list({items})\n"
                return f"#enum(start: {block.start}, {items})\n"
            case CodeBlock():
                language = _string(block.language) if block.language else "none"
                return f"#raw({_string(block.text)}, lang: {language}, block: true)\n"
            case Quotation():
                source = f"[{self.inlines(block.source)}]" if block.source else "none"
                return f"#quotation({source})[{self._blocks(block.blocks)}]\n"
            case Display():
                return self._display(block)
            case Statement():
                return self._statement(block)
            case Table():
                return self._table(block)
            case Picturing():
                return self._figure(block)

    def _display(self, block: Display) -> str:
        marks = []
        for mark in block.marks:
            shown = self.inlines(mark)
            free = shown in ("definition", "quotation")
            marks.append(f"[{shown}]" if free else f"[#sym.checkmark {shown}]")
        number = "none" if block.number is None else _string(block.number)
        lines = [self._math(display_tex(block))]
        return (
            f"#display({number}, ({''.join(m + ', ' for m in marks)}), {_string(block.place)})"
            f"[$ {lines[0]} $]{_labelled(block.label)}\n"
        )

    def _statement(self, block: Statement) -> str:
        title = f"[{self.inlines(block.title)}]" if block.title else "none"
        if block.kind == "proof":
            formula = str(bool(block.blocks) and isinstance(block.blocks[-1], Display)).lower()
            return f"#proof({title}, {formula})[\n{self._blocks(block.blocks)}]\n"
        head = f"{block.kind.capitalize()} {block.number}"
        label = _labelled(block.label)
        return f"#statement({_string(head)}, {title})[\n{self._blocks(block.blocks)}]{label}\n"

    def _table(self, block: Table) -> str:
        align = ", ".join({"l": "left", "c": "center", "r": "right"}[a] for a in block.align)
        columns = ", ".join(f"{w:g}fr" for w in block.widths) or ", ".join(
            "auto" for _ in block.align
        )
        cells = [f"[*{self.inlines(c)}*]" if c else "[]" for c in block.header]
        body = [self._cell(c) for row in block.rows for c in row]
        number = "none" if block.number is None else _string(block.number)
        return (
            f"#tabular({number}, [{self.inlines(block.caption)}], ({columns}, ), ({align}, ), "
            f"({', '.join(cells)}, ), {', '.join(body)}){_labelled(block.label)}\n"
        )

    def _cell(self, inlines: Inlines) -> str:
        """What is one formula has its own height, and not that of a line, which is less."""
        alone = len(inlines) == 1 and isinstance(inlines[0], Math)
        return f"[{'#set par(leading: 0pt); ' if alone else ''}{self.inlines(inlines)}]"

    def _figure(self, block: Picturing) -> str:
        ending = "pdf" if block.pdf else "svg"
        path = f"{self._folder}/{block.name}.{ending}" if self._folder else f"{block.name}.{ending}"
        return (
            f"#illustration({_string(block.number)}, [{self.inlines(block.caption)}], "
            f"image({_string(path)}, width: {block.width * 100:g}%, "
            f"alt: {_string(block.description)})){_labelled(block.label)}\n"
        )

    # -- within a line -----------------------------------------------------------------------

    def inlines(self, inlines: Inlines | Iterable[Inline]) -> str:
        shown = (self._inline(inline) for inline in inlines)
        # Closed, lest what follows is read as arguments; a semicolon in the text would be lost.
        return "".join(f"{typst};" if typst.startswith("#") else typst for typst in shown)

    def _inline(self, inline: Inline) -> str:
        match inline:
            case Text():
                return _escaped(inline.text)
            case Styled():
                name = {"emphasis": "emph", "strong": "strong"}[inline.style]
                return f"#{name}[{self.inlines(inline.inlines)}]"
            case Code():
                return f"#raw({_string(inline.text)})"
            case Math():
                return (
                    f"#box[${self._math(inline.tex)}$]"
                    if len(inline.tex) < 24
                    else f"${self._math(inline.tex)}$"
                )
            case Picture():
                return f"#{tree_typst(inline.tree)[1:]}"
            case Reference():
                shown = self._document.targets[inline.label]
                return f"#link(<{_target(inline.label)}>)[{_escaped(shown)}]"
            case Citation():
                inner = self.inlines(self._document.citations[inline])
                key = inline.items[0][0]
                return f"#link(<{_target('ref:' + key)}>)[{inner}]"
            case Link():
                return f"#link({_string(inline.address)})[{self.inlines(inline.inlines)}]"
            case Break():
                return "#linebreak()"

    def _math(self, tex: str) -> str:
        return self._mathematics[tex]


def _labelled(label: str | None) -> str:
    return f" <{_target(label)}>" if label else ""


def _target(label: str) -> str:
    return re.sub(r"[^\w.:-]", "-", label)


def _string(text: str) -> str:
    """A typst string."""
    if "\0" in text:
        raise ModflowError("a document cannot contain the character U+0000")
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def _escaped(text: str) -> str:
    return _SPECIAL.sub(r"\\\1", text)
