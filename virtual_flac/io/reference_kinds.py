"""Which files and folders are published references: by first bytes, contents and suffix."""

from __future__ import annotations

import os
import re
from pathlib import Path

from ..errors import UnknownLayoutError
from .addresses import local_path
from .store_errors import first_bytes

KERCHUNK_JSON = "kerchunk JSON"
KERCHUNK_PARQUET = "kerchunk parquet"
ICECHUNK = "Icechunk"

_BY_SUFFIX = {
    ".json": KERCHUNK_JSON,
    ".parquet": KERCHUNK_PARQUET,
    ".parq": KERCHUNK_PARQUET,
    ".icechunk": ICECHUNK,
}
#: How kerchunk's version 1 begins, and its version 0, which has the references alone.
_JSON_BEGINS = re.compile(
    rb'\s*\{\s*"(version"\s*:\s*1\s*,\s*"(refs|templates|gen)"|refs"\s*:|\.z(group|metadata|attrs)")'
)
_HEAD_BYTES = 256


def references_kind(source: str | os.PathLike[str], head: bytes | None = None) -> str | None:
    """What kind of references a path or URL is; None when it is something else.

    Local files and folders are looked into; of a URL, the suffix decides. The first bytes decide
    alone where they are given.
    """
    text = os.fspath(source)
    if head is not None:
        return KERCHUNK_JSON if _JSON_BEGINS.match(head) else None
    path = local_path(source)
    if path is not None:
        if os.path.isfile(path):
            return references_kind(source, first_bytes(path, _HEAD_BYTES))
        if os.path.isdir(path):
            if (path / ".zmetadata").is_file():
                return KERCHUNK_PARQUET
            return ICECHUNK if (path / "snapshots").is_dir() else None
    return _BY_SUFFIX.get(Path(text.rstrip("/")).suffix)


def refuse_references(source: str | os.PathLike[str], head: bytes | None = None) -> None:
    """Say how references are opened where a raster is expected.

    Without the first bytes of a file, only folders are looked into.

    Raises
    ------
    UnknownLayoutError
    """
    kind = references_kind(source, head)
    if kind is None or (kind == KERCHUNK_JSON and head is None):
        return
    engine = "" if kind == ICECHUNK else ' or xarray\'s engine="kerchunk"'
    raise UnknownLayoutError(
        f"{os.fspath(source)}: holds {kind} references, not a raster of its own. Open them with "
        f"virtual_flac.open_references{engine}; `virtual-flac info` shows what they refer to."
    )
