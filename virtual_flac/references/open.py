"""`open_references`: published references as a dataset, with few requests.

Chunks are read through object stores, neighbours together. Readers without this package use what
`snippet` prints.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import xarray as xr
import zarr
from obspec_utils.registry import ObjectStoreRegistry
from zarr.errors import ContainsArrayError

from ..errors import (
    FlacError,
    ReferencesError,
    SelectionError,
    SourceError,
    SourceNotFoundError,
    needs_extra,
    shortened,
)
from ..io.addresses import local_path, normalized
from ..io.reference_kinds import ICECHUNK, KERCHUNK_JSON, KERCHUNK_PARQUET, references_kind
from ..io.stores import is_remote, registry_for, to_url
from ..model.arguments import checked
from ..redaction import safe_cause
from ..virtual.manifests import count_chunks, icechunk_group, urls_of
from ..virtual.store import CoalescingStore
from .icechunk_errors import reading_icechunk
from .icechunk_reader import IcechunkReader
from .icechunk_settings import access, storage
from .kerchunk_read import (
    all_arrays,
    arrays_of,
    check_room,
    damaged,
    read_json,
    read_parquet,
)
from .locations import arrays_below, prefixes_of
from .trust import kerchunk_locations, refuse_local, refuse_secrets

if TYPE_CHECKING:
    from virtualizarr.manifests import ManifestArray


@checked
def open_references(
    target: str | os.PathLike[str],
    *,
    group: str | None = None,
    registry: ObjectStoreRegistry[Any] | None = None,
    store_options: Mapping[str, Any] | None = None,
    allow_local: bool = False,
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
    allow_local : bool
        Whether references at a URL may name files of this machine. References in local files
        always may.
    **options
        For ``xarray.open_dataset``, such as ``chunks={}`` or ``mask_and_scale=False``.

    Returns
    -------
    xarray.Dataset
        Lazy.

    Raises
    ------
    ReferencesError
        When the target is none of these, or damaged.
    SelectionError
        When there is no such group, or an option is wrong.
    SourcePermissionError
        When references at a URL name a local file; an Icechunk repository's, when it is read.
    SourceError
        When it cannot be read. So do chunks, later: the error names the chunk, and with kerchunk's
        references the URL.

    Notes
    -----
    The references are read by one request, a chunk by one at most, and nothing is asked for that
    is not there. Zarr asks for 10 chunks at a time, in all of the process: where many chunks lie
    far away, raise it with ``zarr.config.set({"async.concurrency": 64})``.
    """
    if not isinstance(group, str | None):
        raise TypeError(f"group is {group!r}, expected a name")
    store = open_store(
        target, dict(store_options or {}), group=group, registry=registry, allow_local=allow_local
    )
    return store.dataset(**({"group": group} if store.kind == ICECHUNK else {}), **options)


def _succeeds(function: Callable[[], Any]) -> bool:
    with suppress(Exception):
        function()
        return True
    return False


@dataclass(frozen=True, slots=True)
class OpenedReferences:
    """References behind a Zarr store."""

    name: str
    kind: str
    """As `references_kind` calls it."""
    zarr: Any
    prefixes: list[str]
    """Where the files lie that may be read, see `snippet`."""
    count: Callable[[], tuple[int, list[str]]]
    """Gives the number of byte ranges, and the URLs of the files that they lie in."""
    arrays: Callable[[], dict[str, ManifestArray]]
    """Gives all arrays, those of child groups too, by their paths."""

    def dataset(self, **options: Any) -> xr.Dataset:
        """What the references hold, lazily.

        Raises
        ------
        SelectionError
            When the options, which are xarray's, do not fit.
        ReferencesError
            When xarray cannot make sense of what is there without any, either.
        """
        # A store knows its format: xarray would else look for consolidated metadata, then for v2's.
        open_ = partial(
            xr.open_dataset, self.zarr, engine="zarr", consolidated=False, zarr_format=3
        )
        try:
            return open_(**options)
        except FlacError:
            raise
        except Exception as error:  # xarray and Zarr have many for attributes they do not expect
            group = options.get("group")
            if group and isinstance(error, FileNotFoundError | ContainsArrayError):
                raise SelectionError(f"{self.name}: has no group {group!r}") from None
            said = (
                f"{self.name}: cannot be opened ({shortened(f'{type(error).__name__}: {error}')})"
            )
            if not options or not _succeeds(open_):
                raise ReferencesError(said) from safe_cause(error)
            if isinstance(error, TypeError):
                raise
            raise SelectionError(said) from safe_cause(error)


