"""One tile of a FLAC raster against the index and its own checksums: bytes in, findings out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from zarr_flac import (
    Head,
    TileDecoder,
    check_crc32,
    count_ambiguous,
    decode,
    iter_frames,
    read_tile_info,
)

from ..errors import CorruptFlacError, FlacError
from ..model.index import TileIndex
from ..reading.tiles import decode_at
from .spatial_info import Tile

#: Layouts whose first four bytes say how long the head is, and whose tiles say what they are.
WITH_INDEX_SIZE = ("virtual-flac", "flac-raster streaming")


@dataclass(frozen=True, slots=True, kw_only=True)
class TileFinding(Tile):
    """A tile, and what is wrong with it.

    Parameters
    ----------
    what : str
    """

    what: str

    def __str__(self) -> str:
        return f"{self.name}, bytes {self.offset} to {self.offset + self.length}: {self.what}"


@dataclass(frozen=True, slots=True, kw_only=True)
class TileCheck:
    """What `check_tile` found."""

    damage: tuple[str, ...] = ()
    """Why the tile is not what was written; empty when it is."""
    ambiguous: int = 0
    """Pixels that flac-raster's map does not tell from others: a loss of its writer, no damage."""
    has_md5: bool = False
    """Whether STREAMINFO has an MD5, which was checked."""

    @property
    def fault(self) -> str | None:
        """All damage in one text; None where there is none."""
        return "; ".join(self.damage) or None

    @property
    def loss(self) -> str | None:
        """What flac-raster lost; None where it is nothing."""
        if not self.ambiguous:
            return None
        return f"{self.ambiguous} pixels share their sample with another value"


def check_tile(index: TileIndex, tile: Tile, data: Any) -> TileCheck:
    """Check the bytes of one tile.

    The checksum of the tile, where there is one, covers every byte. Besides: the head of the
    stream, its comments against the raster, the number of samples, the CRC of every frame, the
    frames' sizes and the MD5 of the samples against STREAMINFO where it has them, and that every
    sample stands for a pixel.
    """
    damage = []
    if len(data) != tile.length:
        damage.append(f"it has {len(data)} bytes, the index says {tile.length}")
    try:
        check_crc32(data, tile.checksum)
    except FlacError as error:
        damage.append(str(error))
    ambiguous, has_md5 = 0, False
    try:
        spec = index.tile_spec(tile.level)
        if bytes(data[:4]) == b"fLaC":
            head = read_tile_info(data)
            has_md5 = head.streaminfo.md5 != bytes(16)
            _check_head(index, tile, head)
            if has_md5:
                decode(data, verify_md5=True)
            _check_frame_sizes(data, head)
        pixels = decode_at(data, TileDecoder(spec), tile.window)
        if index.mapping != "exact":
            ambiguous = count_ambiguous(data, pixels, spec)
    except FlacError as error:
        damage.append(str(error))
    return TileCheck(damage=tuple(damage), ambiguous=ambiguous, has_md5=has_md5)


def _check_head(index: TileIndex, tile: Tile, head: Head) -> None:
    """Compare what a stream says about itself with what the index implies."""
    window = tile.window
    samples = head.streaminfo.total_samples
    # Of a predicted tile they are not the pixels.
    if head.description is None and samples not in (0, window.width * window.height):
        raise CorruptFlacError(
            f"STREAMINFO says {samples} samples, the tile has {window.width} x {window.height}"
        )
    if index.layout not in WITH_INDEX_SIZE:
        return  # comments may be those of the whole raster
    expected = {
        "GEOSPATIAL_WIDTH": str(window.width),
        "GEOSPATIAL_HEIGHT": str(window.height),
        "GEOSPATIAL_DTYPE": index.raster.dtype.name,
    }
    for key, value in expected.items():
        found = head.comments.get(key)
        if found != value:
            raise CorruptFlacError(f"its comment {key} is {found!r}, expected {value!r}")


def _check_frame_sizes(data: Any, head: Head) -> None:
    """Compare the real frames with the smallest and largest size that STREAMINFO gives."""
    info = head.streaminfo
    if not info.min_frame_size or not info.max_frame_size:
        return
    starts = [frame.offset for frame in iter_frames(data)]
    sizes = np.diff([*starts, len(data)])
    if (int(sizes.min()), int(sizes.max())) != (info.min_frame_size, info.max_frame_size):
        raise CorruptFlacError(
            f"STREAMINFO says frames have {info.min_frame_size} to {info.max_frame_size} bytes; "
            f"they have {sizes.min()} to {sizes.max()}"
        )
