"""The demo's readers: virtual Zarr, engine ``flac``, references, and rasterio on the COG."""

from __future__ import annotations

import contextlib
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import rasterio
import xarray as xr
from rasterio.windows import Window
from virtualizarr import open_virtual_dataset

from ..gdal.session import open_dataset
from ..io.stores import registry_for
from ..publish import publish
from ..virtual.parser import FLACParser
from .server import RangeServer

FLAC_VIRTUAL = "FLAC, open_virtual_dataset"
FLAC_ENGINE = 'FLAC, engine="flac"'
FLAC_REFERENCES = 'FLAC, references, engine="kerchunk"'
CUBE_REFERENCES = 'Cube of three FLACs, engine="kerchunk"'
COG_RASTERIO = "COG, rasterio"

#: A picture needs no more pixels along a side.
_PICTURE_SIZE = 1000


@dataclass(frozen=True, slots=True)
class Cost:
    """What one action asked of the server."""

    reader: str
    """File and how it was read: ``FLAC, engine="flac"``."""
    action: str
    """``open``, ``window`` or ``time series``."""
    requests: int
    """Whatever their method."""
    bytes: int
    seconds: float


class Meter:
    """Counts what a server is asked for, in `costs`; nobody else may ask it meanwhile."""

    def __init__(self, server: RangeServer) -> None:
        self.costs: list[Cost] = []
        self._server = server

    @contextlib.contextmanager
    def measure(self, reader: str, action: str) -> Iterator[None]:
        """Add the cost of the block."""
        before = len(self._server.requests())
        start = time.perf_counter()
        yield
        seconds = time.perf_counter() - start
        asked = self._server.requests()[before:]
        sent = sum(request.bytes_sent for request in asked)
        self.costs.append(Cost(reader, action, len(asked), sent, round(seconds, 4)))


def read_window(meter: Meter, flac: str, cog: str, window: Window) -> list[npt.NDArray[Any]]:
    """The same window of a FLAC and a COG, as stored, once for each way to read it."""
    found: list[npt.NDArray[Any]] = []
    with meter.measure(FLAC_VIRTUAL, "open"):
        open_virtual_dataset(flac, parser=FLACParser(), registry=registry_for(flac))
    with tempfile.TemporaryDirectory() as scratch:
        references = str(Path(scratch) / "refs.json")
        publish([flac], references)
        ways = ((FLAC_ENGINE, flac, "flac"), (FLAC_REFERENCES, references, "kerchunk"))
        for reader, name, engine in ways:
            with meter.measure(reader, "open"):
                dataset = xr.open_dataset(name, engine=engine, mask_and_scale=False)
            with meter.measure(reader, "window"):
                found.append(_cut(dataset["band_data"], window).to_numpy())
    # GDAL's own advice for COGs over HTTP is not to list the folder.
    with rasterio.Env(GDAL_DISABLE_READDIR_ON_OPEN="EMPTY_DIR"):
        with meter.measure(COG_RASTERIO, "open"):
            source = open_dataset(cog)
        with source, meter.measure(COG_RASTERIO, "window"):
            found.append(source.read(window=window))
    return found


def read_series(meter: Meter, urls: Sequence[str], dates: xr.DataArray) -> dict[str, Any]:
    """Measure reading a pixel of a cube of one band, and give the values of three from `dates`."""
    last = dates.isel(time=-1).to_numpy()
    margin = min(last.shape) // 16  # at an edge, the picture would cut off its mark
    last = last[margin : last.shape[0] - margin, margin : last.shape[1] - margin]
    order = np.argsort(last, axis=None)  # NaN come last
    order = order[: max(1, np.count_nonzero(~np.isnan(last)))]
    points: list[dict[str, Any]] = []
    for name, rank in (("brightest", -1), ("median", len(order) // 2), ("darkest", 0)):
        row, column = (int(at) + margin for at in np.unravel_index(order[rank], last.shape))
        values = dates.isel(y=row, x=column).to_numpy().tolist()
        known = [None if value != value else value for value in values]
        points.append({"name": name, "row": row, "column": column, "values": known})
    with tempfile.TemporaryDirectory() as scratch:
        publish(urls, Path(scratch) / "cube.json")
        with meter.measure(CUBE_REFERENCES, "open"):
            cube = xr.open_dataset(f"{scratch}/cube.json", engine="kerchunk", chunks=None)
    with meter.measure(CUBE_REFERENCES, "time series"):
        cube["band_data"].isel(band=0, y=points[0]["row"], x=points[0]["column"]).to_numpy()
    return {
        "dates": [str(value) for value in np.datetime_as_string(dates["time"], unit="D")],
        "name": str(dates.attrs.get("long_name", "value")),
        "unit": str(dates.attrs.get("units", "")),
        "points": points,
    }


def read_for_picture(url: str, cube: Path, window: Window) -> dict[str, xr.DataArray]:
    """The raster at one level, a window of it, and the dates of a cube."""
    with xr.open_datatree(url, engine="flac") as tree:
        levels = [group.to_dataset()["band_data"].isel(band=0) for group in tree.leaves]
        full = max(levels, key=lambda level: level.size)
        large = [level for level in levels if max(level.shape) >= _PICTURE_SIZE] or [full]
        smallest = min(large, key=lambda level: level.size)
        data = {"overview": smallest.load(), "window": _cut(full, window).load()}
    with xr.open_dataset(str(cube), engine="kerchunk") as dataset:
        return {**data, "dates": dataset["band_data"].isel(band=0).load()}


def _cut(array: xr.DataArray, window: Window) -> xr.DataArray:
    rows, columns = (slice(start, end) for start, end in window.toranges())
    return array.isel(y=rows, x=columns)
