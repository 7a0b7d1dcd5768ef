"""Companion matrices and stability bounds: against steps on numbers, closed forms and scans."""

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import pytest
import sympy
from scipy.sparse.linalg import aslinearoperator

import modflow as mf
from modflow.boundary import measured_stability_bound
from modflow.companion import ROOT, Z, characteristic_polynomial, companion_matrix, start_vector
from modflow.memory import flatten, unflatten
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
    tableau,
)
from modflow.stability import (
    from_ratio,
    has_one_sign,
    is_stable,
    spectral_radius,
    stability_bound,
    with_positive_parts,
)

BETA = sympy.Symbol("beta")
HALF = Fraction(1, 2)


@dataclass(frozen=True)
class Leapfrog(Method):
    """x⁺ = 2x - x⁻ + h f(x): the heavy ball without friction."""

    def start(self, x):
        return {"v": 0 * x}

    def step(self, f, h, x, memory):
        v = memory["v"] + h * f(x)
        return x + v, {"v": v}


@dataclass(frozen=True)
class Anchored(Method):
    """Gradient descent that is drawn to where it started; the anchor never changes."""

    weight: object = mf.parameter("w", low=0, high=1)

    def start(self, x):
        return (x,)

    def step(self, f, h, x, memory):
        return (1 - self.weight) * (x + h * f(x)) + self.weight * memory[0], memory


@dataclass(frozen=True)
class Constants(Method):
    """Constants as people write them."""

    def start(self, x):
        return None

    def step(self, f, h, x, memory):
        y = x + 0.5 * h * f(x)
        return x + h / 6 * f(x) + 5 / 6 * (h * f(y)) * np.float64(1), None


EXPLICIT = [
    GradientDescent(),
    HeavyBall(Fraction(1, 3)),
    Nesterov(Fraction(2, 3)),
    DampedHeavyBall(Fraction(1, 3), Fraction(1, 4)),
    QuasiHyperbolicMomentum(Fraction(3, 4), Fraction(1, 5)),
    AggregatedMomentum((0, Fraction(1, 2), Fraction(9, 10))),
    LinearTwoStep(Fraction(1, 5), Fraction(3, 2), Fraction(-1, 2)),
    tableau("kutta3"),
    tableau("rk4"),
    Composition((HeavyBall(HALF), GradientDescent()), (HALF, HALF)),
    Leapfrog(),
    Anchored(Fraction(1, 4)),
]


@pytest.mark.parametrize("method", EXPLICIT, ids=str)
def test_the_matrix_does_what_a_step_does(method):
    h, lam = Fraction(3, 7), Fraction(5, 11)
    f = lambda x: -lam * x  # noqa: E731
    memory = method.begin(f, h, Fraction(1))
    matrix = companion_matrix(method)
    size = len(flatten(memory)) + 1
    assert matrix.shape == (size, size)
    # The characteristic polynomial of the map on numbers, at the same h λ but another h.
    columns = []
    for j in range(size):
        state = [Fraction(int(i == j)) for i in range(size)]
        x, after = method.step(f, h, state[0], unflatten(memory, iter(state[1:])))
        columns.append([x, *flatten(after)])
    numbers = sympy.Matrix(size, size, lambda i, j: sympy.Rational(columns[j][i]))
    wanted = numbers.charpoly(ROOT).as_expr()
    found = characteristic_polynomial(method).as_expr().subs(Z, sympy.Rational(h * lam))
    assert sympy.expand(found - wanted) == 0
    # Three steps from x^0 = 1, with h = 1.
    z = h * lam
    x, memory = Fraction(1), method.begin(lambda y: -z * y, Fraction(1), Fraction(1))
    state = start_vector(method).subs(Z, sympy.Rational(z))
    for _ in range(3):
        x, memory = method.step(lambda y: -z * y, Fraction(1), x, memory)
        state = matrix.subs(Z, sympy.Rational(z)) * state
    assert list(state) == [sympy.Rational(v) for v in [x, *flatten(memory)]]


