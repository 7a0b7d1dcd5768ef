"""How a displayed equality is proved, and what the margin says of it.

Without a rule it is an identity: both sides agree for what their names stand for. A rule says
more: which earlier equation it follows from, or on which theorem it rests.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sympy

from ..errors import ModflowError
from .proofs import NotProved, prove
from .quantities import Quantity, unfolded
from .reading import is_index, may_be
from .typeset import typeset

Modulo = tuple[sympy.Symbol, int] | None


@dataclass(frozen=True)
class Proved:
    """What the margin shows, as Markdown, and under which heading it is counted."""

    mark: str
    kind: str


class Rule(ABC):
    """A way to prove that two sides are equal."""

    @abstractmethod
    def prove(self, left: Any, right: Any, modulo: Modulo, earlier: Earlier) -> Proved:
        """Raises NotProved where they are not, ModflowError where the rule cannot be used."""


@dataclass(frozen=True)
class Shown:
    """The sides of an equation that was shown, and up to which order the last one agrees."""

    sides: tuple[Any, ...]
    modulo: Modulo = None


Earlier = Callable[[str], Shown]
"""The equation with this label; raises ModflowError for one that is not there."""


@dataclass(frozen=True)
class Identity(Rule):
    """Both sides agree for what their names stand for."""

    def prove(self, left: Any, right: Any, modulo: Modulo, earlier: Earlier) -> Proved:
        """See `Rule`."""
        how = prove(left, right, modulo=modulo).how
        if how.startswith("first"):
            how = f"identity, {how}"
        return Proved(how, "expansion" if how.startswith("mod") else "identity")


@dataclass(frozen=True)
class Substitution(Rule):
    """Both sides are those of an earlier equation, with other things put for its symbols.

    These have to be of the kind for which that was proved: whole numbers ≥ 0 for k, |β| < 1, real
    numbers, what SymPy's assumptions say; or else the equation has to hold there by itself.
    """

    label: str
    values: Mapping[Any, Any] = field(default_factory=dict)

    def prove(self, left: Any, right: Any, modulo: Modulo, earlier: Earlier) -> Proved:
        """See `Rule`."""
        values = {sympy.sympify(a): sympy.sympify(b) for a, b in self.values.items()}
        if fixed := [a for a in values if not a.is_Symbol or isinstance(a, Quantity)]:
            raise ModflowError(
                f"{fixed[0]} is no symbol that something can be put for: it stands for what it was "
                "defined as"
            )
        shown = earlier(self.label)
        if shown.modulo is not None:
            h, n = shown.modulo
            if modulo is None or modulo[0] != h or modulo[1] > n or _is_in(h, values):
                raise ModflowError(
                    f"{self.label} holds up to O({h}^{n}): what follows needs modulo=({h}, {n}), "
                    f"and {h} as it is"
                )
        source = [unfolded(side).subs(values, simultaneous=True) for side in shown.sides]
        if not all(may_be(a, unfolded(b)) for a, b in values.items()):
            prove(source[0], source[-1], modulo=modulo)
        prove(left, source[0], modulo=modulo)
        prove(right, source[-1], modulo=modulo)
        put = ", ".join(rf"\given{{{typeset(a)} = {typeset(b)}}}" for a, b in values.items())
        return Proved(f"@{self.label}" + (f", ${put}$" if put else ""), "substitution")


@dataclass(frozen=True)
class Theorem(Rule):
    """A stated theorem with its reference, and `cases` of it that are proved besides.

    Each case puts numbers for symbols of both sides, such as {n: 3}, and leaves an identity. There
    has to be one that is more than 0 = 0, as a slip in what is shown would pass unnoticed.
    """

    name: str
    reference: str
    """A citation such as ``[@isserlis1918]``."""
    cases: Sequence[Mapping[Any, Any]]

    def prove(self, left: Any, right: Any, modulo: Modulo, earlier: Earlier) -> Proved:
        """See `Rule`; raises NotProved for a case that contradicts it; cases are needed."""
        if not (self.reference.startswith("[@") or self.reference.startswith("@")):
            raise ModflowError(f"the theorem {self.name!r} needs a reference such as [@key, place]")
        if not self.cases:
            raise ModflowError(f"the theorem {self.name!r} needs cases=[...] that can be checked")
        said = False
        for case in self.cases:
            values = {sympy.sympify(a): sympy.sympify(b) for a, b in case.items()}
            if not all(a.is_Symbol and b.is_number for a, b in values.items()):
                raise ModflowError(f"a case of {self.name!r} puts numbers for symbols; got {case}")
            here, there = (unfolded(side).subs(values) for side in (left, right))
            prove(here, there, modulo=modulo)
            said = said or not _vanishes(here)
        if not said:
            raise ModflowError(f"all cases of {self.name!r} are 0 = 0, which any slip leaves true")
        return Proved(f"{self.name} {self.reference}", "theorem")


@dataclass(frozen=True)
class Induction(Rule):
    """Both sides agree at the start, and grow alike from each k to the next."""

    symbol: sympy.Symbol
    start: int = 0

    def prove(self, left: Any, right: Any, modulo: Modulo, earlier: Earlier) -> Proved:
        """See `Rule`."""
        k = self.symbol
        if not is_index(k):
            raise ModflowError(
                f"no induction on {k}: it is no whole number ≥ 0, such as k without assumptions"
            )
        left, right = unfolded(left), unfolded(right)
        prove(left.subs(k, self.start), right.subs(k, self.start), modulo=modulo)
        prove(left.subs(k, k + 1) - left, right.subs(k, k + 1) - right, modulo=modulo)
        since = rf" \ge {self.start}" if self.start else ""
        return Proved(f"induction on ${typeset(k)}{since}$", "induction")


def _is_in(symbol: Any, values: Mapping[Any, Any]) -> bool:
    return symbol in values or any(symbol in unfolded(b).free_symbols for b in values.values())


def _vanishes(side: Any) -> bool:
    try:
        prove(side, sympy.zeros(*side.shape) if side.is_Matrix else sympy.Integer(0))
    except NotProved:
        return False
    return True
