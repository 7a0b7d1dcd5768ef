"""Tables, figures, files, JUnit XML and progress."""

from __future__ import annotations

import csv
import errno
import io
import math
import os
import stat
import sys
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from xml.etree import ElementTree

import pytest
from rich.console import Console

import modflow as mf
from modflow import files
from modflow._rich import equation_view
from modflow.claims import Claim, ClaimResult, Evidence
from modflow.files import check_figure_format, check_writable, write_atomically
from modflow.report import progress
from modflow.report.figures import sweep_figure
from modflow.report.junit import junit_xml
from modflow.report.progress import LateProgress, duration
from modflow.report.save import save
from modflow.report.tables import claim_view, claims_table, slopes, study_csv, study_view


def rendered(what: Any, width: int = 80) -> str:
    console = Console(width=width, file=io.StringIO(), color_system=None)
    with console.capture() as captured:
        console.print(what, soft_wrap=True)
    return "\n".join(line.rstrip() for line in captured.get().splitlines())


@pytest.fixture(scope="module")
def study() -> mf.ConvergenceStudy:
    return mf.convergence_study(mf.HeavyBall(0.9), "two-layer", 2)


@pytest.fixture(scope="module")
def partly() -> mf.ConvergenceStudy:
    """Of which coarse sizes are set aside."""
    sizes = [2.0**-j for j in range(2, 13)]
    return mf.convergence_study(mf.GradientDescent(), "two-layer", 2, sizes)


@pytest.fixture(scope="module")
def diverging() -> mf.ConvergenceStudy:
    sizes = [2.0**-j for j in range(-1, 12)]
    return mf.convergence_study(mf.HeavyBall(0.9), "two-layer", 2, sizes, 4.0)


def without_any_error(study: mf.ConvergenceStudy) -> mf.ConvergenceStudy:
    n = len(study.step_sizes)
    return replace(
        study,
        errors=(math.nan,) * n,
        integrator_errors=(math.nan,) * n,
        runs=(None,) * n,
        excluded={h: f"the iterates diverge at step 3 (h = {h:g})" for h in study.step_sizes},
        estimate=None,
    )


def nothing_done(study: mf.ConvergenceStudy) -> mf.ConvergenceStudy:
    empty: dict[str, Any] = dict.fromkeys(["step_sizes", "errors", "integrator_errors", "runs"], ())
    return replace(study, excluded={}, estimate=None, interrupted=True, **empty)


# -- tables ---------------------------------------------------------------------------------------


def test_a_study_fits_eighty_columns(study: mf.ConvergenceStudy) -> None:
    text = rendered(study_view(study))
    table = text.split("\n\n")[1].splitlines()
    assert max(map(len, table)) <= 80
    assert "…" not in text
    assert "order           pass: observed order 2.00" in text
    assert "error           pass: the error is the predicted one" in text
    assert text.rstrip().endswith("verdict         pass")
    assert len([line for line in table if "e-" in line or "e+" in line]) == len(study.step_sizes)


def test_reasons_stand_once_below_the_table(partly: mf.ConvergenceStudy) -> None:
    text = rendered(study_view(partly))
    assert text.count("pre-asymptotic") == 1
    assert "\na  pre-asymptotic:" in text
    marked = [line for line in text.splitlines() if line.endswith(" a")]
    assert len(marked) == len(partly.left_out) > 1
    assert max(map(len, text.split("\n\n")[1].splitlines())) <= 80


def test_diverging_sizes_say_where(diverging: mf.ConvergenceStudy) -> None:
    text = rendered(study_view(diverging), 120)
    assert diverging.excluded
    for h, reason in diverging.excluded.items():
        assert f"(h = {h:g})" in reason
        assert "at step" in reason
        assert reason in text
        assert math.isnan(diverging.errors[diverging.step_sizes.index(h)])
    assert diverging.estimate is not None
    assert set(diverging.estimate.step_sizes).isdisjoint(diverging.excluded)


