"""The examples say what is true, and would not say it of anything else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from modflow.claims import ClaimSet, check_claim, load_claims

SMITH = Path(__file__).parent.parent / "examples" / "smith_2021.py"


@pytest.fixture(scope="module")
def paper() -> ClaimSet:
    (found,) = load_claims(str(SMITH))
    return found


def test_smith_2021_is_confirmed(run: Callable[..., Any]) -> None:
    outcome = run("verify", "--claims", str(SMITH))
    assert outcome.status == 0
    assert "4 confirmed; 4 of 4 claims" in outcome.out


@pytest.mark.parametrize(
    ("id", "formulas"),
    [
        ("mean-iterate", {"regularizer": "epsilon/(2*m)"}),
        ("mean-iterate", {"regularizer": "epsilon/4"}),
        ("mean-iterate", {"regularizer": "-epsilon/(4*m)"}),
        ("mean-iterate", {"regularizer": "epsilon/(4*(m + 1))"}),
        ("mean-iterate-order", {"regularizer": "epsilon/(2*m)"}),
        ("mean-iterate-order", {"order": "2"}),
        ("mean-iterate-order", {"order": "4"}),
        ("two-parts", {"mean": "epsilon/2"}),
        ("two-parts", {"spread": "epsilon/4"}),
        ("batch-size", {"spread": "(N - B)/N*epsilon/(4*B)"}),
        ("batch-size", {"spread": "epsilon/(4*B)"}),
        ("batch-size", {"spread": "(N - B)/(N - 1)*epsilon/4"}),
    ],
)
def test_misprints_in_smith_2021_are_noticed(
    paper: ClaimSet, id: str, formulas: dict[str, str]
) -> None:
    assert check_claim(paper.named(id).misprinted(**formulas)).verdict == "refuted"


def test_a_misprint_too_small_for_these_step_sizes_is_not_confirmed(paper: ClaimSet) -> None:
    small = paper.named("mean-iterate-order").misprinted(regularizer="101*epsilon/(400*m)")
    assert check_claim(small).verdict == "inconclusive"
    exact = paper.named("mean-iterate").misprinted(regularizer="101*epsilon/(400*m)")
    assert check_claim(exact).verdict == "refuted"
