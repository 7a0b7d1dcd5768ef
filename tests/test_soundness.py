"""Attacks on the rule that what a document displays is true: each of these was a way round it once.

What is right is proved beside each, so that nothing is refused for being unusual.
"""

import random
from collections.abc import Callable

import pytest
import sympy
from sympy import (
    Dummy,
    Function,
    Integer,
    Integral,
    KroneckerDelta,
    Limit,
    Piecewise,
    Rational,
    Sum,
    Symbol,
    symbols,
)

from modflow.documents import Document, Induction, StepError, Substitution, Theorem
from modflow.documents.elements import DividesByZero
from modflow.documents.quantities import Quantity
from modflow.documents.reading import Reader
from modflow.documents.sums import Cases, Undecided
from modflow.documents.typeset import typeset
from modflow.errors import ModflowError

h, beta, x, y = symbols("h beta x y")
j, k, m, n = symbols("j k m n")

A, B = symbols("A B", commutative=False)
WHOLE = Symbol("k", integer=True)
"""May be negative."""
HALF = Rational(1, 2)
NESTED = Limit(Limit(Piecewise((1, m <= n), (0, True)), n, sympy.oo), m, sympy.oo)

FALSE = {
    "empty sum of binomials": ("Sum(binomial(k-1, j)*x**j, (j, 0, k-1))", "(1 + x)**(k-1)"),
    "pole of the antidifference": ("Sum((-1)**j*binomial(k, j), (j, 0, k-1))", "-(-1)**k"),
    "ratio 1": ("Sum(k**j, (j, 0, n))", "(1 - k**(n+1))/(1 - k)"),
    "0/0 in a term": ("Sum(j/j, (j, 0, k))", "k + 1"),
    "binomial above -1": ("binomial(k-1, k)", "0"),
    "binomial above -5": ("binomial(k-5, k)", "0"),
    "no commuting": (A * B, B * A),
    "bound beta": (Integral(sympy.sqrt((1 - beta) ** 2), (beta, 0, 3)), Rational(-3, 2)),
    "beta to 3": (Limit(sympy.sqrt((1 - beta) ** 2), beta, 3), -2),
    "unknown gamma": (Function("gamma")(Integer(4)), 6),
    "nested limits": (NESTED, 0),
    "negative k": (Sum(1, (j, 1, WHOLE)), WHOLE),
    "k = -1": (KroneckerDelta(WHOLE, -1), 0),
    "poles inside": (
        Integral(sympy.diff(1 / (sympy.sin(2 * sympy.pi * x) + HALF), x), (x, 0, 1)),
        0,
    ),
    "floats": (0.1 + 0.2, 0.3),
    "digits of a float": ("1.0000000000000001*x", "x"),
    "sum of floats": (sympy.Float(1) + sympy.Float(1e-15), 1),
    "two of a name": (Quantity("x", y + 1) - x, y + 1 - x),
    "bound and free": (Sum(Dummy("j"), (j, 0, 2)), 3 * Dummy("j")),
    "two alike": (Symbol("x1"), Symbol("x_1")),
    "number as a name": (Quantity("2+2", 5), 5),
}


@pytest.mark.parametrize("name", FALSE)
def test_what_is_false_or_means_nothing_is_not_proved(name: str) -> None:
    document = Document("False")
    with pytest.raises(ModflowError):
        document.equation(*FALSE[name])
    assert "$$" not in document.markdown()


TRUE = {
    "sum of binomials": ("Sum(binomial(k, j)*x**j, (j, 0, k))", "(1 + x)**k"),
    "antidifference": (
        "Sum((-1)**j*binomial(k, j), (j, 0, k-1))",
        "KroneckerDelta(k, 0) - (-1)**k",
    ),
    "binomial above": ("binomial(k, k+1)", "0"),
    "negative, generalized": ("binomial(k-5, 3)", "(k-5)*(k-6)*(k-7)/6"),
    "gamma": (sympy.gamma(Integer(4), evaluate=False), 6),
    "nested limits": (NESTED, 1),
    "k from 0": (Sum(1, (j, 1, n)), n),
    "decimals": ("0.1 + 0.2", "0.3"),
    "decimal": (0.1 * x, x / 10),
    "large": ("1e400*x", "10**400*x"),
    "beta": (sympy.sqrt((1 - beta) ** 2), 1 - beta),
    "piecewise": ("Piecewise((1, k >= 0), (2, True))", "1"),
}


@pytest.mark.parametrize("name", TRUE)
def test_what_is_true_is(name: str) -> None:
    Document("True").equation(*TRUE[name])


# -- rules ---------------------------------------------------------------------------------------


