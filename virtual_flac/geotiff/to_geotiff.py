"""A FLAC raster to GeoTIFF, with all its metadata."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from obspec_utils.registry import ObjectStoreRegistry

from ..errors import SelectionError, TargetError
from ..gdal.session import gdal_session, open_dataset, translating_errors
from ..io.hidden_folders import temporary_folder
from ..io.local_files import check_target, publish
from ..io.workers import Counter, Progress, available_cores
from ..model import overview_tags
from ..model.arguments import checked
from ..model.index import RasterInfo, TileIndex
from ..rasters import read_pieces
from ..reading.raster import opened_flac
from .compression import check_compression, predictor
from .read_back import ReadBack, warn_of_lost_metadata
from .skeleton import write_skeleton


@checked
def write_geotiff(
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    *,
    level: int = 0,
    overviews: Literal["source", "all", "none"] = "source",
    compress: str = "deflate",
    tile_size: int = 512,
    overwrite: bool = False,
    registry: ObjectStoreRegistry[Any] | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
    creation_options: Mapping[str, Any] | None = None,
) -> TileIndex:
    """Write a FLAC raster as GeoTIFF, with all its metadata.

    Everything is read back and compared before the file appears under its name. A `UserWarning`
    says so when GeoTIFF has no place for some of the metadata.

    Parameters
    ----------
    source : str or path
        Path or URL of a FLAC raster.
    target : str or path
        The file to write.
    level : int
        Resolution to write: 0 is the full one, 1 the first overview.
    overviews : {"source", "all", "none"}
        Overviews to write, pixel for pixel as they are stored: those that the converted raster
        had; also those that were built in its conversion; none.
    compress : str
        GDAL's name of a lossless compression, ``"none"`` included.
    tile_size : int
        Edge of the GeoTIFF's tiles, a multiple of 16.
    overwrite : bool
        Replace `target` when it exists; it stays until the new file is complete.
    registry : ObjectStoreRegistry, optional
        Stores to read with; made by `registry_for` when not given.
    workers : int, optional
        Threads that decode and compress; one per core by default.
    progress : callable, optional
        Called with the pixels done and the pixels in all, bands and overviews counted.
    creation_options : mapping, optional
        More of GDAL's creation options for GeoTIFF; they win over ours.

    Returns
    -------
    TileIndex
        Of the source.

    Raises
    ------
    TargetExistsError
        When `target` exists and `overwrite` is false.
    SelectionError
        When there is no such level, or an option is out of range.
    SourceError, LayoutError
        When the source cannot be read or is not a FLAC raster.
    CorruptFlacError
        When a tile is damaged.
    LossyTileError, TargetError
        When the GeoTIFF cannot be written, or reads back differently.

    Examples
    --------
    >>> write_geotiff("https://example.com/dem.flac", "dem.tif", compress="zstd")
    """
    path = Path(target)
    check_target(path, overwrite=overwrite)
    check_compression(compress)
    if tile_size < 16 or tile_size % 16:
        raise SelectionError(
            f"tile_size (--tile-size) is {tile_size}; GeoTIFF needs a multiple of 16"
        )
    if overviews not in ("source", "all", "none"):
        raise SelectionError(f"overviews is {overviews!r}, expected 'source', 'all' or 'none'")
    threads = workers or available_cores()
    with contextlib.ExitStack() as stack:
        flac = stack.enter_context(opened_flac(source, registry, threads))
        levels = _levels(flac.index, level, overviews)
        raster = _raster_of(flac.index, level)
        options = {
            "TILED": True,
            "BLOCKXSIZE": tile_size,
            "BLOCKYSIZE": tile_size,
            "COMPRESS": compress.upper(),
            "INTERLEAVE": "PIXEL" if flac.index.interleave == "pixel" else "BAND",
            "PREDICTOR": predictor(compress, raster),
            **{key.upper(): value for key, value in (creation_options or {}).items()},
        }
        folder = stack.enter_context(temporary_folder(path))
        # Without side files: all that we have to say has a place in the GeoTIFF itself.
        stack.enter_context(gdal_session(GDAL_PAM_ENABLED=False))
        stack.enter_context(translating_errors(os.fspath(target), TargetError))
        name = folder / "raster.tif"
        sizes = [flac.sizes[number] for number in levels]
        write_skeleton(name, raster, sizes[1:], options)
        counter = Counter(progress, raster.count * sum(width * height for width, height in sizes))
        together = str(options["INTERLEAVE"]).upper() == "PIXEL"
        for position, number in enumerate(levels):
            read_back = ReadBack()
            with open_dataset(name, "r+", level=position, NUM_THREADS=threads) as dataset:
                if position:
                    tags = overview_tags.parse(flac.index.extra, number, raster.count)
                    for band, items in zip(dataset.indexes, tags, strict=False):
                        dataset.update_tags(band, **items)
                pieces = read_pieces(flac, level=number, together=together)
                read_back.write(dataset, pieces, counter)
            with open_dataset(name, level=position) as dataset:
                read_back.compare(dataset, path)
                if not position:
                    warn_of_lost_metadata(dataset, raster, path)
        publish(name, path, overwrite=overwrite)
        return flac.index


def _levels(index: TileIndex, level: int, overviews: str) -> list[int]:
    """Numbers of the levels to write, the full resolution of the result first."""
    if not 0 <= level < len(index.levels):
        raise SelectionError(
            f"level {level} was asked for; the file has 0 to {len(index.levels) - 1}"
        )
    wanted = overviews == "all" or (overviews == "source" and index.source_overviews)
    return [level, *(range(level + 1, len(index.levels)) if wanted else [])]


def _raster_of(index: TileIndex, level: int) -> RasterInfo:
    chosen = index.levels[level]
    georef = index.georef_of(level)
    return replace(index.raster, width=chosen.width, height=chosen.height, georef=georef)
