"""Perturbed gradient descent: the averaged loss, its modified loss, the mean of the iterates."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import sympy
from matplotlib.figure import Figure

from modflow.batches import batch_equations
from modflow.claims import claim_named
from modflow.claims._registry import symbolic
from modflow.claims.noise import CROSS, HESSIAN, SQUARE, TRACE, expanded
from modflow.contractions import Contraction
from modflow.documents import Document
from modflow.documents.errors import StepError
from modflow.documents.quantities import Quantity, tensor
from modflow.documents.vocabulary import coloured, elementary, gradient, jet, laplacian, mean
from modflow.gaussian import SIGMA, E, JetPolynomial, gaussian_expectation
from modflow.methods import GradientDescent, HeavyBall
from modflow.series import BSeries, Tree

h, a, beta, k = sympy.symbols("h a beta k")
half, quarter, eighth = (sympy.Rational(1, n) for n in (2, 4, 8))
REST = (SIGMA, 4)
"""Odd powers of σ have no mean: what is left is of order σ⁴."""


def named(tex: str, meaning: Any) -> Quantity:
    """What the engine has, under a name to be shown."""
    return Quantity(tex, meaning, tensor=True)


def of(claim: str, formula: str, part: str = "printed") -> sympy.Expr:
    """A formula of the registry."""
    return symbolic(getattr(claim_named(claim), part)[formula])


document = Document(
    "Noise injection and the modified loss",
    authors=["The modflow developers"],
    bibliography="references.bib",
    keywords=("noise injection", "implicit regularization", "Hessian trace", "Isserlis' theorem"),
    abstract=r"""
Gradient descent that takes its gradient at a randomly shifted point minimizes an averaged loss.
Its modified loss, averaged over the shift, contains a multiple of $\|\nabla^2 E\|_F^2$, which
does not vanish at minima, as [@ghosh2023, Section 7] say. We derive it with all terms up to
$O(\sigma^4)$, for every loss. Two factors $\frac{1}{2}$ are missing in the printed one, at the
trace of the Hessian and at the third derivative. Nor does its flow describe the mean of the
iterates, for which their spread has to be taken into account: along a valley of minima they feel
half of the Hessian term, and there the force is found in closed form. Momentum makes the
term stronger at the same step size, and not at the same effective step size.
""",
)

# -- Gaussian averages -----------------------------------------------------------------------------

PAIRS = 4
g = E.gradient()

document.text(r"""
# The averaged loss {#sec:average}

Let $E : \mathbb{R}^d \to \mathbb{R}$ be a loss and $\eta_0, \eta_1, \ldots$ independent shifts
with the distribution $\mathcal{N}(0, \sigma^2 I)$. *Perturbed gradient descent*
[@orvieto2023; @orvieto2022] takes the steps
$$ x^{k+1} := x^k - h \nabla E(x^k + \eta_k). $$
All means $\mathbb{E}$ are over the shifts. We need means of $E(x + \eta)$ and of functions made
of the derivatives of $E$, whatever $E$ is, as long as it has bounded derivatives of the orders
that occur. With $D_\eta$ for the derivative along $\eta$, Taylor's formula is
$f(x + \eta) \sim \sum_n D_\eta^n f(x)/n!$. By Isserlis' theorem [@isserlis1918] the mean of a
product of components of $\eta$ is the sum over all ways to join them in pairs, each pair giving
$\sigma^2$ if both components are the same and 0 otherwise. In $D_\eta^{2m} f$ every way gives
$\sigma^{2m} \Delta^m f$, and odd powers have none.
""")
rows = []
laplacians = E
for m in range(1, PAIRS + 1):
    laplacians = laplacians.laplacian()
    derived = jet(E.along_noise(2 * m).expectation())
    pairings = named(rf"\mathbb{{E}}\, D_\eta^{{{2 * m}}} E", derived)
    count = sympy.factorial(2 * m) / (2**m * sympy.factorial(m))
    shown = named(r"\Delta E" if m == 1 else rf"\Delta^{{{m}}} E", jet(laplacians))
    weight = named(
        rf"\mathbb{{E}}\, D_\eta^{{{2 * m}}} E / {2 * m}!", derived / math.factorial(2 * m)
    )
    rows.append(
        [
            str(m),
            document.equal(pairings, count * SIGMA ** (2 * m) * shown),
            document.equal(weight, (SIGMA**2 / 2) ** m / sympy.factorial(m) * shown),
        ]
    )
with document.statement("theorem", "Gaussian averages", label="thm:average"):
    document.text(r"""
