"""What a file says about itself: FLAC rasters, plain FLAC, GeoTIFF, published references."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from obspec_utils.registry import ObjectStoreRegistry
from zarr_flac import FlacInfo

from .. import layouts
from ..errors import SourceError
from ..io.file_reader import FileReader
from ..io.reference_kinds import references_kind
from ..io.stores import registry_for, to_url
from ..layouts import flac_raster, plain
from ..model.arguments import checked
from ..model.grid import TileGrid
from ..model.index import TileIndex
from ..rasters import flac_header
from ..reading.header import HeaderReader
from .file_report import FileReport

if TYPE_CHECKING:
    from ..references.describe import ReferencesReport


@checked
def info(
    source: str | os.PathLike[str],
    registry: ObjectStoreRegistry[Any] | None = None,
    *,
    store_options: Mapping[str, Any] | None = None,
    allow_local: bool = False,
) -> FileReport | ReferencesReport:
    """What a FLAC raster, a plain FLAC or a GeoTIFF says about itself; reads only its first bytes.

    Of published references (kerchunk JSON or parquet, Icechunk), what they hold.

    Parameters
    ----------
    source : str or path
        Path or URL.
    registry : ObjectStoreRegistry, optional
        Stores to read with; made by `registry_for` when not given.
    store_options : Mapping, optional
        Options of the stores that are made, as for `registry_for`.
    allow_local : bool
        Whether references at a URL may name files of this machine.

    Returns
    -------
    FileReport or ReferencesReport

    Raises
    ------
    SelectionError
        When references cannot be understood.
    SourcePermissionError
        When references at a URL name a local file.
    SourceError
        When the file cannot be read.
    LayoutError
        When its header is damaged.

    Notes
    -----
    Costs one GET of 32 KiB for a raster of up to 3,000 tiles, overviews counted, and a second one
    for more.

    Examples
    --------
    >>> report = info("https://example.com/dem.flac")
    >>> report.raster.dtype, report.sizes, report.requests
    (dtype('int16'), ((10980, 10980), (5490, 5490)), 1)
    """
    options = dict(store_options or {})
    if references_kind(source):
        # Imports xarray and VirtualiZarr.
        from ..references.describe import describe_references

        return describe_references(source, registry, options, allow_local=allow_local)
    if registry is None and options:
        registry = registry_for(source, **options)
    header = flac_header(source, registry)
    if header is None:
        return _gdal_report(source, registry)
    return _flac_report(os.fspath(source), header.parse(), header)


def _flac_report(source: str, parsed: layouts.Parsed, header: HeaderReader) -> FileReport:
    costs: dict[str, Any] = {
        "file_bytes": header.size,
        "requests": header.file.requests,
        "bytes_read": header.file.bytes_read,
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
            **costs,
        )
    if isinstance(parsed, FlacInfo):
        return FileReport(source=source, layout="FLAC", raster=None, stream=parsed, **costs)
    # The place of its frames is not in the header.
    return FileReport(
        source=source,
        layout=plain.LAYOUT,
        raster=parsed.raster,
        sizes=((parsed.raster.width, parsed.raster.height),),
        interleave="pixel",
        stream=parsed.info,
        **costs,
    )


def _gdal_report(
    source: str | os.PathLike[str], registry: ObjectStoreRegistry[Any] | None
) -> FileReport:
    from ..gdal.raster import opened_gdal

    name = os.fspath(source)
    with opened_gdal(source, registry) as raster:
        together, tall, wide = raster.block_shape
        grids = [TileGrid(height, width, tall, wide) for width, height in raster.sizes]
        planes = 1 if together > 1 else raster.info.count
        return FileReport(
            source=raster.name,
            layout=raster.driver,
            raster=raster.info,
            sizes=tuple(raster.sizes),
            tile_shape=(tall, wide),
            interleave="pixel" if together > 1 else "band",
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
