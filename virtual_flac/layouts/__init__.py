"""The layouts of FLAC raster files: `parse` picks one by the first bytes. No I/O.

A streaming layout, with a JSON index in front, is a module with `recognises` and `parse` (see
`Layout`). A new one goes into `LAYOUTS`, the most specific first. Files that begin as a FLAC stream
are `plain`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from zarr_flac import FlacInfo

from ..errors import NeedBytes, UnknownLayoutError
from ..model.index import TileIndex
from . import flac_raster, plain, tiled
from ._json import read_head
from ._stream import begins_stream, read_stream_head
from .plain import PlainStream


class Layout(Protocol):
    """What a layout's module offers."""

    def recognises(self, index: Mapping[str, Any]) -> bool:
        """Whether a JSON index is of this layout."""

    def parse(
        self, index: Mapping[str, Any], head: bytes, data_offset: int, file_size: int | None
    ) -> TileIndex:
        """The tiles that a JSON index describes."""


#: What the first bytes of a file say.
type Parsed = TileIndex | PlainStream | FlacInfo

LAYOUTS: tuple[Layout, ...] = (tiled, flac_raster)


def parse(head: bytes, file_size: int | None = None) -> Parsed:
    """Parse the first bytes of a FLAC raster file.

    Parameters
    ----------
    head : bytes
        The first bytes of the file, as many as are at hand.
    file_size : int or None
        Size of the file in bytes; offsets and shapes are checked against it.

    Returns
    -------
    TileIndex, PlainStream or FlacInfo
        A `PlainStream` where only the frames in the whole file tell where its tiles lie; what a
        FLAC stream says of itself where it is sound, no raster.

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
    for layout in LAYOUTS:
        if layout.recognises(index):
            return layout.parse(index, head, data_offset, file_size)
    flac_raster.refuse_published_form(index)
    raise UnknownLayoutError(
        f"the index has the keys {sorted(index)[:12]}; expected 'layout': 'virtual-flac' or "
        "flac-raster's 'frames'"
    )


#: What `looks_like_ours` looks into: comments stand in front of pictures and padding.
GUESS_BYTES = 4096


def looks_like_ours(head: bytes) -> bool:
    """Whether the first `GUESS_BYTES` bytes can be those of a FLAC raster.

    Both streaming layouts begin with the size of the index, a brace and one of a few keys; the
    others are FLAC streams with comments that music does not have.
    """
    if begins_stream(head):
        return b"GEOSPATIAL_" in head
    return tiled.begins(head) or flac_raster.begins(head)
