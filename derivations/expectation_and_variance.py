"""Remarks 5.3 to 5.5: means and variances over the batches drawn, of forces and of iterates."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import sympy

from modflow.batches import expected_regularizer, force_covariance
from modflow.batches.expectations import correlation
from modflow.claims import claim_named
from modflow.claims._registry import symbolic
from modflow.claims._second_moments import (
    companion,
    response,
    stationary_covariance,
    variance_in_epochs,
)
from modflow.claims.moments import LOSSES, SLOPES, over_all_draws
from modflow.documents import Document
from modflow.documents.quantities import Quantity, unfolded
from modflow.documents.rules import Substitution
from modflow.methods import GradientDescent, HeavyBall

h, k, r, s, l, n, beta, lam, q, v = sympy.symbols("h k r s l n beta lambda q v")  # noqa: E741
F, G = sympy.symbols("F G")


def named(tex: str, meaning: Any, *, tensor: bool = False) -> Quantity:
    """What the engine has, under a name to be shown."""
    return Quantity(tex, sympy.sympify(meaning), tensor=tensor)


def of(claim: str, formula: str, part: str = "printed") -> sympy.Expr:
    """A formula of the registry."""
    return symbolic(getattr(claim_named(claim), part)[formula])


document = Document(
    "Heavy ball on mini-batches: means and variances",
    authors=["The modflow developers"],
    bibliography="references.bib",
    keywords=("stochastic gradient descent", "momentum", "sampling without replacement"),
    abstract=r"""
    What Remarks 5.3 to 5.5 of [@ghosh2023] say of stochastic gradient descent with momentum on average
    over the batches. The mean of the regularizer is as printed for independent draws and $k \to \infty$, if $F$
    is the variance of the gradients; printed is that of the losses. We add the closed form at
    every step, and draws without replacement, where $F$ counts for less. Relative to the force, momentum strengthens
    the term of $\|\nabla E\|^2$ by $\frac{1+\beta}{1-\beta}$ and that of $F$ not at all. The
    covariance of the force is smaller by the factor $\frac{1-\beta}{1+\beta}$ as printed, but that of the iterates, of
    which Remark 5.5 speaks first, for independent draws by $O(h)$ only: what the forces lose in size they gain in correlation.
    """,
)

# -- setting --------------------------------------------------------------------------------------

document.text(r"""
# Quadratic functions of the draws {#sec:setting}

At a fixed point $x$ let $\nabla E_j$ be the gradients of $M$ batches, $\nabla E$ their mean, $C$ their
covariance matrix, and $F := \mathbb{E} \|\nabla E_j - \nabla E\|^2$ its trace. There are two batches at least,
""")
M = document.define("M", sympy.Symbol("m", integer=True, positive=True) + 1, name="M")
document.text(r"""
with a whole number $m > 0$. Step $r$ uses a batch that
is drawn, with the loss $E_r$. Heavy ball with momentum $\beta$ follows the flow of $-\nabla(G_k + R_k)$ during step
$k$ [@ghosh2023, Theorem 5.1], where
$$G_k := \sum_{r=0}^k \beta^{k-r} E_r, \qquad
R_k := \frac{h}{4} \Big(\|\nabla G_k\|^2 + 2 \sum_{s=0}^{k-1} \beta^{k-s} \|\nabla G_s\|^2\Big).$$
All that matters of the draws are the covariances of two steps, which are multiples
$\rho(r, s) \, C$ of that of one; $\rho(r, r)$ is 1. We consider three ways to draw.

- *Independent*: each batch from all of them. $\rho(r, s)$ is 0 for $r \neq s$.
- *Shuffled*: a new permutation for each epoch of $M$ steps. Within an epoch $\rho(r, s)$ is the same for all
  $r \neq s$, and between epochs it is 0.
- *Once*: one permutation, repeated. $\rho(r, s)$ is 1 if $M$ divides $r - s$, and otherwise as within an
  epoch.

