"""Markdown with TeX, read into blocks: what an author writes between the steps.

Read are paragraphs, headings, lists, quotations, code, tables, emphasis, links and formulas between
dollar signs; and besides

- ``@eq:gamma`` the number of what has that label, with a link,
- ``[@hlw2006, IX.9; @ghosh2023]`` citations,
- ``[[name]]`` a value of the document, in a formula or in text: an expression, a tree, an equality
  that is proved, a number.

HTML is not read. Nothing here may say that two things are equal: see `guard`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import groupby
from typing import Any

from ..errors import ModflowError
from .blocks import (
    Block,
    Break,
    Citation,
    Code,
    CodeBlock,
    Display,
    Heading,
    Inline,
    Inlines,
    Link,
    Listing,
    Math,
    Paragraph,
    Quotation,
    Reference,
    Styled,
    Table,
    Text,
)
from .guard import checked_math, checked_text, plain_text

LABEL = r"(?:eq|sec|thm|fig|tab):[A-Za-z0-9][\w.-]*"
_HEADING_LABEL = re.compile(rf"\s*\{{#({LABEL})\}}\s*$")
_VALUE = re.compile(r"\[\[([A-Za-z_]\w*)\]\]")
_SPECIAL = re.compile(
    rf"\[\[(?P<value>[A-Za-z_]\w*)\]\]"
    rf"|\[(?P<cite>@[^\[\]]+)\]"
    rf"|(?<![\w@])@(?P<label>{LABEL}(?<![.-]))"
)

Values = Callable[[str, bool], Inlines | str]
"""The value of a name, as inlines, or as TeX where it stands in a formula."""


def no_values(name: str, in_math: bool) -> Inlines | str:
    """For text that has none."""
    raise ModflowError(f"[[{name}]] has no value")


def read_blocks(markdown: str, values: Values = no_values, *, check: bool = True) -> list[Block]:
    """The blocks of a text; raises ModflowError for what may not stand in one.

    Without `check` it may say that things are equal: for quotations, which are marked as such.
    """
    return list(_Reader(values, check).blocks(_tree(_dedent(markdown))))


def read_line(markdown: str, values: Values = no_values, *, check: bool = True) -> Inlines:
    """The inlines of a title, a caption or a cell."""
    blocks = read_blocks(markdown.strip(), values, check=check)
    if not blocks:
        return ()
    if len(blocks) > 1 or not isinstance(blocks[0], Paragraph):
        raise ModflowError(f"one paragraph is needed here, not {markdown!r}")
    return blocks[0].inlines


def _dedent(markdown: str) -> str:
    """Without the indentation of a text in a program; the first line may have none."""
    import inspect

    return inspect.cleandoc(markdown)


@lru_cache(maxsize=1)
def _parser() -> Any:
    from markdown_it import MarkdownIt
    from mdit_py_plugins.dollarmath import dollarmath_plugin

    parser = MarkdownIt("commonmark", {"html": False}).enable("table")
    parser.disable(["html_block", "html_inline", "reference"])
    return parser.use(dollarmath_plugin, allow_space=True, allow_digits=True, double_inline=True)


def _tree(markdown: str) -> Any:
    from markdown_it.tree import SyntaxTreeNode

    return SyntaxTreeNode(_parser().parse(markdown))


class _Reader:
    def __init__(self, values: Values, check: bool) -> None:
        self._values, self._check = values, check

    # -- blocks ------------------------------------------------------------------------------

    def blocks(self, node: Any) -> Iterator[Block]:
        for child in node.children:
            yield from self._block(child)

    def _block(self, node: Any) -> Iterator[Block]:
        match node.type:
            case "paragraph":
                yield from self._paragraph(node.children[0].children)
            case "heading":
                yield self._heading(node)
            case "bullet_list" | "ordered_list":
                start = int(node.attrs.get("start", 1)) if node.type == "ordered_list" else None
                items = tuple(tuple(self.blocks(item)) for item in node.children)
                yield Listing(items, start)
            case "blockquote":
                yield Quotation(tuple(self.blocks(node)))
            case "fence" | "code_block":
                if node.info.strip().lower() == "math":
                    raise ModflowError("a block of code in the language math is a formula: use $$")
                yield CodeBlock(node.content.rstrip("\n"), node.info.strip())
            case "math_block":
                yield self._display(node)
            case "table":
                yield self._table(node)
            case _:
                raise ModflowError(f"a document's text cannot have a {node.type} in it")

    def _paragraph(self, nodes: Sequence[Any]) -> Iterator[Block]:
        """In parts, where formulas on lines of their own stand in it."""
        for is_display, part in groupby(nodes, lambda node: node.type == "math_inline_double"):
            if is_display:
                yield from (self._display(node) for node in part)
            elif inlines := self._inlines(part):
                yield Paragraph(inlines)

    def _display(self, node: Any) -> Display:
        return Display((("", self._tex(node.content.strip())),))

    def _heading(self, node: Any) -> Heading:
        level = int(node.tag[1:])
        if level > 2:
            raise ModflowError("headings are # for a section and ## for a part of it")
        content = node.children[0].content
        found = _HEADING_LABEL.search(content)
        inlines = self._inlines(node.children[0].children)
        if found and isinstance(last := inlines[-1], Text):
            inlines = (*inlines[:-1], Text(_HEADING_LABEL.sub("", last.text)))
        return Heading(level, inlines, "", found.group(1) if found else None)

    def _table(self, node: Any) -> Table:
        rows, align = list[tuple[Inlines, ...]](), ""
        for part in node.children:
            for row in part.children:
                rows.append(tuple(self._inlines(_content(cell)) for cell in row.children))
                styles = [str(cell.attrs.get("style", "")) for cell in row.children]
                align = "".join(
                    "r" if "right" in s else "c" if "center" in s else "l" for s in styles
                )
        return Table(rows[0], tuple(rows[1:]), align)

    # -- inlines -----------------------------------------------------------------------------

    def _inlines(self, nodes: Iterable[Any]) -> Inlines:
        found: list[Inline] = []
        text = ""
        # Brackets may have split a text into several: [[name]] is looked for in the whole.
        for node in nodes:
            if node.type in ("text", "softbreak", "text_special"):
                text += node.content if node.type != "softbreak" else "\n"
                continue
            found += self._text(text)
            text = ""
            found += self._inline(node)
        return tuple(found + self._text(text))

    def _inline(self, node: Any) -> Inlines:
        match node.type:
            case "em":
                return (Styled("emphasis", self._inlines(node.children)),)
            case "strong":
                return (Styled("strong", self._inlines(node.children)),)
            case "code_inline":
                return (Code(node.content),)
            case "math_inline":
                return (Math(self._tex(node.content.strip())),)
            case "link":
                return (Link(str(node.attrs["href"]), self._inlines(node.children)),)
            case "hardbreak":
                return (Break(),)
            case _:
                raise ModflowError(f"a document's text cannot have a {node.type} in it")

    def _text(self, text: str) -> list[Inline]:
        found, at = list[Inline](), 0
        for match in _SPECIAL.finditer(text):
            found += self._plain(text[at : match.start()])
            at = match.end()
            if name := match["value"]:
                value = self._values(name, False)
                found += [Text(value)] if isinstance(value, str) else value
            elif label := match["label"]:
                found.append(Reference(label))
            else:
                found.append(self._citation(match["cite"]))
        return found + self._plain(text[at:])

    def _plain(self, text: str) -> list[Inline]:
        if not text:
            return []
        (checked_text if self._check else plain_text)(_HEADING_LABEL.sub("", text))
        return [Text(text)]

    def _citation(self, text: str) -> Citation:
        items = []
        for part in text.split(";"):
            key, comma, place = part.strip().partition(",")
            if not re.fullmatch(r"@[\w:.+/-]+", key.strip()):
                raise ModflowError(
                    f"[{text}] is no citation: it has to look like [@key, place; @key]"
                )
            for i, piece in enumerate(place.split("$") if self._check else ()):
                (checked_math if i % 2 else checked_text)(piece)
            items.append((key.strip()[1:], place.strip() or None if comma else None))
        return Citation(tuple(items))

    def _tex(self, tex: str) -> str:
        # Values are checked where they are made; what stands around them, here.
        if self._check:
            shown = checked_math(_VALUE.sub(r"{\\value{\1}}", tex))
        else:
            shown = _VALUE.sub(r"{\\value{\1}}", tex)

        def value(match: re.Match[str]) -> str:
            found = self._values(match[1], True)
            if not isinstance(found, str):
                raise ModflowError(f"[[{match[1]}]] cannot stand in a formula")
            return found

        return re.sub(r"\{\\value\{(\w+)\}\}", value, shown)


def _content(cell: Any) -> Sequence[Any]:
    return cell.children[0].children if cell.children else ()
