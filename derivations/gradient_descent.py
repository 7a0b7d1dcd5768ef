"""Gradient descent and the flow (3): derivation, order, constant, where a modified loss ends."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import sympy
from matplotlib.figure import Figure

from modflow import modified_equation
from modflow.claims import claim_named
from modflow.claims._registry import symbolic
from modflow.documents import Document
from modflow.documents.quantities import Quantity, tensor
from modflow.documents.vocabulary import (
    X,
    coefficient,
    coloured,
    elementary,
    field,
    gradient,
    jet,
    series,
)
from modflow.gaussian import JetPolynomial
from modflow.methods import GradientDescent, method_named
from modflow.series import BSeries, Tree

h, t, lam, u, v = sympy.symbols("h t lambda u v")
half, third, sixth, twelfth = (sympy.Rational(1, n) for n in (2, 3, 6, 12))
NODE, CHAIN = Tree(), Tree([Tree()])
CHERRY, TALL = Tree([NODE, NODE]), Tree([CHAIN])

document = Document(
    "The modified flow of gradient descent",
    authors=["The modflow developers"],
    bibliography="references.bib",
    keywords=("gradient descent", "backward error analysis", "implicit regularization"),
    abstract=r"""
    One step of gradient descent is, formally, the time-$h$ flow of a vector field that is unique as a
    power series in the step size $h$. Its first two terms are the gradient flow of the modified
    loss $E + \frac{h}{4} \|\nabla E\|^2$ of [@barrett2021], equation (3) of [@ghosh2023]. We
    derive three terms by comparing Taylor series, bound the distance of the iterates to each
    truncation and give its leading constant, find the field in closed form on a quadratic, and
    show that from $h^2$ on no modified loss exists in general: the obstruction is the commutator
    of the Hessian and its derivative along the gradient. What [@ghosh2023] says about (3) and its
    order is confirmed.
    """,
)

# -- vector fields as combinations of elementary differentials ------------------------------------

Terms = dict[Tree, sympy.Expr]


def grafted(tree: Tree, branch: Tree) -> Iterator[Tree]:
    """The tree with the branch at each of its vertices in turn."""
    yield tree.graft(branch)
    for i, child in enumerate(tree.children):
        for grown in grafted(child, branch):
            yield Tree((*tree.children[:i], grown, *tree.children[i + 1 :]), tree.colour)


def along(vector: Terms, direction: Terms) -> Terms:
    """The derivative in a direction: by Leibniz's rule, of each factor of each term in turn."""
    found: Counter[Tree] = Counter()
    for tree, c in vector.items():
        for branch, d in direction.items():
            for grown in grafted(tree, branch):
                found[grown] += c * d
    return dict(found)


def named(tex: str, terms: Terms, name: Callable[[Tree], sympy.Symbol] = elementary) -> Quantity:
    """A vector that stands for a combination."""
    meaning = sympy.Add(*(sympy.expand(c) * name(tree) for tree, c in terms.items()))
    return Quantity(tex, meaning, tensor=True)


# -- the problem ----------------------------------------------------------------------------------

document.text(r"""
# One step as a flow {#sec:problem}

Let $E : \mathbb{R}^d \to \mathbb{R}$ be smooth, $f := -\nabla E$, and let gradient descent with
step size $h > 0$ be the map $x \mapsto x + h f(x)$. We look for a vector field
$$F := f_0 + h f_1 + h^2 f_2 + \cdots, \qquad f_n : \mathbb{R}^d \to \mathbb{R}^d,$$
that depends on $h$ and whose flow passes through the iterates: its time-$h$ flow $\varphi_h$ is
to be $\mathrm{Id} + h f$, as a formal power series in $h$. Such an $F$ is the *modified equation*
of the method [@hlw2006, IX.1], the logarithm of the step. Equation (3) of [@ghosh2023] says how
it begins:
""")
document.quote(
    f"$${claim_named('eq-3').statement}$$",
    "[@ghosh2023, (3)], after [@barrett2021]",
    label="eq:paper",
)

# -- the Taylor series of a flow ------------------------------------------------------------------

