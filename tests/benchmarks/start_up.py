"""How long commands take to start: `python tests/benchmarks/start_up.py`.

Prints seconds of processor time (user and system), which other programs disturb less than the
clock, and those of the clock; the best of several runs. Python without any import comes first.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import virtual_flac
from virtual_flac.demo import make_dem

RUNS = 7
_MAIN = "from virtual_flac.cli import main; main()"


def measure(words: Sequence[str]) -> tuple[float, float]:
    """Processor and clock time of the fastest run of a program."""
    found = []
    for _ in range(RUNS):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        start = time.perf_counter()
        subprocess.run(words, stdout=subprocess.DEVNULL, check=True)
        clock = time.perf_counter() - start
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        found.append((after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime, clock))
    return min(found)


def main() -> None:
    """Print a line for each command."""
    with tempfile.TemporaryDirectory() as folder:
        tif, flac = Path(folder) / "dem.tif", Path(folder) / "dem.flac"
        make_dem(tif)
        virtual_flac.write_flac(tif, flac, tile_size=128)
        commands = {
            "python": [sys.executable, "-c", "pass"],
            "import numpy": [sys.executable, "-c", "import numpy"],
            "--help": [sys.executable, "-c", _MAIN, "--help"],
            "info FILE": [sys.executable, "-c", _MAIN, "info", str(flac)],
            "spatial-info FILE": [sys.executable, "-c", _MAIN, "spatial-info", str(flac)],
            "verify FILE": [sys.executable, "-c", _MAIN, "verify", str(flac)],
        }
        for name, words in commands.items():
            cpu, clock = measure(words)
            print(f"{name:20} {cpu:.2f} s of processor time, {clock:.2f} s")


if __name__ == "__main__":
    main()
