"""The orders of convergence that errors e(h) allow, as a posterior distribution.

A one-step method, and more widely a discretisation with a smooth error expansion, has
e(h) = C h^p (1 + a1 h + a2 h^2 + ...) (Gragg 1965; Hairer, Nørsett and Wanner, *Solving Ordinary
Differential Equations I*, II.8).  So, with x = log h, the data are taken to be

    log e_i = log C + p x_i + f(h_i) + noise,    f(0) = 0.

The local slope is p + d(h), where d = df/dx -> 0.  Richardson extrapolation of the slopes takes d
to be a polynomial in h.  That fails where h is not small against the scale L of the problem: there
d saturates, as for C h^p / (1 + h/L)^q, whose slopes run from p - q to p.  So d is expanded in the
bounded variable v = h^g / (h^g + L^g), which is (h/L)^g to leading order:

    d = b_1 v + ... + b_K v^K,    f = (b_1 F_1 + ... + b_K F_K) / g,
    F_k = -log(1 - v) - (v + v^2/2 + ... + v^(k-1)/(k-1)),

with g = 1 (expansions in h), 2 (symmetric methods) or 1/2 (non-smooth problems).  The b_k are
independent N(0, 1): away from the limit a slope is typically off by an order or so.

The inference is Bayesian linear regression, with flat priors on log C and p (Rasmussen and
Williams 2006, 2.7; Gauss-Richardson extrapolation, Oates et al., arXiv:2401.07562, is akin),
averaged over what is not known:

* L, from 1/16 of the finest step to 100 times the coarsest; log-uniform above the coarsest step
  and falling as L^(1/2) below it, since steps are chosen with the asymptotic range in mind, not
  always with success.  L below the finest step lets a late turn, h^p + eps h^(p-1), count
  against p; however small eps is, p is then lower, so no rule can see every such turn;
* g, with weights 0.7, 0.2 and 0.1;
* K, 3 or 24: most errors have a simple expansion, which tells more; with 24 terms d is near to any
  function that is analytic for |v| < 1, and exact data are not taken for more than they say;
* the relative noise, log-uniform between 1e-4 and 1 (whence Student-like tails);
* an absolute noise: the `uncertainties` if given, as stated or three times that, or else 0, 1/20
  or 3/10 of the smallest error, for rounding that is just about to show;
* the asymptotic range: the m finest points, 4 <= m <= n.  The coarser points are arbitrary, that
  is uniform over ten units of log e given the finer ones.  Divergence, sign changes of the error
  and accidental superconvergence at coarse steps are thus dropped when no smooth expansion
  explains them better than chance.

The posterior of p is a mixture of normals; `order` is its median and `interval` its central 95%.

Since the prior of p is flat, its posterior density L is also its likelihood, and another prior can
be put in afterwards. Proven orders are mostly integers or half-integers: `probability` says how
probable one is if 95% of the prior are theirs, all alike, and 5% are spread evenly over the line,
on which there are two of them a unit:

    P(q) = 0.475 L(q) / (0.475 Σ L(half-integers) + 0.05).

An interval that reaches beyond q ± 1/4 need not leave a doubt about q then. Where it just fills
q ± 1/4, a normal L is e^(-8) of L(q) at q ± 1/2.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

LEVEL = 0.95
FAIL_LEVEL = 0.99
_LEAST_POINTS = 4

# The priors.
_TERMS = (3, 24)
_EXPONENTS = ((1.0, 0.7), (2.0, 0.2), (0.5, 0.1))
_SCALE_BELOW, _SCALE_ABOVE = 16.0, 100.0
_SCALE_POWER = 0.5
_NOISE = np.geomspace(1e-4, 1.0, 9)
_HIDDEN_FLOOR = (0.0, 0.05, 0.3)
_STATED = (1.0, 3.0)
_COARSE_LOG_DENSITY = -math.log(10.0)
_OTHER_ORDERS = 0.05

RESOLUTION = 0.01
"""The order's uncertainty from truncating f, beside which exact data would have none."""

_NORMAL_Z = np.linspace(-9.0, 9.0, 3601)
_NORMAL_CDF = np.array([0.5 * math.erfc(-z / math.sqrt(2.0)) for z in _NORMAL_Z])


