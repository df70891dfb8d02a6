"""A bounding box, window or tile to a window of one resolution."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

from affine import TransformNotInvertibleError

from ..errors import SelectionError
from .crs import parse_wkt
from .georef import GeoReference
from .grid import TileGrid, Window

Bounds = tuple[float, float, float, float]

#: Offsets this close below a pixel's edge, in pixels, lie on it: GDAL's own tolerance.
_TOLERANCE = 0.001
#: Points per edge of a box that is brought from one CRS to another; GDAL's and rasterio's default.
_DENSIFY = 21


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """What was asked for: one of the fields, or none for all; `bbox_crs` goes with `bbox`."""

    bbox: Bounds | None = None
    """In the raster's CRS or in `bbox_crs`; x is easting or longitude, whatever the CRS says."""
    bbox_crs: str | None = None
    """Anything that pyproj understands: ``"EPSG:4326"``, WKT ..."""
    window: Window | None = None
    """Pixels of the full resolution."""
    tile: tuple[int, int] | None = None
    """Row and column of a tile of the full resolution, counted from 0."""
    tile_id: int | None = None
    """The same as one number, row by row: flac-raster's ``frame_id``."""
    center: bool = False
    """The tile whose centre is nearest to the raster's."""
    last: bool = False
    """The last tile."""

    def __post_init__(self) -> None:
        given = self.given
        if len(given) > 1:
            raise SelectionError(f"{' and '.join(given)} were given, expected one of them")
        if self.bbox_crs is not None and self.bbox is None:
            raise SelectionError("bbox_crs (--bbox-crs) was given without a bbox")
        if self.bbox is not None:
            _check_bbox(self.bbox)
        if self.tile is not None and len(self.tile) != 2:
            raise SelectionError(f"tile has {len(self.tile)} numbers, expected row and column")

    @property
    def given(self) -> list[str]:
        """Names of the fields that were given, except `bbox_crs`."""
        return [
            field.name
            for field in fields(self)
            # Not "in (None, False)": a tile_id of 0 equals False.
            if field.name != "bbox_crs"
            and getattr(self, field.name) is not None
            and getattr(self, field.name) is not False
        ]


def select_window(
    selection: Selection, base: TileGrid, georef: GeoReference, level: TileGrid | None = None
) -> Window:
    """The chosen pixels, counted in `level`; `base` and `georef` are the full resolution's.

    Of a box, the pixels that ``gdal_translate -projwin`` and ``rio clip`` take. The box is cut to
    the raster. Its upper left corner goes to the upper left corner of the pixel in which it lies.
    Its size is rounded to whole pixels, at least one. Windows and tiles are counted in the full
    resolution, as GDAL counts them; of an overview, every pixel that they touch.
    """
    level = level or base
    if selection.bbox is not None:
        size = {"base_width": base.width, "base_height": base.height}
        there = georef.for_overview(width=level.width, height=level.height, **size)
        return bounds_window(
            selection.bbox, there, selection.bbox_crs, width=level.width, height=level.height
        )
    window = _pixels(selection, base)
    _check_window(window, base)
    if level == base:
        return window
    left, right = _scale(window.col_off, window.width, level.width, base.width)
    top, bottom = _scale(window.row_off, window.height, level.height, base.height)
    return Window(left, top, right - left, bottom - top)


def bounds_window(
    bounds: Bounds, georef: GeoReference, crs: str | None = None, *, width: int, height: int
) -> Window:
    """Pixels of a raster of `width` x `height` that a box in its CRS, or in `crs`, covers."""
    if georef.gcps or georef.rpcs:
        kind = "ground control points" if georef.gcps else "RPCs"
        raise SelectionError(
            f"the raster is placed by {kind}, not by a transform: choose a window instead of a bbox"
        )
    xmin, ymin, xmax, ymax = moved = to_raster_crs(bounds, crs, georef)
    corners = [(x, y) for x in (xmin, xmax) for y in (ymin, ymax)]
    try:
        cols, rows = zip(*(~georef.transform @ corner for corner in corners), strict=True)
        invertible = all(map(math.isfinite, (*cols, *rows)))
    except (TransformNotInvertibleError, ZeroDivisionError):
        invertible = False
    if not invertible:
        raise SelectionError(
            f"the raster's transform {tuple(georef.transform[:6])} gives many pixels the same "
            "place: choose a window instead of a bbox"
        )
    try:
        left, across = _cut(min(cols), max(cols), width)
        top, down = _cut(min(rows), max(rows), height)
    except SelectionError:
        whole = bounds_of(georef, Window(0, 0, width, height))
        if crs is None:
            box = _shown(bounds)
            way = "Is it in another CRS? Say which with --bbox-crs (bbox_crs=...)."
        else:
            box = f"{_shown(bounds)} in {crs}, {_shown(moved)} in the raster's CRS,"
            way = "It is xmin, ymin, xmax, ymax; x is easting or longitude, whatever the CRS says."
        raise SelectionError(
            f"the bbox {box} lies outside the raster, whose bounds are {_shown(whole)}. {way}"
        ) from None
    return Window(left, top, across, down)


