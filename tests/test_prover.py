"""The prover of displayed equalities: right formulas are proved, slightly wrong ones are not."""

import pytest
import sympy

import modflow as mf
from modflow.documents.formulas import read_expression
from modflow.documents.proofs import NotProved, prove
from modflow.series import Tree

PAIRS = {
    # (left, right, wrong ones)
    "binomial": ("(a + b)**2", "a**2 + 2*a*b + b**2", ["a**2 + a*b + b**2"]),
    "powers": ("beta**(2*k + 1)", "beta*(beta**k)**2", ["beta*(beta**k)**3", "beta**(2*k)"]),
    "geometric": (
        "Sum(beta**j, (j, 0, k))",
        "(1 - beta**(k + 1))/(1 - beta)",
        ["(1 - beta**k)/(1 - beta)", "(1 + beta**(k + 1))/(1 - beta)"],
    ),
    "weighted": (
        "Sum(j*beta**j, (j, 0, k))",
        "beta*(1 - (k + 1)*beta**k + k*beta**(k + 1))/(1 - beta)**2",
        ["beta*(1 - k*beta**k + k*beta**(k + 1))/(1 - beta)**2"],
    ),
    "convolution": (
        "Sum(beta**(k - j)*(1 - beta**(j + 1)), (j, 0, k))",
        "(1 - beta**(k + 1))/(1 - beta) - (k + 1)*beta**(k + 1)",
        [
            "(1 - beta**(k + 1))/(1 - beta) - k*beta**(k + 1)",
            "(1 - beta**(k + 1))/(1 - beta) - (k + 1)*beta**k",
        ],
    ),
    "double": ("Sum(Sum(1, (i, 0, j)), (j, 0, k))", "(k + 1)*(k + 2)/2", ["(k + 1)*(k + 3)/2"]),
    "limit": ("Limit(k*beta**k + 1/(1 - beta), k, oo)", "1/(1 - beta)", ["1/(1 + beta)"]),
    "root": ("(1 - sqrt(beta))*(1 + sqrt(beta))", "1 - beta", ["1 + beta", "1 - sqrt(beta)"]),
    "derivative": ("Derivative(x**3 + exp(2*x), x)", "3*x**2 + 2*exp(2*x)", ["3*x**2 + exp(2*x)"]),
    "flow": ("exp(-lambda_*(s + t))", "exp(-lambda_*s)*exp(-lambda_*t)", ["exp(-lambda_*s)"]),
    "legendre": ("legendre(2, x)", "(3*x**2 - 1)/2", ["(3*x**2 + 1)/2"]),
}


@pytest.mark.parametrize("name", PAIRS)
def test_right_formulas_are_proved_and_wrong_ones_are_not(name):
    left, right, wrong = PAIRS[name]
    prove(read_expression(left, {}), read_expression(right, {}))
    for text in wrong:
        with pytest.raises(NotProved):
            prove(read_expression(left, {}), read_expression(text, {}))


def test_taylor_expansions_hold_up_to_their_order_and_not_beyond():
    h = sympy.Symbol("h")
    left, right = sympy.log(1 - h), -h - h**2 / 2
    prove(left, right, modulo=(h, 3))
    with pytest.raises(NotProved):
        prove(left, right, modulo=(h, 4))
    with pytest.raises(NotProved):
        prove(left, -h + h**2 / 2, modulo=(h, 3))


def test_coefficients_of_the_heavy_ball_agree_with_a_formula_typed_by_hand():
    k, beta = sympy.symbols("k beta")
    b = mf.modified_equation(mf.HeavyBall(), 2).coefficients[Tree([Tree()])]
    typed = (
        -(1 + beta)
        / (2 * (1 - beta) ** 3)
        * (1 - 4 * (k + 1) * beta ** (k + 1) * (1 - beta) / (1 + beta) - beta ** (2 * k + 2))
    )
    prove(b, typed)
    for wrong in (typed.subs(k, k + 1), -typed, 2 * typed):
        with pytest.raises(NotProved):
            prove(b, wrong)


def test_matrices_are_compared_entry_by_entry():
    a = sympy.Matrix([[1, sympy.Symbol("h")], [0, 1]])
    prove(a * a, sympy.Matrix([[1, 2 * sympy.Symbol("h")], [0, 1]]))
    with pytest.raises(NotProved):
        prove(a * a, a)
    with pytest.raises(NotProved):
        prove(a, sympy.Matrix([[1, 0]]))


def test_what_cannot_be_decided_is_not_proved():
    n = sympy.Symbol("n")
    for left, right in [
        (sympy.zeta(n), sympy.zeta(n + 1)),
        (sympy.nan, sympy.nan),
        (sympy.oo, sympy.oo),
        (1 / (n - n + sympy.Integer(0)), sympy.zoo),
    ]:
        with pytest.raises(NotProved):
            prove(left, right)
