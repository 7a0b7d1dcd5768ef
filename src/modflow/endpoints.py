"""Where many runs of an update rule end, and where the flows beside them do.

All runs are one program: each has its own start, step size, parameters and data, along a first
axis of every array. The iterates of thousands of runs take no more calls than those of one. A
flow is piecewise only until its coefficients have settled; from there on it is autonomous, and is
integrated over steps of time as long as its integrator bears, whatever h is. So the end point for
a small h costs hardly more than that for a large one.

Use these functions inside `jax.enable_x64(True)`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float, PyTree

from .errors import ModflowError
from .flows import CoefficientTable, DifferentialPlan, coefficient_table, force, scaled_weights
from .grid import is_whole
from .methods import Method
from .modified import ModifiedEquation
from .series import Tree
from .vectors import Vector

Loss = Callable[[Float[Array, " n"], Any], Float[Array, ""]]
"""E(x, data), data being those of one run."""
Runs = Float[np.ndarray, " runs"] | Sequence[float]

_SOLVER = diffrax.Dopri8()


@dataclass(frozen=True, eq=False)
class Ends:
    """Where runs are after some numbers of steps."""

    points: Float[np.ndarray, "counts runs n"]
    """x^k."""
    moves: Float[np.ndarray, "counts runs n"]
    """x^k - x^{k-1}, the step that led there; 0 for k = 0."""


def iterate_ends(
    method: Method,
    loss: Loss,
    starts: Float[np.ndarray, "runs n"],
    h: Runs,
    steps: Sequence[int],
    *,
    parameters: Mapping[str, Runs] | None = None,
    data: PyTree[Any] = None,
) -> Ends:
    """The iterates x^k of all runs for each k in `steps`, which must ascend.

    `parameters` gives numbers to the symbols of the method, by their paths in `method.leaves`. A
    run that leaves all bounds ends in NaN or infinity. The compiled program is kept for the next
    call with the same method and loss.

    Raises ModflowError for step counts that do not ascend from 0, and where arrays do not agree
    about the number of runs.
    """
    counts = [*steps]
    if not counts or any(not is_whole(k) or k < 0 for k in counts) or counts != sorted(counts):
        raise ModflowError(f"numbers of steps must be whole and ascend; got {counts}")
    x, given, known = _arranged(starts, {"h": h, **(parameters or {})}, data)
    sizes = given.pop("h")
    program = _iterate_program(method, loss, tuple(given))
    state = program.begin(x, sizes, given, known)
    points, moves, done = [], [], 0
    for k in counts:
        state = program.advance(state, jnp.asarray(k - done), sizes, given, known)
        done = k
        points.append(np.asarray(state[0].tree))
        moves.append(np.asarray(state[2].tree))
    return Ends(np.array(points), np.array(moves))


@dataclass(frozen=True)
class _Program:
    begin: Callable[..., Any]
    advance: Callable[..., Any]


@lru_cache(maxsize=16)
def _iterate_program(method: Method, loss: Loss, names: tuple[str, ...]) -> _Program:
    def parts(h: Array, parameters: dict[str, Array], data: Any) -> Any:
        return method.with_leaves(parameters), force(lambda x: loss(x, data))

    def begin(x: Array, h: Array, parameters: dict[str, Array], data: Any) -> Any:
        rule, f = parts(h, parameters, data)
        start = Vector(x)
        return start, rule.begin(f, h, start), 0 * start

    def advance(state: Any, steps: Array, h: Array, parameters: dict[str, Array], data: Any) -> Any:
        rule, f = parts(h, parameters, data)

        def step(_: Any, s: Any) -> Any:
            x, memory = rule.step(f, h, s[0], s[1])
            return x, memory, x - s[0]

        return lax.fori_loop(0, steps, step, state)

    return _Program(jax.jit(jax.vmap(begin)), jax.jit(jax.vmap(advance, (0, None, 0, 0, 0))))


def flow_ends(
    equation: ModifiedEquation,
    loss: Loss,
    starts: Float[np.ndarray, "runs n"],
    h: Runs,
    steps: Runs,
    longest: Runs,
    *,
    parts: int = 1,
    parameters: Mapping[str, Runs] | None = None,
    data: PyTree[Any] = None,
) -> Float[np.ndarray, "runs n"]:
    """x̃(t_k) of the flow of this equation for k = `steps`, one number of steps for each run.

    Up to where its coefficients settle, the flow is integrated step by step, from there on in
    steps of time of at most `longest`; both in so many `parts`. Doing it again with twice as many
    shows the integrator's error.

    Raises ModflowError as `iterate_ends`, and for coefficients that do not settle.
    """
    counts = np.asarray(steps, dtype=float)
    numbers = {"h": h, "steps": counts, "longest": longest, **(parameters or {})}
    x, given, known = _arranged(starts, numbers, data)
    sizes, until, most = (given.pop(name) for name in ("h", "steps", "longest"))
    trees, rows = _tables(equation, len(x), given)
    early = np.minimum(np.asarray(until), len(rows))
    left = np.asarray((until - early) * sizes)
    # One number of steps for all: those that would need fewer take shorter ones.
    later = max(1, math.ceil(np.max(left / np.asarray(most)))) * parts
    first, rest = _flow_programs(trees, loss)
    x = first(x, sizes, jnp.asarray(early), rows, known, jnp.asarray(parts))
    dt, number = jnp.asarray(left / later), jnp.asarray(later)
    return np.asarray(rest(x, sizes, dt, rows[-1], known, number))


def flow_paths(
    equation: ModifiedEquation,
    loss: Loss,
    starts: Float[np.ndarray, "runs n"],
    h: Runs,
    steps: int,
    *,
    parts: int = 1,
    parameters: Mapping[str, Runs] | None = None,
    data: PyTree[Any] = None,
) -> Float[np.ndarray, "k runs n"]:
    """x̃(t_0), ..., x̃(t_steps) of all runs, integrated step by step, each in so many `parts`.

    Raises ModflowError as `flow_ends`.
    """
    x, given, known = _arranged(starts, {"h": h, **(parameters or {})}, data)
    sizes = given.pop("h")
    trees, rows = _tables(equation, len(x), given)
    which = jnp.minimum(jnp.arange(steps), len(rows) - 1)
    field = _field(trees, loss)

    def one(y: Array, h: Array, row: Array, mine: Any) -> Array:
        return lax.fori_loop(
            0, parts, lambda _, z: _runge_kutta(field, z, h, h / parts, row, mine), y
        )

    def step(y: Array, k: Array) -> Any:
        new = jax.vmap(one)(y, sizes, rows[k], known)
        return new, new

    tail = jax.jit(lambda y: lax.scan(step, y, which)[1])(x)
    return np.concatenate([np.asarray(x)[None], np.asarray(tail)])


# -- the flow of all runs -------------------------------------------------------------------


def _field(trees: tuple[Tree, ...], loss: Loss) -> Callable[..., Array]:
    plan = DifferentialPlan.of(trees)

    def field(y: Array, h: Array, row: Array, data: Any) -> Array:
        weights = scaled_weights(trees, row, h)
        return plan.evaluate(force(lambda x: loss(x, data)), Vector(y), weights).tree

    return field


def _runge_kutta(
    field: Callable[..., Array], y: Array, h: Array, dt: Array, row: Array, data: Any
) -> Array:
    term = diffrax.ODETerm(lambda _t, y, _args: field(y, h, row, data))
    memory = _SOLVER.init(term, 0.0, dt, y, None)
    new, *_ = _SOLVER.step(term, 0.0, dt, y, None, memory, made_jump=jnp.asarray(True))
    return jnp.asarray(new)


@lru_cache(maxsize=16)
def _flow_programs(trees: tuple[Tree, ...], loss: Loss) -> tuple[Callable[..., Array], ...]:
    """Step by step over the rows of the table, and then with the last row in steps of length dt."""
    field = _field(trees, loss)

    def first(y: Array, h: Array, end: Array, rows: Array, data: Any, parts: Array) -> Array:
        def step(k: Array, y: Array) -> Array:
            dt = jnp.where(k < end, h / parts, 0.0)  # each run stops at its own end
            return lax.fori_loop(
                0, parts, lambda _, z: _runge_kutta(field, z, h, dt, rows[k], data), y
            )

        return lax.fori_loop(0, len(rows), step, y)

    def rest(y: Array, h: Array, dt: Array, row: Array, data: Any, steps: Array) -> Array:
        return lax.fori_loop(0, steps, lambda _, z: _runge_kutta(field, z, h, dt, row, data), y)

    return (
        jax.jit(jax.vmap(first, (0, 0, 0, 1, 0, None))),
        jax.jit(jax.vmap(rest, (0, 0, 0, 0, 0, None))),
    )


def _tables(
    equation: ModifiedEquation, runs: int, parameters: Mapping[str, Array]
) -> tuple[tuple[Tree, ...], Float[Array, "rows runs trees"]]:
    """The coefficients of every run, as many rows as the one that settles last has."""
    values = {name: np.asarray(v) for name, v in parameters.items()}
    found: dict[tuple[float, ...], CoefficientTable] = {}
    keys = [tuple(float(v[run]) for v in values.values()) for run in range(runs)]
    for key in keys:
        if key not in found:
            given = dict(zip(values, key, strict=True))
            found[key] = coefficient_table(equation, 1 << 20, given)
            if not found[key].settled:
                raise ModflowError(f"the coefficients of {equation!r} do not settle")
    trees = tuple(sorted({tree for table in found.values() for tree in table.trees}))
    length = max(len(table.values) for table in found.values())
    filled = {}
    for key, table in found.items():
        block = np.zeros((length, len(trees)))
        for j, tree in enumerate(table.trees):
            column = table.values[:, j]
            block[:, trees.index(tree)] = np.pad(column, (0, length - len(column)), mode="edge")
        filled[key] = block
    return trees, jnp.asarray(np.stack([filled[key] for key in keys], axis=1))


def _arranged(
    starts: Any, numbers: Mapping[str, Any], data: PyTree[Any]
) -> tuple[Array, dict[str, Array], PyTree[Array]]:
    """Everything as float arrays with a first axis of one length."""
    x = jnp.asarray(starts, dtype=float)
    arrays = {name: jnp.asarray(v, dtype=float) for name, v in numbers.items()}
    known = jax.tree.map(lambda leaf: jnp.asarray(leaf, dtype=float), data)
    if x.ndim != 2 or not len(x):
        raise ModflowError(f"starts are an array of runs and components, not {x.shape}")
    for name, array in [*arrays.items(), *(("data", leaf) for leaf in jax.tree.leaves(known))]:
        if array.ndim == 0 or len(array) != len(x):
            raise ModflowError(f"{len(x)} starts, but {name} of shape {array.shape}")
    return x, arrays, known
