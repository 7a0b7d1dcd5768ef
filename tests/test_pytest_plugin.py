"""The plugin in other projects: silent unless used, and what it says when it is."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from textwrap import dedent
from xml.etree import ElementTree

import pytest

import modflow.claims  # noqa: F401  what a run imports, pytester forgets: JAX cannot come again
from modflow.pytest_plugin import file_name

pytest_plugins = ["pytester"]

RULES = """
    import math
    import pytest
    from modflow.testing import assert_order as check

    H = [0.1, 0.05, 0.025, 0.0125, 0.00625]

    def euler(h):
        return abs(math.e - (1 + h) ** round(1 / h))

    def heun(h):
        return abs(math.e - (1 + h + h**2 / 2) ** round(1 / h))
"""

CLAIMS = """
    from modflow.claims import ClaimSet, equal, rate

    paper = ClaimSet("toy-2026", "A toy")
    H = [0.1, 0.05, 0.025, 0.0125, 0.00625]

    @paper.claim("lambda", source="(1)", statement="a = h/4", printed={"a": "h/4"})
    def right(given):
        yield equal("a", "h/4", given.printed("a"))
        yield rate("errors", H, [h**2 for h in H], 2)

    @paper.claim(
        "misprint", source="(2)", statement="a = h/2", printed={"a": "h/2"},
        expected="corrected", corrected="a = h/4", true={"a": "h/4"},
    )
    def wrong(given):
        yield equal("a", "h/4", given.printed("a"))
        yield equal("a", "h/4", given.true("a"), about="corrected")
        yield rate("errors", H, [h for h in H], 2)

    @paper.claim("open", source="(3)", statement="?", expected="inconclusive", command="wait")
    def unknown(given):
        yield rate("errors", H[:4], [1.0, 0.5, 0.2, 0.06], 2)
