"""What flac-raster's streaming layout and ours have in common. Bytes and JSON values only.

Both give the transform as nine numbers, the size of the raster and a list of ``frames``, one a
tile. Knows the shared keys; knows nothing of either layout's own keys.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from affine import Affine

from ..errors import LayoutError
from ..model.georef import GeoReference
from ..model.grid import TileGrid, Window
from ..model.index import U64Array
from ._json import as_float, as_int, as_list, as_object, require

#: GDAL's own limit for the width and height of a raster.
MAX_SIZE = 2**31 - 1


def parse_transform(value: Any) -> Affine:
    """The affine matrix from nine numbers, row by row (the last three are 0, 0, 1), or six."""
    numbers = as_list(value, "transform")
    if len(numbers) not in (6, 9):
        raise LayoutError(f"transform has {len(numbers)} numbers, expected 9 (or 6)")
    a, b, c, d, e, f = (as_float(v, f"transform[{i}]") for i, v in enumerate(numbers[:6]))
    return Affine(a, b, c, d, e, f)


def pack_transform(transform: Affine) -> list[float]:
    """The affine matrix as nine numbers, row by row."""
    return [float(v) for v in transform[:6]] + [0.0, 0.0, 1.0]


def parse_size(index: Mapping[str, Any]) -> TileGrid:
    """Width, height and tile size of the raster."""
    width = as_int(require(index, "width", "the index"), "width", low=1, high=MAX_SIZE)
    height = as_int(require(index, "height", "the index"), "height", low=1, high=MAX_SIZE)
    size = as_int(require(index, "tile_size", "the index"), "tile_size", low=1, high=MAX_SIZE)
    return TileGrid(height, width, size, size)


def parse_frames(value: Any, grid: TileGrid) -> tuple[U64Array, U64Array]:
    """Offsets, counted from the first byte after the index, and lengths of all tiles.

    Returns
    -------
    offsets, lengths : ndarray of uint64, shape (1, tile row, tile column)

    Raises
    ------
    LayoutError
        When a tile is missing, given twice, or not where the grid has it.
    """
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


def pack_frames(
    grid: TileGrid, georef: GeoReference, offsets: U64Array, lengths: U64Array
) -> list[dict[str, Any]]:
    """flac-raster's list of tiles, from offsets and lengths of shape (tile row, tile column)."""
    frames = []
    for number, window in enumerate(grid.windows()):
        row, col = divmod(number, grid.cols)
        left, top = georef.transform @ (window.col_off, window.row_off)
        # flac-raster's own arithmetic, which ignores rotation.
        right = left + window.width * georef.transform.a
        bottom = top + window.height * georef.transform.e
        frames.append(
            {
                "frame_id": number,
                "bbox": [left, bottom, right, top],
                "window": window._asdict(),
                "byte_offset": int(offsets[row, col]),
                "byte_size": int(lengths[row, col]),
            }
        )
    return frames


def parse_crs(value: Any) -> str | None:
    """WKT2:2019 of a CRS given as authority code, WKT or PROJ string; None for none.

    flac-raster writes ``str(crs)``, which is ``"None"`` for a raster without CRS.
    """
    if value is None or value in ("", "None"):
        return None
    if not isinstance(value, str):
        raise LayoutError(f"crs is {value!r}, expected a string")
    import pyproj
    from pyproj.exceptions import CRSError

    try:
        wkt: str = pyproj.CRS.from_user_input(value).to_wkt()
    except CRSError as error:
        shown = value if len(value) <= 80 else value[:77] + "..."
        raise LayoutError(f"crs is {shown!r}, which PROJ does not understand") from error
    return wkt
