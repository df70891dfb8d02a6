"""Ranged GETs of one file: merged, bounded in size and memory, and all of one version of the file.

Knows stores and byte ranges; must not know tiles, layouts or pixels. Every error names the URL.
"""

from __future__ import annotations

import asyncio
import itertools
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from obspec_utils.registry import ObjectStoreRegistry

from ..errors import SourceChangedError, SourceError, SourceNotFoundError, SourcePermissionError
from ..model.file_version import FileVersion
from .header_cache import HEADERS
from .ranges import MergedRange, merge_ranges
from .stores import first_line

#: Bytes of a request that joins several pieces. Large enough that latency does not count, small
#: enough that two of them, one arriving and one in use, leave memory alone.
MAX_REQUEST_BYTES = 24 * 2**20
#: Bytes that are on their way or not yet used, for one reader.
MAX_PENDING_BYTES = 2 * MAX_REQUEST_BYTES
#: What is read whole from a server that ignores ranges.
SMALL_FILE_BYTES = 80 * 1024
#: How often a body that broke off is asked for again, where obstore does not do so.
MAX_BODY_RETRIES = 3
#: Requests of one reader at the same time.
MAX_REQUESTS = 16


class FileReader:
    """Reads pieces of one file with few requests.

    Parameters
    ----------
    url : str
    registry : ObjectStoreRegistry
        Stores to read with.
    expected : FileVersion, optional
        Bytes of any other version of the file are refused.
    max_gap : int
        Bytes between two pieces that are rather read than spent on a request of their own.

    Notes
    -----
    Pieces that touch are read by one request, of at most `MAX_REQUEST_BYTES` unless a single piece
    is longer; at most `MAX_REQUESTS` run at a time and no more than `MAX_PENDING_BYTES` are on
    their way or unused.
    """

    def __init__(
        self,
        url: str,
        registry: ObjectStoreRegistry[Any],
        expected: FileVersion | None = None,
        *,
        max_gap: int = 0,
    ) -> None:
        self.url = url
        self._registry = registry
        self._store, self._path = resolve(registry, url)
        self._expected = expected
        self.max_gap = max_gap

    def read(
        self,
        offsets: Sequence[int],
        lengths: Sequence[int],
        describe: Callable[[Sequence[int]], str] | None = None,
    ) -> list[memoryview]:
        """All pieces, in the order asked for; neighbours are views into one buffer.

        Parameters and errors are those of `read_each`; the memory is that of all pieces.
        """
        pieces: dict[int, memoryview] = {}
        self.read_each(offsets, lengths, lambda found: pieces.update(found), describe)
        return [pieces[piece] for piece in range(len(offsets))]

    def read_each(
        self,
        offsets: Sequence[int],
        lengths: Sequence[int],
        use: Callable[[dict[int, memoryview]], None],
        describe: Callable[[Sequence[int]], str] | None = None,
    ) -> None:
        """Give pieces to `use` as they arrive, a request's worth at a time.

        Parameters
        ----------
        offsets, lengths : sequence of int
            In bytes.
        use : callable
            Gets the pieces by their position in `offsets`; called from several threads. What it
            does not keep is freed when it returns.
        describe : callable, optional
            Words for an error about the pieces at these positions, such as ``"tile (0, 3)"``.

        Raises
        ------
        SourceError
            When bytes cannot be read. Nothing more is asked for then.
        SourceChangedError
            When the file is not the expected one.
        """
        merged = merge_ranges(offsets, lengths, max_gap=self.max_gap, max_bytes=MAX_REQUEST_BYTES)

        def work(part: MergedRange) -> None:
            what = describe(part.members) if describe else f"bytes {part.start} to {part.end}"
            data = self.get(part.start, part.end, what)
            use(
                {
                    piece: data[offsets[piece] - part.start :][: lengths[piece]]
                    for piece in part.members
                }
            )

        if len(merged) == 1:  # a thread would only cost time
            work(merged[0])
            return
        _run_bounded(work, merged)

    def stream(self, ranges: Iterable[tuple[int, int]], purpose: str = "") -> Iterator[memoryview]:
        """The bytes of each range (start, end), one after the other, by a request each.

        The next one is read while one is used, so two of them are in memory.

        Raises
        ------
        SourceError
            Which ends with `purpose`.
        """

        def read(start: int, end: int) -> memoryview:
            return self.get(start, end, f"bytes {start} to {end}{purpose}")

        with ThreadPoolExecutor(1, "virtual-flac-get") as pool:
            coming: Future[memoryview] | None = None
            for start, end in ranges:
                here, coming = coming, pool.submit(read, start, end)
                if here is not None:
                    yield here.result()
            if coming is not None:
                yield coming.result()

    def read_prefix(self, count: int) -> tuple[bytes, FileVersion]:
        """The first `count` bytes, or fewer when the file is shorter, by one request.

        Raises
        ------
        SourceError
        """
        try:
            result = self._store.get(self._path, options={"range": (0, count)})
            return bytes(result.buffer()), FileVersion.of(result.meta)
        except Exception as error:
            if not _ignores_ranges(error):
                raise translate(error, self.url) from None
            data, version = self._whole()
            return bytes(data[:count]), version

    def get(self, start: int, end: int, what: str) -> memoryview:
        """One range, by one request.

        Raises
        ------
        SourceError
            Of which `what` is part.
        """
        for attempt in itertools.count():
            version = None
            try:
                result = self._store.get(self._path, options={"range": (start, end)})
                version = FileVersion.of(result.meta)
                data = memoryview(result.buffer())
            except Exception as error:
                if _worth_another_try(version, attempt):
                    continue
                if not _ignores_ranges(error):
                    raise translate(error, self.url, what) from None
                whole, version = self._whole()
                data = whole[start:end]
            break
        assert version is not None
        return self._checked(data, version, start, end, what)

    async def get_async(self, start: int, end: int, what: str) -> memoryview:
        """The same without a thread."""
        for attempt in itertools.count():
            version = None
            try:
                result = await self._store.get_async(self._path, options={"range": (start, end)})
                version = FileVersion.of(result.meta)
                data = memoryview(await result.buffer_async())
            except Exception as error:
                if _worth_another_try(version, attempt):
                    continue
                if not _ignores_ranges(error):
                    raise translate(error, self.url, what) from None
                whole, version = await asyncio.to_thread(self._whole)
                data = whole[start:end]
            break
        assert version is not None
        return self._checked(data, version, start, end, what)

    def _whole(self) -> tuple[memoryview, FileVersion]:
        """All of a small file, from a server that answers 200 whatever the range."""
        try:
            size = int(self._store.head(self._path)["size"])
            if size <= SMALL_FILE_BYTES:
                result = self._store.get(self._path)
                return memoryview(result.buffer()), FileVersion.of(result.meta)
        except Exception as error:
            raise translate(error, self.url) from None
        raise SourceError(
            f"{self.url}: the server does not support range requests, which reading single tiles "
            f"of a file of {size} bytes needs. Put the file on another server, or fetch it whole."
        ) from None

    def _checked(
        self, data: memoryview, version: FileVersion, start: int, end: int, what: str
    ) -> memoryview:
        difference = self._expected.difference(version) if self._expected else None
        if difference is not None:
            HEADERS.forget(self._registry, self.url)  # so that opening it again reads it again
            raise SourceChangedError(
                f"{self.url}: {what}: the file changed since it was opened, {difference}. Open it "
                "again."
            )
        if len(data) != end - start:
            raise SourceError(
                f"{self.url}: {what}: {len(data)} bytes came instead of the {end - start} from "
                f"byte {start} on. The file is cut short, or a server on the way cuts answers."
            )
        return data


