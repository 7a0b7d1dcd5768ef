"""`python -m modflow`, and the command `modflow`."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress


def main() -> None:
    """Run the command line."""
    # Nothing is lost yet: until the command line listens itself, Ctrl-C just ends the process,
    # without a traceback from the middle of an import.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    from .cli import main as run
    from .console import interrupt

    try:
        run()
    except SystemExit as ended:
        if interrupt.came and isinstance(ended.code, int):
            # All is written and said. XLA, interrupted while it compiled, does not survive the
            # usual way out.
            _leave(ended.code)
        raise


def _leave(status: int) -> None:
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError, OSError, ValueError):
            stream.flush()
    os._exit(status)


if __name__ == "__main__":
    main()
