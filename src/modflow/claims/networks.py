"""Section 6: what the paper says of the figures that it prints in Table 1, and of Figure 4.

It can be checked against the table, and that is evidence of the table alone. Trainings are in
`trainings`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction

import sympy

from ..errors import ModflowError
from ._evidence import About, Evidence, fact
from ._registry import Given, claim

# -- Table 1 as it is printed --------------------------------------------------------------------

ROWS = (("0.0", "0.10"), ("0.3", "0.07"), ("0.5", "0.05"), ("0.8", "0.02"))
"""β and h."""
_PRINTED = {
    ("CIFAR-10", "DN-121"): "84.0±5.0 85.1±5.4 87.6±1.2 88.6±0.7",
    ("CIFAR-10", "RN-18"): "79.7±5.6 78.7±9.3 81.5±0.9 82.4±0.4",
    ("CIFAR-10", "RN-50"): "79.3±2.5 80.0±1.5 80.7±0.7 82.4±0.7",
    ("CIFAR-10", "WRN-16-8"): "65.3±18.1 72.5±7.4 71.8±9.8 75.4±2.8",
    ("CIFAR-100", "DN-121"): "60.4±4.9 60.0±8.6 63.2±2.4 64.7±0.8",
    ("CIFAR-100", "RN-18"): "53.1±0.6 52.7±1.0 53.3±1.1 54.3±0.6",
    ("CIFAR-100", "RN-50"): "47.4±2.1 48.9±2.2 50.3±1.0 49.6±0.7",
    ("CIFAR-100", "WRN-16-8"): "38.6±3.8 37.0±6.1 39.4±3.9 40.6±1.2",
}


@dataclass(frozen=True)
class Column:
    """The entries of one network on one data set, one a row of the table."""

    data: str
    network: str
    accuracy: tuple[Fraction, ...]
    """In percent."""
    deviation: tuple[Fraction, ...]

    @property
    def name(self) -> str:
        """Such as CIFAR-10 RN-18."""
        return f"{self.data} {self.network}"


def _column(key: tuple[str, str], entries: str) -> Column:
    pairs = [entry.split("±") for entry in entries.split()]
    means, deviations = (tuple(Fraction(pair[i]) for pair in pairs) for i in (0, 1))
    return Column(*key, means, deviations)


TABLE = tuple(_column(key, entries) for key, entries in _PRINTED.items())
"""Table 1."""
_TRIALS = 3
"""Seeds that a mean of Table 1 is over; the last 5 epochs of a seed do not count as independent."""


def _row(given: Given) -> int:
    """The row of the β that the statement names; ModflowError where the table has none."""
    wanted = Fraction(str(given.printed("beta")))
    betas = [Fraction(beta) for beta, _ in ROWS]
    if wanted not in betas:
        raise ModflowError(f"Table 1 has no row for beta = {wanted}")
    return betas.index(wanted)


def _names(columns: list[Column]) -> str:
    return ", ".join(column.name for column in columns) or "none"


@claim(
    "table-1-reading-rates",
    source="Section 6, Table 1",
    statement=r"\text{different momentum } \beta \text{ and learning rates } h, \text{ but the same"
    r" effective learning rate } \frac{h}{1-\beta} = 0.1",
    printed={"effective": "h/(1-beta)", "value": "1/10"},
    expected="confirmed",
)
def reading_rates(given: Given) -> Iterator[Evidence]:
    """Exact, from the row labels."""
    for beta, h in ROWS:
        values = {"h": sympy.Rational(h), "beta": sympy.Rational(beta)}
        rate = given.printed("effective").subs(values)
        yield fact(
            f"beta = {beta}, h = {h}",
            bool(sympy.simplify(rate - given.printed("value")) == 0),
            f"effective learning rate {rate}, stated {given.printed('value')}",
        )


@claim(
    "table-1-reading-accuracy",
    source="Section 6",
    statement=r"\text{the maximum test accuracy is almost always achieved at the highest value for"
    r" } \beta",
    printed={"beta": "8/10"},
    expected="confirmed",
)
def reading_accuracy(given: Given) -> Iterator[Evidence]:
    """Read as: in all columns of Table 1 but one."""
    row = _row(given)
    others = [c for c in TABLE if c.accuracy[row] < max(c.accuracy)]
    yield fact(
        f"the highest accuracy of a column stands at beta = {ROWS[row][0]} in all but one",
        len(others) <= 1,
        f"in {len(TABLE) - len(others)} of {len(TABLE)} columns; exceptions: {_names(others)}",
    )
    yield _welch(row)


def _welch(row: int) -> Evidence:
    """In how many columns the gain over β = 0 exceeds what the deviations leave open."""
    gains = []
    for column in TABLE:
        gain = float(column.accuracy[row] - column.accuracy[0])
        spread = math.hypot(float(column.deviation[row]), float(column.deviation[0]))
        gains.append((column.name, gain, spread / math.sqrt(_TRIALS)))
    clear = [name for name, gain, error in gains if abs(gain) > 2 * error]
    shown = "; ".join(f"{name} {gain:+.1f} ± {error:.1f}" for name, gain, error in gains)
    return fact(
        "differences to beta = 0 with their standard errors, if three seeds are what is"
        " independent",
        None,
        f"{shown}: above two standard errors in {len(clear)} of {len(TABLE)} columns"
        f" ({', '.join(clear) or 'none'})",
        about="context",
        data={"gains": [{"column": n, "gain": g, "error": e} for n, g, e in gains]},
    )


@claim(
    "table-1-reading-deviation",
    source="Section 6",
    statement=r"\text{the lowest standard deviation is achieved at the highest value of } \beta",
    printed={"beta": "8/10"},
    expected="confirmed",
)
def reading_deviation(given: Given) -> Iterator[Evidence]:
    """In all columns of Table 1; ties are named."""
    row = _row(given)
    others = [c for c in TABLE if c.deviation[row] > min(c.deviation)]
    yield fact(
        f"the lowest deviation of a column stands at beta = {ROWS[row][0]}",
        not others,
        f"in {len(TABLE) - len(others)} of {len(TABLE)} columns; exceptions: {_names(others)}",
    )
    ties = {
        c.name: [
            ROWS[i][0] for i, d in enumerate(c.deviation) if d == c.deviation[row] and i != row
        ]
        for c in TABLE
    }
    shared = "; ".join(f"{name}: also at beta = {', '.join(b)}" for name, b in ties.items() if b)
    yield fact(
        "in some columns it stands at another beta, too",
        any(ties.values()),
        f"{shared or 'none'}; the deviations are over seeds and epochs together, so that the table"
        " cannot tell how much the accuracy varies from epoch to epoch",
        about="context",
    )


@claim(
    "table-1-reading-outperforms",
    source="Section 8",
    statement=r"\text{(SGD+M) with suitable parameters outperforms (SGD) in almost all settings}",
    printed={"beta": "0"},
    expected="confirmed",
)
def reading_outperforms(given: Given) -> Iterator[Evidence]:
    """Read on Table 1: some β > 0 has a higher mean than the named β, in all columns but one."""
    row = _row(given)
    others = [c for c in TABLE if not any(a > c.accuracy[row] for a in c.accuracy[1:])]
    yield fact(
        f"a higher accuracy than that of beta = {ROWS[row][0]} stands in a row with momentum",
        len(others) <= 1,
        f"in {len(TABLE) - len(others)} of {len(TABLE)} columns; exceptions: {_names(others)}; the"
        " momentum was chosen after the test accuracies were seen",
    )


def _figure_four(
    given: Given, what: str, holds: Callable[[Column, int], bool]
) -> Iterator[Evidence]:
    """The comparison with β = 0 on CIFAR-10, for β from the printed one on and as corrected."""
    least = {"printed": given.printed("beta"), "corrected": given.true("beta")}
    columns = [column for column in TABLE if column.data == "CIFAR-10"]
    abouts: tuple[About, ...] = ("printed", "corrected")
    for about in abouts:
        rows = [
            i for i, (b, _) in enumerate(ROWS) if i and Fraction(b) >= Fraction(str(least[about]))
        ]
        failed = [
            f"{column.network} at beta = {ROWS[i][0]}"
            for i in rows
            for column in columns
            if not holds(column, i)
        ]
        count = len(rows) * len(columns)
        yield fact(
            f"{what} than SGD at every beta >= {float(least[about]):g}, CIFAR-10",
            bool(rows) and not failed,
            f"in {count - len(failed)} of {count} entries of Table 1; exceptions: "
            f"{', '.join(failed) or 'none'}",
            about=about,
        )


@claim(
    "fig-4-reading-accuracy",
    source="Section 6, Figure 4",
    statement=r"\text{(SGD+M) has a higher test accuracy for increasing } \beta \text{ than (SGD)}",
    printed={"beta": "3/10"},
    corrected=r"\text{in the figures of Table 1, (SGD+M) has a higher test accuracy than (SGD) in"
    r" every column of CIFAR-10 for } \beta \geq 0.5, \text{ and the accuracy increases with }"
    r" \beta \text{ in two columns of four}",
    true={"beta": "5/10", "increasing": "2"},
    expected="corrected",
)
def figure_four_accuracy(given: Given) -> Iterator[Evidence]:
    """Read on the columns of CIFAR-10, from the smallest momentum on."""
    yield from _figure_four(
        given, "higher accuracy", lambda column, i: column.accuracy[i] > column.accuracy[0]
    )
    columns = [c for c in TABLE if c.data == "CIFAR-10"]
    rising = [c for c in columns if list(c.accuracy) == sorted(set(c.accuracy))]
    yield fact(
        "columns of CIFAR-10 in which the accuracy increases with beta throughout",
        len(rising) == int(given.true("increasing")),
        f"{len(rising)} of {len(columns)}: {_names(rising)}",
        about="corrected",
    )
    yield fact(
        "the caption names Remark 5.4 for the accuracy and Remark 5.3 for the variance",
        True,
        "Remark 5.3 is about the IGR and Remark 5.4 about the variance: the text of Section 6 has"
        " them the right way round",
        about="context",
    )


@claim(
    "fig-4-reading-variance",
    source="Section 6, Figure 4",
    statement=r"\text{b) Less variance for test accuracy}",
    printed={"beta": "3/10"},
    corrected=r"\text{in the figures of Table 1, (SGD+M) has a smaller standard deviation than"
    r" (SGD) in every column of CIFAR-10 for } \beta \geq 0.5",
    true={"beta": "5/10"},
    expected="corrected",
)
def figure_four_variance(given: Given) -> Iterator[Evidence]:
    """Read on the columns of CIFAR-10, from the smallest momentum on."""
    yield from _figure_four(
        given,
        "smaller standard deviation",
        lambda column, i: column.deviation[i] < column.deviation[0],
    )
