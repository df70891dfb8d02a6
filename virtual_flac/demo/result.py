"""What a demo made and found, and which files in its folder are its own."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ..errors import TargetExistsError
from ..io.local_files import atomic_write
from ..io.target_errors import writing

#: Says what the demo made and measured; what it lists may be replaced, nothing else.
REPORT = "demo.json"
_MADE_BY = "virtual-flac demo"


@dataclass(frozen=True, slots=True)
class Cost:
    """What one action asked of the server."""

    reader: str
    """File and how it was read: ``FLAC, engine="flac"``."""
    action: str
    """``open``, ``read the window`` or ``read a pixel``."""
    requests: int
    bytes: int
    seconds: float


@dataclass(slots=True, kw_only=True)
class DemoResult:
    """What a demo made, and what reading it cost."""

    folder: Path
    source: str
    """The raster that was converted."""
    files: dict[str, str]
    """Names in `folder`, and what they are."""
    window: tuple[int, ...] = ()
    """Column and row of its upper left pixel, width and height."""
    identical: bool = False
    """Whether every reader gave the window of the source, bit for bit."""
    costs: list[Cost] = field(default_factory=list)
    steps: list[str] = field(default_factory=list)
    """What was done, a sentence each."""
    seconds: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """As JSON values."""
        return {**asdict(self), "folder": str(self.folder)}

    def write(self) -> None:
        """Write the report, complete, to the folder."""
        content = {"made_by": _MADE_BY, **self.to_dict()}
        with atomic_write(self.folder / REPORT, overwrite=True) as file:
            file.write(json.dumps(content, indent=2, allow_nan=False).encode() + b"\n")


def claim(folder: Path, names: Iterable[str], *, keep: Path | None = None) -> None:
    """Make a folder for files; refuse to replace what no demo made, and the source, `keep`."""
    try:
        report = json.loads((folder / REPORT).read_text("utf-8"))
        own = {REPORT, *report["files"]} if report["made_by"] == _MADE_BY else set()
    except (OSError, ValueError, LookupError, TypeError):
        own = set()  # there is none, or somebody else's
    for path in [folder] if folder.is_file() else [folder / name for name in names]:
        if path.exists() and (path.name not in own or (keep and path.samefile(keep))):
            raise TargetExistsError(
                f"{path} exists and no demo made it; choose another folder with --output"
            )
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
