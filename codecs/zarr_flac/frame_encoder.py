"""Pixels -> FLAC frames, by `_native`, in C, straight from the caller's array."""

from __future__ import annotations

from typing import Any

import numpy.typing as npt

from . import _native, native_calls
from .errors import ConfigurationError, SampleRangeError
from .samples import channels_per_plane, check_dtype, default_bits_per_sample
from .streaminfo import (
    MAX_CHANNELS,
    MAX_TOTAL_SAMPLES,
    MIN_BITS_PER_SAMPLE,
    SAMPLE_RATE,
    StreamInfo,
)

DEFAULT_COMPRESSION = 5
DEFAULT_BLOCK_SIZE = 4096

DEPTHS_IN_FRAMES = (8, 12, 16, 20, 24, 32)
"""Bits per sample that frame headers can name. Others stand in STREAMINFO, and need its MD5."""

_NUMBERS = {"i": 0, "u": 1, "b": 1, "f": 2}


def encode(
    planes: npt.NDArray[Any],
    bits_per_sample: int | None = None,
    *,
    compression: int = DEFAULT_COMPRESSION,
    block_size: int = DEFAULT_BLOCK_SIZE,
    md5: bool = True,
) -> tuple[StreamInfo, bytes]:
    """Encode planes of pixels to FLAC frames: the mapping `exact` of the specification.

    Parameters
    ----------
    planes
        Shape (plane, ...), any strides and byte order, a dtype of `samples.DTYPES`. A plane is
        a channel, or two where the dtype has 64 bits. Signed integers are their own samples.
    bits_per_sample
        4 to 32, less than the dtype's own for integers of up to 32 bits only; None means all of
        the dtype.
    compression
        Effort, 0 (fast) to 8 (small).
    block_size
        Samples per channel in a frame, 16 to 65,535.
    md5
        Write the MD5 of the samples, which takes half the time at low efforts. It is always
        written where frames do not say the depth.

    Returns
    -------
    The true STREAMINFO (total samples, frame sizes, MD5), and the frames without any head.

    Raises
    ------
    ConfigurationError
        Another depth than the dtype's own where that is not possible, or more than a stream holds.
    SampleRangeError
        A value needs more bits.
    """
    dtype = check_dtype(planes.dtype)
    own = default_bits_per_sample(dtype)
    depth = own if bits_per_sample is None else bits_per_sample
    if not MIN_BITS_PER_SAMPLE <= depth <= own or (
        depth != own and (dtype.kind == "f" or dtype.itemsize == 8)
    ):
        raise ConfigurationError(
            f"bits_per_sample = {depth} was asked for {dtype.name}, which has {own}, and takes all "
            "of them unless it holds integers of up to 32 bits. Leave bits_per_sample out."
        )
    channels = len(planes) * channels_per_plane(dtype)
    total = planes.size // max(len(planes), 1)
    if not (1 <= channels <= MAX_CHANNELS and 1 <= total <= MAX_TOTAL_SAMPLES):
        raise ConfigurationError(
            f"{channels} channels of {total} samples; a FLAC stream has 1 to {MAX_CHANNELS}, "
            f"of 1 to {MAX_TOTAL_SAMPLES}."
        )
    rows = planes.reshape(len(planes), -1, planes.shape[-1] if planes.ndim > 1 else 1)
    status, _, frames, block_size, least, most, digest = _native.encode(
        rows,
        _NUMBERS[dtype.kind],
        not planes.dtype.isnative,
        depth,
        block_size,
        compression,
        dtype.itemsize < 8,  # halves of numbers have nothing in common
        md5 or depth not in DEPTHS_IN_FRAMES,
        native_calls.SKIPPED_LOOPS,
    )
    if status:
        raise SampleRangeError(_out_of_range(planes, depth))
    info = StreamInfo(
        min_block_size=block_size,
        max_block_size=block_size,
        min_frame_size=least,
        max_frame_size=most,
        sample_rate=SAMPLE_RATE,
        channels=channels,
        bits_per_sample=depth,
        total_samples=total,
        md5=digest,
    )
    return info, frames


def _out_of_range(planes: npt.NDArray[Any], depth: int) -> str:
    low = 0 if planes.dtype.kind in "ub" else -(1 << (depth - 1))
    return (
        f"The values run from {planes.min()} to {planes.max()}; {depth} bits per sample hold {low} "
        f"to {low + (1 << depth) - 1}. Ask for more bits_per_sample."
    )
