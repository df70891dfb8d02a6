"""Our own streaming layout: parse and pack, side by side. Specified in FORMAT.md.

A superset of flac-raster's streaming layout. Knows the bytes of the head and the comments of a
tile; knows no pixels, no stores, no Zarr.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import LayoutError, LayoutVersionError, UnsupportedDtypeError
from ..model.georef import GeoReference
from ..model.grid import TileGrid, Window
from ..model.index import (
    Band,
    Interleave,
    Level,
    RasterInfo,
    TileIndex,
    TileSizes,
    U32Array,
    U64Array,
)
from . import _common
from ._check import check_tiles
from ._json import SIZE_BYTES, as_float, as_int, as_list, as_object, as_str, require

LAYOUT = "virtual-flac"
VERSION = "1.1"
#: Above this many tiles the verbose list that flac-raster reads is left out.
MAX_FRAMES = 1000
MAX_BANDS = 1 << 16
MAX_LEVELS = 32

DTYPES = (
    *("int8", "int16", "int32", "int64"),
    *("uint8", "uint16", "uint32", "uint64"),
    *("float16", "float32", "float64"),
)
INTERLEAVES: tuple[Interleave, ...] = ("band", "tile", "pixel")

_CHECKSUM_KEY = '"crc32":"'
_NO_CHECKSUM = "00000000"
_KEYS = frozenset(
    {
        *("layout", "version", "crc32", "crs", "transform", "width", "height", "tile_size"),
        *("dtype", "count", "interleave", "nodata", "bands", "tags", "crs_wkt", "gcps"),
        *("gcp_crs_wkt", "rpcs", "source_overviews", "levels", "frames"),
    }
)


def begins(head: bytes) -> bool:
    """Whether a file can be of this layout, by its first bytes."""
    return head.startswith(b'{"layout":"virtual-flac"', SIZE_BYTES)


def recognises(index: Mapping[str, Any]) -> bool:
    """Whether a JSON index says it is of this layout."""
    return index.get("layout") == LAYOUT


# Reading -----------------------------------------------------------------------------------------


def parse(
    index: Mapping[str, Any], head: bytes, data_offset: int, file_size: int | None
) -> TileIndex:
    """The index of a file of this layout.

    Parameters
    ----------
    index : Mapping
        The JSON object at the start of the file.
    head : bytes
        The bytes it was read from, for the checksum.
    data_offset : int
        Position of the first byte after the JSON.
    file_size : int or None
        Size of the file in bytes, None when unknown.

    Raises
    ------
    LayoutVersionError
        When the file is of a newer major version.
    LayoutError
        When the index is damaged, contradicts itself or does not fit the file.
    """
    _check_version(as_str(require(index, "version", "the index"), "version"))
    _check_checksum(index, head[SIZE_BYTES:data_offset])
    grid = _common.parse_size(index)
    raster = _parse_raster(index, grid)
    interleave = require(index, "interleave", "the index")
    if interleave not in INTERLEAVES:
        raise LayoutError(f"interleave is {interleave!r}, expected one of {INTERLEAVES}")
    planes = 1 if interleave == "pixel" else raster.count
    sizes = []
    shapes = []
    checksums = []
    for number, item in enumerate(as_list(require(index, "levels", "the index"), "levels")):
        level_grid, lengths, crcs = _parse_level(item, f"levels[{number}]", grid, planes)
        shapes.append(level_grid)
        sizes.append(lengths)
        checksums.append(crcs)
    if not sizes or len(sizes) > MAX_LEVELS or shapes[0] != grid:
        raise LayoutError("levels must begin with the full resolution and be at most 32")
    levels = tuple(
        Level(
            width=g.width,
            height=g.height,
            offsets=o + np.uint64(data_offset),
            lengths=n,
            checksums=c,
        )
        for g, o, n, c in zip(
            shapes, relative_offsets(sizes, interleave), sizes, checksums, strict=True
        )
    )
    result = TileIndex(
        layout=LAYOUT,
        raster=raster,
        tile_shape=(grid.tile_height, grid.tile_width),
        interleave=interleave,
        levels=levels,
        source_overviews=bool(index.get("source_overviews", False)),
        extra={key: value for key, value in index.items() if key not in _KEYS},
    )
    check_tiles(result, data_offset=data_offset, file_size=file_size)
    return result


def _check_version(version: str) -> None:
    major = version.partition(".")[0]
    if not major.isdecimal():
        raise LayoutError(f"version is {version!r}, expected MAJOR.MINOR")
    if int(major) > int(VERSION.partition(".")[0]):
        raise LayoutVersionError(
            f"the file is of layout version {version}; this program reads up to major version "
            f"{VERSION.partition('.')[0]}. Upgrade virtual-flac."
        )


def _check_checksum(index: Mapping[str, Any], text: bytes) -> None:
    stated = as_str(require(index, "crc32", "the index"), "crc32")
    actual = _checksum(text, stated)
    if stated != actual:
        raise LayoutError(
            f"the index says its CRC-32 is {stated!r}, but it is {actual!r}: the header is "
            "damaged. Fetch the file again."
        )


def _checksum(text: bytes, stated: str) -> str:
    """CRC-32 of the index with the checksum's own digits set to zero."""
    here = f"{_CHECKSUM_KEY}{stated}".encode()
    blank = f"{_CHECKSUM_KEY}{_NO_CHECKSUM}".encode()
    return f"{zlib.crc32(text.replace(here, blank, 1)):08x}"


