"""Gradient, Hamiltonian and symmetric fields, against direct differentiation of polynomials."""

from __future__ import annotations

import itertools
from fractions import Fraction
from math import prod

import pytest
import sympy

import modflow as mf
from modflow.series import Tree, free_trees, trees, trees_up_to
from modflow.structure import witness_loss

HALF = Fraction(1, 2)
H = sympy.Symbol("h")


def differentials(force, variables, order):
    """F(τ) as lists of polynomials, by differentiating f componentwise."""
    size = len(variables)
    known = {}

    def derivative(polynomial, directions):
        total = sympy.Integer(0)
        for indices in itertools.product(range(size), repeat=len(directions)):
            weight = prod(
                (d[i] for d, i in zip(directions, indices, strict=True)), start=sympy.Integer(1)
            )
            if weight != 0:
                total += sympy.diff(polynomial, *(variables[i] for i in indices)) * weight
        return sympy.expand(total)

    for tree in trees_up_to(order):
        inside = [known[child] for child in tree.children]
        known[tree] = [derivative(f, inside) if inside else f for f in force]
    return known


def field(force, variables, coefficients, order):
    """Σ h^(|τ|-1)/σ(τ) b(τ) F(τ), componentwise."""
    known = differentials(force, variables, order)
    total = [sympy.Integer(0)] * len(variables)
    for tree, b in coefficients.items():
        for i, value in enumerate(known[tree]):
            total[i] += b * H ** (tree.order - 1) * value / tree.symmetry
    return [sympy.expand(t) for t in total]


def curl(vector, variables):
    pairs = itertools.combinations(range(len(variables)), 2)
    return [
        sympy.expand(sympy.diff(vector[i], variables[j]) - sympy.diff(vector[j], variables[i]))
        for i, j in pairs
    ]


X, Y = sympy.symbols("x y")
LOSS = X**3 / 3 + X**2 * Y / 2 - X * Y**3 / 5 + Y**2 + X * Y / 7 + X**4 / 4


@pytest.mark.parametrize(
    "method",
    [mf.GradientDescent(), mf.HeavyBall(HALF), mf.Nesterov(HALF), mf.tableau("implicit-midpoint")],
    ids=str,
)
def test_a_gradient_has_no_curl_and_the_rest_has_one(method):
    variables = (X, Y)
    force = [-sympy.diff(LOSS, v) for v in variables]
    equation = mf.modified_equation(method, 4)
    found = equation.structure().gradient
    assert not found.holds
    n = found.order
    for order in range(1, 5):
        part = {t: c for t, c in equation.at(2).items() if t.order <= order}
        turning = curl(field(force, variables, part, order), variables)
        assert (turning == [0]) == (order <= n), order


def test_a_field_made_of_potentials_has_no_curl_and_a_changed_one_has():
    variables = (X, Y)
    force = [-sympy.diff(LOSS, v) for v in variables]
    values = {t: sympy.Rational(7, 3 + n) for n, free in enumerate(_free(4)) for t in free}
    assert curl(field(force, variables, values, 4), variables) == [0]
    for free in free_trees(4):
        for tree in free:
            if len(free) > 1:
                changed = {**values, tree: values[tree] * sympy.Rational(101, 100)}
                assert curl(field(force, variables, changed, 4), variables) != [0], tree


def _free(order):
    return [free for n in range(1, order + 1) for free in free_trees(n)]


PAIRS = [
    pytest.param(pair, marks=[pytest.mark.slow] * (n == 5))
    for n in (3, 4, 5)
    for free in free_trees(n)
    for pair in itertools.combinations(free, 2)
]


@pytest.mark.parametrize("pair", PAIRS, ids=lambda p: "-".join(str(t.level_sequence) for t in p))
def test_the_witness_shows_any_two_different_coefficients(pair):
    # All other coefficients agree as far as a gradient needs; only the pair's difference is seen.
    n = pair[0].order
    loss, variables = witness_loss(pair)
    force = [-sympy.diff(loss, v) for v in variables]
    at_zero = dict.fromkeys(variables, 0)
    b = {tree: sympy.Symbol(f"b{i}") for i, tree in enumerate(trees(n))}
    top = field(force, variables, b, n)
    z1, z2 = len(variables) - 2, len(variables) - 1
    turning = sympy.diff(top[z1], variables[z2]) - sympy.diff(top[z2], variables[z1])
    seen = sympy.expand(turning.subs(at_zero))
    difference = H ** (n - 1) * (b[pair[0]] - b[pair[1]])
    assert sympy.expand(seen - difference) == 0 or sympy.expand(seen + difference) == 0


def test_the_witness_of_the_heavy_ball_is_a_loss_without_modified_loss():
    equation = mf.modified_equation(mf.HeavyBall(), 3)
    with pytest.raises(mf.NotAGradient) as error:
        equation.modified_loss()
    assert error.value.pair == equation.structure().gradient.witness
    loss, variables = witness_loss(error.value.pair)
    force = [-sympy.diff(loss, v) for v in variables]
    values = {t: c.subs(sympy.Symbol("beta"), HALF) for t, c in equation.limit.items()}
    turning = curl(field(force, variables, values, 3), variables)
    assert any(t.subs(dict.fromkeys(variables, 0)) != 0 for t in turning)
    two = {t: c for t, c in values.items() if t.order < 3}
    assert set(curl(field(force, variables, two, 2), variables)) == {0}


def test_hamiltonian_fields_conserve_a_hamiltonian_directly():
    # div of a Hamiltonian field vanishes in the plane, and that is all there is to it there.
    p, q = X, Y
    hamiltonian = LOSS
    force = [-sympy.diff(hamiltonian, q), sympy.diff(hamiltonian, p)]
    for name, order in [("implicit-midpoint", 5), ("trapezoidal", 2), ("rk4", 4)]:
        equation = mf.modified_equation(mf.tableau(name), 5)
        found = equation.structure().hamiltonian
        assert (found.order, found.holds) == (order, order == 5), name
        for n in range(1, 6):
            part = {t: c for t, c in equation.at(0).items() if t.order <= n}
            first, second = field(force, (p, q), part, n)
            divergence = sympy.expand(sympy.diff(first, p) + sympy.diff(second, q))
            assert (divergence == 0) == (n <= order), (name, n)


def test_symmetric_methods():
    euler = mf.GradientDescent()
    both = mf.Composition((euler, mf.Adjoint(euler)), (HALF, HALF))
    for method in (mf.tableau("implicit-midpoint"), mf.tableau("trapezoidal"), both):
        found = mf.modified_equation(method, 6).structure().symmetric
        assert found.holds
        assert found.order == 6
    found = mf.modified_equation(mf.tableau("rk4"), 6).structure().symmetric
    assert found.order == 5
    assert found.witness[0].order == 6


def test_properties_in_words_and_in_json():
    found = mf.modified_equation(mf.HeavyBall(), 3).structure()
    assert found.gradient.order == 2
    assert found.gradient.witness == (
        Tree.from_level_sequence([1, 2, 2]),
        Tree.from_level_sequence([1, 2, 3]),
    )
    assert found.gradient.values[0] != found.gradient.values[1]
    entry = found.to_dict()["gradient"]
    assert entry["witness"] == [[1, 2, 2], [1, 2, 3]]
    assert entry["holds"] is False
    assert mf.modified_equation(mf.HeavyBall(), 2).structure().gradient.holds
