"""One way to open a raster for reading, FLAC or whatever GDAL reads, by path or URL."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager
from typing import Any

from obspec_utils.registry import ObjectStoreRegistry

from .raster_source import RasterSource, is_flac, opened_flac


def open_raster(
    source: str | os.PathLike[str],
    registry: ObjectStoreRegistry[Any] | None = None,
    workers: int | None = None,
) -> AbstractContextManager[RasterSource]:
    """A raster for a ``with`` block.

    Parameters
    ----------
    source : str or path
        Path or URL.
    registry : ObjectStoreRegistry, optional
        Stores to read with; GDAL is told what they have been told.
    workers : int, optional
        Threads that decode FLAC; one per core by default.

    Raises
    ------
    SourceError, LayoutError, RasterError
        When it cannot be read.
    """
    if is_flac(source, registry):
        return opened_flac(source, registry, workers)
    # FLAC rasters are read without GDAL, which need not be installed.
    from .geotiff.source import opened_gdal

    return opened_gdal(source, registry)