As the deviations $\nabla E_j - \nabla E$ of an epoch add up to zero, so do their covariances with one of
them: [[zero]] for the value $-\frac{1}{M-1}$ of $\rho$ at $r \neq s$.
""", zero=document.equal("1 - (M - 1)/(M - 1)", 0))  # fmt: skip
with document.statement("lemma", "means over the draws", label="thm:lemma"):
    document.text(r"""
    Let
    $$d_k := \sum_{r=0}^{k} \beta^{k-r}, \qquad c_k := \sum_{r,s=0}^{k} \beta^{2k-r-s} \rho(r, s).$$
    The force $-\nabla G_k$ has the mean $-d_k \nabla E$ and the covariance $c_k C$, and
    $\mathbb{E} R_k$ is $\frac{h}{4} (\Gamma_k \|\nabla E\|^2 + V_k F)$ with
    $$\Gamma_k := d_k^2 + 2 \sum_{s=0}^{k-1} \beta^{k-s} d_s^2, \qquad
    V_k := c_k + 2 \sum_{s=0}^{k-1} \beta^{k-s} c_s.$$
    """)
with document.proof():
    document.text(r"""
    $\nabla G_k$ is a linear combination of the $\nabla E_r$ with the weights $\beta^{k-r}$, and the mean of
    $\|\nabla G_s\|^2$ is the square of its mean plus the trace of its covariance.
    """)

# -- independent draws ----------------------------------------------------------------------------

document.text(r"""
# Independent draws {#sec:independent}

Here $c_k$ has only the terms with $r$ and $s$ alike:
""")
at_k, limit = expected_regularizer(), expected_regularizer(limit=True)
d = named("d_k", at_k.force)
document.equation(
    d, "Sum(beta**(k - r), (r, 0, k))", "(1 - beta**(k + 1))/(1 - beta)", label="eq:d"
)
c = named("c_k", force_covariance())
document.equation(
    c, "Sum(beta**(2*(k - r)), (r, 0, k))", "(1 - beta**(2*k + 2))/(1 - beta**2)", label="eq:c"
)
with document.statement("theorem", "independent draws", label="thm:independent"):
    document.text(r"At every step")
    gamma = document.define(
        r"\gamma_k", claim_named("thm-4.1-gamma").printed["gamma"], name="gamma", label="eq:gamma"
    )
    Gamma = named(r"\Gamma_k", 4 * at_k.gradient)
    V = named("V_k", 4 * at_k.variance)
    document.equation(Gamma, "gamma*(1 + beta)/(1 - beta)**3", label="eq:Gamma")
    document.equation(V, d**2, label="eq:V")
with document.proof():
    document.text(r"""
    The left sides are what the program has, for all $k$. By the lemma they are the sums
    """)
    d_s, c_s = (named(f"{x.name[0]}_s", unfolded(x).subs(k, s)) for x in (d, c))
    for total, own, past in ((Gamma, d**2, d_s**2), (V, c, c_s)):
        document.equation(total, own + sympy.Sum(2 * beta ** (k - s) * past, (s, 0, k - 1)))
    document.text(r"and all terms are geometric, up to factors of $k$.")
document.text(r"""
So the mean of the regularizer has the $\gamma_k$ of full batches [@ghosh2023, Theorem 4.1] beside
$\|\nabla E\|^2$, and the square of the drift beside $F$. The limits are those that Remark 5.3 prints as the
coefficients of $\|\nabla E\|^2$ and of $F$:
""")
for name, value in (("gradient", Gamma), ("variance", V)):
    document.equation(
        sympy.Limit(h / 4 * value, k, sympy.oo),
        of("rem-5.3-coefficients", name),
        label=f"eq:limit-{name}",
    )

document.text(r"""
## What $F$ is {#sec:F}

The remark has another $F$, without the gradients:
""")
document.quote(f"$$ {claim_named('rem-5.3-F').statement} $$", "[@ghosh2023, Remark 5.3]")
STEPS = 3
means = {sympy.Symbol("E"): sum(LOSSES) / 2}
document.text(r"""
To see which it is, take two batches in one dimension, with the gradients $g_1$ and $g_2$, and enumerate
the [[count]] sequences of [[steps]] independent draws. With
""", count=2**STEPS, steps=STEPS)  # fmt: skip
g_bar = document.define(r"\bar{g}", "(g1 + g2)/2", name="g")
scatter = document.define("F", claim_named("rem-5.3-F").true["F"], label="eq:F")
document.text(r"the definition of $R_2$ has the mean")
Gamma_2, V_2 = (named(x.name.replace("k", "2"), x.meaning.subs(k, STEPS - 1)) for x in (Gamma, V))
document.equation(
    named(
        r"\tfrac{4}{h} \mathbb{E} R_2",
        4 * over_all_draws([sympy.Matrix([g]) for g in SLOPES], STEPS),
    ),
    Gamma_2 * g_bar**2 + V_2 * scatter,
    label="eq:enumerated",
)
constant = dict(zip(LOSSES, (1, -1), strict=True))
document.text(r"""
with the variance of the gradients. The printed one cannot be right: two losses that differ by the constant 2
have the same gradient, so that $R_k$ does not depend on the draws at all, yet the variance of the losses is
[[printed]].
""", printed=of("rem-5.3-F", "F").subs(means).subs(constant))  # fmt: skip

# -- comparison -----------------------------------------------------------------------------------

document.text(r"""
# Compared with no momentum {#sec:comparison}

