"""The new methods' iterates and flows as exact power series, computed without B-series.

First on a quartic loss in two variables: x^k as polynomials in h over the rationals, beside the
Lie series of F_k, whose elementary differentials are found by differentiating polynomials. Then on
quadratics: companion matrices, their orbits and their principal eigenvalues.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from fractions import Fraction
from functools import cache, cached_property
from itertools import permutations, product
from math import prod
from typing import Any

import pytest
import sympy
from sympy.polys.rings import ring as polynomial_ring

from modflow.errors import ModflowError
from modflow.methods import (
    Adjoint,
    AggregatedMomentum,
    Composition,
    DampedHeavyBall,
    GradientDescent,
    HeavyBall,
    LinearTwoStep,
    Method,
    Nesterov,
    QuasiHyperbolicMomentum,
    RungeKutta,
    momentum,
    tableau,
)
from modflow.modified import modified_equation
from modflow.series import K, Tree, trees, trees_up_to

Q = Fraction
HALF, THIRD, HIGH = Q(1, 2), Q(1, 3), Q(9, 10)

# -- 1. iterates as polynomials in h --------------------------------------------------------------

N = 4
"""Everything is modulo h^(N+1)."""
STEPS = 5

Y, *VARIABLES = polynomial_ring(["y1", "y2"], sympy.QQ)
ZERO, ONE = sympy.QQ(0), sympy.QQ(1)


def rational(number):
    """An int, a Fraction or a SymPy number as one that is fast."""
    return sympy.QQ(int(number.numerator), int(number.denominator))


class Point:
    """A vector of power series in h, modulo h^(N+1): all that an update rule's x has to be."""

    def __init__(self, rows):
        self.rows = [list(row) for row in rows]

    def __add__(self, other):
        pairs = zip(self.rows, other.rows, strict=True)
        return Point([a + b for a, b in zip(u, v, strict=True)] for u, v in pairs)

    def __mul__(self, scalar):
        factor = rational(scalar)
        return Point([factor * a for a in row] for row in self.rows)

    __rmul__ = __mul__

    def __neg__(self):
        return -1 * self

    def __sub__(self, other):
        return self + -1 * other

    @staticmethod
    def fixed_point(g, guess):
        """An implicit equation's solution; g brings one more power of h to rest every time."""
        for _ in range(N + 1):
            guess = g(guess)
        # It is one, to all powers of h: the equation itself says so.
        assert all(a.rows == b.rows for a, b in zip(g(guess), guess, strict=True))
        return guess

    @cached_property
    def powers(self):
        """The powers of every component, as far as they are needed."""
        return [[[ONE] + [ZERO] * N, row] for row in self.rows]


class Step:
    """c·h, which shifts a point's powers by one."""

    def __init__(self, c=1):
        self.c = Q(c)

    def __mul__(self, other):
        if isinstance(other, Point):
            return self.c * Point([ZERO, *row[:-1]] for row in other.rows)
        return Step(self.c * other)

    __rmul__ = __mul__

    def __truediv__(self, number):
        return Step(self.c / number)


def times(a, b):
    """The product of two power series, cut where they are."""
    return [sum((a[i] * b[n - i] for i in range(n + 1)), 0 * a[0]) for n in range(len(a))]


def substitute(polynomial, point):
    """polynomial(point), modulo h^(N+1): Σ_i y1^i (Σ_j c_ij y2^j)."""
    for table, degree in zip(point.powers, polynomial.degrees(), strict=True):
        while len(table) <= degree:
            table.append(times(table[-1], table[1]))
    first, second = point.powers
    inner = {}
    for (i, j), c in polynomial.items():
        sofar = inner.get(i, [ZERO] * (N + 1))
        inner[i] = [a + c * b for a, b in zip(sofar, second[j], strict=True)]
    total = [ZERO] * (N + 1)
    for i, part in inner.items():
        total = [a + b for a, b in zip(total, times(first[i], part), strict=True)]
    return total


@cache
def force():
    """-∇E for a quartic E whose coefficients are random rationals; no term is missing."""
    rng = random.Random(11)
    signs = (-1, 1)
    loss = Y.from_dict(
        {
            (i, j): sympy.QQ(rng.choice(signs) * rng.randint(1, 9), rng.randint(1, 5))
            for i, j in product(range(5), repeat=2)
            if 0 < i + j <= 4
        }
    )
    return [-loss.diff(y) for y in VARIABLES]


