"""All that relies on what VirtualiZarr and zarr-python keep private, and nothing else.

Metadata and tables of chunks of virtual arrays: how they are made, taken apart and replaced.
"""

from __future__ import annotations

import copy
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import xarray as xr
from obspec_utils.registry import ObjectStoreRegistry
from virtualizarr.manifests import ChunkManifest, ManifestArray, ManifestGroup
from virtualizarr.manifests.manifest import INLINED_CHUNK_PATH
from virtualizarr.manifests.utils import create_v3_array_metadata
from zarr.core.metadata.v3 import ArrayV3Metadata

BYTES_CODEC: dict[str, Any] = {"name": "bytes", "configuration": {"endian": "little"}}
#: Stands for where an Icechunk repository keeps chunks of its own.
_REPOSITORY = "icechunk:"


class _UnfilledMetadata(ArrayV3Metadata):
    """Zarr v3 metadata whose `fill_value` reads as None, while its document says zero.

    Arrays of Zarr v3 always have a fill value. VirtualiZarr's kerchunk writer copies the value to
    Zarr v2, where xarray takes it for a mask: without this class, the zeros of a raster without
    nodata would come back as NaN from ``vds.vz.to_kerchunk``. `write_kerchunk` relies on it too.
    """

    def __init__(self, *, data_type: Any, fill_value: object = None, **fields: Any) -> None:
        super().__init__(data_type=data_type, fill_value=data_type.default_scalar(), **fields)
        object.__setattr__(self, "fill_value", None)  # as dataclasses that are frozen do it

    def to_dict(self) -> dict[str, Any]:
        """The document of Zarr v3, with the dtype's zero as fill value."""
        filled = copy.copy(self)
        object.__setattr__(filled, "fill_value", self.data_type.default_scalar())
        return ArrayV3Metadata.to_dict(filled)


def _unfilled(metadata: ArrayV3Metadata) -> ArrayV3Metadata:
    names = ("shape", "data_type", "chunk_grid", "chunk_key_encoding", "codecs", "attributes",
             "dimension_names", "storage_transformers", "extra_fields")  # fmt: skip
    return _UnfilledMetadata(**{name: getattr(metadata, name) for name in names})


class _ScalarManifest(ChunkManifest):
    """Manifest of an array without axes.

    VirtualiZarr gives its one chunk the key ``""`` in kerchunk references. Zarr v2 says ``"0"``,
    and the parquet writer accepts nothing else.
    """

    def dict(self) -> Any:
        """As the base class, with the right key."""
        (entry,) = super().dict().values()
        return {"0": entry}


