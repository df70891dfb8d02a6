"""flac-raster's spatial layout (``flac-raster convert --spatial``, 0.1.2). Read only.

Complete FLAC streams one after the other, one a tile; the index is a comment of the first one. It
was embedded after the offsets had been taken, so all but the first are short by what the head of
the first stream grew. The pixels were destroyed when the file was written: only -1, 0 and 1 are
left of them. Knows bytes; no stores, no pixels.
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from zarr_flac import FlacInfo

from ..errors import LayoutError, NeedBytes
from ..model.grid import TileGrid
from ..model.index import Band, Level, RasterInfo, TileIndex, U64Array, check_tiles
from . import _comments, _common
from ._json import MAX_INDEX_BYTES, parse_object, require

LAYOUT = "flac-raster spatial"
INDEX_KEY = "GEOSPATIAL_SPATIAL_INDEX"

_MARKER = b"fLaC"
#: fLaC and STREAMINFO: what the head had at least before it grew.
_LEAST_HEAD = 42
_GZIP = 16 + zlib.MAX_WBITS
_WHERE = "the comments of the first tile"


def recognises(comments: Mapping[str, str]) -> bool:
    """Whether comments hold the index of this layout."""
    return INDEX_KEY in comments


def parse(info: FlacInfo, head: bytes, file_size: int | None) -> TileIndex:
    """The tiles that the index in the first tile's comments describes.

    Parameters
    ----------
    info : FlacInfo
        The head of the first tile.
    head : bytes
        The first bytes of the file, as many as are at hand.
    file_size : int or None
        Size of the file in bytes, None when unknown.

    Raises
    ------
    NeedBytes
        When `head` ends before the second tile begins.
    LayoutError
        When the index is damaged, contradicts itself or does not fit the file.
    """
    comments = info.comments
    size = _comments.parse_length(comments, "GEOSPATIAL_TILE_SIZE", _WHERE)
    grid = TileGrid(
        _comments.parse_length(comments, "GEOSPATIAL_HEIGHT", _WHERE),
        _comments.parse_length(comments, "GEOSPATIAL_WIDTH", _WHERE),
        size,
        size,
    )
    index = _decode_index(comments[INDEX_KEY])
    offsets, lengths = _common.parse_frames(require(index, "frames", "the index"), grid)
    count = _comments.parse_length(comments, "GEOSPATIAL_COUNT", _WHERE)
    if count != info.streaminfo.channels:
        raise LayoutError(
            f"{_WHERE} say {count} bands, but the stream has {info.streaminfo.channels} channels"
        )
    dtype = _comments.parse_dtype(comments, _WHERE)
    offsets, lengths = _corrected(offsets, lengths, info.frames_offset, file_size)
    _check_second(head, offsets, file_size)
    result = TileIndex(
        layout=LAYOUT,
        raster=RasterInfo(
            width=grid.width,
            height=grid.height,
            dtype=dtype,
            georef=_comments.parse_georef(comments, _WHERE),
            nodata=_comments.parse_nodata(comments.get("GEOSPATIAL_NODATA"), dtype),
            bands=(Band(),) * count,
        ),
        tile_shape=(size, size),
        interleave="pixel",
        mapping="flac-raster-spatial",
        levels=(Level(width=grid.width, height=grid.height, offsets=offsets, lengths=lengths),),
        file_size=file_size,
    )
    check_tiles(result, data_offset=0, file_size=file_size)
    return result


def _decode_index(text: str) -> dict[str, Any]:
    try:
        packed = base64.b64decode(text, validate=True)
        inflate = zlib.decompressobj(_GZIP)
        data = inflate.decompress(packed, MAX_INDEX_BYTES)
    except (ValueError, zlib.error) as error:
        raise LayoutError(f"the index in {INDEX_KEY} is damaged: {error}") from error
    if not inflate.eof:
        raise LayoutError(f"the index in {INDEX_KEY} is cut short, or longer than is allowed")
    return parse_object(data)


def _corrected(
    offsets: U64Array, lengths: U64Array, frames_offset: int, file_size: int | None
) -> tuple[U64Array, U64Array]:
    """Offsets and lengths after the head of the first tile has grown."""
    if file_size is None:
        raise LayoutError("the size of the file is not known, so its tiles cannot be placed")
    order = np.argsort(offsets.ravel(), kind="stable")
    starts, sizes = offsets.ravel()[order], lengths.ravel()[order]
    if starts[0] != 0 or (starts[1:] != np.cumsum(sizes)[:-1]).any() or order[0] != 0:
        raise LayoutError("the tiles in the index do not follow each other without gaps")
    grown = file_size - int(sizes.sum())
    if not 0 <= grown <= frames_offset - _LEAST_HEAD:
        raise LayoutError(
            f"the tiles in the index have {int(sizes.sum())} bytes and the head of the first "
            f"{frames_offset}, but the file has {file_size}: it is cut short or damaged"
        )
    offsets, lengths = offsets.copy(), lengths.copy()
    offsets[offsets > 0] += np.uint64(grown)
    lengths[0, 0, 0] += np.uint64(grown)
    return offsets, lengths


def _check_second(head: bytes, offsets: U64Array, file_size: int | None) -> None:
    """Look whether the second tile begins where it should: then all others do."""
    if offsets.size == 1:
        return
    start = int(np.sort(offsets.ravel())[1])
    end = start + len(_MARKER)
    if len(head) < end and (file_size is None or end <= file_size):
        raise NeedBytes(end)
    if head[start:end] != _MARKER:
        raise LayoutError(
            f"no FLAC stream begins at byte {start}, where the second tile should: the file is cut "
            "short or damaged"
        )
