"""Tails of series and other classical limits, with h = 1/N; orders from their exact expansions."""

import math

import mpmath
import numpy as np

from .real import EPS, exact, halved


def studies(rng):
    for points in (5, 9):
        numbers = np.array(halved(int(rng.choice([4, 6, 10])), points))
        h, size = 1 / numbers, f"{points} sizes"

        def of(kind, name, order, errors, h=h, size=size, **more):
            floor = EPS * (1 + abs(np.asarray(errors, dtype=float)))
            return exact(kind, f"{name}, {size}", order, h, errors, floor, **more)

        for s in (1.5, 1.7, 2, 7 / 3, 2.5, 3, 4):  # N^(1-s) / (s-1), Euler-Maclaurin
            tails = [float(mpmath.zeta(s, n + 1)) for n in numbers.tolist()]
            kind = "smooth" if 2 * s == round(2 * s) else "fractional"
            yield of(kind, f"zeta({s:.3g})", s - 1, tails)
        for s in (1.5, 2, 3):  # N^(1-s) log N
            tails = [-float(mpmath.zeta(s, n + 1, 1)) for n in numbers.tolist()]
            yield of("log", f"sum of log n / n^{s:g}", s - 1, tails, log=True)
        sums = [4 * math.fsum((-1) ** k / (2 * k + 1) for k in range(n)) for n in numbers.tolist()]
        yield of("smooth", "Leibniz", 1, abs(np.array(sums) - math.pi))
        yield of("smooth", "(1 + h)^(1/h)", 1, abs((1 + h) ** numbers - math.e))
        harmonic = np.array([float(mpmath.harmonic(n)) for n in numbers.tolist()])
        yield of("smooth", "Euler's constant", 1, harmonic - np.log(numbers) - np.euler_gamma)
        better = abs(harmonic - np.log(numbers + 0.5) - np.euler_gamma)
        yield of("superconvergence", "Euler's constant, midpoint", 2, better, nominal=1.0)
        yield of("smooth", "Archimedes", 2, math.pi - numbers * np.sin(math.pi * h))
        stirling = [_stirling(mpmath.mpf(n)) for n in numbers.tolist()]
        yield of("smooth", "Stirling", 1, stirling)
        # Fourier series: a jump has coefficients of size 1/k, a kink 1/k²; by Parseval's identity.
        odd = [float(mpmath.zeta(2, (n + 1) / 2)) / 4 for n in numbers.tolist()]
        kink = [float(mpmath.zeta(4, (n + 1) / 2)) / 16 for n in numbers.tolist()]
        highest = [float(mpmath.zeta(2, (n + 1) / 2)) / math.pi for n in numbers.tolist()]
        yield of("fractional", "Fourier, jump, L2", 0.5, np.sqrt(odd))
        yield of("fractional", "Fourier, kink, L2", 1.5, np.sqrt(kink))
        yield of("smooth", "Fourier, kink, maximum", 1, highest)


def _stirling(n):
    """log n! less the leading terms: 1/(12 n)."""
    leading = (n + 0.5) * mpmath.log(n) - n + mpmath.log(2 * mpmath.pi) / 2
    return float(mpmath.loggamma(n + 1) - leading)
