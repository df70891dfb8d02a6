"""References to chunks into an Icechunk session, each with what tells that its file has changed.

Icechunk checks etags on S3, and times of change elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import xarray as xr

from ..io.addresses import fully_quoted
from ..model.file_version import FileVersion
from ..virtual.manifests import ChunkTables
from ..virtual.source_versions import attached
from .locations import source_urls


def checksums(
    datasets: Iterable[xr.Dataset], last_modified: datetime | None
) -> dict[str, str | datetime | None]:
    """What tells that a file has changed, by URL.

    `last_modified` holds for all files, whatever is recorded of them.
    """
    now = datetime.now(UTC) + timedelta(seconds=1)
    result: dict[str, str | datetime | None] = {}
    for dataset in datasets:
        known = attached(dataset)
        for url in source_urls(dataset):
            if last_modified is not None:
                result[url] = _whole_second(last_modified)
            elif url in known:
                result[url] = _checksum(url, known[url])
            else:
                result.setdefault(url, now)
    return result


def _checksum(url: str, version: FileVersion) -> str | datetime | None:
    # Icechunk sends etags without their quotes. S3 takes that; nginx, as HTTP says, does not.
    if url.startswith("s3://") and version.etag:
        return version.etag
    return None if version.last_modified is None else _whole_second(version.last_modified)


def _whole_second(moment: datetime) -> datetime:
    """The next whole second: Icechunk keeps no fractions and would take its own as a change."""
    whole = moment.replace(microsecond=0)
    return whole if whole == moment else whole + timedelta(seconds=1)


def set_references(
    store: Any,
    path: str,
    tables: ChunkTables,
    versions: Mapping[str, Any],
    offset: tuple[int, ...] | None = None,
) -> None:
    """Enter the chunks of the array at `path`, those of one file at a time.

    `versions` say by URL what tells that a file has changed, as `checksums` gives them. `offset` is
    the number of chunks along each axis that are there already.
    """
    for block, url in tables.blocks():
        start = [axis.start for axis in block]
        lengths = tables.lengths[block].ravel()
        if url is None:
            locations: list[str] = tables.paths[block].ravel().tolist()
            files = {u: versions.get(u) for u in dict.fromkeys(locations) if u}
        else:
            locations, files = [url] * lengths.size, {url: versions.get(url)}
        for checksum in dict.fromkeys(files.values()):
            # An empty location stands for a chunk that this call leaves alone.
            names = {u: fully_quoted(u) for u, found in files.items() if found == checksum}
            chosen = [
                names.get(location, "") if length else ""
                for location, length in zip(locations, lengths.tolist(), strict=True)
            ]
            if not any(chosen):
                continue
            first = [a + b for a, b in zip(start, offset or (0,) * len(start), strict=True)]
            store.set_virtual_refs_arr(
                array_path=path,
                chunk_grid_shape=tuple(axis.stop - axis.start for axis in block),
                locations=chosen,
                offsets=np.ascontiguousarray(tables.offsets[block].ravel()),
                lengths=np.ascontiguousarray(lengths),
                validate_containers=False,
                arr_offset=tuple(first) if any(first) else None,
                checksum=checksum,
            )
