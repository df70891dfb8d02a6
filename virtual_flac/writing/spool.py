"""Encoded tiles on their way to the file: they come in any order and go in that of the layout."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from typing import IO

import numpy as np

from ..io.local_files import copy_bytes
from ..layouts.tiled import relative_offsets
from ..model.grid import TileGrid
from ..model.index import Interleave, TileSizes, U32Array, U64Array


class TileSpool:
    """A temporary file of tiles.

    Parameters
    ----------
    file : binary file
    grids : sequence of TileGrid
        Of each level, the full resolution first.
    planes : int
        Bands, or one where they are interleaved by pixel.
    """

    def __init__(self, file: IO[bytes], grids: Sequence[TileGrid], planes: int) -> None:
        self._file = file
        self._grids = grids
        shapes = [(planes, grid.rows, grid.cols) for grid in grids]
        self._starts: list[U64Array] = [np.zeros(shape, np.uint64) for shape in shapes]
        self._lengths: list[U64Array] = [np.zeros(shape, np.uint64) for shape in shapes]
        self._checksums: list[U32Array] = [np.zeros(shape, np.uint32) for shape in shapes]
        self._end = 0

    def add(self, level: int, where: tuple[int, int, int], tile: bytes) -> None:
        """Keep a tile; `where` is its plane, tile row and tile column."""
        self._file.write(tile)
        self._starts[level][where] = self._end
        self._lengths[level][where] = len(tile)
        self._checksums[level][where] = zlib.crc32(tile)
        self._end += len(tile)

    @property
    def missing(self) -> int:
        """Number of tiles that have not come yet."""
        return sum(int((lengths == 0).sum()) for lengths in self._lengths)

    def sizes(self, *, checksums: bool) -> list[TileSizes]:
        """Lengths of all tiles, and their checksums if wanted, a level each."""
        return [
            TileSizes(
                width=grid.width, height=grid.height, lengths=lengths,
                checksums=crcs if checksums else None,
            )
            for grid, lengths, crcs in zip(self._grids, self._lengths, self._checksums, strict=True)
        ]  # fmt: skip

    def copy_to(self, file: IO[bytes], interleave: Interleave) -> list[U64Array]:
        """Append all tiles in the order of the layout.

        Returns
        -------
        list of ndarray of uint64
            Where each tile lies, counted from the first.
        """
        offsets = relative_offsets(self._lengths, interleave)
        file.flush()
        self._file.flush()
        for start, length in self._runs(offsets):
            copy_bytes(self._file, file, start, length)
        return offsets

    def _runs(self, offsets: Sequence[U64Array]) -> Iterator[tuple[int, int]]:
        """Start and length of neighbours that stay neighbours, in the order of the offsets."""
        order = np.argsort(np.concatenate([part.ravel() for part in offsets]))
        starts = np.concatenate([part.ravel() for part in self._starts])[order]
        ends = starts + np.concatenate([part.ravel() for part in self._lengths])[order]
        breaks = np.flatnonzero(ends[:-1] != starts[1:]) + 1
        first = [0, *breaks.tolist()]
        last = [*(breaks - 1).tolist(), len(starts) - 1]
        for i, j in zip(first, last, strict=True):
            yield int(starts[i]), int(ends[j] - starts[i])
