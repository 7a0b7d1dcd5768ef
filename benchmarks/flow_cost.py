"""One evaluation of the flow of order p on the digits network, in gradient evaluations.

Beside it how many nested derivatives of f it takes, and what a field costs that evaluates every
elementary differential on its own, from scratch.
"""

import jax
from _timing import best_of

import modflow as mf
from modflow.flows import Flow, elementary_differential
from modflow.problems import digits

CALLS = 20


def repeated(function):
    @jax.jit
    def many(x, data):
        def body(_, y):
            value = function(y, data)
            return jax.tree.map(lambda a, b: a + 1e-6 * b, y, value)

        return jax.lax.fori_loop(0, CALLS, body, x)

    return many


def main():
    with jax.enable_x64(True):
        problem = digits.tanh_network()
        start, data = problem.start_arrays(), problem.data_arrays()
        equation = mf.modified_equation(mf.HeavyBall(), 5)
        gradient = repeated(lambda y, d: jax.grad(lambda w: problem.value(w, d))(y))
        for order in range(1, 6):
            cut = equation.truncated(order)

            def field(y, d, cut=cut):
                flow = Flow(cut, lambda w: problem.value(w, d), parameters={"beta": 0.9}, steps=512)
                return flow(300, y, 1e-3)

            def naive(y, d, cut=cut):
                parts = [
                    elementary_differential(tree, lambda w: problem.value(w, d), y)
                    for tree, _ in cut.elements()
                ]
                return jax.tree.map(lambda *leaves: sum(leaves), *parts)

            flow = Flow(cut, problem.loss, parameters={"beta": 0.9}, steps=512)
            functions = [gradient, repeated(field)]
            if order <= 4:
                functions.append(repeated(naive))
            calls = [lambda f=f: jax.block_until_ready(f(start, data)) for f in functions]
            for call in calls:
                call()
            times = best_of(5, *calls)
            line = (
                f"order {order}: {len(flow.plan.trees):3d} trees, "
                f"{flow.plan.derivatives:3d} nested derivatives, "
                f"{times[1] / times[0]:6.1f} gradients"
            )
            if len(times) > 2:
                line += f"; every differential from scratch {times[2] / times[0]:6.1f}"
            print(line, flush=True)


if __name__ == "__main__":
    main()
