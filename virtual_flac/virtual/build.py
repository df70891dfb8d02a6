"""`TileIndex` to VirtualiZarr's `ManifestStore`: a virtual Zarr over the tiles of one file.

The only module that builds manifests. Knows Zarr metadata; knows nothing of layouts, does no I/O.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import xarray as xr
from obspec_utils.registry import ObjectStoreRegistry
from virtualizarr.manifests import ChunkManifest, ManifestArray, ManifestGroup
from virtualizarr.manifests.utils import create_v3_array_metadata
from xarray.backends.zarr import FillValueCoder

from ..layouts import flac_raster
from ..model.attributes import GRID_MAPPING, coordinate_variables, data_attributes
from ..model.index import TileIndex
from ..model.levels import FULL_RESOLUTION, choose_bands, choose_level, overview_name
from .arrays import (
    BYTES_CODEC,
    inline_array,
    scalar_variable,
    without_fill_value,
    without_fill_values,
)
from .source_versions import attach
from .store import ChunkSource, CoalescingManifestStore


class FlacManifestStore(CoalescingManifestStore):
    """The virtual Zarr of a FLAC raster: full resolution in the root, overviews in child groups.

    An xarray tree cannot be shaped like that: its children inherit the coordinates of their
    parent, and those of an overview are others. In trees the full resolution is therefore a
    sibling of its overviews, named ``full``.
    """

    def to_virtual_dataset(
        self,
        group: str = "",
        loadable_variables: Iterable[str] | None = None,
        decode_times: bool | None = None,
    ) -> xr.Dataset:
        """The full resolution, or the one level that the store was made for."""
        dataset = super().to_virtual_dataset(group, loadable_variables, decode_times)
        result = without_fill_values(dataset)
        if self.version.etag is not None or self.version.last_modified is not None:
            attach(result, {self.url: self.version})
        return result

    def to_virtual_datatree(
        self,
        group: str = "",
        *,
        loadable_variables: Iterable[str] | None = None,
        decode_times: bool | None = None,
    ) -> xr.DataTree:
        """All levels as a virtual tree with the children ``full``, ``overview_1`` ..."""
        root = self._group
        full = ManifestGroup(arrays=root.arrays, attributes=root.metadata.attributes)
        siblings = ManifestGroup(groups={FULL_RESOLUTION: full, **root.groups})
        paths = {
            path: path if "/" in path else f"{FULL_RESOLUTION}/{path}" for path in self.sources
        }
        store = CoalescingManifestStore(
            siblings,
            registry=self._registry,
            url=self.url,
            version=self.version,
            sources={paths[path]: source for path, source in self.sources.items()},
        )
        return store.to_virtual_datatree(
            group, loadable_variables=loadable_variables, decode_times=decode_times
        )


def build_virtual_zarr(
    index: TileIndex,
    url: str,
    registry: ObjectStoreRegistry[Any],
    *,
    variable: str = "band_data",
    bands: Sequence[int] | None = None,
    level: int | None = None,
    coordinates: bool = True,
    skip_variables: Iterable[str] = (),
) -> FlacManifestStore:
    """A virtual Zarr of one file.

    Parameters
    ----------
    index : TileIndex
    url : str
        Where the file lies; goes into every reference.
    registry : ObjectStoreRegistry
    variable : str
        Name of the data variable.
    bands : sequence of int, optional
        1-based bands to show, in this order; all by default.
    level : int, optional
        Show one level only, as the root group: 0 is the full resolution, 1 the first overview.
        By default the full resolution is the root and the overviews are its child groups
        ``overview_1``, ``overview_2`` ...
    coordinates : bool
        Whether to add ``x`` and ``y``.
    skip_variables : iterable of str
        Variables to leave out.

    Returns
    -------
    FlacManifestStore

    Raises
    ------
    SelectionError
        When the file has no such band or level.
    """
    chosen = choose_bands(index, bands)
    choose_level(index, url, overview=level)
    skip = frozenset(skip_variables)

    sources: dict[str, ChunkSource] = {}

    def group(number: int, path: str, children: Mapping[str, ManifestGroup]) -> ManifestGroup:
        source = sources[f"{path}{variable}"] = _chunk_source(index, number, chosen)
        arrays = {variable: _data_array(index, number, url, chosen, source)}
        arrays |= _coordinate_arrays(index, number, chosen, with_xy=coordinates)
        names = " ".join(name for name in arrays if name != variable and name not in skip)
        return ManifestGroup(
            arrays={name: array for name, array in arrays.items() if name not in skip},
            groups=children,
            attributes={
                **({"coordinates": names} if names else {}),
                **index.georef_of(number).convention_attributes(),
            },
        )

    children = {}
    if level is None:
        for number in range(1, len(index.levels)):
            name = overview_name(number)
            children[name] = group(number, f"{name}/", {})
    return FlacManifestStore(
        group(level or 0, "", children),
        registry=registry, url=url, version=index.version, sources=sources,
    )  # fmt: skip


def _chunk_source(index: TileIndex, number: int, bands: Sequence[int]) -> ChunkSource:
    level = index.levels[number]
    # Interleaved by pixel, a tile holds all bands and the codec picks those that were chosen.
    planes = [0] if index.interleave == "pixel" else list(bands)

    name = partial(_tile_name, index, number, planes)
    return ChunkSource(level.offsets[planes], level.lengths[planes], name)


def _tile_name(
    index: TileIndex, number: int, planes: Sequence[int], plane: int, row: int, col: int
) -> str:
    return index.tile_name(number, planes[plane], row, col)


def _data_array(
    index: TileIndex, number: int, url: str, bands: Sequence[int], source: ChunkSource
) -> ManifestArray:
    level = index.levels[number]
    raster = index.raster
    fill = raster.fill_value
    spec = index.tile_spec(number, bands)
    assert spec.chunk_shape is not None
    attributes = data_attributes(raster, bands)
    attributes["grid_mapping"] = GRID_MAPPING
    if fill is not None:
        attributes["_FillValue"] = FillValueCoder.encode(raster.dtype.type(fill), raster.dtype)
    note = flac_raster.loss_note(index)
    if note is not None:
        attributes["flac_raster_loss"] = note
    fields: dict[str, Any] = {
        "shape": (len(bands), level.height, level.width),
        "data_type": raster.dtype,
        "chunk_shape": spec.chunk_shape,
        "fill_value": fill,
        "codecs": [BYTES_CODEC, {"name": "zarr_flac", "configuration": spec.to_config()}],
        "attributes": attributes,
        "dimension_names": ("band", "y", "x"),
    }
    metadata = create_v3_array_metadata(**fields)
    if fill is None:
        metadata = without_fill_value(metadata)
    return ManifestArray(
        metadata,
        ChunkManifest.from_arrays(
            paths=np.full(source.offsets.shape, url, dtype=np.dtypes.StringDType()),
            offsets=source.offsets,
            lengths=source.lengths,
            validate_paths=False,
        ),
    )


def _coordinate_arrays(
    index: TileIndex, number: int, bands: Sequence[int], *, with_xy: bool
) -> dict[str, ManifestArray]:
    return {
        name: inline_array(values, dims, attributes) if dims else scalar_variable(attributes)
        for name, (dims, values, attributes) in coordinate_variables(
            index, number, bands, with_xy=with_xy
        ).items()
    }
