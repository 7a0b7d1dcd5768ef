"""Theorem 4.1: the flow of the heavy ball with all its sums, its limit, and what (6) is true of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import sympy
from matplotlib.figure import Figure

from modflow import modified_equation
from modflow.claims import claim_named
from modflow.claims._registry import symbolic
from modflow.companion import companion_matrix
from modflow.derivation import step_map
from modflow.documents import Document
from modflow.documents.quantities import Quantity, tensor, unfolded
from modflow.documents.statements import as_printed
from modflow.documents.vocabulary import X, elementary, field, gradient, jet, series
from modflow.gaussian import JetPolynomial
from modflow.methods import GradientDescent, HeavyBall, Method
from modflow.series import BSeries, Tree, VectorField

h, k, beta, a, z, t = sympy.symbols("h k beta a z t")
i, m, n = sympy.symbols("i m n")
half = sympy.Rational(1, 2)
NODE, CHAIN = Tree(), Tree([Tree()])
f, ff = elementary(NODE), elementary(CHAIN)


def printed(claim: str, name: str) -> sympy.Expr:
    """A formula of the paper."""
    return symbolic(claim_named(claim).printed[name])


def relative(method: Method) -> sympy.Expr:
    """The factor of ‖∇E‖² beside E in the limit: -b ∇(E + c ‖∇E‖²) has -2bc f'f."""
    found = modified_equation(method, 2).limit
    return -h * found[CHAIN] / (2 * found[NODE])


def true(claim: str, name: str) -> sympy.Expr:
    """A formula of the corrected statement."""
    return symbolic(claim_named(claim).true[name])


document = Document(
    "The flow of the heavy ball",
    authors=["The modflow developers"],
    bibliography="references.bib",
    keywords=("heavy ball", "momentum", "backward error analysis", "implicit regularization"),
    abstract=r"""
    Theorem 4.1 of [@ghosh2023] says that the heavy ball follows a piecewise flow (4), which
    reduces to a gradient flow (5) of a modified loss, up to $O(h^2)$. We derive (4) by unrolling
    the recursion: its drift is a geometric sum, its second coefficient a weighted sum of squares
    of drifts, and both are as printed, with the printed $\gamma$. It has the order 2 that is
    claimed. The bound (6) follows directly on (5), and read of (5) it is false: the iterates run behind
    (5) by the time $h \beta / (1-\beta)$, forever, an error of order 1 whose leading term we find, and
    which a shifted start removes. The start of the recursion, left open in the theorem, has to be $x^1 := x^0 - h \nabla
    E(x^0)$.
    """,
)


def at(quantity: Quantity, index: Any) -> Quantity:
    """The same at another step."""
    name = quantity.name.replace("_k", f"_{{{index}}}".replace(" ", ""), 1)
    return Quantity(name, unfolded(quantity).subs(k, index))


# -- the statement --------------------------------------------------------------------------------

document.text(r"""
# The statement {#sec:claim}

Let $E : \mathbb{R}^d \to \mathbb{R}$ be smooth, $f := -\nabla E$ and $0 \leq \beta < 1$. The heavy
ball [@polyak1964] with step size $h$ and momentum $\beta$ is
$$x^{k+1} := x^k + h f(x^k) + \beta \left(x^k - x^{k-1}\right), \qquad k \geq 0, \qquad
x^{-1} := x^0,$$
so that the first step is one of gradient descent. Theorem 4.1 of [@ghosh2023] compares it with a
flow that changes from step to step, at $t_k := kh$:
""")
FIRST, REST = (claim_named(name).statement for name in ("thm-4.1-drift", "thm-4.1-gamma"))
SECOND, GAMMA_IS = REST.split(r", \quad")
FLOW_4 = FIRST.removesuffix(r" - \ldots") + SECOND.removeprefix(r"\ldots")
document.quote(
    f"$${FLOW_4}$$",
    "[@ghosh2023, (4)], for $t$ from $t_k$ to $t_{k+1}$",
    label="eq:4",
)
document.quote(f"$${GAMMA_IS}$$", "[@ghosh2023, Theorem 4.1]", label="eq:gamma")
document.text(r"""
We derive it from the recursion, and compare only then.
""")

