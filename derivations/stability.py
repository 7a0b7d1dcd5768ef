"""Which step sizes are stable with momentum, and in which a flow follows the iterates."""

import numpy as np
import sympy
from matplotlib.figure import Figure

from modflow.claims import claim_named
from modflow.claims._evidence import NODE
from modflow.claims._registry import symbolic
from modflow.claims.stability import mean_square_bound, relative_regularizer
from modflow.companion import characteristic_polynomial, companion_matrix
from modflow.documents import Document, Identity, Theorem
from modflow.documents.quantities import Quantity
from modflow.documents.vocabulary import coefficient
from modflow.methods import GradientDescent, HeavyBall, Nesterov
from modflow.modified import modified_equation
from modflow.series import Tree
from modflow.stability import spectral_radius, stability_bound, with_positive_parts

z, t, beta, h, L, v, s, k, xi = sympy.symbols("z t beta h L v s k xi")
ORDER = 4
"""Up to which the series of the modified equation is shown."""


def named(tex: str, meaning: object, *, tensor: bool = False) -> Quantity:
    """What the engine has, under a name to be shown."""
    return Quantity(tex, sympy.sympify(meaning), tensor=tensor)


def of(claim: str, formula: str, part: str = "printed") -> sympy.Expr:
    """A formula of the registry."""
    return symbolic(getattr(claim_named(claim), part)[formula])


document = Document(
    "Stability of momentum, and where it follows a flow",
    authors=["The modflow developers"],
    bibliography="references.bib",
    abstract=r"""
Heavy ball is stable on a quadratic for $h\lambda \leq 2(1+\beta)$, as [@ghosh2023] say, and the
sharpness at the edge of stability is $2(1+\beta)/h$. Its modified equation on a quadratic has a
closed form, with Legendre polynomials as coefficients, and diverges for
$h\lambda > (1-\sqrt\beta)^2$, where no first-order flow on the line follows the iterates. So the
larger stable range is no gain in implicit regularization by this theory: if it is to hold in all
directions, momentum allows for less of it than gradient descent does. With random batches, in mean square, the stable range
of $h$ shrinks by momentum where the curvature varies much.
""",
    keywords=("heavy ball", "linear stability", "edge of stability", "Legendre polynomials"),
)

# -- one step ----------------------------------------------------------------------------------

heavy = companion_matrix(HeavyBall())
ball = characteristic_polynomial(HeavyBall()).as_expr()
document.text(r"""
# One step on a quadratic {#sec:step}

Near a minimum, and along an eigenvector of the Hessian with the eigenvalue $\lambda$, a loss is
$\lambda x^2/2$. Heavy ball [@polyak1964] keeps the last step $m$ in memory and makes of it
$\beta m - h\lambda x$, which it adds to $x$. With
$z := h\lambda$ and $0 \leq \beta < 1$ this is a matrix that acts on the column of $x$ and $m$,
""")
step = document.define("M", heavy, name="M", label="eq:M")
document.text(r"and its eigenvalues are the zeros of")
document.equation(
    sympy.Determinant(t * sympy.eye(2) - heavy), "t**2 - (1 + beta - z)*t + beta", label="eq:p"
)
document.text(r"""
a polynomial $p(t)$ with the values
""")
for point in (1, -1):
    document.equation(
        named(f"p({point})", ball.subs(t, point)), {1: z, -1: 2 * (1 + beta) - z}[point],
        label="eq:at-one" if point == 1 else "eq:at-minus-one",
    )  # fmt: skip
