r"""What a batch method does on average over the batches drawn, and how much that scatters.

At a fixed point, with gradients ∇E_j of M batches, mean ∇E, covariance C and
F = E‖∇E_j - ∇E‖² = tr C, the flow of step k is that of a force plus the gradient of an implicit
regularizer. The force is a sum Σ_r a_r ∇E_j(r) over the steps so far, the regularizer a quadratic
form h Σ_rs W_rs ⟨∇E_j(r), ∇E_j(s)⟩. So all that matters of the draws are the covariances
E(∇E_j(r) - ∇E)(∇E_j(s) - ∇E)ᵀ = ρ(r, s) C, and for r ≠ s

    independent   ρ = 0, the batch of every step drawn from all of them;
    shuffled      ρ = -1/(M-1) within an epoch and 0 between: each epoch a new permutation;
    once          ρ = -1/(M-1), but 1 where r - s is a multiple of M: one permutation, repeated.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cache
from typing import Any, Literal

import sympy

from ..errors import ModflowError, UnknownNameError
from ..grid import is_whole
from ..methods import GradientDescent, HeavyBall, Method
from ..rule import symbols_of
from ..series.render import latex_sum, with_floats
from ..series.symbols import K
from .epochs import (
    BETA,
    COUNT,
    EPOCH_POWER,
    PLACE_POWER,
    RATE,
    forgotten,
    in_epochs,
    over_past,
    over_past_steps,
    over_places,
    to_sympy,
)
from .equations import batch_equations

SAMPLINGS = ("independent", "shuffled", "once")
MEAN = "mean"
_INDICES = ("k", "M", "i", "e")

Position = int | Literal["mean"] | None


def force_covariance(
    method: Method | None = None,
    *,
    sampling: str = "independent",
    batches: int | None = None,
    step: int | None = None,
    limit: bool = False,
    position: Position = None,
) -> sympy.Expr:
    """The c with which c C is the covariance of a method's force at a fixed point.

    For the heavy ball, the method without any other: Σ_rs β^(2k-r-s) ρ(r, s), in closed form in
    k, and for epochs of M batches in e and i, where k = e M + i. `step` is a k that is known,
    `limit` the limit for k → ∞, or for e → ∞ at the position i in the epoch; `position` is an i
    that is known, or "mean" for the average over an epoch. `batches` is M where it is known.
    Other methods are treated at a given step.

    >>> force_covariance()
    (1 - beta**(k + 1))*(beta**(k + 1) + 1)/((1 - beta)*(beta + 1))
    >>> force_covariance(HeavyBall(0.5), limit=True)
    1.33333333333333
    >>> force_covariance(HeavyBall(0.5), sampling="once", batches=2, limit=True)
    0.444444444444444

    Raises ModflowError for what is no method, step, position or number of batches (two at
    least), for a step in epochs of an unknown number of batches, and for a method with neither
    closed form nor step; UnknownNameError for another sampling.
    """
    return _moments(method, sampling, batches, step, limit, position).covariance


def expected_regularizer(
    method: Method | None = None,
    *,
    sampling: str = "independent",
    batches: int | None = None,
    step: int | None = None,
    limit: bool = False,
    position: Position = None,
) -> ExpectedRegularizer:
    """The mean over the batches drawn of a method's implicit regularizer at a fixed point.

    For the heavy ball that is h/4 (‖∇G_k‖² + 2 Σ_{r<k} β^(k-r) ‖∇G_r‖²) with
    G_k = Σ_r β^(k-r) E_j(r), the IGRM_s of (10) in Ghosh et al. (ICLR 2023). The arguments, and
    what is raised, are as for `force_covariance`.

    >>> print(expected_regularizer(limit=True))
    h*((beta + 1)/(4*(1 - beta)**3)*|grad E|^2 + 1/(4*(1 - beta)**2)*F)
    >>> expected_regularizer(HeavyBall(0.5), sampling="shuffled", batches=2, step=3).variance
    0.425781250000000
    """
    found = _moments(method, sampling, batches, step, limit, position)
    return ExpectedRegularizer(found.force, found.gradient / 4, found.variance / 4)


@dataclass(frozen=True)
class ExpectedRegularizer:
    """h (gradient ‖∇E‖² + variance F), beside the mean force -`force` ∇E."""

    force: sympy.Expr
    """By which the other two are divided where a regularizer is counted per force."""
    gradient: sympy.Expr
    variance: sympy.Expr

    def latex(self) -> str:
        r"""As a TeX formula, F written as ``\mathbb{E}\|\nabla E_j - \nabla E\|^2``."""
        mean, scatter = r"\|\nabla E\|^2", r"\mathbb{E}\|\nabla E_j - \nabla E\|^2"
        return latex_sum([(self.gradient, 1, mean), (self.variance, 1, scatter)])

    def __str__(self) -> str:
        gradient, variance = (f"({c})" if c.is_Add else c for c in (self.gradient, self.variance))
        return f"h*({gradient}*|grad E|^2 + {variance}*F)"


@dataclass(frozen=True)
class _Moments:
    force: Any
    covariance: Any
    gradient: Any
    """Four times the coefficient of h ‖∇E‖²."""
    variance: Any
    """Four times that of h F."""


def _moments(
    method: Method | None, sampling: str, batches: Any, step: Any, limit: bool, position: Position
) -> _Moments:
    method = HeavyBall() if method is None else method
    _check(method, sampling, batches, step, limit, position)
    epochs = sampling != "independent"
    beta = 0 if isinstance(method, GradientDescent) else getattr(method.exact(), "beta", None)
    if beta == 0 and isinstance(method, GradientDescent | HeavyBall):
        found = _Moments(*[sympy.Integer(1)] * 4)  # no memory: every sampling is the same
    elif isinstance(method, HeavyBall):
        terms = _in_epochs(sampling, limit, position == MEAN) if epochs else _in_steps(limit)
        values = _values(batches, step, position, epochs)
        # First the powers, then β: 2^-k is one power as it is written, β^k is one of β.
        found = _each(terms, lambda term: _valued(term, values).subs({_SYMBOL: beta}))
    elif step is None:
        raise ModflowError(
            f"closed forms are known for the heavy ball alone: give {method.label} a step"
        )
    else:
        found = _by_series(method, sampling, batches, int(step))
    return _each(found, with_floats) if method.is_inexact else found


def _each(moments: _Moments, function: Any) -> _Moments:
    return _Moments(*(function(getattr(moments, spec.name)) for spec in fields(moments)))


# -- the heavy ball in closed form -------------------------------------------------------------

_SYMBOL = BETA.as_expr()


@cache
def _in_steps(limit: bool) -> _Moments:
    """For independent draws, in k, which stands in the place of i."""
    terms = _drift(), _squares(), *(t + 2 * over_past_steps(t) for t in (_drift() ** 2, _squares()))
    return _Moments(*(to_sympy(forgotten(t, "q") if limit else t) for t in terms))


@cache
def _in_epochs(sampling: str, limit: bool, mean: bool) -> _Moments:
    """For draws without replacement, in e and i."""
    force = _drift()
    gradient = force**2 + 2 * over_past_steps(force**2)
    covariance = _shuffled() if sampling == "shuffled" else _once()
    variance = covariance + 2 * over_past(covariance)
    terms = [in_epochs(force), covariance, in_epochs(gradient), variance]
    if limit:
        terms = [forgotten(t, "Q") for t in terms]
    if mean:
        terms = [over_places(t, COUNT, RATE) / COUNT for t in terms]
    return _Moments(*map(to_sympy, terms))


def _drift() -> Any:
    """Σ β^n over n ≤ i."""
    return (1 - BETA * PLACE_POWER) / (1 - BETA)


def _squares() -> Any:
    """Σ β^(2n) over n ≤ i."""
    return (1 - BETA**2 * PLACE_POWER**2) / (1 - BETA**2)


def _without_replacement(squares: Any, total: Any) -> Any:
    """Σ_p w_p² - Σ_{p≠q} w_p w_q/(M-1), the variance of the sum Σ_p w_p g_p over a permutation."""
    return (COUNT * squares - total**2) / (COUNT - 1)


def _shuffled() -> Any:
    """This epoch up to the position i, and the e whole ones before it: all independent."""
    whole = _without_replacement((1 - RATE**2) / (1 - BETA**2), (1 - RATE) / (1 - BETA))
    before = (1 - EPOCH_POWER**2) / (1 - RATE**2)  # Σ P^(2j) over j < e
    here = _without_replacement(_squares(), _drift())
    return here + BETA**2 * PLACE_POWER**2 * before * whole


def _once() -> Any:
    """The batch of position p ≤ i has the weight β^(i-p) Σ_{j≤e} P^j, of p > i
    β^(M+i-p) Σ_{j<e} P^j."""
    seen = (1 - RATE * EPOCH_POWER) ** 2 / (1 - RATE) ** 2 * _squares()
    rest = (BETA**2 * PLACE_POWER**2 - RATE**2) / (1 - BETA**2)  # Σ β^(2n) over i < n < M
    seen += (1 - EPOCH_POWER) ** 2 / (1 - RATE) ** 2 * rest
    return _without_replacement(seen, in_epochs(_drift()))


def _valued(term: sympy.Expr, values: dict[Any, Any]) -> sympy.Expr:
    """With β^(k+1) for β q, and so on."""
    return sympy.powsimp(term.subs(values), combine="exp", deep=True)


def _values(batches: Any, step: Any, position: Position, epochs: bool) -> dict[Any, Any]:
    """q, Q, P, M, i and e as expressions in β and in what is not known."""
    beta, q, Q, P, M, i, e = BETA.field.symbols
    if not epochs:
        k = K if step is None else sympy.Integer(int(step))
        return {q: beta**k, i: k}
    count = M if batches is None else sympy.Integer(int(batches))
    place, epoch = i, e
    if step is not None:
        epoch, place = (sympy.Integer(n) for n in divmod(int(step), int(batches)))
    elif position is not None and position != MEAN:
        place = sympy.Integer(int(position))
    found = {q: beta**place, Q: beta ** (count * epoch), P: beta**count}
    return {**found, M: count, i: place, e: epoch}


# -- any method at a given step ----------------------------------------------------------------


def _by_series(method: Method, sampling: str, batches: int | None, step: int) -> _Moments:
    """From the coefficients of f_r and of h f_r' f_s where every step has a batch of its own.

    With f_j = -∇E_j, E f_r' f_s is f' f + ρ(r, s) (E f_j' f_j - f' f), and f' f = ∇‖∇E‖²/2:
    a field h Σ b_rs f_r' f_s is on average -∇ of -h/2 (Σ b_rs ‖∇E‖² + Σ ρ(r, s) b_rs F).
    """
    field = batch_equations(method, 2, range(step + 1))[-1]
    force = dict.fromkeys(range(step + 1), sympy.Integer(0))
    products: dict[Any, sympy.Expr] = {}
    for tree, b in field.coefficients.items():
        if tree.order == 1:
            force[tree.colour] = b
        else:
            products[tree.colours] = b
    rho = {(r, s): correlation(sampling, batches, r, s) for r in force for s in force}
    return _Moments(
        sympy.factor(sum(force.values())),
        sympy.factor(sum(rho[r, s] * a * b for r, a in force.items() for s, b in force.items())),
        sympy.factor(-2 * sum(products.values())),
        sympy.factor(-2 * sum(rho[pair] * b for pair, b in products.items())),
    )


def correlation(sampling: str, batches: int | None, r: int, s: int) -> sympy.Rational:
    """ρ(r, s) of the gradients drawn at the steps r and s, as the module has it."""
    if sampling == "independent" or batches is None:
        return sympy.Integer(r == s)
    if sampling == "shuffled" and r // batches != s // batches:
        return sympy.Integer(0)
    return sympy.Integer(1) if (r - s) % batches == 0 else sympy.Rational(-1, batches - 1)


# -- what is asked for -------------------------------------------------------------------------


def _check(method: Any, sampling: Any, batches: Any, step: Any, limit: bool, position: Any) -> None:
    if not isinstance(method, Method):
        raise ModflowError(f"a method is needed, such as HeavyBall(); got {method!r}")
    for symbol in symbols_of(method):
        if symbol.name in _INDICES:
            raise ModflowError(
                f"a parameter cannot be called {symbol.name!r}: k, M, i and e count steps, "
                "batches, positions and epochs"
            )
    if sampling == "cyclic":
        raise ModflowError(
            "cyclic batches are not drawn, so nothing is to be averaged: 'once' is the mean over "
            "the orders that they could have"
        )
    if sampling not in SAMPLINGS:
        raise UnknownNameError("sampling", str(sampling), SAMPLINGS)
    if batches is not None and (not is_whole(batches) or batches < 2):
        raise ModflowError(f"batches that differ are two at least; got {batches!r}")
    if step is not None and (not is_whole(step) or step < 0):
        raise ModflowError(f"a step number is a whole number from 0; got {step!r}")
    if step is not None and (limit or position is not None):
        raise ModflowError("a step has its position, and is no limit: give one of them")
    if sampling == "independent":
        if position is not None:
            raise ModflowError("independent draws have no epochs, and no positions in these")
        return
    if step is not None and batches is None:
        raise ModflowError("which epoch a step is in needs the number of batches")
    if position is None or position == MEAN:
        return
    if not is_whole(position) or position < 0 or (batches is not None and position >= batches):
        last = "M-1" if batches is None else batches - 1
        raise ModflowError(f"a position is 'mean' or a whole number 0..{last}; got {position!r}")
