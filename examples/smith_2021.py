"""Claims of Smith, Dherin, Barrett & De, *On the Origin of Implicit Regularization in Stochastic
Gradient Descent* (ICLR 2021), as a set that modflow checks:

    modflow verify --claims examples/smith_2021.py

An epoch of SGD goes once through m batches, in an order drawn at random, with the losses C_0, ...,
C_(m-1), their mean C, and the step size epsilon. The paper's result is about the mean of the last
iterate over all m! orders.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import permutations

import numpy as np
import sympy
from scipy.integrate import solve_ivp

from modflow.claims import ClaimSet, Evidence, Given, equal, rate

paper = ClaimSet("smith-2021", "Smith, Dherin, Barrett & De, ICLR 2021")

N, B, m, epsilon = sympy.symbols("N B m epsilon")
REGULARIZER = {"regularizer": "epsilon/(4*m)"}


# -- exact: what a step of order epsilon^2 needs of the losses are their gradients and Hessians --


def losses(count: int, dim: int = 2) -> tuple[list[sympy.Matrix], list[sympy.Matrix]]:
    """Gradients and Hessians of any losses at a point, as symbols."""
    gradients = [sympy.Matrix(sympy.symbols(f"g{j}_:{dim}")) for j in range(count)]
    hessians = [
        sympy.Matrix(dim, dim, lambda a, b, j=j: sympy.Symbol(f"H{j}_{min(a, b)}{max(a, b)}"))
        for j in range(count)
    ]
    return gradients, hessians


def mean_epoch(count: int) -> sympy.Matrix:
    """The coefficient of epsilon^2 in the mean of the last iterate over all orders."""
    gradients, hessians = losses(count)
    total, orders = sympy.zeros(2, 1), list(permutations(range(count)))
    for order in orders:
        moved = sympy.zeros(2, 1)  # by so much times epsilon, before this batch
        for j in order:
            total -= hessians[j] * moved
            moved -= gradients[j]
    return total / len(orders)


def flow_of(count: int, regularizer: sympy.Expr) -> sympy.Matrix:
    """The same for the flow of C + regularizer * sum |grad C_k|^2, after the time m epsilon."""
    gradients, hessians = losses(count)
    gradient = sum(gradients, sympy.zeros(2, 1)) / count
    hessian = sum(hessians, sympy.zeros(2, 2)) / count
    pull = sum((2 * H * g for g, H in zip(gradients, hessians, strict=True)), sympy.zeros(2, 1))
    weight = regularizer.subs(m, count) / epsilon
    return count**2 * hessian * gradient / 2 - count * weight * pull


@paper.claim(
    "mean-iterate",
    source="Section 1, the main result",
    statement=r"\mathbb{E}(\omega_m) = \omega(m\epsilon) + O(m^3\epsilon^3), \quad \dot\omega ="
    r" -\nabla\tilde{C}_{SGD}, \quad \tilde{C}_{SGD} = C + \frac{\epsilon}{4m} \sum_{k=0}^{m-1}"
    r" \|\nabla\hat{C}_k\|^2",
    printed=REGULARIZER,
)
def mean_iterate(given: Given) -> Iterator[Evidence]:
    """To the order epsilon^2 mean and flow are the same, for any losses."""
    for count in (2, 3, 4):
        derived, printed = mean_epoch(count), flow_of(count, given.printed("regularizer"))
        for i in range(2):
            yield equal(f"epsilon^2 of component {i}, {count} batches", derived[i], printed[i])


# -- numeric: four samples on the model of Barrett & Dherin, all 24 orders --

X, Y = np.array([1.0, -0.5, 0.8, 1.4]), np.array([0.6, 0.1, 1.0, 0.3])
START = np.array([1.1, 0.7])
STEPS = [0.2 / 2**i for i in range(8)]


def gradient(w: np.ndarray, k: int) -> np.ndarray:
    """Of C_k(w) = (y_k - w_1 w_2 x_k)^2 / 2."""
    return -(Y[k] - w[0] * w[1] * X[k]) * X[k] * w[::-1]


def hessian(w: np.ndarray, k: int) -> np.ndarray:
    """Of the same."""
    outer = np.outer(w[::-1], w[::-1]) * X[k] ** 2
    return outer - (Y[k] - w[0] * w[1] * X[k]) * X[k] * np.array([[0.0, 1.0], [1.0, 0.0]])


def mean_of_epochs(step: float) -> np.ndarray:
    """The last iterate of an epoch, averaged over all orders."""
    orders, total = list(permutations(range(4))), np.zeros(2)
    for order in orders:
        w = START
        for k in order:
            w = w - step * gradient(w, k)
        total = total + w
    return total / len(orders)


def flow_after_epoch(step: float, weight: float) -> np.ndarray:
    """The flow of C + weight * sum |grad C_k|^2 after the time 4 step."""

    def field(_: float, w: np.ndarray) -> np.ndarray:
        parts = [gradient(w, k) / 4 + 2 * weight * hessian(w, k) @ gradient(w, k) for k in range(4)]
        return -np.sum(parts, axis=0)

    run = solve_ivp(field, (0.0, 4 * step), START, method="DOP853", rtol=1e-13, atol=1e-15)
    return run.y[:, -1]


@paper.claim(
    "mean-iterate-order",
    source="Section 1, the main result",
    statement=r"\mathbb{E}(\omega_m) = \omega(m\epsilon) + O(m^3\epsilon^3)",
    printed={**REGULARIZER, "order": "3"},
    cost=1,
)
def mean_iterate_order(given: Given) -> Iterator[Evidence]:
    """Mean and flow come together like epsilon^3, without the regularizer like epsilon^2."""
    regularizer = sympy.lambdify(epsilon, given.printed("regularizer").subs(m, 4))
    order = float(given.printed("order"))
    for text, weight, expected, about in (
        ("mean over 24 orders, 4 samples", regularizer, order, "printed"),
        ("the flow of C alone", lambda step: 0.0, 2, "context"),
    ):
        errors = [
            float(np.linalg.norm(mean_of_epochs(h) - flow_after_epoch(h, weight(h)))) for h in STEPS
        ]
        yield rate(text, STEPS, errors, expected, uncertainties=[1e-13] * len(STEPS), about=about)


# -- the size of batches --


@paper.claim(
    "two-parts",
    source="Section 2, after the main result",
    statement=r"\tilde{C}_{SGD} = C + \frac{\epsilon}{4} \|\nabla C\|^2 + \frac{\epsilon}{4m}"
    r" \sum_{i=0}^{m-1} \|\nabla\hat{C}_i - \nabla C\|^2",
    printed={"mean": "epsilon/4", "spread": "epsilon/(4*m)"},
)
def two_parts(given: Given) -> Iterator[Evidence]:
    """The regularizer of gradient descent, and another one that penalizes the spread."""
    for count in (2, 3, 5):
        gradients, _ = losses(count)
        mean = sum(gradients, sympy.zeros(2, 1)) / count
        whole = epsilon / (4 * m) * sum(g.dot(g) for g in gradients)
        spread = sum((g - mean).dot(g - mean) for g in gradients)
        parts = given.printed("mean") * mean.dot(mean) + given.printed("spread") * spread
        values = {m: count}
        yield equal(f"{count} batches", whole.subs(values), parts.subs(values))


@paper.claim(
    "batch-size",
    source="Section 2, the batch size",
    statement=r"\mathbb{E}(\tilde{C}_{SGD}) = C + \frac{\epsilon}{4} \|\nabla C\|^2 +"
    r" \frac{N-B}{N-1} \frac{\epsilon}{4B} \Gamma, \quad \Gamma = \frac{1}{N} \sum_{i=1}^{N}"
    r" \|\nabla C_i - \nabla C\|^2",
    printed={"spread": "(N - B)/(N - 1)*epsilon/(4*B)"},
)
def batch_size(given: Given) -> Iterator[Evidence]:
    """N samples in batches of B, drawn without replacement."""
    spread, square = sympy.symbols("Gamma G")  # of the samples' gradients; |grad C|^2
    squares, square_of_sum = N * (spread + square), N**2 * square
    one, two = B / N, B * (B - 1) / (N * (N - 1))  # that a batch has a sample, and a pair of them
    mean_square = (one * squares + two * (square_of_sum - squares)) / B**2
    yield equal(
        "mean of |grad C_k - grad C|^2, over 4/epsilon",
        epsilon / 4 * (mean_square - square),
        given.printed("spread") * spread,
    )
