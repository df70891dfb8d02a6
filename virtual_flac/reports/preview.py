"""A quick look at a raster: few pixels, stretched to colours."""

from __future__ import annotations

import contextlib
import io
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from obspec_utils.registry import ObjectStoreRegistry

from ..errors import SelectionError, needs_extra
from ..io.local_files import atomic_write, check_target
from ..io.reference_kinds import references_kind
from ..io.stores import registry_for
from ..io.workers import Counter, Progress
from ..model.arguments import checked
from ..model.index import RasterInfo
from ..rasters import RasterSource, open_raster, read_pieces
from .pixel_statistics import BandStatistics
from .reduction import FloatArray, Seen, averages, nearest

#: Pixels that are held at a time while they are reduced, unless a row of blocks is larger.
PIECE_BYTES = 16 << 20


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Preview:
    """A picture of a raster.

    Parameters
    ----------
    rgba : ndarray of uint8, shape (height, width, 4)
    bands : tuple of int
        1-based; three for red, green and blue, or one.
    level : int
        Which resolution it was made of; 0 is the full one.
    factor : int
        By how much that was reduced.
    ranges : tuple of (low, high)
        Values that became the darkest and the brightest, per band; empty with a colour map.
    taken : dict of str to str
        Of references: the label that was taken along each dimension but band, y and x.
    """

    rgba: npt.NDArray[np.uint8]
    bands: tuple[int, ...]
    level: int
    factor: int
    ranges: tuple[tuple[float, float], ...]
    taken: Mapping[str, str] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Everything but the pixels as JSON values."""
        height, width, _ = self.rgba.shape
        return {
            "width": width, "height": height, "bands": list(self.bands), "level": self.level,
            "factor": self.factor, "ranges": [list(pair) for pair in self.ranges],
            "taken": dict(self.taken),
        }  # fmt: skip

    def to_png(self) -> bytes:
        """The picture as a PNG file."""
        with needs_extra("cli", "matplotlib"):
            from matplotlib.image import imsave

        data = io.BytesIO()
        imsave(data, self.rgba, format="png")
        return data.getvalue()


@checked
def preview(
    source: str | os.PathLike[str] | RasterSource,
    target: str | os.PathLike[str] | None = None,
    *,
    size: int = 512,
    bands: Sequence[int] | None = None,
    cmap: str | None = None,
    percentiles: tuple[float, float] = (2, 98),
    overwrite: bool = False,
    registry: ObjectStoreRegistry[Any] | None = None,
    store_options: Mapping[str, Any] | None = None,
    allow_local: bool = False,
    workers: int | None = None,
    progress: Progress | None = None,
) -> Preview:
    """A picture of a raster, FLAC or whatever GDAL reads, or of published references.

    Made of the smallest overview that is large enough, and of nothing else; without one, of the
    full resolution, averaged on the way so that memory stays bounded. NaN, nodata, pixels whose
    alpha is 0 and those outside a mask become transparent. Of references (kerchunk JSON or
    parquet, Icechunk), the first position along each dimension but band, y and x is shown.

    Parameters
    ----------
    source : str, path or RasterSource
        Path or URL, or a raster that is open.
    target : str or path, optional
        PNG file to write.
    size : int
        Pixels of the longer side, at most.
    bands : sequence of int, optional
        One 1-based band, or three for red, green and blue. By default those that say they are
        red, green and blue, otherwise the first.
    cmap : str, optional
        Name of one of matplotlib's colour maps, for one band; gray by default, or the band's own
        colour map.
    percentiles : tuple of float
        Between which the values are stretched.
    overwrite : bool
        Replace `target` when it exists.
    registry : ObjectStoreRegistry, optional
        Stores to read with; made by `registry_for` when not given.
    store_options : Mapping, optional
        Options of the stores that are made, as for `registry_for`.
    allow_local : bool
        Whether references at a URL may name files of this machine.
    workers : int, optional
        Threads that decode; one per core by default.
    progress : callable, optional
        Called with the pixels done and the pixels in all.

    Returns
    -------
    Preview

    Raises
    ------
    MissingExtraError
        When matplotlib is not installed.
    SelectionError
        When there is no such band or colour map, or an option is out of range.
    TargetExistsError
        When `target` exists and `overwrite` is false.
    SourceError, LayoutError, CorruptFlacError
        When the raster cannot be read.

    Examples
    --------
    >>> preview("https://example.com/dem.flac", "dem.png", cmap="terrain")
    """
    _check(size, percentiles, cmap)
    if target is not None:
        check_target(Path(target), overwrite=overwrite)
    options = dict(store_options or {})
    with _opened(source, registry, options, workers, allow_local=allow_local) as raster:
        chosen = _bands(raster.info, bands)
        colours = raster.info.bands[chosen[0] - 1].colormap if len(chosen) == 1 else None
        if cmap is not None:
            colours = None
        level = _level(raster.sizes, size)
        factor = -(-max(raster.sizes[level]) // size)
        reduce = nearest if colours is not None else averages
        pieces = _pieces(raster, level, chosen, progress)
        height, width = (-(-length // factor) for length in reversed(raster.sizes[level]))
        values, valid = reduce(pieces, factor, (len(chosen), height, width))
    ranges: tuple[tuple[float, float], ...] = ()
    if colours is not None:
        rgba = _looked_up(values[0], colours)
    else:
        ranges = tuple(_range(v[ok], percentiles) for v, ok in zip(values, valid, strict=True))
        rgba = _stretched(values, ranges, cmap)
    rgba[~valid.all(axis=0), 3] = 0
    picture = Preview(
        rgba=rgba, bands=tuple(chosen), level=level, factor=factor, ranges=ranges,
        taken=getattr(raster, "taken", {}),
    )  # fmt: skip
    if target is not None:
        with atomic_write(Path(target), overwrite=overwrite) as file:
            file.write(picture.to_png())
    return picture


def _opened(
    source: str | os.PathLike[str] | RasterSource,
    registry: ObjectStoreRegistry[Any] | None,
    options: dict[str, Any],
    workers: int | None,
    *,
    allow_local: bool,
) -> contextlib.AbstractContextManager[RasterSource]:
    if not isinstance(source, str | os.PathLike):
        return contextlib.nullcontext(source)
    if references_kind(source):
        # Imports xarray and VirtualiZarr.
        from ..references.describe import ReferencedRaster

        references = ReferencedRaster(source, registry, options, allow_local=allow_local)
        return contextlib.nullcontext(references)
    if registry is None and options:
        registry = registry_for(source, **options)
    return open_raster(source, registry, workers)


def _check(size: int, percentiles: tuple[float, float], cmap: str | None) -> None:
    if not 1 <= size <= 16_384:
        raise SelectionError(f"size is {size}, expected 1 to 16384")
    if len(percentiles) != 2:
        raise SelectionError(f"percentiles are {len(percentiles)} numbers, expected two")
    low, high = percentiles
    if not 0 <= low < high <= 100:
        raise SelectionError(
            f"percentiles (--stretch) are {low} and {high}, expected 0 <= low < high <= 100"
        )
    if cmap is not None:
        check_colormap(cmap)


def check_colormap(name: str) -> None:
    """Refuse a name of which matplotlib has no colour map."""
    if name not in _colormaps():
        raise SelectionError(f"matplotlib has no colour map {name!r}; it has viridis, gray ...")


def _colormaps() -> Any:
    with needs_extra("cli", "matplotlib"):
        from matplotlib import colormaps
    return colormaps


def _bands(info: RasterInfo, bands: Sequence[int] | None) -> list[int]:
    if bands is None:
        names = [band.color_interpretation for band in info.bands]
        if {"red", "green", "blue"} <= set(names):
            return [names.index(name) + 1 for name in ("red", "green", "blue")]
        return [next((number for number, name in enumerate(names, 1) if name != "alpha"), 1)]
    chosen = [int(band) for band in bands]
    if len(chosen) not in (1, 3) or not all(1 <= band <= info.count for band in chosen):
        raise SelectionError(f"bands are {chosen}, expected one or three of 1 to {info.count}")
    return chosen


def _level(sizes: Sequence[tuple[int, int]], size: int) -> int:
    """The smallest level of which the picture gets as large as of the next one of `size` pixels."""
    longer = [max(shape) for shape in sizes]
    large = max((level for level, pixels in enumerate(longer) if pixels >= size), default=0)
    factor = -(-longer[large] // size)
    shown = -(-longer[large] // factor)
    return max(level for level, pixels in enumerate(longer) if pixels >= shown)


def _pieces(
    raster: RasterSource, level: int, bands: list[int], progress: Progress | None
) -> Iterator[Seen]:
    """Windows that fit into memory, their pixels, and which of these are to be seen."""
    statistics = BandStatistics(raster.info.fill_value)
    names = [band.color_interpretation for band in raster.info.bands]
    alpha = names.index("alpha") + 1 if "alpha" in names else None
    read = [*bands, alpha] if alpha is not None and alpha not in bands else bands
    counter = Counter(progress, math.prod(raster.sizes[level]) * len(read))
    for _, window, pixels in read_pieces(
        raster, level=level, bands=read, together=True, read_bytes=PIECE_BYTES
    ):
        seen = statistics.valid(pixels) & raster.read_mask(window, level=level, bands=read)
        if alpha is not None:
            seen &= pixels[read.index(alpha)] != 0
        yield window, pixels[: len(bands)], seen[: len(bands)]
        counter.add(pixels.size)


def _range(values: FloatArray, percentiles: tuple[float, float]) -> tuple[float, float]:
    low, high = np.percentile(values, percentiles) if values.size else (0.0, 1.0)
    return float(low), float(high)


def _stretched(
    values: FloatArray, ranges: Sequence[tuple[float, float]], cmap: str | None
) -> npt.NDArray[np.uint8]:
    stretched = [
        # Without a range everything is of middle brightness.
        np.clip((v - low) / (high - low), 0, 1) if high > low else np.full(v.shape, 0.5)
        for v, (low, high) in zip(values, ranges, strict=True)
    ]
    if len(stretched) == 1:
        coloured: npt.NDArray[np.uint8] = _colormaps()[cmap or "gray"](stretched[0], bytes=True)
        return coloured
    rgba = np.full((*values.shape[1:], 4), 255, np.uint8)
    rgba[..., :3] = np.rint(np.stack(stretched, axis=-1) * 255)
    return rgba


def _looked_up(
    values: FloatArray, colours: Sequence[tuple[int, int, int, int]]
) -> npt.NDArray[np.uint8]:
    table = np.asarray(colours, np.uint8)
    numbers = values.astype(np.int64)
    known = (numbers >= 0) & (numbers < len(table))
    rgba: npt.NDArray[np.uint8] = table[np.where(known, numbers, 0)]
    rgba[~known] = 0
    return rgba
