"""The heavy ball beyond second order: its steps are gradient steps, its flow is no gradient flow."""

from __future__ import annotations

from typing import Any

import numpy as np
import sympy
from matplotlib.figure import Figure

from modflow import modified_equation
from modflow.derivation import step_map
from modflow.documents import Document
from modflow.documents.quantities import Quantity, unfolded
from modflow.documents.vocabulary import (
    X,
    coefficient,
    elementary,
    field,
    gradient,
    jet,
    potential,
    series,
)
from modflow.gaussian import JetPolynomial
from modflow.methods import GradientDescent, HeavyBall, Nesterov
from modflow.potentials import modified_loss
from modflow.series import BSeries, Tree, trees_up_to
from modflow.structure import witness_loss

h, k, beta, z, s, t = sympy.symbols("h k beta z s t")
half = sympy.Rational(1, 2)
NODE, CHAIN = Tree(), Tree([Tree()])
CHERRY, TALL = Tree([NODE, NODE]), Tree([CHAIN])
TREES = list(trees_up_to(4))

document = Document(
    "The heavy ball beyond second order",
    authors=["The modflow developers"],
    bibliography="references.bib",
    keywords=("heavy ball", "backward error analysis", "modified loss", "Legendre polynomials"),
    abstract=r"""
    The modified equation of the heavy ball is continued beyond Theorem 4.1 of [@ghosh2023], to the
    powers $h^2$ and $h^3$, at every step and in the limit. A modified loss, of which the flow would
    be the gradient flow, exists up to $O(h^2)$ only: the obstruction at step $k$ is that of gradient
    descent times the cube of the drift. Yet momentum has no part in this. For curvatures up to $L$ and
    $hL < (1-\sqrt\beta)^2$ every *step* of the heavy ball is, exactly, a gradient step on a loss of its
    own, a discounted action over all pasts; it is the logarithm that leads out of the gradients. The steps of Nesterov's momentum are no gradient steps. On
    quadratics the coefficients are values of Legendre polynomials.
    """,
)

# -- every step is a gradient step ----------------------------------------------------------------

document.text(r"""
# Every step is a gradient step {#sec:step}

Let $E : \mathbb{R}^d \to \mathbb{R}$, $0 \leq \beta < 1$ and $h > 0$. The heavy ball [@polyak1964] is
$$x^{k+1} := x^k - h \nabla E(x^k) + \beta \left(x^k - x^{k-1}\right), \qquad x^{-1} := x^0.$$
Here $x^{k-1}$ is a function of $x^k$, if a step can be undone. Then $A_k : x^k \mapsto x^{k+1}$ is a map of
$\mathbb{R}^d$ into itself, and more is true: it is a step of gradient descent on another loss. Let
$$V_{-1} := 0, \qquad V_k(x) := h E(x) + \beta \max_y \left( V_{k-1}(y) - \tfrac{1}{2} \|x - y\|^2 \right).$$
""")
with document.statement("theorem", "The loss of a step", label="thm:step"):
    document.text(r"""
    Let $E$ be twice continuously differentiable and all eigenvalues of $\nabla^2 E$ at most $L \geq 0$. Let
    $z := hL$ be at most $(1 - \sqrt{\beta})^2$, and let
    """)
    rho = document.define(
        r"\varrho", "(1 + beta - z + sqrt((1 + beta - z)**2 - 4*beta))/2", name="rho"
    )
    document.text(r"""
    be positive. Then each maximum is attained at one point, $V_k$ is twice
    continuously differentiable with $\nabla^2 V_k \leq 1 - \varrho$, and for all $k \geq 0$ the step $A_k$ of
    the heavy ball is $x \mapsto x - \nabla V_k(x)$.
    """)
