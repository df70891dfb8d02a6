"""The tiles of a raster as rows of a table: where on the ground, where in the file.

Knows `TileIndex`; no I/O, no pixels.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from .errors import SelectionError
from .grid import Window
from .index import TileIndex
from .selection import Bounds, bounds_of


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

    def to_json(self) -> dict[str, Any]:
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


def check_level(index: TileIndex, level: int) -> None:
    """Refuse a level that is not there.

    Raises
    ------
    SelectionError
        When there is no such level.
    """
    if not 0 <= level < len(index.levels):
        raise SelectionError(
            f"there is no overview {level}; the file has 0 (the full resolution) to "
            f"{len(index.levels) - 1}"
        )


def check_bands(count: int, bands: Sequence[int] | None) -> list[int]:
    """1-based numbers of the bands asked for, all of `count` by default.

    Raises
    ------
    SelectionError
        When there is no such band, or one is asked for twice.
    """
    if bands is None:
        return list(range(1, count + 1))
    chosen = [int(band) for band in bands]
    if not chosen or len(set(chosen)) != len(chosen):
        raise SelectionError(f"bands is {chosen}, expected each band at most once, one at least")
    for band in chosen:
        if not 1 <= band <= count:
            raise SelectionError(f"there is no band {band}; the file has 1 to {count}")
    return chosen


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
    check_level(index, level)
    chosen = check_bands(index.raster.count, bands)
    here, grid, georef = index.levels[level], index.grid(level), index.georef_of(level)
    planes = [None] if index.interleave == "pixel" else chosen
    for band in planes:
        for row, col in grid.tiles_of(window):
            where = (0 if band is None else band - 1, row, col)
            pixels = grid.window(row, col)
            yield Tile(
                level=level,
                band=band,
                row=row,
                col=col,
                tile_id=row * grid.cols + col,
                window=pixels,
                bounds=bounds_of(georef, pixels),
                offset=int(here.offsets[where]),
                length=int(here.lengths[where]),
            )
