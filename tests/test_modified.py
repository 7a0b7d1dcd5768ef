"""Modified equations, against sources that share nothing with their derivation.

Published coefficients, the paper's formulas, kauri's logarithm, closed forms on quadratics,
textbook recursions run on polynomials in h, and flows by Picard iteration in time.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from itertools import product
from typing import Any

import kauri
import numpy as np
import pytest
import sympy
from sympy.polys.rings import ring as polynomial_ring

from modflow.derivation import step_map, step_maps
from modflow.errors import ModflowError, NotABSeries, NotAGradient
from modflow.methods import GradientDescent, HeavyBall, Method, Nesterov, momentum, parameter
from modflow.modified import modified_equation
from modflow.series import BSeries, K, Tree, free_trees, trees, trees_up_to

BETA, B1, B2, MU = sympy.symbols("beta b1 b2 mu")

NODE, CHAIN2 = Tree(), Tree.from_level_sequence([1, 2])
CHERRY, CHAIN3 = Tree.from_level_sequence([1, 2, 2]), Tree.from_level_sequence([1, 2, 3])


def tall(n):
    return Tree.from_level_sequence(range(1, n + 1))


# -- methods as a user would define them, and their textbook recursions ---------------------------


@dataclass(frozen=True)
class LookAhead(Method):
    """Nesterov's own form, the state z: memory z^k - z^{k-1}."""

    beta: Any = momentum()

    def start(self, x):
        return 0 * x

    def step(self, f, h, x, memory):
        y = x + self.beta * memory
        new = y + h * f(y)
        return new, new - x


@dataclass(frozen=True)
class PreviousIterate(Method):
    """The heavy ball that remembers x^{k-1} itself."""

    beta: Any = momentum()

    def start(self, x):
        return x

    def step(self, f, h, x, memory):
        return x + h * f(x) + self.beta * (x - memory), x


@dataclass(frozen=True)
class Optimistic(Method):
    """x' = x + 2h f(x^k) - h f(x^{k-1}), without a gradient before the first."""

    def start(self, x):
        return 0 * x

    def step(self, f, h, x, memory):
        g = f(x)
        return x + 2 * h * g - h * memory, g


@dataclass(frozen=True)
class TwoBuffers(Method):
    """Aggregated momentum: two decay rates, a tuple."""

    b1: Any = momentum("b1")
    b2: Any = momentum("b2")

    def start(self, x):
        return 0 * x, 0 * x

    def step(self, f, h, x, memory):
        g = f(x)
        u, v = self.b1 * memory[0] + g, self.b2 * memory[1] + g
        return x + h * (u + v), (u, v)


@dataclass(frozen=True)
class Cascade(Method):
    """A buffer of a buffer, in a dict; with equal rates, resonances of all orders."""

    b1: Any = momentum("b1")
    b2: Any = momentum("b2")

    def start(self, x):
        return {"outer": 0 * x, "inner": 0 * x}

    def step(self, f, h, x, memory):
        inner = self.b1 * memory["inner"] + f(x)
        outer = self.b2 * memory["outer"] + inner
        return x + h * outer, {"inner": inner, "outer": outer}


@dataclass(frozen=True)
class Leapfrog(Method):
    """The explicit midpoint rule x^{k+1} = x^{k-1} + 2h f(x^k), x^{-1} = x^0: rate -1."""

    def start(self, x):
        return [0 * x]

    def step(self, f, h, x, memory):
        v = 2 * h * f(x) - memory[0]
        return x + v, [v]


def gradient_descent(f, h, x):
    while True:
        yield x
        x = x + h * f(x)


def heavy_ball(f, h, x, beta):
    before = x
    while True:
        yield x
        x, before = x + h * f(x) + beta * (x - before), x


def nesterov_extrapolated(f, h, z, beta):
    # z^{k+1} = y^k + h f(y^k), y^{k+1} = z^{k+1} + β (z^{k+1} - z^k), from y^0 = z^0.
    y = z
    while True:
        yield y
        new = y + h * f(y)
        y, z = new + beta * (new - z), new


def nesterov_look_ahead(f, h, z, beta):
    before = z
    while True:
        yield z
        y = z + beta * (z - before)
        z, before = y + h * f(y), z


def optimistic(f, h, x):
    g = 0 * x
    while True:
        yield x
        x, g = x + 2 * h * f(x) - h * g, f(x)


def two_buffers(f, h, x, b1, b2):
    gradients = []
    while True:
        yield x
        gradients.insert(0, f(x))
        for i, g in enumerate(gradients):
            x = x + h * (b1**i + b2**i) * g


def cascade(f, h, x, b1, b2):
    gradients = []
    while True:
        yield x
        gradients.insert(0, f(x))
        for i, g in enumerate(gradients):
            x = x + h * sum(b1**j * b2 ** (i - j) for j in range(i + 1)) * g


def leapfrog(f, h, x):
    before = x
    while True:
        yield x
        x, before = before + 2 * h * f(x), x


ZOO: dict[str, tuple[Method, Callable, tuple[str, ...]]] = {
    "gradient descent": (GradientDescent(), gradient_descent, ()),
    "heavy ball": (HeavyBall(), heavy_ball, ("beta",)),
    "nesterov": (Nesterov(), nesterov_extrapolated, ("beta",)),
    "look-ahead": (LookAhead(), nesterov_look_ahead, ("beta",)),
    "previous iterate": (PreviousIterate(), heavy_ball, ("beta",)),
    "optimistic": (Optimistic(), optimistic, ()),
    "two buffers": (TwoBuffers(), two_buffers, ("b1", "b2")),
    "two equal buffers": (TwoBuffers(B1, B1), two_buffers, ("b1", "b1")),
    "cascade": (Cascade(), cascade, ("b1", "b2")),
    "equal cascade": (Cascade(B1, B1), cascade, ("b1", "b1")),
    "leapfrog": (Leapfrog(), leapfrog, ()),
}
zoo = pytest.mark.parametrize("name", ZOO)

RATIONAL = [
    HeavyBall(Fraction(9, 10)),
    HeavyBall(Fraction(1, 2)),
    Nesterov(Fraction(2, 3)),
    TwoBuffers(Fraction(1, 2), Fraction(1, 4)),
    TwoBuffers(Fraction(1, 2), Fraction(1, 3)),
    TwoBuffers(B1, B1**2),
    Cascade(Fraction(1, 2), Fraction(1, 2)),
    Cascade(Fraction(2, 3), 0),
    PreviousIterate(sympy.Rational(1, 4)),
]


