"""Orders asserted in tests: what passes, what does not, and what is said about it."""

from __future__ import annotations

import math
import unittest
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

import modflow as mf
from modflow import observing
from modflow.errors import ModflowError
from modflow.testing import OrderError, OrderInconclusive, OrderNotFound, assert_order

H = [0.1 / 2**i for i in range(6)]


@pytest.fixture(autouse=True)
def _nobody_listens() -> Iterator[None]:
    """What is asserted here is no result of this project's."""
    observing.begin(None)
    yield
    observing.end()


def euler(h: float) -> float:
    """x' = x up to 1 by Euler's rule, of order 1."""
    return abs(math.e - (1 + h) ** round(1 / h))


def heun(h: float) -> float:
    """By Heun's, of order 2."""
    return abs(math.e - (1 + h + h**2 / 2) ** round(1 / h))


def trapezoidal(h: float) -> float:
    """The integral of the square root over [0, 1], of order 3/2: it has no derivative at 0."""
    y = np.sqrt(np.linspace(0, 1, round(1 / h) + 1))
    return abs(2 / 3 - h * float(y.sum() - y[-1] / 2))


RULES = [(euler, 1), (heun, 2), (trapezoidal, 1.5)]


@pytest.mark.parametrize(("rule", "order"), RULES)
def test_the_right_order_passes_and_its_neighbours_do_not(rule: Any, order: float) -> None:
    found = assert_order(rule, H, order)
    assert found is not None
    assert found.verdict == "pass"
    for wrong in (order - 1, order - 0.5, order + 0.5, order + 1):
        if wrong > 0:
            with pytest.raises(OrderNotFound, match=rf"order {wrong:g} expected, observed"):
                assert_order(rule, H, wrong)


def test_errors_in_any_form_say_the_same() -> None:
    errors = [heun(h) for h in H]
    for given in (errors, np.array(errors), tuple(errors), heun, lambda h: np.array([heun(h)])):
        found = assert_order(given, H)
        assert found is not None
        assert found.errors.tolist() == errors
    backwards = assert_order(errors[::-1], H[::-1])
    assert backwards is not None
    assert backwards.errors.tolist() == errors


def test_the_message_is_a_table_with_the_reason() -> None:
    with pytest.raises(AssertionError) as raised:
        assert_order([*map(euler, H[:-1]), math.nan], H, expected=2, label="Euler's rule")
    head, *lines = str(raised.value).splitlines()
    assert head == "order 2 expected, observed 1.00: Euler's rule"
    assert lines[0].split() == ["h", "error", "slope"]
    assert lines[1].split() == ["0.1", f"{euler(0.1):.3e}"]
    slope = math.log2(euler(H[1]) / euler(H[2]))
    assert lines[3].split() == ["0.025", f"{euler(H[2]):.3e}", f"{slope:.3f}"]
    assert lines[6].split() == ["0.003125", "nan", "a"]
    assert lines[7] == "a  the error is not finite: the computation diverged"
    assert lines[-1].startswith("fail: observed order 1.00, 95% interval [")
    assert lines[-1].endswith("excludes order 2")
    assert raised.value.estimate.order == pytest.approx(1, abs=0.01)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("errors", "sizes", "hint"),
    [
        (H, [heun(h) for h in H], "assert_order(errors, step_sizes)"),
        ([heun(h) for h in H], [round(1 / h) for h in H], "such as 1/n, not numbers of steps"),
    ],
)
def test_what_was_meant_is_said(errors: Any, sizes: Any, hint: str) -> None:
    with pytest.raises(OrderError) as raised:
        assert_order(errors, sizes, 2)
    assert str(raised.value).endswith(hint)
    with pytest.raises(OrderError) as raised:
        assert_order(errors, sizes, 3)
    assert hint not in str(raised.value)


def test_data_that_cannot_tell_do_not_pass() -> None:
    slow = [1.0, 0.5, 0.2, 0.06]
    with pytest.raises(OrderInconclusive, match="inconclusive: observed order 1.88"):
        assert_order(slow, H[:4])
    with pytest.raises(unittest.SkipTest, match="order 2 expected, inconclusive: observed"):
        assert_order(slow, H[:4], inconclusive="skip")
    with pytest.raises(OrderNotFound):
        assert_order(euler, H, inconclusive="skip")