def test_without_errors_nothing_is_called_nan(study: mf.ConvergenceStudy) -> None:
    for empty in (without_any_error(study), nothing_done(study)):
        text = rendered(study_view(empty))
        assert "nan" not in text
        assert "inconclusive: only 0 of" in text


def test_slopes(study: mf.ConvergenceStudy) -> None:
    h = (0.4, 0.2, 0.1, 0.05, 0.025)
    made = replace(study, step_sizes=h, errors=(0.16, 0.04, math.nan, 0.0, 1.0))
    found = slopes(made)
    assert found[1] == pytest.approx(2)
    assert [math.isnan(slope) for slope in found] == [True, False, True, True, True]
    assert slopes(nothing_done(study)) == []


def test_csv_holds_the_study_exactly(diverging: mf.ConvergenceStudy) -> None:
    rows = list(csv.DictReader(io.StringIO(study_csv(diverging))))
    assert [float(row["h"]) for row in rows] == list(diverging.step_sizes)
    for row, error in zip(rows, diverging.errors, strict=True):
        assert row["error"] == "" if math.isnan(error) else float(row["error"]) == error
    assert rows[0]["note"] == diverging.excluded[2.0]
    assert rows[-1]["note"] == ""


def claim(expected: str = "confirmed", corrected: str | None = None) -> Claim:
    return Claim(
        "thm-0.1-a-long-name-for-a-claim",
        "Section 3, after Definition 3.1 & <more>",
        r"\mathbf{x} \in \mathbb{R}^{p}" * 5,
        expected,  # type: ignore[arg-type]
        lambda: iter(()),
        corrected,
    )


def result(verdict: str = "pass", expected: str = "confirmed") -> ClaimResult:
    found = Evidence("exact", "coefficient of f < & >", verdict, "derived: 1; minus: 0 " * 20)
    return ClaimResult(claim(expected), (found, found), 1.25)


@pytest.mark.parametrize("width", [80, 120])
def test_claim_names_are_never_cut(width: int) -> None:
    text = rendered(claims_table([result(), result("fail")]), width)
    assert text.count("thm-0.1-a-long-name-for-a-claim") == 2
    assert "…" not in text
    assert max(map(len, text.splitlines())) <= width
    assert "registry:" in text
    assert "2 exact" in text
    assert "1.2 s" in text


def test_details_keep_formulas_on_one_line(study: mf.ConvergenceStudy) -> None:
    numeric = Evidence("numeric", "a study", "pass", "order 2", "corrected", study.to_dict())
    exact = result("fail").evidence[0]
    text = rendered(claim_view(ClaimResult(claim(corrected="it is 2"), (exact, numeric), 0.1)))
    assert any(exact.detail.strip() in line for line in text.splitlines())
    assert "true instead:  it is 2" in text
    printed, mended = map(text.index, ("the statement as printed", "the corrected statement"))
    assert printed < text.index(exact.detail.strip()) < mended < text.index("order 2")
    assert "errors by size  0.00313: 2.34e+00" in text
    assert "verdict: corrected" in text


def test_equations_name_trees_as_the_table_does() -> None:
    text = rendered(equation_view(mf.modified_equation(mf.HeavyBall(), 3)))
    assert "Tree(" not in text
    assert "from h^2 on none: f''(f,f) and f'f'f are rootings of one free tree" in text
    assert "b_k(f) = (1 - beta**(k + 1))/(1 - beta)" in text
    assert "at step" not in rendered(equation_view(mf.modified_equation(mf.GradientDescent(), 2)))


# -- figures --------------------------------------------------------------------------------------


def labels(figure: Any) -> list[str]:
    return [text.get_text() for text in figure.axes[0].get_legend().get_texts()]


