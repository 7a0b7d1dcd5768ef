"""The compiled functions of a training.

One program advances a network by any number of steps; the step size, the momentum and the data
are its arguments, so that it serves a whole grid. The number of steps is one, too, so that how
the work is cut into chunks changes no bit of it. Where steps from the host are faster than a loop
that is compiled (`devices.Strategy`), the program is that of one step.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import lax
from jaxtyping import Array, Bool, Float, Int, PyTree

from ..networks.network import Network
from ..vectors import distance, norm
from .following import Following, follow
from .rates import optimizer


class Data(NamedTuple):
    """What a run sees: a pool of images that all runs share, and which of them are whose."""

    images: Array
    """[pool, height, width, channels], numbers as they are stored."""
    labels: Int[Array, " pool"]
    mean: Float[Array, " channels"]
    scale: Float[Array, " channels"]
    """1 over the standard deviation, of the training images."""
    train: Int[Array, "batches batch"]
    """The training images in fixed batches; E is the mean over these of their losses."""
    test: Int[Array, "batches batch"]
    """The test images; places left over hold -1."""
    table: Float[Array, "rows trees"] | None = None
    """The coefficients of the modified flow, where one runs along."""


class State(NamedTuple):
    """Where a run is."""

    parameters: PyTree[Array]
    statistics: PyTree[Array]
    optimizer: PyTree[Array]
    flow: Following | None = None


class Measures(NamedTuple):
    """What is measured of E at a point."""

    loss: Float[Array, ""]
    accuracy: Float[Array, ""]
    gradient_squared: Float[Array, ""]
    """‖∇E‖²."""
    velocity: Float[Array, ""]
    """‖x^k - x^(k-1)‖/h."""
    test_loss: Float[Array, ""]
    test_accuracy: Float[Array, ""]
    flow_distance: Float[Array, ""] | None = None
    """‖x^k - x̃(t_k)‖."""
    flow_length: Float[Array, ""] | None = None
    """‖x^k - x^0‖."""
    flow_error: Float[Array, ""] | None = None
    """The integrator's share of the distance, estimated."""


@dataclass(frozen=True)
class Program:
    """The functions, compiled: of one run, or (`vectorized`) of as many as there are along a new
    first axis of everything but the pool."""

    begin: Callable[..., State]
    """(parameters, statistics, h, beta) → State."""
    advance: Callable[..., tuple[State, Float[Array, " capacity"]]]
    """(state, h, beta, data, count, batches) → the state `count` steps on, and the loss before
    each step. `batches` are indices [capacity, batch] into the pool; for the full batch, an
    array [capacity, 0]."""
    measure: Callable[..., Measures]
    """(state, data) → Measures."""
    product: Callable[..., PyTree[Array]]
    """(parameters, statistics, data, direction) → the Hessian of E times a direction."""


def batch_loss(
    network: Network,
    parameters: PyTree[Array],
    statistics: PyTree[Array],
    images: Float[Array, "n height width channels"],
    labels: Int[Array, " n"],
) -> tuple[Float[Array, ""], tuple[PyTree[Array], Float[Array, "n classes"]]]:
    """The mean cross-entropy of a batch; beside it the new statistics and the scores."""
    scores, statistics = network.scores(parameters, statistics, images)
    scores = _at_least_float32(scores)
    return _cross_entropy(scores, labels).mean(), (statistics, scores)


def _at_least_float32(x: Array) -> Array:
    return x.astype(jnp.promote_types(x.dtype, jnp.float32))


def _cross_entropy(
    scores: Float[Array, "n classes"], labels: Int[Array, " n"]
) -> Float[Array, " n"]:
    return optax.losses.softmax_cross_entropy_with_integer_labels(scores, labels)


