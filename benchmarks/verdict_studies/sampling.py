"""Monte Carlo: errors are root mean squares over few replications, so they are noisy.

All means are exact: variances in closed form, in 40 digits where terms cancel. The strong orders
of Euler-Maruyama (1/2; 1 with additive noise) and Milstein (1): Kloeden and Platen, *Numerical
Solution of Stochastic Differential Equations* (1992), 10.2 and 10.3. Stratified sampling has order
3/2, with antithetic points 5/2 (Haber 1966, 1967). The piecewise linear interpolant of Brownian
motion is off by sqrt(h log(1/h)) in the maximum norm, a maximum of independent bridges
(Kolmogorov's law).
"""

import math

import mpmath
import numpy as np
from scipy import integrate, stats

from .real import EPS, exact, halved

REPLICATIONS = (30, 100, 300, 1000)
GROWTH, VOLATILITY = 0.5, 0.8  # dX = GROWTH X dt + VOLATILITY X dW, X(0) = 1, T = 1


def studies(rng, repeats=3):
    for _ in range(repeats):
        for count in REPLICATIONS:
            for points in (5, 8):
                numbers = np.array(halved(4, points))
                for make in (plain, stratified, antithetic, euler, milstein, additive, bridges):
                    yield make(rng, count, numbers)
                yield weak(rng, 30 * count, numbers)


def study(kind, name, order, numbers, count, errors, clean, noise=None, **more):
    """Of a root mean square of normal errors, log e has the deviation (2 count)^(-1/2)."""
    noise = (2 * count) ** -0.5 if noise is None else noise
    label = f"{name}, {count} replications, {len(numbers)} sizes"
    return exact(kind, label, order, 1 / numbers, errors, EPS, noise=noise, clean=clean, **more)


def rms(values):
    return float(np.sqrt(np.mean(values**2)))


def plain(rng, count, numbers):
    """The mean of e^U over N points."""
    value, variance = math.e - 1, (math.e**2 - 1) / 2 - (math.e - 1) ** 2
    errors = [rms(np.exp(rng.random((count, n))).mean(axis=1) - value) for n in numbers]
    return study("noise", "Monte Carlo", 0.5, numbers, count, errors, np.sqrt(variance / numbers))


def stratified(rng, count, numbers):
    """One point of e^x in each of N cells."""
    errors, clean = [], []
    for n in numbers.tolist():
        x = (np.arange(n) + rng.random((count, n))) / n
        errors.append(rms(np.exp(x).mean(axis=1) - (math.e - 1)))
        clean.append(_stratified(n, antithetic=False))
    return study("noise", "stratified", 1.5, numbers, count, errors, clean)


def antithetic(rng, count, numbers):
    """A point in each cell, and the one opposite."""
    errors, clean = [], []
    for n in numbers.tolist():
        u = rng.random((count, n))
        pairs = (np.exp((np.arange(n) + u) / n) + np.exp((np.arange(n) + 1 - u) / n)) / 2
        errors.append(rms(pairs.mean(axis=1) - (math.e - 1)))
        clean.append(_stratified(n, antithetic=True))
    return study("noise", "antithetic", 2.5, numbers, count, errors, clean)


def _stratified(n, antithetic):
    """The deviation of the estimate: sums of e^(2m) Var(e^s or cosh s) over cells, s in ±h/2."""
    with mpmath.workdps(40):
        h = mpmath.mpf(1) / n
        mean = mpmath.sinh(h / 2) / (h / 2)
        square = mpmath.sinh(h) / h
        if antithetic:
            square = (1 + square) / 2
        middles = mpmath.exp(h) * (mpmath.exp(2) - 1) / (mpmath.exp(2 * h) - 1)
        return float(mpmath.sqrt((square - mean**2) * middles) * h)


def _geometric(count, n, rng):
    """Brownian increments, and the exact X(1)."""
    dw = rng.standard_normal((count, n)) / math.sqrt(n)
    return dw, np.exp(GROWTH - VOLATILITY**2 / 2 + VOLATILITY * dw.sum(axis=1))