Without momentum all of $d_k$, $\Gamma_k$ and $V_k$ are 1: the regularizer is $\frac{h}{4} (\|\nabla E\|^2 + F)$
on average [@smith2021], however the batches are drawn. At the same $h$ heavy ball is stronger by the limits
of $\Gamma_k$ and $V_k$. But its force is larger as well; at the same *effective* step, heavy ball takes steps of
size $(1-\beta) h$, and Remark 5.3 goes on:
""")
document.quote(
    "Even with the adjusted learning rate, the IGR in (SGD+M) is still about $1/(1-\\beta)$ times "
    "stronger than SGD.",
    "[@ghosh2023, Remark 5.3]",
)
document.text(r"""
A multiple of the loss changes the speed alone: what counts is the regularizer relative to its force, which has
$\frac{1}{1-\beta}$ in the limit. With $G := \|\nabla E\|^2$, the ratio of these for heavy ball and for
gradient descent is
""")
mine = h * (1 - beta) * (limit.gradient * G + limit.variance * F) / limit.force
ratio = mine / (h * (G + F) / 4)
document.equation(
    named("Q", ratio), claim_named("rem-5.3-adjusted").true["factor"], label="eq:ratio"
)
document.text(r"""
which lies between its values for gradients that agree and for a zero of the mean gradient, and is the printed
factor where both terms are alike:
""")
for tex, values, factor in (
    (r"Q|_{F \to 0}", {F: sympy.Integer(0)}, "(1 + beta)/(1 - beta)"),
    (r"Q|_{G \to 0}", {G: sympy.Integer(0)}, 1),
    (r"Q|_{F \to G}", {F: G}, of("rem-5.3-adjusted", "factor")),
):
    document.equation(named(tex, ratio.subs(values)), factor, by=Substitution("eq:ratio", values))
document.text(r"""
The term of $F$ is not strengthened at all, at no step: relative to the force it has
""")
document.equation(V / d, d, label="eq:F-beside")
document.text(r"""
times $\frac{h}{4}$, and $d_k h$ is the effective step.
""")

# -- covariance -----------------------------------------------------------------------------------

document.text(r"""
# The covariance of the force {#sec:covariance}

At equal effective steps the displacement by the force in a step is $(1-\beta) h \nabla G_k$, against
$h \nabla E_k$ without momentum. Their means agree in the limit, and the covariance of $(1-\beta)\nabla G_k$
over $C$ is
""")
SMALLER = claim_named("rem-5.4-covariance").printed["momentum"]
document.equation(
    sympy.Limit((1 - beta) ** 2 * c, k, sympy.oo),
    of("rem-5.4-covariance", "momentum"),
    label="eq:covariance",
)
document.text(r"""
as Remark 5.4 of [@ghosh2023] has it. Successive forces, however, share most of their batches. Those of the
steps $k$ and $k + l$ have the covariance
""")
document.equation("Sum(beta**(k + l - r)*beta**(k - r), (r, 0, k))", beta**l * c, label="eq:lag")
document.text(r"""
times $C$, and in the limit all of them together are those of independent forces:
""")
document.equation(
    f"{SMALLER}*(1 + Sum(2*beta**l, (l, 1, oo)))",
    of("rem-5.4-covariance", "sgd"),
    label="eq:all",
)
document.text(r"""
Accordingly the sum of $n$ successive forces $(1-\beta) \nabla G_k$ has a variance that differs from the $n C$ of
independent ones by what does not grow:
""")
document.equation(
    f"{SMALLER}*(n + Sum(2*(n - l)*beta**l, (l, 1, n - 1)))",
    "n - 2*beta*(1 - beta**n)/(1 - beta**2)",
    label="eq:sum",
)
document.text(r"""
Over many more than $\frac{1}{1-\beta}$ steps the reduction is lost in the total.
""")

# -- without replacement --------------------------------------------------------------------------

document.text(r"""
# Without replacement {#sec:epochs}

