"""Truncated B-series, with the operations that an update rule performs on them.

With h absorbed in the grading, a series stands for

    B(a, y) = a(∅) y + Σ_τ h^|τ| / σ(τ) · a(τ) · F(τ)(y)

(Hairer, Lubich & Wanner, *Geometric Numerical Integration*, III.1.2; HLW below). Its
coefficients are whatever is exact and can be added and multiplied: integers, Fractions,
elements of a `ClosedFormRing`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction
from math import factorial
from typing import Any, Self

from ..errors import ModflowError, NotABSeries
from .exact import exact_constant
from .trees import Forest, Tree, trees_up_to

Scalar = Any
"""A coefficient: an int, a Fraction, or a ring element that works with both."""


class StepSize:
    """The step size h as an update rule sees it when it runs on series: c · h^degree.

    Multiplying a series by h raises its grade by one. That is how a rule that is not
    homogeneous in h, such as x + f(x) or x + h² f(x), is noticed.
    """

    __slots__ = ("coefficient", "degree")
    __array_ufunc__ = None  # NumPy's scalars leave products to this class, and sqrt(h) is refused
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, coefficient: Scalar = 1, degree: int = 1) -> None:
        self.coefficient, self.degree = coefficient, degree

    def __mul__(self, other: Any) -> Any:
        if isinstance(other, StepSize):
            return StepSize(self.coefficient * other.coefficient, self.degree + other.degree)
        if isinstance(other, BSeries):
            return other._scaled(self.coefficient, self.degree)
        return StepSize(self.coefficient * exact_constant(other), self.degree)

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> Any:
        if isinstance(other, StepSize):
            ratio = _over(self.coefficient, other.coefficient)
            return StepSize(ratio, self.degree - other.degree)
        return StepSize(_over(self.coefficient, exact_constant(other)), self.degree)

    def __rtruediv__(self, other: Any) -> StepSize:
        return StepSize(_over(exact_constant(other), self.coefficient), -self.degree)

    def __pow__(self, power: int) -> StepSize:
        return StepSize(self.coefficient**power, self.degree * power)

    def __neg__(self) -> StepSize:
        return StepSize(-self.coefficient, self.degree)

    def __add__(self, other: Any) -> StepSize:
        if isinstance(other, StepSize) and other.degree == self.degree:
            return StepSize(self.coefficient + other.coefficient, self.degree)
        raise NotABSeries("h may only multiply or divide: a sum of h and a number has no order")

    __radd__ = __add__

    def __sub__(self, other: Any) -> StepSize:
        return self + (-other)

    def __rsub__(self, other: Any) -> StepSize:
        return (-self) + other

    def _branch(self, *_: Any) -> bool:
        raise NotABSeries("the update rule depends on whether h has a certain size")

    __bool__ = __eq__ = __lt__ = __le__ = __gt__ = __ge__ = _branch

    def __repr__(self) -> str:
        return f"StepSize({self.coefficient!r}, degree={self.degree})"


class BSeries(Mapping[Tree, Scalar]):
    """A series truncated after `order`, as a mapping from trees to coefficients.

    Trees that are not stored have the coefficient 0. `grade` is the power of h by which
    the series is off from the normalisation above: f(y) without its h has grade -1. The
    zero series has no grade and adds to every other.

    >>> x = BSeries.identity(order=3)
    >>> h, f = StepSize(), VectorField()
    >>> euler = x + h * f(x)
    >>> euler.log()
    BSeries(0; [1]: 1, [1, 2]: -1/2, [1, 2, 2]: 1/6, [1, 2, 3]: 1/3)
    """

    __slots__ = ("_forest_values", "coefficients", "empty", "grade", "order")
    __array_ufunc__ = None  # NumPy's scalars leave products to this class, and exp(x) is refused

    def __init__(
        self,
        coefficients: Mapping[Tree, Scalar],
        order: int,
        empty: Scalar = 0,
        grade: int | None = 0,
    ) -> None:
        self.order = order
        self.empty = empty
        kept = {t: c for t, c in coefficients.items() if t.order <= order and c != 0}
        self.coefficients = dict(sorted(kept.items()))
        self.grade = grade if kept or empty != 0 else None
        self._forest_values: dict[Forest, Scalar] = {}

    @classmethod
    def identity(cls, order: int) -> Self:
        """The series of the identity map: 1 on the empty tree, 0 on every other."""
        return cls({}, order, empty=1)

    @classmethod
    def exact_flow(cls, order: int, colours: int = 1) -> Self:
        """The time-h flow of the field with colour 0: the coefficients 1/γ(τ)."""
        one = {t: Fraction(1, t.density) for t in trees_up_to(order, colours) if not any(t.colours)}
        return cls(one, order, empty=1)

    # -- as a mapping -------------------------------------------------------------------

    def __getitem__(self, tree: Tree) -> Scalar:
        if not isinstance(tree, Tree):
            raise KeyError(f"{tree!r} is no tree (an update rule cannot use components of x)")
        if tree.order > self.order:
            raise KeyError(f"{tree!r} has order {tree.order}; the series ends at {self.order}")
        return self.coefficients.get(tree, 0)

    def __iter__(self) -> Iterator[Tree]:
        return iter(self.coefficients)

    def __len__(self) -> int:
        return len(self.coefficients)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, BSeries):
            return NotImplemented
        return self.order == other.order and (self - other).is_zero

    __hash__ = None  # type: ignore[assignment]

    @property
    def is_zero(self) -> bool:
        """Whether every coefficient vanishes."""
        return not self.coefficients and bool(self.empty == 0)

    def __repr__(self) -> str:
        items = (f"{list(t.level_sequence)}: {c}" for t, c in self.items())
        return f"BSeries({'; '.join([str(self.empty), ', '.join(items)])})"

    def map(self, function: Callable[[Scalar], Scalar]) -> BSeries:
        """The series with `function` applied to every coefficient."""
        mapped = {t: function(c) for t, c in self.items()}
        return BSeries(mapped, self.order, function(self.empty), self.grade)

    # -- linear combinations ------------------------------------------------------------

    def __add__(self, other: Any) -> BSeries:
        if not isinstance(other, BSeries):
            if not isinstance(other, StepSize) and other == 0:
                return self
            raise NotABSeries(
                f"cannot add {other!r} to a series in h: an update rule may only combine "
                "x, its memory and values of f linearly"
            )
        if self.grade is None:
            return other
        if other.grade is None:
            return self
        if self.grade != other.grade:
            raise NotABSeries(
                "the update rule adds terms with different powers of h "
                f"({_power(self.grade)} and {_power(other.grade)}): is there one h for each f?"
            )
        total = dict(self.coefficients)
        for tree, c in other.items():
            total[tree] = total[tree] + c if tree in total else c
        order = min(self.order, other.order)
        return BSeries(total, order, self.empty + other.empty, self.grade)

    __radd__ = __add__

    def __neg__(self) -> BSeries:
        return self._scaled(-1, 0)

    def __sub__(self, other: Any) -> BSeries:
        return self + (-other)

    def __rsub__(self, other: Any) -> BSeries:
        return (-self) + other

    def __mul__(self, other: Any) -> BSeries:
        if isinstance(other, BSeries):
            raise NotABSeries(
                "the update rule multiplies two vectors; only linear combinations of x, the "
                "memory and values of f have a B-series"
            )
        if isinstance(other, StepSize):
            return self._scaled(other.coefficient, other.degree)
        return self._scaled(exact_constant(other), 0)

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> BSeries:
        if isinstance(other, StepSize):
            return self._scaled(_over(1, other.coefficient), -other.degree)
        return self._scaled(_over(1, exact_constant(other)), 0)

    def _scaled(self, factor: Scalar, degree: int) -> BSeries:
        scaled = {t: factor * c for t, c in self.items()}
        grade = None if self.grade is None else self.grade + degree
        return BSeries(scaled, self.order, factor * self.empty, grade)

    # -- composition --------------------------------------------------------------------

    def _on_forest(self, forest: Forest) -> Scalar:
        """Product of the coefficients on the forest's trees; shared prefixes computed once."""
        if not forest:
            return 1
        value = self._forest_values.get(forest)
        if value is None:
            first = self.coefficients.get(forest[0], 0)
            value = first if first == 0 else first * self._on_forest(forest[1:])
            self._forest_values[forest] = value
        return value

    def apply(self, inner: BSeries) -> BSeries:
        """self∘inner for inner(∅) = 1: HLW Theorem III.1.10, (self∘inner)(τ) =
        self(∅) inner(τ) + Σ self(trunk) inner(forest cut off)."""
        need_map(inner, "inner")
        order = min(self.order, inner.order)
        result = {}
        for tree in _support(self, inner, order=order):
            total = self.empty * inner[tree]
            for m, forest, trunk in tree.cuts:
                outer = self.coefficients.get(trunk, 0)
                if outer != 0:
                    total = total + m * outer * inner._on_forest(forest)
            result[tree] = total
        return BSeries(result, order, self.empty, self.grade)

    __matmul__ = apply

    def over(self, inner: BSeries) -> BSeries:
        """self∘inner⁻¹, by solving (result)∘inner = self tree by tree, shortest first."""
        need_map(inner, "inner")
        order = min(self.order, inner.order)
        result: dict[Tree, Scalar] = {}
        for tree in _support(self, inner, order=order):
            total = self.coefficients.get(tree, 0) - self.empty * inner[tree]
            for m, forest, trunk in tree.cuts:
                outer = result.get(trunk, 0) if forest else 0
                if outer != 0:
                    total = total - m * outer * inner._on_forest(forest)
            result[tree] = total
        return BSeries(result, order, self.empty, self.grade)

    def inverse(self) -> BSeries:
        """The inverse map's series, for a(∅) = 1."""
        return BSeries.identity(self.order).over(self)

    @staticmethod
    def fixed_point(
        g: Callable[[tuple[BSeries, ...]], tuple[BSeries, ...]], guess: tuple[BSeries, ...]
    ) -> tuple[BSeries, ...]:
        """The series with y = g(y), for an equation in which y stands behind an h only.

        Every iteration then settles one more power of h. Raises NotABSeries where it does not.
        """
        for _ in range(guess[0].order + 1):
            guess, last = g(guess), guess
        if any(a != b for a, b in zip(guess, last, strict=True)):
            raise NotABSeries("an implicit equation does not determine a series in h")
        return guess

    # -- vector fields ------------------------------------------------------------------

    def exp(self) -> BSeries:
        """The time-h flow of the vector field b = self: HLW Lemma IX.9.1,
        a(τ) = Σ_{j≥1} (1/j!) (∂_b^{j-1} b)(τ)."""
        need_field(self)
        return _exp_or_log(self, invert=False)

    def log(self) -> BSeries:
        """The vector field whose time-h flow is self: the modified equation of a one-step
        map, by the recursion of HLW IX.9 for b(τ) in a(τ) = Σ (1/j!) (∂_b^{j-1} b)(τ)."""
        need_map(self, "the map's")
        return _exp_or_log(self, invert=True)


