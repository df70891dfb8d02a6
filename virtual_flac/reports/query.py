"""Which bytes of a FLAC raster hold an area, and those bytes themselves; no pixel is decoded."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from obspec_utils.registry import ObjectStoreRegistry
from zarr_flac import check_crc32

from ..errors import SelectionError, prefixed_with
from ..io.file_reader import FileReader
from ..io.ranges import MergedRange, merge_ranges
from ..io.stores import registry_for, to_url
from ..model.arguments import checked
from ..model.file_version import FileVersion
from ..model.grid import Window
from ..model.levels import resolve_bands, resolve_level
from ..model.selection import Bounds, Selection, bounds_of, select_window
from ..reading.header import read_index
from .spatial_info import Tile, tiles_of_window

#: Bytes in memory at once while ranges are copied, unless a single tile is longer.
COPY_BYTES = 32 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryResult:
    """The tiles and bytes that hold an area.

    Parameters
    ----------
    source : str
        URL of the file.
    level : int
        0 is the full resolution, 1 the first overview.
    bands : tuple of int
        1-based.
    window : Window
        The pixels, in those of the level.
    bounds : tuple of (xmin, ymin, xmax, ymax)
        Of these pixels, in the raster's CRS.
    tiles : tuple of Tile
        By band, then row by row.
    ranges : tuple of MergedRange
        What to read, in the order of the file.
    version : FileVersion
        Of the file whose header was read.
    """

    source: str
    level: int
    bands: tuple[int, ...]
    window: Window
    bounds: Bounds
    tiles: tuple[Tile, ...]
    ranges: tuple[MergedRange, ...]
    version: FileVersion

    @property
    def file_bytes(self) -> int | None:
        """Size of the file."""
        return self.version.size

    @property
    def tile_bytes(self) -> int:
        """Bytes of the tiles alone."""
        return sum(tile.length for tile in self.tiles)

    @property
    def range_bytes(self) -> int:
        """Bytes of the ranges, gaps included."""
        return sum(piece.length for piece in self.ranges)

    @property
    def savings(self) -> float | None:
        """Part of the file that need not be read, from 0 to 1."""
        return 1 - self.range_bytes / self.file_bytes if self.file_bytes else None

    def to_dict(self) -> dict[str, Any]:
        """The fields as JSON values."""
        savings = self.savings
        return {
            "source": self.source,
            "level": self.level,
            "bands": list(self.bands),
            "window": self.window._asdict(),
            "bounds": list(self.bounds),
            "tiles": [tile.to_dict() for tile in self.tiles],
            "ranges": [
                {"offset": piece.start, "length": piece.length, "header": piece.header}
                for piece in self.ranges
            ],
            "tile_bytes": self.tile_bytes,
            "range_bytes": self.range_bytes,
            "file_bytes": self.file_bytes,
            "savings": None if savings is None else round(savings, 6),
        }


@checked
def query(
    source: str | os.PathLike[str],
    *,
    bbox: Bounds | None = None,
    bbox_crs: str | None = None,
    window: Window | Sequence[int] | None = None,
    tile: tuple[int, int] | None = None,
    tile_id: int | None = None,
    center: bool = False,
    last: bool = False,
    level: int = 0,
    bands: Sequence[int] | None = None,
    max_gap: int = 0,
    registry: ObjectStoreRegistry[Any] | None = None,
) -> QueryResult:
    """Which tiles hold an area, and which byte ranges hold these tiles.

    Reads the header alone. Without a selection, the whole raster is meant.

    Parameters
    ----------
    source : str or path
        Path or URL of a FLAC raster.
    bbox : tuple of (xmin, ymin, xmax, ymax), optional
        In the raster's CRS, or in `bbox_crs`. It means the pixels that ``gdal_translate -projwin``
        takes: its corner is rounded down to a pixel's, its size to whole pixels.
    bbox_crs : str, optional
        CRS of `bbox`: ``"EPSG:4326"`` ... x is always easting or longitude.
    window : (col_off, row_off, width, height), optional
        In pixels of the full resolution, for overviews too, as in GDAL.
    tile : tuple of (row, col), optional
        One tile of the full resolution, counted from 0.
    tile_id : int, optional
        The same as one number, row by row.
    center, last : bool
        The tile in the middle, or the last one.
    level : int
        0 is the full resolution, 1 the first overview.
    bands : sequence of int, optional
        1-based; all by default.
    max_gap : int
        Largest gap in bytes between tiles that is still fetched with one request.
    registry : ObjectStoreRegistry, optional
        Stores to read with; made by `registry_for` when not given.

    Returns
    -------
    QueryResult

    Raises
    ------
    SelectionError
        When the selection is invalid or outside the raster, or there is no such level or band.
    SourceError, LayoutError
        When the file cannot be read or is not a FLAC raster.

    Examples
    --------
    >>> found = query("https://example.com/dem.flac", bbox=(7.1, 46.0, 7.3, 46.2))
    >>> [piece.header for piece in found.ranges]
    ['bytes=4242-98103', 'bytes=150311-244107']
    """
    url = to_url(source)
    with prefixed_with(url):
        selection = Selection(
            bbox=bbox, bbox_crs=bbox_crs, window=None if window is None else Window(*window),
            tile=tile, tile_id=tile_id, center=center, last=last,
        )  # fmt: skip
        if max_gap < 0:
            raise SelectionError(f"max_gap is {max_gap}, expected 0 bytes or more")
    index = read_index(url, registry)
    with prefixed_with(url):
        resolve_level(len(index.levels), level)
        chosen = [at + 1 for at in resolve_bands(index.raster.count, bands)]
        pixels = select_window(selection, index.grid(0), index.raster.georef, index.grid(level))
        tiles = tuple(tiles_of_window(index, pixels, level=level, bands=chosen))
    offsets, lengths = [tile.offset for tile in tiles], [tile.length for tile in tiles]
    return QueryResult(
        source=url,
        level=level,
        bands=tuple(chosen),
        window=pixels,
        bounds=bounds_of(index.georef_of(level), pixels),
        tiles=tiles,
        ranges=tuple(merge_ranges(offsets, lengths, max_gap=max_gap)),
        version=index.version,
    )


def read_found(
    found: QueryResult, registry: ObjectStoreRegistry[Any] | None = None
) -> Iterator[bytes]:
    """The bytes of the ranges that `query` found, in the order of the file, in pieces.

    Without gaps between them, these are complete FLAC streams, one after the other.

    Raises
    ------
    SourceError
        When they cannot be read, or the file is no longer the one whose header was read.
    CorruptFlacError
        When a tile is not the one that the header means.
    """
    file = FileReader(found.source, registry or registry_for(found.source), found.version)
    pieces = [piece for whole in found.ranges for piece in _pieces(whole, found.tiles)]
    coming = file.stream((piece.start, piece.end) for piece in pieces)
    for piece, data in zip(pieces, coming, strict=True):
        for number in piece.members:
            tile = found.tiles[number]
            with prefixed_with(f"{found.source}: {tile.name}"):
                check_crc32(data[tile.offset - piece.start :][: tile.length], tile.checksum)
        yield bytes(data)


def _pieces(whole: MergedRange, tiles: Sequence[Tile]) -> Iterator[MergedRange]:
    """A range in pieces that begin with a tile and have no more than `COPY_BYTES`, or one tile."""
    start = whole.start
    members: list[int] = []
    ends = [*(tiles[number].offset for number in whole.members[1:]), whole.end]
    for number, end in zip(whole.members, ends, strict=True):
        first = tiles[number].offset
        if first > start and end - start > COPY_BYTES:
            yield MergedRange(start, first, tuple(members))
            start, members = first, []
        members.append(number)
    yield MergedRange(start, whole.end, tuple(members))
