"""The same loop, modflow against a hand-written `lax.scan` with formula (4) typed in.

The baseline is what a careful JAX user writes for this one method, order and loss: the paper's
formula for the coefficients, evaluated for all steps beforehand; one scan; a Hessian-vector
product; and Tsitouras' Runge–Kutta step unrolled, without the stage for its error estimate. It
has no check for divergence, and a fixed number of steps. modflow derives its coefficients and
has all three.
"""

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
from _timing import best_of
from jax import lax

import modflow as mf
from modflow.flows import coefficient_table
from modflow.integrate import SideBySide
from modflow.problems import digits
from modflow.problems.classic import two_layer

BETA = 0.9
TABLEAU = diffrax.Tsit5.tableau
STAGES = [np.zeros(0), *(np.asarray(row) for row in TABLEAU.a_lower)][:6]
WEIGHTS = np.asarray(TABLEAU.b_sol)[:6]


def by_hand(problem, steps):
    tree = jax.tree.map

    def plus(x, *terms):
        for c, d in terms:
            x = tree(lambda a, b, c=c: a + c * b, x, d)
        return x

    @jax.jit
    def run(x0, h, data):
        gradient = jax.grad(lambda w: problem.value(w, data))

        b, k = BETA, jnp.arange(steps, dtype=float)
        gammas = (1 - b ** (2 * k + 2)) - 4 * (k + 1) * b ** (k + 1) * (1 - b) / (1 + b)
        drifts = (1 - b ** (k + 1)) / (1 - b)
        strengths = h * gammas * (1 + b) / (2 * (1 - b) ** 3)

        def step(carry, coefficients):
            x, v, y, worst = carry
            drift, strength = coefficients

            def field(w):
                g = gradient(w)
                hg = jax.jvp(gradient, (w,), (g,))[1]
                return tree(lambda p, q: -drift * p - strength * q, g, hg)

            v = tree(lambda p, q: b * p - h * q, v, gradient(x))
            x = plus(x, (1.0, v))
            slopes = []
            for row in STAGES:
                pairs = [(h * float(a), s) for a, s in zip(row, slopes, strict=True) if a != 0]
                slopes.append(field(plus(y, *pairs)))
            y = plus(y, *((h * float(w), s) for w, s in zip(WEIGHTS, slopes, strict=True)))
            gap = tree(lambda p, q: jnp.sum((p - q) ** 2), x, y)
            worst = jnp.maximum(worst, jnp.sqrt(sum(jax.tree.leaves(gap))))
            return (x, v, y, worst), None

        zero = tree(jnp.zeros_like, x0)
        start = (x0, zero, x0, jnp.zeros(()))
        return lax.scan(step, start, (drifts, strengths))[0][3]

    return run


def compare(problem, h, steps, rounds):
    method = mf.HeavyBall(BETA)
    table = coefficient_table(mf.modified_equation(method, 2), steps)
    pair = SideBySide(method, problem, table, "tsit5")
    scan, x0, data = by_hand(problem, steps), problem.start_arrays(), problem.data_arrays()
    ours = pair.run(h, steps).error
    theirs = float(scan(x0, h, data))
    assert abs(ours - theirs) < 1e-9 * theirs, (ours, theirs)
    fast, hand = best_of(
        rounds, lambda: pair.run(h, steps), lambda: scan(x0, h, data).block_until_ready()
    )
    print(
        f"{problem.name:<16} {steps} steps   modflow {1e6 * fast / steps:8.2f} us a step   "
        f"by hand {1e6 * hand / steps:8.2f} us   ratio {fast / hand:.2f}   (claim: at most 1.3)"
    )


def main():
    with jax.enable_x64(True):
        compare(two_layer(), 0.1 / 2**12, 2**12, 20)
        compare(two_layer(), 0.1 / 2**15, 2**15, 10)
        compare(digits.logistic(), 0.4 / 2**9, 2**9, 5)
        compare(digits.tanh_network(), 0.4 / 2**9, 2**9, 5)


if __name__ == "__main__":
    main()
