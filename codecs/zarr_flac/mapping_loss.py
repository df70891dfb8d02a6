"""What flac-raster's map (`flac_raster_map`) keeps of pixels, and what it loses."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from .flac_raster_map import SCALE_24, check_kind, extremes, span, stored_images, table, wraps

_PIECE = 1 << 20


@dataclass(frozen=True, slots=True)
class FlacRasterLoss:
    """What flac-raster's map keeps of the pixels from one value to another."""

    one_to_one: bool
    """Whether every pixel has a sample of its own, and so is given back exactly."""
    largest_error: float
    """How far a decoded pixel can be from the one that was encoded; inf where pixels are lost."""


def flac_raster_loss(low: float, high: float, dtype: npt.DTypeLike) -> FlacRasterLoss:
    """Tell what flac-raster's map keeps of a raster, or of one of its tiles.

    Parameters
    ----------
    low, high
        The least and the largest pixel, as GEOSPATIAL_DATA_MIN and _MAX say it; NaN when unknown.
    dtype
        Of the pixels.

    Raises
    ------
    CorruptFlacError
        The extremes are no values of the dtype.
    UnsupportedFlacError
        A dtype that flac-raster did not write recoverably.
    """
    kind: np.dtype[Any] = np.dtype(dtype)
    if kind.kind == "f" and kind.itemsize >= 4:
        most = max(abs(low), abs(high))
        if not most * SCALE_24 < 2**31 - 1:
            return FlacRasterLoss(False, math.inf)
        return FlacRasterLoss(False, max(1 / SCALE_24, float(np.spacing(np.array(most, kind)))))
    check_kind(kind)
    lo, hi = extremes(low, high, kind)
    if lo == hi:
        return FlacRasterLoss(True, 0.0)
    if kind.itemsize <= 2:
        images, best = table(lo, hi, kind)
        values = np.arange(lo, hi + 1, dtype=np.int64)
        found = best[np.searchsorted(images, stored_images(values, lo, hi, kind))]
        return FlacRasterLoss(len(images) == len(values), float(np.abs(found - values).max()))
    step = abs(span(lo, hi, kind)) / (2.0 * SCALE_24)
    if wraps(lo, hi, kind):
        saturates = (2.0**31 / step + 2 * SCALE_24) >= 2.0**31
        return FlacRasterLoss(False, math.inf if saturates else math.floor(step) + 1.0)
    if hi - lo < SCALE_24 or (hi - lo <= 2 * SCALE_24 and _is_one_to_one(lo, hi, kind)):
        return FlacRasterLoss(True, 0.0)
    return FlacRasterLoss(False, math.floor(step) + 1.0)


def count_ambiguous(pixels: npt.NDArray[Any], low: float, high: float) -> int:
    """How many decoded pixels share their sample with another value.

    Those are the ones of which no decoder can tell what flac-raster was given.

    Parameters
    ----------
    pixels
        What `from_flac_raster` gave.
    low, high
        The extremes that flac-raster recorded.

    Raises
    ------
    CorruptFlacError
        The extremes are no values of the dtype.
    """
    dtype = pixels.dtype
    if dtype.kind == "f":
        return int(pixels.size)  # every sample stands for an interval
    lo, hi = extremes(low, high, dtype)
    if lo == hi:
        return 0
    if dtype.itemsize <= 2:
        samples = stored_images(np.arange(lo, hi + 1, dtype=np.int64), lo, hi, dtype)
        _, which, counts = np.unique(samples, return_inverse=True, return_counts=True)
        shared = counts[which] > 1
        return int(np.count_nonzero(shared[pixels.astype(np.int64) - lo]))
    if wraps(lo, hi, dtype):
        return int(pixels.size)
    values = pixels.astype(np.int64)
    images = stored_images(values, lo, hi, dtype)
    shared = np.zeros(pixels.shape, bool)
    for step in (-1, 1):  # the map is monotone
        near = np.clip(values + step, lo, hi)
        shared |= (near != values) & (stored_images(near, lo, hi, dtype) == images)
    return int(np.count_nonzero(shared))


def _is_one_to_one(lo: int, hi: int, dtype: np.dtype[Any]) -> bool:
    """Whether no two neighbours share an image; the images rise."""
    for start in range(lo, hi, _PIECE):
        values = np.arange(start, min(start + _PIECE, hi) + 1, dtype=np.int64)
        if (np.diff(stored_images(values, lo, hi, dtype)) == 0).any():
            return False
    return True
