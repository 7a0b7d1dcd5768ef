"""A modified equation for other programs: a Python module for JAX, tables for HTML and TeX.

`python_source` writes the vector field as a module that needs JAX and nothing of modflow;
`html_table`, `html_page` and `latex_table` write its trees and coefficients. The text depends on
the arguments (and the version of modflow) alone. Nothing here imports JAX.
"""

from __future__ import annotations

import keyword
import math
import unicodedata
from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import Any

import sympy
from sympy.printing.str import StrPrinter

from . import __version__
from ._tables import html_page, html_table, latex_table, plain
from .errors import ModflowError
from .modified import ModifiedEquation, _step_number
from .series import ClosedForm, Tree, trees_up_to

_INT32 = 1 << 31
_LINE_LENGTH = 88


def python_source(equation: ModifiedEquation, *, limit: bool = False, k: int | None = None) -> str:
    """The source of a Python module with one function, the field F_k in JAX.

    The function is ``modified_field(loss, x, h, k, beta)``, with the symbols of the equation in
    their order in place of beta, and without k where nothing depends on it, for the limit k → ∞
    and for one step k. It returns F_k(x), a pytree like x, for `loss` a function from such pytrees
    to scalars; it can be compiled, differentiated and batched in all arguments but the loss.
    Elementary differentials are nested Jacobian-vector products, as in `flows`: each is computed
    once, and those that differ in one branch are collected by linearity. A symbol whose name is
    taken or no identifier gets another, with an underscore: ``lambda_``.

    Coefficients are the closed forms, in floating point: at the first steps they lose digits by
    cancellation (a `Flow` does not), which the module says, too.

    Raises ModflowError for a k that is no step, for both k and `limit`, and where there is no
    limit.
    """
    if not isinstance(equation, ModifiedEquation):
        raise ModflowError(f"a modified equation is needed; got {equation!r}")
    if limit and k is not None:
        raise ModflowError("the limit and the coefficients of one step exclude each other")
    step = None if k is None else _step_number(k)
    elements: dict[Tree, ClosedForm] = {}
    for tree, b in equation.elements():
        value = (b.limit() if limit else b if step is None else b.at(step)).reduced()
        if value != 0:
            elements[tree] = value
    varies = not all(value.is_constant for value in elements.values())
    names = argument_names(equation.ring.parameters)
    signature = ", ".join(["loss", "x", "h", *(["k"] if varies else []), *names.values()])
    return "\n".join(
        [
            *_module_docstring(equation, elements, limit, step, varies),
            "",
            "import jax",
            "import jax.numpy as jnp",
            "",
            "",
            f"def modified_field({signature}):",
            *(f"    {line}".rstrip() for line in _function(equation, elements, names, varies)),
            "",
        ]
    )


def argument_names(symbols: Iterable[str]) -> dict[str, str]:
    """Names for these symbols as arguments of the generated function, by the symbols' names.

    A name that the function needs for itself, or that Python reserves, gets a trailing
    underscore, and what cannot stand in an identifier becomes one.
    """
    found: dict[str, str] = {}
    for symbol in symbols:
        # Python itself reads identifiers in this normal form.
        text = unicodedata.normalize("NFKC", symbol)
        name = "".join(c if f"_{c}".isidentifier() else "_" for c in text)
        name = name if name.isidentifier() else f"_{name}"
        while name in _TAKEN or _is_numbered(name) or name in found.values():
            name += "_"
        found[symbol] = name
    return found


_TAKEN = {
    *keyword.kwlist,
    *("__debug__", "loss", "x", "h", "k", "f", "jax", "jnp", "derivative", "combine", "sum", "zip"),
    "modified_field",
}


def _is_numbered(name: str) -> bool:
    """Whether it is a name such as F_1, b_1 or v_1 of a local variable."""
    return name[:2] in ("F_", "b_", "v_") and name[2:].isdigit()


# -- the module ----------------------------------------------------------------------------------


