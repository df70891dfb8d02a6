"""One level of a FLAC raster as the dataset that rioxarray would make of its GeoTIFF.

The rules of masking, scaling and attributes are rioxarray's.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from obspec_utils.registry import ObjectStoreRegistry
from xarray.core import indexing

from ..errors import prefixed_with
from ..io.stores import registry_for, to_url
from ..layouts import flac_raster
from ..model.attributes import (
    GRID_MAPPING,
    coordinate_attributes,
    coordinate_variables,
    data_attributes,
    long_axes,
    masking_alpha,
)
from ..model.index import RasterInfo
from ..model.levels import level_names, resolve_bands, resolve_level
from ..model.pixel_axis import LONG_AXIS
from ..reading.header import read_index
from ..reading.tiles import TileReader
from .coordinate_arrays import PlaceArray
from .lazy_arrays import PhysicalArray, StoredArray
from .pixel_index import PixelIndex


@dataclass(frozen=True, slots=True)
class DecodeOptions:
    """What of a raster is shown, and how its pixels are decoded."""

    variable: str = "band_data"
    bands: Sequence[int] | None = None
    mask: bool = True
    """Whether nodata becomes NaN."""
    scale: bool = True
    xy: bool = True
    """Whether to add coordinates of the pixel centres."""


class OpenRaster:
    """A raster whose header has been read, and whose levels become lazy datasets."""

    def __init__(
        self,
        source: str | os.PathLike[str],
        registry: ObjectStoreRegistry[Any] | None = None,
        store_options: Mapping[str, Any] | None = None,
    ) -> None:
        self.url = to_url(source)
        registry = registry or registry_for(self.url, **(store_options or {}))
        self._index = read_index(self.url, registry)
        self._reader = TileReader(self.url, self._index, registry)

    def groups(self) -> list[str]:
        """Names of the levels, the full resolution first."""
        return level_names(len(self._index.levels))

    def dataset(
        self, decoding: DecodeOptions, *, overview: int | None = None, group: str | None = None
    ) -> xr.Dataset:
        """The full resolution, or the level that `overview` or `group` name."""
        with prefixed_with(self.url):
            level = resolve_level(len(self._index.levels), overview, group) or 0
            bands = resolve_bands(self._index.raster.count, decoding.bands)
        raster, xy = self._index.raster_of(level), decoding.xy
        coordinates = coordinate_variables(raster, bands, with_xy=xy)
        georef = raster.georef
        if xy and not georef.is_axis_aligned and not (georef.gcps or georef.rpcs):
            xc, yc = _places(raster)
            coordinates |= {"xc": (("y", "x"), xc, {}), "yc": (("y", "x"), yc, {})}
        variable = self._variable(level, bands, decoding)
        dataset = xr.Dataset({decoding.variable: variable}, coordinates)
        for long in long_axes(raster) if xy else []:
            index = PixelIndex(long, long.name, long.name)
            [found] = index.create_variables().values()
            found.attrs = coordinate_attributes(raster, long.name)
            dataset = dataset.assign_coords(xr.Coordinates({long.name: found}, {long.name: index}))
        dataset.encoding["source"] = self.url
        return dataset

    def _variable(self, level: int, bands: list[int], decoding: DecodeOptions) -> xr.Variable:
        """The data variable with rioxarray's dtype, attributes and encoding."""
        index, raster = self._index, self._index.raster
        attributes = {
            key: np.asarray(value) if isinstance(value, list) else value
            for key, value in data_attributes(raster, bands).items()
        }
        chosen = [raster.bands[band] for band in bands]
        if len({band.scale for band in chosen}) == 1:
            attributes.setdefault("scale_factor", 1.0)
        if len({band.offset for band in chosen}) == 1:
            attributes.setdefault("add_offset", 0.0)
        note = flac_raster.loss_note(index)
        if note is not None:
            attributes["flac_raster_loss"] = note
        chunks = index.tile_spec(level, bands).chunk_shape
        assert chunks is not None
        dims = ("band", "y", "x")
        encoding: dict[str, Any] = {
            "chunks": chunks,
            "preferred_chunks": dict(zip(dims, chunks, strict=True)),
            "grid_mapping": GRID_MAPPING,
        }
        fill = None if raster.fill_value is None else raster.dtype.type(raster.fill_value)
        array = StoredArray(self._reader, index, level, bands)
        if decoding.mask:
            alpha = (
                masking_alpha(raster.bands, raster.dtype.name) if decoding.bands is None else None
            )
            array = PhysicalArray(
                self._reader, index, level, bands, alpha=alpha, fill=fill, scale=decoding.scale
            )
            encoding["dtype"] = raster.dtype.name
            if fill is not None:
                encoding["_FillValue"] = array.dtype.type(fill)
        elif fill is not None:
            attributes["_FillValue"] = fill
        if decoding.scale:
            for key in ("scale_factor", "add_offset", "scales", "offsets"):
                if key in attributes:
                    encoding[key] = attributes.pop(key)
        return xr.Variable(dims, indexing.LazilyIndexedArray(array), attributes, encoding)


def _places(raster: RasterInfo) -> tuple[Any, Any]:
    """X and y of every pixel of a rotated raster, in memory where there are few."""
    georef, height, width = raster.georef, raster.height, raster.width
    if height * width <= LONG_AXIS:
        return georef.coordinates(width=width, height=height)
    x, y = (PlaceArray(georef, height, width, axis) for axis in (0, 1))
    return indexing.LazilyIndexedArray(x), indexing.LazilyIndexedArray(y)
