"""The folders of trainings: configurations, results and checkpoints that are damaged."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import strategies as st

from modflow import cli_training
from modflow.training.experiment import Experiment, grid_of
from modflow.training.grids import GridResult, train_grid

from .cases import cases
from .mutations import Change, damages, json_changes
from .shell import Shell

EXPERIMENT = Experiment(train=20, test=10, width=4, depth=1, steps=2, record_every=1)
RUNS = grid_of([0.1], [0.0, 0.5], [0])
SAME = (
    *("train", "--json", "--train", "20", "--test", "10", "--width", "4", "--depth", "1"),
    *("--steps", "2", "--record-every", "1", "--beta", "0,0.5", "--out", "done", "--jobs", "1"),
)


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A training that has ended."""
    folder = tmp_path_factory.mktemp("done")
    train_grid(EXPERIMENT, RUNS, folder)
    return folder


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A training with a checkpoint."""

    def stop(what: str, share: float) -> None:
        if share > 0.2:
            raise KeyboardInterrupt

    folder = tmp_path_factory.mktemp("begun")
    with pytest.raises(KeyboardInterrupt):
        train_grid(EXPERIMENT, RUNS, folder, progress=stop)
    return folder


def files(folder: Path) -> list[str]:
    found = [path for path in folder.rglob("*") if path.is_file() and path.name != ".lock"]
    return sorted(path.relative_to(folder).as_posix() for path in found)


SPOILED = st.lists(
    st.tuples(st.floats(0, 1, exclude_max=True), damages() | json_changes()), min_size=1, max_size=2
)


def spoil(folder: Path, spoiled: list[tuple[float, Change]]) -> None:
    """One file or two of the folder are no longer what they were."""
    names = files(folder)
    for where, change in spoiled:
        path = folder / names[int(where * len(names))]
        path.write_bytes(change(path.read_bytes()))


@cases("training files")
def test_what_was_trained(
    count: int,
    explore: Callable[..., None],
    shell: Shell,
    done: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def interrupted(experiment: Any, runs: Any, *more: Any, **options: Any) -> GridResult:
        return GridResult(experiment, runs)

    def check(spoiled: list[tuple[float, Change]]) -> None:
        folder = shell.new_folder()
        shutil.copytree(done, folder / "done")
        spoil(folder / "done", spoiled)
        shell(*SAME, writes=["done"])
        shell("verify", "--json", "thm-4.1-drift", "--results", ".", "--jobs", "1")
        with monkeypatch.context() as patched:
            # A configuration may have come to ask for a training of a million steps.
            patched.setattr(cli_training, "train_here", interrupted)
            shell("train", "--json", "--config", "done/config.json", "--out", "again")

    explore(count, SPOILED, check)


@cases("checkpoints")
def test_checkpoints(count: int, explore: Callable[..., None], shell: Shell, begun: Path) -> None:
    def check(spoiled: list[tuple[float, Change]]) -> None:
        folder = shell.new_folder()
        shutil.copytree(begun, folder / "done")
        place = folder / "done" / "checkpoints"
        spoil(place, spoiled)
        outcome = shell(*SAME, writes=["done"])
        if outcome.status == 2:
            assert "remove that folder to begin again" in outcome.err
        else:
            assert json.loads(outcome.out) == sound

    folder = shell.new_folder()
    shutil.copytree(begun, folder / "done")
    sound = json.loads(shell(*SAME).out)
    explore(count, SPOILED, check)