@dataclass(frozen=True, eq=False)
class Posterior:
    """The posterior of p and log C: a mixture of normals, one array entry per component."""

    order: float
    interval: tuple[float, float]
    sure: tuple[float, float]  # the wider interval that a fail needs
    noise: Array  # the deviation of each log error, from coarse to fine
    window: int  # the most probable number of points in the asymptotic range
    weight: Array
    mean: Array
    sd: Array
    # Given p, the mean of log C is `level - slope * p`.
    level: Array
    slope: Array

    def probability(self, order: float) -> float:
        """Of this order, if it is a half-integer or else counts as one of them."""
        order = min(order, 1e6)  # any beyond is as improbable, and squares may overflow
        candidates = np.arange(0.0, max(2.0, self.sure[1] + 2), 0.5)
        candidates = np.append(candidates[candidates != order], order)
        sd = np.hypot(self.sd, RESOLUTION)
        z = (candidates[:, None] - self.mean) / sd
        likelihood = np.exp(-(z**2) / 2) @ (self.weight / sd) / math.sqrt(2 * math.pi)
        half_integers = (1 - _OTHER_ORDERS) / 2 * likelihood
        return float(half_integers[-1] / (half_integers.sum() + _OTHER_ORDERS))

    def constant(self, order: float) -> float:
        """C given p = order, averaged in the logarithm."""
        z = (order - self.mean) / self.sd
        log_density = np.log(self.weight) - z**2 / 2 - np.log(self.sd)
        density = np.exp(log_density - log_density.max())
        log_c = float(density @ (self.level - self.slope * order) / density.sum())
        return math.exp(log_c) if abs(log_c) < 700 else math.nan


def posterior_of(h: Array, e: Array, u: Array | None) -> Posterior:
    """The posterior given usable points, from coarse to fine."""
    # From fine to coarse: then the leading blocks of one Cholesky factor serve all windows.
    h, e, u = h[::-1], e[::-1], None if u is None else u[::-1]
    windows = np.arange(min(_LEAST_POINTS, h.size), h.size + 1)
    x = np.log(h)
    columns = np.stack([np.ones(h.size), x - x.mean(), np.log(e)], axis=1)
    variances, relative = _noise_variances(e, u)
    # L is relative to h. The power of two rounds nothing, and keeps what follows from overflowing.
    log_prior, covariances = _expansions(np.ldexp(h, -round(x.mean() / math.log(2))))
    log_weight, mean, sd, level, slope = _regress(covariances, variances, columns, windows)
    log_weight += log_prior[:, None]
    log_weight += _COARSE_LOG_DENSITY * (h.size - windows)[:, None, None]
    weight = np.exp(log_weight - log_weight.max())
    weight /= weight.sum()
    fitted = float(weight.sum(axis=(0, 1)) @ relative**2)
    stated = np.zeros(h.size) if u is None else u / e
    noise = np.sqrt(min(fitted, _scatter(x, columns[:, 2]) ** 2) + stated**2)[::-1]
    window = int(windows[weight.sum(axis=(1, 2)).argmax()])
    keep = weight > 1e-7  # thousands of the others do not move a quantile visibly
    weight = weight[keep] / weight[keep].sum()
    mean, sd = mean[keep], sd[keep]
    tails = ((1 - LEVEL) / 2, (1 - FAIL_LEVEL) / 2)
    probabilities = np.array([*tails, 0.5, 1 - tails[0], 1 - tails[1]])
    low, least, order, high, most = _quantiles(probabilities, weight, mean, sd)
    return Posterior(
        order=order,
        interval=(low, high),
        sure=(least, most),
        noise=noise,
        window=window,
        weight=weight,
        mean=mean,
        sd=sd,
        level=level[keep],
        slope=slope[keep] + x.mean(),  # log C was fitted at the mean of x, but belongs to x = 0
    )


def _scatter(x: Array, y: Array) -> float:
    """The noise of y as differences of neighbouring slopes show it (Rice 1984).

    A trend is not noise then. The median is robust: a few stray slopes do not raise it much.
    """
    inverse = 1 / np.diff(x)
    changes = np.diff(np.diff(y) * inverse)
    unit = np.sqrt(inverse[1:] ** 2 + (inverse[1:] + inverse[:-1]) ** 2 + inverse[:-1] ** 2)
    return float(np.median(np.abs(changes) / unit)) / 0.6745  # the median of |N(0, 1)|


