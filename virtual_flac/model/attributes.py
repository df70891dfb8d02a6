"""A raster to the attributes and coordinates that rioxarray gives the variable ``band_data``.

Tags may have any name and any value. Where attributes are stored, readers that decode CF would take
some of them as instructions for the pixels; `stored_attributes` are those that change none.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from .index import Band, RasterInfo
from .pixel_axis import LONG_AXIS, PixelAxis

GRID_MAPPING = "spatial_ref"

#: Coordinates to which GeoTIFFs that GDAL made of NetCDF files give attributes, as ``x#units``.
COORDINATES = ("band", "y", "x")
#: Tags that rioxarray leaves out: GDAL or xarray keep their values elsewhere.
_UNWANTED = frozenset(
    {
        *("_FillValue", "missing_value", "fill_value", "nodata", "nodatavals", "is_tiled", "res"),
        *("scale_factor", "add_offset", "grid_mapping"),
    }
)
#: Before a ``#``, whose attribute a tag is.
_NOT_OF_PIXELS = (*COORDINATES, GRID_MAPPING, "band_data")
#: Attributes by which xarray decodes values, or that the formats of references use themselves.
_INSTRUCTIONS = frozenset(
    {
        *("_FillValue", "missing_value", "scale_factor", "add_offset", "_Unsigned", "dtype"),
        *("_Encoding", "coordinates", "grid_mapping", "_ARRAY_DIMENSIONS"),
    }
)


def data_attributes(raster: RasterInfo, bands: Sequence[int] | None = None) -> dict[str, Any]:
    """Tags, scaling, description and units of bands (0-based; all by default).

    ``scale_factor`` and ``add_offset`` appear only where they do something. Where bands differ in
    scale or offset, rioxarray's ``scales`` and ``offsets`` have them. What is listed by band is a
    tuple, numbers in a tag are a list. ``_FillValue`` is left to the caller.
    """
    chosen = [raster.bands[i] for i in (range(raster.count) if bands is None else bands)]
    tags = {**raster.tags.get("", {}), **chosen[0].tags.get("", {})}
    attributes: dict[str, Any] = {
        key: value
        for key, value in (_parse_tag(key, text) for key, text in tags.items())
        if key not in _UNWANTED and key.partition("#")[0] not in _NOT_OF_PIXELS
    }
    attributes |= _uniform([band.scale for band in chosen], "scale_factor", "scales", 1.0)
    attributes |= _uniform([band.offset for band in chosen], "add_offset", "offsets", 0.0)
    descriptions = [band.description for band in chosen]
    if any(descriptions):
        same = len(set(descriptions)) == 1
        attributes["long_name"] = descriptions[0] if same else tuple(descriptions)
    if any(band.unit for band in chosen):
        units = [band.unit for band in chosen]
        attributes["units"] = units[0] if len(units) == 1 else tuple(units)
    return attributes


def stored_attributes(raster: RasterInfo, bands: Sequence[int] | None = None) -> dict[str, Any]:
    """`data_attributes` as JSON values by which no reader changes pixels, but for the scaling.

    So that readers that decode CF leave the dtype of unscaled rasters alone.
    """
    attributes = data_attributes(raster, bands)
    scaling = {key: attributes[key] for key in ("scale_factor", "add_offset") if key in attributes}
    return _inert(attributes) | scaling


def _inert(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Attributes without instructions to decode values by them."""
    found = {key: _json(value) for key, value in attributes.items() if key not in _INSTRUCTIONS}
    units = found.get("units")
    if isinstance(units, str) and "since" in units:
        found["units"] = [units]  # a list is not decoded to times
    return found


def _json(value: Any) -> Any:
    """A value of `data_attributes` as JSON has it; infinities, NaN and huge integers as text."""
    if isinstance(value, list) and not all(map(math.isfinite, value)):
        return f"{{{','.join(map(str, value))}}}"
    if isinstance(value, int) and not -(1 << 63) <= value < 1 << 64:
        return str(value)
    return list(value) if isinstance(value, tuple) else value


def long_axes(raster: RasterInfo) -> list[PixelAxis]:
    """``x`` and ``y`` that are too long for `coordinate_variables`."""
    if not raster.georef.has_coordinates:
        return []
    axes = raster.georef.axes(width=raster.width, height=raster.height)
    return [axis for axis in axes if len(axis) > LONG_AXIS]


def coordinate_attributes(raster: RasterInfo, name: str) -> dict[str, Any]:
    """Attributes of one of `COORDINATES` from tags such as ``x#units``; usually none."""
    parsed = (_parse_tag(key, text) for key, text in raster.tags.get("", {}).items())
    return {
        key.partition("#")[2]: value
        for key, value in parsed
        if key.startswith(f"{name}#") and key.count("#") == 1
    }


def coordinate_variables(
    raster: RasterInfo, bands: Sequence[int], *, with_xy: bool, stored: bool = False
) -> dict[str, tuple[tuple[str, ...], npt.NDArray[Any], dict[str, Any]]]:
    """Dimensions, values and attributes of ``band``, ``y``, ``x`` and ``spatial_ref``.

    `raster` is what `TileIndex.raster_of` gives, `bands` count from 0. Rotated rasters and those
    with GCPs or RPCs have no ``x`` and ``y``; axes of more than `LONG_AXIS` pixels are left out,
    see `long_axes`. The scalar ``spatial_ref`` holds attributes only.
    Attributes that are to be `stored` change no value, see `stored_attributes`.
    """
    georef = raster.georef
    values: dict[str, npt.NDArray[Any]] = {"band": np.asarray(bands, dtype=np.int64) + 1}
    if with_xy and georef.has_coordinates:
        x, y = georef.axes(width=raster.width, height=raster.height)
        values |= {axis.name: axis.values() for axis in (y, x) if len(axis) <= LONG_AXIS}
    attributes = {name: coordinate_attributes(raster, name) for name in values}
    if stored:
        attributes = {name: _inert(found) for name, found in attributes.items()}
    values[GRID_MAPPING] = np.asarray(0, dtype=np.int64)
    attributes[GRID_MAPPING] = georef.cf_attributes()
    return {name: ((name,) * array.ndim, array, attributes[name]) for name, array in values.items()}


def masking_alpha(bands: Sequence[Band], dtype_name: str) -> int | None:
    """0-based index of the alpha band that GDAL takes as the mask of the other bands, if any.

    GDAL's rule (``GDALRasterBand::GetMaskBand``): the last of two or four bands, 8 or 16 bit.
    """
    last = len(bands) - 1
    is_mask = (
        len(bands) in (2, 4)
        and bands[last].color_interpretation == "alpha"
        and dtype_name in ("uint8", "uint16")
    )
    return last if is_mask else None


def _uniform(values: Sequence[float], one: str, many: str, default: float) -> dict[str, Any]:
    if len(set(values)) > 1:
        return {many: tuple(values)}
    return {} if values[0] == default else {one: values[0]}


def _parse_tag(key: str, text: str) -> tuple[str, Any]:
    """A tag as rioxarray reads it: numbers become numbers, ``{1,2}`` a list of numbers."""
    key = key.split("NC_GLOBAL#")[-1]
    if text.startswith("{") and text.endswith("}"):
        try:
            numbers = [float(part) for part in text.strip("{}").split(",")]
        except ValueError:
            return key, text
        return key, numbers
    for kind in (int, float):
        try:
            value = kind(text)
        except ValueError:
            continue
        # JSON has no infinities and no NaN; such a tag stays the text it was.
        return key, value if abs(value) != float("inf") and value == value else text
    return key, text
