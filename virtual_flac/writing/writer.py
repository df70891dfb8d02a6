"""Pixels to a complete FLAC raster, tile by tile.

Tiles are encoded and verified by a pool of threads, kept in one nameless spool file beside the
target, and put in the order of the layout at the end: the target appears complete or not at all.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy.typing as npt

from .. import layouts
from ..errors import FlacError, RasterError, prefixed_with
from ..io.local_files import atomic_write, check_target, nameless_file
from ..io.target_errors import writing
from ..io.workers import Counter, Progress
from ..layouts.flac_raster import TILE_HEAD_BYTES
from ..model.file_version import FileVersion
from ..model.grid import TileGrid
from ..model.index import RasterInfo, TileIndex
from .layout_writers import FlacRasterLayout, LayoutWriter, OwnLayout
from .options import WriteOptions
from .spool import TileSpool

#: Most bytes of pixels that wait for the encoder: enough to keep the threads busy.
PENDING_BYTES = 6 << 20


class _Tile(NamedTuple):
    """A tile that is being encoded."""

    level: int
    where: tuple[int, int, int]
    """Plane, tile row and tile column."""
    pixels: int
    data: Future[bytes]


class FlacWriter:
    """Writes one FLAC raster; use it as a context manager.

    Parameters
    ----------
    target : path
        Where the file will be. Its folder must exist.
    raster : RasterInfo
    overviews : sequence of (width, height)
        Sizes of the overviews, from large to small.
    source_overviews : bool
        Whether they are those of the source, not built in the conversion.
    extra : mapping, optional
        More keys for the header, JSON values, which readers may ignore.
    options : WriteOptions
    overwrite : bool
        Whether a file at `target` may be replaced. It stays until the new one is complete.
    progress : callable, optional
        Called with the pixels done and the pixels in all, bands and overviews counted.

    Raises
    ------
    TargetExistsError
        When `target` exists and `overwrite` is false.
    SelectionError
        When the raster has more bands than can be interleaved by pixel.
    RasterError
        When its metadata do not fit the header.

    Examples
    --------
    >>> with FlacWriter("dem.flac", raster) as writer:
    ...     writer.write(pixels)
    ...     index = writer.finish()
    """

    def __init__(
        self,
        target: str | os.PathLike[str],
        raster: RasterInfo,
        *,
        overviews: Sequence[tuple[int, int]] = (),
        source_overviews: bool = False,
        extra: Mapping[str, Any] | None = None,
        options: WriteOptions | None = None,
        overwrite: bool = False,
        progress: Progress | None = None,
    ) -> None:
        self._target = Path(target)
        self._overwrite = overwrite
        check_target(self._target, overwrite=overwrite)
        self._raster = raster
        self._options = options = options or WriteOptions()
        with prefixed_with(str(self._target)):
            self._layout: LayoutWriter = (
                FlacRasterLayout(raster, options, len(overviews))
                if options.layout == "flac-raster"
                else OwnLayout(raster, options)
            )
        self._by_pixel = self._layout.interleave == "pixel"
        self._source_overviews = source_overviews and len(overviews) > 0
        self._extra = dict(extra or {})
        size = options.tile_size
        sizes = [(raster.width, raster.height), *overviews]
        self._grids = [TileGrid(height, width, size, size) for width, height in sizes]
        bands_of_a_tile = raster.count if self._by_pixel else 1
        tile_bytes = bands_of_a_tile * size**2 * raster.dtype.itemsize
        self._max_pending = max(options.threads + 1, PENDING_BYTES // tile_bytes)
        self._pending: deque[_Tile] = deque()
        self._counter = Counter(
            progress, raster.count * sum(width * height for width, height in sizes)
        )
        self._stack = ExitStack()
        self._pool: ThreadPoolExecutor
        self._spool: TileSpool

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            file = stack.enter_context(nameless_file(self._target))
            planes = 1 if self._by_pixel else self._raster.count
            self._spool = TileSpool(file, self._grids, planes)
            self._pool = ThreadPoolExecutor(self._options.threads, thread_name_prefix="encode")
            # Waits for tiles that are being encoded, drops those that are not yet.
            stack.callback(self._pool.shutdown, cancel_futures=True)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._pending.clear()
        # What could not be written before cannot be written when the spool is closed.
        with writing(self._target):
            self._stack.close()

    def write(
        self,
        pixels: npt.NDArray[Any],
        *,
        level: int = 0,
        band: int = 0,
        row: int = 0,
        col: int = 0,
    ) -> None:
        """Cut a block of pixels into tiles and have them encoded.

        Returns before that is done, and waits when too many tiles are pending: `pixels` must not be
        changed afterwards.

        Parameters
        ----------
        pixels : ndarray, shape (band, y, x)
            Whole tiles; shorter ones only at the right and lower edge of the raster. All bands
            when they are interleaved by pixel.
        level : int
            0 is the full resolution, 1 the first overview.
        band : int
            The first band, counted from 0.
        row, col : int
            Tile row and tile column of the first tile.

        Raises
        ------
        RasterError
            When the pixels do not cover whole tiles.
        LossyTileError
            When a tile did not decode to its pixels.
        """
        grid = self._grids[level]
        size = self._options.tile_size
        self._check_block(pixels, grid, row, col)
        count, height, width = pixels.shape
        planes = [0] if self._by_pixel else list(range(band, band + count))
        tiles = [
            (plane, row + i, col + j)
            for plane in planes
            for i in range(-(-height // size))
            for j in range(-(-width // size))
        ]
        if self._layout.interleave == "tile":
            # The order of the file, so that the spool is copied in few pieces.
            tiles.sort(key=lambda tile: tile[1:])
        for where in tiles:
            plane, tile_row, tile_col = where
            window = grid.window(tile_row, tile_col)
            top, left = window.row_off - row * size, window.col_off - col * size
            bands = slice(None) if self._by_pixel else slice(plane - band, plane - band + 1)
            part = pixels[bands, top : top + window.height, left : left + window.width]
            while len(self._pending) >= self._max_pending:
                self._keep_first()
            data = self._pool.submit(self._layout.encode, part, window)
            self._pending.append(_Tile(level, where, part.size, data))
            # Free the pixels of finished tiles early.
            while self._pending and self._pending[0].data.done():
                self._keep_first()

    def _check_block(self, pixels: npt.NDArray[Any], grid: TileGrid, row: int, col: int) -> None:
        size = self._options.tile_size
        _, height, width = pixels.shape
        whole = all(
            length % size == 0 or first * size + length == full
            for length, first, full in ((height, row, grid.height), (width, col, grid.width))
        )
        if not whole or pixels.dtype != self._raster.dtype:
            raise RasterError(
                f"found {pixels.dtype.name} pixels of shape {pixels.shape} at tile ({row}, {col}), "
                f"expected {self._raster.dtype.name} and whole tiles of {size}"
            )

    def _keep_first(self) -> None:
        """Wait for the oldest pending tile and put it into the spool."""
        level, where, pixels, data = self._pending.popleft()
        try:
            tile = data.result()
        except FlacError as error:
            plane, row, col = where
            raise type(error)(
                f"{self._target}: level {level}, plane {plane}, tile ({row}, {col}): {error}"
            ) from error
        with writing(self._target):
            self._spool.add(level, where, tile)
        self._counter.add(pixels)

    def finish(self) -> TileIndex:
        """Write the file and give it its name.

        Returns
        -------
        TileIndex
            As `virtual_flac.read_index` returns it.

        Raises
        ------
        RasterError
            When tiles are missing.
        TargetExistsError
            When another file has taken the name meanwhile.
        """
        while self._pending:
            self._keep_first()
        if self._spool.missing:
            raise RasterError(f"{self._target}: {self._spool.missing} tiles were not written")
        interleave = self._layout.interleave
        head = self._layout.pack(
            self._raster, self._spool.levels, tile_size=self._options.tile_size,
            interleave=interleave, source_overviews=self._source_overviews, extra=self._extra,
        )  # fmt: skip
        with atomic_write(self._target, overwrite=self._overwrite) as file:
            file.write(head)
            self._spool.copy_to(file, interleave)
            size = file.seek(0, os.SEEK_END)
            file.seek(0)
            index = layouts.parse(file.read(len(head) + TILE_HEAD_BYTES), size)
        assert isinstance(index, TileIndex)
        return replace(index, version=FileVersion(size=size))
