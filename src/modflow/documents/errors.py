"""What stops a document from being built."""

from __future__ import annotations

from ..errors import ModflowError


class StepError(ModflowError):
    """An equality that a document displays does not hold."""
