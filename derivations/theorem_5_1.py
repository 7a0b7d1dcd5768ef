"""Theorem 5.1: the modified flow of heavy ball on mini-batches, by induction over the steps."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import sympy
from matplotlib.figure import Figure

from modflow.batches import batch_equations
from modflow.claims import claim_named
from modflow.claims._registry import symbolic
from modflow.documents import Document
from modflow.documents.quantities import Quantity, unfolded
from modflow.methods import GradientDescent, HeavyBall
from modflow.series import ClosedFormRing, StepSize, Tree
from modflow.series.tensors import ColouredField, ColouredSeries

h, k, r, beta, i, j, n, s = sympy.symbols("h k r beta i j n s")
NODE, CHAIN = Tree(), Tree([Tree()])

claim = claim_named("thm-5.1-exact")
PRINTED = {name: symbolic(formula) for name, formula in claim.printed.items()}


def named(tex: str, meaning: Any) -> Quantity:
    """What stands for an expression or a matrix, under a name to be shown."""
    value = sympy.sympify(meaning)
    return Quantity(tex, value, tensor=isinstance(value, sympy.MatrixBase))


document = Document(
    "Heavy ball on mini-batches: the modified flow of every step",
    authors=["The modflow developers"],
    bibliography="references.bib",
    keywords=("stochastic gradient descent", "momentum", "backward error analysis"),
    abstract=r"""
    Theorem 5.1 of [@ghosh2023] gives a piecewise flow that stochastic gradient descent with momentum
    follows to second order, with a regularizer that depends on the batches of all steps so far. We
    prove its flow as printed, and its bound on a fixed time for losses with bounded derivatives. The memory of the method is a series in the vector fields of the batches, and
    an induction over the steps determines it: one step of the update rule, carried out on a memory
    with arbitrary weights. The weights of all pairs of batches follow in closed form, and so do bounds
    that are uniform in the number of steps, which give the order. For $M$ batches that are used again
    and again, one vector and one $M \times M$ table carry the regularizer from step to step.
    """,
)

# -- the statement --------------------------------------------------------------------------------

document.text(r"""
# The statement {#sec:statement}

Step $k$ uses the loss $E_k$ of its own batch. With momentum $0 \leq \beta < 1$ and step size $h$, and with
$x^{-1} := x^0$,
$$x^{k+1} := x^k - h \nabla E_k(x^k) + \beta \, (x^k - x^{k-1}).$$
On $[t_k, t_{k+1}]$, where $t_k := kh$, the flow of the theorem has the following right side.
""")
flow, loss, force = claim.statement.split(r", \quad ")
document.quote(
    f"$$ {loss}, $$\n\n$$ {flow}, \\qquad {force} $$",
    "[@ghosh2023, Theorem 5.1]",
    label="eq:printed",
)
document.text(r"""
For losses that are four times differentiable the iterates are claimed to stay within $C h^2$ of this flow.
We write $f_r := -\nabla E_r$ and $f_i' f_j$ for the derivative of $f_i$ applied to $f_j$. The gradient of
$\|\nabla G_s\|^2$ is twice $\nabla^2 G_s \nabla G_s$, which is bilinear in the losses. With the weight of
$E_r$ in $G_k$,
""")


def weight(step: Any, batch: Any) -> Quantity:
    """g_step(batch), as printed."""
    value = PRINTED["force"].subs({k: step, r: batch}, simultaneous=True)
    return named(rf"g_{{{sympy.latex(step)}}}({sympy.latex(batch)})", value)


document.define("g_k(r)", PRINTED["force"], label="eq:g")
document.text(r"""
for $r \leq k$, and $g_k(r) := 0$ for batches that have not been used yet, $r > k$, the statement is about
the coefficients $b_k$ of a vector field:
$$-\nabla \hat{E}_k(x) := \sum_{r=0}^{k} b_k(r) f_r(x) + h \sum_{i,j=0}^{k} b_k(i, j) f_i' f_j(x),$$
with $b_k(r) := g_k(r)$ and $b_k(i, j) := -\frac12 W_k(i, j)$, where $W_k(i, j)$ is the weight of $\frac{h}{4} \langle \nabla E_i, \nabla E_j \rangle$ in the
regularizer,
$$W_k(i, j) := g_k(i) g_k(j) + 2 \sum_{s=0}^{k-1} \beta^{k-s} g_s(i) g_s(j).$$
Batches of different steps are treated as different; where they coincide, their weights are added.
""")

# -- series ---------------------------------------------------------------------------------------

ring = ClosedFormRing(["beta", "u", "v", "S00", "S01", "S11", *"abcdpqst"])
shown: dict[sympy.Symbol, Any] = {}


def unknown(name: str, tex: str) -> Any:
    """A coefficient that may be anything, and how it is shown."""
    shown[sympy.Symbol(name)] = named(tex, sympy.Symbol(name))
    return ring.parameter(name)


def entry(series: ColouredSeries, *colours: int) -> sympy.Expr:
    """The coefficient of f_i or of f_i'f_j."""
    tensor = series.coefficients.get(NODE if len(colours) == 1 else CHAIN)
    return ring(0 if tensor is None else tensor[colours]).to_sympy()


