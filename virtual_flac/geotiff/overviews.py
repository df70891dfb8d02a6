"""Overviews for a FLAC raster: those the source has, or new ones made by GDAL itself."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import rasterio.shutil
from rasterio.enums import Resampling
from rasterio.io import DatasetReader

from ..errors import SelectionError
from ..gdal.raster import GdalSource, opened_gdal
from ..gdal.session import gdal_session, open_dataset, translating_errors
from ..io.hidden_folders import temporary_folder
from ..model.grid import overview_factors
from ..model.index import RasterInfo
from ..rasters import RasterSource
from .compression import has_palette
from .stage import write_stage

Overviews = Literal["source", "auto", "none"] | Sequence[int]

#: GDAL's names.
RESAMPLINGS = (
    *("nearest", "average", "rms", "gauss", "bilinear"),
    *("cubic", "cubicspline", "lanczos", "mode"),
)


@contextlib.contextmanager
def with_overviews(
    raster: RasterSource,
    overviews: Overviews,
    *,
    resampling: str | None,
    tile_size: int,
    threads: int,
    target: Path,
) -> Iterator[RasterSource]:
    """The raster itself, if it has the overviews that are wanted, or a copy that has.

    Options are those of `write_flac`. The raster is opened without overviews if its own are not
    wanted. New ones lie beside the target until the end; powers of two end with one tile.
    """
    info = raster.info
    factors = _factors(overviews, info)
    method = usual_resampling(info) if resampling is None else parse_resampling(resampling)
    if overviews == "auto" and len(raster.sizes) == 1:
        factors = overview_factors(info.height, info.width, tile_size)
    if not factors:
        yield raster
        return
    with temporary_folder(target) as folder, gdal_session():
        if isinstance(raster, GdalSource):
            name, bands = _build(raster.dataset, factors, method, folder, threads), raster.bands
        else:
            # GDAL computes them from a GeoTIFF of all pixels.
            stage, bands = folder / "full.tif", None
            read_back = write_stage(stage, raster, info)
            with open_dataset(stage) as dataset:
                read_back.compare(dataset, stage)
                name = _build(dataset, factors, method, folder, threads)
        with opened_gdal(name, bands=bands) as reduced:
            yield reduced


def usual_resampling(raster: RasterInfo) -> Resampling:
    """How overviews are computed by default."""
    return Resampling.nearest if has_palette(raster) else Resampling.average


def _factors(overviews: Overviews, raster: RasterInfo) -> list[int]:
    """Factors that were asked for, in order; empty where a word was."""
    if isinstance(overviews, str):
        if overviews not in ("source", "auto", "none"):
            raise _unknown(overviews)
        return []
    try:
        factors = sorted({int(factor) for factor in overviews})
    except (TypeError, ValueError):
        raise _unknown(overviews) from None
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


def _unknown(overviews: object) -> SelectionError:
    return SelectionError(
        f"overviews is {overviews!r}, expected 'source', 'auto', 'none' or factors such as [2, 4]"
    )


def parse_resampling(name: str) -> Resampling:
    """The method that a name means: one of `RESAMPLINGS`, in any case."""
    gdal_name = name.lower().replace("cubic_spline", "cubicspline")
    if gdal_name not in RESAMPLINGS:
        raise SelectionError(f"resampling is {name!r}, expected one of {', '.join(RESAMPLINGS)}")
    return Resampling["cubic_spline" if gdal_name == "cubicspline" else gdal_name]


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
