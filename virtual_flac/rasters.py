"""One way to open a raster for reading: FLAC, or whatever GDAL reads, by path or URL."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from obspec_utils.registry import ObjectStoreRegistry

from .io.workers import available_cores
from .layouts._stream import begins_stream
from .model.grid import Window
from .model.index import RasterInfo, TileIndex
from .reading.header import HeaderReader
from .reading.tiles import TileReader

_GEOTIFF_SUFFIXES = (".tif", ".tiff", ".gtiff")
_FLAC_SUFFIXES = (".flac",)
_SCHEMES = (
    "file",
    "http",
    "https",
    "s3",
    "s3a",
    "gs",
    "gcs",
    "az",
    "azure",
    "adl",
    "abfs",
    "abfss",
)


class RasterSource(Protocol):
    """What is needed of a raster to compare, show or convert it."""

    @property
    def name(self) -> str:
        """Path or URL."""

    @property
    def info(self) -> RasterInfo:
        """All that is known of it but its pixels."""

    @property
    def sizes(self) -> Sequence[tuple[int, int]]:
        """Width and height of each level, the full resolution first."""

    @property
    def block_shape(self) -> tuple[int, int]:
        """Height and width of the pieces in which it is stored."""

    @property
    def by_pixel(self) -> bool:
        """Whether all bands of a pixel are stored together."""

    @property
    def masked_bands(self) -> Sequence[int]:
        """1-based bands with a mask of their own, which is neither nodata nor an alpha band."""

    def read(
        self, window: Window, *, level: int = 0, bands: Sequence[int] | None = None
    ) -> npt.NDArray[Any]:
        """Pixels as they are stored, shape (band, y, x); bands are 1-based."""

    def read_mask(
        self, window: Window, *, level: int = 0, bands: Sequence[int] | None = None
    ) -> npt.NDArray[np.bool_]:
        """Where masks of the bands' own let pixels be valid, shape (band, y, x)."""


class FlacSource:
    """A FLAC raster of any layout as a `RasterSource`.

    Parameters
    ----------
    url : str or path
    index : TileIndex
    registry : ObjectStoreRegistry or None
    pool : ThreadPoolExecutor
        Decodes.
    """

    def __init__(
        self,
        url: str | os.PathLike[str],
        index: TileIndex,
        registry: ObjectStoreRegistry[Any] | None,
        pool: ThreadPoolExecutor,
    ) -> None:
        self.name = os.fspath(url)
        self.index = index
        self.info = index.raster
        self.sizes = tuple((level.width, level.height) for level in index.levels)
        self.block_shape = index.tile_shape
        self.by_pixel = index.interleave == "pixel"
        self.masked_bands = ()
        self._reader = TileReader(url, index, registry, pool)

    def read(
        self, window: Window, *, level: int = 0, bands: Sequence[int] | None = None
    ) -> npt.NDArray[Any]:
        """Pixels as they are stored, shape (band, y, x); bands are 1-based."""
        return self._reader.read(window, level=level, bands=bands)

    def read_mask(
        self, window: Window, *, level: int = 0, bands: Sequence[int] | None = None
    ) -> npt.NDArray[np.bool_]:
        """All valid: FLAC rasters have no masks."""
        count = len(bands or self.info.bands)
        return np.ones((count, window.height, window.width), np.bool_)


@contextlib.contextmanager
def opened_flac(
    url: str | os.PathLike[str],
    registry: ObjectStoreRegistry[Any] | None = None,
    workers: int | None = None,
    header: HeaderReader | None = None,
) -> Iterator[FlacSource]:
    """A FLAC raster, and threads that decode it, for the block.

    Parameters
    ----------
    url : str or path
    registry : ObjectStoreRegistry, optional
    workers : int, optional
        Threads that decode; one per core by default.
    header : HeaderReader, optional
        Of the file, where some of it has been read.

    Raises
    ------
    SourceError, LayoutError
        When it cannot be read or is no FLAC raster.
    """
    index = (header or HeaderReader(url, registry)).read_index()
    with ThreadPoolExecutor(workers or available_cores(), thread_name_prefix="decode") as pool:
        yield FlacSource(url, index, registry, pool)


def flac_header(
    source: str | os.PathLike[str], registry: ObjectStoreRegistry[Any] | None = None
) -> HeaderReader | None:
    """Reads the header of what is for us to read; None for what is for GDAL.

    A local file is looked into; so is what lies behind a URL, where its name does not tell. These
    bytes are not read a second time by the `HeaderReader`.

    Raises
    ------
    SourceError
        When it has to be looked into and cannot be read.
    """
    text = os.fspath(source)
    scheme, separator, _ = text.partition("://")
    if separator and scheme not in _SCHEMES:
        return None
    suffix = Path(text.partition("?")[0]).suffix.lower()
    absent = not separator and not Path(text).expanduser().is_file()
    if absent or (separator and suffix in (*_FLAC_SUFFIXES, *_GEOTIFF_SUFFIXES)):
        return HeaderReader(source, registry) if suffix in _FLAC_SUFFIXES else None
    if not separator:
        # Not every local path that GDAL takes makes a URL.
        with open(Path(text).expanduser(), "rb") as file:
            return HeaderReader(source, registry) if _begins_as_ours(file.read(8)) else None
    header = HeaderReader(source, registry)
    return header if _begins_as_ours(header.first_bytes()) else None


def _begins_as_ours(head: bytes) -> bool:
    return head[4:5] == b"{" or begins_stream(head)


def is_flac(
    source: str | os.PathLike[str], registry: ObjectStoreRegistry[Any] | None = None
) -> bool:
    """Whether a file or URL is for us to read and not for GDAL, see `flac_header`."""
    return flac_header(source, registry) is not None


def open_raster(
    source: str | os.PathLike[str],
    registry: ObjectStoreRegistry[Any] | None = None,
    workers: int | None = None,
) -> AbstractContextManager[RasterSource]:
    """A raster for a ``with`` block.

    Parameters
    ----------
    source : str or path
        Path or URL.
    registry : ObjectStoreRegistry, optional
        Stores to read with; GDAL is told what they have been told.
    workers : int, optional
        Threads that decode FLAC; one per core by default.

    Raises
    ------
    SourceError, LayoutError, RasterError
        When it cannot be read.
    """
    header = flac_header(source, registry)
    if header is not None:
        return opened_flac(source, registry, workers, header)
    # FLAC rasters are read without GDAL, which need not be installed.
    from .gdal.raster import opened_gdal

    return opened_gdal(source, registry)
