"""What a file says of itself in its first bytes: FLAC rasters, plain FLAC, GeoTIFF.

Knows layouts and the reader of files; leaves what GDAL reads to `geotiff.source`. No pixels.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from obspec_utils.registry import ObjectStoreRegistry
from zarr_flac import CorruptFlacError, FlacInfo, read_info

from .. import layouts
from ..errors import LayoutError, NeedBytes, SourceError, UnknownLayoutError, prefixed_with
from ..io.file_reader import FileReader
from ..io.stores import registry_for, to_url
from ..layouts import flac_raster
from ..model.grid import TileGrid
from ..model.index import RasterInfo, TileIndex
from ..rasters import is_flac
from ..reading.header import PREFIX_BYTES
from .file_report import FileReport
from .metering import MeteredRegistry

#: A FLAC stream's metadata that is longer, such as large pictures, is not read for `info`.
MAX_STREAM_HEAD_BYTES = 64 << 20


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
    reader = FileReader(url, meter)
    head = reader.read_prefix(PREFIX_BYTES)
    assert reader.version is not None
    size = reader.version.size
    assert size is not None
    is_stream = head.startswith((b"fLaC", b"ID3"))
    stream = None
    with prefixed_with(url):
        if is_stream:
            head, stream = _read_stream_head(reader, head, size)
    parsed: Any = None
    while parsed is None:
        try:
            with prefixed_with(url):
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
            note=flac_raster.loss_note(parsed),
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
    from ..gdal.raster import opened_gdal

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
        return FileReader(to_url(name), registry or registry_for(name)).ask_version().size
    except SourceError:
        return None
