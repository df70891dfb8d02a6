"""Samples <-> FLAC frames: the decoder in C, and the encoder, whoever it is.

Knows int32 samples of shape (channel, sample), `StreamInfo`, and where samples stand in an array.
Must not know dtypes, tiles or what comments mean. Decoding is `_native`, in C; encoding is
libFLAC, imported only when it is asked for: readers need no FLAC library.

Decoding is strict. Nothing is concealed: damage, a frame out of place and a missing sample are a
`CorruptFlacError`.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from . import _native
from .blocks import Head
from .errors import CorruptFlacError, UnsupportedFlacError
from .streaminfo import StreamInfo

DEFAULT_LEVEL = 5
DEFAULT_BLOCK_SIZE = 4096

# A frame has at least a header of 6 bytes, a constant subframe of 2 and a CRC of 2 (RFC 9639 9).
_SMALLEST_FRAME = 10
_TRUNCATED = 1
_UNKNOWN_TOTAL = 2**64 - 1
_MD5_PIECE = 1 << 16

Buffer = bytes | bytearray | memoryview


def encode(
    samples: npt.NDArray[np.int32],
    bits_per_sample: int,
    *,
    level: int = DEFAULT_LEVEL,
    block_size: int = DEFAULT_BLOCK_SIZE,
    stereo: bool = True,
) -> tuple[StreamInfo, bytes]:
    """Encode samples to FLAC frames.

    Parameters
    ----------
    samples
        int32, C-contiguous, shape (channel, sample); every sample fits `bits_per_sample`.
    bits_per_sample
        4 to 32.
    level
        libFLAC's compression level, 0 (fast) to 8 (small).
    block_size
        Samples per channel in a frame, 16 to 65,535.
    stereo
        Let libFLAC store two channels as mid and side where that is smaller.

    Returns
    -------
    The true STREAMINFO (total samples, MD5, frame sizes), and the frames without any head.

    Raises
    ------
    FlacError
        libFLAC refused the parameters or the samples.
    ImportError
        pyflac, which brings libFLAC, is not installed.
    """
    try:
        from . import libflac
    except ImportError as error:
        raise ImportError(
            "Encoding FLAC needs pyflac, which brings libFLAC; reading does not. Install it with "
            "pip install 'zarr-flac[encode]'."
        ) from error
    return libflac.encode(
        samples, bits_per_sample, level=level, block_size=block_size, stereo=stereo
    )


def decode(buffer: Buffer, head: Head, out: npt.NDArray[np.int32], first_number: int = 0) -> int:
    """Decode the frames of a stream.

    Parameters
    ----------
    buffer
        The whole stream, head included; any contiguous buffer. It is not copied. What stands
        behind the last expected frame is ignored.
    head
        What `parse_head` found in it.
    out
        int32, C-contiguous, shape (channel, sample): receives exactly as many samples.
    first_number
        Number in the header of the first frame.

    Returns
    -------
    Byte behind the last frame

    Raises
    ------
    CorruptFlacError
        Damage, truncation, or another number of samples than `out` has room for. `out` then
        holds rubbish.
    """
    channels, total = out.shape
    check_sizes(memoryview(buffer).nbytes, head, channels, total)
    places = Places(tuple(4 * total * c for c in range(channels)), max(total, 1), 4 * total)
    end = _decode(buffer, head, total, out, places, 4, 0, first_number)
    if depth_stands_in_streaminfo_only(buffer, head):
        check_md5(head, out)
    return end


class FrameHeader(NamedTuple):
    """What the header of a frame says of its place in the stream."""

    number: int
    """Of the frame, or of its first sample where block sizes vary."""
    block_size: int
    """Samples per channel."""
    variable: bool
    """Whether block sizes may vary."""


def first_header(buffer: Buffer) -> FrameHeader:
    """Parse the header of the frame at the start of a buffer.

    Raises
    ------
    CorruptFlacError
        No frame begins there.
    """
    status, name, number, block_size, variable = _native.first_header(buffer)
    if status:
        raise CorruptFlacError(
            f"No FLAC frame begins here: {name}. The bytes are damaged, or the index gives the "
            "chunk a wrong place."
        )
    return FrameHeader(number, block_size, bool(variable))


def goes_on(buffer: Buffer, at: int) -> bool:
    """Whether a frame begins at this byte."""
    status, *_ = _native.first_header(memoryview(buffer).cast("B")[at:])
    return status == 0


@dataclass(frozen=True, slots=True)
class Places:
    """Where the samples of each channel stand in an array."""

    planes: tuple[int, ...]
    """Byte offset of each channel's first sample; -1 where a channel is not wanted."""
    width: int
    """Samples in a row."""
    row_stride: int
    """Bytes from one row to the next."""

    @classmethod
    def in_chunk(
        cls,
        chunk_shape: tuple[int, ...],
        tile_shape: tuple[int, ...],
        item_size: int,
        selection: Sequence[int],
        channels: int,
    ) -> Places | None:
        """Find the places of samples in a C-contiguous array, None where they are not simply rows.

        Parameters
        ----------
        chunk_shape, tile_shape
            Shape of a plane of the array, and of the part at its start that is written to, which
            is shorter in the last two axes only.
        item_size
            Bytes of a pixel.
        selection
            The channel that each plane of the array shows.
        channels
            Channels in the stream.
        """
        places = [-1] * channels
        plane = math.prod(chunk_shape) * item_size
        for at, channel in enumerate(selection):
            places[channel] = at * plane
        if tile_shape == chunk_shape:
            return cls(tuple(places), math.prod(tile_shape), plane)
        if math.prod(chunk_shape[:-2]) > 1 and tile_shape[-2] != chunk_shape[-2]:
            return None
        return cls(tuple(places), tile_shape[-1], chunk_shape[-1] * item_size)


