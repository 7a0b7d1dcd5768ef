"""Several losses: update rules whose step k uses the loss of its own batch j(k).

`equations` has the exact coefficients of the flow for a given sequence of batches, `flow` the
same recursion in JAX, `schedules` the sequences, `compare` iterates and flow side by side,
`expectations` means and covariances over the batches drawn.
Names are loaded on first use: the exact part needs no JAX.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._lazy import loader

if TYPE_CHECKING:
    from .compare import BatchSideBySide as BatchSideBySide
    from .compare import compare_batches as compare_batches
    from .compare import compare_flow as compare_flow
    from .equations import BatchField as BatchField
    from .equations import batch_equations as batch_equations
    from .expectations import ExpectedRegularizer as ExpectedRegularizer
    from .expectations import expected_regularizer as expected_regularizer
    from .expectations import force_covariance as force_covariance
    from .flow import BatchFlow as BatchFlow
    from .schedules import BatchSchedule as BatchSchedule

_HOME = {
    "BatchField": "equations",
    "BatchFlow": "flow",
    "BatchSideBySide": "compare",
    "BatchSchedule": "schedules",
    "ExpectedRegularizer": "expectations",
    "batch_equations": "equations",
    "compare_batches": "compare",
    "compare_flow": "compare",
    "expected_regularizer": "expectations",
    "force_covariance": "expectations",
}

__all__ = list(_HOME)


__getattr__ = loader(__name__, _HOME, globals())