with document.proof():
    document.text(r"""
    The number $\varrho$ is the larger root of
    """)
    document.equation("rho**2 - (1 + beta - z)*rho + beta", 0, label="eq:root")
    document.text(r"""
    and $\varrho \leq 1$ as $z \geq 0$. So the bound holds for $V_{-1}$. Let it hold for
    $V_{k-1}$. Then the function below the maximum has second derivatives of at most $-\varrho$ in $y$;
    it has one maximum $y$, where $x$ is $y - \nabla V_{k-1}(y)$, which is $A_{k-1}(y)$. So $A_{k-1}$ is
    invertible, with $y := A_{k-1}^{-1}(x)$ the iterate before $x$; it is differentiable in $x$ with a
    derivative of at most $1/\varrho$. As the derivative of the maximum in $y$ is zero, that in $x$ is
    $y - x$. Hence $-\nabla V_k(x)$ is $-h \nabla E(x) + \beta (x - y)$, one step of the heavy ball; and
    $\nabla^2 V_k$ is at most
    """)
    document.equation("z + beta*(1/rho - 1)", "1 - rho", label="eq:bound")
    document.text(r"by @eq:root.")
document.text(r"""
Written out, $V_k(x)$ is the maximum over all pasts $y_0, \dots, y_k$ that end in $y_k := x$ of
$$h \sum_{j=0}^{k} \beta^{k-j} E(y_j) - \frac{1}{2} \sum_{j=1}^{k} \beta^{k-j+1} \|y_j - y_{j-1}\|^2,$$
and the maximum is the true past $x^0, \dots, x^k$: a step descends a discounted sum of losses, less an
action. The only thing that was used is that the inverse of a gradient map is one. It is Legendre's
transformation, and the recursion is $\Phi_k := \frac{1+\beta}{2} \|x\|^2 - h E - \beta \Phi_{k-1}^*$ for
$\Phi_k := \frac{1}{2} \|x\|^2 - V_k$.
""")

# -- the loss of a step as a series ---------------------------------------------------------------

ring, step = step_map(HeavyBall(), 4)
a_k = {tree: ring(step[tree]) for tree in TREES}
STAR, PATH = TREES[4].rootings[0], TREES[7].rootings[0]
FREE = {NODE: "D", CHAIN: "S", CHERRY: "Q", STAR: "U", PATH: "W"}
assert CHERRY == TALL.rootings[0]


def named(tree: Tree) -> Quantity:
    """|a_k(τ)|, of the engine, with the letter of the free tree."""
    free = tree.rootings[0]
    return Quantity(f"{FREE[free]}_k", (-1) ** (tree.order - 1) * a_k[free].to_sympy())


D, S, Q, U, W = LETTERS = [named(tree) for tree in FREE]
BY_TREE = dict(zip(FREE, LETTERS, strict=True))


def value(tree: Tree) -> Any:
    """a_k(τ) in these letters."""
    return (-1) ** (tree.order - 1) * BY_TREE[tree.rootings[0]]


document.text(r"""
# The loss of a step as a series {#sec:series}

With $f := -\nabla E$ the map $A_k$ is a B-series [@hlw2006, III.1], $x$ plus the sum over rooted trees $\tau$
of $\frac{h^{|\tau|}}{\sigma(\tau)} a_k(\tau) F(\tau)(x)$, with $\sigma$ the number of symmetries and $F(\tau)$
as in @tab:trees. Since it is $x - \nabla V_k(x)$ for every loss $E$, its coefficient has one value for all
trees that differ in the choice of the root only: up to four vertices there are five numbers, which we
call $D_k$, $-S_k$, $Q_k$, $-U_k$ and $-W_k$. Read off from the update rule in code they are indeed equal in
pairs, and
""")
losses = modified_loss(a_k, lambda c: c.to_sympy())
V = JetPolynomial.of(losses)
POTENTIALS = {tree: potential(tree) for tree in FREE}
document.equation(
    Quantity("V_k", h * jet(V), tensor=True),
    sympy.Add(
        *(h**tree.order / tree.free_symmetry * BY_TREE[tree] * P for tree, P in POTENTIALS.items())
    ),
    label="eq:V",
)
document.equation(
    Quantity("A_k(x)", series(step), tensor=True),
    X - Quantity(r"\nabla V_k", h * gradient(V).meaning, tensor=True),
    modulo=(h, 5),
    label="eq:gradient",
)
document.text(r"""
The inverse of $A_k$, in the recursion $A_{k+1} := \mathrm{Id} + h f + \beta \left(\mathrm{Id} - A_k^{-1}\right)$,
gives recurrences for them. All of the numbers start from 0 at $k := 0$, but for $D_0 := 1$, and
""")


