"""Virtual datasets to kerchunk references, JSON and parquet, in folders and in buckets.

Coordinates stay compressed, integers integers, and files whole. Knows nothing of FLAC.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from typing import Any

import virtualizarr  # noqa: F401  (registers the accessor `Dataset.vz`)
import xarray as xr

from ..errors import SelectionError
from .inline import inline_loaded
from .kerchunk_json import kerchunk_json
from .target import Target


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
    place = Target(target, dict(store_options or {}))
    if place.suffix not in (".json", ".parquet", ".parq"):
        raise SelectionError(f"{place} ends in {place.suffix!r}; expected .json, .parquet or .parq")
    place.check(overwrite=overwrite)
    virtual = inline_loaded(vds)
    with place.replacing(overwrite=overwrite) as part:
        if place.suffix == ".json":
            with part.open("w", encoding="utf-8") as file:
                file.writelines(kerchunk_json(virtual))
        else:
            with warnings.catch_warnings():
                # pandas, of the engine that fsspec chooses; nobody who calls us can change that.
                warnings.filterwarnings("ignore", "The 'fastparquet' engine is deprecated")
                virtual.vz.to_kerchunk(str(part), format="parquet")
