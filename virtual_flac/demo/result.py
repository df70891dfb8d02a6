"""What a demo made and found, and which files in its folder are its own."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ..errors import SelectionError, TargetExistsError
from ..io.local_files import atomic_write
from .reading import Cost

#: Says what the demo made and measured; what it lists may be replaced, nothing else.
REPORT = "demo.json"
_MADE_BY = "virtual-flac demo"


@dataclass(slots=True, kw_only=True)
class DemoResult:
    """What a demo made, and what reading it cost."""

    folder: Path
    source: str
    """The raster that was converted."""
    files: dict[str, str]
    """Names in `folder`, and what they are."""
    sizes: dict[str, int] = field(default_factory=dict)
    """Bytes of those files."""
    raster: dict[str, Any] = field(default_factory=dict)
    """Size, dtype and tiling of the FLAC raster."""
    window: tuple[int, ...] = ()
    """Column and row of its upper left pixel, width and height."""
    identical: bool = False
    """Whether every reader gave the window of the source, bit for bit."""
    references: dict[str, int] = field(default_factory=dict)
    """How many byte ranges each file of references names."""
    costs: list[Cost] = field(default_factory=list)
    series: dict[str, Any] = field(default_factory=dict)
    """Dates, and the values at three points."""
    steps: list[str] = field(default_factory=list)
    """What was done, a sentence each."""
    seconds: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """As JSON values."""
        return {**asdict(self), "folder": str(self.folder), "window": list(self.window)}

    def size_of(self, ending: str) -> int:
        """Bytes of the first file whose name ends so."""
        return next(size for name, size in self.sizes.items() if name.endswith(ending))

    def write(self) -> None:
        """Write the report, complete, to the folder."""
        content = {"made_by": _MADE_BY, **self.to_dict()}
        with atomic_write(self.folder / REPORT, overwrite=True) as file:
            file.write(json.dumps(content, indent=2, allow_nan=False).encode() + b"\n")


def claim(folder: Path, names: Iterable[str], *, keep: Path | None = None) -> None:
    """Make a folder for files; refuse to replace those that no demo made, and the source, `keep`.

    Raises
    ------
    TargetExistsError, SelectionError
    """
    if folder.exists() and not folder.is_dir():
        raise TargetExistsError(f"{folder} is a file; choose another folder with --output")
    own = _own_files(folder)
    for path in (folder / name for name in names if (folder / name).exists()):
        if path.is_dir() or path.name not in own:
            raise TargetExistsError(
                f"{path} exists and no demo made it; choose another folder with --output"
            )
        if keep is not None and path.samefile(keep):
            raise SelectionError(f"{keep} is where the demo writes; choose another --output")
    folder.mkdir(parents=True, exist_ok=True)


def _own_files(folder: Path) -> set[str]:
    try:
        report = json.loads((folder / REPORT).read_text("utf-8"))
    except (OSError, ValueError):
        return set()
    if not isinstance(report, dict) or report.get("made_by") != _MADE_BY:
        return set()
    return {REPORT, *filter(lambda name: isinstance(name, str), report.get("files", ()))}
