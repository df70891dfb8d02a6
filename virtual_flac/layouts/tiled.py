"""Our own streaming layout: parse and pack, side by side. Specified in FORMAT.md."""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..errors import LayoutError, LayoutVersionError, RasterError
from ..model import overview_tags
from ..model.grid import TileGrid
from ..model.index import (
    Interleave,
    Level,
    RasterInfo,
    TileIndex,
    TileSizes,
    U64Array,
)
from ._check import check_tile_count, check_tiles
from ._json import SIZE_BYTES, as_bool, as_int, as_list, as_object, as_str, parse_size, require
from ._raster_json import KEYS, pack_raster, parse_raster
from ._strict_json import parse_object, show, unknown_keys
from ._tile_numbers import pack_checksums, pack_sizes, parse_checksums, parse_sizes

LAYOUT = "virtual-flac"
VERSION = "1.2"
MAX_LEVELS = 32
MAX_CHANNELS = 8
INTERLEAVES: tuple[Interleave, ...] = ("band", "tile", "pixel")

_VERSION = re.compile(r"(\d{1,6})\.\d{1,6}", re.ASCII)
_CRC32 = re.compile("[0-9a-f]{8}")
_CHECKSUM_KEY = '"crc32":"'
_NO_CHECKSUM = "00000000"
#: "frames" is of versions 1.0 and 1.1.
_KEYS = KEYS | {
    *("layout", "version", "crc32", "tile_size", "interleave", "source_overviews", "levels"),
    "frames",
}


def begins(head: bytes) -> bool:
    """Whether a file can be of this layout, by its first bytes."""
    return head.startswith(b'{"layout":"virtual-flac"', SIZE_BYTES)


# Reading -----------------------------------------------------------------------------------------


def parse(index: Mapping[str, Any], head: bytes, data_offset: int, file_size: int) -> TileIndex:
    """The tiles of a file of this layout, from the JSON in front of its data.

    Raises
    ------
    LayoutVersionError
        When the file is of a newer major version.
    LayoutError
        When the index is damaged, contradicts itself or does not fit the file.
    """
    _check_version(as_str(require(index, "version", "the index"), "version"))
    _check_checksum(index, head[SIZE_BYTES:data_offset])
    grid = parse_size(index)
    raster = parse_raster(index, grid)
    interleave = require(index, "interleave", "the index")
    if interleave not in INTERLEAVES:
        raise LayoutError(f"interleave is {show(interleave)}, expected one of {INTERLEAVES}")
    planes = 1 if interleave == "pixel" else raster.count
    most = max_bands_by_pixel(raster.dtype)
    if interleave == "pixel" and raster.count > most:
        raise LayoutError(
            f"{raster.count} bands of {raster.dtype.name} are said to be interleaved by pixel; "
            f"FLAC has room for {most}"
        )
    items = as_list(require(index, "levels", "the index"), "levels")
    grids = _parse_level_sizes(items, grid)
    check_tile_count(
        planes * sum(level.rows * level.cols for level in grids),
        data_offset=data_offset, file_size=file_size,
    )  # fmt: skip
    levels = [
        _parse_level(item, f"levels[{i}]", level, planes)
        for i, (item, level) in enumerate(zip(items, grids, strict=True))
    ]
    extra = unknown_keys(index, _KEYS)
    overview_tags.check(extra, raster.count)
    offsets = relative_offsets([level.lengths for level in levels], interleave)
    result = TileIndex(
        layout=LAYOUT,
        raster=raster,
        tile_shape=(grid.tile_height, grid.tile_width),
        interleave=interleave,
        levels=tuple(
            Level(
                width=level.width,
                height=level.height,
                offsets=start + np.uint64(data_offset),
                lengths=level.lengths,
                checksums=level.checksums,
            )
            for level, start in zip(levels, offsets, strict=True)
        ),
        source_overviews=as_bool(index.get("source_overviews", False), "source_overviews"),
        extra=extra,
    )
    check_tiles(result, data_offset=data_offset, file_size=file_size)
    return result


def _check_version(version: str) -> None:
    match = _VERSION.fullmatch(version)
    if match is None:
        raise LayoutError(f"version is {show(version)}, expected MAJOR.MINOR")
    if int(match[1]) > int(VERSION.partition(".")[0]):
        raise LayoutVersionError(
            f"the file is of layout version {version}; this program reads up to major version "
            f"{VERSION.partition('.')[0]}. Upgrade virtual-flac."
        )


def _check_checksum(index: Mapping[str, Any], text: bytes) -> None:
    stated = as_str(require(index, "crc32", "the index"), "crc32")
    if not _CRC32.fullmatch(stated):
        raise LayoutError(f"crc32 is {show(stated)}, expected eight hexadecimal digits")
    actual = _checksum(text, stated)
    if stated != actual:
        raise LayoutError(
            f"the index says its CRC-32 is {stated!r}, but it is {actual!r}: the header is "
            "damaged. Fetch the file again."
        )


