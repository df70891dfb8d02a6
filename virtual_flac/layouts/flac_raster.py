"""flac-raster's streaming layout (``flac-raster create-streaming``, 0.1.2), parsed.

The JSON index has no dtype, band count or nodata. They stand in the comments of every tile, so the
head of the first tile is read too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from zarr_flac import (
    CorruptFlacError,
    FlacRasterLoss,
    UnsupportedFlacError,
    flac_raster_loss,
    read_tile_info,
)

from ..errors import LayoutError, LostPixelsError, NeedBytes, UnknownLayoutError
from ..model.georef import GeoReference
from ..model.grid import TileGrid, Window
from ..model.index import Band, Level, RasterInfo, TileIndex, U64Array
from . import _comments
from ._check import check_tiles
from ._json import (
    MAX_SIZE,
    SIZE_BYTES,
    as_int,
    as_list,
    as_object,
    check_extent,
    parse_crs,
    parse_size,
    parse_transform,
    require,
)
from ._strict_json import show, unknown_keys
from .flac_raster_pack import ENCODER

LAYOUT = "flac-raster streaming"
#: flac-raster's tiles carry some kilobytes of comments and padding in front of their frames.
TILE_HEAD_BYTES = 16 * 1024

_KEYS = frozenset({"crs", "transform", "width", "height", "tile_size", "frames"})


def begins(head: bytes) -> bool:
    """Whether a file can be of this layout, by its first bytes."""
    return head.startswith(b'{"crs":', SIZE_BYTES)


def head_end(index_end: int, file_size: int) -> int:
    """Bytes to read of a file whose index ends at `index_end`: the first tile's comments, too."""
    return max(index_end, min(index_end + TILE_HEAD_BYTES, file_size))


def parse(index: Mapping[str, Any], head: bytes, data_offset: int, file_size: int) -> TileIndex:
    """The tiles of a streaming file that flac-raster wrote, from the JSON in front of its data.

    Raises
    ------
    NeedBytes
        When `head` ends before the comments of the first tile do.
    LayoutError
        When the index contradicts itself or does not fit the file.
    """
    grid = parse_size(index)
    offsets, lengths = _parse_frames(require(index, "frames", "the index"), grid)
    transform = parse_transform(require(index, "transform", "the index"))
    check_extent(transform, grid.width, grid.height)
    georef = GeoReference(crs_wkt=parse_crs(index.get("crs")), transform=transform)
    comments = _first_comments(head, data_offset + int(offsets[0, 0, 0]), int(lengths[0, 0, 0]))
    count = comments.get("GEOSPATIAL_COUNT", "1")
    if count != "1":
        raise LayoutError(f"the first tile says {show(count)} bands; streaming files have one")
    dtype = _comments.parse_dtype(comments, "the first tile's comments")
    result = TileIndex(
        layout=LAYOUT,
        raster=RasterInfo(
            width=grid.width,
            height=grid.height,
            dtype=dtype,
            georef=georef,
            nodata=_comments.parse_nodata(comments.get("GEOSPATIAL_NODATA"), dtype),
            bands=(Band(),),
        ),
        tile_shape=(grid.tile_height, grid.tile_width),
        mapping="exact" if comments.get("ENCODER") == ENCODER else "flac-raster",
        levels=(
            Level(
                width=grid.width,
                height=grid.height,
                offsets=offsets + np.uint64(data_offset),
                lengths=lengths,
            ),
        ),
        extra=unknown_keys(index, _KEYS),
    )
    check_tiles(result, data_offset=data_offset, file_size=file_size)
    return result


def _parse_frames(value: Any, grid: TileGrid) -> tuple[U64Array, U64Array]:
    """Offsets, counted from the first byte after the index, and lengths of all tiles."""
    frames = as_list(value, "frames")
    if len(frames) != grid.rows * grid.cols:
        raise LayoutError(
            f"frames lists {len(frames)} tiles; {grid.width} x {grid.height} pixels in tiles of "
            f"{grid.tile_width} make {grid.rows * grid.cols}"
        )
    offsets = np.zeros((1, grid.rows, grid.cols), dtype=np.uint64)
    lengths = np.zeros_like(offsets)
    for number, item in enumerate(frames):
        name = f"frames[{number}]"
        frame = as_object(item, name)
        row, col = _tile_of(frame, name, grid)
        if lengths[0, row, col]:
            raise LayoutError(f"{name} gives tile ({row}, {col}) a second time")
        offset = as_int(
            require(frame, "byte_offset", name), f"{name}.byte_offset", low=0, high=1 << 62
        )
        length = as_int(require(frame, "byte_size", name), f"{name}.byte_size", low=1, high=1 << 40)
        offsets[0, row, col] = offset
        lengths[0, row, col] = length
    return offsets, lengths


