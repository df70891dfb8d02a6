"""What nobody should give a public function: wrong types, odd numbers, strange names."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

#: Text that is no word of ours, and names of nothing that could be read.
TEXTS = (
    "", "nonsense", "a\0b", "\ud800", "a\nb", "%s{}", "x" * 5000, "/".join(["x" * 200] * 30), "..",
    "~nobody/x", "/dev/null", "/proc/self/mem", "http://[::1", "s3://", "nonsense://x",
)  # fmt: skip


class BytesPath(os.PathLike[bytes]):
    """A path that is no text."""

    def __fspath__(self) -> bytes:
        return b"\xff"


def values() -> Iterator[Any]:
    """Everything but files."""
    yield from (None, True, 3, -1, 2**70, 0.5, float("nan"), 1j, b"in.tif", object(), type)
    yield from TEXTS
    yield from ([], {}, [None], ["nonsense"], (1, 2, 3, 4), (-1, -1), (2**70,) * 4, {1, 2})
    yield from (
        (float("nan"),) * 4, {"a": 1}, {1: "a"}, (letter for letter in "ab"), np.zeros(3),
        np.datetime64("NaT", "s"), BytesPath(), lambda *_: None,
    )  # fmt: skip


def files(folder: Path, flac: bytes) -> list[Path]:
    """Files that are not what they should be, and names of none; `flac` is a good one."""
    contents = {
        "empty": b"", "text.txt": b"no raster", "cut.flac": flac[:1500], "cut.tif": b"II*\0",
        "music.flac": b"fLaC" + flac[:300],
        "nothing.json": b'{"version": 1, "refs": {"a/0": ["/none/x.flac", 0, 9]}}',
    }  # fmt: skip
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    (folder / "folder").mkdir()
    return [folder / name for name in (*contents, "folder", "missing.flac", "missing/x.json")]
