"""Writing: write_flac against flac-raster and GDAL's COG, each in a process of its own."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import harness
import numpy as np
import rasterio
import xarray as xr

SIZE = 6144
ROUNDS = 3
#: Everyone starts up and imports; what that takes is measured on a raster this small.
SMALL = 64

OURS = """
import sys, virtual_flac
virtual_flac.write_flac(sys.argv[1], sys.argv[2], tile_size=1024, overviews="none")
"""
COG = """
import sys, rasterio.shutil
rasterio.shutil.copy(
    sys.argv[1], sys.argv[2], driver="COG", COMPRESS="ZSTD", PREDICTOR="YES", BLOCKSIZE=1024,
    OVERVIEWS="NONE", NUM_THREADS="ALL_CPUS",
)
"""
#: Starts the writer from a small process: the peak of a child counts what its parent held when it
#: started.
LAUNCHER = """
import os, subprocess, sys
process = subprocess.Popen(sys.argv[1:])
_, status, usage = os.wait4(process.pid, 0)
process.returncode = os.waitstatus_to_exitcode(status)
print(usage.ru_utime + usage.ru_stime, usage.ru_maxrss, file=sys.stderr)
sys.exit(process.returncode)
"""
BASE = "write_flac"


@dataclass(frozen=True)
class Run:
    """What one process took."""

    cpu: float
    wall: float
    memory: int
    """Peak resident set in bytes."""


def test_write() -> None:
    with TemporaryDirectory() as scratch:
        folder = Path(scratch)
        values = harness.sentinel_like(SIZE)
        harness.write_tif(folder / "large.tif", values, tiled=True)
        harness.write_tif(folder / "small.tif", values[:SMALL, :SMALL])
        commands = writers()
        runs: dict[str, list[Run]] = {name: [] for name in commands}
        start: dict[str, list[Run]] = {name: [] for name in commands}
        for _ in range(ROUNDS):
            for name, (command, suffix) in commands.items():
                start[name].append(run(command, folder / "small.tif", folder / f"little{suffix}"))
                runs[name].append(run(command, folder / "large.tif", folder / f"{name}{suffix}"))
        for name, (_, suffix) in commands.items():
            check(folder / f"{name}{suffix}", values)
        sizes = {
            name: (folder / f"{name}{suffix}").stat().st_size
            for name, (_, suffix) in commands.items()
        }
    print_runs(runs, start, sizes)


def writers() -> dict[str, tuple[list[str], str]]:
    """Command and suffix of each; source and target follow the command."""
    commands = {
        BASE: ([sys.executable, "-c", OURS], ".flac"),
        "COG ZSTD": ([sys.executable, "-c", COG], ".tif"),
    }
    script = shutil.which("flac-raster", path=str(Path(sys.executable).parent))
    if script is None:
        print("\nskipped: flac-raster is not installed")
    else:
        commands["flac-raster"] = ([script, "create-streaming", "--tile-size", "1024"], ".flac")
    return commands


def run(command: list[str], source: Path, target: Path) -> Run:
    target.unlink(missing_ok=True)
    output = ["-o", str(target)] if "create-streaming" in command else [str(target)]
    begin = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", LAUNCHER, *command, str(source), *output],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    wall = time.perf_counter() - begin
    assert done.returncode == 0, done.stdout + done.stderr
    cpu, memory = done.stderr.splitlines()[-1].split()
    # Linux counts kibibytes, macOS bytes.
    return Run(float(cpu), wall, int(memory) * (1 if sys.platform == "darwin" else 1024))


def check(path: Path, values: Any) -> None:
    if path.suffix == ".flac":
        with xr.open_dataset(path, engine="flac", mask_and_scale=False) as dataset:
            np.testing.assert_array_equal(dataset["band_data"][0], values)
    else:
        with rasterio.open(path) as source:
            np.testing.assert_array_equal(source.read(1), values)


def print_runs(
    runs: dict[str, list[Run]], start: dict[str, list[Run]], sizes: dict[str, int]
) -> None:
    def middle(found: list[Run], what: str) -> float:
        return float(np.median([getattr(run, what) for run in found]))

    pixels = SIZE * SIZE
    cpu = {name: middle(runs[name], "cpu") - middle(start[name], "cpu") for name in runs}
    rows = [
        [
            name,
            f"{1e6 * cpu[name] / pixels:.4f}",
            f"{pixels / cpu[name] / 1e6:.1f}",
            f"{cpu[name] / cpu[BASE]:.2f}",
            f"{middle(runs[name], 'wall') - middle(start[name], 'wall'):.2f}",
            f"{8 * sizes[name] / pixels:.2f}",
            f"{middle(runs[name], 'memory') / 1e6:.0f}",
            f"{middle(start[name], 'memory') / 1e6:.0f}",
        ]
        for name in runs
    ]
    harness.print_table(
        f"Writing uint16, {SIZE} x {SIZE}, no overviews, median of {ROUNDS} in turns, start-up "
        "taken off the times",
        ["writer", "CPU s/Mpx", "Mpx/CPU s", f"CPU to {BASE}", "wall s", "bits/px", "peak MB",
         "MB at start"],
        rows,
    )  # fmt: skip


if __name__ == "__main__":
    test_write()
