"""Verdicts on studies of known truth, beside plain rules; and that the study itself can tell.

The whole of it is `benchmarks/verdicts.py`; this is a small part, under a seed of its own.
"""

import math
from pathlib import Path

import numpy as np
import pytest

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"
with pytest.MonkeyPatch.context() as patch:
    patch.syspath_prepend(str(BENCHMARKS))
    from verdict_studies import differences, odes, quadrature, sampling, sequences
    from verdict_studies.collected import real
    from verdict_studies.real import exact
    from verdict_studies.rules import FAIL, INCONCLUSIVE, PASS, RULES
    from verdict_studies.study import NO_NOISE, Study, _least_gap, neighbours
    from verdict_studies.synthetic import KINDS, synthetic
    from verdict_studies.tally import judged, rates

SEED = 31
PLAIN = [name for name in RULES if name != "modflow"]
STEPS = 0.1 * 0.5 ** np.arange(8)


@pytest.fixture(scope="module")
def on_formulas():
    return list(judged(synthetic(i, SEED) for i in range(4 * len(KINDS))))


@pytest.fixture(scope="module")
def on_methods():
    studies = list(real(SEED, (quadrature, differences, sequences)))[::9]
    return list(judged(studies))


def made(order=2.0, errors=None, noise=0.0, floor=0.0, steps=STEPS, tangents=None, **more):
    clean = 3 * steps**order if errors is None else errors
    ones = np.ones(steps.size)
    tangents = np.empty((0, 0)) if tangents is None else tangents
    return Study(
        "made", "", steps, clean, order, clean, noise * ones, floor * ones, tangents, **more
    )


class TestVerdicts:
    def test_nothing_is_wrong_where_the_data_could_decide(self, on_formulas, on_methods):
        for found in (on_formulas, on_methods):
            got = rates(found, "modflow")
            assert got.decidable > 100
            assert got.false_pass_decidable == 0
            assert got.false_fail_decidable == 0

    @pytest.mark.parametrize("rule", PLAIN)
    def test_every_plain_rule_is_wrong_more_often(self, rule, on_formulas, on_methods):
        found = on_formulas + on_methods
        modflow, plain = rates(found, "modflow"), rates(found, rule)
        assert modflow.false_pass < plain.false_pass
        assert modflow.false_fail < plain.false_fail
        # The data could decide for some of these.
        assert plain.false_pass_decidable + plain.false_fail_decidable > 0

    def test_less_than_a_tenth_is_left_open_on_numerical_methods(self, on_methods):
        got = rates(on_methods, "modflow")
        assert got.open_decidable < 0.1 * got.decidable

    def test_what_could_not_be_decided_and_passes_is_hidden(self, on_formulas, on_methods):
        # A lower order that has not shown yet, or a logarithm.
        for j in on_formulas + on_methods:
            assert not j.is_false_pass("modflow") or j.study.kind in ("turn", "fractional", "log")


class TestTheStudyCanTell:
    @pytest.mark.parametrize("verdict", [PASS, FAIL, INCONCLUSIVE])
    def test_a_rule_that_always_says_the_same(self, verdict):
        broken = {"broken": lambda study, claim: verdict}
        got = rates(judged((synthetic(i, SEED) for i in range(90)), broken), "broken")
        assert got.wrong > 3 * got.right > 0
        assert got.false_pass == (got.wrong if verdict == PASS else 0)
        assert got.false_fail == (got.right if verdict == FAIL else 0)
        assert got.open == (got.claims if verdict == INCONCLUSIVE else 0)
        assert 0 < got.decidable < got.claims
        decided = got.false_pass_decidable + got.false_fail_decidable + got.open_decidable
        assert 0 < decided <= got.decidable

    def test_a_rule_that_knows_the_truth_is_never_wrong(self):
        knowing = {"truth": lambda study, claim: PASS if study.is_right(claim) else FAIL}
        got = rates(judged((synthetic(i, SEED) for i in range(90)), knowing), "truth")
        assert got.false_pass == got.false_fail == got.open == 0

    def test_rules_do_not_see_the_truth(self):
        right = made(2.0)
        other = made(1.0, errors=right.errors)
        for rule in RULES.values():
            assert [rule(right, q) for q in (1, 2)] == [rule(other, q) for q in (1, 2)]

    def test_plain_rules(self):
        # Slopes 3, 2, 1: the last is 1, the fitted one and their mean are 2.
        steps = 0.5 ** np.arange(4)
        study = made(2.0, errors=2.0 ** -np.cumsum([0, 3, 2, 1]), steps=steps)
        passed = {name: [q for q in (1, 2, 3) if RULES[name](study, q) == PASS] for name in PLAIN}
        assert list(passed.values()) == [[1], [1], [1, 2], [2], [2]]
        # As DiffEqDevTools.jl has it, with the finest size first.
        errors = study.errors[::-1]
        order = abs(np.mean(np.log2(errors[1:] / errors[:-1])))
        assert order == pytest.approx(2)

    def test_equal_seeds_give_equal_studies(self):
        for i in range(len(KINDS)):
            a, b, c = synthetic(i, 1), synthetic(i, 1), synthetic(i, 2)
            assert np.array_equal(a.errors, b.errors)
            assert not np.array_equal(a.errors, c.errors)
            assert a.kind == list(KINDS)[i]


