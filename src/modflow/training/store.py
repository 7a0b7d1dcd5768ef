"""The folder of a grid of runs: what was asked, and what was found.

config.json     everything that decides the numbers, and where they came from
runs/NAME.json  one finished run, every bit of it
runs/NAME.csv   the same as a table
runs.csv        one line a run
checkpoints/    of what is under way
"""

from __future__ import annotations

import json
import math
import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import ModflowError, UnknownNameError
from ..files import write_atomically
from ..grid import is_whole
from .devices import STEPPINGS
from .experiment import Experiment, Run
from .history import FLOW_COLUMNS, History, table

try:
    import fcntl
except ImportError:  # not on every system
    fcntl = None  # type: ignore[assignment]

LAST = 5
"""Rows over which the paper's Table 1 takes means and standard deviations, one an epoch."""


@dataclass(frozen=True)
class Recorded:
    """What a config.json says of a training that was done."""

    experiment: Experiment
    groups: tuple[tuple[Run, ...], ...]
    """The runs that made one program each: their company decides how sums are rounded."""
    stepping: str | None
    threads: int | None
    """Of each process that trained; None where that decided nothing, or is not known."""
    digest: str
    """The SHA-256 of the images."""

    @classmethod
    def read(cls, path: Path) -> Recorded:
        """From the file. Raises ModflowError where it is none of a training, or damaged."""
        found = _read(path)
        experiment, settled = _experiment(found, path), _Settled.of(found, path)
        if not settled.groups:
            raise ModflowError(f"there are no runs in {path}")
        digest = found.get("data_sha256")
        if not isinstance(digest, str):
            raise ModflowError(f"{path} is damaged: it has no data_sha256")
        groups = tuple(tuple(map(parse_run, group)) for group in settled.groups)
        return cls(experiment, groups, settled.stepping, settled.threads, digest)


@dataclass
class _Settled:
    """What is settled about the runs of a folder, beside their experiment."""

    groups: list[list[str]]
    stepping: str | None = None
    threads: int | None = None

    @classmethod
    def of(cls, found: dict[str, Any], path: Path) -> _Settled:
        """What a configuration has of it. Raises ModflowError where that makes no sense."""
        settled = cls(found.get("groups", []), found.get("stepping"), found.get("threads"))
        try:
            settled._check()
        except ModflowError as error:
            raise ModflowError(f"{path} is damaged: {error}") from error
        return settled

    def _check(self) -> None:
        names = list[str]()
        for group in self.groups if isinstance(self.groups, list) else [None]:
            if not isinstance(group, list) or not group or not all(type(n) is str for n in group):
                raise ModflowError("its groups are no lists of the names of runs")
            names += group
        for name in names:
            if (own := parse_run(name).name) != name:
                raise ModflowError(f"the run {own} is called {name!r} in it")
        if len(set(names)) < len(names):
            raise ModflowError("it has a run twice")
        if self.stepping is not None and self.stepping not in STEPPINGS:
            raise UnknownNameError("way of making steps", str(self.stepping), STEPPINGS)
        if self.threads is not None and (not is_whole(self.threads) or self.threads < 1):
            raise ModflowError(f"{self.threads!r} is no number of threads")


