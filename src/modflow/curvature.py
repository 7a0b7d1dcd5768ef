"""The sharpness of a loss: the largest eigenvalues of its Hessian, at a point and in training.

Lanczos' method (SciPy's `eigsh`, ARPACK) needs products of the Hessian with vectors alone, and
these are derivatives of the gradient: no Hessian is ever formed. The parameters are one vector
here, in the order of `jax.flatten_util.ravel_pytree`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import sympy
from jax import lax
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float, PyTree
from scipy.sparse.linalg import ArpackError, LinearOperator, eigsh

from .errors import ModflowError
from .flows import force
from .grid import is_whole
from .methods import Method
from .problems import Problem
from .vectors import Vector

_DENSE = 24
"""Up to so many parameters the Hessian is formed: Lanczos' method needs 20 vectors anyway."""
_RELATIVE = 1e-3
"""How exact the sharpness along a path is: far below what it changes between two points."""
_PLACE = sympy.Symbol("_")


@dataclass(frozen=True, eq=False)
class Sharpness:
    """The largest eigenvalues of a Hessian at a point, largest first.

    Each value is ‖∇²E v - value v‖ or less away from an eigenvalue (Weyl), and none exceeds the
    largest one. `float` gives the first.
    """

    values: Float[np.ndarray, " count"]
    residuals: Float[np.ndarray, " count"]
    """‖∇²E v - value v‖₂, computed from the vectors."""
    vectors: Float[np.ndarray, "parameters count"]
    """Unit eigenvectors as columns, in the order of `ravel_pytree`."""

    def __float__(self) -> float:
        return float(self.values[0])

    def __repr__(self) -> str:
        shown = ", ".join(
            f"{v:.6g} ± {r:.1g}" for v, r in zip(self.values, self.residuals, strict=True)
        )
        return f"Sharpness({shown})"


def sharpness(
    problem: Problem,
    x: PyTree[Any] = None,
    count: int = 1,
    *,
    tolerance: float = 0.0,
    guess: Float[np.ndarray, " parameters"] | None = None,
) -> Sharpness:
    """The `count` largest eigenvalues of ∇²E at x, in float64; by default at the start.

    Largest by value, not by modulus: this is the spectral norm unless a negative eigenvalue is
    larger still. `tolerance` lets the iteration stop at residuals of so many times the value, 0
    at rounding; `guess` is where it begins, else a fixed random vector.

    Raises ModflowError where x does not look like the starting point, where the Hessian is not
    finite, for a count outside 1, ..., the number of parameters, and where Lanczos' method does
    not converge.
    """
    with jax.enable_x64(True):
        point = _flat(problem, x)
        size = len(point)
        if not is_whole(count) or not 1 <= count <= size:
            raise ModflowError(f"{problem.name} has {size} eigenvalues, not {count!r} of them")
        operator = hessian_operator(problem, x)
        return lanczos(operator, int(count), float(tolerance), guess)


def hessian_operator(problem: Problem, x: PyTree[Any] = None) -> LinearOperator:
    """∇²E at x, by default at the start, as a symmetric SciPy LinearOperator, in float64.

    Its products are compiled once for a loss, and take two gradients or so each.

    Raises ModflowError where x does not look like the starting point.
    """
    with jax.enable_x64(True):
        point, data = jnp.asarray(_flat(problem, x)), problem.data_arrays()
        problem.check()
        product = _programs(problem).product

    def matvec(v: Any) -> Float[np.ndarray, " parameters"]:
        with jax.enable_x64(True):
            return np.asarray(product(point, jnp.asarray(np.ravel(v), dtype=float), data))

    return LinearOperator((point.size, point.size), matvec=matvec, rmatvec=matvec, dtype=float)


