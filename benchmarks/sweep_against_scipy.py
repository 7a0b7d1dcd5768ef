"""Iterates and order-2 flow on the two-layer model, 2^12 steps: modflow against NumPy + SciPy.

The peer is what one writes without modflow: iterates in NumPy, and `solve_ivp` (DOP853,
rtol 1e-12) over each interval with formula (4) of the paper typed in. Both report the largest
error, and have to agree on it. Compilation is not counted: a sweep compiles once.
"""

import jax
import numpy as np
from _timing import best_of
from scipy.integrate import solve_ivp

import modflow as mf
from modflow.flows import coefficient_table
from modflow.integrate import SideBySide
from modflow.problems.classic import two_layer

BETA, STEPS = 0.9, 2**12
H = 0.1 / STEPS


def gradient(w):
    return -(0.6 - w[0] * w[1]) * np.array([w[1], w[0]])


def hessian(w):
    r = 0.6 - w[0] * w[1]
    return np.array([[w[1] ** 2, w[0] * w[1] - r], [w[0] * w[1] - r, w[0] ** 2]])


def numpy_and_scipy():
    x = y = np.array([2.8, 3.4])
    v, worst, b = np.zeros(2), 0.0, BETA
    for k in range(STEPS):
        gamma = (1 - b ** (2 * k + 2)) - 4 * (k + 1) * b ** (k + 1) * (1 - b) / (1 + b)
        drift = (1 - b ** (k + 1)) / (1 - b)
        strength = H * gamma * (1 + b) / (2 * (1 - b) ** 3)

        def field(_, w, drift=drift, strength=strength):
            g = gradient(w)
            return -drift * g - strength * (hessian(w) @ g)

        v = b * v - H * gradient(x)
        x = x + v
        y = solve_ivp(field, (0, H), y, method="DOP853", rtol=1e-12, atol=1e-12).y[:, -1]
        worst = max(worst, np.linalg.norm(x - y))
    return worst


def main():
    with jax.enable_x64(True):
        method = mf.HeavyBall(BETA)
        table = coefficient_table(mf.modified_equation(method, 2), STEPS)
        pair = SideBySide(method, two_layer(), table, "tsit5")
        ours = pair.run(H, STEPS).error
        theirs = numpy_and_scipy()
        assert abs(ours - theirs) < 1e-6 * theirs, (ours, theirs)
        fast, slow = best_of(5, lambda: pair.run(H, STEPS)), best_of(1, numpy_and_scipy)
    print(f"modflow          {1e3 * fast[0]:9.2f} ms   error {ours:.9e}")
    print(f"NumPy + SciPy    {1e3 * slow[0]:9.2f} ms   error {theirs:.9e}")
    print(f"ratio            {slow[0] / fast[0]:9.0f}      (claim: at least 100)")


if __name__ == "__main__":
    main()
