"""Modified equations for other programs: a Python module, tables in HTML and TeX, the terminal."""

from __future__ import annotations

import ast
import io
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from html.parser import HTMLParser
from typing import Any
from xml.etree import ElementTree

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import sympy
from rich.console import Console
from sympy import Rational

import modflow as mf
from modflow._rich import MAX_LENGTH, equation_view
from modflow.export import argument_names, html_page, html_table, latex_table, python_source
from modflow.flows import DifferentialPlan

BETA = sympy.Symbol("beta")
ADAMS = mf.LinearTwoStep(0, Rational(3, 2), Rational(-1, 2))
NO_LIMIT = mf.LinearTwoStep(-1, 2)
NAMED = mf.LinearTwoStep(sympy.Symbol("lambda"), sympy.Symbol("x"))


def loss(p: Any) -> Any:
    z = jnp.tanh(p["w"] @ jnp.array([0.3, -0.7, 1.1])) * p["v"]
    return jnp.sum(z**2) / 2 + jnp.sum(jnp.cos(p["v"])) / 3 + jnp.sum(jnp.exp(p["w"] / 2)) / 9


def start(dtype: Any = None) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    return {"w": jnp.asarray(rng.normal(size=(2, 3)), dtype), "v": jnp.asarray([0.4, -1.2], dtype)}


def made(source: str) -> Callable[..., Any]:
    namespace: dict[str, Any] = {}
    exec(compile(source, "made", "exec"), namespace)
    return namespace["modified_field"]


def arguments(source: str) -> list[str]:
    (function,) = (n for n in ast.parse(source).body if isinstance(n, ast.FunctionDef))
    return [argument.arg for argument in function.args.args]


def gap(a: Any, b: Any) -> float:
    """The largest difference, relative to the largest entry or a tenth."""
    assert jax.tree.structure(a) == jax.tree.structure(b)
    pairs = list(zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True))
    largest = max(float(jnp.max(jnp.abs(u))) for u, _ in pairs)
    return max(float(jnp.max(jnp.abs(u - v))) for u, v in pairs) / max(largest, 0.1)


# -- Python --------------------------------------------------------------------------------------

FIELDS = [
    (mf.GradientDescent(), {}, 4),
    (mf.HeavyBall(), {"beta": 0.5}, 4),
    (mf.HeavyBall(0.6), {}, 4),
    (mf.Nesterov(), {"beta": 0.6}, 4),
    (mf.AggregatedMomentum(), {"beta1": 0.3, "beta2": 0.6}, 3),
    (mf.tableau("explicit-midpoint"), {}, 4),
    (mf.QuasiHyperbolicMomentum(), {"beta": 0.5, "nu": 0.7}, 4),
    (ADAMS, {}, 4),
    (NO_LIMIT, {}, 3),
    (NAMED, {"lambda": -0.3, "x": 0.9}, 3),
]


@pytest.mark.parametrize(("method", "values", "order"), FIELDS, ids=lambda v: str(v)[:24])
def test_the_module_has_the_field_of_a_flow(method: Any, values: Any, order: int) -> None:
    with jax.enable_x64(True):
        x = start()
        for n in range(1, order + 1):
            equation = mf.modified_equation(method, n)
            flow = mf.Flow(equation, loss, parameters=values, steps=100)
            source = python_source(equation)
            field = made(source)
            names = argument_names(values)
            given = {names[name]: value for name, value in values.items()}
            steps = [0, 2, 7, 50]
            assert arguments(source)[3:] == [*(["k"] if "k" in arguments(source) else []), *given]
            for k in steps:
                at = {"k": k} if "k" in arguments(source) else {}
                assert gap(flow(k, x, 0.3), field(loss, x, 0.3, **at, **given)) < 3e-12, (n, k)


@pytest.mark.parametrize("method", [mf.HeavyBall(), ADAMS])
def test_the_function_can_be_compiled_batched_and_differentiated(method: Any) -> None:
    with jax.enable_x64(True):
        x, ks = start(), jnp.arange(5, dtype=jnp.int32)
        equation = mf.modified_equation(method, 3)
        given = dict.fromkeys(equation.ring.parameters, 0.5)
        field = jax.jit(made(python_source(equation)), static_argnums=0)
        flow = mf.Flow(equation, loss, parameters=given)
        together = jax.vmap(lambda k: field(loss, x, 0.3, k, **given))(ks)
        assert gap(jax.vmap(lambda k: flow(k, x, 0.3))(ks), together) < 1e-13

        def along_h(function: Any) -> Any:
            return jax.jvp(function, (0.3,), (1.0,))[1]

        a = along_h(lambda h: flow(2, x, h))
        assert gap(a, along_h(lambda h: field(loss, x, h, 2, **given))) < 1e-12
        if given:
            low, high = (field(loss, x, 0.3, 2, beta=0.5 + d) for d in (-1e-6, 1e-6))
            slope = jax.jvp(lambda b: field(loss, x, 0.3, 2, beta=b), (0.5,), (1.0,))[1]
            assert gap(slope, jax.tree.map(lambda u, v: (v - u) / 2e-6, low, high)) < 1e-7


