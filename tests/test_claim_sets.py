"""Claims about other papers: registered, found in files, folders and packages, checked."""

from __future__ import annotations

import json
import math
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib.metadata import EntryPoint
from pathlib import Path
from textwrap import dedent
from typing import Any
from xml.etree import ElementTree

import pytest
import sympy

import modflow as mf
from modflow.claims import (
    CLAIMS,
    Claim,
    ClaimSet,
    Evidence,
    Given,
    _audit,
    _sets,
    check_claim,
    check_claims,
    choose,
    fact,
    installed_sets,
    load_claims,
    rate,
    sampled,
)

TOY = """
    from modflow.claims import ClaimSet, equal, rate

    paper = ClaimSet("{name}", "A toy")

    @paper.claim("{id}", source="(1)", statement="a = h/4", printed={{"a": "{formula}"}}, cost=9)
    def first(given):
        yield equal("a", "h/4", given.printed("a"))

    @paper.claim("{id}-order", source="(2)", statement="O(h^2)", cost=9)
    def second(given):
        steps = [0.1 / 2**i for i in range(6)]
        yield rate("errors", steps, [h**2 for h in steps], 2)
"""


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """A file with a set of two claims, or with another text."""

    def written(file: str = "toy.py", text: str = TOY, **names: str) -> Path:
        path = tmp_path / file
        names = {"name": "toy", "id": "lambda", "formula": "h/4", **names}
        path.write_text(dedent(text).format(**names))
        return path

    return written


def nothing(_: Given) -> Iterator[Evidence]:
    yield fact("nothing", True, "holds")


# -- registering ----------------------------------------------------------------------------------


def test_a_set_has_its_claims_in_order() -> None:
    paper = ClaimSet("toy-2026", "A toy")
    one = paper.claim("one", source="(1)", statement="x")(nothing)
    two = paper.claim("two", source="(2)", statement="y", expected="refuted")(nothing)
    assert isinstance(one, Claim)
    assert (list(paper), one.home, one.expected) == (["one", "two"], paper, "confirmed")
    assert paper.named("two") is two
    assert repr(paper) == "ClaimSet('toy-2026', 2 claims)"
    assert check_claim(one).as_expected
    assert not check_claim(two).as_expected
    with pytest.raises(mf.UnknownNameError, match="unknown claim 'tow': did you mean 'two'"):
        paper.named("tow")


@pytest.mark.parametrize(
    ("id", "settings", "message"),
    [
        ("one", {}, "'one' is registered twice in toy"),
        ("a b", {}, "one word, such as"),
        ("", {}, "one word, such as"),
        ("new", {"expected": "true"}, "unknown verdict of the claim new 'true'.*confirmed"),
        ("new", {"expected": "corrected"}, "goes with expected='corrected'"),
        ("new", {"corrected": "1 = 1"}, "goes with expected='corrected'.*got 'confirmed'"),
        ([], {}, "no id of a claim: one word"),
        ("new", {"source": math.inf}, "new: its source is a text, not inf"),
        ("new", {"statement": b"x"}, "new: its statement is a text, not b'x'"),
        ("new", {"expected": "corrected", "corrected": 5}, "corrected is a text or None, not 5"),
        ("new", {"command": True}, "new: its command is a text or None, not True"),
    ],
)
def test_claims_that_make_no_sense_are_refused(id: str, settings: Any, message: str) -> None:
    paper = ClaimSet("toy")
    paper.claim("one", source="(1)", statement="x")(nothing)
    with pytest.raises(mf.ModflowError, match=message):
        paper.claim(id, **{"source": "(1)", "statement": "x", **settings})
    assert list(paper) == ["one"]


@pytest.mark.parametrize("name", ["", "a b", "a/b", "é", None])
def test_sets_have_plain_names(name: Any) -> None:
    with pytest.raises(mf.ModflowError, match="names no set of claims"):
        ClaimSet(name)


# -- finding --------------------------------------------------------------------------------------


def test_files_and_folders_are_loaded(write: Callable[..., Path], tmp_path: Path) -> None:
    path = write()
    (found,) = load_claims(str(path))
    assert (found.name, found.title, list(found)) == ("toy", "A toy", ["lambda", "lambda-order"])
    assert found.origin == str(path)
    write("other.py", name="other", id="mu")
    write("_helper.py", text="1 / 0")
    write("tools.py", text="x = 1")
    assert [one.name for one in load_claims(str(tmp_path))] == ["other", "toy"]


