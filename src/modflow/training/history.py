"""What is known of a run when it has ended."""

from __future__ import annotations

import csv
import io
import math
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ..errors import ModflowError, UnknownNameError
from ..grid import is_whole
from .experiment import Run

Row = dict[str, float]

COLUMNS = {
    "step": "k, the number of steps that lie behind",
    "epoch": "passes over the training images",
    "rate": "the step size h of step k",
    "train_loss": "E(x^k), the mean over fixed batches where a batch is not all images",
    "train_accuracy": "the share of training images whose class has the highest score",
    "test_loss": "the mean cross-entropy of the test images",
    "test_accuracy": "the share of test images whose class has the highest score",
    "batch_loss": "the mean of the losses that the steps since the last row saw",
    "gradient_squared": "‖∇E‖²",
    "drift": "(1-β^(k+1))/(1-β) ‖∇E‖, the speed of the flow of order 1",
    "velocity": "‖x^k - x^(k-1)‖/h, the speed of the iterates",
    "regularizer": "h(1+β)/(4(1-β)²) ‖∇E‖², the implicit regularizer beside E/(1-β)",
    "threshold": "2(1+β)/h",
    "sharpness": "the largest eigenvalue of the Hessian of E; sharpness_2, ... the next ones",
    "flow_distance": "‖x^k - x̃(t_k)‖ to the modified flow",
    "flow_length": "‖x^k - x^0‖, for comparison",
    "flow_error": "the integrator's own share of flow_distance, as it estimates it",
}
"""The columns of a run's table, and what they mean. Not all of them are there in each run."""

ALWAYS = (
    *("step", "epoch", "rate", "train_loss", "train_accuracy", "test_loss", "test_accuracy"),
    *("gradient_squared", "drift", "velocity", "regularizer", "threshold"),
)
"""Those of each row."""
FLOW_COLUMNS = ("flow_distance", "flow_length", "flow_error")
"""Those of the modified flow."""
_COLUMN = re.compile("|".join([*COLUMNS, r"sharpness_\d+"]), re.ASCII)


@dataclass
class History:
    """The recorded rows of a run, step 0 first."""

    run: Run
    rows: list[Row] = field(default_factory=list)
    diverged: int | None = None
    """The first step at which the loss is not finite."""

    @property
    def final(self) -> Row:
        """The last row."""
        return self.rows[-1]

    def best(self, column: str = "test_accuracy") -> float:
        """The largest value of a column."""
        return max((row[column] for row in self.rows if column in row), default=math.nan)

    def last(self, count: int, column: str = "test_accuracy") -> list[float]:
        """The values in the last `count` rows; what was before the first step is not among them."""
        trained = [row for row in self.rows if row["step"] > 0]
        return [row[column] for row in trained[-count:] if column in row]

    def latest(self, column: str) -> float:
        """The last value of a column that is not in each row."""
        return next((row[column] for row in reversed(self.rows) if column in row), math.nan)

    def to_dict(self) -> dict[str, Any]:
        """For JSON, which knows no infinity: such numbers are strings. Rows keep every bit."""
        return {
            "h": self.run.h,
            "beta": self.run.beta,
            "seed": self.run.seed,
            "diverged": self.diverged,
            "rows": [
                {name: value if math.isfinite(value) else str(value) for name, value in row.items()}
                for row in self.rows
            ],
        }

    @classmethod
    def from_dict(cls, given: Any) -> History:
        """The inverse of `to_dict`. Raises ModflowError, with what is wrong, for what is none."""
        if not isinstance(given, dict):
            raise ModflowError("it has no rows")
        try:
            run = Run(_number(given["h"]), _number(given["beta"]), given["seed"])
            found, diverged = given["rows"], given["diverged"]
        except KeyError as error:
            raise ModflowError(f"it lacks {error}") from error
        if not isinstance(found, list) or not all(isinstance(row, dict) for row in found):
            raise ModflowError("its rows are no lists of numbers with names")
        rows = [{name: _number(value) for name, value in row.items()} for row in found]
        for row in rows:
            if lacking := [name for name in ALWAYS if name not in row]:
                raise ModflowError(f"a row lacks {lacking[0]}")
            if strange := [name for name in row if not _COLUMN.fullmatch(name)]:
                raise UnknownNameError("column", strange[0], COLUMNS)
        steps = [row["step"] for row in rows]
        if not all(map(is_whole, steps)) or steps != sorted({step for step in steps if step >= 0}):
            raise ModflowError("its steps are no rising whole numbers")
        if diverged is not None and (not is_whole(diverged) or diverged < 0):
            raise ModflowError(f"it diverged at {diverged!r}, which is no step")
        return cls(run, rows, diverged)


def _number(value: Any) -> float:
    """As `to_dict` has it: one that is not finite is a string."""
    if isinstance(value, str) and value in ("nan", "inf", "-inf"):
        return float(value)
    if type(value) in (int, float) and abs(value) <= sys.float_info.max:
        return value
    raise ModflowError(f"{value!r} is no number")


def table(rows: Sequence[dict[str, Any]]) -> str:
    """Rows as CSV, in the order of COLUMNS and then of their first appearance.

    Floats are written so that they are read back bit by bit.
    """
    seen = dict.fromkeys(name for row in rows for name in row)
    names = [name for name in COLUMNS if name in seen]
    names += [name for name in seen if name not in COLUMNS]
    file = io.StringIO()
    writer = csv.DictWriter(file, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return file.getvalue()
