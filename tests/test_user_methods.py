"""Update rules and losses as users write them: right, or refused in one line."""

from dataclasses import dataclass, make_dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import sympy
from scipy.integrate import solve_ivp

import modflow as mf
from modflow.integrate import iterates

NODE, CHAIN = mf.Tree(), mf.Tree([mf.Tree()])


def rule(step, start=lambda x: None, **parameters):
    """A method class from two functions."""
    fields = [(name, Any, value) for name, value in parameters.items()]
    body = {
        "start": lambda self, x: start(x),
        "step": lambda self, f, h, x, memory: step(self, f, h, x, memory),
    }
    return make_dataclass("Rule", fields, bases=(mf.Method,), namespace=body, frozen=True)


def nothing(x):
    return 0 * x


def loss(x):
    return jnp.sum(jnp.cosh(x)) + 0.2 * x[0] * x[1] ** 2


PROBLEM = mf.Problem(loss, np.array([1.0, -0.8]))
GRID = [2.0**-j for j in range(4, 10)]


# -- rules that mean the same on series and on arrays ---------------------------------------


def quasi_hyperbolic(self, f, h, x, m):
    g = f(x)
    m = self.beta * m + (1 - self.beta) * g
    return x + h * ((1 - self.nu) * g + self.nu * m), m


def two_buffers(self, f, h, x, m):
    g = f(x)
    fast, slow = self.b1 * m["fast"] + g, self.b2 * m["slow"] + g
    return x + h * (fast + slow) / 2, {"fast": fast, "slow": slow}


def runge_kutta(self, f, h, x, memory):
    k1 = f(x)
    k2 = f(x + 0.5 * h * k1)
    k3 = f(x + 0.5 * h * k2)
    k4 = f(x + h * k3)
    return x + (1 / 6) * h * (k1 + 2.0 * k2 + 2.0 * k3 + k4), memory


class Pair(NamedTuple):
    v: Any
    before: Any


def named_pair(self, f, h, x, m):
    v = self.beta * m.v + h * f(x)
    return x + v + (x - m.before) / 4, Pair(v, x)


RULES = {
    "quasi-hyperbolic": rule(quasi_hyperbolic, nothing, beta=mf.momentum(), nu=mf.parameter("nu"))(
        0.8, 0.7
    ),
    "two buffers": rule(
        two_buffers,
        lambda x: {"slow": 0 * x, "fast": 0 * x},
        b1=mf.momentum("b1"),
        b2=mf.momentum("b2"),
    )(0.3, 0.6),
    "optimistic": rule(lambda s, f, h, x, g: (x + h * (2 * f(x) - g), f(x)), nothing)(),
    "named tuple": rule(named_pair, lambda x: Pair(x - x, x), beta=mf.momentum())(0.3),
    "float constants": rule(
        lambda s, f, h, x, v: ((w := 0.7 * s.beta * v + (1.0 - s.beta) * h * f(x)) + x, w),
        nothing,
        beta=mf.momentum(),
    )(np.float32(0.9)),
    "growing": rule(lambda s, f, h, x, v: ((w := v + h * f(x)) + x, w), nothing)(),
}


@pytest.mark.parametrize("name", RULES)
def test_flow_and_iterates_agree_by_scipy_and_numpy(name):
    # Errors of a study, once more without its loop: NumPy steps, SciPy's integrator.
    method, h, steps = RULES[name], 2.0**-5, 8
    study = mf.convergence_study(method, PROBLEM, 2, [2 * h, h, h / 2], T=steps * h)
    with jax.enable_x64(True):
        flow = mf.Flow(mf.modified_equation(method, 2), loss, steps=steps)
        gradient = jax.jit(jax.grad(loss))
        rule, x = method.numeric(), PROBLEM.start
        memory, y, error = rule.start(x), x, 0.0
        for k in range(steps):
            x, memory = rule.step(lambda z: -np.asarray(gradient(z)), h, x, memory)
            y = solve_ivp(
                lambda t, z, k=k: np.asarray(flow(k, z, h)), (0, h), y, rtol=1e-12, atol=1e-13
            ).y[:, -1]
            error = max(error, np.linalg.norm(x - y))
    assert study.errors[1] == pytest.approx(error, rel=1e-6)


