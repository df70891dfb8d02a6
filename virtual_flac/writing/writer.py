"""Tiles and their description to a file. Knows tiles, the layout's order and the file system.

Must not know GeoTIFF, URLs or what the head of the file holds. Tiles are encoded and verified by
a pool of threads, kept in one nameless spool file beside the target, and put in the order of the
layout at the end: the target appears complete or not at all.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
import zlib
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import IO, Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt
from zarr_flac import TileSpec, decode_tile, encode_tile

from ..errors import FlacError, LossyTileError, RasterError, SelectionError
from ..io.local_files import atomic_write, check_target, copy_bytes, report_target, temporary_name
from ..io.workers import Progress
from ..layouts import flac_raster, flac_raster_pack, tiled
from ..layouts.tiled import relative_offsets
from ..model.file_version import FileVersion
from ..model.grid import TileGrid, Window
from ..model.index import (
    Interleave,
    Level,
    RasterInfo,
    TileIndex,
    TileSizes,
    U32Array,
    U64Array,
)
from .options import WriteOptions

#: Pixels on their way through the encoder, at most: enough to keep the threads busy.
PENDING_BYTES = 16 << 20
MAX_CHANNELS = 8


class _Tile(NamedTuple):
    level: int
    plane: int
    row: int
    col: int


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
        Whether they are those of the source, not built on the way.
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
        self._theirs = options.layout == "flac-raster"
        self._layout = flac_raster_pack if self._theirs else tiled
        if self._theirs:
            flac_raster_pack.check_raster(raster, overviews=len(overviews))
        self._by_pixel = options.interleave == "pixel" and not self._theirs
        if self._by_pixel:
            _check_channels(raster)
        self._source_overviews = source_overviews
        self._extra = dict(extra or {})
        self._crs = raster.georef.authority_code()
        planes = 1 if self._by_pixel else raster.count
        self._grids = [
            TileGrid(height, width, options.tile_size, options.tile_size)
            for width, height in [(raster.width, raster.height), *overviews]
        ]
        shapes = [(planes, grid.rows, grid.cols) for grid in self._grids]
        self._lengths: list[U64Array] = [np.zeros(shape, np.uint64) for shape in shapes]
        self._spooled: list[U64Array] = [np.zeros(shape, np.uint64) for shape in shapes]
        self._checksums: list[U32Array] = [np.zeros(shape, np.uint32) for shape in shapes]
        channels = raster.count if self._by_pixel else 1
        self._spec = TileSpec(
            chunk_shape=(channels, options.tile_size, options.tile_size),
            dtype=flac_raster_pack.stored_dtype(raster.dtype) if self._theirs else raster.dtype,
            channels=channels,
            compression=options.compression,
            block_size=options.block_size,
        )
        tile_bytes = channels * options.tile_size**2 * raster.dtype.itemsize
        self._max_pending = max(2 * options.threads, PENDING_BYTES // tile_bytes)
        self._pending: deque[tuple[_Tile, int, Future[bytes]]] = deque()
        self._progress = progress
        self._done = 0
        self._total = raster.count * sum(grid.width * grid.height for grid in self._grids)
        self._position = 0
        self._stack = contextlib.ExitStack()
        self._pool: ThreadPoolExecutor
        self._spool: IO[bytes]

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            with report_target(self._target):
                self._spool = stack.enter_context(
                    tempfile.TemporaryFile(
                        dir=self._target.parent, prefix=temporary_name(self._target).name
                    )
                )
            self._pool = ThreadPoolExecutor(self._options.threads, thread_name_prefix="encode")
            # Waits for tiles that are being encoded, drops those that are not yet.
            stack.callback(self._pool.shutdown, cancel_futures=True)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._pending.clear()
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

        Returns before that is done, and waits when too much is on its way: `pixels` must not be
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
        tiles = [
            (row + i, col + j) for i in range(-(-height // size)) for j in range(-(-width // size))
        ]
        planes = [0] if self._by_pixel else list(range(band, band + count))
        for plane, (tile_row, tile_col) in self._in_order(planes, tiles):
            window = grid.window(tile_row, tile_col)
            top, left = window.row_off - row * size, window.col_off - col * size
            bands = slice(None) if self._by_pixel else slice(plane - band, plane - band + 1)
            part = pixels[bands, top : top + window.height, left : left + window.width]
            self._submit(_Tile(level, plane, tile_row, tile_col), window, part)

    def _in_order(
        self, planes: Sequence[int], tiles: Sequence[tuple[int, int]]
    ) -> Iterator[tuple[int, tuple[int, int]]]:
        """The order of the layout, so that the spool is copied in few pieces."""
        if self._options.interleave == "tile":
            return ((plane, tile) for tile in tiles for plane in planes)
        return ((plane, tile) for plane in planes for tile in tiles)

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

    def _submit(self, tile: _Tile, window: Window, pixels: npt.NDArray[Any]) -> None:
        while len(self._pending) >= self._max_pending:
            self._keep_first()
        comments: Mapping[str, str] = {}
        if self._theirs:
            comments = flac_raster_pack.tile_comments(self._raster, window=window, crs=self._crs)
        encode = self._encode_for_flac_raster if self._theirs else self._encode
        future = self._pool.submit(encode, pixels, comments)
        self._pending.append((tile, pixels.size, future))
        # Free the pixels of finished tiles early.
        while self._pending and self._pending[0][2].done():
            self._keep_first()

    def _encode(self, pixels: npt.NDArray[Any], comments: Mapping[str, str]) -> bytes:
        return encode_tile(pixels, self._spec, comments=comments, verify=True)

    def _encode_for_flac_raster(
        self, pixels: npt.NDArray[Any], comments: Mapping[str, str]
    ) -> bytes:
        assert self._spec.dtype is not None
        limits = np.iinfo(self._spec.dtype)
        if pixels.min() < limits.min or pixels.max() > limits.max:
            raise RasterError(
                f"pixels range from {pixels.min()} to {pixels.max()}; flac-raster's decoder gives "
                f"back {self._raster.dtype.name} exactly from {limits.min} to {limits.max}. Write "
                "our own layout (without --to flac-raster)."
            )
        tile = encode_tile(pixels.astype(self._spec.dtype), self._spec, comments=comments)
        # As the reader will decode it: to the raster's own dtype.
        if not np.array_equal(decode_tile(tile, TileSpec(dtype=self._raster.dtype)), pixels[0]):
            raise LossyTileError("the tile decodes to other pixels than were encoded")
        return tile

    def _keep_first(self) -> None:
        """Wait for the oldest tile on its way and put it into the spool."""
        tile, pixels, future = self._pending.popleft()
        try:
            data = future.result()
        except FlacError as error:
            raise type(error)(
                f"{self._target}: level {tile.level}, plane {tile.plane}, tile ({tile.row}, "
                f"{tile.col}): {error}"
            ) from error
        where = tile.plane, tile.row, tile.col
        self._spool.write(data)
        self._spooled[tile.level][where] = self._position
        self._lengths[tile.level][where] = len(data)
        self._checksums[tile.level][where] = zlib.crc32(data)
        self._position += len(data)
        self._done += pixels
        if self._progress:
            self._progress(self._done, self._total)

    def finish(self) -> TileIndex:
        """Write the file and give it its name.

        Returns
        -------
        TileIndex
            As `virtual_flac.read_index` would give it.

        Raises
        ------
        RasterError
            When tiles are missing.
        TargetExistsError
            When another file has taken the name meanwhile.
        """
        while self._pending:
            self._keep_first()
        missing = sum(int((lengths == 0).sum()) for lengths in self._lengths)
        if missing:
            raise RasterError(f"{self._target}: {missing} tiles were not written")
        sizes = [
            TileSizes(
                width=grid.width,
                height=grid.height,
                lengths=lengths,
                checksums=None if self._theirs else checksums,
            )
            for grid, lengths, checksums in zip(
                self._grids, self._lengths, self._checksums, strict=True
            )
        ]
        tile_size = self._options.tile_size
        interleave: Interleave = "band" if self._theirs else self._options.interleave
        source_overviews = self._source_overviews and len(sizes) > 1
        head = self._layout.pack(
            self._raster, sizes, tile_size=tile_size, interleave=interleave,
            source_overviews=source_overviews, extra=self._extra,
        )  # fmt: skip
        with atomic_write(self._target, overwrite=self._overwrite) as file:
            file.write(head)
            file.flush()
            self._spool.flush()
            for start, length in self._runs():
                copy_bytes(self._spool, file, start, length)
            file_size = file.seek(0, os.SEEK_END)
        offsets = relative_offsets(self._lengths, self._options.interleave)
        return TileIndex(
            layout=flac_raster.LAYOUT if self._theirs else tiled.LAYOUT,
            raster=self._raster,
            tile_shape=(tile_size, tile_size),
            interleave=interleave,
            levels=tuple(
                Level(
                    width=level.width,
                    height=level.height,
                    offsets=relative + np.uint64(len(head)),
                    lengths=level.lengths,
                    checksums=level.checksums,
                )
                for level, relative in zip(sizes, offsets, strict=True)
            ),
            source_overviews=source_overviews,
            version=FileVersion(size=file_size),
            extra=self._extra,
        )

    def _runs(self) -> Iterator[tuple[int, int]]:
        """Pieces of the spool (start, length) in the order of the file."""
        relative = relative_offsets(self._lengths, self._options.interleave)
        order = np.argsort(np.concatenate([part.ravel() for part in relative]))
        starts = np.concatenate([part.ravel() for part in self._spooled])[order]
        ends = starts + np.concatenate([part.ravel() for part in self._lengths])[order]
        breaks = np.flatnonzero(ends[:-1] != starts[1:]) + 1
        first = [0, *breaks.tolist()]
        last = [*(breaks - 1).tolist(), len(starts) - 1]
        for i, j in zip(first, last, strict=True):
            yield int(starts[i]), int(ends[j] - starts[i])


def _check_channels(raster: RasterInfo) -> None:
    most = MAX_CHANNELS // (2 if raster.dtype.itemsize == 8 else 1)
    if raster.count > most:
        raise SelectionError(
            f"{raster.count} bands of {raster.dtype.name} cannot be interleaved by pixel: FLAC has "
            f"{MAX_CHANNELS} channels, room for {most}. Use --interleave band (interleave='band')."
        )
