"""Virtual Zarr stores that read neighbouring tiles together, and say which tile a fault is in.

zarr-python asks a store for chunks one by one, many at the same time. What it asks for in one turn
of the event loop becomes merged requests here.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple
from weakref import WeakKeyDictionary

from obspec_utils.registry import ObjectStoreRegistry
from virtualizarr.manifests import ManifestArray, ManifestGroup, ManifestStore
from zarr.abc.store import OffsetByteRequest, RangeByteRequest, SuffixByteRequest
from zarr_flac import check_crc32, set_origin

from ..errors import prefixed_with
from ..io.addresses import normalized
from ..io.file_reader import MAX_REQUEST_BYTES, MAX_REQUESTS, FileReader
from ..io.ranges import MergedRange, merge_ranges
from ..model.file_version import FileVersion
from ..redaction import told
from .manifests import chunk_entry

if TYPE_CHECKING:
    from zarr.abc.store import ByteRequest
    from zarr.core.buffer import Buffer, BufferPrototype

_CHUNK_KEY = re.compile(r"(?P<array>.+)/c[/.](?P<chunk>\d+(?:[/.]\d+)*)")


def chunk_name(key: str) -> str | None:
    """What errors call the chunk under a Zarr key; None for keys of other things."""
    match = _CHUNK_KEY.fullmatch(key)
    return match and f"{match['array']}, chunk ({', '.join(re.split('[/.]', match['chunk']))})"


class Chunk(NamedTuple):
    """Where one chunk, or a part of it, lies, and what is known of it."""

    url: str
    offset: int
    length: int
    name: str
    """What errors call it."""
    checksum: int | None = None
    """CRC-32 of the whole chunk."""


class CoalescingStore(ManifestStore):
    """VirtualiZarr's store with few requests and with errors that say where.

    Of published references, too: they hold no versions of files and no checksums of tiles, so a
    file that changed is noticed only when its tiles do not decode.

    Bytes of another `version` of the one file that all chunks lie in are refused.

    Notes
    -----
    zarr-python has at most ``zarr.config["async.concurrency"]`` chunks on their way, 10 by default,
    and no more than those can merge.
    """

    def __init__(
        self,
        group: ManifestGroup,
        *,
        registry: ObjectStoreRegistry[Any],
        version: FileVersion | None = None,
    ) -> None:
        super().__init__(group, registry=registry)
        self.group = group
        self.registry = registry
        self.version = version or FileVersion()
        self._batches = _Batches()

    def find_chunk(self, array: str, position: tuple[int, ...]) -> Chunk | None:
        """The chunk at a position of an array's chunk grid; None for what VirtualiZarr reads."""
        node: Any = self.group
        for name in array.split("/"):
            node = node.get(name, {})
        entry = chunk_entry(node, position) if isinstance(node, ManifestArray) else None
        if entry is None:
            return None
        # VirtualiZarr quotes what it reads from kerchunk's references.
        return Chunk(
            normalized(entry["path"]), int(entry["offset"]), int(entry["length"]),
            self.name_chunk(array, position), self.checksum(array, position),
        )  # fmt: skip

    def name_chunk(self, array: str, position: tuple[int, ...]) -> str:
        """What errors call a chunk."""
        return f"{array}, chunk ({', '.join(map(str, position))})"

    def checksum(self, array: str, position: tuple[int, ...]) -> int | None:
        """CRC-32 of a chunk, None where it is not known."""
        return None

    async def get(
        self, key: str, prototype: BufferPrototype, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        """Bytes of a chunk or of a metadata document.

        Raises
        ------
        SourceError
            When the bytes cannot be read; names the URL and the chunk.
        CorruptFlacError
            When those of a whole chunk are not those with its CRC-32.
        """
        chunk = None
        if match := _CHUNK_KEY.fullmatch(key):
            position = tuple(int(number) for number in re.split("[/.]", match["chunk"]))
            chunk = self.find_chunk(match["array"], position)
        if chunk is None:
            found: Any = await super().get(key, prototype, byte_range)
            if found is not None and (name := chunk_name(key)):
                set_origin(found, name)
            inside: Buffer | None = found
            return inside
        part = _part_of(byte_range, chunk.length)
        reader = FileReader(chunk.url, self.registry, self.version)
        wanted = chunk._replace(offset=chunk.offset + part.start, length=len(part))
        data = await self._batches.get(reader, wanted)
        origin = f"{chunk.url}: {chunk.name}"
        if len(part) == chunk.length:
            with prefixed_with(origin):
                check_crc32(data, chunk.checksum)
        buffer: Any = prototype.buffer.from_bytes(data)
        # The codec, which sees damage inside a tile, puts this before what it has to say.
        set_origin(buffer, told(origin))
        result: Buffer = buffer
        return result


def _part_of(byte_range: ByteRequest | None, length: int) -> range:
    """The bytes of a chunk that a part of it means."""
    match byte_range:
        case None:
            return range(length)
        case RangeByteRequest(start, end):
            return range(length)[start:end]
        case OffsetByteRequest(offset):
            return range(length)[offset:]
        case SuffixByteRequest(suffix):
            return range(max(length - suffix, 0), length)


@dataclass(slots=True, eq=False)
class _Loop:
    """What one event loop has under way."""

    slots: asyncio.Semaphore
    waiting: dict[str, list[tuple[Chunk, asyncio.Future[memoryview]]]] = field(default_factory=dict)
    """By URL."""
    tasks: set[asyncio.Task[None]] = field(default_factory=set)


class _Batches:
    """Gathers the reads of one turn of an event loop, and hands out slices of merged requests."""

    def __init__(self) -> None:
        self._loops: WeakKeyDictionary[asyncio.AbstractEventLoop, _Loop] = WeakKeyDictionary()

    def __reduce__(self) -> Any:
        return type(self), ()  # what is under way stays in its process

    async def get(self, reader: FileReader, read: Chunk) -> memoryview:
        loop = asyncio.get_running_loop()
        state = self._loops.get(loop)
        if state is None:
            state = self._loops[loop] = _Loop(asyncio.Semaphore(MAX_REQUESTS))
        if reader.url not in state.waiting:
            # Behind all that is ready to run now, and may ask for neighbours.
            loop.call_soon(self._send, reader, loop, state)
        future: asyncio.Future[memoryview] = loop.create_future()
        state.waiting.setdefault(reader.url, []).append((read, future))
        return await future

    def _send(self, reader: FileReader, loop: asyncio.AbstractEventLoop, state: _Loop) -> None:
        batch = state.waiting.pop(reader.url)
        for part in merge_ranges(
            [read.offset for read, _ in batch],
            [read.length for read, _ in batch],
            max_bytes=MAX_REQUEST_BYTES,
        ):
            members = [batch[member] for member in part.members]
            task = loop.create_task(_read_part(reader, state.slots, part, members))
            state.tasks.add(task)  # the loop itself holds tasks weakly
            task.add_done_callback(state.tasks.discard)


async def _read_part(
    reader: FileReader,
    slots: asyncio.Semaphore,
    part: MergedRange,
    members: list[tuple[Chunk, asyncio.Future[memoryview]]],
) -> None:
    first, last = members[0][0].name, members[-1][0].name
    try:
        async with slots:
            if all(future.done() for _, future in members):
                return  # whoever asked has given up
            data = await reader.get_async(
                part.start, part.end, first if first == last else f"{first} to {last}"
            )
    except BaseException as error:
        for _, future in members:
            if not future.done():
                future.set_exception(error)
        if not isinstance(error, Exception):
            raise
        return
    for read, future in members:
        if not future.done():
            start = read.offset - part.start
            future.set_result(data[start : start + read.length])