For every smooth $f$ made of the derivatives of $E$, as $\sigma \to 0$,
$$ \mathbb{E} f(x + \eta) \sim \exp\left(\tfrac{\sigma^2}{2} \Delta\right) f(x) := \sum_{m=0}^{\infty} \frac{1}{m!} \left(\tfrac{\sigma^2}{2} \Delta\right)^m f(x), $$
with a rest of the order of the first term left out; for polynomials both sides are the same.
""")
with document.proof():
    document.text(r"""
The first of $2m$ components has $2m - 1$ partners, then the next one that is left has $2m - 3$, and so on:
there are $(2m-1) (2m-3) \cdots 1$ ways. Multiplied by the even numbers up to $2m$, whose product
is $2^m m!$, this is $(2m)!$, so that the term with $D_\eta^{2m}/(2m)!$ has the mean
$\sigma^{2m} \Delta^m f/(2^m m!)$. The rest of Taylor's formula is bounded by the moments of
$\|\eta\|$.
""")
document.text(r"""
@tab:pairs has the first means for $f := E$ as they come out when all pairings are counted, one
after the other. Up to $O(\sigma^4)$, which is shown as the remainder from now on, the averaged
loss is
""")
document.table(
    ["$m$", "by pairs", "in Taylor's formula"],
    rows,
    caption="Means of the even derivatives along the shift.",
    label="tab:pairs",
    align="ccc",
)
R = gaussian_expectation(E, 2)
document.define("R(x)", named(r"\mathbb{E}\, E(x + \eta)", jet(gaussian_expectation(E, 4))))
trace = jet(JetPolynomial({TRACE: 1}))
document.equation(
    named("R", jet(gaussian_expectation(E, 4))),
    jet(E) + of("sec-7-averaged-loss", "trace") * trace,
    modulo=REST,
    label="eq:R",
)
document.text(r"""
as [@ghosh2023] say, with $\operatorname{Tr}(\nabla^2 E)$ for $\Delta E$. The gradient that a step
uses has the mean $\nabla R$, at every order:
""")
document.equation(
    mean(g.shifted(2)),
    named(r"\nabla R", jet(gaussian_expectation(E, 4).gradient())),
    modulo=REST,
    label="eq:slope",
)
document.text(r"""
so perturbed gradient descent is stochastic gradient descent for $R$. Its steps for given shifts
are those of the losses $E_k := E(\cdot + \eta_k)$.
""")

# -- the modified loss of a step -------------------------------------------------------------------

field = batch_equations(GradientDescent(), 2, range(3))[2].modified_loss().coefficients
single, pair = Tree(colour=2), Tree([Tree(colour=2)], colour=2)
assert set(field) == {single, pair}
E_k, square_k = tensor("E_k"), tensor(r"\|\nabla E_k\|^2")
averaged_loss = gaussian_expectation(E + h / 4 * SQUARE, 2)
document.text(r"""
# The averaged modified loss {#sec:modified}

