"""Initial value problems: one-step and multistep methods, right and with slips.

Orders: Hairer, Nørsett and Wanner, *Solving Ordinary Differential Equations I*, II.1 to II.7 and
III; Hairer and Wanner, *II*, IV.15 and VI.1 (order reduction); Hairer, Lubich and Wanner,
*Geometric Numerical Integration*, I and II (symplectic methods). With a slip the order is the
highest of which all order conditions hold, which the exact tableau decides.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import integrate, special

from .real import EPS, exact, halved, varied


@dataclass(frozen=True)
class Problem:
    f: Any
    jacobian: Any
    start: Any
    end: float
    solution: Any  # of t
    accuracy: float = EPS


def array(*values):
    return np.array(values, dtype=float)


def _pendulum(angle, t):
    """From rest; sin(x/2) = k cd(t, k), k = sin(angle/2)."""
    k = math.sin(angle / 2)
    sn, cn, dn, _ = special.ellipj(t, k * k)
    return array(2 * math.asin(k * cn / dn), -2 * k * sn * math.sqrt(1 - k * k) / dn)


def _volterra(t, u):
    return array(u[0] * (1 - u[1]), u[1] * (u[0] - 2))


def _reference(f, start, end):
    found = integrate.solve_ivp(f, (0, end), start, method="DOP853", rtol=1e-13, atol=1e-14)
    return lambda t: found.y[:, -1]


def problems(rng):
    """Right-hand sides with their exact solutions; starting values and end times are drawn."""
    share, angle, prey = rng.uniform((0.1, 0.8, 0.8), (0.3, 1.6, 1.4)).tolist()
    ends = varied(rng, 2.0, 2.0, 2.0, 1.5, 3.0, 2.0)
    odds = 1 / share - 1
    return {
        "decay": Problem(
            lambda t, u: -u, lambda t, u: -np.eye(1), array(1), ends[0],
            lambda t: array(math.exp(-t)),
        ),
        "logistic": Problem(
            lambda t, u: u * (1 - u), lambda t, u: np.diag(1 - 2 * u), array(share), ends[1],
            lambda t: array(1 / (1 + odds * math.exp(-t))),
        ),
        "oscillator": Problem(
            lambda t, u: array(u[1], -u[0]), lambda t, u: array((0, 1), (-1, 0)), array(1, 0),
            ends[2], lambda t: array(math.cos(t), -math.sin(t)),
        ),
        "Riccati": Problem(
            lambda t, u: -2 * t * u**2, lambda t, u: np.diag(-4 * t * u), array(1), ends[3],
            lambda t: array(1 / (1 + t * t)),
        ),
        "pendulum": Problem(
            lambda t, u: array(u[1], -math.sin(u[0])),
            lambda t, u: array((0, 1), (-math.cos(u[0]), 0)), array(angle, 0), ends[4],
            lambda t: _pendulum(angle, t),
        ),
        "Lotka-Volterra": Problem(
            _volterra, lambda t, u: array((1 - u[1], -u[0]), (u[1], u[0] - 2)), array(prey, 1),
            ends[5], _reference(_volterra, (prey, 1.0), ends[5]), 1e-12,
        ),
    }  # fmt: skip


def table(*rows, b):
    a = np.zeros((len(b), len(b)))
    for i, row in enumerate(rows, start=1):
        a[i, : len(row)] = row
    return a, np.array(b, dtype=float)


EXPLICIT = {
    "Euler": (table(b=[1]), 1),
    "Heun": (table([1], b=[1 / 2, 1 / 2]), 2),
    "midpoint": (table([1 / 2], b=[0, 1]), 2),
    "Ralston": (table([2 / 3], b=[1 / 4, 3 / 4]), 2),
    "Kutta": (table([1 / 2], [-1, 2], b=[1 / 6, 4 / 6, 1 / 6]), 3),
    "RK4": (table([1 / 2], [0, 1 / 2], [0, 0, 1], b=[1 / 6, 1 / 3, 1 / 3, 1 / 6]), 4),
    "3/8": (table([1 / 3], [-1 / 3, 1], [1, -1, 1], b=[1 / 8, 3 / 8, 3 / 8, 1 / 8]), 4),
}
R = math.sqrt(3) / 6
GAUSS_2 = (np.array([[1 / 4, 1 / 4 - R], [1 / 4 + R, 1 / 4]]), np.array([1 / 2, 1 / 2]))
MIDPOINT = (np.array([[1 / 2]]), np.array([1.0]))
RADAU = (np.array([[5 / 12, -1 / 12], [3 / 4, 1 / 4]]), np.array([3 / 4, 1 / 4]))
IMPLICIT = {
    "implicit Euler": ((np.array([[1.0]]), np.array([1.0])), 1),
    "implicit midpoint": (MIDPOINT, 2),
    "trapezoidal": ((np.array([[0, 0], [1 / 2, 1 / 2]]), np.array([1 / 2, 1 / 2])), 2),
    "Radau IIA 2": (RADAU, 3),
    "Gauss 2": (GAUSS_2, 4),
}


def slips(rng):
    """(name, explicit tableau, its order, the order it was meant to have)."""
    for e in varied(rng, 0.1, 0.02, 5e-3, 1e-3, 1e-4):
        rk4 = ([1 / 2], [0, 1 / 2], [0, 0, 1])
        # Σ b c = 1/2 - e/2
        yield (
            f"RK4, weights off by {e:.1e}",
            table(*rk4, b=[1 / 6 + e, 1 / 3 - e, 1 / 3, 1 / 6]),
            1,
            4,
        )
        # Σ b c = 1/2 + e/6
        late = ([1 / 2], [0, 1 / 2], [0, 0, 1 + e])
        yield f"RK4, last node off by {e:.1e}", table(*late, b=[1 / 6, 1 / 3, 1 / 3, 1 / 6]), 1, 4
        # Nodes as they were, Σ b a c = 1/6 - e/6
        inner = ([1 / 2], [e, 1 / 2 - e], [0, 0, 1])
        yield f"RK4, stage off by {e:.1e}", table(*inner, b=[1 / 6, 1 / 3, 1 / 3, 1 / 6]), 2, 4
        yield f"Heun, weights off by {e:.1e}", table([1], b=[1 / 2 + e, 1 / 2 - e]), 1, 2
        # Σ b c² = 1/3 + (2/3) e, with Σ b = 1 and Σ b c = 1/2
        kutta = table([1 / 2], [-1, 2], b=[1 / 6 + e, 4 / 6 - 2 * e, 1 / 6 + e])
        yield f"Kutta, weights off by {e:.1e}", kutta, 2, 3


def explicit(problem, tableau, n):
    a, b = tableau
    c, h, u = a.sum(axis=1).tolist(), problem.end / n, problem.start
    for k in range(n):
        stages = []
        for row, node in zip(a, c, strict=True):
            inner = u
            for weight, stage in zip(row, stages, strict=False):
                if weight:
                    inner = inner + h * weight * stage
            stages.append(problem.f(h * (k + node), inner))
        u = u + h * (b @ np.array(stages))
    return u


def implicit(problem, tableau, n):
    """Newton's method for all stages, to rounding."""
    a, b = tableau
    c, h, u, (s, d) = a.sum(axis=1), problem.end / n, problem.start, (b.size, problem.start.size)
    for k in range(n):
        stages = np.tile(u, (s, 1))
        for _ in range(20):
            times = h * (k + c)
            f = np.array([problem.f(t, v) for t, v in zip(times, stages, strict=True)])
            wrong = stages - u - h * a @ f
            jacobians = [problem.jacobian(t, v) for t, v in zip(times, stages, strict=True)]
            matrix = np.eye(s * d)
            for j, block in enumerate(jacobians):
                for i in range(s):
                    matrix[i * d : (i + 1) * d, j * d : (j + 1) * d] -= h * a[i, j] * block
            change = np.linalg.solve(matrix, wrong.ravel()).reshape(s, d)
            stages = stages - change
            if abs(change).max() <= 4 * EPS * abs(stages).max():
                break
        u = u + h * b @ f
    return u


