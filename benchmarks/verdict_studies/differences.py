"""Difference quotients: textbook orders from Taylor's formula, and rounding that grows like ε/h."""

import math

import numpy as np

from .real import EPS, exact, varied

QUOTIENTS = {  # of f at x, its order, the derivative that it approximates
    "forward": (lambda f, x, h: (f(x + h) - f(x)) / h, 1, 1),
    "central": (lambda f, x, h: (f(x + h) - f(x - h)) / (2 * h), 2, 1),
    "one-sided": (lambda f, x, h: (4 * f(x + h) - f(x + 2 * h) - 3 * f(x)) / (2 * h), 2, 1),
    "five-point": (lambda f, x, h: wide(f, x, h, 4 / 3), 4, 1),
    "second": (lambda f, x, h: (f(x + h) - 2 * f(x) + f(x - h)) / h**2, 2, 2),
    "complex step": (lambda f, x, h: f(x + 1j * h).imag / h, 2, 1),
}
FUNCTIONS = {  # f, f', f'', where
    "exp": (np.exp, math.exp, math.exp, (0.2, 1.0)),
    "sin": (np.sin, math.cos, lambda x: -math.sin(x), (0.3, 0.9)),
    "1/(1+x)": (
        lambda x: 1 / (1 + x), lambda x: -1 / (1 + x) ** 2, lambda x: 2 / (1 + x) ** 3, (0.0, 0.5)
    ),
}  # fmt: skip


def wide(f, x, h, weight):
    """A mean of two central differences; weight 4/3 takes h² away."""
    near, far = (f(x + h) - f(x - h)) / (2 * h), (f(x + 2 * h) - f(x - 2 * h)) / (4 * h)
    return weight * near + (1 - weight) * far


def study(kind, name, order, quotient, f, true, x, steps, degree=1, **more):
    errors = [abs(quotient(f, x, h) - true) for h in steps]
    # Each value of f is off by half a unit or so, and each x + h by as much.
    floor = 4 * EPS * (1 + abs(x)) / np.asarray(steps) ** degree
    return exact(kind, name, order, steps, errors, floor, **more)


def halvings(first, points):
    return 2.0 ** -np.arange(first, first + points)


def studies(rng):
    for label, (f, first, second, where) in FUNCTIONS.items():
        x = rng.uniform(*where)
        for name, (quotient, order, degree) in QUOTIENTS.items():
            true = first(x) if degree == 1 else second(x)
            for start, points, stated in (
                (2, 5, False),
                (1, 8, False),
                (1, 20, True),
                (1, 20, False),
            ):
                kind = "smooth" if points < 20 or name == "complex step" else "floor"
                yield study(
                    kind, f"{name}, {label}, {points} sizes", order, quotient, f, true, x,
                    halvings(start, points), degree, stated=stated,
                )  # fmt: skip
    forward, central = QUOTIENTS["forward"][0], QUOTIENTS["central"][0]
    for points in (5, 9):
        steps = halvings(1, points)
        yield study(
            "superconvergence", f"forward, sin at 0, {points} sizes", 2, forward, np.sin, 1.0, 0.0,
            steps, nominal=1.0,
        )  # fmt: skip
        yield study(
            "superconvergence", f"central, x + x^5 at 0, {points} sizes", 4, central,
            lambda x: x + x**5 + x**7, 1.0, 0.0, steps, nominal=2.0,
        )  # fmt: skip
        for a in (1.5, 4 / 3, 1.7, 2.5):
            c = rng.uniform(0.5, 2)

            def f(x, a=a, c=c):
                return np.sin(x) + c * abs(x) ** a

            yield study(
                "fractional", f"forward, sin x + |x|^{a:.3g}, {points} sizes", a - 1, forward, f,
                1.0, 0.0, steps, nominal=1.0,
            )  # fmt: skip
        for c in varied(rng, 3.0, 12.0, 50.0):  # h/2 + (1/6 - c) h² changes sign near 1/(2c)
            yield study(
                "oscillation", f"forward, exp - {c:.3g} x^3, {points} sizes", 1, forward,
                lambda x, c=c: np.exp(x) - c * x**3, 1.0, 0.0, steps,
            )  # fmt: skip
        for slip in varied(rng, 0.1, 1e-2, 1e-3, 1e-4, 1e-5):
            yield study(
                "turn", f"five-point off by {slip:.1e}, {points} sizes", 2,
                lambda f, x, h, slip=slip: wide(f, x, h, 4 / 3 * (1 + slip)), np.exp,
                math.exp(0.7), 0.7, steps, nominal=4.0,
            )  # fmt: skip
