"""Kerchunk references, JSON and parquet, as arrays; checked: anybody may have written them."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from obspec_utils.registry import ObjectStoreRegistry
from virtualizarr.manifests import ManifestGroup

from ..errors import (
    FlacError,
    ReferencesError,
    SelectionError,
    SourceError,
    SourceNotFoundError,
    needs_extra,
    prefixed_with,
    shortened,
)
from ..io.addresses import local_path
from ..io.file_reader import FileReader
from ..io.json_text import parse_json
from ..io.store_errors import STORE_ERRORS, translate
from ..io.stores import resolve
from ..redaction import safe_cause
from ..virtual.manifests import ChunkTables, kerchunk_group
from .trust import kerchunk_locations

if TYPE_CHECKING:
    from virtualizarr.manifests import ManifestArray

References = Mapping[str, Any]

#: Places for chunks that an array may have, 32 bytes of memory each, however few are filled.
_MAX_PLACES = 10**7
#: An array with more places than that may be this many times larger than what is in it.
_MAX_EMPTY = 100
#: Each costs a pass over all references.
_MAX_GROUPS = 64
_PARQUET_MARK = b"PAR1"


def read_json(url: str, registry: ObjectStoreRegistry[Any]) -> References:
    """The references in a JSON document.

    Raises
    ------
    SourceError, ReferencesError
    """
    found = parse_json(FileReader(url, registry).read_all(), url, ReferencesError)
    if not isinstance(found, dict) or not isinstance(found.get("refs"), dict):
        raise ReferencesError(f"{url}: holds no kerchunk references")
    _check_entries(found["refs"], url)
    return found


def read_parquet(url: str, registry: ObjectStoreRegistry[Any]) -> References:
    """The references in a folder of parquet, or in a bucket's; all are read at once.

    Raises
    ------
    SourceError, ReferencesError, SelectionError
    """
    path = local_path(url)
    if path is not None:
        return _read_folder(path, url)
    if url.startswith(("http://", "https://")):
        raise SelectionError(
            f"{url}: parquet references are read from local folders and buckets, which list what "
            "they hold; a web server does not. Fetch the folder, or use JSON or Icechunk."
        )
    with tempfile.TemporaryDirectory() as folder:
        _fetch_folder(url, registry, Path(folder))
        return _read_folder(Path(folder), url)


def _read_folder(folder: Path, url: str) -> References:
    if not folder.is_dir():
        raise SourceNotFoundError(f"{url}: no such folder")
    if not (folder / ".zmetadata").is_file():
        raise ReferencesError(f"{url}: holds no kerchunk references")
    try:
        for path in folder.rglob("refs.*.parq"):
            # fsspec takes what it cannot read for references that are not there.
            data = path.read_bytes()
            if not (data.startswith(_PARQUET_MARK) and data.endswith(_PARQUET_MARK)):
                raise ReferencesError(f"{url}: {path.relative_to(folder)} is no parquet file")
        with needs_extra("kerchunk", "fsspec", "fastparquet", "pandas", "kerchunk"):
            from ..virtual.parquet_folder import read_folder

            found: References = read_folder(folder)
    except FlacError:
        raise
    except OSError as error:
        raise SourceError(f"{url}: {error.strerror or error}") from error
    except Exception as error:  # of whatever reads parquet
        raise damaged(url, error) from safe_cause(error)
    _check_entries(found["refs"], url)
    return found


def _fetch_folder(url: str, registry: ObjectStoreRegistry[Any], folder: Path) -> None:
    """Copy all objects below a URL into a folder."""
    store, prefix = resolve(registry, url)
    prefix = prefix.strip("/")
    try:
        keys = [str(meta["path"]) for page in store.list(prefix) for meta in page]
        objects = ((key.removeprefix(f"{prefix}/"), store.get(key).buffer()) for key in keys)
        for name, data in objects:
            _keep(folder / name, data, url)
    except FlacError:
        raise
    except STORE_ERRORS as error:
        raise translate(error, url) from None
    if not keys:
        raise SourceNotFoundError(f"{url}: no such folder")


def _keep(path: Path, data: Any, url: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    except OSError as error:
        raise SourceError(
            f"{url}: cannot be fetched to {tempfile.gettempdir()}: {error.strerror}"
        ) from error


def all_arrays(references: References, url: str) -> ManifestGroup:
    """The arrays of the root group, those of child groups in groups.

    Raises
    ------
    ReferencesError
        When the references are damaged.
    """
    names = _group_names(references["refs"])
    if len(names) > _MAX_GROUPS:
        raise ReferencesError(f"{url}: has {len(names)} groups; expected {_MAX_GROUPS} at most")
    for name in names:
        if name.rpartition("/")[0] not in ("", *names):
            raise ReferencesError(f"{url}: the group {shortened(name)} is in none")

    def below(path: str) -> ManifestGroup:
        here = arrays_of(references, path or None, url)
        children = {
            name.rpartition("/")[2]: below(name) for name in names
            if name.rpartition("/")[0] == path
        }  # fmt: skip
        return ManifestGroup(here.arrays, children, here.metadata.attributes)

    return below("")


def _group_names(refs: Mapping[str, Any]) -> list[str]:
    return [key.removesuffix("/.zgroup") for key in refs if key.endswith("/.zgroup")]


def arrays_of(references: References, group: str | None, url: str) -> ManifestGroup:
    """The arrays of one group, the root by default.

    Raises
    ------
    SelectionError
        When there is no such group.
    ReferencesError
        When the references are damaged.
    """
    if references.get("gen") or any("{{" in path for path in kerchunk_locations(references)):
        raise ReferencesError(
            f"{url}: its references are made of templates. Write them out in full, as fsspec's "
            "ReferenceFileSystem(url).save_json does."
        )
    refs = references["refs"]
    groups = _group_names(refs)
    if group and group.strip("/") not in ("", *groups) and "zarr.json" not in refs:
        raise SelectionError(f"{url}: has no group {group!r}; it has {groups or 'none'}")
    try:
        _check_places(refs, url)
        with prefixed_with(url):  # what the codec says of its configuration
            found = kerchunk_group(references, group)
        for name, array in found.arrays.items():
            _check_array(array, f"{url}: {name}")
        return found
    except FlacError:
        raise
    except Exception as error:  # what VirtualiZarr and Zarr say of anything unexpected
        raise damaged(url, error) from safe_cause(error)


def _check_entries(refs: Mapping[str, Any], url: str) -> None:
    for key, entry in refs.items():
        if isinstance(entry, str | bytes):
            continue
        if not (isinstance(entry, list | tuple) and len(entry) in (1, 3) and _is_range(*entry)):
            raise ReferencesError(
                f"{url}: {shortened(key)} is {shortened(entry)}; expected text or [path, offset, "
                "length]"
            )


def _is_range(path: Any, offset: Any = 0, length: Any = 0) -> bool:
    """Whether these are a path and where something lies in it; parquet has NaN for no path."""
    missing = isinstance(path, float) and math.isnan(path)
    numbers = all(
        isinstance(n, int | np.integer) and not isinstance(n, bool) and 0 <= n < 2**63
        for n in (offset, length)
    )
    return (missing or isinstance(path, str)) and numbers


def _check_places(refs: Mapping[str, Any], url: str) -> None:
    """Refuse arrays whose tables of chunks would take much more memory than what is in them."""
    for key, text in refs.items():
        if key.endswith(".zarray"):
            array = parse_json(text, f"{url}: {key}", ReferencesError)
            name = f"{url}: {key.removesuffix('/.zarray')}"
            check_room(array["shape"], array["chunks"], len(refs), name)


def check_room(shape: Sequence[int], chunks: Sequence[int], count: int, name: str) -> None:
    """Refuse an array with room for many more chunks than the `count` references there are.

    Raises
    ------
    ReferencesError
    """
    places = math.prod(
        -(-int(size) // max(int(chunk), 1)) for size, chunk in zip(shape, chunks, strict=True)
    )
    if places > max(_MAX_PLACES, _MAX_EMPTY * count):
        raise ReferencesError(
            f"{name} has room for {places} chunks, but there are {count} references in all"
        )


def _check_array(array: ManifestArray, name: str) -> None:
    """Refuse what would only fail when pixels are read, and in words of other libraries."""
    for key in ("scale_factor", "add_offset"):
        value = array.metadata.attributes.get(key, 1)
        if not isinstance(value, int | float):
            raise ReferencesError(f"{name}: {key} is {shortened(value)}, expected a number")
    tables = ChunkTables.of(array)
    if tables is None or len(array.metadata.codecs) > 1:
        return
    # Not compressed.
    size = math.prod(array.metadata.chunks) * array.dtype.itemsize
    lengths = tables.lengths[tables.lengths != 0]
    if (lengths != size).any():
        raise ReferencesError(
            f"{name}: has no codec, but chunks of {lengths[lengths != size][0]} bytes; expected "
            f"{size} for {array.metadata.chunks} of {array.dtype}"
        )


def damaged(url: str, error: Exception) -> ReferencesError:
    """What another library says of references, as one of ours."""
    said = shortened(f"{type(error).__name__}: {error}")
    return ReferencesError(f"{url}: the references are damaged ({said})")