def test_constants_of_a_rule_are_the_fractions_that_are_meant():
    coefficients = mf.modified_equation(rule(runge_kutta)(), 4).coefficients
    assert coefficients.pop(NODE) == 1
    assert set(coefficients.values()) == {0}
    for constant, exact in [
        (0.1, Fraction(1, 10)),
        (2 / 3, Fraction(2, 3)),
        (np.float32(0.9), Fraction(9, 10)),
        (np.int64(2), 2),
        (123456.7, Fraction(1234567, 10)),
        (0.123456789012, Fraction(123456789012, 10**12)),
        (1e-20, Fraction(1, 10**20)),
    ]:
        scaled = rule(lambda s, f, h, x, m, c=constant: (x + c * h * f(x), None))()
        assert mf.modified_equation(scaled, 1).coefficients[NODE] == sympy.sympify(exact)


def test_quotients_of_step_sizes_stay_exact():
    method = rule(lambda s, f, h, x, m: (x + (2 * h) / (3 * h) * h * f(x), None))()
    assert mf.modified_equation(method, 1).coefficients[NODE] == sympy.Rational(2, 3)


def test_a_float32_momentum_is_one_number_for_iterates_and_flow():
    method = mf.HeavyBall(np.float32(0.9))
    assert method.numeric() == mf.HeavyBall(0.9)
    assert method.exact() == mf.HeavyBall(Fraction(9, 10))
    assert method.is_inexact
    assert mf.HeavyBall(Decimal("0.9")).numeric() == mf.HeavyBall(0.9)
    assert not mf.HeavyBall(Decimal("0.9")).is_inexact
    assert mf.modified_equation(mf.HeavyBall(np.int64(0)), 1).coefficients == {NODE: 1}


# -- rules that are refused -----------------------------------------------------------------

