"""B-series with memory: the method, the heavy ball by hand, and Nesterov's momentum."""

from __future__ import annotations

import ast
import inspect
import textwrap
from typing import Any

import sympy

from modflow.claims import claim_named
from modflow.claims._registry import symbolic
from modflow.derivation import step_map
from modflow.documents import Document
from modflow.documents.pictures import tree_tex
from modflow.documents.quantities import Quantity, unfolded
from modflow.documents.typeset import typeset
from modflow.documents.vocabulary import coefficient, elementary, plain
from modflow.methods import HeavyBall, Method, Nesterov
from modflow.series import BSeries, Tree, VectorField, trees_up_to

h, k, beta, rho, lam = sympy.symbols("h k beta rho lambda")
half, third = sympy.Rational(1, 2), sympy.Rational(1, 3)
NODE, CHAIN = Tree(), Tree([Tree()])
CHERRY, TALL = Tree([NODE, NODE]), Tree([CHAIN])
TREES = list(trees_up_to(3))

document = Document(
    "B-series of update rules with memory",
    authors=["The modflow developers"],
    bibliography="references.bib",
    keywords=("B-series", "rooted trees", "backward error analysis", "heavy ball", "momentum"),
    abstract=r"""
    An update rule with memory is a map on pairs of a point and a memory. Read on B-series instead of
    arrays, the same rule yields its backward error analysis: the map from $x^k$ to $x^{k+1}$ as a
    series in the step size whose coefficients on rooted trees obey linear recurrences in $k$. We
    state the method, solve the recurrences in closed form, and carry everything out by hand for the
    heavy ball up to a tree with three vertices, where we find the drift and the $\gamma$ of
    Theorem 4.1 of [@ghosh2023] as printed there. Nesterov's momentum is a second example.
    """,
)

# -- two readings ---------------------------------------------------------------------------------


def source(method: type[Method]) -> str:
    """The program of a step, without its types."""
    (step,) = ast.parse(textwrap.dedent(inspect.getsource(method.step))).body
    assert isinstance(step, ast.FunctionDef)
    step.returns, step.body = None, step.body[1:]
    for argument in step.args.args:
        argument.annotation = None
    return ast.unparse(step)


document.text(rf"""
# One rule, two readings {{#sec:readings}}

Let $f : \mathbb{{R}}^d \to \mathbb{{R}}^d$ be smooth, such as $f := -\nabla E$ for a loss $E$. An update
rule takes a point and a memory to a new point and a new memory. For the heavy ball [@polyak1964] with
momentum $\beta$ and step size $h$ the memory is the last difference:

```python
{source(HeavyBall)}
```

This uses nothing but linear combinations and values of $f$. Read on arrays, it is the optimizer. But
linear combinations and $f(\cdot)$ are defined for formal power series in $h$ as well; read on these, the
rule computes, instead of one point after the other, the *maps*
$$A_k : x^k \mapsto x^{{k+1}}, \qquad M_k : x^k \mapsto \text{{the memory before step }} k,$$
as series in $h$ around $x^k$. A step begins with the identity for the point and $M_k$ for the memory; the
new point it returns is $A_k$, and the new memory is a series in $x^k$ too. The next step needs it as a
series in $x^{{k+1}}$, so it is composed with the inverse of $A_k$. For the heavy ball
$$A_k := \mathrm{{Id}} + h f + \beta M_k, \qquad M_{{k+1}} := (A_k - \mathrm{{Id}}) \circ A_k^{{-1}}, \qquad
M_0 := 0.$$
Other rules need no other derivation: only the two lines of code differ. The flow that
the iterates follow from $t_k := kh$ to $t_{{k+1}}$ is that of the logarithm of $A_k$, as for a method
without memory [@hlw2006, IX.9].
""")

# -- series ---------------------------------------------------------------------------------------

