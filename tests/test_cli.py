"""The command line, as its users and its enemies use it."""

from __future__ import annotations

import csv
import errno
import json
import math
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from xml.etree import ElementTree

import pytest
import sympy

import modflow as mf
from modflow import cli, files
from modflow.claims import CLAIMS, Claim, Evidence, Given
from modflow.integrate import SideBySide
from modflow.interrupt import Interrupt

K, BETA = sympy.symbols("k beta")
QUICK = ("sweep", "--method", "gradient-descent", "--problem", "quadratic")


Run = Callable[..., Any]


def document(outcome: Any) -> Any:
    """The one JSON document on stdout, by the letter of the standard."""

    def reject(token: str) -> None:
        raise AssertionError(f"{token} is not JSON")

    return json.loads(outcome.out, parse_constant=reject)


def expression(text: str) -> sympy.Expr:
    parsed = sympy.sympify(text, locals={"k": K, "beta": BETA})  # beta alone is a function
    assert parsed.free_symbols <= {K, BETA}
    return parsed


def script(code: str, *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    quiet = "import modflow.report.progress as p; p.DELAY_SECONDS = 1e6\n"
    return subprocess.run(
        [sys.executable, "-c", quiet + code, *arguments], capture_output=True, text=True, **options
    )


# -- light ----------------------------------------------------------------------------------------


def test_help_imports_nothing_heavy() -> None:
    code = """
import sys
import modflow
from modflow.cli import main
for command in ([], ["derive"], ["sweep"], ["verify"], ["info"]):
    sys.argv = ["modflow", *command, "--help"]
    try:
        main()
    except SystemExit as exited:
        assert not exited.code, exited.code
heavy = {"jax", "sympy", "matplotlib", "numpy", "scipy", "diffrax", "flint"} & set(sys.modules)
assert not heavy, heavy
"""
    done = script(code)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    for word in ("derive", "sweep", "verify", "info", "--latex", "--plot", "--junit", "--T"):
        assert word in done.stdout


def test_without_arguments_help_is_shown(run: Run) -> None:
    status, out, err = run()
    assert (status, out) == (2, "")
    assert err.startswith("Usage: modflow")


@pytest.mark.parametrize("value", ["", "x", "9" * 30])
def test_a_time_that_is_none_is_refused_before_libraries_read_it(value: str) -> None:
    """NumPy's f2py, which SciPy imports, does, and raises what it raises."""
    code = "from modflow.cli import main; main()"
    environment = {**os.environ, "SOURCE_DATE_EPOCH": value}
    done = script(code, "info", "--json", env=environment)
    if value:
        assert (done.returncode, done.stdout) == (2, "")
        assert re.fullmatch("modflow: error: SOURCE_DATE_EPOCH .*\n", done.stderr)
    else:
        assert (done.returncode, done.stderr) == (0, "")


# -- derive ---------------------------------------------------------------------------------------


def test_derive_json(run: Run) -> None:
    outcome = run("derive", "heavy-ball", "--order", "3", "--json")
    assert (outcome.status, outcome.err) == (0, "")
    found = document(outcome)
    promised = {"method", "parameters", "order", "normalisation", "coefficients"}
    assert set(found) == promised | {"schema", "structure"}
    assert found["structure"]["gradient"]["witness"] == [[1, 2, 2], [1, 2, 3]]
    assert (found["method"], found["order"], found["normalisation"]) == ("heavy-ball", 3, "HLW")
    assert found["parameters"] == {"beta": "beta"}
    rows = found["coefficients"]
    assert [row["tree"] for row in rows] == [[1], [1, 2], [1, 2, 2], [1, 2, 3]]
    assert [row["order"] for row in rows] == [1, 2, 3, 3]
    assert [row["symmetry"] for row in rows] == [1, 1, 2, 1]
    assert all(set(row) == {"tree", "order", "symmetry", "step", "limit"} for row in rows)
    drift = (1 - BETA ** (K + 1)) / (1 - BETA)
    assert sympy.simplify(expression(rows[0]["step"]) - drift) == 0
    for row in rows:
        step, limit = expression(row["step"]), expression(row["limit"])
        assert limit.free_symbols <= {BETA}
        assert float(step.subs({K: 500, BETA: 0.5})) == pytest.approx(float(limit.subs(BETA, 0.5)))


def test_derive_json_at_a_step_and_a_momentum(run: Run) -> None:
    rows = document(run("derive", "heavy-ball", "--step", "0", "--json"))["coefficients"]
    assert [expression(row["step"]) for row in rows] == [1, sympy.Rational(-1, 2)]
    found = document(run("derive", "heavy-ball", "--beta", "0.9", "--step", "1", "--json"))
    assert found["parameters"] == {"beta": "9/10"}
    assert expression(found["coefficients"][0]["step"]) == sympy.Rational(19, 10)
    assert expression(found["coefficients"][0]["limit"]) == 10
    by_fraction = run("derive", "hb", "--beta", "9/10", "--step", "1", "--json")
    assert document(by_fraction) == found


def test_derive_gradient_descent(run: Run) -> None:
    rows = document(run("derive", "gradient-descent", "--order", "4", "--json"))["coefficients"]
    assert len(rows) == 8
    assert [row["step"] for row in rows] == [row["limit"] for row in rows]
    assert [rows[1]["limit"], rows[2]["limit"], rows[3]["limit"]] == ["-1/2", "1/6", "1/3"]


def test_late_steps_are_exact_however_long(run: Run) -> None:
    outcome = run("derive", "heavy-ball", "--beta", "0.123456789", "--step", "1000", "--json")
    assert outcome.status == 0
    assert len(document(outcome)["coefficients"][1]["step"]) > 4300


def test_derive_latex(run: Run) -> None:
    status, out, err = run("derive", "heavy-ball", "--latex")
    assert (status, err) == (0, "")
    assert out.startswith(r"\dot{x} = \frac{1 - \beta^{k + 1}}{1 - \beta}\,f")
    assert out.count("\n") == 1


def test_derive_text(run: Run) -> None:
    status, out, err = run("derive", "heavy-ball", "--beta", "1/2")
    assert (status, err) == (0, "")
    assert out.startswith("heavy-ball (beta = 1/2), order 2\n")
    assert "b_k(f'f) = " in out
    assert "modified loss for k → ∞: 2 E + 3 h |grad E|^2" in out
    assert not any(line != line.rstrip() for line in out.splitlines())
    assert "at step 3, on [t_3, t_3+h]:" in run("derive", "nesterov", "--step", "3").out


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ("", "Missing argument 'method'"),
        ("heavy-bal", "did you mean 'heavy-ball'?"),
        ("nope", "gradient-descent, heavy-ball, heun"),
        ("heavy-ball --json --latex", "exclude each other"),
        ("heavy-ball --ordr 2", "--order"),
        ("heavy-ball more", "(more)"),
        ("heavy-ball --order 0", "a whole number from 1 to 12; got 0"),
        ("heavy-ball --order -1", "got -1"),
        ("heavy-ball --order 99", "got 99"),
        ("heavy-ball --order 2.5", "'--order'"),
        ("heavy-ball --order", "requires an argument"),
        ("heavy-ball --step -1", "--step must be from 0 to 1000, not -1"),
        ("heavy-ball --step 100000000", "not 100000000"),
        ("heavy-ball --step 1.5", "'--step'"),
        ("heavy-ball --beta 1", "needs 0 <= beta < 1"),
        ("heavy-ball --beta -0.1", "needs 0 <= beta < 1"),
        ("heavy-ball --beta nan", "--beta 'nan' is not a number"),
        ("heavy-ball --beta abc", "write 0.9, 9/10 or 2^-5"),
        ("heavy-ball --beta=", "--beta '' is not a number"),
        ("heavy-ball --beta 1e-999999999", "is not a number"),
        ("heavy-ball --beta 2^-9999", "is out of range"),
        ("gradient-descent --beta 0.9", "has no momentum: leave out --beta"),
    ],
)
def test_derive_refuses(refused: Callable[..., str], arguments: str, why: str) -> None:
    assert why in refused("derive", *arguments.split())