class Store:
    """The results of one experiment in a folder, which is made where it is missing.

    Raises ModflowError where the folder holds another experiment, with what differs, and where it
    cannot be written.
    """

    def __init__(self, folder: Path, experiment: Experiment, origin: dict[str, Any]) -> None:
        self.folder, self.experiment = folder, experiment
        self._config = folder / "config.json"
        try:
            (folder / "runs").mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ModflowError(f"cannot make {folder}: {error.strerror or error}") from error
        if not os.access(folder, os.W_OK):
            raise ModflowError(f"cannot write to {folder}: permission denied")
        found = _read(self._config) if self._config.exists() else {}
        self._check(found, origin)
        self._origin = origin
        self._fingerprint = experiment.fingerprint(origin["data_sha256"])
        self._done: dict[str, History] = {}
        settled = _Settled.of(found, self._config)
        self._groups, self._stepping = settled.groups, settled.stepping
        self._threads = settled.threads

    @classmethod
    def open(cls, folder: Path) -> Store:
        """The results that a folder holds. Raises ModflowError where there are none."""
        path = folder / "config.json"
        if not path.is_file():
            raise ModflowError(f"{folder} holds no training: there is no {path.name} in it")
        found = _read(path)
        own = {"experiment", "groups", "stepping", "threads"}
        origin = {name: value for name, value in found.items() if name not in own}
        return cls(folder, _experiment(found, path), origin)

    def known(self) -> list[Run]:
        """All runs that were ever asked for here."""
        return [parse_run(name) for group in self._groups for name in group]

    @property
    def threads(self) -> int | None:
        """How many each process has that trains here; None where that is not known."""
        return self._threads

    def _check(self, found: dict[str, Any], origin: dict[str, Any]) -> None:
        if not found:
            return
        other = _experiment(found, self._config)
        different = self.experiment.differences(other)
        if different:
            raise ModflowError(
                f"{self.folder} holds runs with {'; '.join(different)}: give another --out, or the "
                "same settings"
            )
        if found.get("data_sha256") != origin["data_sha256"]:
            raise ModflowError(
                f"{self.folder} holds runs on other images than those of --data-dir: give another "
                "--out"
            )

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep the folder for this process. Raises ModflowError where another one has it."""
        with (self.folder / ".lock").open("w") as file:
            if fcntl is not None:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except OSError:
                    raise ModflowError(
                        f"another process trains into {self.folder}: wait for it, or give another "
                        "--out"
                    ) from None
            yield

    def stepping(self, asked: str | None) -> str | None:
        """How steps are made: as asked, or as those of the runs that are here; None for any way.

        Raises ModflowError where the two differ.
        """
        if asked and self._stepping and asked != self._stepping:
            raise ModflowError(
                f"{self.folder} holds runs made with --stepping {self._stepping}, which differ from"
                f" those with {asked} by rounding: give another --out"
            )
        return asked or self._stepping

    def check_threads(self, threads: int | None) -> None:
        """Raise ModflowError where there were more or fewer before."""
        if threads and self._threads and threads != self._threads:
            raise ModflowError(
                f"{self.folder} holds runs made with {self._threads} threads a process, which "
                f"differ from those with {threads} by rounding: give another --out, or set "
                f"NPROC={self._threads}"
            )

    def settle(self, stepping: str, threads: int | None) -> None:
        """Keep how steps are made, and by how many threads."""
        if (stepping, threads) != (self._stepping, self._threads):
            self._stepping, self._threads = stepping, threads or self._threads
            self._save_config()

    def plan(
        self,
        runs: Sequence[Run],
        size: int,
        recorded: Recorded | None = None,
        *,
        shares: int = 1,
        resize: bool = False,
    ) -> list[tuple[Run, ...]]:
        """The runs that are left to do, in groups that are trained together.

        Groups once begun stay as they are, so that a grid that was interrupted ends with the same
        numbers as one that was not. So do those of a training that is done again. New ones leave
        something for each of so many `shares`, where there is enough. With `resize` groups that are
        too large are divided as long as there is nothing of them.

        Raises ModflowError where there are other runs, or the same of another experiment.
        """
        by_name = {run.name: run for run in runs}
        for name in by_name:
            self.is_done(name)  # before anything is written
        known = {name for group in self._groups for name in group}
        new = [run.name for run in runs if run.name not in known]
        if new or not self._config.exists():
            if recorded is None:
                each = max(1, min(size, -(-len(new) // shares)))
                groups = _parts(new, each)
            else:
                groups = [[run.name for run in group] for group in recorded.groups]
                if self._groups and self._groups != groups:
                    raise ModflowError(f"{self.folder} holds other runs: give another --out")
            self._groups += groups
            self._save_config()
        if resize:
            divided = [part for group in self._groups for part in self._divided(group, size)]
            if divided != self._groups:
                self._groups = divided
                self._save_config()
        # A group that was begun for a larger grid is finished as a whole.
        left = []
        for group in self._groups:
            if all(self.is_done(name) for name in group):
                self.forget(group)  # what a process has left that was killed before it did so
            elif any(name in by_name for name in group):
                left.append(tuple(by_name.get(name) or parse_run(name) for name in group))
        return left

    def _divided(self, group: list[str], size: int) -> list[list[str]]:
        begun = any(self.is_done(name) for name in group) or any(
            path.name.isdigit() for path in self.checkpoints(group).glob("*")
        )
        return [group] if begun else _parts(group, size)

    def _save_config(self) -> None:
        config = {
            **self._origin,
            "stepping": self._stepping,
            "threads": self._threads,
            "experiment": self.experiment.to_dict(),
            "groups": self._groups,
        }
        write_atomically(self._config, (json.dumps(config, indent=2) + "\n").encode())

    def is_done(self, name: str) -> bool:
        """Whether a run of this name has ended. Raises ModflowError for one of something else."""
        return self._result(name) is not None

    def checkpoints(self, group: Sequence[Run | str]) -> Path:
        """Where a group keeps its own."""
        first = group[0]
        return self.folder / "checkpoints" / (first if isinstance(first, str) else first.name)

    def forget(self, group: Sequence[Run | str]) -> None:
        """Take the checkpoints of a group away, which has ended."""
        folder = self.checkpoints(group)
        shutil.rmtree(folder, ignore_errors=True)
        folder.with_name(folder.name + ".share").unlink(missing_ok=True)
        with suppress(OSError):
            folder.parent.rmdir()

    def keep(self, history: History, notes: dict[str, Any]) -> None:
        """Write down a finished run."""
        whole = {"experiment": self._fingerprint, **history.to_dict(), **notes}
        found = json.dumps(whole, allow_nan=False) + "\n"
        self._write(self._file(history.run.name, "csv"), table(history.rows))
        # Last, as it says that the run is done.
        self._write(self._file(history.run.name, "json"), found)

    def load(self, runs: Iterable[Run]) -> list[History]:
        """Those of the runs that are done. Raises ModflowError for a file that is damaged."""
        found = [self._result(run.name) for run in runs]
        return [history for history in found if history is not None]

    def _result(self, name: str) -> History | None:
        """What has come out of a run, read once: it stays as it is."""
        path = self._file(name, "json")
        if name not in self._done and path.exists():
            self._done[name] = self._read_result(path)
        return self._done.get(name)

    def _read_result(self, path: Path) -> History:
        found = _read(path)
        if found.get("experiment", self._fingerprint) != self._fingerprint:
            raise ModflowError(f"{path} is of another experiment: give another --out")
        try:
            history = History.from_dict(found)
            self._check_result(history, path.stem)
        except ModflowError as error:
            raise ModflowError(
                f"{path} is no result of a training, {error}: {_remedy(path)}"
            ) from error
        return history

    def _check_result(self, history: History, name: str) -> None:
        if history.run.name != name:
            raise ModflowError(f"it is that of {history.run.name}")
        steps = self.experiment.steps
        if history.diverged is None and (not history.rows or history.final["step"] != steps):
            raise ModflowError(f"it does not end at step {steps}")

    def summarize(self, histories: Sequence[History]) -> None:
        """Write runs.csv."""
        content = table([summary(history) for history in histories])
        self._write(self.folder / "runs.csv", content)

    def _write(self, path: Path, content: str) -> None:
        try:
            write_atomically(path, content.encode())
        except ModflowError as error:
            raise ModflowError(
                f"{error}; what was written before is kept, and the same command goes on from it"
            ) from error

    def _file(self, name: str, ending: str) -> Path:
        return self.folder / "runs" / f"{name}.{ending}"


def _parts(names: list[str], size: int) -> list[list[str]]:
    """So many at a time, in their order."""
    return [names[i : i + size] for i in range(0, len(names), size)]


def threads_of(folder: Path) -> int | None:
    """How many each process had that trained into a folder; None where that is not known."""
    path = folder / "config.json"
    return _Settled.of(_read(path), path).threads if path.is_file() else None


def summary(history: History) -> dict[str, Any]:
    """One line about a run. One that has diverged ends nowhere: its accuracies are left open."""
    run, ended = history.run, history.diverged is None
    last = history.last(LAST) if ended else []
    final = history.final if ended and history.rows else {}
    mean = sum(last) / len(last) if last else math.nan
    line = {
        "h": run.h,
        "beta": run.beta,
        "seed": run.seed,
        "diverged": "" if history.diverged is None else history.diverged,
        "steps": history.final["step"] if history.rows else 0,
        "final_train_loss": final.get("train_loss", math.nan),
        "final_train_accuracy": final.get("train_accuracy", math.nan),
        "final_test_accuracy": final.get("test_accuracy", math.nan),
        "best_test_accuracy": history.best() if ended else math.nan,
        f"mean_test_accuracy_of_last_{LAST}": mean,
    }
    if any("flow_distance" in row for row in history.rows):
        line |= {f"final_{name}": final.get(name, math.nan) for name in FLOW_COLUMNS}
    if any("sharpness" in row for row in history.rows):
        names = dict.fromkeys(n for row in history.rows for n in row if n.startswith("sharpness"))
        line |= {f"last_{n}": history.latest(n) if ended else math.nan for n in names}
    return line


def parse_run(name: str) -> Run:
    """The run of that name; ModflowError where it is none."""
    try:
        values = dict(part.split("=") for part in name.split(","))
        return Run(float(values["h"]), float(values["beta"]), int(values["seed"]))
    except (ValueError, KeyError) as error:
        raise ModflowError(f"{name!r} is no name of a run") from error


def _experiment(config: dict[str, Any], path: Path) -> Experiment:
    try:
        return Experiment.from_dict(config.get("experiment"))
    except ModflowError as error:
        raise ModflowError(f"{path} is no configuration of a training: {error}") from error


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_bytes())
    except OSError as error:
        raise ModflowError(f"cannot read {path}: {error.strerror or error}") from error
    except ValueError as error:
        raise ModflowError(f"{path} is damaged ({error}): {_remedy(path)}") from error
    except RecursionError as error:
        raise ModflowError(f"{path} is damaged (nested too deeply): {_remedy(path)}") from error
    if not isinstance(found, dict):
        raise ModflowError(f"{path} is damaged: {_remedy(path)}")
    return found


def _remedy(path: Path) -> str:
    config = path.name == "config.json"
    return "give another --out" if config else "remove it to run that again"
