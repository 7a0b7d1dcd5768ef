"""Order estimation on synthetic errors whose order is known."""

import json
import math
from dataclasses import FrozenInstanceError, dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modflow.convergence import OrderEstimate, Verdict, estimate_order
from modflow.errors import ModflowError
from modflow.posterior import Posterior

PASS, FAIL, INCONCLUSIVE = Verdict.PASS, Verdict.FAIL, Verdict.INCONCLUSIVE
STEPS = 0.1 * 0.5 ** np.arange(8)
FINEST = STEPS[-1]

# Pairwise slopes measured for heavy ball (beta = 0.9) against its flow of order 2.
HEAVY_BALL = (1.01, 1.23, 1.47, 1.68, 1.83, 1.91)


def from_slopes(slopes, finest_first_step=0.1 / 32):
    steps = finest_first_step * 0.5 ** np.arange(len(slopes) + 1)
    return steps, np.exp(-math.log(2) * np.concatenate([[0], np.cumsum(slopes)]))


def wrong_orders(order):
    return [q for q in (order - 1, order - 0.5, order + 0.5, order + 1) if q > 0]


# What a study looks like when the order is p, without noise.
FAMILIES = {
    "pure": lambda h, p: 3 * h**p,
    "higher terms": lambda h, p: h**p * (1 + 3 * h - 8 * h**2),
    "even": lambda h, p: h**p * (1 - 20 * h**2),
    "half powers": lambda h, p: h**p * (1 + h**0.5),
    "from below": lambda h, p: h**p / (1 + 20 * h),
    "slow": lambda h, p: h**p / (1 + 20 * h) ** 3,
    "from above": lambda h, p: h**p * (1 + 50 * h),
    "blow-up": lambda h, p: h**p * np.exp(np.minimum(40 * h, 30)),
}