In epochs $c_k$ and $V_k$ depend on the position of step $k$ in its epoch. We average over the $M$
positions, in the limit of many epochs. Let $\bar\rho_l$ be the average of $\rho(k, k - l)$.

- *Shuffled*: of the $M$ steps, $M - l$ have $k - l$ in the same epoch. Hence
  $\bar\rho_l := -\frac{M - l}{M (M - 1)}$ for $0 < l < M$, and 0 beyond.
- *Once*: all positions are alike. $\bar\rho_l$ is 1 where $M$ divides $l$, and $-\frac{1}{M - 1}$ elsewhere.

In the mean of $c_k$ each lag $l$ between the two batches has the weight
""")
document.equation(
    sympy.Limit(sympy.Sum(beta**n * beta ** (n + l), (n, 0, k)), k, sympy.oo),
    "beta**l/(1 - beta**2)",
    label="eq:weight",
)
document.text(r"""
twice, for $l > 0$. So the average of $c_k$ is its value for independent draws, $\frac{1}{1-\beta^2}$, times the
share
$$s(\beta) := 1 + 2 \sum_{l=1}^{\infty} \bar\rho_l \beta^l .$$
""")
SHARES = {
    "shuffled": (
        r"s_{\mathrm{sh}}(\beta)",
        "1 - Sum(2*(M - l)*beta**l/(M*(M - 1)), (l, 1, M - 1))",
        "(M**2*(1 - beta)**2 - M*(1 - beta**2) + 2*beta*(1 - beta**M))/(M*(M - 1)*(1 - beta)**2)",
    ),
    "once": (
        r"s_{\mathrm{on}}(\beta)",
        "1 - Sum(2*beta**l/(M - 1), (l, 1, oo)) + Sum(2*M*beta**(M*n)/(M - 1), (n, 1, oo))",
        "(M*(1 - beta)*(1 + beta**M) - (1 + beta)*(1 - beta**M))"
        "/((M - 1)*(1 - beta)*(1 - beta**M))",
    ),
}
"""How each is called, as a sum over lags, and in closed form."""


def closed(sampling: str, **values: Any) -> sympy.Expr:
    """The closed form at other things than β and M."""
    given = {sympy.Symbol(name): value for name, value in values.items()}
    return symbolic(SHARES[sampling][2]).subs(given, simultaneous=True)


def averages(sampling: str) -> tuple[sympy.Expr, sympy.Expr]:
    """The means over an epoch of c_k and of V_k, as the engine has them."""
    options: dict[str, Any] = {"sampling": sampling, "limit": True, "position": "mean"}
    found = force_covariance(**options), 4 * expected_regularizer(**options).variance
    return tuple(x.subs(sympy.Symbol("M"), M) for x in found)


with document.statement("theorem", "draws without replacement", label="thm:epochs"):
    document.text(r"""
    On average over an epoch, the covariance of the force and the coefficient of $F$ in $\mathbb{E} R_k$ are
    those of independent draws times the same share, for shuffled batches and for one permutation
    """)
    for sampling, (tex, by_lags, by_program) in SHARES.items():
        share = named(tex, (1 - beta**2) * averages(sampling)[0])
        document.equation(share, by_lags, label=f"eq:{sampling}-lags")
        document.equation(share, by_program, label=f"eq:{sampling}")
with document.proof():
    document.text(r"""
    The left sides are the averages of $(1 - \beta^2) c_k$ that the program sums over epochs and positions; the first
    right sides are $s(\beta)$ with the two $\bar\rho_l$, and the sums are geometric. In the average of $V_k$ every
    lag has the average $\bar{c}$ of $c_k$, which gives
    """)
    for sampling in SHARES:
        covariance, variance = (
            named(name, value)
            for name, value in zip((r"\bar{c}", r"\bar{V}"), averages(sampling), strict=True)
        )
        document.equal(variance, closed(sampling, M=M) / (1 - beta) ** 2)
        document.equal(variance, covariance * (1 + beta) / (1 - beta))
    document.equation(
        variance,
        covariance * (1 + sympy.Sum(2 * beta**l, (l, 1, sympy.oo))),
        covariance * (1 + beta) / (1 - beta),
        label="eq:V-mean",
    )
    document.text(r"""
    in both cases, that is $\frac{s}{(1-\beta)^2}$.
    """)
STEP = 3
direct = sympy.Add(
    *(
        beta ** (2 * STEP - a - b) * correlation("shuffled", 2, a, b)
        for a in range(STEP + 1)
        for b in range(STEP + 1)
    )
)
document.text(r"""
The program has every position as well. For two batches, shuffled, the deviations of an epoch are $\xi$ and
$-\xi$, and after two epochs the closed form of $c_k$ and the double sum are
""")
document.equation(
    named(f"c_{STEP}", force_covariance(sampling="shuffled", batches=2, step=STEP)),
    direct,
    "(1 - beta)**2*(1 + beta**4)",
    label="eq:two",
)
BETAS = (Fraction(1, 2), Fraction(9, 10))
COUNTS = (10, 100)
TITLES = {"shuffled": "shuffled", "once": "one permutation"}
document.table(
    [r"$(M, \beta)$", *(f"$({count}, {float(b):g})$" for count in COUNTS for b in BETAS)],
    [
        [
            TITLES[sampling],
            *(f"{float(closed(sampling, M=count, beta=b)):.3f}" for count in COUNTS for b in BETAS),
        ]
        for sampling in SHARES
    ],
    caption=r"The share of the printed coefficient of $F$, and of the covariance of the force.",
    label="tab:shares",
    align="lcccc",
)
document.text(r"""
@tab:shares has examples. $F$ counts for less than in gradient descent on batches when each is counted relative to
its force, as that has the share 1. Where momentum remembers a whole epoch, $\frac{1}{1-\beta}$ as large as $M$, most
of it is gone, as the noise of an epoch adds up to nothing: for shuffled batches the share at $\given{\beta = 1}$ is
""")
document.equation("1 - Sum(2*(M - l)/(M*(M - 1)), (l, 1, M - 1))", 0, label="eq:zero")

# -- iterates -------------------------------------------------------------------------------------

document.text(r"""
# The variance of the iterates {#sec:iterates}