@pytest.mark.parametrize(
    ("method", "factor"),
    [
        (tableau("implicit-euler"), 1 / (1 + Z)),
        (Adjoint(GradientDescent()), 1 / (1 + Z)),
        (tableau("implicit-midpoint"), (1 - Z / 2) / (1 + Z / 2)),
        (tableau("trapezoidal"), (1 - Z / 2) / (1 + Z / 2)),
        # The Padé approximant (1, 2) of exp(-z): Hairer & Wanner, IV.5.
        (tableau("radau-iia"), (1 - Z / 3) / (1 + 2 * Z / 3 + Z**2 / 6)),
        (tableau("rk4"), 1 - Z + Z**2 / 2 - Z**3 / 6 + Z**4 / 24),
        (Constants(), 1 - Z + 5 * Z**2 / 12),
    ],
)
def test_stability_functions_of_one_step_methods(method, factor):
    (entry,) = companion_matrix(method)
    assert sympy.simplify(entry - factor) == 0


def test_heavy_ball_by_hand():
    p = characteristic_polynomial(HeavyBall()).as_expr()
    assert sympy.expand(p - (ROOT**2 - (1 + BETA - Z) * ROOT + BETA)) == 0
    assert start_vector(HeavyBall()).T.tolist() == [[1, 0]]
    # PyTorch's first step is not damped: its memory begins with d f(x^0).
    d = sympy.Symbol("d")
    assert start_vector(DampedHeavyBall()).T.tolist() == [[1, -Z * d]]


# -- the bound ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "bound"),
    [
        (GradientDescent(), 2),
        (HeavyBall(), 2 * (1 + BETA)),
        (HeavyBall(Fraction(9, 10)), sympy.Rational(19, 5)),
        (HeavyBall(0), 2),
        (Nesterov(), (2 + 2 * BETA) / (1 + 2 * BETA)),
        (LinearTwoStep(0, Fraction(3, 2), -HALF), 1),  # Adams-Bashforth: Hairer & Wanner, V.1
        (LinearTwoStep(Fraction(1, 3), 0, 0, Fraction(2, 3)), sympy.oo),  # BDF2 is A-stable
        (tableau("heun"), 2),
        (tableau("implicit-midpoint"), sympy.oo),
        (Leapfrog(), 4),
        (Anchored(0), 2),
    ],
)
def test_bounds_that_are_known(method, bound):
    assert sympy.simplify(stability_bound(method) - bound) == 0 or stability_bound(method) == bound


def test_bounds_of_quasi_hyperbolic_and_aggregated_momentum():
    nu = sympy.Symbol("nu")
    qhm = stability_bound(QuasiHyperbolicMomentum())
    # ν = 1 is the heavy ball with (1-β) h, ν = β is Nesterov's momentum with (1-β) h.
    assert sympy.simplify(qhm.subs(nu, 1) * (1 - BETA) - 2 * (1 + BETA)) == 0
    assert sympy.simplify(qhm.subs(nu, BETA) * (1 - BETA) - stability_bound(Nesterov())) == 0
    assert sympy.simplify(qhm.subs(nu, 0) - 2) == 0
    one, two = sympy.symbols("beta1 beta2")
    # p(-1) = 0: the mean of 1/(1+β_i) is 2/z.
    wanted = 2 / ((1 / (1 + one) + 1 / (1 + two)) / 2)
    assert sympy.simplify(stability_bound(AggregatedMomentum()) - wanted) == 0


def radius_on_numbers(method, z):
    """The largest eigenvalue of a step on floats, for many z."""
    memory = method.begin(lambda x: -z * x, 1.0, np.ones_like(z))
    size = len(flatten(memory)) + 1
    columns = []
    for j in range(size):
        state = [np.full_like(z, float(i == j)) for i in range(size)]
        x, after = method.step(lambda x: -z * x, 1.0, state[0], unflatten(memory, iter(state[1:])))
        columns.append([x, *flatten(after)])
    return np.abs(np.linalg.eigvals(np.moveaxis(np.array(columns), -1, 0))).max(axis=1)


