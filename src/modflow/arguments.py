"""What the command line's arguments mean."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sympy

from .errors import ModflowError
from .grid import parse_number
from .methods import Method, method_named

DEFAULT_BETA = "0.9"


def read_method(name: str, beta: str | None, settings: Sequence[str]) -> Method:
    """The method of that name, with --beta and the values of --set NAME=VALUE.

    A value is a number, or numbers with commas between for a parameter that has several. Raises
    ModflowError for a parameter that the method does not have, and for no number.
    """
    method = method_named(name)
    values = dict(_setting(text) for text in settings)
    if len(values) < len(settings):
        raise ModflowError("--set gives one parameter two values")
    if beta is not None:
        if "beta" not in method.parameters:
            names = ", ".join(f"--set {name}=" for name in method.parameters)
            has = f"; it has {names}" if names and not _is_tableau(method) else ""
            raise ModflowError(f"{method.label} has no momentum: leave out --beta{has}")
        if "beta" in values:
            raise ModflowError("--beta and --set beta= exclude each other")
        values["beta"] = parse_number(beta, "--beta")
    return method.replace(**values)


def with_numbers(method: Method) -> Method:
    """The method with the default momentum, where it has one and no value for it.

    Raises ModflowError for any other parameter without a value.
    """
    if isinstance(method.parameters.get("beta"), sympy.Symbol):
        method = method.replace(beta=parse_number(DEFAULT_BETA, "--beta"))
    for name, value in method.parameters.items():
        parts = value if isinstance(value, tuple) else (value,)
        if any(isinstance(part, sympy.Symbol) for part in parts):
            several = "0,0.9" if isinstance(value, tuple) else "0.5"
            raise ModflowError(
                f"{method.label} needs a number for {name}, as in --set {name}={several}"
            )
    return method


def _setting(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not (equals and name.strip() and value.strip()):
        raise ModflowError(f"--set {text!r}: write --set NAME=VALUE, as in --set nu=0.7")
    numbers = [parse_number(part, f"--set {name.strip()}") for part in value.split(",")]
    return name.strip(), numbers[0] if len(numbers) == 1 else tuple(numbers)


def _is_tableau(method: Method) -> bool:
    return "A" in method.parameters
