"""The losses that numeric evidence is gathered on: a formula, and a network on real data."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

from ..problems import Problem, problem_named
from ..problems.digits import logistic, tanh_network

_SAMPLES, _HIDDEN, _BATCHES, _EACH = 48, 4, 10, 2
"""Small enough that the whole audit is a matter of seconds: orders and constants are those of any
smooth loss, and `modflow sweep` shows them on the larger networks."""


@cache
def real_losses(full: bool = False) -> tuple[Problem, ...]:
    """The two-layer model of section 4.1, and a small tanh network on the digits; in full also
    Rosenbrock's function, logistic regression and a larger network on all digits."""
    network = tanh_network(_SAMPLES, _HIDDEN)
    small = problem_named("two-layer"), replace(network, name=f"digits-tanh-{_SAMPLES}", sizes=8)
    larger = ("rosenbrock", "digits-logistic", "digits-tanh") if full else ()
    return *small, *(problem_named(name) for name in larger)


@cache
def batched_losses() -> tuple[Problem, Problem]:
    """Logistic regression, from 0 as (8) has it, and a tanh network: digits in ten batches."""
    samples = _BATCHES * _EACH
    both = logistic(samples), tanh_network(samples, _HIDDEN)
    return both[0].split(_BATCHES), both[1].split(_BATCHES)