def free(letter: str, names: str, empty: int) -> ColouredSeries:
    """A series in f_0, f_1 with two coefficients on f_i and that on f_0'f_1 free."""
    first, second, both = (
        unknown(x, rf"{letter}({tex})") for x, tex in zip(names, ("i", "j", "i, j"), strict=True)
    )
    return ColouredSeries(
        {
            NODE: np.array([first, second], dtype=object),
            CHAIN: np.array([[ring(0), both], [ring(0), ring(0)]], dtype=object),
        },
        2,
        empty=empty,
    )


a_series, m_series = free("a", "abc", 1), free("m", "pqs", 0)
document.text(r"""
# Series in several fields {#sec:series}

As in backward error analysis with one field [@hlw2006, III.1, IX.9], maps are written as
series in $h$, here up to $h^2$ and with a coefficient for each batch or pair of batches:
$$B(a, x) := a(\emptyset) x + h \sum_i a(i) f_i(x) + h^2 \sum_{i,j} a(i, j) f_i' f_j(x) + O(h^3).$$
The rules that are needed concern pairs, $i$ and $j$ alike or not. If $m(\emptyset)$ is zero and
$a(\emptyset)$ is one, Taylor expansion of $f_i$ at $x$ shows for the composition $B(m, B(a, x))$
""")
composed = m_series.apply(a_series)
document.equation(
    named(r"(m \circ a)(i, j)", entry(composed, 0, 1)),
    shown[sympy.Symbol("s")] + shown[sympy.Symbol("p")] * shown[sympy.Symbol("b")],
    label="eq:compose",
)
document.text(r"""
The field $h \sum_i b(i) f_i + h^2 \sum_{i,j} b(i, j) f_i' f_j$ with the time-one flow $B(a, x)$, its
*logarithm*, has $b(i)$ as $a(i)$, and
""")
logarithm = a_series.log()
document.equation(
    named("b(i, j)", entry(logarithm, 0, 1)),
    shown[sympy.Symbol("c")] - shown[sympy.Symbol("a")] * shown[sympy.Symbol("b")] / 2,
    label="eq:log",
)
document.text(r"""
as the second derivative of a solution brings in half the product $f_i' f_j$ of each pair. Both are read
off the general rules for coloured trees that the program uses.
""")

# -- the memory -----------------------------------------------------------------------------------

document.text(r"""
# The memory {#sec:memory}

Let $M_k$ be the series with $x^k - x^{k-1}$ as its value at $x^k$, and $A_k$ that of
$x^{k+1}$ in $x^k$. The update rule reads
$$A_k := \mathrm{Id} + h f_k + \beta M_k, \qquad M_{k+1} \circ A_k := A_k - \mathrm{Id}, \qquad M_0 := 0,$$
where the second part determines $M_{k+1}$, as $A_k$ is invertible as a series. The pairs enter by the sums
$$S_k(i, j) := \sum_{s=0}^{k-1} \beta^{k-1-s} g_s(i) g_s(j).$$
""")
with document.statement("lemma", "the memory", label="thm:memory"):
    document.text(r"""
    For every $k$, $M_k$ has the coefficients $g_{k-1}(r)$ on $f_r$ and $-S_k(i, j)$ on $f_i' f_j$.
    """)

