"""kerchunk references in local folders of parquet, whatever the folders are called.

Written and read by fsspec, which kerchunk's own functions give URLs, and which takes braces and
double colons in those for its own. Here it is given paths.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import fsspec
from fsspec.implementations.reference import LazyReferenceMapper

#: Records of one file in which a URL is named once, as VirtualiZarr writes them.
_CATEGORICAL_THRESHOLD = 10


class _Folder(LazyReferenceMapper):  # type: ignore[misc]
    """References by their keys."""

    def __init__(self, path: Path) -> None:
        # A path that begins with a tilde or a protocol would be taken for something else.
        root = str(path.absolute())
        super().__init__(
            root, fsspec.filesystem("file"), categorical_threshold=_CATEGORICAL_THRESHOLD
        )
        self.out_root = root
        self.url = root.replace("{", "{{").replace("}", "}}") + "/{field}/refs.{record}.parq"


def read_folder(path: Path) -> dict[str, Any]:
    """All references, as if parsed from JSON."""
    folder = _Folder(path)
    return {"refs": {key: folder[key] for key in folder}}


def write_folder(references: Mapping[str, Any], path: Path, records: int) -> None:
    """Write references, as VirtualiZarr makes a dictionary of them, into a new folder.

    `records` are those of one file.
    """
    path.mkdir()
    beginning = {"metadata": {}, "record_size": records}
    (path / ".zmetadata").write_text(json.dumps(beginning), "utf-8")
    folder = _Folder(path)
    for key in sorted(references["refs"]):
        folder[key] = references["refs"][key]
    folder.flush()
