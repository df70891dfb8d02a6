"""Virtual datasets to kerchunk references, JSON and parquet, in folders and in buckets.

Coordinates stay compressed, integers integers, and files whole.
"""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Iterator, Mapping
from itertools import product
from pathlib import Path
from typing import Any

import virtualizarr  # noqa: F401  (registers the accessor `Dataset.vz`)
import xarray as xr

from ..errors import SelectionError, needs_extra
from ..io.addresses import object_path
from ..model.arguments import checked
from ..virtual.arrays import inline_loaded
from ..virtual.manifests import ChunkTables, chunk_tables, with_tables
from .locations import source_urls
from .target import Target
from .trust import refuse_secrets

#: Byte ranges in one parquet file, as kerchunk has them by default.
_RECORDS = 100_000


@checked
def write_kerchunk(
    vds: xr.Dataset,
    target: str | os.PathLike[str],
    *,
    overwrite: bool = False,
    store_options: Mapping[str, Any] | None = None,
) -> None:
    """Write kerchunk references that any Zarr reader with ``zarr-flac`` installed can open.

    Differs from ``vds.vz.to_kerchunk`` in three ways: variables that were loaded (coordinates,
    usually) are inlined in compressed form, a raster without nodata gets ``fill_value: null``
    after concatenation too, and the target appears only when it is complete.

    Parameters
    ----------
    vds : xarray.Dataset
        A virtual dataset, as from ``open_virtual_dataset`` or `stack`.
    target : str or path
        Ends in ``.json`` for JSON, in ``.parquet`` or ``.parq`` for a parquet folder. A path, or
        a URL of S3, Google or Azure.
    overwrite : bool
        Whether an existing target may be replaced.
    store_options : Mapping, optional
        Options of the target's store, as for `registry_for`.

    Raises
    ------
    TargetExistsError
        When the target exists and `overwrite` is false.
    TargetFolderError
        When the folder of the target does not exist.
    SelectionError
        When the ending of the target is neither.
    SourceError
        When the store refuses to take it.
    """
    destination = Target(target, dict(store_options or {}))
    if destination.suffix not in (".json", ".parquet", ".parq"):
        raise SelectionError(
            f"{destination} ends in {destination.suffix!r}; expected .json, .parquet or .parq"
        )
    destination.check(overwrite=overwrite)
    refuse_secrets(source_urls(vds))
    virtual = inline_loaded(vds)
    with destination.replacing(overwrite=overwrite) as part:
        if destination.suffix == ".json":
            with part.open("w", encoding="utf-8") as file:
                file.writelines(kerchunk_json(virtual))
        else:
            _write_parquet(virtual, part)


def _write_parquet(vds: xr.Dataset, folder: Path) -> None:
    with needs_extra("kerchunk", "fsspec", "fastparquet", "pandas", "kerchunk"):
        from ..virtual.parquet_folder import write_folder

    tables = chunk_tables(vds)
    literal = {
        url: f"file://{object_path(url)}"
        for found in tables.values() for url in found.urls() if url.startswith("file://")
    }  # fmt: skip
    renamed = with_tables(vds, {name: found.renamed(literal) for name, found in tables.items()})
    references = renamed.vz.to_kerchunk(format="dict")
    # A file of each variable is filled up to this many records, which readers parse.
    records = min(max([1, *(found.lengths.size for found in tables.values())]), _RECORDS)
    with warnings.catch_warnings():
        # pandas, of the engine that fsspec chooses; nobody who calls us can change that.
        warnings.filterwarnings("ignore", "The 'fastparquet' engine is deprecated")
        write_folder(references, folder, records)


def kerchunk_json(vds: xr.Dataset) -> Iterator[str]:
    """The references to a virtual dataset, version 1, in pieces of text.

    VirtualiZarr makes a dictionary of every chunk and JSON of that, at 50 microseconds a chunk.
    Here it writes what is not chunks; their text comes straight from the tables. It means the same.
    Attributes that JSON does not have, such as NaN, are a ValueError.
    """
    tables = chunk_tables(vds)
    bare = with_tables(vds, {name: ChunkTables.absent((0,)) for name in tables})
    rest = bare.vz.to_kerchunk(format="dict")["refs"]
    # Never empty, so that what follows begins with a comma.
    text = json.dumps(rest, separators=(",", ":"), allow_nan=False)
    yield '{"version":1,"refs":' + text.removesuffix("}")
    for name, found in tables.items():
        yield from _chunks(str(name), found)
    yield "}}"


def _chunks(name: str, tables: ChunkTables) -> Iterator[str]:
    """One entry a chunk, each with a comma before it."""
    prefix = json.dumps(f"{name}/")[:-1]
    for block, url in tables.blocks():
        numbers = (map(str, range(axis.start, axis.stop)) for axis in block)
        # The one chunk of an array without dimensions is called 0.
        keys = (".".join(key) or "0" for key in product(*numbers))
        offsets = tables.offsets[block].ravel().tolist()
        lengths = tables.lengths[block].ravel().tolist()
        if url is None:
            paths = [_path(path) for path in tables.paths[block].ravel().tolist()]
        else:
            paths = [_path(url)] * len(offsets)
        yield "".join(
            f',{prefix}{key}":[{path},{offset},{length}]'
            for key, path, offset, length in zip(keys, paths, offsets, lengths, strict=True)
            if path != '""'
        )


def _path(url: str) -> str:
    """As JSON; local files by their paths, as kerchunk has them."""
    return json.dumps(object_path(url) if url.startswith("file://") else url)