# -- 1. the closed form, and the way step by step -------------------------------------------------


@pytest.mark.parametrize("method", [m for m, _, _ in ZOO.values()] + RATIONAL, ids=repr)
def test_closed_form_equals_step_by_step(method):
    # With two symbols the coefficients are long, and order 3 has every kind of tree.
    order, steps = (3 if method in (TwoBuffers(), Cascade()) else 4), 7
    closed_ring, closed = step_map(method, order)
    for k, one in enumerate(step_maps(method, order, steps)):
        for tree in trees_up_to(order):
            assert closed_ring(closed[tree]).at(k) == closed_ring(one[tree]), (k, tree)


# -- 2. textbook recursions on a field that singles out one tree ----------------------------------

PARAMETERS = ("beta", "b1", "b2")
R, T, H, *SYMBOLS = polynomial_ring(["t", "h", *PARAMETERS], sympy.QQ)
VALUE = dict(zip(PARAMETERS, SYMBOLS, strict=True))


class Vector:
    """A list of polynomials, with what a recursion does to it."""

    def __init__(self, parts):
        self.parts = [R(p) for p in parts]

    def __add__(self, other):
        return Vector(a + b for a, b in zip(self.parts, other.parts, strict=True))

    def __mul__(self, scalar):
        return Vector(scalar * a for a in self.parts)

    __rmul__ = __mul__

    def __sub__(self, other):
        return self + (-1) * other


def cut(p, order):
    """A polynomial without the powers of h above h^order."""
    return R.from_dict({m: c for m, c in R(p).items() if m[1] <= order})


def singled_out(tree):
    """f_v = the product of the variables of v's children.

    At the origin F(τ')(0) has a component at the root for τ' = τ only, where it is σ(τ)
    (HLW exercise III.4), so that a(τ) is the coefficient of h^|τ| there.
    """
    levels = tree.level_sequence
    up = [
        next((j for j in reversed(range(i)) if levels[j] == levels[i] - 1), None)
        for i in range(len(levels))
    ]

    def f(y):
        values = [R(1)] * len(levels)
        for w, v in enumerate(up):
            if v is not None:
                values[v] = cut(values[v] * y.parts[w], tree.order)
        return Vector(values)

    return f


@zoo
def test_the_piecewise_flow_goes_through_the_textbook_iterates(name):
    method, recursion, names = ZOO[name]
    order, steps = (3 if len(set(names)) == 2 else 4), 4
    eq = modified_equation(method, order)
    through = [BSeries.identity(order)]
    for k in range(steps):
        field = BSeries({tree: b.at(k) for tree, b in eq.elements()}, order)
        through.append(field.exp() @ through[-1])
    for tree in trees_up_to(order):
        origin = Vector([0] * tree.order)
        points = recursion(singled_out(tree), H, origin, *(VALUE[n] for n in names))
        for k, (series, point) in enumerate(zip(through, points, strict=False)):
            expected = sum(
                R({(0, 0, *m[2:]): c}) for m, c in point.parts[0].items() if m[1] == tree.order
            )
            assert R.from_expr(eq.ring(series[tree]).to_sympy()) == R(expected), (k, tree)


# -- 3. no trees, no logarithm: Picard iteration on a generic polynomial field --------------------

Y = polynomial_ring(["y1", "y2"], sympy.QQ)[0]


def generic_field(seed, degree):
    rng = random.Random(seed)
    powers = [(i, j) for i in range(degree + 1) for j in range(degree + 1 - i)]
    numbers = [sympy.QQ(n) for n in (-3, -2, -1, 1, 2, 3)]
    return [Y.from_dict({m: rng.choice(numbers) for m in powers}) for _ in range(2)]


def along(f, *directions):
    """The derivative f^(m)(v1, ..., vm), with polynomial directions held fixed."""
    result = [Y(0)] * 2
    for index in product(range(2), repeat=len(directions)):
        weight = Y(1)
        for i, v in zip(index, directions, strict=True):
            weight = weight * v[i]
        for row in range(2):
            d = f[row]
            for i in index:
                d = d.diff(Y.gens[i])
            result[row] = result[row] + d * weight
    return result


def substitute(p, point, order):
    """p(point), cut after h^order; point is O(h)."""
    powers = []
    for x in point:
        row = [R(1)]
        for _ in range(order):
            row.append(cut(row[-1] * x, order))
        powers.append(row)
    total = R(0)
    for (i, j), c in p.items():
        if i + j <= order:
            total = total + c * cut(powers[0][i] * powers[1][j], order)
    return total


def flow(start, terms, order):
    """The time-h flow of Σ c · h^(n-1) · F from `start`, t running from 0 to 1; by Picard."""
    point = list(start)
    for _ in range(order):
        following = []
        for row in range(2):
            speed = R(0)
            for c, power, field in terms:
                inner = substitute(field[row], point, order - power)
                speed = speed + cut(c * H**power * inner, order)
            moved = R.from_dict({(m[0] + 1, *m[1:]): c / (m[0] + 1) for m, c in speed.items()})
            following.append(start[row] + moved)
        point = following
    at_one = []
    for p in point:
        total = R(0)
        for m, c in p.items():
            total = total + R({(0, *m[1:]): c})
        at_one.append(total)
    return at_one


def follow(eq, differentials, recursion, f, order, steps):
    """Whether x(t_k) of the piecewise flow equals x^k up to h^order, for each k ≥ 1."""

    def numeric(y):
        return Vector(substitute(p, y.parts, order) for p in f)

    points = recursion(numeric, H, Vector([0, 0]), VALUE["beta"])
    here, verdicts = next(points).parts, []
    for k in range(steps):
        coefficients = eq.at(k)
        terms = [
            (R.from_expr(coefficients[tree]) / tree.symmetry, tree.order, field)
            for tree, field in differentials.items()
        ]
        here = flow(here, terms, order)
        there = next(points).parts
        pairs = zip(here, there, strict=True)
        verdicts.append(all(cut(a, order) == cut(b, order) for a, b in pairs))
    return verdicts


PICARD = pytest.mark.parametrize(
    ("method", "recursion"),
    [
        (HeavyBall(), heavy_ball),
        (Nesterov(), nesterov_extrapolated),
        (LookAhead(), nesterov_look_ahead),
    ],
    ids=["heavy ball", "nesterov", "look-ahead"],
)