@dataclass(frozen=True, slots=True, eq=False)
class ChunkTables:
    """Where the chunks of one array lie: one entry each, in the shape of the chunk grid."""

    paths: npt.NDArray[Any]
    """URLs as StringDType; empty for an absent chunk. May repeat itself with strides of 0."""
    offsets: npt.NDArray[np.uint64]
    lengths: npt.NDArray[np.uint64]

    @classmethod
    def of(cls, array: ManifestArray) -> ChunkTables | None:
        """The tables of a virtual array; None when its chunks are inside the manifest."""
        manifest = array.manifest
        if manifest._inlined:
            return None
        return cls(manifest._paths, manifest._offsets, manifest._lengths)

    @classmethod
    def split(cls, array: ManifestArray) -> tuple[ChunkTables, npt.NDArray[np.bool_]]:
        """The tables of a virtual array, and which chunks are inside: absent in the tables."""
        manifest = array.manifest
        paths: Any = manifest._paths
        inside = (paths == INLINED_CHUNK_PATH) | np.strings.startswith(paths, _REPOSITORY)
        outside = np.where(inside, _text(""), paths) if inside.any() else paths
        return cls(outside, manifest._offsets, manifest._lengths), inside

    @classmethod
    def of_file(cls, url: str, offsets: Any, lengths: Any) -> ChunkTables:
        """Tables of chunks that all lie in one file."""
        return cls(np.broadcast_to(_text(url), offsets.shape), offsets, lengths)

    @classmethod
    def absent(cls, shape: tuple[int, ...]) -> ChunkTables:
        """Tables of a grid without a single chunk."""
        zeros = np.broadcast_to(np.uint64(0), shape)
        return cls(np.broadcast_to(_text(""), shape), zeros, zeros)

    def manifest(self) -> ChunkManifest:
        """The same for VirtualiZarr."""
        return ChunkManifest.from_arrays(
            paths=cast("Any", self.paths),
            offsets=self.offsets,
            lengths=self.lengths,
            validate_paths=False,
        )

    def distinct_paths(self) -> npt.NDArray[Any]:
        """The table of paths without the axes along which it repeats itself."""
        axes = (slice(0, 1) if step == 0 else slice(None) for step in self.paths.strides)
        found: npt.NDArray[Any] = self.paths[(*axes, ...)]
        return found

    def urls(self) -> list[str]:
        """URLs of the files, each once."""
        return [url for url in dict.fromkeys(self.distinct_paths().ravel().tolist()) if url]

    def renamed(self, moved: Mapping[str, str]) -> ChunkTables:
        """The same chunks in other files."""
        few = self.distinct_paths()
        names = np.array([moved.get(path, path) for path in few.ravel().tolist()], dtype=few.dtype)
        paths = np.broadcast_to(names.reshape(few.shape), self.paths.shape)
        return ChunkTables(paths, self.offsets, self.lengths)

    def blocks(self) -> Iterator[tuple[tuple[slice, ...], str | None]]:
        """Parts of the grid, with the file that all chunks of a part lie in, None for several.

        Together they are the whole grid but for parts without any chunk.
        """
        shape, strides = self.paths.shape, self.paths.strides
        whole = tuple(slice(0, size) for size in shape)
        # The axes along which the table repeats itself are one file's.
        lead = next((axis for axis, step in enumerate(strides) if step == 0), 0)
        repeats = lead > 0 and not any(strides[lead:])
        if not repeats:
            lead = max(0, len(shape) - 3)
        for position in np.ndindex(shape[:lead]):
            part = self.paths[position]
            url: str | None = str(part.flat[0])
            if not repeats and not (url and bool((part == url).all())):
                url = None
            elif not url:
                continue
            yield (*(slice(i, i + 1) for i in position), *whole[lead:]), url


def _text(value: str) -> npt.NDArray[Any]:
    return np.asarray(value, dtype=np.dtypes.StringDType())


def virtual_array(
    manifest: ChunkManifest,
    *,
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    chunk_shape: tuple[int, ...],
    dims: Sequence[str],
    codecs: list[dict[str, Any]] | None = None,
    attributes: Mapping[str, Any] | None = None,
    fill_value: Any = None,
) -> ManifestArray:
    """A virtual array of Zarr v3; `codecs` are those that follow ``bytes``.

    Without a `fill_value` no value is special: in kerchunk references ``fill_value: null``.
    """
    metadata = create_v3_array_metadata(
        shape=shape,
        data_type=dtype,
        chunk_shape=chunk_shape,
        fill_value=fill_value,
        codecs=[BYTES_CODEC, *(codecs or [])],
        attributes=dict(attributes or {}),
        dimension_names=dims,
    )
    return ManifestArray(_unfilled(metadata) if fill_value is None else metadata, manifest)


def inline_manifest(data: bytes, ndim: int) -> ChunkManifest:
    """The manifest of an array whose one chunk is inside the manifest itself."""
    if ndim:
        key = ".".join("0" * ndim)
        return ChunkManifest({key: {"path": "", "offset": 0, "length": len(data), "data": data}})
    return _ScalarManifest.from_arrays(
        paths=cast("Any", _text(INLINED_CHUNK_PATH)),
        offsets=np.asarray(0, dtype=np.uint64),
        lengths=np.asarray(len(data), dtype=np.uint64),
        validate_paths=False,
        inlined={(): data},
    )


def chunk_entry(array: ManifestArray, position: tuple[int, ...]) -> Any:
    """Path, offset and length of one chunk; None for one that is absent or in the manifest."""
    entry = array.manifest.get_entry(position)
    return None if entry is None or entry["path"] == INLINED_CHUNK_PATH else entry


