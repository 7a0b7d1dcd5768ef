"""What commands have in common: exit statuses, output, Ctrl-C."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout, suppress
from enum import IntEnum
from typing import TYPE_CHECKING

from .errors import ModflowError
from .interrupt import Interrupt

if TYPE_CHECKING:
    from rich.console import RenderableType

_PIPE_WIDTH = 1000


class Status(IntEnum):
    """Exit statuses."""

    HOLDS = 0
    FAILS = 1
    BAD_REQUEST = 2
    INCONCLUSIVE = 3


def show(what: str | RenderableType) -> None:
    """Put it on stdout, at once: where the reader has gone, the rest of the work goes on."""
    if sys.stdout is None:
        return
    if not isinstance(what, str):
        from rich.console import Console

        # Piped output is not cut to a terminal's width; long formulas are cut nowhere.
        console = Console(width=None if sys.stdout.isatty() else _PIPE_WIDTH, highlight=False)
        with console.capture() as captured:
            console.print(what, markup=False, soft_wrap=True, end="")
        what = "\n".join(line.rstrip() for line in captured.get().rstrip().splitlines())
    try:
        print(what, flush=True)
    except OSError as error:
        # Keep Python from trying again, and complaining, when it closes stdout.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):
            raise ModflowError(f"cannot write to stdout: {error.strerror or error}") from error


@contextmanager
def stdout_for_results() -> Iterator[None]:
    """Meanwhile what others print, users' modules and the programs they start, goes to stderr.

    Processes begun meanwhile have it so for good.
    """
    stdout = sys.stdout
    try:
        out, error = stdout.fileno(), sys.stderr.fileno()
        kept = os.dup(out)
    except (AttributeError, OSError, ValueError):  # closed, or no file
        with redirect_stdout(sys.stderr):
            yield
        return
    try:
        stdout.flush()
        os.dup2(error, out)
        with redirect_stdout(sys.stderr):
            yield
    finally:
        with suppress(OSError):
            stdout.flush()  # what was written to sys.__stdout__
        os.dup2(kept, out)
        os.close(kept)


def do_all(jobs: Sequence[Callable[[], None]]) -> None:
    """Print and write the results: what fails of it does not take the rest along."""
    failures = []
    for job in jobs:
        try:
            job()
        except ModflowError as error:
            failures.append(str(error))
    if failures:
        raise ModflowError("; ".join(failures))


def say(message: str) -> None:
    """Put a line on stderr."""
    if sys.stderr is not None:
        print(f"modflow: {message}", file=sys.stderr)


interrupt = Interrupt()
