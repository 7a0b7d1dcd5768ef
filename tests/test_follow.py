"""Iterates beside any field: against quadratics, where both are known in closed form."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from modflow import HeavyBall, Problem
from modflow.claims import claim_named
from modflow.claims._follow import Follower, Point
from modflow.claims._problems import batched_losses, real_losses
from modflow.claims._registry import Given
from modflow.claims._theorem_5_1 import PERIOD, random_sequences
from modflow.claims.heavy_ball import field_4
from modflow.problems.quadratic import EIGENVALUES, exact_trajectories, quadratic

SIZES = (1 / 16, 1 / 32, 1 / 64, 1 / 128)
FLOW_4 = field_4(Given(claim_named("thm-4.1-order")).printed)


def gradient_flow(gradient: Any, at: Point, x: Any) -> Any:
    return -gradient(at.j, x) / (1 - at.beta)


@pytest.mark.parametrize("after", [0.0, 0.5])
def test_distances_of_4_on_a_quadratic_are_those_of_the_closed_form(after: float) -> None:
    betas = [0.0, 0.5, 0.8]
    with jax.enable_x64(True):
        found = Follower(quadratic(), FLOW_4).run(SIZES, 1.0, betas, after=after)
    for i, size in enumerate(SIZES):
        for j, b in enumerate(betas):
            steps = round(1 / size)
            x, y = exact_trajectories(HeavyBall(b), size * (1 - b), steps, 2)
            first = max(1, round(after * steps))
            exact = np.linalg.norm(x - y, axis=1)[first:].max()
            assert abs(found.errors[i, j] - exact) <= max(found.uncertainties[i, j], 1e-12)
            assert found.uncertainties[i, j] < 0.05 * exact


def test_a_shifted_start_and_every_so_many_steps() -> None:
    with jax.enable_x64(True):
        found = Follower(quadratic(), gradient_flow).run(SIZES, 1.0, [0.5], shift=2.0, every=4)
    for i, size in enumerate(SIZES):
        h, steps, curvature = size / 2, round(1 / size), np.array(EIGENVALUES)
        x, _ = exact_trajectories(HeavyBall(0.5), h, steps, 2)
        t = h * np.arange(steps + 1)[:, None]
        y = (1 + 2 * h * curvature) * np.exp(-2 * curvature * t)
        exact = np.linalg.norm(x - y, axis=1)[4::4].max()
        assert abs(found.errors[i, 0] - exact) <= max(found.uncertainties[i, 0], 1e-12)


def test_batches_take_their_turns() -> None:
    curvature, sequence = np.array([1.0, 3.0]), [0, 1, 1]
    problem = Problem(lambda x, data: data * jnp.sum(x**2) / 2, np.array([1.0]), data=curvature)
    with jax.enable_x64(True):
        found = Follower(problem, gradient_flow, batched=True).run(
            SIZES, 1.0, [0.0, 0.0], batches=[sequence, sequence[::-1]]
        )
    for i, h in enumerate(SIZES):
        for j, order in enumerate((sequence, sequence[::-1])):
            rates = curvature[np.resize(order, round(1 / h))]
            x, y = np.cumprod(1 - h * rates), np.exp(-h * np.cumsum(rates))
            assert abs(found.errors[i, j] - np.abs(x - y).max()) <= found.uncertainties[i, j]


def test_what_diverges_has_no_error() -> None:
    with jax.enable_x64(True):
        found = Follower(real_losses()[0], FLOW_4).run([1.0, *SIZES], 1.0 * 64, [0.5])
    assert not np.isfinite(found.errors[0, 0])
    assert found.rate("two-layer", 2).data["errors"][0] is None


def test_random_sequences_are_with_and_without_replacement() -> None:
    found = random_sequences(np.random.default_rng(0), 20)
    assert found.shape == (20, PERIOD)
    for i, sequence in enumerate(found):
        first, second = sequence[:10], sequence[10:]
        if i % 3 == 0:
            assert len(set(first)) < 10  # a permutation by chance once in 2,700
        else:
            assert sorted(first) == sorted(second) == list(range(10))
            assert (list(first) == list(second)) == (i % 3 == 1)
    assert np.array_equal(found, random_sequences(np.random.default_rng(0), 20))


def test_the_losses_in_batches_are_ten_each() -> None:
    for problem in batched_losses():
        assert {leaf.shape[0] for leaf in jax.tree.leaves(problem.data)} == {10}
