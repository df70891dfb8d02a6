"""What a file says of itself in its first bytes: FLAC rasters, plain FLAC, GeoTIFF.

Knows layouts and the reader of files; leaves what GDAL reads to `geotiff.source`. No pixels.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from obspec_utils.registry import ObjectStoreRegistry
from zarr_flac import CorruptFlacError, FlacInfo, read_info

from . import layouts
from .errors import LayoutError, NeedBytes, SourceError, UnknownLayoutError, naming
from .fetch import FileReader
from .grid import TileGrid, Window
from .index import Band, RasterInfo, TileIndex
from .metering import MeteredRegistry
from .raster_source import is_flac
from .selection import bounds_of
from .source import PREFIX_BYTES
from .stores import registry_for, to_url

#: A FLAC stream's metadata that is longer, such as large pictures, is not read for `info`.
MAX_STREAM_HEAD_BYTES = 64 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class FileReport:
    """What a file says of itself.

    Parameters
    ----------
    source : str
        Path or URL.
    layout : str
        ``"virtual-flac"``, ``"flac-raster streaming"``, ``"FLAC"`` for a stream that is no raster,
        or the name of GDAL's driver.
    raster : RasterInfo or None
        None for a stream that is no raster.
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

    def to_json(self) -> dict[str, Any]:
        """The report as JSON values; infinities and NaN are text."""
        ratio = self.ratio
        return {
            "source": self.source,
            "layout": self.layout,
            "raster": None if self.raster is None else _raster_json(self.raster),
            "levels": [list(size) for size in self.sizes],
            "tile_shape": None if self.tile_shape is None else list(self.tile_shape),
            "interleave": self.interleave,
            "masked_bands": list(self.masked_bands),
            "tile_count": self.tile_count,
            "tile_bytes": self.tile_bytes,
            "note": self.note,
            "stream": None if self.stream is None else _stream_json(self.stream),
            "file_bytes": self.file_bytes,
            "pixel_bytes": self.pixel_bytes,
            "ratio": None if ratio is None else round(ratio, 3),
            "requests": self.requests,
            "bytes_read": self.bytes_read,
        }


def info(
    source: str | os.PathLike[str], registry: ObjectStoreRegistry[Any] | None = None
) -> FileReport:
    """What a FLAC raster, a plain FLAC or a GeoTIFF says of itself; reads its first bytes alone.

    Parameters
    ----------
    source : str or path
        Path or URL.
    registry : ObjectStoreRegistry, optional
        Stores to read with; made by `registry_for` when not given.

    Returns
    -------
    FileReport

    Raises
    ------
    SourceError
        When the file cannot be read.
    LayoutError
        When its header is damaged.

    Notes
    -----
    Costs one ranged GET of 80 KiB for an index of up to 64 KiB, two for a larger one.

    Examples
    --------
    >>> report = info("https://example.com/dem.flac")
    >>> report.raster.dtype, report.sizes, report.requests
    (dtype('int16'), ((10980, 10980), (5490, 5490)), 1)
    """
    if not is_flac(source, registry):
        return _gdal_report(source, registry)
    url = to_url(source)
    meter = MeteredRegistry(registry or registry_for(url))
    head, version = FileReader(url, meter).head(PREFIX_BYTES)
    reader, size = FileReader(url, meter, version), version.size
    assert size is not None
    is_stream = head.startswith((b"fLaC", b"ID3"))
    stream = None
    with naming(url):
        if is_stream:
            head, stream = _read_stream_head(reader, head, size)
    parsed: Any = None
    while parsed is None:
        try:
            with naming(url):
                parsed = layouts.parse(head, size)
        except NeedBytes as need:
            if need.end <= len(head) or need.end > size:
                raise LayoutError(
                    f"{url}: the header needs the first {need.end} bytes, but the file has {size}: "
                    "it is cut short or damaged"
                ) from None
            head += reader.get(len(head), need.end, "the header")
        except UnknownLayoutError:
            if stream is None:
                raise
            break
    return _flac_report(os.fspath(source), parsed, stream, size, meter)


def _read_stream_head(reader: FileReader, head: bytes, size: int) -> tuple[bytes, FlacInfo]:
    """All bytes up to the first frame, and what they say."""
    while True:
        try:
            return head, read_info(head)
        except CorruptFlacError:
            # Nothing tells a head that goes on from a damaged one.
            end = min(2 * len(head), size)
            if end == len(head) or end > MAX_STREAM_HEAD_BYTES:
                raise
            head += reader.get(len(head), end, "the metadata blocks")


