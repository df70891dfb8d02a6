"""GeoTIFF, or whatever GDAL reads, to a FLAC raster. Knows rasterio and the writer.

Must not know the bytes of our files.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from obspec_utils.registry import ObjectStoreRegistry
from rasterio.io import DatasetReader
from rasterio.windows import Window as RasterioWindow

from ..gdal.describe import Mask, describe
from ..gdal.raster import overview_count
from ..gdal.remote import remote_settings
from ..gdal.session import CACHE_BYTES, Source, gdal_session, opened, translating_errors
from ..io.local_files import check_target
from ..io.workers import Progress
from ..model.grid import TileGrid
from ..model.index import Interleave, TileIndex
from ..model.levels import check_bands
from ..rasters import is_flac
from ..writing.options import LayoutName, WriteOptions
from ..writing.writer import FlacWriter
from .flac_to_flac import flac_to_flac, warn_of_loss
from .overviews import Overviews, overview_datasets, pack_tags
from .read_plan import ReadPlan


def write_flac(
    source: Source,
    target: str | os.PathLike[str],
    *,
    bands: Sequence[int] | None = None,
    tile_size: int = 1024,
    compression: int = 5,
    block_size: int = 4096,
    interleave: Interleave = "band",
    overviews: Overviews = "source",
    resampling: str | None = None,
    overwrite: bool = False,
    mask: Mask = "refuse",
    workers: int | None = None,
    progress: Progress | None = None,
    layout: LayoutName = "virtual-flac",
    registry: ObjectStoreRegistry[Any] | None = None,
) -> TileIndex:
    """Write a raster as streaming FLAC, without loss.

    Memory is bounded by a few rows of tiles, whatever the raster's size. Every tile is decoded and
    compared with its pixels before it is kept, and the file appears only when it is complete.

    Parameters
    ----------
    source : str, path or rasterio dataset
        Anything that rasterio opens, or has opened; or a FLAC raster of any layout, path or URL,
        to be cut and encoded anew.
    target : str or path
        The file to write.
    bands : sequence of int, optional
        1-based bands in the order in which they are written; all by default.
    tile_size : int
        Edge of the square tiles in pixels.
    compression : int
        libFLAC's level, 0 (fast) to 8 (small).
    block_size : int
        Pixels of a band in one FLAC frame.
    interleave : {"band", "tile", "pixel"}
        A stream per band and tile, all tiles of a band together; the same, all bands of a tile
        together; or one stream per tile with up to 8 bands as channels.
    overviews : {"source", "auto", "none"} or sequence of int
        Those of the source, pixel for pixel; those, or powers of two down to one tile if it has
        none; none; or new ones, reduced by these factors, as ``gdaladdo -ro`` makes them.
    resampling : str, optional
        GDAL's name of how new overviews are computed: nearest, average, rms, gauss, bilinear,
        cubic, cubicspline, lanczos or mode. By default nearest for palettes, average else.
    overwrite : bool
        Replace `target` when it exists; it stays until the new file is complete.
    mask : {"refuse", "drop"}
        What to do with a mask that is neither nodata nor an alpha band.
    workers : int, optional
        Threads that encode; one per core by default.
    progress : callable, optional
        Called with the pixels done and the pixels in all, bands and overviews counted.
    layout : {"virtual-flac", "flac-raster"}
        Ours; or the streaming layout of flac-raster 0.1.2, whose tiles it then extracts exactly:
        one band of integers whose values fit 16 bits, no overviews, little metadata. A
        `UserWarning` says what is lost.
    registry : ObjectStoreRegistry, optional
        Stores to read a path or URL with; made by `registry_for` when not given.

    Returns
    -------
    TileIndex
        The raster and the place of its tiles, as `read_index` would give it.

    Raises
    ------
    TargetExistsError
        When `target` exists and `overwrite` is false.
    SelectionError
        When there is no such band, or an option is out of range.
    RasterError, UnsupportedDtypeError
        When the raster holds what FLAC rasters do not: complex numbers, several dtypes, a mask;
        or what flac-raster's layout does not.
    SourceError
        When the source cannot be read.

    Examples
    --------
    >>> write_flac("dem.tif", "dem.flac")
    >>> write_flac("rgb.tif", "rgb.flac", interleave="pixel", overviews="auto")
    """
    options = WriteOptions(
        tile_size=tile_size,
        interleave=interleave,
        compression=compression,
        block_size=block_size,
        workers=workers,
        layout=layout,
    )
    path = Path(target)
    check_target(path, overwrite=overwrite)
    if isinstance(source, str | os.PathLike) and is_flac(source, registry):
        return flac_to_flac(
            source,
            path,
            bands=bands,
            options=options,
            overviews=overviews,
            resampling=resampling,
            overwrite=overwrite,
            registry=registry,
            progress=progress,
        )
    by_name = isinstance(source, str | os.PathLike)
    remote = remote_settings(os.fspath(source), registry) if by_name else {}
    with gdal_session(**remote), opened(source) as dataset, translating_errors(dataset.name):
        raster = describe(dataset, bands=bands, mask=mask)
        indexes = check_bands(dataset.count, bands)
        if layout == "flac-raster":
            overviews = warn_of_loss(raster, overviews, overview_count(dataset))
        with overview_datasets(
            dataset,
            raster,
            overviews,
            resampling=resampling,
            tile_size=tile_size,
            threads=options.threads,
            target=path,
        ) as (reduced, from_source):
            sizes = [(level.width, level.height) for level in reduced]
            writer = FlacWriter(
                path,
                raster,
                overviews=sizes,
                source_overviews=from_source,
                extra=pack_tags(reduced, indexes),
                options=options,
                overwrite=overwrite,
                progress=progress,
            )
            with writer:
                for level, part in enumerate([dataset, *reduced]):
                    write_level(writer, part, indexes, level, options)
                return writer.finish()


def write_level(
    writer: FlacWriter,
    dataset: DatasetReader,
    indexes: list[int],
    level: int,
    options: WriteOptions,
) -> None:
    """Read a dataset in pieces that suit its blocks, and hand them to the writer as one level."""
    grid = TileGrid(dataset.height, dataset.width, options.tile_size, options.tile_size)
    block_height, block_width = dataset.block_shapes[indexes[0] - 1]
    apart = dataset.tags(ns="IMAGE_STRUCTURE").get("INTERLEAVE") == "BAND"
    itemsize = np.dtype(dataset.dtypes[0]).itemsize
    plan = ReadPlan(
        grid, block_height, block_width, itemsize if apart else itemsize * dataset.count
    )
    # Bands that lie apart are read one by one, unless the target wants them side by side.
    if apart and options.interleave == "band":
        groups = [(position, [index]) for position, index in enumerate(indexes)]
    else:
        groups = [(0, indexes)]
    with gdal_session(cache_bytes=CACHE_BYTES + plan.cache_bytes):
        for first, group in groups:
            for piece in plan.pieces():
                pixels = dataset.read(group, window=RasterioWindow(*piece.window))
                writer.write(pixels, level=level, band=first, row=piece.row, col=piece.col)
