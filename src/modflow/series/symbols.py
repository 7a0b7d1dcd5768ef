"""The one symbol that every result shares."""

from __future__ import annotations

import sympy

K = sympy.Symbol("k")
"""The step number in every symbolic result; without assumptions, so that it equals what
SymPy makes of the string "k"."""
