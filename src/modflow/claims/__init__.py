"""The paper, statement by statement: claims, each with evidence of its own and a verdict."""

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
from ._evidence import Evidence
from ._registry import CLAIMS, Claim, ClaimResult, Given, check_claim, claim_named

__all__ = [
    "CLAIMS",
    "Claim",
    "ClaimResult",
    "Evidence",
    "Given",
    "check_claim",
    "check_claims",
    "claim_named",
    "continuous",
    "default_jobs",
    "edge_of_stability",
    "gradient_descent",
    "heavy_ball",
    "iterations",
    "moments",
    "networks",
    "noise",
    "noise_effects",
    "pointwise",
    "pointwise_order",
    "remarks",
    "second_order",
    "sharpness",
    "stability",
    "trainings",
    "two_layer",
    "two_layer_ends",
]
