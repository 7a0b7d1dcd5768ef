"""Processes that work for another one."""

import signal
import subprocess
import sys
import time

import pytest

from modflow.training.executors import processes

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
with processes(1) as (pool, _):
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


KEEPS = """
import os, time
from pathlib import Path
from modflow.worker import ending_gently

with ending_gently():
    try:
        Path(PATH, "begun").touch()
        time.sleep(60)
    except KeyboardInterrupt:
        Path(PATH, f"kept {os.getpid()}").touch()
        raise
"""


def ended_at_work(path):
    # As text: the other process does not know the modules of tests.
    with processes(1) as (pool, count):
        assert count == 1
        tasks = [pool.submit(exec, KEEPS, {"PATH": str(path)}) for _ in range(2)]
        while not (path / "begun").exists() and not tasks[0].done():
            time.sleep(0.05)
        raise KeyboardInterrupt


def test_what_is_under_way_is_kept(tmp_path):
    """And what would come next is not begun."""
    with pytest.raises(KeyboardInterrupt):
        ended_at_work(tmp_path)
    assert len(list(tmp_path.glob("kept *"))) == 1
