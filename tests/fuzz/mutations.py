"""Sound files made unsound: bytes that are lost, doubled or turned over, values of another type."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

Change = Callable[[bytes], bytes]


@st.composite
def damages(draw: st.DrawFn) -> Change:
    """What happens to files: a function of their bytes, whatever these are."""
    done = draw(st.lists(_DAMAGE, min_size=1, max_size=3))

    def damaged(content: bytes) -> bytes:
        for act, at, length, new in done:
            start = int(at * len(content))
            end = min(len(content), start + length)
            content = act(content, start, end, new)
        return content

    return damaged


def damaged(content: bytes) -> SearchStrategy[bytes]:
    """The file as it is after some damage."""
    return damages().map(lambda change: change(content))


@st.composite
def perhaps_damaged(draw: st.DrawFn, content: bytes) -> bytes:
    """The file, damaged one time in four."""
    return draw(damaged(content)) if draw(st.integers(0, 3)) == 0 else content


def _flipped(content: bytes, start: int, end: int, new: bytes) -> bytes:
    mask = new[0] if new else 1
    return content[:start] + bytes(b ^ mask for b in content[start:end]) + content[end:]


_ACTS: tuple[Callable[[bytes, int, int, bytes], bytes], ...] = (
    _flipped,
    lambda c, i, j, new: c[:i] + c[j:],
    lambda c, i, j, new: c[:j] + c[i:],
    lambda c, i, j, new: c[:i] + new + c[i:],
    lambda c, i, j, new: c[:i] + new + c[j:],
    lambda c, i, j, new: c[:i],
    lambda c, i, j, new: c[j:] + c[:i],
    lambda c, i, j, new: new,
)
_DAMAGE = st.tuples(
    st.sampled_from(_ACTS), st.floats(0, 1), st.integers(1, 40), st.binary(max_size=12)
)

_STRANGE = (
    *(None, True, False, 0, 1, -1, 2**63, 10**400, 0.5, -0.0, 1e308, float("inf"), float("nan")),
    *("", " ", "nan", "inf", "0.5", "a\nb", "\0", "\ud800", "ü∂", "../x", "x" * 5000, [], {}),
    *([None], [[]], [[[[[[[[]]]]]]]], {"": None}, {"a": {"b": [1, "2", None]}}, ["a", "a"], [0.5]),
)
strange: SearchStrategy[Any] = st.sampled_from(_STRANGE) | st.text(max_size=5) | st.integers()
"""Values of JSON, and of Python's JSON."""


def changed(document: Any) -> SearchStrategy[Any]:
    """The JSON document with values of other types, and entries that are gone or too many."""
    return st.lists(_CHANGE, min_size=1, max_size=3).map(lambda acts: _apply(document, acts))


_CHANGE = st.tuples(
    st.sampled_from(["replace", "replace", "replace", "remove", "double", "rename", "add"]),
    st.floats(0, 1, exclude_max=True),
    strange,
)


@st.composite
def json_changes(draw: st.DrawFn) -> Change:
    """The same for the bytes of any document; those of none stay as they are."""
    acts = draw(st.lists(_CHANGE, min_size=1, max_size=3))

    def edited(content: bytes) -> bytes:
        try:
            document = json.loads(content)
        except ValueError:
            return content
        return json.dumps(_apply(document, acts)).encode()

    return edited


def _apply(document: Any, acts: list[tuple[str, float, Any]]) -> Any:
    root = [copy.deepcopy(document)]
    for act, where, value in acts:
        places = list(_places(root))
        inside, key = places[int(where * len(places))]
        if act == "replace" or inside is root:
            inside[key] = copy.deepcopy(value)
        elif act == "remove":
            del inside[key]
        elif act == "double" and isinstance(inside, list):
            inside.append(copy.deepcopy(inside[key]))
        elif act == "rename" and isinstance(inside, dict):
            inside[key[:-1]] = inside.pop(key)
        elif isinstance(inside, dict):
            inside["new"] = copy.deepcopy(value)
        else:
            inside.insert(key, copy.deepcopy(value))
    return root[0]


def _places(inside: Any) -> Iterator[tuple[Any, Any]]:
    keys = list(inside) if isinstance(inside, dict) else range(len(inside))
    for key in keys:
        yield inside, key
        if isinstance(inside[key], list | dict):
            yield from _places(inside[key])


def json_files(document: Any) -> SearchStrategy[bytes]:
    """Files that were this document once."""
    sound = json.dumps(document).encode()
    return st.one_of(
        changed(document).map(lambda found: json.dumps(found).encode()),
        changed(document).map(lambda found: json.dumps(found).encode()),
        damaged(sound),
        st.sampled_from(
            [b"", b"null", b"[" * 100_000, b"\xff\xfe", b'{"a":1}{}', b"NaN", b"\xef\xbb\xbf{}"]
        ),
    )
