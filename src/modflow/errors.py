"""The errors that modflow raises on purpose; the command line prints each as one line."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .series import Tree

_MAX_LISTED = 12


class ModflowError(ValueError):
    """A request that cannot be carried out; the message says what would be right."""


class UnknownNameError(ModflowError):
    """A name that is in no table; the message suggests the nearest one that is."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        import difflib

        names = sorted(known)
        near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
        hint = f"did you mean {near[0]!r}? " if near else ""
        # A long list would bury the hint, and one line is what an error has.
        listed = f"Known: {', '.join(names)}." if len(names) <= _MAX_LISTED or not near else ""
        if not names:
            listed = "there is none"
        super().__init__(f"unknown {kind} {name!r}: {hint}{listed}".rstrip())


class NotAGradient(ModflowError):
    """The modified field is not the gradient of any modified loss.

    `pair` are the first two trees whose coefficients would have to agree, and do not; up to
    the powers of h below their order less one, a modified loss exists.
    """

    def __init__(self, message: str, pair: tuple[Tree, Tree]) -> None:
        super().__init__(message)
        self.pair = pair


class NotABSeries(ModflowError):
    """An update rule whose step is not a B-series in the powers of h."""


def first_line(error: BaseException) -> str:
    """What an error of another library says, in one line; its name where it says nothing."""
    return str(error).splitlines()[0] if str(error) else type(error).__name__
