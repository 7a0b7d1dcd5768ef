"""`modflow reproduce`, and what its results say of the paper's statements."""

import json
from dataclasses import replace

import jsonschema
import numpy as np
import pytest

from modflow.claims import CLAIMS, check_claim
from modflow.claims._trainings import Difference, all_of, variances_differ
from modflow.schemas import schema_text
from modflow.training import paper
from modflow.training.experiment import Experiment
from modflow.training.history import ALWAYS, History
from modflow.training.paper import FIGURES, SCALES, reproduction
from modflow.training.store import Store

FULL, TABLE = ("fig-2", "fig-3"), ("fig-4", "table-1")


# -- what is trained ----------------------------------------------------------------------------


def test_the_papers_settings():
    """Section 6: batches of 640, h/(1-β) = 0.1, three seeds; 1,000 images of MNIST, ResNet-18."""
    table = reproduction("table-1", "paper")
    assert [part.column for part in table.parts] == [
        f"{data} {network}"
        for data in ("CIFAR-10", "CIFAR-100")
        for network in ("DN-121", "RN-18", "RN-50", "WRN-16-8")
    ]
    for part in table.parts:
        assert (part.experiment.batch, part.experiment.decay) == (640, "constant")
        assert part.experiment.train is None
        rows = {(run.h, run.beta) for run in part.runs}
        assert rows == {(0.1, 0.0), (0.07, 0.3), (0.05, 0.5), (0.02, 0.8)}
        assert len(part.runs) == 12
        assert part.experiment.record_every == 50_000 // 640
    assert len(reproduction("fig-4", "paper").parts) == 4
    for figure in FULL:
        (part,) = reproduction(figure, "paper").parts
        of = part.experiment
        assert (of.data, of.train, of.batch, of.architecture) == ("mnist", 1000, None, "resnet-18")
        assert of.width is None
    assert {run.h for run in reproduction("fig-3", "paper").parts[0].runs} == {0.1}


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("figure", FIGURES)
def test_all_scales(figure, scale):
    found = reproduction(figure, scale)
    assert len({part.name for part in found.parts}) == len(found.parts)
    for part in found.parts:
        assert {run.seed for run in part.runs} == {0, 1, 2}
        if figure in TABLE:
            assert all(run.effective_rate == pytest.approx(0.1) for run in part.runs)
            assert part.experiment.steps % part.experiment.record_every == 0


@pytest.mark.parametrize("scale", SCALES)
def test_figures_two_and_three_share_runs(scale):
    (two,), (three,) = (reproduction(figure, scale).parts for figure in FULL)
    assert two.name == three.name
    assert len(set(two.runs) & set(three.runs)) == 3


# -- the command --------------------------------------------------------------------------------


@pytest.fixture
def quick(monkeypatch):
    """Scale tiny, tinier still."""
    small = Experiment(width=4, train=60, test=50, steps=8, record_every=2)
    of = replace(
        paper._SCALES["tiny"],
        full=small,
        mini=replace(small, batch=20),
        networks={"MLP": {"architecture": "mlp"}, "RN-10": {"depth": 1}},
    )
    monkeypatch.setitem(paper._SCALES, "tiny", of)


def test_a_figure(run, quick, tmp_path):
    out, plot = tmp_path / "r", tmp_path / "two.svg"
    arguments = ("reproduce", "fig-2", "--scale", "tiny", "--out", str(out))
    status, shown, _ = run(*arguments, "--plot", str(plot))
    assert status == 0
    assert "fig-2 at scale tiny" in shown
    assert "best 95.72 at h = 0.2" in shown
    assert "fig-2-accuracy: inconclusive" in shown
    assert plot.read_text().count("<svg") == 1
    found = json.loads(run(*arguments, "--json").out)
    jsonschema.validate(found, json.loads(schema_text("reproduce")))
    assert found["complete"] is True
    assert len(found["parts"][0]["runs"]) == 9
    assert [claim["id"] for claim in found["claims"]] == ["fig-2-accuracy"]
    # The third figure takes three of its runs from there.
    kept = {path: path.stat().st_mtime_ns for path in out.glob("*/runs/*.json")}
    three = run("reproduce", "fig-3", "--out", str(out))
    assert three.status == 0
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    assert len(list(out.glob("*/runs/*.json"))) == 9 + 6
    # With both there, GD+M is compared with GD.
    assert "the best of GD+M is better than the best of GD" in three.out


