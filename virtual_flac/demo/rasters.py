"""The demo's rasters: an elevation model, sunlight on it, and a raster that fades."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from affine import Affine
from rasterio.windows import Window

from ..errors import needs_extra
from ..gdal.session import open_dataset

_EQUINOX = date(2026, 3, 20)
_METRES_PER_DEGREE = 111_320.0
#: Direct sunlight on a plane that faces the sun under a clear sky, about.
_WATTS_PER_SQUARE_METRE = 1000


def make_dem(target: str | Path) -> None:
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
    _write(target, elevation, "elevation", "m", crs="EPSG:4326", transform=transform)


def make_sunlight(dem: str | Path, target: str | Path, day: date) -> None:
    """Write the sunlight that falls on each pixel of an elevation model at noon of a clear day.

    The model is in degrees and metres, the sunlight in whole watts per square metre of ground.
    Hills cast no shadow on others.
    """
    with open_dataset(dem) as source:
        height = source.read(1).astype(np.float64)
        crs, transform = source.crs, source.transform
        latitude = np.deg2rad(source.xy(source.height // 2, source.width // 2)[1])
    south, east = -transform.e * _METRES_PER_DEGREE, transform.a * _METRES_PER_DEGREE
    to_south, to_east = np.gradient(height, south, east * np.cos(latitude))
    since_equinox = 2 * np.pi * (day - _EQUINOX).days / 365
    elevation = np.pi / 2 - latitude + np.deg2rad(23.44) * np.sin(since_equinox)
    # The sun stands due south: its beam and the ground's normal have these parts south and up.
    part = np.sin(elevation) - np.cos(elevation) * to_south
    cosine = np.maximum(part / np.sqrt(1 + to_south**2 + to_east**2), 0)
    watts = np.rint(_WATTS_PER_SQUARE_METRE * cosine).astype(np.uint16)
    _write(target, watts, "sunlight at noon", "W m-2", crs=crs, transform=transform)


def make_faded(raster: str | Path, target: str | Path, window: Window, factor: float) -> None:
    """Write a window of a raster's first band, its values times `factor`: a made-up change."""
    with open_dataset(raster) as source:
        values = source.read(1, window=window)
        crs, transform, nodata = source.crs, source.window_transform(window), source.nodata
    faded = np.where(values == nodata, values, values * factor).astype(values.dtype)
    _write(target, faded, crs=crs, transform=transform, nodata=nodata)


def _write(
    target: str | Path, values: npt.NDArray[Any], name: str = "", unit: str = "", **profile: Any
) -> None:
    height, width = values.shape
    with open_dataset(
        target, "w", driver="GTiff", dtype=values.dtype, count=1, width=width, height=height,
        compress="deflate", **profile,
    ) as file:  # fmt: skip
        file.write(values, 1)
        if name:
            file.descriptions, file.units = [name], [unit]
