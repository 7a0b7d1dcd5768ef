"""Trainings that are cut off, and grids that are gone on with."""

import json
import os
import shutil
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import jax
import jax.numpy as jnp
import pytest

from modflow import ModflowError
from modflow.training import grids
from modflow.training import group as group_module
from modflow.training import store as store_module
from modflow.training.checkpoints import Checkpoints
from modflow.training.compilation import compilation
from modflow.training.executors import processes
from modflow.training.experiment import Experiment, Run, grid_of
from modflow.training.grids import load_grid, train_grid
from modflow.training.hosts import Hosts
from modflow.training.progress import from_first_steps, with_rate
from modflow.training.store import Recorded, Store, parse_run

EXPERIMENT = Experiment(train=100, test=100, width=4, batch=16, steps=60, record_every=6)
RUNS = grid_of([0.1], [0.0, 0.9], [0, 1])


def contents(folder):
    """Every result of a folder, less what tells how and when it was made."""
    found = {}
    for path in sorted((folder / "runs").iterdir()):
        text = path.read_text()
        if path.suffix == ".json":
            text = json.dumps(
                {k: v for k, v in json.loads(text).items() if k in ("rows", "diverged")}
            )
        found[path.name] = text
    return {**found, "runs.csv": (folder / "runs.csv").read_text()}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The folder of a grid that nothing disturbed."""
    folder = tmp_path_factory.mktemp("finished")
    train_grid(EXPERIMENT, RUNS, folder)
    return folder


def cut_after(shares):
    """A progress that ends the training the given times it is called."""
    calls = iter(range(10**6))

    def progress(_what, _share):
        if next(calls) in shares:
            raise KeyboardInterrupt

    return progress


@pytest.mark.parametrize("after", [0, 1, 4, 9])
def test_interrupted_at_any_time_ends_the_same(finished, tmp_path, after):
    with pytest.raises(KeyboardInterrupt):
        train_grid(EXPERIMENT, RUNS, tmp_path, progress=cut_after([after]), at_once=2)
    result = train_grid(EXPERIMENT, RUNS, tmp_path, at_once=2)
    assert result.complete
    whole = tmp_path / "whole"
    train_grid(EXPERIMENT, RUNS, whole, at_once=2)
    assert contents(tmp_path) == contents(whole)
    assert not (tmp_path / "checkpoints").exists()


@pytest.fixture
def interruptible():
    """A process started in the background ignores Ctrl-C."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize(("place", "after"), [("_note", 0), ("_note", 3), ("_row", 1), ("_row", 5)])
def test_ctrl_c_tears_nothing_apart(finished, tmp_path, monkeypatch, place, after):
    """It comes when the arrays of step k + 1 are there and k is not counted, or between rows."""
    real, calls = getattr(group_module.Group, place), iter(range(10**6))

    def struck(self, *arguments):
        if next(calls) == after:
            signal.raise_signal(signal.SIGINT)
        return real(self, *arguments)

    with monkeypatch.context() as patched:
        patched.setattr(group_module.Group, place, struck)
        with pytest.raises(KeyboardInterrupt):
            train_grid(EXPERIMENT, RUNS, tmp_path, at_once=2)
    assert any((tmp_path / "checkpoints").iterdir())
    train_grid(EXPERIMENT, RUNS, tmp_path, at_once=2)
    whole = tmp_path / "whole"
    train_grid(EXPERIMENT, RUNS, whole, at_once=2)
    assert contents(tmp_path) == contents(whole)


def test_checkpoints_within_a_recorded_stretch(finished, tmp_path, monkeypatch):
    """Where a checkpoint lies between two rows, the losses so far are in it."""
    monkeypatch.setattr(group_module, "CHUNK_SECONDS", 0.0)  # one step a chunk
    with pytest.raises(KeyboardInterrupt):
        train_grid(EXPERIMENT, RUNS, tmp_path, progress=cut_after([22]), checkpoint_seconds=0)
    (folder,) = (p for p in (tmp_path / "checkpoints").iterdir() if p.is_dir())
    (step,) = (int(p.name) for p in folder.iterdir() if p.name.isdigit())
    assert step % 6
    assert train_grid(EXPERIMENT, RUNS, tmp_path).complete
    assert contents(tmp_path) == contents(finished)


