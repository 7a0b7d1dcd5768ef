"""What the benchmarks of trainings share: random images, and modflow's steps beside others'."""

import time
from statistics import median

import numpy as np

from modflow.networks.data import Dataset
from modflow.training.devices import Place
from modflow.training.experiment import Experiment, Run
from modflow.training.group import Group
from modflow.training.prepared import Prepared
from modflow.training.trial import best_stepping

LONG = 0.1
"""Seconds of the first chunk that is counted: they start with a single step, and double."""


def images_like(side, channels, count, seed=0):
    """Random bytes and labels, in the form of a data set that is one pool of images."""
    draws = np.random.default_rng(seed)
    images = draws.integers(256, size=(count, side, side, channels), dtype=np.uint8)
    labels = draws.integers(10, size=count).astype(np.int32)
    return Dataset(f"random, {side} by {side}", images, labels, 10, "drawn at random")


def prepared_for(dataset, **settings):
    """An experiment on such images; it bears a known data set's name and reads none of it."""
    settings = {"test": 100, "steps": 10**6, "record_every": 1000, **settings}
    return Prepared(Experiment(**settings), dataset)


def group_for(prepared, runs):
    """The training of some runs, made as `modflow.training.grids` makes it for a long one."""
    place, of = Place.of("cpu"), prepared.experiment
    stepping = best_stepping(of, prepared, place, len(runs) * of.steps)
    vectorized = len(runs) > 1 and place.vectorizes(prepared.network("native"), prepared.batch)
    print(f"  modflow's steps: {'vectorized, ' if vectorized else ''}{stepping}", flush=True)
    return Group(of, runs, prepared, place, vectorized=vectorized, from_host=stepping == "host")


class _Enough(Exception):
    pass


def in_turns(prepared, others, rounds):
    """Seconds a step of one run of modflow and of others, round by round.

    modflow trains as it always does, in chunks of about a second; after each chunk every one of
    `others`, functions of a number of steps, carries out as many. Returns a dictionary of lists,
    modflow's called "modflow", and the seconds until after the first chunk: compilation, and the
    trial that chooses how steps are made.
    """
    began = made = time.perf_counter()
    group = group_for(prepared, [Run(1e-3, 0.9, 0)])
    steps, taken, before, first, warm = prepared.experiment.steps, {}, 0, None, False

    def after_chunk(share):
        nonlocal before, began, first, warm
        ended, now = time.perf_counter(), round(share * steps)
        count, before = now - before, now
        if count and first is None:
            first = ended - made
            for other in others.values():
                other(1)
        elif count and (warm or ended - began > LONG):
            warm = True
            taken.setdefault("modflow", []).append((ended - began) / count)
            for name, other in others.items():
                began = time.perf_counter()
                other(count)
                taken.setdefault(name, []).append((time.perf_counter() - began) / count)
            if len(taken["modflow"]) == rounds:
                raise _Enough
        began = time.perf_counter()

    try:
        group.train(after_chunk)
    except _Enough:
        return taken, first
    raise RuntimeError("the training ended before it was measured")


def ratio(ours, theirs):
    """Of the best rounds; and the median of what single rounds give."""
    rounds = [a / b for a, b in zip(ours, theirs, strict=True)]
    return min(ours) / min(theirs), median(rounds)


def time_of(seconds):
    """In the unit that suits it."""
    return f"{1e3 * seconds:.1f} ms" if seconds > 1e-3 else f"{1e6 * seconds:.0f} us"
