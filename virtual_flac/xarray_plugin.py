"""The xarray engine ``flac``: a FLAC raster as rioxarray would show its GeoTIFF.

Parser, then xarray's own Zarr backend, then rioxarray's rules of masking and scaling. Knows no
bytes and no tiles.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr
from obspec_utils.registry import ObjectStoreRegistry
from virtualizarr.manifests import ManifestStore
from xarray.backends import BackendArray, BackendEntrypoint
from xarray.core import indexing

from . import layouts
from .attributes import masking_alpha
from .errors import FlacError
from .index import RasterInfo, TileIndex
from .manifest import GRID_MAPPING, build_store, overview_name
from .parser import FLACParser
from .source import read_index, read_start
from .stores import registry_for, to_url


class FlacBackendEntrypoint(BackendEntrypoint):
    """Open FLAC rasters with ``xr.open_dataset(url, engine="flac")``."""

    description = "FLAC rasters (streaming layout) as rioxarray shows GeoTIFFs"
    supports_groups = True

    def open_dataset(
        self,
        filename_or_obj: Any,
        *,
        drop_variables: str | Iterable[str] | None = None,
        mask_and_scale: bool = True,
        masked: bool = False,
        decode_times: Any = True,
        decode_timedelta: Any = None,
        decode_coords: Any = True,
        use_cftime: Any = None,
        concat_characters: Any = None,
        group: str | None = None,
        overview: int | None = None,
        bands: Sequence[int] | None = None,
        variable: str = "band_data",
        coordinates: bool = True,
        registry: ObjectStoreRegistry[Any] | None = None,
        store_options: Mapping[str, Any] | None = None,
    ) -> xr.Dataset:
        """Open one level of a FLAC raster lazily.

        Parameters
        ----------
        filename_or_obj : str or path
            Local path, ``file://``, ``http(s)://``, ``s3://``, ``gs://`` or ``az://`` URL.
        drop_variables : str or iterable of str, optional
            Variables to leave out.
        mask_and_scale : bool
            Turn nodata (or what the alpha band hides) into NaN and apply scale and offset of each
            band, as rioxarray does. False gives the stored integers and the attributes.
        masked : bool
            Turn nodata into NaN without scaling; only with ``mask_and_scale=False``.
        decode_times, decode_timedelta, decode_coords, use_cftime, concat_characters
            Accepted for xarray's sake; rasters have nothing for them.
        group : str, optional
            ``"overview_1"`` and so on; the full resolution by default.
        overview : int, optional
            The same by number.
        bands : sequence of int, optional
            1-based bands to show.
        variable : str
            Name of the data variable.
        coordinates : bool
            Whether to add ``x`` and ``y``.
        registry : ObjectStoreRegistry, optional
            Stores to read with.
        store_options : Mapping, optional
            Options for a store made here, see `registry_for`.

        Returns
        -------
        xarray.Dataset
            `variable` with dimensions (band, y, x); coordinates ``band``, ``y``, ``x``,
            ``spatial_ref``.
        """
        url = to_url(filename_or_obj)
        registry = registry or registry_for(url, **(store_options or {}))
        index = read_index(url, registry)
        level = FLACParser(overview=overview, group=group).level_of(url, len(index.levels)) or 0
        store = build_store(
            index, url, registry, variable=variable, bands=bands, level=level,
            coordinates=coordinates,
        )  # fmt: skip
        dataset = _open_group(
            store, "", index, level, variable, bands,
            mask=mask_and_scale or masked, scale=mask_and_scale, with_xy=coordinates,
        )  # fmt: skip
        dataset.encoding["source"] = url
        return _drop(dataset, drop_variables)

    def open_groups_as_dict(
        self,
        filename_or_obj: Any,
        *,
        drop_variables: str | Iterable[str] | None = None,
        mask_and_scale: bool = True,
        masked: bool = False,
        decode_times: Any = True,
        decode_timedelta: Any = None,
        decode_coords: Any = True,
        use_cftime: Any = None,
        concat_characters: Any = None,
        bands: Sequence[int] | None = None,
        variable: str = "band_data",
        coordinates: bool = True,
        registry: ObjectStoreRegistry[Any] | None = None,
        store_options: Mapping[str, Any] | None = None,
    ) -> dict[str, xr.Dataset]:
        """Open all levels: ``"/"`` is the full resolution, ``"/overview_1"`` the first overview.

        Parameters are those of `open_dataset`.

        Returns
        -------
        dict of str to xarray.Dataset
        """
        url = to_url(filename_or_obj)
        registry = registry or registry_for(url, **(store_options or {}))
        index = read_index(url, registry)
        store = build_store(
            index, url, registry, variable=variable, bands=bands, coordinates=coordinates
        )
        groups = {}
        for level in range(len(index.levels)):
            name = overview_name(level) if level else ""
            dataset = _open_group(
                store, name, index, level, variable, bands,
                mask=mask_and_scale or masked, scale=mask_and_scale, with_xy=coordinates,
            )  # fmt: skip
            dataset.encoding["source"] = url
            groups[f"/{name}"] = _drop(dataset, drop_variables)
        return groups

    def open_datatree(self, filename_or_obj: Any, **kwargs: Any) -> xr.DataTree:
        """Open all levels as a tree, the overviews as children of the full resolution.

        Parameters are those of `open_dataset`, without `group` and `overview`.
        """
        # Not every child's coordinates equal its parent's, which an ordinary tree would demand.
        return xr.DataTree.from_dict(self.open_groups_as_dict(filename_or_obj, **kwargs))

    def guess_can_open(self, filename_or_obj: Any) -> bool:
        """Whether the first bytes are those of a FLAC raster.

        Local files are looked into whatever their name; URLs only when they end in ``.flac``.
        """
        if not isinstance(filename_or_obj, str | os.PathLike):
            return False
        text = os.fspath(filename_or_obj)
        try:
            if "://" not in text:
                with Path(text).open("rb") as file:
                    return layouts.looks_like_ours(file.read(64))
            return text.endswith(".flac") and layouts.looks_like_ours(read_start(text, 64))
        except (OSError, FlacError):
            return False


def _drop(dataset: xr.Dataset, names: str | Iterable[str] | None) -> xr.Dataset:
    if names is None:
        return dataset
    dropped = [names] if isinstance(names, str) else list(names)
    return dataset.drop_vars(dropped, errors="ignore")


def _open_group(
    store: ManifestStore,
    group: str,
    index: TileIndex,
    level: int,
    variable: str,
    bands: Sequence[int] | None,
    *,
    mask: bool,
    scale: bool,
    with_xy: bool,
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
    raster = _select(index.raster, bands)
    alpha = masking_alpha(index.raster.bands, raster.dtype.name) if bands is None else None
    raw = dataset[variable].variable
    dataset[variable] = _as_rioxarray(raw, raster, alpha, mask=mask, scale=scale)
    # The names of coordinates and the Zarr conventions are for readers of the Zarr itself.
    dataset.attrs = {}
    georef = index.georef_of(level)
    if with_xy and not georef.is_axis_aligned and not (georef.gcps or georef.rpcs):
        shape = index.levels[level]
        x, y = georef.coordinates(width=shape.width, height=shape.height)
        dataset = dataset.assign_coords(xc=(("y", "x"), x), yc=(("y", "x"), y))
    return dataset


def _select(raster: RasterInfo, bands: Sequence[int] | None) -> RasterInfo:
    if bands is None:
        return raster
    from dataclasses import replace

    return replace(raster, bands=tuple(raster.bands[band - 1] for band in bands))


def _as_rioxarray(
    raw: xr.Variable, raster: RasterInfo, alpha: int | None, *, mask: bool, scale: bool
) -> xr.Variable:
    """The data variable with rioxarray's dtype, attributes and encoding."""
    attributes = {
        # rioxarray gives tuples and arrays where JSON has lists.
        key: tuple(value) if key in ("long_name", "units", "scales", "offsets") and isinstance(value, list)
        else np.asarray(value) if isinstance(value, list)
        else value
        for key, value in raw.attrs.items()
    }  # fmt: skip
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
        self.dtype = (
            raster.dtype if raster.dtype.kind == "f" else np.dtype("f4" if small else "f8")
        )

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