document.text(r"""
# The expansion of the flow {#sec:flow}

Along a solution of $\dot{x} := F(x)$ the chain rule gives $\ddot{x}$ as $F'F$ and the third
derivative as $F''(F, F) + F'F'F$. Write $f_i'f_j$ for the derivative of $f_i$ in the direction
$f_j$, and so on for higher derivatives, all taken at $x$. Then
""")
FIELD: Terms = {Tree((), i): h**i for i in range(3)}
xdot = named(r"\dot{x}", FIELD, coloured)
xddot = named(r"\ddot{x}", along(FIELD, FIELD), coloured)
xdddot = named(r"x^{(3)}", along(along(FIELD, FIELD), FIELD), coloured)


def tree(root: int, *children: Any) -> Tree:
    """A tree of vertices that stand for f_0, f_1, f_2."""
    return Tree([c if isinstance(c, Tree) else Tree((), c) for c in children], root)


def D(root: int, *children: Any) -> sympy.Symbol:
    """An elementary differential in f_0, f_1, f_2."""
    return coloured(tree(root, *children))


document.equation(xddot, D(0, 0) + h * (D(0, 1) + D(1, 0)), modulo=(h, 2), label="eq:second")
document.equation(xdddot, D(0, 0, 0) + D(0, tree(0, 0)), modulo=(h, 1), label="eq:third")
document.text(r"""
These are inserted in the Taylor series of $\varphi_h(x)$, the solution at time $h$ that starts at
$x$, and ordered by powers of $h$:
""")
flow = BSeries(FIELD, 3).exp()
phi = Quantity(
    r"\varphi_h(x)",
    X + sympy.Add(*(c * h**s.order / s.symmetry * coloured(s) for s, c in flow.items())),
    tensor=True,
)
document.equation(phi, X + h * xdot + half * h**2 * xddot + sixth * h**3 * xdddot, modulo=(h, 4))
document.equation(
    phi,
    X
    + h * D(0)
    + h**2 * (D(1) + half * D(0, 0))
    + h**3 * (D(2) + half * (D(0, 1) + D(1, 0)) + sixth * (D(0, 0, 0) + D(0, tree(0, 0)))),
    modulo=(h, 4),
    label="eq:flow",
)

# -- the logarithm --------------------------------------------------------------------------------

document.text(r"""
# The logarithm of the step {#sec:log}

The series @eq:flow is $x + h f(x)$ if $f_0$ is $f$ and the brackets vanish one after the other.
In the bracket of $h^{n+1}$ the new unknown $f_n$ stands alone, and all else contains $f_0, \dots,
f_{n-1}$ only; so every $f_n$ is determined, and one finds
""")
f, ff = elementary(NODE), elementary(CHAIN)
ftwo, fff = elementary(CHERRY), elementary(TALL)
log = modified_equation(GradientDescent(), 3)
F = Quantity("F", field(log), tensor=True)
f_1 = document.define("f_1", -half * ff, tensor=True)
document.equation(f_1 + half * named("f_0'f_0", along({NODE: 1}, {NODE: 1})), 0, label="eq:f1")
document.text(r"""
For the next bracket, differentiate $f_1$ along $f_0$ and $f_0$ along $f_1$:
""")
f0f1 = named("f_0'f_1", along({NODE: 1}, {CHAIN: -half}))
f1f0 = named("f_1'f_0", along({CHAIN: -half}, {NODE: 1}))
document.equation(f0f1, -half * fff)
document.equation(f1f0, -half * (ftwo + fff))
third_order = {s: c for s, c in log.coefficients.items() if s.order == 3}
f_2 = Quantity("f_2", sympy.expand(field(log, third_order) / h**2), tensor=True)
document.equation(
    f_2,
    -half * (f0f1 + f1f0) - sixth * (ftwo + fff),
    twelfth * ftwo + third * fff,
    label="eq:f2",
)
with document.statement("theorem", "The modified field of gradient descent", label="thm:log"):
    document.text(r"""
    There is exactly one formal vector field $F$ in powers of $h$ whose time-$h$ flow is
    $\mathrm{Id} + h f$, and
    """)
    document.equation(
        F,
        f - half * h * ff + h**2 * (twelfth * ftwo + third * fff),
        modulo=(h, 3),
        label="eq:field",
    )