def test_the_limit_and_one_step() -> None:
    equation = mf.modified_equation(mf.HeavyBall(0.9), 5)
    with jax.enable_x64(True):
        x = start()
        limit, late = python_source(equation, limit=True), python_source(equation, k=30)
        assert arguments(limit) == arguments(late) == ["loss", "x", "h"]
        flow = mf.Flow(equation.frozen(), loss)
        assert gap(flow(0, x, 1e-3), made(limit)(loss, x, 1e-3)) < 1e-13
        flow = mf.Flow(equation, loss)
        assert gap(flow(30, x, 1e-3), made(late)(loss, x, 1e-3)) < 1e-13
    assert "limit k → ∞" in limit
    assert "From step 30 to the next" in late
    symbolic = mf.modified_equation(mf.HeavyBall(), 2)
    assert arguments(python_source(symbolic, limit=True)) == ["loss", "x", "h", "beta"]
    only = python_source(mf.modified_equation(mf.HeavyBall(), 4, limit=True), limit=True)
    assert only == python_source(mf.modified_equation(mf.HeavyBall(), 4), limit=True)


def test_nothing_is_computed_twice() -> None:
    for order, limit in ((4, False), (7, True)):
        equation = mf.modified_equation(mf.HeavyBall(), order, limit=limit)
        source = python_source(equation)
        trees = [tree for tree, b in equation.elements() if b != 0]
        calls = re.findall(r"= derivative\(.*?\)+  # ", source)
        assert len(calls) == DifferentialPlan.of(trees).derivatives
        assert source.count("= f(x)") == 1
    assert "F_6 = derivative(F_2, F_1)  # f''(f'f,f)" in source
    assert "b_2 = -(beta + 1)/(2*(1 - beta)**3)  # f'f" in source


def test_trees_without_a_coefficient_cost_nothing() -> None:
    source = python_source(mf.modified_equation(mf.tableau("rk4"), 4))
    assert "derivative" not in source
    assert re.findall(r"b_\d+ =", source) == ["b_1 ="]
    nothing = mf.modified_equation(mf.GradientDescent(), 1).with_coefficients({mf.Tree(): 0})
    assert (
        gap(
            start(),
            jax.tree.map(jnp.add, start(), made(python_source(nothing))(loss, start(), 0.1)),
        )
        == 0
    )


def test_leaves_keep_their_precision() -> None:
    equation = mf.modified_equation(mf.HeavyBall(), 3)
    field = made(python_source(equation))
    wide = mf.Flow(equation, loss, parameters={"beta": 0.5})
    x = start(jnp.float32)
    assert gap(wide(3, x, 0.1), field(loss, x, 0.1, 3, 0.5)) < 1e-5
    with jax.enable_x64(True):
        given = field(loss, x, jnp.float64(0.1), jnp.int32(3), jnp.float64(0.5))
        assert {leaf.dtype for leaf in jax.tree.leaves(given)} == {jnp.dtype("float32")}
    # A number in place of an array.
    assert jnp.ndim(field(lambda y: y**2, 1.0, 0.1, 0, 0.5)) == 0


def test_long_numbers_are_floats() -> None:
    exact = mf.HeavyBall(Rational(12347, 10**5))
    equation = mf.modified_equation(exact, 3)
    source = python_source(equation)
    assert not re.search(r"(?<![.\d])\d{11,}(?![\d.])", source)
    x = start(jnp.float32)
    assert (
        gap(
            mf.Flow(equation, loss)(3, x, 0.1),
            jax.jit(made(source), static_argnums=0)(loss, x, 0.1, 3),
        )
        < 1e-5
    )
    late = python_source(equation, k=1000)
    assert max(map(len, late.splitlines())) < 100
    huge = mf.modified_equation(mf.GradientDescent(), 2).with_coefficients({mf.Tree(): 10**400})
    with pytest.raises(mf.ModflowError, match="too large"):
        python_source(huge)


