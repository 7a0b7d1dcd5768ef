"""Grids on a Dask cluster: a scheduler and workers as processes, one of them killed on the way."""

import json
import re
import signal
import subprocess
import sys
import threading

import pytest

from modflow import ModflowError
from modflow.training import grids
from modflow.training.executors import dask_cluster
from modflow.training.experiment import Experiment, grid_of
from modflow.training.grids import train_grid

pytest.importorskip("distributed")

# With one run at once, each is a task.
EXPERIMENT = Experiment(train=50, test=50, width=4, steps=160, record_every=4)
RUNS = grid_of([0.1], [0.0, 0.9], [0, 1])


@pytest.fixture
def server(tmp_path):
    """A scheduler's process and its address; it ends with the test."""
    process = subprocess.Popen(
        [sys.executable, "-m", "distributed.cli.dask_scheduler", "--host", "127.0.0.1",
         "--port", "0", "--no-dashboard"],
        stderr=subprocess.PIPE,
        text=True,
    )  # fmt: skip
    address = None
    for line in process.stderr:
        if found := re.search(r"tcp://127\.0\.0\.1:\d+", line):
            address = found[0]
            break
    drain = threading.Thread(target=process.stderr.read, daemon=True)
    drain.start()
    yield process, address
    process.terminate()
    process.wait()


@pytest.fixture
def scheduler(server):
    """Its address."""
    return server[1]


@pytest.fixture
def workers(scheduler, tmp_path):
    """Two of them, a thread and no nanny each: what is killed stays so."""
    made = [
        subprocess.Popen(
            [sys.executable, "-m", "distributed.cli.dask_worker", scheduler, "--nthreads", "1",
             "--no-nanny", "--no-dashboard", "--local-directory", str(tmp_path / f"worker-{i}")],
            stderr=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
        for i in range(2)
    ]  # fmt: skip
    yield made
    for process in made:
        process.kill()
        process.wait()


def test_a_worker_is_killed_on_the_way(scheduler, workers, tmp_path):
    out, kept = tmp_path / "out", []

    def progress(_what, share):
        kept.append(share)
        shares = list((out / "checkpoints").glob("*.share"))
        # Once both are at work, and nothing is done yet, one of them goes.
        if len(shares) == 2 and workers[0].poll() is None:
            workers[0].send_signal(signal.SIGKILL)
            workers[0].wait()

    with dask_cluster(scheduler) as (executor, _):
        result = train_grid(
            EXPERIMENT,
            RUNS,
            out,
            at_once=1,
            executor=executor,
            progress=progress,
            checkpoint_seconds=0,
        )
    assert workers[0].poll() is not None
    assert workers[1].poll() is None
    assert result.complete
    # Every run is there once, and with the numbers that this process finds.
    assert len(list((out / "runs").glob("*.json"))) == len(RUNS)
    assert [history.run for history in result.histories] == list(RUNS)
    here = train_grid(EXPERIMENT, RUNS, tmp_path / "here", at_once=1)
    for there, alone in zip(result.histories, here.histories, strict=True):
        assert [row["step"] for row in there.rows] == list(range(0, 161, 4))
        assert there.rows == alone.rows
    assert kept[-1] == 1
    notes = json.loads((out / "runs" / f"{RUNS[0].name}.json").read_text())
    assert notes["runs_at_once"] == 1
    assert not (out / "checkpoints").exists()


@pytest.mark.usefixtures("workers")
def test_a_scheduler_that_is_lost(server, run, tmp_path, monkeypatch):
    """One line says so, and there is something to go on from."""
    import distributed

    process, address = server
    with distributed.Client(address, set_as_default=False) as client:
        client.wait_for_workers(2)
    original = grids.Share.read
    monkeypatch.setattr(grids.Share, "read", lambda self: process.kill() or original(self))
    quick = (
        "--train",
        "80",
        "--test",
        "50",
        "--width",
        "4",
        "--steps",
        "400000",
        "--beta",
        "0,0.9",
    )
    status, _, err = run("train", *quick, "--dask", address, "--out", str(tmp_path / "o"))
    assert status == 2
    (line,) = err.splitlines()
    assert line.startswith("modflow: error: the cluster's scheduler is gone; start it anew")
    groups = json.loads((tmp_path / "o" / "config.json").read_text())["groups"]
    assert [len(group) for group in groups] == [1, 1]  # one for each worker


def test_no_scheduler(monkeypatch):
    monkeypatch.setattr("modflow.training.executors._CONNECT_SECONDS", 1)
    with (
        pytest.raises(ModflowError, match="no Dask scheduler answers at 'tcp://127.0.0.1:9'"),
        dask_cluster("tcp://127.0.0.1:9"),
    ):
        pass
    with (
        pytest.raises(ModflowError, match="at 'nobody': missing port number"),
        dask_cluster("nobody"),
    ):
        pass
    with (
        pytest.raises(ModflowError, match="no Dask scheduler answers at 'nonsense://x'"),
        dask_cluster("nonsense://x"),
    ):
        pass


def test_without_distributed(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with (
        pytest.raises(ModflowError, match=r"pip install 'modflow\[cluster\]'"),
        dask_cluster("tcp://127.0.0.1:9"),
    ):
        pass
