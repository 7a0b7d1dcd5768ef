"""A document: prose, and steps whose equations are proved as they are written down."""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import sympy

from ..errors import ModflowError, UnknownNameError
from ..series import Tree
from .blocks import (
    Block,
    Citation,
    Code,
    Display,
    Finished,
    Heading,
    Inlines,
    Math,
    Picture,
    Picturing,
    Quotation,
    Reference,
    Statement,
    Table,
    Text,
)
from .breaking import broken
from .errors import StepError
from .formulas import read_expression
from .guard import checked_expression, checked_math, checked_text
from .pictures import tree_tex
from .proofs import NotProved
from .prose import LABEL, read_blocks, read_line
from .quantities import Quantity
from .rules import Identity, Proved, Rule, Shown
from .typeset import summands, twice, typeset

_KINDS = (
    *("theorem", "lemma", "proposition", "corollary"),
    *("definition", "remark", "example", "assumption"),
)


class Document:
    """Prose in Markdown with TeX, and steps whose equations are SymPy expressions.

    Every displayed equality is an assertion: `equation` proves it as it is called, and raises
    StepError with both sides and their difference where it does not hold. `define` and `quote` mark
    what they show as a definition or a quotation; nothing else can say that two things are equal.

    >>> import sympy
    >>> beta = sympy.Symbol("beta")
    >>> document = Document("Geometric sums")
    >>> document.equation("1 - beta**2", "(1 - beta)*(1 + beta)", label="eq:square")
    >>> print(document.markdown())  # doctest: +ELLIPSIS
    # Geometric sums
    ...
    """

    def __init__(
        self,
        title: str,
        *,
        authors: Sequence[str] = (),
        abstract: str = "",
        bibliography: str | Path | None = None,
        style: str | Path | None = None,
        keywords: Sequence[str] = (),
    ) -> None:
        self.title, self.authors, self.keywords = title, tuple(authors), tuple(keywords)
        with self._at():
            for text in (title, *authors, *keywords):
                checked_text(text)
        self.source = _caller_file()
        self._bibliography = self._path(bibliography)
        self._style = self._path(style)
        self.inputs: list[Path] = [p for p in (self._bibliography, self._style) if p is not None]
        """Files, besides its own, that the document was made from."""
        self._stack: list[list[Block]] = [[]]
        self._numbers: Counter[str] = Counter()
        self._targets: dict[str, str] = {}
        self._shown_before: dict[str, Shown] = {}
        self._used: list[tuple[str, str]] = []
        self._cited: dict[Citation, str] = {}
        self._steps = 0
        self.counts: Counter[str] = Counter()
        """How many formulas were checked in which way."""
        self._names: dict[str, Any] = {}
        self._defined: list[Quantity] = []
        self._abstract: list[Block] = []
        if abstract:
            with self._at():
                self._abstract = self._noted(read_blocks(abstract))

    # -- prose -------------------------------------------------------------------------------

    def text(self, markdown: str, **values: Any) -> None:
        """Add prose; ``[[name]]`` in it is the value of that name.

        A value is an expression, a tree, an `Equality` (see `equal`), a number or a text. Raises
        ModflowError for an equality that nobody checks, TeX outside of dollar signs, HTML.
        """
        with self._at():
            blocks = read_blocks(markdown, self._values(values))
            self._add(*self._noted(self._numbered(self._placed(block)) for block in blocks))

    def equal(self, left: Any, right: Any, *, by: Rule | None = None) -> Equality:
        """An equality for a text: proved here, shown where ``[[name]]`` stands."""
        with self._at():
            sides = self._side(left), self._side(right)
            proved = self._prove(sides[0], sides[1], by, None)
            self.counts[proved.kind] += 1
        return Equality(" = ".join(typeset(s, as_written=w) for s, w in sides))

    # -- formulas ----------------------------------------------------------------------------

    def define(
        self,
        tex: str,
        meaning: Any,
        *,
        label: str | None = None,
        name: str | None = None,
        tensor: bool = False,
    ) -> Quantity:
        r"""Show ``tex := meaning`` as a definition; the quantity returned stands for `meaning`.

        `name` is what it is called in expressions that are given as text; a `tensor` is a vector or
        an invariant, written after its coefficient. Raises ModflowError for TeX with an equals
        sign in it, and for a name that is taken.
        """
        with self._at():
            self._steps += 1
            value, as_written = self._side(meaning)
            checked_math(tex)
            quantity = Quantity(tex, value, tensor=tensor)
            if twice([*self._defined, quantity]):
                raise ModflowError(f"{tex} is defined twice, in different ways")
            self._defined.append(quantity)
            if name is not None:
                if name in self._names:
                    raise ModflowError(f"the name {name!r} is defined twice")
                self._names[name] = quantity
            self.counts["definition"] += 1
            self._remember(label, Shown((quantity, value)))
            terms = summands(value, as_written=as_written)
            self._display(broken([("", [tex]), (":=", terms)]), ["definition"], label)
        return quantity

    def equation(
        self,
        left: Any,
        *right: Any,
        label: str | None = None,
        by: Rule | Sequence[Rule | None] | None = None,
        modulo: tuple[Any, int] | None = None,
    ) -> None:
        """Prove and show left = right (= right ...).

        Sides are expressions, matrices, or texts that SymPy reads, which are shown as they are
        written. `by` is the rule for all the links of a chain, or one for each; `modulo` (h, n)
        says that the sides agree up to O(h^n), which is shown. Raises StepError where an equality
        does not hold.
        """
        with self._at():
            self._steps += 1
            if not right:
                raise ModflowError("an equation has two sides")
            sides = [self._side(side) for side in (left, *right)]
            rules = list(by) if isinstance(by, Sequence) else [by] * len(right)
            if len(rules) != len(right):
                raise ModflowError(f"{len(right)} equalities, but {len(rules)} rules")
            checked = []
            for i, rule in enumerate(rules):
                last = modulo if i == len(rules) - 1 else None
                checked.append(self._prove(sides[i], sides[i + 1], rule, last))
            for proved in checked:
                self.counts[proved.kind] += 1
            self._remember(label, Shown(tuple(value for value, _ in sides), modulo))
            terms = [summands(value, as_written=as_written) for value, as_written in sides]
            if modulo is not None:
                terms[-1].append(f"+ O({typeset(sympy.Pow(*modulo))})")
            lines = broken(list(zip(["", *("=" for _ in right)], terms, strict=True)))
            self._display(lines, [p.mark for p in checked], label)

    def expression(self, expression: Any, *, label: str | None = None) -> None:
        """Show an expression on a line of its own; it says nothing that could be false."""
        with self._at():
            value, as_written = self._side(expression)
            self._remember(label, Shown((value,)))
            self._display(broken([("", summands(value, as_written=as_written))]), [], label)

    def quote(self, text: str, source: str, *, label: str | None = None, **values: Any) -> None:
        """What another says, as it stands there, with its source; nothing of it is checked.

        A text that is a formula between double dollar signs alone gets a number if it has a label.
        """
        with self._at():
            self._steps += 1
            blocks = read_blocks(text, self._values(values), check=False)
            shown = []
            for block in blocks:
                if isinstance(block, Display):
                    self.counts["quotation"] += 1
                    block = replace(block, marks=(read_line("quotation"),), place=self._place)
                    if label is not None:
                        block = replace(block, number=self._number("equation"), label=label)
                        self._target(label, f"({block.number})")
                        label = None
                shown.append(block)
            if label is not None:
                raise ModflowError(f"{label} labels nothing: the quotation has no formula")
            self._add(*self._noted([Quotation(tuple(shown), read_line(source))]))

    # -- statements --------------------------------------------------------------------------

    @contextmanager
    def statement(self, kind: str, title: str = "", *, label: str | None = None) -> Iterator[None]:
        """A theorem, lemma, proposition, corollary, definition, remark, example or assumption.

        What is added within stands in it. Raises UnknownNameError for another kind.
        """
        if kind not in _KINDS:
            raise UnknownNameError("kind of statement", kind, _KINDS)
        with self._at():
            heading = self._line(title)
            number = self._number("statement")
            if label is not None:
                self._target(label, f"{kind.capitalize()} {number}")
        blocks = yield from self._within()
        self._add(Statement(kind, heading, tuple(blocks), number, label))

    @contextmanager
    def proof(self, title: str = "") -> Iterator[None]:
        """A proof; what is added within stands in it."""
        with self._at():
            heading = self._line(title)
        blocks = yield from self._within()
        self._add(Statement("proof", heading, tuple(blocks)))

    def _within(self) -> Any:
        self._stack.append([])
        depth = len(self._stack)
        try:
            yield
        finally:
            blocks = self._stack.pop()
            assert len(self._stack) == depth - 1
        return blocks

    # -- tables and figures ------------------------------------------------------------------

    def table(
        self,
        header: Sequence[str],
        rows: Iterable[Sequence[Any]],
        *,
        caption: str = "",
        label: str | None = None,
        align: str | None = None,
        widths: Sequence[float] = (),
    ) -> None:
        """A table; cells are texts (Markdown), expressions, trees or numbers.

        `align` has a letter l, c or r for each column, `widths` its share of the width of the text
        where lines have to be broken in it. Raises ModflowError for rows of different lengths.
        """
        with self._at():
            heads = tuple(self._line(cell) for cell in header)
            body = tuple(tuple(self._cell(cell) for cell in row) for row in rows)
            letters = align or "l" * len(heads)
            if any(len(row) != len(heads) for row in body) or len(letters) != len(heads):
                raise ModflowError(
                    f"all rows of a table need {len(heads)} cells, as its header has"
                )
            if set(letters) - set("lcr") or (widths and len(widths) != len(heads)):
                raise ModflowError("a table's align has l, c or r for each column, widths a share")
            number = None
            if caption or label:
                number = self._number("table")
            if label is not None:
                self._target(label, f"Table {number}")
            self._add(
                Table(heads, body, letters, self._line(caption), number, label, tuple(widths))
            )

    def figure(
        self,
        figure: Any,
        *,
        caption: str,
        label: str | None = None,
        width: float = 0.8,
        description: str = "",
        **values: Any,
    ) -> None:
        """A matplotlib figure, or a .pdf or .svg file beside the document, as vector graphics.

        `width` is its share of the width of the text; `description` says what it shows to those
        who cannot see it. Raises ModflowError for a file that is not there or no such figure.
        """
        from .figures import vector_graphics

        with self._at():
            number = self._number("figure")
            if isinstance(figure, str | Path):
                figure = self._path(figure)
                self.inputs.append(figure)
            pdf, svg = vector_graphics(figure)
            if label is not None:
                self._target(label, f"Figure {number}")
            self._add(
                *self._noted(
                    [
                        Picturing(
                            f"figure-{number}",
                            pdf,
                            svg,
                            self._line(caption, values),
                            number,
                            label,
                            width,
                            description or f"Figure {number}",
                        )
                    ]
                )
            )

    # -- what it is written as ---------------------------------------------------------------

    def markdown(self, *, embed: bool = False, folder: str = "") -> str:
        """As Markdown; figures as files in `folder`, or within the text."""
        from .markdown import to_markdown

        return to_markdown(self.finished(), embed=embed, folder=folder)

    def latex(self, *, folder: str = "") -> str:
        """As a LaTeX document; figures as files in `folder`."""
        from .latex import to_latex

        return to_latex(self.finished(), folder=folder)

    def _repr_markdown_(self) -> str:
        return self.markdown(embed=True)

    def save(self, path: str | Path, *, engine: str = "typst") -> None:
        """Write the PDF, or the Markdown or LaTeX if the file's ending is .md or .tex.

        Raises ModflowError where the file cannot be written, and where what makes the PDF is not
        installed.
        """
        from .write import save

        save(self, Path(path), engine)

    def finished(self) -> Finished:
        """The whole document, with references resolved and citations made.

        Raises ModflowError for a reference to a label that is nowhere, and UnknownNameError for
        a citation of what is not in the bibliography.
        """
        from .. import __version__

        if len(self._stack) > 1:
            raise ModflowError("a statement is not closed")
        for label, place in self._used:
            if label not in self._targets:
                error = UnknownNameError("label", label, self._targets)
                raise ModflowError(f"{place}: {error}")
        citations, references = self._citations()
        return Finished(
            self.title,
            self.authors,
            tuple(self._abstract),
            tuple(self._stack[0]),
            dict(self._targets),
            citations,
            references,
            dict(self.counts),
            __version__,
            self.keywords,
            self.source,
        )

    def _citations(
        self,
    ) -> tuple[dict[Citation, Inlines], tuple[tuple[str, Inlines], ...]]:
        if not self._cited:
            return {}, ()
        if self._bibliography is None:
            place = next(iter(self._cited.values()))
            raise ModflowError(f"{place}: a citation, but the document has no bibliography=")
        from .bibliography import Bibliography

        source = Bibliography(self._bibliography, self._style)
        made = {}
        for citation, place in self._cited.items():
            try:
                made[citation] = read_line(source.cite(list(citation.items)), check=False)
            except ModflowError as error:
                raise ModflowError(f"{place}: {error}") from error
        entries = tuple((key, read_line(text, check=False)) for key, text in source.entries())
        return made, entries

    # -- within ------------------------------------------------------------------------------

    @contextmanager
    def _at(self) -> Iterator[None]:
        """Errors begin with the file and the line of the step."""
        place = _caller_place()
        self._place = place
        try:
            yield
        except StepError:
            raise
        except ModflowError as error:
            if str(error).startswith(place):
                raise
            raise ModflowError(f"{place}: {error}") from error

    def _side(self, side: Any) -> tuple[Any, bool]:
        """A side as SymPy has it, and whether it is to be shown as it was written."""
        if isinstance(side, str):
            return read_expression(side, self._names), True
        try:
            return checked_expression(sympy.sympify(side, strict=True)), False
        except sympy.SympifyError as error:
            raise ModflowError(f"{side!r} is no expression") from error

    def _prove(
        self,
        left: tuple[Any, bool],
        right: tuple[Any, bool],
        rule: Rule | None,
        modulo: tuple[Any, int] | None,
    ) -> Proved:
        if tex := twice([left[0], right[0]]):
            raise ModflowError(f"two different things are called {tex} in this equation")
        try:
            return (rule or Identity()).prove(left[0], right[0], modulo, self._earlier)
        except NotProved as error:
            name = Path(self.source).stem if self.source else self.title
            verdict = "is not proved" if error.difference is None else "does not hold"
            raise StepError(
                f"{self._place}: step {self._steps} of {name} {verdict}: {error}"
            ) from error

    def _earlier(self, label: str) -> Shown:
        if label not in self._shown_before:
            raise UnknownNameError("equation", label, self._shown_before)
        self._used.append((label, self._place))
        return self._shown_before[label]

    def _remember(self, label: str | None, shown: Shown) -> None:
        if label is not None:
            self._shown_before[label] = shown

    def _display(
        self, lines: Sequence[tuple[str, str]], marks: list[str], label: str | None
    ) -> None:
        number = None
        if label is not None:
            number = self._number("equation")
            self._target(label, f"({number})")
        shown = tuple(read_line(mark) for mark in dict.fromkeys(marks))
        block = Display(tuple(lines), shown, number, label, self._place)
        self._add(*self._noted([block]))

    def _placed(self, block: Block) -> Block:
        return replace(block, place=self._place) if isinstance(block, Display) else block

    def _numbered(self, block: Block) -> Block:
        if isinstance(block, Heading):
            if block.level == 1:
                number = self._number("section")
                self._numbers["part"] = 0
            else:
                number = f"{self._numbers['section']}.{self._number('part')}"
            if block.label is not None:
                self._target(block.label, f"Section {number}")
            return replace(block, number=number)
        return block

    def _number(self, kind: str) -> str:
        self._numbers[kind] += 1
        return str(self._numbers[kind])

    def _target(self, label: str, shown: str) -> None:
        if not re.fullmatch(LABEL, label):
            raise ModflowError(
                f"the label {label!r} has to be eq:, thm:, sec:, fig: or tab: and a name"
            )
        if label in self._targets:
            raise ModflowError(f"the label {label} is used twice")
        self._targets[label] = shown

    def _line(self, markdown: str, values: dict[str, Any] | None = None) -> Inlines:
        found = read_line(markdown, self._values(values or {}))
        self._note(found)
        return found

    def _cell(self, cell: Any) -> Inlines:
        if isinstance(cell, str):
            return self._line(cell)
        shown = self._shown(cell)
        return (Text(shown),) if isinstance(shown, str) else shown

    def _values(self, values: dict[str, Any]) -> Any:
        def value(name: str, in_math: bool) -> Inlines | str:
            if name not in values and name not in self._names:
                raise UnknownNameError("value", name, {**values, **self._names})
            found = values.get(name, self._names.get(name))
            return self._shown(found, in_math=in_math)

        return value

    def _shown(self, value: Any, *, in_math: bool = False) -> Inlines | str:
        if isinstance(value, str):
            if in_math:
                return checked_math(value)
            return read_line(value)
        if isinstance(value, Tree):
            return tree_tex(value) if in_math else (Picture(value),)
        if isinstance(value, Equality):
            return value.tex if in_math else (Math(value.tex),)
        if isinstance(value, int | float):
            return f"{value:g}" if isinstance(value, float) else str(value)
        if value is None:
            return ""
        expression, as_written = self._side(value)
        tex = typeset(expression, as_written=as_written)
        return tex if in_math else (Math(tex),)

    def _add(self, *blocks: Block) -> None:
        self._stack[-1].extend(blocks)

    def _noted(self, blocks: Iterable[Block]) -> list[Block]:
        """The same blocks; what they refer to and cite is written down."""
        found = list(blocks)
        for block in found:
            self._note(block)
        return found

    def _note(self, part: Any) -> None:
        if isinstance(part, Reference):
            self._used.append((part.label, self._place))
        elif isinstance(part, Citation):
            self._cited.setdefault(part, self._place)
        elif isinstance(part, tuple | list):
            for each in part:
                self._note(each)
        elif isinstance(part, str | bytes | Tree | Text | Math | Code | type(None)):
            pass
        else:
            for name in getattr(part, "__dataclass_fields__", ()):
                self._note(getattr(part, name))

    def _path(self, path: str | Path | None) -> Any:
        """Beside the document, if the path is relative."""
        if path is None:
            return None
        path = Path(path)
        if not path.is_absolute() and self.source is not None:
            path = self.source.parent / path
        return path


class Equality:
    """A proved equality for a text; made by `Document.equal` alone."""

    def __init__(self, tex: str) -> None:
        self.tex = tex


def _caller_frame() -> Any:
    """The frame of the document's own code: the first outside of this package."""
    frame: Any = sys._getframe(1)
    here = str(Path(__file__).parent)
    while frame is not None and (
        frame.f_code.co_filename.startswith(here) or "contextlib" in frame.f_code.co_filename
    ):
        frame = frame.f_back
    return frame


def _caller_file() -> Path | None:
    frame = _caller_frame()
    if frame is None or frame.f_code.co_filename.startswith("<"):
        return None
    path = Path(frame.f_code.co_filename)
    return path if path.suffix == ".py" and path.is_file() else None


def _caller_place() -> str:
    frame = _caller_frame()
    if frame is None:
        return "document"
    path = frame.f_code.co_filename
    shown = "cell" if "ipykernel" in path or path.startswith("<ipython") else Path(path).name
    return f"{shown}:{frame.f_lineno}"