@pytest.mark.parametrize("order", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("family", FAMILIES)
def test_smooth_families_pass_at_their_order_and_nowhere_else(family, order):
    errors = FAMILIES[family](STEPS, order)
    found = estimate_order(STEPS, errors, order)
    assert found.verdict is PASS, found
    assert found.order == pytest.approx(order, abs=0.05)
    for wrong in (order - 0.5, order + 1):
        assert estimate_order(STEPS, errors, wrong).verdict is FAIL


@pytest.mark.parametrize("order", [0.5, 1.5, 2.5, 3.5])
def test_half_integer_orders(order):
    errors = STEPS**order * (1 + STEPS)
    assert estimate_order(STEPS, errors, order).verdict is PASS
    for wrong in wrong_orders(order):
        assert estimate_order(STEPS, errors, wrong).verdict is FAIL


def test_heavy_ball():
    steps, errors = from_slopes(HEAVY_BALL)
    found = estimate_order(steps, errors, 2)
    assert found.verdict is PASS
    assert found.slopes == pytest.approx(HEAVY_BALL)
    for points in range(3, 8):
        for expected in (0.5, 1, 1.5, 2.5, 3):
            verdict = estimate_order(steps[:points], errors[:points], expected).verdict
            assert verdict is not PASS
        if points <= 4:
            assert estimate_order(steps[:points], errors[:points], 2).verdict is INCONCLUSIVE
            assert estimate_order(steps[:points], errors[:points], 1).verdict is INCONCLUSIVE
    assert estimate_order(steps, errors, 1).verdict is FAIL


@pytest.mark.parametrize("order", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("noise", [0.01, 0.03, 0.1, 0.3])
def test_noise_widens_but_does_not_mislead(noise, order):
    rng = np.random.default_rng([order, round(100 * noise)])
    right, wrong = [], []
    for _ in range(4):
        errors = STEPS**order * np.exp(noise * rng.standard_normal(STEPS.size))
        right.append(estimate_order(STEPS, errors, order).verdict)
        wrong.append(estimate_order(STEPS, errors, order + 1).verdict)
    assert FAIL not in right
    assert PASS not in wrong
    if noise <= 0.03:
        assert right.count(PASS) >= 3
        assert wrong.count(FAIL) >= 3


@pytest.mark.parametrize("expected", [1, 1.5, 2, 2.5, 3])
@pytest.mark.parametrize("strength", [1 / 16, 1 / 4, 1, 4, 16])
def test_a_turn_to_order_one_at_the_fine_end_never_passes_as_more(strength, expected):
    verdict = estimate_order(STEPS, STEPS**2 + strength * FINEST * STEPS, expected).verdict
    assert verdict is not PASS or expected == 1
    assert verdict is not FAIL or expected != 1


def test_a_completed_turn_is_seen():
    errors = STEPS**2 + 16 * FINEST * STEPS
    assert estimate_order(STEPS, errors, 1).verdict is PASS
    assert estimate_order(STEPS, errors, 2).verdict is FAIL


@pytest.mark.parametrize("order", [1, 2, 3])
def test_a_log_factor_neither_passes_nor_fails(order):
    found = estimate_order(STEPS, STEPS**order * np.log(1 / STEPS), order)
    assert found.verdict is INCONCLUSIVE
    assert "log factor" in found.reason


@pytest.mark.parametrize("power", [-1, -0.5, 0.5, 1])
@pytest.mark.parametrize("coarsest", [0.5, 0.1, 0.01])
def test_no_power_of_a_logarithm_fails(power, coarsest):
    # Far down one looks like none: slopes differ from the order by power / log(3/h).
    for points in (6, 9, 14):
        steps = coarsest * 0.5 ** np.arange(points)
        found = estimate_order(steps, steps**2 * np.log(3 / steps) ** power, 2)
        assert found.verdict is INCONCLUSIVE, found


@pytest.mark.parametrize("correction", [-0.5, 1, 3])
def test_corrections_that_hardly_vanish_do_not_fail(correction):
    for points in (6, 9, 14):
        steps = 0.1 * 0.5 ** np.arange(points)
        errors = steps**2 * (1 + correction / np.log(3 / steps))
        assert estimate_order(steps, errors, 2).verdict is not FAIL


class TestOrdersBetween:
    """An order within 1/4 of the claimed one is another one if slopes have long settled there."""

    @pytest.mark.parametrize(
        ("order", "near"), [(4 / 3, 1.5), (5 / 3, 1.5), (0.7, 0.5), (2.3, 2.5)]
    )
    @pytest.mark.parametrize("noise", [0.0, 0.005])
    def test_is_seen(self, order, near, noise):
        scatter = np.exp(noise * np.random.default_rng(5).standard_normal(STEPS.size))
        errors = STEPS**order * (1 + STEPS) * scatter
        found = estimate_order(STEPS, errors, near)
        assert near - 0.25 < found.interval[0] < found.interval[1] < near + 0.25
        assert found.verdict is FAIL, found
        assert estimate_order(STEPS, errors, order).verdict is PASS

    @pytest.mark.parametrize("order", [1.9, 1.95, 2.05, 2.1])
    def test_less_than_an_eighth_is_not(self, order):
        found = estimate_order(STEPS, STEPS**order, 2)
        assert found.verdict is INCONCLUSIVE
        assert "log factor" in found.reason

    def test_is_not_while_slopes_are_on_the_way(self):
        # 1.52, 1.57, ..., 1.72, which goes on to 2: a logarithm.
        found = estimate_order(STEPS, STEPS**2 * np.log(1 / STEPS) ** 1.5, 2)
        assert found.verdict is INCONCLUSIVE, found


class TestFallsFasterThanAnyPower:
    def test_no_order_that_is_left_behind(self):
        steps = 1 / np.arange(4, 13)
        errors = np.exp(-0.8 / steps)
        assert estimate_order(steps, errors).interval[0] > 8
        for wrong in (1, 2, 3):
            assert estimate_order(steps, errors, wrong).verdict is FAIL
        # The slopes come by or may, and so they may stay there.
        for near in (6, 8, 10):
            assert estimate_order(steps, errors, near).verdict is INCONCLUSIVE

    def test_but_a_fall_while_a_peak_is_being_resolved_shows_nothing(self):
        # The trapezoidal rule on 1/(1 + 10^4 x^2) over [0, 1], which has order 2 in the end.
        counts, errors = 4 * 2 ** np.arange(13), []
        for n in counts:
            values = 1 / (1 + (100 * np.arange(n + 1) / n) ** 2)
            rule = (values.sum() - (values[0] + values[-1]) / 2) / n
            errors.append(abs(rule - math.atan(100) / 100))
        for last in (7, 8, 9):
            found = estimate_order(1 / counts[:last], errors[:last], 2)
            assert max(found.slopes) > 5
            assert found.verdict is INCONCLUSIVE, found
        assert estimate_order(1 / counts, errors, 2).verdict is PASS


@pytest.mark.parametrize("seed", range(6))
def test_a_slight_drift_away_is_not_passed(seed):
    # Found by random search: the interval holds 2, but the slopes go 1.99, ..., 1.97, 1.96.
    noise = 0.001 * np.random.default_rng(seed).standard_normal(STEPS.size)
    errors = (STEPS**2 + STEPS**1.5 * FINEST**0.5 / 12) * np.exp(noise)
    assert estimate_order(STEPS, errors, 2).verdict is not PASS


@pytest.mark.parametrize("factor", [1.5, 2])
def test_errors_that_alternate_are_noisy(factor):
    # As for the rectangle rule and a jump: the slopes are two numbers in turn, and their median is
    # one of them, which makes deviations from it vanish for most.
    steps = 0.1 * 0.5 ** np.arange(12)
    errors = steps**2 * factor ** (np.arange(12) % 2)
    assert estimate_order(steps, errors, 2).verdict is PASS
    for wrong in wrong_orders(2):
        assert estimate_order(steps, errors, wrong).verdict is FAIL


class TestProbability:
    def of_normal(self, mean, sd):
        one = np.ones(1)
        interval = (mean - 1.96 * sd, mean + 1.96 * sd)
        sure = (mean - 2.58 * sd, mean + 2.58 * sd)
        return Posterior(mean, interval, sure, one, 4, one, mean * one, sd * one, 0 * one, 0 * one)

    @pytest.mark.parametrize("sd", [0.05, 0.15, 0.3])
    @pytest.mark.parametrize("seen", [2.0, 2.1, 2.2, 2.35])
    def test_is_how_often_it_is_the_order_where_so_much_is_seen(self, sd, seen):
        # 95 of 100 orders are half-integers, each as often as the others; sd is far above 0.01.
        rng = np.random.default_rng(3)
        size = 4_000_000
        half = rng.random(size) < 0.95
        orders = np.where(half, rng.integers(9, size=size) / 2, rng.uniform(-0.25, 4.25, size))
        alike = orders[abs(orders + sd * rng.standard_normal(size) - seen) < 0.01]
        share = float((alike == 2).mean())
        scatter = math.sqrt(share * (1 - share) / alike.size)
        found = self.of_normal(seen, sd).probability(2)
        assert found == pytest.approx(share, abs=4 * scatter + 0.01)

    def test_another_order_that_is_claimed_counts_as_one_of_them(self):
        posterior = self.of_normal(4 / 3, 0.02)
        assert posterior.probability(4 / 3) > 0.97
        assert posterior.probability(1.5) < 1e-6

    def test_an_interval_beyond_the_cell_may_hold_one_half_integer_only(self):
        noise = 0.12 * np.array([-1, 1, 1, 1, -1, -1, 1, 1])
        errors = STEPS**2 * np.exp(noise)
        found = estimate_order(STEPS, errors, 2)
        assert 1.5 < found.interval[0] < 1.75
        assert found.verdict is PASS
        for wrong in wrong_orders(2):
            assert estimate_order(STEPS, errors, wrong).verdict is FAIL


class TestFloor:
    steps = 0.5 ** np.arange(2, 15)
    level = 1e-6

    def errors(self, kind, order=3):
        rng = np.random.default_rng(7)
        size = self.steps.size
        floor = {
            "flat": np.ones(size),
            "erratic": rng.standard_normal(size),
            "growing": (self.steps[-1] / self.steps) ** 0.5,
        }[kind]
        return np.abs(self.steps**order + self.level * floor)

    @pytest.mark.parametrize("kind", ["flat", "erratic", "growing"])
    def test_is_found_and_set_aside(self, kind):
        found = estimate_order(self.steps, self.errors(kind), 3)
        assert found.floor is not None
        first = min(i for i, why in found.excluded if "any more" in why or "uncertainty" in why)
        growth = (self.steps[-1] / self.steps[first]) ** 0.5 if kind == "growing" else 1.0
        assert growth * self.level / 3 < found.floor < 5 * growth * self.level
        assert found.verdict is PASS, found
        assert not found.used[-3:].any()
        assert "uncertainty" in dict(found.excluded)[self.steps.size - 1]
        assert estimate_order(self.steps, self.errors(kind), 2).verdict is not PASS

    def test_stated_uncertainties_do_the_same(self):
        stated = np.full(self.steps.size, self.level)
        found = estimate_order(self.steps, self.errors("erratic"), 3, uncertainties=stated)
        assert found.verdict is PASS

    @pytest.mark.parametrize("points", [11, 15, 19])
    @pytest.mark.parametrize("order", [1.5, 2, 4])
    def test_its_level_is_not_that_of_points_that_still_fall(self, order, points):
        # However long it is; the level is stated as it is.
        steps = 0.5 ** np.arange(points)
        level = 0.3 * steps[5] ** order
        errors, stated = steps**order + level, np.full(points, level)
        found = estimate_order(steps, errors, order, uncertainties=stated)
        assert found.floor == pytest.approx(level, rel=1)
        assert found.verdict is PASS, found

    @pytest.mark.parametrize("points", [12, 16, 20])
    @pytest.mark.parametrize("growth", [0.5, 1, 2])
    def test_rounding_may_grow_as_that_of_difference_quotients_does(self, points, growth):
        steps = 0.5 ** np.arange(1, points + 1)
        rounding = 1e-6 * (steps / steps[9]) ** -growth
        errors = steps**2 + rounding
        found = estimate_order(steps, errors, 2)
        assert found.verdict is PASS, found
        assert rounding[7] / 2 < found.floor < 2 * rounding[11]
        for wrong in wrong_orders(2):
            assert estimate_order(steps, errors, wrong).verdict is not PASS

    @pytest.mark.filterwarnings("error")
    def test_errors_of_any_size(self):
        steps = [0.1 / 2**i for i in range(5)]
        for errors in ([4.9e152, 0.05, 0.025, 0.0125, 0.00625], [1e300, 1e-300, 1, 1e-300, 1e300]):
            assert estimate_order(steps, errors, 2).verdict is not PASS

    @pytest.mark.filterwarnings("error")
    def test_orders_of_any_size(self):
        for expected in (1e-300, 1e152, 1e306):
            assert estimate_order(STEPS, STEPS**2, expected).verdict is FAIL

    def test_a_plateau_that_rounding_cannot_explain_never_passes(self):
        for scale, stated in ((1e4, None), (1, np.full(self.steps.size, 1e-12))):
            errors = scale * self.errors("flat")
            steps = scale ** (1 / 3) * self.steps
            found = estimate_order(steps, errors, 3, uncertainties=stated)
            if scale == 1:
                assert found.verdict is INCONCLUSIVE
                assert "stop falling" in found.reason
            assert found.verdict is not FAIL

    @pytest.mark.parametrize("points", range(6, 13))
    def test_wherever_the_data_end_nothing_fails(self, points):
        for kind in ("flat", "erratic", "growing"):
            errors = self.errors(kind)[:points]
            assert estimate_order(self.steps[:points], errors, 3).verdict is not FAIL

    def test_no_convergence_at_all_fails(self):
        errors = 0.1 + 0.001 * STEPS
        assert estimate_order(STEPS, errors, 1).verdict is FAIL
        assert estimate_order(STEPS, 1e-15 * errors, 1).verdict is INCONCLUSIVE


class TestCoarseEnd:
    @pytest.mark.parametrize(
        "errors", [(6.575, 5.654, 5.188, 4.687), (1.096, 0.9033, 0.7164, 0.5935)]
    )
    def test_errors_as_large_as_the_solution_decide_nothing(self, errors):
        # Heavy ball (beta = 0.9) beside its flow of order 2, with h from 1/8.
        found = estimate_order(0.5 ** np.arange(3, 7), errors, 2)
        assert found.order < 0.35
        assert found.verdict is INCONCLUSIVE
        assert "hardly fall" in found.reason

    def test_a_sign_change_is_set_aside(self):
        steps = 0.1 * 0.5 ** np.arange(10)
        errors = steps**2 * np.abs(1 - steps / 0.026)
        found = estimate_order(steps, errors, 2)
        assert found.verdict is PASS
        assert not found.used[:2].any()
        assert "pre-asymptotic" in dict(found.excluded)[0]

    def test_garbage_is_set_aside(self):
        errors = STEPS**3 * (1 + STEPS)
        errors[:2] = 40, 3e-9
        found = estimate_order(STEPS, errors, 3)
        assert found.verdict is PASS
        assert list(np.flatnonzero(~found.used)) == [0, 1]

    @pytest.mark.parametrize("bad", [math.inf, math.nan, 0.0])
    def test_unusable_errors_are_excluded_with_a_reason(self, bad):
        errors = STEPS**2
        errors[0] = bad
        found = estimate_order(STEPS, errors, 2)
        assert found.verdict is PASS
        assert [i for i, _ in found.excluded] == [0]
        assert ("rounding" if bad == 0 else "diverged") in found.excluded[0][1]
        assert math.isnan(found.slopes[0])
        json.dumps(found.to_dict(), allow_nan=False)

    def test_a_dip_at_the_fine_end_decides_nothing(self):
        errors = STEPS**2 * np.abs(1 - STEPS / 0.0016)
        for expected in (1, 2, 3, 4):
            assert estimate_order(STEPS, errors, expected).verdict is INCONCLUSIVE


@pytest.mark.parametrize("usable", [0, 1, 2, 3])
def test_too_few_points_decide_nothing(usable):
    errors = STEPS**2
    errors[: STEPS.size - usable] = math.inf
    for expected in (1, 2):
        assert estimate_order(STEPS, errors, expected).verdict is INCONCLUSIVE
    assert estimate_order(STEPS, errors).verdict is None
    assert math.isnan(estimate_order(STEPS, errors).order) == (usable < 3)


def test_four_exact_points_suffice():
    assert estimate_order([4, 3, 2, 1], [16, 9, 4, 1], 2).verdict is PASS


@pytest.mark.parametrize(
    ("steps", "errors", "options", "message"),
    [
        ([1, 2, 3], [1, 2], {}, "3 step_sizes but 2 errors"),
        ([1, 2, 3], [1, 2, 3], {"uncertainties": [1]}, "but 1 uncertainties"),
        ([1, 2], [1, 2], {}, "at least 3"),
        ([1, 2, math.inf], [1, 2, 3], {}, "positive and finite"),
        ([1, 2, math.nan], [1, 2, 3], {}, "positive and finite"),
        ([0, 1, 2], [1, 2, 3], {}, "positive and finite"),
        ([-1, 1, 2], [1, 2, 3], {}, "positive and finite"),
        ([1, 3, 2], [1, 2, 3], {}, "sort them"),
        ([1, 2, 2], [1, 2, 3], {}, "drop repeats"),
        ([1, 2, math.nextafter(2, 3)], [1, 2, 3], {}, "too close together"),
        ([1, 2, 1e101], [1, 2, 3], {}, "within a factor of 1e100"),
        ([1, 2, 3], [1, -2, 3], {}, "not be negative"),
        ([1, 2, 3], [1, 2, 3], {"uncertainties": [0, 0, -1]}, "finite and not negative"),
        ([1, 2, 3], [1, 2, 3], {"uncertainties": [0, 0, math.nan]}, "finite and not negative"),
        ([[1, 2, 3]], [1, 2, 3], {}, "one-dimensional"),
        ([1, 2, 3], ["a", "b", "c"], {}, "real numbers"),
        ([1, 2, 3], [1j, 2, 3], {}, "real numbers"),
        ([1, 2, 3], [1, 2, 3], {"expected": 0}, "positive number"),
        ([1, 2, 3], [1, 2, 3], {"expected": math.nan}, "positive number"),
        ([1, 2, 3], [1, 2, 3], {"expected": "two"}, "positive number"),
    ],
)
def test_bad_input(steps, errors, options, message):
    with pytest.raises(ModflowError, match=message) as caught:
        estimate_order(steps, errors, **options)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("power", [-1064, -700, 700, 1026])
@pytest.mark.filterwarnings("error")
def test_the_unit_of_step_sizes_does_not_matter(power):
    # Powers of two: not even the smallest of floats is rounded.
    steps, errors = 2.0 ** -np.arange(3, 11), STEPS**2 * (1 + STEPS)
    usual = estimate_order(steps, errors, 2)
    found = estimate_order(np.ldexp(steps, power), errors, 2)
    assert (found.verdict, found.order) == (PASS, pytest.approx(usual.order))
    assert found.interval == pytest.approx(usual.interval)


@pytest.mark.filterwarnings("error")
def test_uncertainties_of_any_size():
    found = estimate_order([4, 2, 1], [1, 1, 1], 2, uncertainties=[1e308, 0, 5e-324])
    assert [i for i, _ in found.excluded] == [0]


def test_the_result():
    found = estimate_order(STEPS[::-1], 3 * STEPS[::-1] ** 2, 2)
    assert isinstance(found, OrderEstimate)
    assert np.array_equal(found.step_sizes, STEPS)
    assert found.constant == pytest.approx(3)
    assert found.interval[0] <= 2 <= found.interval[1]
    assert str(found).startswith("pass: observed order 2.00")
    assert repr(found).startswith("OrderEstimate(order=2.000")
    assert json.loads(json.dumps(found.to_dict(), allow_nan=False))["verdict"] == "pass"
    with pytest.raises(FrozenInstanceError):
        found.order = 3
    free = estimate_order(STEPS, 3 * STEPS**2)
    assert free.verdict is None
    assert free.expected is None
    assert free.order == pytest.approx(2)


def test_input_is_left_alone():
    steps, errors, stated = STEPS.copy(), STEPS**2, np.full(8, 1e-6)
    before = errors.copy()
    estimate_order(steps, errors, 2, uncertainties=stated)
    assert np.array_equal(steps, STEPS)
    assert np.array_equal(errors, before)
    assert (stated == 1e-6).all()


@settings(max_examples=15, deadline=None, derandomize=True)
@given(
    order=st.sampled_from([1, 2, 3]),
    a=st.floats(-3, 5),
    unit=st.floats(1e-3, 1e3),
    size=st.floats(1e-2, 1e4),
)
def test_units_do_not_matter(order, a, unit, size):
    errors = STEPS**order * (1 + a * STEPS)
    here = estimate_order(STEPS, errors, order)
    there = estimate_order(unit * STEPS, size * errors, order)
    assert here.verdict is there.verdict
    assert here.order == pytest.approx(there.order, abs=1e-4)


@dataclass
class Study:
    steps: np.ndarray
    errors: np.ndarray
    order: float
    decidable: bool
    uncertainties: np.ndarray | None = None


def random_study(rng):
    """A study of known order; `decidable` if a careful reader would decide it."""
    order = float(rng.choice([0.5, 1, 1.5, 2, 2.5, 3, 4, 5]))
    points = int(rng.integers(4, 12))
    ratios = np.full(points - 1, rng.choice([2, 2, 3]))
    if rng.random() < 0.25:
        ratios = np.exp(rng.uniform(0.4, 1.2, points - 1))
    t = 1 / np.concatenate([[1], np.cumprod(ratios)])
    noise = float(rng.choice([0, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3]))
    family = rng.choice(["pure", "powers", "even", "half", "slow", "turn", "floor", "log", "dip"])
    decidable = points >= 7 and noise <= 0.01 and family not in ("log", "dip")
    shape, stated = np.ones(points), None
    if family == "powers":
        shape = 1 + rng.uniform(-0.6, 2) * t + rng.uniform(-0.3, 2) * t**2
    elif family == "even":
        shape = 1 + rng.uniform(-0.6, 3) * t**2
    elif family == "half":
        shape = 1 + rng.uniform(-0.4, 2) * t**0.5
        decidable &= t[-1] < 0.01
    elif family == "slow":
        shape = (1 + rng.uniform(0.02, 0.3) * t / t[-1]) ** -rng.uniform(-1, 1)
        decidable = False
    elif family == "turn":  # a lower order takes over within the data, visibly
        power = float(rng.choice([0.5, 1]))
        shape = 1 + t**power / (t[-1] ** power * rng.uniform(0.5, 30))
        noise, decidable = min(noise, 0.01), False
    elif family == "log":
        shape = np.log(30 / t)
    elif family == "dip":
        shape = np.abs(1 - t / (t[-1] * 10 ** rng.uniform(0.7, 3)))
    errors = 10 ** rng.uniform(-3, 3) * t**order * shape
    errors = errors * np.exp(noise * rng.standard_normal(points))
    if family == "floor":
        errors *= 1e-9 / errors[-2]
        errors = np.abs(errors + 1e-9 * rng.standard_normal(points))
        decidable &= order >= 1
        stated = np.full(points, 1e-9) if decidable or rng.random() < 0.5 else None
    return Study(10 ** rng.uniform(-3, 0) * t, errors, order, bool(decidable), stated)


def rates(studies, seed):
    rng = np.random.default_rng(seed)
    count = dict.fromkeys(
        ["decidable", "open", "false pass", "false fail", "missed fail", "naive false pass"], 0
    )
    odd = []
    for _ in range(studies):
        study = random_study(rng)
        wrong = float(rng.choice(wrong_orders(study.order)))
        right, other = (
            estimate_order(study.steps, study.errors, q, uncertainties=study.uncertainties)
            for q in (study.order, wrong)
        )
        count["decidable"] += study.decidable
        count["open"] += study.decidable and right.verdict is not PASS
        count["missed fail"] += study.decidable and other.verdict is not FAIL
        count["false fail"] += right.verdict is FAIL
        count["false pass"] += other.verdict is PASS
        count["naive false pass"] += bool(right.slopes[-1] > wrong - 0.2)
        if right.verdict is FAIL or other.verdict is PASS:
            odd.append(f"{study.order}: {right} / {other} {right.slopes.round(2)}")
    return count, odd


def test_rates_on_random_studies():
    # Measured on 4000 studies (seeds 11 and 12), of which 759 are decidable: 2 false passes and
    # 1 false fail, all three slow transients under 10% to 30% noise; of the decidable ones 29
    # (3.8%) do not pass at their order, 67 (8.8%) do not fail at a wrong one.  The naive rule
    # `last slope > p - 0.2` passes 1667 of the 4000 wrong orders.
    count, odd = rates(300, seed=2024)
    assert count["false pass"] == 0, odd
    assert count["false fail"] <= 3, odd
    assert count["decidable"] >= 50
    assert count["open"] <= 0.1 * count["decidable"]
    assert count["missed fail"] <= 0.2 * count["decidable"]
    assert count["naive false pass"] >= 100