@pytest.mark.parametrize("seed", range(3))
def test_bounds_against_a_scan(seed):
    random = np.random.default_rng(seed)
    a, b, c = (Fraction(int(n), 100) for n in random.integers(1, 99, size=3))
    for method in (
        HeavyBall(a),
        Nesterov(a),
        DampedHeavyBall(a, b),
        QuasiHyperbolicMomentum(a, b),
        AggregatedMomentum((a, b, c)),
        LinearTwoStep(a, b, c),
        Composition((HeavyBall(a), GradientDescent())),
        Composition((Nesterov(a), tableau("heun")), (b, 1 - b)),
        tableau("rk4"),
        RungeKutta(((0, 0), (a, 0)), (b, 1 - b)),
    ):
        z = np.linspace(0, 12, 12001)[1:]
        radius = radius_on_numbers(method.numeric(), z)
        bound = float(stability_bound(method))
        # A double eigenvalue on the circle is off by the square root of rounding: 1e-7.
        unstable = z[radius > 1 + 1e-7]
        if bound > 12:
            assert len(unstable) == 0
        else:
            assert bound <= unstable[0] + 1e-9
            assert unstable[0] - bound < 2e-3
            np.testing.assert_allclose(spectral_radius(method, z[:50]), radius[:50], atol=1e-7)


def test_symbolic_bounds_hold_at_random_numbers():
    random = np.random.default_rng(0)
    for rule in (HeavyBall(), Nesterov(), QuasiHyperbolicMomentum(), AggregatedMomentum()):
        formula = stability_bound(rule)
        for _ in range(3):
            values = {path: Fraction(int(random.integers(0, 100)), 100) for path in rule.leaves}
            symbols = {leaf: values[path] for path, leaf in rule.leaves.items()}
            assert stability_bound(rule.with_leaves(values)) == formula.subs(symbols)


def test_a_composition_in_closed_form():
    # Heavy ball, then a gradient step: p(-1) = 0 at z = 2-β or 2.
    assert sympy.expand(stability_bound(Composition((HeavyBall(), GradientDescent())))) == 2 - BETA


def test_bounds_that_depend_on_the_parameters_are_refused():
    with pytest.raises(mf.ModflowError, match="no one formula"):
        # Bounded by the root -1 for small a, by complex roots for large a.
        stability_bound(ForwardOrNot())
    with pytest.raises(mf.ModflowError, match="no lower bound"):
        stability_bound(LinearTwoStep(0, sympy.Symbol("b"), 0))


@dataclass(frozen=True)
class Apart(Method):
    """Gradient descent beside a memory that it does not use."""

    a: object = mf.parameter("a", low=0, high=2)

    def start(self, x):
        return x

    def step(self, f, h, x, memory):
        return x + h * f(x), self.a * memory


def test_a_part_that_does_not_depend_on_the_step_counts():
    weight = sympy.Symbol("w")
    assert sympy.simplify(stability_bound(Anchored()) - (2 - weight) / (1 - weight)) == 0
    assert stability_bound(Apart(HALF)) == stability_bound(Apart(1)) == 2
    assert stability_bound(Apart(Fraction(3, 2))) == 0
    with pytest.raises(mf.ModflowError, match="no one formula"):
        stability_bound(Apart())


@dataclass(frozen=True)
class ForwardOrNot(Method):
    """A two-step method with the gradient taken at x + a (x - x⁻), and friction 1/2."""

    a: object = mf.parameter("a", low=-2, high=2)

    def start(self, x):
        return 0 * x

    def step(self, f, h, x, memory):
        v = memory / 2 + h * f(x + self.a * memory)
        return x + v, v


def test_the_method_that_is_refused_has_numbers():
    bounds = [stability_bound(ForwardOrNot(a)) for a in (-1, 0, Fraction(1, 2), 1)]
    for a, bound in zip((-1, 0, Fraction(1, 2), 1), bounds, strict=True):
        z = np.linspace(0, 6, 6001)[1:]
        unstable = z[radius_on_numbers(ForwardOrNot(a).numeric(), z) > 1 + 1e-7]
        assert abs(unstable[0] - float(bound)) < 2e-3


def test_floats_make_floats():
    assert stability_bound(HeavyBall(0.9)) == sympy.Float(3.8, 15)
    assert isinstance(stability_bound(HeavyBall(0.9)), sympy.Float)