@PICARD
@pytest.mark.parametrize("order", [1, 2, 3])
def test_flow_equals_iterates_without_trees(method, recursion, order):
    f = generic_field(7, 3)
    ff = along(f, f)
    differentials = {
        NODE: f,
        CHAIN2: ff,
        CHERRY: along(f, f, f),
        CHAIN3: along(f, ff),
    }
    kept = {t: v for t, v in differentials.items() if t.order <= order}
    eq = modified_equation(method, order)
    assert follow(eq, kept, recursion, f, order, steps=4) == [True] * 4
    if order > 1:
        # The test can fail: the coefficients of the next step leave the iterates at once,
        # and so does one order less.
        shifted = eq.with_coefficients({t: b.shift() for t, b in eq.elements()})
        assert not any(follow(shifted, kept, recursion, f, order, steps=2))
        less = {t: v for t, v in kept.items() if t.order < order}
        assert not any(follow(eq, less, recursion, f, order, steps=2))


def test_flow_equals_iterates_at_order_4():
    f = generic_field(3, 3)

    def differential(tree):
        return along(f, *(differential(child) for child in tree.children))

    differentials = {tree: differential(tree) for tree in trees_up_to(4)}
    eq = modified_equation(HeavyBall(), 4)
    assert follow(eq, differentials, heavy_ball, f, 4, steps=3) == [True] * 3


# -- 4. one-step methods: published coefficients, and kauri ---------------------------------------


def test_euler_for_y_squared_is_hlw_example_ix_1_1():
    # y' = y² - h y³ + 3/2 h² y⁴ - 8/3 h³ y⁵ + 31/6 h⁴ y⁶ - 157/15 h⁵ y⁷ ± ...
    eq = modified_equation(GradientDescent(), 6)
    derivatives = [1, 2, 2]  # of y², at y = 1

    def differential(tree):
        m = len(tree.children)
        value = derivatives[m] if m <= 2 else 0
        for child in tree.children:
            value *= differential(child)
        return value

    found = [sum(eq.limit[t] * differential(t) / t.symmetry for t in trees(n)) for n in range(1, 7)]
    assert [str(c) for c in found] == ["1", "-1", "3/2", "-8/3", "31/6", "-157/15"]


def test_euler_on_tall_and_bushy_trees():
    # Tall trees: log(1+z)/z. Bushy trees: the Bernoulli numbers (Calaque, Ebrahimi-Fard &
    # Manchon, Two interacting Hopf algebras of trees, 2011).
    eq = modified_equation(GradientDescent(), 7)
    assert [eq.limit[tall(n)] * n for n in range(1, 8)] == [1, -1, 1, -1, 1, -1, 1]
    bushy = [eq.limit[Tree([NODE] * m)] for m in range(7)]
    assert [str(c) for c in bushy] == ["1", "-1/2", "1/6", "0", "-1/30", "0", "1/42"]
    # Nothing in it depends on k.
    assert eq.coefficients == eq.limit == eq.at(3)


def runge_kutta(a, b):
    """An explicit Runge-Kutta method as a one-step `Method`."""

    class RungeKutta(Method):
        def start(self, x):
            return None

        def step(self, f, h, x, memory):
            slopes = []
            for row in a:
                stage = x
                for weight, slope in zip(row, slopes, strict=False):
                    stage = stage + weight * h * slope
                slopes.append(f(stage))
            for weight, slope in zip(b, slopes, strict=True):
                x = x + weight * h * slope
            return x, None

    return RungeKutta()


def kauri_tree(tree):
    def nested(t):
        return [nested(child) for child in t.children]

    return kauri.Tree(nested(tree))


@pytest.mark.parametrize("seed", range(4))
def test_runge_kutta_methods_agree_with_kauri(seed):
    rng = random.Random(seed)
    stages = 2 + seed % 3

    def number():
        return Fraction(rng.randint(-6, 6), rng.randint(1, 5))

    a = [[number() if j < i else Fraction(0) for j in range(stages)] for i in range(stages)]
    b = [number() for _ in range(stages)]
    weights = kauri.RK(a, b).elementary_weights_map()
    # kauri's logarithm φ * e^-1 in the substitution bialgebra, with exact 1/γ for its floats.
    exact = kauri.Map(lambda t: Fraction(1, t.factorial()))
    logarithm = weights ^ (exact & kauri.cem.antipode)
    method = runge_kutta(a, b)
    eq, step = modified_equation(method, 5), step_maps(method, 5, 1)[0]
    for tree in trees_up_to(5):
        other = kauri_tree(tree)
        assert eq.ring(step[tree]) == weights(other), tree
        assert eq.element(tree) == logarithm(other), tree


def test_the_classical_runge_kutta_method_has_order_four():
    half = Fraction(1, 2)
    a = [[0, 0, 0, 0], [half, 0, 0, 0], [0, half, 0, 0], [0, 0, 1, 0]]
    b = [Fraction(n, 6) for n in (1, 2, 2, 1)]
    limit = modified_equation(runge_kutta(a, b), 5).limit
    assert limit[NODE] == 1
    assert all(limit[t] == 0 for n in (2, 3, 4) for t in trees(n))
    # Its principal error: b(τ) = a(τ) - 1/γ(τ) at order 5; Σ b_i c_i⁴ = 5/24 on the bushy tree.
    assert limit[Tree([NODE] * 4)] == sympy.Rational(5, 24) - sympy.Rational(1, 5)
    assert limit[tall(5)] == -sympy.Rational(1, 120)


# -- 5. the paper's formulas ----------------------------------------------------------------------

GAMMA = (1 - BETA ** (2 * K + 2)) - 4 * (K + 1) * BETA ** (K + 1) * (1 - BETA) / (1 + BETA)
"""γ as printed below equation (4) of the paper."""
DRIFT = (1 - BETA ** (K + 1)) / (1 - BETA)
CURVATURE = -GAMMA * (1 + BETA) / (2 * (1 - BETA) ** 3)
"""What stands before h ∇²E∇E = h f'f in (4)."""


