"""The audit: every claim of the paper that can be checked, with verdict and evidence."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from modflow.claims import CLAIMS, Claim, ClaimResult, Evidence, check_claims, default_jobs
from modflow.claims._evidence import PRECISION, SIGMAS
from modflow.claims._registry import Verdict
from modflow.documents import Document
from modflow.documents.errors import StepError
from modflow.documents.statements import as_text

LONG = 240
"""Letters of a finding beyond which another one is shown, if there is one."""
VERDICTS: tuple[Verdict, ...] = ("confirmed", "corrected", "refuted", "inconclusive")


def __getattr__(name: str) -> Any:
    """The document of all claims, once it is asked for; `build` makes one of a few."""
    if name != "document":
        raise AttributeError(name)
    return _whole()


@cache
def _whole() -> Document:
    return build(list(CLAIMS.values()))


def build(
    claims: Sequence[Claim],
    check: Callable[..., Iterable[ClaimResult]] = check_claims,
) -> Document:
    """The document of these claims, with evidence that is found now.

    Raises StepError for a claim that gets another verdict than the registry records.
    """
    found = {result.claim: result for result in check(claims, jobs=default_jobs())}
    results = [found[claim] for claim in claims]
    for step, result in enumerate(results, 1):
        if not result.as_expected:
            _refuse(step, result)
    document = Document(
        "The audit",
        authors=["The modflow developers"],
        bibliography="references.bib",
        keywords=("backward error analysis", "momentum", "reproducibility"),
        abstract=_abstract(results),
    )
    _introduce(document, results)
    _list(document, results)
    _corrected(document, [r for r in results if r.verdict in ("corrected", "refuted")])
    _open(document, [r for r in results if r.verdict == "inconclusive"])
    return document


def _refuse(step: int, result: ClaimResult) -> None:
    claim = result.claim
    code = claim.gather.__code__
    about = "corrected" if claim.expected == "corrected" and _of(result, "printed", "fail") else ""
    wrong = _of(result, about or "printed", "fail") or _of(result, about or "printed", "")
    what = f"{wrong[0].text}: {wrong[0].detail}" if wrong else "no evidence about the statement"
    raise StepError(
        f"{Path(__file__).name}:{sys._getframe().f_lineno}: step {step} of {Path(__file__).stem} "
        f"does not hold: the claim {claim.id} ({Path(code.co_filename).name}:"
        f"{code.co_firstlineno}) is {result.verdict} by the evidence, and {claim.expected} on "
        f"record: {what}"
    )


def _of(result: ClaimResult, about: str, verdict: str) -> list[Evidence]:
    """The evidence about a statement, all or of one outcome: what is short and exact first."""
    found = [
        e for e in result.evidence if e.about == about and (not verdict or e.verdict == verdict)
    ]
    return sorted(found, key=lambda e: (len(e.detail) > LONG, e.kind != "exact"))


def _count(results: Sequence[ClaimResult], kind: str) -> int:
    return sum(e.kind == kind for result in results for e in result.evidence)


# -- prose ----------------------------------------------------------------------------------------


def _abstract(results: Sequence[ClaimResult]) -> str:
    number = Counter(result.verdict for result in results)
    parts = [f"{number[v]} {v}" for v in VERDICTS if number[v]]
    return rf"""
[@ghosh2023] is checked statement by statement. Of {len(results)} claims, {", ".join(parts)}, by
{_count(results, "exact")} exact and {_count(results, "numeric")} numeric findings, all of them
made when this document was built: had one claim got another verdict than the one on record, there
would be no document. Where a statement is false as printed, the nearest true one stands beside it,
with the evidence for both.
"""


def _introduce(document: Document, results: Sequence[ClaimResult]) -> None:
    number = Counter(result.verdict for result in results)
    document.text(rf"""
# How a verdict is found {{#sec:how}}