def test_a_table(run, quick, tmp_path):
    status, shown, _ = run("reproduce", "table-1", "--out", str(tmp_path / "r"))
    assert status == 0
    lines = [line.split() for line in shown.splitlines() if line.strip().startswith("digits")]
    rows = lines[:8]
    assert [row[1:4] for row in rows] == [
        [network, beta, h]
        for network in ("MLP", "RN-10")
        for beta, h in (("0", "0.1"), ("0.3", "0.07"), ("0.5", "0.05"), ("0.8", "0.02"))
    ]
    assert "fig-4-accuracy: inconclusive" in shown
    evidence = run("verify", "fig-4-accuracy", "--results", str(tmp_path / "r"))
    assert evidence.status == 0
    assert "scale tiny: the highest test accuracy is at the highest beta" in evidence.out


def test_ended_early(run, quick, tmp_path, monkeypatch):
    import modflow.training.group as group_module

    calls = []

    def stop(self, *rest, original=group_module.Group._measured):
        calls.append(0)
        if len(calls) > 3:
            raise KeyboardInterrupt
        return original(self, *rest)

    monkeypatch.setattr(group_module.Group, "_measured", stop)
    status, _, err = run("reproduce", "fig-2", "--out", str(tmp_path / "r"))
    assert status == 3
    assert "0 of 9 runs are done; the same command goes on from there" in err


def test_refused(refused, tmp_path):
    assert "did you mean 'fig-2'" in refused("reproduce", "fig2")
    assert "unknown scale 'huge'" in refused("reproduce", "fig-2", "--scale", "huge")
    assert "there is no folder" in refused("verify", "--results", str(tmp_path / "none"))
    assert "holds nothing of `modflow reproduce`" in refused("verify", "--results", str(tmp_path))
    assert "exclude each other" in refused(
        "reproduce", "fig-2", "--jobs", "2", "--dask", "tcp://127.0.0.1:9"
    )
    empty = tmp_path / "empty"
    empty.mkdir()
    said = refused("reproduce", "fig-2", "--scale", "small", "--data-dir", str(empty))
    assert "no MNIST in" in said


# -- evidence -----------------------------------------------------------------------------------


def made_up(folder, figure, accuracy, scale="paper", diverged=None):
    """Results as if trained: `accuracy(part, run, epoch)` in percent, for the last five epochs."""
    for part in reproduction(figure, scale).parts:
        store = Store(folder / part.name, part.experiment, {"data_sha256": "0"})
        store.plan(part.runs, 1)
        for run in part.runs:
            steps = [0, *range(part.experiment.steps - 3, part.experiment.steps + 1)]
            rows = [
                dict.fromkeys(ALWAYS, 0.1)
                | {"step": step, "test_accuracy": accuracy(part, run, k) / 100}
                for k, step in enumerate(steps)
            ]
            store.keep(History(run, rows, diverged if run == part.runs[0] else None), {})


def noise(run, k, size):
    """Of a seed and an epoch, and the setting."""
    key = [run.seed, k, int(1000 * run.h), int(100 * run.beta)]
    return size * float(np.random.default_rng(key).normal())


def verdict(name, folder):
    return check_claim(CLAIMS[name], results=folder).verdict


@pytest.mark.parametrize(
    ("slope", "size", "expected"),
    [
        (10, 0.01, "confirmed"),
        (-10, 0.01, "refuted"),
        # Three seeds cannot tell a rise that is as large as they are apart.
        (10, 3.0, "inconclusive"),
    ],
)
def test_figure_two(tmp_path, slope, size, expected):
    def accuracy(part, run, k):
        return 95.72 + slope * (min(run.h, 0.2) - 0.2) + noise(run, 0, size)

    made_up(tmp_path, "fig-2", accuracy)
    assert verdict("fig-2-accuracy", tmp_path) == expected


def test_figure_two_has_its_best_at_two_tenths(tmp_path):
    made_up(tmp_path, "fig-2", lambda part, run, k: 90 + 10 * run.h + noise(run, 0, 0.01))
    assert verdict("fig-2-accuracy", tmp_path) == "refuted"


def test_another_number_than_the_papers_refutes_nothing(tmp_path):
    """It does not say how long it trained."""
    made_up(tmp_path, "fig-2", lambda part, run, k: 90 + 9 * min(run.h, 0.2) + noise(run, 0, 0.01))
    assert verdict("fig-2-accuracy", tmp_path) == "inconclusive"
    made_up(tmp_path / "b", "fig-3", lambda part, run, k: 96.22 + noise(run, 0, 0.1))
    assert verdict("fig-3-accuracy", tmp_path / "b") == "confirmed"
    made_up(tmp_path / "c", "fig-3", lambda part, run, k: 90.0)
    assert verdict("fig-3-accuracy", tmp_path / "c") == "inconclusive"


@pytest.mark.parametrize(
    ("gain", "size", "expected"),
    [(2, 0.01, "confirmed"), (-2, 0.01, "refuted"), (0.2, 2.0, "inconclusive")],
)
def test_the_best_of_both(tmp_path, gain, size, expected):
    def accuracy(part, run, k):
        return 90 + run.h + gain * (run.beta > 0) + noise(run, 0, size)

    made_up(tmp_path, "fig-2", accuracy)
    assert verdict("fig-2-3-comparison", tmp_path) == "inconclusive"
    made_up(tmp_path, "fig-3", accuracy)
    assert verdict("fig-2-3-comparison", tmp_path) == expected


