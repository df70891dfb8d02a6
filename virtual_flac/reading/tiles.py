"""Windows of a FLAC raster without Zarr: byte ranges in, checked pixels out."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from obspec_utils.registry import ObjectStoreRegistry
from zarr_flac import TileDecoder, read_tile_info

from ..errors import CorruptFlacError, FlacError, SelectionError
from ..io.file_reader import FileReader
from ..io.stores import registry_for, to_url
from ..io.workers import available_cores
from ..model.grid import AxisPart, Window, split_axis
from ..model.index import TileIndex

#: What a tile's comments say of its true size.
_WIDTH, _HEIGHT = "GEOSPATIAL_WIDTH", "GEOSPATIAL_HEIGHT"


#: Turns stored pixels into what the reader wants: target, pixels, and their positions along the
#: band axis of the result; the first two of equal shape (band, y, x).
Convert = Callable[[npt.NDArray[Any], npt.NDArray[Any], range], None]


class TileReader:
    """Reads windows of the FLAC raster that `index` was read from.

    Tiles are decoded by `pool`, by default by a thread a core for the time of a call.
    """

    def __init__(
        self,
        url: str | os.PathLike[str],
        index: TileIndex,
        registry: ObjectStoreRegistry[Any] | None = None,
        pool: ThreadPoolExecutor | None = None,
    ) -> None:
        self._url = to_url(url)
        self._file = FileReader(self._url, registry or registry_for(self._url), index.version)
        self._index = index
        self._pool = pool
        self._decoders: dict[tuple[int, tuple[int, ...] | None], TileDecoder] = {}

    def _decoder(self, level: int, bands: tuple[int, ...] | None) -> TileDecoder:
        key = level, bands
        if key not in self._decoders:
            self._decoders[key] = TileDecoder(self._index.tile_spec(level, bands))
        return self._decoders[key]

    def read(
        self, window: Window, *, level: int = 0, bands: Sequence[int] | None = None
    ) -> npt.NDArray[Any]:
        """Pixels of a window as they are stored, shape (band, y, x).

        The tiles that the window touches are read and decoded whole: neighbours with one request,
        decoded as they arrive. `bands` are positions from 0, in this order; all by default.

        Raises
        ------
        SourceError
            When the bytes cannot be read, or are no longer those of `index`.
        CorruptFlacError
            When a tile is damaged, or not the one that the index means: its bytes are compared with
            the CRC-32 in the header, where the file has one.
        """
        count = self._index.raster.count if bands is None else len(bands)
        pixels = empty_pixels((count, window.height, window.width), self._index.raster.dtype)
        rows = np.arange(window.row_off, window.row_off + window.height)
        cols = np.arange(window.col_off, window.col_off + window.width)
        self.read_into(pixels, rows, cols, level=level, bands=bands)
        return pixels

    def read_into(
        self,
        out: npt.NDArray[Any],
        rows: npt.NDArray[np.intp],
        cols: npt.NDArray[np.intp],
        *,
        level: int = 0,
        bands: Sequence[int] | None = None,
        convert: Convert | None = None,
    ) -> None:
        """Fill an array with the pixels where `rows` and `cols` meet, in any order.

        Only tiles that hold one are read. `convert` is called from several threads; without it,
        `out` is of the raster's dtype.
        """
        index = self._index
        if out.size == 0:
            return
        chosen = list(range(index.raster.count) if bands is None else bands)
        by_pixel = index.interleave == "pixel"
        grid = index.grid(level)
        decoder = self._decoder(level, tuple(chosen) if by_pixel else None)
        row_parts = split_axis(rows, grid.tile_height)
        col_parts = split_axis(cols, grid.tile_width)
        tiles = [
            _Tile(plane, y, x, range(len(chosen)) if by_pixel else range(position, position + 1))
            for position, plane in enumerate([0] if by_pixel else chosen)
            for y in row_parts
            for x in col_parts
        ]
        where = tuple(np.array([(tile.plane, tile.y.tile, tile.x.tile) for tile in tiles]).T)
        offsets = index.levels[level].offsets[where].tolist()
        lengths = index.levels[level].lengths[where].tolist()
        sums = index.levels[level].checksums
        checksums = [None] * len(tiles) if sums is None else sums[where].tolist()

        def name(number: int) -> str:
            tile = tiles[number]
            return index.tile_name(level, tile.plane, tile.y.tile, tile.x.tile)

        def describe(members: Sequence[int]) -> str:
            first, last = name(members[0]), name(members[-1])
            return first if first == last else f"{first} to {last}"

        def decode(number: int, data: memoryview) -> None:
            tile = tiles[number]
            place = grid.window(tile.y.tile, tile.x.tile)
            try:
                _decode(data, checksums[number], decoder, place, tile, out, convert)
            except FlacError as error:
                raise type(error)(f"{self._url}: {name(number)}: {error}") from error

        with contextlib.ExitStack() as stack:
            pool = self._pool
            if pool is None and len(tiles) > 1:
                workers = min(len(tiles), available_cores())
                pool = stack.enter_context(ThreadPoolExecutor(workers, "virtual-flac-decode"))

            def use(found: dict[int, memoryview]) -> None:
                if pool is None:
                    for number, data in found.items():
                        decode(number, data)
                    return
                jobs = [pool.submit(decode, number, data) for number, data in found.items()]
                for job in jobs:
                    job.result()

            self._file.read_each(offsets, lengths, use, describe)


def empty_pixels(shape: tuple[int, ...], dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    """Memory for pixels.

    Raises
    ------
    SelectionError
        When there is not as much.
    """
    try:
        return np.empty(shape, dtype)
    except (MemoryError, ValueError) as error:  # numpy's own limit is a ValueError
        raise SelectionError(
            f"{' x '.join(map(str, shape))} pixels of {dtype.name} take more memory than there is. "
            "Read a smaller part."
        ) from error


@dataclass(frozen=True, slots=True)
class _Tile:
    """One tile that is to be read: where it is and where its pixels go."""

    plane: int
    y: AxisPart
    x: AxisPart
    bands: range
    """Along the first axis of the result."""


def decode_at(
    data: Any,
    decoder: TileDecoder,
    place: Window,
    out: npt.NDArray[Any] | None = None,
    checksum: int | None = None,
) -> npt.NDArray[Any]:
    """Decode the tile of a level that covers the pixels `place`, at its true size.

    `checksum` is the CRC-32 of its bytes, where it is known.

    Raises
    ------
    CorruptFlacError
        When the tile is damaged, or not the one that belongs there.
    """
    spec = decoder.spec
    assert spec.chunk_shape is not None
    shape = (spec.chunk_shape[0], place.height, place.width)
    if spec.stream is not None:  # a chunk's size tells the codec where it lies in the stream
        if spec.chunk_shape == shape:
            return decoder.decode(data, out, crc32=checksum)
        pixels = decoder.decode(data, crc32=checksum)[:, : place.height, : place.width]
        if out is None:
            return pixels
        out[...] = pixels
        return out
    head = read_tile_info(data)
    size = [head.comments.get(_WIDTH), head.comments.get(_HEIGHT)]
    if size not in ([None, None], [str(place.width), str(place.height)]):
        raise CorruptFlacError(
            f"the tile is {size[0]} x {size[1]} pixels, expected {place.width} x {place.height}"
        )
    return decoder.of_shape(shape).decode(data, out, crc32=checksum)


def _decode(
    data: memoryview,
    checksum: int | None,
    decoder: TileDecoder,
    place: Window,
    wanted: _Tile,
    out: npt.NDArray[Any],
    convert: Convert | None,
) -> None:
    """Decode the tile that lies at `place`, and put the pixels that are wanted into `out`."""
    chunk_shape = decoder.spec.chunk_shape
    assert chunk_shape is not None
    shape = (chunk_shape[0], place.height, place.width)
    y, x, bands = wanted.y, wanted.x, wanted.bands
    target: npt.NDArray[Any] | None = None
    if isinstance(y.out, slice) and isinstance(x.out, slice):
        target = out[bands.start : bands.stop, y.out, x.out]
    whole = isinstance(y.inside, slice) and isinstance(x.inside, slice)
    if target is not None and convert is None and whole and target.shape == shape:
        decode_at(data, decoder, place, target, checksum)
        return
    pixels = decode_at(data, decoder, place, checksum=checksum)[:, y.inside][:, :, x.inside]
    part = np.empty(pixels.shape, out.dtype) if target is None else target
    if convert is None:
        part[...] = pixels
    else:
        convert(part, pixels, bands)
    if target is None:
        out[np.ix_(np.r_[bands], np.r_[y.out], np.r_[x.out])] = part