def _parse_raster(index: Mapping[str, Any], grid: TileGrid) -> RasterInfo:
    name = require(index, "dtype", "the index")
    if name not in DTYPES:
        raise UnsupportedDtypeError(f"the index says dtype {name!r}, expected one of {DTYPES}")
    dtype = np.dtype(name)
    count = as_int(require(index, "count", "the index"), "count", low=1, high=MAX_BANDS)
    bands = as_list(require(index, "bands", "the index"), "bands", length=count)
    return RasterInfo(
        width=grid.width,
        height=grid.height,
        dtype=dtype,
        georef=_parse_georef(index),
        nodata=_parse_number(index.get("nodata"), "nodata"),
        bands=tuple(_parse_band(item, f"bands[{i}]") for i, item in enumerate(bands)),
        tags=_parse_tags(index.get("tags", {}), "tags"),
    )


def _parse_georef(index: Mapping[str, Any]) -> GeoReference:
    return GeoReference(
        crs_wkt=_parse_optional_str(index, "crs_wkt"),
        transform=_common.parse_transform(require(index, "transform", "the index")),
        gcps=tuple(
            as_object(p, f"gcps[{i}]") for i, p in enumerate(as_list(index.get("gcps", []), "gcps"))
        ),
        gcp_crs_wkt=_parse_optional_str(index, "gcp_crs_wkt"),
        rpcs=_parse_items(index.get("rpcs", {}), "rpcs"),
    )


def _parse_optional_str(mapping: Mapping[str, Any], key: str) -> str | None:
    value = mapping.get(key)
    return None if value is None else as_str(value, key)


def _parse_number(value: Any, name: str) -> int | float | None:
    """A JSON number, or one of the strings for what JSON has no number for."""
    if value in ("NaN", "Infinity", "-Infinity"):
        return float(value)
    if value is None or (isinstance(value, int) and not isinstance(value, bool)):
        return value
    return as_float(value, name)


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
    data = _decode_base64(value, name)
    if len(data) % 4 or len(data) > 4 << 16:
        raise LayoutError(
            f"{name} has {len(data)} bytes, expected 4 for each of up to 65536 values"
        )
    return tuple((r, g, b, a) for r, g, b, a in zip(*(iter(data),) * 4, strict=True))


def _parse_tags(value: Any, name: str) -> dict[str, dict[str, str]]:
    domains = as_object(value, name)
    return {domain: _parse_items(items, f"{name}.{domain}") for domain, items in domains.items()}


def _parse_items(value: Any, name: str) -> dict[str, str]:
    return {key: as_str(text, f"{name}.{key}") for key, text in as_object(value, name).items()}


