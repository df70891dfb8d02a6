"""Conversion to FLAC: of GeoTIFFs, whatever else GDAL reads, and FLAC rasters of any layout."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from obspec_utils.registry import ObjectStoreRegistry

from ..io.local_files import check_target
from ..io.workers import Progress
from ..layouts import flac_raster_pack
from ..model.arguments import checked
from ..model.index import Interleave, TileIndex
from ..model.pieces import whole_tiles
from ..rasters import Mask, RasterSource, Source, check_masks, open_raster, read_pieces
from ..writing.options import LayoutName, PixelOrder, WriteOptions
from ..writing.writer import FlacWriter
from .overviews import Overviews, with_overviews
from .source_watch import SourceWatch


@checked
def write_flac(
    source: Source,
    target: str | os.PathLike[str],
    *,
    bands: Sequence[int] | None = None,
    tile_size: int = 1024,
    compression: int = 5,
    order: PixelOrder | None = None,
    block_size: int | None = None,
    interleave: Interleave | Literal["auto"] = "auto",
    overviews: Overviews = "source",
    resampling: str | None = None,
    overwrite: bool = False,
    mask: Mask = "refuse",
    md5: bool = False,
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
        Anything that rasterio opens, or an open dataset; or a FLAC raster of any layout, which
        is cut into tiles and encoded again.
    target : str or path
        The file to write.
    bands : sequence of int, optional
        1-based bands in the order in which they are written; all by default.
    tile_size : int
        Edge of the square tiles in pixels.
    compression : int
        Effort, 0 (fast) to 8 (small).
    order : {"predicted", "row"}, optional
        How tiles hold their pixels: predicted, the smallest and the default; or row by row, so
        that every FLAC program shows the values.
    block_size : int, optional
        Pixels of a band in one FLAC frame, in row order; 4,096 by default.
    interleave : {"auto", "band", "tile", "pixel"}
        A stream per band and tile, all tiles of a band together; the same, all bands of a tile
        together; or one stream per tile with up to 8 bands in it. ``"auto"`` takes the last one
        for predicted tiles of three or four bands, such as colours, else the first.
    overviews : {"source", "auto", "none"} or sequence of int
        ``"source"`` copies those of the source, pixel for pixel; so does ``"auto"``, which makes
        powers of two down to one tile if there are none. Factors make new ones, as
        ``gdaladdo -ro`` does.
    resampling : str, optional
        How new overviews are computed, by GDAL's name: nearest, average, rms, gauss, bilinear,
        cubic, cubicspline, lanczos or mode. By default nearest for palettes, else average.
    overwrite : bool
        Replace `target` when it exists; it stays until the new file is complete.
    mask : {"refuse", "drop"}
        What to do with a mask that is neither nodata nor an alpha band.
    md5 : bool
        Write the MD5 of each tile's samples, too. Every tile has a CRC-32 in the index; the MD5
        serves whoever decodes single tiles with another FLAC program, and takes a third more time.
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
        The raster and the place of its tiles, as `read_index` returns it.

    Raises
    ------
    TargetExistsError
        When `target` exists and `overwrite` is false.
    SelectionError
        When there is no such band, or an option is out of range.
    RasterError, UnsupportedDtypeError
        When the raster holds what FLAC rasters cannot: complex numbers, several dtypes, a mask;
        or what flac-raster's layout cannot.
    SourceError
        When the source cannot be read, or changes meanwhile.

    Examples
    --------
    >>> write_flac("dem.tif", "dem.flac")
    >>> write_flac("rgb.tif", "rgb.flac", interleave="pixel", overviews="auto")
    """
    options = WriteOptions(
        tile_size=tile_size,
        interleave="band" if interleave == "auto" else interleave,
        compression=compression,
        order=order,
        block_size=block_size,
        md5=md5,
        workers=workers,
        layout=layout,
    )
    path = Path(target)
    check_target(path, overwrite=overwrite)
    stored = isinstance(overviews, str) and overviews in ("source", "auto")
    watch = SourceWatch(source)
    with ExitStack() as stack:
        raster = stack.enter_context(
            open_raster(source, registry, workers, bands=bands, overviews=stored)
        )
        watch.begin(raster, registry)
        check_masks(raster, mask)
        if layout == "flac-raster":
            overviews = _warn_of_loss(raster, overviews)
        if interleave == "auto":
            options = replace(options, interleave=_usual_interleave(raster, options))
        whole = stack.enter_context(
            with_overviews(
                raster, overviews, resampling=resampling, tile_size=tile_size,
                threads=options.threads, target=path,
            )
        )  # fmt: skip
        sizes = whole.sizes[:1] if overviews == "none" else whole.sizes
        writer = stack.enter_context(
            FlacWriter(
                path, raster.info, overviews=sizes[1:], extra={**raster.extra, **whole.extra},
                source_overviews=whole is raster and raster.source_overviews,
                options=options, overwrite=overwrite, progress=progress,
            )
        )  # fmt: skip
        for level in range(len(sizes)):
            copy_level(whole if level else raster, writer, level, options)
        watch.check()
        return writer.finish()


def _usual_interleave(raster: RasterSource, options: WriteOptions) -> Interleave:
    """How bands stand in a file when nothing is said of it.

    Three or four bands are colours, or are looked at as if they were, and each is predicted from
    the others; of more or of two, single ones are read. The pixels have no say: the files of a
    series must come out alike to stack.
    """
    return "pixel" if options.predicts and raster.info.count in (3, 4) else "band"


def copy_level(raster: RasterSource, writer: FlacWriter, level: int, options: WriteOptions) -> None:
    """Read one level of a raster in pieces that suit its blocks, and write it."""
    size = options.tile_size
    unit = whole_tiles(
        size,
        raster.block_shape[1:],
        raster.sizes[level][0],
        cached=raster.reserve_cache is not None,
    )
    # Bands that lie apart are read one by one, unless the target wants them side by side.
    together = options.interleave != "band"
    for bands, window, pixels in read_pieces(raster, level=level, unit=unit, together=together):
        row, col = window.row_off // size, window.col_off // size
        writer.write(pixels, level=level, band=bands[0] - 1, row=row, col=col)


def _warn_of_loss(raster: RasterSource, overviews: Overviews) -> Overviews:
    """Warn of what flac-raster's layout cannot hold. Returns the overviews still to be made."""
    flac_raster_pack.check_raster(raster.info)
    dropped = overviews == "source" and len(raster.sizes) > 1
    lost = [*flac_raster_pack.lost(raster.info), *(["overviews"] if dropped else [])]
    if lost:
        warnings.warn(
            f"flac-raster's layout has no place for all of the metadata. Lost: {', '.join(lost)}",
            UserWarning,
            stacklevel=3,
        )
    return "none" if overviews == "source" else overviews
