"""Section 6, footnote 3: the sharpness at which GD and GD+M become unstable, and hover.

The networks of this module learn digits whose labels are shuffled. That takes long, so that the
sharpness has time to rise to thresholds far above where it begins; with the true labels it may
stop below them, as `hovers_with_momentum` shows.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from itertools import pairwise
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import sympy
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float, Int, PyTree
from scipy.sparse.linalg import LinearOperator, cg

from ..boundary import measured_stability_bound
from ..curvature import SharpnessPath, hessian_operator, lanczos, sharpness, sharpness_path
from ..methods import GradientDescent, HeavyBall
from ..problems import Problem, problem_named
from ..problems.digits import load
from ..stability import is_stable, stability_bound
from ._evidence import Evidence, equal, fact
from ._registry import Given, claim

BETA, H = sympy.symbols("beta h")
_WIDTHS = (64, 16, 16, 10)
_SAMPLES = 128
_SCALE = 0.5
"""The variance of the weights beside that of Glorot & Bengio (AISTATS 2010): a flatter start."""
_POINTS = 25
_TIME = 2400.0
"""Steps over 1 - beta in a training, which takes momentum 0.9 as far as gradient descent."""
_AT_REST = 1e-12
"""A gradient of this norm is rounding: that of the loss, of order 1, over 256 samples."""
_SHARE = 1e-3
_BESIDE, _STEPS_BESIDE = 1e-6, 400


# -- thresholds ----------------------------------------------------------------------------------


@claim(
    "footnote-3-threshold",
    source="Section 6, footnote 3",
    statement=r"\text{the threshold } \frac{2}{h} \text{ of the sharpness } \|\nabla^2 E\|_2;"
    r" \text{ for GD+M a large value } \frac{2(1+\beta)}{h}",
    printed={"gd": "2/h", "gdm": "2*(1+beta)/h"},
    expected="confirmed",
    cost=2.2,
)
def threshold(given: Given) -> Iterator[Evidence]:
    """The sharpness above which the iterates of a least-squares problem diverge at step size h."""
    random = given.random()
    for method, name in ((GradientDescent(), "gd"), (HeavyBall(), "gdm")):
        formula = given.printed(name)
        yield equal(
            f"{method.label}: largest stable curvature at step size h",
            stability_bound(method) / H,
            formula,
        )
    gain = sympy.cancel(given.printed("gdm") / given.printed("gd") - 1)
    yield fact(
        "the threshold of GD+M is the larger one",
        bool(sympy.cancel(gain / BETA).is_positive),
        f"it is larger by the share {gain}",
    )
    yield from _exactly_there(given, random)
    network = shuffled_digits(random)
    product = gauss_newton(network)
    top = lanczos(product, 1, 0.0)
    largest, direction = float(top), top.vectors[:, 0]
    noise = random.normal(size=direction.size)
    # Mostly along the sharpest direction, as directions nearly as sharp would shift the bound by
    # the square of their share over 16 · 64 otherwise: far below 2^-12 now.
    start = direction + _SHARE * noise / np.linalg.norm(noise)
    for method, name in ((GradientDescent(), "gd"), (HeavyBall(Fraction(1, 2)), "gdm")):
        values = {sympy.Symbol(k): sympy.sympify(v) for k, v in method.parameters.items()}
        formula = given.printed(name).subs(values)
        low, high = measured_stability_bound(method, product, start, steps=64, halvings=12)
        least, most = float(formula.subs(H, high)), float(formula.subs(H, low))
        yield fact(
            f"{method}: the network's linear least-squares problem, bisection with iterates",
            least <= largest <= most,
            f"largest eigenvalue {largest:.8g} of J'J/n; stable at h = {low:.6g}, not at "
            f"{high:.6g}: thresholds {most:.6g} and {least:.6g}",
            kind="numeric",
            data={"stable": low, "unstable": high, "sharpness": largest},
        )
    yield from _around_a_minimum(given, random)


def _exactly_there(given: Given, random: np.random.Generator) -> Iterator[Evidence]:
    """Stability at random rational step sizes and momenta, at the threshold and just above."""
    h, beta = (Fraction(int(random.integers(1, 999)), 1000) for _ in range(2))
    for method, name in ((GradientDescent(), "gd"), (HeavyBall(beta), "gdm")):
        at = given.printed(name).subs({H: sympy.Rational(h), BETA: sympy.Rational(beta)})
        found = [is_stable(method, at * h * share) for share in (1, 1 + sympy.Rational(1, 10**6))]
        yield fact(
            f"{method}, h = {h}: bounded at the threshold, but not a millionth above it",
            found == [True, False],
            f"threshold {at}: bounded at it {found[0]}, above {found[1]}",
        )


def _around_a_minimum(given: Given, random: np.random.Generator) -> Iterator[Evidence]:
    """Training beside a minimum of a loss that is not quadratic."""
    problem = problem_named("digits-logistic")
    with jax.enable_x64(True):
        start, unravel = ravel_pytree(problem.start_arrays())
        data = problem.data_arrays()
        gradient = jax.jit(jax.grad(lambda y: problem.value(unravel(y), data)))
        minimum = np.asarray(start)
        for _ in range(20):  # Newton's method; the loss is strictly convex
            rest = np.asarray(gradient(minimum))
            if np.linalg.norm(rest) <= _AT_REST:
                break
            minimum = minimum - cg(hessian_operator(problem, minimum), rest, rtol=1e-8)[0]
        top = float(sharpness(problem, minimum))
        away = _BESIDE * random.normal(size=minimum.size)
        for beta in (0.5, 0.9):
            h = float(given.printed("gdm").subs(BETA, beta).subs(H, 1)) / top
            ratios = []
            for share in (0.98, 1.02):
                method, x = HeavyBall(beta), minimum + away
                memory = method.start(x)
                for _ in range(_STEPS_BESIDE):
                    x, memory = method.step(
                        lambda y: -np.asarray(gradient(y)), share * h, x, memory
                    )
                ratios.append(np.linalg.norm(x - minimum) / np.linalg.norm(away))
            yield fact(
                f"beta = {beta:g}: logistic regression on digits, from beside its minimum, with a"
                " sharpness of 0.98 and of 1.02 times the formula",
                bool(ratios[0] < 1 < ratios[1]),
                f"after {_STEPS_BESIDE} steps the distance is {ratios[0]:.2g} and {ratios[1]:.2g} "
                "times that at the start: training that is not linear leaves the minimum, too",
                kind="numeric",
                about="context",
            )


# -- hovering ------------------------------------------------------------------------------------


@claim(
    "footnote-3-hovers-gd",
    source="Section 6, footnote 3",
    statement=r"\text{during network training by the full batch gradient descent, the sharpness }"
    r"\|\nabla^2 E\|_2 \text{ tends to progressively increase until it reaches the threshold }"
    r"\frac{2}{h} \text{ and then hovers around it}",
    printed={"threshold": "2/h"},
    expected="confirmed",
    cost=2.3,
)
def hovers(given: Given) -> Iterator[Evidence]:
    """On a tanh network with random weights, for two step sizes: evidence of such networks."""
    problem = shuffled_digits(given.random())
    formula = given.printed("threshold")
    # Rivals: half and twice the threshold, as 1/L is the step size of the descent lemma.
    rivals = {"1/h": 1 / H, "2/h": 2 / H, "4/h": 4 / H}
    for h in (0.25, 0.16):
        path = sharpness_path(GradientDescent(), problem, h, int(_TIME * 3), _POINTS)
        yield from hovering(path, formula, rivals)


@claim(
    "footnote-3-hovers-gdm",
    source="Section 6, footnote 3",
    statement=r"\text{For GD+M, the sharpness will hover around a large value }"
    r"\frac{2(1+\beta)}{h}",
    printed={"threshold": "2*(1+beta)/h"},
    expected="confirmed",
    cost=2.3,
)
def hovers_with_momentum(given: Given) -> Iterator[Evidence]:
    """The same with momentum 1/2 and 9/10."""
    problem = shuffled_digits(given.random())
    formula = given.printed("threshold")
    # The thresholds of GD at the same step and at the same effective rate, and others that mix
    # the two up.
    rivals = {
        "2/h": 2 / H,
        "2(1-beta)/h": 2 * (1 - BETA) / H,
        "(1+beta)/h": (1 + BETA) / H,
        "2(1+beta)/h": 2 * (1 + BETA) / H,
        "4(1+beta)/h": 4 * (1 + BETA) / H,
        "2(1+beta)/(h(1-beta))": 2 * (1 + BETA) / (H * (1 - BETA)),
    }
    for beta in (Fraction(1, 2), Fraction(9, 10)):
        h = float(2 * (1 + beta)) / 12
        steps = int(_TIME * 3 * float(1 - beta))
        path = sharpness_path(HeavyBall(beta), problem, h, steps, _POINTS)
        yield from hovering(path, formula, rivals)
    yield _below(formula)


def hovering(
    path: SharpnessPath, formula: sympy.Expr, rivals: dict[str, sympy.Expr]
) -> Iterator[Evidence]:
    """What a path says about a threshold: is it reached from below, and is the sharpness there?

    It hovers around the formula if, in the second half of the training, its median is nearer to
    the formula, in ratio, than to any of the rivals, which were chosen in advance.
    """
    values = {H: path.h, **{sympy.Symbol(k): v for k, v in path.method.parameters.items()}}
    at = float(formula.subs(values))
    name = f"{path.method}, h = {path.h:.4g}"
    data = {
        "steps": path.steps.tolist(),
        "sharpness": path.values.tolist(),
        "losses": path.losses.tolist(),
        "formula": at,
    }
    if path.diverged is not None:
        yield fact(
            name, None, f"the training diverged by step {path.diverged}", kind="numeric", data=data
        )
        return
    crossed = np.flatnonzero(path.values >= at)
    first = int(crossed[0]) if crossed.size else len(path.values) - 1
    changes = np.diff(path.values[: first + 1])
    yield fact(
        f"{name}: the sharpness rises, more often than it falls, until it reaches the formula",
        bool(crossed.size and first > 0 and np.sum(changes > 0) > np.sum(changes < 0)),
        f"from {path.values[0]:.4g} to {path.values[first]:.4g} at step {path.steps[first]:.0f}, "
        f"in {np.sum(changes > 0)} of {len(changes)} intervals up; formula {at:.4g}",
        kind="numeric",
        data=data,
    )
    late = path.values[len(path.values) // 2 :]
    middle = float(np.median(late))
    away = {text: abs(np.log(middle / float(r.subs(values)))) for text, r in rivals.items()}
    nearest = min(away, key=lambda text: away[text])
    yield fact(
        f"{name}: in the second half it is nearer to the formula than to any rival",
        bool(abs(np.log(middle / at)) <= away[nearest]),
        f"median {middle:.4g}, {middle / at:.3f} of the formula, range {late.min():.4g} to "
        f"{late.max():.4g}; nearest of {', '.join(rivals)}: {nearest}",
        kind="numeric",
    )


def _below(formula: sympy.Expr) -> Evidence:
    """Where the task is learned sooner, the sharpness need not reach the threshold."""
    problem, beta, h = digits_network(np.random.default_rng(0)), Fraction(9, 10), 0.4
    path = sharpness_path(HeavyBall(beta), problem, h, 1200, 13)
    at = float(formula.subs({H: h, BETA: sympy.Rational(beta)}))
    return fact(
        "with true labels, beta = 0.9, h = 0.4, the sharpness stays below the formula",
        bool(path.values.max() < at),
        f"at most {path.values.max() / at:.3f} of it, {path.values[-1] / at:.3f} at the end, where "
        f"the loss has fallen from {path.losses[0]:.3g} to {path.losses[-1]:.2g}: the threshold is "
        "reached only if training goes on for long enough",
        kind="numeric",
        about="context",
    )


# -- networks ------------------------------------------------------------------------------------


def scores(parameters: PyTree[Array], images: Float[Array, "n 64"]) -> Float[Array, "n 10"]:
    """A fully connected network with tanh."""
    *hidden, (weight, bias) = parameters
    layer = images
    for w, b in hidden:
        layer = jnp.tanh(layer @ w + b)
    return layer @ weight + bias


def squared_error(parameters: PyTree[Array], data: PyTree[Array]) -> Float[Array, ""]:
    """Half the mean over samples of the squared distance to the labels."""
    images, labels = data
    return 0.5 * jnp.mean(jnp.sum((scores(parameters, images) - labels) ** 2, axis=1))


def digits_network(
    random: np.random.Generator, order: Int[np.ndarray, " n"] | None = None
) -> Problem:
    """A network 64 - 16 - 16 - 10 with random weights, 1,482 parameters, and 128 centred digits.

    `order` permutes the labels.
    """
    images, labels = load(_SAMPLES)
    start = [
        (random.normal(size=(n, m)) * np.sqrt(2 * _SCALE / (n + m)), np.zeros(m))
        for n, m in pairwise(_WIDTHS)
    ]
    permuted = labels if order is None else labels[order]
    return Problem(squared_error, start, "digits-deep", (images - images.mean(axis=0), permuted))


def shuffled_digits(random: np.random.Generator) -> Problem:
    """The same with the labels in random order."""
    order = random.permutation(_SAMPLES)
    return digits_network(random, order)


def gauss_newton(problem: Problem) -> LinearOperator:
    """J'J/n at the start, for the Jacobian J of the scores: the Hessian of the linear
    least-squares problem that the network is to first order."""
    with jax.enable_x64(True):
        images, _ = problem.data_arrays()
        x, unravel = ravel_pytree(problem.start_arrays())

        @jax.jit
        def product(v: Any) -> Any:
            def at(y: Any) -> Any:
                return scores(unravel(y), images)

            _, along = jax.jvp(at, (x,), (v,))
            return jax.vjp(at, x)[1](along / len(images))[0]

    def matvec(v: Any) -> Any:
        with jax.enable_x64(True):
            return np.asarray(product(jnp.asarray(np.ravel(v))))

    return LinearOperator((x.size, x.size), matvec=matvec, rmatvec=matvec, dtype=float)