def _parse_level(
    item: Any, name: str, base: TileGrid, planes: int
) -> tuple[TileGrid, U64Array, U32Array | None]:
    level = as_object(item, name)
    width = as_int(require(level, "width", name), f"{name}.width", low=1, high=base.width)
    height = as_int(require(level, "height", name), f"{name}.height", low=1, high=base.height)
    grid = TileGrid(height, width, base.tile_height, base.tile_width)
    shape = (planes, grid.rows, grid.cols)
    sizes = _parse_sizes(require(level, "sizes", name), f"{name}.sizes", shape)
    # Since 1.1.
    checksums = level.get("checksums")
    if checksums is None:
        return grid, sizes, None
    return grid, sizes, _parse_checksums(checksums, f"{name}.checksums", shape)


def _parse_checksums(value: Any, name: str, shape: tuple[int, int, int]) -> U32Array:
    data = _decode_base64(value, name)
    count = shape[0] * shape[1] * shape[2]
    if len(data) != 4 * count:
        raise LayoutError(f"{name} has {len(data)} bytes, expected 4 for each of {count} tiles")
    return np.frombuffer(data, dtype="<u4").reshape(shape).astype(np.uint32)


def _parse_sizes(value: Any, name: str, shape: tuple[int, int, int]) -> U64Array:
    data = _decode_base64(value, name)
    count = shape[0] * shape[1] * shape[2]
    # DEFLATE gains at most a factor of 1032: a wrong shape is noticed before memory is taken.
    if 4 * count > 1032 * len(data) + 64:
        raise LayoutError(f"{name} is too short for {count} tiles")
    inflate = zlib.decompressobj()
    try:
        planes = inflate.decompress(data, 4 * count + 1)
    except zlib.error as error:
        raise LayoutError(f"{name} is damaged: {error}") from error
    if len(planes) != 4 * count or not inflate.eof or inflate.unused_data:
        raise LayoutError(f"{name} does not hold the sizes of {count} tiles")
    by_byte = np.frombuffer(planes, dtype=np.uint8).reshape(4, count)
    sizes = np.ascontiguousarray(by_byte.T).view("<u4").reshape(shape)
    if (sizes == 0).any():
        raise LayoutError(f"{name} holds a tile of 0 bytes")
    return sizes.astype(np.uint64)


def _decode_base64(value: Any, name: str) -> bytes:
    try:
        return base64.b64decode(as_str(value, name), validate=True)
    except ValueError as error:
        raise LayoutError(f"{name} is not base64: {error}") from error


# Where tiles lie ---------------------------------------------------------------------------------


def file_order(shape: tuple[int, int, int], interleave: Interleave) -> npt.NDArray[np.intp]:
    """Flat indices of (plane, tile row, tile column) in the order of the file."""
    flat = np.arange(shape[0] * shape[1] * shape[2]).reshape(shape)
    return flat.transpose(1, 2, 0).ravel() if interleave == "tile" else flat.ravel()


def relative_offsets(lengths: Sequence[U64Array], interleave: Interleave) -> list[U64Array]:
    """Position of every tile, counted from the first tile byte; tiles follow without gaps.

    Parameters
    ----------
    lengths : sequence of ndarray of uint64, shape (plane, tile row, tile column)
        One array a level, full resolution first, which is also the order in the file.
    interleave : {"band", "tile", "pixel"}

    Returns
    -------
    list of ndarray of uint64, shapes as in `lengths`
    """
    offsets = []
    position = np.uint64(0)
    for level in lengths:
        order = file_order(_shape3(level), interleave)
        in_order = level.ravel()[order].astype(np.uint64)
        ends = position + np.cumsum(in_order, dtype=np.uint64)
        starts = np.empty_like(in_order)
        starts[order] = ends - in_order
        offsets.append(starts.reshape(level.shape))
        position = ends[-1]
    return offsets


def _shape3(array: U64Array) -> tuple[int, int, int]:
    planes, rows, cols = array.shape
    return planes, rows, cols


# Writing -----------------------------------------------------------------------------------------