def b(tree: Tree, value: Any) -> Any:
    """b(τ) = value, proved, for a text."""
    return document.equal(coefficient("b", tree, log.coefficients[tree]), value)


with document.proof():
    document.text(
        r"""
    Existence and uniqueness are the recursion above: the coefficient of $h^{n+1}$ in $\varphi_h$
    is $f_n$ plus a polynomial in $f_0, \dots, f_{n-1}$ and their derivatives, for every $n \geq
    0$. The terms up to $h^2$ are those computed. They are found a second time by the recursion of
    [@hlw2006, IX.9] on rooted trees, where $F$ is a sum over trees $\tau$ of $h^{|\tau|-1}
    b(\tau) / \sigma(\tau)$ times the elementary differential of $\tau$, with $\sigma(\tau)$ the
    number of symmetries: its coefficients are [[b1]], [[b2]], [[b3]] and [[b4]], and only the
    third of these trees has $\sigma(\tau) > 1$, namely [[symmetry]].
    """,
        b1=b(NODE, 1),
        b2=b(CHAIN, -half),
        b3=b(CHERRY, sixth),
        b4=b(TALL, third),
        symmetry=CHERRY.symmetry,
    )

# -- the modified loss ----------------------------------------------------------------------------

document.text(r"""
# The modified loss {#sec:loss}

For $f := -\nabla E$ the term $f'f$ is a gradient for every loss, since $\nabla^2 E$ is symmetric:
""")
E = JetPolynomial.loss()
g = E.gradient()
norm = g.dot(g)
regularizer = symbolic(claim_named("eq-3").printed["regularizer"])
E_hat = E + regularizer * norm
document.equation(ff, ff.meaning, half * gradient(norm), label="eq:gradient")
with document.statement("theorem", "Equation (3)", label="thm:loss"):
    document.text(r"""
    For every loss $E$, the field of @thm:log is minus the gradient of the modified loss of
    @eq:paper up to $O(h^2)$, and the factor $\frac{h}{4}$ is the only one with which this is so:
    """)
    document.equation(F, -gradient(E_hat), modulo=(h, 2), label="eq:loss")
with document.proof():
    document.text(r"Insert @eq:gradient in the first two terms of @eq:field:")
    document.equation(
        f - half * h * ff,
        -gradient(E) - sympy.Rational(1, 4) * h * gradient(norm),
        -gradient(E_hat),
    )
    document.text(r"""
    Another factor $ch$ in place of $\frac{h}{4}$ leaves $h \left(c - \frac{1}{4}\right)$ times
    the gradient of $\|\nabla E\|^2$, which is not zero for $E := \frac{1}{2} x^2$, say.
    """)

# -- the order ------------------------------------------------------------------------------------

document.text(r"""
# Order and constant {#sec:order}

Let $\varphi_h^{[p]}$ be the time-$h$ flow of the first $p$ terms $f_0 + \dots + h^{p-1} f_{p-1}$:
for $p := 1$ the gradient flow, for $p := 2$ the flow (3). From a common point, one step of
gradient descent is
""")


def truncated_flow(order: int) -> Quantity:
    """The flow of the first terms, as a series."""
    short = BSeries(dict(log.truncated(order).field), 3).exp()
    return Quantity(rf"\varphi_h^{{[{order}]}}(x)", series(short), tensor=True)


document.equation(X + h * f, truncated_flow(1) - half * h**2 * ff, modulo=(h, 3), label="eq:local1")
document.equation(
    X + h * f,
    truncated_flow(2) + h**3 * (twelfth * ftwo + third * fff),
    modulo=(h, 4),
    label="eq:local2",
)
document.text(r"""
with the differences $h^2 f_1$ and $h^3 f_2$: it is $O(h^2)$ close to the gradient flow and
$O(h^3)$ close to (3), as [@ghosh2023] says, and in general no closer. Over a fixed time one power of $h$ is
lost.
""")
with document.statement("theorem", "Order and leading constant", label="thm:order"):
    document.text(r"""
    Let $E$ be smooth, and let the gradient flow $x(t)$ from $x^0$ exist on $[0, T]$. Let
    $\tilde{x}$ be the solution of the modified equation with $p$ terms, $\tilde{x}(0) := x^0$,
    and $t_k := kh$. Then, uniformly in $t_k \leq T$ for $h \to 0$,
    $$x^k - \tilde{x}(t_k) \;\text{ is }\; h^p e(t_k) + O(h^{p+1}), \qquad
    \dot{e} := f'(x) \, e + f_p(x), \quad e(0) := 0.$$
    """)
