"""Virtual datasets to Icechunk repositories: new ones, and more along a dimension of old ones.

VirtualiZarr writes arrays and coordinates; the references to chunks go in file by file, each with
what tells that the file has changed.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import virtualizarr  # noqa: F401  (registers the accessor `Dataset.vz`)
import xarray as xr

from ..errors import (
    SelectionError,
    SourceNotFoundError,
    TargetExistsError,
    needs_extra,
    prefixed_with,
)
from ..io.stores import is_remote
from ..virtual.arrays import inline_loaded
from ..virtual.manifests import (
    ChunkTables,
    chunk_tables,
    virtual_arrays,
    with_tables,
    with_variables,
)
from .icechunk_append import append
from .icechunk_chunks import checksums, set_references
from .icechunk_settings import (
    access,
    container,
    repository_config,
    splitting_config,
    storage,
)
from .locations import source_prefixes
from .target import Target

#: Values of a new dimension in one chunk, so that a cube that grows day by day has few of them.
_COORDINATE_CHUNK = 1024


def write_icechunk(
    vds: xr.Dataset,
    target: str | os.PathLike[str],
    *,
    groups: Mapping[str, xr.Dataset] | None = None,
    append_dim: str | None = None,
    overwrite: bool = False,
    last_modified: datetime | None = None,
    message: str | None = None,
    store_options: Mapping[str, Any] | None = None,
) -> str:
    """Write a virtual dataset into a new Icechunk repository, or append it to an old one.

    Parameters
    ----------
    vds : xarray.Dataset
        A virtual dataset, as from ``open_virtual_dataset`` or `stack`.
    target : str or path
        Local folder or ``s3://bucket/prefix`` of the repository; must not exist without
        `overwrite`, and must with `append_dim`.
    groups : Mapping of str to xarray.Dataset, optional
        Virtual datasets for child groups, such as overviews.
    append_dim : str, optional
        Append along this dimension, in one commit. Everything else must agree, and the new values
        must come after the old ones.
    overwrite : bool
        Whether an existing repository may be replaced: by one commit, the past stays in its
        history.
    last_modified : datetime, optional
        The sources' own time of change, where `vds` does not know it. Icechunk refuses to read a
        source that has changed since; see Notes.
    message : str, optional
        Of the commit.
    store_options : Mapping, optional
        Options of the stores of target and sources, as for `registry_for`. Where chunks lie is
        written into the repository, keys are not: readers bring their own.

    Returns
    -------
    str
        The snapshot's id.

    Raises
    ------
    TargetExistsError
        When the target exists.
    SourceNotFoundError
        When it does not, but `append_dim` is given.
    MismatchError
        When what is appended does not fit, or is there already.
    TargetFolderError
        When the folder of the target does not exist.
    SourceError
        When the sources lie where Icechunk cannot read.

    Notes
    -----
    For files on S3, Icechunk is told the etags that were read with the headers; elsewhere the
    times of change, to the second. A file that changes afterwards is an error for whoever reads
    the cube. Files of which nothing is known must not change from now on.
    """
    with needs_extra("icechunk", "icechunk"):
        import icechunk

    options = dict(store_options or {})
    parts: dict[str | None, xr.Dataset] = {None: vds}
    parts.update((groups or {}).items())
    prefixes = list(dict.fromkeys(p for part in parts.values() for p in source_prefixes(part)))
    destination = Target(target, options)
    where = storage(target, options)
    exists = icechunk.Repository.exists(where)
    versions = checksums(parts.values(), last_modified)
    if append_dim is not None:
        if not exists:
            raise SourceNotFoundError(f"{target}: there is no Icechunk repository to append to")
        if groups:
            raise SelectionError("groups cannot be appended to; append to each by itself")
        session = _session(
            where, prefixes, options, exists=True, restricted=is_remote(str(destination))
        )
        with prefixed_with(str(target)):
            append(vds, _ready(vds), session.store, append_dim, versions)
        appended: str = session.commit(message or f"Append along {append_dim}")
        return appended
    if not (exists and overwrite):
        if exists or destination.exists():
            raise TargetExistsError(f"{target} exists; choose another target or remove it")
        destination.check_folder()
    manifest = icechunk.ManifestConfig(splitting=splitting_config(parts))
    try:
        session = _session(where, prefixes, options, manifest, exists=exists)
        if exists:
            session.store.sync_clear()
        for name, part in parts.items():
            _write(part, session.store, name, versions)
        snapshot: str = session.commit(message or "Add virtual references")
    except BaseException:
        if not exists:
            destination.remove()
        raise
    return snapshot


def _session(
    where: Any, prefixes: list[str], options: Mapping[str, Any], manifest: Any = None, *,
    exists: bool, restricted: bool = False,
) -> Any:  # fmt: skip
    """A session of a new or old repository, with containers for what its new chunks need.

    A `restricted` one reads no file of this machine, whatever the old repository names.
    """
    import icechunk

    old = icechunk.Repository.fetch_config(where) if exists else None
    config = old or repository_config(options)
    if manifest is not None:
        config.manifest = manifest
    known = list(config.virtual_chunk_containers or {}) if exists else []
    new = [prefix for prefix in prefixes if not prefix.startswith(tuple(known))]
    for prefix in new:
        config.set_virtual_chunk_container(container(prefix, options))
    enter = icechunk.Repository.open if exists else icechunk.Repository.create
    readable = [prefix for prefix in (*known, *new) if is_remote(prefix) or not restricted]
    repository = enter(
        where, config=config, authorize_virtual_chunk_access=access(readable, options)
    )
    if new or manifest is not None:
        repository.save_config()
    return repository.writable_session("main")


def _write(vds: xr.Dataset, store: Any, group: str | None, versions: Mapping[str, Any]) -> None:
    tables = chunk_tables(vds)
    bare = with_tables(
        _ready(vds), {name: ChunkTables.absent(found.paths.shape) for name, found in tables.items()}
    )
    bare.vz.to_icechunk(store, group=group, validate_containers=False)
    for name, found in tables.items():
        set_references(store, f"{group}/{name}" if group else str(name), found, versions)


def _ready(vds: xr.Dataset) -> xr.Dataset:
    """Small coordinates inside the manifests; new dimensions as arrays that can grow."""
    variables = dict(inline_loaded(vds).variables)
    virtual = virtual_arrays(vds)
    for name, variable in vds.variables.items():
        if name in ("band", "x", "y") or name in virtual:
            continue
        growing = variable.to_base_variable().copy(deep=False)
        if variable.ndim:
            chunk = max(variable.shape[0], _COORDINATE_CHUNK)
            growing.encoding = {**variable.encoding, "chunks": (chunk, *variable.shape[1:])}
        variables[name] = growing
    return with_variables(vds, variables)