STARTS = ((Q(2, 3), Q(-1, 2)), (Q(-1, 4), Q(3, 5)))
"""Two points: their four numbers at h^4 are as many as there are trees with four vertices."""


def f(point):
    return Point(substitute(p, point) for p in force())


def constant(values):
    return Point([rational(v), *[ZERO] * N] for v in values)


def iterates(method, start):
    x, h = constant(start), Step()
    points, memory = [x], method.begin(f, h, x)
    for _ in range(STEPS):
        x, memory = method.step(f, h, x, memory)
        points.append(x)
    return points


@cache
def differential(tree):
    """F(τ) = f^(m)(F(τ1), ..., F(τm)), by partial derivatives of the components of f."""
    inner = [differential(child) for child in tree.children]
    result = []
    for component in force():
        total = Y(0)
        for index in product(range(2), repeat=len(inner)):
            term = component
            for i in index:
                term = term.diff(VARIABLES[i])
            for i, part in zip(index, inner, strict=True):
                term = term * part[i]
            total = total + term
        result.append(total)
    return result


def symmetry(tree):
    """σ(τ): the number of ways to permute equal branches, everywhere."""
    orders = [tree.children.count(child) for child in set(tree.children)]
    own = prod(prod(range(1, n + 1)) for n in orders)
    return own * prod(symmetry(child) for child in tree.children)


def flow(coefficients):
    """The time-h flow y → exp(h F) y of F = Σ h^(|τ|-1)/σ(τ) b(τ) F(τ): y-polynomials by h^n."""
    speeds = []
    for n in range(1, N + 1):
        total = [Y(0), Y(0)]
        for tree in trees(n):
            weight = rational(coefficients[tree]) / symmetry(tree)
            parts = zip(total, differential(tree), strict=True)
            total = [a + weight * part for a, part in parts]
        speeds.append(total)
    flows = []
    for y in VARIABLES:
        # exp(D) y with D = Σ h^n V_n·∇, the terms D^j y / j! by powers of h.
        term = [y] + [Y(0)] * N
        total = list(term)
        for j in range(1, N + 1):
            following = [Y(0)] * (N + 1)
            for n, speed in enumerate(speeds, start=1):
                for m in range(N + 1 - n):
                    if term[m]:
                        slopes = zip(speed, VARIABLES, strict=True)
                        change = sum((v * term[m].diff(z) for v, z in slopes), Y(0))
                        following[n + m] = following[n + m] + change
            term = [p.mul_ground(sympy.QQ(1, j)) for p in following]
            total = [a + b for a, b in zip(total, term, strict=True)]
        flows.append(total)
    return flows


def moved(flows, point):
    rows = []
    for by_power in flows:
        total = [ZERO] * (N + 1)
        for n, polynomial in enumerate(by_power):
            values = [ZERO] * n + substitute(polynomial, point)[: N + 1 - n]
            total = [a + b for a, b in zip(total, values, strict=True)]
        rows.append(total)
    return Point(rows)


def follows(method, coefficients_at, steps=STEPS):
    """For k = 0, 1, ...: whether the flow from the true x^k ends in the true x^(k+1)."""
    orbits = [iterates(method, start) for start in STARTS]
    verdicts = []
    for k in range(steps):
        flows = flow(coefficients_at(k))
        verdicts.append(all(moved(flows, orbit[k]).rows == orbit[k + 1].rows for orbit in orbits))
    return verdicts


def random_tableau(seed, stages, kind):
    rng = random.Random(seed)

    def number():
        return Q(rng.choice((-1, 1)) * rng.randint(1, 5), rng.randint(1, 4))

    last = {"explicit": -1, "diagonal": 0, "full": stages}[kind]
    rows = [[number() if j <= i + last else 0 for j in range(stages)] for i in range(stages)]
    return RungeKutta(rows, [number() for _ in range(stages)])


def nesterov_form(beta):
    return LinearTwoStep(beta, 1 + beta, -beta)


EULER = GradientDescent()