REFUSED = {
    "weight decay": (lambda s, f, h, x, m: (x * (1 - 0.1 * h) + h * f(x), None), "sum of h"),
    "branch on h": (lambda s, f, h, x, m: (x + h * f(x) if h > 0.1 else x, None), "size"),
    "h equal": (lambda s, f, h, x, m: (x + h * f(x) if h == 0.1 else x, None), "size"),
    "truth of h": (lambda s, f, h, x, m: (x + h * f(x) if h else x, None), "size"),
    "array": (lambda s, f, h, x, m: (x + jnp.array(0.5) * h * f(x), None), "plain numbers"),
    "infinite": (lambda s, f, h, x, m: (x + h * (float("inf") * f(x)), None), "inf"),
    "complex": (lambda s, f, h, x, m: (x + 1j * h * f(x), None), "not real"),
    "no memory returned": (lambda s, f, h, x, m: x + h * f(x), "two things"),
    "norm": (lambda s, f, h, x, m: (x + h * f(x) / (f(x) @ f(x)), None), "empty tree"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_rules_without_a_series_are_refused(name):
    step, message = REFUSED[name]
    with pytest.raises(mf.NotABSeries, match=message) as error:
        mf.modified_equation(rule(step)(), 2)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("function", [np.exp, np.sign, np.sqrt])
def test_functions_of_arrays_are_no_series(function):
    # np.exp of an object calls its method exp, which on a series is another thing.
    for step in (
        lambda s, f, h, x, m: (x + function(h * f(x)), None),
        lambda s, f, h, x, m: (x + function(h) * f(x), None),
    ):
        with pytest.raises(TypeError, match="does not support ufuncs"):
            mf.modified_equation(rule(step)(), 2)


@pytest.mark.parametrize(
    ("start", "after"),
    [
        (lambda x: [0 * x], lambda v: (v,)),
        (lambda x: {"v": 0 * x}, lambda v: {"m": v}),
        (lambda x: Pair(0 * x, x), lambda v: (v, v)),
    ],
)
def test_a_memory_keeps_its_kind(start, after):
    fickle = rule(lambda s, f, h, x, m: (x + h * f(x), after(h * f(x))), start)
    with pytest.raises(mf.NotABSeries, match="another shape"):
        mf.modified_equation(fickle(), 2)


def test_a_step_that_depends_on_hidden_state_is_refused():
    calls = []

    def step(self, f, h, x, v):
        calls.append(0)
        v = v / 2 + h * f(x) / len(calls)
        return x + v, v

    with pytest.raises(mf.NotABSeries, match="does not repeat itself"):
        mf.modified_equation(rule(step, nothing)(), 2)


def test_a_forgotten_decorator_is_named():
    class Bare(mf.Method):
        beta: Any = mf.momentum()

        def start(self, x):
            return 0 * x

        def step(self, f, h, x, v):
            return x + h * f(x), v

    with pytest.raises(mf.ModflowError, match=r"Bare needs the decorator @dataclass"):
        Bare()
    assert dataclass(frozen=True)(Bare)(0.5).beta == 0.5


@pytest.mark.parametrize("value", [[0.5], jnp.array(0.5), object(), np.array([0.5, 0.6])])
def test_parameters_that_are_no_numbers(value):
    with pytest.raises(mf.ModflowError, match=r"is no expression|is not in|needs a number"):
        mf.modified_equation(mf.HeavyBall(value), 1)
    with pytest.raises(mf.ModflowError, match="needs a number for beta"):
        mf.HeavyBall(value).numeric()


def test_powers_of_parameters_that_are_no_rational_functions():
    root = rule(lambda s, f, h, x, m: (x + s.beta**0.5 * h * f(x), None), beta=mf.momentum())
    with pytest.raises(mf.ModflowError, match=r"\^0.5 is not in"):
        mf.modified_equation(root(), 1)


# -- studies --------------------------------------------------------------------------------


def test_a_growing_drift_needs_a_grid_and_no_limit():
    with pytest.raises(mf.ModflowError, match="no limit"):
        mf.convergence_study(RULES["growing"], PROBLEM, 1)
    study = mf.convergence_study(RULES["growing"], PROBLEM, 1, GRID, T=0.25)
    assert len(study.step_sizes) == len(GRID)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"method": mf.HeavyBall}, "a method is needed"),
        ({"method": "heavy-ball"}, "a method is needed"),
        ({"problem": loss}, r"Problem\(loss, start\)"),
        ({"problem": None}, "a problem is needed"),
        ({"order": 2.5}, "whole number"),
        ({"order": "2"}, "whole number"),
        ({"flow": None}, "unknown flow"),
        ({"T": "soon"}, "T must be a number"),
        ({"problem": mf.Problem(loss, np.ones(2), sizes=0)}, "three step sizes"),
        ({"problem": mf.Problem(lambda x: x, np.ones(2))}, r"float64 of shape \(2,\)"),
        ({"problem": mf.Problem(lambda x: 1j * x, 1.0)}, "complex128"),
        ({"problem": mf.Problem(lambda x: (x, x), 1.0)}, "it returns tuple"),
        ({"problem": mf.Problem(lambda x: jnp.float32(x) ** 4, 1.0)}, "float32"),
    ],
)
def test_requests_that_make_no_study(arguments, message):
    given = {"method": mf.GradientDescent(), "problem": PROBLEM, **arguments}
    with pytest.raises(mf.ModflowError, match=message) as error:
        mf.convergence_study(**given)
    assert "\n" not in str(error.value)


def test_a_symbol_with_two_meanings_is_refused():
    beta = sympy.Symbol("beta")
    renamed = mf.modified_equation(mf.HeavyBall(sympy.Symbol("m")), 2)
    swapped = mf.modified_equation(mf.HeavyBall(1 - beta), 2)
    assert mf.convergence_study(mf.HeavyBall(0.5), PROBLEM, flow=renamed).verdict == "pass"
    with pytest.raises(mf.ModflowError, match=r"beta is 1 - beta in the flow"):
        mf.convergence_study(mf.HeavyBall(0.9), PROBLEM, flow=swapped)


def test_steps_beyond_the_table_are_refused_not_guessed():
    with pytest.raises(mf.ModflowError, match="too many"):
        mf.convergence_study(RULES["growing"], PROBLEM, 1, [2**-21, 2**-22, 2**-23], T=1)


@pytest.mark.parametrize("steps", [-1, 2.5, True])
def test_iterates_take_a_number_of_steps(steps):
    with pytest.raises(mf.ModflowError, match="number of steps"):
        iterates(mf.HeavyBall(0.5), loss, np.ones(2), 0.1, steps)
    assert iterates(mf.HeavyBall(0.5), loss, np.ones(2), 0.1, np.int64(3)).shape == (4, 2)
