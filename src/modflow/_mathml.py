"""Coefficients and elementary differentials in presentation MathML, each the content of a <mrow>.

SymPy's own printer writes the power (9/10)^k as 9^k/10^k, and, depending on its version, elements
that browsers no longer know.
"""

from __future__ import annotations

import html

import sympy

from .series import Tree

_TIMES = "\u2062"
"""The product sign that is not seen."""


def fenced(body: str) -> str:
    """In parentheses, which grow with fractions: those that may grow stand further off."""
    growing = "" if "<mfrac>" in body else ' stretchy="false"'
    return f"<mrow><mo{growing}>(</mo><mrow>{body}</mrow><mo{growing}>)</mo></mrow>"


def differential(tree: Tree) -> str:
    """F(τ), such as f″(f, f′f)."""
    m = len(tree.children)
    if m == 0:
        return "<mi>f</mi>"
    if m <= 3:
        head = f"<mi>f</mi><mo>{'′″‴'[m - 1]}</mo>"
    else:
        head = f"<msup><mi>f</mi>{fenced(f'<mn>{m}</mn>')}</msup>"
    inside = "<mo>,</mo>".join(differential(child) for child in tree.children)
    return head + (inside if m == 1 else fenced(inside))


def coefficient(expr: sympy.Expr) -> str:
    """A coefficient: sums of fractions of products, in the order of SymPy."""
    if not expr.is_Add:
        return _product(expr)
    first, *rest = expr.as_ordered_terms()
    signed = ((_is_negative(term), term) for term in rest)
    return _product(first) + "".join(
        f"<mo>{'−' if minus else '+'}</mo>{_product(term, unsigned=True)}" for minus, term in signed
    )


def _is_negative(term: sympy.Expr) -> bool:
    return bool(term.as_coeff_Mul()[0].is_negative)


def _product(expr: sympy.Expr, *, unsigned: bool = False) -> str:
    """A product as one fraction, or without its sign."""
    number, rest = expr.as_coeff_Mul()
    sign = "<mo>−</mo>" if number.is_negative and not unsigned else ""
    number = abs(number)
    above: list[sympy.Expr] = []
    below: list[sympy.Expr] = []
    for factor in rest.as_ordered_factors() if rest != 1 else []:
        base, power = factor.as_base_exp()
        divides = power.is_Integer and power.is_negative
        (below if divides else above).append(base**-power if divides else factor)
    if number.is_Rational:
        above = [sympy.Integer(number.p), *above] if number.p != 1 or not above else above
        below = [sympy.Integer(number.q), *below] if number.q != 1 else below
    else:
        above = [number, *above]
    if not below:
        return sign + _factors(above, alone=not sign and not unsigned)
    parts = "".join(f"<mrow>{_factors(part, alone=True)}</mrow>" for part in (above, below))
    return f"{sign}<mfrac>{parts}</mfrac>"


def _factors(factors: list[sympy.Expr], *, alone: bool) -> str:
    """Factors side by side; a single one that stands `alone` needs no parentheses."""
    if len(factors) == 1 and alone and factors[0].is_Add:
        return coefficient(factors[0])
    text = _factor(factors[0])
    for factor in factors[1:]:
        dot = factor.as_base_exp()[0].is_Integer  # digits beside digits
        text += f"<mo>{'⋅' if dot else _TIMES}</mo>{_factor(factor)}"
    return text


def _factor(expr: sympy.Expr) -> str:
    if isinstance(expr, sympy.Pow):
        base, power = expr.args
        bare = base.is_Symbol or (base.is_Integer and not base.is_negative)
        inside = _factor(base) if bare else fenced(coefficient(base))
        return f"<msup>{inside}<mrow>{coefficient(power)}</mrow></msup>"
    if isinstance(expr, sympy.KroneckerDelta):
        step, at = sorted(expr.args, key=lambda argument: bool(argument.is_Integer))
        inside = f"{coefficient(step)}<mo>,</mo>{coefficient(at)}"
        return f"<msub><mi>δ</mi><mrow>{inside}</mrow></msub>"
    if expr.is_Symbol:
        return f"<mi>{html.escape(sympy.pretty(expr, use_unicode=True))}</mi>"
    if expr.is_Float:
        digits, _, power = f"{float(expr):.15g}".partition("e")
        exponent = f"<mrow>{coefficient(sympy.Integer(power or 0))}</mrow>"
        scale = f"<mo>⋅</mo><msup><mn>10</mn>{exponent}</msup>" if power else ""
        return f"<mn>{digits}</mn>{scale}"
    if expr.is_Integer:
        return f"<mn>{expr}</mn>"
    return fenced(coefficient(expr))
