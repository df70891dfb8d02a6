"""What GDAL reads as a `RasterSource`."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from obspec_utils.registry import ObjectStoreRegistry
from rasterio.enums import MaskFlags
from rasterio.io import DatasetReader
from rasterio.windows import Window as RasterioWindow

from ..errors import RasterError, SourceError
from ..io.stores import refuse_credentials
from ..model import overview_tags
from ..model.grid import Window
from ..redaction import redact_name, safe_cause
from .describe import describe
from .remote import remote_settings
from .session import gdal_session, open_dataset, reserve_cache, translating_errors

#: Flags of masks that FLAC rasters keep: as nodata, as an alpha band, or because all is valid.
_HARMLESS_MASKS = {MaskFlags.all_valid, MaskFlags.nodata, MaskFlags.alpha}


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
        self.name = redact_name(first.name)
        self.driver: str = first.driver
        self.info = describe(first, bands=bands)
        self.bands = tuple(bands or first.indexes)
        flags = first.mask_flag_enums
        self.masked_bands = tuple(
            position
            for position, band in enumerate(self.bands, 1)
            if not _HARMLESS_MASKS & set(flags[band - 1])
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
        chosen = [self.bands[at - 1] for at in bands] if bands else list(self.bands)
        with translating_errors(self.name):
            pixels: npt.NDArray[Any] = self._levels[level].read(
                chosen, window=RasterioWindow(*window)
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
        positions = bands or range(1, len(self.bands) + 1)
        valid = np.ones((len(positions), window.height, window.width), np.bool_)
        with translating_errors(self.name):
            for mask, position in zip(valid, positions, strict=True):
                if position in self.masked_bands:
                    band = self.bands[position - 1]
                    mask[:] = self.dataset.read_masks(band, window=place, out_shape=mask.shape) > 0
        return valid


@contextlib.contextmanager
def opened_gdal(
    source: str | os.PathLike[str] | DatasetReader,
    registry: ObjectStoreRegistry[Any] | None = None,
    *,
    bands: Sequence[int] | None = None,
    overviews: bool = True,
) -> Iterator[GdalSource]:
    """A raster that GDAL reads, for the block; parameters and errors as in `open_raster`."""
    with contextlib.ExitStack() as stack:
        if isinstance(source, str | os.PathLike):
            name = os.fspath(source)
            refuse_credentials(name)
            stack.enter_context(gdal_session(**remote_settings(name, registry)))
            stack.enter_context(translating_errors(name))
            first = stack.enter_context(open_dataset(name))
        else:
            name, first = source.name, source
            stack.enter_context(gdal_session())
            stack.enter_context(translating_errors(name))
        counts = {len(first.overviews(index)) for index in first.indexes if overviews}
        if len(counts) > 1:
            raise RasterError(
                f"{name}: the bands differ in the number of overviews. Leave them out with "
                "--overviews none, or have new ones made with --overviews 2,4,8."
            )
        levels = [first]
        try:
            for level in range(1, max(counts, default=0) + 1):
                levels.append(stack.enter_context(open_dataset(name, level=level)))
        except SourceError as error:
            raise RasterError(
                f"{name}: its overviews cannot be opened on their own. Give the raster by its "
                "name, or leave them out with --overviews none (overviews='none')."
            ) from safe_cause(error)
        found = GdalSource(levels, bands)
        found.name = redact_name(name)
        yield found
