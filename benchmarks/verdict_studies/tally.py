"""How often verdicts are wrong."""

import math
from dataclasses import dataclass

from .rules import FAIL, INCONCLUSIVE, PASS, RULES


@dataclass(frozen=True)
class Judged:
    """One claim about one study, its truth, and each rule's verdict."""

    study: object
    claim: float
    right: bool
    decidable: bool
    oracle_open: float
    verdicts: dict[str, str]

    def is_false_pass(self, rule):
        return not self.right and self.verdicts[rule] == PASS

    def is_false_fail(self, rule):
        return self.right and self.verdicts[rule] == FAIL

    @property
    def offset(self):
        """The claim less the order."""
        return round(self.claim - self.study.order, 9)


def judged(studies, rules=RULES):
    """Truth and decidability first; the rules see errors, steps and stated uncertainties only."""
    for study in studies:
        for claim in study.claims():
            decidable = study.could_decide(claim)
            yield Judged(
                study,
                claim,
                study.is_right(claim),
                decidable,
                study.oracle_open(claim) if decidable else math.nan,
                {name: rule(study, claim) for name, rule in rules.items()},
            )


@dataclass(frozen=True)
class Rates:
    """Of a rule: numbers of claims, and of verdicts that are wrong or open."""

    wrong: int
    right: int
    false_pass: int
    false_pass_too_high: int
    false_pass_decidable: int
    false_fail: int
    false_fail_decidable: int
    open: int
    decidable: int
    open_decidable: int
    oracle_open: float  # what an oracle leaves open of these that errs in one of 10^4

    @property
    def claims(self):
        return self.wrong + self.right


def rates(found, rule):
    found = list(found)
    passes = [j for j in found if j.is_false_pass(rule)]
    fails = [j for j in found if j.is_false_fail(rule)]
    is_open = [j for j in found if j.verdicts[rule] == INCONCLUSIVE]
    return Rates(
        wrong=sum(not j.right for j in found),
        right=sum(j.right for j in found),
        false_pass=len(passes),
        false_pass_too_high=sum(j.offset >= 0 for j in passes),
        false_pass_decidable=sum(j.decidable for j in passes),
        false_fail=len(fails),
        false_fail_decidable=sum(j.decidable for j in fails),
        open=len(is_open),
        decidable=sum(j.decidable for j in found),
        open_decidable=sum(j.decidable for j in is_open),
        oracle_open=sum(j.oracle_open for j in found if j.decidable),
    )
