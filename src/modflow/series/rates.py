"""When different products of decay rates are equal, as (1/2)² and 1/4."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import sympy

if TYPE_CHECKING:
    from .closed_form import ClosedFormRing


def multiplicative_rank(ring: ClosedFormRing) -> int:
    """How many of the rates are independent: no product of powers of those is 1."""
    rows = []
    for rate in ring.rates:
        content, factors = ring._factored(rate.numerator)
        row: Counter[Any] = Counter(factors)
        row.subtract(rate._exponents)
        for n, sign in ((abs(content), 1), (rate.denominator, -1)):
            row.update({("prime", p): sign * e for p, e in sympy.factorint(n).items()})
        rows.append(row)
    columns = list(dict.fromkeys(key for row in rows for key in row))
    return int(sympy.Matrix([[row[key] for key in columns] for row in rows]).rank())


def compositions(total: int, parts: int) -> Iterator[tuple[int, ...]]:
    """All tuples of that many whole numbers from 0 with that sum, largest first."""
    if parts < 2:
        if parts or not total:
            yield (total,) * parts
        return
    for first in range(total, -1, -1):
        for rest in compositions(total - first, parts - 1):
            yield (first, *rest)
