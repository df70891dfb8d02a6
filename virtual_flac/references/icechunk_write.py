"""Virtual datasets to Icechunk repositories: new ones, and more along a dimension of old ones.

VirtualiZarr writes arrays and coordinates; the references to chunks go in file by file, each with
what tells that the file has changed.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

import virtualizarr  # noqa: F401  (registers the accessor `Dataset.vz`)
import xarray as xr

from ..errors import (
    SelectionError,
    SourceNotFoundError,
    TargetError,
    TargetExistsError,
    needs_extra,
    prefixed_with,
)
from ..io.addresses import refuse_unspeakable
from ..io.stores import is_remote
from ..model.arguments import check_arguments, checked
from ..model.text import is_unicode
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
from .icechunk_errors import writing_icechunk
from .icechunk_settings import (
    access,
    container,
    repository_config,
    splitting_config,
    storage,
)
from .locations import source_prefixes, source_urls
from .target import Target
from .trust import refuse_secrets

Parts = Mapping[str | None, xr.Dataset]

#: Values of a new dimension in one chunk, so that a cube that grows day by day has few of them.
_COORDINATE_CHUNK = 1024


@checked
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
    TargetError
        When the disk is full, for example, or somebody else writes at the same time.
    SourceError
        When the sources lie where Icechunk cannot read, or a store refuses the target.

    Notes
    -----
    For files on S3, Icechunk is told the etags that were read with the headers; elsewhere the
    times of change, to the second. A file that changes afterwards is an error for whoever reads
    the cube. Files of which nothing is known must not change from now on.
    """
    with needs_extra("icechunk", "icechunk"):
        import icechunk

    options = dict(store_options or {})
    parts = with_groups(vds, groups)
    destination = Target(target, options)
    if destination.path is not None:
        refuse_unspeakable(os.path.abspath(destination.path), TargetError)
    if message is not None and not is_unicode(message):
        raise SelectionError("message holds half of a surrogate pair, which no file can hold")
    with writing_icechunk(target):
        where = storage(target, options)
        # Icechunk fails where a file is.
        exists = destination.may_be_folder() and icechunk.Repository.exists(where)
        if append_dim is not None:
            if not exists:
                raise SourceNotFoundError(f"{target}: there is no Icechunk repository to append to")
            if groups:
                raise SelectionError("groups cannot be appended to; append to each by itself")
            session = _session(
                _open(where, parts, options, mode="append", restricted=is_remote(str(destination)))
            )
            with prefixed_with(str(target)):
                append(vds, _ready(vds), session.store, append_dim, checksums([vds], last_modified))
            appended: str = session.commit(message or f"Append along {append_dim}")
            return appended
        if exists and overwrite:
            session = _session(_open(where, parts, options, mode="replace"))
            session.store.sync_clear()
            return _fill(session, parts, last_modified, message)
    if destination.exists():
        raise TargetExistsError(f"{target} exists; choose another target or remove it")
    destination.check_folder()
    if destination.path is None:
        return create_repository(parts, target, options, last_modified, message)
    with destination.replacing(overwrite=False) as part:
        return create_repository(parts, part, options, last_modified, message)


def with_groups(vds: xr.Dataset, groups: Mapping[str, xr.Dataset] | None) -> Parts:
    """Virtual datasets by the paths of their groups, None for the root."""
    parts: dict[str | None, xr.Dataset] = {None: vds}
    for path, each in (groups or {}).items():
        check_arguments(vds=each)
        parts[path] = each
    return parts


def create_repository(
    parts: Parts,
    target: str | os.PathLike[str],
    options: Mapping[str, Any],
    last_modified: datetime | None = None,
    message: str | None = None,
) -> str:
    """Write a new repository, see `write_icechunk`; when that fails, nothing of it stays.

    Raises
    ------
    TargetExistsError
        When there is one; of several that create it at the same moment, for all but one.
    """
    where = storage(target, options)
    with writing_icechunk(target, creating=True):
        repository = _open(where, parts, options, mode="create")
    # From here on what is there is ours.
    try:
        with writing_icechunk(target):
            return _fill(_session(repository), parts, last_modified, message)
    except BaseException:
        Target(target, options).remove()
        raise


def _open(
    where: Any, parts: Parts, options: Mapping[str, Any], *,
    mode: Literal["create", "replace", "append"], restricted: bool = False,
) -> tuple[Any, bool]:  # fmt: skip
    """A new or old repository with containers for new chunks; whether its settings are new.

    A `restricted` one reads no file of this machine, whatever the old repository names.
    """
    import icechunk

    for part in parts.values():
        refuse_secrets(source_urls(part))
    prefixes = list(dict.fromkeys(p for part in parts.values() for p in source_prefixes(part)))
    old = None if mode == "create" else icechunk.Repository.fetch_config(where)
    config = old or repository_config(options)
    known = list(config.virtual_chunk_containers or {}) if mode != "create" else []
    new = [prefix for prefix in prefixes if not prefix.startswith(tuple(known))]
    for prefix in new:
        config.set_virtual_chunk_container(container(prefix, options))
    if mode != "append":
        config.manifest = icechunk.ManifestConfig(splitting=splitting_config(parts))
    enter = icechunk.Repository.create if mode == "create" else icechunk.Repository.open
    readable = [prefix for prefix in (*known, *new) if is_remote(prefix) or not restricted]
    repository = enter(
        where, config=config, authorize_virtual_chunk_access=access(readable, options)
    )
    return repository, bool(new) or mode != "append"


def _session(opened: tuple[Any, bool]) -> Any:
    repository, changed = opened
    if changed:
        repository.save_config()
    return repository.writable_session("main")


def _fill(session: Any, parts: Parts, last_modified: datetime | None, message: str | None) -> str:
    versions = checksums(parts.values(), last_modified)
    for name, part in parts.items():
        _write(part, session.store, name, versions)
    snapshot: str = session.commit(message or "Add virtual references")
    return snapshot


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
