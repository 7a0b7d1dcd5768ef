"""A document as Markdown: for notebooks, repositories and sites that show TeX between dollars."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Sequence

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
from .breaking import hangs
from .pictures import tree_of

_SPECIAL = re.compile(r"([\\`*_\[\]<>$|#]|&(?=#?\w+;))")


def to_markdown(document: Finished, *, embed: bool = False, folder: str = "") -> str:
    """The text; with `embed`, figures stand in it, otherwise they are files in `folder`."""
    return _Writer(document, embed, folder).whole()


class _Writer:
    def __init__(self, document: Finished, embed: bool, folder: str) -> None:
        self._document, self._embed, self._folder = document, embed, folder

    def whole(self) -> str:
        document = self._document
        parts = [f"# {_escaped(document.title)}"]
        if document.authors:
            parts.append(f"*{_escaped(', '.join(document.authors))}*")
        parts += self._blocks(document.abstract, "> ")
        parts += self._blocks(document.blocks)
        if document.references:
            parts.append("## References")
            parts += [
                f'<a id="ref-{key}"></a>{self.inlines(entry)}' for key, entry in document.references
            ]
        parts += ["---", f"*{_escaped(colophon(document))}*"]
        return "\n\n".join(parts) + "\n"

    # -- blocks ------------------------------------------------------------------------------

    def _blocks(self, blocks: Iterable[Block], prefix: str = "") -> list[str]:
        """A text for each block; every line begins with the prefix."""
        shown = [self._block(block) for block in blocks]
        if not prefix:
            return shown
        joined = "\n\n".join(shown).splitlines()
        return ["\n".join((prefix + line).rstrip() for line in joined)] if shown else []

    def _block(self, block: Block) -> str:
        match block:
            case Paragraph():
                return self.inlines(block.inlines)
            case Heading():
                mark = "#" * (block.level + 1)
                return f"{mark} {_anchor(block.label)}{block.number} {self.inlines(block.inlines)}"
            case Listing():
                return self._listing(block)
            case CodeBlock():
                # A fence is longer than all that look like one within.
                fence = "`" * (max([2, *map(len, re.findall("`{3,}", block.text))]) + 1)
                return f"{fence}{block.language}\n{block.text}\n{fence}"
            case Quotation():
                source = [Paragraph((Text("— "), *block.source))] if block.source else []
                return "\n".join(self._blocks([*block.blocks, *source], "> "))
            case Display():
                return self._display(block)
            case Statement():
                return self._statement(block)
            case Table():
                return self._table(block)
            case Picturing():
                return self._figure(block)

    def _listing(self, block: Listing) -> str:
        lines = []
        for i, item in enumerate(block.items):
            mark = "-" if block.start is None else f"{block.start + i}."
            inner = "\n\n".join(self._blocks(item)).splitlines()
            indent = " " * (len(mark) + 1)
            lines.append(f"{mark} {inner[0]}" if inner else mark)
            lines += [(indent + line).rstrip() for line in inner[1:]]
        return "\n".join(lines)

    def _display(self, block: Display) -> str:
        tag = rf" \tag{{{block.number}}}" if block.number else ""
        body = _plain_trees(display_tex(block))
        note = self.marks(block.marks)
        math = f"{_anchor(block.label)}\n\n" * bool(block.label) + f"$$\n{body}{tag}\n$$"
        return f"{math}\n\n<sub>{note}</sub>" if note else math

    def marks(self, marks: Sequence[Inlines]) -> str:
        shown = [self.inlines(mark) for mark in marks]
        return "; ".join(m if m in ("definition", "quotation") else f"✓ {m}" for m in shown)

    def _statement(self, block: Statement) -> str:
        title = self.inlines(block.title)
        if block.kind == "proof":
            head = f"*Proof{' of ' + title if title else ''}.*"
            return "\n\n".join([head, *self._blocks(block.blocks), "∎"])
        name = f"**{block.kind.capitalize()} {block.number}**"
        head = _anchor(block.label) + name + (f" ({title})." if title else ".")
        return "\n".join([f"> {head}", ">", *self._blocks(block.blocks, "> ")])

    def _table(self, block: Table) -> str:
        def row(cells: Iterable[str]) -> str:
            return "| " + " | ".join(cells) + " |"

        rules = {"l": ":--", "c": ":-:", "r": "--:"}
        lines = [
            row(self.inlines(cell) for cell in block.header),
            row(rules[letter] for letter in block.align),
            *(row(self.inlines(cell) for cell in cells) for cells in block.rows),
        ]
        table = "\n".join(lines)
        if not block.number:
            return table
        head = f"{_anchor(block.label)}**Table {block.number}.** {self.inlines(block.caption)}"
        return f"{head}\n\n{table}"

    def _figure(self, block: Picturing) -> str:
        if self._embed:
            address = "data:image/svg+xml;base64," + base64.b64encode(block.svg).decode()
        else:
            address = f"{self._folder}/{block.name}.svg" if self._folder else f"{block.name}.svg"
        caption = f"{_anchor(block.label)}**Figure {block.number}.** {self.inlines(block.caption)}"
        return f"![{_escaped(block.description)}]({address})\n\n{caption}"

    # -- within a line -----------------------------------------------------------------------

    def inlines(self, inlines: Iterable[Inline]) -> str:
        """One line of Markdown."""
        return "".join(self._inline(inline) for inline in inlines)

    def _inline(self, inline: Inline) -> str:
        match inline:
            case Text():
                return _escaped(inline.text)
            case Styled():
                mark = {"emphasis": "*", "strong": "**"}[inline.style]
                return f"{mark}{self.inlines(inline.inlines)}{mark}"
            case Code():
                fence = "``" if "`" in inline.text else "`"
                return f"{fence}{inline.text}{fence}"
            case Math():
                return f"${_plain_trees(inline.tex)}$"
            case Picture():
                return f"${_bracket(inline.tree)}$"
            case Reference():
                shown = self._document.targets[inline.label]
                return f"[{shown}](#{inline.label.replace(':', '-')})"
            case Citation():
                return self.inlines(self._document.citations[inline])
            case Link():
                return f"[{self.inlines(inline.inlines)}]({inline.address})"
            case Break():
                return "  \n"


def display_tex(block: Display) -> str:
    """The TeX of a displayed formula, aligned where it has several lines."""
    if len(block.lines) <= 2 and not any(sign == " " for sign, _ in block.lines):
        return " ".join(part for line in block.lines for part in line if part)
    return _aligned(block.lines)


def _aligned(lines: Sequence[tuple[str, str]]) -> str:
    """One below the other: at their relations, or at the left where the left side is long."""
    beside = hangs(lines)
    rows = [f"{lines[0][1]} " if beside else f"& {lines[0][1]}"]
    for sign, tex in lines[1:]:
        row = rf"\quad {tex}" if sign == " " else f"{sign} {tex}"
        if beside and len(rows) == 1 and "&" not in rows[0]:
            rows[0] += f"& {row}"
        else:
            rows.append(f"& {row}" if beside or sign == " " else rf"& \quad {row}")
    return "\\begin{aligned}\n" + " \\\\\n".join(rows) + "\n\\end{aligned}"


def colophon(document: Finished) -> str:
    """How many formulas were checked, in which way, and by what."""
    counts = dict(document.counts)
    unchecked = {kind: counts.pop(kind, 0) for kind in ("definition", "quotation")}
    total = sum(counts.values())
    if not total and not any(unchecked.values()):
        return f"Made by modflow {document.version}."
    ways = ", ".join(f"{n} by {kind}" for kind, n in sorted(counts.items()))
    shown = f"{total} {'equality' if total == 1 else 'equalities'} checked"
    rest = [f"{n} {kind}{'s' * (n != 1)}" for kind, n in unchecked.items() if n]
    tail = f"; not checked: {' and '.join(rest)}" if rest else ""
    return f"{shown}{f' ({ways})' if ways else ''}{tail}. Made by modflow {document.version}."


def _anchor(label: str | None) -> str:
    return f'<a id="{label.replace(":", "-")}"></a>' if label else ""


def _escaped(text: str) -> str:
    return _SPECIAL.sub(r"\\\1", text)


def _bracket(tree: Tree) -> str:
    return tree.bracket.replace("•", r"\bullet")


def _plain_trees(tex: str) -> str:
    r"""With \tree{...} in Butcher's brackets, for programs that do not draw."""
    return tree_of(
        tex, lambda tree: rf"\left[{_bracket(tree)[1:-1]}\right]" if tree.children else r"\bullet "
    )
