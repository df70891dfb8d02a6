"""One level of a FLAC raster as the dataset that rioxarray would make of its GeoTIFF.

xarray's own Zarr backend reads; the rules of masking, scaling and attributes are rioxarray's.
Knows no bytes and no tiles.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import xarray as xr
from obspec_utils.registry import ObjectStoreRegistry
from xarray.backends import BackendArray
from xarray.core import indexing

from .attributes import masking_alpha
from .index import RasterInfo, TileIndex
from .manifest import FULL_RESOLUTION, GRID_MAPPING, build_store, overview_name
from .parser import FLACParser
from .source import read_index
from .stores import registry_for, to_url

if TYPE_CHECKING:
    from virtualizarr.manifests import ManifestStore


@dataclass(frozen=True, slots=True)
class View:
    """How a raster is shown.

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


def open_raster(
    source: str | os.PathLike[str],
    view: View,
    *,
    overview: int | None = None,
    group: str | None = None,
    registry: ObjectStoreRegistry[Any] | None = None,
    store_options: Mapping[str, Any] | None = None,
) -> xr.Dataset:
    """Open one level lazily: the full resolution, or the one that `overview` or `group` name."""
    url, registry, index = _read(source, registry, store_options)
    parser = FLACParser(bands=view.bands, overview=overview, group=group)
    level = parser.level_of(url, len(index.levels)) or 0
    store = build_store(
        index, url, registry,
        variable=view.variable, bands=view.bands, level=level, coordinates=view.xy,
    )  # fmt: skip
    return _open_group(store, "", index, level, view, url)


def open_levels(
    source: str | os.PathLike[str],
    view: View,
    *,
    registry: ObjectStoreRegistry[Any] | None = None,
    store_options: Mapping[str, Any] | None = None,
) -> dict[str, xr.Dataset]:
    """Open all levels lazily, by name: ``full``, ``overview_1`` ..."""
    url, registry, index = _read(source, registry, store_options)
    store = build_store(
        index, url, registry, variable=view.variable, bands=view.bands, coordinates=view.xy
    )
    levels = {FULL_RESOLUTION: _open_group(store, "", index, 0, view, url)}
    for level in range(1, len(index.levels)):
        name = overview_name(level)
        levels[name] = _open_group(store, name, index, level, view, url)
    return levels


def _read(
    source: str | os.PathLike[str],
    registry: ObjectStoreRegistry[Any] | None,
    store_options: Mapping[str, Any] | None,
) -> tuple[str, ObjectStoreRegistry[Any], TileIndex]:
    url = to_url(source)
    registry = registry or registry_for(url, **(store_options or {}))
    return url, registry, read_index(url, registry)


def _open_group(
    store: ManifestStore, group: str, index: TileIndex, level: int, view: View, url: str
) -> xr.Dataset:
    dataset = xr.open_dataset(
        store,  # type: ignore[arg-type]
        engine="zarr",
        group=group or None,
        consolidated=False,
        zarr_format=3,
        mask_and_scale=False,
        decode_coords="all",
    )
    raster = _select(index.raster, view.bands)
    alpha = masking_alpha(index.raster.bands, raster.dtype.name) if view.bands is None else None
    raw = dataset[view.variable].variable
    dataset[view.variable] = _as_rioxarray(raw, raster, alpha, mask=view.mask, scale=view.scale)
    # The names of coordinates and the Zarr conventions are for readers of the Zarr itself.
    dataset.attrs = {}
    georef = index.georef_of(level)
    if view.xy and not georef.is_axis_aligned and not (georef.gcps or georef.rpcs):
        shape = index.levels[level]
        x, y = georef.coordinates(width=shape.width, height=shape.height)
        dataset = dataset.assign_coords(xc=(("y", "x"), x), yc=(("y", "x"), y))
    dataset.encoding["source"] = url
    return dataset


def _select(raster: RasterInfo, bands: Sequence[int] | None) -> RasterInfo:
    if bands is None:
        return raster
    return replace(raster, bands=tuple(raster.bands[band - 1] for band in bands))


