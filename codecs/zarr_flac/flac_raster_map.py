"""Undo flac-raster's map of pixels to samples. Decoding only: nothing here writes it.

flac-raster 0.1.2 stretches every raster it encodes over the range of its samples::

    a = trunc((2.0 * (v - lo) / (hi - lo) - 1.0) * scale)

with ``lo`` and ``hi`` the extremes of the raster, ``v - lo`` and ``hi - lo`` computed in the
raster's own dtype (where they may wrap), the rest in float64; ``scale`` is 32,767 for uint8,
uint16 and int16, whose samples have 16 bits, else 8,388,607. Floats are not stretched:
``a = trunc(v * 8388607)``, the product in their own precision.
Here the pixel is looked for whose image is ``a``, by evaluating that very expression. That
gives back every pixel wherever the map is one to one. Where several pixels share an image no
decoder can tell them apart: `flac_raster_loss` says whether and how far that goes.

Knows numpy arrays and the two extremes; neither FLAC nor comments nor tiles.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from . import _native
from .errors import CorruptFlacError, UnsupportedFlacError
from .samples import Int32Array

_SCALE_16 = 32767
SCALE_24 = 8388607
_ON_16_BITS = ("uint8", "uint16", "int16")
_EXACT_IN_FLOAT64 = 2**53
_IMAGELESS = np.int32(-(2**31))
_LOST = (-(2**31), 2**31 - 1)
"""Samples of pixels that the 32 bits had no room for: NaN, infinities, floats beyond 256."""

Int64Array = npt.NDArray[np.int64]


def from_flac_raster(samples: Int32Array, low: float, high: float, out: npt.NDArray[Any]) -> None:
    """Map samples of a flac-raster tile back to pixels, straight into `out`.

    Parameters
    ----------
    samples
        int32, C-contiguous, shape (channel, sample).
    low, high
        The extremes that flac-raster recorded (GEOSPATIAL_DATA_MIN and _MAX); not used for floats.
    out
        Receives the pixels: any shape and strides with as many elements, the raster's dtype.

    Raises
    ------
    CorruptFlacError
        The extremes are no values of the dtype, or a sample is the image of no value.
    UnsupportedFlacError
        A dtype that flac-raster did not write recoverably.
    """
    dtype = out.dtype
    shaped = samples.reshape(out.shape)
    if dtype.kind == "f" and dtype.itemsize >= 4:
        out[...] = _floats(shaped, dtype)
        return
    check_kind(dtype)
    lo, hi = extremes(low, high, dtype)
    if lo == hi:
        if samples.any():
            raise _no_image(samples[samples != 0][0], lo, hi, dtype)
        out[...] = lo
    elif dtype.name in _ON_16_BITS:
        found = out if out.flags.c_contiguous else np.empty(out.shape, dtype)
        count = _native.lookup(samples, _inverse_of_16_bits(lo, hi, dtype), found)
        if count < samples.size:
            raise _no_image(samples.flat[count], lo, hi, dtype)
        if found is not out:
            out[...] = found
    elif dtype.itemsize == 1:
        images, values = table(lo, hi, dtype)
        place = np.minimum(np.searchsorted(images, shaped), len(images) - 1)
        if (images[place] != shaped).any():
            raise _no_image(shaped[images[place] != shaped][0], lo, hi, dtype)
        np.copyto(out, values[place], casting="unsafe")
    else:
        np.copyto(out, _search(shaped, lo, hi, dtype), casting="unsafe")


# Integers ----------------------------------------------------------------------------------------


def check_kind(dtype: np.dtype[Any]) -> None:
    """Refuse dtypes whose map is not known."""
    if dtype.kind not in "iu":
        raise UnsupportedFlacError(
            f"flac-raster's map of {dtype.name} is not known; it is known for integers, float32 "
            "and float64. Check the dtype of the tile."
        )


def extremes(low: float, high: float, dtype: np.dtype[Any]) -> tuple[int, int]:
    """The extremes as integers, once they are found to be values of the dtype."""
    limits = np.iinfo(dtype)
    for value in (low, high):
        if not math.isfinite(value) or value != int(value):
            raise CorruptFlacError(
                f"The tile's extremes are {low} and {high}; those of {dtype.name} are whole "
                "numbers. The comments of this tile are damaged."
            )
        if abs(value) > _EXACT_IN_FLOAT64:
            raise UnsupportedFlacError(
                f"The tile's extremes are {low} and {high}; flac-raster records them exactly only "
                "up to 2**53. The pixels cannot be told."
            )
    lo, hi = int(low), int(high)
    if not limits.min <= lo <= hi <= limits.max:
        raise CorruptFlacError(
            f"The tile's extremes are {lo} and {hi}; expected {limits.min} <= minimum <= maximum "
            f"<= {limits.max} for {dtype.name}. The comments of this tile are damaged."
        )
    return lo, hi


def wraps(lo: int, hi: int, dtype: np.dtype[Any]) -> bool:
    """Whether flac-raster's ``hi - lo`` left the dtype."""
    return hi - lo > int(np.iinfo(dtype).max)


def span(lo: int, hi: int, dtype: np.dtype[Any]) -> float:
    """flac-raster's ``hi - lo``, which may wrap."""
    with np.errstate(over="ignore"):
        return float(dtype.type(hi) - dtype.type(lo))


