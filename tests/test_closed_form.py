"""The ring of closed forms, against plain Fractions at points and against iteration."""

from __future__ import annotations

from fractions import Fraction
from itertools import product

import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st

from modflow.errors import ModflowError
from modflow.series import ClosedFormRing, K

quick = settings(derandomize=True, deadline=None, max_examples=15, database=None)

BETA, B2, MU = sympy.symbols("beta b2 mu")
STEPS = range(9)
POINTS = [Fraction(1, 3), Fraction(-2, 5), Fraction(9, 10)]

small = st.fractions(min_value=-4, max_value=4, max_denominator=5)


@st.composite
def twins(draw, ring, rates, max_terms=3, tails=True):
    """An element, and the same thing as a function of k and β in Fractions.

    A sum of c·k^a·Πλ_i^(n_i k)·β^b/(1-β)^e, and of corrections at single steps.
    """
    element, parts = ring(0), []
    exponents = st.tuples(*[st.integers(0, 2) for _ in rates])
    for _ in range(draw(st.integers(0, max_terms))):
        c, a, n = draw(small), draw(st.integers(0, 2)), draw(exponents)
        b, e = draw(st.integers(0, 2)), draw(st.integers(0, 2))
        term = c * ring.k**a * ring("beta") ** b / (1 - ring("beta")) ** e
        for i, power in enumerate(n):
            term = term * ring.power(i) ** power
        element = element + term
        parts.append((c, a, n, b, e))
    corrections = {}
    if tails:
        corrections = draw(st.dictionaries(st.integers(0, 3), small, max_size=2))
    for i, c in corrections.items():
        element = element + c * ring(sympy.KroneckerDelta(K, i))

    def value(k, beta):
        total = corrections.get(k, Fraction(0))
        for c, a, n, b, e in parts:
            part = c * Fraction(k) ** a * beta**b / (1 - beta) ** e
            for rate, power in zip(rates, n, strict=True):
                part *= Fraction(rate(beta)) ** (power * k)
            total += part
        return total

    return element, value


RINGS = {
    "beta": (ClosedFormRing(["beta"], [BETA]), [lambda b: b]),
    "beta and 1/2": (
        ClosedFormRing(["beta"], [BETA, Fraction(1, 2)]),
        [lambda b: b, lambda b: Fraction(1, 2)],
    ),
    "beta and its square": (
        ClosedFormRing(["beta"], [BETA, BETA**2]),
        [lambda b: b, lambda b: b * b],
    ),
    "beta/(2+beta)": (
        ClosedFormRing(["beta"], [BETA / (2 + BETA)]),
        [lambda b: b / (2 + b)],
    ),
    "1/2, 1/4, -1/2": (
        ClosedFormRing(["beta"], [Fraction(1, 2), Fraction(1, 4), Fraction(-1, 2)]),
        [lambda b: Fraction(1, 2), lambda b: Fraction(1, 4), lambda b: Fraction(-1, 2)],
    ),
}
rings = pytest.mark.parametrize("name", RINGS)


def value_at(element, k, beta):
    return element.at(k).value({"beta": beta})


def agree(element, expected, steps=STEPS, points=POINTS):
    return all(value_at(element, k, b) == expected(k, b) for k, b in product(steps, points))


# -- arithmetic ---------------------------------------------------------------------------


@rings
@quick
@given(data=st.data())
def test_arithmetic_is_that_of_the_values(name, data):
    ring, rates = RINGS[name]
    x, fx = data.draw(twins(ring, rates))
    y, fy = data.draw(twins(ring, rates))
    c = data.draw(small)
    few, point = range(5), POINTS[:2]
    assert agree(x + y, lambda k, b: fx(k, b) + fy(k, b), few, point)
    assert agree(x - y, lambda k, b: fx(k, b) - fy(k, b), few, point)
    assert agree(x * y, lambda k, b: fx(k, b) * fy(k, b), few, point)
    assert agree(c - x * c + 1, lambda k, b: c - c * fx(k, b) + 1, few, point)
    assert agree(x**2, lambda k, b: fx(k, b) ** 2, few, point)
    assert agree(x.shift(), lambda k, b: fx(k + 1, b), few, point)
    assert agree(x.reduced(), fx, few, point)