In step $k$ the iterates follow, up to $O(h^3)$ in one step, the flow of minus the gradient of the
modified loss of $E_k$. Earlier shifts do not occur in it. It is
""")
document.equation(
    named(r"\hat{E}_k", field[single] * E_k + h * field[pair] * square_k),
    E_k + of("sec-7-pointwise", "regularizer") * square_k,
    label="eq:step",
)
document.text(r"""
We average it. Taylor's formula for the gradient has the terms
""")
document.equation(
    named(r"\nabla E(x + \eta)", jet(g.shifted(2))),
    jet(g) + jet(g.along_noise()) + half * jet(g.along_noise(2)),
    label="eq:taylor",
)
document.text(r"""
up to $O(\|\eta\|^3)$. In the mean of the square of the norm, the products of the second term with
the others are odd in $\eta$, and that of the last with itself has the order $\sigma^4$. What is
left is
""")
linear, bilinear = g.along_noise(), g.along_noise(2)
document.equation(
    mean(linear.dot(linear)), SIGMA**2 * jet(JetPolynomial({HESSIAN: 1})), label="eq:hessian"
)
document.equation(
    mean(g.dot(bilinear)), SIGMA**2 * jet(JetPolynomial({CROSS: 1})), label="eq:cross"
)
norm = jet(SQUARE)
document.equation(
    named(r"\mathbb{E}\, \|\nabla E(x + \eta)\|^2", jet(gaussian_expectation(SQUARE, 4))),
    norm + jet(linear.dot(linear).expectation()) + jet(g.dot(bilinear).expectation()),
    modulo=REST,
    label="eq:square",
)
document.text(r"""
By @thm:average the same follows from Bochner's formula,
""")
document.equation(
    half * laplacian(SQUARE),
    jet(JetPolynomial({HESSIAN: 1})) + jet(JetPolynomial({CROSS: 1})),
    label="eq:bochner",
)
with document.statement("theorem", "The averaged modified loss", label="thm:loss"):
    document.text(r"For every loss, and all $h$,")
    document.equation(
        named(r"\mathbb{E}\, \hat{E}_k", jet(gaussian_expectation(E + h / 4 * SQUARE, 4))),
        jet(E)
        + of("sec-7-averaged-modified-loss", "trace", "true") * trace
        + quarter * h * norm
        + of("sec-7-averaged-modified-loss", "hessian", "true") * jet(JetPolynomial({HESSIAN: 1}))
        + of("sec-7-cubic-term", "cross", "true") * jet(JetPolynomial({CROSS: 1})),
        modulo=REST,
        label="eq:loss",
    )
with document.proof():
    document.text(r"Insert @eq:R and @eq:square in the mean of @eq:step.")
printed = "sec-7-averaged-modified-loss"
claimed = (
    E
    + of(printed, "trace") * JetPolynomial({TRACE: 1})
    + of(printed, "hessian") * JetPolynomial({HESSIAN: 1})
    + of(printed, "square") * expanded(0, of(printed, "cubic"))
)
document.text(r"""
The displayed formula of [@ghosh2023, Section 7] ends with
""")
first, plus, second = claim_named(printed).statement.partition(" = ")[2].partition(r"+ \frac{h}{4}")
document.quote(f"$${first}$$\n$${plus}{second}$$", "[@ghosh2023, Section 7]")
document.text(r"""
The Hessian term is right. But the factor $\frac{1}{2}$ of @eq:R is missing at the trace, and that
of @eq:taylor at the third derivative, already in the line before. With $P$ for what is printed,
evaluated by pairs, the surplus is of the same order as what is kept:
""")
document.equation(
    named("P", jet(claimed)),
    named(r"\mathbb{E}\, \hat{E}_k", jet(averaged_loss))
    + half * SIGMA**2 * trace
    + quarter * h * SIGMA**2 * jet(JetPolynomial({CROSS: 1})),
    modulo=REST,
    label="eq:surplus",
)
document.text(r"""
With both factors in their places the formula holds, and its remainder is $O(\sigma^4)$, not just
$O(\sigma^3)$. At a minimum, and at any critical point, $\|\nabla E\|^2$ and the last term of
@eq:loss vanish; of the regularizer of gradient descent the mean leaves
""")
settled = gaussian_expectation(h / 4 * SQUARE, 2).at_critical_point()
document.equation(
    named(
        r"\frac{h}{4}\, \mathbb{E}\, \|\nabla E(x + \eta)\|^2 \Big|_{\nabla E \to 0}", jet(settled)
    ),
    of("sec-7-hessian-regularizer", "hessian") * jet(JetPolynomial({HESSIAN: 1})),
    modulo=REST,
    label="eq:critical",
)
document.text(r"""
This is the observation of [@ghosh2023]: noise keeps implicit regularization alive at minima, in
proportion to $h$. Relative to the trace in $R$, which is there for any step size, it is smaller by
the factor $\frac{h\lambda}{2}$ in a direction of curvature $\lambda$.
""")

# -- the mean of the iterates ----------------------------------------------------------------------

variance = gaussian_expectation(SQUARE, 2) - R.gradient().dot(R.gradient())
document.text(r"""
# The mean of the iterates {#sec:mean}

