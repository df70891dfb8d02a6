"""Virtual datasets to kerchunk references, JSON and parquet.

A thin layer over VirtualiZarr's writer that keeps coordinates compressed, integers integers and
files whole. Knows nothing of FLAC.
"""

from __future__ import annotations

import json
import os
import tempfile
import warnings
from pathlib import Path

import virtualizarr  # noqa: F401  (registers the accessor `Dataset.vz`)
import xarray as xr

from ..errors import SelectionError, TargetExistsError, TargetFolderError
from .inline import inline_loaded


def write_kerchunk(
    vds: xr.Dataset, target: str | os.PathLike[str], *, overwrite: bool = False
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
        Ends in ``.json`` for JSON, in ``.parquet`` or ``.parq`` for a parquet folder.
    overwrite : bool
        Whether an existing target may be replaced.

    Raises
    ------
    TargetExistsError
        When the target exists and `overwrite` is false.
    TargetFolderError
        When the folder of the target does not exist.
    SelectionError
        When the ending of the target is neither.
    """
    path = Path(target)
    if path.suffix not in (".json", ".parquet", ".parq"):
        raise SelectionError(f"{path} ends in {path.suffix!r}; expected .json, .parquet or .parq")
    if not path.parent.is_dir():
        raise TargetFolderError(f"{path.parent}: no such folder. Create it first.")
    if path.exists() and not overwrite:
        raise TargetExistsError(f"{path} exists; pass overwrite=True (--force) to replace it")
    virtual = inline_loaded(vds)
    with tempfile.TemporaryDirectory(prefix=f".{path.name}.", dir=path.absolute().parent) as folder:
        part = Path(folder) / path.name
        if path.suffix == ".json":
            references = virtual.vz.to_kerchunk(format="dict")
            text = json.dumps(references, separators=(",", ":"), allow_nan=False)
            part.write_text(text, encoding="utf-8")
        else:
            with warnings.catch_warnings():
                # pandas, of the engine that fsspec chooses; nobody who calls us can change that.
                warnings.filterwarnings("ignore", "The 'fastparquet' engine is deprecated")
                virtual.vz.to_kerchunk(str(part), format="parquet")
        if path.is_dir():
            # A folder cannot be replaced in one step; the old one goes only when the new is whole.
            path.rename(Path(folder) / "old")
        part.rename(path)
