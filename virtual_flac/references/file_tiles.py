"""The tiles of a file, to be found by their bytes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ..model.index import TileIndex

Places = npt.NDArray[np.int64]
"""Level, plane, tile row and tile column of tiles, shape (n, 4)."""


class FileTiles:
    """Finds the tiles of the file that `index` was read from."""

    def __init__(self, index: TileIndex) -> None:
        self.index = index
        places = [
            np.stack([np.full(level.offsets.size, number), *map(np.ravel, np.indices(shape))])
            for number, level in enumerate(index.levels)
            for shape in [level.offsets.shape]
        ]
        offsets = np.concatenate([level.offsets.ravel() for level in index.levels])
        lengths = np.concatenate([level.lengths.ravel() for level in index.levels])
        order = np.lexsort((lengths, offsets))
        self._places: Places = np.concatenate(places, axis=1).T[order]
        self._offsets, self._lengths = offsets[order], lengths[order]

    @property
    def planes(self) -> int:
        """Bands, or 1 where a tile holds all of them."""
        return int(self.index.levels[0].lengths.shape[0])

    def find(self, offsets: npt.NDArray[Any], lengths: npt.NDArray[Any]) -> Places:
        """The tiles of these bytes; -1 for what is none."""
        low = np.searchsorted(self._offsets, offsets)
        high = np.searchsorted(self._offsets, offsets, side="right")
        found: Places = np.full((len(offsets), 4), -1, np.int64)
        # Bands of flac-raster's plain files may begin with the same frame.
        for step in range(int((high - low).max(initial=0))):
            at = np.minimum(low + step, len(self._offsets) - 1)
            same = (low + step < high) & (self._lengths[at] == lengths)
            found[same] = self._places[at[same]]
        return found

    def size(self, level: int) -> tuple[int, int]:
        """Height and width of a level in pixels."""
        return self.index.levels[level].height, self.index.levels[level].width

    def grid(self, level: int) -> tuple[int, int]:
        """Tile rows and tile columns of a level."""
        _, rows, cols = self.index.levels[level].lengths.shape
        return rows, cols

    def name(self, place: Sequence[int]) -> str | None:
        """What messages call a tile; None where there is none."""
        level, *where = map(int, place)
        if not 0 <= level < len(self.index.levels):
            return None
        sizes = self.index.levels[level].lengths.shape
        if not all(0 <= n < size for n, size in zip(where, sizes, strict=True)):
            return None
        return self.index.tile_name(level, where[0], where[1], where[2])
