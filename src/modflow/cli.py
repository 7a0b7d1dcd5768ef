"""The command line. Nothing heavy is imported before a command needs it.

Exit status: 0 what was asked holds, 1 it does not, 2 the request is wrong, 3 inconclusive
(also where Ctrl-C ended the work early; what was done is printed).
"""

from __future__ import annotations

import io
import os
import signal
import sys
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from . import cache
from .cli_grids import Json, check_installed
from .cli_reproduce import reproduce
from .cli_training import train
from .console import Status, do_all, interrupt, say, show, stdout_for_results
from .errors import ModflowError, UnknownNameError
from .interrupt import SIGNALS
from .schemas import NAMES, json_text, schema_text

if TYPE_CHECKING:
    from rich.console import RenderableType

    from .batches import BatchSchedule
    from .claims import Claim, ClaimResult
    from .study import ConvergenceStudy

MAX_STEP = 1000
"""The largest --step of derive: the exact coefficients of later steps fill pages."""
_SHOWN_BROKEN = 3
_FIGURES = ("fig-1",)
_TYPERS_INTERRUPTED = 130

app = typer.Typer(
    help="Derive the flow that an optimizer follows, and check on real losses that it does.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


_BY_VERDICT = {
    "pass": Status.HOLDS,
    "fail": Status.FAILS,
    "inconclusive": Status.INCONCLUSIVE,
}

Beta = Annotated[str | None, typer.Option("--beta", help="Momentum: 0.9, 9/10.")]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", help="Another parameter, as NAME=VALUE: nu=0.7, betas=0,0.9."),
]


@app.command()
def derive(
    method: Annotated[str, typer.Argument(help="heavy-ball, nesterov, quasi-hyperbolic, rk4, ...")],
    order: Annotated[int, typer.Option(help="Powers of h up to h^(order-1).")] = 2,
    beta: Annotated[
        str | None, typer.Option("--beta", help="A number such as 0.9 or 9/10; default: symbolic.")
    ] = None,
    settings: Settings = None,
    step: Annotated[
        int | None, typer.Option("--step", help="Coefficients at this step k; default: any k.")
    ] = None,
    limit: Annotated[
        bool, typer.Option("--limit", help="The limit k → ∞ only: much faster at high order.")
    ] = False,
    as_json: Json = False,
    as_latex: Annotated[bool, typer.Option("--latex", help="The equation in TeX.")] = False,
    as_python: Annotated[
        bool, typer.Option("--python", help="The field as a Python module that needs JAX alone.")
    ] = False,
    table: Annotated[
        Path | None, typer.Option(help="Write the table of trees to this .html or .tex file.")
    ] = None,
    document: Annotated[
        Path | None,
        typer.Option("--pdf", help="Write a document with every step to this .pdf, .tex or .md."),
    ] = None,
) -> None:
    """Derive the modified equation of a method, exactly.

    Expressions in JSON are for sympy.sympify(text, {"beta": Symbol("beta")}): to SymPy alone,
    beta is a function.
    """
    asked = [
        name for name, on in (("json", as_json), ("latex", as_latex), ("python", as_python)) if on
    ]
    if len(asked) > 1:
        raise ModflowError(" and ".join(f"--{name}" for name in asked) + " exclude each other")
    if table is not None:
        from .files import check_writable

        if table.suffix not in (".html", ".tex"):
            raise ModflowError(f"{table}: a table of trees is an .html or a .tex file")
        if step is not None:
            raise ModflowError("a table of trees is for all k: leave out --step")
        check_writable(table)
    if document is not None:
        from .documents.write import check_target

        if step is not None:
            raise ModflowError("a document is for all k: leave out --step")
        check_target(document)
    if limit and step is not None:
        raise ModflowError("--limit and --step exclude each other")
    if step is not None and not 0 <= step <= MAX_STEP:
        raise ModflowError(f"--step must be from 0 to {MAX_STEP}, not {step}")
    from .arguments import read_method
    from .modified import cache_key, modified_equation
    from .report.progress import LateProgress

    rule = read_method(method, beta, settings or ())
    interrupt.listen()
    derived = lru_cache(lambda: modified_equation(rule, order, limit=limit))

    def text(kind: str, make: Callable[[], str]) -> str:
        """To write long expressions out takes longer than to derive them."""
        key = cache_key(rule)
        if key is None:
            return make()
        return cache.kept("texts", [kind, key, str(order), str(step), str(limit)], make)

    with LateProgress("deriving"):
        if as_json:
            shown: str | RenderableType = text(
                "json", lambda: json_text("derive", derived().to_dict(step))
            )
        elif as_latex:
            shown = text("latex", lambda: derived().latex(step))
        elif as_python:
            shown = text("python", lambda: derived().to_python(step, limit=limit))
        else:
            from rich.console import Group

            from ._rich import equation_view

            title = f"{derived().method}, order {order}"
            shown = Group(title, equation_view(derived(), step, limit=limit))
        page = ""
        if table is not None:
            equation, html = derived(), table.suffix == ".html"
            page = (equation.to_html if html else equation.to_latex_table)(limit=limit)
    jobs = [lambda: show(shown)]
    if table is not None:
        from .files import write_atomically

        jobs.append(lambda: write_atomically(table, page.encode()))
    if document is not None:
        from .documents.of_method import document_of

        jobs.append(lambda: document_of(rule, order, limit=limit).save(document))
    do_all(jobs)


