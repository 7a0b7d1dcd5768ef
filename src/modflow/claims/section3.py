"""Section 3: gradient descent, the gradient flow (2) and the modified flow (3)."""

from __future__ import annotations

from collections.abc import Iterator

from ..methods import GradientDescent
from ..modified import ModifiedEquation, modified_equation
from ..study import convergence_study
from ._registry import CHAIN, NODE, PROBLEMS, Evidence, claim, identity, order


def _printed(order: int) -> ModifiedEquation:
    """The flows (2) and (3) as the paper prints them: -∇E, and -∇(E + h/4 ‖∇E‖²)."""
    derived = modified_equation(GradientDescent(), order)
    # ∇‖∇E‖² = 2 ∇²E ∇E = 2 f'f for f = -∇E, so -∇ of h/4 ‖∇E‖² is -(h/2) f'f.
    formula = {NODE: "1", CHAIN: "-1/2"}
    return derived.with_coefficients({t: c for t, c in formula.items() if t.order <= order})


def _orders(flow_order: int, *, local: bool) -> Iterator[Evidence]:
    for problem in PROBLEMS:
        study = convergence_study(
            GradientDescent(), problem, flow=_printed(flow_order), local=local
        )
        what = "one step" if local else "all steps up to T"
        yield order(f"{problem}, {what}", study)


@claim(
    "eq-3",
    source="Section 3, (3)",
    statement=r"\mathbf{x}'(t) = -\nabla \hat{E}(\mathbf{x}(t)), \quad"
    r" \hat{E}(\mathbf{x}) = E(\mathbf{x}) + \frac{h}{4} \|\nabla E(\mathbf{x})\|^2",
    expected="confirmed",
)
def equation_3() -> Iterator[Evidence]:
    """The modified flow of gradient descent."""
    derived = modified_equation(GradientDescent(), 2)
    yield identity("coefficient of f: that of E is 1", derived, NODE, "1")
    yield identity("coefficient of h f'f: that of h |grad E|^2 is 1/4", derived, CHAIN, "-2/4")


@claim(
    "sec-3-local-gradient-flow",
    source="Section 3, after (3)",
    statement=r"\mathbf{x}^{k+1} \text{ is } O(h^2) \text{ close to the original gradient flow (2)"
    r" evaluated at } t_{k+1}, \text{ from the same point } \mathbf{x}^k",
    expected="confirmed",
)
def local_gradient_flow() -> Iterator[Evidence]:
    """One step of gradient descent against the gradient flow."""
    yield from _orders(1, local=True)


@claim(
    "sec-3-local-modified-flow",
    source="Section 3, after (3)",
    statement=r"\mathbf{x}^{k+1} \text{ is } O(h^3) \text{ close to the modified flow (3)"
    r" evaluated at } t_{k+1}, \text{ from the same point } \mathbf{x}^k",
    expected="confirmed",
)
def local_modified_flow() -> Iterator[Evidence]:
    """One step of gradient descent against the modified flow."""
    yield from _orders(2, local=True)


@claim(
    "sec-3-global-gradient-flow",
    source="Section 3, after Definition 3.1",
    statement=r"\text{the original gradient flow (2) is } O(h)\text{-close to the GD trajectory}",
    expected="confirmed",
)
def global_gradient_flow() -> Iterator[Evidence]:
    """Gradient descent against the gradient flow over a fixed time."""
    yield from _orders(1, local=False)


@claim(
    "sec-3-global-modified-flow",
    source="Section 3, after Definition 3.1",
    statement=r"\text{the modified flow (3) is } O(h^2)\text{-close to the GD trajectory}",
    expected="confirmed",
)
def global_modified_flow() -> Iterator[Evidence]:
    """Gradient descent against the modified flow over a fixed time."""
    yield from _orders(2, local=False)