Does the averaged modified loss govern the iterates in the mean? It is tempting to read it so.
But the mean of the flows of random fields is not the flow of their mean. Compare first with the
modified loss of gradient descent on $R$, that is, of the steps $x - h \nabla R(x)$. Let $F$ be
the variance of the gradient,
""")
F = document.define(
    "F",
    named(r"\mathbb{E}\, \|\nabla E(x + \eta) - \nabla R\|^2", jet(variance.truncated(2))),
    tensor=True,
)
document.equation(F, SIGMA**2 * jet(JetPolynomial({HESSIAN: 1})), modulo=REST, label="eq:F")
document.equation(
    named(r"\mathbb{E}\, \hat{E}_k", jet(averaged_loss)),
    named("R", jet(R))
    + quarter * h * (named(r"\|\nabla R\|^2", jet(R.gradient().dot(R.gradient()))) + F),
    modulo=REST,
    label="eq:split",
)
third = Contraction(((0, 2), (2, 0)), free=(1, 0))
W = tensor(r"\nabla^3 E : W")
document.text(r"""
So the Hessian term is the part that comes from the randomness of the gradients. Now let
$m^k := \mathbb{E}\, x^k$, and let $V^k$ be the covariance matrix of $x^k$, all from a fixed
$x^0$. Both $x^k - m^k$ and $\eta_k$ are small of order $\sigma$ and independent of each other,
so that their sum has the covariance matrix $V^k + \sigma^2 I$. Taylor's formula around $m^k$
gives, with $H := \nabla^2 E$, all derivatives at $m^k$, and up to $O(\sigma^4)$ for $m$ and
$V$,
$$ m^{k+1} := m^k - h \nabla R - \tfrac{h}{2} \nabla^3 E : V^k, \qquad V^{k+1} := (I - hH) V^k (I - hH) + h^2 \sigma^2 H^2, $$
where $\nabla^3 E : V$ is the vector with the components
$\sum_{ij} V_{ij} \partial_i \partial_j \partial_l E$. For $V$ at $\sigma^2 I$ it is
$\sigma^2 \nabla \Delta E$, which with $\nabla E$ makes $\nabla R$, see @eq:R.
""")
with document.statement("theorem", "The flow of the mean", label="thm:mean"):
    document.text(r"""
On bounded times and up to $O(h^2)$, with $O(\sigma^4)$ beside, $m^k$ follows the flow of
$\dot{V} := - (H V + V H) + h \sigma^2 H^2$, $V(0) := 0$, and
""")
    # In the engine R is a loss like any other, with the name E.
    slope = named(r"\nabla R", jet(g))
    square_slope = named(r"\nabla \|\nabla R\|^2", gradient(SQUARE).meaning)
    drift = document.define(
        r"\dot{m}",
        -slope - quarter * h * square_slope - half * named(r"\nabla^3 E : V", h * W),
        tensor=True,
    )
f_0 = coloured(Tree(colour=0))
f_1 = coloured(Tree(colour=1))
flow = BSeries({Tree(colour=0): sympy.Integer(1), Tree(colour=1): h}, 2).exp()
phi = named(
    r"\varphi_h(m)",
    tensor("m") + sympy.Add(*(c * h**s.order / s.symmetry * coloured(s) for s, c in flow.items())),
)
with document.proof():
    document.text(r"""
As $V$ is $O(h)$, write $V := h W$. Then $\dot{W} := -(HW + WH) + \sigma^2 H^2$. In a basis of
eigenvectors of $H$ the recursion multiplies an entry $w$ of $W$ by a factor for its row and one
for its column, with eigenvalues $\lambda$ and $\mu$,
""")
    document.equation(
        "(1 - h*lambda_)*(1 - h*mu)*w",
        "w - h*(lambda_*w + mu*w)",
        modulo=(h, 2),
    )
    document.text(r"""
and adds $h\sigma^2\lambda^2$ on the diagonal: it is Euler's method up to $O(h^2)$ in one step.
So $W$ is right up to $O(h)$, which is an error of $O(h^2)$ in $\dot{m}$. The other field is
""")
    f_1_field = document.define("f_1", -quarter * square_slope - half * W, tensor=True)
    document.equation(drift, named("f_0", -slope.meaning) + h * f_1_field, label="eq:drift")
    document.text(r"with $f_0 := -\nabla R$. By the Taylor series of its flow,")
    document.equation(
        phi,
        tensor("m") + h * f_0 + h**2 * (f_1 + half * coloured(Tree([Tree(colour=0)], colour=0))),
        modulo=(h, 3),
        label="eq:flow",
    )
    document.text(r"""
