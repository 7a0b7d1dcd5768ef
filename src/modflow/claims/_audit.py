"""Many claims at once, in processes of their own: no claim needs another's result."""

from __future__ import annotations

import gc
import multiprocessing
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from pathlib import Path

from ..errors import ModflowError
from ..processors import threads_each
from ..worker import begin
from ._evidence import Evidence
from ._registry import Claim, ClaimResult, check_claim
from ._sets import sets_at

_WORTH_A_PROCESS = 8.0
"""Seconds of work below which starting processes takes longer than it saves."""

Progress = Callable[[str, float], None]
_Found = tuple[tuple[Evidence, ...], float, str | None]


def check_claims(
    claims: Sequence[Claim],
    *,
    seed: int = 0,
    jobs: int = 1,
    progress: Progress | None = None,
    results: Path | None = None,
    full: bool = False,
) -> Iterator[ClaimResult]:
    """Results as they come, in any order; with several jobs what takes longest is begun first.

    `progress` is told what is done and the share of it, `results` and `full` are as for
    `check_claim`. Ctrl-C ends the iteration with KeyboardInterrupt, and the processes with it.
    Raises ModflowError where a process ended by itself, as for want of memory.
    """
    apart = [claim for claim in claims if _is_portable(claim)]
    if jobs < 2 or len(apart) < 2 or sum(claim.cost for claim in apart) < _WORTH_A_PROCESS:
        apart = []
    here = [claim for claim in claims if claim not in apart]
    total, done = sum(_weight(claim) for claim in claims), 0.0
    for claim in here:
        share, name = done / total, claim.id

        def report(what: str, name: str = name, share: float = share) -> None:
            if progress is not None:
                progress(f"{name}: {what} done", share)

        if progress is not None:
            progress(name, share)
        result = check_claim(claim, report, seed=seed, results=results, full=full)
        done += _weight(claim)
        yield result
    if apart:
        yield from _in_processes(apart, seed, results, full, jobs, progress, done, total)


def _in_processes(
    claims: Sequence[Claim],
    seed: int,
    results: Path | None,
    full: bool,
    jobs: int,
    progress: Progress | None,
    done: float,
    total: float,
) -> Iterator[ClaimResult]:
    # Never by fork: JAX has threads.
    context = multiprocessing.get_context("spawn")
    workers = min(jobs, len(claims))
    pool = ProcessPoolExecutor(
        workers, mp_context=context, initializer=_begin, initargs=(threads_each(workers),)
    )
    try:
        ordered = sorted(claims, key=lambda claim: -claim.cost)
        known: dict[Future[_Found], Claim] = {
            pool.submit(
                _check,
                *_address(claim),
                {"printed": dict(claim.printed), "true": dict(claim.true)},
                seed,
                results,
                full,
            ): claim
            for claim in ordered
        }
        left = set(known)
        while left:
            if progress is not None:
                busy = [claim.id for future, claim in known.items() if future.running()]
                count = f"{len(known) - len(left)} of {len(known)} claims done"
                progress(f"{count}, now {', '.join(busy[:jobs])}", done / total)
            ready, left = wait(left, timeout=1.0, return_when=FIRST_COMPLETED)
            for future in ready:
                claim = known[future]
                done += _weight(claim)
                yield ClaimResult(claim, *future.result())
    except BrokenProcessPool as error:
        raise ModflowError(
            "a process that checked claims ended by itself, perhaps for want of memory; "
            "--jobs 1 needs the least"
        ) from error
    finally:
        # Nobody waits for work whose result nobody will see.
        for process in list((pool._processes or {}).values()):
            if left:
                process.terminate()
        pool.shutdown(wait=not left, cancel_futures=True)


def _check(
    origin: str,
    name: str,
    id: str,
    formulas: Mapping[str, Mapping[str, str]],
    seed: int,
    results: Path | None,
    full: bool,
) -> _Found:
    claim = replace(sets_at(origin)[name][id], printed=formulas["printed"], true=formulas["true"])
    result = check_claim(claim, seed=seed, results=results, full=full)
    return result.evidence, result.seconds, result.error


def _address(claim: Claim) -> tuple[str, str, str]:
    """Where another process finds it."""
    assert claim.home is not None
    assert claim.home.origin is not None
    return claim.home.origin, claim.home.name, claim.id


def _begin(threads: int) -> None:
    """Before a process has work."""
    begin(threads)
    # What was imported stays: looking for garbage in it takes time and finds none.
    gc.collect()
    gc.freeze()


def _is_portable(claim: Claim) -> bool:
    """Whether another process finds the same claim at its address."""
    home = claim.home
    if home is None or home.origin is None or claim.id not in home:
        return False
    return home[claim.id].gather is claim.gather


def _weight(claim: Claim) -> float:
    return claim.cost + 0.1
