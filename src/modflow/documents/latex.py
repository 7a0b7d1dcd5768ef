"""A document as LaTeX, for pdfTeX, XeTeX and LuaTeX, with numbers and labels of its own."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from importlib.resources import files

from .._tables import tikz
from ..errors import ModflowError
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
from .pictures import tree_of

_TALL = (r"\frac", r"\tikz")
_NEW_LINE = r" \\ "
_SPECIAL = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': "''",
    **{c: rf"\{c}" for c in "&%$#_{}"},
    # What pdfTeX's fonts lack.
    "–": "--",
    "—": "---",
    "“": "``",
    "”": "''",
    "‘": "`",
    "’": "'",
    "…": r"\dots{}",
    "✓": r"$\checkmark$",
    "≤": r"$\le$",
    "≥": r"$\ge$",
    "→": r"$\to$",
    "∞": r"$\infty$",
    "×": r"$\times$",
    "·": r"$\cdot$",
    "−": "$-$",
    "∇": r"$\nabla$",
    "∈": r"$\in$",
    "√": r"$\surd$",
    "²": "$^2$",
    "³": "$^3$",
    "½": r"$\frac12$",
    "‖": r"$\|$",
    "∎": r"$\square$",
    "°": r"$^\circ$",
    "\u00a0": "~",
    "\u2009": r"\,",
}
_OF_UNICODE = {"lambda": "lamda", "Lambda": "lamda"}
_GREEK = {
    unicodedata.lookup(f"GREEK {case} LETTER {_OF_UNICODE.get(name, name).upper()}"): name
    for case, names in (
        (
            "SMALL",
            "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi pi rho sigma "
            "tau upsilon phi chi psi omega",
        ),
        ("CAPITAL", "Gamma Delta Theta Lambda Xi Pi Sigma Phi Psi Omega"),
    )
    for name in names.split()
}
_SPECIAL |= {letter: rf"$\{name}$" for letter, name in _GREEK.items()}


def to_latex(document: Finished, *, folder: str = "") -> str:
    """The LaTeX source; figures are files in `folder`."""
    return _Writer(document, folder).whole()


class _Writer:
    def __init__(self, document: Finished, folder: str) -> None:
        self._document, self._folder = document, folder

    def whole(self) -> str:
        document = self._document
        preamble = files("modflow.documents").joinpath("template.tex").read_text(encoding="utf-8")
        title, authors = _escaped(document.title), _escaped(", ".join(document.authors))
        parts = [
            preamble.rstrip(),
            rf"\hypersetup{{pdftitle={{{title}}}, pdfauthor={{{authors}}},"
            rf" pdfkeywords={{{_escaped(', '.join(document.keywords))}}},"
            rf" pdfcreator={{modflow {document.version}}}}}",
            rf"\title{{{title}}}",
            rf"\author{{{authors}}}",
            r"\date{}",
            r"\begin{document}",
            r"\maketitle",
        ]
        if document.abstract:
            parts += [r"\begin{abstract}", self._blocks(document.abstract), r"\end{abstract}"]
        parts.append(self._blocks(document.blocks))
        if document.references:
            parts += [rf"\begin{{thebibliography}}{{{len(document.references)}}}"]
            for key, entry in document.references:
                parts.append(rf"\bibitem[]{{{key}}} {self.inlines(entry)}")
            parts.append(r"\end{thebibliography}")
        parts += ["", rf"\colophon{{{_escaped(colophon(document))}}}", r"\end{document}", ""]
        return "\n".join(parts)

    # -- blocks ------------------------------------------------------------------------------

    def _blocks(self, blocks: Iterable[Block]) -> str:
        return "\n".join(self._block(block) for block in blocks)

    def _block(self, block: Block) -> str:
        match block:
            case Paragraph():
                return "\n" + self.inlines(block.inlines)
            case Heading():
                name = "section" if block.level == 1 else "subsection"
                return f"\n\\{name}{{{self.inlines(block.inlines)}}}{_label(block.label)}"
            case Listing():
                return self._listing(block)
            case CodeBlock():
                if r"\end{verbatim}" in block.text:
                    raise ModflowError(r"LaTeX cannot have \end{verbatim} in a block of code")
                return f"\\begin{{verbatim}}\n{block.text}\n\\end{{verbatim}}"
            case Quotation():
                source = rf"\source{{{self.inlines(block.source)}}}" if block.source else ""
                return f"\\begin{{quote}}{self._blocks(block.blocks)}{source}\n\\end{{quote}}"
            case Display():
                return self._display(block)
            case Statement():
                return self._statement(block)
            case Table():
                return self._table(block)
            case Picturing():
                return self._figure(block)

    def _listing(self, block: Listing) -> str:
        name = "itemize" if block.start is None else "enumerate"
        lines = [rf"\begin{{{name}}}"]
        if block.start not in (None, 1):
            lines.append(rf"\setcounter{{enumi}}{{{(block.start or 1) - 1}}}")
        lines += [rf"\item {self._blocks(item).strip()}" for item in block.items]
        return "\n".join([*lines, rf"\end{{{name}}}"])

    def _display(self, block: Display) -> str:
        marks = []
        for mark in block.marks:
            shown = self.inlines(mark)
            marks.append(shown if shown in ("definition", "quotation") else rf"\checked {shown}")
        how = rf"\how{{{_NEW_LINE.join(marks)}}}"
        body = self._math(display_tex(block))
        if block.number is not None:
            return f"{how}%\n\\begin{{equation}}{_label(block.label)}\n{body}\n\\end{{equation}}"
        tag = r"\unnumbered" if marks else r"\notag"
        return f"{how}%\n\\begin{{equation}}\n{body}{tag}\n\\end{{equation}}"

    def _statement(self, block: Statement) -> str:
        title = self.inlines(block.title)
        body = self._blocks(block.blocks)
        if block.kind == "proof":
            head = f"[Proof of {title}]" if title else ""
            return f"\\begin{{proof}}{head}{body}\n\\end{{proof}}"
        head = f"[{{{title}}}]" if title else ""
        label = _label(block.label)
        return f"\\begin{{{block.kind}}}{head}{label}{body}\n\\end{{{block.kind}}}"

    def _table(self, block: Table) -> str:
        if block.widths:
            total = sum(block.widths)
            kinds = {"l": r"\raggedright", "c": r"\centering", "r": r"\raggedleft"}
            columns = "".join(
                rf">{{{kinds[a]}\arraybackslash}}p{{{0.94 * w / total - 0.02:.3f}\linewidth}}"
                for a, w in zip(block.align, block.widths, strict=True)
            )
        else:
            columns = block.align
        head = " & ".join(rf"\textbf{{{self.inlines(c)}}}" if c else "" for c in block.header)
        caption = rf"\caption{{{self.inlines(block.caption)}}}{_label(block.label)}\\"
        if block.number is None:
            caption = ""
        cells = [[self.inlines(c) for c in row] for row in block.rows]
        tall = any(name in cell for row in cells for cell in row for name in _TALL)
        rows = [" & ".join(row) + r" \\" + r" \addlinespace[3pt]" * tall for row in cells]
        return "\n".join(
            [
                rf"{{\small\begin{{longtable}}{{@{{}}{columns}@{{}}}}",
                rf"{caption}\toprule",
                rf"{head} \\ \midrule\endfirsthead",
                rf"\toprule {head} \\ \midrule\endhead",
                r"\bottomrule\endlastfoot",
                *rows,
                r"\end{longtable}}" + (r"\addtocounter{table}{-1}" if block.number is None else ""),
            ]
        )

    def _figure(self, block: Picturing) -> str:
        path = f"{self._folder}/{block.name}" if self._folder else block.name
        return "\n".join(
            [
                r"\begin{figure}[htbp]\centering",
                rf"\includegraphics[width={block.width:g}\linewidth]{{{path}.pdf}}",
                rf"\caption{{{self.inlines(block.caption)}}}{_label(block.label)}",
                r"\end{figure}",
            ]
        )

    # -- within a line -----------------------------------------------------------------------

    def inlines(self, inlines: Inlines | Iterable[Inline]) -> str:
        """One line of LaTeX."""
        return "".join(self._inline(inline) for inline in inlines)

    def _inline(self, inline: Inline) -> str:
        match inline:
            case Text():
                return _escaped(inline.text)
            case Styled():
                name = {"emphasis": "emph", "strong": "textbf"}[inline.style]
                return rf"\{name}{{{self.inlines(inline.inlines)}}}"
            case Code():
                return rf"\texttt{{{_escaped(inline.text)}}}"
            case Math():
                return f"${self._math(inline.tex)}$"
            case Picture():
                return tikz(inline.tree)
            case Reference():
                shown = self._document.targets[inline.label]
                return rf"\hyperref[{inline.label}]{{{_escaped(shown)}}}"
            case Citation():
                inner = self.inlines(self._document.citations[inline])
                return rf"\hyperlink{{cite.{inline.items[0][0]}}}{{{inner}}}"
            case Link():
                shown = self.inlines(inline.inlines)
                return rf"\href{{{_address(inline.address)}}}{{{shown}}}"
            case Break():
                return r"\\"

    def _math(self, tex: str) -> str:
        return tree_of(tex, lambda tree: f"{{{tikz(tree)}}}")


def _label(label: str | None) -> str:
    return rf"\label{{{label}}}" if label else ""


def _address(address: str) -> str:
    return re.sub(r"([%#\\{}])", r"\\\1", address)


def _escaped(text: str) -> str:
    return "".join(_SPECIAL.get(c, c) for c in text)
