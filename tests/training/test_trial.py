"""Steps from the host or in a loop: which is tried, and what follows from the times."""

from dataclasses import replace

import pytest

from modflow.training import trial
from modflow.training.devices import Place
from modflow.training.experiment import Experiment
from modflow.training.group import Group
from modflow.training.prepared import Prepared

RESIDUAL = Experiment(architecture="resnet-6", width=1, train=40, test=20, batch=20, steps=5)


@pytest.fixture
def timed(monkeypatch):
    """Times of a step, in a loop and from the host, instead of a clock; and what was tried."""

    def prepare(looped, from_host, first=1.0):
        tried = []

        def seconds(self, steps):
            tried.append("loop" if self._program_is_a_loop else "host")
            return (looped if self._program_is_a_loop else from_host), first

        original = Group.__init__

        def begin(self, *rest, from_host=False, **options):
            self._program_is_a_loop = not from_host
            original(self, *rest, from_host=from_host, **options)

        monkeypatch.setattr(Group, "__init__", begin)
        monkeypatch.setattr(Group, "step_seconds", seconds)
        return tried

    return prepare


def best(experiment, steps):
    prepared = Prepared.load(experiment, None, False)
    return trial.best_stepping(experiment, prepared, Place.of("cpu"), steps)


@pytest.mark.parametrize(
    ("looped", "from_host", "expected"),
    [(1.0, 0.5, "host"), (1.0, 0.9, "host"), (1.0, 0.97, "loop"), (0.5, 1.0, "loop")],
)
def test_the_faster_one_is_taken(timed, looped, from_host, expected):
    tried = timed(looped, from_host)
    assert best(RESIDUAL, 10_000) == expected
    assert tried == ["loop", "host"]


@pytest.mark.parametrize(
    ("steps", "looped", "expected"),
    [
        (1999, 1.0, []),  # too few, whatever they take
        (2000, 1e-3, ["loop"]),  # two seconds in all: a trial would take as long
        (2000, 1.0, ["loop", "host"]),
    ],
)
def test_short_trainings_are_not_held_up(timed, steps, looped, expected):
    tried = timed(looped, 0.1 * looped)
    best(RESIDUAL, steps)
    assert tried == expected


@pytest.mark.parametrize("settings", [{"architecture": "mlp"}, {"flow": 2, "batch": None}])
def test_where_there_is_one_way_only(timed, settings):
    tried = timed(1.0, 0.1)
    assert best(Experiment(**{**RESIDUAL.to_dict(), **settings}), 10**6) == "loop"
    assert tried == []


def test_a_step_takes_time():
    small = replace(RESIDUAL, architecture="mlp")
    prepared = Prepared.load(small, None, False)
    run = trial.Run(0.1, 0.0, 0)
    for from_host in (False, True):
        group = Group(
            small, [run], prepared, Place.of("cpu"), vectorized=False, from_host=from_host
        )
        step, first = group.step_seconds(2)
        assert 0 < step < first