ADAMS = {
    2: (3 / 2, -1 / 2),
    3: (23 / 12, -16 / 12, 5 / 12),
    4: (55 / 24, -59 / 24, 37 / 24, -9 / 24),
}


def adams(problem, weights, n, rough=False):
    """Adams-Bashforth, started with exact values, or (`rough`) with Euler's method.

    Euler's first steps are off by O(h²), once each, so that the order is 2 then.
    """
    h, u = problem.end / n, problem.start
    values = [problem.f(0.0, u)]
    for k in range(1, len(weights)):
        u = u + h * values[0] if rough else problem.solution(k * h)
        values.insert(0, problem.f(k * h, u))
    for k in range(len(weights), n + 1):
        u = u + h * sum(w * v for w, v in zip(weights, values, strict=True))
        values = [problem.f(k * h, u), *values[:-1]]
    return u


def bdf2(problem, n):
    """Started with a step of implicit Euler, which is off by O(h²), once."""
    h, old = problem.end / n, problem.start
    u, eye = (
        implicit(Problem(**{**vars(problem), "end": h}), IMPLICIT["implicit Euler"][0], 1),
        None,
    )
    for k in range(2, n + 1):
        guess, eye = 2 * u - old, np.eye(u.size)
        for _ in range(20):
            wrong = guess - (4 * u - old + 2 * h * problem.f(k * h, guess)) / 3
            change = np.linalg.solve(eye - 2 * h / 3 * problem.jacobian(k * h, guess), wrong)
            guess = guess - change
            if abs(change).max() <= 4 * EPS * abs(guess).max():
                break
        old, u = u, guess
    return u


