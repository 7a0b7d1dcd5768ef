"""The package as a whole: light to import, its public names, its documentation's examples."""

import doctest
import importlib
import pkgutil
import subprocess
import sys

import pytest

import modflow
from modflow import observing

MODULES = [m.name for m in pkgutil.walk_packages(modflow.__path__, "modflow.")]


@pytest.mark.parametrize("name", MODULES)
def test_doctests_show_what_happens(name, monkeypatch):
    monkeypatch.setattr(observing, "_current", [])  # outside of any test
    result = doctest.testmod(
        importlib.import_module(name), optionflags=doctest.NORMALIZE_WHITESPACE
    )
    assert result.failed == 0


def test_some_doctests_exist():
    finder = doctest.DocTestFinder()
    counts = [
        len(t.examples) for name in MODULES for t in finder.find(importlib.import_module(name))
    ]
    assert sum(counts) > 20


def test_importing_modflow_loads_nothing_heavy():
    heavy = [
        "jax",
        "sympy",
        "flint",
        "matplotlib",
        "scipy",
        "sklearn",
        "diffrax",
        "numpy",
        "rich",
        "typer",
    ]
    code = f"import sys, modflow; print([m for m in {heavy} if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


def test_estimate_order_needs_numpy_only():
    code = (
        "import sys, modflow; modflow.estimate_order;"
        "print([m for m in ('jax', 'sympy', 'flint', 'scipy') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


def test_every_public_name_exists():
    for name in modflow.__all__:
        assert getattr(modflow, name) is not None
    assert set(modflow.__all__) <= set(dir(modflow))
    with pytest.raises(AttributeError, match="no attribute 'Hamiltonian'"):
        modflow.Hamiltonian  # noqa: B018
