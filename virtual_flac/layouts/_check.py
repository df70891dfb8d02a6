"""Checks of a header's tiles against the file: bounds, overlaps, sizes."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..errors import LayoutError
from ..model.grid import TileGrid
from ..model.index import TileIndex

#: FLAC frames hold at most 65,535 samples and take at least 10 bytes (RFC 9639, section 9), so
#: no stream of n bytes holds more samples per channel than this times n.
MAX_SAMPLES_PER_BYTE = 65_535 / 10


OWN_LAYOUT = "virtual-flac"
#: The signature, STREAMINFO and one frame: no FLAC stream is shorter.
MIN_TILE_BYTES = 4 + 38 + 10
#: Tiles of which a header may say less than a byte each. Nearly all say more than eight.
FREE_TILES = 1 << 19
#: Bytes of the pixels of one tile, which is read and decoded whole. Files of ours have no larger
#: one: 16,384 x 16,384 pixels of 32 bytes.
MAX_TILE_BYTES = 1 << 33


def check_tile_count(count: int, *, data_offset: int, file_size: int) -> None:
    """Refuse more tiles than the file can hold, before memory is taken for them.

    Raises
    ------
    LayoutError
        When they would not fit behind the header of `data_offset` bytes, or the header is much too
        short for them.
    """
    room = max(file_size - data_offset, 0)
    if count * MIN_TILE_BYTES > room:
        raise LayoutError(
            f"the index says that there are {count} tiles, but only {room} bytes follow it; a "
            f"tile has at least {MIN_TILE_BYTES}"
        )
    if count > FREE_TILES + data_offset:
        raise LayoutError(
            f"the index says that there are {count} tiles; its {data_offset} bytes are too few"
        )


def check_tiles(index: TileIndex, *, data_offset: int, file_size: int) -> None:
    """Refuse an index whose tiles cannot be as it says.

    Raises
    ------
    LayoutError
        When tiles lie outside the file, overlap each other (other than by the frames of one
        stream that they share), are shorter than any, or are too short for their pixels in row
        order, which is that of other layouts.
    """
    offsets = np.concatenate([level.offsets.ravel() for level in index.levels])
    lengths = np.concatenate([level.lengths.ravel() for level in index.levels])
    ends = offsets + lengths
    if offsets.min() < data_offset:
        raise LayoutError(
            f"a tile begins at byte {offsets.min()}, inside the header of {data_offset} bytes"
        )
    if (ends < offsets).any():
        raise LayoutError("a tile's offset and length overflow 64 bits")
    if lengths.min() < MIN_TILE_BYTES and index.layout == OWN_LAYOUT:
        raise LayoutError(
            f"a tile has {lengths.min()} bytes; no FLAC stream has fewer than {MIN_TILE_BYTES}"
        )
    if ends.max() > file_size:
        raise LayoutError(
            f"the tiles end at byte {ends.max()}, but the file has {file_size} bytes: it is cut "
            "short or damaged. Fetch it again."
        )
    order = np.argsort(offsets, kind="stable")
    overlap = np.flatnonzero(ends[order][:-1] > offsets[order][1:])
    if overlap.size and index.stream is None:
        first, second = order[overlap[0]], order[overlap[0] + 1]
        raise LayoutError(
            f"tiles {first} (bytes {offsets[first]} to {ends[first]}) and {second} (bytes "
            f"{offsets[second]} to {ends[second]}) overlap"
        )
    _check_tile_shape(index)
    if index.layout == OWN_LAYOUT:
        return  # a predicted tile of one value takes the same for any size
    for number, level in enumerate(index.levels):
        pixels = _tile_pixels(index.grid(number))
        short = level.lengths * MAX_SAMPLES_PER_BYTE < pixels[None]
        if short.any():
            plane, row, col = (int(i) for i in np.argwhere(short)[0])
            raise LayoutError(
                f"tile ({row}, {col}) of band {plane + 1}, level {number}, has "
                f"{level.lengths[plane, row, col]} bytes; FLAC cannot hold its "
                f"{pixels[row, col]} pixels in so few"
            )


def _check_tile_shape(index: TileIndex) -> None:
    planes, height, width = index.chunk_shape(0)
    size = planes * height * width * index.raster.dtype.itemsize
    if size > MAX_TILE_BYTES:
        raise LayoutError(
            f"a tile of {width} x {height} pixels takes {size} bytes, and is read whole; more than "
            f"{MAX_TILE_BYTES} are refused. Convert the raster again, with smaller tiles."
        )


def _tile_pixels(grid: TileGrid) -> npt.NDArray[np.int64]:
    """Pixels of each tile, shape (tile row, tile column)."""
    heights = np.full(grid.rows, grid.tile_height)
    heights[-1] = grid.height - (grid.rows - 1) * grid.tile_height
    widths = np.full(grid.cols, grid.tile_width)
    widths[-1] = grid.width - (grid.cols - 1) * grid.tile_width
    pixels: npt.NDArray[np.int64] = np.multiply.outer(heights, widths)
    return pixels
