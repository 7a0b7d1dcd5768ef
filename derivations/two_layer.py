"""Momentum on the two-layer linear model of section 4.1, and Figure 1."""

import numpy as np
import sympy

from modflow.claims import claim_named
from modflow.claims._evidence import CHAIN, NODE
from modflow.claims._registry import symbolic
from modflow.claims._two_layer import (
    BARRETT_DHERIN,
    GRADIENT,
    MOMENTA,
    RATE,
    START,
    WEIGHTS,
    D,
    E,
    along,
    constants,
    field_of,
    grid,
    heavy_ball_law,
    moved,
    ordered_cells,
    outcome,
)
from modflow.claims.two_layer_ends import GAMMA
from modflow.documents import Document
from modflow.documents.errors import StepError
from modflow.documents.quantities import Quantity, unfolded
from modflow.documents.statements import as_printed, as_text
from modflow.methods import GradientDescent, HeavyBall
from modflow.modified import modified_equation
from modflow.report.figure_one import figure_one, figure_one_runs
from modflow.stability import with_positive_parts

w1, w2, x, y, h, beta, u1, u2 = sympy.symbols("w1 w2 x y h beta u1 u2")
a, v, z, rho, zeta = sympy.symbols("a v z rho zeta")


def named(tex: str, meaning: object, *, tensor: bool = False) -> Quantity:
    """What the engine has, under a name to be shown."""
    return Quantity(tex, sympy.sympify(meaning), tensor=tensor)


def of(claim: str, formula: str, part: str = "printed") -> sympy.Expr:
    """A formula of the registry."""
    return symbolic(getattr(claim_named(claim), part)[formula])


document = Document(
    "Momentum on a two-layer linear model",
    authors=["The modflow developers"],
    bibliography="references.bib",
    abstract=r"""
On $\frac12 (y - w_1 w_2 x)^2$ one quantity, $D := w_1^2 - w_2^2$, decides which minimum a
method finds. The gradient flow keeps it. For heavy ball at any step size its whole change is
$\frac{1+\beta}{1-\beta}$ times a sum over the squares of the steps, an exact form of the factor
by which [@ghosh2023] say that momentum strengthens the implicit regularization. The leading
order of the end points follows in closed form. The regularizer printed for this model lacks the
factor $2 x^2$; that more momentum means a smaller norm is true of the four runs of their Figure
1, for the sample $(1, 0.6)$, and for small steps, and false in general.
""",
    keywords=("heavy ball", "implicit regularization", "conservation laws"),
)

# -- the model ---------------------------------------------------------------------------------

document.text(r"""
# The model {#sec:model}

A linear network with two layers of one weight each, trained on one sample $(x, y)$ with
$x \neq 0$ and $y \neq 0$, has the loss and the residual
""")
loss = document.define("E", E, name="E", label="eq:loss", tensor=True)
residual = document.define("r", "y - w1*w2*x", name="r", label="eq:residual")
document.text(r"""
[@barrett2021; @ghosh2023, Section 4.1]. Its minima are the points with $r$ zero: the two branches
of a hyperbola, on which the product of the weights is $y/x$. The origin is the only other
critical point. Two functions of the weights will be used,
""")
invariant = document.define("D", D, name="D", label="eq:D", tensor=True)
norm = document.define("s", "w1**2 + w2**2", name="s", label="eq:s")
document.text(r"and they are tied together by")
document.equation("s**2", "D**2 + 4*(w1*w2)**2", label="eq:norm")
document.text(r"""
On the curve of minima $w_1 w_2$ is fixed: the norm there is a growing function of
$\left|D\right|$, and it is smallest at $D \to 0$, where $\left|w_1\right|$ and
$\left|w_2\right|$ are equal. The gradient is
""")
gradient = [named(rf"\partial_{i} E", g) for i, g in zip((1, 2), GRADIENT, strict=True)]
document.equation(gradient[0], "-x*r*w2", label="eq:d1")
document.equation(gradient[1], "-x*r*w1", label="eq:d2")
document.text(r"""
and $E$ does not change when $(w_1, w_2)$ becomes $(e^{\tau} w_1, e^{-\tau} w_2)$, as it is a
function of the product alone. At $\tau \to 0$ this symmetry says
""")
document.equation(w1 * gradient[0] - w2 * gradient[1], 0, label="eq:symmetry")