# -- at single points ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "z", "stable"),
    [
        (GradientDescent(), 2, True),
        (GradientDescent(), 2.000001, False),
        (GradientDescent(), 0, True),
        (GradientDescent(), -1e-6, False),
        (HeavyBall(0.9), 3.8, True),
        (HeavyBall(0.9), Fraction(38001, 10000), False),
        (HeavyBall(0.9), 1.5, True),
        (Leapfrog(), 2, True),
        (Leapfrog(), Fraction(39, 10), True),
        (Leapfrog(), 0, False),  # a double root 1: a body on which no force acts
        (Leapfrog(), 4, False),  # a double root -1
        (Leapfrog(), 4.1, False),
        (Anchored(HALF), 1, True),
        (Anchored(HALF), 7, False),
    ],
)
def test_whether_iterates_stay_bounded(method, z, stable):
    assert is_stable(method, z) is stable
    # The same from powers of the matrix: of 2^20 steps, exactly bounded or not.
    matrix = np.array(companion_matrix(method).subs(Z, sympy.nsimplify(z)).tolist(), dtype=float)
    with np.errstate(over="ignore", invalid="ignore"):
        power = matrix
        for _ in range(31):
            power = power @ power
    assert bool(np.all(np.abs(power) < 1e3)) is stable


def test_at_the_bound_the_heavy_ball_oscillates_forever():
    beta = Fraction(9, 10)
    x, v = Fraction(1), Fraction(0)
    for _ in range(200):
        x, v = HeavyBall(beta).step(lambda y: -2 * (1 + beta) * y, 1, x, v)
    # x^k = (-1)^k (1+β)/(1-β) - (-β)^k 2β/(1-β), from x^-1 = x^0 = 1.
    assert x == 19 - beta**200 * 18


def test_spectral_radius_of_the_heavy_ball():
    beta = 0.81
    # Complex eigenvalues of modulus √β where (1-√β)² < z < (1+√β)².
    assert spectral_radius(HeavyBall(beta), 1.0) == pytest.approx(0.9, rel=1e-14)
    assert spectral_radius(HeavyBall(beta), 3.62) == pytest.approx(1, rel=1e-14)
    z = np.array([[0.001, 0.5], [3.0, 3.7]])
    found = spectral_radius(HeavyBall(beta), z)
    assert found.shape == (2, 2)
    roots = [max(abs(np.roots([1, -(1 + beta - v), beta]))) for v in z.ravel()]
    np.testing.assert_allclose(found.ravel(), roots, rtol=1e-13)


# -- proofs of signs ----------------------------------------------------------------------------


def test_signs_that_are_proved_and_not():
    s, u = sympy.symbols("s u")
    assert has_one_sign(1 + s + s**2, [s])
    assert has_one_sign(-1 / (1 + s), [s])
    assert not has_one_sign(s, [s])  # 0 at 0
    assert not has_one_sign(sympy.Integer(0), [s])
    assert not has_one_sign(1 - s, [s])
    assert not has_one_sign(1 / (s - 1), [s])
    assert not has_one_sign(sympy.sqrt(2) + s, [s])  # not rational: not decided
    assert has_one_sign(u, [s], u)  # u > 0
    assert not has_one_sign(s * u, [s], u)  # 0 at s = 0
    assert has_one_sign(1 + s * u, [s], u)
    assert not has_one_sign(1 + s * u, [s], u, closed=True)  # no sign at u = ∞ and s = 0
    assert has_one_sign(1 + (1 + s) * u, [s], u, closed=True)
    assert from_ratio(s, 0, 1).subs(s, 1) == sympy.Rational(1, 2)
    assert sympy.limit(from_ratio(s, -1, 3), s, sympy.oo) == 3
    assert from_ratio(s, 2, np.inf) == 2 + s
    shown = with_positive_parts((-2 * BETA - 2) / (BETA - 1), {BETA: sympy.Rational(1, 2)})
    assert str(shown) == "2*(beta + 1)/(1 - beta)"


# -- what is refused ----------------------------------------------------------------------------


@dataclass(frozen=True)
class Squared(GradientDescent):
    def step(self, f, h, x, memory):
        return x * x, None


@dataclass(frozen=True)
class Decayed(GradientDescent):
    def step(self, f, h, x, memory):
        return x + h * f(x) - h * 0.1 * x, None


