"""Quadrature: composite rules on smooth, singular, periodic and kinked integrands.

Orders: Davis and Rabinowitz, *Methods of Numerical Integration* (1984), 2.1 to 2.9. At an end point
x^a, a < 1, the trapezoidal error starts with ζ(-a) h^(1+a) (Navot 1961), and with a logarithm of h
for x^a log x; periodic analytic integrands converge geometrically (Trefethen and Weideman 2014).
"""

import math

import mpmath
import numpy as np

from .real import EPS, exact, halved, varied

RULES = {  # nodes and weights on [0, 1], order
    "left": ([0.0], [1.0], 1),
    "trapezoid": ([0.0, 1.0], [1 / 2, 1 / 2], 2),
    "midpoint": ([0.5], [1.0], 2),
    "Simpson": ([0, 0.5, 1], [1 / 6, 4 / 6, 1 / 6], 4),
    "3/8": ([0, 1 / 3, 2 / 3, 1], [1 / 8, 3 / 8, 3 / 8, 1 / 8], 4),
    "Boole": ([0, 0.25, 0.5, 0.75, 1], [7 / 90, 32 / 90, 12 / 90, 32 / 90, 7 / 90], 6),
    "Gauss 2": ([0.5 - 3**-0.5 / 2, 0.5 + 3**-0.5 / 2], [0.5, 0.5], 4),
    "Gauss 3": ([0.5 - 0.15**0.5, 0.5, 0.5 + 0.15**0.5], [5 / 18, 8 / 18, 5 / 18], 6),
}
NUMBERS = {
    "short": halved(4, 5),
    "long": halved(2, 10),
    "thirds": halved(2, 6, 3),
    "mixed": [4, 6, 9, 14, 20, 30, 45, 68],
}


def smooth(rng):
    """Integrands on [0, 1], with the integral."""
    a, w, b, c = rng.uniform((0.7, 2, 0.5, 1), (1.5, 4, 1.5, 3)).tolist()
    return {
        f"exp {a:.2f}x": (lambda x: np.exp(a * x), math.expm1(a) / a),
        f"cos {w:.2f}x": (lambda x: np.cos(w * x), math.sin(w) / w),
        f"sqrt({b:.2f}+x)": (lambda x: np.sqrt(b + x), ((1 + b) ** 1.5 - b**1.5) * 2 / 3),
        f"log({c:.2f}+x)": (
            lambda x: np.log(c + x),
            (c + 1) * math.log(c + 1) - c * math.log(c) - 1,
        ),
    }


def composite(nodes, weights, f, number, length=1.0):
    x = (np.arange(number)[:, None] + np.asarray(nodes)) * (length / number)
    return math.fsum((f(x) @ np.asarray(weights)).tolist()) * (length / number)


def study(kind, name, order, rule, f, integral, numbers, length=1.0, **more):
    nodes, weights, *_ = rule
    errors = [abs(composite(nodes, weights, f, n, length) - integral) for n in numbers]
    scale = max(1.0, abs(float(integral)))
    steps = [length / n for n in numbers]
    return exact(kind, name, order, steps, errors, 2 * EPS * scale, **more)


def studies(rng):
    for (rule, table), (i, (name, (f, value))) in (
        (r, s) for r in RULES.items() for s in enumerate(smooth(rng).items())
    ):
        for grid in (list(NUMBERS)[i], "long" if i != 1 else "short"):
            label = f"{rule}, {name}, {grid}"
            yield study("smooth", label, table[2], table, f, value, NUMBERS[grid], stated=i == 2)
    yield from _singular(rng)
    yield from _periodic(rng)
    yield from _kinked()
    yield from _wrong(rng)
    yield from _peaked(rng)