and, as $f_0'f_0$ is $\nabla^2 R \nabla R$, half of the gradient of $\|\nabla R\|^2$,
""")
    document.equation(
        f_1_field + half * named("f_0'f_0", elementary(Tree([Tree()])).meaning),
        -half * W,
        label="eq:cancel",
    )
    document.text(r"""
So one step of the flow agrees up to $O(h^3)$ with that of $m^k$, and over $O(1/h)$ steps the
difference grows to $O(h^2)$, as both are Lipschitz maps close to the identity.
""")
document.text(r"""
Compared with the flow of the averaged modified loss, the term $\frac{h}{4} F$ is missing and
the spread of the iterates is there instead. In directions without curvature there is no spread,
and where the mean moves slowly and $H$ is positive in the others, $V$ settles at
$\frac{h\sigma^2}{2} H$, where $\dot{V}$ vanishes. The force of this spread is
""")
document.equation(
    half * (h * SIGMA**2 / 2) * named(r"\nabla^3 E : \nabla^2 E", jet(JetPolynomial({third: 1}))),
    gradient(h * SIGMA**2 / 8 * JetPolynomial({HESSIAN: 1})),
    label="eq:half",
)
document.text(r"""
With @eq:F this is the gradient of $\frac{1}{2} \cdot \frac{h}{4} F$: where the spread has
settled, the mean of the iterates feels half of the Hessian term, to this order in $h$, and before
that less.
""")

# -- along a valley --------------------------------------------------------------------------------

x, y = sympy.symbols("x y")
valley = sympy.Function("a")(x) * y**2 / 2
bottom = {sympy.Derivative(sympy.Function("a")(x), x): tensor("a'"), sympy.Function("a")(x): a}
along = averaged_loss.evaluate(valley, [x, y]).subs(y, 0).doit().subs(bottom)
document.text(r"""
# Along a valley of minima {#sec:valley}

Over-parametrized models have minima that are not isolated, and it is along these that noise is to
lead to flat ones. Let $E := \frac{1}{2} a(x) y^2$ in the plane, with $a > 0$, a valley at
$\given{y = 0}$ of curvature $a$ across. There the averaged modified loss, from @eq:loss with all
derivatives of this $E$, is
""")
document.equation(
    named(r"\mathbb{E}\, \hat{E}_k", along),
    "sigma**2*a/2 + h*sigma**2*a**2/4",
    modulo=REST,
    label="eq:along",
)
document.text(r"""
Near the valley the steps of $y$ are linear, $y^{k+1} := y^k - h a (y^k + \eta)$ with $\eta$ of
variance $\sigma^2$, and $a$ changes by $O(\sigma^2)$ only. For $ha < 2$ the variance of $y$
settles at
""")
document.define("v", "h*a*sigma**2/(2 - h*a)", name="v", label="eq:v")
document.equation("(1 - h*a)**2*v + h**2*a**2*sigma**2", "v", label="eq:settled")
document.text(r"""
In the same step $x$ changes by $-\frac{h}{2} a' (y^k + \eta)^2$, and the mean of the square is
""")
document.equation("v + sigma**2", "2*sigma**2/(2 - h*a)", label="eq:sum")
with document.statement("theorem", "The force along a valley", label="thm:valley"):
    document.text(r"""
For $ha < 2$, up to $O(\sigma^4)$ and once the variance of $y$ has settled, $x$ moves in a step
by $-h U'(a) a'$ in the mean, at any step size, with
""")
    U = document.define("U", of("sec-7-mean-of-iterates", "valley", "true"), name="U", label="eq:U")
    document.equation("U", "sigma**2*a/2 + h*sigma**2*a**2/8 + h**2*sigma**2*a**3/24",
                      modulo=(h, 3), label="eq:expanded")  # fmt: skip
with document.proof():
    document.text(r"With @eq:sum,")
    document.equation(sympy.Derivative(U, a), "(v + sigma**2)/2", label="eq:force")
document.text(r"""
The first term of @eq:expanded is the trace in $R$, the second is half of that in @eq:along, in
agreement with @eq:half. Both are limits for small $ha$: the leading force in $\sigma$ grows without
bound as $ha$ tends to 2, and noise drives the iterates away from curvatures at which they would become
unstable. @fig:valley compares this with runs.
""")

RUNS, SETTLING, MEASURED, NOISE = 10000, 40, 40, 2.0**-10
SIZES = (0.2, 0.5, 0.8, 1.1, 1.4, 1.7)
"""Values of ha, with a = 1.5 at x = 1, where a' = 1."""