def later(quantity: Quantity) -> Quantity:
    """The same at k + 1."""
    return Quantity(quantity.name.replace("_k", "_{k+1}"), unfolded(quantity).subs(k, k + 1))


inverse = BSeries({tree: value(tree) for tree in TREES}, 4, empty=1).inverse()
for tree, letter in BY_TREE.items():
    forced = 1 if tree is NODE else 0
    back = sympy.expand((-1) ** tree.order * inverse[tree])
    document.equation(later(letter), forced + beta * back, label=f"eq:{letter.name[0]}")
document.text(r"""
Solved, the third of them says for all $k$
""")
i = sympy.Symbol("i")
D_i, S_i = (Quantity(f"{q.name[0]}_{{k-i}}", unfolded(q).subs(k, k - i)) for q in (D, S))
document.equation(Q, sympy.Sum(beta**i * (D_i**3 + 2 * D_i * S_i), (i, 1, k)), label="eq:Q-sum")
document.equation(
    (1 - beta) ** 5 * Q,
    "beta*(1 + beta) - (2*(1 - beta)**2*k**2 + (1 - beta)*(3 - beta)*k + 1 - 2*beta)*beta**(k+1)"
    " - (4*(1 - beta)*k + 3 - beta)*beta**(2*k+2) - beta**(3*k+3)",
)
document.text(r"""
and likewise the others. For $\beta > 0$ and $k \geq 1$ all are positive and grow with $k$, to the limits
""")
LIMITS = {
    D: "1/(1 - beta)",
    S: "beta/(1 - beta)**3",
    Q: "beta*(1 + beta)/(1 - beta)**5",
    U: "beta*(1 + 4*beta + beta**2)/(1 - beta)**7",
    W: "beta*(1 + 3*beta + beta**2)/(1 - beta)**7",
}
for letter, formula in LIMITS.items():
    document.equation(sympy.Limit(letter, k, sympy.oo), formula)

# -- the flow -------------------------------------------------------------------------------------

heavy = modified_equation(HeavyBall(), 4)
logarithm = BSeries({tree: value(tree) for tree in TREES}, 4, empty=1).log()
document.text(r"""
# The flow at every step {#sec:flow}

The iterates follow $\dot{x} := F_k(x)$ from $t_k := kh$ to $t_{k+1}$, where $F_k$ is the sum of
$\frac{h^{|\tau|-1}}{\sigma(\tau)} b_k(\tau) F(\tau)$ and $b_k$ the logarithm of $a_k$ [@hlw2006, IX.9]. So
$F_k$ is the modified field of gradient descent with the loss $V_k$, and step size 1. @tab:trees has it to
fourth order. Theorem 4.1 of [@ghosh2023] is the first two rows.
""")
document.table(
    [r"$\tau$", r"$F(\tau)$", r"$\sigma$", r"$a_k(\tau)$", r"$b_k(\tau)$"],
    [
        [
            tree,
            elementary(tree),
            tree.symmetry,
            value(tree),
            document.equal(
                coefficient("b_k", tree, heavy.coefficients[tree]), sympy.expand(logarithm[tree])
            ),
        ]
        for tree in TREES
    ],
    caption="One step of the heavy ball, and its flow, to fourth order; each row is proved for all $k$.",
    label="tab:trees",
    align="ccccl",
)
# -- where the modified loss ends -----------------------------------------------------------------

g = JetPolynomial.loss().gradient()
P = half * g.dot(g).gradient().dot(g) * half
plain = modified_equation(GradientDescent(), 3)


def of_order(equation: Any, order: int) -> sympy.Expr:
    """The part of a field with h^(order-1), without the power."""
    terms = {tree: c for tree, c in equation.coefficients.items() if tree.order == order}
    return sympy.expand(field(equation, terms) / h ** (order - 1))


