"""How evidence makes a verdict, and what the exact evidence rejects."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

import modflow as mf
from modflow.claims import CLAIMS, Claim, ClaimResult, Evidence, Given, check_claim, claim_named
from modflow.claims._evidence import CHAIN, NODE, difference, identity, order, sampled
from modflow.claims._registry import symbolic
from modflow.claims.heavy_ball import DRIFT
from modflow.claims.heavy_ball import GAMMA as BARE_GAMMA

GAMMA = f"({BARE_GAMMA})"
REGULARIZER = f"-{GAMMA} * (1+beta) / (2*(1-beta)**3)"


def made_up(*verdicts: str, mended: tuple[str, ...] = (), expected: Any = "confirmed") -> Claim:
    def gather(_: Given) -> Iterator[Evidence]:
        yield Evidence("exact", "beside the point", "fail", "what was found", "context")
        for verdict in verdicts:
            yield Evidence("exact", "as printed", verdict, "what was found")
        for verdict in mended:
            yield Evidence("numeric", "as mended", verdict, "what was found", "corrected")

    return Claim("made-up", "nowhere", "1 = 1", expected, gather, "1 + 1 = 2" if mended else None)


@pytest.mark.parametrize(
    ("printed", "mended", "verdict"),
    [
        (["pass"], [], "confirmed"),
        (["pass", "pass"], [], "confirmed"),
        (["pass", "pass"], ["fail"], "confirmed"),
        (["pass", "fail"], [], "refuted"),
        (["fail", "inconclusive"], [], "refuted"),
        (["fail"], ["pass", "pass"], "corrected"),
        (["fail"], ["pass", "inconclusive"], "refuted"),
        (["fail"], ["pass", "fail"], "refuted"),
        (["pass", "inconclusive"], [], "inconclusive"),
        (["inconclusive"], ["pass"], "inconclusive"),
        ([], [], "inconclusive"),
        ([], ["pass"], "inconclusive"),
    ],
)
def test_verdicts(printed: list[str], mended: list[str], verdict: str) -> None:
    result = check_claim(made_up(*printed, mended=tuple(mended)))
    assert result.verdict == verdict
    assert result.as_expected == (verdict == "confirmed")
    assert [e.verdict for e in result.evidence] == ["fail", *printed, *mended]
    assert result.seconds >= 0


def test_expected_is_what_the_registry_says() -> None:
    assert check_claim(made_up("fail", expected="refuted")).as_expected
    assert not check_claim(made_up("pass", expected="refuted")).as_expected


def test_progress_names_each_finding() -> None:
    heard: list[str] = []
    check_claim(made_up("pass", "fail", mended=("pass",)), heard.append)
    assert heard == ["beside the point", "as printed", "as printed", "as mended"]


def test_as_json() -> None:
    document = check_claim(made_up("fail", mended=("pass",))).to_dict()
    assert document["verdict"] == "corrected"
    assert document["corrected"] == "1 + 1 = 2"
    assert {"id", "source", "statement", "verdict", "corrected", "evidence"} <= set(document)
    assert [e["about"] for e in document["evidence"]] == ["context", "printed", "corrected"]


def test_unknown_claims_are_refused() -> None:
    with pytest.raises(mf.UnknownNameError, match=r"unknown claim 'thm-4\.1-gama'.*did you mean"):
        claim_named("thm-4.1-gama")


def test_every_claim_says_what_it_is_about() -> None:
    assert len(CLAIMS) >= 60
    places = ("Abstract", "Section", "Theorem", "Remark", "Figure", "Table", "Footnote")
    for name, claim in CLAIMS.items():
        assert claim.id == name
        assert claim.source.startswith(places), name
        assert claim.statement.count("{") == claim.statement.count("}"), name
        assert (claim.expected == "corrected") == (claim.corrected is not None), name
        assert (claim.expected == "inconclusive") == (claim.command is not None), name
        if claim.corrected is not None:
            assert claim.corrected.count("{") == claim.corrected.count("}"), name
        for formula in (*claim.printed.values(), *claim.true.values()):
            assert symbolic(formula) is not None, name


@pytest.mark.parametrize("name", ["eq-3", "thm-4.1-drift", "thm-4.1-gamma", "eq-5-coefficients"])
def test_exact_claims_hold(name: str) -> None:
    result = check_claim(claim_named(name))
    assert result.as_expected
    assert all(evidence.kind == "exact" for evidence in result.evidence)


# -- exact evidence rejects what is slightly wrong ------------------------------------------------


HEAVY_BALL = mf.modified_equation(mf.HeavyBall(), 2)

WRONG_DRIFTS = {
    "twice": f"2*({DRIFT})",
    "sign": f"-({DRIFT})",
    "beta^k": "(1 - beta**k) / (1 - beta)",
    "beta^(k+2)": "(1 - beta**(k+2)) / (1 - beta)",
    "limit": "1/(1-beta)",
    "1+beta": "(1 - beta**(k+1)) / (1 + beta)",
}
_HEAD, _TAIL = "(1 - beta**(2*k+2))", "4*(k+1)*beta**(k+1)*(1-beta)/(1+beta)"
WRONG_GAMMAS = {
    "limit": "1",
    "no second term": _HEAD,
    "sign of the second term": f"({_HEAD} + {_TAIL})",
    "half the second term": f"({_HEAD} - {_TAIL}/2)",
    "k for k+1": f"({_HEAD} - 4*k*beta**(k+1)*(1-beta)/(1+beta))",
    "k-1 for k": GAMMA.replace("2*k+2", "2*k").replace("(k+1)", "k"),
    "k+1 for k": GAMMA.replace("2*k+2", "2*k+4").replace("(k+1)", "(k+2)"),
    "beta^(2k+1)": GAMMA.replace("2*k+2", "2*k+1"),
    "beta^k": GAMMA.replace("beta**(k+1)", "beta**k"),
    "no 1/(1+beta)": GAMMA.replace("/(1+beta)", ""),
    "1+beta for 1-beta": GAMMA.replace("(1-beta)", "(1+beta)"),
}
WRONG_REGULARIZERS = {
    **{name: REGULARIZER.replace(GAMMA, f"({wrong})") for name, wrong in WRONG_GAMMAS.items()},
    "twice": f"2*({REGULARIZER})",
    "half": f"({REGULARIZER})/2",
    "sign": f"-({REGULARIZER})",
    "(1-beta)^2": REGULARIZER.replace("(1-beta)**3", "(1-beta)**2"),
    "1-beta for 1+beta": f"-{GAMMA} * (1-beta) / (2*(1-beta)**3)",
    "plain gradient descent": "-1/2",
}


def test_the_right_formulas_pass() -> None:
    assert identity("drift", HEAVY_BALL, NODE, DRIFT).verdict == "pass"
    gamma = identity("gamma", HEAVY_BALL, CHAIN, REGULARIZER)
    assert gamma.verdict == "pass"
    assert gamma.data["difference"] == "0"
    assert gamma.data["tree"] == [1, 2]


@pytest.mark.parametrize("wrong", WRONG_DRIFTS.values(), ids=WRONG_DRIFTS.keys())
def test_wrong_drifts_are_rejected(wrong: str) -> None:
    evidence = identity("drift", HEAVY_BALL, NODE, wrong)
    assert evidence.verdict == "fail"
    assert evidence.data["difference"] != "0"


@pytest.mark.parametrize("wrong", WRONG_REGULARIZERS.values(), ids=WRONG_REGULARIZERS.keys())
def test_wrong_regularizers_are_rejected(wrong: str) -> None:
    assert wrong != REGULARIZER
    evidence = identity("gamma", HEAVY_BALL, CHAIN, wrong)
    assert evidence.verdict == "fail"
    assert "identical" not in evidence.detail


def test_a_misprint_refutes_its_claim() -> None:
    claim = claim_named("thm-4.1-gamma")
    result = check_claim(claim.misprinted(gamma=WRONG_GAMMAS["no second term"]))
    assert result.verdict == "refuted"
    assert not result.as_expected
    assert check_claim(claim.misprinted(gamma=BARE_GAMMA)).verdict == "confirmed"
    with pytest.raises(mf.UnknownNameError, match="formula of thm-4.1-gamma 'gama'.*'gamma'"):
        claim.misprinted(gama="1")


# -- what evidence can tell -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("beta**(2*k+2)", "(beta**(k+1))**2"),
        ("beta**(k-r) * beta**r", "beta**k"),
        ("(1 - beta**(2*k)) / (1 - beta**k)", "1 + beta**k"),
        ("M**2 * beta**(M*k) / M", "M * (beta**M)**k"),
    ],
)
def test_identical_formulas_differ_by_nothing(a: str, b: str) -> None:
    assert difference(symbolic(a), symbolic(b)) == 0


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("beta**(k+1)", "beta**k"),
        ("(1 - beta**(k+1)) / (1 - beta)", "1 / (1 - beta)"),
        ("sqrt(x**2)", "x"),
        ("k*beta**k", "beta**k"),
    ],
)
def test_different_formulas_differ(a: str, b: str) -> None:
    assert difference(symbolic(a), symbolic(b)) != 0


def test_names_of_functions_are_symbols_in_a_formula() -> None:
    assert {s.name for s in symbolic("beta + gamma*E + S*N").free_symbols} == set("ESN") | {
        "beta",
        "gamma",
    }


@pytest.mark.parametrize(
    ("mean", "error", "value", "verdict"),
    [
        (1.001, 0.001, 1.0, "pass"),
        (1.01, 0.001, 1.0, "fail"),
        (1.001, 0.1, 1.0, "inconclusive"),
        (2.0, 0.1, 1.0, "fail"),
        (1.0, 0.0, 1.0, "pass"),
        (1.0, 0.0, 2.0, "fail"),
    ],
)
def test_a_sample_has_to_be_able_to_contradict(
    mean: float, error: float, value: float, verdict: str
) -> None:
    assert sampled("sample", mean, error, value).verdict == verdict


def test_random_numbers_follow_from_the_seed_and_the_claim_alone() -> None:
    one, other = claim_named("eq-3"), claim_named("thm-4.1-drift")
    first = Given(one, 1).random().random()
    assert Given(one, 1).random().random() == first
    assert Given(one, 2).random().random() != first
    assert Given(other, 1).random().random() != first


# -- numeric evidence -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def study() -> mf.ConvergenceStudy:
    return mf.convergence_study(mf.HeavyBall(0.5), "quadratic", 2)


def test_numeric_evidence_is_the_verdict_of_the_study(study: mf.ConvergenceStudy) -> None:
    evidence = order("quadratic", study)
    assert (evidence.kind, evidence.verdict) == ("numeric", "pass")
    assert "expected 2" in evidence.detail
    assert evidence.data["errors"] == list(study.errors)


def test_a_study_without_an_order_is_inconclusive(study: mf.ConvergenceStudy) -> None:
    result = ClaimResult(made_up(), (order("quadratic", replace(study, estimate=None)),), 0.0)
    assert result.verdict == "inconclusive"


def test_no_claim_rests_on_part_of_a_study(study: mf.ConvergenceStudy) -> None:
    with pytest.raises(KeyboardInterrupt):
        order("ended by Ctrl-C", replace(study, interrupted=True))
