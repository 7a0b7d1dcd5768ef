"""The errors that modflow raises on purpose; the command line prints each as one line."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

_MAX_LISTED = 12


class ModflowError(ValueError):
    """A request that cannot be carried out; the message says what would be right."""


class UnknownNameError(ModflowError):
    """A name that is in no table; the message suggests the nearest one that is."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        names = sorted(known)
        near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
        hint = f"did you mean {near[0]!r}? " if near else ""
        # A long list would bury the hint, and one line is what an error has.
        listed = f"Known: {', '.join(names)}." if len(names) <= _MAX_LISTED or not near else ""
        super().__init__(f"unknown {kind} {name!r}: {hint}{listed}".rstrip())


class NotAGradient(ModflowError):
    """The modified field is not the gradient of any modified loss."""


class NotABSeries(ModflowError):
    """An update rule whose step is not a B-series in the powers of h."""