u, v = unknown("u", "g_{k-1}(i)"), unknown("v", "g_{k-1}(j)")
s00, s01, s11 = (
    unknown(f"S{ends}", f"S_k({tex})")
    for ends, tex in (("00", "i, i"), ("01", "i, j"), ("11", "j, j"))
)
zero = ring(0)
sums = [[s00, s01, zero], [s01, s11, zero], [zero, zero, zero]]
memory = ColouredSeries(
    {
        NODE: np.array([u, v, zero], dtype=object),
        CHAIN: np.array([[-x for x in row] for row in sums], dtype=object),
    },
    2,
)
rule = HeavyBall().map(ring)
identity = ColouredSeries.identity(2)
point, after = rule.step(ColouredField.of(2, 3), StepSize(), identity, memory)
field, after = point.log(), after.over(point)
NAMES = ("i", "j", "k")
g = [
    named("g_k(i)", beta * sympy.Symbol("u")),
    named("g_k(j)", beta * sympy.Symbol("v")),
    sympy.Integer(1),
]


def S(p: int, q: int) -> Any:
    """S_k of two of the batches i, j, k; no pair with k has been seen before step k."""
    return shown[sympy.Symbol(f"S{min(p, q)}{max(p, q)}")] if max(p, q) < 2 else sympy.Integer(0)


def cell(letter: str, series: ColouredSeries, p: int, q: int, formula: Any) -> Any:
    """A coefficient that the step has, and what is claimed of it."""
    return document.equal(named(rf"{letter}({NAMES[p]}, {NAMES[q]})", entry(series, p, q)), formula)


with document.proof():
    document.text(
        r"""
    By induction. The update rule of the program begins with [[begins]] as its memory, and all sums are
    empty: that is the case $k := 0$. For the step from $k$ to $k + 1$ let $i$ and $j$ be earlier batches,
    $i, j < k$. A coefficient of a pair concerns two batches, and one step adds the batch $k$. Hence it is
    enough to run one step of the update rule itself, in the three fields $f_i$, $f_j$ and $f_k$,
    on a memory whose weights $g_{k-1}(i)$, $g_{k-1}(j)$, $S_k(i, i)$, $S_k(i, j)$, $S_k(j, j)$ are symbols
    without any relation. The first part of the rule yields on single batches
    """,
        begins=str(rule.begin(ColouredField.of(0, 1), StepSize(), identity).empty),
    )
    document.equation(
        named("a_k(i)", entry(point, 0)), beta * shown[sympy.Symbol("u")], label="eq:ai"
    )
    document.equation(named("a_k(k)", entry(point, 2)), 1, label="eq:ak")
    document.text(r"By the definition of the weights in @eq:g,")
    document.equation(beta * weight(k - 1, i), weight(k, i), label="eq:grow")
    document.equation(weight(k, k), 1, label="eq:own")
    document.text(r"""
    so that $a_k(r)$ is $g_k(r)$ in both cases. @tab:step has all pairs: in its first column the first
    part of the rule, in the second the composition with the inverse of $A_k$.
    """)
    rows = [
        [
            cell("a_k", point, p, q, -beta * S(p, q)),
            cell("m_{k+1}", after, p, q, -beta * S(p, q) - g[p] * g[q]),
        ]
        for p in range(3)
        for q in range(3)
    ]
    document.table(
        ["$A_k$", "$M_{k+1}$"],
        rows,
        caption=r"One step of the update rule, on pairs of earlier batches $i$, $j$ and the new one $k$.",
        label="tab:step",
    )
    document.text(r"""
    The second column is $-\beta S_k(p, q) - g_k(p) g_k(q)$ throughout, with $S_k$ zero where $k$ is one of
    the two; and that is $-S_{k+1}(p, q)$, as the sum for $k + 1$ is $\beta$ times that for $k$ plus the
    term with $s := k$. On single batches $M_{k+1}$ has what $A_k$ has, and by induction the lemma holds.
    """)

# -- the flow -------------------------------------------------------------------------------------

