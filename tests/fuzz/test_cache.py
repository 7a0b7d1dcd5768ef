"""What is kept in MODFLOW_CACHE is damaged: nobody sees other numbers, nor an error."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import strategies as st

from modflow import cache

from .cases import cases
from .mutations import Change, damages
from .shell import Shell

COMMANDS = (
    ("derive", "heavy-ball", "--order", "3", "--json"),
    ("derive", "nesterov", "--order", "3", "--json", "--beta", "1/2"),
    ("derive", "heavy-ball", "--order", "3", "--python", "--limit"),
)
Act = tuple[str, float, float, Change]
ACTS: st.SearchStrategy[list[Act]] = st.lists(
    st.tuples(
        st.sampled_from(["damage", "damage", "exchange", "folder", "remove"]),
        st.floats(0, 1, exclude_max=True),
        st.floats(0, 1, exclude_max=True),
        damages(),
    ),
    min_size=1,
    max_size=4,
)


@cases("caches")
def test_a_damaged_cache(
    count: int,
    explore: Callable[..., None],
    shell: Shell,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    def kept_in(folder: Path) -> None:
        monkeypatch.setenv(cache.VARIABLE, str(folder))

    # JAX, which has begun already in this process, is told nothing of it.
    monkeypatch.setattr(cache, "keep_programs", lambda: None)
    monkeypatch.delenv(cache.VARIABLE, raising=False)
    shell.new_folder()
    sound = [shell(*command) for command in COMMANDS]
    whole = tmp_path / "whole"
    kept_in(whole)
    assert [shell(*command) for command in COMMANDS] == sound

    def check(acts: list[Act]) -> None:
        kept = shell.new_folder() / "kept"
        shutil.copytree(whole, kept)
        kept_in(kept)
        files = sorted(path for path in kept.rglob("*") if path.is_file())
        assert len(files) == 2 * len(COMMANDS)
        for act, one, two, change in acts:
            path, other = (files[int(where * len(files))] for where in (one, two))
            if not path.is_file() or not other.is_file():
                continue
            if act == "damage":
                path.write_bytes(change(path.read_bytes()))
            elif act == "exchange":
                path.write_bytes(other.read_bytes())
            else:
                path.unlink()
                if act == "folder":
                    path.mkdir()
        assert [shell(*command) for command in COMMANDS] == sound

    explore(count, ACTS, check)
