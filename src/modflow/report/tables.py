"""Studies and claims as tables for the terminal."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from string import ascii_lowercase
from typing import Literal

import numpy as np
from rich import box
from rich.console import Console, Group, RenderableType
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from ..batches import BatchSchedule
from ..claims import ClaimResult
from ..convergence import pairwise_slopes
from ..integrate import Comparison
from ..precise import PreciseComparison
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


def _width(table: Table) -> int:
    """The columns of a terminal that it takes."""
    wide = Console(width=1000)
    return Measurement.get(wide, wide.options, table).maximum


def study_view(study: ConvergenceStudy) -> RenderableType:
    """The table of step sizes, errors and slopes, and below it what follows from them."""
    foreseen = study.comparison is not None
    names = ["h", "steps", "error", "slope", *["predicted", "left"] * foreseen, "integrator"]
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in names:
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("")
    reasons = study.left_out
    shared = dict.fromkeys(reason for reason in reasons.values() if ":" in reason)
    marks = dict(zip(shared, ascii_lowercase, strict=False))
    for row in _rows(study):
        cells = {
            "h": f"{row.h:.6g}",
            "steps": "" if row.run is None else str(row.run.steps),
            "error": _figure(row.error, ".3e"),
            "slope": _figure(row.slope, ".3f"),
            "predicted": _figure(row.predicted, ".3e"),
            "left": _figure(row.left_over, ".3g"),
            "integrator": _figure(row.integrator, ".0e"),
        }
        note = marks.get(reasons.get(row.h, ""), reasons.get(row.h, ""))
        table.add_row(*(cells[name] for name in names), note)
    if _width(table) > 80:
        table.padding = (0, 1, 0, 0)  # or else a terminal of that width would lack the last column
    title = f"{study.method.numeric()} on {study.problem}"
    if study.batches is not None:
        title += f", {_order_of(study.batches)}"
    span = "after one step" if study.local else f"up to T = {study.T:g}"
    if study.digits is not None:
        span += f", {study.digits} digits"
    order = f"order {study.order}"
    if study.claimed != study.order:
        order += f", which is one of order {study.claimed}: the next terms vanish"
    return Group(
        Text(f"{title}: iterates against the {study.flow} flow of {order}, {span}"),
        table,
        *(Text(f"{mark}  {reason}") for reason, mark in marks.items()),
        *_conclusions(study),
    )


def _conclusions(study: ConvergenceStudy) -> Iterator[Text]:
    low, high = study.interval
    if math.isfinite(study.observed_order):
        yield Text(f"observed order  {study.observed_order:.3f}   in [{low:.3f}, {high:.3f}]")
    if math.isfinite(study.constant):
        known = study.predicted_constant
        beside = ""
        if known is not None and math.isfinite(known):
            beside = f"   predicted {known:.4g}, {known / study.constant:.3f} of it"
        yield Text(f"constant        {study.constant:.4g}{beside}")
    if study.estimate is None or study.comparison is None:
        yield Text.assemble("verdict         ", verdict_text(study.verdict), f": {study.reason}")
        return
    for name, found in (("order", study.estimate), ("error", study.comparison)):
        yield Text.assemble(f"{name:<16}", verdict_text(str(found.verdict)), f": {found.reason}")
    yield Text.assemble("verdict         ", verdict_text(study.verdict))


def study_csv(study: ConvergenceStudy) -> str:
    """One line a step size: h, steps, error, integrator_error, substeps, slope, the predicted
    error and what it leaves over, note."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    head = ["h", "steps", "error", "integrator_error", "substeps", "slope"]
    writer.writerow([*head, "predicted", "remainder", "note"])
    reasons = study.left_out
    for row in _rows(study):
        writer.writerow(
            [
                repr(row.h),
                "" if row.run is None else row.run.steps,
                _figure(row.error, ".17g"),
                _figure(row.integrator, ".3g"),
                "" if row.run is None else row.run.substeps,
                _figure(row.slope, ".6f"),
                _figure(row.predicted, ".17g"),
                _figure(row.remainder, ".17g"),
                reasons.get(row.h, ""),
            ]
        )
    return out.getvalue()


