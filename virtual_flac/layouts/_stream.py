"""The head of a file that begins as a FLAC stream: how many bytes it has, what it says.

Knows the chain of metadata blocks as far as their lengths. Bytes in, values out.
"""

from __future__ import annotations

from zarr_flac import CorruptFlacError, FlacInfo, read_info

from ..errors import LayoutError, NeedBytes

SIGNATURES = (b"fLaC", b"ID3")
#: Of the longest frame header; more than any of it must stand behind the metadata.
FRAME_HEADER_BYTES = 16
_MARKER = b"fLaC"
_LAST = 0x80


def begins_stream(head: bytes) -> bool:
    """Whether the first bytes are those of a FLAC stream, or of an ID3v2 tag in front of one."""
    return head.startswith(SIGNATURES)


def read_stream_head(head: bytes, file_size: int | None) -> FlacInfo:
    """STREAMINFO, comments and seek table.

    Raises
    ------
    NeedBytes
        When `head` ends before the first frame's header does and the file goes on.
    LayoutError
        When the head is damaged or cut short.
    """
    end = _metadata_end(head, file_size) + FRAME_HEADER_BYTES
    if file_size is not None:
        end = min(end, file_size)
    _require(head, end, file_size)
    try:
        return read_info(head)
    except CorruptFlacError as error:
        raise LayoutError(f"the head of the FLAC stream is damaged: {error}") from error


def _metadata_end(head: bytes, file_size: int | None) -> int:
    position = 0
    if head.startswith(b"ID3"):
        _require(head, 10, file_size)
        a, b, c, d = (byte & 0x7F for byte in head[6:10])
        position = 10 + (a << 21 | b << 14 | c << 7 | d) + (10 if head[5] & 0x10 else 0)
        _require(head, position + len(_MARKER), file_size)
        if head[position : position + len(_MARKER)] != _MARKER:
            raise LayoutError(
                f"the file begins with an ID3 tag of {position} bytes, but no FLAC stream follows: "
                "it is an audio file of another kind"
            )
    position += len(_MARKER)
    last = False
    while not last:
        _require(head, position + 4, file_size)
        last = bool(head[position] & _LAST)
        position += 4 + int.from_bytes(head[position + 1 : position + 4], "big")
    return position


def _require(head: bytes, end: int, file_size: int | None) -> None:
    if file_size is not None and end > file_size:
        raise LayoutError(
            f"the metadata of the FLAC stream goes on to byte {end}, but the file has only "
            f"{file_size} bytes: it is cut short or damaged"
        )
    if len(head) < end:
        raise NeedBytes(end)
