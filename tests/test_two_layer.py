"""Section 4.1: the laws of the two-layer model by other routes, and misprints of its claims."""

from __future__ import annotations

from fractions import Fraction
from functools import cache
from typing import Any

import jax
import numpy as np
import pytest
import sympy
from scipy.integrate import quad, solve_ivp

import modflow as mf
from modflow.claims import ClaimResult, check_claim, claim_named, two_layer, two_layer_ends
from modflow.claims._two_layer import (
    BARRETT_DHERIN,
    MOMENTA,
    RATE,
    START,
    constants,
    heavy_ball_law,
    loss,
    ordered_cells,
    outcome,
)
from modflow.endpoints import flow_ends, flow_paths, iterate_ends

CLAIMS = {
    "sec-4.1-minima": "confirmed",
    "sec-4.1-igr": "corrected",
    "sec-4.1-smaller-norm": "confirmed",
    "sec-4.1-same-rate": "confirmed",
    "sec-4.1-converged": "confirmed",
    "sec-4.1-norms": "confirmed",
    "sec-4.1-supports-remark-4.2": "confirmed",
    "fig-1-caption": "confirmed",
    "fig-1-in-general": "corrected",
}
MISPRINTS = [
    ("sec-4.1-minima", {"product": "x/y"}),
    ("sec-4.1-minima", {"product": "-y/x"}),
    ("sec-4.1-igr", {"regularizer": "h/4 * x**2*(w1**2 + w2**2)*E"}),
    ("sec-4.1-igr", {"regularizer": "h/2 * 2*x**2*(w1**2 + w2**2)*E"}),
    ("sec-4.1-smaller-norm", {"norm": "w1**2 - w2**2"}),
    ("sec-4.1-smaller-norm", {"norm": "w1**2 + 2*w2**2"}),
    ("sec-4.1-same-rate", {"h1": "1/500"}),
    ("sec-4.1-same-rate", {"effective": "h/(1+beta)"}),
    ("sec-4.1-converged", {"product": "2*y/x"}),
    ("sec-4.1-converged", {"h4": "3/10"}),  # diverges
    ("sec-4.1-norms", {"beta1": "8/10", "h1": "2/1000", "beta2": "9/10", "h2": "1/1000"}),
    ("sec-4.1-norms", {"h4": "5/1000", "beta4": "5/10"}),
]
SLOW_MISPRINTS = [
    ("sec-4.1-supports-remark-4.2", {"factor": "(1+beta)/(1-beta)**2"}),
    ("sec-4.1-supports-remark-4.2", {"factor": "1/(1-beta)"}),
    ("sec-4.1-supports-remark-4.2", {"regularizer": "h/4 * (1+beta)/(1-beta)"}),
    ("sec-4.1-supports-remark-4.2", {"regularizer": "h/2 * (1+beta)/(1-beta)**2"}),
]


@cache
def checked(name: str) -> ClaimResult:
    return check_claim(claim_named(name))


@pytest.mark.parametrize(("name", "verdict"), CLAIMS.items())
def test_verdicts(name: str, verdict: str) -> None:
    result = checked(name)
    assert (result.verdict, result.claim.expected) == (verdict, verdict)
    failed = [e.text for e in result.evidence if e.about != "printed" and e.verdict != "pass"]
    assert not failed


def test_every_claim_of_the_modules_is_here() -> None:
    found = {
        claim.id
        for module in (two_layer, two_layer_ends)
        for claim in vars(module).values()
        if isinstance(claim, mf.claims.Claim)
    }
    assert found == set(CLAIMS)


@pytest.mark.parametrize(("name", "formulas"), MISPRINTS)
def test_misprints_are_not_confirmed(name: str, formulas: dict[str, str]) -> None:
    assert check_claim(claim_named(name).misprinted(**formulas)).verdict != "confirmed"


