"""The memory of an update rule: None, a vector, or a tuple, list or dict of memories."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


def flatten(memory: Any) -> list[Any]:
    """The vectors in a memory, in a fixed order."""
    if memory is None:
        return []
    if isinstance(memory, dict):
        memory = [memory[key] for key in sorted(memory)]
    if isinstance(memory, tuple | list):
        return [slot for part in memory for slot in flatten(part)]
    return [memory]


def unflatten(shape: Any, slots: Iterator[Any]) -> Any:
    """A memory of the same shape with these vectors: the inverse of `flatten`."""
    if shape is None:
        return None
    if isinstance(shape, dict):
        return {key: unflatten(shape[key], slots) for key in sorted(shape)}
    if isinstance(shape, tuple | list):
        parts = [unflatten(part, slots) for part in shape]
        return type(shape)(*parts) if hasattr(shape, "_fields") else type(shape)(parts)
    return next(slots)


def skeleton(memory: Any) -> Any:
    """The memory's shape as a pytree, which may not change from step to step."""
    if memory is None:
        return None
    if isinstance(memory, dict):
        return dict, {key: skeleton(part) for key, part in memory.items()}
    if isinstance(memory, tuple | list):
        return type(memory), [skeleton(part) for part in memory]
    return "vector"
