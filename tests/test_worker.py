"""Processes that work for another one."""

import signal
import subprocess
import sys

WORK = "; ".join(
    (
        "import os, time",
        "print('begun', flush=True)",
        "time.sleep(15)",
        "print('done', flush=True)",
        "os._exit(0)",
    )
)
SCRIPT = f"""
from modflow.training.executors import processes
with processes(1) as pool:
    pool.submit(exec, "{WORK}").result()
"""


def test_they_end_with_it_however_it_ends():
    """Left behind, they would write the files of the same command when it is given again."""
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "begun\n"
    process.send_signal(signal.SIGKILL)
    # They have the same stdout, so that its end is theirs.
    out, _ = process.communicate()
    assert out == ""
