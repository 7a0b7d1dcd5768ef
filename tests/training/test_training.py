"""Trainings against loops written out, the toolkit's own heavy ball, and dense Hessians."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

from modflow.flows import coefficient_table
from modflow.integrate import SideBySide, iterates
from modflow.methods import HeavyBall
from modflow.modified import modified_equation
from modflow.networks.data import batch_order
from modflow.problems import Problem
from modflow.training.devices import Place
from modflow.training.experiment import Experiment, Run, grid_of
from modflow.training.group import Group
from modflow.training.history import COLUMNS
from modflow.training.prepared import Prepared

SMALL = {
    "train": 60,
    "test": 100,
    "width": 4,
    "steps": 7,
    "record_every": 3,
    "activation": "tanh",
    "precision": "float64",
}


def trained(runs, **settings):
    """The histories, and the data that they are from."""
    experiment = Experiment(**{**SMALL, **settings})
    prepared = Prepared.load(experiment, None, False)
    place = Place.of("cpu")
    group = Group(experiment, runs, prepared, place, vectorized=len(runs) > 1)
    return group.train(), prepared


def loss_of(prepared, seed):
    """E of some images as a function of the parameters, written out: cross-entropy, and images
    scaled by the mean and deviation of the training images."""
    network = prepared.network("native")
    _, statistics = network.initial(seed)
    chosen = prepared.split(seed)
    images, labels = (jnp.asarray(a) for a in prepared.pool)
    seen = images[chosen.train].astype(float)
    mean, deviation = seen.mean((0, 1, 2)), seen.std((0, 1, 2))

    def loss(parameters, data):
        indices = data
        x = (images[indices].astype(float) - mean) / deviation
        scores, _ = network.scores(parameters, statistics, x)
        right = scores[jnp.arange(len(indices)), labels[indices]]
        return jnp.mean(jnp.log(jnp.sum(jnp.exp(scores), axis=1)) - right)

    return loss, network.initial(seed)[0], jnp.asarray(chosen.train)


@pytest.mark.parametrize(("architecture", "beta"), [("mlp", 0.0), ("mlp", 0.7), ("resnet-6", 0.7)])
def test_full_batch_is_the_heavy_ball(architecture, beta):
    """x^k as `HeavyBall` has it, the same definition that the flows are derived from."""
    settings = {"architecture": architecture, "width": 4 if architecture == "mlp" else 1}
    (history,), prepared = trained([Run(0.2, beta, 1)], **settings)
    with jax.enable_x64(True):
        loss, start, train = loss_of(prepared, 1)
        E = jax.jit(lambda p: loss(p, train))
        path = jax.jit(lambda p: iterates(HeavyBall(beta), E, p, 0.2, 7))(start)
        assert [row["step"] for row in history.rows] == [0, 3, 6, 7]
        for row in history.rows:
            k = row["step"]
            x, before = (jax.tree.map(lambda a, i=i: a[i], path) for i in (k, max(0, k - 1)))
            value, gradient = jax.value_and_grad(E)(x)
            squared = float(jnp.sum(ravel_pytree(gradient)[0] ** 2))
            moved = ravel_pytree(x)[0] - ravel_pytree(before)[0]
            assert row["train_loss"] == pytest.approx(float(value), rel=1e-9)
            assert row["gradient_squared"] == pytest.approx(squared, rel=1e-8)
            assert row["velocity"] == pytest.approx(float(jnp.linalg.norm(moved)) / 0.2, rel=1e-8)
            drift = sum(beta**j for j in range(k + 1)) * math.sqrt(squared)
            assert row["drift"] == pytest.approx(drift, rel=1e-8)
            strength = 0.2 * (1 + beta) / (4 * (1 - beta) ** 2)
            assert row["regularizer"] == pytest.approx(strength * squared, rel=1e-8)
            assert row["threshold"] == pytest.approx(2 * (1 + beta) / 0.2)


def test_mini_batches_and_decay_by_hand():
    """v ← βv + ∇E_j, x ← x - h_k v, in the order of the seed; E is the mean over fixed batches."""
    run, steps, batch = Run(0.3, 0.5, 2), 7, 25
    (history,), prepared = trained([run], batch=batch, decay="linear", batch_norm=False)
    with jax.enable_x64(True):
        loss, x, train = loss_of(prepared, 2)
        order = batch_order(60, batch, 2, 0, steps)
        fixed = [train[:25], train[25:50]]
        E = jax.jit(lambda p: sum(loss(p, part) for part in fixed) / 2)
        gradient = jax.jit(jax.grad(loss))
        v, seen, at = jax.tree.map(jnp.zeros_like, x), [], {0: x}
        for k in range(steps):
            images = train[order[k]]
            seen.append(float(loss(x, images)))
            v = jax.tree.map(lambda a, b: 0.5 * a + b, v, gradient(x, images))
            x = jax.tree.map(lambda a, b, k=k: a - 0.3 * (1 - k / steps) * b, x, v)
            at[k + 1] = x
        for row in history.rows:
            assert row["train_loss"] == pytest.approx(float(E(at[row["step"]])), rel=1e-9)
        assert history.rows[1]["batch_loss"] == pytest.approx(np.mean(seen[:3]), rel=1e-9)
        assert history.rows[2]["batch_loss"] == pytest.approx(np.mean(seen[3:6]), rel=1e-9)
        assert history.rows[1]["rate"] == pytest.approx(0.3 * (1 - 3 / 7))
        assert history.rows[1]["epoch"] == pytest.approx(3 * 25 / 60)


def test_accuracies_and_test_loss_by_hand():
    """Without normalization a network sees test images as it sees training images."""
    (history,), prepared = trained([Run(0.5, 0.0, 0)], batch_norm=False, test=77)
    with jax.enable_x64(True):
        loss, start, train = loss_of(prepared, 0)
        E = jax.jit(lambda p: loss(p, train))
        path = iterates(HeavyBall(0), E, start, 0.5, 7)
        end = jax.tree.map(lambda a: a[-1], path)
        rest = jnp.asarray(prepared.split(0).test)
        assert len(rest) == 77
        assert not set(np.asarray(rest)) & set(np.asarray(train))
        assert history.final["test_loss"] == pytest.approx(float(loss(end, rest)), rel=1e-9)
        # An image is a hit where its own loss would not fall for any other label.
        images, labels = (jnp.asarray(a) for a in prepared.pool)
        seen = images[train].astype(float)
        for indices, column in ((train, "train_accuracy"), (rest, "test_accuracy")):
            x = (images[indices] - seen.mean()) / seen.std()
            scores, _ = prepared.network("native").scores(end, {}, x)
            hits = np.asarray(scores).argmax(axis=1) == np.asarray(labels[indices])
            assert history.final[column] == pytest.approx(hits.mean(), rel=1e-15)


def test_sharpness_is_that_of_the_dense_hessian():
    settings = {"sharpness_every": 3, "eigenvalues": 3, "size": 4, "width": 3, "depth": 1}
    (history,), prepared = trained([Run(0.2, 0.5, 0)], **settings)
    with jax.enable_x64(True):
        loss, start, train = loss_of(prepared, 0)
        E = jax.jit(lambda p: loss(p, train))
        path = iterates(HeavyBall(0.5), E, start, 0.2, 7)
        for row in history.rows:
            if row["step"] % 3:
                assert "sharpness" not in row
                continue
            x = jax.tree.map(lambda a, k=row["step"]: a[k], path)
            flat, unflatten = ravel_pytree(x)
            matrix = jax.jit(jax.hessian(lambda v, back=unflatten: E(back(v))))(flat)
            expected = np.linalg.eigvalsh(matrix)[::-1][:3]
            found = [row[name] for name in ("sharpness", "sharpness_2", "sharpness_3")]
            np.testing.assert_allclose(found, expected, rtol=2e-3)


def test_together_and_alone_agree():
    runs = grid_of([0.1, 0.3], [0.0, 0.9], [0, 1])
    together, _ = trained(runs)
    for history in together:
        (alone,), _ = trained([history.run])
        for a, b in zip(history.rows, alone.rows, strict=True):
            for name in a:
                assert a[name] == pytest.approx(b[name], rel=1e-9), name


@pytest.mark.parametrize("wrong", ["momentum", "step", "batch"])
def test_a_slightly_wrong_rule_is_seen(wrong):
    """What the comparisons above would say of a wrong momentum, rate, or batch."""
    (history,), prepared = trained([Run(0.2, 0.7, 1)])
    with jax.enable_x64(True):
        loss, start, train = loss_of(prepared, 1)
        images = train[:-1] if wrong == "batch" else train
        E = jax.jit(lambda p: loss(p, images))
        h, beta = (
            0.2 * (1.001 if wrong == "step" else 1),
            0.7 * (0.99 if wrong == "momentum" else 1),
        )
        path = iterates(HeavyBall(beta), E, start, h, 7)
        end = jax.tree.map(lambda a: a[-1], path)
        assert history.final["train_loss"] != pytest.approx(float(E(end)), rel=1e-6)


def test_divergence_is_marked_and_the_others_go_on():
    """Without normalization a large step size sends the loss to infinity."""
    settings = {"batch_norm": False, "activation": "relu", "precision": "float32", "steps": 60}
    (good, bad), prepared = trained([Run(0.05, 0.0, 0), Run(1e30, 0.0, 0)], **settings)
    assert good.diverged is None
    assert good.final["step"] == 60
    assert bad.diverged is not None
    assert [row["step"] for row in bad.rows] == list(range(0, bad.diverged, 3))
    (alone,), _ = trained([Run(1e30, 0.0, 0)], **settings)
    assert alone.diverged == bad.diverged
    # x^1 is E's start less 1e30 times its gradient: from there on no loss is finite, or its
    # gradient is none.
    loss, x, train = loss_of(prepared, 0)
    values = []
    for _ in range(bad.diverged + 1):
        values.append(float(loss(x, train)))
        x = jax.tree.map(lambda a, g: a - 1e30 * g, x, jax.grad(loss)(x, train))
    assert [math.isfinite(v) for v in values] == [True] * bad.diverged + [False]


def test_chunks_change_no_bit(monkeypatch):
    """Whatever the clock says, the rows are the same."""
    settings = {"batch": 16, "steps": 24, "record_every": 8, "precision": "float32"}
    (one,), _ = trained([Run(0.1, 0.9, 0)], **settings)
    monkeypatch.setattr("modflow.training.group.CHUNK_SECONDS", 0.0)
    (other,), _ = trained([Run(0.1, 0.9, 0)], **settings)
    assert one.rows == other.rows


def test_bfloat16_trains():
    (history,), _ = trained([Run(0.1, 0.9, 0)], precision="bfloat16", steps=30, width=32)
    assert history.final["train_loss"] < 0.5 * history.rows[0]["train_loss"]


def test_columns_are_described():
    (history,), _ = trained([Run(0.1, 0.0, 0)], sharpness_every=3)
    assert {name for row in history.rows for name in row} <= set(COLUMNS)


SLOW = pytest.mark.slow


@pytest.mark.parametrize("order", [pytest.param(1, marks=SLOW), pytest.param(2, marks=SLOW), 3])
def test_the_flow_beside_a_training_is_that_of_the_sweeps(order):
    """x̃(t_k) by `SideBySide`, in another loop; and momenta in one program have their own tables."""
    runs = [Run(0.05, beta, 1) for beta in (0.0, 0.6)]
    histories, prepared = trained(runs, flow=order)
    with jax.enable_x64(True):
        loss, start, train = loss_of(prepared, 1)
        problem = Problem(lambda p: loss(p, train), start)
        for history in histories:
            method = HeavyBall(history.run.beta)
            table = coefficient_table(modified_equation(method, order), 7)
            pair = SideBySide(method, problem, table, "tsit5" if order <= 2 else "dopri8")
            for row in history.rows[1:]:
                found = pair.run(0.05, row["step"])
                pairs = [jax.tree.leaves(tree) for tree in (found.iterate, found.flow, start)]
                x, y, x0 = (np.concatenate([np.ravel(a) for a in leaves]) for leaves in pairs)
                assert row["flow_distance"] == pytest.approx(np.linalg.norm(x - y), rel=1e-7)
                assert row["flow_length"] == pytest.approx(np.linalg.norm(x - x0), rel=1e-9)
                assert row["flow_error"] == pytest.approx(found.embedded_error, rel=1e-4)


def test_flows_alone_and_together_agree():
    runs = [Run(0.1, beta, 0) for beta in (0.0, 0.5)]
    together, _ = trained(runs, flow=2)
    for history in together:
        (alone,), _ = trained([history.run], flow=2)
        for a, b in zip(history.rows, alone.rows, strict=True):
            assert a["flow_distance"] == pytest.approx(b["flow_distance"], rel=1e-8, abs=1e-14)


@pytest.mark.parametrize("beta", [pytest.param(0.0, marks=SLOW), 0.7])
def test_steps_from_the_host_are_those_of_a_loop(beta):
    """The other convolutions, and the other way round the steps: the same to rounding."""
    settings = {"architecture": "resnet-6", "width": 1, "batch": 20, "steps": 5}
    experiment = Experiment(**{**SMALL, **settings})
    prepared = Prepared.load(experiment, None, False)
    rows = []
    for from_host in (False, True):
        group = Group(
            experiment,
            [Run(0.1, beta, 0)],
            prepared,
            Place.of("cpu"),
            vectorized=False,
            from_host=from_host,
        )
        (history,) = group.train()
        rows.append(history.rows)
    for a, b in zip(*rows, strict=True):
        for name in a:
            assert a[name] == pytest.approx(b[name], rel=1e-7), name
