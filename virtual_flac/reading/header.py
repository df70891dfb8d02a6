"""URL and registry to `TileIndex`: the only I/O of reading.

Reads a prefix of the file, grows it when a layout asks for more, and says which URL a fault is in.
Knows nothing of what the header contains, nor how a store is asked.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from obspec_utils.registry import ObjectStoreRegistry

from .. import layouts
from ..errors import FlacError, LayoutError, NeedBytes, SourceError
from ..io.file_reader import SMALL_FILE_BYTES, FileReader, resolve, translate
from ..io.header_cache import HEADERS
from ..io.stores import registry_for, to_url
from ..io.workers import Progress
from ..model.file_version import FileVersion
from ..model.index import TileIndex
from .frame_scan import locate_tiles

#: Bytes of the first request: an index of 64 KiB, its size, and the comments of a first tile.
PREFIX_BYTES = SMALL_FILE_BYTES


def read_index(
    url: str | os.PathLike[str],
    registry: ObjectStoreRegistry[Any] | None = None,
    *,
    refresh: bool = False,
    progress: Progress | None = None,
) -> TileIndex:
    """Read the header of a FLAC raster.

    Parameters
    ----------
    url : str or path
        Local path or URL.
    registry : ObjectStoreRegistry, optional
        Stores to read with; made by `registry_for` when not given.
    refresh : bool
        Whether to ask the store even for a header that was read with the same registry before.
    progress : callable, optional
        Called with the bytes read and the bytes in all while a file that does not say where its
        frames stand is looked through.

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
    Costs one ranged GET for an index of up to 64 KiB, two for a larger one, and none for a file
    whose header was read with the same registry before, unless that file was since found changed.
    flac-raster's plain files are read once as a whole, unless they have a seek table.
    """
    address = to_url(url)
    if registry is None:
        registry = registry_for(address)
    store, _ = resolve(registry, address)
    index: TileIndex | None = None if refresh else HEADERS.get(registry, address, store)
    if index is None:
        index = _read_header(address, registry, progress)
        HEADERS.put(registry, address, store, index, weight=index.tile_count)
    return index


def _read_header(
    address: str, registry: ObjectStoreRegistry[Any], progress: Progress | None
) -> TileIndex:
    reader = FileReader(address, registry)
    head, version = reader.read_prefix(PREFIX_BYTES)
    size = version.size
    assert size is not None
    while True:
        try:
            parsed = layouts.parse(head, size)
            index = (
                parsed
                if isinstance(parsed, TileIndex)
                else locate_tiles(parsed, FileReader(address, registry, version), head, progress)
            )
        except NeedBytes as need:
            if need.end <= len(head) or need.end > size:
                raise LayoutError(
                    f"{address}: the header needs the first {need.end} bytes, but the file has "
                    f"{size}: it is cut short or damaged"
                ) from None
            what = f"bytes {len(head)} to {need.end} of the header"
            head += FileReader(address, registry, version).get(len(head), need.end, what)
        except SourceError:
            raise  # says where it is
        except FlacError as error:
            raise type(error)(f"{address}: {error}") from error
        else:
            return replace(index, etag=version.etag, last_modified=version.last_modified)


def read_start(
    url: str | os.PathLike[str],
    count: int,
    registry: ObjectStoreRegistry[Any] | None = None,
) -> bytes:
    """The first `count` bytes of a file, or fewer when it is shorter.

    Raises
    ------
    SourceError
        When the file cannot be read.
    """
    address = to_url(url)
    return FileReader(address, registry or registry_for(address)).read_prefix(count)[0]


def read_whole(
    url: str | os.PathLike[str], registry: ObjectStoreRegistry[Any] | None = None
) -> bytes:
    """All bytes of a small file, in one request.

    Raises
    ------
    SourceError
        When the file cannot be read.
    """
    address = to_url(url)
    store, path = resolve(registry or registry_for(address), address)
    try:
        return bytes(store.get(path).buffer())
    except Exception as error:
        raise translate(error, address) from None


def file_version(url: str, registry: ObjectStoreRegistry[Any]) -> FileVersion:
    """What the store says of a file, by one HEAD request.

    Raises
    ------
    SourceError
        When the file is not there or must not be read.
    """
    store, path = resolve(registry, url)
    try:
        return FileVersion.of(store.head(path))
    except Exception as error:
        raise translate(error, url) from None


def read_ranges(
    url: str | os.PathLike[str],
    starts: Sequence[int],
    lengths: Sequence[int],
    registry: ObjectStoreRegistry[Any] | None = None,
    *,
    max_gap: int = 0,
) -> list[memoryview]:
    """Several pieces of a file; those that touch come with one request, as views into one buffer.

    Parameters
    ----------
    url : str or path
    starts, lengths : sequence of int
        In bytes.
    registry : ObjectStoreRegistry, optional
        Stores to read with.
    max_gap : int
        Bytes between two pieces that are rather read than spent on a request of their own.

    Returns
    -------
    list of memoryview
        In the order asked for.

    Raises
    ------
    SourceError
        When the file cannot be read.
    """
    address = to_url(url)
    reader = FileReader(address, registry or registry_for(address), max_gap=max_gap)
    return reader.read([int(start) for start in starts], [int(length) for length in lengths])