Remark 5.5 concludes from the covariance of the force:
""")
document.quote(
    "Therefore, the variance reduction effect of (SGD+M) hurts generalization.",
    "[@ghosh2023, Remark 5.5]",
)
document.text(r"""
where the variance that is said to help is first that of the iterations, then that of the gradients. For the
former, near a minimum with noise, along an eigenvector
of the Hessian with the eigenvalue $\lambda > 0$, and for independent draws, the step is
$$m^{k+1} := \beta m^k - h (\lambda x^k - \xi_k), \qquad x^{k+1} := x^k + m^{k+1}$$
with $\xi_k$ of mean zero and variance $v$, independent of each other. In the stable range $h \lambda < 2 (1 + \beta)$ the
means $X$, $Y$, $W$ of $x^2$, $x m$, $m^2$ tend to the one solution of
""")
moments = stationary_covariance(companion(HeavyBall(), h), lam)
X, Y, W = (
    named(tex, v * moments[at], tensor=True)
    for tex, at in (("X", (0, 0)), ("Y", (0, 1)), ("W", (1, 1)))
)
new_cross = beta * Y - h * lam * X
document.equation(
    W,
    beta**2 * W - 2 * beta * h * lam * Y + h**2 * lam**2 * X + h**2 * v,
    label="eq:W",
)
document.equation(Y, beta * Y - h * lam * X + W, label="eq:Y")
document.equation(X, X + 2 * new_cross + W, label="eq:X")
document.text(r"""
The last two give
""")
document.equation(h * lam * X, (1 + beta) * Y, label="eq:XY")
document.text(
    r"and with the first, or from the update rule by the program, the variance of the iterates is"
)
document.equation(
    X, "h*v*(1 + beta)/(lambda_*(1 - beta)*(2*(1 + beta) - h*lambda_))", label="eq:variance"
)


def stationary(rule: Any, size: Any) -> sympy.Expr:
    """The variance of the iterates, for noise of variance 1."""
    return stationary_covariance(companion(rule, size), lam)[0, 0]


reduction = claim_named("rem-5.5-variance").true["reduction"].replace("lam", "lambda_")
with document.statement("theorem", "at equal effective steps", label="thm:iterates"):
    document.text(r"""
    With steps of size $(1-\beta) h$, for $h\lambda < 2$ and independent draws, the variance of the iterates of heavy ball is that
    of stochastic gradient descent with steps of size $h$ times
    """)
    document.equation(
        named("T", stationary(HeavyBall(), (1 - beta) * h) / stationary(GradientDescent(), h)),
        reduction,
        label="eq:T",
    )
    document.equation(reduction, "1 - beta/(1 + beta)*h*lambda_", modulo=(h, 2), label="eq:T-h")
document.text(r"""
The covariance of the forces is smaller by the factor $\frac{1-\beta}{1+\beta}$, that of the iterates not, to leading order. They feel forces added
up over $\frac{1}{h\lambda}$ steps, and by @eq:all and @eq:sum the sum is as random as without momentum. There is
a reduction at every step size, but only at the large step with
""")
document.equation(
    named(
        r"T|_{h\lambda \to 1+\beta}",
        symbolic(reduction.replace("lambda_", "lam")).subs(sympy.Symbol("lam"), (1 + beta) / h),
    ),
    SMALLER,
    label="eq:large",
)
document.text(r"""
is it that of the forces.

