"""Tables of chunks taken apart, the part of one file at a time.

Knows VirtualiZarr's manifests; knows no format of references.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import numpy as np
import xarray as xr
from virtualizarr.manifests import ChunkManifest, ManifestArray


def blocks(manifest: ChunkManifest) -> Iterator[tuple[tuple[slice, ...], str | None]]:
    """Parts of the table of chunks, with the file that all of a part belongs to, if any.

    Together they are the whole table but for parts without any file.
    """
    paths: Any = manifest._paths
    whole = tuple(slice(0, size) for size in paths.shape)
    # Axes along which the table repeats itself are one file's.
    lead = next((axis for axis, step in enumerate(paths.strides) if step == 0), 0)
    if lead == 0 or any(step != 0 for step in paths.strides[lead:]):
        lead = max(0, len(paths.shape) - 3)
        for place in np.ndindex(paths.shape[:lead]):
            part = paths[place]
            first = str(part.flat[0])
            single = first if first and bool((part == first).all()) else None
            yield (*(slice(i, i + 1) for i in place), *whole[lead:]), single
        return
    for place in np.ndindex(paths.shape[:lead]):
        url = str(paths[place].flat[0])
        if url:
            yield (*(slice(i, i + 1) for i in place), *whole[lead:]), url


def refers(data: Any) -> bool:
    """Whether the chunks of an array lie in other files, all of them."""
    return isinstance(data, ManifestArray) and not data.manifest._inlined


def without_references(vds: xr.Dataset) -> xr.Dataset:
    """The same virtual dataset, its chunks in other files absent."""
    bare: dict[Any, xr.Variable] = {}
    for name, variable in vds.variables.items():
        data: Any = variable._data
        if refers(data):
            shape = data.manifest._paths.shape
            nowhere: Any = np.zeros((), dtype=np.dtypes.StringDType())
            empty = ChunkManifest.from_arrays(
                paths=cast("Any", np.broadcast_to(nowhere, shape)),
                offsets=np.broadcast_to(np.uint64(0), shape),
                lengths=np.broadcast_to(np.uint64(0), shape),
                validate_paths=False,
            )
            array = ManifestArray(data.metadata, empty)
            bare[name] = xr.Variable(variable.dims, array, variable.attrs, variable.encoding)
    result = vds.copy(deep=False)
    result._variables.update(bare)
    return result
