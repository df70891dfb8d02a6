"""Tiles of a FLAC raster to blocks of pixels: byte ranges in, checked pixels out.

Knows the source and the codec; must not know rasterio.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt
from obspec_utils.registry import ObjectStoreRegistry
from zarr_flac import TileSpec, decode_tile, read_tile_info

from ..errors import CorruptFlacError, FlacError
from ..grid import Window
from ..index import TileIndex
from ..source import read_ranges
from ..stores import registry_for, to_url
from .blocks import Piece

#: What a tile's comments say of its true size.
_WIDTH, _HEIGHT = "GEOSPATIAL_WIDTH", "GEOSPATIAL_HEIGHT"


class TileReader:
    """Reads blocks of pixels of a FLAC raster.

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

    def read(self, level: int, planes: Sequence[int], piece: Piece) -> npt.NDArray[Any]:
        """Pixels of some tiles, shape (band, y, x).

        Parameters
        ----------
        level : int
        planes : sequence of int
            0-based; the bands, or only 0 where these are interleaved by pixel.
        piece : Piece
            Which tiles.

        Raises
        ------
        SourceError
            When the bytes cannot be read.
        CorruptFlacError
            When a tile is damaged, or not the one that the index means.
        """
        index = self._index
        bands = index.chunk_shape(0)[0]
        _, _, width, height = piece.window
        pixels = np.empty((bands * len(planes), height, width), index.raster.dtype)
        grid = index.levels[level].grid(index.tile_size)
        tiles = [
            (position, plane, row, col)
            for position, plane in enumerate(planes)
            for row in range(piece.row, piece.row - (-height // index.tile_size))
            for col in range(piece.col, piece.col - (-width // index.tile_size))
        ]
        where = [(plane, row, col) for _, plane, row, col in tiles]
        jobs = []
        for (position, plane, row, col), data in zip(tiles, self._fetch(level, where), strict=True):
            window = grid.window(row, col)
            top, left = window.row_off - piece.window.row_off, window.col_off - piece.window.col_off
            out = pixels[
                bands * position : bands * (position + 1),
                top : top + window.height,
                left : left + window.width,
            ]
            name = f"{self._url}: level {level}, plane {plane}, tile ({row}, {col})"
            jobs.append(self._pool.submit(self._decode, data, window, out, name))
        for job in jobs:
            job.result()
        return pixels

    def _fetch(self, level: int, tiles: Sequence[tuple[int, int, int]]) -> list[Any]:
        offsets = [int(self._index.levels[level].offsets[tile]) for tile in tiles]
        lengths = [int(self._index.levels[level].lengths[tile]) for tile in tiles]
        return read_ranges(self._url, offsets, lengths, self._registry)

    def _decode(self, data: Any, window: Window, out: npt.NDArray[Any], name: str) -> None:
        index = self._index
        shape = (index.chunk_shape(0)[0], window.height, window.width)
        spec = TileSpec(
            chunk_shape=shape,
            dtype=index.raster.dtype,
            channels=shape[0],
            mapping=index.mapping,
        )
        try:
            head = read_tile_info(memoryview(data))
            size = [head.comments.get(_WIDTH), head.comments.get(_HEIGHT)]
            if size not in ([None, None], [str(window.width), str(window.height)]):
                raise CorruptFlacError(
                    f"the tile is {size[0]} x {size[1]} pixels, expected {window.width} x "
                    f"{window.height}"
                )
            decode_tile(memoryview(data), spec, out)
        except FlacError as error:
            raise type(error)(f"{name}: {error}") from error
