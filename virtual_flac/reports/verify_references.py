"""Whether published references are to the tiles that belong there, and whether those are whole."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from obspec_utils.registry import ObjectStoreRegistry

from ..errors import FlacError, SelectionError, SourceError
from ..io.file_reader import MAX_REQUESTS, FileReader
from ..io.stores import registry_for
from ..io.workers import Counter, Progress, available_cores
from ..reading.header import read_index
from ..references.file_tiles import FileTiles
from ..references.icechunk_reader import IcechunkReader
from ..references.open import open_store
from ..references.placement import Placement
from ..references.tile_arrays import TileArray, tile_arrays
from .spatial_info import Tile, TileTable
from .tile_pass import TilePass

Place = tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceFinding:
    """What is wrong with a reference, or with all that an array has of a file.

    Parameters
    ----------
    array : str
        Path of the array.
    chunk : tuple of int or None
        Position in its chunk grid; None for the whole array, or all chunks in a file.
    url : str or None
        The file; None where there is no reference.
    offset, length : int or None
        Bytes that the reference is to.
    what : str
    """

    array: str
    chunk: tuple[int, ...] | None = None
    url: str | None = None
    offset: int | None = None
    length: int | None = None
    what: str

    def __str__(self) -> str:
        parts = [self.array]
        if self.chunk is not None:
            parts.append(f"chunk ({', '.join(map(str, self.chunk))})")
        if self.url is not None:
            parts.append(self.url)
        if self.offset is not None and self.length is not None:
            parts.append(f"bytes {self.offset} to {self.offset + self.length}")
        return f"{', '.join(parts)}: {self.what}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferencesVerification:
    """What `verify` found of references.

    Parameters
    ----------
    source, kind : str
        ``kerchunk JSON``, ``kerchunk parquet`` or ``Icechunk``.
    files, references : int
        That there are references to; byte ranges of them.
    absent : int
        Chunks without any: readers see nodata there.
    tiles, bytes_read : int
        That were read and decoded; 0 where only headers were.
    with_checksum, with_md5 : int
        Tiles whose every byte is covered by a checksum in the file's index; whose samples have an
        MD5.
    faults : tuple of ReferenceFinding
        References to other bytes than the tile that belongs there, tiles that are damaged, files
        that cannot be read.
    losses : tuple of ReferenceFinding
        Tiles that flac-raster's map cannot give back exactly.
    """

    source: str
    kind: str
    files: int
    references: int
    absent: int
    tiles: int
    bytes_read: int
    with_checksum: int
    with_md5: int
    faults: tuple[ReferenceFinding, ...]
    losses: tuple[ReferenceFinding, ...]

    @property
    def ok(self) -> bool:
        """Whether every reference is to the tile that belongs there, and no tile is damaged."""
        return not self.faults

    def to_dict(self) -> dict[str, Any]:
        """The findings as JSON values."""
        return {"ok": self.ok, **asdict(self)}


def verify_references(
    source: str | os.PathLike[str],
    registry: ObjectStoreRegistry[Any] | None,
    options: Mapping[str, Any],
    *,
    allow_local: bool = False,
    headers_only: bool = False,
    workers: int | None = None,
    progress: Progress | None = None,
) -> ReferencesVerification:
    """Check published references, see `virtual_flac.verify`.

    Costs a request for the header of each file; of those in an Icechunk repository one more, for
    each array; and without `headers_only` the tiles, neighbours together.
    """
    store = open_store(source, dict(options), registry=registry, allow_local=allow_local)
    arrays = tile_arrays(store)
    urls = list(dict.fromkeys(url for array in arrays for url in array.urls))
    if not urls:
        raise SelectionError(f"{os.fspath(source)}: refers to no file; there is nothing to check")
    work = _Work(arrays, registry or registry_for(urls, **options))
    work.read_headers(urls, progress if headers_only else None)
    if isinstance(store.zarr, IcechunkReader):
        work.check_versions(store.zarr)
    work.check_places()
    if not headers_only:
        work.check_tiles(workers or available_cores(), progress)
    return ReferencesVerification(
        source=os.fspath(source),
        kind=store.kind,
        files=len(urls),
        references=sum(int(np.count_nonzero(array.files >= 0)) for array in arrays),
        absent=sum(int(((array.files < 0) & ~array.inside).sum()) for array in arrays),
        tiles=work.tiles,
        bytes_read=work.bytes_read,
        with_checksum=work.with_checksum,
        with_md5=work.with_md5,
        faults=tuple(work.faults),
        losses=tuple(work.losses),
    )


class _Work:
    """What is known so far."""

    def __init__(self, arrays: Sequence[TileArray], registry: ObjectStoreRegistry[Any]) -> None:
        self.tiles = self.bytes_read = self.with_checksum = self.with_md5 = 0
        self.faults: list[ReferenceFinding] = []
        self.losses: list[ReferenceFinding] = []
        self._arrays = arrays
        self._registry = registry
        self._headers: dict[str, FileTiles] = {}
        self._placements: list[Placement] = []

    def read_headers(self, urls: Sequence[str], progress: Progress | None) -> None:
        """Read the header of each file; those that cannot be read are faults."""
        counter = Counter(progress, len(urls))

        def read(url: str) -> FileTiles | FlacError:
            try:
                return FileTiles(read_index(url, self._registry))
            except FlacError as error:
                return error

        with ThreadPoolExecutor(min(MAX_REQUESTS, len(urls))) as pool:
            for url, found in zip(urls, pool.map(read, urls), strict=True):
                counter.add(1)
                if isinstance(found, FileTiles):
                    self._headers[url] = found
                    continue
                for array in self._arrays:
                    if url in array.urls:
                        self._fault(array, None, url, _without(url, found))

    def check_versions(self, reader: IcechunkReader) -> None:
        """Let Icechunk say which files it does not read, as they have changed."""
        chosen = [
            (array, tuple(np.argwhere(array.files == number)[0].tolist()), url)
            for array in self._arrays
            for number, url in enumerate(array.urls)
            if url in self._headers
        ]
        keys = [f"{array.path}/c/{'/'.join(map(str, array.chunk(c)))}" for array, c, _ in chosen]
        for (array, cell, url), error in zip(chosen, reader.try_chunks(keys), strict=True):
            if error is not None:
                self._fault(array, cell, url, str(error).removeprefix(f"{reader.target}: "))

    def check_places(self) -> None:
        """Compare the references with the headers."""
        for array in self._arrays:
            placement = Placement(array, self._headers)
            self._placements.append(placement)
            for found in placement.faults():
                self._fault(array, found.cell, found.url, found.what)

    def check_tiles(self, workers: int, progress: Progress | None) -> None:
        """Read and decode every tile that there is a reference to, once."""
        passes = []
        for url, header in self._headers.items():
            wanted = dict(self._chunks_of(url))
            table = TileTable(source=url, index=header.index)
            tiles = [tile for tile in table if _place(tile) in wanted]
            file = FileReader(url, self._registry, header.index.version)
            chunks = [wanted[_place(tile)] for tile in tiles]
            passes.append((url, chunks, TilePass(file, header.index, tiles)))
        counter = Counter(progress, sum(work.bytes for _, _, work in passes))
        with ThreadPoolExecutor(workers, "verify") as pool:
            for url, chunks, work in passes:
                try:
                    for number, found in work.check(pool, counter):
                        array, cell = chunks[number]
                        self.tiles += 1
                        self.with_md5 += found.has_md5
                        self.with_checksum += work.tiles[number].checksum is not None
                        if found.fault:
                            self._fault(array, cell, url, found.fault)
                        if found.loss:
                            self.losses.append(_finding(array, cell, url, found.loss))
                    self.bytes_read += work.bytes
                except SourceError as error:
                    self._fault(chunks[0][0], None, url, _without(url, error))

    def _chunks_of(self, url: str) -> Iterator[tuple[Place, tuple[TileArray, Place]]]:
        """The tiles of a file that there are references to, each with a chunk that is it."""
        for placement in self._placements:
            cells = placement.cells.get(url, ())
            for cell in map(tuple, np.asarray(cells).tolist()):
                place = tuple(placement.places[cell].tolist())
                if place[0] >= 0:
                    yield place, (placement.array, cell)

    def _fault(
        self, array: TileArray, cell: tuple[int, ...] | None, url: str | None, what: str
    ) -> None:
        self.faults.append(_finding(array, cell, url, what))


def _finding(
    array: TileArray, cell: tuple[int, ...] | None, url: str | None, what: str
) -> ReferenceFinding:
    if cell is None:
        return ReferenceFinding(array=array.path, url=url, what=what)
    some = url is not None
    return ReferenceFinding(
        array=array.path,
        chunk=array.chunk(cell),
        url=url,
        offset=int(array.offsets[cell]) if some else None,
        length=int(array.lengths[cell]) if some else None,
        what=what,
    )


def _place(tile: Tile) -> Place:
    """Level, plane, tile row and tile column."""
    return tile.level, 0 if tile.band is None else tile.band - 1, tile.row, tile.col


def _without(url: str, error: Exception) -> str:
    """What an error says, without the name of the file in front."""
    return str(error).removeprefix(f"{url}: ")
