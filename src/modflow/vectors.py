"""Pytrees of parameters as elements of a vector space, so that update rules run on them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float, PyTree

_MAX_ITERATIONS = 200
_STALLED = 1e4
"""Increments that stop falling are rounding errors below this many units in the last place."""


@jax.tree_util.register_pytree_node_class
class Vector:
    """A pytree of arrays with +, - and multiplication by scalars, leaf by leaf.

    An update rule's `step` works on it exactly as on an array or a series. It exists while
    a program is traced and costs nothing when that program runs.
    """

    __slots__ = ("tree",)
    __array_ufunc__ = None  # NumPy's scalars leave products to this class

    def __init__(self, tree: PyTree[Array]) -> None:
        self.tree = tree

    def __add__(self, other: Any) -> Vector:
        if not isinstance(other, Vector):
            return self if isinstance(other, int | float) and other == 0 else NotImplemented
        return Vector(jax.tree.map(jnp.add, self.tree, other.tree))

    __radd__ = __add__

    def __sub__(self, other: Any) -> Vector:
        if not isinstance(other, Vector):
            return self + (-other)
        return Vector(jax.tree.map(jnp.subtract, self.tree, other.tree))

    def __rsub__(self, other: Any) -> Vector:
        return -self + other

    def __neg__(self) -> Vector:
        return Vector(jax.tree.map(jnp.negative, self.tree))

    def __mul__(self, scalar: Any) -> Vector:
        return Vector(jax.tree.map(lambda leaf: scalar * leaf, self.tree))

    __rmul__ = __mul__

    def __truediv__(self, scalar: Any) -> Vector:
        return Vector(jax.tree.map(lambda leaf: leaf / scalar, self.tree))

    @staticmethod
    def fixed_point(
        g: Callable[[tuple[Vector, ...]], tuple[Vector, ...]], guess: tuple[Vector, ...]
    ) -> tuple[Vector, ...]:
        """The vectors with y = g(y), iterated until rounding stops it; NaN where it diverges.

        The increments of a contraction fall until they are made of rounding errors (Hairer,
        Lubich & Wanner, *Geometric Numerical Integration*, VIII.6.1).
        """

        def advance(state: Any) -> Any:
            y, change, _, count = state
            new = g(y)
            return new, distance(new, y), change, count + 1

        def falling(state: Any) -> Any:
            _, change, last, count = state
            return (change > 0) & (change < last) & (count < _MAX_ITERATIONS)

        huge = jnp.full((), jnp.inf)
        state = advance((guess, huge, huge, jnp.asarray(0)))
        y, change, _, _ = lax.while_loop(falling, advance, state)
        tolerance = _STALLED * float(np.finfo(change.dtype).eps) * norm(y)
        bad = jnp.where(change <= tolerance, 0.0, jnp.nan)
        return jax.tree.map(lambda leaf: leaf + bad.astype(leaf.dtype), y)

    def tree_flatten(self) -> tuple[tuple[PyTree[Array]], None]:
        """For JAX: the wrapped pytree is the only child."""
        return (self.tree,), None

    @classmethod
    def tree_unflatten(cls, _: None, children: tuple[PyTree[Array]]) -> Vector:
        """For JAX: the inverse of `tree_flatten`."""
        return cls(*children)


def norm(tree: PyTree[Array]) -> Float[Array, ""]:
    """The Euclidean norm over all leaves."""
    return jnp.sqrt(sum(jnp.sum(jnp.square(leaf)) for leaf in jax.tree.leaves(tree)))


def inner(a: PyTree[Array], b: PyTree[Array]) -> Float[Array, ""]:
    """The Euclidean inner product over all leaves."""
    products = jax.tree.leaves(jax.tree.map(lambda u, v: jnp.sum(u * v), a, b))
    return sum(products, start=jnp.zeros(()))


def distance(a: PyTree[Array], b: PyTree[Array]) -> Float[Array, ""]:
    """The Euclidean distance over all leaves."""
    return norm(jax.tree.map(jnp.subtract, a, b))


def runge_kutta(field: Callable[[Any], Any], x: Any, h: Any) -> Any:
    """One step of the classical Runge–Kutta method for x' = field(x), of order 4.

    x is anything that can be added and scaled: an array, of NumPy or of JAX, or a `Vector`.
    """
    a = field(x)
    b = field(x + h / 2 * a)
    c = field(x + h / 2 * b)
    d = field(x + h * c)
    return x + h / 6 * (a + 2 * b + 2 * c + d)


def looped_runge_kutta(field: Callable[[Array], Array], x: Array, h: Any) -> Array:
    """The same for arrays inside a program, its stages in a loop.

    The field, mostly the larger part of such a program, then is compiled once and not four times.
    """

    def stage(carry: tuple[Array, Array], row: tuple[Array, Array]) -> Any:
        (slope, total), (node, share) = carry, row
        slope = field(x + node * h * slope)
        return (slope, total + share * slope), None

    rows = jnp.asarray([0, 1 / 2, 1 / 2, 1]), jnp.asarray([1 / 6, 1 / 3, 1 / 3, 1 / 6])
    (_, total), _ = lax.scan(stage, (0 * x, 0 * x), rows)
    return x + h * total