@pytest.mark.parametrize(
    ("exceptions", "expected"), [(0, "confirmed"), (1, "confirmed"), (2, "refuted")]
)
def test_almost_always_is_in_all_columns_but_one(tmp_path, exceptions, expected):
    columns = [part.column for part in reproduction("table-1", "paper").parts]

    def accuracy(part, run, k):
        sign = -1 if part.column in columns[:exceptions] else 1
        return 80 + 5 * sign * run.beta + noise(run, 0, 0.01)

    made_up(tmp_path, "table-1", accuracy)
    assert verdict("fig-4-accuracy", tmp_path) == expected
    assert verdict("sec-6-not-scaled", tmp_path) == "confirmed"


def test_seeds_that_are_far_apart_tell_nothing(tmp_path):
    made_up(tmp_path, "table-1", lambda part, run, k: 80 + run.beta + noise(run, 0, 5.0))
    assert verdict("fig-4-accuracy", tmp_path) == "inconclusive"
    assert verdict("sec-6-not-scaled", tmp_path) == "inconclusive"


@pytest.mark.parametrize(("power", "expected"), [(-1, "confirmed"), (1, "refuted"), (0, None)])
def test_deviation_from_epoch_to_epoch(tmp_path, power, expected):
    def accuracy(part, run, k):
        """Of size 0.1 at β = 0.8 and 10 at the others; or the other way round."""
        highest = run.beta == 0.8
        size = 1.0 if not power else 0.1 if highest == (power < 0) else 10.0
        return 80 + noise(run, k, size)

    made_up(tmp_path, "table-1", accuracy)
    assert verdict("table-1-deviation", tmp_path) == (expected or "inconclusive")


@pytest.mark.parametrize("name", ["fig-2-accuracy", "fig-4-accuracy", "table-1-deviation"])
def test_smaller_scales_are_context(tmp_path, name):
    """Whatever they show."""
    figure = "fig-2" if name == "fig-2-accuracy" else "table-1"
    made_up(tmp_path, figure, lambda p, run, k: 90 + 10 * run.h + run.beta, scale="small")
    found = check_claim(CLAIMS[name], results=tmp_path)
    assert found.verdict == "inconclusive"
    assert {e.about for e in found.evidence if "scale small" in e.text} == {"context"}
    assert found.as_expected


def test_a_run_that_is_missing_or_lost(tmp_path):
    made_up(tmp_path, "fig-2", lambda part, run, k: 90 + run.h, diverged=3)
    found = check_claim(CLAIMS["fig-2-accuracy"], results=tmp_path)
    assert found.verdict == "inconclusive"
    assert "diverged: h=0.01,beta=0.0,seed=0" in found.evidence[0].detail
    next(tmp_path.glob("*/runs/*.json")).unlink()
    assert len(check_claim(CLAIMS["fig-2-accuracy"], results=tmp_path).evidence) == 1


def test_results_in_processes(run, tmp_path):
    """What decides open claims reaches processes too; confirmed, they are as expected."""
    made_up(
        tmp_path,
        "fig-2",
        lambda part, run, k: 95.72 + 10 * (min(run.h, 0.2) - 0.2) + noise(run, 0, 0.01),
    )
    status, shown, _ = run("verify", "fig-2-accuracy", "--results", str(tmp_path))
    assert (status, "verdict: confirmed" in shown) == (0, True)


def test_differences():
    """Student's interval of three numbers by hand: mean ± 4.3027 s/√3."""
    found = Difference.of({0: 3.0, 1: 5.0, 2: 7.0}, {0: 1.0, 1: 2.0, 2: 3.0})
    assert found.mean == 3
    assert found.high - found.mean == pytest.approx(4.302652729911275 / 3**0.5)
    assert found.positive is True
    assert Difference.of({0: 1.0}, {0: 0.0}).positive is None
    assert Difference.of({0: 0.0, 1: 0.01}, {0: 1.0, 1: 1.0}).positive is False


def test_logic_of_three_values():
    assert all_of([True, True]) is True
    assert all_of([True, None]) is None
    assert all_of([None, False]) is False
    assert all_of([]) is None
    # F(12, 12) at 97.5% is 3.2773.
    assert variances_differ((1.0, 12), (3.3, 12)) is True
    assert variances_differ((1.0, 12), (3.2, 12)) is None
    assert variances_differ((3.3, 12), (1.0, 12)) is False
    assert variances_differ((0.0, 12), (0.0, 12)) is None