@app.command()
def sweep(
    method: Annotated[str, typer.Option("--method", help="The update rule.")] = "heavy-ball",
    beta: Beta = None,
    settings: Settings = None,
    problem: Annotated[
        str,
        typer.Option(
            help="two-layer, rosenbrock, quadratic, digits-logistic, digits-tanh; networks with "
            "batch normalization: digits-mlp, digits-resnet, and both with -relu."
        ),
    ] = "two-layer",
    order: Annotated[int, typer.Option(help="Order of the flow, and the order expected.")] = 2,
    flow: Annotated[str, typer.Option(help="piecewise, or limit: k → ∞ from the start.")] = (
        "piecewise"
    ),
    h: Annotated[
        str | None, typer.Option("--h", help="Step sizes: 2^-5:2^-11 or 0.1,0.05,0.025.")
    ] = None,
    until: Annotated[str | None, typer.Option("--T", help="Compare up to this time.")] = None,
    digits: Annotated[
        int | None,
        typer.Option(help="Decimal digits, for problems given by a formula; default: float64."),
    ] = None,
    batches: Annotated[
        int | None, typer.Option(help="Split the data into so many batches, one a step.")
    ] = None,
    sampling: Annotated[
        str | None,
        typer.Option(
            help="Order of the batches: cyclic (the default), once (one permutation for all "
            "epochs), shuffled (one for each), independent (drawn with replacement)."
        ),
    ] = None,
    sequence: Annotated[
        str | None,
        typer.Option(help="A batch for each step, repeated after its end: 0,2,1,1 or @FILE."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the order of the batches.")] = 0,
    as_json: Json = False,
    csv: Annotated[Path | None, typer.Option(help="Write the table to this file.")] = None,
    plot: Annotated[Path | None, typer.Option(help="Write a .pdf, .png or .svg figure.")] = None,
) -> None:
    """Run iterates and flow side by side over step sizes, and judge the order.

    Without --beta, methods with momentum run at 0.9.
    """
    from .files import check_figure_format, check_writable

    for path in filter(None, (csv, plot)):
        check_writable(path)
    if plot is not None:
        check_figure_format(plot)
        if csv is not None and csv.resolve() == plot.resolve():
            raise ModflowError(f"--csv and --plot are both {plot}: give each its own file")
    from .grid import check_step_sizes, parse_grid, parse_number

    sizes = None if h is None else check_step_sizes(parse_grid(h))
    end = None if until is None else float(parse_number(until, "--T"))
    from .arguments import read_method, with_numbers

    rule = with_numbers(read_method(method, beta, settings or ()))
    schedule = _schedule(batches, sampling, sequence, seed)
    from .report.progress import LateProgress
    from .study import convergence_study

    interrupt.listen()
    with LateProgress("compiling", steady=True) as progress:
        study = convergence_study(
            rule,
            problem,
            order,
            sizes,
            end,
            flow=flow,
            batches=schedule,
            digits=digits,
            progress=progress,
        )
    _report_study(study, as_json, csv, plot)
    raise typer.Exit(_BY_VERDICT["inconclusive" if study.interrupted else study.verdict])


def _schedule(
    batches: int | None, sampling: str | None, sequence: str | None, seed: int
) -> BatchSchedule | None:
    if sampling is not None and sequence is not None:
        raise ModflowError("--sampling and --sequence exclude each other")
    if batches is None:
        for name, value in (("--sampling", sampling), ("--sequence", sequence)):
            if value is not None:
                raise ModflowError(f"{name} orders batches: give their number with --batches")
        return None
    from .batches import BatchSchedule

    if sequence is None:
        return BatchSchedule("cyclic" if sampling is None else sampling, batches, seed)
    from .batches.sequences import parse_sequence

    return BatchSchedule.of(parse_sequence(sequence), batches)


def _report_study(
    study: ConvergenceStudy, as_json: bool, csv: Path | None, plot: Path | None
) -> None:
    from .files import write_atomically
    from .report.tables import study_csv, study_view

    jobs = [lambda: show(json_text("sweep", study.to_dict()) if as_json else study_view(study))]
    if csv is not None:
        jobs.append(lambda: write_atomically(csv, study_csv(study).encode()))
    if plot is not None:
        jobs.append(lambda: _plot(study, plot))
    if study.interrupted:
        jobs.append(lambda: say(f"interrupted; step sizes done: {len(study.step_sizes)}"))
    do_all(jobs)


def _plot(study: ConvergenceStudy, path: Path) -> None:
    from .report.figures import sweep_figure
    from .report.save import save

    if any(error > 0 for error in study.errors):
        save(sweep_figure(study), path)
    else:
        say(f"{path} is not written: no step size gave an error")


@app.command()
def verify(
    claims: Annotated[list[str] | None, typer.Argument(help="Claims by id; default: all.")] = None,
    sets: Annotated[
        list[str] | None,
        typer.Option(
            "--claims",
            metavar="PATH",
            help="A file, a folder or an installed set of claims, instead of the paper's; may be "
            "repeated.",
        ),
    ] = None,
    as_json: Json = False,
    junit: Annotated[Path | None, typer.Option(help="Write JUnit XML to this file.")] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Only claims that take less than a second each.")
    ] = False,
    full: Annotated[
        bool, typer.Option("--full", help="More evidence: more losses, three seeds.")
    ] = False,
    seed: Annotated[int, typer.Option(help="Seed of what the evidence draws at random.")] = 0,
    jobs: Annotated[
        int | None, typer.Option(help="Processes; default: one for each processor.")
    ] = None,
    trained: Annotated[
        Path | None,
        typer.Option("--results", help="The folder of `modflow reproduce`, for open claims."),
    ] = None,
) -> None:
    """Check the paper's claims. With ids, show everything about them."""
    if junit is not None:
        from .files import check_writable

        check_writable(junit)
    if trained is not None:
        check_installed()
        if not trained.is_dir():
            raise ModflowError(f"there is no folder {trained}: `modflow reproduce` makes one")
        if not any(trained.glob("*/config.json")):
            raise ModflowError(
                f"{trained} holds nothing of `modflow reproduce`: give its --out, "
                "by default the folder reproduced"
            )
    if quick and full:
        raise ModflowError("--quick and --full exclude each other")
    if quick and claims:
        raise ModflowError("--quick chooses the claims by itself: leave it out, or the claims")
    if seed < 0:
        raise ModflowError(f"a seed is a whole number from 0; got {seed}")
    if jobs is not None and jobs < 1:
        raise ModflowError(f"at least one process is needed; got --jobs {jobs}")
    from .claims import CLAIMS, choose, default_jobs, load_claims
    from .report.progress import LateProgress

    with stdout_for_results():
        # A file that is named twice would have each claim in two sets.
        loaded = [one for where in dict.fromkeys(sets or ()) for one in load_claims(where)]
    chosen = choose(loaded or [CLAIMS], claims or ())
    longer = [claim for claim in chosen if quick and not claim.is_quick]
    chosen = [claim for claim in chosen if claim not in longer]
    interrupt.listen()
    with stdout_for_results(), LateProgress("checking claims") as progress:
        results = _check_all(chosen, seed, jobs or default_jobs(), progress, trained, full)
    interrupted = len(results) < len(chosen)
    if as_json:
        shown: str | RenderableType = json_text("verify", [result.to_dict() for result in results])
    else:
        from rich.console import Group

        from .report.tables import audit_summary, claim_view, claims_table

        views = [claim_view(result) for result in results] if claims else [claims_table(results)]
        shown = Group(*views, audit_summary(results, len(chosen)))
    outputs = [lambda: show(shown)]
    if junit is not None:
        from .files import write_atomically
        from .report.junit import junit_xml

        checked = {result.claim.id for result in results}
        unchecked = [claim for claim in chosen if claim.id not in checked]
        outputs.append(lambda: write_atomically(junit, junit_xml(results, unchecked)))
    if longer:
        left = f"{len(longer)} claims take longer, and are left to a run without --quick"
        outputs.append(lambda: say(left))
    if interrupted:
        done = f"interrupted; claims checked: {len(results)} of {len(chosen)}"
        outputs.append(lambda: say(done))
    broken = [result for result in results if result.error is not None]
    if broken:
        outputs.append(lambda: _refuse_claims(broken))
    do_all(outputs)
    wrong = [result for result in results if not result.as_expected]
    if any(result.verdict != "inconclusive" for result in wrong):
        raise typer.Exit(Status.FAILS)
    # Where nothing was checked, nothing is known to hold.
    raise typer.Exit(
        Status.HOLDS if results and not wrong and not interrupted else Status.INCONCLUSIVE
    )


def _refuse_claims(broken: list[ClaimResult]) -> None:
    """Raise ModflowError for claims whose own code failed: what they ask for is not known."""
    told = [f"{result.claim.id}: {result.error}" for result in broken[:_SHOWN_BROKEN]]
    more = len(broken) - len(told)
    raise ModflowError("not checked: " + "; ".join(told) + f"; and {more} more" * bool(more))


def _check_all(
    chosen: list[Claim],
    seed: int,
    jobs: int,
    progress: Callable[[str, float], None],
    trained: Path | None = None,
    full: bool = False,
) -> list[ClaimResult]:
    """Results in the order asked for; those that are there when Ctrl-C comes."""
    from .claims import check_claims

    found: dict[str, ClaimResult] = {}
    try:
        for result in check_claims(
            chosen, seed=seed, jobs=jobs, progress=progress, results=trained, full=full
        ):
            found[result.claim.id] = result
    except KeyboardInterrupt:
        pass
    return [found[claim.id] for claim in chosen if claim.id in found]


@app.command()
def figure(
    name: Annotated[str, typer.Argument(help="fig-1: end points on the two-layer model.")],
    out: Annotated[
        Path | None, typer.Option(help="A .pdf, .png or .svg file; default: NAME.pdf.")
    ] = None,
    x: Annotated[str, typer.Option("--x", help="The input x of the two-layer model.")] = "1",
    y: Annotated[str, typer.Option("--y", help="Its target y.")] = "0.6",
    as_json: Json = False,
) -> None:
    """Draw a figure of the paper again, with what the modified flows predict.

    The paper does not give x and y of Figure 1; the defaults are Barrett and Dherin's.
    """
    if name not in _FIGURES:
        raise UnknownNameError("figure", name, _FIGURES)
    from .files import check_figure_format, check_writable

    path = Path(f"{name}.pdf") if out is None else out
    check_figure_format(path)
    check_writable(path)
    from .grid import parse_number

    at = float(parse_number(x, "--x")), float(parse_number(y, "--y"))
    from .report.progress import LateProgress

    interrupt.listen()
    with LateProgress("running"):
        from .report.figure_one import figure_one, figure_one_runs
        from .report.save import save

        found = figure_one_runs(*at)
    shown = json_text("figure", found.to_dict()) if as_json else found.table()
    do_all([lambda: show(shown), lambda: save(figure_one(found), path)])


@app.command()
def pdf(
    documents: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[DOCUMENT]...",
            help="Modules, folders of them, or names; default: all of ./derivations, or, where "
            "there is none, those that come with modflow.",
        ),
    ] = None,
    out: Annotated[
        Path, typer.Option(help="The folder for .pdf, .tex and .md; made where it is missing.")
    ] = Path("build/derivations"),
    engine: Annotated[str, typer.Option(help="What makes the .pdf: typst or latex.")] = "typst",
    watch: Annotated[
        bool, typer.Option("--watch", help="Build again what changes, until Ctrl-C.")
    ] = False,
    jobs: Annotated[
        int | None, typer.Option(help="Processes; default: one for each processor.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Also what has not changed.")] = False,
    as_json: Json = False,
) -> None:
    """Prove the equations of documents and write these as .pdf, .tex and .md.

    Exit status 1 where an equation does not hold; 2 where a document cannot be read, or only
    its .pdf not be made.
    """
    if watch and as_json:
        raise ModflowError("--watch and --json exclude each other")
    if jobs is not None and jobs < 1:
        raise ModflowError(f"at least one process is needed; got --jobs {jobs}")
    from .documents.command import build_all, watch_all

    interrupt.listen()
    names, options = documents or (), {"engine": engine, "jobs": jobs, "force": force}
    if watch:
        raise typer.Exit(watch_all(names, out, show, say, **options))
    raise typer.Exit(build_all(names, out, show, say, as_json=as_json, **options))


