"""Which way of making steps is faster, found out by making some of them."""

from __future__ import annotations

from .devices import Place
from .experiment import Experiment, Run
from .group import Group
from .prepared import Prepared

_STEPS = 2
_FEWEST = 2000
"""Trainings of fewer steps in all are loops, without a trial."""
_WORTH = 20.0
"""A trial must take at most one part in so many of the training that it is for."""
_GAIN = 0.95
"""Steps from the host must take at most this share of the time: with loops the host is free."""


def is_worth_trying(experiment: Experiment, two: bool, steps_in_all: int) -> bool:
    """Whether there are `two` ways, and so many steps in all runs that to know them may pay."""
    return two and not experiment.flow and steps_in_all >= _FEWEST


def best_stepping(
    experiment: Experiment, prepared: Prepared, place: Place, steps_in_all: int
) -> str:
    """`loop` or `host` (`devices.STEPPINGS`), for so many steps in all runs together.

    A training that is too short to gain from knowing it is a loop.
    """
    two = place.may_step_from_host(experiment.architecture)
    if not is_worth_trying(experiment, two, steps_in_all):
        return "loop"

    def seconds(from_host: bool) -> tuple[float, float]:
        run = Run(1e-3, 0.0, 0)
        made = Group(
            experiment, [run], prepared, place.of_runs(1), vectorized=False, from_host=from_host
        )
        return made.step_seconds(_STEPS)

    looped, first = seconds(from_host=False)
    if looped * steps_in_all < _WORTH * (first + _STEPS * looped):
        return "loop"
    from_host, _ = seconds(from_host=True)
    return "host" if from_host < _GAIN * looped else "loop"
