"""Losses with a starting point: what iterates and flows are compared on."""

from ._base import Problem
from ._registry import PROBLEMS, problem_named
from .quadratic import exact_trajectories, quadratic

__all__ = ["PROBLEMS", "Problem", "exact_trajectories", "problem_named", "quadratic"]
