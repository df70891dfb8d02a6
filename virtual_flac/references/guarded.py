"""An Icechunk store whose errors are ours, and say which chunk they are about.

Knows what Icechunk says; knows neither repositories nor FLAC.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from zarr.storage import WrapperStore

from ..errors import SourceChangedError, SourceError, SourceNotFoundError, SourcePermissionError
from ..io.store_errors import first_line
from ..virtual.store import chunk_name

if TYPE_CHECKING:
    from zarr.abc.store import ByteRequest
    from zarr.core.buffer import Buffer, BufferPrototype

#: What Icechunk says of a chunk that it cannot read, and what that is to us.
_KINDS = (
    ("changed", SourceChangedError),
    ("not found", SourceNotFoundError),
    ("privileges|permission|credentials|access ?denied|forbidden|signature", SourcePermissionError),
)


class GuardedStore(WrapperStore[Any]):
    """Reads an Icechunk store.

    Parameters
    ----------
    store : icechunk.IcechunkStore
    target : str
        What errors call the repository.
    """

    def __init__(self, store: Any, target: str) -> None:
        super().__init__(store)
        self.target = target

    def _with_store(self, store: Any) -> GuardedStore:
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
            # Its context, below, may repeat what the server said.
            said = first_line(error)
            kind = next((k for words, k in _KINDS if re.search(words, said, re.I)), SourceError)
            raise kind(f"{self.target}: {name or key}: {said}") from None
        if found is not None and name is not None:
            # For the codec, see `CoalescingStore.get`.
            found.origin = f"{self.target}: {name}"
        result: Buffer | None = found
        return result
