"""A grid of runs (h, beta, seed) in one program beside its runs one after another, on a processor.

What `modflow.training.devices.Place.vectorizes` decides, measured. First MLPs, trained as `modflow
train` trains them, records of the measures included: all runs as one vectorized group, shared out
among the processors as devices, beside a group for each run. The claims: at least twice as fast
for tiny networks (width 8 to 32, 100 images of 8 by 8), and what is decided takes at most 1.1
times as long as the other way, up to a width of 256 and full batches of 1000 and 4000.

Then a network with convolutions (ResNet-18): a training step of four at once, vectorized, beside
those of four one after another, which says why modflow does not vectorize these on a processor.
What it does instead is a process for each processor: the same four runs in two processes beside
one after another in one, and the claim is that this is not slower. Processes are started and
have compiled before they are timed.

All compilation is left out and given apart. About six minutes on two cores; the number of runs of
a grid and of rounds can be given, and words that choose cases (`mlp`, `vmap`, `processes`):
`python benchmarks/grids.py 16 3 mlp`.
"""

import sys
import tempfile
import time
from pathlib import Path

import jax
import jax.numpy as jnp
from _timing import best_of
from _trainings import images_like, prepared_for, time_of

from modflow.training.devices import Place, split
from modflow.training.executors import processes
from modflow.training.experiment import Experiment, grid_of
from modflow.training.grids import train_grid
from modflow.training.group import Group

TINY, NEVER = 2.0, 1.1
CASES = (
    # Pixels a side, width, images, images a batch (None: all), steps, whether it is a tiny one.
    (8, 8, 100, None, 200, True),
    (8, 16, 100, None, 200, True),
    (8, 32, 100, None, 200, True),
    (8, 32, 1000, 64, 200, False),
    (8, 32, 1000, None, 100, False),
    (8, 64, 1000, 64, 200, False),
    (8, 64, 1000, None, 50, False),
    (8, 16, 4000, None, 50, False),
    (8, 128, 1000, 64, 100, False),
    (8, 128, 1000, None, 20, False),
    (8, 256, 1000, 64, 50, False),
    (8, 256, 1000, None, 20, False),
    (28, 32, 1000, 64, 100, False),
    (28, 64, 1000, 64, 100, False),
    (28, 32, 1000, None, 20, False),
    (28, 128, 1000, None, 10, False),
)
CONVOLUTIONAL = {"architecture": "resnet-18", "width": 8, "batch": 64}


