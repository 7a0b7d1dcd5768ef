"""Section 6: what was measured on networks. Figures 2 to 4 and Table 1.

Trainings of the paper's sizes are not run by `modflow verify`, so that what they showed stays
inconclusive. With the results of `modflow reproduce --scale paper` they are decided; those of
smaller scales are context.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

from ._evidence import Evidence, fact
from ._registry import Given, claim
from ._trainings import Difference, Trained, all_of, mean, trained, variances_differ

_ALMOST_ALL = 1
"""So many columns may be exceptions where the paper says "almost always", as in Table 1."""
_COLUMNS = 8
"""Of Table 1."""

Look = Callable[[Sequence[Trained]], Iterator[Evidence]]


def _training(id: str, source: str, statement: str, figure: str, *also: str) -> Callable[..., None]:
    """Register a claim whose evidence is made from the trainings of these figures."""
    command = f"modflow reproduce {figure} --scale paper"

    def register(look: Look) -> None:
        def gather(given: Given) -> Iterator[Evidence]:
            decided = False
            for found in _by_scale(given, (figure, *also)):
                if any(each.diverged for each in found):
                    yield _diverged(found)
                else:
                    yield from look(found)
                decided = decided or found[0].scale == "paper"
            if not decided:
                yield fact(
                    "trainings as in the paper",
                    None,
                    f"not run: `{command}` decides it, and `modflow verify --results` shows that",
                    kind="numeric",
                )

        made = claim(
            id, source=source, statement=statement, expected="inconclusive", command=command
        )
        made(gather)

    return register


def _by_scale(given: Given, figures: Sequence[str]) -> Iterator[list[Trained]]:
    """For each scale, the parts of all these figures, where each of them has some."""
    scales: dict[str, list[list[Trained]]] = {}
    for figure in figures:
        for found in trained(given.results, figure):
            scales.setdefault(found[0].scale, []).append(found)
    for each in scales.values():
        if len(each) == len(figures):
            yield [part for parts in each for part in parts]


def _diverged(found: Sequence[Trained]) -> Evidence:
    lost = [
        history.run.name
        for each in found
        for histories in each.histories.values()
        for history in histories
        if history.diverged is not None
    ]
    text = f"scale {found[0].scale}: no run diverges"
    return fact(text, None, f"diverged: {'; '.join(lost)}", kind="numeric", about=found[0].about)


def _measured(
    found: Trained, text: str, holds: bool | None, detail: str, **data: object
) -> Evidence:
    return fact(
        f"scale {found.scale}, {found.part.column}: {text}",
        holds,
        detail,
        kind="numeric",
        about=found.about,
        data=data,
    )


def _accuracy(found: Trained, h: float, beta: float, printed: float) -> Iterator[Evidence]:
    """Whether the best accuracy is the printed one, as far as seeds tell."""
    if found.part.data != "MNIST":
        return
    best = found.best(h, beta)
    away = Difference.of(best, dict.fromkeys(best, printed))
    # The paper does not say how many steps, nor with which decay: another number refutes nothing.
    yield _measured(
        found,
        f"best test accuracy at h = {h:g}, beta = {beta:g}, less the paper's {printed}",
        True if away.low <= 0 <= away.high else None,
        f"{mean(best):.2f}, difference {away}",
        best=list(best.values()),
    )


@_training(
    "fig-2-accuracy",
    "Section 6, Figure 2",
    r"\text{Test accuracy improves with higher learning rate till } h = 0.2. \text{ For } h = 0.2,"
    r" \text{ the best test-accuracy is achieved at } 95.72\%",
    "fig-2",
)
def _figure_two(all_found: Sequence[Trained]) -> Iterator[Evidence]:
    (found,) = all_found
    rates = sorted(h for h, _ in found.histories)
    rising = [h for h in rates if h <= 0.2]
    gains = [
        Difference.of(found.best(more, 0.0), found.best(less, 0.0))
        for less, more in pairwise(rising)
    ]
    shown = "; ".join(
        f"from {less:g} to {more:g}: {gain}"
        for (less, more), gain in zip(pairwise(rising), gains, strict=True)
    )
    yield _measured(
        found,
        "the best test accuracy grows with h up to 0.2",
        all_of([gain.positive for gain in gains]),
        shown,
    )
    beyond = [Difference.of(found.best(0.2, 0.0), found.best(h, 0.0)) for h in rates if h > 0.2]
    if beyond:
        yield _measured(
            found,
            "and is no better beyond",
            # That no gain can be told is what the sentence says.
            not any(gain.positive is False for gain in beyond),
            "0.2 against larger ones: " + "; ".join(map(str, beyond)),
        )
    yield from _accuracy(found, 0.2, 0.0, 95.72)


@_training(
    "fig-3-accuracy",
    "Section 6, Figure 3",
    r"\text{(GD+M), various values of momentum } \beta: \text{ the best test-accuracy is reported"
    r" to be } 96.22\%",
    "fig-3",
)
def _figure_three(all_found: Sequence[Trained]) -> Iterator[Evidence]:
    (found,) = all_found
    h, beta = max(found.histories, key=lambda key: mean(found.best(*key)))
    yield from _accuracy(found, h, beta, 96.22)


@_training(
    "fig-2-3-comparison",
    "Section 6",
    r"\text{the best performance of GD (across all learning rates) is worse than the best"
    r" performance of (GD+M) (across all } \beta \text{'s)}",
    "fig-3",
    "fig-2",
)
def _comparison(all_found: Sequence[Trained]) -> Iterator[Evidence]:
    momenta, plain = all_found

    def top(of: Trained, momentum: bool) -> tuple[float, float]:
        keys = [key for key in of.histories if bool(key[1]) == momentum]
        return max(keys, key=lambda key: mean(of.best(*key)))

    first, second = top(momenta, True), top(plain, False)
    gain = Difference.of(momenta.best(*first), plain.best(*second))
    yield _measured(
        plain,
        "the best of GD+M is better than the best of GD",
        gain.positive,
        f"h = {first[0]:g}, beta = {first[1]:g} against h = {second[0]:g}, beta = 0: {gain}; the"
        " settings were chosen after the test accuracies were seen",
    )


def _columns(all_found: Sequence[Trained]) -> Iterator[tuple[Trained, list[tuple[float, float]]]]:
    """The columns of Table 1, with their rows in the order of β."""
    for found in all_found:
        yield found, sorted(found.histories, key=lambda key: key[1])


def _votes(
    all_found: Sequence[Trained], text: str, votes: dict[str, bool | None], allowed: int
) -> Evidence:
    """Whether something holds in all columns but so many."""
    told = list(votes.values())
    need = _COLUMNS if all_found[0].scale == "paper" else len(told)
    holds = None
    if told.count(False) > allowed:
        holds = False
    elif told.count(True) >= need - allowed:
        holds = True
    words = {True: "yes", False: "no", None: "cannot be told"}
    return fact(
        f"scale {all_found[0].scale}: {text}",
        holds,
        "; ".join(f"{name}: {words[vote]}" for name, vote in votes.items()),
        kind="numeric",
        about=all_found[0].about,
    )


@_training(
    "fig-4-accuracy",
    "Section 6, Figure 4 and Table 1",
    r"\text{in training, the maximum test accuracy is almost always achieved at the highest value"
    r" for } \beta",
    "table-1",
)
def _figure_four(all_found: Sequence[Trained]) -> Iterator[Evidence]:
    votes = {}
    for found, keys in _columns(all_found):
        *others, highest = keys
        gains = [Difference.of(found.last(*highest), found.last(*key)) for key in others]
        votes[found.part.column] = all_of([gain.positive for gain in gains])
        shown = "; ".join(
            f"beta = {key[1]:g}: {gain}" for key, gain in zip(others, gains, strict=True)
        )
        yield fact(
            f"scale {found.scale}, {found.part.column}: test accuracy at beta = {highest[1]:g} less"
            " that at smaller ones",
            None,
            shown,
            kind="numeric",
            about="context",
        )
    yield _votes(all_found, "the highest test accuracy is at the highest beta", votes, _ALMOST_ALL)


@_training(
    "table-1-deviation",
    "Section 6, Table 1",
    r"\text{in training, the lowest standard deviation is achieved at the highest value of }"
    r" \beta",
    "table-1",
)
def _deviation(all_found: Sequence[Trained]) -> Iterator[Evidence]:
    votes = {}
    for found, keys in _columns(all_found):
        *others, highest = keys
        least = found.within(*highest)
        votes[found.part.column] = all_of(
            [variances_differ(least, found.within(*key)) for key in others]
        )
        shown = "; ".join(f"beta = {key[1]:g}: {found.within(*key)[0] ** 0.5:.2f}" for key in keys)
        yield fact(
            f"scale {found.scale}, {found.part.column}: standard deviation of the test accuracy"
            " from epoch to epoch, within seeds",
            None,
            shown,
            kind="numeric",
            about="context",
        )
    yield _votes(
        all_found,
        "the test accuracy varies least from epoch to epoch at the highest beta",
        votes,
        0,
    )


@_training(
    "sec-6-not-scaled",
    "Section 6",
    r"\text{even in the region where both algorithms are stable, (SGD+M) is still not just a"
    r" scaled version of (SGD)}",
    "table-1",
)
def _not_scaled(all_found: Sequence[Trained]) -> Iterator[Evidence]:
    for found, keys in _columns(all_found):
        first, *_, highest = keys
        gain = Difference.of(found.last(*highest), found.last(*first))
        yield _measured(
            found,
            f"test accuracy at beta = {highest[1]:g} differs from that at 0, at the same"
            " h/(1-beta)",
            # That none can be told is no equality.
            None if gain.positive is None else True,
            f"{gain}",
        )
