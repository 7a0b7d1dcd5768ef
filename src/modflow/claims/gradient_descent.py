"""Section 3: gradient descent, the gradient flow (2) and the modified flow (3)."""

from __future__ import annotations

from collections.abc import Iterator

import sympy

from ..methods import GradientDescent
from ..modified import ModifiedEquation, modified_equation
from ..study import convergence_study
from ._evidence import CHAIN, NODE, Evidence, identity, order
from ._problems import real_losses
from ._registry import Given, claim

h = sympy.Symbol("h")
FLOW = {"regularizer": "h/4"}


def _printed(given: Given, order: int) -> ModifiedEquation:
    """The flows (2) and (3) as the paper prints them: -∇E, and -∇(E + h/4 ‖∇E‖²)."""
    derived = modified_equation(GradientDescent(), order)
    if order == 1:
        return derived.with_coefficients({NODE: 1})
    # ∇‖∇E‖² = 2 ∇²E ∇E = 2 f'f for f = -∇E.
    return derived.with_coefficients({NODE: 1, CHAIN: -2 * given.printed("regularizer") / h})


def _orders(given: Given, flow_order: int, *, local: bool) -> Iterator[Evidence]:
    # The order that is claimed for a flow; over one step its error has one power of h more.
    claimed = int(given.printed("order")) - (1 if local else 0)
    flow = _printed(given, flow_order)
    for problem in real_losses(given.full):
        study = convergence_study(GradientDescent(), problem, claimed, flow=flow, local=local)
        what = "one step" if local else "all steps up to T"
        yield order(f"{problem.name}, {what}", study)


@claim(
    "eq-3",
    source="Section 3, (3)",
    statement=r"\mathbf{x}'(t) = -\nabla \hat{E}(\mathbf{x}(t)), \quad"
    r" \hat{E}(\mathbf{x}) = E(\mathbf{x}) + \frac{h}{4} \|\nabla E(\mathbf{x})\|^2",
    printed=FLOW,
    expected="confirmed",
)
def equation_3(given: Given) -> Iterator[Evidence]:
    """The modified flow of gradient descent."""
    derived, flow = modified_equation(GradientDescent(), 2), _printed(given, 2)
    for tree, name in ((NODE, "f: that of E is 1"), (CHAIN, "h f'f: -2 times that of |grad E|^2")):
        yield identity(f"coefficient of {name}", derived, tree, flow.element(tree).to_sympy())


@claim(
    "sec-3-local-gradient-flow",
    source="Section 3, after (3)",
    statement=r"\mathbf{x}^{k+1} \text{ is } O(h^2) \text{ close to the original gradient flow (2)"
    r" evaluated at } t_{k+1}, \text{ from the same point } \mathbf{x}^k",
    printed={"order": "2"},
    expected="confirmed",
    cost=3,
)
def local_gradient_flow(given: Given) -> Iterator[Evidence]:
    """One step of gradient descent against the gradient flow."""
    yield from _orders(given, 1, local=True)


@claim(
    "sec-3-local-modified-flow",
    source="Section 3, after (3)",
    statement=r"\mathbf{x}^{k+1} \text{ is } O(h^3) \text{ close to the modified flow (3)"
    r" evaluated at } t_{k+1}, \text{ from the same point } \mathbf{x}^k",
    printed={**FLOW, "order": "3"},
    expected="confirmed",
    cost=4,
)
def local_modified_flow(given: Given) -> Iterator[Evidence]:
    """One step of gradient descent against the modified flow."""
    yield from _orders(given, 2, local=True)


@claim(
    "sec-3-global-gradient-flow",
    source="Section 3, after Definition 3.1",
    statement=r"\text{the original gradient flow (2) is } O(h)\text{-close to the GD trajectory}",
    printed={"order": "1"},
    expected="confirmed",
    cost=4,
)
def global_gradient_flow(given: Given) -> Iterator[Evidence]:
    """Gradient descent against the gradient flow over a fixed time."""
    yield from _orders(given, 1, local=False)


@claim(
    "sec-3-global-modified-flow",
    source="Section 3, after Definition 3.1",
    statement=r"\text{the modified flow (3) is } O(h^2)\text{-close to the GD trajectory}",
    printed={**FLOW, "order": "2"},
    expected="confirmed",
    cost=4,
)
def global_modified_flow(given: Given) -> Iterator[Evidence]:
    """Gradient descent against the modified flow over a fixed time."""
    yield from _orders(given, 2, local=False)