document.text(r"""
# Series on trees {#sec:trees}

The elementary differentials $F(\tau)$ are $f$ for the tree $\tau$ with one vertex and
$f^{(m)}(F(\tau_1), \dots, F(\tau_m))$ for the tree $[\tau_1, \dots, \tau_m]$, whose root carries the
branches $\tau_1, \dots, \tau_m$. With $|\tau|$ the number of vertices and $\sigma(\tau)$ that of
symmetries, a B-series is
$$B(a, x) := a(\emptyset) \, x + \sum_\tau \frac{h^{|\tau|}}{\sigma(\tau)} \, a(\tau) F(\tau)(x)$$
[@hlw2006, III.1]. Sums are taken coefficient by coefficient. If $a(\emptyset)$ is 1, then $h f \circ B(a,
\cdot)$ is the B-series with the coefficients $a(\tau_1) \cdots a(\tau_m)$, the right-most
column of @tab:trees.
""")


def free(name: str) -> dict[Tree, sympy.Symbol]:
    """A series with coefficients that are symbols."""
    return {tree: sympy.Symbol(typeset(coefficient(name, tree, 0))) for tree in TREES}


a, m = free("a"), free("m")
map_a = BSeries(a, 3, empty=1)
inserted = VectorField()(map_a)
document.table(
    ["$\\tau$", "$F(\\tau)$", "$\\sigma(\\tau)$", "$h f \\circ a$"],
    [[tree, elementary(tree), tree.symmetry, sympy.sympify(inserted[tree])] for tree in TREES],
    caption=r"The trees with up to three vertices.",
    label="tab:trees",
    align="cccc",
)
document.text(r"""
The composition $B(m, B(a, x))$ with $m(\emptyset)$ zero sums, over all ways to cut a tree into a trunk at
the root and a forest, the value of $m$ on the trunk times those of $a$ on the trees of the forest
[@hlw2006, Theorem III.1.10]:
""")
composed = BSeries(m, 3).apply(map_a)
for tree, formula in (
    (CHAIN, m[CHAIN] + m[NODE] * a[NODE]),
    (CHERRY, m[CHERRY] + 2 * m[CHAIN] * a[NODE] + m[NODE] * a[NODE] ** 2),
    (TALL, m[TALL] + m[CHAIN] * a[NODE] + m[NODE] * a[CHAIN]),
):
    document.equation(coefficient(r"(m \circ a)", tree, composed[tree]), formula)
document.text(r"""
The logarithm of $B(a, x)$ is the vector field whose time-$h$ flow it is. It is the sum over the trees of
$h^{|\tau|-1} b(\tau) F(\tau) / \sigma(\tau)$, and its coefficients are [@hlw2006, IX.9]
""")
logarithm = map_a.log()
LOG: dict[Tree, Any] = {
    CHAIN: lambda a: a[CHAIN] - half * a[NODE] ** 2,
    TALL: lambda a: a[TALL] - a[NODE] * a[CHAIN] + third * a[NODE] ** 3,
}
for tree, formula in LOG.items():
    document.equation(coefficient("b", tree, logarithm[tree]), formula(a))
document.text(r"""
and $b$ equals $a$ on the single vertex.
""")

# -- recurrences ----------------------------------------------------------------------------------

document.text(r"""
# Recurrences in $k$ {#sec:recurrences}

For the heavy ball the definition of $M_{k+1}$ is $M_{k+1} \circ A_k := h f + \beta M_k$. On a tree,
composition gives $m_{k+1}(\tau)$ plus products of coefficients on smaller trees. Hence every coefficient
of the memory obeys
$$m_{k+1}(\tau) := \beta m_k(\tau) + r_k(\tau), \qquad m_0(\tau) := 0,$$
with an $r_k(\tau)$ that is known when those of smaller trees are: a linear recurrence with the rate
$\beta$ for every tree. The difference operator that it has to do with is
$$L[s_k] := s_{k+1} - \beta s_k.$$
""")


def shifted(expression: Any) -> Any:
    """The same for k + 1."""
    return unfolded(expression).subs(k, k + 1)


def L(name: str, sequence: Any) -> Quantity:
    """L of a sequence."""
    return Quantity(rf"L\left[{name}\right]", shifted(sequence) - beta * sequence)


def solves(sequence: Any, forcing: Any, label: str | None = None) -> None:
    """Display L[sequence] = forcing."""
    document.equation(L(typeset(sequence), sequence), forcing, label=label)


