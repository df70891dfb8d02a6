"""What the first bytes of a FLAC file say: read once, grown when a layout asks for more."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

from obspec_utils.registry import ObjectStoreRegistry
from zarr_flac import FlacInfo

from .. import layouts
from ..errors import LayoutError, NeedBytes, UnknownLayoutError, prefixed_with
from ..io.file_reader import FileReader
from ..io.reference_kinds import refuse_references
from ..io.stores import registry_for, to_url
from ..io.workers import Progress
from ..layouts.plain import describe_sound
from ..model.arguments import checked
from ..model.index import TileIndex
from .frame_scan import locate_tiles

#: Bytes of the first request: a header of our own with 3,000 tiles.
PREFIX_BYTES = 32 * 1024


class HeaderReader(os.PathLike[str]):
    """Reads the header of one file, each byte once.

    Stands for the path or URL of the file, so that who has looked into it can hand on both.
    """

    def __init__(
        self,
        url: str | os.PathLike[str],
        registry: ObjectStoreRegistry[Any] | None = None,
    ) -> None:
        self._name = os.fspath(url)
        address = to_url(url)
        self.file = FileReader(address, registry or registry_for(address))
        self._head = b""

    def __fspath__(self) -> str:
        return self._name

    @property
    def size(self) -> int:
        """Bytes of the file, once something has been read."""
        version = self.file.version
        assert version is not None
        assert version.size is not None
        return version.size

    def first_bytes(self, end: int = PREFIX_BYTES) -> bytes:
        """The first `end` bytes or more of them, all of a shorter file."""
        if self.file.version is None:
            self._head = self.file.read_prefix(max(end, PREFIX_BYTES))
        have, end = len(self._head), min(end, self.size)
        if have < end:
            self._head += self.file.get(have, end, f"bytes {have} to {end} of the header")
        return self._head

    def parse(self) -> layouts.Parsed:
        """What the header says, by as few requests as it takes."""
        refuse_references(self.file.url)
        head = self.first_bytes()
        refuse_references(self.file.url, head)
        while True:
            try:
                with prefixed_with(self.file.url):
                    return layouts.parse(head, self.size)
            except NeedBytes as need:
                if not len(head) < need.end <= self.size:
                    raise LayoutError(
                        f"{self.file.url}: the header needs the first {need.end} bytes, but the "
                        f"file has {self.size}: it is cut short or damaged"
                    ) from None
                head = self.first_bytes(need.end)

    def read_index(self, progress: Progress | None = None) -> TileIndex:
        """The raster and its tiles, see the function `read_index`."""
        parsed = self.parse()
        with prefixed_with(self.file.url):
            if isinstance(parsed, FlacInfo):
                raise UnknownLayoutError(describe_sound(parsed))
            if not isinstance(parsed, TileIndex):
                parsed = locate_tiles(parsed, self.file, self._head, progress)
        assert self.file.version is not None
        return replace(parsed, version=self.file.version)


@checked
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
    Costs one GET of 32 KiB for a raster of up to 3,000 tiles, overviews counted, and a second one
    for more. So do flac-raster's streaming files, whose headers take more bytes a tile: one GET
    for up to some 70 tiles. Its plain files are read once as a whole, unless they have a seek
    table.
    """
    return HeaderReader(url, registry).read_index(progress)