# -- the gradient flow -------------------------------------------------------------------------

document.text(r"""
# The gradient flow {#sec:flow}

A dot is a derivative along the flow of $-\nabla E$.
""")
with document.statement("theorem", "the end of the gradient flow", label="thm:flow"):
    document.text(r"""
The gradient flow keeps $D$. From a point with $D \neq 0$ it converges to a minimum, whose squared
norm is $\sqrt{D^2 + 4 y^2/x^2}$.
""")
descent = -GRADIENT
with document.proof():
    document.text(r"The first is @eq:symmetry:")
    document.equation(
        named(r"\dot D", along(descent, D)), -2 * w1 * gradient[0] + 2 * w2 * gradient[1], 0
    )
    document.text(r"For the second, the residual obeys")
    document.equation(named(r"\dot r", along(descent, y - w1 * w2 * x)), "-x**2*s*r")
    document.text(r"""
with $s \geq \left|D\right| > 0$ by @eq:norm, so that $r$ falls to zero at an exponential rate
and keeps its sign. Hence $\nabla E$ is integrable in time and $w$ has a limit, where $r$
vanishes and @eq:norm gives $s$.
""")

# -- gradient descent --------------------------------------------------------------------------

b = modified_equation(GradientDescent(), 2).coefficients
strength = -h * b[CHAIN] / (2 * b[NODE])
document.text(r"""
# Gradient descent and its regularizer {#sec:gd}

Iterates of gradient descent follow, to order 2, the gradient flow of the modified loss
$E + [[strength]] \, \lVert \nabla E \rVert^2$ [@barrett2021]. Here
""", strength=strength)  # fmt: skip
square = named(r"\lVert \nabla E \rVert^2", GRADIENT.dot(GRADIENT), tensor=True)
document.equation(square, "x**2*r**2*s", "2*x**2*s*E", label="eq:square")
document.equation(
    strength * square,
    of("sec-4.1-igr", "regularizer", "true").subs("E", loss),
    label="eq:igr",
)
document.text(r"The paper prints")
document.quote(f"$${claim_named('sec-4.1-igr').statement}$$", "[@ghosh2023, Section 4.1]")
printed = of("sec-4.1-igr", "regularizer").subs("E", E)
ratio = sympy.cancel(strength * square.meaning / printed)
document.text(r"""
which is too small by the factor [[ratio]], and right for $\given{x^2 = 1/2}$ alone. Its effect
is as described there, whatever the factor is. Along the modified flow
""", ratio=ratio)  # fmt: skip
document.equation(
    named(r"\dot D", along(field_of(modified_equation(GradientDescent(), 2)), D)),
    "-2*h*x**2*E*D",
    label="eq:gd-flow",
)
document.text(r"""
so that $\left|D\right|$ falls, and with it the norm of the minimum that is found. The iterates
have a law of their own, without an error term: a step takes $D$ to
""")
document.equation(
    named(r"D(w - h \nabla E)", moved(WEIGHTS - h * GRADIENT, D)),
    "D - h**2*x**2*r**2*D",
    label="eq:gd-step",
)
large = (4.0, 0.6)
steep = outcome(large, RATE, 0.0, START, 4000)
document.text(r"""
Small steps contract $D$, as the modified flow does. But $\left|D\right|$ grows in each step
with $h \left|x r\right| > \sqrt 2$: for the sample $([[x0]], [[y0]])$ and $h := [[rate]]$,
gradient descent from $([[a0]], [[b0]])$ has $h \left|x r\right|$ at [[first]] in its first
step, and ends at a norm of [[end]], where the gradient flow ends at [[flow]].
""", x0=large[0], y0=large[1], rate=RATE, a0=START[0], b0=START[1],
    first=f"{RATE * abs(large[0] * (large[1] - large[0] * START[0] * START[1])):.3g}",
    end=f"{float(steep.norm):.3f}",
    flow=f"{np.sqrt(np.hypot(START[0]**2 - START[1]**2, 2 * large[1] / large[0])):.3f}",
)  # fmt: skip

