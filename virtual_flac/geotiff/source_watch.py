"""Whether what GDAL reads stays as it was: it reads headers and pixels at different times."""

from __future__ import annotations

import contextlib
import os
from typing import Any

import numpy as np
from obspec_utils.registry import ObjectStoreRegistry

from ..errors import SourceChangedError, SourceError
from ..gdal.raster import GdalSource
from ..io.file_reader import FileReader
from ..io.stores import is_remote, registry_for, to_url
from ..model.file_version import FileVersion
from ..rasters import RasterSource, Source


class SourceWatch:
    """Remembers what was said of the files of a source, to be made before it is opened.

    Of a URL, its server is asked, once in the beginning and once in the end; what cannot be asked
    for is not compared.
    """

    def __init__(self, source: Source) -> None:
        self._name = os.fspath(source if isinstance(source, str | os.PathLike) else source.name)
        self._seen: dict[str, FileVersion] = {}
        self._reader: FileReader | None = None
        self._note(self._name)

    def begin(self, raster: RasterSource, registry: ObjectStoreRegistry[Any] | None) -> None:
        """Look at the files of the raster that was opened, such as those with its overviews."""
        if not isinstance(raster, GdalSource):
            # Every answer is compared with the first one.
            self._seen.clear()
            return
        for name in raster.dataset.files:
            self._note(name)
        if is_remote(self._name):
            with contextlib.suppress(SourceError):  # a signed URL, say, is no key of a store
                self._reader = FileReader(to_url(self._name), registry or registry_for(self._name))
                self._seen[self._name] = self._reader.ask_version()

    def check(self) -> None:
        """Refuse what has changed since.

        Raises
        ------
        SourceChangedError
        """
        for name, before in self._seen.items():
            now = self._ask(name)
            difference = "it is gone" if now is None else before.difference(now)
            if difference is not None:
                raise SourceChangedError(
                    f"{name}: changed while it was read, {difference}. Nothing was written; once "
                    "it is complete, start again."
                )

    def _note(self, name: str) -> None:
        version = _local_version(name)
        if version is not None:
            self._seen.setdefault(name, version)

    def _ask(self, name: str) -> FileVersion | None:
        if not is_remote(name):
            return _local_version(name)
        assert self._reader is not None
        with contextlib.suppress(SourceError):
            return self._reader.ask_version()
        return FileVersion()


def _local_version(name: str) -> FileVersion | None:
    """Size and time of change of a local file; None of anything else."""
    with contextlib.suppress(OSError, ValueError):
        found = os.stat(name.removeprefix("file://"))
        return FileVersion(found.st_size, None, np.datetime64(found.st_mtime_ns, "ns"))
    return None