@pytest.mark.parametrize(("name", "formulas"), SLOW_MISPRINTS)
def test_misprints_of_the_remark_are_refuted(name: str, formulas: dict[str, str]) -> None:
    result = check_claim(claim_named(name).misprinted(**formulas))
    assert result.verdict == "refuted"
    failed = {e.kind for e in result.evidence if e.about == "printed" and e.verdict == "fail"}
    assert failed == {"exact", "numeric"}  # either kind would have found it alone


def test_the_corrected_formula_is_confirmed() -> None:
    claim = claim_named("sec-4.1-igr")
    assert check_claim(claim.misprinted(**claim.true)).verdict == "confirmed"


def test_the_caption_holds_where_rate_and_momenta_are_small() -> None:
    claim = claim_named("fig-1-in-general")
    assert check_claim(claim.misprinted(below="9/10", rate="1/2000")).verdict == "confirmed"
    for formulas in ({"below": "9/10"}, {"rate": "1/2000"}):  # one of them is not enough
        assert check_claim(claim.misprinted(**formulas)).verdict == "corrected"


@pytest.mark.parametrize("seed", [1, 2])
def test_another_seed_gives_the_same_verdict(seed: int) -> None:
    assert check_claim(claim_named("fig-1-in-general"), seed=seed).verdict == "corrected"


# -- the laws, by other routes --------------------------------------------------------------------


def test_the_law_of_heavy_ball_adds_up_exactly() -> None:
    """In fractions, with nothing but the update rule."""
    x, y, h, beta = Fraction(2, 3), Fraction(1, 2), Fraction(1, 50), Fraction(3, 4)
    w, before = [Fraction(3, 2), Fraction(7, 3)], [Fraction(3, 2), Fraction(7, 3)]
    start, squares = w[0] ** 2 - w[1] ** 2, Fraction(0)
    for _ in range(5):
        r = y - w[0] * w[1] * x
        new = [w[i] + h * x * r * w[1 - i] + beta * (w[i] - before[i]) for i in range(2)]
        before, w = w, new
        moves = [a - b for a, b in zip(w, before, strict=True)]
        squares += moves[0] ** 2 - moves[1] ** 2
    invariant = w[0] ** 2 - w[1] ** 2
    invariant += 2 * beta / (1 - beta) * (w[0] * moves[0] - w[1] * moves[1])
    assert invariant - start == (1 + beta) / (1 - beta) * squares
    factor = heavy_ball_law().subs("beta", sympy.Rational(3, 4))
    assert factor == 7


@pytest.mark.parametrize(
    ("at", "start"), [((1.0, 0.6), START), ((0.8, -1.1), (1.0, 2.0)), ((-1.3, 0.9), (-2.0, 0.5))]
)
def test_the_constant_is_the_integral_of_the_loss(at: Any, start: Any) -> None:
    x, y = at
    d0, contraction, curve = constants(at, np.array(start))

    def flow(_: float, s: Any) -> list[float]:
        r = y - s[0] * s[1] * x
        return [x * r * s[1], x * r * s[0], x**2 * r**2]  # 2 x² E = x² r²

    found = solve_ivp(flow, (0, 60), [*start, 0.0], rtol=1e-11, atol=1e-13).y[:, -1]
    assert found[2] == pytest.approx(contraction, rel=1e-8)
    assert found[0] ** 2 - found[1] ** 2 == pytest.approx(d0, rel=1e-8)
    assert found[0] * found[1] == pytest.approx(curve, rel=1e-8)
    # The same in w1 w2 alone: dE/dt = -‖∇E‖², and ‖w‖² = sqrt(D² + 4u²).
    u0 = start[0] * start[1]
    by_u, _ = quad(lambda u: x * (y - x * u) / np.sqrt(d0**2 + 4 * u**2), u0, y / x)
    assert by_u == pytest.approx(contraction, rel=1e-8)