def test_a_substitution_keeps_the_order_of_what_it_is_made_from() -> None:
    document = Document("Orders")
    document.equation("exp(h*x)", "1 + h*x", modulo=(h, 2), label="eq:a")
    put = Substitution("eq:a", {x: 3})
    document.equation("exp(3*h)", "1 + 3*h", by=put, modulo=(h, 2))
    with pytest.raises(ModflowError, match=r"eq:a holds up to O\(h\^2\)"):
        document.equation("exp(3*h)", "1 + 3*h", by=put)
    with pytest.raises(ModflowError, match=r"needs modulo=\(h, 2\)"):
        document.equation("exp(3*h)", "1 + 3*h", by=put, modulo=(h, 3))
    put = Substitution("eq:a", {h: 1})
    with pytest.raises(ModflowError, match="h as it is"):
        document.equation("exp(x)", "1 + x", by=put, modulo=(h, 2))


@pytest.mark.parametrize(
    ("source", "values", "result"),
    [
        (("sqrt((1-beta)**2)", "1 - beta"), {beta: 3}, ("2", "-2")),
        (("sin(pi*k)", "0"), {k: HALF}, ("sin(pi/2)", "0")),
        (
            ("Sum(beta**j, (j, 0, k))", "(1-beta**(k+1))/(1-beta)"),
            {k: -3},
            ("0", "(1-beta**-2)/(1-beta)"),
        ),
        (("Limit(beta**n, n, oo)", "0"), {beta: 1}, (Limit(Integer(1) ** n, n, sympy.oo), "0")),
    ],
)
def test_a_substitution_stays_where_its_equation_was_proved(source, values, result) -> None:  # type: ignore[no-untyped-def]
    document = Document("Domains")
    document.equation(*source, label="eq:a")
    with pytest.raises(StepError):
        document.equation(*result, by=Substitution("eq:a", values))


def test_a_substitution_beyond_that_has_to_be_an_identity_there() -> None:
    document = Document("Domains")
    document.equation("Sum(beta**j, (j, 0, k))", "(1-beta**(k+1))/(1-beta)", label="eq:a")
    document.equation(
        "Sum(3**j, (j, 0, k))", "(3**(k+1) - 1)/2", by=Substitution("eq:a", {beta: 3})
    )
    put = Substitution("eq:a", {k: 2 * k + 1})
    document.equation("Sum(beta**j, (j, 0, 2*k+1))", "(1-beta**(2*k+2))/(1-beta)", by=put)


def test_nothing_is_put_for_what_has_a_meaning() -> None:
    document = Document("Meanings")
    q = document.define("q", x)
    document.equation(2 * q, 2 * x, label="eq:a")
    with pytest.raises(ModflowError, match="stands for what it was defined as"):
        document.equation("0", "0", by=Substitution("eq:a", {q: 0}))


def test_induction_is_on_whole_numbers_and_empty_sums_are_zero() -> None:
    document = Document("Induction")
    for left in ("floor(x)", "x + sin(2*pi*x)"):
        with pytest.raises(ModflowError, match="no induction on x"):
            document.equation(left, "x", by=Induction(x))
    with pytest.raises(StepError):
        document.equation("Sum(1, (j, 2, 0)) + k", "k - 1", by=Induction(k))
    document.equation("Sum(1, (j, 2, 0)) + k", "k", by=Induction(k))


@pytest.mark.parametrize(
    ("sides", "cases"),
    [
        ((x**2, x**3), [{x: 0}]),
        ((x, y), [{x: y}]),
        ((Sum(j, (j, 3, k)), k * (k + 1) / 2 - 3), [{k: 0}]),
    ],
)
def test_cases_of_a_theorem_say_something(tmp_path, sides, cases) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "r.bib").write_text("@book{hlw, author={Hairer}, title={Numbers}, year={2006}}")
    document = Document("Theorems", bibliography=tmp_path / "r.bib")
    with pytest.raises(ModflowError):
        document.equation(*sides, by=Theorem("Fermat", "[@hlw]", cases))


# -- what is shown -------------------------------------------------------------------------------


def test_a_name_has_one_meaning_in_a_document() -> None:
    document = Document("Names")
    document.define("a", 1)
    document.define("a", Integer(2) - 1)
    with pytest.raises(ModflowError, match="a is defined twice"):
        document.define("a", 2)


@pytest.mark.parametrize(
    ("expression", "shown"),
    [
        (3 * 2**k, r"3 \cdot 2^{k}"),
        (Rational(4, 5) * 3**k, r"\frac{4 \cdot 3^{k}}{5}"),
        (Quantity("-u", -x) ** 2, "(-u)^{2}"),
        (2 * Quantity("a+b", x), "2 (a+b)"),
        (3 - Quantity("-u", -x), "3 - (-u)"),
        (3 * Quantity("f(a+b)", x), "3 f(a+b)"),
        (2 * Quantity("u_1^+", x), "2 u_1^+"),
        (Quantity("-u", -x), "-u"),
        (Sum(-k, (k, 0, 3)), r"\sum_{k=0}^{3} (- k)"),
        (1e-7 * x, r"1 \cdot 10^{-7} x"),
    ],
)
def test_what_is_shown_cannot_be_read_otherwise(expression: sympy.Expr, shown: str) -> None:
    assert typeset(expression) == shown


