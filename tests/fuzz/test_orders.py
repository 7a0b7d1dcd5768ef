"""Data of any kind given to `estimate_order` and `assert_order`, and formulas of losses."""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Callable, Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import strategies as st

from modflow import ModflowError, estimate_order, testing
from modflow.convergence import Verdict
from modflow.problems.formula import Formula

from .arguments import texts
from .cases import cases

H = [0.1 / 2**i for i in range(7)]
ODD = (
    *(0.0, -0.0, math.nan, math.inf, -math.inf, 5e-324, 2.2e-308, 1.7e308, 1e-300, -1.0, 0, 1),
    *(True, None, "", "0.1", "x", b"1", [], [0.1], {}, (), object(), 1j, Decimal("0.1")),
    *(Fraction(1, 3), np.float32(0.1), np.nan, np.bool_(True), np.array([1.0]), np.int8(3), ...),
    *(10**400, -(10**400), [[1.0], [1.0, 2.0], 3.0]),
)
odd: st.SearchStrategy[Any] = st.sampled_from(ODD) | st.floats()
DTYPES = ("float16", "float32", "float64", "int64", "uint8", "bool", "complex128", "object", "U9")


@st.composite
def data(draw: st.DrawFn) -> Any:
    """Errors or step sizes: those of an order, with something odd among them, or none at all."""
    order, size = draw(st.sampled_from([1, 2, 0.5, 0, -1, 40])), draw(st.integers(0, 9))
    values: list[Any] = [0.1 * 2.0 ** (-order * i) for i in range(size)]
    for _ in range(draw(st.integers(0, 2))):
        if values:
            values[draw(st.integers(0, len(values) - 1))] = draw(odd)
    kind = draw(st.integers(0, 9))
    if kind == 0:
        return draw(odd)
    if kind == 1:
        return draw(st.lists(odd, max_size=6))
    if kind == 2:
        return draw(st.sampled_from([values[::-1], tuple(values), iter(values), [values], set()]))
    if kind == 3:
        try:
            with warnings.catch_warnings(action="ignore"):
                return np.array(values).astype(draw(st.sampled_from(DTYPES)))
        except (ValueError, TypeError, OverflowError):
            return values
    if kind == 4:
        return draw(st.lists(st.floats(0, allow_infinity=False), min_size=3, max_size=9))
    return values


@st.composite
def calls(draw: st.DrawFn) -> tuple[Any, Any, Any, Any]:
    """Step sizes, errors, the expected order, uncertainties."""
    sizes = draw(st.sampled_from([H, H[::-1]]) | data())
    expected = draw(st.sampled_from([None, 1, 2]) | odd)
    return sizes, draw(data()), expected, draw(st.none() | st.none() | data())


def told(act: Callable[[], object], *kinds: type[Exception]) -> str | None:
    """What it is refused with, by an error of these kinds; None where it is done. It warns not."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            act()
        except kinds as error:
            return str(error)
        return None


@cases("orders")
def test_orders(count: int, explore: Callable[..., None]) -> None:
    def check(case: tuple[Any, Any, Any, Any]) -> None:
        sizes, errors, expected, uncertainties = case

        def estimate() -> None:
            found = estimate_order(sizes, errors, expected, uncertainties=uncertainties)
            assert (found.verdict in tuple(Verdict)) == (expected is not None)
            assert found.reason
            assert found.verdict is not Verdict.PASS or math.isfinite(found.order)
            json.dumps(found.to_dict(), allow_nan=False)
            assert str(found)
            assert repr(found)

        why = told(estimate, ModflowError)
        assert why is None or len(why.splitlines()) == 1

    explore(count, calls(), check)


@cases("assertions")
def test_assertions(
    count: int, explore: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of errors, and of functions that return something odd."""
    monkeypatch.setattr(testing, "current", lambda: None)  # they are no orders of this test's

    def check(case: tuple[Any, Any, Any, Any]) -> None:
        sizes, errors, expected, uncertainties = case
        given = [errors]
        if isinstance(errors, list):
            returned = iter([*errors, *errors])
            given.append(lambda h: next(returned, h))
        for each in given:

            def check_it(each: Any = each) -> None:
                found = testing.assert_order(each, sizes, expected, uncertainties=uncertainties)
                assert found is not None
                assert found.verdict is Verdict.PASS

            assert told(check_it, ModflowError, testing.OrderError) != ""

    explore(count, calls(), check)


FORMULA = st.text("xy0123456789.+-*/^()e, ", max_size=20) | st.sampled_from(
    [
        *("x**2 + y**2", "exp(exp(exp(x)))", "log(-x)", "x/0", "0/0", "1/x", "sqrt(-1)", "x**x"),
        *("9**9**9", "2**4097", "x**5000", "(" * 200, "-" * 5000 + "x", "+".join("x" * 3000)),
        *("lambda: 0", "__import__('os')", "x.real", "x[0]", "exp(x, y)", "exp", "pi", "1j", "''"),
        *("x if y else 0", "x < y", "x and y", "x @ y", "x // y", "x % y", "~x", "[x]", "x;y", "#"),
        *("1e999", "1e-999", "0x10", "1_000", "x = 1", "x\ny", "\0", "ｘ", "∂", "True", "None", ""),
        *("log(x)", "log(0)", "sin(x)*tanh(y)", "x**(1/2)", "(-x)**(1/3)", "exp(1e5*x)", "z"),
    ]
)
START = st.dictionaries(st.sampled_from(["x", "y"]), st.sampled_from([1, 2.5, 0, -1, 1e308]) | odd)


@cases("formulas")
def test_formulas(count: int, explore: Callable[..., None]) -> None:
    def check(case: tuple[Any, Mapping[str, Any]]) -> None:
        expression, start = case

        def read() -> None:
            assert set(map(str, Formula.of(expression, start).variables)) == set(start)

        assert told(read, ModflowError) != ""

    explore(count, st.tuples(FORMULA | texts | odd, START | odd), check)
