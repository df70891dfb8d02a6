"""URL and registry to `TileIndex`: the only I/O of reading.

Reads a prefix of the file, grows it when a layout asks for more, and says which URL a fault is in.
Knows nothing of what the header contains, nor how a store is asked.
"""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

from obspec_utils.registry import ObjectStoreRegistry

from .. import layouts
from ..errors import FlacError, LayoutError, NeedBytes, SourceError
from ..io.file_reader import SMALL_FILE_BYTES, FileReader
from ..io.stores import registry_for, to_url
from ..io.workers import Progress
from ..model.index import TileIndex
from .frame_scan import locate_tiles

#: Bytes of the first request: an index of 64 KiB, its size, and the comments of a first tile.
PREFIX_BYTES = SMALL_FILE_BYTES


def read_index(
    url: str | os.PathLike[str],
    registry: ObjectStoreRegistry[Any] | None = None,
    *,
    progress: Progress | None = None,
) -> TileIndex:
    """Read the header of a FLAC raster.

    Parameters
    ----------
    url : str or path
        Local path or URL.
    registry : ObjectStoreRegistry, optional
        Stores to read with; made by `registry_for` when not given.
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
    Costs one ranged GET for an index of up to 64 KiB, two for a larger one.
    flac-raster's plain files are read once as a whole, unless they have a seek table.
    """
    address = to_url(url)
    return _read_header(address, registry or registry_for(address), progress)


def _read_header(
    address: str, registry: ObjectStoreRegistry[Any], progress: Progress | None
) -> TileIndex:
    reader = FileReader(address, registry)
    head = reader.read_prefix(PREFIX_BYTES)
    version = reader.version
    assert version is not None
    size = version.size
    assert size is not None
    while True:
        try:
            parsed = layouts.parse(head, size)
            index = (
                parsed
                if isinstance(parsed, TileIndex)
                else locate_tiles(parsed, reader, head, progress)
            )
        except NeedBytes as need:
            if need.end <= len(head) or need.end > size:
                raise LayoutError(
                    f"{address}: the header needs the first {need.end} bytes, but the file has "
                    f"{size}: it is cut short or damaged"
                ) from None
            what = f"bytes {len(head)} to {need.end} of the header"
            head += reader.get(len(head), need.end, what)
        except SourceError:
            raise  # says where it is
        except FlacError as error:
            raise type(error)(f"{address}: {error}") from error
        else:
            return replace(index, version=version)
