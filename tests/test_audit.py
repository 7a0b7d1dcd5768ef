"""Many claims at once: the same results in processes of their own."""

from __future__ import annotations

import multiprocessing
import time

import pytest

from modflow.claims import CLAIMS, _audit, check_claims, claim_named
from modflow.processors import default_jobs

NAMES = ("eq-3", "thm-4.1-gamma", "rem-4.3")


@pytest.fixture
def in_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    """However little there is to do."""
    monkeypatch.setattr(_audit, "_WORTH_A_PROCESS", 0.0)


@pytest.mark.usefixtures("in_processes")
def test_processes_find_what_one_process_finds() -> None:
    claims = [claim_named(name) for name in NAMES]
    claims.append(claim_named("thm-4.1-drift").misprinted(drift="1/(1-beta)"))
    heard: list[tuple[str, float]] = []
    apart = {
        result.claim.id: result
        for result in check_claims(claims, jobs=2, progress=lambda *told: heard.append(told))
    }
    here = {result.claim.id: result for result in check_claims(claims)}
    assert set(apart) == set(here) == {*NAMES, "thm-4.1-drift"}
    for name, result in here.items():
        assert result.claim is apart[name].claim
        assert [e.to_dict() for e in result.evidence] == [e.to_dict() for e in apart[name].evidence]
    assert apart["thm-4.1-drift"].verdict == "refuted"
    shares = [share for _, share in heard]
    assert shares == sorted(shares)
    assert 0 <= shares[0] <= shares[-1] <= 1
    assert any("of 4 claims done" in text for text, _ in heard)


@pytest.mark.usefixtures("in_processes")
def test_who_stops_listening_leaves_no_process_behind() -> None:
    before = set(multiprocessing.active_children())
    results = check_claims([claim_named(name) for name in NAMES], jobs=2)
    next(results)
    results.close()
    # A thread of the pool joins them too: only one of two that join learns that a process ended.
    until = time.monotonic() + 30
    while not set(multiprocessing.active_children()) <= before and time.monotonic() < until:
        time.sleep(0.01)
    assert set(multiprocessing.active_children()) <= before


def test_little_work_stays_in_this_process() -> None:
    heard: list[str] = []
    found = list(
        check_claims(
            [claim_named(name) for name in NAMES],
            jobs=2,
            progress=lambda what, share: heard.append(what),
        )
    )
    assert [result.claim.id for result in found] == list(NAMES)
    assert not any("claims done" in text for text in heard)


def test_there_is_a_processor() -> None:
    assert default_jobs() >= 1


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_verdicts_do_not_depend_on_the_seed(seed: int) -> None:
    results = list(check_claims(list(CLAIMS.values()), seed=seed, jobs=default_jobs()))
    assert len(results) == len(CLAIMS)
    assert [result.claim.id for result in results if not result.as_expected] == []
