"""The claims of section 7: verdicts, what they reject, and their own means by other routes."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from functools import cache
from itertools import product

import numpy as np
import pytest
import sympy
from scipy.linalg import solve_discrete_lyapunov

from modflow.claims import ClaimResult, _noise, check_claim, claim_named, noise, noise_effects
from modflow.claims._evidence import Evidence
from modflow.convergence import estimate_order
from modflow.gaussian import SIGMA, E, JetPolynomial

IDS = [
    *("sec-7-igr-vanishes", "sec-7-averaged-loss", "sec-7-sgd-of-R", "sec-7-pointwise"),
    *("sec-7-expansion", "sec-7-split", "sec-7-trace-term", "sec-7-hessian-term"),
    *("sec-7-cubic-term", "sec-7-averaged-modified-loss", "sec-7-hessian-regularizer"),
    *("sec-7-mean-of-iterates", "sec-7-momentum", "sec-7-momentum-adjusted"),
]
CORRECTED = {
    *("sec-7-expansion", "sec-7-trace-term", "sec-7-cubic-term"),
    *("sec-7-averaged-modified-loss", "sec-7-mean-of-iterates", "sec-7-momentum-adjusted"),
}


@cache
def found(name: str) -> ClaimResult:
    return check_claim(claim_named(name))


@pytest.mark.parametrize("name", IDS)
def test_verdicts(name: str) -> None:
    claim, result = claim_named(name), found(name)
    assert result.verdict == ("corrected" if name in CORRECTED else "confirmed")
    assert result.as_expected
    assert (claim.corrected is not None) == (name in CORRECTED)


@pytest.mark.parametrize("name", ["sec-7-pointwise", "sec-7-averaged-loss", "sec-7-split"])
@pytest.mark.parametrize("seed", [1, 2])
def test_verdicts_do_not_depend_on_the_draws(name: str, seed: int) -> None:
    assert check_claim(claim_named(name), seed=seed).as_expected


MISPRINTS = [
    ("sec-7-igr-vanishes", {"limit": "1"}),
    ("sec-7-averaged-loss", {"trace": "sigma**2"}),
    ("sec-7-averaged-loss", {"trace": "-sigma**2/2"}),
    ("sec-7-averaged-loss", {"trace": "sigma/2"}),
    ("sec-7-averaged-loss", {"quadratic": "1"}),
    ("sec-7-averaged-loss", {"linear": "1/2"}),
    ("sec-7-sgd-of-R", {"gradient": "2"}),
    ("sec-7-sgd-of-R", {"gradient": "-1"}),
    ("sec-7-pointwise", {"regularizer": "h/2"}),
    ("sec-7-pointwise", {"regularizer": "-h/4"}),
    ("sec-7-pointwise", {"regularizer": "h**2/4"}),
    ("sec-7-split", {"hessian": "2*sigma**2"}),
    ("sec-7-split", {"hessian": "sigma**4"}),
    ("sec-7-hessian-term", {"hessian": "h*sigma**2/2"}),
    ("sec-7-hessian-term", {"hessian": "h*sigma/4"}),
    ("sec-7-hessian-regularizer", {"hessian": "h*sigma**2/8"}),
    ("sec-7-hessian-regularizer", {"hessian": "h**2*sigma**2/4"}),
    ("sec-7-momentum", {"strength": "h/(4*(1-beta))"}),
    ("sec-7-momentum", {"strength": "h/(4*(1-beta)**3)"}),
    ("sec-7-momentum", {"strength": "h/(4*(1+beta)**2)"}),
    ("sec-7-momentum", {"covariance": "sigma**2/2"}),
]


@pytest.mark.parametrize(("name", "formulas"), MISPRINTS)
def test_misprints_are_rejected(name: str, formulas: dict[str, str]) -> None:
    assert check_claim(claim_named(name).misprinted(**formulas)).verdict == "refuted"


MENDED = [
    ("sec-7-expansion", {"quadratic": "1/2"}),
    ("sec-7-trace-term", {"trace": "sigma**2/2"}),
    ("sec-7-cubic-term", {"cubic": "1/2"}),
    ("sec-7-averaged-modified-loss", {"trace": "sigma**2/2", "cubic": "1/2"}),
    ("sec-7-momentum-adjusted", {"factor": "1"}),
]


@pytest.mark.parametrize(("name", "formulas"), MENDED)
def test_what_is_mended_would_have_been_confirmed(name: str, formulas: dict[str, str]) -> None:
    """The same evidence accepts the right formula and rejects the printed one."""
    assert check_claim(claim_named(name).misprinted(**formulas)).verdict == "confirmed"


HALF_MENDED = [
    ("sec-7-averaged-modified-loss", {"trace": "sigma**2/2"}),
    ("sec-7-averaged-modified-loss", {"cubic": "1/2"}),
    ("sec-7-averaged-modified-loss", {"cubic": "1/2", "trace": "sigma**2/2", "hessian": "0"}),
    ("sec-7-averaged-modified-loss", {"cubic": "1/2", "trace": "sigma**2/2", "square": "h/2"}),
    ("sec-7-mean-of-iterates", {"regularizer": "h/8"}),
]


@pytest.mark.parametrize(("name", "formulas"), HALF_MENDED)
def test_one_of_two_errors_is_enough(name: str, formulas: dict[str, str]) -> None:
    assert check_claim(claim_named(name).misprinted(**formulas)).verdict == "corrected"


WRONG_CORRECTIONS = [
    ("sec-7-expansion", {"quadratic": "1/3"}),
    ("sec-7-expansion", {"linear": "1/2"}),
    ("sec-7-trace-term", {"trace": "sigma**2/4"}),
    ("sec-7-cubic-term", {"cross": "h*sigma**2/2"}),
    ("sec-7-averaged-modified-loss", {"hessian": "h*sigma**2/8"}),
    ("sec-7-averaged-modified-loss", {"square": "h/2"}),
    ("sec-7-mean-of-iterates", {"spread": "1"}),
    ("sec-7-mean-of-iterates", {"source": "h/2"}),
    ("sec-7-mean-of-iterates", {"regularizer": "0*h"}),
    ("sec-7-mean-of-iterates", {"valley": "sigma**2*(a/2 + h*a**2/4)"}),
    ("sec-7-momentum-adjusted", {"factor": "1-beta"}),
]


@pytest.mark.parametrize(("name", "formulas"), WRONG_CORRECTIONS)
def test_wrong_corrections_are_rejected(name: str, formulas: dict[str, str]) -> None:
    claim = claim_named(name)
    assert check_claim(replace(claim, true={**claim.true, **formulas})).verdict == "refuted"


def context(name: str) -> list[Evidence]:
    return [e for e in found(name).evidence if e.about == "context"]


@pytest.mark.parametrize("name", [n for n in IDS if n != "sec-7-mean-of-iterates"])
def test_what_is_said_besides_holds(name: str) -> None:
    assert all(e.verdict == "pass" for e in context(name))


def test_the_printed_pull_is_not_what_a_run_shows() -> None:
    (beside,) = (e for e in context("sec-7-mean-of-iterates") if "printed formula" in e.text)
    assert beside.verdict == "fail"
    # To order h the printed pull is 1 + ha in units of σ²/2, that of the iterates 2/(2 - ha).
    assert beside.data["value"] * 2 / noise_effects._NOISE**2 == pytest.approx(1.6)
    assert beside.data["mean"] * 2 / noise_effects._NOISE**2 == pytest.approx(2 / 1.4, rel=0.01)


# -- the means themselves --------------------------------------------------------------------------


def test_quadrature_on_means_in_closed_form() -> None:
    """E exp(x - y + η_1 - η_2) = exp(x - y) exp(σ²)."""
    x, y = _noise.VARIABLES
    zero, h = JetPolynomial({}), 0.25
    f = sympy.exp(x - y) * _noise.STEP
    defects, doubts = _noise.quadrature_defects(f, zero, [0.25, 0.5], h, [(0.1, 0.3)])
    for sigma, found, doubt in zip([0.25, 0.5], defects, doubts, strict=True):
        assert abs(found - h * np.exp(-0.2 + sigma**2)) <= doubt < 1e-12


def test_moments_of_monomials() -> None:
    u, v = _noise.NOISE
    assert _noise.mean_by_moments(u**4 * v**2 + u * v + 7 * u**3 + 2) == 3 * SIGMA**6 + 2


def test_weak_noise_is_the_mean_of_the_iterates() -> None:
    """Two steps by quadrature over all four normal numbers, as σ → 0."""
    start, h = np.array([0.5, 0.2]), 0.2
    step = _noise.WeakNoise(_noise.SMOOTH).step(h)
    state = step(1, step(0, np.concatenate([start, np.zeros(6)])))
    gradient = sympy.lambdify(_noise.VARIABLES, [_noise.SMOOTH.diff(v) for v in _noise.VARIABLES])
    nodes, weights = np.polynomial.hermite_e.hermegauss(9)
    grid = np.array(list(product(nodes, repeat=4))).T
    weight = np.prod(list(product(weights / weights.sum(), repeat=4)), axis=1)
    sigmas, means, spreads = [2.0**-n for n in range(3, 8)], [], []
    for sigma in sigmas:
        x = np.repeat(start[:, None], grid.shape[1], axis=1)
        for z in (grid[:2], grid[2:]):
            x = x - h * np.array(gradient(*(x + sigma * z)))
        mean = x @ weight
        away = x - mean[:, None]
        means.append(np.linalg.norm((mean - state[:2]) / sigma**2 - state[2:4]))
        spreads.append(np.linalg.norm(away * weight @ away.T / sigma**2 - state[4:].reshape(2, 2)))
    # Noise is symmetric: beside σ² there is σ⁴, and nothing between.
    assert estimate_order(sigmas, means, 2).verdict == "pass"
    assert estimate_order(sigmas, spreads, 2).verdict == "pass"


def test_the_flow_is_integrated_far_beyond_what_is_measured() -> None:
    """With half the step of the integrator the flow stays where it is."""
    flow = _noise.WeakNoise(_noise.SMOOTH).flow(noise.truth())
    start, h, steps = np.array([0.5, 0.2, 0, 0, 0, 0, 0, 0]), 1 / 16, 16
    field = flow(h)
    still = lambda _, x: x  # noqa: E731
    _, whole = _noise.flow_and_iterates(steps, h, start, still, field)
    _, halved = _noise.flow_and_iterates(2 * steps, h / 2, start, still, field)
    error = np.linalg.norm((whole - halved[1::2])[:, :4], axis=1).max()
    measured = noise_effects._mean_errors(
        noise_effects._split_loss(_noise.STEP / 4), lambda _: 0.5, lambda h: h
    )
    assert error < 0.05 * measured[0]  # the smallest error of all studies at this step size


def test_settled_variances() -> None:
    """Var y without and with momentum, by SciPy's Lyapunov solver."""
    for h, a, b in [(0.3, 1.7, 0.0), (0.3, 1.7, 0.5), (0.1, 2.0, 0.9)]:
        matrix = np.array([[1 - h * a + b, -b], [1, 0]])
        kick = np.diag([(h * a) ** 2, 0.0])
        true = solve_discrete_lyapunov(matrix, kick)[0, 0]
        values = {_noise.STEP: h, noise_effects.a: a, noise_effects.beta: b, SIGMA: 1}
        found = noise_effects._settled_variance().subs(values)
        assert float(found) == pytest.approx(true, rel=1e-10)  # a well-conditioned 2 by 2 system
        if b == 0:
            pull = noise_effects._valley_slope().subs(values)
            assert float(pull) == pytest.approx((true + 1) / 2, rel=1e-10)


def test_noise_terms_of_theorem_5_1() -> None:
    """h/4 (S_k + 2 Σ_r β^(k-r) S_r) with S_r = Σ_i β^(2i), added up."""
    force, term = noise_effects.noise_terms()
    b = Fraction(3, 7)
    for k in range(6):
        s = [sum(b ** (2 * i) for i in range(r + 1)) for r in range(k + 1)]
        total = s[k] + 2 * sum(b ** (k - r) * s[r] for r in range(k))
        at = {noise_effects.k: k, noise_effects.beta: sympy.Rational(b), _noise.STEP: 4}
        assert sympy.Rational(total) == term.subs(at)
        assert sympy.Rational(sum(b**i for i in range(k + 1))) == force.subs(at)


def test_the_split_is_exact() -> None:
    """Both sides of the second equality agree for any factor of the cubic term."""
    c = sympy.Symbol("c")
    frobenius = JetPolynomial({noise.HESSIAN: SIGMA**2})
    assert noise.expanded(1, c) == frobenius + noise.expanded(0, c)
    assert noise.truth() != E
