"""`modflow train`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

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
    exit_status,
    train_here,
)
from .console import do_all, interrupt, say, show
from .errors import ModflowError
from .schemas import json_text

if TYPE_CHECKING:
    from .training.experiment import Run
    from .training.grids import GridResult

_SEEDS = 1000


def train(
    context: typer.Context,
    config: Annotated[
        Path | None,
        typer.Option(help="Do again what a config.json says, with the same bits on this device."),
    ] = None,
    data: Annotated[str, typer.Option(help="digits, mnist, cifar-10, cifar-100.")] = "digits",
    data_dir: DataDir = None,
    download: Download = False,
    images: Annotated[
        str, typer.Option("--train", help="Training images, drawn by the seed: a number, or all.")
    ] = "1000",
    test: Annotated[
        int | None, typer.Option(help="Test images; default: the test part, or all others.")
    ] = None,
    size: Annotated[
        int | None, typer.Option(help="Average the images down to so many pixels a side.")
    ] = None,
    network: Annotated[
        str,
        typer.Option(
            help="mlp, resnet-6, resnet-10, resnet-18, resnet-50, densenet-121, wide-resnet-16-8."
        ),
    ] = "mlp",
    width: Annotated[
        int | None, typer.Option(help="Channels of the first layer; default: as published.")
    ] = None,
    depth: Annotated[int, typer.Option(help="Hidden layers of an mlp.")] = 2,
    activation: Annotated[str, typer.Option(help="relu, gelu, tanh, softplus.")] = "relu",
    batch_norm: Annotated[bool, typer.Option(help="Batch normalization.")] = True,
    initialization: Annotated[str, typer.Option(help="torch, he, lecun.")] = "torch",
    precision: Annotated[str, typer.Option(help="float32, bfloat16, float64.")] = "float32",
    h: Annotated[str, typer.Option("--h", help="Step sizes: 0.1,0.05 or 2^-2:2^-5.")] = "0.1",
    beta: Annotated[str, typer.Option(help="Momenta: 0,0.5,0.9.")] = "0",
    effective: Annotated[
        str | None, typer.Option(help="h/(1-beta) instead of --h, the same for all momenta.")
    ] = None,
    seeds: Annotated[str, typer.Option(help="How many, from 0 on; or a list such as 0,3.")] = "1",
    batch: Annotated[str, typer.Option(help="Images a step: a number, or full.")] = "full",
    steps: Annotated[int | None, typer.Option(help="Default: 200.")] = None,
    epochs: Annotated[
        int | None, typer.Option(help="Instead of --steps: passes over the training images.")
    ] = None,
    decay: Annotated[str, typer.Option(help="constant, linear, cosine, steps.")] = "constant",
    record_every: Annotated[
        int | None,
        typer.Option(help="Steps between measurements; default: 10, or an epoch of batches."),
    ] = None,
    sharpness_every: Annotated[
        int, typer.Option(help="Steps between eigenvalues of the Hessian; 0: none.")
    ] = 0,
    eigenvalues: Annotated[int, typer.Option(help="How many of the largest.")] = 1,
    flow: Annotated[
        int, typer.Option(help="Order 1 to 3 of a modified flow beside the iterates; 0: none.")
    ] = 0,
    out: Annotated[
        Path, typer.Option(help="The folder of the results; what is done there is skipped.")
    ] = Path("runs"),
    jobs: Jobs = None,
    at_once: AtOnce = None,
    stepping: Annotated[
        str | None,
        typer.Option(
            help="loop (compiled) or host (a call each); default: what is faster, as tried out."
        ),
    ] = None,
    dask: Dask = None,
    hosts: OtherHosts = None,
    device: Device = None,
    plot: Plot = None,
    as_json: Json = False,
) -> None:
    """Train a network over step sizes, momenta and seeds, and record what the theory asks.

    Exit status 1 where a run diverged. Ended early, by Ctrl-C or otherwise, the same command goes
    on from the last checkpoints.
    """
    check_plot(plot)
    if steps is not None and epochs is not None:
        raise ModflowError("--steps and --epochs exclude each other")
    where = Where(data_dir, download, jobs, at_once, stepping, dask, hosts, device)
    where.check()
    if config is not None:
        _alone(context)
        from .training.store import Recorded

        interrupt.listen()
        with where.joined() as all_hosts:
            recorded = Recorded.read(config)
            runs = tuple(run for group in recorded.groups for run in group)
            result = train_here(recorded.experiment, runs, out, where, all_hosts, recorded=recorded)
        raise typer.Exit(_report(result, out, plot, as_json, first=all_hosts.first))
    from .training.experiment import Experiment
    from .training.lengths import steps_and_records

    sample = None if images == "all" else _whole(images, "--train", "a number of images, or all")
    chosen: dict[str, Any] = {
        "data": data,
        "train": sample,
        "test": test,
        "size": size,
        "architecture": network,
        "width": width,
        "depth": depth,
        "activation": activation,
        "batch_norm": batch_norm,
        "initialization": initialization,
        "precision": precision,
        "batch": None
        if batch == "full"
        else _whole(batch, "--batch", "a number of images, or full"),
        "decay": decay,
        "sharpness_every": sharpness_every,
        "eigenvalues": eigenvalues,
        "flow": flow,
    }
    # What is wrong with the request is said before data are looked for.
    recorded_every = 1 if record_every is None else record_every
    asked = Experiment(**{**chosen, "record_every": recorded_every, "sharpness_every": 0})
    if effective is not None and _typed(context, "h"):
        raise ModflowError("--h and --effective exclude each other")
    runs = _grid(h, beta, effective, seeds)
    interrupt.listen()
    with where.joined() as all_hosts:
        lengths = steps_and_records(asked, data_dir, download, steps, epochs, record_every)
        experiment = Experiment(**chosen, steps=lengths[0], record_every=lengths[1])
        result = train_here(experiment, runs, out, where, all_hosts)
    raise typer.Exit(_report(result, out, plot, as_json, first=all_hosts.first))


_BESIDE_CONFIG = (
    *("config", "data_dir", "download", "out", "jobs", "dask", "hosts", "device"),
    *("plot", "as_json"),
)


def _alone(context: typer.Context) -> None:
    """Raise ModflowError where --config has options beside it that it decides itself."""
    for parameter in context.command.params:
        name = parameter.name or ""
        if name not in _BESIDE_CONFIG and _typed(context, name):
            raise ModflowError(f"{parameter.opts[0]} is said by --config")


def _typed(context: typer.Context, name: str) -> bool:
    given = context.get_parameter_source(name)
    return given is not None and given.name == "COMMANDLINE"


def _report(result: GridResult, out: Path, plot: Path | None, as_json: bool, *, first: bool) -> int:
    if not first:
        return exit_status(result)  # the first host tells
    from .report.training import curves_figure, grid_json, grid_view

    jobs: list[Callable[[], None]] = []
    if as_json:
        jobs.append(lambda: show(json_text("train", grid_json(result))))
    elif result.histories:
        jobs.append(lambda: show(grid_view(result)))
    if plot is not None and result.histories:
        from .report.save import save

        jobs.append(lambda: save(curves_figure(result), plot))
    if not result.complete:
        done = f"{len(result.histories)} of {len(result.runs)} runs are done"
        jobs.append(
            lambda: say(f"interrupted: {done}; the same command goes on from there ({out})")
        )
    do_all(jobs)
    return exit_status(result)


def _grid(h: str, beta: str, effective: str | None, seeds: str) -> tuple[Run, ...]:
    from .grid import parse_grid, parse_number
    from .training.experiment import Run, grid_of

    betas = [parse_number(part, "--beta") for part in beta.split(",")]
    numbers = _seeds(seeds)
    if effective is None:
        return grid_of(parse_grid(h), map(float, betas), numbers)
    rate = parse_number(effective, "--effective")
    # Exactly, so that 0.1 (1 - 0.3) is 0.07 and not the float beside it.
    return tuple(
        dict.fromkeys(Run(float(rate * (1 - b)), float(b), s) for b in betas for s in numbers)
    )


def _seeds(text: str) -> list[int]:
    if "," in text:
        return [_whole(part, "--seeds", "seeds such as 0,3") for part in text.split(",")]
    count = _whole(text, "--seeds", "how many seeds, or a list such as 0,3")
    if not 1 <= count <= _SEEDS:
        raise ModflowError(f"--seeds is how many, from 1 to {_SEEDS}; got {count}")
    return list(range(count))


def _whole(text: str, name: str, what: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise ModflowError(f"{name} {text!r} is not {what}") from None