A *claim* is a statement of [@ghosh2023] together with the formulas printed in it. Its evidence is
made from these formulas and from a derivation of its own, never from a verdict, so that a misprint
is noticed. *Exact* evidence is an identity for all steps and all parameters, or the difference that
does not vanish. *Numeric* evidence is a measurement with a rule that was there before it: an order
is judged by an interval that accounts for the errors of the integrator, and a random sample passes
within {SIGMAS:g} standard errors, which decides nothing unless these are below {PRECISION:g} of
the value. The verdict follows from the evidence alone:
""")
    document.table(
        ["verdict", "meaning", "claims"],
        [
            ["confirmed", "all evidence about the statement as printed passes",
             number["confirmed"]],
            ["corrected", "false as printed; all evidence about the nearest true statement passes",
             number["corrected"]],
            ["refuted", "false as printed, and nothing stands in its place", number["refuted"]],
            ["inconclusive", "what there is cannot tell; a command is named that could",
             number["inconclusive"]],
        ],
        caption="Verdicts, and how many claims have each.",
        label="tab:verdicts",
        align="llr",
    )  # fmt: skip
    document.text(r"""
Words in square brackets in a statement are not the paper's. They say how it is read where its text
leaves that open. Evidence is given in the words of the program that found it; `modflow verify`
shows all of it for a claim.
""")


def _list(document: Document, results: Sequence[ClaimResult]) -> None:
    document.text(r"""
# All claims {#sec:all}

@tab:claims has the claims in the order of the paper, with the numbers of exact and of numeric
findings. The last column says what one finding about the statement as printed is about: where it is
false, one that shows it. What is not confirmed is listed again below, with its statement.
""")
    rows = []
    for result in results:
        claim = result.claim
        failed = _of(result, "printed", "fail")
        first = (failed or _of(result, "printed", ""))[0]
        rows.append(
            [
                claim.id,
                claim.source.split(",")[0],
                result.verdict,
                sum(e.kind == "exact" for e in result.evidence),
                sum(e.kind == "numeric" for e in result.evidence),
                _code(first.text),
            ]
        )
    document.table(
        ["claim", "place", "verdict", "ex.", "num.", "finding"],
        rows,
        caption="Claims, verdicts and evidence.",
        label="tab:claims",
        align="lllrrl",
        widths=(0.24, 0.17, 0.14, 0.05, 0.07, 0.33),
    )


def _corrected(document: Document, results: Sequence[ClaimResult]) -> None:
    if not results:
        return
    document.text(r"""
# What is false as printed {#sec:false}

Each of these statements is quoted, with a finding against it, and followed by the statement that
has all evidence for it.
""")
    for result in results:
        claim = result.claim
        _head(document, claim)
        document.quote(as_text(claim.statement), "as printed")
        document.text(_findings("Against it", _of(result, "printed", "fail")))
        if claim.corrected:
            document.quote(as_text(claim.corrected), "what is true instead")
            document.text(_findings("For it", _of(result, "corrected", "pass")))


def _open(document: Document, results: Sequence[ClaimResult]) -> None:
    if not results:
        return
    document.text(r"""
# What stays open {#sec:open}

These statements are about the training of networks at a scale that no audit repeats, or about
causes. Each has a command that would decide it, or bring it closer to a decision.
""")
    for result in results:
        _head(document, result.claim)
        document.quote(as_text(result.claim.statement), "as printed")
        document.text(f"The command is {_code(str(result.claim.command))}.")


def _head(document: Document, claim: Claim) -> None:
    document.text(f"## {_code(claim.id)}: {claim.source} {{#sec:{claim.id}}}")


def _findings(what: str, evidence: Sequence[Evidence]) -> str:
    first, more = evidence[0], len(evidence) - 1
    rest = f"; {more} more" if more else ""
    return f"{what} ({first.kind}{rest}): {_code(first.text)}. Found: {_code(first.detail)}."


def _code(text: str) -> str:
    """What a program says, with the signs of a program."""
    fence = "``" if "`" in text else "`"
    return f"{fence}{' '.join(text.split())}{fence}"
