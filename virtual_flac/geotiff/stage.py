"""A temporary GeoTIFF of a raster or a part of it, from which GDAL makes overviews or a file."""

from __future__ import annotations

from pathlib import Path

from ..gdal.session import open_dataset
from ..io.workers import Counter, Progress
from ..model.grid import Window
from ..model.index import RasterInfo
from ..rasters import RasterSource, read_pieces
from .read_back import ReadBack
from .skeleton import write_skeleton

#: Edge of its tiles, and of those of what GDAL makes of it.
BLOCK_SIZE = 512
#: Pixels that are read at once. More than elsewhere: the tiles of a piece come with few requests.
READ_BYTES = 32 << 20


def write_stage(
    stage: Path,
    raster: RasterSource,
    part: RasterInfo,
    *,
    level: int = 0,
    window: Window | None = None,
    in_rows: bool = False,
    progress: Progress | None = None,
) -> ReadBack:
    """Write a GeoTIFF that takes pixels in any order and gives them in that of its reader.

    The pixels are `window` of a level of the raster, all of it by default; `part` describes them.
    With `in_rows` it suits readers that go line by line: whole tiles would be read again for each.
    Returns a record of what has been written.
    """
    tiling = {} if in_rows else {"BLOCKXSIZE": BLOCK_SIZE, "BLOCKYSIZE": BLOCK_SIZE}
    options = {"TILED": not in_rows, "INTERLEAVE": "PIXEL", **tiling}
    write_skeleton(stage, part, [], options)
    window = window or Window(0, 0, part.width, part.height)
    pieces = read_pieces(raster, level=level, window=window, together=True, read_bytes=READ_BYTES)
    counter = Counter(progress, part.width * part.height * part.count)
    read_back = ReadBack()
    with open_dataset(stage, "r+") as dataset:
        read_back.write(dataset, pieces, counter, corner=(window.col_off, window.row_off))
    return read_back
