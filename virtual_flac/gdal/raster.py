"""What GDAL reads as a `RasterSource`. Knows rasterio."""

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

from ..errors import RasterError, SourceError
from ..model import overview_tags
from ..model.grid import Window
from .describe import describe, masked_bands
from .remote import remote_settings
from .session import (
    gdal_session,
    open_dataset,
    open_level,
    reserve_cache,
    translating_errors,
)


class GdalSource:
    """Bands of a dataset and its overviews as a `virtual_flac.rasters.RasterSource`.

    Parameters
    ----------
    levels : sequence of rasterio.io.DatasetReader
        Full resolution first.
    bands : sequence of int, optional
        1-based bands in the order in which they are given out; all by default.
    """

    reserve_cache = staticmethod(reserve_cache)

    def __init__(self, levels: Sequence[DatasetReader], bands: Sequence[int] | None = None) -> None:
        first = levels[0]
        self._levels = levels
        self.dataset = first
        self.name = first.name
        self.driver: str = first.driver
        self.info = describe(first, bands=bands)
        self.bands = tuple(bands or first.indexes)
        masked = masked_bands(first)
        self.masked_bands = tuple(
            position for position, band in enumerate(self.bands, 1) if band in masked
        )
        self.sizes = tuple((level.width, level.height) for level in levels)
        self.source_overviews = True
        apart = first.count == 1 or first.tags(ns="IMAGE_STRUCTURE").get("INTERLEAVE") == "BAND"
        height, width = first.block_shapes[self.bands[0] - 1]
        self.block_shape = (1 if apart else first.count, height, width)

    @property
    def extra(self) -> dict[str, Any]:
        """Keys for the header of a FLAC raster: the metadata of the overviews' own bands."""
        tags = [[level.tags(band) for band in self.bands] for level in self._levels[1:]]
        return overview_tags.pack(tags) if tags else {}

    def read(
        self, window: Window, *, level: int = 0, bands: Sequence[int] | None = None
    ) -> npt.NDArray[Any]:
        """Pixels as they are stored, shape (band, y, x); bands are positions, from 1."""
        with translating_errors(self.name):
            pixels: npt.NDArray[Any] = self._levels[level].read(
                self._chosen(bands), window=RasterioWindow(*window)
            )
        return pixels

    def read_mask(
        self, window: Window, *, level: int = 0, bands: Sequence[int] | None = None
    ) -> npt.NDArray[np.bool_]:
        """Where masks of the bands' own let pixels be valid, shape (band, y, x)."""
        # Overviews may lack a mask that the full resolution has, and GDAL calls them valid then.
        across, down = (
            full / part for full, part in zip(self.sizes[0], self.sizes[level], strict=True)
        )
        place = RasterioWindow(
            window.col_off * across, window.row_off * down, window.width * across,
            window.height * down,
        )  # fmt: skip
        shape = window.height, window.width
        positions = list(bands or range(1, len(self.bands) + 1))
        valid = np.ones((len(positions), *shape), np.bool_)
        with translating_errors(self.name):
            for at, position in enumerate(positions):
                if position in self.masked_bands:
                    band = self.bands[position - 1]
                    mask = self.dataset.read_masks(band, window=place, out_shape=shape)
                    valid[at] = mask > 0
        return valid

    def _chosen(self, positions: Sequence[int] | None) -> list[int]:
        return [self.bands[at - 1] for at in positions] if positions else list(self.bands)


@contextlib.contextmanager
def opened_gdal(
    source: str | os.PathLike[str] | DatasetReader,
    registry: ObjectStoreRegistry[Any] | None = None,
    *,
    bands: Sequence[int] | None = None,
    overviews: bool = True,
) -> Iterator[GdalSource]:
    """A raster that GDAL reads, for the block.

    Parameters
    ----------
    source : str, path or rasterio dataset
        A dataset stays open.
    registry : ObjectStoreRegistry, optional
        GDAL is told what its store for `source` has been told.
    bands : sequence of int, optional
        1-based bands to read; all by default.
    overviews : bool
        Whether to open those, too.

    Raises
    ------
    SourceError
        When GDAL cannot open it, or has nothing like an option of the store.
    SelectionError
        When there is no such band.
    RasterError, UnsupportedDtypeError
        When the bands differ in dtype, nodata or number of overviews, or are complex.
    """
    with contextlib.ExitStack() as stack:
        if isinstance(source, str | os.PathLike):
            name = os.fspath(source)
            stack.enter_context(gdal_session(**remote_settings(name, registry)))
            stack.enter_context(translating_errors(name))
            first = stack.enter_context(open_dataset(name))
        else:
            name, first = source.name, source
            stack.enter_context(gdal_session())
            stack.enter_context(translating_errors(name))
        count = _overview_count(first) if overviews else 0
        try:
            reduced = [
                stack.enter_context(open_level(name, "r", level)) for level in range(1, count + 1)
            ]
        except SourceError as error:
            raise RasterError(
                f"{name}: its overviews cannot be opened on their own. Give the raster by its "
                "name, or leave them out with overviews='none'."
            ) from error
        yield GdalSource([first, *reduced], bands)


def _overview_count(dataset: DatasetReader) -> int:
    counts = {len(dataset.overviews(index)) for index in dataset.indexes}
    if len(counts) > 1:
        raise RasterError(
            f"{dataset.name}: the bands differ in the number of overviews. Leave them out with "
            "--overviews none, or have new ones made with --overviews 2,4,8."
        )
    return counts.pop()
