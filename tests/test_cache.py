"""What is kept in a folder is what would be made again, or it is made again."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import sympy

import modflow as mf
from modflow import cache, modified
from modflow.modified import cache_key, modified_equation
from modflow.series import BSeries, ClosedFormRing
from modflow.series.stored import from_text, to_text

beta = sympy.Symbol("beta")
METHODS = [
    mf.HeavyBall(),
    mf.HeavyBall(0.9),
    mf.Nesterov(Fraction(1, 3)),
    mf.QuasiHyperbolicMomentum(),
    mf.AggregatedMomentum((0, Fraction(1, 2), Fraction(1, 4))),
    mf.DampedHeavyBall(),
    mf.tableau("rk4"),
    mf.Adjoint(mf.GradientDescent()),
    mf.Composition((mf.GradientDescent(), mf.HeavyBall())),
    # Names that mean something else to SymPy.
    *(mf.HeavyBall(sympy.Symbol(name)) for name in ("lambda", "2", "x+y", "E", "beta_1^2")),
    # Rates with denominators, and with factors that cancel.
    mf.HeavyBall((1 - beta**2) / ((1 - beta) * (2 + sympy.Symbol("c")))),
]


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A cache, of which JAX is not told in this process."""
    monkeypatch.setenv(cache.VARIABLE, str(tmp_path / "kept"))
    for name in ("DIR", "x"):
        monkeypatch.setenv(f"JAX_COMPILATION_CACHE_{name}", "")
    for name in ("MIN_COMPILE_TIME_SECS", "MIN_ENTRY_SIZE_BYTES"):
        monkeypatch.setenv(f"JAX_PERSISTENT_CACHE_{name}", "0")
    return tmp_path / "kept"


def files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("limit", [False, True])
@pytest.mark.parametrize("method", METHODS, ids=repr)
def test_a_derivation_is_read_back_exactly(
    folder: Path, monkeypatch: pytest.MonkeyPatch, method: mf.Method, limit: bool
) -> None:
    made = modified_equation(method, 4, limit=limit)
    (kept,) = files(folder)
    with monkeypatch.context() as patched:
        # Nothing is derived now.
        patched.setattr(modified, "step_map", None)
        patched.setattr(modified, "limit_map", None)
        found = modified_equation(method, 4, limit=limit)
    assert list(found.field) == list(made.field)
    assert found.coefficients == made.coefficients
    assert found.limit == made.limit
    assert found.at(3) == made.at(3)
    assert found.to_json() == made.to_json()
    assert files(folder) == [kept]
    # It is as good as the one that was made: in its own ring, with what follows from it.
    for tree, b in modified_equation(method.exact(), 4, limit=limit).coefficients.items():
        assert found.residual(tree, b) == 0
        assert found.residual(tree, b + 1) != 0


def test_series_are_stored_without_loss() -> None:
    made = modified_equation(mf.HeavyBall(), 5)
    text = to_text(made.ring, made.field)
    ring, field = from_text(text, made.ring.symbols)
    assert to_text(ring, field) == text
    for tree, b in made.elements():
        assert ring(field[tree]).to_sympy() == b.to_sympy()


def test_rates_are_those_that_were_stored_however_their_ring_counts_factors() -> None:
    c = sympy.Symbol("c")
    made = ClosedFormRing((beta, c), [(1 - beta**2) / ((1 - beta) * (1 + c))])
    series = BSeries({mf.Tree(): made.power(0)}, 1, made(0), 0)
    ring, field = from_text(to_text(made, series), made.symbols)
    assert ring.rates[0].to_sympy() == made.rates[0].to_sympy()
    for step in range(3):
        assert ring(field[mf.Tree()]).at(step).to_sympy() == made.power(0).at(step).to_sympy()


def test_what_differs_is_kept_apart(folder: Path) -> None:
    every = [
        modified_equation(mf.HeavyBall(), 2),
        modified_equation(mf.HeavyBall(), 3),
        modified_equation(mf.HeavyBall(), 2, limit=True),
        modified_equation(mf.HeavyBall(0.5), 2),
        modified_equation(mf.HeavyBall(Fraction(1, 2)), 2),
        modified_equation(mf.HeavyBall(sympy.Symbol("beta", positive=True)), 2),
        modified_equation(mf.Nesterov(), 2),
        modified_equation(mf.GradientDescent(), 2),
    ]
    assert len(files(folder)) == len(every)
    again = modified_equation(mf.HeavyBall(0.5), 2)
    assert again.coefficients == every[3].coefficients != every[4].coefficients
    (symbol,) = (
        modified_equation(mf.HeavyBall(sympy.Symbol("beta", positive=True)), 1)
        .limit[mf.Tree()]
        .free_symbols
    )
    assert symbol.is_positive


class Own(mf.HeavyBall):
    """A rule that may call what nobody sees."""


