"""The flow of an update rule on several losses, in JAX.

The recursion of `equations` runs in floats, as part of the program: its state is the weights
of the memory, M^n numbers for each tree shape with n vertices, and what a step costs does not
grow with its number. Where the memory decays, rounding errors in its weights decay with it.

A flow is a pytree. Its leaves are the parameters of the method and the data of the losses: as
an argument of a compiled program it serves all of their values.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any, Self

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PyTree

from ..errors import ModflowError
from ..flows import DifferentialPlan, Loss, derivative_along, like
from ..grid import is_whole
from ..memory import flatten
from ..methods import Method
from ..rule import SeriesRule
from ..series import ClosedFormRing, StepSize, Tree, trees_up_to
from ..series.tensors import ColouredField, ColouredSeries, NumericSeries
from .equations import advance, checked_order
from .later import Later, pattern_of, places, with_values
from .losses import ListedLosses, Losses, losses_of

Weights = tuple[Float[Array, "..."], ...]
"""b_k(τ) in HLW's normalisation: for each shape with n vertices, ascending, an array (M,)*n
over the batches of its vertices."""
State = tuple[Weights, ...]
"""The weights of the memory, one part after the other."""


class BatchFlow:
    """The piecewise flow of a method on M losses, its weights updated from step to step.

    >>> from modflow import HeavyBall
    >>> losses = [lambda x: x, lambda x: 2 * x]
    >>> flow = BatchFlow(HeavyBall(0.5), losses, order=1)
    >>> state, weights = flow.advance(flow.start(), 0)
    >>> state, weights = flow.advance(state, 1)
    >>> print(weights[0], flow(weights, jnp.array(7.0), 0.1))  # -(0.5 · 1 + 1 · 2)
    [0.5 1. ] -2.5

    `losses` are M functions of x; or one function of x and of a slice of `data`, whose arrays
    have a first axis of length M; or a Problem with such a loss and such data. `advance` and
    ``flow(weights, x, h)`` can be traced in all arguments: they belong inside a compiled loop
    over the steps. So can the flow itself (`jax.jit` with the flow as an argument), and then one
    program serves all momenta.

    An evaluation takes one gradient of a weighted sum of the losses at order 1; one gradient
    and one Hessian-vector product of each loss at order 2; in general M^(p-1) derivatives of
    each kind that occurs at order p.

    Raises ModflowError where a parameter of the method has no value, for losses or data of
    another kind, and as `batch_equations`.
    """

    def __init__(
        self, method: Method, losses: Any, order: int, *, data: PyTree[Any] = None
    ) -> None:
        self.order = checked_order(method, order)
        self.method, self.losses = method.numeric(), losses_of(losses, data)
        self.shapes = tuple(trees_up_to(self.order))
        self._plan = DifferentialPlan.of(self.shapes)
        # What is a B-series, and in which power of h, is for exact arithmetic to say.
        ring = ClosedFormRing()
        rule = SeriesRule(self.method, ring)
        self._memory = rule.shape
        empties = [float(ring(weight).value({})) for weight in rule.weights]
        self._slots = tuple(zip(empties, rule.grades, strict=True))
        self._pattern = pattern_of(self.method)
        self._static = _Static(self)

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        _register(cls)

    # -- as a pytree --------------------------------------------------------------------

    def tree_flatten(self) -> tuple[tuple[Any, Losses], _Static]:
        """For JAX: the parameters that are not 0, and the losses with their data."""
        leaves = self.method.leaves
        given = {path: leaves[path] for path in places(self._pattern)}
        values = {path: v.value if isinstance(v, Later) else v for path, v in given.items()}
        return (values, self.losses), self._static

    @classmethod
    def tree_unflatten(cls, static: _Static, children: tuple[Any, Losses]) -> Self:
        """For JAX: the inverse of `tree_flatten`."""
        flow: Any = copy.copy(static.flow)
        values, flow.losses = children
        flow.method = with_values(flow._pattern, values)
        return flow

    # -- weights ------------------------------------------------------------------------

    def start(self, j: Int[Array, ""] | int = 0) -> State:
        """The state before step 0. Only a memory that begins with f(x^0) needs its batch j."""
        f, x = self._reading(j)
        return self._stored(flatten(self.method.begin(f, StepSize(), x)))

    def advance(self, state: State, j: Int[Array, ""] | int) -> tuple[State, Weights]:
        """The state after a step with batch j, and the weights of the flow during that step.

        Raises ModflowError for a j that is no batch; a traced one gives NaN.
        """
        given, slots = iter(state), []
        for empty, grade in self._slots:
            # A slot that never gets a power of h stays empty.
            arrays = {} if grade is None else dict(zip(self.shapes, next(given), strict=True))
            slots.append(NumericSeries(arrays, self.order, empty, grade))
        point, slots = advance(self.method, self._memory, *self._reading(j), slots)
        return self._stored(slots), self._dense(point.log())

    def _reading(self, j: Any) -> tuple[ColouredField, NumericSeries]:
        """f_j and x, as the update rule sees them."""
        count = len(self.losses)
        known = 0 if isinstance(j, jax.core.Tracer) else np.asarray(j)[()]
        if not (is_whole(known) and 0 <= known < count):
            raise ModflowError(f"there is no batch {j!r}: they are numbered 0 to {count - 1}")
        one_hot = (jnp.arange(count) == j).astype(float)
        checked = jnp.where((0 <= j) & (j < count), one_hot, jnp.nan)
        return ColouredField(checked), NumericSeries.identity(self.order)

    def _dense(self, series: ColouredSeries) -> Weights:
        def zero(shape: Tree) -> Array:
            return jnp.zeros((len(self.losses),) * shape.order)

        return tuple(
            series.coefficients[t] if t in series.coefficients else zero(t) for t in self.shapes
        )

    def _stored(self, slots: Sequence[ColouredSeries]) -> State:
        pairs = zip(slots, self._slots, strict=True)
        return tuple(self._dense(slot) for slot, (_, grade) in pairs if grade is not None)

    # -- the vector field ---------------------------------------------------------------

    def __call__(
        self, weights: Weights, x: PyTree[Array], h: Float[Array, ""] | float
    ) -> PyTree[Float[Array, "..."]]:
        """F_k(x) at step size h with the weights of step k, a pytree like x."""
        if np.ndim(h):
            raise ModflowError("h is a scalar; for several of them there is jax.vmap")
        return _evaluated(self, weights, x, h)

    def field(self, losses: Losses, weights: Weights, x: PyTree[Array], h: Any) -> PyTree[Array]:
        """The same, with the losses (`self.losses`) as an argument: their data then need not
        become part of a compiled program."""
        scaled = {
            shape: w * (h ** (shape.order - 1) / shape.symmetry)
            for shape, w in zip(self.shapes, weights, strict=True)
        }
        # Weights are float64 where x64 is enabled, and derivatives need one precision throughout.
        wide = jax.tree.map(lambda leaf: leaf.astype(jnp.result_type(leaf, *weights)), x)
        known: dict[Tree, PyTree[Array]] = {}
        for shape in self._plan.inner:
            known[shape] = _differentials(losses, wide, [known[c] for c in shape.children])
        terms = [_contract(scaled[shape].reshape(-1), table) for shape, table in known.items()]
        if not known:  # order 1, where losses are added up before they are differentiated
            terms.append(_force(lambda y: losses.total(scaled[Tree()], y))(wide))
        for rest, found in self._plan.groups:
            # All trees [σ, rest] at once: the sum over σ and its colours goes into one direction.
            directions = reduce(_add, (_weighted(scaled[t], t, known) for t in found))
            terms.append(_collected(losses, wide, directions, [known[t] for t in rest]))
        return jax.tree.map(like, x, reduce(_add, terms))

    def __repr__(self) -> str:
        return f"BatchFlow({self.method!r}, batches={len(self.losses)}, order={self.order})"


class _Static:
    """What is part of a program that has a flow as an argument: all but numbers and data.

    Equal ones share their programs. A subclass may know more, and shares with nobody.
    """

    def __init__(self, flow: BatchFlow) -> None:
        self.flow = flow
        self._key: tuple[Any, ...] = (id(flow),)
        if type(flow) is BatchFlow:
            self.flow = copy.copy(flow)
            self.flow.losses, self.flow._static = ListedLosses(()), self
            self._key = (flow._pattern, flow.order, flow._slots)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Static) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)


def _register(cls: type[BatchFlow]) -> None:
    jax.tree_util.register_pytree_node(cls, cls.tree_flatten, cls.tree_unflatten)


_register(BatchFlow)


@jax.jit
def _evaluated(flow: BatchFlow, weights: Weights, x: PyTree[Array], h: Any) -> PyTree[Array]:
    return flow.field(flow.losses, weights, x, h)


def _force(loss: Loss) -> Callable[[PyTree[Array]], PyTree[Array]]:
    gradient = jax.grad(loss)
    return lambda x: jax.tree.map(jnp.negative, gradient(x))


def _add(a: PyTree[Array], b: PyTree[Array]) -> PyTree[Array]:
    return jax.tree.map(jnp.add, a, b)


def _contract(weights: Float[Array, "*axes n"], table: PyTree[Array]) -> PyTree[Array]:
    """Σ over the last axis of the weights and the first of every leaf."""
    return jax.tree.map(
        lambda leaf: jnp.tensordot(weights, leaf, axes=1, precision="highest"), table
    )


def _weighted(weights: Array, shape: Tree, known: dict[Tree, PyTree[Array]]) -> PyTree[Array]:
    """Σ_c weights[i, c, ...] F(σ, c) for the first branch σ, over the colours c of its vertices.

    Axes of the result: the root's batch i, then one for each other branch, then those of x.
    """
    count = len(weights)
    sizes = [count**branch.order for branch in shape.children]
    return _contract(jnp.moveaxis(weights.reshape(count, *sizes), 1, -1), known[shape.children[0]])


def _differentials(
    losses: Losses, x: PyTree[Array], branches: Sequence[PyTree[Array]]
) -> PyTree[Array]:
    """F(τ, c)(x) for all colourings c of τ = [branches], along one first axis; so are theirs."""

    def own(loss: Loss) -> PyTree[Array]:
        return _over_axes(_along(loss, x), len(branches), 0)(*branches)

    found = losses.each(own)
    return jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[1 + len(branches) :]), found)


def _collected(
    losses: Losses, x: PyTree[Array], directions: PyTree[Array], branches: Sequence[PyTree[Array]]
) -> PyTree[Array]:
    """Σ_i Σ_c f_i^(m)(directions[i, c], F(τ2, c2), ..., F(τm, cm)) over batches and colourings."""

    def own(loss: Loss, mine: PyTree[Array]) -> PyTree[Array]:
        found = _over_axes(_along(loss, x), len(branches), 1)(mine, *branches)
        return jax.tree.map(lambda leaf: leaf.sum(axis=range(len(branches))), found)

    return jax.tree.map(lambda leaf: leaf.sum(axis=0), losses.each(own, directions))


def _along(loss: Loss, x: PyTree[Array]) -> Callable[..., PyTree[Array]]:
    """(v1, ..., vm) ↦ f^(m)(x)(v1, ..., vm)."""
    return lambda *directions: derivative_along(_force(loss), x, directions)


def _over_axes(
    function: Callable[..., PyTree[Array]], count: int, shared: int
) -> Callable[..., PyTree[Array]]:
    """The function on all combinations of the rows of its last `count` arguments, one axis for
    each; the first `shared` arguments have all of these axes themselves."""
    for position in reversed(range(count)):
        axes = (0,) * shared + tuple(0 if i == position else None for i in range(count))
        function = jax.vmap(function, in_axes=axes)
    return function
