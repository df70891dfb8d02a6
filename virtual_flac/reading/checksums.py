"""Whether the bytes of a tile are those that were written there: one check for all who read them.

FLAC's own checksums tell damage inside a tile. They cannot tell that a sound tile lies in the place
of another: two of equal length that were swapped, one that was copied over its neighbour, one of
another raster. The CRC-32 in the file's header does.
"""

from __future__ import annotations

from typing import Any

from zarr_flac import crc32

from ..errors import CorruptFlacError


def checksum_fault(data: Any, expected: int | None) -> str | None:
    """What is wrong with the bytes of a tile; None where nothing is, or no CRC-32 is known."""
    if expected is None or (found := crc32(data)) == expected:
        return None
    return f"its CRC-32 is {found:08x}, the header says {expected:08x}"


def check_bytes(data: Any, expected: int | None) -> None:
    """Refuse the bytes of a whole tile that are not those with the CRC-32 in the header.

    Raises
    ------
    CorruptFlacError
        Does not say which tile: the caller knows.
    """
    fault = checksum_fault(data, expected)
    if fault is not None:
        raise CorruptFlacError(
            f"{fault}: the tile is damaged, or another lies in its place. Fetch the file again, or "
            "take another copy; `virtual-flac verify` names all such tiles."
        )