def open_store(
    target: str | os.PathLike[str],
    given: dict[str, Any],
    *,
    group: str | None = None,
    registry: ObjectStoreRegistry[Any] | None = None,
    allow_local: bool = False,
) -> OpenedReferences:
    """Open references as a Zarr store, see `open_references`."""
    restricted = is_remote(os.fspath(target)) and not allow_local
    kind = references_kind(target)
    suffix = Path(os.fspath(target)).suffix
    if kind == KERCHUNK_JSON or suffix == ".json":
        kind, read = KERCHUNK_JSON, read_json
    elif kind == KERCHUNK_PARQUET or suffix in (".parquet", ".parq"):
        kind, read = KERCHUNK_PARQUET, read_parquet
    else:
        return _icechunk(os.fspath(target), given, restricted=restricted)
    url = to_url(target)
    references = read(url, registry or registry_for(url, **given))
    locations = kerchunk_locations(references)
    refuse_secrets(locations)
    if restricted:
        # First: of a reference to a whole file, VirtualiZarr asks for the size.
        refuse_local(url, locations)
    found = all_arrays(references, url) if group is None else arrays_of(references, group, url)
    arrays = dict(arrays_below(found))
    name = os.fspath(target)
    try:
        every = (url for array in arrays.values() for url in urls_of(array))
        urls = list(dict.fromkeys(map(normalized, every)))
        stores = registry or registry_for(urls, **given)
    except SourceError as error:
        raise type(error)(f"{name}: refers to what cannot be read: {error}") from error
    store = CoalescingStore(found, registry=stores)
    number = sum(map(count_chunks, arrays.values()))
    return OpenedReferences(
        name, kind, store, prefixes_of(urls), lambda: (number, urls), lambda: arrays
    )


def _icechunk(text: str, given: dict[str, Any], *, restricted: bool) -> OpenedReferences:
    with needs_extra("icechunk", "icechunk"):
        import icechunk

    path = local_path(text)
    if path is not None and not os.path.isdir(path):
        if not os.path.exists(path):
            raise SourceNotFoundError(f"{text}: no such file or folder")
        raise SelectionError(
            f"{text}: holds no references: these are .json, .parquet or a repository's folder. "
            'Rasters are opened with xr.open_dataset(path, engine="flac").'
        )
    with reading_icechunk(text):
        repository = icechunk.Repository.open(storage(text, given))
    # The repository itself says what it refers to; to ask for its settings first costs requests.
    prefixes = list(repository.config.virtual_chunk_containers or {})
    if restricted:
        prefixes = [prefix for prefix in prefixes if is_remote(prefix)]
    with reading_icechunk(text):
        allowed = repository.reopen(authorize_virtual_chunk_access=access(prefixes, given))
        session = allowed.readonly_session("main")

    def count() -> tuple[int, list[str]]:
        with reading_icechunk(text):
            locations = session.all_virtual_chunk_locations()
        urls = list(dict.fromkeys(locations))
        refuse_secrets(urls)
        if restricted:
            refuse_local(text, urls)
        return len(locations), list(map(normalized, urls))

    def arrays() -> dict[str, ManifestArray]:
        number, _ = count()
        try:
            with reading_icechunk(text):
                for name, node in zarr.open_group(session.store, mode="r").members(max_depth=None):
                    if isinstance(node, zarr.Array):
                        check_room(node.shape, node.chunks, number, f"{text}: {name}")
                return dict(arrays_below(icechunk_group(session)))
        except FlacError:
            raise
        except Exception as error:  # what VirtualiZarr and Zarr say of anything unexpected
            raise damaged(text, error) from safe_cause(error)

    reader = IcechunkReader(session.store, text)
    return OpenedReferences(text, ICECHUNK, reader, prefixes, count, arrays)
