"""Whether a FLAC raster holds what it should: every tile, every checksum, every byte.

Knows the source, the index and the codec; must not know rasterio or the terminal.
"""

from __future__ import annotations

import os
import zlib
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np
from obspec_utils.registry import ObjectStoreRegistry
from zarr_flac import Head, count_ambiguous, decode, iter_frames, read_tile_info

from .errors import CorruptFlacError, FlacError
from .fetch import FileReader
from .file_version import FileVersion
from .index import TileIndex
from .ranges import MergedRange, merge_ranges
from .source import read_index
from .stores import registry_for, to_url
from .stream_md5 import stream_md5_agrees
from .tiles import decode_at
from .writer import available_cores

Progress = Callable[[int, int], object]
#: Bytes that are read at once; about as much again waits to be checked.
READ_BYTES = 8 << 20
#: Layouts whose first four bytes say how long the head is, and whose tiles say what they are.
_WITH_INDEX_SIZE = ("virtual-flac", "flac-raster streaming")


class TilePlace(NamedTuple):
    """Which tile: level and 0-based plane, tile row and tile column."""

    level: int
    plane: int
    row: int
    col: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TileFinding:
    """What is wrong with one tile.

    Parameters
    ----------
    level : int
        0 is the full resolution.
    band : int or None
        1-based; None where a tile holds all bands.
    row, col : int
        Tile row and tile column.
    offset, length : int
        Its bytes in the file.
    what : str
    """

    level: int
    band: int | None
    row: int
    col: int
    offset: int
    length: int
    what: str

    def __str__(self) -> str:
        band = "all bands" if self.band is None else f"band {self.band}"
        return (
            f"level {self.level}, {band}, tile ({self.row}, {self.col}), bytes {self.offset} to "
            f"{self.offset + self.length}: {self.what}"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class TileCheck:
    """What `check_tile` found.

    Parameters
    ----------
    damage : tuple of str
        Why the tile is not what was written; empty when it is.
    ambiguous : int
        Pixels of which flac-raster's map does not tell the value (see ``count_ambiguous`` of
        zarr_flac); its loss at the time of writing, no damage.
    has_md5 : bool
        Whether STREAMINFO has an MD5, which was checked.
    """

    damage: tuple[str, ...] = ()
    ambiguous: int = 0
    has_md5: bool = False


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
        return {"ok": self.ok, **asdict(self)}


def verify(
    source: str | os.PathLike[str],
    *,
    registry: ObjectStoreRegistry[Any] | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
) -> Verification:
    """Check a whole FLAC raster, and go on behind the first fault.

    Reads every byte once, in large pieces; a file that is one stream with an MD5 of all samples
    once more, to check that. Checks each tile as `check_tile` does, the overviews'
    too, and that no byte lies outside the head and the tiles.

    Parameters
    ----------
    source : str or path
        Path or URL.
    registry : ObjectStoreRegistry, optional
        Stores to read with; made by `registry_for` when not given.
    workers : int, optional
        Threads that decode; one per core by default.
    progress : callable, optional
        Called with the bytes done and the bytes in all.

    Returns
    -------
    Verification

    Raises
    ------
    SourceError
        When the file cannot be read.
    LayoutError
        When its head is damaged, or says what the file cannot hold: then no tile can be named.

    Examples
    --------
    >>> report = verify("https://example.com/dem.flac")
    >>> report.ok, [str(fault) for fault in report.faults]
    """
    url = to_url(source)
    registry = registry or registry_for(url)
    index = read_index(url, registry)
    places, offsets, lengths = _tiles(index)
    version = FileVersion(index.file_size, index.etag, index.last_modified)
    file = FileReader(url, registry, version)
    merged = merge_ranges(offsets, lengths, max_bytes=READ_BYTES)
    total = sum(piece.length for piece in merged)
    done = 0
    faults: list[tuple[int, TileFinding]] = []
    losses: list[tuple[int, TileFinding]] = []
    with_md5 = 0
    threads = workers or available_cores()
    with ThreadPoolExecutor(threads, thread_name_prefix="verify") as pool:
        for piece, data in _pieces(file, merged):
            jobs = [
                pool.submit(
                    check_tile,
                    index,
                    places[tile],
                    data[offsets[tile] - piece.start :][: lengths[tile]],
                )
                for tile in piece.members
            ]
            for tile, job in zip(piece.members, jobs, strict=True):
                found = job.result()
                with_md5 += found.has_md5
                if found.damage:
                    faults.append((tile, _finding(index, places[tile], "; ".join(found.damage))))
                if found.ambiguous:
                    what = f"{found.ambiguous} pixels share their sample with another value"
                    losses.append((tile, _finding(index, places[tile], what)))
            done += piece.length
            if progress:
                progress(done, total)
    stream_md5 = None
    if index.stream is not None and index.file_size is not None and not faults:
        stream_md5 = stream_md5_agrees(file, min(offsets), index.file_size, progress)
    return Verification(
        source=str(source),
        layout=index.layout,
        file_size=index.file_size or 0,
        bytes_read=total,
        tiles=len(places),
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


def check_tile(index: TileIndex, place: TilePlace, data: Any) -> TileCheck:
    """Check the bytes of one tile.

    The checksum in the index, where there is one, covers every byte. Besides: the head of the
    stream, its comments against the raster, the number of samples, the CRC of every frame, the
    frames' sizes and the MD5 of the samples against STREAMINFO where it has them, and that every
    sample stands for a pixel.

    Parameters
    ----------
    index : TileIndex
        Of the file.
    place : TilePlace
    data : bytes-like
        What the file holds where the index says the tile is.

    Returns
    -------
    TileCheck
    """
    level = index.levels[place.level]
    where = (place.plane, place.row, place.col)
    damage = []
    length = int(level.lengths[where])
    if len(data) != length:
        damage.append(f"it has {len(data)} bytes, the index says {length}")
    if level.checksums is not None and zlib.crc32(data) != level.checksums[where]:
        damage.append(
            f"its CRC-32 is {zlib.crc32(data):08x}, the index says {level.checksums[where]:08x}"
        )
    ambiguous, has_md5 = 0, False
    try:
        window = index.grid(place.level).window(place.row, place.col)
        spec = index.tile_spec(place.level)
        if bytes(data[:4]) == b"fLaC":
            head = read_tile_info(data)
            has_md5 = head.streaminfo.md5 != bytes(16)
            _check_head(index, place, head)
            if has_md5:
                decode(data, verify_md5=True)
            _check_frame_sizes(data, head)
        pixels = decode_at(data, spec, window)
        if index.mapping != "exact":
            ambiguous = count_ambiguous(data, pixels, spec)
    except FlacError as error:
        damage.append(str(error))
    return TileCheck(damage=tuple(damage), ambiguous=ambiguous, has_md5=has_md5)


def _check_head(index: TileIndex, place: TilePlace, head: Head) -> None:
    """Compare what a stream says of itself with what the index implies."""
    window = index.grid(place.level).window(place.row, place.col)
    samples = head.streaminfo.total_samples
    if samples not in (0, window.width * window.height):
        raise CorruptFlacError(
            f"STREAMINFO says {samples} samples, the tile has {window.width} x {window.height}"
        )
    if index.layout not in _WITH_INDEX_SIZE:
        return  # comments may be those of the whole raster
    expected = {
        "GEOSPATIAL_WIDTH": str(window.width),
        "GEOSPATIAL_HEIGHT": str(window.height),
        "GEOSPATIAL_DTYPE": index.raster.dtype.name,
    }
    for key, value in expected.items():
        found = head.comments.get(key)
        if found != value:
            raise CorruptFlacError(f"its comment {key} is {found!r}, expected {value!r}")


def _check_frame_sizes(data: Any, head: Head) -> None:
    """Compare the real frames with the smallest and largest size that STREAMINFO gives."""
    info = head.streaminfo
    if not info.min_frame_size or not info.max_frame_size:
        return
    starts = [frame.offset for frame in iter_frames(data)]
    sizes = np.diff([*starts, len(data)])
    if (int(sizes.min()), int(sizes.max())) != (info.min_frame_size, info.max_frame_size):
        raise CorruptFlacError(
            f"STREAMINFO says frames have {info.min_frame_size} to {info.max_frame_size} bytes; "
            f"they have {sizes.min()} to {sizes.max()}"
        )


def _tiles(index: TileIndex) -> tuple[list[TilePlace], list[int], list[int]]:
    """Place, offset and length of every tile, overviews included."""
    places: list[TilePlace] = []
    offsets: list[int] = []
    lengths: list[int] = []
    for number, level in enumerate(index.levels):
        places += [TilePlace(number, *where) for where in np.ndindex(level.lengths.shape)]
        offsets += level.offsets.ravel().tolist()
        lengths += level.lengths.ravel().tolist()
    return places, offsets, lengths


def _pieces(
    file: FileReader, merged: list[MergedRange]
) -> Iterator[tuple[MergedRange, memoryview]]:
    """The bytes of each range; the next one is read while one is checked."""

    def read(piece: MergedRange) -> memoryview:
        return file.get(piece.start, piece.end, f"bytes {piece.start} to {piece.end}")

    with ThreadPoolExecutor(1, thread_name_prefix="read") as pool:
        waiting: deque[tuple[MergedRange, Future[memoryview]]] = deque()
        for piece in merged:
            waiting.append((piece, pool.submit(read, piece)))
            if len(waiting) > 1:
                first, job = waiting.popleft()
                yield first, job.result()
        for piece, job in waiting:
            yield piece, job.result()


def _finding(index: TileIndex, place: TilePlace, what: str) -> TileFinding:
    level = index.levels[place.level]
    where = (place.plane, place.row, place.col)
    return TileFinding(
        level=place.level,
        band=None if index.interleave == "pixel" else place.plane + 1,
        row=place.row,
        col=place.col,
        offset=int(level.offsets[where]),
        length=int(level.lengths[where]),
        what=what,
    )


def _unclaimed(
    file: FileReader, index: TileIndex, offsets: list[int], lengths: list[int]
) -> Iterator[tuple[int, int]]:
    """Bytes between the head, the tiles and the end of the file."""
    position = min(offsets)
    if index.layout in _WITH_INDEX_SIZE:
        position = 4 + int.from_bytes(file.get(0, 4, "the size of the index"), "big")
    for piece in merge_ranges(offsets, lengths):
        if piece.start > position:
            yield position, piece.start
        position = piece.end
    if index.file_size is not None and index.file_size > position:
        yield position, index.file_size
