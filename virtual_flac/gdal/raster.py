"""What GDAL reads as a `RasterSource`. Knows rasterio; must not know FLAC."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from obspec_utils.registry import ObjectStoreRegistry
from rasterio.io import DatasetReader
from rasterio.windows import Window as RasterioWindow

from ..errors import RasterError
from ..model.grid import Window
from .describe import describe, masked_bands
from .remote import remote_settings
from .session import gdal_session, open_level, translating_errors


class GdalSource:
    """A dataset and its overviews as a `virtual_flac.rasters.RasterSource`.

    Parameters
    ----------
    levels : sequence of rasterio.io.DatasetReader
        Full resolution first.
    """

    def __init__(self, levels: Sequence[DatasetReader]) -> None:
        first = levels[0]
        self._levels = levels
        self.name = first.name
        self.driver: str = first.driver
        # A mask is not part of the description; who would lose it asks for it.
        self.info = describe(first, mask="drop")
        self.masked_bands = masked_bands(first)
        self.sizes = tuple((level.width, level.height) for level in levels)
        self.block_shape: tuple[int, int] = first.block_shapes[0]
        interleave = first.tags(ns="IMAGE_STRUCTURE").get("INTERLEAVE")
        self.by_pixel = first.count > 1 and interleave != "BAND"

    def read(
        self, window: Window, *, level: int = 0, bands: Sequence[int] | None = None
    ) -> npt.NDArray[Any]:
        """Pixels as they are stored, shape (band, y, x); bands are 1-based."""
        dataset = self._levels[level]
        with translating_errors(self.name):
            pixels: npt.NDArray[Any] = dataset.read(
                list(bands or dataset.indexes), window=RasterioWindow(*window)
            )
        return pixels

    def read_mask(
        self, window: Window, *, level: int = 0, bands: Sequence[int] | None = None
    ) -> npt.NDArray[np.bool_]:
        """Where masks of the bands' own let pixels be valid, shape (band, y, x)."""
        # Overviews may lack a mask that the full resolution has, and GDAL calls them valid then.
        dataset = self._levels[0]
        across, down = (
            full / part for full, part in zip(self.sizes[0], self.sizes[level], strict=True)
        )
        place = RasterioWindow(
            window.col_off * across, window.row_off * down, window.width * across,
            window.height * down,
        )  # fmt: skip
        shape = window.height, window.width
        chosen = list(bands or dataset.indexes)
        valid = np.ones((len(chosen), *shape), np.bool_)
        with translating_errors(self.name):
            for at, band in enumerate(chosen):
                if band in self.masked_bands:
                    valid[at] = dataset.read_masks(band, window=place, out_shape=shape) > 0
        return valid


@contextlib.contextmanager
def opened_gdal(
    source: str | os.PathLike[str], registry: ObjectStoreRegistry[Any] | None = None
) -> Iterator[GdalSource]:
    """A raster that GDAL reads, for the block.

    Parameters
    ----------
    source : str or path
    registry : ObjectStoreRegistry, optional
        GDAL is told what its store for `source` has been told.

    Raises
    ------
    SourceError
        When GDAL cannot open it, or has nothing like an option of the store.
    RasterError, UnsupportedDtypeError
        When its bands differ in dtype or nodata, or are complex.
    """
    name = os.fspath(source)
    with contextlib.ExitStack() as stack:
        stack.enter_context(gdal_session(**remote_settings(name, registry)))
        stack.enter_context(translating_errors(name))
        levels = [stack.enter_context(open_level(name, "r", 0))]
        for level in range(1, overview_count(levels[0]) + 1):
            levels.append(stack.enter_context(open_level(name, "r", level)))
        yield GdalSource(levels)


def overview_count(dataset: DatasetReader) -> int:
    """Number of overviews of a dataset.

    Raises
    ------
    RasterError
        When its bands differ in it.
    """
    counts = {len(dataset.overviews(index)) for index in dataset.indexes}
    if len(counts) > 1:
        raise RasterError(
            f"{dataset.name}: the bands differ in the number of overviews. Leave them out with "
            "--overviews none, or have new ones made with --overviews 2,4,8."
        )
    return counts.pop()
