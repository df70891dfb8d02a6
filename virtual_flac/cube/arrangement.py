"""Rasters beside each other: where each lies on the grid of tiles that all of them share.

Knows transforms and tile shapes; knows nothing of files, Zarr or xarray.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from affine import Affine

from ..errors import MismatchError

#: Of a pixel: what rounding does to origins far from zero, far less than anybody means.
_TOLERANCE = 1e-5


@dataclass(frozen=True, slots=True)
class Footprint:
    """One raster of a mosaic.

    Parameters
    ----------
    url : str
    transform : Affine
    width, height : int
    """

    url: str
    transform: Affine
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Mosaic:
    """The grid that covers all rasters.

    Parameters
    ----------
    width, height : int
        In pixels.
    transform : Affine
    corners : list of (int, int)
        Tile row and tile column of each raster's first tile.
    """

    width: int
    height: int
    transform: Affine
    corners: list[tuple[int, int]]


def place(footprints: Sequence[Footprint], tile_shape: tuple[int, int]) -> Mosaic:
    """Arrange rasters of one resolution on one grid of whole tiles.

    Raises
    ------
    MismatchError
        When a raster lies between pixels or tiles of the grid, or ends in a partial tile where
        others go on.
    """
    first = footprints[0]
    pixels = [_pixel_offset(first, footprint) for footprint in footprints]
    left, top = min(col for col, _ in pixels), min(row for _, row in pixels)
    offsets = [(row - top, col - left) for col, row in pixels]
    height = max(row + f.height for (row, _), f in zip(offsets, footprints, strict=True))
    width = max(col + f.width for (_, col), f in zip(offsets, footprints, strict=True))
    anchors = (footprints[[row for row, _ in offsets].index(0)],
               footprints[[col for _, col in offsets].index(0)])  # fmt: skip
    for offset, footprint in zip(offsets, footprints, strict=True):
        ends = (offset[0] + footprint.height, offset[1] + footprint.width)
        sizes = (footprint.height, footprint.width)
        for axis, (name, side) in enumerate((("rows", "below"), ("columns", "to the right of"))):
            tile = tile_shape[axis]
            if offset[axis] % tile:
                raise MismatchError(
                    f"{footprint.url}: begins {offset[axis]} {name} behind {anchors[axis].url}, "
                    f"which is no whole number of tiles of {tile} {name}; a mosaic has one grid of "
                    "tiles. Write the rasters again with a tile size that fits, or make them one "
                    "with gdalbuildvrt and convert that."
                )
            if ends[axis] != (height, width)[axis] and sizes[axis] % tile:
                raise MismatchError(
                    f"{footprint.url}: its {sizes[axis]} {name} are no whole number of tiles of "
                    f"{tile}, and others lie {side} it; only the last tiles of a mosaic may be "
                    "partial. Write the rasters again with a tile size that fits, or make them one "
                    "with gdalbuildvrt and convert that."
                )
    corners = [(row // tile_shape[0], col // tile_shape[1]) for row, col in offsets]
    return Mosaic(width, height, first.transform @ Affine.translation(left, top), corners)


def _pixel_offset(first: Footprint, other: Footprint) -> tuple[int, int]:
    """Columns and rows from the first raster's corner to the other's."""
    if other.transform == first.transform:
        return 0, 0
    col, row = ~first.transform @ (other.transform.c, other.transform.f)
    whole = round(col), round(row)
    if max(abs(col - whole[0]), abs(row - whole[1])) > _TOLERANCE:
        raise MismatchError(
            f"{other.url}: begins {col:g} columns and {row:g} rows from {first.url}, between its "
            "pixels. Warp them to one grid first."
        )
    return whole