## In epochs {#sec:epoch-iterates}

Without momentum a noise $\xi$ moves $x$ by $h q^n$, $n$ steps later, with $q := 1 - h\lambda$. These weights are
powers as those of the force are, so that the average variance of the iterates over an epoch has the share
$s(q)$ of @thm:epochs. For shuffled batches it vanishes at $q \to 1$ by @eq:zero, with the slope
""")
document.equation("Sum(2*l*(M - l)/(M*(M - 1)), (l, 1, M - 1))", "(M + 1)/3", label="eq:slope")
document.text(r"""
in $h \lambda$. While an epoch is short against $\frac{1}{h\lambda}$ steps, the variance is then, to leading order,
not of order $h$ but of order $h^2$ and independent of the curvature:
""")
plain = named("X_0", v * stationary(GradientDescent(), h))
document.equation(plain, "h*v/(lambda_*(2 - h*lambda_))", label="eq:plain")
document.equation(
    sympy.Limit(named(r"s_{\mathrm{sh}}(q)", closed("shuffled", M=M, beta=q)) / (1 - q), q, 1, "-"),
    "(M + 1)/3",
    label="eq:share-slope",
)
document.equation(
    plain * named(r"s_{\mathrm{sh}}(1 - h \lambda)", closed("shuffled", M=M, beta=1 - h * lam)),
    "(M + 1)/6*h**2*v",
    modulo=(h, 3),
    label="eq:fast",
)
SIZE, LONG_AGO = Fraction(1, 10), 800


def in_epochs(b: Fraction, count: int, sampling: str) -> float:
    """The variance for λ = v = 1 and the effective step SIZE, on average over an epoch."""
    rule = HeavyBall(float(b)) if b else GradientDescent()
    weights = response(companion(rule, float((1 - b) * SIZE)), 1.0, LONG_AGO)
    return variance_in_epochs(weights, count, once=sampling == "once")


document.text(
    r"""
What is left is fast noise, within epochs, and this is what
momentum does damp, for short epochs. @tab:iterates has the ratio of the variances of heavy ball and of gradient descent at equal
effective steps for $h\lambda := [[size]]$, where @eq:T has [[low]] and [[high]] for independent draws.
""",
    size=f"{float(SIZE):g}",
    **{
        name: f"{float(symbolic(reduction.replace('lambda_', 'lam')).subs({h: SIZE, sympy.Symbol('lam'): 1, beta: b})):.3f}"
        for name, b in zip(("low", "high"), BETAS, strict=True)
    },
)
document.table(
    [r"$(M, \beta)$", *(f"$({count}, {float(b):g})$" for count in COUNTS for b in BETAS)],
    [
        [
            TITLES[sampling],
            *(
                f"{in_epochs(b, count, sampling) / in_epochs(Fraction(0), count, sampling):.3f}"
                for count in COUNTS
                for b in BETAS
            ),
        ]
        for sampling in SHARES
    ],
    caption=r"The variance of the iterates with momentum over that without, in epochs.",
    label="tab:iterates",
    align="lcccc",
)
