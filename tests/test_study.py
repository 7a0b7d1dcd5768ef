"""Convergence studies end to end, and wrong flows that they must not pass."""

from dataclasses import replace
from fractions import Fraction

import jax.numpy as jnp
import numpy as np
import pytest

import modflow as mf
from modflow import runs as runs_module
from modflow import study as study_module
from modflow.problems import Problem, digits, problem_named
from modflow.series import Tree

NODE, CHAIN = Tree(), Tree([Tree()])
DRIFT = "(1-beta**(k+1))/(1-beta)"
GAMMA = "((1-beta**(2*k+2)) - 4*(k+1)*beta**(k+1)*(1-beta)/(1+beta))"
FRONT = "-(1+beta)/(2*(1-beta)**3)"
REGULARIZER = f"{FRONT}*{GAMMA}"

# Wrong versions of the paper's (4), each by one change.
LOSE_THE_ORDER = {
    "half the regularizer": {CHAIN: f"({REGULARIZER})/2"},
    "twice the regularizer": {CHAIN: f"2*({REGULARIZER})"},
    "its sign": {CHAIN: f"-({REGULARIZER})"},
    "1-beta for 1+beta": {CHAIN: f"-(1-beta)/(2*(1-beta)**3)*{GAMMA}"},
    "(1-beta)^2 for (1-beta)^3": {CHAIN: f"-(1+beta)/(2*(1-beta)**2)*{GAMMA}"},
    "the regularizer of plain GD": {CHAIN: "-1/2"},
    "beta^k in the drift": {NODE: "(1-beta**k)/(1-beta)"},
    "beta^(k+2) in the drift": {NODE: "(1-beta**(k+2))/(1-beta)"},
    "the drift's limit from the first step": {NODE: "1/(1-beta)"},
}
KEEP_THE_ORDER = {
    "gamma's limit": {CHAIN: FRONT},
    "gamma without its second term": {CHAIN: f"{FRONT}*(1-beta**(2*k+2))"},
    "gamma with k shifted": {CHAIN: REGULARIZER.replace("k", "(k+1)")},
}
BETAS = [Fraction(3, 10), Fraction(1, 2), Fraction(9, 10)]
PROBLEMS = ["two-layer", "rosenbrock"]


@pytest.fixture(scope="module")
def printed():
    eq = mf.modified_equation(mf.HeavyBall(), 2)
    return eq.with_coefficients({NODE: DRIFT, CHAIN: REGULARIZER})


@pytest.mark.parametrize("problem", PROBLEMS)
@pytest.mark.parametrize("beta", BETAS, ids=str)
def test_only_the_right_flow_passes(printed, problem, beta):
    right = mf.convergence_study(mf.HeavyBall(beta), problem, flow=printed)
    assert right.verdict == "pass", right.reason
    for name, change in LOSE_THE_ORDER.items():
        wrong = printed.with_coefficients(change)
        study = mf.convergence_study(mf.HeavyBall(beta), problem, flow=wrong)
        assert study.verdict != "pass", name
        # They are of order 1; a slow transient may leave more room, but not up to 2.
        assert study.observed_order < 1.5, name


@pytest.mark.slow
@pytest.mark.parametrize("beta", BETAS, ids=str)
def test_only_the_right_flow_passes_on_real_digits(printed, beta):
    problem = digits.tanh_network()
    assert mf.convergence_study(mf.HeavyBall(beta), problem, flow=printed).verdict == "pass"
    for name, change in LOSE_THE_ORDER.items():
        wrong = printed.with_coefficients(change)
        study = mf.convergence_study(mf.HeavyBall(beta), problem, flow=wrong)
        assert study.verdict != "pass", name


@pytest.mark.parametrize("beta", BETAS, ids=str)
def test_a_wrong_gamma_keeps_the_order_and_breaks_constant_and_identity(printed, beta):
    derived = mf.modified_equation(mf.HeavyBall(), 2)
    assert derived.residual(CHAIN, REGULARIZER) == 0
    right = mf.convergence_study(mf.HeavyBall(beta), "two-layer", flow=printed)
    assert right.verdict == "pass", right.reason
    for name, change in KEEP_THE_ORDER.items():
        # A slope is no proof of gamma: these flows have order 2 like the right one ...
        study = mf.convergence_study(
            mf.HeavyBall(beta), "two-layer", flow=printed.with_coefficients(change)
        )
        assert study.estimate.verdict != "fail", name
        assert study.observed_order == pytest.approx(2, abs=0.15), name
        # ... but the error is another one, and exactness tells at once.
        assert study.verdict != "pass", (name, study.reason)
        assert study.verdict == "fail", (name, study.reason)
        assert derived.residual(CHAIN, change[CHAIN]) != 0, name


@pytest.mark.parametrize("order", [1, 2, 3, 4])
@pytest.mark.parametrize("beta", [0, 0.5, 0.9])
def test_orders_one_to_four_on_the_two_layer_model(beta, order):
    study = mf.convergence_study(mf.HeavyBall(beta), "two-layer", order)
    assert study.verdict == "pass", study.reason
    low, high = study.interval
    assert low <= order <= high or study.observed_order == pytest.approx(order, abs=0.05)


