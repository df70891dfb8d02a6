"""Where each raster of a cube lies: along the new dimensions, and on the grid of a mosaic."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from affine import Affine

from ..errors import MismatchError
from .agreement import AcceptedRaster
from .inputs import CubeInputs
from .labels import BAND, as_coordinate

#: Pixels. Rounding moves origins far from zero by less; nobody means an offset as small.
_TOLERANCE = 1e-5
_OTHER_TILES = (
    "Write the rasters again with a tile size that fits, or make them one with gdalbuildvrt and "
    "convert that."
)


@dataclass(frozen=True, slots=True)
class Axes:
    """New dimensions: their coordinates, and the position of each kept file along them."""

    coordinates: dict[str, npt.NDArray[Any]]
    """All but band."""
    positions: list[tuple[int, ...]]
    bands: list[Any]
    """Labels along band, in their order; empty where there are none."""
    band_positions: list[int]


def find_axes(inputs: CubeInputs, numbers: Sequence[int]) -> Axes:
    """Axes of the files that were kept, given by their numbers among the inputs."""
    coordinates: dict[str, npt.NDArray[Any]] = {}
    positions: list[list[int]] = []
    bands: list[Any] = []
    band_positions: list[int] = []
    for dim, labels in inputs.labels.items():
        here = [labels[number] for number in numbers]
        if dim == BAND:
            bands = list(dict.fromkeys(here)) if inputs.bands_ordered else sorted(set(here))
            band_positions = [bands.index(name) for name in here]
        else:
            coordinates[dim], found = np.unique(as_coordinate(here), return_inverse=True)
            positions.append(found.tolist())
    return Axes(
        coordinates, list(zip(*positions, strict=True)) or [()] * len(numbers), bands,
        band_positions,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Mosaic:
    """The grid that covers all rasters; sizes in pixels."""

    width: int
    height: int
    transform: Affine
    corners: list[tuple[int, int]]
    """Tile row and tile column of each raster's first tile."""


def place_on_grid(rasters: Sequence[AcceptedRaster], tile_shape: tuple[int, int]) -> Mosaic:
    """Arrange rasters of one resolution on one grid of whole tiles.

    Raises
    ------
    MismatchError
        When a raster lies between pixels or tiles of the grid, or ends in a partial tile where
        others go on.
    """
    first = rasters[0]
    pixels = [_pixel_offset(first, raster) for raster in rasters]
    left, top = min(col for col, _ in pixels), min(row for _, row in pixels)
    offsets = [(row - top, col - left) for col, row in pixels]
    height = max(row + r.height for (row, _), r in zip(offsets, rasters, strict=True))
    width = max(col + r.width for (_, col), r in zip(offsets, rasters, strict=True))
    anchors = (rasters[[row for row, _ in offsets].index(0)],
               rasters[[col for _, col in offsets].index(0)])  # fmt: skip
    for offset, raster in zip(offsets, rasters, strict=True):
        ends = (offset[0] + raster.height, offset[1] + raster.width)
        sizes = (raster.height, raster.width)
        for axis, (name, side) in enumerate((("rows", "below"), ("columns", "to the right of"))):
            tile = tile_shape[axis]
            if offset[axis] % tile:
                raise MismatchError(
                    f"{raster.url}: begins {offset[axis]} {name} behind {anchors[axis].url}, "
                    f"which is not a whole number of tiles of {tile} {name}; a mosaic has one grid "
                    f"of tiles. {_OTHER_TILES}"
                )
            if ends[axis] != (height, width)[axis] and sizes[axis] % tile:
                raise MismatchError(
                    f"{raster.url}: its {sizes[axis]} {name} are not a whole number of tiles of "
                    f"{tile}, and others lie {side} it; only the last tiles of a mosaic may be "
                    f"partial. {_OTHER_TILES}"
                )
    corners = [(row // tile_shape[0], col // tile_shape[1]) for row, col in offsets]
    return Mosaic(width, height, first.transform @ Affine.translation(left, top), corners)


def _pixel_offset(first: AcceptedRaster, other: AcceptedRaster) -> tuple[int, int]:
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
