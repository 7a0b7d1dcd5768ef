"""`modflow train`: what it prints, writes and refuses."""

import csv
import json
import math
import sys
import warnings
from pathlib import Path

import pytest

from modflow import ModflowError
from modflow.processors import threads_each
from modflow.training import group as group_module

QUICK = ("--train", "80", "--test", "50", "--width", "4", "--steps", "6", "--record-every", "2")
MNIST = Path(__file__).parents[3] / "shared" / "data" / "mnist"


def test_what_comes_out(run, tmp_path):
    out, plot = tmp_path / "runs", tmp_path / "curves.pdf"
    arguments = (*QUICK, "--out", str(out), "--beta", "0,0.9", "--seeds", "2", "--plot", str(plot))
    status, shown, err = run("train", *arguments, "--sharpness-every", "4")
    assert (status, err) == (0, "")
    assert "mlp on 80 images of digits, full batch, 6 steps" in shown
    rows = [line.split() for line in shown.splitlines() if line.strip().startswith("0.1")]
    assert [row[:4] for row in rows] == [["0.1", "0", "0.1", "2"], ["0.1", "0.9", "1", "2"]]
    assert plot.read_bytes().startswith(b"%PDF")
    with (out / "runs.csv").open() as file:
        table = list(csv.DictReader(file))
    assert [(row["beta"], row["seed"]) for row in table] == [
        ("0.0", "0"),
        ("0.0", "1"),
        ("0.9", "0"),
        ("0.9", "1"),
    ]
    with (out / "runs" / "h=0.1,beta=0.9,seed=1.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["step"] for row in rows] == ["0", "2", "4", "6"]
    assert [bool(row["sharpness"]) for row in rows] == [True, False, True, False]
    exact = json.loads((out / "runs" / "h=0.1,beta=0.9,seed=1.json").read_text())
    assert [float(row["train_loss"]) for row in rows] == [r["train_loss"] for r in exact["rows"]]
    config = json.loads((out / "config.json").read_text())
    assert config["experiment"]["width"] == 4
    assert len(config["data_sha256"]) == 64
    # Again: all of it is there.
    assert run("train", *arguments, "--sharpness-every", "4").out == shown


def test_json(run, tmp_path):
    status, shown, _ = run("train", *QUICK, "--out", str(tmp_path / "o"), "--h", "2^-3", "--json")
    found = json.loads(shown)
    assert status == 0
    assert found["complete"] is True
    (line,) = found["runs"]
    assert line["h"] == 0.125
    assert line["diverged"] is None
    assert 0 <= line["final_test_accuracy"] <= 1


def test_the_same_effective_rate(run, tmp_path):
    """h = 0.1 (1 - β), exactly the rows of the paper's Table 1."""
    status, shown, _ = run(
        *("train", *QUICK, "--out", str(tmp_path / "o"), "--json"),
        *("--effective", "0.1", "--beta", "0,0.3,0.5,0.8"),
    )
    assert status == 0
    found = [(line["beta"], line["h"]) for line in json.loads(shown)["runs"]]
    assert found == [(0.0, 0.1), (0.3, 0.07), (0.5, 0.05), (0.8, 0.02)]


def test_float64_is_not_cut_down(run, tmp_path):
    """Whatever is asked for first: JAX would warn, and go on in float32."""
    for precision in ("float32", "float64"):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            out = ("--out", str(tmp_path / precision), "--precision", precision)
            assert run("train", *QUICK, *out, "--activation", "gelu").status == 0
    losses = [
        json.loads((tmp_path / p / "runs" / "h=0.1,beta=0.0,seed=0.json").read_text())["rows"][-1]
        for p in ("float32", "float64")
    ]
    assert losses[0]["train_loss"] != losses[1]["train_loss"]
    assert losses[0]["train_loss"] == pytest.approx(losses[1]["train_loss"], rel=1e-4)


def test_epochs(run, tmp_path):
    out = tmp_path / "o"
    status, *_ = run(
        *("train", "--train", "80", "--test", "20", "--width", "3", "--out", str(out)),
        *("--batch", "32", "--epochs", "3"),
    )
    config = json.loads((out / "config.json").read_text())["experiment"]
    assert status == 0
    # Two whole batches an epoch.
    assert (config["steps"], config["record_every"]) == (6, 2)


def test_divergence(run, tmp_path):
    status, shown, _ = run(
        *("train", *QUICK, "--out", str(tmp_path / "o"), "--no-batch-norm", "--h", "1e30,0.01")
    )
    lines = shown.splitlines()
    assert status == 1
    assert any(line.split()[0] == "1e+30" and line.split()[-1].isdigit() for line in lines[4:])
    assert any(line.split()[0] == "0.01" and line.split()[-1] == "—" for line in lines[4:])
    lost, kept = csv.DictReader((tmp_path / "o" / "runs.csv").open())
    ends = [name for name in lost if "loss" in name or "accuracy" in name]
    assert len(ends) == 5
    assert [lost[name] for name in ends] == ["nan"] * 5
    assert all(math.isfinite(float(kept[name])) for name in ends)


def test_the_last_records_are_none_before_the_first_step(run, tmp_path):
    shown = run("train", *QUICK, "--steps", "4", "--record-every", "2", "--out", str(tmp_path)).out
    assert shown.splitlines()[-1] == "test %: of the last 2 records"
    (found,) = csv.DictReader((tmp_path / "runs.csv").open())
    (path,) = (tmp_path / "runs").glob("*.csv")
    rows = [float(row["test_accuracy"]) for row in csv.DictReader(path.open())]
    assert len(rows) == 3
    assert float(found["mean_test_accuracy_of_last_5"]) == pytest.approx(sum(rows[1:]) / 2)


def test_ctrl_c(run, tmp_path, monkeypatch):
    out = str(tmp_path / "o")
    original = group_module.Group._measured

    def pressed(self, k, *rest):
        if k == 4:
            raise KeyboardInterrupt
        return original(self, k, *rest)

    arguments = ("train", *QUICK, "--out", out)
    with monkeypatch.context() as patched:
        patched.setattr(group_module.Group, "_measured", pressed)
        status, shown, err = run(*arguments)
    assert (status, shown) == (3, "")
    assert err == (
        f"modflow: interrupted: 0 of 1 runs are done; the same command goes on from there ({out})\n"
    )
    status, shown, err = run(*arguments)
    assert (status, err) == (0, "")
    assert run("train", *QUICK, "--out", str(tmp_path / "other")).out == shown


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--network", "resnet18"), "did you mean 'resnet-18'"),
        (("--data", "minst"), "did you mean 'mnist'"),
        (("--activation", "swish"), "unknown activation"),
        (("--beta", "1"), "0 <= beta < 1"),
        (("--beta", "-0.1"), "0 <= beta < 1"),
        (("--h", "0"), "positive"),
        (("--h", "x"), "not a number"),
        (("--seeds", "0"), "--seeds is how many"),
        (("--seeds", "1,x"), "--seeds"),
        (("--steps", "0"), "steps is a whole number from 1"),
        (("--steps", "3", "--epochs", "2"), "exclude each other"),
        (("--h", "0.1", "--effective", "0.1"), "--h and --effective exclude each other"),
        (("--record-every", "0"), "record_every"),
        (("--epochs", "0"), "at least one epoch"),
        (("--batch", "some"), "--batch"),
        (("--batch", "2000"), "the batch size"),
        (("--train", "5000"), "1796"),
        (("--train", "all"), "in one pool"),
        (("--record-every", "3", "--sharpness-every", "5"), "multiple"),
        (("--precision", "float16"), "unknown precision"),
        (("--decay", "fast"), "unknown decay"),
        (("--size", "9"), "from 1 to 8"),
        (("--jobs", "0"), "at least one process"),
        (("--at-once", "0"), "at least one run"),
        (("--device", "tpu"), "there is no tpu here, only: cpu; pip install modflow[tpu]"),
        (("--device", "abacus"), "there is no abacus here"),
        (("--jobs", "2", "--dask", "tcp://127.0.0.1:9"), "exclude each other"),
        (("--plot", "x.txt"), "its ending must be"),
        (("--out", "/dev/null/x"), "cannot make"),
        (("--data", "mnist", "--data-dir", "/nowhere"), "/nowhere"),
    ],
)
def test_refused(refused, tmp_path, arguments, message):
    given = ("train", "--out", str(tmp_path / "o")) if "--out" not in arguments else ("train",)
    assert message in refused(*given, *arguments)