def _flac_report(
    source: str, parsed: Any, stream: FlacInfo | None, size: int, meter: MeteredRegistry
) -> FileReport:
    costs: dict[str, Any] = {
        "file_bytes": size,
        "requests": meter.requests,
        "bytes_read": meter.bytes,
    }
    if isinstance(parsed, TileIndex):
        return FileReport(
            source=source,
            layout=parsed.layout,
            raster=parsed.raster,
            sizes=tuple((level.width, level.height) for level in parsed.levels),
            tile_shape=parsed.tile_shape,
            interleave=parsed.interleave,
            tile_count=parsed.tile_count,
            tile_bytes=sum(int(level.lengths.sum()) for level in parsed.levels),
            note=parsed.loss_note,
            stream=stream,
            **costs,
        )
    # A raster in one stream: the place of its frames is not in the header.
    raster: RasterInfo | None = None if parsed is None else parsed.raster
    return FileReport(
        source=source,
        layout="FLAC" if raster is None else "flac-raster plain",
        raster=raster,
        sizes=() if raster is None else ((raster.width, raster.height),),
        interleave=None if raster is None else "pixel",
        stream=stream,
        **costs,
    )


def _gdal_report(
    source: str | os.PathLike[str], registry: ObjectStoreRegistry[Any] | None
) -> FileReport:
    from .geotiff.source import opened_gdal

    name = os.fspath(source)
    with opened_gdal(source, registry) as raster:
        tall, wide = raster.block_shape
        grids = [TileGrid(height, width, tall, wide) for width, height in raster.sizes]
        planes = 1 if raster.by_pixel else raster.info.count
        return FileReport(
            source=name,
            layout=raster.driver,
            raster=raster.info,
            sizes=tuple(raster.sizes),
            tile_shape=raster.block_shape,
            interleave="pixel" if raster.by_pixel else "band",
            masked_bands=raster.masked_bands,
            tile_count=sum(grid.rows * grid.cols for grid in grids) * planes,
            file_bytes=_size_of(name, registry),
        )


def _size_of(name: str, registry: ObjectStoreRegistry[Any] | None) -> int | None:
    """Bytes of a file; None for what only GDAL understands."""
    if "://" not in name:
        return Path(name).stat().st_size if Path(name).is_file() else None
    try:
        return FileReader(to_url(name), registry or registry_for(name)).head(1)[1].size
    except SourceError:
        return None


def _raster_json(raster: RasterInfo) -> dict[str, Any]:
    georef = raster.georef
    return {
        "width": raster.width,
        "height": raster.height,
        "count": raster.count,
        "dtype": raster.dtype.name,
        "nodata": _number(raster.nodata),
        "crs": georef.authority_code(),
        "crs_name": crs_name(raster),
        "crs_wkt": georef.crs_wkt,
        "transform": list(georef.transform[:6]),
        "bounds": list(bounds_of(georef, Window(0, 0, raster.width, raster.height))),
        "gcps": len(georef.gcps),
        "rpcs": bool(georef.rpcs),
        "bands": [_band_json(number, band) for number, band in enumerate(raster.bands, 1)],
        "tags": _tags_json(raster.tags),
    }


def crs_name(raster: RasterInfo) -> str | None:
    """``"WGS 84 / UTM zone 32N"`` and the like."""
    if not raster.georef.crs_wkt:
        return None
    import pyproj

    name: str = pyproj.CRS.from_wkt(raster.georef.crs_wkt).name
    return name


def _band_json(number: int, band: Band) -> dict[str, Any]:
    return {
        "band": number,
        "description": band.description,
        "unit": band.unit,
        "scale": _number(band.scale),
        "offset": _number(band.offset),
        "color_interpretation": band.color_interpretation,
        "colors": 0 if band.colormap is None else len(band.colormap),
        "tags": _tags_json(band.tags),
    }


def _tags_json(tags: Any) -> dict[str, dict[str, str]]:
    return {domain: dict(items) for domain, items in tags.items()}


def _number(value: int | float | None) -> int | float | str | None:
    """JSON has no NaN and no infinities."""
    if value is None or isinstance(value, int) or value - value == 0:
        return value
    return {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}[str(float(value))]


def _stream_json(stream: FlacInfo) -> dict[str, Any]:
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