# -- unrolled -------------------------------------------------------------------------------------

document.text(r"""
# One step, unrolled {#sec:unrolled}

The differences $\Delta_k := x^{k+1} - x^k$ obey $\Delta_k := h f(x^k) + \beta \Delta_{k-1}$ with
$\Delta_{-1} := 0$. So a step is made of all gradients up to now,
$$\Delta_k := h \sum_{m=0}^{k} \beta^m f(x^{k-m}).$$
For a flow it is to be written as a function of $x := x^k$ alone. To first order all gradients are
$f(x)$, and what is left is a geometric sum, the *drift*
""")
DRIFT = printed("thm-4.1-drift", "drift")
D = document.define("D_k", sympy.Sum(beta**m, (m, 0, k)), name="D_k")


def drift(index: sympy.Expr, tex: str) -> Quantity:
    """D at another index, in closed form."""
    return Quantity(f"D_{{{tex}}}", DRIFT.subs(k, index))


document.equation(D, DRIFT, label="eq:drift")
document.text(r"""
Thus $\Delta_i$ is $h D_i f(x) + O(h^2)$, and the iterate of $m$ steps before is $x$ without these. So
its force is
""")


def force_at(point: Any) -> Quantity:
    """f(x + c h f), expanded by the engine."""
    inserted = VectorField()(BSeries({NODE: point}, 2, empty=1))
    return Quantity("f(x^{k-m})", sympy.expand(series(inserted) / h), tensor=True)


D_back = drift(k - i, "k-i")
SINCE = sympy.Sum(D_back, (i, 1, m))
f_then = force_at(-sympy.Sum(D_back.meaning, (i, 1, m)))
document.equation(f_then, f - h * SINCE * ff, modulo=(h, 2), label="eq:forces")
document.text(r"""
where $f$ and its derivative $f'$ are taken at $x$. Inserted in the sum, the second terms give
""")
S = document.define("S_k", sympy.Sum(beta**m * SINCE, (m, 0, k)), name="S_k")
Delta = Quantity(r"\Delta_k", h * sympy.Sum(beta**m * f_then, (m, 0, k)), tensor=True)
document.equation(Delta, h * D * f - h**2 * S * ff, modulo=(h, 3), label="eq:step")
document.text(
    r"""
In $S_k$ the drift $D_{k-i}$ counts for all gradients that are older than this step, $m \geq i$.
With $n := k - i$ their weights have [[weights]], and exchanging the sums leaves one, of squares:
""",
    weights=document.equal("Sum(beta**m, (m, i, i+n))", beta**i * drift(n, "n")),
)
document.equation(S, sympy.Sum(beta**i * D_back**2, (i, 1, k)), label="eq:squares")
document.text(r"""
The same is found without unrolling, as a check: from the update rule in code, read on B-series
[@hlw2006, III.1], the map $A_k : x^k \mapsto x^{k+1}$ is, for all $k$,
""")
ring, step = step_map(HeavyBall(), 2)
A = Quantity("A_k(x)", series(step), tensor=True)
document.equation(A, X + h * D * f - h**2 * S * ff, modulo=(h, 3), label="eq:map")

# -- the flow -------------------------------------------------------------------------------------

