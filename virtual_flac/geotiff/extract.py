"""A part of a raster to a file of its own: GeoTIFF, PNG or FLAC."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from obspec_utils.registry import ObjectStoreRegistry

from ..errors import TargetError, prefixed_with
from ..gdal import session
from ..io.hidden_folders import temporary_folder
from ..io.local_files import check_target
from ..io.workers import Progress, available_cores
from ..model.arguments import checked
from ..model.georef import GeoReference
from ..model.grid import TileGrid, Window
from ..model.index import RasterInfo, Tags
from ..model.levels import resolve_level
from ..model.selection import Bounds, Selection, bounds_of, select_window
from ..rasters import Mask, RasterSource, check_masks, open_raster
from ..redaction import redact_name
from .formats import check_png, driver_of, finish
from .source_watch import SourceWatch
from .stage import write_stage


@dataclass(frozen=True, slots=True, kw_only=True)
class Extract:
    """What `extract` wrote.

    Parameters
    ----------
    source, target : str
    driver : {"COG", "PNG", "FLAC"}
    raster : RasterInfo
        Of the target.
    level : int
        Of the source.
    bands : tuple of int
        Of the source, 1-based.
    window : Window
        Where the pixels lie in that level.
    bounds : tuple of (xmin, ymin, xmax, ymax)
        Of the pixels, in the raster's CRS.
    """

    source: str
    target: str
    driver: str
    raster: RasterInfo
    level: int
    bands: tuple[int, ...]
    window: Window
    bounds: Bounds

    def to_dict(self) -> dict[str, Any]:
        """The fields as JSON values."""
        return {
            "source": self.source,
            "target": self.target,
            "driver": self.driver,
            "width": self.raster.width,
            "height": self.raster.height,
            "dtype": self.raster.dtype.name,
            "level": self.level,
            "bands": list(self.bands),
            "window": self.window._asdict(),
            "bounds": list(self.bounds),
            "crs": self.raster.georef.authority_code() or self.raster.georef.crs_wkt,
        }


@checked
def extract(
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    *,
    bbox: Bounds | None = None,
    bbox_crs: str | None = None,
    window: Window | Sequence[int] | None = None,
    tile: tuple[int, int] | None = None,
    tile_id: int | None = None,
    center: bool = False,
    last: bool = False,
    level: int = 0,
    bands: Sequence[int] | None = None,
    compress: str = "deflate",
    mask: Mask = "refuse",
    overwrite: bool = False,
    registry: ObjectStoreRegistry[Any] | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
) -> Extract:
    """Write a part of a raster to a file of its own, pixel for pixel, with its metadata.

    Reads the header and the tiles that the part touches, those of one row together; without a
    selection, the whole raster. The pixels are read back and compared before the file appears.

    Parameters
    ----------
    source : str or path
        Path or URL of a FLAC raster, or of a raster that GDAL reads.
    target : str or path
        ``.tif`` becomes a cloud optimized GeoTIFF, ``.png`` a PNG without georeferencing (up to
        four bands of 8 or 16 bits), ``.flac`` a FLAC raster.
    bbox : tuple of (xmin, ymin, xmax, ymax), optional
        In the raster's CRS, or in `bbox_crs`. It means the pixels that ``gdal_translate -projwin``
        takes: its corner is rounded down to a pixel's, its size to whole pixels.
    bbox_crs : str, optional
        CRS of `bbox`: ``"EPSG:4326"`` ... x is always easting or longitude.
    window : (col_off, row_off, width, height), optional
        In pixels of the full resolution, for overviews too, as in GDAL.
    tile : tuple of (row, col), optional
        One tile of the full resolution, counted from 0.
    tile_id : int, optional
        The same as one number, row by row: flac-raster's ``frame_id``.
    center, last : bool
        The tile in the middle, or the last one.
    level : int
        0 is the full resolution, 1 the first overview.
    bands : sequence of int, optional
        1-based, in this order; all by default.
    compress : str
        The COG driver's name of a lossless compression, ``"none"`` included.
    mask : {"refuse", "drop"}
        What to do with a mask that is neither nodata nor an alpha band.
    overwrite : bool
        Replace `target` when it exists; it stays until the new file is complete.
    registry : ObjectStoreRegistry, optional
        Stores to read with; made by `registry_for` when not given.
    workers : int, optional
        Threads that decode and compress; one per core by default.
    progress : callable, optional
        Called with the pixels read and the pixels in all, bands counted.

    Returns
    -------
    Extract

    Raises
    ------
    TargetExistsError
        When `target` exists and `overwrite` is false.
    SelectionError
        When the selection is ambiguous or outside, there is no such level or band, or the format
        cannot hold the pixels.
    SourceError, LayoutError, RasterError
        When the source cannot be read, is no raster, or has a mask.
    CorruptFlacError
        When a tile is damaged.
    LossyTileError, TargetError
        When the target cannot be written, or reads back differently.

    Examples
    --------
    >>> extract("https://example.com/dem.flac", "alps.tif", bbox=(7.1, 46.0, 7.3, 46.2))
    """
    path, name = Path(target), os.fspath(source)
    check_target(path, overwrite=overwrite)
    driver = driver_of(path, compress)
    with prefixed_with(name):
        selection = Selection(
            bbox=bbox, bbox_crs=bbox_crs, window=None if window is None else Window(*window),
            tile=tile, tile_id=tile_id, center=center, last=last,
        )  # fmt: skip
    watch = SourceWatch(source)
    with contextlib.ExitStack() as stack:
        raster = stack.enter_context(open_raster(source, registry, workers, bands=bands))
        watch.begin(raster, registry)
        check_masks(raster, mask)
        with prefixed_with(name):
            pixels, georef = _select(raster, selection, level)
        part = _part(raster, level, pixels, georef)
        if driver == "PNG":
            check_png(part, path)
        folder = stack.enter_context(temporary_folder(path))
        stack.enter_context(session.gdal_session(GDAL_PAM_ENABLED=False))
        stack.enter_context(session.translating_errors(os.fspath(path), TargetError))
        stage = folder / "stage.tif"
        read_back = write_stage(
            stage, raster, part, level=level, window=pixels, in_rows=driver == "PNG",
            progress=progress,
        )  # fmt: skip
        watch.check()
        finish(
            stage, path, part, read_back, driver=driver, compress=compress, overwrite=overwrite,
            interleave="pixel" if raster.block_shape[0] > 1 < part.count else "band",
            threads=workers or available_cores(),
        )  # fmt: skip
    return Extract(
        source=redact_name(name), target=os.fspath(path), driver=driver, raster=part, level=level,
        bands=tuple(raster.bands), window=pixels, bounds=bounds_of(georef, pixels),
    )  # fmt: skip


def _select(raster: RasterSource, selection: Selection, level: int) -> tuple[Window, GeoReference]:
    """The pixels that are meant, and the georeferencing of the level they are in."""
    resolve_level(len(raster.sizes), level)
    base, here = (
        TileGrid(height, width, *raster.block_shape[1:])
        for width, height in (raster.sizes[0], raster.sizes[level])
    )
    georef = raster.info.georef.for_overview(
        width=here.width, height=here.height, base_width=base.width, base_height=base.height
    )
    return select_window(selection, base, raster.info.georef, here), georef


def _part(raster: RasterSource, level: int, window: Window, georef: GeoReference) -> RasterInfo:
    """What is known of the pixels in a window of a level."""
    info = raster.info
    bands = list(info.bands)
    if list(raster.bands) != list(range(1, info.count + 1)):
        # Gray is the colour of a first band; elsewhere it means nothing, and TIFF cannot say it.
        for at, band in enumerate(bands):
            if at and band.color_interpretation == "gray":
                bands[at] = replace(band, color_interpretation="undefined")
    if level or (window.width, window.height) != (info.width, info.height):
        # Statistics are those of all pixels.
        bands = [replace(band, tags=_without_statistics(band.tags)) for band in bands]
    return replace(
        info,
        width=window.width,
        height=window.height,
        georef=georef.for_window(window.col_off, window.row_off),
        bands=tuple(bands),
    )


def _without_statistics(tags: Tags) -> Tags:
    kept = {
        domain: {key: text for key, text in items.items() if not key.startswith("STATISTICS_")}
        for domain, items in tags.items()
    }
    return {domain: items for domain, items in kept.items() if items}