def decode_pixels(
    buffer: Buffer, head: Head, total: int, out: npt.NDArray[Any], places: Places, offset: int
) -> None:
    """Decode the frames of a stream straight to pixels of 8, 16 or 32 bits.

    Parameters
    ----------
    buffer, head
        As for `decode`. The frames must not leave their depth to STREAMINFO.
    total
        Samples per channel.
    out
        C-contiguous, native byte order.
    places
        Where in `out` the samples go.
    offset
        Added to every sample, modulo the size of a pixel; every sample must fit a pixel.

    Raises
    ------
    CorruptFlacError
        Damage or truncation. `out` then holds rubbish.
    """
    _decode(buffer, head, total, out, places, out.itemsize, offset)


FRAME_FIELDS = np.dtype(
    [("offset", "i8"), ("length", "i8"), ("first_sample", "i8"), ("block_size", "i8")]
)


class Scan:
    """The frames of a stream that comes in pieces, found without decoding them.

    Parameters
    ----------
    streaminfo
        What STREAMINFO says.
    offset
        Byte of the first frame in the stream: where the pieces begin.
    first_number
        Number in the header of that frame.
    """

    def __init__(self, streaminfo: StreamInfo, offset: int, first_number: int = 0) -> None:
        self._total = streaminfo.total_samples
        self._facts = _facts(Head(streaminfo), self._total or _UNKNOWN_TOTAL, first_number)
        self._state = _native.scan_state(offset)
        self._start = offset
        """Number of the first byte of what is left over."""
        self._rest = bytearray()

    def next(self, piece: Buffer, *, last: bool) -> npt.NDArray[Any]:
        """Scan one more piece.

        Returns
        -------
        The frames whose end is known by now, a row of `FRAME_FIELDS` each

        Raises
        ------
        CorruptFlacError
            Damage, truncation, or a frame missing.
        """
        if self._rest or not last:
            self._rest += memoryview(piece).cast("B")
            piece = self._rest
        report, packed, start = _native.scan(piece, self._facts, self._state, last)
        _check(report, self._total)
        del self._rest[: start - self._start]
        self._start = start
        return np.frombuffer(packed, FRAME_FIELDS)


