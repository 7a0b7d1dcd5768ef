"""Interpolation by piecewise constants, lines and cubics.

Orders: de Boor, *A Practical Guide to Splines* (2001), II to V. Near an end x^a is approximated to
order a in the maximum norm on uniform meshes, and to the full order on graded ones (Rice 1969).
Natural ends cost a cubic spline two orders within O(h) of them (Kershaw 1971; Hall and Meyer 1976),
so 2 in the maximum norm and 5/2 in L2.
"""

import math

import numpy as np
from scipy.interpolate import CubicHermiteSpline, CubicSpline

from .real import EPS, exact, halved, varied

SAMPLES = (np.arange(48) + 0.5) / 48
GAUSS, WEIGHTS = np.polynomial.legendre.leggauss(12)


def smooth(rng):
    """Functions and their derivatives."""
    a, w, b = rng.uniform((0.7, 2, 0.7), (1.5, 4, 1.5)).tolist()
    return {
        f"exp {a:.2f}x": (lambda x: np.exp(a * x), lambda x: a * np.exp(a * x)),
        f"cos {w:.2f}x": (lambda x: np.cos(w * x), lambda x: -w * np.sin(w * x)),
        f"1/({b:.2f}+x)": (lambda x: 1 / (b + x), lambda x: -1 / (b + x) ** 2),
    }


def cells(nodes, inside):
    """Points in every cell, one row a cell."""
    return nodes[:-1, None] + np.diff(nodes)[:, None] * inside


def largest(nodes, approximation, f):
    x = cells(nodes, SAMPLES)
    return float(np.abs(approximation(x) - f(x)).max())


def mean_square(nodes, approximation, f):
    # Squared towards the left end, where the singularities are, in the first cell.
    x = cells(nodes, (GAUSS + 1) / 2)
    weights = np.diff(nodes)[:, None] * WEIGHTS / 2
    return math.sqrt(float((weights * (approximation(x) - f(x)) ** 2).sum()))


def lines(nodes, f):
    return lambda x: np.interp(x, nodes, f(nodes))


def steps_left(nodes, f):
    return lambda x: f(nodes[np.searchsorted(nodes, x, side="right") - 1])


def study(kind, name, order, make, f, numbers, norm=largest, end=1.0, grading=1.0, **more):
    errors = []
    for n in numbers:
        nodes = end * (np.arange(n + 1) / n) ** grading
        errors.append(norm(nodes, make(nodes, f), f))
    steps = end / np.array(numbers)
    slopes = norm not in (largest, mean_square, inner)  # rounding is divided by h in them
    floor = 4 * EPS / (steps if slopes else np.ones(steps.size))
    return exact(kind, name, order, steps, errors, floor, **more)


def natural(nodes, f):
    return CubicSpline(nodes, f(nodes), bc_type="natural")


def not_a_knot(nodes, f):
    return CubicSpline(nodes, f(nodes))


def clamped(df):
    def make(nodes, f):
        ends = ((1, float(df(nodes[0]))), (1, float(df(nodes[-1]))))
        return CubicSpline(nodes, f(nodes), bc_type=ends)

    return make


def hermite(df):
    return lambda nodes, f: CubicHermiteSpline(nodes, f(nodes), df(nodes))


def slopes_at_knots(df):
    return lambda nodes, spline, f: float(np.abs(spline(nodes, 1) - df(nodes)).max())


def slopes_anywhere(df):
    return lambda nodes, spline, f: largest(nodes, lambda x: spline(x, 1), df)


def inner(nodes, spline, f):
    x = np.linspace(0.4, 0.6, 2001)
    return float(np.abs(spline(x) - f(x)).max())


def studies(rng):
    short, long = halved(4, 5), halved(4, 9)
    for name, (f, df) in smooth(rng).items():
        for numbers in (short, long):
            tag = f"{name}, {len(numbers)} sizes"
            yield study("smooth", f"constants, {tag}", 1, steps_left, f, numbers)
            yield study("smooth", f"constants in L2, {tag}", 1, steps_left, f, numbers, mean_square)
            yield study("smooth", f"lines, {tag}", 2, lines, f, numbers)
            yield study("smooth", f"lines in L2, {tag}", 2, lines, f, numbers, mean_square)
            yield study("smooth", f"Hermite, {tag}", 4, hermite(df), f, numbers)
            yield study("smooth", f"clamped spline, {tag}", 4, clamped(df), f, numbers)
            yield study("smooth", f"not-a-knot spline, {tag}", 4, not_a_knot, f, numbers)
            yield study(
                "smooth", f"its slope, {tag}", 3, clamped(df), f, numbers, slopes_anywhere(df)
            )
            yield study(
                "superconvergence", f"its slope at knots, {tag}", 4, clamped(df), f, numbers,
                slopes_at_knots(df), nominal=3.0,
            )  # fmt: skip
            yield study("smooth", f"natural spline, {tag}", 2, natural, f, numbers, nominal=4.0)
            yield study(
                "fractional", f"natural spline in L2, {tag}", 2.5, natural, f, numbers,
                mean_square, nominal=4.0,
            )  # fmt: skip
            yield study("transient", f"natural spline inside, {tag}", 4, natural, f, numbers, inner)
    for numbers in (short, long):
        yield study(
            "superconvergence", f"natural spline, sin, {len(numbers)} sizes", 4, natural, np.sin,
            numbers, end=math.pi, nominal=2.0,
        )  # fmt: skip
        for slip in varied(rng, 1.0, 0.1, 1e-2, 1e-3, 1e-4):
            yield study(
                "turn", f"natural spline, sin + {slip:.1e} x^3, {len(numbers)} sizes", 2, natural,
                lambda x, slip=slip: np.sin(x) + slip * x**3 / 6, numbers, end=math.pi, nominal=4.0,
            )  # fmt: skip
        for a in (1 / 3, 0.5, 0.7, 1.25, 1.5, 1.7):
            tag, w = f"x^{a:.3g}, {len(numbers)} sizes", rng.uniform(2, 4)

            def power(x, a=a):
                return x**a

            def mixed(x, a=a, w=w):
                return x**a + np.sin(w * x)

            yield study("fractional", f"lines, {tag}", a, lines, power, numbers, nominal=2.0)
            yield study("fractional", f"lines, sin + {tag}", a, lines, mixed, numbers, nominal=2.0)
            if a < 1:
                yield study(
                    "smooth", f"lines on a graded mesh, {tag}", 2, lines, power, numbers,
                    grading=2 / a,
                )  # fmt: skip
    yield study(
        "smooth", "lines, x log x", 1, lines,
        lambda x: x * np.log(np.maximum(x, 1e-300)), long, nominal=2.0,
    )  # fmt: skip
