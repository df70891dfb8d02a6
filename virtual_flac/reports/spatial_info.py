"""The tiles of a raster as rows of a table: where they are on the ground and in the file."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any

from obspec_utils.registry import ObjectStoreRegistry

from ..errors import prefixed_with
from ..io.stores import to_url
from ..model.arguments import checked
from ..model.grid import Window
from ..model.index import TileIndex
from ..model.levels import resolve_bands, resolve_level
from ..model.selection import Bounds, bounds_of
from ..reading.header import read_index


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
    checksum : int or None
        CRC-32 of these bytes, where the file has it.
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
    checksum: int | None

    @property
    def name(self) -> str:
        """What messages call it."""
        band = "all bands" if self.band is None else f"band {self.band}"
        return f"level {self.level}, {band}, tile ({self.row}, {self.col})"

    def to_dict(self) -> dict[str, Any]:
        """The fields as JSON values."""
        return {
            **asdict(self),
            "window": self.window._asdict(),
            "bounds": list(self.bounds),
            "checksum": None if self.checksum is None else f"{self.checksum:08x}",
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class TileTable:
    """All tiles of a FLAC raster, or those of one level or band; iterate over it for `Tile`.

    Parameters
    ----------
    source : str
        URL of the file.
    index : TileIndex
    level, band : int or None
        The only ones, 1-based for bands; None for all.
    """

    source: str
    index: TileIndex
    level: int | None = None
    band: int | None = None

    @property
    def _levels(self) -> Sequence[int]:
        return range(len(self.index.levels)) if self.level is None else [self.level]

    def __len__(self) -> int:
        one_band = self.band is not None and self.index.interleave != "pixel"
        planes = [self.index.levels[n].lengths.shape[0] for n in self._levels]
        tiles = [self.index.grid(n).rows * self.index.grid(n).cols for n in self._levels]
        return sum(n if one_band else n * m for n, m in zip(tiles, planes, strict=True))

    def __iter__(self) -> Iterator[Tile]:
        bands = None if self.band is None else [self.band]
        for number in self._levels:
            here = self.index.levels[number]
            whole = Window(0, 0, here.width, here.height)
            yield from tiles_of_window(self.index, whole, level=number, bands=bands)

    def to_dict(self, limit: int | None = None) -> dict[str, Any]:
        """JSON values, with the first `limit` tiles."""
        index = self.index
        return {
            "source": self.source,
            "layout": index.layout,
            "width": index.raster.width,
            "height": index.raster.height,
            "tile_shape": list(index.tile_shape),
            "interleave": index.interleave,
            "levels": [[level.width, level.height] for level in index.levels],
            "file_bytes": index.version.size,
            "tile_count": len(self),
            "tiles": [tile.to_dict() for tile in islice(self, limit)],
        }


@checked
def spatial_info(
    source: str | os.PathLike[str],
    *,
    level: int | None = None,
    band: int | None = None,
    registry: ObjectStoreRegistry[Any] | None = None,
) -> TileTable:
    """The table of a FLAC raster's tiles: pixels, bounds and bytes of each.

    Parameters
    ----------
    source : str or path
        Path or URL.
    level : int, optional
        The only level: 0 is the full resolution, 1 the first overview. All by default.
    band : int, optional
        The only band, 1-based. All by default.
    registry : ObjectStoreRegistry, optional
        Stores to read with; made by `registry_for` when not given.

    Returns
    -------
    TileTable
        Has a length, and gives its tiles one by one when iterated over.

    Raises
    ------
    SourceError, LayoutError
        When the file cannot be read or is not a FLAC raster.
    SelectionError
        When it has no such level or band.

    Examples
    --------
    >>> table = spatial_info("https://example.com/dem.flac", level=0)
    >>> [(tile.bounds, tile.offset, tile.length) for tile in table]
    """
    url = to_url(source)
    index = read_index(url, registry)
    with prefixed_with(url):
        if level is not None:
            resolve_level(len(index.levels), level)
        if band is not None:
            resolve_bands(index.raster.count, [band])
    return TileTable(source=url, index=index, level=level, band=band)


def tiles_of_window(
    index: TileIndex, window: Window, *, level: int = 0, bands: Sequence[int] | None = None
) -> Iterator[Tile]:
    """The tiles that hold the pixels of a window of a level, by band, then row by row."""
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
                checksum=index.checksum(level, *where),
            )