document.text(r"""
# The flow {#sec:flow}

The flow of step $k$ is the logarithm of $A_k$. On single batches it has $a_k(r)$, which is $g_k(r)$: the
force $-\nabla G_k$ of the theorem. On pairs, @eq:log and the first column of @tab:step give
""")
for p, q in ((0, 1), (0, 2), (2, 0), (2, 2)):
    document.equation(
        named(rf"b_k({NAMES[p]}, {NAMES[q]})", entry(field, p, q)),
        -(g[p] * g[q] + 2 * beta * S(p, q)) / 2,
        label="eq:bij" if (p, q) == (0, 1) else None,
    )
for p, q in ((0, 0), (1, 0), (1, 1), (1, 2), (2, 1)):
    cell("b_k", field, p, q, -(g[p] * g[q] + 2 * beta * S(p, q)) / 2)
document.text(r"""
and likewise for the other pairs. It remains to sum. For $i \leq j$ both batches have been used from step
$j$ on, and with $n := k - j$ steps since then the sum is geometric,
""")
total = sympy.Sum(beta ** (j + n - 1 - s) * weight(s, i) * weight(s, j), (s, j, j + n - 1))
S_ij = named("S_{j+n}(i, j)", total)
document.equation(
    S_ij,
    "Sum(beta**(j + n - 1 - s)*beta**(s - i)*beta**(s - j), (s, j, j + n - 1))",
    "beta**(j + n - 1 - i)*(1 - beta**n)/(1 - beta)",
    label="eq:S",
)
document.text(r"The recursion of the lemma can be seen in the closed form,")
document.equation(
    named("S_{j+n+1}(i, j)", total.subs(n, n + 1)),
    beta * S_ij + weight(j + n, i) * weight(j + n, j),
    label="eq:recursion",
)
document.text(r"""
starting from zero at $n := 0$.
""")
memory_sum = sympy.Sum(
    PRINTED["memory"].subs({k: j + n, r: s}, simultaneous=True) * weight(s, i) * weight(s, j),
    (s, j, j + n - 1),
)
own = weight(j + n, i) * weight(j + n, j)
W = named("W_{j+n}(i, j)", own + memory_sum)
CLOSED = "beta**(j + n - i)*(2 - (1 + beta)*beta**n)/(1 - beta)"
derived = entry(field, 0, 1).subs(
    {
        sympy.Symbol("u"): weight(j + n - 1, i).meaning,
        sympy.Symbol("v"): weight(j + n - 1, j).meaning,
        sympy.Symbol("S01"): total,
    },
    simultaneous=True,
)
with document.statement("theorem", "the flow of step $k$", label="thm:flow"):
    document.text(r"""
    Up to $O(h^2)$, the logarithm of $A_k$ over $h$ is $-\nabla \hat{E}_k$ as printed in @eq:printed. For $i \leq
    j$ and $k := j + n$, its weights are
    """)
    document.equation(
        named("-2 b_{j+n}(i, j)", -2 * derived),
        W,
        CLOSED,
        label="eq:closed",
    )
with document.proof():
    factor = PRINTED["factor"]
    document.text(
        r"""
    The left side is @eq:bij with the $g$ and $S$ of the lemma, and $W_k$ in the middle is made of the
    weights that the theorem prints; both have the closed form by @eq:S. A factor $w$ before
    $\|\nabla G_s\|^2$ in the loss makes $-2 w \, g_s(i) g_s(j)$ of $f_i' f_j$ in the field, so that the
    [[factor]] of the theorem belongs to $-\frac12 W_k(i, j)$. For pairs with the new batch the sum is
    empty, $n := 0$, and there is
    """,
        factor=factor,
    )
    document.equation(
        named("W_j(i, j)", unfolded(own + memory_sum).subs(n, 0)), weight(j, i), label="eq:new"
    )
    document.text(
        r"The weight of the new batch with itself is 1; times $h$ it is four times the factor,"
    )
    document.equation(named("-2 h b_k(k, k)", -2 * h * entry(field, 2, 2)), 4 * factor)
    document.text(r"""
    $b_k$ is symmetric, and $f_i' f_j + f_j' f_i$ is the gradient of
    $\langle \nabla E_i, \nabla E_j \rangle$. So the field is a gradient, and that of $-\hat{E}_k$.
    """)

DIRECT = 2


