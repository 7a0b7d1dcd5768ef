"""What a claim is, what counts as evidence, and how evidence makes a verdict.

A claim is a function that yields evidence, registered with its place and its statement::

    @claim("eq-3", source="Section 3, (3)", statement=r"...", expected="confirmed")
    def equation_3():
        yield identity("coefficient of h/4 |grad E|^2", equation, tree, formula)
        yield order("GD against the flow (3)", study)

The verdict follows from the evidence alone: `confirmed` if all of it passes, `refuted` if
any of it fails, `inconclusive` otherwise. A claim that is false as printed also yields
evidence for the corrected statement (`corrected=True`); when all of that passes, the verdict
is `corrected`. `expected` is what the registry records, and `modflow verify` fails where the
evidence says otherwise.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from ..errors import UnknownNameError
from ..modified import ModifiedEquation
from ..series import Tree
from ..study import ConvergenceStudy

Verdict = Literal["confirmed", "corrected", "refuted", "inconclusive"]


@dataclass(frozen=True, eq=False)
class Evidence:
    """One finding: exact (an identity that holds or does not) or numeric (a study)."""

    kind: Literal["exact", "numeric"]
    text: str
    verdict: str
    """`pass`, `fail` or `inconclusive`."""
    detail: str
    """What was found, in one line: the difference that vanishes or does not, the order."""
    corrected: bool = False
    """Whether this speaks for the corrected statement instead of the printed one."""
    data: dict[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "kind": self.kind,
            "text": self.text,
            "verdict": self.verdict,
            "detail": self.detail,
            "corrected": self.corrected,
            "data": self.data,
        }


@dataclass(frozen=True, eq=False)
class Claim:
    """A statement of the paper that can be checked."""

    id: str
    source: str
    statement: str
    """In TeX, as printed."""
    expected: Verdict
    gather: Callable[[], Iterator[Evidence]]
    corrected: str | None = None
    """The nearest true statement, where the printed one is false."""


@dataclass(frozen=True, eq=False)
class ClaimResult:
    """A claim with the evidence that was found and the verdict that follows from it."""

    claim: Claim
    evidence: tuple[Evidence, ...]
    seconds: float

    @property
    def verdict(self) -> Verdict:
        """`confirmed`, `corrected`, `refuted` or `inconclusive`."""
        printed = [e.verdict for e in self.evidence if not e.corrected]
        mended = [e.verdict for e in self.evidence if e.corrected]
        if printed and all(v == "pass" for v in printed):
            return "confirmed"
        if "fail" in printed:
            return "corrected" if mended and all(v == "pass" for v in mended) else "refuted"
        return "inconclusive"

    @property
    def as_expected(self) -> bool:
        """Whether the verdict is the one that the registry records."""
        return self.verdict == self.claim.expected

    def to_dict(self) -> dict[str, Any]:
        """One entry of `modflow verify --json`."""
        return {
            "id": self.claim.id,
            "source": self.claim.source,
            "statement": self.claim.statement,
            "verdict": self.verdict,
            "expected": self.claim.expected,
            "corrected": self.claim.corrected,
            "evidence": [e.to_dict() for e in self.evidence],
        }


NODE, CHAIN = Tree(), Tree([Tree()])
"""The trees of f and f'f, which is all that flows of order 2 have."""
PROBLEMS = ("two-layer", "digits-tanh")
"""What numeric evidence is gathered on: a formula, and a network on real data."""

CLAIMS: dict[str, Claim] = {}
"""All claims, in the order of the paper."""


def claim(
    id: str, *, source: str, statement: str, expected: Verdict, corrected: str | None = None
) -> Callable[[Callable[[], Iterator[Evidence]]], Claim]:
    """Register a function that yields evidence as a claim."""

    def register(gather: Callable[[], Iterator[Evidence]]) -> Claim:
        if id in CLAIMS:
            raise ValueError(f"the claim {id!r} is registered twice")
        CLAIMS[id] = Claim(id, source, statement, expected, gather, corrected)
        return CLAIMS[id]

    return register


def claim_named(id: str) -> Claim:
    """The claim with that id; raises UnknownNameError for another."""
    if id not in CLAIMS:
        raise UnknownNameError("claim", id, CLAIMS)
    return CLAIMS[id]


def check_claim(claim: Claim, progress: Callable[[str], None] | None = None) -> ClaimResult:
    """Gather the evidence for a claim."""
    began, found = time.perf_counter(), []
    for evidence in claim.gather():
        found.append(evidence)
        if progress is not None:
            progress(evidence.text)
    return ClaimResult(claim, tuple(found), time.perf_counter() - began)


# -- kinds of evidence ------------------------------------------------------------------------


def identity(
    text: str, equation: ModifiedEquation, tree: Tree, formula: Any, *, corrected: bool = False
) -> Evidence:
    """Whether a printed coefficient equals the derived one, for all k and all parameters."""
    residual = equation.residual(tree, formula)
    derived = equation.element(tree).to_sympy()
    return Evidence(
        "exact",
        text,
        "pass" if residual == 0 else "fail",
        f"derived: {derived}; minus the printed one: {residual}",
        corrected,
        {
            "tree": list(tree.level_sequence),
            "derived": str(derived),
            "printed": str(formula),
            "difference": str(residual),
        },
    )


def order(text: str, study: ConvergenceStudy, *, corrected: bool = False) -> Evidence:
    """Whether a study shows the order that it was run for.

    Raises KeyboardInterrupt for a study that was ended early: no claim rests on part of one.
    """
    if study.interrupted:
        raise KeyboardInterrupt
    low, high = study.interval
    seen = (
        f"observed order {study.observed_order:.3f} in [{low:.3f}, {high:.3f}], "
        f"expected {study.expected}"
    )
    constant = study.predicted_constant
    if constant is not None:
        seen += f"; constant {study.constant:.4g}, predicted {constant:.4g}"
    return Evidence(
        "numeric",
        text,
        study.verdict,
        seen,
        corrected,
        study.to_dict(),
    )
