"""Figure 1, drawn again: what it shows, and the command that writes it."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import modflow as mf
from modflow.report import figure_one as module
from modflow.report.figure_one import SETTINGS, FigureOne, Run, figure_one, figure_one_runs
from modflow.report.save import save


@pytest.fixture(scope="module")
def found() -> FigureOne:
    return figure_one_runs()


def plain_end(x: float, y: float, h: float, beta: float, steps: int = 3000) -> Any:
    w, v = np.array([2.8, 3.4]), np.zeros(2)
    for _ in range(steps):
        v = beta * v + h * x * (y - w[0] * w[1] * x) * w[::-1]
        w = w + v
    return w


# -- what it shows --------------------------------------------------------------------------------


def test_the_runs_have_one_effective_rate() -> None:
    assert {h / (1 - beta) for h, beta in SETTINGS} == {SETTINGS[0][0]}


def test_runs_end_where_a_plain_loop_does(found: FigureOne) -> None:
    assert (found.x, found.y, found.start.tolist()) == (1.0, 0.6, [2.8, 3.4])
    for run in found.runs:
        end = plain_end(1.0, 0.6, run.h, run.beta)
        assert run.iterates[-1] == pytest.approx(end, abs=1e-12)
        assert run.norm(run.iterates) == pytest.approx(np.linalg.norm(end), abs=1e-12)
        for path in run.paths.values():
            assert path[0] == pytest.approx(found.start)
            assert path[-1, 0] * path[-1, 1] == pytest.approx(0.6, abs=1e-9)
    norms = [run.norm(run.iterates) for run in found.runs]
    assert norms == sorted(norms, reverse=True)  # observation b), β ascending


def test_flows_follow_the_iterates_where_they_are_valid(found: FigureOne) -> None:
    plain = found.runs[0]
    assert np.max(np.abs(plain.iterates - plain.piecewise)) < 0.02
    assert np.array_equal(plain.piecewise, plain.limit)  # without momentum there is no transient
    strong = found.runs[-1]
    assert 1.45 < strong.norm(strong.iterates) < 1.46
    assert 1.75 < strong.norm(strong.limit) < strong.norm(strong.piecewise) < 1.89


def test_the_same_loss_has_the_same_figure(found: FigureOne) -> None:
    mirrored = figure_one_runs(-1.0, -0.6)
    for a, b in zip(found.runs, mirrored.runs, strict=True):
        assert a.norm(a.limit) == pytest.approx(b.norm(b.limit), abs=1e-10)


def test_what_is_not_at_rest_has_no_norm() -> None:
    path = np.linspace([2.8, 3.4], [2.0, 2.0], 101)
    run = Run(0.01, 0.0, path, path, np.full_like(path, np.nan))
    assert math.isnan(run.norm(path))
    assert run.to_dict()["norms"] == {"iterates": None, "flow (4)": None, "flow (5)": None}
    assert math.isnan(run.norm(run.limit))


def test_stiff_flows_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_LEAST", 400)
    found = figure_one_runs(4.0, -3.0)
    assert all(np.all(np.isnan(run.limit)) for run in found.runs)
    assert figure_one(found).axes  # and it is drawn all the same
    assert json.dumps(found.to_dict(), allow_nan=False)
    assert " -" in found.table()


@pytest.mark.parametrize(
    ("x", "y"),
    [(1.0, 0.0), (1.0, 2.8 * 3.4), (0.1, 100.0), (6.0, 0.3)],
    ids=["a cross", "from the curve", "far away", "two diverge"],
)
def test_other_settings_are_drawn(x: float, y: float, tmp_path: Path) -> None:
    found = figure_one_runs(x, y)
    save(figure_one(found), tmp_path / "a.png")
    assert ("no end" in found.table()) == (x == 6)
    for run in found.runs:
        end = plain_end(x, y, run.h, run.beta) if x < 6 else run.iterates[-1]
        assert np.isclose(run.iterates[-1], end, atol=1e-3, equal_nan=True).all()


@pytest.mark.parametrize(
    ("x", "y", "why"),
    [
        (0.0, 1.0, "does not depend on the weights"),
        (math.nan, 1.0, "out of range"),
        (1.0, math.inf, "out of range"),
        (1e200, 1.0, "out of range"),
        (1e-200, 1.0, "out of range"),
        (30.0, 1.0, "all four runs diverge"),
    ],
)
def test_settings_without_a_figure_are_refused(x: float, y: float, why: str) -> None:
    with pytest.raises(mf.ModflowError, match=why):
        figure_one_runs(x, y)


# -- the file -------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["pdf", "png", "svg"])
def test_files_are_small_and_the_same_each_time(
    found: FigureOne, kind: str, tmp_path: Path
) -> None:
    first, second = tmp_path / f"one.{kind}", tmp_path / f"two.{kind}"
    for path in (first, second):
        save(figure_one(found), path)
    assert first.read_bytes() == second.read_bytes()
    assert 10_000 < first.stat().st_size < 400_000


def test_the_figure_has_both_panels_the_curve_and_the_norms(found: FigureOne) -> None:
    drawn = figure_one(found)
    whole, close = drawn.axes[:2]
    for axes in (whole, close):
        (low, high), (bottom, top) = axes.get_xlim(), axes.get_ylim()
        for run in found.runs:  # all ends are in view
            w = run.iterates[-1]
            assert low < w[0] < high
            assert bottom < w[1] < top
        curves = [line for line in axes.lines if len(line.get_xdata()) == 4000]
        assert len(curves) == 2
        for line in curves:
            assert np.allclose(np.array(line.get_xdata()) * np.array(line.get_ydata()), 0.6)
    texts = {text.get_text() for axes in drawn.axes for text in axes.texts}
    assert {"1.947", "1.893", "1.736", "1.456", "1.760", "1.879"} <= texts
    (image,) = whole.images
    assert image.get_rasterized()

    # The background is ‖∇E‖²: here at the start, from central differences.
    def loss(a: float, b: float) -> float:
        return 0.5 * (0.6 - a * b) ** 2

    step, (a, b) = 1e-5, found.start
    slopes = [
        (loss(a + step, b) - loss(a - step, b)) / (2 * step),
        (loss(a, b + step) - loss(a, b - step)) / (2 * step),
    ]
    left, right, bottom, top = image.get_extent()
    values = np.array(image.get_array())
    column = round((a - left) / (right - left) * (values.shape[1] - 1))
    row = round((b - bottom) / (top - bottom) * (values.shape[0] - 1))
    assert values[row, column] == pytest.approx(np.dot(slopes, slopes), rel=0.02)


# -- the command ----------------------------------------------------------------------------------


def test_command(run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    status, out, err = run("figure", "fig-1")
    assert (status, err) == (0, "")
    assert (tmp_path / "fig-1.pdf").read_bytes().startswith(b"%PDF")
    rows = [line.split() for line in out.splitlines()[-4:]]
    assert rows[0] == ["0.01", "0", "1.9468", "1.9502", "1.9502"]
    assert rows[3] == ["0.001", "0.9", "1.4557", "1.8787", "1.7602"]


def test_command_with_json_and_another_setting(run: Any, tmp_path: Path) -> None:
    path = tmp_path / "other.svg"
    status, out, err = run(
        "figure", "fig-1", "--x", "-2", "--y", "-3/5", "--out", str(path), "--json"
    )
    assert (status, err) == (0, "")
    found = json.loads(out)
    assert (found["figure"], found["x"], found["y"]) == ("fig-1", -2.0, -0.6)
    for run_found in found["runs"]:
        end = plain_end(2.0, 0.6, run_found["h"], run_found["beta"])
        assert run_found["norms"]["iterates"] == pytest.approx(np.linalg.norm(end), abs=1e-10)
    assert path.read_text().lstrip().startswith("<?xml")


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ("", "Missing argument 'name'"),
        ("fig1", "unknown figure 'fig1': did you mean 'fig-1'?"),
        ("fig-1 --out a.txt", "its ending must be .pdf, .png or .svg"),
        ("fig-1 --out nowhere/a.pdf", "there is no folder nowhere"),
        ("fig-1 --x nothing", "--x 'nothing' is not a number"),
        ("fig-1 --x 0", "x = 0: the loss does not depend on the weights"),
        ("fig-1 --x 1e5", "all four runs diverge"),
    ],
)
def test_bad_requests(
    refused: Any, arguments: str, why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert why in refused("figure", *arguments.split())
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written_to(refused: Any, tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        assert "denied" in refused("figure", "fig-1", "--out", str(tmp_path / "a.pdf"))
    finally:
        tmp_path.chmod(0o700)


def test_help_imports_nothing_heavy(run: Any) -> None:
    status, out, _ = run("figure", "--help")
    assert status == 0
    for word in ("fig-1", "--out", "--x", "--y", "--json"):
        assert word in out
