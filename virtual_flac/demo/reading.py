"""The demo's readers: virtual Zarr, engine ``flac``, references, and rasterio on the COG.

Knows URLs and the public functions; knows nothing of how the files were made.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import rasterio
import xarray as xr
from rasterio.windows import Window

from ..cube import stack
from ..gdal.session import open_dataset
from ..io.stores import registry_for
from ..model.levels import FULL_RESOLUTION
from ..references import write_kerchunk
from ..virtual.parser import FLACParser
from .costs import Meter
from .server import RangeServer

FLAC_VIRTUAL = "FLAC, open_virtual_dataset"
FLAC_ENGINE = 'FLAC, engine="flac"'
FLAC_REFERENCES = 'FLAC, references, engine="kerchunk"'
CUBE_REFERENCES = 'Cube of three FLACs, engine="kerchunk"'
COG_RASTERIO = "COG, rasterio"

#: What GDAL's own advice for reading COGs over HTTP is: do not list the folder.
_GDAL = {"GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR"}
#: A picture needs no more pixels along a side.
_PICTURE_SIZE = 1000

Pixels = npt.NDArray[Any]
Path_ = str | os.PathLike[str]


def warm_up(flac: str, tif: Path, server: RangeServer) -> None:
    """Read a little by every way, so that what is measured later holds no import of a library.

    GDAL gets a local file: it would remember what it has read from a URL.
    """
    corner, unused = Window(0, 0, 1, 1), Meter(server)
    open_virtually(flac, unused)
    window_of_flac(flac, corner, unused)
    window_of_references(flac, corner, unused)
    with open_dataset(tif) as source:
        source.read(1, window=corner)


def open_virtually(url: str, meter: Meter) -> xr.Dataset:
    """Open a FLAC raster as a virtual dataset: metadata and byte ranges, no pixel."""
    from virtualizarr import open_virtual_dataset

    with meter.measure(FLAC_VIRTUAL, "open"):
        return open_virtual_dataset(url, parser=FLACParser(), registry=registry_for(url))


def window_of_flac(url: str, window: Window, meter: Meter) -> Pixels:
    """A window through xarray's engine ``flac``, as stored."""
    with meter.measure(FLAC_ENGINE, "open"):
        dataset = xr.open_dataset(url, engine="flac", mask_and_scale=False)
    with meter.measure(FLAC_ENGINE, "window"):
        return _values(dataset, window)


def window_of_references(url: str, window: Window, meter: Meter) -> Pixels:
    """The same window by way of kerchunk references, written now."""
    with tempfile.TemporaryDirectory() as scratch:
        references = Path(scratch) / "refs.json"
        write_references([url], references)
        with meter.measure(FLAC_REFERENCES, "open"):
            dataset = xr.open_dataset(str(references), engine="kerchunk", mask_and_scale=False)
        with meter.measure(FLAC_REFERENCES, "window"):
            return _values(dataset, window)


def window_of_cog(url: str, window: Window, meter: Meter) -> Pixels:
    """The same window of the COG, through GDAL's own HTTP reader."""
    with rasterio.Env(**_GDAL):
        with meter.measure(COG_RASTERIO, "open"):
            source = open_dataset(url)
        with source, meter.measure(COG_RASTERIO, "window"):
            values: Pixels = source.read(window=window)
    return values


def write_references(files: Sequence[Path_], target: Path) -> int:
    """Write kerchunk references to one raster, or to several stacked; return their number."""
    if len(files) == 1:
        url = os.fspath(files[0])
        dataset = FLACParser()(url, registry_for(url)).to_virtual_dataset()
    else:
        dataset = stack(files)
    write_kerchunk(dataset, target)
    references = json.loads(target.read_text("utf-8"))["refs"]
    # A reference is [url, offset, length]; what is inlined is text.
    return sum(isinstance(value, list) for value in references.values())


def choose_points(cube: Path) -> dict[str, tuple[int, int]]:
    """Row and column of the brightest, a middling and the darkest pixel of the last date."""
    with xr.open_dataset(str(cube), engine="kerchunk") as dataset:
        last = dataset["band_data"].isel(time=-1, band=0).to_numpy()
    # Not at the edges, where a mark in the picture would hide.
    margin = min(last.shape) // 16
    rows, columns = np.mgrid[margin : last.shape[0] - margin, margin : last.shape[1] - margin]
    values = last[rows, columns].ravel()
    order = np.argsort(values, kind="stable")
    order = order[: np.count_nonzero(~np.isnan(values))] if not np.isnan(values).all() else order
    chosen = {"brightest": order[-1], "median": order[len(order) // 2], "darkest": order[0]}
    return {
        name: (int(rows.ravel()[place]), int(columns.ravel()[place]))
        for name, place in chosen.items()
    }


def time_series(cube: Path, points: dict[str, tuple[int, int]], meter: Meter) -> dict[str, Any]:
    """Values at some points, by way of the references of a cube; the first point is measured."""
    with meter.measure(CUBE_REFERENCES, "open"):
        dataset = xr.open_dataset(str(cube), engine="kerchunk", chunks=None)
    data = dataset["band_data"].isel(band=0)
    series: dict[str, Any] = {
        "dates": [str(value) for value in np.datetime_as_string(dataset["time"], unit="D")],
        "name": str(data.attrs.get("long_name", "value")),
        "unit": str(data.attrs.get("units", "")),
        "points": [],
    }
    for number, (name, (row, column)) in enumerate(points.items()):
        point = data.isel(y=row, x=column)
        if number == 0:
            with meter.measure(CUBE_REFERENCES, "time series"):
                values = point.to_numpy()
        else:
            values = point.to_numpy()
        place = {axis: float(point[axis]) for axis in ("x", "y") if axis in point.coords}
        listed = [None if np.isnan(value) else value.item() for value in values]
        series["points"].append({"name": name, **place, "values": listed})
    return series


def overview_for_picture(url: str, levels: int) -> str:
    """The name of the smallest level with enough pixels for a picture."""
    with xr.open_datatree(url, engine="flac") as tree:
        names = [FULL_RESOLUTION, *(f"overview_{level}" for level in range(1, levels))]
        large = [name for name in names if max(tree[name].sizes.values()) >= _PICTURE_SIZE]
    return large[-1] if large else FULL_RESOLUTION


def picture_data(
    url: str, cube: Path, window: tuple[int, int, int, int], level: str
) -> dict[str, xr.DataArray]:
    """What the picture shows, read: the raster at one level, a window of it, the dates."""
    with xr.open_datatree(url, engine="flac") as tree:
        full = tree[FULL_RESOLUTION].to_dataset()["band_data"].isel(band=0)
        part = full.isel(x=_slice(window[0], window[2]), y=_slice(window[1], window[3]))
        overview = tree[level].to_dataset()["band_data"].isel(band=0)
        overview, part = overview.load(), part.load()
    with xr.open_dataset(str(cube), engine="kerchunk") as dataset:
        dates = dataset["band_data"].isel(band=0).load()
    return {"overview": overview, "window": part, "dates": dates}


def _values(dataset: xr.Dataset, window: Window) -> Pixels:
    part = dataset["band_data"].isel(
        x=_slice(window.col_off, window.width), y=_slice(window.row_off, window.height)
    )
    values: Pixels = part.to_numpy()
    return values


def _slice(start: int, length: int) -> slice:
    return slice(int(start), int(start) + int(length))
