"""B-series against group axioms, another library (kauri), and plain expansions in h.

The sharpest source is a vector field that singles one tree out (HLW exercise III.4; Butcher's
proof that elementary differentials are independent): give each vertex v of a tree τ a
variable, and let f_v be the product of the variables of its children. Then, at the origin,
F(τ')(0) has a component at τ's root for τ' = τ only, where it is σ(τ). So a(τ) is read off
any map as the coefficient of h^|τ| in that component, with nothing but polynomials in h.
"""

from __future__ import annotations

from fractions import Fraction

import kauri
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from modflow.errors import ModflowError, NotABSeries
from modflow.series import BSeries, StepSize, Tree, VectorField, trees, trees_up_to

# Without shrinking: it takes minutes here, and any counterexample says as much.
quick = settings(
    derandomize=True,
    deadline=None,
    max_examples=12,
    database=None,
    phases=[Phase.explicit, Phase.generate],
)

rationals = st.fractions(min_value=-3, max_value=3, max_denominator=6)


@st.composite
def series(draw, empty=1, order=None, colours=None):
    colours = colours or draw(st.sampled_from([1, 2]))
    order = order or (5 if colours == 1 else 3)
    support = list(trees_up_to(order, colours))
    values = draw(st.lists(rationals, min_size=len(support), max_size=len(support)))
    return BSeries(dict(zip(support, values, strict=True)), order, empty)


def some(count, **options):
    """That many series with the same number of colours."""
    return st.sampled_from([1, 2]).flatmap(
        lambda c: st.tuples(*[series(colours=c, **options) for _ in range(count)])
    )


# -- axioms -------------------------------------------------------------------------------


@quick
@given(some(3))
def test_composition_is_associative(three):
    a, b, c = three
    assert (a @ b) @ c == a @ (b @ c)


@quick
@given(some(2))
def test_inverse_and_over(two):
    a, b = two
    one = BSeries.identity(a.order)
    assert a @ one == a == one @ a
    assert a @ a.inverse() == one == a.inverse() @ a
    assert b.over(a) == b @ a.inverse()
    assert b.over(a) @ a == b


@quick
@given(some(2), rationals, rationals)
def test_composition_is_linear_on_the_left(two, p, q):
    a, b = two
    c = BSeries(dict(a), a.order)  # the same on trees, 0 on the empty tree
    assert (p * a + q * c) @ b == p * (a @ b) + q * (c @ b)
    assert (p * a - c).over(b) == p * a.over(b) - c.over(b)


@quick
@given(series(empty=0))
def test_log_inverts_exp(field):
    flow = field.exp()
    assert flow.log() == field
    # Flows of one field commute, and their times add up.
    assert flow @ flow == (2 * field).exp()
    assert flow.inverse() == (-field).exp()


@quick
@given(series(empty=1))
def test_exp_inverts_log(step):
    assert step.log().exp() == step


@pytest.mark.parametrize("colours", [1, 2])
def test_exact_flow(colours):
    order = 6 if colours == 1 else 4
    flow = BSeries.exact_flow(order, colours)
    assert flow.log() == BSeries({Tree(): 1}, order)
    double = BSeries({t: 2**t.order * c for t, c in flow.items()}, order, empty=1)
    assert flow @ flow == double
    # 1/γ by its differential equation: the derivative of B(e) is f∘B(e), HLW III.1.3.
    right = VectorField(0, colours)(flow)
    assert all(t.order * flow[t] == right[t] for t in trees_up_to(order, colours))


# -- kauri, an independent library --------------------------------------------------------


def to_kauri(tree):
    def nested(t):
        return [*[nested(child) for child in t.children], t.colour]

    return kauri.Tree(nested(tree))


def as_map(series_):
    """The series as kauri's map on trees, by level sequence."""
    by_levels = {t.level_sequence: c for t, c in series_.items()}

    def value(t):
        if t.list_repr is None:
            return series_.empty
        levels = Tree.from_level_sequence([level + 1 for level in t.level_sequence()])
        return by_levels.get(levels.level_sequence, 0)

    return kauri.Map(value)


exactly = kauri.Map(lambda t: Fraction(1, t.factorial()))
"""kauri's own exact_weights, 1/γ, are floats."""


@settings(quick, max_examples=5)
@given(series(colours=1), series(colours=1))
def test_composition_agrees_with_the_butcher_group_of_kauri(a, b):
    # kauri's product (f·g)(t) takes f on the forest cut off, g on the trunk.
    product = as_map(b) * as_map(a)
    composed = a @ b
    assert all(product(to_kauri(t)) == composed[t] for t in trees_up_to(5))


