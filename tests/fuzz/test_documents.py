"""`modflow pdf`: documents that somebody else has written, and what is kept beside them."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import strategies as st

from modflow.documents import build, workers

from .arguments import command_lines, mostly, outs, paths, wholes, words
from .cases import cases
from .mutations import damages, perhaps_damaged
from .shell import Shell

MODULE = """\
import sympy
from modflow.documents import Document

x, h = sympy.symbols("x h")
document = Document({title}, abstract={abstract})
document.text({text})
{body}
document.equation((x + 1) ** 2, x**2 + 2 * x + 1, label={label})
"""
SOUND = {
    "title": "'A title'",
    "abstract": "'Words.'",
    "text": "'# One\\n\\nSome *words*, $x$.'",
    "body": "pass",
    "label": "'eq:a'",
}
ODD = (
    *("None", "5", "''", "object()", "'\\ud800'", "'a\\x00b'", "b'x'", "[]", "'$'", "'$$x'", "1/0"),
    *("'x' * 3000", "'\\\\frac{'", "'$\\\\frac{$'", "'[@none]'", "'[[none]]'", "'| a |\\n|--|'"),
    *(
        "'![a](missing.png)'",
        "'<script>'",
        "'\\\\input{/etc/passwd}'",
        "'# A {#eq:a}\\n# B {#eq:a}'",
    ),
    *("exit(0)", "document", "'{' * 200", "'> ' * 200 + 'a'", "'`a'", "'[a](http://b c)'", "'#'"),
)
BODIES = (
    *("document.equation(x, x + 1)", "document.equation('x', 'x')", "document.equation('(', 1)"),
    *("document.equation(x, x, x**2)", "document.equation(x, None)", "document.equation(x)"),
    *("document.define('a = b', x)", "document.define('a', x); document.define('a', h)"),
    *("document.define('', x)", "document.define('\\\\frac{', x)", "document.define('a', 'b c')"),
    *("document.table(['a'], [[1, 2]], caption='c', label='l')", "document.text('[[a]]', a=x)"),
    *("document.equation(x, x + h**2, modulo=(h, 2))", "document.equation(x, x, modulo=(h, -1))"),
    *("document.equation(sympy.nan, sympy.nan)", "document.equation(sympy.oo, sympy.oo)"),
    *("raise SystemExit(0)", "raise KeyboardInterrupt", "raise BaseException('a\\nb')", "1/0"),
    *("del document", "document = 5", "import nothing", "print('hello')", "document.text(None)"),
    *(
        "document.equation([x], [x])",
        "document.equation(x > 0, x > 0)",
        "document.equation('x', 5)",
    ),
    *("document.equation(sympy.Symbol('a_{'), sympy.Symbol('a_{'))", "import os; os.chdir('/')"),
)


@st.composite
def modules(draw: st.DrawFn) -> bytes:
    """A document with something odd in it, or damaged."""
    parts = dict(SOUND)
    for name in draw(st.lists(st.sampled_from(["title", "abstract", "text", "label"]), max_size=1)):
        parts[name] = draw(st.sampled_from(ODD))
    if draw(st.booleans()):
        parts["body"] = draw(st.sampled_from(BODIES))
    return draw(perhaps_damaged(MODULE.format(**parts).encode()))


class Here(workers.Workers):
    """Documents built in this process: another one for each takes a second."""

    def run(
        self, documents: Sequence[Path], out: Path, engine: str, *more: Any
    ) -> Generator[tuple[Path, workers.Outcome], None, None]:
        for document in documents:
            yield document, workers._written(document, out, engine, self._writer)


ASKED = command_lines(
    "pdf",
    [mostly(st.just("mine.py"), paths("nothing.py", "theirs", "beside"))],
    {
        "--out": paths("built", "built/below"),
        "--engine": words("typst"),
        "--jobs": wholes(1),
        "--force": None,
        "--json": None,
    },
)


@pytest.fixture(autouse=True)
def _here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "Workers", Here)


@cases("documents")
def test_documents_of_others(count: int, explore: Callable[..., None], shell: Shell) -> None:
    def check(case: tuple[bytes, list[str]]) -> None:
        source, arguments = case
        folder = shell.among_paths()
        (folder / "mine.py").write_bytes(source)
        # Where none is named, all of `derivations` are built.
        for place in ("beside", "derivations"):
            (folder / place).mkdir()
            (folder / place / "theirs.py").write_text(MODULE.format(**SOUND))
        outcome = shell(*arguments, chatty=True, writes=[*outs(arguments), *_MADE])
        assert Path.cwd() == folder
        if "--json" in arguments[:2] and outcome.out and "--help" not in arguments:
            for found in json.loads(outcome.out):
                wrong = found["status"] in ("failed", "refused", "partial")
                assert len((found["message"] or "").splitlines()) == wrong

    explore(count, st.tuples(modules(), ASKED), check)


_MADE = ("__pycache__", "build", "beside/__pycache__", "derivations/__pycache__")


@cases("records")
def test_records_of_what_was_built(count: int, explore: Callable[..., None], shell: Shell) -> None:
    """What is kept to know that nothing has changed is damaged: then it is built again."""

    def check(change: Callable[[bytes], bytes]) -> None:
        folder: Path = shell.new_folder()
        (folder / "mine.py").write_text(MODULE.format(**SOUND))
        command = ("pdf", "--json", "mine.py", "--out", "built")
        assert shell(*command).status == 0
        text = (folder / "built" / "mine.md").read_bytes()
        for path in sorted((folder / "built" / ".modflow").rglob("*")):
            if path.is_file():
                path.write_bytes(change(path.read_bytes()))
        assert shell(*command).status == 0
        assert (folder / "built" / "mine.md").read_bytes() == text

    explore(count, damages(), check)
