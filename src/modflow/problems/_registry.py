"""The problems that the command line knows by name; each is made when it is asked for."""

from __future__ import annotations

from collections.abc import Callable

from ..errors import UnknownNameError
from . import classic, digits, quadratic
from ._base import Problem

PROBLEMS: dict[str, Callable[[], Problem]] = {
    "two-layer": classic.two_layer,
    "rosenbrock": classic.rosenbrock,
    "quadratic": quadratic.quadratic,
    "digits-logistic": digits.logistic,
    "digits-tanh": digits.tanh_network,
}


def problem_named(name: str) -> Problem:
    """The problem of that name (see `PROBLEMS`).

    Raises UnknownNameError for another name, ModflowError where its data need a package
    that is not installed.
    """
    if name not in PROBLEMS:
        raise UnknownNameError("problem", name, PROBLEMS)
    return PROBLEMS[name]()