def test_another_experiment_in_the_folder(run, refused, tmp_path):
    arguments = ("train", *QUICK, "--out", str(tmp_path / "o"))
    assert run(*arguments).status == 0
    assert "initialization = torch, not lecun" in refused(*arguments, "--initialization", "lecun")


def test_libraries_that_are_missing(refused, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "flax", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "flax" else 1)
    assert "training needs flax: pip install 'modflow[networks]'" in refused("train")


@pytest.mark.skipif(not MNIST.is_dir(), reason="the MNIST test digits are not there")
def test_real_mnist(run, tmp_path):
    status, shown, _ = run(
        *("train", "--data", "mnist", "--data-dir", str(MNIST), "--out", str(tmp_path / "o")),
        *("--size", "14", "--width", "32", "--test", "1000", "--steps", "60", "--json"),
        *("--h", "0.2", "--beta", "0.9"),
    )
    assert status == 0
    assert json.loads(shown)["runs"][0]["final_test_accuracy"] > 0.85


RESIDUAL = ("--network", "resnet-6", "--width", "1", "--batch", "20")


@pytest.mark.parametrize(
    "network", [("--at-once", "2"), pytest.param(RESIDUAL, marks=pytest.mark.slow)]
)
def test_a_configuration_is_done_again_bit_by_bit(run, tmp_path, network):
    first, second = tmp_path / "first", tmp_path / "second"
    quick = (*QUICK, *network, "--beta", "0,0.5,0.9", "--jobs", "1")
    assert run("train", *quick, "--out", str(first)).status == 0
    again = ("train", "--config", str(first / "config.json"), "--jobs", "1", "--out", str(second))
    assert run(*again).status == 0
    for table in first.glob("runs/*.csv"):
        assert (second / "runs" / table.name).read_bytes() == table.read_bytes()
    # The same groups: company decides how sums are rounded.
    groups = [json.loads((p / "config.json").read_text())["groups"] for p in (first, second)]
    assert groups[0] == groups[1]
    assert [len(group) for group in groups[0]] == ([2, 1] if network[0] == "--at-once" else [1] * 3)


