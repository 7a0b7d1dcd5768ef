"""The problems that the command line knows by name; each is made when it is asked for."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from ..errors import UnknownNameError
from . import classic, digits, networks, quadratic
from ._base import Problem

PROBLEMS: dict[str, Callable[[], Problem]] = {
    "two-layer": classic.two_layer,
    "rosenbrock": classic.rosenbrock,
    "quadratic": quadratic.quadratic,
    "digits-logistic": digits.logistic,
    "digits-tanh": digits.tanh_network,
    "digits-mlp": networks.mlp,
    "digits-resnet": networks.resnet,
    "digits-mlp-relu": partial(networks.mlp, networks.KINKED),
    "digits-resnet-relu": partial(networks.resnet, networks.KINKED),
}


def problem_named(name: str) -> Problem:
    """The problem of that name (see `PROBLEMS`).

    Raises UnknownNameError for another name, ModflowError where its data need a package
    that is not installed.
    """
    if name not in PROBLEMS:
        raise UnknownNameError("problem", name, PROBLEMS)
    return PROBLEMS[name]()