def sampled_force(step: float, random: np.random.Generator) -> tuple[float, float]:
    """Mean of the force over σ²/2 in the valley of a = 1 + x²/2, and its standard error."""
    at, beside, begun = np.ones(RUNS), np.zeros(RUNS), np.ones(RUNS)
    for n in range(SETTLING + MEASURED):
        if n == SETTLING:
            begun = at
        shift = NOISE * random.standard_normal((2, RUNS))
        u, v = at + shift[0], beside + shift[1]
        at, beside = at - step * u * v**2 / 2, beside - step * (1 + u**2 / 2) * v
    forces = (begun - at) / (step * MEASURED * NOISE**2 / 2)
    return float(np.mean(forces)), float(np.std(forces, ddof=1) / np.sqrt(RUNS))


def valley_figure() -> tuple[Figure, float]:
    """The forces against ha, with sampled ones, and the largest distance in standard errors."""
    random = np.random.default_rng(7)
    found = [sampled_force(size / 1.5, random) for size in SIZES]
    # ha is all that matters: h = 1 here.
    scale = SIGMA**2 / 2
    curves = [
        (sympy.lambdify(a, (f / scale).diff(a).subs(h, 1)), colour, label)
        for f, colour, label in (
            (U.meaning, "#1b3a4b", "true force, $U'$"),
            (along, "#c8553d", "averaged modified loss"),
            (R.evaluate(valley, [x, y]).subs(y, 0).doit().subs(bottom), "#8a8f98", "averaged loss"),
        )
    ]
    figure = Figure(figsize=(4.6, 2.3), layout="constrained")
    axes = figure.add_subplot()
    points = np.linspace(0, 1.8, 181)
    for curve, colour, label in curves:
        axes.plot(points, curve(points) + 0 * points, color=colour, lw=1.3, label=label)
    axes.errorbar(SIZES, [f for f, _ in found], [2 * e for _, e in found], fmt="o", ms=4,
                  color="#1b3a4b", lw=1, label=f"{RUNS} runs")  # fmt: skip
    axes.set(xlabel="$ha$", ylabel=r"force / $(\sigma^2 a'/2)$", xlim=(0, 1.8), ylim=(0, 7))
    axes.legend(frameon=False, fontsize=8)
    axes.grid(which="major", color="#e8eaed", lw=0.6)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    true = curves[0][0]
    away = max(abs(f - true(size)) / e for (f, e), size in zip(found, SIZES, strict=True))
    return figure, away


figure, away = valley_figure()
if away > 5:
    raise StepError(f"the sampled force is {away:.1f} standard errors from its formula")
document.figure(
    figure,
    caption=r"Force along the valley with $a := 1 + x^2/2$ at $x$ near 1. Dots: means over runs "
    rf"with $\given{{\sigma = 2^{{-10}}}}$, with bars of two standard errors; none is more than {away:.1f} "
    "standard errors from the curve.",
    label="fig:valley",
    width=0.72,
    description="The true force rises like 2/(2 - ha); the averaged modified loss gives a line "
    "that is too steep for small ha and too low for large ha; the averaged loss gives a constant.",
)

# -- momentum --------------------------------------------------------------------------------------