document.text(r"""
# The flow on one step {#sec:flow}

Let $\dot{x} := c f(x) + h d f'(x) f(x)$ with numbers $c$ and $d$. Its second derivative
is $c^2 f'f + O(h)$, so that the solution after the time $h$ is
""")
c, d = sympy.symbols("c d")
flow = Quantity(r"\varphi_h(x)", series(BSeries({NODE: c, CHAIN: d}, 2).exp()), tensor=True)
document.equation(
    flow, X + h * c * f + h**2 * (d + half * c**2) * ff, modulo=(h, 3), label="eq:phi"
)
document.text(r"""
It agrees with @eq:map if and only if $c$ is $D_k$ and $d$ is $-T_k$ with
""")
T = document.define("T_k", half * D**2 + S, name="T_k", label="eq:T")
GAMMA = printed("thm-4.1-gamma", "gamma")
STRENGTH = printed("thm-4.1-gamma", "strength")
with document.statement("theorem", "The flow (4)", label="thm:flow"):
    document.text(r"""
    There is one vector field of the form $c f + h d f'f$ whose time-$h$ flow is $A_k + O(h^3)$ for
    every $f$,
    """)
    F = Quantity("F_k", field(modified_equation(HeavyBall(), 2)), tensor=True)
    document.equation(F, D * f - h * T * ff, modulo=(h, 2), label="eq:field")
    document.text(
        r"and its coefficients are those of @eq:4 and @eq:gamma: for all $k \geq 0$, with"
    )
    gamma = document.define(
        r"\gamma_k", claim_named("thm-4.1-gamma").printed["gamma"], name="gamma"
    )
    document.equation(
        Quantity(r"T_k", T.meaning), STRENGTH.subs("gamma", gamma) / h, label="eq:gammas"
    )
with document.proof():
    document.text(r"""
    For $f := -\nabla E$ the vector $f'f$ is $\nabla^2 E \, \nabla E$, and the drift is @eq:drift.
    For @eq:gammas multiply out $(1-\beta)^2 D_{k-i}^2$, by @eq:drift $1 - 2 \beta^{k-i+1} +
    \beta^{2k-2i+2}$. In @eq:squares each term makes a sum,
    """)
    document.equation("Sum(beta**i, (i, 1, k))", "beta*(1 - beta**k)/(1 - beta)")
    document.equation("Sum(2*beta**i*beta**(k-i+1), (i, 1, k))", "2*k*beta**(k+1)")
    document.equation(
        "Sum(beta**i*beta**(2*k-2*i+2), (i, 1, k))", "beta**(k+2)*(1 - beta**k)/(1 - beta)"
    )
    document.text(r"""
    where the one in the middle has $k$ equal terms: hence the factor $k + 1$ in $\gamma$. Together, and
    with half the square of the drift,
    """)
    document.equation(
        (1 - beta) ** 3 * S,
        "beta*(1 - beta**k) - 2*k*(1 - beta)*beta**(k+1) + beta**(k+2)*(1 - beta**k)",
    )
    document.equation(
        "(1 - beta)**3*T_k",
        "(1 - beta)*(1 - beta**(k+1))**2/2 + (1 - beta)**3*S_k",
        "((1 + beta)*(1 - beta**(2*k+2)) - 4*(k+1)*(1 - beta)*beta**(k+1))/2",
    )
    document.text(r"which is $\frac{1}{2} (1 + \beta) \gamma_k$.")
document.text(
    r"""
$T_k$ is positive, and for $\beta > 0$ it grows with $k$: @eq:squares gives [[next]], and
""",
    next=document.equal(at(S, k + 1), beta * (S + D**2)),
)
document.equation(
    at(T, k + 1), beta * T + half * at(D, k + 1) ** 2 + half * beta * D**2, label="eq:T-next"
)
document.text(
    r"""
with [[first]], as for gradient descent; the drift grows, and so does $T_k$ by induction. Hence
$\gamma_k$ grows from [[start]] to its limit 1. In no step does momentum weaken the term below that of
gradient descent.
""",
    first=document.equal(at(T, 0), half),
    start=document.equal(at(gamma, 0), "(1 - beta)**3/(1 + beta)"),
)

# -- the limit ------------------------------------------------------------------------------------