F_Y, F_T = elementary(CHERRY), elementary(TALL)
f_2k = Quantity("f_{2,k}", of_order(heavy, 3), tensor=True)
f_2 = Quantity("f_2", of_order(plain, 3), tensor=True)
document.text(
    r"""
# Where the modified loss ends {#sec:end}

Up to $O(h^2)$ the field $F_k$ is a gradient for every loss: $f$ and $f'f$ are. The next term $h^2 f_{2,k}$ has
two elementary differentials, $f''(f, f)$ and $f'f'f$, of which one combination is the gradient of
""",
)
document.define("P", jet(P), tensor=True)
slope = Quantity(r"\nabla P", gradient(P).meaning, tensor=True)
document.equation(slope, -half * F_Y - F_T, label="eq:slope")
document.text(r"""
With this @tab:trees reads, and for gradient descent, whose term we call $f_2$,
""")
sixth = sympy.Rational(1, 6)
document.equation(f_2k, -(Q + D * S + sixth * D**3) * slope + sixth * D**3 * F_T, label="eq:f2k")
document.equation(f_2, -sixth * slope + sixth * F_T, label="eq:f2")


def b_k(tree: Tree) -> Quantity:
    """b_k(τ), of the engine."""
    return coefficient("b_k", tree, heavy.coefficients[tree])


with document.statement("theorem", "No modified loss at order 3", label="thm:end"):
    document.text(r"""
    Let $H := \nabla^2 E$ and $T := \nabla^3 E[\nabla E]$, the derivative of $H$ along the gradient. On a
    ball, and for each $k$ and $\beta$, the field $F_k$ is a gradient up to $O(h^3)$ if and only if $H$ and $T$
    commute there: for the same losses as with gradient descent. Its part that is no gradient is that of
    gradient descent times $D_k^3$, and
    """)
    document.equation(
        b_k(CHERRY) - b_k(TALL),
        -sixth * D**3,
        "-(1 - beta**(k+1))**3/(6*(1 - beta)**3)",
        label="eq:obstruction",
    )
with document.proof():
    document.text(r"""
    By @eq:f2k and @eq:f2 all but $\frac{1}{6} D_k^3$ times $f'f'f$ is a gradient, and $D_k > 0$. Now $f'f'f$
    is $-H^2 \nabla E$, with the derivative $w \mapsto -(\nabla^3 E[w] H + H \nabla^3 E[w]) \nabla E - H^3 w$,
    which is the matrix $-(\nabla^3 E[H \nabla E] + HT + H^3)$. The first and the last term are symmetric.
    So the Jacobian minus its transpose is $TH - HT$, which has to vanish.
    """)


# -- a witness ------------------------------------------------------------------------------------

PAIR = heavy.structure().gradient.witness
assert PAIR == (CHERRY, TALL)
LOSS, VARIABLES = witness_loss(PAIR)


def differential(tree: Tree, slope: Any, variables: Any) -> sympy.Matrix:
    """F(τ): -∇E, differentiated once for each branch and applied to the branches."""
    branches = [differential(child, slope, variables) for child in tree.children]
    found = []
    for component in slope:
        terms = [(-component, sympy.Integer(1))]
        for branch in branches:
            directions = list(zip(variables, branch, strict=True))
            terms = [(sympy.diff(d, w), e * part) for d, e in terms for w, part in directions]
        found.append(sympy.expand(sum(d * e for d, e in terms)))
    return sympy.Matrix(found)


def curl(coefficients: dict[Tree, Any]) -> sympy.Expr:
    """∂F_{z2}/∂z1 - ∂F_{z1}/∂z2 at 0, to order 3."""
    slope = [sympy.diff(LOSS, w) for w in VARIABLES]
    z1, z2 = VARIABLES[-2:]
    found = sympy.Integer(0)
    for tree in trees_up_to(3):
        vector = dict(zip(VARIABLES, differential(tree, slope, VARIABLES), strict=True))
        rotation = sympy.diff(vector[z2], z1) - sympy.diff(vector[z1], z2)
        at_zero = rotation.subs(dict.fromkeys(VARIABLES, 0))
        found += coefficients[tree] * h ** (tree.order - 1) / tree.symmetry * at_zero
    return found


