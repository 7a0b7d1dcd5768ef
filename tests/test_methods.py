"""Update rules on arrays, against optax, textbook recursions and plain Python."""

from __future__ import annotations

import dataclasses
from fractions import Fraction

import jax
import numpy as np
import optax
import pytest
import sympy

import modflow
from modflow.errors import ModflowError, UnknownNameError
from modflow.methods import (
    METHODS,
    GradientDescent,
    HeavyBall,
    Method,
    Nesterov,
    method_named,
    parameter,
)
from modflow.series.exact import exact_number

START = np.array([0.7, -1.1, 0.4])
TARGET = np.array([0.3, -0.2, 0.9])
DATA = np.array([[1.0, 2.0, -1.0], [0.5, -1.0, 1.5], [2.0, 0.3, 0.7], [-1.0, 1.0, 1.0]])


def gradient(x):
    """Of Σ (tanh(a·x) - b)²/2 + Σ x⁴/4 over the rows a of DATA, by hand."""
    t = np.tanh(DATA @ x)
    return DATA.T @ ((t - 0.25) * (1 - t * t)) + (x - TARGET) ** 3


def iterates(method, h, steps):
    method = method.numeric()
    x, points = START.copy(), [START.copy()]
    memory = method.start(x)
    for _ in range(steps):
        x, memory = method.step(lambda y: -gradient(y), h, x, memory)
        points.append(x)
    return np.array(points)


CASES = [
    (GradientDescent(), {}),
    (HeavyBall(0.9), {"momentum": 0.9}),
    (HeavyBall(Fraction(1, 2)), {"momentum": 0.5}),
    (HeavyBall(sympy.Rational(4, 5)), {"momentum": 0.8}),
    (HeavyBall(0), {"momentum": 0.0}),
    (Nesterov(0.9), {"momentum": 0.9, "nesterov": True}),
    (Nesterov(Fraction(3, 4)), {"momentum": 0.75, "nesterov": True}),
]


@pytest.mark.parametrize(("method", "options"), CASES, ids=repr)
def test_iterates_are_those_of_optax(method, options):
    h, steps = 0.05, 50
    ours = iterates(method, h, steps)
    with jax.enable_x64(True):
        optimizer = optax.sgd(h, **options)
        x = jax.numpy.asarray(START)
        state = optimizer.init(x)
        theirs = [np.asarray(x)]
        for _ in range(steps):
            # The gradient at their own iterate.
            updates, state = optimizer.update(jax.numpy.asarray(gradient(np.asarray(x))), state)
            x = optax.apply_updates(x, updates)
            theirs.append(np.asarray(x))
    assert theirs[-1].dtype == np.float64
    np.testing.assert_allclose(ours, np.array(theirs), rtol=0, atol=5e-15 * steps)
    assert np.linalg.norm(ours[-1] - ours[0]) > 0.1  # it went somewhere


def test_heavy_ball_as_polyak_wrote_it():
    h, beta = 0.03, 0.8
    points = [START, START]
    for _ in range(30):
        x, before = points[-1], points[-2]
        points.append(x - h * gradient(x) + beta * (x - before))
    np.testing.assert_allclose(iterates(HeavyBall(beta), h, 30), points[1:], atol=1e-13)


def test_nesterov_is_the_extrapolated_point():
    # z^{k+1} = y^k + h f(y^k), y^{k+1} = z^{k+1} + β (z^{k+1} - z^k): Sutskever et al. 2013.
    h, beta = 0.03, 0.8
    z = y = START
    points = [y]
    for _ in range(30):
        new = y - h * gradient(y)
        y, z = new + beta * (new - z), new
        points.append(y)
    np.testing.assert_allclose(iterates(Nesterov(beta), h, 30), points, atol=1e-13)


def test_iterates_stay_exact_on_fractions():
    # The same step runs on any vector: on Fractions, f(x) = -x, by hand.
    method, h, x = HeavyBall(Fraction(1, 2)), Fraction(1, 4), Fraction(1)
    memory, points = method.start(x), [x]
    for _ in range(3):
        x, memory = method.step(lambda y: -y, h, x, memory)
        points.append(x)
    assert points == [1, Fraction(3, 4), Fraction(7, 16), Fraction(11, 64)]


# -- names --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("gradient-descent", GradientDescent),
        ("gd", GradientDescent),
        ("heavy-ball", HeavyBall),
        ("Heavy-Ball", HeavyBall),
        ("polyak", HeavyBall),
        ("hb", HeavyBall),
        ("nesterov", Nesterov),
    ],
)
def test_names(name, kind):
    assert type(method_named(name)) is kind


