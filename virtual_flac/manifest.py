"""`TileIndex` to VirtualiZarr's `ManifestStore`: a virtual Zarr over the tiles of one file.

The only module that builds manifests. Knows Zarr metadata; knows nothing of layouts, does no I/O.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from numcodecs import Blosc
from obspec_utils.registry import ObjectStoreRegistry
from virtualizarr.manifests import ChunkManifest, ManifestArray, ManifestGroup, ManifestStore
from virtualizarr.manifests.utils import create_v3_array_metadata
from xarray.backends.zarr import FillValueCoder
from zarr.core.metadata.v3 import ArrayV3Metadata
from zarr_flac import TileSpec

from .attributes import data_attributes
from .errors import SelectionError
from .index import TileIndex

#: Pixel coordinates are nearly linear: the bits of neighbours hardly differ, so transposed bits
#: compress best, and Blosc is a codec that every Zarr implementation has.
_COORDINATE_CODEC: dict[str, Any] = {
    "name": "blosc",
    "configuration": {
        "typesize": 8,
        "cname": "zstd",
        "clevel": 9,
        "shuffle": "bitshuffle",
        "blocksize": 0,
    },
}
_BYTES_CODEC: dict[str, Any] = {"name": "bytes", "configuration": {"endian": "little"}}

GRID_MAPPING = "spatial_ref"


class UnfilledMetadata(ArrayV3Metadata):
    """Zarr v3 metadata of a raster without nodata.

    Zarr v3 knows no array without a fill value; in v2, ``null`` says that no value is special.
    VirtualiZarr's kerchunk writer copies ``fill_value`` from v3 to v2, and xarray takes a v2
    ``fill_value`` as a mask: a uint8 raster would come back as float32 with its zeros gone. Here
    ``fill_value`` reads as None for such conversions while the v3 document keeps its zero.
    """

    def __init__(self, *, fill_value: object = None, data_type: Any, **fields: Any) -> None:
        super().__init__(fill_value=data_type.default_scalar(), data_type=data_type, **fields)

    @property
    def fill_value(self) -> None:  # type: ignore[override]
        return None

    @fill_value.setter
    def fill_value(self, value: object) -> None:
        """Ignore the default that the base class sets."""

    def _validate_metadata(self) -> None:
        # All that the base class checks but the presence of a fill value.
        self.filled()

    def filled(self) -> ArrayV3Metadata:
        """The same as ordinary v3 metadata, with the dtype's zero as fill value."""
        return ArrayV3Metadata(
            shape=self.shape,
            data_type=self.data_type,
            chunk_grid=self.chunk_grid,
            chunk_key_encoding=self.chunk_key_encoding,
            fill_value=self.data_type.default_scalar(),
            codecs=self.codecs,
            attributes=self.attributes,
            dimension_names=self.dimension_names,
            storage_transformers=self.storage_transformers,
            extra_fields=self.extra_fields,
        )

    def to_dict(self) -> dict[str, Any]:
        return self.filled().to_dict()


