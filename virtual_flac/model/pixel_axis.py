"""Coordinates along one axis of a raster, however long it is: computed where they are asked for."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from affine import Affine

FloatArray = npt.NDArray[np.float64]
Positions = npt.NDArray[np.intp]

#: Pixels of the longest axis whose coordinates are kept in memory: 8 MiB of them.
LONG_AXIS = 1 << 20


@dataclass(frozen=True, slots=True)
class PixelAxis:
    """x of pixel columns, or y of pixel rows, of a raster that is not rotated.

    Evaluated in the order of operations that rioxarray uses, so that both agree to the last bit.
    """

    centre: Affine
    """Pixel centres to CRS coordinates."""
    name: Literal["x", "y"]
    pixels: range
    """Columns or rows of the raster."""

    def __len__(self) -> int:
        return len(self.pixels)

    def __getitem__(self, part: slice) -> PixelAxis:
        return replace(self, pixels=self.pixels[part])

    def at(self, positions: npt.NDArray[Any]) -> FloatArray:
        """Coordinates at positions along the axis, counted from 0."""
        pixels = self.pixels.start + self.pixels.step * positions
        zeros = np.zeros(pixels.shape)
        centre: Any = self.centre
        x, y = centre @ ((pixels, zeros) if self.name == "x" else (zeros, pixels))
        return np.asarray(x if self.name == "x" else y, dtype=np.float64)

    def values(self) -> FloatArray:
        """All coordinates."""
        return self.at(np.arange(len(self)))

    def search(self, labels: FloatArray, side: Literal["left", "right"]) -> Positions:
        """Where labels would have to be put in, as `numpy.searchsorted`; also from large to small.

        Empty axes are not searched.
        """
        first, last = self.at(np.array([0, len(self) - 1]))
        sign = 1 if first <= last else -1
        low = np.zeros(labels.shape, np.intp)
        high = np.full(labels.shape, len(self), np.intp)
        for _ in range(len(self).bit_length()):
            middle = (low + high) // 2
            found = sign * self.at(np.minimum(middle, len(self) - 1))
            wanted = sign * labels
            above = (found < wanted if side == "left" else found <= wanted) & (low < high)
            low, high = np.where(above, middle + 1, low), np.where(above, high, middle)
        return low


def positions_of(item: Any, size: int) -> Positions:
    """Positions along an axis of `size` that an index means: as many as it chooses, not more."""
    if isinstance(item, slice):
        return np.arange(*item.indices(size))
    positions = np.asarray(item, dtype=np.intp)
    return np.where(positions < 0, positions + size, positions)
