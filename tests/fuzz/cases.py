"""How many cases each test runs: a few always, and two thousand altogether with `-m slow`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.strategies import SearchStrategy

CASES = {
    # Each test by its name: (always, slow).
    "derive": (20, 250),
    "sweep": (15, 250),
    "figure": (4, 40),
    "reproduce": (15, 150),
    "light": (20, 150),
    "train": (12, 200),
    "claims": (20, 300),
    "verify": (15, 150),
    "documents": (15, 150),
    "records": (4, 40),
    "bibliographies": (20, 300),
    "styles": (10, 100),
    "training files": (10, 250),
    "checkpoints": (4, 60),
}
PROMISED = 2000
"""Cases of the slow tests together, at least."""


def cases(name: str) -> Any:
    """The test is run twice, with the argument `count`: quickly, and slowly."""
    few, many = CASES[name]
    return pytest.mark.parametrize(
        "count",
        [pytest.param(few, id="quick"), pytest.param(many, id="slow", marks=pytest.mark.slow)],
    )


def explored(count: int, strategy: SearchStrategy[Any], check: Callable[[Any], None]) -> int:
    """Check so many cases, the same ones each time; how many there were."""
    ran = 0

    @settings(
        max_examples=count,
        derandomize=True,
        deadline=None,
        database=None,
        # Some cases compile; and a fixture that is made once makes each case a folder of its own.
        suppress_health_check=list(HealthCheck),
        phases=(Phase.explicit, Phase.generate, Phase.shrink),
    )
    @given(strategy)
    def each(case: Any) -> None:
        nonlocal ran
        ran += 1
        check(case)

    each()
    assert ran >= count, f"there are only {ran} cases of {count}"
    return ran