WITH_MEMORY = [
    DampedHeavyBall(HALF, HALF),
    DampedHeavyBall(HIGH, HIGH),
    DampedHeavyBall(THIRD, Q(1, 5)),
    DampedHeavyBall(HIGH, 0),
    DampedHeavyBall(0, HALF),
    QuasiHyperbolicMomentum(HALF, Q(7, 10)),
    QuasiHyperbolicMomentum(HIGH, 1),
    QuasiHyperbolicMomentum(THIRD, THIRD),
    AggregatedMomentum((0, HALF, HIGH)),
    AggregatedMomentum((HALF, THIRD)),
    AggregatedMomentum((HIGH, HIGH)),
    AggregatedMomentum((HALF, Q(1, 4), Q(1, 8))),
    LinearTwoStep(0, Q(3, 2), -HALF),
    LinearTwoStep(THIRD, 0, 0, Q(2, 3)),
    nesterov_form(HALF),
    nesterov_form(HIGH),
    nesterov_form(THIRD),
    LinearTwoStep(HIGH, Q(1, 3), Q(1, 5), Q(1, 7)),
    LinearTwoStep(-HALF, 1, HALF, HALF),
    LinearTwoStep(-1, 2),
    Composition((HeavyBall(HALF), HeavyBall(HIGH)), (THIRD, Q(2, 3))),
    Composition((Nesterov(THIRD), DampedHeavyBall(HALF, THIRD)), (HALF, HALF)),
    Composition((HeavyBall(HIGH), EULER), (2, -1)),
    Composition((QuasiHyperbolicMomentum(HALF, THIRD), AggregatedMomentum((0, THIRD)))),
    Composition((tableau("implicit-midpoint"), HeavyBall(THIRD)), (Q(1, 4), Q(5, 4))),
    Composition(
        (Composition((HeavyBall(HALF), EULER), (HALF, 1)), LinearTwoStep(HALF, 0, 0, 1)),
        (Q(2, 5), Q(3, 5)),
    ),
]
ONE_STEP = [
    QuasiHyperbolicMomentum(0, HALF),
    QuasiHyperbolicMomentum(HIGH, 0),
    AggregatedMomentum((0, 0)),
    LinearTwoStep(0, 1, 0, THIRD),
    *map(tableau, ("explicit-midpoint", "heun", "kutta3", "rk4")),
    *map(tableau, ("implicit-euler", "implicit-midpoint", "trapezoidal", "radau-iia")),
    random_tableau(1, 3, "explicit"),
    random_tableau(2, 3, "diagonal"),
    random_tableau(3, 2, "full"),
    random_tableau(4, 3, "full"),
    Adjoint(EULER),
    Adjoint(tableau("heun")),
    Adjoint(random_tableau(5, 2, "full")),
    Adjoint(Composition((EULER, tableau("implicit-euler")), (Q(1, 4), Q(3, 4)))),
    Composition((EULER, Adjoint(EULER)), (HALF, HALF)),
]


def test_two_starting_points_tell_all_coefficients():
    # Agreement up to h^n at both points is then the same as b being right on every tree.
    for n in range(1, N + 1):
        columns = []
        for tree in trees(n):
            values = [substitute(p, constant(s))[0] for s in STARTS for p in differential(tree)]
            columns.append([sympy.Rational(int(v.numerator), int(v.denominator)) for v in values])
        assert sympy.Matrix(columns).rank() == len(trees(n))


@pytest.mark.parametrize("method", WITH_MEMORY + ONE_STEP, ids=str)
def test_the_flow_goes_through_the_iterates_exactly(method):
    eq = modified_equation(method, N)
    assert follows(method, eq.at) == [True] * STEPS


@pytest.mark.parametrize("method", WITH_MEMORY, ids=str)
def test_coefficients_of_another_step_miss_the_iterates(method):
    eq = modified_equation(method, N)
    assert follows(method, lambda k: eq.at(k + 1), steps=1) == [False]
    try:
        limit = eq.limit
    except ModflowError:
        assert method == LinearTwoStep(-1, 2)
        return
    assert follows(method, lambda k: limit, steps=1) == [False]


@pytest.mark.parametrize("method", [*WITH_MEMORY[::4], *ONE_STEP[::4]], ids=str)
def test_one_wrong_coefficient_misses_the_iterates(method):
    eq = modified_equation(method, N)
    for tree in trees(N):

        def wrong(k, tree=tree):
            right = eq.at(k)
            return {**right, tree: 2 * right[tree] or sympy.Rational(1, 10**9)}

        assert follows(method, wrong, steps=2) == [False] * 2