SCRIPT = """
import sys
from pathlib import Path
from modflow.training import group
group.CHUNK_SECONDS = 0.0
from modflow.training.experiment import Experiment, grid_of
from modflow.training.grids import train_grid
experiment = Experiment(train=100, test=100, width=4, batch=16, steps=60, record_every=6)
train_grid(experiment, grid_of([0.1], [0.0, 0.9], [0, 1]), Path(sys.argv[1]),
           checkpoint_seconds=0, progress=lambda what, share: print(share, flush=True))
"""


def test_killed_and_started_again(finished, tmp_path):
    """Three times, wherever that is; what is there in the end is what nothing disturbed gives."""
    for lines in (3, 12, 7):
        process = subprocess.Popen(
            [sys.executable, "-c", SCRIPT, str(tmp_path)], stdout=subprocess.PIPE, text=True
        )
        for _ in range(lines):
            process.stdout.readline()
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
    kept = [p for p in (tmp_path / "checkpoints").rglob("*") if p.name.isdigit()]
    assert kept
    assert train_grid(EXPERIMENT, RUNS, tmp_path).complete
    assert contents(tmp_path) == contents(finished)


def test_the_rate_is_told(monkeypatch):
    """Steps in a second, from the first ones on; what is there at the start was made before."""
    clock, told = iter([52.0, 54.0, 54.5]), []
    monkeypatch.setattr(grids.time, "monotonic", lambda: next(clock))
    progress = with_rate(lambda what, share: told.append((what, share)), 1000)
    for share in (0.5, 0.5, 0.51, 0.52, 0.97):
        progress("training", share)
    assert told == [
        ("training", 0.5),
        ("training", 0.5),
        ("training", 0.51),
        ("training, 5 steps/s", 0.52),
        ("training, 184 steps/s", 0.97),
    ]


def test_nothing_is_told_before_the_first_steps():
    """A time left that counted compilation would be hours."""
    told = []
    progress = from_first_steps(lambda what, share: told.append((what, share)))
    for share in (0.5, 0.5, 0.51, 0.97, 1.0):
        progress("training", share)
    assert told == [("training", share) for share in (0.51, 0.97, 1.0)]


def test_what_is_done_is_skipped(finished, tmp_path, monkeypatch):
    first = train_grid(EXPERIMENT, RUNS[:2], tmp_path)
    trained = []
    original = group_module.Group._train

    def counted(self, progress):
        trained.extend(run.name for run in self.runs)
        return original(self, progress)

    monkeypatch.setattr(group_module.Group, "_train", counted)
    second = train_grid(EXPERIMENT, RUNS, tmp_path)
    assert trained == [run.name for run in RUNS[2:]]
    assert [history.run for history in second.histories] == list(RUNS)
    assert second.histories[0].rows == first.histories[0].rows
    assert train_grid(EXPERIMENT, RUNS, tmp_path).complete
    assert len(trained) == 2
    assert [history.run for history in load_grid(tmp_path).histories] == list(RUNS)
    # Whatever is asked for last, the table has all that is there.
    assert train_grid(EXPERIMENT, RUNS[3:], tmp_path).complete
    assert contents(tmp_path)["runs.csv"].count("\n") == 1 + len(RUNS)


def test_on_other_executors(finished, tmp_path):
    """Threads and processes: the same numbers."""
    with ThreadPoolExecutor(2) as pool:
        train_grid(EXPERIMENT, RUNS, tmp_path / "threads", executor=pool)
    assert contents(tmp_path / "threads") == contents(finished)
    told = []
    with processes(2) as (pool, _):
        train_grid(
            EXPERIMENT,
            RUNS,
            tmp_path / "processes",
            executor=pool,
            progress=lambda *a: told.append(a),
        )
    assert contents(tmp_path / "processes") == contents(finished)
    assert told[-1][1] == 1
    assert "GLIBC_TUNABLES" not in os.environ


def test_work_for_all_workers(tmp_path):
    """As many runs in one program as leave something for each, if nothing else is asked for."""
    with ThreadPoolExecutor(2) as pool:
        train_grid(EXPERIMENT, RUNS, tmp_path / "two", executor=pool, workers=2)
        train_grid(EXPERIMENT, RUNS, tmp_path / "asked", executor=pool, workers=2, at_once=3)
        # What is added is shared out, too, and not what is there already.
        more = [*RUNS, Run(0.2, 0.0, 0), Run(0.2, 0.0, 1)]
        train_grid(EXPERIMENT, more, tmp_path / "two", executor=pool, workers=2)
    for name, sizes in (("two", [2, 2, 1, 1]), ("asked", [3, 1])):
        groups = json.loads((tmp_path / name / "config.json").read_text())["groups"]
        assert [len(group) for group in groups] == sizes


