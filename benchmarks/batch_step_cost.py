"""What one step of the mini-batch flow costs on the digits network with ten batches.

First, at k = 10 and at k = 10,000: the flow of step k depends on the batches of all steps up to
k, but its weights are updated, so that both cost the same. One program does both; it draws the
batch, updates the weights, and takes one classical Runge–Kutta step.

Then beside what a careful JAX user writes for heavy ball and order 2 alone, from Theorem 5.1: the
weights g_k = β g_{k-1} + e_j(k) of the force and P_{k+1} = β (P_k + g_k g_kᵀ) of the
regularizer; gradients and Hessian-vector products of all batches at once; Tsitouras'
Runge–Kutta step unrolled; a fixed number of steps, with batches drawn beforehand. It has no
estimate of the integrator's error, for which modflow takes a seventh stage beside these six, and
no check for divergence. Both run the iterates too, and their errors are compared.

All on one core, as far as the system lets a program choose: XLA shares out the larger products
among cores, and what that takes where another program keeps one of them busy is not the question.
"""

import os
import time
from statistics import median

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

import modflow as mf
from modflow.batches import BatchFlow, compare_flow
from modflow.problems import digits

BATCHES, BETA, H = 10, 0.9, 1e-3
STEPS, ROUNDS = 400, 15
EARLY, LATE, SOME = 10, 10_000, 100
TABLEAU = diffrax.Tsit5.tableau
STAGES = [np.zeros(0), *(np.asarray(row) for row in TABLEAU.a_lower)][:6]
WEIGHTS = np.asarray(TABLEAU.b_sol)[:6]


def by_hand(loss, count):
    tree = jax.tree.map
    gradient = jax.grad(loss)

    def plus(x, *terms):
        for c, d in terms:
            x = tree(lambda a, b, c=c: a + c * b, x, d)
        return x

    @jax.jit
    def run(x0, beta, h, batches, data):
        def field(y, g, R):
            gradients = jax.vmap(lambda own: gradient(y, own))(data)
            directions = tree(lambda leaf: jnp.tensordot(R, leaf, axes=1), gradients)
            products = jax.vmap(lambda own, v: jax.jvp(lambda z: gradient(z, own), (y,), (v,))[1])(
                data, directions
            )
            return tree(
                lambda a, b: -jnp.tensordot(g, a, axes=1) - h / 2 * b.sum(axis=0),
                gradients,
                products,
            )

        def step(carry, j):
            x, v, y, g, P, worst = carry
            own = tree(lambda leaf: leaf[j], data)
            v = tree(lambda a, b: beta * a - h * b, v, gradient(x, own))
            x = plus(x, (1.0, v))
            g = beta * g + (jnp.arange(count) == j)
            R, P = jnp.outer(g, g) + 2 * P, beta * (P + jnp.outer(g, g))
            slopes = []
            for row in STAGES:
                pairs = [(h * float(a), s) for a, s in zip(row, slopes, strict=True) if a != 0]
                slopes.append(field(plus(y, *pairs), g, R))
            y = plus(y, *((h * float(w), s) for w, s in zip(WEIGHTS, slopes, strict=True)))
            gap = tree(lambda a, b: jnp.sum((a - b) ** 2), x, y)
            worst = jnp.maximum(worst, jnp.sqrt(sum(jax.tree.leaves(gap))))
            return (x, v, y, g, P, worst), None

        zero = tree(jnp.zeros_like, x0)
        weights = jnp.zeros(count), jnp.zeros((count, count))
        return lax.scan(step, (x0, zero, x0, *weights, jnp.zeros(())), batches)[0][-1]

    return run


def from_step(flow, schedule):
    """SOME steps of the flow from step k on, k an argument."""

    @jax.jit
    def run(flow, state, y, k):
        def step(i, carry):
            state, y = carry
            state, weights = flow.advance(state, schedule(k + i))

            def moved(c, slope):
                point = jax.tree.map(lambda a, b: a + c * b, y, slope)
                return flow.field(flow.losses, weights, point, H)

            a = moved(0.0, y)
            b = moved(H / 2, a)
            c = moved(H / 2, b)
            d = moved(H, c)
            y = jax.tree.map(
                lambda y, a, b, c, d: y + H / 6 * (a + 2 * b + 2 * c + d), y, a, b, c, d
            )
            return state, y

        return lax.fori_loop(0, SOME, step, (state, y))[1]

    @jax.jit
    def state_at(k):
        start = flow.start(schedule(0))
        return lax.fori_loop(0, k, lambda i, s: flow.advance(s, schedule(i))[0], start)

    return run, state_at


def medians(first, second):
    """The times of both, and of their ratio; every round runs one after the other."""
    first(), second()
    rounds = []
    for _ in range(ROUNDS):
        times = []
        for function in (first, second):
            began = time.perf_counter()
            function()
            times.append(time.perf_counter() - began)
        rounds.append((*times, times[0] / times[1]))
    return [median(column) for column in zip(*rounds, strict=True)]


def main():
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    with jax.enable_x64(True):
        problem = digits.tanh_network().split(BATCHES)
        start, data = problem.start_arrays(), problem.data_arrays()
        schedule = mf.BatchSchedule("shuffled", BATCHES, seed=1)
        flow = BatchFlow(mf.HeavyBall(BETA), problem, 2)

        run, state_at = from_step(flow, schedule)
        states = [jax.block_until_ready(state_at(k)) for k in (EARLY, LATE)]
        late, early, ratio = medians(
            lambda: jax.block_until_ready(run(flow, states[1], start, LATE)),
            lambda: jax.block_until_ready(run(flow, states[0], start, EARLY)),
        )
        print(
            f"a flow step at k = {EARLY}: {1e6 * early / SOME:.0f} us, at k = {LATE}: "
            f"{1e6 * late / SOME:.0f} us   ratio {ratio:.3f}   (claim: the same)"
        )

        hand, batches = by_hand(problem.loss, BATCHES), jnp.asarray(schedule.first(STEPS))
        ours = compare_flow(flow, problem.start, schedule, H, STEPS).error
        theirs = float(hand(start, BETA, H, batches, data))
        assert abs(ours - theirs) < 1e-9 * theirs, (ours, theirs)
        mine, other, ratio = medians(
            lambda: compare_flow(flow, problem.start, schedule, H, STEPS),
            lambda: hand(start, BETA, H, batches, data).block_until_ready(),
        )
        print(
            f"iterates and flow, {STEPS} steps: modflow {1e6 * mine / STEPS:.0f} us a step, "
            f"by hand {1e6 * other / STEPS:.0f} us   ratio {ratio:.2f}   "
            "(claim: at most 1.2)"
        )


if __name__ == "__main__":
    main()
