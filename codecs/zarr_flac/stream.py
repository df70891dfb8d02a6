"""Plain FLAC streams, without tiles or pixels: what they say, their samples, where frames begin.

Knows `backend` and `blocks`. Must not know what comments mean, nor dtypes other than int32.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from . import backend
from .backend import Buffer
from .blocks import Head, SeekPoint, parse_head, parse_seek_table
from .errors import ConfigurationError
from .streaminfo import StreamInfo

Int32Array = npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class FlacInfo:
    """What a stream says of itself before its first frame."""

    streaminfo: StreamInfo
    comments: dict[str, str]
    """VORBIS_COMMENT fields; keys in upper case, the first of equal keys wins."""
    vendor: str
    """Which program wrote the stream."""
    seek_table: tuple[SeekPoint, ...]
    """Points of the SEEKTABLE block, placeholders left out; empty without one."""
    frames_offset: int
    """Byte at which the first frame begins."""


class Frame(NamedTuple):
    """Where a frame stands."""

    offset: int
    """Its first byte, counted from the start of the buffer."""
    first_sample: int
    """Number of its first sample."""
    block_size: int
    """Samples per channel."""


def read_info(buffer: Buffer) -> FlacInfo:
    """Read STREAMINFO, comments and seek table. The bytes up to the first frame are enough.

    Raises
    ------
    CorruptFlacError
        The bytes are not FLAC, damaged, or end within the head.
    """
    head = parse_head(buffer)
    seek_table = parse_seek_table(buffer)
    return FlacInfo(head.streaminfo, head.comments, head.vendor, seek_table, head.frames_offset)


def decode(
    buffer: Buffer,
    out: Int32Array | None = None,
    *,
    streaminfo: StreamInfo | None = None,
    verify_md5: bool = False,
) -> Int32Array:
    """Decode a FLAC stream to its samples.

    The checksums of all frames are always checked. The GIL is released meanwhile, so threads
    decode side by side.

    Parameters
    ----------
    buffer
        The stream; any contiguous buffer. It is not copied.
    out
        Receives the samples when given: int32, C-contiguous, shape (channel, sample). It holds
        rubbish after an error.
    streaminfo
        When given, `buffer` holds frames alone, without a head, that these facts belong to.
    verify_md5
        Check the MD5 in STREAMINFO, too. It is checked anyway where only STREAMINFO tells the
        depth.

    Returns
    -------
    `out`, or a new array

    Raises
    ------
    CorruptFlacError
        Damage, truncation, or another number of samples than `out` has room for.
    UnsupportedFlacError
        Another number of channels than `out` has.
    ConfigurationError
        `out` has another dtype or layout.
    """
    head = parse_head(buffer) if streaminfo is None else Head(streaminfo)
    info = head.streaminfo
    if out is None:
        total = info.total_samples
        if not total:
            listed = backend.frames(buffer, head)
            total = int(listed[-1, 1] + listed[-1, 2]) if len(listed) else 0
        backend.check_sizes(memoryview(buffer).nbytes, head, info.channels, total)
        out = np.empty((info.channels, total), np.int32)
    elif out.dtype != np.int32 or out.ndim != 2 or not out.flags.c_contiguous:
        raise ConfigurationError(
            f"The array to decode into is {out.dtype.name} of shape {out.shape}; expected int32, "
            "C-contiguous, of shape (channel, sample)."
        )
    backend.decode(buffer, head, out)
    if verify_md5:
        backend.check_md5(head, out)
    return out


def iter_frames(buffer: Buffer, *, streaminfo: StreamInfo | None = None) -> Iterator[Frame]:
    """Iterate over the frames of a stream: where each one begins, and which samples it holds.

    A frame's length stands nowhere in it, so the stream is decoded (and checked) to find them.

    Parameters
    ----------
    buffer, streaminfo
        As for `decode`.

    Raises
    ------
    CorruptFlacError
        Damage or truncation, before the first frame is given out.
    """
    head = parse_head(buffer) if streaminfo is None else Head(streaminfo)
    return (Frame(*map(int, row)) for row in backend.frames(buffer, head))
