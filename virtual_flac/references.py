"""Virtual datasets to published references: kerchunk JSON and parquet, Icechunk.

A thin layer over VirtualiZarr's writers that keeps coordinates compressed, integers integers and
files whole. Knows nothing of FLAC.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import warnings
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import numpy as np
import virtualizarr  # noqa: F401  (registers the accessor `Dataset.vz`)
import xarray as xr
from virtualizarr.manifests import ManifestArray
from xarray.conventions import encode_cf_variable

from .errors import MismatchError, SourceError, TargetExistsError
from .virtual_arrays import inline_array, without_fill_values


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
    ValueError
        When the ending of the target is neither.
    """
    path = Path(target)
    if path.suffix not in (".json", ".parquet", ".parq"):
        raise ValueError(f"{path} ends in {path.suffix!r}; expected .json, .parquet or .parq")
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


def inline_loaded(vds: xr.Dataset) -> xr.Dataset:
    """The same dataset with every loaded variable as a compressed inline chunk.

    Parameters
    ----------
    vds : xarray.Dataset

    Returns
    -------
    xarray.Dataset
        Loaded numbers and times become virtual arrays without an index; virtual arrays without
        ``_FillValue`` say ``fill_value: null``.
    """
    result = {name: _inline(variable, name) for name, variable in vds.variables.items()}
    coords = {name: result[name] for name in vds.coords}
    data = {name: result[name] for name in vds.data_vars}
    # Without indexes: xarray would want to read a virtual coordinate to make one.
    inlined = xr.Dataset(data, coords=xr.Coordinates(coords, indexes={}), attrs=vds.attrs)
    return without_fill_values(inlined)


def _inline(variable: xr.Variable, name: Any) -> xr.Variable:
    plain = variable.to_base_variable().copy(deep=False)
    if isinstance(plain._data, ManifestArray):
        return plain
    # Otherwise xarray gives floats a NaN as _FillValue, which JSON does not have.
    plain.encoding = {"_FillValue": None, **plain.encoding}
    encoded = encode_cf_variable(plain, name=name)
    values = np.asarray(encoded.values)
    if values.dtype.kind not in "iufb" or values.ndim == 0:
        return variable.to_base_variable()  # text and scalars: VirtualiZarr knows how
    attributes = {key: _json_value(value) for key, value in encoded.attrs.items()}
    dims = tuple(str(dim) for dim in encoded.dims)
    return xr.Variable(dims, inline_array(values, dims, attributes), attributes)


def _json_value(value: Any) -> Any:
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    return value


def write_icechunk(
    vds: xr.Dataset,
    target: str | os.PathLike[str],
    *,
    groups: Mapping[str, xr.Dataset] | None = None,
    last_modified: datetime | None = None,
    message: str = "Add virtual FLAC references",
    store_options: dict[str, Any] | None = None,
) -> str:
    """Write a virtual dataset into a new Icechunk repository on the local file system.

    Parameters
    ----------
    vds : xarray.Dataset
    target : str or path
        Folder of the repository; must not exist.
    groups : Mapping of str to xarray.Dataset, optional
        Virtual datasets for child groups, such as overviews.
    last_modified : datetime, optional
        The sources' own time of change. Icechunk then refuses to read a source that has changed
        since.
    message : str
        Of the commit.
    store_options : dict, optional
        For S3 sources, options of ``icechunk.s3_store`` such as ``region`` or ``endpoint_url``.

    Returns
    -------
    str
        The snapshot's id.

    Raises
    ------
    TargetExistsError
        When the target exists.
    SourceError
        When the sources lie where Icechunk cannot read.
    """
    import icechunk

    path = Path(target)
    if path.exists():
        raise TargetExistsError(f"{path} exists; choose another folder or remove it")
    config = icechunk.RepositoryConfig.default()
    prefixes = source_prefixes(vds)
    for prefix in prefixes:
        store = _icechunk_store(prefix, store_options or {})
        config.set_virtual_chunk_container(icechunk.VirtualChunkContainer(prefix, store))
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        repository = icechunk.Repository.create(
            icechunk.local_filesystem_storage(str(path)),
            config=config,
            authorize_virtual_chunk_access=icechunk_access(prefixes),
        )
        repository.save_config()
        session = repository.writable_session("main")
        options = {} if last_modified is None else {"last_updated_at": last_modified}
        vds.vz.to_icechunk(session.store, **options)
        for name, part in (groups or {}).items():
            part.vz.to_icechunk(session.store, group=name, **options)
        snapshot: str = session.commit(message)
    except BaseException:
        shutil.rmtree(path, ignore_errors=True)
        raise
    return snapshot


def source_prefixes(vds: xr.Dataset) -> list[str]:
    """Prefixes of the URLs that a virtual dataset refers to, one a store.

    Returns
    -------
    list of str
        ``"file:///folder/"``, ``"https://host/"``, ``"s3://bucket/"`` ...
    """
    found: dict[str, None] = {}
    for variable in vds.variables.values():
        if isinstance(variable._data, ManifestArray):
            for url in set(variable._data.manifest._paths.ravel().tolist()):
                if "://" in url:
                    found[_prefix(url)] = None
    if not found:
        raise MismatchError("the dataset refers to no file; is it a virtual dataset?")
    return list(found)


def _prefix(url: str) -> str:
    parsed = urlparse(url)
    if parsed.scheme == "file":
        return f"file://{parsed.path.rpartition('/')[0]}/"
    return f"{parsed.scheme}://{parsed.netloc}/"


def icechunk_access(prefixes: list[str]) -> dict[str, Any]:
    """Permission to read virtual chunks, for ``icechunk.Repository.open``.

    Parameters
    ----------
    prefixes : list of str
        As from `source_prefixes`, or of a repository's own containers.

    Returns
    -------
    dict
        Credentials come from the environment for S3, Google and Azure.
    """
    import icechunk

    makers: dict[str, Callable[[], Any]] = {
        "file": icechunk.Credentials.LocalFileSystemAccess,
        "http": icechunk.Credentials.HttpAccess,
        "https": icechunk.Credentials.HttpAccess,
        "s3": icechunk.s3_from_env_credentials,
        "gs": icechunk.gcs_from_env_credentials,
        "az": icechunk.azure_from_env_credentials,
    }
    return icechunk.containers_credentials(
        {prefix: makers[urlparse(prefix).scheme]() for prefix in prefixes}
    )


def _icechunk_store(prefix: str, options: dict[str, Any]) -> Any:
    import icechunk

    scheme = urlparse(prefix).scheme
    if scheme == "file":
        return icechunk.local_filesystem_store(urlparse(prefix).path)
    if scheme in ("http", "https"):
        return icechunk.http_store(opts={"allow_http": "true"} if scheme == "http" else None)
    if scheme == "s3":
        return icechunk.s3_store(**options)
    if scheme == "gs":
        return icechunk.gcs_store(options or None)
    raise SourceError(f"{prefix}: Icechunk reads file, http, https, s3 and gs, not {scheme!r}")
