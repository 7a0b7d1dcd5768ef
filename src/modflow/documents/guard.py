r"""No equality by accident: what TeX and text that nobody checks may not contain.

In a document ``=`` says that something was proved. Text written by hand may define (``:=``), bound
an index (``\sum_{j=0}^{k}``) and make an assumption (``\given{\beta = 0}``); whatever else says
that two things are equal has to be a step.
"""

from __future__ import annotations

import re

from ..errors import ModflowError

_TOKEN = re.compile(r"\\[A-Za-z]+|\\.|:=|.", re.DOTALL)
_EQUALITIES = {
    *("=", "≡", "≈", "≃", "≅", "≐", "＝", "∼="),
    *(r"\eq", r"\equiv", r"\approx", r"\simeq", r"\cong", r"\doteq", r"\triangleq", r"\Equal"),
    *(r"\eqcirc", r"\approxeq", r"\fallingdotseq", r"\risingdotseq", r"\circeq", r"\bumpeq"),
    *(r"\eqqcolon", r"\Coloneqq", r"\Eqqcolon", r"\longequal", r"\eqsim"),
}
_HIDING = {
    *(r"\char", r"\symbol", r"\def", r"\gdef", r"\edef", r"\let", r"\newcommand", r"\unicode"),
    *(r"\renewcommand", r"\providecommand", r"\DeclareMathOperator", r"\input", r"\include"),
    *(r"\csname", r"\catcode", r"\mathchar", r"\mathchardef", r"\href", r"\url", r"\html"),
    *(r"\require", r"\begingroup", r"\write", r"\read", r"\openout", r"\immediate", r"\tag"),
}
_NAME = re.compile(
    r"(?:\\(?!given)[A-Za-z]+\s*|[A-Za-z])(?:\{[A-Za-z]+\})?'*(?:[_^](?:\w|\\\w+|\{[^{}=]*\}))*"
)


def checked_math(tex: str) -> str:
    r"""The TeX to show, with ``\given{...}`` taken off; raises ModflowError for an equality.

    >>> checked_math(r"\given{\beta = 0}")
    '\\beta = 0'
    """
    out, at = "", 0
    while (start := tex.find(r"\given{", at)) >= 0:
        end = _closing(tex, start + len(r"\given"))
        assumption = tex[start + len(r"\given{") : end]
        left, sign, right = assumption.partition("=")
        if not sign or "=" in right or not _NAME.fullmatch(left.strip()):
            raise ModflowError(
                rf"\given{{{assumption}}} has to give one symbol a value, as \given{{\beta = 0}}"
            )
        _refuse_equalities(right, tex)
        out += tex[at:start] + "\0" + assumption + "\1"
        at = end + 1
    out += tex[at:]
    _refuse_equalities(re.sub("\0.*?\1", "", out, flags=re.DOTALL), tex)
    return out.replace("\0", "").replace("\1", "")


def _closing(tex: str, start: int) -> int:
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
    tokens, scripts = _TOKEN.findall(tex), list[bool]()
    before = ""
    for token in tokens:
        if token == "{":
            scripts.append(before == "_")
        elif token == "}" and scripts:
            scripts.pop()
        elif token in _EQUALITIES and not (token == "=" and scripts and scripts[-1]):
            raise ModflowError(
                f"an equality that nobody checks, in ${whole}$: make it a step (equation), a "
                r"definition (:=), an assumption (\given{\beta = 0}) or a value ([[name]])"
            )
        elif token in _HIDING:
            raise ModflowError(f"{token} does not belong into the text of a document: ${whole}$")
        if not token.isspace():
            before = token


def checked_text(text: str) -> str:
    """Plain text; raises ModflowError for an equality or TeX in it."""
    for sign in "=≡≈≃≅≐＝":
        if sign in text:
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


def _around(text: str, part: str) -> str:
    at = text.index(part)
    return " ".join(text[max(0, at - 30) : at + 30].split())
