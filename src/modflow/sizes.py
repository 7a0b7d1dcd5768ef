"""Which step sizes and times a study takes where it is not told."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
from jaxtyping import PyTree

from .errors import ModflowError
from .grid import check_step_sizes
from .methods import Method
from .modified import modified_equation
from .problems import Problem
from .vectors import norm

MAX_STEPS = 10**12


def grid_and_time(
    method: Method,
    problem: Problem,
    step_sizes: Sequence[float] | None,
    T: float | None,
    local: bool,
) -> tuple[tuple[float, ...], float]:
    """Step sizes, descending, and the time T up to which trajectories are compared.

    Raises ModflowError for a grid or a time that makes no sense.
    """
    # A rule whose drift grows with k has no effective step, and needs none for a given grid.
    given = step_sizes is not None and T is not None
    scale = 1.0 if given else _effective_scale(method)
    if step_sizes is None:
        coarsest = problem.coarsest or _coarsest(problem)
        sizes = check_step_sizes([coarsest * scale * 2.0**-j for j in range(problem.sizes)])
    else:
        sizes = check_step_sizes(step_sizes)
    if T is None:
        horizon = problem.horizon or 32 * (problem.coarsest or sizes[0] / scale)
        T = max(horizon * scale, sizes[0])
    try:
        T = float(T)
    except (TypeError, ValueError):
        raise ModflowError(f"T must be a number; got {T!r}") from None
    if not (math.isfinite(T) and T > 0):
        raise ModflowError(f"T must be positive and finite; got {T:g}")
    if not local and T < sizes[0] * (1 - 1e-12):
        raise ModflowError(
            f"T = {T:g} is smaller than the step size {sizes[0]:g}: not one step fits into it"
        )
    return sizes, T


def step_count(time: float, h: float) -> int:
    """How many steps of size h fit into the time; a rounding error does not lose the last."""
    count = time / h * (1 + 1e-12)
    if count > MAX_STEPS:
        raise ModflowError(
            f"h = {h:g} takes {count:.0e} steps up to T = {time:g}; at most {MAX_STEPS:.0e} are "
            "possible, and that would take weeks: choose larger step sizes or a smaller T"
        )
    return math.floor(count)


def _effective_scale(method: Method) -> float:
    """One over the drift in the limit: 1-β for the heavy ball."""
    drift = modified_equation(method, 1, limit=True).limit
    value = abs(float(next(iter(drift.values()))))
    return 1 / value if value > 0 else 1.0


def _coarsest(problem: Problem) -> float:
    """A power of two below half of one over the curvature at the start, by power iteration."""
    start, data = problem.start_arrays(), problem.data_arrays()
    gradient = jax.grad(lambda x: problem.value(x, data))

    @jax.jit
    def product(v: PyTree[Any]) -> Any:
        size = norm(v)
        unit = jax.tree.map(lambda leaf: leaf / size, v)
        return jax.jvp(gradient, (start,), (unit,))[1], size

    random = np.random.default_rng(0)
    v = jax.tree.map(lambda leaf: random.normal(size=np.shape(leaf)), start)
    size = 0.0
    for _ in range(30):
        v, size = product(v)
    curvature = float(size)
    if not math.isfinite(curvature) or curvature <= 0:
        raise ModflowError("the curvature at the start gives no scale: choose the step sizes")
    return 2.0 ** math.floor(math.log2(0.5 / curvature))
