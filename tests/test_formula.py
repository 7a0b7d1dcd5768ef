"""Losses given as formulas: what they mean, and what is refused."""

from decimal import Decimal
from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import sympy

import modflow as mf
from modflow.problems import Problem, problem_named, quadratic
from modflow.problems.classic import two_layer
from modflow.problems.formula import Formula
from modflow.series.program import FUNCTIONS

ALL_OF_THEM = (
    "exp(x)*log(y) + sqrt(y)/sin(x) - cos(x*y)**3 + tan(x) + asin(x)*acos(x) - atan(y)^2"
    " + sinh(x)/cosh(y) + tanh(x - y)*asinh(y) + y**(1/3) - 2**x + x**y/pi"
)


def values_at(problem, points):
    """The JAX loss and gradient beside those of the formula, by SymPy."""
    formula = problem.formula
    for point in points:
        exact = {s: sympy.Rational(str(v)) for s, v in zip(formula.variables, point, strict=True)}
        loss = float(formula.expression.subs(exact).evalf(25))
        gradient = [float(g.subs(exact).evalf(25)) for g in formula.gradient]
        with jax.enable_x64(True):
            x = jnp.asarray(point, dtype=float)
            yield loss, gradient, problem.value(x), jax.grad(problem.value)(x)


@pytest.mark.parametrize(
    "problem",
    [
        problem_named("two-layer"),
        two_layer(0.7, -1.3),
        problem_named("rosenbrock"),
        problem_named("quadratic"),
        quadratic((0.1, 1e-9, -3.0)),
        Problem.from_formula(ALL_OF_THEM, {"x": 0.4, "y": 1.7}),
    ],
    ids=lambda problem: problem.name,
)
def test_the_formula_and_the_jax_loss_are_the_same_function(problem):
    random = np.random.default_rng(5)
    start = np.asarray(problem.start)
    points = [start, *(start + 0.1 * random.uniform(-1, 1, size=start.shape) for _ in range(4))]
    for loss, gradient, value, slope in values_at(problem, points):
        np.testing.assert_allclose(value, loss, rtol=1e-14, atol=1e-15)
        np.testing.assert_allclose(slope, gradient, rtol=1e-13, atol=1e-14)
    assert [float(c) for c in problem.formula.start] == start.tolist()


def test_built_in_formulas_are_exact():
    formula = problem_named("two-layer").formula
    w1, w2 = formula.variables
    assert formula.expression == (sympy.Rational(3, 5) - w1 * w2) ** 2 / 2
    assert formula.start == (Fraction(14, 5), Fraction(17, 5))
    assert quadratic((0.1, 2.0)).formula.expression.coeff(sympy.Symbol("x1"), 2) == Fraction(1, 20)
    assert problem_named("rosenbrock").formula.start == (Fraction(-6, 5), Fraction(1))
    assert problem_named("digits-logistic").formula is None


def test_a_string_is_read_as_arithmetic_with_exact_decimals():
    x, y = sympy.symbols("x y")
    for text, meant in [
        ("0.1*x", x / 10),
        (" -x^2 + 1e-3 ", -(x**2) + sympy.Rational(1, 1000)),
        ("2/3*x**2**3", sympy.Rational(2, 3) * x**8),
        ("-x^2", -(x**2)),
        ("+x - -y", x + y),
        ("0.12345678901234567890123*x", sympy.Rational(12345678901234567890123, 10**23) * x),
        ("sqrt(x)*pi + exp(1)", sympy.sqrt(x) * sympy.pi + sympy.E),
        ("1_000*x", 1000 * x),
        ("7", sympy.Integer(7)),
    ]:
        assert Formula.of(text, {"x": 2, "y": 1}).expression - meant == 0, text


def test_variables_keep_the_order_of_the_start_and_need_not_occur():
    problem = Problem.from_formula("b^2", {"b": 1, "a": Fraction(1, 3), "c": Decimal("0.1")})
    assert [s.name for s in problem.formula.variables] == ["b", "a", "c"]
    assert problem.formula.start == (Fraction(1), Fraction(1, 3), Fraction(1, 10))
    with jax.enable_x64(True):
        x = problem.start_arrays()
        assert jax.grad(problem.value)(x).tolist() == [2, 0, 0]
        constant = Problem.from_formula("3", {"x": 1})
        constant.check()
        assert jax.grad(constant.value)(constant.start_arrays()).tolist() == [0]


def test_sympy_expressions_serve_as_well():
    x, y = sympy.symbols("x y", real=True)
    formula = Formula.of(0.6 * x**2 + sympy.tanh(y), {"x": 1, "y": 2})
    assert formula.expression == sympy.Rational(3, 5) * x**2 + sympy.tanh(y)
    assert formula.variables == (x, y)
    assert Formula.of(2, {"x": 1}).expression == 2