def test_a_wrong_beginning_is_noticed():
    # The memory before step 0 is part of the method: without it the first step is another one.
    @dataclass(frozen=True)
    class Undamped(DampedHeavyBall):
        def begin(self, f, h, x):
            return 0 * x

    eq = modified_equation(Undamped(HALF, HALF), N)
    assert follows(DampedHeavyBall(HALF, HALF), eq.at, steps=2) == [False] * 2
    assert follows(Undamped(HALF, HALF), eq.at, steps=2) == [True] * 2


B1, B2, NU, D, A, C = sympy.symbols("beta1 beta2 nu d a c")

SYMBOLIC = [
    (DampedHeavyBall(B1, D), [{B1: HALF, D: HALF}, {B1: 0, D: THIRD}, {B1: HIGH, D: 0}]),
    (QuasiHyperbolicMomentum(B1, NU), [{B1: HALF, NU: 1}, {B1: 0, NU: HALF}, {B1: HIGH, NU: 0}]),
    (AggregatedMomentum((B1, B2)), [{B1: HALF, B2: Q(1, 4)}, {B1: 0, B2: HIGH}]),
    (LinearTwoStep(A, B1, B2, C), [{A: HALF, B1: 1, B2: THIRD, C: HALF}]),
    (Composition((HeavyBall(B1), EULER), (C, 1 - C)), [{B1: HALF, C: THIRD}, {B1: 0, C: 2}]),
    (RungeKutta(((C, A), (B1, 0)), (1 - C, C)), [{A: HALF, B1: 2, C: THIRD}, {A: 0, B1: 0, C: 1}]),
]


@pytest.mark.parametrize(("method", "points"), SYMBOLIC, ids=lambda p: str(p)[:40])
def test_symbols_and_then_numbers_are_numbers_at_once(method, points):
    # With symbols nothing is resonant, with numbers much may be; iterates are checked with numbers.
    eq = modified_equation(method, 3)
    for point in points:
        numbers = {s: sympy.Rational(str(v)) for s, v in point.items()}
        fixed = method.map(lambda leaf, v=numbers: sympy.sympify(leaf).subs(v))
        special = modified_equation(fixed, 3)
        for k, tree in product((0, 1, 2, 5), trees_up_to(3)):
            assert eq.at(k)[tree].subs(numbers) == special.at(k)[tree], (k, tree)


# -- 2. quadratics --------------------------------------------------------------------------------
# On x' = λx all trees but the tall ones vanish and h F_k x = μ_k(w) x, μ_k = Σ b_k(tall_n) w^n,
# w = hλ. A method is a matrix over power series in w; series are lists of numbers of a field.


@dataclass(frozen=True)
class Series:
    """Makes power series of so many powers, c0 + c1 w + ..., over the field of `one`."""

    one: Any
    order: int

    def __call__(self, *head):
        return [c * self.one for c in (*head, *[0] * (self.order + 1 - len(head)))]


def plus(*terms):
    return [sum(column[1:], column[0]) for column in zip(*terms, strict=True)]


def over(a, b):
    quotient = []
    for n in range(len(a)):
        known = sum((quotient[i] * b[n - i] for i in range(n)), 0 * a[0])
        quotient.append((a[n] - known) / b[0])
    return quotient


def log(a):
    """log a for a(0) = 1, by integrating a'/a."""
    assert a[0] == 1
    slope = over([*(n * c for n, c in enumerate(a) if n), 0 * a[0]], a)
    return [0 * a[0], *(c / n for n, c in enumerate(slope[:-1], start=1))]


def determinant(rows, new):
    """By Leibniz: the sum over all permutations."""
    size, total = len(rows), new()
    for order in permutations(range(size)):
        inversions = sum(order[i] > order[j] for j in range(size) for i in range(j))
        term = new((-1) ** inversions)
        for i, j in enumerate(order):
            term = times(term, rows[i][j])
        total = plus(total, term)
    return total


