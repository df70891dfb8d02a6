"""Checks that a GeoTIFF holds what was written. GDAL does not report a full disk, for example."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
from rasterio.crs import CRS
from rasterio.io import DatasetReader
from rasterio.windows import Window as RasterioWindow
from zarr_flac import crc32

from ..errors import LossyTileError
from ..gdal.describe import describe
from ..io.workers import Counter
from ..model.index import Band, RasterInfo, Tags
from ..rasters import Piece
from .skeleton import is_empty


class ReadBack:
    """Writes pixels, remembers them by checksum, and compares them with what is read."""

    def __init__(self) -> None:
        self._written: list[tuple[list[int], RasterioWindow, int]] = []

    def write(
        self,
        dataset: Any,
        pieces: Iterable[Piece],
        counter: Counter,
        corner: tuple[int, int] = (0, 0),
    ) -> None:
        """Write all pieces of a raster, whose pixel `corner` becomes the first of the dataset."""
        for bands, (col, row, width, height), pixels in pieces:
            window = RasterioWindow(col - corner[0], row - corner[1], width, height)
            dataset.write(pixels, bands, window=window)
            self._written.append((bands, window, _checksum(pixels)))
            counter.add(pixels.size)

    def compare(self, dataset: DatasetReader, name: str | os.PathLike[str]) -> None:
        """Read everything again; raises LossyTileError when other pixels come back."""
        for bands, window, expected in self._written:
            if _checksum(dataset.read(bands, window=window)) != expected:
                raise LossyTileError(
                    f"{name}: the pixels of bands {bands} at column {window.col_off}, row "
                    f"{window.row_off} read back differ from those written. Is the disk full, or "
                    "a creation option lossy?"
                )


def _checksum(pixels: npt.NDArray[Any]) -> int:
    return crc32(np.ascontiguousarray(pixels).view(np.uint8).data)


def warn_of_lost_metadata(
    dataset: DatasetReader, raster: RasterInfo, name: str | os.PathLike[str]
) -> None:
    """Warn of metadata of a raster that its GeoTIFF does not hold."""
    found = describe(dataset)
    lost = [
        *_lost_georeference(dataset, found, raster),
        *(["nodata"] if repr(found.nodata) != repr(raster.nodata) else []),
        *_lost_tags(found.tags, raster.tags),
        *(
            f"{item} of band {number}"
            for number, (ours, theirs) in enumerate(zip(found.bands, raster.bands, strict=True), 1)
            for item in _lost_of_band(ours, theirs)
        ),
    ]
    if lost:
        warnings.warn(
            f"{name}: GeoTIFF cannot hold all of the metadata as it is. Lost or changed: "
            f"{', '.join(lost)}",
            UserWarning,
            stacklevel=3,
        )


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