@pytest.mark.parametrize("order", [1, 2, pytest.param(3, marks=pytest.mark.slow)])
def test_orders_one_to_three_on_real_digits(order):
    # The small version; the problems as they stand are in the slow test below. Order 3 takes a
    # minute to compile; on the two-layer model it is tested above.
    study = mf.convergence_study(
        mf.HeavyBall(0.5), replace(digits.tanh_network(32, 4), sizes=8), order
    )
    assert study.verdict == "pass", study.reason


@pytest.mark.slow
@pytest.mark.parametrize("problem", ["digits-logistic", "digits-tanh"])
@pytest.mark.parametrize("order", [1, 2, 3])
@pytest.mark.parametrize("beta", [0, 0.5, 0.9])
def test_orders_on_the_digits_problems(problem, beta, order):
    # β = 0.9 has a long transient, and order 3 needs one size more to get out of it.
    sizes = 10 if (beta, order) == (0.9, 3) else 9
    grid = [0.25 * (1 - beta) * 2.0**-j for j in range(sizes)]
    study = mf.convergence_study(mf.HeavyBall(beta), problem, order, grid)
    assert study.verdict == "pass", study.reason


@pytest.mark.parametrize("order", [1, 2])
def test_local_errors_have_one_order_more(order):
    study = mf.convergence_study(mf.GradientDescent(), "two-layer", order, local=True)
    assert (study.verdict, study.expected) == ("pass", order + 1)
    assert all(run.steps == 1 for run in study.runs)


def test_the_limit_flow_from_the_first_step_is_of_order_one_only():
    study = mf.convergence_study(mf.HeavyBall(0.5), "two-layer", 2, flow="limit")
    assert study.verdict == "fail"
    assert study.observed_order == pytest.approx(1, abs=0.02)


def test_nesterov_and_a_user_s_own_method():
    from dataclasses import dataclass
    from typing import Any

    @dataclass(frozen=True)
    class Lookahead(mf.Method):
        """Nesterov's momentum with the gradient at x + β v."""

        beta: Any = mf.momentum()

        def start(self, x):
            return 0 * x

        def step(self, f, h, x, memory):
            v = self.beta * memory + h * f(x + self.beta * memory)
            return x + v, v

    for method in (mf.Nesterov(0.5), Lookahead(0.5)):
        for order in (2, 3):
            study = mf.convergence_study(method, "two-layer", order)
            assert study.verdict == "pass", (method, order, study.reason)


def test_a_user_s_loss_needs_one_line_and_no_grid():
    problem = Problem(
        lambda p: jnp.sum(jnp.cosh(p["u"])) + p["s"] ** 4, {"u": np.ones(2), "s": 1.0}
    )
    study = mf.convergence_study(mf.HeavyBall(0.5), problem, 2)
    assert study.verdict == "pass", study.reason


# -- what the result carries ----------------------------------------------------------------


def test_the_integrator_is_shown_to_be_far_below_the_error():
    study = mf.convergence_study(mf.HeavyBall(0.9), "two-layer", 2)
    errors, shares = np.array(study.errors), np.array(study.integrator_errors)
    assert np.all(shares <= runs_module.FAR_BELOW * errors)
    # A wrong integrator error would show up as a difference to ten times finer steps.
    for run, share in list(zip(study.runs, shares, strict=True))[:4]:
        with study_module.jax.enable_x64(True):
            table = study_module.coefficient_table(
                mf.modified_equation(mf.HeavyBall(0.9), 2), 1 << 16
            )
            pair = study_module.SideBySide(
                mf.HeavyBall(0.9), problem_named("two-layer"), table, "dopri8"
            )
            fine = pair.run(run.h, run.steps, 10)
        assert abs(fine.error - run.error) <= share + 1e-13


def test_an_integrator_that_is_too_coarse_is_refined():
    # Steps of four times the stability bound of the flow: one part a step is not enough.
    problem = Problem(lambda x: 40 * jnp.sum(x**2), np.array([1.0, -1.0]), coarsest=1 / 48)
    study = mf.convergence_study(mf.GradientDescent(), problem, 1, T=0.5)
    assert max(run.substeps for run in study.runs) > 1
    errors, shares = np.array(study.errors), np.array(study.integrator_errors)
    assert np.all(shares <= runs_module.FAR_BELOW * errors + 1e-15)


def test_diverging_sizes_are_left_out_with_a_reason():
    sizes = [2.0**-j for j in range(1, 12)]
    study = mf.convergence_study(mf.GradientDescent(), "two-layer", 1, sizes, T=4.0)
    assert 0.5 in study.excluded
    assert "iterates diverge at step" in study.excluded[0.5]
    assert "h = 0.5" in study.excluded[0.5]
    assert np.isnan(study.errors[0])
    assert study.verdict == "pass"
    assert 0.5 not in study.estimate.step_sizes


