"""FLAC frames -> samples, by `_native`, in C; written where the caller wants them.

Decoding is strict. Nothing is concealed: damage, a frame out of place and a missing sample are a
`CorruptFlacError`.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from . import _native
from .blocks import Head
from .checksum import check_crc32
from .errors import CorruptFlacError, UnsupportedFlacError
from .native_calls import Buffer, StreamFactsTuple, check_report, stream_facts

# Bits of the smallest subframe (RFC 9639 section 9.2): a constant, which is a head and a sample, or
# fixed prediction of order 0 with residuals of no bits, which takes the same for any depth.
_CONSTANT_HEAD, _NO_RESIDUALS = 8, 23
_HEADER_AND_CRC = 6 + 2
_MD5_PIECE = 1 << 16


@dataclass(frozen=True, slots=True)
class ChannelLayout:
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
    ) -> ChannelLayout | None:
        """Lay samples out in a C-contiguous array; None where they are not simply rows.

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
        offsets = [-1] * channels
        plane = math.prod(chunk_shape) * item_size
        for at, channel in enumerate(selection):
            offsets[channel] = at * plane
        if tile_shape == chunk_shape:
            return cls(tuple(offsets), math.prod(tile_shape), plane)
        if math.prod(chunk_shape[:-2]) > 1 and tile_shape[-2] != chunk_shape[-2]:
            return None
        return cls(tuple(offsets), tile_shape[-1], chunk_shape[-1] * item_size)


def decode_pixels(
    buffer: Buffer,
    head: Head,
    total: int,
    out: npt.NDArray[Any],
    layout: ChannelLayout,
    offset: int,
    crc32: int | None = None,
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
    layout
        Where in `out` the samples go.
    offset
        Added to every sample, modulo the size of a pixel; every sample must fit a pixel.
    crc32
        CRC-32 of the whole buffer, where it is known. It is summed up on the way, while the bytes
        are in the CPU's cache.

    Raises
    ------
    CorruptFlacError
        Damage or truncation, or other bytes than those. `out` then holds rubbish.
    """
    facts = stream_facts(head.streaminfo, head.frames_offset, total)
    _decode(buffer, facts, total, out, layout, out.itemsize, offset, crc32)


def decode(
    buffer: Buffer,
    head: Head,
    out: npt.NDArray[np.int32],
    first_number: int = 0,
    *,
    sizes_vary: bool = False,
) -> int:
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
    sizes_vary
        Take frames of any sizes, even where headers count frames.

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
    layout = ChannelLayout(tuple(4 * total * c for c in range(channels)), max(total, 1), 4 * total)
    facts = stream_facts(
        head.streaminfo, head.frames_offset, total, first_number, sizes_vary=sizes_vary
    )
    end = _decode(buffer, facts, total, out, layout, 4, 0)
    if depth_stands_in_streaminfo_only(buffer, head):
        check_md5(head, out)
    return end


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


def most_samples(stream_size: int, head: Head) -> int:
    """How many samples per channel a stream of so many bytes can hold at most."""
    info = head.streaminfo
    bits = info.channels * min(_CONSTANT_HEAD + info.bits_per_sample, _NO_RESIDUALS)
    smallest = _HEADER_AND_CRC + (bits + 7) // 8
    return max(stream_size - head.frames_offset, 0) // smallest * info.max_block_size


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
    most = most_samples(stream_size, head)
    if total > most:
        raise CorruptFlacError(
            f"{total} samples are expected of {stream_size - head.frames_offset} bytes of frames, "
            f"which hold at most {most}. The stream is truncated."
        )


def _decode(
    buffer: Buffer,
    facts: StreamFactsTuple,
    total: int,
    out: npt.NDArray[Any],
    layout: ChannelLayout,
    item_size: int,
    offset: int,
    crc32: int | None = None,
) -> int:
    """Return the byte behind the last frame."""
    if not total:
        return facts[0]
    report, found = _native.decode(
        buffer, facts, out, layout.planes, layout.width, layout.row_stride, item_size, offset,
        crc32 is not None,
    )  # fmt: skip
    check_report(report, total)
    if crc32 not in (None, found):
        check_crc32(buffer, crc32)  # has the words for it
    return report[4]
