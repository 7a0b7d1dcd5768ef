"""How the process ends."""

import signal
import subprocess
import sys

import pytest

LEAVES = """
import atexit, signal, sys
from modflow import __main__, cli
from modflow.console import interrupt

def command():
    interrupt.listen()
    if {sent}:
        try:
            signal.raise_signal({sent})
        except KeyboardInterrupt:
            pass
    print("said")
    sys.exit(3)

cli.main = command
atexit.register(print, "the usual way")
__main__.main()
"""


@pytest.mark.parametrize("sent", [int(signal.SIGINT), int(signal.SIGTERM), 0])
def test_after_ctrl_c_it_is_left_with_its_status_and_output(sent):
    """Or after a scheduler's signal to end."""
    done = subprocess.run(
        [sys.executable, "-c", LEAVES.format(sent=sent)], capture_output=True, text=True
    )
    out = "said\n" if sent else "said\nthe usual way\n"
    assert (done.returncode, done.stdout, done.stderr) == (3, out, "")
