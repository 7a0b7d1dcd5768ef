"""Contractions and Gaussian means, against permutations, quadrature and SymPy's own derivatives."""

from __future__ import annotations

import random
from itertools import combinations, permutations, product

import numpy as np
import pytest
import sympy

import modflow as mf
from modflow.contractions import Contraction
from modflow.gaussian import SIGMA, STEP, E, JetPolynomial, gaussian_expectation
from modflow.potentials import ModifiedLoss
from modflow.series import Tree

x, y, u, v, h, c = sympy.symbols("x y u v h c")
GRADIENT = E.gradient()
SQUARE = GRADIENT.dot(GRADIENT)
HEAT_CASES = {
    "E": E,
    "|grad E|^2": SQUARE,
    "E^2": E**2,
    "E |grad E|^2": E * SQUARE,
    "lap E": E.laplacian(),
    "chain": SQUARE.gradient().dot(GRADIENT),
    "vector": SQUARE.gradient(),
}


# -- graphs --------------------------------------------------------------------------------------


def random_graph(rng, n):
    rows = [[0] * n for _ in range(n)]
    for i in range(n):
        rows[i][i] = rng.choice((0, 0, 1))
        for j in range(i):
            rows[i][j] = rows[j][i] = rng.choice((0, 0, 1, 2))
    noise = [rng.choice((0, 0, 1, 2)) for _ in range(n)]
    free = [0] * n
    if rng.random() < 0.5:
        free[rng.randrange(n)] = 1
    return rows, noise, free


def permuted(graph, order):
    rows, noise, free = graph
    return (
        tuple(tuple(rows[i][j] for j in order) for i in order),
        tuple(noise[i] for i in order),
        tuple(free[i] for i in order),
    )


def same_graph(a, b):
    """By trying all orders of the vertices."""
    n = len(a[1])
    whole = permuted(a, range(n))
    return any(permuted(b, order) == whole for order in permutations(range(n)))


@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_equality_is_that_of_graphs(n):
    rng = random.Random(n)
    graphs = [random_graph(rng, n) for _ in range(12)]
    for graph in graphs:
        for order in permutations(range(n)):
            assert Contraction(*permuted(graph, order)) == Contraction(*graph)
    for a, b in combinations(graphs, 2):
        assert (Contraction(*a) == Contraction(*b)) == same_graph(a, b)


