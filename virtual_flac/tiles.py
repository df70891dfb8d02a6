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
from .fetch import FileReader, FileVersion
from .grid import Window
from .index import TileIndex
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
        version = FileVersion(index.file_size, index.etag, index.last_modified)
        self._file = FileReader(self._url, registry or registry_for(self._url), version)
        self._index = index
        self._pool = pool

    def read(
        self, window: Window, *, level: int = 0, bands: Sequence[int] | None = None
    ) -> npt.NDArray[Any]:
        """Pixels of a window as they are stored, shape (band, y, x).

        Reads and decodes the tiles that the window touches, whole: neighbours with one request,
        decoded as they arrive.

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
            When the bytes cannot be read, or are no longer those of `index`.
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
        places = [(plane, row, col) for _, plane, row, col in tiles]
        offsets = [int(index.levels[level].offsets[place]) for place in places]
        lengths = [int(index.levels[level].lengths[place]) for place in places]

        def decode(found: dict[int, memoryview]) -> None:
            jobs = []
            for number, data in found.items():
                position, _, row, col = tiles[number]
                out = pixels if by_pixel else pixels[position : position + 1]
                name = f"{self._url}: {index.tile_name(level, *places[number])}"
                place = grid.window(row, col)
                jobs.append(self._pool.submit(_decode, data, spec, place, window, out, name))
            for job in jobs:
                job.result()

        def describe(members: Sequence[int]) -> str:
            names = [index.tile_name(level, *places[number]) for number in members]
            return names[0] if len(names) == 1 else f"{names[0]} to {names[-1]}"

        self._file.for_each(offsets, lengths, decode, describe)
        return pixels


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
