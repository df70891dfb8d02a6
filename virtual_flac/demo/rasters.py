"""The demo's rasters: an elevation model, sunlight on it at three dates, and a COG beside it."""

from __future__ import annotations

import os
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import rasterio.shutil
from affine import Affine
from rasterio.errors import RasterioError
from rasterio.windows import Window

from ..errors import SourceError, needs_extra
from ..gdal.session import explain, open_dataset

#: Equinox and the two solstices, the shortest day last.
DATES = (date(2026, 3, 20), date(2026, 6, 21), date(2026, 12, 21))
_METRES_PER_DEGREE = 111_320.0
#: Direct sunlight on a plane that faces the sun under a clear sky, about.
_WATTS_PER_SQUARE_METRE = 1000
#: Edge of what is made per date from a raster that may be large.
_CROP = 1024

Path_ = str | Path


def make_dem(target: Path_) -> None:
    """Write matplotlib's elevation model of the Jacksboro fault (Tennessee) as a GeoTIFF.

    403 x 344 pixels of three arc seconds in EPSG:4326, int16 metres, pixel for pixel.
    """
    with needs_extra("cli", "matplotlib"):
        from matplotlib.cbook import get_sample_data

    # Annotated for the union of all that it may return; of an .npz it returns numpy's archive.
    archive: Any = get_sample_data("jacksboro_fault_dem.npz")
    with archive as sample:
        elevation = sample["elevation"]
        # In the sample, ymin is the northern edge.
        dx, dy, west, north = (float(sample[name]) for name in ("dx", "dy", "xmin", "ymin"))
    transform = Affine(dx, 0.0, west, 0.0, -dy, north)
    _write(target, elevation, crs="EPSG:4326", transform=transform, unit="m", name="elevation")


def make_sunlight(dem: Path_, target: Path_, day: date) -> None:
    """Write the sunlight that falls on each pixel of an elevation model at noon of a clear day.

    In whole watts per square metre of ground; hills cast no shadow on others.

    Parameters
    ----------
    dem : str or path
        In degrees, with elevations in metres.
    target : str or path
    day : datetime.date
    """
    with open_dataset(dem) as source:
        height = source.read(1).astype(np.float64)
        crs, transform = source.crs, source.transform
        latitude = np.deg2rad(source.xy(source.height // 2, source.width // 2)[1])
    to_south, to_east = np.gradient(
        height,
        -transform.e * _METRES_PER_DEGREE,
        transform.a * _METRES_PER_DEGREE * np.cos(latitude),
    )
    since_equinox = 2 * np.pi * (day - DATES[0]).days / 365
    elevation = np.pi / 2 - latitude + np.deg2rad(23.44) * np.sin(since_equinox)
    # The sun stands due south: its beam and the ground's normal have these parts south and up.
    cosine = (np.sin(elevation) - np.cos(elevation) * to_south) / np.sqrt(
        1 + to_south**2 + to_east**2
    )
    watts = np.rint(_WATTS_PER_SQUARE_METRE * np.maximum(cosine, 0)).astype(np.uint16)
    _write(target, watts, crs=crs, transform=transform, unit="W m-2", name="sunlight at noon")


def make_faded(raster: Path_, target: Path_, factor: float) -> None:
    """Write the middle of a raster's first band, its values times `factor`: a made-up change."""
    with open_dataset(raster) as source:
        window = middle(source, _CROP)
        values = source.read(1, window=window)
        crs, transform, nodata = source.crs, source.window_transform(window), source.nodata
    faded = values * factor
    result = (np.rint(faded) if values.dtype.kind in "iub" else faded).astype(values.dtype)
    if nodata is not None:
        result = np.where(values == nodata, values, result)
    _write(target, result, crs=crs, transform=transform, nodata=nodata)


def middle(dataset: Any, size: int) -> Window:
    """A window in the middle of a dataset, at most `size` pixels wide and high."""
    width, height = min(dataset.width, size), min(dataset.height, size)
    return Window((dataset.width - width) // 2, (dataset.height - height) // 2, width, height)


def write_cog(source: Path_, target: Path_, *, tile_size: int) -> None:
    """Write a Cloud Optimized GeoTIFF as small as GDAL's own options make it."""
    try:
        rasterio.shutil.copy(
            os.fspath(source), os.fspath(target), driver="COG", COMPRESS="ZSTD", PREDICTOR="YES",
            BLOCKSIZE=tile_size, OVERVIEW_RESAMPLING="AVERAGE", NUM_THREADS="ALL_CPUS",
        )  # fmt: skip
    except RasterioError as error:
        raise SourceError(explain(error, os.fspath(source))) from error


def _write(
    target: Path_, values: npt.NDArray[Any], *, unit: str = "", name: str = "", **profile: Any
) -> None:
    height, width = values.shape
    with open_dataset(
        target, "w", driver="GTiff", dtype=values.dtype, count=1, width=width, height=height,
        compress="deflate", **profile,
    ) as file:  # fmt: skip
        file.write(values, 1)
        if unit:
            file.units = [unit]
        if name:
            file.descriptions = [name]
