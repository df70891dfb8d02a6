"""Tile arithmetic: pixels to tiles and back. Plain integers; knows no bytes, files or CRS."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple


class Window(NamedTuple):
    """A rectangle of pixels, as in rasterio: offsets first, then sizes."""

    col_off: int
    row_off: int
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class TileGrid:
    """A raster of ``height`` x ``width`` pixels cut into square tiles, row by row from the top.

    Tiles of the last row and column keep their true, smaller size.
    """

    height: int
    width: int
    tile_size: int

    def __post_init__(self) -> None:
        for name in ("height", "width", "tile_size"):
            value = getattr(self, name)
            if value < 1:
                raise ValueError(f"{name} must be at least 1, found {value}")

    @property
    def rows(self) -> int:
        """Number of tile rows."""
        return -(-self.height // self.tile_size)

    @property
    def cols(self) -> int:
        """Number of tile columns."""
        return -(-self.width // self.tile_size)

    def window(self, row: int, col: int) -> Window:
        """Pixels of the tile in tile row ``row`` and tile column ``col``."""
        if not (0 <= row < self.rows and 0 <= col < self.cols):
            raise IndexError(f"tile ({row}, {col}) is outside the {self.rows} x {self.cols} tiles")
        top, left = row * self.tile_size, col * self.tile_size
        return Window(
            left,
            top,
            min(self.tile_size, self.width - left),
            min(self.tile_size, self.height - top),
        )

    def windows(self) -> Iterator[Window]:
        """Windows of all tiles in row-major order."""
        for row in range(self.rows):
            for col in range(self.cols):
                yield self.window(row, col)


def overview_factors(height: int, width: int, tile_size: int) -> list[int]:
    """Powers of two at which a raster shrinks until it fits into one tile.

    The rule of GDAL's COG driver; empty when the raster fits already.
    """
    factors = []
    factor = 1
    while max(height, width) > tile_size * factor:
        factor *= 2
        factors.append(factor)
    return factors