def _singular(rng):
    g = rng.uniform(0.5, 1.5)
    for a in (-0.5, 0.25, 1 / 3, 0.5, 2 / 3, 1.5, 2.5):
        value = float(mpmath.hyp1f1(a + 1, a + 2, g) / (a + 1))  # of x^a e^(gx)
        for rule in ("trapezoid", "midpoint", "Simpson", "Gauss 2"):
            if a < 0 and rule in ("trapezoid", "Simpson"):
                continue
            table = RULES[rule]
            order = min(table[2], 1 + a)
            kind = "transient" if order == table[2] else "fractional"
            for grid in ("short", "long") if kind == "fractional" else ("long",):
                yield study(
                    kind, f"{rule}, x^{a:.3g} exp, {grid}", order, table,
                    lambda x, a=a: x**a * np.exp(g * x), value, NUMBERS[grid],
                    nominal=float(table[2]),
                )  # fmt: skip
    for a in (0.5, 1.0):

        def f(x, a=a):
            return np.where(x > 0, x**a * np.log(np.maximum(x, 1e-300)), 0.0)

        for rule in ("trapezoid", "Simpson"):
            if rule == "Simpson" and a == 1:  # the logarithms cancel, the order stays
                yield study(
                    "smooth", "Simpson, x log x", 2, RULES[rule], f, -0.25, NUMBERS["long"],
                    nominal=4.0,
                )  # fmt: skip
                continue
            for grid in ("short", "long"):
                value = -1 / (1 + a) ** 2
                name = f"{rule}, x^{a:g} log x, {grid}"
                yield study("log", name, 1 + a, RULES[rule], f, value, NUMBERS[grid], log=True)
    yield study(
        "smooth", "midpoint, log x", 1, RULES["midpoint"], np.log, -1.0, NUMBERS["long"]
    )  # ζ(0, 1/2) = 0 takes the logarithm away


