"""Numbers and grids from the command line."""

from __future__ import annotations

from contextlib import suppress
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modflow import ModflowError
from modflow.grid import check_step_sizes, parse_grid, parse_number


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", 0),
        ("0.9", Fraction(9, 10)),
        (" .5 ", Fraction(1, 2)),
        ("5.", 5),
        ("9/10", Fraction(9, 10)),
        ("1e-3", Fraction(1, 1000)),
        ("-2E2", -200),
        ("2^-5", Fraction(1, 32)),
        ("2**3", 8),
        ("2 ^ +4", 16),
        ("2^1000", 2**1000),
    ],
)
def test_numbers(text: str, value: Fraction) -> None:
    assert parse_number(text, "--x") == value


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "nan", "inf", "-Infinity", "abc", "1/0", "1//2", "1/2/3", "0x10", "1_000"),
        *("1,5", "2^", "2^^3", "3^2", "2^1.5", "e5", "0.5;", "1" * 101),
        "١",  # one, in Arabic-Indic digits
        *("2^99999", "1e-999999999"),  # these would take hours to write out
    ],
)
def test_what_is_no_number(text: str) -> None:
    with pytest.raises(ModflowError, match=r"--x '.*' is not a number: write 0\.9, 9/10 or 2\^-5"):
        parse_number(text, "--x")


@pytest.mark.parametrize("text", ["2^-9999", "2^9999", "1e999", "1e-400"])
def test_numbers_out_of_range(text: str) -> None:
    with pytest.raises(ModflowError, match="--x .* is out of range: at least"):
        parse_number(text, "--x")


@settings(derandomize=True, deadline=None)
@given(st.text(max_size=30))
def test_no_text_does_anything_else_than_parse_or_be_refused(text: str) -> None:
    for parse in (parse_grid, lambda t: parse_number(t, "--x")):
        with suppress(ModflowError):
            parse(text)


@settings(derandomize=True, deadline=None)
@given(st.fractions(min_value=0, max_value=10**6, max_denominator=10**6))
def test_fractions_come_back(value: Fraction) -> None:
    assert parse_number(str(value), "--x") == value


def test_grids() -> None:
    assert parse_grid("2^-5:2^-11") == [2.0**-j for j in range(5, 12)]
    assert parse_grid("2^-11:2^-9") == [2.0**-11, 2.0**-10, 2.0**-9]
    assert parse_grid("2^1:2^-1") == [2, 1, 0.5]
    assert parse_grid(" 0.1 , 1/20, 2^-6 ") == [0.1, 0.05, 2.0**-6]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "is empty"),
        ("  ", "is empty"),
        (",", "has an empty entry"),
        ("0.1,,0.05", "has an empty entry"),
        ("0.1,0.05,", "has an empty entry"),
        ("0.1,x,0.05", "--h 'x' is not a number"),
        ("0.1,nan,0.05", "--h 'nan' is not a number"),
        (":", "is not a grid"),
        ("2^-5:", "is not a grid"),
        ("2^-5:2^-7:2^-9", "is not a grid"),
        ("0.1:0.01", "is not a grid"),
        ("2^-5:2^-2000", "more than 64 step sizes"),
        ("2^99999:2^99998", "is not a grid"),
        ("2^9999:2^9996", "2^9999 is out of range"),
        ("2^-1074:2^-1078", "2^-1074 is out of range"),
    ],
)
def test_what_is_no_grid(text: str, why: str) -> None:
    with pytest.raises(ModflowError) as raised:
        parse_grid(text)
    assert why in str(raised.value)
    assert "--h" in str(raised.value)


def test_step_sizes_come_coarsest_first() -> None:
    assert check_step_sizes([0.025, 0.05, 0.1]) == (0.1, 0.05, 0.025)
    assert check_step_sizes((Fraction(1, 2), 0.25, 0.125)) == (0.5, 0.25, 0.125)


@pytest.mark.parametrize(
    ("sizes", "why"),
    [
        ([], "at least three step sizes, better six or more; got 0"),
        ([0.1, 0.05], "got 2"),
        ([0.1, 0.05, 0.0], "positive and finite; got 0"),
        ([0.1, 0.05, -0.025], "positive and finite; got -0.025"),
        ([0.1, 0.05, float("nan")], "positive and finite; got nan"),
        ([float("inf"), 0.1, 0.05], "positive and finite; got inf"),
        ([0.1, 0.05, 0.05, 0.025], "the step size 0.05 is given twice"),
        ([0.1, 0.025, 0.05], "must be sorted"),
        (["a", "b", "c"], "must be numbers"),
        ([10**400, 1, 0.5], "must be numbers"),
        (0.1, "must be numbers"),
    ],
)
def test_step_sizes_that_make_no_study(sizes: object, why: str) -> None:
    with pytest.raises(ModflowError) as raised:
        check_step_sizes(sizes)
    assert why in str(raised.value)