def lanczos(operator: LinearOperator, count: int, tolerance: float, guess: Any = None) -> Sharpness:
    """The `count` largest eigenvalues of a symmetric operator: see `sharpness`.

    Raises ModflowError where its products are not finite and where the iteration does not
    converge.
    """
    size = operator.shape[0]
    drawn = np.random.default_rng(0).normal(size=size)
    v0 = drawn if guess is None else np.asarray(guess)
    first = operator.matvec(v0)
    if guess is not None and not first.any():
        v0, first = drawn, operator.matvec(drawn)
    if not np.all(np.isfinite(first)):
        raise ModflowError("the Hessian is not finite at this point")
    if not first.any():
        # A vector drawn at random is in the kernel of the Hessian 0 alone, as that of a network is
        # in which nothing is active.
        return Sharpness(np.zeros(count), np.zeros(count), np.eye(size, count))
    if size <= max(_DENSE, 2 * count):
        matrix = operator.matmat(np.eye(size))
        values, vectors = np.linalg.eigh((matrix + matrix.T) / 2)
        values, vectors = values[-count:], vectors[:, -count:]
    else:
        try:
            values, vectors = eigsh(operator, k=count, which="LA", v0=v0, tol=tolerance)
        except ArpackError as error:
            raise ModflowError(f"Lanczos' method found no eigenvalues: {error}") from None
    order = np.argsort(values)[::-1]
    values, vectors = values[order], vectors[:, order]
    rest = operator.matmat(vectors) - vectors * values
    return Sharpness(values, np.linalg.norm(rest, axis=0), vectors)


def _flat(problem: Problem, x: PyTree[Any]) -> Float[np.ndarray, " parameters"]:
    """The parameters as one vector; x is a pytree like the starting point, or that vector."""
    if not isinstance(problem, Problem):
        raise ModflowError(f"a problem is needed, such as Problem(loss, start); got {problem!r}")
    start = problem.start_arrays()
    if x is None:
        return np.asarray(ravel_pytree(start)[0])
    if getattr(x, "shape", None) == (problem.dimension,):
        return np.asarray(x, dtype=float)
    if _form(x) != _form(start):
        raise ModflowError(
            f"the point must look like the start of {problem.name}, or be one vector of "
            f"{problem.dimension} numbers"
        )
    return np.asarray(ravel_pytree(jax.tree.map(lambda a: jnp.asarray(a, dtype=float), x))[0])


def _form(x: PyTree[Any]) -> tuple[Any, tuple[tuple[int, ...], ...]]:
    """The structure of a pytree and the shapes of its leaves."""
    leaves, structure = jax.tree.flatten(x)
    return structure, tuple(np.shape(leaf) for leaf in leaves)


# -- along the iterates ------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class SharpnessPath:
    """Loss and sharpness along the iterates of a method, from the start on."""

    method: Method
    h: float
    steps: Float[np.ndarray, " points"]
    """The k of the points."""
    losses: Float[np.ndarray, " points"]
    values: Float[np.ndarray, " points"]
    """The largest eigenvalue of ∇²E(x^k)."""
    residuals: Float[np.ndarray, " points"]
    final: Float[np.ndarray, " parameters"]
    """The last iterate, as one vector."""
    diverged: int | None = None
    """The first k among the points whose loss or Hessian is not finite: the path ends before."""