def test_every_method_of_the_table_has_its_own_name():
    assert all(METHODS[name]().label == name for name in METHODS)
    classes = {type(make()) for make in METHODS.values()}
    assert all(cls.__doc__ and "'" in cls.__doc__ for cls in classes)


@pytest.mark.parametrize(
    ("name", "near"),
    [("heavyball", "heavy-ball"), ("nestrov", "nesterov"), ("gradient descent", "gradient-d")],
)
def test_unknown_methods_suggest_the_nearest(name, near):
    with pytest.raises(UnknownNameError, match=f"did you mean '{near}") as error:
        method_named(name)
    assert "\n" not in str(error.value)


def test_a_name_near_nothing_lists_what_there_is():
    with pytest.raises(UnknownNameError, match=r"Known: .*gradient-descent, heavy-ball") as error:
        method_named("zzz")
    assert "did you mean" not in str(error.value)


def test_unknown_parameters_suggest_the_nearest():
    with pytest.raises(UnknownNameError, match="did you mean 'beta'"):
        method_named("heavy-ball", {"bta": 0.9})
    with pytest.raises(UnknownNameError, match="parameter of gradient-descent"):
        GradientDescent().replace(beta=0.9)
    with pytest.raises(UnknownNameError, match="did you mean 'beta'"):
        HeavyBall().replace(betas=0.9)


# -- parameters ---------------------------------------------------------------------------


def test_parameters_and_replacing_them():
    method = HeavyBall()
    assert method.parameters == {"beta": sympy.Symbol("beta")}
    changed = method.replace(beta=0.5)
    assert changed == HeavyBall(0.5)
    assert method == HeavyBall()
    assert method_named("hb", {"beta": Fraction(1, 3)}) == HeavyBall(Fraction(1, 3))
    with pytest.raises(dataclasses.FrozenInstanceError):
        method.beta = 0.5
    with pytest.raises(ModflowError, match="out of range"):
        method.replace(beta=1)


@pytest.mark.parametrize(
    ("value", "exact"),
    [
        (0.9, Fraction(9, 10)),
        (0.1 + 0.2, Fraction("0.30000000000000004")),
        (1e-20, Fraction(1, 10**20)),
        (np.float64(0.99), Fraction(99, 100)),
        (sympy.Float("0.9"), Fraction(9, 10)),
        (1, Fraction(1)),
        (Fraction(2, 3), Fraction(2, 3)),
        (sympy.Rational(2, 3), Fraction(2, 3)),
    ],
)
def test_floats_stand_for_the_decimal_they_print_as(value, exact):
    assert exact_number(value) == exact


def test_exact_and_numeric():
    assert HeavyBall(0.9).exact() == HeavyBall(Fraction(9, 10))
    assert HeavyBall(sympy.Rational(1, 3)).numeric() == HeavyBall(1 / 3)
    assert isinstance(HeavyBall(Fraction(1, 2)).numeric().beta, float)
    assert HeavyBall(0.9).is_inexact
    assert not HeavyBall(Fraction(9, 10)).is_inexact
    with pytest.raises(ModflowError, match="needs a number for beta"):
        HeavyBall().numeric()


def test_ranges_of_own_parameters():
    @dataclasses.dataclass(frozen=True)
    class Scaled(GradientDescent):
        scale: object = parameter("s", low=1, high=3)
        name = ""

    assert Scaled().parameters == {"scale": sympy.Symbol("s")}
    assert Scaled(2).label == "Scaled"
    for bad in (0.5, 3, -1):
        with pytest.raises(ModflowError, match=r"Scaled needs 1 <= scale < 3"):
            Scaled(bad)


def test_a_method_without_a_step_is_abstract():
    with pytest.raises(TypeError, match="abstract"):
        Method()


def test_public_names():
    for name in ("GradientDescent", "HeavyBall", "Nesterov", "Method", "Tree"):
        assert name in modflow.__all__
        assert getattr(modflow, name).__name__ == name
    with pytest.raises(AttributeError, match="no attribute 'heavyball'"):
        _ = modflow.heavyball


def test_another_tableau_loses_the_name():
    rk4 = modflow.tableau("rk4")
    assert str(rk4.replace()) == str(rk4.numeric()) == "rk4"
    other = rk4.replace(b=(0, 0, 0, 1))
    assert other.label == "runge-kutta"
    assert str(other).startswith("runge-kutta (A = ")
