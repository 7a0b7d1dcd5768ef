"""Exact algebra: rooted trees, truncated B-series, and the ring of coefficients in k."""

from .bseries import BSeries, StepSize, VectorField
from .closed_form import ClosedForm, ClosedFormRing
from .symbols import K
from .trees import Tree, free_trees, trees, trees_up_to

__all__ = [
    "BSeries",
    "ClosedForm",
    "ClosedFormRing",
    "K",
    "StepSize",
    "Tree",
    "VectorField",
    "free_trees",
    "trees",
    "trees_up_to",
]
