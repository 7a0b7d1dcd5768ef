"""Synthetic studies: errors made from a formula, a kind of difficulty each.

With t = h / (coarsest h), errors are C t^p f(t, θ) times noise, plus a floor. C, the unit of h, the
number of step sizes (4 to 12), their ratios, p and θ are drawn; `docs/verdict.md` lists the kinds.
"""

import math

import numpy as np

from .study import Study

ORDERS = (0.5, 1, 1.5, 2, 2.5, 3, 4, 5)
FRACTIONS = (0.7, 1.25, 4 / 3, 1.5, 5 / 3, 1.7, 2.3, 2.5)
SLIGHT = (0.0, 1e-4, 1e-3)


def synthetic(index, seed):
    """The study of that number; equal arguments give equal studies."""
    rng = np.random.default_rng([seed, index])
    kind = list(KINDS)[index % len(KINDS)]
    return KINDS[kind](rng, kind)


def smooth(rng, kind):
    t = grid(rng)
    shape, theta = smooth_shape(rng)
    return study(rng, kind, t, pick(rng, ORDERS), shape, theta, noise=pick(rng, SLIGHT))


def transient(rng, kind):
    """Slopes go slowly from p - m to p, as (1 + (h/L)^g)^(-m/g) has them, with L near the steps."""
    t, g = grid(rng, least=5), pick(rng, (0.5, 1, 1, 2))
    length = t[-1] * 10 ** rng.uniform(-0.5, 1.5)
    bend = rng.uniform(0.3, 1.5) * pick(rng, (1, 1, 1, -1))

    def shape(t, log_length, bend):
        return (1 + (t / np.exp(log_length)) ** g) ** (-bend / g)

    noise = pick(rng, (0.0, 0.0, 1e-3, 0.01))
    theta = (math.log(length), bend)
    return study(rng, kind, t, pick(rng, ORDERS), shape, theta, noise=noise)


def turn(rng, kind):
    """A wrong flow: slopes p + d until a term of order p takes over, early, late or never."""
    t, d = grid(rng, least=5), pick(rng, (0.5, 1, 1))
    ratio, sign = 10 ** rng.uniform(-1.5, 1.5), pick(rng, (1, 1, 1, 1, -1))

    def shape(t, log_ratio, a):
        return np.abs(1 + sign * (t / t[-1]) ** d * np.exp(-log_ratio)) * (1 + a * t)

    noise, theta = pick(rng, (0.0, 0.0, 1e-3, 0.01)), (math.log(ratio), rng.uniform(-0.3, 1))
    return study(rng, kind, t, pick(rng, ORDERS[:7]), shape, theta, noise=noise)


def floor(rng, kind):
    """Rounding, or another level at which errors stop falling: flat, erratic or growing."""
    t, above = grid(rng, least=6, most=15), bool(rng.random() < 1 / 3)
    order = pick(rng, (1, 1.5, 2) if above else (1, 1.5, 2, 2.5, 3, 4, 5))
    shape, theta = smooth_shape(rng)
    level = 10 ** (rng.uniform(-4, -2) if above else rng.uniform(-16, -11))
    # Where the errors meet the level; the coarsest one is 10 at most.
    met = [i for i in range(3, t.size - 1) if level / t[i] ** order <= 10]
    knee = t[pick(rng, met or [3])]
    size = level / knee**order
    form = pick(rng, ("flat", "erratic", "growing"))
    # Rounding grows with the number of steps, like a random walk.
    base = level * ((knee / t) ** 0.5 if form == "growing" else np.ones(t.size))
    added = base if form == "flat" else base * rng.standard_normal(t.size)
    # Nobody says what a plateau far above rounding is: the accuracy of the reference, or the end
    # of convergence. The errors are the same, and the truths are not.
    stated, converges = rng.random() < 0.5, True
    if above and not stated:
        converges = bool(rng.random() < 0.5)
    clean = size * t**order * shape(t, *theta)
    return Study(
        kind,
        f"{form} {'plateau' if above else 'rounding'}{', stated' if stated else ''}",
        unit(rng) * t,
        np.abs(clean + added),
        order if converges else 0.0,
        clean,
        np.zeros(t.size),
        base,
        tangents_of(shape, t, theta),
        uncertainties=base if stated else None,
        open=above and not stated,
        nominal=order,
    )


def noise(rng, kind):
    """Noise of 1% to 30%, the same everywhere or growing towards the fine end."""
    t = grid(rng)
    shape, theta = smooth_shape(rng)
    level = pick(rng, (0.01, 0.03, 0.1, 0.2, 0.3)) * (t[-1] / t) ** pick(rng, (0, 0, 0.25))
    return study(rng, kind, t, pick(rng, ORDERS), shape, theta, noise=level)


def oscillation(rng, kind):
    """A factor 1 + a sin(b/h), or 1 + a sin(b log h), or a leading term that changes sign."""
    t, form = grid(rng), pick(rng, ("sin(b/h)", "sin(b log h)", "sign"))
    order = pick(rng, ORDERS)
    if form == "sign":
        zero = math.log(t[-1]) + rng.uniform(0, math.log(300))

        def shape(t, zero):
            return np.abs(1 - t / np.exp(zero))

        return study(rng, kind, t, order, shape, (zero,), name=form)
    a, phase = rng.uniform(0.05, 0.9), rng.uniform(0, 2 * math.pi)
    if form == "sin(b/h)":
        angle = 10 ** rng.uniform(-1, 1.5) / t
    else:
        angle = 10 ** rng.uniform(0.3, 1.5) * np.log(t)
    shape, theta = smooth_shape(rng)
    return study(rng, kind, t, order, shape, theta, name=form, swing=(a, angle + phase))


