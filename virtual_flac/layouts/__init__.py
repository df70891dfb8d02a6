"""The layouts of FLAC raster files: `parse` picks one by the first bytes. No I/O.

A streaming layout has a JSON index in front: `tiled` is our own, `flac_raster` that of the program.
Files that begin as a FLAC stream are `plain`.
"""

from __future__ import annotations

from zarr_flac import FlacInfo

from ..errors import NeedBytes, UnknownLayoutError
from ..model.index import TileIndex
from . import flac_raster, plain, tiled
from ._json import listed, read_head
from ._stream import begins_stream, read_stream_head
from .plain import PlainStream

#: What the first bytes of a file say.
type Parsed = TileIndex | PlainStream | FlacInfo


def parse(head: bytes, file_size: int) -> Parsed:
    """What a file of `file_size` bytes holds, by its first bytes, as many as are at hand.

    A `PlainStream` where only the frames in the whole file tell where its tiles lie; a `FlacInfo`
    where the file is sound, not a raster.

    Raises
    ------
    NeedBytes
        When `head` is too short and the file goes on; its ``end`` says how many bytes are needed.
    UnknownLayoutError
        When the file is of no known layout.
    LayoutError
        When the header is damaged, contradicts itself or does not fit the file.
    LostPixelsError
        When the file is one of flac-raster's spatial files.
    """
    if begins_stream(head):
        info = read_stream_head(head, file_size)
        flac_raster.refuse_spatial_files(info.comments)
        return plain.parse(info, head, file_size)
    try:
        index, data_offset = read_head(head, file_size)
    except NeedBytes as need:
        if tiled.begins(head):
            raise
        # So that the index and what its tiles say come with one request.
        raise NeedBytes(flac_raster.head_end(need.end, file_size)) from None
    if index.get("layout") == tiled.LAYOUT:
        return tiled.parse(index, head, data_offset, file_size)
    if "frames" in index:
        return flac_raster.parse(index, head, data_offset, file_size)
    flac_raster.refuse_published_form(index)
    raise UnknownLayoutError(
        f"the index has the keys {listed(index)}; expected 'layout': 'virtual-flac' or "
        "flac-raster's 'frames'"
    )


#: Bytes that `looks_like_ours` needs: comments come before pictures and padding.
GUESS_BYTES = 4096


def looks_like_ours(head: bytes) -> bool:
    """Whether the first `GUESS_BYTES` bytes can be those of a FLAC raster.

    Both streaming layouts begin with the size of the index, a brace and one of a few keys; the
    others are FLAC streams with comments that music does not have.
    """
    if begins_stream(head):
        return b"GEOSPATIAL_" in head
    return tiled.begins(head) or flac_raster.begins(head)
