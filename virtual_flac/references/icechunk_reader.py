"""An Icechunk store whose errors are ours, and say which chunk could not be read."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from zarr.abc.store import RangeByteRequest
from zarr.buffer import default_buffer_prototype
from zarr.storage import WrapperStore
from zarr_flac import set_origin

from ..errors import SourceError
from ..io.file_reader import MAX_REQUESTS
from ..virtual.store import chunk_name
from .icechunk_errors import reading_error

if TYPE_CHECKING:
    from zarr.abc.store import ByteRequest
    from zarr.core.buffer import Buffer, BufferPrototype


class IcechunkReader(WrapperStore[Any]):
    """Reads an Icechunk store; errors call the repository `target`."""

    def __init__(self, store: Any, target: str) -> None:
        super().__init__(store)
        self.target = target

    def _with_store(self, store: Any) -> IcechunkReader:
        return type(self)(store, self.target)

    async def get(
        self, key: str, prototype: BufferPrototype, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        """Bytes of a chunk or of a metadata document.

        Raises
        ------
        SourceError
            When the bytes cannot be read; names the repository and the chunk, as Icechunk does the
            file.
        """
        import icechunk

        name = chunk_name(key)
        try:
            found: Any = await super().get(key, prototype, byte_range)
        except icechunk.IcechunkError as error:
            raise reading_error(error, f"{self.target}: {name or key}") from None
        if found is not None and name is not None:
            # For the codec, see `CoalescingStore.get`.
            set_origin(found, f"{self.target}: {name}")
        result: Buffer | None = found
        return result

    def try_chunks(self, keys: Sequence[str]) -> list[SourceError | None]:
        """What is wrong with chunks, by the first byte of each; None where nothing is.

        Icechunk itself compares what it knows of a file with what lies there.
        """

        async def try_all() -> list[SourceError | None]:
            slots = asyncio.Semaphore(MAX_REQUESTS)

            async def try_one(key: str) -> SourceError | None:
                async with slots:
                    try:
                        await self.get(key, default_buffer_prototype(), RangeByteRequest(0, 1))
                    except SourceError as error:
                        return error
                    return None

            return await asyncio.gather(*map(try_one, keys))

        # In a notebook this thread has a loop that runs.
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(asyncio.run, try_all()).result()
