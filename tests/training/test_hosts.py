"""Several hosts, as processes that find each other on loopback: a grid shared out among them."""

import json
import os
import socket
import subprocess
import sys

import pytest

from modflow import ModflowError
from modflow.training.hosts import ALONE, Hosts, hosts

GRID = ("train", "--train", "60", "--test", "50", "--width", "4", "--steps", "6",
        "--record-every", "3", "--h", "0.1,0.2", "--beta", "0,0.5,0.9", "--at-once", "1",
        "--json")  # fmt: skip


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def on_two_hosts(command, *more):
    """Their exit statuses, and what each has printed to stdout and stderr."""
    port = free_port()
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "modflow", *command, *own, "--hosts", f"127.0.0.1:{port},2,{i}"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "JAX_PLATFORMS": "cpu"},
            text=True,
        )
        for i, own in enumerate(more or ((), ()))
    ]
    outputs = [process.communicate() for process in processes]
    return [process.returncode for process in processes], outputs


def test_a_grid_on_two_hosts(run, tmp_path):
    statuses, outputs = on_two_hosts((*GRID, "--out", str(tmp_path / "shared")))
    assert statuses == [0, 0], outputs
    # The first one tells, the other is silent.
    found = json.loads(outputs[0][0])
    assert outputs[1][0] == ""
    alone = json.loads(run(*GRID, "--out", str(tmp_path / "alone")).out)
    assert found == alone
    assert len(found["runs"]) == 6
    notes = [json.loads(p.read_text()) for p in (tmp_path / "shared" / "runs").glob("*.json")]
    assert len(notes) == 6
    assert {each["host"] for each in notes} == {0, 1}
    assert not (tmp_path / "shared" / "checkpoints").exists()


def test_where_one_fails_the_others_know_why(tmp_path):
    """None waits for ever, and none is aborted."""
    # With --epochs, data are needed to know what to train.
    command = ("train", "--train", "60", "--width", "4", "--out", str(tmp_path / "shared"))
    nowhere = ("--epochs", "2", "--data", "mnist", "--data-dir", str(tmp_path / "nowhere"))
    statuses, outputs = on_two_hosts(command, ("--epochs", "2"), nowhere)
    assert statuses == [2, 2], outputs
    reasons = [err.splitlines()[-1] for _, err in outputs]
    assert reasons[0].startswith("modflow: error: host 1 has failed: no MNIST in ")
    assert reasons[1].startswith("modflow: error: no MNIST in ")


def test_work_is_shared_out():
    work = list(range(7))
    parts = [list(Hosts(i, 3).share(work)) for i in range(3)]
    assert sorted(each for part in parts for each in part) == work
    assert max(map(len, parts)) - min(map(len, parts)) == 1
    assert list(ALONE.share(work)) == work


@pytest.mark.parametrize(
    "where", ["", "10.0.0.1", "10.0.0.1:4000", "h:1,2", "h:1,2,2", "h:1,2,-1", "h:x,2,0", ":1,2,0"]
)
def test_what_is_no_place_to_meet(where):
    with pytest.raises(ModflowError, match="ADDRESS:PORT,COUNT,INDEX"), hosts(where):
        pass


def test_one_way_to_share_work(refused):
    assert "--dask and --hosts exclude each other" in refused(
        "train", "--dask", "tcp://127.0.0.1:9", "--hosts", "auto"
    )