with document.statement("theorem", "the stable range", label="thm:stable"):
    document.text(r"""
From every start the iterates of heavy ball on $\lambda x^2/2$ stay bounded if and only if
$0 \leq h\lambda \leq 2(1+\beta)$, and tend to a limit if and only if the second inequality is strict.
""")
with document.proof():
    document.text(r"""
The product of the zeros is $\beta < 1$. Zeros that are not real are conjugate, and have the
modulus $\sqrt\beta$. Real ones have one sign unless $\beta$ is zero, and one of them at most lies
outside of $(-1, 1)$: none does if $p(1)$ and $p(-1)$ are both positive, one lies above 1 if
$p(1) < 0$, and one below $-1$ if $p(-1) < 0$ [@jury1964, Chapter 3]. At the ends of the range the
zeros are 1 and $\beta$, and $-1$ and $-\beta$, all simple:
""")
    document.equation(named(r"p(t)|_{z \to 0}", ball.subs(z, 0)), "(t - 1)*(t - beta)")
    document.equation(
        named(r"p(t)|_{z \to 2(1+\beta)}", ball.subs(z, stability_bound(HeavyBall()))),
        "(t + 1)*(t + beta)",
        label="eq:at-bound",
    )
document.text(r"""
For curvatures up to $L$ the largest stable step is the printed one,
""")
document.equation(
    named(r"h_{\max}", stability_bound(HeavyBall()) / L),
    of("sec-6-gdm-stable", "bound"),
    label="eq:bound",
)
document.text(r"""
Stable does not mean small. At this step size and from rest, $x^k$ is
""")
weight = document.define("A", "(1 + beta)/(1 - beta)", name="A", label="eq:A")
late = "A*(-1)**k + (1 - A)*(-beta)**k"
document.expression(late, label="eq:overshoot")
first = (heavy * sympy.Matrix([1, 0]))[0].subs(z, stability_bound(HeavyBall()))
document.text(r"""
times $x^0$, as both zeros of @eq:at-bound have a part in it and as it has the right value at
$k := 1$: there it is [[first]]. The iterates end as
oscillations of $[[weight]]$ times the distance at the start, [[large]] times for $\given{\beta = 0.9}$.
""", first=document.equal(-weight - beta * (1 - weight), first), weight=weight,
    large=f"{float(weight.meaning.subs(beta, sympy.Rational(9, 10))):g}")  # fmt: skip

# -- methods -----------------------------------------------------------------------------------

document.text(r"""
# Step sizes, effective rates, sharpness {#sec:rates}

A step $h$ is worth as much as one of size $h$ times the drift of the limit flow: the effective
rate of heavy ball is $h/(1-\beta)$. @tab:methods has, for curvatures up to $L$, the largest
stable step and effective rate. The same numbers say how sharp a minimum can be at a given $h$:
full-batch training drives the sharpness, the largest eigenvalue of the Hessian, up to the value
where the iterates become unstable, and keeps it there [@cohen2021].
""")
rows, gains = [], {}
for label, method in (
    ("gradient descent", GradientDescent()),
    ("heavy ball", HeavyBall()),
    ("Nesterov", Nesterov()),
):
    bound = stability_bound(method)
    drift = modified_equation(method, 1, limit=True).limit[NODE]
    gains[label] = sympy.sympify(drift) * bound
    values = {beta: sympy.Rational(1, 2)}
    rows.append(
        [label, bound, with_positive_parts(gains[label], values), bound / h]
    )  # fmt: skip
document.table(
    ["method", r"$h_{\max} L$", r"effective rate $\cdot L$", "sharpness"],
    rows,
    caption="Largest stable step, its effective rate, and the sharpness at the edge of stability.",
    label="tab:methods",
    align="lccc",
)  # fmt: skip
document.text(r"""
Heavy ball can be used with larger steps than gradient descent, and Nesterov's method, whose
memory is one gradient step ahead, with smaller ones only:
""")
document.equation(
    stability_bound(GradientDescent())
    - named(r"\frac{2(1+\beta)}{1+2\beta}", stability_bound(Nesterov())),
    "2*beta/(1 + 2*beta)",
)
document.text(r"""
The effective rates of heavy ball, and the sharpness, are those of
[@ghosh2023, Section 6 and footnote 3]:
""")
document.equation(
    named(r"\frac{h_{\max}}{1-\beta}", gains["heavy ball"] / L),
    of("sec-6-effective-rates", "gdm"),
    label="eq:rate",
)
document.equation(
    named(r"\lambda_{\mathrm{edge}}", stability_bound(HeavyBall()) / h),
    of("footnote-3-threshold", "gdm"),
    label="eq:edge",
)