document.text(r"""
# With momentum {#sec:momentum}

With heavy ball, and losses $E_k$ that change from step to step, the flow and the modified loss of
step $k$ are
""")
batches = "thm-5.1-exact"
document.quote(
    "\n".join(f"$${part}$$" for part in claim_named(batches).statement.split(r", \quad ")),
    "[@ghosh2023, Theorem 5.1]",
)
document.text(r"""
The shifts are independent, so that the variances of the gradients add up: those of $\nabla G_r$
to $s_r F$, with
""")
r = sympy.Symbol("r")
past = sympy.Symbol("beta") ** (k - r)
s_r = document.define("s_r", "Sum(beta**(2*(r - i)), (i, 0, r))", name="s", label="eq:s")
document.equation("s", "(1 - beta**(2*r + 2))/(1 - beta**2)", label="eq:spread")
s_k = Quantity("s_k", s_r.meaning.subs(r, k))
document.text(r"""
and the mean of the force $-\nabla G_k$ is $-d_k \nabla R$, with
""")
drift_k = document.define("d_k", "Sum(beta**(k - i), (i, 0, k))", name="d", label="eq:d")
document.equation("d", "(1 - beta**(k + 1))/(1 - beta)", label="eq:total")
drift_r = Quantity("d_r", drift_k.meaning.subs(k, r))
with document.statement("theorem", "Noise and momentum", label="thm:momentum"):
    document.text(r"In the mean of $\hat{E}_k$ the variance $F$ of @eq:F has the factor")
    c = document.define(
        "c_k",
        of(batches, "factor") * s_k
        + of(batches, "factor") * sympy.Sum(of(batches, "memory") * s_r, (r, 0, k - 1)),
        name="c",
    )
    document.equation("c", quarter * h * drift_k**2, label="eq:factor")
with document.proof():
    document.text(r"""
The means of $\|\nabla G_k\|^2$ and of the other squares contain $s_k F$ and $s_r F$. By
@eq:spread the sum over $r$ is made of two geometric ones, and with the first term both are a
square:
""")
    document.equation(
        sympy.Sum(past * s_r, (r, 0, k - 1)),
        "beta*(1 - beta**k)*(1 - beta**(k + 1))/((1 - beta)*(1 - beta**2))",
        label="eq:past",
    )
    document.equation(
        "(1 - beta**(2*k + 2))*(1 - beta) + 2*beta*(1 - beta**k)*(1 - beta**(k + 1))",
        "(1 + beta)*(1 - beta**(k + 1))**2",
    )


def own(step: int) -> sympy.Expr:
    """The factor of F in the mean modified loss of a step: from the exact field, pairs E_i, E_i."""
    field = batch_equations(HeavyBall(), 2, range(step + 1))[step]
    pairs = (b for t, b in field.coefficients.items() if t.order == 2 and len(set(t.colours)) == 1)
    # F(τ) is ½ ∇‖∇E_i‖², of which the mean has ½ ∇F in it.
    return -h / 2 * sympy.Add(*(sympy.sympify(b) for b in pairs))


document.text(
    r"""
The modified field of a step is bilinear in the batches at order $h$; in the mean only its
terms with one batch twice differ from those for $R$. Derived from the update rule
for the first three steps, their factors are [[first]], [[second]] and [[third]], the same.
[@ghosh2023] expect of them:
""",
    **{
        name: document.equal(
            Quantity(f"c_{n}", own(n)), h * sympy.Add(*(beta**i for i in range(n + 1))) ** 2 / 4
        )
        for n, name in enumerate(("first", "second", "third"))
    },
)
document.quote(
    "We expect this new regularization term to get stronger when momentum is added, as momentum "
    "amplifies the power of IGR (Remark 4.2, 5.3).",
    "[@ghosh2023, Section 7]",
)
document.text(r"At the same step size this is so. The factor grows from $\frac{h}{4}$ to")
document.equation(sympy.Limit(c, k, sympy.oo), of("sec-7-momentum", "strength"), label="eq:limit")
document.text(r"""
and the term grows more than the force, which grows by $\frac{1}{1-\beta}$. But momentum also moves
the iterates further in each step. Gradient descent with the same effective step size $h d_k$
has the factor $\frac{h d_k}{4}$, and relative to the force heavy ball has the same, at every $k$ and
every $\beta$:
""")
document.equation("c/d", "h*d/4", label="eq:adjusted")
document.text(r"""
Remarks 4.2 and 5.3 of [@ghosh2023] count in this way for the term of $\|\nabla R\|^2$. It has the
factor $\frac{h}{4} q_k$, and is stronger even then:
""")
squares = document.define(
    "q_k", drift_k**2 + 2 * sympy.Sum(past * drift_r**2, (r, 0, k - 1)), name="q"
)
document.equation(
    sympy.Limit(squares / drift_k**2, k, sympy.oo), "(1 + beta)/(1 - beta)", label="eq:gradient"
)
document.text(r"""
That of $F$ is not. Shifts of successive steps are independent, and the memory of heavy ball
averages what they add to the force.
""")