document.text(r"""
A loss for which they do not commute at 0 is
""")
document.define("E", LOSS)
document.equation(
    Quantity(
        r"\left(\partial_{z_1} F_{k, z_2} - \partial_{z_2} F_{k, z_1}\right)(0)",
        curl(heavy.coefficients),
    ),
    -sixth * h**2 * D**3,
    modulo=(h, 3),
    label="eq:witness",
)
document.text(r"""
What does this mean? If time is rescaled so that the drift is 1, a step has the length $h D_k$, and in @eq:f2k the part
that is no gradient is that of gradient descent with the step size $h D_k$: it is due to discretization, and
momentum adds nothing to it but its effective step size. It vanishes to first order at critical points,
where $T$ is zero: near a minimum $F_k$ is close to a linear field with a symmetric matrix, and does not turn.
Elsewhere no loss has this field for its gradient; for the step, if not for the flow, $V_k$ takes its place.
Higher orders cannot mend this: what is no gradient at $h^2$ stays none.
""")

# -- Nesterov -------------------------------------------------------------------------------------

nesterov = modified_equation(Nesterov(), 4, limit=True)
descent = modified_equation(GradientDescent(), 4)
nesterov_step = step_map(Nesterov(), 3)[1]


def limit_of(tree: Tree) -> sympy.Expr:
    """The limit of a_k(τ) of Nesterov's method."""
    return nesterov_step.map(lambda c: c.limit())[tree].to_sympy()


document.text(r"""
# The limit, and Nesterov's momentum {#sec:limit}

@tab:limits has the limits of $b_k$. Its numerators are palindromic for the heavy ball, and not for Nesterov's
momentum, followed at the points $y^k := z^k + \beta (z^k - z^{k-1})$ where its gradient is taken (the $z^k$
have other coefficients from three vertices on). For $\given{\beta = 0}$ both are gradient
descent, the heavy ball at every step, as @eq:D to @eq:W leave $D_k := 1$ alone; and in the limit
""")
for tex, equation in (
    (r"F_\infty|_{\beta \to 0}", heavy),
    (r"F_\infty^{\mathrm{N}}|_{\beta \to 0}", nesterov),
):
    document.equation(
        Quantity(tex, field(equation, limit=True).subs(beta, 0), tensor=True),
        Quantity(r"F_{\mathrm{GD}}", field(descent), tensor=True),
        modulo=(h, 4),
    )
document.table(
    [r"$\tau$", "heavy ball", "Nesterov", "gradient descent"],
    [[tree, heavy.limit[tree], nesterov.limit[tree], descent.limit[tree]] for tree in TREES],
    caption=r"The coefficients $b_k(\tau)$ for $k \to \infty$.",
    label="tab:limits",
    align="clll",
)
difference = "(6*beta**3 + beta - 1)/(6*(1 - beta)**4)"
document.text(r"""
A step of Nesterov's method composes gradient maps, and is none itself: its coefficients differ already on
three vertices. So do those of the flow,
""")
document.equation(
    coefficient(r"a_\infty^{\mathrm{N}}", CHERRY, limit_of(CHERRY))
    - coefficient(r"a_\infty^{\mathrm{N}}", TALL, limit_of(TALL)),
    "beta**3/(1 - beta)**4",
)
document.equation(
    coefficient(r"b_\infty^{\mathrm{N}}", CHERRY, nesterov.limit[CHERRY])
    - coefficient(r"b_\infty^{\mathrm{N}}", TALL, nesterov.limit[TALL]),
    difference,
    label="eq:nesterov",
)
root = float(sympy.nsolve(sympy.sympify("6*b**3 + b - 1"), 0.5))
document.text(rf"""
At a $\beta$ near {root:.4f}, where @eq:nesterov changes its sign, the limit flow of the $y^k$ does have
a modified loss up to $O(h^3)$, for every $E$. The heavy ball has no such point.
""")

# -- quadratics -----------------------------------------------------------------------------------