@settings(quick, max_examples=5)
@given(series(colours=1))
def test_log_agrees_with_kauri(step):
    # kauri takes the logarithm by substitution of trees (Calaque, Ebrahimi-Fard & Manchon
    # 2011), φ * (e∘S); modflow by Lie derivatives (HLW IX.9).
    other = as_map(step) ^ (exactly & kauri.cem.antipode)
    field = step.log()
    assert all(other(to_kauri(t)) == field[t] for t in trees_up_to(5))


def test_trees_have_the_numbers_of_kauri():
    for tree in trees_up_to(7):
        other = to_kauri(tree)
        assert (tree.symmetry, tree.density) == (other.sigma(), other.factorial())


# -- fields that single one tree out ------------------------------------------------------


class Polynomial:
    """A polynomial in h with rational coefficients, cut off after h^order."""

    def __init__(self, *coefficients, order):
        self.c, self.order = [*coefficients, *[0] * (order + 1 - len(coefficients))], order

    def __add__(self, other):
        both = zip(self.c, other.c, strict=True)
        return Polynomial(*(a + b for a, b in both), order=self.order)

    def __mul__(self, other):
        if not isinstance(other, Polynomial):
            return Polynomial(*(other * a for a in self.c), order=self.order)
        n = self.order
        product = [sum(self.c[i] * other.c[j - i] for i in range(j + 1)) for j in range(n + 1)]
        return Polynomial(*product, order=n)

    def times_h(self):
        return Polynomial(0, *self.c[:-1], order=self.order)


def singled_out(tree):
    """f for each colour, on lists with one polynomial a vertex of the tree."""
    levels, colours = tree.level_sequence, tree.colours
    up = [
        next((j for j in reversed(range(i)) if levels[j] == levels[i] - 1), None)
        for i in range(len(levels))
    ]

    def field(colour):
        def f(y):
            values = []
            for v in range(len(levels)):
                value = Polynomial(colours[v] == colour, order=tree.order)
                for w in range(len(levels)):
                    value = value * y[w] if up[w] == v else value
                values.append(value)
            return values

        return f

    return field


def coefficient(tree, point):
    """a(τ), from the component at the root of a map's value at the origin."""
    return point[0].c[tree.order]


def origin(tree):
    return [Polynomial(order=tree.order) for _ in range(tree.order)]


def combine(*terms):
    """Σ weight · vector, times h where a third entry says so."""
    total = None
    for weight, vector, *by_h in terms:
        part = [p * weight for p in vector]
        part = [p.times_h() for p in part] if by_h else part
        total = part if total is None else [a + b for a, b in zip(total, part, strict=True)]
    return total


def test_composition_of_euler_steps_with_two_fields():
    # x → x + h f0(x) → + h f1(·) → + 3h f0(·), the later step the outer one.
    x, h = BSeries.identity(5), StepSize()
    f0, f1 = VectorField(0, 2), VectorField(1, 2)
    steps = [x + h * f0(x), x + h * f1(x), x + 3 * h * f0(x)]
    total = steps[2] @ steps[1] @ steps[0]
    for tree in trees_up_to(5, 2):
        field = singled_out(tree)
        point = origin(tree)
        for colour, weight in ((0, 1), (1, 1), (0, 3)):
            point = combine((1, point), (weight, field(colour)(point), "h"))
        assert total[tree] == coefficient(tree, point), tree


def test_nested_evaluations_of_the_field():
    # f at points that are themselves combinations, as in a Runge-Kutta method.
    x, h, f = BSeries.identity(6), StepSize(), VectorField()
    u = f(x + Fraction(1, 2) * h * f(x))
    total = x + h / 3 * u - 2 * h * f(x - h * u + h * f(x))
    for tree in trees_up_to(6):
        g = singled_out(tree)(0)
        y = origin(tree)
        v = g(combine((1, y), (Fraction(1, 2), g(y), "h")))
        inner = combine((1, y), (-1, v, "h"), (1, g(y), "h"))
        point = combine((1, y), (Fraction(1, 3), v, "h"), (-2, g(inner), "h"))
        assert total[tree] == coefficient(tree, point), tree