@rings
@settings(quick, max_examples=15)
@given(data=st.data())
def test_ring_axioms_hold_identically(name, data):
    ring, rates = RINGS[name]
    x, y, z = (data.draw(twins(ring, rates, max_terms=2))[0] for _ in range(3))
    assert x + y == y + x
    assert x * y == y * x
    assert (x * y) * z == x * (y * z)
    assert x * (y + z) == x * y + x * z
    assert x - x == 0
    assert not (x - x)
    assert x * 1 == x == x + 0
    assert x.reduced() == x
    assert (x * y).shift() == x.shift() * y.shift()


@rings
@settings(quick, max_examples=15)
@given(data=st.data())
def test_equality_means_equal_values(name, data):
    # Elements are determined by their values; enough steps and points tell them apart.
    ring, rates = RINGS[name]
    x, fx = data.draw(twins(ring, rates, max_terms=2))
    y, fy = data.draw(twins(ring, rates, max_terms=2))
    same = all(fx(k, b) == fy(k, b) for k, b in product(range(40), POINTS))
    assert (x == y) == same


@rings
@settings(quick, max_examples=15)
@given(data=st.data())
def test_terms_stand_for_the_same_values(name, data):
    ring, rates = RINGS[name]
    x, fx = data.draw(twins(ring, rates))
    for beta in POINTS:
        terms, tail = x.terms({"beta": beta})
        assert all(c != 0 for c in terms.values())
        for k in range(6):
            total = sum(c * Fraction(k) ** i * base**k for (i, base), c in terms.items())
            assert total + tail.get(k, 0) == fx(k, beta)


@rings
@settings(quick, max_examples=10)
@given(data=st.data())
def test_sympy_round_trip(name, data):
    ring, rates = RINGS[name]
    x, fx = data.draw(twins(ring, rates, max_terms=2))
    shown = x.to_sympy()
    assert ring(shown) == x
    # As text, too; `beta` alone is also a function of SymPy's, so that it is named.
    assert ring(str(shown)) == x
    assert ring(sympy.sympify(str(shown), locals={"beta": BETA})) == x
    for k, beta in ((0, POINTS[0]), (1, POINTS[1]), (4, POINTS[2])):
        number = shown.subs({K: k}).subs({BETA: sympy.Rational(str(beta))})
        assert sympy.nsimplify(number) == sympy.Rational(str(fx(k, beta)))


def test_division():
    ring = RINGS["beta"][0]
    beta = ring("beta")
    assert (1 - beta**2) / (1 - beta) == 1 + beta
    assert 1 / (1 - beta) * (1 - beta) == 1
    assert (beta / (beta - 1)).inverse() == 1 - 1 / beta
    assert beta**-2 * beta**3 == beta
    assert ((1 - beta**2) / (2 - 2 * beta)).reduced().denominator == 2
    with pytest.raises(ZeroDivisionError):
        1 / (beta - beta)
    for depends in (ring.k, ring.power(0), 1 - ring.power(0)):
        with pytest.raises(ModflowError, match="depends on k"):
            1 / depends


# -- recurrences --------------------------------------------------------------------------

RATES = {
    "0": (0, lambda b: Fraction(0)),
    "1": (1, lambda b: Fraction(1)),
    "beta": (BETA, lambda b: b),
    "1/2": (Fraction(1, 2), lambda b: Fraction(1, 2)),
}


def iterate(rate, forcing, start, beta, steps):
    values = [start]
    for k in range(steps):
        values.append(rate * values[-1] + forcing(k, beta))
    return values