def test_a_module_may_use_what_lies_beside_it(write: Callable[..., Path]) -> None:
    write("_formulas.py", text="quarter = 'h/4'")
    path = write(text="from _formulas import quarter\n" + dedent(TOY))
    assert [one.name for one in load_claims(str(path))] == ["toy"]


LAZY = """
    from modflow.claims import ClaimSet, equal
    {head}
    paper = ClaimSet("{name}")

    @paper.claim("{name}-one", source="(1)", statement="x", printed=dict(a="h/{number}"), cost=9)
    def first(given):
        import _formulas
        yield equal("a", _formulas.share, given.printed("a"))
        {head}
        assert _formulas.Kind is Kind
"""


@pytest.mark.parametrize("jobs", [1, 2])
def test_each_folder_has_its_own_helpers_also_while_claims_are_checked(
    write: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, jobs: int
) -> None:
    claims = []
    for number in ("4", "5"):
        (tmp_path / number).mkdir()
        write(f"{number}/_formulas.py", text=f"share = 'h/{number}'\nclass Kind: pass")
        names = {"name": f"toy-{number}", "number": number, "head": "from _formulas import Kind"}
        (found,) = load_claims(str(write(f"{number}/toy.py", text=LAZY, **names)))
        claims += found.values()
    # A module of that name that has been imported from elsewhere, such as by a test.
    (tmp_path / "tests").mkdir()
    write("tests/_formulas.py", text="share = 'h/6'")
    monkeypatch.syspath_prepend(str(tmp_path / "tests"))
    import _formulas  # type: ignore[import-not-found]

    try:
        for result in check_claims(claims, jobs=jobs):
            assert (result.verdict, result.error) == ("confirmed", None)
        folder = str(tmp_path / "4")
        (again,) = load_claims(f"{folder}/toy.py")
        assert check_claim(again["toy-4-one"]).verdict == "confirmed"
        assert sys.modules["_formulas"] is _formulas
        assert folder not in sys.path
    finally:
        del sys.modules["_formulas"]


def test_nothing_is_left_of_a_module_that_fails(write: Callable[..., Path]) -> None:
    write("_formulas.py", text="share = 'h/4'")
    path = write(text="import sys, _formulas\nsys.path.pop(0)\n1 / 0")
    before = list(sys.path), set(sys.modules)
    with pytest.raises(mf.ModflowError, match=r"toy\.py:3: ZeroDivisionError"):
        load_claims(str(path))
    assert (sys.path, set(sys.modules)) == before


