"""How long a derivation takes, and how that grows with the number of trees.

The heavy ball, symbolic in k and β; its limit k → ∞, symbolic in β and at β = 9/10; aggregated
momentum with two symbolic rates. The baseline, where it can still be waited for, is one
general-purpose step of the same computation: SymPy's `cancel` on the sum of the derived
coefficients' terms. modflow's time includes everything, the recurrences' solutions and their
substitution back, but not the conversion of the results to SymPy, which is timed apart.
"""

import time
from fractions import Fraction

import sympy

import modflow as mf
from modflow.series import trees_up_to


def timed(function):
    began = time.perf_counter()
    result = function()
    return time.perf_counter() - began, result


def shown(order, seconds):
    count = len(list(trees_up_to(order)))
    each = 1e3 * seconds / count
    return f"  order {order}: {count:4d} trees, {seconds:7.3f} s, {each:6.2f} ms a tree"


def main():
    mf.modified_equation(mf.HeavyBall(), 2)
    print("heavy ball, symbolic in k and β")
    for order in range(1, 9):
        derive, eq = timed(lambda: mf.modified_equation(mf.HeavyBall(), order))  # noqa: B023
        line = shown(order, derive)
        if order <= 4:
            q = sympy.Symbol("q")
            plain = [
                sympy.expand(c.subs(eq.method.beta ** sympy.Symbol("k"), q))
                for c in eq.coefficients.values()
            ]
            cancel, _ = timed(lambda: [sympy.cancel(sympy.together(c)) for c in plain])  # noqa: B023
            line += f"   SymPy's cancel alone {cancel / derive:4.0f} times that"
        print(line, flush=True)
    cases = [
        ("its limit, symbolic in β", mf.HeavyBall(), (6, 7, 8), True),
        ("its limit at β = 9/10", mf.HeavyBall(Fraction(9, 10)), (8, 9, 10), True),
        ("at β = 9/10, symbolic in k", mf.HeavyBall(Fraction(9, 10)), (7, 8, 9), False),
        ("aggregated momentum, symbolic in k, β1, β2", mf.AggregatedMomentum(), (3, 4, 5), False),
        ("its limit", mf.AggregatedMomentum(), (4, 5, 6), True),
    ]
    for name, method, orders, limit in cases:
        print(name)
        for order in orders:
            derive, _ = timed(lambda: mf.modified_equation(method, order, limit=limit))  # noqa: B023
            print(shown(order, derive), flush=True)


if __name__ == "__main__":
    main()
