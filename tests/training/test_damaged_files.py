"""Files of a training that are damaged: each is refused in one line that names it."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from modflow import ModflowError
from modflow.training.experiment import Experiment, grid_of
from modflow.training.grids import load_grid, train_grid
from modflow.training.history import ALWAYS, History
from modflow.training.store import Recorded, Store

EXPERIMENT = Experiment(train=20, test=10, width=4, depth=1, steps=2, record_every=1)
RUNS = grid_of([0.1], [0.0, 0.5], [0])
NAMES = [run.name for run in RUNS]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Results as if trained."""
    store = Store(tmp_path, EXPERIMENT, {"data_sha256": "0"})
    store.plan(RUNS, 2)
    for run in RUNS:
        store.keep(History(run, [dict.fromkeys(ALWAYS, 0.5) | {"step": k} for k in range(3)]), {})
    return tmp_path


def edit(path: Path, change: Callable[[Any], Any]) -> None:
    content = json.loads(path.read_text())
    changed = change(content)
    path.write_text(json.dumps(content if changed is None else changed))


def refusal(act: Callable[[], Any], path: Path) -> str:
    with pytest.raises(ModflowError) as raised:
        act()
    assert str(path) in str(raised.value)
    assert "\n" not in str(raised.value)
    return str(raised.value)


def without(key: str) -> Callable[[Any], Any]:
    return lambda found: {name: value for name, value in found.items() if name != key}


def row(**values: Any) -> Callable[[Any], None]:
    return lambda found: found["rows"][-1].update(values)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (without("rows"), "it lacks 'rows'"),
        (lambda found: {**found, "rows": "abc"}, "its rows are no lists"),
        (lambda found: {**found, "rows": [[0, 1]]}, "its rows are no lists"),
        (lambda found: {**found, "rows": []}, "it does not end at step 2"),
        (lambda found: {**found, "rows": found["rows"][:-1]}, "it does not end at step 2"),
        (lambda found: found["rows"].reverse(), "its steps are no rising whole numbers"),
        (lambda found: found["rows"].insert(0, found["rows"][0]), "no rising whole numbers"),
        (row(step=1.5), "no rising whole numbers"),
        (row(step=None), "None is no number"),
        (row(train_loss=None), "None is no number"),
        (row(train_loss=True), "True is no number"),
        (row(train_loss="0.5"), "'0.5' is no number"),
        (row(train_loss=10**400), "is no number"),
        (row(train_loss=float("nan")), "nan is no number"),
        (row(trian_loss=0.5), "unknown column 'trian_loss': did you mean 'train_loss'?"),
        (lambda found: {**found, "rows": [{"step": 2}]}, "a row lacks epoch"),
        (lambda found: {**found, "diverged": "soon"}, "it diverged at 'soon', which is no step"),
        (lambda found: {**found, "h": "0.1"}, "'0.1' is no number"),
        (lambda found: {**found, "seed": 1}, "it is that of h=0.1,beta=0.0,seed=1"),
        (lambda found: [found], "is damaged"),
    ],
)
def test_results(folder: Path, change: Callable[[Any], Any], why: str) -> None:
    path = folder / "runs" / f"{NAMES[0]}.json"
    assert load_grid(folder).complete
    edit(path, change)
    assert why in refusal(lambda: load_grid(folder), path)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda found: {**found, "groups": "abc"}, "no lists of the names of runs"),
        (lambda found: {**found, "groups": [NAMES[0]]}, "no lists of the names of runs"),
        (lambda found: {**found, "groups": [[]]}, "no lists of the names of runs"),
        (lambda found: {**found, "groups": [["x"]]}, "'x' is no name of a run"),
        (lambda found: {**found, "groups": [["h=0.10,beta=0.0,seed=0"]]}, "the run h=0.1,"),
        (lambda found: {**found, "groups": [NAMES, NAMES[:1]]}, "it has a run twice"),
        (lambda found: {**found, "stepping": ["loop"]}, "unknown way of making steps"),
        (lambda found: {**found, "stepping": "jump"}, "unknown way of making steps 'jump'"),
        (lambda found: {**found, "threads": "2"}, "'2' is no number of threads"),
        (lambda found: {**found, "threads": 0}, "0 is no number of threads"),
        (lambda found: {**found, "experiment": None}, "it has no experiment"),
        (lambda found: found["experiment"].update(data=5), "unknown data set '5'"),
        (lambda found: found["experiment"].update(batch_norm="no"), "true or false; got 'no'"),
        (lambda found: found["experiment"].update(wdith=4), "did you mean 'width'?"),
    ],
)
def test_configurations(folder: Path, change: Callable[[Any], Any], why: str) -> None:
    path = folder / "config.json"
    edit(path, change)
    assert why in refusal(lambda: Recorded.read(path), path)
    assert why in refusal(lambda: load_grid(folder), path)


@pytest.mark.parametrize("content", ["[" * 100_000, '{"a":' * 100_000])
def test_nested_too_deeply(folder: Path, content: str) -> None:
    path = folder / "config.json"
    path.write_text(content)
    assert "nested too deeply" in refusal(lambda: Recorded.read(path), path)


def test_a_configuration_needs_images(folder: Path) -> None:
    path = folder / "config.json"
    edit(path, lambda found: {**found, "data_sha256": None})
    assert "it has no data_sha256" in refusal(lambda: Recorded.read(path), path)


def begin(folder: Path) -> None:
    """Train up to a checkpoint."""

    def stop(what: str, share: float) -> None:
        if share > 0.2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_grid(EXPERIMENT, RUNS, folder, progress=stop)


@pytest.mark.parametrize(
    "change",
    [
        lambda notes: [],
        without("histories"),
        without("losses"),
        lambda notes: {**notes, "losses": [["a"], []]},
        lambda notes: {**notes, "losses": [[]]},
        lambda notes: notes["histories"][0]["rows"].append({"step": 1}),
        lambda notes: notes["histories"][0]["rows"][-1].update(step=2),
    ],
)
def test_checkpoints(tmp_path: Path, change: Callable[[Any], Any]) -> None:
    begin(tmp_path)
    folder = tmp_path / "checkpoints" / NAMES[0]
    edit(folder / "1" / "notes" / "metadata", change)
    why = refusal(lambda: train_grid(EXPERIMENT, RUNS, tmp_path), folder)
    assert "remove that folder to begin again" in why


def test_metadata_of_a_checkpoint(tmp_path: Path) -> None:
    begin(tmp_path)
    folder = tmp_path / "checkpoints" / NAMES[0]
    (folder / "1" / "_CHECKPOINT_METADATA").write_text("true")
    why = refusal(lambda: train_grid(EXPERIMENT, RUNS, tmp_path), folder)
    assert "remove that folder to begin again" in why


def test_what_was_read_beside_a_damaged_file_tells_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", told.append)
    begin(tmp_path)
    folder = tmp_path / "checkpoints" / NAMES[0]
    # All its arrays are in there, and are read at the same time.
    for path in (folder / "1" / "state" / "d").iterdir():
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    refusal(lambda: train_grid(EXPERIMENT, RUNS, tmp_path), folder)
    sys.unraisablehook(SimpleNamespace(exc_value=RuntimeError("Event loop is closed")))
    assert told == []
    other = SimpleNamespace(exc_value=RuntimeError("another"))
    sys.unraisablehook(other)
    assert told == [other]
