"""Claims as tests: one item a claim, collected beside the tests of a project."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from . import observing
from .cache import keep_programs
from .errors import ModflowError

GROUP = "modflow-claims"
_ORDER = ("expected", "observed_order", "interval", "reason")
"""What the data of evidence about an order has."""


def claim_items(session: pytest.Session, named: Sequence[str]) -> Iterator[pytest.Item]:
    """The claims of these files, folders and installed sets, or of the paper where none is named.

    Paths are relative to the project's root. What cannot be loaded is an error of collection, as
    for a test module that cannot be imported.
    """
    for where in named or [""]:
        name = "/".join(filter(None, (GROUP, where)))
        yield from session.genitems(ClaimsSource.from_parent(session, name=name, where=where))


class ClaimsSource(pytest.Collector):
    """What one entry of modflow_claims names."""

    def __init__(self, *, where: str, **more: Any) -> None:
        super().__init__(**more, nodeid=more["name"])
        self.where = where

    def collect(self) -> Iterator[pytest.Collector]:
        """One collector a set."""
        try:
            keep_programs()
            from .claims import CLAIMS, load_claims
        except ImportError as error:
            raise self.CollectError(
                f"claims need modflow with all that it depends on: {error}"
            ) from error
        except ModflowError as error:
            raise self.CollectError(str(error)) from error
        rooted = self.config.rootpath / self.where
        try:
            sets = (
                load_claims(str(rooted) if rooted.exists() else self.where)
                if self.where
                else [CLAIMS]
            )
        except ModflowError as error:
            raise self.CollectError(f"modflow_claims: {error}") from error
        for claims in sets:
            yield ClaimsNode.from_parent(self, name=f"{GROUP}/{claims.name}", claims=claims)


class ClaimsNode(pytest.Collector):
    """A set of claims."""

    def __init__(self, *, claims: Any, **more: Any) -> None:
        super().__init__(**more, nodeid=more["name"])
        self.claims = claims

    def collect(self) -> Iterator[pytest.Item]:
        """One item a claim."""
        for claim in self.claims.values():
            yield ClaimItem.from_parent(self, name=claim.id, claim=claim)


class ClaimItem(pytest.Item):
    """A claim; it fails unless it gets the verdict that is on record."""

    def __init__(self, *, claim: Any, **more: Any) -> None:
        super().__init__(**more)
        self.claim = claim
        self.add_marker(pytest.mark.theorem(claim.id))

    def runtest(self) -> None:
        """Check the claim; tell of the orders that are part of the evidence."""
        from .claims import check_claim

        level = self.config.getini("modflow_level")
        if level == "quick" and not self.claim.is_quick:
            pytest.skip(f"takes {self.claim.cost:g} s or so, and modflow_level is quick")
        result = check_claim(self.claim, full=level == "full")
        self.user_properties.append((observing.VERDICT, result.verdict))
        observer = observing.current()
        if observer is not None:
            for evidence in result.evidence:
                if _is_order(evidence.data):
                    observer.record(self._order(evidence))
        as_wished = result.as_expected or (observer and observer.inconclusive == "skip")
        if result.verdict == "inconclusive" and result.error is None and as_wished:
            decide = f": {self.claim.command} would decide it" * bool(self.claim.command)
            pytest.skip("inconclusive" + ", as on record" * result.as_expected + decide)
        if not result.as_expected:
            raise ClaimError(
                "\n".join(failure_lines(result, observer.plot_path if observer else None))
            )

    def _order(self, evidence: Any) -> dict[str, Any]:
        """As `modflow.testing` records one."""
        which = {"printed": "as printed: ", "corrected": "corrected: ", "context": ""}
        about = which[evidence.about] if self.claim.corrected else ""
        return {
            "label": about + evidence.text,
            "verdict": evidence.verdict,
            **{name: evidence.data[name] for name in _ORDER},
        }

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """What the claim says, and what the evidence says."""
        if isinstance(excinfo.value, ClaimError):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """Where the claim is written."""
        code = getattr(self.claim.gather, "__code__", None)
        if code is None:
            return self.path, None, self.name
        return Path(code.co_filename), code.co_firstlineno - 1, self.name


def _is_order(data: dict[str, Any]) -> bool:
    """Whether evidence is about an order; data of one's own may use the same names."""

    def is_number(value: Any) -> bool:
        return value is None or isinstance(value, int | float)

    interval = data.get("interval")
    return (
        data.keys() >= set(_ORDER)
        and data["expected"] is not None
        and is_number(data["expected"])
        and is_number(data["observed_order"])
        and isinstance(interval, list | tuple)
        and len(interval) == 2
        and all(map(is_number, interval))
    )


class ClaimError(AssertionError):
    """A claim has another verdict than the one on record, or cannot be checked."""


def failure_lines(result: Any, plot_path: Callable[[], Path | None] | None) -> Iterator[str]:
    """The claim, its evidence, and for orders that are not supported their tables and plots."""
    from .report.orders import order_table, save_plot

    claim = result.claim
    if result.error is not None:
        yield f"not checked: {result.error}"
    else:
        yield f"{result.verdict}, and the registry records {claim.expected}"
    yield f"{claim.id}  {claim.source}"
    yield f"as printed:    {claim.statement}"
    if claim.corrected:
        yield f"true instead:  {claim.corrected}"
    for number, evidence in enumerate(result.evidence, 1):
        about = {"printed": "", "corrected": "corrected, ", "context": "besides, "}[evidence.about]
        yield f"{evidence.verdict}  {about}{evidence.kind}: {evidence.text}"
        yield f"      {evidence.detail}"
        measured = evidence.sizes_and_errors
        if evidence.verdict == "pass" or measured is None:
            continue
        sizes, errors = measured
        yield from (f"      {line}" for line in order_table(sizes, errors, {}).splitlines())
        path = plot_path() if plot_path is not None else None
        if path is not None:
            observed, expected = (evidence.data.get(n) for n in ("observed_order", "expected"))
            line = save_plot(
                path.with_stem(f"{path.stem}-{number}"),
                sizes,
                errors,
                used=[True] * len(sizes),
                observed=math.nan if observed is None else observed,
                expected=expected,
                title=claim.id,
            )
            yield f"      {line}"
