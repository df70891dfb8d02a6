"""The table of chunks of a cube, filled file by file.

xarray's concatenation of virtual datasets takes milliseconds a file and makes each of them first.
Here a file costs two copies into a table. The result is the same.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import MismatchError
from ..model.index import U64Array
from ..virtual.manifests import ChunkTables


class ChunkTable:
    """Offsets, lengths and files of all chunks.

    `lead` are the sizes of the new dimensions, `grid` the chunks along band, y and x. With
    `by_band` the bands come from several files, with `mosaic` several files share a plane.
    """

    def __init__(
        self, lead: tuple[int, ...], grid: tuple[int, int, int], *, by_band: bool, mosaic: bool
    ) -> None:
        self._shape = (*lead, *grid)
        self._mosaic = mosaic
        self._offsets = np.zeros(self._shape, dtype=np.uint64)
        self._lengths = np.zeros(self._shape, dtype=np.uint64)
        # A path takes 16 bytes and its text; one serves all chunks of a plane that is one file's.
        bands = grid[0] if by_band else 1
        rows, cols = grid[1:] if mosaic else (1, 1)
        self._paths = np.zeros((*lead, bands, rows, cols), dtype=np.dtypes.StringDType())

    def add(
        self,
        url: str,
        tiles: U64Array,
        position: tuple[int, ...],
        *,
        band: int | None,
        corner: tuple[int, int],
    ) -> None:
        """Enter the offsets and lengths of one file's tiles, shape (2, plane, row, column).

        `position` is along the new dimensions; `band` along band, where the bands come from several
        files; `corner` is the tile row and column of the first tile.

        Raises
        ------
        MismatchError
            When another file has a tile in the same position.
        """
        (row, col), (rows, cols) = corner, tiles.shape[2:]
        plane = slice(None) if band is None else slice(band, band + 1)
        window = (slice(row, row + rows), slice(col, col + cols))
        chunks: Any = (*position, plane, *window)
        paths: Any = (*position, plane, *(window if self._mosaic else (slice(None),) * 2))
        if self._mosaic and self._lengths[chunks].any():
            other = next(path for path in self._paths[paths].ravel().tolist() if path)
            raise MismatchError(
                f"{url}: covers what {other} covers. Leave one of them out, or tell them apart by "
                "another dimension."
            )
        self._offsets[chunks], self._lengths[chunks] = tiles
        self._paths[paths] = url

    @property
    def hole(self) -> tuple[int, ...] | None:
        """Position of the first chunk without a file, None when there is none."""
        absent = self._lengths == 0
        return tuple(int(i) for i in np.argwhere(absent)[0]) if absent.any() else None

    def tables(self, *, with_band: bool) -> ChunkTables:
        """All chunks, along band too or, where there is one band, without that axis."""
        paths = np.broadcast_to(self._paths, self._shape)
        if with_band:
            return ChunkTables(paths, self._offsets, self._lengths)
        axis = len(self._shape) - 3
        return ChunkTables(
            paths.squeeze(axis), self._offsets.squeeze(axis), self._lengths.squeeze(axis)
        )
