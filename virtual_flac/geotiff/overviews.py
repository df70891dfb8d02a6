"""Overviews of a dataset: those it has, or new ones made by GDAL itself.

Knows rasterio; must not know FLAC or the layout of our files.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import rasterio.shutil
from rasterio.enums import Resampling
from rasterio.io import DatasetReader

from ..errors import RasterError, SelectionError, SourceError
from ..gdal.raster import overview_count
from ..gdal.session import gdal_session, open_dataset, open_level, translating_errors
from ..io.local_files import temporary_folder
from ..model.grid import overview_factors
from ..model.index import RasterInfo

Overviews = Literal["source", "auto", "none"] | Sequence[int]

#: Key of the header, for our eyes only.
TAGS_KEY = "overview_tags"
#: GDAL's names; rasterio's where they differ.
RESAMPLINGS = {
    "nearest": "nearest",
    "average": "average",
    "rms": "rms",
    "gauss": "gauss",
    "bilinear": "bilinear",
    "cubic": "cubic",
    "cubicspline": "cubic_spline",
    "cubic_spline": "cubic_spline",
    "lanczos": "lanczos",
    "mode": "mode",
}


@contextlib.contextmanager
def overview_datasets(
    dataset: DatasetReader,
    raster: RasterInfo,
    overviews: Overviews,
    *,
    resampling: str | None,
    tile_size: int,
    threads: int,
    target: Path,
) -> Iterator[tuple[list[DatasetReader], bool]]:
    """Overviews as datasets, from large to small.

    Parameters
    ----------
    dataset : rasterio.io.DatasetReader
    raster : RasterInfo
        What `dataset` is.
    overviews : {"source", "auto", "none"} or sequence of int
        Those that the dataset has; those, or powers of two if it has none; none; or new ones,
        reduced by these factors.
    resampling : str or None
        GDAL's name of how new ones are computed; by default nearest for palettes, average else.
    tile_size : int
        Where to end with powers of two.
    threads : int
    target : Path
        Beside which new overviews may lie until the end.

    Yields
    ------
    datasets : list of rasterio.io.DatasetReader
    from_source : bool
        Whether the source had them.
    """
    factors = check_overviews(overviews, raster)
    method = _check_resampling(resampling, raster)
    with contextlib.ExitStack() as stack:
        if overviews in ("source", "auto"):
            count = overview_count(dataset)
            if count or overviews == "source":
                yield _open_levels(stack, dataset.name, count), True
                return
            factors = overview_factors(raster.height, raster.width, tile_size)
        if not factors:
            yield [], False
            return
        folder = stack.enter_context(temporary_folder(target))
        name = _build(dataset, factors, method, folder, threads)
        yield _open_levels(stack, name, len(factors)), False


def pack_tags(datasets: Sequence[DatasetReader], indexes: Sequence[int]) -> dict[str, Any]:
    """Metadata of the overviews' own bands, such as how GDAL computed them, for the header.

    Returns
    -------
    dict
        Empty, or with a list a level of a mapping a band; of one mapping where bands are alike.
    """
    levels = []
    for dataset in datasets:
        tags = [dataset.tags(index) for index in indexes]
        levels.append(tags[:1] if all(items == tags[0] for items in tags) else tags)
    return {TAGS_KEY: levels} if any(items for tags in levels for items in tags) else {}


def parse_tags(extra: Mapping[str, Any], level: int, count: int) -> list[dict[str, str]]:
    """Metadata of the bands of overview `level`, from 1; empty where the header has none."""
    try:
        tags = extra[TAGS_KEY][level - 1]
        bands = [{str(key): str(value) for key, value in items.items()} for items in tags]
    except (KeyError, IndexError, TypeError, AttributeError):
        return [{}] * count
    return bands * count if len(bands) == 1 else bands


def check_overviews(overviews: Overviews, raster: RasterInfo) -> list[int]:
    """Factors that were asked for, in order; empty where a word was.

    Raises
    ------
    SelectionError
        When a factor makes no overview.
    """
    if isinstance(overviews, str):
        if overviews not in ("source", "auto", "none"):
            raise SelectionError(
                f"overviews is {overviews!r}, expected 'source', 'auto', 'none' or factors"
            )
        return []
    factors = sorted({int(factor) for factor in overviews})
    most = max(raster.width, raster.height)
    for factor in factors:
        if not 2 <= factor <= most:
            raise SelectionError(
                f"an overview reduced by {factor} was asked for; a raster of {raster.width} x "
                f"{raster.height} pixels can be reduced by 2 to {most}"
            )
    sizes = {(-(-raster.width // f), -(-raster.height // f)) for f in factors}
    if len(sizes) != len(factors):
        raise SelectionError(f"the factors {factors} give overviews of the same size")
    return factors


def _check_resampling(resampling: str | None, raster: RasterInfo) -> Resampling:
    if resampling is None:
        categories = any(band.colormap is not None for band in raster.bands)
        return Resampling.nearest if categories else Resampling.average
    try:
        return Resampling[RESAMPLINGS[resampling.lower()]]
    except KeyError:
        raise SelectionError(
            f"resampling is {resampling!r}, expected one of {', '.join(RESAMPLINGS)}"
        ) from None


def _open_levels(stack: contextlib.ExitStack, name: str, count: int) -> list[DatasetReader]:
    try:
        return [stack.enter_context(open_level(name, "r", level)) for level in range(1, count + 1)]
    except SourceError as error:
        raise RasterError(
            f"{name}: its overviews cannot be opened on their own. Give the raster by its name, or "
            "leave them out with overviews='none'."
        ) from error


def _build(
    dataset: DatasetReader, factors: list[int], method: Resampling, folder: Path, threads: int
) -> str:
    """Have GDAL build overviews beside a virtual copy of the dataset, as ``gdaladdo -ro`` would."""
    name = str(folder / "source.vrt")
    with translating_errors(dataset.name):
        if any(dataset.overviews(index) for index in dataset.indexes):
            # GDAL must not begin with what the source has.
            with open_dataset(dataset.name, overview_level="NONE") as bare:
                rasterio.shutil.copy(bare, name, driver="VRT")
        else:
            rasterio.shutil.copy(dataset, name, driver="VRT")
        settings: dict[str, Any] = {
            "BIGTIFF_OVERVIEW": "IF_SAFER",
            "GDAL_TIFF_OVR_BLOCKSIZE": "512",
            "GDAL_NUM_THREADS": str(threads),
        }
        with gdal_session(**settings), open_dataset(name, "r+") as virtual:
            virtual.build_overviews(factors, method)
    return name
