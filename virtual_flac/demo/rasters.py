"""The demo's rasters: a real elevation model, sunlight on it at three dates, and a COG beside it.

Knows rasterio and where matplotlib keeps its sample data; knows nothing of FLAC.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import rasterio.shutil
from affine import Affine
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from rasterio.windows import Window

from ..errors import SourceError
from ..gdal.session import explain, open_dataset

#: Equinox and the two solstices, the shortest day last.
DATES = (date(2026, 3, 20), date(2026, 6, 21), date(2026, 12, 21))
_METRES_PER_DEGREE = 111_320.0
_SOLAR_CONSTANT = 1361.0
#: Edge of what is made per date from a raster that may be large.
_CROP = 1024

Path_ = str | Path


def make_dem(target: Path_) -> None:
    """Write matplotlib's elevation model of the Jacksboro fault (Tennessee) as a GeoTIFF.

    403 x 344 pixels of three arc seconds in EPSG:4326, int16 metres, pixel for pixel.
    """
    from matplotlib.cbook import get_sample_data

    # Annotated for the union of all that it may return; of an .npz it returns numpy's archive.
    archive: Any = get_sample_data("jacksboro_fault_dem.npz")
    with archive as sample:
        elevation = sample["elevation"]
        step_x, step_y = float(sample["dx"]), float(sample["dy"])
        # In the sample, ymin is the northern edge.
        west, north = float(sample["xmin"]), float(sample["ymin"])
    transform = Affine(step_x, 0.0, west, 0.0, -step_y, north)
    _write(target, elevation, crs="EPSG:4326", transform=transform, unit="m", name="elevation")


def make_sunlight(dem: Path_, target: Path_, day: date) -> None:
    """Write the sunlight that falls on each pixel of an elevation model at noon of a clear day.

    In whole watts per square metre of ground, from slope, aspect, latitude and the sun's
    declination; hills cast no shadow on others.

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
    metres_east = transform.a * _METRES_PER_DEGREE * np.cos(latitude)
    metres_south = -transform.e * _METRES_PER_DEGREE
    to_south, to_east = np.gradient(height, metres_south, metres_east)
    elevation, strength = _sun(day, float(latitude))
    # The sun stands due south: its beam and the ground's normal have these parts south and up.
    cosine = (np.cos(elevation) * -to_south + np.sin(elevation)) / np.sqrt(
        1 + to_south**2 + to_east**2
    )
    watts = np.rint(strength * np.maximum(cosine, 0)).astype(np.uint16)
    _write(target, watts, crs=crs, transform=transform, unit="W m-2", name="sunlight at noon")


def _sun(day: date, latitude: float) -> tuple[float, float]:
    """Elevation of the sun at noon, and the strength of its direct beam under a clear sky."""
    year = 2 * np.pi * (day.timetuple().tm_yday - 1) / 365
    declination = np.deg2rad(23.44) * np.sin(year - 2 * np.pi * 80 / 365)
    elevation = np.pi / 2 - latitude + declination
    air_mass = 1 / np.sin(elevation)
    strength = _SOLAR_CONSTANT * (1 + 0.033 * np.cos(year)) * 0.7 ** (air_mass**0.678)
    return float(elevation), float(strength)


def make_faded(raster: Path_, target: Path_, factor: float) -> None:
    """Write the middle of a raster's first band, its values times `factor`: a change made up."""
    with open_dataset(raster) as source:
        width, height = min(source.width, _CROP), min(source.height, _CROP)
        window = Window((source.width - width) // 2, (source.height - height) // 2, width, height)
        values = source.read(1, window=window)
        crs, transform, nodata = source.crs, source.window_transform(window), source.nodata
    faded = values * factor
    if values.dtype.kind in "iub":
        faded = np.rint(faded)
    result = faded.astype(values.dtype)
    if nodata is not None:
        result = np.where(values == nodata, values, result)
    _write(target, result, crs=crs, transform=transform, nodata=nodata)


def write_cog(source: Path_, target: Path_, *, tile_size: int) -> None:
    """Write a Cloud Optimized GeoTIFF as one would who cares for size: ZSTD and a predictor."""
    _copy(
        os.fspath(source),
        target,
        driver="COG",
        COMPRESS="ZSTD",
        PREDICTOR="YES",
        BLOCKSIZE=tile_size,
        OVERVIEW_RESAMPLING="AVERAGE",
        NUM_THREADS="ALL_CPUS",
        BIGTIFF="IF_SAFER",
    )


def fetch(url: str, target: Path_) -> None:
    """Copy a raster that lies elsewhere into a local GeoTIFF.

    Raises
    ------
    SourceError
        When GDAL cannot read it.
    """
    _copy(url, target, driver="GTiff", COMPRESS="ZSTD", TILED="YES")


def _copy(source: str, target: Path_, **options: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        try:
            rasterio.shutil.copy(source, os.fspath(target), **options)
        except RasterioError as error:
            raise SourceError(explain(error, source)) from error


def read_window(raster: Path_, window: Window) -> npt.NDArray[Any]:
    """A window of all bands, as stored."""
    with open_dataset(raster) as source:
        values: npt.NDArray[Any] = source.read(window=window)
    return values


def choose_window(raster: Path_, tile_size: int) -> Window:
    """A window in the middle, as large as a tile and hardly ever on the edges of one."""
    with open_dataset(raster) as source:
        width, height = min(source.width, tile_size), min(source.height, tile_size)
        return Window((source.width - width) // 2, (source.height - height) // 2, width, height)


def choose_tile_size(raster: Path_) -> int:
    """About four tiles along the longer side, between 128 and 1024 pixels."""
    with open_dataset(raster) as source:
        longer = max(source.width, source.height)
    sizes: Sequence[int] = (128, 256, 512)
    return next((size for size in sizes if 4 * size >= longer), 1024)


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
