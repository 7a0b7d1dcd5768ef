"""How long a training is, and how often it is looked at, where that is said in epochs."""

from __future__ import annotations

from pathlib import Path

from ..errors import ModflowError
from .experiment import Experiment
from .prepared import Prepared

STEPS = 200
RECORD_EVERY = 10


def steps_and_records(
    experiment: Experiment,
    data_dir: Path | None,
    download: bool,
    steps: int | None,
    epochs: int | None,
    record_every: int | None,
) -> tuple[int, int]:
    """The number of steps, and of those between two measurements.

    An epoch has as many steps as whole batches: how many is only known with the data. Mini-batches
    are measured once an epoch by default.
    """
    if epochs is not None and epochs < 1:
        raise ModflowError(f"at least one epoch is trained; got --epochs {epochs}")
    if epochs is None and (experiment.batch is None or record_every is not None):
        return STEPS if steps is None else steps, record_every or RECORD_EVERY
    an_epoch = Prepared.load(experiment, data_dir, download).steps_per_epoch
    usual = RECORD_EVERY if experiment.batch is None else an_epoch
    length = (STEPS if steps is None else steps) if epochs is None else epochs * an_epoch
    return length, record_every or usual
