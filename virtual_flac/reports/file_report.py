"""`FileReport`: what a file says about itself, as a value and as JSON. Reads nothing."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from zarr_flac import FlacInfo

from ..model.crs import parse_wkt
from ..model.grid import Window
from ..model.index import Band, RasterInfo
from ..model.selection import Bounds, bounds_of

#: A CRS in WKT 2: its name, and its code when that is the last thing it says.
_WKT_NAME = re.compile(r'(?:PROJ|GEOG|GEOD|COMPOUND|ENG)CRS\["((?:[^"]|"")*)"')
_WKT_CODE = re.compile(r'\bID\["(\w+)",\s*"?(\w+)"?\]\s*\]$')


@dataclass(frozen=True, slots=True, kw_only=True)
class FileReport:
    """What a file says about itself.

    Parameters
    ----------
    source : str
        Path or URL.
    layout : str
        ``"virtual-flac"``, ``"flac-raster streaming"``, ``"FLAC"`` for a stream that is not a
        raster, or the name of GDAL's driver.
    raster : RasterInfo or None
        None for a stream that is not a raster.
    sizes : tuple of (width, height)
        Of the levels, full resolution first.
    tile_shape : tuple of int or None
        Height and width.
    interleave : {"band", "tile", "pixel"} or None
    masked_bands : tuple of int
        1-based bands with a mask that is neither nodata nor an alpha band; only GDAL's formats
        have such.
    tile_count, tile_bytes : int or None
        Of all levels; None where only the rest of the file would tell.
    note : str or None
        What the program that wrote the file has lost of the pixels; None where nothing is known.
    stream : FlacInfo or None
        Of a file that is one FLAC stream.
    file_bytes : int or None
    requests, bytes_read : int or None
        What this cost; None where GDAL has read.
    """

    source: str
    layout: str
    raster: RasterInfo | None
    sizes: tuple[tuple[int, int], ...] = ()
    tile_shape: tuple[int, int] | None = None
    interleave: str | None = None
    masked_bands: tuple[int, ...] = ()
    tile_count: int | None = None
    tile_bytes: int | None = None
    note: str | None = None
    stream: FlacInfo | None = None
    file_bytes: int | None = None
    requests: int | None = None
    bytes_read: int | None = None

    @property
    def pixel_bytes(self) -> int | None:
        """Bytes of the pixels of all levels and bands, uncompressed."""
        if self.raster is None:
            return None
        pixels = sum(width * height for width, height in self.sizes) * self.raster.count
        return pixels * self.raster.dtype.itemsize

    @property
    def ratio(self) -> float | None:
        """How many times smaller than its pixels the file is."""
        if self.pixel_bytes is None or not self.file_bytes:
            return None
        return self.pixel_bytes / self.file_bytes

    @property
    def crs(self) -> tuple[str | None, str | None]:
        """Code and name: ``("EPSG:32632", "WGS 84 / UTM zone 32N")``; None for what is unknown."""
        wkt = None if self.raster is None else self.raster.georef.crs_wkt
        if self.raster is None or not wkt:
            return None, None
        name, code = _WKT_NAME.match(wkt), _WKT_CODE.search(wkt)
        if name and code:
            # Most files say both; importing pyproj takes longer than reading the file.
            return ":".join(code.groups()), name[1].replace('""', '"')
        return self.raster.georef.authority_code(), parse_wkt(wkt).name

    @property
    def bounds(self) -> Bounds | None:
        """Left, bottom, right and top in the raster's CRS; None for what is not a raster."""
        if self.raster is None:
            return None
        whole = Window(0, 0, self.raster.width, self.raster.height)
        return bounds_of(self.raster.georef, whole)

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON values; infinities and NaN are text."""
        ratio = self.ratio
        return {
            "source": self.source,
            "layout": self.layout,
            "raster": None if self.raster is None else self._raster_dict(self.raster),
            "levels": [list(size) for size in self.sizes],
            "tile_shape": None if self.tile_shape is None else list(self.tile_shape),
            "interleave": self.interleave,
            "masked_bands": list(self.masked_bands),
            "tile_count": self.tile_count,
            "tile_bytes": self.tile_bytes,
            "note": self.note,
            "stream": None if self.stream is None else _stream_dict(self.stream),
            "file_bytes": self.file_bytes,
            "pixel_bytes": self.pixel_bytes,
            "ratio": None if ratio is None else round(ratio, 3),
            "requests": self.requests,
            "bytes_read": self.bytes_read,
        }

    def _raster_dict(self, raster: RasterInfo) -> dict[str, Any]:
        georef = raster.georef
        code, name = self.crs
        return {
            "width": raster.width,
            "height": raster.height,
            "count": raster.count,
            "dtype": raster.dtype.name,
            "nodata": _number(raster.nodata),
            "crs": code,
            "crs_name": name,
            "crs_wkt": georef.crs_wkt,
            "transform": list(georef.transform[:6]),
            "bounds": list(self.bounds or ()),
            "gcps": len(georef.gcps),
            "rpcs": bool(georef.rpcs),
            "bands": [_band_dict(number, band) for number, band in enumerate(raster.bands, 1)],
            "tags": _tags_dict(raster.tags),
        }


def _band_dict(number: int, band: Band) -> dict[str, Any]:
    return {
        "band": number,
        "description": band.description,
        "unit": band.unit,
        "scale": _number(band.scale),
        "offset": _number(band.offset),
        "color_interpretation": band.color_interpretation,
        "colors": 0 if band.colormap is None else len(band.colormap),
        "tags": _tags_dict(band.tags),
    }


def _tags_dict(tags: Any) -> dict[str, dict[str, str]]:
    return {domain: dict(items) for domain, items in tags.items()}


def _number(value: int | float | None) -> int | float | str | None:
    """JSON has no NaN and no infinities."""
    if value is None or isinstance(value, int) or value - value == 0:
        return value
    return {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}[str(float(value))]


def _stream_dict(stream: FlacInfo) -> dict[str, Any]:
    facts = stream.streaminfo
    names: Sequence[str] = (
        *("channels", "bits_per_sample", "sample_rate", "total_samples"),
        *("min_block_size", "max_block_size"),
    )
    return {
        **{name: getattr(facts, name) for name in names},
        "md5": facts.md5.hex() if any(facts.md5) else None,
        "vendor": stream.vendor,
        "comments": dict(stream.comments),
        "seek_points": len(stream.seek_table),
        "frames_offset": stream.frames_offset,
    }
