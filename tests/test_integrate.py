"""Iterates and flow side by side: against closed forms, SciPy and optax."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from scipy.integrate import solve_ivp

import modflow as mf
from modflow import integrate
from modflow.flows import coefficient_table
from modflow.integrate import SideBySide, iterates
from modflow.problems import Problem, exact_trajectories, quadratic
from modflow.problems.classic import two_layer


@pytest.fixture(autouse=True)
def double():
    with jax.enable_x64(True):
        yield


def pair(method, problem, order, solver="dopri8"):
    return SideBySide(
        method, problem, coefficient_table(mf.modified_equation(method, order), 1 << 16), solver
    )


# The coefficients of β = 0.2 settle within the run, those of β = 0.9 long after it.
METHODS = [
    mf.GradientDescent(),
    mf.HeavyBall(0.2),
    mf.HeavyBall(0.5),
    mf.HeavyBall(0.9),
    mf.Nesterov(0.8),
]


@pytest.mark.parametrize("method", METHODS, ids=repr)
@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_errors_on_quadratics_equal_the_closed_form(method, order):
    h, steps = 0.02 * (1 - method.parameters.get("beta", 0)), 50
    run = pair(method, quadratic(), order).run(h, steps, substeps=2)
    x, flow = exact_trajectories(method, h, steps, order)
    errors = np.linalg.norm(x - flow, axis=1)
    # The closed form cancels, too: both routes know the error to a few roundings of x.
    np.testing.assert_allclose(run.error, errors.max(), rtol=1e-9, atol=1e-14)
    if errors.max() > 1e-10:
        assert run.error_step == errors.argmax()
    np.testing.assert_allclose(run.iterate, x[-1], rtol=1e-12)
    np.testing.assert_allclose(run.flow, flow[-1], rtol=1e-11)


def test_errors_equal_those_of_numpy_and_scipy_with_the_formula_typed_in():
    beta, h, steps = 0.9, 0.002, 60
    run = pair(mf.HeavyBall(beta), two_layer(), 2).run(h, steps)

    def gradient(w):
        return -(0.6 - w[0] * w[1]) * np.array([w[1], w[0]])

    def hessian(w):
        r = 0.6 - w[0] * w[1]
        return np.array([[w[1] ** 2, w[0] * w[1] - r], [w[0] * w[1] - r, w[0] ** 2]])

    x = y = np.array([2.8, 3.4])
    v, errors = np.zeros(2), []
    for k in range(steps):
        gamma = (1 - beta ** (2 * k + 2)) - 4 * (k + 1) * beta ** (k + 1) * (1 - beta) / (1 + beta)
        c1 = (1 - beta ** (k + 1)) / (1 - beta)
        c2 = h * gamma * (1 + beta) / (2 * (1 - beta) ** 3)
        field = lambda _, w, c1=c1, c2=c2: -c1 * gradient(w) - c2 * hessian(w) @ gradient(w)  # noqa: E731
        v = beta * v - h * gradient(x)
        x = x + v
        y = solve_ivp(field, (0, h), y, method="DOP853", rtol=1e-12, atol=1e-13).y[:, -1]
        errors.append(np.linalg.norm(x - y))
    np.testing.assert_allclose(run.error, max(errors), rtol=1e-9)
    assert run.error_step == 1 + int(np.argmax(errors))


@pytest.mark.parametrize(
    ("method", "momentum", "nesterov"),
    [
        (mf.GradientDescent(), None, False),
        (mf.HeavyBall(0.9), 0.9, False),
        (mf.Nesterov(0.9), 0.9, True),
    ],
)
def test_iterates_on_pytrees_equal_optax(method, momentum, nesterov):
    def loss(p):
        return jnp.sum(jnp.cos(p["a"])) * jnp.exp(-(p["b"] ** 2)) + 0.1 * jnp.sum(p["a"] ** 4)

    start = {"a": jnp.array([0.4, -1.1, 2.0]), "b": jnp.array(0.3)}
    optimizer = optax.sgd(0.05, momentum=momentum, nesterov=nesterov)
    p, state, want = start, optimizer.init(start), [start]
    for _ in range(40):
        update, state = optimizer.update(jax.grad(loss)(p), state)
        p = optax.apply_updates(p, update)
        want.append(p)
    got = iterates(method, loss, start, 0.05, 40)
    for name in start:
        stacked = jnp.stack([p[name] for p in want])
        np.testing.assert_allclose(got[name], stacked, rtol=1e-12, atol=1e-14)


def test_a_sweep_compiles_once():
    integrate._program.cache_clear()
    problem = quadratic((1.0, 3.0))
    for beta in (0.3, 0.5):
        for h in (0.1, 0.05, 0.01):
            pair(mf.HeavyBall(beta), problem, 2).run(h, round(1 / h), substeps=1 + (h < 0.05))
    assert integrate._program.cache_info().currsize == 1
    pattern = mf.HeavyBall(beta=integrate._PLACE)
    program = integrate._program(pattern, problem, _trees(2), "dopri8", None)
    assert program.advance._cache_size() == 1


def _trees(order):
    from modflow.series import trees_up_to

    return tuple(trees_up_to(order))


def test_results_do_not_depend_on_the_chunks(monkeypatch):
    whole = pair(mf.HeavyBall(0.5), two_layer(), 2).run(0.005, 700)
    seen = []
    monkeypatch.setattr(integrate, "_FIRST_CHUNK", 7)
    parts = pair(mf.HeavyBall(0.5), two_layer(), 2).run(0.005, 700, progress=seen.append)
    assert (parts.error, parts.error_step) == (whole.error, whole.error_step)
    assert len(seen) > 1
    assert seen[-1] == 700


def test_diverging_iterates_are_reported_with_their_step():
    run = pair(mf.GradientDescent(), quadratic((10.0,)), 1).run(1.0, 300, substeps=8)
    # |x| grows by 9 a step and has passed 1e8 after the ninth.
    assert run.diverged == ("iterates", 9)
    assert np.isnan(run.error)


def test_a_diverging_flow_is_told_from_diverging_iterates():
    # x' = -∇E with E = -x⁴/4 leaves every bound at t = 1/2; Euler's iterates do not yet.
    problem = Problem(lambda x: -jnp.sum(x**4) / 4, np.array([1.0]))
    run = pair(mf.GradientDescent(), problem, 1, "tsit5").run(0.05, 12)
    assert run.diverged is not None
    assert run.diverged[0] == "flow"


def test_the_embedded_estimate_bounds_the_integrator_s_error_here():
    problem = two_layer()
    coarse, fine = (pair(mf.HeavyBall(0.9), problem, 2, "tsit5").run(0.003, 30, m) for m in (1, 8))
    true = np.linalg.norm(coarse.flow - fine.flow)
    assert 1e-9 < true < coarse.embedded_error


def test_an_unknown_solver_suggests_the_nearest():
    with pytest.raises(mf.UnknownNameError, match="did you mean 'dopri8'"):
        pair(mf.GradientDescent(), quadratic(), 1, "dopri")
