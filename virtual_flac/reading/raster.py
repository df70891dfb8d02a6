"""A FLAC raster as a `RasterSource`: its bands are chosen once, its pixels read by window."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
from obspec_utils.registry import ObjectStoreRegistry

from ..errors import prefixed_with
from ..io.workers import available_cores
from ..model import overview_tags
from ..model.grid import Window
from ..model.index import TileIndex
from ..model.levels import resolve_bands
from .header import HeaderReader
from .tiles import TileReader


class FlacSource:
    """A FLAC raster of any layout as a `virtual_flac.rasters.RasterSource`."""

    masked_bands = ()
    reserve_cache = None

    def __init__(
        self,
        url: str | os.PathLike[str],
        index: TileIndex,
        registry: ObjectStoreRegistry[Any] | None,
        pool: ThreadPoolExecutor,
        bands: Sequence[int] | None = None,
        overviews: bool = True,
    ) -> None:
        self.name = os.fspath(url)
        self.index = index
        with prefixed_with(self.name):
            self._positions = resolve_bands(index.raster.count, bands)
        self.bands = tuple(at + 1 for at in self._positions)
        chosen = tuple(index.raster.bands[at] for at in self._positions)
        self.info = replace(index.raster, bands=chosen)
        levels = index.levels if overviews else index.levels[:1]
        self.sizes = tuple((level.width, level.height) for level in levels)
        self.block_shape = (
            index.raster.count if index.interleave == "pixel" else 1,
            *index.tile_shape,
        )
        self.source_overviews = index.source_overviews
        self._reader = TileReader(url, index, registry, pool)

    @property
    def extra(self) -> dict[str, Any]:
        """Keys of the header that are not ours to read, and metadata of the overviews' bands."""
        if self.index.layout != "virtual-flac":
            return {}
        count = self.index.raster.count
        levels = range(1, len(self.sizes))
        tags = [overview_tags.parse(self.index.extra, level, count) for level in levels]
        others = {key: value for key, value in self.index.extra.items() if key != overview_tags.KEY}
        return others | overview_tags.pack([[t[at] for at in self._positions] for t in tags])

    def read(
        self, window: Window, *, level: int = 0, bands: Sequence[int] | None = None
    ) -> npt.NDArray[Any]:
        """Pixels as they are stored, shape (band, y, x); bands are positions, from 1."""
        chosen = [self._positions[at - 1] for at in bands] if bands else self._positions
        return self._reader.read(window, level=level, bands=chosen)

    def read_mask(
        self, window: Window, *, level: int = 0, bands: Sequence[int] | None = None
    ) -> npt.NDArray[np.bool_]:
        """All valid: FLAC rasters have no masks."""
        count = len(bands or self.bands)
        return np.ones((count, window.height, window.width), np.bool_)


@contextlib.contextmanager
def opened_flac(
    url: str | os.PathLike[str],
    registry: ObjectStoreRegistry[Any] | None = None,
    workers: int | None = None,
    *,
    bands: Sequence[int] | None = None,
    overviews: bool = True,
) -> Iterator[FlacSource]:
    """A FLAC raster, and threads that decode it, for the block; see `rasters.open_raster`."""
    header = url if isinstance(url, HeaderReader) else HeaderReader(url, registry)
    index = header.read_index()
    with ThreadPoolExecutor(workers or available_cores(), thread_name_prefix="decode") as pool:
        yield FlacSource(url, index, registry, pool, bands, overviews)
