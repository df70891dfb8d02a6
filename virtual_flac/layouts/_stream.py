"""The head of a file that begins as a FLAC stream."""

from __future__ import annotations

from zarr_flac import CorruptFlacError, FlacInfo, head_end, read_info

from ..errors import LayoutError, NeedBytes

SIGNATURES = (b"fLaC", b"ID3")
#: Bytes of the longest frame header.
FRAME_HEADER_BYTES = 16
#: Bytes read behind a metadata block, for the blocks that follow it.
READ_AHEAD_BYTES = 32 * 1024
#: Metadata that is longer is refused: pictures of an album take less.
MAX_HEAD_BYTES = 64 << 20


def begins_stream(head: bytes) -> bool:
    """Whether the first bytes are those of a FLAC stream, or of an ID3v2 tag in front of one."""
    return head.startswith(SIGNATURES)


def read_stream_head(head: bytes, file_size: int) -> FlacInfo:
    """STREAMINFO, comments and seek table.

    `NeedBytes` when `head` ends before the first frame's header does and the file goes on.
    """
    try:
        end = head_end(head)
    except CorruptFlacError as error:
        if head.startswith(b"ID3"):
            raise LayoutError(
                f"the file begins with an ID3 tag, but no FLAC stream follows: {error}"
            ) from error
        raise _damaged(error) from error
    if end > file_size:
        raise LayoutError(
            f"the metadata of the FLAC stream goes on to byte {end}, but the file has only "
            f"{file_size} bytes: it is cut short or damaged"
        )
    if end > MAX_HEAD_BYTES:
        raise LayoutError(
            f"the metadata of the FLAC stream goes on to byte {end}; more than {MAX_HEAD_BYTES} "
            "is refused. Remove its pictures with `metaflac --remove --block-type=PICTURE`."
        )
    if len(head) < min(end + FRAME_HEADER_BYTES, file_size):
        raise NeedBytes(min(end + READ_AHEAD_BYTES, file_size))
    try:
        return read_info(head)
    except CorruptFlacError as error:
        raise _damaged(error) from error


def _damaged(error: CorruptFlacError) -> LayoutError:
    return LayoutError(f"the head of the FLAC stream is damaged: {error}")