COUNT = 6
rows = [NODE]
for _ in range(COUNT - 1):
    rows.append(Tree([rows[-1]]))
deep = modified_equation(HeavyBall(), COUNT, limit=True).limit
document.text(r"""
# Quadratics {#sec:quadratic}

On $E := \frac{\lambda}{2} x^2$, with $z := h\lambda$, the step $A_k$ is a factor $r_k$. By @thm:step
$$r_{k+1} := 1 + \beta - z - \frac{\beta}{r_k}, \qquad r_{-1} := 1,$$
and $V_k$ is $\frac{1}{2} (1 - r_k) x^2$. While $z \leq (1 - \sqrt{\beta})^2$ the $r_k$ decrease to $\varrho$; beyond,
there is no positive fixed point, they fall to 0 or below, and the next maximum is infinite. So for $\beta > 0$ the
condition of the theorem cannot be relaxed. The limits of @sec:series on trees without branches are Taylor
coefficients of $\varrho$,
""")
ENDS = [
    Quantity(
        q.name.replace("_k", r"_\infty"), a_k[tree].limit().to_sympy() * (-1) ** (tree.order - 1)
    )
    for tree, q in BY_TREE.items()
    if tree is not STAR
]
document.equation(
    "1 - rho",
    sympy.Add(*(end * z**n for n, end in enumerate(ENDS, 1))),
    modulo=(z, 5),
    label="eq:chains",
)
document.text(r"and those of $b_k$ are Taylor coefficients of $\log \varrho$.")
with document.statement("theorem", "Legendre polynomials", label="thm:legendre"):
    document.text(r"""
    On the tree without branches that has $n$ vertices, the limit $b_n$ of $b_k$ is
    $$\frac{(-1)^{n-1}}{n \, (1-\beta)^n} \, P_{n-1}(c), \qquad c := \frac{1+\beta}{1-\beta},$$
    with Legendre's polynomials $P_n$. The modified equation on a quadratic converges for
    $h\lambda < (1 - \sqrt{\beta})^2$.
    """)
c = Quantity("c", (1 + beta) / (1 - beta))


def legendre(n: int, argument: Any = c.meaning) -> Quantity:
    """P_n(c)."""
    return Quantity(f"P_{n}(c)", sympy.legendre(n, argument))


with document.proof():
    document.text(r"""
    The field is a multiple of $x$, and its flow over the time $h$ multiplies by $\varrho$ in the limit; so
    $\log \varrho$ is the sum of $(-z)^n b_n$. With @eq:root its derivative is found to be
    """)
    document.equation(
        Quantity(r"\frac{d}{dz} \log \varrho", sympy.diff(sympy.log(unfolded(rho)), z)),
        "-1/sqrt((1 + beta - z)**2 - 4*beta)",
        label="eq:derivative",
    )
    document.text(r"and below the root there is, with $s := z/(1-\beta)$,")
    document.equation(
        Quantity(
            r"(1 + \beta - z)^2 - 4\beta", ((1 + beta - z) ** 2 - 4 * beta).subs(z, (1 - beta) * s)
        ),
        (1 - beta) ** 2 * (1 - 2 * c * s + s**2),
        label="eq:scaled",
    )
    document.text(r"""
    This is the generating function of Legendre's polynomials [@szego1939, Section 4.7],
    """)
    terms = [legendre(n, sympy.Symbol("c")) * s**n for n in range(COUNT)]
    document.equation(
        "1/sqrt(1 - 2*c*s + s**2)", sympy.Add(*terms), modulo=(s, COUNT), label="eq:legendre"
    )
    document.text(r"""
    and so on, with all of them. Integration of the terms from 0, where $\varrho$ is 1, gives the
    coefficients. The root in @eq:derivative
    vanishes first at $(1 - \sqrt{\beta})^2$.
    """)