EQUALITIES: dict[str, Callable[[Document], object]] = {
    "title": lambda d: Document("a = b"),
    "author": lambda d: Document("T", authors=["a = b"]),
    "relation": lambda d: d.expression(sympy.Eq(x, y)),
    "relation in a text": lambda d: d.text("[[e]]", e=sympy.Eq(x, y)),
    "relation in a cell": lambda d: d.table(["x"], [[sympy.Eq(x, y)]]),
    "meaning": lambda d: d.define("q", sympy.Eq(x, y)),
    "name": lambda d: d.expression(Symbol("a = b")),
    "name of a function": lambda d: d.expression(Function("f = g")(x)),
    "name of a quantity": lambda d: d.equation(Quantity("2 \\Doteq 5", x), x),
    "lookalike": lambda d: d.text("a ⩵ b"),
    "box drawing": lambda d: d.text("a ═ b"),
    "command": lambda d: d.text(r"$2 \Bumpeq 5$"),
    "code of a character": lambda d: d.text("$2 ^^3d 5$"),
    "place": lambda d: d.text("[@hlw, where 2 + 2 = 5]"),
    "given after a sum": lambda d: d.text(r"$2 + \given{x = 5}$"),
    "given nothing": lambda d: d.text(r"$2 + 2 \given{\quad = 5}$"),
    "index of a number": lambda d: d.text("$2_{=5}$"),
    "index of nothing": lambda d: d.text(r"$2 {}_{\displaystyle = 5}$"),
    "code in the language of formulas": lambda d: d.text("```math\n2 + 2 = 5\n```"),
}


@pytest.mark.parametrize("where", EQUALITIES)
def test_no_equality_comes_in_by_another_door(where: str) -> None:
    with pytest.raises(ModflowError):
        EQUALITIES[where](Document("Doors"))


def test_code_stays_code_and_an_ampersand_what_it_is() -> None:
    document = Document("Code")
    document.text("A & B, &amp;equals;\n\n~~~~\n```\n$2 + 2 = 5$\n```\n~~~~")
    text = document.markdown()
    assert r"A & B, \&equals;" in text
    assert "````\n```\n$2 + 2 = 5$\n```\n````" in text
    document = Document("Verbatim")
    document.text("```\n\\end{verbatim} $2 + 2 = 5$\n```")
    with pytest.raises(ModflowError, match="verbatim"):
        document.latex()


def test_a_name_may_be_said_of_a_sum_and_a_limit() -> None:
    document = Document("Indices")
    document.text(r"$\sum_{r,s=0}^{k} a_r$, $x|_{\beta = 0}$, and for $\given{x^2 = 1/2}$.")
    assert r"x^2 = 1/2" in document.markdown()


# -- closed forms against adding -----------------------------------------------------------------


def random_sum(draw: random.Random) -> Sum:
    """A sum over j up to some multiple of k, perhaps an empty one."""

    def atom() -> sympy.Expr:
        return draw.choice(
            [
                *(j, j**2, Integer(2), x, beta, beta**j, beta ** (2 * j), (-1) ** j, 2**j),
                *(sympy.Pow(2, -j), Integer(0) ** j, KroneckerDelta(j, draw.randint(0, 3))),
                *(sympy.binomial(k, j), sympy.binomial(j, 2, evaluate=False), 1 / (j + 1)),
                Piecewise((1, j < draw.randint(0, 3)), (j, True)),
            ]
        )

    term = atom() * atom() + draw.choice([Integer(0), Integer(0), atom()])
    low = draw.choice([Integer(0), Integer(0), Integer(1), Integer(2), Integer(-1), k])
    return Sum(term, (j, low, draw.choice([k, k - 1, k - 2, k + 1, 2 * k])))


def added(total: Sum, steps: int) -> sympy.Expr:
    """Term by term; 0 if there is none."""
    term, (index, *ends) = total.function.subs(k, steps), total.limits[0]
    low, high = (int(end.subs(k, steps)) for end in ends)
    return sum((term.subs(index, i) for i in range(low, high + 1)), Integer(0))


@pytest.mark.slow
def test_closed_forms_are_what_adding_gives() -> None:
    draw, at = random.Random(7), {beta: Rational(1, 3), x: Rational(2, 7)}
    closed = 0
    for _ in range(1500):
        total = random_sum(draw)
        for floor in range(5):
            try:
                form = Reader({k}, {k: floor}).read(total).expression()
            except (Cases, Undecided, DividesByZero):
                continue
            closed += 1
            for steps in range(floor, 6):
                found, expected = form.subs(k, steps).subs(at), added(total, steps).subs(at)
                assert sympy.simplify(found - expected) == 0, (total, steps)
            break
    assert closed > 750