def test_a_problem_from_a_formula_can_be_studied():
    problem = Problem.from_formula(
        "(0.6 - x*y)^2 / 2", {"x": 2.8, "y": 3.4}, name="mine", horizon=1.0, coarsest=2.0**-5
    )
    assert (problem.name, problem.horizon, problem.dimension) == ("mine", 1.0, 2)
    sizes = [2.0**-j for j in range(7, 13)]
    mine = mf.convergence_study(mf.GradientDescent(), problem, 1, step_sizes=sizes, T=0.5)
    paper = mf.convergence_study(mf.GradientDescent(), "two-layer", 1, step_sizes=sizes, T=0.5)
    np.testing.assert_allclose(mine.errors, paper.errors, rtol=1e-9)
    assert mine.verdict == "pass"


@pytest.mark.parametrize(
    ("formula", "message"),
    [
        ("x +", "is no formula"),
        ("", "is no formula"),
        ("x = 3", "is no formula"),
        ("x; y", "is no formula"),
        ("x*z", "z in it, which has no starting value"),
        ("besselj(0, x)", "no part of a formula"),
        ("gamma(x)", "calls gamma"),
        ("exp", "exp is a function"),
        ("exp(x, evaluate=False)", "no part of a formula"),
        ("1/0", "divides by zero"),
        ("x/(1 - 1)", "divides by zero"),
        ("log(0)", "divides by zero"),
        ("x*1j", "no number"),
        ("x*True", "no number"),
        ("x < 1", "no part of a formula"),
        ("x // 2", "operators are"),
        ("1e99999*x", "not a number"),
        ("9**9**9*x", "too l"),
        ("((9**999)**999)*x", "too l"),
        ("x**99999999", "too large"),
        ("(" * 4000 + "x" + ")" * 4000, "nested too deeply|is no formula"),
        ("-" * 9000 + "x", "nested too deeply|is no formula"),
        ("x+" * 6000 + "x", "longer than"),
        ("sin(" * 150 + "x" + ")" * 150, "nested too deeply"),
        ("exp(" * 50 + "x" + ")" * 50, "no finite value at the start"),
        ("__import__('os').system('true')", "no part of a formula"),
        ("x.__class__", "no part of a formula"),
        ("(lambda: x)()", "no part of a formula"),
        ("[x for x in (1,)]", "no part of a formula"),
        ("eval('x')", "calls eval"),
        ("x if x else 1", "no part of a formula"),
        ("f'{x}'", "no part of a formula"),
        ("x\0", "is no formula"),
        (None, "a string or a SymPy expression"),
        (float("nan"), "finite"),
        (sympy.Symbol("z"), "z in it"),
        (sympy.Abs(sympy.Symbol("x")), "cannot contain"),
        (sympy.I * sympy.Symbol("x"), "cannot contain"),
        (sympy.gamma(sympy.Symbol("x")), "cannot contain"),
        ("log(x - 2)", "no finite value at the start"),
        ("log(x - 1)", "no finite value at the start"),
        ("sqrt(x - 1)", "no finite gradient at the start"),
    ],
    ids=lambda text: str(text)[:20],
)
def test_bad_formulas_are_refused_in_one_line(formula, message):
    with pytest.raises(mf.ModflowError, match=message) as caught:
        Problem.from_formula(formula, {"x": 1})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("start", "message"),
    [
        ({}, "starting value for each variable"),
        (None, "starting value for each variable"),
        ({"x": float("inf")}, "x must start from a finite"),
        ({"x": float("nan")}, "x must start from a finite"),
        ({"x": "1"}, "x must start from a finite"),
        ({"x": True}, "x must start from a finite"),
        ({"x": sympy.pi}, "x must start from a finite rational"),
        ({"x": 1, "a b": 1}, "a variable needs a name"),
        ({"x": 1, "lambda": 1}, "a variable needs a name"),
        ({"x": 1, 3: 1}, "a variable needs a name"),
        ({"x": 1, "exp": 1}, "exp has a meaning"),
        ({"x": 1, "pi": 1}, "pi has a meaning"),
    ],
)
def test_bad_starts_are_refused(start, message):
    with pytest.raises(mf.ModflowError, match=message):
        Problem.from_formula("x^2", start)


def test_every_function_is_known_to_jax_and_has_a_gradient():
    for name in FUNCTIONS:
        problem = Problem.from_formula(f"{name}(x)", {"x": 0.3})
        with jax.enable_x64(True):
            problem.check()
            slope = float(jax.grad(problem.value)(problem.start_arrays())[0])
        (exact,) = problem.formula.gradient
        assert slope == pytest.approx(float(exact.subs({"x": 0.3})), rel=1e-14), name