@lru_cache(maxsize=8)
def program(
    network: Network,
    *,
    full_batch: bool,
    decay: str,
    steps: int,
    vectorized: bool,
    from_host: Network | None = None,
    flow: int = 0,
) -> Program:
    """The functions of a network's training. See `Program`.

    Where `flow` is not 0, the modified flow of that order runs beside the full batch. With
    `from_host`, the same network with convolutions that are fast outside of loops only, the host
    calls each step.
    """

    def seen(data: Data, indices: Int[Array, " n"]) -> tuple[Array, Array]:
        images = data.images[indices].astype(data.mean.dtype)
        return (images - data.mean) * data.scale, data.labels[indices]

    def rule(h: Array, beta: Array) -> optax.GradientTransformation:
        return optimizer(h, beta, decay, steps)

    def begin(parameters: PyTree[Array], statistics: PyTree[Array], h: Array, beta: Array) -> State:
        beside = Following.begin(parameters) if flow else None
        return State(parameters, statistics, rule(h, beta).init(parameters), beside)

    def one_step(
        of: Network, state: State, h: Array, beta: Array, batch: tuple[Array, Array]
    ) -> tuple[State, Float[Array, ""]]:
        parameters, statistics, memory, beside = state
        (loss, (statistics, _)), gradient = jax.value_and_grad(
            lambda p: batch_loss(of, p, statistics, *batch), has_aux=True
        )(parameters)
        change, memory = rule(h, beta).update(gradient, memory)
        parameters = optax.apply_updates(parameters, change)
        return State(parameters, statistics, memory, beside), loss

    def advance(
        state: State,
        h: Array,
        beta: Array,
        data: Data,
        count: Int[Array, ""],
        batches: Int[Array, "capacity batch"],
    ) -> tuple[State, Float[Array, " capacity"]]:
        # Outside of the loop, so that the full batch is gathered once.
        everything = seen(data, data.train[0]) if full_batch else None

        def step(i: Array, carry: Any) -> Any:
            state, losses = carry
            batch = seen(data, batches[i]) if everything is None else everything
            state, loss = one_step(network, state, h, beta, batch)
            if flow:
                state = state._replace(flow=followed(state, h, data, batch))
            return state, losses.at[i].set(loss)

        losses = jnp.full(len(batches), jnp.nan, data.mean.dtype)
        return lax.fori_loop(0, count, step, (state, losses))

    def followed(state: State, h: Array, data: Data, batch: tuple[Array, Array]) -> Following:
        assert state.flow is not None
        assert data.table is not None

        def loss(parameters: PyTree[Array]) -> Float[Array, ""]:
            return batch_loss(network, parameters, state.statistics, *batch)[0]

        return follow(flow, loss, state.flow, h, data.table)

    @partial(jax.jit, donate_argnums=0)
    def single(
        state: State, h: Array, beta: Array, data: Data, indices: Int[Array, " batch"]
    ) -> tuple[State, Float[Array, ""]]:
        batch = seen(data, data.train[0] if full_batch else indices)
        return one_step(from_host or network, state, h, beta, batch)

    def advance_from_host(
        state: State,
        h: Array,
        beta: Array,
        data: Data,
        count: Int[Array, ""],
        batches: Int[Array, "capacity batch"],
    ) -> tuple[State, Float[np.ndarray, " capacity"]]:
        losses, order = [], np.asarray(batches)
        for indices in order[: int(count)]:
            state, loss = single(state, h, beta, data, indices)
            losses.append(loss)
        found = np.full(len(order), np.nan, data.mean.dtype)
        found[: len(losses)] = jax.device_get(losses)
        return state, found

    def train_loss(
        parameters: PyTree[Array], statistics: PyTree[Array], data: Data, indices: Int[Array, " n"]
    ) -> tuple[Float[Array, ""], Float[Array, ""]]:
        images, labels = seen(data, indices)
        loss, (_, scores) = batch_loss(network, parameters, statistics, images, labels)
        return loss, (scores.argmax(axis=1) == labels).mean(dtype=loss.dtype)

    def measure(state: State, data: Data) -> Measures:
        def add(total: Any, indices: Int[Array, " n"]) -> Any:
            found = jax.value_and_grad(train_loss, has_aux=True)(
                state.parameters, state.statistics, data, indices
            )
            return jax.tree.map(jnp.add, total, found), None

        zero = jnp.zeros((), data.mean.dtype)
        start = (zero, jnp.zeros(())), jax.tree.map(jnp.zeros_like, state.parameters)
        ((loss, accuracy), gradient), _ = lax.scan(add, start, data.train)
        parts = len(data.train)
        test_loss, test_accuracy = tested(state, data)
        return Measures(
            loss / parts,
            accuracy / parts,
            (norm(gradient) / parts) ** 2,
            norm(optax.tree_utils.tree_get(state.optimizer, "trace")),
            test_loss,
            test_accuracy,
            *beside(state),
        )

    def beside(state: State) -> tuple[Array | None, ...]:
        if state.flow is None:
            return (None, None, None)
        x, y, start, error, _ = state.parameters, *state.flow
        return distance(x, y), distance(x, start), error

    def tested(state: State, data: Data) -> tuple[Float[Array, ""], Float[Array, ""]]:
        def add(total: Any, indices: Int[Array, " n"]) -> Any:
            images, labels = seen(data, indices)
            scores, _ = network.scores(state.parameters, state.statistics, images, training=False)
            scores = _at_least_float32(scores)
            there: Bool[Array, " n"] = indices >= 0
            losses = jnp.where(there, _cross_entropy(scores, labels), 0)
            hits = there & (scores.argmax(axis=1) == labels)
            return (total[0] + losses.sum(), total[1] + hits.sum()), None

        start = jnp.zeros((), data.mean.dtype), jnp.zeros((), int)
        (loss, hits), _ = lax.scan(add, start, data.test)
        count = (data.test >= 0).sum()
        return loss / count, hits / count

    def product(
        parameters: PyTree[Array],
        statistics: PyTree[Array],
        data: Data,
        direction: PyTree[Array],
    ) -> PyTree[Array]:
        def add(total: PyTree[Array], indices: Int[Array, " n"]) -> Any:
            def gradient(p: PyTree[Array]) -> PyTree[Array]:
                return jax.grad(lambda p: train_loss(p, statistics, data, indices)[0])(p)

            _, found = jax.jvp(gradient, (parameters,), (direction,))
            return jax.tree.map(jnp.add, total, found), None

        total, _ = lax.scan(add, jax.tree.map(jnp.zeros_like, parameters), data.train)
        return jax.tree.map(lambda leaf: leaf / len(data.train), total)

    if vectorized:
        own = Data(None, None, 0, 0, 0, 0, 0)  # type: ignore[arg-type]
        return Program(
            begin=jax.jit(jax.vmap(begin)),
            advance=jax.jit(jax.vmap(advance, in_axes=(0, 0, 0, own, None, 0)), donate_argnums=0),
            measure=jax.jit(jax.vmap(measure, in_axes=(0, own))),
            product=jax.jit(jax.vmap(product, in_axes=(0, 0, own, 0))),
        )
    way: Callable[..., Any] = advance_from_host
    if from_host is None:
        way = jax.jit(advance, donate_argnums=0)
    return Program(
        begin=jax.jit(begin),
        advance=way,
        measure=jax.jit(measure),
        product=jax.jit(product),
    )
