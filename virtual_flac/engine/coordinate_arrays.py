"""Coordinates as lazy arrays, for rasters that have too many of them to keep in memory."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from xarray.backends import BackendArray
from xarray.core import indexing

from ..model.georef import GeoReference
from ..model.pixel_axis import PixelAxis, positions_of


class AxisArray(BackendArray):
    """The coordinates of an axis as a lazy array."""

    def __init__(self, axis: PixelAxis) -> None:
        self._axis = axis
        self.shape = (len(axis),)
        self.dtype = np.dtype(np.float64)

    def __getitem__(self, key: indexing.ExplicitIndexer) -> npt.NDArray[Any]:
        result: npt.NDArray[Any] = indexing.explicit_indexing_adapter(
            key, self.shape, indexing.IndexingSupport.OUTER, self._select
        )
        return result

    def _select(self, key: tuple[Any, ...]) -> npt.NDArray[Any]:
        return self._axis.at(positions_of(key[0], len(self._axis)))


class PlaceArray(BackendArray):
    """x or y of every pixel of a rotated raster as a lazy array (y, x)."""

    def __init__(self, georef: GeoReference, height: int, width: int, axis: int) -> None:
        self._georef = georef
        self._axis = axis
        self.shape = (height, width)
        self.dtype = np.dtype(np.float64)

    def __getitem__(self, key: indexing.ExplicitIndexer) -> npt.NDArray[Any]:
        result: npt.NDArray[Any] = indexing.explicit_indexing_adapter(
            key, self.shape, indexing.IndexingSupport.OUTER, self._select
        )
        return result

    def _select(self, key: tuple[Any, ...]) -> npt.NDArray[Any]:
        rows, cols = (positions_of(item, size) for item, size in zip(key, self.shape, strict=True))
        places = self._georef.places(np.atleast_1d(rows), np.atleast_1d(cols))[self._axis]
        return places[tuple(0 if axis.ndim == 0 else slice(None) for axis in (rows, cols))]