with document.statement("lemma", "Solution in closed form", label="thm:lemma"):
    document.text(r"""
    Let $0 < |\beta| < 1$, $p$ a polynomial and $\rho$ a power of $\beta$. Then $L[s_k] := p(k) \, \rho^k$ has a solution
    $s_k := P(k) \, \rho^k$ with a polynomial $P$, of the same degree if $\rho \neq \beta$, and of one
    degree more if $\rho$ is $\beta$ (resonance). All solutions are $s_k + c \beta^k$ with constants $c$.
    """)
with document.proof():
    document.text(r"""
    $L$ maps $k^i \rho^k$ to $(\rho - \beta) \, k^i \rho^k$ plus terms of lower degree in $k$: it is
    triangular on polynomials of a given degree, and regular if $\rho \neq \beta$. For $\rho$ equal to
    $\beta$ the diagonal is zero, and the degree falls by exactly one: $k^{i+1} \beta^k$ goes to
    $(i + 1) \, k^i \beta^{k+1}$ and lower terms. The solutions without forcing are $c \beta^k$.
    """)
document.text(r"""
The following six are all that the examples need; each is checked by inserting it.
""")
q = beta ** (k + 1)
solves(1 / (1 - beta), 1, "eq:L1")
solves(k * beta**k, q, "eq:L2")
solves(k * (k + 1) * beta**k / 2, (k + 1) * q, "eq:L3")
solves(-(beta ** (2 * k + 1)) / (1 - beta), beta ** (2 * k + 2), "eq:L4")
solves(
    -(k + 1 / (1 - beta)) * beta ** (2 * k + 1) / (1 - beta), (k + 1) * beta ** (2 * k + 2), "eq:L5"
)
solves(-(beta ** (3 * k + 2)) / (1 - beta**2), beta ** (3 * k + 3), "eq:L6")
with document.statement("theorem", "Closed forms", label="thm:closed"):
    document.text(r"""
    For the heavy ball with $0 < |\beta| < 1$, all coefficients of $M_k$, of $A_k$ and of its logarithm are
    polynomials in $k$ and $\beta^k$ whose coefficients are rational functions of $\beta$. They converge for
    $k \to \infty$, and differ from their limits by $O(k^n |\beta|^k)$ with some $n$.
    """)
with document.proof():
    document.text(r"""
    By induction over the number of vertices. $r_k(\tau)$ is a polynomial in coefficients of $M_{k+1}$ and
    $A_k$ on smaller trees. By @thm:lemma, applied to each power $\rho$ of $\beta$ that occurs,
    $m_k(\tau)$ is of the form claimed; $c$ is determined by the start. $A_k$ and its logarithm are
    polynomials in these. No power of $k$ stands beside $\rho^k$ with $\rho$ equal to $1$: there is none in
    $r_k(\tau)$, by induction, and $1 \neq \beta$, so that no resonance makes one.
    """)

# -- the heavy ball -------------------------------------------------------------------------------

document.text(r"""
# The heavy ball by hand {#sec:heavy-ball}

**One vertex.** There $r_k$ is 1, the coefficient of $h f$. By @eq:L1 a solution is $\frac{1}{1 - \beta}$;
subtracting $\beta^k$ times its value at $k := 0$ makes it start from zero. Hence
""")
ring, step = step_map(HeavyBall(), 3)
A = {tree: coefficient("a_k", tree, step[tree]) for tree in TREES}


def memory(tree: Tree, formula: str, name: str, letter: str = "m_k") -> Quantity:
    """m_k(τ), defined by a formula."""
    tex = coefficient(letter, tree, 0).name
    return document.define(tex, formula, name=name)


def later(quantity: Quantity) -> Quantity:
    """The same at k + 1."""
    return Quantity(quantity.name.replace("_k", "_{k+1}", 1), shifted(quantity.meaning))


def start(quantity: Quantity) -> Any:
    """Its value at k = 0, proved to be 0."""
    tex = quantity.name.replace("_k", "_0", 1)
    return document.equal(Quantity(tex, unfolded(quantity).subs(k, 0)), 0)


