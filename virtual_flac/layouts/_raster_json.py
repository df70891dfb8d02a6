"""What our header says of a raster without its tiles: JSON values <-> `RasterInfo`."""

from __future__ import annotations

import base64
import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from ..errors import LayoutError, UnsupportedDtypeError
from ..model.crs import check_wkt
from ..model.georef import GeoReference
from ..model.grid import TileGrid
from ..model.index import Band, RasterInfo
from ._json import (
    as_float,
    as_int,
    as_list,
    as_object,
    as_str,
    check_extent,
    decode_base64,
    pack_transform,
    parse_transform,
    require,
)
from ._strict_json import show

MAX_BANDS = 1 << 16
DTYPES = (
    *("int8", "int16", "int32", "int64"),
    *("uint8", "uint16", "uint32", "uint64"),
    *("float16", "float32", "float64"),
)
#: RPC items that are numbers; others are text, such as the name of a sensor.
_RPC_NUMBERS = ("LINE_", "SAMP_", "LAT_", "LONG_", "HEIGHT_", "ERR_", "MIN_", "MAX_")
KEYS = frozenset(
    {
        *("crs", "transform", "width", "height", "dtype", "count", "nodata", "bands", "tags"),
        *("crs_wkt", "gcps", "gcp_crs_wkt", "rpcs"),
    }
)


def parse_raster(index: Mapping[str, Any], grid: TileGrid) -> RasterInfo:
    """The raster that a header describes; `grid` has its size."""
    name = require(index, "dtype", "the index")
    if name not in DTYPES:
        raise UnsupportedDtypeError(f"the index says dtype {show(name)}, expected one of {DTYPES}")
    dtype = np.dtype(name)
    count = as_int(require(index, "count", "the index"), "count", low=1, high=MAX_BANDS)
    bands = as_list(require(index, "bands", "the index"), "bands", length=count)
    _parse_optional_str(index, "crs")
    return RasterInfo(
        width=grid.width,
        height=grid.height,
        dtype=dtype,
        georef=_parse_georef(index, grid),
        nodata=_parse_nodata(index.get("nodata")),
        bands=tuple(_parse_band(item, f"bands[{i}]") for i, item in enumerate(bands)),
        tags=_parse_tags(index.get("tags", {}), "tags"),
    )


def _parse_georef(index: Mapping[str, Any], grid: TileGrid) -> GeoReference:
    transform = parse_transform(require(index, "transform", "the index"))
    check_extent(transform, grid.width, grid.height)
    points = as_list(index.get("gcps", []), "gcps")
    return GeoReference(
        crs_wkt=_parse_wkt(index, "crs_wkt"),
        transform=transform,
        gcps=tuple(_parse_point(point, f"gcps[{i}]") for i, point in enumerate(points)),
        gcp_crs_wkt=_parse_wkt(index, "gcp_crs_wkt"),
        rpcs=_parse_rpcs(index.get("rpcs", {})),
    )


def _parse_wkt(index: Mapping[str, Any], key: str) -> str | None:
    wkt = _parse_optional_str(index, key)
    if wkt is not None:
        check_wkt(wkt, key)
    return wkt


def _parse_point(value: Any, name: str) -> dict[str, Any]:
    """A ground control point, a GeoJSON feature."""
    point = as_object(value, name)
    properties = as_object(require(point, "properties", name), f"{name}.properties")
    geometry = as_object(require(point, "geometry", name), f"{name}.geometry")
    place = as_list(require(geometry, "coordinates", name), f"{name}.geometry.coordinates")
    if len(place) not in (2, 3):
        raise LayoutError(f"{name} has {len(place)} coordinates, expected 2 or 3")
    for number in (*place, *(require(properties, key, name) for key in ("row", "col"))):
        as_float(number, f"a number of {name}")
    return {
        "type": "Feature",
        "properties": {
            **{key: _parse_optional_str(properties, key) for key in ("id", "info")},
            **{key: properties[key] for key in ("row", "col")},
        },
        "geometry": {"type": "Point", "coordinates": place},
    }