def test_names_of_arguments() -> None:
    symbols = ["beta", "lambda", "lambda_", "x", "k_", "jax", "sum", "F_1", "b_12", "b1", "None"]
    found = argument_names([*symbols, "β₁", "β1", "2a", "a b", "ϵ", "ε", "", "f'"])
    assert list(found.values()) == [
        *(
            "beta",
            "lambda_",
            "lambda__",
            "x_",
            "k_",
            "jax_",
            "sum_",
            "F_1_",
            "b_12_",
            "b1",
            "None_",
        ),
        *("β1", "β1_", "_2a", "a_b", "ε", "ε_", "_", "f_"),
    ]
    source = python_source(mf.modified_equation(NAMED, 2))
    assert arguments(source) == ["loss", "x", "h", "k", "lambda_", "x_"]


@pytest.mark.parametrize("odd", ['"""', "\\", "a\nb", 'x"'])
def test_titles_do_not_break_the_module(odd: str) -> None:
    method = mf.RungeKutta(((0,),), (1,), title=odd)
    source = python_source(mf.modified_equation(method, 2))
    doc = ast.get_docstring(ast.parse(source))
    assert doc is not None
    assert doc.startswith(f"The modified equation of {' '.join(odd.split())}, order 2, for JAX.")
    assert doc.endswith(f"Generated by modflow {mf.__version__}.")
    assert "Hairer, Lubich & Wanner" in doc


def test_what_the_module_says_of_rounding() -> None:
    assert "terms up to 1e+03, cancel" in python_source(mf.modified_equation(mf.HeavyBall(0.9), 2))
    assert "The closed forms cancel" in python_source(mf.modified_equation(mf.HeavyBall(), 2))
    for source in (
        python_source(mf.modified_equation(ADAMS, 4)),
        python_source(mf.modified_equation(mf.HeavyBall(), 4), limit=True),
    ):
        assert "cancel" not in source


@pytest.mark.skipif(shutil.which("ruff") is None, reason="there is no ruff here")
@pytest.mark.parametrize(("method", "order"), [(mf.HeavyBall(), 5), (NAMED, 1), (mf.Nesterov(), 3)])
def test_linters_have_nothing_to_say(method: Any, order: int) -> None:
    source = python_source(mf.modified_equation(method, order))
    for command in (["check", "--select", "E9,F,B,E7", "--ignore", "B905"], ["format", "--check"]):
        done = subprocess.run(
            ["ruff", *command, "--isolated", "--stdin-filename", "made.py", "-"],
            input=source, text=True, capture_output=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr


def test_jax_is_not_imported() -> None:
    code = (
        "import sys; import modflow as mf; from modflow.export import *; "
        "equation = mf.modified_equation(mf.HeavyBall(), 2); "
        "python_source(equation), html_page(equation), latex_table(equation); "
        "assert 'jax' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"k": -1}, "a whole number from 0"),
        ({"k": 1.5}, "a whole number from 0"),
        ({"k": 1, "limit": True}, "exclude each other"),
        ({"limit": True}, "has no limit"),
    ],
)
def test_refusals(options: Any, why: str) -> None:
    with pytest.raises(mf.ModflowError, match=why):
        python_source(mf.modified_equation(NO_LIMIT, 2), **options)
    for write in (python_source, html_table, latex_table):
        with pytest.raises(mf.ModflowError, match="a modified equation is needed"):
            write("heavy-ball")  # type: ignore[operator]


# -- HTML ----------------------------------------------------------------------------------------

MATHML = "{http://www.w3.org/1998/Math/MathML}"


def rows_of(text: str) -> list[list[ElementTree.Element]]:
    table = ElementTree.fromstring(text)
    assert table.tag == "table"
    return [list(row) for row in table.iter("tr")]


def read(node: ElementTree.Element) -> sympy.Expr:
    """A formula from its MathML."""
    tag, children = node.tag.removeprefix(MATHML), list(node)
    if tag == "mn":
        return sympy.Rational(node.text)
    if tag == "mi":
        return sympy.Symbol({"β": "beta"}.get(node.text or "", node.text))
    if tag == "mfrac":
        return read(children[0]) / read(children[1])
    if tag == "msup":
        return read(children[0]) ** read(children[1])
    if tag == "msub":
        assert children[0].text == "δ"
        step, _, at = children[1]
        return sympy.KroneckerDelta(read(step), read(at))
    assert tag in ("mrow", "math"), tag
    total, product, sign = sympy.Integer(0), None, 1
    for child in children:
        mark = child.text if child.tag == f"{MATHML}mo" else None
        if mark in ("+", "−"):
            total += 0 if product is None else sign * product
            product, sign = None, 1 if mark == "+" else -1
        elif mark is None:
            product = read(child) * (1 if product is None else product)
        else:
            assert mark in "()\u2062⋅", mark
    assert product is not None
    return total + sign * product