m1 = memory(NODE, "(1 - beta**k)/(1 - beta)", "m1")
document.equation(later(m1) - beta * m1, 1)
document.equation(A[NODE], 1 + beta * m1, "(1 - beta**(k+1))/(1 - beta)", label="eq:a1")
document.text(
    r"""
and [[start]]. Every equality is proved with $m_k$ as it was found here, and with $a_k$ as the program
finds it; the first is the recurrence, the second $A_k := \mathrm{Id} + h f + \beta M_k$. Note that
$a_k$ is $m_{k+1}$ on this tree: one step adds the new memory to $x^k$.

**Two vertices.** Composition has one more term, which goes to the right side:
""",
    start=start(m1),
)
r2 = document.define(
    coefficient("r_k", CHAIN, 0).name, -later(m1) * A[NODE], label="eq:r2", name="r2"
)
document.equation(r2, "-(1 - 2*beta**(k+1) + beta**(2*k+2))/(1 - beta)**2")
document.text(r"""
The middle term is in resonance. By @eq:L1, @eq:L2 and @eq:L4, term by term,
""")
s2 = document.define(
    "s_k", "-(1/(1 - beta) - 2*k*beta**k - beta**(2*k+1)/(1 - beta))/(1 - beta)**2", name="s2"
)
document.equation(L("s_k", s2.meaning), r2)
document.equation(Quantity("s_0", s2.meaning.subs(k, 0)), "-1/(1 - beta)**2")
document.text(r"and the solution that starts from zero is $s_k - s_0 \beta^k$:")
m2 = memory(CHAIN, s2 + beta**k / (1 - beta) ** 2, "m2")
document.equation(m2, "-(1 - (2*k+1)*(1 - beta)*beta**k - beta**(2*k+1))/(1 - beta)**3")
document.equation(later(m2) - beta * m2, r2)
document.equation(A[CHAIN], beta * m2, label="eq:a2")
document.text(r"The logarithm subtracts half a square, and the flow has the coefficient")
gamma = symbolic(claim_named("thm-4.1-gamma").printed["gamma"])
strength = symbolic(claim_named("thm-4.1-gamma").printed["strength"])
drift = symbolic(claim_named("thm-4.1-drift").printed["drift"])
g_k = document.define(r"\gamma_k", claim_named("thm-4.1-gamma").printed["gamma"], name="gamma_k")
b2 = Quantity(coefficient("b_k", CHAIN, 0).name, LOG[CHAIN](A))
document.equation(
    b2, beta * m2 - half * A[NODE] ** 2, "-gamma_k*(1 + beta)/(2*(1 - beta)**3)", label="eq:b2"
)
document.text("and on the single vertex")
document.equation(coefficient("b_k", NODE, step[NODE]), drift)
document.text(r"""
This is Theorem 4.1 of [@ghosh2023]: the flow up to $O(h)$ is (4), drift and $\gamma$ as printed there. The
factor $k + 1$ in $\gamma$ is the resonance of the middle term of $r_k$.

**Three vertices in a row.** On this tree composition has two more terms. They contain $\gamma_k$ again:
""")

r3 = document.define(
    coefficient("r_k", TALL, 0).name,
    -later(m2) * A[NODE] - later(m1) * A[CHAIN],
    label="eq:r3",
    name="r3",
)
document.equation(r3, "(1 + beta)*gamma_k*(1 - beta**(k+1))/(1 - beta)**4", label="eq:r3gamma")
document.text(r"Multiplied out, with $q_k := \beta^{k+1}$, this is")
q_k = Quantity("q_k", beta ** (k + 1))
parts = (
    (1 + beta)
    - (1 + beta) * q_k
    - 4 * (1 - beta) * (k + 1) * q_k
    + 4 * (1 - beta) * (k + 1) * q_k**2
    - (1 + beta) * q_k**2
    + (1 + beta) * q_k**3
)
document.equation((1 - beta) ** 4 * r3, parts)
document.text(r"""
Now @eq:L1 to @eq:L6 are used once each, in this order but for the two of $q_k^2$:
""")
s3 = document.define(
    "u_k",
    "(1 + beta)/(1 - beta) - (1 + beta)*k*beta**k - 2*(1 - beta)*k*(k+1)*beta**k"
    " - 4*(k + 1/(1 - beta))*beta**(2*k+1) + (1 + beta)*beta**(2*k+1)/(1 - beta)"
    " - beta**(3*k+2)/(1 - beta)",
    name="u_k",
)
document.equation(L("u_k", s3.meaning), (1 - beta) ** 4 * r3)
document.equation(Quantity("u_0", s3.meaning.subs(k, 0)), "(1 - 2*beta)/(1 - beta)")
m3 = memory(TALL, "(u_k - (1 - 2*beta)*beta**k/(1 - beta))/(1 - beta)**4", "m3")
document.text(
    r"""
starts from zero, [[start]], obeys the recurrence, and gives $A_k$ on this tree:
""",
    start=start(m3),
)
document.equation(later(m3) - beta * m3, r3)
document.equation(A[TALL], beta * m3, label="eq:a3")

