"""The paper, statement by statement: claims, each with evidence of its own and a verdict."""

from . import section3, section4
from ._registry import CLAIMS, Claim, ClaimResult, Evidence, check_claim, claim_named

__all__ = [
    "CLAIMS",
    "Claim",
    "ClaimResult",
    "Evidence",
    "check_claim",
    "claim_named",
    "section3",
    "section4",
]