def test_unknown_commands_and_options(refused: Callable[..., str]) -> None:
    assert "Did you mean 'derive'" in refused("derve", "heavy-ball")
    assert "(see modflow --help)" in refused("--hlp")
    assert "(see modflow info --help)" in refused("info", "more")


# -- sweep ----------------------------------------------------------------------------------------


CONTRACT = {"method", "parameters", "problem", "flow", "order", "T", "step_sizes", "errors"} | {
    *("observed_order", "interval", "constant", "predicted_constant", "verdict")
}


def test_the_default_sweep_passes(run: Run, tmp_path: Path) -> None:
    table, plot = tmp_path / "sweep.csv", tmp_path / "sweep.svg"
    outcome = run("sweep", "--json", "--csv", str(table), "--plot", str(plot))
    assert outcome.status == 0
    found = document(outcome)
    assert set(found) >= CONTRACT
    assert (found["method"], found["problem"], found["flow"]) == (
        "heavy-ball",
        "two-layer",
        "piecewise",
    )
    assert found["parameters"] == {"beta": 0.9}
    assert (found["order"], found["verdict"]) == (2, "pass")
    low, high = found["interval"]
    assert low < found["observed_order"] < high
    assert found["constant"] > 0
    assert len(found["step_sizes"]) == len(found["errors"])
    rows = list(csv.DictReader(table.open()))
    assert [float(row["h"]) for row in rows] == found["step_sizes"]
    assert [float(row["error"]) for row in rows] == found["errors"]
    assert ElementTree.parse(plot).getroot().tag.endswith("svg")


