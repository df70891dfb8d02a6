"""Where the bytes of a chunk come from, for errors: said by a store, read by the Zarr v3 codec.

zarr-python does not tell a codec which chunk it decodes. A store that knows may say so on the
buffer that it returns, and errors then begin with it.
"""

from __future__ import annotations

from typing import Any

_ATTRIBUTE = "zarr_flac_origin"


def set_origin(buffer: Any, origin: str) -> None:
    """Say where the bytes of a buffer come from.

    Parameters
    ----------
    buffer
        What a store returns for a chunk (``zarr.abc.buffer.Buffer``).
    origin
        Such as a URL and the name of a tile; put in front of what is wrong with the chunk.
    """
    setattr(buffer, _ATTRIBUTE, origin)


def origin_of(buffer: Any) -> str | None:
    """What `set_origin` said, None when it was not called."""
    origin: str | None = getattr(buffer, _ATTRIBUTE, None)
    return origin