@pytest.mark.parametrize("rate", RATES)
@settings(quick, max_examples=30)
@given(data=st.data())
def test_recurrences_are_those_iterated(rate, data):
    ring, rates = RINGS["beta and 1/2"]
    symbolic, number = RATES[rate]
    forcing, f = data.draw(twins(ring, rates))
    start = data.draw(small)
    m = ring.solve_recurrence(ring(symbolic), forcing, start)
    for beta in POINTS:
        expected = iterate(number(beta), f, start, beta, 8)
        assert [value_at(m, k, beta) for k in STEPS] == expected


@pytest.mark.parametrize("power", [0, 1, 2, 3])
@pytest.mark.parametrize("rate", ["1", "beta", "1/2"])
def test_resonance_of_any_multiplicity(rate, power):
    # A forcing k^p λ^k beside the rate λ: the solution has degree p+1 in k. By hand for
    # p = 0 and start 0: m_k = k λ^(k-1).
    ring = RINGS["beta and 1/2"][0]
    symbolic, number = RATES[rate]
    symbolic = sympy.sympify(symbolic)
    forcing = ring(K**power * symbolic**K)
    m = ring.solve_recurrence(ring(symbolic), forcing, ring(0))
    for beta in POINTS:
        lam = number(beta)
        expected = iterate(lam, lambda k, _, lam=lam: k**power * lam**k, 0, beta, 8)
        assert [value_at(m, k, beta) for k in STEPS] == expected
        if power == 0:
            assert expected == [k * lam ** (k - 1) if k else 0 for k in STEPS]
        degrees = {i for i, base in m.terms({"beta": beta})[0] if base == lam}
        assert max(degrees) == power + 1


def test_resonance_with_a_product_of_rates():
    # (1/2)^(2k) resonates with the rate 1/4.
    ring = RINGS["1/2, 1/4, -1/2"][0]
    m = ring.solve_recurrence(Fraction(1, 4), ring.power(0) ** 2, 1)
    assert m == (1 + 4 * ring.k) * ring.power(1)
    # (-1/2)^(2k) is the same function, and is known to be.
    assert m == (1 + 4 * ring.k) * ring.power(2) ** 2
    assert ring.power(0) * ring.power(2) != ring.power(1)


@pytest.mark.parametrize("rate", ["0", "1", "beta", "1/2"])
def test_a_forcing_at_single_steps(rate):
    ring = RINGS["beta and 1/2"][0]
    symbolic, number = RATES[rate]
    kick = {0: 3, 2: -5}
    forcing = sum((c * ring(sympy.KroneckerDelta(K, i)) for i, c in kick.items()), ring(0))
    m = ring.solve_recurrence(ring(symbolic), forcing, ring("beta"))
    for beta in POINTS:
        expected = iterate(number(beta), lambda k, _: Fraction(kick.get(k, 0)), beta, beta, 8)
        assert [value_at(m, k, beta) for k in STEPS] == expected


def test_a_memory_that_forgets_at_once():
    # Rate 0: m_0 = start and m_{k+1} = r_k, so that m is r_{k-1} but for k = 0.
    ring = RINGS["beta"][0]
    m = ring.solve_recurrence(0, ring.power(0) * ring.k, 7)
    assert m.at(0) == 7
    assert all(m.at(k) == (k - 1) * ring(BETA) ** (k - 1) for k in range(1, 6))
    assert m.to_sympy().has(sympy.KroneckerDelta)
    assert m.limit() == 0


@pytest.mark.parametrize(("rate", "start"), [("k", 0), (BETA**K, 0), (BETA, "k")])
def test_rates_and_starts_cannot_depend_on_the_step(rate, start):
    ring = RINGS["beta"][0]
    with pytest.raises(ModflowError, match="cannot depend on k"):
        ring.solve_recurrence(ring(rate), 1, ring(start))


def test_a_rate_that_the_ring_does_not_have():
    with pytest.raises(ModflowError, match=r"\(1/3\)\^k is not in"):
        RINGS["beta"][0].solve_recurrence(Fraction(1, 3), 0, 1)


