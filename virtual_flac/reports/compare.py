"""Two rasters against each other, pixel by pixel and word by word, in bounded memory."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from obspec_utils.registry import ObjectStoreRegistry

from ..io.workers import Counter, Progress
from ..model.arguments import checked
from ..model.grid import Window
from ..model.pieces import ReadPlan
from ..rasters import RasterSource, open_raster, read_pieces
from ..redaction import redact_name
from .differences import Difference, metadata_differences
from .pixel_statistics import BandComparison, BandDifference, unequal

#: Pixels of one raster that are held at a time, unless a single block of it is larger.
PIECE_BYTES = 16 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class OverviewComparison:
    """Pixels of one overview that both rasters have in the same size.

    Parameters
    ----------
    level : int
        1 is the largest overview.
    width, height : int
    pixels, differing : int
        All bands together.
    """

    level: int
    width: int
    height: int
    pixels: int
    differing: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What `compare` found.

    Parameters
    ----------
    a, b : str
        Names of the rasters.
    metadata : tuple of Difference
        What they say differently, sizes and numbers of bands and overviews included.
    bands : tuple of BandComparison
        Of the bands that both have; empty when they differ in size.
    overviews : tuple of OverviewComparison
        Of those that both have in the same size.
    """

    a: str
    b: str
    metadata: tuple[Difference, ...]
    bands: tuple[BandComparison, ...]
    overviews: tuple[OverviewComparison, ...]

    @property
    def pixels_identical(self) -> bool:
        """Whether size, bands and all pixels of the full resolution are equal."""
        shape = {difference.name for difference in self.metadata} & {"size", "bands"}
        return not shape and all(band.differing == 0 for band in self.bands)

    @property
    def identical(self) -> bool:
        """Whether nothing at all differs, metadata and overviews included."""
        return (
            not self.metadata
            and self.pixels_identical
            and all(overview.differing == 0 for overview in self.overviews)
        )

    def to_dict(self) -> dict[str, Any]:
        """Everything as JSON values; infinite and undefined numbers as text."""
        content = {
            "identical": self.identical,
            "pixels_identical": self.pixels_identical,
            **asdict(self),
        }
        for band, values in zip(self.bands, content["bands"], strict=True):
            values["share"] = band.share
        strict: dict[str, Any] = _strict(content)
        return strict


@checked
def compare(
    a: str | os.PathLike[str],
    b: str | os.PathLike[str],
    *,
    registry: ObjectStoreRegistry[Any] | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
) -> Comparison:
    """Compare two rasters: FLAC of any layout, GeoTIFF or what else GDAL reads, in any mix.

    Memory is bounded by a few tiles, whatever the size of the rasters.

    Parameters
    ----------
    a, b : str or path
        Paths or URLs.
    registry : ObjectStoreRegistry, optional
        Stores to read with; made by `registry_for` when not given.
    workers : int, optional
        Threads that decode; one per core by default.
    progress : callable, optional
        Called with the pixels done and the pixels in all.

    Returns
    -------
    Comparison

    Raises
    ------
    SourceError, LayoutError, RasterError
        When a raster cannot be read.
    CorruptFlacError
        When a tile is damaged.

    Examples
    --------
    >>> compare("dem.tif", "dem.flac").identical
    True
    """
    with open_raster(a, registry, workers) as one, open_raster(b, registry, workers) as other:
        both = _Pair(one, other, progress)
        return Comparison(
            a=redact_name(os.fspath(a)),
            b=redact_name(os.fspath(b)),
            metadata=(
                *metadata_differences(one.info, other.info, one.sizes, other.sizes),
                *both.masks(),
            ),
            bands=both.bands(),
            overviews=both.overviews(),
        )


class _Pair:
    """Reads the same windows of two rasters."""

    def __init__(self, a: RasterSource, b: RasterSource, progress: Progress | None) -> None:
        self._a, self._b = a, b
        self._count = min(a.info.count, b.info.count)
        pairs = zip(a.sizes, b.sizes, strict=False)
        self._levels = [level for level, (ours, theirs) in enumerate(pairs) if ours == theirs]
        if a.sizes[0] != b.sizes[0]:
            self._levels = []
        sizes = [a.sizes[level] for level in self._levels]
        self._counter = Counter(
            progress, self._count * sum(width * height for width, height in sizes)
        )
        # Whole blocks of both: blocks are decoded once where those of one divide the other's.
        (ours, *block), (theirs, *other) = a.block_shape, b.block_shape
        self._together = max(ours, theirs) > 1
        self._unit = max(block[0], other[0]), max(block[1], other[1])

    def bands(self) -> tuple[BandComparison, ...]:
        if not self._levels:
            return ()
        found = [
            BandDifference(self._a.info.fill_value, self._b.info.fill_value)
            for _ in range(self._count)
        ]
        for bands, ours, theirs in self._pieces(0):
            for band, one, other in zip(bands, ours, theirs, strict=True):
                found[band - 1].add(one, other)
        return tuple(each.result(band) for band, each in enumerate(found, 1))

    def masks(self) -> Iterator[Difference]:
        """How masks differ that are neither nodata nor an alpha band; those of overviews do not
        count.
        """
        ours, theirs = tuple(self._a.masked_bands), tuple(self._b.masked_bands)
        if ours != theirs:
            yield Difference("mask", _masked(ours), _masked(theirs))
        elif ours and self._levels:
            differing = sum(
                int(np.count_nonzero(self._a.read_mask(window) != self._b.read_mask(window)))
                for window in ReadPlan(
                    Window(0, 0, *self._a.sizes[0]), self._unit, self._count, PIECE_BYTES
                ).pieces()
            )
            if differing:
                yield Difference("mask", _masked(ours), f"another in {differing} pixels")

    def overviews(self) -> tuple[OverviewComparison, ...]:
        return tuple(self._overview(level) for level in self._levels if level)

    def _overview(self, level: int) -> OverviewComparison:
        width, height = self._a.sizes[level]
        differing = sum(
            int(np.count_nonzero(unequal(ours, theirs))) for _, ours, theirs in self._pieces(level)
        )
        return OverviewComparison(
            level=level,
            width=width,
            height=height,
            pixels=width * height * self._count,
            differing=differing,
        )

    def _pieces(self, level: int) -> Iterator[tuple[list[int], Any, Any]]:
        """Bands and the pixels of both, piece by piece."""
        bands = range(1, self._count + 1)
        for piece in read_pieces(
            self._a, level=level, bands=bands, unit=self._unit, together=self._together,
            read_bytes=PIECE_BYTES,
        ):  # fmt: skip
            yield (
                piece.bands,
                piece.pixels,
                self._b.read(piece.window, level=level, bands=piece.bands),
            )
            self._counter.add(piece.pixels.size)


def _masked(bands: Sequence[int]) -> str:
    return f"of bands {', '.join(map(str, bands))}" if bands else "none"


def _strict(value: Any) -> Any:
    """A value without the numbers that JSON lacks."""
    if isinstance(value, dict):
        return {key: _strict(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_strict(each) for each in value]
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value
