"""One step of a method on E(x) = λx²/2 as a matrix, read off its `step`.

There f(x) = -λx, so that x and the memory after a step are linear forms in those before it: `step`
runs on linear forms as it runs on arrays and on series.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import sympy

from .errors import ModflowError
from .memory import flatten, skeleton, unflatten
from .methods import Method
from .rule import symbols_of
from .series.exact import exact_constant

Z, ROOT = sympy.symbols("z t")
"""z = hλ, and the variable of characteristic polynomials."""
_H = sympy.Dummy("h", positive=True)


def companion_matrix(method: Method) -> sympy.Matrix:
    """The matrix of one step on E(x) = λx²/2, in z = hλ and the parameters of the method.

    It acts on the column of x and the vectors of the memory, in the order of `memory.flatten`
    and in units where h = 1. It is read off `step`, run with f(x) = -λx on linear forms.

    >>> from modflow.methods import HeavyBall
    >>> companion_matrix(HeavyBall())
    Matrix([
    [1 - z, beta],
    [   -z, beta]])

    Raises ModflowError for what is no method, for a rule that is not linear, for one in which h
    stands elsewhere than beside f, and for a parameter that is called z or t.
    """
    return _read(method)[0].subs(_H, 1)


def start_vector(method: Method) -> sympy.Matrix:
    """The column of x^0 = 1 and the memory before step 0, on which `companion_matrix` acts.

    >>> from modflow.methods import HeavyBall
    >>> start_vector(HeavyBall())
    Matrix([
    [1],
    [0]])

    Raises ModflowError as `companion_matrix`.
    """
    return _read(method)[1].subs(_H, 1)


def characteristic_polynomial(method: Method) -> sympy.Poly:
    """The characteristic polynomial of `companion_matrix`, in t over Q(z, parameters).

    >>> from modflow.methods import HeavyBall
    >>> characteristic_polynomial(HeavyBall()).as_expr()
    beta + t**2 + t*(-beta + z - 1)

    Raises ModflowError as `companion_matrix`.
    """
    return sympy.Poly(characteristic(companion_matrix(method)), ROOT)


def characteristic(matrix: sympy.Matrix) -> sympy.Expr:
    """The characteristic polynomial in t, in lowest terms."""
    return sympy.cancel(matrix.charpoly(ROOT).as_expr())


def _read(method: Method) -> tuple[sympy.Matrix, sympy.Matrix]:
    """The matrix of a step and the start of x and memory from x^0 = 1, in h and z."""
    if not isinstance(method, Method):
        raise ModflowError(f"a method is needed, such as HeavyBall(); got {method!r}")
    return _read_exact(method.exact())


@lru_cache(maxsize=256)
def _read_exact(method: Method) -> tuple[sympy.Matrix, sympy.Matrix]:
    if {symbol.name for symbol in symbols_of(method)} & {Z.name, ROOT.name}:
        raise ModflowError(f"z and t have a meaning here: rename that parameter of {method.label}")
    rule = method.map(sympy.sympify)

    def f(x: Any) -> Any:
        return (-Z / _H) * x

    x = _Form({0: sympy.Integer(1)})
    try:
        memory = rule.begin(f, _H, x)
        slots = flatten(memory)
        given = unflatten(
            memory, iter([_Form({i + 1: sympy.Integer(1)}) for i in range(len(slots))])
        )
        result = rule.step(f, _H, x, given)
        point, after = result
        new = [point, *flatten(after)]
    except (TypeError, AttributeError, sympy.SympifyError) as error:
        raise ModflowError(
            f"{method.label} is not linear in x, its memory and f: {error}"
        ) from error
    if skeleton(after) != skeleton(memory) or not all(isinstance(s, _Form) for s in [*slots, *new]):
        raise ModflowError(
            f"a step of {method.label} must return x' and a memory of the shape that it started "
            "with, made from x^0 as in 0 * x"
        )
    size = len(new)
    matrix = sympy.Matrix(size, size, lambda i, j: new[i].of(j))
    start = sympy.Matrix([1, *(slot.of(0) for slot in slots)])
    if characteristic(matrix).has(_H):
        raise ModflowError(
            f"in {method.label}, h stands elsewhere than beside f, so that h λ alone does not "
            "decide on its stability"
        )
    return matrix, start


class _Form:
    """A linear form in x and the memory, with coefficients that SymPy knows."""

    __slots__ = ("coefficients",)
    __array_ufunc__ = None

    def __init__(self, coefficients: dict[Any, sympy.Expr]) -> None:
        self.coefficients = coefficients

    def of(self, key: Any) -> sympy.Expr:
        """The coefficient of a variable, in lowest terms."""
        return sympy.cancel(self.coefficients.get(key, sympy.Integer(0)))

    def __add__(self, other: Any) -> _Form:
        if not isinstance(other, _Form):
            return self if isinstance(other, int | float) and other == 0 else NotImplemented
        keys = dict.fromkeys([*self.coefficients, *other.coefficients])
        zero = sympy.Integer(0)
        return _Form(
            {k: self.coefficients.get(k, zero) + other.coefficients.get(k, zero) for k in keys}
        )

    __radd__ = __add__

    def __sub__(self, other: Any) -> _Form:
        return self + -1 * other

    def __rsub__(self, other: Any) -> _Form:
        return -self + other

    def __neg__(self) -> _Form:
        return -1 * self

    def __mul__(self, scalar: Any) -> _Form:
        if isinstance(scalar, _Form):
            raise TypeError("a product of two vectors")
        factor = _exact(scalar)
        return _Form({key: factor * c for key, c in self.coefficients.items()})

    __rmul__ = __mul__

    def __truediv__(self, scalar: Any) -> _Form:
        if isinstance(scalar, _Form):
            raise TypeError("a quotient of two vectors")
        return self * (1 / _exact(scalar))

    @staticmethod
    def fixed_point(g: Callable[[Any], Any], guess: tuple[_Form, ...]) -> tuple[_Form, ...]:
        """The forms with y = g(y), a system of linear equations, solved."""
        unknown = [sympy.Dummy() for _ in guess]
        images = g(tuple(_Form({name: sympy.Integer(1)}) for name in unknown))
        size = len(unknown)
        system = sympy.Matrix(
            size, size, lambda i, j: sympy.Integer(i == j) - images[i].of(unknown[j])
        )
        keys = [
            k for k in dict.fromkeys(k for y in images for k in y.coefficients) if k not in unknown
        ]
        known = sympy.Matrix(size, len(keys), lambda i, j: images[i].of(keys[j]))
        solved = system.LUsolve(known) if keys else known
        return tuple(
            _Form({key: sympy.cancel(solved[i, j]) for j, key in enumerate(keys)})
            for i in range(size)
        )


def _exact(scalar: Any) -> sympy.Expr:
    """A number or an expression in h without floats: 0.5 * h is h/2."""
    found = sympy.sympify(exact_constant(scalar), strict=True)
    floats = {n: sympy.sympify(exact_constant(float(n))) for n in found.atoms(sympy.Float)}
    return found.xreplace(floats)