@pytest.mark.parametrize(
    ("method", "order", "columns"),
    [
        (mf.GradientDescent(), 5, 1),
        (mf.HeavyBall(), 3, 2),
        (mf.HeavyBall(Rational(9, 10)), 4, 2),
        (ADAMS, 5, 2),
        (mf.HeavyBall(), 4, 1),
        (NO_LIMIT, 5, 1),
    ],
)
def test_tables_hold_the_coefficients(method: Any, order: int, columns: int) -> None:
    equation = mf.modified_equation(method, order)
    rows = rows_of(html_table(equation))
    assert {len(row) for row in rows} == {4 + columns}
    assert len(rows) == 1 + len(equation.coefficients)
    for (tree, b), row in zip(equation.coefficients.items(), rows[1:], strict=True):
        assert row[0][0].get("aria-label") == tree.bracket
        assert "".join(row[1].itertext()) == str(tree.order)
        name = "".join(row[2].itertext())
        for mark, primes in (("′", "'"), ("″", "''"), ("‴", "'''")):
            name = name.replace(mark, primes)
        assert name == tree.differential().replace("^{", "").replace("}", "")
        assert "".join(row[3].itertext()) == str(tree.symmetry)
        shown = [read(cell[0]) for cell in row[4:]]
        expected = [equation.limit[tree]] if method is not NO_LIMIT else [b]
        expected = [b, *expected] if columns == 2 else expected
        for a, c in zip(shown, expected, strict=True):
            assert equation.ring(a) == equation.ring(c)


def test_which_columns_a_table_has() -> None:
    equation = mf.modified_equation(mf.HeavyBall(), 4)

    def widths(**options: Any) -> int:
        return len(rows_of(html_table(equation, **options))[0])

    assert [widths(), widths(limit=True), widths(steps=False), widths(steps=True)] == [5, 5, 5, 6]
    assert "for finite k are left out" in html_table(equation)
    assert "left out" not in html_table(equation, limit=True) + html_table(equation, steps=True)
    assert "There is no limit" in html_table(mf.modified_equation(NO_LIMIT, 2))
    for options in ({"limit": True}, {"steps": False}):
        with pytest.raises(mf.ModflowError, match="has no limit"):
            html_table(mf.modified_equation(NO_LIMIT, 2), **options)  # type: ignore[arg-type]
    with pytest.raises(mf.ModflowError, match="exclude each other"):
        html_table(equation, limit=True, steps=True)
    only = mf.modified_equation(mf.HeavyBall(), 4, limit=True)
    assert html_table(only, limit=True) == html_table(equation, limit=True)
    assert latex_table(only, limit=True) == latex_table(equation, limit=True)


def test_floats_are_shown_as_such() -> None:
    text = html_table(mf.modified_equation(mf.HeavyBall(0.7), 2))
    values = [float(node.text or "") for node in ElementTree.fromstring(text).iter(f"{MATHML}mn")]
    assert 0.7 in values
    tiny = mf.modified_equation(mf.RungeKutta(((0,),), (1e-20,)), 1)
    assert (
        "<mn>1</mn><mo>&#8901;</mo><msup><mn>10</mn><mrow><mo>&#8722;</mo><mn>20</mn></mrow></msup>"
        in html_table(tiny)
    )


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_pages_are_valid_and_plain() -> None:
    symbol = sympy.Symbol("<b>&")
    method = mf.RungeKutta(((0,),), (symbol,), title="a <script> & more")
    page = html_page(mf.modified_equation(method, 2))
    assert page == html_page(mf.modified_equation(method, 2))
    assert page.isascii()
    assert "<script>" not in page
    assert "<title>a &lt;script&gt; &amp; more, order 2</title>" in page
    tags = Tags()
    tags.feed(page)
    assert tags.open == []
    root = ElementTree.fromstring(page.removeprefix("<!DOCTYPE html>\n"))
    assert symbol.name in [node.text for node in root.iter(f"{MATHML}mi")]
    assert html_table(mf.modified_equation(method, 2)) in page


# -- TeX -----------------------------------------------------------------------------------------