# -- how fast ----------------------------------------------------------------------------------

BETAS = (0.0, 0.5, 0.9)
COLOURS = ("#0072B2", "#009E73", "#D55E00")


def radius_figure() -> Figure:
    """The spectral radius of a step against z, and the mean-square bound against the variance."""
    figure = Figure(figsize=(6.6, 2.1), layout="constrained")
    left, right = figure.subplots(1, 2)
    for value, colour in zip(BETAS, COLOURS, strict=True):
        rule, end = HeavyBall(value), 2 * (1 + value)
        low, high = (1 - np.sqrt(value)) ** 2, (1 + np.sqrt(value)) ** 2
        points = np.unique(np.concatenate([np.linspace(0, 4, 401), [low, high]]))
        left.plot(points, spectral_radius(rule, points), color=colour, lw=1.3,
                  label=rf"$\beta = {value:g}$")  # fmt: skip
        left.plot([low], [np.sqrt(value)], "o", color=colour, ms=4)
        left.plot([end], [1], "s", color=colour, ms=4, mfc="white", zorder=4)
        variances = np.geomspace(0.01, 10, 200)
        bound = sympy.lambdify(v, mean_square_bound(HeavyBall()).subs(beta, value))
        right.plot(variances, bound(variances), color=colour, lw=1.3)
        if value:
            turn = (1 - value) / (1 + value)
            right.plot([turn], [bound(turn)], "o", color=colour, ms=4)
    left.axhline(1, color="#8a8f98", lw=0.8)
    left.set(xlabel=r"$h\lambda$", ylabel="spectral radius", xlim=(0, 4), ylim=(0, 1.4))
    right.set(xlabel="variance $v$", ylabel=r"largest stable $hL$", xscale="log", xlim=(0.01, 10))
    right.set_ylim(0, 4)
    left.legend(frameon=False, fontsize=8)
    for axes in (left, right):
        axes.grid(which="major", color="#e8eaed", lw=0.6)
        axes.set_axisbelow(True)
        axes.tick_params(labelsize=8)
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
    return figure


root = (1 + beta - z + sympy.sqrt((1 + beta - z) ** 2 - 4 * beta)) / 2
document.text(r"""
# The modified equation in closed form {#sec:flow}

A flow $\dot x := F(x)$ on the line multiplies $x$ by a positive factor in a time $h$. So it
follows heavy ball only where a zero of $p$ is positive. Which of the two it follows is clear
for small $z$, where one is near 1 and the other near $\beta$:
""")
rho = document.define(
    r"\varrho", "(1 + beta - z + sqrt((1 + beta - z)**2 - 4*beta))/2", name="rho", label="eq:rho"
)
document.equation("rho**2 - (1 + beta - z)*rho + beta", 0)
document.text(r"The discriminant is")
document.equation(
    named(r"\operatorname{disc} p", sympy.discriminant(ball, t)),
    "(1 - beta)**2 - 2*(1 + beta)*z + z**2",
    "((1 - sqrt(beta))**2 - z)*((1 + sqrt(beta))**2 - z)",
    by=[Identity(), Identity()],
    label="eq:disc",
)
document.text(r"""
and both zeros are positive up to $(1 - \sqrt\beta)^2$, not real up to $(1+\sqrt\beta)^2$, and
negative from there on; see @fig:radius.
""")
document.figure(
    radius_figure(),
    caption=r"Left: the factor by which heavy ball falls in a step. It has a flow up to the dot at $(1-\sqrt\beta)^2$ and is stable up to the "
    r"square at $2(1+\beta)$. Right: the stable range in mean square, see @sec:batches; from the dot on it is smaller than without momentum.",
    label="fig:radius",
    width=1.0,
    description="The spectral radius falls from 1, is constant while the zeros are not real, and "
    "rises again; the stable range falls with the variance, the faster the larger beta is.",
)
chains = [NODE]
for _ in range(ORDER - 1):
    chains.append(Tree([chains[-1]]))