def test_heavy_ball_is_equation_4_of_the_paper():
    eq = modified_equation(HeavyBall(), 2)
    assert eq.residual(NODE, DRIFT) == 0
    assert eq.residual(CHAIN2, CURVATURE) == 0
    assert eq.residual(CHAIN2, str(CURVATURE)) == 0
    assert eq.residual(CHAIN2, sympy.expand(CURVATURE)) == 0
    # Equation (5), the limit.
    assert sympy.simplify(eq.limit[NODE] - 1 / (1 - BETA)) == 0
    assert sympy.simplify(eq.limit[CHAIN2] + (1 + BETA) / (2 * (1 - BETA) ** 3)) == 0
    # Without simplification by the package: numbers put into both sides.
    for k, beta in product(range(6), (sympy.Rational(1, 3), sympy.Rational(9, 10))):
        point = {K: k, BETA: beta}
        assert eq.coefficients[CHAIN2].subs(point) == CURVATURE.subs(point)
        assert eq.at(k)[CHAIN2].subs(point) == CURVATURE.subs(point)


def front(gamma):
    return -gamma * (1 + BETA) / (2 * (1 - BETA) ** 3)


@pytest.mark.parametrize(
    ("tree", "formula"),
    [
        (CHAIN2, front(1)),
        (CHAIN2, front(1 - BETA ** (2 * K + 2))),
        (CHAIN2, front(1 - 4 * (K + 1) * BETA ** (K + 1) * (1 - BETA) / (1 + BETA))),
        (CHAIN2, CURVATURE.subs(K, K + 1)),
        (CHAIN2, CURVATURE.subs(K, K - 1)),
        (CHAIN2, 2 * CURVATURE),
        (CHAIN2, -CURVATURE),
        (CHAIN2, CURVATURE + sympy.Rational(1, 10**30)),
        (CHAIN2, CURVATURE + BETA**K / 10**9),
        (CHAIN2, CURVATURE + sympy.KroneckerDelta(K, 5)),
        (CHAIN2, CURVATURE * (1 - BETA)),
        (CHAIN2, 0),
        (NODE, 1 / (1 - BETA)),
        (NODE, (1 - BETA**K) / (1 - BETA)),
        (NODE, (1 - BETA ** (K + 2)) / (1 - BETA)),
        (NODE, -DRIFT),
        (NODE, DRIFT + K * BETA**K - K * BETA**K / (1 + BETA)),
    ],
)
def test_wrong_formulas_leave_a_residual(tree, formula):
    eq = modified_equation(HeavyBall(), 2)
    residual = eq.residual(tree, formula)
    assert residual != 0
    for k, beta in product((0, 1, 5), (sympy.Rational(1, 3), sympy.Rational(4, 5))):
        point = {K: k, BETA: beta}
        difference = eq.coefficients[tree] - sympy.sympify(formula)
        assert difference.subs(point) == residual.subs(point)


@pytest.mark.parametrize("formula", ["sin(beta)", "1/(1-beta**k)", "gamma", "mu*beta", "beta**"])
def test_formulas_outside_the_ring_are_refused(formula):
    with pytest.raises(ModflowError, match="is not in|is no expression|cannot divide"):
        modified_equation(HeavyBall(), 2).residual(CHAIN2, formula)


# -- 6. quadratics --------------------------------------------------------------------------------
# On x' = λx all trees but the tall ones vanish, so that h F_k = μ_k(z) x, z = hλ, with
# μ_k(z) = Σ b_k(tall_n) z^n. Power series in z are lists; coefficients lie in Q(β).

FIELD = sympy.QQ.frac_field(BETA)
Z = 6  # the power of z after which series end


def multiply(a, b):
    return [sum((a[i] * b[n - i] for i in range(n + 1)), FIELD(0)) for n in range(Z + 1)]


def divide(a, b):
    quotient = []
    for n in range(Z + 1):
        known = sum((quotient[i] * b[n - i] for i in range(n)), FIELD(0))
        quotient.append((a[n] - known) / b[0])
    return quotient


def logarithm(a):
    """log a for a_0 = 1, by n·l_n = n·a_n - Σ i·l_i·a_(n-i)."""
    result = [FIELD(0)]
    for n in range(1, Z + 1):
        known = sum((i * result[i] * a[n - i] for i in range(1, n)), FIELD(0))
        result.append(a[n] - known / n)
    return result


def same(a, b):
    # Fractions of SymPy's fields are equal up to the sign of the denominator.
    return all(x - y == 0 for x, y in zip(a, b, strict=True))


def on_quadratics(coefficients):
    return [FIELD(0)] + [
        FIELD.from_sympy(sympy.together(coefficients[tall(n)])) for n in range(1, Z + 1)
    ]


@pytest.fixture(scope="module")
def quadratics():
    return {name: modified_equation(ZOO[name][0], Z) for name in QUADRATIC}


QUADRATIC = {
    # The polynomial of which the iterates' limit ratio is the root r(0) = 1, as the
    # coefficients of 1, r, r² in (1, β) and z·(1, β).
    "heavy ball": lambda r, z, b: r * r - r * (1 + b + z) + b,
    "nesterov": lambda r, z, b: r * r - r * (1 + b) * (1 + z) + b * (1 + z),
    "look-ahead": lambda r, z, b: r * r - r * (1 + b) * (1 + z) + b * (1 + z),
}


@pytest.mark.parametrize("name", QUADRATIC)
def test_limit_on_quadratics_is_the_logarithm_of_the_eigenvalue(name, quadratics):
    beta = FIELD.from_sympy(BETA)

    class Series:
        """A power series in z, for the characteristic polynomial only."""

        def __init__(self, c):
            self.c = [FIELD.convert(a) for a in c] + [FIELD(0)] * (Z + 1 - len(c))

        def __add__(self, other):
            other = other if isinstance(other, Series) else Series([other])
            return Series([a + b for a, b in zip(self.c, other.c, strict=True)])

        def __mul__(self, other):
            other = other if isinstance(other, Series) else Series([other])
            return Series(multiply(self.c, other.c))

        def __sub__(self, other):
            return self + (other if isinstance(other, Series) else Series([other])) * -1

        __radd__, __rmul__ = __add__, __mul__

    # Solve for r = exp(μ) order by order: the polynomial has slope ±(1-β) in r at r = 1, z = 0.
    z, r = Series([0, 1]), [FIELD(1)]
    polynomial = QUADRATIC[name]
    assert polynomial(Series([1]), Series([0]), beta).c[0] == 0
    for n in range(1, Z + 1):
        left = polynomial(Series([*r]), z, beta).c[n]
        r.append(-left / (1 - beta))
    assert all(c == 0 for c in polynomial(Series(r), z, beta).c)
    assert same(on_quadratics(quadratics[name].limit), logarithm(r))


