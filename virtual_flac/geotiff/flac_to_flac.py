"""A FLAC raster of any layout to one of ours, or to flac-raster's: cut and encoded anew.

Knows the reader and the writer; GDAL only where it has to compute overviews.
"""

from __future__ import annotations

import contextlib
import os
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from obspec_utils.registry import ObjectStoreRegistry
from rasterio.io import DatasetReader
from rasterio.windows import Window as RasterioWindow

from ..errors import prefixed_with
from ..gdal.session import gdal_session, open_dataset
from ..io.local_files import temporary_folder
from ..io.workers import Progress
from ..layouts import flac_raster_pack
from ..model.grid import TileGrid
from ..model.index import RasterInfo, TileIndex
from ..model.levels import check_bands
from ..rasters import FlacSource, opened_flac
from ..writing.options import WriteOptions
from ..writing.writer import FlacWriter
from .overviews import TAGS_KEY, Overviews, check_overviews, overview_datasets, parse_tags
from .read_plan import ReadPlan
from .to_geotiff import write_geotiff


def flac_to_flac(
    source: str | os.PathLike[str],
    target: Path,
    *,
    bands: Sequence[int] | None,
    options: WriteOptions,
    overviews: Overviews,
    resampling: str | None,
    overwrite: bool,
    registry: ObjectStoreRegistry[Any] | None,
    progress: Progress | None,
) -> TileIndex:
    """Write a FLAC raster anew; parameters and errors are those of `write_flac`."""
    with contextlib.ExitStack() as stack:
        flac = stack.enter_context(opened_flac(source, registry, options.workers))
        with prefixed_with(flac.name):
            indexes = check_bands(flac.info.count, bands)
        raster = replace(flac.info, bands=tuple(flac.info.bands[band - 1] for band in indexes))
        factors = check_overviews(overviews, raster)
        if options.layout == "flac-raster":
            overviews = warn_of_loss(raster, overviews, len(flac.sizes) - 1)
        stored = list(range(1, len(flac.sizes)))
        reduced: list[DatasetReader] = []
        extra = _extra(flac.index, indexes)
        from_source = flac.index.source_overviews
        if overviews == "none":
            stored = []
        elif factors or (overviews == "auto" and not stored):
            stored, from_source = [], False
            reduced = stack.enter_context(
                _computed(source, target, indexes, raster, overviews, resampling, options, registry)
            )
        if not stored:
            extra.pop(TAGS_KEY, None)
        sizes = [flac.sizes[level] for level in stored]
        writer = FlacWriter(
            target,
            raster,
            overviews=sizes + [(level.width, level.height) for level in reduced],
            source_overviews=from_source,
            extra=extra,
            options=options,
            overwrite=overwrite,
            progress=progress,
        )
        with writer:
            for position, level in enumerate([0, *stored]):
                _copy_level(flac, writer, level, position, indexes, options)
            for position, dataset in enumerate(reduced, 1):
                _copy_overview(dataset, writer, position, indexes, options)
            return writer.finish()


def warn_of_loss(raster: RasterInfo, overviews: Overviews, count: int) -> Overviews:
    """Say what flac-raster's layout has no place for.

    Parameters
    ----------
    raster : RasterInfo
    overviews : {"source", "auto", "none"} or sequence of int
        As asked for.
    count : int
        How many the source has.

    Returns
    -------
    What to do about overviews: ``"none"`` instead of ``"source"``
    """
    flac_raster_pack.check_raster(raster)
    dropped = overviews == "source" and count > 0
    lost = [*flac_raster_pack.lost(raster), *(["overviews"] if dropped else [])]
    if lost:
        warnings.warn(
            f"flac-raster's layout has no place for all of the metadata. Lost: {', '.join(lost)}",
            UserWarning,
            stacklevel=4,
        )
    return "none" if overviews == "source" else overviews


def _extra(index: TileIndex, indexes: list[int]) -> dict[str, Any]:
    """Keys of the header to keep, those of the chosen bands' overviews among them."""
    if index.layout != "virtual-flac":
        return {}
    extra = dict(index.extra)
    if TAGS_KEY in extra:
        levels = range(1, len(index.levels))
        tags = [parse_tags(extra, level, index.raster.count) for level in levels]
        extra[TAGS_KEY] = [[items[band - 1] for band in indexes] for items in tags]
    return extra


def _copy_level(
    flac: FlacSource,
    writer: FlacWriter,
    level: int,
    position: int,
    indexes: list[int],
    options: WriteOptions,
) -> None:
    width, height = flac.sizes[level]
    grid = TileGrid(height, width, options.tile_size, options.tile_size)
    apart = options.interleave == "band" and not flac.by_pixel
    groups = [(n, [band]) for n, band in enumerate(indexes)] if apart else [(0, indexes)]
    for first, group in groups:
        plan = ReadPlan(grid, *flac.block_shape, flac.info.dtype.itemsize * len(group))
        for piece in plan.pieces():
            pixels = flac.read(piece.window, level=level, bands=group)
            writer.write(pixels, level=position, band=first, row=piece.row, col=piece.col)


def _copy_overview(
    dataset: DatasetReader,
    writer: FlacWriter,
    position: int,
    indexes: list[int],
    options: WriteOptions,
) -> None:
    grid = TileGrid(dataset.height, dataset.width, options.tile_size, options.tile_size)
    itemsize = len(indexes) * np.dtype(dataset.dtypes[0]).itemsize
    block_height, block_width = dataset.block_shapes[0]
    for piece in ReadPlan(grid, block_height, block_width, itemsize).pieces():
        pixels = dataset.read(indexes, window=RasterioWindow(*piece.window))
        writer.write(pixels, level=position, row=piece.row, col=piece.col)


@contextlib.contextmanager
def _computed(
    source: str | os.PathLike[str],
    target: Path,
    indexes: list[int],
    raster: RasterInfo,
    overviews: Overviews,
    resampling: str | None,
    options: WriteOptions,
    registry: ObjectStoreRegistry[Any] | None,
) -> Iterator[list[DatasetReader]]:
    """New overviews, computed by GDAL from a temporary GeoTIFF of all pixels."""
    with temporary_folder(target) as folder, gdal_session():
        name = folder / "full.tif"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # that metadata has no place in it
            write_geotiff(
                source, name, overviews="none", compress="none", registry=registry,
                workers=options.workers,
            )  # fmt: skip
        with (
            open_dataset(name) as dataset,
            overview_datasets(
                dataset,
                raster,
                overviews,
                resampling=resampling,
                tile_size=options.tile_size,
                threads=options.threads,
                target=target,
            ) as (reduced, _),
        ):
            yield reduced
