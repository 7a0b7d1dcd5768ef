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
from .proofs import prove
from .quantities import unfolded
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


Earlier = Callable[[str], tuple[Any, ...]]
"""The sides of the equation with this label; raises ModflowError for one that is not there."""


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
    """Both sides are those of an earlier equation, with other things put for its symbols."""

    label: str
    values: Mapping[Any, Any] = field(default_factory=dict)

    def prove(self, left: Any, right: Any, modulo: Modulo, earlier: Earlier) -> Proved:
        """See `Rule`."""
        values = {sympy.sympify(a): sympy.sympify(b) for a, b in self.values.items()}
        source = [unfolded(side).subs(values, simultaneous=True) for side in earlier(self.label)]
        prove(left, source[0], modulo=modulo)
        prove(right, source[-1], modulo=modulo)
        shown = ", ".join(rf"\given{{{typeset(a)} = {typeset(b)}}}" for a, b in values.items())
        return Proved(f"@{self.label}" + (f", ${shown}$" if shown else ""), "substitution")


@dataclass(frozen=True)
class Theorem(Rule):
    """A stated theorem with its reference, and `cases` of it that are proved besides.

    Each case is a substitution for symbols of both sides, such as {n: 3}, that leaves an identity.
    There has to be one, as a slip in what is shown could not be noticed otherwise.
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
        for case in self.cases:
            values = {sympy.sympify(a): sympy.sympify(b) for a, b in case.items()}
            prove(
                unfolded(left).subs(values).doit(),
                unfolded(right).subs(values).doit(),
                modulo=modulo,
            )
        return Proved(f"{self.name} {self.reference}", "theorem")


@dataclass(frozen=True)
class Induction(Rule):
    """Both sides agree at the start, and grow alike from each k to the next."""

    symbol: sympy.Symbol
    start: int = 0

    def prove(self, left: Any, right: Any, modulo: Modulo, earlier: Earlier) -> Proved:
        """See `Rule`."""
        k = self.symbol
        left, right = unfolded(left), unfolded(right)
        prove(left.subs(k, self.start).doit(), right.subs(k, self.start).doit(), modulo=modulo)
        prove(left.subs(k, k + 1) - left, right.subs(k, k + 1) - right, modulo=modulo)
        return Proved(f"induction on ${typeset(k)}$", "induction")
