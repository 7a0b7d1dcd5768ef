"""Slopes of log error against log step size."""

from __future__ import annotations

import math

import numpy as np

from .posterior import Array

__all__ = ["fitted_slope", "pairwise_slopes"]


def pairwise_slopes(h: Array, e: Array) -> Array:
    """The slopes of log e against log h between neighbours; NaN beside an error that has no log."""
    log_e = np.full(e.size, math.nan)
    fine = np.isfinite(e) & (e > 0)
    log_e[fine] = np.log(e[fine])
    slopes: Array = np.diff(log_e) / np.diff(np.log(h))
    return slopes


def fitted_slope(h: Array, e: Array, noise: Array) -> tuple[float, float]:
    """The least-squares slope of log e against log h, and its deviation for that noise of log e."""
    dx = np.log(h) - np.log(h).mean()
    total = float(dx @ dx)
    return float(dx @ np.log(e)) / total, math.sqrt(float(dx**2 @ noise**2)) / total