def test_methods_of_others_are_derived_each_time(folder: Path) -> None:
    for method in (Own(), mf.Composition((mf.HeavyBall(), Own()))):
        assert cache_key(method) is None
        modified_equation(method, 2)
    assert files(folder) == []


def test_without_a_folder_nothing_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    for value in (None, "", "  "):
        monkeypatch.delenv(cache.VARIABLE, raising=False)
        if value is not None:
            monkeypatch.setenv(cache.VARIABLE, value)
        assert cache.folder() is None
        assert cache_key(mf.HeavyBall()) is None


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: b"",
        lambda content: content[:-3],
        lambda content: content + b"x",
        lambda content: content.replace(b"1", b"2"),
        lambda content: b"\xff" + content,
        lambda content: content.partition(b"\n")[2],
    ],
)
def test_damaged_files_are_made_anew(folder: Path, damage: Callable[[bytes], bytes]) -> None:
    made = modified_equation(mf.HeavyBall(), 3).coefficients
    (kept,) = files(folder)
    good = kept.read_bytes()
    kept.write_bytes(damage(good))
    assert modified_equation(mf.HeavyBall(), 3).coefficients == made
    assert kept.read_bytes() == good


def test_other_code_finds_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    modified_equation(mf.HeavyBall(), 2)
    monkeypatch.setattr(cache, "_code", lambda: "another version")
    modified_equation(mf.HeavyBall(), 2)
    assert len(files(folder)) == 2


def test_texts_of_derive_are_the_same(folder: Path, run: Callable[..., Any]) -> None:
    for arguments in (
        ["--json"],
        ["--latex"],
        ["--python", "--beta", "0.5"],
        ["--json", "--step", "2"],
    ):
        command = ["derive", "heavy-ball", "--order", "3", *arguments]
        before, again = run(*command), run(*command)
        assert again == before
        assert before.status == 0
    assert len(list((folder / "texts").iterdir())) == 4
    assert run("derive", "heavy-ball", "--order", "3").status == 0


def test_a_folder_that_cannot_be_is_refused(
    refused: Callable[..., str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv(cache.VARIABLE, str(tmp_path / "file"))
    assert f"MODFLOW_CACHE={tmp_path / 'file'}: File exists" in refused("derive", "heavy-ball")


def test_a_relative_folder_stays_where_it_was_first_used(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(cache.VARIABLE, "kept/here")
    assert cache.folder() == tmp_path / "kept/here"
    monkeypatch.chdir("elsewhere")
    assert cache.folder() == tmp_path / "kept/here"
    # So it is for processes that this one starts.
    assert os.environ[cache.VARIABLE] == str(tmp_path / "kept/here")


def test_a_folder_may_be_in_the_users_home(
    refused: Callable[..., str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(cache.VARIABLE, "~/kept")
    modified_equation(mf.HeavyBall(), 2)
    assert files(tmp_path / "kept")
    monkeypatch.setenv(cache.VARIABLE, "~nobody-of-that-name/kept")
    assert "~nobody-of-that-name/kept: there is no such user" in refused("derive", "heavy-ball")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["kept"]


def test_another_entry_in_the_place_of_one_is_damage(folder: Path) -> None:
    two = modified_equation(mf.HeavyBall(), 2)
    (first,) = files(folder)
    three = modified_equation(mf.HeavyBall(), 3)
    (second,) = set(files(folder)) - {first}
    first.write_bytes(second.read_bytes())
    assert modified_equation(mf.HeavyBall(), 2).coefficients == two.coefficients
    second.unlink()
    first.rename(second)
    assert modified_equation(mf.HeavyBall(), 3).coefficients == three.coefficients


def test_a_full_disk_costs_time_only(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, content: bytes) -> None:
        raise mf.ModflowError("cannot write: No space left on device")

    monkeypatch.setattr(cache, "write_atomically", full)
    assert modified_equation(mf.HeavyBall(), 2).limit[mf.Tree()] == 1 / (1 - beta)
    assert files(folder) == []


def test_programs_are_kept_for_other_processes(tmp_path: Path) -> None:
    environment = {**os.environ, cache.VARIABLE: str(tmp_path)}
    for name in [name for name in environment if name.startswith("JAX_")]:
        del environment[name]
    command = [
        sys.executable,
        "-m",
        "modflow",
        "sweep",
        "--order",
        "1",
        "--h",
        "2^-6:2^-10",
        "--json",
    ]

    def sweep() -> str:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode in (0, 3), done.stderr
        return done.stdout

    first = sweep()
    programs = files(tmp_path / "programs")
    assert programs
    assert sweep() == first
    assert files(tmp_path / "programs") == programs
    # Damaged ones are compiled again; the numbers stay.
    for path in programs:
        path.write_bytes(b"damaged")
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.stdout == first
