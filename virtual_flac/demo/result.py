"""What a demo makes, by name, and what it found. Knows names and values; does nothing."""

from __future__ import annotations

import os
import re
from dataclasses import asdict, dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from .costs import Cost
from .folder import REPORT
from .rasters import DATES


@dataclass(slots=True, kw_only=True)
class DemoResult:
    """What a demo made, and what reading it cost.

    Parameters
    ----------
    folder : Path
        Where everything is.
    source : str
        The raster that was converted.
    files : dict of str to str
        Name in `folder` and what it is.
    sizes : dict of str to int
        Bytes of those files.
    raster : dict
        Size, dtype and tiling of the FLAC raster.
    window : tuple of int
        Column and row of its upper left pixel, width and height.
    identical : bool
        Whether every reader gave the window of the source, bit for bit.
    references : dict of str to int
        How many byte ranges each file of references names.
    costs : list of Cost
    series : dict
        Dates, and the values at three points.
    steps : list of str
        What was done, a sentence each.
    seconds : float
    """

    folder: Path
    source: str
    files: dict[str, str]
    sizes: dict[str, int] = field(default_factory=dict)
    raster: dict[str, Any] = field(default_factory=dict)
    window: tuple[int, int, int, int] = (0, 0, 0, 0)
    identical: bool = False
    references: dict[str, int] = field(default_factory=dict)
    costs: list[Cost] = field(default_factory=list)
    series: dict[str, Any] = field(default_factory=dict)
    steps: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """As plain values."""
        return {**asdict(self), "folder": str(self.folder), "window": list(self.window)}

    def size_of(self, ending: str) -> int:
        """Bytes of the first file whose name ends so."""
        return next(size for name, size in self.sizes.items() if name.endswith(ending))


@dataclass(frozen=True, slots=True)
class Names:
    """Names of the files that a demo makes."""

    stem: str
    series: str
    fetched: bool

    @property
    def source(self) -> str:
        """The GeoTIFF that is converted."""
        return f"{self.stem}.tif"

    @property
    def flac(self) -> str:
        """The FLAC raster."""
        return f"{self.stem}.flac"

    @property
    def cog(self) -> str:
        """The COG."""
        return f"{self.stem}.cog.tif"

    def dated(self, suffix: str) -> list[str]:
        """A raster for each date."""
        return [f"{self.series}_{day.isoformat()}.{suffix}" for day in DATES]

    def files(self) -> dict[str, str]:
        """All of them, and what they are."""
        return {
            **({self.source: "the raster, as GeoTIFF"} if self.fetched else {}),
            self.flac: "the same as streaming FLAC, with overviews",
            self.cog: "the same as Cloud Optimized GeoTIFF, with overviews",
            "refs.json": "kerchunk references to it",
            **dict.fromkeys(self.dated("tif"), "a date, as GeoTIFF"),
            **dict.fromkeys(self.dated("flac"), "a date, as streaming FLAC"),
            "cube.json": "kerchunk references to the three dates as one cube",
            "demo.png": "what was read, as a picture",
            REPORT: "this report",
        }


def names_for(source: str | os.PathLike[str] | None) -> Names:
    """Names that tell the source, in letters that every URL takes."""
    if source is None:
        return Names("dem", "sunlight", True)
    stem = PurePosixPath(os.fspath(source).partition("?")[0]).stem
    return Names(re.sub(r"[^\w.-]+", "_", stem) or "raster", "faded", is_url(source))


def is_url(source: str | os.PathLike[str]) -> bool:
    """Whether a source lies elsewhere."""
    return "://" in os.fspath(source) or os.fspath(source).startswith("/vsi")