# -- expressions --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("beta**(k+1)", lambda k, b: b ** (k + 1)),
        ("beta**(2*k+2)", lambda k, b: b ** (2 * k + 2)),
        ("beta**(2*(k+1)) - beta**k*beta**2", lambda k, b: b ** (2 * k + 2) - b ** (k + 2)),
        ("(beta**2)**k", lambda k, b: b ** (2 * k)),
        ("(beta**3)**(2*k - 1)", lambda k, b: b ** (6 * k - 3)),
        ("beta**(k-1)", lambda k, b: b ** (k - 1)),
        ("(1/beta)**(-k)", lambda k, b: b**k),
        ("(1/2)**k", lambda k, b: Fraction(1, 2) ** k),
        ("2**(-k)", lambda k, b: Fraction(1, 2) ** k),
        ("2**(3 - 2*k)", lambda k, b: 8 * Fraction(1, 4) ** k),
        ("4**(-k) + 3/2**(k+1)", lambda k, b: Fraction(1, 4) ** k + 3 * Fraction(1, 2) ** (k + 1)),
        ("(beta/2)**k", lambda k, b: (b / 2) ** k),
        ("0.5**k", lambda k, b: Fraction(1, 2) ** k),
        ("0.25*k", lambda k, b: Fraction(k, 4)),
        ("1**k", lambda k, b: Fraction(1)),
        ("(1-beta)**-3*(1+k)**2", lambda k, b: (1 + k) ** 2 / (1 - b) ** 3),
        ("k*(1 - beta**(k+1))/(1-beta)", lambda k, b: k * (1 - b ** (k + 1)) / (1 - b)),
        ("KroneckerDelta(k, 2)*beta", lambda k, b: b * (k == 2)),
        ("KroneckerDelta(2, k)", lambda k, b: Fraction(k == 2)),
        ("KroneckerDelta(k, -1)", lambda k, b: Fraction(0)),
    ],
)
def test_expressions_that_are_in_the_ring(text, value):
    ring = RINGS["beta and 1/2"][0]
    assert agree(ring(text), value)
    assert ring(ring(text).to_sympy()) == ring(text)


@pytest.mark.parametrize(
    "text",
    [
        "1/(1-beta**k)",
        "1/k",
        "sin(beta)",
        "sqrt(beta)",
        "beta**(k**2)",
        "beta**(k/3)",
        "beta**(-k)",
        "k**k",
        "2**k",
        "3**(-k)",
        "(1-beta)**k",
        "0**k",
        "pi*k",
        "gamma*k",
        "KroneckerDelta(k, beta)",
        "oo",
        "beta**",
        "",
        "nan",
        "1 % 0",
        "[][0]",
        "Integer('x')",
        "\ud800",
        "-" * 5000 + "1",
        "beta == 1",
        "not k",
        float("nan"),
        float("inf"),
        True,
        None,
    ],
)
def test_expressions_that_are_not(text):
    with pytest.raises(ModflowError, match="is not in|is no expression in|cannot divide") as error:
        RINGS["beta and 1/2"][0](text)
    assert "\n" not in str(error.value)


def test_symbols_are_met_by_name():
    # Results carry the symbol given, with its assumptions; strings and other symbols of
    # that name stand for it.
    beta = sympy.Symbol("beta", positive=True)
    ring = ClosedFormRing([beta], [beta])
    assert ring("beta**k") == ring(beta**K) == ring(BETA ** sympy.Symbol("k", integer=True))
    assert ring("beta/2").to_sympy() == beta / 2
    with pytest.raises(ModflowError, match="cannot be called 'k'"):
        ClosedFormRing(["k"])


@pytest.mark.parametrize("rates", [[0], [1], [BETA, BETA], ["k"], [BETA**K], ["sin(beta)"]])
def test_rates_that_make_no_ring(rates):
    with pytest.raises(ModflowError, match="rates must differ|is not in"):
        ClosedFormRing(["beta"], rates)