@dataclass(frozen=True)
class Shapeless(GradientDescent):
    def step(self, f, h, x, memory):
        return x + h * f(x), (x,)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: companion_matrix("heavy-ball"), "a method is needed"),
        (lambda: stability_bound(3), "a method is needed"),
        (lambda: companion_matrix(Squared()), "not linear in x.*product of two vectors"),
        (lambda: companion_matrix(Decayed()), "h stands elsewhere than beside f"),
        (lambda: companion_matrix(Shapeless()), "a memory of the shape"),
        (lambda: companion_matrix(HeavyBall(sympy.Symbol("z"))), "rename that parameter"),
        (lambda: is_stable(HeavyBall(), 1), "needs rational numbers"),
        (lambda: is_stable(HeavyBall(0.5), "much"), "needs rational numbers"),
        (lambda: is_stable(HeavyBall(0.5), float("nan")), "needs rational numbers|not a finite"),
        (lambda: is_stable(tableau("implicit-euler"), -1), "away from its poles"),
        (lambda: stability_bound(HeavyBall(sympy.sqrt(2) / 2)), "needs rational parameters"),
        (lambda: spectral_radius(HeavyBall(), 1.0), "needs numbers for"),
        (lambda: spectral_radius(GradientDescent(), "much"), "must be finite real"),
        (lambda: spectral_radius(GradientDescent(), np.inf), "must be finite real"),
        (lambda: spectral_radius(tableau("implicit-euler"), -1), "has a pole"),
        (lambda: measured_stability_bound("gd", [1.0]), "a method is needed"),
        (lambda: measured_stability_bound(HeavyBall(), [1.0]), "needs a number for beta"),
        (lambda: measured_stability_bound(GradientDescent(), []), "of finite numbers"),
        (lambda: measured_stability_bound(GradientDescent(), [[1.0, 2.0]]), "square matrix"),
        (lambda: measured_stability_bound(GradientDescent(), ["a"]), "of finite numbers"),
        (lambda: measured_stability_bound(GradientDescent(), [0.0]), "vanishes at the start"),
        (lambda: measured_stability_bound(GradientDescent(), [-1.0]), "not stable at any"),
        (lambda: measured_stability_bound(GradientDescent(), lambda x: x), "needs a start"),
        (lambda: measured_stability_bound(GradientDescent(), [1.0], [1.0, 2.0]), "the start must"),
        (lambda: measured_stability_bound(GradientDescent(), [1.0], steps=0), "steps must be"),
        (lambda: measured_stability_bound(GradientDescent(), [1.0], halvings=99), "halvings must"),
    ],
)
def test_bad_requests_say_what_is_wrong(call, message):
    with pytest.raises(mf.ModflowError, match=message) as found:
        call()
    assert "\n" not in str(found.value)


# -- measured -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "method",
    [GradientDescent(), HeavyBall(0.5), HeavyBall(0.9), Nesterov(0.9), LinearTwoStep(0, 1.5, -0.5)],
    ids=str,
)
def test_bisection_finds_the_bound(method):
    curvatures = np.array([7.0, 5.0, 1.0, 1e-3, 1e-6, 0.0])
    bound = float(stability_bound(method)) / 7
    low, high = measured_stability_bound(method, curvatures, np.ones(6), halvings=24)
    assert low <= bound <= high
    assert 0 < high - low < 2e-7 * high


def test_bisection_with_matrices_operators_and_functions():
    random = np.random.default_rng(5)
    q = np.linalg.qr(random.normal(size=(8, 8)))[0]
    matrix = (q * np.array([3.0, 2.0, 1.0, 0.5, 0.1, 0.01, 0.0, 0.0])) @ q.T
    start = random.normal(size=8)
    bounds = [
        measured_stability_bound(HeavyBall(0.7), gradient, start)
        for gradient in (matrix, aslinearoperator(matrix), lambda x: matrix @ x)
    ]
    assert bounds[0] == pytest.approx(bounds[1], rel=1e-12)
    assert bounds[0] == pytest.approx(bounds[2], rel=1e-12)
    assert bounds[0][0] <= 3.4 / 3 <= bounds[0][1]


def test_a_start_that_misses_a_direction_measures_the_others():
    low, high = measured_stability_bound(GradientDescent(), [4.0, 1.0], [0.0, 1.0])
    assert low <= 2 <= high


def test_public_names():
    assert mf.stability_bound(mf.HeavyBall(0.5)) == 3
    assert mf.companion_matrix(mf.GradientDescent()) == sympy.Matrix([[1 - Z]])
    assert mf.is_stable(mf.GradientDescent(), 2)
    assert mf.spectral_radius(mf.GradientDescent(), 0.5) == 0.5
    assert mf.characteristic_polynomial(mf.GradientDescent()).degree() == 1
    assert mf.measured_stability_bound(mf.GradientDescent(), [1.0])[0] == pytest.approx(2, rel=1e-5)
