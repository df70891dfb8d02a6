"""Statistics of the pixels of two bands, gathered piece by piece."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Statistics:
    """Of the valid pixels of one band: neither NaN nor nodata.

    Parameters
    ----------
    valid : int
        How many.
    minimum, maximum, mean : number or None
        None without any. The minimum and maximum are exact.
    """

    valid: int
    minimum: int | float | None
    maximum: int | float | None
    mean: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BandComparison:
    """How the pixels of a band differ in two rasters.

    Parameters
    ----------
    band : int
        1-based.
    pixels : int
    differing : int
        Pixels of unequal value. NaN equals NaN; 0.0 equals -0.0.
    valid_in_one : int
        Those of them that are valid in one raster, and NaN or nodata in the other. They count in
        no error.
    max_error : number or None
        Largest absolute difference where both are valid, exact for integers; None without any.
    mean_error, rmse : float or None
        Mean absolute and root mean square difference where both are valid.
    a, b : Statistics
    """

    band: int
    pixels: int
    differing: int
    valid_in_one: int
    max_error: int | float | None
    mean_error: float | None
    rmse: float | None
    a: Statistics
    b: Statistics

    @property
    def share(self) -> float:
        """Differing pixels as a share of all, 0 to 1."""
        return self.differing / self.pixels


class BandStatistics:
    """Gathers `Statistics`."""

    def __init__(self, nodata: int | float | None) -> None:
        self._nodata = nodata
        self._count = 0
        self._sum = 0.0
        self._least: Any = None
        self._most: Any = None

    def valid(self, pixels: Pixels) -> npt.NDArray[np.bool_]:
        """Which pixels are neither NaN nor nodata."""
        mask = np.ones(pixels.shape, bool)
        if pixels.dtype.kind == "f":
            mask = ~np.isnan(pixels)
        if self._nodata is not None and self._nodata == self._nodata:
            mask &= pixels != self._nodata
        return mask

    def add(self, pixels: Pixels, valid: npt.NDArray[np.bool_]) -> None:
        """Count pixels in; `valid` says which."""
        chosen = pixels[valid]
        if not chosen.size:
            return
        least, most = chosen.min().item(), chosen.max().item()
        self._least = least if self._least is None else min(self._least, least)
        self._most = most if self._most is None else max(self._most, most)
        self._count += chosen.size
        with np.errstate(over="ignore", invalid="ignore"):
            self._sum += float(chosen.sum(dtype=np.float64))

    def result(self) -> Statistics:
        """What was gathered."""
        mean = self._sum / self._count if self._count else None
        return Statistics(valid=self._count, minimum=self._least, maximum=self._most, mean=mean)


class BandDifference:
    """Gathers a `BandComparison`."""

    def __init__(self, a_nodata: int | float | None, b_nodata: int | float | None) -> None:
        self._a, self._b = BandStatistics(a_nodata), BandStatistics(b_nodata)
        self._pixels = self._differing = self._one = self._both = 0
        self._most: Any = None
        self._sum = self._squares = 0.0

    def add(self, a: Pixels, b: Pixels) -> None:
        """Count a piece of both in."""
        in_a, in_b = self._a.valid(a), self._b.valid(b)
        self._a.add(a, in_a)
        self._b.add(b, in_b)
        differs = unequal(a, b)
        self._pixels += a.size
        self._differing += int(np.count_nonzero(differs))
        self._one += int(np.count_nonzero(differs & (in_a != in_b)))
        both = in_a & in_b
        self._both += int(np.count_nonzero(both))
        if not both.any():
            return
        wrong = differs & both
        errors = _absolute(a[wrong], b[wrong])
        most = errors.max().item() if errors.size else 0
        self._most = most if self._most is None else max(self._most, most)
        with np.errstate(over="ignore", invalid="ignore"):
            self._sum += float(errors.sum(dtype=np.float64))
            self._squares += float(np.square(errors, dtype=np.float64).sum())

    def result(self, band: int) -> BandComparison:
        """What was gathered."""
        return BandComparison(
            band=band,
            pixels=self._pixels,
            differing=self._differing,
            valid_in_one=self._one,
            max_error=self._most,
            mean_error=self._sum / self._both if self._both else None,
            rmse=math.sqrt(self._squares / self._both) if self._both else None,
            a=self._a.result(),
            b=self._b.result(),
        )


def unequal(a: Pixels, b: Pixels) -> npt.NDArray[np.bool_]:
    """Where two arrays differ in value; NaN equals NaN."""
    differs: npt.NDArray[np.bool_] = np.not_equal(a, b)
    if a.dtype.kind == "f" and b.dtype.kind == "f":
        differs &= ~(np.isnan(a) & np.isnan(b))
    return differs


def _absolute(a: Pixels, b: Pixels) -> Pixels:
    """Absolute differences, exact for integers of one dtype and for all of up to 32 bits."""
    if a.dtype.kind in "iu" and b.dtype.kind in "iu":
        if max(a.dtype.itemsize, b.dtype.itemsize) < 8:
            difference: Pixels = np.abs(a.astype(np.int64) - b.astype(np.int64))
            return difference
        if a.dtype == b.dtype:
            ours, theirs = a.view(np.uint64), b.view(np.uint64)  # differences wrap to the right one
            return np.where(a > b, ours - theirs, theirs - ours)
    with np.errstate(over="ignore", invalid="ignore"):
        return np.abs(a.astype(np.float64) - b.astype(np.float64))