class VectorField:
    """f as an update rule sees it when it runs on series: f(y) is the series of f∘y.

    On the tree [τ1, ..., τm] its coefficient is y(τ1)⋯y(τm) (HLW Lemma III.1.9). The root
    of every tree of f(y) has the colour of f.
    """

    __slots__ = ("colour", "palette")

    def __init__(self, colour: int = 0, palette: int = 1) -> None:
        if not 0 <= colour < palette:
            raise ModflowError(f"colour {colour} is not one of the {palette} colours")
        self.colour, self.palette = colour, palette

    def __call__(self, y: BSeries) -> BSeries:
        """The series of f∘y, with grade -1."""
        if not isinstance(y, BSeries):
            raise NotABSeries(f"f was given {y!r}, not a combination of x and the memory")
        if y.empty != 1 or y.grade != 0:
            raise NotABSeries(
                "f is evaluated at a point that is not x + O(h): the weights of x and of "
                f"earlier points add up to {y.empty}, and must add up to 1"
            )
        values = {
            tree: y._on_forest(tree.children)
            for tree in trees_up_to(y.order, self.palette)
            if tree.colour == self.colour
        }
        return BSeries(values, y.order, grade=-1)


def _support(*series: BSeries, order: int) -> Iterator[Tree]:
    """The trees on which a composition of these series can be non-zero."""
    palette = 1 + max((c for s in series for t in s.coefficients for c in t.colours), default=0)
    return trees_up_to(order, palette)


