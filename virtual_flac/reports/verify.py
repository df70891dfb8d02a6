"""Whether a FLAC raster holds what it should: every tile, every checksum, every byte."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from obspec_utils.registry import ObjectStoreRegistry

from ..errors import SelectionError
from ..io.file_reader import FileReader
from ..io.ranges import merge_ranges
from ..io.reference_kinds import references_kind
from ..io.stores import registry_for, to_url
from ..io.workers import Counter, Progress, available_cores
from ..model.arguments import checked
from ..model.index import TileIndex
from ..reading.header import read_index
from .spatial_info import Tile, TileTable
from .stream_md5 import stream_md5_agrees
from .tile_check import WITH_INDEX_SIZE, TileFinding
from .tile_pass import TilePass

if TYPE_CHECKING:
    from .verify_references import ReferencesVerification


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """What `verify` found.

    Parameters
    ----------
    source, layout : str
    file_size, bytes_read : int
    tiles, pixels : int
        Overviews and bands counted.
    with_checksum, with_md5 : int
        Tiles whose every byte is covered by a checksum in the index; whose samples have an MD5.
    faults : tuple of TileFinding
        Damaged tiles.
    losses : tuple of TileFinding
        Tiles that flac-raster's map cannot give back exactly. The file is as it was written.
    unclaimed : tuple of (start, end)
        Bytes that belong neither to the head nor to a tile.
    stream_md5 : bool or None
        Of a file that is one stream: whether its samples have the MD5 that it says; None where it
        says none, and where tiles are damaged anyway.
    """

    source: str
    layout: str
    file_size: int
    bytes_read: int
    tiles: int
    pixels: int
    with_checksum: int
    with_md5: int
    faults: tuple[TileFinding, ...]
    losses: tuple[TileFinding, ...]
    unclaimed: tuple[tuple[int, int], ...]
    stream_md5: bool | None = None

    @property
    def ok(self) -> bool:
        """Whether the file is as it was written: no damaged tile, no byte of unknown use."""
        return not self.faults and not self.unclaimed and self.stream_md5 is not False

    def to_dict(self) -> dict[str, Any]:
        """The findings as JSON values."""
        faults, losses = ([each.to_dict() for each in kind] for kind in (self.faults, self.losses))
        return {"ok": self.ok, **asdict(self), "faults": faults, "losses": losses}


@checked
def verify(
    source: str | os.PathLike[str],
    *,
    registry: ObjectStoreRegistry[Any] | None = None,
    store_options: Mapping[str, Any] | None = None,
    allow_local: bool = False,
    headers_only: bool = False,
    workers: int | None = None,
    progress: Progress | None = None,
) -> Verification | ReferencesVerification:
    """Check a whole FLAC raster, or published references; do not stop at the first fault.

    Reads every byte of a raster once, in large pieces; a file that is one stream with an MD5 of all
    samples once more, to check that. Checks each tile as `check_tile` does, the overviews'
    too, and that no byte lies outside the header and the tiles.

    Of references, checks that every chunk is the tile that belongs there, by the headers of the
    files, and then those tiles.

    Parameters
    ----------
    source : str or path
        Path or URL.
    registry : ObjectStoreRegistry, optional
        Stores to read with; made by `registry_for` when not given.
    store_options : Mapping, optional
        Options of the stores that are made, as for `registry_for`.
    allow_local : bool
        Whether references at a URL may name files of this machine.
    headers_only : bool
        Of references: leave the tiles alone, and read only the header of each file.
    workers : int, optional
        Threads that decode; one per core by default.
    progress : callable, optional
        Called with the bytes done and the bytes in all; with `headers_only`, with files.

    Returns
    -------
    Verification or ReferencesVerification

    Raises
    ------
    SourceError
        When the file cannot be read; of a file that references are to, this is a fault.
    LayoutError
        When its head is damaged, or says what the file cannot hold: then no tile can be named.
    ReferencesError
        When references are damaged.
    SourcePermissionError
        When references at a URL name a local file.
    SelectionError
        When `headers_only` is given for a raster.

    Examples
    --------
    >>> report = verify("https://example.com/dem.flac")
    >>> report.ok, [str(fault) for fault in report.faults]
    """
    options = dict(store_options or {})
    if references_kind(source):
        # Imports xarray and VirtualiZarr.
        from .verify_references import verify_references

        return verify_references(
            source, registry, options,
            allow_local=allow_local, headers_only=headers_only, workers=workers, progress=progress,
        )  # fmt: skip
    if headers_only:
        raise SelectionError(
            f"{os.fspath(source)}: headers_only (--headers-only) is for references; `info` shows "
            "the header of a file"
        )
    url = to_url(source)
    registry = registry or registry_for(url, **options)
    index = read_index(url, registry)
    tiles = list(TileTable(source=url, index=index))
    offsets, lengths = [tile.offset for tile in tiles], [tile.length for tile in tiles]
    file = FileReader(url, registry, index.version)
    file_size = index.version.size
    faults: list[tuple[int, TileFinding]] = []
    losses: list[tuple[int, TileFinding]] = []
    with_md5 = 0
    work = TilePass(file, index, tiles)
    with ThreadPoolExecutor(workers or available_cores(), "verify") as pool:
        for number, found in work.check(pool, Counter(progress, work.bytes)):
            with_md5 += found.has_md5
            if found.fault:
                faults.append((number, _finding(tiles[number], found.fault)))
            if found.loss:
                losses.append((number, _finding(tiles[number], found.loss)))
    stream_md5 = None
    if index.stream is not None and file_size is not None and not faults:
        stream_md5 = stream_md5_agrees(file, min(offsets), file_size, progress)
    return Verification(
        source=str(source),
        layout=index.layout,
        file_size=file_size or 0,
        bytes_read=work.bytes,
        tiles=len(tiles),
        pixels=index.raster.count * sum(level.width * level.height for level in index.levels),
        with_checksum=sum(
            level.lengths.size for level in index.levels if level.checksums is not None
        ),
        with_md5=with_md5,
        faults=tuple(finding for _, finding in sorted(faults, key=lambda item: item[0])),
        losses=tuple(finding for _, finding in sorted(losses, key=lambda item: item[0])),
        unclaimed=tuple(_unclaimed(file, index, offsets, lengths)),
        stream_md5=stream_md5,
    )


def _finding(tile: Tile, what: str) -> TileFinding:
    return TileFinding(**asdict(tile), what=what)


def _unclaimed(
    file: FileReader, index: TileIndex, offsets: list[int], lengths: list[int]
) -> Iterator[tuple[int, int]]:
    """Bytes between the head, the tiles and the end of the file."""
    position = min(offsets)
    if index.layout in WITH_INDEX_SIZE:
        position = 4 + int.from_bytes(file.get(0, 4, "the size of the index"), "big")
    for piece in merge_ranges(offsets, lengths):
        if piece.start > position:
            yield position, piece.start
        position = piece.end
    size = index.version.size
    if size is not None and size > position:
        yield position, size