def test_sweep_text(run: Run) -> None:
    status, out, _ = run(*QUICK, "--order", "1")
    assert status == 0
    assert out.startswith("gradient-descent on quadratic: iterates against the piecewise flow")
    assert "order           pass: observed order 1.00" in out
    assert out.rstrip().endswith("verdict         pass")
    assert not any(line != line.rstrip() for line in out.splitlines())


def test_the_limit_from_the_first_step_loses_the_order(run: Run) -> None:
    status, out, _ = run("sweep", "--flow", "limit", "--order", "2")
    assert status == 1
    assert "fail: observed order 0.98" in out
    assert "excludes order 2" in out


def test_too_few_sizes_are_inconclusive(run: Run) -> None:
    outcome = run(*QUICK, "--h", "0.1,0.05,0.025", "--json")
    assert outcome.status == 3
    assert document(outcome)["verdict"] == "inconclusive"


def test_grid_and_time(run: Run) -> None:
    found = document(run(*QUICK, "--h", "2^-5:2^-9", "--T", "1/4", "--json"))
    assert found["T"] == 0.25
    assert found["step_sizes"] == [2.0**-j for j in range(5, 10)]
    assert document(run("sweep", "--h", "2^-9:2^-13", "--beta", "0", "--json"))["parameters"] == {
        "beta": 0.0
    }


def test_diverging_sizes_are_left_out(run: Run, tmp_path: Path) -> None:
    table, plot = tmp_path / "t.csv", tmp_path / "t.png"
    arguments = ("sweep", "--h", "2^1:2^-11", "--T", "4", "--csv", str(table), "--plot", str(plot))
    outcome = run(*arguments, "--json")
    assert outcome.status in (0, 3)
    found = document(outcome)
    gone = {entry["h"]: entry["reason"] for entry in found["excluded"]}
    assert {2.0, 1.0, 0.5} <= set(gone)
    for h, reason in gone.items():
        assert "diverge" in reason
        assert "at step " in reason
        assert f"h = {h:g}" in reason
        assert found["errors"][found["step_sizes"].index(h)] is None
    assert found["observed_order"] is not None
    rows = {float(row["h"]): row for row in csv.DictReader(table.open())}
    assert all(rows[h]["note"] == reason and not rows[h]["error"] for h, reason in gone.items())
    assert plot.stat().st_size > 0