def _exp_or_log(given: BSeries, *, invert: bool) -> BSeries:
    """Solve a(τ) = b(τ) + Σ_{j≥2} (1/j!) D_j(τ), D_j = ∂_b D_{j-1}, D_1 = b, tree by tree.

    The Lie derivative (∂_b c)(τ) sums c(trunk) b(branch) over the edges of τ; both factors
    have fewer vertices than τ, so that b(τ) enters only as D_1 and the sum runs to j = |τ|.
    """
    field: dict[Tree, Scalar] = {}
    derivatives: dict[Tree, list[Scalar]] = {}
    flow: dict[Tree, Scalar] = {}
    for tree in _support(given, order=given.order):
        d: list[Scalar] = [0] * (tree.order + 1)
        for m, trunk, branch in tree.edge_cuts:
            b = field[branch]
            if b != 0:
                for j, c in enumerate(derivatives[trunk]):
                    if c != 0:
                        d[j + 1] = d[j + 1] + m * c * b
        tail: Scalar = 0
        for j in range(2, tree.order + 1):
            if d[j] != 0:
                tail = tail + Fraction(1, factorial(j)) * d[j]
        value = given[tree]
        d[1] = field[tree] = value - tail if invert else value
        flow[tree] = value if invert else value + tail
        derivatives[tree] = d
    if invert:
        return BSeries(field, given.order)
    return BSeries(flow, given.order, empty=1)


def need_map(series: BSeries, whose: str) -> None:
    """Raise NotABSeries unless the series is that of a map x + O(h)."""
    if series.empty != 1 or series.grade != 0:
        raise NotABSeries(
            f"{whose} coefficient on the empty tree must be 1 (a map x + O(h)); it is "
            f"{series.empty}, with the power {_power(series.grade or 0)} beside it"
        )


def need_field(series: BSeries) -> None:
    """Raise NotABSeries unless the series is that of a vector field."""
    if series.empty != 0 or series.grade not in (0, None):
        raise NotABSeries("a vector field has the coefficient 0 on the empty tree")


def _over(a: Scalar, b: Scalar) -> Scalar:
    """a / b, exact also for integers."""
    return Fraction(a) / b if isinstance(a, int) else a / b


def _power(grade: int) -> str:
    return {0: "h^0", 1: "one h too many"}.get(grade, f"h^{grade}")