document.text(
    r"""
# The limit and its modified loss {#sec:limit}

For $k \to \infty$ the powers of $\beta$ vanish, [[drift]] and [[gamma]]. The term $f'f$ is a gradient,
since $\nabla^2 E$ is symmetric:
""",
    drift=document.equal(sympy.Limit(D, k, sympy.oo), printed("eq-5-coefficients", "drift")),
    gamma=document.equal(sympy.Limit(gamma, k, sympy.oo), 1),
)
E = JetPolynomial.loss()
norm = E.gradient().dot(E.gradient())
document.equation(ff, ff.meaning, half * gradient(norm), label="eq:gradient")
document.text(r"""
The limit field is therefore that of a modified loss, of which (5) in [@ghosh2023] speaks.
""")
REGULARIZER = printed("eq-5-coefficients", "regularizer")
document.define(r"\hat{E}", jet(E) + REGULARIZER * jet(norm), tensor=True)
with document.statement("theorem", "The flow (5)", label="thm:limit"):
    document.text(r"For $f := -\nabla E$ and every loss $E$ the limit of $F_k$ is")
    REDUCED = printed("eq-5-coefficients", "drift")
    limit = field(modified_equation(HeavyBall(), 2), limit=True)
    document.equation(
        Quantity(r"F_\infty", limit, tensor=True),
        -REDUCED * gradient(E + REGULARIZER * norm, of=r"\hat{E}"),
        modulo=(h, 2),
        label="eq:5",
    )
with document.proof():
    document.text(r"By @eq:field and @eq:gammas it is")
    document.equation(
        REDUCED * f - h * STRENGTH.subs("gamma", 1) / h * ff,
        REDUCED * (-gradient(E) - REGULARIZER * gradient(norm)),
    )
    document.text(r"by @eq:gradient.")
document.text(
    r"""
At step $k$ the field is the gradient of a loss too, $-D_k$ times that of $E + R_k \|\nabla E\|^2$ with
the factor $R_k := h T_k/(2 D_k)$, and [[limit]]. Gradient descent has [[gd]]. At the same step size,
[[same]]. The drift is larger too: at the same *effective* step size, $(1-\beta) h$ here and $h$
there, [[effective]]. Only the latter is the factor that the abstract of [@ghosh2023] gives, without
saying so.
""",
    limit=document.equal(
        Quantity(r"R_\infty", sympy.Limit(h * unfolded(T) / (2 * unfolded(D)), k, sympy.oo)),
        REGULARIZER,
    ),
    gd=document.equal(Quantity(r"R_{\mathrm{GD}}", relative(GradientDescent())), h / 4),
    same=document.equal(
        Quantity(
            r"R_\infty / R_{\mathrm{GD}}", relative(HeavyBall()) / relative(GradientDescent())
        ),
        true("abstract-factor", "same rate"),
    ),
    effective=document.equal(
        Quantity(
            r"R_\infty|_{h \to (1-\beta) h} / R_{\mathrm{GD}}",
            relative(HeavyBall()).subs(h, (1 - beta) * h) / relative(GradientDescent()),
        ),
        true("abstract-factor", "effective rate"),
    ),
)

# -- the order of (4) -----------------------------------------------------------------------------

document.text(r"""
# The order of (4) {#sec:order}

The theorem asks for four derivatives of $E$, and one constant for all $h < T$. The derivatives are
enough. The constant needs that the limit of the flow for $h \to 0$ exists.
""")
with document.statement("theorem", "Order 2", label="thm:order"):
    document.text(r"""
    Let $E$ be four times continuously differentiable, and let $\dot{x} := \frac{1}{1-\beta} f(x)$ have
    a solution from $x^0$ on $[0, T]$. Let $\tilde{x}$ be the solution of (4) with $\tilde{x}(0) :=
    x^0$. Then $\|x^k - \tilde{x}(t_k)\| \leq C h^2$ for $t_k \leq T$ and all small $h$.
    """)
