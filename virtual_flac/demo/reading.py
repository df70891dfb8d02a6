"""The demo's readers: virtual Zarr, engine ``flac``, references, and rasterio on the COG."""

from __future__ import annotations

import contextlib
import json
import os
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

from ..cube.stack import stack
from ..gdal.session import open_dataset
from ..io.stores import registry_for
from ..references.kerchunk import write_kerchunk
from ..virtual.parser import FLACParser
from .server import RangeServer

FLAC_VIRTUAL = "FLAC, open_virtual_dataset"
FLAC_ENGINE = 'FLAC, engine="flac"'
FLAC_REFERENCES = 'FLAC, references, engine="kerchunk"'
CUBE_REFERENCES = 'Cube of three FLACs, engine="kerchunk"'
COG_RASTERIO = "COG, rasterio"

#: GDAL's own advice for reading COGs over HTTP is not to list the folder.
_GDAL = {"GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR"}
#: A picture needs no more pixels along a side.
_PICTURE_SIZE = 1000

Pixels = npt.NDArray[Any]


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


class Readers:
    """Reads by every way and counts what that costs.

    Parameters
    ----------
    server : RangeServer
        Asked by nobody else meanwhile.
    """

    def __init__(self, server: RangeServer) -> None:
        self.costs: list[Cost] = []
        self._server = server

    @contextlib.contextmanager
    def _measure(self, reader: str, action: str) -> Iterator[None]:
        before = len(self._server.requests())
        start = time.perf_counter()
        yield
        seconds = time.perf_counter() - start
        asked = self._server.requests()[before:]
        sent = sum(request.bytes_sent for request in asked)
        self.costs.append(Cost(reader, action, len(asked), sent, round(seconds, 4)))

    def window(self, flac: str, cog: str, window: Window) -> list[Pixels]:
        """The same window of a FLAC and a COG, as stored, once for each way to read it."""
        return [
            self._through_engine(flac, window),
            self._through_references(flac, window),
            self._through_rasterio(cog, window),
        ]

    def _through_engine(self, url: str, window: Window) -> Pixels:
        from virtualizarr import open_virtual_dataset

        with self._measure(FLAC_VIRTUAL, "open"):
            open_virtual_dataset(url, parser=FLACParser(), registry=registry_for(url))
        with self._measure(FLAC_ENGINE, "open"):
            dataset = xr.open_dataset(url, engine="flac", mask_and_scale=False)
        with self._measure(FLAC_ENGINE, "window"):
            return _cut(dataset["band_data"], window).to_numpy()

    def _through_references(self, url: str, window: Window) -> Pixels:
        with tempfile.TemporaryDirectory() as scratch:
            references = Path(scratch) / "refs.json"
            write_references([url], references)
            with self._measure(FLAC_REFERENCES, "open"):
                dataset = xr.open_dataset(str(references), engine="kerchunk", mask_and_scale=False)
            with self._measure(FLAC_REFERENCES, "window"):
                return _cut(dataset["band_data"], window).to_numpy()

    def _through_rasterio(self, url: str, window: Window) -> Pixels:
        with rasterio.Env(**_GDAL):
            with self._measure(COG_RASTERIO, "open"):
                source = open_dataset(url)
            with source, self._measure(COG_RASTERIO, "window"):
                values: Pixels = source.read(window=window)
        return values

    def time_series(self, urls: Sequence[str]) -> dict[str, Any]:
        """Values of three pixels of a cube of one band; the first one's read is measured."""
        with tempfile.TemporaryDirectory() as scratch:
            cube = Path(scratch) / "cube.json"
            write_references(urls, cube)
            with self._measure(CUBE_REFERENCES, "open"):
                dataset = xr.open_dataset(str(cube), engine="kerchunk", chunks=None)
        data = dataset["band_data"].isel(band=0)
        height, width = data.shape[1:]
        places = {
            "north-west": (height // 8, width // 8),
            "centre": (height // 2, width // 2),
            "south-east": (height * 7 // 8, width * 7 // 8),
        }
        points: list[dict[str, Any]] = []
        for name, (row, column) in places.items():
            point = data.isel(y=row, x=column)
            measured = self._measure(CUBE_REFERENCES, "time series")
            with contextlib.nullcontext() if points else measured:
                values = point.to_numpy()
            where = {axis: float(point[axis]) for axis in ("x", "y") if axis in point.coords}
            listed = [None if np.isnan(value) else value.item() for value in values]
            points.append({"name": name, **where, "values": listed})
        return {
            "dates": [str(value) for value in np.datetime_as_string(dataset["time"], unit="D")],
            "name": str(data.attrs.get("long_name", "value")),
            "unit": str(data.attrs.get("units", "")),
            "points": points,
        }


def write_references(files: Sequence[str | os.PathLike[str]], target: Path) -> int:
    """Write kerchunk references to one raster, or to several stacked; return their number."""
    if len(files) == 1:
        url = os.fspath(files[0])
        dataset = FLACParser()(url, registry_for(url)).to_virtual_dataset()
    else:
        dataset = stack(files)
    write_kerchunk(dataset, target, overwrite=True)
    references = json.loads(target.read_text("utf-8"))["refs"]
    # A reference is [url, offset, length]; what is inlined is text.
    return sum(isinstance(value, list) for value in references.values())


def picture_data(url: str, cube: Path, window: Window) -> dict[str, xr.DataArray]:
    """What the picture shows, read: the raster at one level, a window of it, the dates."""
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