def closed(step: int, p: int, q: int) -> sympy.Expr:
    """W_step(p, q) by the closed form of `eq:closed`."""
    low, high = sorted((int(p), int(q)))
    return symbolic(CLOSED).subs({i: low, j: high, n: step - high}, simultaneous=True)


@cache
def of_engine(batches: tuple[int, ...]) -> sympy.ImmutableMatrix:
    """W_k of the batches, from the modified loss that the engine derives from the steps."""
    loss = batch_equations(HeavyBall(), 2, batches)[-1].modified_loss().coefficients
    count = max(batches) + 1

    def pair(p: int, q: int) -> Any:
        low, high = sorted((int(p), int(q)))
        found = sympy.sympify(loss.get(Tree.from_level_sequence([1, 2], [low, high]), 0))
        return 4 * found / (1 if p == q else 2)

    return sympy.ImmutableMatrix(count, count, pair)


document.text(r"""
Nothing in the proof is special to two earlier batches. Deriving the modified loss of step [[step]] from
[[steps]] steps with different batches, without the lemma, gives the table of all weights that the closed
form has:
""", step=DIRECT, steps=DIRECT + 1)  # fmt: skip
document.equation(
    named(rf"W_{DIRECT}", of_engine(tuple(range(DIRECT + 1)))),
    sympy.Matrix(DIRECT + 1, DIRECT + 1, lambda p, q: sympy.cancel(closed(DIRECT, p, q))),
    label="eq:direct",
)

# -- batches that come again ----------------------------------------------------------------------

SEQUENCE = (0, 1, 0)
document.text(r"""
# Batches that come again {#sec:again}

With $M$ batches, of which step $k$ uses the number $c_k$, weights of steps with the same batch are added:
with the unit vector $e_{c_k}$,
$$p_k := \beta p_{k-1} + e_{c_k}, \qquad Q_{k+1} := \beta \, (Q_k + p_k p_k^\top), \qquad
W_k := p_k p_k^\top + 2 Q_k$$
from $p_{-1} := 0$ and $Q_0 := 0$, where $Q_k$ is $\beta$ times the $M \times M$ table of the sums $S_k$.
$$\hat{E}_k := \sum_a p_k(a) E_a + \frac h4 \sum_{a,b} W_k(a, b) \langle \nabla E_a, \nabla E_b \rangle.$$
What is carried from step to step is $p_k$ and $Q_k$, which $W_k$ is made of: $M$ and $M^2$ numbers,
however many steps there were. For the sequence
[[sequence]] the last step of the recursion is
""", sequence=", ".join(map(str, SEQUENCE)))  # fmt: skip
vector, table = sympy.zeros(2, 1), sympy.zeros(2, 2)
for _step, c in enumerate(SEQUENCE):
    before, square = vector, vector * vector.T
    unit, vector = sympy.eye(2)[:, c], (beta * vector + sympy.eye(2)[:, c]).expand()
    earlier, table = table, (beta * (table + square)).expand()
document.equation(
    named("p_2", vector), beta * named("p_1", before) + named("e_0", unit), vector, label="eq:p"
)
document.equation(
    named("Q_2", table),
    beta * (named("Q_1", earlier) + named(r"p_1 p_1^\top", square)),
    table,
    label="eq:Q",
)
document.text(r"and $p_2 p_2^\top + 2 Q_2$ is what the engine derives from these three steps:")
document.equation(
    named("W_2", of_engine(SEQUENCE)),
    (vector * vector.T + 2 * table).expand(),
    label="eq:sequence",
)

# -- special cases --------------------------------------------------------------------------------