with document.proof():
    document.text(r"""
    The drift of (4) differs from its limit by $O(\beta^k)$, which adds up to $O(h)$ in time, and the
    other term is $O(h)$ uniformly in $k$; so $\tilde{x}$ exists on $[0, T]$ for small $h$, in a
    compact set. On a neighbourhood of it $f$ and its derivatives up to the third are bounded, so that
    $f$, $f'$ and $f''$ are Lipschitz on balls.

    *One step.* While the iterates are in the neighbourhood, $\Delta_i$ is $h D_i f(x^i) + O(h^2)$, and
    $x^{k-m}$ differs from $x^k$ by $O(m h)$. Hence the error of @eq:forces is $O(m^2 h^2)$; trivially so
    if the segment between them leaves the neighbourhood, as $mh$ is then bounded below. That of
    @eq:step is at most $h^3$ times a multiple of
    """)
    document.equation(
        "Sum(m**2*beta**m, (m, 0, oo))", "beta*(1 + beta)/(1 - beta)**3", label="eq:uniform"
    )
    document.text(r"""
    for every $k$: the memory fades faster than the expansion in it grows worse. The third derivative
    of a solution of (4) contains at most the third derivative of $f$, and is bounded; so @eq:phi has an
    error of $O(h^3)$ as well. From a common point the iterate and (4) differ by $C_1 h^3$ after one step.

    *All steps.* The flow of (4) over a time $h$ spreads distances by at most $e^{hL}$, with one $L$ for
    all $k$. So the distances obey $d_{k+1} \leq e^{hL} d_k + C_1 h^3$ with $d_0 := 0$, and are at most
    """)
    document.equation(
        "Sum(C_1*h**3*exp(j*h*L), (j, 0, k-1))", "C_1*h**3*(exp(k*h*L) - 1)/(exp(h*L) - 1)"
    )
    document.text(r"""
    which is no more than $C_1 h^2 (e^{LT} - 1)/L$. By induction over $k$ the iterates do not leave the
    neighbourhood, for small $h$.
    """)
document.text(r"""
The condition is met for every $T$ if $E$ is bounded below. It cannot be dropped. For $E :=
-\frac{1}{4} x^4$ the limit flow from 1 is
""")
blow = document.define("x(t)", "1/sqrt(1 - 2*t/(1 - beta))")
QUARTIC = -(sympy.Symbol("x") ** 4) / 4
document.equation(
    sympy.Derivative(blow, t),
    REDUCED * Quantity("f(x(t))", -sympy.diff(QUARTIC).subs("x", blow.meaning)),
)
document.text(r"""
which ends at $t := \frac{1-\beta}{2}$. With a later $T$ the iterates come to exceed
$h^{-1/2}$ before, and from then on every step more than doubles them; the second term of (4),
$-3 h T_k x^5$, holds its solution at $O(h^{-1/2})$. So no $C$ will do.
""")

# -- (5) -------------------------------------------------------------------------------------------

SHIFT = true("eq-6", "shift")
document.text(r"""
# What (6) is true of {#sec:six}

The bound of @thm:order is (6) in [@ghosh2023]. There it follows directly on (5), whose solution is called $\tilde{x}$ too:
""")
document.quote(f"$${as_printed(claim_named('eq-6').statement)}$$", "[@ghosh2023, (6)]")
document.text(r"""
The reason given for (5) is that $\beta^k$ decays quickly. It does. But what the drift of the first steps lacks of its
limit is not made up for later. From step $k$ on this is
""")
j = sympy.Symbol("j")
delta = document.define(
    r"\delta_k", sympy.Sum(REDUCED - drift(j, "j"), (j, k, sympy.oo)), label="eq:lack"
)
document.equation(delta, "beta**(k+1)/(1 - beta)**2", label="eq:delta")
document.text(
    r"""
and the whole, [[whole]] times $h f(x^0)$ to leading order, is an offset of the start that the flow carries
along.
""",
    whole=document.equal(at(delta, 0), SHIFT),
)
with document.statement("theorem", "(5) beside the iterates", label="thm:five"):
    document.text(r"""
    Under the conditions of @thm:order let $w$ and $y$ be the solutions of (5) with $w(0) := x^0 - h
    \delta_0 f(x^0)$ and $y(0) := x^0$. Then, uniformly in $t_k \leq T$,
    $$x^k - w(t_k) \;\text{ is }\; h \delta_k f(w(t_k)) + O(h^2), \qquad
    x^k - y(t_k) \;\text{ is }\; - h (\delta_0 - \delta_k) f(y(t_k)) + O(h^2).$$
    """)
