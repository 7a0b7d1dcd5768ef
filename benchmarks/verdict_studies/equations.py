"""Boundary value problems and partial differential equations on a line.

Orders: Strang and Fix, *An Analysis of the Finite Element Method* (1973), 1.6 and 3.2; Douglas and
Dupont 1974 (nodes of finite elements are superconvergent, order 2k); LeVeque, *Finite Difference
Methods* (2007), 2 and 9 (for the heat equation with dt = h²/6 the order is 4); upwind differences
carry a jump with order 1/2 in L1 (Kuznetsov 1976), as de Moivre and Laplace have it here.
"""

import math

import numpy as np
from scipy import special
from scipy.linalg import solve_banded
from scipy.sparse import lil_matrix
from scipy.sparse.linalg import spsolve

from .real import EPS, exact, halved, varied

GAUSS, WEIGHTS = np.polynomial.legendre.leggauss(6)


def smooth(rng):
    """u, u' and f with -u'' + u = f, u = 0 at both ends."""
    g = rng.uniform(0.5, 1.5)
    return {
        "sin": (
            lambda x: np.sin(np.pi * x),
            lambda x: np.pi * np.cos(np.pi * x),
            lambda x: (1 + np.pi**2) * np.sin(np.pi * x),
        ),
        f"x (1-x) e^{g:.2f}x": (
            lambda x: x * (1 - x) * np.exp(g * x),
            lambda x: (1 - 2 * x + g * x * (1 - x)) * np.exp(g * x),
            lambda x: (2 - 2 * g * (1 - 2 * x) + (1 - g * g) * x * (1 - x)) * np.exp(g * x),
        ),
    }


def elements(degree, f, n):
    """Lagrange elements of degree 1 or 2 for -u'' + u = f on (0, 1); values at the nodes."""
    h = 1 / n
    inside = (GAUSS + 1) / 2
    basis, slopes = shapes(degree, inside)
    weights = WEIGHTS / 2 * h
    matrix = (slopes * weights) @ slopes.T / h**2 + (basis * weights) @ basis.T
    size = degree * n + 1
    stiffness, load = lil_matrix((size, size)), np.zeros(size)
    for e in range(n):
        index = np.arange(degree * e, degree * e + degree + 1)
        stiffness[np.ix_(index, index)] += matrix
        load[index] += (basis * weights) @ f((e + inside) * h)
    values = np.zeros(size)
    values[1:-1] = spsolve(stiffness.tocsc()[1:-1, 1:-1], load[1:-1])
    return values


def shapes(degree, s):
    if degree == 1:
        return np.array([1 - s, s]), np.array([-np.ones_like(s), np.ones_like(s)])
    return (
        np.array([(1 - s) * (1 - 2 * s), 4 * s * (1 - s), s * (2 * s - 1)]),
        np.array([4 * s - 3, 4 - 8 * s, 4 * s - 1]),
    )


def element_errors(degree, u, du, f, n):
    """In L2, in the seminorm of H1, and the largest at the ends of elements."""
    values, h, inside = elements(degree, f, n), 1 / n, (GAUSS + 1) / 2
    basis, slopes = shapes(degree, inside)
    local = np.array([values[degree * e : degree * e + degree + 1] for e in range(n)])
    x = (np.arange(n)[:, None] + inside) * h
    weights = WEIGHTS / 2 * h
    flat = math.sqrt(float(((local @ basis - u(x)) ** 2 @ weights).sum()))
    steep = math.sqrt(float(((local @ slopes / h - du(x)) ** 2 @ weights).sum()))
    nodes = values[::degree] - u(np.arange(n + 1) * h)
    return flat, steep, float(np.abs(nodes).max())


def of(kind, name, order, numbers, errors, floor=0.0, **more):
    steps = 1 / np.array(numbers)
    # A tridiagonal system has the condition 1/h².
    floor = np.maximum(floor, 4 * EPS / steps**2)
    return exact(kind, f"{name}, {len(numbers)} sizes", order, steps, errors, floor, **more)


def studies(rng):
    for numbers in (halved(4, 5), halved(3, 8)):
        for label, (u, du, f) in smooth(rng).items():
            for k in (1, 2):
                flat, steep, nodes = zip(
                    *(element_errors(k, u, du, f, n) for n in numbers), strict=True
                )
                tag = f"degree {k}, {label}"
                yield of("smooth", f"elements in L2, {tag}", k + 1, numbers, flat)
                yield of("smooth", f"elements in H1, {tag}", k, numbers, steep)
                kind = "superconvergence" if k == 2 else "smooth"
                yield of(kind, f"nodes, {tag}", 2 * k, numbers, nodes, nominal=k + 1.0)
            yield of(
                "smooth", f"differences, {label}", 2, numbers, [centred(u, f, n) for n in numbers]
            )
        yield of("smooth", "one-sided end", 1, numbers, [neumann(n) for n in numbers], nominal=2.0)
        for a in rng.uniform(
            (0.6, 0.75, 1.1, 1.3), (0.7, 0.9, 1.25, 1.4)
        ).tolist():  # -u'' = f with u = x^a - x: interpolation is exact at nodes
            steep = [singular(a, n) for n in numbers]
            yield of(
                "fractional", f"elements in H1, x^{a:.3f}", a - 0.5, numbers, steep, nominal=1.0
            )
        for name, theta, order in (("Crank-Nicolson", 0.5, 2), ("implicit Euler", 1.0, 1)):
            yield of("smooth", name, order, numbers, [implicit_heat(theta, n) for n in numbers])
    for numbers in (halved(4, 5), halved(4, 6)):
        second = rng.uniform(0.5, 2)
        for ratio, order in ((1 / 4, 2), (1 / 6, 4)):
            errors = [heat(ratio, n, second) for n in numbers]
            kind = "smooth" if order == 2 else "superconvergence"
            yield of(kind, f"heat, dt = {ratio:.2g} h^2", order, numbers, errors, nominal=2.0)
    for width in varied(rng, 0.1, 0.02, 0.005):
        numbers = halved(8, 8)
        for name, order in (("upwind", 1), ("central", 2)):
            errors = [layer(width, n, name) for n in numbers]
            yield of("transient", f"{name} differences, layer {width:.2g}", order, numbers, errors)
    for numbers in (halved(10, 5), halved(10, 8)):
        for share in (0.5, 0.8):
            tag = f"Courant number {share}"
            yield of("fractional", f"upwind, jump, {tag}", 0.5, numbers,
                     [jump(share, n) for n in numbers], nominal=1.0)  # fmt: skip
            for name, order in (("upwind", 1), ("Lax-Wendroff", 2)):
                errors = [advection(name, share, n) for n in numbers]
                yield of("smooth", f"{name}, {tag}", order, numbers, errors)