def test_a_configuration_says_everything(refused, run, tmp_path):
    run("train", *QUICK, "--out", str(tmp_path / "a"))
    config = tmp_path / "a" / "config.json"
    assert "--h is said by --config" in refused("train", "--config", str(config), "--h", "0.2")
    found = json.loads(config.read_text())
    config.write_text(json.dumps({**found, "data_sha256": "0" * 64}))
    arguments = ("train", "--config", str(config), "--out", str(tmp_path / "b"))
    assert "saw other images than those of --data-dir" in refused(*arguments)
    config.write_text(json.dumps({**found, "stepping": "jump"}))
    assert "unknown way of making steps 'jump'" in refused(*arguments)
    config.write_text(json.dumps({**found, "groups": []}))
    assert "there are no runs in" in refused(*arguments)
    config.write_text("{")
    assert "is damaged" in refused(*arguments)
    config.unlink()
    assert "cannot read" in refused(*arguments)


def test_steps_from_the_host(run, refused, tmp_path):
    small = (*RESIDUAL, "--jobs", "1")
    out = ("--out", str(tmp_path / "a"))
    assert run("train", *QUICK, *small, *out, "--stepping", "host").status == 0
    assert json.loads((tmp_path / "a" / "config.json").read_text())["stepping"] == "host"
    # What the folder has been made with is kept to.
    assert run("train", *QUICK, *small, *out, "--beta", "0,0.5").status == 0
    assert json.loads((tmp_path / "a" / "config.json").read_text())["stepping"] == "host"
    said = refused("train", *QUICK, *small, *out, "--beta", "0.9", "--stepping", "loop")
    assert "holds runs made with --stepping host" in said
    # Also where nothing is left to do.
    for folder in ("a", "b"):
        assert "unknown way of making steps" in refused(
            "train", *QUICK, *small, "--out", str(tmp_path / folder), "--stepping", "jump"
        )


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (("--flow", "4"), "flows of order 1 to 3"),
        (("--flow", "2", "--batch", "10"), "the flow of the full batch"),
        (("--flow", "2", "--decay", "linear"), "constant step size"),
        (("--flow", "2", "--precision", "bfloat16"), "rounding alone"),
    ],
)
def test_flows_that_cannot_be(refused, wrong, message):
    assert message in refused("train", *QUICK, *wrong)


