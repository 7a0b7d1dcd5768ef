"""Section 6: the step sizes at which GD and GD+M are stable, and what they allow."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import numpy as np
import sympy

from ..boundary import measured_stability_bound
from ..companion import ROOT, Z, characteristic_polynomial, companion_matrix, start_vector
from ..methods import GradientDescent, HeavyBall, Method
from ..modified import modified_equation
from ..series import Tree
from ..stability import (
    from_ratio,
    has_one_sign,
    is_stable,
    stability_bound,
    with_positive_parts,
)
from ._evidence import CHAIN, NODE, About, Evidence, equal, fact, rate
from ._registry import Given, claim

BETA, L, V = sympy.symbols("beta L v")
BETAS = (Fraction(1, 2), Fraction(9, 10))
_S = sympy.Dummy("s")
_OTHERS = 0.9
"""Random eigenvalues other than the largest stay below this share of it: what decays along with
the leading part of the iterates has to die out in the steps that are counted."""


def positive(formula: sympy.Expr) -> bool:
    """Whether a rational function of β is proved to be positive for all 0 ≤ β < 1."""
    one_sign = has_one_sign(formula.subs(BETA, from_ratio(_S, 0, 1)), [_S])
    return one_sign and bool(formula.subs(BETA, sympy.Rational(1, 2)) > 0)


def shown(formula: sympy.Expr) -> str:
    """A fraction in factors, its parts positive where its variables are 1/2."""
    sample = dict.fromkeys(formula.free_symbols, sympy.Rational(1, 2))
    return str(with_positive_parts(formula, sample))


def relative_regularizer(h: Any) -> sympy.Expr:
    """The coefficient of ‖∇E‖² beside that of E in the limit flow of the heavy ball at step h."""
    # A field a f + b h f'f is -a ∇(E - (b h / 2a) ‖∇E‖²), as ∇‖∇E‖² = 2 f'f for f = -∇E.
    limit = modified_equation(HeavyBall(), 2, limit=True).limit
    return sympy.factor(-limit[CHAIN] * h / (2 * limit[NODE]))


# -- the largest stable step ---------------------------------------------------------------------


def _at_the_bound(method: Method, z: sympy.Expr) -> Evidence:
    """Whether the iterates stay bounded at z = hλ: a root -1 that is simple, others inside."""
    polynomial = characteristic_polynomial(method).as_expr().subs(Z, z)
    at_minus_one = sympy.simplify(polynomial.subs(ROOT, -1))
    slope = sympy.simplify(sympy.diff(polynomial, ROOT).subs(ROOT, -1))
    rest = sympy.cancel(polynomial / (ROOT + 1)) if at_minus_one == 0 else sympy.nan
    others = [] if rest.is_number else sympy.solve(rest, ROOT)
    inside = all(positive(1 - root) and positive(1 + root) for root in others)
    simple = positive(slope) or positive(-slope)
    return fact(
        "at equality, h = the bound and λ = L, the iterates stay bounded",
        at_minus_one == 0 and inside and simple,
        f"p(-1) = {at_minus_one}, p'(-1) = {slope}, other roots {others}: bounded if -1 is a "
        "simple root and the others lie inside the unit circle; x^k then goes on like (-1)^k and "
        "does not converge",
    )


def _flat_directions(method: Method) -> Evidence:
    """Whether the iterates stay bounded where the Hessian has the eigenvalue 0."""
    polynomial = sympy.factor(characteristic_polynomial(method).as_expr().subs(Z, 0))
    rest = sympy.cancel(polynomial / (ROOT - 1))
    roots = sympy.solve(rest, ROOT) if rest.has(ROOT) else []
    return fact(
        "in directions of curvature 0, the iterates stay bounded",
        polynomial.subs(ROOT, 1) == 0 and all(positive(1 - r) and positive(1 + r) for r in roots),
        f"characteristic polynomial {polynomial}: the root 1 is simple",
    )


def measured(
    text: str,
    method: Method,
    gradient: Any,
    formula: float,
    *,
    start: Any = None,
    steps: int = 200,
    halvings: int = 20,
    about: About = "printed",
) -> Evidence:
    """Whether a formula lies between a step size that is stable and one that is not."""
    low, high = measured_stability_bound(method, gradient, start, steps=steps, halvings=halvings)
    return fact(
        text,
        low <= formula <= high,
        f"iterates decay at h = {low:.8g}, grow at {high:.8g}; formula {formula:.8g}",
        kind="numeric",
        about=about,
        data={"stable": low, "unstable": high, "formula": formula},
    )


def _on_random_quadratics(given: Given, method: Method, bound: sympy.Expr) -> Iterator[Evidence]:
    random = given.random()
    largest = float(random.uniform(1, 100))
    curvatures = np.array([largest, 0.0, *random.uniform(0, _OTHERS * largest, size=4)])
    formula = float(bound.subs({L: largest, **_values(method)}))
    yield measured(
        f"{method}: bisection with its iterates on a quadratic of 6 random curvatures",
        method,
        curvatures,
        formula,
        start=np.ones(6),
    )


def _values(method: Method) -> dict[sympy.Symbol, sympy.Expr]:
    return {sympy.Symbol(name): sympy.sympify(v) for name, v in method.parameters.items()}


@claim(
    "sec-6-gd-stable",
    source="Section 6",
    statement=r"\text{for a linear least-squares problem with a Hessian bounded by } L,"
    r" \text{ GD is stable as long as } h \leq \frac{2}{L}",
    printed={"bound": "2/L"},
    expected="confirmed",
    cost=0.1,
)
def gradient_descent_is_stable(given: Given) -> Iterator[Evidence]:
    """Stable means bounded: at h = 2/L itself the iterates do not converge."""
    method, bound = GradientDescent(), given.printed("bound")
    yield equal(
        "largest h for which all curvatures up to L are stable", stability_bound(method) / L, bound
    )
    yield _at_the_bound(method, sympy.cancel(L * bound))
    yield _flat_directions(method)
    yield from _on_random_quadratics(given, method, bound)


@claim(
    "sec-6-gdm-stable",
    source="Section 6",
    statement=r"\text{for a linear least-squares problem with a Hessian bounded by } L,"
    r" \text{ (GD+M) is stable as long as } h \leq \frac{2+2\beta}{L}",
    printed={"bound": "(2+2*beta)/L"},
    expected="confirmed",
    cost=0.3,
)
def heavy_ball_is_stable(given: Given) -> Iterator[Evidence]:
    """For all 0 ≤ β < 1 at once, and on quadratics with random curvatures."""
    method, bound = HeavyBall(), given.printed("bound")
    yield equal(
        "largest h for which all curvatures up to L are stable, for all 0 <= beta < 1",
        stability_bound(method) / L,
        bound,
    )
    z = sympy.cancel(L * bound)
    yield _at_the_bound(method, z)
    yield _flat_directions(method)
    for beta in BETAS:
        yield from _on_random_quadratics(given, HeavyBall(beta), bound)
    yield _from_rest()
    yield _overshoot()
    polynomial = characteristic_polynomial(method).as_expr()
    yield fact(
        "a least-squares problem is needed: the bound on ‖∇²E‖ alone is not enough",
        sympy.expand(polynomial.subs(ROOT, 1) - Z) == 0,
        f"p(1) = {sympy.factor(polynomial.subs(ROOT, 1))} with z = hλ: for any λ < 0 there is a "
        "root above 1, whatever h is",
        about="context",
    )


def _from_rest() -> Evidence:
    """Whether iterates that start with x^-1 = x^0 have a part that grows, above the bound."""
    matrix, start = companion_matrix(HeavyBall()), start_vector(HeavyBall())
    # x^k = a t1^k + b t2^k with x^0 = 1; a vanishes just where x^1 is the other root.
    first = (matrix * start)[0]
    polynomial = characteristic_polynomial(HeavyBall()).as_expr()
    at_first = sympy.factor(polynomial.subs(ROOT, first))
    return fact(
        "above the bound every start x^-1 = x^0 with a part along λ = L diverges",
        bool(sympy.expand(at_first - BETA * Z) == 0),
        f"the growing part of the iterates is missing only if x^1/x^0 = {first} is a root, but "
        f"there the characteristic polynomial is {at_first}, which is not 0 for β > 0; for β = 0 "
        "the other root is 0",
        about="context",
    )


def _overshoot() -> Evidence:
    """How large the iterates get at the bound."""
    matrix, start = companion_matrix(HeavyBall()), start_vector(HeavyBall())
    first = (matrix * start)[0].subs(Z, stability_bound(HeavyBall()))
    # x^k = a (-1)^k + (1-a) (-β)^k with x^0 = 1.
    a = sympy.solve(-ROOT - BETA * (1 - ROOT) - first, ROOT)[0]
    return fact(
        "stable is not small: from x^-1 = x^0 the iterates at the bound end as oscillations",
        positive(sympy.cancel((a - 1) / BETA)),
        f"of amplitude {shown(a)} |x^0|, {float(a.subs(BETA, 0.9)):.3g} for beta = 0.9",
        about="context",
    )


# -- effective learning rates --------------------------------------------------------------------


@claim(
    "sec-6-effective-rates",
    source="Section 6",
    statement=r"\text{the maximum achievable effective learning rate by (GD) is } \frac{2}{L},"
    r" \text{ while that by (GD+M) can be as large as } \frac{2(1+\beta)}{L(1-\beta)}",
    printed={"gd": "2/L", "gdm": "2*(1+beta)/(L*(1-beta))"},
    expected="confirmed",
)
def effective_rates(given: Given) -> Iterator[Evidence]:
    """The effective rate of a step h is h times the drift of the limit flow."""
    for method, name in ((GradientDescent(), "gd"), (HeavyBall(), "gdm")):
        drift = modified_equation(method, 1, limit=True).limit[NODE]
        yield equal(
            f"{method.label}: drift {drift} times the largest stable step",
            drift * stability_bound(method) / L,
            given.printed(name),
        )
    gain = sympy.cancel(given.printed("gdm") / given.printed("gd"))
    yield fact(
        "the larger rate is that of (GD+M), for all 0 < beta < 1",
        positive(sympy.cancel((gain - 1) / BETA)),
        f"ratio {shown(gain)}, {float(gain.subs(BETA, 0.9)):.3g} for beta = 0.9",
    )
    yield fact(
        "at the maximum itself the iterates neither diverge nor converge",
        all(is_stable(HeavyBall(b), 2 * (1 + b)) for b in (Fraction(0), *BETAS)),
        "so that it is a least upper bound of the rates of training that converges; as beta -> 1 "
        "it grows without bound",
        about="context",
    )


@claim(
    "sec-6-stronger-regularization",
    source="Section 6",
    statement=r"\text{larger effective learning rates means a stronger IGR} \quad"
    r" \text{[at each } \beta \text{]}",
    printed={"rate": "h/(1-beta)", "regularizer": "(1+beta)*h/(4*(1-beta)**2)"},
    expected="confirmed",
)
def stronger_regularization(given: Given) -> Iterator[Evidence]:
    """With the effective rate of Remark 4.1 and the regularizer of (5)."""
    h, eta = sympy.symbols("h eta")
    drift = modified_equation(HeavyBall(), 1, limit=True).limit[NODE]
    yield equal(
        "effective rate: h times the drift of the limit flow", h * drift, given.printed("rate")
    )
    yield equal(
        "coefficient of |grad E|^2 in the modified loss",
        relative_regularizer(h),
        given.printed("regularizer"),
    )
    step = sympy.solve(given.printed("rate") - eta, h)[0]
    strength = sympy.factor(given.printed("regularizer").subs(h, step))
    slope = sympy.cancel(sympy.diff(strength, eta))
    yield fact(
        "at fixed beta the coefficient grows with the effective rate eta",
        not slope.has(eta) and positive(slope),
        f"coefficient {shown(strength)}, derivative {shown(slope)} > 0 for all 0 <= beta < 1",
    )
    more = sympy.cancel(sympy.diff(strength, BETA) / eta)
    yield fact(
        "and at fixed eta it grows with beta",
        not more.has(eta) and positive(more),
        f"derivative {shown(more * eta)}",
    )
    edge = [relative_regularizer(stability_bound(HeavyBall()) / L), sympy.Rational(1, 2) / L]
    ratio = sympy.factor(sympy.cancel(edge[0] / edge[1]))
    yield fact(
        "at the largest stable steps the coefficient of (GD+M) is so many times that of GD",
        positive(sympy.cancel((ratio - 1) / BETA)),
        f"{shown(ratio)}, {float(ratio.subs(BETA, 0.9)):.4g} for beta = 0.9; of two rates at "
        "different beta the larger may have the weaker regularizer: eta = 2 at beta = 0 gives 1/2, "
        "eta = 1 at beta = 1/2 gives 3/4",
        about="context",
    )


@claim(
    "sec-6-benefits-from-stability",
    source="Section 6",
    statement=r"\text{(GD+M) clearly benefits from its large stability region}",
    printed={"step": "(2+2*beta)/L"},
    corrected=r"\text{on a quadratic the modified equation of (GD+M) exists in the directions with}"
    r" h\lambda < (1-\sqrt{\beta})^2 \text{ only; beyond, the theory gives (GD+M) no IGR there,"
    r" whatever its iterates do. Where it exists for all } \lambda \leq L"
    r" \text{ the strongest IGR is } \frac{1+\beta}{(1+\sqrt{\beta})^2} \leq 1"
    r" \text{ times that of GD}",
    true={"step": "(1-sqrt(beta))**2/L", "gain": "(1+beta)/(1+sqrt(beta))**2"},
    expected="corrected",
    cost=0.3,
)
def benefits_from_stability(given: Given) -> Iterator[Evidence]:
    """Read as: up to the largest stable step, the iterates follow a flow with an IGR.

    On E = λx²/2 the series of the modified equation of all orders is that of log ρ(z) for the
    root ρ = 1 - z/(1-β) + ... of the characteristic polynomial, z = hλ. It converges up to the
    nearest singularity of log ρ: the branch point (1-√β)², where both roots meet (ρ has no zero,
    as the product of the roots is β; for β = 0, ρ = 1-z has one, at the same place).
    """
    polynomial = characteristic_polynomial(HeavyBall()).as_expr()
    z = L * given.printed("step")
    yield _followed_by_a_flow(polynomial, z)
    yield from _series_of_the_logarithm()
    reach = given.true("step")
    discriminant = sympy.discriminant(polynomial, ROOT)
    factored = (Z - (1 - sympy.sqrt(BETA)) ** 2) * (Z - (1 + sympy.sqrt(BETA)) ** 2)
    yield fact(
        "the nearest branch point of the roots is h L = (1-sqrt(beta))^2",
        sympy.expand(discriminant.subs(Z, L * reach)) == 0
        and sympy.expand(discriminant - factored) == 0,
        f"discriminant {discriminant} = (z - (1-sqrt(beta))^2) (z - (1+sqrt(beta))^2)",
        about="corrected",
    )
    for beta in BETAS:
        yield _radius(float(beta), float((L * reach).subs(BETA, beta)))
    strongest = relative_regularizer(reach)
    r = sympy.Symbol("r", positive=True)  # √β
    gain = sympy.cancel((strongest * 4 * L).subs(BETA, r**2))
    yield equal(
        "strongest IGR there, over that of GD, 1/(4L), with beta = r^2",
        gain,
        given.true("gain").subs(BETA, r**2),
        about="corrected",
    )
    yield fact(
        "and it is weaker for all 0 < beta < 1",
        has_one_sign(sympy.cancel((1 - gain) / r).subs(r, from_ratio(_S, 0, 1)), [_S])
        and bool(gain.subs(r, sympy.Rational(1, 2)) < 1),
        f"gain {sympy.factor(gain)}; beta = 0.9: {float(gain.subs(r, np.sqrt(0.9))):.3g}",
        about="corrected",
    )
    rates = sympy.cancel((L * reach / (1 - BETA)).subs(BETA, r**2))
    yield fact(
        "the largest effective rate there, times L, is 1 for GD and smaller for (GD+M)",
        has_one_sign(sympy.cancel((1 - rates) / r).subs(r, from_ratio(_S, 0, 1)), [_S])
        and bool(rates.subs(r, sympy.Rational(1, 2)) < 1),
        f"{shown(rates)} with r = sqrt(beta), "
        f"{float(rates.subs(r, np.sqrt(0.9))):.3g} for beta = 0.9: momentum shrinks the range of"
        " effective rates in which a flow follows all directions; a flat direction, with"
        " hλ < (1-sqrt(beta))^2, has its flow and its IGR at larger h",
        about="context",
    )
    yield _beside_the_flow(stability_bound(HeavyBall()))


def _followed_by_a_flow(polynomial: sympy.Expr, z: sympy.Expr) -> Evidence:
    """Whether the iterates at hL = z have a positive factor ρ a step, as every flow has."""
    r = sympy.Symbol("r", positive=True)  # √β
    total = sympy.expand((1 + BETA - z).subs(BETA, r**2))
    square = sympy.expand(sympy.discriminant(polynomial, ROOT).subs(Z, z).subs(BETA, r**2))
    parts = [part.subs(r, from_ratio(_S, 0, 1)) for part in (total, square)]
    known = all(has_one_sign(part, [_S]) for part in parts)
    half = sympy.Rational(1, 2)
    return fact(
        "in the direction of λ = L, some flow x' = F(x), and so an IGR, follows the iterates up to"
        " the largest stable step",
        known and bool(total.subs(r, half) > 0) and bool(square.subs(r, half) >= 0),
        "over a step a flow multiplies x by a positive number; the iterates have two factors, of"
        f" sum {sympy.factor(total)} and product r^2, with discriminant {sympy.factor(square)},"
        " r = sqrt(beta)",
    )


def _series_of_the_logarithm() -> Iterator[Evidence]:
    """The coefficients of the chains, against those of log ρ."""
    limit = modified_equation(HeavyBall(), 5, limit=True).limit
    chain, derived, claimed = NODE, [], []
    for n in range(5):
        derived.append(limit[chain])
        # (log ρ)' = -1/√((1-β)² - 2(1+β)z + z²) generates Legendre's polynomials.
        legendre = sympy.legendre(n, (1 + BETA) / (1 - BETA))
        claimed.append((-1) ** n * legendre / ((n + 1) * (1 - BETA) ** (n + 1)))
        chain = Tree([chain])
    weights = sympy.symbols("w0:5")
    yield equal(
        "coefficients of the chains up to order 5: (-1)^n P_n((1+beta)/(1-beta)) / ((n+1)"
        " (1-beta)^(n+1)), P_n Legendre's polynomials",
        sum(w * c for w, c in zip(weights, derived, strict=True)),
        sum(w * c for w, c in zip(weights, claimed, strict=True)),
        about="corrected",
    )
    root = (1 + BETA - Z + sympy.sqrt((1 + BETA - Z) ** 2 - 4 * BETA)) / 2
    square = (1 + BETA - Z) ** 2 - 4 * BETA
    yield fact(
        "these are the coefficients of log ρ: its derivative generates Legendre's polynomials",
        sympy.simplify(sympy.diff(root, Z) * sympy.sqrt(square) + root) == 0
        and sympy.expand(square - ((1 - BETA) ** 2 - 2 * (1 + BETA) * Z + Z**2)) == 0,
        "(log ρ)' = -1/sqrt((1-beta)^2 - 2 (1+beta) z + z^2)",
        about="corrected",
    )


def _radius(beta: float, reach: float) -> Evidence:
    """How fast ratios of coefficients approach the radius of convergence: like 1/n."""
    x, sizes = (1 + beta) / (1 - beta), [2**j for j in range(4, 12)]
    ratios, wanted, last = [], set(sizes), 1 / x  # P_0/P_1
    for n in range(1, sizes[-1] + 1):
        if n in wanted:
            # c_n/c_{n+1} for c_n = P_n / ((n+1) (1-β)^(n+1)), by Bonnet's recursion.
            ahead = (n + 1) / ((2 * n + 1) * x - n * last)
            ratios.append((1 - beta) * ahead * (n + 2) / (n + 1))
        last = (n + 1) / ((2 * n + 1) * x - n * last)
    return rate(
        f"beta = {beta:g}: the ratios of coefficients tend to (1-sqrt(beta))^2 = {reach:.6g}",
        [1 / n for n in sizes],
        [abs(ratio - reach) for ratio in ratios],
        1,
        about="corrected",
    )


def _beside_the_flow(z: sympy.Expr) -> Evidence:
    """The flow (5) and the iterates at the largest stable step."""
    limit = modified_equation(HeavyBall(), 2, limit=True).limit
    exponent = sympy.cancel(-(z * limit[NODE] - z**2 * limit[CHAIN]))
    values = [float(exponent.subs(BETA, b)) for b in (0.5, 0.9)]
    return fact(
        "the flow (5) decays at the largest stable step in the direction of λ = L",
        positive(-exponent),
        f"it multiplies x by exp(-{shown(-exponent)}) a step, exp({values[0]:.4g}) for beta "
        f"= 0.5 and exp({values[1]:.4g}) for beta = 0.9; the iterates by -1",
        about="context",
    )


# -- mini-batches --------------------------------------------------------------------------------


def mean_square_bound(method: Method) -> sympy.Expr:
    """The largest stable z = hμ in mean square, for independent curvatures μξ, Eξ = 1, Var ξ = v.

    The covariance of the state after a step is E[M ⊗ M] times that before, a map that takes
    positive semidefinite matrices to such. Its spectral radius is therefore an eigenvalue (Krein
    & Rutman), and stability ends where 1 becomes an eigenvalue.
    """
    xi = sympy.Dummy("xi")
    step = companion_matrix(method).subs(Z, xi * Z)
    square = sympy.kronecker_product(step, step).applyfunc(
        lambda e: sympy.expand(e).subs(xi**2, 1 + V).subs(xi, 1)
    )
    determinant = sympy.factor((sympy.eye(square.rows) - square).det())
    ends = [root for root in sympy.solve(determinant, Z) if root != 0]
    (end,) = ends
    return sympy.factor(end)


@claim(
    "sec-6-same-conclusion-for-batches",
    source="Section 6",
    statement=r"\text{(GD+M) has a larger stability region than (GD) and hence allows for the use"
    r" of a larger effective learning rate. The same conclusion holds for (SGD+M) and (SGD)}",
    printed={"conclusion": "gain - 1"},
    corrected=r"\text{in mean square, along one direction with batch curvatures of mean } L"
    r" \text{ and variance } vL^2: \text{ (SGD+M) is stable for }"
    r" h < \frac{2(1-\beta^2)}{L(1-\beta+v(1+\beta))}; \text{ a larger region in } h \text{ than"
    r" that of (SGD) if } v < \frac{1-\beta}{1+\beta} \text{ and a smaller one if } v >"
    r" \frac{1-\beta}{1+\beta}; \text{ the effective learning rate may always be larger}",
    true={
        "gdm": "2*(1-beta**2)/(L*(1-beta+v*(1+beta)))",
        "gd": "2/(L*(1+v))",
        "threshold": "(1-beta)/(1+beta)",
    },
    expected="corrected",
    cost=0.3,
)
def same_conclusion_for_batches(given: Given) -> Iterator[Evidence]:
    """Batches drawn independently; the conclusion is that the largest stable step is larger."""
    momentum, plain = mean_square_bound(HeavyBall()), mean_square_bound(GradientDescent())
    gain = sympy.factor(sympy.cancel(momentum / plain))
    conclusion = sympy.cancel(given.printed("conclusion").subs("gain", gain) / BETA)
    yield fact(
        "the gain in the largest h that is stable in mean square exceeds 1 for all 0 < beta < 1 and"
        " all variances",
        has_one_sign(conclusion.subs(BETA, from_ratio(_S, 0, 1)), [V, _S])
        and bool(conclusion.subs({BETA: 0.5, V: 1}) > 0),
        f"gain {shown(gain)}: at beta = 1/2 {gain.subs({BETA: Fraction(1, 2), V: 0})} for v = 0,"
        f" {gain.subs({BETA: Fraction(1, 2), V: 1})} for v = 1",
    )
    yield equal("largest stable h of (SGD+M)", momentum / L, given.true("gdm"), about="corrected")
    yield equal("largest stable h of (SGD)", plain / L, given.true("gd"), about="corrected")
    threshold = sympy.solve(sympy.numer(sympy.together(gain - 1)) / BETA, V)
    yield equal(
        "variance above which the region in h is the smaller one",
        threshold[0] if len(threshold) == 1 else sympy.nan,
        given.true("threshold"),
        about="corrected",
    )
    slope = sympy.cancel(sympy.diff(gain, V))
    yield fact(
        "the gain in h falls with the variance, for all 0 < beta < 1",
        has_one_sign((slope / BETA).subs(BETA, from_ratio(_S, 0, 1)), [V, _S])
        and bool(slope.subs({BETA: 0.5, V: 1}) < 0),
        f"gain {shown(gain)}: {shown(gain.subs(V, 0))} without noise, "
        f"{sympy.limit(gain, V, sympy.oo)} for v -> oo",
        about="corrected",
    )
    effective = sympy.factor(sympy.cancel(gain / (1 - BETA)))
    excess = sympy.cancel((effective - 1) / BETA)
    yield fact(
        "the gain in the effective rate exceeds 1 for all 0 < beta < 1 and all variances",
        has_one_sign(excess.subs(BETA, from_ratio(_S, 0, 1)), [V, _S])
        and bool(excess.subs({BETA: 0.5, V: 1}) > 0),
        f"gain {shown(effective)}: {shown(effective.subs(V, 0))} without noise, "
        f"{sympy.limit(effective, V, sympy.oo)} for v -> oo",
        about="corrected",
    )
    yield fact(
        "in expectation the conclusion holds unchanged",
        all(sympy.degree(entry, Z) <= 1 for entry in companion_matrix(HeavyBall())),
        "E x^k follows the iterates of the mean loss, as the step is linear in the batch: stable "
        "for h <= (2+2 beta)/L; the mean square is what the size of the iterates depends on",
        about="context",
    )