def test_exp_by_picard_iteration():
    # x' = f0(x) + 2 h f1(x) + 5 h f0'f1(x) by Picard's iteration in time θ ∈ [0, h], with
    # f0'f1 taken as the derivative of f0(x + ε f1(x)) at ε = 0, by differences: no Lie
    # derivatives. Every coefficient of x(θ) is a polynomial in θ, so h and θ scale together:
    # with θ = s h, the term with h^n carries a polynomial in s.
    root0 = Tree((), 0)
    field = BSeries({root0: 1, Tree([Tree((), 1)]): 5}, order=4)
    flow = field.exp()
    table = {(j, s): weight(j, s) for j in range(5) for s in range(5)}
    for tree in [*trees_up_to(3, 2), *trees(4, 2)[::4]]:
        f0, f1 = singled_out(tree)(0), singled_out(tree)(1)

        def speed(y, f0=f0, f1=f1):
            """h·F(y): f0(y + ε f1(y)) is a polynomial in ε of degree < 5; its slope at 0."""
            weights = {-2: Fraction(1, 12), -1: Fraction(-2, 3), 1: Fraction(2, 3)}
            weights[2] = Fraction(-1, 12)
            slope = combine(*((w, f0(combine((1, y), (e, f1(y))))) for e, w in weights.items()))
            return combine((1, f0(y), "h"), (5, [p.times_h() for p in slope], "h"))

        # Values at the nodes s = 0..4 stand for the polynomials in s of degree ≤ 4.
        nodes = range(5)
        point = [origin(tree) for _ in nodes]
        for _ in range(4):
            slopes = [speed(y) for y in point]
            point = [
                combine(*((table[j, s], slopes[j]) for j in nodes)) if s else origin(tree)
                for s in nodes
            ]
        assert flow[tree] == coefficient(tree, point[1]), tree


def weight(j, s):
    """∫_0^s of the Lagrange polynomial that is 1 at j and 0 at the other nodes 0..4."""
    c = [Fraction(1)]
    for i in range(5):
        if i != j:
            shifted = [Fraction(0), *c]
            c = [(a - i * b) / (j - i) for a, b in zip(shifted, [*c, Fraction(0)], strict=True)]
    return sum(a * Fraction(s) ** (n + 1) / (n + 1) for n, a in enumerate(c))


# -- as a mapping -------------------------------------------------------------------------


def test_a_series_is_a_mapping_of_its_nonzero_coefficients():
    s = BSeries({Tree(): 2, Tree([Tree()]): 0}, order=2)
    assert list(s) == [Tree()]
    assert len(s) == 1
    assert s[Tree([Tree()])] == 0
    with pytest.raises(KeyError, match="ends at 2"):
        s[Tree([Tree([Tree()])])]


def test_orders_are_cut_to_the_lower_one():
    long, short = BSeries.exact_flow(5), BSeries.exact_flow(3)
    for result in (long + short, long @ short, short @ long, long.over(short)):
        assert result.order == 3
    assert long @ short == short @ short


def test_equality_knows_order_and_zero():
    assert BSeries({}, 3).is_zero
    assert BSeries({Tree(): 0}, 3) == BSeries({}, 3)
    assert BSeries({}, 3) != BSeries({}, 4)
    assert BSeries({}, 3) != BSeries.identity(3)
    assert BSeries.identity(3) != 1


# -- what is no B-series ------------------------------------------------------------------

X, H, F = BSeries.identity(4), StepSize(), VectorField()

NOT_A_SERIES = {
    "f without h": lambda: X + F(X),
    "h twice": lambda: X + H * H * F(X),
    "h squared": lambda: X + H**2 * F(X),
    "h missing and once": lambda: X + H * F(X) - F(X),
    "x/h": lambda: X + X / H,
    "f at 2x": lambda: X + H * F(2 * X),
    "f at 0": lambda: X + H * F(X - X),
    "f at h x": lambda: F(H * X),
    "f at f": lambda: F(F(X)),
    "f of a number": lambda: F(1.5),
    "x times x": lambda: X * X,
    "x times f": lambda: X + H * X * F(X),
    "plus a number": lambda: X + 1,
    "a number minus": lambda: 1 - X,
    "h plus 1": lambda: X + (H + 1) * F(X),
    "1 minus h": lambda: (1 - H) * X,
    "plus h": lambda: X + H,
    "inverse of 2x": lambda: (2 * X).inverse(),
    "composed with f": lambda: X.apply(H * F(X)),
    "over f": lambda: X.over(H * F(X)),
    "log of f": lambda: (H * F(X)).log(),
    "exp of a map": lambda: X.exp(),
}


@pytest.mark.parametrize("expression", NOT_A_SERIES.values(), ids=NOT_A_SERIES.keys())
def test_what_has_no_order_is_refused_in_one_line(expression):
    with pytest.raises(NotABSeries) as error:
        expression()
    assert str(error.value)
    assert "\n" not in str(error.value)


def test_colours_outside_the_palette_are_refused():
    with pytest.raises(ModflowError, match="colour 2 is not one of the 2"):
        VectorField(2, 2)


def test_equivalent_ways_to_write_one_rule():
    euler = X + H * F(X)
    assert euler == X + F(X) * H
    assert euler == X - (-H) * F(X)
    assert euler == (X / H + F(X)) * H
    assert euler == X + (2 * H) * F(X) / 2
    assert euler == X + F(X) / (1 / H)
    assert euler == X + (H * H) * (F(X) / H)
    assert euler == X + (H + H) * F(X) / 2
    assert euler == sum([X, H * F(X)])
    assert -(X - 2 * X - H * F(X)) == euler