@pytest.mark.parametrize("name", QUADRATIC)
def test_finite_steps_on_quadratics(name, quadratics):
    # x^k is a polynomial in z by its recursion on numbers; μ_k = log(x^{k+1}/x^k).
    beta, z = FIELD.from_sympy(BETA), [FIELD(0), FIELD(1)] + [FIELD(0)] * (Z - 1)
    one, nothing = [FIELD(1)] + [FIELD(0)] * Z, [FIELD(0)] * (Z + 1)

    def add(*terms):
        return [sum((w * c[n] for w, c in terms), FIELD(0)) for n in range(Z + 1)]

    now, before = one, one
    m = nothing
    for k in range(5):
        if name == "heavy ball":
            following = add((1, now), (1, multiply(z, now)), (beta, now), (-beta, before))
        elif name == "nesterov":
            # optax: m' = β m + g, x' = x + h (g + β m').
            m = add((beta, m), (1, multiply(z, now)))
            following = add((1, now), (1, multiply(z, now)), (beta, m))
        else:
            y = add((1 + beta, now), (-beta, before))
            following = add((1, y), (1, multiply(z, y)))
        now, before = following, now
        assert same(on_quadratics(quadratics[name].at(k)), logarithm(divide(now, before))), k


# -- 7. parameters --------------------------------------------------------------------------------


@pytest.mark.parametrize("method", [HeavyBall, Nesterov, PreviousIterate, LookAhead])
def test_without_momentum_all_are_gradient_descent(method):
    plain = modified_equation(GradientDescent(), 4)
    for zero in (0, 0.0, Fraction(0), sympy.Integer(0)):
        eq = modified_equation(method(zero), 4)
        for tree in trees_up_to(4):
            b = plain.element(tree).at(0).value({})
            assert all(eq.element(tree).at(k) == b for k in range(4))
            assert float(eq.limit[tree]) == pytest.approx(float(b), rel=1e-14)
            assert isinstance(zero, float) or eq.limit[tree] == sympy.Rational(str(b))


def test_the_two_ways_to_remember_are_one_method():
    a, b = modified_equation(HeavyBall(), 5), modified_equation(PreviousIterate(), 5)
    assert a.coefficients == b.coefficients
    # Nesterov's extrapolated points and his iterates are conjugate in the limit: one field on
    # quadratics, where tall trees are all there is, another one beyond.
    x, z = modified_equation(Nesterov(), 3), modified_equation(LookAhead(), 3)
    assert all(x.limit[tall(n)] == z.limit[tall(n)] for n in (1, 2, 3))
    assert x.limit[CHERRY] != z.limit[CHERRY]
    assert x.coefficients[NODE] != z.coefficients[NODE]


@pytest.mark.parametrize("value", [0.9, 0.5, 0.3, sympy.Float("0.9"), np.float64(0.9)])
def test_floats_stand_for_the_decimal_they_print_as(value):
    given = modified_equation(HeavyBall(value), 3)
    exact = modified_equation(HeavyBall(Fraction(str(float(value)))), 3)
    assert given.method.is_inexact
    assert not exact.method.is_inexact
    for tree in trees_up_to(3):
        assert exact.ring(given.element(tree).to_sympy()) == exact.element(tree)
        assert not exact.limit[tree].has(sympy.Float)
        for k in (0, 1, 7):
            number = float(exact.at(k)[tree])
            assert float(given.at(k)[tree]) == pytest.approx(number, rel=1e-14)
            shown = given.coefficients[tree].subs(K, k)
            assert float(shown) == pytest.approx(number, rel=1e-6)
    assert given.coefficients[CHERRY].has(sympy.Float)


def test_parameters_can_be_expressions():
    eq, plain = modified_equation(HeavyBall(1 - MU), 3), modified_equation(HeavyBall(), 3)
    for tree in trees_up_to(3):
        for k, mu in ((0, 2), (3, sympy.Rational(1, 3))):
            expected = plain.coefficients[tree].subs({K: k, BETA: 1 - mu})
            assert eq.coefficients[tree].subs({K: k, MU: mu}) == expected
        assert sympy.simplify(eq.limit[tree] - plain.limit[tree].subs(BETA, 1 - MU)) == 0
    odds = sympy.Symbol("r", positive=True)
    eq = modified_equation(HeavyBall(odds / (1 + odds)), 2)  # β = r/(1+r), 1/(1-β) = 1+r
    assert eq.limit[NODE] == odds + 1
    for k in range(4):
        expected = plain.coefficients[CHAIN2].subs({K: k, BETA: odds / (1 + odds)})
        assert sympy.simplify(eq.coefficients[CHAIN2].subs(K, k) - expected) == 0


def test_symbols_keep_their_assumptions():
    beta = sympy.Symbol("beta", positive=True)
    eq = modified_equation(HeavyBall(beta), 2)
    assert eq.coefficients[CHAIN2].free_symbols == {beta, K}
    assert eq.residual(CHAIN2, CURVATURE) == 0
    assert eq.residual(CHAIN2, CURVATURE.subs(BETA, beta)) == 0