KICK = {
    "symplectic Euler": ((1.0,), 1),
    "Yoshida": ((1 / (2 - 2 ** (1 / 3)), -(2 ** (1 / 3)) / (2 - 2 ** (1 / 3))), 4),
    "Verlet": ((1.0,), 2),
}


def splitting(problem, name, n):
    h, (x, v) = problem.end / n, problem.start
    weights, _ = KICK[name]
    weights = weights if len(weights) == 1 else (*weights, weights[0])

    def force(x):
        return problem.f(0.0, array(x, 0.0))[1]

    for _ in range(n):
        for w in weights:
            if name == "symplectic Euler":
                v = v + w * h * force(x)
                x = x + w * h * v
            else:
                v = v + w * h / 2 * force(x)
                x = x + w * h * v
                v = v + w * h / 2 * force(x)
    return array(x, v)


def study(kind, name, order, solve, problem, numbers, **more):
    true = problem.solution(problem.end)
    errors = [float(np.linalg.norm(solve(problem, n) - true)) for n in numbers]
    floor = [problem.accuracy + EPS * math.sqrt(n) for n in numbers]
    steps = [problem.end / n for n in numbers]
    return exact(kind, f"{name}, {len(numbers)} sizes", order, steps, errors, floor, **more)


def studies(rng):
    given = problems(rng)
    short, long = halved(8, 5), halved(4, 8)
    for i, (label, problem) in enumerate(given.items()):
        numbers, other = (short, long) if i % 2 else (long, short)
        for name, (tableau, order) in EXPLICIT.items():
            for grid in (numbers, other) if order in (2, 4) else (numbers,):
                yield study(
                    "smooth", f"{name}, {label}", order,
                    lambda p, n, t=tableau: explicit(p, t, n), problem, grid,
                )  # fmt: skip
        for name, (tableau, order) in IMPLICIT.items():
            yield study(
                "smooth", f"{name}, {label}", order,
                lambda p, n, t=tableau: implicit(p, t, n), problem, other[:6], stated=i == 3,
            )  # fmt: skip
        for steps, weights in ADAMS.items():
            yield study(
                "smooth", f"Adams-Bashforth {steps}, {label}", steps,
                lambda p, n, w=weights: adams(p, w, n), problem, numbers,
            ) if label != "Lotka-Volterra" else study(
                "smooth", f"Adams-Bashforth {steps} from Euler, {label}", 2,
                lambda p, n, w=weights: adams(p, w, n, rough=True), problem, numbers,
                nominal=float(steps),
            )  # fmt: skip
        yield study(
            "transient", f"Adams-Bashforth 4 from Euler, {label}", 2,
            lambda p, n: adams(p, ADAMS[4], n, rough=True), problem, long, nominal=4.0,
        )  # fmt: skip
        yield study("smooth", f"BDF 2, {label}", 2, bdf2, problem, other[:6])
        if label in ("oscillator", "pendulum"):
            for name, (_, order) in KICK.items():
                yield study(
                    "smooth", f"{name}, {label}", order,
                    lambda p, n, name=name: splitting(p, name, n), problem, long,
                )  # fmt: skip
        if label in ("Riccati", "pendulum", "Lotka-Volterra"):
            for name, tableau, order, nominal in slips(rng):
                yield study(
                    "turn", f"{name}, {label}", order,
                    lambda p, n, t=tableau: explicit(p, t, n), problem, long,
                    nominal=float(nominal),
                )  # fmt: skip
    yield from _special(given, rng, long)