def sharpness_path(
    method: Method,
    problem: Problem,
    h: float,
    steps: int,
    points: int = 21,
    *,
    tolerance: float = _RELATIVE,
) -> SharpnessPath:
    """The sharpness along `steps` iterates of a method, at so many evenly spaced points.

    Everything is in float64. One compiled program serves all step sizes, parameters, starts and
    data of one loss. `steps` is rounded up to a multiple of `points` - 1.

    Raises ModflowError for a step size or numbers of steps and points that make no sense, and as
    `sharpness`.
    """
    if not isinstance(method, Method):
        raise ModflowError(f"a method is needed, such as HeavyBall(0.9); got {method!r}")
    numeric = method.numeric()
    if not (isinstance(h, int | float) and np.isfinite(h) and h > 0):
        raise ModflowError(f"the step size must be positive and finite; got {h!r}")
    for name, number, least in (("steps", steps, 1), ("points", points, 2)):
        if not is_whole(number) or number < least:
            raise ModflowError(f"{name} must be a whole number from {least}; got {number!r}")
    found, diverged, flat, guess = [], None, None, None
    for k, flat_k, loss in _iterates(numeric, problem, float(h), int(steps), int(points)):
        if not np.isfinite(loss) or not np.all(np.isfinite(flat_k)):
            diverged = k
            break
        here = sharpness(problem, flat_k, tolerance=tolerance, guess=guess)
        flat, guess = flat_k, here.vectors[:, 0]
        found.append((k, loss, here.values[0], here.residuals[0]))
    if flat is None:
        raise ModflowError(f"the loss of {problem.name} is not finite at the start")
    ks, losses, values, residuals = np.array(found, dtype=float).T
    return SharpnessPath(numeric, float(h), ks, losses, values, residuals, flat, diverged)


def _iterates(
    method: Method, problem: Problem, h: float, steps: int, points: int
) -> Iterator[tuple[int, Float[np.ndarray, " parameters"], float]]:
    """k, x^k and E(x^k) at evenly spaced k."""
    each = -(-steps // (points - 1))
    with jax.enable_x64(True):
        problem.check()
        programs = _programs(problem)
        pattern = method.map(lambda v: _PLACE if v != 0 else 0)
        parameters = {path: jnp.asarray(v) for path, v in method.leaves.items() if v != 0}
        begin, advance = programs.training(pattern)
        data, size = problem.data_arrays(), jnp.asarray(h)
        x = problem.start_arrays()
        state = (Vector(x), begin(x, size, parameters, data))
        for i in range(points):
            if i:
                state = advance(state, jnp.asarray(each), size, parameters, data)
            tree = state[0].tree
            loss = float(programs.value(tree, data))
            yield i * each, np.asarray(ravel_pytree(tree)[0]), loss


@dataclass(frozen=True)
class _Programs:
    """What is compiled for a loss: its value, products with its Hessian, and training."""

    value: Callable[..., Any]
    product: Callable[..., Any]
    training: Callable[[Method], tuple[Callable[..., Any], Callable[..., Any]]]
    """For a method with its numbers left out: its memory at the start, and a number of steps."""


def _programs(problem: Problem) -> _Programs:
    """The programs of a loss, which serve any numbers in its start and its data."""
    return _compiled(problem.loss, *_form(problem.start), problem.data is not None)


@lru_cache(maxsize=16)
def _compiled(
    loss: Callable[..., Any], structure: Any, shapes: tuple[tuple[int, ...], ...], has_data: bool
) -> _Programs:
    _, unravel = ravel_pytree(jax.tree.unflatten(structure, [jnp.zeros(s) for s in shapes]))

    def value(x: Any, data: Any) -> Any:
        return loss(x, data) if has_data else loss(x)

    def product(x: Array, v: Array, data: Any) -> Any:
        gradient = jax.grad(lambda y: value(unravel(y), data))
        return jax.jvp(gradient, (x,), (v,))[1]

    @lru_cache(maxsize=16)
    def training(pattern: Method) -> tuple[Callable[..., Any], Callable[..., Any]]:
        def begin(x: Any, h: Any, parameters: Any, data: Any) -> Any:
            f = force(lambda y: value(y, data))
            return pattern.with_leaves(parameters).begin(f, h, Vector(x))

        def advance(state: Any, steps: Any, h: Any, parameters: Any, data: Any) -> Any:
            f = force(lambda y: value(y, data))
            method = pattern.with_leaves(parameters)
            return lax.fori_loop(0, steps, lambda _, s: method.step(f, h, *s), state)

        return jax.jit(begin), jax.jit(advance)

    return _Programs(jax.jit(value), jax.jit(product), training)
