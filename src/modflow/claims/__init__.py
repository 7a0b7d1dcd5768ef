"""Claims, each with evidence of its own and a verdict: the paper statement by statement, and
sets of claims about other papers.

    from modflow.claims import ClaimSet, equal, order

    paper = ClaimSet("barrett-2020", "Barrett & Dherin, ICLR 2021")

    @paper.claim("thm-3.1", source="Theorem 3.1", statement=r"...", printed={"lambda": "h*m/4"})
    def theorem(given):
        yield equal("coefficient of the regularizer", derived, given.printed("lambda"))
        yield order("two-layer model", study)
"""

# Registered in the order of the paper.
# isort: off
from . import (
    gradient_descent,
    sharpness,
    second_order,
    heavy_ball,
    remarks,
    two_layer,
    two_layer_ends,
    continuous,
    pointwise,
    pointwise_order,
    moments,
    iterations,
    stability,
    edge_of_stability,
    trainings,
    networks,
    noise,
    noise_effects,
)

# isort: on
from ..processors import default_jobs
from ._audit import check_claims
from ._evidence import Evidence, equal, fact, identity, order, rate, sampled
from ._registry import CLAIMS, Claim, ClaimResult, ClaimSet, Given, check_claim, claim_named
from ._sets import choose, installed_sets, load_claims

__all__ = [
    "CLAIMS",
    "Claim",
    "ClaimResult",
    "ClaimSet",
    "Evidence",
    "Given",
    "check_claim",
    "check_claims",
    "choose",
    "claim_named",
    "continuous",
    "default_jobs",
    "edge_of_stability",
    "equal",
    "fact",
    "gradient_descent",
    "heavy_ball",
    "identity",
    "installed_sets",
    "iterations",
    "load_claims",
    "moments",
    "networks",
    "noise",
    "noise_effects",
    "order",
    "pointwise",
    "pointwise_order",
    "rate",
    "remarks",
    "sampled",
    "second_order",
    "sharpness",
    "stability",
    "trainings",
    "two_layer",
    "two_layer_ends",
]
