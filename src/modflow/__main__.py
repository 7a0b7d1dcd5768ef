"""`python -m modflow`, and the command `modflow`."""

from __future__ import annotations

import signal


def main() -> None:
    """Run the command line."""
    # Nothing is lost yet: until the command line listens itself, Ctrl-C just ends the process,
    # without a traceback from the middle of an import.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    from .cli import main as run

    run()


if __name__ == "__main__":
    main()
