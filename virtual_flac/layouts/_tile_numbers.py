"""Numbers of every tile as text in JSON: sizes and checksums, by plane, tile row, tile column."""

from __future__ import annotations

import base64
import zlib
from typing import Any

import numpy as np

from ..errors import LayoutError
from ..model.index import U32Array, U64Array
from ._json import decode_base64


def parse_sizes(value: Any, name: str, shape: tuple[int, int, int]) -> U64Array:
    """Lengths of the tiles; a wrong count is refused before memory is taken."""
    data = decode_base64(value, name)
    count = shape[0] * shape[1] * shape[2]
    # DEFLATE shrinks data by at most a factor of 1032.
    if 4 * count > 1032 * len(data) + 64:
        raise LayoutError(f"{name} is too short for {count} tiles")
    inflate = zlib.decompressobj()
    try:
        planes = inflate.decompress(data, 4 * count + 1)
    except zlib.error as error:
        raise LayoutError(f"{name} is damaged: {error}") from error
    if len(planes) != 4 * count or not inflate.eof or inflate.unused_data:
        raise LayoutError(f"{name} does not hold the sizes of {count} tiles")
    by_byte = np.frombuffer(planes, dtype=np.uint8).reshape(4, count)
    sizes = np.ascontiguousarray(by_byte.T).view("<u4").reshape(shape)
    if (sizes == 0).any():
        raise LayoutError(f"{name} holds a tile of 0 bytes")
    return sizes.astype(np.uint64)


def pack_sizes(lengths: U64Array) -> str:
    """Base64 of the DEFLATEd byte planes of the sizes as 32-bit integers: about 3 bytes a tile."""
    if lengths.max() >= 1 << 32:
        raise LayoutError(f"a tile of {lengths.max()} bytes is more than this layout can hold")
    by_byte = lengths.astype("<u4").reshape(-1, 1).view(np.uint8).T
    return base64.b64encode(zlib.compress(by_byte.tobytes(), 9)).decode()


def parse_checksums(value: Any, name: str, shape: tuple[int, int, int]) -> U32Array:
    """CRC-32 of every tile."""
    data = decode_base64(value, name)
    count = shape[0] * shape[1] * shape[2]
    if len(data) != 4 * count:
        raise LayoutError(f"{name} has {len(data)} bytes, expected 4 for each of {count} tiles")
    return np.frombuffer(data, dtype="<u4").reshape(shape).astype(np.uint32)


def pack_checksums(checksums: U32Array) -> str:
    """Base64 of the checksums: 5.3 bytes a tile."""
    return base64.b64encode(checksums.astype("<u4").tobytes()).decode()
