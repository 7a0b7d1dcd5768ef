"""True statements of the paper turned false on purpose: the audit has to say so."""

from __future__ import annotations

from dataclasses import replace

import pytest

from modflow.claims import check_claim, claim_named

GAMMA = "(1 - beta**(2*k+2)) - 4*(k+1)*beta**(k+1)*(1-beta)/(1+beta)"

EXACT = [
    ("eq-3", {"regularizer": "h/2"}),
    ("eq-3", {"regularizer": "-h/4"}),
    ("sec-3-sharpness", {"maximum": "rho*norm**2"}),
    ("thm-4.1-drift", {"drift": "(1 - beta**k) / (1 - beta)"}),
    ("thm-4.1-drift", {"drift": "1 / (1 - beta)"}),
    ("thm-4.1-gamma", {"gamma": GAMMA.replace("2*k+2", "2*k+1")}),
    ("thm-4.1-gamma", {"gamma": GAMMA.replace("4*(k+1)", "2*(k+1)")}),
    ("thm-4.1-gamma", {"gamma": "1"}),
    ("thm-4.1-gamma", {"strength": "h*gamma*(1+beta) / (2*(1-beta)**2)"}),
    ("eq-5-coefficients", {"regularizer": "(1+beta)*h / (4*(1-beta)**3)"}),
    ("eq-5-coefficients", {"drift": "1/(1-beta)**2"}),
    ("rem-4.1-force", {"factor": "1/(1+beta)"}),
    ("rem-4.1-rate", {"factor": "1/(1-beta)**2"}),
    ("rem-4.1-rate", {"effective": "h/(1-beta)**2"}),
    ("rem-4.2-same-rate", {"GD+M": "h/4*(1+beta)/(1-beta)"}),
    ("rem-4.2-same-rate", {"GD": "h/2"}),
    ("rem-4.2-effective-rate", {"factor": "1/(1-beta)"}),
    ("rem-4.2-effective-rate", {"step": "h/(1-beta)"}),
    ("rem-4.3", {"regularizer": "(1+beta)*h / (2*(1-beta)**2)"}),
    ("eq-7-unbiased", {"weight": "1"}),
    ("thm-5.1-exact", {"memory": "beta**(k-r)"}),
    ("thm-5.1-exact", {"memory": "2*beta**(k-r+1)"}),
    ("thm-5.1-exact", {"force": "beta**(k-r+1)"}),
    ("thm-5.1-exact", {"factor": "h/2"}),
    ("thm-5.1-induction", {"memory": "beta**(k-r)"}),
    ("thm-5.1-induction", {"memory": "2*beta**(2*(k-r))"}),
    ("thm-5.1-induction", {"force": "beta**(k-r+1)"}),
    ("thm-5.1-induction", {"factor": "h/2"}),
    ("thm-5.1-intervals", {"force": "0"}),
    ("rem-5.1", {"memory": "beta**(k-r)"}),
    ("rem-5.1", {"factor": "-h/4"}),
    ("rem-5.2", {"SGD factor": "h/2"}),
    ("rem-5.2", {"SGD force": "2"}),
]
MEASURED = [
    ("sec-4-ode-closeness", {"order": "2"}),
    ("eq-9-order", {"memory": "2*beta/h"}),
    ("eq-9-order", {"memory": "1/h"}),
    ("sec-3-local-gradient-flow", {"order": "3"}),
]
STUDIES = [
    ("sec-3-global-modified-flow", {"regularizer": "h/2"}),
    ("sec-3-local-modified-flow", {"regularizer": "-h/4"}),
    ("thm-4.1-order", {"gamma": "2"}),
    ("thm-4.1-order", {"gamma": "1"}),
    ("thm-4.1-order", {"drift": "1/(1-beta)"}),
    ("thm-4.1-order", {"order": "3"}),
    ("thm-5.1-order", {"memory": "beta**(k-r)"}),
    ("thm-5.1-order", {"force": "beta**(k-r+1)"}),
    ("thm-5.1-order", {"factor": "h/2"}),
]


def check(id: str, formulas: dict[str, str]) -> None:
    result = check_claim(claim_named(id).misprinted(**formulas))
    assert result.verdict == "refuted"
    assert any(e.verdict == "fail" and e.about == "printed" for e in result.evidence)


@pytest.mark.parametrize(("id", "formulas"), [*EXACT, *MEASURED], ids=str)
def test_a_misprint_is_refuted(id: str, formulas: dict[str, str]) -> None:
    assert claim_named(id).expected == "confirmed"
    check(id, formulas)


@pytest.mark.slow
@pytest.mark.parametrize(("id", "formulas"), STUDIES, ids=str)
def test_a_misprint_is_refuted_by_a_study(id: str, formulas: dict[str, str]) -> None:
    assert claim_named(id).expected == "confirmed"
    check(id, formulas)


@pytest.mark.parametrize("id", ["abstract-factor", "sec-4-factor"])
def test_a_corrected_statement_in_its_place_is_confirmed(id: str) -> None:
    claim = claim_named(id)
    assert check_claim(claim).verdict == "corrected"
    assert check_claim(claim.misprinted(factor=claim.true["same rate"])).verdict == "confirmed"


@pytest.mark.parametrize(
    "wrong", [{"gamma": "2"}, {"drift": "1/(1-beta)"}, {"order": "3"}], ids=str
)
def test_a_wrong_correction_is_refuted(wrong: dict[str, str]) -> None:
    claim = claim_named("eq-6-range")
    assert check_claim(claim).verdict == "corrected"
    assert check_claim(replace(claim, true={**claim.true, **wrong})).verdict == "refuted"


def test_the_root_of_the_regularizer() -> None:
    claim = claim_named("sec-3-sharpness-regularizer")
    assert check_claim(claim).verdict == "corrected"
    for wrong in ({"minimum": "rho**2*lam"}, {"near": "rho*norm/2"}, {"regularizer": "norm**2"}):
        assert check_claim(replace(claim, true={**claim.true, **wrong})).verdict == "refuted"


def test_the_letters_of_the_ode_in_their_places_are_confirmed() -> None:
    claim = claim_named("sec-4-ode-form")
    assert check_claim(claim.misprinted(**claim.true)).verdict == "confirmed"
    assert check_claim(claim.misprinted(acceleration="2*m")).verdict == "corrected"
