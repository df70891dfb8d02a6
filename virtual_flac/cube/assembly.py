"""Offsets and lengths of many files as one virtual array, without a step for every file's dataset.

xarray's concatenation of virtual datasets takes milliseconds a file and makes each of them first;
here a file costs two copies into a table. The result is the same. Knows VirtualiZarr's arrays;
knows no names, stores or executors.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr
from affine import Affine
from obspec_utils.registry import ObjectStoreRegistry
from virtualizarr.manifests import ChunkManifest, ManifestArray
from virtualizarr.manifests.utils import copy_and_replace_metadata

from ..errors import MismatchError
from ..model.grid import TileGrid
from ..model.index import Level, TileIndex, U64Array
from ..virtual.build import build_virtual_zarr
from .agreement import RasterHeader


def template(
    part: RasterHeader,
    registry: ObjectStoreRegistry[Any],
    *,
    variable: str,
    coordinates: bool,
    skip_variables: Iterable[str],
    extent: tuple[int, int, Affine] | None = None,
) -> xr.Dataset:
    """A virtual dataset of one file: metadata and coordinates that the cube takes over.

    Parameters
    ----------
    part : RasterHeader
    registry : ObjectStoreRegistry
    variable, coordinates, skip_variables
        As in `build_virtual_zarr`.
    extent : (int, int, Affine), optional
        Height, width and transform of the mosaic that the file is part of.
    """
    raster = part.raster
    if extent is not None:
        height, width, transform = extent
        georef = replace(raster.georef, transform=transform)
        raster = replace(raster, height=height, width=width, georef=georef)
    grid = TileGrid(raster.height, raster.width, *part.tile_shape)
    planes = 1 if part.interleave == "pixel" else raster.count
    ones = np.ones((planes, grid.rows, grid.cols), dtype=np.uint64)
    index = TileIndex(
        layout="one of a cube", raster=raster, tile_shape=part.tile_shape,
        interleave=part.interleave, mapping=part.mapping,
        levels=(Level(height=raster.height, width=raster.width, offsets=ones, lengths=ones),),
    )  # fmt: skip
    store = build_virtual_zarr(
        index, part.url, registry, variable=variable, bands=[band + 1 for band in part.bands],
        level=0, coordinates=coordinates, skip_variables=skip_variables,
    )  # fmt: skip
    return store.to_virtual_dataset()


@dataclass(frozen=True, slots=True)
class Tiles:
    """Where the tiles of one file lie, in the file and in the cube.

    Parameters
    ----------
    url : str
    offsets, lengths : ndarray of uint64, shape (plane, tile row, tile column)
    at : tuple of int
        Position along the new dimensions.
    band : int or None
        Position along ``band`` where the bands come from several files.
    corner : tuple of int
        Tile row and column of the first tile.
    """

    url: str
    offsets: U64Array
    lengths: U64Array
    at: tuple[int, ...]
    band: int | None
    corner: tuple[int, int]


class ChunkTable:
    """The table of chunks of a cube, filled file by file.

    Parameters
    ----------
    lead : tuple of int
        Sizes of the new dimensions.
    grid : tuple of int
        Chunks along band, y and x.
    by_band : bool
        Whether the bands come from several files.
    mosaic : bool
        Whether several files share a plane.
    """

    def __init__(
        self, lead: tuple[int, ...], grid: tuple[int, int, int], *, by_band: bool, mosaic: bool
    ) -> None:
        self._shape = (*lead, *grid)
        self._mosaic = mosaic
        self._offsets = np.zeros(self._shape, dtype=np.uint64)
        self._lengths = np.zeros(self._shape, dtype=np.uint64)
        # A path takes 16 bytes and its text; one serves all chunks of a plane that is one file's.
        bands = grid[0] if by_band else 1
        rows, cols = grid[1:] if mosaic else (1, 1)
        self._paths = np.zeros((*lead, bands, rows, cols), dtype=np.dtypes.StringDType())

    def add(self, tiles: Tiles) -> None:
        """Enter the tiles of one file.

        Raises
        ------
        MismatchError
            When another file has a tile in the same place.
        """
        (row, col), (rows, cols) = tiles.corner, tiles.lengths.shape[1:]
        plane = slice(None) if tiles.band is None else slice(tiles.band, tiles.band + 1)
        window = (slice(row, row + rows), slice(col, col + cols))
        place: Any = (*tiles.at, plane, *window)
        taken: Any = (*tiles.at, plane, *(window if self._mosaic else (slice(None),) * 2))
        if self._mosaic and self._lengths[place].any():
            other = next(path for path in self._paths[taken].ravel().tolist() if path)
            raise MismatchError(
                f"{tiles.url}: covers what {other} covers. Leave one of them out, or tell them "
                "apart by another dimension."
            )
        self._offsets[place] = tiles.offsets
        self._lengths[place] = tiles.lengths
        self._paths[taken] = tiles.url

    def missing(self) -> tuple[int, ...] | None:
        """Where the first chunk without a file would be, None when there is none."""
        absent = self._lengths == 0
        return tuple(int(i) for i in np.argwhere(absent)[0]) if absent.any() else None

    def array(self, model: ManifestArray, shape: tuple[int, ...], dims: Sequence[str]) -> Any:
        """The virtual array.

        Parameters
        ----------
        model : ManifestArray
            Gives chunk shape along (band, y, x), codecs and fill value.
        shape : tuple of int
            In pixels.
        dims : sequence of str
        """
        chunks = model.metadata.chunks
        tables: list[Any] = [
            np.broadcast_to(self._paths, self._shape), self._offsets, self._lengths,
        ]  # fmt: skip
        if len(dims) < len(self._shape):
            # Without a dimension band, of which there is one.
            axis = len(self._shape) - 3
            tables = [table.squeeze(axis) for table in tables]
            chunks = chunks[1:]
        lead = len(dims) - len(chunks)
        metadata = copy_and_replace_metadata(
            model.metadata,
            new_shape=list(shape),
            new_chunks=[1] * lead + [min(c, n) for c, n in zip(chunks, shape[lead:], strict=True)],
            new_dimension_names=dims,
        )
        paths, offsets, lengths = tables
        manifest = ChunkManifest.from_arrays(
            paths=paths, offsets=offsets, lengths=lengths, validate_paths=False
        )
        return ManifestArray(metadata, manifest)


def assemble(
    base: xr.Dataset,
    arrays: Mapping[str, xr.Variable],
    coordinates: Mapping[str, npt.NDArray[Any]],
) -> xr.Dataset:
    """The coordinates of one file, the new dimensions and the new arrays as one dataset."""
    dataset = base
    for dim, values in coordinates.items():
        encoding: dict[str, Any] = {}
        if values.dtype.kind == "M":
            # Whatever the first dates are, later ones can be appended in the same units.
            exact = (values == values.astype("datetime64[us]")).all()
            unit = "microseconds" if exact else "nanoseconds"
            encoding = {
                "units": f"{unit} since 1970-01-01", "dtype": "int64",
                "calendar": "proleptic_gregorian",
            }  # fmt: skip
        dataset = dataset.assign_coords({dim: xr.Variable(dim, values, encoding=encoding)})
    for name, array in arrays.items():
        dataset[name] = array
    return dataset
