"""Coordinates as lazy arrays, for rasters that have too many of them to keep in memory."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ..model.georef import GeoReference
from ..model.pixel_axis import PixelAxis, positions_of
from .outer_array import OuterArray, without_single


class AxisArray(OuterArray):
    """The coordinates of an axis as a lazy array."""

    def __init__(self, axis: PixelAxis) -> None:
        self._axis = axis
        self.shape = (len(axis),)
        self.dtype = np.dtype(np.float64)

    def _select(self, key: tuple[Any, ...]) -> npt.NDArray[Any]:
        return self._axis.at(positions_of(key[0], len(self._axis)))


class PlaceArray(OuterArray):
    """x or y of every pixel of a rotated raster as a lazy array (y, x)."""

    def __init__(self, georef: GeoReference, height: int, width: int, axis: int) -> None:
        self._georef = georef
        self._axis = axis
        self.shape = (height, width)
        self.dtype = np.dtype(np.float64)

    def _select(self, key: tuple[Any, ...]) -> npt.NDArray[Any]:
        rows, cols = (positions_of(item, size) for item, size in zip(key, self.shape, strict=True))
        places = self._georef.places(np.atleast_1d(rows), np.atleast_1d(cols))[self._axis]
        return without_single(places, (rows, cols))
