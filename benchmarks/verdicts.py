"""How often verdicts on orders are wrong or open, beside plain rules, on studies of known truth.

    python benchmarks/verdicts.py [SYNTHETIC] [--flows N] [--seed S] [--no-real]

Synthetic studies are made from formulas, real ones by numerical methods whose order is proven,
and flows by modflow. What is true, and whether the data could tell, is settled before any rule sees
them: `verdict_studies/study.py` says how. About five minutes; with `200 --flows 0 --no-real` some
seconds.
"""

import argparse

import numpy as np
from verdict_studies import flows
from verdict_studies.collected import real
from verdict_studies.rules import RULES, VERDICTS
from verdict_studies.study import OFFSETS, slopes_of
from verdict_studies.synthetic import synthetic
from verdict_studies.tally import judged, rates


def share(part, whole):
    return f"{part}/{whole}" + (f" {part / whole:.1%}" if whole else "")


def print_table(head, rows):
    widths = [max(len(str(row[i])) for row in (head, *rows)) for i in range(len(head))]
    for row in (head, *rows):
        first, *rest = (str(cell) for cell in row)
        cells = (cell.rjust(width) for cell, width in zip(rest, widths[1:], strict=True))
        print("  ".join((first.ljust(widths[0]), *cells)))
    print()


def print_kinds(found, rule="modflow"):
    """One line a kind. In brackets, those where the data could decide; `could decide` has the
    inconclusive ones among these, `oracle` what it would leave open if it erred in one of 10^4.
    """
    groups = {kind: [j for j in found if j.study.kind == kind] for kind in
              dict.fromkeys(j.study.kind for j in found)}  # fmt: skip
    rows = []
    for kind, group in (*groups.items(), ("all", found)):
        r, studies = rates(group, rule), len({id(j.study) for j in group})
        rows.append(
            (
                kind,
                studies,
                f"{share(r.false_pass, r.wrong)} ({r.false_pass_decidable})",
                f"{share(r.false_fail, r.right)} ({r.false_fail_decidable})",
                share(r.open, r.claims),
                share(r.open_decidable, r.decidable),
                f"{r.oracle_open / r.decidable:.1%}" if r.decidable else "",
            )
        )
    head = (
        "modflow",
        "studies",
        "false pass",
        "false fail",
        "inconclusive",
        "could decide",
        "oracle",
    )
    print_table(head, rows)


def print_rules(found):
    rows = []
    for rule in RULES:
        r = rates(found, rule)
        low = r.false_pass - r.false_pass_too_high
        rows.append(
            (
                rule,
                f"{share(r.false_pass, r.wrong)} ({r.false_pass_decidable})",
                r.false_pass_too_high,
                low,
                f"{share(r.false_fail, r.right)} ({r.false_fail_decidable})",
            )
        )
    print_table(("rule", "false pass", "too high", "too low", "false fail"), rows)


def print_offsets(found):
    """modflow's verdicts by how far the claim is from the order."""
    rows = []
    for offset in (*OFFSETS, None):
        group = [j for j in found if (j.offset if j.offset in OFFSETS else None) == offset]
        counts = [sum(j.verdicts["modflow"] == v for j in group) for v in VERDICTS]
        rows.append(("other" if offset is None else f"{offset:+g}", *counts))
    print_table(("claim - order", *VERDICTS), rows)


def print_wrong(found, rule="modflow"):
    for j in found:
        false = j.is_false_pass(rule), j.is_false_fail(rule)
        if any(false):
            s = j.study
            print(
                f"false {'pass' if false[0] else 'fail'} of {j.claim:.4g}, order {s.order:.4g}"
                f"{' with a logarithm' if s.log else ''}"
                f" ({'the data could decide' if j.decidable else 'the data could not decide'}):"
                f" {s.kind}, {s.name}; slopes {np.round(slopes_of(s.steps, s.errors), 2)}"
            )
    print()


def report(title, studies):
    found = list(judged(studies))
    if found:
        print(f"== {title}\n")
        print_kinds(found)
        print_rules(found)
        print_offsets(found)
        print_wrong(found)
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("synthetic", type=int, nargs="?", default=2000)
    parser.add_argument("--flows", type=int, default=100)
    parser.add_argument("--seed", type=int, default=2025)
    parser.add_argument("--no-real", action="store_true")
    chosen = parser.parse_args()
    made = (synthetic(i, chosen.seed) for i in range(chosen.synthetic))
    found = report("synthetic studies", made)
    found += report("numerical methods", () if chosen.no_real else real(chosen.seed))
    found += report("flows of heavy ball and Nesterov", flows.studies(chosen.flows, chosen.seed))
    print("== all together\n")
    print_kinds(found)
    print_rules(found)


if __name__ == "__main__":
    main()
