r"""Gaussian averages of a loss and its derivatives, to any order, whatever the loss.

Everything is a linear combination of contractions of derivatives of E (see `contractions`), with
coefficients that are polynomials in σ and expressions in whatever else occurs: identities that
hold for every E, whatever the dimension, are decided by comparing graphs. (In few dimensions
further ones hold, such as ‖∇²E‖² = (ΔE)² in one.)

Two rules do the rest. With D_η, which adds a leaf to each vertex in turn, f(x + η) = exp(D_η) f
(Taylor). For η ~ N(0, σ² I), a product of leaves has as its mean the sum over all ways to join
them in pairs, σ² for each pair (Isserlis 1918; Wick). Together, E f(x + η) = exp(σ² Δ / 2) f.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import product
from typing import Any

import sympy

from .contractions import Contraction
from .errors import ModflowError
from .grid import is_whole
from .potentials import ModifiedLoss
from .series import Tree
from .series.render import latex_sum

SIGMA = sympy.Symbol("sigma")
"""The standard deviation of each component of η."""
STEP = sympy.Symbol("h")
"""The step size, where a modified loss is averaged."""


class JetPolynomial:
    """A linear combination of contractions; a scalar, or a vector if each has a free index.

    `JetPolynomial.loss()` is E itself, of which the rest is made. Sums, multiples, products and
    powers are written as such; the coefficients are SymPy expressions.

    >>> E = JetPolynomial.loss()
    >>> g = E.gradient()
    >>> print(g.dot(g).along_noise())
    2*D^2 E[grad E, eta]
    >>> print((E.shifted(2) - E).expectation())
    sigma**2/2*lap E

    Raises ModflowError where scalars and vectors are mixed up, and two vectors multiplied.
    """

    def __init__(self, terms: Mapping[Contraction, Any]) -> None:
        found = {c: sympy.expand(sympy.sympify(value)) for c, value in terms.items()}
        ordered = sorted(found.items(), key=lambda term: _rank(*term))
        self.terms: dict[Contraction, sympy.Expr] = {c: v for c, v in ordered if v != 0}
        if len({c.is_vector for c in self.terms}) > 1:
            raise ModflowError("a scalar cannot be added to a vector")

    @classmethod
    def loss(cls) -> JetPolynomial:
        """E itself."""
        return cls({Contraction(): 1})

    @classmethod
    def of(cls, loss: ModifiedLoss) -> JetPolynomial:
        """A modified loss: its free trees are contractions, with h^(n-1) for n vertices.

        >>> import modflow as mf
        >>> print(JetPolynomial.of(mf.modified_equation(mf.GradientDescent(), 2).modified_loss()))
        E + h/4*|grad E|^2

        Raises ModflowError for a modified loss of several losses.
        """
        if any(any(tree.colours) for tree in loss.coefficients):
            raise ModflowError("the modified loss of several losses is not a polynomial in one")
        return cls(
            {_of_tree(tree): c * STEP ** (tree.order - 1) for tree, c in loss.coefficients.items()}
        )

    @property
    def is_vector(self) -> bool:
        """Whether it has a free index; 0 has none."""
        return any(c.is_vector for c in self.terms)

    def coefficient(self, contraction: Contraction) -> sympy.Expr:
        """Of a contraction; 0 for one that does not occur."""
        return self.terms.get(contraction, sympy.Integer(0))

    # -- algebra --------------------------------------------------------------------------

    def __add__(self, other: Any) -> JetPolynomial:
        return self._sum([*self.terms.items(), *_read(other).terms.items()])

    def __mul__(self, other: Any) -> JetPolynomial:
        other = _read(other)
        if self.is_vector and other.is_vector:
            raise ModflowError("the product of two vectors is their inner product: use dot")
        return self._sum(
            (a.beside(b), x * y) for a, x in self.terms.items() for b, y in other.terms.items()
        )

    def __pow__(self, power: int) -> JetPolynomial:
        if not is_whole(power) or power < 0:
            raise ModflowError(f"a power is a whole number from 0; got {power!r}")
        return math.prod([self] * int(power), start=_read(1))

    __radd__, __rmul__ = __add__, __mul__

    def __neg__(self) -> JetPolynomial:
        return -1 * self

    def __sub__(self, other: Any) -> JetPolynomial:
        return self + -1 * _read(other)

    def __rsub__(self, other: Any) -> JetPolynomial:
        return _read(other) - self

    def __truediv__(self, number: Any) -> JetPolynomial:
        return self * (1 / sympy.sympify(number, strict=True))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, JetPolynomial) and not (self - other).terms

    __hash__ = None  # type: ignore[assignment]

    def gradient(self) -> JetPolynomial:
        """∇f, for a scalar f; raises ModflowError for a vector."""
        if self.is_vector:
            raise ModflowError("a gradient is that of a scalar, not of a vector")
        return self._each(lambda c: ((c.opened(i), 1) for i in c.vertices))

    def dot(self, other: JetPolynomial) -> JetPolynomial:
        """The inner product of two vectors; raises ModflowError for scalars."""
        terms = []
        for a, x in self.terms.items():
            for b, y in _read(other).terms.items():
                if not (a.is_vector and b.is_vector):
                    raise ModflowError("an inner product is that of two vectors")
                terms.append((a.inner(b), x * y))
        return self._sum(terms)

    def laplacian(self) -> JetPolynomial:
        """Δf, of a scalar or of each component of a vector."""
        return self._each(lambda c: ((c.joined(i, j), 1) for i in c.vertices for j in c.vertices))

    def along_noise(self, times: int = 1) -> JetPolynomial:
        """D_η^n f = ∇^n f[η, …, η]: the derivative along η, so many times."""
        found = self
        for _ in range(_checked_order(times)):
            found = found._each(lambda c: ((c.applied(i), 1) for i in c.vertices))
        return found

    def shifted(self, order: int) -> JetPolynomial:
        """f(x + η) up to and including η^order: Σ_n D_η^n f / n!."""
        order, term, total = _checked_order(order), self, self
        for n in range(1, order + 1):
            term = term.along_noise() / n
            total += term
        return total

    def expectation(self) -> JetPolynomial:
        """The mean over η ~ N(0, σ² I), exactly."""
        return self._each(lambda c: ((paired, n * SIGMA**c.order) for paired, n in _pairings(c)))

    def truncated(self, order: int) -> JetPolynomial:
        """Without what is beyond σ^order, η counting as σ.

        Raises ModflowError where a coefficient is no polynomial in σ.
        """
        order = _checked_order(order)

        def kept(value: sympy.Expr, most: int) -> sympy.Expr:
            if not value.is_polynomial(SIGMA):
                raise ModflowError(f"not a polynomial in sigma: {value}")
            powers = sympy.Poly(value, SIGMA).terms()
            return sympy.Add(*(c * SIGMA**n for (n,), c in powers if n <= most))

        return JetPolynomial({c: kept(v, order - c.order) for c, v in self.terms.items()})

    def lowest_order(self) -> int | None:
        """The lowest power of σ that occurs, η counting as σ; None for 0."""
        return min((_power(c, value) for c, value in self.terms.items()), default=None)

    def at_critical_point(self) -> JetPolynomial:
        """Its value where ∇E = 0: without the graphs that have a vertex with one end."""
        return JetPolynomial({c: v for c, v in self.terms.items() if 1 not in c.degrees})

    # -- other forms ------------------------------------------------------------------------

    def subs(self, values: Mapping[Any, Any]) -> JetPolynomial:
        """With values for symbols of its coefficients."""
        return JetPolynomial({c: v.subs(values) for c, v in self.terms.items()})

    def to_sympy(self) -> sympy.Expr:
        """With a symbol for each contraction, named as it is printed."""
        return sympy.Add(*(v * sympy.Symbol(str(c)) for c, v in self.terms.items()))

    def evaluate(
        self, loss: Any, variables: Sequence[sympy.Symbol], noise: Sequence[Any] = ()
    ) -> Any:
        """Its value for a loss given as a SymPy expression in these variables.

        `noise` are the components of η. A scalar is an expression, a vector a list of n. The
        derivatives are taken symbolically, and n^m products added for m edges between vertices.

        >>> x, y = sympy.symbols("x y")
        >>> E.gradient().evaluate(x * y**2, [x, y])
        [y**2, 2*x*y]

        Raises ModflowError where η occurs and `noise` has another length than `variables`.
        """
        at = _Evaluation(sympy.sympify(loss), tuple(variables), tuple(noise))
        values = [at.value(c) for c in self.terms]
        parts = [
            sympy.Add(*(c * v[i] for c, v in zip(self.terms.values(), values, strict=True)))
            for i in range(at.dimension if self.is_vector else 1)
        ]
        return parts if self.is_vector else parts[0]

    def latex(self) -> str:
        r"""As a TeX formula, such as ``E + \frac{\sigma^{2}}{2}\,\Delta E``."""
        return latex_sum((value, 0, c.latex()) for c, value in self.terms.items())

    def _repr_latex_(self) -> str:
        return f"$\\displaystyle {self.latex()}$"

    def __str__(self) -> str:
        parts = []
        for c, value in self.terms.items():
            factor = f"({value})" if value.is_Add else str(value)
            whole = factor if str(c) == "1" else f"{factor}*{c}"
            parts.append(whole if value != 1 else str(c))
        return " + ".join(parts).replace("+ -", "- ").replace("-1*", "-") or "0"

    def __repr__(self) -> str:
        return f"JetPolynomial({self})"

    def _each(
        self, function: Callable[[Contraction], Iterable[tuple[Contraction, Any]]]
    ) -> JetPolynomial:
        return self._sum((g, x * n) for c, x in self.terms.items() for g, n in function(c))

    @staticmethod
    def _sum(terms: Iterable[tuple[Contraction, Any]]) -> JetPolynomial:
        total: dict[Contraction, Any] = {}
        for contraction, value in terms:
            total[contraction] = total.get(contraction, 0) + value
        return JetPolynomial(total)


def gaussian_expectation(f: JetPolynomial | ModifiedLoss, order: int) -> JetPolynomial:
    """E f(x + η) over η ~ N(0, σ² I) up to and including σ^order, for every loss E.

    >>> import modflow as mf
    >>> loss = mf.modified_equation(mf.GradientDescent(), 2).modified_loss()
    >>> print(gaussian_expectation(loss, 2))
    E + h/4*|grad E|^2 + sigma**2/2*lap E + h*sigma**2/4*<grad E, grad lap E>
        + h*sigma**2/4*|D^2 E|^2

    The derivatives that it needs must exist, and E not grow too fast for the mean to.

    Raises ModflowError for an order that is no whole number from 0, an f that has η in it
    already, and a modified loss of several losses.
    """
    if isinstance(f, ModifiedLoss):
        f = JetPolynomial.of(f)
    if any(c.order for c in f.terms):
        raise ModflowError("eta occurs already: use expectation() for the mean of what is given")
    return f.shifted(order).expectation().truncated(order)


def _read(value: Any) -> JetPolynomial:
    if isinstance(value, JetPolynomial):
        return value
    try:
        number = sympy.sympify(value, strict=True)
    except sympy.SympifyError:
        number = None
    if not isinstance(number, sympy.Expr):
        raise ModflowError(f"a number, an expression or a JetPolynomial is needed; got {value!r}")
    return JetPolynomial({Contraction(()): number})


def _checked_order(order: Any) -> int:
    if not is_whole(order) or order < 0:
        raise ModflowError(f"an order is a whole number from 0; got {order!r}")
    return int(order)


def _of_tree(tree: Tree) -> Contraction:
    """The elementary potential of a free tree, which is a graph without cycles."""
    n = tree.order
    rows, path = [[0] * n for _ in range(n)], dict[int, int]()
    for i, level in enumerate(tree.level_sequence):
        if i:
            rows[i][path[level - 1]] = rows[path[level - 1]][i] = 1
        path[level] = i
    return Contraction(tuple(map(tuple, rows)))


def _power(c: Contraction, value: sympy.Expr) -> int:
    """The lowest power of σ in a term; what is no polynomial in σ counts as σ⁰."""
    if not value.is_polynomial(SIGMA):
        return c.order
    return c.order + min(n for (n,), _ in sympy.Poly(value, SIGMA).terms())


def _rank(c: Contraction, value: sympy.Expr) -> Any:
    """Terms in the order in which one writes them: by σ, then by the number of factors E."""
    return _power(c, value) if value != 0 else 0, len(c.edges), sum(c.degrees), c


@lru_cache(maxsize=4096)
def _pairings(c: Contraction) -> tuple[tuple[Contraction, int], ...]:
    """The graphs in which all leaves are joined in pairs, with the number of ways to each."""
    if c.order == 0:
        return ((c, 1),)
    found: dict[Contraction, int] = {}
    i = next(i for i in c.vertices if c.noise[i])
    for j in c.vertices:
        # The partners at vertex j of one leaf at vertex i.
        if ways := c.noise[j] - (i == j):
            for paired, n in _pairings(c.paired(i, j)):
                found[paired] = found.get(paired, 0) + ways * n
    return tuple(found.items())


# -- numbers -------------------------------------------------------------------------------------


class _Evaluation:
    """Derivatives of one loss, each taken once."""

    def __init__(self, loss: Any, variables: tuple[Any, ...], noise: tuple[Any, ...]) -> None:
        self._variables, self._noise = variables, noise
        self._known: dict[tuple[Any, ...], Any] = {(0, 0, (0,) * len(variables)): loss}

    @property
    def dimension(self) -> int:
        return len(self._variables)

    def value(self, c: Contraction) -> list[Any]:
        """The value of a scalar, or the components of a vector."""
        if c.order and len(self._noise) != self.dimension:
            raise ModflowError(
                f"eta has {len(self._noise)} components and there are {self.dimension} variables"
            )
        between = [(i, j) for i in c.vertices for j in range(i) for _ in range(c.edges[i][j])]
        found = []
        for at in range(self.dimension) if c.is_vector else [None]:
            total = sympy.Integer(0)
            for indices in product(range(self.dimension), repeat=len(between)):
                ends = [[at] if c.free[i] else [] for i in c.vertices]
                for (i, j), index in zip(between, indices, strict=True):
                    ends[i].append(index)
                    ends[j].append(index)
                total += math.prod(
                    (
                        self._derivative(c.edges[i][i], c.noise[i], self._multi(ends[i]))
                        for i in c.vertices
                    ),
                    start=sympy.Integer(1),
                )
            found.append(total)
        return found

    def _multi(self, indices: list[Any]) -> tuple[int, ...]:
        return tuple(indices.count(i) for i in range(self.dimension))

    def _derivative(self, loops: int, leaves: int, multi: tuple[int, ...]) -> Any:
        """∂^multi D_η^leaves Δ^loops E."""
        key = loops, leaves, multi
        if key not in self._known:
            at = next((i for i, n in enumerate(multi) if n), None)
            if at is not None:
                lower = tuple(n - (i == at) for i, n in enumerate(multi))
                self._known[key] = self._derivative(loops, leaves, lower).diff(self._variables[at])
            elif leaves:
                below = self._derivative(loops, leaves - 1, multi)
                self._known[key] = sympy.Add(
                    *(y * below.diff(x) for x, y in zip(self._variables, self._noise, strict=True))
                )
            else:
                below = self._derivative(loops - 1, 0, multi)
                self._known[key] = sympy.Add(*(below.diff(x, 2) for x in self._variables))
        return self._known[key]


E = JetPolynomial.loss()
"""The loss."""