class TestTruth:
    def test_claims(self):
        assert made(2.0).claims() == [1, 1.5, 2, 2.5, 3]
        assert made(0.5).claims() == [0.5, 1, 1.5]
        assert made(1.7).claims() == pytest.approx([0.7, 1.2, 1.5, 1.7, 2, 2.2, 2.7])
        assert made(3.0, nominal=1.0).claims() == [1, 2, 2.5, 3, 3.5, 4]
        assert [q for q in made(2.0).claims() if made(2.0).is_right(q)] == [2]
        assert not any(made(2.0, log=True).is_right(q) for q in made(2.0).claims())

    def test_neighbours(self):
        assert neighbours(2) == [1.5, 2.5]
        assert neighbours(0.5) == [1]
        assert neighbours(4 / 3) == [1, 1.5]

    def test_without_noise_the_asymptotic_range_decides(self):
        assert all(made(2.0).could_decide(q) for q in made(2.0).claims())
        few = made(2.0, steps=STEPS[:3])
        assert not any(few.could_decide(q) for q in few.claims())
        late = made(1.0, errors=STEPS**2 + 0.1 * STEPS[-1] * STEPS)
        assert not any(late.could_decide(q) for q in late.claims())
        early = made(1.0, errors=STEPS**2 + 20 * STEPS[-1] * STEPS)
        assert all(early.could_decide(q) for q in early.claims())
        floor = made(2.0, floor=STEPS[2] ** 2)
        assert not any(floor.could_decide(q) for q in floor.claims())
        assert not made(2.0, open=True).could_decide(2)
        assert not made(2.0, log=True).could_decide(2)

    def test_the_definition_of_enough_noise(self):
        # The power of the test is counted: with the most noise that is allowed, 95%.
        rng = np.random.default_rng(4)
        x = np.log(STEPS)
        centred = x - x.mean()
        unit = 1 / math.sqrt(float(centred @ centred))
        most = 0.5 / _least_gap(STEPS.size - 2) / unit
        assert most > NO_NOISE
        assert made(2.0, noise=0.99 * most).could_decide(2)
        assert not made(2.0, noise=1.01 * most).could_decide(2)
        assert made(2.0, noise=1.01 * most).could_decide(3)
        y = 2 * centred + most * rng.standard_normal((20_000, STEPS.size))
        slopes = y @ centred * unit**2
        rest = y - y.mean(axis=1)[:, None] - slopes[:, None] * centred
        deviation = unit * np.sqrt((rest**2).sum(axis=1) / (STEPS.size - 2))
        rejected = abs(slopes - 1.5) > 2.4469 * deviation  # t, 6 degrees of freedom, 97.5%
        assert rejected.mean() == pytest.approx(0.95, abs=0.006)

    def test_unknown_shapes_take_freedom(self):
        tangents = np.column_stack([STEPS, STEPS**2]) / STEPS[0]
        free = [q for q in (1, 1.5, 2) if made(2.0, noise=0.2).could_decide(q)]
        known = [q for q in (1, 1.5, 2) if made(2.0, noise=0.2, tangents=tangents).could_decide(q)]
        assert free == [1, 1.5, 2]
        assert known == [1]

    def test_slips_have_the_order_of_their_tableau(self):
        # The first condition that fails: Hairer, Nørsett and Wanner, table II.2.1.
        for name, (a, b), order, meant in odes.slips(np.random.default_rng(SEED)):
            c = a.sum(axis=1)
            conditions = {1: [b.sum() - 1], 2: [b @ c - 1 / 2]}
            conditions[3] = [b @ c**2 - 1 / 3, b @ a @ c - 1 / 6]
            conditions[4] = [
                b @ c**3 - 1 / 4, (b * c) @ a @ c - 1 / 8, b @ a @ c**2 - 1 / 12,
                b @ a @ a @ c - 1 / 24,
            ]  # fmt: skip
            fails = min(p for p, values in conditions.items() if max(map(abs, values)) > 1e-9)
            assert order == fails - 1, name
            assert order < meant

    def test_methods_have_the_order_of_their_tableau(self):
        for (a, b), order in [*odes.EXPLICIT.values(), *odes.IMPLICIT.values()]:
            c = a.sum(axis=1)
            holds = [abs(b @ c**k - 1 / (k + 1)) < 1e-12 for k in range(order + 1)]
            assert all(holds[:order])
            simplified = abs(b @ a @ c - 1 / 6) < 1e-12
            assert simplified == (order >= 3)

    @pytest.mark.parametrize(
        "make", [sampling.plain, sampling.stratified, sampling.antithetic, sampling.additive]
    )
    def test_sampled_errors_scatter_about_their_exact_means(self, make):
        rng, z = np.random.default_rng(SEED), []
        for count in (50, 200) * 20:
            study = make(rng, count, np.array([4, 8, 16]))
            z += list(np.log(study.errors / study.clean) / study.noise)
        assert abs(np.mean(z)) < 0.4
        assert 0.8 < np.std(z) < 1.2

    @pytest.mark.parametrize("make", [sampling.euler, sampling.milstein])
    def test_exact_strong_errors_are_those_of_many_paths(self, make, monkeypatch):
        monkeypatch.setattr(sampling, "VOLATILITY", 0.3)  # tails are light then
        study = make(np.random.default_rng(SEED), 100_000, np.array([4, 8, 16, 32]))
        assert study.errors == pytest.approx(study.clean, rel=0.03)
        assert study.noise.max() < 0.006

    def test_smooth_studies_of_methods_approach_their_order(self):
        # Not by definition: an order in the list that is wrong would show here.
        for study in real(SEED, (quadrature, differences, sequences)):
            if study.kind == "smooth":
                good = study.clean > 100 * study.floor
                slope = np.diff(np.log(study.clean[good])) / np.diff(np.log(study.steps[good]))
                assert slope[-1] == pytest.approx(study.order, abs=0.15), study.name

    def test_a_study_of_a_method(self):
        study = exact("smooth", "", 2, [0.1, 0.05], [1e-2, 1e-15], 1e-15)
        assert study.kind == "floor"
        assert study.uncertainties is None
