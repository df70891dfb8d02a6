"""Versions of a file, told apart by what a store says of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class FileVersion:
    """What a store says of a file: enough to notice that the file has changed.

    Parameters
    ----------
    size : int or None
        In bytes.
    etag : str or None
    last_modified : datetime.datetime or None
        Decides only where there is no etag.
    """

    size: int | None = None
    etag: str | None = None
    last_modified: Any = None

    @classmethod
    def of(cls, meta: Any) -> FileVersion:
        """The version in the metadata of a store's answer."""
        return cls(int(meta["size"]), meta.get("e_tag"), meta.get("last_modified"))

    def difference(self, found: FileVersion) -> str | None:
        """How `found` differs, in words; None when both may be the same file."""
        pairs: list[tuple[str, Any, Any]] = [("size", self.size, found.size)]
        if self.etag is not None and found.etag is not None:
            # A proxy that compresses makes etags weak ("W/..."); the bytes are the same.
            pairs.append(("etag", self.etag.removeprefix("W/"), found.etag.removeprefix("W/")))
        else:
            pairs.append(("time of change", self.last_modified, found.last_modified))
        for name, old, new in pairs:
            if old is not None and new is not None and old != new:
                return f"its {name} was {old} and is {new}"
        return None
