"""In which pieces a raster is read, so that no block of the source is decoded twice."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from .grid import Window

#: Pixels that are read at once, where source and target leave the choice.
READ_BYTES = 4 << 20
#: Memory for blocks of the source that two reads need; beyond it they are decoded twice.
MAX_CACHE_BYTES = 128 << 20


@dataclass(frozen=True, slots=True)
class ReadPlan:
    """How a window is cut into pieces, along edges of units, row by row.

    Whole rows of units, as many as `read_bytes` allow; part of a row where none is allowed whole.
    """

    window: Window
    unit: tuple[int, int]
    """Height and width. Units begin at the raster's first pixel; only the window cuts them."""
    pixel_bytes: int
    """Bytes of a pixel, of all bands that are read together."""
    read_bytes: int = READ_BYTES
    """Size of a piece, unless a unit is larger."""

    @property
    def rows(self) -> int:
        """Pixel rows of a piece that nothing cuts."""
        return self.unit[0] * max(self.read_bytes // self._row_bytes, 1)

    @property
    def cols(self) -> int:
        """Pixel columns of a piece that nothing cuts."""
        tall, wide = self.unit
        whole = -(-self.window.width // wide) + 1  # the window may begin inside a unit
        fit = self.read_bytes // (min(tall, self.window.height) * wide * self.pixel_bytes)
        return wide * (whole if self._row_bytes <= self.read_bytes else max(fit, 1))

    @property
    def _row_bytes(self) -> int:
        return min(self.unit[0], self.window.height) * self.window.width * self.pixel_bytes

    def pieces(self) -> Iterator[Window]:
        """Pieces in row-major order; together they are the window."""
        left, top, width, height = self.window
        for row, down in _steps(top, top + height, self.unit[0], self.rows):
            for col, across in _steps(left, left + width, self.unit[1], self.cols):
                yield Window(col, row, across, down)

    def cache_bytes(self, block_shape: tuple[int, int]) -> int:
        """Size of a cache for the blocks of the source that two rows of pieces need."""
        tall, wide = block_shape
        if self.rows % tall == 0 or self.rows >= self.window.height:
            return 0
        row = tall * self.window.width * self.pixel_bytes
        wanted = 2 * row if tall < self.rows else row
        # A strip that is taller than a piece would be decoded again for each of them.
        return wanted if wide >= self.window.width else min(wanted, MAX_CACHE_BYTES)


def whole_tiles(
    tile_size: int, block_shape: tuple[int, int], width: int, *, cached: bool
) -> tuple[int, int]:
    """Height and width of the unit in which a raster in blocks is read for a target in tiles.

    A source that is `cached` keeps decoded blocks, so that a tall strip may be read in parts.
    """
    if cached and block_shape[1] >= width:
        return tile_size, -(-width // tile_size) * tile_size
    tall, wide = (-(-block // tile_size) * tile_size for block in block_shape)
    return tall, wide


def _steps(start: int, end: int, unit: int, step: int) -> Iterator[tuple[int, int]]:
    """Start and length of intervals that end at units' edges."""
    while start < end:
        stop = min(start // unit * unit + step, end)
        yield start, stop - start
        start = stop