def _parse_rpcs(value: Any) -> dict[str, str]:
    """RPC metadata items as GDAL has them: numbers as text, which may name a unit."""
    items = _parse_items(value, "rpcs")
    for key, text in items.items():
        count = 20 if key.endswith("_COEFF") else 1
        if not key.startswith(_RPC_NUMBERS):
            continue
        numbers = text.split()[:count]
        if len(numbers) < count or not all(map(_is_number, numbers)):
            raise LayoutError(f"rpcs.{key} is {show(text)}, expected numbers: {count}")
    return items


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def _parse_optional_str(mapping: Mapping[str, Any], key: str) -> str | None:
    value = mapping.get(key)
    return None if value is None else as_str(value, key)


def _parse_nodata(value: Any) -> int | float | None:
    """A JSON number, or a string for an infinity or NaN, which JSON lacks."""
    if value in ("NaN", "Infinity", "-Infinity"):
        return float(value)
    if value is None:
        return None
    number = as_float(value, "nodata")
    return value if isinstance(value, int) else number


def _parse_band(item: Any, name: str) -> Band:
    band = as_object(item, name)
    colormap = band.get("colormap")
    return Band(
        description=_parse_optional_str(band, "description"),
        unit=_parse_optional_str(band, "unit"),
        scale=as_float(band.get("scale", 1.0), f"{name}.scale"),
        offset=as_float(band.get("offset", 0.0), f"{name}.offset"),
        color_interpretation=as_str(
            band.get("color_interpretation", "undefined"), f"{name}.color_interpretation"
        ),
        colormap=None if colormap is None else _parse_colormap(colormap, f"{name}.colormap"),
        tags=_parse_tags(band.get("tags", {}), f"{name}.tags"),
    )


def _parse_colormap(value: Any, name: str) -> tuple[tuple[int, int, int, int], ...]:
    data = decode_base64(value, name)
    if len(data) % 4 or not 4 <= len(data) <= 4 << 16:
        raise LayoutError(f"{name} has {len(data)} bytes, expected 4 for each of 1 to 65536 values")
    return tuple((r, g, b, a) for r, g, b, a in zip(*(iter(data),) * 4, strict=True))


def _parse_tags(value: Any, name: str) -> dict[str, dict[str, str]]:
    domains = as_object(value, name)
    return {domain: _parse_items(items, f"{name}.{domain}") for domain, items in domains.items()}


def _parse_items(value: Any, name: str) -> dict[str, str]:
    return {key: as_str(text, f"{name}.{key}") for key, text in as_object(value, name).items()}


def pack_raster(raster: RasterInfo) -> Iterator[tuple[str, Any]]:
    """Keys and values of a raster."""
    georef = raster.georef
    if code := georef.authority_code():
        yield "crs", code
    yield "transform", pack_transform(georef.transform)
    yield "width", raster.width
    yield "height", raster.height
    yield "dtype", raster.dtype.name
    yield "count", raster.count
    if raster.nodata is not None:
        yield "nodata", _pack_number(raster.nodata)
    if georef.crs_wkt is not None:
        yield "crs_wkt", georef.crs_wkt
    if georef.gcps:
        yield "gcps", [dict(point) for point in georef.gcps]
    if georef.gcp_crs_wkt is not None:
        yield "gcp_crs_wkt", georef.gcp_crs_wkt
    if georef.rpcs:
        yield "rpcs", dict(georef.rpcs)
    if raster.tags:
        yield "tags", {domain: dict(items) for domain, items in raster.tags.items()}
    yield "bands", [_pack_band(band) for band in raster.bands]


def _pack_number(value: int | float) -> int | float | str:
    if isinstance(value, int) or np.isfinite(value):
        return value
    return {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}[str(float(value))]


def _pack_band(band: Band) -> dict[str, Any]:
    default = Band()
    packed: dict[str, Any] = {}
    for name in ("description", "unit", "scale", "offset", "color_interpretation"):
        value = getattr(band, name)
        if value != getattr(default, name):
            packed[name] = value
    if band.colormap is not None:
        packed["colormap"] = base64.b64encode(
            np.asarray(band.colormap, dtype=np.uint8).tobytes()
        ).decode()
    if band.tags:
        packed["tags"] = {domain: dict(items) for domain, items in band.tags.items()}
    return packed
