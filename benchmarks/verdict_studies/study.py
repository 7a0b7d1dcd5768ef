"""An order study whose truth is known, and whether its data could decide.

Truth. Without noise and floor the errors are e(h) = Θ(h^p) as h → 0. The claim "the order is q" is
right if q = p, and wrong otherwise. Where e(h) = Θ(h^p log(1/h)^m) no claim is right: the bound
C h^p does not hold, and h^q with q < p is not reached.

Could the data decide on the claim q? This is settled here by what made the data, before any rule
sees them. Let r run over the orders that have to be told from p: q if it is wrong, or else the
half-integers next to p on both sides. The data could decide if

1. four errors or more are above three times the floor; the rest is about these;
2. the asymptotic range is reached: over the last two steps, the slopes of the errors without noise
   are nearer to p than to r, and than to the half-integers beside p (for those, within 1/4);
3. the noise allows it: an oracle that knows the family of the errors, log e = c + p log h +
   f(h, θ) + noise, but not c, θ or the level of the noise, can tell p from r. That is, the
   likelihood-ratio test of "the order is r" against "it is another one", which is Student's t test
   of the fitted order, at the 5% level, has a power of at least 95% where p is true. Its deviation
   and degrees of freedom are those of the linearised regression on 1, log h and ∂f/∂θ. Noise below
   a thousandth counts as none, and then 2 decides.

A factor that oscillates with an unknown phase counts as noise of its root mean square, if it turns
by more than a quarter from one step size to the next; or else it is a trend like others, which 2 is
about, too. An order p = ∞ (errors falling faster than any power) could be told from q where the
last two slopes exceed q + 1/4 and there is no noise. Nothing could be decided where the same errors
arise with another truth (`open`): a plateau far above rounding, of which nobody says whether it is
the accuracy of the reference or a failure to converge.
"""

import math
from dataclasses import dataclass, field
from functools import cache

import numpy as np
from scipy import optimize, stats

LEVEL, POWER = 0.05, 0.95
LEAST_POINTS, ABOVE_FLOOR, NO_NOISE = 4, 3.0, 1e-3
OFFSETS = (-1, -0.5, 0, 0.5, 1)


@dataclass(frozen=True, eq=False)
class Study:
    """Errors with their truth; all arrays run from coarse to fine, one entry a step size."""

    kind: str
    name: str
    steps: np.ndarray
    errors: np.ndarray
    order: float
    clean: np.ndarray  # the errors without noise and floor, up to a constant factor
    noise: np.ndarray  # the standard deviation of log e
    floor: np.ndarray  # the size of what is added to the errors
    tangents: np.ndarray = field(default_factory=lambda: np.empty((0, 0)))  # ∂f/∂θ, a column each
    uncertainties: np.ndarray | None = None
    log: bool = False  # whether a power of log(1/h) stands beside h^order
    open: bool = False
    nominal: float | None = None  # a claim that suggests itself, beside those next to the order

    def claims(self):
        """The order, those 1/2 and 1 beside it, the half-integers next to it, the nominal one."""
        near = self.order if math.isfinite(self.order) and self.order > 0 else self.nominal
        found = {near + offset for offset in OFFSETS} | set(neighbours(near))
        found |= set() if self.nominal is None else {self.nominal}
        return sorted(q for q in found if q > 0)

    def is_right(self, claim):
        return claim == self.order and not self.log

    def could_decide(self, claim):
        """By the definition in the module docstring."""
        usable = self._usable()
        if self.open or usable.sum() < LEAST_POINTS or (self.log and claim == self.order):
            return False
        x, clean = np.log(self.steps[usable]), self.clean[usable]
        slopes = (np.diff(np.log(clean)) / np.diff(x))[-2:]
        if math.isinf(self.order):
            return bool((slopes > claim + 0.25).all() and self._noise(usable).max() < NO_NOISE)
        for rival in (*self._rivals(claim), *neighbours(self.order)):
            if not (abs(slopes - self.order) < abs(slopes - rival)).all():
                return False
        gap, freedom = self._gap(claim)
        return freedom >= 1 and gap >= _least_gap(freedom)

    def oracle_open(self, claim, level=1e-4):
        """How probably the oracle cannot tell if it may err in one of 1/level claims only.

        The definition lets it err in one of twenty. A rule that is asked thousands of claims and
        must give no wrong verdict has to do better, and so leaves more open.
        """
        gap, freedom = self._gap(claim)
        if gap > 300:
            return 0.0
        return 1.0 - float(stats.nct.sf(stats.t.isf(level / 2, freedom), freedom, gap))

    def _usable(self):
        return np.isfinite(self.errors) & (self.clean > ABOVE_FLOOR * self.floor)

    def _noise(self, usable):
        return np.hypot(self.noise[usable], self.floor[usable] / self.clean[usable])

    def _rivals(self, claim):
        """What has to be told from the order: the claim, or else the half-integers beside it."""
        return [claim] if claim != self.order else neighbours(self.order)

    def _gap(self, claim):
        """From the order to its nearest rival, in deviations of the fitted order; and its freedom.

        The gap is infinite without noise.
        """
        usable = self._usable()
        noise = self._noise(usable)
        if math.isinf(self.order) or noise.max() < NO_NOISE:
            return math.inf, 1
        x = np.log(self.steps[usable])
        tangents = self.tangents[usable] if self.tangents.size else np.empty((x.size, 0))
        deviation, freedom = _fitted_order(x, noise, tangents)
        return min(abs(self.order - r) for r in self._rivals(claim)) / deviation, freedom


def neighbours(order):
    """The half-integers next to an order, below (if positive) and above."""
    below, above = math.ceil(2 * order) / 2 - 0.5, math.floor(2 * order) / 2 + 0.5
    return [q for q in (below, above) if q > 0]


def slopes_of(steps, errors):
    """The slopes of log e against log h between neighbours, of the errors that have a logarithm."""
    good = np.isfinite(errors) & (errors > 0)
    return np.diff(np.log(errors[good])) / np.diff(np.log(steps[good]))


def _fitted_order(x, noise, tangents):
    """The deviation of the order in a weighted regression, and its degrees of freedom."""
    others = np.column_stack([np.ones(x.size), tangents]) / noise[:, None]
    rank = np.linalg.matrix_rank(others)
    rest = x / noise - others @ np.linalg.lstsq(others, x / noise, rcond=None)[0]
    return 1 / np.linalg.norm(rest), x.size - 1 - rank


@cache
def _least_gap(freedom):
    """In deviations of the fitted order: the least gap that the t test sees with that power."""
    critical = stats.t.ppf(1 - LEVEL / 2, freedom)
    return optimize.brentq(lambda gap: stats.nct.sf(critical, freedom, gap) - POWER, 1.0, 60.0)
