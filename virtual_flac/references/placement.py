"""Whether the chunks of an array are the tiles that belong there: tables in, findings out.

Nothing tells a codec which chunk it decodes, so a sound tile in the wrong place is found here or
not at all. Which file a slice comes from is for the references to say. What it has there is not:
all tiles of its bands, in the order of the file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..model.index import TileIndex
from .file_tiles import FileTiles, Places
from .tile_arrays import TileArray

Ints = npt.NDArray[np.int64]
Corner = tuple[int, int]

#: Pixels by which coordinates may be off, for their rounding.
_TOLERANCE = 0.01


@dataclass(frozen=True, slots=True)
class Misplaced:
    """What is wrong with a chunk, with all that is of one file, or with the array."""

    cell: tuple[int, ...] | None
    """Position in the tables of the array."""
    url: str | None
    what: str


class Placement:
    """The references of one array, each with the tile that it is to.

    `headers` are the files that could be read, by URL. References to others are left out.
    """

    def __init__(self, array: TileArray, headers: Mapping[str, FileTiles]) -> None:
        self.array = array
        self.places: Places = np.full((*array.files.shape, 4), -1, np.int64)
        """The tile of each chunk; -1 where it is none."""
        self.cells: dict[str, Ints] = {}
        """Positions of the references to each file in the tables of the array, shape (n, 4)."""
        self._tiles: dict[int, FileTiles] = {}
        for number, cells in _by_value(array.files):
            url = array.urls[number]
            if url in headers:
                where = tuple(cells.T)
                self.cells[url], self._tiles[number] = cells, headers[url]
                self.places[where] = headers[url].find(array.offsets[where], array.lengths[where])
        self._found = self.places[..., 0] >= 0
        self._level = self._find_level()
        # Is each band of a file of its own, or are they several bands of each file?
        shown = [np.unique(cells[:, 1]).tolist() for cells in self.cells.values()]
        several = len({band for bands in shown for band in bands}) > 1
        self._by_band = several and float(np.median([*map(len, shown)])) == 1
        self._bands = array.files.shape[1]
        self._planes = self._find_planes()

    # --- What belongs where -----------------------------------------------------------------------

    def _find_level(self) -> int:
        if self.array.level is not None:
            return self.array.level
        for tiles in [*self._tiles.values()][:1]:
            for level in range(len(tiles.index.levels)):
                if tiles.size(level) == self.array.shape:
                    return level
        return _most(self.places[self._found, 0])

    def _find_planes(self) -> Ints:
        """The plane that each position along band shows, of a file that has several."""
        labels, planes = self.array.bands, self.places[..., 1].swapaxes(0, 1)
        found = self._found.swapaxes(0, 1)
        guesses = [np.full(self._bands, _most(planes[found]))] if self._by_band else []
        if labels is not None and len(labels) == self._bands:
            guesses.insert(0, labels.astype(np.int64) - 1)
        if not guesses:
            return np.array([_most(planes[n][found[n]]) for n in range(self._bands)])
        shape = (-1, 1, 1, 1)
        return max(guesses, key=lambda guess: int(((guess.reshape(shape) == planes) & found).sum()))

    def _corner(self, tiles: FileTiles, cells: Ints) -> Corner | None:
        """Chunk row and column of a file's first tile; None where that is none."""
        array = self.array
        if tiles.size(self._level) == array.shape:
            return 0, 0
        georef = tiles.index.georef_of(self._level)
        if array.x is None or array.y is None or not georef.has_coordinates:
            places = self.places[tuple(cells.T)]
            moved = (cells - places)[places[:, 0] >= 0]
            return _most(moved[:, 2]), _most(moved[:, 3])
        x, y = ~georef.transform @ (array.x[[0, -1]], array.y[[0, -1]])
        corner = []
        for (first, last), size, tile in zip(
            (y, x), array.shape, tiles.index.tile_shape, strict=True
        ):
            pixels = np.rint(first - 0.5)
            off = max(abs(first - 0.5 - pixels), abs(last - first - (size - 1)))
            if not off < _TOLERANCE or pixels % tile:
                return None
            corner.append(-int(pixels) // tile)
        return corner[0], corner[1]

    def _window(self, number: int, corner: Corner) -> tuple[slice, slice]:
        """The chunk rows and columns that a file fills, as far as the array goes."""
        spans = zip(
            corner, self._tiles[number].grid(self._level), self.array.files.shape[2:], strict=True
        )
        rows, cols = (
            slice(*np.clip([first, first + count], 0, most).tolist())
            for first, count, most in spans
        )
        return rows, cols

    def _wanted(self, number: int, corner: Corner, cells: Ints) -> Places:
        """The tiles of a file that belong to cells of the tables."""
        wanted: Places = np.empty((len(cells), 4), np.int64)
        wanted[:, 0] = self._level
        wanted[:, 1] = self._planes[cells[:, 1]] if self._tiles[number].planes > 1 else 0
        wanted[:, 2:] = cells[:, 2:] - np.array(corner)
        return wanted

    # --- What is wrong ----------------------------------------------------------------------------

    def faults(self) -> Iterator[Misplaced]:
        """Everything that is not as it should be: what is of all of a file, then chunks."""
        array = self.array
        if array.spec is None:
            yield Misplaced(None, None, "refers to files, but its codec is not zarr_flac")
            return
        for cell in np.argwhere(array.inside).tolist():
            what = "is inside the references, so nothing tells which tile it is"
            yield Misplaced(tuple(cell), None, what)
        corners: dict[int, Corner] = {}
        for number, tiles in self._tiles.items():
            url = array.urls[number]
            if self._level >= len(tiles.index.levels):
                yield Misplaced(None, url, f"has no level {self._level}")
                continue
            if (difference := self._difference(tiles.index)) is not None:
                yield Misplaced(None, url, difference)
            corner = self._corner(tiles, self.cells[url])
            if corner is None:
                what = "by the x and y of the references it does not begin at a corner of a chunk"
                yield Misplaced(None, url, what)
            else:
                corners[number] = corner
        yield from self._chunk_faults(corners)

    def _difference(self, index: TileIndex) -> str | None:
        """How a file differs from what the array's codec is configured for."""
        spec, array = self.array.spec, self.array
        assert spec is not None
        pairs = {
            "dtype": (index.raster.dtype, array.dtype),
            "mapping": (index.mapping, spec.mapping),
            "channels": (index.tile_spec(self._level).channels, spec.channels),
            "stream": (index.stream, spec.stream),
        }
        for name, (there, here) in pairs.items():
            if there != here:
                return f"its {name} is {there}, that of the references {here}"
        full = tuple(min(pair) for pair in zip(index.tile_shape, array.shape, strict=True))
        if array.chunk_shape not in (full, index.chunk_shape(self._level)[1:]):
            return f"its tiles are {full}, the chunks of the references {array.chunk_shape}"
        shown = [n + 1 for n in (range(spec.channels) if spec.select is None else spec.select)]
        labels = None if array.bands is None or spec.channels == 1 else array.bands.tolist()
        if labels is not None and len(labels) == len(shown) and labels != shown:
            return f"the codec shows its bands {shown} as {labels}"
        return None

    def _chunk_faults(self, corners: Mapping[int, Corner]) -> Iterator[Misplaced]:
        array = self.array
        right = np.zeros(array.files.shape, bool)
        for number, corner in corners.items():
            cells = self.cells[array.urls[number]]
            where = tuple(cells.T)
            right[where] = (self.places[where] == self._wanted(number, corner, cells)).all(axis=1)
        windows = {number: self._window(number, corner) for number, corner in corners.items()}
        labels = array.bands
        # A file gives all bands of a slice, unless bands come from several files.
        whole = self._bands == 1 or not (self._by_band or labels is None)
        if whole and labels is not None:
            whole = len(np.unique(labels)) == len(labels)
        parts = [slice(None)] if whole else [slice(n, n + 1) for n in range(self._bands)]
        known = np.array([*(number in corners for number in range(len(array.urls))), True])
        for number, files in enumerate(array.files):
            owner: Ints = np.full(files.shape, -1, np.int64)
            for part in parts:
                here = files[part][right[number, part]]
                found, counts = np.unique(here, return_counts=True)
                # Who has the most tiles in their places owns these places.
                for file in found[np.argsort(-counts, kind="stable")].tolist():
                    free = owner[part, *windows[file]]
                    free[free < 0] = file
            wrong = ~right[number] & (files >= 0) | (owner >= 0) & (files != owner)
            for cell in np.argwhere(wrong & known[files] & ~array.inside[number]).tolist():
                yield self._fault((number, *cell), int(owner[tuple(cell)]), corners)

    def _fault(self, cell: tuple[int, ...], owner: int, corners: Mapping[int, Corner]) -> Misplaced:
        array, number = self.array, int(self.array.files[cell])
        url, what = None, "is absent"
        if number >= 0:
            url = array.urls[number]
            name = self._tiles[number].name(self.places[cell])
            what = "is no tile of the file" if name is None else f"is {name}"
            owner = number if owner < 0 else owner
        expected = self._wanted(owner, corners[owner], np.array([cell]))[0]
        wanted = self._tiles[owner].name(expected)
        if wanted is None:
            return Misplaced(cell, url, f"{what}; the file has none that belongs there")
        of = "" if owner == number else f" of {array.urls[owner]}"
        return Misplaced(cell, url, f"{what}, expected {wanted}{of}")


def _by_value(table: npt.NDArray[np.int32]) -> Iterator[tuple[int, Ints]]:
    """Each number from 0 on in a table, with the positions where it stands."""
    flat = table.ravel()
    order = np.argsort(flat, kind="stable")
    values, starts = np.unique(flat[order], return_index=True)
    for value, members in zip(values.tolist(), np.split(order, starts[1:]), strict=True):
        if value >= 0:
            yield value, np.stack(np.unravel_index(members, table.shape), axis=1)


def _most(values: Ints) -> int:
    """What stands there most often; 0 where nothing does."""
    found, counts = np.unique(values, return_counts=True)
    return int(found[np.argmax(counts)]) if found.size else 0