def _module_docstring(
    equation: ModifiedEquation,
    elements: Mapping[Tree, ClosedForm],
    limit: bool,
    step: int | None,
    varies: bool,
) -> list[str]:
    n = equation.order
    method = " ".join(str(equation.method).split()).replace("\\", r"\\").replace('"', r"\"")
    when, error = "The", f"h^{n} over a fixed time"
    if limit:
        when = "Once the coefficients have come to their limit k → ∞, the"
    elif step is not None:
        when, error = f"From step {step} to the next, at t = {step} h, the", f"h^{n + 1}"
    elif varies:
        when = "On [t, t + h] with t = k h and k = 0, 1, 2, ..., the"
    lines = [
        f'"""The modified equation of {method}, order {n}, for JAX.',
        "",
        f"{when} iterates of the method on a loss follow",
        "",
        "    x' = Σ h^(|τ|-1) / σ(τ) · b(τ) · F(τ)(x),    f = -∇loss,",
        "",
        f"up to an error of order {error}. The trees τ with symmetry σ(τ), the",
        "elementary differentials F(τ), named in comments, and the coefficients b(τ) are",
        "normalised as in Hairer, Lubich & Wanner, Geometric Numerical Integration, chapters",
        "III.1 and IX.9. Trees without a term have b(τ) = 0.",
        "",
    ]
    if varies and (size := _largest_term(elements)) is not None:
        lines += [
            f"The closed forms{size} cancel at the first steps, the more",
            "the higher the order and the slower the memory decays. Float64 is needed: enable",
            "jax_enable_x64, or give k and the other numbers as Python numbers.",
            "",
        ]
    return [*lines, f"Generated by modflow {__version__}.", '"""']


def _largest_term(elements: Mapping[Tree, ClosedForm]) -> str | None:
    """A phrase on the largest term at k = 0, if parameters are numbers; None if it is small."""
    largest = Fraction(0)
    for element in elements.values():
        if element.ring.parameters:
            return ""
        terms, _ = element.terms({})
        largest = max([largest, *(abs(c) for (power, _), c in terms.items() if power == 0)])
    return f", with terms up to {float(largest):.0e}," if largest >= 100 else None


def _function(
    equation: ModifiedEquation,
    elements: Mapping[Tree, ClosedForm],
    names: Mapping[str, str],
    varies: bool,
) -> list[str]:
    """The body of the generated function, without indentation."""
    inner, groups = _plan(elements)
    number = {tree: i for i, tree in enumerate(trees_up_to(equation.order), 1)}
    lines = [
        '"""The field F_k at x, a pytree like x.',
        "",
        "loss: a function from pytrees like x to scalars; x: a pytree of arrays of floats;",
        "h: the step size" + "; k: the step, from 0" * varies + ". All numbers may be traced.",
        '"""',
        "x = jax.tree.map(jnp.asarray, x)",
    ]
    if not elements:
        return [*lines, "return jax.tree.map(jnp.zeros_like, x)"]
    if varies:
        lines.append("k = 1.0 * k  # powers of an integer would overflow")
    lines += ["", *_F.splitlines()]
    if inner[1:] or groups:
        lines += ["", *_DERIVATIVE.splitlines()]
    lines += ["", *_COMBINE.splitlines()]

    printer = _Printer(names)
    lines += ["", "# The coefficients b(τ).", "# fmt: off"]
    for tree, value in elements.items():
        closed_form = printer.doprint(_without_long_numbers(value.to_sympy()))
        lines.append(f"b_{number[tree]} = {closed_form}  # {plain(tree)}")

    def weighted(tree: Tree, of: Tree) -> str:
        return f"({_weight(tree, number[tree])}, F_{number[of]})"

    def arguments(trees: Iterable[Tree]) -> list[str]:
        return [f"F_{number[tree]}" for tree in trees]

    lines += ["# fmt: on", "", "# The elementary differentials F(τ)(x).", "# fmt: off"]
    for tree in inner:
        made = f"derivative({', '.join(arguments(tree.children))})" if tree.children else "f(x)"
        lines.append(f"F_{number[tree]} = {made}  # {plain(tree)}")
    terms = [weighted(tree, tree) for tree in inner if tree in elements]
    singles = [tree for _, found in groups for tree in found if len(found) == 1]
    for tree in singles:
        made = f"derivative({', '.join(arguments(tree.children))})"
        lines.append(f"F_{number[tree]} = {made}  # {plain(tree)}")
        terms.append(weighted(tree, tree))
    several = [(rest, found) for rest, found in groups if len(found) > 1]
    if several:
        lines.append("# Derivatives are linear: one for all trees that differ in one branch.")
    for i, (rest, found) in enumerate(several, 1):
        summed = ", ".join(weighted(tree, tree.children[0]) for tree in found)
        made = ", ".join([*arguments(rest), f"combine({summed})"])
        lines.append(f"v_{i} = derivative({made})  # {' and '.join(map(plain, found))}")
        terms.append(f"(1, v_{i})")
    return [*lines, "# fmt: on", "", *_call("return combine", terms)]


