"""Encoded tiles in a temporary file: kept in any order, copied in the order of the layout."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import IO

import numpy as np
from zarr_flac import crc32

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

    Attributes
    ----------
    levels : list of TileSizes
        Lengths and checksums of the tiles of each level; zero until a tile is added.
    """

    def __init__(self, file: IO[bytes], grids: Sequence[TileGrid], planes: int) -> None:
        self._file = file
        self._end = 0
        shapes = [(planes, grid.rows, grid.cols) for grid in grids]
        self._starts: list[U64Array] = [np.zeros(shape, np.uint64) for shape in shapes]
        self._checksums: list[U32Array] = [np.zeros(shape, np.uint32) for shape in shapes]
        self.levels = [
            TileSizes(
                width=grid.width, height=grid.height,
                lengths=np.zeros(crcs.shape, np.uint64), checksums=crcs,
            )
            for grid, crcs in zip(grids, self._checksums, strict=True)
        ]  # fmt: skip

    def add(self, level: int, where: tuple[int, int, int], tile: bytes) -> None:
        """Keep a tile; `where` is its plane, tile row and tile column."""
        self._file.write(tile)
        self._starts[level][where] = self._end
        self.levels[level].lengths[where] = len(tile)
        self._checksums[level][where] = crc32(tile)
        self._end += len(tile)

    @property
    def missing(self) -> int:
        """Number of tiles that are not written yet."""
        return sum(int((level.lengths == 0).sum()) for level in self.levels)

    def copy_to(self, file: IO[bytes], interleave: Interleave) -> None:
        """Append all tiles in the order of the layout."""
        file.flush()
        self._file.flush()
        for start, length in self._runs(interleave):
            copy_bytes(self._file, file, start, length)

    def _runs(self, interleave: Interleave) -> Iterator[tuple[int, int]]:
        """Start and length of neighbours that stay neighbours, in the order of the layout."""
        lengths = [level.lengths for level in self.levels]
        offsets = relative_offsets(lengths, interleave)
        order = np.argsort(np.concatenate([part.ravel() for part in offsets]))
        starts = np.concatenate([part.ravel() for part in self._starts])[order]
        ends = starts + np.concatenate([part.ravel() for part in lengths])[order]
        breaks = np.flatnonzero(ends[:-1] != starts[1:]) + 1
        first = [0, *breaks.tolist()]
        last = [*(breaks - 1).tolist(), len(starts) - 1]
        for i, j in zip(first, last, strict=True):
            yield int(starts[i]), int(ends[j] - starts[i])
