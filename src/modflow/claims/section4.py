"""Section 4: heavy-ball momentum, Theorem 4.1."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from ..methods import HeavyBall
from ..modified import ModifiedEquation, modified_equation
from ..study import convergence_study
from ._registry import CHAIN, NODE, PROBLEMS, Evidence, claim, identity, order

BETAS = (Fraction(0), Fraction(1, 2), Fraction(9, 10))

# As printed, in k and beta. The coefficient of the h-term in (4) multiplies -h ∇²E ∇E, which
# is -h f'f for f = -∇E.
DRIFT = "(1 - beta**(k+1)) / (1 - beta)"
GAMMA = "((1 - beta**(2*k+2)) - 4*(k+1)*beta**(k+1)*(1-beta)/(1+beta))"
REGULARIZER = f"-{GAMMA} * (1+beta) / (2*(1-beta)**3)"
# (5): x' = -(1/(1-β)) ∇Ê with Ê = E + (1+β)h/(4(1-β)²) ‖∇E‖², and ∇‖∇E‖² = 2 f'f.
LIMIT_DRIFT = "1/(1-beta)"
LIMIT_REGULARIZER = "-(1/(1-beta)) * 2 * (1+beta)/(4*(1-beta)**2)"


def printed_flow() -> ModifiedEquation:
    """The piecewise flow (4), from the formulas as they are printed."""
    derived = modified_equation(HeavyBall(), 2)
    return derived.with_coefficients({NODE: DRIFT, CHAIN: REGULARIZER})


@claim(
    "thm-4.1-drift",
    source="Theorem 4.1, (4)",
    statement=r"\tilde{\mathbf{x}}'(t) = -\frac{1-\beta^{k+1}}{1-\beta}"
    r"\nabla E(\tilde{\mathbf{x}}(t)) - \ldots",
    expected="confirmed",
)
def drift() -> Iterator[Evidence]:
    """The coefficient of the gradient in (4)."""
    yield identity("coefficient of f", modified_equation(HeavyBall(), 2), NODE, DRIFT)


@claim(
    "thm-4.1-gamma",
    source="Theorem 4.1, (4) and gamma",
    statement=r"\ldots - \frac{h\gamma(1+\beta)}{2(1-\beta)^3}"
    r"\nabla^2 E(\tilde{\mathbf{x}}(t))\nabla E(\tilde{\mathbf{x}}(t)), \quad"
    r" \gamma = (1 - \beta^{2k+2}) - 4(k+1)\beta^{k+1}\frac{(1-\beta)}{(1+\beta)}",
    expected="confirmed",
)
def gamma() -> Iterator[Evidence]:
    """The coefficient of the Hessian-gradient product in (4)."""
    yield identity("coefficient of h f'f", modified_equation(HeavyBall(), 2), CHAIN, REGULARIZER)


@claim(
    "thm-4.1-order",
    source="Theorem 4.1",
    statement=r"\text{the (GD+M) updates are } O(h^2) \text{ close to the flow of the continuous"
    r" trajectory of the piecewise first-order ODE (4)}",
    expected="confirmed",
)
def theorem_order() -> Iterator[Evidence]:
    """The flow (4), as printed, against the iterates."""
    flow = printed_flow()
    for problem in PROBLEMS:
        for beta in BETAS:
            study = convergence_study(HeavyBall(beta), problem, flow=flow)
            yield order(f"{problem}, beta = {float(beta):g}", study)


@claim(
    "eq-5-coefficients",
    source="Theorem 4.1, (5)",
    statement=r"\tilde{\mathbf{x}}'(t) = -\frac{1}{1-\beta}\nabla \hat{E}(\tilde{\mathbf{x}}(t)),"
    r" \quad \hat{E} = E + \frac{(1+\beta)h}{4(1-\beta)^2}\|\nabla E\|_2^2"
    r" \text{ is the limit of (4) for large } k",
    expected="confirmed",
)
def reduced_equation() -> Iterator[Evidence]:
    """The limit of the coefficients, not yet the bound (6) for the reduced flow."""
    limit = modified_equation(HeavyBall(), 2).frozen()
    yield identity("limit of the coefficient of f", limit, NODE, LIMIT_DRIFT)
    yield identity("limit of the coefficient of h f'f", limit, CHAIN, LIMIT_REGULARIZER)
