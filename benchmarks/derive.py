"""How long a derivation takes, by order, in k and β: and beside it SymPy doing its last step.

The baseline is one general-purpose step of the same computation: SymPy's `cancel` on the sum
of the derived coefficients' terms. It is there so that the figure is a ratio; modflow's time
includes everything, the recurrences' solutions and their substitution back.
"""

import time

import sympy

import modflow as mf
from modflow.series import trees_up_to


def main():
    mf.modified_equation(mf.HeavyBall(), 2)
    for order in range(1, 8):
        began = time.perf_counter()
        eq = mf.modified_equation(mf.HeavyBall(), order)
        derive = time.perf_counter() - began
        line = f"order {order}: {len(list(trees_up_to(order))):4d} trees, {derive:8.3f} s"
        if order <= 4:
            q = sympy.Symbol("q")
            plain = [
                sympy.expand(c.subs(eq.method.beta ** sympy.Symbol("k"), q))
                for c in eq.coefficients.values()
            ]
            began = time.perf_counter()
            for c in plain:
                sympy.cancel(sympy.together(c))
            line += f"   SymPy's cancel alone {time.perf_counter() - began:8.3f} s"
        print(line)


if __name__ == "__main__":
    main()