def build_store(
    index: TileIndex,
    url: str,
    registry: ObjectStoreRegistry[Any],
    *,
    variable: str = "band_data",
    bands: Sequence[int] | None = None,
    level: int | None = None,
    coordinates: bool = True,
    skip_variables: Iterable[str] = (),
) -> ManifestStore:
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
    ManifestStore

    Raises
    ------
    SelectionError
        When the file has no such band or level.
    """
    chosen = _choose_bands(index, bands)
    if level is not None and not 0 <= level < len(index.levels):
        raise SelectionError(
            f"{url}: there is no level {level}; the file has levels 0 to {len(index.levels) - 1}"
        )
    skip = frozenset(skip_variables)

    def group(number: int, children: Mapping[str, ManifestGroup] | None = None) -> ManifestGroup:
        arrays = {variable: _data_array(index, number, url, chosen)}
        arrays |= _coordinate_arrays(index, number, chosen, with_xy=coordinates)
        names = " ".join(name for name in arrays if name != variable and name not in skip)
        return ManifestGroup(
            arrays={name: array for name, array in arrays.items() if name not in skip},
            groups=children or {},
            attributes={
                **({"coordinates": names} if names else {}),
                **index.georef_of(number).convention_attributes(),
            },
        )

    if level is not None:
        return ManifestStore(group(level), registry=registry)
    children = {overview_name(n): group(n) for n in range(1, len(index.levels))}
    return ManifestStore(group(0, children), registry=registry)


def overview_name(level: int) -> str:
    """Name of the group of an overview; level 1 is the largest."""
    return f"overview_{level}"


def _choose_bands(index: TileIndex, bands: Sequence[int] | None) -> list[int]:
    count = index.raster.count
    if bands is None:
        return list(range(count))
    chosen = [int(band) for band in bands]
    if not chosen or not all(1 <= band <= count for band in chosen):
        raise SelectionError(f"bands {list(bands)} were asked for; the file has bands 1 to {count}")
    if len(set(chosen)) != len(chosen):
        raise SelectionError(f"bands {list(bands)} name a band twice")
    return [band - 1 for band in chosen]


def _data_array(index: TileIndex, number: int, url: str, bands: Sequence[int]) -> ManifestArray:
    level = index.levels[number]
    raster = index.raster
    fill = raster.fill_value
    spec = tile_spec(index, number, bands)
    assert spec.chunk_shape is not None
    attributes = data_attributes(raster, bands)
    attributes["grid_mapping"] = GRID_MAPPING
    if fill is not None:
        attributes["_FillValue"] = FillValueCoder.encode(raster.dtype.type(fill), raster.dtype)
    fields: dict[str, Any] = {
        "shape": (len(bands), level.height, level.width),
        "data_type": raster.dtype,
        "chunk_shape": spec.chunk_shape,
        "fill_value": fill,
        "codecs": [_BYTES_CODEC, {"name": "zarr_flac", "configuration": spec.to_config()}],
        "attributes": attributes,
        "dimension_names": ("band", "y", "x"),
    }
    metadata = create_v3_array_metadata(**fields)
    if fill is None:
        metadata = unfilled(metadata)
    # Interleaved by pixel, a tile holds all bands and the codec picks those that were chosen.
    planes = slice(None) if index.interleave == "pixel" else list(bands)
    offsets = np.ascontiguousarray(level.offsets[planes])
    return ManifestArray(
        metadata,
        ChunkManifest.from_arrays(
            paths=np.full(offsets.shape, url, dtype=np.dtypes.StringDType()),
            offsets=offsets,
            lengths=np.ascontiguousarray(level.lengths[planes]),
            validate_paths=False,
        ),
    )


def unfilled(metadata: ArrayV3Metadata) -> UnfilledMetadata:
    """Metadata of an array without nodata; see `UnfilledMetadata`."""
    return UnfilledMetadata(
        shape=metadata.shape,
        data_type=metadata.data_type,
        chunk_grid=metadata.chunk_grid,
        chunk_key_encoding=metadata.chunk_key_encoding,
        codecs=metadata.codecs,
        attributes=metadata.attributes,
        dimension_names=metadata.dimension_names,
        storage_transformers=metadata.storage_transformers,
        extra_fields=metadata.extra_fields,
    )


def tile_spec(index: TileIndex, level: int, bands: Sequence[int] | None = None) -> TileSpec:
    """The codec's configuration for the tiles of one level.

    Parameters
    ----------
    index : TileIndex
    level : int
    bands : sequence of int, optional
        0-based bands to take from tiles that hold all of them; all by default.
    """
    planes, height, width = index.chunk_shape(level)
    select = None
    if index.interleave == "pixel" and bands is not None and list(bands) != list(range(planes)):
        select = tuple(bands)
        planes = len(select)
    fill = index.raster.fill_value
    return TileSpec(
        chunk_shape=(planes, height, width),
        dtype=index.raster.dtype,
        channels=index.raster.count if index.interleave == "pixel" else 1,
        **({} if select is None else {"select": select}),
        mapping=index.mapping,
        fill_value=0 if fill is None else fill,
    )


def _coordinate_arrays(
    index: TileIndex, number: int, bands: Sequence[int], *, with_xy: bool
) -> dict[str, ManifestArray]:
    level = index.levels[number]
    georef = index.georef_of(number)
    arrays = {"band": inline_array(np.asarray(bands, dtype=np.int64) + 1, ("band",))}
    if with_xy and georef.has_coordinates:
        x, y = georef.coordinates(width=level.width, height=level.height)
        arrays["y"] = inline_array(y, ("y",))
        arrays["x"] = inline_array(x, ("x",))
    arrays[GRID_MAPPING] = inline_array(
        np.asarray(0, dtype=np.int64), (), attributes=georef.cf_attributes()
    )
    return arrays


def inline_array(
    values: npt.NDArray[Any], dims: tuple[str, ...], attributes: Mapping[str, Any] | None = None
) -> ManifestArray:
    """A small array whose one chunk stands in the manifest itself.

    Parameters
    ----------
    values : ndarray
        Of a fixed-size dtype. 64-bit values of more than a few elements are compressed.
    dims : tuple of str
    attributes : Mapping, optional
    """
    compress = values.dtype.itemsize == 8 and values.size > 16
    raw = np.ascontiguousarray(values).astype(values.dtype.newbyteorder("<"))
    data = raw.tobytes()
    codecs = [_BYTES_CODEC]
    if compress:
        data = bytes(Blosc(cname="zstd", clevel=9, shuffle=Blosc.BITSHUFFLE).encode(raw))
        codecs.append(_COORDINATE_CODEC)
    fields: dict[str, Any] = {
        "shape": values.shape,
        "data_type": values.dtype,
        "chunk_shape": values.shape,
        "codecs": codecs,
        "attributes": dict(attributes or {}),
        "dimension_names": dims,
    }
    key = ".".join("0" * values.ndim) or "0"
    manifest = ChunkManifest(
        {key: {"path": "", "offset": 0, "length": len(data), "data": data}}, shape=(1,) * values.ndim
    )
    return ManifestArray(unfilled(create_v3_array_metadata(**fields)), manifest)