@pytest.mark.parametrize(
    "value",
    [
        *(1, 1.0, -0.1, 1.5, float("nan"), float("inf"), Fraction(-1, 2)),
        *("0.9", "beta", None, True, 1j),
        *(sympy.Integer(1), sympy.oo, sympy.nan, sympy.zoo, sympy.I / 2),
    ],
    ids=repr,
)
def test_momentum_outside_its_range_is_refused_in_one_line(value):
    with pytest.raises(ModflowError, match=r"beta") as error:
        HeavyBall(value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("value", [sympy.sqrt(2) / 2, sympy.sin(BETA), K, sympy.pi / 4])
def test_parameters_outside_the_rational_functions_are_refused(value):
    with pytest.raises(ModflowError) as error:
        modified_equation(HeavyBall(value), 2)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("order", [0, -1, 13, 2.5, 2.0, "3", None, True])
def test_orders_are_whole_numbers_from_1_to_12(order):
    with pytest.raises(ModflowError, match="from 1 to 12"):
        modified_equation(HeavyBall(), order)


@pytest.mark.parametrize("k", [-1, 1.0, "0", None, True])
def test_steps_are_whole_numbers(k):
    with pytest.raises(ModflowError, match="whole number from 0"):
        modified_equation(HeavyBall(), 1).at(k)


def test_rates_on_the_unit_circle_have_no_limit():
    # Dahlquist: the explicit midpoint rule is weakly stable; its parasitic root -1 stays.
    eq = modified_equation(Leapfrog(), 3)
    assert [eq.at(k)[NODE] for k in range(4)] == [2, 0, 2, 0]
    with pytest.raises(ModflowError, match="no limit"):
        _ = eq.limit
    assert eq.to_dict()["coefficients"][0]["limit"] is None


def test_growing_coefficients_have_no_limit():
    @dataclass(frozen=True)
    class Sum(Method):
        def start(self, x):
            return 0 * x

        def step(self, f, h, x, memory):
            return x + h * (memory + f(x)), memory + f(x)

    eq = modified_equation(Sum(), 2)
    assert eq.coefficients[NODE] == K + 1
    with pytest.raises(ModflowError, match="no limit"):
        _ = eq.limit


# -- 8. methods that must be refused --------------------------------------------------------------


def rule(start, step, **fields):
    body = {"start": lambda self, x: start(x), "step": lambda self, *args: step(*args)}
    return dataclass(frozen=True)(type("Rule", (Method,), {**body, **fields}))()


def nothing(x):
    return None


def zero(x):
    return 0 * x


REFUSED = {
    "no h": (nothing, lambda f, h, x, m: (x + f(x), None)),
    "h twice": (nothing, lambda f, h, x, m: (x + h * h * f(x), None)),
    "f at 2x": (nothing, lambda f, h, x, m: (x + h * f(2 * x), None)),
    "two x": (nothing, lambda f, h, x, m: (2 * x + h * f(x), None)),
    "no x": (nothing, lambda f, h, x, m: (h * f(x), None)),
    "x squared": (nothing, lambda f, h, x, m: (x + h * f(x) * f(x), None)),
    "a constant": (nothing, lambda f, h, x, m: (x + h * f(x) + 1, None)),
    "h plus 1": (nothing, lambda f, h, x, m: (x + (h + 1) * f(x), None)),
    "not a point": (nothing, lambda f, h, x, m: (3, None)),
    "cyclic memory": (
        lambda x: (0 * x, 0 * x),
        lambda f, h, x, m: (x + h * m[0], (m[1] + f(x), m[0] / 2 + f(x))),
    ),
    "a memory of x from zero": (zero, lambda f, h, x, m: (x + h * f(x), x)),
    "a weight of x that grows": (lambda x: x, lambda f, h, x, m: (x + h * f(x), m + x)),
    "a memory that gains an h": (zero, lambda f, h, x, m: (x + h * f(x), h * m + f(x))),
    "a memory with mixed powers": (zero, lambda f, h, x, m: (x + h * f(x), h * f(x) + f(x))),
    "a memory out of nothing": (nothing, lambda f, h, x, m: (x + h * f(x), f(x))),
    "a memory that is lost": (zero, lambda f, h, x, m: (x + h * f(x), None)),
    "a memory that splits": (zero, lambda f, h, x, m: (x + h * f(x), (m, m))),
    "a number as memory": (lambda x: 0, lambda f, h, x, m: (x + h * f(x), m)),
    "f without its h in x'": (zero, lambda f, h, x, m: (x + m + h * f(x), f(x))),
}


@pytest.mark.parametrize(("start", "step"), REFUSED.values(), ids=REFUSED.keys())
def test_rules_without_a_modified_equation_are_refused_in_one_line(start, step):
    with pytest.raises(ModflowError) as error:
        modified_equation(rule(start, step), 3)
    assert str(error.value)
    assert "\n" not in str(error.value)


def test_grading_errors_say_so():
    for name in ("no h", "h twice", "f at 2x", "x squared", "a constant", "h plus 1"):
        with pytest.raises(NotABSeries):
            modified_equation(rule(*REFUSED[name]), 2)
    with pytest.raises(ModflowError, match="in a circle"):
        modified_equation(rule(*REFUSED["cyclic memory"]), 2)
    with pytest.raises(ModflowError, match="weight of x changes"):
        modified_equation(rule(*REFUSED["a memory of x from zero"]), 2)


# -- 9. modified losses ---------------------------------------------------------------------------


@pytest.mark.parametrize("method", [m for m, _, _ in ZOO.values()], ids=repr)
def test_every_method_has_a_modified_loss_of_order_two(method):
    eq = modified_equation(method, 2)
    loss = eq.modified_loss()
    assert list(loss.coefficients) == [NODE, CHAIN2]
    # f = -∇E and f'f = ∇²E∇E = ∇(‖∇E‖²/2): F = b1 f + h b2 f'f = -∇(b1 E - h b2/2 ‖∇E‖²).
    assert sympy.simplify(loss.coefficients[NODE] - eq.coefficients[NODE]) == 0
    assert sympy.simplify(loss.coefficients[CHAIN2] + eq.coefficients[CHAIN2] / 2) == 0


def test_the_modified_loss_of_the_heavy_ball_is_equation_5():
    # The paper's Ê = E + (1+β)h/(4(1-β)²)‖∇E‖², with 1/(1-β) in front.
    loss = modified_equation(HeavyBall(), 2).modified_loss()
    assert sympy.simplify(loss.limit[NODE] - 1 / (1 - BETA)) == 0
    assert sympy.simplify(loss.limit[CHAIN2] - (1 + BETA) / (4 * (1 - BETA) ** 3)) == 0
    plain = modified_equation(GradientDescent(), 2).modified_loss()
    # Barrett & Dherin, Implicit gradient regularization: E + h/4 ‖∇E‖².
    assert plain.coefficients == {NODE: 1, CHAIN2: sympy.Rational(1, 4)}
    assert "|grad E|^2" in str(plain)


@pytest.mark.parametrize("method", [GradientDescent(), HeavyBall(), Nesterov(0.5)], ids=repr)
def test_there_is_no_modified_loss_of_order_three(method):
    with pytest.raises(NotAGradient, match=re.escape("[1, 2, 2]")) as error:
        modified_equation(method, 3).modified_loss()
    assert "[1, 2, 3]" in str(error.value)
    assert "\n" not in str(error.value)


X3 = sympy.symbols("x1:4")


def random_loss(variables, degree, seed):
    rng = random.Random(seed)
    monomials = sympy.itermonomials(variables, degree)
    return sum(rng.randint(-3, 3) * m for m in sorted(monomials, key=str))


def contraction(tensors, edges, n, free=None):
    """Σ over indices of Π_v ∂E at v, an index an edge; `free` vertex carries one more.

    tensors(indices) is the derivative of E in those variables.
    """
    d = len(X3)

    def value(extra):
        total = 0
        for index in product(range(d), repeat=len(edges)):
            term = sympy.Integer(1)
            for v in range(n):
                here = [i for i, e in zip(index, edges, strict=True) if v in e]
                term *= tensors(tuple(sorted(here + (extra if v == free else []))))
                if term == 0:
                    break
            total += term
        return sympy.expand(total)

    return value([]) if free is None else [value([i]) for i in range(d)]


def edges_of(tree):
    levels = tree.level_sequence
    return [
        (next(j for j in reversed(range(i)) if levels[j] == levels[i] - 1), i)
        for i in range(1, len(levels))
    ]


def derivatives_of(loss):
    known = {}

    def tensor(indices):
        if indices not in known:
            inner = tensor(indices[:-1]) if indices else loss
            known[indices] = sympy.expand(inner.diff(X3[indices[-1]])) if indices else loss
        return known[indices]

    return tensor


def differential_of(tensor, tree):
    """F(τ) for f = -∇E: (-1)^n times the contraction with a free index at the root."""
    parts = contraction(tensor, edges_of(tree), tree.order, free=0)
    return [(-1) ** tree.order * p for p in parts]


@pytest.mark.parametrize("order", [2, 3, 4])
def test_elementary_potentials(order):
    # ∇P(π)/|Aut π| = (-1)^n Σ F(τ)/σ(τ) over the rootings τ: by differentiating P.
    tensor = derivatives_of(random_loss(X3, 3, seed=order))
    for rootings in free_trees(order):
        potential = contraction(tensor, edges_of(rootings[0]), order)
        total = [0, 0, 0]
        for tree in rootings:
            parts = differential_of(tensor, tree)
            total = [a + p / tree.symmetry for a, p in zip(total, parts, strict=True)]
        for x, t in zip(X3, total, strict=True):
            gradient = potential.diff(x) / rootings[0].free_symmetry
            assert sympy.expand(gradient - (-1) ** order * t) == 0


def test_the_potentials_shown_are_the_contractions():
    # |grad E|^2, and <a, b> with the tree's halves beside one edge, in g = ∇E.
    eq = modified_equation(GradientDescent(), 4)
    loss = eq.with_coefficients(dict.fromkeys(trees_up_to(4), 1)).modified_loss()
    assert list(loss.coefficients) == [NODE, CHAIN2, CHERRY, *(r[0] for r in free_trees(4))]
    for text in (str(loss), loss.latex()):
        for shown in ("g'g", "g''(g,g)"):
            assert re.search(rf"(<|langle ){re.escape(shown)}, g\b|, {re.escape(shown)}\W", text)
    assert "*h*|grad E|^2" in str(loss)
    assert r"h\,\|\nabla E\|^2" in loss.latex()


@pytest.mark.parametrize("beta", [BETA, Fraction(1, 2), 0, 1 - MU])
def test_modified_losses_as_text_are_the_sum_they_stand_for(beta):
    loss = modified_equation(HeavyBall(beta), 2).modified_loss()
    names = {name: sympy.Symbol(name) for name in ("beta", "mu", "k", "h", "E", "G")}
    text = sympy.sympify(str(loss).replace("|grad E|^2", "G"), locals=names)
    first, second = loss.coefficients.values()
    total = first * names["E"] + second * names["h"] * names["G"]
    assert sympy.simplify(text - total) == 0


@pytest.mark.parametrize("seed", [1, 2])
def test_equal_coefficients_on_rootings_make_a_gradient(seed):
    rng = random.Random(seed)
    order = 4
    tensor = derivatives_of(random_loss(X3[:2], 3, seed) + X3[2] * X3[0] * X3[1])
    changes = {}
    for n in range(1, order + 1):
        for rootings in free_trees(n):
            value = Fraction(rng.randint(-9, 9), rng.randint(1, 4))
            changes |= dict.fromkeys(rootings, value)
    eq = modified_equation(GradientDescent(), order).with_coefficients(changes)
    loss = eq.modified_loss()
    for n in range(1, order + 1):
        potential = sum(
            c * contraction(tensor, edges_of(tree), n)
            for tree, c in loss.coefficients.items()
            if tree.order == n
        )
        field = [0, 0, 0]
        for tree in trees(n):
            parts = differential_of(tensor, tree)
            weight = eq.coefficients[tree] / tree.symmetry
            field = [a + weight * p for a, p in zip(field, parts, strict=True)]
        for x, part in zip(X3, field, strict=True):
            assert sympy.expand(-sympy.diff(potential, x) - part) == 0


@pytest.mark.parametrize("beta", [0, Fraction(9, 10)])
def test_the_field_of_order_three_has_a_curl(beta):
    # The criterion is sharp: on a polynomial loss the h² term's Jacobian is not symmetric,
    # while the h term's is.
    tensor = derivatives_of(random_loss(X3, 3, seed=5))
    limit = modified_equation(HeavyBall(beta), 3).limit
    point = dict(zip(X3, (1, -2, 3), strict=True))
    for n, symmetric in ((2, True), (3, False)):
        field = [0, 0, 0]
        for tree in trees(n):
            parts = differential_of(tensor, tree)
            weight = limit[tree] / tree.symmetry
            field = [a + weight * p for a, p in zip(field, parts, strict=True)]
        curl = [
            sympy.sympify(field[i]).diff(X3[j]) - sympy.sympify(field[j]).diff(X3[i])
            for i in range(3)
            for j in range(i)
        ]
        assert all(c.subs(point) == 0 for c in curl) == symmetric


def test_equality_of_the_pair_is_exact():
    # Written differently but equal: a gradient, with -∇(c P) = b (F(cherry)/2 + F(chain)),
    # so that c = b/2, the path of three having two automorphisms. All but equal: none.
    eq = modified_equation(HeavyBall(), 3)
    same = eq.with_coefficients({CHERRY: "beta**k/7", CHAIN3: "beta**(k+1)/(7*beta)"})
    assert sympy.simplify(same.modified_loss().coefficients[CHERRY] - BETA**K / 14) == 0
    with pytest.raises(NotAGradient, match=r"from h\^2 on"):
        same.with_coefficients({CHERRY: "beta**k/7 + 1/10**40"}).modified_loss()


# -- 10. variants and output ----------------------------------------------------------------------


def test_variants():
    eq = modified_equation(HeavyBall(), 4)
    assert eq.truncated(2).coefficients == modified_equation(HeavyBall(), 2).coefficients
    assert eq.truncated(9).order == 4
    assert eq.frozen().coefficients == eq.frozen().at(0) == eq.limit
    changed = eq.with_coefficients({CHAIN2: "beta**(k+1)", tall(5): 3})
    assert changed.order == 5
    assert changed.coefficients[CHAIN2] == BETA ** (K + 1)
    assert changed.coefficients[tall(5)] == 3
    assert changed.coefficients[CHERRY] == eq.coefficients[CHERRY]
    assert eq.coefficients[CHAIN2] != changed.coefficients[CHAIN2]
    with pytest.raises(ModflowError):
        eq.with_coefficients({CHAIN2: "sin(beta)"})


@pytest.mark.parametrize(
    "method",
    [m for m, _, _ in ZOO.values()] + RATIONAL + [HeavyBall(0.5), HeavyBall(1 - MU)],
    ids=repr,
)
def test_json_round_trip(method):
    eq = modified_equation(method, 2 if method == TwoBuffers() else 3)
    # `beta` alone is also the name of a function of SymPy's.
    names = {name: sympy.Symbol(name) for name in ("beta", "mu", "b1", "b2", "k")}
    for k in (None, 2):
        document = json.loads(eq.to_json(k))
        assert document["order"] == eq.order
        assert document["normalisation"] == "HLW"
        assert document["parameters"] == {n: str(v) for n, v in method.parameters.items()}
        assert len(document["coefficients"]) == len(list(trees_up_to(eq.order)))
        step = eq.coefficients if k is None else eq.at(k)
        for entry in document["coefficients"]:
            tree = Tree.from_level_sequence(entry["tree"])
            assert (tree.order, tree.symmetry) == (entry["order"], entry["symmetry"])
            read = sympy.sympify(entry["step"], locals=names)
            assert eq.ring(read) == eq.ring(step[tree])
            if not method.is_inexact:
                assert eq.residual(tree, entry["step"]) == 0 or k is not None
            if entry["limit"] is not None and not method.is_inexact:
                read = sympy.sympify(entry["limit"], locals=names)
                assert eq.ring(read) == eq.element(tree).limit()


@pytest.mark.parametrize(
    "method",
    [m for m, _, _ in ZOO.values()] + [HeavyBall(Fraction(1, 2)), HeavyBall(0.9)],
    ids=repr,
)
def test_latex_is_tex(method):
    eq = modified_equation(method, 2 if len(method.parameters) == 2 else 4)
    shown = [eq.latex(), eq.latex(k=2), eq.truncated(2).modified_loss().latex()]
    if eq._limit_or_none is not None:
        shown.append(eq.latex(limit=True))
    for text in shown:
        assert not re.search(r"\*|Tree|Fraction|Rational|None|Mul|sqrt\(|beta\b(?<!\\beta)", text)
        assert text.count("{") == text.count("}")
        assert text.count(r"\left(") == text.count(r"\right)")
        assert "+ -" not in text
        assert "--" not in text.replace(" ", "")


def test_latex_of_euler():
    # HLW IX.1 and Barrett & Dherin: 1/3 f'f'f, and 1/6 over the symmetry 2 of the cherry.
    assert modified_equation(GradientDescent(), 3).latex() == (
        r"\dot{x} = f - \frac{1}{2}\,h\,f'f + \frac{1}{12}\,h^{2}\,f''(f,f)"
        r" + \frac{1}{3}\,h^{2}\,f'f'f"
    )
    assert modified_equation(GradientDescent(), 2).modified_loss().latex() == (
        r"\hat E = E + \frac{1}{4}\,h\,\|\nabla E\|^2"
    )


def test_parameters_may_have_any_range():
    @dataclass(frozen=True)
    class Damped(Method):
        beta: Any = momentum()
        tau: Any = parameter("tau")

        def start(self, x):
            return 0 * x

        def step(self, f, h, x, memory):
            m = self.beta * memory + (1 - self.tau) * f(x)
            return x + h * m, m

    # PyTorch's dampening multiplies the gradient, so that f → (1-τ) f in the heavy ball.
    tau = sympy.Symbol("tau")
    eq, plain = modified_equation(Damped(), 3), modified_equation(HeavyBall(), 3)
    for tree in trees_up_to(3):
        expected = plain.coefficients[tree] * (1 - tau) ** tree.order
        assert eq.residual(tree, expected) == 0
    assert modified_equation(Damped(tau=-7), 1).limit[NODE] == 8 / (1 - BETA)


def test_steps_and_orders_may_be_numpy_integers():
    eq = modified_equation(HeavyBall(), np.int64(2))
    assert type(eq.order) is int
    assert eq.at(np.int64(3)) == eq.at(3)
    assert eq.to_json(np.int64(3)) == eq.to_json(3)
    assert eq.latex(np.int64(3)) == eq.latex(3)
    for k in (-1, 2.0, True):
        with pytest.raises(ModflowError, match="whole number"):
            eq.latex(k)


@pytest.mark.parametrize("method", ["heavy-ball", HeavyBall, None])
def test_what_is_no_method_is_refused(method):
    with pytest.raises(ModflowError, match=r"such as HeavyBall\(\)"):
        modified_equation(method, 2)


@pytest.mark.parametrize("tree", [(1, 2), "f'f", Tree(colour=1)])
def test_coefficients_of_what_is_no_tree_of_the_equation_are_refused(tree):
    with pytest.raises(ModflowError, match="trees of one colour"):
        modified_equation(HeavyBall(), 2).with_coefficients({tree: 1})


@pytest.mark.parametrize("formula", [None, [1], "[1, 2]", object(), "1/(beta - beta**2/beta)"])
def test_what_is_no_formula_is_refused(formula):
    with pytest.raises(ModflowError):
        modified_equation(HeavyBall(), 2).residual(Tree(), formula)


def test_division_by_a_hidden_zero_is_refused():
    with pytest.raises(ModflowError, match="divides by zero"):
        modified_equation(HeavyBall(), 2).residual(Tree(), "1/(beta*(1-beta) - beta + beta**2)")