def _tile_of(frame: Mapping[str, Any], name: str, grid: TileGrid) -> tuple[int, int]:
    window = as_object(require(frame, "window", name), f"{name}.window")
    found = Window(
        *(
            as_int(
                require(window, key, f"{name}.window"), f"{name}.window.{key}", low=0, high=MAX_SIZE
            )
            for key in Window._fields
        )
    )
    row, col = found.row_off // grid.tile_height, found.col_off // grid.tile_width
    if row >= grid.rows or col >= grid.cols or grid.window(row, col) != found:
        raise LayoutError(
            f"{name}.window is {found._asdict()}, which is no tile of {grid.width} x {grid.height} "
            f"pixels in tiles of {grid.tile_width}"
        )
    return row, col


def _first_comments(head: bytes, offset: int, length: int) -> Mapping[str, str]:
    """Comments of the tile that begins at `offset`."""
    available = head[offset : offset + length]
    wanted = min(length, TILE_HEAD_BYTES)
    if len(available) < wanted:
        raise NeedBytes(offset + wanted)
    try:
        info = read_tile_info(available)
    except (CorruptFlacError, UnsupportedFlacError) as error:
        if len(available) < length:
            # Long comments or damage; the whole tile is needed to know.
            raise NeedBytes(offset + length) from error
        raise LayoutError(
            f"the first tile, at byte {offset}, is no FLAC stream: {error}"
        ) from error
    if info.vendor == "zarr-flac" and info.comments.get("ENCODER") != ENCODER:
        raise LayoutError(
            "the tiles were written by virtual-flac, but the index lacks its keys: the header is "
            "damaged. Fetch the file again."
        )
    return info.comments


def refuse_published_form(index: Mapping[str, Any]) -> None:
    """Explain the form that flac-raster's documents describe but that no program writes."""
    if "tiles" in index:
        raise UnknownLayoutError(
            "the index has the key 'tiles': that form stands in flac-raster's documents, but no "
            "program writes it. Make the file again with `virtual-flac convert`."
        )


def refuse_spatial_files(comments: Mapping[str, str]) -> None:
    """Refuse files of ``flac-raster convert --spatial``, whose pixels were lost in writing."""
    if "GEOSPATIAL_SPATIAL_INDEX" in comments:
        raise LostPixelsError(
            "the file was written by `flac-raster convert --spatial`, and its pixels cannot be "
            "recovered: flac-raster scaled them to [-1, 1] and then cut them to integers. Convert "
            "the GeoTIFF again with `virtual-flac convert`."
        )


def loss(index: TileIndex) -> FlacRasterLoss | None:
    """What flac-raster's map kept of the pixels of a file; None where the samples are the pixels.

    Tiles of streaming files have their own extremes; of these, the most that a tile can have lost.
    """
    dtype, stream = index.raster.dtype, index.stream
    if index.mapping == "exact":
        return None
    if stream is not None and stream.data_min is not None:
        assert stream.data_max is not None
        return flac_raster_loss(stream.data_min, stream.data_max, dtype)
    if dtype.kind == "f" or dtype.itemsize == 8:
        return FlacRasterLoss(False, float("inf"))
    limits = np.iinfo(dtype)
    return flac_raster_loss(limits.min, limits.max, dtype)


def loss_note(index: TileIndex) -> str | None:
    """What users should know of the pixels; None where they are what was written."""
    found, dtype = loss(index), index.raster.dtype
    if found is None or found.one_to_one:
        return None
    if dtype.kind == "f":
        return (
            "flac-raster kept floats to 1.2e-7, or to 24 bits, and lost those beyond 256 and "
            "NaN, which are shown as NaN"
        )
    if index.stream is not None:
        return (
            "flac-raster gave several pixels the same sample; they are within "
            f"{found.largest_error:g} of what was written"
        )
    most = 2**15 - 1 if dtype.itemsize <= 2 else 2**23 - 1
    return (
        f"in tiles whose values range over {most} or more, flac-raster gave several pixels the "
        "same sample; they are the nearest of those"
    )
