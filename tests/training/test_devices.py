"""Several devices: the numbers of one, to rounding."""

import json
import os
import subprocess
import sys
from dataclasses import replace

import pytest

from modflow import ModflowError
from modflow.networks.network import Network
from modflow.processors import default_jobs
from modflow.training import devices
from modflow.training.devices import Place, Survey
from modflow.training.experiment import Experiment
from modflow.training.grids import load_grid, train_grid
from modflow.training.prepared import Prepared

SCRIPT = """
import json, sys
import jax
from modflow.training.devices import Place, Survey
from modflow.training.experiment import Experiment, grid_of
from modflow.training.group import Group
from modflow.training.prepared import Prepared

assert len(jax.devices()) == 8
one = grid_of([0.1], [0.9], [0])
many = grid_of([0.1, 0.2], [0.0, 0.5, 0.9], [0, 1])
settings, runs = {
    "full batch": ({"batch": None}, one),
    "mini-batches": ({"batch": 24}, one),
    "uneven": ({"train": 90, "batch": 30}, one),
    "together": ({"batch": 24}, many),
}[sys.argv[1]]
experiment = Experiment(**{"train": 96, "test": 50, "width": 8, "steps": 20,
    "record_every": 5, "sharpness_every": 20, "precision": "float64", **settings})
prepared = Prepared.load(experiment, None, False)
found = []
for count in (1, 8):
    place = Place(tuple(jax.devices()[:count]))
    group = Group(experiment, runs, prepared, place, vectorized=len(runs) > 1)
    shards = set()
    original = group._program.advance
    def seen(state, *rest, shards=shards, original=original):
        leaf = jax.tree.leaves(state)[0]
        shards.add((len(leaf.sharding.device_set), len(rest[2].train.sharding.device_set),
                    rest[2].train.sharding.is_fully_replicated))
        return original(state, *rest)
    group._program = group._program.__class__(**{**vars(group._program), "advance": seen})
    histories = group.train()
    found.append(([h.rows for h in histories], sorted(shards)))
print(json.dumps(found))
"""

# What compiles longer: mini-batches alone, and batches that eight devices cannot share out evenly.
SLOW = ("mini-batches", "uneven")
CASES = ("full batch", "together", *(pytest.param(name, marks=pytest.mark.slow) for name in SLOW))


@pytest.mark.parametrize("name", CASES)
def test_eight_devices_agree_with_one(name):
    # Eight devices on few processors, beside other tests: none of them is stuck, some are late.
    late = "--xla_cpu_collective_call_terminate_timeout_seconds=1000"
    flags = f"{os.environ.get('XLA_FLAGS', '')} {late} --xla_force_host_platform_device_count=8"
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, name],
        env={**os.environ, "XLA_FLAGS": flags},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (one, alone), (eight, shared) = json.loads(done.stdout)
    assert len(one) == len(eight) == (12 if name == "together" else 1)
    for a, b in zip(one, eight, strict=True):
        assert [row["step"] for row in a] == [0, 5, 10, 15, 20]
        for first, second in zip(a, b, strict=True):
            assert first.keys() == second.keys()
            for column in first:
                assert first[column] == pytest.approx(second[column], rel=1e-7, abs=1e-12), column
    # Devices of the weights, devices of the images, and whether all have all images.
    assert shared == [[8, 8, name == "uneven"]]
    assert alone[0][:2] == [1, 1]


class Device:
    """As much of a device as a `Place` looks at."""

    platform, device_kind = "gpu", "H"

    def __init__(self, limit):
        self._limit = limit

    def memory_stats(self):
        return {"bytes_limit": self._limit, "bytes_in_use": 0}


def test_as_many_at_once_as_memory_holds():
    experiment = Experiment(architecture="resnet-18", size=8, width=8, train=200)
    prepared = Prepared.load(experiment, None, False)
    each = prepared.bytes_of_a_run()
    # Activations of 200 images, twice over: 17 convolutions, a normalization and more behind each.
    assert 200 * 8 * 8 * 8 * 4 * 17 < each < 200 * 8 * 8 * 8 * 4 * 17 * 40
    for free, count in ((each * 100, 80), (each, 1), (each * 10**6, 256)):
        assert Survey.of(prepared, Place((Device(free),))).at_once == count
    assert Survey.of(prepared, Place((Device(each * 10),) * 4)).at_once == 32
    # The flow beside it takes memory, too.
    beside = Prepared.load(replace(experiment, flow=2), None, False)
    assert Survey.of(beside, Place((Device(each * 100),))).at_once == 20
    # One by one on a CPU, whatever there is.
    assert Survey.of(prepared, Place.of("cpu")).at_once == 1


def test_small_networks_on_processors_that_are_devices(tmp_path):
    """`modflow train` makes them so; the runs are the same to rounding, and one alone has one."""
    arguments = ("--train", "80", "--test", "50", "--width", "4", "--precision", "float64",
                 "--steps", "6", "--record-every", "2")  # fmt: skip
    grid, out = ("--beta", "0,0.5,0.9"), tmp_path / "split"
    subprocess.run(
        [sys.executable, "-m", "modflow", "train", *arguments, *grid, "--out", str(out)],
        env={**os.environ, "NPROC": "2", "JAX_PLATFORMS": "cpu"},
        check=True,
        capture_output=True,
    )
    config = json.loads((out / "config.json").read_text())
    assert (config["device"], config["threads"]) == ("cpu (2)", 2)
    there = load_grid(out)
    here = train_grid(there.experiment, there.runs, tmp_path / "one")
    for a, b in zip(there.histories, here.histories, strict=True):
        assert a.run == b.run
        for first, second in zip(a.rows, b.rows, strict=True):
            assert first == pytest.approx(second, rel=1e-9, abs=1e-14)


def test_what_a_split_place_decides(monkeypatch):
    network = Network("mlp", (8, 8, 1), width=64)
    two = Place(Place.of("cpu").devices * 2)
    assert not two.vectorizes(network, 1000)
    assert two.of_runs(1) is two
    monkeypatch.setattr(Place, "free_memory", lambda _: 1000)
    assert two.how_many(100) == 16
    monkeypatch.setattr(devices, "_split", True)
    assert two.vectorizes(network, 1000)
    assert not two.vectorizes(network, 10_000)
    assert len(two.of_runs(1).devices) == 1
    assert two.of_runs(2) is two
    assert two.how_many(100) == 8  # all of them have one memory


def test_strategies():
    gpu, cpu = Place((Device(1),)), Place.of("cpu")
    assert (gpu.convolutions, cpu.convolutions) == ("native", "products")
    small, wide = (Network("mlp", (8, 8, 1), width=width) for width in (32, 256))
    residual = Network("resnet-18", (8, 8, 1), width=1)
    for network, batch, on_cpu in (
        (small, 64, True),
        (small, 1000, True),
        (small, 2000, False),
        (wide, 32, True),
        (wide, 64, False),
        (residual, 1, False),
    ):
        assert gpu.vectorizes(network, batch)
        assert cpu.vectorizes(network, batch) == on_cpu
    assert cpu.processes("resnet-18") == default_jobs()
    assert cpu.processes("mlp") == gpu.processes("resnet-18") == 1
    with pytest.raises(ModflowError, match="there is no gpu here"):
        Place.of("gpu")
