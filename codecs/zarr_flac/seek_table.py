"""The SEEKTABLE block: where some frames begin, as the program that wrote the stream says."""

from __future__ import annotations

import struct
from typing import NamedTuple

from .blocks import MARKER, block_headers, skip_id3
from .errors import CorruptFlacError

_SEEKTABLE = 3
_SEEK_POINT = struct.Struct(">QQH")
_PLACEHOLDER = 2**64 - 1


class SeekPoint(NamedTuple):
    """An entry of a SEEKTABLE (RFC 9639 section 8.5)."""

    first_sample: int
    """Number of the first sample of the frame pointed at."""
    offset: int
    """Byte of that frame, counted from the first frame's."""
    block_size: int
    """Samples per channel in that frame."""


def parse_seek_table(buffer: bytes | bytearray | memoryview) -> tuple[SeekPoint, ...]:
    """Read the points of the SEEKTABLE block, placeholders left out; none without such a block.

    Parameters
    ----------
    buffer
        As for `parse_head`, which has accepted it.

    Raises
    ------
    CorruptFlacError
        The block is not a whole number of points.
    """
    view = memoryview(buffer).cast("B")
    for kind, start, end in block_headers(view, skip_id3(view) + len(MARKER)):
        if kind == _SEEKTABLE:
            if (end - start) % _SEEK_POINT.size:
                raise CorruptFlacError(
                    f"The SEEKTABLE at byte {start} has {end - start} bytes; expected a "
                    f"multiple of {_SEEK_POINT.size}. The head of this stream is damaged."
                )
            points = _SEEK_POINT.iter_unpack(view[start:end])
            return tuple(SeekPoint(*point) for point in points if point[0] != _PLACEHOLDER)
    return ()
