"""The order of the batches."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from modflow import ModflowError
from modflow.networks.data import batch_order, epoch_order, split, steps_per_epoch
from modflow.networks.data.dataset import Dataset


def test_an_epoch_sees_every_sample_once() -> None:
    for epoch in range(20):
        order = epoch_order(37, 3, epoch)
        assert order.dtype == np.int32
        assert sorted(order) == list(range(37))


def test_epochs_and_seeds_have_orders_of_their_own() -> None:
    orders = {tuple(epoch_order(50, seed, epoch)) for seed in range(10) for epoch in range(10)}
    assert len(orders) == 100
    np.testing.assert_array_equal(epoch_order(50, 4, 10**15), epoch_order(50, 4, 10**15))


def test_the_order_is_not_that_of_the_choice_of_samples() -> None:
    images = np.arange(50, dtype=np.uint8).reshape(50, 1, 1, 1)
    dataset = Dataset("mine", images, np.zeros(50, np.int32), 1, "here")
    assert not np.array_equal(split(dataset, 49).train, epoch_order(50, 0, 0)[:49])


def test_orders_stay_what_they_are() -> None:
    # What a run saw once, it has to see again.
    assert epoch_order(8, 0, 0).tolist() == ORDERS[0]
    assert epoch_order(8, 0, 1).tolist() == ORDERS[1]
    assert epoch_order(8, 1, 0).tolist() == ORDERS[2]


ORDERS = [[6, 7, 2, 1, 3, 5, 0, 4], [2, 7, 5, 4, 0, 1, 3, 6], [4, 2, 0, 6, 1, 5, 7, 3]]


@pytest.mark.parametrize(("samples", "batch"), [(10, 3), (10, 5), (10, 10), (10, 1), (1, 1)])
def test_batches_are_cut_from_epochs_and_those_that_are_not_full_left_out(
    samples: int, batch: int
) -> None:
    steps = steps_per_epoch(samples, batch)
    assert steps == samples // batch
    whole = batch_order(samples, batch, 7, 0, 4 * steps)
    assert whole.shape == (4 * steps, batch)
    assert whole.dtype == np.int32
    for k, seen in enumerate(whole):
        epoch, i = divmod(k, steps)
        assert seen.tolist() == epoch_order(samples, 7, epoch)[i * batch : (i + 1) * batch].tolist()


def test_a_resumed_run_sees_what_it_would_have_seen() -> None:
    whole = batch_order(10, 3, 7, 0, 30)
    for start in range(30):
        for stop in range(start, 30):
            np.testing.assert_array_equal(batch_order(10, 3, 7, start, stop), whole[start:stop])
    assert batch_order(10, 3, 7, 5, 5).shape == (0, 3)
    # Far on, without what is before.
    assert batch_order(1000, 32, 0, 10**15, 10**15 + 2).shape == (2, 32)


def test_every_sample_is_left_out_as_often_as_any_other() -> None:
    seen = np.bincount(batch_order(5, 2, 0, 0, 2 * 4000).ravel(), minlength=5)
    # 4/5 of 4000 epochs, with a standard deviation of 25.
    assert abs(seen - 3200).max() < 110


@pytest.mark.parametrize(
    ("call", "why"),
    [
        (lambda: steps_per_epoch(10, 11), "from 1 to 10, the number of samples; got 11"),
        (lambda: steps_per_epoch(10, 0), "got 0"),
        (lambda: steps_per_epoch(10, 2.0), "got 2.0"),
        (lambda: epoch_order(0, 0, 0), "at least one sample to train on; got 0"),
        (lambda: epoch_order(5, -1, 0), "a seed must be a whole number"),
        (lambda: epoch_order(5, 0, -1), "an epoch must be a whole number from 0 on; got -1"),
        (lambda: batch_order(5, 2, 0, 3, 2), "0 <= start <= stop; got 3 and 2"),
        (lambda: batch_order(5, 2, 0, -1, 2), "got -1 and 2"),
    ],
)
def test_orders_that_cannot_be(call: Any, why: str) -> None:
    with pytest.raises(ModflowError) as raised:
        call()
    assert why in str(raised.value)
