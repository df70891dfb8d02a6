"""Ranged GETs of one file: merged, bounded in size and memory, and all of one version of the file.

Every error names the URL.
"""

from __future__ import annotations

import asyncio
import itertools
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from obspec_utils.registry import ObjectStoreRegistry
from obstore.exceptions import NotSupportedError

from ..errors import SourceChangedError, SourceError
from ..model.file_version import FileVersion
from .ranges import MergedRange, merge_ranges
from .store_errors import STORE_ERRORS, translate
from .stores import resolve

#: Bytes of a request that joins several pieces. Large enough that latency does not count, small
#: enough that two of them, one arriving and one in use, leave memory alone.
MAX_REQUEST_BYTES = 16 * 2**20
#: Bytes that are on their way or not yet used, for one reader.
MAX_PENDING_BYTES = 2 * MAX_REQUEST_BYTES
#: What is read whole from a server that ignores ranges.
SMALL_FILE_BYTES = 80 * 1024
#: How often a body that broke off is asked for again, where obstore does not do so.
MAX_BODY_RETRIES = 3
#: Requests of one reader at the same time.
MAX_REQUESTS = 16


class FileReader:
    """Reads pieces of one version of one file with few requests.

    Bytes of another version than `version` are refused; where it is None, the first answer sets it.
    Pieces that touch are read by one request, of at most `MAX_REQUEST_BYTES` unless a single piece
    is longer. At most `MAX_REQUESTS` run at a time, and no more than `MAX_PENDING_BYTES` are on
    their way or unused. `requests` and `bytes_read` are exact while one thread reads at a time.
    """

    def __init__(
        self, url: str, registry: ObjectStoreRegistry[Any], version: FileVersion | None = None
    ) -> None:
        self.url = url
        self.version = version
        self.requests = 0
        self.bytes_read = 0
        self._store, self._path = resolve(registry, url)

    def read(
        self,
        offsets: Sequence[int],
        lengths: Sequence[int],
        describe: Callable[[Sequence[int]], str] | None = None,
    ) -> list[memoryview]:
        """All pieces, in the order asked for; neighbours are views into one buffer."""
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

        `use` gets them by their position in `offsets`, from several threads; what it does not keep
        is freed when it returns. `describe` has words for an error about pieces, such as
        ``"tile (0, 3)"``. After the first error nothing more is asked for.
        """
        merged = merge_ranges(offsets, lengths, max_bytes=MAX_REQUEST_BYTES)

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

        The next one is read while one is used, so two of them are in memory. Errors end with
        `purpose`.
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

    def read_prefix(self, count: int) -> bytes:
        """The first `count` bytes, or fewer when the file is shorter, by one request."""
        return bytes(self._request(0, count, ""))

    def get(self, start: int, end: int, what: str) -> memoryview:
        """One range, by one request; an error says `what` it is."""
        return self._complete(self._request(start, end, what), start, end, what)

    async def get_async(self, start: int, end: int, what: str) -> memoryview:
        """The same without a thread."""
        for attempt in itertools.count():
            self.requests += 1
            version = None
            try:
                result = await self._store.get_async(self._path, options={"range": (start, end)})
                version = FileVersion.of(result.meta)
                data = memoryview(await result.buffer_async())
            except STORE_ERRORS as error:
                if not _worth_another_try(version, attempt):
                    data = await asyncio.to_thread(self._answer_to, error, start, end, what)
                    break
            else:
                self._accept(version, data, what)
                break
        return self._complete(data, start, end, what)

    def read_all(self) -> bytes:
        """All bytes of a small file, by one request."""
        return bytes(self._request(0, None, ""))

    def ask_version(self) -> FileVersion:
        """What the store says of the file now, by one HEAD request."""
        self.requests += 1
        try:
            return FileVersion.of(self._store.head(self._path))
        except STORE_ERRORS as error:
            raise translate(error, self.url) from None

    def _request(self, start: int, end: int | None, what: str) -> memoryview:
        """Bytes of a range as far as the file goes; a body that broke off is asked for again."""
        options = {} if end is None else {"range": (start, end)}
        for attempt in itertools.count():
            self.requests += 1
            version = None
            try:
                result = self._store.get(self._path, options=options)
                version = FileVersion.of(result.meta)
                data = memoryview(result.buffer())
            except STORE_ERRORS as error:
                if not _worth_another_try(version, attempt):
                    return self._answer_to(error, start, end, what)
            else:
                self._accept(version, data, what)
                return data
        raise AssertionError

    def _answer_to(self, error: Exception, start: int, end: int | None, what: str) -> memoryview:
        """A range from a server that ignores ranges, or the error as one of ours."""
        if end is None or not isinstance(error, NotSupportedError):
            raise translate(error, self.url, what) from None
        size = self.ask_version().size
        if size is not None and size <= SMALL_FILE_BYTES:
            return memoryview(self.read_all())[start:end]
        raise SourceError(
            f"{self.url}: the server does not support range requests, which reading single tiles "
            f"of a file of {size} bytes needs. Put the file on another server, or fetch it whole."
        ) from None

    def _accept(self, found: FileVersion, data: memoryview, what: str) -> None:
        """Refuse an answer that is of another version of the file than the one before."""
        self.bytes_read += len(data)
        if self.version is None:
            self.version = found
        difference = self.version.difference(found)
        if difference is not None:
            where = f"{self.url}: {what}" if what else self.url
            raise SourceChangedError(
                f"{where}: the file changed since it was opened, {difference}. Open it again."
            )

    def _complete(self, data: memoryview, start: int, end: int, what: str) -> memoryview:
        if len(data) != end - start:
            raise SourceError(
                f"{self.url}: {what}: {len(data)} bytes came instead of the {end - start} from "
                f"byte {start} on. The file is cut short, or a server on the way cuts answers."
            )
        return data


def _worth_another_try(version: FileVersion | None, attempt: int) -> bool:
    """Whether a body that broke off should be asked for again.

    obstore does so itself where an etag tells it that the rest is of the same file.
    """
    return version is not None and version.etag is None and attempt < MAX_BODY_RETRIES


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