def banded(lower, middle, upper, right):
    n = right.size
    return solve_banded((1, 1), np.array([np.full(n, v) for v in (upper, middle, lower)]), right)


def centred(u, f, n):
    x = np.arange(1, n) / n
    values = banded(-(n**2), 2 * n**2 + 1, -(n**2), f(x))
    return float(np.abs(values - u(x)).max())


def neumann(n):
    """-u'' = -e^x, u(0) = 1, and u'(1) = e by a one-sided difference of order 1."""
    h, x = 1 / n, np.arange(1, n + 1) / n
    bands = np.array([np.full(n, v) for v in (-1.0, 2.0, -1.0)])
    right = -(h**2) * np.exp(x)
    right[0] += 1.0
    bands[1, -1], right[-1] = 1.0, h * math.e
    return float(np.abs(solve_banded((1, 1), bands, right) - np.exp(x)).max())


def singular(a, n):
    """|u - u_h| in H1 for u = x^a: ∫ u'² less the same of the interpolant, cell by cell."""
    h, k = 1 / n, np.arange(n)
    squares = a * a / (2 * a - 1) * np.diff((np.arange(n + 1) * h) ** (2 * a - 1))
    means = ((k + 1.0) ** a - k**a) ** 2 * h ** (2 * a - 1)
    return math.sqrt(float((squares - means).sum()))


def heat(ratio, n, second):
    """u_t = u_xx from sin πx and a second mode, up to t = 1/16, by Euler with dt = ratio h²."""
    steps, time, x = round(n * n / 16 / ratio), 1 / 16, np.arange(n + 1) / n
    v = np.sin(np.pi * x) + second * np.sin(2 * np.pi * x)
    for _ in range(steps):
        v[1:-1] += ratio * (v[2:] - 2 * v[1:-1] + v[:-2])
    for m, size in ((1, 1.0), (2, second)):
        v -= size * math.exp(-((m * math.pi) ** 2) * time) * np.sin(m * np.pi * x)
    return float(np.abs(v).max())


def implicit_heat(theta, n):
    """From sin πx with dt = h/4, up to t = 1/4."""
    x, dt = np.arange(1, n) / n, 1 / (4 * n)
    r, v = dt * n * n, np.sin(np.pi * x)
    for _ in range(n):
        padded = np.concatenate([[0.0], v, [0.0]])
        right = v + (1 - theta) * r * (padded[2:] - 2 * v + padded[:-2])
        v = banded(-theta * r, 1 + 2 * theta * r, -theta * r, right)
    return float(np.abs(v - math.exp(-(math.pi**2) / 4) * np.sin(np.pi * x)).max())


def layer(width, n, name):
    """-ε u'' + u' = 1, u = 0 at both ends: a layer of width ε at 1."""
    x, one = np.arange(1, n) / n, np.ones(n - 1)
    if name == "upwind":
        values = banded(-width * n**2 - n, 2 * width * n**2 + n, -width * n**2, one)
    else:
        values = banded(-width * n**2 - n / 2, 2 * width * n**2, -width * n**2 + n / 2, one)
    true = x - (np.exp((x - 1) / width) - math.exp(-1 / width)) / -math.expm1(-1 / width)
    return float(np.abs(values - true).max())


def advection(name, share, n):
    """u_t + u_x = 0 on a circle, once round: n cells and n / share steps."""
    x = np.arange(n) / n
    v = np.exp(np.sin(2 * np.pi * x))
    true = v.copy()
    for _ in range(round(n / share)):
        left, right = np.roll(v, 1), np.roll(v, -1)
        if name == "upwind":
            v = v - share * (v - left)
        else:
            v = v - share / 2 * (right - left) + share**2 / 2 * (right - 2 * v + left)
    return float(np.abs(v - true).max())


def jump(share, n):
    """Upwind on a jump for m = n steps: values are P(Binomial(m, share) >= j), error in L1.

    The jump has moved m share h; the L1 error is h E|B - m share|, up to where cells lie.
    """
    m, j = n, np.arange(n + 1)
    values = special.bdtrc(j - 1, m, share)  # P(B >= j) = P(B > j - 1)
    values[0] = 1.0
    true = (j <= m * share).astype(float)
    return float(np.abs(values - true).sum() / n)