"""

Project = Callable[..., pytest.RunResult]


@pytest.fixture
def project(pytester: pytest.Pytester) -> Project:
    """Run pytest on one test module that begins with RULES."""

    def run(body: str, *arguments: str) -> pytest.RunResult:
        pytester.makepyfile(test_rules=dedent(RULES) + dedent(body))
        return pytester.runpytest("-p", "no:randomly", *arguments)

    return run


def section(result: pytest.RunResult, title: str) -> list[str]:
    """The lines of a section of the summary."""
    text = result.stdout.str()
    match = re.search(rf"=+ {title} =+\n((?:[^=].*\n)*)", text)
    return match[1].splitlines() if match else []


# -- asserting ------------------------------------------------------------------------------------


def test_a_failure_shows_the_table_the_reason_and_the_plot(project: Project) -> None:
    result = project("""
    def test_euler():
        check(euler, H, expected=2)
    """)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            ">       check(euler, H, expected=2)",
            "E       modflow.testing.OrderNotFound: order 2 expected, observed 1.00",
            "E *h *error *slope",
            "E *0.05 *6.498e-02 *0.938",
            "E *fail: observed order 1.00, 95% interval *, 5 step sizes, excludes order 2",
            "E *plot: *.svg",
            "*test_rules.py:*: OrderNotFound",
        ]
    )
    assert "src/modflow" not in result.stdout.str()  # no frame of modflow's own
    path = re.search(r"plot: (.*\.svg)", result.stdout.str())
    assert path is not None
    ElementTree.parse(path[1])
    assert section(result, "orders of convergence") == [
        "1.000 in [0.999, 1.001]  expected 2  fail  test_rules.py::test_euler"
    ]


def test_each_order_is_listed(project: Project) -> None:
    result = project("""
    @pytest.mark.parametrize(("rule", "order"), [(euler, 1), (heun, 2)], ids=["euler", "heun"])
    def test_rules(rule, order):
        check(rule, H, order)

    def test_both(assert_order):
        assert_order(heun, H, label="Heun's")
        assert_order(euler, H, 1, label="Euler's")
    """)
    result.assert_outcomes(passed=3)
    lines = section(result, "orders of convergence")
    assert [line.split("  ")[-1] for line in lines] == [
        "test_rules.py::test_both: Heun's",
        "test_rules.py::test_both: Euler's",
        "test_rules.py::test_rules[euler]",
        "test_rules.py::test_rules[heun]",
    ]
    assert lines[1].startswith("1.000 in [")
    assert lines[3].startswith("2.000 in [")


def test_a_marked_test_returns_the_error_at_each_step_size(project: Project) -> None:
    body = """
    @pytest.fixture
    def exact():
        return math.e

    @pytest.mark.order(expected=EXPECTED, step_sizes=H)
    @pytest.mark.parametrize("terms", [1, 2])
    def test_taylor(terms, step_size, exact):
        growth = sum(step_size**j / math.factorial(j) for j in range(terms + 1))
        return abs(exact - growth ** round(1 / step_size))

    class TestClass:
        @pytest.mark.order(EXPECTED, step_sizes=H)
        def test_method(self, step_size):
            return heun(step_size)
    """
    result = project(body.replace("EXPECTED", "2"), "-W", "error")
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(
        ["*_ test_taylor?1? _*", "order 2 expected, observed 1.00", "*0.938", "plot: *.svg"]
    )
    result.stdout.re_match_lines([r"test_rules\.py:\d+$"])
    assert "During handling" not in result.stdout.str()
    project(body.replace("EXPECTED", "3")).assert_outcomes(failed=3)


def test_the_fixture_takes_what_is_not_given_from_the_mark(project: Project) -> None:
    result = project("""
    pytestmark = pytest.mark.order(expected=1, step_sizes=H)

    def test_from_the_mark(assert_order):
        assert_order(euler)

    def test_given(assert_order):
        assert_order(heun, expected=2)

    def test_wrong(assert_order):
        assert_order(heun)

    def test_nothing():
        pass
    """)
    result.assert_outcomes(passed=3, failed=1)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("@pytest.mark.order(expected=2, step_sizes=H)\ndef test(): pass", "asserts none"),
        ("@pytest.mark.order(expected=2)\ndef test(step_size): pass", "step_sizes=[[]...[]]"),
        ("def test(step_size): pass", "step_size is for tests marked with order"),
        (
            "@pytest.mark.order(expected=2, sizes=H)\ndef test(step_size): pass",
            "takes expected, step_sizes, uncertainties, inconclusive, not sizes",
        ),
        (
            "@pytest.mark.order(expected=2, step_sizes=H)\ndef test(step_size): pass",
            "*returned None*",
        ),
        (
            "@pytest.mark.order(3, expected=2, step_sizes=H)\ndef test(step_size): pass",
            "has its order twice",
        ),
        (
            "@pytest.mark.order(expected=3, step_sizes=H)\ndef test(): check(heun, H)",
            "marked with order 3, and asserts 2: use the fixture",
        ),
        # A mark of pytest-order's does not hide it, above it or below.
        (
            "@pytest.mark.order(expected=3)\n@pytest.mark.order(1)\ndef test(): pass",
            "asserts none",
        ),
        (
            "@pytest.mark.order(1)\n@pytest.mark.order(expected=3)\ndef test(): pass",
            "asserts none",
        ),
        (
            "@pytest.mark.order(expected=3)\n@pytest.mark.order(1)\n"
            "def test(assert_order): assert_order(heun, H)",
            "order 3 expected, observed 2.00",
        ),
        # Without a name it is its order all the same, where it has a setting of modflow's.
        (
            "@pytest.mark.order(3, inconclusive='skip')\n"
            "def test(assert_order): assert_order(heun, H)",
            "order 3 expected, observed 2.00",
        ),
    ],
)
def test_marks_that_check_nothing_are_refused(project: Project, body: str, message: str) -> None:
    result = project(body)
    outcomes = result.parseoutcomes()
    assert outcomes.get("failed", 0) + outcomes.get("errors", 0) == 1, outcomes
    result.stdout.fnmatch_lines([f"*{message}*"])


@pytest.mark.parametrize(
    ("returned", "sizes"), [("None", "H"), ("(h, h)", "H"), ("h", "[0.1, 0.1]")]
)
def test_what_no_line_of_a_test_has_raised_is_told_without_one(
    project: Project, returned: str, sizes: str
) -> None:
    result = project(f"""
    @pytest.mark.order(expected=2, step_sizes={sizes})
    def test_wrong(step_size):
        h = step_size
        return {returned}
    """)
    result.assert_outcomes(failed=1)
    result.stdout.re_match_lines([r"test_rules\.py:\d+$"])
    assert not re.search(r"pytest_plugin|testing\.py|^>", result.stdout.str(), re.MULTILINE)


def test_what_a_marked_test_raises_is_shown_where_it_was(project: Project) -> None:
    result = project("""
    from modflow.errors import ModflowError

    @pytest.mark.parametrize("kind", [ValueError, ModflowError])
    @pytest.mark.order(expected=2, step_sizes=H)
    def test_wrong(step_size, kind):
        raise kind("mine")
    """)
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines([">       raise kind(*", "E *ValueError: mine"])
    result.stdout.fnmatch_lines([">       raise kind(*", "E *ModflowError: mine"])
    assert "pytest_plugin" not in result.stdout.str()


def test_the_mark_of_pytest_order_is_left_alone(project: Project) -> None:
    result = project("""
    @pytest.mark.order(1)
    def test_first(): pass

    @pytest.mark.order("last")
    def test_last(): pass

    @pytest.mark.order(after="test_first")
    def test_later(): pass

    @pytest.mark.parametrize("step_size", H)
    def test_of_its_own(step_size):
        assert step_size in H
    """)
    result.assert_outcomes(passed=8)


def test_what_cannot_be_told_fails_or_is_skipped(
    project: Project, pytester: pytest.Pytester
) -> None:
    body = """
    SLOW = [1.0, 0.5, 0.2, 0.06]

    def test_slow():
        check(SLOW, H[:4])

    @pytest.mark.order(expected=2, step_sizes=H[:4], inconclusive="skip")
    def test_slow_skipped(assert_order):
        assert_order(SLOW)
    """
    project(body).assert_outcomes(failed=1, skipped=1)
    result = project(body, "-o", "modflow_inconclusive=skip", "-rs")
    result.assert_outcomes(skipped=2)
    result.stdout.fnmatch_lines(["SKIPPED*test_rules.py:*order 2 expected, inconclusive: *"])
    result = project(body, "-o", "modflow_inconclusive=pass")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: modflow_inconclusive is fail or skip, not 'pass'"])


def test_plots_go_where_they_are_asked_to_go(project: Project, pytester: pytest.Pytester) -> None:
    body = """
    @pytest.mark.parametrize("name", ["a/b", "a-b", "x" * 200])
    def test_euler(name):
        check(euler, H, 2)
    """
    for options in (
        ["--modflow-plots", "plots"],
        ["--modflow-plots=plots", "-p", "no:cacheprovider"],
    ):
        project(body, *options).assert_outcomes(failed=3)
        plots = sorted(path.name for path in (pytester.path / "plots").iterdir())
        assert len(plots) == 3
        assert plots[0].startswith("test_rules.py-test_euler-a-b-")


def test_no_failure_is_lost_over_its_plot(project: Project) -> None:
    body = r"""
    def test_dollars():
        check(euler, H, 2, label=r"$\frac{$ for 5 $")

    def test_nowhere(tmp_path, monkeypatch):
        (tmp_path / "gone").mkdir()
        monkeypatch.chdir(tmp_path / "gone")
        (tmp_path / "gone").rmdir()
        check(euler, H, 2)
    """
    result = project(body, "--tb=line")
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines_random(["*OrderNotFound: order 2*: $*"])
    assert result.stdout.str().count("Error") == 0
    # Whatever goes wrong with it.
    result = project(body.replace("5 $", "\N{HEBREW LETTER ALEF}\U000f0000"), "-W", "error")
    assert result.stdout.str().count("FAILED test_rules.py::test_dollars - modflow.testing.Or") == 1


def test_names_of_plots_tell_tests_apart() -> None:
    assert file_name("a.py::t[a/b]") != file_name("a.py::t[a-b]")
    assert len(file_name("x" * 1000)) < 100


# -- theorems -------------------------------------------------------------------------------------

THEOREMS = """
    @pytest.mark.theorem("thm-4.1")
    def test_one(): check(heun, H)

    @pytest.mark.theorem("thm-4.1", "rem-4.2")
    def test_two(): check(euler, H)

    @pytest.mark.theorem("thm-5.1")
    def test_three(): pass

    @pytest.mark.theorem("thm-5.2")
    def test_four(): pytest.skip("later")

    def test_five(): pass
