"""Tiles of a file read once, in large pieces, and checked by several threads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Executor

from ..io.file_reader import FileReader
from ..io.ranges import merge_ranges
from ..io.workers import Counter
from ..model.index import TileIndex
from .spatial_info import Tile
from .tile_check import TileCheck, check_tile

#: Bytes that are read at once; about as much again waits to be checked.
READ_BYTES = 8 << 20


class TilePass:
    """Checks some tiles of the file that `index` was read from."""

    def __init__(self, file: FileReader, index: TileIndex, tiles: Sequence[Tile]) -> None:
        self.tiles = tiles
        self._file, self._index = file, index
        self._merged = merge_ranges(
            [tile.offset for tile in tiles], [tile.length for tile in tiles], max_bytes=READ_BYTES
        )
        self.bytes = sum(piece.length for piece in self._merged)

    def check(self, pool: Executor, counter: Counter) -> Iterator[tuple[int, TileCheck]]:
        """The number of each tile, and what is found of it; counts bytes.

        Raises
        ------
        SourceError
            When the file cannot be read, or has changed.
        """
        pieces = self._file.stream((piece.start, piece.end) for piece in self._merged)
        for piece, data in zip(self._merged, pieces, strict=True):
            jobs = []
            for number in piece.members:
                tile = self.tiles[number]
                part = data[tile.offset - piece.start :][: tile.length]
                jobs.append(pool.submit(check_tile, self._index, tile, part))
            for number, job in zip(piece.members, jobs, strict=True):
                yield number, job.result()
            counter.add(piece.length)
