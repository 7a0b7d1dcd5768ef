"""What the JSON documents of commands look like: one JSON Schema (draft 2020-12) for each.

Each document says in `schema` which one it follows, as ``modflow.sweep/1``. The number rises where
a key goes or comes to mean something else; keys that are added leave it as it is.
"""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

from ..errors import UnknownNameError

NAMES = ("derive", "sweep", "verify", "figure", "pdf", "train", "reproduce", "info")
"""The commands that have --json."""
VERSION = 1
"""Of all schemas, so far."""


def json_text(name: str, found: Any) -> str:
    """The document of a command, or a list of them, as it is printed."""
    tag = {"schema": f"modflow.{name}/{VERSION}"}
    tagged = [{**tag, **one} for one in found] if isinstance(found, list) else {**tag, **found}
    return json.dumps(tagged, indent=2, allow_nan=False, ensure_ascii=False)


def schema_text(name: str) -> str:
    """The JSON Schema of a command's document; raises UnknownNameError for no such command."""
    if name not in NAMES:
        raise UnknownNameError("command with --json", name, NAMES)
    return (files(__package__) / f"{name}.json").read_text(encoding="utf-8").rstrip("\n")