with document.proof():
    document.text(r"""
    Let $y$ solve the modified equation with $p + 1$ terms, $y(0) := x^0$. Its right side differs
    from that of $\tilde{x}$ by $h^p f_p$, and both are smooth perturbations of $f$; so $y$ and
    $\tilde{x}$ exist on $[0, T]$ for small $h$, in a compact neighbourhood of the gradient flow,
    and $(y - \tilde{x}) / h^p$ is $O(h)$ close to the solution $e$ of the linear equation.

    It remains that $x^k$ is $O(h^{p+1})$ close to $y(t_k)$. From a common point in the
    neighbourhood one step makes an error of at most $C h^{p+2}$, because $p + 1$ terms of the
    modified equation leave out terms from $h^{p+1}$ on. The map $\mathrm{Id} + h f$ is Lipschitz
    there with some constant $1 + hL$. So the distances $d_k$ obey $d_{k+1} \leq (1 + hL) \, d_k +
    C h^{p+2}$, and are at most
    """)
    document.equation(
        "Sum(C*h**(p+2)*(1+h*L)**j, (j, 0, k-1))",
        "C*h**(p+1)*((1+h*L)**k - 1)/L",
        label="eq:gronwall",
    )
    document.text(r"""
    which is no more than $C h^{p+1} (e^{LT} - 1)/L$. By induction over $k$ the iterates do not
    leave the neighbourhood, for small $h$.
    """)

# -- a quadratic ----------------------------------------------------------------------------------

document.text(r"""
# A quadratic, in closed form {#sec:quadratic}

On $E := \frac{\lambda}{2} x^2$ with $\lambda > 0$, which is what an eigendirection of a quadratic loss amounts to,
$f$ is linear. All elementary differentials with a second or higher derivative of $f$ vanish; what
is left are the trees without branches, on which $f'\cdots f'f$ is $(-\lambda)^n x$ for $n$
vertices. The closed form of the field is $-\mu x$ with
""")
N = 6
x, x0 = sympy.Symbol("x"), tensor("x^0")
deep = modified_equation(GradientDescent(), N)


def tall(n: int) -> Tree:
    """The tree with n vertices and no branches."""
    return Tree([tall(n - 1)]) if n > 1 else Tree()


def term_on_quadratic(n: int) -> sympy.Expr:
    """The coefficient of x in f_n."""
    return deep.coefficients[tall(n + 1)] * sympy.expand((-lam) ** (n + 1))


mu = document.define(r"\mu", "-log(1 - h*lambda_)/h", name="mu", label="eq:mu")
document.text(r"""
for $h\lambda < 1$, since the flow of $-\mu x$ multiplies by $e^{-h\mu}$ in one step, and gradient
descent by the same number. The terms of the field add up to it:
""")
document.equation("exp(-h*mu)", 1 - h * lam, label="eq:exact")
document.equation(
    Quantity("F(x)", sympy.Add(*(term_on_quadratic(n) * h**n * x for n in range(N)))),
    "-mu*x",
    modulo=(h, N),
    label="eq:closed",
)
document.equation(
    "-mu*x",
    "-x*(lambda_ + h*lambda_**2/2 + h**2*lambda_**3/3 + h**3*lambda_**4/4)",
    modulo=(h, 4),
    label="eq:terms",
)
document.text(r"""
The modified loss of @thm:loss, made for this $E$, has two of these terms:
""")
LINE = lam * x**2 / 2
E_hat_line = LINE + regularizer * sympy.diff(LINE, x) ** 2
document.equation(
    Quantity(r"-\nabla\hat{E}(x)", -sympy.diff(E_hat_line, x)), "-x*(lambda_ + h*lambda_**2/2)"
)
document.text(r"""
The constants of @thm:order are explicit here. With $x(t) := e^{-\lambda t} x^0$ and the terms
$f_1$ and $f_2$ of @eq:closed, the errors of the gradient flow and of (3) have the leading
coefficients
""")
decay = Quantity(r"e^{-\lambda t}", sympy.exp(-lam * t), tensor=True)
LEADING = {1: -(lam**2) * t / 2, 2: -(lam**3) * t / 3}
for p, c in LEADING.items():
    e = document.define(f"e_{p}(t)", c * x0 * decay, tensor=True)
    left_out = Quantity(f"f_{p}(x(t))", term_on_quadratic(p) * decay.meaning * x0, tensor=True)
    document.equation(sympy.Derivative(e, t), left_out - lam * e)