# -- heavy ball --------------------------------------------------------------------------------


def force(point: sympy.Matrix) -> sympy.Matrix:
    """-∇E at a point."""
    return -GRADIENT.subs({w1: point[0], w2: point[1]}, simultaneous=True)


velocity = sympy.Matrix([u1, u2])
new, step = HeavyBall().step(force, h, WEIGHTS, velocity)


def moment(point: sympy.Matrix, last: sympy.Matrix) -> sympy.Expr:
    """Half the derivative of D along the last step."""
    return point[0] * last[0] - point[1] * last[1]


document.text(r"""
# Heavy ball: an exact law {#sec:law}

Heavy ball with momentum $0 \leq \beta < 1$ [@polyak1964] has a velocity $u$, the last step, which
is zero at the start. One step makes of it $u^+ := \beta u - h \nabla E(w)$ and of the weights
$w^+ := w + u^+$:
""")
after = [named(f"u_{i}^+", part) for i, part in zip((1, 2), step, strict=True)]
document.equation(after[0], "beta*u1 + h*x*r*w2", label="eq:u1")
document.equation(after[1], "beta*u2 + h*x*r*w1", label="eq:u2")
document.text(r"Two quadratic forms describe how $D$ changes,")
m = document.define("m", "w1*u1 - w2*u2", name="m", label="eq:m", tensor=True)
q = document.define("q", after[0] ** 2 - after[1] ** 2, name="q", label="eq:q", tensor=True)
document.text(r"""
and $D^+$, $m^+$ are $D$, $m$ after the step, made from $w^+$ and $u^+$.
""")
with document.statement("lemma", "one step", label="thm:step"):
    document.text(r"In each step of heavy ball, for any $h$,")
    document.equation(named("D^+ - D", moved(new, D) - D), "2*beta*m + q", label="eq:D-step")
    document.equation(named("m^+", moment(new, step)), "beta*m + q", label="eq:m-step")
with document.proof():
    document.text(r"By @eq:symmetry the gradient has no part in")
    document.equation(w1 * after[0] - w2 * after[1], "beta*m", label="eq:carried")
    document.text(r"""
With $w^+ := w + u^+$, the first of the claims is $2(w_1 u_1^+ - w_2 u_2^+) + q$, and the second
is $(w_1 u_1^+ - w_2 u_2^+) + q$.
""")
factor = of("sec-4.1-supports-remark-4.2", "factor")
document.text(r"""
A multiple of $m$ added to $D$ makes the part in $m$ vanish:
""")
J = document.define("J", invariant + 2 * beta / (1 - beta) * m, name="J", label="eq:J")
change = heavy_ball_law() * (step[0] ** 2 - step[1] ** 2)
document.equation(
    named("J^+ - J", change),
    "2*beta*m + q + 2*beta/(1 - beta)*(beta*m + q - m)",
    factor * q,
    label="eq:law",
)
with document.statement("theorem", "what momentum does to D", label="thm:law"):
    document.text(r"""
Let heavy ball start at rest from $w^0$ and come to rest at $w^\infty$, at any step size. With
the steps $\Delta^k := w^{k+1} - w^k$,
$$ D(w^\infty) - D(w^0) \quad \text{is} \quad [[factor]]
\sum_{k=0}^{\infty} \left( (\Delta_1^k)^2 - (\Delta_2^k)^2 \right). $$

""", factor=factor)  # fmt: skip
with document.proof():
    document.text(r"""
At both ends $m$ vanishes and $J$ is $D$. In between $J$ changes by @eq:law in each step, and
$q$ is the difference of the squared steps.
""")
document.text(r"""
The factor is the one of Remark 4.2 of [@ghosh2023], by which the coefficient of
$\lVert \nabla E \rVert^2$ exceeds that of gradient descent at the same effective rate
""")
eta = document.define(r"\eta", "h/(1 - beta)", name="eta", label="eq:eta")
document.text(r"""
There it comes from a modified equation, up to $O(h^2)$; here it is exact at finite step sizes.
The proof has used of $E$ nothing but @eq:symmetry: the theorem holds for every function of
$w_1 w_2$.
""")

