"""What a claim is, what a set of them, and how evidence makes a verdict.

A claim is a function that yields evidence, registered in the set of its paper with its place, its
statement and the formulas that are printed there::

    paper = ClaimSet("ghosh-2023", "Ghosh, Lyu, Zhang & Wang, ICLR 2023")

    @paper.claim(
        "eq-3",
        source="Section 3, (3)",
        statement=r"...",
        printed={"regularizer": "h/4"},
        expected="confirmed",
    )
    def equation_3(given):
        yield equal("coefficient of |grad E|^2", derived, given.printed("regularizer"))

The verdict follows from the evidence alone: `confirmed` if all of what speaks about the printed
statement passes, `refuted` if any of it fails, `inconclusive` otherwise. A claim that is false as
printed also yields evidence about the corrected statement; when all of that passes, the verdict is
`corrected`. What is found out besides, about neither of the two, is context. `expected` is what
the registry records, and `modflow verify` fails where the evidence says otherwise.

The evidence is made from the formulas, and never from their truth: `Claim.misprinted` is the same
claim with another formula in its statement, and has to get another verdict.
"""

from __future__ import annotations

import math
import re
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import sympy

from ..errors import ModflowError, UnknownNameError
from ..user_modules import Surroundings, error_line
from ._evidence import Evidence

Verdict = Literal["confirmed", "corrected", "refuted", "inconclusive"]

QUICK_SECONDS = 1.0
_MORE_SEEDS = 2
VERDICTS: tuple[Verdict, ...] = ("confirmed", "corrected", "refuted", "inconclusive")
_NAME = re.compile(r"[A-Za-z_]\w*")
_SET_NAME = re.compile(r"[\w.-]+", re.ASCII)
_ID = re.compile(r"[^\s:]+")
_FUNCTIONS = ("sqrt", "log", "exp", "Sum", "Abs")


@dataclass(frozen=True)
class Given:
    """What a claim's evidence is gathered from."""

    claim: Claim
    seed: int = 0
    results: Path | None = None
    """The folder that `modflow reproduce` trained into; None where there is none."""
    full: bool = False
    """Whether there is time for more: more losses, finer steps."""
    _drawn: list[int] = field(default_factory=list)

    def printed(self, name: str) -> sympy.Expr:
        """The formula of that name in the statement as printed; its names are plain symbols."""
        return symbolic(self.claim.printed[name])

    def true(self, name: str) -> sympy.Expr:
        """The formula of that name in the corrected statement."""
        return symbolic(self.claim.true[name])

    def random(self) -> np.random.Generator:
        """Random numbers of this claim and this seed alone, whatever else has run."""
        self._drawn.append(self.seed)
        return np.random.default_rng([self.seed, zlib.crc32(self.claim.id.encode())])


def symbolic(text: str) -> sympy.Expr:
    """A formula whose names are plain symbols, but for sqrt, log, exp, Sum and Abs."""
    names = set(_NAME.findall(text)) - set(_FUNCTIONS)
    return sympy.sympify(text, locals={name: sympy.Symbol(name) for name in names})


@dataclass(frozen=True, eq=False)
class Claim:
    """A statement of the paper that can be checked."""

    id: str
    source: str
    statement: str
    """In TeX, as printed."""
    expected: Verdict
    gather: Callable[[Given], Iterator[Evidence]]
    corrected: str | None = None
    """The nearest true statement, in TeX, where the printed one is false."""
    printed: Mapping[str, str] = field(default_factory=dict)
    """The formulas of the statement, as SymPy reads them."""
    true: Mapping[str, str] = field(default_factory=dict)
    """Those of the corrected statement."""
    command: str | None = None
    """What would decide a claim that nothing here can."""
    cost: float = 0.0
    """Seconds that it takes, roughly: what takes longest is begun first."""
    home: ClaimSet | None = field(default=None, repr=False)
    """The set that it is registered in."""

    @property
    def is_quick(self) -> bool:
        """Whether it is one of those that `modflow verify --quick` checks."""
        return self.cost < QUICK_SECONDS

    def misprinted(self, **formulas: str) -> Claim:
        """The claim with other formulas in its statement.

        Raises UnknownNameError for a formula that the statement has not.
        """
        for name in formulas:
            if name not in self.printed:
                raise UnknownNameError(f"formula of {self.id}", name, self.printed)
        return replace(self, printed={**self.printed, **formulas})


