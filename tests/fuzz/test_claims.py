"""`modflow verify`: any arguments, and claims that somebody else has written."""

from __future__ import annotations

from collections.abc import Callable
from xml.etree import ElementTree

import pytest
from hypothesis import strategies as st

from modflow import claims

from .arguments import command_lines, counts, mostly, paths, wholes, words
from .cases import cases
from .mutations import perhaps_damaged
from .shell import Shell

MODULE = """\
import sympy
from modflow.claims import ClaimSet, Evidence, equal, fact, order

STEPS = [0.1, 0.05, 0.025, 0.0125, 0.00625]
paper = ClaimSet({name}, {title})


@paper.claim({id}, source={source}, statement={statement}, expected={expected}, cost={cost},
             printed={printed}, corrected={corrected}, true={true}, command={command})
def one(given):
    {body}


@paper.claim("two", source="2", statement="b")
def two(given):
    yield fact("b", True, "it is so")
"""
SOUND = {
    "name": "'paper-1'",
    "title": "'A paper'",
    "id": "'one'",
    "source": "'(1)'",
    "statement": "'a = a'",
    "expected": "'confirmed'",
    "cost": "0.1",
    "printed": "{'a': 'h/4'}",
    "corrected": "None",
    "true": "None",
    "command": "None",
    "body": "yield equal('a', 'h/4', given.printed('a'))",
}
ODD = (
    *("None", "5", "True", "''", "' '", "object()", "'x' * 3000", "float('nan')", "float('inf')"),
    *("[1]", "{}", "{1: 2}", "{'a': 5}", "{'a': ')('}", "b'x'"),
    *("print", "lambda: 0", "'\\ud800'", "'a\\nb\\x00'", "'ü∂'", "10**5000", "-1", "(1, 2)", "1/0"),
    *("'refuted'", "'corrected'", "'inconclusive'", "exit(0)", "exit('bye')", "sympy.Symbol('x')"),
    *("__import__('nothing')", "ClaimSet", "undefined", "'<&>\"'", "'\\x1b[31m'", "paper", "..."),
)
BODIES = (
    *("yield fact('a', None, 'b')", "yield fact('a', False, 'b')", "return", "return 5", "yield 5"),
    *("yield", "raise ValueError('a\\nb')", "raise SystemExit(0)", "raise SystemExit('x')"),
    *("raise KeyboardInterrupt", "raise GeneratorExit", "raise BaseException('x')", "1/0"),
    *("raise StopIteration", "raise RecursionError", "raise MemoryError", "return one(given)"),
    *("raise type('E', (Exception,), {'__str__': lambda e: 1/0})", "import nothing; yield"),
    *("yield order('o', STEPS, [h**2 for h in STEPS], 2)", "yield order('o', [], [], 2)"),
    *("yield order('o', STEPS, [float('nan')] * 5, 2)", "yield order('o', STEPS, 'abc', 2)"),
    *("yield equal('a', given.random().random(), 1)", "yield equal('a', given.true('b'), 1)"),
    *("yield Evidence('exact', 'a', 'pass', 'b')", "yield Evidence('exact', 5, 'pass', None)"),
    *(
        "yield Evidence('odd', 'a', 'maybe', 'b')",
        "yield Evidence([], {}, [], ())",
        "yield ...; 1/0",
    ),
    *("yield fact('a', True, 'b', about='corrected')", "print('hello'); yield fact('a', 1, 'b')"),
    *(
        "yield fact('a', True, 'b', data={'x': float('nan')})",
        "yield fact('a', True, 'b', data=[])",
    ),
    *(
        "yield fact('a', True, 'b', data={'x': object()})",
        "yield fact('a', True, 'b', data={1: 2})",
    ),
    *("yield fact('a', True, 'b', data={'step_sizes': [1], 'errors': ['x']})", "yield given"),
    *("yield fact('a', True, 'b', data={'step_sizes': [1, 2], 'errors': [1, None]})", "(yield)()"),
    *(
        "yield equal('a', 'x', sympy.nan)",
        "yield equal('a', None, None)",
        "yield equal('a', '(', 1)",
    ),
)


@st.composite
def modules(draw: st.DrawFn) -> bytes:
    """A module of claims with something odd in it, or damaged."""
    parts = dict(SOUND)
    for name in draw(st.lists(st.sampled_from(sorted(SOUND)), max_size=2)):
        parts[name] = draw(st.sampled_from(ODD))
    if draw(st.booleans()):
        parts["body"] = draw(st.sampled_from(BODIES))
    elif parts["body"] != SOUND["body"]:
        about = draw(st.sampled_from(["fact({}, True, 'b')", "fact('a', {}, 'b')", "{}"]))
        parts["body"] = "yield " + about.format(parts["body"])
    return draw(perhaps_damaged(MODULE.format(**parts).encode()))


@cases("claims")
def test_claims_of_others(count: int, explore: Callable[..., None], shell: Shell) -> None:
    def check(case: tuple[bytes, list[str]]) -> None:
        source, options = case
        folder = shell.new_folder()
        (folder / "mine.py").write_bytes(source)
        shell(
            *("verify", *options, "--claims", "mine.py", "--jobs", "1", "--junit", "x.xml"),
            chatty=True,
            writes=["__pycache__", "x.xml"],
        )
        if (folder / "x.xml").exists():
            ElementTree.parse(folder / "x.xml")

    options = st.sampled_from(
        [["--json"], ["--json"], [], ["--json", "--full"], ["one"], ["two"], ["--quick"]]
    )
    explore(count, st.tuples(modules(), options), check)


VERIFY = command_lines(
    "verify",
    [words("thm-4.1-drift", "eq-3", "fig-1-caption", "footnote-3-hovers-gd")],
    {
        "--claims": mostly(st.just("mine.py"), paths("missing.py")),
        "--junit": paths("x.xml"),
        "--seed": wholes(0, 3),
        "--jobs": counts(1),
        "--results": paths("done", "folder"),
        "--quick": None,
        "--full": None,
        "--json": None,
    },
)


@cases("verify")
def test_verify(
    count: int, explore: Callable[..., None], shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    # All claims of the paper take a minute; here they are two.
    few = claims.ClaimSet("ghosh-2023", "two of the paper's")
    for name in ("thm-4.1-drift", "eq-3"):
        few[name] = claims.CLAIMS[name]
    monkeypatch.setattr(claims, "CLAIMS", few)

    def check(arguments: list[str]) -> None:
        folder = shell.among_paths()
        (folder / "mine.py").write_text(MODULE.format(**SOUND))
        (folder / "done" / "part").mkdir(parents=True)
        (folder / "done" / "part" / "config.json").write_text("{}")
        shell(*arguments, writes=["__pycache__"])

    explore(count, VERIFY, check)
