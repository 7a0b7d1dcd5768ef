"""Second moments of the iterates of a linear update rule that noisy gradients drive.

On a quadratic loss the gradient of a batch is a x - ξ, with a curvature a and a noise ξ of its own,
and a step is linear in the state z = (x, memory): z' = A z + b ξ, with A affine in a. Both are read
off `Method.step`. For draws that are independent from step to step the covariance S of z obeys

    S' = E(A S Aᵀ) + E ξ² b bᵀ.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import sympy
from jaxtyping import Float

from ..memory import flatten, unflatten
from ..methods import Method


class Companion(NamedTuple):
    """z' = (fixed + a · slope) z + noise · ξ for the state z = (x, memory)."""

    fixed: sympy.Matrix
    slope: sympy.Matrix
    noise: sympy.Matrix


def companion(method: Method, step_size: Any) -> Companion:
    """The step of a method with one evaluation of the gradient, on x' = -(a x - ξ)."""
    x, a, noise = sympy.symbols("x a noise")
    shape = method.start(x)
    slots = list(sympy.symbols(f"m:{len(flatten(shape))}"))
    point, memory = method.step(
        lambda y: -(a * y - noise), step_size, x, unflatten(shape, iter(slots))
    )
    new = sympy.Matrix([sympy.expand(part) for part in (point, *flatten(memory))])
    state = new.jacobian([x, *slots])
    return Companion(state.subs(a, 0), state.diff(a), new.jacobian([noise]))


def moment_operator(rule: Companion, mean: Any, variance: Any) -> sympy.Matrix:
    """S ↦ E(A S Aᵀ), for a curvature of that mean and variance, on the distinct entries of S."""
    S, entries = _symmetric(rule.fixed.rows)
    A = rule.fixed + mean * rule.slope
    image = A * S * A.T + variance * rule.slope * S * rule.slope.T
    return sympy.Matrix([sympy.expand(part) for part in _distinct(image)]).jacobian(entries)


def stationary_covariance(rule: Companion, mean: Any, variance: Any = 0) -> sympy.Matrix:
    """The S that stays, for noise of variance 1: the discrete Lyapunov equation."""
    S, entries = _symmetric(rule.fixed.rows)
    operator = moment_operator(rule, mean, variance)
    source = sympy.Matrix(_distinct(rule.noise * rule.noise.T))
    found = (sympy.eye(len(entries)) - operator).LUsolve(source)
    return S.subs(dict(zip(entries, found, strict=True))).applyfunc(sympy.factor)


def growth(rule: Companion, curvatures: Float[np.ndarray, "batches p p"]) -> float:
    """The largest factor by which second moments grow in a step; `rule` holds numbers.

    Each step has the Hessian of one of the batches, drawn independently of all others.
    """
    fixed, slope = (np.array(m, dtype=float) for m in (rule.fixed, rule.slope))
    batches, p, _ = curvatures.shape
    size = len(fixed) * p
    A = np.einsum("ab,cd->acbd", fixed, np.eye(p)) + np.einsum("ab,jcd->jacbd", slope, curvatures)
    A = A.reshape(batches, size, size)
    operator = np.einsum("jab,jcd->acbd", A, A, optimize=True).reshape(size**2, size**2) / batches
    return float(np.abs(np.linalg.eigvals(operator)).max())


def response(rule: Companion, curvature: float, steps: int) -> Float[np.ndarray, " steps"]:
    """By how much a noise ξ moves x, 0, 1, ... steps later; `rule` holds numbers."""
    fixed, slope, state = (np.array(m, dtype=float) for m in rule)
    found = []
    for _ in range(steps):
        found.append(state[0, 0])
        state = (fixed + curvature * slope) @ state
    return np.array(found)


def variance_in_epochs(weights: Float[np.ndarray, " n"], count: int, *, once: bool) -> float:
    """The variance of Σ_n weights[n] ξ_{k-n}, on average over the positions of k in an epoch.

    The ξ of variance 1 and mean 0 belong to `count` batches, drawn in a new permutation each
    epoch, or in one permutation `once` and for all. A sum Σ_p w_p ξ_p over a permutation has the
    variance (M Σ w_p² - (Σ w_p)²)/(M-1).
    """
    found = []
    for position in range(count):
        padded = np.concatenate([np.zeros(count - 1 - position), weights])
        epochs = np.concatenate([padded, np.zeros(-len(padded) % count)]).reshape(-1, count)
        sums = epochs.sum(axis=0, keepdims=True) if once else epochs
        of_epochs = (count * (sums**2).sum(axis=1) - sums.sum(axis=1) ** 2) / (count - 1)
        found.append(of_epochs.sum())
    return float(np.mean(found))


def _symmetric(size: int) -> tuple[sympy.Matrix, list[sympy.Symbol]]:
    S = sympy.Matrix(size, size, lambda i, j: sympy.Symbol(f"S{min(i, j)}_{max(i, j)}"))
    return S, _distinct(S)


def _distinct(S: sympy.Matrix) -> list[Any]:
    return [S[i, j] for i in range(S.rows) for j in range(i, S.rows)]