def _special(given, rng, long):
    # Σ b a c = 1/6 but Σ b c² = 1/4: order 2, and 3 where the problem is linear.
    linear = table([1 / 3], [0, 1 / 2], b=[0, 0, 1])
    for label in ("decay", "oscillator"):
        yield study(
            "superconvergence", f"Jameson's three stages, {label}", 3,
            lambda p, n: explicit(p, linear, n), given[label], long, nominal=2.0,
        )  # fmt: skip
    for label in ("pendulum", "logistic"):
        yield study(
            "smooth", f"Jameson's three stages, {label}", 2,
            lambda p, n: explicit(p, linear, n), given[label], long, nominal=3.0,
        )  # fmt: skip
    for rate in varied(rng, 30.0, 100.0, 1000.0):  # u' = -rate (u - cos t) - sin t, u = cos t
        stiff = Problem(
            lambda t, u, r=rate: -r * (u - math.cos(t)) - math.sin(t),
            lambda t, u, r=rate: np.array([[-r]]), array(1.0), 1.3, lambda t: array(math.cos(t)),
        )  # fmt: skip
        for name, (tableau, order) in IMPLICIT.items():
            yield study(
                "transient", f"{name}, stiff {rate:.0f}", order,
                lambda p, n, t=tableau: implicit(p, t, n), stiff, halved(8, 8),
            )  # fmt: skip
        if rate < 500:
            for name in ("Heun", "RK4"):
                yield study(
                    "transient", f"{name}, stiff {rate:.0f}", EXPLICIT[name][1],
                    lambda p, n, t=EXPLICIT[name][0]: explicit(p, t, n), stiff, halved(16, 8),
                )  # fmt: skip
    # The limit rate → ∞, 0 = u - cos t: order s for Gauss methods with an even number s of stages,
    # s + 1 with an odd one (Hairer and Wanner, VI.1).
    for name, (tableau, order) in {"Gauss 2": (GAUSS_2, 2), "midpoint": (MIDPOINT, 2)}.items():
        for numbers in (halved(8, 5), halved(4, 9)):
            yield study(
                "smooth", f"{name}, infinitely stiff", order,
                lambda p, n, t=tableau: algebraic(t, n), PROBLEM_STIFF, numbers,
                nominal=4.0 if name == "Gauss 2" else 2.0,
            )  # fmt: skip


PROBLEM_STIFF = Problem(None, None, array(1.0), 1.3, lambda t: array(math.cos(t)))


def algebraic(tableau, n):
    """u_(k+1) = u_k + b A^(-1) (Y - u_k) with stages Y = cos t."""
    a, b = tableau
    c, h, u, weights = a.sum(axis=1), 1.3 / n, 1.0, np.linalg.solve(a.T, b)
    for k in range(n):
        u += weights @ (np.cos(h * (k + c)) - u)
    return array(u)