limit = modified_equation(HeavyBall(), ORDER, limit=True).limit
# F of the chain of n vertices is (-λ)^n x, and h x' = φ(z) x.
exponent = sympy.Add(*(sympy.sympify(limit[c]) * (-z) ** n for n, c in enumerate(chains, 1)))
document.text(r"""
The modified equation of heavy ball in the limit $k \to \infty$, derived from one step by means
of B-series, has on a quadratic the field $h^{-1} \varphi(z) x$ with a power series $\varphi$:
of all elementary differentials only those of chains are left, and that of the chain with $n$
vertices is $(-\lambda)^n x$. The flow over a time $h$ multiplies $x$ by $e^{\varphi}$, which
has to be $\varrho$. Up to order [[order]], with the coefficients that were derived from the
update rule,
""", order=ORDER)  # fmt: skip
document.equation(
    named(r"\varphi", exponent), sympy.log(rho), modulo=(z, ORDER + 1), label="eq:log"
)
with document.statement("theorem", "the modified equation on a quadratic", label="thm:legendre"):
    document.text(r"""
With Legendre's polynomials $P_n$ and $c := \frac{1+\beta}{1-\beta}$,
$$ \varphi(z) := - \sum_{n=0}^{\infty} \frac{P_n(c)}{n + 1} \left(\frac{z}{1-\beta}\right)^{n+1} \quad\text{is}\quad \log \varrho, $$
and its radius of convergence is $(1 - \sqrt\beta)^2$.
""")
ratio = named("c", (1 + beta) / (1 - beta))
with document.proof():
    document.text(r"The derivative of the logarithm is")
    document.equation(
        named(r"\frac{d}{dz} \log\varrho", sympy.diff(sympy.log(root), z)),
        "-1/sqrt((1 - beta)**2 - 2*(1 + beta)*z + z**2)",
        label="eq:derivative",
    )
    document.text(r"and with $s := z/(1-\beta)$ the square below the root is")
    document.equation(
        sympy.discriminant(ball, t).subs(z, (1 - beta) * s).expand().collect(s),
        (1 - beta) ** 2 * (1 - 2 * ratio * s + s**2),
        label="eq:scaled",
    )
    document.text(r"One over the root of the bracket generates Legendre's polynomials,")
    n, half = sympy.Symbol("n"), sympy.Rational(1, 2)
    x = sympy.Symbol("c")
    document.equation(
        "1/sqrt(1 - 2*c*s + s**2)",
        sympy.Sum(named("P_n(c)", sympy.legendre(n, x), tensor=False) * s**n, (n, 0, sympy.oo)),
        by=Theorem(
            "Legendre",
            "[@szego1939, Section 4.7]",
            cases=[{x: 1, s: half}, {x: -1, s: half}, {x: 1, s: -half / 2}],
        ),
        label="eq:legendre",
    )
    document.text(r"""
so that integration from 0, where $\varrho$ is 1, gives the series. It converges up to the
singularity of $\log\varrho$ that is next to 0. $\varrho$ has no zero, as the product of both
zeros of $p$ is $\beta$, unless $\beta$ is zero. The others are the branch points in @eq:disc,
the smaller of which is $(1-\sqrt\beta)^2$; for $\given{\beta = 0}$ there is $\log(1 - z)$, with
the same radius 1.
""")
rows = []
for n_, chain in enumerate(chains):
    P = named(f"P_{n_}(c)", sympy.legendre(n_, (1 + beta) / (1 - beta)))
    value = coefficient("b", chain, limit[chain])
    claimed = (-1) ** n_ * P / ((n_ + 1) * (1 - beta) ** (n_ + 1))
    rows.append(
        [
            document.equal(value, claimed),
            with_positive_parts(P.meaning, {beta: sympy.Rational(1, 2)}),
        ]
    )
