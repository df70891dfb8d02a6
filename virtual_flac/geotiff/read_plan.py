"""In which pieces a raster is read, so that no block of the source is decoded twice.

Plain integers; knows no rasterio, no files.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from ..model.grid import TileGrid, Window

#: Pixels that are read at once, where the source leaves the choice.
READ_BYTES = 8 << 20
#: Memory for blocks of the source that two reads need; beyond it they are decoded twice.
MAX_CACHE_BYTES = 128 << 20


class Piece(NamedTuple):
    """Some tiles and the window of their pixels."""

    row: int
    col: int
    window: Window


@dataclass(frozen=True, slots=True)
class ReadPlan:
    """How a raster in blocks is read for a grid of tiles.

    Parameters
    ----------
    grid : TileGrid
    block_height, block_width : int
        Of the source.
    pixel_bytes : int
        Bytes of a pixel, of all bands that are read together.
    """

    grid: TileGrid
    block_height: int
    block_width: int
    pixel_bytes: int

    @property
    def tile_rows(self) -> int:
        """Tile rows that are read together: more than one where tall blocks stand side by side."""
        if self._has_strips:
            return 1
        return min(-(-self.block_height // self.grid.tile_height), self.grid.rows)

    @property
    def tile_cols(self) -> int:
        """Tile columns that are read together: all where blocks are as wide as the raster."""
        if self._has_strips:
            return self.grid.cols
        least = -(-self.block_width // self.grid.tile_width)
        tile = self.grid.tile_height * self.grid.tile_width
        column = self.tile_rows * tile * self.pixel_bytes
        wanted = max(least, READ_BYTES // column)
        return min(wanted - wanted % least, self.grid.cols)

    @property
    def cache_bytes(self) -> int:
        """Block cache that keeps blocks which lie in two rows of pieces, within reason."""
        step = self.tile_rows * self.grid.tile_height
        if step % self.block_height == 0 or self.tile_rows >= self.grid.rows:
            return 0
        row = self.block_height * self.grid.width * self.pixel_bytes
        wanted = 2 * row if self.block_height < step else row
        # A strip that is taller than a row of tiles would be decoded again for each of them.
        return wanted if self._has_strips else min(wanted, MAX_CACHE_BYTES)

    @property
    def _has_strips(self) -> bool:
        return self.block_width >= self.grid.width

    def pieces(self) -> Iterator[Piece]:
        """Pieces in row-major order; together they are the raster."""
        tall, wide = self.grid.tile_height, self.grid.tile_width
        for row in range(0, self.grid.rows, self.tile_rows):
            for col in range(0, self.grid.cols, self.tile_cols):
                left, top = col * wide, row * tall
                width = min(self.tile_cols * wide, self.grid.width - left)
                height = min(self.tile_rows * tall, self.grid.height - top)
                yield Piece(row, col, Window(left, top, width, height))


def window_pieces(
    window: Window, tile_shape: tuple[int, int], pixel_bytes: int, read_bytes: int = READ_BYTES
) -> Iterator[Window]:
    """A window in pieces that no tile lies in two of, row by row.

    Parameters
    ----------
    window : Window
    tile_shape : tuple of int
        Height and width of the source's tiles.
    pixel_bytes : int
        Bytes of a pixel, of all bands that are read together.
    read_bytes : int
        Size of a piece; a tile that is larger is a piece.
    """
    tall, wide = tile_shape
    right, bottom = window.col_off + window.width, window.row_off + window.height
    row_bytes = tall * window.width * pixel_bytes
    step_rows = tall * max(read_bytes // row_bytes, 1)
    step_cols = wide * max(read_bytes // (tall * wide * pixel_bytes), 1)
    if row_bytes <= read_bytes:
        step_cols = right
    for top, down in _steps(window.row_off, bottom, tall, step_rows):
        for left, across in _steps(window.col_off, right, wide, step_cols):
            yield Window(left, top, across, down)


def _steps(start: int, end: int, tile: int, step: int) -> Iterator[tuple[int, int]]:
    """Start and length of intervals that end at tiles' edges."""
    while start < end:
        stop = min(start // tile * tile + step, end)
        yield start, stop - start
        start = stop
