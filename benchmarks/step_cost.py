"""What one step costs on the digits problems, in gradient evaluations.

The minimum: the iterate takes one gradient, and each of the integrator's s stages (6 for
Tsit5 once the coefficients have settled) one evaluation of the field. A field of order 1 is
one gradient. A field of order 2 adds the derivative of the gradient in one direction, and a
forward derivative repeats at most every operation once, on tangents, with all values shared:
two gradients together. So 1 + s and 1 + 2s.
"""

import jax
from _timing import best_of

import modflow as mf
from modflow.flows import coefficient_table
from modflow.integrate import SideBySide
from modflow.problems import digits

STEPS, CALLS = 400, 400


def main():
    with jax.enable_x64(True):
        for problem in (digits.logistic(), digits.tanh_network()):
            start, data = problem.start_arrays(), problem.data_arrays()

            @jax.jit
            def gradients(x, data, problem=problem):
                def body(_, x):
                    g = jax.grad(lambda w: problem.value(w, data))(x)
                    return jax.tree.map(lambda a, b: a - 1e-3 * b, x, g)

                return jax.lax.fori_loop(0, CALLS, body, x)

            for order, least in ((1, 7), (2, 13)):
                method = mf.HeavyBall(0.5)
                table = coefficient_table(mf.modified_equation(method, order), STEPS)
                pair = SideBySide(method, problem, table, "tsit5")
                pair.run(1e-3, STEPS)
                jax.block_until_ready(gradients(start, data))
                run, grad = best_of(
                    5,
                    lambda: pair.run(1e-3, STEPS),  # noqa: B023 - called at once
                    lambda: jax.block_until_ready(gradients(start, data)),  # noqa: B023
                )
                cost = (run / STEPS) / (grad / CALLS)
                print(
                    f"{problem.name:<16} order {order}: a gradient {1e6 * grad / CALLS:7.1f} us, a "
                    f"step {1e6 * run / STEPS:7.1f} us = {cost:5.1f} gradients (minimum {least})"
                )


if __name__ == "__main__":
    main()
