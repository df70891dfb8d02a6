"""`open_references`: published references as a dataset, with few requests.

Reads through object stores, with this package's merging of neighbours. Readers without this package
use what `recipe` prints. Knows formats of references; knows nothing of FLAC.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import xarray as xr
import zarr
from obspec_utils.registry import ObjectStoreRegistry

from ..errors import SelectionError, SourceNotFoundError
from ..io.file_reader import FileReader
from ..io.store_errors import STORE_ERRORS, translate
from ..io.stores import registry_for, resolve, to_url
from .guarded import GuardedStore
from .icechunk_settings import access, storage
from .locations import urls_of

#: Zarr's own 10 would let a time series of 24 chunks wait for the network three times.
CONCURRENCY = 64


def open_references(
    target: str | os.PathLike[str],
    *,
    group: str | None = None,
    registry: ObjectStoreRegistry[Any] | None = None,
    store_options: Mapping[str, Any] | None = None,
    concurrency: int | None = CONCURRENCY,
    **options: Any,
) -> xr.Dataset:
    """Open published references: kerchunk JSON or parquet, or an Icechunk repository.

    Parameters
    ----------
    target : str or path
        Path or URL: ``.json``, ``.parquet`` (a folder, or a prefix of a bucket),
        ``.icechunk`` or the folder of any Icechunk repository.
    group : str, optional
        A child group, such as ``overview_1``.
    registry : ObjectStoreRegistry, optional
        Stores to read kerchunk references and their chunks with.
    store_options : Mapping, optional
        Options of the stores, as for `registry_for`: of the references and of the chunks.
    concurrency : int, optional
        Chunks that Zarr asks for at a time. It has one such setting for the whole process,
        ``async.concurrency``, which is raised to this where it is lower; None leaves it.
    **options
        For ``xarray.open_dataset``, such as ``chunks={}`` or ``mask_and_scale=False``.

    Returns
    -------
    xarray.Dataset
        Lazy.

    Raises
    ------
    SelectionError
        When the target is none of these.
    SourceError
        When it cannot be read. So do chunks, later: the error names the chunk, and with kerchunk's
        references the URL.

    Notes
    -----
    The references are read by one request, a chunk by one at most, and nothing is asked for that
    is not there.
    """
    text = os.fspath(target)
    given = dict(store_options or {})
    if concurrency is not None and zarr.config.get("async.concurrency") < concurrency:
        zarr.config.set({"async.concurrency": concurrency})
    store: Any
    if text.endswith(".json"):
        store = _kerchunk_json(to_url(target), registry, given, group)
    elif text.endswith((".parquet", ".parq")):
        store = _kerchunk_parquet(to_url(target), registry, given, group)
    else:
        store = _icechunk(text, given)
        options = {"group": group, **options}
    # A store knows its format: xarray would else look for consolidated metadata, then for v2's.
    fixed: dict[str, Any] = {"engine": "zarr", "consolidated": False, "zarr_format": 3}
    return xr.open_dataset(store, **fixed, **options)


def _kerchunk_json(
    url: str, registry: ObjectStoreRegistry[Any] | None, given: dict[str, Any], group: str | None
) -> Any:
    from virtualizarr.parsers.kerchunk.translator import manifestgroup_from_kerchunk_refs

    file = FileReader(url, registry or registry_for(url, **given))
    try:
        references: Any = json.loads(file.read_all())
    except ValueError as error:
        raise SelectionError(f"{url}: is no JSON: {error}") from None
    if "refs" not in references:
        raise SelectionError(f"{url}: holds no kerchunk references")
    found = manifestgroup_from_kerchunk_refs(references, group=group, fs_root="file:///")
    return _readable(found, registry, given)


def _kerchunk_parquet(
    url: str, registry: ObjectStoreRegistry[Any] | None, given: dict[str, Any], group: str | None
) -> Any:
    from virtualizarr.parsers import KerchunkParquetParser

    parser = KerchunkParquetParser(group=group, fs_root="file:///")
    if url.startswith("file://"):
        return _readable(parser(url, ObjectStoreRegistry())._group, registry, given)
    if url.startswith(("http://", "https://")):
        raise SelectionError(
            f"{url}: parquet references are read from local folders and buckets, which list what "
            "they hold; a web server does not. Fetch the folder, or use JSON or Icechunk."
        )
    with tempfile.TemporaryDirectory() as folder:
        _fetch_folder(url, registry or registry_for(url, **given), Path(folder))
        # Reads all of it at once.
        found = parser(f"file://{folder}", ObjectStoreRegistry())._group
    return _readable(found, registry, given)


def _fetch_folder(url: str, registry: ObjectStoreRegistry[Any], folder: Path) -> None:
    """Copy all objects below a URL into a folder."""
    store, prefix = resolve(registry, url)
    prefix = prefix.strip("/")
    try:
        keys = [str(meta["path"]) for page in store.list(prefix) for meta in page]
        for key in keys:
            target = folder / key.removeprefix(f"{prefix}/")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(store.get(key).buffer())
    except STORE_ERRORS as error:
        raise translate(error, url) from None
    if not keys:
        raise SourceNotFoundError(f"{url}: no such folder")


def _readable(group: Any, registry: ObjectStoreRegistry[Any] | None, given: dict[str, Any]) -> Any:
    """A store over the manifests of a group."""
    from ..virtual.store import ReferenceStore

    if registry is None:
        registry = registry_for(urls_of(group.arrays.values()), **given)
    return ReferenceStore(group, registry=registry)


def _icechunk(text: str, given: dict[str, Any]) -> Any:
    try:
        import icechunk
    except ImportError:
        raise SelectionError('Icechunk needs icechunk; install "virtual-flac[icechunk]"') from None

    if "://" not in text and not Path(text).is_dir():
        raise SelectionError(f"{text}: is neither .json nor .parquet nor a repository's folder")
    try:
        repository = icechunk.Repository.open(storage(text, given))
    except icechunk.IcechunkError as error:
        reason = str(error).strip().partition("\n")[0]
        raise SelectionError(f"{text}: holds no Icechunk repository: {reason}") from error
    # The repository itself says what it refers to; to ask for its settings first costs requests.
    prefixes = list(repository.config.virtual_chunk_containers or {})
    allowed = repository.reopen(authorize_virtual_chunk_access=access(prefixes, given))
    return GuardedStore(allowed.readonly_session("main").store, text)