document.text(r"""
The same is seen directly. With $t := kh$ fixed the iterate is $e^{-\mu t} x^0$ by @eq:exact, and
$\mu$ is known from @eq:terms. For $x^0 := 1$, the iterate minus the gradient flow, and minus (3),
is
""")
iterate = "exp(-t*(lambda_ + h*lambda_**2/2 + h**2*lambda_**3/3))"
document.equation(f"{iterate} - exp(-lambda_*t)", h * LEADING[1] * decay, modulo=(h, 2))
document.equation(
    f"{iterate} - exp(-t*(lambda_ + h*lambda_**2/2))", h**2 * LEADING[2] * decay, modulo=(h, 3)
)
document.text(r"""
The closed form also shows the range of the modified equation. Its series converges for
$h\lambda < 1$ only. For $1 < h\lambda < 2$ gradient descent still converges, but with alternating
signs, which no flow on a line can follow; and the flow (3) is stable for every $h$, also where
gradient descent diverges.
""")

# -- the sign -------------------------------------------------------------------------------------

implicit = modified_equation(method_named("implicit-euler"), 2)
document.text(r"""
# What the sign does {#sec:sign}

The factor of $\|\nabla E\|^2$ is positive since $b$ is negative on the tree with two vertices: a
step along the tangent keeps the speed of its beginning, and goes too far where the speed
decreases. It belongs to the method, not to discretization as such. The implicit Euler method, $x
\mapsto x'$ with $x' := x + h f(x')$, has the opposite sign:
""")
document.equation(
    Quantity(r"F_{\mathrm{implicit}}", field(implicit), tensor=True),
    -gradient(E - regularizer * norm),
    modulo=(h, 2),
    label="eq:implicit",
)
document.text(r"""
Critical points of $E$ are critical points of $\hat{E}$, and $\hat{E} \geq E$ with equality there
alone: the regularizer does not move minima. It decides between them. Take a two-layer model with
one weight in each layer,
""")
LOSS = document.define("E", "(1 - u*v)**2/2", name="E").meaning
BALANCE = document.define("D", "u**2 - v**2", name="D").meaning
VARIABLES = (u, v)
GRADIENT = [sympy.diff(LOSS, w) for w in VARIABLES]
E_HAT = LOSS + regularizer * sum(c**2 for c in GRADIENT)


def rate(loss: sympy.Expr) -> sympy.Expr:
    """The derivative of D along the gradient flow of a loss."""
    return -sum(sympy.diff(BALANCE, w) * sympy.diff(loss, w) for w in VARIABLES)


document.text(r"""
whose minima form the hyperbola $uv := 1$. There the Hessian has the eigenvalues $0$ and
$u^2 + v^2$, and
""")
document.equation("(u**2 + v**2)**2", "D**2 + 4*u**2*v**2")
document.text(r"""
so that a minimum is the flatter the smaller $|D|$ is. Along the gradient flow $D$ is constant;
along (3) it decays as long as $E$ is positive:
""")
document.equation(Quantity(r"-\langle\nabla D, \nabla E\rangle", rate(LOSS)), 0)
document.equation(
    Quantity(r"-\langle\nabla D, \nabla\hat{E}\rangle", rate(E_HAT)), "-2*h*E*D", label="eq:decay"
)
document.text(
    r"""
which integrates to $D(t) := e^{-2h\int_0^t E} D(0)$. The iterates do the same: with [[gu]] and
[[gv]], one step of gradient descent leads to
""",
    gu=document.equal(Quantity(r"-\partial_u E", -GRADIENT[0]), "v*(1 - u*v)"),
    gv=document.equal(Quantity(r"-\partial_v E", -GRADIENT[1]), "u*(1 - u*v)"),
)
document.define("u_+", "u + h*v*(1 - u*v)", name="u_plus")
document.define("v_+", "v + h*u*(1 - u*v)", name="v_plus")
document.equation("u_plus**2 - v_plus**2", "(1 - 2*h**2*E)*D", label="eq:step")
document.text(r"""
This is exact at every $h$, and @eq:decay is its leading order: here (3) accounts for all of the
implicit regularization up to higher powers of $h$, and the gradient flow for none of it.
""")