def test_libraries_below_the_folder_are_not_forgotten(
    write: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As in a virtual environment within a repository: JAX cannot be imported twice."""
    site = tmp_path / ".venv" / "site-packages"
    site.mkdir(parents=True)
    (site / "a_library.py").write_text("")
    monkeypatch.syspath_prepend(str(site))
    load_claims(str(write(text="import a_library\n" + dedent(TOY))))
    assert sys.modules.pop("a_library").__file__ == str(site / "a_library.py")


def test_a_module_may_have_methods_of_its_own(write: Callable[..., Path]) -> None:
    head = dedent("""
        from __future__ import annotations
        from dataclasses import dataclass
        from typing import Any
        import modflow as mf

        @dataclass(frozen=True)
        class Plain(mf.Method):
            nu: Any = mf.parameter()
            def step(self, f, h, x, v):
                return x + h * f(x), v
    """)
    (found,) = load_claims(str(write(text=head + dedent(TOY))))
    assert len(found) == 2


def test_names_are_those_of_entry_points(
    write: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    write("installed_claims.py", name="installed")
    monkeypatch.syspath_prepend(str(tmp_path))
    points = [
        EntryPoint("toy", "installed_claims", _sets.GROUP),
        EntryPoint("toy-itself", "installed_claims:paper", _sets.GROUP),
        EntryPoint("broken", "nowhere_at_all", _sets.GROUP),
        EntryPoint("no-set", "json", _sets.GROUP),
    ]
    monkeypatch.setattr(_sets, "entry_points", lambda group: points)
    assert installed_sets() == ["ghosh-2023", "broken", "no-set", "toy", "toy-itself"]
    for name in ("toy", "toy-itself"):
        (found,) = load_claims(name)
        assert (found.name, found.origin) == ("installed", name)
    with pytest.raises(mf.ModflowError, match="cannot be loaded from nowhere_at_all: Module"):
        load_claims("broken")
    with pytest.raises(mf.ModflowError, match=r"no-set: json is no modflow\.claims\.ClaimSet"):
        load_claims("no-set")


def test_the_papers_own_set_has_a_name() -> None:
    assert load_claims("ghosh-2023") == [CLAIMS]
    assert "ghosh-2023" in installed_sets()


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("a.py", "1 / 0", "a.py:1: ZeroDivisionError: division by zero"),
        ("a.py", "def", "a.py:1: SyntaxError: invalid syntax"),
        ("a.py", "import nowhere_at_all", "a.py:1: ModuleNotFoundError: No module named"),
        ("a.py", "raise SystemExit(3)", "a.py:1: SystemExit: 3"),
        ("a.py", "x = 1", "a.py has no claims: it makes no modflow.claims.ClaimSet"),
        (
            "a.py",
            "from modflow.claims import ClaimSet\nClaimSet('a b')",
            "a.py:2: 'a b' names no set of claims",
        ),
        (
            "a.py",
            "from modflow.claims import ClaimSet\none, two = ClaimSet('a'), ClaimSet('a')",
            "two sets are called a: give each its own name",
        ),
        (
            "a.py",
            "from modflow.claims import ClaimSet\npaper = ClaimSet('a')",
            "a.py: .*the set a has no claims",
        ),
        ("a.txt", "x = 1", "a.txt has no claims: a Python module NAME.py has"),
        ("b.py", "", "there is no file .*a.py"),
        ("a.py", "import modflow.claims as claims\nfrom modflow.claims import CLAIMS", "no claims"),
    ],
)
def test_what_is_no_set_of_claims_is_refused(
    refused: Callable[..., str], tmp_path: Path, file: str, text: str, message: str
) -> None:
    (tmp_path / file).write_text(text)
    asked = tmp_path / ("a.txt" if file == "a.txt" else "a.py")
    error = refused("verify", "--claims", str(asked))
    assert re.search(message, error), error


def test_formulas_are_read_before_anything_is_checked(
    refused: Callable[..., str], write: Callable[..., Path]
) -> None:
    path = write(formula="h/")
    error = refused("verify", "--claims", str(path))
    assert "the claim lambda: SymPy cannot read the formula a = 'h/'" in error


def test_unknown_sets_and_claims_are_refused(
    refused: Callable[..., str], write: Callable[..., Path], tmp_path: Path
) -> None:
    assert "did you mean 'ghosh-2023'?" in refused("verify", "--claims", "ghosh-2022")
    assert "--claims is empty" in refused("verify", "--claims", "")
    (tmp_path / "empty").mkdir()
    assert "there are no claims in" in refused("verify", "--claims", str(tmp_path / "empty"))
    path = write()
    assert "did you mean 'lambda'?" in refused("verify", "lamda", "--claims", str(path))
    # The paper's own claims are not among those of another paper.
    assert "unknown claim 'eq-3'" in refused("verify", "eq-3", "--claims", str(path))


def test_two_sets_may_not_have_one_id(
    refused: Callable[..., str], write: Callable[..., Path]
) -> None:
    both = str(write()), str(write("other.py", name="other"))
    error = refused("verify", "--claims", both[0], "--claims", both[1])
    assert "the claim lambda is in two sets, toy and other: check one after the other" in error
    (again,) = load_claims(both[0])
    assert [claim.id for claim in choose([again, again])] == ["lambda", "lambda-order"]


# -- checking -------------------------------------------------------------------------------------


def test_verify_checks_the_claims_of_a_folder(
    run: Callable[..., Any], write: Callable[..., Path], tmp_path: Path
) -> None:
    write()
    write("other.py", name="other", id="mu")
    outcome = run("verify", "--claims", str(tmp_path))
    assert outcome.status == 0
    assert "4 confirmed; 4 of 4 claims have the verdict" in outcome.out
    outcome = run("verify", "--claims", str(tmp_path), "mu", "--json")
    (found,) = json.loads(outcome.out)
    assert (found["id"], found["set"], found["verdict"]) == ("mu", "other", "confirmed")


def test_a_formula_that_is_slightly_wrong_is_refuted(
    run: Callable[..., Any], write: Callable[..., Path]
) -> None:
    for formula in ("h/2", "-h/4", "h**2/4", "h/4 + h**2"):
        outcome = run("verify", "--claims", str(write(formula=formula)), "lambda")
        assert outcome.status == 1
        assert "verdict: refuted" in outcome.out


MENDED = """
    @paper.claim("{id}-mended", source="(3)", statement="a = h/2", printed={{"a": "h/2"}}, cost=9,
                 expected="corrected", corrected="a = h/4", true={{"a": "{formula}"}})
    def third(given):
        yield equal("a", "h/4", given.printed("a"))
        yield equal("a", "h/4", given.true("a"), about="corrected")
"""


def test_other_processes_find_the_same_claims(write: Callable[..., Path]) -> None:
    (paper,) = load_claims(str(write(text=TOY + MENDED)))
    mended = replace(paper["lambda-mended"], true={"a": "h/2"})
    claims = [*paper.values(), paper["lambda"].misprinted(a="h/2"), mended]
    assert all(_audit._is_portable(claim) for claim in claims)
    apart = {result.claim: result for result in check_claims(claims, jobs=2)}
    here = {result.claim: result for result in check_claims(claims)}
    for claim in claims:
        assert apart[claim].to_dict() == here[claim].to_dict()
    verdicts = [here[claim].verdict for claim in claims]
    assert verdicts == ["confirmed", "confirmed", "corrected", "refuted", "refuted"]


def test_claims_made_by_hand_stay_in_this_process() -> None:
    paper = ClaimSet("toy")
    claims = [
        paper.claim(id, source="(1)", statement="x", cost=9)(nothing) for id in ("one", "two")
    ]
    assert not any(map(_audit._is_portable, claims))
    assert all(result.as_expected for result in check_claims(claims, jobs=2))


BROKEN = (
    TOY
    + """
    @paper.claim("broken", source="(3)", statement="x", expected="inconclusive", command="-")
    def third(given):
        yield equal("a", "h/4", "h/4")
        yield from second.nothing
"""
)


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_a_claim_whose_own_code_fails_takes_no_other_along(
    run: Callable[..., Any], write: Callable[..., Path], tmp_path: Path, jobs: str
) -> None:
    junit = tmp_path / "junit.xml"
    path = write(text=BROKEN)
    outcome = run("verify", "--claims", str(path), "--jobs", jobs, "--junit", str(junit))
    assert outcome.status == 2
    assert outcome.err == (
        "modflow: error: not checked: broken: toy.py:18: AttributeError: 'Claim' object has no "
        "attribute 'nothing'\n"
    )
    assert "2 confirmed, 1 not checked; 2 of 3 claims have the verdict" in outcome.out
    suite = ElementTree.parse(junit).getroot().find("testsuite")
    assert suite is not None
    assert (suite.get("errors"), suite.get("failures")) == ("1", "0")
    found = json.loads(run("verify", "--claims", str(path), "--json").out)
    assert [entry["verdict"] for entry in found] == ["confirmed", "confirmed", "inconclusive"]
    assert [entry["error"] is None for entry in found] == [True, True, False]
    # What was found before it failed is there.
    assert len(found[2]["evidence"]) == 1


def test_a_claim_yields_evidence() -> None:
    paper = ClaimSet("toy")
    wrong = paper.claim("wrong", source="(1)", statement="x")(lambda given: iter([True]))  # type: ignore[list-item]
    result = check_claim(wrong)
    assert (result.verdict, result.as_expected) == ("inconclusive", False)
    assert "yields evidence, such as equal(...) or order(...), not True" in str(result.error)


@pytest.mark.parametrize(
    ("errors", "detail"),
    [
        ([0.0] * 4, "no order, expected 2; only 0 usable step sizes; at least 4 are needed"),
        ([1.0, 0.25, 0.0625], r"observed order 2.000 in .*; .*3 step sizes; at least 4 are needed"),
        ([1.0, 0.25, 0.0625, 0.015625], r"observed order 2.000 in [^;]*, expected 2$"),
    ],
)
def test_errors_that_cannot_tell_say_why(errors: list[float], detail: str) -> None:
    sizes = [0.1 / 2**i for i in range(len(errors))]
    assert re.match(detail, rate("errors", sizes, errors, 2).detail)


@pytest.mark.parametrize("returned", ["None", "fact('x', True, 'd')"])
def test_a_claim_that_forgets_to_yield_is_told_so(
    write: Callable[..., Path], returned: str
) -> None:
    text = """
    from modflow.claims import ClaimSet, fact

    paper = ClaimSet("toy")

    @paper.claim("one", source="(1)", statement="x")
    def one(given):
        return RETURNED
    """
    (paper,) = load_claims(str(write(text=text.replace("RETURNED", returned))))
    error = check_claim(paper["one"]).error
    assert error is not None
    assert error.startswith(
        "toy.py: a claim yields evidence, such as `yield equal(...)`; this one returns"
    )


TALKATIVE = """
    import os
    import sys

    from modflow.claims import ClaimSet, fact

    print("printed by the module")
    paper = ClaimSet("talkative")

    def talk(given):
        print("printed by the claim")
        sys.__stdout__.write("written by the claim\\n")
        os.write(1, b"written by a program that it runs\\n")
        yield fact("talk", True, "is cheap")

    for id in ("one", "two"):
        paper.claim(id, source="(1)", statement="x", cost=9)(talk)
"""


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_stdout_has_the_result_alone(write: Callable[..., Path], jobs: str) -> None:
    command = [sys.executable, "-m", "modflow", "verify", "--claims", str(write(text=TALKATIVE))]
    ended = subprocess.run(
        [*command, "--json", "--jobs", jobs], capture_output=True, text=True, check=True
    )
    assert [entry["verdict"] for entry in json.loads(ended.stdout)] == ["confirmed"] * 2
    for line in ("printed by the claim", "written by the claim", "written by a program"):
        assert ended.stderr.count(line) == 2
    assert "printed by the module" in ended.stderr


# -- what must not look like a success -----------------------------------------------------------


def one(claim: Callable[[Given], Iterator[Evidence]], **settings: Any) -> Claim:
    return ClaimSet("toy").claim("one", source="(1)", statement="x", **settings)(claim)


def test_an_exit_in_a_claim_is_an_error(
    run: Callable[..., Any], refused: Callable[..., str], write: Callable[..., Path]
) -> None:
    text = TOY.replace("    steps = ", "    raise SystemExit(0)\n        steps = ")
    for jobs in ("1", "2"):
        outcome = run("verify", "--claims", str(write(text=text)), "--jobs", jobs)
        assert outcome.status == 2
        assert "not checked: lambda-order: toy.py:12: SystemExit: 0" in outcome.err


def test_an_exit_in_an_installed_set_is_an_error(
    refused: Callable[..., str],
    write: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    write("that_exits.py", text="raise SystemExit(0)")
    monkeypatch.syspath_prepend(str(tmp_path))
    points = [EntryPoint("toy", "that_exits", _sets.GROUP)]
    monkeypatch.setattr(_sets, "entry_points", lambda group: points)
    assert "toy cannot be loaded from that_exits: SystemExit: 0" in refused(
        "verify", "--claims", "toy"
    )


@pytest.mark.parametrize("what", ["BaseException", "GeneratorExit"])
def test_what_is_no_exception_of_pythons_own_is_an_error_too(
    run: Callable[..., Any], refused: Callable[..., str], write: Callable[..., Path], what: str
) -> None:
    text = TOY.replace("    steps = ", f"    raise {what}('x')\n        steps = ")
    outcome = run("verify", "--claims", str(write(text=text)), "--jobs", "1", "--json")
    assert outcome.status == 2
    assert [claim["verdict"] for claim in json.loads(outcome.out)] == ["confirmed", "inconclusive"]
    assert f"not checked: lambda-order: toy.py:12: {what}: x" in outcome.err
    path = write("outside.py", text=f"raise {what}('x')")
    assert f"outside.py:1: {what}: x" in refused("verify", "--claims", str(path))


def test_a_file_that_is_named_twice_counts_once(
    run: Callable[..., Any], write: Callable[..., Path]
) -> None:
    twice = ["--claims", str(write())] * 2
    assert len(json.loads(run("verify", *twice, "--jobs", "1", "--json").out)) == 2


def test_where_no_claim_is_quick_nothing_holds(
    run: Callable[..., Any], write: Callable[..., Path]
) -> None:
    outcome = run("verify", "--claims", str(write()), "--quick")
    assert outcome.status == 3
    assert "2 claims take longer" in outcome.err


@pytest.mark.parametrize(
    ("evidence", "message"),
    [
        (lambda: fact("x", False, "d", about="print"), "'print' is none of printed, corrected"),
        (lambda: Evidence("exact", "x", "passed", "d"), "'passed' is none of pass, fail, inconcl"),
        (lambda: fact("x", True, "d", kind="proof"), "'proof' is none of exact, numeric"),
        (lambda: fact(5, True, "d"), "evidence 5: its text is a text, not 5"),
        (lambda: fact("x", math.nan, "d"), "'x': it holds True, False or None, not nan"),
        (lambda: fact("x", sympy.Symbol("b") > 0, "d"), "True, False or None, not b > 0"),
        (lambda: fact("x", True, None), "evidence 'x': its detail is a text, not None"),
        (lambda: fact("x", True, "d", data=[("a", 1)]), "its data is a dictionary, not"),
        (lambda: fact("x", True, "d", data={"a": float("nan")}), "has data that JSON has not"),
        (lambda: fact("x", True, "d", data={"a": {1}}), "has data that JSON has not: .*set"),
    ],
)
def test_evidence_that_would_count_nowhere_is_an_error(evidence: Any, message: str) -> None:
    def gather(_: Given) -> Iterator[Evidence]:
        yield fact("right", True, "d")
        yield evidence()

    result = check_claim(one(gather))
    assert not result.as_expected
    assert re.search(message, str(result.error))


@pytest.mark.parametrize(
    ("mean", "error", "value"),
    [(math.nan, 1e-3, 1), (math.inf, 1e-3, math.inf), (1, math.nan, 1), (1, 1e-3, math.nan)],
)
def test_a_sample_that_is_no_number_tells_nothing(mean: float, error: float, value: float) -> None:
    found = sampled("x", mean, error, value)
    assert found.verdict == "inconclusive"
    json.dumps(found.to_dict(), allow_nan=False)
    assert sampled("x", 1, 1e-3, 1).verdict == "pass"


def test_only_what_was_open_may_turn_out_to_be_confirmed() -> None:
    assert check_claim(one(nothing, expected="inconclusive", command="-")).as_expected
    assert not check_claim(one(nothing, expected="inconclusive")).as_expected
    assert not check_claim(one(nothing, expected="refuted", command="-")).as_expected


@pytest.mark.parametrize("cost", ["2", -1, math.nan, math.inf, None])
def test_a_cost_is_a_number_of_seconds(cost: Any) -> None:
    with pytest.raises(mf.ModflowError, match="its cost is a number of seconds"):
        one(nothing, cost=cost)


def test_junit_is_xml_whatever_evidence_says(
    run: Callable[..., Any], write: Callable[..., Path], tmp_path: Path
) -> None:
    text = r"""
        from modflow.claims import ClaimSet, fact

        paper = ClaimSet("toy")

        @paper.claim("one", source="(1)", statement="x")
        def first(given):
            yield fact("a", True, "\x1b[31mred\x00\ud800\ufffe <&> \U0001d6fd\t")
            raise ValueError("\x1b[31mred\x00")
    """
    junit = tmp_path / "junit.xml"
    outcome = run("verify", "--claims", str(write(text=text)), "--junit", str(junit))
    assert outcome.status == 2
    error = ElementTree.parse(junit).getroot().find("*/*/error")
    assert error is not None
    assert error.text == "pass: a: \\x1b[31mred\\x00\\ud800\\ufffe <&> \U0001d6fd\t"
    assert str(error.get("message")).endswith("ValueError: \\x1b[31mred\\x00")


def test_data_of_ones_own_may_have_any_names(
    run: Callable[..., Any], write: Callable[..., Path]
) -> None:
    text = """
        from modflow.claims import ClaimSet, fact

        paper = ClaimSet("toy")

        @paper.claim("one", source="(1)", statement="x")
        def first(given):
            yield fact("a", False, "d", data=dict(errors=[1, 2]))
            yield fact("b", True, "d", data=dict(errors=[1, 2], step_sizes=[1]))
            yield fact("c", True, "d", data=dict(errors=["x"], step_sizes=[1]))
    """
    outcome = run("verify", "one", "--claims", str(write(text=text)))
    assert outcome.status == 1
    assert "verdict: refuted" in outcome.out