def principal(matrix, new):
    """The eigenvalue r(w) with r(0) = 1 of a matrix over power series, one power at a time."""

    def characteristic(r):
        negated = [[[-c for c in entry] for entry in row] for row in matrix]
        for i in range(len(matrix)):
            negated[i][i] = plus(negated[i][i], r)
        return determinant(negated, new)

    r = new(1)
    assert characteristic(r)[0] == 0
    # A change of r at w^n changes the determinant there by its derivative at r = 1, w = 0.
    slope = characteristic(new(1, 1))[1] - characteristic(r)[1]
    for n in range(1, new.order + 1):
        r[n] = -characteristic(r)[n] / slope
    assert not any(characteristic(r))
    return r


def applied(matrix, state):
    return [plus(*(times(m, s) for m, s in zip(row, state, strict=True))) for row in matrix]


# Each gives the matrix of one step on the state, and a first state whose first entry is x: textbook
# recursions in (x, x⁻) or in (x, buffers times h).


def heavy_ball(new, beta):
    return [[new(1 + beta, 1), new(-beta)], [new(1), new()]], [new(1), new(1)]


def nesterov(new, beta):
    # State (y, z): z⁺ = y + h f(y), y⁺ = z⁺ + β (z⁺ - z).
    return [[new(1 + beta, 1 + beta), new(-beta)], [new(1, 1), new()]], [new(1), new(1)]


def quasi_hyperbolic(new, beta, nu):
    # m⁺ = β m + (1-β) w x, x⁺ = x + (1-ν) w x + ν m⁺.
    first = [new(1, 1 - nu + nu * (1 - beta)), new(nu * beta)]
    return [first, [new(0, 1 - beta), new(beta)]], [new(1), new()]


def aggregated(new, *betas):
    size = len(betas)
    first = [new(1, 1), *(new(beta * new.one / size) for beta in betas)]
    rows = [
        [new(0, 1), *(new(beta if i == j else 0) for j in range(size))]
        for i, beta in enumerate(betas)
    ]
    return [first, *rows], [new(1), *[new()] * size]


def two_step(new, a, b1, b0, b2):
    left = new(1, -b2)
    first = [over(new(1 + a, b1), left), over(new(-a, b0), left)]
    return [first, [new(1), new()]], [new(1), new(1)]


def damped(new, beta, d):
    # PyTorch's buffer: b¹ = g⁰, then b⁺ = β b + (1-d) g. The state (x, b) is the one at k = 1.
    matrix = [[new(1, 1 - d), new(beta)], [new(0, 1 - d), new(beta)]]
    return matrix, [new(1, 1), new(0, 1)]


def alternating(new, beta, gamma):
    # A heavy ball with h/3, then one with 2h/3, each with its own v.
    first = [
        [new(1, Q(1, 3)), new(beta), new()],
        [new(0, Q(1, 3)), new(beta), new()],
        [new(), new(), new(1)],
    ]
    second = [
        [new(1, Q(2, 3)), new(), new(gamma)],
        [new(), new(1), new()],
        [new(0, Q(2, 3)), new(), new(gamma)],
    ]
    columns = list(zip(*first, strict=True))
    rows = [
        [plus(*(times(a, b) for a, b in zip(row, column, strict=True))) for column in columns]
        for row in second
    ]
    return rows, [new(1), new(), new()]


FIELD = sympy.QQ.frac_field(*sympy.symbols("beta nu beta1 beta2 a b1"))
BETA, *OTHERS = FIELD.gens

# The method, its matrix with the parameters, the highest power of w.
CASES = [
    (HeavyBall(), heavy_ball, (BETA,), 7),
    (HeavyBall(HIGH), heavy_ball, (HIGH,), 7),
    (Nesterov(), nesterov, (BETA,), 6),
    (Nesterov(HIGH), nesterov, (HIGH,), 7),
    (QuasiHyperbolicMomentum(), quasi_hyperbolic, (BETA, OTHERS[0]), 5),
    (QuasiHyperbolicMomentum(HIGH, Q(7, 10)), quasi_hyperbolic, (HIGH, Q(7, 10)), 7),
    (AggregatedMomentum(), aggregated, tuple(OTHERS[1:3]), 3),
    (AggregatedMomentum((0, HIGH)), aggregated, (0, HIGH), 7),
    (AggregatedMomentum((0, HALF, HIGH)), aggregated, (0, HALF, HIGH), 6),
    (LinearTwoStep(), two_step, (*OTHERS[3:], 0, 0), 5),
    (LinearTwoStep(0, Q(3, 2), -HALF), two_step, (0, Q(3, 2), -HALF, 0), 6),
    (LinearTwoStep(THIRD, 0, 0, Q(2, 3)), two_step, (THIRD, 0, 0, Q(2, 3)), 7),
    (LinearTwoStep(HALF, THIRD, Q(1, 5), Q(1, 7)), two_step, (HALF, THIRD, Q(1, 5), Q(1, 7)), 7),
    (DampedHeavyBall(BETA.as_expr(), BETA.as_expr()), damped, (BETA, BETA), 6),
    (DampedHeavyBall(HIGH, THIRD), damped, (HIGH, THIRD), 7),
    (
        Composition((HeavyBall(HALF), HeavyBall(THIRD)), (Q(1, 3), Q(2, 3))),
        alternating,
        (HALF, THIRD),
        6,
    ),
]