@dataclass(frozen=True)
class _Row:
    h: float
    run: Comparison | PreciseComparison | None
    error: float
    slope: float
    integrator: float

    @property
    def predicted(self) -> float:
        return math.nan if self.run is None else self.run.predicted

    @property
    def remainder(self) -> float:
        return math.nan if self.run is None else self.run.remainder

    @property
    def left_over(self) -> float:
        return self.remainder / self.predicted if self.predicted else math.nan


def _rows(study: ConvergenceStudy) -> Iterator[_Row]:
    """Coarsest first."""
    columns = study.step_sizes, study.runs, study.errors, slopes(study), study.integrator_errors
    return (_Row(*row) for row in zip(*columns, strict=True))


def _order_of(batches: BatchSchedule) -> str:
    """Its kind, or the sequence itself where that fits."""
    if batches.sequence is None:
        return batches.kind
    shown = ",".join(map(str, batches.sequence[:_SHOWN_BATCHES]))
    return f"sequence {shown}" + (",..." if len(batches.sequence) > _SHOWN_BATCHES else "")


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
        if result.error is not None:
            verdict = Text(_NOT_CHECKED, style="red")
        elif not result.as_expected:
            verdict.append(f" (registry: {result.claim.expected})", style="red")
        found = ", ".join(f"{n} {kind}" for kind, n in counts.items())
        seconds = f"{result.seconds:.1f} s"
        table.add_row(result.claim.id, result.claim.source, found, verdict, seconds)
    return table


def audit_summary(results: Sequence[ClaimResult], asked: int) -> str:
    """How many claims have which verdict, and how many have the recorded one."""
    found = [_NOT_CHECKED if result.error else result.verdict for result in results]
    counts = ", ".join(f"{found.count(v)} {v}" for v in (*_VERDICTS, _NOT_CHECKED) if v in found)
    met = sum(result.as_expected for result in results)
    recorded = f"{met} of {asked} claims have the verdict that the registry records"
    return f"{counts}; {recorded}" if counts else recorded


def claim_view(result: ClaimResult) -> RenderableType:
    """Everything about one claim."""
    claim = result.claim
    lines: list[RenderableType] = [
        Text.assemble((claim.id, "bold"), f"  {claim.source}"),
        Text.assemble("  as printed:    ", (claim.statement, "italic")),
    ]
    if claim.corrected:
        lines.append(Text.assemble("  true instead:  ", (claim.corrected, "italic")))
    for about, heading in _HEADINGS.items():
        found = [evidence for evidence in result.evidence if evidence.about == about]
        if found:
            lines.append(Text(f"  {heading}"))
        for evidence in found:
            # What is beside the point has no verdict to show unless it fails.
            beside = about == "context" and evidence.verdict != "fail"
            mark = Text("note") if beside else verdict_text(evidence.verdict)
            lines.append(Text.assemble("    ", mark, f"  {evidence.kind}: {evidence.text}"))
            lines.append(Text(f"          {evidence.detail}"))
            measured = evidence.sizes_and_errors
            if measured is not None:
                lines.append(Text(_errors_line(*measured)))
    if result.error is not None:
        lines.append(Text.assemble("  ", (_NOT_CHECKED, "red"), f": {result.error}"))
    if claim.command is not None:
        lines.append(Text(f"  what would decide it:  {claim.command}"))
    lines.append(Text.assemble("  verdict: ", verdict_text(result.verdict), "\n"))
    return Group(*lines)


_SHOWN_BATCHES = 12
_NOT_CHECKED = "not checked"
_VERDICTS = ("confirmed", "corrected", "refuted", "inconclusive")
_HEADINGS = {
    "printed": "evidence about the statement as printed",
    "corrected": "evidence about the corrected statement",
    "context": "besides",
}


def _errors_line(sizes: Sequence[float], errors: Sequence[float | None]) -> str:
    pairs = zip(sizes, errors, strict=True)
    shown = [f"{h:.3g}: {'-' if e is None else f'{e:.2e}'}" for h, e in pairs]
    return "          errors by size  " + ", ".join(shown)


def _figure(value: float, form: str) -> str:
    return format(value, form) if math.isfinite(value) else ""
