"""The coefficients b_k(τ) of a modified equation in many digits, as functions of the step k."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

import flint

from .balls import BallRing
from .modified import ModifiedEquation
from .series import Tree

_LIMIT = (0, Fraction(1))


class Coefficients:
    """b_k(τ) of some trees, by the functions k^i μ^k of k that they are combinations of.

    Functions are sorted by the step at which they have faded, the last first: from there on
    their part in every b_k(τ) is below 2^-bits of its limit (of its largest term, where the
    limit is 0).
    """

    def __init__(
        self,
        equation: ModifiedEquation,
        trees: Sequence[Tree],
        values: Mapping[str, Fraction],
        bits: int,
    ) -> None:
        columns: list[dict[Any, Fraction]] = []
        self.trees: list[Tree] = []
        for tree in trees:
            terms, tail = equation.element(tree).terms(values)
            if terms or tail:
                self.trees.append(tree)
                columns.append({**terms, **{("at", k): c for k, c in tail.items()}})
        keys = {key for column in columns for key in column}
        ends = {key: _fading(key, columns, bits + math.log2(len(keys) or 1)) for key in keys}
        self.functions = sorted(keys, key=lambda key: (-ends[key], key != _LIMIT))
        self.ends = [ends[key] for key in self.functions]
        self.rows = [[column.get(key, Fraction(0)) for column in columns] for key in self.functions]

    def active(self, k: int) -> int:
        """How many functions have not faded at step k."""
        return sum(end > k for end in self.ends)

    def is_settled(self, k: int) -> bool:
        """Whether the coefficients of step k are those of all later steps."""
        return all(key == _LIMIT for key in self.functions[: self.active(k)])

    def row(self, k: int, ring: BallRing) -> list[Any]:
        """The functions that are active at step k."""
        found = []
        for key in self.functions[: self.active(k)]:
            if key[0] == "at":
                found.append(flint.arb(int(key[1] == k)))
            else:
                i, mu = key
                found.append(ring.constant(mu) ** k * k**i)
        return found


def _fading(key: Any, columns: Sequence[dict[Any, Fraction]], bits: float) -> float:
    """The first step from which a function of k no longer matters."""
    if key[0] == "at":
        return int(key[1]) + 1
    i, mu = key
    if key == _LIMIT or abs(mu) >= 1:
        return math.inf
    if mu == 0:
        return 1
    share = max(
        _log2(column[key]) - _log2(column.get(_LIMIT) or max(column.values(), key=abs))
        for column in columns
        if key in column
    )
    rate = math.log1p(float(abs(mu) - 1)) / math.log(2) if abs(mu) > 0.5 else _log2(mu)
    k = max(1.0, -i / (rate * math.log(2)))
    while share + i * math.log2(k) + k * rate > -bits:
        k = 1.02 * k + 1
    return math.ceil(k)


def _log2(value: Fraction) -> float:
    return math.log2(abs(value.numerator)) - math.log2(value.denominator)