def test_a_flow_beside(run, tmp_path):
    out = tmp_path / "o"
    settings = ("--activation", "tanh", "--precision", "float64", "--flow", "2", "--beta", "0.5")
    plot = ("--plot", str(tmp_path / "curves.svg"))
    status, shown, err = run("train", *QUICK, *settings, *plot, "--seeds", "2", "--out", str(out))
    assert (status, err) == (0, "")
    found = []
    for table in sorted(out.glob("runs/*.csv")):
        rows = list(csv.DictReader(table.open()))
        assert float(rows[0]["flow_distance"]) == 0
        assert 0 < float(rows[-1]["flow_distance"]) < float(rows[-1]["flow_length"])
        found.append({name: float(value) for name, value in rows[-1].items() if value})
    for line, row in zip(csv.DictReader((out / "runs.csv").open()), found, strict=True):
        for name in ("flow_distance", "flow_length", "flow_error"):
            assert float(line[f"final_{name}"]) == row[name]
    # What is shown are means over seeds; the ratio is that of each run, the integrator's part the
    # largest.
    assert "beside the flow of order 2, at the end" in shown
    cells = shown.splitlines()[-1].replace(" ± ", " ").split()
    distances, ways = ([row[name] for row in found] for name in ("flow_distance", "flow_length"))
    ratios = [d / w for d, w in zip(distances, ways, strict=True)]
    assert cells[:2] == ["0.1", "0.5"]
    assert cells[2:8:2] == [f"{sum(values) / 2:.3g}" for values in (distances, ways, ratios)]
    assert cells[8] == f"{max(row['flow_error'] / row['flow_distance'] for row in found):.1g}"
    assert "from the flow, and from" in (tmp_path / "curves.svg").read_text()


def test_too_little_memory_says_what_may_fit(run, refused, tmp_path, monkeypatch):
    import jax

    def full(*_):
        raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 9 bytes")

    monkeypatch.setattr(group_module.Group, "_begin", full)
    out = ("--out", str(tmp_path / "o"))
    said = refused("train", *QUICK, *out, "--beta", "0,0.3,0.5,0.9", "--at-once", "4")
    assert "out of memory with 4 runs in one program; 2 may fit: --at-once 2" in said
    said = refused("train", *QUICK, "--out", str(tmp_path / "p"))
    assert "take a smaller --batch, --width or --size" in said