document.table(
    ["coefficient", "the polynomial"],
    rows,
    caption="Coefficients on chains in the limit: those that the engine derives, and these.",
    label="tab:legendre",
)
document.text(r"""
@tab:legendre has the first of them. As $c \geq 1$, all $P_n(c)$ are positive: every truncation decays too slowly. That of (5) in
[@ghosh2023], with the first two terms $\varphi_2$ of $\varphi$, lacks to leading order
""")
two = sympy.Add(*(sympy.sympify(limit[c]) * (-z) ** n for n, c in enumerate(chains[:2], 1)))
document.equation(
    named(r"\varphi_2", two) - sympy.log(rho),
    "(1 + 4*beta + beta**2)/(3*(1 - beta)**5)*z**3",
    modulo=(z, 4),
    label="eq:lack",
)

# -- what it means -----------------------------------------------------------------------------

reach = of("sec-6-benefits-from-stability", "step", "true")
document.text(r"""
# What the larger range is worth {#sec:worth}

The modified loss of heavy ball has a multiple of $\|\nabla E\|^2$ that grows with the step.
From the larger stable range one would expect a stronger regularization:
""")
document.quote(
    "Since larger effective learning rates means a stronger IGR, (GD+M) clearly benefits from its "
    "large stability region.",
    "[@ghosh2023, Section 6]",
)
document.text(
    r"The flow (5) has the multiple [[multiple]]. At the largest stable step it would be",
    multiple=document.equal(
        named("R(h)", relative_regularizer(h)), "h*(1 + beta)/(4*(1 - beta)**2)"
    ),
)
document.equation(
    named(r"R(h_{\max})", relative_regularizer(stability_bound(HeavyBall()) / L)),
    "(1 + beta)**2/(2*L*(1 - beta)**2)",
)
document.text(r"""
But in a direction with $h\lambda > (1-\sqrt\beta)^2$ there is no flow for it to be a part
of: the modified equation diverges by @thm:legendre, and no first-order flow on the line follows
iterates that oscillate. For all curvatures up to $L$ it converges for $hL < (1-\sqrt\beta)^2$.
""")
with document.statement("proposition", "as far as the flow goes", label="thm:gain"):
    document.text(r"""
While the modified equation converges for all $\lambda \leq L$, both the effective rate and the
multiple of $\|\nabla E\|^2$ are smaller for heavy ball with $\beta > 0$ than the suprema $1/L$
and $1/(4L)$ of gradient descent:
""")
    document.equation(
        named(r"R((1-\sqrt\beta)^2/L)", relative_regularizer(reach)),
        of("sec-6-benefits-from-stability", "gain", "true") / (4 * L),
        label="eq:gain",
    )
    document.equation(reach / (1 - beta), "(1 - sqrt(beta))/(1 + sqrt(beta))/L", label="eq:slow")
with document.proof():
    document.text(r"""
Both grow with $h$; these are their values at the end of the range. The second is below $1/L$ as
$\beta > 0$, and the first is less than $1/(4L)$ by this share of it:
""")
    document.equation(
        1 - of("sec-6-benefits-from-stability", "gain", "true"),
        "2*sqrt(beta)/(1 + sqrt(beta))**2",
    )
reach_ratio = sympy.lambdify(beta, stability_bound(HeavyBall()) / (reach * L))
document.text(r"""
At the edge of stability $h\lambda$ is at $2(1+\beta)$ in the sharpest direction, which is
[[low]] times the reach of the flow for $\given{\beta = 0.5}$, and [[high]] times for 0.9. There the
theory is silent, whatever the iterates do. Flat directions, with $h\lambda$ below
$(1-\sqrt\beta)^2$, have their flow and its regularizer at larger $h$ too.
""", low=f"{reach_ratio(0.5):.3g}", high=f"{reach_ratio(0.9):.4g}")  # fmt: skip

