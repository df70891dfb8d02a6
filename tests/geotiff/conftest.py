"""A raster that several files of tests read and none changes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from extracts import TILE
from rasters import write_tif

import virtual_flac


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Eight by eight tiles in three bands: the GeoTIFF, and the folder of a FLAC per interleave."""
    folder = tmp_path_factory.mktemp("scene")
    size = 8 * TILE - 10
    data = np.random.default_rng(3).integers(0, 4000, (3, size, size), dtype=np.uint16)
    names = {"descriptions": ("red", "green", "blue")}
    source = write_tif(folder / "scene.tif", data, describe=names, nodata=0)
    for interleave in ("band", "tile", "pixel"):
        virtual_flac.write_flac(
            source, folder / f"{interleave}.flac", tile_size=TILE, interleave=interleave,
            overviews=[2, 4],
        )  # fmt: skip
    return source, folder
