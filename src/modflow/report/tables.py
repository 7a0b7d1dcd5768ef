"""Studies and claims as tables for the terminal."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator, Sequence
from typing import Literal

import numpy as np
from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ..claims import ClaimResult
from ..convergence import pairwise_slopes
from ..integrate import Comparison
from ..study import ConvergenceStudy

STYLES = {
    "pass": "green",
    "confirmed": "green",
    "corrected": "yellow",
    "inconclusive": "yellow",
    "fail": "red",
    "refuted": "red",
}


def verdict_text(verdict: str) -> Text:
    """A verdict in its colour."""
    return Text(verdict, style=STYLES.get(verdict, ""))


def slopes(study: ConvergenceStudy) -> list[float]:
    """The slope between each size and the one before it; NaN where one of them has no error."""
    sizes, errors = np.array(study.step_sizes), np.array(study.errors)
    return [math.nan, *pairwise_slopes(sizes, errors)][: len(sizes)]


def left_out(study: ConvergenceStudy) -> dict[float, str]:
    """Step sizes that do not enter the order, with the reason."""
    reasons = dict(study.excluded)
    if study.estimate is not None:
        for i, reason in study.estimate.excluded:
            reasons[float(study.estimate.step_sizes[i])] = reason
    return reasons


def _rows(
    study: ConvergenceStudy,
) -> Iterator[tuple[float, Comparison | None, float, float, float]]:
    """Step size, run, error, slope and the integrator's share of the error, coarsest first."""
    columns = study.step_sizes, study.runs, study.errors, slopes(study), study.integrator_errors
    return zip(*columns, strict=True)


def study_view(study: ConvergenceStudy) -> RenderableType:
    """The table of step sizes, errors and slopes, and below it what follows from them."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("h", "steps", "error", "slope", "integrator"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("")
    reasons = left_out(study)
    for h, run, error, slope, share in _rows(study):
        table.add_row(
            f"{h:.6g}",
            "" if run is None else str(run.steps),
            _figure(error, ".3e"),
            _figure(slope, ".3f"),
            _figure(share, ".0e"),
            reasons.get(h, "").split(":")[0],
        )
    title = f"{study.method.numeric()} on {study.problem}"
    span = "after one step" if study.local else f"up to T = {study.T:g}"
    low, high = study.interval
    lines = [Text(reason) for reason in dict.fromkeys(reasons.values()) if ":" in reason]
    if math.isfinite(study.observed_order):
        lines.append(
            Text(f"observed order  {study.observed_order:.3f}   in [{low:.3f}, {high:.3f}]")
        )
    if math.isfinite(study.constant):
        lines.append(Text(f"constant        {study.constant:.4g}"))
    return Group(
        Text(f"{title}: iterates against the {study.flow} flow of order {study.order}, {span}"),
        table,
        *lines,
        Text.assemble("verdict         ", verdict_text(study.verdict), f": {study.reason}"),
    )


def study_csv(study: ConvergenceStudy) -> str:
    """One line a step size: h, steps, error, integrator_error, substeps, slope, note."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["h", "steps", "error", "integrator_error", "substeps", "slope", "note"])
    reasons = left_out(study)
    for h, run, error, slope, share in _rows(study):
        writer.writerow(
            [
                repr(h),
                "" if run is None else run.steps,
                _figure(error, ".17g"),
                _figure(share, ".3g"),
                "" if run is None else run.substeps,
                _figure(slope, ".6f"),
                reasons.get(h, ""),
            ]
        )
    return out.getvalue()


def claims_table(results: Sequence[ClaimResult]) -> Table:
    """One row a claim."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("claim", "place", "evidence", "verdict", "time"):
        side: Literal["left", "right"] = "right" if name == "time" else "left"
        table.add_column(name, justify=side, no_wrap=name in ("claim", "time"), overflow="fold")
    for result in results:
        counts: dict[str, int] = {}
        for evidence in result.evidence:
            counts[evidence.kind] = counts.get(evidence.kind, 0) + 1
        verdict = verdict_text(result.verdict)
        if not result.as_expected:
            verdict.append(f" (registry: {result.claim.expected})", style="red")
        found = ", ".join(f"{n} {kind}" for kind, n in counts.items())
        seconds = f"{result.seconds:.1f} s"
        table.add_row(result.claim.id, result.claim.source, found, verdict, seconds)
    return table


def claim_view(result: ClaimResult) -> RenderableType:
    """Everything about one claim."""
    claim = result.claim
    lines: list[RenderableType] = [
        Text.assemble((claim.id, "bold"), f"  {claim.source}"),
        Text(f"  {claim.statement}", style="italic"),
    ]
    if claim.corrected:
        lines.append(Text(f"  true instead: {claim.corrected}"))
    for evidence in result.evidence:
        whose = " (corrected statement)" if evidence.corrected else ""
        lines.append(
            Text.assemble(
                "  ", verdict_text(evidence.verdict), f"  {evidence.kind}: {evidence.text}{whose}"
            )
        )
        lines.append(Text(f"        {evidence.detail}"))
        if evidence.data.get("solver"):
            lines.append(Text(_errors_line(evidence.data)))
    lines.append(Text.assemble("  verdict: ", verdict_text(result.verdict), "\n"))
    return Group(*lines)


def _errors_line(data: dict[str, list[float]]) -> str:
    pairs = zip(data["step_sizes"], data["errors"], strict=True)
    shown = [f"{h:.3g}: {'-' if e is None else f'{e:.2e}'}" for h, e in pairs]
    return "        errors by h  " + ", ".join(shown)


def _figure(value: float, form: str) -> str:
    return format(value, form) if math.isfinite(value) else ""