def runs_of(count):
    """A grid of so many runs, as far as these come out: step sizes, two momenta, two seeds."""
    step_sizes = [1e-3 * 2**-i for i in range(max(1, count // 4))]
    return grid_of(step_sizes, (0.0, 0.9), (0, 1))[:count]


def groups(prepared, parts):
    """A function that trains these runs, a program for each part."""
    place = Place.of("cpu")

    def train():
        for runs in parts:
            vectorized = len(runs) > 1
            part = place.of_runs(len(runs))
            Group(prepared.experiment, runs, prepared, part, vectorized=vectorized).train()

    return train


def mlps(count, rounds):
    runs, kept = runs_of(count), []
    print(f"{len(runs)} runs of MLPs, recorded every 10 steps:")
    for side, width, images, batch, steps, tiny in CASES:
        prepared = prepared_for(
            images_like(side, 1, images + 100),
            train=images,
            width=width,
            batch=batch,
            steps=steps,
            record_every=10,
        )
        at_once, one_by_one = groups(prepared, [runs]), groups(prepared, [[run] for run in runs])
        began = time.perf_counter()
        at_once()
        compiled = time.perf_counter() - began
        groups(prepared, [runs[:1]])()
        grid, each = best_of(rounds, at_once, one_by_one)
        decided = Place.of("cpu").vectorizes(prepared.network("native"), prepared.batch)
        worse = (grid if decided else each) / min(grid, each)
        holds = worse <= NEVER and (not tiny or (decided and each / grid >= TINY))
        kept.append(holds)
        print(
            f"  {side:2} by {side:2}, width {width:3}, {images:4} images, "
            f"batch {batch or 'all':>3}: grid {grid:6.2f} s, "
            f"one after another {each:6.2f} s: the grid is {each / grid:.2f} times as fast; "
            f"decided: {'grid' if decided else 'one after another'}"
            f"{'' if holds else ', NOT KEPT'} (compiled in {compiled - grid:.1f} s)",
            flush=True,
        )
    print(f"the claims hold in {sum(kept)} of {len(kept)} cases")


def vmapped(rounds, count=4):
    """A step of several networks with convolutions in one program, and one after another."""
    prepared = prepared_for(images_like(14, 1, 740), train=640, record_every=1, **CONVOLUTIONAL)
    runs = runs_of(count)
    place, calls, compiled = Place.of("cpu").of_runs(1), {}, {}

    def advancing(of, vectorized):
        """One step of these runs, as `Group` makes it."""
        made = Group(prepared.experiment, of, prepared, place, vectorized=vectorized)
        rates, data = made._rates(), made._data()
        state, batches, one = made._begin(*rates), made._batches(0, 1, 1), jnp.asarray(1)

        def step():
            nonlocal state
            state, losses = made._program.advance(state, *rates, data, one, batches)
            jax.block_until_ready((state, losses))

        return step

    alone = [advancing([run], False) for run in runs]
    calls = {
        "one after another": lambda: [step() for step in alone],
        "vectorized": advancing(runs, True),
    }
    for name, call in calls.items():
        began = time.perf_counter()
        call()
        compiled[name] = time.perf_counter() - began
    took = dict(zip(calls, best_of(3 * rounds, *calls.values()), strict=True))
    print(f"a step of each of {len(runs)} of resnet-18, width 8, batch 64 of 14 by 14:")
    for name, seconds in took.items():
        print(f"  {name:18} {time_of(seconds)} (compiled in {compiled[name]:.1f} s)")
    slower = took["vectorized"] / took["one after another"]
    print(f"  vectorized takes {slower:.2f} times as long", flush=True)


def in_processes(rounds, count=4, jobs=2):
    """Runs of a network with convolutions in processes, and one after another in this one."""
    experiment = Experiment(
        data="digits", train=640, test=100, steps=100, record_every=50, **CONVOLUTIONAL
    )
    runs, took = runs_of(count), {"processes": [], "one": []}
    with tempfile.TemporaryDirectory() as folder, processes(jobs) as (executor, _):

        def train(name, of, executor=None, experiment=experiment):
            train_grid(experiment, of, Path(folder, name), executor=executor, platform="cpu")

        began = time.perf_counter()
        train("warm processes", runs[:jobs], executor)
        train("warm one", runs[:1])
        compiled = time.perf_counter() - began
        for i in range(rounds):
            for name, given in (("processes", executor), ("one", None)):
                began = time.perf_counter()
                train(f"{name} {i}", runs, given)
                took[name].append(time.perf_counter() - began)
    several, one = min(took["processes"]), min(took["one"])
    print(
        f"{len(runs)} runs of 100 steps of it on digits: {jobs} processes {several:.1f} s, one "
        f"after another {one:.1f} s: {several / one:.2f} times as long (claim: at most 1; "
        f"compiled in {compiled:.0f} s)"
    )


def main(*arguments):
    numbers = [int(each) for each in arguments if each.isdigit()]
    words = [each for each in arguments if not each.isdigit()]
    count, rounds = (*numbers, *(16, 3)[len(numbers) :])
    split()  # as `modflow train` does
    if not words or "mlp" in words:
        mlps(count, rounds)
    if not words or "vmap" in words:
        vmapped(rounds)
    if not words or "processes" in words:
        in_processes(rounds)


if __name__ == "__main__":
    main(*sys.argv[1:])