# -- the terms of the field for this loss ---------------------------------------------------------

HESSIAN = sympy.hessian(LOSS, VARIABLES)
ALONG = sum(
    (c * sympy.diff(HESSIAN, w) for c, w in zip(GRADIENT, VARIABLES, strict=True)),
    sympy.zeros(2),
)
FOURTH = modified_equation(GradientDescent(), 4)


def differential(tree: Tree) -> sympy.Matrix:
    """F(τ): -∇E, differentiated once for each branch and applied to the branches."""
    branches = [differential(child) for child in tree.children]
    found = []
    for c in GRADIENT:
        terms = [(-c, sympy.Integer(1))]
        for branch in branches:
            directions = list(zip(VARIABLES, branch, strict=True))
            terms = [(sympy.diff(d, w), e * a) for d, e in terms for w, a in directions]
        found.append(sympy.expand(sum(d * e for d, e in terms)))
    return sympy.Matrix(found)


def term(n: int) -> sympy.Matrix:
    """f_n."""
    parts = (
        c / tree.symmetry * differential(tree)
        for tree, c in FOURTH.coefficients.items()
        if tree.order == n + 1
    )
    return sum(parts, sympy.zeros(2, 1)).expand()


# -- no modified loss beyond ----------------------------------------------------------------------

assert log.structure().gradient.witness == (CHERRY, TALL)
document.text(
    r"""
# No modified loss at the next order {#sec:third}

A field as in @thm:log is a gradient for every loss if $b$ takes one value on all
rootings of each free tree, a tree without a root: contract derivatives of $E$ along its edges; up to
the sign, the gradient of this number is the sum of the elementary differentials of the rootings at all
vertices. The free tree with three vertices can be rooted
in the middle, where [[b3]], and at an end, where [[b4]]. What the difference means for a given loss
is seen directly.
""",
    b3=b(CHERRY, sixth),
    b4=b(TALL, third),
)
with document.statement("theorem", "The term of order $h^2$", label="thm:third"):
    document.text(r"""
    The field $f_2$ is a gradient on a ball if and only if $\nabla^2 E$ commutes there with its
    derivative $\nabla^3 E[\nabla E]$ in the direction of $\nabla E$. So it is on a line, and for
    quadratic losses; it is not for $E := \frac{1}{2} (1 - uv)^2$.
    """)
with document.proof():
    document.text(
        r"""
    Let $H := \nabla^2 E$, $g := \nabla E$ and $T := \nabla^3 E[g]$. Split off a gradient, with
    """,
    )
    product = half * norm.gradient().dot(g)
    document.define("P", jet(product), tensor=True)
    slope = Quantity(r"\nabla P", gradient(product).meaning, tensor=True)
    document.equation(f_2, -twelfth * slope + sixth * fff, label="eq:parts")
    document.text(
        r"""
    Since [[fff]], what is left is $-\frac{1}{6} H^2 g$. The derivative of $H^2 g$ in the
    direction $w$ is $\nabla^3 E[w] H g + H \, \nabla^3 E[w] g + H^3 w$, that is $\left(\nabla^3
    E[Hg] + H T + H^3\right) w$, where the first and the last matrix are symmetric. So the
    Jacobian of $f_2$ minus its transpose is $\frac{1}{6} (T H - H T)$, and on a ball a field is a
    gradient if and only if its Jacobian is symmetric. On a line and for quadratic losses the
    commutator is zero. For the two-layer model,
    """,
        fff=document.equal(fff, fff.meaning),
    )
    F2 = term(2)
    document.equation(
        Quantity(
            r"\partial_v f_{2,u} - \partial_u f_{2,v}", sympy.diff(F2[0], v) - sympy.diff(F2[1], u)
        ),
        sixth * Quantity(r"(T H - H T)_{uv}", (ALONG * HESSIAN - HESSIAN * ALONG)[0, 1]),
        "(u**2 + v**2)*(u**2 - v**2)*(u*v - 1)/3",
        label="eq:curl",
    )
    document.text(r"is zero at minima and at balanced weights only.")

