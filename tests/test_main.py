"""How the process ends."""

import subprocess
import sys

import pytest

LEAVES = """
import atexit, signal, sys
from modflow import __main__, cli
from modflow.console import interrupt

def command():
    interrupt.listen()
    if {pressed}:
        try:
            signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt:
            pass
    print("said")
    sys.exit(3)

cli.main = command
atexit.register(print, "the usual way")
__main__.main()
"""


@pytest.mark.parametrize(("pressed", "out"), [(True, "said\n"), (False, "said\nthe usual way\n")])
def test_after_ctrl_c_it_is_left_with_its_status_and_output(pressed, out):
    code = LEAVES.format(pressed=pressed)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (3, out, "")