def _checksum(text: bytes, stated: str) -> str:
    """CRC-32 of the index with the checksum's own digits set to zero."""
    here = f"{_CHECKSUM_KEY}{stated}".encode()
    blank = f"{_CHECKSUM_KEY}{_NO_CHECKSUM}".encode()
    return f"{zlib.crc32(text.replace(here, blank, 1)):08x}"


def _parse_level_sizes(items: Sequence[Any], base: TileGrid) -> list[TileGrid]:
    """Grids of all levels; the first is the full resolution, none is larger."""
    if not 1 <= len(items) <= MAX_LEVELS:
        raise LayoutError(f"there are {len(items)} levels, expected 1 to {MAX_LEVELS}")
    grids: list[TileGrid] = []
    for number, item in enumerate(items):
        name = f"levels[{number}]"
        level = as_object(item, name)
        height, width = (
            as_int(require(level, key, name), f"{name}.{key}", low=1, high=full)
            for key, full in (("height", base.height), ("width", base.width))
        )
        grids.append(TileGrid(height, width, base.tile_height, base.tile_width))
    if grids[0] != base:
        raise LayoutError(
            f"levels begin with {grids[0].width} x {grids[0].height} pixels, expected the full "
            f"resolution, {base.width} x {base.height}"
        )
    return grids


def _parse_level(level: Mapping[str, Any], name: str, grid: TileGrid, planes: int) -> TileSizes:
    shape = (planes, grid.rows, grid.cols)
    checksums = level.get("checksums")  # since 1.1
    return TileSizes(
        width=grid.width,
        height=grid.height,
        lengths=parse_sizes(require(level, "sizes", name), f"{name}.sizes", shape),
        checksums=None
        if checksums is None
        else parse_checksums(checksums, f"{name}.checksums", shape),
    )


def max_bands_by_pixel(dtype: np.dtype[Any]) -> int:
    """Bands that fit the channels of one FLAC stream."""
    return MAX_CHANNELS // (2 if dtype.itemsize == 8 else 1)


# Where tiles lie ---------------------------------------------------------------------------------


def relative_offsets(lengths: Sequence[U64Array], interleave: Interleave) -> list[U64Array]:
    """Position of every tile, counted from the first tile byte; tiles follow without gaps.

    An array of shape (plane, tile row, tile column) a level, in the order of the file.
    """
    # From (plane, row, column) to the order of the file, and back.
    there, back = ((1, 2, 0), (2, 0, 1)) if interleave == "tile" else ((0, 1, 2), (0, 1, 2))
    offsets = []
    position = np.uint64(0)
    for level in lengths:
        in_order = level.transpose(there)
        ends = position + np.cumsum(in_order, dtype=np.uint64).reshape(in_order.shape)
        offsets.append(np.ascontiguousarray((ends - in_order).transpose(back)))
        position = ends.flat[-1]
    return offsets


# Writing -----------------------------------------------------------------------------------------


def check_raster(raster: RasterInfo) -> None:
    """Refuse a raster whose header no reader would take.

    Raises
    ------
    RasterError
        Names the value, such as a scale that is NaN.
    """
    size = max(raster.width, raster.height)
    try:
        text = _to_json(dict(pack_raster(raster)))
        parse_raster(parse_object(text.encode()), TileGrid(raster.height, raster.width, size, size))
    except ValueError as error:  # a LayoutError is one, too
        raise RasterError(f"the raster cannot be written: {error}") from error


def pack(
    raster: RasterInfo,
    levels: Sequence[TileSizes],
    *,
    tile_size: int,
    interleave: Interleave,
    source_overviews: bool = False,
    extra: Mapping[str, Any] | None = None,
) -> bytes:
    """The head of a file: 4-byte size and JSON. Tiles follow in the order of `relative_offsets`.

    Keys in `extra` that this layout has a meaning for are left out.
    """
    # The checksum stands in front of all text that could look like it.
    content: dict[str, Any] = {
        "layout": LAYOUT,
        "version": VERSION,
        "crc32": _NO_CHECKSUM,
        **{key: value for key, value in (extra or {}).items() if key not in _KEYS},
        **dict(pack_raster(raster)),
        "tile_size": tile_size,
        "interleave": interleave,
        **({"source_overviews": source_overviews} if len(levels) > 1 else {}),
        "levels": [_pack_level(level) for level in levels],
    }
    text = _to_json(content)
    crc = _checksum(text.encode(), _NO_CHECKSUM)
    here, there = f"{_CHECKSUM_KEY}{_NO_CHECKSUM}", f"{_CHECKSUM_KEY}{crc}"
    data = text.replace(here, there, 1).encode()
    return len(data).to_bytes(SIZE_BYTES, "big") + data


def _to_json(content: Mapping[str, Any]) -> str:
    return json.dumps(content, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def _pack_level(level: TileSizes) -> dict[str, Any]:
    packed: dict[str, Any] = {
        "width": level.width,
        "height": level.height,
        "sizes": pack_sizes(level.lengths),
    }
    if level.checksums is not None:
        packed["checksums"] = pack_checksums(level.checksums)
    return packed