document.table(
    ["$n$", "$b_n$, as derived from the update rule", "$P_{n-1}(c)$"],
    [
        [
            n_,
            document.equal(
                Quantity(f"b_{n_}", deep[tree]),
                (-1) ** (n_ - 1) * legendre(n_ - 1) / (n_ * (1 - beta) ** n_),
            ),
            document.equal(
                legendre(n_ - 1),
                sum(sympy.binomial(n_ - 1, j_) ** 2 * beta**j_ for j_ in range(n_))
                / (1 - beta) ** (n_ - 1),
            ),
        ]
        for n_, tree in enumerate(rows, 1)
    ],
    caption="The limits on trees without branches; the numerators have squared binomial coefficients.",
    label="tab:legendre",
    align="cll",
)

# -- measured -------------------------------------------------------------------------------------

BETA, START, TIME = sympy.Rational(1, 2), (1.5, 0.25), 0.5
SIZES = [2.0**-p for p in range(5, 10)]
u, v = sympy.symbols("u v")
MODEL = (1 - u * v) ** 2 / 2
SLOPE = [sympy.diff(MODEL, w) for w in (u, v)]
VECTORS = sympy.lambdify(
    (u, v),
    [list(differential(tree, SLOPE, (u, v)) / tree.symmetry) for tree in TREES],
    "numpy",
    cse=True,
)
WEIGHTS = sympy.lambdify(k, [heavy.coefficients[tree].subs(beta, BETA) for tree in TREES], "math")
ORDERS = np.array([tree.order for tree in TREES])


def slope_at(y: Any, weights: Any) -> Any:
    """F_k with these weights."""
    return weights @ np.array(VECTORS(*y))


def distance(order: int, size: float) -> float:
    """The largest distance of the heavy ball to its flow with so many powers of h."""
    x = before = y = np.array(START)
    found = 0.0
    for number in range(round(TIME / size)):
        x, before = x - size * np.array(GRADIENT(*x)) + float(BETA) * (x - before), x
        weights = np.array(WEIGHTS(number)) * size ** (ORDERS - 1.0) * (order >= ORDERS)
        k1 = slope_at(y, weights)
        k2 = slope_at(y + size / 2 * k1, weights)
        k3 = slope_at(y + size / 2 * k2, weights)
        y = y + size / 6 * (k1 + 2 * k2 + 2 * k3 + slope_at(y + size * k3, weights))
        found = max(found, float(np.linalg.norm(x - y)))
    return found


GRADIENT = sympy.lambdify((u, v), SLOPE, "math")
figure = Figure(figsize=(4.6, 2.3), layout="constrained")
axes = figure.add_subplot()
axes.set(xscale="log", yscale="log", xlabel="step size $h$", ylabel="distance")
rates = []
for order, colour in ((1, "#c8553d"), (2, "#e9a13b"), (3, "#2a9d8f"), (4, "#1b3a4b")):
    errors = [distance(order, size) for size in SIZES]
    axes.plot(SIZES, errors, "o-", color=colour, ms=4, lw=1, label=f"{order}")
    rates.append(float(np.log2(errors[-2] / errors[-1])))
axes.set_xticks(SIZES, [f"$2^{{{round(np.log2(size))}}}$" for size in SIZES])
axes.minorticks_off()
axes.grid(which="major", color="#e8eaed", lw=0.6)
axes.set_axisbelow(True)
for side in ("top", "right"):
    axes.spines[side].set_visible(False)
axes.legend(edgecolor="none", fontsize=8, title="terms", title_fontsize=8)
shown = ", ".join(f"{rate:.2f}" for rate in rates[:-1])
document.text(rf"""
# Measured {{#sec:measured}}

@fig:orders shows how far the heavy ball is from its flows with one to four powers of $h$. Between the last two
step sizes the distances fall like $h$ to the powers {shown} and {rates[-1]:.2f}.
""")
document.figure(
    figure,
    caption=rf"Largest distance to the flows of @tab:trees, for $E := \frac{{1}}{{2}} (1 - uv)^2$ and "
    rf"$\beta := {float(BETA):g}$, from $(u, v)$ at $({START[0]:g}, {START[1]:g})$ up to $t \leq {TIME:g}$.",
    label="fig:orders",
    width=0.66,
    description="Four lines with the slopes 1 to 4",
)