def bounds_of(georef: GeoReference, window: Window) -> Bounds:
    """The box around a window: xmin, ymin, xmax, ymax."""
    cols = (window.col_off, window.col_off + window.width)
    rows = (window.row_off, window.row_off + window.height)
    corners = [georef.transform @ (col, row) for col in cols for row in rows]
    xs, ys = zip(*corners, strict=True)
    return min(xs), min(ys), max(xs), max(ys)


def to_raster_crs(bbox: Bounds, crs: str | None, georef: GeoReference) -> Bounds:
    """A box in the raster's CRS that holds all of a box in another one."""
    if crs is None:
        return bbox
    if not georef.crs_wkt:
        raise SelectionError(f"the raster has no CRS, so a bbox in {crs} cannot be found in it")
    import pyproj
    from pyproj.exceptions import ProjError

    try:
        source = pyproj.CRS.from_user_input(crs)
        target = parse_wkt(georef.crs_wkt)
        if source == target:
            return bbox
        mover = pyproj.Transformer.from_crs(source, target, always_xy=True)
        moved = tuple(float(v) for v in mover.transform_bounds(*bbox, densify_pts=_DENSIFY))
    except ProjError as error:
        raise SelectionError(f"the bbox cannot be taken from {crs}: {error}") from error
    xmin, ymin, xmax, ymax = moved
    if not all(map(math.isfinite, moved)) or xmin > xmax:
        # PROJ gives xmin > xmax for a box over the antimeridian.
        raise SelectionError(
            f"the bbox {_shown(bbox)} in {crs} has no one box in the raster's CRS: it "
            "leaves the area where the CRS holds, or crosses the antimeridian"
        )
    return xmin, ymin, xmax, ymax


def center_tile(grid: TileGrid) -> tuple[int, int]:
    """Tile row and tile column of the tile whose centre is nearest to the raster's."""
    return _center(grid.height, grid.tile_height), _center(grid.width, grid.tile_width)


def _center(size: int, tile_size: int) -> int:
    """Number of the part of an axis that lies nearest to the middle, the first of two."""
    middle = size // 2 // tile_size
    near = range(max(middle - 1, 0), min(middle + 2, -(-size // tile_size)))
    # The first and the last edge of a part add up to twice its centre.
    return min(near, key=lambda i: abs(i * tile_size + min((i + 1) * tile_size, size) - size))


def _pixels(selection: Selection, grid: TileGrid) -> Window:
    """A window of the full resolution."""
    if selection.window is not None:
        return selection.window
    count = grid.rows * grid.cols
    if selection.tile is not None:
        row, col = selection.tile
        if not (0 <= row < grid.rows and 0 <= col < grid.cols):
            raise SelectionError(
                f"there is no tile {row},{col}; rows are 0 to {grid.rows - 1}, columns 0 to "
                f"{grid.cols - 1}"
            )
        return grid.window(row, col)
    if selection.tile_id is not None:
        number = selection.tile_id
        if not 0 <= number < count:
            raise SelectionError(f"there is no tile {number}; tiles are 0 to {count - 1}")
    elif selection.center:
        return grid.window(*center_tile(grid))
    elif selection.last:
        number = count - 1
    else:
        return Window(0, 0, grid.width, grid.height)
    return grid.window(*divmod(number, grid.cols))


def _cut(start: float, end: float, size: int) -> tuple[int, int]:
    """First pixel and number of pixels of an interval, cut to 0 ... size."""
    first, last = max(start, 0.0), min(end, float(size))
    if not first < last:
        raise SelectionError("outside")
    length = max(math.floor(last - first + 0.5), 1)
    return min(math.floor(first + _TOLERANCE), size - length), length


def _scale(offset: int, length: int, size: int, base: int) -> tuple[int, int]:
    """First pixel, and the one behind the last, of an overview that an interval touches."""
    first = min(offset * size // base, size - 1)
    return first, max(-(-(offset + length) * size // base), first + 1)


def _shown(bounds: Bounds) -> str:
    return ", ".join(f"{value:.10g}" for value in bounds)


def _check_window(window: Window, grid: TileGrid) -> None:
    col, row, width, height = window
    if min(width, height) < 1:
        raise SelectionError(f"the window is {width} x {height} pixels, expected at least one")
    if min(col, row) < 0 or col + width > grid.width or row + height > grid.height:
        raise SelectionError(
            f"the window {col},{row},{width},{height} (column, row, width, height) leaves the "
            f"raster of {grid.width} x {grid.height} pixels"
        )


def _check_bbox(bbox: Bounds) -> None:
    numbers = list(bbox)
    if len(numbers) != 4 or not all(map(math.isfinite, numbers)):
        raise SelectionError(f"the bbox is {bbox}, expected xmin, ymin, xmax, ymax")
    xmin, ymin, xmax, ymax = numbers
    if not (xmin < xmax and ymin < ymax):
        raise SelectionError(
            f"the bbox is {xmin}, {ymin}, {xmax}, {ymax}; expected xmin < xmax and ymin < ymax"
        )
