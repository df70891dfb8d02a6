"""`TileIndex` to VirtualiZarr's `ManifestStore`: a virtual Zarr over the tiles of one file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import xarray as xr
from obspec_utils.registry import ObjectStoreRegistry
from virtualizarr.manifests import ManifestArray, ManifestGroup, ManifestStore
from xarray.backends.zarr import FillValueCoder
from zarr_flac import TileSpec

from ..layouts import flac_raster
from ..model.attributes import GRID_MAPPING, coordinate_variables, stored_attributes
from ..model.index import RasterInfo, TileIndex
from ..model.levels import FULL_RESOLUTION, overview_name, resolve_level
from .arrays import inline_array
from .manifests import ChunkTables, virtual_array, without_fill_values
from .source_versions import attach
from .store import CoalescingStore


class FlacManifestStore(CoalescingStore):
    """The virtual Zarr of a FLAC raster: full resolution in the root, overviews in child groups.

    An xarray tree cannot be shaped like that: its children inherit the coordinates of their
    parent, and those of an overview are others. In trees the full resolution is therefore a
    sibling of its overviews, named ``full``.

    `planes` are the positions in the index of the planes that the arrays show; `level` is that of
    the root group.
    """

    def __init__(
        self,
        group: ManifestGroup,
        *,
        registry: ObjectStoreRegistry[Any],
        index: TileIndex,
        url: str,
        planes: Sequence[int],
        level: int = 0,
    ) -> None:
        super().__init__(group, registry=registry, version=index.version)
        self.index = index
        self.url = url
        self.planes = planes
        self.level = level

    def name_chunk(self, array: str, position: tuple[int, ...]) -> str:
        """What errors call a tile."""
        return self.index.tile_name(*self._place(array, position))

    def checksum(self, array: str, position: tuple[int, ...]) -> int | None:
        """CRC-32 of a tile, where the file has it."""
        return self.index.checksum(*self._place(array, position))

    def _place(self, array: str, position: tuple[int, ...]) -> tuple[int, int, int, int]:
        """Level, plane, tile row and tile column of a chunk."""
        plane, row, col = position
        folder = array.rpartition("/")[0]
        level = self.level or resolve_level(len(self.index.levels), group=folder) or 0
        return level, self.planes[plane], row, col

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
            index=self.index,
            url=self.url,
            planes=self.planes,
            level=self.level,
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
    """A virtual Zarr of one file; the arguments are those of `FLACParser`.

    `bands` are positions from 0 here. With a `level`, that level alone is the root group.
    """
    chosen = list(range(index.raster.count) if bands is None else bands)
    skip = frozenset(skip_variables)
    # Interleaved by pixel, a tile holds all bands and the codec picks those that were chosen.
    planes = [0] if index.interleave == "pixel" else chosen
    note = flac_raster.loss_note(index)

    def group(number: int, children: Mapping[str, ManifestGroup]) -> ManifestGroup:
        raster, here = index.raster_of(number), index.levels[number]
        attributes = {**stored_attributes(raster, chosen), **reading_attributes(raster)}
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
            raster, chosen, with_xy=coordinates, stored=True
        ).items():
            arrays[name] = inline_array(values, dims, notes)
        names = " ".join(name for name in arrays if name != variable and name not in skip)
        return ManifestGroup(
            arrays={name: array for name, array in arrays.items() if name not in skip},
            groups=children,
            attributes={
                **({"coordinates": names} if names else {}),
                **raster.georef.convention_attributes(),
            },
        )

    overviews = range(1, len(index.levels)) if level is None else ()
    children = {overview_name(number): group(number, {}) for number in overviews}
    return FlacManifestStore(
        group(level or 0, children),
        registry=registry, index=index, url=url, planes=planes, level=level or 0,
    )  # fmt: skip


def tile_array(
    raster: RasterInfo,
    spec: TileSpec,
    tables: ChunkTables,
    *,
    shape: tuple[int, ...],
    dims: Sequence[str],
    attributes: Mapping[str, Any] | None = None,
) -> ManifestArray:
    """A virtual array of a raster's dtype and nodata whose chunks are tiles.

    The last `dims` are those of a tile, (band, y, x) or (y, x); a chunk has one entry along others.
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