def test_one_uncertainty_serves_for_all() -> None:
    errors = [heun(h) + 1e-6 for h in H]
    each = mf.estimate_order(H, errors, 2, uncertainties=[1e-6] * len(H))
    assert each.interval != mf.estimate_order(H, errors, 2).interval
    for uncertainty in (1e-6, np.float64(1e-6), np.array(1e-6)):
        assert mf.estimate_order(H, errors, 2, uncertainties=uncertainty).interval == each.interval
        found = assert_order(errors, H, uncertainties=uncertainty)
        assert found is not None
        assert found.interval == each.interval


def test_a_study_is_asserted_with_its_constant() -> None:
    study = mf.convergence_study(mf.HeavyBall(0.5), "two-layer", 2)
    assert assert_order(study) is study.estimate
    assert mf.assert_order(study, expected=2) is study.estimate
    with pytest.raises(ModflowError, match="was run for order 2, and cannot tell about 3"):
        assert_order(study, expected=3)
    assert assert_order(study, expected="2") is study.estimate  # type: ignore[arg-type]
    with pytest.raises(ModflowError, match="a positive number, not 'two'"):
        assert_order(study, expected="two")  # type: ignore[arg-type]
    with pytest.raises(ModflowError, match="own step sizes"):
        assert_order(study, H)
    # A regularizer 10% off has the right order on this range, and another error.
    chain = mf.Tree([mf.Tree()])
    derived = mf.modified_equation(mf.HeavyBall(0.5), 2)
    wrong = derived.with_coefficients({chain: derived.element(chain) * 2})
    with pytest.raises(OrderError, match="order 2 expected"):
        assert_order(mf.convergence_study(mf.HeavyBall(0.5), "two-layer", 2, flow=wrong))


def test_an_interrupted_study_asserts_nothing() -> None:
    with pytest.raises(KeyboardInterrupt):
        assert_order(SimpleNamespace(left_out={}, verdict="pass", interrupted=True))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: assert_order([1, 2, 3]), "give the step sizes too"),
        (lambda: assert_order(heun, H, 0), "expected must be a positive number"),
        (lambda: assert_order(heun, [0.1, 0.1, 0.05]), "drop repeats"),
        (lambda: assert_order(heun, [0.1, -0.1, 0.05]), "positive and finite"),
        (lambda: assert_order([1, 2], H), "6 step_sizes but 2 errors"),
        (lambda: assert_order(lambda h: None, H), r"one number; at 0\.1 it returned None"),
        (lambda: assert_order(lambda h: np.complex128(h**2 + 1j), H), "at 0.1 it returned"),
        (lambda: assert_order(lambda h: np.array([h**2 + 1j]), H), "at 0.1 it returned"),
        (lambda: assert_order(lambda h: [h, h], H), "one number"),
        (lambda: assert_order(H, heun), "the function stands where the step sizes go"),  # type: ignore[arg-type]
        (lambda: assert_order(heun, heun), "the function stands where the step sizes go"),  # type: ignore[arg-type]
        (lambda: assert_order(heun, H, inconclusive="pass"), "'fail' or 'skip', not 'pass'"),
        (lambda: assert_order(heun, H, uncertainties="tiny"), "sequence of real numbers"),
    ],
)
def test_calls_that_say_nothing_are_refused(call: Any, message: str) -> None:
    with pytest.raises(ModflowError, match=message):
        call()


def test_sizes_are_refused_before_the_work() -> None:
    asked: list[float] = []
    with pytest.raises(ModflowError):
        assert_order(lambda h: asked.append(h) or h, [0.1, 0.1, 0.05])  # type: ignore[func-returns-value]
    assert asked == []


def test_the_plot_is_saved_where_the_order_is_not_found(tmp_path: Path) -> None:
    path = tmp_path / "new" / "euler.svg"
    assert_order(euler, H, 1, plot=path)
    assert not path.exists()
    with pytest.raises(OrderNotFound, match=rf"\nplot: {path}$"):
        assert_order(euler, H, 2, plot=path)
    text = "".join(ElementTree.parse(path).getroot().itertext())
    assert "matplotlib" in text


def test_no_test_fails_for_its_plot(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path, reason in (
        (tmp_path / "file" / "plot.svg", "Not a directory|File exists"),
        (tmp_path / "plot.gif", r"its ending must be \.pdf, \.png or \.svg"),
    ):
        with pytest.raises(OrderNotFound, match=f"\nno plot: .*({reason})"):
            assert_order(euler, H, 2, plot=path)
    with pytest.raises(OrderInconclusive, match="\nno plot: there is nothing to plot"):
        assert_order([0.0] * 6, H, 2, plot=tmp_path / "plot.svg")
