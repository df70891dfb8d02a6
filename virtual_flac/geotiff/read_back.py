"""Whether a GeoTIFF holds what was written to it: GDAL reports a full disk nowhere, for one.

Knows rasterio and `RasterInfo`; must not know FLAC.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
from rasterio.crs import CRS
from rasterio.io import DatasetReader
from rasterio.windows import Window

from ..errors import LossyTileError
from ..gdal.describe import describe
from ..model.index import Band, RasterInfo, Tags
from .vrt import is_empty


class ReadBack:
    """Remembers what was written and compares it with what is read.

    Parameters
    ----------
    name : str
        Of the file, for errors.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._written: list[tuple[list[int], Window, int]] = []

    def add(self, bands: list[int], window: Window, pixels: npt.NDArray[Any]) -> None:
        """Take note of pixels that were written."""
        self._written.append((bands, window, _checksum(pixels)))

    def compare(self, dataset: DatasetReader) -> None:
        """Read everything again.

        Raises
        ------
        LossyTileError
            When other pixels come back.
        """
        for bands, window, expected in self._written:
            if _checksum(dataset.read(bands, window=window)) != expected:
                raise LossyTileError(
                    f"{self._name}: the pixels of bands {bands} at column {window.col_off}, row "
                    f"{window.row_off} read back differ from those written. Is the disk full, or "
                    "a creation option lossy?"
                )


def _checksum(pixels: npt.NDArray[Any]) -> int:
    return zlib.crc32(np.ascontiguousarray(pixels).view(np.uint8).data)


def lost_metadata(dataset: DatasetReader, raster: RasterInfo) -> list[str]:
    """Names of what a dataset should say and does not.

    Parameters
    ----------
    dataset : rasterio.io.DatasetReader
    raster : RasterInfo
        What it should say.
    """
    found = describe(dataset, mask="drop")
    return [
        *_lost_georeference(dataset, found, raster),
        *(["nodata"] if repr(found.nodata) != repr(raster.nodata) else []),
        *_lost_tags(found.tags, raster.tags),
        *(
            f"{name} of band {number}"
            for number, (ours, theirs) in enumerate(zip(found.bands, raster.bands, strict=True), 1)
            for name in _lost_of_band(ours, theirs)
        ),
    ]


def _lost_georeference(
    dataset: DatasetReader, found: RasterInfo, raster: RasterInfo
) -> Iterator[str]:
    wkt = raster.georef.crs_wkt
    if wkt and not is_empty(wkt) and dataset.crs != CRS.from_wkt(wkt):
        yield "CRS"
    if found.georef.transform != raster.georef.transform and not raster.georef.gcps:
        yield "transform"
    if len(found.georef.gcps) != len(raster.georef.gcps):
        yield "GCPs"
    if bool(found.georef.rpcs) != bool(raster.georef.rpcs):
        yield "RPCs"


def _lost_of_band(found: Band, band: Band) -> Iterator[str]:
    for name in ("description", "unit", "scale", "offset"):
        if getattr(found, name) != getattr(band, name):
            yield name
    # A TIFF of one band always says what its colour is.
    if band.color_interpretation not in ("undefined", found.color_interpretation):
        yield "color interpretation"
    yield from _lost_tags(found.tags, band.tags)


def _lost_tags(found: Tags, tags: Tags) -> Iterator[str]:
    for domain, items in tags.items():
        for key, value in items.items():
            if found.get(domain, {}).get(key) != value:
                yield f"tag {domain + ':' if domain else ''}{key}"
