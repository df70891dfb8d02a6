"""The demo's readers: engine ``flac``, references, and rasterio on the COG."""

from __future__ import annotations

import contextlib
import tempfile
import time
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy.typing as npt
import rasterio
import xarray as xr
from rasterio.errors import NotGeoreferencedWarning
from rasterio.windows import Window

from ..publish import publish
from .server import RangeServer


@dataclass(frozen=True, slots=True)
class Cost:
    """What one action asked of the server."""

    reader: str
    """File and how it was read: ``FLAC, engine="flac"``."""
    action: str
    """``open``, ``read the window`` or ``read a pixel``."""
    requests: int
    """Whatever their method."""
    bytes: int
    seconds: float


@contextlib.contextmanager
def measure(server: RangeServer, costs: list[Cost], reader: str, action: str) -> Iterator[None]:
    """Add the cost of the block; nobody else may ask the server meanwhile."""
    before = len(server.requests())
    start = time.perf_counter()
    yield
    seconds = round(time.perf_counter() - start, 4)
    asked = server.requests()[before:]
    costs.append(Cost(reader, action, len(asked), sum(r.bytes_sent for r in asked), seconds))


def read_all(
    server: RangeServer, flac: str, cog: str, dates: Sequence[str], window: Window
) -> tuple[list[npt.NDArray[Any]], list[Cost]]:
    """A window of a FLAC and of a COG, as stored, by every way to read it, and what that cost.

    Reading a pixel of FLACs along time is measured, too.
    """
    found: list[npt.NDArray[Any]] = []
    costs: list[Cost] = []
    area = "read the window", (..., *window.toslices())
    pixel = "read a pixel", (..., 0, 0)
    with (
        tempfile.TemporaryDirectory() as scratch,
        # GDAL's own advice for COGs over HTTP is not to list the folder.
        rasterio.Env(GDAL_DISABLE_READDIR_ON_OPEN="EMPTY_DIR"),
        warnings.catch_warnings(action="ignore", category=NotGeoreferencedWarning),
    ):
        references, cube = f"{scratch}/refs.json", f"{scratch}/cube.json"
        publish([flac], references)
        publish(dates, cube)
        for what, name, engine in (
            ("FLAC", flac, "flac"), ("References to it", references, "kerchunk"),
            ("COG", cog, "rasterio"), ("Cube of three FLACs", cube, "kerchunk"),
        ):  # fmt: skip
            reader = f'{what}, engine="{engine}"'
            with measure(server, costs, reader, "open"):
                pixels = xr.open_dataset(name, engine=engine, mask_and_scale=False)["band_data"]
            action, part = pixel if name == cube else area
            with measure(server, costs, reader, action):
                values = pixels[part].to_numpy()
            if name != cube:
                found.append(values)
    return found, costs