def test_if_all_sizes_diverge(run: Run, tmp_path: Path) -> None:
    plot = tmp_path / "none.pdf"
    status, out, err = run("sweep", "--h", "2^6:2^1", "--T", "400", "--plot", str(plot))
    assert status == 3
    assert out.count("diverge") == 6
    assert "verdict         inconclusive: only 0 of 6 step sizes gave an error" in out
    assert "nan" not in out
    assert err == f"modflow: {plot} is not written: no step size gave an error\n"
    assert not plot.exists()
    outcome = run("sweep", "--h", "2^6:2^1", "--T", "400", "--json")
    assert document(outcome)["interval"] == [None, None]


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ("--method gradient-descnt", "did you mean 'gradient-descent'?"),
        ("--problem rosenbrok", "did you mean 'rosenbrock'?"),
        ("--flow pecewise", "did you mean 'piecewise'?"),
        ("--beta 1", "needs 0 <= beta < 1"),
        ("--beta=", "--beta '' is not a number"),
        ("--method gradient-descent --beta 0", "has no momentum"),
        ("--h=", "--h is empty"),
        ("--h ,", "has an empty entry"),
        ("--h 0.1,0.05", "at least three step sizes, better six or more; got 2"),
        ("--h 2^-5:2^-6", "got 2"),
        ("--h 0.1,0.05,0.05", "the step size 0.05 is given twice"),
        ("--h 0.1,0.2,0.05", "must be sorted"),
        ("--h 0.1,0.05,-0.025", "positive and finite; got -0.025"),
        ("--h 0.1,0.05,0", "positive and finite; got 0"),
        ("--h 0.1,0.05,nan", "--h 'nan' is not a number"),
        ("--h 2^-5:2^-2000", "more than 64 step sizes"),
        ("--h 2^9999:2^9996", "out of range"),
        ("--h 2^99999", "is not a number"),
        ("--T 0", "T must be positive"),
        ("--T -1", "T must be positive"),
        ("--T nan", "--T 'nan' is not a number"),
        ("--T inf", "--T 'inf' is not a number"),
        ("--T 1e-9", "smaller than the step size 0.003125: not one step fits into it"),
        ("--order 0", "a whole number from 1 to 12; got 0"),
        ("--order -1", "got -1"),
        ("--order 99", "got 99"),
        ("--order 2.5", "'--order'"),
        ("--plot x.jpg", "must be .pdf, .png or .svg"),
        ("--csv missing/x.csv", "there is no folder missing"),
        ("--csv .", "it is a folder"),
        ("--plot missing/x.pdf", "there is no folder missing"),
        ("--csv x.pdf --plot x.pdf", "give each its own file"),
        ("more", "(more)"),
    ],
)
def test_sweep_refuses(
    refused: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    arguments: str,
    why: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert why in refused("sweep", *arguments.split())
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_loses_nothing_else(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    table, plot = tmp_path / "t.csv", tmp_path / "t.svg"
    copymode = files.shutil.copymode
    table.write_text("old")  # only what is replaced has its permissions copied
    monkeypatch.setattr(files.shutil, "copymode", full)
    outcome = run(*QUICK, "--json", "--csv", str(table), "--plot", str(plot))
    monkeypatch.setattr(files.shutil, "copymode", copymode)
    assert outcome.status == 2
    assert document(outcome)["verdict"] == "pass"
    assert outcome.err == f"modflow: error: cannot write {table}: No space left on device\n"
    assert table.read_text() == "old"
    assert plot.exists()


# -- Ctrl-C ---------------------------------------------------------------------------------------


@pytest.fixture
def interrupted_after(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Ctrl-C, pressed three times, as soon as that many comparisons are done."""

    def set_up(comparisons: int) -> None:
        done, compare = [0], SideBySide.run

        def counted(self: SideBySide, *arguments: Any) -> Any:
            if done[0] == comparisons:
                try:
                    signal.raise_signal(signal.SIGINT)
                finally:  # those in the middle of handling the first change nothing
                    signal.raise_signal(signal.SIGINT)
                    signal.raise_signal(signal.SIGINT)
            done[0] += 1
            return compare(self, *arguments)

        monkeypatch.setattr(SideBySide, "run", counted)

    return set_up


def test_an_interrupted_sweep_keeps_what_is_done(
    run: Run, interrupted_after: Callable[[int], None], tmp_path: Path
) -> None:
    interrupted_after(9)  # the two coarsest sizes are integrated twice
    table, plot = tmp_path / "t.csv", tmp_path / "t.png"
    outcome = run(*QUICK, "--json", "--csv", str(table), "--plot", str(plot))
    assert outcome.status == 3
    found = document(outcome)
    done = len(found["step_sizes"])
    assert 5 <= done <= 7
    assert found["interrupted"]
    assert all(error > 0 for error in found["errors"])
    assert outcome.err == f"modflow: interrupted; step sizes done: {done}\n"
    assert len(list(csv.DictReader(table.open()))) == done
    assert plot.exists()


def test_an_interrupted_sweep_as_text(run: Run, interrupted_after: Callable[[int], None]) -> None:
    interrupted_after(8)
    status, out, err = run(*QUICK)
    assert status == 3
    assert "verdict         pass" in out
    assert err.startswith("modflow: interrupted; step sizes done: ")


def test_interrupted_before_anything_is_done(
    run: Run, interrupted_after: Callable[[int], None]
) -> None:
    interrupted_after(0)
    outcome = run(*QUICK, "--json")
    assert outcome.status == 3
    assert document(outcome)["step_sizes"] == []
    assert outcome.err == "modflow: interrupted; step sizes done: 0\n"


# Progress in no time, so that a test knows when to interrupt.
EAGER = """
import modflow.report.progress as progress
progress.DELAY_SECONDS = progress.LINE_SECONDS = 0.05
from modflow.cli import main
main()
"""


@pytest.mark.skipif(os.name == "nt", reason="there is no SIGINT to send")
def test_ctrl_c_from_outside(tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    grid = ("--method", "gradient-descent", "--h", "2^-6:2^-39", "--T", "1")
    with subprocess.Popen(
        [sys.executable, "-c", EAGER, "sweep", *grid, "--json", "--csv", str(table)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        for line in process.stderr:
            assert line.startswith("modflow: ")
            if "h = " in line and float(line.split("h = ")[1].split(",")[0]) < 2.0**-15:
                break
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 3
    found = document(SimpleNamespace(out=out))
    assert len(found["step_sizes"]) >= 9
    assert found["observed_order"] == pytest.approx(2, abs=0.05)
    last = [line for line in err.splitlines() if "%" not in line]
    assert last == [f"modflow: interrupted; step sizes done: {len(found['step_sizes'])}"]
    assert len(list(csv.DictReader(table.open()))) == len(found["step_sizes"])


# -- verify ---------------------------------------------------------------------------------------


def test_verify_two_claims(run: Run, tmp_path: Path) -> None:
    junit = tmp_path / "junit.xml"
    status, out, _ = run("verify", "eq-3", "thm-4.1-gamma", "eq-3", "--junit", str(junit))
    assert status == 0
    assert out.index("eq-3  Section 3") < out.index("thm-4.1-gamma  Theorem 4.1")
    assert out.count("verdict: confirmed") == 2
    assert out.endswith("2 of 2 claims have the verdict that the registry records\n")
    suite = ElementTree.parse(junit).getroot().find("testsuite")
    assert suite is not None
    assert (suite.get("tests"), suite.get("failures")) == ("2", "0")


def test_verify_json(run: Run) -> None:
    outcome = run("verify", "thm-4.1-gamma", "--json")
    assert outcome.status == 0
    (found,) = document(outcome)
    assert set(found) >= {"id", "source", "statement", "verdict", "corrected", "evidence"}
    assert (found["id"], found["verdict"], found["corrected"]) == (
        "thm-4.1-gamma",
        "confirmed",
        None,
    )
    (evidence,) = found["evidence"]
    printed, derived = (expression(evidence["data"][key]) for key in ("printed", "derived"))
    assert sympy.simplify(printed - derived) == 0
    assert evidence["data"]["difference"] == "0"


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Put made-up claims into an otherwise empty registry."""
    before = dict(CLAIMS)

    def add(id: str, *verdicts: str, expected: str = "confirmed", press: bool = False) -> None:
        def gather(_: Given) -> Iterator[Evidence]:
            for verdict in verdicts:
                if press:
                    signal.raise_signal(signal.SIGINT)
                yield Evidence("exact", "made up", verdict, "nothing", data={})

        CLAIMS[id] = Claim(id, "Section 0", "1 = 1", expected, gather)  # type: ignore[arg-type]

    CLAIMS.clear()
    yield add
    CLAIMS.clear()
    CLAIMS.update(before)


@pytest.mark.parametrize(
    ("claims", "status"),
    [
        ([("pass",)], 0),
        ([("pass",), ("fail",)], 1),
        ([("inconclusive",)], 3),
        ([("pass",), ("inconclusive",)], 3),
        ([("inconclusive",), ("fail",)], 1),
    ],
)
def test_verify_statuses(
    run: Run, registry: Callable[..., None], claims: list[tuple[str]], status: int
) -> None:
    for i, verdicts in enumerate(claims):
        registry(f"claim-{i}", *verdicts)
    outcome = run("verify")
    assert outcome.status == status
    met = sum(verdicts == ("pass",) for verdicts in claims)
    assert f"{met} of {len(claims)} claims have the verdict" in outcome.out
    assert outcome.err == ""


def test_verify_takes_a_seed_and_counts_verdicts(run: Run) -> None:
    outcome = run("verify", "rem-5.3-coefficients", "abstract-factor", "--seed", "3", "--jobs", "2")
    assert outcome.status == 0
    assert "1 confirmed, 1 corrected; 2 of 2 claims have the verdict" in outcome.out
    samples = [run("verify", "rem-5.3-coefficients", "--seed", seed).out for seed in ("3", "4")]
    assert samples[0] != samples[1]
    assert samples[0].split("verdict:")[0] in outcome.out


def test_verify_has_levels(run: Run, refused: Callable[..., str]) -> None:
    slow = [claim.id for claim in CLAIMS.values() if not claim.is_quick]
    assert {"thm-4.1-order", "thm-5.1-order"} <= set(slow)
    outcome = run("verify", "--quick", "--json")
    assert outcome.status == 0
    assert [entry["id"] for entry in document(outcome)] == [
        name for name in CLAIMS if name not in slow
    ]
    left = f"modflow: {len(slow)} claims take longer, and are left to a run without --quick\n"
    assert outcome.err == left
    plain, more = (
        document(run("verify", "rem-5.3-coefficients", "sec-3-sharpness", *options, "--json"))
        for options in ([], ["--full"])
    )
    for one, other in zip(plain, more, strict=True):
        assert other["verdict"] == one["verdict"]
        texts = [evidence["text"] for evidence in one["evidence"]]
        fuller = [evidence["text"] for evidence in other["evidence"]]
        assert set(texts) < set(fuller)
        assert len(set(fuller)) == len(fuller)
    assert any("(seed 2)" in evidence["text"] for evidence in more[0]["evidence"])
    assert any("rosenbrock" in evidence["text"] for evidence in more[1]["evidence"])
    assert "exclude each other" in refused("verify", "--quick", "--full")
    assert "--quick chooses the claims by itself" in refused("verify", "eq-3", "--quick")


def test_verify_says_what_would_decide_a_claim(run: Run) -> None:
    outcome = run("verify", "fig-2-accuracy")
    assert outcome.status == 0
    assert "what would decide it:  modflow reproduce fig-2 --scale paper" in outcome.out
    assert "1 inconclusive; 1 of 1 claims" in outcome.out


def test_verify_asks_for_the_recorded_verdict(run: Run, registry: Callable[..., None]) -> None:
    registry("known-to-be-false", "fail", expected="refuted")
    assert run("verify").status == 0
    registry("thought-to-be-false", "pass", expected="refuted")
    outcome = run("verify")
    assert outcome.status == 1
    assert "confirmed (registry: refuted)" in outcome.out


def test_an_interrupted_verify_keeps_what_is_done(
    run: Run, registry: Callable[..., None], tmp_path: Path
) -> None:
    registry("first", "pass", "pass")
    registry("second", "pass", "pass", press=True)
    registry("third", "pass")
    junit = tmp_path / "junit.xml"
    outcome = run("verify", "--json", "--junit", str(junit))
    assert outcome.status == 3
    assert [entry["id"] for entry in document(outcome)] == ["first"]
    assert outcome.err == "modflow: interrupted; claims checked: 1 of 3\n"
    suite = ElementTree.parse(junit).getroot().find("testsuite")
    assert suite is not None
    assert (suite.get("tests"), suite.get("skipped")) == ("3", "2")
    left = [case.find("skipped") for case in suite.findall("testcase")]
    assert [None if one is None else one.get("message") for one in left] == [
        None,
        "not checked: interrupted",
        "not checked: interrupted",
    ]
    assert "1 of 3 claims have the verdict" in run("verify").out


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ("thm-4.1-gama", "did you mean 'thm-4.1-gamma'?"),
        ("nope", "unknown claim 'nope'"),
        ("eq-3 --junit missing/x.xml", "there is no folder missing"),
        ("eq-3 --junit .", "it is a folder"),
        ("eq-3 --seed -1", "a seed is a whole number from 0; got -1"),
        ("eq-3 --jobs 0", "at least one process is needed; got --jobs 0"),
    ],
)
def test_verify_refuses(refused: Callable[..., str], arguments: str, why: str) -> None:
    assert why in refused("verify", *arguments.split())


# -- info -----------------------------------------------------------------------------------------


def test_info(run: Run) -> None:
    found = document(run("info", "--json"))
    assert found["modflow"] == mf.__version__
    assert found["precision"] == "float64"
    assert found["devices"]
    assert {"jax", "sympy", "diffrax", "numpy"} <= set(found["packages"])
    status, out, err = run("info")
    assert (status, err) == (0, "")
    assert all(name in out for name in found["packages"])


# -- where the output goes ------------------------------------------------------------------------


def test_a_reader_that_leaves_changes_no_verdict() -> None:
    code = """
import os, sys
from modflow.cli import main
reader, writer = os.pipe()
os.close(reader)
os.dup2(writer, 1)
main()
"""
    done = script(code, *QUICK, "--h", "0.1,0.05,0.025")
    assert (done.returncode, done.stderr) == (3, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
def test_a_full_disk_behind_stdout() -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "modflow.cli", "derive", "gradient-descent", "--json"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
        )
    assert done.returncode == 2
    assert done.stderr == "modflow: error: cannot write to stdout: No space left on device\n"


def test_terminals_without_unicode() -> None:
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    code = "from modflow.cli import main; main()"
    done = script(code, "derive", "heavy-ball", env=environment)
    assert (done.returncode, done.stderr) == (0, "")
    assert "b_k(f) = (1 - beta**(k + 1))/(1 - beta)" in done.stdout


def test_without_stdout_and_stderr(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", None)
        assert run("derive", "gradient-descent").status == 0
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stderr", None)
        outcome = run("derive", "nope")
    assert (outcome.status, outcome.out) == (2, "")


def test_bugs_are_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("modflow.arguments.read_method", broken)
    monkeypatch.setattr(sys, "argv", ["modflow", "derive", "heavy-ball"])
    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(ZeroDivisionError):
        cli.main()
    assert signal.getsignal(signal.SIGINT) is handler
    assert math.isinf(Interrupt()._at)