def over_field(parameters, order):
    symbols = any(isinstance(p, type(BETA)) for p in parameters)
    return Series(FIELD(1) if symbols else Q(1), order)


def exactly(element, one):
    """An element of the package's ring in the field that the series are over."""
    value = element.to_sympy()
    return Q(value.p, value.q) if isinstance(one, Q) else FIELD.from_sympy(value)


def tall(n):
    return Tree.from_level_sequence(range(1, n + 1))


# An order more takes about twice as long.
@pytest.mark.parametrize("more", [0, pytest.param(1, marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    ("method", "matrix_of", "parameters", "order"),
    CASES,
    ids=[f"{method}-{order}" for method, _, _, order in CASES],
)
def test_tall_trees_are_logarithms_of_companion_orbits(method, matrix_of, parameters, order, more):
    order += more
    new = over_field(parameters, order)
    matrix, state = matrix_of(new, *parameters)
    eq = modified_equation(method, order)
    orbit = [new(1)] if matrix_of is damped else []
    while len(orbit) < 9:
        orbit.append(state[0])
        state = applied(matrix, state)
    for k in (0, 1, 2, 3, 7):
        mu = log(over(orbit[k + 1], orbit[k]))
        for n in range(1, order + 1):
            assert exactly(eq.element(tall(n)).at(k), new.one) - mu[n] == 0, (k, n)
    # And the ratio's limit is the eigenvalue that is 1 at w = 0.
    mu = log(principal(matrix, new))
    for n in range(1, order + 1):
        assert exactly(eq.element(tall(n)).limit(), new.one) - mu[n] == 0, n


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("kind", ["explicit", "diagonal", "full"])
def test_tall_trees_are_the_logarithm_of_the_stability_function(seed, kind):
    # R(w) = det(I - w A + w 1 bᵀ) / det(I - w A): Hairer & Wanner, Solving ODEs II, IV.3.
    method = random_tableau(seed, 2 + seed % 2, kind)
    eq, size = modified_equation(method, 7), len(method.b)

    new = Series(Q(1), 7)

    def matrix(extra):
        return [
            [new(i == j, extra * method.b[j] - method.A[i][j]) for j in range(size)]
            for i in range(size)
        ]

    mu = log(over(determinant(matrix(1), new), determinant(matrix(0), new)))
    assert [eq.element(tall(n)).value({}) for n in range(1, 8)] == mu[1:]


def test_tall_trees_of_an_adjoint():
    # Φ*_h = Φ_{-h}⁻¹, so that R*(w) = 1/R(-w).
    new = Series(Q(1), 8)
    mu = log(over(new(1), new(1, -1, HALF)))
    eq = modified_equation(Adjoint(tableau("heun")), 8)
    assert [eq.element(tall(n)).value({}) for n in range(1, 9)] == mu[1:]


@dataclass(frozen=True)
class Coupled(Method):
    """Two buffers that feed each other; no closed form in k, but a limit."""

    beta: Any = momentum()

    def start(self, x):
        return 0 * x, 0 * x

    def step(self, f, h, x, memory):
        u, v = memory
        u, v = self.beta * v + f(x), Q(1, 4) * u + Q(1, 8) * v + f(x)
        return x + h * (u + v), (u, v)


def coupled(new, beta):
    return [
        [new(1, 2), new(Q(1, 4)), new(beta + Q(1, 8))],
        [new(0, 1), new(), new(beta)],
        [new(0, 1), new(Q(1, 4)), new(Q(1, 8))],
    ], None


@pytest.mark.parametrize(
    ("method", "matrix_of", "parameters"),
    [
        (HeavyBall(), heavy_ball, (BETA,)),
        (LinearTwoStep(THIRD, 0, 0, Q(2, 3)), two_step, (THIRD, 0, 0, Q(2, 3))),
        (AggregatedMomentum((0, HALF, HIGH)), aggregated, (0, HALF, HIGH)),
        (Coupled(HALF), coupled, (HALF,)),
    ],
    ids=lambda p: getattr(p, "__name__", None) or str(p),
)
def test_limits_without_closed_forms_are_principal_eigenvalues(method, matrix_of, parameters):
    new = over_field(parameters, 6)
    mu = log(principal(matrix_of(new, *parameters)[0], new))
    eq = modified_equation(method, 6, limit=True)
    for n in range(1, 7):
        assert exactly(eq.element(tall(n)).limit(), new.one) - mu[n] == 0, n


# -- 3. linear multistep methods ------------------------------------------------------------------


@pytest.mark.parametrize(
    "method",
    [
        LinearTwoStep(0, Q(3, 2), -HALF),
        LinearTwoStep(THIRD, 0, 0, Q(2, 3)),
        nesterov_form(HALF),
        LinearTwoStep(HALF, Q(1, 3), Q(1, 5), Q(1, 7)),
        LinearTwoStep(),
    ],
    ids=str,
)
def test_limits_of_two_step_methods_solve_the_scheme(method):
    # The limit flow solves ρ(e^{hD}) x = h σ(e^{hD}) f(x) as a series in h (HLW XV.2). Hence
    # f = c1 x' + c2 h x'' + c3 h² x''' + ..., Σ c_n w^n = ρ(e^w)/σ(e^w), which is solved for
    # x' = F by x'' = F'F, x''' = F''(F,F) + F'F'F.
    a, b1, b0, b2 = (sympy.sympify(v) for v in method.parameters.values())
    w = sympy.Symbol("w")
    e = sympy.exp(w)
    ratio = (e**2 - (1 + a) * e + a) / (b2 * e**2 + b1 * e + b0)
    c1, c2, c3 = (sympy.series(ratio, w, 0, 4).removeO().coeff(w, n) for n in (1, 2, 3))
    # F = α f + β h f'f + h² (γ f''(f,f) + δ f'f'f), compared power by power:
    alpha = 1 / c1
    beta = -c2 * alpha**2 / c1
    # x'' = F'F has α² f'f + h (αβ (f'f)'f + αβ f'f'f), where (f'f)'f = f''(f,f) + f'f'f.
    gamma = -(c2 * alpha * beta + c3 * alpha**3) / c1
    delta = -(c2 * 2 * alpha * beta + c3 * alpha**3) / c1
    limit = modified_equation(method, 3).limit
    expected = {(1,): alpha, (1, 2): beta, (1, 2, 2): 2 * gamma, (1, 2, 3): delta}
    for levels, value in expected.items():
        assert sympy.simplify(limit[Tree.from_level_sequence(levels)] - value) == 0, levels


def test_error_constants_of_adams_bashforth_and_bdf():
    # x' = f - C h² x''' with C = 5/12 (Adams-Bashforth) and -1/3 (BDF2): HNW III.2 and III.3.
    for method, constant in (
        (LinearTwoStep(0, Q(3, 2), -HALF), sympy.Rational(5, 12)),
        (LinearTwoStep(THIRD, 0, 0, Q(2, 3)), -sympy.Rational(1, 3)),
    ):
        limit = modified_equation(method, 3).limit
        levels = ([1], [1, 2], [1, 2, 2], [1, 2, 3])
        found = [limit[Tree.from_level_sequence(part)] for part in levels]
        assert found == [1, 0, -2 * constant, -constant]


def test_a_two_step_method_with_rate_minus_one_keeps_alternating():
    # x⁺ = x⁻ + 2 h f(x), the explicit midpoint rule, from x⁻ = x: on x' = λx the ratio ρ_k keeps
    # jumping, and so does the drift, which is 2 and 0 in turn.
    eq = modified_equation(LinearTwoStep(-1, 2), 1)
    assert [eq.at(k)[Tree()] for k in range(5)] == [2, 0, 2, 0, 2]
    assert eq.coefficients[Tree()].subs(K, 6) == 2
    with pytest.raises(ModflowError):
        _ = eq.limit
