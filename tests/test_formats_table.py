"""The script of the tables of README.md and docs/ runs, and the tables have its columns."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import rasters

ROOT = Path(__file__).parents[1]
SCRIPT = ROOT / "tests" / "benchmarks" / "formats.py"


def test_the_script_and_the_tables(tmp_path: Path) -> None:
    paths = []
    for dtype in ("uint8", "int16", "float32"):
        pixels = rasters.pixels(dtype, 3, 50, 70)
        paths.append(str(rasters.write_tif(tmp_path / f"{dtype}.tif", pixels)))
    command = [sys.executable, str(SCRIPT), *paths, "--tile-size", "32", "--rounds", "1", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    for raster in json.loads(done.stdout)["rasters"]:
        assert raster["shape"] == [3, 50, 70]
        size = 3 * 50 * 70 * np.dtype(raster["dtype"]).itemsize
        for name in ("virtual-flac", "best GeoTIFF", "Zarr zstd", "Zarr Blosc"):
            found = raster["formats"][name]
            assert found["percent"] == pytest.approx(100 * found["bytes"] / size)
        assert raster["formats"]["virtual-flac"]["decode"] > 0
        head = f"| raster | {' | '.join(raster['formats'])} |"
        assert (ROOT / "README.md").read_text("utf-8").count(head) == 1
        assert (ROOT / "docs" / "performance.md").read_text("utf-8").count(head) == 3
