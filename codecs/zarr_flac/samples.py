"""Pixels <-> samples: an array of some dtype <-> int32 of shape (channel, sample), exactly.

Pure numpy, and from samples to pixels only: `c/source.c` has the way there. One *plane* (a band,
or the whole array) becomes one channel, or two when its dtype has 64 bits:

=====================  ==========================================================
integers to 32 bits    signed as they are, unsigned minus half their range
64-bit integers        high 32 bits, then low 32 bits minus 2**31, as two channels
floats                 bit pattern as an integer that sorts like the float, then as
                       the signed integer of that size: NaN payloads, -0.0 survive
bool                   as uint8
=====================  ==========================================================
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import numpy.typing as npt

from .brief import brief
from .errors import SampleRangeError, UnsupportedDtypeError

Int32Array = npt.NDArray[np.int32]

DTYPES = (
    "bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64",
    "float16", "float32", "float64",
)  # fmt: skip
"""Names of the dtypes that have an exact mapping; the same names Zarr v3 uses."""

_DTYPE_TEXT = re.compile(r"[<>=|]?[A-Za-z]+[0-9]{0,3}", re.ASCII)  # numpy would parse far more
_LOW_HALF_OFFSET = np.uint32(0x8000_0000)


def check_dtype(dtype: npt.DTypeLike) -> np.dtype[Any]:
    """Return the little-endian form of a supported dtype.

    Raises
    ------
    UnsupportedDtypeError
        The dtype is none of `DTYPES`.
    """
    if isinstance(dtype, str) and not _DTYPE_TEXT.fullmatch(dtype):
        raise UnsupportedDtypeError(f"{brief(dtype)} is not a dtype. {_choices()}")
    try:
        found = np.dtype(dtype)
    except (TypeError, ValueError) as error:
        raise UnsupportedDtypeError(f"{brief(dtype)} is not a dtype. {_choices()}") from error
    if found.name not in DTYPES:
        raise UnsupportedDtypeError(
            f"The dtype {found.name} cannot be held in FLAC samples exactly. {_choices()}"
        )
    return found.newbyteorder("<")


def channels_per_plane(dtype: np.dtype[Any]) -> int:
    """Number of FLAC channels one plane takes: 2 for dtypes of 64 bits, else 1."""
    return 2 if dtype.itemsize == 8 else 1


def default_bits_per_sample(dtype: np.dtype[Any]) -> int:
    """Depth that holds every value of the dtype."""
    return min(dtype.itemsize * 8, 32)


def sample_offset(dtype: np.dtype[Any], bits_per_sample: int) -> int | None:
    """What has to be added to a sample to make it a pixel, modulo 2**32.

    None where more is needed than adding: floats, 64 bits, or samples that may not fit the dtype.
    """
    if dtype.kind not in "iu" or dtype.itemsize > 4 or bits_per_sample > 8 * dtype.itemsize:
        return None
    if not dtype.isnative:
        return None
    return 0 if dtype.kind == "i" else 1 << (bits_per_sample - 1)


def from_samples(samples: Int32Array, bits_per_sample: int, out: npt.NDArray[Any]) -> None:
    """Map samples back to pixels, straight into `out`.

    Parameters
    ----------
    samples
        int32, C-contiguous, shape (channel, sample).
    bits_per_sample
        Depth of the stream the samples come from.
    out
        Receives the planes: shape (plane, ...), any strides, a dtype of `DTYPES`.

    Raises
    ------
    SampleRangeError
        A sample is not a value of the dtype. `out` is then left half written.
    """
    dtype = out.dtype
    bits = dtype.itemsize * 8
    if dtype.kind == "f" or bits == 64:
        if bits_per_sample != default_bits_per_sample(dtype):
            raise SampleRangeError(
                f"A tile of {dtype.name} has {bits_per_sample} bits per sample instead of "
                f"{default_bits_per_sample(dtype)}. It holds something else: check its dtype."
            )
        if bits == 64:
            _join(samples, out)
        elif dtype.itemsize == 4:
            _order_like_floats(samples.reshape(out.shape), out.view(np.int32))
        else:
            halves = samples.astype(np.int16).reshape(out.shape)
            _order_like_floats(halves, out.view(np.int16))
        return
    shaped = samples.reshape(out.shape)
    if dtype.kind == "i":
        if bits_per_sample > bits:
            _check_fits(samples, -(1 << (bits - 1)), (1 << (bits - 1)) - 1, dtype)
        np.copyto(out, shaped, casting="unsafe")
        return
    half = 1 << (bits_per_sample - 1)
    if dtype.kind == "b":
        _check_fits(samples, -half, 1 - half, dtype)
    elif bits_per_sample > bits:
        _check_fits(samples, -half, (1 << bits) - 1 - half, dtype)
    target = out.view(np.uint8) if dtype.kind == "b" else out
    shift = np.int32(half) if half < 1 << 31 else np.int32(-half)
    np.add(shaped, shift, out=target, casting="unsafe")


def _check_fits(samples: Int32Array, low: int, high: int, dtype: np.dtype[Any]) -> None:
    if samples.size and not low <= int(samples.min()) <= int(samples.max()) <= high:
        raise SampleRangeError(
            f"The samples run from {samples.min()} to {samples.max()}; those of {dtype.name} run "
            f"from {low} to {high}. The tile holds another dtype, or its values were mapped by "
            "another program."
        )


def _order_like_floats(source: npt.NDArray[Any], out: npt.NDArray[Any]) -> None:
    """Flip the lower bits of negative integers. Its own inverse; `out` may not be `source`."""
    bits = source.dtype.itemsize * 8
    np.right_shift(source, bits - 1, out=out)
    np.bitwise_and(out, source.dtype.type((1 << (bits - 1)) - 1), out=out)
    np.bitwise_xor(out, source, out=out)


def _join(samples: Int32Array, out: npt.NDArray[Any]) -> None:
    """Put (high, low) channels of 32 bits together; the inverse of `_split`."""
    planes = out.shape[0]
    halves = samples.reshape(planes, 2, -1).view(np.uint32)
    words = np.empty((planes, halves.shape[2], 2), np.uint32)
    np.bitwise_xor(halves[:, 1], _LOW_HALF_OFFSET, out=words[:, :, 0])
    if out.dtype.kind == "u":
        np.bitwise_xor(halves[:, 0], _LOW_HALF_OFFSET, out=words[:, :, 1])
    else:
        words[:, :, 1] = halves[:, 0]
    joined = words.view("<i8").reshape(out.shape)
    if out.dtype.kind == "f":
        _order_like_floats(joined, out.view(np.int64))
    else:
        out.view(np.int64)[...] = joined


def _choices() -> str:
    return f"Use one of {', '.join(DTYPES)}."