# -- Nesterov -------------------------------------------------------------------------------------

document.text(rf"""
# Nesterov's momentum {{#sec:nesterov}}

The gradient enters the step twice, at once and through the memory [@nesterov1983]. The rule follows the
points $y^k := z^k + \beta (z^k - z^{{k-1}})$ where the gradient is taken:

```python
{source(Nesterov)}
```

With $M_k$ for $h$ times the memory, $M_{{k+1}} \circ A_k := h f + \beta M_k$ as before, now with
$A_k := \mathrm{{Id}} + h f + \beta (h f + \beta M_k)$. Coefficients that
differ have a hat. **One vertex** has the $m_k$ of the heavy ball, and
""")
_, ahead = step_map(Nesterov(), 3)
N = {tree: coefficient(r"\hat a_k", tree, ahead[tree]) for tree in TREES}
document.equation(N[NODE], 1 + beta * later(m1), "(1 - beta**(k+2))/(1 - beta)", label="eq:n1")
document.text(r"""
which is the drift of the heavy ball one step later (the $z^k$ have it at the same step). **Two vertices** have the other right side
""")
n2 = document.define(coefficient(r"\hat r_k", CHAIN, 0).name, -later(m1) * N[NODE])
document.equation(n2, "-(1 - (1 + beta)*beta**(k+1) + beta**(2*k+3))/(1 - beta)**2")
document.text(r"""
and the same three solutions, @eq:L1, @eq:L2 and @eq:L4, add up to
""")
v2 = document.define(
    "v_k",
    "-(1/(1 - beta) - (1 + beta)*k*beta**k - beta**(2*k+2)/(1 - beta))/(1 - beta)**2",
)
document.equation(L("v_k", v2.meaning), n2)
document.equation(Quantity("v_0", v2.meaning.subs(k, 0)), "-(1 + beta)/(1 - beta)**2")
n_chain = memory(CHAIN, v2 + (1 + beta) * beta**k / (1 - beta) ** 2, "n2", r"\hat m_k")
document.equation(N[CHAIN], beta**2 * n_chain, label="eq:n2")
weaker = Quantity(
    rf"\lim_{{k \to \infty}} \hat b_k({tree_tex(CHAIN)})", plain(ahead.log()[CHAIN].limit())
)
document.text("The logarithm is the one of the heavy ball, and in the limit")
document.equation(
    weaker,
    "beta**2*(-1/(1 - beta)**3) - 1/(2*(1 - beta)**2)",
    "-(1 - beta + 2*beta**2)/(2*(1 - beta)**3)",
    label="eq:n-limit",
)
heavy = Quantity(r"b_{\mathrm{hb}}", plain(step.log()[CHAIN].limit()))
document.text(
    r"""
where the heavy ball has [[heavy]]. The modified loss adds $-\tfrac{h}{2}$ times this coefficient, times
$\|\nabla E\|^2$, to $\tfrac{1}{1-\beta} E$: Nesterov's momentum regularizes less, by
$\tfrac{h}{2} \tfrac{\beta}{(1-\beta)^2} \|\nabla E\|^2$, as
""",
    heavy=document.equal(heavy, "-(1 + beta)/(2*(1 - beta)**3)"),
)
document.equation(heavy.meaning - weaker, "-beta/(1 - beta)**2", label="eq:less")