def _quantiles(probabilities: Array, weight: Array, mean: Array, sd: Array) -> list[float]:
    """Quantiles of a mixture of normals, by bisection."""
    low = np.full(probabilities.size, (mean - 9 * sd).min())
    high = np.full(probabilities.size, (mean + 9 * sd).max())
    for _ in range(32):
        middle = (low + high) / 2
        z = (middle[:, None] - mean) / sd
        below = np.interp(z, _NORMAL_Z, _NORMAL_CDF) @ weight < probabilities
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return [float(value) for value in (low + high) / 2]


def _noise_variances(e: Array, u: Array | None) -> tuple[Array, Array]:
    """The variances of log e (a row for each point), and the relative noise in each column."""
    if u is None:
        absolute = np.outer(np.full(e.size, e.min()), _HIDDEN_FLOOR)
    else:
        absolute = np.outer(u, _STATED)
    relative = np.repeat(_NOISE, absolute.shape[1])
    variances: Array = relative**2 + np.tile((absolute / e[:, None]) ** 2, _NOISE.size)
    return variances, relative


def _expansions(h: Array) -> tuple[Array, Array]:
    """The log prior of each exponent, number of terms and scale, and (last axis) f's covariance."""
    scales, prior = _scales(h)
    log_prior, covariances = [], []
    for gamma, chance in _EXPONENTS:
        features = _features(h, gamma, scales)
        for terms in _TERMS:
            some = features[..., :terms]
            log_prior.append(np.log(chance * prior / len(_TERMS)))
            covariances.append(some @ some.swapaxes(1, 2))
    joined = np.ascontiguousarray(np.moveaxis(np.concatenate(covariances), 0, -1))
    return np.concatenate(log_prior), joined


def _scales(h: Array) -> tuple[Array, Array]:
    """The grid of scales L, and their prior weights."""
    low, high = h.min() / _SCALE_BELOW, h.max() * _SCALE_ABOVE
    grid = np.geomspace(low, high, 2 + int(math.log2(high / low)))
    prior = np.minimum(1.0, grid / h.max()) ** _SCALE_POWER
    return grid, prior / prior.sum()


def _features(h: Array, gamma: float, scales: Array) -> Array:
    """F_1, ..., F_K over gamma (last axis), for each scale and step."""
    ratio = (h / scales[:, None]) ** gamma
    v = ratio / (1 + ratio)
    rest = np.log1p(ratio)  # -log(1 - v)
    columns = []
    for k in range(1, max(_TERMS) + 1):
        columns.append(rest / gamma)
        rest = rest - v**k / k
    return np.stack(columns, axis=-1)


def _regress(
    covariances: Array, variances: Array, columns: Array, windows: npt.NDArray[np.intp]
) -> tuple[Array, Array, Array, Array, Array]:
    """Generalised least squares of columns = (1, x, y) for y ~ c + p x, on leading windows.

    `covariances` are of shape (points, points, expansions), and the `variances` of the noise, of
    shape (points, noises), are added to them. Returns, for each window, expansion and noise, the
    log evidence (c and p integrated out, up to a common constant), the mean and deviation of p, and
    level and slope of c = level - slope * p.
    """
    # Cholesky's factor R, below it the columns times its inverse: as if they were more rows of it.
    # All covariances at a time; LAPACK would be called for each.
    size = len(columns)
    rows = np.empty((size + 3, size, covariances.shape[2], variances.shape[1]))
    rows[:size] = covariances[..., None]
    rows[range(size), range(size)] += variances[:, None]
    rows[size:] = columns.T[..., None, None]
    for j in range(size):
        if j:
            rows[j:, j] -= np.einsum("ik...,k...->i...", rows[j:, :j], rows[j, :j])
        rows[j:, j] /= np.sqrt(rows[j, j])
    one, x, y = rows[size:]
    log_det = np.cumsum([np.log(rows[j, j]) for j in range(size)], axis=0)[windows - 1]
    cc, cx, xx, cy, xy, yy = (
        np.cumsum(a * b, axis=0)[windows - 1]
        for a, b in ((one, one), (one, x), (x, x), (one, y), (x, y), (y, y))
    )
    # Eliminate c, then p.
    px, py, misfit = xx - cx**2 / cc, xy - cx * cy / cc, yy - cy**2 / cc
    mean = py / px
    misfit = np.maximum(misfit - py * mean, 0.0)
    constant = (windows - 2)[:, None, None] * math.log(2 * math.pi)
    log_evidence = -log_det - (np.log(cc * px) + misfit + constant) / 2
    return log_evidence, mean, 1 / np.sqrt(px), cy / cc, cx / cc
