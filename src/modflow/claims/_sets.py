"""Where sets of claims come from: the paper's own, files and folders, installed packages."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

import sympy

from ..errors import ModflowError, UnknownNameError
from ..user_modules import error_line, loading, shown
from ._registry import CLAIMS, Claim, ClaimSet, symbolic

GROUP = "modflow.claims"
"""The group of entry points that packages offer sets of claims in."""


def load_claims(where: str) -> list[ClaimSet]:
    """The sets of claims of a file, a folder of files, or a name.

    A file is a Python module that makes one or more `ClaimSet`; in a folder, so is each NAME.py
    without _ in front that does. A name is that of the paper's own set, ghosh-2023, or that of an
    entry point in the group `modflow.claims`, which is a set or a module that has some. A file or
    folder counts before a name.

    Raises ModflowError where there are none, and for a module that cannot be run, with its own
    error in one line; UnknownNameError for an unknown name.
    """
    path = Path(where)
    if not where.strip():
        raise ModflowError("--claims is empty: give a file, a folder or the name of a set")
    try:
        there = path.exists()
    except (OSError, ValueError):  # a name too long for a path, or with a null character
        there = False
    if there:
        return _of_path(path)
    if path.suffix == ".py" or "/" in where or os.sep in where:
        kind = "file" if path.suffix == ".py" else "file or folder"
        raise ModflowError(f"there is no {kind} {shown(where)}")
    if where == CLAIMS.name:
        return [CLAIMS]
    known = {point.name: point for point in entry_points(group=GROUP)}
    if where not in known:
        raise UnknownNameError("file, folder or set of claims", where, [CLAIMS.name, *known])
    return _of_entry_point(known[where])


def installed_sets() -> list[str]:
    """The names that `load_claims` takes, the paper's own first."""
    return [CLAIMS.name, *sorted({point.name for point in entry_points(group=GROUP)})]


def choose(sets: Sequence[ClaimSet], ids: Sequence[str] = ()) -> list[Claim]:
    """The claims of these ids, each once, or all of these sets.

    Raises UnknownNameError for an id that is in no set, and ModflowError for two claims with one
    id: each set is then to be checked by itself.
    """
    known: dict[str, Claim] = {}
    for one in sets:
        for claim in one.values():
            other = known.setdefault(claim.id, claim)
            if other is not claim:
                assert other.home is not None
                raise ModflowError(
                    f"the claim {claim.id} is in two sets, {other.home.name} and {one.name}: "
                    "check one after the other"
                )
    for name in ids:
        if name not in known:
            raise UnknownNameError("claim", name, known)
    return [known[name] for name in dict.fromkeys(ids)] if ids else list(known.values())


@cache
def sets_at(origin: str) -> dict[str, ClaimSet]:
    """The sets that another process has loaded from there, by name."""
    return {one.name: one for one in load_claims(origin)}


def _of_path(path: Path) -> list[ClaimSet]:
    if path.is_dir():
        files = sorted(p for p in path.glob("*.py") if not p.name.startswith("_"))
        found = [one for file in files for one in _of_file(file)]
        if not found:
            raise ModflowError(
                f"there are no claims in {path}: modules NAME.py, without _ in front, that make "
                "a modflow.claims.ClaimSet"
            )
        return found
    found = _of_file(path)
    if not found:
        raise ModflowError(f"{path} has no claims: it makes no modflow.claims.ClaimSet")
    return found


def _of_file(file: Path) -> list[ClaimSet]:
    if file.suffix != ".py":
        raise ModflowError(f"{file} has no claims: a Python module NAME.py has")
    try:
        with loading(file) as loaded:
            sets = _sets_of(loaded.module, str(file.resolve()), str(file))
            for one in sets:
                one.surroundings = loaded.surroundings
            return sets
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        raise ModflowError(error_line(error, file)) from error


def _of_entry_point(point: EntryPoint) -> list[ClaimSet]:
    try:
        found = point.load()
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        raise ModflowError(
            f"the set of claims {point.name} cannot be loaded from {point.value}: "
            f"{type(error).__name__}: {error}"
        ) from error
    sets = _sets_of(found, point.name, point.value)
    if not sets:
        raise ModflowError(
            f"the set of claims {point.name}: {point.value} is no modflow.claims.ClaimSet, and no "
            "module that has one"
        )
    return sets


def _sets_of(found: Any, origin: str, name: str) -> list[ClaimSet]:
    """A set itself, or those that a module has made, in its order."""
    values = list(vars(found).values()) if isinstance(found, ModuleType) else [found]
    sets = {id(one): one for one in values if isinstance(one, ClaimSet) and one is not CLAIMS}
    names = [one.name for one in sets.values()]
    for one in sets.values():
        if names.count(one.name) > 1:
            raise ModflowError(f"{name}: two sets are called {one.name}: give each its own name")
        if not one:
            raise ModflowError(f"{name}: the set {one.name} has no claims")
        one.origin = origin
        for claim in one.values():
            _check_formulas(claim)
    return list(sets.values())


def _check_formulas(claim: Claim) -> None:
    """Before anything is checked, not in the middle of it."""
    for name, formula in {**claim.printed, **claim.true}.items():
        try:
            symbolic(formula)
        except (sympy.SympifyError, SyntaxError, TypeError, AttributeError) as error:
            raise ModflowError(
                f"the claim {claim.id}: SymPy cannot read the formula {name} = {formula!r}"
            ) from error
