"""`TileIndex` to VirtualiZarr's `ManifestStore`: a virtual Zarr over the tiles of one file."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import xarray as xr
from obspec_utils.registry import ObjectStoreRegistry
from virtualizarr.manifests import ManifestArray, ManifestGroup, ManifestStore
from xarray.backends.zarr import FillValueCoder
from zarr_flac import TileSpec

from ..layouts import flac_raster
from ..model.attributes import GRID_MAPPING, coordinate_variables, data_attributes
from ..model.file_version import FileVersion
from ..model.index import RasterInfo, TileIndex
from ..model.levels import FULL_RESOLUTION, overview_name
from .arrays import inline_array
from .manifests import ChunkTables, virtual_array, without_fill_values
from .source_versions import attach
from .store import CoalescingStore


class FlacManifestStore(CoalescingStore):
    """The virtual Zarr of a FLAC raster: full resolution in the root, overviews in child groups.

    An xarray tree cannot be shaped like that: its children inherit the coordinates of their
    parent, and those of an overview are others. In trees the full resolution is therefore a
    sibling of its overviews, named ``full``.

    Parameters
    ----------
    group, registry, version
        As for `CoalescingStore`.
    url : str
    tile_names : mapping of str to callable
        By path of the array, such as ``"overview_1/band_data"``: gives a tile its name in errors,
        from its position in the chunk grid.
    """

    def __init__(
        self,
        group: ManifestGroup,
        *,
        registry: ObjectStoreRegistry[Any],
        version: FileVersion,
        url: str,
        tile_names: Mapping[str, Callable[..., str]],
    ) -> None:
        super().__init__(group, registry=registry, version=version)
        self.url = url
        self.tile_names = dict(tile_names)

    def name_chunk(self, array: str, position: tuple[int, ...]) -> str:
        """What errors call a tile."""
        return self.tile_names[array](*position)

    def to_virtual_dataset(
        self,
        group: str = "",
        loadable_variables: Iterable[str] | None = None,
        decode_times: bool | None = None,
    ) -> xr.Dataset:
        """The full resolution, or the one level that the store was made for."""
        return self._noted(super().to_virtual_dataset(group, loadable_variables, decode_times))

    def to_virtual_datatree(
        self,
        group: str = "",
        *,
        loadable_variables: Iterable[str] | None = None,
        decode_times: bool | None = None,
    ) -> xr.DataTree:
        """All levels as a virtual tree with the children ``full``, ``overview_1`` ..."""
        full = ManifestGroup(arrays=self.group.arrays, attributes=self.group.metadata.attributes)
        store = FlacManifestStore(
            ManifestGroup(groups={FULL_RESOLUTION: full, **self.group.groups}),
            registry=self.registry,
            version=self.version,
            url=self.url,
            tile_names={
                path if "/" in path else f"{FULL_RESOLUTION}/{path}": name
                for path, name in self.tile_names.items()
            },
        )
        tree = ManifestStore.to_virtual_datatree(
            store, group, loadable_variables=loadable_variables, decode_times=decode_times
        )
        for node in tree.leaves:
            node.dataset = self._noted(node.to_dataset(inherit=False))
        return tree

    def _noted(self, dataset: xr.Dataset) -> xr.Dataset:
        """The dataset with what VirtualiZarr drops: missing fill values and the file's version."""
        result = without_fill_values(dataset)
        if self.version.etag is not None or self.version.last_modified is not None:
            attach(result, {self.url: self.version})
        return result


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
        Positions from 0 of the bands to show, in this order; all by default.
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
    """
    chosen = list(range(index.raster.count) if bands is None else bands)
    skip = frozenset(skip_variables)
    # Interleaved by pixel, a tile holds all bands and the codec picks those that were chosen.
    planes = [0] if index.interleave == "pixel" else chosen
    note = flac_raster.loss_note(index)
    tile_names = {}

    def group(number: int, path: str, children: Mapping[str, ManifestGroup]) -> ManifestGroup:
        raster, here = index.raster_of(number), index.levels[number]
        attributes = {**data_attributes(raster, chosen), **reading_attributes(raster)}
        if note is not None:
            attributes["flac_raster_loss"] = note
        arrays = {
            variable: tile_array(
                raster,
                index.tile_spec(number, chosen),
                ChunkTables.of_file(url, here.offsets[planes], here.lengths[planes]),
                shape=(len(chosen), raster.height, raster.width),
                dims=("band", "y", "x"),
                attributes=attributes,
            )
        }
        for name, (dims, values, notes) in coordinate_variables(
            raster, chosen, with_xy=coordinates
        ).items():
            arrays[name] = inline_array(values, dims, notes)
        names = " ".join(name for name in arrays if name != variable and name not in skip)
        tile_names[f"{path}{variable}"] = partial(_tile_name, index, number, planes)
        return ManifestGroup(
            arrays={name: array for name, array in arrays.items() if name not in skip},
            groups=children,
            attributes={
                **({"coordinates": names} if names else {}),
                **raster.georef.convention_attributes(),
            },
        )

    children = {}
    if level is None:
        for number in range(1, len(index.levels)):
            name = overview_name(number)
            children[name] = group(number, f"{name}/", {})
    root = group(level or 0, "", children)
    return FlacManifestStore(
        root, registry=registry, version=index.version, url=url, tile_names=tile_names
    )


def _tile_name(
    index: TileIndex, number: int, planes: Sequence[int], plane: int, row: int, col: int
) -> str:
    return index.tile_name(number, planes[plane], row, col)


def tile_array(
    raster: RasterInfo,
    spec: TileSpec,
    tables: ChunkTables,
    *,
    shape: tuple[int, ...],
    dims: Sequence[str],
    attributes: Mapping[str, Any] | None = None,
) -> ManifestArray:
    """A virtual array whose chunks are tiles.

    Parameters
    ----------
    raster : RasterInfo
        Its dtype and nodata count.
    spec : TileSpec
        Of the tiles.
    tables : ChunkTables
        Where they lie.
    shape : tuple of int
    dims : sequence of str
        As many as `shape` has axes. The last ones are those of a tile, (band, y, x) or (y, x); a
        chunk has one entry along the others.
    attributes : Mapping, optional
    """
    assert spec.chunk_shape is not None
    return virtual_array(
        tables.manifest(),
        shape=shape,
        dtype=raster.dtype,
        chunk_shape=((1,) * len(dims) + spec.chunk_shape)[-len(dims) :],
        dims=dims,
        codecs=[{"name": "zarr_flac", "configuration": spec.to_config()}],
        attributes=attributes,
        fill_value=raster.fill_value,
    )


def reading_attributes(raster: RasterInfo) -> dict[str, Any]:
    """Attributes that readers of a data variable act on: where its CRS is, what its nodata is."""
    attributes: dict[str, Any] = {"grid_mapping": GRID_MAPPING}
    if raster.fill_value is not None:
        fill = raster.dtype.type(raster.fill_value)
        attributes["_FillValue"] = FillValueCoder.encode(fill, raster.dtype)
    return attributes