@dataclass(frozen=True, eq=False)
class ClaimResult:
    """A claim with the evidence that was found and the verdict that follows from it."""

    claim: Claim
    evidence: tuple[Evidence, ...]
    seconds: float
    error: str | None = None
    """What ended the gathering before its end, in one line."""

    @property
    def verdict(self) -> Verdict:
        """`confirmed`, `corrected`, `refuted` or `inconclusive`."""
        if self.error is not None:
            return "inconclusive"
        printed = [e.verdict for e in self.evidence if e.about == "printed"]
        mended = [e.verdict for e in self.evidence if e.about == "corrected"]
        if printed and all(v == "pass" for v in printed):
            return "confirmed"
        if "fail" in printed:
            return "corrected" if mended and all(v == "pass" for v in mended) else "refuted"
        return "inconclusive"

    @property
    def as_expected(self) -> bool:
        """Whether the verdict is the one that the registry records.

        So is `confirmed` where what the registry lacks, a training, has been done.
        """
        if self.error is not None:
            return False
        open_before = self.claim.expected == "inconclusive" and self.claim.command is not None
        confirmed = open_before and self.verdict == "confirmed"
        return self.verdict == self.claim.expected or confirmed

    def to_dict(self) -> dict[str, Any]:
        """One entry of `modflow verify --json`."""
        return {
            "id": self.claim.id,
            "set": None if self.claim.home is None else self.claim.home.name,
            "source": self.claim.source,
            "statement": self.claim.statement,
            "printed": dict(self.claim.printed),
            "verdict": self.verdict,
            "expected": self.claim.expected,
            "corrected": self.claim.corrected,
            "true": dict(self.claim.true),
            "command": self.claim.command,
            "evidence": [e.to_dict() for e in self.evidence],
            "error": self.error,
        }


