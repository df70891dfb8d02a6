"""What stores said of the files that a virtual dataset refers to: etag, time of change, size.

Virtual datasets carry it in their encoding, which is never written.
"""

from __future__ import annotations

from collections.abc import Mapping

import xarray as xr

from ..model.file_version import FileVersion

_KEY = "virtual_flac_sources"


def attach(dataset: xr.Dataset, versions: Mapping[str, FileVersion]) -> None:
    """Note the versions of the files, by URL, in the dataset."""
    dataset.encoding[_KEY] = dict(versions)


def attached(dataset: xr.Dataset) -> dict[str, FileVersion]:
    """The versions by URL; empty where nothing was noted or an operation has forgotten it."""
    return dict(dataset.encoding.get(_KEY, {}))