def pack(
    raster: RasterInfo,
    levels: Sequence[TileSizes],
    *,
    tile_size: int,
    interleave: Interleave,
    source_overviews: bool = False,
    extra: Mapping[str, Any] | None = None,
) -> bytes:
    """The head of a file: 4-byte size and JSON. Tiles follow in the order of `relative_offsets`.

    Parameters
    ----------
    raster : RasterInfo
    levels : sequence of TileSizes
        Full resolution first.
    tile_size : int
        Edge of the tiles in pixels.
    interleave, source_overviews
        As in `TileIndex`.
    extra : mapping, optional
        More keys; those of this layout among them are left out.
    """
    georef = raster.georef
    # First, so that the checksum's own place is the first of its kind in the text; the keys that
    # we do not know come before ours, so that they cannot take their place.
    content: dict[str, Any] = {
        "layout": LAYOUT,
        "version": VERSION,
        "crc32": _NO_CHECKSUM,
        **{key: value for key, value in (extra or {}).items() if key not in _KEYS},
        "crs": str(georef.authority_code() or georef.crs_wkt),
        "transform": _common.pack_transform(georef.transform),
        "width": raster.width,
        "height": raster.height,
        "tile_size": tile_size,
        "dtype": raster.dtype.name,
        "count": raster.count,
        "interleave": interleave,
        **dict(_pack_optional(raster)),
        **({"source_overviews": source_overviews} if len(levels) > 1 else {}),
        "bands": [_pack_band(band) for band in raster.bands],
        "levels": [_pack_level(level) for level in levels],
    }
    grid = TileGrid(raster.height, raster.width, tile_size, tile_size)
    if grid.rows * grid.cols <= MAX_FRAMES:
        lengths = [level.lengths for level in levels]
        offsets = relative_offsets(lengths, interleave)
        content["frames"] = _common.pack_frames(grid, georef, offsets[0][0], lengths[0][0])
    text = json.dumps(content, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    crc = _checksum(text.encode(), _NO_CHECKSUM)
    here, there = f"{_CHECKSUM_KEY}{_NO_CHECKSUM}", f"{_CHECKSUM_KEY}{crc}"
    data = text.replace(here, there, 1).encode()
    return len(data).to_bytes(SIZE_BYTES, "big") + data


def _pack_optional(raster: RasterInfo) -> Iterator[tuple[str, Any]]:
    georef = raster.georef
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


def _pack_level(level: TileSizes) -> dict[str, Any]:
    packed: dict[str, Any] = {
        "width": level.width,
        "height": level.height,
        "sizes": _pack_sizes(level.lengths),
    }
    if level.checksums is not None:
        crcs = level.checksums.astype("<u4").tobytes()
        packed["checksums"] = base64.b64encode(crcs).decode()
    return packed


def _pack_sizes(lengths: U64Array) -> str:
    """Base64 of the DEFLATEd byte planes of the sizes as 32-bit integers: about 3 bytes a tile."""
    if lengths.max() >= 1 << 32:
        raise LayoutError(f"a tile of {lengths.max()} bytes is more than this layout can hold")
    by_byte = lengths.astype("<u4").reshape(-1, 1).view(np.uint8).T
    return base64.b64encode(zlib.compress(by_byte.tobytes(), 9)).decode()


def tile_comments(
    raster: RasterInfo, *, level: int, window: Window, crs: str | None
) -> dict[str, str]:
    """Comments that let flac-raster 0.1.2 read a full-resolution tile; empty where it cannot.

    It computes ``round((s + 1) / 2 * (DATA_MAX - DATA_MIN) + DATA_MIN)`` with ``s = a / 32768``
    for the 16-bit sample ``a``. With ``DATA_MIN = b - 32768`` and ``DATA_MAX = b + 32768`` this is
    exactly ``a + b``, and ``b`` is what we subtracted: half the range of an unsigned dtype.

    Parameters
    ----------
    raster : RasterInfo
    level : int
        0 is the full resolution.
    window : Window
        The tile's pixels.
    crs : str or None
        The CRS as authority code; other CRS would cost kilobytes a tile and are left out.
    """
    if level or raster.dtype.name not in ("int16", "uint16"):
        return {}
    base = 0 if raster.dtype.kind == "i" else 1 << 15
    left, top = raster.georef.transform @ (window.col_off, window.row_off)
    a, b, _, d, e, _ = raster.georef.transform[:6]
    return {
        "GEOSPATIAL_CRS": crs or "",
        "GEOSPATIAL_COUNT": "1",
        "GEOSPATIAL_NODATA": str(raster.nodata),
        "GEOSPATIAL_DATA_MIN": str(base - 32768),
        "GEOSPATIAL_DATA_MAX": str(base + 32768),
        "GEOSPATIAL_TRANSFORM": json.dumps([a, b, left, d, e, top]),
    }