def stored_images(values: Int64Array, lo: int, hi: int, dtype: np.dtype[Any]) -> Int64Array:
    """The samples that flac-raster writes: its own expression, in its own arithmetic."""
    narrow = dtype.name in _ON_16_BITS
    kind = dtype.type
    with np.errstate(over="ignore"):
        data_min, data_max = kind(lo), kind(hi)
        stretched = 2.0 * (values.astype(dtype) - data_min) / (data_max - data_min) - 1.0
    images: Int64Array = (stretched * (_SCALE_16 if narrow else SCALE_24)).astype(np.int64)
    if narrow:
        return images.astype(np.int16).astype(np.int64)  # wraps, as its own cast does
    # What 32 bits cannot hold becomes the least of them (x86).
    held: Int64Array = np.where(np.abs(images) < 2**31, images, _LOST[0])
    return held


@lru_cache(maxsize=8)
def table(lo: int, hi: int, dtype: np.dtype[Any]) -> tuple[Int64Array, Int64Array]:
    """All images in rising order, and the pixel that each stands for; for 8 and 16 bits."""
    values = np.arange(lo, hi + 1, dtype=np.int64)
    images = stored_images(values, lo, hi, dtype)
    if wraps(lo, hi, dtype):
        # Far-off values share an image. The extremes do occur; else the least value is hardly
        # ever one of the surface, but nodata, and the surface lies at the other end.
        rank = -values.astype(np.float64)
        rank[[0, -1]] = -np.inf
    else:
        # Truncation goes toward zero: the middle of what ends up at a lies half a step outward.
        scale = _SCALE_16 if dtype.name in _ON_16_BITS else SCALE_24
        outward = images + 0.5 * np.sign(images)
        rank = np.abs(values - ((outward / scale + 1.0) / 2.0 * (hi - lo) + lo))
    order = np.lexsort((rank, images))
    image, first = np.unique(images[order], return_index=True)
    return image, values[order][first]


@lru_cache(maxsize=8)
def _inverse_of_16_bits(lo: int, hi: int, dtype: np.dtype[Any]) -> npt.NDArray[np.int32]:
    """For each 16-bit sample, by its two's complement, the pixel; `_IMAGELESS` where none."""
    images, values = table(lo, hi, dtype)
    inverse = np.full(1 << 16, _IMAGELESS, np.int32)
    inverse[images.astype(np.uint16)] = values
    inverse.flags.writeable = False  # remembered: not for one caller to change
    return inverse


def _search(samples: npt.NDArray[np.int32], lo: int, hi: int, dtype: np.dtype[Any]) -> Int64Array:
    """The integer whose image each sample is, among the neighbours of the linear estimate."""
    wrapped = wraps(lo, hi, dtype)
    middle = (samples + 0.5 * np.sign(samples)) / SCALE_24 + 1.0
    middle = middle / 2.0 * span(lo, hi, dtype)
    least: Any = lo
    most: Any = hi
    if wrapped:  # v - lo is negative from `turn` on, where samples are positive
        middle = np.mod(middle, 2.0 ** (8 * dtype.itemsize))
        turn = lo + int(np.iinfo(dtype).max) + 1
        least, most = np.where(samples > 0, turn, lo), np.where(samples > 0, hi, turn - 1)
    estimate = np.clip(np.rint(middle) + lo, least, most).astype(np.int64)
    best: Int64Array = estimate.copy()
    settled = stored_images(best, lo, hi, dtype) == samples
    for step in (-1, 1, -2, 2):
        if settled.all():
            break
        near = np.clip(estimate + step, lo, hi)
        hit = ~settled & (stored_images(near, lo, hi, dtype) == samples)
        best[hit] = near[hit]
        settled |= hit
    if wrapped:
        settled |= samples == _LOST[0]  # could be most anything
    if not settled.all():
        raise _no_image(samples[~settled][0], lo, hi, dtype)
    return best


def _no_image(sample: Any, lo: int, hi: int, dtype: np.dtype[Any]) -> CorruptFlacError:
    return CorruptFlacError(
        f"The sample {sample} is the image of no {dtype.name} from {lo} to {hi} under "
        "flac-raster's map. The tile or its comments are damaged, or another program wrote it."
    )


# Floats ------------------------------------------------------------------------------------------


def _floats(samples: npt.NDArray[np.int32], dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    """The middle of the floats that share each sample, NaN for those that were lost.

    Products of float32 are whole from 2**23 on (pixels from 1 on): nothing was cut off there.
    """
    exact = samples.astype(np.float64)
    cut_off = 0.5 * np.sign(exact)
    if dtype.itemsize == 4:
        cut_off[np.abs(exact) > SCALE_24] = 0.0
    best = ((exact + cut_off) / SCALE_24).astype(dtype)
    if dtype.itemsize == 4:
        for towards in (0.0, np.inf):
            wrong = np.trunc(best * dtype.type(SCALE_24)) != exact
            if not wrong.any():
                break
            near = np.nextafter(best[wrong], np.copysign(dtype.type(towards), best[wrong]))
            hit = np.trunc(near * dtype.type(SCALE_24)) == exact[wrong]
            best[wrong] = np.where(hit, near, best[wrong])
    best[(samples == _LOST[0]) | (samples == _LOST[1])] = np.nan
    return best
