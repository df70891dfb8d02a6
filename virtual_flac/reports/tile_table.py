"""The tiles of a raster as rows of a table: where on the ground, where in the file.

Knows `TileIndex`; no I/O, no pixels.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ..model.grid import Window
from ..model.index import TileIndex
from ..model.levels import resolve_bands, resolve_level
from ..model.selection import Bounds, bounds_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """One tile.

    Parameters
    ----------
    level : int
        0 is the full resolution, 1 the first overview.
    band : int or None
        1-based; None where the tile holds all bands.
    row, col : int
        Tile row and tile column, from 0.
    tile_id : int
        The same as one number, row by row; of the full resolution flac-raster's ``frame_id``.
    window : Window
        Its pixels, in those of its level.
    bounds : tuple of (xmin, ymin, xmax, ymax)
        In the raster's CRS.
    offset, length : int
        First byte in the file and number of bytes.
    """

    level: int
    band: int | None
    row: int
    col: int
    tile_id: int
    window: Window
    bounds: Bounds
    offset: int
    length: int

    def to_dict(self) -> dict[str, Any]:
        """The fields as JSON values."""
        return {
            "level": self.level,
            "band": self.band,
            "row": self.row,
            "col": self.col,
            "tile_id": self.tile_id,
            "window": self.window._asdict(),
            "bounds": list(self.bounds),
            "offset": self.offset,
            "length": self.length,
        }


def tiles_of_window(
    index: TileIndex, window: Window, *, level: int = 0, bands: Sequence[int] | None = None
) -> Iterator[Tile]:
    """The tiles that hold the pixels of a window, by band, then row by row.

    Parameters
    ----------
    index : TileIndex
    window : Window
        Inside the level.
    level : int
    bands : sequence of int, optional
        1-based; all by default.

    Raises
    ------
    SelectionError
        When there is no such level or band.
    """
    resolve_level(len(index.levels), level)
    chosen = resolve_bands(index.raster.count, bands)
    here, grid, georef = index.levels[level], index.grid(level), index.georef_of(level)
    by_pixel = index.interleave == "pixel"
    for plane in [0] if by_pixel else chosen:
        for row, col in grid.tiles_of(window):
            where = (plane, row, col)
            pixels = grid.window(row, col)
            yield Tile(
                level=level,
                band=None if by_pixel else plane + 1,
                row=row,
                col=col,
                tile_id=row * grid.cols + col,
                window=pixels,
                bounds=bounds_of(georef, pixels),
                offset=int(here.offsets[where]),
                length=int(here.lengths[where]),
            )