def _weight(tree: Tree, number: int) -> str:
    """h^(|τ|-1) / σ(τ) · b(τ) in Python."""
    power = {1: "", 2: "h"}.get(tree.order, f"h**{tree.order - 1}")
    scale = power if tree.symmetry == 1 else f"{power} / {tree.symmetry}"
    return f"{scale} * b_{number}" if scale else f"b_{number}"


def _call(name: str, arguments: list[str]) -> list[str]:
    """A call on one line, or one line for each argument."""
    line = f"{name}({', '.join(arguments)})"
    if len(line) + 4 <= _LINE_LENGTH:
        return [line]
    return [f"{name}(", *(f"    {argument}," for argument in arguments), ")"]


_F = """\
def f(y):
    return jax.tree.map(jnp.negative, jax.grad(loss)(y))"""

_DERIVATIVE = '''\
def derivative(*directions):
    """f^(m)(x) in these m directions, by nested forward derivatives."""

    def nested(y, along):
        if not along:
            return f(y)
        return jax.jvp(lambda z: nested(z, along[1:]), (y,), along[:1])[1]

    return nested(x, directions)'''

_COMBINE = '''\
def combine(*terms):
    """Σ c v over pairs (c, v) of a number and a pytree."""

    def total(*leaves):
        value = sum(c * leaf for (c, _), leaf in zip(terms, leaves))
        return value.astype(leaves[0].dtype)

    return jax.tree.map(total, *(v for _, v in terms))'''


def _plan(
    trees: Iterable[Tree],
) -> tuple[list[Tree], list[tuple[tuple[Tree, ...], list[Tree]]]]:
    """The trees whose F is needed by itself, ascending, and the others by all children but one.

    The first are the single vertex, if it has a coefficient, and all that occur inside others.
    """
    wanted = list(trees)
    inner = {tree for tree in wanted if not tree.children}
    todo = [child for tree in wanted for child in tree.children]
    while todo:
        tree = todo.pop()
        if tree not in inner:
            inner.add(tree)
            todo += tree.children
    groups: dict[tuple[Tree, ...], list[Tree]] = {}
    for tree in wanted:
        if tree not in inner:
            groups.setdefault(tree.children[1:], []).append(tree)
    return sorted(inner), list(groups.items())


class _Printer(StrPrinter):  # type: ignore[misc]
    """SymPy's own notation, which is Python, for numbers that may meet arrays."""

    def __init__(self, names: Mapping[str, str]) -> None:
        super().__init__()
        self._names = names

    def _print_Symbol(self, expr: Any) -> str:
        return self._names.get(expr.name, expr.name)

    def _print_KroneckerDelta(self, expr: Any) -> str:
        step, at = sorted(expr.args, key=lambda argument: bool(argument.is_Integer))
        return f"(1.0 * ({self._print(step)} == {self._print(at)}))"

    def _print_Float(self, expr: Any) -> str:
        value = float(expr)
        if math.isinf(value):
            raise ModflowError("a coefficient of the equation is too large for floating point")
        return repr(value)


def _without_long_numbers(expr: sympy.Expr) -> sympy.Expr:
    """Floats in place of long numbers: without float64, JAX takes no integer beyond 32 bits."""
    numbers = expr.atoms(sympy.Rational)
    return expr.xreplace({r: sympy.Float(r, 30) for r in numbers if max(abs(r.p), r.q) >= _INT32})


__all__ = ["html_page", "html_table", "latex_table", "python_source"]