def test_no_runs(tmp_path):
    assert train_grid(EXPERIMENT, [], tmp_path).histories == []


@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError("lost"), ModflowError("lost")])
def test_other_hosts_are_told_whatever_ends_one(tmp_path, monkeypatch, error):
    told = []

    class First(Hosts):
        def fail(self, reason):
            told.append(reason)

    def ended(*_):
        raise error

    monkeypatch.setattr(grids.Prepared, "load", ended)
    with pytest.raises(type(error)):
        train_grid(EXPERIMENT, RUNS, tmp_path, hosts=First())
    assert told == ["it was interrupted" if isinstance(error, KeyboardInterrupt) else "lost"]


def test_compiling_is_counted_in_its_thread():
    def compiled(n):
        jax.jit(lambda x: jnp.cos(x) + n)(jnp.ones(n))

    with compilation() as one, compilation() as other, ThreadPoolExecutor(1) as pool:
        pool.submit(compiled, 3).result()
        assert one.seconds == other.seconds == 0
        compiled(4)
    assert one.seconds == other.seconds > 0
    before = one.seconds
    compiled(5)
    assert one.seconds == before


def test_a_process_that_dies_is_named(tmp_path):
    with processes(1) as (pool, _):
        # It ends before it takes the first run.
        pool.submit(os._exit, 1)
        with pytest.raises(ModflowError, match="ended by itself"):
            train_grid(EXPERIMENT, RUNS, tmp_path, executor=pool)


def test_a_checkpoint_of_another_training(tmp_path):
    """Of the same shapes: nothing else would tell them apart."""
    with pytest.raises(KeyboardInterrupt):
        train_grid(EXPERIMENT, RUNS, tmp_path, progress=cut_after([3]))
    (tmp_path / "config.json").unlink()
    other = replace(EXPERIMENT, activation="tanh")
    with pytest.raises(ModflowError, match="the checkpoint in .* is of another training"):
        train_grid(other, RUNS, tmp_path)


def test_what_ended_it_is_told(tmp_path, monkeypatch):
    """And not that the summary could not be written either, on a disk that is full."""

    def full(*_):
        raise ModflowError("no space left for a checkpoint")

    def full_too(*_):
        raise ModflowError("no space left for runs.csv")

    monkeypatch.setattr(Checkpoints, "save", full)
    monkeypatch.setattr(Store, "summarize", full_too)
    with pytest.raises(ModflowError, match="for a checkpoint"):
        train_grid(EXPERIMENT, RUNS, tmp_path, checkpoint_seconds=0)


def test_what_a_killed_process_has_left_is_taken_away(finished, tmp_path):
    """It was killed between the results and the end of the checkpoints."""
    shutil.copytree(finished, tmp_path, dirs_exist_ok=True)
    left = tmp_path / "checkpoints" / RUNS[0].name / "60"
    left.mkdir(parents=True)
    assert train_grid(EXPERIMENT, RUNS, tmp_path).complete
    assert not (tmp_path / "checkpoints").exists()


def test_other_threads_than_before(finished, tmp_path, monkeypatch):
    shutil.copytree(finished, tmp_path, dirs_exist_ok=True)
    recorded = Recorded.read(tmp_path / "config.json")
    monkeypatch.setenv("NPROC", str(recorded.threads + 1))
    with pytest.raises(ModflowError, match=f"set NPROC={recorded.threads}"):
        train_grid(EXPERIMENT, [*RUNS, Run(0.3, 0.0, 0)], tmp_path)
    with pytest.raises(ModflowError, match=f"set NPROC={recorded.threads}"):
        train_grid(EXPERIMENT, RUNS, tmp_path / "again", recorded=recorded)


def test_another_experiment_in_the_folder(finished):
    other = Experiment(train=100, test=100, width=5, batch=16, steps=61, record_every=6)
    with pytest.raises(ModflowError, match=r"width = 4, not 5; steps = 60, not 61: give another"):
        train_grid(other, RUNS, finished)


