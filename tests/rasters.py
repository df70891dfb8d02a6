"""Rasters of every kind for tests: a table of cases, each written as a GeoTIFF on demand."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import rasterio
from affine import Affine
from rasterio.control import GroundControlPoint
from rasterio.enums import ColorInterp, Resampling

NORTH_UP = Affine(30.0, 0.0, 399_960.0, 0.0, -30.0, 5_000_040.0)

#: name -> (dtype, bands, height, width, options)
CASES: dict[str, tuple[str, int, int, int, dict[str, Any]]] = {
    "uint8": ("uint8", 1, 70, 90, {}),
    "uint8_rgb_nodata": ("uint8", 3, 65, 64, {"nodata": 0}),
    "uint8_rgba": ("uint8", 4, 50, 60, {"alpha": True}),
    "uint16": ("uint16", 1, 100, 130, {}),
    "uint16_six_bands": ("uint16", 6, 40, 50, {"nodata": 65535, "descriptions": True}),
    "uint16_gray_alpha": ("uint16", 2, 33, 47, {"alpha": True}),
    "int8": ("int8", 2, 20, 30, {"nodata": -128}),
    "int16_dem": ("int16", 1, 129, 65, {"nodata": -32768}),
    "int16_scaled": ("int16", 2, 40, 40, {"nodata": -1, "scales": (0.1, 0.25), "offsets": (0, 7)}),
    "int16_scaled_alike": ("int16", 2, 40, 40, {"scales": (0.1, 0.1), "offsets": (-5, -5)}),
    "uint32": ("uint32", 1, 31, 37, {"nodata": 4_294_967_295}),
    "int32": ("int32", 1, 31, 37, {"nodata": -9999}),
    "uint64": ("uint64", 1, 20, 21, {}),
    "int64": ("int64", 2, 20, 21, {"nodata": -9999}),
    "float32": ("float32", 1, 80, 70, {}),
    "float32_nodata": ("float32", 2, 80, 70, {"nodata": -9999.0}),
    "float32_nan": ("float32", 1, 80, 70, {"nodata": float("nan")}),
    "float64": ("float64", 1, 40, 50, {"nodata": float("nan"), "units": True}),
    "palette": ("uint8", 1, 60, 60, {"palette": True}),
    "rotated": ("uint16", 1, 40, 50, {"transform": Affine(30, 5, 4e5, 7, -28, 5e6)}),
    "point": ("int16", 1, 40, 50, {"tags": {"AREA_OR_POINT": "Point"}}),
    "no_crs": ("uint8", 1, 40, 50, {"crs": None, "transform": None}),
    "custom_crs": ("uint8", 1, 40, 50, {"crs": "+proj=laea +lat_0=52 +lon_0=9.5 +datum=WGS84"}),
    "tags": ("uint16", 2, 30, 30, {"tags": {"n": "12", "f": "1.5", "list": "{1,2.5}", "w": "é"}}),
    "netcdf_tags": (
        "uint8",
        1,
        20,
        20,
        {
            "tags": {
                "x#units": "m",
                "y#standard_name": "northing",
                "band_data#kind": "a",
                "t#u": "1",
            }
        },
    ),
    "gcps": ("uint8", 1, 30, 30, {"gcps": True, "transform": None, "crs": None}),
    "one_pixel": ("uint16", 1, 1, 1, {}),
    "one_row": ("float32", 3, 1, 300, {}),
    "overviews": ("uint16", 2, 150, 190, {"overviews": [2, 4]}),
    "nodata_unfit": ("uint8", 1, 20, 20, {"nodata": None, "tags": {"nodata": "-9999"}}),
}


def pixels(dtype: str, bands: int, height: int, width: int) -> npt.NDArray[Any]:
    """A smooth surface with noise, extremes and repeated values, the same at every call."""
    rng = np.random.default_rng(height * 1000 + width)
    y, x = np.mgrid[0:height, 0:width]
    surface = np.sin(x / 9.0) * np.cos(y / 7.0) * 40 + rng.normal(0, 3, (bands, height, width))
    kind = np.dtype(dtype)
    if kind.kind == "f":
        values = (surface * 10).astype(kind)
        values.flat[::17] = np.nan
        values.flat[::29] = -9999
        values.flat[5::31] = -0.0
        values.flat[3::97] = np.inf
        return values
    limits = np.iinfo(kind)
    middle = 0 if kind.kind == "i" else min(limits.max // 2, 5000)
    values = np.clip(surface + middle, limits.min, limits.max).astype(kind)
    values.flat[::13] = 0
    values.flat[1::41] = limits.max
    values.flat[2::43] = limits.min
    return values


def make(name: str, folder: Path) -> Path:
    """Write one case as ``folder/name.tif``."""
    dtype, bands, height, width, options = CASES[name]
    path = folder / f"{name}.tif"
    data = pixels(dtype, bands, height, width)
    if options.get("alpha"):
        data[-1] = np.where(np.arange(width)[None] % 5 == 0, 0, data[-1] | 1)
    if "nodata" in options and options["nodata"] is not None and np.dtype(dtype).kind != "f":
        data.flat[::11] = options["nodata"]
    profile: dict[str, Any] = {
        "driver": "GTiff", "dtype": dtype, "count": bands, "height": height, "width": width,
        "crs": options.get("crs", "EPSG:32633"), "nodata": options.get("nodata"),
        "transform": options.get("transform", NORTH_UP),
    }  # fmt: skip
    if options.get("alpha"):
        profile["alpha"] = "unspecified"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with rasterio.open(path, "w", **profile) as target:
            target.write(data)
            _describe(target, options, bands)
        if "overviews" in options:
            with rasterio.open(path, "r+") as target:
                target.build_overviews(options["overviews"], Resampling.average)
    return path


def write_tif(
    path: Path,
    data: npt.NDArray[Any],
    *,
    describe: Mapping[str, Any] = {},
    after: Callable[[Any], object] | None = None,
    overviews: tuple[list[int], Resampling] | None = None,
    **profile: Any,
) -> Path:
    """Write pixels of shape (band, y, x) as a GeoTIFF in UTM zone 33 at `NORTH_UP`.

    `describe` sets attributes of the open dataset, such as ``descriptions`` and ``scales``; `after`
    gets the dataset itself. `overviews` are factors and how they are computed.
    """
    placed = {"crs": "EPSG:32633", "transform": NORTH_UP, **profile}
    with rasterio.open(
        path, "w", driver="GTiff", dtype=data.dtype, count=len(data), height=data.shape[1],
        width=data.shape[2], **placed,
    ) as target:  # fmt: skip
        target.write(data)
        for name, value in describe.items():
            setattr(target, name, value)
        if after:
            after(target)
    if overviews:
        with rasterio.open(path, "r+") as target:
            target.build_overviews(*overviews)
    return path


def _describe(target: Any, options: dict[str, Any], bands: int) -> None:
    if "scales" in options:
        target.scales = options["scales"]
        target.offsets = options["offsets"]
    if options.get("descriptions"):
        target.descriptions = [f"B{i:02d}" for i in range(1, bands + 1)]
    if options.get("units"):
        target.units = ["m"] * bands
    if options.get("palette"):
        target.write_colormap(1, {i: (i, 255 - i, (i * 7) % 256, 255) for i in range(256)})
    if options.get("alpha"):
        kinds = {2: [ColorInterp.gray], 4: [ColorInterp.red, ColorInterp.green, ColorInterp.blue]}
        target.colorinterp = [*kinds[bands], ColorInterp.alpha]
    if "tags" in options:
        target.update_tags(**options["tags"])
        target.update_tags(1, mean="3.5")
    if options.get("gcps"):
        points = [
            GroundControlPoint(row=r, col=c, x=10 + c / 10, y=50 - r / 10, z=0.0, id=str(i))
            for i, (r, c) in enumerate([(0, 0), (0, 29), (29, 0), (29, 29)])
        ]
        target.gcps = (points, rasterio.CRS.from_epsg(4326))