def test_a_dead_network_stops_no_other(run, tmp_path):
    """After a step of 1e6 nothing in it is active: its Hessian is 0."""
    wild = ("--no-batch-norm", "--h", "1e6,0.1", "--record-every", "1", "--eigenvalues", "2")
    out, plot = tmp_path / "o", ("--plot", str(tmp_path / "curves.png"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        status, _, err = run(
            *("train", *QUICK, *wild, *plot, "--sharpness-every", "1", "--out", str(out))
        )
    assert (status, err) == (0, "")
    dead, alive = csv.DictReader((out / "runs.csv").open())
    assert [float(dead[name]) for name in ("last_sharpness", "last_sharpness_2")] == [0, 0]
    assert float(alive["last_sharpness"]) > float(alive["last_sharpness_2"]) > 0


def test_eigenvalues_that_are_not_found_stop_nothing(run, tmp_path, monkeypatch):
    def lost(*_):
        raise ModflowError("Lanczos' method found no eigenvalues")

    monkeypatch.setattr(group_module, "lanczos", lost)
    arguments = ("train", *QUICK, "--sharpness-every", "2", "--out", str(tmp_path / "o"), "--json")
    status, shown, _ = run(*arguments, "--plot", str(tmp_path / "curves.png"))
    assert status == 0
    (line,) = json.loads(shown)["runs"]
    assert line["last_sharpness"] is None
    assert line["final_train_loss"] > 0


def test_a_flow_that_leaves_for_infinity(run, tmp_path):
    """Far from where it is of use, the flow of order 3 is infinite and the training is not."""
    network = ("--width", "16", "--no-batch-norm", "--activation", "gelu", "--steps", "40")
    settings = (*network, "--flow", "3", "--beta", "0.9", "--h", "0.2")
    out, plot = tmp_path / "o", ("--plot", str(tmp_path / "curves.png"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        status, shown, _ = run("train", *QUICK, *settings, *plot, "--out", str(out))
    assert status == 0
    (path,) = out.glob("runs/*.json")
    rows = json.loads(path.read_text(), parse_constant=pytest.fail)["rows"]
    with_flow = [row["step"] for row in rows if "flow_distance" in row]
    assert len(with_flow) < len(rows) == 21
    *cells, gone = shown.splitlines()[-1].split()
    assert cells == ["0.2", "0.9", "—", "—", "—", "—"]
    assert float(gone) == with_flow[-1] + 2
    (line,) = csv.DictReader((out / "runs.csv").open())
    assert line["final_flow_distance"] == "nan"


def test_as_many_threads_as_before(run, tmp_path):
    """Sums are split among threads: another number of them rounds differently."""

    def bits(name):
        return {p.name: p.read_bytes() for p in sorted((tmp_path / name / "runs").glob("*.csv"))}

    settings = ("--network", "resnet-6", "--width", "8", "--train", "300", "--steps", "4")
    first = ("train", *QUICK, *settings, "--seeds", "2", "--out", str(tmp_path / "two"))
    assert run(*first, "--jobs", "2").status == 0
    config = tmp_path / "two" / "config.json"
    threads = json.loads(config.read_text())["threads"]
    assert threads == threads_each(2)
    for jobs in ((), ("--jobs", "1")):
        again = f"again{len(jobs)}"
        arguments = ("--config", str(config), *jobs, "--out", str(tmp_path / again))
        assert run("train", *arguments).status == 0
        assert bits(again) == bits("two")


def test_results_of_another_experiment_are_not_taken(run, refused, tmp_path):
    """Such as where a damaged config.json was removed, and other settings given."""
    out = ("--out", str(tmp_path))
    assert run("train", *QUICK, *out).status == 0
    (tmp_path / "config.json").unlink()
    assert "is of another experiment" in refused("train", *QUICK, "--steps", "8", *out)
    # And nothing was written: those that they are of take them.
    assert run("train", *QUICK, *out).status == 0
    assert json.loads((tmp_path / "config.json").read_text())["experiment"]["steps"] == 6


def test_too_many_at_once_are_divided(run, tmp_path, monkeypatch):
    """As the message about too little memory says: with a smaller --at-once."""
    import jax

    original = group_module.Group._begin

    def full(self, *arguments):
        if len(self.runs) > 2:
            raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating")
        return original(self, *arguments)

    monkeypatch.setattr(group_module.Group, "_begin", full)
    grid = ("train", *QUICK, "--beta", "0,0.3,0.5,0.9", "--out", str(tmp_path))
    status, _, err = run(*grid)
    assert status == 2
    assert "--at-once 2" in err
    assert run(*grid, "--at-once", "2").status == 0
    groups = json.loads((tmp_path / "config.json").read_text())["groups"]
    assert [len(group) for group in groups] == [2, 2]


def test_steps_from_the_host_are_of_one_run_at_a_time(run, refused, tmp_path):
    resnet = ("--network", "resnet-6", "--width", "1", "--beta", "0,0.9", "--out", str(tmp_path))
    host = ("train", *QUICK, *resnet, "--stepping", "host")
    assert "for one run at a time, not for --at-once 2" in refused(*host, "--at-once", "2")
    assert run(*host).status == 0
    found = json.loads((tmp_path / "config.json").read_text())
    assert (found["stepping"], [len(g) for g in found["groups"]]) == ("host", [1, 1])
    more = ("--beta", "0,0.3,0.5", "--at-once", "2")
    assert "for one run at a time" in refused("train", *QUICK, *resnet, *more)


def test_ctrl_c_before_anything_is_planned(run, tmp_path, monkeypatch):
    from modflow.training.prepared import Prepared

    def pressed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(Prepared, "load", pressed)
    status, shown, err = run("train", *QUICK, "--out", str(tmp_path / "o"))
    assert (status, shown) == (3, "")
    assert "interrupted: 0 of 1 runs are done" in err


def test_time_is_told_apart(run, tmp_path):
    assert run("train", *QUICK, "--width", "5", "--out", str(tmp_path)).status == 0
    (path,) = tmp_path.glob("runs/*.json")
    found = json.loads(path.read_text())
    assert 0 < found["compile_seconds"] < found["seconds"]
