"""The time that a PDF bears: SOURCE_DATE_EPOCH, so that the same input has the same bytes."""

from __future__ import annotations

import os
from datetime import UTC, datetime

from ..errors import ModflowError


def build_time() -> int:
    """Seconds since 1970; 0 where SOURCE_DATE_EPOCH is not set.

    Raises ModflowError where that is no number of seconds.
    """
    text = os.environ.get("SOURCE_DATE_EPOCH") or "0"
    try:
        seconds = int(text)
        datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise ModflowError(
            f"SOURCE_DATE_EPOCH has to be a number of seconds; got {text!r}"
        ) from error
    return seconds