def test_what_degrees_do_not_tell_apart():
    """A cycle of six and two of three: all vertices alike, and one graph falls into parts."""
    ring, two = [[0] * 6 for _ in range(6)], [[0] * 6 for _ in range(6)]
    for i in range(6):
        for rows, j in ((ring, (i + 1) % 6), (two, 3 * (i // 3) + (i + 1) % 3)):
            rows[i][j] = rows[j][i] = 1
    assert Contraction(ring).degrees == Contraction(two).degrees == (2,) * 6
    assert Contraction(ring) != Contraction(two)


@pytest.mark.parametrize(
    ("edges", "counts", "message"),
    [
        (((0, 1), (0, 0)), {}, "symmetric"),
        (((0, 1),), {}, "square"),
        (((0,),), {"noise": (1, 2)}, "n counts"),
        (((-1,),), {}, "whole numbers"),
        (((0.5,),), {}, "whole numbers"),
        (((0, 0), (0, 0)), {"free": (1, 1)}, "at most one"),
    ],
)
def test_what_is_no_contraction(edges, counts, message):
    with pytest.raises(mf.ModflowError, match=message):
        Contraction(edges, **counts)


# -- means ---------------------------------------------------------------------------------------


def heat(f, order):
    """exp(σ² Δ / 2) f, by Laplacians alone."""
    total = term = f
    for n in range(1, order // 2 + 1):
        term = term.laplacian() * SIGMA**2 / (2 * n)
        total += term
    return total


@pytest.mark.parametrize("f", HEAT_CASES.values(), ids=HEAT_CASES.keys())
@pytest.mark.parametrize("order", [0, 1, 2, 4, 6])
def test_pairings_solve_the_heat_equation(f, order):
    assert gaussian_expectation(f, order) == heat(f, order)


def quadrature(f, at, sigma):
    """E f(at + η), exactly but for rounding: f has a degree below 2 · 12 in each variable."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(12)
    weights = weights / weights.sum()
    function, total = sympy.lambdify((x, y), f), 0.0
    for (s, w), (t, z) in product(zip(nodes, weights, strict=True), repeat=2):
        total += w * z * function(at[0] + sigma * s, at[1] + sigma * t)
    return total


LOSS = 2 * x**4 - x**3 * y + 3 * x**2 * y**2 + x * y**3 - y**4 + x**2 * y - 2 * x * y + y


@pytest.mark.parametrize("name", ["E", "|grad E|^2", "E^2", "lap E", "chain"])
def test_means_on_a_polynomial(name):
    f = HEAT_CASES[name]
    # To σ⁸, the degree of the longest of them, the mean is exact.
    mean = gaussian_expectation(f, 8).evaluate(LOSS, [x, y])
    found = float(mean.subs({SIGMA: 0.7, x: 0.3, y: -0.4}))
    true = quadrature(f.evaluate(LOSS, [x, y]), (0.3, -0.4), 0.7)
    # A few hundred terms that are larger than their sum, each rounded.
    assert found == pytest.approx(true, rel=1e-11)


def test_the_mean_of_what_has_eta_in_it():
    """E‖∇E + ∇²E η + c ∇³E[η, η]‖², its parts by SymPy's derivatives and by quadrature."""
    g = (E + E.along_noise() + c * E.along_noise(2)).gradient()
    mean = g.dot(g).expectation().evaluate(LOSS, [x, y])
    at, sigma, z, variables = (0.3, -0.4), 0.7, 0.8, (x, y)
    eta = (x - at[0], y - at[1])
    square = 0
    for a in variables:
        part = LOSS.diff(a)
        linear = sum(
            part.diff(b).subs({x: at[0], y: at[1]}) * e for b, e in zip(variables, eta, strict=True)
        )
        cubic = sum(
            part.diff(p, q).subs({x: at[0], y: at[1]}) * e * d
            for (p, e), (q, d) in product(zip(variables, eta, strict=True), repeat=2)
        )
        square += (part.subs({x: at[0], y: at[1]}) + linear + z * cubic) ** 2
    found = float(mean.subs({SIGMA: sigma, x: at[0], y: at[1], c: z}))
    assert found == pytest.approx(quadrature(square, at, sigma), rel=1e-11)


def test_the_averaged_modified_loss():
    loss = mf.modified_equation(mf.GradientDescent(), 2).modified_loss()
    mean = gaussian_expectation(loss, 2)
    trace, frobenius = Contraction(((1,),)), Contraction(((0, 2), (2, 0)))
    cross = Contraction(((0, 1), (1, 1)))
    assert {k: value for k, value in mean.terms.items() if value.has(SIGMA)} == {
        trace: SIGMA**2 / 2,
        frobenius: STEP * SIGMA**2 / 4,
        cross: STEP * SIGMA**2 / 4,
    }
    assert mean.coefficient(Contraction(((2,),))) == 0


def test_shifted_is_taylors_formula():
    for f in (E, SQUARE):
        whole = f.shifted(8).evaluate(LOSS, [x, y], [u, v])
        moved = f.evaluate(LOSS, [x, y]).subs({x: x + u, y: y + v}, simultaneous=True)
        assert sympy.expand(whole - moved) == 0


def test_odd_powers_vanish():
    odd = (E.along_noise(3) + E.along_noise() * SQUARE).expectation()
    assert odd == JetPolynomial({})
    assert str(odd) == "0"


# -- values --------------------------------------------------------------------------------------


CURVED = sympy.exp(x * y) + sympy.sin(x) * y**3
MATRIX = sympy.hessian(CURVED, (x, y))
SLOPE = sympy.Matrix([CURVED.diff(x), CURVED.diff(y)])
AREA = CURVED.diff(x, 2) + CURVED.diff(y, 2)
VALUES = {
    "E": (E, CURVED),
    "trace": (E.laplacian(), MATRIX.trace()),
    "square": (SQUARE, SLOPE.dot(SLOPE)),
    "frobenius": (
        JetPolynomial({Contraction(((0, 2), (2, 0))): 1}),
        (MATRIX.T * MATRIX).trace(),
    ),
    "cross": (
        GRADIENT.dot(E.laplacian().gradient()),
        SLOPE[0] * AREA.diff(x) + SLOPE[1] * AREA.diff(y),
    ),
    "chain": (SQUARE.gradient().dot(GRADIENT) / 2, (SLOPE.T * MATRIX * SLOPE)[0]),
    "noise": (E.along_noise(2), (sympy.Matrix([[u, v]]) * MATRIX * sympy.Matrix([u, v]))[0]),
    "sum": (h * E - 3, h * CURVED - 3),
}


@pytest.mark.parametrize(("f", "value"), VALUES.values(), ids=VALUES.keys())
def test_values_are_those_of_the_derivatives(f, value):
    assert sympy.expand(f.evaluate(CURVED, (x, y), (u, v)) - value) == 0


def test_values_of_vectors():
    found = (SQUARE.gradient() / 2).evaluate(CURVED, (x, y))
    assert [sympy.expand(z) for z in found] == [sympy.expand(z) for z in MATRIX * SLOPE]


def test_trees_are_contractions():
    chain = ModifiedLoss({Tree([Tree([Tree()])]): sympy.Integer(5)}, None, {})
    found = JetPolynomial.of(chain).evaluate(CURVED, (x, y))
    assert sympy.expand(found - 5 * STEP**2 * (SLOPE.T * MATRIX * SLOPE)[0]) == 0


def test_at_a_critical_point():
    loss = 3 * x**2 - x * y + y**2 + x**3 - 2 * x * y**2 + x**4
    here = {x: 0, y: 0}
    f = gaussian_expectation(E + h * SQUARE, 6)
    left = f.evaluate(loss, (x, y)).subs(here)
    assert sympy.expand(left - f.at_critical_point().evaluate(loss, (x, y)).subs(here)) == 0
    assert f.at_critical_point() != f


# -- algebra -------------------------------------------------------------------------------------


def test_product_rule():
    f, g = E.along_noise() * SQUARE, E.laplacian() + 2
    assert (f * g).gradient() == f.gradient() * g + f * g.gradient()
    assert (f * g).laplacian() == (
        f.laplacian() * g + f * g.laplacian() + 2 * f.gradient().dot(g.gradient())
    )
    assert (f * g).along_noise() == f.along_noise() * g + f * g.along_noise()


def test_arithmetic():
    assert E - E == JetPolynomial({})
    assert 1 - E == -(E - 1)
    assert E * 6 / 3 == 2 * E == E + E
    assert E**0 == JetPolynomial({Contraction(()): 1})
    assert (E + 1) ** 2 == E * E + 2 * E + 1
    assert E != 3
    assert (c * E).subs({c: 2}) == 2 * E


def test_powers_of_sigma():
    f = E + SIGMA**2 * E.laplacian() + SIGMA * E.along_noise(2) + SIGMA**5
    assert f.truncated(2) == E + SIGMA**2 * E.laplacian()
    assert f.truncated(3) == f - SIGMA**5
    assert (f - E).lowest_order() == 2
    assert (f - f).lowest_order() is None
    with pytest.raises(mf.ModflowError, match="not a polynomial in sigma"):
        (E / SIGMA).truncated(2)


def test_text():
    g2 = E.along_noise(2).gradient()
    assert str(GRADIENT.dot(g2)) == "D^3 E[grad E, eta, eta]"
    assert str(SQUARE.gradient() / 2) in ("E_i*E_ai", "E_ai*E_i")
    assert str(E * SQUARE - c * E.laplacian()) == "-c*lap E + E*|grad E|^2"
    assert str((c + 1) * E) == "(c + 1)*E"
    assert (E.laplacian() / 2).latex() == r"\frac{1}{2}\,\operatorname{Tr}(\nabla^{2} E)"
    frobenius = JetPolynomial({Contraction(((0, 2), (2, 0))): h / 4})
    assert frobenius.latex() == r"\frac{h}{4}\,\|\nabla^{2} E\|_F^2"
    cross = GRADIENT.dot(E.laplacian().gradient())
    assert cross.latex() == r"\langle \nabla E, \nabla \Delta E \rangle"
    assert (SQUARE.gradient().dot(GRADIENT) / 2).latex() == (r"\nabla^{2} E[\nabla E, \nabla E]")
    assert cross._repr_latex_() == rf"$\displaystyle {cross.latex()}$"


REFUSED = {
    "scalar and vector": (lambda: E + GRADIENT, "cannot be added"),
    "vector times vector": (lambda: GRADIENT * GRADIENT, "use dot"),
    "gradient of a vector": (lambda: GRADIENT.gradient(), "that of a scalar"),
    "inner product of scalars": (lambda: E.dot(E), "two vectors"),
    "power": (lambda: E**-1, "whole number"),
    "order": (lambda: gaussian_expectation(E, -2), "whole number"),
    "order 1.5": (lambda: E.shifted(1.5), "whole number"),
    "eta already": (lambda: gaussian_expectation(E.along_noise(2), 2), "occurs already"),
    "no number": (lambda: E + "1", "a number, an expression"),
    "times": (lambda: E.along_noise(-1), "whole number"),
    "no eta": (lambda: E.along_noise().evaluate(x, [x]), "eta has 0 components"),
    "several losses": (
        lambda: JetPolynomial.of(
            mf.batch_equations(mf.GradientDescent(), 1, [0, 1])[1].modified_loss()
        ),
        "several losses",
    ),
}


@pytest.mark.parametrize(("act", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_what_is_refused(act, message):
    with pytest.raises(mf.ModflowError, match=message):
        act()


def test_public_names():
    assert mf.gaussian_expectation is gaussian_expectation
    assert mf.JetPolynomial.loss() == E
    assert mf.Contraction is Contraction
