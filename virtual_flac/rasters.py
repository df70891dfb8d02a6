"""One way to open a raster for reading: FLAC, or whatever GDAL reads, by path or URL."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
from obspec_utils.registry import ObjectStoreRegistry

from .errors import RasterError, SelectionError
from .io.addresses import local_path
from .io.reference_kinds import refuse_references
from .io.store_errors import first_bytes
from .io.stores import SCHEMES
from .layouts._stream import begins_stream
from .model.grid import Window
from .model.index import RasterInfo
from .model.pieces import READ_BYTES, ReadPlan
from .reading.header import HeaderReader
from .reading.raster import opened_flac

if TYPE_CHECKING:
    from rasterio.io import DatasetReader

type Source = str | os.PathLike[str] | DatasetReader

_GEOTIFF_SUFFIXES = (".tif", ".tiff", ".gtiff")
_FLAC_SUFFIXES = (".flac",)


class RasterSource(Protocol):
    """What is needed of a raster to compare, show or convert it.

    Bands are positions among those that were chosen when it was opened, from 1.
    """

    @property
    def name(self) -> str:
        """Path or URL."""

    @property
    def info(self) -> RasterInfo:
        """Everything but its pixels."""

    @property
    def bands(self) -> Sequence[int]:
        """1-based numbers, in the file, of the bands that were chosen."""

    @property
    def sizes(self) -> Sequence[tuple[int, int]]:
        """Width and height of each level, the full resolution first."""

    @property
    def block_shape(self) -> tuple[int, int, int]:
        """Bands, height and width of the blocks in which it is stored."""

    @property
    def masked_bands(self) -> Sequence[int]:
        """Bands with a mask of their own, which is neither nodata nor an alpha band."""

    @property
    def source_overviews(self) -> bool:
        """Whether overviews are those of the first source, not built in a conversion."""

    @property
    def extra(self) -> Mapping[str, Any]:
        """More keys for the header of a FLAC raster made of it."""

    @property
    def reserve_cache(self) -> Callable[[int], None] | None:
        """Makes room for so many bytes of decoded blocks; None where they are not kept."""

    def read(
        self, window: Window, *, level: int = 0, bands: Sequence[int] | None = None
    ) -> npt.NDArray[Any]:
        """Pixels as they are stored, shape (band, y, x)."""

    def read_mask(
        self, window: Window, *, level: int = 0, bands: Sequence[int] | None = None
    ) -> npt.NDArray[np.bool_]:
        """Which pixels the bands' own masks leave valid, shape (band, y, x)."""


class Piece(NamedTuple):
    """Pixels of a raster, and where they belong."""

    bands: list[int]
    """Positions among the bands that were asked for, from 1."""
    window: Window
    pixels: npt.NDArray[Any]
    """Shape (band, y, x)."""


def read_pieces(
    source: RasterSource,
    *,
    level: int = 0,
    bands: Sequence[int] | None = None,
    window: Window | None = None,
    unit: tuple[int, int] | None = None,
    together: bool = False,
    read_bytes: int = READ_BYTES,
) -> Iterator[Piece]:
    """Read a raster piece by piece, in bounded memory and without decoding a block twice.

    Band by band and row by row; all bands `together` also where they are stored apart. `unit` is
    the height and width of what is not cut (`ReadPlan`), by default the blocks of the source.
    """
    stored_together, *block = source.block_shape
    chosen = list(bands or range(1, len(source.bands) + 1))
    positions = list(range(1, len(chosen) + 1))
    together = together or stored_together > 1
    for group in [positions] if together else [[position] for position in positions]:
        plan = ReadPlan(
            window or Window(0, 0, *source.sizes[level]),
            unit or (block[0], block[1]),
            source.info.dtype.itemsize * max(len(group), stored_together),
            read_bytes,
        )
        cache_bytes = plan.cache_bytes((block[0], block[1]))
        if cache_bytes and source.reserve_cache:
            source.reserve_cache(cache_bytes)
        wanted = [chosen[position - 1] for position in group]
        for part in plan.pieces():
            yield Piece(group, part, source.read(part, level=level, bands=wanted))


Mask = Literal["refuse", "drop"]


def check_masks(source: RasterSource, mask: Mask) -> None:
    """Refuse masks of the bands' own, unless they may be dropped."""
    if mask not in ("refuse", "drop"):
        raise SelectionError(f"mask is {mask!r}, expected 'refuse' or 'drop'")
    if source.masked_bands and mask == "refuse":
        raise RasterError(
            f"{source.name}: band {source.bands[source.masked_bands[0] - 1]} has a mask of its own "
            "(internal or .msk), which would be lost. Turn it into nodata or an alpha band, or "
            "leave it out with --drop-mask (mask='drop')."
        )


def flac_header(
    source: str | os.PathLike[str], registry: ObjectStoreRegistry[Any] | None = None
) -> HeaderReader | None:
    """A reader of the header of a FLAC raster; None for what GDAL is to read.

    A local file is looked into; so is what lies behind a URL, where its name does not tell. The
    `HeaderReader` does not read these bytes a second time.
    """
    if isinstance(source, HeaderReader):
        return source
    text = os.fspath(source)
    scheme, separator, _ = text.partition("://")
    if separator and scheme not in SCHEMES:
        return None
    suffix = Path(text.partition("?")[0]).suffix.lower()
    path = local_path(text)
    absent = path is not None and not os.path.isfile(path)
    refuse_references(source)
    if absent or (path is None and suffix in (*_FLAC_SUFFIXES, *_GEOTIFF_SUFFIXES)):
        return HeaderReader(source, registry) if suffix in _FLAC_SUFFIXES else None
    if path is not None:
        # Not every local path that GDAL takes makes a URL.
        head = first_bytes(path, 256)
        header = HeaderReader(source, registry) if _begins_as_ours(head) else None
    else:
        header = HeaderReader(source, registry)
        head = header.first_bytes()
    refuse_references(source, head)
    return header if _begins_as_ours(head) else None


def _begins_as_ours(head: bytes) -> bool:
    return head[4:5] == b"{" or begins_stream(head)


def open_raster(
    source: Source,
    registry: ObjectStoreRegistry[Any] | None = None,
    workers: int | None = None,
    *,
    bands: Sequence[int] | None = None,
    overviews: bool = True,
) -> AbstractContextManager[RasterSource]:
    """A raster for a ``with`` block; what rasterio has opened stays open.

    GDAL gets the options of the stores in `registry`. FLAC is decoded by `workers` threads, one per
    core by default. `bands` count from 1 and are given out in this order; `overviews` says whether
    the overviews are, too.
    """
    header = flac_header(source, registry) if isinstance(source, str | os.PathLike) else None
    if header is not None:
        return opened_flac(header, registry, workers, bands=bands, overviews=overviews)
    # FLAC rasters are read without GDAL, which need not be installed.
    from .gdal.raster import opened_gdal

    return opened_gdal(source, registry, bands=bands, overviews=overviews)