gamma_claim = claim_named("thm-4.1-gamma")
document.text(r"""
# Special cases and bounds {#sec:cases}

**Without momentum** only the pair of the new batch with itself is left: all other weights have a positive
power of $\beta$ as a factor, by @eq:closed. That is (11) of [@ghosh2023], the modified loss of stochastic
gradient descent, which derived by itself has the weight
""")
sgd = batch_equations(GradientDescent(), 2, (0, 1, 2))[-1].modified_loss().coefficients
pairs = {tree.colours: c for tree, c in sgd.items() if tree.order == 2}
document.equation(
    named(r"\tfrac{h}{4} W_2(2, 2)|_{\beta \to 0}", h * pairs[2, 2]),
    symbolic(claim_named("rem-5.2").printed["SGD factor"]),
    label="eq:sgd",
)
document.text(r"""
and no others.

**With one batch** for all steps the weights of a step add up to
""")
drift = document.define("d_k", sympy.Sum(weight(k, r), (r, 0, k)), name="d", label="eq:d")
document.equation(drift, "(1 - beta**(k + 1))/(1 - beta)", label="eq:drift")
drift_s = named("d_s", unfolded(drift).subs(k, s))
whole = drift**2 + sympy.Sum(PRINTED["memory"].subs(r, s) * drift_s**2, (s, 0, k - 1))
document.text(r"and all $W_k(i, j)$ to the left side of @eq:one. With the $\gamma$ of Theorem 4.1,")
gamma = document.define(r"\gamma_k", gamma_claim.printed["gamma"], name="gamma", label="eq:gamma")
strength = symbolic(gamma_claim.printed["strength"]).subs(sympy.Symbol("gamma"), gamma)
document.equation(whole, 2 * strength / h, label="eq:one")
document.text(r"""
which is twice the factor of $h f' f$ in that theorem: the flow becomes (4) of [@ghosh2023].

**Bounds.** For $0 \leq \beta < 1$ all weights are nonnegative. The sums @eq:drift and @eq:one do not
decrease with $k$, and their limits bound them for all batches and all $k$:
""")
document.equation(sympy.Limit(drift, k, sympy.oo), "1/(1 - beta)", label="eq:force-bound")
document.equation(
    sympy.Limit(2 * strength / h, k, sympy.oo), "(1 + beta)/(1 - beta)**3", label="eq:bound"
)

# -- the order ------------------------------------------------------------------------------------

document.text(r"""
# The order {#sec:order}
""")
with document.statement("theorem", "order 2", label="thm:order"):
    document.text(r"""
    Let the iterates with $kh \leq T$, and the flow, stay in a convex set such that in its
    $\varepsilon$-neighbourhood the derivatives of all $E_r$ from the first to the fourth are bounded by one
    constant. Then there is a $C$, which depends on this constant, on $\varepsilon$, $\beta$ and $T$, with
    $$\|\tilde{x}(t_k) - x^k\| \leq C h^2 \qquad \text{for } kh \leq T$$
    if $h$ is small enough, whatever the sequence of batches.
    """)
with document.proof():
    document.text(r"""
    Let $N_k(x) := h \sum_r g_{k-1}(r) f_r(x) - h^2 \sum_{i,j} S_k(i, j) f_i' f_j(x)$, the series of
    @thm:memory cut off, and $A_k(x) := x + h f_k(x) + \beta N_k(x)$. By @eq:force-bound the $S_k(i, j)$ of
    all pairs add up to at most $(1-\beta)^{-3}$. So $N_k$ and its first two derivatives are $O(h)$, uniformly in $k$ and in the batches; all constants in this proof
    are uniform in these. The lemma says that $N_{k+1} \circ A_k$ and $A_k - \mathrm{Id}$ agree up to $O(h^3)$.

    *The memory.* Let $\delta_k := x^k - x^{k-1} - N_k(x^k)$. Then $x^{k+1}$ is $A_k(x^k) + \beta \delta_k$. Therefore
    $$\delta_{k+1} := x^{k+1} - x^k - N_{k+1}(x^{k+1})$$
    differs from $\beta \delta_k + A_k(x^k) - x^k - N_{k+1}(A_k(x^k))$ by the Lipschitz constant $O(h)$ of $N_{k+1}$
    times $\beta \|\delta_k\|$, and
    $$\|\delta_{k+1}\| \leq \beta (1 + c h) \|\delta_k\| + c h^3.$$
    $\delta_0$ is zero. Where $\beta (1 + ch) \leq \frac{1 + \beta}{2}$, summing up gives
    $\|\delta_k\| \leq \frac{2c}{1-\beta} h^3$ for all $k$.

    *One step.* By @thm:flow and Taylor's formula, the flow from $x^k$ over the time $h$ ends within $O(h^3)$ of
    $A_k(x^k)$, as its third derivative in time contains derivatives of the losses up to the fourth. So it ends
    within $c' h^3$ of $x^{k+1}$.

    *All steps.* The fields have a common Lipschitz constant $L$, by @eq:force-bound and @eq:bound. Errors of $c' h^3$ in each of
    $k \leq T/h$ steps, each carried on by a factor of at most $e^{LT}$, add up to $c' e^{LT} T h^2$
    [@hairer1993, II.3].
    """)