def fractional(rng, kind):
    t = grid(rng)
    shape, theta = smooth_shape(rng)
    noise = pick(rng, (*SLIGHT, 0.01))
    return study(rng, kind, t, pick(rng, FRACTIONS), shape, theta, noise=noise)


def superconvergence(rng, kind):
    """A higher order than is claimed, by 1/2, 1 or 2; or errors that fall like exp(-c/h)."""
    if rng.random() < 0.25:
        start, points = int(rng.integers(1, 5)), int(rng.integers(5, 11))
        numbers = start + pick(rng, (1, 2)) * np.arange(points)
        rate = min(rng.uniform(0.3, 1.5), 30 / numbers[-1])
        errors = 10 ** rng.uniform(-1, 1) * np.exp(-rate * numbers)
        nothing = np.zeros(points)
        nominal = pick(rng, (1, 2, 3, 4))
        return Study(
            kind, "exp(-c/h)", 1 / numbers, errors, math.inf, errors, nothing, nothing,
            nominal=nominal,
        )  # fmt: skip
    t, nominal = grid(rng), pick(rng, ORDERS[:7])
    shape, theta = smooth_shape(rng)
    gain, noise = pick(rng, (0.5, 1, 1, 2)), pick(rng, SLIGHT)
    return study(rng, kind, t, nominal + gain, shape, theta, noise=noise, nominal=nominal)


def log(rng, kind):
    """h^p log(c/h), and the root of the logarithm."""
    t, power = grid(rng), pick(rng, (1, 1, 0.5))

    def shape(t, log_c):
        return (log_c - np.log(t)) ** power

    noise, theta = pick(rng, (0.0, 1e-3, 0.01, 0.03, 0.1)), (rng.uniform(0.5, 7),)
    return study(rng, kind, t, pick(rng, ORDERS), shape, theta, noise=noise, log=True)


KINDS = {
    function.__name__: function
    for function in (
        smooth, transient, turn, floor, noise, oscillation, fractional, superconvergence, log
    )
}  # fmt: skip


def study(
    rng, kind, t, order, shape, theta, *, noise=0.0, swing=None, name=None, log=False, nominal=None
):
    """A study without a floor; `swing` is the factor 1 + a sin(angle), given as (a, angle)."""
    size, level = 10 ** rng.uniform(-3, 3), np.full(t.size, noise) if np.isscalar(noise) else noise
    clean = size * t**order * shape(t, *theta)
    errors = clean * np.exp(level * rng.standard_normal(t.size))
    if swing is not None:
        a, angle = swing
        factor = 1 + a * np.sin(angle)
        errors = errors * factor
        if is_noise(angle):
            level = np.hypot(level, swing_deviation(a))
        else:
            clean = clean * factor
    return Study(
        kind,
        name or (kind if shape.__name__ == "shape" else shape.__name__),
        unit(rng) * t,
        errors,
        order,
        clean,
        level,
        np.zeros(t.size),
        tangents_of(shape, t, theta),
        log=log,
        nominal=nominal,
    )


def is_noise(angle):
    """Whether an oscillation looks like noise: mostly more than a quarter of a turn a step.

    If less, from one step size to the next, it is a trend; and so it is if steps hide whole turns.
    """
    turned = np.abs((np.diff(angle) + np.pi) % (2 * np.pi) - np.pi)
    return bool(np.median(turned) > np.pi / 2)


def swing_deviation(a):
    """The deviation of log(1 + a sin φ) for a uniform phase φ."""
    return float(np.log1p(a * np.sin(2 * np.pi * (np.arange(4096) + 0.5) / 4096)).std())


def smooth_shape(rng):
    """A function of t and its parameters: corrections that are gone as t → 0."""
    kind = pick(rng, ("pure", "powers", "even", "half"))
    if kind == "pure":
        return pure, ()
    if kind == "powers":
        return powers, (rng.uniform(-0.6, 2), rng.uniform(-0.3, 2))
    return (even, (rng.uniform(-0.6, 3),)) if kind == "even" else (half, (rng.uniform(-0.4, 2),))


def pure(t):
    return np.ones(t.size)


def powers(t, a, b):
    return 1 + a * t + b * t**2


def even(t, a):
    return 1 + a * t**2


def half(t, a):
    return 1 + a * t**0.5


def tangents_of(shape, t, theta, eps=1e-6):
    """The derivatives of log f in its parameters, a column each."""
    columns = np.empty((t.size, len(theta)))
    for i in range(len(theta)):
        beside = np.array([theta, theta], dtype=float)
        beside[:, i] += -eps, eps
        low, high = (np.log(shape(t, *row)) for row in beside)
        columns[:, i] = (high - low) / (2 * eps)
    return columns


def grid(rng, least=4, most=12):
    """Step sizes relative to the coarsest: halved mostly, or with other ratios."""
    points = int(rng.integers(least, most + 1))
    ratios = np.full(points - 1, pick(rng, (2, 2, 3)), dtype=float)
    if rng.random() < 0.25:
        ratios = np.exp(rng.uniform(0.4, 1.2, points - 1))
    return 1 / np.concatenate([[1], np.cumprod(ratios)])


def unit(rng):
    return 10 ** rng.uniform(-3, 0)


def pick(rng, values):
    return values[int(rng.integers(len(values)))]