class ClaimSet(dict[str, Claim]):
    """The claims of one paper by their ids, in the order in which they were registered."""

    def __init__(self, name: str, title: str = "") -> None:
        """`name` is what `modflow verify --claims` and reports call it, in words of one line."""
        super().__init__()
        if not isinstance(name, str) or not _SET_NAME.fullmatch(name):
            raise ModflowError(
                f"{name!r} names no set of claims: letters, digits, . - and _, such as smith-2021"
            )
        self.name, self.title = name, title
        self.origin: str | None = None
        """Where another process finds it: see `load_claims`. None for one made by hand."""
        self.surroundings: Surroundings | None = None
        """What its claims can import while they are checked: the folder of its file."""

    def __repr__(self) -> str:
        return f"ClaimSet({self.name!r}, {len(self)} claims)"

    def claim(
        self,
        id: str,
        *,
        source: str,
        statement: str,
        expected: Verdict = "confirmed",
        corrected: str | None = None,
        printed: Mapping[str, str] | None = None,
        true: Mapping[str, str] | None = None,
        command: str | None = None,
        cost: float = 0.0,
    ) -> Callable[[Callable[[Given], Iterator[Evidence]]], Claim]:
        """Register a function that yields evidence as a claim.

        `source` is its place in the paper, `statement` what it says, in TeX, and `printed` the
        formulas of the statement by name, as SymPy reads them. `expected` is the verdict that the
        evidence should have: `confirmed`, `corrected` (then `corrected` is the nearest true
        statement, and `true` has its formulas), `refuted` or `inconclusive` (then `command` is
        what would decide it). `cost` is roughly how many seconds it takes.

        Raises ModflowError for an id that is taken, a verdict that there is not, and what does not
        go together.
        """
        if not isinstance(id, str) or not _ID.fullmatch(id):
            raise ModflowError(f"{id!r} is no id of a claim: one word, such as thm-4.1-drift")
        if id in self:
            raise ModflowError(f"the claim {id!r} is registered twice in {self.name}")
        for name, value in (("source", source), ("statement", statement)):
            if not isinstance(value, str):
                raise ModflowError(f"the claim {id}: its {name} is a text, not {value!r}")
        for name, text in (("corrected", corrected), ("command", command)):
            if text is not None and not isinstance(text, str):
                raise ModflowError(f"the claim {id}: its {name} is a text or None, not {text!r}")
        if expected not in VERDICTS:
            raise UnknownNameError(f"verdict of the claim {id}", str(expected), VERDICTS)
        if not (isinstance(cost, int | float) and 0 <= cost < math.inf):
            raise ModflowError(f"the claim {id}: its cost is a number of seconds, not {cost!r}")
        if (expected == "corrected") != (corrected is not None):
            raise ModflowError(
                f"the claim {id}: a corrected statement goes with expected='corrected', "
                f"and with no other verdict; got {expected!r}"
            )

        def register(gather: Callable[[Given], Iterator[Evidence]]) -> Claim:
            self[id] = Claim(
                id,
                source,
                statement,
                expected,
                gather,
                corrected,
                printed or {},
                true or {},
                command,
                cost,
                self,
            )
            return self[id]

        return register

    def named(self, id: str) -> Claim:
        """The claim with that id; raises UnknownNameError for another."""
        if id not in self:
            raise UnknownNameError("claim", id, self)
        return self[id]


CLAIMS = ClaimSet("ghosh-2023", "Ghosh, Lyu, Zhang & Wang, ICLR 2023")
"""The claims of the paper that modflow starts from."""
CLAIMS.origin = CLAIMS.name

claim = CLAIMS.claim
claim_named = CLAIMS.named


def check_claim(
    claim: Claim,
    progress: Callable[[str], None] | None = None,
    *,
    seed: int = 0,
    results: Path | None = None,
    full: bool = False,
) -> ClaimResult:
    """Gather the evidence for a claim; what it draws at random follows from the seed.

    `results` is the folder of trainings that claims about networks look at. With `full` there is
    more of the evidence, and what is drawn at random is drawn for two more seeds. What the claim's
    own code raises is the result's `error`; the evidence that came before is kept.
    """
    began, found, wrong = time.perf_counter(), list[Evidence](), None
    around = None if claim.home is None else claim.home.surroundings
    try:
        with nullcontext() if around is None else around.importable():
            for evidence in _gathered(claim, seed, results, full):
                found.append(evidence)
                if progress is not None:
                    progress(evidence.text)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        # Whatever a claim's own code raises: the other claims are checked all the same. An exit
        # would end the audit, with status 0 for example.
        code = getattr(claim.gather, "__code__", None)
        wrong = error_line(error, Path(code.co_filename if code else claim.id))
    return ClaimResult(claim, tuple(found), time.perf_counter() - began, wrong)


def _gathered(claim: Claim, seed: int, results: Path | None, full: bool) -> Iterator[Evidence]:
    for more in range(1 + _MORE_SEEDS):
        given = Given(claim, seed + more, results, full)
        gathered = claim.gather(given)
        if not isinstance(gathered, Iterable):
            raise ModflowError(
                "a claim yields evidence, such as `yield equal(...)`; this one returns without"
            )
        for evidence in gathered:
            if not isinstance(evidence, Evidence):
                raise ModflowError(
                    f"a claim yields evidence, such as equal(...) or order(...), not {evidence!r}"
                )
            evidence.check()
            named = f"{evidence.text} (seed {given.seed})"
            yield replace(evidence, text=named) if more else evidence
        if not (full and given._drawn):
            return