def test_a_study_in_which_everything_diverges_is_inconclusive():
    study = mf.convergence_study(mf.GradientDescent(), "two-layer", 1, [16, 8, 4], T=160)
    assert study.verdict == "inconclusive"
    assert "0 of 3" in study.reason
    assert study.to_dict()["errors"] == [None] * 3


def test_interrupting_keeps_what_is_done(monkeypatch):
    run = study_module.SideBySide.run
    calls = []

    def interrupted(self, h, *args, **kwargs):
        calls.append(h)
        if h < 0.004:
            raise KeyboardInterrupt
        return run(self, h, *args, **kwargs)

    monkeypatch.setattr(study_module.SideBySide, "run", interrupted)
    sizes = [2.0**-j for j in range(5, 12)]
    study = mf.convergence_study(mf.GradientDescent(), "two-layer", 1, sizes)
    assert study.interrupted
    assert study.step_sizes == (2.0**-5, 2.0**-6, 2.0**-7)
    assert all(np.isfinite(study.errors))


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ([], "at least three"),
        ([0.1, 0.05], "at least three"),
        ([0.1, 0.2, 0.05], "sorted"),
        ([0.1, 0.1, 0.05], "given twice"),
        ([0.1, 0.05, -0.01], "positive"),
        ([0.1, 0.05, 0.0], "positive"),
        ([0.1, float("nan"), 0.01], "positive and finite"),
        (["a", "b", "c"], "must be numbers"),
    ],
)
def test_bad_grids_are_refused(sizes, message):
    with pytest.raises(mf.ModflowError, match=message) as error:
        mf.convergence_study(mf.GradientDescent(), "two-layer", 1, sizes)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"T": 1e-4}, "smaller than the step size"),
        ({"T": -1}, "T must be positive"),
        ({"T": float("nan")}, "T must be positive"),
        ({"step_sizes": [2.0**-1070, 2.0**-1071, 2.0**-1072]}, "larger step sizes"),
        ({"flow": "picewise"}, "did you mean 'piecewise'"),
        ({"solver": "tsit"}, "did you mean 'tsit5'"),
        ({"problem": "two-layers"}, "did you mean 'two-layer'"),
        ({"order": 0}, "order must be a whole number"),
        ({"method": mf.HeavyBall()}, "needs a number for beta"),
    ],
)
def test_bad_requests_are_refused(arguments, message):
    given = {"method": mf.GradientDescent(), "problem": "two-layer", "order": 1} | arguments
    with pytest.raises(mf.ModflowError, match=message) as error:
        mf.convergence_study(**given)
    assert "\n" not in str(error.value)


# -- several losses ---------------------------------------------------------------------------


@pytest.mark.parametrize("sampling", ["cyclic", "shuffled"])
def test_batches_have_flows_of_the_order_too(sampling):
    problem = digits.tanh_network(32, 4).split(4)
    schedule = mf.BatchSchedule(sampling, 4, seed=3)
    study = mf.convergence_study(mf.HeavyBall(0.5), problem, 2, batches=schedule)
    assert study.verdict == "pass", study.reason
    assert study.comparison is None
    assert study.to_dict()["batches"] == {"kind": sampling, "count": 4, "seed": 3}


def test_the_full_batch_flow_does_not_follow_the_iterates_with_batches():
    # A flow of the mean loss is another one: its distance to the iterates is of order 1.
    problem = digits.tanh_network(32, 4)
    schedule = mf.BatchSchedule("cyclic", 4)
    with study_module.jax.enable_x64(True):
        errors = []
        for h in (2.0**-7, 2.0**-8):
            run = mf.compare_batches(
                mf.HeavyBall(0.5), problem.split(4), 2, schedule, h, round(1 / h)
            )
            full = study_module.coefficient_table(
                mf.modified_equation(mf.HeavyBall(0.5), 2), 1 << 12
            )
            pair = study_module.SideBySide(mf.HeavyBall(0.5), problem, full, "dopri8")
            mean = pair.run(h, round(1 / h))
            gap = study_module.jax.tree.leaves(
                study_module.jax.tree.map(lambda a, b: np.sum((a - b) ** 2), run.iterate, mean.flow)
            )
            errors.append((run.error, float(np.sqrt(sum(gap)))))
    assert errors[1][0] < 0.3 * errors[0][0]
    assert errors[1][1] > 0.4 * errors[0][1]
    assert errors[1][1] > 20 * errors[1][0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"flow": "limit"}, "piecewise flows only"),
        ({"local": True}, "no local studies"),
        ({"problem": "two-layer"}, "no samples"),
        ({"problem": digits.tanh_network(32, 4)}, "for 4 batches and there are 32"),
    ],
)
def test_studies_with_batches_refuse(arguments, message):
    given = {"problem": digits.tanh_network(32, 4).split(4), **arguments}
    with pytest.raises(mf.ModflowError, match=message):
        mf.convergence_study(
            mf.HeavyBall(0.5), order=1, batches=mf.BatchSchedule("cyclic", 4), **given
        )