def test_latex_tables() -> None:
    equation = mf.modified_equation(mf.HeavyBall(), 3)
    text = latex_table(equation)
    assert text == latex_table(equation)
    assert text.startswith("% needs \\usepackage{array, booktabs, longtable, tikz}\n")
    for name in ("longtable", "tikzpicture"):
        assert text.count(rf"\begin{{{name}}}") == text.count(rf"\end{{{name}}}") > 0
    rows = text.split(r"\endlastfoot")[1].split(r"\end{longtable}")[0].split(r"\\\addlinespace")
    assert rows.pop().strip() == ""
    for (tree, limit), row in zip(equation.limit.items(), rows, strict=True):
        cells = row.split("&")
        assert cells[0].count(r"\fill") == tree.order
        assert cells[0].count(r"\draw") == tree.order - 1
        assert [cell.strip() for cell in cells[1:4]] == [
            *(str(tree.order), f"${tree.differential()}$", str(tree.symmetry))
        ]
        assert len(cells) == 6
        assert cells[5].count("{") == cells[5].count("}")
        assert cells[5].count("(") == str(sympy.latex(limit)).count(r"\left(")
    assert r"\left(" not in text
    assert r"\left(\frac{9}{10}\right)^{k}" in latex_table(
        mf.modified_equation(mf.HeavyBall(Rational(9, 10)), 1)
    )
    odd = latex_table(mf.modified_equation(mf.RungeKutta(((0,),), (1,), title=r"50% _x\{"), 1))
    assert r"50\% \_x\textbackslash{}\{, order 1" in odd
    assert "finite k are left out" in latex_table(mf.modified_equation(mf.HeavyBall(), 4))


# -- the terminal --------------------------------------------------------------------------------


def rendered(what: Any, width: int = 1000) -> list[str]:
    console = Console(width=width, file=io.StringIO(), color_system=None)
    with console.capture() as captured:
        console.print(what, soft_wrap=True, markup=False)
    return [line.rstrip() for line in captured.get().splitlines()]


def test_long_formulas_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    equation, shown = mf.modified_equation(mf.HeavyBall(), 6), []
    show = mf.ModifiedEquation._show

    def count(self: Any, element: Any) -> sympy.Expr:
        shown.append(show(self, element))
        return shown[-1]

    monkeypatch.setattr(mf.ModifiedEquation, "_show", count)
    lines = rendered(equation_view(equation))
    formulas = [line for line in lines if line.startswith("  b_k(")]
    assert [line.split(" = ")[0] for line in formulas] == [
        *("  b_k(f)", "  b_k(f'f)", "  b_k(f''(f,f))", "  b_k(f'f'f)")
    ]
    assert sum("33 longer ones are left out: --step K" in line for line in lines) == 1
    assert len([line for line in lines if "h^5" in line]) == 20
    assert max(map(len, lines)) < MAX_LENGTH
    # The table, four formulas and the modified loss; nothing that is not shown.
    assert len(shown) < 37 + 4 + 10
    at_step = "\n".join(rendered(equation_view(equation, 3)))
    assert at_step.count("  b_3(") == 37
    assert "left out" not in at_step


def test_short_formulas_are_shown_at_every_order() -> None:
    text = "\n".join(rendered(equation_view(mf.modified_equation(ADAMS, 5))))
    assert text.count("  b_k(") == 17
    assert "left out" not in text


@pytest.mark.parametrize("width", [80, 100, 120])
def test_formulas_fold_at_their_signs(width: int) -> None:
    equation = mf.modified_equation(mf.QuasiHyperbolicMomentum(), 6, limit=True)
    lines = rendered(equation_view(equation), width)
    head = next(i for i, line in enumerate(lines) if "times" in line)
    column = lines[head].index("b(τ)")
    table = lines[head + 2 : next(i for i, line in enumerate(lines) if "modified loss" in line)]
    assert max(map(len, table)) <= width
    whole = "".join(line[column:].strip() for line in table).replace(" ", "")
    assert whole == "".join(str(b) for b in equation.limit.values()).replace(" ", "")
    assert any(line[column:].startswith(("+ ", "- ")) for line in table)


def test_equations_without_a_limit_and_limits_alone() -> None:
    equation = mf.modified_equation(NO_LIMIT, 2)
    text = "\n".join(rendered(equation_view(equation)))
    assert "b_k(τ)" in text
    assert "(-1)**k + 1" in text
    assert "b_3(τ)" in "\n".join(rendered(equation_view(equation, 3)))
    with pytest.raises(mf.ModflowError, match="has no limit"):
        equation_view(equation, limit=True)
    both = mf.Composition((NO_LIMIT, mf.HeavyBall()))
    text = "\n".join(rendered(equation_view(mf.modified_equation(both, 4))))
    assert "…" in text
    assert "longer ones are left out" in text
    ball = mf.modified_equation(mf.HeavyBall(), 3)
    text = "\n".join(rendered(equation_view(ball, limit=True)))
    assert "b(τ) for k → ∞" in text
    assert "at step" not in text
