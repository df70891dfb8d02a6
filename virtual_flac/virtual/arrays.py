"""Virtual arrays that VirtualiZarr does not make by itself: inlined, scalar, without fill value.

Knows Zarr metadata and VirtualiZarr's manifests; knows nothing of FLAC, rasters or files.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import xarray as xr
from numcodecs import LZMA, Shuffle
from virtualizarr.manifests import ChunkManifest, ManifestArray
from virtualizarr.manifests.manifest import INLINED_CHUNK_PATH
from virtualizarr.manifests.utils import create_v3_array_metadata
from zarr.core.metadata.v3 import ArrayV3Metadata

BYTES_CODEC: dict[str, Any] = {"name": "bytes", "configuration": {"endian": "little"}}

#: Coordinates are linear but for the rounding of the last bits. Byte planes, then the differences
#: of neighbouring bytes (the LZMA filter 3, delta), are nearly all the same: 10,980 of them take
#: 0.2 to 0.9 kB, where Blosc or Zstandard over byte planes take 1.6 to 9.2 kB.
#: The dictionary is as large as such an array: the preset's 64 MiB would cost 50 ms to set up.
_LZMA_FILTERS = [{"id": 3, "dist": 1}, {"id": 33, "preset": 9, "dict_size": 1 << 17}]
_COORDINATE_CODECS: list[dict[str, Any]] = [
    {"name": "numcodecs.shuffle", "configuration": {"elementsize": 8}},
    {
        "name": "numcodecs.lzma",
        "configuration": {"format": 3, "check": -1, "preset": None, "filters": _LZMA_FILTERS},
    },
]


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
    def fill_value(self) -> None:
        """None, as v2 writes it."""
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
        """The document of `filled`."""
        return self.filled().to_dict()


def without_fill_value(metadata: ArrayV3Metadata) -> UnfilledMetadata:
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


def without_fill_values(dataset: xr.Dataset) -> xr.Dataset:
    """The same virtual dataset, its arrays without ``_FillValue`` as `UnfilledMetadata` has them.

    VirtualiZarr makes ordinary metadata anew in many of its steps.
    """
    replaced: dict[Any, xr.Variable] = {}
    for name, variable in dataset.variables.items():
        array = variable._data
        if isinstance(array, ManifestArray) and not _has_fill_value(variable):
            bare = ManifestArray(without_fill_value(array.metadata), array.manifest)
            replaced[name] = xr.Variable(variable.dims, bare, variable.attrs, variable.encoding)
    result = dataset.copy(deep=False)
    result._variables.update(replaced)
    return result


def _has_fill_value(variable: xr.Variable) -> bool:
    return "_FillValue" in variable.attrs or "_FillValue" in variable.encoding


class ScalarManifest(ChunkManifest):
    """Manifest of an array without axes.

    VirtualiZarr gives its one chunk the key ``""`` in kerchunk references; Zarr v2 says ``"0"``,
    and the parquet writer stumbles over anything else.
    """

    def dict(self) -> Any:
        """As the base class, with the right key."""
        (entry,) = super().dict().values()
        return {"0": entry}


def scalar_variable(attributes: Mapping[str, Any]) -> ManifestArray:
    """A scalar zero (int64) that is there for its attributes alone, as ``spatial_ref`` is."""
    zero = np.asarray(0, dtype=np.int64)
    metadata = create_v3_array_metadata(
        shape=(),
        data_type=zero.dtype,
        chunk_shape=(),
        codecs=[BYTES_CODEC],
        attributes=dict(attributes),
        dimension_names=(),
    )
    manifest = ScalarManifest.from_arrays(
        paths=cast("Any", np.asarray(INLINED_CHUNK_PATH, dtype=np.dtypes.StringDType())),
        offsets=np.asarray(0, dtype=np.uint64),
        lengths=np.asarray(zero.nbytes, dtype=np.uint64),
        validate_paths=False,
        inlined={(): zero.astype("<i8").tobytes()},
    )
    return ManifestArray(without_fill_value(metadata), manifest)


def inline_array(
    values: npt.NDArray[Any], dims: tuple[str, ...], attributes: Mapping[str, Any] | None = None
) -> ManifestArray:
    """A small array whose one chunk stands in the manifest itself.

    Parameters
    ----------
    values : ndarray
        Of a fixed-size dtype, with at least one axis. 64-bit values are compressed when there
        are more than a few.
    dims : tuple of str
    attributes : Mapping, optional
    """
    compress = values.dtype.itemsize == 8 and values.size > 16
    raw = np.ascontiguousarray(values).astype(values.dtype.newbyteorder("<"))
    data = raw.tobytes()
    codecs = [BYTES_CODEC]
    if compress:
        planes = Shuffle(elementsize=8).encode(raw)
        data = bytes(LZMA(format=3, filters=_LZMA_FILTERS).encode(planes))
        codecs += _COORDINATE_CODECS
    fields: dict[str, Any] = {
        "shape": values.shape,
        "data_type": values.dtype,
        "chunk_shape": values.shape,
        "codecs": codecs,
        "attributes": dict(attributes or {}),
        "dimension_names": dims,
    }
    key = ".".join("0" * values.ndim)
    manifest = ChunkManifest({key: {"path": "", "offset": 0, "length": len(data), "data": data}})
    return ManifestArray(without_fill_value(create_v3_array_metadata(**fields)), manifest)