@pytest.mark.parametrize("beta", [0.0, 0.5, 0.9])
@pytest.mark.parametrize("curved", [0.3, 1.7])
def test_strength_next_to_the_curve_is_a_sum_over_steps(beta: float, curved: float) -> None:
    a, v, total = 1.0, 0.0, 0.0
    for _ in range(4000):
        v = beta * v - curved * (1 - beta) * a
        a += v
        total += v**2
    rho = (1 - beta) / (1 + beta)
    formula = two_layer_ends.caption.true["next to the curve"]
    value = sympy.sympify(formula, locals={"zeta": curved, "rho": rho})
    assert total / rho == pytest.approx(float(value), rel=1e-12)


# -- end points -----------------------------------------------------------------------------------


def plain_heavy_ball(x: float, y: float, h: float, beta: float, steps: int) -> Any:
    w, v = np.array(START), np.zeros(2)
    for _ in range(steps):
        v = beta * v + h * x * (y - w[0] * w[1] * x) * w[::-1]
        w = w + v
    return w, v


def test_iterates_are_those_of_a_plain_loop() -> None:
    settings = [(1.0, 0.6, 1e-2, 0.0), (0.5, -1.0, 1e-3, 0.9), (2.0, 0.6, 2e-3, 0.8)]
    x, y, h, beta = np.array(settings).T
    starts = np.tile(START, (3, 1))
    with jax.enable_x64(True):
        found = iterate_ends(
            mf.HeavyBall(), loss, starts, h, [0, 1, 70], parameters={"beta": beta}, data=(x, y)
        )
    assert np.array_equal(found.points[0], starts)
    assert not np.any(found.moves[0])
    for i, setting in enumerate(settings):
        for row, steps in ((1, 1), (2, 70)):
            w, v = plain_heavy_ball(*setting, steps)
            assert found.points[row, i] == pytest.approx(w, rel=1e-12)
            assert found.moves[row, i] == pytest.approx(v, rel=1e-10)


def slope(w: Any) -> Any:
    """∇E and ∇²E ∇E at (x, y) = (1, 0.6), by hand."""
    r = 0.6 - w[0] * w[1]
    gradient = -r * w[::-1]
    mixed = w[0] * w[1] - r
    hessian = np.array([[w[1] ** 2, mixed], [mixed, w[0] ** 2]])
    return gradient, hessian @ gradient


def by_scipy(h: float, beta: float, steps: int, limit: bool) -> Any:
    """(4) and (5) from the formulas in the paper, one interval after the other."""
    w, path = np.array(START), [np.array(START)]
    for k in range(steps):
        q = 0.0 if limit else beta ** (k + 1)
        gamma = 1 - q**2 - 4 * (k + 1) * q * (1 - beta) / (1 + beta)
        drift, strength = (1 - q) / (1 - beta), h * gamma * (1 + beta) / (2 * (1 - beta) ** 3)

        def field(_: float, w: Any, drift: float = drift, strength: float = strength) -> Any:
            gradient, product = slope(w)
            return -drift * gradient - strength * product

        w = solve_ivp(field, (0, h), w, rtol=1e-10, atol=1e-12).y[:, -1]
        path.append(w)
    return np.array(path)


@pytest.mark.parametrize("limit", [False, True], ids=["(4)", "(5)"])
def test_flows_are_the_printed_ones(limit: bool) -> None:
    equation = mf.modified_equation(mf.HeavyBall(), 2)
    equation = equation.frozen() if limit else equation
    h, beta, steps = np.array([1e-2, 5e-3]), np.array([0.0, 0.5]), 80
    known: Any = {"parameters": {"beta": beta}, "data": (np.ones(2), np.full(2, 0.6))}
    starts = np.tile(START, (2, 1))
    with jax.enable_x64(True):
        paths = flow_paths(equation, loss, starts, h, steps, **known)
        ends = flow_ends(equation, loss, starts, h, [steps, steps], h, **known)
        parts = flow_paths(equation, loss, starts, h, 3, parts=2, **known)
    for i in range(2):
        expected = by_scipy(float(h[i]), float(beta[i]), steps, limit)
        assert paths[:, i] == pytest.approx(expected, rel=1e-7)
        assert ends[i] == pytest.approx(expected[-1], rel=1e-7)
        assert parts[:, i] == pytest.approx(expected[:4], rel=1e-7)


