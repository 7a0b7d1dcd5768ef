"""How often a verdict is wrong on real studies whose truth is known.

Right flows of heavy ball and Nesterov, and flows with one coefficient of the highest order off
by a given share: these have one order less. Takes about seven minutes.
"""

import collections
import random
import sys
from fractions import Fraction

import modflow as mf
from modflow.series import trees

BETAS = [0, 0.2, 0.35, 0.6, 0.8, 0.9, 0.95]
OFF = [0, 0, 0.05, -0.2, 0.5, 1.0]


def study(pick):
    method = pick([mf.HeavyBall, mf.Nesterov])(pick(BETAS))
    problem, order = pick(["two-layer", "quadratic", "rosenbrock"]), pick([1, 2, 3, 4])
    flow, off = mf.modified_equation(method, order), pick(OFF)
    if off:
        # On a quadratic only the tall tree counts.
        of_order = [t for t in trees(order) if flow.field[t] != 0]
        tree = max(trees(order)) if problem == "quadratic" else pick(of_order)
        flow = flow.with_coefficients({tree: flow.element(tree) * Fraction(str(1 + off))})
    return off, mf.convergence_study(method, problem, order, flow=flow)


def main(count):
    pick, found = random.Random(5).choice, collections.Counter()
    for _ in range(count):
        off, result = study(pick)
        found[off, result.verdict] += 1
        if (result.verdict == "pass") != (off == 0):
            print(f"off by {off:+.0%}: {result!r}", flush=True)
    for (off, verdict), number in sorted(found.items()):
        print(f"{'right' if not off else f'off by {off:+.0%}':<14} {verdict:<13} {number:5d}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 800)
