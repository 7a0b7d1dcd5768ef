"""Machine-checked documents: prose, and steps whose equations are proved as they are built."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._lazy import loader

if TYPE_CHECKING:
    from .document import Document as Document
    from .errors import StepError as StepError
    from .of_method import document_of as document_of
    from .rules import Identity as Identity
    from .rules import Induction as Induction
    from .rules import Proved as Proved
    from .rules import Rule as Rule
    from .rules import Shown as Shown
    from .rules import Substitution as Substitution
    from .rules import Theorem as Theorem

_HOMES = {
    "document": ["Document"],
    "errors": ["StepError"],
    "of_method": ["document_of"],
    "rules": ["Identity", "Induction", "Proved", "Rule", "Shown", "Substitution", "Theorem"],
}
_HOME = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [*_HOME]

__getattr__ = loader(__name__, _HOME, globals())