with document.proof():
    delta_next = at(delta, k + 1)
    D_end = Quantity(r"D_\infty", REDUCED)
    document.text(r"""
    Let $P_k := \mathrm{Id} + h \delta_k f$, so that $P_0$ takes $w(0)$ to $x^0 + O(h^2)$. We compare
    $P_k(w(t_k))$ with $x^k$. Let $w := w(t_k)$, let $\varphi_h$ be the flow of (5) and $D_\infty :=
    \frac{1}{1-\beta}$. One step of the iteration from $P_k(w)$, and the flow followed by $P_{k+1}$, are
    """)
    closed = step.map(lambda value: sympy.expand(value.to_sympy()))
    five = BSeries(modified_equation(HeavyBall(), 2).limit, 2).exp()
    offset = {n: BSeries({NODE: at(delta, n).meaning}, 2, empty=1) for n in (k, k + 1)}
    w = tensor("w")
    document.equation(
        Quantity("A_k(P_k(w))", series(closed.apply(offset[k])).subs(X, w), tensor=True),
        w + h * (D + delta) * f + h**2 * (delta * D - S) * ff,
        modulo=(h, 3),
    )
    document.equation(
        Quantity(
            r"P_{k+1}(\varphi_h(w))", series(offset[k + 1].apply(five)).subs(X, w), tensor=True
        ),
        w + h * (D_end + delta_next) * f + h**2 * (D_end * delta_next - beta * D_end**3) * ff,
        modulo=(h, 3),
    )
    document.text(
        r"""
    with $f$ and $f'f$ at $w$. The coefficients of $h f$ are the same, [[same]]; those of $h^2 f'f$ differ by
    """,
        same=document.equal(D + delta, D_end + delta_next),
    )
    document.equation(
        delta * D - S - D_end * delta_next + beta * D_end**3,
        "2*(k+1)*beta**(k+1)/(1 - beta)**2",
        label="eq:defect",
    )
    lag = Quantity("s", symbolic("beta/(1 - beta)"))
    document.text(
        r"""
    So the distances of $x^k$ and $P_k(w(t_k))$ obey
    $$d_{k+1} \leq (1 + hL) \, d_k + C_2 h^2 \left(h + (k+1) \beta^k\right), \qquad d_0 \leq C_2 h^2.$$
    They stay $O(h^2)$, as [[finite]]. This is the first half.

    For the second, let $s := \frac{\beta}{1-\beta}$. As [[late]] and $\dot{y}$ is $\frac{1}{1-\beta} f(y) + O(h)$, the
    solution $y$ is $w(0) + O(h^2)$ at the time $-hs$. So $w(t)$ is $y(t - hs) + O(h^2)$, or $y(t) - h
    \delta_0 f(y(t)) + O(h^2)$. Insert this in the first half.
    """,
        finite=document.equal("Sum((k+1)*beta**k, (k, 0, oo))", "1/(1 - beta)**2"),
        late=document.equal(D_end * lag, at(delta, 0)),
    )
document.text(
    r"""
The iterates run behind (5) by the time $hs$, that is by $\beta/(1-\beta)$ steps: [[steps]] for $\given{\beta = 0.9}$. The
lag never closes. So (6) holds for (4); read of (5) from $x^0$ it is false with any $C$ unless $\beta$
is zero or $x^0$ critical, the order being 1; and it holds for (5) from $w(0)$ as soon as $\beta^k$ is $O(h)$.
""",
    steps=lag.meaning.subs(beta, sympy.Rational(9, 10)),
)