# -- measured -------------------------------------------------------------------------------------

START, TIME = (1.5, 0.25), 1.0
SIZES = [2.0**-n for n in range(3, 9)]
FIELDS = [sympy.lambdify(VARIABLES, list(term(n)), "math", cse=True) for n in range(4)]
JACOBIAN = sympy.lambdify(VARIABLES, (-HESSIAN).tolist(), "math")


def runge_kutta(field: Callable[[Any], Any], y: Any, step: float) -> Any:
    """One step of the classical method."""
    k1 = field(y)
    k2 = field(y + step / 2 * k1)
    k3 = field(y + step / 2 * k2)
    return y + step / 6 * (k1 + 2 * k2 + 2 * k3 + field(y + step * k3))


def measured(order: int, step: float) -> float:
    """The largest distance of gradient descent to its flow with so many terms."""

    def flow(y: Any) -> Any:
        return sum(step**n * np.array(FIELDS[n](*y)) for n in range(order))

    point = y = np.array(START)
    found = 0.0
    for _ in range(round(TIME / step)):
        point = point + step * np.array(FIELDS[0](*point))
        y = runge_kutta(flow, runge_kutta(flow, y, step / 2), step / 2)
        found = max(found, float(np.linalg.norm(point - y)))
    return found


def constant(order: int, steps: int = 200) -> float:
    """The largest |e(t)| of the theorem, with x and e integrated together."""

    def flow(z: Any) -> Any:
        force, left_out = (np.array(FIELDS[n](*z[:2])) for n in (0, order))
        return np.concatenate([force, np.array(JACOBIAN(*z[:2])) @ z[2:] + left_out])

    z = np.array([*START, 0.0, 0.0])
    found = 0.0
    for _ in range(steps):
        z = runge_kutta(flow, z, TIME / steps)
        found = max(found, float(np.linalg.norm(z[2:])))
    return found


figure = Figure(figsize=(4.6, 2.6), layout="constrained")
axes = figure.add_subplot()
axes.set(xscale="log", yscale="log", xlabel="step size $h$")
axes.set_ylabel(r"$\max_k \|x^k - \tilde x(t_k)\|$")
ratios = []
for order, colour, name in (
    (1, "#1b3a4b", "gradient flow"),
    (2, "#c8553d", "(3)"),
    (3, "#2a9d8f", "three terms"),
):
    errors = [measured(order, size) for size in SIZES]
    predicted = [constant(order) * size**order for size in SIZES]
    axes.plot(SIZES, errors, "o", color=colour, ms=4, label=name)
    axes.plot(SIZES, predicted, "-", color=colour, lw=1)
    ratios.append(errors[-1] / predicted[-1])
axes.grid(which="major", color="#e8eaed", lw=0.6)
axes.set_axisbelow(True)
for side in ("top", "right"):
    axes.spines[side].set_visible(False)
axes.legend(edgecolor="none", fontsize=8)

document.text(
    rf"""
The flow with three terms exists all the same, and @thm:order holds for it as for the others; it
is no gradient flow. @fig:orders shows the distances of gradient descent to the three flows, for
the two-layer model. The lines are $h^p \max |e|$, with nothing fitted; at the finest step size
the distances are {ratios[0]:.3f}, {ratios[1]:.3f} and {ratios[2]:.3f} times that.
"""
)
document.figure(
    figure,
    caption=r"Distances of gradient descent to its flows with one, two and three terms, from "
    rf"$(u, v)$ at $({START[0]:g}, {START[1]:g})$ up to $t \leq {TIME:g}$ (points), and the leading "
    "terms that @thm:order predicts (lines).",
    label="fig:orders",
    width=0.7,
    description="Distances fall like h, h squared and h cubed, along the predicted lines",
)
