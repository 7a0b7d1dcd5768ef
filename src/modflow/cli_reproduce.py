"""`modflow reproduce`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .cli_grids import (
    AtOnce,
    Dask,
    DataDir,
    Device,
    Download,
    Jobs,
    Json,
    OtherHosts,
    Plot,
    Where,
    check_plot,
    train_here,
)
from .console import Status, do_all, interrupt, say, show
from .schemas import json_text

if TYPE_CHECKING:
    from .report.reproduction import Reproduced


def reproduce(
    figure: Annotated[str, typer.Argument(help="fig-2, fig-3, fig-4 or table-1.")],
    scale: Annotated[
        str,
        typer.Option(
            help="paper: as printed, for an accelerator. small: MNIST, half an hour on two"
            " processors. tiny: digits, two minutes."
        ),
    ] = "tiny",
    data_dir: DataDir = None,
    download: Download = False,
    out: Annotated[
        Path, typer.Option(help="The folder of the results; what is done there is skipped.")
    ] = Path("reproduced"),
    jobs: Jobs = None,
    at_once: AtOnce = None,
    dask: Dask = None,
    hosts: OtherHosts = None,
    device: Device = None,
    plot: Plot = None,
    as_json: Json = False,
) -> None:
    """Run an experiment of the paper on networks, and show its numbers beside the paper's.

    `modflow verify --results DIR` takes what was found as evidence. Exit status 1 where a run
    diverged. Ended early, by Ctrl-C or otherwise, the same command goes on from the last
    checkpoints.
    """
    check_plot(plot)
    where = Where(data_dir, download, jobs, at_once, None, dask, hosts, device)
    where.check()
    from .report.reproduction import Reproduced
    from .training.paper import reproduction

    asked = reproduction(figure, scale)
    interrupt.listen()
    results = []
    with where.joined() as all_hosts:
        for part in asked.parts:
            result = train_here(part.experiment, part.runs, out / part.name, where, all_hosts)
            results.append(result)
            if not result.complete:
                break
        found = Reproduced(asked, tuple(results), out)
        if not all_hosts.first:
            raise typer.Exit(_status(found))
    raise typer.Exit(_report(found, plot, as_json))


def _report(found: Reproduced, plot: Path | None, as_json: bool) -> int:
    from .report.reproduction import reproduction_figure, reproduction_json, reproduction_view

    claims = found.claims()
    jobs: list[Callable[[], None]] = [
        lambda: show(
            json_text("reproduce", reproduction_json(found, claims))
            if as_json
            else reproduction_view(found, claims)
        )
    ]
    if plot is not None and any(result.histories for result in found.results):
        from .report.save import save

        jobs.append(lambda: save(reproduction_figure(found), plot))
    if not found.complete:
        done = sum(len(result.histories) for result in found.results)
        count = sum(len(part.runs) for part in found.asked.parts)
        message = f"interrupted: {done} of {count} runs are done; the same command goes on from"
        jobs.append(lambda: say(f"{message} there ({found.folder})"))
    do_all(jobs)
    return _status(found)


def _status(found: Reproduced) -> Status:
    if found.diverged:
        return Status.FAILS
    return Status.HOLDS if found.complete else Status.INCONCLUSIVE
