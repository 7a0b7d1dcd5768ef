"""The time that a PDF bears: SOURCE_DATE_EPOCH, so that the same input has the same bytes."""

from __future__ import annotations

import os
from datetime import UTC, datetime

from ..errors import ModflowError


def build_time() -> int:
    """Seconds since 1970; 0 where SOURCE_DATE_EPOCH is not set.

    Raises ModflowError where that is no number of seconds, or no time that a calendar has.
    """
    text = os.environ.get("SOURCE_DATE_EPOCH") or "0"
    try:
        seconds = int(text)
    except ValueError as error:
        raise ModflowError(
            f"SOURCE_DATE_EPOCH has to be a number of seconds; got {text!r}"
        ) from error
    try:
        datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError) as error:
        where = "beyond the year 9999" if seconds > 0 else "before the year 1"
        raise ModflowError(
            f"SOURCE_DATE_EPOCH is a time {where}, in seconds since 1970; got {text!r}"
        ) from error
    return seconds
