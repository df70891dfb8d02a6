"""The CRC-32 that headers of files hold for their tiles.

FLAC's own checksums tell damage inside a tile. They cannot tell that a sound tile lies in the place
of another: two of equal length that were swapped, one that was copied over its neighbour, one of
another file.
"""

from __future__ import annotations

from . import _native
from .errors import CorruptFlacError
from .native_calls import Buffer


def crc32(data: Buffer) -> int:
    """CRC-32 as in zlib, gzip and PNG, in a fraction of the time that decoding takes.

    Parameters
    ----------
    data
        Any contiguous buffer. Other threads go on while it is read.

    Returns
    -------
    What ``zlib.crc32(data)`` is
    """
    return _native.crc32(data)


def check_crc32(data: Buffer, expected: int | None) -> None:
    """Refuse the bytes of a tile that are not those which were written there.

    Parameters
    ----------
    data
        All bytes of the tile; any contiguous buffer.
    expected
        Their CRC-32; None where it is not known.

    Raises
    ------
    CorruptFlacError
        They have another one. Does not say which tile it is: the caller knows.
    """
    if expected is not None and (found := crc32(data)) != expected:
        raise CorruptFlacError(
            f"The CRC-32 of these bytes is {found:08x}, not {expected:08x}: the tile is damaged, "
            "or another lies in its place. Fetch it again, or take another copy of the file."
        )