document.text(r"""
Momentum may carry $D$ past zero. It factors into $c := w_1 + w_2$ and $d := w_1 - w_2$, and each
obeys a recursion of its own. With $c^-$, $d^-$ for $c$, $d$ before the last step,
""")
last = WEIGHTS - velocity
for letter, sign in (("c", 1), ("d", -1)):
    now, before, then = (
        named(f"{letter}{mark}", point[0] + sign * point[1], tensor=True)
        for mark, point in (("", WEIGHTS), ("^-", last), ("^+", new))
    )
    moved_by = named(f"({letter} - {letter}^-)", now.meaning - before.meaning, tensor=True)
    document.equation(
        then, now + beta * moved_by + sign * h * x * residual * now, label=f"eq:{letter}"
    )
with document.statement("proposition", "when D keeps its sign", label="thm:sign"):
    document.text(r"""
While $h \left|x r\right| \leq (1 - \sqrt\beta)^2$ in all steps, strictly for $\given{\beta = 0}$, $D$ keeps its sign.
""")
with document.proof():
    document.text(r"""
For $\given{\beta = 0}$ see @eq:gd-step. Otherwise the ratio of $c^+$ to $c$ is at least $\sqrt\beta$ if that of $c$ to
$c^-$ is, because
""")
    document.equation(
        "1 + beta - (1 - sqrt(beta))**2 - beta/sqrt(beta)", "sqrt(beta)", label="eq:ratio"
    )
    document.text(r"""
At the start, at rest, the first ratio is at least [[first]]. So $c$ keeps its sign, and $d$ in
the same way.
""", first=document.equal(
        "1 - (1 - sqrt(beta))**2", "sqrt(beta) + sqrt(beta)*(1 - sqrt(beta))"
    ))  # fmt: skip

# -- small steps -------------------------------------------------------------------------------

document.text(r"""
# Small steps {#sec:small}

As $\eta \to 0$ the sum of @thm:law becomes an integral along the gradient flow. Its integrand is
""")
document.equation(
    named(r"(\partial_1 E)^2 - (\partial_2 E)^2", GRADIENT[0] ** 2 - GRADIENT[1] ** 2),
    "-2*x**2*E*D",
    label="eq:integrand",
)
document.text(r"and the integral has a closed form. With the squared norm at the end of the flow,")
closed = claim_named("fig-1-in-general").true
end = document.define("N", closed["N"], name="N", label="eq:N")
K = document.define("K", closed["K"], name="K", label="eq:K")
full = unfolded(K)
document.text(r"one finds along the gradient flow")
document.equation(named(r"\dot K", along(descent, full)), "-2*x**2*E", label="eq:K-rate")
document.text(r"""
On the curve $K$ vanishes: $N$ is $s$ there, and the logarithm is zero because of [[one]]. So
$K(w^0)$ is $2 x^2 \int_0^\infty E \, dt$, and positive where $E$ is.
""", one=document.equal("(w1 + w2)**2", "s + 2*w1*w2"))  # fmt: skip
with document.statement("theorem", "the leading order of the end point", label="thm:leading"):
    document.text(r"""
Let $x \neq 0$, $D_0 := D(w^0) \neq 0$ and $K_0 := K(w^0)$, and let $D_\infty$ be $D$ where
heavy ball ends from rest at $w^0$. For fixed $\beta$, as $\eta \to 0$,
$$ \log \frac{D_0}{D_\infty} \quad \text{is} \quad [[factor]] \, \eta K_0 + O(\eta^2) . $$

""", factor=factor)  # fmt: skip
with document.proof():
    document.text(r"""
In any bounded time, $w^k$ is $O(\eta)$ away from the flow at time $k \eta$, and $\Delta^k$ from
$-\eta (1 - \beta^{k+1}) \nabla E$ there by $O(\eta^2)$. Next to the curve the curvature across
it, $x^2 s$, is positive, and both contract towards it: with some $\kappa > 0$ the steps are
$O(\eta e^{-\kappa k \eta})$ and the errors $O(\eta^2 e^{-\kappa k \eta})$ for all $k$. So the
errors of the squares add up to $O(\eta^2)$, and so does the transient $\beta^{k+1}$. The sum in
@thm:law is therefore
$\eta \int_0^\infty ((\partial_1 E)^2 - (\partial_2 E)^2) \, dt + O(\eta^2)$ along the flow, the
integral is $-D_0 K_0$ by @eq:integrand, and the theorem is the logarithm of this.
""")
reduced = modified_equation(HeavyBall(), 2).frozen()
rate_of_reduced = along(field_of(reduced), D)
document.text(r"""
For any $(x, y)$ and any start off the curve with $D_0 \neq 0$, more momentum ends at a smaller
norm, once the common effective rate is small enough for the momenta that are compared. The
modified loss finds the same: along the limit flow, (5) in [@ghosh2023], whose drift is
$1/(1-\beta)$,
""")
document.equation(
    named(r"\dot D", rate_of_reduced),
    -2 * h * factor / (1 - beta) ** 2 * x**2 * invariant * loss,
    label="eq:reduced",
)
document.text(r"""
in which $h \, dt/(1-\beta)^2$ is $\eta$ times an element of the time of the gradient flow.
Along the stepwise flow, (4) in [@ghosh2023], whose coefficients depend on $k$, the right side
has one more factor:
""")
document.equation(
    named(
        r"\gamma_k",
        sympy.cancel(along(field_of(modified_equation(HeavyBall(), 2)), D) / rate_of_reduced),
    ),
    GAMMA,
    label="eq:gamma",
)
document.text(r"It tends to 1 geometrically, so that it changes $\log D$ by $O(\eta^2)$ only.")

