"""All documents that come with modflow, beside the audit alone, which is one of them.

Claims: all ten take at most 1.3 times as long as `modflow verify`, and when nothing has changed,
at most a tenth of that.
"""

import subprocess
import sys
import tempfile
import time


def seconds(*arguments: str) -> float:
    """Of one run of the command line, with all processors."""
    begin = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "modflow", *arguments],
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    return time.perf_counter() - begin


with tempfile.TemporaryDirectory() as folder:
    audit = seconds("verify")
    built = seconds("pdf", "--out", folder)
    current = seconds("pdf", "--out", folder)
print(f"audit {audit:.1f} s   ten documents {built:.1f} s   nothing changed {current:.2f} s")
print(f"ratio {built / audit:.2f}   (claim: at most 1.3)")
print(f"ratio {current / audit:.3f}   (claim: at most 0.1)")