app.command()(train)
app.command()(reproduce)


@app.command()
def info(as_json: Json = False) -> None:
    """Show versions, devices and precision."""
    import platform
    from importlib.metadata import PackageNotFoundError, version

    import jax

    from . import __version__
    from .claims import installed_sets

    def installed(name: str) -> str | None:
        try:
            return version(name)
        except PackageNotFoundError:
            return None

    names = ["jax", "jaxlib", "diffrax", "sympy", "python-flint", "numpy", "scikit-learn"]
    names += ["flax", "optax", "orbax-checkpoint", "distributed"]
    with jax.enable_x64(True):
        double = str(jax.numpy.zeros(()).dtype)
    found: dict[str, Any] = {
        "modflow": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": {name: installed(name) for name in names},
        "devices": [f"{d.platform}:{d.id} {d.device_kind}" for d in jax.devices()],
        "precision": double,
        "claims": installed_sets(),
        "cache": None if cache.folder() is None else str(cache.folder()),
    }
    if as_json:
        show(json_text("info", found))
        return
    packages = found.pop("packages")
    rows = {**found, **{name: v or "not installed" for name, v in packages.items()}}
    rows["devices"] = ", ".join(found["devices"])
    rows["claims"] = ", ".join(found["claims"])
    rows["cache"] = found["cache"] or f"none: {cache.VARIABLE} names no folder"
    show("\n".join(f"{name:<14} {value}" for name, value in rows.items()))


