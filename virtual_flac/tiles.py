"""Windows of a FLAC raster: the tiles they touch, their byte ranges in, checked pixels out.

For whoever wants pixels and no Zarr. Knows the source and the codec; must not know rasterio.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
from obspec_utils.registry import ObjectStoreRegistry
from zarr_flac import TileSpec, decode_tile, read_tile_info

from .errors import CorruptFlacError, FlacError
from .grid import Window
from .index import TileIndex
from .source import read_ranges
from .stores import registry_for, to_url

#: What a tile's comments say of its true size.
_WIDTH, _HEIGHT = "GEOSPATIAL_WIDTH", "GEOSPATIAL_HEIGHT"


class TileReader:
    """Reads windows of a FLAC raster.

    Parameters
    ----------
    url : str or path
    index : TileIndex
        Of that file.
    registry : ObjectStoreRegistry, optional
        Stores to read with.
    pool : ThreadPoolExecutor
        Decodes.
    """

    def __init__(
        self,
        url: str | os.PathLike[str],
        index: TileIndex,
        registry: ObjectStoreRegistry[Any] | None,
        pool: ThreadPoolExecutor,
    ) -> None:
        self._url = to_url(url)
        self._registry = registry or registry_for(self._url)
        self._index = index
        self._pool = pool

    def read(
        self, window: Window, *, level: int = 0, bands: Sequence[int] | None = None
    ) -> npt.NDArray[Any]:
        """Pixels of a window as they are stored, shape (band, y, x).

        Reads and decodes the tiles that the window touches, whole.

        Parameters
        ----------
        window : Window
            Inside the level.
        level : int
            0 is the full resolution, 1 the first overview.
        bands : sequence of int, optional
            1-based, in this order; all by default.

        Raises
        ------
        SourceError
            When the bytes cannot be read.
        CorruptFlacError
            When a tile is damaged, or not the one that the index means.
        """
        index = self._index
        chosen = [band - 1 for band in bands or range(1, index.raster.count + 1)]
        pixels = np.empty((len(chosen), window.height, window.width), index.raster.dtype)
        by_pixel = index.interleave == "pixel"
        planes = [0] if by_pixel else chosen
        spec = index.tile_spec(level, chosen if by_pixel else None)
        grid = index.grid(level)
        tiles = [
            (position, plane, row, col)
            for position, plane in enumerate(planes)
            for row, col in grid.tiles_of(window)
        ]
        where = [(plane, row, col) for _, plane, row, col in tiles]
        jobs = []
        for (position, plane, row, col), data in zip(tiles, self._fetch(level, where), strict=True):
            out = pixels if by_pixel else pixels[position : position + 1]
            name = f"{self._url}: level {level}, plane {plane}, tile ({row}, {col})"
            jobs.append(
                self._pool.submit(_decode, data, spec, grid.window(row, col), window, out, name)
            )
        for job in jobs:
            job.result()
        return pixels

    def _fetch(self, level: int, tiles: Sequence[tuple[int, int, int]]) -> list[Any]:
        offsets = [int(self._index.levels[level].offsets[tile]) for tile in tiles]
        lengths = [int(self._index.levels[level].lengths[tile]) for tile in tiles]
        return read_ranges(self._url, offsets, lengths, self._registry)


def _decode(
    data: Any, spec: TileSpec, place: Window, window: Window, out: npt.NDArray[Any], name: str
) -> None:
    """Decode one tile, which lies at `place`, to where it belongs in the pixels of `window`."""
    assert spec.chunk_shape is not None
    shape = (spec.chunk_shape[0], place.height, place.width)
    spec = replace(spec, chunk_shape=shape)
    top, left = place.row_off - window.row_off, place.col_off - window.col_off
    first_row, first_col = max(top, 0), max(left, 0)
    target = out[:, first_row : top + place.height, first_col : left + place.width]
    try:
        head = read_tile_info(memoryview(data))
        size = [head.comments.get(_WIDTH), head.comments.get(_HEIGHT)]
        if size not in ([None, None], [str(place.width), str(place.height)]):
            raise CorruptFlacError(
                f"the tile is {size[0]} x {size[1]} pixels, expected {place.width} x {place.height}"
            )
        if target.shape == shape:
            decode_tile(memoryview(data), spec, target)
        else:
            tile = decode_tile(memoryview(data), spec)
            skip_rows, skip_cols = first_row - top, first_col - left
            target[...] = tile[
                :,
                skip_rows : skip_rows + target.shape[1],
                skip_cols : skip_cols + target.shape[2],
            ]
    except FlacError as error:
        raise type(error)(f"{name}: {error}") from error
