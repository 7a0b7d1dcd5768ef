"""The slow tests together have as many cases as is promised, and each of them is run."""

from __future__ import annotations

import re
from pathlib import Path

from .cases import CASES, PROMISED


def test_there_are_as_many_cases_as_promised() -> None:
    sources = [path.read_text() for path in sorted(Path(__file__).parent.glob("test_*.py"))]
    used = [name for text in sources for name in re.findall(r'^@cases\("(.*)"\)$', text, re.M)]
    assert sorted(used) == sorted(CASES)
    assert sum(many for _, many in CASES.values()) >= PROMISED