# -- next to the curve -------------------------------------------------------------------------

normal = sympy.Matrix([w2, w1])
hessian = sympy.hessian(E, [w1, w2]).subs(y, x * w1 * w2)
document.text(r"""
# Next to the curve {#sec:near}

The other exact case is a start close to a minimum, at any stable step size. On the curve
""")
document.equation(
    named(r"\nabla^2 E", hessian), x**2 * sympy.Matrix([[w2**2, w1 * w2], [w1 * w2, w1**2]])
)
document.text(r"""
which is $x^2 n n^{\mathsf T}$ for the normal $n$ with the entries $w_2$, $w_1$: the curvature
across the curve is
""")
curvature = document.define(r"\lambda", "x**2*s", name="lam", label="eq:lambda")
document.text(r"""
At a distance $a$ from the curve, to leading order, heavy ball moves along $n$ alone, by
$v^+ := \beta v - h\lambda a$ and $a^+ := a + v^+$ for its velocity $v$ there. The sum of its
squared steps is a quadratic form in $(a, v)$.
""")
unknown = sympy.symbols("g0 g1 g2")


def form(point: sympy.Expr, speed: sympy.Expr) -> sympy.Expr:
    """A quadratic form in distance and velocity."""
    return unknown[0] * point**2 + unknown[1] * point * speed + unknown[2] * speed**2


near = HeavyBall().step(lambda at: -z / h * at, h, a, v)
lost = sympy.expand(form(a, v) - form(*near) - near[1] ** 2)
solution = sympy.solve(sympy.Poly(lost, a, v).coeffs(), unknown, dict=True)[0]
total = form(a, v).subs(solution)
middle = {beta: sympy.Rational(1, 2), z: sympy.Integer(1)}
others = [with_positive_parts(solution[g], middle) for g in unknown[1:]]
with document.statement("lemma", "squared steps on a parabola", label="thm:squares"):
    document.text(r"""
For $z := h\lambda$ with $0 < z < 2(1+\beta)$, the squares of all steps from a distance $a$ at
rest add up to $S(a, 0)$, where $S(a, v) := g_0 a^2 + g_1 a v + g_2 v^2$ has
""")
    squares = named("g_0", sympy.factor(solution[unknown[0]]), tensor=True)
    document.equation(squares, "(1 + beta)*z/((1 - beta)*(2*(1 + beta) - z))", label="eq:squares")
