"""Plain FLAC streams, without tiles or pixels: what they say, their samples, where frames stand.

Knows neither what comments mean nor dtypes other than int32.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from . import frame_decoder, tolerant
from .blocks import Head, parse_head
from .errors import ConfigurationError, CorruptFlacError, UnsupportedFlacError
from .frame_search import FrameHeader, Scan, first_header, frame_follows
from .native_calls import Buffer
from .seek_table import SeekPoint, parse_seek_table
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
    """Its first byte, counted from the start of the stream."""
    length: int
    """Its bytes."""
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


def read_frame_header(buffer: Buffer) -> FrameHeader:
    """Read the header of the frame at the start of a buffer; 16 bytes are enough.

    Raises
    ------
    CorruptFlacError
        No frame begins there, as far as the header's own CRC tells.
    """
    return first_header(buffer)


def decode(
    buffer: Buffer,
    out: Int32Array | None = None,
    *,
    streaminfo: StreamInfo | None = None,
    first_number: int = 0,
    verify_md5: bool = False,
) -> Int32Array:
    """Decode a FLAC stream to its samples.

    The checksums of all frames are always checked. The GIL is released meanwhile, so threads
    decode side by side.

    A stream whose head is wrong or missing is decoded all the same where libFLAC does it, that is
    where the frames are sound, none of them is missing, and the MD5 of STREAMINFO, if any, agrees.

    Parameters
    ----------
    buffer
        The stream; any contiguous buffer. It is not copied.
    out
        Receives the samples when given: int32, C-contiguous, shape (channel, sample). It holds
        rubbish after an error.
    streaminfo
        When given, `buffer` holds frames alone, without a head, that these facts belong to.
    first_number
        With `streaminfo`, for frames from the middle of a stream: the number that the first one's
        header has (`read_frame_header`).
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
    if out is not None and (out.dtype != np.int32 or out.ndim != 2 or not out.flags.c_contiguous):
        raise ConfigurationError(
            f"The array to decode into is {out.dtype.name} of shape {out.shape}; expected int32, "
            "C-contiguous, of shape (channel, sample)."
        )
    if streaminfo is not None:
        return _decode_strictly(buffer, Head(streaminfo), out, verify_md5, first_number)
    try:
        return _decode_strictly(buffer, parse_head(buffer), out, verify_md5)
    except (CorruptFlacError, UnsupportedFlacError):
        samples = tolerant.decode(buffer, out)
        if samples is None:
            raise
        return samples


def _decode_strictly(
    buffer: Buffer,
    head: Head,
    out: Int32Array | None,
    verify_md5: bool,
    first_number: int = 0,
) -> Int32Array:
    info = head.streaminfo
    if out is None:
        total = info.total_samples
        if not total:
            total = int(_frames(buffer, head, first_number)["block_size"].sum())
        frame_decoder.check_sizes(memoryview(buffer).nbytes, head, info.channels, total)
        out = np.empty((info.channels, total), np.int32)
    end = frame_decoder.decode(buffer, head, out, first_number)
    if verify_md5:
        frame_decoder.check_md5(head, out)
    if info.total_samples and frame_follows(buffer, end):
        raise CorruptFlacError(
            f"A further frame begins at byte {end}, behind the {info.total_samples} samples that "
            "STREAMINFO says. The head of this stream is damaged, or something follows it."
        )
    return out


def iter_frames(buffer: Buffer, *, streaminfo: StreamInfo | None = None) -> Iterator[Frame]:
    """Iterate over the frames of a stream: where each one stands, and which samples it holds.

    Headers and checksums of all frames are checked; the samples are not decoded. `FrameScanner`
    does the same for a stream that comes in pieces.

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
    return (Frame(*row) for row in _frames(buffer, head).tolist())


class FrameScanner:
    """Find the frames of a stream that comes in pieces, such as a file too large for memory.

    A frame's length stands nowhere in it. It ends where its checksum comes out right and a header
    with the next number follows, which is looked for at the speed of memory; the samples are
    not decoded, except those of the last frame. A piece may end anywhere: bytes of a frame without
    an end are kept for the next call, which is at most a few frames' worth, and never 16 MiB.

    Parameters
    ----------
    streaminfo
        What the head of the stream says (`read_info(...).streaminfo`).
    offset
        Byte at which the frames begin (`read_info(...).frames_offset`), and the first piece.
        0 for frames without a head.

    Examples
    --------
    ::

        info = read_info(head)
        scanner = FrameScanner(info.streaminfo, info.frames_offset)
        found = [scanner.feed(piece) for piece in pieces]
        found.append(scanner.close())
        frames = np.concatenate(found)
        frames["offset"], frames["length"], frames["first_sample"], frames["block_size"]
    """

    def __init__(self, streaminfo: StreamInfo, offset: int = 0) -> None:
        self._scan = Scan(streaminfo, offset)

    def feed(self, piece: Buffer) -> npt.NDArray[Any]:
        """Scan the next bytes of the stream.

        Parameters
        ----------
        piece
            They begin where the piece before ended; any contiguous buffer. Large pieces, a
            megabyte or so, are fastest. The GIL is released meanwhile.

        Returns
        -------
        Array with the fields `offset` (counted from the start of the stream), `length`,
        `first_sample` and `block_size`, all int64: the frames whose end is known by now. A frame
        is given out once, in order.

        Raises
        ------
        CorruptFlacError
            Damage, or a frame missing. The scanner is then of no more use.
        """
        return self._scan.next(piece, last=False)

    def close(self) -> npt.NDArray[Any]:
        """Say that the stream ends here.

        Returns
        -------
        The frames that were left, as from `feed`

        Raises
        ------
        CorruptFlacError
            The stream ends within a frame, or before the last sample that STREAMINFO promises.
        """
        return self._scan.next(b"", last=True)


def _frames(buffer: Buffer, head: Head, first_number: int = 0) -> npt.NDArray[Any]:
    frames = memoryview(buffer).cast("B")[head.frames_offset :]
    scan = Scan(head.streaminfo, head.frames_offset, first_number)
    return scan.next(frames, last=True)
