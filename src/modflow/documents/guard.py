r"""No equality by accident: what TeX and text that nobody checks may not contain.

In a document ``=`` says that something was proved. Text written by hand may define (``:=``), bound
an index (``\sum_{j=0}^{k}``) and make an assumption (``\given{\beta = 0}``); whatever else says
that two things are equal has to be a step.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import Any

from ..errors import ModflowError

_TOKEN = re.compile(r"\\[A-Za-z]+|\\.|:=|.", re.DOTALL)
_EQUALITIES = {
    *(r"\eq", r"\equiv", r"\approx", r"\simeq", r"\cong", r"\doteq", r"\triangleq", r"\Equal"),
    *(r"\eqcirc", r"\approxeq", r"\fallingdotseq", r"\risingdotseq", r"\circeq", r"\bumpeq"),
    *(r"\eqqcolon", r"\Coloneqq", r"\Eqqcolon", r"\longequal", r"\eqsim", r"\Relbar"),
    *(r"\Bumpeq", r"\Doteq", r"\doteqdot", r"\eqcolon", r"\Eqcolon", r"\textequals"),
    *(r"\xlongequal", r"\thickapprox", r"\backsimeq", r"\thicksim"),
}
_SAYS_EQUAL = re.compile(r"\b(EQUALS?|IDENTICAL|EQUIVALENT)\b")
_SAYS_ELSE = re.compile(
    r"NOT\b|THAN\b|SUBSET|SUPERSET|SUBGROUP|PRECEDE|SUCCEED|SQUARE|NEITHER|ARROW"
)
_DIRECTIONS = {"+", "-", "+-"}
"""Symbols that SymPy has within limits."""
_ALIKE = "≐≘≙═゠⹀"
"""Signs of other names that look like an equals sign, or say the same."""
_HIDING = {
    *(r"\char", r"\symbol", r"\def", r"\gdef", r"\edef", r"\let", r"\newcommand", r"\unicode"),
    *(r"\renewcommand", r"\providecommand", r"\DeclareMathOperator", r"\input", r"\include"),
    *(r"\csname", r"\catcode", r"\mathchar", r"\mathchardef", r"\href", r"\url", r"\html"),
    *(r"\require", r"\begingroup", r"\write", r"\read", r"\openout", r"\immediate", r"\tag"),
    *(r"\xdef", r"\newenvironment", r"\string", r"\uppercase", r"\directlua", r"\special"),
    *("\0", "\1"),
}
_GREEK = (
    r"\\(?:var)?(?:alpha|beta|gamma|delta|epsilon|zeta|eta|theta|iota|kappa|lambda|mu|nu|xi|pi|rho"
    r"|sigma|tau|upsilon|phi|chi|psi|omega|Gamma|Delta|Theta|Lambda|Xi|Pi|Sigma|Phi|Psi|Omega|ell)"
    r"(?![A-Za-z])"
)
_ACCENT = r"\\(?:hat|tilde|bar|dot|ddot|mathbf|mathrm|mathcal|boldsymbol|operatorname)(?![A-Za-z])"
_INDEX = re.compile(rf"(?:[A-Za-z]|{_GREEK}|[\s,'])+")
"""What may be in front of the equals sign below a sum."""
_NAME = re.compile(
    rf"(?:{_GREEK}\s*|{_ACCENT}\s*(?=\{{)|{_ACCENT}\s*{_GREEK}|[A-Za-z])"
    r"(?:\{[A-Za-z]+\})?'*(?:[_^](?:\w|\\\w+|\{[^{}=]*\}))*"
)


def checked_math(tex: str) -> str:
    r"""The TeX to show, with ``\given{...}`` taken off; raises ModflowError for an equality.

    >>> checked_math(r"\given{\beta = 0}")
    '\\beta = 0'
    """
    out, at = "", 0
    while (start := tex.find(r"\given{", at)) >= 0:
        end = closing_brace(tex, start + len(r"\given"))
        assumption = tex[start + len(r"\given{") : end]
        left, sign, right = assumption.partition("=")
        before = tex[:start].rstrip()
        apart = not before or before.endswith((",", "(", ";"))
        if not (sign and apart and _NAME.fullmatch(left.strip())) or "=" in right:
            raise ModflowError(
                rf"\given{{{assumption}}} has to give one symbol a value, as \given{{\beta = 0}}"
            )
        _refuse_equalities(right, tex)
        out += tex[at:start] + "\0" + assumption + "\1"
        at = end + 1
    out += tex[at:]
    _refuse_equalities(re.sub("\0.*?\1", "", out, flags=re.DOTALL), tex)
    return out.replace("\0", "").replace("\1", "")


def closing_brace(tex: str, start: int) -> int:
    """Where the brace that opens at `start` is closed."""
    depth = 0
    for at in range(start, len(tex)):
        if tex[at] in "{}" and tex[at - 1] != "\\":
            depth += 1 if tex[at] == "{" else -1
            if depth == 0:
                return at
    raise ModflowError(f"a brace is not closed in {tex}")


def _refuse_equalities(tex: str, whole: str) -> None:
    """An equals sign is for an index only: right below a sum, a product, a limit or a list."""
    if "^^" in tex:
        raise ModflowError(f"^^ does not belong into the text of a document: ${whole}$")
    scripts = list[tuple[bool, int]]()
    """For each brace that is open whether it is an index of a name or a sign, and where it is."""
    last = ["", "", ""]
    for found in _TOKEN.finditer(tex):
        token = found.group()
        if token == "{":
            base = last[-2] if last[-1] == "_" else ""
            scripts.append(
                (bool(base) and not base.isdigit() and last[-3:-1] != ["{", "}"], found.end())
            )
        elif token == "}" and scripts:
            scripts.pop()
        elif token == "=" and scripts and scripts[-1][0]:
            if not _INDEX.fullmatch(tex[scripts[-1][1] : found.start()]):
                raise ModflowError(f"an equals sign below that bounds no index, in ${whole}$")
        elif token in _EQUALITIES or (len(token) == 1 and token != "≔" and _is_equality(token)):
            raise ModflowError(
                f"an equality that nobody checks, in ${whole}$: make it a step (equation), a "
                r"definition (:=), an assumption (\given{\beta = 0}) or a value ([[name]])"
            )
        elif token in _HIDING:
            raise ModflowError(f"{token} does not belong into the text of a document: ${whole}$")
        if not token.isspace():
            last = [*last[1:], token]


def checked_text(text: str) -> str:
    """Plain text; raises ModflowError for an equality or TeX in it."""
    if sign := next(filter(_is_equality, text), None):
        raise ModflowError(
            f"an equality that nobody checks, in the text {_around(text, sign)!r}: make it a "
            "step (equation), a definition (:=), or code between backticks"
        )
    return plain_text(text)


def plain_text(text: str) -> str:
    """Text without TeX in it, which would be shown as it is; raises ModflowError for some."""
    if found := re.search(r"\\[A-Za-z]+|\\[()\[\]]|\$", text):
        raise ModflowError(f"TeX outside of $...$, in the text {_around(text, found.group())!r}")
    return text


def checked_expression(expression: Any) -> Any:
    """A SymPy expression; raises ModflowError where what it shows says that two things are equal.

    A condition of a Piecewise says nothing: its case is for that.
    """
    from sympy import Eq, Function, Piecewise, Symbol

    bare = expression.replace(Piecewise, lambda *cases: sum((case[0] for case in cases), 0))
    for equality in bare.atoms(Eq):
        raise ModflowError(
            f"an equality that nobody checks, {equality.lhs} and {equality.rhs} in a SymPy Eq: "
            "give its sides to a step (equation, equal)"
        )
    names = {getattr(atom, "name", "") for atom in expression.atoms(Symbol)}
    for name in names - _DIRECTIONS | {str(f.func.__name__) for f in expression.atoms(Function)}:
        _checked_name(name)
    return expression


@lru_cache(maxsize=4096)
def _checked_name(name: str) -> None:
    _refuse_equalities(name, name)
    if not re.search(r"[^\W\d_]", name):
        raise ModflowError(f"the name {name!r} has no letter in it, and would be read as a number")


@lru_cache(maxsize=4096)
def _is_equality(sign: str) -> bool:
    name = unicodedata.name(sign, "")
    return sign in _ALIKE or bool(_SAYS_EQUAL.search(name) and not _SAYS_ELSE.search(name))


def _around(text: str, part: str) -> str:
    at = text.index(part)
    return " ".join(text[max(0, at - 30) : at + 30].split())