with document.proof():
    document.text(r"The form is the one that loses in each step the square of that step:")
    document.equation(
        named(r"S(a, v) - S(a^+, v^+)", sympy.factor(total - form(*near).subs(solution))),
        "(beta*v - z*a)**2",
    )
    document.text(r"""
The other coefficients that this determines are [[g1]] and [[g2]]. For these $z$ the iterates tend
to zero, and the form with them.
""", g1=others[0], g2=others[1])  # fmt: skip
document.text(r"""
A step of length $\delta$ along $n$ has $\Delta_1^2 - \Delta_2^2$ equal to $-\delta^2 D/s$. With
the ratio and the stiffness
""")
ratio_of = document.define(r"\rho", "(1 - beta)/(1 + beta)", name="rho", label="eq:rho")
stiff = document.define(r"\zeta", eta * curvature, name="zeta", label="eq:zeta")
document.text(
    r"@thm:law becomes that $\log (D_0/D_\infty)$ is $a^2/s$, to leading order in $a$, times"
)
local = of("fig-1-in-general", "next to the curve", "true")
in_z = squares.meaning.subs(z, h * curvature)
document.equation(
    factor * named("g_0", in_z, tensor=True),
    local.subs({zeta: stiff, rho: ratio_of}),
    label="eq:local",
)
document.text(
    r"A larger $\beta$ means a smaller $\rho$, and this falls with $\rho$ exactly where $\rho\zeta < 1$:"
)
document.equation(
    sympy.Derivative(local, rho),
    "-2*zeta_*(1 - rho_*zeta_)/(2*rho_ - rho_**2*zeta_)**2",
    label="eq:slope",
)
turn = document.equal(ratio_of * stiff, "h*lam/(1 + beta)")
with document.statement("corollary", "stiff directions", label="thm:stiff"):
    document.text(r"""
Next to the curve, at a common effective rate $\eta$, the effect grows with $\beta$ exactly where
$h\lambda < 1 + \beta$, half of the stable range. Gradient descent at step size $\eta$ is stable and has
the larger effect where $1 + \beta < \eta\lambda < 2$.
""")
with document.proof():
    document.text(r"""
The first is @eq:slope with [[turn]]. For gradient descent the denominator in @eq:local is
$2 - \zeta$, and it is the smaller one where [[excess]] is positive: for $\zeta$ above [[bound]].
""", turn=turn,
        excess=document.equal(
            "2*rho_ - rho_**2*zeta_ - 2 + zeta_", "(1 - rho_)*((1 + rho_)*zeta_ - 2)"
        ),
        bound=document.equal(2 / (1 + ratio_of), 1 + beta),
    )  # fmt: skip
field = field_of(reduced).jacobian([w1, w2]).subs(y, x * w1 * w2) * normal
speed = -sympy.factor(field[0] / normal[0])
mu = named(r"\mu", speed)
document.text(r"""
Next to the curve the limit flow has the field $-\mu a$ along $n$, [[mu]]. By @eq:reduced, with
$E$ as $\lambda a^2 e^{-2\mu t}/2$, it has in the place of @eq:local the number
""", mu=document.equal(mu, "zeta/h*(1 + zeta/(2*rho))"))  # fmt: skip
document.equation(
    h * factor / (1 - beta) ** 2 * x**2 * curvature * norm / (2 * mu),
    stiff / (2 * ratio_of + stiff),
    label="eq:flow-local",
)
document.text(r"""
Its effect is too weak: its own correction makes it reach the curve too soon. The two agree as
$\zeta \to 0$.
""")

# -- figure 1 ----------------------------------------------------------------------------------