def test_elements_of_another_ring():
    one, two = ClosedFormRing(["beta"], [BETA]), ClosedFormRing(["beta"], [BETA, Fraction(1, 3)])
    x = one("k*beta**k")
    assert two(x) == two("k*beta**k")
    with pytest.raises(TypeError):
        x + two(1)


# -- limits and values --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "limit"),
    [
        ("beta**k*k**5 + beta", "beta"),
        ("(1 - beta**(k+1))/(1-beta)", "1/(1-beta)"),
        ("k*2**(-k)", "0"),
        ("KroneckerDelta(k, 3) + 2", "2"),
    ],
)
def test_limits(text, limit):
    ring = RINGS["beta and 1/2"][0]
    assert ring(text).limit() == ring(limit)


@pytest.mark.parametrize("text", ["k", "k*beta", "1 + beta**k + k**2"])
def test_what_grows_has_no_limit(text):
    with pytest.raises(ModflowError, match="has no limit"):
        RINGS["beta"][0](text).limit()


@pytest.mark.parametrize("rate", [-1, 2, Fraction(-3, 2)])
def test_rates_outside_the_unit_circle_have_no_limit(rate):
    ring = ClosedFormRing([], [rate, Fraction(1, 7)])
    with pytest.raises(ModflowError, match="has no limit"):
        (ring.power(0) + 1).limit()
    assert (ring.power(1) + 1).limit() == 1
    # ... but a product may: (-1)^(2k) is 1, 2^k·(1/7)^k decays.
    assert (ring.power(0) * ring.power(1) + 3).limit() == 3
    if rate == -1:
        assert (ring.power(0) ** 2).limit() == 1


def test_values_need_every_parameter_and_no_pole():
    ring = ClosedFormRing(["beta", "mu"], [BETA])
    x = ring("mu/(1-beta)")
    assert x.value({"beta": Fraction(1, 2), "mu": Fraction(3)}) == 6
    assert ring("k*beta**k").terms({"beta": Fraction(1, 2), "mu": Fraction(0)}) == (
        {(1, Fraction(1, 2)): 1},
        {},
    )
    with pytest.raises(ModflowError, match="a number is needed for mu"):
        x.value({"beta": Fraction(1, 2)})
    with pytest.raises(ModflowError, match="has a pole"):
        x.value({"beta": Fraction(1), "mu": Fraction(3)})


def test_rates_that_are_expressions():
    # β = 1 - μ: powers are printed as such and read again.
    ring = ClosedFormRing([MU], [1 - MU])
    m = ring.solve_recurrence(1 - MU, 1, 0)
    assert sympy.simplify(m.to_sympy() - (1 - (1 - MU) ** K) / MU) == 0
    assert ring(m.to_sympy()) == m
    assert m.limit() == ring(1 / MU)


# A ring with rates 2/3, 3/4: SymPy joins numeric powers, (2/3)^k (3/4)^k = 2^(-k).
@pytest.mark.parametrize(
    "rates",
    [
        (Fraction(2, 3), Fraction(3, 4)),
        (Fraction(1, 2), Fraction(1, 3)),
        (Fraction(1, 2), Fraction(1, 8)),
        (Fraction(-2, 3), Fraction(4, 9), Fraction(1, 2)),
    ],
)
def test_joined_powers_are_read_again(rates):
    ring = ClosedFormRing([], rates)
    total = ring(0)
    for i, n in enumerate(product(range(3), repeat=len(rates))):
        term = (i + 1) * ring.k ** (i % 2)
        for j, e in enumerate(n):
            term = term * ring.power(j) ** e
        total = total + term
    assert ring(total.to_sympy()) == total
    assert ring(str(total)) == total


def test_str_is_the_expression():
    assert str(RINGS["beta"][0]("k + beta**k")) in ("beta**k + k", "k + beta**k")
    assert repr(ClosedFormRing(["beta"], [BETA])) == "Q(beta)[k, (beta)^k]"