def _periodic(rng):
    left, circle = RULES["left"], 2 * math.pi
    for nominal in (1.0, 2.0, 4.0):
        k = rng.uniform(0.7, 1.5)
        value = 2 * math.pi * float(mpmath.besseli(0, k))
        yield study(
            "superconvergence", f"periodic, exp({k:.2f} cos x)", math.inf, left,
            lambda x, k=k: np.exp(k * np.cos(x)), value, range(2, 15), circle, nominal=nominal,
        )  # fmt: skip
    for r in rng.uniform((0.25, 0.55, 0.75, 0.88, 0.95), (0.35, 0.65, 0.85, 0.92, 0.98)):

        def poisson(x, r=r):
            return (1 - r * r) / (1 - 2 * r * np.cos(x) + r * r)

        for numbers in (range(4, 12), halved(4, 7)):
            yield study(
                "superconvergence", f"periodic, Poisson kernel {r:.2f}", math.inf, left, poisson,
                2 * math.pi, numbers, circle, nominal=2.0,
            )  # fmt: skip
    # |sin x|^m has Fourier coefficients of size k^-(m+1) at even k, and aliasing adds those at kN.
    for power, value, order in ((1, 4.0, 2), (3, 8 / 3, 4)):
        for first, points in ((4, 6), (6, 8)):
            yield study(
                "superconvergence", f"periodic, |sin x|^{power}", order, left,
                lambda x, m=power: np.abs(np.sin(x)) ** m, value, halved(first, points), circle,
                nominal=float(order // 2),
            )  # fmt: skip
    # Odd derivatives that agree at the ends take terms of the Euler-Maclaurin formula away.
    g = rng.uniform(0.5, 1.5)
    bump = float(mpmath.quad(lambda x: (x * (1 - x)) ** 2 * mpmath.exp(g * x), [0, 1]))
    flat = {
        "x^2 (1-x)^2": (lambda x: (x * (1 - x)) ** 2, 1 / 30, "trapezoid", 4, 2),
        "x^4 (1-x)^4": (lambda x: (x * (1 - x)) ** 4, 1 / 630, "trapezoid", 6, 2),
        "x^2 (1-x)^2 exp": (
            lambda x: (x * (1 - x)) ** 2 * np.exp(g * x), bump, "trapezoid", 4, 2
        ),
        "1/(1+x^2)": (lambda x: 1 / (1 + x * x), math.pi / 4, "Simpson", 6, 4),
        "1/(1+x^2) again": (lambda x: 1 / (1 + x * x), math.pi / 4, "Gauss 2", 6, 4),
    }  # fmt: skip
    for name, (f, value, rule, order, nominal) in flat.items():
        for grid in ("short", "long", "mixed"):
            yield study(
                "superconvergence", f"{rule}, {name}, {grid}", order, RULES[rule], f, value,
                NUMBERS[grid], nominal=float(nominal),
            )  # fmt: skip


def _kinked():
    """A kink or a jump at ξ: the error depends on where in its cell ξ lies, θ = frac(ξ N).

    It is h² θ(1-θ) for |x - ξ| by trapezoids, and h |1/2 - θ| for a jump by midpoints; θ is
    periodic in the number of halvings, and the factor stays between two positive bounds.
    """
    for xi, cycle in ((0.1, (0.2, 0.4, 0.8, 0.6)), (1 / 7, (2 / 7, 4 / 7, 1 / 7)), (0.3, None)):
        theta = np.array(cycle or (0.6, 0.2, 0.4, 0.8))
        for points in (6, 9, 12):
            numbers = halved(2, points)
            steps = 1 / np.array(numbers)
            value = (xi**2 + (1 - xi) ** 2) / 2
            kink, jump = theta * (1 - theta), abs(0.5 - theta)
            name = f"{xi:.3g}, {points} sizes"
            yield study(
                "oscillation", f"trapezoid, kink at {name}", 2, RULES["trapezoid"],
                lambda x, xi=xi: np.abs(x - xi), value, numbers,
                clean=steps**2, noise=float(np.log(kink).std()),
            )  # fmt: skip
            yield study(
                "oscillation", f"midpoint, jump at {name}", 1, RULES["midpoint"],
                lambda x, xi=xi: (x > xi).astype(float), 1 - xi, numbers,
                clean=steps, noise=float(np.log(jump).std()),
            )  # fmt: skip


def _wrong(rng):
    """Weights with a slip: the sum is right, a moment or an end is not."""
    f, value = next(iter(smooth(rng).values()))
    for slip in varied(rng, 3e-2, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6):
        nodes = RULES["Simpson"][0]
        weights = [1 / 6 + slip, 4 / 6 - 2 * slip, 1 / 6 + slip]
        for grid in ("short", "long"):
            yield study(
                "turn", f"Simpson off by {slip:.1e}, {grid}", 2, (nodes, weights), f, value,
                NUMBERS[grid], nominal=4.0,
            )  # fmt: skip
    for slip in varied(rng, 0.1, 0.03, 0.01, 1e-3, 1e-4):
        for grid in ("short", "long"):
            numbers = NUMBERS[grid]
            nodes, weights, _ = RULES["trapezoid"]
            errors = [
                abs(composite(nodes, weights, f, n) + slip * float(f(1.0)) / n - value)
                for n in numbers
            ]
            yield exact(
                "turn", f"trapezoid, last weight off by {slip:.1e}, {grid}", 1,
                [1 / n for n in numbers], errors, 4 * EPS, nominal=2.0,
            )  # fmt: skip


def _peaked(rng):
    """1/(1 + (ax)²), and the same around 0.45: the peak is as wide as 1/a."""
    for a in varied(rng, 10, 30, 100):
        for at in (0.0, rng.uniform(0.4, 0.48)):
            value = (math.atan(a * (1 - at)) + math.atan(a * at)) / a
            for rule in ("trapezoid", "Simpson", "midpoint"):
                table = RULES[rule]
                # Around 0 the first derivative vanishes at one end only, and so does the third.
                yield study(
                    "transient", f"{rule}, peak {a:.3g} at {at:.2g}", table[2], table,
                    lambda x, a=a, at=at: 1 / (1 + (a * (x - at)) ** 2), value, halved(4, 8),
                )  # fmt: skip
