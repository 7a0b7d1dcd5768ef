"""A grid of runs on any executor: this process, others of this machine, or a cluster's."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import (
    FIRST_COMPLETED,
    BrokenExecutor,
    CancelledError,
    Executor,
    Future,
    ProcessPoolExecutor,
    ThreadPoolExecutor,
    wait,
)
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import jax

from .. import __version__
from ..errors import ModflowError, UnknownNameError, first_line
from ..processors import threads as threads_here
from ..worker import ending_gently
from .compilation import compilation
from .devices import STEPPINGS, Place, Survey, place_for
from .experiment import Experiment, Run
from .group import CHECKPOINT_SECONDS, Group
from .history import History
from .hosts import ALONE, Hosts
from .prepared import Prepared
from .progress import LOOK_SECONDS, Progress, Share, with_rate
from .store import Recorded, Store, parse_run
from .trial import best_stepping, is_worth_trying


@dataclass
class GridResult:
    """The runs of a grid, in the order asked for; those that are there, where it was stopped."""

    experiment: Experiment
    runs: tuple[Run, ...]
    histories: list[History] = field(default_factory=list)

    @property
    def complete(self) -> bool:
        """Whether all runs are there."""
        return len(self.histories) == len(self.runs)

    @property
    def diverged(self) -> list[History]:
        """The runs whose loss became infinite."""
        return [history for history in self.histories if history.diverged is not None]

    def of(self, run: Run) -> History:
        """The history of one run; KeyError where it is not there."""
        for history in self.histories:
            if history.run == run:
                return history
        raise KeyError(run.name)


@dataclass(frozen=True)
class Source:
    """Where the images come from."""

    data_dir: Path | None = None
    download: bool = False


def train_grid(
    experiment: Experiment,
    runs: Sequence[Run],
    out: Path,
    *,
    source: Source | None = None,
    platform: str | None = None,
    at_once: int | None = None,
    stepping: str | None = None,
    executor: Executor | None = None,
    workers: int = 1,
    threads: int | None = None,
    split: bool = False,
    hosts: Hosts = ALONE,
    recorded: Recorded | None = None,
    progress: Progress | None = None,
    checkpoint_seconds: float = CHECKPOINT_SECONDS,
) -> GridResult:
    """Train all runs and keep what comes out in the folder `out`; what is done there is skipped.

    With an `executor` the groups of runs are its tasks: any of `concurrent.futures`, or a Dask
    cluster's (`Client.get_executor()`). Checkpoints are written by whoever trains, to the same
    folder where it is shared; results by this process, once. `at_once` is how many runs make one
    program; by default as many as memory holds where that is of use, and no more than are for each
    of the `workers` that the executor has. `threads` is how many XLA has in each of these, where
    that is known; on CPUs it decides rounding errors, and is kept with the results. `split` makes
    each processor a device, which is faster for small networks, wherever JAX has not computed yet:
    it changes the devices that all of the process sees. `stepping` is `loop` or `host`; by default
    what the folder's runs were made with, and else what a trial finds to be faster. It changes
    rounding errors, so it is kept with the results, too. With several `hosts` all of them make this
    call, each trains its share of the groups, and all have all results when they return; the folder
    is one that all of them see. What is `recorded` of an earlier training of these runs is done
    again in the same way.

    A KeyboardInterrupt ends it early; `results` has what is done by then, and the same call goes
    on from there.

    Raises ModflowError where the folder holds something else, where data are missing, where
    memory does not suffice, and where something cannot be written.
    """
    source, runs = source or Source(), tuple(runs)
    with hosts.telling():
        prepared = Prepared.load(experiment, source.data_dir, source.download)
        if recorded is not None:
            _check_images(recorded, prepared)
            stepping = recorded.stepping
        if stepping is not None and stepping not in STEPPINGS:
            raise UnknownNameError("way of making steps", stepping, STEPPINGS)
        if at_once is not None and at_once < 1:
            raise ModflowError(f"at least one run makes a program; got --at-once {at_once}")
        task = Task(experiment, source, platform, checkpoint_seconds, split)
        place = _place(task, executor)
        survey = _survey(task, prepared, place, executor, threads)
        if recorded is not None:
            _check_threads(recorded, survey)
        origin = {
            "modflow": __version__,
            "python": sys.version.split()[0],
            **_versions(),
            "device": survey.device,
            "platform": survey.platform,
            "data_source": prepared.source,
            "data_sha256": prepared.digest,
        }
        if not hosts.first:
            hosts.meet("ready")
        store = Store(out, experiment, origin)
        try:
            with store.locked() if hosts.first else nullcontext():
                groups: list[tuple[Run, ...]] = []
                if hosts.first:
                    store.check_threads(survey.threads)
                    stepping = store.stepping(stepping)
                    groups = store.plan(
                        runs,
                        _runs_at_once(survey, at_once, stepping),
                        recorded,
                        shares=1 if at_once else workers * hosts.count,
                        resize=at_once is not None,
                    )
                    if groups:
                        tried = max(map(len, groups)) == 1
                        steps = len(runs) * experiment.steps
                        if stepping is None and tried:
                            stepping = task.best_stepping(prepared, survey, place, steps, executor)
                        store.settle(stepping or "loop", survey.threads)
                    hosts.meet("ready")
                # Some of it may be done by now: all share out what the first one has found.
                groups = _told(hosts, groups)
                from_host = store.stepping(None) == "host"
                task = replace(task, from_host=from_host, threads=store.threads)
                own = hosts.share(groups)
                if progress is not None:
                    progress = with_rate(progress, experiment.steps * sum(map(len, own)))
                if executor is None:
                    assert place is not None
                    _here(task, own, prepared, place, store, hosts, progress)
                else:
                    _elsewhere(task, own, store, executor, progress)
                hosts.meet("trained")
        except BaseException:
            with suppress(ModflowError):  # what ended it is more to the point
                results(store, runs)
            raise
        return results(store, runs)


def _check_images(recorded: Recorded, prepared: Prepared) -> None:
    if recorded.digest != prepared.digest:
        raise ModflowError(
            "the recorded training saw other images than those of --data-dir: their SHA-256 is"
            f" {prepared.digest}, not {recorded.digest}"
        )


def _check_threads(recorded: Recorded, survey: Survey) -> None:
    if survey.threads and recorded.threads not in (None, survey.threads):
        raise ModflowError(
            f"the recorded training had {recorded.threads} threads, and there are {survey.threads}"
            f" here, which round differently: set NPROC={recorded.threads}"
        )


def _place(task: Task, executor: Executor | None) -> Place | None:
    """The devices of this process, if the work is done by it or by others like it."""
    if executor is None:
        return task.place()
    here = isinstance(executor, ProcessPoolExecutor | ThreadPoolExecutor)
    return Place.of(task.platform) if here else None


def _survey(
    task: Task,
    prepared: Prepared,
    place: Place | None,
    executor: Executor | None,
    threads: int | None,
) -> Survey:
    """Of where the work will be done; with so many threads, if that is known better."""
    if place is None:
        assert executor is not None
        with _broken():
            found: Survey = executor.submit(task.survey).result()
    else:
        found = Survey.of(prepared, place)
        if isinstance(executor, ProcessPoolExecutor):
            # These have what they were begun with.
            found = replace(found, threads=threads)
    return found if found.platform == "cpu" else replace(found, threads=None)


def _runs_at_once(survey: Survey, asked: int | None, stepping: str | None) -> int:
    """How many runs make one program. Steps from the host are those of one run."""
    if stepping != "host":
        return asked or survey.at_once
    if asked not in (None, 1):
        raise ModflowError(
            f"--stepping host is for one run at a time, not for --at-once {asked}: leave one out, "
            "or give another --out"
        )
    return 1


def _told(hosts: Hosts, groups: Sequence[tuple[Run, ...]]) -> list[tuple[Run, ...]]:
    """What the first host says that is left to do."""
    said = hosts.hear("planned", json.dumps([[run.name for run in group] for group in groups]))
    return [tuple(map(parse_run, group)) for group in json.loads(said)]


def load_grid(out: Path, runs: Sequence[Run] | None = None) -> GridResult:
    """What a folder holds: of these runs, or of all.

    Raises ModflowError where it holds no training, or a damaged one.
    """
    store = Store.open(out)
    return results(store, store.known() if runs is None else runs)


def results(store: Store, runs: Sequence[Run]) -> GridResult:
    """What there is of these runs; runs.csv is brought up to date with all that the folder has."""
    histories = store.load(store.known())
    store.summarize(histories)
    there = {history.run: history for history in histories}
    return GridResult(store.experiment, tuple(runs), [there[run] for run in runs if run in there])


@dataclass(frozen=True)
class Task:
    """What a worker is sent, beside the runs."""

    experiment: Experiment
    source: Source
    platform: str | None
    checkpoint_seconds: float
    split: bool = False
    from_host: bool = False
    threads: int | None = None
    """That XLA must have; None for any number."""

    def place(self) -> Place:
        """The devices of whoever is asked."""
        if self.split:
            return place_for(self.experiment.architecture, self.platform)
        return Place.of(self.platform)

    def survey(self) -> Survey:
        """What whoever is asked is good at."""
        return Survey.of(self._prepared(), self.place())

    def best_stepping(
        self,
        prepared: Prepared,
        survey: Survey,
        place: Place | None,
        steps_in_all: int,
        executor: Executor | None,
    ) -> str:
        """`loop` or `host`, by a trial where the work will be done."""
        if not is_worth_trying(self.experiment, survey.may_step_from_host, steps_in_all):
            return "loop"
        if executor is None:
            assert place is not None
            return best_stepping(self.experiment, prepared, place, steps_in_all)
        with _broken():
            return executor.submit(self._best_stepping, steps_in_all).result()

    def _best_stepping(self, steps_in_all: int) -> str:
        return best_stepping(self.experiment, self._prepared(), self.place(), steps_in_all)

    def _prepared(self) -> Prepared:
        return Prepared.load(self.experiment, self.source.data_dir, self.source.download)

    def train(
        self,
        runs: tuple[Run, ...],
        folder: Path,
        prepared: Prepared | None = None,
        place: Place | None = None,
        progress: Callable[[float], None] | None = None,
    ) -> tuple[list[History], dict[str, Any]]:
        """The histories of a group, and notes on how they were made."""
        if self.threads not in (None, threads_here()):
            raise ModflowError(
                f"{threads_here()} threads would train here, and the runs of that folder had "
                f"{self.threads}, which round differently: set NPROC={self.threads}"
            )
        prepared = prepared or self._prepared()
        place = (place or self.place()).of_runs(len(runs))
        group = Group(
            self.experiment,
            runs,
            prepared,
            place,
            # A run alone has more of several devices to itself as it is.
            vectorized=len(runs) > 1,
            from_host=self.from_host,
            folder=folder,
            checkpoint_seconds=self.checkpoint_seconds,
        )
        began = time.perf_counter()
        told = progress or Share(folder).write
        with ending_gently(), compilation() as compiled:
            histories = group.train(told)
        seconds = time.perf_counter() - began
        return histories, {
            "seconds": seconds,
            "compile_seconds": compiled.seconds,
            "device": place.kind,
            "threads": threads_here(),
            "runs_at_once": len(runs),
            "host": jax.process_index(),
        }


def _here(
    task: Task,
    groups: Sequence[tuple[Run, ...]],
    prepared: Prepared,
    place: Place,
    store: Store,
    hosts: Hosts,
    progress: Progress | None,
) -> None:
    for i, group in enumerate(groups):

        def share(of_group: float, i: int = i, group: tuple[Run, ...] = group) -> None:
            hosts.check()
            if progress is not None:
                progress(_label(group, i, groups), (i + of_group) / len(groups))

        found = task.train(group, store.checkpoints(group), prepared, place, share)
        _keep(store, group, *found)


def _elsewhere(
    task: Task,
    groups: Sequence[tuple[Run, ...]],
    store: Store,
    executor: Executor,
    progress: Progress | None,
) -> None:
    known: dict[Future[Any], tuple[Run, ...]] = {}
    failures: list[ModflowError] = []
    left: set[Future[Any]] = set()
    try:
        with _broken():
            for group in groups:
                folder = store.checkpoints(group).resolve()
                known[executor.submit(task.train, group, folder)] = group
            left = set(known)
            while left:
                ready, left = wait(left, timeout=LOOK_SECONDS, return_when=FIRST_COMPLETED)
                for future in ready:
                    try:
                        _keep(store, known[future], *future.result())
                    except ModflowError as error:
                        # The other runs are of use without this one.
                        failures.append(error)
                if progress is not None:
                    shares = [Share(store.checkpoints(known[future])).read() for future in left]
                    done = len(groups) - len(left)
                    share = (done + sum(shares)) / max(1, len(groups))
                    progress(f"training, {done} of {len(groups)} done", share)
    finally:
        for future in left:
            future.cancel()
    if failures:
        raise failures[0]


@contextmanager
def _broken() -> Iterator[None]:
    """Say what it means where a process of the executor is gone."""
    again = "and the same command goes on from the last checkpoints"
    try:
        yield
    except BrokenExecutor as error:
        raise ModflowError(
            "a process that trained ended by itself, perhaps for want of memory; --jobs 1 needs "
            f"the least, {again}"
        ) from error
    except CancelledError as error:
        raise ModflowError(f"the cluster's scheduler is gone; start it anew, {again}") from error
    except Exception as error:
        # Such as KilledWorker: a task that several workers did not survive.
        if type(error).__module__.split(".")[0] != "distributed":
            raise
        raise ModflowError(
            f"the cluster failed ({type(error).__name__}: {first_line(error)}); see to it, {again}"
        ) from error


def _keep(
    store: Store, group: tuple[Run, ...], histories: list[History], notes: dict[str, Any]
) -> None:
    for history in histories:
        store.keep(history, notes)
    store.forget(group)


def _label(group: tuple[Run, ...], i: int, groups: Sequence[tuple[Run, ...]]) -> str:
    several = f" and {len(group) - 1} more" if len(group) > 1 else ""
    return f"training {group[0].name}{several} ({i + 1} of {len(groups)})"


def _versions() -> dict[str, str]:
    from importlib.metadata import PackageNotFoundError, version

    found = {}
    for name in ("jax", "jaxlib", "flax", "optax", "numpy"):
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found
