"""What rasters of one cube must agree in, and how a misfit is told.

Knows `TileIndex`; knows no store, no Zarr and no xarray.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

from ..errors import MismatchError, SelectionError
from ..model.attributes import data_attributes
from ..model.file_version import FileVersion
from ..model.georef import GeoReference
from ..model.index import RasterInfo, TileIndex, U64Array

#: Options of `ignore`, and the property that each belongs to. None of them changes a stored pixel.
IGNORABLE = {"crs": "CRS", "transform": "transform", "nodata": "nodata"}

_WAYS_OUT = {
    "crs": "take the first one's CRS for all",
    "transform": "place all of them where the first one lies",
    "nodata": "take the first one's nodata for all",
}
_OTHERWISE = {
    "dtype": "No option allows it: convert one to the other's dtype first.",
    "shape (band, y, x)": "Choose bands (--bands), warp them to one grid first, or, for "
    "neighbours, pass mosaic=True (--mosaic).",
    "bands": "Choose as many bands of each (bands=..., --bands).",
    "tile shape": "Write them again with one tile size.",
    "resolution": "Warp them to one resolution first.",
    "scale": "No option allows it: the same number would mean two things. Rescale one first.",
    "offset": "No option allows it: the same number would mean two things. Rescale one first.",
    "codec configuration": "Write them again in one layout with the same interleave.",
}


@dataclass(frozen=True, slots=True, eq=False)
class RasterHeader:
    """One level of one raster, as little of it as a cube needs.

    Parameters
    ----------
    url : str
    raster : RasterInfo
        Width, height and georeferencing are those of the level.
    bands : tuple of int
        0-based, those to show.
    tile_shape : tuple of int
        Height and width of a full tile.
    chunk_shape : tuple of int
        (band, y, x) of a tile of this file, never larger than the level.
    codec : tuple
        Configuration of the codec, without what is compared by itself.
    offsets, lengths : ndarray of uint64, shape (plane, tile row, tile column)
        Of the planes to show.
    interleave, mapping : str
        As in `TileIndex`.
    version : FileVersion
    """

    url: str
    raster: RasterInfo
    bands: tuple[int, ...]
    tile_shape: tuple[int, int]
    chunk_shape: tuple[int, int, int]
    codec: tuple[Any, ...]
    offsets: U64Array
    lengths: U64Array
    interleave: Any
    mapping: Any
    version: FileVersion

    @property
    def georef(self) -> GeoReference:
        """Of the level."""
        return self.raster.georef

    @property
    def attributes(self) -> dict[str, Any]:
        """Of the data variable."""
        return data_attributes(self.raster, self.bands)


def header_of(index: TileIndex, level: int, bands: tuple[int, ...], url: str) -> RasterHeader:
    """What a cube needs of one level."""
    here = index.levels[level]
    raster = replace(
        index.raster, width=here.width, height=here.height, georef=index.georef_of(level)
    )
    spec = index.tile_spec(level, bands)
    assert spec.chunk_shape is not None
    pixel = index.interleave == "pixel"
    everything = pixel or bands == tuple(range(index.raster.count))
    planes = slice(None) if everything else list(bands)
    return RasterHeader(
        url=url,
        raster=raster,
        bands=bands,
        tile_shape=index.tile_shape,
        chunk_shape=tuple(spec.chunk_shape),  # type: ignore[arg-type]
        codec=(spec.channels, spec.select, spec.mapping),
        offsets=here.offsets[planes],
        lengths=here.lengths[planes],
        interleave=index.interleave,
        mapping=index.mapping,
        version=index.version,
    )


def checked_ignore(ignore: Collection[str]) -> frozenset[str]:
    """Names of properties to be ignored, in lower case.

    Raises
    ------
    SelectionError
        When one of them may not be ignored.
    """
    if isinstance(ignore, str):
        ignore = [ignore]
    chosen = frozenset(name.lower() for name in ignore)
    unknown = sorted(chosen - set(IGNORABLE))
    if unknown:
        raise SelectionError(
            f"ignore (--ignore) {unknown[0]!r}: what can be ignored is {', '.join(IGNORABLE)}"
        )
    return chosen


def grid_facts(part: RasterHeader, *, mosaic: bool) -> dict[str, Any]:
    """Where the pixels lie."""
    georef = part.georef
    transform = tuple(georef.transform[:6])
    facts: dict[str, Any] = {}
    if not mosaic:
        facts["shape (band, y, x)"] = (len(part.bands), part.raster.height, part.raster.width)
        facts["transform"] = transform
    else:
        facts["bands"] = len(part.bands)
        facts["resolution"] = (*transform[:2], *transform[3:5])
    facts["CRS"] = georef.crs_wkt
    return facts


def pixel_facts(part: RasterHeader, *, mosaic: bool, along_band: bool) -> dict[str, Any]:
    """How the pixels are stored and what they mean."""
    raster = part.raster
    fill = raster.fill_value
    facts: dict[str, Any] = {
        "dtype": raster.dtype.name,
        "tile shape": part.tile_shape if mosaic else part.chunk_shape,
        # NaN is not itself
        "nodata": "nan" if fill is not None and fill != fill else fill,
        "codec configuration": part.codec,
    }
    if not along_band:
        facts["scale"] = tuple(raster.bands[band].scale for band in part.bands)
        facts["offset"] = tuple(raster.bands[band].offset for band in part.bands)
    return facts


def check_same(
    first: Mapping[str, Any],
    first_url: str,
    other: Mapping[str, Any],
    url: str,
    ignore: Collection[str],
) -> None:
    """Refuse a raster that differs from the first.

    Raises
    ------
    MismatchError
        Names the file, the property, both values and the way out.
    """
    for name, expected in first.items():
        if other[name] == expected:
            continue
        option = name.lower()
        if option in ignore:
            continue
        if option in IGNORABLE:
            way = f'Pass ignore=["{option}"] (--ignore {option}) to {_WAYS_OUT[option]}.'
        else:
            way = _OTHERWISE[name]
        raise MismatchError(
            f"{url}: {name} is {_short(other[name])}, but {first_url} has {_short(expected)}; "
            f"rasters of one cube must agree. {way}"
        )


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 120 else text[:117] + "..."


def common(attributes: dict[str, Any] | None, other: Mapping[str, Any]) -> dict[str, Any]:
    """Attributes that both have alike; those of the other alone when there are none yet.

    An attribute that one of them lacks stays, as with ``combine_attrs="drop_conflicts"``; to drop
    it for good once it has differed, it is kept as `CONFLICT`.
    """
    if attributes is None:
        return dict(other)
    for name, value in other.items():
        if name not in attributes:
            attributes[name] = value
        elif attributes[name] is not CONFLICT and attributes[name] != value:
            attributes[name] = CONFLICT
    return attributes


CONFLICT = object()


def without_conflicts(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Attributes that never differed."""
    return {name: value for name, value in attributes.items() if value is not CONFLICT}