def test_other_images_in_the_folder(tmp_path):
    origin = {"data_sha256": "a"}
    store = Store(tmp_path, EXPERIMENT, origin)
    store.plan(RUNS, 4)
    Store(tmp_path, EXPERIMENT, origin)
    with pytest.raises(ModflowError, match="on other images"):
        Store(tmp_path, EXPERIMENT, {"data_sha256": "b"})


def test_two_at_once_in_one_folder(tmp_path):
    store = Store(tmp_path, EXPERIMENT, {"data_sha256": "a"})
    with (
        store.locked(),
        pytest.raises(ModflowError, match="another process trains into"),
        store.locked(),
    ):
        pass
    with store.locked():
        pass


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"h": 1}'])
def test_damaged_results_are_named(tmp_path, content):
    train_grid(EXPERIMENT, RUNS[:1], tmp_path)
    path = tmp_path / "runs" / f"{RUNS[0].name}.json"
    path.write_text(content)
    with pytest.raises(ModflowError, match="remove it") as error:
        load_grid(tmp_path)
    assert str(path) in str(error.value)


def test_damaged_configuration(tmp_path):
    with pytest.raises(ModflowError, match="holds no training"):
        load_grid(tmp_path)
    (tmp_path / "config.json").write_text('{"experiment": {"widht": 3}}')
    with pytest.raises(ModflowError, match="did you mean 'width'"):
        load_grid(tmp_path)


def test_damaged_checkpoint_is_named(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        train_grid(EXPERIMENT, RUNS, tmp_path, progress=cut_after([4]))
    for path in (tmp_path / "checkpoints").rglob("*"):
        if path.is_file() and path.stat().st_size:
            path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(ModflowError, match="remove that folder to begin again"):
        train_grid(EXPERIMENT, RUNS, tmp_path)


def test_a_full_disk_keeps_the_runs_that_are_written(tmp_path, monkeypatch):
    def full(path, content, real=store_module.write_atomically):
        if "seed=1" in path.name:
            raise ModflowError(f"cannot write {path}: No space left on device")
        real(path, content)

    with monkeypatch.context() as patched:
        patched.setattr(store_module, "write_atomically", full)
        said = "No space left on device; what was written before is kept, and the same command"
        with pytest.raises(ModflowError, match=said):
            train_grid(EXPERIMENT, RUNS, tmp_path, at_once=1)
    assert len(load_grid(tmp_path, RUNS).histories) == 1
    train_grid(EXPERIMENT, RUNS, tmp_path, at_once=1)
    whole = tmp_path / "whole"
    train_grid(EXPERIMENT, RUNS, whole, at_once=1)
    assert contents(tmp_path) == contents(whole)


def test_a_full_disk_keeps_the_last_checkpoint(tmp_path, monkeypatch):
    import jax.numpy as jnp

    checkpoints = Checkpoints(tmp_path / "c")
    checkpoints.save(3, [jnp.arange(4.0)], {"note": 1})

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoints._manager, "save", full)
    with pytest.raises(ModflowError, match=r"No space left on device; the last one is kept, and"):
        checkpoints.save(4, [jnp.arange(4.0)], {"note": 2})
    checkpoints.close()
    again = Checkpoints(tmp_path / "c")
    step, (array,), notes = again.load([jnp.zeros(4)])
    assert (step, notes) == (3, {"note": 1})
    assert array.tolist() == [0, 1, 2, 3]


def test_a_checkpoint_of_another_shape(tmp_path):
    import jax.numpy as jnp

    checkpoints = Checkpoints(tmp_path / "c")
    checkpoints.save(3, [jnp.arange(4.0)], {})
    with pytest.raises(ModflowError, match="is of another training"):
        checkpoints.load([jnp.zeros(5)])
    with pytest.raises(ModflowError, match="is of another training"):
        checkpoints.load([jnp.zeros(4), jnp.zeros(4)])


def test_names_of_runs():
    run = Run(0.1, 0.30000000000000004, 7)
    assert parse_run(run.name) == run
    for name in ("", "h=1", "h=0.1,beta=2,seed=0", "h=a,beta=0,seed=0"):
        with pytest.raises(ModflowError):
            parse_run(name)


def test_folders_that_cannot_be():
    with pytest.raises(ModflowError, match="cannot make"):
        train_grid(EXPERIMENT, RUNS, Path("/dev/null/runs"))