"""


def test_theorems_are_summed_up(project: Project) -> None:
    result = project(THEOREMS)
    result.assert_outcomes(passed=3, failed=1, skipped=1)
    assert section(result, "theorems") == [
        "rem-4.2  fails  1 failed",
        "thm-4.1  fails  1 passed, 1 failed",
        "thm-5.1  holds  1 passed",
        "thm-5.2  open   1 skipped",
    ]


def test_tests_are_chosen_by_their_theorems(project: Project) -> None:
    result = project(THEOREMS, "--theorem", "rem-4.2")
    result.assert_outcomes(failed=1, deselected=4)
    project(THEOREMS, "--theorem", "thm-5.*").assert_outcomes(passed=1, skipped=1, deselected=3)
    both = project(THEOREMS, "--theorem", "rem-4.2", "--theorem", "thm-5.1")
    both.assert_outcomes(passed=1, failed=1, deselected=3)


@pytest.mark.parametrize("given", ["", "4.1", "'thm-1', None", "''", "id='thm-1'", "['thm-1']"])
@pytest.mark.parametrize("chosen", [[], ["--theorem", "thm-*"]])
def test_a_mark_that_names_no_theorem_is_refused(
    project: Project, given: str, chosen: list[str]
) -> None:
    result = project(
        f"""
    def test_one(): pass

    @pytest.mark.theorem({given})
    def test_two(): pass
    """,
        *chosen,
    )
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    (line,) = filter(None, result.errlines)
    shown = given.replace('"', "'")
    assert line.startswith(f"ERROR: test_rules.py::test_two is marked theorem({shown}): ")
    assert line.endswith('the mark takes ids, which are texts, as in theorem("thm-4.1")')
    assert "Traceback" not in result.stdout.str()


def test_a_mark_that_names_no_theorem_is_refused_in_other_processes(project: Project) -> None:
    pytest.importorskip("xdist")
    result = project(
        """
    @pytest.mark.theorem(4.1)
    def test_one(): pass

    def test_two(): pass
    """,
        *("-n", "1", "--theorem", "thm-4.*"),
    )
    result.assert_outcomes(errors=1)
    assert "test_rules.py::test_one is marked theorem(4.1): the mark takes" in result.stdout.str()


def test_a_theorem_fails_where_its_teardown_does(project: Project) -> None:
    result = project("""
    @pytest.fixture
    def broken():
        yield
        raise ValueError

    @pytest.mark.theorem("thm-1")
    def test_one(broken): pass
    """)
    assert section(result, "theorems") == ["thm-1  fails  1 failed"]


def test_a_theorem_is_open_where_a_test_of_it_did_not_run(
    project: Project, pytester: pytest.Pytester
) -> None:
    body = """
    import os
    @pytest.mark.theorem("thm-1")
    def test_one(): pass

    @pytest.mark.theorem("thm-2")
    def test_two(): assert False

    @pytest.mark.theorem("thm-1")
    def test_three(): pass
    """
    result = project(body, "-x")
    assert section(result, "theorems") == [
        "thm-1  open   1 passed, 1 not run",
        "thm-2  fails  1 failed",
    ]
    assert section(project(body, "--collect-only"), "theorems") == []
    pytester.makepyfile(
        test_rules=dedent(RULES) + dedent(body).replace("assert False", "raise KeyboardInterrupt")
    )
    result = pytester.runpytest_subprocess("-p", "no:randomly")
    assert section(result, "theorems")[:2] == [
        "thm-1  open  1 passed, 1 not run",
        "thm-2  open  1 not run",
    ]


def test_a_theorem_fails_where_a_process_crashes(
    project: Project, pytester: pytest.Pytester
) -> None:
    pytester.makepyfile(
        test_crash=dedent("""
    import os, pytest

    @pytest.mark.theorem("thm-1")
    def test_one(): pass

    @pytest.mark.theorem("thm-1")
    def test_two(): os._exit(1)
    """)
    )
    result = pytester.runpytest_subprocess("-n", "2", "-p", "no:randomly")
    assert section(result, "theorems") == ["thm-1  fails  1 passed, 1 failed"]


def test_a_theorem_fails_where_it_does_in_one_of_several_processes(
    pytester: pytest.Pytester,
) -> None:
    pytester.makepyfile("""
    import os, pytest

    @pytest.mark.theorem("thm-1")
    def test_one(): assert os.environ["PYTEST_XDIST_WORKER"] != "gw0"
    """)
    result = pytester.runpytest_subprocess("-n", "2", "--dist=each", "-p", "no:randomly")
    assert section(result, "theorems") == ["thm-1  fails  1 passed, 1 failed"]


# -- claims ---------------------------------------------------------------------------------------


@pytest.fixture
def paper(pytester: pytest.Pytester) -> pytest.Pytester:
    """A repository with claims in a folder, and the one line that has them checked."""
    (pytester.path / "claims").mkdir()
    (pytester.path / "claims" / "toy.py").write_text(dedent(CLAIMS))
    pytester.makeini("[pytest]\nmodflow_claims = claims\n")
    return pytester


def test_one_line_has_claims_checked(paper: pytest.Pytester) -> None:
    paper.makepyfile(test_own="def test_own(): pass")
    result = paper.runpytest("-v")
    result.assert_outcomes(passed=3, skipped=1)
    result.stdout.fnmatch_lines(
        [
            "*collected 4 items",
            "test_own.py::test_own PASSED*",
            "modflow-claims/toy-2026::lambda PASSED*",
            "modflow-claims/toy-2026::misprint PASSED*",
            "modflow-claims/toy-2026::open SKIPPED*",
        ]
    )
    assert section(result, "theorems") == [
        "lambda    confirmed  1 passed",
        "misprint  corrected  1 passed",
        "open      open       1 skipped",
    ]
    found = section(result, "orders of convergence")
    assert [line.split("  ")[-1] for line in found] == [
        "modflow-claims/toy-2026::lambda: errors",
        "modflow-claims/toy-2026::misprint: as printed: errors",
        "modflow-claims/toy-2026::open: errors",
    ]
    # Where one file is asked for, it is tested alone.
    paper.runpytest("test_own.py").assert_outcomes(passed=1)
    paper.runpytest("test_own.py", "--modflow-claims").assert_outcomes(passed=3, skipped=1)
    paper.runpytest("-k", "misprint").assert_outcomes(passed=1, deselected=3)
    paper.runpytest("--theorem", "lam*").assert_outcomes(passed=1, deselected=3)


def test_levels_decide_how_much_is_checked(paper: pytest.Pytester) -> None:
    file = paper.path / "claims" / "toy.py"
    file.write_text(file.read_text().replace('statement="a = h/4"', 'statement="a = h/4", cost=2'))
    result = paper.runpytest("-o", "modflow_level=quick", "-rs")
    result.assert_outcomes(passed=1, skipped=2)
    result.stdout.fnmatch_lines(["SKIPPED*takes 2 s or so, and modflow_level is quick"])
    paper.runpytest("-o", "modflow_level=full").assert_outcomes(passed=2, skipped=1)
    result = paper.runpytest("-o", "modflow_level=fast")
    result.stderr.fnmatch_lines(["*modflow_level is quick or standard or full, not 'fast'"])


def test_a_claim_that_is_slightly_wrong_fails(paper: pytest.Pytester) -> None:
    file = paper.path / "claims" / "toy.py"
    file.write_text(file.read_text().replace('"h/4"}\n', '"h/3"}\n').replace("h**2", "h"))
    file.write_text(file.read_text().replace('printed={"a": "h/4"}', 'printed={"a": "h/3"}'))
    result = paper.runpytest("-k", "lambda")
    result.assert_outcomes(failed=1, deselected=2)
    result.stdout.fnmatch_lines(
        [
            "refuted, and the registry records confirmed",
            "lambda  (1)",
            "as printed:    a = h/4",
            "fail  exact: a",
            "*derived h/4; claimed h/3; difference *",
            "fail  numeric: errors",
            "*0.05 *5.000e-02 *1.000",
            "*plot: *.svg",
            "FAILED modflow-claims/toy-2026::lambda - refuted*",
        ]
    )


def test_claims_that_cannot_be_had_are_errors_of_collection(paper: pytest.Pytester) -> None:
    (paper.path / "claims" / "toy.py").write_text("from modflow.claims import ClaimSet\n1 / 0\n")
    result = paper.runpytest()
    assert result.ret == pytest.ExitCode.INTERRUPTED
    result.stdout.fnmatch_lines(["modflow_claims: toy.py:2: ZeroDivisionError: division by zero"])
    result = paper.runpytest("-o", "modflow_claims=nowhere")
    result.stdout.fnmatch_lines(
        ["modflow_claims: unknown file, folder or set of claims 'nowhere'*ghosh-2023*"]
    )
    assert result.ret == pytest.ExitCode.INTERRUPTED


def test_data_of_ones_own_are_no_order(paper: pytest.Pytester) -> None:
    file = paper.path / "claims" / "toy.py"
    file.write_text("""
