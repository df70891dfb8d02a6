"""`TileIndex`: what a raster is and where each of its tiles lies. The value everything shares."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from zarr_flac import StreamFacts, TileSpec

from ..errors import LayoutError
from .file_version import FileVersion
from .georef import GeoReference
from .grid import TileGrid

U32Array = npt.NDArray[np.uint32]
U64Array = npt.NDArray[np.uint64]
Interleave = Literal["band", "tile", "pixel"]
Tags = Mapping[str, Mapping[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """What one band means.

    Parameters
    ----------
    description, unit : str or None
    scale, offset : float
        Pixel times `scale` plus `offset` is the physical value.
    color_interpretation : str
        rasterio's name, ``"gray"``, ``"red"``, ``"alpha"`` ...
    colormap : tuple of (red, green, blue, alpha) or None
        Colours of the values 0, 1, 2 ...
    tags : mapping of domain to mapping of str to str
        Metadata items; the default domain is ``""``.
    """

    description: str | None = None
    unit: str | None = None
    scale: float = 1.0
    offset: float = 0.0
    color_interpretation: str = "undefined"
    colormap: tuple[tuple[int, int, int, int], ...] | None = None
    tags: Tags = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class RasterInfo:
    """A raster without its pixels: shape, dtype, georeferencing and all that GDAL says of it.

    Parameters
    ----------
    width, height : int
        Pixels of the full resolution.
    dtype : numpy.dtype
        One for all bands.
    georef : GeoReference
    nodata : int, float or None
        As the source says it, even where the dtype cannot hold it; one for all bands.
    bands : tuple of Band
        At least one.
    tags : mapping of domain to mapping of str to str
        Metadata items of the dataset, ``AREA_OR_POINT`` among those of the default domain ``""``.
    """

    width: int
    height: int
    dtype: np.dtype[Any]
    georef: GeoReference = field(default_factory=GeoReference)
    nodata: int | float | None = None
    bands: tuple[Band, ...] = (Band(),)
    tags: Tags = field(default_factory=dict)

    @property
    def count(self) -> int:
        """Number of bands."""
        return len(self.bands)

    @property
    def fill_value(self) -> int | float | None:
        """`nodata` as a number of the raster's dtype; None where the dtype cannot hold it."""
        nodata = self.nodata
        if nodata is None:
            return None
        if self.dtype.kind == "f":
            with np.errstate(over="ignore"):
                cast = float(self.dtype.type(float(nodata)))
            return None if math.isinf(cast) and math.isfinite(nodata) else cast
        if isinstance(nodata, float) and not nodata.is_integer():  # NaN and infinities are not
            return None
        limits = np.iinfo(self.dtype)
        value = int(nodata)
        return value if limits.min <= value <= limits.max else None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TileSizes:
    """Tiles of one resolution, wherever they lie.

    Parameters
    ----------
    width, height : int
        Pixels of this resolution.
    lengths : ndarray of uint64, shape (plane, tile row, tile column)
        Number of bytes of each tile. A plane is a band, or all bands together where they are
        interleaved by pixel.
    checksums : ndarray of uint32, same shape, or None
        CRC-32 of the bytes of each tile, where the file has them.
    """

    width: int
    height: int
    lengths: U64Array
    checksums: U32Array | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Level(TileSizes):
    """Tiles of one resolution in a file.

    Parameters
    ----------
    width, height, lengths, checksums
        As in `TileSizes`.
    offsets : ndarray of uint64, shape of `lengths`
        First byte of each tile in the file.
    """

    offsets: U64Array


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class TileIndex:
    """A raster and the place of its tiles in the file.

    Parameters
    ----------
    layout : str
        ``"virtual-flac"``, ``"flac-raster streaming"`` or ``"flac-raster plain"``.
    raster : RasterInfo
    tile_shape : tuple of int
        Height and width of the tiles in pixels, the same for all levels.
    interleave : {"band", "tile", "pixel"}
        As in GDAL: a stream per band and tile, ordered by band or by tile, or one stream per tile
        with the bands as channels.
    mapping : {"exact", "flac-raster"}
        How samples become pixels (``zarr_flac.TileSpec.mapping``).
    levels : tuple of Level
        Full resolution first, then the overviews from large to small.
    source_overviews : bool
        Whether the overviews are those of the raster that was converted, not built on the way.
    stream : StreamFacts or None
        Of the one FLAC stream whose frames the tiles are made of; neighbours may share a frame.
        None where every tile is a stream of its own.
    version : FileVersion
        What the store said of the file, as far as it is known.
    extra : Mapping
        Keys of the header that this version does not know.
    """

    layout: str
    raster: RasterInfo
    tile_shape: tuple[int, int]
    interleave: Interleave = "band"
    mapping: Literal["exact", "flac-raster"] = "exact"
    levels: tuple[Level, ...]
    source_overviews: bool = False
    stream: StreamFacts | None = None
    version: FileVersion = field(default_factory=FileVersion)
    extra: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        planes = 1 if self.interleave == "pixel" else self.raster.count
        for number, level in enumerate(self.levels):
            grid = self.grid(number)
            expected = (planes, grid.rows, grid.cols)
            for name in ("offsets", "lengths"):
                found = getattr(level, name).shape
                if found != expected:
                    raise LayoutError(
                        f"level {number} of {level.width} x {level.height} pixels in tiles of "
                        f"{grid.tile_width} x {grid.tile_height} needs {expected} {name}, "
                        f"found {found}"
                    )

    def __repr__(self) -> str:
        raster = self.raster
        height, width = self.tile_shape
        return (
            f"<TileIndex {self.layout!r}: {raster.width} x {raster.height} x {raster.count} "
            f"{raster.dtype.name}, {len(self.levels)} levels, {self.tile_count} tiles of {width} x "
            f"{height} by {self.interleave}>"
        )

    def chunk_shape(self, level: int) -> tuple[int, int, int]:
        """Shape (band, y, x) of a tile of one level, never larger than the level itself."""
        planes = self.raster.count if self.interleave == "pixel" else 1
        here = self.levels[level]
        height, width = self.tile_shape
        return (planes, min(height, here.height), min(width, here.width))

    def grid(self, level: int) -> TileGrid:
        """The tile grid of one level."""
        here = self.levels[level]
        return TileGrid(here.height, here.width, *self.tile_shape)

    def tile_spec(self, level: int, bands: Sequence[int] | None = None) -> TileSpec:
        """The codec's configuration for the tiles of one level.

        Parameters
        ----------
        level : int
        bands : sequence of int, optional
            0-based bands to take from tiles that hold all of them; all by default.
        """
        planes, height, width = self.chunk_shape(level)
        select = None
        if self.interleave == "pixel" and bands is not None and list(bands) != list(range(planes)):
            select = tuple(bands)
            planes = len(select)
        fill = self.raster.fill_value
        return TileSpec(
            chunk_shape=(planes, height, width),
            dtype=self.raster.dtype,
            channels=self.raster.count if self.interleave == "pixel" else 1,
            select=select,
            mapping=self.mapping,
            fill_value=0 if fill is None else fill,
            stream=self.stream,
        )

    def checksum(self, level: int, plane: int, row: int, col: int) -> int | None:
        """CRC-32 of the bytes of a tile, where the file has it; `plane` counts from 0."""
        checksums = self.levels[level].checksums
        return None if checksums is None else int(checksums[plane, row, col])

    def tile_name(self, level: int, plane: int, row: int, col: int) -> str:
        """How errors call a tile; `plane` counts from 0 as in `Level`, bands from 1."""
        count = self.raster.count
        together = self.interleave == "pixel" and count > 1
        band = f"bands 1 to {count}" if together else f"band {plane + 1}"
        return f"level {level}, {band}, tile ({row}, {col})"

    @property
    def tile_count(self) -> int:
        """Number of tiles, overviews included."""
        return sum(level.lengths.size for level in self.levels)

    def georef_of(self, level: int) -> GeoReference:
        """Georeferencing of one level; level 0 is the full resolution."""
        if level == 0:
            return self.raster.georef
        return self.raster.georef.for_overview(
            width=self.levels[level].width,
            height=self.levels[level].height,
            base_width=self.raster.width,
            base_height=self.raster.height,
        )

    def raster_of(self, level: int) -> RasterInfo:
        """The raster with width, height and georeferencing of one level."""
        here = self.levels[level]
        return replace(
            self.raster, width=here.width, height=here.height, georef=self.georef_of(level)
        )
