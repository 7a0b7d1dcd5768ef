"""Networks of the tests compile fast."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="module", autouse=True)
def _quickly(quickly_compiled: None) -> None:
    """All of them."""