from modflow.claims import ClaimSet, fact

paper = ClaimSet("toy")

@paper.claim("one", source="(1)", statement="x")
def first(given):
    for expected, interval in ("two", [1, 2]), (2, [1]), (2, "12"), (None, [1, 2]):
        data = {"expected": expected, "observed_order": 1, "interval": interval, "reason": "x"}
        yield fact("x", True, "d", data=data)
""")
    result = paper.runpytest()
    result.assert_outcomes(passed=1)
    assert section(result, "orders of convergence") == []


def test_a_claim_whose_own_code_fails_is_no_success(paper: pytest.Pytester) -> None:
    file = paper.path / "claims" / "toy.py"
    file.write_text(
        file.read_text().replace("def unknown(given):\n", "def unknown(given):\n    0/0\n")
    )
    result = paper.runpytest()
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(["not checked: toy.py:*: ZeroDivisionError: division by zero"])


def test_the_papers_claims_are_there_without_configuration(pytester: pytest.Pytester) -> None:
    result = pytester.runpytest("--modflow-claims", "-k", "abstract-factor or eq-3")
    result.assert_outcomes(passed=2, deselected=84)
    assert section(result, "theorems") == [
        "abstract-factor  corrected  1 passed",
        "eq-3             confirmed  1 passed",
    ]


# -- beside other plugins -------------------------------------------------------------------------


def test_orders_come_back_from_other_processes(paper: pytest.Pytester) -> None:
    paper.makepyfile(
        test_rules=dedent(RULES)
        + dedent("""
    @pytest.mark.theorem("thm-1")
    @pytest.mark.parametrize("order", [1, 2])
    @pytest.mark.order(expected=2, step_sizes=H)
    def test_taylor(step_size, order):
        return {1: euler, 2: heun}[order](step_size)
    """)
    )
    result = paper.runpytest_subprocess("-n", "2")
    result.assert_outcomes(passed=3, failed=1, skipped=1)
    found = section(result, "orders of convergence")
    assert [line.split("  ")[-1] for line in found] == [
        "modflow-claims/toy-2026::lambda: errors",
        "modflow-claims/toy-2026::misprint: as printed: errors",
        "modflow-claims/toy-2026::open: errors",
        "test_rules.py::test_taylor[1]",
        "test_rules.py::test_taylor[2]",
    ]
    assert section(result, "theorems")[-1] == "thm-1     fails      1 passed, 1 failed"


def test_junit_has_the_orders(project: Project, pytester: pytest.Pytester) -> None:
    project("def test_heun(): check(heun, H)", "--junit-xml=junit.xml")
    (order,) = ElementTree.parse(pytester.path / "junit.xml").getroot().iter("property")
    assert order.get("name") == "modflow-order"
    found = json.loads(str(order.get("value")))
    assert (found["expected"], found["verdict"]) == (2, "pass")
    assert found["observed_order"] == pytest.approx(2, abs=0.01)


UNUSED = """
    import sys

    def test_nothing_is_loaded():
        loaded = {"numpy", "jax", "sympy", "scipy", "rich", "matplotlib"} & set(sys.modules)
        assert not loaded

    def test_that_fails():
        assert 1 == 2
