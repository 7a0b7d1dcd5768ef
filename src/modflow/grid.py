"""Numbers and grids as people write them: 9/10, 2^-5, 2^-5:2^-11, 0.1,0.05."""

from __future__ import annotations

import math
import numbers
import re
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from .errors import ModflowError

MIN_SIZES = 3
_EXAMPLES = "2^-5:2^-11 or 0.1,0.05,0.025"
_MAX_SIZES = 64
_POWER = re.compile(r"2\s*(?:\^|\*\*)\s*([+-]?\d{1,4})", re.ASCII)
# Three digits of exponent: what float64 holds, and no number that takes hours to write out.
_NUMBER = re.compile(r"[+-]?(\d+/\d+|(\d+\.?\d*|\.\d+)(e[+-]?\d{1,3})?)", re.ASCII | re.IGNORECASE)
_LARGEST = Fraction(2) ** 1000


def is_whole(value: Any) -> bool:
    """Whether it is an integer, Python's or NumPy's; a bool is none."""
    return isinstance(value, numbers.Integral) and not isinstance(value, bool)


def parse_number(text: str, name: str) -> Fraction:
    """A decimal, a fraction or a power of two, exactly.

    >>> parse_number("0.9", "--beta"), parse_number("2^-3", "--h")
    (Fraction(9, 10), Fraction(1, 8))

    Raises ModflowError, with `name` in it, for anything else and for numbers beyond 2^±1000.
    """
    bare = text.strip()
    power = _POWER.fullmatch(bare)
    try:
        if power:
            value = Fraction(2) ** int(power[1])
        elif len(bare) <= 100 and _NUMBER.fullmatch(bare):
            value = Fraction(bare)
        else:
            raise ValueError
    except (ValueError, ZeroDivisionError):
        shown = repr(text if len(text) <= 40 else text[:37] + "...")
        raise ModflowError(f"{name} {shown} is not a number: write 0.9, 9/10 or 2^-5") from None
    if value and not 1 / _LARGEST <= abs(value) <= _LARGEST:
        raise ModflowError(f"{name} {bare} is out of range: at least 2^-1000, at most 2^1000")
    return value


def parse_grid(text: str) -> list[float]:
    """Step sizes from `2^-5:2^-11`, every power of two between, or from a comma list.

    >>> parse_grid("2^-1:2^-4"), parse_grid("0.2,0.1,1/20")
    ([0.5, 0.25, 0.125, 0.0625], [0.2, 0.1, 0.05])

    Raises ModflowError for anything else.
    """
    if not text.strip():
        raise ModflowError(f"--h is empty: write {_EXAMPLES}")
    if ":" not in text:
        parts = text.split(",")
        if not all(part.strip() for part in parts):
            raise ModflowError(f"--h {text!r} has an empty entry: write {_EXAMPLES}")
        return [float(parse_number(part, "--h")) for part in parts]
    ends = [_POWER.fullmatch(part.strip()) for part in text.split(":")]
    if len(ends) != 2 or None in ends:
        raise ModflowError(f"--h {text!r} is not a grid: write {_EXAMPLES}")
    first, last = (int(match[1]) for match in ends if match)
    if abs(first - last) >= _MAX_SIZES:
        raise ModflowError(f"--h {text!r} has more than {_MAX_SIZES} step sizes")
    step = 1 if last >= first else -1
    return [float(parse_number(f"2^{e}", "--h")) for e in range(first, last + step, step)]


def check_step_sizes(step_sizes: Sequence[float]) -> tuple[float, ...]:
    """The sizes as floats, coarsest first.

    Raises ModflowError unless they are at least three, positive, finite, and strictly
    monotone.
    """
    try:
        sizes = [float(h) for h in step_sizes]
    except (TypeError, ValueError, OverflowError):
        raise ModflowError(f"step sizes must be numbers; got {step_sizes!r}") from None
    if len(sizes) < MIN_SIZES:
        raise ModflowError(
            f"a study needs at least three step sizes, better six or more; got {len(sizes)}"
        )
    for h in sizes:
        if not (math.isfinite(h) and h > 0):
            raise ModflowError(f"step sizes must be positive and finite; got {h:g}")
    if len(set(sizes)) < len(sizes):
        twice = next(h for h in sizes if sizes.count(h) > 1)
        raise ModflowError(f"the step size {twice:g} is given twice")
    if sizes not in (sorted(sizes), sorted(sizes, reverse=True)):
        raise ModflowError("step sizes must be sorted, such as 0.1,0.05,0.025")
    return tuple(sorted(sizes, reverse=True))
