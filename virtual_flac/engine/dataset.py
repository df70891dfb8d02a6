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
from ..model.attributes import GRID_MAPPING, coordinate_variables, data_attributes, masking_alpha
from ..model.index import TileIndex
from ..model.levels import check_request, level_names, resolve_bands, resolve_level
from ..reading.header import read_index
from .lazy_arrays import PhysicalArray, StoredArray


@dataclass(frozen=True, slots=True)
class DecodeOptions:
    """What of a raster is shown, and how its pixels are decoded.

    Parameters
    ----------
    variable : str
        Name of the data variable.
    bands : sequence of int or None
        1-based bands to show; None for all.
    mask, scale : bool
        Whether nodata becomes NaN, and whether scale and offset are applied.
    xy : bool
        Whether to add coordinates of the pixel centres.
    """

    variable: str = "band_data"
    bands: Sequence[int] | None = None
    mask: bool = True
    scale: bool = True
    xy: bool = True


def open_level(
    source: str | os.PathLike[str],
    decoding: DecodeOptions,
    *,
    overview: int | None = None,
    group: str | None = None,
    registry: ObjectStoreRegistry[Any] | None = None,
    store_options: Mapping[str, Any] | None = None,
) -> xr.Dataset:
    """Open one level lazily: the full resolution, or the one that `overview` or `group` name."""
    check_request(decoding.bands, overview, group)
    url, registry, index = _read(source, registry, store_options)
    with prefixed_with(url):
        level = resolve_level(len(index.levels), overview, group) or 0
    return _open_level(url, registry, index, level, decoding)


def open_levels(
    source: str | os.PathLike[str],
    decoding: DecodeOptions,
    *,
    registry: ObjectStoreRegistry[Any] | None = None,
    store_options: Mapping[str, Any] | None = None,
) -> dict[str, xr.Dataset]:
    """Open all levels lazily, by name: ``full``, ``overview_1`` ..."""
    check_request(decoding.bands, None, None)
    url, registry, index = _read(source, registry, store_options)
    return {
        name: _open_level(url, registry, index, level, decoding)
        for level, name in enumerate(level_names(len(index.levels)))
    }


def _read(
    source: str | os.PathLike[str],
    registry: ObjectStoreRegistry[Any] | None,
    store_options: Mapping[str, Any] | None,
) -> tuple[str, ObjectStoreRegistry[Any], TileIndex]:
    url = to_url(source)
    registry = registry or registry_for(url, **(store_options or {}))
    return url, registry, read_index(url, registry)


def _open_level(
    url: str,
    registry: ObjectStoreRegistry[Any],
    index: TileIndex,
    level: int,
    decoding: DecodeOptions,
) -> xr.Dataset:
    with prefixed_with(url):
        bands = resolve_bands(index.raster.count, decoding.bands)
    raster = index.raster_of(level)
    coordinates = coordinate_variables(raster, bands, with_xy=decoding.xy)
    georef = raster.georef
    if decoding.xy and not georef.is_axis_aligned and not (georef.gcps or georef.rpcs):
        x, y = georef.coordinates(width=raster.width, height=raster.height)
        coordinates |= {"xc": (("y", "x"), x, {}), "yc": (("y", "x"), y, {})}
    dataset = xr.Dataset(
        {decoding.variable: _variable(url, registry, index, level, bands, decoding)}, coordinates
    )
    dataset.encoding["source"] = url
    return dataset


def _variable(
    url: str,
    registry: ObjectStoreRegistry[Any],
    index: TileIndex,
    level: int,
    bands: list[int],
    decoding: DecodeOptions,
) -> xr.Variable:
    """The data variable with rioxarray's dtype, attributes and encoding."""
    raster = index.raster
    attributes = {
        key: _as_rioxarray(key, value) for key, value in data_attributes(raster, bands).items()
    }
    if "scales" not in attributes:
        attributes.setdefault("scale_factor", 1.0)
    if "offsets" not in attributes:
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
    array = StoredArray(url, index, registry, level, bands)
    if decoding.mask:
        alpha = masking_alpha(raster.bands, raster.dtype.name) if decoding.bands is None else None
        array = PhysicalArray(
            url, index, registry, level, bands, alpha=alpha, fill=fill, scale=decoding.scale
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


def _as_rioxarray(key: str, value: Any) -> Any:
    """A value as rioxarray has it: tuples for what differs by band, arrays for lists in tags."""
    if not isinstance(value, list):
        return value
    per_band = key in ("long_name", "units", "scales", "offsets")
    return tuple(value) if per_band else np.asarray(value)