@app.command()
def schema(
    name: Annotated[str, typer.Argument(help=f"A command with --json: {', '.join(NAMES)}.")],
) -> None:
    """Show the JSON Schema of what a command prints with --json."""
    show(schema_text(name))


def main() -> None:
    """Run the command line; every expected error is one line on stderr."""
    for stream in (sys.stdout, sys.stderr):
        # A terminal that knows no ● shows \\u25cf for it; that is no reason to stop.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    # The coefficients of late steps are exact, and long.
    sys.set_int_max_str_digits(0)
    # Before there is anything to lose, Ctrl-C simply ends the process: extension modules do
    # not survive a KeyboardInterrupt while they are loaded.
    before = {
        number: signal.signal(number, signal.SIG_DFL)
        for number in SIGNALS
        if signal.getsignal(number) is not None
    }
    try:
        status = _run()
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_IGN if interrupt.came else handler)
    sys.exit(status)


def _run() -> int:
    try:
        cache.check()
        cache.keep_programs()
        _check_epoch()
        status = app(standalone_mode=False, prog_name="modflow")
        if status == _TYPERS_INTERRUPTED:
            raise KeyboardInterrupt
        return int(status or 0)
    except ModflowError as error:
        return _refuse(" ".join(str(error).split()))
    except (KeyboardInterrupt, typer.Abort):
        say("interrupted")
        return Status.INCONCLUSIVE
    except OSError as error:
        return _refuse(f"{error.strerror or error}" + f": {error.filename}" * bool(error.filename))
    except Exception as error:
        # Typer's own usage errors; where they live depends on its version.
        if not hasattr(error, "format_message"):
            raise
        message = error.format_message()
        if message.startswith("Usage:"):
            print(message, file=sys.stderr)
            return Status.BAD_REQUEST
        asked = getattr(getattr(error, "ctx", None), "command_path", "modflow")
        return _refuse(f"{message.rstrip('.')} (see {asked} --help)")


def _check_epoch() -> None:
    """Raise ModflowError for a SOURCE_DATE_EPOCH that is no time; take an empty one away.

    Libraries read it where nobody expects it: with one that is wrong SciPy cannot be imported.
    """
    asked = os.environ.get("SOURCE_DATE_EPOCH")
    if asked == "":
        del os.environ["SOURCE_DATE_EPOCH"]
    elif asked is not None:
        from .documents.epoch import build_time

        build_time()


def _refuse(message: str) -> Status:
    say(f"error: {message}")
    return Status.BAD_REQUEST


if __name__ == "__main__":
    main()
