"""What commands that train have in common: where it is done, by whom, and how it ends."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .console import Status, say
from .errors import ModflowError

if TYPE_CHECKING:
    from .training.experiment import Experiment, Run
    from .training.grids import GridResult
    from .training.hosts import Hosts
    from .training.store import Recorded


DataDir = Annotated[
    Path | None, typer.Option(help="The folder of the data files; default: the user's cache.")
]
Download = Annotated[bool, typer.Option("--download", help="Fetch data files that are not there.")]
Jobs = Annotated[
    int | None, typer.Option(help="Processes of this machine; default: what is fastest.")
]
AtOnce = Annotated[int | None, typer.Option(help="Runs in one program; default: as memory allows.")]
Dask = Annotated[str | None, typer.Option(help="Train on a Dask cluster: the scheduler's address.")]
OtherHosts = Annotated[
    str | None,
    typer.Option(help="Join other hosts that run this command: auto, or ADDRESS:PORT,COUNT,INDEX."),
]
Device = Annotated[str | None, typer.Option(help="cpu, gpu or tpu; default: JAX's.")]
Plot = Annotated[Path | None, typer.Option(help="Write a .pdf, .png or .svg figure.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON document on stdout, nothing else.")]


@dataclass(frozen=True)
class Where:
    """The options of that name."""

    data_dir: Path | None = None
    download: bool = False
    jobs: int | None = None
    at_once: int | None = None
    stepping: str | None = None
    dask: str | None = None
    hosts: str | None = None
    device: str | None = None

    def check(self) -> None:
        """Raise ModflowError for what cannot be, and where a library is not installed."""
        if self.jobs is not None and self.jobs < 1:
            raise ModflowError(f"at least one process is needed; got --jobs {self.jobs}")
        ways = {"dask": self.dask, "jobs": self.jobs, "hosts": self.hosts}
        given = [f"--{name}" for name, value in ways.items() if value is not None]
        if len(given) > 1:
            raise ModflowError(f"{' and '.join(given)} exclude each other")
        check_installed()

    @contextmanager
    def joined(self) -> Iterator[Hosts]:
        """This process among others, where there are some."""
        from .training.hosts import ALONE, hosts

        if self.hosts is None:
            yield ALONE
            return
        with hosts(self.hosts, say) as found:
            yield found


def check_plot(plot: Path | None) -> None:
    """Raise ModflowError unless a figure can be written there: before the work, not after it."""
    if plot is not None:
        from .files import check_figure_format, check_writable

        check_figure_format(plot)
        check_writable(plot)


def check_installed() -> None:
    """Raise ModflowError unless the libraries for networks are there."""
    from importlib.util import find_spec

    missing = [
        name for name in ("flax", "optax", "orbax.checkpoint") if not _is_there(name, find_spec)
    ]
    if missing:
        raise ModflowError(f"training needs {', '.join(missing)}: pip install 'modflow[networks]'")


def _is_there(name: str, find: Callable[[str], Any]) -> bool:
    try:
        return find(name) is not None
    except ModuleNotFoundError:
        return False


def train_here(
    experiment: Experiment,
    runs: tuple[Run, ...],
    out: Path,
    where: Where,
    hosts: Hosts,
    *,
    recorded: Recorded | None = None,
) -> GridResult:
    """Train a grid with progress on stderr; after Ctrl-C, what is done by then."""
    from .processors import threads as threads_here
    from .report.progress import LateProgress
    from .training.executors import dask_cluster, processes
    from .training.grids import GridResult, Source, load_grid, train_grid
    from .training.progress import from_first_steps

    jobs, threads = _crew(experiment, runs, out, where, hosts, recorded)
    elsewhere: Any = nullcontext((None, 1))
    if where.dask is not None:
        elsewhere = dask_cluster(where.dask)
    elif jobs > 1 or threads not in (None, threads_here()):
        elsewhere = processes(jobs, threads)
    try:
        with (
            elsewhere as (executor, workers),
            LateProgress("compiling", steady=True) as progress,
        ):
            return train_grid(
                experiment,
                runs,
                out,
                source=Source(where.data_dir, where.download),
                platform=where.device,
                at_once=where.at_once,
                stepping=where.stepping,
                executor=executor,
                workers=workers,
                threads=threads,
                split=True,
                hosts=hosts,
                recorded=recorded,
                progress=from_first_steps(progress),
            )
    except KeyboardInterrupt:
        if not (out / "config.json").is_file():
            return GridResult(experiment, runs)  # it came before anything was planned
        return load_grid(out, runs)


def _crew(
    experiment: Experiment,
    runs: tuple[Run, ...],
    out: Path,
    where: Where,
    hosts: Hosts,
    recorded: Recorded | None,
) -> tuple[int, int | None]:
    """How many processes, and how many threads in each; None where that decides nothing here.

    Runs that are added, gone on with or done again have as many threads as before, whatever
    --jobs says: sums are rounded differently by more or fewer.
    """
    from .processors import threads, threads_each
    from .training.devices import place_for
    from .training.store import threads_of

    if where.dask is not None or hosts.count > 1:
        return 1, None
    place = place_for(experiment.architecture, where.device)
    most = min(place.processes(experiment.architecture), len(runs))
    if place.platform != "cpu":
        return where.jobs or most, None
    settled = recorded.threads if recorded is not None else threads_of(out)
    if settled is None:
        jobs = where.jobs or most
        return jobs, threads_each(jobs)
    return where.jobs or min(most, max(1, threads() // settled)), settled


def exit_status(result: GridResult) -> Status:
    """What a grid of runs says by the exit status."""
    if result.diverged:
        return Status.FAILS
    return Status.HOLDS if result.complete else Status.INCONCLUSIVE