found = figure_one_runs(*BARRETT_DHERIN)
momenta = np.array([run.beta for run in found.runs])
many = np.concatenate([momenta, [0.95, 0.97, 0.99]])
ends = outcome(BARRETT_DHERIN, RATE, many, START, 8000)
d0, k0, _ = constants(BARRETT_DHERIN, START)
document.text(r"""
# Figure 1 {#sec:figure}

The four runs of Figure 1 of [@ghosh2023] start at $([[a0]], [[b0]])$ with the common effective
rate [[rate]]. The sample is not given; with $([[x0]], [[y0]])$, the choice of
[@barrett2021], @fig:one and @tab:ends show them with their modified flows.
""", a0=START[0], b0=START[1], rate=RATE, x0=BARRETT_DHERIN[0], y0=BARRETT_DHERIN[1])  # fmt: skip
document.figure(
    figure_one(found),
    caption=r"The four runs, as a whole (left) and where they end (right), over "
    r"$\lVert \nabla E \rVert^2$. Flow (4) is the stepwise one, flow (5) the limit.",
    label="fig:one",
    width=0.86,
    description="Four trajectories from (2.8, 3.4) to the curve of minima: those with more "
    "momentum end closer to the diagonal.",
)


def fallen(w: np.ndarray) -> str:
    """log D0/D, for a table."""
    return f"{np.log(d0 / (w[0] ** 2 - w[1] ** 2)):.3f}"


rows = []
for i, run in enumerate(found.runs):
    lead = float((factor.subs(beta, sympy.Rational(str(run.beta)))) * RATE * k0)
    rows.append(
        [
            f"{run.beta:g}",
            f"{run.h:g}",
            *(f"{run.norm(path):.4f}" for path in run.paths.values()),
            f"{np.log(d0 / ends.D[i]):.3f}",
            f"{lead:.3f}",
            fallen(run.piecewise[-1]),
            fallen(run.limit[-1]),
        ]
    )
document.table(
    [r"$\beta$", r"$h$", r"$\lVert w \rVert$", "by (4)", "by (5)", r"$\log (D_0/D_\infty)$",
     "leading", "by (4)", "by (5)"],
    rows,
    caption=r"Where iterates, flow (4) and flow (5) end: first the norms, then the decrease of "
    r"$\log D$ with its leading order, @thm:leading.",
    label="tab:ends",
    align="rrrrrrrrr",
)  # fmt: skip
cells = ordered_cells(grid(40, 32), RATE, MOMENTA, START, 40.0)
TURN = ("0.95", "0.955")
near_turn = outcome(BARRETT_DHERIN, RATE, np.array([float(b) for b in TURN]), START, 8000)
if not near_turn.D[0] * d0 > 0 > near_turn.D[1] * d0:
    raise StepError("D does not change its sign between these momenta")
leading_there = [float(factor.subs(beta, sympy.Rational(b))) * RATE * k0 for b in TURN]
document.text(r"""
The norms fall from each momentum to the next, for the iterates and for both flows: the flows
have the order right, and the size too low, the more so the larger $\beta$ is. The caption says
""")
caption = as_printed(claim_named("fig-1-caption").statement)
document.quote(as_text(caption), "[@ghosh2023, Figure 1, caption]")
document.text(r"""
In these four runs that is so. It does not go on: at the same effective rate the momenta
[[betas]] end at the norms [[norms]]. Here $D_\infty$ changes sign between $\beta$ at [[below]] and
[[above]], where the leading order is [[low]] and [[high]]; beyond, $\left|D_\infty\right|$ grows again. On a grid of $[[cells]]$
samples with $\frac14 \leq x \leq 4$ and $-4 \leq y \leq 4$ all runs end on the curve, and the
four norms are in the order of the figure in [[ordered]]; in [[crossed]] of the other [[broken]]
$D$ has changed its sign. By @thm:leading, every cell gets into that order as $\eta \to 0$.
""", betas=", ".join(f"{v:g}" for v in many[len(momenta):]),
    norms=", ".join(f"{v:.3f}" for v in ends.norm[len(momenta):]),
    below=TURN[0], above=TURN[1], low=f"{leading_there[0]:.2f}", high=f"{leading_there[1]:.2f}",
    cells=cells.at_rest.size, ordered=int(cells.ordered.sum()),
    broken=int(cells.broken.sum()), crossed=int((cells.broken & cells.crossed).sum()),
)  # fmt: skip