# -- the start --------------------------------------------------------------------------------------

a = sympy.Symbol("a")
document.text(
    r"""
# The first step {#sec:start}

In [@ghosh2023] the recursion of Theorem 4.1 begins with $k := 1$, and of $x^1$ nothing is said. Let
$x^1 := x^0 + a h f(x^0)$ with a number $a$, so that $a := 1$ is @sec:claim and $a := 0$ is
the start $x^1 := x^0$. The first
gradient then has the weight $a$, and the drift at step $k$ is [[drift]]. The differences from $D_k$
have [[offset]].
As in @thm:five this offsets the iterates from (4), by $\frac{a-1}{1-\beta} h f + O(h^2)$ once $\beta^k$ is
small. The order is 1 for every $a \neq 1$. So the theorem needs $x^1 := x^0 - h \nabla E(x^0)$, as in
[@ghosh2023, (8)]. With $a := 0$ the iterates are the same, one step late.
""",
    drift=document.equal("a*beta**k + Sum(beta**m, (m, 0, k-1))", "D_k + (a - 1)*beta**k"),
    offset=document.equal("Sum((a - 1)*beta**k, (k, 0, oo))", "(a - 1)/(1 - beta)"),
)

# -- a quadratic -----------------------------------------------------------------------------------

document.text(r"""
# A check on quadratics {#sec:quadratic}

On $E := \frac{\lambda}{2} x^2$ with $z := h\lambda$ and $\beta > 0$ the iterates are known. Let
""")
document.define(r"\varrho", "(1 + beta - z + sqrt((1 + beta - z)**2 - 4*beta))/2", name="rho")
r = sympy.Symbol("r")
matrix = companion_matrix(HeavyBall())
document.equation(
    sympy.Determinant(r * sympy.eye(2) - matrix), "(r - rho)*(r - beta/rho)", label="eq:roots"
)
document.text(r"""
with $\sigma := \beta/\varrho$, where the matrix is that of one step in $x$ and its last
difference. With $x^{-1} := x^0$ the iterate $x^k$ is $A \varrho^k + (1 - A) \sigma^k$ times $x^0$, with
""")
document.define("A", "(rho - beta)/(rho - beta/rho)", name="A")
document.text(
    r"""
since [[start]], so that the values at $k := -1$ and $k := 0$ agree. The root $\varrho$
is close to 1, and on it the flow (5) agrees with the iterates as far as (5) goes:
""",
    start=document.equal("A/rho + (1 - A)*rho/beta", 1),
)
RATE = REGULARIZER.subs(h, z)
document.equation("log(rho)", -REDUCED * z - 2 * REDUCED * RATE * z, modulo=(z, 3), label="eq:rate")
document.text(r"""
The other root is $\beta + O(z)$. What (5) misses is the amplitude, which contains the shift of @thm:five:
""")
document.equation("A", 1 + SHIFT * z, modulo=(z, 2), label="eq:amplitude")
document.text(r"""
since $-h f(x^0)$ is $z x^0$; and $1 - A$, times $\beta^k$, is the part $h \delta_k f$ that fades.
""")

# -- measured ---------------------------------------------------------------------------------------

BETA, START, TIME = sympy.Rational(1, 2), (1.5, 0.25), 1.0
SIZES = [2.0**-p for p in range(4, 11)]
u, v = sympy.symbols("u v")
LOSS = (1 - u * v) ** 2 / 2
SLOPE = sympy.Matrix([LOSS]).jacobian([u, v]).T
PARTS = sympy.lambdify((u, v), [list(-SLOPE), list(sympy.hessian(LOSS, [u, v]) * SLOPE)], "math")
PRODUCT = STRENGTH.subs("gamma", GAMMA) / h
Coefficients = Callable[[int], Any]
FOUR: Coefficients = sympy.lambdify(k, [c.subs(beta, BETA) for c in (DRIFT, PRODUCT)], "math")
FIVE = [float(c.subs(beta, BETA)) for c in (REDUCED, 2 * REDUCED * REGULARIZER / h)]
LAG = float(SHIFT.subs(beta, BETA))