def _as_rioxarray(
    raw: xr.Variable, raster: RasterInfo, alpha: int | None, *, mask: bool, scale: bool
) -> xr.Variable:
    """The data variable with rioxarray's dtype, attributes and encoding."""
    attributes = {key: _from_json(key, value) for key, value in raw.attrs.items()}
    fill = attributes.pop("_FillValue", None)
    if "scales" not in attributes:
        attributes.setdefault("scale_factor", 1.0)
    if "offsets" not in attributes:
        attributes.setdefault("add_offset", 0.0)
    encoding = {
        key: value
        for key, value in raw.encoding.items()
        if key in ("preferred_chunks", "chunks", "grid_mapping")
    }
    encoding.setdefault("grid_mapping", GRID_MAPPING)
    data: Any = raw._data
    if mask:
        array = PhysicalArray(raw, raster, alpha, fill, scale=scale)
        data = indexing.LazilyIndexedArray(array)
        encoding["dtype"] = raster.dtype.name
        if fill is not None:
            encoding["_FillValue"] = array.dtype.type(fill)
    elif fill is not None:
        attributes["_FillValue"] = raster.dtype.type(fill)
    if scale:
        for key in ("scale_factor", "add_offset", "scales", "offsets"):
            if key in attributes:
                encoding[key] = attributes.pop(key)
    return xr.Variable(raw.dims, data, attributes, encoding)


def _from_json(key: str, value: Any) -> Any:
    """A value as rioxarray has it: tuples for what differs by band, arrays for lists in tags."""
    if not isinstance(value, list):
        return value
    per_band = key in ("long_name", "units", "scales", "offsets")
    return tuple(value) if per_band else np.asarray(value)


class PhysicalArray(BackendArray):
    """A lazy array of physical values: nodata as NaN, then scale and offset of each band.

    Parameters
    ----------
    raw : xarray.Variable
        The stored values, dimensions (band, y, x), lazy.
    raster : RasterInfo
        Of the same bands.
    alpha : int or None
        0-based band whose zeros mask the other bands, where no nodata is set.
    fill : scalar or None
        The value that becomes NaN.
    scale : bool
        Whether to apply scale and offset.
    """

    def __init__(
        self, raw: xr.Variable, raster: RasterInfo, alpha: int | None, fill: Any, *, scale: bool
    ) -> None:
        self._raw = raw
        self._alpha = alpha if fill is None else None
        self._fill = fill
        self._scales = [(band.scale, band.offset) for band in raster.bands] if scale else None
        self.shape = raw.shape
        # xarray's promotion, which rioxarray uses: up to 16 bits fit float32 exactly.
        small = raster.dtype.kind in "iu" and raster.dtype.itemsize <= 2
        self.dtype = raster.dtype if raster.dtype.kind == "f" else np.dtype("f4" if small else "f8")

    def __getitem__(self, key: indexing.ExplicitIndexer) -> npt.NDArray[Any]:
        result: npt.NDArray[Any] = indexing.explicit_indexing_adapter(
            key, self.shape, indexing.IndexingSupport.OUTER, self._read
        )
        return result

    def _read(self, key: tuple[Any, ...]) -> npt.NDArray[Any]:
        stored = self._raw[key].to_numpy()
        values = stored.astype(self.dtype)
        chosen = np.arange(self.shape[0])[key[0]]
        hidden = self._hidden(stored, key, chosen)
        if hidden is not None:
            values = np.where(hidden, self.dtype.type(np.nan), values)
        if self._scales is None:
            return values
        if chosen.ndim == 0:
            scale, offset = self._scales[int(chosen)]
            scaled: npt.NDArray[Any] = values * scale + offset
            return scaled
        for place, band in enumerate(chosen):
            scale, offset = self._scales[band]
            values[place] = values[place] * scale + offset
        return values

    def _hidden(
        self, stored: npt.NDArray[Any], key: tuple[Any, ...], chosen: npt.NDArray[np.intp]
    ) -> npt.NDArray[np.bool_] | None:
        if self._fill is not None:
            # A NaN fill value needs no mask: it is NaN already.
            return None if self._fill != self._fill else stored == self._fill
        if self._alpha is None:
            return None
        transparent: npt.NDArray[np.bool_] = (
            self._raw[(slice(self._alpha, self._alpha + 1), *key[1:])].to_numpy()[0] == 0
        )
        # The alpha band itself hides nothing.
        hidden: npt.NDArray[np.bool_] = np.logical_and(
            transparent, (chosen != self._alpha).reshape(chosen.shape + (1,) * transparent.ndim)
        )
        return hidden