# -- batches -----------------------------------------------------------------------------------

moments = sympy.symbols("X Y W")
random_step = heavy.subs(z, xi * z)
second = random_step * sympy.Matrix([[moments[0], moments[1]], [moments[1], moments[2]]])
second = (second * random_step.T).applyfunc(
    lambda entry: sympy.expand(entry).subs(xi**2, 1 + v).subs(xi, 1)
)
transfer = sympy.Matrix([second[0, 0], second[0, 1], second[1, 1]]).jacobian(moments)
document.text(r"""
# Random batches {#sec:batches}

In one direction let the curvatures of the batches be $\lambda \xi_k$, with independent $\xi_k$
of mean 1 and variance $v$. The mean of the iterates obeys @eq:M, and is stable in the same
range as before. Their size is decided by the second moments of $x$ and $m$: the column of
$\mathbb{E} x^2$, $\mathbb{E} x m$, $\mathbb{E} m^2$ is multiplied in each step by
""")
document.define("T", transfer, label="eq:T")
document.text(r"""
since the step is linear, so that its second moments are linear in the old ones.
""")
with document.statement("theorem", "the stable range in mean square", label="thm:square"):
    document.text(
        r"For $v \geq 0$ the second moments stay bounded from every start, and tend to zero, for $0 < h\lambda < z_v$ with"
    )
    document.equation(
        named("z_v", mean_square_bound(HeavyBall())),
        of("sec-6-same-conclusion-for-batches", "gdm", "true") * L,
        label="eq:square",
    )
    document.text(r"and grow without bound from some start for $h\lambda > z_v$.")
with document.proof():
    document.text(r"""
$T$ maps the cone of positive semidefinite matrices into itself, so that its spectral radius is
one of its eigenvalues [@krein1948]. It depends continuously on $z$ and passes 1 only at zeros
of
""")
    document.equation(
        named(r"\det(I - T)", (sympy.eye(3) - transfer).det()),
        "z*(2*(1 - beta**2) - (1 - beta + v*(1 + beta))*z)",
        label="eq:det",
    )
    document.text(r"""
At $z \to 0$ the eigenvalues tend to 1, $\beta$ and $\beta^2$, and for small $z > 0$ their
distances from 1 have the positive product @eq:det: all are below 1, and stay there up to $z_v$.
Beyond, the product is negative, so that some real eigenvalue exceeds 1.
""")
document.text(r"""
With $v \to 0$ this is $2(1+\beta)$. The range of gradient descent has $\beta$ at zero, and
against it momentum gains
""")
gain = mean_square_bound(HeavyBall()) / mean_square_bound(GradientDescent())
document.equation(
    named(r"\frac{z_v}{z_v|_{\beta \to 0}} - 1", sympy.cancel(gain) - 1),
    "beta*(1 - beta - v*(1 + beta))/(1 - beta + v*(1 + beta))",
    label="eq:gain-square",
)
document.equation(
    named(
        r"\frac{1}{1-\beta} \frac{z_v}{z_v|_{\beta \to 0}} - 1",
        sympy.cancel(gain / (1 - beta)) - 1,
    ),
    "2*beta/(1 - beta + v*(1 + beta))",
    label="eq:gain-rate",
)
threshold = of("sec-6-same-conclusion-for-batches", "threshold", "true")
document.text(r"""
Section 6 of [@ghosh2023] carries the larger stability region over to batches. In mean square
that is so for variances below [[threshold]], [[at]] for $\given{\beta = 0.9}$, and wrong above: there
the range of $h$ is the smaller one (@fig:radius). What momentum always allows for is a larger
effective rate, by @eq:gain-rate.
""", threshold=threshold, at=f"{float(threshold.subs(beta, sympy.Rational(9, 10))):.3f}",
)  # fmt: skip
