"""What the pytest plugin adds to the start of pytest in a project that does not use it.

`pytest` on one empty test, with the plugin and with `-p no:modflow`, in turns; other plugins are
switched off where they import what the plugin might (NumPy, JAX). Processor time, which other work
on the machine hardly changes. To be run where modflow is installed from a wheel: pytest looks at
all files of a package that has a plugin. About half a minute.
"""

import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROUNDS = 25
QUIET = ["-q", "-p", "no:cacheprovider", "-p", "no:jaxtyping", "-p", "no:hypothesispytest"]


def seconds(folder, *options):
    command = [sys.executable, "-m", "pytest", *QUIET, *options]
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    assert status == 0
    return used.ru_utime + used.ru_stime


def main():
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "test_nothing.py").write_text("def test_nothing():\n    pass\n")
        kinds = {"without": ["-p", "no:modflow"], "with": []}
        times = {kind: [] for kind in kinds}
        for _ in range(ROUNDS + 1):
            for kind, options in kinds.items():
                times[kind].append(seconds(folder, *options))
    # The first round reads everything from the disk.
    pairs = list(zip(times["with"][1:], times["without"][1:], strict=True))
    added = [a - b for a, b in pairs]
    middle = statistics.median(b for _, b in pairs)
    found = statistics.median(added)
    low, _, high = statistics.quantiles(added, n=4)
    print(f"pytest without it  {1e3 * middle:.0f} ms (median of {ROUNDS})")
    print(
        f"the plugin adds    {1e3 * found:.0f} ms (quartiles {1e3 * low:.0f} to {1e3 * high:.0f})"
    )
    print(f"ratio              {1 + found / middle:.3f}")


if __name__ == "__main__":
    main()