def virtual_arrays(dataset: xr.Dataset) -> dict[Hashable, ManifestArray]:
    """The virtual arrays among the variables of a dataset, by name."""
    arrays: dict[Hashable, Any] = {name: v.data for name, v in dataset.variables.items()}
    return {name: data for name, data in arrays.items() if isinstance(data, ManifestArray)}


def urls_of(array: ManifestArray) -> list[str]:
    """URLs of the files that the chunks of an array lie in, each once."""
    tables = ChunkTables.of(array)
    if tables is None:  # inside the manifest, or some of them
        return list(dict.fromkeys(array.manifest.iter_nonempty_paths()))
    return tables.urls()


def count_chunks(array: ManifestArray) -> int:
    """How many chunks of an array lie in other files."""
    manifest = array.manifest
    return int(np.count_nonzero(manifest._paths != "")) - len(manifest._inlined)


def chunk_tables(dataset: xr.Dataset) -> dict[Hashable, ChunkTables]:
    """Tables of the virtual arrays whose chunks lie in other files, by name."""
    tables = {name: ChunkTables.of(array) for name, array in virtual_arrays(dataset).items()}
    return {name: found for name, found in tables.items() if found is not None}


def with_tables(dataset: xr.Dataset, tables: Mapping[Hashable, ChunkTables]) -> xr.Dataset:
    """The same virtual dataset with the chunks of some of its arrays elsewhere."""
    arrays: dict[Hashable, ManifestArray] = {
        name: ManifestArray(dataset.variables[name].data.metadata, found.manifest())
        for name, found in tables.items()
    }
    return with_arrays(dataset, arrays)


def with_arrays(dataset: xr.Dataset, arrays: Mapping[Hashable, ManifestArray]) -> xr.Dataset:
    """The same dataset with other virtual arrays for some of its variables."""
    variables = {
        name: xr.Variable(old.dims, arrays[name], old.attrs, old.encoding)
        if name in arrays else old
        for name, old in dataset.variables.items()
    }  # fmt: skip
    indexes = {name: index for name, index in dataset.xindexes.items() if name not in arrays}
    result = with_variables(dataset, variables, indexes)
    result.encoding = dict(dataset.encoding)
    return result


def with_variables(
    dataset: xr.Dataset,
    variables: Mapping[Hashable, xr.Variable],
    indexes: Mapping[Any, xr.Index] | None = None,
) -> xr.Dataset:
    """The same dataset with other variables; xarray would read virtual ones to index them."""
    coords = {name: variables[name] for name in dataset.coords}
    data = {name: variables[name] for name in dataset.data_vars}
    return xr.Dataset(data, xr.Coordinates(coords, indexes=indexes or {}), dataset.attrs)


def without_fill_values(dataset: xr.Dataset) -> xr.Dataset:
    """The same virtual dataset; arrays without ``_FillValue`` say so in kerchunk references.

    VirtualiZarr makes ordinary metadata anew in many of its steps, such as concatenation.
    """
    return with_arrays(dataset, {
        name: ManifestArray(_unfilled(array.metadata), array.manifest)
        for name, array in virtual_arrays(dataset).items()
        if not {"_FillValue"} & {*dataset[name].attrs, *dataset[name].encoding}
    })  # fmt: skip


def kerchunk_group(references: Any, group: str | None) -> ManifestGroup:
    """The arrays of parsed kerchunk references.

    Names of local files stand there unquoted, also behind ``file://``, as fsspec reads them.
    """
    from virtualizarr.parsers.kerchunk.translator import manifestgroup_from_kerchunk_refs

    refs = {
        key: [entry[0].removeprefix("file://"), *entry[1:]] if _names_file(entry) else entry
        for key, entry in references["refs"].items()
    }
    literal: Any = {**references, "refs": refs}
    return manifestgroup_from_kerchunk_refs(literal, group=group, fs_root="file:///")


def _names_file(entry: Any) -> bool:
    named = isinstance(entry, list) and bool(entry) and isinstance(entry[0], str)
    return named and entry[0].startswith("file:///")


def icechunk_group(session: Any) -> ManifestGroup:
    """The arrays of an Icechunk session, those of child groups in groups."""
    from virtualizarr.parsers import IcechunkParser

    found = IcechunkParser().parse_session(
        session, ObjectStoreRegistry(), native_chunks_prefix=_REPOSITORY
    )
    return found._group