def resolve(registry: ObjectStoreRegistry[Any], url: str) -> tuple[Any, str]:
    """Store and path of a URL.

    Raises
    ------
    SourceError
        When the registry has no store for it.
    """
    try:
        store, path = registry.resolve(url)
    except ValueError as error:
        raise SourceError(
            f"{url}: the registry has no store for it. Make one with registry_for([{url!r}])."
        ) from error
    return store, str(path)


def translate(error: Exception, url: str, what: str = "") -> SourceError:
    """An obstore error as one of ours, to be raised ``from None``.

    What obstore says below its first line shows the server's answer, which may repeat credentials.
    """
    where = f"{url}: {what}" if what else url
    if url.startswith("file://"):
        path = Path(url.removeprefix("file://"))
        if path.is_dir():
            return SourceError(f"{url} is a folder, expected a file")
        if path.is_file() and path.stat().st_size == 0:
            return SourceError(f"{url} is empty. Fetch or write it again.")
    if isinstance(error, FileNotFoundError):
        return SourceNotFoundError(f"{where}: no such file or object")
    if isinstance(error, PermissionError) or type(error).__name__ in (
        "PermissionDeniedError",
        "UnauthenticatedError",
    ):
        return SourcePermissionError(
            f"{where}: access denied. Check the credentials; for a public bucket pass "
            "skip_signature=True or set AWS_SKIP_SIGNATURE=true."
        )
    return SourceError(f"{where}: {first_line(error)}")


def _worth_another_try(version: FileVersion | None, attempt: int) -> bool:
    """Whether a body that broke off should be asked for again.

    obstore does so itself where an etag tells it that the rest is of the same file.
    """
    return version is not None and version.etag is None and attempt < MAX_BODY_RETRIES


def _ignores_ranges(error: Exception) -> bool:
    return type(error).__name__ == "NotSupportedError"


def _run_bounded(work: Callable[[MergedRange], None], parts: Sequence[MergedRange]) -> None:
    """Call `work` with every part, within the limits; the first error ends it."""
    pending: deque[tuple[Future[None], int]] = deque()
    size = 0
    with ThreadPoolExecutor(min(len(parts), MAX_REQUESTS), "virtual-flac-get") as pool:
        try:
            for part in parts:
                while pending and size + part.length > MAX_PENDING_BYTES:
                    future, length = pending.popleft()
                    future.result()
                    size -= length
                pending.append((pool.submit(work, part), part.length))
                size += part.length
            for future, _ in pending:
                future.result()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
