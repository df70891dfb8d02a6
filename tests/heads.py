"""Heads of files whose tiles nobody reads: what opening costs depends on nothing else."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pyproj
from affine import Affine

from virtual_flac.layouts import tiled
from virtual_flac.model.georef import GeoReference
from virtual_flac.model.grid import TileGrid, overview_factors
from virtual_flac.model.index import Band, RasterInfo, TileSizes


def sentinel_head(size: int, tile_size: int) -> tuple[bytes, int]:
    """The head of a square raster with overviews, and its number of tiles."""
    raster = RasterInfo(
        width=size, height=size, dtype=np.dtype("uint16"), nodata=0,
        georef=GeoReference(
            crs_wkt=pyproj.CRS.from_epsg(32633).to_wkt(),
            transform=Affine(10, 0, 600_000, 0, -10, 4_900_020),
        ),
        bands=(Band(description="B04, red", unit="reflectance", scale=1e-4),),
        tags={"": {"AREA_OR_POINT": "Area", "PRODUCT": "S2B_MSIL2A_20260714T081609_N0511_R121"}},
    )  # fmt: skip
    rng = np.random.default_rng(1)
    levels = []
    for factor in (1, *overview_factors(size, size, tile_size)):
        edge = -(-size // factor)
        grid = TileGrid(edge, edge, tile_size, tile_size)
        shape = (1, grid.rows, grid.cols)
        # Of tiles whose compression varies by a factor of three.
        lengths = rng.integers(tile_size**2 // 2, tile_size**2 * 3 // 2, shape).astype(np.uint64)
        crcs = rng.integers(0, 2**32, shape, dtype=np.uint32)
        levels.append(TileSizes(width=edge, height=edge, lengths=lengths, checksums=crcs))
    head = tiled.pack(raster, levels, tile_size=tile_size, interleave="band")
    return head, sum(level.lengths.size for level in levels)


def write_sentinel(path: Path, size: int, tile_size: int) -> int:
    """A file of such a head and of nothing where its tiles should be; gives their number."""
    head, tiles = sentinel_head(size, tile_size)
    path.write_bytes(head)
    os.truncate(path, len(head) + tiles * 2 * tile_size**2)
    return tiles
