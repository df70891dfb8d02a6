"""Predicted tiles: pixels <-> description and frames, by `_native`, in C.

The format stands in the specification, "Predicted tiles". A stream of this kind holds numbers that
are no pixels; what they mean stands in its description, an APPLICATION block.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from . import _native, native_calls
from .blocks import Head, parse_head
from .brief import brief
from .checksum import check_crc32
from .errors import CorruptFlacError, UnsupportedFlacError
from .frame_decoder import check_sizes
from .native_calls import Buffer, check_report
from .samples import DTYPES
from .spec import PREDICTED
from .streaminfo import SAMPLE_RATE, StreamInfo
from .tile_comments import DTYPE, HEIGHT, PIXEL_ORDER, SHAPE, WIDTH

MAX_BANDS = 65535
MAX_SIDE = 2**31
MAX_PIXELS = 2**40
"""Of a band of a tile."""

_UNKNOWN_VERSION = 15


@dataclass(frozen=True, slots=True)
class Description:
    """What a description says of the pixels."""

    dtype: str
    bands: int
    height: int
    width: int

    @property
    def pixels(self) -> int:
        """Of all bands together."""
        return self.bands * self.height * self.width


def read_tile_info(data: Buffer) -> Head:
    """Read the head of a tile: STREAMINFO and comments. Its first bytes are enough.

    A predicted tile gets the comments for its size and dtype that a tile in row order has.

    Raises
    ------
    CorruptFlacError
        The bytes are not FLAC, damaged, or end within the head.
    UnsupportedFlacError
        As `describe`.
    """
    head = parse_head(data)
    if head.description is None or not is_predicted(head):
        return head
    return with_comments(head, describe(head))


def describe(head: Head) -> Description:
    """Read what the pixels of a tile are, which has a description.

    Raises
    ------
    UnsupportedFlacError
        A version that this program does not know.
    CorruptFlacError
        A field is impossible, missing or left over.
    """
    description = head.description or b""
    status, name, dtype, width, height, bands = _native.describe_predicted(description)
    if status == _UNKNOWN_VERSION:
        raise UnsupportedFlacError(
            f"The tile is predicted, in version {description[0]} of the format; this version of "
            "zarr-flac knows 1. A newer one may know it."
        )
    if status:
        raise CorruptFlacError(f"{name[0].upper()}{name[1:]}. The head of this tile is damaged.")
    return Description(DTYPES[dtype], bands, height, width)


def with_comments(head: Head, tile: Description) -> Head:
    """The head of a predicted tile with the comments that a tile in row order has.

    Raises
    ------
    CorruptFlacError
        The description contradicts a comment.
    """
    comments = {DTYPE: tile.dtype, WIDTH: str(tile.width), HEIGHT: str(tile.height)}
    for key, value in comments.items():
        if head.comments.get(key, value) != value:
            raise CorruptFlacError(
                f"The tile's {key} is {brief(head.comments[key])}; its description says {value}. "
                "The head of this tile is damaged."
            )
    if tile.bands > 1:
        comments[SHAPE] = f"{tile.bands},{tile.height},{tile.width}"
    return replace(head, comments=comments | head.comments)


def is_predicted(head: Head) -> bool:
    """Whether the numbers of a stream are those of a predicted tile."""
    return head.comments.get(PIXEL_ORDER) == PREDICTED


def encode(planes: npt.NDArray[Any], effort: int, *, md5: bool) -> tuple[StreamInfo, bytes, bytes]:
    """Encode bands of pixels.

    Parameters
    ----------
    planes
        Shape (band, row, column), any strides and byte order, a dtype of `samples.DTYPES`.
    effort
        0 (fast) to 8 (small).
    md5
        Write the MD5 of the numbers.

    Returns
    -------
    The true STREAMINFO, the description, and the frames
    """
    dtype = planes.dtype.newbyteorder("<")
    if planes.dtype != dtype or planes.strides[-1] != dtype.itemsize:
        planes = np.ascontiguousarray(planes, dtype)
    description, frames, depth, total, block_size, least, most, digest = _native.encode_predicted(
        planes, DTYPES.index(dtype.name), effort, md5
    )
    info = StreamInfo(
        min_block_size=block_size,
        max_block_size=block_size,
        min_frame_size=least,
        max_frame_size=most,
        sample_rate=SAMPLE_RATE,
        channels=1,
        bits_per_sample=depth,
        total_samples=total,
        md5=digest,
    )
    return info, description, frames


def decode(
    data: Buffer,
    head: Head,
    out: npt.NDArray[Any],
    places: Sequence[int | None],
    crc32: int | None = None,
) -> None:
    """Decode bands of pixels.

    Parameters
    ----------
    data, head
        The whole tile, and what `parse_head` found in it.
    out
        C-contiguous, native byte order, shape (band, row, column). A tile that is smaller fills
        the start of the rows.
    places
        The band of `out` that receives each band of the tile; None where it is not wanted.
    crc32
        CRC-32 of the whole tile, where it is known.

    Raises
    ------
    CorruptFlacError
        Damage or truncation, or other bytes than those. `out` then holds rubbish.
    """
    info = head.streaminfo
    check_sizes(memoryview(data).nbytes, head, 1, info.total_samples)
    band_size, row_size, _ = out.strides
    report, found = _native.decode_predicted(
        data,
        head.frames_offset,
        info.max_block_size,
        info.bits_per_sample,
        info.total_samples,
        native_calls.MOST_LANES,
        head.description or b"",
        out,
        tuple(-1 if place is None else place * band_size for place in places),
        row_size,
        crc32 is not None,
    )
    check_report(report, info.total_samples)
    if crc32 not in (None, found):
        check_crc32(data, crc32)  # has the words for it
