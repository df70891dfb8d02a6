"""Undo flac-raster's map of pixels to samples. Decoding only: nothing here writes it.

flac-raster 0.1.2 stretches every raster it encodes over the range of its samples::

    a = trunc((2.0 * (v - lo) / (hi - lo) - 1.0) * scale)

with ``lo`` and ``hi`` the extremes of the raster, ``v - lo`` and ``hi - lo`` computed in the
raster's own dtype (where they may wrap), the rest in float64; ``scale`` is 32,767 for uint8,
uint16 and int16, else 8,388,607. Floats are not stretched: ``a = trunc(v * 8388607)``.
Here the integer is looked for whose image is ``a``, by evaluating that very expression. That
gives back every pixel wherever the map is one to one. Where several integers share an image
(ranges beyond 32,767) it gives the one nearest to the middle: no decoder can tell them apart.

Knows numpy arrays and the two extremes. Must not know FLAC, comments or tiles.
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
_SCALE_24 = 8388607
_EXACT_IN_FLOAT64 = 2**53
_IMAGELESS = np.int32(-(2**31))

Int64Array = npt.NDArray[np.int64]


def from_flac_raster(samples: Int32Array, low: float, high: float, out: npt.NDArray[Any]) -> None:
    """Map samples of a flac-raster tile back to pixels, straight into `out`.

    Parameters
    ----------
    samples
        int32, C-contiguous, shape (channel, sample).
    low, high
        The extremes that flac-raster recorded (GEOSPATIAL_DATA_MIN and _MAX).
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
        np.copyto(out, shaped / np.float64(_SCALE_24), casting="unsafe")
        return
    if dtype.kind not in "iu":
        raise UnsupportedFlacError(
            f"flac-raster's map of {dtype.name} is not known; it is known for integers, float32 "
            "and float64. Check the dtype of the tile."
        )
    lo, hi = _extremes(low, high, dtype)
    if lo == hi:
        if samples.any():
            raise _no_image(samples[samples != 0][0], lo, hi, dtype)
        out[...] = lo
    elif dtype.name in ("uint8", "uint16", "int16"):
        found = out if out.flags.c_contiguous else np.empty(out.shape, dtype)
        count = _native.lookup(samples, _inverse_table(lo, hi, dtype), found)
        if count < samples.size:
            raise _no_image(samples.flat[count], lo, hi, dtype)
        if found is not out:
            out[...] = found
    else:
        np.copyto(out, _search(shaped, lo, hi, dtype), casting="unsafe")


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
        # Samples have 24 bits; every one stands for an interval.
        return int(pixels.size)
    lo, hi = _extremes(low, high, dtype)
    if lo == hi:
        return 0
    if dtype.name in ("uint8", "uint16", "int16"):
        values = np.arange(lo, hi + 1, dtype=np.int64)
        samples = _images(values.astype(dtype), lo, hi, _SCALE_16).astype(np.uint16)
        _, which, counts = np.unique(samples, return_inverse=True, return_counts=True)
        shared = counts[which] > 1
        return int(np.count_nonzero(shared[pixels.astype(np.int64) - lo]))
    with np.errstate(over="ignore"):
        if float(dtype.type(hi) - dtype.type(lo)) != hi - lo:
            return int(pixels.size)  # the range wrapped: values lie in two branches of the map
    images = _images(pixels, lo, hi, _SCALE_24)
    shared = np.zeros(pixels.shape, bool)
    for step in (-1, 1):  # the map is monotone
        near = np.clip(pixels.astype(np.int64) + step, lo, hi)
        shared |= (near != pixels) & (_images(near.astype(dtype), lo, hi, _SCALE_24) == images)
    return int(np.count_nonzero(shared))


def _extremes(low: float, high: float, dtype: np.dtype[Any]) -> tuple[int, int]:
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


def _images(values: npt.NDArray[Any], lo: int, hi: int, scale: int) -> Int64Array:
    """flac-raster's own expression, in its own arithmetic (converter.py, _normalize_to_audio)."""
    kind = values.dtype.type
    with np.errstate(over="ignore"):
        data_min, data_max = kind(lo), kind(hi)
        stretched = 2.0 * (values - data_min) / (data_max - data_min) - 1.0
    images: Int64Array = (stretched * scale).astype(np.int64)
    return images


@lru_cache(maxsize=8)
def _inverse_table(lo: int, hi: int, dtype: np.dtype[Any]) -> npt.NDArray[np.int32]:
    """For each 16-bit sample, by its two's complement, the pixel; `_IMAGELESS` where none."""
    values = np.arange(lo, hi + 1, dtype=np.int64)
    images = _images(values.astype(dtype), lo, hi, _SCALE_16).astype(np.uint16)
    # Truncation goes toward zero: the middle of what ends up at a lies half a step outward.
    signed = images.view(np.int16).astype(np.float64)
    middle = ((signed + 0.5 * np.sign(signed)) / _SCALE_16 + 1.0) / 2.0 * (hi - lo) + lo
    order = np.lexsort((np.abs(values - middle), images))
    image, first = np.unique(images[order], return_index=True)
    table = np.full(1 << 16, _IMAGELESS, np.int32)
    table[image] = values[order][first]
    table.flags.writeable = False  # remembered: not for one caller to change
    return table


def _search(samples: npt.NDArray[np.int32], lo: int, hi: int, dtype: np.dtype[Any]) -> Int64Array:
    """The integer whose image each sample is, among the neighbours of the linear estimate."""
    limits = np.iinfo(dtype)
    with np.errstate(over="ignore"):
        span = float(dtype.type(hi) - dtype.type(lo))  # wraps where flac-raster's did
    wrapped = span != hi - lo
    middle = ((samples + 0.5 * np.sign(samples)) / _SCALE_24 + 1.0) / 2.0 * span
    if wrapped:
        middle = np.mod(middle, 2.0 ** (8 * dtype.itemsize))
    estimate = np.clip(np.rint(middle) + lo, max(lo, limits.min), min(hi, limits.max))
    best: Int64Array = estimate.astype(np.int64)
    settled = _images(best.astype(dtype), lo, hi, _SCALE_24) == samples
    for step in (-1, 1, -2, 2):
        if settled.all():
            break
        near = np.clip(estimate.astype(np.int64) + step, lo, hi)
        hit = ~settled & (_images(near.astype(dtype), lo, hi, _SCALE_24) == samples)
        best[hit] = near[hit]
        settled |= hit
    if not wrapped and not settled.all():
        raise _no_image(samples[~settled][0], lo, hi, dtype)
    return best


def _no_image(sample: Any, lo: int, hi: int, dtype: np.dtype[Any]) -> CorruptFlacError:
    return CorruptFlacError(
        f"The sample {sample} is the image of no {dtype.name} from {lo} to {hi} under "
        "flac-raster's map. The tile or its comments are damaged, or another program wrote it."
    )
