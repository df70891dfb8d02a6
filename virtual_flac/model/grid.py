"""Tile arithmetic: pixels to tiles and back, in plain integers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

AxisSelection = slice | npt.NDArray[np.intp]


class Window(NamedTuple):
    """A rectangle of pixels, as in rasterio: offsets first, then sizes."""

    col_off: int
    row_off: int
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class TileGrid:
    """A raster of ``height`` x ``width`` pixels cut into tiles, row by row from the top.

    Tiles of the last row and column keep their true, smaller size. A tile may be larger than the
    raster.
    """

    height: int
    width: int
    tile_height: int
    tile_width: int

    def __post_init__(self) -> None:
        for name in ("height", "width", "tile_height", "tile_width"):
            value = getattr(self, name)
            if value < 1:
                raise ValueError(f"{name} must be at least 1, found {value}")

    @property
    def rows(self) -> int:
        """Number of tile rows."""
        return -(-self.height // self.tile_height)

    @property
    def cols(self) -> int:
        """Number of tile columns."""
        return -(-self.width // self.tile_width)

    def window(self, row: int, col: int) -> Window:
        """Pixels of the tile in tile row ``row`` and tile column ``col``."""
        if not (0 <= row < self.rows and 0 <= col < self.cols):
            raise IndexError(f"tile ({row}, {col}) is outside the {self.rows} x {self.cols} tiles")
        top, left = row * self.tile_height, col * self.tile_width
        return Window(
            left,
            top,
            min(self.tile_width, self.width - left),
            min(self.tile_height, self.height - top),
        )

    def tiles_of(self, window: Window) -> Iterator[tuple[int, int]]:
        """Tile row and tile column of each tile that a window touches, row by row."""
        last_row = (window.row_off + window.height - 1) // self.tile_height
        last_col = (window.col_off + window.width - 1) // self.tile_width
        for row in range(window.row_off // self.tile_height, last_row + 1):
            for col in range(window.col_off // self.tile_width, last_col + 1):
                yield row, col

    def windows(self) -> Iterator[Window]:
        """Windows of all tiles in row-major order."""
        for row in range(self.rows):
            for col in range(self.cols):
                yield self.window(row, col)


@dataclass(frozen=True, slots=True)
class AxisPart:
    """What a selection along one axis takes from one row or column of tiles."""

    tile: int
    inside: AxisSelection
    """The pixels, counted from the first of the tile."""
    out: AxisSelection
    """Where they go in the result."""


def split_axis(indices: npt.NDArray[np.intp], tile_size: int) -> list[AxisPart]:
    """The tiles that pixels along one axis lie in, each once; the pixels may come in any order.

    There is at least one pixel.
    """
    tiles = indices // tile_size
    order = np.argsort(tiles, kind="stable")
    parts = []
    for out in np.split(order, np.flatnonzero(np.diff(tiles[order])) + 1):
        tile = int(tiles[out[0]])
        inside = indices[out] - tile * tile_size
        parts.append(AxisPart(tile, _as_slice(inside), _as_slice(out)))
    return parts


def _as_slice(indices: npt.NDArray[np.intp]) -> AxisSelection:
    """Neighbours in ascending order as a slice, which numpy views instead of copying."""
    first = int(indices[0])
    steps: npt.NDArray[Any] = np.diff(indices)
    return slice(first, first + len(indices)) if (steps == 1).all() else indices


def overview_factors(height: int, width: int, tile_size: int) -> list[int]:
    """Powers of two at which a raster shrinks until it fits into one tile.

    The rule of GDAL's COG driver; empty when the raster fits already.
    """
    tiles = -(-max(height, width) // tile_size)
    return [1 << power for power in range(1, (tiles - 1).bit_length() + 1)]