def _strong(n, milstein):
    """E |X(1) - X_N|² from the second moments of one step, and under the tilted measure."""
    with mpmath.workdps(40):
        h, m, s = mpmath.mpf(1) / n, mpmath.mpf(GROWTH), mpmath.mpf(VOLATILITY)
        extra = s**4 * h**2 / 2 if milstein else 0
        square = ((1 + m * h) ** 2 + s**2 * h + extra) ** n
        mixed = mpmath.exp(m) * (1 + m * h + s**2 * h + extra) ** n
        return float(mpmath.sqrt(mpmath.exp(2 * m + s**2) - 2 * mixed + square))


def _heavy(squares):
    """The deviation of log of a root mean square, from the sample itself."""
    return float(squares.std() / squares.mean() / 2 / math.sqrt(squares.size))


def _paths(rng, count, numbers, milstein, name, order, **more):
    errors, clean, noise = [], [], []
    for n in numbers.tolist():
        dw, exact_end = _geometric(count, n, rng)
        factors = 1 + GROWTH / n + VOLATILITY * dw
        if milstein:
            factors += VOLATILITY**2 / 2 * (dw**2 - 1 / n)
        squares = (factors.prod(axis=1) - exact_end) ** 2
        errors.append(math.sqrt(squares.mean()))
        clean.append(_strong(n, milstein))
        noise.append(_heavy(squares))
    noise = float(np.mean(noise))
    return study("noise", name, order, numbers, count, errors, clean, noise, **more)


def euler(rng, count, numbers):
    return _paths(rng, count, numbers, False, "Euler-Maruyama", 0.5, nominal=1.0)


def milstein(rng, count, numbers):
    return _paths(rng, count, numbers, True, "Milstein", 1)


def additive(rng, count, numbers, rate=2.0):
    """dX = -2 X dt + dW: the error is normal, with a variance in closed form."""
    errors, clean = [], []
    for n in numbers.tolist():
        h = 1 / n
        # Jointly normal: the increment, and the integral of exp(-rate (h - s)) dW.
        both = (1 - math.exp(-rate * h)) / rate
        cov = [[h, both], [both, (1 - math.exp(-2 * rate * h)) / (2 * rate)]]
        pairs = rng.multivariate_normal([0, 0], cov, (count, n), method="cholesky")
        powers = np.arange(n)[::-1]
        numeric, true = (1 - rate * h) ** powers, np.exp(-rate * h * powers)
        errors.append(rms(pairs[..., 1] @ true - pairs[..., 0] @ numeric))
        variance = (cov[1][1] * true**2 - 2 * both * true * numeric + h * numeric**2).sum()
        clean.append(math.sqrt(variance))
    return study("noise", "Euler-Maruyama, additive", 1, numbers, count, errors, clean, nominal=0.5)


def bridges(rng, count, numbers):
    """The mean of max |W - linear interpolant|: of N bridges by inverting Kolmogorov's law."""
    errors, clean, noise = [], [], []
    x = np.linspace(0, 6, 6001)
    for n in numbers.tolist():
        tails = -np.expm1(np.log(rng.random(count)) / n)
        draws = stats.kstwobign.isf(tails) / math.sqrt(n)
        below = stats.kstwobign.cdf(x) ** n
        errors.append(float(draws.mean()))
        clean.append(float(integrate.trapezoid(1 - below, x)) / math.sqrt(n))
        noise.append(float(draws.std() / draws.mean() / math.sqrt(count)))
    noise = float(np.mean(noise))
    return study("log", "Brownian path", 0.5, numbers, count, errors, clean, noise, log=True)


def weak(rng, count, numbers):
    """The error of a mean: falls like h to the level of the sampling error, which is stated."""
    errors, clean, doubt = [], [], []
    for n in numbers.tolist():
        dw = rng.standard_normal((count, n)) / math.sqrt(n)
        ends = (1 + GROWTH / n + 0.1 * dw).prod(axis=1)
        errors.append(abs(float(ends.mean()) - math.exp(GROWTH)))
        clean.append(math.exp(GROWTH) - (1 + GROWTH / n) ** n)
        doubt.append(float(ends.std()) / math.sqrt(count))
    label = f"weak Euler, {count} replications, {len(numbers)} sizes"
    return exact("floor", label, 1, 1 / numbers, errors, doubt, clean=clean, stated=True)
