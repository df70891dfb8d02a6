"""What tells Icechunk that a source has changed: etags on S3, times of change elsewhere.

Knows what was recorded of the sources; asks nobody.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import xarray as xr

from ..model.file_version import FileVersion
from ..virtual.source_versions import attached
from .locations import source_urls


def checksums(
    datasets: Iterable[xr.Dataset], last_modified: datetime | None
) -> dict[str, str | datetime | None]:
    """What tells that a file has changed, by URL.

    Parameters
    ----------
    datasets : iterable of xarray.Dataset
    last_modified : datetime or None
        Holds for all files, whatever is recorded of them.
    """
    known: dict[str, FileVersion] = {}
    datasets = list(datasets)
    for dataset in datasets:
        known |= attached(dataset)
    now = datetime.now(UTC) + timedelta(seconds=1)
    result: dict[str, str | datetime | None] = {}
    for dataset in datasets:
        for url in source_urls(dataset):
            if last_modified is not None:
                result[url] = _whole_second(last_modified)
            elif url in known:
                result[url] = _checksum(url, known[url])
            else:
                result[url] = now
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
