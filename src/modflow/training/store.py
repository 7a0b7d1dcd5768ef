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

from ..errors import ModflowError
from ..files import write_atomically
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
    digest: str
    """The SHA-256 of the images."""

    @classmethod
    def read(cls, path: Path) -> Recorded:
        """From the file. Raises ModflowError where it is none of a training, or damaged."""
        found = _read(path)
        experiment = _experiment(found, path)
        try:
            groups = tuple(tuple(map(parse_run, group)) for group in found["groups"])
            digest = str(found["data_sha256"])
        except (KeyError, TypeError, AttributeError) as error:
            raise ModflowError(f"{path} is damaged: {error}") from error
        if not any(groups):
            raise ModflowError(f"there are no runs in {path}")
        return cls(experiment, groups, found.get("stepping"), digest)


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
        self._check(origin)
        self._origin = origin
        self._groups: list[list[str]] = self._read_config().get("groups", [])
        self._stepping: str | None = self._read_config().get("stepping")

    @classmethod
    def open(cls, folder: Path) -> Store:
        """The results that a folder holds. Raises ModflowError where there are none."""
        path = folder / "config.json"
        if not path.is_file():
            raise ModflowError(f"{folder} holds no training: there is no {path.name} in it")
        found = _read(path)
        own = {"experiment", "groups", "stepping"}
        origin = {name: value for name, value in found.items() if name not in own}
        return cls(folder, _experiment(found, path), origin)

    def known(self) -> list[Run]:
        """All runs that were ever asked for here."""
        return [parse_run(name) for group in self._groups for name in group]

    def _read_config(self) -> dict[str, Any]:
        return _read(self._config) if self._config.exists() else {}

    def _check(self, origin: dict[str, Any]) -> None:
        found = self._read_config()
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

    def settle(self, stepping: str) -> None:
        """Keep how steps are made."""
        if stepping != self._stepping:
            self._stepping = stepping
            self._save_config()

    def plan(
        self, runs: Sequence[Run], size: int, recorded: Recorded | None = None
    ) -> list[tuple[Run, ...]]:
        """The runs that are left to do, in groups that are trained together.

        Groups once begun stay as they are, so that a grid that was interrupted ends with the same
        numbers as one that was not. So do those of a training that is done again.
        """
        by_name = {run.name: run for run in runs}
        known = {name for group in self._groups for name in group}
        new = [run.name for run in runs if run.name not in known]
        if new or not self._config.exists():
            if recorded is None:
                groups = [new[i : i + size] for i in range(0, len(new), size)]
            else:
                groups = [[run.name for run in group] for group in recorded.groups]
                if self._groups and self._groups != groups:
                    raise ModflowError(f"{self.folder} holds other runs: give another --out")
            self._groups += groups
            self._save_config()
        # A group that was begun for a larger grid is finished as a whole.
        left = []
        for group in self._groups:
            asked = [name for name in group if name in by_name]
            if asked and not all(self.is_done(name) for name in group):
                left.append(tuple(by_name.get(name) or parse_run(name) for name in group))
        return left

    def _save_config(self) -> None:
        config = {
            **self._origin,
            "stepping": self._stepping,
            "experiment": self.experiment.to_dict(),
            "groups": self._groups,
        }
        write_atomically(self._config, (json.dumps(config, indent=2) + "\n").encode())

    def is_done(self, name: str) -> bool:
        """Whether a run of this name has ended."""
        return self._file(name, "json").exists()

    def checkpoints(self, group: Sequence[Run]) -> Path:
        """Where a group keeps its own."""
        return self.folder / "checkpoints" / group[0].name

    def forget(self, group: Sequence[Run]) -> None:
        """Take the checkpoints of a group away, which has ended."""
        folder = self.checkpoints(group)
        shutil.rmtree(folder, ignore_errors=True)
        folder.with_name(folder.name + ".share").unlink(missing_ok=True)
        with suppress(OSError):
            folder.parent.rmdir()

    def keep(self, history: History, notes: dict[str, Any]) -> None:
        """Write down a finished run."""
        found = json.dumps({**history.to_dict(), **notes}) + "\n"
        self._write(self._file(history.run.name, "csv"), table(history.rows))
        # Last, as it says that the run is done.
        self._write(self._file(history.run.name, "json"), found)

    def load(self, runs: Iterable[Run]) -> list[History]:
        """Those of the runs that are done. Raises ModflowError for a file that is damaged."""
        found = []
        for run in runs:
            path = self._file(run.name, "json")
            if path.exists():
                try:
                    found.append(History.from_dict(_read(path)))
                except (KeyError, TypeError) as error:
                    raise ModflowError(f"{path} is no result of a training; remove it") from error
        return found

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
        line["last_sharpness"] = history.latest("sharpness") if ended else math.nan
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
        return Experiment.from_dict(config["experiment"])
    except (KeyError, TypeError, ModflowError) as error:
        raise ModflowError(f"{path} is no configuration of a training: {error}") from error


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_bytes())
    except OSError as error:
        raise ModflowError(f"cannot read {path}: {error.strerror or error}") from error
    except ValueError as error:
        raise ModflowError(f"{path} is damaged: {error}; remove it to run that again") from error
    if not isinstance(found, dict):
        raise ModflowError(f"{path} is damaged: remove it to run that again")
    return found
