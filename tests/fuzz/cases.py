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
    "sweep": (10, 250),
    "figure": (3, 25),
    "reproduce": (15, 150),
    "light": (20, 150),
    "train": (8, 150),
    "claims": (20, 300),
    "verify": (15, 150),
    "documents": (15, 150),
    "records": (3, 30),
    "bibliographies": (20, 300),
    "styles": (10, 100),
    "training files": (6, 120),
    "checkpoints": (3, 40),
    "idx": (25, 300),
    "images": (6, 60),
    "archives": (10, 100),
    "pickles": (25, 200),
    "sequences": (20, 150),
    "caches": (8, 80),
    "orders": (25, 400),
    "assertions": (25, 300),
    "formulas": (25, 300),
    "environments": (20, 200),
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