"""


def test_silent_and_light_where_it_is_not_used(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(UNUSED)
    alone = ("-p", "no:jaxtyping", "-p", "no:hypothesispytest", "-p", "no:cacheprovider")
    with_it = pytester.runpytest_subprocess(*alone)
    without = pytester.runpytest_subprocess(*alone, "-p", "no:modflow")
    with_it.assert_outcomes(passed=1, failed=1)

    def shown(result: pytest.RunResult) -> list[str]:
        lines = [re.sub(r"in \d+\.\d+s", "", line) for line in result.outlines]
        return [line for line in lines if not line.startswith("plugins:")]

    assert shown(with_it) == shown(without)
    assert with_it.stderr.str() == without.stderr.str() == ""


BLOCKED = """
import sys

class Blocked:
    names = {"jax", "jaxlib", "sympy", "flint", "scipy", "matplotlib", "rich", "typer", "diffrax"}

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in self.names:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Blocked())
"""


def test_numpy_is_enough(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(blocked=BLOCKED)
    pytester.makepyfile(
        test_rules=dedent(RULES)
        + dedent("""
    @pytest.mark.order(expected=1, step_sizes=H)
    def test_euler(step_size):
        return euler(step_size)

    def test_wrong(assert_order):
        assert_order(heun, H, 1)
    """)
    )
    command = [
        sys.executable,
        "-c",
        "import blocked, pytest, sys; sys.exit(pytest.main(sys.argv[1:]))",
    ]
    result = pytester.run(*command, "-p", "no:jaxtyping", "-p", "no:hypothesispytest")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["E *no plot: matplotlib is not installed"])
    assert len(section(result, "orders of convergence")) == 2
    result = pytester.run(*command, "-p", "no:jaxtyping", "--modflow-claims")
    result.stdout.fnmatch_lines(["claims need modflow with all that it depends on: No module*"])


def test_a_test_that_runs_again_says_it_once(project: Project, pytester: pytest.Pytester) -> None:
    # As pytest-rerunfailures does it.
    pytester.makeconftest("""
        from _pytest.runner import runtestprotocol

        def pytest_runtest_protocol(item, nextitem):
            for outcome in ("rerun", None):
                for report in runtestprotocol(item, nextitem=nextitem, log=False):
                    if report.when == "call":
                        report.outcome = outcome or report.outcome
                    item.ihook.pytest_runtest_logreport(report=report)
            return True

        def pytest_report_teststatus(report):
            if report.outcome == "rerun":
                return "rerun", "R", "RERUN"
    """)
    result = project("""
    @pytest.mark.theorem("thm-1")
    def test_heun():
        check(heun, H)
    """)
    assert len(section(result, "orders of convergence")) == 1
    assert section(result, "theorems") == ["thm-1  holds  1 passed"]