def test_a_figure_shows_data_fit_and_expectation(partly: mf.ConvergenceStudy) -> None:
    figure = sweep_figure(partly)
    assert labels(figure)[:4] == [
        "measured",
        "excluded",
        "order 2.00 (fitted)",
        "order 2 (expected)",
    ]
    axes = figure.axes[0]
    assert axes.get_title() == "gradient-descent, two-layer"
    points = {line.get_label(): line for line in axes.get_lines()}
    hollow = set(points["excluded"].get_xdata())
    assert hollow == set(partly.left_out)
    assert set(points["measured"].get_xdata()) == set(partly.step_sizes) - hollow
    low, high = axes.get_ylim()
    assert low < min(partly.errors)
    assert max(partly.errors) < high < 10 * max(partly.errors)


def test_sizes_without_error_are_marked_at_the_edge(diverging: mf.ConvergenceStudy) -> None:
    points = {line.get_label(): line for line in sweep_figure(diverging).axes[0].get_lines()}
    assert set(points["excluded, no error"].get_xdata()) == set(diverging.excluded)
    assert set(points["excluded, no error"].get_ydata()) == {1.0}


def test_titles_and_axes_say_what_was_measured(study: mf.ConvergenceStudy) -> None:
    local = replace(study, flow="limit", local=True)
    axes = sweep_figure(local).axes[0]
    assert "limit flow" in axes.get_title()
    assert "x^1" in axes.get_ylabel()
    assert "order 3 (expected)" in labels(sweep_figure(local))


def test_no_error_no_figure(study: mf.ConvergenceStudy) -> None:
    for empty in (without_any_error(study), nothing_done(study)):
        with pytest.raises(mf.ModflowError, match="nothing to plot"):
            sweep_figure(empty)


@pytest.mark.parametrize("ending", ["pdf", "svg", "png", "PDF"])
def test_the_same_study_gives_the_same_bytes(
    study: mf.ConvergenceStudy, tmp_path: Path, ending: str
) -> None:
    first, second = tmp_path / f"a.{ending}", tmp_path / f"b.{ending}"
    for path in (first, second):
        save(sweep_figure(study), path)
    assert first.read_bytes() == second.read_bytes()
    head = {"pdf": b"%PDF", "svg": b"<?xml", "png": b"\x89PNG"}[ending.lower()]
    assert first.read_bytes().startswith(head)


@pytest.mark.parametrize("name", ["x.jpg", "x", "pdf", "x.pdf.gz", ".pdf"])
def test_other_formats_are_refused(name: str) -> None:
    with pytest.raises(mf.ModflowError, match=r"must be \.pdf, \.png or \.svg"):
        check_figure_format(Path(name))


# -- files ----------------------------------------------------------------------------------------


def test_where_nothing_can_be_written(tmp_path: Path) -> None:
    with pytest.raises(mf.ModflowError, match="there is no folder"):
        check_writable(tmp_path / "missing" / "x.csv")
    with pytest.raises(mf.ModflowError, match="it is a folder"):
        check_writable(tmp_path)
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(mf.ModflowError, match="there is no folder"):
        check_writable(file / "x.csv")
    check_writable(file)
    assert list(tmp_path.iterdir()) == [file]


def test_unwritable_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**_: Any) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(files.tempfile, "TemporaryFile", refuse)
    with pytest.raises(mf.ModflowError, match=r"cannot write .*x\.csv: Read-only file system"):
        check_writable(tmp_path / "x.csv")


def test_read_only_files_are_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "x").touch()
    monkeypatch.setattr(files.os, "access", lambda *_: False)  # root may write anything
    with pytest.raises(mf.ModflowError, match="permission denied"):
        check_writable(tmp_path / "x")


