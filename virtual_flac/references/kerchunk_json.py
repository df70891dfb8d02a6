"""Kerchunk references as JSON text, straight from the tables of chunks.

VirtualiZarr makes a dictionary of every chunk and JSON of that, at 50 microseconds a chunk; here
the text is written table by table. It means the same. VirtualiZarr writes what is not chunks.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np
import virtualizarr  # noqa: F401  (registers the accessor `Dataset.vz`)
import xarray as xr
from virtualizarr.manifests import ChunkManifest, ManifestArray

from .blocks import blocks, refers


def kerchunk_json(vds: xr.Dataset) -> Iterator[str]:
    """The references to a virtual dataset, version 1, in pieces of text.

    Parameters
    ----------
    vds : xarray.Dataset
        Virtual, in all of its variables.

    Raises
    ------
    ValueError
        When an attribute is a number that JSON does not have, such as NaN.
    """
    rest = _without_chunks(vds).vz.to_kerchunk(format="dict")["refs"]
    # Never empty, so that what follows begins with a comma.
    text = json.dumps(rest, separators=(",", ":"), allow_nan=False)
    yield '{"version":1,"refs":' + text.removesuffix("}")
    for name, variable in vds.variables.items():
        data: Any = variable._data
        if refers(data):
            yield from _chunks(str(name), data.manifest)
    yield "}}"


def _chunks(name: str, manifest: ChunkManifest) -> Iterator[str]:
    """One entry a chunk, each with a comma before it."""
    prefix = json.dumps(f"{name}/")[:-1]
    for block, url in blocks(manifest):
        numbers = (map(str, range(axis.start, axis.stop)) for axis in block)
        # The one chunk of an array without dimensions is called 0.
        keys = (".".join(key) or "0" for key in product(*numbers))
        offsets = manifest._offsets[block].ravel().tolist()
        lengths = manifest._lengths[block].ravel().tolist()
        if url is None:
            places = [_path(path) for path in manifest._paths[block].ravel().tolist()]
            yield "".join(
                f',{prefix}{key}":[{place},{offset},{length}]'
                for key, place, offset, length in zip(keys, places, offsets, lengths, strict=True)
                if place != '""'
            )
        else:
            place = _path(url)
            yield "".join(
                f',{prefix}{key}":[{place},{offset},{length}]'
                for key, offset, length in zip(keys, offsets, lengths, strict=True)
            )


def _path(url: str) -> str:
    """As JSON; local files by their paths, as kerchunk has them."""
    return json.dumps(url.removeprefix("file://") if url.startswith("file:///") else url)


def _without_chunks(vds: xr.Dataset) -> xr.Dataset:
    """The same variables with tables of no chunks, which cost VirtualiZarr nothing."""
    nothing = np.zeros(0, dtype=np.uint64)
    bare: dict[Any, xr.Variable] = {}
    for name, variable in vds.variables.items():
        data: Any = variable._data
        if refers(data):
            empty = ChunkManifest.from_arrays(
                paths=np.zeros(0, dtype=np.dtypes.StringDType()), offsets=nothing, lengths=nothing
            )
            array = ManifestArray(data.metadata, empty)
            bare[name] = xr.Variable(variable.dims, array, variable.attrs, variable.encoding)
    result = vds.copy(deep=False)
    result._variables.update(bare)
    return result