def force(y: Any) -> Any:
    """f."""
    return np.array(PARTS(*y)[0])


def solution(size: float, coefficients: Coefficients, start: Any) -> Any:
    """The solution of c f - d h f'f at the steps, by the classical Runge-Kutta method."""
    found = [np.array(start)]
    for number in range(round(TIME / size)):
        drift_, product = coefficients(number)

        def slope(y: Any, c: float = drift_, d: float = product) -> Any:
            first, second = PARTS(*y)
            return c * np.array(first) - size * d * np.array(second)

        y = found[-1]
        k1 = slope(y)
        k2 = slope(y + size / 2 * k1)
        k3 = slope(y + size / 2 * k2)
        found.append(y + size / 6 * (k1 + 2 * k2 + 2 * k3 + slope(y + size * k3)))
    return np.array(found)


def iterates(size: float) -> Any:
    """The heavy ball."""
    found = [np.array(START)] * 2
    for _ in range(round(TIME / size)):
        x, before = found[-1], found[-2]
        found.append(x + size * force(x) + float(BETA) * (x - before))
    return np.array(found[1:])


errors: dict[str, list[float]] = {name: [] for name in ("four", "five", "moved")}
predicted = []
for size in SIZES:
    x = iterates(size)
    begun = solution(size, lambda _: FIVE, START)
    moved = solution(size, lambda _: FIVE, START - size * LAG * force(START))
    for name, y in (("four", solution(size, FOUR, START)), ("five", begun), ("moved", moved)):
        away = np.linalg.norm(x - y, axis=1)
        errors[name].append(float(away[len(away) // 2 if name == "moved" else 0 :].max()))
    carried = [LAG * (1 - float(BETA) ** n) * np.linalg.norm(force(y)) for n, y in enumerate(begun)]
    predicted.append(size * max(carried))

figure = Figure(figsize=(4.6, 2.1), layout="constrained")
axes = figure.add_subplot()
axes.set(xscale="log", yscale="log", xlabel="step size $h$", ylabel="distance")
for name, colour, text in (
    ("five", "#c8553d", "(5) from $x^0$"),
    ("moved", "#2a9d8f", "(5) from $w(0)$, second half"),
    ("four", "#1b3a4b", "(4)"),
):
    axes.plot(SIZES, errors[name], "o", color=colour, ms=4, label=text)
axes.plot(SIZES, predicted, "-", color="#c8553d", lw=1)
axes.grid(which="major", color="#e8eaed", lw=0.6)
axes.set_axisbelow(True)
for side in ("top", "right"):
    axes.spines[side].set_visible(False)
axes.legend(edgecolor="none", fontsize=8)
RATES = {name: np.log2(found[-2] / found[-1]) for name, found in errors.items()}

document.text(rf"""
# Measured {{#sec:measured}}

@fig:distances has the distances for the two-layer model $E := \frac{{1}}{{2}} (1 - uv)^2$. The line is the
leading term of @thm:five, with nothing fitted; at the finest step size the distance of (5) from $x^0$ is
{errors["five"][-1] / predicted[-1]:.3f} times that. Between the last two step sizes the distances fall like
$h$ to the power {RATES["five"]:.2f}, for (5) from $w(0)$ on the second half of the time {RATES["moved"]:.2f},
and for (4) {RATES["four"]:.2f}.
""")
document.figure(
    figure,
    caption=rf"Largest distance of the heavy ball with $\beta := {float(BETA):g}$ to its flows, from "
    rf"$(u, v)$ at $({START[0]:g}, {START[1]:g})$ up to $t \leq {TIME:g}$.",
    label="fig:distances",
    width=0.68,
    description="The distance to (5) from the common start falls like h, as predicted, the others "
    "like h squared",
)
