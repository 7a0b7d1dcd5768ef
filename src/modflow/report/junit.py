"""Claims as JUnit XML, the format that CI systems read."""

from __future__ import annotations

import re
from collections.abc import Sequence
from xml.etree import ElementTree

from ..claims import Claim, ClaimResult


def junit_xml(results: Sequence[ClaimResult], unchecked: Sequence[Claim] = ()) -> bytes:
    """One test case a claim; `unchecked` are those that were not reached, which are skipped.

    It fails where the verdict is not the registry's, is an error where the claim's own code
    failed, and is skipped where the verdict on record is that nothing here can tell.
    """
    broken = [result for result in results if result.error is not None]
    failed = [result for result in results if not result.as_expected and result.error is None]
    unclear = [r for r in results if r.as_expected and r.verdict == "inconclusive"]
    suite = ElementTree.Element(
        "testsuite",
        name="modflow verify",
        tests=str(len(results) + len(unchecked)),
        failures=str(len(failed)),
        errors=str(len(broken)),
        skipped=str(len(unclear) + len(unchecked)),
        time=f"{sum(result.seconds for result in results):.3f}",
    )
    for result in results:
        case = _case(suite, result.claim, result.seconds)
        report = _xml("\n".join(f"{e.verdict}: {e.text}: {e.detail}" for e in result.evidence))
        if result.error is not None:
            ElementTree.SubElement(case, "error", message=_xml(result.error)).text = report
        elif not result.as_expected:
            message = f"{result.verdict}, and the registry records {result.claim.expected}"
            ElementTree.SubElement(case, "failure", message=message).text = report
        else:
            if result in unclear:
                decide = f": {result.claim.command} would decide it" * bool(result.claim.command)
                message = f"inconclusive, as on record{decide}"
                ElementTree.SubElement(case, "skipped", message=_xml(message))
            ElementTree.SubElement(case, "system-out").text = report
    for claim in unchecked:
        ElementTree.SubElement(
            _case(suite, claim, 0), "skipped", message="not checked: interrupted"
        )
    root = ElementTree.Element("testsuites")
    root.append(suite)
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="utf-8", xml_declaration=True) + b"\n"


def _case(suite: ElementTree.Element, claim: Claim, seconds: float) -> ElementTree.Element:
    """The test case of a claim in this suite."""
    home = claim.home
    return ElementTree.SubElement(
        suite,
        "testcase",
        classname="modflow.claims" if home is None else f"modflow.claims.{home.name}",
        name=_xml(claim.id),
        time=f"{seconds:.3f}",
    )


def _xml(text: str) -> str:
    """The text with what no XML file may have, such as colours of a terminal, as in Python."""
    return _FORBIDDEN.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