def test_a_full_disk_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.csv"
    path.write_text("old")

    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", full)
        with pytest.raises(mf.ModflowError, match=r"cannot write .*: No space left on device"):
            write_atomically(path, b"new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
    write_atomically(path, b"new")
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_links_and_permissions_are_kept(tmp_path: Path) -> None:
    target, link = tmp_path / "target", tmp_path / "link"
    target.touch(mode=0o600)
    link.symlink_to(target)
    write_atomically(link, b"new")
    assert link.is_symlink()
    assert target.read_bytes() == b"new"
    assert stat.S_IMODE(target.stat().st_mode) == 0o600


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
def test_devices_are_written_to_and_not_replaced() -> None:
    check_writable(Path("/dev/null"))
    write_atomically(Path("/dev/null"), b"gone")
    assert Path("/dev/null").is_char_device()
    with pytest.raises(mf.ModflowError, match="No space left on device"):
        write_atomically(Path("/dev/full"), b"too much")
    assert Path("/dev/full").is_char_device()


# -- JUnit ----------------------------------------------------------------------------------------


def test_junit() -> None:
    results = [result(), result("fail"), result("fail", "refuted"), result("inconclusive")]
    root = ElementTree.fromstring(junit_xml(results))
    suite = root.find("testsuite")
    assert suite is not None
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("4", "2", "0")
    assert float(suite.get("time", "nan")) == 5.0
    cases = suite.findall("testcase")
    failures = [case.find("failure") for case in cases]
    assert [failure is not None for failure in failures] == [False, True, False, True]
    assert failures[1] is not None
    assert failures[1].get("message") == "refuted, and the registry records confirmed"
    assert "coefficient of f < & >" in (failures[1].text or "")
    assert "coefficient of f < & >" in (cases[0].findtext("system-out") or "")
    assert ElementTree.fromstring(junit_xml([])).find("testsuite") is not None


# -- progress -------------------------------------------------------------------------------------


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "DELAY_SECONDS", 0.02)
    monkeypatch.setattr(progress, "LINE_SECONDS", 0.02)


def until(condition: Any) -> None:
    deadline = time.monotonic() + 10
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert condition()


def test_what_is_quick_shows_no_progress(capsys: pytest.CaptureFixture[str]) -> None:
    with LateProgress() as report:
        report("work", 0.5)
    assert capsys.readouterr() == ("", "")


class Terminal(io.StringIO):
    """A stderr of its own, since the thread writes while the test reads."""

    def __init__(self, interactive: bool) -> None:
        super().__init__()
        self._interactive = interactive

    def isatty(self) -> bool:
        return self._interactive


@pytest.mark.usefixtures("impatient")
def test_lines_where_stderr_is_no_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stderr = Terminal(interactive=False)
    monkeypatch.setattr(sys, "stderr", stderr)
    with LateProgress("compiling", steady=True) as report:
        until(lambda: "modflow: 0% compiling\n" in stderr.getvalue())
        report("h = 0.5", 0.25)
        report("h = 0.25", 0.5)
        until(lambda: "modflow: 50% h = 0.25, about 0 s left\n" in stderr.getvalue())
    assert "\x1b" not in stderr.getvalue()
    assert capsys.readouterr().out == ""


@pytest.mark.usefixtures("impatient")
def test_a_bar_on_a_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stderr = Terminal(interactive=True)
    monkeypatch.setattr(sys, "stderr", stderr)
    monkeypatch.setenv("TERM", "xterm-256color")
    with LateProgress() as report:
        report("thm-4.1-order", 0.5)
        until(lambda: "thm-4.1-order" in stderr.getvalue())
    assert stderr.getvalue().endswith("\x1b[2K")  # nothing of it is left
    assert "\x1b[?25h" in stderr.getvalue()  # the cursor is back
    assert capsys.readouterr().out == ""


@pytest.mark.usefixtures("impatient")
def test_progress_without_stderr(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    with LateProgress() as report:
        time.sleep(0.1)
        report("work", 0.5)


def test_time_left_comes_from_the_pace(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=lambda: now[0]))
    steady, other = LateProgress(steady=True), LateProgress()
    for report in (steady, other):
        report("a", 0.0)
    assert steady._time_left() == ""
    now[0] += 60
    for report in (steady, other):
        report("b", 1e-9)
    assert steady._time_left() == ", about 2e+03 years left"
    assert other._time_left() == ""


def test_durations() -> None:
    shown = [duration(s) for s in (0, 59.6, 200, 10_000, 300_000, 1e9, 1e20)]
    assert shown == ["0 s", "60 s", "3 min", "3 hours", "3 days", "3e+01 years", "3e+12 years"]