# -- what it looks like ---------------------------------------------------------------------------

M, BETA, SIZES = 5, 0.8, tuple(2.0**-e for e in range(4, 10))
SCALES, CENTRES = np.array([1.0, 1.6, 0.7, 1.3, 2.0]), np.array([-0.9, 0.4, 1.1, -0.2, 0.7])


def slopes(x: float) -> tuple[Any, Any]:
    """First and second derivatives of the losses log cosh(s (x - c))."""
    t = np.tanh(SCALES * (x - CENTRES))
    return SCALES * t, SCALES**2 * (1 - t**2)


def gap(size: float, kind: str) -> float:
    """The largest distance of iterates and flow up to the time 2, from x = 2, over epochs."""
    random = np.random.default_rng(5)
    steps = round(2 / size)
    order = np.concatenate([random.permutation(M) for _ in range(32 // M + 1)])
    x = y = 2.0
    before, worst = x, 0.0
    p, q = np.zeros(M), np.zeros((M, M))
    for step in range(steps):
        c = order[step % 32]
        p = BETA * p
        p[c] += 1
        square = np.outer(p, p)
        w = {"own": square, "full": square + 2 * q, "none": 0 * square}[kind]
        q = BETA * (q + square)

        def slope(at: float, p: Any = p, w: Any = w) -> float:
            first, second = slopes(at)
            return float(-p @ first - size / 2 * (second @ w @ first))

        k1 = slope(y)
        k2 = slope(y + size / 2 * k1)
        k3 = slope(y + size / 2 * k2)
        y += size / 6 * (k1 + 2 * k2 + 2 * k3 + slope(y + size * k3))
        x, before = x - size * slopes(x)[0][c] + BETA * (x - before), x
        worst = max(worst, abs(x - y))
    return worst


KINDS = {
    "full": (r"$\hat E_k$", "#0072B2", "o"),
    "own": (r"$\hat E_k$ without $r < k$", "#009E73", "s"),
    "none": (r"$G_k$ alone", "#D55E00", "^"),
}
gaps = {kind: np.array([gap(size, kind) for size in SIZES]) for kind in KINDS}


def order_figure() -> Figure:
    """Distances against h."""
    figure = Figure(figsize=(4.6, 2.4), layout="constrained")
    axes = figure.subplots()
    for kind, (text, colour, marker) in KINDS.items():
        axes.loglog(SIZES, gaps[kind], color=colour, marker=marker, ms=4, lw=1.3, label=text)
    axes.set(xlabel="step size $h$", ylabel="largest distance")
    axes.set_xticks(SIZES, [rf"$2^{{{np.log2(size):.0f}}}$" for size in SIZES])
    axes.minorticks_off()
    axes.legend(frameon=False, fontsize=8)
    axes.grid(which="major", color="#e8eaed", lw=0.6)
    axes.set_axisbelow(True)
    axes.tick_params(labelsize=8)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    return figure


def observed(kind: str) -> str:
    """The order between the two smallest step sizes."""
    return f"{np.log2(gaps[kind][-2] / gaps[kind][-1]):.2f}"


document.text(r"""
@fig:order shows it on [[count]] losses $\log\cosh(\sigma_a (x - \mu_a))$ on the line, $\beta := [[momentum]]$, in epochs without replacement. Between the two smallest step sizes the order of the theorem's flow is
[[full]]; without the norms of earlier $\nabla G_r$ it is [[own]], and without any regularizer [[none]].
""", count=M, momentum=BETA, **{kind: observed(kind) for kind in KINDS})  # fmt: skip
document.figure(
    order_figure(),
    caption=r"The largest distance of iterates and flow up to $t \leq 2$, for the modified loss of @thm:flow, "
    r"for $G_k + \frac{h}{4} \|\nabla G_k\|^2$, and for $G_k$.",
    label="fig:order",
    width=0.8,
    description="On logarithmic axes the first falls with slope 2, the others with slope 1.",
)