def check_md5(head: Head, samples: npt.NDArray[np.int32]) -> None:
    """Check the MD5 in STREAMINFO, when there is one.

    Raises
    ------
    CorruptFlacError
        It is another one than that of the samples.
    """
    if head.streaminfo.md5 == bytes(16):
        return
    width = (head.streaminfo.bits_per_sample + 7) // 8
    digest = hashlib.md5(usedforsecurity=False)
    for start in range(0, samples.shape[1], _MD5_PIECE):
        piece = np.ascontiguousarray(samples[:, start : start + _MD5_PIECE].T, "<i4")
        digest.update(np.ascontiguousarray(piece[..., np.newaxis].view("u1")[..., :width]))
    if digest.digest() != head.streaminfo.md5:
        raise CorruptFlacError(
            "The MD5 of the decoded samples is not the one STREAMINFO gives. The head of this "
            "stream is damaged."
        )


def depth_stands_in_streaminfo_only(buffer: Buffer, head: Head) -> bool:
    """Whether the frames refer to STREAMINFO for their depth (RFC 9639 section 9.1.4).

    Frame headers can name 8, 12, 16, 20, 24 and 32 bits. Any other depth stands in STREAMINFO,
    which no CRC covers: a flipped bit there would decode to other pixels. The MD5 tells.
    """
    view = memoryview(buffer).cast("B")
    at = head.frames_offset + 3
    return at < len(view) and view[at] >> 1 & 0x7 == 0


def check_sizes(stream_size: int, head: Head, channels: int, total: int) -> None:
    """Check that a stream can hold the samples wanted, before memory is taken for them.

    Parameters
    ----------
    stream_size
        Bytes of the whole stream.
    head
        What `parse_head` found in it.
    channels, total
        Shape of the wanted samples.

    Raises
    ------
    UnsupportedFlacError
        The stream has another number of channels.
    CorruptFlacError
        It has another number of samples, or is too short to hold so many.
    """
    info = head.streaminfo
    if info.channels != channels:
        raise UnsupportedFlacError(
            f"The stream has {info.channels} channels; {channels} are expected. "
            "Check the channels and the dtype in the codec configuration."
        )
    if info.total_samples not in (0, total):
        raise CorruptFlacError(
            f"STREAMINFO says {info.total_samples} samples per channel; {total} are expected. "
            "The stream is damaged, or belongs to a tile of another size."
        )
    frames = max(stream_size - head.frames_offset, 0) // _SMALLEST_FRAME
    if total > frames * info.max_block_size:
        raise CorruptFlacError(
            f"{total} samples are expected of {stream_size - head.frames_offset} bytes of frames, "
            f"which hold at most {frames * info.max_block_size}. The stream is truncated."
        )


def _facts(
    head: Head, total: int, first_number: int = 0
) -> tuple[int, int, int, int, int, int, int, bool, bool]:
    """What `_native` has to know of a stream."""
    info = head.streaminfo
    return (
        head.frames_offset,
        info.min_block_size,
        info.max_block_size,
        info.channels,
        info.bits_per_sample,
        total,
        first_number,
        not info.total_samples and total != _UNKNOWN_TOTAL,
        False,
    )


def _decode(
    buffer: Buffer,
    head: Head,
    total: int,
    out: npt.NDArray[Any],
    places: Places,
    item_size: int,
    offset: int,
    first_number: int = 0,
) -> int:
    if not total:
        return head.frames_offset
    facts = _facts(head, total, first_number)
    report = _native.decode(
        buffer, facts, out, places.planes, places.width, places.row_stride, item_size, offset
    )
    _check(report, total)
    return report[4]


def _check(report: tuple[int, str, int, int, int], total: int) -> None:
    status, name, frame, position, byte = report
    if status == 0:
        return
    samples = f"{position} of {total}" if total else str(position)
    if status == _TRUNCATED:
        raise CorruptFlacError(
            f"The stream ends after {samples} samples, in frame {frame} at byte {byte}. It is "
            "truncated, or the index gives it a wrong length."
        )
    raise CorruptFlacError(
        f"Damage in frame {frame} at byte {byte}, sample {samples}: {name}. "
        "Fetch the tile again, or take another copy of the file."
    )
