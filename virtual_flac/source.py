"""URL and registry to `TileIndex`: the only I/O of reading.

Fetches a prefix of the file, grows it when a layout asks for more, and says which URL a fault is
in. Knows nothing of what the header contains.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from obspec_utils.registry import ObjectStoreRegistry

from . import layouts
from .errors import (
    FlacError,
    LayoutError,
    NeedBytes,
    SourceError,
    SourceNotFoundError,
    SourcePermissionError,
)
from .index import TileIndex
from .stores import first_line, registry_for, to_url

#: Bytes of the first request: an index of 64 KiB, its size, and the comments of a first tile.
PREFIX_BYTES = 80 * 1024


def read_index(
    url: str | os.PathLike[str], registry: ObjectStoreRegistry[Any] | None = None
) -> TileIndex:
    """Read the header of a FLAC raster.

    Parameters
    ----------
    url : str or path
        Local path or URL.
    registry : ObjectStoreRegistry, optional
        Stores to read with; made by `registry_for` when not given.

    Returns
    -------
    TileIndex

    Raises
    ------
    SourceError
        When the file cannot be read.
    LayoutError
        When it is no FLAC raster, or a damaged one.

    Notes
    -----
    Costs one ranged GET for an index of up to 64 KiB, two for a larger one.
    """
    address = to_url(url)
    if registry is None:
        registry = registry_for(address)
    store, path = _resolve(registry, address)
    head, size, meta = _read_prefix(store, path, address)
    while True:
        try:
            index = layouts.parse(head, size)
        except NeedBytes as need:
            if need.end <= len(head) or need.end > size:
                raise LayoutError(
                    f"{address}: the header needs the first {need.end} bytes, but the file has "
                    f"{size}: it is cut short or damaged"
                ) from None
            head += _read_range(store, path, address, len(head), need.end)
        except FlacError as error:
            raise type(error)(f"{address}: {error}") from error
        else:
            return replace(index, etag=meta.get("e_tag"), last_modified=meta.get("last_modified"))


def read_start(url: str | os.PathLike[str], count: int) -> bytes:
    """The first `count` bytes of a file, or fewer when it is shorter.

    Raises
    ------
    SourceError
        When the file cannot be read.
    """
    address = to_url(url)
    store, path = _resolve(registry_for(address), address)
    return _read_range(store, path, address, 0, count)


def read_ranges(
    url: str | os.PathLike[str],
    starts: Sequence[int],
    lengths: Sequence[int],
    registry: ObjectStoreRegistry[Any] | None = None,
) -> list[Any]:
    """Several pieces of a file; the store merges neighbours into one request.

    Parameters
    ----------
    url : str or path
    starts, lengths : sequence of int
        In bytes.
    registry : ObjectStoreRegistry, optional
        Stores to read with.

    Returns
    -------
    list of buffers

    Raises
    ------
    SourceError
        When the file cannot be read.
    """
    address = to_url(url)
    store, path = _resolve(registry or registry_for(address), address)
    try:
        return list(store.get_ranges(path, starts=starts, lengths=lengths))
    except Exception as error:
        raise _translate(error, address) or SourceError(
            f"{address}: reading {len(starts)} tiles failed: {first_line(error)}"
        ) from error


def _resolve(registry: ObjectStoreRegistry[Any], url: str) -> tuple[Any, str]:
    try:
        store, path = registry.resolve(url)
    except ValueError as error:
        raise SourceError(
            f"{url}: the registry has no store for it. Make one with registry_for([{url!r}])."
        ) from error
    return store, str(path)


def _read_prefix(store: Any, path: str, url: str) -> tuple[bytes, int, Any]:
    """The first bytes, with the size of the file and the store's other metadata, in one request."""
    try:
        result = store.get(path, options={"range": (0, PREFIX_BYTES)})
        return bytes(result.buffer()), int(result.meta["size"]), result.meta
    except Exception as error:
        known = _translate(error, url)
        if known is not None:
            raise known from error
        return _read_small_file(store, path, url, error)


def _read_small_file(store: Any, path: str, url: str, cause: Exception) -> tuple[bytes, int, Any]:
    """A whole file: some servers answer 200 to a range that covers all of it."""
    try:
        meta = store.head(path)
        if int(meta["size"]) <= PREFIX_BYTES:
            result = store.get(path)
            return bytes(result.buffer()), int(meta["size"]), meta
    except Exception as error:
        raise _translate(error, url) or SourceError(f"{url}: {first_line(error)}") from error
    raise SourceError(
        f"{url}: {first_line(cause)}. The server may not support range requests, which reading "
        "single tiles needs."
    ) from cause


def _read_range(store: Any, path: str, url: str, start: int, end: int) -> bytes:
    try:
        return bytes(store.get_range(path, start=start, end=end))
    except Exception as error:
        raise _translate(error, url) or SourceError(
            f"{url}: reading bytes {start} to {end} failed: {first_line(error)}"
        ) from error


def _translate(error: Exception, url: str) -> SourceError | None:
    if isinstance(error, FileNotFoundError):
        return SourceNotFoundError(f"{url}: no such file or object")
    if isinstance(error, PermissionError) or type(error).__name__ in (
        "PermissionDeniedError",
        "UnauthenticatedError",
    ):
        return SourcePermissionError(
            f"{url}: access denied. Check the credentials; for a public bucket pass "
            "skip_signature=True or set AWS_SKIP_SIGNATURE=true."
        )
    return None
