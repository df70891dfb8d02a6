"""Heads of files whose tiles nobody reads: what opening costs depends on nothing else."""

from __future__ import annotations

import json
import os
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pyproj
from affine import Affine

from virtual_flac.layouts import tiled
from virtual_flac.model.georef import GeoReference
from virtual_flac.model.grid import TileGrid, overview_factors
from virtual_flac.model.index import Band, RasterInfo, TileSizes


def sentinel_head(size: int, tile_size: int) -> tuple[bytes, int]:
    """The head of a square raster with overviews, and its number of tiles."""
    raster = RasterInfo(
        width=size, height=size, dtype=np.dtype("uint16"), nodata=0,
        georef=GeoReference(
            crs_wkt=pyproj.CRS.from_epsg(32633).to_wkt(),
            transform=Affine(10, 0, 600_000, 0, -10, 4_900_020),
        ),
        bands=(Band(description="B04, red", unit="reflectance", scale=1e-4),),
        tags={"": {"AREA_OR_POINT": "Area", "PRODUCT": "S2B_MSIL2A_20260714T081609_N0511_R121"}},
    )  # fmt: skip
    rng = np.random.default_rng(1)
    levels = []
    for factor in (1, *overview_factors(size, size, tile_size)):
        edge = -(-size // factor)
        grid = TileGrid(edge, edge, tile_size, tile_size)
        shape = (1, grid.rows, grid.cols)
        # Of tiles whose compression varies by a factor of three.
        lengths = rng.integers(tile_size**2 // 2, tile_size**2 * 3 // 2, shape).astype(np.uint64)
        crcs = rng.integers(0, 2**32, shape, dtype=np.uint32)
        levels.append(TileSizes(width=edge, height=edge, lengths=lengths, checksums=crcs))
    head = tiled.pack(raster, levels, tile_size=tile_size, interleave="band")
    return head, sum(level.lengths.size for level in levels)


def write_sentinel(path: Path, size: int, tile_size: int) -> int:
    """A file of such a head and of nothing where its tiles should be; gives their number."""
    head, tiles = sentinel_head(size, tile_size)
    path.write_bytes(head)
    os.truncate(path, len(head) + tiles * 2 * tile_size**2)
    return tiles


class Raw(str):
    """JSON text that `json.dumps` would not write."""

    __slots__ = ()


def seal(content: Any) -> bytes:
    """A head of any content with a right checksum, so that the check behind it is reached."""
    raw: list[str] = []

    def park(value: Any) -> Any:
        if isinstance(value, Raw):
            raw.append(str(value))
            return f"\0raw{len(raw) - 1}"
        if isinstance(value, dict):
            return {park(key) if isinstance(key, Raw) else key: park(v) for key, v in value.items()}
        return [park(item) for item in value] if isinstance(value, list) else value

    zeros = "00000000"
    if isinstance(content, dict) and isinstance(content.get("crc32"), str):
        # A checksum of another form is left as it is: it is checked for that.
        content = content | {"crc32": zeros if len(content["crc32"]) == 8 else content["crc32"]}
    text = json.dumps(park(content), separators=(",", ":"))
    for number, value in enumerate(raw):
        text = text.replace(f'"\\u0000raw{number}"', value)
    crc = zlib.crc32(text.encode())
    data = text.replace(f'"crc32":"{zeros}"', f'"crc32":"{crc:08x}"', 1).encode()
    return struct.pack(">I", len(data)) + data


def a_head(sizes: tuple[int, int] = (400, 500), **changes: Any) -> bytes:
    """A valid head of a 20 x 30 raster in two tiles, with keys replaced or (...) left out."""
    lengths = np.asarray(sizes, dtype=np.uint64).reshape(1, 2, 1)
    raster = RasterInfo(width=20, height=30, dtype=np.dtype("uint16"))
    levels = [TileSizes(width=20, height=30, lengths=lengths)]
    head = tiled.pack(raster, levels, tile_size=20, interleave="band")
    content = json.loads(head[4:]) | changes
    return seal({key: value for key, value in content.items() if value is not ...})


def with_comments(stream: bytes, comments: dict[str, str], vendor: str = "reference") -> bytes:
    """A FLAC stream that begins with STREAMINFO and its comments, with other comments."""
    end = 42 + 4 + int.from_bytes(stream[43:46], "big")
    texts = [vendor, *(f"{key}={text}" for key, text in comments.items())]
    encoded = [text.encode(errors="surrogatepass") for text in texts]
    first, *rest = (struct.pack("<I", len(text)) + text for text in encoded)
    block = first + struct.pack("<I", len(rest)) + b"".join(rest)
    return stream[:42] + stream[42:43] + len(block).to_bytes(3, "big") + block + stream[end:]