def test_a_flow_ends_where_it_is_told_before_it_has_settled() -> None:
    equation = mf.modified_equation(mf.HeavyBall(), 2)
    known: Any = {"parameters": {"beta": [0.5, 0.5]}, "data": (np.ones(2), np.full(2, 0.6))}
    starts, h = np.tile(START, (2, 1)), [5e-3, 5e-3]
    with jax.enable_x64(True):
        ends = flow_ends(equation, loss, starts, h, [3, 70], h, **known)
        path = flow_paths(equation, loss, starts, h, 70, **known)
    assert ends[0] == pytest.approx(path[3, 0], rel=1e-12)
    assert ends[1] == pytest.approx(path[70, 1], rel=1e-10)


def test_bad_runs_are_refused() -> None:
    starts, beta = np.tile(START, (2, 1)), {"beta": [0.5, 0.5]}
    data = (np.ones(2), np.ones(2))
    with jax.enable_x64(True):
        for steps in ([], [3, 2], [-1], [1.5]):
            with pytest.raises(mf.ModflowError, match="whole and ascend"):
                iterate_ends(mf.HeavyBall(), loss, starts, [1, 1], steps, parameters=beta)
        with pytest.raises(mf.ModflowError, match=r"2 starts, but h of shape \(3,\)"):
            iterate_ends(mf.HeavyBall(), loss, starts, [1, 1, 1], [1], parameters=beta, data=data)
        with pytest.raises(mf.ModflowError, match="2 starts, but data of shape"):
            iterate_ends(
                mf.HeavyBall(), loss, starts, [1, 1], [1], parameters=beta, data=(1.0, 2.0)
            )
        with pytest.raises(mf.ModflowError, match="runs and components"):
            iterate_ends(mf.HeavyBall(), loss, START, [1, 1], [1], parameters=beta, data=data)


# -- the four runs --------------------------------------------------------------------------------


def test_norms_of_the_four_runs() -> None:
    found = outcome(BARRETT_DHERIN, RATE, np.array(MOMENTA), START, 2000)
    for i, beta in enumerate(MOMENTA):
        w, _ = plain_heavy_ball(*BARRETT_DHERIN, RATE * (1 - beta), beta, 3000)
        assert found.norm[i] == pytest.approx(np.linalg.norm(w), abs=1e-11)
        assert abs(found.norm[i] - np.linalg.norm(w)) <= found.norm_doubt[i]
        assert found.at_rest[i]


def test_a_run_that_is_not_done_is_in_doubt() -> None:
    early = outcome(BARRETT_DHERIN, RATE, np.array(MOMENTA), START, 100)
    done = outcome(BARRETT_DHERIN, RATE, np.array(MOMENTA), START, 2000)
    assert np.all(np.abs(early.D - done.D) <= early.doubt)
    assert np.all(early.doubt > 1e-6)


def test_cells_out_of_order_are_found() -> None:
    at = np.array([[1.0, 2.0, 60.0]]), np.full((1, 3), 0.6)
    with np.errstate(all="ignore"):
        cells = ordered_cells(at, RATE, MOMENTA, START, 40.0)
    assert cells.ordered.tolist() == [[True, False, False]]
    assert cells.broken.tolist() == [[False, True, False]]
    assert cells.crossed[0, 1]
    assert cells.known.tolist() == [[True, True, False]]  # x = 60 diverges
    assert cells.at_rest.tolist() == [[True, True, False]]
    for beta, norm in ((0.0, 1.7708), (0.5, 1.5302), (0.8, 0.7819), (0.9, 1.9482)):
        w, _ = plain_heavy_ball(2.0, 0.6, RATE * (1 - beta), beta, 3000)
        assert np.linalg.norm(w) == pytest.approx(norm, abs=1e-4)
